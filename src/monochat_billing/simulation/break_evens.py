"""Break-even: the volumes at which one choice becomes cheaper than another, found exactly.

*Owns* the cost of a choice as a piecewise linear function of one meter's monthly volume, and where
two such functions cross. Nothing is sampled: the pieces end where allowances, packs and tiers end,
and on each piece two lines are compared as rationals.
*Does not own* the rates (``costs`` finds them).

The volume is the same in every month. A crossing is exact before rounding; that it is right for
whole units on both sides is a tested law of what is billed.

>>> from datetime import UTC, datetime
>>> from monochat_billing.plans import sample_catalog
>>> terms = CostTerms(sample_catalog(), "TRY", datetime(2027, 1, 1, tzinfo=UTC))
>>> found = break_even(Choice("growth"), Choice("enterprise"), "monochat.message", terms)
>>> print(found)
growth MONTH and enterprise MONTH, monochat.message per month
from 0: growth MONTH is cheaper
from 40,000: both cost the same
from 40,001: enterprise MONTH is cheaper
>>> [(one.at, one.first) for one in found.crossings]
[(Fraction(40000, 1), 40001)]
"""

import enum
from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import Any, Final, final

import attrs

from monochat_billing.charge_models import (
    Allowance,
    ChargeModel,
    Graduated,
    Package,
    PerUnit,
    Volume,
)
from monochat_billing.errors import InvalidInput
from monochat_billing.money import as_fraction
from monochat_billing.simulation.choices import Choice
from monochat_billing.simulation.costs import CostTerms
from monochat_billing.simulation.frames import Frame
from monochat_billing.simulation.profiles import UsageProfile
from monochat_billing.tax import Pricing, Tax, TaxTreatment
from monochat_billing.tiers import Tier
from monochat_billing.wording import Words

__all__ = ["BreakEven", "Crossing", "Region", "Standing", "break_even"]

_ZERO: Final = Fraction(0)
_MOST_BOUNDS: Final = 100_000


class Standing(enum.StrEnum):
    """Name how two choices stand to each other at a volume."""

    LEFT = "LEFT"
    """The first one is cheaper, or the only one that serves."""
    RIGHT = "RIGHT"
    """The second one is."""
    TIE = "TIE"
    """Both cost the same."""
    NEITHER = "NEITHER"
    """Neither serves so much."""


@final
@attrs.frozen
class Region:
    """Say how two choices stand from ``first`` to ``last`` units a month, both included.

    ``last`` is None where it goes on without end, or as far as was looked.
    """

    first: int
    last: int | None
    standing: Standing


@final
@attrs.frozen
class Crossing:
    """Say where two choices cost the same, exactly, and the first whole volume that is beyond."""

    at: Fraction
    first: int


@final
@attrs.frozen(kw_only=True)
class BreakEven:
    """Hold how two choices stand at every monthly volume of a meter, from zero up."""

    left: Choice
    right: Choice
    meter: str
    regions: tuple[Region, ...]
    crossings: tuple[Crossing, ...]

    def at(self, units: int) -> Standing:
        """Tell how they stand at a volume.

        Raises:
            InvalidInput: it is negative, or beyond what was looked at.
        """
        for one in self.regions:
            if one.first <= units and (one.last is None or units <= one.last):
                return one.standing
        raise InvalidInput("units", units, "was not looked at", "pass a number from 0 up")

    def explain(self, locale: str = "en") -> str:
        """Say it region by region."""
        words = Words(locale)
        head = words.say(
            "{left} and {right}, {meter} per month",
            left=str(self.left),
            right=str(self.right),
            meter=self.meter,
        )
        return "\n".join([head, *(self._told(one, words) for one in self.regions)])

    def _told(self, region: Region, words: Words) -> str:
        first = words.number(region.first)
        if region.standing is Standing.TIE:
            return words.say("from {first}: both cost the same", first=first)
        if region.standing is Standing.NEITHER:
            return words.say("from {first}: neither serves it", first=first)
        name = self.left if region.standing is Standing.LEFT else self.right
        return words.say("from {first}: {name} is cheaper", first=first, name=str(name))

    def frame(self, locale: str = "en") -> Frame:
        """Give the regions as a table."""
        words = Words(locale)
        rows = [(one.first, one.last, self._told(one, words)) for one in self.regions]
        heads = (words.say("from"), words.say("to"), words.say("which is cheaper"))
        return Frame(heads, rows, locale=locale)

    def __str__(self) -> str:
        return self.explain()

    def _repr_html_(self) -> str:
        return self.frame()._repr_html_()


