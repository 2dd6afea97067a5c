"""Top-up events: what happened on the way of money into an account, and back.

Owns the names and fields of the events of payments, refunds, disputes and automatic top-ups.
Does not own delivery (:mod:`monochat_billing.events` says where they go).
"""

from datetime import datetime
from typing import final

import attrs

from monochat_billing.event_root import Event
from monochat_billing.money import Money

__all__ = [
    "AutomaticTopUpPaused",
    "CallbackNotUnderstood",
    "DisputeLost",
    "DisputeOpened",
    "DisputeWon",
    "PaymentPending",
    "PaymentQuarantined",
    "QuarantineResolved",
    "RefundFailed",
    "RefundRequested",
    "TopUpExpired",
    "TopUpFailed",
    "TopUpRefunded",
    "TopUpRequested",
    "TopUpSettled",
]


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
