"""Every gateway of this library passes the kit that others can run on theirs."""

from contextlib import AbstractContextManager

from monochat_billing.testing.gateway_bench import GatewayBench, KitClock
from monochat_billing.testing.gateway_kit import GatewayConformance
from tests.gateway_benches import (
    bank_transfer_bench,
    iyzico_bench,
    paytr_bench,
    sandbox_bench,
    stripe_bench,
)


class TestSandbox(GatewayConformance):
    """The page on loopback that moves no real money."""

    def bench(self, clock: KitClock) -> AbstractContextManager[GatewayBench]:
        return sandbox_bench(clock)


class TestStripe(GatewayConformance):
    """Stripe Checkout, through the official SDK."""

    def bench(self, clock: KitClock) -> AbstractContextManager[GatewayBench]:
        return stripe_bench(clock)


class TestIyzico(GatewayConformance):
    """iyzico's checkout form."""

    def bench(self, clock: KitClock) -> AbstractContextManager[GatewayBench]:
        return iyzico_bench(clock)


class TestPaytr(GatewayConformance):
    """PayTR's iFrame."""

    def bench(self, clock: KitClock) -> AbstractContextManager[GatewayBench]:
        return paytr_bench(clock)


class TestBankTransfer(GatewayConformance):
    """A person who confirms what arrived."""

    def bench(self, clock: KitClock) -> AbstractContextManager[GatewayBench]:
        return bank_transfer_bench(clock)
