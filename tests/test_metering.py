"""Usage of any meter: by hand, by laws, and on every storage."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import attrs
import pytest
from hypothesis import given, strategies as st

from monochat_billing import (
    MONTH,
    YEAR,
    Billing,
    BillingInterval,
    Catalog,
    ChangeTiming,
    InsufficientFunds,
    InvalidInput,
    LimitExceeded,
    UnknownName,
    money,
)
from monochat_billing.adapters.sql import SqlStorage
from monochat_billing.balance import DebitMode, EntryKind
from monochat_billing.catalog_versions import CatalogVersions
from monochat_billing.charge_models import Capacity, Commitment, Graduated, PerUnit, charge
from monochat_billing.counters import MeteredUsage, MeterRecord, merged_shares
from monochat_billing.errors import IdempotencyConflict
from monochat_billing.events import UsageUnpriced
from monochat_billing.limits import Allowance, OverageTier
from monochat_billing.meters import Aggregation, Meter
from monochat_billing.percentages import Percentage
from monochat_billing.rate_tables import RateRow, RateTables
from monochat_billing.rounding import HALF_UP, Rounding
from monochat_billing.tax import Pricing
from monochat_billing.tax_regimes import TURKEY
from monochat_billing.tiers import CapacityTier, Tier
from tests.desk import Clock
from tests.effort import one_in
from tests.meter_scenes import (
    METERS,
    START,
    TIERS,
    left,
    meter,
    metered_catalog,
    record,
    service,
    tables,
)

CATALOG = metered_catalog()
NAMES = sorted({one.id for one in METERS} | {"monochat.message"})
UNTIL = START + timedelta(days=60)
DAYS = ("01-01", "12-31")


def cost(billing: Billing, since: datetime = START - timedelta(days=40)) -> Decimal:
    """Sum what records cost, as their breakdown says."""
    found = billing.usage.breakdown("acme", since=since, until=UNTIL)
    return sum((one.amount for line in found.lines for one in line.amounts), Decimal(0))


def spent(billing: Billing) -> Decimal:
    """Sum what the entries of usage took, less what they gave back."""
    taken = billing._context.storage.read(lambda reader: reader.entries("acme", limit=10_000))
    kinds = {EntryKind.USAGE_FEE, EntryKind.REVERSAL}
    found = [one.money.amount for one in taken if one.unit == "TRY" and one.kind in kinds]
    return -sum(found, Decimal(0))


class TestModels:
    """What each charge model charges, record by record."""

    def test_graduated_tiers_go_on_from_record_to_record(self) -> None:
        """8 in the first tier, then 2 there and 2.5 in the next: 8, then 2 + 7.5."""
        billing, _ = service(CATALOG)
        report = billing.usage.record(
            "acme", [record("a", "storage.gb", 8), record("b", "storage.gb", "4.5")]
        )
        assert str(report) == "2 charged, 0 free, 0 repeated, 0 refused: 17.5 TRY"
        first, second = billing.usage.records("acme", since=START, until=UNTIL)
        assert first.explain().splitlines()[1:] == [
            "tier 1: 8 units x TRY 1.00 = TRY 8.00 (storage.gb 2026-01-01)"
        ]
        assert second.explain("tr").splitlines()[1:] == [
            "kademe 1: 2 birim x ₺1,00 = ₺2,00 (storage.gb 2026-01-01)",
            "kademe 2: 2,5 birim x ₺3,00 = ₺7,50 (storage.gb 2026-01-01)",
        ]

    def test_packages_are_charged_when_they_are_begun(self) -> None:
        """5 free, then 10 a package: 3, 4 and 9 records begin none, one and another."""
        billing, _ = service(CATALOG)
        for name, units, total in (("a", 3, 0), ("b", 4, 100), ("c", 9, 200)):
            billing.usage.record("acme", [record(name, "export", units)])
            assert cost(billing) == total

    def test_a_percentage_counts_transactions(self) -> None:
        """The first is free, the second raised to the least fee, the third cut to the highest."""
        billing, _ = service(CATALOG)
        billing.usage.record(
            "acme",
            [record("a", "payout", 900), record("b", "payout", 10), record("c", "payout", 1000)],
        )
        found = billing.usage.records("acme", since=START, until=UNTIL)
        assert [one.amount for one in found] == [0, 2_000_000, 10_000_000]

    def test_a_volume_price_is_charged_when_the_month_has_ended(self) -> None:
        """12 at the second tier's 2 each, at the local end of October, whoever recorded them."""
        billing, clock = service(CATALOG)
        billing.usage.record("acme", [record("a", "api.call", 9), record("b", "api.call", 3)])
        assert spent(billing) == 0
        clock.set("2026-10-31T21:00:00+00:00")
        billing.run_due()
        assert spent(billing) == 24

    def test_of_two_values_of_one_instant_the_later_said_counts(self) -> None:
        """3 seats, put right to 8 at the same instant: 8 x 90 at the month's end."""
        billing, clock = service(CATALOG)
        billing.usage.record("acme", [record("first", "seat", 3), record("then", "seat", 8)])
        clock.set("2026-11-01T00:00:00+00:00")
        billing.run_due()
        assert spent(billing) == 720

    def test_the_last_value_of_a_gauge_counts_and_the_highest_of_another(self) -> None:
        """Seats went 5, 9, 7 by their instants: 7 x 90; channels 2, 4, 1: 4 x 50, at once."""
        billing, clock = service(CATALOG)
        hours = [START + timedelta(hours=n) for n in range(3)]
        seats = [record(f"s{n}", "seat", n, at) for n, at in zip((5, 9, 7), hours, strict=True)]
        clock.set("2026-10-06T00:00:00+00:00")
        billing.usage.record("acme", [seats[2], seats[0], seats[1]])
        billing.usage.record("acme", [record(f"c{n}", "channel", n) for n in (2, 4, 1)])
        assert spent(billing) == 200
        clock.set("2026-11-01T00:00:00+00:00")
        billing.run_due()
        assert spent(billing) == 200 + 630

    def test_rates_depend_on_dimensions(self) -> None:
        """The row of the class counts; a dimension that no table knows only breaks down."""
        rows = (
            RateRow(model=PerUnit(price=2)),
            RateRow(where={"class": "cold"}, model=PerUnit(price=1)),
            RateRow(where={"class": "none"}, model=None),
        )
        named = tables("disk", *rows, dimensions=("class",))
        billing, _ = service(metered_catalog((Meter(id="disk", rates=(named,)),)))
        cold = {"class": "cold", "team": "a"}
        billing.usage.record(
            "acme", [record("a", "disk", 5), record("b", "disk", 5, dimensions=cold)]
        )
        found = billing.usage.breakdown("acme", since=START, until=UNTIL, by=["team"])
        assert [(line.values, line.amounts) for line in found.lines] == [
            ((), (money("10", "TRY"),)),
            ((("team", "a"),), (money("5", "TRY"),)),
        ]
        with pytest.raises(InvalidInput, match="is not offered"):
            billing.usage.record("acme", [record("c", "disk", 1, dimensions={"class": "none"})])

    def test_a_new_table_rules_from_its_day(self) -> None:
        """50 at 0.10, then 200 at 0.20 from a new card on, and 10 of base: 55 (Meteroid)."""
        first = tables("event", RateRow(model=PerUnit(price="0.10"))).tables[0]
        second = attrs.evolve(
            first,
            effective_on=datetime(2026, 10, 15).date(),  # noqa: DTZ001 - a local day
            rows=(RateRow(model=PerUnit(price="0.20")),),
        )
        split = Meter(id="event", rates=(RateTables(tables=(first, second)),))
        billing, clock = service(metered_catalog((split,)))
        clock.set("2026-10-20T00:00:00+00:00")
        billing.usage.record(
            "acme",
            [record("a", "event", 50), record("b", "event", 200, START + timedelta(days=12))],
        )
        assert cost(billing) + 10 == 55


