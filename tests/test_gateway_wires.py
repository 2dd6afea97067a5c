"""The providers' wires: known answers, what is believed of an answer, and what is shown of it."""

import base64
import hashlib
import hmac
import json
import logging
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

import attrs
import httpx
import iyzipay
import pytest
import stripe
from hypothesis import example, given, strategies as st
from iyzipay.iyzipay_resource import IyzipayResource

from monochat_billing.adapters.bank_transfer import Approval, BankTransferGateway, sign_approval
from monochat_billing.adapters.iyzico import LIVE_URL, IyzicoGateway, webhook_signature
from monochat_billing.adapters.iyzico.messages import checkout_request
from monochat_billing.adapters.iyzico.signing import (
    authorization,
    canonical_price,
    response_signature,
)
from monochat_billing.adapters.paytr import (
    PaytrGateway,
    callback_hash,
    from_order_id,
    to_order_id,
)
from monochat_billing.adapters.paytr.signing import refund_token, status_token, token_request_hash
from monochat_billing.adapters.stripe import StripeGateway, sign_webhook
from monochat_billing.adapters.stripe.signing import check_webhook
from monochat_billing.errors import BillingError, ForgedCallback, GatewayError, InvalidInput
from monochat_billing.gateways import (
    Buyer,
    CheckoutKind,
    PaymentMode,
    PaymentReference,
    PaymentStatus,
    RefundStatus,
)
from monochat_billing.money import money
from monochat_billing.payments import Payment, PaymentGateway, TopUp, start_top_up
from monochat_billing.profiles import Address, BillingProfile, TaxId, TaxIdKind
from monochat_billing.testing.fake_provider import FakeProvider, Fault
from monochat_billing.testing.gateway_bench import BUYER, GatewayBench, GatewayDesk, KitClock
from tests.gateway_benches import (
    API_KEY,
    OLD,
    SECRET,
    iyzico_bench,
    paytr_bench,
    stripe_bench,
)

NOW = 1_790_000_000
TCKN = "10000000146"
PROFILE = BillingProfile(
    business_name="Örnek İletişim A.Ş.",
    address=Address(line="Gül Sok. 5", post_code="34660", city="İstanbul"),
    tax_id=TaxId(kind=TaxIdKind.TCKN, number=TCKN),
)
Bench = Callable[[KitClock], AbstractContextManager[GatewayBench]]
PROVIDERS: list[Bench] = [stripe_bench, iyzico_bench, paytr_bench]


def top_up(**change: Any) -> TopUp:  # noqa: ANN401 - any field
    fields: dict[str, Any] = {
        "top_up_id": "kit1",
        "account": "acme",
        "gateway": "any",
        "amount": money("250.50", "TRY"),
        "return_url": "https://acme.example/back",
        "profile": PROFILE,
        "at": datetime(2026, 10, 5, tzinfo=UTC),
    }
    return start_top_up(**(fields | change))


def mac(key: str, message: str) -> "hmac.HMAC":
    return hmac.new(key.encode(), message.encode(), hashlib.sha256)


