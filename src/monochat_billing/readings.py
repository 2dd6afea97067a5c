"""Readings: which entries of a balance count at an instant, and in which order.

*Owns* the two readings of the books, the window of entries that a question is about, and sums over
it.
*Does not own* entries (:mod:`monochat_billing.balance`) or where they are kept: a storage answers
three questions about them, :class:`EntrySource`, and nothing above needs more.

There are two readings, and they differ because a fact may be written down after it became true (a
renewal that nobody ran in time is effective when it was due and recorded when it was applied):

* ``AS_RECORDED``: what the books said then. An entry counts from ``recorded_at``; what is due and
  not yet applied does not count.
* ``AS_EFFECTIVE``: what was true then. An entry counts from ``effective_at``, whenever it was
  written; what is due up to now counts, written or not.

In either, entries of one instant come in the order of their numbers. Spans are half-open
``[since, until)``; a balance *at* an instant includes everything of that instant.
"""

import enum
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from heapq import merge
from itertools import islice
from typing import Final, Protocol, final

import attrs

from monochat_billing.balance import Entry, EntryKind
from monochat_billing.errors import InvalidInput
from monochat_billing.instants import check_zone, local_midnight, utc
from monochat_billing.lots import Lot, LotOrigin
from monochat_billing.money import MAX_UNITS

__all__ = [
    "EntrySource",
    "Movement",
    "Place",
    "Reading",
    "Window",
    "balance_at",
    "months",
    "movements",
    "pick",
    "sum_upto",
    "with_due",
]

_FIRST: Final = datetime.min.replace(tzinfo=UTC)
_LAST: Final = datetime.max.replace(tzinfo=UTC)
_DECEMBER: Final = 12
_MOST_MONTHS: Final = 1200


@final
@attrs.frozen(order=True)
class Place:
    """Say where an entry stands in a reading: its instant there, then its number."""

    at: datetime
    number: int

    @classmethod
    def after(cls, instant: datetime) -> "Place":
        """Give the place behind every entry of ``instant``."""
        return cls(instant, MAX_UNITS)


class Reading(enum.StrEnum):
    """Name which instant of an entry counts.

    >>> print(Reading.AS_EFFECTIVE)
    AS_EFFECTIVE
    """

    AS_RECORDED = "AS_RECORDED"
    """What the books said then: by ``recorded_at``, which never falls as numbers rise."""
    AS_EFFECTIVE = "AS_EFFECTIVE"
    """What was true then: by ``effective_at``, whenever the entry was written."""

    def place(self, entry: Entry) -> Place:
        """Give the place of an entry in this reading."""
        recorded = self is Reading.AS_RECORDED
        return Place(entry.recorded_at if recorded else entry.effective_at, entry.number)


@final
@attrs.frozen(kw_only=True)
class Window:
    """Name the entries that a statement is about.

    They are those of one ``unit`` of one account whose instant in ``reading`` lies in
    ``[since, until)`` (None for no bound) and whose number is at most ``through``, so that what is
    posted meanwhile stays out.
    """

    account: str
    unit: str
    reading: Reading = Reading.AS_EFFECTIVE
    since: datetime | None = None
    until: datetime | None = None
    through: int = MAX_UNITS

    @property
    def start(self) -> Place:
        """Give the place right before the window's first entry."""
        return Place(self.since or _FIRST, 0)

    @property
    def end(self) -> Place:
        """Give the place that no entry of the window reaches."""
        return Place(self.until or _LAST, 0)

    def counts(self, entry: Entry) -> bool:
        """Tell whether an entry is of this unit and not posted later than the window sees."""
        return entry.unit == self.unit and entry.number <= self.through

    @classmethod
    def between(
        cls,
        account: str,
        unit: str,
        reading: Reading,
        since: datetime | None,
        until: datetime | None,
    ) -> "Window":
        """Check what a caller asks for.

        Raises:
            InvalidInput: an instant is naive, ``until`` is not after ``since``, or the reading is
                none.
        """
        if not isinstance(reading, Reading):
            raise InvalidInput(
                "reading", reading, "is no reading", "pass Reading.AS_EFFECTIVE or AS_RECORDED"
            )
        first = None if since is None else utc(since, field="since")
        last = None if until is None else utc(until, field="until")
        if first is not None and last is not None and last <= first:
            raise InvalidInput(
                "until", last.isoformat(), "is not after since", "pass a later instant"
            )
        return cls(account=account, unit=unit, reading=reading, since=first, until=last)


@final
@attrs.frozen
class Movement:
    """Sum what entries of one kind did to one lot: ``credited >= 0``, ``debited <= 0``, in units.

    ``lot`` is the lot's number. ``origin`` is None where that number stands for no lot.
    ``source`` is what made the lot, for example a top-up's id.
    """

    kind: EntryKind
    lot: int
    origin: LotOrigin | None
    source: str
    credited: int
    debited: int


