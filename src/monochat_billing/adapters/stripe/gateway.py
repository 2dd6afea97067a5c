"""Stripe Checkout as a payment gateway: what a host plugs in.

Owns the calls of Stripe's API and the reading of sessions and events.
Does not own signatures (:mod:`monochat_billing.adapters.stripe.signing`).

A session's id is the payment's id here, because it is known from the first moment and never
changes; the payment intent behind it is looked up when money is to be given back.
"""

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final, final
from urllib.parse import urlencode

import attrs
import stripe

from monochat_billing.adapters.stripe.reading import (
    DISPUTES,
    EVENTS,
    REFUNDS,
    REVERSALS,
    json_object,
    malformed,
    status_of,
    succeeded,
    text_of,
)
from monochat_billing.adapters.stripe.signing import check_webhook
from monochat_billing.errors import GatewayError, InvalidInput
from monochat_billing.gateways import (
    NOBODY,
    Buyer,
    CallbackAnswer,
    Checkout,
    GatewayCapabilities,
    Payment,
    PaymentMode,
    PaymentReference,
    PaymentStatus,
    Refund,
    RefundStatus,
    from_minor,
    to_minor,
)
from monochat_billing.money import Money
from monochat_billing.payments import TopUp

__all__ = ["API_VERSION", "CURRENCIES", "StripeGateway"]

API_VERSION: Final = "2026-10-28.endive"
"""The version of Stripe's API that this adapter was written for, and asks for."""

CURRENCIES: Final = frozenset({"AUD", "CAD", "CHF", "EUR", "GBP", "JPY", "SEK", "TRY", "USD"})
"""Currencies whose smallest unit at Stripe is the one of ISO 4217."""

_LIVE_PREFIXES: Final = ("sk_live_", "rk_live_")


class _RefusedByStripe(Exception):
    """Say that Stripe will never do what it was asked."""


def _utc_now() -> datetime:
    return datetime.now(UTC)


def _secrets(value: str | tuple[str, ...]) -> tuple[str, ...]:
    found: Any = (value,) if isinstance(value, str) else value
    if (
        not isinstance(found, tuple)
        or not found
        or not all(isinstance(one, str) and one.strip() for one in found)
    ):
        raise InvalidInput(
            "webhook_secret",
            f"<{type(value).__name__}>",
            "is blank or no text",
            "pass the endpoint's signing secret, or a tuple of them while it is rotated",
        )
    return found


