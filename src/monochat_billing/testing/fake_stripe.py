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
_ROUTES: Final = {
    ("POST", r"/v1/checkout/sessions"): "create",
    ("GET", r"/v1/checkout/sessions/cs_[a-z0-9_]+"): "retrieve",
    ("POST", r"/v1/checkout/sessions/cs_[a-z0-9_]+/expire"): "expire",
    ("POST", r"/v1/refunds"): "refund",
    ("GET", r"/v1/refunds"): "refunds",
    ("GET", r"/v1/payment_intents/pi_[a-z0-9_]+"): "intent",
    ("GET", r"/v1/disputes/dp_[a-z0-9_]+"): "dispute",
}
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

    Routes of the fault script: ``create``, ``retrieve``, ``expire``, ``refund``, ``refunds``,
    ``intent``, ``dispute``. ``clock`` stamps
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
        self.disputes: dict[str, dict[str, Any]] = {}
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
        """Name the route, as in the fault script."""
        for (method, path), name in _ROUTES.items():
            if request.method == method and re.fullmatch(path, request.path):
                return name
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
            "refunds": self._list_refunds,
            "intent": self._retrieve_intent,
            "dispute": self._retrieve_dispute,
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
        intent, asked = fields.get("payment_intent", ""), fields.get("amount", "")
        session = self.sessions.get(intent.removeprefix("pi_"))
        if not session or session["intent"] != "succeeded" or not asked.isdigit():
            return _refused(400, "no such payment")
        if not request.headers.get("idempotency-key"):
            return _refused(400, "no idempotency key")
        if int(asked) > session["amount_total"] - self.given_back(intent):
            return _refused(400, "more than is left")
        return _json(self.give_back(intent, int(asked), fields.get("metadata[refund]", "")))

    def given_back(self, intent: str) -> int:
        """Sum the refunds of a payment intent that have not failed."""
        return sum(
            one["amount"]
            for one in self.refunds
            if one["payment_intent"] == intent and one["status"] != "failed"
        )

    def give_back(self, intent: str, amount: int, key: str = "") -> dict[str, Any]:
        """Give back some of a payment, through the API or in the dashboard, and tell of it."""
        made = {
            "id": f"re_{len(self.refunds) + 1}",
            "object": "refund",
            "status": "succeeded",
            "payment_intent": intent,
            "amount": amount,
            "currency": self.sessions[intent.removeprefix("pi_")]["currency"],
            "metadata": {"refund": key} if key else {},
        }
        self.refunds.append(made)
        self._tell_of(intent, "charge.refunded", {"id": f"ch_{intent}", "object": "charge"})
        return made

    def open_dispute(self, intent: str, amount: int) -> str:
        """Let the buyer's bank dispute a payment."""
        identity = f"dp_{len(self.disputes) + 1}"
        self.disputes[identity] = {
            "id": identity,
            "object": "dispute",
            "amount": amount,
            "currency": self.sessions[intent.removeprefix("pi_")]["currency"],
            "payment_intent": intent,
            "status": "needs_response",
        }
        self._tell_of(intent, "charge.dispute.created", self.disputes[identity])
        return identity

    def close_dispute(self, identity: str, status: str) -> None:
        """Decide a dispute: ``won`` or ``lost``."""
        found = self.disputes[identity]
        found["status"] = status
        self._tell_of(found["payment_intent"], "charge.dispute.closed", found)

    def _tell_of(self, intent: str, kind: str, subject: dict[str, Any]) -> None:
        self.event(kind, {**subject, "payment_intent": intent})
        _, callback = self.sent.pop()
        self.sent.append((intent.removeprefix("pi_"), callback))

    def _list_refunds(self, request: Request, fields: dict[str, str]) -> Response:
        del fields
        asked = dict(parse_qsl(request.query)).get("payment_intent")
        rows = [one for one in self.refunds if one["payment_intent"] == asked]
        return _json({"object": "list", "data": rows, "has_more": False})

    def _retrieve_intent(self, request: Request, fields: dict[str, str]) -> Response:
        del fields
        return self._intent_of(request.path.rpartition("/")[2])

    def _retrieve_dispute(self, request: Request, fields: dict[str, str]) -> Response:
        del fields
        found = self.disputes.get(request.path.rpartition("/")[2])
        if found is None:
            return _refused(404, "no such dispute")
        intent = json.loads(self._intent_of(found["payment_intent"]).body)
        return _json({**found, "payment_intent": intent})

    def _intent_of(self, intent: str) -> Response:
        session = self.sessions.get(intent.removeprefix("pi_"))
        if session is None:
            return _refused(404, "no such payment intent")
        return _json(
            {
                "id": intent,
                "object": "payment_intent",
                "currency": session["currency"],
                "livemode": session["livemode"],
                "status": session["intent"],
                "metadata": {"top_up": session["client_reference_id"]},
            }
        )

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
