"""What must never be seen, how long a call may last, and callbacks made of noise."""

import base64
import contextlib
import json
import logging
import random
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest
import stripe
from hypothesis import given, strategies as st

from monochat_billing.adapters.iyzico import IyzicoGateway
from monochat_billing.adapters.paytr import PaytrGateway
from monochat_billing.adapters.stripe import StripeGateway, sign_webhook
from monochat_billing.errors import BillingError, ForgedCallback, GatewayError, InvalidInput
from monochat_billing.gateways import Checkout, PaymentReference
from monochat_billing.money import Money, money
from monochat_billing.payments import Payment
from monochat_billing.testing.fake_provider import Callback, Fault
from monochat_billing.testing.gateway_bench import (
    ACCOUNT,
    BUYER,
    GatewayBench,
    GatewayDesk,
    KitClock,
)
from tests.effort import one_in
from tests.gateway_benches import (
    API_KEY,
    OLD,
    SECRET,
    STRANGER,
    bank_transfer_bench,
    iyzico_bench,
    paytr_bench,
    sandbox_bench,
    stripe_bench,
)

BENCHES: dict[str, Callable[[KitClock], Any]] = {
    "sandbox": sandbox_bench,
    "stripe": stripe_bench,
    "iyzico": iyzico_bench,
    "paytr": paytr_bench,
    "bank_transfer": bank_transfer_bench,
}
TCKN = "10000000146"
"""The identity number in the kit's billing profile."""


@pytest.fixture(params=BENCHES)
def bench(request: pytest.FixtureRequest) -> Iterator[GatewayBench]:
    """Give a bench of each gateway."""
    name: str = request.param
    with BENCHES[name](KitClock()) as opened:
        yield opened


def whole_life(desk: GatewayDesk) -> Iterator[object]:
    """Do everything that can be done with a top-up, well and badly; give all that is seen of it."""
    can = desk.bench.gateway.capabilities
    for verb in ("create", "retrieve", "refund"):
        with contextlib.suppress(BaseException):  # a bench that cannot fail skips
            desk.bench.fail(verb, Fault.SERVER_ERROR)
    for _ in range(3):
        with contextlib.suppress(GatewayError):
            desk.start()
    checkout = desk.start()
    yield from (checkout, desk.top_up(checkout), desk.bench.gateway)
    for _, callback in desk.bench.forged(checkout):
        try:
            desk.deliver(callback)
        except ForgedCallback as error:
            yield error
    desk.bench.pay(checkout)
    for callback in desk.bench.callbacks(checkout):
        try:
            yield desk.deliver(callback)
        except GatewayError as error:
            yield error
    yield desk.billing.top_ups.reconcile(desk.name)
    if can.retrieves:
        yield desk.billing.top_ups.check(ACCOUNT, checkout.top_up)
    for key in ("r", "r", "r-2"):
        try:
            yield desk.billing.top_ups.refund(ACCOUNT, checkout.top_up, money("10", "TRY"), key=key)
        except BillingError as error:
            yield error
    desk.clock.advance(minutes=30)
    yield desk.billing.top_ups.reconcile(desk.name)
    yield from desk.billing.events(ACCOUNT, limit=1000)


class TestNothingIsSeen:
    """Neither a secret nor an identity number, in no log, repr, text or error."""

    def test_in_a_whole_life_of_a_top_up(
        self,
        bench: GatewayBench,
        caplog: pytest.LogCaptureFixture,
        capsys: Any,  # noqa: ANN401
    ) -> None:
        """Every logger at its most talkative, those of the HTTP clients and SDKs too."""
        stripe.log = "debug"
        try:
            with caplog.at_level(logging.DEBUG):
                for name in ("stripe", "httpx", "httpcore", "urllib3"):
                    logging.getLogger(name).setLevel(logging.DEBUG)
                clock: KitClock = getattr(bench.gateway, "clock", None) or KitClock()
                desk = GatewayDesk(bench, clock)
                shown = [
                    text
                    for seen in whole_life(desk)
                    for text in (repr(seen), str(seen), repr(getattr(seen, "args", "")))
                ]
        finally:
            stripe.log = None
        printed = capsys.readouterr()
        everything = "\n".join([*shown, caplog.text, printed.out, printed.err])
        assert len(shown) > 20
        for secret in (SECRET, OLD, STRANGER, API_KEY, TCKN, BUYER.phone, BUYER.ip, BUYER.email):
            assert secret not in everything
            assert base64.b64encode(secret.encode()).decode() not in everything

    def test_and_the_events_of_it_carry_no_profile(self, bench: GatewayBench) -> None:
        """Events leave the books for other systems."""
        desk = GatewayDesk(bench, KitClock())
        desk.start()
        stored = repr(desk.billing.events(ACCOUNT, limit=1000))
        assert "Gül Sok" not in stored
        assert TCKN not in stored


