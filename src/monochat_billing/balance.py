"""Balances and their entries: money in, money out, never below zero, never edited.

Owns the books of one account: balances, lots in them, numbered entries, insufficient funds.
Does not own prices, plans, tax or time's passing: it moves the amounts that others decided.

Inside, every amount is an integer in the balance's smallest unit (micro-units at the default
scale of six). :class:`~monochat_billing.money.Money` appears at the edges only.
"""

import enum
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Final, final

import attrs

from monochat_billing import lots as _lots
from monochat_billing.errors import InsufficientFunds, InvalidInput, UnknownName
from monochat_billing.instants import utc
from monochat_billing.lots import DEFAULT_PRIORITY, ChargeKind, Lot, LotOrigin, Share
from monochat_billing.money import DEFAULT_SCALE, Money, amount_text, from_units, to_units

__all__ = [
    "PAID",
    "Balance",
    "Books",
    "Entry",
    "EntryKind",
    "Memo",
    "Posted",
    "PostedMany",
    "Terms",
    "credit",
    "debit",
    "debit_many",
    "expire_lots",
    "give_back",
    "open_balance",
]


class EntryKind(enum.StrEnum):
    """Name what an entry stands for."""

    TOP_UP = "TOP_UP"
    GRANT = "GRANT"
    PLAN_FEE = "PLAN_FEE"
    SUPPORT_FEE = "SUPPORT_FEE"
    MESSAGE_FEE = "MESSAGE_FEE"
    CHARGE = "CHARGE"
    PRORATION_CREDIT = "PRORATION_CREDIT"
    BREAKAGE = "BREAKAGE"

    @property
    def pays_for(self) -> ChargeKind:
        """Give the kind of charge that a debit of this kind is, as lots know it."""
        return _CHARGED_AS.get(self, ChargeKind.OTHER)


_CHARGED_AS = {
    EntryKind.PLAN_FEE: ChargeKind.PLAN,
    EntryKind.SUPPORT_FEE: ChargeKind.SUPPORT,
    EntryKind.MESSAGE_FEE: ChargeKind.MESSAGE,
}


@final
@attrs.frozen
class Entry:
    """Record one movement on one balance, for ever.

    ``number`` counts from 1 over the whole account without gaps. ``amount`` (signed) and
    ``balance_after`` are integers in the balance's smallest unit; :attr:`money` and
    :attr:`balance_money` give them as money. ``parts`` names the lots that were filled (positive)
    or paid (negative) and sums to ``amount``. ``effective_at`` is when the fact holds,
    ``recorded_at`` when it was written; both are aware UTC. ``corrects`` is the number of the
    entry that this one answers, for example the charge that a proration credit gives back.
    """

    account: str
    number: int
    unit: str
    scale: int
    amount: int
    balance_after: int
    kind: EntryKind
    reason: str
    reference: str
    actor: str
    effective_at: datetime
    recorded_at: datetime
    parts: tuple[tuple[int, int], ...]
    corrects: int | None = None

    @property
    def money(self) -> Money:
        """Give the signed amount as money."""
        return from_units(self.amount, self.unit, self.scale)

    @property
    def balance_money(self) -> Money:
        """Give the balance after this entry as money."""
        return from_units(self.balance_after, self.unit, self.scale)

    def __str__(self) -> str:
        sign = "+" if self.amount > 0 else ""
        return (
            f"#{self.number} {self.effective_at:%Y-%m-%d %H:%M} {self.kind.value} "
            f"{sign}{amount_text(self.money)} {self.unit} → {amount_text(self.balance_money)}"
            f"{' ' + self.reason if self.reason else ''}"
        )


@final
@attrs.frozen
class Memo:
    """Say what an entry stands for; the same memo may serve many entries."""

    kind: EntryKind
    effective_at: datetime
    recorded_at: datetime
    reason: str = ""
    reference: str = ""
    actor: str = ""


def _expiry(value: datetime | None) -> datetime | None:
    return None if value is None else utc(value, field="expires_at")


