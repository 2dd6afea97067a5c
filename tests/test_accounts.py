"""Catch-up: whatever is due happens in its order, however time is made to pass."""

from datetime import timedelta

import attrs
import pytest

from monochat_billing.accounts import Step, catch_up, require_account
from monochat_billing.balance import EntryKind, Terms
from monochat_billing.errors import InsufficientFunds, InvalidInput, UnknownName
from monochat_billing.events import (
    LotExpired,
    PlanChanged,
    RenewalFailed,
    ScheduledChangeFailed,
)
from monochat_billing.lots import ChargeKind, LotOrigin
from monochat_billing.money import money
from monochat_billing.periods import MONTH, YEAR
from monochat_billing.plans import Catalog, ChangeTiming, Family, Price
from monochat_billing.scheduling import ScheduleState
from monochat_billing.subscriptions import SubscriptionState
from monochat_billing.texts import check_identity
from tests.scene import CATALOG, START, Scene, instant, lira, scene

NOVEMBER = instant("2026-11-05 06:00")
DECEMBER = instant("2026-12-05 06:00")
SECOND = timedelta(seconds=1)
PAST_DUE, ACTIVE = SubscriptionState.PAST_DUE, SubscriptionState.ACTIVE
LADDERS = (Family.PLAN, Family.SUPPORT)


def growing(*amounts: str, product: str = "growth") -> Scene:
    made = scene(*amounts or ("100000",))
    made.subscribe(START, product)
    return made


def repriced(product: str, amount: str) -> Catalog:
    prices = (Price(interval=MONTH, amount=lira(amount)),)
    return attrs.evolve(
        CATALOG,
        products=tuple(
            attrs.evolve(one, prices=(*prices, *one.prices[1:])) if one.id == product else one
            for one in CATALOG.products
        ),
    )


class TestRenewals:
    """Each period is charged when it begins, as of that instant."""

    def test_run_over_years(self) -> None:
        """Three years in one go: 36 renewals, each at its own instant, recorded now."""
        made = growing()
        now = instant("2029-10-05 06:00")
        step = made.run(now)
        fees = [entry for entry in step.entries if entry.kind is EntryKind.PLAN_FEE]
        assert len(fees) == len(step.entries) == len(step.events) == 36
        assert [fee.effective_at.month for fee in fees] == [
            11,
            12,
            *range(1, 13),
            *range(1, 13),
            *range(1, 11),
        ]
        assert {fee.effective_at.day for fee in fees} == {5}
        assert {fee.recorded_at for fee in fees} == {now}
        assert made.of().index == 36
        assert made.posted() == str(100000 - 37 * 1499)
        assert made.state.account.as_of == now
        assert made.state.account.next_due_at == instant("2029-11-05 06:00")

    def test_are_due_at_the_bound_and_not_before(self) -> None:
        """A microsecond before it nothing happens, and nothing is even looked at."""
        made = growing()
        assert made.run(NOVEMBER - timedelta(microseconds=1)).entries == ()
        assert len(made.run(NOVEMBER).entries) == 1
        assert made.run(NOVEMBER).entries == ()

    def test_without_money_are_past_due(self) -> None:
        """An event, no entry, and no second attempt by itself."""
        made = growing("1499", "100")
        step = made.run("2027-11-05 06:00")
        assert step.entries == ()
        (event,) = step.events
        assert isinstance(event, RenewalFailed)
        assert (event.at, event.shortfall) == (NOVEMBER, lira("1399"))
        assert made.of().state is PAST_DUE
        assert made.state.account.next_due_at is None

    def test_the_plan_before_the_support_package(self) -> None:
        """When there is money for one of them, the plan gets it."""
        made = scene("1499", "450", "1499")
        made.subscribe(START, "priority")
        made.subscribe(START, "growth")
        made.run(NOVEMBER)
        assert (made.of().state, made.of(Family.SUPPORT).state) == (ACTIVE, PAST_DUE)
        assert made.posted() == "0"

    def test_each_is_judged_alone(self) -> None:
        """What is left of too little for the plan still pays the support package."""
        made = scene("1949", "450")
        made.subscribe(START, "growth")
        made.subscribe(START, "priority")
        made.run(NOVEMBER)
        assert (made.of().state, made.of(Family.SUPPORT).state) == (PAST_DUE, ACTIVE)

    def test_come_before_whatever_is_asked_later(self) -> None:
        """A debit on the 6th cannot spend the money of a renewal that was due on the 5th."""
        made = growing("2998")
        with pytest.raises(InsufficientFunds) as refused:
            made.debit("2026-11-06", "1000")
        assert refused.value.available == "0"
        assert made.of().state is ACTIVE
        assert made.of().period.start == NOVEMBER

    def test_at_a_price_that_is_pinned(self) -> None:
        """A new list price does not reach who is there already."""
        made = growing()
        made.catalog = repriced("growth", "1999")
        made.run(NOVEMBER)
        assert made.amounts()[-1] == "-1499"


