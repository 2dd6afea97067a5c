"""What the gateway cases work with: a clock, a storage that fails, a service with one account.

Owns the bench that a gateway's author fills in: how a buyer pays, and what the provider then sends.
Does not own the cases (:mod:`monochat_billing.testing.gateway_kit`).
"""

import itertools
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final, TypeVar
from unittest import SkipTest

import attrs

from monochat_billing.adapters.memory import MemoryStorage
from monochat_billing.balance import EntryKind
from monochat_billing.errors import StorageError
from monochat_billing.gateways import Buyer, Checkout
from monochat_billing.money import Money, money
from monochat_billing.payments import PaymentGateway, TopUp
from monochat_billing.plans import sample_catalog
from monochat_billing.profiles import Address, BillingProfile, TaxId, TaxIdKind
from monochat_billing.repositories import Reader, Storage, UnitOfWork
from monochat_billing.service import Billing
from monochat_billing.testing.fake_provider import Callback, Fault
from monochat_billing.top_up_commands import PaymentReceipt

__all__ = [
    "ACCOUNT",
    "AMOUNT",
    "BUYER",
    "FailingStorage",
    "GatewayBench",
    "GatewayDesk",
    "KitClock",
]

T = TypeVar("T")

ACCOUNT: Final = "acme"
"""The account that every case tops up."""

AMOUNT: Final = money("250.50", "TRY")
"""What every case orders."""

BUYER: Final = Buyer(
    name="Ayşe",
    surname="Güneş",
    email="ayse@acme.example",
    phone="+905350000000",
    ip="203.0.113.7",
)
"""Who pays."""

_PROFILE: Final = BillingProfile(
    business_name="Acme Ltd.",
    address=Address(line="Gül Sok. 5", city="Ankara", post_code="06420"),
    tax_id=TaxId(kind=TaxIdKind.TCKN, number="10000000146"),
    email="billing@acme.example",
)


@attrs.define
class KitClock:
    """Stand still until it is moved.

    >>> clock = KitClock()
    >>> clock.advance(days=1) - KitClock().now
    datetime.timedelta(days=1)
    """

    now: datetime = datetime(2026, 10, 5, 6, tzinfo=UTC)

    def __call__(self) -> datetime:
        """Give the instant at which it stands."""
        return self.now

    def advance(self, *, days: int = 0, minutes: int = 0) -> datetime:
        """Move on, and give the new instant."""
        self.now += timedelta(days=days, minutes=minutes)
        return self.now


@attrs.define
class FailingStorage:
    """Pass everything on to another storage, but fail one write when told to.

    ``fail_next`` is ``"before"`` (nothing is written) or ``"after"`` (it is written, and only the
    answer is lost), once ``skip`` writes have gone well.
    """

    inner: Storage
    fail_next: str = ""
    skip: int = 0

    def read(self, work: Callable[[Reader], T]) -> T:
        """Run ``work`` on one consistent view."""
        return self.inner.read(work)

    def write(self, work: Callable[[UnitOfWork], T]) -> T:
        """Run ``work`` in a unit of work, and fail if it was asked for.

        Raises:
            StorageError: before or after the write, as ``fail_next`` said.
        """
        if self.skip:
            self.skip -= 1
            return self.inner.write(work)
        moment, self.fail_next = self.fail_next, ""
        if moment == "before":
            raise StorageError("write", "the kit's crash before the commit")
        result = self.inner.write(work)
        if moment == "after":
            raise StorageError("write", "the kit's crash after the commit")
        return result


