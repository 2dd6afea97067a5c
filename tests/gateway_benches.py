"""A bench for each gateway of this library: how its buyer pays, and what its provider sends."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from urllib.parse import parse_qsl, urlencode

from monochat_billing.adapters.bank_transfer import Approval, BankTransferGateway, sign_approval
from monochat_billing.adapters.iyzico import IyzicoGateway
from monochat_billing.adapters.paytr import PaytrGateway
from monochat_billing.adapters.sandbox import SandboxGateway, payment_id, sign_callback
from monochat_billing.adapters.stripe import StripeGateway, sign_webhook
from monochat_billing.gateways import Checkout, PaymentMode, from_minor, to_minor
from monochat_billing.money import Money, add, amount_text, money
from monochat_billing.payments import Payment, PaymentStatus
from monochat_billing.testing.fake_iyzico import FakeIyzico
from monochat_billing.testing.fake_paytr import FakePaytr
from monochat_billing.testing.fake_provider import Callback, FakeProvider, Fault
from monochat_billing.testing.fake_stripe import FakeStripe
from monochat_billing.testing.gateway_bench import GatewayBench, KitClock

SECRET = "a secret of the tests"  # noqa: S105 - it guards nothing
OLD = "an older secret"
API_KEY = "sk_test_a_key_of_the_tests"
STRANGER = "somebody else's secret"
# Long enough for a loopback answer on a busy machine, short enough for a stalled one.
TIMEOUT = 1


class SandboxBench(GatewayBench):
    """The sandbox page's part, without a page."""

    secrets = (SECRET, OLD, API_KEY)

    def __init__(self) -> None:
        self.gateway = SandboxGateway((SECRET, OLD), page_url="http://127.0.0.1:9")
        self.sent: dict[str, list[Callback]] = {}
        self.back: dict[str, Money] = {}

    def _say(
        self, checkout: Checkout, status: PaymentStatus, amount: Money | None, secret: str = SECRET
    ) -> Callback:
        said = Payment(
            gateway="sandbox",
            top_up=checkout.top_up,
            payment=payment_id(checkout.top_up),
            status=status,
            amount=amount,
        )
        return sign_callback(secret, said)

    def pay(self, checkout: Checkout, amount: Money | None = None) -> None:
        callback = self._say(checkout, PaymentStatus.PAID, amount or checkout.amount)
        self.sent.setdefault(checkout.top_up, []).append(callback)

    def decline(self, checkout: Checkout) -> None:
        callback = self._say(checkout, PaymentStatus.FAILED, None)
        self.sent.setdefault(checkout.top_up, []).append(callback)

    def callbacks(self, checkout: Checkout) -> Sequence[Callback]:
        return self.sent.get(checkout.top_up, [])

    def refund_outside(self, checkout: Checkout, amount: Money) -> None:
        before = self.back.get(checkout.top_up, money("0", "TRY"))
        self.back[checkout.top_up] = add(before, amount)
        callback = self._say(checkout, PaymentStatus.REFUNDED, self.back[checkout.top_up])
        self.sent.setdefault(checkout.top_up, []).append(callback)

    def dispute(self, checkout: Checkout) -> str:
        self._tell(checkout, PaymentStatus.DISPUTED)
        return "dispute-1"

    def close_dispute(self, checkout: Checkout, dispute: str, *, won: bool) -> None:
        self._tell(checkout, PaymentStatus.DISPUTE_WON if won else PaymentStatus.DISPUTE_LOST)

    def _tell(self, checkout: Checkout, status: PaymentStatus) -> None:
        said = Payment(
            gateway="sandbox",
            top_up=checkout.top_up,
            payment=payment_id(checkout.top_up),
            status=status,
            amount=checkout.amount,
            dispute="dispute-1",
        )
        self.sent.setdefault(checkout.top_up, []).append(sign_callback(SECRET, said))

    def forged(self, checkout: Checkout) -> Sequence[tuple[str, Callback]]:
        headers, body = self._say(checkout, PaymentStatus.PAID, checkout.amount)
        stranger = self._say(checkout, PaymentStatus.PAID, checkout.amount, STRANGER)
        return forgeries(headers, body, stranger)


