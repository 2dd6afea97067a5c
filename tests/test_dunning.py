"""Dunning: the policy as data, and what an account lives through when it cannot pay."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import attrs
import pytest

from monochat_billing import (
    Catalog,
    CatalogVersions,
    DebitMode,
    Family,
    InvalidCatalog,
    InvalidInput,
    Money,
    money,
    sample_catalog,
)
from monochat_billing.adapters.catalog_files import read_catalog, read_versions, write_catalog
from monochat_billing.adapters.memory import MemoryStorage
from monochat_billing.due_work import first_dues
from monochat_billing.dunning import (
    WAIT_FOR_MONEY,
    AfterGrace,
    DunningPolicy,
    dunning_table,
    policy_for,
)
from monochat_billing.events import RenewalFailed
from monochat_billing.intervals import MONTH
from monochat_billing.plans import AnchorRule
from monochat_billing.subscriptions import SubscriptionState
from monochat_billing.tax_regimes import TURKEY
from monochat_billing.units import plain_text
from tests.stall import (
    DECEMBER,
    MOVING,
    NOVEMBER,
    SHOP,
    SUSPENDING,
    Shop,
    days,
    shop_on,
    storage_on,
    with_dunning,
)

DAY = timedelta(days=1)
ALIKE = (attrs.evolve(SUSPENDING, family=None),)


@pytest.fixture(params=["memory", "sqlite"])
def shop(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Shop]:
    storage, close = storage_on(request.param, tmp_path)
    yield shop_on(storage)
    close()


def policy(**fields: Any) -> DunningPolicy:  # noqa: ANN401
    return DunningPolicy(**({"name": "p"} | fields))


class TestAPolicy:
    """It says only what can happen."""

    @pytest.mark.parametrize(
        ("fields", "said"),
        [
            ({"name": " "}, "dunning.name"),
            ({"grace": MONTH}, "dunning.grace: 'MONTH' is not in days"),
            ({"grace": days(3)[0], "retries": days(2, 2)}, "is not in order"),
            ({"grace": days(3)[0], "retries": days(1, 4)}, "'4 DAY' is not within the grace"),
            ({"retries": days(1)}, "which is over at once"),
            ({"then": AfterGrace.MOVE}, "dunning.to: None is missing"),
            ({"to": "basic"}, "dunning.to: 'basic' does not go with WAIT"),
            ({"gives_up": MONTH}, "dunning.gives_up: 'MONTH' does not go with WAIT"),
        ],
    )
    def test_refuses_what_cannot_be(self, fields: dict[str, Any], said: str) -> None:
        """Each mistake names its field, its value and what to do."""
        with pytest.raises(InvalidInput) as refused:
            policy(**fields)
        assert said in str(refused.value)

    def test_dates_its_plan_in_local_days(self) -> None:
        """A grace over the end of summer time is seven local days, so an hour longer."""
        since = datetime.fromisoformat("2026-10-20T10:00:00+00:00")
        plan = SUSPENDING.started(since, "Europe/Berlin")
        assert plan.grace_ends_at == since + timedelta(days=7, hours=1)
        assert plan.retries == (since + DAY, since + 3 * DAY)
        assert plan.in_grace(since)
        assert not plan.in_grace(plan.grace_ends_at)

    def test_without_grace_what_follows_does_so_at_once(self) -> None:
        """And waiting for money has no end."""
        assert policy(then=AfterGrace.SUSPEND).started(NOVEMBER, "UTC").ends_at == NOVEMBER
        assert WAIT_FOR_MONEY.started(NOVEMBER, "UTC").ends_at is None

    def test_the_first_that_matches_decides(self) -> None:
        """By product, by family, or for all; without one it waits for money."""
        own = policy(name="own", product="growth", then=AfterGrace.CANCEL)
        table = (own, SUSPENDING, policy(name="rest", then=AfterGrace.SUSPEND))
        names = [policy_for(table, one).name for one in SHOP.products]
        assert names == ["plans", "own", "plans", "rest", "rest", "rest"]
        assert policy_for((), SHOP.products[0]) is WAIT_FOR_MONEY
        assert "given up" not in dunning_table(table)


class TestInACatalog:
    """A catalog is checked with its policies, and a file says the same."""

    @pytest.mark.parametrize(
        ("policies", "said"),
        [
            ((policy(product="gold"),), "dunning[0].product: 'gold' is not in the catalog"),
            ((policy(then=AfterGrace.MOVE, to="gold"),), "dunning[0].to: 'gold' is not in the"),
            (
                (policy(product="growth", then=AfterGrace.MOVE, to="enterprise"),),
                "dunning[0].to: 'enterprise' is not free",
            ),
            (
                (policy(then=AfterGrace.MOVE, to="basic"),),
                "is another family than community, priority, seat",
            ),
            (
                (policy(family=Family.SUPPORT, product="growth"),),
                "dunning[0].product: 'growth' is no SUPPORT",
            ),
            (
                (SUSPENDING, policy(name="late", product="growth")),
                "dunning[1]: 'late' can never match",
            ),
        ],
    )
    def test_is_judged_with_the_products(
        self, policies: tuple[DunningPolicy, ...], said: str
    ) -> None:
        """Unknown names, targets that cost or are no neighbors, rows that nothing reaches."""
        with pytest.raises(InvalidCatalog) as refused:
            with_dunning(*policies)
        assert said in str(refused.value)

    def test_reads_back_as_it_was_written(self) -> None:
        """In both formats, also when a later version drops them."""
        full = with_dunning(
            attrs.evolve(SUSPENDING, gives_up=MONTH, anchor=AnchorRule.RESET), MOVING
        )
        for kind in ("toml", "json"):
            assert read_catalog(write_catalog(full, kind), kind) == full
        later = attrs.evolve(full, version="2", effective_at=DECEMBER, dunning=())
        both = CatalogVersions(versions=(full, later))
        assert read_versions(write_catalog(both)) == both

    def test_a_file_reports_every_mistake(self) -> None:
        """With the path in the file."""
        text = write_catalog(SHOP) + (
            '\n[[dunning]]\nname = "x"\ngrace = "MONTH"\n'
            '\n[[dunning]]\nname = "y"\nretries = ["soon"]\nthen = "STOP"\nfrom = 1\n'
        )
        with pytest.raises(InvalidCatalog) as refused:
            read_catalog(text)
        report = str(refused.value)
        for said in (
            "dunning[2].grace: 'MONTH' is not in days",
            "dunning[3].retries[0]: 'soon' is no interval",
            "dunning[3].then: 'STOP' is unknown",
            "dunning[3].from: 1 is a key that nothing reads",
        ):
            assert said in report

    def test_the_sample_has_some(self) -> None:
        """A week of grace, then suspended; support falls back to what is free."""
        sample = sample_catalog()
        assert sample.dunning_for(sample.product("growth")).then is AfterGrace.SUSPEND
        assert sample.dunning_for(sample.product("priority")).to == "community"


class TestAFailedRenewal:
    """Past due, tried again, then what the policy says: each step an event."""

    def test_is_retried_and_then_suspended(self, shop: Shop) -> None:
        """On the first and third day, and at the end of the week."""
        shop.fund("1500")
        shop.subscribe("growth")
        shop.wait(NOVEMBER)
        assert shop.of().state is SubscriptionState.PAST_DUE
        assert shop.of().serves(NOVEMBER + 6 * DAY)
        shop.wait(NOVEMBER + 3 * DAY)
        dunning = shop.of().dunning
        assert dunning is not None
        assert (dunning.tried, dunning.retries) == (2, ())
        shop.wait(NOVEMBER + 7 * DAY)
        assert shop.of().state is SubscriptionState.SUSPENDED
        assert not shop.of().serves(NOVEMBER + 7 * DAY)
        assert shop.told()[-4:] == [*3 * ["RenewalFailed"], "SubscriptionSuspended"]
        assert shop.posted() == "500"
        failures = [
            one.event
            for one in shop.billing.events("acme", limit=100)
            if isinstance(one.event, RenewalFailed)
        ]
        assert [(one.attempt, one.retry_at) for one in failures] == [
            (0, NOVEMBER + DAY),
            (1, NOVEMBER + 3 * DAY),
            (2, None),
        ]
        assert {one.grace_ends_at for one in failures} == {NOVEMBER + 7 * DAY}

    def test_is_paid_late_within_the_grace(self, shop: Shop) -> None:
        """A top-up on the second day pays the period that was due: its bounds do not move."""
        shop.fund("1000")
        shop.subscribe("growth")
        shop.wait(NOVEMBER + 2 * DAY)
        shop.fund("1000")
        assert shop.of().state is SubscriptionState.ACTIVE
        assert (shop.of().period.start, shop.of().period.end) == (NOVEMBER, DECEMBER)
        assert shop.of().dunning is None
        assert shop.told()[-1] == "SubscriptionRevived"

    def test_is_paid_by_a_higher_credit_limit(self, shop: Shop) -> None:
        """Nothing has come in, and it is covered all the same: the bounds stay."""
        shop.fund("1000")
        shop.subscribe("growth")
        shop.wait(NOVEMBER + DAY)
        shop.billing.balances.limit("acme", _lira("1000"), key=shop.key())
        assert shop.of().state is SubscriptionState.ACTIVE
        assert shop.of().period.start == NOVEMBER

    def test_begins_anew_after_the_grace(self, shop: Shop) -> None:
        """What was suspended for eight days costs nothing for them."""
        shop.fund("1000")
        shop.subscribe("growth")
        shop.wait(NOVEMBER + 15 * DAY)
        shop.fund("1000")
        assert shop.of().state is SubscriptionState.ACTIVE
        assert shop.of().period.start == NOVEMBER + 15 * DAY
        assert (shop.of().dunning, shop.of().suspended_at) == (None, None)

    def test_moves_to_the_free_product(self, shop: Shop) -> None:
        """Support falls back to the community, and nothing is owed."""
        shop.fund("400")
        shop.subscribe("priority")
        shop.wait(NOVEMBER + 5 * DAY)
        support = shop.of(Family.SUPPORT)
        assert (support.product, support.state) == ("community", SubscriptionState.ACTIVE)
        assert support.period.start == NOVEMBER + 5 * DAY
        assert [line.product for line in support.history] == ["priority", "community"]
        assert shop.told()[-2:] == ["RenewalFailed", "PlanChanged"]

    def test_keeps_the_policy_of_its_day(self, shop: Shop, tmp_path: Path) -> None:
        """What an account was told when it failed stays so, whatever the catalog says later."""
        shop.fund("1000")
        shop.subscribe("growth")
        shop.wait(NOVEMBER)
        plan = shop.of().dunning
        other = attrs.evolve(shop.billing._context, catalog=with_dunning())
        later = other.view("acme").state.held("growth").dunning
        assert later == plan


def _lira(amount: str) -> Money:
    return money(amount, "TRY")


class TestOtherPolicies:
    """Canceled at the end, given up, a new period for late money, no grace at all."""

    def story(self, catalog: Catalog, until: datetime, *funds: tuple[datetime, str]) -> Shop:
        made = shop_on(MemoryStorage(), catalog, funds="1000")
        made.subscribe("growth")
        for at, amount in funds:
            made.wait(at)
            made.fund(amount)
        made.wait(until)
        return made

    def test_canceled_at_the_end_of_the_grace(self) -> None:
        """It is over, and what was planned for it too."""
        ends = policy(grace=days(3)[0], then=AfterGrace.CANCEL)
        made = shop_on(MemoryStorage(), with_dunning(ends), funds="1000")
        made.subscribe("growth")
        made.billing.schedule.cancel("acme", "growth", at=DECEMBER, key="later")
        made.wait(NOVEMBER + 3 * DAY)
        one = made.of()
        assert (one.state, one.ended_at) == (SubscriptionState.CANCELED, NOVEMBER + 3 * DAY)
        assert made.schedule() == [("cancel", "SUPERSEDED", f"canceled: {one.id}")]
        assert made.told()[-2:] == ["SubscriptionCanceled", "ChangeSuperseded"]

    def test_given_up_a_while_after_it_was_suspended(self) -> None:
        """A month later it expires; money that comes then revives nothing."""
        table = with_dunning(attrs.evolve(SUSPENDING, gives_up=MONTH))
        made = self.story(table, NOVEMBER + 7 * DAY)
        assert made.of().state is SubscriptionState.SUSPENDED
        made.wait(datetime.fromisoformat("2026-12-12T06:00:00+00:00"))
        assert made.of().state is SubscriptionState.EXPIRED
        made.fund("5000")
        assert made.of().state is SubscriptionState.EXPIRED

    def test_a_new_period_for_money_within_the_grace_where_the_policy_says_so(self) -> None:
        """RESET gives the days of grace away."""
        table = with_dunning(attrs.evolve(SUSPENDING, anchor=AnchorRule.RESET))
        made = self.story(table, NOVEMBER + 3 * DAY, (NOVEMBER + 2 * DAY, "1000"))
        assert made.of().period.start == NOVEMBER + 2 * DAY

    def test_no_grace_at_all(self) -> None:
        """Suspended at the instant of the failure."""
        made = self.story(with_dunning(policy(then=AfterGrace.SUSPEND)), NOVEMBER)
        assert made.of().state is SubscriptionState.SUSPENDED
        assert made.of().suspended_at == NOVEMBER

    @pytest.mark.parametrize("waited", [2 * DAY, 3 * DAY + timedelta(hours=1)], ids=str)
    def test_a_period_shorter_than_the_grace(self, waited: timedelta) -> None:
        """Money that comes when the period that was due is over, or ends, begins a new one."""
        daily = attrs.evolve(
            SHOP.product("growth"),
            prices=(attrs.evolve(SHOP.product("growth").prices[0], interval=days(1)[0]),),
        )
        others = tuple(one for one in SHOP.products if one.id != "growth")
        catalog = attrs.evolve(SHOP, products=(*others, daily))
        made = shop_on(MemoryStorage(), catalog, funds="1000")
        made.subscribe("growth", days(1)[0])
        start = made.clock.now
        made.wait(start + 2 * DAY)  # failed after a day, tried again a day later
        made.wait(start + waited)
        made.fund("1000")
        assert made.of().state is SubscriptionState.ACTIVE
        assert made.of().period.start == start + waited

    def test_a_retry_pays_what_the_money_is_enough_for(self) -> None:
        """New money waits for the plan, which comes first; a retry judges each alone."""
        made = shop_on(MemoryStorage(), with_dunning(*ALIKE), funds="1400")
        made.subscribe("growth")
        made.subscribe("priority")
        made.wait(NOVEMBER)
        made.fund("400")
        assert made.of(Family.SUPPORT).state is SubscriptionState.PAST_DUE
        made.wait(NOVEMBER + DAY)
        assert made.of().state is SubscriptionState.PAST_DUE
        support = made.of(Family.SUPPORT)
        assert (support.state, support.period.start) == (SubscriptionState.ACTIVE, NOVEMBER)
        assert made.told()[-2:] == ["RenewalFailed", "SubscriptionRevived"]

    def test_the_last_retry_comes_before_the_end_of_the_grace(self) -> None:
        """Both at one instant: what the retry pays is not suspended."""
        last = attrs.evolve(ALIKE[0], retries=days(7))
        made = shop_on(MemoryStorage(), with_dunning(last), funds="1400")
        made.subscribe("growth")
        made.subscribe("priority")
        made.wait(NOVEMBER)
        made.fund("400")
        made.wait(NOVEMBER + 7 * DAY)
        assert made.of().state is SubscriptionState.SUSPENDED
        assert made.of(Family.SUPPORT).state is SubscriptionState.ACTIVE
        assert made.of(Family.SUPPORT).period.start == NOVEMBER
        assert made.told().count("SubscriptionSuspended") == 1

    def test_what_is_paid_late_is_taxed_as_on_the_day_it_fell_due(self) -> None:
        """1,000 with 20 % inside."""
        made = shop_on(MemoryStorage(), attrs.evolve(SHOP, tax=TURKEY), funds="1000")
        made.subscribe("growth")
        made.wait(NOVEMBER)
        made.fund("1000")
        split = made.of().charge.tax
        assert split is not None
        assert (split.net, split.tax) == (money("833.33", "TRY"), money("166.67", "TRY"))

    def test_a_retry_when_the_period_that_was_due_is_over(self) -> None:
        """A new period begins with it, and the day between costs nothing."""
        every_day = tuple(
            attrs.evolve(
                one, prices=(attrs.evolve(one.prices[0], interval=days(1)[0]), *one.prices[1:])
            )
            for one in SHOP.products
        )
        catalog = attrs.evolve(SHOP, products=every_day, dunning=ALIKE)
        made = shop_on(MemoryStorage(), catalog, funds="1400")
        made.subscribe("growth", days(1)[0])
        made.subscribe("priority", days(1)[0])
        start = made.clock.now
        made.wait(start + DAY)
        made.fund("400")
        made.wait(start + 2 * DAY)
        support = made.of(Family.SUPPORT)
        assert (support.state, support.period.start) == (
            SubscriptionState.ACTIVE,
            start + 2 * DAY,
        )

    def test_where_the_free_product_is_sold_no_more(self) -> None:
        """What was to move is suspended, and waits for money."""
        without = attrs.evolve(
            SHOP,
            version="2",
            effective_at=NOVEMBER + DAY,
            products=tuple(one for one in SHOP.products if one.id != "community"),
            dunning=(SUSPENDING,),
        )
        made = shop_on(MemoryStorage(), CatalogVersions(versions=(SHOP, without)), funds="400")
        made.subscribe("priority")
        made.wait(NOVEMBER + 5 * DAY)
        support = made.of(Family.SUPPORT)
        assert (support.product, support.state) == ("priority", SubscriptionState.SUSPENDED)
        made.fund("400")
        assert made.of(Family.SUPPORT).period.start == NOVEMBER + 5 * DAY

    def test_waiting_for_money_is_the_default(self) -> None:
        """Past due without an end, as a catalog without policies always meant."""
        made = self.story(with_dunning(), NOVEMBER + 300 * DAY)
        assert made.of().state is SubscriptionState.PAST_DUE
        state = made.billing._context.view("acme").state
        assert state.settled.account.next_due_at is None
        made.fund("1000")
        assert made.of().period.start == NOVEMBER + 300 * DAY


class TestWhatMoneyPaysFirst:
    """It can be said before the money comes, and that is what it then does."""

    def test_the_oldest_first_and_the_plan_before_the_support(self, shop: Shop) -> None:
        """Both are unpaid: the order is that of paying."""
        shop.fund("1400")
        shop.subscribe("priority")
        shop.subscribe("growth")
        shop.wait(NOVEMBER + DAY)
        dues = shop.billing.subscriptions.dues("acme")
        assert [(one.product, plain_text(one.amount)) for one in dues] == [
            ("growth", "1000"),
            ("priority", "400"),
        ]
        shop.fund("1000")
        assert shop.of().state is SubscriptionState.ACTIVE
        assert shop.of(Family.SUPPORT).state is SubscriptionState.PAST_DUE
        (left,) = shop.billing.subscriptions.dues("acme")
        assert str(left) == "400 TRY for priority since 2026-11-05"

    @pytest.mark.parametrize(
        ("amount", "pays", "waits", "left"),
        [
            ("500", ["300 owed"], ["1000 growth", "400 priority"], "200"),
            ("100", ["100 owed"], ["200 owed", "1000 growth", "400 priority"], "-200"),
            ("1350", ["300 owed", "1000 growth"], ["400 priority"], "50"),
            ("2000", ["300 owed", "1000 growth", "400 priority"], [], "300"),
        ],
    )
    def test_a_preview_of_a_top_up_says_so(
        self, shop: Shop, amount: str, pays: list[str], waits: list[str], left: str
    ) -> None:
        """And the money then does just that."""
        shop.fund("1400")
        shop.subscribe("growth")
        shop.subscribe("priority")
        shop.billing.balances.debit(
            "acme", money("300", "TRY"), reason="late", key="late", mode=DebitMode.FORCED
        )
        shop.wait(NOVEMBER)
        shown = shop.billing.top_ups.preview("acme", money(amount, "TRY"))
        assert [f"{plain_text(one.amount)} {one.product or 'owed'}" for one in shown.pays] == pays
        assert [f"{plain_text(one.amount)} {one.product or 'owed'}" for one in shown.waits] == waits
        assert shown.available == money(left, "TRY")
        shop.fund(amount)
        assert shop.billing.subscriptions.dues("acme") == shown.waits
        (line,) = shop.billing.overview("acme").balances
        assert line.available == shown.available

    def test_the_plan_renews_before_the_support_that_was_there_first(self, shop: Shop) -> None:
        """They fall due at one instant, and there is money for one of them."""
        shop.fund("2400")
        shop.subscribe("priority")
        shop.subscribe("growth")
        shop.wait(NOVEMBER)
        assert shop.of().state is SubscriptionState.ACTIVE
        assert shop.of(Family.SUPPORT).state is SubscriptionState.PAST_DUE

    def test_what_is_owed_comes_before_that(self, shop: Shop) -> None:
        """A credit that was used is covered first."""
        shop.billing.balances.limit("acme", _lira("1000"), key=shop.key())
        shop.subscribe("growth")
        shop.wait(NOVEMBER)
        state = shop.billing._context.view("acme").state
        assert [str(one) for one in first_dues(state)] == [
            "1000 TRY that is owed",
            "1000 TRY for growth since 2026-11-05",
        ]