class TestRounding:
    """A table may round to other decimals than a balance has; the steps still sum to the whole."""

    @pytest.mark.parametrize(
        ("rounding", "steps"),
        [
            (HALF_UP, ["0.15", "0.16", "0.15"]),
            (HALF_UP.at_scale(8), ["0.153457", "0.153456", "0.153457"]),
        ],
        ids=["kuruş", "finer"],
    )
    def test_does_not_depend_on_the_scale_of_the_balance(
        self, rounding: Rounding, steps: list[str]
    ) -> None:
        """0.1534567 a unit, unit by unit, and half of it taken back by corrections."""
        priced = tables("disk", RateRow(model=PerUnit(price="0.1534567")), rounding=rounding)
        billing, _ = service(metered_catalog((Meter(id="disk", rates=(priced,)),)))
        for name, amount in zip("abc", steps, strict=True):
            report = billing.usage.record("acme", [record(name, "disk", 1)])
            assert report.amounts == (money(amount, "TRY"),)
        billing.usage.record("acme", [record("d", "disk", 0, replaces="b")])
        assert cost(billing) == spent(billing) == Decimal(steps[0]) + Decimal(steps[1])
        billing.usage.record("acme", [record("e", "disk", 0, replaces="c")])
        assert cost(billing) == spent(billing) == Decimal(steps[0])

    def test_of_a_transaction_is_taken_back_as_it_was_charged(self) -> None:
        """1.3 % of 10.10 is 0.13 in kuruş; corrected away, nothing is left of it."""
        row = RateRow(model=Percentage(rate="0.013"))
        priced = tables("payout", row, rounding=HALF_UP)
        billing, _ = service(metered_catalog((Meter(id="payout", rates=(priced,)),)))
        billing.usage.record("acme", [record("a", "payout", "10.10"), record("b", "payout", 10)])
        assert cost(billing) == spent(billing) == Decimal("0.26")
        billing.usage.record("acme", [record("c", "payout", 0, replaces="a")])
        assert cost(billing) == spent(billing) == Decimal("0.13")


