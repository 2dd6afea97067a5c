"""A fake of PayTR's iFrame: tokens, the status of an order, refunds, callbacks.

Owns as much of PayTR's protocol as the adapter uses, strictly: an unknown route, a missing field
or a wrong hash is refused. Does not own any rule of billing, nor the adapter's signing: it computes
every hash itself.
"""

import base64
import hashlib
import hmac
import json
import re
from decimal import Decimal
from typing import Any, Final, final
from urllib.parse import parse_qsl, urlencode

from monochat_billing.adapters.sandbox import Request, Response
from monochat_billing.testing.fake_provider import Callback, FakeProvider

__all__ = ["FakePaytr"]

_ROUTES: Final = {
    "/odeme/api/get-token": "create",
    "/odeme/durum-sorgu": "retrieve",
    "/odeme/iade": "refund",
}
_SIGNED: Final = (
    "merchant_id",
    "user_ip",
    "merchant_oid",
    "email",
    "payment_amount",
    "user_basket",
    "no_installment",
    "max_installment",
    "currency",
    "test_mode",
)
_NEEDED: Final = (
    "user_name",
    "user_address",
    "user_phone",
    "merchant_ok_url",
    "merchant_fail_url",
    "timeout_limit",
)
_ORDER: Final = re.compile(r"[A-Za-z0-9]{1,64}")


@final
class FakePaytr(FakeProvider):
    """Serve PayTR's iFrame; the buyer acts through ``pay`` and ``decline``.

    Routes of the fault script: ``create``, ``retrieve``, ``refund``.
    """

    def __init__(self, *, merchant_id: str, merchant_key: str, merchant_salt: str) -> None:
        super().__init__()
        self._merchant = merchant_id
        self._key = merchant_key.encode()
        self._salt = merchant_salt
        self.orders: dict[str, dict[str, str]] = {}
        self.tokens: dict[str, str] = {}
        self.refunds: list[dict[str, str]] = []
        self.sent: list[tuple[str, Callback]] = []

    # ------------------------------------------------------------------------------- the buyer

    def pay(self, token: str, total: int | None = None) -> None:
        """Pay an order; ``total`` in kuruş is what the card was charged."""
        order = self.tokens[token]
        found = self.orders[order]
        found.update(status="success", total=str(total or found["payment_amount"]))
        self.tell(order, "success", found["total"])

    def decline(self, token: str) -> None:
        """Let the buyer's bank refuse; the order can be tried again."""
        self.tell(self.tokens[token], "failed", "0")

    def switch_mode(self, token: str) -> None:
        """Let the order belong to the other mode."""
        found = self.orders[self.tokens[token]]
        found["test_mode"] = "0" if found["test_mode"] == "1" else "1"

    # ---------------------------------------------------------------------------- the callbacks

    def tell(self, order: str, status: str, total: str) -> Callback:
        """Send a callback about an order, and give it as it was sent."""
        found = self.orders[order]
        callback = self.signed(
            {
                "merchant_oid": order,
                "status": status,
                "total_amount": total,
                "payment_amount": found["payment_amount"],
                "currency": found["currency"],
                "test_mode": found["test_mode"],
            }
        )
        self.sent.append((order, callback))
        return callback

    def signed(self, fields: dict[str, str], *, key: bytes | None = None) -> Callback:
        """Sign any callback."""
        message = f"{fields['merchant_oid']}{self._salt}{fields['status']}{fields['total_amount']}"
        form = {**fields, "hash": _hash(key or self._key, message)}
        return {"Content-Type": "application/x-www-form-urlencoded"}, urlencode(form).encode()

    # -------------------------------------------------------------------------------- the API

    def route(self, request: Request) -> str:
        """Name the route: ``create``, ``retrieve`` or ``refund``."""
        return _ROUTES.get(request.path, "") if request.method == "POST" else ""

    def act(self, route: str, request: Request) -> Response:
        """Answer a call whose hash fits."""
        fields = dict(parse_qsl(request.body.decode(), keep_blank_values=True))
        if fields.get("merchant_id") != self._merchant:
            return _failed("001", "merchant_id")
        if route == "create":
            return self._create(fields)
        order = fields.get("merchant_oid", "")
        message = f"{self._merchant}{order}{fields.get('return_amount', '')}{self._salt}"
        if fields.get("paytr_token") != _hash(self._key, message):
            return _failed("002", "paytr_token")
        found = self.orders.get(order)
        if found is None or found["status"] != "success":
            return _failed("004", "merchant_oid ile basarili odeme bulunamadi")
        if route == "refund":
            return self._refund(fields, order, Decimal(found["total"]) / 100)
        return _json(
            {
                "status": "success",
                "payment_amount": _lira(found["payment_amount"]),
                "payment_total": _lira(found["total"]),
                "currency": found["currency"],
                "test_mode": found["test_mode"],
            }
        )

    def _refund(self, fields: dict[str, str], order: str, paid: Decimal) -> Response:
        if Decimal(fields.get("return_amount", "0")) > paid - self.given_back(order):
            return _failed("009", "iade tutari fazla")
        self.refunds.append(fields)
        return _json({"status": "success", "merchant_oid": order})

    def given_back(self, order: str) -> Decimal:
        """Sum the refunds of an order."""
        mine = [one["return_amount"] for one in self.refunds if one["merchant_oid"] == order]
        return sum((Decimal(one) for one in mine), Decimal(0))

    def _create(self, fields: dict[str, str]) -> Response:
        message = "".join(fields.get(name, "") for name in _SIGNED) + self._salt
        order, amount = fields.get("merchant_oid", ""), fields.get("payment_amount", "")
        if (
            fields.get("paytr_token") != _hash(self._key, message)
            or any(not fields.get(name) for name in (*_SIGNED, *_NEEDED))
            or set(fields) != {*_SIGNED, *_NEEDED, "paytr_token", "lang"}
            or not _ORDER.fullmatch(order)
            or not amount.isdigit()
            or int(amount) < 100  # noqa: PLR2004 - the least that PayTR takes
            or self.orders.get(order, {}).get("status") == "success"
        ):
            return _json({"status": "failed", "reason": "gecersiz istek"})
        token = f"token{len(self.tokens) + 1}"
        self.tokens[token] = order
        self.orders.setdefault(order, {"status": "open", **fields})
        return _json({"status": "success", "token": token})


def _hash(key: bytes, message: str) -> str:
    return base64.b64encode(hmac.new(key, message.encode(), hashlib.sha256).digest()).decode()


def _lira(kurus: str) -> str:
    # As on the real wire: a decimal comma, and no zeros at the end.
    whole = f"{Decimal(kurus) / 100:f}"
    return (whole.rstrip("0").rstrip(".") if "." in whole else whole).replace(".", ",")


def _json(value: dict[str, Any]) -> Response:
    return Response(body=json.dumps(value), content_type="application/json")


def _failed(number: str, message: str) -> Response:
    return _json({"status": "error", "err_no": number, "err_msg": message})
