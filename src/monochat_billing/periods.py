"""Billing periods: every bound is the anchor plus n intervals.

*Owns* intervals, anchors, half-open periods, local days and what daylight saving does to them.
*Does not own* prices or what a period costs: that is ``proration``'s.

A bound is never the previous bound plus one interval, which would turn 31 January into the 28th
for ever. It is the anchor's local wall time, moved by whole months or days, the day clipped where
the month is shorter. A wall time that a clock change skips becomes the first valid instant after
it, one that happens twice the first of the two. Instants are aware UTC; every span is half-open,
``[start, end)``.

>>> from datetime import UTC, datetime
>>> anchor = BillingAnchor.at(datetime(2026, 1, 30, 21, tzinfo=UTC), "Europe/Istanbul")
>>> [anchor.period(MONTH, n).first_day("Europe/Istanbul").isoformat() for n in range(4)]
['2026-01-31', '2026-02-28', '2026-03-31', '2026-04-30']
"""

import itertools
from datetime import UTC, date, datetime, time, timedelta
from typing import Final, final

import attrs

from monochat_billing.errors import InvalidInput
from monochat_billing.instants import (
    check_zone,
    days_between,
    local_midnight,
    resolve_folds,
    utc,
)
from monochat_billing.intervals import (
    DAY,
    HALF_YEAR,
    MONTH,
    QUARTER,
    WEEK,
    YEAR,
    BillingInterval,
    IntervalUnit,
)

__all__ = [
    "DAY",
    "HALF_YEAR",
    "MONTH",
    "QUARTER",
    "WEEK",
    "YEAR",
    "BillingAnchor",
    "BillingInterval",
    "BillingPeriod",
    "IntervalUnit",
    "check_zone",
    "days_between",
    "local_midnight",
    "utc",
]

_MONTHS_PER_YEAR: Final = 12
_SHORTEST_MONTH: Final = 28
_LONGEST_MONTH: Final = 31
_LENGTHS: Final = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_FEBRUARY: Final = 2


# ------------------------------------------------------------------------------------ periods


def _utc_start(value: datetime) -> datetime:
    if type(value) is datetime and value.tzinfo is UTC:
        return value
    return utc(value, field="start")


def _utc_end(value: datetime) -> datetime:
    if type(value) is datetime and value.tzinfo is UTC:
        return value
    return utc(value, field="end")


@final
@attrs.frozen(kw_only=True, order=True)
class BillingPeriod:
    """Hold one dated half-open span, ``[start, end)``, in aware UTC.

    A span may be empty (``start == end``); it then contains no instant.

    Raises:
        InvalidInput: an instant is naive, or the end is before the start.

    >>> january = BillingPeriod(
    ...     start=datetime(2026, 1, 1, tzinfo=UTC), end=datetime(2026, 2, 1, tzinfo=UTC)
    ... )
    >>> january.contains(january.start), january.contains(january.end), january.days("UTC")
    (True, False, 31)
    """

    start: datetime = attrs.field(converter=_utc_start)
    end: datetime = attrs.field(converter=_utc_end)

    def __attrs_post_init__(self) -> None:
        if self.end < self.start:
            raise InvalidInput(
                "end", self.end.isoformat(), "is before the start", "swap the two instants"
            )

    @classmethod
    def of_days(cls, first: date, after: date, zone: str) -> "BillingPeriod":
        """Build the span of the local days from ``first`` up to, but without, ``after``.

        >>> BillingPeriod.of_days(date(2026, 2, 1), date(2026, 3, 1), "Europe/Istanbul").days(
        ...     "Europe/Istanbul"
        ... )
        28
        """
        return cls(start=local_midnight(first, zone), end=local_midnight(after, zone))

    @property
    def is_empty(self) -> bool:
        """Whether the span contains no instant."""
        return self.start == self.end

    @property
    def microseconds(self) -> int:
        """Exact length, an integer number of microseconds."""
        return (self.end - self.start) // timedelta(microseconds=1)

    def contains(self, instant: datetime) -> bool:
        """Return whether ``start <= instant < end``.

        Raises:
            InvalidInput: the instant is naive.
        """
        return self.start <= utc(instant) < self.end

    def covers(self, other: "BillingPeriod") -> bool:
        """Return whether the whole of ``other`` lies within this span."""
        return self.start <= other.start and other.end <= self.end

    def overlap(self, other: "BillingPeriod") -> "BillingPeriod | None":
        """Return the span common to both, or None where they share no instant."""
        start, end = max(self.start, other.start), min(self.end, other.end)
        return BillingPeriod(start=start, end=end) if start < end else None

    def split(self, at: datetime) -> "tuple[BillingPeriod, BillingPeriod]":
        """Cut in two at ``at``: ``[start, at)`` and ``[at, end)``; either may be empty.

        Raises:
            InvalidInput: ``at`` is naive or outside ``[start, end]``.

        >>> day = BillingPeriod.of_days(date(2026, 1, 1), date(2026, 1, 2), "UTC")
        >>> [part.microseconds // 3_600_000_000 for part in day.split(day.start)]
        [0, 24]
        """
        cut = utc(at, field="at")
        if not self.start <= cut <= self.end:
            raise InvalidInput("at", cut.isoformat(), "is outside the period", "pass one inside")
        return BillingPeriod(start=self.start, end=cut), BillingPeriod(start=cut, end=self.end)

    def days(self, zone: str) -> int:
        """Count its local days: the difference of the local dates of end and start.

        Raises:
            InvalidInput: the zone does not exist.
        """
        return days_between(self.start, self.end, zone)

    def first_day(self, zone: str) -> date:
        """Return the local date on which it starts."""
        return self.start.astimezone(check_zone(zone)).date()

    def last_day(self, zone: str) -> date:
        """Return the last local date that it touches; of an empty span, the date it starts on.

        >>> BillingPeriod.of_days(date(2026, 2, 1), date(2026, 3, 1), "UTC").last_day("UTC")
        datetime.date(2026, 2, 28)
        """
        if self.is_empty:
            return self.first_day(zone)
        last = self.end - timedelta(microseconds=1)
        return last.astimezone(check_zone(zone)).date()


