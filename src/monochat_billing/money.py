"""Exact money: the only door to py-moneyed.

*Owns* the strict door, integer units, rounding, allocation and totals of amounts.
*Does not own* how amounts are shown to people (``money_text``), prices, taxes or what an amount is
for.

py-moneyed's ``Money`` is a good name for an amount in a currency and a poor calculator: it is not
frozen, takes NaN and binary fractions, and its ``+``, ``-`` and unary minus round half-even to
whatever precision the calling thread's decimal context has. So amounts come in through
:func:`money` or :func:`from_units`, are computed as integers of ``10 ** -scale`` major units or as
exact fractions, and go out again; nothing here reads the decimal context.

>>> price = money("25000", "TRY")
>>> from_units(to_units(price) // 4, "TRY")
Money('6250', 'TRY')
"""

import re
from collections.abc import Iterable, Sequence
from contextlib import suppress
from decimal import Context, Decimal, Inexact, InvalidOperation
from fractions import Fraction
from typing import Any, Final, overload

from moneyed import Money

from monochat_billing.currencies import SEEN, Currency, check_currency, minor_digits
from monochat_billing.errors import InvalidInput
from monochat_billing.rounding import (
    DOWN,
    HALF_EVEN,
    HALF_UP,
    MAX_SCALE,
    UP,
    Rounding,
    RoundingMode,
    check_scale,
    round_ratio,
    round_units,
)

__all__ = [
    "DEFAULT_SCALE",
    "DOWN",
    "HALF_EVEN",
    "HALF_UP",
    "MAX_SCALE",
    "MAX_UNITS",
    "UP",
    "Currency",
    "Money",
    "Rounding",
    "RoundingMode",
    "add",
    "adds_up",
    "allocate",
    "amount_text",
    "as_fraction",
    "check_currency",
    "checked_text",
    "from_units",
    "minor_digits",
    "money",
    "negate",
    "quantize",
    "round_ratio",
    "round_units",
    "subtract",
    "to_finest",
    "to_units",
    "total",
]

DEFAULT_SCALE: Final = 6
"""Decimals of a balance, since one message may cost 0.0009."""

MAX_UNITS: Final = 2**63 - 1
"""Largest magnitude in integer units: what a signed 64-bit column holds."""

_PLAIN: Final = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?", re.ASCII)
_LONGEST_TEXT: Final = 64
_LARGEST_EXPONENT: Final = 40
_POWERS: Final[tuple[int, ...]] = tuple(10**digits for digits in range(MAX_SCALE + 1))
_STEPS: Final[tuple[Decimal, ...]] = tuple(Decimal(f"1E-{n}") for n in range(MAX_SCALE + 1))
_EXACT: Final = Context(prec=200, traps=[Inexact, InvalidOperation])
"""Far wider than any amount, and it raises rather than rounds."""


# ------------------------------------------------------------------------- in and out


def money(
    amount: str | int | Decimal, currency: str | Currency, *, scale: int | None = None
) -> Money:
    """Parse an amount in major units, strictly.

    Text is plain decimal ASCII: ``"12.50"``, ``"-3"``; no exponent, sign ``+``, grouping or
    blank. ``scale`` bounds the decimals that the value may need, :data:`DEFAULT_SCALE` by
    default; zeros at the end do not count.

    Raises:
        InvalidInput: a binary float, a bool, NaN or an infinity, malformed text, more decimals
            than ``scale``, a magnitude above :data:`MAX_UNITS` units, an unknown currency.

    >>> money("12.50", "TRY")
    Money('12.5', 'TRY')
    >>> money(0.5, "TRY")
    Traceback (most recent call last):
    monochat_billing.errors.InvalidInput: amount: 0.5 is not exact; pass a string, int or Decimal
    """
    known = check_currency(currency)
    digits = DEFAULT_SCALE if scale is None else check_scale(scale)
    units = _bounded(_units_of(_decimal(amount), digits, field="amount"), field="amount")
    return _from_units(units, known, digits)


def _decimal(amount: Any) -> Decimal:  # noqa: ANN401 - refuses whatever is not exact
    if isinstance(amount, Decimal):
        return amount
    if isinstance(amount, int) and not isinstance(amount, bool):
        return Decimal(_bounded(amount, field="amount"))
    if isinstance(amount, str):
        if len(amount) > _LONGEST_TEXT or _PLAIN.fullmatch(amount) is None:
            raise InvalidInput(
                "amount", amount, "is not a plain decimal number", "write it like '1234.50'"
            )
        return Decimal(amount)
    raise InvalidInput("amount", amount, "is not exact", "pass a string, int or Decimal")


