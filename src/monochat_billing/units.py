"""Units: amounts of something that is counted and is no currency, such as messages.

Owns the count with its unit, and one way to speak of money and counts alike.
Does not own money (:mod:`monochat_billing.money`) or balances.

A balance is kept in a unit, which is a text. In capitals it is a currency's ISO code and amounts
are :class:`~monochat_billing.money.Money`; in lower case it is a meter's name, such as
``whatsapp.message``, and amounts are :class:`Units`: whole numbers, never rounded.
"""

import re
from typing import Final, TypeAlias, final

import attrs

from monochat_billing.errors import InvalidInput
from monochat_billing.money import MAX_UNITS, Money, amount_text, from_units, to_units

__all__ = ["Amount", "Units", "amount_in", "count_of", "is_currency", "plain_text", "unit_of"]

_METER: Final = re.compile(r"[a-z][a-z0-9_.-]{0,59}", re.ASCII)


def _count(value: int) -> int:
    if type(value) is not int or abs(value) > MAX_UNITS:
        raise InvalidInput("count", value, "is no count", "pass a whole number of 64 bits")
    return value


def _meter(value: str) -> str:
    if type(value) is not str or not _METER.fullmatch(value):
        raise InvalidInput(
            "unit", value, "is no meter's name", "write it like whatsapp.message, in lower case"
        )
    return value


@final
@attrs.frozen
class Units:
    """Count something that is no currency, in whole units of a meter.

    Raises:
        InvalidInput: the count is no whole number of 64 bits, or the unit is not the name of a
            meter: lower-case letters, digits, ``_``, ``.`` and ``-``, at most 60 of them.

    >>> print(Units(500, "whatsapp.message"))
    500 whatsapp.message
    """

    count: int = attrs.field(converter=_count)
    unit: str = attrs.field(converter=_meter)

    def __str__(self) -> str:
        return f"{self.count} {self.unit}"


Amount: TypeAlias = Money | Units
"""What can be credited or debited: money, or units of a meter."""


def is_currency(unit: str) -> bool:
    """Tell whether a balance's unit is a currency's code, which no meter's name can be."""
    return unit.isupper()


def unit_of(amount: Amount, *, field: str = "amount") -> str:
    """Give the unit that an amount is in.

    Raises:
        InvalidInput: it is neither money nor units.
    """
    if isinstance(amount, Money):
        return amount.currency.code
    if isinstance(amount, Units):
        return amount.unit
    raise InvalidInput(field, amount, "is not money", 'pass money("12.50", "TRY")')


def count_of(amount: Amount, scale: int, *, field: str = "amount") -> int:
    """Give an amount in the smallest unit of a balance with ``scale`` decimals, exactly.

    Raises:
        InvalidInput: it has more decimals, or is beyond 64 bits.
    """
    if isinstance(amount, Units):
        return amount.count
    return to_units(amount, scale, field=field)


def amount_in(unit: str, scale: int, count: int) -> Amount:
    """Give ``count`` of a balance's smallest unit as money, or as units where it is no currency.

    >>> amount_in("TRY", 6, 12_500_000), amount_in("whatsapp.message", 0, 7)
    (Money('12.5', 'TRY'), Units(count=7, unit='whatsapp.message'))
    """
    return from_units(count, unit, scale) if is_currency(unit) else Units(count, unit)


def plain_text(amount: Amount) -> str:
    """Write an amount as plain decimal text, without its unit.

    >>> plain_text(Units(7, "whatsapp.message"))
    '7'
    """
    return str(amount.count) if isinstance(amount, Units) else amount_text(amount)