class EntrySource(Protocol):
    """Answer what statements ask about stored entries.

    Every answer costs the entries that it returns, an indexed lookup, and, as effective, those
    entries that were recorded at another instant than they are effective: there are a few for each
    renewal, not one for each message.
    """

    def statement_entries(self, window: Window, after: Place, limit: int) -> Sequence[Entry]:
        """Give up to ``limit`` entries of the window that stand behind ``after``, in order."""
        ...

    def balance_upto(self, window: Window, place: Place) -> int:
        """Sum the window's unit up to and including ``place``, however early, in its units."""
        ...

    def movements(self, window: Window) -> Sequence[Movement]:
        """Sum the whole window by kind and lot, in any order."""
        ...


# --------------------------------------------------------------------------------- from entries


def pick(
    entries: Iterable[Entry], window: Window, after: Place, limit: int | None = None
) -> tuple[Entry, ...]:
    """Find the entries of a window that stand behind ``after``, in the order of its reading."""
    place = window.reading.place
    found = [one for one in entries if window.counts(one) and after < place(one) < window.end]
    return tuple(sorted(found, key=place)[:limit])


def sum_upto(entries: Iterable[Entry], window: Window, place: Place) -> int:
    """Sum the amounts of the window's unit up to and including ``place``, in its units."""
    where = window.reading.place
    return sum(one.amount for one in entries if window.counts(one) and where(one) <= place)


def balance_at(entries: Iterable[Entry], unit: str, at: datetime, reading: Reading) -> int:
    """Replay entries of one account: what was there after everything that happened at ``at``.

    Raises:
        InvalidInput: the instant is naive.

    >>> balance_at([], "TRY", datetime(2026, 10, 1, tzinfo=UTC), Reading.AS_RECORDED)
    0
    """
    window = Window(account="", unit=unit, reading=reading)
    return sum_upto(entries, window, Place.after(utc(at, field="at")))


def movements(
    entries: Iterable[Entry], window: Window, lots: Mapping[int, Lot]
) -> tuple[Movement, ...]:
    """Sum the entries of a window by kind and lot; ``lots`` say where the lots came from."""
    sums: dict[tuple[EntryKind, int], list[int]] = {}
    for entry in pick(entries, window, window.start):
        for number, units in entry.parts:
            sums.setdefault((entry.kind, number), [0, 0])[units < 0] += units
    return tuple(
        Movement(kind, number, lots[number].origin, lots[number].source, credited, debited)
        if number in lots
        else Movement(kind, number, None, "", credited, debited)
        for (kind, number), (credited, debited) in sums.items()
    )


def with_due(stored: EntrySource, due: Sequence[Entry], lots: Mapping[int, Lot]) -> EntrySource:
    """Answer for stored entries together with some that are due and not written yet.

    ``due`` are numbered after the stored ones; ``lots`` are those that they move.
    """
    return _WithDue(stored, tuple(due), lots) if due else stored


@final
@attrs.frozen
class _WithDue:
    """Join two sources: what is stored, and a handful that is about to be."""

    _stored: EntrySource
    _due: tuple[Entry, ...]
    _lots: Mapping[int, Lot]

    def statement_entries(self, window: Window, after: Place, limit: int) -> Sequence[Entry]:
        stored = self._stored.statement_entries(window, after, limit)
        due = pick(self._due, window, after, limit)
        return tuple(islice(merge(stored, due, key=window.reading.place), limit))

    def balance_upto(self, window: Window, place: Place) -> int:
        return self._stored.balance_upto(window, place) + sum_upto(self._due, window, place)

    def movements(self, window: Window) -> Sequence[Movement]:
        return (*self._stored.movements(window), *movements(self._due, window, self._lots))


# --------------------------------------------------------------------------------------- months


def months(
    window: Window, zone: str, first: datetime, last: datetime
) -> Iterator[tuple[str, Window]]:
    """Cut a window at the local midnights that begin a month.

    ``first`` and ``last`` are the instants of the window that decide which months there are where
    it is not bounded; the first month reaches back to ``since`` and the last on to ``until``. Each
    comes with its name, such as ``2026-10``.

    Raises:
        InvalidInput: there are more than 1200 months.

    >>> span = Window(account="acme", unit="TRY")
    >>> ends = datetime(2026, 9, 30, tzinfo=UTC), datetime(2026, 10, 31, 22, tzinfo=UTC)
    >>> [name for name, _ in months(span, "Europe/Istanbul", *ends)]
    ['2026-09', '2026-10', '2026-11']
    """
    place = check_zone(zone)
    day, end = first.astimezone(place), last.astimezone(place)
    count = (end.year - day.year) * _DECEMBER + end.month - day.month + 1
    if count > _MOST_MONTHS:
        raise InvalidInput(
            "since", first.isoformat(), "is too long before until", "ask for up to 1200 months"
        )
    since, begins = window.since, date(day.year, day.month, 1)
    for left in range(count - 1, -1, -1):
        name = f"{begins:%Y-%m}"
        begins = date(begins.year + begins.month // _DECEMBER, begins.month % _DECEMBER + 1, 1)
        until = local_midnight(begins, zone) if left else window.until
        yield name, attrs.evolve(window, since=since, until=until)
        since = until