@final
@attrs.frozen(kw_only=True)
class Terms:
    """Say what a credit's lot may pay for, until when, and how early it burns.

    ``pays_for`` is empty for everything; ``expires_at`` is aware and exclusive, None for never;
    a lower ``priority`` burns first.

    Raises:
        InvalidInput: ``expires_at`` is naive.
    """

    origin: LotOrigin = LotOrigin.PAID
    pays_for: frozenset[ChargeKind] = frozenset()
    expires_at: datetime | None = attrs.field(default=None, converter=_expiry)
    priority: int = DEFAULT_PRIORITY


PAID: Final = Terms()
"""The terms of money that was paid: it pays for everything and never expires."""


@final
@attrs.frozen
class Balance:
    """Hold what an account has in one unit.

    ``posted`` is the sum of all entries and of what remains in the lots; ``held`` is what open
    holds set aside; both are integers in the smallest unit, ``0 <= held <= posted``. ``lots``
    are in burn order and may contain lots that were spent a moment ago.
    """

    unit: str
    scale: int = DEFAULT_SCALE
    posted: int = 0
    held: int = 0
    lots: tuple[Lot, ...] = ()

    def available(self, kind: ChargeKind | None, at: datetime) -> int:
        """Give what a debit of ``kind`` could take at ``at``, in the smallest unit.

        With ``kind`` None it is what is available for some kind of charge.
        """
        return min(_lots.burnable(self.lots, kind, at), self.posted - self.held)

    def money(self, units: int) -> Money:
        """Express ``units`` of this balance as money."""
        return from_units(units, self.unit, self.scale)

    def units(self, amount: Money, *, field: str = "amount") -> int:
        """Express ``amount`` in this balance's smallest unit, exactly.

        Raises:
            InvalidInput: the currency differs, the amount is zero or negative, or it has more
                decimals than the scale.
        """
        units = to_units(amount, self.scale, field=field)
        if amount.currency.code != self.unit:
            raise InvalidInput(
                field,
                f"{amount_text(amount)} {amount.currency.code}",
                f"is not in {self.unit}",
                f"pass an amount in {self.unit}",
            )
        if units <= 0:
            raise InvalidInput(
                field, amount_text(amount), "is not above zero", "pass a positive amount"
            )
        return units


@final
@attrs.frozen
class Books:
    """Hold all money of one account: its balances and the number of its last entry."""

    account: str
    sequence: int = 0
    balances: Mapping[str, Balance] = attrs.field(factory=dict)

    def balance(self, unit: str) -> Balance:
        """Give the balance in ``unit``.

        Raises:
            UnknownName: the account has no such balance.
        """
        try:
            return self.balances[unit]
        except KeyError:
            raise UnknownName(
                "currency",
                unit,
                f"is not a balance of {self.account!r}",
                f"use one of {', '.join(self.balances) or 'none: open a balance first'}",
            ) from None

    def with_balance(self, balance: Balance, sequence: int) -> "Books":
        """Return the books with one balance replaced and the sequence moved on."""
        return Books(self.account, sequence, {**self.balances, balance.unit: balance})


@final
@attrs.frozen
class Posted:
    """Return the books after one entry, and the entry with the shares of the lots it moved."""

    books: Books
    entry: Entry
    shares: tuple[Share, ...] = ()


@final
@attrs.frozen
class PostedMany:
    """Return the books after a batch: an entry, or the refusal, for each item in order."""

    books: Books
    results: tuple[Entry | InsufficientFunds, ...]

    @property
    def entries(self) -> tuple[Entry, ...]:
        """Give the entries that were posted."""
        return tuple(one for one in self.results if isinstance(one, Entry))


def open_balance(books: Books, unit: str, scale: int = DEFAULT_SCALE) -> Books:
    """Add an empty balance in ``unit`` to the books; one that exists stays as it is."""
    if unit in books.balances:
        return books
    return books.with_balance(Balance(unit, scale), books.sequence)


