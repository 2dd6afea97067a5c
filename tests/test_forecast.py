"""What lies ahead, by the code that will do it, and how long the money lasts."""

from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from typing import Any

import attrs
import pytest
from hypothesis import given, strategies as st

from monochat_billing.accounts import catch_up, covered_until
from monochat_billing.alerts import ThresholdRule
from monochat_billing.balance import Terms
from monochat_billing.errors import InsufficientFunds, InvalidInput, UnknownName
from monochat_billing.events import BalanceLow, RenewalFailed
from monochat_billing.forecast import Forecast, upcoming
from monochat_billing.forecast_lines import ForecastLine, Outcome
from monochat_billing.instants import local_midnight
from monochat_billing.lots import ChargeKind, LotOrigin
from monochat_billing.money import Money, money
from monochat_billing.periods import MONTH, YEAR
from monochat_billing.plans import ChangeTiming, Family, sample_catalog
from monochat_billing.runways import Burn, RunwayEnd, runway
from monochat_billing.scheduling import DueKind
from monochat_billing.subscriptions import SubscriptionState
from monochat_billing.units import Units
from tests.desk import Desk
from tests.scene import CATALOG, START, Scene, instant, lira, scene

SAMPLE = sample_catalog()
"""With its dunning: retries, then plans are suspended and support packages moved."""
YEAR_ON = START + timedelta(days=366)


def ahead(made: Scene, until: datetime | str) -> Forecast:
    """Forecast a scene as its service would."""
    end = instant(until) if isinstance(until, str) else until
    return upcoming(made.state, made.catalog, end)


def told(found: Forecast) -> list[tuple[str, str, str]]:
    """Give day, what and outcome of the lines about money."""
    return [(f"{one.at:%m-%d}", one.what(), one.ends()) for one in found.about_money]


