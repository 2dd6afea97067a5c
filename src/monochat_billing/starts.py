"""Starts: how a subscription begins, with a trial, on another's days, or some time ago.

*Owns* the first period and what is charged for it.
*Does not own* who may subscribe to what (``plan_commands``) or what follows.
"""

import enum
from datetime import datetime
from typing import Final, final

import attrs

from monochat_billing.balance import Books, Entry, Memo, debit
from monochat_billing.charges import FEE_KINDS, Decision, gross_of, pay
from monochat_billing.errors import InvalidInput
from monochat_billing.events import Event, SubscriptionRenewed, SubscriptionStarted
from monochat_billing.money import Money, money, total
from monochat_billing.periods import BillingAnchor, BillingPeriod
from monochat_billing.plans import Agreement, Price, Product
from monochat_billing.proration import prorate
from monochat_billing.subscriptions import Charge, HistoryLine, Subscription, SubscriptionState
from monochat_billing.tax import Tax, TaxLine

__all__ = ["MOST_ELAPSED", "Alignment", "subscribe"]


class Alignment(enum.StrEnum):
    """Name whose days an add-on renews on; they are chosen at its start and kept from then on.

    >>> [one.value for one in Alignment]
    ['OWN', 'PLAN']
    """

    OWN = "OWN"
    """The day on which it began."""
    PLAN = "PLAN"
    """Those of the plan; until the first of them a part of the price is charged."""


MOST_ELAPSED: Final = 400
"""How many periods a start can lie back; further is a mistake in the date."""


@final
@attrs.frozen
class _Span:
    """Name one span that has to be charged: its part of a whole period, the amount, and why."""

    whole: BillingPeriod
    span: BillingPeriod
    amount: Money
    split: TaxLine | None
    reason: str


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
    quantity: int = 1,
    tax: Tax | None = None,
    trial: bool = False,
    anchor: BillingAnchor | None = None,
    follows: str | None = None,
    due: bool = False,
) -> Decision:
    """Start a subscription at ``at`` and charge its first period in advance.

    With ``trial`` the product's trial comes first and nothing is charged until its end. With an
    ``anchor`` the bounds are those of its grid, and of the period that contains ``at`` the rest is
    charged. A start before ``recorded_at`` is charged from that start on, as of ``recorded_at``:
    one charge for each period that has begun by then. One that was ``due`` at ``at`` is charged as
    of that instant, however late it is recorded.

    Raises:
        InsufficientFunds: the balance does not cover what is due; nothing has changed.
        InvalidInput: the product is not held so often, or the start lies too far back.
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
    product.quantity(quantity)
    books.balance(price.currency)
    now = at if due else max(at, recorded_at)
    start = _Start(product, price, quantity, zone, at)
    grid, index, wholes, trial_ends_at = start.periods(now, trial=trial, anchor=anchor)
    spans = [start.span(whole, tax) for whole in wholes]
    if trial_ends_at is not None:
        spans[0] = start.free(wholes[0])
    memo = Memo(FEE_KINDS[product.family], now, recorded_at, "", subscription_id, actor)
    charges, entries, books = _pay_all(books, spans, memo)
    in_trial = trial_ends_at is not None and now < trial_ends_at
    subscription = Subscription(
        id=subscription_id,
        account=books.account,
        family=product.family,
        product=product.id,
        price=price,
        state=SubscriptionState.TRIALING if in_trial else SubscriptionState.ACTIVE,
        anchor=grid,
        index=index,
        period=spans[-1].whole,
        charge=charges[-1],
        history=(HistoryLine(product=product.id, price=price, start=at, quantity=quantity),),
        agreement=agreement,
        quantity=quantity,
        trial_ends_at=trial_ends_at,
        earlier=tuple(one for one in charges[:-1] if one.amount.amount),
        follows=follows,
    )
    events = _events(subscription, charges, now)
    return Decision(books=books, subscription=subscription, entries=entries, events=events)


@final
@attrs.frozen
class _Start:
    """Hold what is subscribed to, and since when."""

    product: Product
    price: Price
    quantity: int
    zone: str
    at: datetime

    def periods(
        self, now: datetime, *, trial: bool, anchor: BillingAnchor | None
    ) -> tuple[BillingAnchor, int, list[BillingPeriod], datetime | None]:
        """Give the anchor, the current index, the periods that have begun, and the trial's end."""
        own, interval = BillingAnchor.at(self.at, self.zone), self.price.interval
        trial_ends_at = None
        if trial and self.product.trial is not None:
            trial_ends_at = own.bound(self.product.trial, 1)
            grid, index = own.moved(self.product.trial, 1), -1
            first = BillingPeriod(start=self.at, end=trial_ends_at)
        elif anchor is not None:
            grid, index = anchor, anchor.index_containing(interval, self.at)
            first = anchor.period(interval, index)
        else:
            grid, index = own, 0
            first = BillingPeriod(start=self.at, end=own.bound(interval, 1))
        wholes = [first]
        while wholes[-1].end <= now:
            if len(wholes) > MOST_ELAPSED:
                raise InvalidInput(
                    "at", self.at.isoformat(), "lies too far back", "pass a later start"
                )
            index += 1
            end = grid.bound(interval, index + 1)
            wholes.append(BillingPeriod(start=wholes[-1].end, end=end))
        return grid, index, wholes, trial_ends_at

    def span(self, whole: BillingPeriod, tax: Tax | None) -> _Span:
        """Say what one period costs: of one that began before the start, the rest."""
        price, quantity = self.price, self.quantity
        amount = price.amount if quantity == 1 else price.times(quantity)
        many = f"{quantity} x " if quantity != 1 else ""
        reason = f"{many}{self.product.id} per {price.interval}"
        span = whole
        if whole.start < self.at:
            span = BillingPeriod(start=self.at, end=whole.end)
            line = prorate(amount, whole=whole, part=span, zone=self.zone)
            amount = line.money
            reason = f"{reason}, {line.units} of {line.total} days"
        return _Span(whole, span, amount, gross_of(amount, tax), reason)

    def free(self, whole: BillingPeriod) -> _Span:
        """Say that a trial costs nothing."""
        return _Span(whole, whole, money(0, self.price.currency), None, "trial")


