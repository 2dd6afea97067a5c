"""Break-even: the volumes at which one choice becomes cheaper than another, found exactly.

*Owns* the regions in which one of two choices is cheaper, and the points between them.
*Does not own* what a choice costs by volume (``volume_costs``).

The volume is the same in every month. Nothing is sampled: a cost is a piecewise linear function of
it, whose pieces end where allowances, packs, tiers, packages and the bounds of fees and commitments
do, and on each piece two lines are compared as rationals. A crossing is exact before rounding; the
regions are those of what is billed, kuruş by kuruş.

>>> from datetime import UTC, datetime
>>> from monochat_billing.plans import sample_catalog
>>> terms = CostTerms(sample_catalog(), "TRY", datetime(2027, 1, 1, tzinfo=UTC))
>>> found = break_even(Choice("growth"), Choice("enterprise"), "monochat.message", terms)
>>> print(found)
which is cheaper: growth, monthly / enterprise, monthly (monochat.message per month)
from 0: growth, monthly
from 40,000: both cost the same
from 40,001: enterprise, monthly
>>> [(one.at, one.first) for one in found.crossings]
[(Fraction(40000, 1), 40001)]
"""

import enum
from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import Final, final

import attrs

from monochat_billing.errors import InvalidInput
from monochat_billing.simulation.choices import Choice
from monochat_billing.simulation.costs import CostTerms
from monochat_billing.simulation.frames import Frame
from monochat_billing.simulation.piecewise import Span
from monochat_billing.simulation.volume_costs import VolumeCost
from monochat_billing.wording import Words

__all__ = ["BreakEven", "Crossing", "Region", "Standing", "break_even"]

_ZERO: Final = Fraction(0)
_MOST_BILLED: Final = 5_000


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
        sides = f"{self.left.name(locale)} / {self.right.name(locale)}"
        meter = words.say("{meter} per month", meter=self.meter)
        lines = [
            words.say(
                "from {first}: {which}",
                first=words.number(one.first),
                which=self._which(one, words),
            )
            for one in self.regions
        ]
        return "\n".join([f"{words.say('which is cheaper')}: {sides} ({meter})", *lines])

    def _which(self, region: Region, words: Words) -> str:
        if region.standing is Standing.TIE:
            return words.say("both cost the same")
        if region.standing is Standing.NEITHER:
            return words.say("neither serves it")
        return (self.left if region.standing is Standing.LEFT else self.right).name(words.locale)

    def frame(self, locale: str = "en") -> Frame:
        """Give the regions as a table."""
        words = Words(locale)
        rows = [(one.first, one.last, self._which(one, words)) for one in self.regions]
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
    transactions: int = 1,
) -> BreakEven:
    """Compare two choices at every monthly volume of a meter up to ``at_most`` (inclusive).

    Where one of them serves no more, the other is said to be cheaper. A month's volume comes in so
    many equal ``transactions``, which only percentage fees count.

    Raises:
        InvalidInput: there are too many pieces, or too many volumes at which nothing but rounding
            decides, to look at each; or a number is none.
        UnknownName: a choice names what the catalog does not know.
    """
    if type(at_most) is not int or at_most < 1:
        raise InvalidInput("at_most", at_most, "is no volume", "pass 1 or more")
    sides = [VolumeCost(one, meter, terms, months, transactions) for one in (left, right)]
    bounds = sorted({_ZERO, Fraction(at_most)}.union(*(one.bends(at_most) for one in sides)))
    found: list[Region] = []
    crossings: list[Crossing] = []
    for low, high, first, last in _pieces(bounds):
        for part in _parts(sides, Span(low, high), first, last):
            if found and found[-1].standing is part.standing:
                found[-1] = attrs.evolve(found[-1], last=part.last)
                continue
            if found and {found[-1].standing, part.standing} & {Standing.LEFT, Standing.RIGHT}:
                if crossings and crossings[-1].at == part.at:
                    crossings.pop()  # a tie in one point is one crossing
                crossings.append(Crossing(part.at, part.first))
            found.append(Region(part.first, part.last, part.standing))
    found[-1] = attrs.evolve(found[-1], last=None if found[-1].last == at_most else found[-1].last)
    return BreakEven(
        left=left,
        right=right,
        meter=meter,
        regions=tuple(found),
        crossings=tuple(crossings),
    )


def _pieces(bounds: list[Fraction]) -> Iterator[tuple[Fraction, Fraction, int, int]]:
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


@attrs.frozen
class _Part:
    first: int
    last: int
    standing: Standing
    at: Fraction


def _parts(sides: Sequence[VolumeCost], span: Span, first: int, last: int) -> Iterator[_Part]:
    """Yield the parts of a piece in which one standing holds, with the exact point before each.

    Before rounding two lines meet in one point. What is billed is rounded, by at most the slack of
    both, so only where they are closer than that are the volumes billed one by one.
    """
    ours, theirs = (one.on(span) for one in sides)
    if ours is None or theirs is None:
        alone = Standing.LEFT if ours is not None else Standing.RIGHT
        yield _Part(first, last, Standing.NEITHER if ours is theirs else alone, span.low)
        return
    gap = ours.line - theirs.line
    slack = _ZERO if ours.counted == theirs.counted else ours.slack + theirs.slack
    if not gap.slope:
        level = not ours.line.slope and not theirs.line.slope
        if abs(gap.constant) > slack or not slack:
            yield _Part(first, last, _standing(gap.constant), span.low)
        elif level:
            yield _Part(first, last, _billed(sides, first), span.low)
        else:
            yield from _one_by_one(sides, first, last, span.low)
        return
    zero, near = -gap.constant / gap.slope, slack / abs(gap.slope)
    begin = max(first, (zero - near).__ceil__())
    end = min(last, (zero + near).__floor__())
    if first <= min(begin - 1, last):
        yield _Part(first, min(begin - 1, last), _standing(-gap.slope), span.low)
    if begin <= end:
        yield from _one_by_one(sides, begin, end, zero)
    if max(end + 1, begin, first) <= last:
        at = max(span.low, zero)
        yield _Part(max(end + 1, begin, first), last, _standing(gap.slope), at)


def _one_by_one(
    sides: Sequence[VolumeCost], first: int, last: int, at: Fraction
) -> Iterator[_Part]:
    if last - first > _MOST_BILLED:
        raise InvalidInput(
            "at_most",
            f"{first} to {last}",
            "are volumes at which nothing but rounding decides, too many to bill one by one",
            "look less far, or compare the two by compare_plans",
        )
    for volume in range(first, last + 1):
        yield _Part(volume, volume, _billed(sides, volume), at)


def _billed(sides: Sequence[VolumeCost], volume: int) -> Standing:
    ours, theirs = (one.billed(volume) for one in sides)
    return _standing(Fraction(ours - theirs))


def _standing(difference: Fraction) -> Standing:
    if not difference:
        return Standing.TIE
    return Standing.LEFT if difference < 0 else Standing.RIGHT