class TestUpcoming:
    """Every line is what will happen, with its amount."""

    def test_two_renewals_a_month_until_the_money_is_gone(self) -> None:
        """By hand: 5000 - 1499 - 450 = 3051 paid for October; November leaves 1102; then 397 short.

        The support package still fits into 1102, and pays on its own.
        """
        made = scene("5000")
        made.subscribe(START, "growth")
        made.subscribe(START, "priority")
        found = ahead(made, "2026-12-05 06:00")
        assert told(found) == [
            ("11-05", "renewal of Growth", "paid, KDV 249.83 TRY"),
            ("11-05", "renewal of Priority", "paid, KDV 75.00 TRY"),
            ("12-05", "renewal of Growth", "fails: 397.00 TRY short"),
            ("12-05", "renewal of Priority", "paid, KDV 75.00 TRY"),
        ]
        amounts = [(one.amount, one.balance) for one in found.about_money]
        assert amounts == [
            (lira("-1499"), lira("1552")),
            (lira("-450"), lira("1102")),
            (None, None),
            (lira("-450"), lira("652")),
        ]
        (failing,) = found.failures
        assert (failing.price, failing.shortfall) == (lira("1499"), lira("397"))
        assert (failing.kind, failing.product) == (DueKind.RENEWAL, "growth")
        assert failing.state is SubscriptionState.PAST_DUE
        assert found.charges("TRY") == lira("2399")
        assert found.charges("USD") == money("0", "USD")

    def test_a_scheduled_change_with_its_proration(self) -> None:
        """16 of 31 days: 773.68 comes back and 3096.26 is taken, in one line."""
        made = scene("9000")
        made.subscribe(START, "growth")
        made.plan("2026-10-10", "enterprise", at="2026-10-20 09:00")
        found = ahead(made, "2026-11-01")
        (change,) = found.about_money
        assert (change.what(), change.amount) == ("change to Enterprise", lira("-2322.58"))
        assert change.balance == lira("5178.42")
        assert change.tax == lira("387.10"), "516.04 in the charge, 128.94 in the credit"
        assert change.ends() == "paid, KDV 387.10 TRY"

    def test_a_scheduled_change_that_cannot_be_done_says_why(self) -> None:
        """An upgrade without the money: the old plan goes on."""
        made = scene("2000")
        made.subscribe(START, "growth")
        made.plan("2026-10-10", "enterprise", at="2026-10-20 09:00")
        change = ahead(made, "2026-11-01").about_money[0]
        assert change.outcome is Outcome.FAILS
        assert "1821.58 short" in change.reason
        assert change.ends().startswith("fails: the balance does not cover it: 2,322.58 TRY needed")

    def test_credit_that_expires(self) -> None:
        """What is left of a promotion is lost; the line says from where."""
        made = scene("100")
        made.credit(
            START,
            "50",
            Terms(origin=LotOrigin.PROMOTIONAL, expires_at=instant("2026-11-01")),
        )
        (lost,) = ahead(made, "2026-11-01").lines
        assert (lost.outcome, lost.amount, lost.origin) == (
            Outcome.LOST,
            lira("-50"),
            LotOrigin.PROMOTIONAL,
        )
        assert lost.ends() == "unused credit is lost"

    def test_credit_that_begins_revives_what_is_past_due(self) -> None:
        """The consequence is a line of its own, without a kind."""
        made = scene("1499")
        made.subscribe(START, "growth")
        made.credit(START, "2000", Terms(effective_at=instant("2026-11-07")))
        found = ahead(made, "2026-11-08")
        kinds = [one.kind for one in found.about_money]
        assert kinds[0] is DueKind.RENEWAL
        assert kinds[-2:] == [DueKind.LOT_START, None]
        goes_on = found.about_money[-1]
        assert (goes_on.what(), goes_on.amount) == ("Growth goes on", lira("-1499"))

    def test_the_units_that_a_plan_includes_are_lines_of_their_own(self) -> None:
        """Money and messages are never summed."""
        made = scene("5000")
        made.subscribe(START, "growth")
        found = ahead(made, "2026-11-06")
        units = [one for one in found.lines if isinstance(one.amount, Units)]
        assert len(units) + len(found.about_money) == len(found.lines)
        assert all(isinstance(one.amount, Money) for one in found.about_money)

    def test_units_are_told_under_the_product_that_brings_them(self) -> None:
        """Another subscription falls due at the same instant, and brings none."""
        made = scene("5000", catalog=SAMPLE)
        made.subscribe(START, "growth")
        made.subscribe(START, "priority")
        made.plan(START, "community")
        units = [one for one in ahead(made, "2026-11-06").lines if one.amount and one.kind is None]
        assert [one.product for one in units] == ["growth"]

    def test_what_follows_an_unpaid_renewal(self) -> None:
        """Retries, then the end of the grace: suspended, as the sample catalog says."""
        made = scene("1499", catalog=SAMPLE)
        made.subscribe(START, "growth")
        found = ahead(made, "2026-12-01")
        assert found.about_money[0].kind is DueKind.RENEWAL
        assert {one.kind for one in found.about_money[1:-1]} == {DueKind.RETRY}
        assert found.about_money[-1].kind is DueKind.GRACE_END
        assert found.about_money[-1].ends() == "suspended"

    def test_a_support_package_that_is_not_paid_moves_to_the_free_one(self) -> None:
        made = scene("450", catalog=SAMPLE)
        made.subscribe(START, "priority")
        last = ahead(made, "2026-12-01").about_money[-1]
        assert (last.product, last.becomes) == ("priority", "community")
        assert (last.ends(), last.ends("tr")) == (
            "moves to Community",
            "Topluluk ürününe geçer",
        )

    def test_nothing_ahead_is_a_value(self) -> None:
        found = ahead(scene("10"), "2026-11-01")
        assert (found.lines, found.complete) == ((), True)
        assert str(found) == "nothing falls due until 2026-11-01 03:00"
        assert found.after.account.as_of == instant("2026-11-01")

    def test_is_cut_where_its_caller_wants(self) -> None:
        """And says so."""
        made = scene("0.01")
        made.subscribe(START, "basic")
        found = upcoming(made.state, CATALOG, YEAR_ON, most=2)
        assert not found.complete
        assert found.until == found.lines[-1].at
        assert str(found).endswith(f"and more after {found.until:%Y-%m-%d} 09:00")
        assert upcoming(made.state, CATALOG, YEAR_ON).complete

    @pytest.mark.parametrize(
        ("until", "most", "field"),
        [
            (START, 10, "until"),
            (datetime(2027, 1, 1), 10, "until"),  # noqa: DTZ001 - naive on purpose
            (YEAR_ON, 0, "most"),
            (YEAR_ON, 1001, "most"),
            (YEAR_ON, True, "most"),
        ],
        ids=["now", "naive", "none", "many", "bool"],
    )
    def test_refuses(self, until: datetime, most: int, field: str) -> None:
        with pytest.raises(InvalidInput) as refused:
            upcoming(scene("1").state, CATALOG, until, most=most)
        assert refused.value.field == field

    def test_reads_well_in_turkish(self) -> None:
        made = scene("2000")
        made.subscribe(START, "growth")
        lines = ahead(made, "2026-11-05 06:00").explain("tr").splitlines()
        assert lines[0].split() == ["yaklaşan", "işlem", "tutar", "sonraki", "bakiye", "sonuç"]
        assert lines[2] == (
            "05.11.2026  Growth yenilemesi                         998,00 TRY eksik, ödenemez"
        )
        assert max(map(len, lines)) <= 100


