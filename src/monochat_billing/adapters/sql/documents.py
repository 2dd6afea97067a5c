"""Documents: domain values to JSON text and back, exactly.

Owns the written form of every value that has no columns of its own.
Does not own which value lies where (``schema``) or what a value means (the domain).

A value of a known type is an object with one member per field. Where any type may stand, as in
the outcome of a key, it is wrapped: ``{"type": "Entry", "value": {…}}``. Amounts, fractions and
instants are text, so nothing passes through a binary float. A field that is missing takes its
default, so a document outlives new optional fields; a member or a type that this library does not
know is refused rather than ignored.

>>> from monochat_billing.money import money
>>> write_any(money("0.0009", "USD"))
'{"type":"Money","value":"0.0009 USD"}'
>>> read_any('{"type":"Money","value":"0.0009 USD"}')
Money('0.0009', 'USD')
"""

import enum
import json
import operator
from collections.abc import Callable, Iterable, Mapping, Set as AbstractSet
from datetime import UTC, date, datetime
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache, partial
from types import ModuleType
from typing import Any, Final, Never, TypeVar

import attrs
from cattrs import Converter, ForbiddenExtraKeysError, StructureHandlerNotFoundError

from monochat_billing import (
    accounts,
    balance,
    changes,
    commands,
    errors,
    events,
    lots,
    payments,
    plan_commands,
    plans,
    profiles,
    quotes,
    rating,
    scheduling,
    subscriptions,
)
from monochat_billing.errors import BillingError
from monochat_billing.money import Money, check_currency

__all__ = ["TYPES", "Malformed", "read", "read_any", "write", "write_any"]

T = TypeVar("T")


class Malformed(ValueError):
    """Say what is wrong with a document; whoever knows its place turns it into CorruptBooks."""


_MODULES: Final = (
    accounts,
    balance,
    changes,
    commands,
    errors,
    events,
    lots,
    payments,
    plan_commands,
    plans,
    profiles,
    quotes,
    rating,
    scheduling,
    subscriptions,
)


def _values_of(module: ModuleType) -> Iterable[type]:
    for value in vars(module).values():
        if (
            isinstance(value, type)
            and not value.__name__.startswith("_")
            and (attrs.has(value) or issubclass(value, enum.Enum))
            and value.__module__ == module.__name__
        ):
            yield value


def _by_name() -> Mapping[str, type]:
    known: dict[str, type] = {}
    for module in _MODULES:
        for kind in _values_of(module):
            if known.setdefault(kind.__name__, kind) is not kind:  # names are what is stored
                raise AssertionError(f"two types are called {kind.__name__}")
    return known


TYPES: Final[Mapping[str, type]] = _by_name()
"""The types that can stand where any type may stand, by the name that is stored."""

_SCALARS: Final = (str, bool, int, type(None))


# ------------------------------------------------------------------------------------- writing


def _write_instant(value: datetime) -> str:
    if value.utcoffset() is None:
        raise Malformed(f"the instant {value.isoformat()} has no offset")
    return value.astimezone(UTC).isoformat()


def _write_money(value: Money) -> str:
    return f"{value.amount} {value.currency.code}"


def _write_float(value: object) -> str:
    raise Malformed(f"{value!r} is a binary float")


def _wrap(value: Any) -> Any:  # noqa: ANN401 - any value
    """Give the form of a value whose type has to be told with it."""
    if type(value) in _SCALARS:
        return value
    if type(value) in (tuple, list):
        return {"type": "tuple", "value": [_wrap(one) for one in value]}
    name = type(value).__name__
    if type(value) is not (TYPES.get(name) or _PLAIN.get(name)):
        raise Malformed(f"a {name} has no written form")
    return {"type": name, "value": _converter().unstructure(value)}


# ------------------------------------------------------------------------------------- reading


def _exactly(kind: type[T]) -> Any:  # noqa: ANN401 - a structure hook
    def structure(value: Any, _: Any) -> T:  # noqa: ANN401 - whatever the document holds
        if type(value) is not kind:
            raise Malformed(f"{value!r} is no {kind.__name__}")
        return value

    return structure


def _read_text(value: Any) -> str:  # noqa: ANN401 - whatever the document holds
    if type(value) is not str:
        raise Malformed(f"{value!r} is no text")
    return value


def _read_instant(value: Any, _: Any = None) -> datetime:  # noqa: ANN401 - as above
    instant = datetime.fromisoformat(_read_text(value))
    if instant.utcoffset() is None:
        raise Malformed(f"the instant {value} has no offset")
    return instant.astimezone(UTC)


