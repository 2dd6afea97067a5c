"""What iyzico signs: our requests, its answers, and its webhooks.

Owns the three formulas, each an HMAC-SHA256 under the merchant's secret key in hex.
Does not own the network. The formulas are held by iyzico's published examples and by its own
client in tests.
"""

import base64
import hashlib
import hmac
from collections.abc import Sequence
from decimal import Decimal
from typing import Final

__all__ = [
    "SIGNATURE_HEADER",
    "authorization",
    "canonical_price",
    "response_signature",
    "same",
    "webhook_signature",
]

SIGNATURE_HEADER: Final = "X-IYZ-SIGNATURE-V3"
"""Header of a webhook; the account has to be enabled for it."""


def authorization(api_key: str, secret: str, path: str, random_key: str, body: bytes) -> str:
    """Return the value of the ``Authorization`` header of a request.

    ``path`` is without a query; ``body`` has to be sent byte for byte as it is signed.

    >>> authorization("key", "secret", "/payment/detail", "123", b"{}")[:16]
    'IYZWSv2 YXBpS2V5'
    """
    message = random_key.encode() + path.encode() + body
    text = f"apiKey:{api_key}&randomKey:{random_key}&signature:{_mac(secret, message)}"
    return f"IYZWSv2 {base64.b64encode(text.encode()).decode()}"


def response_signature(secret: str, values: Sequence[str]) -> str:
    """Return the signature of an answer whose signed values are these, in iyzico's order.

    >>> response_signature("secret", ["conversation", "token"])[:8]
    '543693fc'
    """
    return _mac(secret, ":".join(values).encode())


def canonical_price(value: Decimal) -> str:
    """Write a price as iyzico signs it: without zeros at the end.

    >>> [canonical_price(Decimal(text)) for text in ("10.50", "10.00", "100", "0E-8")]
    ['10.5', '10', '100', '0']
    """
    text = f"{value:f}"
    return (text.rstrip("0").rstrip(".") if "." in text else text) or "0"


def webhook_signature(
    secret: str, *, event_type: str, payment: str, token: str, conversation: str, status: str
) -> str:
    """Return the signature of a checkout form's webhook.

    This is iyzico's published example.

    >>> webhook_signature(
    ...     "sandbox-UuLnD7wZa0a3DmytfIrwHQqAMfqCNJrs",
    ...     event_type="CHECKOUT_FORM_AUTH",
    ...     payment="22483975",
    ...     token="e828c62d-fd12-4b1a-ad5a-380f15fe6596",
    ...     conversation="conversationId",
    ...     status="SUCCESS",
    ... )
    '4031c575763486a2d2bf3f7ace0baebfcd6bed65393ab4df3fe80c00d5fd6878'
    """
    message = f"{secret}{event_type}{payment}{token}{conversation}{status}"
    return _mac(secret, message.encode("utf-8", "surrogatepass"))


def same(expected: str, given: str) -> bool:
    """Compare two signatures in constant time, whatever characters the second one has.

    >>> same("ab", "ab"), same("ab", "é")
    (True, False)
    """
    return hmac.compare_digest(expected.encode(), given.encode("utf-8", "surrogatepass"))


def _mac(secret: str, message: bytes) -> str:
    return hmac.new(secret.encode(), message, hashlib.sha256).hexdigest()
