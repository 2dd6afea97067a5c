"""Products: what is sold, described so that a person can choose and a program can decide.

*Owns* plans, support packages and add-ons (subscribed to), packs and one-off add-ons (bought
once), their names, features, limits, allowances and prices.
*Does not own* who has what (``subscriptions``), or the rule that governs a change
(:mod:`monochat_billing.change_rules`).

>>> from monochat_billing.intervals import MONTH
>>> from monochat_billing.limits import hard
>>> from monochat_billing.money import money
>>> pro = Product(
...     id="pro",
...     family=Family.PLAN,
...     rank=1,
...     names={"en": "Pro", "tr": "Pro"},
...     prices=(Price(interval=MONTH, amount=money("100", "TRY")),),
...     limits=(hard("users", 5),),
... )
>>> print(pro.check("users", 4))
users: 4 of 5 used, 1 left
"""

import enum
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, final

import attrs

from monochat_billing.errors import InvalidCatalog, InvalidInput, UnknownName
from monochat_billing.instants import utc
from monochat_billing.intervals import BillingInterval
from monochat_billing.limits import Allowance, Limit, LimitCheck, check
from monochat_billing.pack_terms import NO_REFUND, PackScope, RefundPolicy
from monochat_billing.prices import (
    MOST_QUANTITY,
    OneOffPrice,
    Price,
    date_mistakes,
    price_in_force,
    started_at,
)
from monochat_billing.texts import one_of

__all__ = [
    "Direction",
    "Family",
    "Feature",
    "Grant",
    "OneOff",
    "Product",
]


class Family(enum.StrEnum):
    """Name a product family; an account holds at most one plan and one support package."""

    PLAN = "PLAN"
    SUPPORT = "SUPPORT"
    ADD_ON = "ADD_ON"

    @property
    def ladder(self) -> bool:
        """Tell whether the products of the family stand on a ladder and exclude each other."""
        return self is not Family.ADD_ON


class Direction(enum.StrEnum):
    """Name where a change leads on the ladder of its family."""

    UPGRADE = "UPGRADE"
    DOWNGRADE = "DOWNGRADE"
    SIDEGRADE = "SIDEGRADE"


def _check_id(field: str, value: Any) -> None:  # noqa: ANN401 - whatever the caller passed
    if not isinstance(value, str) or not value or not value.isprintable() or value != value.strip():
        raise InvalidInput(field, value, "is no id", "pass printable text without outer blanks")


@final
@attrs.frozen(kw_only=True)
class Feature:
    """Name something that a product has; ``texts`` describe it by language where a flag is not all.

    >>> hours = Feature(id="hours", texts={"en": "24/7", "tr": "7/24"})
    >>> hours.text("tr"), Feature(id="broadcasts").text("tr")
    ('7/24', 'broadcasts')
    """

    id: str
    texts: Mapping[str, str] = attrs.field(factory=dict)

    def __attrs_post_init__(self) -> None:
        _check_id("feature.id", self.id)

    def text(self, language: str = "en") -> str:
        """Give the description in ``language``, else in English, else the id."""
        return self.texts.get(language) or self.texts.get("en") or self.id


_Offer = tuple[int, int, str]
_Timeline = tuple[list[datetime], tuple[Price, ...]]


def _timelines(prices: Iterable[Price]) -> dict[_Offer, _Timeline]:
    """Sort prices into one timeline for each interval and currency."""
    found: dict[_Offer, list[Price]] = {}
    for price in prices:
        key = (price.interval.months, price.interval.days, price.currency)
        found.setdefault(key, []).append(price)
    timelines = {}
    for key, rows in found.items():
        rows.sort(key=started_at)
        timelines[key] = ([started_at(row) for row in rows], tuple(rows))
    return timelines


def _twice(names: Iterable[str], field: str) -> list[InvalidInput]:
    seen: set[str] = set()
    mistakes = []
    for name in names:
        if name in seen:
            mistakes.append(InvalidInput(field, name, "stands twice", "keep one of them"))
        seen.add(name)
    return mistakes


