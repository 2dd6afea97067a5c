"""Standing: whether a balance is in use, and how far below zero it may go.

Owns freezing, closing and reopening a balance, what becomes of its remainder, and its credit limit.
Does not own the state table, which is the balance's own (:mod:`monochat_billing.books`).
"""

from typing import final

import attrs

from monochat_billing.books import (
    Balance,
    BalanceMove,
    BalanceState,
    Books,
    post,
    short_of,
)
from monochat_billing.entries import Entry, EntryKind, Memo
from monochat_billing.errors import IllegalTransition, InvalidInput
from monochat_billing.lots import Lot, LotOrigin
from monochat_billing.money import MAX_UNITS
from monochat_billing.units import Amount, count_of

__all__ = ["Closed", "close_balance", "move_balance", "set_credit_limit"]


@final
@attrs.frozen
class Closed:
    """Return the books after a balance was closed.

    ``refunds`` are the entries that took out what was paid and has to go back to who paid it,
    one for each lot, with the lot's source as reference; ``breakage`` those of the rest.
    """

    books: Books
    balance: Balance
    refunds: tuple[Entry, ...] = ()
    breakage: tuple[Entry, ...] = ()

    @property
    def entries(self) -> tuple[Entry, ...]:
        """Give everything that was posted, by number."""
        return tuple(sorted((*self.refunds, *self.breakage), key=lambda one: one.number))


def move_balance(books: Books, unit: str, move: BalanceMove) -> Books:
    """Freeze, unfreeze or reopen a balance; closing is :func:`close_balance`.

    Raises:
        IllegalTransition: the state table has no such move.
        InvalidInput: the move is to close.
        UnknownName: the account has no such balance.

    >>> from monochat_billing.balance import open_balance
    >>> frozen = move_balance(open_balance(Books("acme"), "TRY"), "TRY", BalanceMove.FREEZE)
    >>> frozen.balance("TRY").state.value
    'FROZEN'
    """
    balance = books.balance(unit)
    if move is BalanceMove.CLOSE:
        raise InvalidInput("move", move, "needs to know what is dust", "call close")
    return books.with_balance(attrs.evolve(balance, state=balance.require(books.account, move)))


def close_balance(books: Books, unit: str, memo: Memo, dust: Amount | None = None) -> Closed:
    """Close a balance: what remains of paid money is to be refunded, the rest is breakage.

    When all that was paid and remains is below ``dust`` it is breakage, too: sending it back would
    cost more than it is worth.

    Raises:
        IllegalTransition: it is closed already, holds are open on it, or it owes something.
        InvalidInput: ``dust`` is of another unit or too precise.
        UnknownName: the account has no such balance.
    """
    balance = books.balance(unit)
    state = balance.require(books.account, BalanceMove.CLOSE)
    name = f"{books.account} {unit}"
    if balance.held:
        raise IllegalTransition("balance", name, f"holding {balance.text(balance.held)}", "close")
    if balance.debts:
        raise IllegalTransition("balance", name, f"owing {balance.text(balance.owed)}", "close")
    floor = 1 if dust is None else balance.units(dust, field="dust")
    open_lots = [lot for lot in balance.lots if lot.remaining]
    paid = sum(lot.remaining for lot in open_lots if lot.origin is LotOrigin.PAID)
    refunds: list[Entry] = []
    breakage: list[Entry] = []
    for lot in open_lots:
        back = lot.origin is LotOrigin.PAID and paid >= floor
        books, entry = _emptied(books, lot, memo.of(_TAKEN[back]))
        (refunds if back else breakage).append(entry)
    closed = attrs.evolve(books.balance(unit), state=state, credit_limit=0)
    return Closed(books.with_balance(closed), closed, tuple(refunds), tuple(breakage))


_TAKEN = {True: EntryKind.REFUND, False: EntryKind.BREAKAGE}


def _emptied(books: Books, lot: Lot, memo: Memo) -> tuple[Books, Entry]:
    balance = books.balance(lot.unit)
    lots = tuple(one.left_with(0) if one.number == lot.number else one for one in balance.lots)
    done = post(
        books,
        balance,
        -lot.remaining,
        attrs.evolve(memo, reference=lot.source),
        lots,
        parts=((lot.number, -lot.remaining),),
        corrects=lot.number,
    )
    return done.books, done.entry


def set_credit_limit(books: Books, limit: Amount, memo: Memo) -> Books:
    """Set how far debits and holds may go below zero; zero for not at all.

    Lowering it needs what it takes away to be available, so that nothing is overdrawn by it.

    Raises:
        InsufficientFunds: more is owed or held on credit than the new limit allows.
        IllegalTransition: the balance is closed.
        InvalidInput: the limit is below zero or too precise.
        UnknownName: the account has no such balance.
    """
    balance = books.of(limit)
    units = count_of(limit, balance.scale, field="credit_limit")
    if not 0 <= units <= MAX_UNITS:
        raise InvalidInput(
            "credit_limit", balance.text(units), "is below zero", "pass zero or more"
        )
    if balance.state is BalanceState.CLOSED:
        name = f"{books.account} {balance.unit}"
        raise IllegalTransition("balance", name, balance.state, "have a credit limit")
    less = balance.credit_limit - units
    if less > 0 and balance.slack < less:
        raise short_of(books.account, balance, less, memo.kind.pays_for, memo.effective_at)
    return books.with_balance(attrs.evolve(balance, credit_limit=units))
