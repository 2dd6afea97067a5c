"""Charge steps: what a growing usage adds, as lines, without charging the whole of it anew.

*Owns* the ladder of a tiered price, which knows what everything below a tier costs, and the
difference of two sets of lines.
*Does not own* the models (``charge_models``), or what a step is for.

A price per unit is a ladder of one rung; graduated tiers are one of several. On a rung the exact
amount is a straight line, ``(constant + slope x quantity) / bottom``, in integers: so the total at
any quantity is one division, and a step has lines only for the tiers that it touches.

>>> rungs = ladder([(Fraction(10), Fraction(1), Fraction(0)), (None, Fraction(1, 2), Fraction(3))])
>>> [step_on(rungs, Fraction(4), Fraction(end), currency="TRY").units for end in (4, 10, 12)]
[0, 6000000, 10000000]
"""

from collections.abc import Iterable, Sequence
from fractions import Fraction
from typing import Final, NamedTuple, TypeAlias

import attrs

from monochat_billing.charge_lines import (
    USAGE_ROUNDING,
    Charge,
    ChargeLine,
    DraftLine,
    LineBasis,
    total_of,
)
from monochat_billing.money import MAX_UNITS, check_currency, minor_digits
from monochat_billing.rounding import Rounding, round_ratio

__all__ = ["NO_LADDER", "Ladder", "Rung", "difference", "ladder", "step_on"]

_ONE: Final = Fraction(1)
_ZERO: Final = Fraction(0)
_AMOUNTS: Final = frozenset({LineBasis.CAP, LineBasis.TRUE_UP, LineBasis.FLOOR, LineBasis.CEILING})


class Rung(NamedTuple):
    """Hold one tier: a quantity in it costs ``(constant + slope x quantity) / bottom`` in all.

    It reaches from ``below``, which is not in it, up to and including ``up_to``, without end where
    that is None. ``number`` is the tier's, from 1, or None where a price has no tiers.
    """

    number: int | None
    below: Fraction
    up_to: Fraction | None
    price: Fraction
    flat: Fraction
    each: LineBasis
    constant: int
    slope: int
    bottom: int


Ladder: TypeAlias = tuple[Rung, ...]
"""The rungs of one price, from zero up."""

NO_LADDER: Final[Ladder] = ()
"""What a price has that is no straight line within its tiers, such as one for packages."""


def ladder(
    tiers: Iterable[tuple[Fraction | None, Fraction, Fraction]],
    *,
    each: LineBasis = LineBasis.UNIT,
    numbered: bool = True,
) -> Ladder:
    """Build a ladder of ``(up_to, price, flat)``, tier by tier; ``flat`` is for entering it.

    >>> ladder([(None, Fraction(3, 10), Fraction(0))], numbered=False)[0].slope
    3
    """
    found: list[Rung] = []
    below = total = _ZERO
    for number, (up_to, price, flat) in enumerate(tiers, start=1):
        total += flat
        constant = total - price * below
        bottom = constant.denominator * price.denominator
        found.append(
            Rung(
                number=number if numbered else None,
                below=below,
                up_to=up_to,
                price=price,
                flat=flat,
                each=each,
                constant=constant.numerator * price.denominator,
                slope=price.numerator * constant.denominator,
                bottom=bottom,
            )
        )
        if up_to is not None:
            total += price * (up_to - below)
            below = up_to
    return tuple(found)


def _reached(rungs: Ladder, quantity: Fraction, first: int = 0) -> int:
    """Give the place of the rung that a quantity is on, or -1 above the last."""
    top, bottom = quantity.numerator, quantity.denominator
    for place in range(first, len(rungs)):
        up_to = rungs[place].up_to
        if up_to is None or top * up_to.denominator <= up_to.numerator * bottom:
            return place
    return -1


def _units(rung: Rung, quantity: Fraction, digits: int, rounding: Rounding) -> int:
    top, bottom = quantity.numerator, quantity.denominator
    return round_ratio(
        (rung.constant * bottom + rung.slope * top) * 10**digits, rung.bottom * bottom, rounding
    )