class TestANotebook:
    """It shows a forecast as HTML."""

    def test_has_a_row_for_each_line(self) -> None:
        made = scene("2000")
        made.subscribe(START, "growth")
        found = ahead(made, "2026-11-05 06:00")
        assert found._repr_html_().count("<tr>") == len(found.lines) + 1
        assert "<h3>acme, 05.11.2026 09:00 tarihine kadar</h3>" in found.html("tr")
        assert "998,00 TRY eksik" in found.html("tr")

    def test_says_that_there_is_nothing(self) -> None:
        found = ahead(scene("1"), "2026-11-05 06:00")
        assert "<table" not in found.html()
        assert "acme: nothing until 2026-11-05 09:00" in found.html()


PRODUCTS = ("basic", "growth", "enterprise", "community", "priority", "dedicated")
DAYS = st.integers(0, 400)


@st.composite
def accounts(draw: st.DrawFn) -> Scene:
    """Draw an account with credit of all kinds, subscriptions and plans."""
    zone = draw(st.sampled_from(["Europe/Istanbul", "Europe/Rome", "UTC"]))
    funds = draw(st.lists(st.sampled_from(["1499", "3000", "70000"]), max_size=3))
    made = scene(*funds, zone=zone, catalog=draw(st.sampled_from([CATALOG, SAMPLE])))
    for _ in range(draw(st.integers(0, 3))):
        begins, length = draw(st.integers(0, 40)), draw(st.integers(1, 60))
        terms = Terms(
            origin=draw(st.sampled_from([LotOrigin.PAID, LotOrigin.PROMOTIONAL])),
            pays_for=frozenset(draw(st.sets(st.sampled_from(ChargeKind), max_size=2))),
            effective_at=START + timedelta(days=begins) if begins else None,
            expires_at=START + timedelta(days=begins + length),
        )
        made.credit(START, draw(st.sampled_from(["50", "500", "1600"])), terms)
    for _ in range(draw(st.integers(1, 4))):
        _ask(draw, made)
    return made


