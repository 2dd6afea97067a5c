"""Plan commands: subscribe, preview, change, as functions from state to step.

Owns the judgment of such a request against an account as it stands, after catch-up.
Does not own what a change costs (:mod:`monochat_billing.quotes`) or how it is posted
(:mod:`monochat_billing.changes`).

Every function takes the account's state (caught up to ``now``) and returns a
:class:`~monochat_billing.accounts.Step` with the result, or raises and changes nothing.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import final

import attrs

from monochat_billing import changes
from monochat_billing.accounts import AccountState, Step
from monochat_billing.balance import Entry
from monochat_billing.errors import IllegalTransition, InvalidInput, StaleQuote, UnknownName
from monochat_billing.intervals import check_interval
from monochat_billing.periods import BillingInterval
from monochat_billing.plans import (
    Agreement,
    AnyCatalog,
    ChangeTiming,
    Family,
    LimitCheck,
    NegotiatedPrice,
    as_timing,
    known_product,
)
from monochat_billing.quotes import DEFAULT_VALIDITY, FEE_KINDS, ChangeQuote, quote_change
from monochat_billing.schedule_commands import schedule_change, target_of
from monochat_billing.schedule_endings import revoke_change, superseded_events
from monochat_billing.scheduling import ScheduledChange, superseded_by_immediate
from monochat_billing.subscriptions import Subscription
from monochat_billing.texts import check_line

__all__ = [
    "ChangeResult",
    "change_subscription",
    "check_limit",
    "preview_change",
    "revoke_change",
    "schedule_change",
    "subscribe",
]


@final
@attrs.frozen(kw_only=True)
class ChangeResult:
    """Return what a change did: the subscription after it, or the scheduled change it became."""

    quote: ChangeQuote
    subscription: Subscription
    entries: tuple[Entry, ...] = ()
    scheduled: ScheduledChange | None = None


def subscribe(
    state: AccountState,
    catalog: AnyCatalog,
    *,
    subscription_id: str,
    product: str,
    interval: BillingInterval,
    currency: str | None,
    actor: str,
    now: datetime,
    offer: NegotiatedPrice | None = None,
) -> Step:
    """Start the account's subscription to a plan or a support package.

    It pays the list price that is in force now, or the price of an ``offer``, which is accepted
    by that.

    Raises:
        IllegalTransition: the account has one of this family already; change it instead. Or the
            offer was accepted before.
        InsufficientFunds: the balance does not cover the first period.
        InvalidInput: it is an add-on, or the offer is not for this.
        UnknownName: no such product, price or balance.
    """
    check_interval(interval)
    check_line(actor, "actor")
    wanted = catalog.at(now).product(product)
    if wanted.family not in FEE_KINDS:
        raise InvalidInput(
            "product", product, f"is of family {wanted.family}", "choose a plan or support package"
        )
    balance = state.books.balance(currency or state.account.currencies[0])
    agreement = None
    if offer is not None:
        agreement = _agree(state, offer, product, interval, now)
    price = agreement.price if agreement else wanted.price(interval, balance.unit, now)
    if price.currency != balance.unit:
        raise InvalidInput(
            "offer", str(price), f"is not in {balance.unit}", "name the offer's currency"
        )
    existing = state.subscription(wanted.family)
    if existing is not None:
        raise IllegalTransition(
            f"{wanted.family} subscription", existing.id, existing.state, "subscribe again"
        )
    decision = changes.subscribe(
        state.books,
        subscription_id=subscription_id,
        product=wanted,
        price=price,
        zone=state.account.zone,
        at=now,
        recorded_at=now,
        actor=actor,
        agreement=agreement,
    )
    after = state.with_subscription(decision.books, decision.subscription)
    return Step(after, decision.entries, decision.events, result=decision.subscription)


def preview_change(
    state: AccountState,
    catalog: AnyCatalog,
    *,
    quote_id: str,
    to: str,
    interval: BillingInterval | None,
    timing: ChangeTiming | None,
    now: datetime,
    offer: NegotiatedPrice | None = None,
    usage: Mapping[str, int] | None = None,
) -> ChangeQuote:
    """Quote a change of the subscription in the family of product ``to``.

    With an ``offer`` its price is quoted, and executing the quote accepts it. ``usage`` is what
    is in use by the name of its limit: what the change would break is warned of.

    Raises:
        IllegalTransition: the offer was accepted before.
        InvalidInput: the catalog's rule does not allow the timing, or the offer is not for this.
        UnknownName: no such product or price, or no subscription of that family.
    """
    subscription = target_of(state, catalog, to, now)
    agreement, valid_for = None, DEFAULT_VALIDITY
    if offer is not None:
        interval = interval or offer.price.interval
        agreement = _agree(state, offer, to, interval, now)
        valid_for = min(valid_for, offer.valid_until - now)
    timing = None if timing is None else as_timing(timing)
    if timing is ChangeTiming.AT:
        raise InvalidInput(
            "timing", timing, "has no price before its instant", "schedule it instead"
        )
    return quote_change(
        state.books,
        subscription,
        catalog,
        quote_id=quote_id,
        to=to,
        interval=check_interval(interval or subscription.price.interval),
        zone=state.account.zone,
        at=now,
        timing=timing,
        valid_for=valid_for,
        agreement=agreement,
        usage=usage,
    )


def change_subscription(
    state: AccountState,
    catalog: AnyCatalog,
    quote: ChangeQuote,
    *,
    schedule_id: str,
    actor: str,
    now: datetime,
) -> Step:
    """Do what a quote shows; one that takes effect at the period's end is scheduled.

    An immediate change supersedes what is pending for the subscription.

    Raises:
        StaleQuote: the quote has run out, or what it was computed from has changed.
        InsufficientFunds: the balance does not cover what is due; nothing has changed.
    """
    subscription = state.subscriptions.get(quote.subscription)
    if subscription is None or subscription.version != quote.subscription_version:
        raise StaleQuote(quote.id, "the subscription has changed since")
    if now >= quote.valid_until:
        raise StaleQuote(quote.id, f"it was valid until {quote.valid_until.isoformat()}")
    if not quote.changes_anything:
        return Step(state, result=ChangeResult(quote=quote, subscription=subscription))
    if quote.agreement is not None:
        _refuse_accepted(state, quote.agreement.offer)
    if quote.timing is not ChangeTiming.IMMEDIATE:
        changes.confirm_quote(state.books, subscription, catalog, quote, zone=state.account.zone)
        step = schedule_change(
            state,
            catalog,
            schedule_id=schedule_id,
            to=quote.to_product,
            interval=quote.to_price.interval,
            timing=quote.timing,
            at=None,
            shown=quote.to_price.amount,
            price=quote.to_price,
            kept_until=quote.valid_until,
            actor=actor,
            now=now,
            agreement=quote.agreement,
        )
        result = ChangeResult(quote=quote, subscription=subscription, scheduled=step.result)
        return attrs.evolve(step, result=result)
    decision = changes.execute_change(
        state.books,
        subscription,
        catalog,
        quote,
        zone=state.account.zone,
        recorded_at=now,
        actor=actor,
    )
    gone = superseded_by_immediate(subscription.id, state.schedule.values(), quote.effective_at)
    after = state.with_subscription(decision.books, decision.subscription).with_schedule(gone)
    result = ChangeResult(quote=quote, subscription=decision.subscription, entries=decision.entries)
    events = (*decision.events, *superseded_events(gone, quote.effective_at))
    return Step(after, decision.entries, events, result=result)


def check_limit(
    state: AccountState, catalog: AnyCatalog, limit: str, used: int, now: datetime
) -> LimitCheck:
    """Say how a usage stands to a limit of what the account subscribes to.

    The plan is asked first, then the support package. What was negotiated counts.

    Raises:
        UnknownName: nothing that the account subscribes to says anything about this limit.
        InvalidInput: ``used`` is not a whole number from zero up.
    """
    known: list[str] = []
    for family in Family:
        subscription = state.subscription(family)
        if subscription is None:
            continue
        product = known_product(catalog, subscription.product, now)
        if subscription.agreement is not None:
            product = subscription.agreement.applied_to(product)
        names = [one.name for one in product.limits]
        if limit in names:
            return product.check(limit, used)
        known += names
    raise UnknownName(
        "limit",
        limit,
        f"limits nothing that account {state.account.id!r} subscribes to",
        f"use one of {', '.join(known) or 'none: nothing is limited'}",
    )


def _agree(
    state: AccountState,
    offer: NegotiatedPrice,
    product: str,
    interval: BillingInterval,
    now: datetime,
) -> Agreement:
    asked = (state.account.id, product, interval)
    if (offer.account, offer.product, offer.price.interval) != asked:
        raise InvalidInput(
            "offer",
            offer.id,
            f"is for {offer.account}: {offer.product} per {offer.price.interval}",
            "ask for exactly what was offered",
        )
    _refuse_accepted(state, offer.id)
    return offer.accept(now, state.account.zone)


def _refuse_accepted(state: AccountState, offer: str) -> None:
    taken = any(
        line.price.agreement == offer
        for subscription in state.subscriptions.values()
        for line in subscription.history
    )
    waiting = any(
        change.pending and change.agreement is not None and change.agreement.offer == offer
        for change in state.schedule.values()
    )
    if taken or waiting:
        raise IllegalTransition("negotiated price", offer, "ACCEPTED", "be accepted again")
