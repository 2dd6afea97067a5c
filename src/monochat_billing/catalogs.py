"""The catalog: everything that is sold under one version of the terms, checked as a whole.

*Owns* the catalog as one value, what has to hold between its parts, and which rule governs a
change.
*Does not own* its parts (``products``, ``prices``, ``limits``, ``change_rules``), the sequence of
versions (``catalog_versions``) or files (``adapters.catalog_files``).
"""

import enum
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, final

import attrs

from monochat_billing.change_rules import (
    DEFAULT_RULES,
    ChangeFacts,
    ChangeRule,
    rule_mistakes,
    rule_table,
)
from monochat_billing.dunning import DunningPolicy, dunning_mistakes, dunning_table, policy_for
from monochat_billing.errors import InvalidCatalog, InvalidInput, UnknownName
from monochat_billing.instants import check_zone, utc
from monochat_billing.limits import OverageTier
from monochat_billing.meters import Meter
from monochat_billing.money import check_currency
from monochat_billing.prices import OneOffPrice, Price, yearly_amount
from monochat_billing.products import Direction, Family, OneOff, Product
from monochat_billing.tax import Pricing, Tax
from monochat_billing.tax_regimes import TaxRegime
from monochat_billing.texts import one_of
from monochat_billing.units import Units

__all__ = ["Catalog", "DirectionBasis", "catalog_mistakes"]


class DirectionBasis(enum.StrEnum):
    """Name what tells an upgrade from a downgrade."""

    RANK = "RANK"
    """The place on the ladder, whatever it costs."""
    YEARLY_PRICE = "YEARLY_PRICE"
    """What a year costs: as much or more is an upgrade, less is a downgrade."""


def _instant(value: datetime | None) -> datetime | None:
    return None if value is None else utc(value, field="catalog.effective_at")


