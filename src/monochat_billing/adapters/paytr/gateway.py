"""PayTR's iFrame as a payment gateway: what a host plugs in.

Owns the requests, the reading of callbacks and answers, and what of them is believed.
Does not own hashes and order ids (``signing``) nor transport (``client``).

A callback's hash covers the order, its status and the total, and that is proof. The currency and
the test mode stand beside it unsigned: they can only send a payment to quarantine, because what
they have to match is what we stored when we asked for the token.
"""

import base64
import json
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from ipaddress import AddressValueError, IPv4Address
from typing import Any, Final, final
from urllib.parse import parse_qsl

import attrs
import httpx

from monochat_billing.adapters.paytr.client import PaytrClient
from monochat_billing.adapters.paytr.signing import (
    REFERENCE,
    callback_hash,
    from_order_id,
    refund_token,
    same,
    status_token,
    to_order_id,
    token_request_hash,
)
from monochat_billing.errors import ForgedCallback, GatewayError, InvalidInput
from monochat_billing.gateways import (
    NOBODY,
    Buyer,
    CallbackAnswer,
    Checkout,
    CheckoutKind,
    GatewayCapabilities,
    Payment,
    PaymentMode,
    PaymentReference,
    PaymentStatus,
    Refund,
    RefundStatus,
    from_minor,
    not_offered,
    to_minor,
)
from monochat_billing.money import Money, amount_text, money
from monochat_billing.payments import TopUp

__all__ = ["LIVE_URL", "PaytrGateway"]

LIVE_URL: Final = "https://www.paytr.com"
"""PayTR has one address; its test mode is a field of the request."""

_TOKEN: Final = "/odeme/api/get-token"  # noqa: S105 - a path
_STATUS: Final = "/odeme/durum-sorgu"
_REFUND: Final = "/odeme/iade"
_FRAME: Final = "/odeme/guvenli/"
_MINUTES: Final = 30
_NO_SUCCESS: Final = "004"
_LONGEST_CALLBACK: Final = 64 * 1024
_LONGEST_EMAIL: Final = 100
_CURRENCIES: Final = {"TRY": "TL", "USD": "USD", "EUR": "EUR", "GBP": "GBP"}
_CODES: Final = {**{theirs: ours for ours, theirs in _CURRENCIES.items()}, "TRY": "TRY"}
_KURUS: Final = re.compile(r"[0-9]{1,15}", re.ASCII)
_AMOUNT: Final = re.compile(r"[0-9]{1,13}(?:[.,][0-9]{1,2})?", re.ASCII)
_SIGNED: Final = ("merchant_oid", "status", "total_amount", "hash")


def _utc_now() -> datetime:
    return datetime.now(UTC)


def _client(gateway: "PaytrGateway") -> PaytrClient:
    return PaytrClient(
        base_url=gateway.base_url,
        timeout=gateway.timeout,
        transport=gateway.transport,
        gateway=gateway.name,
    )


