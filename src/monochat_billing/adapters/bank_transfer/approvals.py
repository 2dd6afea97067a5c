"""An operator's approval of a bank transfer: a signed fact with who, when and which transfer.

Owns its form and its signature, an HMAC-SHA256 over its JSON. Does not own who may approve: the
host makes approvals only for the people whom it lets.

An approval may be repeated at will: it names the bank's own id of the transfer, and one transfer
is credited once.
"""

import hashlib
import hmac
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final, final

import attrs

from monochat_billing.errors import ForgedCallback, InvalidInput
from monochat_billing.instants import utc
from monochat_billing.money import Money, amount_text, money, to_units

__all__ = ["SIGNATURE_HEADER", "Approval", "read_approval", "sign_approval"]

SIGNATURE_HEADER: Final = "X-Approval-Signature"
"""Header of an approval: the hex HMAC-SHA256 of its body."""

_LONGEST: Final = 16 * 1024
_LONGEST_NAME: Final = 250
_FIELDS: Final = ("amount", "approved_at", "currency", "operator", "top_up", "transfer")


def _instant(value: datetime) -> datetime:
    return utc(value, field="approved_at")


@final
@attrs.frozen(kw_only=True)
class Approval:
    """State that a transfer arrived, who says so, and when.

    ``transfer`` is the bank's id of the transfer, ``amount`` what arrived, ``operator`` the person
    who looked, ``approved_at`` when (aware).

    Raises:
        InvalidInput: a blank text, an amount that is not above zero, a naive instant.
    """

    top_up: str
    transfer: str
    amount: Money
    operator: str
    approved_at: datetime = attrs.field(converter=_instant)

    def __attrs_post_init__(self) -> None:
        for field in ("top_up", "transfer", "operator"):
            _name(field, getattr(self, field))
        if to_units(self.amount) <= 0:
            raise InvalidInput(
                "amount", amount_text(self.amount), "is not above zero", "say what arrived"
            )


def sign_approval(secret: str, approval: Approval) -> tuple[dict[str, str], bytes]:
    """Return the headers and the body to hand to ``top_ups.receive``.

    >>> approval = Approval(
    ...     top_up="top-1",
    ...     transfer="2026100500017",
    ...     amount=money("25000", "TRY"),
    ...     operator="ayse",
    ...     approved_at=datetime(2026, 10, 5, 9, tzinfo=UTC),
    ... )
    >>> read_approval(("secret",), *sign_approval("secret", approval)) == approval
    True
    """
    fields = {
        "amount": amount_text(approval.amount),
        "approved_at": approval.approved_at.isoformat(),
        "currency": approval.amount.currency.code,
        "operator": approval.operator,
        "top_up": approval.top_up,
        "transfer": approval.transfer,
    }
    body = json.dumps(fields, sort_keys=True, separators=(",", ":")).encode()
    return {"Content-Type": "application/json", SIGNATURE_HEADER: _mac(secret, body)}, body


def read_approval(secrets: tuple[str, ...], headers: Mapping[str, str], body: bytes) -> Approval:
    """Verify an approval and read it.

    Raises:
        ForgedCallback: the signature is missing, repeated or wrong.
        InvalidInput: the approval is signed but malformed, naming ``callback.<field>``.
    """
    wanted = SIGNATURE_HEADER.lower()
    found: list[Any] = [value for name, value in headers.items() if str(name).lower() == wanted]
    raw: Any = body
    if len(found) != 1 or not isinstance(found[0], str):
        raise _forged(None, "is missing or repeated")
    if not isinstance(raw, bytes) or len(raw) > _LONGEST:
        raise _forged("<body>", "belongs to no bytes, or to too many")
    given = found[0].encode("utf-8", "surrogatepass")
    fits = [hmac.compare_digest(_mac(one, body).encode(), given) for one in secrets]
    if not any(fits):
        raise _forged("<withheld>", "does not fit the body")
    return _read(body)


def _read(body: bytes) -> Approval:
    try:
        fields = json.loads(body.decode())
    except (ValueError, RecursionError) as error:
        raise _malformed("callback", "is not JSON") from error
    if not isinstance(fields, dict) or set(fields) != set(_FIELDS):
        raise _malformed("callback", "has other fields")
    texts = {name: _name(f"callback.{name}", fields[name]) for name in _FIELDS}
    try:
        approved_at = datetime.fromisoformat(texts["approved_at"])
    except ValueError as error:
        raise _malformed("callback.approved_at", "is no instant") from error
    if approved_at.utcoffset() is None:
        raise _malformed("callback.approved_at", "has no offset")
    try:
        amount = money(texts["amount"], texts["currency"])
        return Approval(
            top_up=texts["top_up"],
            transfer=texts["transfer"],
            amount=amount,
            operator=texts["operator"],
            approved_at=approved_at.astimezone(UTC),
        )
    except (InvalidInput, OverflowError) as error:
        raise _malformed("callback.amount", "is no approval") from error


def _name(field: str, value: Any) -> str:  # noqa: ANN401 - it comes from a wire
    if (
        not isinstance(value, str)
        or not value.strip()
        or len(value) > _LONGEST_NAME
        or not value.isprintable()
    ):
        raise _malformed(field, f"is not 1 to {_LONGEST_NAME} printable characters")
    return value


def _malformed(field: str, problem: str) -> InvalidInput:
    return InvalidInput(field, None, problem, "send what sign_approval() makes")


def _forged(value: str | None, problem: str) -> ForgedCallback:
    return ForgedCallback(SIGNATURE_HEADER, value, problem, "send what sign_approval() makes")


def _mac(secret: str, body: bytes) -> str:
    message = b"approval." + body
    return hmac.new(secret.encode("utf-8", "surrogatepass"), message, hashlib.sha256).hexdigest()
