"""Tills: one balance moved by many captures, releases and forced debits, as one change of it.

*Owns* taking and freeing shares of open holds, item by item, exactly as single captures would.
*Does not own* whose share is how large, what an item costs, or whether it may be charged.

A till is a place in a loop, not a value: it works with integers, and gives books when it is done.
An item takes from its own share of its hold first. What the share does not have is a second entry,
taken by force: it has happened already. What it does not need of its share is free again.

>>> from datetime import UTC
>>> from monochat_billing.balance import credit, open_balance
>>> from monochat_billing.entries import EntryKind
>>> from monochat_billing.holds import place_hold
>>> from monochat_billing.money import money
>>> t = datetime(2026, 10, 1, tzinfo=UTC)
>>> books = credit(
...     open_balance(Books("acme"), "USD"), money("5", "USD"), Memo(EntryKind.TOP_UP, t, t)
... ).books
>>> batch = Memo(EntryKind.MESSAGE_FEE, t, t, "campaign")
>>> held = place_hold(books, money("3", "USD"), batch, hold_id="h-1", expires_at=None)
>>> till = Till(held.books, "USD", [held.hold], batch)
>>> entry, excess = till.charge("h-1", 1_000_000, 700_000, reference="m-1")
>>> done = till.done()
>>> balance = done.books.balance("USD")
>>> balance.text(balance.posted), balance.text(balance.held), excess
('4.3', '2', None)
"""

from collections.abc import Iterable
from datetime import datetime
from typing import final

import attrs

from monochat_billing.books import (
    Balance,
    Books,
    break_off,
    cover_debts,
    require_not_closed,
)
from monochat_billing.entries import Entry, Memo
from monochat_billing.errors import InvalidInput
from monochat_billing.holds import Hold, HoldMove
from monochat_billing.lots import DEBT, Lot
from monochat_billing.money import MAX_UNITS

__all__ = ["Till", "TillDone"]


@final
@attrs.frozen
class TillDone:
    """Return the books and the holds that were moved, and everything that was posted, by number."""

    books: Books
    holds: tuple[Hold, ...]
    entries: tuple[Entry, ...]
    freed: bool


class _Held:
    """Work on one open hold."""

    __slots__ = ("before", "captured", "credit", "first", "last", "left", "lots", "units")

    def __init__(self, hold: Hold) -> None:
        self.before = hold
        self.left = hold.left
        self.captured = hold.captured
        self.credit = hold.on_credit
        self.lots = [lot for lot, _ in hold.pins]
        self.units = [units for _, units in hold.pins]
        self.first, self.last = 0, len(self.lots) - 1

    def hold(self, at: datetime) -> Hold:
        """Give the hold as it is now; one with nothing left is resolved."""
        before = self.before
        pins = tuple(
            [(lot, units) for lot, units in zip(self.lots, self.units, strict=True) if units]
        )
        state, resolved_at = before.state, before.resolved_at
        if not self.left:
            move = HoldMove.SETTLE if self.captured else HoldMove.RELEASE
            state, resolved_at = before.require(move), at
        return attrs.evolve(
            before,
            left=self.left,
            captured=self.captured,
            on_credit=self.credit,
            pins=pins,
            state=state,
            resolved_at=resolved_at,
        )