# ------------------------------------------------------------------------------------ anchors


def _month_length(year: int, month: int) -> int:
    if month == _FEBRUARY and year % 4 == 0 and (year % 100 or year % 400 == 0):
        return _SHORTEST_MONTH + 1
    return _LENGTHS[month - 1]


@final
@attrs.frozen(kw_only=True)
class BillingAnchor:
    """Fix period bounds by a day and a wall time in a time zone.

    ``day`` is nominal, 1 to 31: in a shorter month the bound falls on its last day, and the
    next one is back on ``day``. So an anchor of the 31st may stand in a month that has none.

    Raises:
        InvalidInput: a part is out of range or the zone does not exist.

    >>> leap = BillingAnchor(year=2024, month=2, day=29, zone="UTC")
    >>> [leap.bound(YEAR, n).date().isoformat() for n in (0, 1, 4)]
    ['2024-02-29', '2025-02-28', '2028-02-29']
    """

    year: int
    month: int
    day: int
    hour: int = 0
    minute: int = 0
    second: int = 0
    microsecond: int = 0
    zone: str

    def __attrs_post_init__(self) -> None:
        check_zone(self.zone)
        if type(self.day) is not int or not 1 <= self.day <= _LONGEST_MONTH:
            raise InvalidInput("day", self.day, "is no day of a month", "pass 1 to 31")
        try:
            datetime(
                self.year,
                self.month,
                1,
                self.hour,
                self.minute,
                self.second,
                self.microsecond,
                tzinfo=UTC,
            )
        except (ValueError, TypeError) as error:
            raise InvalidInput("anchor", self.text, "is no wall time", str(error)) from None

    @classmethod
    def at(cls, instant: datetime, zone: str) -> "BillingAnchor":
        """Anchor on an instant: on its local day and wall time in ``zone``.

        Of a wall time that happens twice, bound zero is the first of the two.

        Raises:
            InvalidInput: the instant is naive or the zone does not exist.

        >>> BillingAnchor.at(datetime(2026, 1, 31, 8, 30, tzinfo=UTC), "Europe/Istanbul").text
        '2026-01-31 11:30:00 Europe/Istanbul'
        """
        local = utc(instant).astimezone(check_zone(zone))
        return cls(
            year=local.year,
            month=local.month,
            day=local.day,
            hour=local.hour,
            minute=local.minute,
            second=local.second,
            microsecond=local.microsecond,
            zone=zone,
        )

    @classmethod
    def on_day(
        cls, day: int, since: datetime, zone: str, *, wall: time = time.min
    ) -> "BillingAnchor":
        """Anchor on the first ``day`` of a month, clipped in short months, at or after ``since``.

        Raises:
            InvalidInput: the day is not 1 to 31, the instant naive, the zone unknown.

        >>> since = datetime(2026, 2, 3, tzinfo=UTC)
        >>> BillingAnchor.on_day(31, since, "UTC").bound(MONTH, 0).date().isoformat()
        '2026-02-28'
        """
        earliest = utc(since, field="since")
        local = earliest.astimezone(check_zone(zone))
        anchor = cls(
            year=local.year,
            month=local.month,
            day=day,
            hour=wall.hour,
            minute=wall.minute,
            second=wall.second,
            microsecond=wall.microsecond,
            zone=zone,
        )
        return anchor if anchor.instant >= earliest else anchor.moved(MONTH, 1)

    @classmethod
    def calendar(cls, interval: BillingInterval, instant: datetime, zone: str) -> "BillingAnchor":
        """Anchor on the local calendar: the bound at or before ``instant``.

        Months start on the first, weeks on Monday, quarters and half-years on the first of
        January and every three or six months after it, years on 1 January, days at midnight.
        Several units (``2 MONTH``) are counted from that bound.

        Raises:
            InvalidInput: the instant is naive or the zone unknown.

        >>> day = datetime(2026, 11, 25, 9, tzinfo=UTC)
        >>> for interval in (WEEK, MONTH, QUARTER, HALF_YEAR, YEAR):
        ...     print(BillingAnchor.calendar(interval, day, "Europe/Istanbul").text)
        2026-11-23 00:00:00 Europe/Istanbul
        2026-11-01 00:00:00 Europe/Istanbul
        2026-10-01 00:00:00 Europe/Istanbul
        2026-07-01 00:00:00 Europe/Istanbul
        2026-01-01 00:00:00 Europe/Istanbul
        """
        today = utc(instant).astimezone(check_zone(zone)).date()
        if interval.days:
            if interval.unit is IntervalUnit.WEEK:
                today -= timedelta(days=today.weekday())
            return cls(year=today.year, month=today.month, day=today.day, zone=zone)
        length = interval.months // interval.count
        return cls(
            year=today.year, month=today.month - (today.month - 1) % length, day=1, zone=zone
        )

    @property
    def text(self) -> str:
        """The nominal day, wall time and zone, for people and for logs."""
        fine = f".{self.microsecond:06d}" if self.microsecond else ""
        return (
            f"{self.year:04d}-{self.month:02d}-{self.day:02d} "
            f"{self.hour:02d}:{self.minute:02d}:{self.second:02d}{fine} {self.zone}"
        )

    @property
    def instant(self) -> datetime:
        """Bound zero, as UTC."""
        return self.bound(MONTH, 0)

    def moved(self, interval: BillingInterval, n: int) -> "BillingAnchor":
        """Return the same grid of ``interval`` anchored ``n`` bounds later; the day is kept.

        >>> BillingAnchor(year=2026, month=1, day=31, zone="UTC").moved(MONTH, 1).text
        '2026-02-31 00:00:00 UTC'
        """
        if interval.months:
            year, month = self._month(n * interval.months)
            return attrs.evolve(self, year=year, month=month)
        day = self._day(n * interval.days)
        return attrs.evolve(self, year=day.year, month=day.month, day=day.day)

    def bound(self, interval: BillingInterval, n: int) -> datetime:
        """Return bound ``n``, the anchor plus ``n`` intervals, as UTC; ``n`` may be negative.

        Raises:
            InvalidInput: ``n`` is not an int or the bound is outside the years 1 to 9999.

        >>> anchor = BillingAnchor(year=2026, month=1, day=31, zone="UTC")
        >>> [anchor.bound(MONTH, n).day for n in (-1, 0, 1, 2, 3)]
        [31, 31, 28, 31, 30]
        """
        if type(n) is not int:
            raise InvalidInput("n", n, "is not an int", "pass the number of intervals")
        months = interval.months
        try:
            if months:
                year, month = divmod(self.year * 12 + self.month - 1 + n * months, 12)
                month += 1
                day = self.day
                if day > _SHORTEST_MONTH:
                    day = min(day, _month_length(year, month))
            else:
                moved = self._day(n * interval.days)
                year, month, day = moved.year, moved.month, moved.day
            zone = check_zone(self.zone)
            hour, minute, second, micro = self.hour, self.minute, self.second, self.microsecond
            return resolve_folds(
                datetime(year, month, day, hour, minute, second, micro, zone),
                datetime(year, month, day, hour, minute, second, micro, zone, fold=1),
            )
        except (ValueError, OverflowError):
            raise InvalidInput("n", n, "leaves the calendar", "stay within 1 to 9999") from None

    def _month(self, months: int) -> tuple[int, int]:
        year, month = divmod(self.year * 12 + self.month - 1 + months, 12)
        return year, month + 1

    def _day(self, days: int) -> date:
        last = _month_length(self.year, self.month)
        first = date(self.year, self.month, min(self.day, last))
        return first + timedelta(days=days)

    def bounds(self, interval: BillingInterval, first: int, count: int) -> tuple[datetime, ...]:
        """Return ``count`` periods' bounds from bound ``first`` on: ``count + 1`` instants.

        Raises:
            InvalidInput: as :meth:`bound`.

        >>> anchor = BillingAnchor(year=2026, month=1, day=31, zone="UTC")
        >>> [bound.day for bound in anchor.bounds(MONTH, 0, 3)]
        [31, 28, 31, 30]
        """
        return tuple([self.bound(interval, n) for n in range(first, first + count + 1)])

    def period(self, interval: BillingInterval, n: int) -> BillingPeriod:
        """Return period ``n``: from bound ``n`` up to, but without, bound ``n + 1``.

        Raises:
            InvalidInput: as :meth:`bound`.

        >>> anchor = BillingAnchor(year=2026, month=1, day=31, zone="UTC")
        >>> anchor.period(MONTH, 1).days("UTC")
        31
        """
        return BillingPeriod(start=self.bound(interval, n), end=self.bound(interval, n + 1))

    def index_containing(self, interval: BillingInterval, instant: datetime) -> int:
        """Return the n of the period that contains ``instant``; negative before the anchor.

        Raises:
            InvalidInput: the instant is naive.

        >>> anchor = BillingAnchor(year=2026, month=1, day=31, zone="UTC")
        >>> anchor.index_containing(MONTH, datetime(2026, 2, 28, tzinfo=UTC))
        1
        """
        at = utc(instant)
        local = at.astimezone(check_zone(self.zone))
        if interval.months:
            apart = (local.year - self.year) * _MONTHS_PER_YEAR + local.month - self.month
            n = apart // interval.months
        else:
            n = (local.toordinal() - self._day(0).toordinal()) // interval.days
        while self.bound(interval, n) > at:
            n -= 1
        while self.bound(interval, n + 1) <= at:
            n += 1
        return n

    def period_containing(self, interval: BillingInterval, instant: datetime) -> BillingPeriod:
        """Return the period with ``start <= instant < end``.

        Raises:
            InvalidInput: the instant is naive.

        >>> anchor = BillingAnchor(year=2026, month=1, day=31, zone="UTC")
        >>> anchor.period_containing(MONTH, datetime(2026, 3, 5, tzinfo=UTC)).start.day
        28
        """
        return self.period(interval, self.index_containing(interval, instant))

    def next_bound(self, interval: BillingInterval, after: datetime) -> datetime:
        """Return the first bound strictly after an instant.

        >>> anchor = BillingAnchor(year=2026, month=1, day=31, zone="UTC")
        >>> anchor.next_bound(MONTH, anchor.instant).date().isoformat()
        '2026-02-28'
        """
        return self.bound(interval, self.index_containing(interval, after) + 1)

    def periods_between(
        self, interval: BillingInterval, start: datetime, end: datetime
    ) -> tuple[BillingPeriod, ...]:
        """Return all periods that share an instant with ``[start, end)``, whole and in order.

        Raises:
            InvalidInput: an instant is naive or the end is before the start.

        >>> anchor = BillingAnchor(year=2026, month=1, day=31, zone="UTC")
        >>> start, end = datetime(2026, 2, 1, tzinfo=UTC), datetime(2026, 4, 1, tzinfo=UTC)
        >>> [period.start.day for period in anchor.periods_between(MONTH, start, end)]
        [31, 28, 31]
        """
        span = BillingPeriod(start=start, end=end)
        if span.is_empty:
            return ()
        n = self.index_containing(interval, span.start)
        bounds = [self.bound(interval, n)]
        while bounds[-1] < span.end:
            n += 1
            bounds.append(self.bound(interval, n))
        return tuple(
            BillingPeriod(start=left, end=right)
            for left, right in itertools.pairwise(bounds)
            if left < right
        )

    def elapsed(self, interval: BillingInterval, since: datetime, until: datetime) -> int:
        """Count the bounds in ``(since, until]``: how many periods have ended by ``until``.

        Zero when ``until`` is not after ``since``.

        >>> anchor = BillingAnchor(year=2024, month=1, day=31, zone="UTC")
        >>> anchor.elapsed(MONTH, anchor.instant, datetime(2024, 2, 29, tzinfo=UTC))
        1
        """
        first, last = utc(since, field="since"), utc(until, field="until")
        if last <= first:
            return 0
        return self.index_containing(interval, last) - self.index_containing(interval, first)