def forgeries(
    headers: dict[str, str], body: bytes, stranger: Callback
) -> list[tuple[str, Callback]]:
    """Spoil a genuine callback whose signature stands in one header."""
    (name,) = [one for one in headers if one != "Content-Type"]
    signature = headers[name]
    return [
        ("unsigned", ({}, body)),
        ("another body", (headers, body.replace(b":", b": ", 1))),
        ("no body", (headers, b"")),
        ("a stranger's secret", stranger),
        ("repeated", ({**headers, name.swapcase(): signature}, body)),
        ("joined", ({name: f"{signature}, {signature}"}, body + b" ")),
        ("not ASCII", ({name: signature[:-1] + "é"}, body)),
        ("cut", ({name: signature[:-1]}, body)),
        ("empty", ({name: ""}, body)),
    ]


class ProviderBench(GatewayBench):
    """What the benches on a fake provider share."""

    provider: FakeProvider

    secrets = (SECRET, OLD, API_KEY)

    def fail(self, verb: str, fault: Fault) -> None:
        self.provider.script(verb, fault)


class StripeBench(ProviderBench):
    """Stripe, driven by its own SDK."""

    def __init__(self, fake: FakeStripe, gateway: StripeGateway, clock: KitClock) -> None:
        self.fake = self.provider = fake
        self.gateway = gateway
        self.clock = clock

    def pay(self, checkout: Checkout, amount: Money | None = None) -> None:
        self.fake.pay(checkout.reference, None if amount is None else to_minor(amount))

    def decline(self, checkout: Checkout) -> None:
        self.fake.decline(checkout.reference)

    def review(self, checkout: Checkout) -> None:
        self.fake.review(checkout.reference)

    def decide(self, checkout: Checkout, *, good: bool) -> None:
        self.fake.decide(checkout.reference, good=good)

    def switch_mode(self, checkout: Checkout) -> None:
        self.fake.switch_mode(checkout.reference)

    def callbacks(self, checkout: Checkout) -> Sequence[Callback]:
        return [callback for about, callback in self.fake.sent if about == checkout.reference]

    def strange(self, checkout: Checkout) -> Callback:
        dispute = {"id": "dp_1", "object": "dispute", "metadata": {"top_up": checkout.top_up}}
        return self.fake.event("charge.dispute.created", dispute)

    def given_back(self, checkout: Checkout) -> Money:
        return from_minor(self.fake.given_back(f"pi_{checkout.reference}"), "TRY")

    def refuse_refunds(self, checkout: Checkout) -> None:
        self.fake.sessions[checkout.reference]["intent"] = "canceled"

    def refund_outside(self, checkout: Checkout, amount: Money) -> None:
        self.fake.give_back(f"pi_{checkout.reference}", to_minor(amount))

    def dispute(self, checkout: Checkout) -> str:
        total = self.fake.sessions[checkout.reference]["amount_total"]
        return self.fake.open_dispute(f"pi_{checkout.reference}", total)

    def close_dispute(self, checkout: Checkout, dispute: str, *, won: bool) -> None:
        self.fake.close_dispute(dispute, "won" if won else "lost")

    def payments_taken(self, checkout: Checkout) -> int:
        return sum(
            one["client_reference_id"] == checkout.top_up and one["payment_status"] == "paid"
            for one in self.fake.sessions.values()
        )

    def forged(self, checkout: Checkout) -> Sequence[tuple[str, Callback]]:
        headers, body = self.fake.tell(checkout.reference, "completed")
        self.fake.sent.clear()
        old = sign_webhook(SECRET, body, int(self.clock().timestamp()) - 301)
        return [
            *forgeries(headers, body, self.fake.signed(body, secret=STRANGER)),
            ("older than five minutes", ({"Stripe-Signature": old}, body)),
        ]


