"""May this account use that: yes or no, why, and until when."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

import attrs
import pytest

from monochat_billing import commands
from monochat_billing.balance import DebitMode, Terms
from monochat_billing.balance_commands import move
from monochat_billing.books import BalanceMove
from monochat_billing.catalogs import Catalog
from monochat_billing.errors import InvalidInput, UnknownName
from monochat_billing.lots import LotOrigin
from monochat_billing.money import money
from monochat_billing.periods import MONTH
from monochat_billing.permissions import Permission, Reason, may_use
from monochat_billing.plans import sample_catalog
from monochat_billing.subscriptions import SubscriptionState
from monochat_billing.units import Units
from tests.desk import Clock, Desk, build
from tests.scene import START, Scene, instant, lira, scene

SAMPLE = sample_catalog()
NO_FREE_PLAN = attrs.evolve(
    SAMPLE, products=tuple(one for one in SAMPLE.products if one.id != "basic")
)


def ask(made: Scene, name: str, at: datetime | str | None = None, **more: Any) -> Permission:  # noqa: ANN401
    """Let time pass and ask."""
    if at is not None:
        made.run(at)
    return may_use(made.state, made.catalog, name, **more)


def growing(funds: str = "1499", catalog: Catalog = SAMPLE) -> Scene:
    """Open an account with just enough for a first month of Growth."""
    made = scene(funds, catalog=catalog)
    made.subscribe(START, "growth")
    return made


def put(made: Scene, **change: Any) -> Scene:  # noqa: ANN401 - any field
    """Change a field of the plan's subscription, as if it had come to that."""
    one = attrs.evolve(made.of(), **change)
    made.state = made.state.with_subscription(made.state.books, one)
    return made


class TestFeatures:
    """What the product has, if the subscription serves."""

    def test_that_the_plan_has(self) -> None:
        found = ask(growing(), "broadcasts")
        assert (found.allowed, found.reason) == (True, Reason.INCLUDED)
        assert bool(found)
        assert (found.product, found.state) == ("growth", SubscriptionState.ACTIVE)
        assert found.until is None
        assert str(found) == "broadcasts: yes: Growth includes it"

    def test_that_the_plan_does_not_have(self) -> None:
        found = ask(growing(), "api")
        assert (found.allowed, found.reason, found.product) == (
            False,
            Reason.NOT_INCLUDED,
            "growth",
        )
        assert found.explain("tr") == "hayır: Growth bunu içermez"

    def test_that_the_support_package_has(self) -> None:
        made = growing("2000")
        assert ask(made, "guidance").reason is Reason.NOT_INCLUDED
        made.subscribe(START, "priority")
        assert ask(made, "guidance").product == "priority"

    def test_until_a_change_that_takes_it_away(self) -> None:
        """Basic has no broadcasts; it comes at the period's end."""
        made = growing()
        made.plan("2026-10-06", "basic")
        assert ask(made, "broadcasts").until == instant("2026-11-05 06:00")
        assert ask(made, "users").until is None
        made.plan("2026-10-07", "enterprise")
        assert ask(made, "broadcasts").until is None

    def test_that_nobody_knows_is_the_callers_mistake(self) -> None:
        with pytest.raises(UnknownName, match="'brodcasts' is no feature, limit or meter; use one"):
            ask(growing(), "brodcasts")