def _ask(draw: st.DrawFn, made: Scene) -> None:
    """Subscribe, or plan a change of what there is; what is refused is not done."""
    now = START + timedelta(days=draw(st.integers(0, 3)))
    product = draw(st.sampled_from(PRODUCTS))
    interval = draw(st.sampled_from([MONTH, YEAR]))
    at = now + timedelta(days=draw(st.integers(1, 50)))
    family = CATALOG.product(product).family
    try:
        if made.state.subscription(family) is None:
            made.subscribe(now, product, interval)
        else:
            made.plan(now, product, interval, at=draw(st.sampled_from([None, at])))
    except (InsufficientFunds, InvalidInput):
        pass


def unrecorded(values: tuple[Any, ...]) -> list[Any]:
    """Forget when entries were written."""
    return [attrs.evolve(one, recorded_at=START) for one in values]


class TestTheForecastIsWhatHappens:
    """Letting time pass without a command gives exactly what was shown."""

    @given(made=accounts(), days=DAYS)
    def test_entries_events_and_state(self, made: Scene, days: int) -> None:
        until = made.state.account.as_of + timedelta(days=days + 1)
        found = ahead(made, until)
        step = catch_up(made.state, made.catalog, until)
        assert found.entries == step.entries
        assert found.events == step.events
        assert found.after.books == step.state.books
        assert found.after.subscriptions == step.state.subscriptions
        assert found.after.schedule == step.state.schedule
        assert found.after.account.as_of == step.state.account.as_of

    @given(made=accounts(), days=DAYS, first=st.integers(1, 400))
    def test_however_time_is_cut(self, made: Scene, days: int, first: int) -> None:
        """A forecast that is asked for on the way goes on where the first one was."""
        start = made.state.account.as_of
        until = start + timedelta(days=days + first + 1)
        whole = ahead(made, until)
        part = ahead(made, start + timedelta(days=first))
        assert whole.lines[: len(part.lines)] == part.lines
        assert unrecorded(whole.entries[: len(part.entries)]) == unrecorded(part.entries)
        rest = upcoming(part.after.settled, made.catalog, until)
        assert part.lines + rest.lines == whole.lines

    @given(made=accounts(), days=DAYS)
    def test_every_entry_stands_in_one_line(self, made: Scene, days: int) -> None:
        """By unit, the lines sum to the entries, and nothing is stored or changed by looking."""
        before = made.state
        found = ahead(made, before.account.as_of + timedelta(days=days + 1))
        assert made.state is before
        for unit in found.after.books.balances:
            moved = sum(one.amount for one in found.entries if one.unit == unit)
            assert sum(_units(one, unit, found) for one in found.lines) == moved

    @given(made=accounts(), days=DAYS)
    def test_the_runway_without_a_burn_ends_at_the_first_failing_renewal(
        self, made: Scene, days: int
    ) -> None:
        start = made.state.account.as_of
        until = start + timedelta(days=days + 1)
        failed = [one for one in ahead(made, until).events if isinstance(one, RenewalFailed)]
        found = runway(made.state, made.catalog, "TRY", until)
        assert found.until == (failed[0].at if failed else None)
        assert covered_until(made.state, made.catalog, "TRY", start, until) == found.until


def _units(line: ForecastLine, unit: str, found: Forecast) -> int:
    balance = found.after.books.balances[unit]
    if line.amount is None:
        return 0
    if isinstance(line.amount, Units):
        return line.amount.count if line.amount.unit == unit else 0
    if line.amount.currency.code != unit:
        return 0
    return int(line.amount.amount * 10**balance.scale)


