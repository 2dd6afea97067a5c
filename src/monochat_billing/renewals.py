"""Renewals: what time does to a subscription, and what a payment, a pause or a silence does.

*Owns* the end of a trial, renewing, paying late, reviving, suspending, expiring, pausing and
resuming, as plain functions on values.
*Does not own* when any of them is due (``scheduling``), what follows a failure (``dunning``), or
changes and cancellations, which somebody asks for.

Too little money is a decision where time asks for it (a renewal, a retry): the subscription is past
due and nothing was taken. Where a person or a payment asks (revive, resume), it is a refusal.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any, Final

import attrs

from monochat_billing.balance import Books, Entry, Memo
from monochat_billing.charges import Decision, fee_memo, gross_of, pay
from monochat_billing.errors import InsufficientFunds
from monochat_billing.events import (
    Event,
    RenewalFailed,
    SubscriptionExpired,
    SubscriptionPaused,
    SubscriptionRenewed,
    SubscriptionResumed,
    SubscriptionRevived,
    SubscriptionSuspended,
    TrialEnded,
)
from monochat_billing.money import money
from monochat_billing.periods import BillingAnchor, BillingPeriod
from monochat_billing.plans import AnchorRule, Dunning, Price
from monochat_billing.subscriptions import Charge, Move, Subscription
from monochat_billing.tax import Tax

__all__ = [
    "KEPT_FOR_DAYS",
    "end_trial",
    "ended",
    "expire",
    "kept",
    "pause",
    "renew",
    "renewal_failed",
    "resume",
    "retry",
    "revive",
    "suspend",
]

KEPT_FOR_DAYS: Final = 31
"""For how many days from its start a subscription keeps all its charges: the longest withdrawal."""


def end_trial(books: Books, subscription: Subscription) -> Decision:
    """Let a trial end, as of its last instant; the renewal at that instant charges.

    Raises:
        IllegalTransition: it is in no trial.
    """
    state = subscription.require(Move.END_TRIAL)
    ended = attrs.evolve(subscription, state=state, version=subscription.version + 1)
    event = TrialEnded(
        account=subscription.account,
        at=subscription.period.end,
        subscription=subscription.id,
        product=subscription.product,
    )
    return Decision(books=books, subscription=ended, events=(event,))


def renew(
    books: Books,
    subscription: Subscription,
    *,
    recorded_at: datetime,
    price: Price | None = None,
    tax: Tax | None = None,
    dunning: Dunning | None = None,
) -> Decision:
    """Charge the next period at the pinned price, as of the instant at which it starts.

    ``price`` is a newer one that reaches the subscription with this renewal: it is pinned from
    now on, also when it cannot be paid yet. ``tax`` says how that price is taxed on the day. Too
    little money is a decision, not an error: the subscription becomes past due, with ``dunning`` as
    the plan of what follows, nothing is taken, and the period's bounds stay where they are. After
    a trial it expires instead where its dunning gives no grace, and so does one whose agreement
    ends it with its term.

    Raises:
        IllegalTransition: the subscription is not active.

    >>> from datetime import UTC, datetime
    >>> from monochat_billing.balance import EntryKind, Memo, credit, open_balance
    >>> from monochat_billing.changes import subscribe
    >>> from monochat_billing.periods import MONTH
    >>> from monochat_billing.plans import sample_catalog
    >>> t = datetime(2026, 10, 5, tzinfo=UTC)
    >>> books = open_balance(Books("acme"), "TRY")
    >>> books = credit(books, money("2000", "TRY"), Memo(EntryKind.TOP_UP, t, t)).books
    >>> growth = sample_catalog().product("growth")
    >>> began = subscribe(
    ...     books, subscription_id="s-1", product=growth, price=growth.price(MONTH, "TRY"),
    ...     zone="Europe/Istanbul", at=t, recorded_at=t,
    ... )
    >>> failed = renew(began.books, began.subscription, recorded_at=t)
    >>> failed.subscription.state.value, failed.events[0].shortfall, failed.entries
    ('PAST_DUE', Money('998', 'TRY'), ())
    """
    state = subscription.require(Move.RENEW)
    agreement = subscription.agreement
    if agreement is not None and agreement.ends(subscription.period.end):
        return expire(books, subscription, at=subscription.period.end, reason="end of its term")
    period = subscription.next_period
    if price is not None and price is not subscription.price and price != subscription.price:
        subscription = subscription.repriced(price, period.start)
    try:
        books, entries, charge = _pay(
            books, subscription, period, fee_memo(subscription, period.start, recorded_at), tax
        )
    except InsufficientFunds as short:
        if subscription.first_payment and (dunning is None or not dunning.in_grace(period.start)):
            reason = "nothing was paid after its trial"
            return expire(books, subscription, at=period.start, reason=reason)
        failed = attrs.evolve(
            subscription,
            state=subscription.require(Move.FAIL),
            dunning=dunning,
            version=subscription.version + 1,
        )
        lost = renewal_failed(failed, period.start, short, tax)
        return Decision(books=books, subscription=failed, events=(lost,))
    one = subscription
    renewed = Subscription(
        id=one.id,
        account=one.account,
        family=one.family,
        product=one.product,
        price=one.price,
        state=state,
        anchor=one.anchor,
        index=one.index + 1,
        period=period,
        charge=charge,
        history=one.history,
        version=one.version + 1,
        agreement=one.agreement,
        quantity=one.quantity,
        trial_ends_at=one.trial_ends_at,
        follows=one.follows,
        earlier=kept(one, period.start),
        anchors=one.anchors,
    )
    event = SubscriptionRenewed(
        account=one.account,
        at=period.start,
        subscription=one.id,
        product=one.product,
        amount=charge.amount,
        period_start=period.start,
        period_end=period.end,
        tax=charge.tax,
    )
    return Decision(books=books, subscription=renewed, entries=entries, events=(event,))


def retry(
    books: Books,
    subscription: Subscription,
    *,
    at: datetime,
    recorded_at: datetime,
    tax: Tax | None = None,
) -> Decision:
    """Try once more, within the grace, to charge the period that is due; its bounds stay.

    In vain it stays past due, and one attempt fewer lies ahead.

    Raises:
        IllegalTransition: the subscription is not past due.
    """
    subscription.require(Move.RETRY)
    try:
        return _pay_late(books, subscription, at, recorded_at, tax)
    except InsufficientFunds as short:
        dunning = subscription.dunning
        failed = attrs.evolve(
            subscription,
            dunning=None if dunning is None else dunning.retried(),
            version=subscription.version + 1,
        )
        lost = renewal_failed(failed, at, short, tax)
        return Decision(books=books, subscription=failed, events=(lost,))


def revive(
    books: Books,
    subscription: Subscription,
    *,
    zone: str,
    at: datetime,
    recorded_at: datetime,
    tax: Tax | None = None,
) -> Decision:
    """Pay what is past due or suspended, because money has come.

    Within the grace it pays the period that was due, whose bounds stay, unless its dunning says
    otherwise. After it a new period starts at ``at``, and nothing is charged for dead time.

    Raises:
        InsufficientFunds: the balance still does not cover it; nothing has changed.
        IllegalTransition: the subscription is neither past due nor suspended.
    """
    state = subscription.require(Move.REVIVE)
    dunning = subscription.dunning
    if dunning is not None and dunning.anchor is AnchorRule.KEEP and subscription.serves(at):
        return _pay_late(books, subscription, at, recorded_at, tax)
    memo = fee_memo(subscription, at, recorded_at)
    books, entries, anew = _begun_anew(books, subscription, zone, memo, tax)
    revived = attrs.evolve(anew, state=state, dunning=None, suspended_at=None)
    event = _paid(SubscriptionRevived, revived, at)
    return Decision(books=books, subscription=revived, entries=entries, events=(event,))


def suspend(books: Books, subscription: Subscription, *, at: datetime) -> Decision:
    """Stop a service that was not paid within its grace.

    Raises:
        IllegalTransition: the subscription is not past due.
    """
    suspended = attrs.evolve(
        subscription,
        state=subscription.require(Move.SUSPEND),
        suspended_at=at,
        version=subscription.version + 1,
    )
    event = SubscriptionSuspended(
        account=subscription.account,
        at=at,
        subscription=subscription.id,
        product=subscription.product,
    )
    return Decision(books=books, subscription=suspended, events=(event,))


def expire(books: Books, subscription: Subscription, *, at: datetime, reason: str) -> Decision:
    """Let a subscription end by itself at ``at``; nothing is charged or given back.

    Raises:
        IllegalTransition: it has ended already.
    """
    state = subscription.require(Move.EXPIRE)
    expired = ended(subscription, at=at, ending=reason, state=state)
    event = SubscriptionExpired(
        account=subscription.account,
        at=at,
        subscription=subscription.id,
        product=subscription.product,
        reason=reason,
    )
    return Decision(books=books, subscription=expired, events=(event,))


def pause(books: Books, subscription: Subscription, *, at: datetime) -> Decision:
    """Pause an active subscription at ``at``: what was paid for stays usable, nothing renews.

    The paid end stands where it is: nothing is given back, and no time is added.

    Raises:
        IllegalTransition: the subscription is not active.
    """
    paused = attrs.evolve(
        subscription,
        state=subscription.require(Move.PAUSE),
        paused_at=at,
        version=subscription.version + 1,
    )
    event = SubscriptionPaused(
        account=subscription.account,
        at=at,
        subscription=subscription.id,
        product=subscription.product,
        paid_until=subscription.period.end,
    )
    return Decision(books=books, subscription=paused, events=(event,))


def resume(
    books: Books,
    subscription: Subscription,
    *,
    zone: str,
    at: datetime,
    recorded_at: datetime,
    tax: Tax | None = None,
    price: Price | None = None,
    actor: str = "",
) -> Decision:
    """Let a paused subscription go on.

    Before its paid end nothing is charged and it renews there, as if there had been no pause.
    From its paid end on a new period starts at ``at`` and is charged at the pinned price, or at a
    newer ``price`` that reached it meanwhile; the time between costs nothing.

    Raises:
        IllegalTransition: the subscription is not paused.
        InsufficientFunds: the balance does not cover the new period; nothing has changed.
    """
    state = subscription.require(Move.RESUME)
    version = subscription.version + 1
    if at < subscription.period.end:
        resumed = attrs.evolve(subscription, state=state, paused_at=None, version=version)
        event = _paid(SubscriptionResumed, resumed, at, charged=False)
        return Decision(books=books, subscription=resumed, events=(event,))
    if price is not None and price != subscription.price:
        subscription = subscription.repriced(price, at)
    memo = fee_memo(subscription, at, recorded_at, actor)
    books, entries, anew = _begun_anew(books, subscription, zone, memo, tax)
    resumed = attrs.evolve(anew, state=state, paused_at=None)
    event = _paid(SubscriptionResumed, resumed, at)
    return Decision(books=books, subscription=resumed, entries=entries, events=(event,))


# ------------------------------------------------------------------------------------ the parts


def ended(
    subscription: Subscription,
    *,
    at: datetime,
    ending: str,
    state: Any,  # noqa: ANN401
) -> Subscription:
    """Return a subscription that has ended at ``at``, with its history closed."""
    *earlier, last = subscription.history
    return attrs.evolve(
        subscription,
        state=state,
        ended_at=at,
        ending=ending,
        history=(*earlier, attrs.evolve(last, end=at)),
        dunning=None,
        version=subscription.version + 1,
    )


def kept(
    subscription: Subscription, at: datetime, charge: Charge | None = None
) -> tuple[Charge, ...]:
    """Give the charges that a full refund at a later day would still have to give back.

    ``charge`` is the last one where something of it was credited since. After
    :data:`KEPT_FOR_DAYS` there are none.
    """
    if (at - subscription.started_at).days >= KEPT_FOR_DAYS:
        return ()
    last = charge or subscription.charge
    if not last.amount.amount:
        return subscription.earlier
    return (*subscription.earlier, last)


def renewal_failed(
    subscription: Subscription, at: datetime, short: InsufficientFunds, tax: Tax | None
) -> RenewalFailed:
    """Tell that the next period could not be paid, and by how much."""
    amount = subscription.full_price
    split = gross_of(amount, tax)
    return RenewalFailed(
        account=subscription.account,
        at=at,
        subscription=subscription.id,
        product=subscription.product,
        amount=amount if split is None else split.gross,
        shortfall=money(short.shortfall, subscription.price.currency),
    )


def _pay(
    books: Books,
    subscription: Subscription,
    period: BillingPeriod,
    memo: Memo,
    tax: Tax | None,
) -> tuple[Books, tuple[Entry, ...], Charge]:
    price = subscription.full_price
    split = gross_of(price, tax, subscription.charge.tax)
    return pay(books, price, period, memo, split=split)


def _begun_anew(
    books: Books, subscription: Subscription, zone: str, memo: Memo, tax: Tax | None
) -> tuple[Books, tuple[Entry, ...], Subscription]:
    """Charge a new period that starts now, on an anchor of its own; dead time costs nothing."""
    at = memo.effective_at
    anchor = BillingAnchor.at(at, zone)
    period = BillingPeriod(start=at, end=anchor.bound(subscription.price.interval, 1))
    books, entries, charge = _pay(books, subscription, period, memo, tax)
    anew = attrs.evolve(
        subscription,
        anchor=anchor,
        anchors=subscription.anchors_before(anchor, at),
        index=0,
        period=period,
        charge=charge,
        earlier=kept(subscription, at),
        version=subscription.version + 1,
    )
    return books, entries, anew


def _pay_late(
    books: Books, subscription: Subscription, at: datetime, recorded_at: datetime, tax: Tax | None
) -> Decision:
    """Pay the period that fell due, with its bounds, as of ``at``."""
    period = subscription.next_period
    books, entries, charge = _pay(
        books, subscription, period, fee_memo(subscription, at, recorded_at), tax
    )
    paid = attrs.evolve(
        subscription,
        state=subscription.require(Move.RETRY),
        index=subscription.index + 1,
        period=period,
        charge=charge,
        earlier=kept(subscription, period.start),
        dunning=None,
        version=subscription.version + 1,
    )
    event = _paid(SubscriptionRevived, paid, at)
    return Decision(books=books, subscription=paid, entries=entries, events=(event,))


def _paid(
    kind: Callable[..., Any], subscription: Subscription, at: datetime, *, charged: bool = True
) -> Event:
    charge = subscription.charge
    told: Event = kind(
        account=subscription.account,
        at=at,
        subscription=subscription.id,
        product=subscription.product,
        amount=charge.amount if charged else money(0, charge.amount.currency),
        period_start=subscription.period.start,
        period_end=subscription.period.end,
        tax=charge.tax if charged else None,
    )
    return told
