"""Catalog versions: which catalog is in force at an instant, and what one changes over another.

*Owns* the sequence of versions, the price that a renewal takes, the differences between two
versions, and the refusal to rewrite what an earlier instant was told.
*Does not own* one version's content (:mod:`monochat_billing.catalogs`).

A version is in force from its ``effective_at`` (included) until the next one's. What was answered
for an instant stays answered: a version can only be added ahead.

>>> from monochat_billing.catalog_samples import sample_catalog
>>> now = sample_catalog()
>>> later = attrs.evolve(now, version="2027", effective_at=datetime(2027, 1, 1, tzinfo=UTC))
>>> versions = CatalogVersions(versions=(now, later))
>>> versions.at(datetime(2026, 12, 31, tzinfo=UTC)).version
'2026-10-01'
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import TypeAlias, final

import attrs

from monochat_billing.catalogs import Catalog
from monochat_billing.errors import InvalidCatalog, InvalidInput, UnknownName
from monochat_billing.instants import utc
from monochat_billing.limits import OverageTier
from monochat_billing.negotiated import Agreement
from monochat_billing.prices import BEGINNING, OneOffPrice, Price, started_at
from monochat_billing.products import OneOff, Product

__all__ = [
    "AnyCatalog",
    "CatalogDifference",
    "CatalogVersions",
    "differences",
    "known_product",
    "renewal_price",
    "versions_of",
]


def _starts(catalog: Catalog) -> datetime:
    return catalog.effective_at or BEGINNING


def _in_order(versions: Iterable[Catalog]) -> tuple[Catalog, ...]:
    return tuple(sorted(versions, key=_starts))


@final
@attrs.frozen(kw_only=True)
class CatalogVersions:
    """Hold all versions of one catalog, in the order in which they come into force.

    Raises:
        InvalidInput: there is none, they have different ids, or two share a name or an instant.
    """

    versions: tuple[Catalog, ...] = attrs.field(converter=_in_order)
    _instants: tuple[datetime, ...] = attrs.field(init=False, repr=False, eq=False)

    def __attrs_post_init__(self) -> None:
        if not self.versions:
            raise InvalidInput("versions", (), "is empty", "pass at least one catalog")
        first = self.versions[0]
        names: set[str] = set()
        instants: dict[datetime, str] = {}
        for one in self.versions:
            if one.id != first.id:
                raise InvalidInput(
                    "versions", one.id, f"is another catalog than {first.id}", "keep them apart"
                )
            if one.version in names:
                raise InvalidInput(
                    "versions", one.version, "stands twice", "give each version its own name"
                )
            other = instants.setdefault(_starts(one), one.version)
            if other != one.version:
                raise InvalidInput(
                    "versions",
                    one.version,
                    f"comes into force together with {other}",
                    "give each version its own effective_at",
                )
            names.add(one.version)
        object.__setattr__(self, "_instants", tuple(instants))

    @property
    def id(self) -> str:
        """Give the id that all versions share."""
        return self.versions[0].id

    def at(self, instant: datetime) -> Catalog:
        """Give the version that is in force at ``instant``.

        Raises:
            InvalidInput: ``instant`` is naive or before the first version.
        """
        instant = utc(instant, field="at")
        place = bisect_right(self._instants, instant)
        if not place:
            raise InvalidInput(
                "at",
                instant.isoformat(),
                f"is before the first version of {self.id}, {self.versions[0].version}",
                "add the version that was in force then",
            )
        return self.versions[place - 1]

    def with_version(self, catalog: Catalog, *, now: datetime) -> "CatalogVersions":
        """Return the sequence with one more version, which comes into force at ``now`` or later.

        Raises:
            InvalidInput: it would come into force in the past or together with another one.
        """
        now = utc(now, field="now")
        if _starts(catalog) < now:
            raise InvalidInput(
                "effective_at",
                None if catalog.effective_at is None else catalog.effective_at.isoformat(),
                f"is in the past at {now.isoformat()}: the version would rewrite history",
                "name an instant from now on",
            )
        return CatalogVersions(versions=(*self.versions, catalog))

    def revised(self, edited: "CatalogVersions", *, now: datetime) -> "CatalogVersions":
        """Give ``edited`` if it answers every instant before ``now`` as this sequence does.

        Names, descriptions and notes may change at any time. Prices, limits, allowances, ranks,
        rules and the versions themselves may change from ``now`` on.

        Raises:
            InvalidCatalog: naming everything in which the edit would rewrite history.
        """
        now = utc(now, field="now")
        mistakes = [
            InvalidInput(
                one.path,
                one.after,
                f"rewrites history: it was {one.before!r}",
                "leave the past as it was and publish a version that begins from now on",
            )
            for one in _rewritten(self, edited, now)
        ]
        if mistakes:
            raise InvalidCatalog.of(f"catalog {self.id}", mistakes)
        return edited


AnyCatalog: TypeAlias = Catalog | CatalogVersions
"""One catalog, or the sequence of its versions: both answer ``at(instant)``."""


def versions_of(catalog: AnyCatalog) -> tuple[Catalog, ...]:
    """List the versions of a catalog in the order in which they come into force."""
    return catalog.versions if isinstance(catalog, CatalogVersions) else (catalog,)


# ---------------------------------------------------------------------------------- renewals


def renewal_price(
    catalog: AnyCatalog,
    product: str,
    pinned: Price,
    *,
    pinned_at: datetime,
    at: datetime,
    agreement: Agreement | None = None,
) -> Price:
    """Give the price that a renewal at ``at`` takes, for a price that was pinned at ``pinned_at``.

    The pinned price stays, unless a price that began after it reaches subscribers by ``at``: then
    the newest of those is taken. An agreed price stays until its term is over; the list price
    then in force follows, if it says so. A product that is no longer sold keeps its price.

    >>> from monochat_billing.catalog_samples import sample_catalog
    >>> from monochat_billing.intervals import MONTH
    >>> catalog = sample_catalog()
    >>> pinned = catalog.product("growth").price(MONTH, "TRY")
    >>> now, later = datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 12, 1, tzinfo=UTC)
    >>> renewal_price(catalog, "growth", pinned, pinned_at=now, at=later) == pinned
    True
    """
    if agreement is not None:
        if not agreement.over(at):
            return pinned
        return _list_price(catalog, product, pinned, at) or pinned
    if isinstance(catalog, Catalog) and _never_changed(catalog, product, pinned):
        return pinned
    for start in reversed(_boundaries(catalog, product, pinned, pinned_at, at)):
        price = _list_price(catalog, product, pinned, start)
        if price is None:
            continue
        if price.costs_as(pinned):
            return pinned
        if price.reaches(at):
            return price
    return pinned


def known_product(catalog: AnyCatalog, product: str, at: datetime) -> Product:
    """Give a product as the version in force at ``at`` has it, else as the last one had it.

    For those who hold what is no longer sold.

    Raises:
        UnknownName: no version up to then has it.
        InvalidInput: ``at`` is naive or before the first version.
    """
    in_force = catalog.at(at)
    sold = in_force.find(product)
    if sold is not None:
        return sold
    earlier = [one for one in versions_of(catalog) if _starts(one) <= _starts(in_force)]
    for version in reversed(earlier):
        for one in version.products:
            if one.id == product:
                return one
    return in_force.product(product)


def _list_price(catalog: AnyCatalog, product: str, pinned: Price, at: datetime) -> Price | None:
    try:
        return catalog.at(at).product(product).price(pinned.interval, pinned.currency, at)
    except UnknownName:
        return None


def _never_changed(catalog: Catalog, product: str, pinned: Price) -> bool:
    """Tell at a glance what most renewals ask: whether there was ever another list price."""
    if catalog.effective_at is not None:
        return False
    try:
        starts = catalog.product(product).starts(pinned.interval, pinned.currency)
    except UnknownName:
        return True
    return not starts or starts == (BEGINNING,)


def _boundaries(
    catalog: AnyCatalog, product: str, pinned: Price, after: datetime, until: datetime
) -> list[datetime]:
    """List the instants in ``(after, until]`` at which the list price may have changed."""
    found: set[datetime] = set()
    for version in versions_of(catalog):
        found.add(_starts(version))
        for one in version.products:
            if one.id == product:
                found.update(one.starts(pinned.interval, pinned.currency))
    first = _starts(versions_of(catalog)[0])
    return sorted(start for start in found if after < start <= until and start >= first)


# -------------------------------------------------------------------------------- differences


@final
@attrs.frozen(kw_only=True)
class CatalogDifference:
    """Name one thing that differs: what it was and what it is; None where it is not there."""

    path: str
    before: str | None
    after: str | None

    def __str__(self) -> str:
        if self.before is None:
            return f"+ {self.path}: {self.after}"
        if self.after is None:
            return f"- {self.path}: {self.before}"
        return f"~ {self.path}: {self.before} → {self.after}"


def differences(before: Catalog, after: Catalog) -> tuple[CatalogDifference, ...]:
    """List what differs between two versions, in the order of the first, then what is new.

    >>> from monochat_billing.catalog_samples import sample_catalog
    >>> catalog = sample_catalog()
    >>> [str(one) for one in differences(catalog, attrs.evolve(catalog, note=""))]
    ['~ note: Sample catalog: all prices are invented. → ']
    """
    return _compare(dict(_facts(before)), dict(_facts(after)))


def _compare(
    before: Mapping[str, str], after: Mapping[str, str], where: str = ""
) -> tuple[CatalogDifference, ...]:
    return tuple(
        CatalogDifference(path=where + path, before=before.get(path), after=after.get(path))
        for path in dict.fromkeys((*before, *after))
        if before.get(path) != after.get(path)
    )


def _rewritten(
    old: CatalogVersions, new: CatalogVersions, now: datetime
) -> Iterator[CatalogDifference]:
    if old.id != new.id:
        yield CatalogDifference(path="id", before=old.id, after=new.id)
    was = {one.version: one for one in old.versions if _starts(one) < now}
    is_now = {one.version: one for one in new.versions if _starts(one) < now}
    ends = [*(_starts(one) for one in old.versions if _starts(one) < now), now]
    for place, (name, one) in enumerate(was.items()):
        edited = is_now.get(name)
        if edited is None or _starts(edited) != _starts(one):
            begins = None if edited is None else _starts(edited).isoformat()
            yield CatalogDifference(
                path=f"versions.{name}.effective_at", before=_starts(one).isoformat(), after=begins
            )
            continue
        until = ends[place + 1]
        facts, edited_facts = dict(_facts(one, until)), dict(_facts(edited, until))
        yield from _compare(facts, edited_facts, f"versions.{name}.")
    for name, one in is_now.items():
        if name not in was:
            yield CatalogDifference(
                path=f"versions.{name}.effective_at", before=None, after=_starts(one).isoformat()
            )


def _facts(catalog: Catalog, until: datetime | None = None) -> Iterator[tuple[str, str]]:
    """Yield all that a catalog says as path and text.

    With ``until`` it yields only what binds before that instant: no texts for people, and prices
    no further than they were in force by then.
    """
    yield "zone", catalog.zone
    yield "currencies", ", ".join(catalog.currencies)
    yield "meters", ", ".join(catalog.meters)
    yield "direction_by", catalog.direction_by.value
    yield "tax", "none" if catalog.tax is None else str(catalog.tax)
    yield "withdrawal_days", str(catalog.withdrawal_days)
    if until is None:
        yield "version", catalog.version
        yield "effective_at", _instant(catalog.effective_at)
        yield "note", catalog.note
    for product in catalog.products:
        yield from _product_facts(product, until)
    for item in catalog.one_offs:
        yield from _one_off_facts(item, until)
    for place, rule in enumerate(catalog.rules):
        yield f"rules[{place}]", f"{rule.explain()}, allows {', '.join(sorted(rule.allows))}"
    for place, policy in enumerate(catalog.dunning):
        governs = f"family {policy.family or 'any'}, product {policy.product or 'any'}"
        yield f"dunning[{place}]", f"{policy}, anchor {policy.anchor}, {governs}"


def _product_facts(product: Product, until: datetime | None) -> Iterator[tuple[str, str]]:
    where = f"products.{product.id}"
    yield f"{where}.family", product.family.value
    yield f"{where}.rank", str(product.rank)
    yield f"{where}.trial", str(product.trial or "none")
    yield f"{where}.quantity", f"{product.least_quantity} to {product.most_quantity or 'any'}"
    for limit in product.limits:
        yield f"{where}.limits.{limit.name}", f"{limit}{_tiers(limit.overage)}"
    for one in product.allowances:
        yield f"{where}.allowances.{one.meter}", f"{one}{_tiers(one.overage)}"
    for feature in product.features:
        texts = "" if until else f" {dict(sorted(feature.texts.items()))}"
        yield f"{where}.features.{feature.id}", f"yes{texts}"
    if until is None:
        yield from _texts(f"{where}.names", product.names)
        yield from _texts(f"{where}.descriptions", product.descriptions)
    for interval, currency in product.offers():
        rows = [
            price
            for price in product.prices
            if (price.interval, price.currency) == (interval, currency)
        ]
        yield from _price_facts(f"{where}.prices.{interval} {currency}", rows, until)


def _one_off_facts(item: OneOff, until: datetime | None) -> Iterator[tuple[str, str]]:
    where = f"one_offs.{item.id}"
    yield f"{where}.grant", str(item.grant or "none")
    yield f"{where}.most_quantity", str(item.most_quantity or "any")
    if until is None:
        yield from _texts(f"{where}.names", item.names)
        yield from _texts(f"{where}.descriptions", item.descriptions)
    for currency in dict.fromkeys(price.currency for price in item.prices):
        prices = [price for price in item.prices if price.currency == currency]
        yield from _price_facts(f"{where}.prices.{currency}", prices, until)


def _price_facts(
    where: str, prices: Iterable[Price] | Iterable[OneOffPrice], until: datetime | None
) -> Iterator[tuple[str, str]]:
    for price in sorted(prices, key=started_at):
        start = started_at(price)
        if until is not None and start >= until:
            continue
        end = price.until_at
        if end is not None and until is not None and end >= until:
            end = None
        text = f"{price}, {price.pricing} {price.tax_class}"
        if isinstance(price, Price):
            text += f", reaches {price.reach}"
            if price.reaches_at is not None:
                text += f" {price.reaches_at.isoformat()}"
        if end is not None:
            text += f", until {end.isoformat()}"
        yield f"{where} from {_instant(price.effective_at)}", text


def _texts(where: str, texts: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for language, text in texts.items():
        yield f"{where}.{language}", text


def _tiers(tiers: Iterable[OverageTier]) -> str:
    return "".join(f"; {tier}" for tier in tiers)


def _instant(value: datetime | None) -> str:
    return "the beginning" if value is None else value.astimezone(UTC).isoformat()