def _pay_all(
    books: Books, spans: list[_Span], memo: Memo
) -> tuple[list[Charge], tuple[Entry, ...], Books]:
    """Charge every span, or refuse with what all of them need together."""
    owed = [one.amount if one.split is None else one.split.gross for one in spans]
    if len(owed) > 1:
        due = total(owed, owed[0].currency)
        if due.amount:
            debit(books, due, memo)
    charges: list[Charge] = []
    entries: list[Entry] = []
    for one in spans:
        told = memo.of(memo.kind, one.reason)
        books, posted, charge = pay(
            books, one.amount, one.span, told, whole=one.whole, split=one.split
        )
        charges.append(charge)
        entries += posted
    return charges, tuple(entries), books


def _events(subscription: Subscription, charges: list[Charge], at: datetime) -> tuple[Event, ...]:
    first, *later = charges
    started = SubscriptionStarted(
        account=subscription.account,
        at=at,
        subscription=subscription.id,
        product=subscription.product,
        interval=str(subscription.price.interval),
        amount=first.amount,
        period_start=first.span.start,
        period_end=first.span.end,
        tax=first.tax,
        quantity=subscription.quantity,
        trial_ends_at=subscription.trial_ends_at,
        follows=subscription.follows,
    )
    renewed = (
        SubscriptionRenewed(
            account=subscription.account,
            at=at,
            subscription=subscription.id,
            product=subscription.product,
            amount=one.amount,
            period_start=one.span.start,
            period_end=one.span.end,
            tax=one.tax,
        )
        for one in later
    )
    return (started, *renewed)
