"""Piecewise: what a growing quantity costs, as straight lines between the places where it bends.

*Owns* a line, the span on which it holds, and every charge model on such a span.
*Does not own* what a model charges: on a span without a bend its own lines are asked at two points.

A span is open, ``(low, high)``, or a single point. Where a comparison has not the same answer on a
whole span, :class:`Bend` names the points to cut at; who asks cuts there and asks again. So nothing
is sampled, and no bend can be missed.

>>> from monochat_billing.charge_models import Commitment, PerUnit
>>> model, volume = Commitment(model=PerUnit(price=2), maximum=30), Line(Fraction(0), Fraction(1))
>>> charge_on(model, volume, Span(Fraction(0), Fraction(10)))
Line(constant=Fraction(0, 1), slope=Fraction(2, 1))
>>> charge_on(model, volume, Span(Fraction(0), Fraction(99)))
Traceback (most recent call last):
monochat_billing.simulation.piecewise.Bend: (Fraction(15, 1),)
"""

from collections.abc import Iterable
from fractions import Fraction
from typing import Any, Final, final

import attrs

from monochat_billing.charge_models import (
    Allowance,
    ChargeModel,
    Commitment,
    Graduated,
    GraduatedPercentage,
    Package,
    Volume,
)
from monochat_billing.errors import InvalidInput
from monochat_billing.percentages import Percentage
from monochat_billing.tiers import Tier

__all__ = [
    "MOST_PIECES",
    "Bend",
    "Line",
    "Span",
    "charge_on",
    "line_of",
    "too_many",
    "transactions_on",
]

_ZERO: Final = Fraction(0)
_ONE: Final = Fraction(1)

MOST_PIECES: Final = 20_000
"""How many pieces are looked at before a question is refused."""


class Bend(Exception):
    """Say at which points, all inside of a span, a quantity bends or jumps."""

    def __init__(self, points: Iterable[Fraction]) -> None:
        super().__init__(*points)

    @property
    def points(self) -> tuple[Fraction, ...]:
        """Give the points, in no order."""
        return self.args

    def __str__(self) -> str:
        return str(self.points)


@final
@attrs.frozen
class Line:
    """Hold a quantity that depends on a volume as ``constant + slope x volume``, exactly.

    Lines and numbers add up and take each other off.
    """

    constant: Fraction
    slope: Fraction = _ZERO

    def at(self, volume: Fraction) -> Fraction:
        """Give the quantity at a volume."""
        return self.constant + self.slope * volume

    def times(self, factor: Fraction) -> "Line":
        """Return the line, so many times as high."""
        return Line(self.constant * factor, self.slope * factor)

    def __add__(self, other: Any) -> "Line":  # noqa: ANN401 - a number, or a line
        more = line_of(other)
        return Line(self.constant + more.constant, self.slope + more.slope)

    def __sub__(self, other: Any) -> "Line":  # noqa: ANN401 - as above
        less = line_of(other)
        return Line(self.constant - less.constant, self.slope - less.slope)

    def __radd__(self, other: Any) -> "Line":  # noqa: ANN401 - as above
        return line_of(other).__add__(self)

    def __rsub__(self, other: Any) -> "Line":  # noqa: ANN401 - as above
        return line_of(other).__sub__(self)


def line_of(value: Any) -> Line:  # noqa: ANN401 - a number, or a line
    """Give a line, or the level one at a number."""
    return value if isinstance(value, Line) else Line(Fraction(value))


@final
@attrs.frozen
class Span:
    """Hold the volumes strictly between two bounds, or one volume where both are the same."""

    low: Fraction
    high: Fraction

    def sign(self, line: Line) -> int:
        """Tell whether a line is below (-1), at (0) or above (1) zero on all of the span.

        Raises:
            Bend: it crosses zero inside.
        """
        begin, end = line.at(self.low), line.at(self.high)
        if begin * end < 0:
            raise Bend([-line.constant / line.slope])
        more = begin or end
        return (more > 0) - (more < 0)

    def least(self, one: Any, other: Any) -> Line:  # noqa: ANN401 - numbers, or lines
        """Give the lesser of two quantities.

        Raises:
            Bend: it is now the one and now the other.
        """
        left, right = line_of(one), line_of(other)
        return left if self.sign(left - right) <= 0 else right

    def most(self, one: Any, other: Any) -> Line:  # noqa: ANN401 - as above
        """Give the greater of two quantities.

        Raises:
            Bend: it is now the one and now the other.
        """
        left, right = line_of(one), line_of(other)
        return left if self.sign(left - right) >= 0 else right

    def even(self, line: Line, marks: Iterable[Fraction]) -> None:
        """Make sure that a line reaches none of some values inside of the span.

        Raises:
            Bend: it does.
            InvalidInput: it reaches too many.
        """
        if not line.slope or self.low == self.high:
            return
        found = []
        for mark in marks:
            at = (mark - line.constant) / line.slope
            if self.low < at < self.high:
                found.append(at)
            if len(found) > MOST_PIECES:
                raise too_many(len(found))
        if found:
            raise Bend(found)

    def ends(self, line: Line) -> tuple[Fraction, Fraction]:
        """Give the lowest and the highest that a line comes to."""
        begin, end = line.at(self.low), line.at(self.high)
        return min(begin, end), max(begin, end)