def _refuse(field: str, mistakes: Sequence[InvalidInput]) -> None:
    if len(mistakes) == 1:
        raise mistakes[0]
    if mistakes:
        raise InvalidCatalog.of(field, mistakes)


@final
@attrs.frozen(kw_only=True)
class Product:
    """Describe what can be subscribed to: a plan, a support package or a recurring add-on.

    ``rank`` places it on the ladder of its family: a change to a higher rank is an upgrade.
    ``names`` and ``descriptions`` map a language code to what people read. ``trial`` is how long
    a first subscription is free. An add-on is held in a quantity from ``least_quantity`` to
    ``most_quantity`` (both included; None is any), everything else once.

    Raises:
        InvalidInput: two prices hold at one instant, a limit or feature stands twice, or the
            quantities do not go with the family; all mistakes together as InvalidCatalog.
    """

    id: str
    family: Family
    rank: int = 0
    names: Mapping[str, str]
    prices: tuple[Price, ...]
    descriptions: Mapping[str, str] = attrs.field(factory=dict)
    limits: tuple[Limit, ...] = ()
    allowances: tuple[Allowance, ...] = ()
    features: tuple[Feature, ...] = ()
    trial: BillingInterval | None = None
    least_quantity: int = 1
    most_quantity: int | None = 1
    _by_offer: Mapping[_Offer, _Timeline] = attrs.field(init=False, repr=False, eq=False)
    _by_limit: Mapping[str, Limit] = attrs.field(init=False, repr=False, eq=False)

    def __attrs_post_init__(self) -> None:
        _check_id("product.id", self.id)
        timelines = _timelines(self.prices)
        object.__setattr__(self, "_by_offer", timelines)
        object.__setattr__(self, "_by_limit", {limit.name: limit for limit in self.limits})
        where = f"products.{self.id}"
        mistakes = []
        for _, rows in timelines.values():
            if len(rows) > 1:
                mistakes += date_mistakes(rows, f"{where}.prices")
        mistakes += _twice((limit.name for limit in self.limits), f"{where}.limits")
        mistakes += _twice((one.meter for one in self.allowances), f"{where}.allowances")
        mistakes += _twice((one.id for one in self.features), f"{where}.features")
        mistakes += self._quantity_mistakes(where)
        _refuse(where, mistakes)

    def _quantity_mistakes(self, where: str) -> list[InvalidInput]:
        least, most = self.least_quantity, self.most_quantity
        if type(least) is not int or not 1 <= least <= MOST_QUANTITY:
            return [
                InvalidInput(f"{where}.least_quantity", least, "is no quantity", "pass one or more")
            ]
        if most is not None and (type(most) is not int or not least <= most <= MOST_QUANTITY):
            return [
                InvalidInput(
                    f"{where}.most_quantity",
                    most,
                    f"is no quantity from {least} up",
                    "pass a larger number, or leave it open",
                )
            ]
        if self.family.ladder and (least, most) != (1, 1):
            return [
                InvalidInput(
                    f"{where}.most_quantity",
                    most,
                    f"does not go with family {self.family}",
                    "leave the quantities out: only an add-on is held more than once",
                )
            ]
        return []

    def name(self, language: str = "en") -> str:
        """Give the name in ``language``, else in English, else the id."""
        return self.names.get(language) or self.names.get("en") or self.id

    def description(self, language: str = "en") -> str:
        """Give the description in ``language``, else in English, else nothing."""
        return self.descriptions.get(language) or self.descriptions.get("en") or ""

    def price(self, interval: BillingInterval, currency: str, at: datetime | None = None) -> Price:
        """Give the one list price that holds at ``at`` for an interval in a currency.

        ``at`` may be left out where the price has never changed.

        Raises:
            UnknownName: the product is not sold so, or not at that instant.
            InvalidInput: ``at`` is naive, or left out where there are several prices.
        """
        found = self._by_offer.get((interval.months, interval.days, currency))
        if found is None:
            raise self._unsold(interval, currency, "is not in the catalog")
        starts, prices = found
        if at is None:
            if len(prices) == 1:
                return prices[0]
            raise InvalidInput(
                "at",
                None,
                f"is missing: {self.id} has {len(prices)} prices per {interval} in {currency}",
                "name the instant",
            )
        if at.tzinfo is not UTC:
            at = utc(at, field="at")
        place = bisect_right(starts, at)
        if place:
            price = prices[place - 1]
            if price.until_at is None or at < price.until_at:
                return price
        raise self._unsold(interval, currency, f"is not sold at {at.isoformat()}")

    def _unsold(self, interval: BillingInterval, currency: str, problem: str) -> UnknownName:
        return UnknownName(
            "price",
            f"{self.id} per {interval} in {currency}",
            problem,
            f"use one of {', '.join(map(str, self.prices))}",
        )

    def offers(self) -> tuple[tuple[BillingInterval, str], ...]:
        """List the intervals and currencies in which the product is, was or will be sold."""
        return tuple(
            (prices[0].interval, prices[0].currency) for _, prices in self._by_offer.values()
        )

    def starts(self, interval: BillingInterval, currency: str) -> tuple[datetime, ...]:
        """List the instants at which prices for an interval and currency begin, in order."""
        found = self._by_offer.get((interval.months, interval.days, currency))
        return tuple(found[0]) if found else ()

    def limit(self, name: str) -> Limit:
        """Give the limit of that name.

        Raises:
            UnknownName: the product says nothing about it.
        """
        try:
            return self._by_limit[name]
        except (KeyError, TypeError):
            remedy = one_of(self._by_limit, "the product has no limits")
            raise UnknownName("limit", name, f"is not a limit of {self.id}", remedy) from None

    def check(self, limit: str, used: int) -> LimitCheck:
        """Say how a usage stands to one of the limits.

        Raises:
            UnknownName: the product says nothing about it.
            InvalidInput: ``used`` is not a whole number from zero up.
        """
        return check(self.limit(limit), used)

    def has(self, feature: str) -> bool:
        """Tell whether the product has a feature."""
        return any(one.id == feature for one in self.features)

    def with_limits(self, limits: Iterable[Limit]) -> "Product":
        """Return the product with some limits replaced or added, in the order of their names."""
        merged = {**self._by_limit, **{limit.name: limit for limit in limits}}
        return attrs.evolve(self, limits=tuple(merged.values()))

    def with_allowances(self, allowances: Iterable[Allowance]) -> "Product":
        """Return the product with some allowances replaced or added, by their meters."""
        merged = {one.meter: one for one in (*self.allowances, *allowances)}
        return attrs.evolve(self, allowances=tuple(merged.values()))

    def direction_to(self, other: "Product") -> Direction:
        """Tell where a change from this product to ``other`` leads on their ladder."""
        if other.rank > self.rank:
            return Direction.UPGRADE
        return Direction.DOWNGRADE if other.rank < self.rank else Direction.SIDEGRADE

    def quantity(self, quantity: int) -> int:
        """Give ``quantity`` if the product can be held so often.

        Raises:
            InvalidInput: it is below the least or above the most quantity.
        """
        most = MOST_QUANTITY if self.most_quantity is None else self.most_quantity
        if type(quantity) is not int or not self.least_quantity <= quantity <= most:
            raise InvalidInput(
                "quantity",
                quantity,
                f"is no quantity of {self.id}",
                f"pass a whole number from {self.least_quantity} to {most}",
            )
        return quantity