def _units_of(amount: Decimal, scale: int, *, field: str) -> int:
    """Convert exactly; the exponent bounds the work, the caller bounds the result."""
    if type(amount) is not Decimal:
        amount = _decimal(amount)
    exponent = amount.adjusted()
    if not -_LARGEST_EXPONENT <= exponent <= _LARGEST_EXPONENT:
        return _extreme(amount, scale, field)
    try:
        numerator: int
        denominator: int
        numerator, denominator = amount.as_integer_ratio()
    except (ValueError, OverflowError):
        raise InvalidInput(field, amount, "is not a number", "pass a finite amount") from None
    if denominator == 1:
        return numerator * _POWERS[scale]
    units, rest = divmod(numerator * _POWERS[scale], denominator)
    if rest:
        raise _too_precise(field, amount, scale)
    return units


def _extreme(amount: Decimal, scale: int, field: str) -> int:
    """Refuse what would take a huge integer to convert; zero of any exponent is zero."""
    if not amount:
        return 0
    if amount.adjusted() > 0:
        raise InvalidInput(field, str(amount), "is too large", "stay below 10 ** 18")
    raise _too_precise(field, amount, scale)


def _bounded(units: int, *, field: str) -> int:
    if not -MAX_UNITS <= units <= MAX_UNITS:
        raise InvalidInput(
            field, f"{units} units", "is too large", f"stay within {MAX_UNITS} units"
        )
    return units


def _too_precise(field: str, amount: Decimal, scale: int) -> InvalidInput:
    return InvalidInput(
        field,
        format(amount, "f") if amount.adjusted() > -_LARGEST_EXPONENT else str(amount),
        f"has more than {scale} decimals",
        "quantize it first, or name a finer scale",
    )


def to_units(value: Money, scale: int = DEFAULT_SCALE, *, field: str = "value") -> int:
    """Convert exactly to integer units of ``10 ** -scale`` major units.

    Raises:
        InvalidInput: naming ``field``, when ``value`` is no Money, holds NaN or an infinity, needs
            more decimals than ``scale``, or exceeds :data:`MAX_UNITS`.

    >>> to_units(money("0.0009", "USD")), to_units(money("12.50", "TRY"), 2)
    (900, 1250)
    """
    if not isinstance(value, Money):
        raise InvalidInput(field, value, "is not Money", "build it with money('12.50', 'TRY')")
    if not 0 <= scale <= MAX_SCALE:
        check_scale(scale)
    units = _units_of(value.amount, scale, field=field)
    if -MAX_UNITS <= units <= MAX_UNITS:
        return units
    return _bounded(units, field=field)


