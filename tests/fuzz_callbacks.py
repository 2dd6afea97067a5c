"""Fuzz every callback parser with coverage as the guide: ``python tests/fuzz_callbacks.py NAME``.

Any argument of libFuzzer may follow, such as ``-runs=100000``. A payment or one of two refusals
may come of a callback; anything else ends the run with the input that caused it. The signatures
are made here, so that the fuzzer gets past them every second time.
"""

import base64
import hashlib
import hmac
import json
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import atheris

with atheris.instrument_imports(include=["monochat_billing.adapters", "monochat_billing.gateways"]):
    from monochat_billing.adapters.bank_transfer import BankTransferGateway
    from monochat_billing.adapters.iyzico import IyzicoGateway
    from monochat_billing.adapters.paytr import PaytrGateway
    from monochat_billing.adapters.sandbox import SandboxGateway
    from monochat_billing.adapters.stripe import StripeGateway, sign_webhook
    from monochat_billing.errors import ForgedCallback, InvalidInput
    from monochat_billing.testing.gateway_bench import KitClock

SECRET = "a secret of the fuzzer"  # noqa: S105 - it guards nothing
CLOCK = KitClock()
SECONDS = int(CLOCK().timestamp())
Signed = tuple[Mapping[str, Any], bytes]


def hexed(message: bytes) -> str:
    return hmac.new(SECRET.encode(), message, hashlib.sha256).hexdigest()


def stripe(body: bytes) -> Signed:
    return {"Stripe-Signature": sign_webhook(SECRET, body, SECONDS)}, body


def sandbox(body: bytes) -> Signed:
    signature = hexed(b"0." + body)
    return {"X-Sandbox-Signature": f"t=0,v1={signature}"}, body


def bank_transfer(body: bytes) -> Signed:
    return {"X-Approval-Signature": hexed(body)}, body


def iyzico(body: bytes) -> Signed:
    try:
        fields = json.loads(body)
        names = ("iyziEventType", "iyziPaymentId", "token", "paymentConversationId", "status")
        words = [str(fields.get(name, "")) for name in names]
    except (ValueError, AttributeError, RecursionError):
        words = []
    return {"X-IYZ-SIGNATURE-V3": hexed((SECRET + "".join(words)).encode("utf-8", "replace"))}, body


def paytr(body: bytes) -> Signed:
    order, status, total, *_ = [*body.decode("latin-1").split("\n"), "", "", ""]
    digest = hmac.new(SECRET.encode(), f"{order}{SECRET}{status}{total}".encode(), hashlib.sha256)
    form = {"merchant_oid": order, "status": status, "total_amount": total}
    signed = {**form, "hash": base64.b64encode(digest.digest()).decode()}
    return {}, urlencode(signed).encode()


SEEDS: dict[str, list[bytes]] = {
    "stripe": [
        (
            b'{"type":"checkout.session.completed","data":{"object":{"id":"cs_1","object":'
            b'"checkout.session","livemode":false,"client_reference_id":"t","status":"complete",'
            b'"payment_status":"paid","amount_total":100,"currency":"try"}}}'
        ),
        b'{"type":"charge.dispute.created","data":{"object":{"id":"dp_1","payment_intent":"pi_1"}}}',
    ],
    "sandbox": [
        (
            b'{"amount":"1","currency":"TRY","gateway":"sandbox","payment":"p","status":"PAID",'
            b'"top_up":"t"}'
        ),
    ],
    "bank_transfer": [
        (
            b'{"amount":"1","approved_at":"2026-10-05T12:00:00+00:00","currency":"TRY",'
            b'"operator":"o","top_up":"t","transfer":"x"}'
        ),
    ],
    "iyzico": [
        (
            b'{"iyziEventType":"CHECKOUT_FORM_AUTH","iyziPaymentId":1,"token":"f",'
            b'"paymentConversationId":"t","status":"SUCCESS"}'
        ),
    ],
    "paytr": [b"X0ORXXALJR\nsuccess\n100"],
}
TARGETS: dict[str, tuple[Any, Callable[[bytes], Signed]]] = {
    "stripe": (StripeGateway("sk_test_1", webhook_secret=SECRET, clock=CLOCK), stripe),
    "sandbox": (SandboxGateway(SECRET, page_url="http://127.0.0.1:9"), sandbox),
    "bank_transfer": (BankTransferGateway(SECRET, iban="TR33", holder="A"), bank_transfer),
    "iyzico": (IyzicoGateway("key", SECRET, callback_url="https://a.example/b"), iyzico),
    "paytr": (PaytrGateway("1", merchant_key=SECRET, merchant_salt=SECRET), paytr),
}


def target(name: str) -> Callable[[bytes], None]:
    """Give what the fuzzer calls: the first byte says whether the rest is signed."""
    gateway, sign = TARGETS[name]

    def once(data: bytes) -> None:
        headers, body = sign(data[1:]) if data[:1] > b"\x7f" else ({"a": "b"}, data[1:])
        try:
            gateway.answer(gateway.parse_callback(headers, body))
        except (ForgedCallback, InvalidInput):
            return

    return once


if __name__ == "__main__":
    chosen, *options = sys.argv[1:]
    with tempfile.TemporaryDirectory() as corpus:
        for number, seed in enumerate(SEEDS[chosen]):
            (Path(corpus) / str(number)).write_bytes(b"\xff" + seed)
        atheris.Setup([sys.argv[0], corpus, *options], target(chosen))
        atheris.Fuzz()