class TestTimeOuts:
    """No call to a provider waits for ever."""

    @pytest.mark.parametrize("kind", ["iyzico", "paytr"])
    def test_every_phase_of_every_call_is_bounded(self, kind: str) -> None:
        """Connecting, sending, receiving, and waiting for a connection of the pool."""
        seen: list[dict[str, Any]] = []

        def answer(request: httpx.Request) -> httpx.Response:
            seen.append(request.extensions["timeout"])
            return httpx.Response(503)

        transport = httpx.MockTransport(answer)
        gateway = (
            IyzicoGateway("k", "s", callback_url="https://a.example/b", transport=transport)
            if kind == "iyzico"
            else PaytrGateway("1", merchant_key="k", merchant_salt="s", transport=transport)
        )
        with iyzico_bench(KitClock()) as bench:
            desk = GatewayDesk(bench, KitClock())
            top_up = desk.top_up(desk.start())
        reference = top_up.reference
        paid = type(reference)(top_up=top_up.id, checkout="c", payment="p")
        calls: list[Callable[[], object]] = [
            lambda: gateway.create(top_up, BUYER),
            lambda: gateway.retrieve(paid),
            lambda: gateway.refund(paid, money("1", "TRY"), key="r"),
        ]
        if gateway.capabilities.tells_refunds:
            calls.append(lambda: gateway.refunded(paid, "TRY"))
        for call in calls:
            with pytest.raises(GatewayError, match="503"):
                call()
        gateway.close()
        assert len(seen) == len(calls)
        for timeout in seen:
            assert {name: timeout[name] for name in ("connect", "read", "write", "pool")} == {
                "connect": 20,
                "read": 20,
                "write": 20,
                "pool": 20,
            }

    def test_stripe_too(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The SDK would wait eighty seconds."""
        seen: list[object] = []

        class Session:
            def request(self, *_: object, timeout: object, **__: object) -> object:
                seen.append(timeout)
                message = "cut"
                raise OSError(message)

            def close(self) -> None: ...

        gateway = StripeGateway("sk_test_1", webhook_secret="whsec_1", retries=0)  # noqa: S106 - it guards nothing
        client: Any = gateway._client._requestor._client
        monkeypatch.setattr(client, "_session", Session(), raising=False)
        monkeypatch.setattr(client._thread_local, "session", Session(), raising=False)
        paid = PaymentReference(top_up="t", payment="cs_1", checkout="cs_1")
        for call in (
            lambda: gateway.retrieve(paid),
            lambda: gateway.cancel(paid),
            lambda: gateway.refund(paid, money("1", "TRY"), key="r"),
            lambda: gateway.refunded(paid, "TRY"),
        ):
            with pytest.raises(GatewayError):
                call()
        assert seen == [20] * 4


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=5)
    ),
    max_leaves=12,
)
HEADERS = st.dictionaries(
    st.sampled_from(
        ["Stripe-Signature", "X-IYZ-SIGNATURE-V3", "X-Sandbox-Signature", "X-Approval-Signature"]
    )
    | st.text(max_size=10),
    st.text(max_size=80) | st.binary(max_size=10) | st.none() | st.integers(),
    max_size=4,
)
WORDS = st.sampled_from(
    ["id", "type", "data", "object", "payment_intent", "amount", "metadata", "status", "currency",
     "livemode", "client_reference_id", "iyziEventType", "iyziPaymentId", "token", "top_up"]
)  # fmt: skip
EVENTS = st.sampled_from(
    ["charge.refunded", "charge.dispute.created", "checkout.session.completed", "refund.updated"]
)


def parse(bench: GatewayBench, headers: Any, body: Any) -> None:  # noqa: ANN401
    """Parse noise; a payment or one of two refusals may come of it, and nothing else."""
    try:
        said = bench.gateway.parse_callback(headers, body)
    except (ForgedCallback, InvalidInput):
        return
    assert isinstance(said, Payment)
    assert bench.gateway.answer(said).status == 200


class TestNoise:
    """Whatever comes, a parser answers with a payment or says that it is forged or malformed."""

    @given(data=st.data())
    @one_in(3)
    def test_of_any_bytes(self, data: st.DataObject) -> None:
        """With any headers."""
        for name, open_bench in BENCHES.items():
            if name in ("stripe", "iyzico", "paytr"):
                continue  # below, without a server for each example
            with open_bench(KitClock()) as bench:
                parse(bench, data.draw(HEADERS), data.draw(st.binary(max_size=300)))

    @given(headers=HEADERS, body=st.binary(max_size=300), value=JSON)
    @one_in(3)
    def test_of_any_bytes_and_json_unsigned(
        self, headers: dict[str, Any], body: bytes, value: object
    ) -> None:
        """At the three providers."""
        for gateway in gateways():
            for content in (
                body,
                json.dumps(value).encode(),
                urlencode({"a": str(value)}).encode(),
            ):
                parse(gateway, headers, content)

    @given(
        kind=EVENTS | st.text(max_size=10),
        subject=st.dictionaries(WORDS, JSON | WORDS, max_size=8) | JSON,
        extra=st.dictionaries(WORDS, JSON, max_size=4),
    )
    @one_in(2)
    def test_of_signed_events_of_stripe(
        self, kind: str, subject: object, extra: dict[str, object]
    ) -> None:
        """A signature says who sent it, not that it makes sense."""
        body = json.dumps({"type": kind, "data": {"object": subject}, **extra}).encode()
        clock = KitClock()
        signature = sign_webhook(SECRET, body, int(clock().timestamp()))
        gateway = StripeGateway(API_KEY, webhook_secret=SECRET, clock=clock)
        parse(Only(gateway), {"Stripe-Signature": signature}, body)

    @given(fields=st.dictionaries(WORDS, JSON, max_size=8) | JSON)
    @one_in(3)
    def test_of_signed_webhooks_of_iyzico(self, fields: object) -> None:
        """Its signature covers five fields."""
        from monochat_billing.testing.fake_iyzico import FakeIyzico

        fake = FakeIyzico(api_key=API_KEY, secret=SECRET)
        known = fields if isinstance(fields, dict) else {"token": fields}
        headers, body = fake.signed(known)
        gateway = IyzicoGateway(API_KEY, SECRET, callback_url="https://a.example/b")
        parse(Only(gateway), headers, body)
        gateway.close()

    @given(
        total=st.text(max_size=12) | st.integers(-5, 10**20).map(str),
        status=st.sampled_from(["success", "failed", "other", ""]),
        extra=st.dictionaries(
            st.sampled_from(["currency", "test_mode", "x"]), st.text(max_size=5), max_size=3
        ),
    )
    @one_in(3)
    def test_of_signed_forms_of_paytr(self, total: str, status: str, extra: dict[str, str]) -> None:
        """Its hash covers three."""
        from monochat_billing.testing.fake_paytr import FakePaytr

        fake = FakePaytr(merchant_id="1", merchant_key=API_KEY, merchant_salt=SECRET)
        fields = {"merchant_oid": "X0ORXXALJR", "status": status, "total_amount": total, **extra}
        headers, body = fake.signed(fields)
        gateway = PaytrGateway("1", merchant_key=API_KEY, merchant_salt=SECRET)
        parse(Only(gateway), headers, body)
        gateway.close()

    @pytest.mark.deep
    @pytest.mark.parametrize("name", BENCHES)
    def test_of_whatever_coverage_leads_to(self, name: str) -> None:
        """By atheris, half a million runs each, in a process of its own."""
        pytest.importorskip("atheris")
        script = Path(__file__).parent / "fuzz_callbacks.py"
        done = subprocess.run(
            [sys.executable, script, name, "-runs=500000", "-max_len=800"],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-2000:]
        assert "Done 500000 runs" in done.stderr

    @pytest.mark.deep
    def test_of_a_million_mutations(self) -> None:
        """Genuine callbacks with bytes flipped, cut, doubled: a plain fuzzer, seeded."""
        chance = random.Random(20261005)
        for name, open_bench in BENCHES.items():
            with open_bench(KitClock()) as bench:
                desk = GatewayDesk(bench, KitClock())
                checkout = desk.start()
                bench.pay(checkout)
                headers, body = bench.callbacks(checkout)[-1]
                for _ in range(200_000):
                    spoiled = mutate(body, chance)
                    spoken = {
                        key: mutate(value.encode(), chance).decode("latin-1")
                        if chance.random() < 0.1
                        else value
                        for key, value in headers.items()
                    }
                    parse(bench, spoken, spoiled)
            assert name


def mutate(body: bytes, chance: random.Random) -> bytes:
    """Spoil a few bytes."""
    spoiled = bytearray(body)
    for _ in range(chance.randrange(4)):
        place = chance.randrange(len(spoiled) + 1)
        act = chance.randrange(3)
        if act == 0:
            spoiled[place : place + 1] = bytes([chance.randrange(256)])
        elif act == 1:
            del spoiled[place : place + chance.randrange(9)]
        else:
            spoiled[place:place] = spoiled[place : place + chance.randrange(9)]
    return bytes(spoiled)


class Only(GatewayBench):
    """Hold a gateway and nothing else."""

    def __init__(self, gateway: Any) -> None:  # noqa: ANN401
        self.gateway = gateway

    def pay(self, checkout: Checkout, amount: Money | None = None) -> None:
        raise AssertionError("nothing is paid here")

    def callbacks(self, checkout: Checkout) -> Sequence[Callback]:
        raise AssertionError("nothing is sent here")

    def forged(self, checkout: Checkout) -> Sequence[tuple[str, Callback]]:
        raise AssertionError("nothing is forged here")


_GATEWAYS = [
    Only(StripeGateway(API_KEY, webhook_secret=SECRET, clock=KitClock())),
    Only(IyzicoGateway(API_KEY, SECRET, callback_url="https://a.example/b")),
    Only(PaytrGateway("1", merchant_key=API_KEY, merchant_salt=SECRET)),
]


def gateways() -> list[Only]:
    return _GATEWAYS