@final
@attrs.frozen(kw_only=True)
class Catalog:
    """Hold everything that is sold under one version of the terms.

    It is in force from ``effective_at`` on (None: always). ``zone`` is the IANA zone in which
    whoever writes the catalog thinks of days. When ``currencies`` are named, everything has to be
    sold in each of them and in no other. ``meters`` name what allowances and packs count;
    ``metering`` says how those of them are counted that have rates of their own.
    ``dunning`` says what follows a renewal that cannot be paid. ``tax`` says what is owed on the
    prices; without it nothing is split. ``withdrawal_days``, zero to 31, is for how many days from
    its start a subscription can be canceled with everything paid back.

    Raises:
        InvalidCatalog: naming every mistake: two products share an id or a rank in their family,
            a price is missing or in a wrong currency, a meter or a limit is missing, a rule names
            an unknown product or policy, can never match, or leaves some change undecided.

    >>> from monochat_billing.money import money
    >>> from monochat_billing.periods import MONTH
    >>> month = Price(interval=MONTH, amount=money("100", "TRY"))
    >>> pro = Product(id="pro", family=Family.PLAN, rank=1, names={"en": "Pro"}, prices=(month,))
    >>> print(Catalog(id="ours", version="1", products=(pro,)).product("pro").prices[0])
    100 TRY per MONTH
    """

    id: str
    version: str
    products: tuple[Product, ...]
    rules: tuple[ChangeRule, ...] = DEFAULT_RULES
    note: str = ""
    one_offs: tuple[OneOff, ...] = ()
    meters: tuple[str, ...] = ()
    currencies: tuple[str, ...] = ()
    effective_at: datetime | None = attrs.field(default=None, converter=_instant)
    zone: str = "UTC"
    direction_by: DirectionBasis = DirectionBasis.RANK
    dunning: tuple[DunningPolicy, ...] = ()
    tax: TaxRegime | None = None
    withdrawal_days: int = 0
    metering: tuple[Meter, ...] = ()
    _by_id: Mapping[str, Product] = attrs.field(init=False, repr=False, eq=False)

    def __attrs_post_init__(self) -> None:
        object.__setattr__(self, "_by_id", {product.id: product for product in self.products})
        mistakes = list(catalog_mistakes(self))
        if mistakes:
            raise InvalidCatalog.of(f"catalog {self.id} {self.version}", mistakes)

    def at(self, instant: datetime) -> "Catalog":
        """Give the catalog that is in force at ``instant``: this one.

        Raises:
            InvalidInput: ``instant`` is naive or before the catalog is in force.
        """
        instant = utc(instant, field="at")
        if self.effective_at is not None and instant < self.effective_at:
            raise InvalidInput(
                "at",
                instant.isoformat(),
                f"is before catalog {self.id} {self.version}, in force from "
                f"{self.effective_at.isoformat()}",
                "pass CatalogVersions with the version that was in force then",
            )
        return self

    def product(self, product_id: str) -> Product:
        """Give the product with this id.

        Raises:
            UnknownName: the catalog has none.
        """
        try:
            return self._by_id[product_id]
        except (KeyError, TypeError):
            once = any(one.id == product_id for one in self.one_offs)
            raise UnknownName(
                "product",
                product_id,
                "is bought once, not subscribed to"
                if once
                else f"is not in catalog {self.id} {self.version}",
                f"use one of {', '.join(self._by_id)}",
            ) from None

    def find(self, product_id: str) -> Product | None:
        """Give the product with this id, if the catalog has it."""
        return self._by_id.get(product_id)

    def one_off(self, one_off_id: str) -> OneOff:
        """Give the pack or one-off add-on with this id.

        Raises:
            UnknownName: the catalog has none.
        """
        for one in self.one_offs:
            if one.id == one_off_id:
                return one
        known = [one.id for one in self.one_offs]
        raise UnknownName(
            "one_off",
            one_off_id,
            f"is not in catalog {self.id} {self.version}",
            one_of(known, "the catalog has none"),
        )

    def meter(self, meter_id: str) -> Meter:
        """Say how a meter is counted; one that only allowances and packs name is a plain counter.

        Raises:
            UnknownName: the catalog has no such meter.
        """
        for one in self.metering:
            if one.id == meter_id:
                return one
        if meter_id in self.meters:
            return Meter(id=meter_id)
        raise UnknownName(
            "meter",
            meter_id,
            f"is not in catalog {self.id} {self.version}",
            one_of(self.meters, "the catalog has none"),
        )

    @property
    def packs(self) -> tuple[OneOff, ...]:
        """List the packs: what is bought once and brings prepaid units."""
        return tuple(one for one in self.one_offs if one.is_pack)

    def ladder(self, family: Family) -> tuple[Product, ...]:
        """List the products of a family from the lowest rank to the highest."""
        return tuple(sorted((one for one in self.products if one.family is family), key=_rank))

    def direction(self, old: tuple[Product, Price], new: tuple[Product, Price]) -> Direction:
        """Tell where a change leads, by rank or by yearly price, as the catalog says."""
        if self.direction_by is DirectionBasis.RANK:
            return old[0].direction_to(new[0])
        dearer = yearly_amount(new[1]) >= yearly_amount(old[1])
        return Direction.UPGRADE if dearer else Direction.DOWNGRADE

    def rule(
        self,
        old: tuple[Product, Price],
        new: tuple[Product, Price],
        *,
        in_trial: bool = False,
        direction: Direction | None = None,
    ) -> ChangeRule:
        """Give the first rule that matches a change from ``old`` to ``new``.

        A ``direction`` that is given counts instead of the one that follows from both.
        There always is one: a catalog with a gap in its rules cannot be built.
        """
        leads = direction or self.direction(old, new)
        facts = ChangeFacts.of(old, new, leads, in_trial=in_trial)
        return next(rule for rule in self.rules if rule.matches(facts))

    def tax_for(self, price: Price | OneOffPrice, country: str, at: datetime) -> Tax | None:
        """Say how a price is taxed for a buyer in ``country`` (empty: not known) at ``at``.

        The day that decides the rate is the seller's: the local one in :attr:`zone`.

        >>> from datetime import UTC
        >>> from monochat_billing.money import money
        >>> from monochat_billing.periods import MONTH
        >>> from monochat_billing.tax_regimes import TURKEY
        >>> month = Price(interval=MONTH, amount=money("120", "TRY"))
        >>> pro = Product(id="pro", family=Family.PLAN, names={}, prices=(month,))
        >>> ours = Catalog(id="ours", version="1", products=(pro,), tax=TURKEY)
        >>> ours.tax_for(month, "TR", datetime(2026, 11, 23, tzinfo=UTC)).on(month.amount).tax
        Money('20', 'TRY')
        """
        if self.tax is None:
            return None
        day = at.astimezone(check_zone(self.zone)).date()
        return self.tax.tax(price.pricing, price.tax_class, country, day)

    def dunning_for(self, product: Product) -> DunningPolicy:
        """Give the policy that governs a renewal of ``product`` that cannot be paid.

        There always is one: without another it waits for money.
        """
        return policy_for(self.dunning, product)

    def explain(self, language: str = "en") -> str:
        """Lay out what is sold and the rules of change, for people to read."""
        lines = [f"{self.id} {self.version}"]
        if self.note:
            lines.append(self.note)
        for family in Family:
            for product in self.ladder(family):
                prices = ", ".join(map(str, product.prices))
                lines.append(f"{family.lower()} {product.name(language)} ({product.id}): {prices}")
                lines += [f"  {limit}" for limit in product.limits]
                lines += [f"  includes {allowance}" for allowance in product.allowances]
        for one in self.one_offs:
            what = f"{one.grant}; " if one.grant else ""
            prices = ", ".join(map(str, one.prices))
            lines.append(f"once {one.name(language)} ({one.id}): {what}{prices}")
        lines += ["", rule_table(self.rules)]
        if self.dunning:
            lines += ["", dunning_table(self.dunning)]
        return "\n".join(lines)


