"""Scheduled changes that are due: each judged against what is in force at its instant.

*Owns* doing a scheduled change, what its failure means for the rest of its chain, and resolving
several changes of one instant as one.
*Does not own* when it is due or who gave way to it (:mod:`monochat_billing.scheduling`), or what a
change, a pause or a cancellation does (:mod:`monochat_billing.changes` and its neighbors).

The end of a period is one decision: a change of product and a change of quantity that are due
together are one quote, and only what results is charged. Where both cannot be done, the earlier
request is tried alone, and what cannot be done fails with its reason.
"""

from datetime import datetime
from typing import Final

import attrs

from monochat_billing import changes, renewals
from monochat_billing.account_state import AccountState, Step
from monochat_billing.cancellations import CancelMode, cancel
from monochat_billing.charges import Decision
from monochat_billing.errors import IllegalTransition, InvalidInput, Rejected
from monochat_billing.events import (
    ChangeRevoked,
    ChangeSuperseded,
    Event,
    RenewalFailed,
    ScheduledChangeFailed,
)
from monochat_billing.money import amount_text
from monochat_billing.plans import AnyCatalog, Dunning, known_product, renewal_price
from monochat_billing.quotes import quote_change
from monochat_billing.scheduling import (
    Facet,
    ScheduleAction,
    ScheduledChange,
    ScheduleMove,
    superseded_by_the_end,
)
from monochat_billing.starts import subscribe
from monochat_billing.subscriptions import Subscription, SubscriptionState

__all__ = ["apply_change", "decided", "dunned", "plan_of"]


def apply_change(
    state: AccountState, change: ScheduledChange, catalog: AnyCatalog, at: datetime, now: datetime
) -> Step:
    """Do one scheduled change that is due at ``at``, with those that are due with it.

    What cannot be done fails, and that is a step too: nothing else has changed.
    """
    together = _together(state, change, at)
    if len(together) > 1:
        try:
            return _do(state, together, catalog, at, now)
        except (Rejected, InvalidInput) as refusal:
            first, *others = together
            alone = _tried(state, [first], catalog, at, now)
            if alone.state.schedule[first.id].state.value == "FAILED":
                return alone  # the others are tried next, without it
            for other in others:
                alone = alone.then(_failed(alone.state, other, at, str(refusal)))
            return alone
    return _tried(state, together, catalog, at, now)


def _together(state: AccountState, change: ScheduledChange, at: datetime) -> list[ScheduledChange]:
    """Find what has to be resolved with a change: product and quantity of one subscription."""
    if change.action not in _QUOTED:
        return [change]
    subscription = state.subscriptions.get(change.subscription)
    found = [
        one
        for one in state.schedule.values()
        if one.pending
        and one.action in _QUOTED
        and one.subscription == change.subscription
        and one.due_at(subscription) == at
    ]
    facets: dict[Facet, ScheduledChange] = {}
    for one in sorted(found, key=lambda each: (each.requested_at, each.id)):
        facets.setdefault(one.facet, one)
    return list(facets.values())


_QUOTED: Final = (ScheduleAction.CHANGE, ScheduleAction.QUANTITY)


def _tried(
    state: AccountState,
    together: list[ScheduledChange],
    catalog: AnyCatalog,
    at: datetime,
    now: datetime,
) -> Step:
    try:
        return _do(state, together, catalog, at, now)
    except (Rejected, InvalidInput) as refusal:
        (change,) = together
        return _failed(state, change, at, str(refusal))


def _do(
    state: AccountState,
    together: list[ScheduledChange],
    catalog: AnyCatalog,
    at: datetime,
    now: datetime,
) -> Step:
    change = together[0]
    if change.action is ScheduleAction.SUBSCRIBE:
        return _begin(state, change, catalog, at, now)
    subscription = state.subscriptions.get(change.subscription)
    if subscription is None or not subscription.live:
        now_is = "gone" if subscription is None else subscription.state
        raise IllegalTransition("subscription", change.subscription, now_is, change.action.lower())
    if change.action in _QUOTED:
        return _change(state, together, subscription, catalog, at=at, now=now)
    if change.action is ScheduleAction.PAUSE:
        decision = renewals.pause(state.books, subscription, at=at)
    elif change.action is ScheduleAction.RESUME:
        decision = _resume(state, subscription, catalog, at, now)
    else:
        decision = cancel(
            state.books,
            subscription,
            mode=CancelMode(change.mode or CancelMode.NOTHING),
            zone=state.account.zone,
            at=at,
            recorded_at=now,
            actor=change.actor,
            withdrawal_days=catalog.at(at).withdrawal_days,
            scheduled_change=change.id,
        )
    done = change.ended(ScheduleMove.APPLY, at, change.action.lower())
    return decided(state.with_schedule([done]), decision, catalog, at)


def _change(
    state: AccountState,
    together: list[ScheduledChange],
    subscription: Subscription,
    catalog: AnyCatalog,
    *,
    at: datetime,
    now: datetime,
) -> Step:
    wanted = {one.facet: one for one in together}
    product, quantity = wanted.get(Facet.PRODUCT), wanted.get(Facet.QUANTITY)
    kept = None
    if product is not None and product.kept_until is not None and at <= product.kept_until:
        kept = product.price
    agreement = None if product is None else product.agreement
    quote = quote_change(
        state.books,
        subscription,
        catalog,
        quote_id=together[0].id,
        to=subscription.product if product is None else product.to,
        interval=(product and product.interval) or subscription.price.interval,
        quantity=None if quantity is None else quantity.quantity,
        zone=state.account.zone,
        at=at,
        timing=together[0].timing,
        agreement=agreement,
        price=None if agreement is not None else kept,
        country=state.country,
    )
    shown = None if product is None else product.shown
    if product is not None and shown is not None and quote.to_price.amount > shown:
        said = f"{amount_text(shown)} {quote.to_price.currency}"
        dearer = f"{quote.to_price} is dearer than the {said} that was shown"
        return _failed(state, product, at, dearer)
    if not quote.changes_anything:
        same = [one.ended(ScheduleMove.APPLY, at, "nothing to change") for one in together]
        return Step(state.with_schedule(same), result=subscription)
    decision = changes.execute_change(
        state.books,
        subscription,
        catalog,
        quote,
        zone=state.account.zone,
        recorded_at=now,
        country=state.country,
        scheduled_change=together[0].id,
    )
    done = [one.ended(ScheduleMove.APPLY, at, quote.rule) for one in together]
    return decided(state.with_schedule(done), decision, catalog, at)


