"""Time debits side by side with bare SQL that does the same durable work, in one run.

Run it with ``python benchmarks/bench_storage.py``; ``--quick`` takes a minute, ``--flush 2`` makes
every flush of PostgreSQL wait two more milliseconds, as on an ordinary cloud disk. PostgreSQL is
measured where its server's binaries are found. Each figure is the median over rounds in which the
rivals take turns, and each ratio is the median of the ratios of those rounds: the rates are this
machine's, the ratios travel better.

The bare debits check the funds, change the balance and insert an entry under a unique key, with
the index that statements need: two rows. Ours change account, balance and lot, insert an entry and
a key with its result, catch up with what is due, and remember refusals: five rows.
"""

import argparse
import asyncio
import itertools
import sqlite3
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final

import attrs
import psycopg

sys.path.insert(0, str(Path(__file__).parents[1]))
from monochat_billing import Batch, Billing, money, sample_catalog
from monochat_billing.adapters.sql import SqlStorage
from monochat_billing.service.asynchronous import AsyncBilling
from tests.postgres import Server, debian, server, wheel

Caller = Callable[[], object]
"""Do one debit."""

ONE: Final = money("0.01", "TRY")
UNITS: Final = 10_000
FUNDS: Final = money("1000000", "TRY")
BARE: Final = """
CREATE TABLE bare_balance (
    account_id text, unit text, posted bigint NOT NULL CHECK (posted >= 0), last bigint NOT NULL,
    PRIMARY KEY (account_id, unit));
CREATE TABLE bare_entry (
    account_id text, number bigint, unit text, amount bigint, balance_after bigint, kind text,
    reason text, reference text, actor text, effective_at bigint, recorded_at bigint, key text,
    PRIMARY KEY (account_id, number), UNIQUE (account_id, key));
CREATE INDEX bare_entry_recorded ON bare_entry (account_id, unit, recorded_at, number);
"""
CHARGE: Final = """
UPDATE bare_balance SET posted = posted - %s, last = last + 1
WHERE account_id = %s AND unit = 'TRY' AND posted >= %s RETURNING posted, last
"""
INSERT: Final = """
INSERT INTO bare_entry VALUES (%s, %s, 'TRY', %s, %s, 'CHARGE', 'export', '', '', %s, %s, %s)
"""
LOCK: Final = "SELECT posted, last FROM bare_balance WHERE account_id = %s AND unit = 'TRY'"
AFTER: Final = (
    "UPDATE bare_balance SET posted = %s, last = %s WHERE account_id = %s AND unit = 'TRY'"
)
AT_ONCE: Final = """
WITH charged AS (
    UPDATE bare_balance SET posted = posted - %s, last = last + 1
    WHERE account_id = %s AND unit = 'TRY' AND posted >= %s RETURNING account_id, posted, last)
INSERT INTO bare_entry
SELECT account_id, last, 'TRY', %s, posted, 'CHARGE', 'export', '', '', %s, %s, %s FROM charged
"""
PGLEDGER: Final = """
CREATE TABLE ledger_account (
    id text PRIMARY KEY, balance numeric NOT NULL, version bigint NOT NULL,
    allow_negative boolean NOT NULL, updated_at timestamptz NOT NULL);
CREATE TABLE ledger_transfer (
    id bigserial PRIMARY KEY, source text, target text, amount numeric, created_at timestamptz);
CREATE TABLE ledger_entry (
    id bigserial PRIMARY KEY, account_id text, transfer_id bigint, amount numeric,
    before numeric, after numeric, version bigint, created_at timestamptz);
CREATE INDEX ON ledger_entry (account_id);
CREATE INDEX ON ledger_entry (transfer_id);
CREATE FUNCTION transfer(giver text, taker text, given numeric) RETURNS void AS $$
DECLARE one ledger_account; other ledger_account; made bigint;
BEGIN
    PERFORM 1 FROM ledger_account WHERE id IN (giver, taker) ORDER BY id FOR UPDATE;
    INSERT INTO ledger_transfer (source, target, amount, created_at)
        VALUES (giver, taker, given, now()) RETURNING id INTO made;
    UPDATE ledger_account SET balance = balance - given, version = version + 1, updated_at = now()
        WHERE id = giver RETURNING * INTO one;
    UPDATE ledger_account SET balance = balance + given, version = version + 1, updated_at = now()
        WHERE id = taker RETURNING * INTO other;
    IF one.balance < 0 AND NOT one.allow_negative THEN RAISE EXCEPTION 'negative'; END IF;
    INSERT INTO ledger_entry (account_id, transfer_id, amount, before, after, version, created_at)
        VALUES (giver, made, -given, one.balance + given, one.balance, one.version, now()),
               (taker, made, given, other.balance - given, other.balance, other.version, now());
END $$ LANGUAGE plpgsql;
"""
NUMBERS: Final = itertools.count(1)
OPENED: "Final[list[psycopg.Connection[Any]]]" = []