class TestScheduledChanges:
    """The change comes first, and what results is renewed."""

    def test_a_downgrade_is_all_that_is_charged_at_the_bound(self) -> None:
        """One fee, of the new plan."""
        made = growing(product="enterprise")
        change = made.plan("2026-10-20", "growth")
        step = made.run(NOVEMBER)
        assert [entry.money for entry in step.entries] == [lira("-1499")]
        (event,) = step.events
        assert isinstance(event, PlanChanged)
        assert (event.at, event.scheduled_change) == (NOVEMBER, change.id)
        decided = made.schedule[change.id]
        assert (decided.state, decided.decided_at) == (ScheduleState.APPLIED, NOVEMBER)
        assert decided.outcome == "downgrade at period end"

    def test_an_upgrade_that_cannot_be_paid_fails_and_the_old_plan_renews(self) -> None:
        """Visibly, and at one instant."""
        made = growing("1499", "1499")
        change = made.plan("2026-10-20", "enterprise")
        step = made.run(NOVEMBER)
        assert [type(event).__name__ for event in step.events] == [
            "ScheduledChangeFailed",
            "SubscriptionRenewed",
        ]
        failed = step.events[0]
        assert isinstance(failed, ScheduledChangeFailed)
        assert (failed.at, failed.scheduled_change) == (NOVEMBER, change.id)
        assert "4500 short" in failed.reason
        assert made.schedule[change.id].state is ScheduleState.FAILED
        assert (made.of().product, made.of().state) == ("growth", ACTIVE)
        assert made.posted() == "0"

    def test_a_downgrade_that_cannot_be_paid_applies_and_is_past_due(self) -> None:
        """The account owes the smaller price from then on."""
        made = growing("5999", "1000", product="enterprise")
        change = made.plan("2026-10-20", "growth")
        step = made.run(NOVEMBER)
        assert [type(event).__name__ for event in step.events] == ["PlanChanged", "RenewalFailed"]
        assert step.entries == ()
        failed = step.events[1]
        assert isinstance(failed, RenewalFailed)
        assert (failed.product, failed.amount, failed.shortfall) == (
            "growth",
            lira("1499"),
            lira("499"),
        )
        assert made.schedule[change.id].state is ScheduleState.APPLIED
        plan = made.of()
        assert (plan.product, plan.state) == ("growth", PAST_DUE)
        assert (plan.period.end, plan.index) == (NOVEMBER, 0)
        assert [(one.product, one.end) for one in plan.history] == [
            ("enterprise", NOVEMBER),
            ("growth", None),
        ]
        made.credit("2026-11-20", "499")
        assert made.of().state is ACTIVE
        assert made.posted() == "0"

    def test_dearer_than_shown_fails(self) -> None:
        """Nobody is charged more than they saw; the same price or a lower one is fine."""
        for now, state in (
            ("6000", ScheduleState.FAILED),
            ("5999", ScheduleState.APPLIED),
            ("5998", ScheduleState.APPLIED),
        ):
            made = growing()
            change = made.plan("2026-10-20", "enterprise", shown=lira("5999"))
            made.catalog = repriced("enterprise", now)
            made.run(NOVEMBER)
            assert made.schedule[change.id].state is state
            if state is ScheduleState.FAILED:
                assert made.schedule[change.id].outcome == (
                    "6000 TRY per MONTH is dearer than the 5999 TRY that was shown"
                )
                assert made.amounts()[-1] == "-1499"

    def test_to_what_is_sold_no_longer_fails(self) -> None:
        """The old plan renews; the catalog of the day decides."""
        made = growing()
        change = made.plan("2026-10-20", "enterprise")
        made.catalog = attrs.evolve(
            CATALOG, products=tuple(one for one in CATALOG.products if one.id != "enterprise")
        )
        made.run(NOVEMBER)
        assert made.schedule[change.id].state is ScheduleState.FAILED
        assert made.of().product == "growth"
        assert made.of().period.start == NOVEMBER

    def test_in_mid_period(self) -> None:
        """An upgrade at an instant is prorated there, and the one at the end still comes."""
        made = growing()
        upgrade = made.plan("2026-10-10", "enterprise", at="2026-10-20 09:00")
        down = made.plan("2026-10-11", "growth")
        made.run("2026-10-20 09:00")
        assert made.amounts()[-2:] == ["773.68", "-3096.26"]
        assert made.of().period.end == NOVEMBER
        made.run(NOVEMBER)
        assert made.amounts()[-1] == "-1499"
        assert [made.schedule[one.id].state for one in (upgrade, down)] == [
            ScheduleState.APPLIED
        ] * 2

    def test_at_the_bound_itself_by_its_instant(self) -> None:
        """AT the period's end is the period's end: nothing prorated, one fee."""
        made = growing()
        made.plan("2026-10-10", "enterprise", at=NOVEMBER)
        step = made.run(NOVEMBER)
        assert [entry.money for entry in step.entries] == [lira("-5999")]
        assert made.of().period.end == DECEMBER

    def test_after_a_renewal_that_failed(self) -> None:
        """An upgrade of what is past due starts a period of its own, if it can be paid."""
        made = growing("1499", "1000")
        made.plan("2026-10-10", "basic", at="2026-11-20")
        made.run("2026-11-20")
        assert (made.of().product, made.of().state) == ("basic", ACTIVE)
        assert made.of().period.start == instant("2026-11-20")

    def test_of_the_interval_move_the_end(self) -> None:
        """END_OF_PERIOD follows an anchor that was moved by a change at an instant."""
        made = growing()
        made.plan("2026-10-10", "growth", YEAR, at="2026-10-26 09:00")
        made.plan("2026-10-11", "basic")
        made.run("2026-11-06")
        assert str(made.of().price) == "14990 TRY per YEAR"
        made.run("2027-10-26 09:00")
        assert made.of().product == "basic"

    def test_to_what_is_in_force_by_then_change_nothing(self) -> None:
        """It is applied without an entry or an event, and the period renews as usual."""
        made = growing()
        change = made.plan("2026-10-20", "enterprise", at="2026-10-25 09:00")
        made.change("2026-10-21", "enterprise")
        assert made.schedule[change.id].state is ScheduleState.SUPERSEDED
        again = made.plan("2026-10-22", "enterprise")
        step = made.run(NOVEMBER)
        assert made.schedule[again.id].state is ScheduleState.APPLIED
        assert made.schedule[again.id].outcome == "nothing to change"
        assert [type(event).__name__ for event in step.events] == ["SubscriptionRenewed"]
        assert made.of().index == 1


