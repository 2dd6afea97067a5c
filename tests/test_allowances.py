"""Allowances: units that follow what an account subscribes to."""

from datetime import UTC, datetime
from fractions import Fraction

import attrs
import pytest
from hypothesis import given, strategies as st

from monochat_billing import (
    MONTH,
    YEAR,
    Billing,
    Catalog,
    Family,
    NegotiatedPrice,
    Price,
    Product,
    Units,
    UnknownName,
    money,
    sample_catalog,
)
from monochat_billing.adapters.memory import MemoryStorage
from monochat_billing.allowances import run_on
from monochat_billing.balance import Books, EntryKind, Memo
from monochat_billing.grants import RecurringGrant
from monochat_billing.lots import LotOrigin
from monochat_billing.periods import BillingAnchor, BillingPeriod
from monochat_billing.plans import Allowance, Limit, hard
from monochat_billing.recurrences import Recurrence, grant_next
from monochat_billing.rollovers import NO_ROLLOVER, AllowanceChange, Rollover
from monochat_billing.units import plain_text
from tests.desk import Clock, Desk
from tests.meter_scenes import START, left, record

MESSAGE = "monochat.message"
LIMITS: tuple[Limit, ...] = (hard("users", 9),)


def plan(name: str, rank: int, units: int, **terms: object) -> Product:
    """Build a plan that includes so many messages a month."""
    allowance = Allowance(meter=MESSAGE, units=units, **terms)  # type: ignore[arg-type]
    return Product(
        id=name,
        family=Family.PLAN,
        rank=rank,
        names={"en": name},
        prices=tuple(
            Price(interval=interval, amount=money(str(100 * (rank + 1) * n), "TRY"))
            for interval, n in ((MONTH, 1), (YEAR, 10))
        ),
        limits=LIMITS,
        allowances=(allowance,) if units else (),
    )


def service(*plans: Product, more: tuple[Product, ...] = ()) -> tuple[Billing, Clock]:
    """Give a service in memory that sells these plans."""
    clock = Clock(START)
    catalog = Catalog(id="ours", version="1", products=(*plans, *more), meters=(MESSAGE,))
    billing = Billing(catalog=catalog, storage=MemoryStorage(), clock=clock)
    billing.accounts.open("acme", zone="UTC", currencies=["TRY"])
    billing.balances.credit("acme", money("9000", "TRY"), reason="opening", key="opening")
    return billing, clock


def use(billing: Billing, name: str, units: int, at: datetime) -> None:
    """Record messages, which prepaid units have to cover."""
    report = billing.usage.record("acme", [record(name, MESSAGE, units, at)])
    assert not report.refused


class TestPeriods:
    """Each period of a subscription brings its units, and takes away what is left of the last."""

    def test_a_yearly_plan_brings_units_every_month(self, desk: Desk) -> None:
        """Three months of a year: three lots, each for its month, and the rest is breakage."""
        desk.top_up("20000")
        desk.billing.subscriptions.subscribe("acme", "growth", YEAR, key="s")
        desk.clock.set("2026-12-10T00:00:00+00:00")
        desk.billing.run_due()
        lots = desk.storage.read(lambda reader: reader.lots("acme"))
        mine = [one for one in lots if one.origin is LotOrigin.ALLOWANCE]
        assert [(f"{one.granted_at:%m-%d}", one.granted, one.remaining) for one in mine] == [
            ("10-05", 10_000, 0),
            ("11-05", 10_000, 0),
            ("12-05", 10_000, 10_000),
        ]
        assert desk.billing.verify().sound

    def test_it_does_not_matter_when_time_is_made_to_pass(self) -> None:
        """Once after a year or month by month: the same lots."""
        lots = []
        for months in ((12,), range(1, 13)):
            billing, clock = service(plan("pro", 0, 500, rollover=Rollover(maximum=700)))
            billing.subscriptions.subscribe("acme", "pro", MONTH, key="s")
            for month in months:
                year, place = divmod(9 + month, 12)
                clock.now = datetime(2026 + year, place + 1, 6, tzinfo=UTC)
                billing.run_due()
            found = billing._context.storage.read(lambda reader: reader.lots("acme"))
            lots.append([(one.number, one.granted, one.remaining) for one in found])
        assert lots[0] == lots[1]

    def test_what_is_unpaid_brings_nothing_until_it_is_paid(self) -> None:
        """A renewal fails, then money comes: the units come with it, and nothing rolls over."""
        billing, clock = service(plan("pro", 0, 500, rollover=Rollover()))
        billing.subscriptions.subscribe("acme", "pro", MONTH, key="s")
        billing.balances.debit("acme", money("8900", "TRY"), reason="spent", key="d")
        clock.set("2026-11-20T00:00:00+00:00")
        billing.run_due()
        assert left(billing, MESSAGE) == "0"
        billing.balances.credit("acme", money("100", "TRY"), reason="late", key="late")
        assert left(billing, MESSAGE) == "500"

    def test_an_agreement_overrides_what_is_listed(self) -> None:
        """Enterprise lists 100 and agrees on 4,000."""
        billing, clock = service(plan("pro", 0, 100))
        offer = NegotiatedPrice(
            id="deal",
            account="acme",
            product="pro",
            price=Price(interval=MONTH, amount=money("70", "TRY")),
            valid_from=START,
            valid_until=datetime(2026, 12, 1, tzinfo=UTC),
            allowances=(Allowance(meter=MESSAGE, units=4000),),
        )
        billing.subscriptions.subscribe("acme", "pro", MONTH, key="s", offer=offer)
        assert left(billing, MESSAGE) == "4000"
        clock.set("2026-11-06T00:00:00+00:00")
        assert left(billing, MESSAGE) == "4000"


