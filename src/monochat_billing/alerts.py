"""Alerts: thresholds of a balance, and which of them a movement crosses.

*Owns* rules of thresholds, fixed ones and a step that goes on beyond them, falling or rising, and
the arithmetic of crossing them.
*Does not own* balances, who watches which (:mod:`monochat_billing.watches`), or the mail.

A threshold is crossed by a movement when it lies between the value before, which is excluded, and
the value after, which is included: a balance that falls to the threshold has crossed it, and one
that was there already crosses it no more. So any chain of movements crosses what it crosses once,
however it is cut. The step counts on from the last fixed threshold, or from zero without one, and
that start is no threshold itself.
"""

import enum
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Final, final

import attrs

from monochat_billing.errors import InvalidInput
from monochat_billing.lots import ChargeKind
from monochat_billing.money import to_finest
from monochat_billing.units import Amount, Units, count_of, plain_text, unit_of

__all__ = ["Crossings", "Direction", "Ladder", "Report", "ThresholdRule"]

_MOST_THRESHOLDS: Final = 100
_REMEMBERED: Final = 1024


class Direction(enum.StrEnum):
    """Name the way in which a value has to move to cross a threshold."""

    FALLING = "FALLING"
    RISING = "RISING"


class Report(enum.StrEnum):
    """Name how often one threshold is reported."""

    ONCE = "ONCE"
    """The first time that it is crossed, and never again."""
    EACH_TIME = "EACH_TIME"
    """Whenever it is crossed, which after the first time takes a recovery in between."""


@final
@attrs.frozen
class Crossings:
    """Name the thresholds that a movement crossed, in the order in which it met them.

    ``fixed`` are those that a rule lists, ``steps`` those of its step: a range, since a movement
    may cross any number of them.
    """

    fixed: tuple[int, ...]
    steps: range

    def __bool__(self) -> bool:
        return bool(self.fixed or self.steps)

    def __iter__(self) -> Iterator[int]:
        yield from self.fixed
        yield from self.steps

    @property
    def furthest(self) -> int:
        """Give the last that was crossed; there must be one."""
        return self.steps[-1] if self.steps else self.fixed[-1]