@attrs.frozen
class Rival:
    """Name somebody who debits; ``caller`` gives the debit of one thread, by its place."""

    name: str
    caller: Callable[[int], Caller]


def instant() -> int:
    return time.time_ns() // 1000


# ------------------------------------------------------------------------------------------ ours


def accounts_of(many: int) -> list[str]:
    return [f"acc-{number:04}" for number in range(many)]


def ours(storage: SqlStorage, accounts: list[str]) -> Rival:
    billing = Billing(catalog=sample_catalog(), storage=storage)
    for account in accounts:
        billing.accounts.open(account, zone="Europe/Istanbul", currencies=["TRY"])
        billing.balances.credit(account, FUNDS, reason="opening balance", key="opening")
    turn = itertools.count()

    def caller(_: int) -> Caller:
        def debit() -> object:
            account = accounts[next(turn) % len(accounts)]
            key = f"key-{next(NUMBERS)}"
            return billing.balances.debit(account, ONE, reason="export", key=key)

        return debit

    return Rival("monochat-billing", caller)


# ------------------------------------------------------------------------------------ PostgreSQL


def opened(place: Server) -> "psycopg.Connection[Any]":
    """Give a rival's thread a connection of its own, until the comparison ends."""
    OPENED.append(place.connect())
    return OPENED[-1]


def fill(connection: Any, accounts: list[str]) -> None:  # noqa: ANN401 - of either driver
    connection.cursor().executemany(
        f"INSERT INTO bare_balance VALUES ({_marks(connection)}, 'TRY', 1000000000000, 0)",  # noqa: S608 - a mark
        [(account,) for account in accounts],
    )


def _marks(connection: object) -> str:
    return "?" if isinstance(connection, sqlite3.Connection) else "%s"


@attrs.frozen
class BarePostgres:
    """Debit by hand: one connection for each thread."""

    place: Server
    accounts: list[str]
    turn: "itertools.count[int]" = attrs.field(factory=itertools.count)

    def account(self) -> str:
        return self.accounts[next(self.turn) % len(self.accounts)]

    def in_four(self, _: int) -> Caller:
        connection = opened(self.place)

        def debit() -> None:
            name = self.account()
            connection.execute("BEGIN")
            left, number = _one(connection.execute(CHARGE, (UNITS, name, UNITS)))
            at = instant()
            row = (name, number, -UNITS, left, at, at, f"key-{next(NUMBERS)}")
            connection.execute(INSERT, row)
            connection.execute("COMMIT")

        return debit

    def locked(self, _: int) -> Caller:
        connection = opened(self.place)

        def debit() -> None:
            name = self.account()
            connection.execute("BEGIN")
            posted, last = _one(connection.execute(LOCK + " FOR UPDATE", (name,)))
            if posted >= UNITS:
                connection.execute(AFTER, (posted - UNITS, last + 1, name))
                at = instant()
                row = (name, last + 1, -UNITS, posted - UNITS, at, at, f"key-{next(NUMBERS)}")
                connection.execute(INSERT, row)
            connection.execute("COMMIT")

        return debit

    def at_once(self, _: int) -> Caller:
        connection = opened(self.place)

        def debit() -> None:
            at, name = instant(), self.account()
            row = (UNITS, name, UNITS, -UNITS, at, at, f"key-{next(NUMBERS)}")
            connection.execute(AT_ONCE, row)

        return debit

    def ledger(self, _: int) -> Caller:
        connection = opened(self.place)
        return lambda: connection.execute("SELECT transfer(%s, 'house', 0.01)", (self.account(),))


def bare_postgres(place: Server, accounts: list[str]) -> list[Rival]:
    with place.connect() as connection:
        for statement in BARE.split(";"):
            connection.execute(statement.encode())
        fill(connection, accounts)
        connection.execute(PGLEDGER)
        with connection.cursor() as cursor:
            cursor.executemany(
                "INSERT INTO ledger_account VALUES (%s, 1000000000, 0, %s, now())",
                [(account, False) for account in accounts] + [("house", True)],
            )
    bare = BarePostgres(place, accounts)
    return [
        Rival("bare UPDATE + INSERT, 4 round trips", bare.in_four),
        Rival("bare SELECT FOR UPDATE, 5 round trips", bare.locked),
        Rival("bare statement, 1 round trip", bare.at_once),
        Rival("pgledger's shape, in the server", bare.ledger),
    ]


def _one(cursor: "psycopg.Cursor[Any]") -> tuple[int, int]:
    row = cursor.fetchone()
    if row is None:
        raise RuntimeError("no funds")
    return row[0], row[1]


