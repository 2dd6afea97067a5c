"""Changes: the one place where plans, subscriptions and the balance meet.

Owns subscribing, executing a quote, renewing and reviving.
Does not own the parts: prices and rules come from the catalog, a change's lines from
:mod:`monochat_billing.quotes`, money moves in the balance, and *when* something is due is
scheduling's.

Everything here is a plain function on values: nothing is stored, a refusal changes nothing, and
what a quote shows is what its execution posts, because execution computes the quote again.
"""

from datetime import datetime
from typing import Final, final

import attrs

from monochat_billing.balance import BalanceState, Books, Entry, EntryKind, Memo, debit, give_back
from monochat_billing.errors import InsufficientFunds, StaleQuote
from monochat_billing.events import (
    Event,
    PlanChanged,
    RenewalFailed,
    SubscriptionRenewed,
    SubscriptionRevived,
    SubscriptionStarted,
)
from monochat_billing.money import Money, money
from monochat_billing.periods import BillingAnchor, BillingPeriod
from monochat_billing.plans import Agreement, AnyCatalog, ChangeTiming, Direction, Price, Product
from monochat_billing.quotes import FEE_KINDS, ChangeQuote, quote_change
from monochat_billing.subscriptions import (
    Charge,
    HistoryLine,
    Move,
    Subscription,
    SubscriptionState,
)

__all__ = ["Decision", "confirm_quote", "execute_change", "renew", "revive", "subscribe"]

_PREVIEW_AGAIN: Final = "top up, then preview again"


@final
@attrs.frozen(kw_only=True)
class Decision:
    """Return what was decided on one subscription; nothing has been stored yet."""

    books: Books
    subscription: Subscription
    entries: tuple[Entry, ...] = ()
    events: tuple[Event, ...] = ()


def subscribe(
    books: Books,
    *,
    subscription_id: str,
    product: Product,
    price: Price,
    zone: str,
    at: datetime,
    recorded_at: datetime,
    actor: str = "",
    agreement: Agreement | None = None,
) -> Decision:
    """Start a subscription at ``at`` and charge its first period in advance.

    Raises:
        InsufficientFunds: the balance does not cover the first period; nothing has changed.
        UnknownName: the account has no balance in the price's currency.

    >>> from datetime import UTC, datetime
    >>> from monochat_billing.balance import EntryKind, credit, open_balance
    >>> from monochat_billing.periods import MONTH
    >>> from monochat_billing.plans import sample_catalog
    >>> t = datetime(2026, 10, 5, tzinfo=UTC)
    >>> books = open_balance(Books("acme"), "TRY")
    >>> books = credit(books, money("9000", "TRY"), Memo(EntryKind.TOP_UP, t, t)).books
    >>> catalog = sample_catalog()
    >>> growth = catalog.product("growth")
    >>> began = subscribe(
    ...     books, subscription_id="s-1", product=growth, price=growth.price(MONTH, "TRY"),
    ...     zone="Europe/Istanbul", at=t, recorded_at=t,
    ... )
    >>> print(began.subscription)
    growth at 1499 TRY per MONTH, ACTIVE, 2026-10-05 → 2026-11-05
    >>> print(began.entries[0])
    #2 2026-10-05 00:00Z PLAN_FEE -1499 TRY → 7501 growth per MONTH
    """
    anchor = BillingAnchor.at(at, zone)
    period = BillingPeriod(start=at, end=anchor.bound(price.interval, 1))
    reason = f"{product.id} per {price.interval}"
    memo = Memo(FEE_KINDS[product.family], at, recorded_at, reason, subscription_id, actor)
    books, entries, charge = _charge(books, price.amount, period, memo)
    subscription = Subscription(
        id=subscription_id,
        account=books.account,
        family=product.family,
        product=product.id,
        price=price,
        state=SubscriptionState.ACTIVE,
        anchor=anchor,
        index=0,
        period=period,
        charge=charge,
        history=(HistoryLine(product=product.id, price=price, start=at),),
        agreement=agreement,
    )
    started = SubscriptionStarted(
        account=books.account,
        at=at,
        subscription=subscription_id,
        product=product.id,
        interval=str(price.interval),
        amount=price.amount,
        period_start=period.start,
        period_end=period.end,
    )
    return Decision(books=books, subscription=subscription, entries=entries, events=(started,))