def too_many(pieces: int) -> InvalidInput:
    """Build the error for a function of too many pieces."""
    return InvalidInput("at_most", pieces, "pieces are too many to look at", "look less far")


def charge_on(model: ChargeModel, units: Line, span: Span) -> Line | None:
    """Give what a model charges for a quantity on a span, before it is rounded.

    None where the quantity lies above the last tier. Percentages are charged by transaction:
    :func:`transactions_on`.

    Raises:
        Bend: the charge bends or jumps inside of the span.
        InvalidInput: it does so too often.
    """
    if isinstance(model, Allowance):
        above = units - model.included
        return charge_on(model.overage, above, span) if span.sign(above) > 0 else Line(_ZERO)
    if isinstance(model, Commitment):
        return _committed(model, units, span)
    if isinstance(model, Package):
        span.even(units, _steps(model.free, model.size, *span.ends(units)))
    elif isinstance(model, (Graduated, GraduatedPercentage, Volume)):
        last = model.tiers[-1].up_to
        if last is not None and span.sign(units - last) > 0:
            return None
        whole = isinstance(model, Volume)
        span.even(units, _tier_marks(model.tiers, *span.ends(units), whole=whole))
    return _straight(model, units, span)


def _straight(model: ChargeModel, units: Line, span: Span) -> Line:
    """Draw the line through what a model charges at two points of a span without a bend."""
    third = (span.high - span.low) / 3
    one, two = span.low + third, span.high - third
    begin = sum((line.raw for line in model.lines(units.at(one))), _ZERO)
    if one == two or not units.slope:
        return Line(begin)
    end = sum((line.raw for line in model.lines(units.at(two))), _ZERO)
    slope = (end - begin) / (two - one)
    return Line(begin - slope * one, slope)


def _committed(model: Commitment, units: Line, span: Span) -> Line | None:
    found = charge_on(model.model, units, span)
    if found is None:
        return None
    found = found.times(1 - model.discount)
    if model.maximum is not None:
        found = span.least(found, model.maximum * model.share)
    return span.most(found, model.minimum * model.share)


def _steps(start: Fraction, size: Fraction, low: Fraction, high: Fraction) -> Iterable[Fraction]:
    """Give where packages begin, as far as a quantity comes."""
    first = max((low - start) // size, 0)
    last = (high - start) // size
    if last - first > MOST_PIECES:
        raise too_many(int(last - first))
    return [start + number * size for number in range(int(first), int(last) + 1)]


def _tier_marks(
    tiers: tuple[Tier, ...], low: Fraction, high: Fraction, *, whole: bool
) -> Iterable[Fraction]:
    found: list[Fraction] = []
    below = _ZERO
    for tier in tiers:
        top = high if tier.up_to is None else min(tier.up_to, high)
        if tier.packaged and below < top and low < top:
            start = _ZERO if whole else below
            found += _steps(start, tier.size, max(low, below), top)
        if tier.up_to is None or tier.up_to > high:
            break
        found.append(tier.up_to)
        below = tier.up_to
    return found


def transactions_on(model: Percentage, each: Line, count: int, span: Span) -> Line:
    """Give what a percentage charges for so many equal transactions, before it is rounded.

    Raises:
        Bend: the charge bends or jumps inside of the span.
        InvalidInput: it does so too often.
    """
    within = count if model.free_events is None else min(model.free_events, count)
    free = model.free_amount
    if free is None:
        charged = count if model.free_events is None else count - within
        return _fee(model, each, span).times(Fraction(charged))
    if span.low == span.high:
        lines = model.lines([each.at(span.low)] * count)
        return Line(sum((line.raw for line in lines), _ZERO))
    if within > MOST_PIECES:
        raise too_many(within)
    span.even(each, [free / number for number in range(1, within + 1)])
    middle = each.at((span.low + span.high) / 2)
    whole = min(within, -(-free // middle) - 1) if free else 0  # free from end to end
    if whole == count:
        return Line(_ZERO)
    full = count - whole
    if whole == within:
        return _fee(model, each, span).times(Fraction(full))
    partly = _fee(model, each.times(Fraction(whole + 1)) - free, span)
    return partly + _fee(model, each, span).times(Fraction(full - 1))


def _fee(model: Percentage, amount: Line, span: Span) -> Line:
    found = amount.times(model.rate) + model.fixed
    if model.most is not None:
        found = span.least(found, model.most)
    return found if model.least is None else span.most(found, model.least)
