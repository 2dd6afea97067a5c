"""What the sandbox signs: the link to its page, and the callback that says what became of it.

Owns both wire forms and their signatures, HMAC-SHA256 under a secret that host and page share.
Does not own HTTP, time, or the judgment of a payment.

A signature covers every field, so a link or a callback that was edited is refused. A callback's
timestamp is information for people: it is signed but never compared with a clock, because a
callback that comes again, even a year later, is harmless. It names the same payment, and one
payment is credited once.

A secret may be a tuple: the first one signs, each of them verifies. That is how to rotate it.
"""

import hashlib
import hmac
import ipaddress
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, final
from urllib.parse import SplitResult, parse_qsl, urlencode, urlsplit

import attrs

from monochat_billing.errors import ForgedCallback, InvalidInput
from monochat_billing.money import Money, amount_text, money, to_units
from monochat_billing.payments import Payment, PaymentStatus

__all__ = [
    "LONGEST_CALLBACK",
    "LONGEST_LINK",
    "SIGNATURE_HEADER",
    "PaymentLink",
    "Secret",
    "check_loopback_url",
    "check_secret",
    "check_url",
    "payment_id",
    "read_callback",
    "read_link",
    "sign_callback",
    "sign_link",
]

Secret = str | tuple[str, ...]
"""One shared secret, or several while one is being replaced: the first signs, all verify."""

SIGNATURE_HEADER: Final = "X-Sandbox-Signature"
"""Header of a callback: ``t=<seconds since 1970>,v1=<hex HMAC-SHA256 of "t.body">``."""

LONGEST_CALLBACK: Final = 64 * 1024
"""Bytes of a callback body that are looked at."""

LONGEST_LINK: Final = 16 * 1024
"""Characters of a link's query that are looked at."""

_LONGEST_URL: Final = 2000
_LONGEST_NAME: Final = 250
_SIGNATURE: Final = re.compile(r"t=([0-9]{1,12}),v1=([0-9a-f]{64})", re.ASCII)
_HEX: Final = re.compile(r"[0-9a-f]{64}", re.ASCII)
_URL_TEXT: Final = re.compile(r"[!#-;=?-\[\]_a-z~]+", re.ASCII)
_HOST_TEXT: Final = re.compile(r"[0-9A-Za-z.-]+|[0-9A-Fa-f:.]+", re.ASCII)
_LINK_FIELDS: Final = (
    "amount",
    "business_name",
    "callback_url",
    "currency",
    "gateway",
    "return_url",
    "top_up",
)
_LATEST: Final = 10**12


def check_secret(secret: Secret) -> tuple[str, ...]:
    """Return the secrets as a tuple.

    Raises:
        InvalidInput: there is none, or one is blank or no text. The error shows none of them.

    >>> check_secret("first"), check_secret(("new", "old"))
    (('first',), ('new', 'old'))
    """
    secrets: Any = (secret,) if isinstance(secret, str) else secret
    if (
        not isinstance(secrets, tuple)
        or not secrets
        or not all(isinstance(one, str) and one.strip() for one in secrets)
    ):
        raise InvalidInput(
            "secret",
            f"<{type(secret).__name__}>",
            "is blank or no text",
            "pass the secret that host and page share, or a tuple of them, newest first",
        )
    return secrets


def check_url(field: str, url: str) -> SplitResult:
    """Split an absolute http or https URL.

    Raises:
        InvalidInput: naming ``field``: another scheme, no host, a user name, characters that
            have to be percent-encoded, or more than 2,000 characters.

    >>> check_url("return_url", "https://shop.example/billing?tab=1").hostname
    'shop.example'
    """
    remedy = "pass an absolute http or https URL, percent-encoded"
    text: Any = url
    if not isinstance(text, str) or len(text) > _LONGEST_URL or not _URL_TEXT.fullmatch(text):
        raise InvalidInput(field, url, "is not the text of a URL", remedy)
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise InvalidInput(field, url, "is not a URL", remedy) from error
    if parts.scheme not in {"http", "https"} or not host or not _HOST_TEXT.fullmatch(host):
        raise InvalidInput(field, url, "is not an http or https URL", remedy)
    if "@" in parts.netloc:
        raise InvalidInput(field, url, "names a user", remedy)
    return parts