def credit(books: Books, amount: Money, memo: Memo, terms: Terms = PAID) -> Posted:
    """Post ``amount`` as a new lot.

    Raises:
        InvalidInput: the amount is not above zero or does not fit the balance's scale, or the
            lot would be expired from the start.
        UnknownName: the account has no balance in that currency.

    >>> from datetime import UTC, datetime
    >>> from monochat_billing.money import money
    >>> t = datetime(2026, 10, 1, tzinfo=UTC)
    >>> books = open_balance(Books("acme"), "TRY")
    >>> posted = credit(books, money("250", "TRY"), Memo(EntryKind.TOP_UP, t, t))
    >>> print(posted.entry)
    #1 2026-10-01 00:00 TOP_UP +250 TRY → 250
    """
    balance = _balance_of(books, amount)
    units = balance.units(amount)
    if terms.expires_at is not None and terms.expires_at <= memo.effective_at:
        raise InvalidInput(
            "expires_at",
            terms.expires_at.isoformat(),
            "is not after the instant of the credit",
            "pass a later instant, or None for a lot that never expires",
        )
    number = books.sequence + 1
    lot = Lot(
        number,
        balance.unit,
        terms.origin,
        units,
        units,
        memo.effective_at,
        terms.expires_at,
        terms.pays_for,
        terms.priority,
        memo.reference,
    )
    return _post(
        books, balance, units, memo, _lots.insert(balance.lots, lot), parts=((number, units),)
    )


def debit(books: Books, amount: Money, memo: Memo) -> Posted:
    """Take ``amount`` from the lots that may pay for it, or refuse and change nothing.

    Raises:
        InsufficientFunds: less is available for this kind of charge at ``memo.effective_at``.
        InvalidInput: the amount is not above zero or does not fit the balance's scale.
        UnknownName: the account has no balance in that currency.

    >>> from datetime import UTC, datetime
    >>> from monochat_billing.money import money
    >>> t = datetime(2026, 10, 1, tzinfo=UTC)
    >>> books = open_balance(Books("acme"), "TRY")
    >>> books = credit(books, money("250", "TRY"), Memo(EntryKind.TOP_UP, t, t)).books
    >>> print(debit(books, money("12.50", "TRY"), Memo(EntryKind.CHARGE, t, t, "export")).entry)
    #2 2026-10-01 00:00 CHARGE -12.5 TRY → 237.5 export
    """
    balance = _balance_of(books, amount)
    units = balance.units(amount)
    kind = memo.kind.pays_for
    burned = _lots.burn(balance.lots, units, kind, memo.effective_at)
    if burned.missing or units > balance.posted - balance.held:
        raise _short(books.account, balance, units, kind, memo.effective_at)
    parts = tuple((share.lot.number, -share.units) for share in burned.shares)
    return _post(books, balance, -units, memo, burned.lots, parts=parts, shares=burned.shares)


def debit_many(books: Books, unit: str, items: Iterable[tuple[int, str]], memo: Memo) -> PostedMany:
    """Take many amounts from one balance, each on its own: a refused item changes nothing.

    ``items`` are (units, reference), units above zero in the balance's smallest unit. The
    balance is updated once and each item that is paid gets its own entry, exactly as a loop of
    :func:`debit` would leave them.

    Raises:
        InvalidInput: the units of an item are not above zero; nothing has changed.
        UnknownName: the account has no balance in ``unit``.
    """
    balance = books.balance(unit)
    kind = memo.kind.pays_for
    at = memo.effective_at
    payers = [lot for lot in balance.lots if lot.remaining and lot.accepts(kind)]
    payers = [lot for lot in payers if not lot.expired(at)]
    remaining = [lot.remaining for lot in payers]
    free = balance.posted - balance.held
    posted = balance.posted
    number = books.sequence
    purse = min(sum(remaining), free)
    first = 0
    results: list[Entry | InsufficientFunds] = []
    for units, reference in items:
        if not 0 < units <= purse:
            if units <= 0:
                raise InvalidInput("items", units, "is not above zero", "leave out what is free")
            now = _spent(balance, payers, remaining, posted)
            results.append(_short(books.account, now, units, kind, at))
            continue
        purse -= units
        missing = units
        parts: list[tuple[int, int]] = []
        while missing:
            taken = min(missing, remaining[first])
            if taken:
                parts.append((payers[first].number, -taken))
                remaining[first] -= taken
                missing -= taken
            if missing:
                first += 1
        posted -= units
        number += 1
        results.append(
            Entry(
                books.account,
                number,
                unit,
                balance.scale,
                -units,
                posted,
                memo.kind,
                memo.reason,
                reference,
                memo.actor,
                at,
                memo.recorded_at,
                tuple(parts),
            )
        )
    return PostedMany(
        books.with_balance(_spent(balance, payers, remaining, posted), number), tuple(results)
    )


