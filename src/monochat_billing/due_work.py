"""What falls due on an account, and what is done about it.

Owns the dispatch of one due item to the decision that it asks for, and reviving when money comes.
Does not own when something is due (:mod:`monochat_billing.scheduling`), in which order it is done
(:mod:`monochat_billing.accounts`) or what it does to books and subscriptions.
"""

from datetime import datetime

import attrs

from monochat_billing import changes
from monochat_billing.account_state import AccountState, Step
from monochat_billing.balance import expire_lots, start_lots
from monochat_billing.changes import Decision
from monochat_billing.errors import InsufficientFunds, InvalidInput
from monochat_billing.events import HoldExpired, ScheduledChangeFailed
from monochat_billing.holds import expire_hold
from monochat_billing.money import amount_text
from monochat_billing.plans import AnyCatalog, Family, renewal_price
from monochat_billing.postings import posting_events
from monochat_billing.quotes import quote_change
from monochat_billing.scheduling import Due, DueKind, ScheduledChange, ScheduleMove
from monochat_billing.subscriptions import SubscriptionState

__all__ = ["apply_due", "revive"]


def apply_due(state: AccountState, due: Due, catalog: AnyCatalog, now: datetime) -> Step:
    """Do the one thing that is ``due``, as of its instant, recorded at ``now``."""
    if due.kind is DueKind.HOLD_EXPIRY:
        return _expire_hold(state, due, now)
    if due.kind is DueKind.LOT_EXPIRY:
        return _expire(state, due, now)
    if due.kind is DueKind.LOT_START:
        return _start(state, due, now)
    if due.kind is DueKind.ASK_AGAIN:
        return _let_ask(state, due)
    if due.kind is DueKind.RENEWAL:
        subscription = state.subscriptions[due.id]
        price = renewal_price(
            catalog,
            subscription.product,
            subscription.price,
            pinned_at=subscription.pinned_at,
            at=due.at,
            agreement=subscription.agreement,
        )
        renewed = changes.renew(state.books, subscription, recorded_at=now, price=price)
        return _decided(state, renewed)
    change = state.schedule[due.id]
    try:
        return _apply_scheduled(state, change, catalog, due.at, now)
    except (InsufficientFunds, InvalidInput) as refusal:
        return _fail_scheduled(state, change, due.at, str(refusal))


def _let_ask(state: AccountState, due: Due) -> Step:
    """Let an automatic top-up ask again; whether it does is seen when the step is noticed."""
    rules = tuple(
        attrs.evolve(one, asks_from=None) if one.name == due.id else one
        for one in state.account.automatic
    )
    account = attrs.evolve(state.account, automatic=rules)
    return Step(attrs.evolve(state, account=account))


def _expire(state: AccountState, due: Due, now: datetime) -> Step:
    books, entries = expire_lots(state.books, due.at, now)
    told = posting_events(state.books, books, entries)
    return Step(state.with_books(books), tuple(entries), told)


def _start(state: AccountState, due: Due, now: datetime) -> Step:
    books, _, covered = start_lots(state.books, due.at, now)
    step = Step(state.with_books(books), tuple(covered))
    return step.then(revive(step.state, due.at, now))


def _expire_hold(state: AccountState, due: Due, now: datetime) -> Step:
    hold = state.holds[due.id]
    freed = expire_hold(state.books, hold, now)
    told = HoldExpired(account=state.account.id, at=due.at, hold=hold.id, freed=hold.left_value)
    events = (told, *posting_events(state.books, freed.books, freed.entries))
    step = Step(state.with_hold(freed.books, freed.hold), freed.entries, events)
    return step.then(revive(step.state, due.at, now))


def _decided(state: AccountState, decision: Decision) -> Step:
    return Step(
        state.with_subscription(decision.books, decision.subscription),
        decision.entries,
        decision.events,
        result=decision.subscription,
    )


def _apply_scheduled(
    state: AccountState, change: ScheduledChange, catalog: AnyCatalog, at: datetime, now: datetime
) -> Step:
    """Judge a scheduled change against what is in force when it is due."""
    subscription = state.subscriptions[change.subscription]
    quote = quote_change(
        state.books,
        subscription,
        catalog,
        quote_id=change.id,
        to=change.to,
        interval=change.interval or subscription.price.interval,
        zone=state.account.zone,
        at=at,
        timing=change.timing,
        agreement=change.agreement,
    )
    if change.shown is not None and quote.to_price.amount > change.shown:
        shown = f"{amount_text(change.shown)} {quote.to_price.currency}"
        reason = f"{quote.to_price} is dearer than the {shown} that was shown"
        return _fail_scheduled(state, change, at, reason)
    if not quote.changes_anything:
        done = change.ended(ScheduleMove.APPLY, at, "nothing to change")
        return Step(state.with_schedule([done]), result=subscription)
    decision = changes.execute_change(
        state.books,
        subscription,
        catalog,
        quote,
        zone=state.account.zone,
        recorded_at=now,
        scheduled_change=change.id,
    )
    applied = change.ended(ScheduleMove.APPLY, at, quote.rule)
    return _decided(state.with_schedule([applied]), decision)


def _fail_scheduled(
    state: AccountState, change: ScheduledChange, at: datetime, reason: str
) -> Step:
    failed = change.ended(ScheduleMove.FAIL, at, reason)
    event = ScheduledChangeFailed(
        account=state.account.id,
        at=at,
        scheduled_change=change.id,
        subscription=change.subscription,
        reason=reason,
    )
    return Step(state.with_schedule([failed]), events=(event,))


def revive(state: AccountState, at: datetime, now: datetime) -> Step:
    """Pay past-due subscriptions that the balance now covers, oldest first, plan before support.

    The new period starts at ``at``; dead time is not charged. One that cannot be paid keeps the
    later ones of its currency waiting, so that a small one never overtakes.
    """
    step = Step(state)
    past_due = [
        one for one in state.subscriptions.values() if one.state is SubscriptionState.PAST_DUE
    ]
    order = list(Family)
    waiting: set[str] = set()
    for one in sorted(past_due, key=lambda due: (due.period.end, order.index(due.family))):
        if one.price.currency in waiting:
            continue
        try:
            decision = changes.revive(
                step.state.books, one, zone=state.account.zone, at=at, recorded_at=now
            )
        except InsufficientFunds:
            waiting.add(one.price.currency)
            continue
        step = step.then(_decided(step.state, decision))
    return step
