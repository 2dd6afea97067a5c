"""Rounding as a value: which way, and how many decimals remain.

*Owns* the four modes and the one integer division that every rounded amount goes through.
*Does not own* currencies or amounts: those are ``money``'s.

>>> round_ratio(999 * 15, 30)
500
>>> round_ratio(999 * 15, 30, HALF_UP) + round_ratio(-999 * 15, 30, HALF_UP)
0
"""

import re
from enum import StrEnum
from fractions import Fraction
from typing import Any, Final, final

import attrs

from monochat_billing.errors import InvalidInput

__all__ = [
    "DOWN",
    "HALF_EVEN",
    "HALF_UP",
    "MAX_SCALE",
    "UP",
    "Rounding",
    "RoundingMode",
    "check_scale",
    "round_ratio",
    "round_units",
]

MAX_SCALE: Final = 12
"""Most decimals that an amount may have."""

_CODE: Final = re.compile("[A-Z]{3}")


class RoundingMode(StrEnum):
    """Say which way a value between two units goes; every mode mirrors at zero."""

    HALF_UP = "HALF_UP"
    """To the nearer unit, a tie away from zero: 2.665 to 2.67, -2.665 to -2.67."""
    HALF_EVEN = "HALF_EVEN"
    """To the nearer unit, a tie to the even one: 2.665 to 2.66, 2.675 to 2.68."""
    DOWN = "DOWN"
    """Toward zero."""
    UP = "UP"
    """Away from zero."""


def _mode(value: RoundingMode | str) -> RoundingMode:
    try:
        return RoundingMode(value)
    except ValueError:
        known = ", ".join(RoundingMode)
        raise InvalidInput("mode", value, "is not a rounding mode", f"use one of {known}") from None


def check_scale(scale: Any, *, field: str = "scale") -> int:  # noqa: ANN401 - as above
    """Return a number of decimals from 0 to :data:`MAX_SCALE`, or raise InvalidInput.

    >>> check_scale(6)
    6
    """
    if type(scale) is not int or not 0 <= scale <= MAX_SCALE:
        raise InvalidInput(
            field, scale, "is not a number of decimals", f"pass an int from 0 to {MAX_SCALE}"
        )
    return scale


@final
@attrs.frozen(kw_only=True)
class Rounding:
    """Name a rounding: the mode, and how many decimals remain.

    ``scale`` is the number of decimals, or None for the currency's minor unit (2 for TRY, 0 for
    JPY, 3 for KWD). ``by_currency`` overrides both for single currencies.

    Raises:
        InvalidInput: a scale is negative or above :data:`MAX_SCALE`, or a code is not
            three capitals.

    >>> fine = HALF_UP.at_scale(4).for_currency("TRY", 2)
    >>> fine.digits("USD", 2), fine.digits("TRY", 2)
    (4, 2)
    """

    mode: RoundingMode = attrs.field(converter=_mode)
    scale: int | None = None
    by_currency: tuple[tuple[str, int], ...] = ()

    def __attrs_post_init__(self) -> None:
        if self.scale is not None:
            check_scale(self.scale)
        for code, scale in self.by_currency:
            if _CODE.fullmatch(str(code)) is None:
                raise InvalidInput("by_currency", code, "is no currency", "pass its ISO code")
            check_scale(scale, field="by_currency")

    def digits(self, code: str, minor: int) -> int:
        """Return how many decimals this rounding leaves in a currency.

        ``code`` is the currency's ISO code and ``minor`` the decimals of its minor unit.

        >>> HALF_UP.digits("TRY", 2), HALF_UP.digits("JPY", 0), HALF_UP.at_scale(6).digits("TRY", 2)
        (2, 0, 6)
        """
        for known, scale in self.by_currency:
            if known == code:
                return scale
        return minor if self.scale is None else self.scale

    def at_scale(self, scale: int) -> "Rounding":
        """Return the same mode with ``scale`` decimals in every currency.

        >>> DOWN.at_scale(6).scale
        6
        """
        return Rounding(mode=self.mode, scale=scale)

    def for_currency(self, currency: str, scale: int) -> "Rounding":
        """Return this rounding with ``scale`` decimals in one currency.

        >>> HALF_UP.for_currency("HUF", 0).digits("HUF", 2)
        0
        """
        others = tuple(pair for pair in self.by_currency if pair[0] != currency)
        return Rounding(
            mode=self.mode,
            scale=self.scale,
            by_currency=tuple(sorted((*others, (currency, scale)))),
        )


HALF_UP: Final = Rounding(mode=RoundingMode.HALF_UP)
"""To the minor unit, ties away from zero: what is billed, unless said otherwise."""

HALF_EVEN: Final = Rounding(mode=RoundingMode.HALF_EVEN)
"""To the minor unit, ties to the even neighbor."""

DOWN: Final = Rounding(mode=RoundingMode.DOWN)
"""To the minor unit, toward zero."""

UP: Final = Rounding(mode=RoundingMode.UP)
"""To the minor unit, away from zero."""


# Enum members are looked up slowly on their class, and every rounded amount asks for them.
_HALF_UP_MODE: Final = RoundingMode.HALF_UP
_HALF_EVEN_MODE: Final = RoundingMode.HALF_EVEN
_DOWN_MODE: Final = RoundingMode.DOWN


def round_ratio(numerator: int, denominator: int, rounding: Rounding = HALF_UP) -> int:
    """Round ``numerator / denominator`` to an integer; only the mode of ``rounding`` counts.

    Raises:
        InvalidInput: the denominator is not above zero.

    >>> round_ratio(5, 2), round_ratio(-5, 2), round_ratio(5, 2, HALF_EVEN)
    (3, -3, 2)
    """
    if denominator <= 0:
        raise InvalidInput("denominator", denominator, "is not above zero", "pass a positive int")
    mode = rounding.mode
    size = abs(numerator)
    if mode is _HALF_UP_MODE:
        rounded = (2 * size + denominator) // (2 * denominator)
    elif mode is _HALF_EVEN_MODE:
        rounded, rest = divmod(size, denominator)
        if 2 * rest > denominator or (2 * rest == denominator and rounded % 2):
            rounded += 1
    elif mode is _DOWN_MODE:
        rounded = size // denominator
    else:
        rounded = -(-size // denominator)
    return rounded if numerator >= 0 else -rounded


def round_units(value: Fraction | int, rounding: Rounding = HALF_UP) -> int:
    """Round an exact number of units to whole ones; only the mode of ``rounding`` counts.

    >>> round_units(Fraction(999, 2)), round_units(Fraction(999, 2), DOWN)
    (500, 499)
    """
    return round_ratio(value.numerator, value.denominator, rounding)
