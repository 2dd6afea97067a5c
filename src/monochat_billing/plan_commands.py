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
from monochat_billing.accounts import AccountState, Step, followed
from monochat_billing.balance import Entry
from monochat_billing.errors import IllegalTransition, InvalidInput, StaleQuote, UnknownName
from monochat_billing.intervals import check_interval
from monochat_billing.periods import BillingAnchor, BillingInterval, utc
from monochat_billing.plans import (
    Agreement,
    AnyCatalog,
    ChangeTiming,
    Family,
    LimitCheck,
    NegotiatedPrice,
    Product,
    as_timing,
    known_product,
)
from monochat_billing.quotes import DEFAULT_VALIDITY, ChangeQuote, quote_change
from monochat_billing.schedule_commands import schedule_action, schedule_change, target_of
from monochat_billing.schedule_endings import revoke_change, superseded_events
from monochat_billing.scheduling import (
    Facet,
    ScheduleAction,
    ScheduledChange,
    superseded_by_immediate,
)
from monochat_billing.starts import Alignment
from monochat_billing.subscriptions import Subscription, SubscriptionState
from monochat_billing.texts import check_line, one_of

__all__ = [
    "ChangeResult",
    "change_subscription",
    "check_limit",
    "has_had",
    "preview_change",
    "revoke_change",
    "schedule_change",
    "subscribe",
]


@final
@attrs.frozen(kw_only=True)
class ChangeResult:
    """Return what a change did: the subscription after it, or the scheduled change it became.

    >>> from monochat_billing.money import money
    >>> from monochat_billing.testing.workbench import Workbench
    >>> bench = Workbench()
    >>> account = bench.open("acme", money("5000", "TRY"))
    >>> from monochat_billing.periods import MONTH
    >>> one = bench.subscribe("acme", "basic")
    >>> quote = bench.billing.subscriptions.preview("acme", to="growth", interval=MONTH)
    >>> print(bench.billing.subscriptions.change(quote))
    growth at 1499 TRY per MONTH, ACTIVE, 2026-10-05 → 2026-11-05
    """

    quote: ChangeQuote
    subscription: Subscription
    entries: tuple[Entry, ...] = ()
    scheduled: ScheduledChange | None = None

    def __str__(self) -> str:
        return str(self.scheduled or self.subscription)


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
    quantity: int = 1,
    start: datetime | None = None,
    alignment: Alignment | None = None,
    trial: bool = True,
    follows: str | None = None,
) -> Step:
    """Start the account's subscription to a plan, a support package or an add-on.

    It pays the list price that is in force at its start, or the price of an ``offer``, which is
    accepted by that. The product's trial comes first where the account has never had the product,
    and neither takes an ``offer`` nor says that it wants no ``trial``. ``start`` lies in the past:
    it is charged from then on, and not before the end of one that the account had of its family,
    or of this add-on: no day is billed twice. ``alignment`` is for add-ons; without it they take
    the days of the plan, where there is one that is paid for. The state has to hold what has
    ended, too.

    Raises:
        IllegalTransition: the account has one of this family, or this add-on, already; change it
            instead. Or the offer was accepted before.
        InsufficientFunds: the balance does not cover what is due.
        InvalidInput: the product is not held so often, the start lies ahead, the alignment is not
            possible, or the offer is not for this.
        UnknownName: no such product, price or balance.
    """
    check_interval(interval)
    check_line(actor, "actor")
    at = now if start is None else utc(start, field="start")
    if at > now:
        raise InvalidInput("start", at.isoformat(), "lies ahead", "schedule the start instead")
    wanted = catalog.at(at).product(product)
    at = _not_twice(state, wanted, at)
    in_force = catalog.at(at)
    wanted = in_force.product(product)
    balance = state.books.balance(currency or state.account.currencies[0])
    agreement = None
    if offer is not None:
        agreement = _agree(state, offer, product, interval, now)
    price = agreement.price if agreement else wanted.price(interval, balance.unit, at)
    if price.currency != balance.unit:
        raise InvalidInput(
            "offer", str(price), f"is not in {balance.unit}", "name the offer's currency"
        )
    existing = state.in_the_way(wanted)
    if existing is not None:
        raise IllegalTransition(
            f"{wanted.family} subscription", existing.id, existing.state, "subscribe again"
        )
    tries = trial and wanted.trial is not None and offer is None and not has_had(state, product)
    decision = changes.subscribe(
        state.books,
        subscription_id=subscription_id,
        product=wanted,
        price=price,
        zone=state.account.zone,
        at=at,
        recorded_at=now,
        actor=actor,
        agreement=agreement,
        quantity=quantity,
        tax=in_force.tax_for(price, state.country, at),
        trial=tries,
        anchor=None if tries else _grid(state, wanted, alignment),
        follows=follows,
    )
    after = state.with_subscription(decision.books, decision.subscription)
    return Step(after, decision.entries, decision.events, result=decision.subscription)


def has_had(state: AccountState, product: str) -> bool:
    """Tell whether the account has ever held a product, as far as the state remembers."""
    return state.has_had(product)


