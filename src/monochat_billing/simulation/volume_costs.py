"""Volume costs: what a choice costs as an exact function of one meter's monthly volume.

*Owns* the pieces of that function, its lines before rounding, and how far rounding may move them.
*Does not own* the rates (``costs``), the models on a piece (``piecewise``), or a comparison.

>>> from datetime import UTC, datetime
>>> from monochat_billing.plans import sample_catalog
>>> terms = CostTerms(sample_catalog(), "TRY", datetime(2027, 1, 1, tzinfo=UTC))
>>> cost = VolumeCost(Choice("growth"), "monochat.message", terms, months=1)
>>> [int(at) for at in cost.bends(50_000)]
[10000]
>>> print(cost.on(Span(Fraction(10_000), Fraction(50_000))).line)
Line(constant=Fraction(-1, 1), slope=Fraction(3, 20))
"""

from collections import Counter
from fractions import Fraction
from typing import Any, Final, final

import attrs

from monochat_billing.meter_rates import MeterRate
from monochat_billing.money import (
    DEFAULT_SCALE,
    as_fraction,
    check_currency,
    minor_digits,
    to_units,
)
from monochat_billing.percentages import Percentage
from monochat_billing.simulation.choices import Choice
from monochat_billing.simulation.costs import CostTerms
from monochat_billing.simulation.meter_costs import MeterMonth, charged_months
from monochat_billing.simulation.piecewise import (
    MOST_PIECES,
    Bend,
    Line,
    Span,
    charge_on,
    too_many,
    transactions_on,
)
from monochat_billing.simulation.profiles import UsageProfile
from monochat_billing.tax import Pricing, Tax, TaxTreatment

__all__ = ["LineCost", "VolumeCost"]

_ZERO: Final = Fraction(0)
_FINEST: Final = Fraction(2, 10**DEFAULT_SCALE)
_VOLUME: Final = Line(_ZERO, Fraction(1))


@final
@attrs.frozen
class LineCost:
    """Hold a cost on one piece: exact before rounding, which moves it by less than ``slack``.

    ``counted`` says what is charged how; where it is the same, rounding is the same too.
    """

    line: Line
    slack: Fraction
    counted: object = attrs.field(repr=False)


@attrs.frozen
class _Count:
    """Know one counter: so many units, in so many records, at a rate and its tax."""

    rate: MeterRate
    tax: Tax | None
    units: Line
    records: int

    @property
    def key(self) -> tuple[Any, ...]:
        """Say all that its charge depends on."""
        return (self.rate.model, self.rate.rounding, self.tax, self.units, self.records)

    def raw(self, each: Line, span: Span) -> Line | None:
        """Give its charge before tax and rounding."""
        model = self.rate.model
        if model is None:
            return Line(_ZERO) if span.sign(self.units) == 0 else None
        if isinstance(model, Percentage):
            return transactions_on(model, each, self.records, span)
        return charge_on(model, self.units, span) if span.sign(self.units) > 0 else Line(_ZERO)

    @property
    def slack(self) -> Fraction:
        """Give what rounding may move its charge by, at most."""
        known = check_currency(self.rate.currency)
        digits = self.rate.rounding.digits(known.code, minor_digits(known))
        times = self.records if isinstance(self.rate.model, Percentage) else 1
        return times * (Fraction(1, 10**digits) * _share(self.tax) + _FINEST)