class TestKnownAnswers:
    """Signatures are the providers' own: published, from their clients, or computed apart."""

    def test_w03_iyzicos_published_webhook(self) -> None:
        """The example that stands in iyzico's own samples, verified through the adapter."""
        gateway = IyzicoGateway(
            "key", "sandbox-UuLnD7wZa0a3DmytfIrwHQqAMfqCNJrs", callback_url="https://a.example"
        )
        body = (
            b'{"paymentConversationId":"conversationId","merchantId":3382172,'
            b'"token":"e828c62d-fd12-4b1a-ad5a-380f15fe6596","status":"SUCCESS",'
            b'"iyziReferenceCode":"77e1635c-6b39-475a-8b7b-ca15ad0cd4ac",'
            b'"iyziEventType":"CHECKOUT_FORM_AUTH","iyziEventTime":1721825036103,'
            b'"iyziPaymentId":22483975}'
        )
        signature = "4031c575763486a2d2bf3f7ace0baebfcd6bed65393ab4df3fe80c00d5fd6878"
        payment = gateway.parse_callback({"x-iyz-signature-v3": signature}, body)
        assert (payment.top_up, payment.payment, payment.status) == (
            "conversationId",
            "22483975",
            PaymentStatus.PAID,
        )
        with pytest.raises(ForgedCallback):
            gateway.parse_callback({"x-iyz-signature-v3": signature[::-1]}, body)
        gateway.close()

    def test_iyzicos_own_client_signs_requests_alike(self) -> None:
        """IYZWSv2 over random key, path and body."""
        assert iyzipay.__name__ == "iyzipay"
        path, body = "/payment/detail", '{"locale":"tr","paymentConversationId":"ö"}'
        theirs = IyzipayResource.generate_v2_hash("api", path, "secret", "rnd-1", body)
        assert authorization("api", "secret", path, "rnd-1", body.encode()) == f"IYZWSv2 {theirs}"

    @given(values=st.lists(st.text(max_size=20), min_size=1, max_size=8))
    def test_iyzicos_own_client_signs_answers_alike(self, values: list[str]) -> None:
        """HMAC-SHA256 over the values, joined by colons."""
        theirs = IyzipayResource.calculate_hmac_sha256_signature
        try:
            wanted = theirs(values, "secret")
        except UnicodeEncodeError:
            return
        assert response_signature("secret", values) == wanted

    @pytest.mark.parametrize(
        ("wire", "signed"),
        [("1.00000000", "1"), ("0E-8", "0"), ("10.50", "10.5"), ("1.2", "1.2"), ("100", "100")],
    )
    def test_iyzicos_prices_are_signed_without_zeros_at_the_end(
        self, wire: str, signed: str
    ) -> None:
        """The wire has eight decimals, the signature none that say nothing."""
        assert canonical_price(Decimal(wire)) == signed

    @given(body=st.text(st.characters(codec="utf-8"), max_size=200))
    def test_w03_stripes_sdk_verifies_what_we_sign_and_we_what_it_signs(self, body: str) -> None:
        """Both ways, with the SDK as the oracle."""
        theirs = stripe.WebhookSignature
        seconds = int(time.time())
        ours = sign_webhook(SECRET, body.encode(), seconds)
        assert theirs.verify_header(body, ours, SECRET, 300)
        header = theirs.generate_signature_header(body, SECRET, NOW)
        assert header == sign_webhook(SECRET, body.encode(), NOW)
        check_webhook((SECRET,), {"Stripe-Signature": header}, body.encode(), NOW)

    def test_w03_paytrs_hashes_are_the_documented_ones(self) -> None:
        """Computed apart, each from PayTR's formula: base64 of HMAC-SHA256."""

        def theirs(message: str) -> str:
            return base64.b64encode(mac("key", message).digest()).decode()

        assert callback_hash("key", "salt", order="o1", status="success", total="3456") == theirs(
            "o1saltsuccess3456"
        )
        assert status_token("key", "salt", "104711", "o1") == theirs("104711o1salt")
        assert refund_token("key", "salt", "104711", "o1", "11.97") == theirs("104711o111.97salt")
        assert token_request_hash("key", "salt", "104711", "1.2.3.4", "o1") == theirs(
            "1047111.2.3.4o1salt"
        )

    def test_paytrs_hash_is_this_one(self) -> None:
        """A literal, so that the formula cannot drift together with its test."""
        found = callback_hash("key", "salt", order="o1", status="success", total="3456")
        assert found == "KDGugKcrk+VmPMEz7o5cpWv2vocMKvMavyMal+Nt9ls="