def _read_date(value: Any, _: Any = None) -> date:  # noqa: ANN401 - as above
    return date.fromisoformat(_read_text(value))


def _read_decimal(value: Any, _: Any = None) -> Decimal:  # noqa: ANN401 - as above
    number = Decimal(_read_text(value))
    if not number.is_finite():
        raise Malformed(f"{value} is no amount")
    return number


def _read_fraction(value: Any, _: Any = None) -> Fraction:  # noqa: ANN401 - as above
    return Fraction(_read_text(value))


def _read_money(value: Any, _: Any = None) -> Money:  # noqa: ANN401 - as above
    amount, _, code = _read_text(value).partition(" ")
    return Money(_read_decimal(amount), check_currency(code))


def _unwrap(value: Any, _: Any = None) -> Any:  # noqa: ANN401 - any value
    if type(value) in _SCALARS:
        return value
    if not isinstance(value, dict) or value.keys() != {"type", "value"}:
        raise Malformed(f"{value!r} is no value with its type")
    name, inner = value["type"], value["value"]
    if name == "tuple" and isinstance(inner, list):
        return tuple(_unwrap(one) for one in inner)
    kind = TYPES.get(name) or _PLAIN.get(name)
    if kind is None:
        raise Malformed(f"the type {name!r} is unknown")
    return _converter().structure(inner, kind)


_PLAIN: Final[Mapping[str, type]] = {
    "Money": Money,
    "datetime": datetime,
    "date": date,
    "Decimal": Decimal,
    "Fraction": Fraction,
}


@lru_cache(maxsize=1)
def _converter() -> Converter:
    converter = Converter(
        detailed_validation=False,
        forbid_extra_keys=True,
        unstruct_collection_overrides={AbstractSet: sorted},
    )
    for kind in (str, int, bool):  # these themselves: an enum may be a kind of text, too
        converter.register_structure_hook_func(partial(operator.is_, kind), _exactly(kind))
    converter.register_unstructure_hook(float, _write_float)
    converter.register_unstructure_hook(datetime, _write_instant)
    converter.register_structure_hook(datetime, _read_instant)
    converter.register_unstructure_hook(date, date.isoformat)
    converter.register_structure_hook(date, _read_date)
    converter.register_unstructure_hook(Decimal, str)
    converter.register_structure_hook(Decimal, _read_decimal)
    converter.register_unstructure_hook(Fraction, str)
    converter.register_structure_hook(Fraction, _read_fraction)
    converter.register_unstructure_hook(Money, _write_money)
    converter.register_structure_hook(Money, _read_money)
    converter.register_unstructure_hook_func(lambda kind: kind is Any, _wrap)
    converter.register_structure_hook_func(lambda kind: kind is Any, _unwrap)
    return converter


_ENCODE: Final = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode

_BROKEN: Final = (
    ArithmeticError,
    AttributeError,
    BillingError,
    ForbiddenExtraKeysError,
    KeyError,
    RecursionError,
    StructureHandlerNotFoundError,
    TypeError,
    ValueError,
)
"""What reading raises for a document that no writer of ours has made."""


def _refuse_number(value: str) -> Never:
    raise Malformed(f"{value} is a binary float")


_DECODE: Final = json.JSONDecoder(parse_float=_refuse_number, parse_constant=_refuse_number).decode


def _sound(read_it: Callable[[], T]) -> T:
    try:
        return read_it()
    except Malformed:
        raise
    except _BROKEN as error:
        raise Malformed(f"{type(error).__name__}: {error}") from error


def write(value: object) -> str:
    """Write a value whose type the reader knows.

    Raises:
        Malformed: the value holds something that has no exact written form.
    """
    return _ENCODE(_converter().unstructure(value))


def read(kind: type[T], text: str) -> T:
    """Read a value that :func:`write` wrote from one of type ``kind``.

    Raises:
        Malformed: the text is no such document.
    """
    return _sound(lambda: _converter().structure(_DECODE(text), kind))


def write_any(value: object) -> str:
    """Write a value together with its type.

    Raises:
        Malformed: the type is not one of :data:`TYPES`, or the value holds something inexact.
    """
    return _ENCODE(_wrap(value))


def read_any(text: str) -> Any:  # noqa: ANN401 - the text says what it is
    """Read a value that :func:`write_any` wrote.

    Raises:
        Malformed: the text is no such document, or names a type that this library does not know.
    """
    return _sound(lambda: _unwrap(_DECODE(text)))