@final
class VolumeCost:
    """Know what a choice costs when each month has the same volume of a meter.

    Raises:
        InvalidInput: months or transactions are none.
        UnknownName: the choice names what the catalog does not know.
    """

    def __init__(
        self, choice: Choice, meter: str, terms: CostTerms, months: int, transactions: int = 1
    ) -> None:
        self._choice, self._meter, self._terms = choice, meter, terms
        self._empty = UsageProfile(
            UsageProfile.steady({}, months=months).months, transactions={meter: transactions}
        )
        self._base = terms.cost(choice, self._empty).total
        self._fixed = as_fraction(self._base)
        self._rates = [terms.rated(choice, meter, number) for number in range(months)]

    def billed(self, volume: int) -> int:
        """Give what is billed at a volume, in millionths."""
        months = len(self._rates)
        above = self._terms.above(self._choice, [volume] * months, self._meter)
        parts = self._empty.parts(self._meter)
        charged = charged_months(
            [
                MeterMonth(rate, tax, volume, units, parts)
                for (rate, tax), units in zip(self._rates, above, strict=True)
            ],
            self._terms.month(months),
        )
        return to_units(self._base) + sum(charged.taken)

    def bends(self, at_most: int) -> list[Fraction]:
        """Give every volume between zero and ``at_most`` at which the cost may bend or jump.

        Raises:
            InvalidInput: there are too many.
        """
        found: set[Fraction] = set()
        waiting = [Span(_ZERO, Fraction(at_most))]
        while waiting:
            span = waiting.pop()
            try:
                self.on(span)
            except Bend as bend:
                found.update(bend.points)
                if len(found) > MOST_PIECES:
                    raise too_many(len(found)) from None
                cuts = [span.low, *sorted(set(bend.points)), span.high]
                waiting += map(Span, cuts, cuts[1:])
        return sorted(found)

    def on(self, span: Span) -> LineCost | None:
        """Give the cost on a span; None where so much is not served.

        Raises:
            Bend: it bends inside of the span.
            InvalidInput: it bends too often.
        """
        if span.low == span.high == 0:
            return LineCost(Line(self._fixed), _ZERO, ())
        counts = self._counts(span)
        each = _VOLUME.times(Fraction(1, self._empty.parts(self._meter)))
        known: dict[tuple[Any, ...], Line | None] = {}
        places: dict[str, Line] = {}
        total, slack = Line(self._fixed), _ZERO
        for one in counts:
            if one.key not in known:
                known[one.key] = one.raw(each, span)
            raw = known[one.key]
            if raw is None:
                return None
            place = one.rate.place
            places[place] = places.get(place, Line(_ZERO)) + raw
            total += raw.times(_share(one.tax))
            slack += one.slack
        missing = self._missing(places, span)
        for line in missing:
            total += line
            slack += _FINEST
        return LineCost(total, slack, (Counter(one.key for one in counts), tuple(missing)))

    def _counts(self, span: Span) -> list[_Count]:
        """Count each month's volume as its counter does."""
        above = self._terms.above(
            self._choice, [_VOLUME] * len(self._rates), self._meter, span.least
        )
        parts = self._empty.parts(self._meter)
        counts: dict[str, _Count] = {}
        for (rate, tax), units in zip(self._rates, above, strict=True):
            known = counts.get(rate.counter)
            if known is None:
                counts[rate.counter] = _Count(rate, tax, units, parts)
                continue
            gauge = rate.meter.aggregation.is_gauge
            more = known.units if gauge else known.units + units
            counts[rate.counter] = attrs.evolve(known, units=more, records=known.records + parts)
        return list(counts.values())

    def _missing(self, places: dict[str, Line], span: Span) -> list[Line]:
        """Give what the periods that end within the months lack to their minimum, with its tax."""
        found = []
        until = self._terms.month(len(self._rates))
        for rate, tax in {rate.place: (rate, tax) for rate, tax in self._rates}.values():
            minimum = rate.meter.minimum_in(rate.currency)
            if minimum is None or rate.period.end > until:
                continue
            lacks = span.most(as_fraction(minimum) - places[rate.place], _ZERO)
            found.append(lacks.times(_share(tax)))
        return found


def _share(tax: Tax | None) -> Fraction:
    """Give what is taken for a unit of what a rate says: more than it where tax comes on top."""
    exclusive = tax is not None and tax.pricing is Pricing.EXCLUSIVE
    if tax is None or not exclusive or tax.treatment is not TaxTreatment.TAXED:
        return Fraction(1)
    return 1 + tax.rate.rate
