"""Measuring time: how far into a period an instant is, in the units of a time basis.

*Owns* positions, which every ratio is a difference of, and 30/360 days.
*Does not own* amounts: those are ``proration``'s.

>>> leap = BillingPeriod.of_days(date(2028, 2, 1), date(2028, 3, 1), "UTC")
>>> cut = datetime(2028, 2, 15, tzinfo=UTC)
>>> [measure(basis, leap, "UTC", [cut])[1:] for basis in (TimeBasis.LOCAL_DAY, TimeBasis.SECOND)]
[(29, [14]), (2505600, [1209600])]
"""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta, tzinfo
from functools import lru_cache
from typing import Final

from monochat_billing.errors import InvalidInput
from monochat_billing.instants import check_zone
from monochat_billing.periods import BillingPeriod
from monochat_billing.proration_policies import TimeBasis

__all__ = ["days_of_fixed_months", "measure"]

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND: Final = timedelta(seconds=1)
_INSTANT: Final = timedelta(microseconds=1)
_THIRTY: Final = 30
_MONTHS_PER_YEAR: Final = 12


# Enum members are looked up slowly on their class, and every change asks for them.
_LOCAL_DAY: Final = TimeBasis.LOCAL_DAY
_LOCAL_DAY_INCLUSIVE: Final = TimeBasis.LOCAL_DAY_INCLUSIVE
_NONE: Final = TimeBasis.NONE
_THIRTY_DAY_MONTH: Final = TimeBasis.THIRTY_DAY_MONTH
_WHOLE_PERIOD: Final = TimeBasis.WHOLE_PERIOD


def measure(
    basis: TimeBasis, whole: BillingPeriod, zone: str, instants: Sequence[datetime]
) -> tuple[TimeBasis, int, list[int]]:
    """Return the basis used, the whole's total units, and the position of each instant in it.

    Positions grow from zero at the start to the total at the end, so differences of them tile the
    period. A whole without a local day of its own is measured in seconds.

    Raises:
        InvalidInput: the whole is empty, or an instant is outside of it or naive.

    >>> day = date(2026, 1, 1)
    >>> january = BillingPeriod.of_days(day, date(2026, 2, 1), "UTC")
    >>> measure(TimeBasis.LOCAL_DAY, january, "UTC", [datetime(2026, 1, 16, 15, tzinfo=UTC)])[1:]
    (31, [15])
    """
    start, end = whole.start, whole.end
    for instant in instants:
        if not start <= instant <= end:
            raise InvalidInput(
                "part", instant.isoformat(), "is outside the whole", "cut it to the period"
            )
    place = check_zone(zone)
    if basis is _LOCAL_DAY:
        first, total = _local_days(start, end, place)
        if total:
            return basis, total, [at.astimezone(place).toordinal() - first for at in instants]
    elif basis is _LOCAL_DAY_INCLUSIVE and start < end:
        first = start.astimezone(place).toordinal() - 1
        total = (end - _INSTANT).astimezone(place).toordinal() - first
        return (
            basis,
            total,
            [
                0
                if at == start
                else total
                if at == end
                else at.astimezone(place).toordinal() - first
                for at in instants
            ],
        )
    elif basis is _THIRTY_DAY_MONTH:
        first_day = start.astimezone(place).date()
        total = _fixed_total(first_day, end.astimezone(place).date())
        if total:
            return (
                basis,
                total,
                [
                    total
                    if at == end
                    else min(total, days_of_fixed_months(first_day, at.astimezone(place).date()))
                    for at in instants
                ],
            )
    elif (basis is _WHOLE_PERIOD or basis is _NONE) and start < end:
        return basis, 1, [int(at > start) for at in instants]
    return _in_seconds(whole, instants)


@lru_cache(maxsize=1024)
def _local_days(start: datetime, end: datetime, place: tzinfo) -> tuple[int, int]:
    """Return the ordinal of a whole's first local day and the number of its local days.

    Remembered, because lines of one period and changes within it ask again and again.
    """
    first = start.astimezone(place).toordinal()
    return first, end.astimezone(place).toordinal() - first


def _in_seconds(
    whole: BillingPeriod, instants: Sequence[datetime]
) -> tuple[TimeBasis, int, list[int]]:
    first = (whole.start - _EPOCH) // _SECOND
    total = (whole.end - _EPOCH) // _SECOND - first
    if not total:
        raise InvalidInput("whole", whole.start.isoformat(), "is empty", "pass a longer period")
    return TimeBasis.SECOND, total, [(at - _EPOCH) // _SECOND - first for at in instants]


def days_of_fixed_months(start: date, end: date, month_days: int = _THIRTY) -> int:
    """Count days as if every month had ``month_days``: 30/360 for thirty.

    Days beyond the fixed length count as its last one. Negative when the end is before the start.

    Raises:
        InvalidInput: a month shall have fewer than 28 or more than 31 days.

    >>> days_of_fixed_months(date(2024, 2, 23), date(2024, 3, 15))
    22
    """
    if month_days not in range(28, 32):
        raise InvalidInput("month_days", month_days, "is no month", "pass 28 to 31")
    months = (end.year - start.year) * _MONTHS_PER_YEAR + end.month - start.month
    return months * month_days + min(end.day, month_days) - min(start.day, month_days)


def _fixed_total(start: date, end: date) -> int:
    """Count a whole's days; bounds that one anchor clipped to short months are whole months."""
    months = (end.year - start.year) * _MONTHS_PER_YEAR + end.month - start.month
    clipped_end = start.day > end.day and (end + timedelta(days=1)).day == 1
    clipped_start = end.day > start.day and (start + timedelta(days=1)).day == 1
    if months > 0 and (start.day == end.day or clipped_end or clipped_start):
        return months * _THIRTY
    return days_of_fixed_months(start, end)
