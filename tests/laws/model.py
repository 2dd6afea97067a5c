"""The books once more, written as plainly as possible: dicts, ints, and a search for who pays.

It shares no code with the library. What both agree on after any sequence of movements is hard to
have got wrong twice in the same way.
"""

from dataclasses import dataclass, field
from datetime import datetime

Row = tuple[int, str, int, int, tuple[tuple[int, int], ...]]
"""Number, unit, amount, balance after, and (lot, units) for each lot that was moved."""


@dataclass
class ModelLot:
    """One credit and what is left of it."""

    number: int
    unit: str
    granted: int
    left: int
    since: datetime
    ends: datetime | None
    kinds: frozenset[str]
    priority: int

    def pays(self, kind: str, at: datetime) -> bool:
        """Tell whether it can pay for something now."""
        over = self.ends is not None and at >= self.ends
        return self.left > 0 and not over and (kind in self.kinds or not self.kinds)

    def before(self, other: "ModelLot") -> bool:
        """Tell whether it burns before another lot."""
        if self.priority != other.priority:
            return self.priority < other.priority
        if self.ends != other.ends:
            if other.ends is None or self.ends is None:
                return other.ends is None
            return self.ends < other.ends
        if self.since != other.since:
            return self.since < other.since
        return self.number < other.number


@dataclass
class Model:
    """All books of one account."""

    lots: dict[int, ModelLot] = field(default_factory=dict)
    posted: dict[str, int] = field(default_factory=dict)
    rows: list[Row] = field(default_factory=list)

    def open(self, unit: str) -> None:
        """Add an empty balance."""
        self.posted.setdefault(unit, 0)

    def _row(self, unit: str, amount: int, moved: list[tuple[int, int]]) -> int:
        for lot, units in moved:
            self.lots[lot].left += units
        self.posted[unit] += amount
        number = len(self.rows) + 1
        self.rows.append((number, unit, amount, self.posted[unit], tuple(moved)))
        return number

    def credit(
        self,
        unit: str,
        units: int,
        at: datetime,
        *,
        ends: datetime | None,
        kinds: frozenset[str],
        priority: int,
    ) -> None:
        """Put money in."""
        number = len(self.rows) + 1
        self.lots[number] = ModelLot(number, unit, units, 0, at, ends, kinds, priority)
        self._row(unit, units, [(number, units)])

    def available(self, unit: str, kind: str, at: datetime) -> int:
        """Say what could be taken."""
        return sum(
            lot.left for lot in self.lots.values() if lot.unit == unit and lot.pays(kind, at)
        )

    def debit(self, unit: str, units: int, kind: str, at: datetime) -> int | None:
        """Take money from whoever is first, again and again; None when there is too little."""
        if self.available(unit, kind, at) < units:
            return None
        taken: dict[int, int] = {}
        while units:
            first: ModelLot | None = None
            for lot in self.lots.values():
                can = lot.unit == unit and lot.number not in taken and lot.pays(kind, at)
                if can and (first is None or lot.before(first)):
                    first = lot
            assert first is not None
            taken[first.number] = min(units, first.left)
            units -= taken[first.number]
        amount = -sum(taken.values())
        return self._row(unit, amount, [(lot, -part) for lot, part in taken.items()])

    def give_back(self, debit: int, units: int, at: datetime) -> int | None:
        """Return part of a debit to its payers, the last one first; None when all is lost."""
        _, unit, _, _, parts = self.rows[debit - 1]
        back: list[tuple[int, int]] = []
        for lot, paid in reversed(parts):
            part = min(units, -paid)
            units -= part
            ends = self.lots[lot].ends
            if part and (ends is None or at < ends):
                back.append((lot, part))
        amount = sum(part for _, part in back)
        return self._row(unit, amount, back) if amount else None

    def expire(self, at: datetime) -> int:
        """Write off what is over, balance by balance in burn order; say how many rows."""
        count = 0
        for unit in self.posted:
            over = [
                lot
                for lot in self.lots.values()
                if lot.unit == unit and lot.left and lot.ends is not None and lot.ends <= at
            ]
            while over:
                first = over[0]
                for lot in over:
                    if lot.before(first):
                        first = lot
                over.remove(first)
                self._row(unit, -first.left, [(first.number, -first.left)])
                count += 1
        return count
