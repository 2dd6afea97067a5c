"""Meter costs: what the months of one meter's usage are charged, counter by counter.

*Owns* which months count together, transactions of percentage fees, gauges, and the minimum of a
period.
*Does not own* any rate or rounding: :func:`~monochat_billing.charge_models.charge` and
:func:`~monochat_billing.meter_charges.added_charge` are what production charges by.

What production charges at a period's end is counted to the last month that lies in it.
"""

from collections.abc import Sequence
from datetime import datetime
from fractions import Fraction
from typing import final

import attrs

from monochat_billing.charge_lines import Charge
from monochat_billing.charge_models import (
    Allowance,
    ChargeModel,
    Commitment,
    Graduated,
    GraduatedPercentage,
    Volume,
    charge,
)
from monochat_billing.counters import Counter, MeterRecord
from monochat_billing.meter_charges import added_charge
from monochat_billing.meter_rates import MeterRate
from monochat_billing.meters import Aggregation
from monochat_billing.money import DEFAULT_SCALE, from_units, to_units
from monochat_billing.percentages import Percentage
from monochat_billing.rounding import round_ratio
from monochat_billing.tax import Tax

__all__ = ["ChargedMonths", "MeterMonth", "charged_months"]


@final
@attrs.frozen
class MeterMonth:
    """Hold a month's usage of a meter, what of it nothing prepaid pays for, its rate and its tax.

    The usage comes in ``transactions`` equal parts, which percentage fees count.
    """

    rate: MeterRate
    tax: Tax | None
    used: int
    above: int
    transactions: int = 1

    @property
    def charged(self) -> int:
        """Give the units that a rate is for; a percentage takes its share of all of them."""
        return self.used if isinstance(self.rate.model, Percentage) else self.above


@attrs.define
class _Counted:
    """Know what a counter has counted, and was charged, in millionths; net of tax on top."""

    units: int = 0
    records: int = 0
    net: int = 0
    gross: int = 0


@final
@attrs.frozen
class ChargedMonths:
    """Hold what each month is charged with its tax, in millionths, and units that have no price."""

    taken: tuple[int, ...]
    refused: int = 0


def charged_months(months: Sequence[MeterMonth], until: datetime) -> ChargedMonths:
    """Charge the months of one meter, one after the other; ``until`` is where they end.

    Units that no rate is for, or that lie above the last tier, are refused and cost nothing. A
    minimum is owed from the period of the first usage on, for periods that end by ``until``.
    """
    counters: dict[str, _Counted] = {}
    taken = [0] * len(months)
    refused = 0
    for number, month in enumerate(months):
        if not month.used:
            continue
        if month.rate.model is None:
            refused += month.above
            continue
        counted = counters.setdefault(month.rate.counter, _Counted())
        before = counted.gross
        if isinstance(month.rate.model, Percentage):
            counted.net += _transactions(month, counted)
        elif month.above or counted.units:
            units = _together(month, counted.units)
            counted.units = _served(month.rate.model, units)
            refused += units - counted.units
            counted.net = _whole(month.rate, counted.units)
        counted.gross = _gross(counted.net, month.rate, month.tax)
        taken[number] = counted.gross - before
    return ChargedMonths(tuple(_with_minimum(months, counters, taken, until)), refused)


def _served(model: ChargeModel, units: int) -> int:
    """Give how many of so many units lie in a tier."""
    if isinstance(model, Commitment):
        return _served(model.model, units)
    if isinstance(model, Allowance):
        included = model.included.__ceil__()
        return min(units, included + _served(model.overage, max(units - included, 0)))
    if isinstance(model, (Graduated, GraduatedPercentage, Volume)):
        last = model.tiers[-1].up_to
        return units if last is None else min(units, last.__floor__())
    return units


def _together(month: MeterMonth, before: int) -> int:
    how = month.rate.meter.aggregation
    if how is Aggregation.SUM:
        return before + month.above
    return max(before, month.above) if how is Aggregation.MAX else month.above


def _whole(rate: MeterRate, units: int) -> int:
    if rate.model is None or not units:
        return 0
    found = charge(
        rate.model, units, currency=rate.currency, rounding=rate.rounding, source=rate.card
    )
    return _at_scale(found)


def _at_scale(found: Charge) -> int:
    """Give a charge in millionths, as a balance takes it."""
    return round_ratio(found.units * 10**DEFAULT_SCALE, 10**found.digits)


def _transactions(month: MeterMonth, counted: _Counted) -> int:
    """Charge each transaction by itself, as each record is, and count it."""
    rate, net = month.rate, 0
    each = Fraction(month.used, month.transactions)
    counter = Counter(id=rate.counter, meter=rate.meter.id, period=rate.period)
    record = MeterRecord(
        id="any", meter=rate.meter.id, quantity=each, occurred_at=rate.period.start
    )
    for _ in range(month.transactions):
        before = attrs.evolve(counter, used=each * counted.records, records=counted.records)
        net += _at_scale(added_charge(rate, before, before, record, scale=DEFAULT_SCALE))
        counted.records += 1
    return net


def _gross(net: int, rate: MeterRate, tax: Tax | None) -> int:
    if tax is None or not net:
        return net
    return to_units(tax.on(from_units(net, rate.currency, DEFAULT_SCALE)).gross)


def _with_minimum(
    months: Sequence[MeterMonth],
    counters: dict[str, _Counted],
    taken: list[int],
    until: datetime,
) -> list[int]:
    last: dict[str, int] = {}
    begun = False
    for number, month in enumerate(months):
        begun = begun or bool(month.used)
        if begun and month.rate.period.end <= until:
            last[month.rate.place] = number
    for place, number in last.items():
        rate, tax = months[number].rate, months[number].tax
        minimum = rate.meter.minimum_in(rate.currency)
        if minimum is None:
            continue
        names = {one.rate.counter for one in months if one.rate.place == place}
        charged = sum(counters[name].net for name in names if name in counters)
        taken[number] += _gross(max(to_units(minimum) - charged, 0), rate, tax)
    return taken
