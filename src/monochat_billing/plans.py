"""The catalog: what is sold, what it costs, and which rule governs a change.

Owns products, prices and the rule table for changes.
Does not own proration (the arithmetic), subscriptions (who has what) or balances.

A catalog is configuration: build it in Python, pass it to
:class:`~monochat_billing.service.Billing`. It is checked as a whole when it is built.
"""

import enum
from collections.abc import Iterable, Mapping
from typing import final

import attrs

from monochat_billing.errors import InvalidInput, UnknownName
from monochat_billing.money import Money, amount_text, minor_digits, money, to_units
from monochat_billing.periods import MONTH, YEAR, BillingInterval
from monochat_billing.proration import DEFAULT_POLICY, policy_named
from monochat_billing.proration_policies import ChargeRule

__all__ = [
    "DEFAULT_RULES",
    "AnchorRule",
    "Catalog",
    "ChangeRule",
    "ChangeTiming",
    "Direction",
    "Family",
    "IntervalChange",
    "Price",
    "Product",
    "sample_catalog",
]


class Family(enum.StrEnum):
    """Name a product family; an account holds at most one subscription of each."""

    PLAN = "PLAN"
    SUPPORT = "SUPPORT"


class ChangeTiming(enum.StrEnum):
    """Name when a change takes effect: now, at the period's end, or at a given instant."""

    IMMEDIATE = "IMMEDIATE"
    END_OF_PERIOD = "END_OF_PERIOD"
    AT = "AT"


class Direction(enum.StrEnum):
    """Name where a change leads on the ladder of its family."""

    UPGRADE = "UPGRADE"
    DOWNGRADE = "DOWNGRADE"
    SIDEGRADE = "SIDEGRADE"


class IntervalChange(enum.StrEnum):
    """Name what a change does to the billing interval."""

    SAME = "SAME"
    LONGER = "LONGER"
    SHORTER = "SHORTER"


class AnchorRule(enum.StrEnum):
    """Name what a change does to the billing anchor: keep the period, or start a new one."""

    KEEP = "KEEP"
    RESET = "RESET"


@final
@attrs.frozen(kw_only=True)
class Price:
    """State what one interval of a product costs in one currency.

    ``amount`` is zero or more, in whole minor units of its currency (kuruş, cents).

    >>> Price(interval=MONTH, amount=money("1499", "TRY")).free
    False
    """

    interval: BillingInterval
    amount: Money

    def __attrs_post_init__(self) -> None:
        digits = minor_digits(self.amount.currency) if isinstance(self.amount, Money) else 0
        if to_units(self.amount, digits, field="price.amount") < 0:
            raise InvalidInput(
                "price.amount", amount_text(self.amount), "is negative", "pass zero or more"
            )

    @property
    def currency(self) -> str:
        """Give the ISO 4217 code of the price."""
        return self.amount.currency.code

    @property
    def free(self) -> bool:
        """Tell whether the price is zero."""
        return not self.amount.amount

    def __str__(self) -> str:
        return f"{amount_text(self.amount)} {self.currency} per {self.interval}"


@final
@attrs.frozen(kw_only=True)
class Product:
    """Describe a plan or a support package.

    ``rank`` places it on the ladder of its family: a change to a higher rank is an upgrade.
    ``names`` maps a language code to the name shown to people.
    """

    id: str
    family: Family
    rank: int
    names: Mapping[str, str]
    prices: tuple[Price, ...]

    def name(self, language: str = "en") -> str:
        """Give the name in ``language``, else in English, else the id."""
        return self.names.get(language) or self.names.get("en") or self.id

    def price(self, interval: BillingInterval, currency: str) -> Price:
        """Give the price for one interval in one currency.

        Raises:
            UnknownName: the product is not sold so.
        """
        for price in self.prices:
            if price.interval == interval and price.currency == currency:
                return price
        raise UnknownName(
            "price",
            f"{self.id} per {interval} in {currency}",
            "is not in the catalog",
            f"use one of {', '.join(map(str, self.prices))}",
        )

    def direction_to(self, other: "Product") -> Direction:
        """Tell where a change from this product to ``other`` leads on their ladder."""
        if other.rank > self.rank:
            return Direction.UPGRADE
        return Direction.DOWNGRADE if other.rank < self.rank else Direction.SIDEGRADE


