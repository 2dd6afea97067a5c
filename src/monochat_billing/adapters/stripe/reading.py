"""What Stripe's words mean: statuses of sessions, refunds and disputes, the kinds of events.

Owns the tables and the strict reading of a webhook's body. Does not own any call.
"""

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from monochat_billing.errors import InvalidInput
from monochat_billing.gateways import PaymentStatus, RefundStatus

__all__ = [
    "DISPUTES",
    "EVENTS",
    "REFUNDS",
    "REVERSALS",
    "json_object",
    "malformed",
    "status_of",
    "succeeded",
    "text_of",
]

EVENTS: Final[dict[str, PaymentStatus | None]] = {
    "checkout.session.completed": None,
    "checkout.session.async_payment_succeeded": None,
    "checkout.session.async_payment_failed": PaymentStatus.FAILED,
    "checkout.session.expired": PaymentStatus.EXPIRED,
}
REFUNDS: Final = {
    "succeeded": RefundStatus.DONE,
    "pending": RefundStatus.PENDING,
    "requires_action": RefundStatus.PENDING,
}
REVERSALS: Final = frozenset(
    {
        "charge.refunded",
        "charge.refund.updated",
        "refund.created",
        "refund.updated",
        "refund.failed",
        "charge.dispute.created",
        "charge.dispute.updated",
        "charge.dispute.closed",
        "charge.dispute.funds_withdrawn",
        "charge.dispute.funds_reinstated",
    }
)
DISPUTES: Final = {
    "needs_response": PaymentStatus.DISPUTED,
    "under_review": PaymentStatus.DISPUTED,
    "appeal_needs_response": PaymentStatus.DISPUTED,
    "appeal_under_review": PaymentStatus.DISPUTED,
    "lost": PaymentStatus.DISPUTE_LOST,
    "won": PaymentStatus.DISPUTE_WON,
    "prevented": PaymentStatus.DISPUTE_WON,
    "warning_closed": PaymentStatus.DISPUTE_WON,
}
_GIVEN_UP: Final = frozenset({"requires_payment_method", "canceled"})


def status_of(session: Mapping[str, Any]) -> PaymentStatus:
    """Judge a session."""
    paid, state = session.get("payment_status"), session.get("status")
    if paid == "paid":
        return PaymentStatus.PAID
    if state == "expired":
        return PaymentStatus.EXPIRED
    if state != "complete":
        return PaymentStatus.OPEN
    intent = session.get("payment_intent")
    given_up = isinstance(intent, dict) and intent.get("status") in _GIVEN_UP
    return PaymentStatus.FAILED if given_up else PaymentStatus.PENDING


def succeeded(refunds: list[dict[str, Any]]) -> int:
    """Sum the refunds that have succeeded, in minor units."""
    done = [one.get("amount") for one in refunds if one.get("status") == "succeeded"]
    return sum(one for one in done if type(one) is int)


def json_object(body: bytes) -> dict[str, Any]:
    """Read a webhook's body."""
    try:
        event = json.loads(body.decode(), parse_float=Decimal, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise malformed("", "<body>", "is not JSON") from error
    if not isinstance(event, dict):
        raise malformed("", "<body>", "is not a JSON object")
    return event


def _refuse(text: str) -> None:
    raise ValueError(text)


def text_of(fields: Mapping[str, Any], name: str) -> str:
    """Give a field that has to be text."""
    value = fields.get(name)
    if not isinstance(value, str) or not value:
        raise malformed(name, type(value).__name__, "is no text")
    return value


def malformed(name: str, value: str | None, problem: str) -> InvalidInput:
    """Build the error of a webhook that is signed but malformed."""
    field = f"callback.{name}" if name else "callback"
    return InvalidInput(field, value, problem, "look at the event in Stripe's dashboard")