def execute_change(
    books: Books,
    subscription: Subscription,
    catalog: AnyCatalog,
    quote: ChangeQuote,
    *,
    zone: str,
    recorded_at: datetime,
    actor: str = "",
    scheduled_change: str | None = None,
) -> Decision:
    """Do what ``quote`` shows, as of its effective instant: credit, charge, switch.

    The quote is computed again, must come out the same, and what came out is what is done. One
    that changes nothing does nothing. A downgrade that was scheduled for the period's end is done
    even when its new price cannot be paid: the subscription is then past due on the new product.

    Raises:
        StaleQuote: the subscription, the catalog or the amounts are no longer those of the quote.
        InsufficientFunds: the balance does not cover what is due; nothing has changed.

    >>> from datetime import UTC, datetime
    >>> from monochat_billing.balance import EntryKind, credit, open_balance
    >>> from monochat_billing.periods import MONTH
    >>> from monochat_billing.plans import sample_catalog
    >>> t = datetime(2026, 10, 5, tzinfo=UTC)
    >>> books = open_balance(Books("acme"), "TRY")
    >>> books = credit(books, money("9000", "TRY"), Memo(EntryKind.TOP_UP, t, t)).books
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
    >>> done = execute_change(
    ...     began.books, began.subscription, catalog, quote, zone="Europe/Istanbul", recorded_at=t
    ... )
    >>> for entry in done.entries:
    ...     print(entry)
    #3 2026-10-20 00:00Z PRORATION_CREDIT +773.68 TRY → 8274.68 unused time of growth
    #4 2026-10-20 00:00Z PLAN_FEE -3096.26 TRY → 5178.42 enterprise per MONTH
    """
    quote = confirm_quote(books, subscription, catalog, quote, zone=zone)
    if not quote.changes_anything:
        return Decision(books=books, subscription=subscription)
    state = subscription.require(Move.CHANGE)
    at = quote.effective_at
    entries: list[Entry] = []
    after = books
    returned = money(0, quote.credit.currency)
    if quote.credit.amount:
        reason = f"unused time of {subscription.product}"
        memo = Memo(EntryKind.PRORATION_CREDIT, at, recorded_at, reason, subscription.id, actor)
        paid = subscription.charge
        given = give_back(after, quote.credit, paid.shares, memo, paid.entry)
        if given is not None:
            after = given.books
            entries += given.entries
            returned = given.entry.money
    reason = f"{quote.to_product} per {quote.to_price.interval}"
    memo = Memo(FEE_KINDS[quote.family], at, recorded_at, reason, subscription.id, actor)
    failed: InsufficientFunds | None = None
    try:
        after, charged, charge = _charge(after, quote.charge, quote.span, memo, quote.period)
        entries += charged
    except InsufficientFunds as refusal:
        short = _net(books, memo, returned, refusal)
        later = quote.timing is not ChangeTiming.IMMEDIATE and at == subscription.period.end
        if not later or quote.direction is not Direction.DOWNGRADE:
            raise short from None
        failed, charge = short, subscription.charge
        state = SubscriptionState.PAST_DUE
    changed = attrs.evolve(
        subscription,
        product=quote.to_product,
        price=quote.to_price,
        state=state,
        anchor=subscription.anchor if failed else quote.anchor,
        index=subscription.index if failed else quote.index,
        period=subscription.period if failed else quote.period,
        charge=charge,
        history=_history(subscription, quote),
        version=subscription.version + 1,
        agreement=quote.agreement,
    )
    events: list[Event] = [_plan_changed(quote, returned, scheduled_change)]
    if failed:
        events.append(_renewal_failed(changed, at, failed))
    return Decision(books=after, subscription=changed, entries=tuple(entries), events=tuple(events))