class TestWhatIsForged:
    """Signatures hold over everything that they should, and secrets can be rotated."""

    def test_w03_a_rotated_secret_verifies_old_and_new(self) -> None:
        """Stripe signs with both for a while; approvals were signed before the change."""
        gateway = StripeGateway(API_KEY, webhook_secret=("new", OLD), clock=KitClock())
        seconds = int(KitClock().now.timestamp())
        body = json.dumps({"type": "ping", "data": {"object": {"id": "x"}}}).encode()
        for secret in ("new", OLD):
            header = {"Stripe-Signature": sign_webhook(secret, body, seconds)}
            assert gateway.parse_callback(header, body).status is PaymentStatus.OTHER
        both = sign_webhook("unknown", body, seconds)
        both += "," + sign_webhook(OLD, body, seconds).partition(",")[2]
        assert gateway.parse_callback({"Stripe-Signature": both}, body).kind == "ping"
        approval = Approval(
            top_up="t", transfer="x", amount=money("1", "TRY"), operator="a", approved_at=NOON
        )
        bank = BankTransferGateway(("new", OLD), iban="TR33", holder="A")
        for secret in ("new", OLD):
            assert bank.parse_callback(*sign_approval(secret, approval)).actor == "a"
        with pytest.raises(ForgedCallback):
            bank.parse_callback(*sign_approval("older", approval))

    def test_w03_the_age_of_a_signature_is_judged_at_the_hosts_clock(self) -> None:
        """Three hundred seconds are allowed, as in Stripe's own libraries."""
        header = {"Stripe-Signature": sign_webhook(SECRET, b"{}", NOW)}
        check_webhook((SECRET,), header, b"{}", NOW + 300)
        check_webhook((SECRET,), header, b"{}", NOW - 86_400)
        with pytest.raises(ForgedCallback, match="too old"):
            check_webhook((SECRET,), header, b"{}", NOW + 301)

    @pytest.mark.parametrize(
        "header",
        ["", "t=1", "v1=" + "0" * 64, f"t=1,t=2,v1={'0' * 64}", f"t=٣,v1={'0' * 64}", "t=1,v1=zz"],
    )
    def test_w03_a_malformed_header_is_a_forgery(self, header: str) -> None:
        """Never an index out of range."""
        with pytest.raises(ForgedCallback):
            check_webhook((SECRET,), {"stripe-signature": header}, b"{}", NOW)


NOON = datetime(2026, 10, 5, 12, tzinfo=UTC)


def gateways() -> list[PaymentGateway]:
    return [
        StripeGateway(API_KEY, webhook_secret=SECRET, clock=KitClock()),
        IyzicoGateway(API_KEY, SECRET, callback_url="https://a.example", transport=Offline()),
        PaytrGateway("1", merchant_key=API_KEY, merchant_salt=SECRET, transport=Offline()),
        BankTransferGateway(SECRET, iban="TR33", holder="A"),
    ]


def outcome(
    gateway: PaymentGateway, headers: dict[str, str], body: bytes
) -> Payment | InvalidInput:
    """Give what a callback reads as, or the one kind of error that it may raise."""
    try:
        return gateway.parse_callback(headers, body)
    except InvalidInput as refused:
        return refused


class Offline(httpx.BaseTransport):
    """A network that is not there."""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("offline", request=request)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "type",
                    "data",
                    "object",
                    "id",
                    "amount_total",
                    "currency",
                    "livemode",
                    "status",
                    "payment_status",
                    "client_reference_id",
                    "payment_intent",
                    "metadata",
                ]
            ),
            inner,
            max_size=9,
        )
    ),
    max_leaves=12,
)
SESSION = st.fixed_dictionaries(
    {},
    optional={
        "id": JSON | st.just("cs_1"),
        "object": st.just("checkout.session") | JSON,
        "livemode": st.booleans() | JSON,
        "client_reference_id": st.just("kit1") | JSON,
        "status": st.sampled_from(["open", "complete", "expired"]) | JSON,
        "payment_status": st.sampled_from(["paid", "unpaid"]) | JSON,
        "amount_total": st.integers() | JSON,
        "currency": st.sampled_from(["try", "jpy", "xxx", "İ"]) | JSON,
        "payment_intent": JSON,
    },
)
EVENT = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from(
            ["checkout.session.completed", "checkout.session.async_payment_failed", "x"]
        )
        | JSON,
        "data": st.fixed_dictionaries({"object": SESSION}) | JSON,
    },
)
WORDS = st.text(max_size=12) | st.integers().map(str) | st.sampled_from(["success", "failed", "TL"])


