"""Lots: where money or prepaid units came from, what they may pay for, when they expire.

Owns the burn order and the arithmetic of burning and giving back.
Does not own balances or entries: :mod:`monochat_billing.balance` posts what is decided here.

Amounts are integers in the smallest unit of the balance that holds the lot (micro-units for a
scale of six), so no operation in this module can round.
"""

import enum
from bisect import insort
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final, final

import attrs

from monochat_billing.makers import maker_of

__all__ = [
    "DEBT",
    "DEFAULT_PRIORITY",
    "Burn",
    "ChargeKind",
    "Lot",
    "LotOrigin",
    "Share",
    "burn",
    "burnable",
    "debt_share",
    "in_burn_order",
    "insert",
    "make_lot",
    "pin",
    "restore",
    "spend",
    "spend_pinned",
    "unpin",
]

DEBT: Final = 0
"""The number that stands for *no lot*: what was taken on credit, below zero."""

DEFAULT_PRIORITY = 100
"""Priority of a lot that nobody ranked; lower burns first."""


class ChargeKind(enum.StrEnum):
    """Name what a debit pays for, so that a lot can say which kinds it accepts.

    >>> from monochat_billing.money import money
    >>> from monochat_billing.testing.workbench import Workbench
    >>> bench = Workbench()
    >>> account = bench.open("acme", money("5000", "TRY"))
    >>> balance = bench.billing.balances.list("acme")["TRY"]
    >>> balance.available(ChargeKind.MESSAGE, bench.clock())
    5000000000
    """

    PLAN = "PLAN"
    SUPPORT = "SUPPORT"
    MESSAGE = "MESSAGE"
    USAGE = "USAGE"
    PACK = "PACK"
    OTHER = "OTHER"


class LotOrigin(enum.StrEnum):
    """Name where the money or the units of a lot came from.

    >>> from monochat_billing.money import money
    >>> from monochat_billing.testing.workbench import Workbench
    >>> bench = Workbench()
    >>> account = bench.open("acme", money("5000", "TRY"))
    >>> [lot.origin.value for lot in bench.billing.balances.list("acme")["TRY"].lots]
    ['PAID']
    """

    PAID = "PAID"
    PROMOTIONAL = "PROMOTIONAL"
    PACK = "PACK"
    ALLOWANCE = "ALLOWANCE"


@final
@attrs.frozen
class Lot:
    """Hold what remains of one credit.

    ``number`` is the account-wide number of the entry that granted the lot, so a lot needs no id
    of its own. ``granted`` and ``remaining`` are integers in the balance's smallest unit with
    ``0 <= pinned <= remaining <= granted``. The lot can be burned from ``effective_at`` (from
    ``granted_at`` where it is None) until ``expires_at``, which is exclusive; without it the lot
    never expires. ``pays_for`` is empty when it pays for everything. ``source`` names what made
    it, for example a top-up's id.

    ``pinned`` is the part of ``remaining`` that open holds have set aside: nobody else can burn
    it, and it does not expire. ``waiting`` is true until the lot's start has been noted.

    >>> from monochat_billing.money import money
    >>> from monochat_billing.testing.workbench import Workbench
    >>> bench = Workbench()
    >>> account = bench.open("acme", money("5000", "TRY"))
    >>> (lot,) = bench.billing.balances.list("acme")["TRY"].lots
    >>> lot.number, lot.origin.value, lot.remaining, lot.expires_at
    (1, 'PAID', 5000000000, None)
    """

    number: int
    unit: str
    origin: LotOrigin
    granted: int
    remaining: int
    granted_at: datetime
    expires_at: datetime | None = None
    pays_for: frozenset[ChargeKind] = frozenset()
    priority: int = DEFAULT_PRIORITY
    source: str = ""
    effective_at: datetime | None = None
    waiting: bool = False
    pinned: int = 0

    @property
    def free(self) -> int:
        """Give what remains and is not set aside by a hold."""
        return self.remaining - self.pinned

    def pays(self, kind: ChargeKind, at: datetime) -> bool:
        """Tell whether this lot may pay for ``kind`` at ``at``; how much is another question."""
        return (not self.pays_for or kind in self.pays_for) and self.live(at)

    def accepts(self, kind: ChargeKind) -> bool:
        """Tell whether this lot may pay for ``kind``."""
        return not self.pays_for or kind in self.pays_for

    def expired(self, at: datetime) -> bool:
        """Tell whether the lot can no longer be burned at ``at`` (its end is exclusive)."""
        return self.expires_at is not None and self.expires_at <= at

    def live(self, at: datetime) -> bool:
        """Tell whether the lot has begun by ``at`` and has not expired."""
        return (self.expires_at is None or self.expires_at > at) and (
            self.effective_at is None or self.effective_at <= at
        )

    def left_with(self, remaining: int, pinned: int | None = None) -> "Lot":
        """Return the same lot with another remainder, and another part of it pinned if given.

        ``0 <= pinned <= remaining <= granted`` is the caller's to keep.
        """
        return make_lot(
            self.number,
            self.unit,
            self.origin,
            self.granted,
            remaining,
            self.granted_at,
            self.expires_at,
            self.pays_for,
            self.priority,
            self.source,
            self.effective_at,
            self.waiting,
            self.pinned if pinned is None else pinned,
        )

    def begun(self) -> "Lot":
        """Return the lot with its start noted."""
        return attrs.evolve(self, waiting=False)


