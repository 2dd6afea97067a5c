"""The edges of the gateways: malformed answers and approvals, each refused by name."""

import hashlib
import hmac
import json
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import httpx
import pytest

from monochat_billing.adapters.bank_transfer import Approval, BankTransferGateway
from monochat_billing.adapters.iyzico import IyzicoGateway
from monochat_billing.adapters.iyzico.messages import given_back
from monochat_billing.adapters.paytr import PaytrGateway
from monochat_billing.adapters.stripe import StripeGateway, sign_webhook
from monochat_billing.errors import ForgedCallback, GatewayError, InvalidInput, UnknownName
from monochat_billing.gateways import PaymentReference, PaymentStatus
from monochat_billing.money import money
from monochat_billing.payments import TopUpState
from monochat_billing.settlements import SettlementLine
from monochat_billing.testing.fake_provider import Fault
from monochat_billing.testing.gateway_bench import ACCOUNT, BUYER, GatewayDesk, KitClock
from tests.gateway_benches import API_KEY, SECRET, iyzico_bench, stripe_bench

NOON = datetime(2026, 10, 5, 12, tzinfo=UTC)
SESSION = {
    "id": "cs_1",
    "object": "checkout.session",
    "livemode": False,
    "client_reference_id": "kit1",
    "status": "complete",
    "payment_status": "paid",
    "amount_total": 25050,
    "currency": "try",
}
APPROVAL = {
    "amount": "25000",
    "approved_at": "2026-10-05T12:00:00+00:00",
    "currency": "TRY",
    "operator": "ayse",
    "top_up": "kit1",
    "transfer": "t-1",
}


def answering(content: bytes) -> httpx.MockTransport:
    return httpx.MockTransport(lambda _: httpx.Response(200, content=content))


class TestApprovals:
    """An operator's approval is whole, or it is none."""

    @pytest.mark.parametrize(
        ("change", "field"),
        [
            ({"approved_at": "yesterday"}, "callback.approved_at"),
            ({"approved_at": "2026-10-05T12:00:00"}, "callback.approved_at"),
            ({"approved_at": "0001-01-01T00:00:00+23:00"}, "callback.amount"),
            ({"amount": "0"}, "callback.amount"),
            ({"amount": "1e3"}, "callback.amount"),
            ({"currency": "XXX0"}, "callback.amount"),
            ({"operator": " "}, "callback.operator"),
            ({"transfer": 7}, "callback.transfer"),
            ({"more": "1"}, "callback"),
        ],
    )
    def test_a_wrong_field_is_named(self, change: dict[str, Any], field: str) -> None:
        """Signed, and refused all the same."""
        body = json.dumps({**APPROVAL, **change}).encode()
        signature = hmac.new(SECRET.encode(), b"approval." + body, hashlib.sha256).hexdigest()
        gateway = BankTransferGateway(SECRET, iban="TR33", holder="A")
        with pytest.raises(InvalidInput) as refused:
            gateway.parse_callback({"X-Approval-Signature": signature}, body)
        assert (type(refused.value), refused.value.field) == (InvalidInput, field)

    @pytest.mark.parametrize(
        ("change", "field"),
        [
            ({"amount": money("0", "TRY")}, "amount"),
            ({"operator": ""}, "operator"),
            ({"approved_at": datetime(2026, 10, 5)}, "approved_at"),  # noqa: DTZ001 - naive on purpose
        ],
    )
    def test_none_is_made_of_nonsense(self, change: dict[str, Any], field: str) -> None:
        """Nothing arrived, nobody looked, no zone."""
        fields: dict[str, Any] = {
            "top_up": "kit1",
            "transfer": "t-1",
            "amount": money("1", "TRY"),
            "operator": "ayse",
            "approved_at": NOON,
        }
        with pytest.raises(InvalidInput) as refused:
            Approval(**(fields | change))
        assert refused.value.field == field

    def test_who_and_when_stand_in_the_books(self) -> None:
        """On the entry and on the top-up."""
        from tests.gateway_benches import bank_transfer_bench

        with bank_transfer_bench(KitClock()) as bench:
            desk = GatewayDesk(bench, KitClock())
            checkout = desk.start()
            bench.pay(checkout)
            receipt = desk.deliver(bench.callbacks(checkout)[0])
            assert receipt.entry is not None
            assert receipt.entry.actor == "ayse"
            assert desk.top_up(checkout).paid_at == datetime(2026, 10, 5, 7, tzinfo=UTC)


