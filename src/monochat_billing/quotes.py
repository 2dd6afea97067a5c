"""Quoting: which lines a change consists of, and where the new period lies.

*Owns* the judgment of a change by the catalog, its placement, its lines, its tax and what it needs.
*Does not own* the quote as a value (:mod:`monochat_billing.change_quotes`) or posting:
:mod:`monochat_billing.changes` executes a quote, and to do so computes it again here, so that
preview and execution cannot differ.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final, final

import attrs

from monochat_billing.balance import Books, EntryKind, Memo
from monochat_billing.change_quotes import ChangeQuote, Funding, digest_of
from monochat_billing.charges import FEE_KINDS, base_of, credit_of, give_back_of, gross_of
from monochat_billing.errors import IllegalTransition, InvalidInput, UnknownName
from monochat_billing.instants import utc
from monochat_billing.lots import DEBT, burn
from monochat_billing.money import Money, amount_text, money, negate, subtract
from monochat_billing.periods import BillingAnchor, BillingInterval, BillingPeriod
from monochat_billing.plans import (
    Agreement,
    AnchorRule,
    AnyCatalog,
    Breach,
    ChangeRule,
    ChangeTiming,
    Direction,
    Price,
    Product,
    breaches,
    known_product,
    renewal_price,
)
from monochat_billing.prices import yearly_amount
from monochat_billing.proration import ChangeProration, prorate_change
from monochat_billing.proration_policies import ProrationPolicy, policy_named
from monochat_billing.subscriptions import Move, Subscription, SubscriptionState
from monochat_billing.tax import TaxLine

__all__ = [
    "DEFAULT_VALIDITY",
    "FEE_KINDS",
    "ChangeQuote",
    "quote_change",
]

DEFAULT_VALIDITY: Final = timedelta(minutes=30)
"""How long a quote can be executed, unless the caller or the period's end says less."""

_RUNNING: Final = frozenset({SubscriptionState.ACTIVE, SubscriptionState.TRIALING})