make_lot: Final = maker_of(Lot)
"""Build a lot, quickly."""


@final
@attrs.frozen
class Share:
    """Say how many units one lot paid; ``lot`` is the lot as it stood before it paid.

    The lot with the number :data:`DEBT` is none: these units were taken on credit.
    """

    lot: Lot
    units: int


@final
@attrs.frozen
class Burn:
    """Tell what a burn did: the lots after it, who paid what, and what nobody could pay."""

    lots: tuple[Lot, ...]
    shares: tuple[Share, ...]
    missing: int


_make_share: Final = maker_of(Share)
_make_burn: Final = maker_of(Burn)


def _burn_key(lot: Lot) -> tuple[int, bool, datetime, datetime, int]:
    """Order lots by priority, earliest expiry (never comes last), earliest grant, number."""
    return (
        lot.priority,
        lot.expires_at is None,
        lot.expires_at or lot.granted_at,
        lot.granted_at,
        lot.number,
    )


def insert(lots: Iterable[Lot], lot: Lot) -> tuple[Lot, ...]:
    """Return ``lots``, which are in burn order, with ``lot`` put in its place.

    A lot of the same number is replaced.
    """
    ordered = [other for other in lots if other.number != lot.number]
    insort(ordered, lot, key=_burn_key)
    return tuple(ordered)


def in_burn_order(lots: Iterable[Lot]) -> tuple[Lot, ...]:
    """Return ``lots``, each of another number, in the order in which a charge burns them.

    It is what :func:`insert` makes of them one by one, at the cost of a sort.
    """
    return tuple(sorted(lots, key=_burn_key))


def burnable(lots: Iterable[Lot], kind: ChargeKind | None, at: datetime) -> int:
    """Sum what ``lots`` can pay at ``at`` for ``kind``, or for whatever they accept when None."""
    return sum(
        lot.remaining - lot.pinned
        for lot in lots
        if lot.remaining > lot.pinned and lot.live(at) and (kind is None or lot.accepts(kind))
    )


