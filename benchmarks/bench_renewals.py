"""Time a year of renewals of many accounts in memory, and finding the due ones among the rest.

Run it with ``python benchmarks/bench_renewals.py [accounts]``. A renewal charges a period with its
tax, moves the bounds, keeps the history and tells an event; catch-up finds and stores it. Due
accounts are found by their next due instant: the time for a hundred must not grow with the others.
"""

import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from monochat_billing import TURKEY, Billing, Catalog, Family, Price, Product, money
from monochat_billing.adapters.memory import MemoryStorage
from monochat_billing.intervals import MONTH

START = datetime(2026, 1, 1, 6, tzinfo=UTC)
PERIODS = 12


def catalog(*, taxed: bool) -> Catalog:
    """Sell one plan, with its tax inside or without any."""
    return Catalog(
        id="bench",
        version="1",
        products=(
            Product(
                id="plan",
                family=Family.PLAN,
                names={},
                prices=(Price(interval=MONTH, amount=money("1200", "TRY")),),
            ),
        ),
        tax=TURKEY if taxed else None,
    )


def opened(accounts: int, *, taxed: bool) -> tuple[Billing, MemoryStorage, list[datetime]]:
    """Subscribe so many accounts, spread over a month, each with money for two years."""
    clock = [START]
    storage = MemoryStorage()
    billing = Billing(catalog=catalog(taxed=taxed), storage=storage, clock=lambda: clock[0])
    for number in range(accounts):
        clock[0] = START + timedelta(days=28) * number / accounts
        name = f"a{number:06d}"
        billing.accounts.open(name, zone="Europe/Istanbul", currencies=["TRY"])
        billing.balances.credit(name, money("28800", "TRY"), reason="opening", key="opening")
        billing.subscriptions.subscribe(name, "plan", MONTH, key="plan")
    return billing, storage, clock


def year(accounts: int, *, taxed: bool, steps: int) -> None:
    """Let a year pass in so many steps, and say how many renewals a second that was."""
    billing, _, clock = opened(accounts, taxed=taxed)
    begin = time.process_time()
    for step in range(1, steps + 1):
        clock[0] = START + timedelta(days=372) * step / steps
        billing.run_due()
    spent = time.process_time() - begin
    renewals = sum(len(billing.balances.entries(f"a{n:06d}")) - 2 for n in range(accounts))
    words = "with tax" if taxed else "without tax"
    print(
        f"{words}, {steps} steps: {renewals:,} renewals of {accounts:,} accounts, "
        f"{renewals / spent:,.0f}/s"
    )


def finding(accounts: int) -> None:
    """Say what it takes to find the first hundred due accounts."""
    _, storage, _ = opened(accounts, taxed=False)
    until = START + timedelta(days=40)
    times: list[float] = []
    found: Sequence[str] = ()
    for _ in range(9):
        begin = time.perf_counter()
        found = storage.read(lambda reader: reader.due(until, 100))
        times.append(time.perf_counter() - begin)
    print(f"{len(found)} due of {accounts:>7,}: {min(times) * 1e6:,.1f} µs")


def main() -> None:
    accounts = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    for steps in (1, PERIODS):
        for taxed in (True, False):
            year(accounts, taxed=taxed, steps=steps)
    for many in (accounts // 10, accounts):
        finding(many)


if __name__ == "__main__":
    main()
