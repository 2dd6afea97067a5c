"""A service under test: a clock that is moved, a gateway that pays, and looks into the storage."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import attrs

from monochat_billing import (
    Address,
    Billing,
    BillingProfile,
    Catalog,
    Money,
    PaymentReceipt,
    TaxId,
    TaxIdKind,
    money,
    sample_catalog,
)
from monochat_billing.adapters.sandbox import SandboxGateway, payment_id, sign_callback
from monochat_billing.adapters.whatsapp import meta_rate_cards
from monochat_billing.payments import Payment, PaymentStatus
from monochat_billing.repositories import Storage

SECRET = "a secret of the tests"  # noqa: S105 - it guards nothing
START = datetime(2026, 10, 5, 6, tzinfo=UTC)
PROFILE = BillingProfile(
    business_name="Acme Ltd.",
    address=Address(line="Street 1", city="Ankara", post_code="06420"),
    tax_id=TaxId(kind=TaxIdKind.VKN, number="6120606538", tax_office="Kadikoy"),
)


@attrs.define
class Clock:
    """Stand still until it is moved."""

    now: datetime = START

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **parts: int) -> datetime:
        self.now += timedelta(**parts)
        return self.now

    def set(self, text: str) -> datetime:
        self.now = datetime.fromisoformat(text)
        return self.now


@attrs.define
class Desk:
    """Hold a service with an account in it, and the ways a test reaches around the service."""

    billing: Billing
    clock: Clock
    storage: Storage
    reopen: Callable[[], "Desk"]

    def pay(
        self,
        top_up: str,
        amount: Money,
        *,
        status: PaymentStatus = PaymentStatus.PAID,
        payment: str | None = None,
        secret: str = SECRET,
    ) -> PaymentReceipt:
        """Send the gateway's signed callback for a top-up."""
        said = Payment(
            gateway="sandbox",
            top_up=top_up,
            payment=payment or payment_id(top_up),
            status=status,
            amount=amount if status is PaymentStatus.PAID else None,
        )
        return self.billing.top_ups.receive("sandbox", *sign_callback(secret, said))

    def start(self, amount: Money, *, key: str = "topup", account: str = "acme") -> str:
        """Start a top-up and give its id."""
        checkout = self.billing.top_ups.start(
            account, amount, gateway="sandbox", return_url="https://acme.example/back", key=key
        )
        return checkout.top_up

    def top_up(
        self, amount: str, currency: str = "TRY", *, key: str = "topup", account: str = "acme"
    ) -> PaymentReceipt:
        """Start a top-up and pay it."""
        value = money(amount, currency)
        return self.pay(self.start(value, key=key, account=account), value)

    def snapshot(self, account: str = "acme") -> object:
        """Give everything that is stored of an account, to compare with later."""
        return self.storage.read(
            lambda reader: (
                tuple(reader.entries(account, limit=10_000)),
                tuple(reader.lots(account)),
                tuple(reader.schedule(account)),
                tuple(reader.usage(account, limit=10_000)),
                tuple(reader.events(account, limit=10_000)),
            )
        )

    def event_names(self, account: str = "acme") -> list[str]:
        """Name the account's events in their order."""
        return [type(one.event).__name__ for one in self.billing.events(account, limit=1000)]


def build(
    storage: Storage, clock: Clock, reopen: Callable[[], Desk], catalog: Catalog | None = None
) -> Desk:
    """Build a service on a storage."""
    billing = Billing(
        catalog=catalog or sample_catalog(),
        storage=storage,
        gateways=[SandboxGateway(SECRET, page_url="http://127.0.0.1:9")],
        rates=meta_rate_cards(),
        clock=clock,
    )
    return Desk(billing, clock, storage, reopen)
