"""Subscriptions: who has what, since when, for which price, and what was charged for it.

Owns the subscription's state table, its current period, its charge and its history.
Does not own money (:mod:`monochat_billing.balance`), the choice of a price
(:mod:`monochat_billing.changes`) or what is planned (:mod:`monochat_billing.scheduling`): a
subscription is what is true now.

The state table, drawn from :data:`MOVES`::

    TRIALING   end_trial → ACTIVE   change → TRIALING   cancel → CANCELED   expire → EXPIRED
    ACTIVE     renew → ACTIVE       fail → PAST_DUE     change → ACTIVE     pause → PAUSED
               cancel → CANCELED    expire → EXPIRED
    PAST_DUE   retry → ACTIVE       fail → PAST_DUE     revive → ACTIVE     change → ACTIVE
               suspend → SUSPENDED  cancel → CANCELED   expire → EXPIRED
    SUSPENDED  revive → ACTIVE      change → ACTIVE     cancel → CANCELED   expire → EXPIRED
    PAUSED     resume → ACTIVE      cancel → CANCELED   expire → EXPIRED

CANCELED (somebody ended it) and EXPIRED (it ended by itself) are final. Who comes back gets a new
subscription that names the one it follows.

* *end_trial* moves no money: the renewal that is due at the same instant charges the first period,
  so a cancel or a change for the trial's end comes before it.
* *retry* pays late, within the grace period: the bounds stay. *revive* pays after it: a new period
  starts at the payment, and nothing is charged for dead time.
* *pause* keeps the paid end: what was paid for can be used until then, nothing renews, and nothing
  is given back. *resume* before that end is as if there had been no pause; after it, a new period
  starts and is charged, and nothing is charged for the time between.
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
from monochat_billing.periods import BillingAnchor, BillingInterval, BillingPeriod
from monochat_billing.plans import Agreement, Dunning, Family, Price
from monochat_billing.tax import TaxLine

__all__ = [
    "ENDED",
    "MOVES",
    "Charge",
    "HistoryLine",
    "Move",
    "PastAnchor",
    "Subscription",
    "SubscriptionState",
]


class SubscriptionState(enum.StrEnum):
    """Name what a subscription is now."""

    TRIALING = "TRIALING"
    ACTIVE = "ACTIVE"
    PAST_DUE = "PAST_DUE"
    SUSPENDED = "SUSPENDED"
    PAUSED = "PAUSED"
    CANCELED = "CANCELED"
    EXPIRED = "EXPIRED"


class Move(enum.StrEnum):
    """Name what can happen to a subscription."""

    END_TRIAL = "end_trial"
    RENEW = "renew"
    FAIL = "fail"
    RETRY = "retry"
    REVIVE = "revive"
    CHANGE = "change"
    SUSPEND = "suspend"
    PAUSE = "pause"
    RESUME = "resume"
    CANCEL = "cancel"
    EXPIRE = "expire"


_TRIALING: Final = SubscriptionState.TRIALING
_ACTIVE: Final = SubscriptionState.ACTIVE
_PAST_DUE: Final = SubscriptionState.PAST_DUE
_SUSPENDED: Final = SubscriptionState.SUSPENDED
_PAUSED: Final = SubscriptionState.PAUSED
_CANCELED: Final = SubscriptionState.CANCELED
_EXPIRED: Final = SubscriptionState.EXPIRED

ENDED: Final = frozenset({_CANCELED, _EXPIRED})
"""The states that nothing leaves; a subscription in one of them is history."""

MOVES: Final[Mapping[tuple[SubscriptionState, Move], SubscriptionState]] = {
    (_TRIALING, Move.END_TRIAL): _ACTIVE,
    (_TRIALING, Move.CHANGE): _TRIALING,
    (_TRIALING, Move.CANCEL): _CANCELED,
    (_TRIALING, Move.EXPIRE): _EXPIRED,
    (_ACTIVE, Move.RENEW): _ACTIVE,
    (_ACTIVE, Move.FAIL): _PAST_DUE,
    (_ACTIVE, Move.CHANGE): _ACTIVE,
    (_ACTIVE, Move.PAUSE): _PAUSED,
    (_ACTIVE, Move.CANCEL): _CANCELED,
    (_ACTIVE, Move.EXPIRE): _EXPIRED,
    (_PAST_DUE, Move.RETRY): _ACTIVE,
    (_PAST_DUE, Move.FAIL): _PAST_DUE,
    (_PAST_DUE, Move.REVIVE): _ACTIVE,
    (_PAST_DUE, Move.CHANGE): _ACTIVE,
    (_PAST_DUE, Move.SUSPEND): _SUSPENDED,
    (_PAST_DUE, Move.CANCEL): _CANCELED,
    (_PAST_DUE, Move.EXPIRE): _EXPIRED,
    (_SUSPENDED, Move.REVIVE): _ACTIVE,
    (_SUSPENDED, Move.CHANGE): _ACTIVE,
    (_SUSPENDED, Move.CANCEL): _CANCELED,
    (_SUSPENDED, Move.EXPIRE): _EXPIRED,
    (_PAUSED, Move.RESUME): _ACTIVE,
    (_PAUSED, Move.CANCEL): _CANCELED,
    (_PAUSED, Move.EXPIRE): _EXPIRED,
}
"""Every legal move; whatever is not here raises and changes nothing."""


@final
@attrs.frozen(kw_only=True)
class Charge:
    """Record what was really taken for one span, with its tax, and which lots paid.

    ``amount`` (gross: what left the balance) was paid for ``span``, a half-open part of ``whole``
    (the two are equal for a full period). ``shares`` let a credit go back to the lots that paid;
    ``entry`` is the debit's number. A free period has a zero amount, no shares and no entry.
    ``tax`` splits the amount at the rate of its day; None where the catalog names no tax.
    ``credited`` is what was given back of it before, gross, and ``credited_net`` the net of that;
    None is nothing.
    """

    amount: Money
    whole: BillingPeriod
    span: BillingPeriod
    shares: tuple[Share, ...] = ()
    entry: int | None = None
    tax: TaxLine | None = None
    credited: Money | None = None
    credited_net: Money | None = None


@final
@attrs.frozen(kw_only=True)
class HistoryLine:
    """Say that one product was held at one price in ``[start, end)``; no end means still."""

    product: str
    price: Price
    start: datetime
    end: datetime | None = None
    quantity: int = 1


@final
@attrs.frozen(kw_only=True)
class PastAnchor:
    """Say by which anchor periods were counted up to ``until``, which is exclusive."""

    anchor: BillingAnchor
    until: datetime


@final
@attrs.frozen(kw_only=True)
class Subscription:
    """State what an account subscribes to: its plan, its support package, or one of its add-ons.

    ``price`` is pinned: renewals charge it, times ``quantity``, until a newer price reaches
    subscribers by its own rule. ``agreement`` is what was negotiated, while it holds. ``period``
    is number ``index`` from ``anchor``; its bounds are stored as instants and never move once they
    were charged for; printed, they are days in the anchor's zone. ``version`` grows with every
    change and is what a quote holds on to.

    A trial is period -1, from the start to ``trial_ends_at``, on which the anchor stands. While it
    is unpaid, ``dunning`` is the plan of what follows, as its catalog said when it failed.
    ``suspended_at``, ``paused_at`` and ``ended_at`` say since when; ``ending`` in one word how it
    ended. ``earlier`` holds what was charged before ``charge`` and could still be refunded in
    full. ``follows`` is the ended subscription that this one continues. ``anchors`` are those that
    held before ``anchor`` did, the oldest first.

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
    quantity: int = 1
    trial_ends_at: datetime | None = None
    dunning: Dunning | None = None
    suspended_at: datetime | None = None
    paused_at: datetime | None = None
    ended_at: datetime | None = None
    ending: str = ""
    earlier: tuple[Charge, ...] = ()
    follows: str | None = None
    anchors: tuple[PastAnchor, ...] = ()

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
    def live(self) -> bool:
        """Tell whether it has not ended."""
        return self.state is not _CANCELED and self.state is not _EXPIRED

    @property
    def full_price(self) -> Money:
        """Give what a whole period costs: the price times the quantity, before tax on top."""
        return self.price.amount if self.quantity == 1 else self.price.times(self.quantity)

    @property
    def started_at(self) -> datetime:
        """Give the instant at which it began."""
        return self.history[0].start

    @property
    def first_payment(self) -> bool:
        """Tell whether the next renewal is the first that costs anything: a trial comes before."""
        return self.trial_ends_at is not None and self.trial_ends_at == self.period.end

    @property
    def renews_at(self) -> datetime | None:
        """Give the instant of the next charge by itself; None while nothing will renew."""
        renewing = self.state is _ACTIVE or self.state is _TRIALING
        return self.period.end if renewing else None

    def serves(self, at: datetime) -> bool:
        """Tell whether what it stands for can be used at ``at``.

        A trial and what is active serve; what is past due serves within its grace period; what is
        paused serves until the end of what was paid for; nothing else does.
        """
        state = self.state
        if state is _ACTIVE or state is _TRIALING:
            return True
        if state is _PAST_DUE:
            return self.dunning is not None and self.dunning.in_grace(at)
        return state is _PAUSED and at < self.period.end

    @property
    def next_period(self) -> BillingPeriod:
        """Give the period that follows, counted from the anchor and never from the last bound."""
        following = self.anchor.bound(self.price.interval, self.index + 2)
        return BillingPeriod(start=self.period.end, end=following)

    @property
    def pinned_at(self) -> datetime:
        """Give the instant since which the price is pinned."""
        return self.history[-1].start

    def repriced(self, price: Price, at: datetime) -> "Subscription":
        """Return the subscription with another pinned price from ``at`` on, and say so in history.

        What was negotiated is over then.
        """
        history = self.history_with(self.product, price, self.quantity, at)
        return attrs.evolve(self, price=price, history=history, agreement=None)

    def anchors_before(self, anchor: BillingAnchor, at: datetime) -> tuple[PastAnchor, ...]:
        """Give what ``anchors`` are once ``anchor`` holds from ``at`` on."""
        if anchor == self.anchor:
            return self.anchors
        return (*self.anchors, PastAnchor(anchor=self.anchor, until=at))

    def period_at(self, interval: BillingInterval, at: datetime) -> BillingPeriod:
        """Give the period of ``interval`` that contains ``at``, by the anchor in force then.

        Where the anchor was moved within it, it ends there.

        >>> from monochat_billing.periods import MONTH
        >>> old = BillingAnchor(year=2026, month=10, day=5, zone="UTC")
        >>> moved = BillingAnchor(year=2026, month=11, day=20, zone="UTC")
        >>> price = Price(interval=MONTH, amount=Money("0", "TRY"))
        >>> whole = moved.period(MONTH, 0)
        >>> one = Subscription(
        ...     id="s-1", account="acme", family=Family.PLAN, product="basic", price=price,
        ...     state=SubscriptionState.ACTIVE, anchor=moved, index=0, period=whole,
        ...     charge=Charge(amount=price.amount, whole=whole, span=whole),
        ...     history=(HistoryLine(product="basic", price=price, start=old.instant),),
        ...     anchors=(PastAnchor(anchor=old, until=moved.instant),),
        ... )
        >>> found = one.period_at(MONTH, datetime.fromisoformat("2026-11-10T00:00Z"))
        >>> found.start.date().isoformat(), found.end.date().isoformat()
        ('2026-11-05', '2026-11-20')
        """
        for past in self.anchors:
            if at < past.until:
                found = past.anchor.period_containing(interval, at)
                return BillingPeriod(start=found.start, end=min(found.end, past.until))
        return self.anchor.period_containing(interval, at)

    def history_with(
        self, product: str, price: Price, quantity: int, at: datetime
    ) -> tuple[HistoryLine, ...]:
        """Give the history with a new line from ``at`` on; the last one ends there."""
        *earlier, last = self.history
        now = HistoryLine(product=product, price=price, start=at, quantity=quantity)
        return (*earlier, attrs.evolve(last, end=at), now)

    def __str__(self) -> str:
        many = f"{self.quantity} x " if self.quantity != 1 else ""
        return (
            f"{many}{self.product} at {amount_text(self.price.amount)} {self.price.currency} per "
            f"{self.price.interval}, {self.state}, "
            f"{self._day(self.period.start)} → {self._day(self.period.end)}"
        )

    def _day(self, instant: datetime) -> str:
        return f"{instant.astimezone(check_zone(self.anchor.zone)):%Y-%m-%d}"
