"""Commands: what can be asked of one account, each as a plain function from state to step.

Owns the judgment of a request against an account as it stands, after catch-up.
Does not own storage, clocks, ids or keys: the service brings them.

Every function takes the account's state (caught up to ``now``) and returns a
:class:`~monochat_billing.accounts.Step` with the result, or raises and changes nothing.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import final

import attrs

from monochat_billing import changes, payments
from monochat_billing.accounts import (
    Account,
    AccountState,
    ChargedUsage,
    Step,
    revive,
)
from monochat_billing.balance import (
    Books,
    Entry,
    EntryKind,
    Memo,
    debit,
    debit_many,
    open_balance,
)
from monochat_billing.errors import (
    IllegalTransition,
    InsufficientFunds,
    InvalidInput,
    StaleQuote,
    UnknownName,
)
from monochat_billing.events import (
    AccountOpened,
    ChangeRevoked,
    ChangeScheduled,
    ChangeSuperseded,
    Event,
    UsageCharged,
    UsageRefused,
)
from monochat_billing.money import Money, amount_text, check_currency, from_units
from monochat_billing.payments import CallbackAnswer, Checkout, Payment, TopUp, TopUpState
from monochat_billing.periods import BillingInterval, check_zone, utc
from monochat_billing.plans import Catalog, ChangeTiming, Family
from monochat_billing.profiles import BillingProfile
from monochat_billing.quotes import ChangeQuote, quote_change
from monochat_billing.rating import RateCards, RatedLine, UsageRecord, rate_many
from monochat_billing.scheduling import (
    ScheduledChange,
    ScheduleMove,
    superseded_by,
    superseded_by_immediate,
)
from monochat_billing.subscriptions import Subscription, SubscriptionState

__all__ = [
    "ChangeResult",
    "PaymentReceipt",
    "UsageReport",
    "attach_checkout",
    "change_subscription",
    "charge",
    "open_account",
    "preview_change",
    "receive_payment",
    "record_usage",
    "revoke_change",
    "schedule_change",
    "start_top_up",
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


@final
@attrs.frozen(kw_only=True)
class PaymentReceipt:
    """Return what a callback led to; ``repeated`` says that it had been handled before.

    ``revived`` names the past-due subscriptions that the new money paid at once. ``answer`` is
    what the gateway wants to hear.
    """

    top_up: TopUp
    repeated: bool
    entry: Entry | None = None
    revived: tuple[str, ...] = ()
    answer: CallbackAnswer = attrs.field(factory=CallbackAnswer)


@final
@attrs.frozen(kw_only=True)
class UsageReport:
    """Return what a batch of usage led to, record by record in sum.

    ``charged`` records cost ``amount`` together, ``free`` ones cost nothing, ``repeated`` ones
    had been recorded before or stand twice in the batch. ``refused`` names the records that the
    balance could not pay, with the refusal: nothing is kept of them, so they can be sent again.
    """

    charged: int
    free: int
    repeated: int
    amount: Money
    refused: tuple[tuple[str, InsufficientFunds], ...] = ()

    def __str__(self) -> str:
        return (
            f"{self.charged} charged ({amount_text(self.amount)} {self.amount.currency.code}), "
            f"{self.free} free, {self.repeated} repeated, {len(self.refused)} refused"
        )


def open_account(
    *,
    account: str,
    zone: str,
    currencies: Sequence[str],
    profile: BillingProfile | None,
    now: datetime,
) -> Step:
    """Open an account with an empty balance in each currency.

    Raises:
        InvalidInput: the zone or a currency does not exist, a currency stands twice, or there is
            none.
    """
    check_zone(zone)
    codes = tuple(check_currency(one, field="currencies").code for one in currencies)
    if not codes or len(set(codes)) != len(codes):
        raise InvalidInput(
            "currencies", tuple(currencies), "is empty or repeats one", "name each currency once"
        )
    books = Books(account)
    for code in codes:
        books = open_balance(books, code)
    opened = Account(
        id=account, zone=zone, currencies=codes, opened_at=now, as_of=now, profile=profile
    )
    event = AccountOpened(account=account, at=now, zone=zone, currencies=codes)
    state = AccountState(account=opened, books=books)
    return Step(state, events=(event,), result=opened)


def charge(
    state: AccountState,
    amount: Money,
    *,
    reason: str,
    reference: str = "",
    actor: str = "",
    now: datetime,
) -> Step:
    """Debit ``amount`` for the host's own purpose.

    Raises:
        InsufficientFunds: less is available; nothing has changed.
        InvalidInput: the amount is not above zero or too precise, or there is no reason.
    """
    if not isinstance(reason, str) or not reason.strip():
        raise InvalidInput("reason", reason, "is empty", "say what the debit is for")
    memo = Memo(EntryKind.CHARGE, now, now, reason, reference, actor)
    posted = debit(state.books, amount, memo)
    return Step(state.with_books(posted.books), (posted.entry,), result=posted.entry)


def subscribe(
    state: AccountState,
    catalog: Catalog,
    *,
    subscription_id: str,
    product: str,
    interval: BillingInterval,
    currency: str | None,
    actor: str,
    now: datetime,
) -> Step:
    """Start the account's subscription to a plan or a support package.

    Raises:
        IllegalTransition: the account has one of this family already; change it instead.
        InsufficientFunds: the balance does not cover the first period.
        UnknownName: no such product, price or balance.
    """
    wanted = catalog.product(product)
    balance = state.books.balance(currency or state.account.currencies[0])
    price = wanted.price(interval, balance.unit)
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
    )
    after = state.with_subscription(decision.books, decision.subscription)
    return Step(after, decision.entries, decision.events, result=decision.subscription)


def preview_change(
    state: AccountState,
    catalog: Catalog,
    *,
    quote_id: str,
    to: str,
    interval: BillingInterval | None,
    timing: ChangeTiming | None,
    now: datetime,
) -> ChangeQuote:
    """Quote a change of the subscription in the family of product ``to``.

    Raises:
        InvalidInput: the catalog's rule does not allow the timing.
        UnknownName: no such product or price, or no subscription of that family.
    """
    subscription = _subscription(state, catalog.product(to).family)
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
        interval=interval or subscription.price.interval,
        zone=state.account.zone,
        at=now,
        timing=timing,
    )


def change_subscription(
    state: AccountState,
    catalog: Catalog,
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
    if quote.timing is not ChangeTiming.IMMEDIATE:
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
    catalog: Catalog,
    *,
    schedule_id: str,
    to: str,
    interval: BillingInterval | None,
    timing: ChangeTiming,
    at: datetime | None,
    actor: str,
    now: datetime,
    shown: Money | None = None,
) -> Step:
    """Plan a change for the period's end or for an instant ahead.

    Raises:
        IllegalTransition: the subscription is past due, so its period has no end ahead.
        InvalidInput: the instant is not ahead, or the catalog's rule does not allow the timing.
        UnknownName: no such product or price, or no subscription of that family.
    """
    subscription = _subscription(state, catalog.product(to).family)
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
        interval=interval or subscription.price.interval,
        timing=timing,
        at=instant,
        requested_at=now,
        shown=shown,
        actor=actor,
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
        timing=timing,
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


def start_top_up(
    state: AccountState,
    *,
    top_up_id: str,
    amount: Money,
    gateway: str,
    return_url: str,
    now: datetime,
) -> Step:
    """Record the intent to top up, before any gateway is called.

    Raises:
        InvalidInput: the amount is not above zero or finer than the currency's minor unit, or the
            account has no billing profile.
        UnknownName: the account has no balance in that currency.
    """
    state.books.balance(amount.currency.code)
    top_up = payments.start_top_up(
        top_up_id=top_up_id,
        account=state.account.id,
        gateway=gateway,
        amount=amount,
        return_url=return_url,
        profile=state.account.profile,
        at=now,
    )
    return Step(state.with_top_up(state.books, top_up), result=top_up)


def attach_checkout(state: AccountState, checkout: Checkout) -> Step:
    """Note the checkout that a gateway opened for a top-up; the first one stays."""
    top_up = state.top_ups[checkout.top_up]
    if top_up.state is not TopUpState.CREATED:
        return Step(state, result=top_up)
    opened = top_up.opened(checkout)
    return Step(state.with_top_up(state.books, opened), result=opened)


def receive_payment(state: AccountState, payment: Payment, now: datetime) -> Step:
    """Act on what a gateway's verified callback says, once, and revive what was past due.

    Raises:
        UnknownName: the account has no such top-up.
    """
    top_up = state.top_ups.get(payment.top_up)
    if top_up is None:
        raise UnknownName("top_up", payment.top_up, "does not exist", "look at the gateway")
    done = payments.settle(state.books, top_up, payment, now, now)
    if done.repeated:
        return Step(state, result=PaymentReceipt(top_up=top_up, repeated=True))
    step = Step(state.with_top_up(done.books, done.top_up), done.entries, done.events)
    entry = done.entries[0] if done.entries else None
    revived: tuple[str, ...] = ()
    if entry is not None:
        step = step.then(revive(step.state, now, now))
        revived = tuple(
            one.id
            for one in step.state.subscriptions.values()
            if one is not state.subscriptions.get(one.id)
        )
    result = PaymentReceipt(top_up=done.top_up, repeated=False, entry=entry, revived=revived)
    return attrs.evolve(step, result=result)


def record_usage(
    state: AccountState,
    records: Sequence[UsageRecord],
    cards: RateCards,
    *,
    actor: str,
    now: datetime,
) -> Step:
    """Rate a batch of usage and debit each record once, whatever was recorded before.

    Records are judged one by one in their order: what the balance cannot pay is refused and
    forgotten, the others are charged.

    Raises:
        InvalidInput: a record has no rate on the card in force; the whole batch is refused.
        UnknownName: the account has no balance in the rate card's currency.
    """
    fresh: dict[str, UsageRecord] = {}
    for record in records:
        if record.id not in state.known_usage:
            fresh.setdefault(record.id, record)
    lines = rate_many(tuple(fresh.values()), cards, state.account.zone)
    priced = [line for line in lines if line.units]
    memo = Memo(EntryKind.MESSAGE_FEE, now, now, cards.meter, actor=actor)
    posted = debit_many(
        state.books, cards.currency, [(line.units, line.record_id) for line in priced], memo
    )
    paid = {line.record_id: result for line, result in zip(priced, posted.results, strict=True)}
    usage = tuple(kept for line in lines if (kept := _kept(line, fresh, paid.get(line.record_id))))
    refused = tuple(
        (identity, result)
        for identity, result in paid.items()
        if isinstance(result, InsufficientFunds)
    )
    spent = from_units(-sum(entry.amount for entry in posted.entries), cards.currency)
    report = UsageReport(
        charged=len(posted.entries),
        free=len(lines) - len(priced),
        repeated=len(records) - len(lines),
        amount=spent,
        refused=refused,
    )
    after = attrs.evolve(
        state,
        books=posted.books,
        known_usage=state.known_usage | {one.record.id for one in usage},
    )
    events = _usage_events(state.account.id, posted.entries, report, cards.currency, now)
    return Step(after, posted.entries, events, usage, report)


def _kept(
    line: RatedLine,
    records: dict[str, UsageRecord],
    result: Entry | InsufficientFunds | None,
) -> ChargedUsage | None:
    if isinstance(result, InsufficientFunds):
        return None
    entry = result.number if result else None
    return ChargedUsage(records[line.record_id], line.currency, line.units, line.card, entry)


def _usage_events(
    account: str, entries: Sequence[Entry], report: UsageReport, currency: str, now: datetime
) -> tuple[Event, ...]:
    events: list[Event] = []
    if entries:
        events.append(
            UsageCharged(
                account=account,
                at=now,
                first_entry=entries[0].number,
                last_entry=entries[-1].number,
                records=report.charged,
                amount=report.amount,
            )
        )
    if report.refused:
        short = report.refused[0][1].shortfall
        events.append(
            UsageRefused(
                account=account,
                at=now,
                records=len(report.refused),
                currency=currency,
                first_shortfall=short,
            )
        )
    return tuple(events)


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
