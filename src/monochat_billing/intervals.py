"""Billing intervals: lengths in months or days, never in seconds.

*Owns* the length of a billing period and its text form.
*Does not own* when a period starts: that is the anchor's, in ``periods``.

>>> BillingInterval.parse("12 MONTH") == YEAR
True
"""

import re
from enum import StrEnum
from typing import Any, Final, final

import attrs

from monochat_billing.errors import InvalidInput

__all__ = [
    "DAY",
    "HALF_YEAR",
    "MONTH",
    "QUARTER",
    "WEEK",
    "YEAR",
    "BillingInterval",
    "IntervalUnit",
    "check_counted",
    "check_interval",
]

_MONTHS_PER_YEAR: Final = 12
_DAYS_PER_WEEK: Final = 7
_LONGEST_MONTHS: Final = 1200
_LONGEST_DAYS: Final = 36_525
_COUNTED_DAYS: Final = 366
_TEXT: Final = re.compile(r"(?:([1-9][0-9]{0,5}) )?([A-Z_]+)", re.ASCII)


class IntervalUnit(StrEnum):
    """Name a unit of length; each is a whole number of months or of days."""

    DAY = "DAY"
    WEEK = "WEEK"
    MONTH = "MONTH"
    QUARTER = "QUARTER"
    HALF_YEAR = "HALF_YEAR"
    YEAR = "YEAR"


_MONTHS: Final = {
    IntervalUnit.MONTH: 1,
    IntervalUnit.QUARTER: 3,
    IntervalUnit.HALF_YEAR: 6,
    IntervalUnit.YEAR: _MONTHS_PER_YEAR,
}
_DAYS: Final = {IntervalUnit.DAY: 1, IntervalUnit.WEEK: _DAYS_PER_WEEK}


def _unit(value: IntervalUnit | str) -> IntervalUnit:
    try:
        return IntervalUnit(value)
    except ValueError:
        known = ", ".join(IntervalUnit)
        raise InvalidInput("unit", value, "is no unit", f"use one of {known}") from None


def check_interval(value: Any, field: str = "interval") -> "BillingInterval":  # noqa: ANN401 - whatever the caller passed
    """Give ``value`` if it is an interval.

    Raises:
        InvalidInput: it is not.

    >>> check_interval("MONTH")
    Traceback (most recent call last):
    monochat_billing.errors.InvalidInput: interval: 'MONTH' is no interval; pass MONTH, YEAR or ...
    """
    if not isinstance(value, BillingInterval):
        raise InvalidInput(
            field, value, "is no interval", 'pass MONTH, YEAR or BillingInterval.parse("2 MONTH")'
        )
    return value


@final
@attrs.frozen(kw_only=True)
class BillingInterval:
    """Name the length of a billing period: months or days, never seconds.

    One length has one spelling: 3 MONTH becomes QUARTER, 12 MONTH becomes YEAR, 7 DAY becomes
    WEEK, so equal lengths compare equal. ``str`` and :meth:`parse` round-trip.

    Raises:
        InvalidInput: the count is below one, or the length above 100 years.

    >>> BillingInterval(count=12, unit="MONTH") == YEAR
    True
    >>> str(BillingInterval(count=2, unit="MONTH")), str(QUARTER), QUARTER.months, WEEK.days
    ('2 MONTH', 'QUARTER', 3, 7)
    """

    count: int = 1
    unit: IntervalUnit = attrs.field(converter=_unit)
    months: int = attrs.field(init=False, eq=False, repr=False)
    """Length in months; zero for intervals of days."""
    days: int = attrs.field(init=False, eq=False, repr=False)
    """Length in days; zero for intervals of months."""

    def __attrs_post_init__(self) -> None:
        if type(self.count) is not int or self.count < 1:
            raise InvalidInput("count", self.count, "is not a length", "pass an int above zero")
        months = self.count * _MONTHS.get(self.unit, 0)
        days = self.count * _DAYS.get(self.unit, 0)
        if months > _LONGEST_MONTHS or days > _LONGEST_DAYS:
            raise InvalidInput("count", self.count, "is too long", "stay within 100 years")
        count, unit = _spelled(months, days)
        object.__setattr__(self, "months", months)
        object.__setattr__(self, "days", days)
        object.__setattr__(self, "count", count)
        object.__setattr__(self, "unit", unit)

    def __str__(self) -> str:
        return self.unit.value if self.count == 1 else f"{self.count} {self.unit.value}"

    @classmethod
    def parse(cls, text: str) -> "BillingInterval":
        """Read ``"MONTH"``, ``"YEAR"``, ``"2 MONTH"``, ``"30 DAY"``.

        Raises:
            InvalidInput: the text is no interval.

        >>> BillingInterval.parse("30 DAY").days, BillingInterval.parse("YEAR") == YEAR
        (30, True)
        """
        found = _TEXT.fullmatch(str(text))
        if found is None or found[2] not in IntervalUnit.__members__:
            raise InvalidInput("interval", text, "is no interval", "write it like 'MONTH'")
        return cls(count=int(found[1] or 1), unit=IntervalUnit(found[2]))


def _spelled(months: int, days: int) -> tuple[int, IntervalUnit]:
    if days:
        weeks, rest = divmod(days, _DAYS_PER_WEEK)
        return (days, IntervalUnit.DAY) if rest else (weeks, IntervalUnit.WEEK)
    if months % _MONTHS_PER_YEAR == 0:
        return months // _MONTHS_PER_YEAR, IntervalUnit.YEAR
    for unit in (IntervalUnit.HALF_YEAR, IntervalUnit.QUARTER):
        if months == _MONTHS[unit]:
            return 1, unit
    return months, IntervalUnit.MONTH


DAY: Final = BillingInterval(unit=IntervalUnit.DAY)
"""One local calendar day."""

WEEK: Final = BillingInterval(unit=IntervalUnit.WEEK)
"""Seven local calendar days."""

MONTH: Final = BillingInterval(unit=IntervalUnit.MONTH)
"""One calendar month."""

QUARTER: Final = BillingInterval(unit=IntervalUnit.QUARTER)
"""Three calendar months."""

HALF_YEAR: Final = BillingInterval(unit=IntervalUnit.HALF_YEAR)
"""Six calendar months."""

YEAR: Final = BillingInterval(unit=IntervalUnit.YEAR)
"""Twelve calendar months."""


def check_counted(interval: BillingInterval, field: str) -> None:
    """Refuse to count usage over more than a year: a counter is found by the months ahead of it.

    Raises:
        InvalidInput: naming ``field``, when the interval is longer.

    >>> check_counted(MONTH, "per")
    """
    if interval.months > YEAR.months or interval.days > _COUNTED_DAYS:
        raise InvalidInput(field, str(interval), "is longer than a year", "count over YEAR or less")