def burn(lots: Sequence[Lot], units: int, kind: ChargeKind, at: datetime) -> Burn:
    """Take ``units`` (zero or more) from what is free in ``lots``, in burn order.

    The lots must already be in burn order. A lot that is spent stays in the result with nothing
    remaining, so that its change can be stored. What could not be paid is ``missing``; a caller
    that accepts no part payment discards the result when it is above zero.

    >>> from datetime import UTC, datetime
    >>> t = datetime(2026, 10, 1, tzinfo=UTC)
    >>> old = Lot(1, "TRY", LotOrigin.PAID, 100, 100, t)
    >>> new = Lot(2, "TRY", LotOrigin.PAID, 100, 100, t)
    >>> done = burn((old, new), 130, ChargeKind.PLAN, t)
    >>> [(share.lot.number, share.units) for share in done.shares], done.missing
    ([(1, 100), (2, 30)], 0)
    """
    return _make_burn(*spend(lots, units, kind, at))


def spend(
    lots: Sequence[Lot], units: int, kind: ChargeKind, at: datetime
) -> tuple[tuple[Lot, ...], tuple[Share, ...], int]:
    """Do what :func:`burn` does, and give the fields of its result."""
    missing = units
    shares: list[Share] = []
    after = list(lots)
    for place, lot in enumerate(lots):
        if not missing:
            break
        free = lot.remaining - lot.pinned
        if free and lot.pays(kind, at):
            taken = min(free, missing)
            missing -= taken
            shares.append(_make_share(lot, taken))
            after[place] = lot.left_with(lot.remaining - taken)
    return tuple(after), tuple(shares), missing


def pin(lots: Sequence[Lot], units: int, kind: ChargeKind, at: datetime) -> Burn:
    """Set ``units`` aside in the lots that a debit of ``kind`` would burn, in burn order.

    Nothing leaves a lot. What could not be set aside is ``missing``.
    """
    _, shares, missing = spend(lots, units, kind, at)
    aside = {share.lot.number: share.units for share in shares}
    after = tuple(
        lot
        if lot.number not in aside
        else lot.left_with(lot.remaining, lot.pinned + aside[lot.number])
        for lot in lots
    )
    return _make_burn(after, shares, missing)


def unpin(lots: Iterable[Lot], pins: Iterable[tuple[int, int]]) -> tuple[Lot, ...]:
    """Free what was pinned, given as (lot number, units); it remains in its lots."""
    freed = dict(pins)
    return tuple(
        lot
        if lot.number not in freed
        else lot.left_with(lot.remaining, lot.pinned - freed[lot.number])
        for lot in lots
    )


def spend_pinned(lots: Iterable[Lot], pins: Iterable[tuple[int, int]]) -> tuple[Lot, ...]:
    """Take what was pinned, given as (lot number, units), out of its lots."""
    spent = dict(pins)
    return tuple(
        lot
        if lot.number not in spent
        else lot.left_with(lot.remaining - spent[lot.number], lot.pinned - spent[lot.number])
        for lot in lots
    )


def debt_share(unit: str, units: int, at: datetime) -> Share:
    """Say that ``units`` were taken on credit and no lot has paid them."""
    return Share(Lot(DEBT, unit, LotOrigin.PAID, units, units, at), units)


def restore(lots: Sequence[Lot], shares: Sequence[Share], units: int, at: datetime) -> Burn:
    """Give ``units`` back to the lots that paid, the last that paid first.

    ``shares`` says who paid how much, in the order they paid; no lot gets back more than it paid.
    A lot that was spent comes back to life, and a share that was taken on credit is returned as
    such. What cannot go back, because its lot has expired by ``at`` or because ``units`` exceeds
    what the shares paid, is ``missing``: the caller books it as breakage.
    """
    unplaced = units
    missing = 0
    given: list[Share] = []
    after = tuple(lots)
    for share in reversed(shares):
        back = min(unplaced, share.units)
        if not back:
            continue
        unplaced -= back
        if share.lot.number == DEBT:
            given.append(Share(share.lot, back))
            continue
        if share.lot.expired(at):
            missing += back
            continue
        lot = next((one for one in after if one.number == share.lot.number), None)
        lot = lot or share.lot.left_with(0, 0)
        given.append(Share(lot, back))
        after = insert(after, lot.left_with(lot.remaining + back))
    return Burn(after, tuple(given), missing + unplaced)