@final
@attrs.frozen(kw_only=True)
class Grant:
    """Say what a pack brings: ``units`` of a meter, usable for ``valid_for`` from the purchase on.

    With a ``scope`` each unit pays the provider's fee of one message of that category and market,
    and the meter is the scope's; without one the units count like those of a plan's allowance.

    Raises:
        InvalidInput: it names no meter, the units are no count above zero, or the meter is not
            that of the scope.

    >>> from monochat_billing.intervals import YEAR
    >>> print(Grant(meter="monochat.message", units=5_000, valid_for=YEAR))
    5000 of monochat.message, valid for YEAR
    """

    meter: str
    units: int
    valid_for: BillingInterval | None = None
    scope: PackScope | None = None

    def __attrs_post_init__(self) -> None:
        Allowance(meter=self.meter, units=self.units)
        if self.scope is not None and self.meter != self.scope.meter:
            raise InvalidInput(
                "grant.meter",
                self.meter,
                f"does not count {self.scope}",
                f"name {self.scope.meter}",
            )

    def __str__(self) -> str:
        scope = f" ({self.scope})" if self.scope else ""
        until = f", valid for {self.valid_for}" if self.valid_for else ""
        return f"{self.units} of {self.meter}{scope}{until}"


@final
@attrs.frozen(kw_only=True)
class OneOff:
    """Describe what is bought once: a pack of prepaid units, or a one-off add-on.

    ``grant`` makes it a pack, and ``refund`` says what of a pack's price can be had back.
    ``most_quantity`` bounds how many are bought at once; None is any.

    Raises:
        InvalidInput: two prices of one currency hold at one instant.

    >>> from monochat_billing.money import money
    >>> pack = OneOff(
    ...     id="messages-5k",
    ...     names={"en": "5,000 messages"},
    ...     prices=(OneOffPrice(amount=money("600", "TRY")),),
    ...     grant=Grant(meter="monochat.message", units=5_000),
    ... )
    >>> pack.is_pack, pack.price("TRY").times(2)
    (True, Money('1200', 'TRY'))
    """

    id: str
    names: Mapping[str, str]
    prices: tuple[OneOffPrice, ...]
    descriptions: Mapping[str, str] = attrs.field(factory=dict)
    grant: Grant | None = None
    most_quantity: int | None = None
    refund: RefundPolicy = NO_REFUND

    def __attrs_post_init__(self) -> None:
        _check_id("one_off.id", self.id)
        where = f"one_offs.{self.id}"
        mistakes = []
        for currency in dict.fromkeys(price.currency for price in self.prices):
            rows = sorted(self._in(currency), key=started_at)
            mistakes += date_mistakes(rows, f"{where}.prices")
        most = self.most_quantity
        if most is not None and (type(most) is not int or not 1 <= most <= MOST_QUANTITY):
            mistakes.append(
                InvalidInput(f"{where}.most_quantity", most, "is no quantity", "pass one or more")
            )
        _refuse(where, mistakes)

    def _in(self, currency: str) -> tuple[OneOffPrice, ...]:
        return tuple(price for price in self.prices if price.currency == currency)

    @property
    def is_pack(self) -> bool:
        """Tell whether it brings prepaid units."""
        return self.grant is not None

    def name(self, language: str = "en") -> str:
        """Give the name in ``language``, else in English, else the id."""
        return self.names.get(language) or self.names.get("en") or self.id

    def price(self, currency: str, at: datetime | None = None) -> OneOffPrice:
        """Give the one price that holds at ``at`` in a currency.

        ``at`` may be left out where the price has never changed.

        Raises:
            UnknownName: it is not sold in that currency, or not at that instant.
            InvalidInput: ``at`` is naive, or left out where there are several prices.
        """
        prices = self._in(currency)
        if at is None and len(prices) > 1:
            raise InvalidInput(
                "at", None, f"is missing: {self.id} has {len(prices)} prices", "name the instant"
            )
        price = price_in_force(prices, at) if at is not None else next(iter(prices), None)
        if price is None:
            raise UnknownName(
                "price",
                f"{self.id} in {currency}",
                "is not sold" if at is None else f"is not sold at {at.isoformat()}",
                f"use one of {', '.join(map(str, self.prices))}",
            )
        return price