class TestParsersUnderFuzz:
    """Whatever comes, a callback is read, forged or malformed; nothing else is raised."""

    gateways = gateways()

    @given(
        headers=st.dictionaries(
            st.sampled_from(["Stripe-Signature", "x-iyz-signature-v3", "X-Approval-Signature"])
            | st.text(max_size=9),
            st.text(max_size=90),
            max_size=4,
        ),
        body=st.binary(max_size=120)
        | st.dictionaries(WORDS, WORDS, max_size=6).map(lambda form: urlencode(form).encode()),
    )
    @example({"Stripe-Signature": "t=1,v1=" + "é" * 64}, b"{}")
    @example({}, b"token=" + b"a" * 200)
    @example({}, b"merchant_oid=\xff&status=&total_amount=&hash=")
    def test_w03_unsigned_bytes(self, headers: dict[str, str], body: bytes) -> None:
        """Only a form with a token passes at iyzico, as a question and not as a payment."""
        for gateway in self.gateways:
            try:
                read = gateway.parse_callback(headers, body)
            except (ForgedCallback, InvalidInput):
                continue
            assert (read.gateway, read.status, read.top_up) == ("iyzico", PaymentStatus.OPEN, "")

    @given(event=EVENT | JSON)
    def test_signed_stripe_events(self, event: Any) -> None:  # noqa: ANN401 - any JSON
        """Signed nonsense is malformed, never an error of another kind."""
        body = json.dumps(event).encode()
        seconds = int(KitClock().now.timestamp())
        header = {"Stripe-Signature": sign_webhook(SECRET, body, seconds)}
        read = outcome(self.gateways[0], header, body)
        if isinstance(read, InvalidInput):
            assert type(read) is InvalidInput
            assert read.field.startswith("callback")
        else:
            assert read.amount is None or read.status in ("PAID", "PENDING")

    @given(
        fields=st.dictionaries(
            st.sampled_from(
                ["iyziEventType", "iyziPaymentId", "token", "paymentConversationId", "status"]
            ),
            st.sampled_from(["CHECKOUT_FORM_AUTH", "SUCCESS", "FAILURE"]) | JSON,
        )
    )
    def test_signed_iyzico_webhooks(self, fields: dict[str, Any]) -> None:
        """A webhook is never worth more than a question."""

        def word(name: str) -> str:
            value = fields.get(name)
            return str(value) if type(value) in (str, int) else ""

        signature = webhook_signature(
            SECRET,
            event_type=word("iyziEventType"),
            payment=word("iyziPaymentId"),
            token=word("token"),
            conversation=word("paymentConversationId"),
            status=word("status"),
        )
        body = json.dumps(fields).encode()
        read = outcome(self.gateways[1], {"X-IYZ-SIGNATURE-V3": signature}, body)
        if isinstance(read, InvalidInput):
            assert read.field.startswith(("callback", "X-IYZ"))
        else:
            assert read.amount is None

    @given(
        order=WORDS,
        status=WORDS,
        total=WORDS,
        more=st.dictionaries(st.sampled_from(["currency", "test_mode", "payment_amount"]), WORDS),
    )
    def test_signed_paytr_forms(
        self, order: str, status: str, total: str, more: dict[str, str]
    ) -> None:
        """Even PayTR cannot make the parser raise anything else."""
        fields = {"merchant_oid": order, "status": status, "total_amount": total, **more}
        fields["hash"] = callback_hash(API_KEY, SECRET, order=order, status=status, total=total)
        try:
            body = urlencode(fields).encode()
        except UnicodeEncodeError:
            return
        read = outcome(self.gateways[2], {}, body)
        if isinstance(read, InvalidInput):
            assert read.field.removeprefix("callback.") in (
                "hash",
                "merchant_oid",
                "total_amount",
                "currency",
            )
        else:
            assert to_order_id(read.top_up) == order

    @given(body=JSON.map(lambda value: json.dumps(value).encode()) | st.binary(max_size=60))
    def test_signed_approvals(self, body: bytes) -> None:
        """No signed body is an approval by chance."""
        signature = hmac.new(SECRET.encode(), b"approval." + body, hashlib.sha256).hexdigest()
        with pytest.raises(InvalidInput) as refused:
            self.gateways[3].parse_callback({"X-Approval-Signature": signature}, body)
        assert refused.value.field.startswith("callback")


class TestPaytrOrderIds:
    """PayTR takes letters and digits only, and every top-up id has exactly one order id."""

    @given(name=st.text(st.characters(codec="ascii", categories=["L", "N", "P"]), min_size=1))
    @example("X0")
    @example("X0ORXXALJR")
    @example("a" * 64)
    def test_there_and_back(self, name: str) -> None:
        """What has an order id comes back from it as it was."""
        try:
            order = to_order_id(name)
        except InvalidInput:
            assert len(name) > 38
            return
        assert order.isalnum()
        assert len(order) <= 64
        assert from_order_id(order) == name

    @pytest.mark.parametrize("order", ["", "a-b", "X0", "X01", "X0orxxaljr", "X0MFRGG4", "a" * 65])
    def test_what_is_no_order_of_ours_is_refused(self, order: str) -> None:
        """Another spelling of an id is not the id."""
        with pytest.raises(InvalidInput, match="merchant_oid"):
            from_order_id(order)


