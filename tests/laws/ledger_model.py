"""Balances once more, with holds, debts and reversals, as plainly as it can be written.

It shares no code with the library and keeps nothing that can be counted: what is pinned is counted
from the holds, what is owed from who bears each debit, what is posted from the rows.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

DEBT = 0
Parts = list[tuple[int, int]]


class RefusedError(Exception):
    """Say that a request cannot be met; nothing has changed."""


@dataclass
class ModelLot:
    """One credit and what is left of it."""

    number: int
    left: int
    since: datetime
    start: datetime
    end: datetime | None
    kinds: frozenset[str]
    priority: int

    def rank(self) -> tuple[object, ...]:
        """Say when it burns."""
        return (self.priority, self.end is None, self.end or 0, self.since, self.number)


@dataclass
class ModelHold:
    """What is set aside: from which lots, and on credit."""

    kind: str
    pins: Parts
    credit: int
    end: datetime | None
    state: str = "OPEN"

    @property
    def left(self) -> int:
        return sum(units for _, units in self.pins) + self.credit


@dataclass
class Row:
    """One entry: what it is, what it moved, and who bears it now if it is a debit."""

    unit: str
    kind: str
    parts: Parts
    corrects: int | None = None
    bearers: Parts = field(default_factory=list)
    undone: int = 0

    @property
    def amount(self) -> int:
        return sum(units for _, units in self.parts)


@dataclass
class LedgerModel:
    """All of one balance; the rows are its account's."""

    unit: str
    rows: list[Row]
    lots: dict[int, ModelLot] = field(default_factory=dict)
    holds: dict[str, ModelHold] = field(default_factory=dict)
    limit: int = 0
    frozen: bool = False

    # what can be counted

    def posted(self) -> int:
        return sum(row.amount for row in self.rows if row.unit == self.unit)

    def debts(self) -> Parts:
        owed = [
            (number, sum(units for who, units in row.bearers if who == DEBT))
            for number, row in enumerate(self.rows, 1)
            if row.unit == self.unit
        ]
        return [one for one in owed if one[1]]

    def pinned(self, lot: int) -> int:
        return sum(u for hold in self.holds.values() for number, u in hold.pins if number == lot)

    def held(self) -> int:
        return sum(hold.left for hold in self.holds.values())

    def free(self, lot: ModelLot) -> int:
        return lot.left - self.pinned(lot.number)

    def payers(self, kind: str, at: datetime) -> list[ModelLot]:
        return [
            lot
            for lot in sorted(self.lots.values(), key=ModelLot.rank)
            if self.free(lot) > 0
            and lot.start <= at
            and (lot.end is None or at < lot.end)
            and (not lot.kinds or kind in lot.kinds)
        ]

    def available(self, kind: str, at: datetime) -> int:
        if self.frozen:
            return 0
        on_credit = sum(hold.credit for hold in self.holds.values())
        owed = sum(units for _, units in self.debts())
        return sum(map(self.free, self.payers(kind, at))) + self.limit - owed - on_credit

    # what is done

    def _write(self, row: Row) -> int:
        for number, units in row.parts:
            if number != DEBT:
                self.lots[number].left += units
        self.rows.append(row)
        return len(self.rows)

    def _from_lots(self, units: int, kind: str, at: datetime) -> Parts:
        """Choose who pays: lots in their order, then nobody."""
        chosen: Parts = []
        for lot in self.payers(kind, at):
            part = min(units, self.free(lot))
            if part:
                chosen.append((lot.number, part))
                units -= part
        return [*chosen, (DEBT, units)] if units else chosen

    def _pay(self, row_kind: str, chosen: Parts, corrects: int | None = None) -> int:
        parts = [(who, -units) for who, units in chosen]
        return self._write(Row(self.unit, row_kind, parts, corrects, list(chosen)))

    def cover(self, at: datetime) -> None:
        for debtor, owed in self.debts():
            left = owed
            usable: Parts = []
            for lot in [one for one in self.payers("OTHER", at) if not one.kinds]:
                part = min(left, self.free(lot))
                if part:
                    usable.append((lot.number, part))
                    left -= part
            if not usable:
                return
            covered = owed - left
            parts = [(lot, -units) for lot, units in usable]
            self._write(Row(self.unit, "COVERAGE", [*parts, (DEBT, covered)], debtor))
            bearers = [one for one in self.rows[debtor - 1].bearers if one[0] != DEBT]
            rest = [(DEBT, left)] if left else []
            self.rows[debtor - 1].bearers = [*bearers, *usable, *rest]

    def sweep(self, at: datetime) -> None:
        for lot in sorted(self.lots.values(), key=ModelLot.rank):
            if lot.end is not None and lot.end <= at and self.free(lot) > 0:
                self._pay("BREAKAGE", [(lot.number, self.free(lot))])

    def credit(self, kind: str, units: int, at: datetime, lot: ModelLot) -> int:
        lot.number, lot.left = len(self.rows) + 1, 0
        self.lots[lot.number] = lot
        number = self._write(Row(self.unit, kind, [(lot.number, units)]))
        self.cover(at)
        return number

    def debit(self, row: str, units: int, kind: str, at: datetime, mode: str = "WHOLE") -> int:
        if mode != "FORCED":
            there = self.available(kind, at)
            if units > there and (mode == "WHOLE" or there <= 0):
                raise RefusedError
            units = min(units, there)
        return self._pay(row, self._from_lots(units, kind, at))

    def place(self, name: str, units: int, kind: str, at: datetime, end: datetime | None) -> None:
        self.holds[name] = ModelHold(kind, [], 0, end)
        try:
            self.extend(name, units, at, end)
        except RefusedError:
            del self.holds[name]
            raise

    def extend(self, name: str, units: int, at: datetime, end: datetime | None) -> None:
        hold = self.holds[name]
        if hold.state != "OPEN" or (units and units > self.available(hold.kind, at)):
            raise RefusedError
        pins = dict(hold.pins)
        for who, part in self._from_lots(units, hold.kind, at) if units else []:
            if who == DEBT:
                hold.credit += part
            else:
                pins[who] = pins.get(who, 0) + part
        hold.pins = list(pins.items())
        hold.end = end or hold.end

    def capture(self, name: str, units: int | None, row: str, at: datetime, rest: str) -> None:
        hold = self.holds[name]
        if hold.state != "OPEN":
            raise RefusedError
        units = hold.left if units is None else units
        chosen: Parts = []
        missing = min(units, hold.left)
        excess = units - missing
        pins: Parts = []
        for lot, pinned in hold.pins:
            part = min(missing, pinned)
            missing -= part
            if part:
                chosen.append((lot, part))
            if pinned > part:
                pins.append((lot, pinned - part))
        hold.pins, hold.credit = pins, hold.credit - missing
        self._pay(row, [*chosen, (DEBT, missing)] if missing else chosen)
        if excess:
            self._pay(row, self._from_lots(excess, hold.kind, at))
        if not hold.left or rest == "RELEASE":
            hold.state, hold.pins, hold.credit = "CAPTURED", [], 0
        self.sweep(at)
        self.cover(at)

    def release(self, name: str, at: datetime, state: str = "RELEASED") -> None:
        hold = self.holds[name]
        if hold.state != "OPEN":
            raise RefusedError
        hold.state, hold.pins, hold.credit = state, [], 0
        self.sweep(at)
        self.cover(at)

    def reverse(self, number: int, units: int | None, at: datetime, mode: str) -> int:
        row = self.rows[number - 1]
        left = abs(row.amount) - row.undone
        if row.kind not in ("CHARGE", "MESSAGE_FEE", "GRANT", "ADJUSTMENT") or not left:
            raise RefusedError
        units = left if units is None else units
        if units > left:
            raise RefusedError
        if row.amount > 0:
            return self._take_back(number, units, at, mode)
        row.undone += units
        parts: Parts = []
        while units:
            who, borne = row.bearers.pop()
            part = min(units, borne)
            units -= part
            parts.append((who, part))
            if borne > part:
                row.bearers.append((who, borne - part))
        done = self._write(Row(self.unit, "REVERSAL", parts, number))
        for who in dict(parts):
            lot = self.lots.get(who)
            if lot is not None and lot.end is not None and lot.end <= at and self.free(lot):
                self._pay("BREAKAGE", [(who, self.free(lot))])
        self.cover(at)
        return done

    def _take_back(self, number: int, units: int, at: datetime, mode: str) -> int:
        own = min(units, self.free(self.lots[number]))
        if own < units and (mode == "WHOLE" or (mode == "PARTIAL" and not own)):
            raise RefusedError
        rest = units - own if mode == "FORCED" else 0
        chosen: Parts = [(number, own)] if own else []
        self.lots[number].left -= own
        chosen += self._from_lots(rest, "OTHER", at) if rest else []
        self.lots[number].left += own
        self.rows[number - 1].undone += own + rest
        return self._pay("REVERSAL", chosen, number)

    def void(self, number: int) -> int:
        free = self.free(self.lots[number])
        if not free:
            raise RefusedError
        self.rows[number - 1].undone += free
        return self._pay("VOID", [(number, free)], number)

    def transfer(self, units: int, rate: int, to: "LedgerModel", at: datetime) -> None:
        """Move what lots have to another balance, at a whole rate, lot by lot."""
        if units > min(self.available("OTHER", at), sum(map(self.free, self.payers("OTHER", at)))):
            raise RefusedError
        chosen = self._from_lots(units, "OTHER", at)
        self._pay("TRANSFER", chosen)
        for who, part in chosen:
            old = self.lots[who]
            to.credit(
                "TRANSFER",
                part * rate,
                at,
                ModelLot(0, 0, at, at, old.end, old.kinds, old.priority),
            )


def pass_time(models: Iterable[LedgerModel], before: datetime, now: datetime) -> None:
    """Let everything happen that is due after ``before``, up to ``now``."""
    every = list(models)
    moments: set[datetime] = set()
    for model in every:
        opened = [hold for hold in model.holds.values() if hold.state == "OPEN"]
        moments |= {hold.end for hold in opened if hold.end}
        moments |= {lot.end for lot in model.lots.values() if lot.end}
        moments |= {lot.start for lot in model.lots.values()}
    for at in sorted(one for one in moments if before < one <= now):
        for model in every:
            for name, hold in model.holds.items():
                if hold.state == "OPEN" and hold.end == at:
                    model.release(name, at, "EXPIRED")
        for model in every:
            model.sweep(at)
        for model in every:
            model.cover(at)
