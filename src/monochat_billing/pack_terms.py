"""Pack terms: what a pack may pay for, and what of its price can be had back.

*Owns* the scope of a pack that pays a provider's message fee unit for unit, and refund policies.
*Does not own* packs (:mod:`monochat_billing.products`), what is bought or what is burned
(:mod:`monochat_billing.packs`).
"""

import enum
from datetime import datetime
from typing import Final, final

import attrs

from monochat_billing.errors import InvalidInput
from monochat_billing.intervals import BillingInterval
from monochat_billing.periods import BillingAnchor
from monochat_billing.rating import MessageCategory
from monochat_billing.units import Units

__all__ = ["NO_REFUND", "PackScope", "RefundBasis", "RefundPolicy"]


def _category(value: MessageCategory | str) -> MessageCategory:
    try:
        return MessageCategory(value)
    except ValueError:
        known = ", ".join(MessageCategory)
        raise InvalidInput("scope.category", value, "is unknown", f"use one of {known}") from None


@final
@attrs.frozen(kw_only=True)
class PackScope:
    """Name the messages whose provider fee one unit of a pack pays, whatever that fee is.

    ``market`` is a name of the rate card. The units of such a pack are counted by a meter of their
    own, :attr:`meter`, so that nothing else can use them up.

    Raises:
        InvalidInput: the category is unknown, or the market is empty or its name too long.

    >>> scope = PackScope(category="marketing", market="Rest of Latin America")
    >>> scope.meter, str(scope)
    ('whatsapp.marketing.rest-of-latin-america', 'marketing in Rest of Latin America')
    """

    category: MessageCategory = attrs.field(converter=_category)
    market: str

    def __attrs_post_init__(self) -> None:
        if not isinstance(self.market, str) or not self.market.strip():
            raise InvalidInput(
                "scope.market", self.market, "is empty", "name a market of the rate card"
            )
        Units(1, self.meter)

    @property
    def meter(self) -> str:
        """Give the meter that counts the units of such packs."""
        words = "".join([one if one.isalnum() else " " for one in self.market.lower()]).split()
        return f"whatsapp.{self.category.value}.{'-'.join(words)}"

    def __str__(self) -> str:
        return f"{self.category.value} in {self.market}"


class RefundBasis(enum.StrEnum):
    """Name what of a pack's price can be had back.

    >>> [one.value for one in RefundBasis]
    ['NONE', 'UNUSED']
    """

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
