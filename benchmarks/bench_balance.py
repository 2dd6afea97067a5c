"""Time what the books cost: a debit alone, in a batch, with its key, and on long histories.

Run it with ``python benchmarks/bench_balance.py``; add ``--peer PYTHON``, the interpreter of an
environment of its own that has the package below, to see its in-memory charge beside::

    pip install flexibilling==0.1.0

Without ``--peer`` that half is skipped, and says so.
"""

import argparse
import subprocess
import timeit
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from monochat_billing import Billing, sample_catalog
from monochat_billing.accounts import Account, AccountState
from monochat_billing.adapters.memory import MemoryStorage
from monochat_billing.balance import (
    Books,
    EntryKind,
    Memo,
    credit,
    debit,
    debit_many,
    open_balance,
)
from monochat_billing.holds import Held, capture_hold, place_hold
from monochat_billing.idempotency import KeyRecord, once
from monochat_billing.money import from_units, money
from monochat_billing.repositories import Changes, UnitOfWork, Wanted

NOW = datetime(2026, 10, 1, tzinfo=UTC)
ROUNDS = 60
TOP_UP = Memo(EntryKind.TOP_UP, NOW, NOW)
CHARGE = Memo(EntryKind.CHARGE, NOW, NOW, "export")
PRICE = money("0.0009", "TRY")


def books_with(lots: int, amount: str = "1000") -> Books:
    """Give books with some open lots."""
    books = open_balance(Books("acme"), "TRY")
    for _ in range(lots):
        books = credit(books, money(amount, "TRY"), TOP_UP).books
    return books


def timed(call: Callable[[], object], loops: int, per: int = 1) -> float:
    """Return the least microseconds per call, or per item of a call: what the work itself takes."""
    return min(timeit.repeat(call, number=loops, repeat=ROUNDS)) / loops / per * 1e6


def service(history: int, spent: int) -> Billing:
    """Give a service whose account has so many entries and spent lots."""
    storage = MemoryStorage()
    billing = Billing(catalog=sample_catalog(), storage=storage, clock=lambda: NOW)
    billing.accounts.open("acme", zone="UTC", currencies=["TRY"])
    if history:
        storage.write(lambda unit: unit.save([past(unit, history, spent)]))
    billing.balances.credit("acme", money("1000000", "TRY"), reason="funds", key="funds")
    return billing


def past(unit: UnitOfWork, history: int, spent: int) -> Changes:
    """Give a past with so many entries, ``spent`` lots among them, and nothing left."""
    before = unit.load([Wanted("acme")])["acme"].state
    if before is None:
        raise LookupError("acme")
    books, entries = before.books, []
    each = max((history - spent) // spent, 1)
    for _ in range(spent):
        filled = credit(books, from_units(each, "TRY"), TOP_UP)
        burned = debit_many(filled.books, "TRY", [(1, "")] * each, CHARGE)
        entries += [filled.entry, *burned.entries]
        left = tuple(lot for lot in burned.books.balance("TRY").lots if lot.remaining)
        books = burned.books.with_balance(burned.books.balance("TRY").with_lots(left))
    account: Account = before.account
    return Changes(before, AccountState(account=account, books=books), tuple(entries))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--peer", help="the interpreter that has flexibilling")
    peer = parser.parse_args().peer

    print("in the domain: check, lots and entry          µs")
    for lots in (1, 10, 100):
        books = books_with(lots)
        print(f"  debit, {lots:>3} open lots                 {row(books)}")
    books = books_with(3)
    many = [(900, "m")] * 1000
    batch = timed(lambda: debit_many(books, "TRY", many, CHARGE), 5, 1000)
    print(f"  each debit in a batch of 1,000      {batch:8.2f}")
    print(f"  debit, with its key                 {timed(keyed(books), 300):8.2f}")
    print(f"  each, with its key, in a batch      {timed(batch_keyed(books), 5, 1000):8.2f}")
    print(f"  place a hold                        {timed(lambda: placed(books), 300):8.2f}")
    held = placed(books)
    capturing = timed(lambda: capture_hold(held.books, held.hold, PRICE, CHARGE), 100)
    print(f"  capture a part of it                {capturing:8.2f}")

    print("\nthrough the service, in memory, with key       µs")
    for history, spent in ((0, 0), (10, 2), (1_000_000, 1_000)):
        billing = service(history, spent)
        keys = iter(range(10**9))
        reading = timed(lambda: billing.balances.list("acme"), 100)  # noqa: B023 - at once
        debiting = timed(
            lambda: billing.balances.debit("acme", PRICE, reason="x", key=str(next(keys))),  # noqa: B023 - at once
            50,
        )
        print(f"  {history:>9,} entries before: read     {reading:8.2f}   debit {debiting:8.2f}")

    print()
    if peer is None:
        print("flexibilling: skipped, name an interpreter with --peer")
        return
    script = Path(__file__).with_name("peer_balance.py")
    told = subprocess.run([peer, script], capture_output=True, text=True, check=True).stdout  # noqa: S603 - ours
    print(told.strip())


def keyed(books: Books) -> Callable[[], object]:
    """Give a debit as a host without the service makes it: known key or not, judge, remember."""
    known: dict[str, KeyRecord] = {}
    content = {"verb": "debit", "amount": "0.0009 TRY", "reason": "export"}
    numbers = iter(range(10**9))

    def one() -> None:
        key = str(next(numbers))
        memo = Memo(EntryKind.CHARGE, NOW, NOW, "export")
        _, new = once(
            known,
            lambda: debit(books, PRICE, memo),
            account="acme",
            key=key,
            content=content,
            at=NOW,
        )
        if new is None:
            raise LookupError(key)
        known[key] = new

    return one


def batch_keyed(books: Books) -> Callable[[], object]:
    """Give a batch of 1,000 debits, each of which has a key of its own to look up and to keep."""
    known: dict[str, KeyRecord] = {}
    content = {"verb": "debit", "amount": "0.0009 TRY", "reason": "export"}
    numbers = iter(range(10**9))

    def many() -> None:
        keys = [str(next(numbers)) for _ in range(1000)]
        fresh = [(900, key) for key in keys if key not in known]
        done = debit_many(books, "TRY", fresh, CHARGE)
        for (_, key), result in zip(fresh, done.results, strict=True):
            known[key] = KeyRecord("acme", key, content, result, NOW)

    return many


def placed(books: Books) -> Held:
    return place_hold(books, money("1", "TRY"), CHARGE, hold_id="h", expires_at=None)


def row(books: Books) -> str:
    return f"{timed(lambda: debit(books, PRICE, CHARGE), 300):8.2f}"


if __name__ == "__main__":
    main()
