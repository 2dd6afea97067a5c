"""Draws: chance that is the same everywhere, in whole numbers.

*Owns* one small generator and the ways in which usage varies: growth, seasons, spread, bursts.
*Does not own* what the usage costs (``uncertainty``).

The generator is SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number
generators", 2014): 64-bit integers in, 64-bit integers out. No float is anywhere, so the same seed
gives the same usage on every machine. Each draw has a stream of its own, named by seed and number,
so it does not matter who draws it, or in which order.

>>> Dice(1).below(6), Dice(1).below(6), Dice(2).below(6)
(3, 3, 0)
>>> model = UsageModel({"monochat.message": 10_000}, growth="0.02", spread="0.1")
>>> profile = model.draw(seed=7, number=0)
>>> profile == model.draw(seed=7, number=0), profile == model.draw(seed=7, number=1)
(True, False)
"""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Any, Final, final

import attrs

from monochat_billing.errors import InvalidInput
from monochat_billing.quantities import exact
from monochat_billing.rounding import round_ratio
from monochat_billing.simulation.profiles import MessageKind, UsageProfile

__all__ = ["Dice", "UsageModel"]

_MASK: Final = (1 << 64) - 1
_GAMMA: Final = 0x9E3779B97F4A7C15
_SIDES: Final = 1 << 20
_DICE: Final = 4
_MIX: Final = 0x6D6978
_MOST_MONTHS: Final = 120


def _mixed(value: int) -> int:
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & _MASK
    return value ^ (value >> 31)


@final
class Dice:
    """Roll whole numbers, the same for the same seed and stream.

    Raises:
        InvalidInput: one of them is no int.
    """

    def __init__(self, seed: int, stream: int = 0) -> None:
        for name, value in (("seed", seed), ("stream", stream)):
            if type(value) is not int:
                raise InvalidInput(name, value, "is no whole number", "pass an int")
        self._state = _mixed((seed & _MASK) ^ _mixed((stream * _GAMMA + 1) & _MASK))

    def bits(self) -> int:
        """Give the next 64 bits as a number from zero."""
        self._state = (self._state + _GAMMA) & _MASK
        return _mixed(self._state)

    def below(self, most: int) -> int:
        """Give a number from 0 to ``most`` - 1, each as likely as any other.

        Raises:
            InvalidInput: ``most`` is not above zero.
        """
        if type(most) is not int or not 1 <= most <= _MASK:
            raise InvalidInput("most", most, "has no sides", "pass 1 or more")
        limit = (1 << 64) - (1 << 64) % most
        while (found := self.bits()) >= limit:
            pass
        return found % most

    def chance(self, share: Fraction) -> bool:
        """Tell whether something of that probability happens.

        >>> Dice(3).chance(Fraction(1)), Dice(3).chance(Fraction(0))
        (True, False)
        """
        return self.below(share.denominator) < share.numerator

    def around(self, spread: Fraction) -> Fraction:
        """Give a factor around 1, from 1 - spread to 1 + spread, most likely in the middle.

        It is the mean of four even ones, so its standard deviation is 0.29 of the spread.
        """
        rolled = sum(self.below(2 * _SIDES + 1) for _ in range(_DICE))
        return 1 + spread * Fraction(rolled - _DICE * _SIDES, _DICE * _SIDES)


def _share(value: Any, field: str) -> Fraction:  # noqa: ANN401 - refuses what is not exact
    found = exact(value, field=field)
    if found > 1:
        raise InvalidInput(field, str(found), "is above one", "pass 10 % as '0.1'")
    return found


def _spread(value: Any, field: str = "spread") -> Fraction:  # noqa: ANN401 - as above
    found = exact(value, field=field)
    if found > 1:
        raise InvalidInput(field, str(found), "would let usage fall below zero", "pass 1 or less")
    return found


def _mix_spread(value: Any) -> Fraction:  # noqa: ANN401 - as above
    return _spread(value, "mix_spread")


def _chance(value: Any) -> Fraction:  # noqa: ANN401 - as above
    return _share(value, "burst_chance")


def _growth(value: Any) -> Fraction:  # noqa: ANN401 - as above; it may shrink
    if isinstance(value, str):
        shrinks, value = value.startswith("-"), value.removeprefix("-")
    else:
        shrinks = isinstance(value, (int, Fraction, Decimal)) and value < 0
    found = exact(-value if shrinks and not isinstance(value, str) else value, field="growth")
    if shrinks and found > 1:
        raise InvalidInput(
            "growth", str(value), "would let usage fall below zero", "pass '-1' or more"
        )
    return -found if shrinks else found


def _size(value: Any) -> Fraction:  # noqa: ANN401 - as above
    return exact(value, field="burst_size")


def _seasons(value: Iterable[Any]) -> tuple[Fraction, ...]:
    return tuple([exact(one, field="seasons") for one in value])