def step_on(
    rungs: Ladder,
    before: Fraction,
    after: Fraction,
    *,
    currency: str,
    charged: int | None = None,
    rounding: Rounding = USAGE_ROUNDING,
    source: str = "",
) -> Charge | None:
    """Charge what lies between two quantities: the rounded total of one less that of the other.

    None is the answer where the ladder does not say: it has no rung, ``before`` is zero or more
    than ``after``, ``after`` is above the last rung, its total does not fit into 64 bits, or
    ``charged`` is given and is not the rounded total of ``before``.

    Raises:
        InvalidInput: the currency is unknown.

    >>> tiers = [(Fraction(10), Fraction(1), Fraction(0)), (None, Fraction(1, 2), Fraction(3))]
    >>> print(step_on(ladder(tiers), Fraction(9), Fraction(12), currency="TRY").explain())
    tier 1: 1 unit x TRY 1.00 = TRY 1.00
    tier 2: 1 fixed fee x TRY 3.00 = TRY 3.00
    tier 2: 2 units x TRY 0.50 = TRY 1.00
    """
    low = _reached(rungs, before)
    high = -1 if low < 0 else _reached(rungs, after, low)
    if high < 0 or not before or after < before:
        return None
    known = check_currency(currency)
    digits = rounding.digits(known.code, minor_digits(known))
    whole = _units(rungs[high], after, digits, rounding)
    if whole > MAX_UNITS:
        return None
    first = _units(rungs[low], before, digits, rounding)
    if charged is not None and charged != first:
        return None
    gained = whole - first
    if low == high:
        return _within(rungs[low], after - before, gained, known.code, digits, rounding, source)
    lines: list[DraftLine] = []
    for place in range(low, high + 1):
        rung = rungs[place]
        if place > low and rung.flat:
            lines.append(DraftLine(LineBasis.FLAT, _ONE, rung.flat, rung.number))
        end = after if place == high or rung.up_to is None else rung.up_to
        units = end - (before if place == low else rung.below)
        if units and rung.price:
            lines.append(DraftLine(rung.each, units, rung.price, rung.number))
    rounded = total_of(lines, known.code, rounding=rounding, source=source)
    return _mended(rounded, gained - rounded.units)


def _within(  # noqa: PLR0917 - private
    rung: Rung,
    units: Fraction,
    gained: int,
    currency: str,
    digits: int,
    rounding: Rounding,
    source: str,
) -> Charge:
    """Charge a step that stays in one tier: most do."""
    lines: tuple[ChargeLine, ...] = ()
    if units and rung.price:
        line = ChargeLine(
            basis=rung.each,
            currency=currency,
            units=units,
            rate=rung.price,
            rounded_units=gained,
            digits=digits,
            tier=rung.number,
            source=source,
        )
        lines = (line,)
    return Charge(currency=currency, digits=digits, lines=lines, rounding=rounding)


def _mended(rounded: Charge, gap: int) -> Charge:
    """Let the last line have what rounding the step by itself would lose or add."""
    if not gap:
        return rounded
    last = rounded.lines[-1]
    mended = attrs.evolve(last, rounded_units=last.rounded_units + gap)
    return attrs.evolve(rounded, lines=(*rounded.lines[:-1], mended))


# ------------------------------------------------------------------------- any lines of any model


def difference(
    after: Sequence[DraftLine],
    before: Sequence[DraftLine],
    currency: str,
    *,
    rounding: Rounding = USAGE_ROUNDING,
    source: str = "",
) -> Charge:
    """Charge lines less other lines of the same model: the rounded whole less the rounded whole.

    Lines are taken off lines of the same kind; where that fails (volume pricing), their sum is
    taken off as one line.

    Raises:
        InvalidInput: as :func:`~monochat_billing.charge_lines.total_of`.
    """
    whole = total_of(after, currency, rounding=rounding, source=source)
    first = total_of(before, currency, rounding=rounding, source=source)
    lines = _difference(after, before)
    rounded = total_of(lines, currency, rounding=rounding, source=source)
    return _mended(rounded, whole.units - first.units - rounded.units)


def _key(line: DraftLine) -> tuple[object, ...]:
    rate = None if line.basis in _AMOUNTS else line.rate
    return (line.basis, rate, line.tier, line.note)


def _merged(lines: Iterable[DraftLine]) -> dict[tuple[object, ...], DraftLine]:
    found: dict[tuple[object, ...], DraftLine] = {}
    for line in lines:
        key = _key(line)
        known = found.get(key)
        found[key] = line if known is None else known._replace(units=known.units + line.units)
    return found


def _difference(after: Sequence[DraftLine], before: Sequence[DraftLine]) -> list[DraftLine]:
    earlier = _merged(before)
    found: list[DraftLine] = []
    for key, line in _merged(after).items():
        old = earlier.pop(key, None)
        if old is None:
            found.append(line)
        elif key[1] is None:
            found.append(line._replace(rate=line.rate - old.rate))
        else:
            found.append(line._replace(units=line.units - old.units))
    if earlier or any(line.units < 0 or line.rate < 0 for line in found):
        total = sum((line.raw for line in before), _ZERO)
        return [*after, DraftLine(LineBasis.BILLED, _ONE, total)]
    return [line for line in found if line.units and (line.raw or line.note)]