class TestRollover:
    """What is unused goes on as far as the catalog says."""

    @pytest.mark.parametrize(
        ("rollover", "after"),
        [
            (NO_ROLLOVER, "1000"),
            (Rollover(maximum=2000), "1400"),
            (Rollover(maximum=300), "1300"),
            (Rollover(minimum=500), "1500"),
        ],
        ids=["none", "autumn", "cut", "raised"],
    )
    def test_the_rest_of_a_month_goes_on(self, rollover: Rollover, after: str) -> None:
        """600 of 1,000 were used (Autumn's worked case, and its bounds)."""
        billing, clock = service(plan("pro", 0, 1000, rollover=rollover))
        billing.subscriptions.subscribe("acme", "pro", MONTH, key="s")
        use(billing, "u", 600, START)
        clock.set("2026-11-05T06:00:00+00:00")
        assert left(billing, MESSAGE) == after

    def test_what_is_held_stays_where_it_is(self) -> None:
        """Units that an open hold has set aside neither expire nor roll over."""
        billing, clock = service(plan("pro", 0, 1000, rollover=Rollover()))
        billing.subscriptions.subscribe("acme", "pro", MONTH, key="s")
        billing.holds.place("acme", Units(300, MESSAGE), reason="campaign", key="h")
        clock.set("2026-11-06T00:00:00+00:00")
        billing.run_due()
        assert left(billing, MESSAGE) == "2000"
        assert billing.verify().sound


