"""iyzico's checkout form as a payment gateway.

Owns the way from a top-up to a checkout form, and from iyzico's answers and webhooks to a payment.
Does not own top-ups or balances: it says what was paid, and :mod:`monochat_billing.payments`
judges it.

Needs the extra ``[iyzico]``. The client is a small one of its own, with a time-out on every call
and every signature checked.
"""

from monochat_billing.errors import MissingExtra

try:
    import httpx as _httpx  # noqa: F401 - asked for here, so that what is missing is missed now
except ImportError as _missing:
    raise MissingExtra("monochat_billing.adapters.iyzico", "iyzico") from _missing

from monochat_billing.adapters.iyzico.gateway import LIVE_URL, SANDBOX_URL, IyzicoGateway
from monochat_billing.adapters.iyzico.signing import SIGNATURE_HEADER, webhook_signature

__all__ = [
    "LIVE_URL",
    "SANDBOX_URL",
    "SIGNATURE_HEADER",
    "IyzicoGateway",
    "webhook_signature",
]
