"""Events: frozen facts that the domain returns and the host acts on.

Owns the names and fields of what happened. Does not own delivery: a unit of work writes events
to the outbox in the transaction that made them true, numbered per account; the host sends the
mail.

Every event carries the account and the instant at which it became true (aware UTC). Events never
carry a recipient's number, a tax id or a secret.
"""

from datetime import datetime
from typing import final

import attrs

from monochat_billing.money import Money
from monochat_billing.units import Amount

__all__ = [
    "EVENT_TYPES",
    "AccountOpened",
    "BalanceClosed",
    "BalanceCrossed",
    "BalanceLow",
    "BalanceMoved",
    "BalanceOverdrawn",
    "BalanceRose",
    "CallbackNotUnderstood",
    "ChangeRevoked",
    "ChangeScheduled",
    "ChangeSuperseded",
    "EntryReversed",
    "Event",
    "HoldExpired",
    "LotExpired",
    "LotVoided",
    "PaymentPending",
    "PaymentQuarantined",
    "PlanChanged",
    "ProfileUpdated",
    "RenewalFailed",
    "ScheduledChangeFailed",
    "SubscriptionRenewed",
    "SubscriptionRevived",
    "SubscriptionStarted",
    "TopUpExpired",
    "TopUpFailed",
    "TopUpSettled",
    "UsageCharged",
    "UsageRefused",
]


@attrs.frozen(kw_only=True)
class Event:
    """Be the part that all events share: whose it is and since when it is true."""

    account: str
    at: datetime


@final
@attrs.frozen(kw_only=True)
class AccountOpened(Event):
    """An account was opened."""

    zone: str
    currencies: tuple[str, ...]


@attrs.frozen(kw_only=True)
class BalanceCrossed(Event):
    """Be what :class:`BalanceLow` and :class:`BalanceRose` share.

    ``watch`` names the watch; ``threshold`` is the furthest that was crossed. ``thresholds`` are
    the fixed ones among all that were, in the order in which they were met, and ``steps`` counts
    those of the rule's step. ``available`` is what can be spent now, ``before`` what could be when
    it was last compared.
    """

    watch: str
    threshold: Amount
    thresholds: tuple[Amount, ...]
    steps: int
    before: Amount
    available: Amount


@final
@attrs.frozen(kw_only=True)
class BalanceLow(BalanceCrossed):
    """What is available fell to a threshold or below it."""


@final
@attrs.frozen(kw_only=True)
class BalanceRose(BalanceCrossed):
    """What is available rose to a threshold or above it."""


@final
@attrs.frozen(kw_only=True)
class ProfileUpdated(Event):
    """An account's billing profile was changed; what it says is read from the account."""

    actor: str


@final
@attrs.frozen(kw_only=True)
class TopUpSettled(Event):
    """A verified payment was credited to the balance."""

    top_up: str
    gateway: str
    amount: Money
    entry: int


@final
@attrs.frozen(kw_only=True)
class TopUpFailed(Event):
    """The gateway reported that a payment failed; nothing was credited."""

    top_up: str
    gateway: str


@final
@attrs.frozen(kw_only=True)
class PaymentQuarantined(Event):
    """A verified payment does not match its top-up; nothing was credited, a person must look."""

    top_up: str
    gateway: str
    payment: str
    reason: str


@final
@attrs.frozen(kw_only=True)
class PaymentPending(Event):
    """A buyer has paid and the provider has not decided yet, so nothing was credited."""

    top_up: str
    gateway: str


@final
@attrs.frozen(kw_only=True)
class TopUpExpired(Event):
    """Nobody paid a top-up in time; a success that comes later still credits it."""

    top_up: str
    gateway: str


@final
@attrs.frozen(kw_only=True)
class CallbackNotUnderstood(Event):
    """A genuine callback about a top-up says something that this version does not know.

    ``kind`` is the provider's own name of it. Nothing moved.
    """

    top_up: str
    gateway: str
    kind: str


@final
@attrs.frozen(kw_only=True)
class SubscriptionStarted(Event):
    """A subscription began; ``amount`` is what its first period cost."""

    subscription: str
    product: str
    interval: str
    amount: Money
    period_start: datetime
    period_end: datetime


