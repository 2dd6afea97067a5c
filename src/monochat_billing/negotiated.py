"""Negotiated prices: one account's own price, limits and term, agreed once.

*Owns* the offer, how long it can be accepted, its term, and what happens when the term ends.
*Does not own* the list price it stands beside, or the subscription that pins it.

An offer is a value that the host makes and hands in; what was accepted is kept with the
subscription, so nothing has to be looked up when it renews.

>>> from datetime import UTC
>>> from monochat_billing.intervals import YEAR
>>> from monochat_billing.money import money
>>> offer = NegotiatedPrice(
...     id="deal-7",
...     account="acme",
...     product="enterprise",
...     price=Price(interval=YEAR, amount=money("48000", "TRY")),
...     valid_from=datetime(2026, 11, 1, tzinfo=UTC),
...     valid_until=datetime(2026, 12, 1, tzinfo=UTC),
...     term=YEAR,
...     then=AfterTerm.LIST_PRICE,
... )
>>> agreed = offer.accept(datetime(2026, 11, 23, tzinfo=UTC), "Europe/Istanbul")
>>> agreed.ends_at.date().isoformat(), agreed.price.agreement
('2027-11-23', 'deal-7')
"""

import enum
from datetime import datetime
from typing import final

import attrs

from monochat_billing.errors import InvalidInput
from monochat_billing.instants import utc
from monochat_billing.intervals import BillingInterval
from monochat_billing.limits import Allowance, Limit
from monochat_billing.periods import BillingAnchor
from monochat_billing.prices import Price
from monochat_billing.products import Product

__all__ = ["AfterTerm", "Agreement", "NegotiatedPrice"]


class AfterTerm(enum.StrEnum):
    """Name what happens at the first renewal at or after the end of the term."""

    LIST_PRICE = "LIST_PRICE"
    """The list price in force then, and the product's own limits."""
    KEEP = "KEEP"
    """Price and limits stay, until they are negotiated anew."""
    END = "END"
    """The subscription ends: it expires, and nothing is charged."""


def _from(value: datetime) -> datetime:
    return utc(value, field="valid_from")


def _until(value: datetime) -> datetime:
    return utc(value, field="valid_until")


@final
@attrs.frozen(kw_only=True)
class NegotiatedPrice:
    """Offer one account a product at a price of its own.

    It can be accepted once, in the half-open ``[valid_from, valid_until)``. From its acceptance it
    holds for ``term`` (None: without an end), and ``then`` says what follows. ``limits`` replace
    those of the product by name, ``allowances`` by meter. No change of the list price reaches it
    before the term ends.

    Raises:
        InvalidInput: the dates are naive or in the wrong order, the price has dates of its own, or
            ``then`` does not go with a price without a term.
    """

    id: str
    account: str
    product: str
    price: Price
    valid_from: datetime = attrs.field(converter=_from)
    valid_until: datetime = attrs.field(converter=_until)
    term: BillingInterval | None = None
    then: AfterTerm = AfterTerm.LIST_PRICE
    limits: tuple[Limit, ...] = ()
    allowances: tuple[Allowance, ...] = ()

    def __attrs_post_init__(self) -> None:
        for field in ("id", "account", "product"):
            value = getattr(self, field)
            if not isinstance(value, str) or not value.strip():
                raise InvalidInput(field, value, "is empty", "name it")
        if self.valid_until <= self.valid_from:
            raise InvalidInput(
                "valid_until",
                self.valid_until.isoformat(),
                "is not after valid_from",
                "give the account time to accept",
            )
        if self.price.effective_at is not None or self.price.until_at is not None:
            raise InvalidInput(
                "price",
                str(self.price),
                "has dates of its own",
                "leave them out: the term says how long it holds",
            )
        names = [limit.name for limit in self.limits]
        if len(set(names)) != len(names):
            raise InvalidInput("limits", names, "name one twice", "keep one of them")
        meters = [one.meter for one in self.allowances]
        if len(set(meters)) != len(meters):
            raise InvalidInput("allowances", meters, "name one twice", "keep one of them")

    def accept(self, at: datetime, zone: str) -> "Agreement":
        """Agree to the offer at ``at``; the term begins then, counted in the account's ``zone``.

        Raises:
            InvalidInput: the offer cannot be accepted yet, or any more.
        """
        at = utc(at, field="at")
        if not self.valid_from <= at < self.valid_until:
            raise InvalidInput(
                "offer",
                self.id,
                f"can be accepted from {self.valid_from.isoformat()} until, but not at, "
                f"{self.valid_until.isoformat()}",
                "ask for a new offer",
            )
        agreed = Agreement(
            offer=self.id,
            product=self.product,
            price=attrs.evolve(self.price, agreement=self.id),
            accepted_at=at,
            term=self.term,
            ends_at=None,
            then=self.then,
            limits=self.limits,
            allowances=self.allowances,
        )
        return agreed.starting(at, zone)


@final
@attrs.frozen(kw_only=True)
class Agreement:
    """Hold what was agreed: price, limits, allowances, and when it ends (None: never).

    ``price.agreement`` is the id of the offer, so that wherever the price is pinned or listed in
    a history one can see where it comes from.

    >>> from datetime import UTC
    >>> from monochat_billing.intervals import YEAR
    >>> from monochat_billing.money import money
    >>> agreed = Agreement(
    ...     offer="o-1", product="enterprise",
    ...     price=Price(amount=money("4500", "TRY"), interval=YEAR),
    ...     accepted_at=datetime(2026, 10, 5, tzinfo=UTC), term=YEAR, ends_at=None,
    ...     then=AfterTerm.LIST_PRICE,
    ... )
    >>> print(agreed.starting(datetime(2026, 10, 5, tzinfo=UTC), "UTC").ends_at)
    2027-10-05 00:00:00+00:00
    """

    offer: str
    product: str
    price: Price
    accepted_at: datetime
    term: BillingInterval | None
    ends_at: datetime | None
    then: AfterTerm
    limits: tuple[Limit, ...] = ()
    allowances: tuple[Allowance, ...] = ()

    def starting(self, at: datetime, zone: str) -> "Agreement":
        """Return the agreement with its term counted from ``at``, when its price begins to hold."""
        if self.term is None:
            return self
        return attrs.evolve(self, ends_at=BillingAnchor.at(at, zone).bound(self.term, 1))

    def over(self, at: datetime) -> bool:
        """Tell whether the term has ended by ``at`` and the list price follows."""
        return self.then is AfterTerm.LIST_PRICE and self.ends_at is not None and at >= self.ends_at

    def ends(self, at: datetime) -> bool:
        """Tell whether the term has ended by ``at`` and the subscription with it."""
        return self.then is AfterTerm.END and self.ends_at is not None and at >= self.ends_at

    def applied_to(self, product: Product) -> Product:
        """Return the product with the limits and allowances that were agreed."""
        return product.with_limits(self.limits).with_allowances(self.allowances)

    def __str__(self) -> str:
        until = "without an end" if self.ends_at is None else f"until {self.ends_at.isoformat()}"
        return f"{self.offer}: {self.price}, {until}, then {self.then.lower().replace('_', ' ')}"
