"""Books: what an account has, per unit, and the one place where a movement is posted.

Owns the balance as a value, its state table, what is available, and the posting of entries.
Does not own what may be asked: :mod:`monochat_billing.balance` and the modules above it decide.

The state table of a balance, drawn from :data:`BALANCE_MOVES`::

    OPEN      freeze → FROZEN   close → CLOSED
    FROZEN    unfreeze → OPEN   close → CLOSED
    CLOSED    reopen → OPEN

A frozen balance takes credits, lets open holds be captured, and pays for nothing new. A closed one
is empty and takes nothing.
"""

import enum
from collections.abc import Mapping
from datetime import datetime
from typing import Final, final

import attrs

from monochat_billing import lots as _lots
from monochat_billing.entries import (
    DebitMode,
    Entry,
    EntryKind,
    Exchange,
    Memo,
    make_entry,
    parts_of,
)
from monochat_billing.errors import IllegalTransition, InsufficientFunds, InvalidInput, UnknownName
from monochat_billing.lots import DEBT, ChargeKind, Lot, Share, debt_share
from monochat_billing.makers import maker_of
from monochat_billing.money import DEFAULT_SCALE, MAX_UNITS, Money, from_units, to_units
from monochat_billing.texts import one_of
from monochat_billing.units import Amount, amount_in, count_of, plain_text, unit_of

__all__ = [
    "BALANCE_MOVES",
    "Balance",
    "BalanceMove",
    "BalanceState",
    "Books",
    "Posted",
    "break_off",
    "cover_debts",
    "make_balance",
    "make_books",
    "post",
    "require_not_closed",
    "short_of",
    "take",
    "take_from",
]


class BalanceState(enum.StrEnum):
    """Name whether a balance is in use.

    >>> from monochat_billing.money import money
    >>> from monochat_billing.testing.workbench import Workbench
    >>> bench = Workbench()
    >>> account = bench.open("acme", money("5000", "TRY"))
    >>> bench.billing.balances.list("acme")["TRY"].state is BalanceState.OPEN
    True
    """

    OPEN = "OPEN"
    FROZEN = "FROZEN"
    CLOSED = "CLOSED"


class BalanceMove(enum.StrEnum):
    """Name what can happen to a balance as a whole.

    >>> from monochat_billing.money import money
    >>> from monochat_billing.testing.workbench import Workbench
    >>> bench = Workbench()
    >>> account = bench.open("acme", money("5000", "TRY"))
    >>> print(bench.billing.balances.move("acme", "TRY", BalanceMove.FREEZE, key="k").state)
    FROZEN
    """

    FREEZE = "freeze"
    UNFREEZE = "unfreeze"
    CLOSE = "close"
    REOPEN = "reopen"


BALANCE_MOVES: Final[Mapping[tuple[BalanceState, BalanceMove], BalanceState]] = {
    (BalanceState.OPEN, BalanceMove.FREEZE): BalanceState.FROZEN,
    (BalanceState.OPEN, BalanceMove.CLOSE): BalanceState.CLOSED,
    (BalanceState.FROZEN, BalanceMove.UNFREEZE): BalanceState.OPEN,
    (BalanceState.FROZEN, BalanceMove.CLOSE): BalanceState.CLOSED,
    (BalanceState.CLOSED, BalanceMove.REOPEN): BalanceState.OPEN,
}
"""Every legal move; whatever is not here raises and changes nothing."""

# Enum members are looked up slowly on their class, and every debit asks for these.
_OPEN: Final = BalanceState.OPEN
_FORCED: Final = DebitMode.FORCED