class GatewayBench(ABC):
    """Let a case act as the buyer and the provider of one gateway.

    Subclass it. ``gateway``, :meth:`pay`, :meth:`callbacks` and :meth:`forged` are needed; what a
    provider does not have is left as it is, and its cases are skipped with that reason.
    ``secrets`` are the keys that the gateway was given: no text of it may show them. ``signs`` is
    False where the provider signs nothing, so that a callback is never a proof: what :meth:`forged`
    gives may then be answered like any other, and nothing may come of it.
    """

    gateway: PaymentGateway
    secrets: Sequence[str] = ()
    signs: bool = True

    @abstractmethod
    def pay(self, checkout: Checkout, amount: Money | None = None) -> None:
        """Pay at the provider: what was ordered, or ``amount`` instead."""

    @abstractmethod
    def callbacks(self, checkout: Checkout) -> Sequence[Callback]:
        """Give every callback that the provider has sent about a checkout, oldest first."""

    @abstractmethod
    def forged(self, checkout: Checkout) -> Sequence[tuple[str, Callback]]:
        """Give callbacks that claim a payment and do not come from the provider, with a name."""

    def decline(self, checkout: Checkout) -> None:  # noqa: ARG002 - a subclass uses it
        """Let the buyer's bank refuse one attempt."""
        raise SkipTest("the bench declines nothing")

    def review(self, checkout: Checkout) -> None:  # noqa: ARG002 - a subclass uses it
        """Pay, and let the provider decide later."""
        raise SkipTest("the provider reviews nothing")

    def decide(self, checkout: Checkout, *, good: bool) -> None:  # noqa: ARG002 - a subclass uses it
        """Decide what was under review."""
        raise SkipTest("the provider reviews nothing")

    def switch_mode(self, checkout: Checkout) -> None:  # noqa: ARG002 - a subclass uses it
        """Let what is paid next belong to the other of live and test."""
        raise SkipTest("the provider knows no modes, or keeps them on servers of their own")

    def strange(self, checkout: Checkout) -> Callback:  # noqa: ARG002 - a subclass uses it
        """Give a genuine callback about a checkout that the gateway cannot know."""
        raise SkipTest("the provider sends one kind of callback")

    def fail(self, verb: str, fault: Fault) -> None:  # noqa: ARG002 - a subclass uses it
        """Let the gateway's next ``create``, ``retrieve`` or ``refund`` fail."""
        raise SkipTest("the gateway calls nobody")

    def given_back(self, checkout: Checkout) -> Money:  # noqa: ARG002 - a subclass uses it
        """Sum what the provider has given back of the checkout's payment."""
        raise SkipTest("the provider keeps no count of what it gave back")

    def refuse_refunds(self, checkout: Checkout) -> None:  # noqa: ARG002 - a subclass uses it
        """Let the provider refuse to give the checkout's payment back."""
        raise SkipTest("the provider refuses no refund")

    def refund_outside(self, checkout: Checkout, amount: Money) -> None:  # noqa: ARG002 - a subclass uses it
        """Give some of it back at the provider, which then tells of it."""
        raise SkipTest("the provider tells of no refund that was begun there")

    def dispute(self, checkout: Checkout) -> str:  # noqa: ARG002 - a subclass uses it
        """Let the buyer's bank dispute the whole payment, and give the dispute's id."""
        raise SkipTest("the provider tells of no disputes")

    def close_dispute(self, checkout: Checkout, dispute: str, *, won: bool) -> None:  # noqa: ARG002 - a subclass uses it
        """Decide a dispute, or decide it anew."""
        raise SkipTest("the provider tells of no disputes")

    def payments_taken(self, checkout: Checkout) -> int:  # noqa: ARG002 - a subclass uses it
        """Count what the provider took for the checkout's top-up."""
        raise SkipTest("the provider counts nothing")


class GatewayDesk:
    """Hold a service with one account and the gateway in it."""

    def __init__(
        self, bench: GatewayBench, clock: KitClock, storage: Storage | None = None
    ) -> None:
        self.bench = bench
        self.clock = clock
        self.storage: FailingStorage = FailingStorage(storage or MemoryStorage())
        self.last_id: str = ""
        self._ids = itertools.count(1)
        self.billing: Billing = Billing(
            catalog=sample_catalog(),
            storage=self.storage,
            gateways=[bench.gateway],
            clock=clock,
            ids=self._next_id,
        )
        self.billing.accounts.open(
            ACCOUNT, zone="Europe/Istanbul", currencies=["TRY", "USD"], profile=_PROFILE
        )

    @property
    def name(self) -> str:
        """Give the gateway's name."""
        return self.bench.gateway.name

    def _next_id(self) -> str:
        self.last_id = f"kit{next(self._ids)}"
        return self.last_id

    def start(self, *, key: str = "top-up", amount: Money = AMOUNT) -> Checkout:
        """Start a top-up."""
        return self.billing.top_ups.start(
            ACCOUNT,
            amount,
            gateway=self.name,
            return_url="https://acme.example/billing?tab=top-up",
            key=key,
            buyer=BUYER,
        )

    def deliver(self, callback: Callback) -> PaymentReceipt:
        """Hand a callback to the service, as a host's endpoint does."""
        headers, body = callback
        return self.billing.top_ups.receive(self.name, headers, body)

    def deliver_all(self, checkout: Checkout) -> None:
        """Hand over every callback so far, newest first, and then again in order."""
        callbacks = list(self.bench.callbacks(checkout))
        for callback in [*reversed(callbacks), *callbacks]:
            self.deliver(callback)

    def top_up(self, checkout: Checkout) -> TopUp:
        """Give the top-up of a checkout."""
        return self.billing.top_ups.get(ACCOUNT, checkout.top_up)

    def credits(self) -> int:
        """Count the credits for top-ups."""
        entries = self.storage.read(lambda reader: reader.entries(ACCOUNT, limit=10_000))
        return sum(entry.kind is EntryKind.TOP_UP for entry in entries)

    def posted(self) -> int:
        """Sum all entries in lira, in micro-units."""
        entries = self.storage.read(lambda reader: reader.entries(ACCOUNT, limit=10_000))
        return sum(entry.amount for entry in entries if entry.unit == AMOUNT.currency.code)

    def available(self) -> int:
        """Give what can be spent in lira, in micro-units; negative when something is owed."""
        state = self.billing._context.view(ACCOUNT).state  # noqa: SLF001 - no verb gives it in integers
        return state.books.balance(AMOUNT.currency.code).available(None, self.clock.now)

    def events(self) -> list[str]:
        """Name the account's events in their order."""
        return [type(one.event).__name__ for one in self.billing.events(ACCOUNT, limit=10_000)]