@final
@attrs.frozen
class StripeGateway:
    """Take payments on Stripe Checkout.

    ``api_key`` is a secret or restricted key; its prefix says whether real money moves.
    ``webhook_secret`` is the endpoint's signing secret, or a tuple of them while it is rotated.
    ``timeout`` bounds each call in seconds, ``retries`` are the SDK's own, which carry an
    idempotency key. ``base_url`` is for tests, ``clock`` judges the age of a signature.

    Raises:
        InvalidInput: a blank key or secret.

    >>> gateway = StripeGateway("sk_test_123", webhook_secret="whsec_123")
    >>> gateway.capabilities.mode, "123" in repr(gateway)
    (<PaymentMode.TEST: 'TEST'>, False)
    """

    api_key: str = attrs.field(repr=False)
    webhook_secret: tuple[str, ...] = attrs.field(kw_only=True, converter=_secrets, repr=False)
    name: str = attrs.field(default="stripe", kw_only=True)
    timeout: int = attrs.field(default=20, kw_only=True)
    retries: int = attrs.field(default=2, kw_only=True)
    base_url: str = attrs.field(default="https://api.stripe.com", kw_only=True)
    clock: Callable[[], datetime] = attrs.field(default=_utc_now, kw_only=True, repr=False)
    _client: stripe.StripeClient = attrs.field(init=False, repr=False, eq=False)

    def __attrs_post_init__(self) -> None:
        if not isinstance(self.api_key, str) or not self.api_key.strip():
            raise InvalidInput("api_key", "<withheld>", "is blank", "pass Stripe's secret key")
        client = stripe.StripeClient(
            self.api_key,
            stripe_version=API_VERSION,
            base_addresses={"api": self.base_url},
            max_network_retries=self.retries,
            http_client=stripe.RequestsClient(timeout=self.timeout),
        )
        object.__setattr__(self, "_client", client)

    @property
    def capabilities(self) -> GatewayCapabilities:
        """Say what Stripe Checkout can do."""
        live = self.api_key.startswith(_LIVE_PREFIXES)
        return GatewayCapabilities(
            currencies=CURRENCIES,
            minimum=(from_minor(50, "USD"), from_minor(50, "EUR"), from_minor(30, "GBP")),
            reference=r"[A-Za-z0-9_-]{1,200}",
            callback_is_proof=False,
            create_is_idempotent=True,
            retrieves=True,
            refunds=True,
            partial_refunds=True,
            refund_is_idempotent=True,
            tells_refunds=True,
            cancels=True,
            mode=PaymentMode.LIVE if live else PaymentMode.TEST,
        )

    def create(self, top_up: TopUp, buyer: Buyer = NOBODY) -> Checkout:  # noqa: ARG002 - Stripe asks the buyer itself
        """Open a Checkout Session, under an idempotency key derived from the top-up.

        Everything that is sent comes from the top-up as it is stored, so a repetition is the same
        request and gives the same session.

        Raises:
            InvalidInput: the amount or the top-up's id does not fit Stripe.
            GatewayError: Stripe did not answer as agreed; in doubt.
        """
        self.capabilities.check(top_up.amount)
        self.capabilities.check_reference(top_up.id)
        back = f"{top_up.return_url}{'&' if '?' in top_up.return_url else '?'}"
        params: dict[str, Any] = {
            "mode": "payment",
            "client_reference_id": top_up.id,
            "metadata": {"top_up": top_up.id},
            "payment_intent_data": {"metadata": {"top_up": top_up.id}},
            "line_items": [
                {
                    "quantity": 1,
                    "price_data": {
                        "currency": top_up.amount.currency.code.lower(),
                        "unit_amount": to_minor(top_up.amount),
                        "product_data": {"name": "Balance top-up"},
                    },
                }
            ],
            # Stripe fills in the braces itself, so they are not percent-encoded.
            "success_url": f"{back}{urlencode({'top_up': top_up.id})}"
            "&session_id={CHECKOUT_SESSION_ID}",
            "cancel_url": top_up.return_url,
        }
        if top_up.profile.email:
            params["customer_email"] = top_up.profile.email
        session = self._call(
            "create",
            lambda: self._client.v1.checkout.sessions.create(
                params,  # type: ignore[arg-type]  # a plain dict of the documented fields
                {"idempotency_key": f"top-up-{top_up.id}"},
            ),
        )
        url, expires_at = session.get("url"), session.get("expires_at")
        if not isinstance(url, str) or not isinstance(session.get("id"), str):
            raise GatewayError(self.name, "create", "the session has no id or no URL")
        return Checkout(
            top_up=top_up.id,
            gateway=self.name,
            amount=top_up.amount,
            redirect_url=url,
            reference=session["id"],
            expires_at=(
                datetime.fromtimestamp(expires_at, UTC) if isinstance(expires_at, int) else None
            ),
        )

    def retrieve(self, reference: PaymentReference) -> Payment:
        """Ask Stripe for the session; a top-up that never got one is open.

        Of a dispute it is asked what has become of it, of a payment intent what went back.

        Raises:
            GatewayError: Stripe did not answer as agreed.
        """
        if reference.dispute:
            return self._dispute(reference.dispute)
        session_id = reference.checkout or reference.payment
        if session_id.startswith("pi_"):
            return self._refunded(session_id)
        if not session_id:
            return Payment(
                gateway=self.name,
                top_up=reference.top_up,
                payment="",
                status=PaymentStatus.OPEN,
                mode=self.capabilities.mode,
            )
        session = self._session(session_id)
        return self._read("retrieve", session, "")

    def parse_callback(self, headers: Mapping[str, str], body: bytes) -> Payment:
        """Verify a webhook and read it; ``body`` is the raw bytes that came.

        What is no event of a Checkout Session is ``OTHER``.

        Raises:
            ForgedCallback: the signature is missing, repeated, malformed, wrong or too old.
            InvalidInput: the webhook is signed but malformed, naming ``callback.<field>``.

        >>> gateway = StripeGateway("sk_test_123", webhook_secret="whsec_123")
        >>> gateway.parse_callback({}, b"{}")  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        monochat_billing.errors.ForgedCallback: Stripe-Signature: None is missing; hand over ...
        """
        check_webhook(self.webhook_secret, headers, body, int(self.clock().timestamp()))
        event = json_object(body)
        kind = text_of(event, "type")
        data = event.get("data")
        subject = data.get("object") if isinstance(data, dict) else None
        if not isinstance(subject, dict):
            raise malformed("data.object", None, "is missing")
        if kind in REVERSALS:
            return self._reversal(kind, subject)
        if kind not in EVENTS:
            return self._other(kind, subject)
        try:
            payment = self._read("webhook", subject, kind)
        except GatewayError as error:
            raise malformed("data.object", "<session>", error.detail) from error
        decided = EVENTS[kind]
        if decided is None or payment.status is PaymentStatus.PAID:
            return payment
        return attrs.evolve(payment, status=decided, amount=None)

    def answer(self, payment: Payment) -> CallbackAnswer:  # noqa: ARG002 - other gateways need it
        """Give what Stripe wants to hear: any 2xx."""
        return CallbackAnswer()

    def refund(self, reference: PaymentReference, amount: Money, *, key: str) -> Refund:
        """Give back all or part of a payment; the same key gives it back once, whenever it comes.

        Stripe forgets idempotency keys after a while, so a refund that is known is looked up.

        Raises:
            InvalidInput: the payment is not named, or the amount is finer than a cent.
            GatewayError: Stripe did not answer as agreed; in doubt.
        """
        intent = self._intent(reference)
        made = self._refund_of(intent, key)
        if made is None:
            asked: Any = {
                "payment_intent": intent,
                "amount": to_minor(amount),
                "metadata": {"top_up": reference.top_up, "refund": key},
            }
            try:
                made = self._call(
                    "refund",
                    lambda: self._client.v1.refunds.create(
                        asked, {"idempotency_key": f"refund-{key}"}
                    ),
                )
            except _RefusedByStripe:
                return Refund(
                    gateway=self.name, refund="", amount=amount, status=RefundStatus.FAILED
                )
        status = REFUNDS.get(str(made.get("status")), RefundStatus.FAILED)
        return Refund(
            gateway=self.name, refund=str(made.get("id", "")), amount=amount, status=status
        )

    def refunded(self, reference: PaymentReference, currency: str) -> Money:
        """Sum the refunds of a payment that have succeeded.

        Raises:
            InvalidInput: the payment is not named.
            GatewayError: Stripe did not answer as agreed.
        """
        refunds = self._refunds(self._intent(reference))
        return from_minor(succeeded(refunds), currency)

    def cancel(self, reference: PaymentReference) -> Payment:
        """Expire an open session; one that is paid or closed already is returned as it is.

        Raises:
            InvalidInput: the session is not named.
            GatewayError: Stripe did not answer as agreed; in doubt.
        """
        session_id = self._known(reference)
        current = self._session(session_id)
        if current.get("status") != "open":
            return self._read("cancel", current, "")
        session = self._call("cancel", lambda: self._client.v1.checkout.sessions.expire(session_id))
        return self._read("cancel", session, "")

    def _intent(self, reference: PaymentReference) -> str:
        if reference.payment.startswith("pi_"):
            return reference.payment
        session = self._session(reference.payment or self._known(reference))
        intent = session.get("payment_intent")
        found = intent.get("id") if isinstance(intent, dict) else intent
        if not isinstance(found, str):
            raise GatewayError(self.name, "refund", "the session has no payment yet")
        return found

    def _refunds(self, intent: str) -> list[dict[str, Any]]:
        page = self._call(
            "refunds",
            lambda: self._client.v1.refunds.list({"payment_intent": intent, "limit": 100}),
        )
        rows = page.get("data")
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise GatewayError(self.name, "refunds", "the answer is no list")
        return rows

    def _refund_of(self, intent: str, key: str) -> dict[str, Any] | None:
        for row in self._refunds(intent):
            metadata = row.get("metadata")
            if isinstance(metadata, dict) and metadata.get("refund") == key:
                return row
        return None

    def _refunded(self, intent_id: str) -> Payment:
        """Say how much of a payment intent has gone back."""
        intent = self._call("retrieve", lambda: self._client.v1.payment_intents.retrieve(intent_id))
        currency = intent.get("currency")
        if not isinstance(currency, str):
            raise GatewayError(self.name, "retrieve", "the payment has no currency")
        amount = from_minor(succeeded(self._refunds(intent_id)), currency.upper())
        return self._reversed(intent, PaymentStatus.REFUNDED, amount, "")

    def _dispute(self, identity: str) -> Payment:
        """Say what has become of a dispute; an inquiry that takes no money is only noted."""
        dispute = self._call(
            "retrieve",
            lambda: self._client.v1.disputes.retrieve(identity, {"expand": ["payment_intent"]}),
        )
        intent, amount, currency = (
            dispute.get("payment_intent"),
            dispute.get("amount"),
            dispute.get("currency"),
        )
        if not isinstance(intent, dict) or type(amount) is not int or not isinstance(currency, str):
            raise GatewayError(self.name, "retrieve", "the dispute names no payment or amount")
        status = DISPUTES.get(str(dispute.get("status")), PaymentStatus.OTHER)
        disputed = from_minor(amount, currency.upper())
        return self._reversed(intent, status, disputed, identity)

    def _reversed(
        self, intent: Mapping[str, Any], status: PaymentStatus, amount: Money, dispute: str
    ) -> Payment:
        live = intent.get("livemode")
        return attrs.evolve(
            self._other("retrieved", intent),
            status=status,
            amount=amount,
            mode=PaymentMode.LIVE if live is True else PaymentMode.TEST,
            dispute=dispute,
        )

    def _reversal(self, kind: str, subject: Mapping[str, Any]) -> Payment:
        """Read which refund or dispute a webhook is about; the rest is asked for."""
        intent = subject.get("payment_intent")
        told = attrs.evolve(
            self._other(kind, subject), payment=intent if isinstance(intent, str) else ""
        )
        if not told.payment:
            return told
        if not kind.startswith("charge.dispute."):
            return attrs.evolve(told, status=PaymentStatus.REFUNDED)
        identity = subject.get("id")
        if not isinstance(identity, str) or not identity:
            raise malformed("data.object.id", None, "is missing")
        return attrs.evolve(told, status=PaymentStatus.DISPUTED, dispute=identity)

    def _known(self, reference: PaymentReference) -> str:
        session_id = reference.checkout or reference.payment
        if not session_id:
            raise InvalidInput("reference", reference.top_up, "names no session", "retrieve it")
        return session_id

    def _session(self, session_id: str) -> dict[str, Any]:
        return self._call(
            "retrieve",
            lambda: self._client.v1.checkout.sessions.retrieve(
                session_id, {"expand": ["payment_intent"]}
            ),
        )

    def _call(self, operation: str, ask: Callable[[], Any]) -> dict[str, Any]:
        """Call Stripe; its messages are not passed on, since they may repeat what was sent."""
        try:
            answer = ask()
        except stripe.StripeError as error:
            if operation == "refund" and isinstance(error, stripe.InvalidRequestError):
                raise _RefusedByStripe from None
            told = f"{type(error).__name__} {error.http_status or ''} {error.code or ''}".split()
            raise GatewayError(self.name, operation, " ".join(told)) from None
        return json.loads(str(answer), parse_float=Decimal)  # type: ignore[no-any-return]

    def _read(self, operation: str, session: Mapping[str, Any], kind: str) -> Payment:
        identity, currency = session.get("id"), session.get("currency")
        total, ours = session.get("amount_total"), session.get("client_reference_id")
        live = session.get("livemode")
        if (
            not isinstance(identity, str)
            or not isinstance(live, bool)
            or not isinstance(ours, str | None)
            or session.get("object") != "checkout.session"
        ):
            raise GatewayError(self.name, operation, "the answer is no session")
        status = status_of(session)
        amount = None
        if status in (PaymentStatus.PAID, PaymentStatus.PENDING):
            if type(total) is not int or not isinstance(currency, str):
                raise GatewayError(self.name, operation, "the session has no amount")
            try:
                amount = from_minor(total, currency.upper())
            except InvalidInput as error:
                raise GatewayError(self.name, operation, error.problem) from error
        return Payment(
            gateway=self.name,
            top_up=ours or "",
            payment=identity,
            status=status,
            amount=amount,
            mode=PaymentMode.LIVE if live else PaymentMode.TEST,
            checkout=identity,
            kind=kind,
        )

    def _other(self, kind: str, subject: Mapping[str, Any]) -> Payment:
        metadata = subject.get("metadata")
        ours = metadata.get("top_up") if isinstance(metadata, dict) else None
        identity = subject.get("id")
        return Payment(
            gateway=self.name,
            top_up=ours if isinstance(ours, str) else "",
            payment=identity if isinstance(identity, str) else "",
            status=PaymentStatus.OTHER,
            kind=kind,
        )