class TestPrepaidFirst:
    """Allowance and packs burn before money, and what is above is charged as it happens."""

    def test_overage_of_an_allowance_is_charged_as_it_happens(self) -> None:
        """Growth includes 10,000 messages; 500 more cost 0.15 each, with the record they are in."""
        billing, _ = service(CATALOG)
        billing.usage.record("acme", [record("a", "monochat.message", 9000)])
        billing.usage.record("acme", [record("b", "monochat.message", 1500)])
        one = billing.usage.records("acme", since=START, until=UNTIL)[1]
        assert (one.prepaid, one.money) == (1000, money("75", "TRY"))
        assert "500 units x TRY 0.15 = TRY 75.00 (growth overage)" in one.explain()

    def test_what_expires_first_burns_first(self) -> None:
        """The allowance ends within the month, the pack in a year: the pack is whole."""
        billing, _ = service(CATALOG)
        billing.packs.buy("acme", "messages-5k", key="pack")
        billing.usage.record("acme", [record("a", "monochat.message", 10_500)])
        (pack,) = billing.packs.list("acme")
        assert (pack.remaining, pack.burned) == (4500, 500)
        assert not cost(billing)

    def test_without_a_price_the_units_are_all_there_is(self) -> None:
        """Basic has 1,000 messages and no overage: the next is refused, and can be sent again."""
        billing, _ = service(CATALOG, plan="basic")
        report = billing.usage.record(
            "acme",
            [record("a", "monochat.message", 1000), record("b", "monochat.message", 1)],
        )
        ((name, refusal),) = report.refused
        assert (name, isinstance(refusal, LimitExceeded), report.free) == ("b", True, 1)
        billing.packs.buy("acme", "messages-5k", key="pack")
        assert billing.usage.record("acme", [record("b", "monochat.message", 1)]).free == 1

    def test_prepaid_units_are_whole(self) -> None:
        """Half a message is no message."""
        billing, _ = service(CATALOG)
        with pytest.raises(InvalidInput, match="no whole number"):
            billing.usage.record("acme", [record("a", "monochat.message", "0.5")])

    def test_too_little_money_refuses_the_record_and_keeps_its_units(self) -> None:
        """A record is paid whole or not at all; with force it is taken below zero."""
        billing, _ = service(CATALOG, funds="1500")
        big = record("a", "monochat.message", 10_010)
        report = billing.usage.record("acme", [big])
        assert isinstance(report.refused[0][1], InsufficientFunds)
        assert left(billing, "monochat.message") == "10000"
        billing.usage.record("acme", [big], mode=DebitMode.FORCED)
        assert (left(billing), left(billing, "monochat.message")) == ("-0.5", "0")


def _with_two_steps_of_overage() -> Catalog:
    catalog = CATALOG
    growth = catalog.product("growth")
    tiers = (
        OverageTier(rate=money("0.01", "USD")),
        OverageTier(last=100, rate=money("0.15", "TRY")),
        OverageTier(first=101, rate=money("0.10", "TRY")),
    )
    allowance = Allowance(meter="monochat.message", units=10_000, overage=tiers)
    steps = attrs.evolve(growth, allowances=(allowance,))
    others = tuple(steps if one.id == "growth" else one for one in catalog.products)
    return attrs.evolve(catalog, products=others)