class TestAnswers:
    """What a provider answers is read strictly."""

    @pytest.mark.parametrize("content", [b"[1]", b"NaN", b'{"a":Infinity}', b"[" * 5000, b"\xff"])
    def test_w13_what_is_no_json_object_is_in_doubt(self, content: bytes) -> None:
        """Lists, numbers that are none, depths without end."""
        for gateway in (
            IyzicoGateway(API_KEY, SECRET, callback_url="https://a", transport=answering(content)),
            PaytrGateway("1", merchant_key="k", merchant_salt="s", transport=answering(content)),
        ):
            with pytest.raises(GatewayError, match="no JSON"):
                gateway.retrieve(PaymentReference(top_up="kit1"))
            gateway.close()

    def test_w13_too_much_is_in_doubt(self) -> None:
        """A megabyte is far beyond any answer."""
        transport = answering(b" " * (1024 * 1024 + 1))
        for gateway in (
            IyzicoGateway(API_KEY, SECRET, callback_url="https://a", transport=transport),
            PaytrGateway("1", merchant_key="k", merchant_salt="s", transport=transport),
        ):
            with pytest.raises(GatewayError, match="too much"):
                gateway.retrieve(PaymentReference(top_up="kit1"))
            gateway.close()

    def test_an_answer_without_a_page_is_in_doubt(self) -> None:
        """A form without a token, a token that is no token."""
        with iyzico_bench(KitClock()) as bench:
            desk = GatewayDesk(bench, KitClock())
            top_up = desk.top_up(desk.start())
        for gateway in (
            IyzicoGateway(
                API_KEY,
                SECRET,
                callback_url="https://a",
                transport=answering(b'{"status":"success"}'),
            ),
            PaytrGateway(
                "1",
                merchant_key="k",
                merchant_salt="s",
                transport=answering(b'{"status":"success","token":"../x"}'),
            ),
        ):
            with pytest.raises(GatewayError, match="the answer has no"):
                gateway.create(top_up, BUYER)
            gateway.close()


