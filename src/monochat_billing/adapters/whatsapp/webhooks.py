"""Meta's webhook bodies: whose they are, and which message statuses they hold."""

import hmac
import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final, final

import attrs

from monochat_billing.errors import ForgedCallback, InvalidInput

__all__ = [
    "MAX_BODY_BYTES",
    "MessageStatus",
    "Refused",
    "parse_statuses",
    "sift_statuses",
    "verify_signature",
]

MAX_BODY_BYTES: Final = 3 * 1024 * 1024
"""The longest body that is read: Meta documents webhook payloads of up to 3 MB."""

_LONGEST_ID: Final = 256
_LATEST_TIMESTAMP: Final = 253_402_214_399  # the end of 9999-12-30: a day to spare for any zone
_TIMESTAMP: Final = re.compile(r"[0-9]{1,12}", re.ASCII)
_LONG_NUMBER: Final = re.compile(r"[0-9]{7,}")


def verify_signature(body: bytes, header: str | None, app_secret: str) -> None:
    """Check that a webhook's raw body was signed by Meta; return nothing when it was.

    ``header`` is the value of ``X-Hub-Signature-256``: ``sha256=`` and the hex HMAC-SHA256 of the
    body as it came over the wire, keyed with the app secret. The comparison takes constant time.

    Raises:
        ForgedCallback: when the header is missing or does not fit the body.
        InvalidInput: when the secret is empty.

    >>> verify_signature(b"{}", "sha256=00", "app-secret")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    monochat_billing.errors.ForgedCallback: X-Hub-Signature-256: 'sha256=00' does not fit ...
    """
    if not app_secret:
        raise InvalidInput("app_secret", "", "is empty", "pass the secret of the Meta app")
    digest = hmac.digest(app_secret.encode(), body, "sha256").hex()
    if header is None:
        raise ForgedCallback(
            "X-Hub-Signature-256", None, "is missing", "answer 401 and do not read the body"
        )
    if not hmac.compare_digest(f"sha256={digest}".encode(), header.encode("utf-8", "replace")):
        raise ForgedCallback(
            "X-Hub-Signature-256",
            header,
            "does not fit the body",
            "answer 401; if it should fit, check the app secret and pass the raw body",
        )


def _hidden(value: str | None) -> str:
    return "None" if value is None else "'…'"


@final
@attrs.frozen(kw_only=True)
class MessageStatus:
    """Hold one status of one message, as Meta sent it.

    ``status`` is Meta's word: ``sent``, ``delivered``, ``read``, ``failed``, or one that this
    library does not know. ``occurred_at`` is in UTC. ``phone_number_id`` is the business's number
    that sent the message. ``recipient`` is the recipient's number, hidden from ``repr``; it is
    ``None`` when Meta sent none. The ``pricing_…`` fields are ``None`` when there was no pricing.
    ``errors`` are Meta's error codes.
    """

    message_id: str
    status: str
    occurred_at: datetime
    phone_number_id: str
    recipient: str | None = attrs.field(default=None, repr=_hidden)
    pricing_type: str | None = None
    pricing_category: str | None = None
    pricing_subtype: str | None = None
    pricing_billable: bool | None = None
    errors: tuple[str, ...] = ()


def _seen(value: Any) -> str:  # noqa: ANN401 - JSON
    """Describe a JSON value for an error, without what could be somebody's number."""
    if isinstance(value, dict):
        return f"an object of {len(value)}"
    if isinstance(value, list):
        return f"a list of {len(value)}"
    return _LONG_NUMBER.sub("…", str(value))[:80]


def _object(value: Any, path: str) -> dict[str, Any]:  # noqa: ANN401 - JSON
    if not isinstance(value, dict):
        raise InvalidInput(path, _seen(value), "is not an object", "pass Meta's body unchanged")
    return value


def _array(parent: Mapping[str, Any], key: str, path: str) -> list[Any]:
    value = parent.get(key)
    if not isinstance(value, list):
        raise InvalidInput(
            f"{path}.{key}", _seen(value), "is not a list", "pass Meta's body unchanged"
        )
    return value


def _text(parent: Mapping[str, Any], key: str, path: str) -> str:
    value = parent.get(key)
    if not isinstance(value, str) or not value or len(value) > _LONGEST_ID:
        raise InvalidInput(
            f"{path}.{key}",
            _seen(value),
            f"is not text of 1 to {_LONGEST_ID} characters",
            "pass Meta's body unchanged",
        )
    if not value.isprintable():
        raise InvalidInput(
            f"{path}.{key}",
            _seen(ascii(value)),
            "has characters that cannot be printed",
            "pass Meta's body unchanged",
        )
    return value