def check_loopback_url(field: str, url: str) -> SplitResult:
    """Split an http URL whose host is this machine.

    Raises:
        InvalidInput: naming ``field``: not a URL, not http, or another host.

    >>> check_loopback_url("callback_url", "http://127.0.0.1:8000/callbacks/sandbox").port
    8000
    >>> check_loopback_url("callback_url", "http://shop.example/")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    monochat_billing.errors.InvalidInput: callback_url: 'http://shop.example/' is not on loop...
    """
    parts = check_url(field, url)
    if parts.scheme == "http" and _is_loopback(parts.hostname or ""):
        return parts
    raise InvalidInput(
        field, url, "is not on loopback", "the sandbox calls http://127.0.0.1 or localhost only"
    )


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def payment_id(top_up: str) -> str:
    """Derive the payment's id from the top-up's: paying again is the same payment.

    >>> payment_id("top-1")
    'pay_top-1'
    """
    return f"pay_{top_up}"


# ------------------------------------------------------------------------------------- links


@final
@attrs.frozen(kw_only=True)
class PaymentLink:
    """Hold what the payment page has to know; the page itself remembers nothing.

    ``callback_url`` None leaves it to the page where to call.

    Raises:
        InvalidInput: an amount that is not above zero or has more than six decimals, a blank or
            unprintable text, a return URL that is none, a callback URL that is not on loopback.
    """

    gateway: str
    top_up: str
    amount: Money
    business_name: str
    return_url: str
    callback_url: str | None = None

    def __attrs_post_init__(self) -> None:
        for field in ("gateway", "top_up", "business_name"):
            _check_name(field, getattr(self, field))
        if to_units(self.amount) <= 0:
            raise InvalidInput(
                "amount", amount_text(self.amount), "is not above zero", "pass a positive amount"
            )
        check_url("return_url", self.return_url)
        if self.callback_url is not None:
            check_loopback_url("callback_url", self.callback_url)


def _check_name(field: str, value: Any) -> str:  # noqa: ANN401 - it comes from a wire
    if (
        not isinstance(value, str)
        or not value.strip()
        or len(value) > _LONGEST_NAME
        or not value.isprintable()
    ):
        raise InvalidInput(
            field,
            value,
            "is not a name",
            f"pass 1 to {_LONGEST_NAME} printable characters",
        )
    return value


def sign_link(secret: Secret, link: PaymentLink) -> str:
    """Return the query of a link to the payment page.

    >>> link = PaymentLink(
    ...     gateway="sandbox",
    ...     top_up="top-1",
    ...     amount=money("25000", "TRY"),
    ...     business_name="Acme",
    ...     return_url="http://127.0.0.1:8000/return",
    ... )
    >>> read_link("secret", sign_link("secret", link)) == link
    True
    """
    fields = {
        "amount": amount_text(link.amount),
        "business_name": link.business_name,
        "callback_url": link.callback_url or "",
        "currency": link.amount.currency.code,
        "gateway": link.gateway,
        "return_url": link.return_url,
        "top_up": link.top_up,
    }
    signature = _mac(check_secret(secret)[0], _link_message(fields))
    return urlencode({**fields, "signature": signature})


