"""The sandbox gateway: a payment page on loopback that moves no real money.

Owns a gateway for hosts, the page that a buyer opens, and the signed callback between them.
Does not own top-ups or balances: it says what was paid, and :mod:`monochat_billing.payments`
judges it.

It needs nothing beyond the library's own dependencies and the standard library. ``sign_callback``
makes a genuine callback without a page, for a host's own tests.

>>> from monochat_billing.money import money
>>> from monochat_billing.payments import Payment, PaymentStatus
>>> gateway = SandboxGateway("secret", page_url="http://127.0.0.1:8080")
>>> paid = Payment(
...     gateway="sandbox",
...     top_up="top-1",
...     payment=payment_id("top-1"),
...     status=PaymentStatus.PAID,
...     amount=money("25000", "TRY"),
... )
>>> gateway.parse_callback(*sign_callback("secret", paid)) == paid
True
"""

from monochat_billing.adapters.sandbox.gateway import SandboxGateway
from monochat_billing.adapters.sandbox.loopback import LoopbackServer, Request, Response
from monochat_billing.adapters.sandbox.page import SandboxPage
from monochat_billing.adapters.sandbox.signing import SIGNATURE_HEADER, payment_id, sign_callback

__all__ = [
    "SIGNATURE_HEADER",
    "LoopbackServer",
    "Request",
    "Response",
    "SandboxGateway",
    "SandboxPage",
    "payment_id",
    "sign_callback",
]