@final
@attrs.frozen
class Balance:
    """Hold what an account has in one unit.

    ``posted`` is the sum of all entries, and of what remains in the lots less what is owed;
    ``held`` is what open holds set aside: what is pinned in lots, and what they hold on credit.
    Both are integers in the smallest unit. ``lots`` are in burn order and may contain lots that
    were spent a moment ago. ``credit_limit`` is how far debits may go below zero. ``debts`` names
    the entries that went there and are not covered yet, as (number, units), oldest first.

    >>> print(Balance("TRY", posted=87_500_000, held=20_000_000))
    TRY: 87.5 posted, 20 held
    """

    unit: str
    scale: int = DEFAULT_SCALE
    posted: int = 0
    held: int = 0
    lots: tuple[Lot, ...] = ()
    credit_limit: int = 0
    debts: tuple[tuple[int, int], ...] = ()
    state: BalanceState = BalanceState.OPEN

    @property
    def owed(self) -> int:
        """Give what was taken on credit and is not covered yet, in the smallest unit."""
        return sum(units for _, units in self.debts)

    @property
    def plain(self) -> bool:
        """Tell whether nothing but lots decides what is available."""
        return not (self.held or self.debts) and self.state is _OPEN

    @property
    def slack(self) -> int:
        """Give what can be taken on credit: negative when more than the limit is owed."""
        if not self.held:
            return self.credit_limit - self.owed
        on_credit = self.held - sum(lot.pinned for lot in self.lots)
        return self.credit_limit - self.owed - on_credit

    def available(self, kind: ChargeKind | None, at: datetime) -> int:
        """Give what a debit or a hold of ``kind`` could take at ``at``, in the smallest unit.

        It is what is free in the lots that accept ``kind`` (in all of them for None), plus the
        credit limit, less what is owed or held on credit. It is negative after a forced entry,
        until that is covered, and zero while the balance is not open.
        """
        if self.state is not _OPEN:
            return 0
        return _lots.burnable(self.lots, kind, at) + self.slack

    def money(self, units: int) -> Money:
        """Express ``units`` of this balance as money.

        Raises:
            InvalidInput: the balance is no currency.
        """
        return from_units(units, self.unit, self.scale)

    def value(self, units: int) -> Amount:
        """Express ``units`` of this balance as money, or as units where it is no currency."""
        return amount_in(self.unit, self.scale, units)

    def text(self, units: int) -> str:
        """Write ``units`` of this balance as plain decimal text in major units."""
        return plain_text(self.value(units))

    def units(self, amount: Amount, *, field: str = "amount") -> int:
        """Express ``amount`` in this balance's smallest unit, exactly.

        Raises:
            InvalidInput: the unit differs, the amount is zero or negative, or it has more
                decimals than the scale.
        """
        if type(amount) is Money and amount.currency.code == self.unit:
            units = to_units(amount, self.scale, field=field)
            if units > 0:
                return units
        units = count_of(amount, self.scale, field=field)
        unit = unit_of(amount, field=field)
        if unit != self.unit:
            raise InvalidInput(
                field,
                f"{plain_text(amount)} {unit}",
                f"is not in {self.unit}",
                f"pass an amount in {self.unit}",
            )
        if units <= 0:
            raise InvalidInput(
                field, plain_text(amount), "is not above zero", "pass a positive amount"
            )
        return units

    def __str__(self) -> str:
        said = f"{self.unit}: {self.text(self.posted)} posted, {self.text(self.held)} held"
        owed = f", {self.text(self.owed)} owed" if self.debts else ""
        return f"{said}{owed}{'' if self.state is _OPEN else f', {self.state}'}"

    def with_lots(self, lots: tuple[Lot, ...], held: int | None = None) -> "Balance":
        """Return the balance with other lots, and with another sum held if one is given."""
        return make_balance(
            self.unit,
            self.scale,
            self.posted,
            self.held if held is None else held,
            lots,
            self.credit_limit,
            self.debts,
            self.state,
        )

    def require(self, account: str, move: BalanceMove) -> BalanceState:
        """Give the state that ``move`` leads to.

        Raises:
            IllegalTransition: the state table has no such move.
        """
        state = BALANCE_MOVES.get((self.state, move))
        if state is None:
            raise IllegalTransition("balance", f"{account} {self.unit}", self.state, move)
        return state


