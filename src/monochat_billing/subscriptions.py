"""Subscriptions: who has what, since when, for which price, and what was charged for it.

Owns the subscription's state table, its current period, its charge and its history.
Does not own money (:mod:`monochat_billing.balance`), the choice of a price
(:mod:`monochat_billing.changes`) or what is planned (:mod:`monochat_billing.scheduling`): a
subscription is what is true now.

The state table, drawn from :data:`MOVES`::

    ACTIVE    renew → ACTIVE    fail → PAST_DUE    change → ACTIVE
    PAST_DUE  revive → ACTIVE   change → ACTIVE
"""

import enum
from collections.abc import Mapping
from datetime import datetime
from typing import Final, final

import attrs

from monochat_billing.errors import IllegalTransition
from monochat_billing.instants import check_zone
from monochat_billing.lots import Share
from monochat_billing.money import Money, amount_text
from monochat_billing.periods import BillingAnchor, BillingPeriod
from monochat_billing.plans import Agreement, Family, Price

__all__ = ["MOVES", "Charge", "HistoryLine", "Move", "Subscription", "SubscriptionState"]


class SubscriptionState(enum.StrEnum):
    """Name what a subscription is now."""

    ACTIVE = "ACTIVE"
    PAST_DUE = "PAST_DUE"


class Move(enum.StrEnum):
    """Name what can happen to a subscription."""

    RENEW = "renew"
    FAIL = "fail"
    REVIVE = "revive"
    CHANGE = "change"


MOVES: Final[Mapping[tuple[SubscriptionState, Move], SubscriptionState]] = {
    (SubscriptionState.ACTIVE, Move.RENEW): SubscriptionState.ACTIVE,
    (SubscriptionState.ACTIVE, Move.FAIL): SubscriptionState.PAST_DUE,
    (SubscriptionState.ACTIVE, Move.CHANGE): SubscriptionState.ACTIVE,
    (SubscriptionState.PAST_DUE, Move.REVIVE): SubscriptionState.ACTIVE,
    (SubscriptionState.PAST_DUE, Move.CHANGE): SubscriptionState.ACTIVE,
}
"""Every legal move; whatever is not here raises and changes nothing."""


@final
@attrs.frozen(kw_only=True)
class Charge:
    """Record what was really taken for one span, and which lots paid.

    ``amount`` was paid for ``span``, a half-open part of ``whole`` (the two are equal for a full
    period). ``shares`` let a credit go back to the lots that paid; ``entry`` is the debit's
    number. A free period has a zero amount, no shares and no entry.
    """

    amount: Money
    whole: BillingPeriod
    span: BillingPeriod
    shares: tuple[Share, ...] = ()
    entry: int | None = None


@final
@attrs.frozen(kw_only=True)
class HistoryLine:
    """Say that one product was held at one price in ``[start, end)``; no end means still."""

    product: str
    price: Price
    start: datetime
    end: datetime | None = None


@final
@attrs.frozen(kw_only=True)
class Subscription:
    """State what an account subscribes to in one product family.

    ``price`` is pinned: renewals charge it until a newer price reaches subscribers by its own
    rule. ``agreement`` is what was negotiated, while it holds. ``period`` is
    number ``index`` from ``anchor``; its bounds are stored as instants and never move once they
    were charged for; printed, they are days in the anchor's zone. ``version`` grows with every
    change and is what a quote holds on to.

    >>> from datetime import UTC
    >>> from monochat_billing.money import money
    >>> from monochat_billing.periods import MONTH
    >>> anchor = BillingAnchor(year=2027, month=1, day=31, zone="UTC")
    >>> price, period = Price(interval=MONTH, amount=money("1499", "TRY")), anchor.period(MONTH, 0)
    >>> one = Subscription(
    ...     id="s-1", account="acme", family=Family.PLAN, product="growth", price=price,
    ...     state=SubscriptionState.ACTIVE, anchor=anchor, index=0, period=period,
    ...     charge=Charge(amount=price.amount, whole=period, span=period),
    ...     history=(HistoryLine(product="growth", price=price, start=period.start),),
    ... )
    >>> print(one)
    growth at 1499 TRY per MONTH, ACTIVE, 2027-01-31 → 2027-02-28
    >>> one.next_period.last_day("UTC").isoformat(), one.require(Move.FAIL).value
    ('2027-03-30', 'PAST_DUE')
    """

    id: str
    account: str
    family: Family
    product: str
    price: Price
    state: SubscriptionState
    anchor: BillingAnchor
    index: int
    period: BillingPeriod
    charge: Charge
    history: tuple[HistoryLine, ...]
    version: int = 1
    agreement: Agreement | None = None

    def require(self, move: Move) -> SubscriptionState:
        """Give the state that ``move`` leads to.

        Raises:
            IllegalTransition: the state table has no such move.
        """
        state = MOVES.get((self.state, move))
        if state is None:
            raise IllegalTransition("subscription", self.id, self.state, move)
        return state

    @property
    def next_period(self) -> BillingPeriod:
        """Give the period that follows, counted from the anchor and never from the last bound."""
        following = self.anchor.period(self.price.interval, self.index + 1)
        return BillingPeriod(start=self.period.end, end=following.end)

    @property
    def pinned_at(self) -> datetime:
        """Give the instant since which the price is pinned."""
        return self.history[-1].start

    def repriced(self, price: Price, at: datetime) -> "Subscription":
        """Return the subscription with another pinned price from ``at`` on, and say so in history.

        What was negotiated is over then.
        """
        *earlier, last = self.history
        now = HistoryLine(product=self.product, price=price, start=at)
        history = (*earlier, attrs.evolve(last, end=at), now)
        return attrs.evolve(self, price=price, history=history, agreement=None)

    def __str__(self) -> str:
        return (
            f"{self.product} at {amount_text(self.price.amount)} {self.price.currency} per "
            f"{self.price.interval}, {self.state}, "
            f"{self._day(self.period.start)} → {self._day(self.period.end)}"
        )

    def _day(self, instant: datetime) -> str:
        return f"{instant.astimezone(check_zone(self.anchor.zone)):%Y-%m-%d}"