class TestLate:
    """A record is priced by the instant of its usage and posted now."""

    def test_a_late_record_counts_in_its_own_period(self) -> None:
        """20 GB of October come in November: tier 2 of October, November begins at tier 1."""
        billing, clock = service(CATALOG)
        billing.usage.record("acme", [record("a", "storage.gb", 10)])
        clock.set("2026-11-10T00:00:00+00:00")
        billing.usage.record("acme", [record("n", "storage.gb", 1, clock.now)])
        billing.usage.record("acme", [record("late", "storage.gb", 5)])
        late = next(
            one
            for one in billing.usage.records("acme", since=START, until=UNTIL)
            if one.record.id == "late"
        )
        assert (late.money, late.recorded_at) == (money("15", "TRY"), clock.now)
        assert cost(billing) == 10 + 1 + 15

    def test_what_an_allowance_lost_still_pays_for_its_own_period(self) -> None:
        """Nothing was used when October's allowance ended, so October's usage is free."""
        billing, clock = service(CATALOG)
        clock.set("2026-11-06T00:00:00+00:00")
        billing.run_due()
        late = record("late", "monochat.message", 10_100, START)
        billing.usage.record("acme", [late])
        (one,) = billing.usage.records("acme", since=START, until=UNTIL)
        assert (one.lapsed, one.prepaid, one.money) == (10_000, 0, money("15", "TRY"))
        assert left(billing, "monochat.message") == "10000"

    def test_what_lapsed_pays_again_when_its_record_is_corrected(self) -> None:
        """10,000 were lost and used late; 4,000 is right, so 6,000 of them pay for another."""
        billing, clock = service(CATALOG)
        clock.set("2026-11-06T00:00:00+00:00")
        billing.usage.record("acme", [record("late", "monochat.message", 10_000, START)])
        mended = billing.usage.correct("acme", "late", quantity=4_000, key="mend")
        assert (mended.lapsed, mended.prepaid) == (4_000, 0)
        billing.usage.record("acme", [record("more", "monochat.message", 6_000, START)])
        (_, more) = billing.usage.records("acme", since=START, until=UNTIL)
        assert (more.lapsed, more.prepaid, more.amount) == (6_000, 0, 0)
        assert left(billing, "monochat.message") == "10000"

    def test_before_the_anchor_was_moved_it_counts_in_the_period_of_then(self) -> None:
        """October began on the 5th, whatever day the yearly plan of the 20th made the first.

        Overage is 100 at 0.15 and 0.10 from there: the late 50 go on where October stood, and what
        the new period has brought does not pay for them.
        """
        billing, clock = service(_with_two_steps_of_overage())
        used = record("a", "monochat.message", 10_080, START + timedelta(days=1))
        clock.advance(days=1)
        billing.usage.record("acme", [used])
        clock.set("2026-10-20T00:00:00+00:00")
        quote = billing.subscriptions.preview("acme", to="growth", interval=YEAR)
        billing.subscriptions.change(quote)
        late = record("late", "monochat.message", 50, START + timedelta(days=2))
        billing.usage.record("acme", [late, record("new", "monochat.message", 7, clock.now)])
        first, after, new = billing.usage.records("acme", since=START, until=UNTIL)
        assert (after.counter, after.period) == (first.counter, first.period)
        assert after.money == money("6", "TRY")  # 20 at 0.15 and 30 at 0.10
        assert (new.period.start, new.prepaid) == (clock.now, 7)
        assert left(billing, "monochat.message") == "9993"
        mended = billing.usage.correct("acme", "late", quantity=20, key="mend")
        assert (mended.counter, mended.money) == (first.counter, money("3", "TRY"))

    def test_a_period_that_the_anchor_was_moved_in_ends_there(self) -> None:
        """Nothing was recorded before the move; what comes late is counted up to it, at once."""
        billing, clock = service(CATALOG)
        for day, key in ((20, "one"), (25, "two")):
            clock.set(f"2026-10-{day}T00:00:00+00:00")
            interval = YEAR if key == "one" else MONTH
            quote = billing.subscriptions.preview(
                "acme", to="growth", interval=interval, timing=ChangeTiming.IMMEDIATE, key=key
            )
            billing.subscriptions.change(quote)
        days = (6, 21, 26)
        clock.set("2026-10-27T00:00:00+00:00")
        billing.usage.record(
            "acme",
            [
                record(f"u{day}", "monochat.message", 1, datetime(2026, 10, day, tzinfo=UTC))
                for day in days
            ],
        )
        spans = [
            (one.period.start.day, one.period.end.day)
            for one in billing.usage.records("acme", since=START, until=UNTIL)
        ]
        assert spans == [(5, 20), (20, 25), (25, 25)]

    def test_a_minimum_is_trued_up_at_the_end_and_stays_right_after_it(self) -> None:
        """8 of 20: 12 more; 10 late ones cost 4 and give 4 back; November owes 20 by itself."""
        billing, clock = service(CATALOG)
        billing.usage.record("acme", [record("a", "bot.run", 20)])
        clock.set("2026-11-02T00:00:00+00:00")
        billing.run_due()
        assert spent(billing) == 20
        billing.usage.record("acme", [record("late", "bot.run", 10)])
        assert spent(billing) == 20
        billing.usage.record("acme", [record("later", "bot.run", 40)])
        assert spent(billing) == 28
        clock.set("2026-12-02T00:00:00+00:00")
        billing.run_due()
        assert spent(billing) == 48
        assert billing.verify().sound

    def test_a_volume_price_that_was_settled_follows_late_usage_down(self) -> None:
        """9 calls at 5 are 45; 3 late ones make 12 at 2: 21 come back."""
        billing, clock = service(CATALOG)
        billing.usage.record("acme", [record("a", "api.call", 9)])
        clock.set("2026-11-02T00:00:00+00:00")
        billing.run_due()
        assert spent(billing) == 45
        billing.usage.record("acme", [record("late", "api.call", 3)])
        assert spent(billing) == 24