class TestStripeEvents:
    """A signed event is read whole or refused by its field."""

    def read(self, kind: str, session: dict[str, Any]) -> Any:  # noqa: ANN401 - a payment
        gateway = StripeGateway(API_KEY, webhook_secret=SECRET, clock=KitClock())
        body = json.dumps({"type": kind, "data": {"object": session}}).encode()
        seconds = int(KitClock().now.timestamp())
        header = {"Stripe-Signature": sign_webhook(SECRET, body, seconds)}
        return gateway.parse_callback(header, body)

    @pytest.mark.parametrize(
        ("change", "status"),
        [
            ({}, PaymentStatus.PAID),
            ({"payment_status": "unpaid"}, PaymentStatus.PENDING),
            ({"status": "open", "payment_status": "unpaid"}, PaymentStatus.OPEN),
            ({"status": "expired", "payment_status": "unpaid"}, PaymentStatus.EXPIRED),
            (
                {"payment_status": "unpaid", "payment_intent": {"status": "canceled"}},
                PaymentStatus.FAILED,
            ),
        ],
    )
    def test_w09_statuses(self, change: dict[str, Any], status: PaymentStatus) -> None:
        """What a session says of itself."""
        assert self.read("checkout.session.completed", {**SESSION, **change}).status is status

    def test_w02_a_success_is_never_read_as_a_failure(self) -> None:
        """A failed attempt's event that comes late shows a session that is paid by now."""
        kind = "checkout.session.async_payment_failed"
        assert self.read(kind, SESSION).status is PaymentStatus.PAID
        unpaid = {**SESSION, "payment_status": "unpaid"}
        failed = self.read(kind, unpaid)
        assert (failed.status, failed.amount) == (PaymentStatus.FAILED, None)

    @pytest.mark.parametrize(
        "change",
        [
            {"id": 1},
            {"livemode": "no"},
            {"client_reference_id": 1},
            {"object": "charge"},
            {"amount_total": None},
            {"amount_total": True},
            {"currency": "zzz"},
            {"amount_total": 10**40},
        ],
    )
    def test_a_malformed_session_is_named(self, change: dict[str, Any]) -> None:
        """Signed nonsense."""
        with pytest.raises(InvalidInput) as refused:
            self.read("checkout.session.completed", {**SESSION, **change})
        assert (type(refused.value), refused.value.field) == (InvalidInput, "callback.data.object")

    def test_a_body_that_is_no_bytes_is_forged(self) -> None:
        """A framework that hands over text has changed it."""
        gateway = StripeGateway(API_KEY, webhook_secret=SECRET, clock=KitClock())
        text: Any = "{}"
        with pytest.raises(ForgedCallback):
            gateway.parse_callback({"Stripe-Signature": "t=1,v1=" + "0" * 64}, text)

    def test_a_top_up_that_never_got_a_session_is_open(self) -> None:
        """There is nothing to ask Stripe about."""
        with stripe_bench(KitClock()) as bench:
            found = bench.gateway.retrieve(PaymentReference(top_up="kit1"))
            assert (found.status, bench.fake.calls) == (PaymentStatus.OPEN, [])
            with pytest.raises(InvalidInput, match="names no session"):
                bench.gateway.cancel(PaymentReference(top_up="kit1"))


