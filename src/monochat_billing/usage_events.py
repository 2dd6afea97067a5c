"""Usage events: what happened to what an account used.

Owns the names and fields of the events of usage, packs and messages.
Does not own delivery (:mod:`monochat_billing.events` says where they go).
"""

from typing import final

import attrs

from monochat_billing.event_root import Event
from monochat_billing.money import Money
from monochat_billing.units import Units

__all__ = [
    "MessageRepriced",
    "MessagesUncounted",
    "PackBought",
    "PackRefunded",
    "StatusesSetAside",
    "UsageCharged",
    "UsageRefused",
    "UsageUnpriced",
]


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
