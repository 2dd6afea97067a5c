"""Percentage fees: a share of each transaction, with what is free and what bounds it.

*Owns* the percentage model, which transactions it frees and the bounds of each one's fee, and the
dynamic model, a multiple of a value.
*Does not own* rounding, currencies, or shares that depend on tiers.

>>> model = Percentage(rate="0.029", fixed="0.30")
>>> [(line.basis.value, line.units) for line in model.lines([100, 50])]
[('PERCENTAGE', Fraction(150, 1)), ('FLAT', Fraction(2, 1))]
"""

from fractions import Fraction
from typing import Final, final

import attrs

from monochat_billing.charge_lines import DraftLine, LineBasis
from monochat_billing.errors import InvalidInput
from monochat_billing.quantities import Quantity, Usage, events_of, exact, exact_count, quantity_of

__all__ = ["Dynamic", "Percentage"]

_INCLUDED: Final = "included"
_ONE: Final = Fraction(1)
_ZERO: Final = Fraction(0)


def _number(value: Quantity) -> Fraction:
    return exact(value, field="price")


def _optional(value: Quantity | None) -> Fraction | None:
    return None if value is None else exact(value, field="bound")


@final
@attrs.frozen(kw_only=True)
class Percentage:
    """Charge a share of each transaction plus a fixed part, between a least and a highest fee.

    ``rate`` is a plain number: 1.3 % is ``"0.013"``. The first ``free_events`` transactions are
    free, up to ``free_amount`` in all where both are given; ``free_amount`` alone frees that much
    of the earliest transactions. What a transaction has above the free amount is charged; the fixed
    part is waived while the running total stays below it. ``least`` and ``most`` bound the fee of
    each transaction that is not free.

    Raises:
        InvalidInput: a number is inexact or negative, or ``least`` is above ``most``.

    >>> model = Percentage(rate="0.013", fixed=2, free_events=3, free_amount=250)
    >>> sum(line.raw for line in model.lines([50, 100, 250, 400]))
    Fraction(223, 20)
    """

    rate: Fraction = attrs.field(converter=_number)
    fixed: Fraction = attrs.field(default=_ZERO, converter=_number)
    free_events: int | None = None
    free_amount: Fraction | None = attrs.field(default=None, converter=_optional)
    least: Fraction | None = attrs.field(default=None, converter=_optional)
    most: Fraction | None = attrs.field(default=None, converter=_optional)

    def __attrs_post_init__(self) -> None:
        if self.free_events is not None:
            exact_count(self.free_events, field="free_events")
        if self.least is not None and self.most is not None and self.least > self.most:
            raise InvalidInput("least", str(self.least), "is above most", "swap the two")

    def free_parts(self, usage: Usage) -> list[tuple[Fraction, bool]]:
        """Return, for each transaction, the part that is free and whether all of it is.

        >>> Percentage(rate="0.05", free_amount=3).free_parts([5, 1])
        [(Fraction(3, 1), False), (Fraction(0, 1), False)]
        """
        found: list[tuple[Fraction, bool]] = []
        running = _ZERO
        nothing_is_free = self.free_events is None and self.free_amount is None
        for place, amount in enumerate(events_of(usage)):
            within = self.free_events is None or place < self.free_events
            if nothing_is_free or not within:
                found.append((_ZERO, False))
            elif self.free_amount is None:
                found.append((amount, True))
            else:
                part = min(amount, max(self.free_amount - running, _ZERO))
                found.append((part, running + amount < self.free_amount))
            running += amount
        return found

    def lines(self, usage: Usage) -> list[DraftLine]:
        """Return what is free, the share, the fixed parts, and what the bounds add or take off."""
        free = share = raised = cut = _ZERO
        events = 0
        for amount, (part, waived) in zip(events_of(usage), self.free_parts(usage), strict=True):
            free += part
            if waived:
                continue
            events += 1
            share += amount - part
            fee = (amount - part) * self.rate + self.fixed
            if self.least is not None and fee < self.least:
                raised += self.least - fee
            elif self.most is not None and fee > self.most:
                cut += fee - self.most
        lines = [
            DraftLine(LineBasis.FREE, free, _ZERO, note=_INCLUDED),
            DraftLine(LineBasis.PERCENTAGE, share, self.rate),
            DraftLine(LineBasis.FLAT, Fraction(events), self.fixed),
            DraftLine(LineBasis.FLOOR, _ONE, raised),
            DraftLine(LineBasis.CEILING, _ONE, cut),
        ]
        return [line for line in lines if line.units and (line.raw or line.note)]


@final
@attrs.frozen(kw_only=True)
class Dynamic:
    """Charge a multiple of a value that the usage carries, such as a provider's cost.

    >>> [line.raw for line in Dynamic(multiplier="1.33333").lines(10)]
    [Fraction(133333, 10000)]
    """

    multiplier: Fraction = attrs.field(converter=_number)

    def lines(self, usage: Usage) -> list[DraftLine]:
        """Return one line, or none where the value is zero."""
        value = quantity_of(usage)
        return [DraftLine(LineBasis.PERCENTAGE, value, self.multiplier)] if value else []