class TestStates:
    """A table of every state, and what it answers."""

    def test_past_due_within_its_grace_serves_with_a_warning(self) -> None:
        """And says until when: seven days after the failed renewal."""
        made = growing()
        found = ask(made, "broadcasts", "2026-11-06")
        assert (found.allowed, found.warning, found.reason) == (True, True, Reason.IN_GRACE)
        assert found.until == instant("2026-11-12 06:00")
        assert found.explain() == (
            "yes: Growth includes it; its renewal is not paid: top up, until 2026-11-12 09:00"
        )

    def test_suspended_serves_no_more(self) -> None:
        """What the free plan includes is all that is left."""
        made = growing()
        found = ask(made, "broadcasts", "2026-11-13")
        assert (found.allowed, found.reason) == (False, Reason.SUSPENDED)
        assert "top up" in found.explain()
        free = ask(made, "users")
        assert (free.allowed, free.reason, free.product) == (True, Reason.FREE_PLAN, "basic")

    def test_suspended_without_a_free_plan(self) -> None:
        made = growing(catalog=NO_FREE_PLAN)
        assert ask(made, "users", "2026-11-13").reason is Reason.SUSPENDED

    def test_past_due_that_waits_for_money_has_no_grace(self) -> None:
        """Where the catalog says nothing of dunning, what is unpaid serves no more."""
        made = growing(catalog=attrs.evolve(NO_FREE_PLAN, dunning=()))
        assert ask(made, "broadcasts", "2026-11-06").reason is Reason.UNPAID

    def test_money_revives(self) -> None:
        made = growing()
        made.run("2026-11-13")
        made.credit("2026-11-14", "1499")
        assert ask(made, "broadcasts").reason is Reason.INCLUDED

    def test_a_trial_serves_until_its_end(self) -> None:
        end = START + timedelta(days=14)
        made = put(growing(), state=SubscriptionState.TRIALING, trial_ends_at=end)
        found = ask(made, "broadcasts")
        assert (found.allowed, found.reason, found.until) == (True, Reason.TRIAL, end)

    def test_a_pause_serves_what_was_paid_for(self) -> None:
        """Until the paid end, exclusive; then it says that it is paused."""
        made = put(growing(catalog=NO_FREE_PLAN), state=SubscriptionState.PAUSED, paused_at=START)
        found = ask(made, "broadcasts", "2026-11-05 05:59")
        assert (found.reason, found.until) == (Reason.PAID_UNTIL, instant("2026-11-05 06:00"))
        assert ask(made, "broadcasts", "2026-11-05 06:00").reason is Reason.PAUSED

    @pytest.mark.parametrize("state", [SubscriptionState.CANCELED, SubscriptionState.EXPIRED])
    def test_what_has_ended_serves_no_more(self, state: SubscriptionState) -> None:
        made = put(growing(catalog=NO_FREE_PLAN), state=state, ended_at=START)
        assert ask(made, "broadcasts").reason is Reason.ENDED

    def test_nothing_subscribed(self) -> None:
        """The free plan stands in, where there is one."""
        assert ask(scene(catalog=SAMPLE), "users").reason is Reason.FREE_PLAN
        assert ask(scene(catalog=SAMPLE), "api").product == "basic"
        assert ask(scene(catalog=NO_FREE_PLAN), "api").reason is Reason.NOT_SUBSCRIBED


class TestLimits:
    """One more of what is limited."""

    @pytest.mark.parametrize(
        ("used", "more", "reason"),
        [
            (0, 1, Reason.WITHIN_LIMIT),
            (9, 1, Reason.WITHIN_LIMIT),
            (10, 0, Reason.WITHIN_LIMIT),
            (10, 1, Reason.LIMIT_REACHED),
            (8, 3, Reason.LIMIT_REACHED),
        ],
    )
    def test_a_hard_one(self, used: int, more: int, reason: Reason) -> None:
        """Growth has ten users."""
        found = ask(growing(), "users", usage={"users": used}, more=more)
        assert found.reason is reason
        assert found.check is not None
        assert found.check.used == used + more

    def test_a_soft_one_is_charged_above(self) -> None:
        found = ask(growing(), "contacts", usage={"contacts": 10_000})
        assert (found.allowed, found.warning, found.reason) == (True, True, Reason.OVERAGE)

    def test_no_limit(self) -> None:
        made = scene("5999", catalog=SAMPLE)
        made.subscribe(START, "enterprise")
        assert ask(made, "users", usage={"users": 10**9}).allowed

    def test_without_a_count_there_is_room(self) -> None:
        found = ask(growing(), "users")
        assert (found.reason, found.check) == (Reason.WITHIN_LIMIT, None)

    def test_a_count_is_a_whole_number(self) -> None:
        with pytest.raises(InvalidInput, match="used"):
            ask(growing(), "users", usage={"users": -2})


