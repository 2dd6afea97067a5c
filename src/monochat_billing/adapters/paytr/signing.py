"""What PayTR signs, and how our references fit its order ids.

Owns four hashes, each the base64 of an HMAC-SHA256 under the merchant key with the merchant salt
in the message, and a mapping between top-up ids and PayTR's alphanumeric order ids.
Does not own the network.
"""

import base64
import binascii
import hashlib
import hmac
import re
from typing import Final

from monochat_billing.errors import InvalidInput

__all__ = [
    "REFERENCE",
    "callback_hash",
    "from_order_id",
    "refund_token",
    "same",
    "status_token",
    "to_order_id",
    "token_request_hash",
]

REFERENCE: Final = r"[A-Za-z0-9]{1,64}|[ -~]{1,38}"
"""Top-up ids that have an order id: alphanumeric ones, and others up to 38 characters."""

_MARK: Final = "X0"
_PLAIN: Final = re.compile(r"[A-Za-z0-9]{1,64}", re.ASCII)


def to_order_id(top_up: str) -> str:
    """Return the order id for a top-up: itself where PayTR allows it, else its Base32.

    Raises:
        InvalidInput: the id is empty, too long or not printable ASCII.

    >>> to_order_id("5f1c9a"), to_order_id("top-1")
    ('5f1c9a', 'X0ORXXALJR')
    >>> from_order_id(to_order_id("top-1"))
    'top-1'
    """
    if _PLAIN.fullmatch(top_up) and not top_up.startswith(_MARK):
        return top_up
    order = ""
    if top_up.isascii() and top_up.isprintable() and top_up:
        order = _MARK + base64.b32encode(top_up.encode()).decode().rstrip("=")
    if not _PLAIN.fullmatch(order):
        raise InvalidInput(
            "top_up",
            top_up,
            "has no order id at PayTR",
            "use up to 64 letters and digits, or up to 38 printable ASCII characters",
        )
    return order


def from_order_id(order: str) -> str:
    """Return the top-up that an order id stands for.

    Raises:
        InvalidInput: no top-up has this order id.

    >>> from_order_id("X0!")
    Traceback (most recent call last):
    monochat_billing.errors.InvalidInput: callback.merchant_oid: 'X0!' is no order id of ours; \
check which system uses this merchant id
    """
    refused = InvalidInput(
        "callback.merchant_oid",
        order,
        "is no order id of ours",
        "check which system uses this merchant id",
    )
    if not _PLAIN.fullmatch(order):
        raise refused
    if not order.startswith(_MARK):
        return order
    text = order[len(_MARK) :]
    try:
        top_up = base64.b32decode(text + "=" * (-len(text) % 8)).decode("ascii")
        canonical = to_order_id(top_up) == order
    except (binascii.Error, ValueError, InvalidInput):
        raise refused from None
    if not canonical:
        raise refused
    return top_up


def token_request_hash(key: str, salt: str, *fields: str) -> str:
    """Sign the request for an iFrame token; ``fields`` are PayTR's ten, in PayTR's order.

    >>> token_request_hash("key", "salt", "1", "203.0.113.7", "order")[:8]
    'H/Z89Kw/'
    """
    return _hash(key, "".join(fields) + salt)


def callback_hash(key: str, salt: str, *, order: str, status: str, total: str) -> str:
    """Return the hash of a callback; ``total`` is the amount as it stands on the wire.

    >>> callback_hash("key", "salt", order="order", status="success", total="1000")[:8]
    'meBdAPjf'
    """
    return _hash(key, f"{order}{salt}{status}{total}")


def status_token(key: str, salt: str, merchant: str, order: str) -> str:
    """Sign a question about an order."""
    return _hash(key, f"{merchant}{order}{salt}")


def refund_token(key: str, salt: str, merchant: str, order: str, amount: str) -> str:
    """Sign a refund; ``amount`` is decimal text in major units."""
    return _hash(key, f"{merchant}{order}{amount}{salt}")


def same(expected: str, given: str) -> bool:
    """Compare two hashes in constant time, whatever characters the second one has."""
    return hmac.compare_digest(expected.encode(), given.encode("utf-8", "surrogatepass"))


def _hash(key: str, message: str) -> str:
    mac = hmac.new(key.encode(), message.encode("utf-8", "surrogatepass"), hashlib.sha256)
    return base64.b64encode(mac.digest()).decode()