# ---------------------------------------------------------------------------------------- SQLite


def bare_sqlite(path: Path, accounts: list[str]) -> list[Rival]:
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.executescript(BARE)
    fill(connection, accounts)
    turn, lock = itertools.count(), threading.Lock()
    charge, insert = CHARGE.replace("%s", "?"), INSERT.replace("%s", "?")

    def caller(_: int) -> Caller:
        def debit() -> None:
            name = accounts[next(turn) % len(accounts)]
            with lock:
                connection.execute("BEGIN IMMEDIATE")
                ((left, number),) = connection.execute(charge, (UNITS, name, UNITS))
                at = instant()
                row = (name, number, -UNITS, left, at, at, f"key-{next(NUMBERS)}")
                connection.execute(insert, row)
                connection.execute("COMMIT")

        return debit

    return [Rival("bare UPDATE + INSERT under a lock", caller)]


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


def compare(title: str, rivals: list[Rival], threads: int, rounds: int, seconds: float) -> None:
    """Let rivals take turns; print each one's rate, and ours as a multiple of it."""
    callers = {one.name: [one.caller(place) for place in range(threads)] for one in rivals}
    for one in callers.values():
        rate(one, seconds / 4)
    rates: dict[str, list[float]] = {name: [] for name in callers}
    for _ in range(rounds):
        for name, those in callers.items():
            rates[name].append(rate(those, seconds))
    while OPENED:
        OPENED.pop().close()
    mine = rates[rivals[-1].name]
    print(f"\n{title}, {threads} {'callers' if threads > 1 else 'caller'}")
    for name, found in rates.items():
        ratio = statistics.median(me / other for me, other in zip(mine, found, strict=True))
        beside = "" if found is mine else f"   ours {ratio:5.2f} times that"
        print(f"  {name:40}{statistics.median(found):>9,.0f} /s{beside}")


def beside_tasks(storage: SqlStorage, account: str, tasks: int, seconds: float) -> None:
    """Print what tasks of an event loop reach where threads were measured just now."""
    billing = AsyncBilling(Billing(catalog=sample_catalog(), storage=storage))
    done = 0

    async def work(until: float) -> None:
        nonlocal done
        while time.perf_counter() < until:
            key = f"key-{next(NUMBERS)}"
            await billing.balances.debit(account, ONE, reason="export", key=key)
            done += 1

    async def main() -> None:
        until = time.perf_counter() + seconds
        await asyncio.gather(*(work(until) for _ in range(tasks)))

    rates = []
    for _ in range(3):
        done = 0
        asyncio.run(main())
        rates.append(done / seconds)
    print(f"  {f'AsyncBilling, {tasks} tasks':40}{statistics.median(rates):>9,.0f} /s")


def compare_batches(title: str, bare: Callable[[], object], batch: Callable[[], object]) -> None:
    ratios, mine, theirs = [], [], []
    for _ in range(9):
        taken = []
        for run in (bare, batch):
            began = time.perf_counter()
            run()
            taken.append(time.perf_counter() - began)
        theirs.append(1000 / taken[0])
        mine.append(1000 / taken[1])
        ratios.append(taken[0] / taken[1])
    print(f"\n{title}")
    print(f"  {'bare, set-based':40}{statistics.median(theirs):>9,.0f} /s", end="")
    print(f"   ours {statistics.median(ratios):5.2f} times that")
    print(f"  {'monochat-billing':40}{statistics.median(mine):>9,.0f} /s")


@contextmanager
def storage_on(url: str) -> Iterator[SqlStorage]:
    with SqlStorage(url) as storage:
        storage.upgrade()
        yield storage


MANY: Final = """
WITH given AS (SELECT * FROM unnest(%s::bigint[], %s::text[]) AS given(amount, key)),
charged AS (
    UPDATE bare_balance SET posted = posted - (SELECT sum(amount) FROM given), last = last + %s
    WHERE account_id = %s AND unit = 'TRY' AND posted >= (SELECT sum(amount) FROM given)
    RETURNING account_id, posted, last)
INSERT INTO bare_entry
SELECT account_id, last - %s + row_number() OVER (), 'TRY', -amount, posted, 'CHARGE', 'export', '',
       '', %s, %s, key
FROM charged, given
"""


def batches_on_postgres(place: Server, account: str, storage: SqlStorage) -> None:
    connection = place.connect()

    def bare() -> None:
        keys = [f"key-{next(NUMBERS)}" for _ in range(1000)]
        at = instant()
        values = ([UNITS] * 1000, keys, 1000, account, 1000, at, at)
        connection.execute(MANY, values)

    compare_batches("PostgreSQL, one batch of 1,000 debits of one balance", bare, batch(storage))


