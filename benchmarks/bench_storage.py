"""Time debits side by side with bare SQL that does the same durable work, in one run.

Run it with ``python benchmarks/bench_storage.py``; ``--quick`` takes two minutes, ``--flush 2``
makes every flush of PostgreSQL wait two more milliseconds, as on an ordinary cloud disk. PostgreSQL
is measured where its server's binaries are found. ``--peers PYTHON`` names an interpreter that has
``django-hordak psycopg-binary`` and ``flexibilling[sqlalchemy] aiosqlite``. ``--only flat`` tells
what a debit costs after ten entries and after ``--entries`` of them, ``--only processor`` what it
takes of the processor, which is what can be compared on a machine that is busy.

Each figure is the median over rounds in which the rivals take turns, and each ratio is the median
of the ratios of those rounds: the rates are this machine's, the ratios travel better. There are two
kinds of bare rivals, see ``bare_storage.py``: *slim* ones write a balance and an entry, and *same
rows* writes the five rows that ours writes, with the same indexes. Ours also looks the key up,
catches up with what is due, and remembers refusals.
"""

import argparse
import asyncio
import itertools
import os
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final, cast

import attrs

sys.path.insert(0, str(Path(__file__).parents[1]))
from benchmarks.bare_storage import (
    NUMBERS,
    OPENED,
    BarePostgres,
    BareSqlite,
    Caller,
    prepare_postgres,
)
from monochat_billing import Batch, Billing, money, sample_catalog
from monochat_billing.adapters.sql import SqlStorage
from monochat_billing.service.asynchronous import AsyncBilling
from monochat_billing.service.group_commit import Execute
from monochat_billing.service.pipeline import Command
from tests.postgres import Server, debian, server, wheel

ONE: Final = money("0.01", "TRY")
FUNDS: Final = money("1000000", "TRY")


@attrs.frozen
class Rival:
    """Name somebody who debits; ``rate`` gives how many debits a second so many callers reach."""

    name: str
    rate: Callable[[int, float], float]
    ours: bool = False


def in_threads(name: str, caller: Callable[[int], Caller], *, ours: bool = False) -> Rival:
    """Let each thread call as often as it can."""
    callers: list[Caller] = []

    def measured(threads: int, seconds: float) -> float:
        if len(callers) != threads or not (OPENED or ours):
            callers[:] = [caller(place) for place in range(threads)]
        return rate(callers, seconds)

    return Rival(name, measured, ours)


# ------------------------------------------------------------------------------------------ ours


def accounts_of(many: int, prefix: str = "acc") -> list[str]:
    return [f"{prefix}-{number:04}" for number in range(many)]


def opened_billing(storage: SqlStorage, accounts: list[str]) -> Billing:
    billing = Billing(catalog=sample_catalog(), storage=storage)
    for account in accounts:
        billing.accounts.open(account, zone="Europe/Istanbul", currencies=["TRY"])
        billing.balances.credit(account, FUNDS, reason="opening balance", key="opening")
    return billing


def ours(billing: Billing, accounts: list[str]) -> list[Rival]:
    """Give threads and tasks that debit; tasks run on one event loop."""
    turn = itertools.count()
    tasks = AsyncBilling(billing)

    def asked() -> tuple[str, str]:
        return accounts[next(turn) % len(accounts)], f"key-{next(NUMBERS)}"

    def debit() -> object:
        account, key = asked()
        return billing.balances.debit(account, ONE, reason="export", key=key)

    def in_tasks(many: int, seconds: float) -> float:
        done = 0

        async def work(until: float) -> None:
            nonlocal done
            while time.perf_counter() < until:
                account, key = asked()
                await tasks.balances.debit(account, ONE, reason="export", key=key)
                done += 1

        async def main() -> float:
            began = time.perf_counter()
            await asyncio.gather(*(work(began + seconds) for _ in range(many)))
            return time.perf_counter() - began

        taken = asyncio.run(main())
        return done / taken

    return [
        in_threads("monochat-billing, threads", lambda _: debit, ours=True),
        Rival("monochat-billing, tasks", in_tasks, ours=True),
    ]


# ------------------------------------------------------------------------------------- measuring


