"""Packs: prepaid units that are bought once, used up before money, and given back by policy.

Owns the purchase, what of a pack is left, burned and lost, and the refund of its rest.
Does not own what a pack brings (:mod:`monochat_billing.products`), the burn order
(:mod:`monochat_billing.lots`) or the usage that burns it.

A pack is a lot of units with the origin PACK. Usage burns it with all other lots of its meter, the
earliest expiry first; what is left when it expires is breakage.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import final

import attrs

from monochat_billing.balance import (
    Books,
    Entry,
    EntryKind,
    Memo,
    Terms,
    credit,
    debit,
    give_back,
    open_balance,
)
from monochat_billing.corrections import void
from monochat_billing.errors import IllegalTransition
from monochat_billing.lots import Lot, LotOrigin, Share
from monochat_billing.money import Money, amount_text, from_units, minor_digits, to_units
from monochat_billing.pack_terms import RefundBasis, RefundPolicy
from monochat_billing.periods import BillingAnchor
from monochat_billing.products import Grant, OneOff
from monochat_billing.readings import Movement
from monochat_billing.rounding import HALF_UP, round_ratio
from monochat_billing.tax import Pricing, Tax, TaxLine, credit_line
from monochat_billing.units import Units

__all__ = [
    "Bought",
    "PackHolding",
    "PackPurchase",
    "PackRefund",
    "Refunded",
    "buy_pack",
    "holdings",
    "refund_pack",
]


@final
@attrs.frozen(kw_only=True)
class PackPurchase:
    """Record what was bought: the units, what was taken for them with its tax, and until when.

    ``id`` is the key of the purchase, ``entry`` the debit, ``lot`` the lot of ``units``.
    ``amount`` is gross: what left the balance. ``refund`` is the policy of that day.

    >>> from monochat_billing.money import money
    >>> from monochat_billing.testing.workbench import Workbench
    >>> bench = Workbench()
    >>> account = bench.open("acme", money("5000", "TRY"))
    >>> print(bench.billing.packs.buy("acme", "messages-5k", key="k"))
    1 x messages-5k: 5000 monochat.message for 600 TRY (net 500, tax 100), until 2027-10-05
    """

    id: str
    account: str
    pack: str
    quantity: int
    units: Units
    amount: Money
    tax: TaxLine | None
    entry: int | None
    lot: int
    bought_at: datetime
    expires_at: datetime | None
    refund: RefundPolicy
    refundable_until: datetime | None
    shares: tuple[Share, ...] = ()

    def __str__(self) -> str:
        split = ""
        if self.tax is not None:
            split = f" (net {amount_text(self.tax.net)}, tax {amount_text(self.tax.tax)})"
        code = self.amount.currency.code
        until = f", until {self.expires_at:%Y-%m-%d}" if self.expires_at else ""
        return (
            f"{self.quantity} x {self.pack}: {self.units} for {amount_text(self.amount)} "
            f"{code}{split}{until}"
        )


@final
@attrs.frozen(kw_only=True)
class Bought:
    """Return the books after a purchase."""

    books: Books
    purchase: PackPurchase
    entries: tuple[Entry, ...]


@final
@attrs.frozen(kw_only=True)
class PackRefund:
    """Tell what was given back of a pack: the units that went, and the money that came.

    ``amount`` is gross, and negative in its ``tax``. It is less than the units' part where a lot
    that paid for the pack has expired meanwhile: that part is breakage.

    >>> from monochat_billing.money import money
    >>> units = Units(1500, "monochat.message")
    >>> print(PackRefund(purchase="pack-1", units=units, amount=money("180", "TRY")))
    1500 monochat.message back for 180 TRY
    """

    purchase: str
    units: Units
    amount: Money
    tax: TaxLine | None = None
    entries: tuple[int, ...] = ()

    def __str__(self) -> str:
        return f"{self.units} back for {amount_text(self.amount)} {self.amount.currency.code}"


@final
@attrs.frozen(kw_only=True)
class Refunded:
    """Return the books after a refund."""

    books: Books
    refund: PackRefund
    entries: tuple[Entry, ...]


@final
@attrs.frozen(kw_only=True)
class PackHolding:
    """Say how a pack stands: what it had, what is left, what was burned and what was lost.

    ``units = remaining + burned + lost``; lost is what expired or was given back. ``purchase`` is
    None where the lot was granted without one.

    >>> from monochat_billing.money import money
    >>> from monochat_billing.testing.workbench import Workbench
    >>> bench = Workbench()
    >>> account = bench.open("acme", money("5000", "TRY"))
    >>> bought = bench.billing.packs.buy("acme", "messages-5k", key="k")
    >>> print(*bench.billing.packs.list("acme"))
    lot 3: 5000 of 5000 monochat.message left, until 2027-10-05 06:00Z
    """

    lot: int
    unit: str
    bought_at: datetime
    expires_at: datetime | None
    units: int
    remaining: int
    burned: int
    lost: int
    purchase: PackPurchase | None = None

    def __str__(self) -> str:
        until = f", until {self.expires_at:%Y-%m-%d %H:%M}Z" if self.expires_at else ""
        return f"lot {self.lot}: {self.remaining} of {self.units} {self.unit} left{until}"

    @property
    def name(self) -> str:
        """Give the id of the pack, or that of its meter where nobody bought it."""
        return self.purchase.pack if self.purchase else self.unit


def buy_pack(
    books: Books,
    pack: OneOff,
    grant: Grant,
    *,
    purchase_id: str,
    quantity: int,
    currency: str,
    tax: Tax | None,
    zone: str,
    memo: Memo,
) -> Bought:
    """Take the price of ``quantity`` packs from the balance, and grant their units as one lot.

    Raises:
        InsufficientFunds: the balance does not cover it; nothing has changed.
        InvalidInput: so many are not sold at once.
        UnknownName: the pack is not sold in the currency, or the account has no such balance.

    >>> from datetime import UTC
    >>> from monochat_billing.catalog_samples import sample_catalog
    >>> from monochat_billing.money import money
    >>> t = datetime(2026, 10, 5, tzinfo=UTC)
    >>> books = open_balance(Books("acme"), "TRY")
    >>> books = credit(books, money("9000", "TRY"), Memo(EntryKind.TOP_UP, t, t)).books
    >>> pack = sample_catalog().one_off("messages-5k")
    >>> done = buy_pack(
    ...     books, pack, pack.grant, purchase_id="p-1", quantity=2, currency="TRY", tax=None,
    ...     zone="Europe/Istanbul", memo=Memo(EntryKind.PACK_FEE, t, t),
    ... )
    >>> print(done.purchase)
    2 x messages-5k: 10000 monochat.message for 1200 TRY, until 2027-10-05
    """
    at = memo.effective_at
    price = pack.price(currency, at).times(quantity)
    split = tax.on(price) if tax is not None and price.amount else None
    gross = price if split is None else split.gross
    many = f"{quantity} x " if quantity != 1 else ""
    memo = attrs.evolve(memo, reason=f"{many}{pack.id}", reference=purchase_id)
    shares: tuple[Share, ...] = ()
    entries: tuple[Entry, ...] = ()
    paid: int | None = None
    if gross.amount:
        posted = debit(books, gross, memo.of(EntryKind.PACK_FEE))
        books, shares, entries, paid = (
            posted.books,
            posted.shares,
            posted.entries,
            posted.entry.number,
        )
    units = Units(grant.units * quantity, grant.meter)
    valid = grant.valid_for
    expires_at = None if valid is None else BillingAnchor.at(at, zone).bound(valid, 1)
    terms = Terms(origin=LotOrigin.PACK, expires_at=expires_at)
    granted = credit(
        open_balance(books, units.unit), units, memo.of(EntryKind.GRANT, memo.reason), terms
    )
    purchase = PackPurchase(
        id=purchase_id,
        account=books.account,
        pack=pack.id,
        quantity=quantity,
        units=units,
        amount=gross,
        tax=split,
        entry=paid,
        lot=granted.entry.number,
        bought_at=at,
        expires_at=expires_at,
        refund=pack.refund,
        refundable_until=pack.refund.ends_at(at, zone),
        shares=shares,
    )
    return Bought(books=granted.books, purchase=purchase, entries=(*entries, *granted.entries))


def refund_pack(books: Books, purchase: PackPurchase, memo: Memo) -> Refunded:
    """Take back what is left of a pack, and give back its part of what was really paid.

    The part is rounded half-up to the currency's minor unit and goes to the lots that paid.

    Raises:
        IllegalTransition: the policy gives nothing back, or no more; nothing is left, or an open
            hold has some of it.
    """
    lot = _refundable(books, purchase, memo.effective_at)
    left, whole = lot.free, purchase.units.count
    memo = attrs.evolve(
        memo, reason=f"{left} of {whole} unused: {purchase.pack}", reference=purchase.id
    )
    gone = void(books, lot, memo)
    units = Units(left, lot.unit)
    base = purchase.amount
    if purchase.tax is not None and purchase.tax.pricing is Pricing.EXCLUSIVE:
        base = purchase.tax.net
    part = _part(base, left, whole)
    split: TaxLine | None = None
    if purchase.tax is not None and part.amount:
        split = credit_line(purchase.tax, part)
        digits = minor_digits(part.currency)
        part = from_units(-to_units(split.gross, digits), part.currency.code, digits)
    refund = PackRefund(
        purchase=purchase.id, units=units, amount=part, tax=split, entries=(gone.entry.number,)
    )
    if not part.amount:
        return Refunded(books=gone.books, refund=refund, entries=gone.entries)
    undo = memo.of(EntryKind.REVERSAL)
    given = give_back(gone.books, part, purchase.shares, undo, purchase.entry)
    if given is None:
        nothing = attrs.evolve(refund, amount=from_units(0, part.currency.code))
        return Refunded(books=gone.books, refund=nothing, entries=gone.entries)
    entries = (*gone.entries, *given.entries)
    refund = attrs.evolve(
        refund, amount=given.entry.money, entries=tuple([one.number for one in entries])
    )
    return Refunded(books=given.books, refund=refund, entries=entries)


def _refundable(books: Books, purchase: PackPurchase, at: datetime) -> Lot:
    """Give the lot of a pack that can be given back now."""
    balance = books.balances.get(purchase.units.unit)
    found = [one for one in balance.lots if one.number == purchase.lot] if balance else []
    lot = found[0] if found else None
    state = ""
    if purchase.refund.basis is RefundBasis.NONE:
        state = "NOT REFUNDABLE"
    elif purchase.refundable_until is not None and at >= purchase.refundable_until:
        state = "PAST ITS WINDOW"
    elif lot is not None and lot.pinned:
        state = "HELD"
    if lot is None or not lot.free:
        state = state or "USED UP"
    if state or lot is None:
        raise IllegalTransition("pack", purchase.id, state, "be refunded")
    return lot


def _part(amount: Money, left: int, whole: int) -> Money:
    digits = minor_digits(amount.currency)
    units = round_ratio(to_units(amount, digits) * left, whole, HALF_UP)
    return from_units(units, amount.currency.code, digits)


def holdings(
    lots: Iterable[Lot], movements: Sequence[Movement], purchases: Mapping[str, PackPurchase]
) -> tuple[PackHolding, ...]:
    """List packs in the order in which they were bought, used up ones too.

    ``movements`` sum all entries of the packs' meters; ``purchases`` are by their ids.
    """
    lost: dict[int, int] = {}
    for one in movements:
        if one.kind in {EntryKind.BREAKAGE, EntryKind.VOID}:
            lost[one.lot] = lost.get(one.lot, 0) - one.debited - one.credited
    return tuple(
        [
            PackHolding(
                lot=lot.number,
                unit=lot.unit,
                bought_at=lot.granted_at,
                expires_at=lot.expires_at,
                units=lot.granted,
                remaining=lot.remaining,
                burned=lot.granted - lot.remaining - lost.get(lot.number, 0),
                lost=lost.get(lot.number, 0),
                purchase=purchases.get(lot.source),
            )
            for lot in sorted(lots, key=lambda one: one.number)
            if lot.origin is LotOrigin.PACK
        ]
    )
