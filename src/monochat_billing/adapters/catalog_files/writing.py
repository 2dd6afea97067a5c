"""Catalog files out: a catalog as plain tables, as TOML and as JSON.

*Owns* the written form; what is written reads back as an equal value.
*Does not own* which values there are.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any, Final, TypeVar

from monochat_billing.adapters.catalog_files.metering import meter_table
from monochat_billing.adapters.catalog_files.reading import FileFormat
from monochat_billing.adapters.catalog_files.shapes import FORMAT
from monochat_billing.catalog_versions import AnyCatalog, versions_of
from monochat_billing.catalogs import Catalog, DirectionBasis
from monochat_billing.change_rules import (
    CONDITIONS,
    DEFAULT_RULES,
    AnchorRule,
    ChangeRule,
    ChangeTiming,
)
from monochat_billing.dunning import AfterGrace, DunningPolicy
from monochat_billing.errors import InvalidInput
from monochat_billing.instants import check_zone, local_midnight
from monochat_billing.intervals import MONTH, BillingInterval
from monochat_billing.limits import Allowance, Limit, LimitKind, OverageTier
from monochat_billing.money import amount_text
from monochat_billing.pack_terms import NO_REFUND
from monochat_billing.prices import OneOffPrice, Price, PriceReach
from monochat_billing.products import OneOff, Product
from monochat_billing.proration_policies import DEFAULT_POLICY
from monochat_billing.rollovers import NO_ROLLOVER, AllowanceChange, Rollover
from monochat_billing.tax import KDV, Pricing, TaxRate, TaxTreatment

__all__ = ["as_tables", "write_catalog"]

_BARE: Final = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)
_WIDE: Final = 80
_SECTIONS: Final = ("products", "one_offs", "rules", "dunning", "metering", "versions")


def write_catalog(catalog: AnyCatalog, file_format: FileFormat = "toml") -> str:
    """Write a catalog, or all its versions, as the text of a file.

    Later versions say only what changes.

    Raises:
        InvalidInput: the catalog has something that a file cannot say: versions in other zones.

    >>> from monochat_billing.catalog_samples import sample_catalog
    >>> print(write_catalog(sample_catalog()).splitlines()[1])
    id = "monochat-sample"
    """
    tables = as_tables(catalog)
    if file_format == "json":
        return json.dumps(tables, ensure_ascii=False, indent=2, default=_iso) + "\n"
    return "\n".join(_toml(tables, "")).strip("\n") + "\n"


def _iso(at: date) -> str:
    return at.isoformat()


def as_tables(catalog: AnyCatalog) -> dict[str, Any]:
    """Give a catalog as the tables of a file; instants are days where they are a day's first.

    Raises:
        InvalidInput: as :func:`write_catalog`.
    """
    first, *later = versions_of(catalog)
    tables: dict[str, Any] = {"format": FORMAT, "id": first.id, "version": first.version}
    tables |= _terms(first, None)
    before, versions = first, []
    for one in later:
        if one.zone != first.zone:
            raise InvalidInput(
                "zone", one.zone, "differs between versions", "write them to files of their own"
            )
        versions.append({"version": one.version, **_terms(one, before)})
        before = one
    if versions:
        tables["versions"] = versions
    return tables


def _terms(catalog: Catalog, before: Catalog | None) -> dict[str, Any]:
    """Give what a version says, or what it changes of the one before."""
    zone = catalog.zone
    found: dict[str, Any] = {}
    if catalog.effective_at is not None:
        found["effective"] = _instant(catalog.effective_at, zone)
    if before is None and zone != "UTC":
        found["zone"] = zone
    plain = (
        ("note", catalog.note, before.note if before else ""),
        ("currencies", list(catalog.currencies), list(before.currencies) if before else []),
        ("meters", list(catalog.meters), list(before.meters) if before else []),
        (
            "direction_by",
            catalog.direction_by.value,
            (before.direction_by if before else DirectionBasis.RANK).value,
        ),
        (
            "metering",
            [meter_table(one) for one in catalog.metering],
            [meter_table(one) for one in before.metering] if before else [],
        ),
    )
    found |= {name: value for name, value, was in plain if value != was}
    if catalog.tax != (before.tax if before else None):
        found["tax"] = _tax(catalog)
    if catalog.withdrawal_days != (before.withdrawal_days if before else 0):
        found["withdrawal_days"] = catalog.withdrawal_days
    gone, products = _changed(catalog.products, before.products if before else ())
    also_gone, one_offs = _changed(catalog.one_offs, before.one_offs if before else ())
    if gone or also_gone:
        found["withdrawn"] = [*gone, *also_gone]
    if products:
        found["products"] = [_product(one, zone) for one in products]
    if one_offs:
        found["one_offs"] = [_one_off(one, zone) for one in one_offs]
    if catalog.rules != (before.rules if before else DEFAULT_RULES):
        found["rules"] = [_rule(rule) for rule in catalog.rules]
    if catalog.dunning != (before.dunning if before else ()):
        found["dunning"] = [_dunning(policy) for policy in catalog.dunning]
    return found


_Item = TypeVar("_Item", bound=Product | OneOff)


def _changed(now: Sequence[_Item], before: Sequence[_Item]) -> tuple[list[str], list[_Item]]:
    """Give the ids that are gone and the items that are new or changed.

    A reader puts what is new at the end; where that would not be the order, all is said anew.
    """
    was = {one.id: one for one in before}
    kept = {one.id for one in now}
    new = [one for one in now if was.get(one.id) != one]
    order = [*(name for name in was if name in kept), *(one.id for one in new if one.id not in was)]
    if order != [one.id for one in now]:
        return list(was), list(now)
    return [name for name in was if name not in kept], new


def _given(**fields: Any) -> dict[str, Any]:  # noqa: ANN401 - plain values
    """Leave out what is None or empty."""
    return {
        name.removesuffix("_"): value
        for name, value in fields.items()
        if value is not None and value not in ({}, [], "")
    }


def _product(one: Product, zone: str) -> dict[str, Any]:
    return {
        "id": one.id,
        "family": one.family.value,
        **({"rank": one.rank} if one.family.ladder or one.rank else {}),
        "names": dict(one.names),
        **_given(
            descriptions=dict(one.descriptions),
            trial=_text(one.trial),
            least_quantity=one.least_quantity if one.least_quantity != 1 else None,
            most_quantity="any" if one.most_quantity is None else _unless(one.most_quantity, 1),
        ),
        "prices": [_price(price, zone) for price in one.prices],
        **_given(
            limits={limit.name: _limit(limit) for limit in one.limits},
            allowances=[_allowance(allowance) for allowance in one.allowances],
            features={feature.id: dict(feature.texts) or True for feature in one.features},
        ),
    }


def _one_off(one: OneOff, zone: str) -> dict[str, Any]:
    grant = one.grant and _given(
        meter=one.grant.meter,
        units=one.grant.units,
        valid_for=_text(one.grant.valid_for),
        scope=one.grant.scope
        and {"category": one.grant.scope.category.name, "market": one.grant.scope.market},
    )
    refund = None
    if one.refund != NO_REFUND:
        refund = {"basis": one.refund.basis.value, **_given(within=_text(one.refund.within))}
    return {
        "id": one.id,
        "names": dict(one.names),
        **_given(
            descriptions=dict(one.descriptions),
            grant=grant,
            refund=refund,
            most_quantity=one.most_quantity,
        ),
        "prices": [_dated(price, zone) for price in one.prices],
    }


def _price(price: Price, zone: str) -> dict[str, Any]:
    reaches = None if price.reaches_at is None else _instant(price.reaches_at, zone)
    return {
        "interval": str(price.interval),
        **_dated(price, zone),
        **_given(reach=_unless(price.reach.value, PriceReach.NEVER.value), reaches=reaches),
    }


def _dated(price: Price | OneOffPrice, zone: str) -> dict[str, Any]:
    return {
        "currency": price.currency,
        "amount": amount_text(price.amount),
        **_given(
            from_=None if price.effective_at is None else _instant(price.effective_at, zone),
            until=None if price.until_at is None else _instant(price.until_at, zone),
            pricing=_unless(price.pricing.value, Pricing.INCLUSIVE.value),
            tax_class=_unless(price.tax_class, "standard"),
        ),
    }


def _limit(limit: Limit) -> Any:  # noqa: ANN401 - a number, a word or a table
    if limit.kind is LimitKind.UNLIMITED:
        return "unlimited"
    if limit.kind is LimitKind.HARD:
        return limit.most
    return {"most": limit.most, "overage": _overage(limit.overage)}


def _overage(tiers: Iterable[OverageTier]) -> dict[str, Any]:
    found: dict[str, list[dict[str, Any]]] = {}
    for tier in tiers:
        rate = amount_text(tier.rate)
        bounds = {"from": tier.first} if tier.last is None else _span(tier)
        found.setdefault(tier.rate.currency.code, []).append({**bounds, "rate": rate})
    return {
        code: rows[0]["rate"] if rows == [{"from": 1, "rate": rows[0]["rate"]}] else rows
        for code, rows in found.items()
    }


def _span(tier: OverageTier) -> dict[str, Any]:
    return {"from": tier.first, "to": tier.last}


def _allowance(one: Allowance) -> dict[str, Any]:
    return {
        "meter": one.meter,
        "units": one.units,
        **_given(
            per=_unless(str(one.per), str(MONTH)),
            overage=_overage(one.overage),
            rollover=_rollover(one.rollover),
            on_change=_unless(one.on_change.value, AllowanceChange.PRORATED.value),
        ),
    }


def _rollover(one: Rollover) -> dict[str, int] | None:
    if one == NO_ROLLOVER:
        return None
    least = {"minimum": one.minimum} if one.minimum or one.maximum is None else {}
    return least if one.maximum is None else {**least, "maximum": one.maximum}


def _rule(rule: ChangeRule) -> dict[str, Any]:
    conditions = {name: _word(getattr(rule, name)) for name in CONDITIONS}
    allows = sorted(rule.allows) if rule.allows != frozenset(ChangeTiming) else None
    return {
        "name": rule.name,
        "timing": rule.timing.value,
        "anchor": rule.anchor.value,
        **_given(proration=_unless(rule.proration, DEFAULT_POLICY.name), allows=allows),
        **{name: value for name, value in conditions.items() if value is not None},
    }


def _tax(catalog: Catalog) -> dict[str, Any]:
    regime = catalog.tax
    if regime is None:
        raise InvalidInput(
            "tax", None, "is dropped by a later version", "write that version to its own file"
        )
    rates = [
        {
            "band": row.band,
            "percent": TaxRate(name=regime.table.name, band=row.band, rate=row.rate).percent,
            "from": row.effective_on,
        }
        for row in regime.table.rows
    ]
    return {
        "table": regime.table.name,
        "country": regime.country,
        **_given(
            abroad=_unless(regime.abroad.value, TaxTreatment.TAXED.value),
            reason=regime.reason,
            rates=None if regime.table == KDV else rates,
        ),
    }


def _dunning(policy: DunningPolicy) -> dict[str, Any]:
    return {
        "name": policy.name,
        **_given(
            family=None if policy.family is None else policy.family.value,
            product=policy.product,
            grace=_text(policy.grace),
            retries=[str(length) for length in policy.retries],
            anchor=_unless(policy.anchor.value, AnchorRule.KEEP.value),
            then=_unless(policy.then.value, AfterGrace.WAIT.value),
            to=policy.to,
            gives_up=_text(policy.gives_up),
        ),
    }


def _word(value: object) -> object:
    return value if value is None or isinstance(value, bool) else str(value)


def _unless(value: Any, usual: Any) -> Any:  # noqa: ANN401 - any plain value
    return None if value == usual else value


def _text(interval: BillingInterval | None) -> str | None:
    return None if interval is None else str(interval)


def _instant(at: datetime, zone: str) -> date | datetime:
    """Give the local day whose first instant it is, else the instant itself."""
    try:
        day = at.astimezone(check_zone(zone)).date()
        if local_midnight(day, zone) == at:
            return day
    except OverflowError:
        return at  # the zone's clock would leave the calendar; the instant does not
    return at


# ---------------------------------------------------------------------------------------- TOML


def _toml(table: Mapping[str, Any], path: str) -> Iterator[str]:
    """Write keys first, then long tables and lists of tables under heads of their own."""
    long: list[str] = []
    for key, value in table.items():
        if key in _SECTIONS and value:
            continue
        if isinstance(value, list) and value and isinstance(value[0], dict):
            yield f"{_key(key)} = ["
            yield from (f"  {_inline(row)}," for row in value)
            yield "]"
        elif isinstance(value, dict) and len(_inline(value)) > _WIDE:
            long.append(key)
        else:
            yield f"{_key(key)} = {_inline(value)}"
    for key in long:
        yield ""
        yield f"[{path}{_key(key)}]"
        yield from (f"{_key(name)} = {_inline(value)}" for name, value in table[key].items())
    for key in _SECTIONS:
        for row in table.get(key, ()):
            yield ""
            yield f"[[{path}{key}]]"
            yield from _toml(row, f"{path}{key}.")


def _inline(value: Any) -> str:  # noqa: ANN401 - a plain value
    if isinstance(value, dict):
        inner = ", ".join(f"{_key(key)} = {_inline(one)}" for key, one in value.items())
        return f"{{ {inner} }}" if inner else "{}"
    if isinstance(value, list):
        return f"[{', '.join(map(_inline, value))}]"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    return value.isoformat() if isinstance(value, date) else json.dumps(value)


def _key(key: str) -> str:
    return key if _BARE.fullmatch(key) else _inline(key)