class TestMeters:
    """What is left of a meter, then money."""

    def test_units_first(self, desk: Desk) -> None:
        """What the plan includes is there from the first day."""
        desk.billing.balances.credit("acme", lira("1499"), reason="opening", key="o")
        desk.billing.subscriptions.subscribe("acme", "growth", MONTH, key="s")
        found = desk.billing.may_use("acme", "monochat.message")
        assert (found.reason, found.amount) == (
            Reason.UNITS_LEFT,
            Units(10_000, "monochat.message"),
        )
        assert found.explain("tr") == "evet: 10.000 mesaj kaldı"

    def test_then_money(self) -> None:
        made = scene("5", catalog=SAMPLE)
        found = ask(made, "monochat.message")
        assert (found.reason, found.amount) == (Reason.FROM_BALANCE, lira("5"))

    def test_then_nothing(self) -> None:
        assert ask(scene(catalog=SAMPLE), "monochat.message").reason is Reason.NOTHING_LEFT

    def test_a_pack(self) -> None:
        """Its units are those of a balance like any other."""
        made = scene(catalog=SAMPLE)
        made.do(
            START,
            lambda state, now: commands.grant(
                state,
                Units(5, "monochat.message"),
                terms=Terms(origin=LotOrigin.PACK),
                reason="pack",
                now=now,
            ),
        )
        assert ask(made, "monochat.message").amount == Units(5, "monochat.message")


class TestStanding:
    """What was forced below zero stops everything until it is covered."""

    def test_overdrawn(self) -> None:
        made = growing("1500")
        made.do(
            "2026-10-06",
            lambda state, now: commands.charge(
                state, lira("11"), reason="chargeback", mode=DebitMode.FORCED, now=now
            ),
        )
        found = ask(made, "broadcasts")
        assert (found.allowed, found.reason, found.amount) == (
            False,
            Reason.OVERDRAWN,
            lira("10"),
        )
        made.credit("2026-10-07", "9.99")
        assert ask(made, "broadcasts").amount == lira("0.01")
        made.credit("2026-10-08", "0.01")
        assert ask(made, "broadcasts").allowed

    def test_frozen(self) -> None:
        made = growing()
        made.do(
            "2026-10-06",
            lambda state, now: move(state, "TRY", BalanceMove.FREEZE, now=now),
        )
        assert ask(made, "broadcasts").reason is Reason.FROZEN


class _Counts:
    """Count what the host has."""

    def __init__(self, **counts: int) -> None:
        self.counts = counts

    def read(self, account: str, names: Iterable[str]) -> Mapping[str, int]:
        assert account == "acme"
        return {name: self.counts[name] for name in names if name in self.counts}


class TestTheFace:
    """``billing.may_use``, on memory and on SQLite."""

    def test_asks_the_hosts_reader(self, desk: Desk, clock: Clock) -> None:
        desk.billing.balances.credit("acme", lira("1499"), reason="opening", key="o")
        desk.billing.subscriptions.subscribe("acme", "growth", MONTH, key="s")
        assert desk.billing.may_use("acme", "users").check is None
        counting = build(desk.storage, clock, desk.reopen)
        counting.billing._context = attrs.evolve(
            counting.billing._context, usage_reader=_Counts(users=10)
        )
        found = counting.billing.may_use("acme", "users")
        assert not found
        assert found.reason is Reason.LIMIT_REACHED
        assert counting.billing.may_use("acme", "users", more=0)
        assert counting.billing.may_use("acme", "broadcasts")

    def test_time_passes_before_it_answers(self, desk: Desk) -> None:
        """Nobody has to have run the renewals."""
        desk.billing.balances.credit("acme", lira("1499"), reason="opening", key="o")
        desk.billing.subscriptions.subscribe("acme", "growth", MONTH, key="s")
        desk.clock.advance(days=32)
        assert desk.billing.may_use("acme", "broadcasts").reason is Reason.IN_GRACE
        desk.clock.advance(days=32)
        assert desk.billing.may_use("acme", "broadcasts").reason is Reason.SUSPENDED

    def test_an_unknown_account(self, desk: Desk) -> None:
        with pytest.raises(UnknownName):
            desk.billing.may_use("nobody", "users")


def test_every_reason_reads_in_both_languages() -> None:
    """No sentence is left in the other language."""
    for reason in Reason:
        one = Permission(
            account="acme", name="x", at=START, zone="UTC", reason=reason, product="growth",
            names=PRODUCT_NAMES, amount=money("1", "TRY"),
        )  # fmt: skip
        assert one.explain() != one.explain("tr")
        assert one.explain().startswith("yes: " if one.allowed else "no: ")
        assert one.explain("tr").startswith("evet: " if one.allowed else "hayır: ")


PRODUCT_NAMES = {"en": "Growth", "tr": "Growth"}