class TestExpiry:
    """Lots that end are swept at their end, before anything else of that instant."""

    def test_comes_before_a_renewal_of_the_same_instant(self) -> None:
        """A lot that ends at the bound pays no renewal."""
        made = scene("1499")
        terms = Terms(origin=LotOrigin.PROMOTIONAL, expires_at=NOVEMBER)
        made.subscribe(START, "growth")
        made.credit(START, "1499", terms)
        step = made.run(NOVEMBER)
        assert [type(event).__name__ for event in step.events] == ["LotExpired", "RenewalFailed"]
        expired = step.events[0]
        assert isinstance(expired, LotExpired)
        assert (expired.amount, expired.at) == (lira("1499"), NOVEMBER)
        assert expired.entry == step.entries[0].number
        assert made.posted() == "0"

    def test_a_moment_later_it_would_have_paid(self) -> None:
        """The end is exclusive."""
        made = scene("1499")
        made.subscribe(START, "growth")
        made.credit(START, "1499", Terms(expires_at=NOVEMBER + SECOND))
        made.run(NOVEMBER + SECOND)
        assert made.of().state is ACTIVE

    def test_wakes_the_account(self) -> None:
        """The next due instant is the earliest of lots, changes and renewals."""
        made = growing()
        assert made.state.account.next_due_at == NOVEMBER
        made.plan(START + SECOND, "enterprise", at="2026-10-25")
        assert made.state.account.next_due_at == instant("2026-10-25")
        made.credit(START + 2 * SECOND, "5", Terms(expires_at=instant("2026-10-20")))
        assert made.state.account.next_due_at == instant("2026-10-20")
        made.run("2026-10-20")
        assert made.state.account.next_due_at == instant("2026-10-25")

    def test_of_several_lots_is_in_their_order(self) -> None:
        """Each at its own end, however late the account is looked at."""
        made = scene()
        for day in ("2026-10-09", "2026-10-07", "2026-10-08"):
            made.credit(START, "5", Terms(expires_at=instant(day)))
        step = made.run("2026-12-01")
        assert [entry.effective_at.day for entry in step.entries] == [7, 8, 9]


