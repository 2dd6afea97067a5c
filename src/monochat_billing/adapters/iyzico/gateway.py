"""iyzico's checkout form as a payment gateway: what a host plugs in.

Owns the requests, the reading of answers and webhooks, and what of them is believed.
Does not own signatures (``signing``) nor transport (``client``).

Neither a webhook nor the buyer's return moves money: both only name a form, and the form's result
is retrieved. A success is believed when its signature verifies, its fraud status is 1, and our own
reference stands in it as the basket id, which iyzico signs.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final, final
from urllib.parse import parse_qsl

import attrs
import httpx

from monochat_billing.adapters.iyzico.client import IyzicoClient
from monochat_billing.adapters.iyzico.messages import checkout_request, given_back
from monochat_billing.adapters.iyzico.signing import (
    SIGNATURE_HEADER,
    canonical_price,
    response_signature,
    same,
    webhook_signature,
)
from monochat_billing.errors import ForgedCallback, GatewayError, InvalidInput
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
    not_offered,
)
from monochat_billing.money import Money, amount_text, money
from monochat_billing.payments import TopUp

__all__ = ["LIVE_URL", "SANDBOX_URL", "IyzicoGateway"]

LIVE_URL: Final = "https://api.iyzipay.com"
"""Where real money moves."""

SANDBOX_URL: Final = "https://sandbox-api.iyzipay.com"
"""Where no real money moves."""

_INITIALIZE: Final = "/payment/iyzipos/checkoutform/initialize/auth/ecom"
_FORM_RESULT: Final = "/payment/iyzipos/checkoutform/auth/ecom/detail"
_PAYMENT_DETAIL: Final = "/payment/detail"
_REFUND: Final = "/v2/payment/refund"
_REPORT: Final = "/v2/reporting/payment/details"

_LONGEST_CALLBACK: Final = 64 * 1024
_LONGEST_TOKEN: Final = 128
_DETAIL_SIGNED: Final = (
    "paymentId",
    "currency",
    "basketId",
    "conversationId",
    "paidPrice",
    "price",
)
_FORM_SIGNED: Final = ("paymentStatus", *_DETAIL_SIGNED, "token")
_STATUSES: Final = {"SUCCESS": PaymentStatus.PAID, "FAILURE": PaymentStatus.FAILED}
_FRAUD: Final = {1: PaymentStatus.PAID, 0: PaymentStatus.PENDING, -1: PaymentStatus.FAILED}
_OUR_FAULT: Final = frozenset({"1", "11", "1000", "1001", "1002", "100001"})
_BANK_CODE_DIGITS: Final = 5
_FORM_EVENTS: Final = ("CHECKOUT_FORM_AUTH", "THREE_DS_AUTH", "BALANCE", "CONTACTLESS")


def _utc_now() -> datetime:
    return datetime.now(UTC)


def _client(gateway: "IyzicoGateway") -> IyzicoClient:
    return IyzicoClient(
        api_key=gateway.api_key,
        secret=gateway.secret,
        base_url=gateway.base_url,
        timeout=gateway.timeout,
        transport=gateway.transport,
        gateway=gateway.name,
    )


@final
@attrs.frozen
class IyzicoGateway:
    """Take payments on iyzico's checkout form.

    ``callback_url`` is the host's address that the buyer's browser posts the form's token to.
    ``installments`` are the numbers of instalments offered, none by default. ``timeout`` bounds
    each wait in seconds. ``base_url`` says whether real money moves. ``transport`` replaces the
    network, ``clock`` says when a form closes.

    Raises:
        InvalidInput: a blank key or secret.

    >>> gateway = IyzicoGateway(
    ...     "key", "secret", callback_url="https://shop.example/iyzico", base_url=SANDBOX_URL
    ... )
    >>> gateway.capabilities.mode, "secret" in repr(gateway)
    (<PaymentMode.TEST: 'TEST'>, False)
    >>> gateway.close()
    """

    api_key: str = attrs.field(repr=False)
    secret: str = attrs.field(repr=False)
    callback_url: str = attrs.field(kw_only=True)
    name: str = attrs.field(default="iyzico", kw_only=True)
    base_url: str = attrs.field(default=LIVE_URL, kw_only=True)
    installments: tuple[int, ...] = attrs.field(default=(1,), kw_only=True)
    timeout: int = attrs.field(default=20, kw_only=True)
    transport: httpx.BaseTransport | None = attrs.field(default=None, kw_only=True, repr=False)
    clock: Callable[[], datetime] = attrs.field(default=_utc_now, kw_only=True, repr=False)
    _client: IyzicoClient = attrs.field(
        init=False, repr=False, eq=False, default=attrs.Factory(_client, takes_self=True)
    )

    def __attrs_post_init__(self) -> None:
        for field in ("api_key", "secret"):
            value = getattr(self, field)
            if not isinstance(value, str) or not value.strip():
                raise InvalidInput(field, "<withheld>", "is blank", "copy it from iyzico's panel")

    def close(self) -> None:
        """Close the connections that are kept open."""
        self._client.close()

    @property
    def capabilities(self) -> GatewayCapabilities:
        """Say what the checkout form can do."""
        return GatewayCapabilities(
            currencies=frozenset({"CHF", "EUR", "GBP", "NOK", "TRY", "USD"}),
            minimum=(money("1", "TRY"),),
            reference=r"[A-Za-z0-9_-]{1,64}",
            callback_is_proof=False,
            create_is_idempotent=False,
            retrieves=True,
            refunds=True,
            partial_refunds=True,
            tells_refunds=True,
            mode=PaymentMode.LIVE if self.base_url == LIVE_URL else PaymentMode.TEST,
        )

    def create(self, top_up: TopUp, buyer: Buyer = NOBODY) -> Checkout:
        """Initialize a checkout form.

        iyzico would make a second form for the same top-up; nobody is ever sent to a form whose
        answer was lost, so only one of them can be paid.

        Raises:
            InvalidInput: the amount does not fit, or something about the buyer is missing that
                iyzico demands: an e-mail address, an IP address.
            GatewayError: iyzico did not answer as agreed; in doubt.
        """
        self.capabilities.check(top_up.amount)
        self.capabilities.check_reference(top_up.id)
        request = checkout_request(top_up, buyer, self.callback_url, self.installments)
        answer = self._client.post(_INITIALIZE, request)
        if answer.get("status") != "success":
            raise GatewayError(self.name, "create", f"refused with {_code(answer)}")
        token, url = answer.get("token"), answer.get("paymentPageUrl")
        lasts = answer.get("tokenExpireTime")
        if not isinstance(token, str) or not isinstance(url, str) or type(lasts) is not int:
            raise GatewayError(self.name, "create", "the answer has no form")
        self._verify("create", answer, ("conversationId", "token"))
        return Checkout(
            top_up=top_up.id,
            gateway=self.name,
            amount=top_up.amount,
            redirect_url=url,
            reference=token,
            expires_at=self.clock() + timedelta(seconds=lasts),
        )

    def retrieve(self, reference: PaymentReference) -> Payment:
        """Ask for a form's result by its token, or for a payment by our own reference.

        Raises:
            GatewayError: iyzico did not answer as agreed, or its signature does not verify.
        """
        request = {"locale": "tr", "conversationId": reference.top_up or "retrieve"}
        if reference.checkout:
            answer = self._client.post(_FORM_RESULT, {**request, "token": reference.checkout})
            signed: Sequence[str] = _FORM_SIGNED
        else:
            asked = {**request, "paymentConversationId": reference.top_up}
            answer = self._client.post(_PAYMENT_DETAIL, asked)
            signed = _DETAIL_SIGNED
        return self._result(reference, answer, signed)

    def parse_callback(self, headers: Mapping[str, str], body: bytes) -> Payment:
        """Read a webhook, or the form that the buyer's browser posts on its way back.

        A webhook has to be signed. The browser's form is not, so all that is taken from it is
        which form to ask about. Neither is proof.

        Raises:
            ForgedCallback: the signature is missing, repeated or wrong.
            InvalidInput: the webhook is signed but malformed, naming ``callback.<field>``.
        """
        wanted = SIGNATURE_HEADER.lower()
        found: list[Any] = [value for name, value in headers.items() if str(name).lower() == wanted]
        raw: Any = body
        if not isinstance(raw, bytes) or len(raw) > _LONGEST_CALLBACK:
            raise _forged("<body>", "belongs to no bytes, or to too many")
        if not found:
            return self._returned(body)
        if len(found) > 1:
            raise _forged(f"{len(found)} headers", "is repeated")
        if not isinstance(found[0], str):
            raise _forged("<unreadable>", "is malformed")
        return self._webhook(found[0], body)

    def answer(self, payment: Payment) -> CallbackAnswer:  # noqa: ARG002 - other gateways need it
        """Give what iyzico wants to hear: any 2xx; send a returning browser on instead."""
        return CallbackAnswer()

    def refund(self, reference: PaymentReference, amount: Money, *, key: str) -> Refund:
        """Give back all or part of a payment; repeated, it would be given back twice.

        Raises:
            InvalidInput: the payment is not named.
            GatewayError: iyzico did not answer as agreed; in doubt, look it up in iyzico's panel
                before you ask again.
        """
        if not reference.payment:
            raise InvalidInput("reference", reference.top_up, "names no payment", "retrieve it")
        answer = self._client.post(
            _REFUND,
            {
                "locale": "tr",
                "conversationId": key,
                "paymentId": reference.payment,
                "price": amount_text(amount),
                "currency": amount.currency.code,
                "ip": "127.0.0.1",
            },
        )
        done = answer.get("status") == "success"
        return Refund(
            gateway=self.name,
            refund=str(answer.get("hostReference") or key) if done else "",
            amount=amount,
            status=RefundStatus.DONE if done else RefundStatus.FAILED,
        )

    def refunded(self, reference: PaymentReference, currency: str) -> Money:
        """Ask iyzico's report of a payment how much of it has gone back, cancellations included.

        Raises:
            InvalidInput: the payment is not named.
            GatewayError: iyzico did not answer as agreed.
        """
        if not reference.payment:
            raise InvalidInput("reference", reference.top_up, "names no payment", "retrieve it")
        answer = self._client.get(_REPORT, {"paymentId": reference.payment})
        try:
            return money(given_back(answer, reference.payment), currency)
        except (ValueError, InvalidInput) as error:
            raise GatewayError(self.name, "refunded", f"the report {error}") from None

    def cancel(self, reference: PaymentReference) -> Payment:  # noqa: ARG002 - as in the protocol
        """Refuse: a form closes by itself, half an hour after it was opened.

        Raises:
            InvalidInput: always.
        """
        raise not_offered(self.name, "cancel", "let the form expire")

    # ------------------------------------------------------------------------------- answers

    def _result(
        self, reference: PaymentReference, answer: Mapping[str, Any], signed: Sequence[str]
    ) -> Payment:
        status = self._status(answer)
        if status not in (PaymentStatus.PAID, PaymentStatus.PENDING):
            return self._payment(answer, reference, status, None)
        self._verify("retrieve", answer, signed)
        if reference.checkout and answer.get("token") != reference.checkout:
            raise GatewayError(self.name, "retrieve", "the answer is about another form")
        try:
            amount = money(_price(answer.get("paidPrice")), str(answer.get("currency")))
        except InvalidInput as error:
            raise GatewayError(self.name, "retrieve", f"the amount {error.problem}") from error
        return self._payment(answer, reference, status, amount)

    def _status(self, answer: Mapping[str, Any]) -> PaymentStatus:
        """Judge an answer; what is no success is never an error that hides one."""
        if answer.get("status") == "success":
            status = _STATUSES.get(str(answer.get("paymentStatus", "SUCCESS")), PaymentStatus.OPEN)
            if status is not PaymentStatus.PAID:
                return status
            fraud = answer.get("fraudStatus")
            return _FRAUD.get(fraud if type(fraud) is int else 0, PaymentStatus.PENDING)
        if answer.get("status") != "failure":
            raise GatewayError(self.name, "retrieve", "the answer has no status")
        code = _code(answer)
        if code in _OUR_FAULT:
            raise GatewayError(self.name, "retrieve", f"refused with {code}")
        declined = len(code) == _BANK_CODE_DIGITS or answer.get("paymentStatus") == "FAILURE"
        return PaymentStatus.FAILED if declined else PaymentStatus.OPEN

    def _payment(
        self,
        answer: Mapping[str, Any],
        reference: PaymentReference,
        status: PaymentStatus,
        amount: Money | None,
    ) -> Payment:
        basket, payment = answer.get("basketId"), answer.get("paymentId")
        return Payment(
            gateway=self.name,
            # A success names our top-up in a signed field; else it is what was asked for.
            top_up=basket if isinstance(basket, str) and basket else reference.top_up,
            payment=str(payment) if isinstance(payment, str | int) else reference.payment,
            status=status,
            amount=amount,
            mode=self.capabilities.mode,
            checkout=reference.checkout,
        )

    def _verify(self, operation: str, answer: Mapping[str, Any], signed: Sequence[str]) -> None:
        given = answer.get("signature")
        values = [
            _price(answer.get(name)) if name in ("price", "paidPrice") else _word(answer.get(name))
            for name in signed
        ]
        expected = response_signature(self.secret, values)
        if not isinstance(given, str) or not same(expected, given):
            raise GatewayError(self.name, operation, "the answer's signature does not verify")

    # ----------------------------------------------------------------------------- callbacks

    def _returned(self, body: bytes) -> Payment:
        try:
            pairs = parse_qsl(body.decode("ascii"), strict_parsing=True, max_num_fields=20)
        except ValueError:
            raise _forged(None, "is missing") from None
        tokens = [value for name, value in pairs if name == "token"]
        if len(tokens) != 1 or not 0 < len(tokens[0]) <= _LONGEST_TOKEN:
            raise _forged(None, "is missing")
        return Payment(
            gateway=self.name,
            top_up="",
            payment="",
            status=PaymentStatus.OPEN,
            checkout=tokens[0],
            kind="return",
        )

    def _webhook(self, signature: str, body: bytes) -> Payment:
        try:
            fields = json.loads(body.decode(), parse_float=Decimal, parse_constant=_refuse)
        except (ValueError, RecursionError):
            raise _forged("<withheld>", "belongs to no JSON") from None
        if not isinstance(fields, dict):
            raise _forged("<withheld>", "belongs to no JSON object")
        said = {
            ours: _word(fields.get(theirs))
            for ours, theirs in (
                ("event_type", "iyziEventType"),
                ("payment", "iyziPaymentId"),
                ("token", "token"),
                ("conversation", "paymentConversationId"),
                ("status", "status"),
            )
        }
        if not same(webhook_signature(self.secret, **said), signature):
            raise _forged("<withheld>", "does not fit the body")
        for ours in ("event_type", "status"):
            if not said[ours]:
                raise InvalidInput(
                    f"callback.{ours}", None, "is missing", "look at it in iyzico's panel"
                )
        known = said["event_type"] in _FORM_EVENTS and said["token"]
        return Payment(
            gateway=self.name,
            top_up=said["conversation"],
            payment=said["payment"],
            status=(
                _STATUSES.get(said["status"], PaymentStatus.OPEN) if known else PaymentStatus.OTHER
            ),
            mode=self.capabilities.mode,
            checkout=said["token"],
            kind=said["event_type"],
        )


def _code(answer: Mapping[str, Any]) -> str:
    code = str(answer.get("errorCode", ""))
    return code if code.isascii() and code.isdigit() else "no error code"


def _word(value: Any) -> str:  # noqa: ANN401 - it comes from a wire
    return str(value) if type(value) in (str, int) else ""


def _price(value: Any) -> str:  # noqa: ANN401 - it comes from a wire
    if type(value) is int:
        return str(value)
    if isinstance(value, Decimal) and value.is_finite() and -20 < value.adjusted() < 20:  # noqa: PLR2004 - far beyond any price
        return canonical_price(value)
    return ""


def _refuse(text: str) -> None:
    raise ValueError(text)


def _forged(value: str | None, problem: str) -> ForgedCallback:
    return ForgedCallback(
        SIGNATURE_HEADER,
        value,
        problem,
        "have iyzico enable signed webhooks, and hand over the raw body as it came",
    )