@final
class Till:
    """Charge item after item to one balance, each from its share of a hold and then by force.

    ``holds`` are the open ones that items may have a share of; ``memo`` says as what and when
    everything is posted.

    Raises:
        IllegalTransition: the balance is closed.
        UnknownName: the account has no such balance.
    """

    def __init__(self, books: Books, unit: str, holds: Iterable[Hold], memo: Memo) -> None:
        balance = books.balance(unit)
        require_not_closed(books, balance, "pay")
        self._books = books
        self._before = balance
        self._memo = memo
        self._lots = balance.lots
        self._left = [lot.remaining for lot in balance.lots]
        self._pinned = [lot.pinned for lot in balance.lots]
        self._places = {lot.number: place for place, lot in enumerate(balance.lots)}
        kind, at = memo.kind.pays_for, memo.effective_at
        self._payers = [
            place
            for place, lot in enumerate(balance.lots)
            if lot.accepts(kind) and lot.live(at) and lot.remaining
        ]
        self._posted, self._held = balance.posted, balance.held
        self._debts = list(balance.debts)
        self._number = books.sequence
        self._holds = {one.id: _Held(one) for one in holds if one.open and one.unit == unit}
        self._moved: dict[str, _Held] = {}
        self._entries: list[Entry] = []
        self._freed = False

    def charge(
        self, hold: str, share: int, units: int, *, reference: str, reason: str = ""
    ) -> tuple[Entry | None, Entry | None]:
        """Take ``units`` for one item: from its share of the hold, and what is above it by force.

        Gives both entries, each None where there is none. The rest of the share is freed.

        Raises:
            InvalidInput: the balance would no longer fit 64 bits.
        """
        held = self._holds.get(hold)
        taken, entry = 0, None
        if held is not None and share:
            share = min(share, held.left)
            taken = min(units, share)
            if taken:
                parts = self._capture(held, taken)
                entry = self._post(taken, parts, reference, reason, hold)
            if share > taken:
                self._free(held, share - taken)
            self._moved[hold] = held
        if units == taken:
            return entry, None
        parts = self._burn(units - taken)
        return entry, self._post(units - taken, parts, reference, reason, hold)

    def free(self, hold: str, share: int) -> None:
        """Free an item's share of a hold; nothing where the hold is resolved."""
        held = self._holds.get(hold)
        if held is None or not share:
            return
        self._free(held, min(share, held.left))
        self._moved[hold] = held

    def done(self) -> TillDone:
        """Give the books after all items, with what followed: expired credit, covered debts."""
        if self._number == self._books.sequence and not self._moved:
            return TillDone(self._books, (), (), freed=False)
        memo = self._memo
        books = self._books.with_balance(self._balance(), self._number)
        if self._freed:
            for lot in books.balances[self._before.unit].lots:
                if lot.free and lot.expired(memo.effective_at):
                    gone = break_off(books, lot, memo.effective_at, memo.recorded_at)
                    books = gone.books
                    self._entries.append(gone.entry)
            books, covered = cover_debts(books, self._before.unit, memo)
            self._entries += covered
        holds = tuple([held.hold(memo.effective_at) for held in self._moved.values()])
        return TillDone(books, holds, tuple(self._entries), freed=self._freed)

    def _capture(self, held: _Held, units: int) -> list[tuple[int, int]]:
        missing = units
        parts: list[tuple[int, int]] = []
        while missing and held.first <= held.last:
            taken = min(missing, held.units[held.first])
            if taken:
                lot = held.lots[held.first]
                place = self._places[lot]
                parts.append((lot, -taken))
                held.units[held.first] -= taken
                self._left[place] -= taken
                self._pinned[place] -= taken
                missing -= taken
            if missing:
                held.first += 1
        if missing:
            held.credit -= missing
            parts.append((DEBT, -missing))
            self._debts.append((self._number + 1, missing))
        held.left -= units
        held.captured += units
        self._held -= units
        return parts

    def _free(self, held: _Held, units: int) -> None:
        """Free credit first, then what would have been burned last."""
        self._freed = self._freed or bool(units)
        held.left -= units
        self._held -= units
        credit = min(units, held.credit)
        held.credit -= credit
        missing = units - credit
        while missing:
            freed = min(missing, held.units[held.last])
            held.units[held.last] -= freed
            self._pinned[self._places[held.lots[held.last]]] -= freed
            missing -= freed
            if missing:
                held.last -= 1

    def _burn(self, units: int) -> list[tuple[int, int]]:
        missing = units
        parts: list[tuple[int, int]] = []
        for place in self._payers:
            taken = min(missing, self._left[place] - self._pinned[place])
            if taken:
                parts.append((self._lots[place].number, -taken))
                self._left[place] -= taken
                missing -= taken
                if not missing:
                    return parts
        parts.append((DEBT, -missing))
        self._debts.append((self._number + 1, missing))
        return parts

    def _post(
        self, units: int, parts: list[tuple[int, int]], reference: str, reason: str, hold: str
    ) -> Entry:
        memo, balance = self._memo, self._before
        self._number += 1
        self._posted -= units
        if self._posted < -MAX_UNITS:
            raise InvalidInput(
                "amount", units, "makes the balance larger than 64 bits hold", "charge less"
            )
        entry = Entry(
            self._books.account,
            self._number,
            balance.unit,
            balance.scale,
            -units,
            self._posted,
            memo.kind,
            reason or memo.reason,
            reference,
            memo.actor,
            memo.effective_at,
            memo.recorded_at,
            tuple(parts),
            None,
            hold,
        )
        self._entries.append(entry)
        return entry

    def _balance(self) -> Balance:
        before = self._before
        lots = tuple(
            [
                lot if _same(lot, left, pinned) else lot.left_with(left, pinned)
                for lot, left, pinned in zip(self._lots, self._left, self._pinned, strict=True)
            ]
        )
        return Balance(
            before.unit,
            before.scale,
            self._posted,
            self._held,
            lots,
            before.credit_limit,
            tuple(self._debts),
            before.state,
        )


def _same(lot: Lot, left: int, pinned: int) -> bool:
    return lot.remaining == left and lot.pinned == pinned
