"""Recurring grants: a lot for each period, and what is carried over."""

from datetime import timedelta

import pytest
from hypothesis import given, strategies as st

from monochat_billing.entries import Terms
from monochat_billing.errors import InvalidInput
from monochat_billing.grants import NO_ROLLOVER, RecurringGrant, Rollover
from monochat_billing.lots import LotOrigin
from monochat_billing.periods import MONTH, BillingAnchor
from tests.scene import START, instant


def monthly(**change: object) -> RecurringGrant:
    facts: dict[str, object] = {
        "units": 100,
        "interval": MONTH,
        "anchor": BillingAnchor.at(instant("2026-01-31"), "UTC"),
        "starts_at": instant("2026-01-31"),
        **change,
    }
    return RecurringGrant(**facts)  # type: ignore[arg-type]


class TestPeriods:
    """Half-open, from the start to each bound of the anchor, and not beyond the end."""

    def test_begin_at_the_bounds_of_the_anchor(self) -> None:
        """31 January, 28 February, 31 March; each ends where the next begins."""
        found = list(monthly().periods(instant("2026-04-01")))
        assert [f"{one.start:%m-%d} {one.end:%m-%d}" for one in found] == [
            "01-31 02-28",
            "02-28 03-31",
            "03-31 04-30",
        ]

    def test_a_late_start_makes_a_short_first_period(self) -> None:
        """It starts in between and falls in with the anchor."""
        grant = monthly(starts_at=instant("2026-02-10"), ends_at=instant("2026-03-15"))
        found = list(grant.periods(instant("2027-01-01")))
        assert [f"{one.start:%m-%d} {one.end:%m-%d}" for one in found] == [
            "02-10 02-28",
            "02-28 03-15",
        ]

    def test_running_in_steps_grants_each_once(self) -> None:
        """What a run has granted the next does not grant again."""
        grant = monthly()
        first = list(grant.periods(instant("2026-03-01")))
        then = list(grant.periods(instant("2026-06-30"), after=instant("2026-03-01")))
        assert first + then == list(grant.periods(instant("2026-06-30")))

    def test_a_lot_counts_within_its_period_only(self) -> None:
        """Its terms are those of the grant, with the period's bounds."""
        grant = monthly(terms=Terms(origin=LotOrigin.ALLOWANCE, priority=3))
        (first,) = grant.periods(instant("2026-01-31"))
        terms = grant.terms_of(first)
        assert (terms.origin, terms.priority) == (LotOrigin.ALLOWANCE, 3)
        assert (terms.effective_at, terms.expires_at) == (first.start, first.end)


class TestRollover:
    """The rest, raised to the minimum, cut to the maximum."""

    @given(st.integers(0, 500), st.integers(0, 100), st.none() | st.integers(100, 300))
    def test_stays_between_its_bounds(self, left: int, low: int, high: int | None) -> None:
        """And is the rest itself where that lies between them."""
        carried = Rollover(minimum=low, maximum=high).carried(left)
        assert low <= carried
        assert high is None or carried <= high
        if low <= left and (high is None or left <= high):
            assert carried == left

    def test_without_it_nothing_is_carried(self) -> None:
        """A refill is the grant's own units."""
        assert NO_ROLLOVER.carried(70) == 0
        assert monthly().refill(left=70) == 100
        assert monthly(rollover=Rollover(maximum=50)).refill(left=70) == 150

    @pytest.mark.parametrize(
        ("bounds", "field"),
        [({"minimum": -1}, "minimum"), ({"minimum": 5, "maximum": 4}, "maximum")],
    )
    def test_refuses_bounds_that_contradict(self, bounds: dict[str, int], field: str) -> None:
        """A negative minimum, or a maximum below it."""
        with pytest.raises(InvalidInput) as refused:
            Rollover(**bounds)
        assert refused.value.field == field


def test_the_end_of_a_lot_is_never_before_its_start() -> None:
    """Terms whose lot would be over before it counts are refused where they are used."""
    with pytest.raises(InvalidInput):
        Terms(effective_at=START, expires_at=START).begin(START - timedelta(days=1))