def quote_change(
    books: Books,
    subscription: Subscription,
    catalog: AnyCatalog,
    *,
    quote_id: str,
    to: str,
    interval: BillingInterval,
    zone: str,
    at: datetime,
    timing: ChangeTiming | None = None,
    valid_for: timedelta = DEFAULT_VALIDITY,
    agreement: Agreement | None = None,
    usage: Mapping[str, int] | None = None,
    quantity: int | None = None,
    anchor: BillingAnchor | None = None,
    price: Price | None = None,
    country: str = "",
) -> ChangeQuote:
    """Price a change of product, interval, quantity or anchor, asked for at ``at``.

    Without ``timing`` the catalog's rule decides when; a subscription that is past due has no
    period's end ahead and changes at once. A quote for END_OF_PERIOD is priced at the period's
    end, by the catalog in force then; AT is priced like IMMEDIATE, when its instant has come. With
    an ``agreement`` its price is taken instead of the list price, and so is a ``price`` that was
    promised. ``usage`` counts what is in use by the name of its limit: what the change would break
    becomes a warning. More of the same counts as an upgrade, less as a downgrade. An ``anchor``
    moves the bounds: unused time is credited, and the rest of the period of the new grid charged.
    ``country`` is the buyer's, for tax.

    A trial stays a trial: only the terms of its end change, unless a rule for changes in a trial
    resets the anchor.

    Raises:
        IllegalTransition: the subscription cannot be changed as it stands, or END_OF_PERIOD is
            asked for and it has none ahead.
        InvalidInput: the rule does not allow the timing, the target is another product family or
            is not held so often, or ``at`` is naive.
        UnknownName: the catalog does not sell the target so.

    >>> from datetime import UTC, datetime
    >>> from monochat_billing.balance import credit, open_balance
    >>> from monochat_billing.periods import MONTH
    >>> from monochat_billing.plans import sample_catalog
    >>> t = datetime(2026, 10, 5, tzinfo=UTC)
    >>> books = open_balance(Books("acme"), "TRY")
    >>> books = credit(books, money("9000", "TRY"), Memo(EntryKind.TOP_UP, t, t)).books
    >>> from monochat_billing.changes import subscribe
    >>> catalog = sample_catalog()
    >>> growth = catalog.product("growth")
    >>> began = subscribe(
    ...     books, subscription_id="s-1", product=growth, price=growth.price(MONTH, "TRY"),
    ...     zone="Europe/Istanbul", at=t, recorded_at=t,
    ... )
    >>> quote = quote_change(
    ...     began.books, began.subscription, catalog, quote_id="q-1", to="enterprise",
    ...     interval=MONTH, zone="Europe/Istanbul", at=datetime(2026, 10, 20, tzinfo=UTC),
    ... )
    >>> quote.credit, quote.charge, quote.due_now
    (Money('773.68', 'TRY'), Money('3096.26', 'TRY'), Money('2322.58', 'TRY'))
    >>> print(quote.lines[0].explain())
    Credit for 16 of 31 days, 2026-10-20 to 2026-11-04: TRY 1,499.00 x 16/31 = -TRY 773.68 ...
    """
    at = utc(at, field="at")
    subscription.require(Move.CHANGE)
    held = subscription.quantity if quantity is None else quantity
    asked = _Asked(to, interval, held, agreement, price)
    judged = _judge(subscription, catalog, asked, at)
    timing = _timing(subscription, judged.rule, timing)
    moment = at
    if timing is ChangeTiming.END_OF_PERIOD:
        moment = subscription.period.end
        judged = _judge(subscription, catalog, asked, moment)
    target, rule = judged.price, judged.rule
    agreement = None if agreement is None else agreement.starting(moment, zone)
    unchanged = anchor is None and (judged.product.id, target, held) == (
        subscription.product,
        subscription.price,
        subscription.quantity,
    )
    if unchanged:
        agreement = subscription.agreement
        place = _Place(subscription.anchor, subscription.index, *2 * (subscription.period,))
    else:
        place = _placement(subscription, rule, interval, at=moment, zone=zone, moved=anchor)
    in_trial = place.in_trial and not unchanged
    shares = None
    if not unchanged and not in_trial:
        full = target.amount if held == 1 else target.times(held)
        shares = _shares(subscription, full, policy_named(rule.proration), place, zone)
    sums = _sums(books, subscription, catalog, judged, shares, at=moment, country=country)
    broken: tuple[Breach, ...] = ()
    if usage is not None and not unchanged:
        limited = judged.product if agreement is None else agreement.applied_to(judged.product)
        broken = breaches(judged.old, limited, usage)
    zero = money(0, target.currency)
    available = _available(books, judged, at)
    due_now = subtract(sums.charge, sums.returned)
    missing = subtract(due_now, available)
    renewal = renewal_price(
        catalog,
        judged.product.id,
        target,
        pinned_at=subscription.pinned_at if unchanged else moment,
        at=place.period.end,
        agreement=agreement,
    )
    quote = ChangeQuote(
        id=quote_id,
        account=subscription.account,
        subscription=subscription.id,
        subscription_version=subscription.version,
        catalog=judged.catalog,
        family=subscription.family,
        from_product=subscription.product,
        from_price=subscription.price,
        to_product=judged.product.id,
        to_price=target,
        direction=judged.direction,
        timing=timing,
        rule=rule.name,
        effective_at=moment,
        valid_until=_valid_until(subscription, at, valid_for),
        lines=shares.lines if shares else (),
        credit=sums.credit,
        charge=sums.charge,
        due_now=due_now,
        anchor=place.anchor,
        index=place.index,
        period=place.period,
        span=place.span,
        available=available,
        shortfall=missing if missing.amount > 0 else zero,
        warnings=(*_lost_text(sums.lost), *map(str, broken)),
        agreement=agreement,
        renewal_price=renewal,
        from_quantity=subscription.quantity,
        to_quantity=held,
        moves_anchor=anchor is not None,
        keeps_price=price is not None,
        lost=sums.lost,
        breaches=broken,
        names={one.id: one.names for one in (judged.old, judged.product)},
        credit_tax=sums.credit_tax,
        charge_tax=sums.charge_tax,
        paid_by=sums.paid_by,
        renewal=_renewal(catalog, renewal, held, country, place.period.end),
    )
    return attrs.evolve(quote, digest=digest_of(quote))


@final
@attrs.frozen
class _Asked:
    """Hold what a change leads to, as it was asked for."""

    to: str
    interval: BillingInterval
    quantity: int
    agreement: Agreement | None
    price: Price | None


@final
@attrs.frozen
class _Judged:
    """Hold what the catalog in force at one instant says of a change."""

    catalog: str
    old: Product
    product: Product
    price: Price
    direction: Direction
    rule: ChangeRule


