"""Meters in catalog files: how they are counted and at which rates, in and out.

*Owns* the written form of meters, rate tables and charge models.
*Does not own* what a model charges, or the file that they stand in.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import date
from fractions import Fraction
from typing import Any, Final

from monochat_billing.adapters.catalog_files.cursor import Report, Table
from monochat_billing.charge_lines import USAGE_ROUNDING
from monochat_billing.charge_models import (
    Allowance,
    ChargeModel,
    Commitment,
    Dynamic,
    Graduated,
    GraduatedPercentage,
    Package,
    Percentage,
    PerUnit,
    Volume,
)
from monochat_billing.errors import InvalidInput
from monochat_billing.intervals import MONTH
from monochat_billing.meters import Aggregation, Meter
from monochat_billing.money import Money, amount_text, money
from monochat_billing.quantities import number_text
from monochat_billing.rate_tables import RateRow, RateTable, RateTables
from monochat_billing.tax import Pricing
from monochat_billing.tiers import AtZero, Tier

__all__ = ["MeterParts", "meter_table"]

_MODELS: Final[Mapping[str, type]] = {
    "per_unit": PerUnit,
    "package": Package,
    "graduated": Graduated,
    "volume": Volume,
    "graduated_percentage": GraduatedPercentage,
    "percentage": Percentage,
    "dynamic": Dynamic,
    "allowance": Allowance,
    "commitment": Commitment,
}
_NAMES: Final = {kind: name for name, kind in _MODELS.items()}
_PLAIN: Final = ("price", "size", "free", "rate", "fixed", "free_amount", "least", "most")
_BOUNDS: Final = ("multiplier", "included", "discount", "maximum")
_NUMBERS: Final = (*_PLAIN, *_BOUNDS)
_ALWAYS: Final = frozenset({"price", "size", "rate", "multiplier", "included"})
_MAYBE: Final = frozenset({"free_amount", "least", "most", "maximum"})
_INNER: Final = {"allowance": "overage", "commitment": "model"}


class MeterParts:
    """Read meters, and note what cannot be read."""

    def __init__(self, report: Report) -> None:
        self._report = report

    def meter(self, path: str, row: Any, pricing: Pricing, tax_class: str) -> Meter | None:  # noqa: ANN401
        """Read a meter with its rates; ``pricing`` and ``tax_class`` hold where it says nothing."""
        table = Table(row, path, "meter", self._report)
        identity = table.text("id")
        rates = [self._rate(where, one, identity or "") for where, one in table.rows("rates")]
        fields: dict[str, Any] = {
            "aggregation": table.choice("aggregation", Aggregation) or Aggregation.SUM,
            "per": table.interval("per") or MONTH,
            "minimum": self._minimum(table),
            "pricing": table.choice("pricing", Pricing) or pricing,
            "tax_class": table.text("tax_class") or tax_class,
        }
        if identity is None or not table.sound or None in rates:
            return None
        by_currency: dict[str, list[RateTable]] = {}
        for rate in rates:
            if rate is not None:
                by_currency.setdefault(rate.currency, []).append(rate)
        return self._report.build(
            path,
            lambda: Meter(
                id=identity,
                rates=tuple([RateTables(tables=tuple(found)) for found in by_currency.values()]),
                **fields,
            ),
        )

    def _minimum(self, table: Table) -> tuple[Money, ...]:
        found: list[Money] = []
        for path, code, value in table.pairs("minimum"):
            made = self._report.build(path, _amount(value, code))
            if made is None:
                table.sound = False
            else:
                found.append(made)
        return tuple(found)

    def _rate(self, path: str, row: Any, meter: str) -> RateTable | None:  # noqa: ANN401
        table = Table(row, path, "rate", self._report)
        name, currency = table.text("name") or meter, table.text("currency")
        given = table.raw.get("from")
        day = self._report.build(f"{path}.from", lambda: _day(given))
        version = 1 if "version" not in table.raw else table.count("version")
        rows = [self._row(where, one) for where, one in table.rows("rows")]
        if currency is None or day is None or version is None or None in rows:
            return None
        if not table.sound:
            return None
        return self._report.build(
            path,
            lambda: RateTable(
                name=name,
                meter=meter,
                currency=currency,
                effective_on=day,
                rows=tuple([one for one in rows if one is not None]),
                dimensions=table.words("dimensions"),
                version=version,
                source=table.text("source") or "",
            ),
        )

    def _row(self, path: str, row: Any) -> RateRow | None:  # noqa: ANN401 - a file's value
        table = Table(row, path, "rate_row", self._report)
        where = table.texts("where")
        if "charge" not in table.raw:
            return RateRow(where=where, model=None) if table.sound else None
        model = self._charge(f"{path}.charge", table.raw["charge"])
        if model is None or not table.sound:
            return None
        return self._report.build(path, lambda: RateRow(where=where, model=model))

    def _charge(self, path: str, row: Any) -> ChargeModel | None:  # noqa: ANN401 - as above
        table = Table(row, path, "charge", self._report)
        name = table.text("model")
        kind = _MODELS.get(name or "")
        if name is None or kind is None:
            if name is not None:
                known = ", ".join(_MODELS)
                self._report.say(f"{path}.model", name, "is unknown", f"use one of {known}")
            return None
        fields: dict[str, Any] = {key: table.amount(key) for key in _NUMBERS if key in table.raw}
        if "free_events" in table.raw:
            fields["free_events"] = table.count("free_events")
        if "tiers" in table.raw:
            fields["tiers"] = [self._tier(where, one) for where, one in table.rows("tiers")]
        if "of" in table.raw:
            inner = self._charge(f"{path}.of", table.raw["of"])
            if inner is None:
                return None
            fields[_INNER.get(name, "of")] = inner
        if not table.sound or None in fields.get("tiers", ()):
            return None
        made: ChargeModel | None = self._report.build(path, lambda: _built(kind, fields))
        return made

    def _tier(self, path: str, row: Any) -> Tier | None:  # noqa: ANN401 - as above
        table = Table(row, path, "charge_tier", self._report)
        fields: dict[str, Any] = {
            name: table.amount(key)
            for key, name in (("to", "up_to"), ("price", "price"), ("flat", "flat"))
            if key in table.raw
        }
        if "size" in table.raw:
            fields["size"] = table.amount("size")
        return self._report.build(path, lambda: Tier(**fields)) if table.sound else None


def _amount(value: Any, code: str) -> Callable[[], Money]:  # noqa: ANN401 - a file's value
    def made() -> Money:
        if type(value) not in (str, int):
            raise InvalidInput("minimum", value, "is no amount", 'write it in quotes, like "20"')
        return money(value, code)

    return made


def _day(value: Any) -> date:  # noqa: ANN401 - a file's value
    try:
        return value if type(value) is date else date.fromisoformat(value)
    except (TypeError, ValueError):
        raise InvalidInput("from", value, "is no day", "write it like 2026-01-31") from None


def _built(kind: Callable[..., Any], fields: Mapping[str, Any]) -> Any:  # noqa: ANN401 - any model
    try:
        return kind(**fields)
    except TypeError:
        raise InvalidInput(
            "charge", sorted(fields), "does not go with this model", "see the schema of the file"
        ) from None


# ---------------------------------------------------------------------------------------- writing


def meter_table(one: Meter) -> dict[str, Any]:
    """Give a meter as the table of a file.

    Raises:
        InvalidInput: a rate is rounded otherwise than a file can say, or has no decimal form.
    """
    found: dict[str, Any] = {"id": one.id}
    if one.aggregation is not Aggregation.SUM:
        found["aggregation"] = one.aggregation.value
    if one.per != MONTH:
        found["per"] = str(one.per)
    if one.minimum:
        found["minimum"] = {each.currency.code: amount_text(each) for each in one.minimum}
    if one.pricing is not Pricing.INCLUSIVE:
        found["pricing"] = one.pricing.value
    if one.tax_class != "standard":
        found["tax_class"] = one.tax_class
    rates = [_rate_table(table) for tables in one.rates for table in tables.tables]
    if rates:
        found["rates"] = rates
    return found


def _rate_table(one: RateTable) -> dict[str, Any]:
    if one.rounding != USAGE_ROUNDING:
        raise InvalidInput("rounding", one.label, "is not that of usage", "write it in Python")
    found: dict[str, Any] = {
        "name": one.name,
        "currency": one.currency,
        "from": one.effective_on,
    }
    if one.version != 1:
        found["version"] = one.version
    if one.dimensions:
        found["dimensions"] = list(one.dimensions)
    if one.source:
        found["source"] = one.source
    found["rows"] = [_row_table(row) for row in one.rows]
    return found


def _row_table(one: RateRow) -> dict[str, Any]:
    found: dict[str, Any] = {"where": dict(one.where)} if one.where else {}
    if one.model is not None:
        found["charge"] = _charge_table(one.model)
    return found


def _charge_table(model: ChargeModel) -> dict[str, Any]:
    name = _NAMES.get(type(model))
    if name is None:
        raise InvalidInput("charge", type(model).__name__, "has no form", "write it in Python")
    found: dict[str, Any] = {"model": name}
    for key in _NUMBERS:
        value = getattr(model, key, None)
        if isinstance(value, Fraction) and (value or key in _ALWAYS or key in _MAYBE):
            found[key] = _number(value)
    free_events = getattr(model, "free_events", None)
    if free_events is not None:
        found["free_events"] = free_events
    if isinstance(model, Commitment) and model.share != 1:
        raise InvalidInput("charge.share", str(model.share), "has no form", "write it in Python")
    if isinstance(model, (Graduated, Volume, GraduatedPercentage)):
        if model.at_zero is not AtZero.FIRST_TIER:
            raise InvalidInput("charge.at_zero", model.at_zero, "has no form", "leave it out")
        found["tiers"] = list(_tier_tables(model.tiers))
    if isinstance(model, (Allowance, Commitment)):
        inner = model.overage if isinstance(model, Allowance) else model.model
        found["of"] = _charge_table(inner)
    return found


def _tier_tables(tiers: Iterable[Tier]) -> Iterable[dict[str, Any]]:
    for one in tiers:
        row: dict[str, Any] = {} if one.up_to is None else {"to": _number(one.up_to)}
        row["price"] = _number(one.price)
        if one.flat:
            row["flat"] = _number(one.flat)
        if one.packaged:
            row["size"] = _number(one.size)
        yield row


def _number(value: Fraction) -> str:
    text = number_text(value)
    if "/" in text:
        raise InvalidInput("charge", text, "has no decimal form", "round it, or write it in Python")
    return text
