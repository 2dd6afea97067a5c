"""Checkpoints: what entries that were archived leave behind, so that the books go on from it.

*Owns* what is kept of a prefix of an account's entries: their sums, debts, instants and digest.
*Does not own* which entries are archived, or where they go: that is a storage's.

An archive takes the entries from 1 to some number. What lies behind it reads as before, with an
opening balance from the checkpoint; what lies in it is refused by name and never guessed.
"""

import hashlib
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final, Protocol, final, runtime_checkable

import attrs

from monochat_billing.entries import Entry, EntryKind
from monochat_billing.errors import InvalidInput, UnknownName
from monochat_billing.lots import DEBT, Lot
from monochat_billing.readings import Movement, Window

__all__ = ["ArchiveReader", "Checkpoint", "Moved", "Tally", "chained", "checkpoint_of", "debtor_of"]

_TICK: Final = timedelta(microseconds=1)
_REMEDY: Final = "ask from then on, or restore the archive"


@final
@attrs.frozen
class Moved:
    """Sum what archived entries of one kind did to one lot: ``credited >= 0``, ``debited <= 0``."""

    unit: str
    kind: EntryKind
    lot: int
    credited: int
    debited: int


@final
@attrs.frozen(kw_only=True)
class Checkpoint:
    """Say how the books stood after the last entry that was archived.

    ``entries`` is its number, ``ordinal`` counts the account's archives from 1. ``recorded_at`` is
    when it was recorded, ``ended_at`` the latest instant at which any archived entry was recorded
    or effective. ``moved`` sums the archived entries by unit, kind and lot, ``granted`` says what
    they granted as ``(lot, units)``, ``debts`` what they left owed as ``(unit, entry, units)``,
    ``lasts`` which number was the last of each unit. Amounts are in the balances' smallest units.
    ``digest`` chains all of them, see :func:`chained`.

    >>> from datetime import UTC
    >>> noon = datetime(2026, 1, 5, 12, tzinfo=UTC)
    >>> mark = Checkpoint(account="acme", ordinal=1, entries=7, recorded_at=noon, ended_at=noon)
    >>> mark.require(noon, "since")
    Traceback (most recent call last):
    monochat_billing.errors.InvalidInput: since: '2026-01-05T12:00:00+00:00' lies in what was ...
    """

    account: str
    ordinal: int
    entries: int
    recorded_at: datetime
    ended_at: datetime
    moved: tuple[Moved, ...] = ()
    granted: tuple[tuple[int, int], ...] = ()
    debts: tuple[tuple[str, int, int], ...] = ()
    lasts: tuple[tuple[str, int], ...] = ()
    digest: str = ""

    def __str__(self) -> str:
        return f"{self.account}: entries 1 to {self.entries}, until {self.ended_at:%Y-%m-%d %H:%M}Z"

    @property
    def since(self) -> datetime:
        """Give the first instant from which every entry is here, in either reading."""
        return self.ended_at + _TICK

    def posted(self, unit: str) -> int:
        """Sum the archived entries of a unit, in its smallest unit."""
        return sum(one.credited + one.debited for one in self.moved if one.unit == unit)

    def last(self, unit: str) -> int:
        """Give the number of the last archived entry of a unit; 0 for none."""
        return dict(self.lasts).get(unit, 0)

    def require(self, at: datetime, field: str) -> None:
        """Refuse an instant at which archived entries may count.

        Raises:
            InvalidInput: it is before :attr:`since`.
        """
        if at < self.since:
            raise self.refused(field, at.isoformat())

    def refused(self, field: str, value: object) -> InvalidInput:
        """Say that something lies in the archive, since when entries are here, and what to do."""
        return InvalidInput(field, value, *self._words)

    def unknown(self, field: str, number: int) -> UnknownName:
        """Say that an entry was archived, since when entries are here, and what to do."""
        return UnknownName(field, number, *self._words)

    @property
    def _words(self) -> tuple[str, str]:
        return (
            f"lies in what was archived: entries 1 to {self.entries} of {self.account!r} are no "
            f"longer here, all are since {self.since.isoformat()}"
        ), _REMEDY

    def window(self, window: Window) -> Window:
        """Let a window that is not bounded begin where entries are here.

        Raises:
            InvalidInput: the window reaches into what was archived.
        """
        if window.since is not None:
            self.require(window.since, "since")
            return window
        if window.until is not None and window.until <= self.since:
            raise self.refused("until", window.until.isoformat())
        return attrs.evolve(window, since=self.since)

    def movements(self, unit: str, lots: Mapping[int, Lot]) -> tuple[Movement, ...]:
        """Give what archived entries moved in a unit; ``lots`` say where the lots came from."""
        return tuple(
            Movement(
                one.kind,
                one.lot,
                lots[one.lot].origin if one.lot in lots else None,
                lots[one.lot].source if one.lot in lots else "",
                one.credited,
                one.debited,
            )
            for one in self.moved
            if one.unit == unit
        )


