"""Subscription events: what happened to what an account has, and plans to have.

Owns the names and fields of the events of subscriptions and scheduled changes.
Does not own delivery (:mod:`monochat_billing.events` says where they go).
"""

from datetime import datetime
from typing import final

import attrs

from monochat_billing.event_root import Event
from monochat_billing.money import Money
from monochat_billing.tax import TaxLine

__all__ = [
    "ChangeRestored",
    "ChangeRevoked",
    "ChangeScheduled",
    "ChangeSuperseded",
    "PlanChanged",
    "RefundDue",
    "RenewalFailed",
    "ScheduledChangeFailed",
    "SubscriptionCanceled",
    "SubscriptionExpired",
    "SubscriptionPaused",
    "SubscriptionRenewed",
    "SubscriptionResumed",
    "SubscriptionRevived",
    "SubscriptionStarted",
    "SubscriptionSuspended",
    "TrialEnded",
]


@attrs.frozen(kw_only=True)
class _Paid(Event):
    """Share what is told of a period that was paid: ``amount`` was taken, ``tax`` splits it."""

    subscription: str
    product: str
    amount: Money
    period_start: datetime
    period_end: datetime
    tax: TaxLine | None = None


@final
@attrs.frozen(kw_only=True)
class SubscriptionStarted(Event):
    """A subscription began; ``amount`` is what its first period cost, zero in a trial.

    ``follows`` names the ended subscription that it continues.
    """

    subscription: str
    product: str
    interval: str
    amount: Money
    period_start: datetime
    period_end: datetime
    tax: TaxLine | None = None
    quantity: int = 1
    trial_ends_at: datetime | None = None
    follows: str | None = None


@final
@attrs.frozen(kw_only=True)
class TrialEnded(Event):
    """A trial is over; the first payment falls due at the same instant."""

    subscription: str
    product: str


@final
@attrs.frozen(kw_only=True)
class PlanChanged(Event):
    """A subscription moved to another product, interval, quantity or anchor.

    ``credit`` went back for unused time, ``charge`` was taken; ``rule`` names the rule of the
    catalog that decided how. ``credit_tax`` and ``charge_tax`` split them.
    """

    subscription: str
    from_product: str
    from_interval: str
    product: str
    interval: str
    credit: Money
    charge: Money
    rule: str
    scheduled_change: str | None = None
    from_quantity: int = 1
    quantity: int = 1
    period_end: datetime | None = None
    credit_tax: TaxLine | None = None
    charge_tax: TaxLine | None = None


@final
@attrs.frozen(kw_only=True)
class SubscriptionRenewed(_Paid):
    """A new period began and ``amount`` was taken for it (zero for a free plan)."""


@final
@attrs.frozen(kw_only=True)
class RenewalFailed(Event):
    """A renewal could not be paid; the subscription is past due and nothing was taken.

    ``attempt`` is zero for the renewal itself and counts the retries after it. ``retry_at`` is when
    it is tried again, ``grace_ends_at`` until when the service goes on; None where there is none.
    """

    subscription: str
    product: str
    amount: Money
    shortfall: Money
    attempt: int = 0
    retry_at: datetime | None = None
    grace_ends_at: datetime | None = None


@final
@attrs.frozen(kw_only=True)
class SubscriptionRevived(_Paid):
    """A subscription that was past due or suspended was paid.

    Within the grace period its bounds stay; after it, its new period starts at the payment.
    """


@final
@attrs.frozen(kw_only=True)
class SubscriptionSuspended(Event):
    """The grace is over and nothing was paid: the service stops until money comes."""

    subscription: str
    product: str


@final
@attrs.frozen(kw_only=True)
class SubscriptionPaused(Event):
    """A subscription was paused; what was paid for can be used until ``paid_until``."""

    subscription: str
    product: str
    paid_until: datetime


@final
@attrs.frozen(kw_only=True)
class SubscriptionResumed(_Paid):
    """A paused subscription goes on; ``amount`` was taken, zero where its paid end lies ahead."""


@final
@attrs.frozen(kw_only=True)
class SubscriptionCanceled(Event):
    """Somebody, or the catalog's dunning, ended a subscription.

    ``credit`` went back to the balance; ``refundable`` of it can go back to who paid it.
    ``mode`` says which of the ways to cancel it was, ``taxes`` splits what was credited.
    """

    subscription: str
    product: str
    mode: str
    credit: Money
    refundable: Money
    taxes: tuple[TaxLine, ...] = ()
    scheduled_change: str | None = None


@final
@attrs.frozen(kw_only=True)
class SubscriptionExpired(Event):
    """A subscription ended by itself: its term was over, or nothing was paid after its trial."""

    subscription: str
    product: str
    reason: str


@final
@attrs.frozen(kw_only=True)
class RefundDue(Event):
    """Money that a subscription gave back is to go back to who paid it.

    It is held on the balance until it is refunded. ``parts`` says how much of ``amount`` came from
    which top-up, ``holds`` names the hold of each.
    """

    subscription: str
    amount: Money
    parts: tuple[tuple[str, Money], ...]
    holds: tuple[str, ...] = ()


@final
@attrs.frozen(kw_only=True)
class ChangeScheduled(Event):
    """Something was scheduled; ``action`` says what, the rest as far as it belongs to that."""

    scheduled_change: str
    subscription: str
    to: str
    interval: str
    due_at: datetime
    action: str = "CHANGE"
    quantity: int | None = None


@final
@attrs.frozen(kw_only=True)
class ChangeRevoked(Event):
    """A scheduled change was taken back before it was due; ``rule`` says by what."""

    scheduled_change: str
    subscription: str
    rule: str = "revoked"


@final
@attrs.frozen(kw_only=True)
class ChangeRestored(Event):
    """A scheduled change is pending again: what it had given way to was revoked."""

    scheduled_change: str
    subscription: str


@final
@attrs.frozen(kw_only=True)
class ChangeSuperseded(Event):
    """A scheduled change gave way to another request; ``rule`` says why."""

    scheduled_change: str
    subscription: str
    rule: str


@final
@attrs.frozen(kw_only=True)
class ScheduledChangeFailed(Event):
    """A scheduled change was due and could not be done; the subscription goes on as it was."""

    scheduled_change: str
    subscription: str
    reason: str
