"""Balances: money in, money out, never below zero unless by name, never edited.

Owns crediting and debiting one account: grants, debits alone and in batches, what goes back to the
lots that paid, lots that start and lots that expire.
Does not own prices, plans, tax or time's passing: it moves the amounts that others decided.
Holds are :mod:`monochat_billing.holds`, reversals :mod:`monochat_billing.corrections`.

Inside, every amount is an integer in the balance's smallest unit (micro-units at the default
scale of six). :class:`~monochat_billing.money.Money` appears at the edges only.
"""

import enum
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import final

import attrs

from monochat_billing import lots as _lots
from monochat_billing.books import (
    BALANCE_MOVES,
    Balance,
    BalanceMove,
    BalanceState,
    Books,
    Posted,
    break_off,
    cover_debts,
    post,
    require_not_closed,
    short_of,
    take,
)
from monochat_billing.entries import (
    PAID,
    DebitMode,
    Entry,
    EntryKind,
    Exchange,
    Memo,
    Terms,
    make_entry,
    make_memo,
    parts_of,
)
from monochat_billing.errors import InsufficientFunds, InvalidInput
from monochat_billing.lots import DEBT, Lot, LotOrigin, Share
from monochat_billing.money import DEFAULT_SCALE
from monochat_billing.units import Amount, is_currency

__all__ = [
    "BALANCE_MOVES",
    "PAID",
    "Balance",
    "BalanceMove",
    "BalanceState",
    "Batch",
    "Books",
    "DebitMode",
    "Entry",
    "EntryKind",
    "Exchange",
    "Memo",
    "Posted",
    "PostedMany",
    "Terms",
    "credit",
    "debit",
    "debit_many",
    "expire_lots",
    "give_back",
    "make_memo",
    "open_balance",
    "start_lots",
]


class Batch(enum.StrEnum):
    """Name what one refused item does to the others of its batch.

    >>> from monochat_billing.money import money
    >>> from monochat_billing.testing.workbench import Workbench
    >>> bench = Workbench()
    >>> account = bench.open("acme", money("5000", "TRY"))
    >>> items = [(money(amount, "TRY"), amount) for amount in ("4000", "2000", "1")]
    >>> report = bench.billing.balances.debit_many(
    ...     "acme", items, reason="export", key="k", batch=Batch.PER_ITEM
    ... )
    >>> print(report)
    2 charged, 1 refused
    """

    PER_ITEM = "PER_ITEM"
    ATOMIC = "ATOMIC"


@final
@attrs.frozen
class PostedMany:
    """Return the books after a batch: an entry, or the refusal, for each item in order."""

    books: Books
    results: tuple[Entry | InsufficientFunds, ...]

    @property
    def entries(self) -> tuple[Entry, ...]:
        """Give the entries that were posted."""
        return tuple([one for one in self.results if isinstance(one, Entry)])


def open_balance(books: Books, unit: str, scale: int | None = None) -> Books:
    """Add an empty balance in ``unit`` to the books; one that exists stays as it is.

    Without ``scale`` a currency gets six decimals, and a meter none.
    """
    if unit in books.balances:
        return books
    if scale is None:
        scale = DEFAULT_SCALE if is_currency(unit) else 0
    return books.with_balance(Balance(unit, scale))


def credit(
    books: Books,
    amount: Amount,
    memo: Memo,
    terms: Terms = PAID,
    *,
    exchange: Exchange | None = None,
) -> Posted:
    """Post ``amount`` as a new lot, and cover with it what is owed.

    Raises:
        InvalidInput: the amount is not above zero or does not fit the balance's scale, or the
            lot would be expired from the start.
        IllegalTransition: the balance is closed.
        UnknownName: the account has no balance in that unit.

    >>> from datetime import UTC, datetime
    >>> from monochat_billing.money import money
    >>> t = datetime(2026, 10, 1, tzinfo=UTC)
    >>> books = open_balance(Books("acme"), "TRY")
    >>> posted = credit(books, money("250", "TRY"), Memo(EntryKind.TOP_UP, t, t))
    >>> print(posted.entry)
    #1 2026-10-01 00:00Z TOP_UP +250 TRY → 250
    """
    balance = books.of(amount)
    units = balance.units(amount)
    require_not_closed(books, balance, "take a credit")
    at = memo.effective_at
    begin = terms.begin(at)
    number = books.sequence + 1
    lot = Lot(
        number,
        balance.unit,
        terms.origin,
        units,
        units,
        at,
        terms.expires_at,
        terms.pays_for,
        terms.priority,
        memo.reference,
        None if begin == at else begin,
        begin > at,
    )
    return _then_cover(
        post(
            books,
            balance,
            units,
            memo,
            _lots.insert(balance.lots, lot),
            parts=((number, units),),
            exchange=exchange,
        ),
        memo,
    )


