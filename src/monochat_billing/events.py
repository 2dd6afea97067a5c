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
from monochat_billing.tax import TaxLine
from monochat_billing.units import Amount, Units

__all__ = [
    "EVENT_TYPES",
    "AccountOpened",
    "AutomaticTopUpPaused",
    "BalanceClosed",
    "BalanceCrossed",
    "BalanceLow",
    "BalanceMoved",
    "BalanceOverdrawn",
    "BalanceRose",
    "CallbackNotUnderstood",
    "ChangeRestored",
    "ChangeRevoked",
    "ChangeScheduled",
    "ChangeSuperseded",
    "DisputeLost",
    "DisputeOpened",
    "DisputeWon",
    "EntryReversed",
    "Event",
    "HoldExpired",
    "InvoiceIssued",
    "LotExpired",
    "LotVoided",
    "MessageRepriced",
    "MessagesUncounted",
    "PackBought",
    "PackRefunded",
    "PaymentPending",
    "PaymentQuarantined",
    "PlanChanged",
    "ProfileErased",
    "ProfileUpdated",
    "QuarantineResolved",
    "RefundDue",
    "RefundFailed",
    "RefundRequested",
    "RenewalFailed",
    "ScheduledChangeFailed",
    "StatusesSetAside",
    "SubscriptionCanceled",
    "SubscriptionExpired",
    "SubscriptionPaused",
    "SubscriptionRenewed",
    "SubscriptionResumed",
    "SubscriptionRevived",
    "SubscriptionStarted",
    "SubscriptionSuspended",
    "TopUpExpired",
    "TopUpFailed",
    "TopUpRefunded",
    "TopUpRequested",
    "TopUpSettled",
    "TrialEnded",
    "UsageCharged",
    "UsageRefused",
    "UsageUnpriced",
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
    """What is available fell to a threshold or below it.

    ``runway`` is the instant of the first renewal ahead that what is left does not cover, by the
    charges that are known and without usage; None where it covers those of a year.
    """

    runway: datetime | None = None


@final
@attrs.frozen(kw_only=True)
class BalanceRose(BalanceCrossed):
    """What is available rose to a threshold or above it."""


@final
@attrs.frozen(kw_only=True)
class ProfileErased(Event):
    """An account's billing profile was erased, here and in its top-ups and remembered answers."""

    actor: str


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
class RefundRequested(Event):
    """A refund was stored and its money set aside; the provider is asked next."""

    top_up: str
    refund: str
    amount: Money


@final
@attrs.frozen(kw_only=True)
class TopUpRefunded(Event):
    """Money of a top-up went back to where it came from.

    ``entry`` took it out, None where it had never been credited. ``outside`` says that the refund
    was begun at the provider and not here.
    """

    top_up: str
    refund: str
    amount: Money
    entry: int | None
    outside: bool = False


@final
@attrs.frozen(kw_only=True)
class RefundFailed(Event):
    """The provider refused a refund; its money is free again."""

    top_up: str
    refund: str
    amount: Money


@final
@attrs.frozen(kw_only=True)
class DisputeOpened(Event):
    """A buyer's bank disputes a payment; ``entry`` took the money, None where policy waits."""

    top_up: str
    dispute: str
    amount: Money
    entry: int | None


@final
@attrs.frozen(kw_only=True)
class DisputeLost(Event):
    """A dispute was lost: the money is gone, ``entry`` took it."""

    top_up: str
    dispute: str
    amount: Money
    entry: int | None


@final
@attrs.frozen(kw_only=True)
class DisputeWon(Event):
    """A dispute was won; ``entry`` gave back what it had taken, None where it had taken nothing."""

    top_up: str
    dispute: str
    amount: Money
    entry: int | None


@final
@attrs.frozen(kw_only=True)
class QuarantineResolved(Event):
    """A person decided about a quarantined payment: CREDIT, REFUND or DISMISS."""

    top_up: str
    payment: str
    resolution: str
    reason: str
    actor: str


@final
@attrs.frozen(kw_only=True)
class TopUpRequested(Event):
    """A balance fell to the threshold of an automatic top-up: pay this one with a saved method.

    The top-up is stored in CREATED. ``rule`` names the rule that asked.
    """

    top_up: str
    gateway: str
    amount: Money
    rule: str


@final
@attrs.frozen(kw_only=True)
class AutomaticTopUpPaused(Event):
    """An automatic top-up asks for nothing until ``until``, or until it is set anew for None.

    ``reason`` is FAILED (a payment failed, it backs off), GIVEN_UP (it failed too often) or CAPPED
    (the period's cap is used up).
    """

    rule: str
    reason: str
    until: datetime | None


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
class SubscriptionRenewed(Event):
    """A new period began and ``amount`` was taken for it (zero for a free plan)."""

    subscription: str
    product: str
    amount: Money
    period_start: datetime
    period_end: datetime
    tax: TaxLine | None = None


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
class SubscriptionRevived(Event):
    """A subscription that was past due or suspended was paid.

    Within the grace period its bounds stay; after it, its new period starts at the payment.
    """

    subscription: str
    product: str
    amount: Money
    period_start: datetime
    period_end: datetime
    tax: TaxLine | None = None


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
class SubscriptionResumed(Event):
    """A paused subscription goes on; ``amount`` was taken, zero where its paid end lies ahead."""

    subscription: str
    product: str
    amount: Money
    period_start: datetime
    period_end: datetime
    tax: TaxLine | None = None


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

    It lies on the balance until it is refunded. ``parts`` says how much of ``amount`` came from
    which top-up.
    """

    subscription: str
    amount: Money
    parts: tuple[tuple[str, Money], ...]


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
class UsageUnpriced(Event):
    """A period of a meter has ended, and the catalog no longer says what it costs: see to it.

    Nothing was charged for it; ``problem`` says what is missing.
    """

    meter: str
    counter: str
    records: int
    problem: str


@final
@attrs.frozen(kw_only=True)
class PackBought(Event):
    """A pack was bought; ``amount`` left the balance, ``purchase`` is the key that names it."""

    purchase: str
    pack: str
    quantity: int
    units: Units
    amount: Money


@final
@attrs.frozen(kw_only=True)
class PackRefunded(Event):
    """What was left of a pack was given back: the units went, and ``amount`` came."""

    purchase: str
    units: Units
    amount: Money


@final
@attrs.frozen(kw_only=True)
class MessageRepriced(Event):
    """The provider charged a message otherwise than it was sent; the charge follows the provider.

    ``expected`` and ``category`` are what it was sent as and what the provider says; ``free`` says
    that the provider charges nothing. ``amount`` is what the message cost in all.
    """

    message: str
    number: str
    expected: str
    category: str
    free: bool
    amount: Money


@final
@attrs.frozen(kw_only=True)
class MessagesUncounted(Event):
    """Messages arrived that no unit of the plan's meter covers and no rate prices.

    They were sent already, so they cost nothing on that meter; ``reason`` says why.
    """

    meter: str
    messages: int
    reason: str


@final
@attrs.frozen(kw_only=True)
class StatusesSetAside(Event):
    """Statuses of messages could not be applied; they are kept, and can be tried again.

    ``reason`` and ``detail`` are those of the first of them.
    """

    statuses: int
    reason: str
    detail: str


@final
@attrs.frozen(kw_only=True)
class UsageRefused(Event):
    """Part of a batch of usage could not be paid; its records can be sent again.

    ``first_shortfall`` is what the first of them lacked, as decimal text in ``currency``.
    """

    records: int
    currency: str
    first_shortfall: str


@final
@attrs.frozen(kw_only=True)
class InvoiceIssued(Event):
    """An invoice, or with ``credit`` a credit note, was issued: send it, file it.

    ``gross`` contains ``tax``; both are above zero on a credit note, too.
    """

    invoice: str
    number: str
    credit: bool
    gross: Money
    tax: Money
    actor: str = ""


EVENT_TYPES: tuple[type[Event], ...] = (
    AccountOpened,
    ProfileErased,
    ProfileUpdated,
    BalanceLow,
    BalanceRose,
    TopUpSettled,
    TopUpFailed,
    TopUpExpired,
    PaymentPending,
    PaymentQuarantined,
    CallbackNotUnderstood,
    RefundRequested,
    TopUpRefunded,
    RefundFailed,
    DisputeOpened,
    DisputeLost,
    DisputeWon,
    QuarantineResolved,
    TopUpRequested,
    AutomaticTopUpPaused,
    SubscriptionStarted,
    TrialEnded,
    PlanChanged,
    SubscriptionRenewed,
    RenewalFailed,
    SubscriptionRevived,
    SubscriptionSuspended,
    SubscriptionPaused,
    SubscriptionResumed,
    SubscriptionCanceled,
    SubscriptionExpired,
    RefundDue,
    ChangeScheduled,
    ChangeRevoked,
    ChangeRestored,
    ChangeSuperseded,
    ScheduledChangeFailed,
    LotExpired,
    LotVoided,
    EntryReversed,
    HoldExpired,
    BalanceOverdrawn,
    BalanceMoved,
    BalanceClosed,
    InvoiceIssued,
    MessageRepriced,
    MessagesUncounted,
    StatusesSetAside,
    UsageCharged,
    UsageUnpriced,
    PackBought,
    PackRefunded,
    UsageRefused,
)
"""Every event that the domain can return, for adapters that store them by name."""
