"""Laws of looking ahead, over accounts on which anything may have been asked."""

from datetime import datetime, timedelta
from typing import Any

import attrs
from hypothesis import assume, given, strategies as st

from monochat_billing.entries import Entry
from monochat_billing.events import Event, RenewalFailed
from monochat_billing.forecast import Forecast
from monochat_billing.forecast_lines import ForecastLine, Outcome
from monochat_billing.money import to_units
from monochat_billing.subscriptions import SubscriptionState
from monochat_billing.units import Units
from tests.desk import START
from tests.effort import one_in
from tests.laws.test_time_law import played, scripts
from tests.stall import Shop

DAYS = st.sampled_from([1, 7, 31, 62, 200, 366])


def written(made: Shop) -> tuple[list[Entry], list[Event]]:
    """Give everything that is stored of the account."""
    entries, events = made.billing._context.storage.read(
        lambda reader: (
            list(reader.entries("acme", limit=9999)),
            [one.event for one in reader.events("acme", limit=9999)],
        )
    )
    return [attrs.evolve(one, recorded_at=START) for one in entries], events


def shown(made: Shop, days: int) -> Forecast:
    """Look ahead from an account that is caught up."""
    made.billing.run_due()
    found = made.billing.upcoming("acme", until=made.clock.now + timedelta(days=days))
    assume(found.complete)
    return found


def units_of(line: ForecastLine, unit: str, scale: int) -> int:
    """Give what a line moves of a balance, in its smallest unit."""
    match line.amount:
        case None:
            return 0
        case Units(count, meter):
            return count if meter == unit else 0
        case amount:
            return to_units(amount, scale) if amount.currency.code == unit else 0


class TestTheForecast:
    """What is shown is what time does."""

    @given(script=scripts, days=DAYS)
    @one_in(2)
    def test_is_what_is_stored_when_time_has_passed(self, script: Any, days: int) -> None:  # noqa: ANN401
        made = played(script, [])
        found = shown(made, days)
        entries, events = written(made)
        made.clock.now = found.until
        made.billing.run_due()
        later_entries, later_events = written(made)
        assert later_entries[len(entries) :] == [
            attrs.evolve(one, recorded_at=START) for one in found.entries
        ]
        assert later_events[len(events) :] == list(found.events)

    @given(script=scripts, days=DAYS)
    @one_in(2)
    def test_puts_every_entry_in_one_line(self, script: Any, days: int) -> None:  # noqa: ANN401 - as above
        made = played(script, [])
        found = shown(made, days)
        for unit, balance in found.after.books.balances.items():
            moved = sum(one.amount for one in found.entries if one.unit == unit)
            told = sum(units_of(line, unit, balance.scale) for line in found.lines)
            assert told == moved

    @given(script=scripts, days=DAYS)
    @one_in(2)
    def test_shows_every_failure_failing(self, script: Any, days: int) -> None:  # noqa: ANN401 - as above
        """As many lines lack money as renewals fail, with the same shortfalls."""
        made = played(script, [])
        found = shown(made, days)
        failed = [one.shortfall for one in found.events if isinstance(one, RenewalFailed)]
        short = [one.shortfall for one in found.lines if one.shortfall is not None]
        assert short == failed
        assert all(one.outcome is Outcome.FAILS for one in found.lines if one.shortfall)

    @given(script=scripts, days=DAYS)
    @one_in(2)
    def test_reads_in_both_languages(self, script: Any, days: int) -> None:  # noqa: ANN401 - as above
        """Whatever has come to be: the forecast, the page and its HTML."""
        made = played(script, [])
        found = shown(made, days)
        page = made.billing.overview("acme")
        for locale in ("en", "tr"):
            for line in found.lines:
                assert line.what(locale)
            assert found.explain(locale)
            assert page.explain(locale)
            assert page.html(locale).count("<table") == page.html(locale).count("</table")


class TestTheRunway:
    """It ends where the first renewal fails."""

    @given(script=scripts)
    @one_in(2)
    def test_without_a_burn(self, script: Any) -> None:  # noqa: ANN401 - as above
        made = played(script, [])
        found = shown(made, 200)
        waiting = any(
            one.state in (SubscriptionState.PAST_DUE, SubscriptionState.SUSPENDED)
            and one.price.currency == "TRY"
            for one in made.billing.subscriptions.list("acme")
        )
        failed = [
            one.at
            for one in found.events
            if isinstance(one, RenewalFailed) and one.shortfall.currency.code == "TRY"
        ]
        expected: datetime | None = failed[0] if failed else None
        answer = made.billing.runway("acme", "TRY", per_day=0, horizon=found.until)
        assert answer.until == (found.as_of if waiting else expected)

    @given(script=scripts, rates=st.tuples(st.integers(0, 300), st.integers(0, 300)))
    @one_in(2)
    def test_more_use_never_lasts_longer(self, script: Any, rates: tuple[int, int]) -> None:  # noqa: ANN401
        """A month of looking ahead, in which nothing but use differs."""
        made = played(script, [])
        horizon = made.clock.now + timedelta(days=31)
        slow, fast = (
            made.billing.runway("acme", "TRY", per_day=rate, horizon=horizon)
            for rate in sorted(rates)
        )
        if slow.until is not None:
            assert fast.until is not None
            assert fast.until <= slow.until
