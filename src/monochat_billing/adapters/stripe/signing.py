"""Stripe's webhook signature: ``t=<seconds>,v1=<hex HMAC-SHA256 of "t.body">``.

Owns making and checking it. Does not own what a webhook says. It needs nothing but the standard
library; that it agrees with Stripe's own SDK is held by a test.
"""

import hashlib
import hmac
import re
from collections.abc import Mapping
from typing import Any, Final

from monochat_billing.errors import ForgedCallback

__all__ = ["LONGEST_WEBHOOK", "SIGNATURE_HEADER", "TOLERANCE", "check_webhook", "sign_webhook"]

SIGNATURE_HEADER: Final = "Stripe-Signature"
"""Header of a webhook; it may hold several ``v1`` while an endpoint's secret is rotated."""

TOLERANCE: Final = 300
"""Seconds after which a signature is too old, as in Stripe's own libraries."""

LONGEST_WEBHOOK: Final = 256 * 1024
"""Bytes of a webhook's body that are looked at."""

_LONGEST_HEADER: Final = 2000
_SECONDS: Final = re.compile(r"[0-9]{1,12}", re.ASCII)
_HEX: Final = re.compile(r"[0-9a-f]{64}", re.ASCII)


def sign_webhook(secret: str, body: bytes, seconds: int) -> str:
    """Return the header's value for a body sent at ``seconds`` since 1970.

    >>> sign_webhook("whsec_test", b"{}", 1_790_000_000).partition(",")[0]
    't=1790000000'
    """
    return f"t={seconds},v1={_mac(secret, str(seconds), body)}"


def check_webhook(
    secrets: tuple[str, ...], headers: Mapping[str, str], body: bytes, now: int
) -> None:
    """Refuse a webhook that none of ``secrets`` signed within the tolerance before ``now``.

    Header names match in any case. Every signature is compared with every secret in constant time.

    Raises:
        ForgedCallback: the header is missing, repeated, malformed, wrong or too old.

    >>> header = {"stripe-signature": sign_webhook("whsec_test", b"{}", 1_790_000_000)}
    >>> check_webhook(("whsec_test",), header, b"{}", 1_790_000_300)
    >>> check_webhook(("whsec_test",), header, b"{}", 1_790_000_301)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    monochat_billing.errors.ForgedCallback: Stripe-Signature: '<withheld>' is too old; ...
    """
    wanted = SIGNATURE_HEADER.lower()
    found: list[Any] = [value for name, value in headers.items() if str(name).lower() == wanted]
    if not found:
        raise _forged(None, "is missing")
    if len(found) > 1:
        raise _forged(f"{len(found)} headers", "is repeated")
    raw: Any = body
    if not isinstance(raw, bytes) or len(raw) > LONGEST_WEBHOOK:
        raise _forged("<body>", f"belongs to no bytes, or to more than {LONGEST_WEBHOOK}")
    seconds, signatures = _parts(found[0])
    fits = [
        hmac.compare_digest(_mac(secret, seconds, body), signature)
        for secret in secrets
        for signature in signatures
    ]
    if not any(fits):
        raise _forged("<withheld>", "does not fit the body")
    if int(seconds) < now - TOLERANCE:
        raise _forged("<withheld>", "is too old")


def _parts(header: Any) -> tuple[str, list[str]]:  # noqa: ANN401 - it comes from a wire
    if not isinstance(header, str) or len(header) > _LONGEST_HEADER:
        raise _forged("<unreadable>", "is malformed")
    pairs = [item.strip().partition("=") for item in header.split(",")]
    seconds = [value for name, _, value in pairs if name == "t"]
    signatures = [value for name, _, value in pairs if name == "v1" and _HEX.fullmatch(value)]
    if len(seconds) != 1 or not _SECONDS.fullmatch(seconds[0]) or not signatures:
        raise _forged("<unreadable>", "is malformed")
    return seconds[0], signatures


def _mac(secret: str, seconds: str, body: bytes) -> str:
    message = seconds.encode() + b"." + body
    return hmac.new(secret.encode("utf-8", "surrogatepass"), message, hashlib.sha256).hexdigest()


def _forged(value: str | None, problem: str) -> ForgedCallback:
    return ForgedCallback(
        SIGNATURE_HEADER,
        value,
        problem,
        "hand over the header and the raw body as they came, and check the secret and the clock",
    )
