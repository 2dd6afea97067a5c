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

import json
from collections.abc import Callable, Iterator, Mapping, Set as AbstractSet
from datetime import UTC, date, datetime
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from typing import Any, Final, Never, TypeVar, get_args, get_origin

import attrs
from cattrs import BaseConverter, Converter, ForbiddenExtraKeysError, StructureHandlerNotFoundError

from monochat_billing import errors
from monochat_billing.accounts import Account, ChargedUsage
from monochat_billing.adapters.sql._packed import PACKED, pack
from monochat_billing.adapters.sql.sealing import opened_number, sealed_number
from monochat_billing.auto_top_ups import AutomaticTopUp
from monochat_billing.balance import Balance, Entry
from monochat_billing.balance_commands import BatchReport, ClosingReport, TransferReport
from monochat_billing.counters import MeteredUsage
from monochat_billing.errors import BillingError, Rejected
from monochat_billing.events import EVENT_TYPES
from monochat_billing.hold_commands import HoldReport
from monochat_billing.holds import Hold
from monochat_billing.lots import Lot
from monochat_billing.money import Money, check_currency
from monochat_billing.packs import PackPurchase, PackRefund
from monochat_billing.payments import Checkout, Payment, TopUp
from monochat_billing.plan_commands import ChangeResult
from monochat_billing.profiles import BillingProfile, TaxId, TaxIdKind
from monochat_billing.quotes import ChangeQuote
from monochat_billing.recurrences import Recurrence
from monochat_billing.scheduling import ScheduledChange
from monochat_billing.send_commands import SendHold
from monochat_billing.subscription_commands import CancelReport
from monochat_billing.subscriptions import Subscription
from monochat_billing.top_up_commands import PaymentReceipt, RefundReceipt
from monochat_billing.units import Amount, Units, is_currency
from monochat_billing.usage_commands import MeterReport, UsageReport
from monochat_billing.watches import Watch

__all__ = [
    "TYPES",
    "Malformed",
    "read",
    "read_any",
    "write",
    "write_any",
    "write_outcome",
    "write_texts",
]

T = TypeVar("T")


class Malformed(ValueError):
    """Say what is wrong with a document; whoever knows its place turns it into CorruptBooks."""


_RESULTS: Final = (
    Account,
    AutomaticTopUp,
    Balance,
    BatchReport,
    BillingProfile,
    CancelReport,
    ChangeQuote,
    ChangeResult,
    ChargedUsage,
    Checkout,
    ClosingReport,
    Entry,
    Hold,
    HoldReport,
    Lot,
    Payment,
    PaymentReceipt,
    RefundReceipt,
    ScheduledChange,
    SendHold,
    Subscription,
    TopUp,
    TransferReport,
    MeterReport,
    PackPurchase,
    PackRefund,
    Recurrence,
    MeteredUsage,
    UsageReport,
    Watch,
)
_PLAIN: Final = (Money, Units, datetime, date, Decimal, Fraction)


def _refusals() -> Iterator[type]:
    """Find the refusals of the error tree; the roots have no fields and are never raised."""
    for value in vars(errors).values():
        if isinstance(value, type) and issubclass(value, Rejected) and attrs.has(value):
            yield value


TYPES: Final[Mapping[str, type]] = {
    kind.__name__: kind for kind in (*_RESULTS, *_refusals(), *EVENT_TYPES, *_PLAIN)
}
"""The types that can stand where any type may stand, by the name that is stored.

They are what a command returns, the refusals and the events. A command that returns something
else must have its type named here; until then its unit of work fails and nothing is written.
"""

_SCALARS: Final = (str, bool, int, type(None))


# ------------------------------------------------------------------------------------- writing


def _write_instant(value: datetime) -> str:
    """Write an instant; where a clock is set back, equal datetimes of a zone are two instants."""
    if value.tzinfo is UTC:
        return _write_utc(value)
    if value.utcoffset() is None:
        raise Malformed(f"the instant {value.isoformat()} has no offset")
    return value.astimezone(UTC).isoformat()


@lru_cache(maxsize=64)
def _write_utc(value: datetime) -> str:
    """Write an instant; those of one batch are mostly the same."""
    return value.isoformat()


def _write_money(value: Money) -> str:
    return f"{value.amount} {value.currency.code}"


def _write_float(value: object) -> str:
    raise Malformed(f"{value!r} is a binary float")


def _write_integer(value: object) -> object:
    """Pass integers, and enums and bools that are some; a field's annotation proves nothing."""
    return value if isinstance(value, int) else _write_float(value)


def _wrap(value: Any) -> Any:  # noqa: ANN401 - any value
    """Give the form of a value whose type has to be told with it."""
    if type(value) in _SCALARS:
        return value
    if type(value) in (tuple, list):
        return {"type": "tuple", "value": [_wrap(one) for one in value]}
    name = type(value).__name__
    if type(value) is not TYPES.get(name):
        raise Malformed(f"a {name} has no written form")
    return {"type": name, "value": _converter().unstructure(value)}


# ------------------------------------------------------------------------------------- reading


def _exactly(kind: type) -> Callable[[Any, Any], Any]:
    def structure(value: Any, wanted: Any) -> Any:  # noqa: ANN401 - whatever the document holds
        if type(value) is not kind:
            raise Malformed(f"{value!r} is no {kind.__name__}")
        return value if wanted is kind else wanted(value)  # an enum is a kind of text, too

    return structure


