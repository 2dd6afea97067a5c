"""Pack terms: what a pack may pay for, and what of its price can be had back.

*Owns* the scope of a pack that pays a provider's message fee unit for unit, and refund policies.
*Does not own* packs (:mod:`monochat_billing.products`), what is bought or what is burned
(:mod:`monochat_billing.packs`).
"""

import enum
from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final, final

import attrs

from monochat_billing.errors import InvalidInput
from monochat_billing.intervals import BillingInterval
from monochat_billing.periods import BillingAnchor
from monochat_billing.rating import MessageCategory

__all__ = ["NO_REFUND", "PackScope", "RefundBasis", "RefundPolicy"]


def _category(value: Any) -> MessageCategory:  # noqa: ANN401 - whatever the caller passed
    try:
        return MessageCategory(value)
    except ValueError:
        known = ", ".join(MessageCategory)
        raise InvalidInput("scope.category", value, "is unknown", f"use one of {known}") from None


def _markets(value: Iterable[str]) -> tuple[str, ...]:
    if isinstance(value, str):
        raise InvalidInput("scope.markets", value, "is no list", f'pass ["{value}"]')
    return tuple(value)


@final
@attrs.frozen(kw_only=True)
class PackScope:
    """Name the messages whose provider fee one unit of a pack pays, whatever that fee is.

    ``markets`` are names of the rate card; none of them means every market.

    Raises:
        InvalidInput: the category is unknown, or a market is empty or stands twice.

    >>> scope = PackScope(category="marketing", markets=["Turkey"])
    >>> scope.covers(MessageCategory.MARKETING, "Turkey"), str(scope)
    (True, 'marketing in Turkey')
    """

    category: MessageCategory = attrs.field(converter=_category)
    markets: tuple[str, ...] = attrs.field(default=(), converter=_markets)

    def __attrs_post_init__(self) -> None:
        fine = all(isinstance(one, str) and one.strip() for one in self.markets)
        if not fine or len(set(self.markets)) != len(self.markets):
            raise InvalidInput(
                "scope.markets", self.markets, "names none, or one twice", "name each market once"
            )

    def covers(self, category: MessageCategory, market: str) -> bool:
        """Tell whether a unit pays the fee of a message of ``category`` to ``market``."""
        return category is self.category and (not self.markets or market in self.markets)

    def __str__(self) -> str:
        return f"{self.category.value} in {', '.join(self.markets) or 'every market'}"


class RefundBasis(enum.StrEnum):
    """Name what of a pack's price can be had back."""

    NONE = "NONE"
    """Nothing."""
    UNUSED = "UNUSED"
    """The part of what was paid that falls to the units that are left."""


@final
@attrs.frozen(kw_only=True)
class RefundPolicy:
    """Say what of a pack's price can be had back, and until when.

    ``within`` counts from the purchase, half-open; None is as long as the pack is valid.

    Raises:
        InvalidInput: there is a window, and nothing to have back in it.

    >>> from monochat_billing.intervals import MONTH
    >>> print(RefundPolicy(basis=RefundBasis.UNUSED, within=MONTH))
    unused units within MONTH
    """

    basis: RefundBasis = RefundBasis.NONE
    within: BillingInterval | None = None

    def __attrs_post_init__(self) -> None:
        if self.basis is RefundBasis.NONE and self.within is not None:
            raise InvalidInput(
                "refund.within", str(self.within), "goes with no refund", "leave the window out"
            )

    def ends_at(self, bought_at: datetime, zone: str) -> datetime | None:
        """Give the instant from which nothing can be had back any more, if there is one."""
        if self.within is None:
            return None
        return BillingAnchor.at(bought_at, zone).bound(self.within, 1)

    def __str__(self) -> str:
        if self.basis is RefundBasis.NONE:
            return "no refund"
        return "unused units" + (f" within {self.within}" if self.within else "")


NO_REFUND: Final = RefundPolicy()
"""A pack that is bought stays bought."""