@final
@attrs.frozen
class Ladder:
    """Hold thresholds as integers in the smallest unit of a balance.

    ``fixed`` are in the order in which a movement in ``direction`` meets them. ``step`` is zero
    where nothing goes on beyond the last.

    >>> low = Ladder((500, 100), 0, Direction.FALLING)
    >>> list(low.crossed(501, 100)), list(low.crossed(500, 101)), list(low.crossed(99, 600))
    ([500, 100], [], [])
    >>> list(Ladder((10, 30), 100, Direction.RISING).crossed(12, 351))
    [30, 130, 230, 330]
    """

    fixed: tuple[int, ...]
    step: int
    direction: Direction

    def crossed(self, before: int, after: int) -> Crossings:
        """Find what lies between two values, ``before`` excluded and ``after`` included."""
        sign = self._sign
        low, high = sign * before, sign * after
        if high <= low:
            return _NOTHING
        fixed = tuple(one for one in self.fixed if low < sign * one <= high)
        if not self.step:
            return Crossings(fixed, _NO_STEPS)
        base = sign * self._base
        first = max((low - base) // self.step, 0) + 1
        last = (high - base) // self.step
        if last < first:
            return Crossings(fixed, _NO_STEPS)
        start, stop = base + first * self.step, base + last * self.step + 1
        return Crossings(fixed, range(sign * start, sign * stop, sign * self.step))

    def ahead(self, level: int) -> int | None:
        """Give the threshold that a movement from ``level`` would cross next, if there is one."""
        sign = self._sign
        for one in self.fixed:
            if sign * one > sign * level:
                return one
        if not self.step:
            return None
        base = sign * self._base
        return sign * (base + (max((sign * level - base) // self.step, 0) + 1) * self.step)

    def behind(self, level: int) -> int | None:
        """Give the last threshold that ``level`` has reached, if there is one."""
        sign = self._sign
        base = sign * self._base
        if self.step and sign * level >= base + self.step:
            return sign * (base + (sign * level - base) // self.step * self.step)
        return next((one for one in reversed(self.fixed) if sign * one <= sign * level), None)

    @property
    def _sign(self) -> int:
        return 1 if self.direction is Direction.RISING else -1

    @property
    def _base(self) -> int:
        return self.fixed[-1] if self.fixed else 0


_NO_STEPS: Final = range(0)
_NOTHING: Final = Crossings((), _NO_STEPS)


def _counted(value: Amount, field: str) -> int:
    unit_of(value, field=field)
    return value.count if isinstance(value, Units) else to_finest(value, field=field)


def _amounts(values: Iterable[Amount]) -> tuple[Amount, ...]:
    ranked = [(_counted(one, "thresholds"), one) for one in values]
    return tuple(one for _, one in sorted(ranked, key=lambda pair: pair[0]))


@final
@attrs.frozen(kw_only=True)
class ThresholdRule:
    """Say at which amounts a balance is worth a word.

    ``thresholds`` are amounts in one unit; zero and negative ones are allowed. ``step``, above
    zero, goes on beyond the last of them. What is compared is the amount available: for ``kind`` of
    charge, or for some kind when it is None.

    Raises:
        InvalidInput: there is no threshold and no step, two are equal, their units differ,
            there are more than 100, or the step is not above zero.

    >>> from monochat_billing.money import money
    >>> print(ThresholdRule(thresholds=[money("100", "TRY"), money("500", "TRY")]))
    falling to 500, 100 TRY, each time
    """

    thresholds: tuple[Amount, ...] = attrs.field(default=(), converter=_amounts)
    step: Amount | None = None
    direction: Direction = Direction.FALLING
    report: Report = Report.EACH_TIME
    kind: ChargeKind | None = None

    def __attrs_post_init__(self) -> None:
        for field, kind in (("direction", Direction), ("report", Report)):
            if not isinstance(getattr(self, field), kind):
                raise InvalidInput(
                    field, getattr(self, field), "is unknown", f"pass a {kind.__name__}"
                )
        if self.kind is not None and not isinstance(self.kind, ChargeKind):
            raise InvalidInput("kind", self.kind, "is no kind of charge", "pass a ChargeKind")
        if self.step is not None and _counted(self.step, "step") <= 0:
            raise InvalidInput(
                "step", plain_text(self.step), "is not above zero", "pass a positive amount"
            )
        every = (*self.thresholds, *(() if self.step is None else (self.step,)))
        if not every or len(self.thresholds) > _MOST_THRESHOLDS:
            raise InvalidInput(
                "thresholds", len(self.thresholds), "are none or too many", "pass 1 to 100"
            )
        if len({unit_of(one) for one in every}) > 1:
            raise InvalidInput(
                "thresholds", self._text(every), "differ in unit", "use that of the balance"
            )
        if len(set(self.thresholds)) < len(self.thresholds):
            raise InvalidInput(
                "thresholds", self._text(every), "repeat one", "name each threshold once"
            )

    @property
    def unit(self) -> str:
        """Give the unit that the thresholds are in."""
        one = self.thresholds[0] if self.step is None else self.step
        return unit_of(one)

    def ladder(self, scale: int) -> Ladder:
        """Give the thresholds in the smallest unit of a balance with ``scale`` decimals.

        Raises:
            InvalidInput: an amount has more decimals.
        """
        return _ladder(self, scale)

    def __str__(self) -> str:
        ordered = self.thresholds
        if self.direction is Direction.FALLING:
            ordered = ordered[::-1]
        amounts = self._text(ordered) or "0"
        step = "" if self.step is None else f", then every {plain_text(self.step)}"
        kind = "" if self.kind is None else f" for {self.kind.value}"
        how = self.report.value.replace("_", " ").lower()
        return f"{self.direction.value.lower()} to {amounts}{step} {self.unit}{kind}, {how}"

    @staticmethod
    def _text(values: Iterable[Amount]) -> str:
        return ", ".join(map(plain_text, values))


@lru_cache(maxsize=_REMEMBERED)
def _ladder(rule: ThresholdRule, scale: int) -> Ladder:
    fixed = [count_of(one, scale, field="thresholds") for one in rule.thresholds]
    if rule.direction is Direction.FALLING:
        fixed.reverse()
    step = 0 if rule.step is None else count_of(rule.step, scale, field="step")
    return Ladder(tuple(fixed), step, rule.direction)
