"""Quantities: exact numbers of zero or more, as callers write them.

*Owns* which numbers usage, prices and shares may be, how an exact number is written, the sums of
raw records by period, and the search for the largest count that a budget pays for.
*Does not own* amounts of money: those are ``money``'s.

>>> exact("1.3"), quantity_of([50, "0.5"])
(Fraction(13, 10), Fraction(101, 2))
"""

import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from typing import Any, Final, TypeAlias

from monochat_billing.errors import InvalidInput

__all__ = [
    "Quantity",
    "Usage",
    "events_of",
    "exact",
    "exact_count",
    "most_affordable",
    "number_text",
    "quantity_of",
    "roll_up",
]

Quantity: TypeAlias = Fraction | Decimal | int | str
"""An exact number of zero or more; text is plain decimal."""

Usage: TypeAlias = Quantity | Sequence[Quantity] | Mapping[str, Quantity]
"""A quantity, the transactions that it is made of, or a quantity for each unit."""

_PLAIN: Final = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?", re.ASCII)
_LONGEST_TEXT: Final = 64
_LARGEST: Final = 10**18
_LARGEST_EXPONENT: Final = 40


def exact(value: Any, *, field: str = "value") -> Fraction:  # noqa: ANN401 - refuses the inexact
    """Return a number of zero or more as an exact fraction.

    A Fraction, an int, a Decimal, or plain decimal text such as ``"0.0109"``.

    Raises:
        InvalidInput: naming ``field``, for a binary float, a bool, NaN, malformed text, a negative
            value, or one above 10 ** 18.

    >>> exact("0.0109"), exact(Decimal("1.5")), exact(3)
    (Fraction(109, 10000), Fraction(3, 2), Fraction(3, 1))
    >>> exact(0.5, field="rate")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    monochat_billing.errors.InvalidInput: rate: 0.5 is not an exact number; ...
    """
    if not _is_exact(value):
        raise InvalidInput(
            field, value, "is not an exact number", "pass an int, Fraction, Decimal or plain text"
        )
    found = Fraction(value)
    if not 0 <= found <= _LARGEST:
        raise InvalidInput(field, str(found), "is out of range", "pass 0 to 10 ** 18")
    return found


def exact_count(value: Any, *, field: str = "count") -> int:  # noqa: ANN401 - refuses the rest
    """Return a whole number from 0 to 10 ** 18, or raise InvalidInput.

    >>> exact_count(1000)
    1000
    """
    if type(value) is not int or not 0 <= value <= _LARGEST:
        raise InvalidInput(field, value, "is not a count", "pass an int from 0 to 10 ** 18")
    return value


def _is_exact(value: Any) -> bool:  # noqa: ANN401 - whatever the caller passed
    """Let pass what is a number, and whose exponent asks for no huge integer."""
    if isinstance(value, Decimal):
        if not value.is_finite():
            return False
        return not value or -_LARGEST_EXPONENT <= value.adjusted() <= _LARGEST_EXPONENT
    if isinstance(value, str):
        return len(value) <= _LONGEST_TEXT and _PLAIN.fullmatch(value) is not None
    return isinstance(value, Fraction) or type(value) is int


def number_text(value: Fraction, locale: str = "en") -> str:
    """Write an exact number plainly: decimal where it ends, otherwise as a ratio.

    >>> number_text(Fraction(109, 10000)), number_text(Fraction(1, 2), "tr")
    ('0.0109', '0,5')
    >>> number_text(Fraction(2, 3)), number_text(Fraction(12))
    ('2/3', '12')
    """
    bottom = value.denominator
    twos = fives = 0
    while bottom % 2 == 0:
        bottom, twos = bottom // 2, twos + 1
    while bottom % 5 == 0:
        bottom, fives = bottom // 5, fives + 1
    if bottom != 1:
        return f"{value.numerator}/{value.denominator}"
    digits = max(twos, fives)
    whole, rest = divmod(abs(value.numerator) * (10**digits // value.denominator), 10**digits)
    text = f"{'-' if value < 0 else ''}{whole}" + (f".{rest:0{digits}d}" if digits else "")
    return text.replace(".", ",") if locale == "tr" else text


def events_of(usage: Usage) -> tuple[Fraction, ...]:
    """Return the transactions of a usage: the sequence, or the one quantity alone.

    Raises:
        InvalidInput: the usage names units, or a number is inexact or negative.

    >>> events_of([1, "2.5"]), events_of(3)
    ((Fraction(1, 1), Fraction(5, 2)), (Fraction(3, 1),))
    """
    if isinstance(usage, Mapping):
        raise InvalidInput("usage", dict(usage), "is a mapping", "pass a quantity or transactions")
    if isinstance(usage, Sequence) and not isinstance(usage, str):
        return tuple([exact(one, field="usage") for one in usage])
    return (exact(usage, field="usage"),)


def quantity_of(usage: Usage) -> Fraction:
    """Return the sum of a usage.

    Raises:
        InvalidInput: as :func:`events_of`.

    >>> quantity_of([1, "2.5"])
    Fraction(7, 2)
    """
    return sum(events_of(usage), Fraction(0))


def most_affordable(cost: Callable[[int], int], budget: int, *, at_most: int) -> int:
    """Return the largest count up to ``at_most`` whose cost is within a budget.

    ``cost`` must not fall as the count rises. Both are integers of one unit. Zero is the answer
    also where nothing at all would cost more than the budget.

    >>> most_affordable(lambda count: 7 * count, 50, at_most=100)
    7
    """
    low, high = 0, exact_count(at_most, field="at_most")
    if cost(high) <= budget:
        return high
    while high - low > 1:
        middle = (low + high) // 2
        if cost(middle) <= budget:
            low = middle
        else:
            high = middle
    return low


def roll_up(
    records: Iterable[tuple[datetime, str, Quantity]], bounds: Sequence[datetime]
) -> tuple[dict[str, Fraction], ...]:
    """Sum records by unit into the half-open periods between bounds that rise.

    A record at a bound is in the period that begins there; what lies before the first bound, or at
    or after the last, is in none. Every period has every unit that any of them has.

    Raises:
        InvalidInput: the bounds do not rise, or a quantity is inexact or negative.

    >>> from datetime import UTC
    >>> days = [datetime(2026, month, 15, tzinfo=UTC) for month in (3, 4, 5)]
    >>> roll_up([(days[0], "gb", 6), (days[1], "gb", 4), (days[2], "gb", 9)], days)
    ({'gb': Fraction(6, 1)}, {'gb': Fraction(4, 1)})
    """
    if any(later <= earlier for earlier, later in pairwise(bounds)):
        raise InvalidInput("bounds", list(bounds), "do not rise", "sort them, each once")
    found: list[dict[str, Fraction]] = [{} for _ in bounds[1:]]
    units: set[str] = set()
    for at, unit, quantity in records:
        amount = exact(quantity, field="quantity")
        place = bisect_right(bounds, at) - 1
        if 0 <= place < len(found):
            units.add(unit)
            found[place][unit] = found[place].get(unit, Fraction(0)) + amount
    return tuple(
        [{unit: period.get(unit, Fraction(0)) for unit in sorted(units)} for period in found]
    )
