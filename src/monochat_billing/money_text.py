"""Money as text for people: written and read in the manner of a locale.

*Owns* the signs, groups, symbols and their places in which a locale shows an amount.
*Does not own* what an amount is, nor the plain text that machines exchange: those are ``money``'s.

Marks come from CLDR, by Babel. The locale is always named, never taken from the machine, and
nothing here rounds or reads the decimal context.

>>> from monochat_billing.money import money
>>> format_money(money("1234.5", "TRY"))
'₺1.234,50'
>>> parse_money("1.234,50 TRY", "TRY")
Money('1234.5', 'TRY')
"""

import re
from decimal import Decimal
from functools import lru_cache
from typing import Final

from babel.core import Locale, UnknownLocaleError
from babel.numbers import get_currency_symbol, get_decimal_symbol, get_group_symbol

from monochat_billing.errors import InvalidInput
from monochat_billing.money import (
    Currency,
    Money,
    amount_text,
    check_currency,
    from_units,
    minor_digits,
    negate,
    total,
)

__all__ = ["format_amount", "format_count", "format_money", "parse_money"]

_UNSIGNED: Final = re.compile(r"(?:0|[1-9][0-9]*)(?:\.[0-9]+)?", re.ASCII)
_LONGEST_TEXT: Final = 64
_MINUS_SIGNS: Final = ("-", "\u2212")
_CURRENCY_MARK: Final = "\u00a4"
_BLANKS: Final = {0xA0: " ", 0x202F: " ", 0x200E: None, 0x200F: None, 0x061C: None}


@lru_cache(maxsize=64)
def _locale(name: str) -> Locale:
    try:
        return Locale.parse(name)
    except (UnknownLocaleError, ValueError, TypeError):
        raise InvalidInput("locale", name, "is not known", "pass one such as 'tr_TR'") from None


def _grouped(digits: str, locale: str) -> str:
    """Put the locale's group marks into a string of digits."""
    place = _locale(locale)
    size, further = place.currency_formats["standard"].grouping
    mark = get_group_symbol(place)
    groups: list[str] = []
    while len(digits) > size:
        groups.insert(0, digits[-size:])
        digits, size = digits[:-size], further
    return mark.join([digits, *groups])


def format_money(value: Money, locale: str = "tr_TR") -> str:
    """Write an amount for people, in the manner of ``locale``, without rounding it.

    At least the currency's minor digits are shown and as many as the value has. Marks, symbols
    and their places are CLDR's, by Babel; its number formatter is not used, since it rounds
    half-even in the ambient decimal context.

    Raises:
        InvalidInput: the locale is unknown.

    >>> from monochat_billing.money import money
    >>> format_money(money("1234.5", "TRY")), format_money(money("-15.26", "TRY"))
    ('₺1.234,50', '-₺15,26')
    >>> format_money(money("0.0009", "USD"), "en_US")
    '$0.0009'
    """
    negative, number = _unsigned(value, locale)
    place = _locale(locale)
    pattern = place.currency_formats["standard"]
    shown = f"{pattern.prefix[negative]}{number}{pattern.suffix[negative]}"
    return shown.replace(_CURRENCY_MARK, get_currency_symbol(value.currency.code, place))


def format_amount(value: Money, locale: str = "tr_TR") -> str:
    """Write an amount as :func:`format_money` does, without its currency, for columns.

    Raises:
        InvalidInput: the locale is unknown.

    >>> from monochat_billing.money import money
    >>> format_amount(money("-1499", "TRY")), format_amount(money("0.0009", "USD"), "en_US")
    ('-1.499,00', '0.0009')
    """
    negative, number = _unsigned(value, locale)
    return f"-{number}" if negative else number


def format_count(value: int, locale: str = "tr_TR") -> str:
    """Write a whole number with the locale's groups.

    Raises:
        InvalidInput: the locale is unknown.

    >>> format_count(10_000), format_count(-1234567, "en_US")
    ('10.000', '-1,234,567')
    """
    sign = "-" if value < 0 else ""
    return sign + _grouped(str(abs(value)), locale)


def _unsigned(value: Money, locale: str) -> tuple[bool, str]:
    """Tell whether an amount is negative, and write it without its sign."""
    text = amount_text(value)
    negative = text.startswith("-")
    whole, _, fraction = text.lstrip("-").partition(".")
    fraction = fraction.ljust(minor_digits(value.currency), "0")
    number = _grouped(whole, locale)
    if fraction:
        number += get_decimal_symbol(_locale(locale)) + fraction
    return negative, number


def parse_money(text: str, currency: str | Currency, locale: str = "tr_TR") -> Money:
    """Read what :func:`format_money` wrote, or what a person typed in the manner of ``locale``.

    The currency's symbol or code may stand there; groups are left out or right: in Turkish
    ``"1.234,50"`` or ``"1234,50"``, and ``"1.5"`` is refused rather than taken for fifteen.

    Raises:
        InvalidInput: the text is no amount in that locale, or has more than 12 decimals.

    >>> parse_money("₺1.234,50", "TRY")
    Money('1234.5', 'TRY')
    >>> parse_money("1.5", "TRY")
    Traceback (most recent call last):
    monochat_billing.errors.InvalidInput: text: '1.5' is not an amount; write it as in ₺1.234,50
    """
    known = check_currency(currency)
    place = _locale(locale)
    bare = text if len(text) <= _LONGEST_TEXT else ""
    for mark in (get_currency_symbol(known.code, place), known.code):
        bare = bare.replace(mark, "", 1)
    bare = bare.translate(_BLANKS).strip()
    negative = bare[:1] in _MINUS_SIGNS or bare[-1:] in _MINUS_SIGNS
    if negative:
        bare = (bare[1:] if bare[0] in _MINUS_SIGNS else bare[:-1]).strip()
    whole, _, fraction = bare.partition(get_decimal_symbol(place))
    digits = whole.replace(get_group_symbol(place).translate(_BLANKS), "")
    plain = f"{digits}.{fraction}" if fraction else digits
    grouped = _grouped(digits, locale).translate(_BLANKS)
    if whole in {digits, grouped} and _UNSIGNED.fullmatch(plain):
        size = total([Money(Decimal(plain), known)], known, field="text")
        return negate(size) if negative else size
    sample = format_money(from_units(123450, known, 2), locale)
    raise InvalidInput("text", text, "is not an amount", f"write it as in {sample}")
