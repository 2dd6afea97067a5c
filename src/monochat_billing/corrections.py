"""Corrections: undo an entry, in whole or in part, or take back the unused rest of a credit.

Owns how much of an entry can still be reversed, which lots get it back or give it up, and voiding.
Does not own the entries: nothing posted is edited, a correction is a new entry that points at what
it corrects.

A reversal of a debit goes back to the lots that paid, the last that paid first: a debt that is
still open is paid off first, then the lots that covered it, then those that paid in the first
place. Where a lot has expired meanwhile, its share comes back and is breakage at once. A reversal
of a credit takes its lot back.
"""

from collections.abc import Iterable, Sequence
from typing import final

import attrs

from monochat_billing import lots as _lots
from monochat_billing.books import (
    Balance,
    Books,
    Posted,
    break_off,
    cover_debts,
    post,
    require_not_closed,
    take_from,
)
from monochat_billing.entries import REVERSIBLE, DebitMode, Entry, EntryKind, Memo
from monochat_billing.errors import CorruptBooks, IllegalTransition, InsufficientFunds, InvalidInput
from monochat_billing.lots import DEBT, Lot
from monochat_billing.units import Amount

__all__ = ["reverse", "reversible", "void"]


def reversible(original: Entry, corrections: Iterable[Entry]) -> int:
    """Give how much of an entry has not been reversed yet, in the smallest unit.

    ``corrections`` are the entries that correct it; credits for unused time count, what covered a
    debt does not.
    """
    undone = sum(one.amount for one in corrections if one.corrects == original.number)
    return abs(original.amount) - abs(undone)


def reverse(
    books: Books,
    original: Entry,
    corrections: Sequence[Entry],
    memo: Memo,
    *,
    amount: Amount | None = None,
    mode: DebitMode = DebitMode.WHOLE,
) -> Posted:
    """Undo ``original``, or ``amount`` of it, never more than is left of it.

    ``corrections`` are all entries that correct it. The balance must contain every lot that
    these entries name, spent ones too. A credit whose lot has been spent is taken back with
    FORCED only: first what its lot still has, then whatever else there is, then below zero; with
    PARTIAL as much as its lot still has.

    Raises:
        IllegalTransition: the entry follows from another, or was reversed in whole, or the
            balance is closed.
        InsufficientFunds: the lot of a credit no longer has that much; nothing has changed.
        InvalidInput: the amount is not above zero, too precise, or more than is left.
        CorruptBooks: the entry and its corrections contradict each other.

    >>> from datetime import UTC, datetime
    >>> from monochat_billing.balance import credit, debit, open_balance
    >>> from monochat_billing.money import money
    >>> t = datetime(2026, 10, 1, tzinfo=UTC)
    >>> books = open_balance(Books("acme"), "TRY")
    >>> books = credit(books, money("250", "TRY"), Memo(EntryKind.TOP_UP, t, t)).books
    >>> paid = debit(books, money("12.50", "TRY"), Memo(EntryKind.CHARGE, t, t, "export"))
    >>> undo = Memo(EntryKind.REVERSAL, t, t, "export failed")
    >>> print(reverse(paid.books, paid.entry, [], undo, amount=money("5", "TRY")).entry)
    #3 2026-10-01 00:00Z REVERSAL +5 TRY → 242.5 export failed
    """
    balance = books.balance(original.unit)
    if original.kind not in REVERSIBLE:
        raise IllegalTransition("entry", str(original.number), original.kind, "be reversed")
    require_not_closed(books, balance, "reverse an entry")
    left = reversible(original, corrections)
    if not left:
        raise IllegalTransition("entry", str(original.number), "REVERSED", "be reversed again")
    units = left if amount is None else balance.units(amount)
    if units > left:
        raise InvalidInput(
            "amount",
            balance.text(units),
            f"is more than the {balance.text(left)} that is left of entry {original.number}",
            "pass at most that",
        )
    memo = memo.of(EntryKind.REVERSAL)
    if original.amount < 0:
        return _give(books, original, corrections, units, memo)
    return _take_back(books, original, units, memo, mode)


@final
@attrs.frozen
class _Payer:
    """Say what one lot paid and has not got back; ``number`` DEBT is what is still owed."""

    number: int
    units: int


