"""A fake of Stripe Checkout: sessions, refunds, idempotency keys and signed events.

Owns as much of Stripe's protocol as the adapter uses, strictly: an unknown route, field or key is
refused. Does not own any rule of billing.
"""

import json
import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Final, final
from urllib.parse import parse_qsl

from monochat_billing.adapters.sandbox import Request, Response
from monochat_billing.testing.fake_provider import Callback, FakeProvider

__all__ = ["FakeStripe"]

_SESSION: Final = re.compile(r"/v1/checkout/sessions/(cs_[a-z0-9_]+)(/expire)?")
_FIELDS: Final = re.compile(
    r"mode|client_reference_id|success_url|cancel_url|customer_email|metadata\[top_up\]"
    r"|payment_intent_data\[metadata\]\[top_up\]|line_items\[0\]\[quantity\]"
    r"|line_items\[0\]\[price_data\]\[(?:currency|unit_amount|product_data\]\[name)\]"
)
_NEEDED: Final = (
    "client_reference_id",
    "mode",
    "success_url",
    "line_items[0][quantity]",
    "line_items[0][price_data][currency]",
    "line_items[0][price_data][unit_amount]",
)


@final
class FakeStripe(FakeProvider):
    """Serve Stripe Checkout; the buyer acts through ``pay``, ``decline``, ``review``, ``decide``.

    Routes of the fault script: ``create``, ``retrieve``, ``expire``, ``refund``. ``clock`` stamps
    events. ``sign`` makes the signature of an event: secret, body and seconds since 1970.
    """

    def __init__(
        self,
        *,
        api_key: str,
        webhook_secret: str,
        clock: Callable[[], datetime],
        sign: Callable[[str, bytes, int], str],
    ) -> None:
        super().__init__()
        self._api_key = api_key
        self._secret = webhook_secret
        self._clock = clock
        self._sign = sign
        self._keys: dict[str, tuple[bytes, Response]] = {}
        self.sessions: dict[str, dict[str, Any]] = {}
        self.refunds: list[dict[str, Any]] = []
        self.sent: list[tuple[str, Callback]] = []

    # ------------------------------------------------------------------------------- the buyer

    def pay(self, session: str, amount: int | None = None) -> None:
        """Pay a session; ``amount`` in minor units, what was asked by default."""
        self._paid(session, "paid", "succeeded", "completed", amount)

    def review(self, session: str, amount: int | None = None) -> None:
        """Pay with something that is decided later."""
        self._paid(session, "unpaid", "processing", "completed", amount)

    def decide(self, session: str, *, good: bool) -> None:
        """Decide a payment under review."""
        if good:
            self._paid(session, "paid", "succeeded", "async_payment_succeeded", None)
        else:
            self._paid(session, "unpaid", "requires_payment_method", "async_payment_failed", None)

    def decline(self, session: str) -> None:
        """Let the buyer's bank refuse; the session stays open and Stripe tells nobody."""
        self.sessions[session]["intent"] = "requires_payment_method"

    def expire(self, session: str) -> None:
        """Close a session that nobody paid."""
        self.sessions[session]["status"] = "expired"
        self.tell(session, "expired")

    def switch_mode(self, session: str) -> None:
        """Let the session belong to the other mode."""
        self.sessions[session]["livemode"] = not self.sessions[session]["livemode"]

    def _paid(self, session: str, paid: str, intent: str, kind: str, amount: int | None) -> None:
        found = self.sessions[session]
        found.update(status="complete", payment_status=paid, intent=intent)
        if amount is not None:
            found["amount_total"] = amount
        self.tell(session, kind)

    # ------------------------------------------------------------------------------ the events

    def tell(self, session: str, kind: str) -> Callback:
        """Send an event ``checkout.session.<kind>``, and give it as it was sent."""
        return self.event(f"checkout.session.{kind}", self._shown(session))

    def event(self, kind: str, subject: dict[str, Any]) -> Callback:
        """Send any event about any object."""
        body = json.dumps(
            {
                "id": f"evt_{len(self.sent) + 1}",
                "object": "event",
                "type": kind,
                "livemode": False,
                "data": {"object": subject},
            }
        ).encode()
        callback = self.signed(body)
        self.sent.append((str(subject.get("id")), callback))
        return callback

    def signed(self, body: bytes, *, secret: str | None = None) -> Callback:
        """Sign any body as sent now."""
        seconds = int(self._clock().timestamp())
        return {"Stripe-Signature": self._sign(secret or self._secret, body, seconds)}, body

    # -------------------------------------------------------------------------------- the API

    def route(self, request: Request) -> str:
        """Name the route: ``create``, ``retrieve``, ``expire`` or ``refund``."""
        if request.method == "POST" and request.path == "/v1/checkout/sessions":
            return "create"
        if request.method == "POST" and request.path == "/v1/refunds":
            return "refund"
        match = _SESSION.fullmatch(request.path)
        if match and request.method == ("POST" if match[2] else "GET"):
            return "expire" if match[2] else "retrieve"
        return ""

    def act(self, route: str, request: Request) -> Response:
        """Answer a call; a POST with a known idempotency key gets its first answer again."""
        if request.headers.get("authorization") != f"Bearer {self._api_key}":
            return _refused(401, "invalid api key")
        key = request.headers.get("idempotency-key", "")
        if key in self._keys:
            body, first = self._keys[key]
            return first if body == request.body else _refused(400, "idempotency key reused")
        fields = dict(parse_qsl(request.body.decode(), keep_blank_values=True))
        response = {
            "create": self._create,
            "refund": self._refund,
            "retrieve": self._retrieve,
            "expire": self._expire,
        }[route](request, fields)
        if key and response.status == 200:  # noqa: PLR2004 - OK
            self._keys[key] = request.body, response
        return response

    def _create(self, request: Request, fields: dict[str, str]) -> Response:
        strange = [name for name in fields if not _FIELDS.fullmatch(name)]
        missing = [name for name in _NEEDED if not fields.get(name)]
        if strange or missing or not request.headers.get("idempotency-key"):
            return _refused(400, f"unknown {strange}, missing {missing}")
        identity = f"cs_test_{len(self.sessions) + 1}"
        self.sessions[identity] = {
            "client_reference_id": fields["client_reference_id"],
            "amount_total": int(fields["line_items[0][price_data][unit_amount]"]),
            "currency": fields["line_items[0][price_data][currency]"],
            "livemode": False,
            "status": "open",
            "payment_status": "unpaid",
            "intent": "",
            "expires_at": int((self._clock() + timedelta(days=1)).timestamp()),
        }
        return _json(self._shown(identity))

    def _retrieve(self, request: Request, fields: dict[str, str]) -> Response:
        del fields
        return self._session_of(request)

    def _expire(self, request: Request, fields: dict[str, str]) -> Response:
        del fields
        match = _SESSION.fullmatch(request.path)
        found = self.sessions.get(match[1]) if match else None
        if found is not None and found["status"] != "open":
            return _refused(400, "not open")
        if found is not None and match:
            self.expire(match[1])
        return self._session_of(request)

    def _session_of(self, request: Request) -> Response:
        match = _SESSION.fullmatch(request.path)
        if match is None or match[1] not in self.sessions:
            return _refused(404, "no such session")
        return _json(self._shown(match[1]))

    def _refund(self, request: Request, fields: dict[str, str]) -> Response:
        paid = {f"pi_{one}" for one, found in self.sessions.items() if found["intent"]}
        if fields.get("payment_intent") not in paid or not request.headers.get("idempotency-key"):
            return _refused(400, "no such payment")
        identity = f"re_{len(self.refunds) + 1}"
        made = {"id": identity, "object": "refund", "status": "succeeded", **fields}
        self.refunds.append(made)
        return _json(made)

    def _shown(self, session: str) -> dict[str, Any]:
        found = dict(self.sessions[session])
        intent = found.pop("intent")
        return {
            "id": session,
            "object": "checkout.session",
            "url": f"{self.url}/pay/{session}",
            "metadata": {"top_up": found["client_reference_id"]},
            "payment_intent": {"id": f"pi_{session}", "object": "payment_intent", "status": intent}
            if intent
            else None,
            **found,
        }


def _json(value: dict[str, Any]) -> Response:
    return Response(body=json.dumps(value), content_type="application/json")


def _refused(status: int, message: str) -> Response:
    error = {"error": {"type": "invalid_request_error", "message": message}}
    return Response(status=status, body=json.dumps(error), content_type="application/json")