def to_finest(value: Money, *, field: str = "value") -> int:
    """Convert exactly to integer units of ``10 ** -MAX_SCALE`` major units, to compare and step by.

    It takes whatever fits a balance of the default scale, beyond the 64 bits of its own units.

    Raises:
        InvalidInput: as :func:`to_units`.

    >>> to_finest(money("20000000.000001", "TRY"))
    20000000000001000000
    """
    if not isinstance(value, Money):
        raise InvalidInput(field, value, "is not Money", "build it with money('12.50', 'TRY')")
    units = _units_of(value.amount, MAX_SCALE, field=field)
    _bounded(abs(units) // _POWERS[MAX_SCALE - DEFAULT_SCALE], field=field)
    return units


def from_units(units: int, currency: str | Currency, scale: int = DEFAULT_SCALE) -> Money:
    """Build Money from integer units of ``10 ** -scale`` major units, exactly.

    Raises:
        InvalidInput: ``units`` is not an int, the scale or the currency is unknown.

    >>> from_units(900, "USD"), from_units(-1250, "TRY", 2)
    (Money('0.0009', 'USD'), Money('-12.5', 'TRY'))
    """
    if type(units) is not int:
        raise InvalidInput("units", units, "is not an int", "pass a whole number of units")
    if not 0 <= scale <= MAX_SCALE:
        check_scale(scale)
    known = SEEN.get(currency) if type(currency) is str else None
    return _from_units(units, known or check_currency(currency), scale)


def _from_units(units: int, currency: Currency, scale: int) -> Money:
    if not units % _POWERS[scale]:
        return Money(Decimal(units // _POWERS[scale]), currency)
    fine = _EXACT.multiply(Decimal(units), _STEPS[scale])
    return Money(_EXACT.normalize(fine), currency)


def as_fraction(value: Money) -> Fraction:
    """Return the exact amount in major units as a fraction.

    Raises:
        InvalidInput: as :func:`to_units` with the finest scale.

    >>> as_fraction(money("12.50", "TRY"))
    Fraction(25, 2)
    """
    return Fraction(_finest(value), _POWERS[MAX_SCALE])


def _finest(value: Money) -> int:
    return _units_of(value.amount, MAX_SCALE, field="value")


def amount_text(value: Money) -> str:
    """Return the amount as plain decimal text: no exponent, no needless zeros, no minus zero.

    ``money(amount_text(m), m.currency, scale=12) == m`` for every m that it accepts.

    >>> amount_text(money("25000.00", "TRY")), amount_text(money("-0.50", "TRY"))
    ('25000', '-0.5')
    """
    return _plain_text(_finest(value))


def checked_text(value: Money, *, field: str = "value") -> str:
    """Return the amount as :func:`amount_text` does, once it has been checked.

    Raises:
        InvalidInput: naming ``field``, when it is no exact Money of at most :data:`MAX_SCALE`
            decimals, or no balance could hold it, whatever its scale.

    >>> checked_text(money("-0.50", "TRY"), field="amount")
    '-0.5'
    >>> checked_text(money("10000000", "TRY"))
    '10000000'
    """
    if not isinstance(value, Money):
        raise InvalidInput(field, value, "is not Money", "build it with money('12.50', 'TRY')")
    amount = value.amount
    # An ordinary amount is written as it stands: few digits, no sign, exponent or zero at the end.
    if type(amount) is Decimal and len(text := str(amount)) <= MAX_SCALE:
        if text.isdecimal():
            return text
        if text[-1] != "0" and text.replace(".", "", 1).isdecimal():
            return text
    units = _units_of(amount, MAX_SCALE, field=field)
    _bounded(abs(units) // _POWERS[MAX_SCALE], field=field)
    return _plain_text(units)


def _plain_text(units: int) -> str:
    whole, rest = divmod(abs(units), _POWERS[MAX_SCALE])
    sign = "-" if units < 0 else ""
    return f"{sign}{whole}.{rest:0{MAX_SCALE}d}".rstrip("0") if rest else f"{sign}{whole}"


# --------------------------------------------------------------------------------- rounding


def quantize(
    value: Fraction | int | Decimal | Money,
    currency: str | Currency | None = None,
    rounding: Rounding = HALF_UP,
) -> Money:
    """Round an exact amount in major units once, to what ``rounding`` leaves in ``currency``.

    Raises:
        InvalidInput: the value is not exact or too large, the currency is missing, unknown or
            not the Money's own.

    >>> quantize(Fraction(1000 * 15, 31), "TRY")
    Money('483.87', 'TRY')
    >>> quantize(money("2.665", "USD"), rounding=HALF_EVEN)
    Money('2.66', 'USD')
    """
    if isinstance(value, Money):
        if currency is None:
            currency = value.currency
        _same_currency(value, check_currency(currency), field="value")
        exact = as_fraction(value)
    elif isinstance(value, Decimal):
        exact = Fraction(_units_of(value, MAX_SCALE, field="value"), _POWERS[MAX_SCALE])
    elif isinstance(value, Fraction) or type(value) is int:
        exact = Fraction(value)
    else:
        raise InvalidInput("value", value, "is not exact", "pass a Fraction, int, Decimal or Money")
    if currency is None:
        raise InvalidInput("currency", None, "is missing", "name the currency of the amount")
    known = check_currency(currency)
    digits = rounding.digits(known.code, minor_digits(known))
    units = round_ratio(exact.numerator * _POWERS[digits], exact.denominator, rounding)
    return _from_units(_bounded(units, field="value"), known, digits)


# -------------------------------------------------------------------------- sums and shares


def _same_currency(value: Any, currency: Currency, *, field: str) -> Money:  # noqa: ANN401
    if not isinstance(value, Money):
        raise InvalidInput(field, value, "is not Money", "build it with money('12.50', 'TRY')")
    if value.currency is not currency and value.currency != currency:
        raise InvalidInput(
            field, value.currency.code, f"is not {currency.code}", "convert it explicitly"
        )
    return value


def total(
    values: Iterable[Money],
    currency: str | Currency,
    *,
    scale: int = MAX_SCALE,
    field: str = "values",
) -> Money:
    """Sum exactly; no values give an explicit zero in ``currency``.

    Raises:
        InvalidInput: naming ``field``, when a value has another currency or more decimals than
            ``scale``.

    >>> total([money("0.1", "TRY"), money("0.2", "TRY")], "TRY"), total([], "TRY")
    (Money('0.3', 'TRY'), Money('0', 'TRY'))
    """
    known = check_currency(currency)
    units = sum(
        _units_of(_same_currency(value, known, field=field).amount, scale, field=field)
        for value in values
    )
    return _from_units(units, known, scale)


def add(left: Money, right: Money) -> Money:
    """Add two amounts of one currency exactly, whatever the decimal context says.

    Raises:
        InvalidInput: the currencies differ.

    >>> add(money("0.0009", "USD"), money("10", "USD"))
    Money('10.0009', 'USD')
    """
    return _joined(left, right, 1)


def adds_up(left: Money, right: Money, total: Money) -> bool:
    """Tell whether two amounts of one currency add up to a third, exactly.

    Raises:
        InvalidInput: the currencies of the two differ, or one is no amount.

    >>> adds_up(money("0.0009", "USD"), money("10", "USD"), money("10.0009", "USD"))
    True
    """
    if left.currency is right.currency is total.currency:
        with suppress(Inexact, InvalidOperation, TypeError):  # then `add` says what is wrong
            return bool(_EXACT.add(left.amount, right.amount) == total.amount)
    return bool(add(left, right) == total)


def subtract(left: Money, right: Money) -> Money:
    """Subtract exactly, whatever the decimal context says.

    Raises:
        InvalidInput: the currencies differ.

    >>> subtract(money("10", "USD"), money("0.0009", "USD"))
    Money('9.9991', 'USD')
    """
    return _joined(left, right, -1)


def _joined(left: Money, right: Money, sign: int) -> Money:
    known = check_currency(_same_currency(left, left.currency, field="left").currency)
    units = _units_of(left.amount, MAX_SCALE, field="values")
    other = _same_currency(right, known, field="values").amount
    return _from_units(units + sign * _units_of(other, MAX_SCALE, field="values"), known, MAX_SCALE)


def negate(value: Money) -> Money:
    """Return the amount with the other sign; zero stays zero.

    >>> negate(money("12.5", "TRY")), negate(money("0", "TRY"))
    (Money('-12.5', 'TRY'), Money('0', 'TRY'))
    """
    return _from_units(-_finest(value), value.currency, MAX_SCALE)


@overload
def allocate(
    total: Money, ratios: Sequence[Fraction | int | Decimal], *, scale: int | None = None
) -> tuple[Money, ...]: ...


@overload
def allocate(
    total: int, ratios: Sequence[Fraction | int | Decimal], *, scale: int | None = None
) -> tuple[int, ...]: ...


def allocate(
    total: Money | int, ratios: Sequence[Fraction | int | Decimal], *, scale: int | None = None
) -> tuple[Money, ...] | tuple[int, ...]:
    """Split a total by ratios so that the parts sum to it, by largest remainder.

    Each part is its ideal share rounded down or up, so it never differs by a unit or more; units
    left over go to the largest remainders, the earlier of two equal ones first. A ratio of zero
    gets zero, and ``allocate(-t, r)`` mirrors ``allocate(t, r)``. Money is split in minor units,
    or in units of ``10 ** -scale``.

    Raises:
        InvalidInput: no ratios, ratios that sum to zero (unless the total is zero), a ratio that
            is not exact, or a total finer than the unit.

    >>> allocate(100, [1, 1, 1])
    (34, 33, 33)
    >>> allocate(money("-0.05", "TRY"), [3, 7])
    (Money('-0.02', 'TRY'), Money('-0.03', 'TRY'))
    """
    weights = [_ratio(ratio) for ratio in ratios]
    if not weights:
        raise InvalidInput("ratios", (), "is empty", "pass one ratio per part")
    if isinstance(total, Money):
        digits = minor_digits(total.currency) if scale is None else check_scale(scale)
        shares = _shares(to_units(total, digits), weights)
        return tuple(_from_units(share, total.currency, digits) for share in shares)
    if type(total) is not int:
        raise InvalidInput("total", total, "is not exact", "pass Money or an int of units")
    return tuple(_shares(total, weights))


def _ratio(value: Any) -> Fraction | int:  # noqa: ANN401 - refuses whatever is not exact
    if isinstance(value, Fraction) or type(value) is int:
        return value
    if isinstance(value, Decimal) and value.is_finite() and abs(value.adjusted()) < _LONGEST_TEXT:
        return Fraction(value)
    raise InvalidInput("ratios", value, "is not exact", "pass ints, Fractions or finite Decimals")


def _shares(units: int, weights: list[Fraction | int]) -> list[int]:
    whole = sum(weights)
    if not whole:
        if not units:
            return [0] * len(weights)
        raise InvalidInput("ratios", tuple(weights), "sum to zero", "give some part a share")
    size = abs(units)
    parts: list[int] = []
    rests: list[Fraction | int] = []
    for weight in weights:
        share = Fraction(size * weight) / whole
        part = share.numerator // share.denominator
        parts.append(part)
        rests.append(share - part)
    left = size - sum(parts)
    for index in sorted(range(len(parts)), key=lambda index: -rests[index])[:left]:
        parts[index] += 1
    return parts if units >= 0 else [-part for part in parts]