def debit(books: Books, amount: Amount, memo: Memo, mode: DebitMode = DebitMode.WHOLE) -> Posted:
    """Take ``amount`` from the lots that may pay for it, or refuse and change nothing.

    What the lots do not have is taken on credit, within the balance's credit limit. With PARTIAL
    it takes as much as there is, and refuses only when there is nothing; with FORCED it takes all
    and goes below zero if it must.

    Raises:
        InsufficientFunds: less is available for this kind of charge at ``memo.effective_at``.
        InvalidInput: the amount is not above zero or does not fit the balance's scale.
        IllegalTransition: the debit is forced and the balance is closed.
        UnknownName: the account has no balance in that unit.

    >>> from datetime import UTC, datetime
    >>> from monochat_billing.money import money
    >>> t = datetime(2026, 10, 1, tzinfo=UTC)
    >>> books = open_balance(Books("acme"), "TRY")
    >>> books = credit(books, money("250", "TRY"), Memo(EntryKind.TOP_UP, t, t)).books
    >>> print(debit(books, money("12.50", "TRY"), Memo(EntryKind.CHARGE, t, t, "export")).entry)
    #2 2026-10-01 00:00Z CHARGE -12.5 TRY → 237.5 export
    """
    balance = books.of(amount)
    return take(books, balance, balance.units(amount), memo, mode)


def debit_many(
    books: Books,
    unit: str,
    items: Iterable[tuple[int, str]],
    memo: Memo,
    batch: Batch = Batch.PER_ITEM,
) -> PostedMany:
    """Take many amounts from one balance: many entries, and one change of the balance.

    ``items`` are (units, reference), units above zero in the balance's smallest unit. PER_ITEM
    judges each on its own, exactly as a loop of :func:`debit` would: a refused item changes
    nothing. ATOMIC takes all or none.

    Raises:
        InsufficientFunds: the batch is atomic and an item cannot be paid; nothing has changed.
        InvalidInput: the units of an item are not above zero; nothing has changed.
        UnknownName: the account has no balance in ``unit``.
    """
    run = _Run(books, books.balance(unit), memo)
    results = run.pay(items, atomic=batch is Batch.ATOMIC)
    if run.number == books.sequence:
        return PostedMany(books, results)
    return PostedMany(books.with_balance(run.balance(), run.number), results)


class _Run:
    """Work through a batch with integers; a balance is built when somebody asks for it."""

    def __init__(self, books: Books, balance: Balance, memo: Memo) -> None:
        kind, at = memo.kind.pays_for, memo.effective_at
        self._account = books.account
        self._before = balance
        self._memo = memo
        self._payers = [lot for lot in balance.lots if lot.free and lot.pays(kind, at)]
        self._free = [lot.free for lot in self._payers]
        self._first = 0
        self._posted = balance.posted
        self._debts = list(balance.debts)
        self.number = books.sequence

    def pay(
        self, items: Iterable[tuple[int, str]], *, atomic: bool
    ) -> tuple[Entry | InsufficientFunds, ...]:
        """Take each item that the purse covers, and refuse the others, or all where one is."""
        memo, before, free = self._memo, self._before, self._free
        account, unit, scale = self._account, before.unit, before.scale
        kind, reason, actor = memo.kind, memo.reason, memo.actor
        at, recorded_at = memo.effective_at, memo.recorded_at
        number, posted = self.number, self._posted
        purse = before.available(kind.pays_for, at)
        results: list[Entry | InsufficientFunds] = []
        for units, reference in items:
            if units <= 0:
                raise InvalidInput("items", units, "is not above zero", "leave out what is free")
            if units > purse:
                self._posted = posted
                short = short_of(account, self.balance(), units, kind.pays_for, at)
                if atomic:
                    raise short
                results.append(short)
                continue
            number += 1
            posted -= units
            purse -= units
            first = self._first
            parts: tuple[tuple[int, int], ...]
            if first < len(free) and free[first] >= units:  # mostly one lot pays
                free[first] -= units
                parts = ((self._payers[first].number, -units),)
            else:
                parts = self._spread(units, number)
            results.append(
                make_entry(
                    account,
                    number,
                    unit,
                    scale,
                    -units,
                    posted,
                    kind,
                    reason,
                    reference,
                    actor,
                    at,
                    recorded_at,
                    parts,
                )
            )
        self.number, self._posted = number, posted
        return tuple(results)

    def _spread(self, units: int, number: int) -> tuple[tuple[int, int], ...]:
        """Take one item from several lots, and what they have not got on credit."""
        missing = units
        parts: list[tuple[int, int]] = []
        payers, free = self._payers, self._free
        first, last = self._first, len(free)
        while missing and first < last:
            taken = min(missing, free[first])
            if taken:
                parts.append((payers[first].number, -taken))
                free[first] -= taken
                missing -= taken
            if missing:
                first += 1
        self._first = first
        if missing:
            parts.append((DEBT, -missing))
            self._debts.append((number, missing))
        return tuple(parts)

    def balance(self) -> Balance:
        """Give the balance as it is after the items so far."""
        left = {lot.number: units for lot, units in zip(self._payers, self._free, strict=True)}
        before = self._before
        lots = tuple(
            lot
            if left.get(lot.number, lot.free) == lot.free
            else lot.left_with(left[lot.number] + lot.pinned)
            for lot in before.lots
        )
        return Balance(
            before.unit,
            before.scale,
            self._posted,
            before.held,
            lots,
            before.credit_limit,
            tuple(self._debts),
            before.state,
        )