@final
@attrs.frozen
class PaytrGateway:
    """Take payments in PayTR's iFrame.

    ``merchant_key`` and ``merchant_salt`` are the merchant's secrets. ``mode`` TEST asks for
    payments that move no money. ``installments`` is the largest number of instalments offered, 1
    for none. ``timeout`` bounds each wait in seconds; ``base_url`` and ``transport`` are for
    tests, ``clock`` says when a token closes.

    Raises:
        InvalidInput: a blank merchant id, key or salt.

    >>> gateway = PaytrGateway("1", merchant_key="key", merchant_salt="salt")
    >>> gateway.capabilities.check(money("0.99", "TRY"))  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    monochat_billing.errors.InvalidInput: amount: '0.99' is below the gateway's minimum; pay at ...
    >>> gateway.close()
    """

    merchant_id: str
    merchant_key: str = attrs.field(kw_only=True, repr=False)
    merchant_salt: str = attrs.field(kw_only=True, repr=False)
    name: str = attrs.field(default="paytr", kw_only=True)
    mode: PaymentMode = attrs.field(default=PaymentMode.LIVE, kw_only=True)
    installments: int = attrs.field(default=1, kw_only=True)
    base_url: str = attrs.field(default=LIVE_URL, kw_only=True)
    timeout: int = attrs.field(default=20, kw_only=True)
    transport: httpx.BaseTransport | None = attrs.field(default=None, kw_only=True, repr=False)
    clock: Callable[[], datetime] = attrs.field(default=_utc_now, kw_only=True, repr=False)
    _client: PaytrClient = attrs.field(
        init=False, repr=False, eq=False, default=attrs.Factory(_client, takes_self=True)
    )

    def __attrs_post_init__(self) -> None:
        for field in ("merchant_id", "merchant_key", "merchant_salt"):
            value = getattr(self, field)
            if not isinstance(value, str) or not value.strip():
                raise InvalidInput(field, "<withheld>", "is blank", "copy it from PayTR's panel")

    def close(self) -> None:
        """Close the connections that are kept open."""
        self._client.close()

    @property
    def capabilities(self) -> GatewayCapabilities:
        """Say what the iFrame can do."""
        return GatewayCapabilities(
            currencies=frozenset(_CURRENCIES),
            minimum=tuple(money("1", code) for code in sorted(_CURRENCIES)),
            reference=REFERENCE,
            callback_is_proof=True,
            create_is_idempotent=False,
            retrieves=True,
            refunds=True,
            partial_refunds=True,
            mode=self.mode,
        )

    def create(self, top_up: TopUp, buyer: Buyer = NOBODY) -> Checkout:
        """Ask for an iFrame token.

        A second token for the same order is another door to the same order, which PayTR takes one
        payment for.

        Raises:
            InvalidInput: the amount or the id does not fit, or something about the buyer is missing
                that PayTR demands: an ASCII e-mail address, an IPv4 address.
            GatewayError: PayTR did not answer as agreed; in doubt.
        """
        self.capabilities.check(top_up.amount)
        answer = self._client.post(_TOKEN, self._token_request(top_up, buyer))
        token = answer.get("token")
        if answer.get("status") != "success":
            raise GatewayError(self.name, "create", "PayTR refused the request")
        if not isinstance(token, str) or not re.fullmatch(r"[A-Za-z0-9_-]{1,256}", token):
            raise GatewayError(self.name, "create", "the answer has no token")
        return Checkout(
            top_up=top_up.id,
            gateway=self.name,
            amount=top_up.amount,
            redirect_url=f"{self.base_url}{_FRAME}{token}",
            kind=CheckoutKind.IFRAME,
            reference=token,
            expires_at=self.clock() + timedelta(minutes=_MINUTES),
        )

    def retrieve(self, reference: PaymentReference) -> Payment:
        """Ask for the status of an order; PayTR knows only successes, all else is open.

        Raises:
            GatewayError: PayTR did not answer as agreed.
        """
        order = to_order_id(reference.top_up)
        token = status_token(self.merchant_key, self.merchant_salt, self.merchant_id, order)
        answer = self._client.post(
            _STATUS,
            {"merchant_id": self.merchant_id, "merchant_oid": order, "paytr_token": token},
        )
        if answer.get("status") == "success":
            return self._paid(order, reference.top_up, answer)
        if str(answer.get("err_no")) != _NO_SUCCESS:
            raise GatewayError(self.name, "retrieve", "PayTR refused the question")
        return Payment(
            gateway=self.name,
            top_up=reference.top_up,
            payment=order,
            status=PaymentStatus.OPEN,
            mode=self.mode,
        )

    def parse_callback(self, headers: Mapping[str, str], body: bytes) -> Payment:  # noqa: ARG002 - as in the protocol
        """Verify a callback and read it; ``body`` is the raw form that came.

        Raises:
            ForgedCallback: the hash is missing, repeated or wrong.
            InvalidInput: the callback is signed but malformed, naming ``callback.<field>``.

        >>> gateway = PaytrGateway("1", merchant_key="key", merchant_salt="salt")
        >>> gateway.parse_callback({}, b"status=success")  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        monochat_billing.errors.ForgedCallback: hash: None is missing; hand over the raw ...
        >>> gateway.close()
        """
        fields = self._verified(body)
        order, status, total = fields["merchant_oid"], fields["status"], fields["total_amount"]
        top_up = from_order_id(order)
        said = Payment(
            gateway=self.name,
            top_up=top_up,
            payment=order,
            status=PaymentStatus.OTHER,
            mode=PaymentMode.TEST if fields.get("test_mode", "0") == "1" else PaymentMode.LIVE,
            kind=status[:100],
        )
        if status == "failed":
            return attrs.evolve(said, status=PaymentStatus.FAILED)
        if status != "success":
            return said
        currency = _CODES.get(fields.get("currency", "TL"))
        if currency is None or not _KURUS.fullmatch(total):
            raise InvalidInput(
                "callback.currency" if currency is None else "callback.total_amount",
                None,
                "is none that PayTR takes",
                "look at the payment in PayTR's panel",
            )
        return attrs.evolve(
            said, status=PaymentStatus.PAID, amount=from_minor(int(total), currency)
        )

    def answer(self, payment: Payment) -> CallbackAnswer:  # noqa: ARG002 - other gateways need it
        """Give what PayTR wants to hear: the two letters OK and nothing else."""
        return CallbackAnswer(body="OK")

    def refund(self, reference: PaymentReference, amount: Money, *, key: str) -> Refund:
        """Give back all or part of a payment; repeated, it would be given back twice.

        Raises:
            InvalidInput: the payment is not named, or the amount is finer than a kuruş.
            GatewayError: PayTR did not answer as agreed; in doubt, ask for the order's status
                before you ask again.
        """
        order = reference.payment or to_order_id(reference.top_up)
        text = amount_text(from_minor(to_minor(amount), amount.currency.code))
        token = refund_token(self.merchant_key, self.merchant_salt, self.merchant_id, order, text)
        answer = self._client.post(
            _REFUND,
            {
                "merchant_id": self.merchant_id,
                "merchant_oid": order,
                "return_amount": text,
                "reference_no": to_order_id(key),
                "paytr_token": token,
            },
        )
        done = answer.get("status") == "success"
        return Refund(
            gateway=self.name,
            refund=to_order_id(key) if done else "",
            amount=amount,
            status=RefundStatus.DONE if done else RefundStatus.FAILED,
        )

    def refunded(self, reference: PaymentReference, currency: str) -> Money:  # noqa: ARG002 - as in the protocol
        """Refuse: what PayTR says of refunds is not documented well enough to rest money on.

        Raises:
            InvalidInput: always.
        """
        raise not_offered(self.name, "refunded", "look at the order in PayTR's panel")

    def cancel(self, reference: PaymentReference) -> Payment:  # noqa: ARG002 - as in the protocol
        """Refuse: a token closes by itself, half an hour after it was given.

        Raises:
            InvalidInput: always.
        """
        raise not_offered(self.name, "cancel", "let the token expire")

    def _token_request(self, top_up: TopUp, buyer: Buyer) -> dict[str, str]:
        profile = top_up.profile
        email = buyer.email or profile.email or ""
        if not email.isascii() or not 0 < len(email) <= _LONGEST_EMAIL:
            raise _missing("email", "an ASCII e-mail address of up to 100 characters")
        try:
            user_ip = str(IPv4Address(buyer.ip))
        except AddressValueError:
            raise _missing("ip", "the buyer's IPv4 address") from None
        price = amount_text(top_up.amount)
        basket = json.dumps([["Balance top-up", price, 1]], separators=(",", ":"))
        signed = {
            "merchant_id": self.merchant_id,
            "user_ip": user_ip,
            "merchant_oid": to_order_id(top_up.id),
            "email": email,
            "payment_amount": str(to_minor(top_up.amount)),
            "user_basket": base64.b64encode(basket.encode()).decode(),
            "no_installment": "1" if self.installments <= 1 else "0",
            "max_installment": "0" if self.installments <= 1 else str(self.installments),
            "currency": _CURRENCIES[top_up.amount.currency.code],
            "test_mode": "1" if self.mode is PaymentMode.TEST else "0",
        }
        return {
            **signed,
            "paytr_token": token_request_hash(
                self.merchant_key, self.merchant_salt, *signed.values()
            ),
            "user_name": (f"{buyer.name} {buyer.surname}".strip() or profile.business_name)[:60],
            "user_address": str(profile.address)[:400],
            "user_phone": buyer.phone[:20] or "0",
            "merchant_ok_url": top_up.return_url,
            "merchant_fail_url": top_up.return_url,
            "timeout_limit": str(_MINUTES),
            "lang": "tr",
        }

    def _verified(self, body: bytes) -> dict[str, str]:
        raw: Any = body
        if not isinstance(raw, bytes) or len(raw) > _LONGEST_CALLBACK:
            raise _forged("<body>", "belongs to no bytes, or to too many")
        try:
            pairs = parse_qsl(
                body.decode("ascii"),
                keep_blank_values=True,
                strict_parsing=True,
                errors="strict",
                max_num_fields=50,
            )
        except ValueError:
            raise _forged("<withheld>", "belongs to no form") from None
        fields = dict(pairs)
        if len(fields) != len(pairs):
            raise _forged("<withheld>", "belongs to a form that names a field twice")
        if not all(name in fields for name in _SIGNED):
            raise _forged(None, "is missing")
        expected = callback_hash(
            self.merchant_key,
            self.merchant_salt,
            order=fields["merchant_oid"],
            status=fields["status"],
            total=fields["total_amount"],
        )
        if not same(expected, fields["hash"]):
            raise _forged("<withheld>", "does not fit the form")
        return fields

    def _paid(self, order: str, top_up: str, answer: Mapping[str, Any]) -> Payment:
        currency = _CODES.get(str(answer.get("currency")))
        text = str(answer.get("payment_total", ""))
        if currency is None or not _AMOUNT.fullmatch(text):
            raise GatewayError(self.name, "retrieve", "the answer has no amount")
        whole, _, decimals = text.replace(",", ".").partition(".")
        mode = answer.get("test_mode")
        modes = {"0": PaymentMode.LIVE, "1": PaymentMode.TEST}
        return Payment(
            gateway=self.name,
            top_up=top_up,
            payment=order,
            status=PaymentStatus.PAID,
            amount=from_minor(int(whole) * 100 + int(decimals.ljust(2, "0")), currency),
            mode=modes.get(str(mode), self.mode),
        )


def _missing(field: str, what: str) -> InvalidInput:
    return InvalidInput(
        f"buyer.{field}", None, f"is not {what}", f"pass Buyer({field}=…) to top_ups.start"
    )


def _forged(value: str | None, problem: str) -> ForgedCallback:
    return ForgedCallback(
        "hash", value, problem, "hand over the raw form as it came, and check key and salt"
    )
