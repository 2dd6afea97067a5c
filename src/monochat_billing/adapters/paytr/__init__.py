"""PayTR's iFrame as a payment gateway.

Owns the way from a top-up to an iFrame token, and from PayTR's callbacks and answers to a payment.
Does not own top-ups or balances: it says what was paid, and :mod:`monochat_billing.payments`
judges it.

Needs the extra ``[paytr]``. Amounts are whole kuruş on PayTR's wire and never pass through a
binary float.
"""

from monochat_billing.errors import MissingExtra

try:
    import httpx as _httpx  # noqa: F401 - asked for here, so that what is missing is missed now
except ImportError as _missing:
    raise MissingExtra("monochat_billing.adapters.paytr", "paytr") from _missing

from monochat_billing.adapters.paytr.gateway import PaytrGateway
from monochat_billing.adapters.paytr.signing import callback_hash, from_order_id, to_order_id

__all__ = ["PaytrGateway", "callback_hash", "from_order_id", "to_order_id"]