def give_back(
    books: Books, amount: Amount, shares: Sequence[Share], memo: Memo, corrects: int | None
) -> Posted | None:
    """Return ``amount`` to the lots that paid a charge, the last that paid first.

    What cannot go back because its lot has expired is breakage and is left out of the entry;
    None is returned when nothing can go back, or the balance is closed. A share that was taken on
    credit pays off that debt; where it has been covered since, it comes back as a lot of its own
    that is spent like any other and never refunded, for nobody knows here whose money covered it.

    Raises:
        InvalidInput: the amount is not above zero or does not fit the balance's scale.
    """
    balance = books.of(amount)
    units = balance.units(amount)
    at = memo.effective_at
    if balance.state is BalanceState.CLOSED:
        return None
    given = _lots.restore(balance.lots, shares, units, at)
    back = units - given.missing
    if not back:
        return None
    on_credit = sum(share.units for share in given.shares if share.lot.number == DEBT)
    if not on_credit:
        done = post(
            books,
            balance,
            back,
            memo,
            given.lots,
            parts=parts_of(given.shares, 1),
            corrects=corrects,
        )
        return _then_cover(done, memo)
    still = dict(balance.debts).get(corrects or DEBT, 0)
    settled = min(still, on_credit)
    debts = tuple(
        (number, owed - settled if number == corrects else owed)
        for number, owed in balance.debts
        if number != corrects or owed > settled
    )
    parts = [(DEBT, settled)] if settled else []
    lots = given.lots
    if on_credit > settled:
        number, fresh = books.sequence + 1, on_credit - settled
        parts.append((number, fresh))
        source = memo.reference
        lot = Lot(number, balance.unit, LotOrigin.PROMOTIONAL, fresh, fresh, at, source=source)
        lots = _lots.insert(lots, lot)
    parts += [(one.lot.number, one.units) for one in given.shares if one.lot.number != DEBT]
    done = post(
        books, balance, back, memo, lots, parts=tuple(parts), debts=debts, corrects=corrects
    )
    return _then_cover(done, memo)


def expire_lots(books: Books, at: datetime, recorded_at: datetime) -> tuple[Books, list[Entry]]:
    """Post as breakage what is free in lots that have expired by ``at``, each at its own end.

    What an open hold has pinned stays until the hold is resolved.
    """
    entries: list[Entry] = []
    for unit in books.balances:
        for lot in books.balances[unit].lots:
            if lot.expires_at is None or not lot.free or not lot.expired(at):
                continue
            posted = break_off(books, lot, lot.expires_at, recorded_at)
            books = posted.books
            entries.append(posted.entry)
    return books, entries


def start_lots(
    books: Books, at: datetime, recorded_at: datetime
) -> tuple[Books, tuple[Lot, ...], list[Entry]]:
    """Note the start of lots that count from ``at`` or before, and cover with them what is owed.

    Returns the books, the lots that have started, and the entries of debts that were covered.
    """
    started: list[Lot] = []
    entries: list[Entry] = []
    for unit in books.balances:
        balance = books.balances[unit]
        new = [
            lot
            for lot in balance.lots
            if lot.waiting and (lot.effective_at is None or lot.effective_at <= at)
        ]
        if not new:
            continue
        lots = balance.lots
        for lot in new:
            lots = _lots.insert(lots, lot.begun())
        started += new
        memo = Memo(EntryKind.COVERAGE, at, recorded_at)
        books, covered = cover_debts(books.with_balance(balance.with_lots(lots)), unit, memo)
        entries += covered
    return books, tuple(started), entries


def _then_cover(posted: Posted, memo: Memo) -> Posted:
    unit = posted.entry.unit
    if not posted.books.balances[unit].debts:
        return posted
    books, covered = cover_debts(posted.books, unit, memo)
    return Posted(books, posted.entry, posted.shares, posted.more + covered)