def _optional_text(parent: Mapping[str, Any], key: str, path: str) -> str | None:
    return None if parent.get(key) is None else _text(parent, key, path)


def _instant(parent: Mapping[str, Any], path: str) -> datetime:
    text = _text(parent, "timestamp", path)
    if _TIMESTAMP.fullmatch(text) is None or int(text) > _LATEST_TIMESTAMP:
        raise InvalidInput(
            f"{path}.timestamp", text, "is not a Unix time", "pass whole seconds as text"
        )
    return datetime.fromtimestamp(int(text), UTC)


def parse_statuses(body: bytes | str) -> tuple[MessageStatus, ...]:
    """Read the message statuses of one webhook body, in their order.

    The body is Meta's JSON for the object ``whatsapp_business_account``. What is no message status
    (messages from users, changes of other fields) is passed over; so is every member that is not
    needed. A body is read as a whole or refused as a whole. Verify its signature first.

    Raises:
        InvalidInput: naming the place in the body, when it is longer than ``MAX_BODY_BYTES``, is
            no JSON, or has another shape.

    >>> body = '''{"object": "whatsapp_business_account", "entry": [{"id": "1", "changes": [{
    ...     "field": "messages", "value": {"messaging_product": "whatsapp",
    ...     "metadata": {"display_phone_number": "900000000000", "phone_number_id": "106"},
    ...     "statuses": [{"id": "wamid.1", "status": "read", "timestamp": "1791188400",
    ...     "recipient_id": "900000000001", "pricing": {"billable": true, "pricing_model": "PMP",
    ...     "type": "regular", "category": "utility"}}]}}]}]}'''
    >>> [(status.message_id, status.status) for status in parse_statuses(body)]
    [('wamid.1', 'read')]
    >>> parse_statuses('{"object": "page"}')  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    monochat_billing.errors.InvalidInput: body.object: 'page' is not ...
    """
    root = _object(_json(body), "body")
    if root.get("object") != "whatsapp_business_account":
        raise InvalidInput(
            "body.object",
            _seen(root.get("object")),
            "is not whatsapp_business_account",
            "route other webhooks elsewhere",
        )
    statuses: list[MessageStatus] = []
    for entry_at, entry in enumerate(_array(root, "entry", "body")):
        entry_path = f"body.entry[{entry_at}]"
        changes = _array(_object(entry, entry_path), "changes", entry_path)
        for change_at, change in enumerate(changes):
            change_path = f"{entry_path}.changes[{change_at}]"
            statuses += _change(_object(change, change_path), change_path)
    return tuple(statuses)


@final
@attrs.frozen(kw_only=True)
class Refused:
    """Name a part of a body that is malformed, and what is wrong with it.

    ``message_id`` and ``phone_number_id`` are empty where they are what is wrong, or not known.
    """

    message_id: str
    phone_number_id: str
    problem: str


def sift_statuses(body: bytes | str) -> tuple[list[MessageStatus], list[Refused]]:
    """Read the message statuses of a body, and apart from them whatever of it is malformed.

    So one malformed status costs the others nothing, where :func:`parse_statuses` refuses them all.

    Raises:
        InvalidInput: the body as a whole is too long, no JSON, or of another object.
    """
    root = _object(_json(body), "body")
    if root.get("object") != "whatsapp_business_account":
        raise InvalidInput(
            "body.object",
            _seen(root.get("object")),
            "is not whatsapp_business_account",
            "route other webhooks elsewhere",
        )
    statuses: list[MessageStatus] = []
    refused: list[Refused] = []
    for entry_at, entry in enumerate(_array(root, "entry", "body")):
        path = f"body.entry[{entry_at}]"
        try:
            changes = _array(_object(entry, path), "changes", path)
        except InvalidInput as error:
            refused.append(_refused(error))
            continue
        for change_at, change in enumerate(changes):
            _sift_change(change, f"{path}.changes[{change_at}]", statuses, refused)
    return statuses, refused