def break_even(
    left: Choice,
    right: Choice,
    meter: str,
    terms: CostTerms,
    *,
    months: int = 12,
    at_most: int = 10_000_000,
) -> BreakEven:
    """Compare two choices at every monthly volume of a meter up to ``at_most`` (inclusive).

    Where one of them serves no more, the other is said to be cheaper.

    Raises:
        InvalidInput: a model's charge is no piecewise linear function of a quantity, or it has too
            many pieces.
        UnknownName: a choice names what the catalog does not know.
    """
    lines = (_Line(left, meter, terms, months), _Line(right, meter, terms, months))
    bounds = sorted({_ZERO, Fraction(at_most)}.union(*(one.bounds(at_most) for one in lines)))
    found: list[Region] = []
    crossings: list[Crossing] = []
    for piece in _pieces(bounds):
        for first, last, standing, at in _parts(piece, *(one.cost for one in lines)):
            if found and found[-1].standing is standing:
                found[-1] = attrs.evolve(found[-1], last=last)
                continue
            if found and {found[-1].standing, standing} & {Standing.LEFT, Standing.RIGHT}:
                if crossings and crossings[-1].at == at:
                    crossings.pop()  # a tie in one point is one crossing
                crossings.append(Crossing(at, first))
            found.append(Region(first, last, standing))
    found[-1] = attrs.evolve(found[-1], last=None if found[-1].last == at_most else found[-1].last)
    return BreakEven(
        left=left,
        right=right,
        meter=meter,
        regions=tuple(found),
        crossings=tuple(crossings),
    )


_Cost = Callable[[Fraction], Fraction | None]
_Piece = tuple[Fraction, Fraction, int, int]


def _pieces(bounds: list[Fraction]) -> Iterator[_Piece]:
    """Yield the whole volumes between bounds: each bound that is whole alone, and what is between.

    A charge may jump right behind a bound, so a bound belongs to no open piece.
    """
    for place, low in enumerate(bounds):
        if low.denominator == 1:
            yield low, low, int(low), int(low)
        if place + 1 < len(bounds):
            high = bounds[place + 1]
            first, last = low.__floor__() + 1, high.__ceil__() - 1
            if first <= last:
                yield low, high, first, last


def _parts(
    piece: _Piece, left: _Cost, right: _Cost
) -> Iterator[tuple[int, int, Standing, Fraction]]:
    """Yield the parts of a piece in which one standing holds, with the exact point before each."""
    low, high, first, last = piece
    one, two = (low, high) if low == high else (low + (high - low) / 3, high - (high - low) / 3)
    ours, theirs = left(one), right(one)
    if ours is None or theirs is None:
        alone = Standing.LEFT if ours is not None else Standing.RIGHT
        yield first, last, Standing.NEITHER if ours is theirs else alone, low
        return
    begin = ours - theirs
    end = begin if low == high else (left(two) or _ZERO) - (right(two) or _ZERO)
    slope = _ZERO if low == high else (end - begin) / (two - one)
    zero = None if not slope else one - begin / slope
    if zero is None or not first - 1 < zero < last + 1:
        value = begin if zero is None else begin + slope * (first - one)
        yield first, last, _standing(value), low
        return
    before = [first, zero.__ceil__() - 1]
    after = [zero.__floor__() + 1, last]
    if before[0] <= before[1]:
        yield before[0], before[1], _standing(-slope), low
    if zero.denominator == 1 and first <= zero <= last:
        yield int(zero), int(zero), Standing.TIE, zero
    if after[0] <= after[1]:
        yield after[0], after[1], _standing(slope), zero


def _standing(difference: Fraction) -> Standing:
    if not difference:
        return Standing.TIE
    return Standing.LEFT if difference < 0 else Standing.RIGHT


