"""What a host's tests need: a clock that is moved, ids that repeat, an account with money in it.

Owns a service in memory whose time stands still until a test moves it, and the shortest ways to an
account, a paid top-up and a subscription.
Does not own anything that runs in production, nor pytest, to which
:mod:`monochat_billing.testing.pytest_plugin` offers all of it as fixtures.
"""

import itertools
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final, final
from zoneinfo import ZoneInfo

import attrs

from monochat_billing.accounts import Account
from monochat_billing.adapters.memory import MemoryStorage
from monochat_billing.adapters.sandbox import SandboxGateway, payment_id, sign_callback
from monochat_billing.balance import Entry
from monochat_billing.errors import InvalidInput
from monochat_billing.instants import utc
from monochat_billing.intervals import MONTH, BillingInterval
from monochat_billing.money import Money
from monochat_billing.payments import Payment, PaymentStatus
from monochat_billing.plans import AnyCatalog, sample_catalog
from monochat_billing.profiles import Address, BillingProfile, TaxId, TaxIdKind
from monochat_billing.repositories import RecordedEvent, Storage
from monochat_billing.service import Billing
from monochat_billing.subscriptions import Subscription
from monochat_billing.top_up_commands import PaymentReceipt

__all__ = ["BUYER", "START", "CountingIds", "MovingClock", "Workbench", "sandbox_callback"]

START: Final = datetime(2026, 10, 5, 6, tzinfo=UTC)
"""Where the clock stands first: a Monday, 09:00 in Istanbul."""

BUYER: Final = BillingProfile(
    business_name="Acme Ltd.",
    address=Address(line="Street 1", city="Ankara", post_code="06420"),
    tax_id=TaxId(kind=TaxIdKind.VKN, number="6120606538", tax_office="Kadikoy"),
)
"""A company that does not exist, with a tax number that could."""

_SECRET: Final = "a secret of the tests"  # noqa: S105 - it guards nothing


@final
@attrs.define(kw_only=True)
class MovingClock:
    """Stand still until it is moved; pass it as ``clock``.

    It may be set back, as clocks of machines are.

    >>> clock = MovingClock()
    >>> clock.advance(days=31).isoformat()
    '2026-11-05T06:00:00+00:00'
    >>> clock.set("2026-12-01T09:00", zone="Europe/Istanbul").isoformat()
    '2026-12-01T06:00:00+00:00'
    """

    now: datetime = START

    def __call__(self) -> datetime:
        """Give the instant at which it stands."""
        return self.now

    def advance(self, **parts: int) -> datetime:
        """Go on by weeks, days, hours, minutes or seconds, as ``timedelta`` takes them."""
        self.now += timedelta(**parts)
        return self.now

    def set(self, to: datetime | str, *, zone: str = "") -> datetime:
        """Go to an instant, or to a wall time in ``zone`` written as ISO 8601.

        Raises:
            InvalidInput: the instant is naive and no zone was given.
        """
        at = datetime.fromisoformat(to) if isinstance(to, str) else to
        if at.tzinfo is None and zone:
            at = at.replace(tzinfo=ZoneInfo(zone))
        self.now = utc(at, field="to")
        return self.now


@final
@attrs.define
class CountingIds:
    """Give ids that count, so that a test that runs again sees the same ones; pass it as ``ids``.

    >>> ids = CountingIds("hold")
    >>> ids(), ids()
    ('hold-1', 'hold-2')
    """

    prefix: str = "id"
    _numbers: "itertools.count[int]" = attrs.field(factory=lambda: itertools.count(1), init=False)

    def __call__(self) -> str:
        """Give the next id."""
        return f"{self.prefix}-{next(self._numbers)}"


def sandbox_callback(
    top_up: str, amount: Money | None, *, secret: str = _SECRET
) -> tuple[dict[str, str], bytes]:
    """Give headers and body with which the sandbox says that a top-up was paid, or failed for None.

    >>> from monochat_billing.money import money
    >>> headers, body = sandbox_callback("top-1", money("10", "TRY"))
    >>> "X-Sandbox-Signature" in headers, b'"PAID"' in body
    (True, True)
    """
    said = Payment(
        gateway="sandbox",
        top_up=top_up,
        payment=payment_id(top_up),
        status=PaymentStatus.FAILED if amount is None else PaymentStatus.PAID,
        amount=amount,
    )
    headers, body = sign_callback(secret, said)
    return dict(headers), body