class TestCorrections:
    """A correction ends where the right record would have ended."""

    def test_what_is_taken_back_counts_less_towards_a_minimum(self) -> None:
        """24 of a minimum of 20 become 4 by a correction, and 16 are missing at the end."""
        billing, clock = service(CATALOG)
        billing.usage.record("acme", [record("a", "bot.run", 60)])
        billing.usage.correct("acme", "a", quantity=10, key="mend")
        assert spent(billing) == 4
        clock.set("2026-11-02T00:00:00+00:00")
        billing.run_due()
        assert spent(billing) == 20

    def test_a_correction_goes_back_to_the_lots_that_paid(self) -> None:
        """The promotion paid first and gets its part back last."""
        billing, _ = service(CATALOG)
        billing.usage.record("acme", [record("a", "storage.gb", 15)])
        right = billing.usage.correct("acme", "a", quantity=4, key="mend")
        assert (right.corrected, right.money) == (1, money("4", "TRY"))
        assert cost(billing) == spent(billing) == 4
        assert billing.usage.correct("acme", "a", quantity=4, key="mend") == right
        with pytest.raises(IdempotencyConflict):
            billing.usage.correct("acme", "a", quantity=5, key="mend")
        assert billing.verify().sound

    def test_a_record_can_replace_another(self) -> None:
        """The old one names the new one, counts nothing, and cannot be corrected any more."""
        billing, _ = service(CATALOG)
        billing.usage.record("acme", [record("a", "storage.gb", 15)])
        new = record("b", "storage.gb", 3, replaces="a")
        assert str(billing.usage.record("acme", [new])).endswith(": -22 TRY")
        assert billing.usage.record("acme", [new]).repeated == 1
        old, made = billing.usage.records("acme", since=START, until=UNTIL)
        assert (old.replaced_by, made.money) == ("b", money("3", "TRY"))
        with pytest.raises(InvalidInput, match="was replaced by b"):
            billing.usage.correct("acme", "a", quantity=1, key="again")
        with pytest.raises(UnknownName):
            billing.usage.record("acme", [record("c", "storage.gb", 3, replaces="nobody")])

    def test_freed_units_pay_for_the_overage_of_others(self) -> None:
        """9,000 were 8,000: the overage of 500 was none, and comes back."""
        billing, _ = service(CATALOG)
        billing.usage.record(
            "acme", [record("a", "monochat.message", 9000), record("b", "monochat.message", 1500)]
        )
        assert spent(billing) == 75
        billing.usage.correct("acme", "a", quantity=8000, key="mend")
        assert not spent(billing)
        assert left(billing, "monochat.message") == "500"

    def test_a_gauge_is_read_anew_from_what_still_counts(self) -> None:
        """The highest channel count was a mistake: the next one counts."""
        billing, _ = service(CATALOG)
        billing.usage.record("acme", [record(f"c{n}", "channel", n) for n in (2, 9, 4)])
        billing.usage.correct("acme", "c9", quantity=0, key="mend")
        assert spent(billing) == 200

    def test_nothing_to_correct_is_a_mistake(self) -> None:
        """Say what is to be put right, of a record that exists."""
        billing, _ = service(CATALOG)
        with pytest.raises(InvalidInput, match="is missing"):
            billing.usage.correct("acme", "a", key="mend")
        with pytest.raises(UnknownName):
            billing.usage.correct("acme", "a", quantity=1, key="mend")


