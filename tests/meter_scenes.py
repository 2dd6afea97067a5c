"""Meters for tests: a catalog that has every kind, and a scene to record usage in."""

from collections.abc import Sequence
from datetime import UTC, date, datetime

import attrs

from monochat_billing import MONTH, Billing, Catalog, money, sample_catalog
from monochat_billing.adapters.memory import MemoryStorage
from monochat_billing.catalog_versions import AnyCatalog
from monochat_billing.charge_models import ChargeModel, Graduated, Package, PerUnit, Volume
from monochat_billing.counters import MeterRecord
from monochat_billing.meters import Aggregation, Meter
from monochat_billing.percentages import Percentage
from monochat_billing.quantities import Quantity
from monochat_billing.rate_tables import RateRow, RateTable, RateTables
from monochat_billing.tax_regimes import TaxRegime
from monochat_billing.tiers import Tier
from tests.desk import Clock

START = datetime(2026, 10, 5, 6, tzinfo=UTC)
TIERS = (Tier(up_to=10, price=1), Tier(up_to=20, price=3), Tier(price="0.5"))


def tables(meter: str, *rows: RateRow, **named: object) -> RateTables:
    """Price a meter in TRY from the start of 2026."""
    table = RateTable(
        name=meter,
        meter=meter,
        currency="TRY",
        effective_on=date(2026, 1, 1),
        rows=rows,
        **named,  # type: ignore[arg-type]
    )
    return RateTables(tables=(table,))


def meter(name: str, model: ChargeModel, **named: object) -> Meter:
    """Price a meter by one model."""
    return Meter(id=name, rates=(tables(name, RateRow(model=model)),), **named)  # type: ignore[arg-type]


METERS = (
    meter("storage.gb", Graduated(tiers=TIERS)),
    meter("seat", PerUnit(price=90), aggregation=Aggregation.LAST),
    meter("channel", PerUnit(price=50), aggregation=Aggregation.MAX),
    meter("api.call", Volume(tiers=(Tier(up_to=10, price=5), Tier(price=2)))),
    meter("export", Package(price=100, size=10, free=5)),
    meter("payout", Percentage(rate="0.02", fixed=1, least=2, most=10, free_events=1)),
    meter("bot.run", PerUnit(price="0.4"), minimum=(money("20", "TRY"),)),
)


def metered_catalog(meters: Sequence[Meter] = METERS, tax: TaxRegime | None = None) -> Catalog:
    """Give the sample catalog with meters of its own."""
    known = ("monochat.message", *(one.id for one in meters))
    return attrs.evolve(sample_catalog(), meters=known, metering=tuple(meters), tax=tax)


def record(
    identity: str, name: str, quantity: Quantity, at: datetime = START, **named: object
) -> MeterRecord:
    """Say that so much of a meter was used."""
    return MeterRecord(
        id=identity,
        meter=name,
        quantity=quantity,
        occurred_at=at,
        **named,  # type: ignore[arg-type]
    )


def service(
    catalog: AnyCatalog, *, funds: str = "25000", plan: str = "growth"
) -> tuple[Billing, Clock]:
    """Give a service in memory with the account "acme" on a plan."""
    clock = Clock(START)
    billing = Billing(catalog=catalog, storage=MemoryStorage(), clock=clock)
    billing.accounts.open("acme", zone="Europe/Istanbul", currencies=["TRY"])
    billing.balances.credit("acme", money(funds, "TRY"), reason="opening", key="opening")
    if plan:
        billing.subscriptions.subscribe("acme", plan, MONTH, key="signup")
    return billing, clock


def left(billing: Billing, unit: str = "TRY") -> str:
    """Give what a balance has, as plain text."""
    balance = billing.balances.list("acme")[unit]
    return balance.text(balance.posted)
