"""Holds: money or units set aside for what is about to happen, then taken or freed.

Owns the hold as a value, its state table, and what placing, extending, capturing, releasing and
expiring do to the books.
Does not own when a hold is due (:mod:`monochat_billing.scheduling`) or what is held for.

The state table, drawn from :data:`HOLD_MOVES`::

    OPEN   extend → OPEN      capture → OPEN     settle → CAPTURED
           release → RELEASED   expire → EXPIRED

The other three states are final: what is left of a hold is resolved once. A capture that leaves
nothing settles it.

A hold *pins* the lots that a debit of its kind would have burned: what is pinned pays for nothing
else and does not expire while the hold is open. What it holds beyond the lots is on credit, within
the balance's limit. So a capture can always be paid, whatever has happened since.
"""

import enum
from collections.abc import Mapping
from datetime import datetime
from typing import Final, final

import attrs

from monochat_billing import lots as _lots
from monochat_billing.books import (
    Books,
    break_off,
    cover_debts,
    post,
    short_of,
    take,
)
from monochat_billing.entries import DebitMode, Entry, EntryKind, Memo
from monochat_billing.errors import IllegalTransition, InvalidInput
from monochat_billing.lots import DEBT
from monochat_billing.units import Amount, amount_in, plain_text

__all__ = [
    "HOLD_MOVES",
    "Held",
    "Hold",
    "HoldMove",
    "HoldState",
    "Rest",
    "capture_hold",
    "draw_hold",
    "expire_hold",
    "extend_hold",
    "place_hold",
    "release_hold",
]


class HoldState(enum.StrEnum):
    """Name what a hold is now.

    >>> from monochat_billing.money import money
    >>> from monochat_billing.testing.workbench import Workbench
    >>> bench = Workbench()
    >>> account = bench.open("acme", money("5000", "TRY"))
    >>> hold = bench.billing.holds.place("acme", money("30", "TRY"), reason="export", key="hold")
    >>> print(bench.billing.holds.release("acme", hold.id, key="k").hold.state)
    RELEASED
    """

    OPEN = "OPEN"
    CAPTURED = "CAPTURED"
    RELEASED = "RELEASED"
    EXPIRED = "EXPIRED"


class HoldMove(enum.StrEnum):
    """Name what can happen to a hold."""

    EXTEND = "extend"
    CAPTURE = "capture"
    SETTLE = "settle"
    RELEASE = "release"
    EXPIRE = "expire"


HOLD_MOVES: Final[Mapping[tuple[HoldState, HoldMove], HoldState]] = {
    (HoldState.OPEN, HoldMove.EXTEND): HoldState.OPEN,
    (HoldState.OPEN, HoldMove.CAPTURE): HoldState.OPEN,
    (HoldState.OPEN, HoldMove.SETTLE): HoldState.CAPTURED,
    (HoldState.OPEN, HoldMove.RELEASE): HoldState.RELEASED,
    (HoldState.OPEN, HoldMove.EXPIRE): HoldState.EXPIRED,
}
"""Every legal move; whatever is not here raises and changes nothing."""


class Rest(enum.StrEnum):
    """Name what happens to what a capture leaves: kept for further captures, or released.

    >>> from monochat_billing.money import money
    >>> from monochat_billing.testing.workbench import Workbench
    >>> bench = Workbench()
    >>> account = bench.open("acme", money("5000", "TRY"))
    >>> hold = bench.billing.holds.place("acme", money("30", "TRY"), reason="export", key="hold")
    >>> done = bench.billing.holds.capture(
    ...     "acme", hold.id, amount=money("12.50", "TRY"), rest=Rest.RELEASE, key="done"
    ... )
    >>> print(done.hold.state)
    CAPTURED
    """

    KEEP = "KEEP"
    RELEASE = "RELEASE"