class TestTax:
    """KDV on usage, at the balance's scale."""

    def test_an_exclusive_rate_is_charged_with_its_tax(self) -> None:
        """0.1234567 net is rounded once to 0.123457, and its fifth to 0.024691."""
        model = PerUnit(price="0.1234567")
        catalog = metered_catalog((meter("bit", model, pricing=Pricing.EXCLUSIVE),), tax=TURKEY)
        billing, _ = service(catalog, plan="")
        billing.usage.record("acme", [record("a", "bit", 1)])
        (one,) = billing.usage.records("acme", since=START, until=UNTIL)
        assert one.tax is not None
        assert (one.tax.net, one.tax.tax) == (money("0.123457", "TRY"), money("0.024691", "TRY"))
        assert left(billing) == "24999.851852"

    @given(st.lists(st.integers(1, 500), min_size=1, max_size=8))
    @one_in(4)
    def test_the_pieces_of_a_period_sum_to_the_whole(self, parts: list[int]) -> None:
        """Net pieces sum to the net of the sum, however usage is cut."""
        model = PerUnit(price="0.0009")
        billing, _ = service(metered_catalog((meter("bit", model),), tax=TURKEY), plan="")
        billing.usage.record("acme", [record(f"r{n}", "bit", q) for n, q in enumerate(parts)])
        found = billing.usage.records("acme", since=START, until=UNTIL)
        net = sum((one.tax.net.amount for one in found if one.tax), Decimal(0))
        gross = Decimal(sum(parts)) * Decimal("0.0009")
        assert net == (gross / Decimal("1.2")).quantize(Decimal("0.000001"), "ROUND_HALF_UP")


QUANTITIES = st.lists(st.integers(0, 25), min_size=1, max_size=8)
MODELS = st.sampled_from(
    [PerUnit(price="0.35"), Graduated(tiers=TIERS), METERS[4].rates[0].tables[0].rows[0].model]
)


class TestLaws:
    """What holds whatever is recorded, in whatever order."""

    @given(QUANTITIES, MODELS)
    @one_in(4)
    def test_records_sum_to_the_closed_form(self, quantities: list[int], model: PerUnit) -> None:
        """Marginal charges of a period sum to the charge of its whole."""
        billing, _ = service(metered_catalog((meter("thing", model),)))
        batch = [record(f"r{n}", "thing", q) for n, q in enumerate(quantities)]
        for one in batch:
            billing.usage.record("acme", [one])
        whole = charge(model, sum(quantities), currency="TRY").money.amount
        assert cost(billing) == spent(billing) == whole
        before = left(billing)
        assert billing.usage.record("acme", batch).repeated == len(batch)
        assert left(billing) == before

    @given(QUANTITIES, QUANTITIES, st.sampled_from(["monochat.message", "storage.gb"]))
    @one_in(4)
    def test_a_correction_equals_having_recorded_the_right_thing(
        self, wrong: list[int], right: list[int], name: str
    ) -> None:
        """Totals of money and units are the same, and every unit is somewhere."""
        scale = 1000 if name == "monochat.message" else 1
        count = min(len(wrong), len(right))

        def recorded(values: list[int]) -> tuple[Billing, Clock]:
            billing, clock = service(CATALOG)
            billing.usage.record(
                "acme", [record(f"r{n}", name, values[n] * scale) for n in range(count)]
            )
            return billing, clock

        mended, _ = recorded(wrong)
        for n in range(count):
            mended.usage.correct("acme", f"r{n}", quantity=right[n] * scale, key=f"c{n}")
        meant, _ = recorded(right)
        assert left(mended) == left(meant)
        assert left(mended, "monochat.message") == left(meant, "monochat.message")
        assert cost(mended) == cost(meant) == spent(mended)
        assert mended.verify().sound

    @given(st.permutations(range(5)), st.integers(0, 4))
    @one_in(4)
    def test_the_order_of_records_does_not_matter(self, order: list[int], late: int) -> None:
        """A counter's total is that of its sum, whoever comes first, and however late one comes."""
        totals = []
        for sequence in (range(5), order):
            billing, clock = service(CATALOG)
            batch = [record(f"r{n}", "storage.gb", 3 + 4 * n) for n in sequence]
            billing.usage.record("acme", [one for one in batch if one.id != f"r{late}"])
            clock.set("2026-11-20T00:00:00+00:00")
            billing.usage.record("acme", batch)
            totals.append((left(billing), cost(billing)))
        assert totals[0] == totals[1]

    @given(st.lists(st.tuples(st.sampled_from(NAMES), st.integers(0, 12)), max_size=12), st.data())
    @one_in(4)
    def test_a_batch_does_what_its_records_do_one_by_one(
        self, used: list[tuple[str, int]], data: st.DataObject
    ) -> None:
        """What is found once for a batch changes its speed, never what is charged or told."""
        hours = data.draw(st.lists(st.integers(-900, 0), min_size=len(used), max_size=len(used)))
        batch = [
            record(f"r{n}", name, quantity, START + timedelta(hours=hours[n]))
            for n, (name, quantity) in enumerate(used)
        ]
        cut = data.draw(st.integers(1, 6))
        kept = []
        for size in (1, cut, len(batch) or 1):
            billing, clock = service(metered_catalog(tax=TURKEY), funds="1600")
            clock.set("2026-10-20T00:00:00+00:00")
            for first in range(0, len(batch), size):
                billing.usage.record("acme", batch[first : first + size])
            records = billing.usage.records("acme", since=START - timedelta(days=40), until=UNTIL)
            entries = billing._context.storage.read(lambda reader: reader.entries("acme"))
            kept.append((records, [one for one in entries if one.kind is EntryKind.USAGE_FEE]))
        assert kept[0] == kept[1] == kept[2]