class TestWhatWentBack:
    """What providers say of refunds and disputes, read strictly."""

    def report(self, **change: object) -> dict[str, object]:
        refund = {"refundPrice": Decimal("20.50000000"), "refundStatus": 1}
        entry: dict[str, object] = {
            "paymentId": 7,
            "paymentRefundStatus": "PARTIALLY_REFUNDED",
            "cancels": [],
            "itemTransactions": [{"refunds": [refund]}, {"refunds": [refund]}],
        }
        return {"status": "success", "payments": [entry | change]}

    def test_iyzicos_report_is_summed(self) -> None:
        """Over all items, cancellations too; what is not done yet does not count."""
        assert given_back(self.report(), "7") == Decimal(41)
        canceled = [{"refundPrice": 3, "refundStatus": 1}, {"refundPrice": 9, "refundStatus": 0}]
        assert given_back(self.report(cancels=canceled, itemTransactions=[]), "7") == 3
        untouched = self.report(paymentRefundStatus="NOT_REFUNDED", itemTransactions=[])
        assert given_back(untouched, "7") == 0

    @pytest.mark.parametrize(
        ("change", "problem"),
        [
            ({"paymentId": 8}, "no such payment"),
            ({"itemTransactions": []}, "how much"),
            ({"itemTransactions": "x"}, "how much"),
            ({"cancels": [{"refundStatus": 1}]}, "without a price"),
            ({"cancels": [{"refundStatus": 1, "refundPrice": "2"}]}, "without a price"),
            ({"cancels": [{"refundStatus": 1, "refundPrice": -2}]}, "without a price"),
        ],
    )
    def test_a_report_that_contradicts_itself_is_not_believed(
        self, change: dict[str, object], problem: str
    ) -> None:
        """Nothing would be worse than to give back twice because of it."""
        with pytest.raises(ValueError, match=problem):
            given_back(self.report(**change), "7")

    def test_w11_an_inquiry_that_takes_no_money_is_noted(self) -> None:
        """Stripe calls it a warning; only when it becomes a dispute is money taken."""
        with stripe_bench(KitClock()) as bench:
            desk = GatewayDesk(bench, bench.clock)
            checkout = desk.start()
            bench.pay(checkout)
            desk.deliver_all(checkout)
            dispute = bench.dispute(checkout)
            bench.fake.disputes[dispute]["status"] = "warning_needs_response"
            desk.deliver_all(checkout)
            assert desk.top_up(checkout).state is TopUpState.CREDITED
            assert "CallbackNotUnderstood" in desk.events()
            bench.close_dispute(checkout, dispute, won=False)
            desk.deliver_all(checkout)
            assert desk.top_up(checkout).state is TopUpState.CHARGED_BACK

    def test_w10_a_lost_webhook_about_a_refund_is_found_by_a_check(self) -> None:
        """The page that a buyer comes back to asks how much has gone back, too."""
        with stripe_bench(KitClock()) as bench:
            desk = GatewayDesk(bench, bench.clock)
            checkout = desk.start()
            bench.pay(checkout)
            desk.deliver_all(checkout)
            bench.refund_outside(checkout, money("100", "TRY"))
            receipt = desk.billing.top_ups.check(ACCOUNT, checkout.top_up)
            assert receipt.top_up.state is TopUpState.PARTLY_REFUNDED
            assert desk.billing.top_ups.check(ACCOUNT, checkout.top_up).repeated

    def test_w10_a_refund_in_the_other_mode_takes_nothing(self) -> None:
        """Test money does not take live money back."""
        with stripe_bench(KitClock()) as bench:
            desk = GatewayDesk(bench, bench.clock)
            checkout = desk.start()
            bench.pay(checkout)
            desk.deliver_all(checkout)
            bench.switch_mode(checkout)
            bench.refund_outside(checkout, money("100", "TRY"))
            desk.deliver(bench.callbacks(checkout)[-1])
            assert desk.top_up(checkout).state is TopUpState.CREDITED
            assert desk.events()[-1] == "CallbackNotUnderstood"

    def test_w10_stripe_forgets_keys_and_still_gives_back_once(self) -> None:
        """A refund that is known is looked up by what was written on it."""
        with stripe_bench(KitClock()) as bench:
            desk = GatewayDesk(bench, bench.clock)
            checkout = desk.start()
            bench.pay(checkout)
            desk.deliver_all(checkout)
            bench.fail("refund", Fault.LOST_ANSWER)
            with pytest.raises(GatewayError):
                desk.billing.top_ups.refund(ACCOUNT, checkout.top_up, key="r")
            bench.fake._keys.clear()
            desk.clock.advance(days=3)
            assert desk.billing.top_ups.reconcile("stripe").refunded == 1
            assert len(bench.fake.refunds) == 1

    def test_w12_the_service_compares_a_settlement_file(self) -> None:
        """With the top-ups of that gateway, of the days of the file."""
        with stripe_bench(KitClock()) as bench:
            desk = GatewayDesk(bench, bench.clock)
            first, second = desk.start(key="1"), desk.start(key="2")
            for checkout in (first, second):
                bench.pay(checkout)
                desk.deliver_all(checkout)
            desk.start(key="3")
            compare = desk.billing.top_ups.compare_settlement
            line = SettlementLine(payment=first.reference, amount=first.amount)
            assert [str(one.kind) for one in compare("stripe", [line]).differences] == [
                "UNKNOWN_THERE"
            ]
            other = SettlementLine(payment=second.reference, amount=second.amount)
            assert compare("stripe", [line, other]).clean
            assert compare("stripe", [line], since=date(2026, 10, 6)).clean
            assert not compare("stripe", [line, other], accounts=["nobody"]).clean
            with pytest.raises(UnknownName):
                compare("nowhere", [])