def renew(
    books: Books,
    subscription: Subscription,
    *,
    recorded_at: datetime,
    price: Price | None = None,
) -> Decision:
    """Charge the next period at the pinned price, as of the instant at which it starts.

    ``price`` is a newer one that reaches the subscription with this renewal: it is pinned from
    now on, also when it cannot be paid yet. Too little money is a decision, not an error: the
    subscription becomes past due, nothing is taken, and the period's bounds stay where they are.

    Raises:
        IllegalTransition: the subscription is not active.

    >>> from datetime import UTC, datetime
    >>> from monochat_billing.balance import EntryKind, credit, open_balance
    >>> from monochat_billing.periods import MONTH
    >>> from monochat_billing.plans import sample_catalog
    >>> t = datetime(2026, 10, 5, tzinfo=UTC)
    >>> books = open_balance(Books("acme"), "TRY")
    >>> books = credit(books, money("2000", "TRY"), Memo(EntryKind.TOP_UP, t, t)).books
    >>> catalog = sample_catalog()
    >>> growth = catalog.product("growth")
    >>> began = subscribe(
    ...     books, subscription_id="s-1", product=growth, price=growth.price(MONTH, "TRY"),
    ...     zone="Europe/Istanbul", at=t, recorded_at=t,
    ... )
    >>> failed = renew(began.books, began.subscription, recorded_at=t)
    >>> failed.subscription.state.value, failed.events[0].shortfall, failed.entries
    ('PAST_DUE', Money('998', 'TRY'), ())
    """
    state = subscription.require(Move.RENEW)
    period = subscription.next_period
    if price is not None and price != subscription.price:
        subscription = subscription.repriced(price, period.start)
    try:
        books, entries, charge = _pay_period(books, subscription, period, recorded_at)
    except InsufficientFunds as short:
        failed = attrs.evolve(
            subscription,
            state=subscription.require(Move.FAIL),
            version=subscription.version + 1,
        )
        lost = _renewal_failed(failed, period.start, short)
        return Decision(books=books, subscription=failed, events=(lost,))
    renewed = attrs.evolve(
        subscription,
        state=state,
        index=subscription.index + 1,
        period=period,
        charge=charge,
        version=subscription.version + 1,
    )
    event = SubscriptionRenewed(
        account=subscription.account,
        at=period.start,
        subscription=subscription.id,
        product=subscription.product,
        amount=subscription.price.amount,
        period_start=period.start,
        period_end=period.end,
    )
    return Decision(books=books, subscription=renewed, entries=entries, events=(event,))


def revive(
    books: Books, subscription: Subscription, *, zone: str, at: datetime, recorded_at: datetime
) -> Decision:
    """Pay a past-due subscription: a new period starts at ``at``, nothing for dead time.

    Raises:
        InsufficientFunds: the balance still does not cover it; nothing has changed.
        IllegalTransition: the subscription is not past due.
    """
    state = subscription.require(Move.REVIVE)
    anchor = BillingAnchor.at(at, zone)
    period = BillingPeriod(start=at, end=anchor.bound(subscription.price.interval, 1))
    books, entries, charge = _pay_period(books, subscription, period, recorded_at)
    revived = attrs.evolve(
        subscription,
        state=state,
        anchor=anchor,
        index=0,
        period=period,
        charge=charge,
        version=subscription.version + 1,
    )
    event = SubscriptionRevived(
        account=subscription.account,
        at=at,
        subscription=subscription.id,
        product=subscription.product,
        amount=subscription.price.amount,
        period_start=period.start,
        period_end=period.end,
    )
    return Decision(books=books, subscription=revived, entries=entries, events=(event,))


def _pay_period(
    books: Books, subscription: Subscription, period: BillingPeriod, recorded_at: datetime
) -> tuple[Books, tuple[Entry, ...], Charge]:
    reason = f"{subscription.product} per {subscription.price.interval}"
    kind = FEE_KINDS[subscription.family]
    memo = Memo(kind, period.start, recorded_at, reason, subscription.id)
    return _charge(books, subscription.price.amount, period, memo)


