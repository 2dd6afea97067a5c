"""A fake of iyzico's checkout form: initialize, results, refunds, webhooks, the buyer's return.

Owns as much of iyzico's protocol as the adapter uses, strictly: an unknown route, a missing field
or a wrong authorization is refused. Does not own any rule of billing, nor the adapter's signing:
it computes every signature itself.
"""

import base64
import hashlib
import hmac
import json
from decimal import Decimal
from typing import Any, Final, final
from urllib.parse import parse_qsl, urlencode

from monochat_billing.adapters.sandbox import Request, Response
from monochat_billing.testing.fake_provider import Callback, FakeProvider

__all__ = ["FakeIyzico"]

_ROUTES: Final = {
    "/payment/iyzipos/checkoutform/initialize/auth/ecom": "create",
    "/payment/iyzipos/checkoutform/initialize/ecom": "create",
    "/payment/iyzipos/checkoutform/auth/ecom/detail": "retrieve",
    "/payment/detail": "detail",
    "/v2/payment/refund": "refund",
    "/v2/reporting/payment/details": "report",
}
_NEEDED: Final = (
    "conversationId",
    "price",
    "paidPrice",
    "currency",
    "basketId",
    "callbackUrl",
    "buyer",
    "billingAddress",
    "basketItems",
)
_BUYER: Final = (
    "id",
    "name",
    "surname",
    "email",
    "identityNumber",
    "registrationAddress",
    "ip",
    "city",
    "country",
)


