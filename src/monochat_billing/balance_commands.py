"""Balance commands: adjust, reverse, void, transfer, charge many, freeze and close.

Owns the judgment of such a request against an account as it stands, after catch-up.
Does not own what is posted (:mod:`monochat_billing.balance` and the modules above it), storage,
clocks, ids or keys.

Every function takes the account's state (caught up to ``now``) and returns a
:class:`~monochat_billing.accounts.Step` with the result, or raises and changes nothing. Whatever
makes more available pays past-due subscriptions that it covers.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import final

import attrs

from monochat_billing.accounts import AccountState, Step, revive
from monochat_billing.balance import (
    Balance,
    BalanceMove,
    Batch,
    Books,
    DebitMode,
    Entry,
    EntryKind,
    Memo,
    Posted,
    Terms,
    credit,
    debit,
    debit_many,
)
from monochat_billing.corrections import reverse, void
from monochat_billing.errors import InsufficientFunds, InvalidInput, UnknownName
from monochat_billing.events import BalanceClosed, BalanceMoved
from monochat_billing.lots import LotOrigin
from monochat_billing.money import Money, negate
from monochat_billing.postings import posting_events
from monochat_billing.rounding import HALF_UP, Rounding
from monochat_billing.standing import close_balance, move_balance, set_credit_limit
from monochat_billing.texts import check_lines
from monochat_billing.transfers import Rate, transfer
from monochat_billing.units import Amount, Units, unit_of

__all__ = [
    "GOODWILL",
    "BatchReport",
    "ClosingReport",
    "Note",
    "TransferReport",
    "adjust",
    "charge_many",
    "close",
    "limit_credit",
    "move",
    "move_money",
    "reverse_entry",
    "void_lot",
]

GOODWILL = Terms(origin=LotOrigin.PROMOTIONAL)
"""The terms of an adjustment upward, unless others are named: spent like money, never refunded."""


@final
@attrs.frozen(kw_only=True)
class Note:
    """Say why something is done, what it refers to, and who does it.

    Raises:
        InvalidInput: the reason is no text or blank.
    """

    reason: str
    reference: str = ""
    actor: str = ""

    def __attrs_post_init__(self) -> None:
        if not isinstance(self.reason, str) or not self.reason.strip():
            raise InvalidInput("reason", self.reason, "is empty", "say what it is for")

    def memo(self, kind: EntryKind, now: datetime) -> Memo:
        """Return the memo of an entry that happens now."""
        return Memo(kind, now, now, self.reason, self.reference, self.actor)


@final
@attrs.frozen(kw_only=True)
class BatchReport:
    """Return what became of each item of a batch, in order: its entry, or the refusal.

    >>> from monochat_billing.money import money
    >>> from monochat_billing.testing.workbench import Workbench
    >>> bench = Workbench()
    >>> account = bench.open("acme", money("5000", "TRY"))
    >>> items = [(money("12.50", "TRY"), "export-1"), (money("9000", "TRY"), "export-2")]
    >>> print(bench.billing.balances.debit_many("acme", items, reason="export", key="k"))
    1 charged, 1 refused
    """

    results: tuple[Entry | InsufficientFunds, ...]

    @property
    def entries(self) -> tuple[Entry, ...]:
        """Give the entries that were posted."""
        return tuple(one for one in self.results if isinstance(one, Entry))

    def __str__(self) -> str:
        return f"{len(self.entries)} charged, {len(self.results) - len(self.entries)} refused"


@final
@attrs.frozen(kw_only=True)
class TransferReport:
    """Return what a transfer posted: one entry out, and one in for each lot that gave.

    >>> from monochat_billing.money import money
    >>> from monochat_billing.testing.workbench import Workbench
    >>> bench = Workbench()
    >>> account = bench.open("acme", money("5000", "TRY"), currencies=["TRY", "USD"])
    >>> print(
    ...     bench.billing.balances.transfer(
    ...         "acme", money("410", "TRY"), to="USD", rate="0.0244", reason="for fees", key="k"
    ...     )
    ... )
    #2 2026-10-05 06:00Z TRANSFER -410 TRY → 4590 for fees
    #3 2026-10-05 06:00Z TRANSFER +10 USD → 10 for fees
    """

    out: Entry
    into: tuple[Entry, ...]

    def __str__(self) -> str:
        return "\n".join(map(str, (self.out, *self.into)))


@final
@attrs.frozen(kw_only=True)
class ClosingReport:
    """Return what closing a balance posted.

    ``refunds`` have to go back to who paid: the reference of each is its lot's source, such as a
    top-up's id. ``breakage`` stays with the business that bills.

    >>> from monochat_billing.money import money
    >>> from monochat_billing.testing.workbench import Workbench
    >>> bench = Workbench()
    >>> account = bench.open("acme", money("5000", "TRY"))
    >>> balances = bench.billing.balances
    >>> spent = balances.debit("acme", money("5000", "TRY"), reason="all", key="all")
    >>> print(balances.close("acme", "TRY", reason="moving out", key="close"))
    TRY: 0 posted, 0 held, CLOSED
    """

    balance: Balance
    refunds: tuple[Entry, ...] = ()
    breakage: tuple[Entry, ...] = ()

    def __str__(self) -> str:
        return "\n".join(map(str, (self.balance, *self.refunds, *self.breakage)))


def adjust(
    state: AccountState,
    amount: Amount,
    *,
    note: Note,
    terms: Terms = GOODWILL,
    mode: DebitMode = DebitMode.WHOLE,
    now: datetime,
) -> Step:
    """Correct a balance by a signed amount: a lot on ``terms``, or a debit in ``mode``.

    Raises:
        InsufficientFunds: less is available than is taken; nothing has changed.
        InvalidInput: the amount is zero or too precise.
        IllegalTransition: the balance is closed.
        UnknownName: the account has no balance in that unit.
    """
    memo = note.memo(EntryKind.ADJUSTMENT, now)
    unit_of(amount)
    if _is_negative(amount):
        return _posted(state, debit(state.books, _negated(amount), memo, mode), now)
    return _posted(state, credit(state.books, amount, memo, terms), now)


def _is_negative(amount: Amount) -> bool:
    return amount.count < 0 if isinstance(amount, Units) else bool(amount.amount < 0)


def _negated(amount: Amount) -> Amount:
    return Units(-amount.count, amount.unit) if isinstance(amount, Units) else negate(amount)


def reverse_entry(
    state: AccountState,
    number: int,
    *,
    amount: Amount | None = None,
    mode: DebitMode = DebitMode.WHOLE,
    note: Note,
    now: datetime,
) -> Step:
    """Undo an entry, or ``amount`` of it, back to the lots that paid.

    Raises:
        IllegalTransition: the entry follows from another, or was reversed in whole, or the
            balance is closed.
        InsufficientFunds: a credit is taken back, and its lot no longer has that much.
        InvalidInput: the amount is more than is left of the entry.
        UnknownName: the account has no such entry.
    """
    original = state.entries.get(number)
    if original is None:
        raise _unknown(state, number, "entry")
    corrections = [one for one in state.entries.values() if one.corrects == number]
    memo = note.memo(EntryKind.REVERSAL, now)
    done = reverse(state.books, original, corrections, memo, amount=amount, mode=mode)
    return _posted(state, done, now)


def void_lot(state: AccountState, number: int, *, note: Note, now: datetime) -> Step:
    """Take away what is unused of a lot; what open holds have pinned stays.

    Raises:
        IllegalTransition: nothing of the lot is free.
        UnknownName: the account has no such lot.
    """
    lots = (lot for balance in state.books.balances.values() for lot in balance.lots)
    lot = next((one for one in lots if one.number == number), None)
    if lot is None:
        raise _unknown(state, number, "lot")
    return _posted(state, void(state.books, lot, note.memo(EntryKind.VOID, now)), now)


def _unknown(state: AccountState, number: int, field: str) -> UnknownName:
    return UnknownName(
        field, number, f"does not exist on account {state.account.id!r}", "list the entries first"
    )


def move_money(
    state: AccountState,
    amount: Money,
    to: str,
    rate: Rate,
    *,
    rounding: Rounding = HALF_UP,
    note: Note,
    now: datetime,
) -> Step:
    """Transfer ``amount`` to the account's balance in currency ``to`` at the caller's rate.

    Raises:
        InsufficientFunds: less is available; nothing has changed.
        InvalidInput: both currencies are the same, the rate is not exact or not above zero, or
            nothing would arrive.
        IllegalTransition: one of the balances is closed.
        UnknownName: the account has no such balance.
    """
    memo = note.memo(EntryKind.TRANSFER, now)
    done = transfer(state.books, amount, to, rate, memo, rounding=rounding)
    result = TransferReport(out=done.out, into=done.into)
    return _revived(state, done.books, done.entries, result, now)


def charge_many(
    state: AccountState,
    items: Sequence[tuple[Amount, str]],
    *,
    batch: Batch = Batch.PER_ITEM,
    kind: EntryKind = EntryKind.CHARGE,
    note: Note,
    now: datetime,
) -> Step:
    """Charge many amounts, each with its reference, to one balance in one unit of work.

    Raises:
        InsufficientFunds: the batch is atomic and an item cannot be paid; nothing has changed.
        InvalidInput: there are no items, an amount is not above zero, they are of two units, or a
            reference is no line of text.
        UnknownName: the account has no balance in that unit.
    """
    if not items:
        raise InvalidInput("items", (), "is empty", "pass at least one (amount, reference)")
    check_lines([reference for _, reference in items], "items")
    balance = state.books.of(items[0][0])
    counted: list[tuple[int, str]] = []
    last, units = None, 0
    for amount, reference in items:  # neighbors often share one amount
        if amount is not last:
            units = balance.units(amount, field="items")
            last = amount
        counted.append((units, reference))
    done = debit_many(state.books, balance.unit, counted, note.memo(kind, now), batch)
    after = state if done.books is state.books else state.with_books(done.books)
    return Step(after, done.entries, result=BatchReport(results=done.results))


def move(state: AccountState, unit: str, action: BalanceMove, *, now: datetime) -> Step:
    """Freeze, unfreeze or reopen a balance.

    Raises:
        IllegalTransition: the state table has no such move.
        UnknownName: the account has no such balance.
    """
    books = move_balance(state.books, unit, action)
    balance = books.balance(unit)
    event = BalanceMoved(account=state.account.id, at=now, unit=unit, state=balance.state)
    step = Step(state.with_books(books), events=(event,))
    return attrs.evolve(step.then(revive(step.state, now, now)), result=balance)


def close(
    state: AccountState, unit: str, *, dust: Amount | None = None, note: Note, now: datetime
) -> Step:
    """Close a balance: what remains of paid money is to be refunded, the rest is breakage.

    Raises:
        IllegalTransition: it is closed already, holds are open on it, or it owes something.
        InvalidInput: ``dust`` is of another unit or too precise.
        UnknownName: the account has no such balance.
    """
    done = close_balance(state.books, unit, note.memo(EntryKind.REFUND, now), dust)
    told = BalanceClosed(
        account=state.account.id,
        at=now,
        unit=unit,
        refund=done.balance.value(-sum(one.amount for one in done.refunds)),
        breakage=done.balance.value(-sum(one.amount for one in done.breakage)),
    )
    result = ClosingReport(balance=done.balance, refunds=done.refunds, breakage=done.breakage)
    return Step(state.with_books(done.books), done.entries, (told,), result=result)


def limit_credit(state: AccountState, limit: Amount, *, now: datetime) -> Step:
    """Set how far a balance may go below zero; zero for not at all.

    Raises:
        InsufficientFunds: more is owed or held on credit than the new limit allows.
        IllegalTransition: the balance is closed.
        InvalidInput: the limit is below zero or too precise.
        UnknownName: the account has no such balance.
    """
    books = set_credit_limit(state.books, limit, Memo(EntryKind.CHARGE, now, now))
    step = Step(state.with_books(books))
    result = books.of(limit)
    return attrs.evolve(step.then(revive(step.state, now, now)), result=result)


def _posted(state: AccountState, done: Posted, now: datetime) -> Step:
    return _revived(state, done.books, done.entries, done.entry, now)


def _revived(
    state: AccountState, books: Books, entries: tuple[Entry, ...], result: object, now: datetime
) -> Step:
    step = Step(state.with_books(books), entries, posting_events(state.books, books, entries))
    return attrs.evolve(step.then(revive(step.state, now, now)), result=result)