def read_link(secret: Secret, query: str) -> PaymentLink:
    """Verify a link's query, or a form that repeats its fields, and read it.

    ``lang`` is not signed and not looked at.

    Raises:
        InvalidInput: naming ``link``, when a field is missing, repeated, unknown or was edited.

    >>> read_link("secret", "amount=1&signature=00")
    Traceback (most recent call last):
    monochat_billing.errors.InvalidInput: link: 'amount=1&signature=00' is not a signed link; \
start a new checkout
    """
    refused = InvalidInput("link", query, "is not a signed link", "start a new checkout")
    if len(query) > LONGEST_LINK:
        raise refused
    try:
        pairs = parse_qsl(
            query, keep_blank_values=True, strict_parsing=True, errors="strict", max_num_fields=12
        )
    except ValueError as error:
        raise refused from error
    signed = [pair for pair in pairs if pair[0] != "lang"]
    fields = dict(signed)
    signature = fields.pop("signature", "")
    if len(signed) != len(fields) + 1 or tuple(sorted(fields)) != _LINK_FIELDS:
        raise refused
    if not _HEX.fullmatch(signature) or not _verifies(secret, _link_message(fields), signature):
        raise refused
    return PaymentLink(
        gateway=fields["gateway"],
        top_up=fields["top_up"],
        amount=money(fields["amount"], fields["currency"]),
        business_name=fields["business_name"],
        return_url=fields["return_url"],
        callback_url=fields["callback_url"] or None,
    )


def _link_message(fields: Mapping[str, str]) -> bytes:
    # A callback's message begins with a digit and this one does not: neither passes as the other.
    return b"link." + _canonical(fields)


# --------------------------------------------------------------------------------- callbacks


_WITH_AMOUNT: Final = (PaymentStatus.PAID, PaymentStatus.REFUNDED)
_MAY_HAVE_AMOUNT: Final = (
    PaymentStatus.DISPUTED,
    PaymentStatus.DISPUTE_LOST,
    PaymentStatus.DISPUTE_WON,
)


def sign_callback(
    secret: Secret, payment: Payment, *, seconds: int = 0
) -> tuple[dict[str, str], bytes]:
    """Return the headers and the body of a callback that says ``payment``.

    ``seconds`` since 1970 is when it is sent: informational, nobody decides by it. Useful in a
    host's tests, which need no page then.

    Raises:
        InvalidInput: ``seconds`` is negative or beyond twelve digits, or a paid payment has no
            amount.

    >>> paid = Payment(
    ...     gateway="sandbox",
    ...     top_up="top-1",
    ...     payment=payment_id("top-1"),
    ...     status=PaymentStatus.PAID,
    ...     amount=money("25000", "TRY"),
    ... )
    >>> headers, body = sign_callback("secret", paid, seconds=1_790_000_000)
    >>> read_callback("secret", headers, body, gateway="sandbox") == paid
    True
    """
    if not 0 <= seconds < _LATEST:
        raise InvalidInput("seconds", seconds, "is no time since 1970", "pass whole seconds")
    fields = {
        "gateway": payment.gateway,
        "payment": payment.payment,
        "status": payment.status.value,
        "top_up": payment.top_up,
    }
    if payment.dispute:
        fields["dispute"] = payment.dispute
    if payment.amount is not None:
        fields["amount"] = amount_text(payment.amount)
        fields["currency"] = payment.amount.currency.code
    elif payment.status in _WITH_AMOUNT:
        raise InvalidInput("payment.amount", None, "is missing", "say what the buyer paid")
    body = _canonical(fields)
    signature = _mac(check_secret(secret)[0], _callback_message(str(seconds), body))
    headers = {
        "Content-Type": "application/json",
        SIGNATURE_HEADER: f"t={seconds},v1={signature}",
    }
    return headers, body


def read_callback(
    secret: Secret, headers: Mapping[str, str], body: bytes, *, gateway: str
) -> Payment:
    """Verify a callback and read it.

    Header names match in any case. No clock is asked: a repeated callback reads as the same
    payment for ever, which is credited once. Fields that are not known here are ignored.

    Raises:
        ForgedCallback: the signature is missing, repeated, malformed or not one of ``secret``.
        InvalidInput: naming ``callback`` or ``callback.<field>``: the callback is signed but
            malformed, or is another gateway's.
    """
    _check_signature(secret, headers, body)
    fields = _json_object(body)
    said = _text(fields, "gateway")
    if said != gateway:
        raise InvalidInput(
            "callback.gateway", said, f"is not {gateway!r}", "give each gateway its own callback"
        )
    status = _status(fields)
    return Payment(
        gateway=gateway,
        top_up=_text(fields, "top_up"),
        payment=_text(fields, "payment"),
        status=status,
        amount=_amount(fields) if _has_amount(fields, status) else None,
        dispute=_text(fields, "dispute") if "dispute" in fields else "",
    )