@final
@attrs.frozen(kw_only=True)
class Hold:
    """Record what was set aside, and what became of it.

    Amounts are integers in the balance's smallest unit: ``placed`` in all, extensions among them,
    of which ``captured`` was taken from the hold and ``left`` is still set aside. ``left`` is the
    sum of ``pins``, as (lot number, units) in burn order, and of ``on_credit``. What is neither
    left nor captured was freed. ``kind`` is the kind of entry that a capture posts. ``expires_at``
    is exclusive, None for a hold that waits for ever; ``resolved_at`` is when it left OPEN.

    >>> from monochat_billing.money import money
    >>> from monochat_billing.testing.workbench import Workbench
    >>> bench = Workbench()
    >>> account = bench.open("acme", money("5000", "TRY"))
    >>> print(bench.billing.holds.place("acme", money("30", "TRY"), reason="export", key="hold"))
    hold id-1: 30 TRY left, OPEN
    """

    id: str
    account: str
    unit: str
    scale: int
    kind: EntryKind
    placed: int
    left: int
    pins: tuple[tuple[int, int], ...]
    on_credit: int
    placed_at: datetime
    expires_at: datetime | None
    reason: str
    reference: str = ""
    actor: str = ""
    captured: int = 0
    state: HoldState = HoldState.OPEN
    resolved_at: datetime | None = None

    @property
    def open(self) -> bool:
        """Tell whether something may still be captured."""
        return self.state is HoldState.OPEN

    @property
    def left_value(self) -> Amount:
        """Give what is still set aside as money, or as units."""
        return amount_in(self.unit, self.scale, self.left)

    def require(self, move: HoldMove) -> HoldState:
        """Give the state that ``move`` leads to.

        Raises:
            IllegalTransition: the state table has no such move.
        """
        state = HOLD_MOVES.get((self.state, move))
        if state is None:
            raise IllegalTransition("hold", self.id, self.state, move)
        return state

    def less(self, pins: tuple[tuple[int, int], ...], on_credit: int) -> "Hold":
        """Return the hold with that much less set aside."""
        gone = dict(pins)
        kept = [(lot, units - gone.get(lot, 0)) for lot, units in self.pins]
        return attrs.evolve(
            self,
            left=self.left - sum(gone.values()) - on_credit,
            pins=tuple((lot, units) for lot, units in kept if units),
            on_credit=self.on_credit - on_credit,
        )

    def __str__(self) -> str:
        return f"hold {self.id}: {plain_text(self.left_value)} {self.unit} left, {self.state}"


@final
@attrs.frozen
class Held:
    """Return the books and the hold after a move, and what was posted.

    Of a capture ``entry`` is what came from the hold and ``excess`` the forced debit of what was
    asked above it; ``more`` are the entries that followed: debts covered, credit that expired.
    """

    books: Books
    hold: Hold
    entry: Entry | None = None
    excess: Entry | None = None
    more: tuple[Entry, ...] = ()

    @property
    def entries(self) -> tuple[Entry, ...]:
        """Give everything that was posted, by number."""
        return tuple(one for one in (self.entry, self.excess) if one is not None) + self.more


def _check_expiry(expires_at: datetime | None, at: datetime) -> None:
    if expires_at is not None and expires_at <= at:
        raise InvalidInput(
            "expires_at", expires_at.isoformat(), "is not ahead", "pass a later instant, or None"
        )


def _pinned(
    books: Books, unit: str, units: int, kind: EntryKind, at: datetime
) -> tuple[Books, tuple[tuple[int, int], ...], int]:
    """Set ``units`` aside: the books after it, the pins, and what is on credit."""
    balance = books.balance(unit)
    charge = kind.pays_for
    if units > balance.available(charge, at):
        raise short_of(books.account, balance, units, charge, at)
    pinned = _lots.pin(balance.lots, units, charge, at)
    after = balance.with_lots(pinned.lots, balance.held + units)
    pins = tuple((share.lot.number, share.units) for share in pinned.shares)
    return books.with_balance(after), pins, pinned.missing


