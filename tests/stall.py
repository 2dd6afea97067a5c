"""A small catalog without allowances, and a service that sells it."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import attrs

from monochat_billing import MONTH, YEAR, Billing, Catalog, Family, Price, Product, money
from monochat_billing.adapters.memory import MemoryStorage
from monochat_billing.adapters.sql import SqlStorage
from monochat_billing.dunning import AfterGrace, DunningPolicy
from monochat_billing.intervals import BillingInterval
from monochat_billing.plans import AnyCatalog
from monochat_billing.repositories import Storage
from monochat_billing.scheduling import ScheduledChange
from monochat_billing.subscriptions import Subscription
from tests.desk import PROFILE, START, Clock

ISTANBUL = "Europe/Istanbul"
NOVEMBER = datetime(2026, 11, 5, 6, tzinfo=UTC)
DECEMBER = datetime(2026, 12, 5, 6, tzinfo=UTC)
JANUARY = datetime(2027, 1, 5, 6, tzinfo=UTC)


def days(*counts: int) -> tuple[BillingInterval, ...]:
    """Give lengths in days."""
    return tuple(BillingInterval(count=count, unit="DAY") for count in counts)


def product(identity: str, family: Family, rank: int, month: str, **fields: object) -> Product:
    """Sell something per month, and per year for ten months' money."""
    yearly = str(int(month) * 10)
    return Product(
        id=identity,
        family=family,
        rank=rank,
        names={"en": identity.title()},
        prices=(
            Price(interval=MONTH, amount=money(month, "TRY")),
            Price(interval=YEAR, amount=money(yearly, "TRY")),
        ),
        **fields,  # type: ignore[arg-type]
    )


SUSPENDING = DunningPolicy(
    name="plans", family=Family.PLAN, grace=days(7)[0], retries=days(1, 3), then=AfterGrace.SUSPEND
)
MOVING = DunningPolicy(
    name="support", family=Family.SUPPORT, grace=days(5)[0], then=AfterGrace.MOVE, to="community"
)

SHOP = Catalog(
    id="shop",
    version="1",
    products=(
        product("basic", Family.PLAN, 0, "0"),
        product("growth", Family.PLAN, 1, "1000"),
        product("enterprise", Family.PLAN, 2, "3000"),
        product("community", Family.SUPPORT, 0, "0"),
        product("priority", Family.SUPPORT, 1, "400"),
        product("seat", Family.ADD_ON, 0, "100", most_quantity=None),
    ),
    dunning=(SUSPENDING, MOVING),
    zone=ISTANBUL,
)


def with_dunning(*policies: DunningPolicy) -> Catalog:
    """Give the shop with other policies."""
    return attrs.evolve(SHOP, dunning=policies)


@attrs.define
class Counter:
    """Give ids in their order, so that two runs can be compared."""

    last: int = 0

    def __call__(self) -> str:
        self.last += 1
        return f"id-{self.last:04d}"


@attrs.define
class Shop:
    """Hold a service with the account "acme", its clock, and a few looks into it."""

    billing: Billing
    clock: Clock
    keys: Counter = attrs.field(factory=Counter)

    def key(self) -> str:
        return f"key-{self.keys()}"

    def fund(self, amount: str) -> None:
        self.billing.balances.credit("acme", money(amount, "TRY"), reason="money", key=self.key())

    def take(self, amount: str) -> None:
        self.billing.balances.debit("acme", money(amount, "TRY"), reason="export", key=self.key())

    def subscribe(self, product: str, interval: BillingInterval = MONTH) -> Subscription:
        return self.billing.subscriptions.subscribe("acme", product, interval, key=self.key())

    def wait(self, until: datetime) -> None:
        """Let time pass, and let whatever is due be done and stored."""
        self.clock.now = until
        assert not self.billing.run_due().failed

    def of(self, family: Family = Family.PLAN) -> Subscription:
        """Give the last subscription of a family, ended or not."""
        found = [one for one in self.billing.subscriptions.history("acme") if one.family is family]
        return max(found, key=lambda one: (one.live, one.started_at, one.id))

    def schedule(self) -> list[tuple[str, str, str]]:
        """Tell what became of everything that was planned: what, state, outcome."""
        return [
            (what(one), one.state.value, one.outcome)
            for one in self.billing.schedule.history("acme")
        ]

    def pending(self) -> list[str]:
        return [what(one) for one in self.billing.schedule.list("acme")]

    def told(self) -> list[str]:
        return [type(one.event).__name__ for one in self.billing.events("acme", limit=1000)]

    def posted(self) -> str:
        state = self.billing._context.view("acme").state
        balance = state.books.balance("TRY")
        return str(balance.money(balance.posted).amount)


def what(change: ScheduledChange) -> str:
    """Name a scheduled change in one word."""
    if change.quantity is not None and not change.to:
        return f"x{change.quantity}"
    return change.to or change.action.lower()


def shop_on(storage: Storage, catalog: AnyCatalog = SHOP, *, funds: str = "0") -> Shop:
    """Open a shop on a storage; ids are counted, so that runs can be compared."""
    clock = Clock(START)
    billing = Billing(catalog=catalog, storage=storage, clock=clock, ids=Counter())
    billing.accounts.open("acme", zone=ISTANBUL, currencies=["TRY"], profile=PROFILE)
    made = Shop(billing, clock)
    if funds != "0":
        made.fund(funds)
    return made


def storage_on(kind: str, path: Path) -> tuple[Storage, Callable[[], None]]:
    """Give a storage of a kind, and how to close it."""
    if kind == "memory":
        return MemoryStorage(), lambda: None
    sql = SqlStorage(f"sqlite:///{path / 'shop.db'}")
    return sql, sql.close
