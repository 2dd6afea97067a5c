"""What falls due on an account, and what is done about it.

Owns the dispatch of one due item to the decision that it asks for, and reviving when money comes.
Does not own when something is due (:mod:`monochat_billing.scheduling`), in which order it is done
(:mod:`monochat_billing.accounts`) or what it does to books and subscriptions.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final, final

import attrs

from monochat_billing import changes, renewals
from monochat_billing.account_state import AccountState, Step
from monochat_billing.balance import expire_lots, start_lots
from monochat_billing.cancellations import CancelMode, cancel
from monochat_billing.charges import Decision, gross_of
from monochat_billing.due_changes import apply_change, decided, plan_of
from monochat_billing.errors import InsufficientFunds, InvalidInput, Rejected
from monochat_billing.events import HoldExpired
from monochat_billing.holds import expire_hold
from monochat_billing.plans import AfterGrace, AnchorRule, AnyCatalog, Family, renewal_price
from monochat_billing.postings import posting_events
from monochat_billing.quotes import quote_change
from monochat_billing.scheduling import Due, DueKind
from monochat_billing.subscriptions import Subscription, SubscriptionState
from monochat_billing.units import Amount, plain_text, unit_of

__all__ = ["DuePayment", "apply_due", "first_dues", "revive", "unpaid"]


def apply_due(state: AccountState, due: Due, catalog: AnyCatalog, now: datetime) -> Step:
    """Do the one thing that is ``due``, as of its instant, recorded at ``now``."""
    return _WORK[due.kind](state, due, catalog, now)


def _apply_change(state: AccountState, due: Due, catalog: AnyCatalog, now: datetime) -> Step:
    step = apply_change(state, state.schedule[due.id], catalog, due.at, now)
    if any(entry.amount > 0 for entry in step.entries):  # what comes back is money like any other
        step = step.then(revive(step.state, due.at, now))
    return step


def _end_trial(state: AccountState, due: Due, catalog: AnyCatalog, now: datetime) -> Step:  # noqa: ARG001
    ended = renewals.end_trial(state.books, state.subscriptions[due.id])
    return decided(state, ended, catalog, due.at)


# --------------------------------------------------------------------------------- what is unpaid


def _renew(state: AccountState, due: Due, catalog: AnyCatalog, now: datetime) -> Step:
    subscription = state.subscriptions[due.id]
    price = renewal_price(
        catalog,
        subscription.product,
        subscription.price,
        pinned_at=subscription.pinned_at,
        at=due.at,
        agreement=subscription.agreement,
    )
    plan = None
    if subscription.first_payment:  # whether it gets a grace decides what a failure means
        plan = plan_of(state, subscription, catalog, due.at)
    renewed = renewals.renew(
        state.books,
        subscription,
        recorded_at=now,
        price=price,
        tax=catalog.at(due.at).tax_for(price, state.country, due.at),
        dunning=plan,
    )
    return decided(state, renewed, catalog, due.at)


def _retry(state: AccountState, due: Due, catalog: AnyCatalog, now: datetime) -> Step:
    """Try again to charge what is due; of a period that is over by now, a new one is tried."""
    subscription = state.subscriptions[due.id]
    if subscription.next_period.end > due.at:
        tax = None if subscription.dunning is None else subscription.dunning.tax
        tried = renewals.retry(state.books, subscription, at=due.at, recorded_at=now, tax=tax)
        return decided(state, tried, catalog, due.at)
    tax = catalog.at(due.at).tax_for(subscription.price, state.country, due.at)
    try:
        paid = renewals.revive(
            state.books,
            _from_now(subscription),
            zone=state.account.zone,
            at=due.at,
            recorded_at=now,
            tax=tax,
        )
    except InsufficientFunds as short:
        dunning = subscription.dunning
        missed = attrs.evolve(
            subscription,
            dunning=None if dunning is None else dunning.retried(),
            version=subscription.version + 1,
        )
        told = renewals.renewal_failed(missed, due.at, short, tax)
        failed = Decision(books=state.books, subscription=missed, events=(told,))
        return decided(state, failed, catalog, due.at)
    return decided(state, paid, catalog, due.at)


def _end_grace(state: AccountState, due: Due, catalog: AnyCatalog, now: datetime) -> Step:
    """Do what the dunning policy says: suspend, move to a free product, cancel, or give up."""
    subscription = state.subscriptions[due.id]
    dunning = subscription.dunning
    if dunning is None:  # nothing else makes a grace end
        raise AssertionError(subscription.id)
    books, at = state.books, due.at
    if subscription.state is SubscriptionState.SUSPENDED:
        gone = renewals.expire(books, subscription, at=at, reason="nothing was paid")
        return decided(state, gone, catalog, at)
    if dunning.then is AfterGrace.CANCEL:
        canceled = cancel(
            books,
            subscription,
            mode=CancelMode.NOTHING,
            zone=state.account.zone,
            at=at,
            recorded_at=now,
        )
        return decided(state, canceled, catalog, at)
    if dunning.then is AfterGrace.MOVE and dunning.to is not None:
        try:
            return _move(state, subscription, catalog, to=dunning.to, at=at, now=now)
        except (Rejected, InvalidInput):
            pass  # the free product is gone by now: suspended, it waits for money
    return decided(state, renewals.suspend(books, subscription, at=at), catalog, at)


def _move(
    state: AccountState,
    subscription: Subscription,
    catalog: AnyCatalog,
    *,
    to: str,
    at: datetime,
    now: datetime,
) -> Step:
    """Move what was not paid to a free product: of the same interval, or of any that it has."""
    held, in_force = subscription.price, catalog.at(at)
    intervals = [
        interval for interval, code in in_force.product(to).offers() if code == held.currency
    ]
    interval = held.interval if held.interval in intervals else next(iter(intervals), held.interval)
    quote = quote_change(
        state.books,
        subscription,
        catalog,
        quote_id=f"dunning of {subscription.id}",
        to=to,
        interval=interval,
        zone=state.account.zone,
        at=at,
        country=state.country,
    )
    moved = changes.execute_change(
        state.books,
        subscription,
        catalog,
        quote,
        zone=state.account.zone,
        recorded_at=now,
        country=state.country,
    )
    return decided(state, moved, catalog, at)


def _from_now(subscription: Subscription) -> Subscription:
    """Let a payment begin a new period, because the one that was due is over."""
    if subscription.dunning is None:
        return subscription
    reset = attrs.evolve(subscription.dunning, anchor=AnchorRule.RESET)
    return attrs.evolve(subscription, dunning=reset)


# ------------------------------------------------------------------------------ lots and holds


def _let_ask(state: AccountState, due: Due, catalog: AnyCatalog, now: datetime) -> Step:  # noqa: ARG001
    """Let an automatic top-up ask again; whether it does is seen when the step is noticed."""
    rules = tuple(
        attrs.evolve(one, asks_from=None) if one.name == due.id else one
        for one in state.account.automatic
    )
    account = attrs.evolve(state.account, automatic=rules)
    return Step(attrs.evolve(state, account=account))


def _expire(state: AccountState, due: Due, catalog: AnyCatalog, now: datetime) -> Step:  # noqa: ARG001
    books, entries = expire_lots(state.books, due.at, now)
    told = posting_events(state.books, books, entries)
    return Step(state.with_books(books), tuple(entries), told)


def _start(state: AccountState, due: Due, catalog: AnyCatalog, now: datetime) -> Step:  # noqa: ARG001
    books, _, covered = start_lots(state.books, due.at, now)
    step = Step(state.with_books(books), tuple(covered))
    return step.then(revive(step.state, due.at, now))


def _expire_hold(state: AccountState, due: Due, catalog: AnyCatalog, now: datetime) -> Step:  # noqa: ARG001
    hold = state.holds[due.id]
    freed = expire_hold(state.books, hold, now)
    told = HoldExpired(account=state.account.id, at=due.at, hold=hold.id, freed=hold.left_value)
    events = (told, *posting_events(state.books, freed.books, freed.entries))
    step = Step(state.with_hold(freed.books, freed.hold), freed.entries, events)
    return step.then(revive(step.state, due.at, now))


_WORK: Final[Mapping[DueKind, Callable[[AccountState, Due, AnyCatalog, datetime], Step]]] = {
    DueKind.HOLD_EXPIRY: _expire_hold,
    DueKind.LOT_EXPIRY: _expire,
    DueKind.LOT_START: _start,
    DueKind.TRIAL_END: _end_trial,
    DueKind.CANCEL_PAUSE: _apply_change,
    DueKind.SCHEDULED_CHANGE: _apply_change,
    DueKind.RENEWAL: _renew,
    DueKind.RETRY: _retry,
    DueKind.GRACE_END: _end_grace,
    DueKind.ASK_AGAIN: _let_ask,
}
"""What is done about each kind of due item."""


# ------------------------------------------------------------------------------- money has come


_UNPAID: Final = (SubscriptionState.PAST_DUE, SubscriptionState.SUSPENDED)
_RANK: Final = {family: rank for rank, family in enumerate(Family)}


def revive(state: AccountState, at: datetime, now: datetime) -> Step:
    """Pay what is past due or suspended and now covered, oldest first, plan before support.

    Within its grace the period that was due is paid, and its bounds stay; after it, or where that
    period is over, a new period starts at ``at`` and dead time is not charged. One that cannot be
    paid keeps the later ones of its currency waiting, so that a small one never overtakes.
    """
    step = Step(state)
    waiting: set[str] = set()
    for one in unpaid(state):
        if one.price.currency in waiting:
            continue
        over = one.next_period.end <= at
        try:
            decision = renewals.revive(
                step.state.books,
                _from_now(one) if over else one,
                zone=state.account.zone,
                at=at,
                recorded_at=now,
                tax=None if one.dunning is None else one.dunning.tax,
            )
        except InsufficientFunds:
            waiting.add(one.price.currency)
            continue
        after = step.state.with_subscription(decision.books, decision.subscription)
        step = step.then(Step(after, decision.entries, decision.events))
    return step


def unpaid(state: AccountState) -> tuple[Subscription, ...]:
    """List the subscriptions that wait for money, in the order in which money pays them."""
    found = [one for one in state.subscriptions.values() if one.state in _UNPAID]
    return tuple(sorted(found, key=lambda one: (one.period.end, _RANK[one.family], one.id)))


@final
@attrs.frozen(kw_only=True)
class DuePayment:
    """Name one thing that money on a balance pays first.

    ``subscription`` is None for what is owed already: what was taken beyond the balance. ``since``
    is when it fell due, None where that does not matter.

    >>> from monochat_billing.money import money
    >>> from monochat_billing.testing.workbench import Workbench
    >>> bench = Workbench()
    >>> account = bench.open("acme", money("5000", "TRY"))
    >>> one = bench.subscribe("acme", "growth")
    >>> spent = bench.billing.balances.debit("acme", money("3000", "TRY"), reason="rest", key="k")
    >>> later = bench.clock.advance(days=33)
    >>> print(*bench.billing.subscriptions.dues("acme"))
    1499 TRY for growth since 2026-11-05
    """

    amount: Amount
    subscription: str | None = None
    product: str = ""
    state: SubscriptionState | None = None
    since: datetime | None = None

    def __str__(self) -> str:
        if self.subscription is None:
            return f"{plain_text(self.amount)} {unit_of(self.amount)} that is owed"
        since = "" if self.since is None else f" since {self.since:%Y-%m-%d}"
        return f"{plain_text(self.amount)} {unit_of(self.amount)} for {self.product}{since}"


def first_dues(state: AccountState) -> tuple[DuePayment, ...]:
    """List what the next money on each balance will pay before anything else, in order.

    First what is owed, then the subscriptions that are past due or suspended, the oldest first and
    the plan before the support package. Amounts are with tax.

    >>> from datetime import UTC
    >>> from monochat_billing.commands import open_account
    >>> t = datetime(2026, 10, 5, tzinfo=UTC)
    >>> opened = open_account(
    ...     account="acme", zone="UTC", currencies=["TRY"], profile=None, now=t
    ... )
    >>> first_dues(opened.state)
    ()
    """
    owed = [
        DuePayment(amount=balance.value(balance.owed))
        for balance in state.books.balances.values()
        if balance.owed
    ]
    for one in unpaid(state):
        split = gross_of(one.full_price, None if one.dunning is None else one.dunning.tax)
        owed.append(
            DuePayment(
                amount=one.full_price if split is None else split.gross,
                subscription=one.id,
                product=one.product,
                state=one.state,
                since=one.period.end,
            )
        )
    return tuple(owed)