class IyzicoBench(ProviderBench):
    """iyzico, whose webhooks and browser returns only say what to ask about."""

    def __init__(self, fake: FakeIyzico, gateway: IyzicoGateway) -> None:
        self.fake = self.provider = fake
        self.gateway = gateway

    def fail(self, verb: str, fault: Fault) -> None:
        super().fail(verb, fault)
        if verb == "create":
            self.fake.script("detail")

    def pay(self, checkout: Checkout, amount: Money | None = None) -> None:
        self.fake.pay(checkout.reference, None if amount is None else amount_text(amount))

    def decline(self, checkout: Checkout) -> None:
        self.fake.decline(checkout.reference)

    def review(self, checkout: Checkout) -> None:
        self.fake.pay(checkout.reference, fraud=0)

    def decide(self, checkout: Checkout, *, good: bool) -> None:
        self.fake.decide(checkout.reference, good=good)

    def callbacks(self, checkout: Checkout) -> Sequence[Callback]:
        sent = [callback for about, callback in self.fake.sent if about == checkout.reference]
        return [self.fake.returned(checkout.reference), *sent] if sent else []

    def strange(self, checkout: Checkout) -> Callback:
        return self.fake.tell(checkout.reference, "SUCCESS", "A_LATER_KIND_OF_EVENT")

    def given_back(self, checkout: Checkout) -> Money:
        payment = self.fake.forms[checkout.reference].get("paymentId", "")
        return money(self.fake.given_back(payment), "TRY")

    def refuse_refunds(self, checkout: Checkout) -> None:
        self.fake.forms[checkout.reference]["paymentStatus"] = "FAILURE"

    def payments_taken(self, checkout: Checkout) -> int:
        return sum(
            one["basketId"] == checkout.top_up and one["paymentStatus"] == "SUCCESS"
            for one in self.fake.forms.values()
        )

    def forged(self, checkout: Checkout) -> Sequence[tuple[str, Callback]]:
        headers, body = self.fake.tell(checkout.reference, "SUCCESS")
        self.fake.sent.clear()
        stranger = self.fake.signed({"token": checkout.reference}, secret=STRANGER.encode())
        # Blanks between JSON's tokens are not signed, so another spelling of the body is genuine.
        spoiled = body.replace(b"SUCCESS", b"FAILURE")
        return [
            (name, (sent, spoiled if name == "another body" else content))
            for name, (sent, content) in forgeries(headers, body, stranger)
        ]


class PaytrBench(ProviderBench):
    """PayTR, whose hash stands in the form itself."""

    def __init__(self, fake: FakePaytr, gateway: PaytrGateway) -> None:
        self.fake = self.provider = fake
        self.gateway = gateway

    def pay(self, checkout: Checkout, amount: Money | None = None) -> None:
        self.fake.pay(checkout.reference, None if amount is None else to_minor(amount))

    def decline(self, checkout: Checkout) -> None:
        self.fake.decline(checkout.reference)

    def switch_mode(self, checkout: Checkout) -> None:
        self.fake.switch_mode(checkout.reference)

    def callbacks(self, checkout: Checkout) -> Sequence[Callback]:
        order = self.fake.tokens[checkout.reference]
        return [callback for about, callback in self.fake.sent if about == order]

    def strange(self, checkout: Checkout) -> Callback:
        return self.fake.tell(self.fake.tokens[checkout.reference], "chargeback", "0")

    def given_back(self, checkout: Checkout) -> Money:
        return money(self.fake.given_back(self.fake.tokens[checkout.reference]), "TRY")

    def refuse_refunds(self, checkout: Checkout) -> None:
        self.fake.orders[self.fake.tokens[checkout.reference]]["status"] = "refunds are refused"

    def payments_taken(self, checkout: Checkout) -> int:
        found = self.fake.orders[self.fake.tokens[checkout.reference]]
        return int(found["status"] == "success")

    def forged(self, checkout: Checkout) -> Sequence[tuple[str, Callback]]:
        order = self.fake.tokens[checkout.reference]
        headers, body = self.fake.tell(order, "success", "25050")
        self.fake.sent.clear()
        fields = dict(parse_qsl(body.decode()))
        plain = {name: value for name, value in fields.items() if name != "hash"}
        spoiled = {
            "unsigned": plain,
            "empty": {**fields, "hash": ""},
            "cut": {**fields, "hash": fields["hash"][:-2]},
            "not ASCII": {**fields, "hash": fields["hash"][:-1] + "é"},
            "another total": {**fields, "total_amount": "99999"},
            "another order": {**fields, "merchant_oid": "other"},
            "another status": {**fields, "status": "failed"},
        }
        return [
            *((name, (headers, urlencode(form).encode())) for name, form in spoiled.items()),
            ("a stranger's key", self.fake.signed(plain, key=STRANGER.encode())),
            ("repeated", (headers, body + b"&total_amount=25050")),
            ("no form", (headers, b"\xff\xfe")),
            ("no body", (headers, b"")),
        ]