def _judge(subscription: Subscription, catalog: AnyCatalog, asked: _Asked, at: datetime) -> _Judged:
    in_force = catalog.at(at)
    same = (asked.to, asked.interval) == (subscription.product, subscription.price.interval)
    old, known = _held(subscription, catalog, at)
    product = old if same else in_force.product(asked.to)
    if product.family is not subscription.family:
        raise InvalidInput(
            "to", asked.to, f"is no {subscription.family}", "choose a product of the same family"
        )
    product.quantity(asked.quantity)
    price = _price(subscription, product, asked, at)
    before, after = (old, subscription.price), (product, price)
    direction = in_force.direction(before, after)
    if same and asked.quantity != subscription.quantity:
        more = asked.quantity > subscription.quantity
        direction = Direction.UPGRADE if more else Direction.DOWNGRADE
    elif not known:
        dearer = yearly_amount(price) >= yearly_amount(subscription.price)
        direction = Direction.UPGRADE if dearer else Direction.DOWNGRADE
    trialing = subscription.state is SubscriptionState.TRIALING
    rule = in_force.rule(before, after, in_trial=trialing, direction=direction)
    return _Judged(f"{in_force.id} {in_force.version}", old, product, price, direction, rule)


def _held(subscription: Subscription, catalog: AnyCatalog, at: datetime) -> tuple[Product, bool]:
    """Give the product that is held, and whether any version of the catalog knows it.

    One that none knows any more can still be left; what a year costs tells where that leads.
    """
    try:
        return known_product(catalog, subscription.product, at), True
    except UnknownName:
        unknown = Product(
            id=subscription.product,
            family=subscription.family,
            names={},
            prices=(subscription.price,),
            most_quantity=1 if subscription.family.ladder else None,
        )
        return unknown, False


def _price(subscription: Subscription, product: Product, asked: _Asked, at: datetime) -> Price:
    agreement = asked.agreement
    if agreement is not None:
        if agreement.price.currency != subscription.price.currency:
            raise InvalidInput(
                "offer",
                str(agreement.price),
                f"is not in {subscription.price.currency}, in which the subscription is paid",
                "make an offer in that currency",
            )
        return agreement.price
    if asked.price is not None:
        return asked.price
    if (asked.to, asked.interval) == (subscription.product, subscription.price.interval):
        return subscription.price
    return product.price(asked.interval, subscription.price.currency, at)


@final
@attrs.frozen
class _Place:
    """Say where a subscription stands after a change, and which span is charged for."""

    anchor: BillingAnchor
    index: int
    period: BillingPeriod
    span: BillingPeriod
    in_trial: bool = False


def _timing(
    subscription: Subscription, rule: ChangeRule, asked: ChangeTiming | None
) -> ChangeTiming:
    unpaid = subscription.state not in _RUNNING
    if asked is None:
        return ChangeTiming.IMMEDIATE if unpaid else rule.timing
    if asked not in rule.allows:
        raise InvalidInput(
            "timing",
            asked,
            f"is not allowed by the rule {rule.name!r}",
            f"use one of {', '.join(sorted(rule.allows))}",
        )
    if unpaid and asked is ChangeTiming.END_OF_PERIOD:
        raise IllegalTransition(
            "subscription", subscription.id, subscription.state, "change at its period's end"
        )
    return asked


def _valid_until(subscription: Subscription, at: datetime, valid_for: timedelta) -> datetime:
    until = at + valid_for
    if subscription.state in _RUNNING:
        return min(until, subscription.period.end)
    return until


def _placement(
    subscription: Subscription,
    rule: ChangeRule,
    interval: BillingInterval,
    *,
    at: datetime,
    zone: str,
    moved: BillingAnchor | None,
) -> _Place:
    """Say where the subscription stands after a change at ``at``.

    At the period's end the bounds go on from there and keep their nominal day. In mid-period the
    rule decides: KEEP charges the rest of the period, RESET starts a new one. Where the anchor is
    moved, the rest of the period of its grid that contains ``at`` is charged.
    """
    old = subscription
    running = old.state in _RUNNING
    trialing = old.state is SubscriptionState.TRIALING and at < old.period.end
    if trialing and moved is not None:
        raise IllegalTransition("subscription", old.id, old.state, "move its anchor")
    if moved is not None:
        index = moved.index_containing(interval, at)
        period = moved.period(interval, index)
        return _Place(moved, index, period, BillingPeriod(start=at, end=period.end))
    if trialing and not (rule.in_trial and rule.anchor is AnchorRule.RESET):
        span = BillingPeriod(start=at, end=old.period.end)
        return _Place(old.anchor, old.index, old.period, span, in_trial=True)
    if running and at == old.period.end:
        if interval == old.price.interval:
            return _Place(old.anchor, old.index + 1, old.next_period, old.next_period)
        anchor = old.anchor.moved(old.price.interval, old.index + 1)
        period = BillingPeriod(start=at, end=anchor.bound(interval, 1))
        return _Place(anchor, 0, period, period)
    keeps = rule.anchor is AnchorRule.KEEP and interval == old.price.interval
    if running and keeps and not trialing:
        span = BillingPeriod(start=at, end=old.period.end)
        return _Place(old.anchor, old.index, old.period, span)
    anchor = BillingAnchor.at(at, zone)
    period = BillingPeriod(start=at, end=anchor.bound(interval, 1))
    return _Place(anchor, 0, period, period)


