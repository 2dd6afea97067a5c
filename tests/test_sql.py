"""What is special about the SQL storage: schema, locks, crashes, documents, statements."""

import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any, cast

import attrs
import pytest
import sqlalchemy
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from monochat_billing import lots
from monochat_billing.adapters.sql import (
    HEAD,
    VERSION_TABLE,
    SqlStorage,
    _migrate,
)
from monochat_billing.adapters.sql.__main__ import main
from monochat_billing.adapters.sql._backends import Postgres, Sqlite, Verdict
from monochat_billing.adapters.sql._session import Session
from monochat_billing.adapters.sql._shapes import Statement
from monochat_billing.adapters.sql._unit import SqlUnit
from monochat_billing.adapters.sql.schema import METADATA
from monochat_billing.adapters.sql.storage import _Deadline
from monochat_billing.audit import audit
from monochat_billing.errors import (
    CorruptBooks,
    InvalidInput,
    MissingExtra,
    SchemaMismatch,
    StorageError,
    StoreBusy,
    StoreUnreachable,
)
from monochat_billing.repositories import Changes, Reader, UnitOfWork, Wanted
from tests.desk import PROFILE, Clock, Desk, build
from tests.factories import (
    and_then,
    charging,
    crediting,
    debiting,
    key_record,
    lira,
    load,
    open_account,
    opening,
    save,
    scheduled,
    state_of,
    stored,
    subscription,
    top_up,
)
from tests.postgres import Server

ROOT = Path(__file__).parents[1]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Name a database file that does not exist yet."""
    return tmp_path / "billing.db"


@pytest.fixture
def storage(path: Path) -> Iterator[SqlStorage]:
    """Give a storage on an empty file."""
    with SqlStorage(f"sqlite:///{path}") as opened:
        yield opened


def rows(path: Path) -> list[str]:
    """Write down everything that a database file holds."""
    connection = sqlite3.connect(path)
    try:
        return list(connection.iterdump())
    finally:
        connection.close()


def execute(path: Path, *statements: str) -> None:
    """Change a database file behind the library's back."""
    connection = sqlite3.connect(path)
    try:
        for statement in statements:
            connection.execute(statement)
        connection.commit()
    finally:
        connection.close()


def migrated(url: str) -> None:
    """Let Alembic run every migration on an empty database."""
    engine = sqlalchemy.create_engine(url)
    with engine.begin() as connection:
        command.upgrade(_migrate.config(connection, VERSION_TABLE), "head")
    engine.dispose()


def written_down(server: Server, database: str) -> list[Any]:
    """Give what a server knows of every table."""
    with server.connect(database) as connection:
        return [
            row
            for query in (
                (
                    "SELECT table_name, ordinal_position, column_name, data_type, is_nullable, "
                    "column_default, collation_name FROM information_schema.columns "
                    "WHERE table_schema = 'public' ORDER BY 1, 2"
                ),
                (
                    "SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) "
                    "FROM pg_constraint WHERE connamespace = 'public'::regnamespace ORDER BY 1, 2"
                ),
                (
                    "SELECT tablename, indexname, indexdef FROM pg_indexes "
                    "WHERE schemaname = 'public' ORDER BY 1, 2"
                ),
            )
            for row in connection.execute(query.encode()).fetchall()
        ]


def versions(path: Path, table: str = VERSION_TABLE) -> list[str]:
    """Read what Alembic has noted."""
    return sorted(version for (version,) in ask(path, f"SELECT * FROM {table}"))  # noqa: S608 - ours


def ask(path: Path, query: str) -> list[Any]:
    """Query a database file."""
    connection = sqlite3.connect(path)
    try:
        return connection.execute(query).fetchall()
    finally:
        connection.close()


def start(code: str, *arguments: object) -> subprocess.Popen[str]:
    """Start a process that runs code of ours and can be talked with."""
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)])},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def end(process: subprocess.Popen[str]) -> str:
    """Wait for a process that has to succeed, and give what it printed."""
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    return out


OPENING = """
from tests.factories import open_account

def work(storage, name):
    open_account(storage, name)
    return 0
"""

SPENDING = """
from monochat_billing.errors import InsufficientFunds
from tests.test_sql import debit

def work(storage, name):
    done = 0
    for _ in range(50):
        try:
            debit(storage)
        except InsufficientFunds:
            continue
        done += 1
    return done
"""


def at_once(code: str, path: Path, names: Sequence[str]) -> list[int]:
    """Fork a process for each name, each with a storage of its own; give what their work returned.

    They are forked off one that has imported everything, before it has opened anything.
    """
    program = f"""
import os, sys
from monochat_billing.adapters.sql import SqlStorage
{code}
gate, children = os.pipe(), []
for name in sys.argv[2:]:
    if not (child := os.fork()):
        os.close(gate[1])
        os.read(gate[0], 1)
        with SqlStorage(sys.argv[1]) as storage:
            os._exit(work(storage, name))
    children.append(child)
os.close(gate[1])
print(*[os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children])
"""
    return [*map(int, end(start(program, f"sqlite:///{path}", *names)).split())]


def debit(storage: SqlStorage, amount: str = "1", account: str = "acme") -> None:
    """Take an amount from an account, in one unit of work."""
    storage.write(lambda unit: unit.save([debiting(state_of(load(unit, account)), lira(amount))]))


def whole() -> Changes:
    """Give changes of a new account that touch every table."""
    changes = opening()
    changes = and_then(changes, crediting(changes.after, lira("10")))
    changes = and_then(changes, charging(changes.after, ["m-1", "m-2"]))
    after = changes.after.with_subscription(changes.after.books, subscription())
    after = after.with_schedule([scheduled()]).with_top_up(after.books, top_up())
    return attrs.evolve(changes, after=after, keys=(key_record("k", changes.entries[0]),))