class TestRunway:
    """Until when the balance lasts at a burn, exactly."""

    def test_of_money_alone(self) -> None:
        """100 TRY at 30 a day are three days and eight hours."""
        found = runway(scene("100").state, CATALOG, "TRY", YEAR_ON, Burn(per_day=30))
        assert found.until == START + timedelta(days=3, hours=8)
        assert (found.ends, found.line, found.spent, found.left) == (
            RunwayEnd.BURN,
            None,
            lira("100"),
            lira("0"),
        )
        assert not found.lasts

    def test_a_third_a_day_has_no_end_in_decimals_and_an_exact_one_here(self) -> None:
        """1 TRY at 1/3 a day is three days, to the microsecond."""
        found = runway(scene("1").state, CATALOG, "TRY", YEAR_ON, Burn(per_day=Fraction(1, 3)))
        assert found.until == START + timedelta(days=3)

    def test_a_renewal_comes_first(self) -> None:
        """3000 - 1499 = 1501; 31 days at 1 leave 1470, which lacks 29 for November."""
        made = scene("3000")
        made.subscribe(START, "growth")
        found = runway(made.state, CATALOG, "TRY", YEAR_ON, Burn(per_day=1))
        assert (found.ends, found.until) == (RunwayEnd.CHARGE, instant("2026-11-05 06:00"))
        assert found.line is not None
        assert found.line.shortfall == lira("29")
        assert str(found) == (
            "TRY: lasts until 5 November 2026: renewal of Growth fails: 29.00 TRY short "
            "(at 1.00 TRY a day)"
        )

    def test_credit_that_expires_is_not_counted_on(self) -> None:
        """100 until the tenth day and 10 for ever, at 1 a day: 90 of the 100 are lost."""
        made = scene("10")
        made.credit(START, "100", Terms(expires_at=START + timedelta(days=10)))
        found = runway(made.state, CATALOG, "TRY", YEAR_ON, Burn(per_day=1))
        assert found.until == START + timedelta(days=20)

    def test_credit_that_is_spent_before_it_expires(self) -> None:
        """Nothing is left to expire, so nothing is due at its end."""
        made = scene("10")
        made.credit(START, "10", Terms(expires_at=START + timedelta(days=10)))
        for rate, days in ((1, 20), (2, 10), (4, 5)):
            found = runway(made.state, CATALOG, "TRY", YEAR_ON, Burn(per_day=rate))
            assert found.until == START + timedelta(days=days)

    def test_credit_for_something_else_does_not_help(self) -> None:
        """A lot for plans pays for no messages."""
        made = scene("10")
        made.credit(START, "100", Terms(pays_for=frozenset({ChargeKind.PLAN})))
        found = runway(made.state, CATALOG, "TRY", YEAR_ON, Burn(per_day=1))
        assert found.until == START + timedelta(days=10)
        plans = Burn(per_day=1, kind=ChargeKind.PLAN)
        assert runway(made.state, CATALOG, "TRY", YEAR_ON, plans).until == START + timedelta(
            days=110
        )

    def test_credit_that_begins_in_time_helps(self) -> None:
        made = scene("10")
        made.credit(START, "10", Terms(effective_at=START + timedelta(days=10)))
        made.credit(START, "10", Terms(effective_at=START + timedelta(days=21)))
        found = runway(made.state, CATALOG, "TRY", YEAR_ON, Burn(per_day=1))
        assert found.until == START + timedelta(days=20)

    def test_lasts_beyond_the_horizon(self) -> None:
        """And says so, with the horizon named."""
        found = runway(scene("1000").state, CATALOG, "TRY", YEAR_ON, Burn(per_day=1))
        assert (found.ends, found.until, found.horizon) == (RunwayEnd.NOTHING, None, YEAR_ON)
        assert found.lasts
        assert found.explain("tr") == "TRY: 6 Ekim 2027 sonrasına da yeter (günde 1,00 TRY ile)"
        assert found.spent == lira("366")

    def test_ends_exactly_at_the_horizon(self) -> None:
        """What is used up to the horizon, inclusive, can be paid; a microunit less cannot."""
        horizon = START + timedelta(days=10)
        assert runway(scene("10").state, CATALOG, "TRY", horizon, Burn(per_day=1)).lasts
        assert not runway(scene("9.999999").state, CATALOG, "TRY", horizon, Burn(per_day=1)).lasts

    def test_has_ended_where_something_waits_for_money(self) -> None:
        made = scene("1499")
        made.subscribe(START, "growth")
        made.run("2026-11-06")
        found = runway(made.state, CATALOG, "TRY", YEAR_ON, Burn())
        assert (found.ends, found.until) == (RunwayEnd.CHARGE, instant("2026-11-06"))
        assert str(found) == "TRY: lasts until 6 November 2026: renewal of Growth is not paid"

    @pytest.mark.parametrize("rate", ["-1", Fraction(-1), 0.5, "x", True], ids=repr)
    def test_refuses_what_is_no_rate(self, rate: Any) -> None:  # noqa: ANN401 - as above
        with pytest.raises(InvalidInput) as refused:
            Burn(per_day=rate)
        assert refused.value.field == "per_day"

    def test_refuses_a_horizon_that_is_not_ahead(self) -> None:
        with pytest.raises(InvalidInput, match="horizon"):
            runway(scene("1").state, CATALOG, "TRY", START, Burn())
        with pytest.raises(UnknownName):
            runway(scene("1").state, CATALOG, "EUR", YEAR_ON, Burn())

    @given(
        funds=st.integers(1, 9000),
        rate=st.fractions(min_value=Fraction(1, 7), max_value=400, max_denominator=60),
        plan=st.sampled_from([None, "basic", "growth"]),
    )
    def test_spending_day_by_day_works_until_then_and_no_longer(
        self, funds: int, rate: Fraction, plan: str | None
    ) -> None:
        """Real debits, one a day: all are paid before the end, and the first after it is not."""
        made = scene(str(funds))
        if plan is not None:
            try:
                made.subscribe(START, plan)
            except InsufficientFunds:
                return
        found = runway(made.state, CATALOG, "TRY", YEAR_ON, Burn(per_day=rate))
        taken = 0
        day = 0
        while found.until is None or START + timedelta(days=day + 1) < found.until:
            day += 1
            if day > 100:
                return
            due = int(rate * day * 10**6) - taken
            if due:
                made.debit(START + timedelta(days=day), _lira(due))
            taken += due
            assert "RenewalFailed" not in made.happened()
        assert found.until is not None
        if found.ends is RunwayEnd.CHARGE:
            rest = int(
                rate * Fraction((found.until - START) // timedelta(microseconds=1), _DAY) * 10**6
            )
            if rest - taken:
                made.debit(found.until - timedelta(microseconds=1), _lira(rest - taken))
            made.run(found.until)
            assert "RenewalFailed" in made.happened()
        else:
            due = int(rate * (day + 1) * 10**6) - taken
            with pytest.raises(InsufficientFunds):
                made.debit(found.until, _lira(due + 1))


_DAY = timedelta(days=1) // timedelta(microseconds=1)


def _lira(units: int) -> Money:
    return money(f"{units // 10**6}.{units % 10**6:06d}", "TRY")


class TestTheFace:
    """The verbs of the service, on memory and on SQLite."""

    def test_upcoming_and_runway_of_a_real_account(self, desk: Desk) -> None:
        """The burn is what usage took in the window: 10 in 2 days of 30 at most."""
        billing, clock = desk.billing, desk.clock
        billing.balances.credit("acme", lira("2000"), reason="opening", key="o")
        billing.subscriptions.subscribe("acme", "growth", MONTH, key="s")
        clock.advance(days=1)
        billing.balances.debit("acme", lira("10"), reason="export", key="d")
        clock.advance(days=1)
        found = billing.runway("acme")
        assert found.burn.per_day == 5
        assert found.burn.measured == (START, START + timedelta(days=2))
        assert found.burn.kind is ChargeKind.OTHER
        assert (found.ends, found.until) == (RunwayEnd.CHARGE, instant("2026-11-05 06:00"))
        assert billing.runway("acme", per_day="491").until == START + timedelta(days=3)
        assert billing.runway("acme", "USD").lasts
        failing = billing.upcoming("acme").failures
        assert [one.what() for one in failing] == ["renewal of Growth", "retry for Growth"]
        assert billing.runway("acme", window=timedelta(days=1)).burn.per_day == 10

    def test_looking_stores_nothing(self, desk: Desk) -> None:
        """Not even what is due by now."""
        billing = desk.billing
        billing.balances.credit("acme", lira("2000"), reason="opening", key="o")
        billing.subscriptions.subscribe("acme", "growth", MONTH, key="s")
        desk.clock.advance(days=40)
        before = desk.snapshot()
        billing.upcoming("acme")
        billing.runway("acme")
        billing.overview("acme")
        billing.may_use("acme", "users")
        assert desk.snapshot() == before

    def test_running_time_gives_what_was_shown(self, desk: Desk) -> None:
        """The storage holds the entries of the forecast, number by number."""
        billing = desk.billing
        billing.balances.credit("acme", lira("9000"), reason="opening", key="o")
        billing.subscriptions.subscribe("acme", "growth", MONTH, key="s")
        billing.schedule.change(
            "acme", to="enterprise", timing=ChangeTiming.AT, at=instant("2026-11-20"), key="p"
        )
        known = len(desk.storage.read(lambda reader: reader.entries("acme", limit=1000)))
        until = instant("2027-01-10")
        shown = billing.upcoming("acme", until=until)
        desk.clock.now = until
        billing.run_due()
        entries = desk.storage.read(lambda reader: reader.entries("acme", limit=1000))
        assert tuple(entries[known:]) == shown.entries
        assert [one.event for one in billing.events("acme", limit=1000)][-len(shown.events) :] == [
            *shown.events
        ]

    def test_a_low_balance_says_how_long_it_lasts(self, desk: Desk) -> None:
        """The event carries the instant of the first renewal that is not covered."""
        billing = desk.billing
        billing.balances.credit("acme", lira("4000"), reason="opening", key="o")
        billing.subscriptions.subscribe("acme", "growth", MONTH, key="s")
        rule = ThresholdRule(thresholds=[lira("2000"), lira("100")])
        billing.balances.watch("acme", "TRY", rule, name="low", key="w")
        billing.balances.debit("acme", lira("900"), reason="export", key="d")
        low = [one.event for one in billing.events("acme", limit=1000)][-1]
        assert isinstance(low, BalanceLow)
        assert low.available == lira("1601")
        assert low.runway == instant("2026-12-05 06:00")

    def test_a_low_balance_that_covers_a_year_has_no_end(self, desk: Desk) -> None:
        billing = desk.billing
        billing.balances.credit("acme", lira("10"), reason="opening", key="o")
        rule = ThresholdRule(thresholds=[lira("9")])
        billing.balances.watch("acme", "TRY", rule, name="low", key="w")
        billing.balances.debit("acme", lira("5"), reason="export", key="d")
        low = [one.event for one in billing.events("acme", limit=1000)][-1]
        assert isinstance(low, BalanceLow)
        assert low.runway is None

    def test_a_window_has_a_length(self, desk: Desk) -> None:
        with pytest.raises(InvalidInput, match="window"):
            desk.billing.runway("acme", window=timedelta(0))

    def test_unknown_accounts_and_balances(self, desk: Desk) -> None:
        for ask in (desk.billing.upcoming, desk.billing.runway):
            with pytest.raises(UnknownName):
                ask("nobody")
        with pytest.raises(UnknownName):
            desk.billing.runway("acme", "EUR")


def test_a_day_of_burn_is_twenty_four_hours() -> None:
    """Also on the day on which the clocks change."""
    made = scene("25", zone="Europe/Rome", at=local_midnight(date(2026, 10, 25), "Europe/Rome"))
    found = runway(made.state, CATALOG, "TRY", YEAR_ON, Burn(per_day=24))
    assert found.until == made.state.account.as_of + timedelta(hours=25)
    assert found.until.astimezone(UTC).hour == 23
    assert made.state.subscription(Family.PLAN) is None