def _weights(value: Mapping[Any, int]) -> Mapping[MessageKind, int]:
    return UsageProfile([{}], {}, value).messages


@final
@attrs.frozen
class UsageModel:
    """Say how monthly usage is distributed, meter by meter.

    ``base`` is the first month's expected usage. ``growth`` comes on top of the month before
    ("0.02" is 2 %, and 26.8 % in a year). ``seasons`` are factors that repeat, from the first month
    on. ``spread`` is how far a month may lie from what is expected, as a share of it. With a
    probability of ``burst_chance`` a month has a campaign, which adds ``burst_size`` times what is
    expected. ``mix`` says of which kinds, category and market, the messages of ``mixed`` (the first
    meter where it is empty) are, by weight; ``mix_spread`` is how far each weight may lie from it
    in a month, as a share of it. The parts always sum to the whole. Everything is exact; usage is
    rounded half-up to whole units.

    Raises:
        InvalidInput: usage could fall below zero, there is none, or a number is not exact.

    >>> UsageModel({"monochat.message": 100}, spread="2")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    monochat_billing.errors.InvalidInput: spread: '2' would let usage fall below zero; pass ...
    """

    base: Mapping[str, int]
    months: int = 12
    growth: Fraction = attrs.field(default=Fraction(0), converter=_growth)
    seasons: tuple[Fraction, ...] = attrs.field(default=(Fraction(1),), converter=_seasons)
    spread: Fraction = attrs.field(default=Fraction(0), converter=_spread)
    burst_chance: Fraction = attrs.field(default=Fraction(0), converter=_chance)
    burst_size: Fraction = attrs.field(default=Fraction(1), converter=_size)
    counts: Mapping[str, int] = attrs.field(factory=dict)
    mix: Mapping[MessageKind, int] = attrs.field(factory=dict, converter=_weights)
    mix_spread: Fraction = attrs.field(default=Fraction(0), converter=_mix_spread)
    mixed: str = ""

    def __attrs_post_init__(self) -> None:
        if not self.base:
            raise InvalidInput("base", {}, "is empty", "name a meter and its monthly usage")
        if not self.seasons:
            raise InvalidInput("seasons", (), "is empty", "pass [1] for none")
        if type(self.months) is not int or not 1 <= self.months <= _MOST_MONTHS:
            raise InvalidInput("months", self.months, "is no span", f"pass 1 to {_MOST_MONTHS}")
        UsageProfile([self.base], self.counts, self.mix)
        if self.mix and not any(self.mix.values()):
            raise InvalidInput("mix", 0, "has no weight above zero", "pass a weight for each kind")
        if self.mixed and self.mixed not in self.base:
            raise InvalidInput("mixed", self.mixed, "is no meter of base", "name one of base")

    def expected(self, month: int) -> Fraction:
        """Give the factor by which a month's usage is expected to differ from the base."""
        season = self.seasons[month % len(self.seasons)]
        return (1 + self.growth) ** month * season

    def draw(self, seed: int, number: int) -> UsageProfile:
        """Give one year, or whatever span, of usage as it may come.

        Equal seeds and numbers give equal usage.
        """
        dice = Dice(seed, number)
        months = []
        for month in range(self.months):
            factor = self.expected(month) * dice.around(self.spread)
            if dice.chance(self.burst_chance):
                factor += self.expected(month) * self.burst_size
            months.append(
                {
                    meter: round_ratio(units * factor.numerator, factor.denominator)
                    for meter, units in self.base.items()
                }
            )
        return UsageProfile(months, self.counts, mixes=self._mixes(months, seed, number))

    def _mixes(
        self, months: Sequence[Mapping[str, int]], seed: int, number: int
    ) -> list[Mapping[MessageKind, int]]:
        """Split each month's messages by kind; from dice of their own, so usage does not change."""
        if not self.mix:
            return []
        dice = Dice(seed ^ _MIX, number)
        meter = self.mixed or next(iter(self.base))
        kinds = list(self.mix.items())
        return [
            dict(
                zip(
                    (kind for kind, _ in kinds),
                    _split(month[meter], [w * dice.around(self.mix_spread) for _, w in kinds]),
                    strict=True,
                )
            )
            for month in months
        ]


def _split(whole: int, weights: Sequence[Fraction]) -> list[int]:
    """Split a number by weight, by largest remainder; the parts sum to it."""
    total = sum(weights)
    if not total:
        weights, total = [Fraction(1)] * len(weights), Fraction(len(weights))
    shares = [whole * one / total for one in weights]
    parts = [one.__floor__() for one in shares]
    by_rest = sorted(range(len(parts)), key=lambda place: parts[place] - shares[place])
    for place in by_rest[: whole - sum(parts)]:
        parts[place] += 1
    return parts
