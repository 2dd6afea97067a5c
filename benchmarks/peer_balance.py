"""Time the in-memory charge of flexibilling; bench_balance.py runs it under its interpreter."""

import asyncio
import time
from decimal import Decimal
from importlib.metadata import version

from flexibilling.adapters.memory import InMemoryBillingRepository  # type: ignore[import-not-found]
from flexibilling.cache import NullBillingCache  # type: ignore[import-not-found]
from flexibilling.service import BillingService  # type: ignore[import-not-found]

ROUNDS, LOOPS = 9, 500


async def measure() -> float:
    """Return the least microseconds per charge: balance and ledger row, no lots and no key."""
    repository = InMemoryBillingRepository()
    repository.balances["acme", "TRY"] = Decimal(1_000_000)
    service = BillingService(repository, NullBillingCache())
    session = object()
    rounds = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        for _ in range(LOOPS):
            await service.charge("acme", "TRY", Decimal("0.0009"), session=session)
        rounds.append((time.perf_counter() - start) / LOOPS * 1e6)
    return min(rounds)


print(f"flexibilling {version('flexibilling')}, charge in memory, no lots, no key")
print(f"  each charge                         {asyncio.run(measure()):8.2f}")