class BankTransferBench(GatewayBench):
    """An operator who looks at the bank's statement."""

    secrets = (SECRET, OLD, API_KEY)

    def __init__(self) -> None:
        self.gateway = BankTransferGateway((SECRET, OLD), iban="TR33", holder="Örnek A.Ş.")
        self.sent: dict[str, list[Callback]] = {}

    def _approve(
        self, checkout: Checkout, amount: Money | None = None, secret: str = SECRET
    ) -> Callback:
        approval = Approval(
            top_up=checkout.top_up,
            transfer=f"transfer-of-{checkout.top_up}",
            amount=amount or checkout.amount,
            operator="ayse",
            approved_at=datetime(2026, 10, 5, 7, tzinfo=UTC),
        )
        return sign_approval(secret, approval)

    def pay(self, checkout: Checkout, amount: Money | None = None) -> None:
        self.sent.setdefault(checkout.top_up, []).append(self._approve(checkout, amount))

    def callbacks(self, checkout: Checkout) -> Sequence[Callback]:
        return self.sent.get(checkout.top_up, [])

    def forged(self, checkout: Checkout) -> Sequence[tuple[str, Callback]]:
        headers, body = self._approve(checkout)
        return forgeries(headers, body, self._approve(checkout, secret=STRANGER))


@contextmanager
def sandbox_bench(clock: KitClock) -> Iterator[SandboxBench]:
    del clock
    yield SandboxBench()


@contextmanager
def bank_transfer_bench(clock: KitClock) -> Iterator[BankTransferBench]:
    del clock
    yield BankTransferBench()


@contextmanager
def stripe_bench(clock: KitClock) -> Iterator[StripeBench]:
    with FakeStripe(api_key=API_KEY, webhook_secret=SECRET, clock=clock, sign=sign_webhook) as fake:
        gateway = StripeGateway(
            API_KEY,
            webhook_secret=(SECRET, OLD),
            base_url=fake.url,
            timeout=TIMEOUT,
            retries=0,
            clock=clock,
        )
        yield StripeBench(fake, gateway, clock)


@contextmanager
def iyzico_bench(clock: KitClock) -> Iterator[IyzicoBench]:
    with FakeIyzico(api_key=API_KEY, secret=SECRET) as fake:
        gateway = IyzicoGateway(
            API_KEY,
            SECRET,
            callback_url="https://acme.example/iyzico",
            base_url=fake.url,
            timeout=TIMEOUT,
            clock=clock,
        )
        yield IyzicoBench(fake, gateway)
        gateway.close()


@contextmanager
def paytr_bench(clock: KitClock) -> Iterator[PaytrBench]:
    with FakePaytr(merchant_id="104711", merchant_key=API_KEY, merchant_salt=SECRET) as fake:
        gateway = PaytrGateway(
            "104711",
            merchant_key=API_KEY,
            merchant_salt=SECRET,
            mode=PaymentMode.TEST,
            base_url=fake.url,
            timeout=TIMEOUT,
            clock=clock,
        )
        yield PaytrBench(fake, gateway)
        gateway.close()
