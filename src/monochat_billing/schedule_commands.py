"""Schedule commands: plan something for later.

*Owns* the judgment of such a request against an account as it stands, after catch-up, and who
gives way to it.
*Does not own* when a scheduled change is due or the rules of supersession
(:mod:`monochat_billing.scheduling`), what it does then (:mod:`monochat_billing.due_changes`), or
taking it back (:mod:`monochat_billing.schedule_endings`).

Every function takes the account's state (caught up to ``now``) and returns a
:class:`~monochat_billing.accounts.Step` with the result, or raises and changes nothing.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final, final

import attrs

from monochat_billing.accounts import AccountState, Step
from monochat_billing.errors import IllegalTransition, InvalidInput, UnknownName
from monochat_billing.events import ChangeScheduled, Event
from monochat_billing.intervals import BillingInterval, check_interval
from monochat_billing.money import Money
from monochat_billing.periods import BillingAnchor, utc
from monochat_billing.plans import Agreement, AnyCatalog, ChangeTiming, Family, Price
from monochat_billing.quotes import quote_change
from monochat_billing.schedule_endings import superseded_events
from monochat_billing.scheduling import (
    ScheduleAction,
    ScheduledChange,
    canceled_ahead,
    phase_starts,
    superseded_by,
)
from monochat_billing.subscriptions import Subscription, SubscriptionState
from monochat_billing.texts import check_line

__all__ = [
    "MOST_PENDING",
    "Phase",
    "schedule_action",
    "schedule_change",
    "schedule_phases",
    "schedule_start",
    "target_of",
]

MOST_PENDING: Final = 200
"""How many scheduled changes an account can have pending."""

_GOING: Final = (SubscriptionState.TRIALING, SubscriptionState.ACTIVE)
_WORDS: Final = {
    ScheduleAction.CHANGE: "schedule a change",
    ScheduleAction.QUANTITY: "schedule another quantity",
    ScheduleAction.PAUSE: "schedule a pause",
    ScheduleAction.RESUME: "schedule its resumption",
    ScheduleAction.CANCEL: "schedule its end",
}


@final
@attrs.frozen
class Phase:
    """Name one phase of a chain: a product at an interval, for a duration.

    Without a ``duration`` it goes on; only the last phase can.

    >>> from monochat_billing.intervals import MONTH, YEAR
    >>> first = Phase(product="growth", interval=MONTH, duration=BillingInterval.parse("3 MONTH"))
    >>> last = Phase(product="enterprise", interval=YEAR)
    >>> print(first.duration, last.duration)
    QUARTER None
    """

    product: str
    interval: BillingInterval
    duration: BillingInterval | None = None


# ------------------------------------------------------------------------------------ planning


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
    price: Price | None = None,
    kept_until: datetime | None = None,
    agreement: Agreement | None = None,
    of: Subscription | None = None,
) -> Step:
    """Plan a change of product or interval for the period's end or for an instant ahead.

    It is about what is held of the family of ``to``, or about ``of``.

    Raises:
        IllegalTransition: the subscription is past due, paused or suspended, so its period has no
            end ahead; or it is canceled by then.
        InvalidInput: the instant is not ahead, or the catalog's rule does not allow the timing.
        UnknownName: no such product or price, or no subscription of that family.

    >>> from datetime import UTC, datetime
    >>> from monochat_billing import plan_commands
    >>> from monochat_billing.commands import open_account
    >>> from monochat_billing.periods import MONTH
    >>> from monochat_billing.plans import sample_catalog
    >>> t = datetime(2026, 10, 5, tzinfo=UTC)
    >>> opened = open_account(
    ...     account="acme", zone="UTC", currencies=["TRY"], profile=None, now=t
    ... )
    >>> catalog = sample_catalog()
    >>> state = plan_commands.subscribe(
    ...     opened.state, catalog, subscription_id="s-1", product="basic", interval=MONTH,
    ...     currency=None, actor="", now=t,
    ... ).state
    >>> step = schedule_change(
    ...     state, catalog, schedule_id="c-1", to="growth", interval=None,
    ...     timing=ChangeTiming.END_OF_PERIOD, at=None, actor="", now=t,
    ... )
    >>> step.result.state.value, step.events[-1].due_at.date().isoformat()
    ('PENDING', '2026-11-05')
    """
    subscription = of or target_of(state, catalog, to, now)
    change = ScheduledChange(
        id=schedule_id,
        account=state.account.id,
        subscription=subscription.id,
        to=to,
        interval=check_interval(interval or subscription.price.interval),
        timing=timing,
        at=_ahead(at, now),
        requested_at=now,
        shown=shown,
        price=price,
        kept_until=kept_until,
        actor=check_line(actor, "actor"),
        agreement=agreement,
    )
    _refuse_if_pointless(state, change, subscription, now)
    quote_change(
        state.books,
        subscription,
        catalog,
        quote_id=schedule_id,
        to=to,
        interval=interval or subscription.price.interval,
        zone=state.account.zone,
        at=now,
        timing=change.timing,
        agreement=agreement,
    )
    return _planned(state, [change], now)


def schedule_action(
    state: AccountState,
    *,
    schedule_id: str,
    action: ScheduleAction,
    subscription: Subscription,
    timing: ChangeTiming,
    at: datetime | None,
    actor: str,
    now: datetime,
    quantity: int | None = None,
    mode: str = "",
) -> Step:
    """Plan a pause, a resumption, a cancellation or another quantity of a subscription.

    Raises:
        IllegalTransition: it is not in a state from which that could ever happen, or it is
            canceled by then.
        InvalidInput: the instant is not ahead, or the quantity is no whole number above zero.
    """
    if quantity is not None and (type(quantity) is not int or quantity < 1):
        raise InvalidInput("quantity", quantity, "is no quantity", "pass an int above zero")
    change = ScheduledChange(
        id=schedule_id,
        account=state.account.id,
        subscription=subscription.id,
        timing=timing,
        at=_ahead(at, now),
        requested_at=now,
        actor=check_line(actor, "actor"),
        action=action,
        quantity=quantity,
        mode=mode,
    )
    _refuse_if_pointless(state, change, subscription, now)
    return _planned(state, [change], now)


def schedule_start(
    state: AccountState,
    catalog: AnyCatalog,
    *,
    schedule_id: str,
    subscription_id: str,
    product: str,
    interval: BillingInterval,
    at: datetime,
    currency: str | None,
    actor: str,
    now: datetime,
    quantity: int = 1,
    trial: bool = True,
) -> Step:
    """Plan a subscription that begins at an instant ahead; it is priced and charged then.

    With ``trial`` the product's trial comes first, if the account has never held it.

    Raises:
        IllegalTransition: the account has one of this family already; change that one instead.
        InvalidInput: the instant is not ahead.
        UnknownName: no such product, price or balance.
    """
    change = _start(
        state,
        catalog,
        schedule_id=schedule_id,
        subscription_id=subscription_id,
        phase=Phase(product, interval),
        at=at,
        currency=currency,
        actor=actor,
        now=now,
        quantity=quantity,
        trial=trial,
    )
    return _planned(state, [change], now)


def schedule_phases(
    state: AccountState,
    catalog: AnyCatalog,
    *,
    chain_id: str,
    subscription_id: str,
    phases: Sequence[Phase],
    at: datetime | None,
    currency: str | None,
    actor: str,
    now: datetime,
) -> Step:
    """Plan a chain of phases: product after product, each for its duration.

    It begins at ``at``, or at the end of the current period. Bounds are counted from there, by the
    nominal day of the subscription, so that they fall on its periods' bounds where durations are
    whole intervals. Without a subscription of that family the first phase begins one at ``at``. A
    phase that fails cancels those after it; the result is the tuple of scheduled changes.

    Raises:
        IllegalTransition: the subscription's period has no end ahead, or it is canceled by then.
        InvalidInput: there is no phase, one before the last has no duration, they are of several
            families, or the start is not ahead.
        UnknownName: no such product, price or balance.
    """
    if not phases:
        raise InvalidInput("phases", (), "is empty", "name at least one phase")
    subscription = _held(state, catalog, phases[0].product, now)
    start = _ahead(at, now)
    if subscription is None and start is None:
        raise InvalidInput("at", None, "is missing", "say when the subscription begins")
    anchor = _first_bound(state, subscription, start)
    starts = phase_starts(anchor, [one.duration for one in phases])
    changes: list[ScheduledChange] = []
    for number, (phase, phase_at) in enumerate(zip(phases, starts, strict=True), 1):
        name = f"{chain_id}/{number}"
        if subscription is None and number == 1:
            change = _start(
                state,
                catalog,
                schedule_id=name,
                subscription_id=subscription_id,
                phase=phase,
                at=phase_at,
                currency=currency,
                actor=actor,
                now=now,
            )
        else:
            change = ScheduledChange(
                id=name,
                account=state.account.id,
                subscription=subscription_id if subscription is None else subscription.id,
                to=phase.product,
                interval=check_interval(phase.interval),
                timing=ChangeTiming.AT,
                at=phase_at,
                requested_at=now,
                actor=check_line(actor, "actor"),
            )
        code = _currency(state, subscription, currency)
        _check_phase(catalog, phases[0], phase, code, max(phase_at, now))
        if subscription is not None:
            _refuse_if_pointless(state, change, subscription, now)
        changes.append(attrs.evolve(change, chain=chain_id, phase=number))
    step = _planned(state, changes, now)
    made = {one.id for one in changes}
    planned = tuple(one for one in step.state.schedule.values() if one.id in made)
    return attrs.evolve(step, result=planned)


# ------------------------------------------------------------------------------------ the parts


def target_of(state: AccountState, catalog: AnyCatalog, to: str, now: datetime) -> Subscription:
    """Give the subscription that a change to product ``to`` is about: that of its family.

    Whoever holds a product may name it when it is sold no more.

    Raises:
        UnknownName: no such product, or no subscription of that family.
    """
    found = _held(state, catalog, to, now)
    if found is None:
        family = catalog.at(now).product(to).family
        raise UnknownName(
            "subscription",
            family,
            f"does not exist on account {state.account.id!r}",
            "subscribe first",
        )
    return found


def _held(
    state: AccountState, catalog: AnyCatalog, product: str, now: datetime
) -> Subscription | None:
    for subscription in state.subscriptions.values():
        if subscription.product == product and subscription.live:
            return subscription
    family = catalog.at(now).product(product).family
    return None if family is Family.ADD_ON else state.subscription(family)


def _ahead(at: datetime | None, now: datetime) -> datetime | None:
    if at is None:
        return None
    instant = utc(at, field="at")
    if instant <= now:
        raise InvalidInput("at", instant.isoformat(), "is not ahead", "pass a later instant")
    return instant


def _refuse_if_pointless(
    state: AccountState, change: ScheduledChange, subscription: Subscription, now: datetime
) -> None:
    """Refuse what could never happen: from this state, without an end ahead, behind a cancel."""
    action = change.action
    words = _WORDS[action]
    now_is = subscription.state
    possible = now_is in _GOING or (
        now_is is SubscriptionState.PAUSED and change.timing is ChangeTiming.AT
    )
    if action is ScheduleAction.CANCEL:
        possible = subscription.live
    elif action is ScheduleAction.RESUME and now_is in _GOING:
        possible = any(
            one.pending
            and one.action is ScheduleAction.PAUSE
            and one.subscription == subscription.id
            for one in state.schedule.values()
        )
    if not possible:
        raise IllegalTransition("subscription", subscription.id, now_is, words)
    due_at = change.due_at(subscription)
    if due_at <= now:
        raise IllegalTransition(
            "subscription", subscription.id, now_is, f"{words} for its period's end"
        )
    ends = canceled_ahead(due_at, state.schedule.values(), subscription)
    same = ends is not None and ends.due_at(subscription) == due_at
    if ends is not None and not (same and action is ScheduleAction.CANCEL):
        raise IllegalTransition(
            "subscription",
            subscription.id,
            f"to be canceled by {ends.id} at {ends.due_at(subscription).isoformat()}",
            f"{words} for {due_at.isoformat()}",
        )


def _planned(state: AccountState, changes: Sequence[ScheduledChange], now: datetime) -> Step:
    """Add requests to the schedule; what gives way to them is marked and told."""
    pending = sum(1 for one in state.schedule.values() if one.pending)
    if pending + len(changes) > MOST_PENDING:
        raise InvalidInput(
            "schedule", pending, "changes are pending already", "revoke some of them first"
        )
    events: list[Event] = []
    after, planned = state, changes[0]
    for change in changes:
        subscription = state.subscriptions.get(change.subscription)
        others = [one for one in after.schedule.values() if one not in changes]
        gone = superseded_by(change, others, subscription)
        planned = attrs.evolve(change, replaced=tuple(one.id for one in gone))
        after = after.with_schedule((*gone, planned))
        events += superseded_events(gone, now)
        events.append(
            ChangeScheduled(
                account=state.account.id,
                at=now,
                scheduled_change=change.id,
                subscription=change.subscription,
                to=change.to,
                interval="" if change.interval is None else str(change.interval),
                due_at=change.due_at(subscription),
                action=change.action.value,
                quantity=change.quantity,
            )
        )
    return Step(after, events=tuple(events), result=planned)


def _start(
    state: AccountState,
    catalog: AnyCatalog,
    *,
    schedule_id: str,
    subscription_id: str,
    phase: Phase,
    at: datetime,
    currency: str | None,
    actor: str,
    now: datetime,
    quantity: int = 1,
    trial: bool = True,
) -> ScheduledChange:
    instant = _ahead(at, now)
    product = catalog.at(max(at, now)).product(phase.product)
    balance = state.books.balance(currency or state.account.currencies[0])
    product.price(check_interval(phase.interval), balance.unit, at)
    existing = state.in_the_way(product)
    if existing is not None:
        raise IllegalTransition(
            f"{product.family} subscription", existing.id, existing.state, "subscribe again"
        )
    return ScheduledChange(
        id=schedule_id,
        account=state.account.id,
        subscription=subscription_id,
        to=product.id,
        interval=phase.interval,
        timing=ChangeTiming.AT,
        at=instant,
        requested_at=now,
        actor=check_line(actor, "actor"),
        action=ScheduleAction.SUBSCRIBE,
        quantity=quantity,
        family=product.family,
        currency=balance.unit,
        trial=trial and product.trial is not None and not state.has_had(product.id),
    )


def _first_bound(
    state: AccountState, subscription: Subscription | None, at: datetime | None
) -> BillingAnchor:
    """Anchor a chain on its start, with the nominal day of the periods that it falls on."""
    if subscription is not None and at in (None, subscription.period.end):
        return subscription.anchor.moved(subscription.price.interval, subscription.index + 1)
    if at is None:  # the caller has refused this
        raise AssertionError(state.account.id)
    return BillingAnchor.at(at, state.account.zone)


def _currency(state: AccountState, subscription: Subscription | None, currency: str | None) -> str:
    if subscription is not None:
        return subscription.price.currency
    return currency or state.account.currencies[0]


def _check_phase(
    catalog: AnyCatalog, first: Phase, phase: Phase, currency: str, at: datetime
) -> None:
    in_force = catalog.at(at)
    product = in_force.product(phase.product)
    family = catalog.at(at).product(first.product).family
    if product.family is not family:
        raise InvalidInput("phases", product.id, f"is no {family}", "choose products of one family")
    product.price(phase.interval, currency, at)