make_balance: Final = maker_of(Balance)
"""Build a balance, quickly."""


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
                one_of(self.balances, "open a balance first"),
            ) from None

    def of(self, amount: Amount) -> Balance:
        """Give the balance in an amount's unit.

        Raises:
            InvalidInput: it is neither money nor units.
            UnknownName: the account has no such balance.
        """
        unit = unit_of(amount)
        balance = self.balances.get(unit)
        return self.balance(unit) if balance is None else balance

    def with_balance(self, balance: Balance, sequence: int | None = None) -> "Books":
        """Return the books with one balance replaced, and the sequence moved on if it is given."""
        return make_books(
            self.account,
            self.sequence if sequence is None else sequence,
            {**self.balances, balance.unit: balance},
        )


make_books: Final = maker_of(Books)
"""Build the books of an account, quickly."""


@final
@attrs.frozen
class Posted:
    """Return the books after an entry, and the entry with the shares of the lots it moved.

    ``more`` are the entries that followed from it: debts that were covered, credit that expired.
    """

    books: Books
    entry: Entry
    shares: tuple[Share, ...] = ()
    more: tuple[Entry, ...] = ()

    @property
    def entries(self) -> tuple[Entry, ...]:
        """Give the entry and those that followed from it, by number."""
        return (self.entry, *self.more)


_make_posted: Final = maker_of(Posted)


def require_not_closed(books: Books, balance: Balance, action: str) -> None:
    """Refuse to move anything on a closed balance.

    Raises:
        IllegalTransition: the balance is closed.
    """
    if balance.state is BalanceState.CLOSED:
        name = f"{books.account} {balance.unit}"
        raise IllegalTransition("balance", name, balance.state, action)


def post(
    books: Books,
    balance: Balance,
    units: int,
    memo: Memo,
    lots: tuple[Lot, ...],
    *,
    parts: tuple[tuple[int, int], ...],
    shares: tuple[Share, ...] = (),
    debts: tuple[tuple[int, int], ...] | None = None,
    held: int | None = None,
    corrects: int | None = None,
    hold: str = "",
    exchange: Exchange | None = None,
) -> Posted:
    """Write one entry of ``units`` (signed) on ``balance``, which then has ``lots``.

    What is not given stays as it is. That lots, debts and parts agree is the caller's to keep.

    Raises:
        InvalidInput: the balance would no longer fit 64 bits.
    """
    number = books.sequence + 1
    posted = balance.posted + units
    if not -MAX_UNITS <= posted <= MAX_UNITS:
        raise InvalidInput(
            "amount", units, "makes the balance larger than 64 bits hold", "pass a smaller amount"
        )
    entry = make_entry(
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
        hold,
        exchange,
    )
    after = make_balance(
        balance.unit,
        balance.scale,
        posted,
        balance.held if held is None else held,
        lots,
        balance.credit_limit,
        balance.debts if debts is None else debts,
        balance.state,
    )
    return _make_posted(books.with_balance(after, number), entry, shares)


def take(
    books: Books,
    balance: Balance,
    units: int,
    memo: Memo,
    mode: DebitMode = DebitMode.WHOLE,
    *,
    hold: str = "",
    exchange: Exchange | None = None,
) -> Posted:
    """Take ``units`` (above zero) from what is free in the lots, then on credit.

    Raises:
        InsufficientFunds: less is available than ``mode`` needs; nothing has changed.
        IllegalTransition: the balance is closed and the debit is forced.
    """
    kind = memo.kind.pays_for
    at = memo.effective_at
    lots, shares, missing = _lots.spend(balance.lots, units, kind, at)
    if mode is _FORCED:
        require_not_closed(books, balance, "pay")
    elif missing or not balance.plain:
        available = balance.available(kind, at)
        if units > available:
            if mode is DebitMode.WHOLE or available <= 0:
                raise short_of(books.account, balance, units, kind, at)
            units = available
            lots, shares, missing = _lots.spend(balance.lots, units, kind, at)
    debts = None
    if missing:
        shares = (*shares, debt_share(balance.unit, missing, at))
        debts = (*balance.debts, (books.sequence + 1, missing))
    return post(
        books,
        balance,
        -units,
        memo,
        lots,
        parts=parts_of(shares, -1),
        shares=shares,
        debts=debts,
        hold=hold,
        exchange=exchange,
    )