def _charge(
    books: Books,
    amount: Money,
    span: BillingPeriod,
    memo: Memo,
    whole: BillingPeriod | None = None,
) -> tuple[Books, tuple[Entry, ...], Charge]:
    """Take ``amount`` for ``span`` of ``whole`` (the same unless given); nothing if it is zero."""
    whole = whole or span
    if not amount.amount:
        return books, (), Charge(amount=amount, whole=whole, span=span)
    posted = debit(books, amount, memo)
    charge = Charge(
        amount=amount, whole=whole, span=span, shares=posted.shares, entry=posted.entry.number
    )
    return posted.books, (posted.entry,), charge


def confirm_quote(
    books: Books, subscription: Subscription, catalog: AnyCatalog, quote: ChangeQuote, *, zone: str
) -> ChangeQuote:
    """Compute a quote again and give what came out, which is what the quote shows.

    Raises:
        StaleQuote: the subscription, the catalog or the amounts are no longer those of the quote.
    """
    if subscription.version != quote.subscription_version:
        raise StaleQuote(quote.id, "the subscription has changed since")
    asked_at = quote.effective_at
    if quote.timing is ChangeTiming.END_OF_PERIOD:
        asked_at = subscription.period.end
    again = quote_change(
        books,
        subscription,
        catalog,
        quote_id=quote.id,
        to=quote.to_product,
        interval=quote.to_price.interval,
        zone=zone,
        at=asked_at,
        timing=quote.timing,
        agreement=quote.agreement,
    )
    if again.digest != quote.digest:
        raise StaleQuote(quote.id, "prices, rules or amounts are no longer those shown")
    return again


def _history(subscription: Subscription, quote: ChangeQuote) -> tuple[HistoryLine, ...]:
    *earlier, last = subscription.history
    at = quote.effective_at
    now = HistoryLine(product=quote.to_product, price=quote.to_price, start=at)
    return (*earlier, attrs.evolve(last, end=at), now)


def _plan_changed(quote: ChangeQuote, returned: Money, scheduled_change: str | None) -> PlanChanged:
    return PlanChanged(
        account=quote.account,
        at=quote.effective_at,
        subscription=quote.subscription,
        from_product=quote.from_product,
        from_interval=str(quote.from_price.interval),
        product=quote.to_product,
        interval=str(quote.to_price.interval),
        credit=returned,
        charge=quote.charge,
        rule=quote.rule,
        scheduled_change=scheduled_change,
    )


def _net(
    books: Books, memo: Memo, returned: Money, refusal: InsufficientFunds
) -> InsufficientFunds:
    """Tell a refusal within a change as its quote does: what is due, of what was there before.

    The credit counts on both sides of the refusal. Where it does not, because what it gave back
    cannot pay this charge or covered a debt, the figures stay those of the charge.
    """
    balance = books.balance(refusal.unit)
    if balance.state is not BalanceState.OPEN:
        return refusal
    available = max(balance.available(memo.kind.pays_for, memo.effective_at), 0)
    asked = balance.units(money(refusal.requested, refusal.unit))
    missing = balance.units(money(refusal.shortfall, refusal.unit))
    due = asked - (balance.units(returned) if returned.amount else 0)
    if due - available != missing:
        return attrs.evolve(refusal, remedy=_PREVIEW_AGAIN)
    return InsufficientFunds(
        refusal.account,
        refusal.unit,
        balance.text(due),
        balance.text(available),
        refusal.shortfall,
        _PREVIEW_AGAIN,
    )


def _renewal_failed(
    subscription: Subscription, at: datetime, short: InsufficientFunds
) -> RenewalFailed:
    currency = subscription.price.currency
    return RenewalFailed(
        account=subscription.account,
        at=at,
        subscription=subscription.id,
        product=subscription.product,
        amount=subscription.price.amount,
        shortfall=money(short.shortfall, currency),
    )
