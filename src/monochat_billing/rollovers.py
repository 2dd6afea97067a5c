"""Rollovers: what an unused rest carries over, and what a change of plan does to it.

Owns the two rules of an allowance that a catalog states as data.
Does not own lots or periods: ``grants`` and ``allowances`` apply these.
"""

import enum
from fractions import Fraction
from typing import Final, final

import attrs

from monochat_billing.errors import InvalidInput

__all__ = ["NO_ROLLOVER", "AllowanceChange", "Rollover"]


@final
@attrs.frozen(kw_only=True)
class Rollover:
    """Say how much of an unused rest the next period gets on top of its own units.

    The rest is raised to ``minimum``, then cut to ``maximum`` (None for no bound). A minimum
    above the rest tops it up; a maximum of zero carries nothing.

    Raises:
        InvalidInput: a bound is negative, or the minimum is above the maximum.

    >>> Rollover(maximum=2000).carried(400), Rollover(maximum=100, minimum=20).carried(7)
    (400, 20)
    """

    maximum: int | None = None
    minimum: int = 0

    def __attrs_post_init__(self) -> None:
        if self.minimum < 0:
            raise InvalidInput("minimum", self.minimum, "is negative", "pass zero or more")
        if self.maximum is not None and self.maximum < self.minimum:
            raise InvalidInput(
                "maximum", self.maximum, "is below the minimum", "pass at least the minimum"
            )

    def carried(self, left: int) -> int:
        """Give what is carried over of ``left`` units (zero or more)."""
        raised = max(left, self.minimum)
        return raised if self.maximum is None else min(raised, self.maximum)


NO_ROLLOVER: Final = Rollover(maximum=0)
"""Nothing is carried over: what is unused at a period's end is breakage."""


class AllowanceChange(enum.StrEnum):
    """Name what a change of plan within a period does to the units of the old and the new plan.

    Used units are never taken back, and never charged afterwards.
    """

    PRORATED = "PRORATED"
    """The old plan keeps what its time has earned, the new one brings what its time will earn."""
    FULL = "FULL"
    """The old rest goes; the new plan brings its whole units, less what was used in the period."""
    KEEP = "KEEP"
    """The old rest stays until its end; the new plan's units begin with the next period."""

    def kept(self, granted: int, left: int, elapsed: Fraction) -> int:
        """Give what stays of ``left`` units of the old plan, of ``granted`` at its period's start.

        ``elapsed`` is the part of the period that is over, from 0 to 1.

        >>> AllowanceChange.PRORATED.kept(1000, 800, Fraction(1, 2))
        300
        """
        if self is AllowanceChange.KEEP:
            return left
        if self is AllowanceChange.FULL:
            return 0
        used = granted - left
        return min(max((granted * elapsed).__floor__() - used, 0), left)

    def brought(self, units: int, used: int, elapsed: Fraction) -> int:
        """Give what the new plan of ``units`` a period brings at once, after ``used`` of the old.

        >>> [rule.brought(10_000, 200, Fraction(1, 2)) for rule in AllowanceChange]
        [5000, 9800, 0]
        """
        if self is AllowanceChange.KEEP:
            return 0
        if self is AllowanceChange.FULL:
            return max(units - used, 0)
        return units - (units * elapsed).__ceil__()
