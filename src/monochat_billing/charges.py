"""Charges: money taken for a span with its tax, and given back at what was really paid.

*Owns* the split of a charge into net and tax, what is left of it to give back, and to which lots it
goes.
*Does not own* how much is charged or credited (``proration``, ``quotes``) or when.

A price is in its own terms: gross where tax is inside, net where it comes on top. What leaves the
balance is always gross. A credit is taxed at the rate of the charge that it gives back, whatever
the rate is by then; the credits of one charge never sum to more than the charge.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final, final

import attrs

from monochat_billing.balance import Books, Entry, EntryKind, Memo, debit, give_back
from monochat_billing.events import Event
from monochat_billing.holds import Hold
from monochat_billing.lots import LotOrigin, Share
from monochat_billing.money import Money, add, money, negate, subtract, to_units
from monochat_billing.periods import BillingPeriod
from monochat_billing.plans import Family
from monochat_billing.subscriptions import Charge, Subscription
from monochat_billing.tax import Pricing, Tax, TaxLine, credit_line

__all__ = [
    "FEE_KINDS",
    "Decision",
    "Returned",
    "base_of",
    "credit_of",
    "fee_memo",
    "give_back_of",
    "gross_of",
    "left_of",
    "pay",
]

FEE_KINDS: Final = {
    Family.PLAN: EntryKind.PLAN_FEE,
    Family.SUPPORT: EntryKind.SUPPORT_FEE,
    Family.ADD_ON: EntryKind.ADD_ON_FEE,
}
"""The entry kind under which each product family is charged."""


@final
@attrs.frozen(kw_only=True)
class Decision:
    """Return what was decided on one subscription; nothing has been stored yet.

    ``holds`` are those that it has placed.
    """

    books: Books
    subscription: Subscription
    entries: tuple[Entry, ...] = ()
    events: tuple[Event, ...] = ()
    holds: tuple[Hold, ...] = ()


def fee_memo(
    subscription: Subscription, at: datetime, recorded_at: datetime, actor: str = ""
) -> Memo:
    """Say on the entry of a charge what it is for: how many of what, per which interval."""
    many = f"{subscription.quantity} x " if subscription.quantity != 1 else ""
    reason = f"{many}{subscription.product} per {subscription.price.interval}"
    kind = FEE_KINDS[subscription.family]
    return Memo(kind, at, recorded_at, reason, subscription.id, actor)


def gross_of(amount: Money, tax: Tax | None, known: TaxLine | None = None) -> TaxLine | None:
    """Split an amount in its price's terms; ``known`` is used again where it is the same split.

    Without ``tax``, and for nothing at all, there is no split.
    """
    if tax is None or not amount.amount:
        return None
    if (
        known is not None
        and known.rate == tax.rate
        and known.pricing is tax.pricing
        and known.treatment is tax.treatment
        and (known.gross if tax.pricing is Pricing.INCLUSIVE else known.net) == amount
    ):
        return known
    return tax.on(amount)


def pay(
    books: Books,
    amount: Money,
    span: BillingPeriod,
    memo: Memo,
    *,
    whole: BillingPeriod | None = None,
    split: TaxLine | None = None,
) -> tuple[Books, tuple[Entry, ...], Charge]:
    """Take ``amount`` for ``span`` of ``whole`` (the same unless given); nothing if it is zero.

    ``amount`` is in the price's terms; with a ``split`` its gross is what is taken.

    Raises:
        InsufficientFunds: the balance does not cover it; nothing has changed.
        UnknownName: the account has no balance in that currency.
    """
    gross = amount if split is None else split.gross
    if not gross.amount:
        charge = Charge(amount=gross, whole=whole or span, span=span)
        return books, (), charge
    posted = debit(books, gross, memo)
    charge = Charge(
        amount=gross,
        whole=whole or span,
        span=span,
        shares=posted.shares,
        entry=posted.entry.number,
        tax=split,
    )
    return posted.books, (posted.entry,), charge


def base_of(charge: Charge) -> Money:
    """Give what was paid in the terms of its price: net where tax came on top, else gross."""
    split = charge.tax
    if split is not None and split.pricing is Pricing.EXCLUSIVE:
        return split.net
    return charge.amount


def left_of(charge: Charge) -> Money:
    """Give what has not been given back of a charge, gross."""
    return charge.amount if charge.credited is None else subtract(charge.amount, charge.credited)


def credit_of(charge: Charge, base: Money) -> tuple[Money, TaxLine | None]:
    """Give the gross of a credit of ``base`` (in the price's terms), and its split (negative).

    Raises:
        InvalidInput: it is more than what was paid.
    """
    if charge.tax is None or not base.amount:
        return base, None
    line = credit_line(charge.tax, base)
    return negate(line.gross), line


@final
@attrs.frozen
class Returned:
    """Return what giving back did: ``back`` reached its lots, the rest had expired and is lost.

    ``paid`` names how much of it is again in lots that were paid for, by what made them: the most
    that can be refunded. ``charge`` is the charge with what was given back noted.
    """

    books: Books
    charge: Charge
    back: Money
    entries: tuple[Entry, ...] = ()
    paid: tuple[tuple[str, Money], ...] = ()


def give_back_of(
    books: Books, charge: Charge, gross: Money, memo: Memo, split: TaxLine | None = None
) -> Returned:
    """Give ``gross`` of a charge back to the lots that paid it, the last that paid first.

    Never more goes back than is left of the charge. ``split`` (negative) is the credit's tax.
    """
    zero = money(0, gross.currency)
    left = left_of(charge)
    if to_units(subtract(left, gross)) < 0:
        gross = left
    if not gross.amount:
        return Returned(books, charge, zero)
    before = charge.credited
    shares = charge.shares
    if before is not None and before.amount:
        shares = _less(shares, books.balance(gross.currency.code).units(before))
    noted = attrs.evolve(
        charge,
        credited=gross if before is None else add(before, gross),
        credited_net=charge.credited_net if split is None else _more(charge.credited_net, split),
    )
    given = give_back(books, gross, shares, memo, charge.entry)
    if given is None:
        return Returned(books, noted, zero)
    lots = {lot.number: lot for lot in given.books.of(gross).lots}
    balance = books.of(gross)
    paid: dict[str, int] = {}
    for number, units in given.entry.parts:
        lot = lots.get(number)
        if lot is not None and lot.origin is LotOrigin.PAID:
            paid[lot.source] = paid.get(lot.source, 0) + min(units, lot.free)
    parts = tuple((source, balance.money(units)) for source, units in paid.items() if units)
    return Returned(given.books, noted, given.entry.money, given.entries, parts)


def _more(before: Money | None, split: TaxLine) -> Money:
    net = negate(split.net)
    return net if before is None else add(before, net)


def _less(shares: Sequence[Share], units: int) -> tuple[Share, ...]:
    """Drop what was given back before: the last that paid came first."""
    kept: list[Share] = []
    for share in reversed(shares):
        gone = min(units, share.units)
        units -= gone
        if share.units > gone:
            kept.append(Share(share.lot, share.units - gone))
    return tuple(reversed(kept))