class TestWhatIsBelieved:
    """An answer counts only when it is signed, about what was asked, and whole."""

    @pytest.mark.parametrize(
        ("change", "detail"),
        [
            ({"paidPrice": "99999"}, "signature"),
            ({"basketId": "kit2"}, "signature"),
            ({"currency": "USD"}, "signature"),
            ({"signature": None}, "signature"),
            ({"signature": "é"}, "signature"),
            ({"token": "form-2"}, "signature"),
            ({"status": "other"}, "no status"),
            ({"status": "failure", "errorCode": "1000"}, "refused with 1000"),
        ],
    )
    def test_w08_iyzicos_result_is_believed_only_as_signed(
        self, change: dict[str, Any], detail: str
    ) -> None:
        """A tampered field, a missing signature, another form, an error of ours."""
        good = iyzico_result()
        gateway = iyzico_answering({**good, **change})
        with pytest.raises(GatewayError, match=detail):
            gateway.retrieve(PaymentReference(top_up="kit1", checkout="form-1"))
        gateway.close()

    def test_w08_iyzicos_answer_about_another_form_is_refused(self) -> None:
        """Signed well, but not what was asked."""
        gateway = iyzico_answering(iyzico_result())
        with pytest.raises(GatewayError, match="another form"):
            gateway.retrieve(PaymentReference(top_up="kit1", checkout="form-2"))
        gateway.close()

    @pytest.mark.parametrize(
        ("change", "status"),
        [
            ({}, PaymentStatus.PAID),
            ({"fraudStatus": 0}, PaymentStatus.PENDING),
            ({"fraudStatus": -1}, PaymentStatus.FAILED),
            ({"fraudStatus": None}, PaymentStatus.PENDING),
            ({"status": "failure", "errorCode": "10051"}, PaymentStatus.FAILED),
            ({"status": "failure", "errorCode": "5122"}, PaymentStatus.OPEN),
        ],
    )
    def test_w09_iyzicos_verdicts(self, change: dict[str, Any], status: PaymentStatus) -> None:
        """Only fraud status 1 is a success; what is not understood waits."""
        gateway = iyzico_answering({**iyzico_result(), **change})
        found = gateway.retrieve(PaymentReference(top_up="kit1", checkout="form-1"))
        assert (found.status, found.top_up) == (status, "kit1")
        gateway.close()

    @pytest.mark.parametrize(
        ("answer", "detail"),
        [
            ({"status": "success", "payment_total": "1e3", "currency": "TL"}, "no amount"),
            ({"status": "success", "payment_total": "10,8", "currency": "XX"}, "no amount"),
            ({"status": "error", "err_no": "001"}, "refused"),
            ([], "no JSON object"),
        ],
    )
    def test_w13_paytrs_answers_are_read_strictly(self, answer: object, detail: str) -> None:
        """An amount that is none, another currency, an error, no object."""
        gateway = paytr_answering(answer)
        with pytest.raises(GatewayError, match=detail):
            gateway.retrieve(PaymentReference(top_up="kit1"))
        gateway.close()

    @pytest.mark.parametrize(
        ("text", "amount"), [("10,8", "10.80"), ("10.80", "10.8"), ("7", "7"), ("0,05", "0.05")]
    )
    def test_paytrs_decimal_comma(self, text: str, amount: str) -> None:
        """As on PayTR's wire, without a float in between."""
        gateway = paytr_answering({"status": "success", "payment_total": text, "currency": "TL"})
        found = gateway.retrieve(PaymentReference(top_up="kit1"))
        assert found.amount == money(amount, "TRY")
        gateway.close()

    @pytest.mark.parametrize("code", [429, 500, 302])
    def test_w13_a_status_that_is_no_success_is_in_doubt(self, code: int) -> None:
        """Redirects are not followed either."""
        transport = httpx.MockTransport(
            lambda _: httpx.Response(code, headers={"Location": "http://127.0.0.1:9/"})
        )
        for gateway in (
            IyzicoGateway(API_KEY, SECRET, callback_url="https://a", transport=transport),
            PaytrGateway("1", merchant_key=API_KEY, merchant_salt=SECRET, transport=transport),
        ):
            with pytest.raises(GatewayError, match=str(code)):
                gateway.retrieve(PaymentReference(top_up="kit1"))
            gateway.close()

    def test_w13_a_peer_without_tls_is_in_doubt(self) -> None:
        """The handshake fails, and that is a failure of the gateway like any other."""
        with paytr_bench(KitClock()) as bench:
            assert isinstance(bench.gateway, PaytrGateway)
            address = bench.gateway.base_url.replace("http:", "https:")
            paytr = PaytrGateway(
                "1", merchant_key=API_KEY, merchant_salt=SECRET, base_url=address, timeout=2
            )
            stripe_gateway = StripeGateway(
                API_KEY, webhook_secret=SECRET, base_url=address, timeout=2, retries=0
            )
            with pytest.raises(GatewayError, match="ConnectError"):
                paytr.retrieve(PaymentReference(top_up="kit1"))
            with pytest.raises(GatewayError, match="APIConnectionError"):
                stripe_gateway.retrieve(PaymentReference(checkout="cs_1"))
            paytr.close()