def chained(digest: str, line: str) -> str:
    """Give the digest of entries up to one that is written as ``line``.

    It is SHA-256 of the digest so far and the line, so it does not matter how many archives the
    entries came into.

    >>> chained(chained("", "[1]"), "[2]") == chained(chained("", "[2]"), "[1]")
    False
    """
    return hashlib.sha256(f"{digest}\n{line}".encode()).hexdigest()


class Tally:
    """Sum entries, one after the other, into what a checkpoint keeps of them."""

    def __init__(self, account: str, begin: Checkpoint | None = None) -> None:
        self._account = account
        self._ordinal = begin.ordinal if begin else 0
        self._entries = begin.entries if begin else 0
        self._recorded_at = begin.recorded_at if begin else None
        self._ended_at = begin.ended_at if begin else None
        self._moved = {
            (one.unit, one.kind, one.lot): [one.credited, one.debited]
            for one in (begin.moved if begin else ())
        }
        self._granted = dict(begin.granted if begin else ())
        self._debts = {
            (unit, entry): units for unit, entry, units in (begin.debts if begin else ())
        }
        self._lasts = dict(begin.lasts if begin else ())
        self.digest: str = begin.digest if begin else ""

    def take(self, entry: Entry, line: str) -> None:
        """Add an entry, and ``line``, as which the archive writes it, to the digest."""
        self.digest = chained(self.digest, line)
        self._entries = entry.number
        self._recorded_at = entry.recorded_at
        latest = max(entry.recorded_at, entry.effective_at)
        self._ended_at = latest if self._ended_at is None else max(self._ended_at, latest)
        self._lasts[entry.unit] = entry.number
        for number, units in entry.parts:
            self._moved.setdefault((entry.unit, entry.kind, number), [0, 0])[units < 0] += units
            if number == entry.number and units > 0:
                self._granted[number] = units
            if number == DEBT:
                owed = (entry.unit, debtor_of(entry, units))
                self._debts[owed] = self._debts.get(owed, 0) - units

    def checkpoint(self) -> Checkpoint | None:
        """Give the checkpoint behind the last entry taken; None where there never was one."""
        if self._recorded_at is None or self._ended_at is None:
            return None
        return Checkpoint(
            account=self._account,
            ordinal=self._ordinal + 1,
            entries=self._entries,
            recorded_at=self._recorded_at,
            ended_at=self._ended_at,
            moved=tuple(Moved(*key, *sums) for key, sums in sorted(self._moved.items())),
            granted=tuple(sorted(self._granted.items())),
            debts=tuple((*key, units) for key, units in sorted(self._debts.items()) if units),
            lasts=tuple(sorted(self._lasts.items())),
            digest=self.digest,
        )


def debtor_of(entry: Entry, units: int) -> int:
    """Name the entry whose debt a part of this one is: what it took, or pays off of another's."""
    return entry.number if units < 0 else entry.corrects or entry.number


@runtime_checkable
class ArchiveReader(Protocol):
    """Tell what was archived; the optional part of the storage protocols.

    A storage without it archives nothing.
    """

    def checkpoint(self, account: str) -> Checkpoint | None:
        """Give what the account's archives left behind, from the same view as everything else."""
        ...


def checkpoint_of(reader: object, account: str) -> Checkpoint | None:
    """Give what an account's archives left behind; None where a storage archives nothing."""
    return reader.checkpoint(account) if isinstance(reader, ArchiveReader) else None