@final
class _Line:
    """Know what a choice costs at a steady volume, as an exact function of it."""

    def __init__(self, choice: Choice, meter: str, terms: CostTerms, months: int) -> None:
        self._choice, self._meter, self._terms = choice, meter, terms
        empty = UsageProfile.steady({}, months=months)
        self._fixed = as_fraction(terms.cost(choice, empty).total)
        self._rates = [terms.rated(choice, meter, number) for number in range(months)]

    def cost(self, volume: Fraction) -> Fraction | None:
        """Give the exact cost at a volume; None where it is not served."""
        counted: dict[str, tuple[ChargeModel, Fraction, Fraction]] = {}
        above = self._terms.above(self._choice, [volume] * len(self._rates), self._meter)
        for (rate, tax), units in zip(self._rates, above, strict=True):
            if not units:
                continue
            if rate.model is None:
                return None
            before = counted[rate.counter][1] if rate.counter in counted else _ZERO
            counted[rate.counter] = (rate.model, before + units, _gross_share(tax))
        total = self._fixed
        for model, units, share in counted.values():
            total += share * sum((line.raw for line in model.lines(units)), _ZERO)
        return total

    def bounds(self, at_most: int) -> set[Fraction]:
        """Give every volume at which the function may bend or jump."""
        found: set[Fraction] = set()
        waiting = [(_ZERO, Fraction(at_most))]
        while waiting:
            low, high = waiting.pop()
            try:
                counted = self._counted(low, high)
            except _Bend as bend:
                found.add(bend.at)
                waiting += [(low, bend.at), (bend.at, high)]
                continue
            for model, units in counted:
                top = max(units.at(low), units.at(high))
                for mark in _marks(model, top) if units.slope else ():
                    at = (mark - units.constant) / units.slope
                    if low < at < high:
                        found.add(at)
                if len(found) > _MOST_BOUNDS:
                    raise InvalidInput(
                        "at_most", at_most, "has too many pieces to look at", "look less far"
                    )
        return found

    def _counted(self, low: Fraction, high: Fraction) -> list[tuple[ChargeModel, "_Linear"]]:
        """Give what each counter has counted after each month, as it grows from low to high."""

        def least(one: Any, two: Any) -> "_Linear":  # noqa: ANN401 - numbers among them
            left, right = _linear(one), _linear(two)
            gap = left - right
            begin, end = gap.at(low), gap.at(high)
            if begin <= 0 and end <= 0:
                return left
            if begin >= 0 and end >= 0:
                return right
            raise _Bend(-gap.constant / gap.slope)

        volume = [_Linear(_ZERO, Fraction(1))] * len(self._rates)
        above = self._terms.above(self._choice, volume, self._meter, least)
        counted: dict[str, _Linear] = {}
        found = []
        for (rate, _), units in zip(self._rates, above, strict=True):
            counted[rate.counter] = counted.get(rate.counter, _linear(0)) + units
            if rate.model is not None:
                found.append((rate.model, counted[rate.counter]))
        return found


class _Bend(Exception):
    """Say that the lesser of two quantities changes on the way."""

    def __init__(self, at: Fraction) -> None:
        super().__init__(at)
        self.at = at


@final
@attrs.frozen
class _Linear:
    """Hold a quantity that grows with the volume."""

    constant: Fraction
    slope: Fraction

    def at(self, volume: Fraction) -> Fraction:
        return self.constant + self.slope * volume

    def __add__(self, other: Any) -> "_Linear":  # noqa: ANN401 - a number, or such a quantity
        more = _linear(other)
        return _Linear(self.constant + more.constant, self.slope + more.slope)

    def __sub__(self, other: Any) -> "_Linear":  # noqa: ANN401 - as above
        less = _linear(other)
        return _Linear(self.constant - less.constant, self.slope - less.slope)

    def __radd__(self, other: Any) -> "_Linear":  # noqa: ANN401 - as above
        more: _Linear = self + other
        return more

    def __rsub__(self, other: Any) -> "_Linear":  # noqa: ANN401 - as above
        less: _Linear = _linear(-self.constant, -self.slope) + other
        return less


def _linear(value: Any, slope: Fraction = _ZERO) -> _Linear:  # noqa: ANN401 - as above
    return value if isinstance(value, _Linear) else _Linear(Fraction(value), slope)


def _gross_share(tax: Tax | None) -> Fraction:
    """Give what is taken for a unit of what a rate says: more than it where tax comes on top."""
    exclusive = tax is not None and tax.pricing is Pricing.EXCLUSIVE
    if tax is None or not exclusive or tax.treatment is not TaxTreatment.TAXED:
        return Fraction(1)
    return 1 + tax.rate.rate


def _marks(model: ChargeModel, most: Fraction) -> Iterator[Fraction]:
    """Yield the quantities up to ``most`` at which a model's charge bends or jumps.

    Raises:
        InvalidInput: it is no piecewise linear function of a quantity.
    """
    if isinstance(model, PerUnit):
        return
    if isinstance(model, Package):
        yield from _steps(model.free, model.size, most)
    elif isinstance(model, Allowance):
        yield model.included
        for mark in _marks(model.overage, most - model.included):
            yield model.included + mark
    elif isinstance(model, (Graduated, Volume)):
        yield from _tier_marks(model.tiers, most, whole=isinstance(model, Volume))
    else:
        raise InvalidInput(
            "model",
            type(model).__name__,
            "is no piecewise linear function of a quantity",
            "compare such plans at the volumes that matter, by compare_plans",
        )


def _tier_marks(tiers: tuple[Tier, ...], most: Fraction, *, whole: bool) -> Iterator[Fraction]:
    below = _ZERO
    for tier in tiers:
        top = most if tier.up_to is None else min(tier.up_to, most)
        if tier.packaged:
            yield from _steps(_ZERO if whole else below, tier.size, top)
        if tier.up_to is None or tier.up_to > most:
            return
        yield tier.up_to
        below = tier.up_to


def _steps(start: Fraction, size: Fraction, most: Fraction) -> Iterator[Fraction]:
    for number in range(_MOST_BOUNDS + 2):
        if start + number * size > most:
            return
        yield start + number * size
