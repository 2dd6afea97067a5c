"""The books in a transaction of the host's: they last if the host commits, and only then."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, cast

import attrs
import psycopg
import pytest
import sqlalchemy
from sqlalchemy.orm import Session

from monochat_billing import Billing, InsufficientFunds, sample_catalog
from monochat_billing.adapters.memory import MemoryStorage
from monochat_billing.adapters.sql import JoinedStorage, SqlStorage
from monochat_billing.adapters.sql.schema import METADATA, VERSION_TABLE
from monochat_billing.errors import IdempotencyConflict, InvalidInput, SchemaMismatch, StoreBusy
from monochat_billing.repositories import UnitOfWork
from tests.desk import Clock
from tests.factories import lira
from tests.postgres import Server

ORDERS = "CREATE TABLE orders (id INTEGER PRIMARY KEY, name TEXT)"
INSERT = "INSERT INTO orders (name) VALUES ('export')"


@attrs.define
class Host:
    """Be an application with a table of its own and a way to connect."""

    storage: SqlStorage
    billing: Billing
    engine: sqlalchemy.Engine
    raw: Callable[[], Any]

    def orders(self) -> int:
        with self.engine.connect() as connection:
            return cast("int", connection.exec_driver_sql("SELECT count(*) FROM orders").scalar())

    def posted(self) -> int:
        return self.billing.balances.list("acme")["TRY"].posted // 10**6

    def debit(self, joined: object, amount: str = "10", key: str = "debit") -> None:
        self.billing.using(joined).balances.debit("acme", lira(amount), reason="export", key=key)


@pytest.fixture(params=["sqlite", "postgres"])
def host(request: pytest.FixtureRequest, tmp_path: Path, clock: Clock) -> Iterator[Host]:
    """Give an application with an account that has 100 liras."""
    path = tmp_path / "host.db"
    if request.param == "sqlite":
        url = f"sqlite:///{path}"
        raw: Callable[[], Any] = lambda: sqlite3.connect(path)  # noqa: E731 - one line for each
    else:
        url = request.getfixturevalue("postgres_url")
        server: Server = request.getfixturevalue("postgres_server")
        name = url.partition("@/")[2].partition("?")[0]
        raw = lambda: psycopg.connect(host=str(server.folder), user="billing", dbname=name)  # noqa: E731 - as above
    engine = sqlalchemy.create_engine(url)
    with SqlStorage(url) as storage:
        billing = Billing(catalog=sample_catalog(), storage=storage, clock=clock)
        billing.accounts.open("acme", zone="Europe/Istanbul", currencies=["TRY"])
        billing.balances.credit("acme", lira("100"), reason="opening", key="opening")
        with engine.begin() as connection:
            connection.exec_driver_sql("DROP TABLE IF EXISTS orders")
            connection.exec_driver_sql(
                ORDERS.replace("INTEGER", "SERIAL", request.param != "sqlite")
            )
        yield Host(storage, billing, engine, raw)
    engine.dispose()


class TestTogether:
    """What the host commits is there with its own rows; what it rolls back is gone with them."""

    @pytest.mark.parametrize("commits", [True, False])
    def test_l26_a_connection_of_sqlalchemy(self, host: Host, *, commits: bool) -> None:
        with host.engine.connect() as connection:
            connection.exec_driver_sql(INSERT)
            host.debit(connection)
            (connection.commit if commits else connection.rollback)()
        assert (host.orders(), host.posted()) == ((1, 90) if commits else (0, 100))

    @pytest.mark.parametrize("commits", [True, False])
    def test_l26_a_connection_that_was_not_used_yet(self, host: Host, *, commits: bool) -> None:
        with host.engine.connect() as connection:
            host.debit(connection)
            connection.exec_driver_sql(INSERT)
            (connection.commit if commits else connection.rollback)()
        assert (host.orders(), host.posted()) == ((1, 90) if commits else (0, 100))

    @pytest.mark.parametrize("commits", [True, False])
    def test_l26_a_session(self, host: Host, *, commits: bool) -> None:
        with Session(host.engine) as session:
            session.execute(sqlalchemy.text(INSERT))
            host.debit(session)
            (session.commit if commits else session.rollback)()
        assert (host.orders(), host.posted()) == ((1, 90) if commits else (0, 100))

    @pytest.mark.parametrize("commits", [True, False])
    def test_l26_a_connection_of_the_driver(self, host: Host, *, commits: bool) -> None:
        with closing(host.raw()) as connection:
            host.debit(connection)
            connection.execute(INSERT)
            (connection.commit if commits else connection.rollback)()
        assert (host.orders(), host.posted()) == ((1, 90) if commits else (0, 100))

    @pytest.mark.parametrize("commits", [True, False])
    def test_l26_a_unit_of_work_of_any_storage(self, clock: Clock, *, commits: bool) -> None:
        storage = MemoryStorage()
        billing = Billing(catalog=sample_catalog(), storage=storage, clock=clock)
        billing.accounts.open("acme", zone="Europe/Istanbul", currencies=["TRY"])
        billing.balances.credit("acme", lira("100"), reason="opening", key="opening")

        def work(unit: UnitOfWork) -> None:
            within = billing.using(unit)
            within.balances.debit("acme", lira("10"), reason="export", key="one")
            within.balances.debit("acme", lira("20"), reason="export", key="two")
            if not commits:
                raise LookupError

        if commits:
            storage.write(work)
        else:
            with pytest.raises(LookupError):
                storage.write(work)
        posted = billing.balances.list("acme")["TRY"].posted // 10**6
        assert posted == (70 if commits else 100)

    def test_several_commands_see_one_another(self, host: Host) -> None:
        with host.engine.begin() as connection:
            host.debit(connection, "60", "one")
            with pytest.raises(InsufficientFunds):
                host.debit(connection, "60", "two")
            host.debit(connection, "40", "three")
            assert host.billing.using(connection).balances.list("acme")["TRY"].posted == 0
        assert host.posted() == 0
        assert host.billing.verify("acme").sound

    def test_nobody_else_sees_it_before_the_host_commits(self, host: Host) -> None:
        with host.engine.begin() as connection:
            host.debit(connection)
            assert host.posted() == 100
        assert host.posted() == 90


class TestKeys:
    """A key is remembered as long as the debit is: if the host commits."""

    def test_a_repetition_within_one_transaction_is_found(self, host: Host) -> None:
        with host.engine.begin() as connection:
            host.debit(connection)
            host.debit(connection)
        assert host.posted() == 90

    def test_a_refusal_is_forgotten_if_the_host_rolls_back(self, host: Host) -> None:
        with host.engine.connect() as connection:
            with pytest.raises(InsufficientFunds):
                host.debit(connection, "500")
            connection.rollback()
        host.billing.balances.credit("acme", lira("500"), reason="more", key="more")
        host.billing.balances.debit("acme", lira("500"), reason="export", key="debit")
        assert host.posted() == 100

    def test_a_refusal_is_remembered_if_the_host_commits(self, host: Host) -> None:
        with host.engine.connect() as connection:
            with pytest.raises(InsufficientFunds):
                host.debit(connection, "500")
            connection.commit()
        host.billing.balances.credit("acme", lira("500"), reason="more", key="more")
        with pytest.raises(InsufficientFunds):
            host.billing.balances.debit("acme", lira("500"), reason="export", key="debit")
        with pytest.raises(IdempotencyConflict):
            host.billing.balances.debit("acme", lira("501"), reason="export", key="debit")
        assert host.posted() == 600


class TestFailures:
    """A failure undoes what this library has written, and nothing of the host's."""

    def test_the_hosts_rows_survive_a_failure(self, host: Host) -> None:
        storage = host.storage
        with host.engine.begin() as connection:
            connection.exec_driver_sql(INSERT)

            def work(unit: UnitOfWork) -> None:
                Billing(catalog=sample_catalog(), storage=storage).using(unit).balances.debit(
                    "acme", lira("10"), reason="export", key="debit"
                )
                raise LookupError

            with pytest.raises(LookupError):
                storage.joined(connection).write(work)
        assert (host.orders(), host.posted()) == (1, 100)

    def test_a_driver_that_commits_by_itself_is_refused(self, host: Host) -> None:
        with closing(host.raw()) as connection:
            if isinstance(connection, sqlite3.Connection):
                connection.isolation_level = None
            else:
                connection.autocommit = True
            with pytest.raises(InvalidInput, match="is in no transaction"):
                host.debit(connection)
            connection.execute("BEGIN")
            host.debit(connection)
            connection.execute("ROLLBACK")
        assert host.posted() == 100

    @pytest.mark.parametrize("given", [None, 7, "sqlite://", object()])
    def test_what_is_no_connection_is_refused(self, host: Host, given: object) -> None:
        with pytest.raises(InvalidInput, match=r"host: .* cannot be joined"):
            host.debit(given)

    def test_another_schema_is_refused(self, host: Host) -> None:
        with host.engine.begin() as connection:
            joined = JoinedStorage(connection, version_table="nowhere")
            with pytest.raises(SchemaMismatch, match="no billing schema"):
                joined.read(lambda reader: reader.accounts())
            connection.exec_driver_sql(INSERT)
        assert host.orders() == 1

    def test_a_lock_that_stays_is_busy(self, host: Host) -> None:
        with closing(host.raw()) as holder, closing(host.raw()) as connection:
            host.debit(holder)
            if isinstance(connection, sqlite3.Connection):
                connection.execute("PRAGMA busy_timeout = 0")
            else:
                connection.execute("SET lock_timeout = '20ms'")
            with pytest.raises(StoreBusy, match="roll your transaction back and run it again"):
                host.debit(connection, key="other")
            holder.rollback()
            connection.rollback()
            host.debit(connection, key="other")
            connection.commit()
        assert host.posted() == 90


class TestOneServiceForAll:
    """A service is made once, and asks for the connection of whoever is calling."""

    def test_the_connection_is_asked_for_each_time(self, host: Host, clock: Clock) -> None:
        current: list[object] = []
        storage = JoinedStorage(lambda: current[-1])
        billing = Billing(catalog=sample_catalog(), storage=storage, clock=clock, group_commit=None)
        for number in range(2):
            with host.engine.begin() as connection:
                current.append(connection)
                billing.balances.debit("acme", lira("10"), reason="export", key=f"{number}")
        assert host.posted() == 80

    def test_the_tables_are_those_of_the_hosts_database(self, host: Host) -> None:
        names = set(sqlalchemy.inspect(host.engine).get_table_names())
        assert {table.name for table in METADATA.sorted_tables} | {VERSION_TABLE} <= names