@final
@attrs.define(kw_only=True)
class Workbench:
    """Hold a service, its clock, and short ways to what most tests begin with.

    Everything goes through the verbs that a host calls. Without arguments it is in memory and sells
    the sample catalog. Keys count, so each call is another request; a test about keys calls
    ``billing`` itself.

    >>> from monochat_billing.money import money
    >>> bench = Workbench()
    >>> account = bench.open("acme", money("2000", "TRY"))
    >>> bench.subscribe("acme", "growth").state.value
    'ACTIVE'
    >>> later = bench.clock.advance(days=31)
    >>> bench.billing.run_due().accounts
    1
    >>> bench.event_names("acme")[-1]
    'RenewalFailed'
    """

    catalog: AnyCatalog = attrs.field(factory=sample_catalog)
    storage: Storage = attrs.field(factory=MemoryStorage)
    clock: MovingClock = attrs.field(factory=MovingClock)
    ids: CountingIds = attrs.field(factory=CountingIds)
    billing: Billing = attrs.field(init=False)
    _keys: CountingIds = attrs.field(factory=lambda: CountingIds("key"), init=False)

    def __attrs_post_init__(self) -> None:
        self.billing = Billing(
            catalog=self.catalog,
            storage=self.storage,
            gateways=[SandboxGateway(_SECRET, page_url="http://127.0.0.1:9")],
            clock=self.clock,
            ids=self.ids,
        )

    def open(
        self,
        account: str = "acme",
        funds: Money | None = None,
        *,
        zone: str = "Europe/Istanbul",
        currencies: Iterable[str] = ("TRY",),
        profile: BillingProfile | None = BUYER,
    ) -> Account:
        """Open an account, with ``funds`` on it if any are given.

        Raises:
            InvalidInput: the account is there already, or an argument makes no sense.
        """
        opened = self.billing.accounts.open(
            account, zone=zone, currencies=list(currencies), profile=profile
        )
        if funds is not None:
            self.fund(account, funds)
        return opened

    def fund(self, account: str, amount: Money) -> Entry:
        """Credit an amount, as a correction of the host's own would be.

        Raises:
            UnknownName: there is no such account.
        """
        entry = self.billing.balances.credit(account, amount, reason="test", key=self._keys())
        if not isinstance(entry, Entry):  # pragma: no cover - a credit is one entry
            raise InvalidInput("amount", amount, "became no entry", "credit a positive amount")
        return entry

    def top_up(self, account: str, amount: Money) -> PaymentReceipt:
        """Start a top-up and have the sandbox pay it.

        Raises:
            UnknownName: there is no such account.
            InvalidInput: the account has no billing profile, or the amount is refused.
        """
        checkout = self.billing.top_ups.start(
            account,
            amount,
            gateway="sandbox",
            return_url="https://host.example/billing",
            key=self._keys(),
        )
        return self.billing.top_ups.receive("sandbox", *sandbox_callback(checkout.top_up, amount))

    def subscribe(
        self, account: str, product: str, interval: BillingInterval = MONTH
    ) -> Subscription:
        """Subscribe an account to a product, by the month unless said otherwise.

        Raises:
            UnknownName: there is no such account or product.
            InsufficientFunds: the balance does not pay for the first period.
        """
        return self.billing.subscriptions.subscribe(account, product, interval, key=self._keys())

    def events(self, account: str) -> Sequence[RecordedEvent]:
        """Give every event of an account, oldest first."""
        found: list[RecordedEvent] = []
        while page := self.billing.events(account, after=len(found), limit=1000):
            found += page
        return found

    def event_names(self, account: str) -> list[str]:
        """Name the events of an account in their order."""
        return [type(one.event).__name__ for one in self.events(account)]