def place_hold(
    books: Books, amount: Amount, memo: Memo, *, hold_id: str, expires_at: datetime | None
) -> Held:
    """Set ``amount`` aside for a charge of ``memo.kind``, in full or not at all.

    Nothing is posted: the balance keeps its money, and less of it is available.

    Raises:
        InsufficientFunds: less is available for this kind of charge; nothing has changed.
        InvalidInput: the amount is not above zero or too precise, or the expiry is not ahead.
        UnknownName: the account has no balance in that unit.

    >>> from datetime import UTC, datetime
    >>> from monochat_billing.balance import credit, open_balance
    >>> from monochat_billing.lots import ChargeKind
    >>> from monochat_billing.money import money
    >>> t = datetime(2026, 10, 1, tzinfo=UTC)
    >>> books = open_balance(Books("acme"), "TRY")
    >>> books = credit(books, money("100", "TRY"), Memo(EntryKind.TOP_UP, t, t)).books
    >>> batch = Memo(EntryKind.MESSAGE_FEE, t, t, "campaign 7")
    >>> held = place_hold(books, money("30", "TRY"), batch, hold_id="h-1", expires_at=None)
    >>> balance = held.books.balance("TRY")
    >>> balance.text(balance.posted), balance.text(balance.available(ChargeKind.PLAN, t))
    ('100', '70')
    >>> held = capture_hold(held.books, held.hold, money("12", "TRY"), batch, Rest.RELEASE)
    >>> print(held.entry)
    #2 2026-10-01 00:00Z MESSAGE_FEE -12 TRY → 88 campaign 7
    >>> print(held.hold)
    hold h-1: 0 TRY left, CAPTURED
    """
    at = memo.effective_at
    balance = books.of(amount)
    units = balance.units(amount)
    _check_expiry(expires_at, at)
    after, pins, on_credit = _pinned(books, balance.unit, units, memo.kind, at)
    hold = Hold(
        id=hold_id,
        account=books.account,
        unit=balance.unit,
        scale=balance.scale,
        kind=memo.kind,
        placed=units,
        left=units,
        pins=pins,
        on_credit=on_credit,
        placed_at=at,
        expires_at=expires_at,
        reason=memo.reason,
        reference=memo.reference,
        actor=memo.actor,
    )
    return Held(after, hold)


def extend_hold(
    books: Books,
    hold: Hold,
    at: datetime,
    *,
    more: Amount | None = None,
    expires_at: datetime | None = None,
) -> Held:
    """Set ``more`` aside in an open hold, let it wait until ``expires_at``, or both.

    Raises:
        IllegalTransition: the hold is resolved.
        InsufficientFunds: less than ``more`` is available; nothing has changed.
        InvalidInput: nothing is extended, ``more`` is not above zero or of another unit, or the
            expiry is not ahead.
    """
    hold.require(HoldMove.EXTEND)
    if more is None and expires_at is None:
        raise InvalidInput("more", None, "extends nothing", "pass more, expires_at, or both")
    _check_expiry(expires_at, at)
    until = expires_at or hold.expires_at
    if more is None:
        return Held(books, attrs.evolve(hold, expires_at=until))
    units = books.balance(hold.unit).units(more, field="more")
    after, pins, on_credit = _pinned(books, hold.unit, units, hold.kind, at)
    merged = dict(hold.pins)
    for lot, pinned in pins:
        merged[lot] = merged.get(lot, 0) + pinned
    extended = attrs.evolve(
        hold,
        placed=hold.placed + units,
        left=hold.left + units,
        pins=tuple(merged.items()),
        on_credit=hold.on_credit + on_credit,
        expires_at=until,
    )
    return Held(after, extended)