@final
class FakeIyzico(FakeProvider):
    """Serve iyzico's checkout form; the buyer acts through ``pay`` and ``decline``.

    Routes of the fault script: ``create``, ``retrieve``, ``detail``, ``refund``, ``report``.
    """

    def __init__(self, *, api_key: str, secret: str) -> None:
        super().__init__()
        self._api_key = api_key
        self._secret = secret.encode()
        self.forms: dict[str, dict[str, Any]] = {}
        self.refunds: list[dict[str, Any]] = []
        self.sent: list[tuple[str, Callback]] = []

    # ------------------------------------------------------------------------------- the buyer

    def pay(self, token: str, paid: str | None = None, *, fraud: int = 1) -> None:
        """Pay a form; ``paid`` is what the card was charged, ``fraud`` the provider's verdict."""
        form = self.forms[token]
        form.update(
            paymentStatus="SUCCESS", fraudStatus=fraud, paymentId=str(22_000_000 + len(self.sent))
        )
        form["paidPrice"] = paid or form["price"]
        self.tell(token, "SUCCESS")

    def decide(self, token: str, *, good: bool) -> None:
        """Decide a payment under review; iyzico sends no webhook for it."""
        self.forms[token]["fraudStatus"] = 1 if good else -1

    def decline(self, token: str) -> None:
        """Let the buyer's bank refuse; the form can be tried again."""
        form = self.forms[token]
        form.update(paymentStatus="FAILURE", paymentId=str(21_000_000 + len(self.sent)))
        self.tell(token, "FAILURE")

    # ---------------------------------------------------------------------------- the callbacks

    def returned(self, token: str) -> Callback:
        """Give what the buyer's browser posts on its way back."""
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        return headers, urlencode({"token": token}).encode()

    def tell(self, token: str, status: str, kind: str = "CHECKOUT_FORM_AUTH") -> Callback:
        """Send a webhook about a form, and give it as it was sent."""
        form = self.forms[token]
        fields = {
            "paymentConversationId": form["conversationId"],
            "merchantId": 3382172,
            "token": token,
            "status": status,
            "iyziReferenceCode": f"ref-{len(self.sent)}",
            "iyziEventType": kind,
            "iyziEventTime": 1_721_825_036_103,
            "iyziPaymentId": int(form.get("paymentId") or 0),
        }
        callback = self.signed(fields)
        self.sent.append((token, callback))
        return callback

    def signed(self, fields: dict[str, Any], *, secret: bytes | None = None) -> Callback:
        """Sign any webhook."""
        key = secret or self._secret
        names = ("iyziEventType", "iyziPaymentId", "token", "paymentConversationId", "status")
        message = key + "".join(str(fields.get(name, "")) for name in names).encode()
        signature = hmac.new(key, message, hashlib.sha256).hexdigest()
        return {"X-IYZ-SIGNATURE-V3": signature}, json.dumps(fields).encode()

    # -------------------------------------------------------------------------------- the API

    def route(self, request: Request) -> str:
        """Name the route, as in the fault script."""
        route = _ROUTES.get(request.path, "")
        return route if request.method == ("GET" if route == "report" else "POST") else ""

    def act(self, route: str, request: Request) -> Response:
        """Answer a call whose authorization covers its body byte for byte."""
        if not self._authorized(request):
            return _failed("1000", "Geçersiz imza")
        if route == "report":
            return self._report(dict(parse_qsl(request.query)).get("paymentId", ""))
        fields = json.loads(request.body, parse_float=Decimal)
        if route == "create":
            return self._create(fields)
        if route == "refund":
            return self._refund(fields)
        if route == "retrieve":
            return self._result(fields, self.forms.get(fields.get("token")), form=True)
        ours = fields.get("paymentConversationId")
        paid = [
            one
            for one in self.forms.values()
            if one["conversationId"] == ours and one["paymentStatus"] == "SUCCESS"
        ]
        return self._result(fields, paid[0] if paid else None, form=False)

    def _authorized(self, request: Request) -> bool:
        key = request.headers.get("x-iyzi-rnd", "")
        message = key.encode() + request.path.encode() + request.body
        signature = hmac.new(self._secret, message, hashlib.sha256).hexdigest()
        text = f"apiKey:{self._api_key}&randomKey:{key}&signature:{signature}"
        wanted = f"IYZWSv2 {base64.b64encode(text.encode()).decode()}"
        return bool(key) and request.headers.get("authorization") == wanted

    def _create(self, fields: dict[str, Any]) -> Response:
        items = fields.get("basketItems") or []
        buyer = fields.get("buyer") or {}
        if (
            any(not fields.get(name) for name in _NEEDED)
            or any(not buyer.get(name) for name in _BUYER)
            or sum(Decimal(item["price"]) for item in items) != Decimal(fields["price"])
            or Decimal(fields["paidPrice"]) < Decimal(fields["price"])
        ):
            return _failed("11", "Geçersiz istek")
        token = f"form-{len(self.forms) + 1}"
        self.forms[token] = {
            "token": token,
            "conversationId": fields["conversationId"],
            "basketId": fields["basketId"],
            "price": fields["price"],
            "paidPrice": fields["paidPrice"],
            "currency": fields["currency"],
            "paymentStatus": "INIT_THREEDS",
            "fraudStatus": 0,
        }
        answer = {
            "status": "success",
            "conversationId": fields["conversationId"],
            "token": token,
            "tokenExpireTime": 1800,
            "paymentPageUrl": f"{self.url}/pay?token={token}",
            "signature": self._signature(fields["conversationId"], token),
        }
        return _json(json.dumps(answer))

    def _result(
        self, asked: dict[str, Any], found: dict[str, Any] | None, *, form: bool
    ) -> Response:
        if found is None:
            return _failed("5122", "Kayıt bulunamadı")
        conversation = asked.get("conversationId") or ""
        answer = {
            "status": "success",
            "conversationId": conversation,
            "paymentId": found.get("paymentId") or "",
            "basketId": found["basketId"],
            "currency": found["currency"],
            "fraudStatus": found["fraudStatus"],
            "paymentStatus": found["paymentStatus"],
        }
        signed = [answer["paymentId"], found["currency"], found["basketId"], conversation]
        signed += [_plain(found["paidPrice"]), _plain(found["price"])]
        if form:
            answer["token"] = found["token"]
            signed = [found["paymentStatus"], *signed, found["token"]]
        answer["signature"] = self._signature(*signed)
        # As on the real wire, numbers come with eight decimals.
        prices = (
            f'"price":{Decimal(found["price"]):.8f},"paidPrice":{Decimal(found["paidPrice"]):.8f}'
        )
        return _json(f"{json.dumps(answer)[:-1]},{prices}}}")

    def _refund(self, fields: dict[str, Any]) -> Response:
        paid = [
            form
            for form in self.forms.values()
            if form.get("paymentId") == fields.get("paymentId")
            and form["paymentStatus"] == "SUCCESS"
        ]
        if not paid or not fields.get("price"):
            return _failed("5063", "Ödeme bulunamadı")
        left = Decimal(paid[0]["paidPrice"]) - self.given_back(fields["paymentId"])
        if Decimal(fields["price"]) > left:
            return _failed("5093", "İade tutarı fazla")
        self.refunds.append(fields)
        return _json(json.dumps({"status": "success", "paymentId": fields["paymentId"]}))

    def given_back(self, payment: str) -> Decimal:
        """Sum the refunds of a payment."""
        mine = [one["price"] for one in self.refunds if one["paymentId"] == payment]
        return sum((Decimal(one) for one in mine), Decimal(0))

    def _report(self, payment: str) -> Response:
        found = [form for form in self.forms.values() if form.get("paymentId") == payment]
        if not found:
            return _json(json.dumps({"status": "success", "payments": []}))
        (form,) = found
        back, paid = self.given_back(payment), Decimal(form["paidPrice"])
        status = "NOT_REFUNDED" if not back else "PARTIALLY_REFUNDED"
        rows = ",".join(
            f'{{"refundPrice":{Decimal(one["price"]):.8f},"refundStatus":1,'
            f'"refundConversationId":{json.dumps(one["conversationId"])}}}'
            for one in self.refunds
            if one["paymentId"] == payment
        )
        return _json(
            f'{{"status":"success","payments":[{{"paymentId":{payment},"paidPrice":{paid:.8f},'
            f'"paymentRefundStatus":"{"TOTALLY_REFUNDED" if back == paid else status}",'
            f'"cancels":[],"itemTransactions":[{{"refunds":[{rows}]}}]}}]}}'
        )

    def _signature(self, *values: str) -> str:
        return hmac.new(self._secret, ":".join(values).encode(), hashlib.sha256).hexdigest()


def _plain(price: str) -> str:
    text = f"{Decimal(price):f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _json(text: str) -> Response:
    return Response(body=text, content_type="application/json")


def _failed(code: str, message: str) -> Response:
    return _json(json.dumps({"status": "failure", "errorCode": code, "errorMessage": message}))