@final
@attrs.frozen(kw_only=True)
class ChangeRule:
    """Say how a change that matches is done; a condition that is None matches anything.

    ``timing`` is what happens when the caller asks for none, ``allows`` what a caller may ask
    for. ``anchor`` says what a change in mid-period does: KEEP charges the rest of the period,
    RESET (and any change of interval) starts a new one. At a period's end the bounds go on from
    there with their nominal day. ``proration`` names a proration policy.
    """

    name: str
    timing: ChangeTiming
    anchor: AnchorRule
    family: Family | None = None
    from_product: str | None = None
    to_product: str | None = None
    from_free: bool | None = None
    direction: Direction | None = None
    interval_change: IntervalChange | None = None
    allows: frozenset[ChangeTiming] = frozenset(ChangeTiming)
    proration: str = DEFAULT_POLICY.name

    def matches(self, old: tuple[Product, Price], new: tuple[Product, Price]) -> bool:
        """Tell whether this rule governs a change from ``old`` to ``new``."""
        facts = (
            (self.family, old[0].family),
            (self.from_product, old[0].id),
            (self.to_product, new[0].id),
            (self.from_free, old[1].free),
            (self.direction, old[0].direction_to(new[0])),
            (self.interval_change, _interval_change(old[1].interval, new[1].interval)),
        )
        return all(wanted is None or wanted == fact for wanted, fact in facts)


def _interval_change(old: BillingInterval, new: BillingInterval) -> IntervalChange:
    if old == new:
        return IntervalChange.SAME
    longer = _hundredths_of_days(new) > _hundredths_of_days(old)
    return IntervalChange.LONGER if longer else IntervalChange.SHORTER


def _hundredths_of_days(interval: BillingInterval) -> int:
    """Measure an interval well enough to tell which of two is longer (a month is 30.44 days)."""
    return interval.months * 3044 + interval.days * 100


DEFAULT_RULES: tuple[ChangeRule, ...] = (
    ChangeRule(
        name="downgrade at period end",
        direction=Direction.DOWNGRADE,
        timing=ChangeTiming.END_OF_PERIOD,
        anchor=AnchorRule.RESET,
    ),
    ChangeRule(
        name="leaving a free price: at once, new anchor",
        from_free=True,
        timing=ChangeTiming.IMMEDIATE,
        anchor=AnchorRule.RESET,
    ),
    ChangeRule(
        name="longer interval: at once, new anchor",
        interval_change=IntervalChange.LONGER,
        timing=ChangeTiming.IMMEDIATE,
        anchor=AnchorRule.RESET,
    ),
    ChangeRule(
        name="shorter interval at period end",
        interval_change=IntervalChange.SHORTER,
        timing=ChangeTiming.END_OF_PERIOD,
        anchor=AnchorRule.RESET,
    ),
    ChangeRule(
        name="upgrade at once, prorated",
        direction=Direction.UPGRADE,
        timing=ChangeTiming.IMMEDIATE,
        anchor=AnchorRule.KEEP,
    ),
    ChangeRule(
        name="sidegrade at once, prorated",
        timing=ChangeTiming.IMMEDIATE,
        anchor=AnchorRule.KEEP,
    ),
)
"""The rule table that holds unless a catalog brings its own; the first match decides."""