def rate(callers: list[Caller], seconds: float) -> float:
    """Let each thread call as often as it can; give how many calls a second that was."""
    counts = [0] * len(callers)
    start, stop = threading.Barrier(len(callers) + 1), threading.Event()

    def work(place: int) -> None:
        call = callers[place]
        start.wait()
        while not stop.is_set():
            call()
            counts[place] += 1

    threads = [threading.Thread(target=work, args=(place,)) for place in range(len(callers))]
    for thread in threads:
        thread.start()
    start.wait()
    began = time.perf_counter()
    stop.wait(seconds)
    stop.set()
    for thread in threads:
        thread.join()
    return sum(counts) / (time.perf_counter() - began)


def compare(title: str, rivals: list[Rival], callers: int, rounds: int, seconds: float) -> None:
    """Let rivals take turns; print each one's rate, and ours as multiples of it."""
    for one in rivals:
        one.rate(callers, seconds / 4)
    rates: dict[str, list[float]] = {one.name: [] for one in rivals}
    for _ in range(rounds):
        for one in rivals:
            rates[one.name].append(one.rate(callers, seconds))
    while OPENED:
        OPENED.pop().close()
    mine = [one.name for one in rivals if one.ours]
    print(f"\n{title}, {callers} {'callers' if callers > 1 else 'caller'}")
    for name, found in rates.items():
        ratios = [
            statistics.median(me / other for me, other in zip(rates[my], found, strict=True))
            for my in mine
        ]
        beside = f"   ours {', '.join(f'{one:5.2f}' for one in ratios)} times that"
        print(f"  {name:42}{statistics.median(found):>9,.0f} /s{'' if name in mine else beside}")


def compare_batches(title: str, bare: dict[str, Caller], batch: Caller, rounds: int) -> None:
    """Take turns with batches of 1,000, and print what came of it."""
    rates: dict[str, list[float]] = {name: [] for name in (*bare, "monochat-billing")}
    for _ in range(rounds):
        for name, run in (*bare.items(), ("monochat-billing", batch)):
            began = time.perf_counter()
            run()
            rates[name].append(1000 / (time.perf_counter() - began))
    while OPENED:
        OPENED.pop().close()
    print(f"\n{title}")
    mine = rates["monochat-billing"]
    for name, found in rates.items():
        ratio = statistics.median(me / other for me, other in zip(mine, found, strict=True))
        beside = "" if found is mine else f"   ours {ratio:5.2f} times that"
        print(f"  {name:42}{statistics.median(found):>9,.0f} /s{beside}")


def batch(billing: Billing) -> Caller:
    def debit() -> None:
        items = [(ONE, f"message-{next(NUMBERS)}") for _ in range(1000)]
        report = billing.balances.debit_many(
            "acc-0000", items, reason="export", key=f"batch-{next(NUMBERS)}", batch=Batch.PER_ITEM
        )
        if len(report.entries) != len(items):
            raise RuntimeError(str(report))

    return debit


@contextmanager
def storage_on(url: str) -> Iterator[SqlStorage]:
    with SqlStorage(url) as storage:
        storage.upgrade()
        yield storage


def flat(storage: SqlStorage, lengths: list[int]) -> None:
    """Print what one debit takes as its account's history grows: time, statements, rows."""
    billing = Billing(catalog=sample_catalog(), storage=storage)
    billing.accounts.open("old", zone="Europe/Istanbul", currencies=["TRY"])
    billing.balances.credit("old", money("9000000", "TRY"), reason="opening", key="opening")
    posted = 1
    print("\nSQLite, one debit, by the number of entries that the account has")
    print("  entries          wall       processor   statements   rows read   rows written")
    for length in lengths:
        while posted < length:
            size = min(length - posted, 5000)
            items = [(ONE, "") for _ in range(size)]
            key = f"batch-{next(NUMBERS)}"
            billing.balances.debit_many("old", items, reason="export", key=key)
            posted += size

        def debit() -> None:
            billing.balances.debit("old", ONE, reason="export", key=f"key-{next(NUMBERS)}")

        debit()
        wall, processor = [], []
        for _ in range(200):
            began, busy = time.perf_counter(), time.process_time()
            debit()
            wall.append(time.perf_counter() - began)
            processor.append(time.process_time() - busy)
        statements, read, written = counted(storage, debit)
        posted += 202
        print(
            f"  {length:>9,}{statistics.median(wall) * 1e6:>9,.0f} us"
            f"{statistics.median(processor) * 1e6:>12,.0f} us"
            f"{statements:>13}{read:>12}{written:>15}"
        )