def iyzico_result() -> dict[str, Any]:
    said = {
        "status": "success",
        "paymentStatus": "SUCCESS",
        "paymentId": "22",
        "currency": "TRY",
        "basketId": "kit1",
        "conversationId": "kit1",
        "paidPrice": 250.5,
        "price": 250.5,
        "token": "form-1",
        "fraudStatus": 1,
    }
    values = ["SUCCESS", "22", "TRY", "kit1", "kit1", "250.5", "250.5", "form-1"]
    return {**said, "signature": mac(SECRET, ":".join(values)).hexdigest()}


def iyzico_answering(answer: object) -> IyzicoGateway:
    transport = httpx.MockTransport(lambda _: httpx.Response(200, json=answer))
    return IyzicoGateway(API_KEY, SECRET, callback_url="https://a.example", transport=transport)


def paytr_answering(answer: object) -> PaytrGateway:
    transport = httpx.MockTransport(lambda _: httpx.Response(200, json=answer))
    return PaytrGateway("1", merchant_key=API_KEY, merchant_salt=SECRET, transport=transport)


class TestRefundsAndCancels:
    """Money goes back to where it came from, and a closed page takes none."""

    def test_stripe_gives_back_once_per_key(self) -> None:
        """The same key is the same refund."""
        with stripe_bench(KitClock()) as bench:
            desk = GatewayDesk(bench, bench.clock)
            checkout = desk.start()
            bench.pay(checkout)
            desk.deliver(bench.callbacks(checkout)[0])
            known = desk.top_up(checkout).reference
            first = bench.gateway.refund(known, money("100", "TRY"), key="r1")
            assert bench.gateway.refund(known, money("100", "TRY"), key="r1") == first
            assert (first.status, len(bench.fake.refunds)) == (RefundStatus.DONE, 1)
            assert bench.fake.refunds[0]["amount"] == 10000
            assert bench.gateway.cancel(known).status is PaymentStatus.PAID

    def test_stripe_closes_a_page_that_nobody_paid(self) -> None:
        """And a sweep then finds it expired."""
        with stripe_bench(KitClock()) as bench:
            desk = GatewayDesk(bench, bench.clock)
            checkout = desk.start()
            closed = bench.gateway.cancel(desk.top_up(checkout).reference)
            assert closed.status is PaymentStatus.EXPIRED
            assert desk.billing.top_ups.reconcile("stripe").expired == 1
            with pytest.raises(GatewayError, match="no payment yet"):
                bench.gateway.refund(desk.top_up(checkout).reference, money("1", "TRY"), key="r")

    def test_iyzico_and_paytr_give_back_what_they_are_told(self) -> None:
        """iyzico by its payment id, PayTR by the order, in decimal text."""
        with iyzico_bench(KitClock()) as bench, paytr_bench(KitClock()) as other:
            for one in (bench, other):
                desk = GatewayDesk(one, KitClock())
                checkout = desk.start()
                one.pay(checkout)
                desk.deliver(one.callbacks(checkout)[-1])
                known = desk.top_up(checkout).reference
                back = one.gateway.refund(known, money("100.50", "TRY"), key="refund-1")
                assert back.status is RefundStatus.DONE
            assert bench.fake.refunds[0]["price"] == "100.5"
            assert other.fake.refunds[0]["return_amount"] == "100.5"
            nobody = PaymentReference(top_up="nobody", payment="nobody")
            for gateway in (bench.gateway, other.gateway):
                refused = gateway.refund(nobody, money("1", "TRY"), key="r2")
                assert (refused.status, refused.refund) == (RefundStatus.FAILED, "")

    @pytest.mark.parametrize("gateway", gateways()[:2], ids=["stripe", "iyzico"])
    def test_a_payment_has_to_be_named(self, gateway: PaymentGateway) -> None:
        """A reference without one is a mistake of the caller."""
        with pytest.raises(InvalidInput, match="reference"):
            gateway.refund(PaymentReference(top_up="kit1"), money("1", "TRY"), key="r")