class TestCatalogsThatForget:
    """A meter or a product that the catalog no longer knows does not stop an account."""

    def test_a_period_that_nothing_prices_is_told_and_not_charged(self) -> None:
        """The counter is closed, the host hears of it, and the account goes on."""
        billing, clock = service(CATALOG)
        billing.usage.record("acme", [record("a", "api.call", 9)])
        storage = billing._context.storage
        forgetful = Billing(catalog=metered_catalog(()), storage=storage, clock=clock)
        clock.set("2026-11-06T00:00:00+00:00")
        forgetful.run_due()
        told = [one.event for one in forgetful.events("acme", limit=100)]
        (unpriced,) = [one for one in told if isinstance(one, UsageUnpriced)]
        assert (unpriced.meter, unpriced.records) == ("api.call", 1)
        assert not spent(forgetful)
        assert left(forgetful, "monochat.message") == "10000"
        assert forgetful.run_due().accounts == 0

    def test_a_plan_that_is_no_longer_sold_includes_and_charges_what_it_did(self) -> None:
        """The last version that had it still says what is above its units, and what renews."""
        later = datetime.fromisoformat("2026-10-20T00:00+00:00")
        sold = tuple(one for one in CATALOG.products if one.id != "growth")
        without = attrs.evolve(CATALOG, version="later", effective_at=later, products=sold)
        found: list[tuple[object, ...]] = []
        for catalog in (CATALOG, CatalogVersions(versions=(CATALOG, without))):
            billing, clock = service(catalog)
            clock.set("2026-10-25T00:00:00+00:00")
            used = record("a", "monochat.message", 10_010, clock.now)
            assert str(billing.usage.record("acme", [used])).startswith("1 charged")
            found.append((cost(billing), left(billing)))
            clock.set("2026-11-06T00:00:00+00:00")
            billing.run_due()
            found.append((left(billing), left(billing, "monochat.message")))
        assert found[:2] == found[2:]
        assert found[1][1] == "10000"