def _resume(
    state: AccountState,
    subscription: Subscription,
    catalog: AnyCatalog,
    at: datetime,
    now: datetime,
) -> Decision:
    price = renewal_price(
        catalog,
        subscription.product,
        subscription.price,
        pinned_at=subscription.pinned_at,
        at=at,
        agreement=subscription.agreement,
    )
    return renewals.resume(
        state.books,
        subscription,
        zone=state.account.zone,
        at=at,
        recorded_at=now,
        tax=catalog.at(at).tax_for(price, state.country, at),
        price=price,
    )


def _begin(
    state: AccountState, change: ScheduledChange, catalog: AnyCatalog, at: datetime, now: datetime
) -> Step:
    """Begin a subscription that was planned, at the price in force."""
    in_force = catalog.at(at)
    product = in_force.product(change.to)
    existing = state.in_the_way(product)
    if existing is not None:
        raise IllegalTransition(
            f"{product.family} subscription", existing.id, existing.state, "subscribe again"
        )
    currency = change.currency or state.account.currencies[0]
    if change.interval is None:  # a scheduled start has one
        raise AssertionError(change.id)
    price = product.price(change.interval, currency, at)
    decision = subscribe(
        state.books,
        subscription_id=change.subscription,
        product=product,
        price=price,
        zone=state.account.zone,
        at=at,
        recorded_at=now,
        actor=change.actor,
        quantity=change.quantity or 1,
        tax=in_force.tax_for(price, state.country, at),
        trial=change.trial and product.trial is not None,
        due=True,
    )
    done = change.ended(ScheduleMove.APPLY, at, change.action.lower())
    return decided(state.with_schedule([done]), decision, catalog, at)


def _failed(state: AccountState, change: ScheduledChange, at: datetime, reason: str) -> Step:
    """Let a scheduled change fail, and cancel the phases that were to follow it."""
    ended = [change.ended(ScheduleMove.FAIL, at, reason)]
    events: list[Event] = [
        ScheduledChangeFailed(
            account=state.account.id,
            at=at,
            scheduled_change=change.id,
            subscription=change.subscription,
            reason=reason,
        )
    ]
    rule = f"phase {change.phase} failed: {change.id}"
    for one in state.schedule.values():
        if change.chain and one.chain == change.chain and one.pending and one.phase > change.phase:
            ended.append(one.ended(ScheduleMove.REVOKE, at, rule))
            events.append(
                ChangeRevoked(
                    account=state.account.id,
                    at=at,
                    scheduled_change=one.id,
                    subscription=one.subscription,
                    rule=rule,
                )
            )
    return Step(state.with_schedule(ended), events=tuple(events))


# ------------------------------------------------------------------------- what follows from it


def decided(state: AccountState, decision: Decision, catalog: AnyCatalog, at: datetime) -> Step:
    """Return a decision as a step, with what follows from it at ``at``.

    What could not be paid has a plan of what follows, and nothing stays planned for what ended.
    """
    one = dunned(state, decision.subscription, catalog, at)
    after = state.with_subscription(decision.books, one)
    for hold in decision.holds:
        after = after.with_hold(decision.books, hold)
    events = decision.events if one.dunning is None else _with_plan(decision.events, one.dunning)
    if not one.live:
        rule = f"{one.state.lower()}: {one.id}"
        gone = superseded_by_the_end(one.id, after.schedule.values(), at, rule)
        if gone:
            after = after.with_schedule(gone)
            events += tuple(
                ChangeSuperseded(
                    account=change.account,
                    at=at,
                    scheduled_change=change.id,
                    subscription=change.subscription,
                    rule=change.outcome,
                )
                for change in gone
            )
    return Step(after, decision.entries, events, result=one)


def _with_plan(events: tuple[Event, ...], plan: Dunning) -> tuple[Event, ...]:
    """Say with a failure what comes next."""
    return tuple(
        attrs.evolve(
            event,
            attempt=plan.tried,
            retry_at=plan.retry_at,
            grace_ends_at=plan.grace_ends_at,
        )
        if isinstance(event, RenewalFailed)
        else event
        for event in events
    )


def plan_of(
    state: AccountState, subscription: Subscription, catalog: AnyCatalog, at: datetime
) -> Dunning:
    """Give the dated plan of what follows if a subscription cannot be paid at ``at``."""
    in_force = catalog.at(at)
    product = known_product(catalog, subscription.product, at)
    plan = in_force.dunning_for(product).started(at, state.account.zone)
    tax = in_force.tax_for(subscription.price, state.country, at)
    return plan if tax is None else attrs.evolve(plan, tax=tax)


def dunned(
    state: AccountState, subscription: Subscription, catalog: AnyCatalog, at: datetime
) -> Subscription:
    """Return a subscription that could not be paid at ``at`` with the plan of what follows."""
    if subscription.state is not SubscriptionState.PAST_DUE or subscription.dunning is not None:
        return subscription
    return attrs.evolve(subscription, dunning=plan_of(state, subscription, catalog, at))