class TestTime:
    """Effective time never runs backwards on an account."""

    def test_a_clock_that_was_set_back_is_read_as_the_latest_instant(self) -> None:
        """What happens next happens no earlier than what happened."""
        made = growing()
        made.run("2026-10-20")
        entry = made.debit("2026-10-10", "1")
        assert entry.effective_at == instant("2026-10-20")
        assert made.state.account.as_of == instant("2026-10-20")
        step = catch_up(made.state, CATALOG, START)
        assert step.state is made.state

    def test_nothing_due_is_free(self) -> None:
        """Only the instant moves."""
        made = growing()
        step = catch_up(made.state, CATALOG, instant("2026-10-20"))
        assert step == Step(made.state.seen(instant("2026-10-20")))
        assert step.state.books is made.state.books


class TestReviving:
    """New money pays what is past due: the oldest first, the plan before the support package."""

    @pytest.fixture
    def late(self) -> Scene:
        """Both are past due: the support package since 1 November, the plan since the 5th."""
        made = scene("450", "1499", at=instant("2026-10-01 06:00"))
        made.subscribe("2026-10-01 06:00", "priority")
        made.subscribe(START, "growth")
        made.run("2026-11-20")
        return made

    def test_the_oldest_first(self, late: Scene) -> None:
        """With money for one of them the older one is paid."""
        late.credit("2026-11-20", "1499")
        assert (late.of(Family.SUPPORT).state, late.of().state) == (ACTIVE, PAST_DUE)
        assert late.posted() == "1049"
        late.credit("2026-11-21", "450")
        assert late.of().state is ACTIVE
        assert late.posted() == "0"

    def test_both_where_there_is_enough(self, late: Scene) -> None:
        """In one go, each with a period from now."""
        late.credit("2026-11-20", "1949")
        for family in LADDERS:
            assert late.of(family).state is ACTIVE
            assert late.of(family).period.start == instant("2026-11-20")
        assert late.happened()[-2:] == ["SubscriptionRevived"] * 2

    def test_the_plan_first_where_both_are_as_old(self) -> None:
        """And a support package that would be affordable does not overtake it."""
        made = scene("1949")
        made.subscribe(START, "priority")
        made.subscribe(START, "growth")
        made.run(NOVEMBER)
        made.credit(NOVEMBER + SECOND, "1498")
        assert [made.of(family).state for family in LADDERS] == [PAST_DUE, PAST_DUE]
        assert made.posted() == "1498"
        made.credit(NOVEMBER + 2 * SECOND, "1")
        assert [made.of(family).state for family in LADDERS] == [ACTIVE, PAST_DUE]

    def test_one_of_another_currency_is_not_kept_waiting(self) -> None:
        """Dollars pay for the support package although the plan still lacks liras."""
        made = scene("1499")
        made.credit(START, money("12", "USD"))
        made.subscribe(START, "growth")
        made.subscribe(START, "priority", currency="USD")
        made.run(NOVEMBER)
        assert [made.of(family).state for family in LADDERS] == [PAST_DUE, PAST_DUE]
        made.credit(NOVEMBER + SECOND, money("12", "USD"))
        assert [made.of(family).state for family in LADDERS] == [PAST_DUE, ACTIVE]

    def test_not_with_money_that_may_not_pay(self, late: Scene) -> None:
        """A message pack revives no plan."""
        late.credit("2026-11-20", "5000", Terms(pays_for=frozenset({ChargeKind.MESSAGE})))
        assert late.of().state is PAST_DUE


class TestDoors:
    """What is no account or no id is refused by name."""

    def test_an_account_that_does_not_exist(self) -> None:
        """It has to be opened first."""
        with pytest.raises(UnknownName, match="account: 'nobody' does not exist"):
            require_account(None, "nobody")
        state = growing().state
        assert require_account(state, "acme") is state

    @pytest.mark.parametrize(
        "value", ["", " a", "a ", "a\nb", "a\x00", "x" * 201, None, 7, b"a"], ids=repr
    )
    def test_what_is_no_id(self, value: str) -> None:
        """Nothing, blanks around, control characters, too long, no text."""
        with pytest.raises(InvalidInput) as refused:
            check_identity(value, "key")
        assert refused.value.field == "key"

    @pytest.mark.parametrize("value", ["a", "x" * 200, "müşteri 7/ağustos"])
    def test_what_is_one(self, value: str) -> None:
        """Any language, inner blanks, up to 200 characters."""
        assert check_identity(value, "key") == value

    def test_a_subscription_of_a_family(self) -> None:
        """None where there is none."""
        made = growing()
        assert made.state.subscription(Family.SUPPORT) is None
        assert made.state.subscription(Family.PLAN) is made.of()
        assert made.plan(START, "basic").timing is ChangeTiming.END_OF_PERIOD