@attrs.define
class Gathering:
    """Be a lane that only gathers commands, to run them in one batch."""

    commands: list[Command] = attrs.field(factory=list)

    def run(self, command: Command, _: Execute) -> None:
        self.commands.append(command)


def processor(storage: SqlStorage) -> None:
    """Print the processor time of a debit in SQLite, waiting left out; the least and the 10 %."""
    accounts = accounts_of(1000)
    billing = opened_billing(storage, accounts)
    lane = Gathering()
    gathering = billing.within(attrs.evolve(billing.context, lane=lane))
    turn = itertools.count()

    def together(places: int) -> None:
        lane.commands.clear()
        for _ in range(64):
            account, key = accounts[next(turn) % places], f"key-{next(NUMBERS)}"
            gathering.balances.debit(account, ONE, reason="export", key=key)
        billing.context.execute(lane.commands)

    def alone() -> None:
        billing.balances.debit("acc-0000", ONE, reason="export", key=f"key-{next(NUMBERS)}")

    print("\nSQLite, processor time of one debit: the least, and what a tenth of the runs took")
    for name, work, many in (
        ("64 together on one account", lambda: together(1), 64),
        ("64 together on 64 accounts", lambda: together(1000), 64),
        ("1,000 in one batch", batch(billing), 1000),
        ("alone", alone, 1),
    ):
        taken = []
        for _ in range(200 if many > 1 else 2000):
            began = time.thread_time()
            work()
            taken.append((time.thread_time() - began) / many * 1e6)
        taken.sort()
        print(f"  {name:42}{taken[0]:>9,.1f} us{taken[len(taken) // 10]:>9,.1f} us")


def counted(storage: SqlStorage, work: Caller) -> tuple[int, int, int]:
    """Count the statements of ``work``, and the rows that SQLite gives and changes for them."""
    read = 0

    class Counting(sqlite3.Cursor):
        def fetchall(self) -> list[Any]:
            nonlocal read
            rows = super().fetchall()
            read += sum(row[0] is not None for row in rows)
            return rows

    pooled = storage._writer  # noqa: SLF001 - the connection that it will use
    if pooled is None:
        raise RuntimeError("nothing was written yet")
    connection = cast("sqlite3.Connection", pooled.driver_connection)
    kind, cursor = type(pooled), type(pooled).cursor
    traced: list[str] = []
    before = connection.total_changes
    connection.set_trace_callback(traced.append)

    def counting(_: object) -> sqlite3.Cursor:
        return connection.cursor(Counting)

    kind.cursor = counting  # type: ignore[assignment, method-assign] # for one call
    try:
        work()
    finally:
        kind.cursor = cursor  # type: ignore[method-assign]
        connection.set_trace_callback(None)
    return len(traced), read, connection.total_changes - before


# -------------------------------------------------------------------------------------- databases


def on_postgres(place: Server, rounds: int, seconds: float, peers: str | None) -> None:
    print(f"\nPostgreSQL {place.version()}, synchronous commits")
    for many, callers in ((1, (1, 16, 64)), (1000, (16, 64))):
        accounts, same = accounts_of(many), accounts_of(many, "same")
        with place.connect() as connection:
            connection.execute("DROP DATABASE IF EXISTS billing_bench")
            connection.execute("CREATE DATABASE billing_bench")
        bench = attrs.evolve(place, database="billing_bench")
        with storage_on(bench.url("billing_bench")) as storage:
            billing = opened_billing(storage, [*accounts, *same])
            prepare_postgres(bench, accounts)
            bare = BarePostgres(bench, accounts, same)
            rivals = [
                in_threads("slim UPDATE + INSERT, 4 round trips", bare.in_four),
                in_threads("slim SELECT FOR UPDATE, 5 round trips", bare.locked),
                in_threads("slim statement, 1 round trip", bare.at_once),
                in_threads("same rows in one statement", bare.same_at_once),
                in_threads("pgledger's shape, in the server", bare.ledger),
                *ours(billing, accounts),
            ]
            for threads in callers:
                title = "one balance" if many == 1 else f"{many:,} balances"
                taking_part = rivals if threads > 1 else rivals[:-1]
                compare(title, taking_part, threads, rounds, seconds)
            if many == 1:
                compare_batches(
                    "PostgreSQL, one batch of 1,000 debits of one balance",
                    {"slim, set-based": bare.many, "same rows, set-based": bare.same_many},
                    batch(billing),
                    rounds + 4,
                )
    if peers:
        with place.connect() as connection:
            connection.execute("CREATE DATABASE hordak")
        peer(peers, "hordak", str(place.folder), "hordak")