def batches_on_sqlite(path: Path, account: str, storage: SqlStorage) -> None:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA synchronous = FULL")

    def bare() -> None:
        connection.execute("BEGIN IMMEDIATE")
        ((left, number),) = connection.execute(
            CHARGE.replace("%s", "?").replace("last + 1", "last + 1000"),
            (UNITS * 1000, account, UNITS * 1000),
        )
        at = instant()
        rows = [
            (account, number - place, -UNITS, left + place, at, at, f"key-{next(NUMBERS)}")
            for place in range(999, -1, -1)
        ]
        connection.executemany(INSERT.replace("%s", "?"), rows)
        connection.execute("COMMIT")

    compare_batches("SQLite, one batch of 1,000 debits of one balance", bare, batch(storage))


def batch(storage: SqlStorage) -> Callable[[], object]:
    billing = Billing(catalog=sample_catalog(), storage=storage)

    def debit() -> None:
        items = [(ONE, f"message-{next(NUMBERS)}") for _ in range(1000)]
        report = billing.balances.debit_many(
            "acc-0000", items, reason="export", key=f"batch-{next(NUMBERS)}", batch=Batch.PER_ITEM
        )
        if len(report.entries) != len(items):
            raise RuntimeError(str(report))

    return debit


def flat(storage: SqlStorage, lengths: list[int]) -> None:
    """Print what one debit takes as its account's history grows."""
    billing = Billing(catalog=sample_catalog(), storage=storage)
    billing.accounts.open("old", zone="Europe/Istanbul", currencies=["TRY"])
    billing.balances.credit("old", money("5000000", "TRY"), reason="opening", key="opening")
    posted = 1
    print("\nSQLite, one debit, by the number of entries that the account has")
    for length in lengths:
        while posted < length:
            size = min(length - posted, 5000)
            items = [(ONE, "") for _ in range(size)]
            key = f"batch-{next(NUMBERS)}"
            billing.balances.debit_many("old", items, reason="export", key=key)
            posted += size
        taken = []
        for _ in range(200):
            began = time.perf_counter()
            billing.balances.debit("old", ONE, reason="export", key=f"key-{next(NUMBERS)}")
            taken.append(time.perf_counter() - began)
        posted += 200
        print(f"  {length:>9,} entries{statistics.median(taken) * 1e6:>9,.0f} us")


def on_postgres(place: Server, rounds: int, seconds: float) -> None:
    print(f"\nPostgreSQL {place.version()}, synchronous commits")
    for many, callers in ((1, (1, 16, 64)), (1000, (16, 64))):
        accounts = accounts_of(many)
        with place.connect() as connection:
            connection.execute("DROP DATABASE IF EXISTS billing_bench")
            connection.execute("CREATE DATABASE billing_bench")
        bench = attrs.evolve(place, database="billing_bench")
        with storage_on(bench.url("billing_bench")) as storage:
            rivals = [*bare_postgres(bench, accounts), ours(storage, accounts)]
            for threads in callers:
                title = "one balance" if many == 1 else f"{many:,} balances"
                compare(title, rivals, threads, rounds, seconds)
                if threads > 1 and many == 1:
                    beside_tasks(storage, accounts[0], threads, seconds)
            if many == 1:
                batches_on_postgres(bench, accounts[0], storage)


def on_sqlite(folder: Path, rounds: int, seconds: float) -> None:
    print(f"\nSQLite {sqlite3.sqlite_version}, write-ahead log, synchronous = FULL")
    accounts = accounts_of(1)
    with storage_on(f"sqlite:///{folder / 'ours.db'}") as storage:
        rivals = [*bare_sqlite(folder / "bare.db", accounts), ours(storage, accounts)]
        for threads in (1, 16, 64):
            compare("one balance", rivals, threads, rounds, seconds)
            if threads > 1:
                beside_tasks(storage, accounts[0], threads, seconds)
        batches_on_sqlite(folder / "bare.db", accounts[0], storage)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="fewer and shorter rounds")
    parser.add_argument("--flush", type=int, default=0, help="milliseconds that a flush also takes")
    parser.add_argument("--only", choices=["postgres", "sqlite", "flat"])
    chosen = parser.parse_args()
    rounds, seconds = (3, 0.5) if chosen.quick else (7, 1.0)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        if chosen.only in (None, "sqlite"):
            on_sqlite(folder, rounds, seconds)
        if chosen.only in (None, "flat"):
            lengths = [10, 1000, 100_000] if chosen.quick else [10, 1000, 100_000, 1_000_000]
            with storage_on(f"sqlite:///{folder / 'old.db'}") as storage:
                flat(storage, lengths)
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
            on_postgres(place, rounds, seconds)


if __name__ == "__main__":
    main()