def _payers(balance: Balance, original: Entry, corrections: Sequence[Entry]) -> list[_Payer]:
    """List who bears a debit now, in the order in which they came to pay for it."""
    mine = [one for one in corrections if one.corrects == original.number]
    borne = [(lot, -units) for lot, units in original.parts if lot != DEBT and units < 0]
    for cover in mine:
        if cover.kind is EntryKind.COVERAGE:
            borne += [(lot, -units) for lot, units in cover.parts if units < 0]
    returned: dict[int, int] = {}
    for one in mine:
        if one.kind is EntryKind.COVERAGE:
            continue
        for lot, units in one.parts:
            returned[lot] = returned.get(lot, 0) + units
    payers: list[_Payer] = []
    for lot, units in reversed(borne):
        back = min(units, returned.get(lot, 0))
        returned[lot] = returned.get(lot, 0) - back
        if units > back:
            payers.insert(0, _Payer(lot, units - back))
    owed = dict(balance.debts).get(original.number, 0)
    if owed:
        payers.append(_Payer(DEBT, owed))
    return payers


def _give(
    books: Books, original: Entry, corrections: Sequence[Entry], units: int, memo: Memo
) -> Posted:
    balance = books.balance(original.unit)
    by_number = {lot.number: lot for lot in balance.lots}
    lots, debts = balance.lots, balance.debts
    parts: list[tuple[int, int]] = []
    missing = units
    for payer in reversed(_payers(balance, original, corrections)):
        back = min(missing, payer.units)
        if not back:
            break
        missing -= back
        parts.append((payer.number, back))
        if payer.number == DEBT:
            debts = _paid_off(debts, original.number, back)
            continue
        lot = by_number[payer.number]
        by_number[payer.number] = lot.left_with(lot.remaining + back)
        lots = _lots.insert(lots, by_number[payer.number])
    if missing:
        raise CorruptBooks("reverse", f"entry {original.number} says more than its lots")
    done = post(
        books,
        balance,
        units,
        memo,
        lots,
        parts=tuple(parts),
        debts=debts,
        corrects=original.number,
    )
    books = done.books
    more: list[Entry] = []
    for number in dict(parts):
        back_in = by_number.get(number)
        if back_in is not None and back_in.expired(memo.effective_at) and back_in.free:
            gone = break_off(books, back_in, memo.effective_at, memo.recorded_at)
            books = gone.books
            more.append(gone.entry)
    books, covered = cover_debts(books, balance.unit, memo)
    return Posted(books, done.entry, done.shares, (*more, *covered))


def _paid_off(
    debts: tuple[tuple[int, int], ...], number: int, units: int
) -> tuple[tuple[int, int], ...]:
    return tuple(
        (entry, owed - units if entry == number else owed)
        for entry, owed in debts
        if entry != number or owed > units
    )


def _take_back(books: Books, original: Entry, units: int, memo: Memo, mode: DebitMode) -> Posted:
    """Take a credit back from its own lot, and from others only by force."""
    balance = books.balance(original.unit)
    number = original.number
    lot = next(one for one in balance.lots if one.number == number)
    own = min(units, lot.free)
    if own < units and mode is not DebitMode.FORCED:
        if mode is DebitMode.WHOLE or not own:
            raise InsufficientFunds(
                books.account,
                balance.unit,
                balance.text(units),
                balance.text(own),
                balance.text(units - own),
                "reverse what is left of it, or all of it by force",
            )
        units = own
    return take_from(books, balance, lot, units, memo, corrects=number)


def void(books: Books, lot: Lot, memo: Memo) -> Posted:
    """Take away what is free in a lot: a promotion that ends, a pack that is withdrawn.

    What an open hold has pinned stays, and so does what was spent.

    Raises:
        IllegalTransition: nothing of the lot is free.
    """
    if not lot.free:
        state = "PINNED" if lot.remaining else "SPENT"
        raise IllegalTransition("lot", str(lot.number), state, "be voided")
    balance = books.balance(lot.unit)
    after = _lots.insert(balance.lots, lot.left_with(lot.pinned))
    return post(
        books,
        balance,
        -lot.free,
        memo.of(EntryKind.VOID),
        after,
        parts=((lot.number, -lot.free),),
        corrects=lot.number,
    )