@final
@attrs.frozen(kw_only=True)
class PlanChanged(Event):
    """A subscription moved to another product or interval.

    ``credit`` went back for unused time, ``charge`` was taken; ``rule`` names the rule of the
    catalog that decided how.
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


@final
@attrs.frozen(kw_only=True)
class SubscriptionRenewed(Event):
    """A new period began and ``amount`` was taken for it (zero for a free plan)."""

    subscription: str
    product: str
    amount: Money
    period_start: datetime
    period_end: datetime


@final
@attrs.frozen(kw_only=True)
class RenewalFailed(Event):
    """A renewal could not be paid; the subscription is past due and nothing was taken."""

    subscription: str
    product: str
    amount: Money
    shortfall: Money


@final
@attrs.frozen(kw_only=True)
class SubscriptionRevived(Event):
    """A past-due subscription was paid; its new period starts at the payment."""

    subscription: str
    product: str
    amount: Money
    period_start: datetime
    period_end: datetime


@final
@attrs.frozen(kw_only=True)
class ChangeScheduled(Event):
    """A change was scheduled."""

    scheduled_change: str
    subscription: str
    to: str
    interval: str
    due_at: datetime


@final
@attrs.frozen(kw_only=True)
class ChangeRevoked(Event):
    """A scheduled change was revoked before it was due."""

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


@final
@attrs.frozen(kw_only=True)
class LotExpired(Event):
    """A lot reached its end; ``amount`` of it was unused and is breakage."""

    entry: int
    amount: Amount
    source: str


@final
@attrs.frozen(kw_only=True)
class LotVoided(Event):
    """What was unused of a lot was taken away."""

    entry: int
    lot: int
    amount: Amount


@final
@attrs.frozen(kw_only=True)
class EntryReversed(Event):
    """An entry was undone by ``amount`` (signed): above zero went back, below zero was taken."""

    entry: int
    original: int
    amount: Amount


@final
@attrs.frozen(kw_only=True)
class HoldExpired(Event):
    """A hold's time was over; ``freed`` of it had not been captured."""

    hold: str
    freed: Amount


@final
@attrs.frozen(kw_only=True)
class BalanceOverdrawn(Event):
    """A forced entry went ``beyond`` the credit limit; nothing new is paid until it is covered."""

    unit: str
    entry: int
    beyond: Amount


@final
@attrs.frozen(kw_only=True)
class BalanceMoved(Event):
    """A balance was frozen, unfrozen or reopened; ``state`` is what it is now."""

    unit: str
    state: str


@final
@attrs.frozen(kw_only=True)
class BalanceClosed(Event):
    """A balance was closed and is empty.

    ``refund`` was paid money that has to go back to who paid it: the entries of kind REFUND say
    how much of each top-up. ``breakage`` was not worth sending or had not been paid.
    """

    unit: str
    refund: Amount
    breakage: Amount


@final
@attrs.frozen(kw_only=True)
class UsageCharged(Event):
    """A batch of usage was charged, one entry for each record that costs something."""

    first_entry: int
    last_entry: int
    records: int
    amount: Money


@final
@attrs.frozen(kw_only=True)
class UsageRefused(Event):
    """Part of a batch of usage could not be paid; its records can be sent again.

    ``first_shortfall`` is what the first of them lacked, as decimal text in ``currency``.
    """

    records: int
    currency: str
    first_shortfall: str


EVENT_TYPES: tuple[type[Event], ...] = (
    AccountOpened,
    ProfileUpdated,
    BalanceLow,
    BalanceRose,
    TopUpSettled,
    TopUpFailed,
    TopUpExpired,
    PaymentPending,
    PaymentQuarantined,
    CallbackNotUnderstood,
    SubscriptionStarted,
    PlanChanged,
    SubscriptionRenewed,
    RenewalFailed,
    SubscriptionRevived,
    ChangeScheduled,
    ChangeRevoked,
    ChangeSuperseded,
    ScheduledChangeFailed,
    LotExpired,
    LotVoided,
    EntryReversed,
    HoldExpired,
    BalanceOverdrawn,
    BalanceMoved,
    BalanceClosed,
    UsageCharged,
    UsageRefused,
)
"""Every event that the domain can return, for adapters that store them by name."""