def cover_debts(books: Books, unit: str, memo: Memo) -> tuple[Books, tuple[Entry, ...]]:
    """Pay what is owed from free lots that pay for everything, the oldest debt first.

    Each debt that is covered gets an entry of its own over zero: its parts say which lots paid,
    and it corrects the entry that went below zero. A lot that is set apart for some kinds of
    charges covers nothing.
    """
    entries: list[Entry] = []
    balance = books.balances[unit]
    at = memo.effective_at
    while balance.debts:
        (number, owed), *others = balance.debts
        payers = [lot for lot in balance.lots if not lot.pays_for]
        burned = _lots.burn(payers, owed, ChargeKind.OTHER, at)
        paid = owed - burned.missing
        if not paid:
            break
        left = ((number, burned.missing),) if burned.missing else ()
        after = {lot.number: lot for lot in burned.lots}
        done = post(
            books,
            balance,
            0,
            memo.of(EntryKind.COVERAGE, "covers what was owed"),
            tuple(after.get(lot.number, lot) for lot in balance.lots),
            parts=(*parts_of(burned.shares, -1), (DEBT, paid)),
            debts=(*left, *others),
            corrects=number,
        )
        entries.append(done.entry)
        books = done.books
        balance = books.balances[unit]
    return books, tuple(entries)


def take_from(
    books: Books, balance: Balance, lot: Lot | None, units: int, memo: Memo, *, corrects: int
) -> Posted:
    """Take ``units`` back that a credit brought: its lot first, then any other, then below zero.

    The lot may be spent and not among those of the balance; with None it is not known any more.
    """
    own = 0 if lot is None else min(units, lot.free)
    lots = balance.lots
    if lot is not None:
        lots = _lots.insert(lots, lot.left_with(lot.remaining - own))
    rest = _lots.burn(lots, units - own, ChargeKind.OTHER, memo.effective_at)
    parts = [(corrects, -own)] if own else []
    parts += [(share.lot.number, -share.units) for share in rest.shares]
    debts = balance.debts
    if rest.missing:
        parts.append((DEBT, -rest.missing))
        debts = (*debts, (books.sequence + 1, rest.missing))
    return post(
        books,
        balance,
        -units,
        memo,
        rest.lots,
        parts=tuple(parts),
        debts=debts,
        corrects=corrects,
    )


def break_off(books: Books, lot: Lot, at: datetime, recorded_at: datetime) -> Posted:
    """Post as breakage, as of ``at``, what is free in a lot that has expired."""
    balance = books.balances[lot.unit]
    memo = Memo(EntryKind.BREAKAGE, at, recorded_at, "lot expired", lot.source)
    after = _lots.insert(balance.lots, lot.left_with(lot.pinned))
    return post(books, balance, -lot.free, memo, after, parts=((lot.number, -lot.free),))


def short_of(
    account: str, balance: Balance, units: int, kind: ChargeKind, at: datetime
) -> InsufficientFunds:
    """Build the refusal of a debit or a hold: what was asked, what there is, what could be done."""
    available = max(balance.available(kind, at), 0)
    return InsufficientFunds(
        account,
        balance.unit,
        balance.text(units),
        balance.text(available),
        balance.text(units - available),
        _remedy(balance, kind, at, available),
    )


def _remedy(balance: Balance, kind: ChargeKind, at: datetime, available: int) -> str:
    if balance.state is BalanceState.FROZEN:
        return "the balance is frozen: unfreeze it and retry with a new key"
    if balance.state is BalanceState.CLOSED:
        return "the balance is closed: reopen it, or pay from another"
    ways = ["top up and retry with a new key"]
    if available:
        ways.append(f"take {balance.text(available)} as a partial debit")
    if balance.held:
        ways.append(f"release some of the {balance.text(balance.held)} that is held")
    apart = _lots.burnable(balance.lots, None, at) - _lots.burnable(balance.lots, kind, at)
    if apart:
        ways.append(f"{balance.text(apart)} is set apart for other charges than {kind}")
    return "; ".join(ways)