class TestRequests:
    """What is sent is what the provider demands, and no more of the buyer than that."""

    def test_iyzicos_form_carries_the_buyer(self) -> None:
        """From the host where it knows better, else from the billing profile."""
        request = checkout_request(top_up(), BUYER, "https://acme.example/iyzico", (1, 3))
        assert (request["buyer"]["identityNumber"], request["buyer"]["ip"]) == (TCKN, "203.0.113.7")
        assert (request["price"], request["basketItems"][0]["price"]) == ("250.5", "250.5")
        assert request["enabledInstallments"] == [1, 3]
        foreign = attrs.evolve(BUYER, identity_number="P1234567")
        named = checkout_request(top_up(), foreign, "https://a.example", ())
        assert named["buyer"]["identityNumber"] == "P1234567"
        company = attrs.evolve(
            PROFILE, tax_id=TaxId(kind=TaxIdKind.VKN, number="4540536920", tax_office="Üsküdar")
        )
        unknown = checkout_request(top_up(profile=company), BUYER, "https://a.example", ())
        assert unknown["buyer"]["identityNumber"] == "11111111111"

    @pytest.mark.parametrize(
        ("buyer", "field"),
        [
            (attrs.evolve(BUYER, ip=""), "buyer.ip"),
            (attrs.evolve(BUYER, email=""), "buyer.email"),
        ],
        ids=["ip", "email"],
    )
    def test_what_is_missing_is_named(self, buyer: Buyer, field: str) -> None:
        """Before anything is sent."""
        for gateway in gateways()[1:3]:
            with pytest.raises(InvalidInput) as refused:
                gateway.create(top_up(), buyer)
            assert refused.value.field == field

    @pytest.mark.parametrize("ip", ["", "::1", "127.0.0.300", "a"])
    def test_paytr_wants_an_ipv4_address(self, ip: str) -> None:
        """Nothing else is an address there."""
        gateway = gateways()[2]
        with pytest.raises(InvalidInput, match=r"buyer\.ip"):
            gateway.create(top_up(), attrs.evolve(BUYER, ip=ip))

    def test_a_transfer_has_instructions(self) -> None:
        """No page, but where to send what, under which reference."""
        gateway = BankTransferGateway(SECRET, iban="TR33 0006", holder="Örnek A.Ş.", bank="Banka")
        checkout = gateway.create(top_up())
        assert checkout.kind is CheckoutKind.TRANSFER
        assert checkout.instructions == "Örnek A.Ş.\nBanka\nTR33 0006\n250.5 TRY\nkit1"

    @pytest.mark.parametrize(
        "make",
        [
            lambda: StripeGateway(" ", webhook_secret="s"),  # noqa: S106 - guards nothing
            lambda: StripeGateway("sk", webhook_secret=()),
            lambda: StripeGateway("sk", webhook_secret=("good", "")),
            lambda: IyzicoGateway("", "s", callback_url="https://a"),
            lambda: IyzicoGateway("k", " ", callback_url="https://a"),
            lambda: PaytrGateway("", merchant_key="k", merchant_salt="s"),
            lambda: PaytrGateway("1", merchant_key="k", merchant_salt=" "),
            lambda: BankTransferGateway("", iban="TR33", holder="A"),
            lambda: BankTransferGateway("s", iban=" ", holder="A"),
        ],
        ids=[
            "stripe without a key",
            "stripe without a secret",
            "stripe with a blank secret",
            "iyzico without a key",
            "iyzico with a blank secret",
            "paytr without a merchant",
            "paytr with a blank salt",
            "bank transfer without a secret",
            "bank transfer without an iban",
        ],
    )
    def test_a_gateway_without_its_secrets_is_refused(self, make: Callable[[], object]) -> None:
        """When it is made, without showing any."""
        with pytest.raises(InvalidInput) as refused:
            make()
        assert "good" not in str(refused.value)

    def test_modes_follow_the_keys_and_the_address(self) -> None:
        """Stripe's key says it, iyzico's address, PayTR's own setting."""
        live: list[PaymentGateway] = [
            StripeGateway("sk_live_1", webhook_secret=SECRET),
            IyzicoGateway("k", "s", callback_url="https://a", base_url=LIVE_URL),
            PaytrGateway("1", merchant_key="k", merchant_salt="s"),
        ]
        assert [one.capabilities.mode for one in live] == [PaymentMode.LIVE] * 3
        assert gateways()[0].capabilities.mode is PaymentMode.TEST


