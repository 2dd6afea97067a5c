"""Changes: the one place where plans, subscriptions and the balance meet.

Owns executing a quote; beside it stand, under one name, how a subscription starts
(:mod:`monochat_billing.starts`), what time does to it (:mod:`monochat_billing.renewals`), and how
somebody ends it (:mod:`monochat_billing.cancellations`).
Does not own the parts: prices and rules come from the catalog, a change's lines from
:mod:`monochat_billing.quotes`, money moves in the balance, and *when* something is due is
scheduling's.

Everything here is a plain function on values: nothing is stored, a refusal changes nothing, and
what a quote shows is what its execution posts, because execution computes the quote again.
"""

from datetime import datetime
from typing import Final

import attrs

from monochat_billing.balance import BalanceState, Books, Entry, EntryKind, Memo
from monochat_billing.cancellations import CancelMode, cancel
from monochat_billing.charges import FEE_KINDS, Decision, give_back_of, pay
from monochat_billing.errors import InsufficientFunds, StaleQuote
from monochat_billing.events import Event, PlanChanged, RenewalFailed
from monochat_billing.money import Money, money
from monochat_billing.plans import AnyCatalog, ChangeTiming, Direction, Dunning
from monochat_billing.quotes import ChangeQuote, quote_change
from monochat_billing.renewals import (
    end_trial,
    expire,
    kept,
    pause,
    renew,
    resume,
    retry,
    revive,
    suspend,
)
from monochat_billing.starts import subscribe
from monochat_billing.subscriptions import Charge, Move, Subscription, SubscriptionState

__all__ = [
    "CancelMode",
    "Decision",
    "cancel",
    "confirm_quote",
    "end_trial",
    "execute_change",
    "expire",
    "pause",
    "renew",
    "resume",
    "retry",
    "revive",
    "subscribe",
    "suspend",
]

_PREVIEW_AGAIN: Final = "top up, then preview again"


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
    country: str = "",
    dunning: Dunning | None = None,
) -> Decision:
    """Do what ``quote`` shows, as of its effective instant: credit, charge, switch.

    The quote is computed again, must come out the same, and what came out is what is done. One
    that changes nothing does nothing. A change that is not dearer and was asked for the period's
    end is done even when its new price cannot be paid: the subscription is then past due on the
    new terms, with ``dunning`` as the plan of what follows.

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
    quote = confirm_quote(books, subscription, catalog, quote, zone=zone, country=country)
    if not quote.changes_anything:
        return Decision(books=books, subscription=subscription)
    at = quote.effective_at
    reason = f"unused time of {subscription.product}"
    memo = Memo(EntryKind.PRORATION_CREDIT, at, recorded_at, reason, subscription.id, actor)
    given = give_back_of(books, subscription.charge, quote.credit, memo, quote.credit_tax)
    many = f"{quote.to_quantity} x " if quote.to_quantity != 1 else ""
    reason = f"{many}{quote.to_product} per {quote.to_price.interval}"
    memo = Memo(FEE_KINDS[quote.family], at, recorded_at, reason, subscription.id, actor)
    failed: InsufficientFunds | None = None
    entries = given.entries
    try:
        after, charged, charge = _pay(given.books, quote, memo)
        entries += charged
    except InsufficientFunds as refusal:
        failed = _net(books, memo, given.back, refusal)
        if not _always_applies(subscription, quote):
            raise failed from None
        after, charge = given.books, given.charge
    changed = _changed(subscription, quote, charge, given.charge, failed=failed is not None)
    events: list[Event] = [_plan_changed(quote, given.back, scheduled_change)]
    if failed is not None:
        changed = attrs.evolve(changed, dunning=dunning)
        events.append(_renewal_failed(changed, quote, failed))
    return Decision(books=after, subscription=changed, entries=entries, events=tuple(events))


def _pay(books: Books, quote: ChangeQuote, memo: Memo) -> tuple[Books, tuple[Entry, ...], Charge]:
    split = quote.charge_tax
    amount = quote.charge
    return pay(books, amount, quote.span, memo, whole=quote.period, split=split)


def _always_applies(subscription: Subscription, quote: ChangeQuote) -> bool:
    """Tell whether a change is done though it cannot be paid: it leads to nothing dearer.

    That holds at a period's end, where what was paid for is used up, and for no negotiated price.
    """
    if quote.timing is ChangeTiming.IMMEDIATE or quote.effective_at != subscription.period.end:
        return False
    if quote.direction is Direction.DOWNGRADE:
        return True
    old, new = quote.from_price, quote.to_price
    before, after = (
        price.amount if many == 1 else price.times(many)
        for price, many in ((old, quote.from_quantity), (new, quote.to_quantity))
    )
    return bool(after.amount <= before.amount)


def _changed(
    subscription: Subscription,
    quote: ChangeQuote,
    charge: Charge,
    before: Charge,
    *,
    failed: bool,
) -> Subscription:
    """Place the subscription where the quote says; one that was not paid waits for that period."""
    at = quote.effective_at
    in_trial = quote.period == subscription.period and subscription.period.end != at
    if subscription.state is SubscriptionState.TRIALING and not in_trial:
        state = subscription.require(Move.END_TRIAL)
    else:
        state = subscription.require(Move.CHANGE)
    history = subscription.history
    before_it = (quote.from_product, quote.from_price, quote.from_quantity)
    if before_it != (quote.to_product, quote.to_price, quote.to_quantity):
        history = subscription.history_with(quote.to_product, quote.to_price, quote.to_quantity, at)
    trial_ends_at = subscription.trial_ends_at
    if trial_ends_at is not None and at < trial_ends_at and not in_trial:
        trial_ends_at = at
    return attrs.evolve(
        subscription,
        product=quote.to_product,
        price=quote.to_price,
        quantity=quote.to_quantity,
        state=SubscriptionState.PAST_DUE if failed else state,
        anchor=quote.anchor,
        anchors=subscription.anchors_before(quote.anchor, at),
        index=quote.index - 1 if failed else quote.index,
        period=subscription.period if failed else quote.period,
        charge=charge,
        earlier=subscription.earlier if failed else kept(subscription, at, before),
        history=history,
        version=subscription.version + 1,
        agreement=quote.agreement,
        trial_ends_at=trial_ends_at,
        dunning=None,
        suspended_at=None,
    )


def confirm_quote(
    books: Books,
    subscription: Subscription,
    catalog: AnyCatalog,
    quote: ChangeQuote,
    *,
    zone: str,
    country: str = "",
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
        quantity=quote.to_quantity,
        anchor=quote.anchor if quote.moves_anchor else None,
        price=quote.to_price if quote.keeps_price else None,
        country=country,
    )
    if again.digest != quote.digest:
        raise StaleQuote(quote.id, "prices, rules or amounts are no longer those shown")
    return again


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
        from_quantity=quote.from_quantity,
        quantity=quote.to_quantity,
        period_end=quote.period.end,
        credit_tax=quote.credit_tax,
        charge_tax=quote.charge_tax,
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
    subscription: Subscription, quote: ChangeQuote, short: InsufficientFunds
) -> RenewalFailed:
    return RenewalFailed(
        account=subscription.account,
        at=quote.effective_at,
        subscription=subscription.id,
        product=subscription.product,
        amount=quote.charge,
        shortfall=money(short.shortfall, subscription.price.currency),
    )