def _sift_change(
    change: Any,  # noqa: ANN401 - JSON
    path: str,
    statuses: list[MessageStatus],
    refused: list[Refused],
) -> None:
    try:
        found = _statuses_of(_object(change, path), path)
    except InvalidInput as error:
        refused.append(_refused(error))
        return
    if found is None:
        return
    number, values = found
    path = f"{path}.value.statuses"
    for place, value in enumerate(values):
        try:
            statuses.append(_status(value, number, f"{path}[{place}]"))
        except InvalidInput as error:
            identity = value.get("id") if isinstance(value, dict) else None
            sound = isinstance(identity, str) and 0 < len(identity) <= _LONGEST_ID
            refused.append(_refused(error, str(identity) if sound else "", number))


def _refused(error: InvalidInput, message_id: str = "", number: str = "") -> Refused:
    # The value is left out: it may be a number, or an id that encodes one.
    problem = f"{error.field} {error.problem}"
    return Refused(message_id=message_id, phone_number_id=number, problem=problem[:200])


def _statuses_of(change: Mapping[str, Any], path: str) -> tuple[str, list[Any]] | None:
    """Give the business number and the statuses of a change, None where it holds none."""
    if change.get("field") != "messages":
        _text(change, "field", path)
        return None
    path = f"{path}.value"
    value = _object(change.get("value"), path)
    if value.get("statuses") is None:
        return None
    metadata = _object(value.get("metadata"), f"{path}.metadata")
    phone_number_id = _text(metadata, "phone_number_id", f"{path}.metadata")
    return phone_number_id, _array(value, "statuses", path)


def _json(body: bytes | str) -> Any:  # noqa: ANN401 - JSON
    raw = body.encode("utf-8", "surrogatepass") if isinstance(body, str) else body
    if len(raw) > MAX_BODY_BYTES:
        raise InvalidInput(
            "body",
            f"{len(raw)} bytes",
            "is too long",
            f"refuse bodies above {MAX_BODY_BYTES} bytes before reading them",
        )
    try:
        return _DECODE(raw.decode("utf-8"))
    except json.JSONDecodeError as error:
        where = f"line {error.lineno} column {error.colno}"
        raise InvalidInput("body", where, "is not JSON", "pass Meta's body unchanged") from None
    except (ValueError, RecursionError) as error:
        raise InvalidInput(
            "body", type(error).__name__, "cannot be read as JSON", "pass Meta's body unchanged"
        ) from None


def _refuse_constant(name: str) -> None:
    """Refuse NaN and Infinity, which JSON does not have and Python reads."""
    raise ValueError(name)


_DECODE: Final = json.JSONDecoder(parse_constant=_refuse_constant).decode


def _change(change: Mapping[str, Any], path: str) -> list[MessageStatus]:
    found = _statuses_of(change, path)
    if found is None:
        return []
    number, values = found
    return [
        _status(status, number, f"{path}.value.statuses[{place}]")
        for place, status in enumerate(values)
    ]


def _status(value: Any, phone_number_id: str, path: str) -> MessageStatus:  # noqa: ANN401 - JSON
    status = _object(value, path)
    # In a group, recipient_id is the group's id and the participant stands beside it.
    recipient = (
        "recipient_participant_id" if status.get("recipient_type") == "group" else "recipient_id"
    )
    pricing: Mapping[str, Any] = {}
    if status.get("pricing") is not None:
        pricing = _object(status["pricing"], f"{path}.pricing")
    billable = pricing.get("billable")
    if not (billable is None or isinstance(billable, bool)):
        raise InvalidInput(
            f"{path}.pricing.billable",
            _seen(billable),
            "is not true or false",
            "pass Meta's body unchanged",
        )
    return MessageStatus(
        message_id=_text(status, "id", path),
        status=_text(status, "status", path),
        occurred_at=_instant(status, path),
        phone_number_id=phone_number_id,
        recipient=_optional_text(status, recipient, path),
        pricing_type=_optional_text(pricing, "type", f"{path}.pricing"),
        pricing_category=_optional_text(pricing, "category", f"{path}.pricing"),
        pricing_subtype=_optional_text(pricing, "subtype", f"{path}.pricing"),
        pricing_billable=billable,
        errors=_error_codes(status, path),
    )


def _error_codes(status: Mapping[str, Any], path: str) -> tuple[str, ...]:
    if status.get("errors") is None:
        return ()
    return tuple(
        _seen(_object(error, f"{path}.errors[{place}]").get("code"))
        for place, error in enumerate(_array(status, "errors", path))
    )
