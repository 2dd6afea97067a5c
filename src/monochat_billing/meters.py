"""Meters: what is counted beside messages, how it is summed up, and what it costs.

*Owns* how records of one meter make a period's quantity, when it is charged, its dated rate
tables by currency, its minimum commitment and how it is taxed, all as data of the catalog.
*Does not own* what a model charges (``charge_models``), the records or their counters
(:mod:`monochat_billing.counters`).

What can only grow while a period lasts is charged as it happens. What may still shrink (a volume
price, the last value of a gauge) is charged at the period's end, because only then is it known.

>>> from datetime import date
>>> from monochat_billing.charge_models import PerUnit
>>> from monochat_billing.rate_tables import RateRow, RateTable
>>> table = RateTable(
...     name="storage", meter="storage.gb", currency="TRY", effective_on=date(2026, 1, 1),
...     rows=(RateRow(model=PerUnit(price="0.50")),),
... )
>>> meter = Meter(id="storage.gb", rates=(RateTables(tables=(table,)),))
>>> meter.rates_in("TRY").in_force(date(2026, 11, 23)).label, meter.at_once
('storage v1', True)
"""

import enum
from collections.abc import Iterable
from typing import Any, Final, final

import attrs

from monochat_billing.charge_models import (
    Allowance,
    Capacity,
    ChargeModel,
    Commitment,
    Volume,
)
from monochat_billing.errors import InvalidInput
from monochat_billing.intervals import MONTH, BillingInterval, check_counted
from monochat_billing.money import Money, to_units
from monochat_billing.rate_tables import RateTables
from monochat_billing.tax import Pricing
from monochat_billing.texts import member_of

__all__ = ["Aggregation", "Meter"]


class Aggregation(enum.StrEnum):
    """Name how the records of a period make its quantity.

    >>> Meter(id="users", aggregation=Aggregation.MAX).aggregation.value
    'MAX'
    """

    SUM = "SUM"
    """A counter: the sum of all records."""
    MAX = "MAX"
    """A gauge: the highest record."""
    LAST = "LAST"
    """A gauge: the record with the latest instant."""

    @property
    def is_gauge(self) -> bool:
        """Tell whether records say how much there is, and not how much more was used."""
        return self is not Aggregation.SUM


def _models(model: ChargeModel | None) -> Iterable[ChargeModel]:
    """Give a model and those that it wraps."""
    while model is not None:
        yield model
        if isinstance(model, Allowance):
            model = model.overage
        elif isinstance(model, Commitment):
            model = model.model
        else:
            return


def _rates(value: Iterable[RateTables]) -> tuple[RateTables, ...]:
    return tuple(value)


def _pricing(value: Pricing | str) -> Pricing:
    return member_of(Pricing, value, "pricing")


@final
@attrs.frozen(kw_only=True)
class Meter:
    """Describe what is counted: how records sum up, in which periods, and at which rates.

    ``id`` is one of the catalog's meters. Periods are those of the allowance of the same meter
    that the account has, else local calendar periods of length ``per`` in the account's zone;
    they are half-open. ``rates`` are one history of tables for each currency. ``minimum`` is what
    a period costs at least, by currency: what is missing is charged at its end. ``pricing`` says
    whether the rates contain the tax of ``tax_class``.

    Raises:
        InvalidInput: the id is empty, ``per`` is longer than a year, two histories share a currency
            or are for another meter, a minimum is not above zero, or a model wants units by name.
    """

    id: str
    aggregation: Aggregation = Aggregation.SUM
    per: BillingInterval = MONTH
    rates: tuple[RateTables, ...] = attrs.field(default=(), converter=_rates)
    minimum: tuple[Money, ...] = ()
    pricing: Pricing = attrs.field(default=Pricing.INCLUSIVE, converter=_pricing)
    tax_class: str = "standard"

    def __attrs_post_init__(self) -> None:
        where = f"metering.{self.id}"
        if not isinstance(self.id, str) or not self.id.strip():
            raise InvalidInput("meter.id", self.id, "is empty", "name one of the catalog's meters")
        check_counted(self.per, f"{where}.per")
        for tables in self.rates:
            if tables.tables[0].meter != self.id:
                raise InvalidInput(
                    f"{where}.rates", tables.tables[0].meter, "is another meter", f"say {self.id}"
                )
            self._check_models(tables, where)
        _once((one.tables[0].currency for one in self.rates), f"{where}.rates")
        for amount in self.minimum:
            if to_units(amount, field=f"{where}.minimum") <= 0:
                raise InvalidInput(f"{where}.minimum", amount, "is not above zero", "drop it")
        _once((one.currency.code for one in self.minimum), f"{where}.minimum")

    def _check_models(self, tables: RateTables, where: str) -> None:
        for table in tables.tables:
            for row in table.rows:
                for model in _models(row.model):
                    if isinstance(model, Capacity):
                        raise InvalidInput(
                            f"{where}.rates",
                            "Capacity",
                            "wants units by name, and records have one quantity",
                            "use Volume, or charge it with charge_models",
                        )
                    if isinstance(model, Commitment) and model.minimum:
                        raise InvalidInput(
                            f"{where}.rates",
                            "Commitment.minimum",
                            "would be owed with the first record",
                            "give the meter a minimum: it is settled at the period's end",
                        )

    @property
    def at_once(self) -> bool:
        """Tell whether every record is charged when it comes, as far as rates decide that."""
        return self.aggregation is not Aggregation.LAST and not any(
            isinstance(model, Volume)
            for tables in self.rates
            for table in tables.tables
            for row in table.rows
            for model in _models(row.model)
        )

    def rates_in(self, currency: str) -> RateTables | None:
        """Give the rates in a currency, if there are any."""
        return next((one for one in self.rates if one.tables[0].currency == currency), None)

    def minimum_in(self, currency: str) -> Money | None:
        """Give what a period costs at least in a currency, if anything."""
        return next((one for one in self.minimum if one.currency.code == currency), None)

    def dimensions(self) -> tuple[str, ...]:
        """List the dimensions that any of the tables knows, each once."""
        names = (name for one in self.rates for table in one.tables for name in table.dimensions)
        return tuple(dict.fromkeys(names))


_TWICE: Final = "stands twice"


def _once(codes: Iterable[Any], field: str) -> None:
    seen: set[Any] = set()
    for code in codes:
        if code in seen:
            raise InvalidInput(field, code, _TWICE, "keep one for each currency")
        seen.add(code)
