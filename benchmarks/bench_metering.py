"""Time usage records of meters on their way to durable debits, one by one and in batches.

Run ``python benchmarks/bench_metering.py``; ``--records N`` changes the number. Each record is
rated, posted as an entry of its own with explained lines, and counted; a batch is one commit, on
SQLite with ``synchronous=FULL``. Before any time is printed, singles and batches are compared:
they take the same money. Targets for batches: 10,000 records/s in memory, 5,000/s on SQLite.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import product
from pathlib import Path
from typing import Final

import attrs

from monochat_billing import MONTH, Billing, money, sample_catalog
from monochat_billing.adapters.memory import MemoryStorage
from monochat_billing.adapters.sql import SqlStorage
from monochat_billing.charge_models import ChargeModel, Graduated, PerUnit
from monochat_billing.counters import MeterRecord
from monochat_billing.meters import Meter
from monochat_billing.rate_tables import RateRow, RateTable, RateTables
from monochat_billing.repositories import Storage
from monochat_billing.tax_regimes import TURKEY
from monochat_billing.tiers import Tier

START: Final = datetime(2026, 10, 5, 6, tzinfo=UTC)
TIERS: Final = (Tier(up_to=1000, price="0.05"), Tier(up_to=8000, price="0.03"), Tier(price="0.02"))


def meter(name: str, model: ChargeModel) -> Meter:
    """Price a meter in TRY."""
    table = RateTable(
        name=name,
        meter=name,
        currency="TRY",
        effective_on=date(2026, 1, 1),
        rows=(RateRow(model=model),),
    )
    return Meter(id=name, rates=(RateTables(tables=(table,)),))


METERS: Final = (
    meter("bot.run", PerUnit(price="0.4")),
    meter("storage.gb", Graduated(tiers=TIERS)),
)


def service(storage: Storage, *, taxed: bool) -> Billing:
    """Open an account that can pay for everything."""
    catalog = attrs.evolve(
        sample_catalog(),
        meters=("monochat.message", *(one.id for one in METERS)),
        metering=METERS,
        tax=TURKEY if taxed else None,
    )
    billing = Billing(catalog=catalog, storage=storage, clock=lambda: START)
    billing.accounts.open("acme", zone="Europe/Istanbul", currencies=["TRY"])
    billing.balances.credit("acme", money("1000000", "TRY"), reason="bench", key="opening")
    billing.subscriptions.subscribe("acme", "growth", MONTH, key="signup")
    return billing


def records(count: int, *meters: str) -> list[MeterRecord]:
    """Write records of meters in turn, each of 1 to 3 units."""
    return [
        MeterRecord(
            id=f"r-{place}",
            meter=meters[place % len(meters)],
            quantity=1 + place % 3,
            occurred_at=START - timedelta(seconds=place % 3600),
        )
        for place in range(count)
    ]


def record(billing: Billing, rows: Sequence[MeterRecord], size: int) -> None:
    """Record everything in batches."""
    for first in range(0, len(rows), size):
        report = billing.usage.record("acme", rows[first : first + size])
        if report.repeated or report.refused:
            raise SystemExit(str(report))


def timed(call: Callable[[], None]) -> tuple[float, float]:
    """Return the seconds of the clock and of the processor, which other work does not touch."""
    clock, processor = time.perf_counter(), time.process_time()
    call()
    return time.perf_counter() - clock, time.process_time() - processor


def compare() -> None:
    """Refuse to go on unless singles and batches take the same."""
    rows, left = records(600, "bot.run", "storage.gb"), set()
    for size in (1, 7, 600):
        billing = service(MemoryStorage(), taxed=True)
        record(billing, rows, size)
        balance = billing.balances.list("acme")["TRY"]
        day = timedelta(days=1)
        found = billing.usage.breakdown("acme", since=START - day, until=START + day)
        left.add((balance.posted, found.lines))
        if not billing.verify("acme").sound:
            raise SystemExit("the books do not add up")
    if len(left) != 1:
        raise SystemExit(f"batches differ from singles: {left}")


KINDS: Final = {
    "per unit": ("bot.run",),
    "graduated": ("storage.gb",),
    "both, in turn": ("bot.run", "storage.gb"),
}


def measure(storage: Storage, place: str, size: int, name: str, count: int, *, taxed: bool) -> None:
    """Print one line."""
    billing, rows = service(storage, taxed=taxed), records(count, *KINDS[name])
    clock, cpu = timed(lambda: record(billing, rows, size))
    sys.stdout.write(
        f"{place:6} batches of {size:>5,}  {name:14}{'with tax' if taxed else '':9}"
        f"{count / clock:>9,.0f}/s ({count / cpu:>9,.0f}/s of the processor)\n"
    )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=10_000)
    count = parser.parse_args().records
    compare()
    with tempfile.TemporaryDirectory() as folder:
        for size, name, taxed in product((1, 1000, 5000), KINDS, (False, True)):
            some = count if size > 1 else min(count, 500)
            measure(MemoryStorage(), "memory", size, name, some, taxed=taxed)
            path = Path(folder) / f"{size}-{name}-{taxed}.db"
            file = SqlStorage(f"sqlite:///{path}")
            measure(file, "SQLite", size, name, some, taxed=taxed)


if __name__ == "__main__":
    main()