def more(unit: UnitOfWork) -> None:
    """Change a whole account again, in every table."""
    state = state_of(load(unit, top_ups=["top-1"], usage=["m-3"], keys=["k", "k-2"]))
    changes = charging(state, ["m-3", "m-4"])
    after = changes.after.with_subscription(
        changes.after.books, attrs.evolve(subscription(), version=2)
    )
    after = after.with_schedule([attrs.evolve(scheduled(), to="growth"), scheduled("sch-2")])
    after = after.with_top_up(after.books, attrs.evolve(top_up(), entry=9))
    after = after.with_top_up(after.books, top_up("top-2"))
    unit.save([attrs.evolve(changes, after=after, keys=(key_record("k-2", changes.entries[0]),))])


# ------------------------------------------------------------------------------------- schema


class TestTheSchema:
    """An empty file gets the schema; anything else is left alone until somebody says so."""

    def test_an_empty_file_gets_it_at_first_use(self, storage: SqlStorage, path: Path) -> None:
        assert not path.exists()
        open_account(storage)
        assert versions(path) == [HEAD]

    def test_several_processes_may_create_it_at_once(self, path: Path) -> None:
        names = ["a", "b", "c", "d"]
        assert at_once(OPENING, path, names) == [0] * 4
        with SqlStorage(f"sqlite:///{path}") as storage:
            assert storage.read(lambda reader: list(reader.accounts())) == names

    @pytest.mark.parametrize(
        ("version", "remedy"),
        [
            ("billing_9999", "another release has written it; install that release or a later one"),
            ("billing_0000", "another release has written it"),
        ],
    )
    def test_l25_an_unknown_version_is_refused(
        self, storage: SqlStorage, path: Path, version: str, remedy: str
    ) -> None:
        open_account(storage)
        execute(path, f"UPDATE {VERSION_TABLE} SET version_num = '{version}'")  # noqa: S608 - ours
        before = rows(path)
        with SqlStorage(f"sqlite:///{path}") as other:
            for use in (other.upgrade, lambda: open_account(other, "b")):
                with pytest.raises(SchemaMismatch, match=f"{version}.*{remedy}"):
                    use()
        assert rows(path) == before

    def test_l25_an_older_version_is_refused_until_it_is_upgraded(
        self, storage: SqlStorage, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        open_account(storage)
        monkeypatch.setattr(_migrate, "HEAD", "billing_0004")
        with (
            SqlStorage(f"sqlite:///{path}") as other,
            pytest.raises(SchemaMismatch, match=r"older than .* billing_0004; back it up, then"),
        ):
            stored(other)

    def test_a_foreign_file_is_refused_and_left_as_it_is(self, path: Path) -> None:
        execute(path, "CREATE TABLE mine (x)", "INSERT INTO mine VALUES (1)")
        before = path.read_bytes()
        with (
            SqlStorage(f"sqlite:///{path}") as storage,
            pytest.raises(SchemaMismatch, match=r"no billing schema; .* storage.upgrade\(\)"),
        ):
            open_account(storage)
        assert path.read_bytes() == before

    def test_a_foreign_file_can_be_upgraded_and_keeps_its_tables(self, path: Path) -> None:
        execute(path, "CREATE TABLE mine (x)", "INSERT INTO mine VALUES (1)")
        with SqlStorage(f"sqlite:///{path}") as storage:
            storage.upgrade()
            storage.upgrade()
            open_account(storage)
        assert ask(path, "SELECT x FROM mine") == [(1,)]

    def test_what_is_no_database_is_left_as_it_is(self, path: Path) -> None:
        path.write_text("this is a letter, not a database\n" * 100)
        before = path.read_bytes()
        with SqlStorage(f"sqlite:///{path}") as storage, pytest.raises(StorageError):
            open_account(storage)
        assert path.read_bytes() == before

    def test_the_head_is_the_last_migration(self) -> None:
        assert ScriptDirectory.from_config(_migrate.config()).get_heads() == [HEAD]

    def test_the_migrations_build_what_the_tables_say(self, path: Path) -> None:
        migrated(f"sqlite:///{path}")
        engine = sqlalchemy.create_engine(f"sqlite:///{path}")
        with engine.connect() as connection:
            options = {"version_table": VERSION_TABLE, "compare_type": True}
            context = MigrationContext.configure(connection, opts=options)
            assert compare_metadata(context, METADATA) == []
        engine.dispose()

    def test_an_empty_file_gets_to_the_letter_what_the_migrations_build(
        self, storage: SqlStorage, path: Path, tmp_path: Path
    ) -> None:
        storage.upgrade()
        other = tmp_path / "other.db"
        migrated(f"sqlite:///{other}")
        made, built = (
            {
                name: sql and " ".join(sql.split())
                for name, sql in ask(one, "SELECT name, sql FROM sqlite_master")
            }
            for one in (path, other)
        )
        assert made == built
        assert versions(path) == versions(other) == [HEAD]
        assert len(METADATA.tables) == 23

    def test_an_empty_server_gets_what_the_migrations_build(self, postgres_server: Server) -> None:
        """Columns, checks, keys and indexes, as the server writes them down."""
        with postgres_server.connect() as connection:
            for name in ("made", "built"):
                connection.execute(f"CREATE DATABASE the_schema_{name}")
            try:
                with SqlStorage(postgres_server.url("the_schema_made")) as storage:
                    storage.upgrade()
                migrated(postgres_server.url("the_schema_built"))
                made, built = (
                    written_down(postgres_server, f"the_schema_{name}")
                    for name in ("made", "built")
                )
            finally:
                for name in ("made", "built"):
                    connection.execute(f"DROP DATABASE the_schema_{name} WITH (FORCE)")
        assert made == built
        assert len(made) > 200

    def test_l28_every_unique_key_begins_with_the_account(self) -> None:
        """So that an account can live on one shard; those that say whose something is cannot."""
        elsewhere = {
            "billing_accounts": "id",
            "billing_top_up_routes": "gateway",
            "billing_numbers": "id",
            "billing_set_asides": "id",
            "billing_invoice_counters": "name",
            "billing_outbox_consumers": "name",
        }
        for table in METADATA.tables.values():
            first = next(iter(table.primary_key.columns)).name
            assert first == elsewhere.get(table.name, "account_id")
            for constraint in table.constraints:
                if isinstance(constraint, sqlalchemy.UniqueConstraint):
                    first = next(iter(constraint.columns)).name
                    assert (first, table.name) in {
                        ("account_id", table.name),
                        ("number", "billing_invoices"),
                    }
            assert not any(index.unique for index in table.indexes)

    def test_a_host_can_run_the_migrations_among_its_own(self, path: Path, tmp_path: Path) -> None:
        own = tmp_path / "versions"
        own.mkdir()
        (own / "host_1.py").write_text(
            "from alembic import op\nimport sqlalchemy as sa\n"
            "revision, down_revision = 'host_1', None\n"
            "def upgrade():\n    op.create_table('mine', sa.Column('x', sa.Integer))\n"
        )
        engine = sqlalchemy.create_engine(f"sqlite:///{path}")
        with engine.begin() as connection:
            config = _migrate.config(connection, "alembic_version")
            config.set_main_option("path_separator", "os")
            config.set_main_option(
                "version_locations", f"{_migrate.SCRIPTS / 'versions'}{os.pathsep}{own}"
            )
            command.upgrade(config, "heads")
        engine.dispose()
        assert versions(path, "alembic_version") == [HEAD, "host_1"]
        with SqlStorage(f"sqlite:///{path}", version_table="alembic_version") as storage:
            open_account(storage)
            assert storage.read(lambda reader: list(reader.accounts())) == ["acme"]

    def test_the_command_line_upgrades(
        self, path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main(["upgrade", f"sqlite:///{path}"]) == 0
        assert versions(path) == [HEAD]
        assert main(["downgrade", "x"]) == 2
        assert main(["upgrade", "mysql://localhost/x"]) == 1
        out, err = capsys.readouterr()
        assert out == f"the schema is {HEAD}\n"
        assert "usage: python -m" in err
        assert "neither SQLite nor PostgreSQL" in err


# ------------------------------------------------------------------------- locks and the file


class TestReopening:
    """What was committed is there for whoever opens the file next."""

    def test_a_file_keeps_everything(self, path: Path) -> None:
        with SqlStorage(f"sqlite:///{path}") as first:
            save(first, whole())
            first.write(more)
            before = first.read(_look)
        with SqlStorage(f"sqlite:///{path}") as second:
            assert second.read(_look) == before

    def test_what_sqlite_itself_says_of_the_file(self, storage: SqlStorage, path: Path) -> None:
        save(storage, whole())
        assert ask(path, "PRAGMA journal_mode") == [("wal",)]
        assert ask(path, "PRAGMA integrity_check") == [("ok",)]
        assert ask(path, "PRAGMA foreign_key_check") == []


def _look(reader: Reader) -> object:
    return (
        reader.load(
            [
                Wanted(
                    "acme",
                    frozenset({"k", "k-2"}),
                    frozenset({"m-1"}),
                    frozenset({"top-1", "top-2"}),
                    frozenset({"sch-1"}),
                )
            ]
        ),
        reader.entries("acme"),
        reader.lots("acme"),
        reader.usage("acme"),
        reader.events("acme"),
        reader.schedule("acme"),
    )


class TestTheDatabasesOwnTransactions:
    """A write holds the only write lock from its start, and commits once."""

    def test_l20_a_write_begins_immediate_and_a_read_never_writes(
        self, storage: SqlStorage
    ) -> None:
        open_account(storage, funds="5")
        traced = trace(storage)
        storage.write(lambda unit: unit.save([debiting(state_of(load(unit)), lira("1"))]))
        assert traced[0] == "BEGIN IMMEDIATE"
        assert traced[-1] == "COMMIT"
        assert [one for one in traced[1:-1] if one.startswith(("BEGIN", "COMMIT"))] == []
        traced.clear()
        stored(storage)
        assert traced[0] == "BEGIN"
        assert traced[-1] == "COMMIT"
        assert {one.split()[0] for one in traced[1:-1]} == {"SELECT"}

    def test_each_connection_is_set_up(self, storage: SqlStorage) -> None:
        def settings(session: Session) -> list[Any]:
            names = ("synchronous", "foreign_keys", "busy_timeout")
            return [
                session.rows("look", Statement(f"PRAGMA {name}", (), {}), ())[0][0]
                for name in names
            ]

        storage.upgrade()
        full = 2
        assert storage._run("read", settings) == [full, 1, 0]

    def test_foreign_keys_are_held(self, storage: SqlStorage) -> None:
        def work(unit: UnitOfWork) -> None:
            load(unit)
            changes = opening()
            unit.save([changes])
            sheet = cast("SqlUnit", unit)._session
            statement = sheet.statements.insert["billing_top_up_routes"]
            sheet.write("tamper", statement, [("sandbox", "t", "nobody")])

        with pytest.raises(StorageError, match="FOREIGN KEY constraint failed"):
            storage.write(work)
        assert stored(storage).state is None


def trace(storage: SqlStorage) -> list[str]:
    """Collect what SQLite is asked from now on, on the connections that read and that write."""
    traced: list[str] = []

    def listen(session: Session) -> None:
        cast("Any", session._cursor).connection.set_trace_callback(traced.append)

    storage._run("read", listen)
    storage._run("write", listen)
    traced.clear()
    return traced


class TestBusy:
    """A lock that is not free is waited for, until the deadline, and then nothing was written."""

    HOLD = (
        "import sqlite3, sys\n"
        "connection = sqlite3.connect(sys.argv[1], isolation_level=None)\n"
        "connection.execute('BEGIN IMMEDIATE')\n"
        "print('held', flush=True); sys.stdin.readline()\n"
        "connection.execute('COMMIT')\n"
    )

    def test_l18_a_lock_that_stays_is_busy(self, storage: SqlStorage, path: Path) -> None:
        open_account(storage, funds="5")
        before = rows(path)
        holder = start(self.HOLD, path)
        assert holder.stdout
        assert holder.stdout.readline() == "held\n"
        with (
            SqlStorage(f"sqlite:///{path}", busy_deadline=Decimal("0.05")) as hasty,
            pytest.raises(StoreBusy, match=r"write: .* nothing was written") as caught,
        ):
            debit(hasty)
        assert isinstance(caught.value.__cause__, StorageError)
        assert isinstance(caught.value.__cause__.__cause__, sqlite3.OperationalError)
        assert state_of(stored(storage)).books.balance("TRY").posted == 5_000_000
        holder.communicate("done\n")
        assert rows(path) == before
        debit(storage)

    def test_l18_a_lock_that_goes_is_waited_for(self, storage: SqlStorage, path: Path) -> None:
        open_account(storage, funds="5")
        holder = start(self.HOLD, path)
        assert holder.stdout
        assert holder.stdout.readline() == "held\n"
        assert holder.stdin
        with SqlStorage(f"sqlite:///{path}") as patient:
            patient.read(lambda _: None)
            holder.stdin.write("done\n")
            holder.stdin.flush()
            debit(patient)
        end(holder)
        assert state_of(stored(storage)).books.balance("TRY").posted == 4_000_000

    def test_the_pauses_end_with_the_deadline(self, monkeypatch: pytest.MonkeyPatch) -> None:
        now = 0
        pauses: list[float] = []

        def sleep(seconds: float) -> None:
            nonlocal now
            pauses.append(seconds)
            now += round(seconds * 10**9) + 1

        monkeypatch.setattr(time, "monotonic_ns", lambda: now)
        monkeypatch.setattr(time, "sleep", sleep)
        deadline = _Deadline(10**9)
        while now < 10**9:
            deadline.wait("write", ValueError("locked"))
        with pytest.raises(StoreBusy, match="no lock before the deadline: locked"):
            deadline.wait("write", ValueError("locked"))
        assert max(pauses) <= 0.01
        assert len(set(pauses)) > 50
        assert now == pytest.approx(10**9, rel=0.02)

    def test_two_processes_share_one_file(self, storage: SqlStorage, path: Path) -> None:
        """Each debits as often as it can; together exactly as often as there is money."""
        open_account(storage, funds="60")
        assert sum(at_once(SPENDING, path, ["a", "b"])) == 60
        check_sound(storage)
        assert state_of(stored(storage)).books.balance("TRY").posted == 0


def check_sound(storage: SqlStorage) -> None:
    """Check that the books of "acme" agree with their entries."""

    def work(reader: Reader) -> str:
        state = state_of(reader.load([Wanted("acme")])["acme"])
        return str(audit(state.books, reader.lots("acme"), reader.entries("acme", limit=100_000)))

    assert storage.read(work).startswith("sound")


class TestLostRaces:
    """What somebody else has changed meanwhile is never written over."""

    @staticmethod
    def meddle(unit: UnitOfWork) -> None:
        session = cast("SqlUnit", unit)._session
        session.run("meddle", "UPDATE billing_accounts SET version = version + 1")

    def test_work_is_run_again_on_what_is_there_now(self, storage: SqlStorage) -> None:
        open_account(storage, funds="5")
        runs: list[int] = []

        def work(unit: UnitOfWork) -> int:
            runs.append(len(runs))
            changes = debiting(state_of(load(unit)), lira("1"))
            if len(runs) < 3:
                self.meddle(unit)
            unit.save([changes])
            return len(runs)

        assert storage.write(work) == 3
        check_sound(storage)
        assert state_of(stored(storage)).books.sequence == 2

    def test_a_race_that_is_always_lost_ends_with_the_deadline(self, path: Path) -> None:
        with SqlStorage(f"sqlite:///{path}", busy_deadline=0) as storage:
            open_account(storage, funds="5")
            before = rows(path)

            def work(unit: UnitOfWork) -> None:
                changes = debiting(state_of(load(unit)), lira("1"))
                self.meddle(unit)
                unit.save([changes])

            with pytest.raises(StoreBusy, match="changed by another writer"):
                storage.write(work)
            assert rows(path) == before

    @pytest.mark.parametrize("what", ["usage", "key", "top-up", "scheduled change"])
    def test_what_exists_once_is_not_stored_twice(
        self, storage: SqlStorage, path: Path, what: str
    ) -> None:
        save(storage, whole())
        before = rows(path)
        state = state_of(stored(storage))
        changes = Changes(state, state.with_books(state.books))
        again = {
            "usage": lambda: charging(state, ["m-2"]),
            "key": lambda: attrs.evolve(changes, keys=(key_record("k", 1),)),
            "top-up": lambda: attrs.evolve(changes, after=state.with_top_up(state.books, top_up())),
            "scheduled change": lambda: attrs.evolve(
                changes,
                before=attrs.evolve(state, schedule={}),
                after=state.with_schedule([scheduled()]),
            ),
        }[what]()
        if what == "scheduled change":
            again = attrs.evolve(
                again, after=state.with_schedule([attrs.evolve(scheduled(), to="x")])
            )
        with pytest.raises(StorageError, match="UNIQUE constraint failed"):
            save(storage, again)
        assert rows(path) == before

    def test_a_failure_that_the_work_swallows_stands(self, storage: SqlStorage, path: Path) -> None:
        save(storage, whole())
        before = rows(path)

        def work(unit: UnitOfWork) -> None:
            state = state_of(load(unit))
            with pytest.raises(StorageError):
                unit.save([charging(state, ["m-1"])])

        with pytest.raises(StorageError, match="UNIQUE constraint failed"):
            storage.write(work)
        assert rows(path) == before


# ------------------------------------------------------------------------------------- faults


@attrs.define
class Plan:
    """Say at which statement a connection fails, and whether before or after it took effect."""

    fail_at: int = 0
    after_effect: bool = False
    seen: list[str] = attrs.field(factory=list)

    def reset(self, fail_at: int = 0, *, after_effect: bool = False) -> None:
        self.fail_at, self.after_effect = fail_at, after_effect
        self.seen.clear()

    def around(self, statement: str, run: Callable[[], object]) -> object:
        """Run a statement, or fail before or after it."""
        if statement.startswith("PRAGMA"):
            return run()
        self.seen.append(statement)
        if len(self.seen) != self.fail_at:
            return run()
        if self.after_effect:
            run()
        raise sqlite3.OperationalError("disk I/O error")


PLAN = Plan()


class FaultyCursor(sqlite3.Cursor):
    def execute(self, statement: str, parameters: Any = (), /) -> Any:  # noqa: ANN401 - as the driver's
        return PLAN.around(
            statement, lambda: super(FaultyCursor, self).execute(statement, parameters)
        )

    def executemany(self, statement: str, parameters: Any, /) -> Any:  # noqa: ANN401 - as the driver's
        return PLAN.around(
            statement, lambda: super(FaultyCursor, self).executemany(statement, parameters)
        )


class FaultyConnection(sqlite3.Connection):
    def cursor(self, factory: Any = FaultyCursor) -> Any:  # noqa: ANN401 - as the driver's
        return super().cursor(factory)


@pytest.fixture
def faulty(path: Path) -> Iterator[SqlStorage]:
    """Give a storage whose connections fail where the plan says."""
    PLAN.reset()
    engine = sqlalchemy.create_engine(
        f"sqlite:///{path}", connect_args={"factory": FaultyConnection}
    )
    with SqlStorage(engine) as storage:
        yield storage
    engine.dispose()
    PLAN.reset()


class TestFaults:
    """An error at any statement leaves the file as it was."""

    @pytest.mark.parametrize("after_effect", [False, True], ids=["before", "after"])
    def test_l12_an_error_at_every_statement_leaves_nothing(
        self,
        faulty: SqlStorage,
        path: Path,
        after_effect: bool,  # noqa: FBT001 - a parameter
    ) -> None:
        save(faulty, whole())
        before = rows(path)
        PLAN.reset()
        with pytest.raises(LookupError):
            faulty.write(_more_and_fail)
        statements = [*PLAN.seen, "COMMIT"]
        assert statements[0] == "BEGIN IMMEDIATE"
        assert len(statements) == 21
        for place in range(1, len(statements) + (not after_effect)):
            PLAN.reset(place, after_effect=after_effect)
            with pytest.raises(StorageError, match="disk I/O error") as caught:
                faulty.write(more)
            assert isinstance(caught.value.__cause__, sqlite3.OperationalError)
            assert len(PLAN.seen) == place
            PLAN.reset()
            assert rows(path) == before, statements[place - 1]
        faulty.write(more)
        assert state_of(stored(faulty)).books.sequence == 5

    def test_a_read_that_fails_says_so(self, faulty: SqlStorage) -> None:
        save(faulty, whole())
        for place in range(1, 4):
            PLAN.reset(place)
            with pytest.raises(StorageError, match="disk I/O error"):
                stored(faulty)
        PLAN.reset()
        assert state_of(stored(faulty)).books.sequence == 3

    def test_l13_a_commit_whose_answer_is_lost_is_in_doubt_and_settled_by_its_key(
        self, faulty: SqlStorage, path: Path
    ) -> None:
        desk = _desk(faulty)
        desk.top_up("10")
        PLAN.reset()
        desk.billing.balances.debit("acme", lira("1"), reason="export", key="first")
        commit = len(PLAN.seen)
        assert PLAN.seen[-1] == "COMMIT"
        PLAN.reset(commit, after_effect=True)
        with pytest.raises(StorageError, match=r"^commit: .*in doubt, repeat with"):
            desk.billing.balances.debit("acme", lira("2"), reason="export", key="second")
        PLAN.reset()
        after = rows(path)
        entry = desk.billing.balances.debit("acme", lira("2"), reason="export", key="second")
        assert entry.balance_after == 7_000_000
        assert rows(path) == after

    def test_a_file_that_cannot_be_opened(self, tmp_path: Path) -> None:
        """Nothing is in doubt: the error names the path and asks to check it."""
        with (
            SqlStorage(f"sqlite:///{tmp_path / 'no' / 'folder.db'}") as storage,
            pytest.raises(StoreUnreachable, match="unable to open database file") as caught,
        ):
            stored(storage)
        assert "folder.db" in str(caught.value)
        assert "nothing was written; check the path" in str(caught.value)
        assert "in doubt" not in str(caught.value)

    def test_a_file_that_is_no_database(self, tmp_path: Path) -> None:
        path = tmp_path / "letter.txt"
        path.write_text("Dear Ada, " * 1000)
        with SqlStorage(f"sqlite:///{path}") as storage:
            for work in (lambda: stored(storage), storage.upgrade):
                with pytest.raises(StoreUnreachable, match="file is not a database"):
                    work()
        assert path.read_text() == "Dear Ada, " * 1000

    def test_a_database_that_is_gone_by_the_next_unit_of_work(self, faulty: SqlStorage) -> None:
        open_account(faulty)
        faulty._engine.dispose()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(
                faulty._engine,
                "raw_connection",
                lambda: (_ for _ in ()).throw(sqlite3.OperationalError("gone")),
            )
            with pytest.raises(StoreUnreachable, match=r"^connect: .*gone; nothing was written"):
                stored(faulty)

    def test_l17_a_full_disk_leaves_the_file_as_it_was(
        self, storage: SqlStorage, path: Path
    ) -> None:
        open_account(storage, funds="10")
        before = rows(path)

        def fill(unit: UnitOfWork) -> None:
            session = cast("SqlUnit", unit)._session
            session.run("limit", "PRAGMA max_page_count = 1")
            unit.save([charging(state_of(load(unit)), [f"m-{n}" for n in range(2000)])])

        with pytest.raises(StorageError, match="database or disk is full"):
            storage.write(fill)
        assert rows(path) == before
        debit(storage)
        check_sound(storage)

    def test_an_amount_that_no_column_holds(self, storage: SqlStorage, path: Path) -> None:
        open_account(storage, funds="10")
        before = rows(path)
        changes = debiting(state_of(stored(storage)), lira("1"))
        entry = attrs.evolve(changes.entries[0], amount=2**63)
        with pytest.raises(StorageError, match="OverflowError"):
            save(storage, attrs.evolve(changes, entries=(entry,)))
        assert rows(path) == before


def _more_and_fail(unit: UnitOfWork) -> None:
    more(unit)
    raise LookupError


def _desk(storage: SqlStorage) -> Desk:
    def again() -> Desk:
        raise AssertionError

    made = build(storage, Clock(), again)
    made.billing.accounts.open("acme", zone="Europe/Istanbul", currencies=["TRY"], profile=PROFILE)
    return made


class TestCrashes:
    """A process that is killed loses nothing that it had been told was done."""

    WRITER = (
        "import sys; from monochat_billing.adapters.sql import SqlStorage\n"
        "from tests.test_sql import debit\n"
        "from tests.factories import load, state_of, stored\n"
        "with SqlStorage(sys.argv[1]) as storage:\n"
        "    while True:\n"
        "        debit(storage, '0.01')\n"
        "        print(state_of(stored(storage)).books.sequence, flush=True)\n"
    )

    @pytest.mark.deep
    def test_l14_killed_writers_lose_no_acknowledged_entry(
        self, storage: SqlStorage, path: Path
    ) -> None:
        open_account(storage, funds="1000")
        acknowledged = 1
        for acks in (1, 4, 9, 2, 6):
            writer = start(self.WRITER, f"sqlite:///{path}")
            assert writer.stdout
            for _ in range(acks):
                acknowledged = int(writer.stdout.readline())
            writer.kill()
            unread, _ = writer.communicate()
            acknowledged = max([acknowledged, *map(int, unread.splitlines()[:-1])])
            assert ask(path, "PRAGMA integrity_check") == [("ok",)]
            sequence = state_of(stored(storage)).books.sequence
            assert sequence >= acknowledged
            check_sound(storage)
        assert acknowledged >= 23

    def test_l27_a_forked_process_makes_connections_of_its_own(self, path: Path) -> None:
        code = (
            "import os, sys; from monochat_billing.adapters.sql import SqlStorage\n"
            "from tests.test_sql import debit\n"
            "storage = SqlStorage(sys.argv[1])\n"
            "storage._turn.acquire(); debit_lock = storage._turn\n"
            "debit_lock.release(); debit(storage)\n"
            "pool = storage._engine.pool\n"
            "debit_lock.acquire()\n"
            "child = os.fork()\n"
            "if not child:\n"
            "    for _ in range(5): debit(storage)\n"
            "    os._exit(0 if storage._engine.pool is not pool else 1)\n"
            "debit_lock.release()\n"
            "for _ in range(5): debit(storage)\n"
            "status = os.waitpid(child, 0)[1]\n"
            "assert storage._engine.pool is pool\n"
            "storage.close()\n"
            "print(status)\n"
        )
        with SqlStorage(f"sqlite:///{path}") as storage:
            open_account(storage, funds="100")
            assert end(start(code, f"sqlite:///{path}")) == "0\n"
            assert state_of(stored(storage)).books.balance("TRY").posted == 89_000_000
            check_sound(storage)


# ------------------------------------------------------------------------------------- misuse


class TestHandling:
    """Wrong use is refused with what to do instead."""

    @pytest.mark.parametrize(
        ("given", "problem"),
        [
            ("mysql://ada:secret@localhost/x", "neither SQLite nor PostgreSQL"),
            ("postgresql+psycopg2://ada:secret@localhost/x", "neither SQLite nor PostgreSQL"),
            ("not a url", "is no database URL"),
            ("billing.db", "'billing.db' is no database URL; use sqlite:///billing.db"),
            (Path("billing.db"), "'billing.db' is no database URL; use sqlite:///billing.db"),
            ("ada:secret@localhost/x", "'ada:.*@localhost/x' is no database URL; use sqlite:///f"),
            ("sqlite:///file:x?mode=memory&uri=true", "is shared memory"),
            (7, "is no database URL"),
        ],
    )
    def test_a_url_that_cannot_be_used(self, given: Any, problem: str) -> None:  # noqa: ANN401 - wrong on purpose
        with pytest.raises(InvalidInput, match=problem) as caught:
            SqlStorage(given)
        assert "secret" not in str(caught.value)

    @pytest.mark.parametrize("seconds", [-1, True, 0.5, Decimal("NaN"), "3"])
    def test_a_deadline_that_cannot_be_used(self, seconds: Any) -> None:  # noqa: ANN401 - wrong on purpose
        with pytest.raises(InvalidInput, match="busy_deadline"):
            SqlStorage("sqlite://", busy_deadline=seconds)

    def test_an_engine_in_memory_is_refused(self) -> None:
        engine = sqlalchemy.create_engine("sqlite://")
        with pytest.raises(InvalidInput, match="pass its URL instead"):
            SqlStorage(engine)
        engine.dispose()

    def test_a_closed_storage_says_so(self, path: Path) -> None:
        storage = SqlStorage(f"sqlite:///{path}", busy_deadline=Fraction(1, 3))
        open_account(storage)
        storage.close()
        with pytest.raises(StorageError, match="the storage is closed"):
            stored(storage)
        with pytest.raises(StorageError, match="the storage is closed"):
            storage.upgrade()

    def test_a_storage_shows_no_password(self) -> None:
        pytest.importorskip("psycopg")
        with SqlStorage("postgresql://ada:secret@localhost/x") as storage:
            assert repr(storage) == "SqlStorage('postgresql+psycopg://ada:***@localhost/x')"

    def test_the_connections_of_an_engine_are_left_to_its_owner(self, path: Path) -> None:
        engine = sqlalchemy.create_engine(f"sqlite:///{path}")
        with SqlStorage(engine) as storage:
            open_account(storage)
            with engine.connect() as connection:
                assert connection.exec_driver_sql("PRAGMA busy_timeout").scalar() == 5000
                assert connection.exec_driver_sql("PRAGMA foreign_keys").scalar() == 0
        engine.dispose()

    def test_a_read_may_look_within_a_write(self, storage: SqlStorage) -> None:
        open_account(storage, funds="5")

        def work(unit: UnitOfWork) -> int:
            unit.save([debiting(state_of(load(unit)), lira("1"))])
            return state_of(stored(storage)).books.sequence

        assert storage.write(work) == 1
        assert state_of(stored(storage)).books.sequence == 2

    def test_in_memory_nothing_can_be_opened_within_another(self) -> None:
        with SqlStorage("sqlite://") as storage:
            open_account(storage)
            with pytest.raises(StorageError, match="open in this thread"):
                storage.write(lambda _: stored(storage))
            assert state_of(stored(storage)).account.id == "acme"

    def test_without_its_extra_it_names_it(self) -> None:
        for missing in ("sqlalchemy", "alembic", "cattrs"):
            code = (
                f"import sys; sys.modules[{missing!r}] = None\n"
                "from monochat_billing.errors import MissingExtra\n"
                "try: import monochat_billing.adapters.sql\n"
                "except MissingExtra as error:\n"
                "    print(error, '|', type(error.__cause__).__name__)\n"
            )
            assert end(start(code)) == (
                "monochat_billing.adapters.sql needs the extra [sql]: "
                "pip install 'monochat-billing[sql]' | ModuleNotFoundError\n"
            )

    def test_without_the_driver_of_a_server_it_names_that_extra(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(sys.modules, "psycopg", None)
        with pytest.raises(MissingExtra, match=r"monochat-billing\[postgres\]"):
            SqlStorage("postgresql://localhost/x")


class TestCorruptBooks:
    """What no writer of ours has written stops billing, by table and account."""

    @pytest.mark.parametrize(
        ("change", "told"),
        [
            ("accounts SET currencies = 'TRY'", "read billing_accounts: account 'acme': "),
            ("accounts SET profile = '{}'", "billing_accounts: account 'acme': KeyError"),
            ("lots SET origin = 'STOLEN'", "billing_lots: account 'acme': .*STOLEN"),
            ("subscriptions SET document = '{'", "billing_subscriptions: account 'acme': JSON"),
            ("scheduled_changes SET document = '[]'", "billing_scheduled_changes: account 'acme'"),
            ("top_ups SET document = '1.5'", "billing_top_ups: .* 1.5 is a binary float"),
            ('keys SET outcome = \'{"type":"Spell","value":1}\'', "the type 'Spell' is unknown"),
            ("keys SET content = '{\"amount\":12}'", "billing_keys: account 'acme': 12 is no str"),
            ("entries SET kind = 'GIFT'", "billing_entries: account 'acme': .*GIFT"),
            ("entries SET parts = '[[1]]'", "billing_entries: account 'acme': "),
            ("usage SET category = 'spam'", "billing_usage: account 'acme': .*spam"),
            ("outbox SET type = 'Rumor'", "billing_outbox: .* the event type 'Rumor' is unknown"),
            (
                "outbox SET document = replace(document, '}', ',\"new\":1}')",
                "billing_outbox: account 'acme': ForbiddenExtraKeysError",
            ),
        ],
    )
    def test_a_row_that_makes_no_sense(
        self, storage: SqlStorage, path: Path, change: str, told: str
    ) -> None:
        save(storage, whole())
        execute(path, f"UPDATE billing_{change}")
        with pytest.raises(CorruptBooks, match=told):
            storage.read(_look)

    def test_the_checks_hold_even_behind_our_back(self, storage: SqlStorage, path: Path) -> None:
        save(storage, whole())
        for change in (
            "balances SET held = -1",
            "balances SET owed = -1",
            "balances SET credit_limit = -1",
            "lots SET pinned = remaining + 1",
            "lots SET pinned = -1",
            "lots SET remaining = granted + 1",
            "lots SET remaining = -1",
        ):
            with pytest.raises(sqlite3.IntegrityError, match="CHECK constraint failed"):
                execute(path, f"UPDATE billing_{change}")


# --------------------------------------------------------------------------------- statements


class TestStatements:
    """What an operation costs does not depend on how much has happened before."""

    def test_a_debit_costs_a_fixed_number_of_statements(self, storage: SqlStorage) -> None:
        desk = _desk(storage)
        desk.top_up("100")

        def cost(key: str) -> list[str]:
            traced = trace(storage)
            desk.billing.balances.debit("acme", lira("0.01"), reason="export", key=key)
            return [" ".join(one.split()[:3]) for one in traced]

        few = cost("few")
        names = [f"m-{n}" for n in range(10_000)]
        save(storage, charging(state_of(stored(storage)), names))
        many = cost("many")
        assert many == few
        assert len(few) == 10
        assert few.count("COMMIT") == 1

    def test_a_batch_costs_as_many_statements_as_one(self, storage: SqlStorage) -> None:
        open_account(storage, funds="100")

        def selects(names: Sequence[str]) -> list[str]:
            traced = trace(storage)
            stored(storage, usage=names, keys=names)
            return [one for one in traced if one.startswith("SELECT")]

        assert len(selects(["a"])) == len(selects([f"m-{n}" for n in range(5000)])) == 4

    def test_open_lots_are_put_in_order_with_one_look_at_each(
        self, storage: SqlStorage, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """An account of a thousand lots costs no thousand looks at each of them."""
        open_account(storage, funds="1")
        for _ in range(29):
            save(storage, crediting(state_of(stored(storage)), lira("1")))
        rank, looks = lots._burn_key, list[int]()

        def looking(lot: lots.Lot) -> Any:  # noqa: ANN401 - as the original
            looks.append(lot.number)
            return rank(lot)

        monkeypatch.setattr(lots, "_burn_key", looking)
        assert len(state_of(stored(storage)).books.balance("TRY").lots) == 30
        assert sorted(looks) == list(range(1, 31))

    def test_every_read_goes_by_an_index(self, storage: SqlStorage) -> None:
        """No table is scanned, and none is sorted, however large it grows."""
        open_account(storage)
        statements = storage._backend.statements
        rooms = (statements, statements.messages, statements.invoices, statements.metered)
        reads = {
            f"{type(room).__name__}.{name}": one
            for room in (*rooms, statements.outbox)
            for name, one in vars(room).items()
            if isinstance(one, Statement) and one.text.startswith("SELECT")
        }
        del reads["OutboxStatements.names"]  # all consumers are wanted, and they are few
        assert len(reads) > 50

        def plans(session: Session) -> dict[str, str]:
            found = {}
            for name, one in reads.items():
                explained = Statement(f"EXPLAIN QUERY PLAN {one.text}", one.names, one.fixed)
                values = tuple("[]" if key in ("ids", "pairs") else 1 for key in one.names)
                told = session.rows("explain", explained, values)
                found[name] = "; ".join(str(row[3]) for row in told)
            return found

        for name, plan in storage._run("read", plans).items():
            lines = [one for one in plan.split("; ") if "billing_" in one]
            assert lines, name
            assert [one for one in lines if not one.startswith("SEARCH")] == [], (name, plan)
            sorts = name.endswith((".holds", ".schedule", ".subscriptions", "movements"))
            if not sorts:
                assert "TEMP B-TREE" not in plan, (name, plan)
            if name.startswith("Statements.late"):
                assert "ix_billing_entries_late" in plan, (name, plan)


class TestPostgresText:
    """What will be sent to PostgreSQL, as far as text can tell."""

    def test_l10_accounts_are_locked_in_sorted_order(self) -> None:
        url = sqlalchemy.make_url("postgresql+psycopg://localhost/x")
        text = Postgres(url, None).statements.accounts_to_change.text
        assert " ".join(text.split()).endswith(
            "WHERE billing_accounts.id = any(%s::TEXT[]) ORDER BY billing_accounts.id FOR UPDATE"
        )

    def test_each_part_of_an_entry_is_summed_once(self) -> None:
        url = sqlalchemy.make_url("postgresql+psycopg://localhost/x")
        text = Postgres(url, None).statements.recorded_movements.text
        assert text.count("jsonb_array_elements(") == 1
        assert "jsonb_extract_path_text(part.value, '1')" in text

    @pytest.mark.parametrize(
        ("state", "constraint", "verdict"),
        [
            ("40001", None, Verdict.AGAIN),
            ("40P01", None, Verdict.AGAIN),
            ("55P03", None, Verdict.AGAIN),
            ("23505", "pk_billing_accounts", Verdict.AGAIN),
            ("23505", "pk_billing_entries", Verdict.FAILED),
            ("57P01", None, Verdict.FAILED),
            (None, None, Verdict.FAILED),
        ],
    )
    def test_l21_conflicts_are_run_again(
        self, state: str | None, constraint: str | None, verdict: Verdict
    ) -> None:
        @attrs.define
        class Diagnosis:
            constraint_name: str | None

        class DriverError(Exception):
            sqlstate = state
            diag = Diagnosis(constraint)

        url = sqlalchemy.make_url("postgresql+psycopg://localhost/x")
        assert Postgres(url, None).verdict(DriverError()) is verdict
        assert Sqlite(sqlalchemy.make_url("sqlite://"), None).verdict(DriverError()) is (
            Verdict.FAILED
        )
