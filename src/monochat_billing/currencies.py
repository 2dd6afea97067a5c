"""Currencies: which there are, and how many decimals each has.

*Owns* the known currencies by their ISO 4217 code, and the code that was probably meant.
*Does not own* amounts of them (``money``), or how they are written.

>>> check_currency("TRY").name, minor_digits("JPY")
('Turkish Lira', 0)
"""

from functools import lru_cache
from typing import Final

from moneyed import Currency, CurrencyDoesNotExist, get_currency

from monochat_billing.errors import InvalidInput

__all__ = ["SEEN", "Currency", "check_currency", "minor_digits"]

SEEN: Final[dict[str, Currency]] = {}
"""The currencies that were asked for so far, by their code: the short way on a hot path."""

_ALIASES: Final = {"TL": "TRY", "₺": "TRY"}


def check_currency(currency: str | Currency, *, field: str = "currency") -> Currency:
    """Return the known currency of a three-letter code.

    Raises:
        InvalidInput: the code is unknown or not in capitals.

    >>> check_currency("TRY").code
    'TRY'
    >>> check_currency("try")
    Traceback (most recent call last):
    monochat_billing.errors.InvalidInput: currency: 'try' is not a known currency; pass 'TRY'
    """
    code = currency.code if isinstance(currency, Currency) else currency
    if type(code) is str:
        known = SEEN.get(code)
        if known is not None:
            return known
        try:
            known = get_currency(code)
        except CurrencyDoesNotExist:
            pass
        else:
            SEEN[code] = known
            return known
    raise InvalidInput(field, code, "is not a known currency", _currency_remedy(code))


def _currency_remedy(code: object) -> str:
    """Name the code that was probably meant, if there is one."""
    meant = code.strip().upper() if isinstance(code, str) else ""
    meant = _ALIASES.get(meant, meant)
    try:
        get_currency(meant)
    except CurrencyDoesNotExist:
        return "pass its ISO code"
    return f"pass {meant!r}"


@lru_cache(maxsize=512)
def _digits_of(code: str) -> int:
    sub_unit = check_currency(code).sub_unit
    return len(str(sub_unit)) - 1


def minor_digits(currency: str | Currency) -> int:
    """Return the number of decimals of a currency's minor unit, after ISO 4217.

    >>> [minor_digits(code) for code in ("TRY", "JPY", "KWD")]
    [2, 0, 3]
    """
    code = currency.code if isinstance(currency, Currency) else currency
    if type(code) is not str:
        check_currency(code)
    return _digits_of(code)
