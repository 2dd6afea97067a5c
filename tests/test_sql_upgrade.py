"""A database of the first schema: refused with the remedy, then upgraded with nothing lost."""

import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy
from alembic import command

from monochat_billing.adapters.sql import SqlStorage, _migrate
from monochat_billing.audit import audit
from monochat_billing.books import BalanceState
from monochat_billing.errors import InsufficientFunds, SchemaMismatch
from tests.factories import debiting, lira, load, save, state_of, stored

TOLD = ("CHARGE", "why", "reference", "actor", 0, 0)
TABLES: dict[str, list[tuple[object, ...]]] = {
    "accounts": [("acme", "UTC", '["TRY"]', None, 0, 0, None, 2, 0, 0, 1)],
    "balances": [("acme", "TRY", 0, 6, 70_000_000, 0)],
    "lots": [("acme", 1, "TRY", "PAID", 10**8, 70_000_000, 0, None, "", 100, "top-1")],
    "entries": [
        ("acme", 1, "TRY", 6, 10**8, 10**8, *TOLD, "[[1,100000000]]", None),
        ("acme", 2, "TRY", 6, -30_000_000, 70_000_000, *TOLD, "[[1,-30000000]]", None),
    ],
}


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """Give a file of the first schema with an account in it."""
    path = tmp_path / "old.db"
    engine = sqlalchemy.create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        config = _migrate.config(connection, "billing_schema_version")
        command.upgrade(config, "billing_0001")
    engine.dispose()
    with closing(sqlite3.connect(path)) as file, file:
        for table, rows in TABLES.items():
            marks = ", ".join("?" * len(rows[0]))
            file.executemany(f"INSERT INTO billing_{table} VALUES ({marks})", rows)  # noqa: S608 - ours
    return path


class TestTheFirstSchema:
    """What was written before holds, debts and limits is read as having none of them."""

    def test_l25_is_refused_until_it_is_upgraded(self, old: Path) -> None:
        with (
            SqlStorage(f"sqlite:///{old}") as storage,
            pytest.raises(SchemaMismatch, match=r"billing_0001, older than .*back it up, then"),
        ):
            stored(storage)

    def test_l25_is_upgraded_with_nothing_lost(self, old: Path) -> None:
        with SqlStorage(f"sqlite:///{old}") as storage:
            storage.upgrade()
            balance = state_of(stored(storage)).books.balance("TRY")
            assert (balance.posted, balance.held, balance.credit_limit) == (70_000_000, 0, 0)
            assert (balance.debts, balance.state) == ((), BalanceState.OPEN)
            (lot,) = balance.lots
            assert (lot.remaining, lot.pinned, lot.waiting, lot.effective_at) == (
                70_000_000,
                0,
                False,
                None,
            )
            save(storage, debiting(state_of(stored(storage)), lira("70")))
            entries = storage.read(lambda reader: reader.entries("acme"))
            assert [(one.number, one.hold, one.exchange) for one in entries] == [
                (1, "", None),
                (2, "", None),
                (3, "", None),
            ]
            lots = storage.read(lambda reader: reader.lots("acme"))
            assert audit(state_of(stored(storage)).books, lots, entries).sound

    def test_l25_is_upgraded_under_traffic(self, old: Path) -> None:
        """Those who call meanwhile are refused or served, and the money is spent once."""
        trying, done, wrong = threading.Barrier(5), list[int](), list[BaseException]()

        def spend() -> None:
            with SqlStorage(f"sqlite:///{old}") as storage:
                refused = 0
                while True:
                    try:
                        state = stored(storage)
                        storage.write(
                            lambda unit: unit.save([debiting(state_of(load(unit)), lira("1"))])
                        )
                    except SchemaMismatch:
                        refused += 1
                        if refused == 1:
                            trying.wait()
                    except InsufficientFunds:
                        break
                    except BaseException as error:  # noqa: BLE001 - raised below
                        wrong.append(error)
                        break
                    else:
                        done.append(state_of(state).books.sequence)

        threads = [threading.Thread(target=spend) for _ in range(4)]
        for thread in threads:
            thread.start()
        trying.wait()
        with SqlStorage(f"sqlite:///{old}") as storage:
            storage.upgrade()
            for thread in threads:
                thread.join()
            assert wrong == []
            assert len(done) == 70
            entries = storage.read(lambda reader: reader.entries("acme"))
            assert [one.number for one in entries] == list(range(1, 73))
            assert entries[-1].balance_after == 0