class TestChanges:
    """What a change of plan within a period does to the units of both."""

    @pytest.mark.parametrize(
        ("rule", "expected"),
        [
            (AllowanceChange.PRORATED, 300 + 5000),
            (AllowanceChange.FULL, 9800),
            (AllowanceChange.KEEP, 800),
        ],
        ids=str,
    )
    @pytest.mark.parametrize("thought", [0, 29])
    def test_an_upgrade_at_half_of_the_month(
        self, rule: AllowanceChange, expected: int, thought: int
    ) -> None:
        """200 of 1,000 were used when the plan with 10,000 begins, at half of 31 days.

        Whoever looks at the quote for a while gets what it showed.
        """
        billing, clock = service(
            plan("basic", 0, 1000, on_change=rule), plan("pro", 1, 10_000, on_change=rule)
        )
        billing.subscriptions.subscribe("acme", "basic", MONTH, key="s")
        use(billing, "u", 200, START)
        clock.set("2026-10-20T18:00:00+00:00")
        quote = billing.subscriptions.preview("acme", to="pro", interval=MONTH)
        clock.advance(minutes=thought)
        billing.subscriptions.change(quote)
        assert left(billing, MESSAGE) == str(expected)
        clock.set("2026-11-05T06:00:00+00:00")
        assert left(billing, MESSAGE) == "10000"
        assert billing.verify().sound

    def test_a_change_at_the_periods_end_brings_the_new_units_only(self) -> None:
        """A downgrade that was scheduled starts with its own allowance."""
        billing, clock = service(plan("basic", 0, 1000), plan("pro", 1, 10_000))
        billing.subscriptions.subscribe("acme", "pro", MONTH, key="s")
        billing.schedule.change("acme", to="basic", interval=MONTH, key="down")
        clock.set("2026-11-05T06:00:00+00:00")
        assert left(billing, MESSAGE) == "1000"

    @pytest.mark.parametrize("thought", [0, 29])
    def test_monthly_to_yearly_begins_a_new_month(self, thought: int) -> None:
        """The new anchor brings whole units; of the old month its earned rest stays."""
        billing, clock = service(plan("pro", 0, 3100))
        billing.subscriptions.subscribe("acme", "pro", MONTH, key="s")
        clock.set("2026-10-15T06:00:00+00:00")
        quote = billing.subscriptions.preview("acme", to="pro", interval=YEAR)
        clock.advance(minutes=thought)
        billing.subscriptions.change(quote)
        assert left(billing, MESSAGE) == str(1000 + 3100)
        clock.set("2026-11-15T06:00:00+00:00")
        assert left(billing, MESSAGE) == "3100"

    def test_a_month_of_units_that_begins_meanwhile_is_the_one_that_changes(self) -> None:
        """Nothing is taken from a lot before it was there: no balance of the past is below zero."""
        billing, clock = service(plan("basic", 0, 1000), plan("pro", 1, 44_640))
        billing.subscriptions.subscribe("acme", "basic", YEAR, key="s")
        clock.set("2026-11-05T05:50:00+00:00")
        quote = billing.subscriptions.preview("acme", to="pro", interval=YEAR)
        clock.set("2026-11-05T06:10:00+00:00")
        billing.subscriptions.change(quote)
        told = billing.balances.statement("acme", MESSAGE)
        assert min(int(plain_text(line.balance)) for line in told.lines) == 0
        clock.set("2026-12-05T06:00:00+00:00")
        assert left(billing, MESSAGE) == "44640"
        assert billing.verify().sound

    def test_a_plan_without_units_leaves_what_was_not_included(self) -> None:
        """A pack that was bought stays; the allowance goes."""
        catalog = sample_catalog()
        bare = attrs.evolve(catalog.product("basic"), allowances=())
        products = tuple(bare if one.id == "basic" else one for one in catalog.products)
        clock = Clock(START)
        billing = Billing(
            catalog=attrs.evolve(catalog, products=products),
            storage=MemoryStorage(),
            clock=clock,
        )
        billing.accounts.open("acme", zone="UTC", currencies=["TRY"])
        billing.balances.credit("acme", money("9000", "TRY"), reason="opening", key="opening")
        billing.subscriptions.subscribe("acme", "growth", MONTH, key="s")
        billing.packs.buy("acme", "messages-5k", key="pack")
        billing.schedule.change("acme", to="basic", interval=MONTH, key="down")
        clock.set("2026-11-05T06:00:00+00:00")
        assert left(billing, MESSAGE) == "5000"

    @given(st.integers(0, 5000), st.integers(0, 5000), st.fractions(0, 1))
    def test_no_rule_takes_back_what_was_used(
        self, granted: int, used: int, part: Fraction
    ) -> None:
        """What stays is there, and under PRORATED used and kept are what time has earned."""
        rest = max(granted - used, 0)
        for rule in AllowanceChange:
            kept = rule.kept(granted, rest, part)
            assert 0 <= kept <= rest
            assert 0 <= rule.brought(granted, granted - rest, part) <= granted
        prorated = AllowanceChange.PRORATED
        if granted - rest <= granted * part:
            kept = prorated.kept(granted, rest, part)
            whole = granted - rest + kept + prorated.brought(granted, 0, part)
            assert granted - 1 <= whole <= granted


class TestPromotions:
    """A grant that recurs by itself follows no subscription."""

    def test_a_promotion_runs_to_its_end(self) -> None:
        """Three months of 50 units, then nothing."""
        books = Books("acme")
        memo = Memo(EntryKind.GRANT, START, START)
        grant = RecurringGrant(
            units=50,
            interval=MONTH,
            anchor=BillingAnchor.at(START, "UTC"),
            starts_at=START,
            ends_at=datetime(2027, 1, 5, 6, tzinfo=UTC),
        )
        first = BillingPeriod(start=START, end=datetime(2026, 11, 5, 6, tzinfo=UTC))
        standing = Recurrence(id="spring", unit=MESSAGE, grant=grant, period=first)
        books, standing, _ = grant_next(books, standing, first, memo)
        months = [datetime(2026 + n // 12, n % 12 + 1, 6, tzinfo=UTC) for n in range(10, 14)]
        counts = []
        for at in months:
            done = run_on(books, (standing,), at, at)
            books, (standing,) = done.books, done.recurrences
            counts.append(len(done.entries))
        assert counts == [1, 1, 0, 0]
        assert standing.next_at is None

    def test_a_host_begins_and_stops_one(self, desk: Desk) -> None:
        """Money every month, to its end or until it is stopped; the key gives it once."""
        first = desk.billing.packs.promote("acme", money("50", "TRY"), reason="spring", key="p")
        again = desk.billing.packs.promote("acme", money("50", "TRY"), reason="spring", key="p")
        assert again == first
        desk.billing.packs.promote(
            "acme", Units(10, MESSAGE), reason="beta", key="q", rollover=Rollover(maximum=5)
        )
        desk.clock.set("2026-11-06T00:00:00+00:00")
        desk.billing.run_due()
        assert (left(desk.billing), left(desk.billing, MESSAGE)) == ("50", "15")
        desk.billing.packs.stop("acme", "p", key="stop")
        desk.clock.set("2026-12-06T00:00:00+00:00")
        assert (left(desk.billing), left(desk.billing, MESSAGE)) == ("0", "15")
        with pytest.raises(UnknownName):
            desk.billing.packs.stop("acme", "p", key="stop again")
        assert desk.billing.verify().sound
