"""Time twelve months of period bounds in a zone with daylight saving, beside a hand-written loop.

Run it with ``python benchmarks/bench_periods.py``. The hand-written loop does what most code does:
it adds a month to the wall time with dateutil and converts to UTC. Its bounds are shown beside the
anchored ones, since it drifts from the 31st.
"""

import statistics
import timeit
from collections.abc import Callable
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from dateutil.relativedelta import relativedelta

from monochat_billing.periods import MONTH, BillingAnchor

ZONE = "Europe/Rome"
ROUNDS, LOOPS = 7, 2_000
ANCHOR = BillingAnchor(year=2026, month=1, day=31, hour=2, minute=30, zone=ZONE)


def by_hand() -> list[datetime]:
    """Add one month twelve times, as a loop written in a minute does."""
    place = ZoneInfo(ZONE)
    wall = datetime(2026, 1, 31, 2, 30, tzinfo=place)
    bounds = [wall.astimezone(UTC)]
    for _ in range(12):
        wall += relativedelta(months=1)
        bounds.append(wall.astimezone(UTC))
    return bounds


def anchored() -> list[datetime]:
    """Compute the thirteen bounds of twelve months."""
    return list(ANCHOR.bounds(MONTH, 0, 12))


def periods() -> list[datetime]:
    """Compute twelve periods, each with both bounds."""
    return [ANCHOR.period(MONTH, n).end for n in range(12)]


def containing() -> list[datetime]:
    """Find the period of one instant."""
    return [ANCHOR.period_containing(MONTH, datetime(2026, 11, 23, tzinfo=UTC)).end]


def microseconds(call: Callable[[], object]) -> tuple[float, float, float]:
    """Return the median, fastest and slowest round in microseconds per call."""
    rounds = [timeit.timeit(call, number=LOOPS) / LOOPS * 1e6 for _ in range(ROUNDS)]
    return statistics.median(rounds), min(rounds), max(rounds)


def main() -> None:
    """Print the table."""
    print(f"twelve months from 31 January 02:30, {ZONE}; median of {ROUNDS} (fastest-slowest)")
    for name, call in (
        ("hand-written loop, 13 bounds", by_hand),
        ("anchor.bounds, 13 bounds", anchored),
        ("anchor.period x 12", periods),
        ("anchor.period_containing", containing),
    ):
        middle, fastest, slowest = microseconds(call)
        print(f"{name:32} {middle:8.2f} us ({fastest:.2f}-{slowest:.2f})")
    pairs = list(zip(by_hand(), anchored(), strict=True))
    wrong = sum(left != right for left, right in pairs)
    print(f"bounds on which the hand-written loop is not anchored: {wrong} of {len(pairs)}")
    print(f"  e.g. its March {pairs[2][0].isoformat()}, the anchor's {pairs[2][1].isoformat()}")


if __name__ == "__main__":
    main()