class TestStorages:
    """The same on SQLite as in memory, also after a restart."""

    def test_counters_and_records_come_back(self, tmp_path: object) -> None:
        """Every kind of meter, late and corrected, has the same totals on both storages."""
        memory, clock = service(CATALOG)
        with SqlStorage(f"sqlite:///{tmp_path}/usage.db") as storage:
            stored = Billing(catalog=CATALOG, storage=storage, clock=clock)
            stored.accounts.open("acme", zone="Europe/Istanbul", currencies=["TRY"])
            stored.balances.credit("acme", money("25000", "TRY"), reason="opening", key="opening")
            stored.subscriptions.subscribe("acme", "growth", MONTH, key="signup")
            for billing in (memory, stored):
                clock.now = START
                batch = [record(f"{one.id}-{n}", one.id, n) for one in METERS for n in (3, 14)]
                batch += [record("m", "monochat.message", 10_100)]
                billing.usage.record("acme", batch)
                billing.usage.correct("acme", "seat-14", quantity=6, key="seats")
                billing.usage.correct("acme", "storage.gb-3", quantity=30, key="storage")
                clock.set("2026-11-03T00:00:00+00:00")
                billing.run_due()
                billing.usage.record("acme", [record("late", "api.call", 4)])
            assert left(stored) == left(memory)
            told: list[list[MeteredUsage]] = [
                [attrs.evolve(one) for one in each.usage.records("acme", since=START, until=UNTIL)]
                for each in (memory, stored)
            ]
            assert told[0] == told[1]
            assert stored.verify().sound


class TestValues:
    """What cannot be right is refused by name."""

    @pytest.mark.parametrize(
        ("change", "field"),
        [
            ({"quantity": "-1"}, "quantity"),
            ({"quantity": 0.5}, "quantity"),
            ({"occurred_at": datetime(2026, 10, 5)}, "occurred_at"),  # noqa: DTZ001 - refused
            ({"dimensions": {"a": 1}}, "dimensions"),
            ({"replaces": "r"}, "replaces"),
            ({"id": ""}, "records.id"),
        ],
        ids=["negative", "float", "naive", "no-text", "itself", "no-id"],
    )
    def test_a_record_says_what_is_wrong(self, change: dict[str, object], field: str) -> None:
        """The error names the field."""
        fields: dict[str, object] = {"id": "r", "meter": "seat", "quantity": 1}
        with pytest.raises(InvalidInput) as caught:
            MeterRecord(**{**fields, "occurred_at": START, **change})  # type: ignore[arg-type]
        assert caught.value.field == field

    def test_a_meter_refuses_what_would_be_charged_wrongly(self) -> None:
        """A minimum belongs to the meter, not to a model that would charge it at once."""
        with pytest.raises(InvalidInput, match=r"Commitment\.minimum"):
            meter("x", Commitment(model=PerUnit(price=1), minimum=5))
        with pytest.raises(InvalidInput, match=r"Capacity.* wants units by name"):
            meter("x", Capacity(tiers=(CapacityTier(limits={"users": 5}, price=10),)))
        with pytest.raises(InvalidInput, match="another meter"):
            Meter(id="x", rates=(tables("y", RateRow(model=PerUnit(price=1))),))

    @pytest.mark.parametrize("per", ["2 YEAR", "13 MONTH", "367 DAY"])
    def test_nothing_is_counted_over_more_than_a_year(self, per: str) -> None:
        """A counter is found by the months that its period may end in; a year still fits."""
        long = BillingInterval.parse(per)
        with pytest.raises(InvalidInput, match=r"metering\.x\.per.*longer than a year"):
            Meter(id="x", per=long)
        with pytest.raises(InvalidInput, match=r"allowance\.per.*longer than a year"):
            Allowance(meter="x", units=1, per=long)
        assert Allowance(meter="x", units=1, per=YEAR).per == Meter(id="x", per=YEAR).per

    def test_a_counter_of_a_year_is_found_from_its_first_day_to_its_last(self) -> None:
        """Tiers go on through all of it."""
        model = Graduated(tiers=(Tier(up_to=10, price=1), Tier(price=3)))
        billing, clock = service(metered_catalog((meter("x", model, per=YEAR),)))
        clock.set("2027-12-31T12:00:00+00:00")
        first, last = (datetime.fromisoformat(f"2027-{day}T12:00+00:00") for day in DAYS)
        billing.usage.record("acme", [record("a", "x", 9, first)])
        billing.usage.record("acme", [record("b", "x", 2, last)])
        assert spent(billing) == 9 + 1 + 3

    def test_messages_and_meters_do_not_mix(self) -> None:
        """What is neither is named."""
        billing, _ = service(CATALOG)
        with pytest.raises(InvalidInput, match="is no usage record"):
            billing.usage.record("acme", ["seat"])  # type: ignore[list-item]
        with pytest.raises(UnknownName):
            billing.usage.record("acme", [record("a", "nothing", 1)])
        assert merged_shares((), ()) == ()
        assert not Meter(id="x", aggregation=Aggregation.LAST).at_once