def _rank(product: Product) -> int:
    return product.rank


# ---------------------------------------------------------------------------------- mistakes


def catalog_mistakes(
    catalog: Any,  # noqa: ANN401 - a catalog, or what could be read of a broken one
    *,
    unread: Collection[str] = (),
    unlimited: Collection[str] = (),
) -> Iterator[InvalidInput]:
    """Yield everything that does not hold between the parts of a catalog, each with its remedy.

    ``catalog`` needs only the attributes of a :class:`Catalog`, so that a reader can check what it
    could read of a broken file. ``unread`` are ids of what has prices that it could not read,
    ``unlimited`` of what has such limits: they exist, and what is missing there is not counted.
    """
    for field in ("id", "version"):
        value = getattr(catalog, field)
        if not isinstance(value, str) or not value.strip():
            yield InvalidInput(f"catalog.{field}", value, "is empty", "name the catalog")
    try:
        check_zone(catalog.zone, field="catalog.zone")
    except InvalidInput as error:
        yield error
    yield from _currency_names(catalog.currencies)
    yield from _twins(catalog)
    for product in catalog.products:
        yield from _coverage(product, catalog.currencies, whole=product.id not in unread)
    for one in catalog.one_offs:
        yield from _one_off_coverage(one, catalog.currencies, whole=one.id not in unread)
    yield from _tax_mistakes(catalog)
    yield from _limit_mistakes(catalog, unlimited)
    yield from _meter_mistakes(catalog)
    yield from rule_mistakes(
        catalog.rules,
        {product.id: product for product in catalog.products},
        lambda old, new: _directions(catalog.direction_by, old, new),
        known=unread,
    )
    yield from dunning_mistakes(
        catalog.dunning, {product.id: product for product in catalog.products}, known=unread
    )


def _directions(basis: DirectionBasis, old: Product, new: Product) -> Iterable[Direction]:
    return (old.direction_to(new),) if basis is DirectionBasis.RANK else Direction


def _currency_names(currencies: Sequence[str]) -> Iterator[InvalidInput]:
    for place, code in enumerate(currencies):
        try:
            check_currency(code, field=f"currencies[{place}]")
        except InvalidInput as error:
            yield error


def _twins(catalog: Any) -> Iterator[InvalidInput]:  # noqa: ANN401 - as in catalog_mistakes
    seen: set[str] = set()
    for item in (*catalog.products, *catalog.one_offs):
        if item.id in seen:
            yield InvalidInput("products.id", item.id, "stands twice", "give each its own id")
        seen.add(item.id)
    ranks: dict[tuple[Family, int], str] = {}
    for product in catalog.products:
        place = (product.family, product.rank)
        other = ranks.setdefault(place, product.id)
        if product.family.ladder and other != product.id:
            yield InvalidInput(
                "products.rank",
                product.rank,
                f"stands twice: {other} and {product.id} share a place on the {product.family} "
                "ladder, so a change between them leads nowhere",
                "give each its own rank",
            )


_PLENTY: Final = 6
_LONGEST_WITHDRAWAL: Final = 31


def _tax_mistakes(catalog: Any) -> Iterator[InvalidInput]:  # noqa: ANN401 - as in catalog_mistakes
    """Every price has to find its tax; one without tax inside needs to know what comes on top."""
    days = catalog.withdrawal_days
    if type(days) is not int or not 0 <= days <= _LONGEST_WITHDRAWAL:
        yield InvalidInput(
            "withdrawal_days", days, "is no number of days", f"pass 0 to {_LONGEST_WITHDRAWAL}"
        )
    regime = catalog.tax
    for kind, items in (("products", catalog.products), ("one_offs", catalog.one_offs)):
        for item in items:
            where = f"{kind}.{item.id}.prices"
            if regime is None and any(one.pricing is Pricing.EXCLUSIVE for one in item.prices):
                yield InvalidInput(
                    where, "EXCLUSIVE", "leaves open what comes on top", "give the catalog a tax"
                )
            for name in dict.fromkeys(one.tax_class for one in item.prices):
                if regime is not None and name not in regime.bands:
                    yield InvalidInput(
                        where,
                        name,
                        f"is no band of {regime.table.name}",
                        f"use one of {', '.join(regime.bands)}",
                    )