@final
@attrs.frozen(kw_only=True)
class Catalog:
    """Hold everything that is sold under one version of the terms.

    Raises:
        InvalidInput: two products share an id or a rank in their family, a product has two
            prices for one interval and currency or none at all, a rule names an unknown product
            or policy, or the rule table leaves some change undecided.
    """

    id: str
    version: str
    products: tuple[Product, ...]
    rules: tuple[ChangeRule, ...] = DEFAULT_RULES
    note: str = ""
    _by_id: Mapping[str, Product] = attrs.field(init=False, repr=False, eq=False)

    def __attrs_post_init__(self) -> None:
        by_id = {product.id: product for product in self.products}
        object.__setattr__(self, "_by_id", by_id)
        _refuse_twins("products.id", [product.id for product in self.products])
        _refuse_twins("products.rank", [(one.family, one.rank) for one in self.products])
        for product in self.products:
            offers = [(str(price.interval), price.currency) for price in product.prices]
            _refuse_twins(f"products.{product.id}.prices", offers)
            if not offers:
                raise InvalidInput(
                    f"products.{product.id}.prices", (), "is empty", "give at least one price"
                )
        for rule in self.rules:
            if policy_named(rule.proration).charge is ChargeRule.DIFFERENCE:
                raise InvalidInput(
                    f"rules.{rule.name}.proration",
                    rule.proration,
                    "charges a difference, so a later change could not tell what was paid",
                    "use 'standard-net', which nets and keeps both lines",
                )
            for product_id in filter(None, (rule.from_product, rule.to_product)):
                self.product(product_id)
        self._refuse_gaps()

    def _refuse_gaps(self) -> None:
        for old, old_price in self._offers():
            for new, new_price in self._offers():
                if old.family == new.family and old_price.currency == new_price.currency:
                    self.rule((old, old_price), (new, new_price))

    def _offers(self) -> Iterable[tuple[Product, Price]]:
        return ((product, price) for product in self.products for price in product.prices)

    def product(self, product_id: str) -> Product:
        """Give the product with this id.

        Raises:
            UnknownName: the catalog has none.
        """
        try:
            return self._by_id[product_id]
        except (KeyError, TypeError):
            raise UnknownName(
                "product",
                product_id,
                f"is not in catalog {self.id} {self.version}",
                f"use one of {', '.join(self._by_id)}",
            ) from None

    def rule(self, old: tuple[Product, Price], new: tuple[Product, Price]) -> ChangeRule:
        """Give the first rule that matches a change from ``old`` to ``new``."""
        for rule in self.rules:
            if rule.matches(old, new):
                return rule
        raise InvalidInput(
            "rules",
            f"{old[0].id} ({old[1]}) → {new[0].id} ({new[1]})",
            "is decided by no rule",
            "end the table with a rule that has no conditions",
        )


def _refuse_twins(field: str, names: Iterable[object]) -> None:
    seen: set[object] = set()
    for name in names:
        if name in seen:
            raise InvalidInput(field, name, "stands twice", "keep one of them")
        seen.add(name)


_SAMPLE_PRODUCTS = (
    # id, family, rank, English, Turkish, TRY month, TRY year, USD month, USD year
    ("basic", Family.PLAN, 0, "Basic", "Ücretsiz", "0", "0", "0", "0"),
    ("growth", Family.PLAN, 1, "Growth", "Growth", "1499", "14990", "39", "390"),
    ("enterprise", Family.PLAN, 2, "Enterprise", "Enterprise", "5999", "59990", "159", "1590"),
    ("community", Family.SUPPORT, 0, "Community", "Topluluk", "0", "0", "0", "0"),
    ("priority", Family.SUPPORT, 1, "Priority", "Öncelikli", "450", "4500", "12", "120"),
    ("dedicated", Family.SUPPORT, 2, "Dedicated", "Özel", "2400", "24000", "65", "650"),
)


def sample_catalog() -> Catalog:
    """Build the catalog that ships with the library; its prices are invented.

    Three plans and three support packages, monthly and yearly, in TRY and USD.

    >>> catalog = sample_catalog()
    >>> print(catalog.product("growth").price(YEAR, "TRY"))
    14990 TRY per YEAR
    >>> catalog.note
    'Sample catalog: all prices are invented.'
    """
    products = []
    for identity, family, rank, english, turkish, *amounts in _SAMPLE_PRODUCTS:
        offers = ((MONTH, "TRY"), (YEAR, "TRY"), (MONTH, "USD"), (YEAR, "USD"))
        prices = tuple(
            Price(interval=interval, amount=money(amount, currency))
            for (interval, currency), amount in zip(offers, amounts, strict=True)
        )
        names = {"en": english, "tr": turkish}
        products.append(Product(id=identity, family=family, rank=rank, names=names, prices=prices))
    return Catalog(
        id="monochat-sample",
        version="2026-10-01",
        products=tuple(products),
        note="Sample catalog: all prices are invented.",
    )