class TestTheSchemaBeforeOpenLots:
    """Which lots are open is derived, whoever wrote them and whatever wrote them before."""

    def test_l25_lots_that_were_spent_are_told_from_those_that_were_not(
        self, tmp_path: Path
    ) -> None:
        path = tmp_path / "old.db"
        engine = sqlalchemy.create_engine(f"sqlite:///{path}")
        with engine.begin() as connection:
            config = _migrate.config(connection, "billing_schema_version")
            command.upgrade(config, "billing_0011")
        engine.dispose()
        lot = ("TRY", "PAID", 100, "", 100, "top-up", 0, 0)
        names = "unit, origin, granted, pays_for, priority, source, waiting, pinned, granted_at"
        insert = (
            f"INSERT INTO billing_lots (account_id, number, remaining, {names}) "  # noqa: S608 - ours
            "VALUES ('acme', ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0)"
        )
        with closing(sqlite3.connect(path)) as file, file:
            file.executemany(insert, [(1, 0, *lot), (2, 70, *lot)])
        with SqlStorage(f"sqlite:///{path}") as storage:
            storage.upgrade()
        with closing(sqlite3.connect(path)) as file, file:
            asked = "SELECT number, open FROM billing_lots ORDER BY number"
            assert file.execute(asked).fetchall() == [(1, 0), (2, 1)]
            file.execute("UPDATE billing_lots SET remaining = 100 - remaining * 100 / 70")
            assert file.execute(asked).fetchall() == [(1, 1), (2, 0)]

    def test_what_a_host_has_built_on_the_table_goes_on_working(self, tmp_path: Path) -> None:
        """SQLite's own renaming would leave views and triggers with a table that is gone."""
        path = tmp_path / "old.db"
        engine = sqlalchemy.create_engine(f"sqlite:///{path}")
        with engine.begin() as connection:
            config = _migrate.config(connection, "billing_schema_version")
            command.upgrade(config, "billing_0011")
            for definition in (
                "CREATE TABLE seen (lots)",
                "CREATE TABLE counted (lots)",
                "CREATE INDEX by_source ON billing_lots (source)",
                "CREATE VIEW left_over AS SELECT sum(remaining) AS units FROM billing_lots",
                (
                    "CREATE TRIGGER look AFTER UPDATE ON billing_lots "
                    "BEGIN INSERT INTO seen VALUES (new.number); END"
                ),
                (
                    "CREATE TRIGGER count_lots AFTER INSERT ON seen "
                    "BEGIN INSERT INTO counted SELECT count(*) FROM billing_lots; END"
                ),
            ):
                connection.exec_driver_sql(definition)
            connection.exec_driver_sql(
                "INSERT INTO billing_lots VALUES "
                "('acme', 1, 'TRY', 'PAID', 100, 70, 0, NULL, '', 100, 'top-up', NULL, 0, 0)"
            )
            command.upgrade(config, "billing_0012")
            command.downgrade(config, "billing_0011")
            command.upgrade(config, "head")
        engine.dispose()
        with closing(sqlite3.connect(path)) as file, file:
            file.execute("UPDATE billing_lots SET remaining = 40")
            assert file.execute("SELECT units FROM left_over").fetchall() == [(40,)]
            assert file.execute("SELECT * FROM seen").fetchall() == [(1,)]
            assert file.execute("SELECT * FROM counted").fetchall() == [(1,)]
            plan = "EXPLAIN QUERY PLAN SELECT number FROM billing_lots WHERE source = 'top-up'"
            assert "by_source" in file.execute(plan).fetchone()[3]