def _is_row(wanted: Any) -> bool:  # noqa: ANN401 - any type
    return get_origin(wanted) in (tuple, frozenset)


def _row_reader(wanted: Any, converter: BaseConverter) -> Callable[[Any, Any], Any]:  # noqa: ANN401 - as above
    """Read a tuple or a frozenset from a list, and from nothing else that can be iterated."""
    container, kinds = get_origin(wanted), get_args(wanted)
    fixed = container is tuple and kinds[-1] is not Ellipsis
    hooks = [(converter.get_structure_hook(kind), kind) for kind in kinds if kind is not Ellipsis]

    def structure(value: Any, _: Any) -> Any:  # noqa: ANN401 - whatever the document holds
        if type(value) is not list or (fixed and len(value) != len(hooks)):
            raise Malformed(f"{value!r} is no list as it was written")
        if fixed:
            return tuple(hook(one, kind) for one, (hook, kind) in zip(value, hooks, strict=True))
        ((hook, kind),) = hooks
        return container(hook(one, kind) for one in value)

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


def _write_amount(value: Amount) -> str:
    return str(value) if isinstance(value, Units) else _write_money(value)


def _write_maybe_amount(value: Amount | None) -> str | None:
    return None if value is None else _write_amount(value)


def _read_maybe_amount(value: Any, _: Any = None) -> Amount | None:  # noqa: ANN401 - as above
    return None if value is None else _read_amount(value)


def _read_units(value: Any, _: Any = None) -> Units:  # noqa: ANN401 - as above
    count, _, unit = _read_text(value).partition(" ")
    return Units(int(count), unit)


def _read_amount(value: Any, _: Any = None) -> Amount:  # noqa: ANN401 - as above
    _, _, unit = _read_text(value).partition(" ")
    return _read_money(value) if is_currency(unit) else _read_units(value)


def _write_tax_id(value: TaxId) -> dict[str, str | None]:
    shown = value.masked == value.number
    return {
        "kind": value.kind.value,
        "number": value.number if shown else sealed_number(value.number),
        "tax_office": value.tax_office,
        "country": value.country,
    }


def _read_tax_id(value: Any, _: Any = None) -> TaxId:  # noqa: ANN401 - as above
    if not isinstance(value, dict) or value.keys() != {"kind", "number", "tax_office", "country"}:
        raise Malformed("a tax id is not as it was written")
    office = value["tax_office"]
    return TaxId(
        kind=TaxIdKind(_read_text(value["kind"])),
        number=opened_number(_read_text(value["number"])),
        tax_office=None if office is None else _read_text(office),
        country=_read_text(value["country"]),
    )


def _unwrap(value: Any, _: Any = None) -> Any:  # noqa: ANN401 - any value
    if type(value) in _SCALARS:
        return value
    if not isinstance(value, dict) or value.keys() != {"type", "value"}:
        raise Malformed(f"{value!r} is no value with its type")
    name, inner = value["type"], value["value"]
    if name == "tuple" and isinstance(inner, list):
        return tuple(_unwrap(one) for one in inner)
    if name in PACKED:
        return PACKED[name](inner)
    kind = TYPES.get(name)
    if kind is None:
        raise Malformed(f"the type {name!r} is unknown")
    return _converter().structure(inner, kind)


@lru_cache(maxsize=1)
def _converter() -> Converter:
    converter = Converter(
        detailed_validation=False,
        forbid_extra_keys=True,
        unstruct_collection_overrides={AbstractSet: sorted},
    )
    for kind in (str, int, bool):
        converter.register_structure_hook(kind, _exactly(kind))
    converter.register_structure_hook_factory(_is_row, _row_reader)
    converter.register_unstructure_hook(float, _write_float)
    converter.register_unstructure_hook(int, _write_integer)
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
    converter.register_unstructure_hook(TaxId, _write_tax_id)
    converter.register_structure_hook(TaxId, _read_tax_id)
    converter.register_unstructure_hook(Units, str)
    converter.register_structure_hook(Units, _read_units)
    converter.register_unstructure_hook(Amount, _write_amount)
    converter.register_structure_hook(Amount, _read_amount)
    converter.register_unstructure_hook(Amount | None, _write_maybe_amount)
    converter.register_structure_hook(Amount | None, _read_maybe_amount)
    converter.register_unstructure_hook_func(lambda kind: kind is Any, _wrap)
    converter.register_structure_hook_func(lambda kind: kind is Any, _unwrap)
    return converter


_ENCODE: Final = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode
_QUOTE: Final = json.encoder.encode_basestring_ascii

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


def write_outcome(value: object) -> str:
    """Write the result of a command, in its short form where there is one.

    Raises:
        Malformed: as :func:`write_any`.
    """
    try:
        packed = pack(value)
    except (TypeError, ValueError):
        packed = None  # what of it has no exact form, the long way says
    return write_any(value) if packed is None else packed


def write_texts(texts: Mapping[str, str]) -> str:
    """Write texts by name, for :func:`read` to read as such a dictionary."""
    return f"{{{','.join([f'{_QUOTE(name)}:{_QUOTE(text)}' for name, text in texts.items()])}}}"


def read_any(text: str) -> Any:  # noqa: ANN401 - the text says what it is
    """Read a value that :func:`write_any` wrote.

    Raises:
        Malformed: the text is no such document, or names a type that this library does not know.
    """
    return _sound(lambda: _unwrap(_DECODE(text)))