def _not_twice(state: AccountState, wanted: Product, at: datetime) -> datetime:
    """Move a start to the end of what was held before, where it lies within it."""
    for one in state.subscriptions.values():
        same = one.family is wanted.family if wanted.family.ladder else one.product == wanted.id
        if same and one.ended_at is not None and one.started_at <= at < one.ended_at:
            at = one.ended_at
    return at


def _grid(
    state: AccountState, wanted: Product, alignment: Alignment | None
) -> BillingAnchor | None:
    """Give the anchor that a new subscription shares; None: its own.

    A plan that is tried, unpaid or paused has no days to share.
    """
    plan = None if wanted.family.ladder else state.subscription(Family.PLAN)
    shared = plan is not None and plan.state is SubscriptionState.ACTIVE
    if alignment is Alignment.PLAN and not shared:
        raise InvalidInput(
            "alignment", alignment, "needs a plan that is paid for", "use OWN, or leave it out"
        )
    if alignment is Alignment.OWN or plan is None or not shared:
        return None
    return plan.anchor


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
    subscription: str | None = None,
    quantity: int | None = None,
    anchor: BillingAnchor | None = None,
) -> ChangeQuote:
    """Quote a change of the subscription in the family of product ``to``, or of the one named.

    ``subscription`` is its id or the product that it holds now: an add-on that becomes another
    has to be named. ``quantity`` is how many are held after the change, ``anchor`` moves the days
    of renewal, at once.

    With an ``offer`` its price is quoted, and executing the quote accepts it. ``usage`` is what
    is in use by the name of its limit: what the change would break is warned of.

    Raises:
        IllegalTransition: the offer was accepted before.
        InvalidInput: the catalog's rule does not allow the timing, or the offer is not for this.
        UnknownName: no such product or price, or no subscription of that family.
    """
    one = target_of(state, catalog, to, now) if subscription is None else state.held(subscription)
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
    if anchor is not None and timing is None:
        timing = ChangeTiming.IMMEDIATE
    if anchor is not None and timing is not ChangeTiming.IMMEDIATE:
        raise InvalidInput("anchor", anchor.text, "moves at once", "leave the timing out")
    return quote_change(
        state.books,
        one,
        catalog,
        quote_id=quote_id,
        to=to,
        interval=check_interval(interval or one.price.interval),
        zone=state.account.zone,
        at=now,
        timing=timing,
        valid_for=valid_for,
        agreement=agreement,
        usage=usage,
        quantity=quantity,
        anchor=anchor,
        country=state.country,
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
        return _schedule(state, catalog, quote, schedule_id=schedule_id, actor=actor, now=now)
    decision = changes.execute_change(
        state.books,
        subscription,
        catalog,
        quote,
        zone=state.account.zone,
        recorded_at=now,
        actor=actor,
        country=state.country,
    )
    after = state.with_subscription(decision.books, decision.subscription)
    events = decision.events
    for facet in _facets(quote):
        gone = superseded_by_immediate(
            subscription.id, after.schedule.values(), quote.effective_at, facet
        )
        after = after.with_schedule(gone)
        events += superseded_events(gone, quote.effective_at)
    result = ChangeResult(quote=quote, subscription=decision.subscription, entries=decision.entries)
    step = Step(after, decision.entries, events, result=result)
    if any(
        one.subscription == quote.subscription and one.period.start > quote.effective_at
        for one in state.account.recurrences
    ):
        return step  # a month of units has begun since: they follow as of now
    # Units follow as of the instant that the quote shows, like the money: whoever thinks about it
    # for a while gets none less.
    return followed(state, step, catalog, quote.effective_at, now)


def _facets(quote: ChangeQuote) -> tuple[Facet, ...]:
    """Say which facets a quote is about; one that only moves the anchor is about none."""
    found = []
    if (quote.from_product, quote.from_price) != (quote.to_product, quote.to_price):
        found.append(Facet.PRODUCT)
    if quote.from_quantity != quote.to_quantity:
        found.append(Facet.QUANTITY)
    return tuple(found)


def _schedule(
    state: AccountState,
    catalog: AnyCatalog,
    quote: ChangeQuote,
    *,
    schedule_id: str,
    actor: str,
    now: datetime,
) -> Step:
    """Plan what a quote for the period's end shows: a product, a quantity, or both."""
    subscription = state.subscriptions[quote.subscription]
    changes.confirm_quote(
        state.books,
        subscription,
        catalog,
        quote,
        zone=state.account.zone,
        country=state.country,
    )
    step = Step(state)
    scheduled: ScheduledChange | None = None
    facets = _facets(quote)
    if Facet.QUANTITY in facets:
        step = schedule_action(
            state,
            schedule_id=schedule_id if len(facets) == 1 else f"{schedule_id}-quantity",
            action=ScheduleAction.QUANTITY,
            subscription=subscription,
            timing=quote.timing,
            at=None,
            actor=actor,
            now=now,
            quantity=quote.to_quantity,
        )
        scheduled = step.result
    if Facet.PRODUCT in facets:
        later = schedule_change(
            step.state,
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
            of=subscription,
        )
        step, scheduled = step.then(later), later.result
    result = ChangeResult(quote=quote, subscription=subscription, scheduled=scheduled)
    return attrs.evolve(step, result=result)


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
        one_of(known, "nothing is limited"),
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
