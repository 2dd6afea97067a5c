"""Time what looking back costs on short and on long histories, in memory and on SQLite.

Run it with ``python benchmarks/bench_statements.py``. A page, a balance at a past instant and one
month's consumption must cost what they return, and not what lies before them.
"""

import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import attrs

from monochat_billing import Billing, money, sample_catalog
from monochat_billing.adapters.memory import MemoryStorage
from monochat_billing.adapters.sql import SqlStorage
from monochat_billing.balance import EntryKind, Memo, credit, debit_many
from monochat_billing.repositories import Changes, Storage, UnitOfWork, Wanted

START = datetime(2020, 1, 1, tzinfo=UTC)
STEP = timedelta(minutes=20)
CHUNK = 5_000


def fill(storage: Storage, entries: int) -> datetime:
    """Post so many debits, one every twenty minutes; give the instant after the last."""
    clock = [START]
    billing = Billing(catalog=sample_catalog(), storage=storage, clock=lambda: clock[0])
    billing.accounts.open("acme", zone="Europe/Istanbul", currencies=["TRY"])
    for first in range(0, entries, CHUNK):
        count = min(CHUNK, entries - first)
        storage.write(lambda unit: unit.save([chunk(unit, first, count)]))  # noqa: B023 - at once
    return START + STEP * entries


def chunk(unit: UnitOfWork, first: int, count: int) -> Changes:
    before = unit.load([Wanted("acme")])["acme"].state
    if before is None:
        raise LookupError("acme")
    books = before.books
    at = START + STEP * first
    filled = credit(books, money(count, "TRY"), Memo(EntryKind.TOP_UP, at, at))
    books, entries = filled.books, [filled.entry]
    for number in range(first, first + count):
        at = START + STEP * number
        memo = Memo(EntryKind.MESSAGE_FEE, at, at, "message")
        done = debit_many(books, "TRY", [(1_000_000, f"m-{number}")], memo)
        books = done.books
        entries += done.entries
    account = attrs.evolve(before.account, as_of=at)
    return Changes(before, attrs.evolve(before, account=account, books=books), tuple(entries))


def least(call: Callable[[], object], rounds: int = 7) -> float:
    """Return the least milliseconds of a few calls."""
    times = []
    for _ in range(rounds):
        begin = time.perf_counter()
        call()
        times.append(time.perf_counter() - begin)
    return min(times) * 1e3


def row(name: str, storage: Storage, entries: int) -> str:
    end = fill(storage, entries)
    billing = Billing(catalog=sample_catalog(), storage=storage, clock=lambda: end)
    look = billing.balances
    middle = START + STEP * (entries // 2)
    month = middle + timedelta(days=30)
    seen = look.statement("acme", "TRY", since=middle, limit=100)
    calls = (
        lambda: look.statement("acme", "TRY", limit=100),
        lambda: look.statement("acme", "TRY", since=middle, after=seen.next, limit=100),
        lambda: look.at("acme", "TRY", middle),
        lambda: look.consumption("acme", "TRY", since=middle, until=month),
    )
    times = "".join(f"{least(call):10.2f}" for call in calls)
    return f"  {name:<8}{entries:>10,}{times}"


def main() -> None:
    print("ms                          first     later   past      one")
    print("           entries           page      page   balance   month")
    for entries in (5_000, 50_000, 500_000):
        print(row("memory", MemoryStorage(), entries), flush=True)
    for entries in (5_000, 50_000, 200_000):
        with tempfile.TemporaryDirectory() as folder:
            storage = SqlStorage(f"sqlite:///{Path(folder) / 'books.db'}")
            storage.upgrade()
            print(row("sqlite", storage, entries), flush=True)


if __name__ == "__main__":
    main()
