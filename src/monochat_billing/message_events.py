"""Message events: what the host has to hear of messages beside what was charged.

*Owns* the facts that a batch leads to: a charge that is not what was expected, statuses that were
set aside, messages that the plan's meter could not count.
*Does not own* when they are told (the commands).
"""

from collections.abc import Iterable, Sequence
from datetime import datetime

from monochat_billing.events import Event, MessageRepriced, MessagesUncounted, StatusesSetAside
from monochat_billing.messages import Message, SetAsideStatus
from monochat_billing.money import DEFAULT_SCALE, from_units

__all__ = ["repriced", "set_aside_events", "uncounted_events"]


def repriced(
    account: str, messages: Iterable[Message], currency: str, now: datetime
) -> tuple[Event, ...]:
    """Tell of each message that the provider charged otherwise than it was sent."""
    return tuple(
        [
            MessageRepriced(
                account=account,
                at=now,
                message=one.id,
                number=one.number,
                expected=one.expected.value if one.expected else "",
                category=one.category.value if one.category else "",
                free=one.free,
                amount=from_units(one.cost, currency, DEFAULT_SCALE),
            )
            for one in messages
            if one.differs
        ]
    )


def set_aside_events(
    account: str, asides: Sequence[SetAsideStatus], now: datetime
) -> tuple[Event, ...]:
    """Tell of statuses that were set aside, once for all of a batch."""
    if not asides:
        return ()
    first = asides[0]
    return (
        StatusesSetAside(
            account=account,
            at=now,
            statuses=len(asides),
            reason=first.reason.value,
            detail=first.detail,
        ),
    )


def uncounted_events(
    account: str, meter: str, uncounted: Sequence[tuple[int, str]], now: datetime
) -> tuple[Event, ...]:
    """Tell of messages that no unit of a meter covers and no rate prices."""
    return tuple(
        [
            MessagesUncounted(account=account, at=now, meter=meter, messages=count, reason=reason)
            for count, reason in uncounted
        ]
    )