class TestNothingLeaks:
    """No secret, card, e-mail address or TCKN stands in a log, an error or a repr."""

    @pytest.mark.parametrize("open_bench", PROVIDERS)
    def test_logs_and_errors(self, open_bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
        """Through a failed create, a good one, a payment, a forged callback and a sweep."""
        told: list[str] = []
        caplog.set_level(logging.DEBUG)
        logging.getLogger("stripe").setLevel(logging.INFO)  # its DEBUG is the host's decision
        clock = KitClock()
        with open_bench(clock) as bench:
            desk = GatewayDesk(bench, clock)
            for fault in (Fault.SERVER_ERROR, Fault.LOST_ANSWER, Fault.HTML):
                bench.fail("create", fault)
                with pytest.raises(BillingError) as failed:
                    desk.start()
                told += [str(failed.value), repr(failed.value)]
            checkout = desk.start()
            for _, callback in bench.forged(checkout):
                with pytest.raises(BillingError) as failed:
                    desk.deliver(callback)
                told += [str(failed.value), repr(failed.value)]
            bench.pay(checkout)
            desk.deliver_all(checkout)
            desk.billing.top_ups.reconcile(desk.name)
            told += [repr(bench.gateway), repr(desk.top_up(checkout)), repr(checkout)]
        text = "\n".join([*told, caplog.text])
        for secret in (SECRET, OLD, API_KEY, TCKN, BUYER.ip, BUYER.email, BUYER.phone):
            assert secret not in text

    def test_fakes_refuse_what_their_provider_would(self) -> None:
        """An unknown route, a wrong key, an unknown field."""
        with stripe_bench(KitClock()) as bench:
            url = bench.fake.url
            with httpx.Client(trust_env=False) as client:
                assert client.get(f"{url}/v1/customers").status_code == 404
                assert client.post(f"{url}/v1/refunds", data={"a": "b"}).status_code == 401
                headers = {"Authorization": f"Bearer {API_KEY}", "Idempotency-Key": "k"}
                sent = {"mode": "payment", "colour": "red"}
                answer = client.post(f"{url}/v1/checkout/sessions", data=sent, headers=headers)
                assert answer.status_code == 400
            stranger = StripeGateway("sk_test_x", webhook_secret="s", base_url=url, retries=0)  # noqa: S106 - guards nothing
            with pytest.raises(GatewayError, match="401"):
                stranger.retrieve(PaymentReference(checkout="cs_test_1"))
        with iyzico_bench(KitClock()) as other:
            wrong = IyzicoGateway(API_KEY, "wrong", callback_url="h", base_url=other.fake.url)
            with pytest.raises(GatewayError, match="1000"):
                wrong.create(top_up(), BUYER)
            wrong.close()
        with paytr_bench(KitClock()) as third:
            salted = PaytrGateway(
                "104711", merchant_key=API_KEY, merchant_salt="x", base_url=third.fake.url
            )
            with pytest.raises(GatewayError, match="refused"):
                salted.create(top_up(), BUYER)
            salted.close()

    def test_a_provider_has_to_say_its_routes(self) -> None:
        """The base class of fakes is no fake."""
        with pytest.raises(TypeError, match=r"act.* route"):
            FakeProvider()  # type: ignore[abstract]