def capture_hold(
    books: Books, hold: Hold, amount: Amount | None, memo: Memo, rest: Rest = Rest.KEEP
) -> Held:
    """Take ``amount`` out of an open hold, or all that is left for None.

    What the hold does not have is a second, forced debit: it has happened already. With KEEP the
    rest waits for further captures, with RELEASE it is freed; a capture that leaves nothing
    settles the hold either way. The entries are of the hold's kind, whatever ``memo`` says.

    Raises:
        IllegalTransition: the hold is resolved; debit by force what came too late.
        InvalidInput: the amount is not above zero, too precise, or of another unit.
    """
    hold.require(HoldMove.CAPTURE)
    memo = memo.of(hold.kind)
    balance = books.balance(hold.unit)
    units = hold.left if amount is None else balance.units(amount)
    pins, on_credit = _from_hold(hold, min(units, hold.left))
    taken = sum(pinned for _, pinned in pins) + on_credit
    number = books.sequence + 1
    on_debt = ((DEBT, -on_credit),) if on_credit else ()
    done = post(
        books,
        balance,
        -taken,
        memo,
        _lots.spend_pinned(balance.lots, pins),
        parts=(*((lot, -pinned) for lot, pinned in pins), *on_debt),
        debts=(*balance.debts, (number, on_credit)) if on_credit else None,
        held=balance.held - taken,
        hold=hold.id,
    )
    books, entry = done.books, done.entry
    hold = attrs.evolve(hold.less(pins, on_credit), captured=hold.captured + taken)
    excess: Entry | None = None
    if units > taken:
        forced = take(
            books,
            books.balance(hold.unit),
            units - taken,
            memo,
            DebitMode.FORCED,
            hold=hold.id,
        )
        books, excess = forced.books, forced.entry
    if not hold.left:
        settled = _resolved(hold, HoldMove.SETTLE, memo.effective_at)
        return _tidy(Held(books, settled, entry, excess), memo)
    if rest is Rest.KEEP:
        return _tidy(Held(books, hold, entry, excess), memo)
    freed = _freed(books, hold, HoldMove.SETTLE, memo)
    return Held(freed.books, freed.hold, entry, excess, freed.more)


def release_hold(books: Books, hold: Hold, memo: Memo) -> Held:
    """Free all that is left of an open hold.

    What came from a lot that has expired meanwhile is breakage at once.

    Raises:
        IllegalTransition: the hold is resolved.
    """
    return _freed(books, hold, HoldMove.RELEASE, memo)


def draw_hold(books: Books, hold: Hold, units: int, at: datetime) -> Held:
    """Free ``units`` of what is left, for what takes them at once: no debt is covered with them.

    With nothing left the hold is released.

    Raises:
        IllegalTransition: the hold is resolved.
    """
    hold.require(HoldMove.RELEASE)
    pins, on_credit = _from_hold(hold, min(units, hold.left))
    balance = books.balance(hold.unit)
    less = hold.less(pins, on_credit)
    after = balance.with_lots(_lots.unpin(balance.lots, pins), balance.held - hold.left + less.left)
    if not less.left:
        less = _resolved(less, HoldMove.RELEASE, at)
    return Held(books.with_balance(after), less)


def expire_hold(books: Books, hold: Hold, recorded_at: datetime) -> Held:
    """Free all that is left of a hold, as of the instant at which its time is over.

    Raises:
        IllegalTransition: the hold is resolved.
    """
    at = hold.expires_at or recorded_at
    return _freed(books, hold, HoldMove.EXPIRE, Memo(hold.kind, at, recorded_at, "hold expired"))


def _from_hold(hold: Hold, units: int) -> tuple[tuple[tuple[int, int], ...], int]:
    """Choose ``units`` from what a hold has: its pins in burn order, then its credit."""
    missing = units
    pins: list[tuple[int, int]] = []
    for lot, pinned in hold.pins:
        taken = min(missing, pinned)
        if taken:
            pins.append((lot, taken))
            missing -= taken
    return tuple(pins), missing


def _resolved(hold: Hold, move: HoldMove, at: datetime) -> Hold:
    return attrs.evolve(hold, state=hold.require(move), resolved_at=at)


def _freed(books: Books, hold: Hold, move: HoldMove, memo: Memo) -> Held:
    resolved = _resolved(hold, move, memo.effective_at)
    balance = books.balance(hold.unit)
    lots = _lots.unpin(balance.lots, hold.pins)
    books = books.with_balance(balance.with_lots(lots, balance.held - hold.left))
    empty = attrs.evolve(resolved, left=0, pins=(), on_credit=0)
    return _tidy(Held(books, empty), memo)


def _tidy(held: Held, memo: Memo) -> Held:
    """Post what follows from a move: freed credit that has expired, debts that can be covered."""
    books, unit = held.books, held.hold.unit
    more: list[Entry] = []
    for lot in books.balances[unit].lots:
        if lot.free and lot.expired(memo.effective_at):
            gone = break_off(books, lot, memo.effective_at, memo.recorded_at)
            books = gone.books
            more.append(gone.entry)
    books, covered = cover_debts(books, unit, memo)
    return attrs.evolve(held, books=books, more=(*held.more, *more, *covered))
