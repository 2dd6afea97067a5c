"""Stripe Checkout as a payment gateway, through the official SDK.

Owns the way from a top-up to a Checkout Session, and from Stripe's events and sessions to a
payment. Does not own top-ups or balances: it says what was paid, and
:mod:`monochat_billing.payments` judges it.

Needs the extra ``[stripe]``. A webhook's signature is checked at the host's clock, and the session
is then retrieved before money moves, as Stripe asks of everybody who fulfils an order.
"""

from monochat_billing.errors import MissingExtra

try:
    import stripe as _stripe  # noqa: F401 - asked for here, so that what is missing is missed now
except ImportError as _missing:
    raise MissingExtra("monochat_billing.adapters.stripe", "stripe") from _missing

from monochat_billing.adapters.stripe.gateway import StripeGateway
from monochat_billing.adapters.stripe.signing import SIGNATURE_HEADER, sign_webhook

__all__ = ["SIGNATURE_HEADER", "StripeGateway", "sign_webhook"]