def _coverage(
    product: Product, currencies: Sequence[str], *, whole: bool
) -> Iterator[InvalidInput]:
    where = f"products.{product.id}.prices"
    offers = product.offers()
    if not offers and whole:
        yield InvalidInput(where, (), "is empty", "give at least one price")
    if not currencies:
        return
    intervals = dict.fromkeys(interval for interval, _ in offers) if whole else ()
    for interval in intervals:
        sold = [currency for length, currency in offers if length == interval]
        for code in currencies:
            if code not in sold:
                yield InvalidInput(
                    where,
                    f"{interval} in {code}",
                    "is missing",
                    f"add that price, or drop {code} from the catalog's currencies",
                )
    yield from _strangers(where, [currency for _, currency in offers], currencies)


def _one_off_coverage(
    one: OneOff, currencies: Sequence[str], *, whole: bool
) -> Iterator[InvalidInput]:
    where = f"one_offs.{one.id}.prices"
    sold = list(dict.fromkeys(price.currency for price in one.prices))
    if not sold and whole:
        yield InvalidInput(where, (), "is empty", "give at least one price")
    elif currencies:
        for code in currencies if whole else ():
            if code not in sold:
                yield InvalidInput(
                    where,
                    code,
                    "is missing",
                    f"add that price, or drop {code} from the catalog's currencies",
                )
        yield from _strangers(where, sold, currencies)


def _strangers(
    where: str, sold: Iterable[str], currencies: Sequence[str]
) -> Iterator[InvalidInput]:
    for code in dict.fromkeys(sold):
        if code not in currencies:
            yield InvalidInput(
                where,
                code,
                "is not a currency of this catalog",
                f"use {', '.join(currencies)}, or add {code} to the catalog's currencies",
            )


def _limit_mistakes(catalog: Any, unlimited: Collection[str]) -> Iterator[InvalidInput]:  # noqa: ANN401
    """What one product of a ladder limits, its neighbors have to say something about."""
    for family in Family:
        ladder = [one for one in catalog.products if one.family is family and family.ladder]
        names = dict.fromkeys(limit.name for product in ladder for limit in product.limits)
        for product in ladder if names else ():
            said = {limit.name for limit in product.limits}
            for name in names:
                if name not in said and product.id not in unlimited:
                    yield InvalidInput(
                        f"products.{product.id}.limits",
                        name,
                        "is missing, while others of its family limit it",
                        "give a number, or say that it is unlimited",
                    )
    for product in catalog.products:
        for limit in product.limits:
            where = f"products.{product.id}.limits.{limit.name}.overage"
            yield from _overage_mistakes(where, limit.overage, catalog.currencies)
        for one in product.allowances:
            where = f"products.{product.id}.allowances.{one.meter}.overage"
            yield from _overage_mistakes(where, one.overage, catalog.currencies)


def _overage_mistakes(
    where: str, tiers: Sequence[OverageTier], currencies: Sequence[str]
) -> Iterator[InvalidInput]:
    priced = {tier.rate.currency.code for tier in tiers}
    if not priced or not currencies:
        return
    for code in currencies:
        if code not in priced:
            yield InvalidInput(where, code, "has no rate", "add one, so that overage has a price")
    yield from _strangers(where, sorted(priced), currencies)


def _meter_mistakes(catalog: Any) -> Iterator[InvalidInput]:  # noqa: ANN401 - as above
    counted = [
        (f"products.{product.id}.allowances", one.meter)
        for product in catalog.products
        for one in product.allowances
    ]
    counted += [
        (f"one_offs.{one.id}.grant", one.grant.meter) for one in catalog.one_offs if one.grant
    ]
    counted += [(f"metering.{one.id}", one.id) for one in catalog.metering]
    yield from _scope_mistakes(catalog)
    for where, meter in counted:
        if meter not in catalog.meters:
            known = ", ".join(catalog.meters[:_PLENTY]) or "none yet"
            yield InvalidInput(
                where,
                meter,
                "is not a meter of this catalog, so nothing would count against it",
                f"add it to the catalog's meters ({known}), or name one of them",
            )
        else:
            try:
                Units(1, meter)
            except InvalidInput as error:
                yield InvalidInput(where, meter, error.problem, error.remedy)


def _scope_mistakes(catalog: Any) -> Iterator[InvalidInput]:  # noqa: ANN401 - as above
    """One meter has one meaning: what pays a fee for some messages counts nothing else."""
    meant: dict[str, object] = {}
    for product in catalog.products:
        meant |= dict.fromkeys(one.meter for one in product.allowances)
    meant |= dict.fromkeys(one.id for one in catalog.metering)
    for one in catalog.one_offs:
        if one.grant and meant.setdefault(one.grant.meter, one.grant.scope) != one.grant.scope:
            yield InvalidInput(
                f"one_offs.{one.id}.grant.scope",
                str(one.grant.scope or "everything"),
                f"is not what a unit of {one.grant.meter} stands for elsewhere",
                "name a meter of its own",
            )
    for place, one in enumerate(catalog.metering):
        if one.id in [other.id for other in catalog.metering[:place]]:
            yield InvalidInput("metering", one.id, "stands twice", "keep one of them")