def give_back(
    books: Books, amount: Money, shares: Sequence[Share], memo: Memo, corrects: int | None
) -> Posted | None:
    """Return ``amount`` to the lots that paid a charge, the last that paid first.

    What cannot go back because its lot has expired is breakage and is left out of the entry;
    None is returned when nothing can go back.

    Raises:
        InvalidInput: the amount is not above zero or does not fit the balance's scale.
    """
    balance = _balance_of(books, amount)
    units = balance.units(amount)
    given = _lots.restore(balance.lots, shares, units, memo.effective_at)
    back = units - given.missing
    if not back:
        return None
    parts = tuple((share.lot.number, share.units) for share in given.shares)
    return _post(books, balance, back, memo, given.lots, parts=parts, corrects=corrects)


def expire_lots(books: Books, at: datetime, recorded_at: datetime) -> tuple[Books, list[Entry]]:
    """Post as breakage what remains in lots that have expired by ``at``, each at its own end."""
    entries: list[Entry] = []
    for unit in books.balances:
        for lot in books.balances[unit].lots:
            if lot.expires_at is None or not lot.remaining or not lot.expired(at):
                continue
            balance = books.balances[unit]
            memo = Memo(EntryKind.BREAKAGE, lot.expires_at, recorded_at, "lot expired", lot.source)
            after = _lots.insert(balance.lots, lot.left_with(0))
            posted = _post(
                books, balance, -lot.remaining, memo, after, parts=((lot.number, -lot.remaining),)
            )
            books = posted.books
            entries.append(posted.entry)
    return books, entries


def _balance_of(books: Books, amount: Money) -> Balance:
    if not isinstance(amount, Money):
        raise InvalidInput("amount", amount, "is not money", 'pass money("12.50", "TRY")')
    return books.balance(amount.currency.code)


def _post(
    books: Books,
    balance: Balance,
    units: int,
    memo: Memo,
    lots: tuple[Lot, ...],
    *,
    parts: tuple[tuple[int, int], ...],
    shares: tuple[Share, ...] = (),
    corrects: int | None = None,
) -> Posted:
    number = books.sequence + 1
    posted = balance.posted + units
    entry = Entry(
        books.account,
        number,
        balance.unit,
        balance.scale,
        units,
        posted,
        memo.kind,
        memo.reason,
        memo.reference,
        memo.actor,
        memo.effective_at,
        memo.recorded_at,
        parts,
        corrects,
    )
    after = Balance(balance.unit, balance.scale, posted, balance.held, lots)
    return Posted(books.with_balance(after, number), entry, shares)


def _spent(
    balance: Balance, payers: Sequence[Lot], remaining: Sequence[int], posted: int
) -> Balance:
    left = {lot.number: units for lot, units in zip(payers, remaining, strict=True)}
    after = tuple(
        lot
        if left.get(lot.number, lot.remaining) == lot.remaining
        else lot.left_with(left[lot.number])
        for lot in balance.lots
    )
    return Balance(balance.unit, balance.scale, posted, balance.held, after)


def _short(
    account: str, balance: Balance, units: int, kind: ChargeKind, at: datetime
) -> InsufficientFunds:
    available = max(balance.available(kind, at), 0)
    return InsufficientFunds(
        account,
        balance.unit,
        amount_text(balance.money(units)),
        amount_text(balance.money(available)),
        amount_text(balance.money(units - available)),
    )