def on_sqlite(folder: Path, rounds: int, seconds: float, peers: str | None) -> None:
    print(f"\nSQLite {sqlite3.sqlite_version}, write-ahead log, synchronous = FULL")
    accounts = accounts_of(1)
    with storage_on(f"sqlite:///{folder / 'same.db'}") as storage:
        opened_billing(storage, accounts)
    with storage_on(f"sqlite:///{folder / 'ours.db'}") as storage:
        billing = opened_billing(storage, accounts)
        slim = BareSqlite.slim_file(folder / "slim.db", accounts)
        same = BareSqlite.same_file(folder / "same.db", accounts)
        rivals = [
            in_threads("slim UPDATE + INSERT under a lock", slim.slim),
            in_threads("same rows under a lock", same.same),
            *ours(billing, accounts),
        ]
        for threads in (1, 16, 64):
            compare("one balance", rivals if threads > 1 else rivals[:-1], threads, rounds, seconds)
        compare_batches(
            "SQLite, one batch of 1,000 debits of one balance",
            {"slim, set-based": slim.many, "same rows, set-based": same.same_many},
            batch(billing),
            rounds + 4,
        )
    if peers:
        peer(peers, "flexibilling", str(folder / "peer.db"))


def peer(interpreter: str, *arguments: str) -> None:
    """Run a published package in its own interpreter, beside what was measured just now."""
    script = Path(__file__).with_name("peer_storage.py")
    done = subprocess.run(  # noqa: S603 - ours
        [interpreter, str(script), *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": ""},
    )
    if done.returncode:
        print(f"\n{arguments[0]}: NOT MEASURED: {done.stderr.strip().splitlines()[-1]}")
        return
    name, calls, told = done.stdout.strip().split("\t")
    print(f"\n  {name:42}{float(calls):>9,.0f} /s   {told}")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="fewer and shorter rounds")
    parser.add_argument("--flush", type=int, default=0, help="milliseconds that a flush also takes")
    parser.add_argument("--only", choices=["postgres", "sqlite", "flat", "processor"])
    parser.add_argument("--peers", help="an interpreter that has the published packages")
    parser.add_argument("--entries", type=int, help="how many entries the flat account gets")
    chosen = parser.parse_args()
    rounds, seconds = (3, 0.5) if chosen.quick else (7, 1.0)
    if chosen.peers is None and chosen.only not in ("flat", "processor"):
        print("Published packages are NOT measured: name an interpreter with --peers")
    load = ", ".join(f"{one:.1f}" for one in os.getloadavg())
    print(f"{os.cpu_count()} processors, load before: {load}")
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        if chosen.only in (None, "sqlite"):
            on_sqlite(folder, rounds, seconds, chosen.peers)
        if chosen.only in (None, "flat"):
            most = chosen.entries or (100_000 if chosen.quick else 1_000_000)
            lengths = [one for one in (10, 1000, 100_000, 1_000_000) if one < most]
            with storage_on(f"sqlite:///{folder / 'old.db'}") as storage:
                flat(storage, [*lengths, most])
        if chosen.only in (None, "processor"):
            with storage_on(f"sqlite:///{folder / 'processor.db'}") as storage:
                processor(storage)
        binaries = debian() or wheel()
        if chosen.only in (None, "postgres") and binaries is None:
            print("\nPostgreSQL is not measured: there is no server")
        elif chosen.only in (None, "postgres"):
            settings = {
                "commit_delay": str(chosen.flush * 1000),
                "commit_siblings": "0",
                "max_connections": "400",
            }
            place = stack.enter_context(server(settings, binaries))
            on_postgres(place, rounds, seconds, chosen.peers)


if __name__ == "__main__":
    main()
