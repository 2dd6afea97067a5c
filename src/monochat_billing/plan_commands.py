"""Plan commands: subscribe, preview, change, schedule, revoke, as functions from state to step.

Owns the judgment of such a request against an account as it stands, after catch-up.
Does not own what a change costs (:mod:`monochat_billing.quotes`) or how it is posted
(:mod:`monochat_billing.changes`).

Every function takes the account's state (caught up to ``now``) and returns a
:class:`~monochat_billing.accounts.Step` with the result, or raises and changes nothing.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import final

import attrs

from monochat_billing import changes
from monochat_billing.accounts import AccountState, Step
from monochat_billing.balance import Entry
from monochat_billing.errors import IllegalTransition, InvalidInput, StaleQuote, UnknownName
from monochat_billing.events import ChangeRevoked, ChangeScheduled, ChangeSuperseded, Event
from monochat_billing.intervals import check_interval
from monochat_billing.money import Money
from monochat_billing.periods import BillingInterval, utc
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
from monochat_billing.scheduling import (
    ScheduledChange,
    ScheduleMove,
    superseded_by,
    superseded_by_immediate,
)
from monochat_billing.subscriptions import Subscription, SubscriptionState
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
    subscription = _subscription(state, _target(state, catalog, to, now))
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
    events = (*decision.events, *_superseded(gone, quote.effective_at))
    return Step(after, decision.entries, events, result=result)


def schedule_change(
    state: AccountState,
    catalog: AnyCatalog,
    *,
    schedule_id: str,
    to: str,
    interval: BillingInterval | None,
    timing: ChangeTiming,
    at: datetime | None,
    actor: str,
    now: datetime,
    shown: Money | None = None,
    agreement: Agreement | None = None,
) -> Step:
    """Plan a change for the period's end or for an instant ahead.

    Raises:
        IllegalTransition: the subscription is past due, so its period has no end ahead.
        InvalidInput: the instant is not ahead, or the catalog's rule does not allow the timing.
        UnknownName: no such product or price, or no subscription of that family.

    >>> from datetime import UTC, datetime
    >>> from monochat_billing.commands import open_account
    >>> from monochat_billing.periods import MONTH
    >>> from monochat_billing.plans import sample_catalog
    >>> t = datetime(2026, 10, 5, tzinfo=UTC)
    >>> opened = open_account(
    ...     account="acme", zone="UTC", currencies=["TRY"], profile=None, now=t
    ... )
    >>> catalog = sample_catalog()
    >>> state = subscribe(
    ...     opened.state, catalog, subscription_id="s-1", product="basic", interval=MONTH,
    ...     currency=None, actor="", now=t,
    ... ).state
    >>> step = schedule_change(
    ...     state, catalog, schedule_id="c-1", to="growth", interval=None,
    ...     timing=ChangeTiming.END_OF_PERIOD, at=None, actor="", now=t,
    ... )
    >>> step.result.state.value, step.events[-1].due_at.date().isoformat()
    ('PENDING', '2026-11-05')
    >>> revoke_change(step.state, "c-1", t).result.state.value
    'CANCELED'
    """
    check_line(actor, "actor")
    subscription = _subscription(state, _target(state, catalog, to, now))
    if subscription.state is not SubscriptionState.ACTIVE:
        raise IllegalTransition(
            "subscription", subscription.id, subscription.state, "schedule a change"
        )
    instant = None if at is None else utc(at, field="at")
    if instant is not None and instant <= now:
        raise InvalidInput("at", instant.isoformat(), "is not ahead", "pass a later instant")
    change = ScheduledChange(
        id=schedule_id,
        account=state.account.id,
        subscription=subscription.id,
        to=to,
        interval=check_interval(interval or subscription.price.interval),
        timing=timing,
        at=instant,
        requested_at=now,
        shown=shown,
        actor=actor,
        agreement=agreement,
    )
    due_at = change.due_at(subscription)
    quote_change(
        state.books,
        subscription,
        catalog,
        quote_id=schedule_id,
        to=to,
        interval=change.interval,
        zone=state.account.zone,
        at=now,
        timing=change.timing,
        agreement=agreement,
    )
    gone = superseded_by(change, state.schedule.values(), subscription)
    event = ChangeScheduled(
        account=state.account.id,
        at=now,
        scheduled_change=change.id,
        subscription=subscription.id,
        to=to,
        interval=str(change.interval),
        due_at=due_at,
    )
    after = state.with_schedule((*gone, change))
    return Step(after, events=(*_superseded(gone, now), event), result=change)


def revoke_change(state: AccountState, schedule_id: str, now: datetime) -> Step:
    """Take back a scheduled change that is still pending.

    Raises:
        IllegalTransition: it is no longer pending.
        UnknownName: the account has no such scheduled change.
    """
    change = state.schedule.get(schedule_id)
    if change is None:
        raise UnknownName(
            "scheduled_change", schedule_id, "does not exist", "list the scheduled changes"
        )
    revoked = change.ended(ScheduleMove.REVOKE, now, "revoked")
    event = ChangeRevoked(
        account=state.account.id,
        at=now,
        scheduled_change=change.id,
        subscription=change.subscription,
    )
    return Step(state.with_schedule([revoked]), events=(event,), result=revoked)


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


def _target(state: AccountState, catalog: AnyCatalog, to: str, now: datetime) -> Family:
    """Give the family of product ``to``; whoever holds it may name it when it is sold no more."""
    for subscription in state.subscriptions.values():
        if subscription.product == to:
            return subscription.family
    return catalog.at(now).product(to).family


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


def _subscription(state: AccountState, family: Family) -> Subscription:
    subscription = state.subscription(family)
    if subscription is None:
        raise UnknownName(
            "subscription",
            family,
            f"does not exist on account {state.account.id!r}",
            "subscribe first",
        )
    return subscription


def _superseded(gone: Sequence[ScheduledChange], at: datetime) -> tuple[Event, ...]:
    return tuple(
        ChangeSuperseded(
            account=change.account,
            at=at,
            scheduled_change=change.id,
            subscription=change.subscription,
            rule=change.outcome,
        )
        for change in gone
    )
