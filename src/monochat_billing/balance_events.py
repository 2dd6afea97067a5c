"""Balance events: what happened to the money of an account.

Owns the names and fields of the events of balances, lots, holds and reversals.
Does not own delivery (:mod:`monochat_billing.events` says where they go).
"""

from datetime import datetime
from typing import final

import attrs

from monochat_billing.event_root import Event
from monochat_billing.units import Amount

__all__ = [
    "BalanceClosed",
    "BalanceCrossed",
    "BalanceLow",
    "BalanceMoved",
    "BalanceOverdrawn",
    "BalanceRose",
    "EntryReversed",
    "HoldExpired",
    "LotExpired",
    "LotVoided",
]


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