def _shares(
    subscription: Subscription, price: Money, policy: ProrationPolicy, place: _Place, zone: str
) -> ChangeProration:
    """Work out what goes back for unused time and what the time ahead costs.

    What was paid for time that is over by then gives nothing back.
    """
    paid = subscription.charge
    at = place.span.start
    if paid.span.contains(at):
        return prorate_change(
            paid=base_of(paid),
            new_price=price,
            whole=paid.whole,
            paid_for=paid.span,
            new_whole=place.period,
            at=at,
            zone=zone,
            policy=policy,
            price=subscription.full_price,
        )
    return prorate_change(
        paid=money(0, price.currency),
        new_price=price,
        whole=place.period,
        at=at,
        zone=zone,
        policy=policy,
    )


@final
@attrs.frozen
class _Sums:
    """Hold what a change moves, gross, with its tax, and which money would pay."""

    credit: Money
    charge: Money
    returned: Money
    credit_tax: TaxLine | None = None
    charge_tax: TaxLine | None = None
    paid_by: tuple[Funding, ...] = ()
    lost: Money | None = None


def _sums(
    books: Books,
    subscription: Subscription,
    catalog: AnyCatalog,
    judged: _Judged,
    shares: ChangeProration | None,
    *,
    at: datetime,
    country: str,
) -> _Sums:
    zero = money(0, judged.price.currency)
    if shares is None:
        return _Sums(zero, zero, zero)
    credit, credit_tax = credit_of(subscription.charge, negate(shares.credit))
    tax = catalog.at(at).tax_for(judged.price, country, at)
    charge_tax = gross_of(shares.charge, tax)
    charge = shares.charge if charge_tax is None else charge_tax.gross
    given = give_back_of(
        books, subscription.charge, credit, Memo(EntryKind.PRORATION_CREDIT, at, at)
    )
    lost = subtract(credit, given.back)
    paid_by = _funding(given.books, judged, charge, at)
    gone = lost if lost.amount else None
    return _Sums(credit, charge, given.back, credit_tax, charge_tax, paid_by, gone)


def _lost_text(lost: Money | None) -> tuple[str, ...]:
    if lost is None:
        return ()
    code = lost.currency.code
    return (f"{amount_text(lost)} {code} of the credit is lost: its lot has expired",)


def _funding(books: Books, judged: _Judged, charge: Money, at: datetime) -> tuple[Funding, ...]:
    """Say which money would pay a charge, in burn order, as far as there is."""
    if not charge.amount:
        return ()
    balance = books.of(charge)
    kind = FEE_KINDS[judged.product.family].pays_for
    units = min(balance.units(charge), max(balance.available(kind, at), 0))
    burned = burn(balance.lots, units, kind, at)
    found = [
        Funding(balance.money(one.units), one.lot.origin, one.lot.source)
        for one in burned.shares
        if one.lot.number != DEBT
    ]
    if burned.missing:
        found.append(Funding(balance.money(burned.missing), None))
    return tuple(found)


def _available(books: Books, judged: _Judged, at: datetime) -> Money:
    balance = books.balance(judged.price.currency)
    return balance.money(balance.available(FEE_KINDS[judged.product.family].pays_for, at))


def _renewal(catalog: AnyCatalog, price: Price, quantity: int, country: str, at: datetime) -> Money:
    """Give what the next renewal takes, gross, as far as the catalog says today."""
    amount = price.amount if quantity == 1 else price.times(quantity)
    split = gross_of(amount, catalog.at(at).tax_for(price, country, at))
    return amount if split is None else split.gross