def _check_signature(secret: Secret, headers: Mapping[str, str], body: bytes) -> None:
    wanted = SIGNATURE_HEADER.lower()
    found: list[Any] = [value for name, value in headers.items() if str(name).lower() == wanted]
    # The text that came is not shown: it may be a good signature of another body.
    if not found:
        raise ForgedCallback(SIGNATURE_HEADER, None, "is missing", "only the sandbox may call here")
    if len(found) > 1:
        raise _forged(f"{len(found)} headers", "is repeated")
    match = _SIGNATURE.fullmatch(found[0]) if isinstance(found[0], str) else None
    if match is None:
        raise _forged("<unreadable>", "is malformed")
    raw: Any = body
    if not isinstance(raw, bytes) or len(raw) > LONGEST_CALLBACK:
        raise _forged("<body>", f"belongs to no bytes, or to more than {LONGEST_CALLBACK}")
    if not _verifies(secret, _callback_message(match[1], body), match[2]):
        raise _forged("<withheld>", "does not fit the body")


def _forged(value: str, problem: str) -> ForgedCallback:
    return ForgedCallback(
        SIGNATURE_HEADER,
        value,
        problem,
        "hand over the header and the raw body as they came, and check the secret",
    )


def _json_object(body: bytes) -> dict[str, Any]:
    try:
        fields = json.loads(body.decode(), object_pairs_hook=_unique)
    except (ValueError, RecursionError) as error:
        raise _malformed("callback", "<body>", "is not JSON") from error
    if not isinstance(fields, dict):
        raise _malformed("callback", "<body>", "is not a JSON object")
    return fields


def _unique(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise _malformed("callback", "<body>", "has a name twice")
    return fields


def _has_amount(fields: Mapping[str, Any], status: PaymentStatus) -> bool:
    return status in _WITH_AMOUNT or (status in _MAY_HAVE_AMOUNT and "amount" in fields)


def _text(fields: Mapping[str, Any], name: str) -> str:
    try:
        return _check_name(f"callback.{name}", fields.get(name))
    except InvalidInput as error:
        raise _malformed(error.field, error.value, error.problem) from error


def _status(fields: Mapping[str, Any]) -> PaymentStatus:
    text = _text(fields, "status")
    try:
        return PaymentStatus(text)
    except ValueError as error:
        raise _malformed("callback.status", text, "is no status of a payment") from error


def _amount(fields: Mapping[str, Any]) -> Money:
    text, currency = _text(fields, "amount"), _text(fields, "currency")
    try:
        amount = money(text, currency)
    except InvalidInput as error:
        raise _malformed(f"callback.{error.field}", error.value, error.problem) from error
    if to_units(amount) <= 0:
        raise _malformed("callback.amount", text, "is not above zero")
    return amount


def _malformed(field: str, value: Any, problem: str) -> InvalidInput:  # noqa: ANN401 - it comes from a wire
    return InvalidInput(field, value, problem, "send what sign_callback() makes")


# -------------------------------------------------------------------------------- signatures


def _callback_message(seconds: str, body: bytes) -> bytes:
    return seconds.encode() + b"." + body


def _canonical(fields: Mapping[str, str]) -> bytes:
    return json.dumps(fields, sort_keys=True, separators=(",", ":")).encode()


def _mac(secret: str, message: bytes) -> str:
    return hmac.new(secret.encode("utf-8", "surrogatepass"), message, hashlib.sha256).hexdigest()


def _verifies(secret: Secret, message: bytes, signature: str) -> bool:
    # Every secret is tried, whichever fits, so the time that it takes tells nothing.
    fits = [hmac.compare_digest(_mac(one, message), signature) for one in check_secret(secret)]
    return any(fits)
