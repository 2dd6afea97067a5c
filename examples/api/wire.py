"""What goes over the wire, read off the library's own types, so that the two cannot drift apart.

Amounts are decimal text with their currency, instants ISO 8601 with their offset; states and kinds
have the library's names. ``taken`` makes a body of a verb's arguments or of a value's fields,
``shown`` an answer of a value's attributes.
"""

import inspect
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from fractions import Fraction
from types import GenericAlias, NoneType
from typing import Annotated, Any, Final, Optional, get_args, get_origin, get_type_hints

import attrs
from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, Field, create_model

import monochat_billing as library
from monochat_billing.event_root import Event
from monochat_billing.service.usage import Usage
from monochat_billing.units import plain_text, unit_of


def plain(value: Any) -> Any:  # noqa: ANN401, PLR0911 - a case for each kind of value
    """Give any value of the library as JSON; a tax number of a person is masked."""
    match value:
        case None | bool() | int() | str():
            return value
        case library.Money() | library.Units():
            return {"amount": plain_text(value), "currency": unit_of(value)}
        case datetime() | date():
            return value.isoformat()
        case Mapping():
            return {str(name): plain(one) for name, one in value.items()}
        case tuple() | list() | frozenset():
            return [plain(one) for one in value]
        case _ if attrs.has(type(value)) and type(value) not in _SHOWN:
            told = [one.name for one in attrs.fields(type(value)) if one.repr]
            return {name: plain(getattr(value, name)) for name in told}
    return str(value)


class Amount(BaseModel, extra="forbid"):
    """An exact amount as decimal text; what is counted has its meter's name for a currency."""

    amount: str = Field(pattern=r"^-?[0-9]{1,13}(\.[0-9]{1,6})?$", examples=["12.50"])
    currency: str = Field(max_length=60, examples=["TRY"])


_DATA: Final = Annotated[Any, BeforeValidator(plain)]
_SAID: Final = Annotated[str, BeforeValidator(lambda say: say())]
_DEFAULTS: Final[Mapping[Any, Any]] = {inspect.Parameter.empty: ..., attrs.NOTHING: {}}
TAKEN: Final[dict[Any, Any]] = {
    int: Annotated[int, Field(strict=True, ge=0, le=2**53)],
    datetime: Annotated[AwareDatetime, BeforeValidator(lambda at: datetime.fromisoformat(str(at)))],
    Fraction: Annotated[str, Field(pattern=r"^[0-9]{1,12}(\.[0-9]{1,6})?$")],
    Mapping[str, str]: dict[str, str],
    library.Money: Annotated[Amount, AfterValidator(lambda one: library.money(**dict(one)))],
    library.BillingInterval: Annotated[str, AfterValidator(library.BillingInterval.parse)],
}
"""What stands in a body for a type of the library."""
_SHOWN: Final[dict[Any, Any]] = {
    library.Money: Annotated[Amount, BeforeValidator(plain)],
    Event: Annotated[Any, BeforeValidator(lambda one: {"type": type(one).__name__, **plain(one)})],
    **dict.fromkeys(
        (Fraction, library.BillingInterval, library.TaxId), Annotated[str, BeforeValidator(str)]
    ),
}
_ATTRIBUTES: Final[Mapping[str, str]] = {
    "Account": "id zone currencies opened_at profile",
    "ChangeQuote": "id from_product to_product timing effective_at valid_until lines credit"
    " charge due_now shortfall next_renewal_at warnings explanation=explain",
    "Entry": "number kind amount=value balance=balance_value reason reference effective_at",
    "ForecastLine": "at subject outcome product action amount balance price shortfall reason",
    "Hold": "id state left=left_value reason reference placed_at expires_at",
    "Invoice": "id number kind issued_at buyer lines net tax gross",
    "Lot": "number origin expires_at",
    "MeteredUsage": "record card amount=money period entries",
    "Permission": "name allowed reason until explanation=explain",
    "Subscription": "id family product quantity price=full_price state period renews_at",
}
"""What a caller sees of a value, where that is not every field; ``name=attribute`` renames."""


def wire(kind: Any, known: Mapping[Any, Any]) -> Any:  # noqa: ANN401 - types at run time
    """Find what stands on the wire for a type of the library."""
    inner = get_args(kind)
    if NoneType in inner:
        return Optional[wire(inner[0], known)]  # noqa: UP045 - known at run time only
    if get_origin(kind) in {tuple, Sequence}:
        return GenericAlias(list, (wire(inner[0], known),))
    kind = library.Money if kind is library.Units or library.Units in inner else kind
    if kind in known or not isinstance(kind, type):
        return known.get(kind, _DATA)
    if attrs.has(kind):
        return taken(kind) if known is TAKEN else shown(kind)
    return kind if issubclass(kind, str | int | datetime | date) else _DATA


def taken(source: Callable[..., Any], names: str = "") -> Any:  # noqa: ANN401 - as above
    """Make the body for the named arguments of a verb, as a dict, or for a value, as that value."""
    made: Callable[..., Any] = source if isinstance(source, type) else dict
    hints, known = get_type_hints(source), inspect.signature(source).parameters
    fields: dict[str, Any] = {}
    for name in names.split() or known:
        default = known[name].default
        fields[name] = wire(hints[name], TAKEN), _DEFAULTS.get(default, default)
    title = source.__qualname__.replace(".", "_")
    model = create_model(title, __config__={"extra": "forbid"}, **fields)
    return Annotated[model, AfterValidator(lambda one: made(**dict(one)))]


def shown(kind: Any, names: str = "") -> Any:  # noqa: ANN401 - as above
    """Make the answer for a type: a value's attributes, a method of it called."""
    if not (isinstance(kind, type) and attrs.has(kind)):
        return wire(kind, _SHOWN)
    fields: dict[str, Any] = {}
    told = " ".join(one.name for one in attrs.fields(kind) if one.repr)
    for one in (names or _ATTRIBUTES.get(kind.__name__, told)).split():
        name, of = one.split("=") if "=" in one else (one, one)
        said = inspect.getattr_static(kind, of, None)
        hints = get_type_hints(said.fget if isinstance(said, property) else kind)
        hint = hints.get("return" if isinstance(said, property) else of)
        fields[name] = _SAID if callable(said) else wire(hint, _SHOWN), Field(validation_alias=of)
    model = create_model(kind.__name__, __config__={"from_attributes": True}, **fields)
    return model if names else _SHOWN.setdefault(kind, model)


ASKED: Final = {**TAKEN, int: Annotated[int, Field(ge=0, le=2**53)]}
"""What stands in an address, where a number is text."""
TAKEN[get_type_hints(Usage.record)["records"]] = GenericAlias(list, (taken(library.MeterRecord),))
