"""What differs between databases beside statements: how to begin, and what went wrong."""

import enum
import sqlite3
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, Final, Literal, Protocol, final, get_args

from sqlalchemy import URL, Engine, create_engine
from sqlalchemy.pool import StaticPool

from monochat_billing.adapters.sql import schema
from monochat_billing.adapters.sql._pipeline import PREPARED, UNPREPARED
from monochat_billing.adapters.sql._shapes import PostgresShapes, Shapes, SqliteShapes
from monochat_billing.adapters.sql._statements import Statements
from monochat_billing.errors import InvalidInput, StorageError

Isolation = Literal["READ COMMITTED", "SERIALIZABLE"]
"""How PostgreSQL isolates a unit of work; the row locks that it takes are the same."""

_OLDEST_SQLITE: Final = (3, 38)


class Cursor(Protocol):
    """Be the part of a driver's cursor that is used here."""

    rowcount: int

    def execute(self, statement: str, parameters: Any = ..., /) -> object:  # noqa: ANN401 - drivers differ
        """Run one statement."""
        ...

    def executemany(self, statement: str, parameters: Any, /) -> object:  # noqa: ANN401 - as above
        """Run one statement for many rows."""
        ...

    def fetchall(self) -> Sequence[Sequence[Any]]:
        """Give the rows of the last statement."""
        ...

    def close(self) -> None:
        """Let go of what the cursor holds."""
        ...


class Verdict(enum.Enum):
    """Say what a driver's error means for the unit of work."""

    AGAIN = enum.auto()
    """Another writer was in the way and nothing was written: run it again."""
    FAILED = enum.auto()
    """It cannot go on."""


class Backend(Protocol):
    """Say how one database begins a unit of work and what its driver's errors mean."""

    statements: Statements
    begin_read: str
    begin_write: str
    one_writer: bool
    one_connection: bool
    keeps_writer: bool
    """Tell whether a connection may be kept for writing: one writes at a time, many are pooled."""
    pipelines: bool

    def engine(self) -> Engine:
        """Build the engine; no connection is made yet."""
        ...

    def prepare(self, cursor: Cursor, patience_ns: int) -> None:
        """Set up a connection that was just made."""
        ...

    def is_empty(self, cursor: Cursor) -> bool:
        """Tell whether nobody has put anything into the database, so that it may be ours."""
        ...

    def make_durable(self, cursor: Cursor) -> None:
        """Set what the database keeps for itself, once it is known to be ours."""
        ...

    def verdict(self, error: BaseException) -> Verdict:
        """Judge an error of the driver."""
        ...

    def lost_race(self, error: BaseException) -> bool:
        """Tell whether an account's row had another version than the one that was loaded."""
        ...


@lru_cache(maxsize=2)
def _statements(shapes: Callable[[], Shapes]) -> Statements:
    """Compile the statements of one database; every storage in the process shares them."""
    return Statements(shapes())


def _shown(url: URL) -> str:
    return url.render_as_string(hide_password=True)


def _engine(url: URL, given: Engine | None, **options: Any) -> Engine:  # noqa: ANN401 - SQLAlchemy's own
    """Build an engine with connections of its own, made the way the given engine makes them.

    They commit when told to and not before, so that BEGIN and COMMIT are what is written here. Each
    is given back with its transaction ended, so the pool need not roll back once more.
    """
    options = {"pool_reset_on_return": None, **options}
    if given is not None:
        options = {"pool": given.pool.recreate()}
    return create_engine(url, isolation_level="AUTOCOMMIT", **options)


@final
class Sqlite:
    """SQLite: one writer at a time, told so at once instead of after the driver's own waiting."""

    begin_read = "BEGIN"
    begin_write = "BEGIN IMMEDIATE"
    one_writer = True
    pipelines = False

    def __init__(self, url: URL, given: Engine | None) -> None:
        name = url.database or ":memory:"
        self.one_connection = name == ":memory:"
        self.keeps_writer = not self.one_connection and given is None
        if self.one_connection and given is not None:
            raise InvalidInput(
                "url_or_engine", _shown(url), "is an engine in memory", "pass its URL instead"
            )
        if name.startswith("file:") and (":memory:" in name or url.query.get("mode") == "memory"):
            raise InvalidInput(
                "url_or_engine", _shown(url), "is shared memory", "use sqlite:// or a file"
            )
        if sqlite3.sqlite_version_info < _OLDEST_SQLITE:
            raise StorageError("open", f"SQLite {sqlite3.sqlite_version} is older than 3.38")
        self._url = url
        self._given = given
        self.statements = _statements(SqliteShapes)

    def engine(self) -> Engine:
        """Share one connection in memory, pool them for a file."""
        if self.one_connection:
            return _engine(
                self._url,
                None,
                poolclass=StaticPool,
                connect_args={"check_same_thread": False},
            )
        return _engine(self._url, self._given)

    def prepare(self, cursor: Cursor, patience_ns: int) -> None:  # noqa: ARG002 - the protocol's
        """Wait nowhere but in our own retry, flush every commit, hold foreign keys."""
        cursor.execute("PRAGMA busy_timeout = 0")
        cursor.execute("PRAGMA synchronous = FULL")
        cursor.execute("PRAGMA foreign_keys = ON")

    def is_empty(self, cursor: Cursor) -> bool:
        """Look for any table, view, index or trigger."""
        cursor.execute("SELECT count(*) FROM sqlite_master")
        ((found,),) = cursor.fetchall()
        return not found

    def make_durable(self, cursor: Cursor) -> None:
        """Keep a write-ahead log; the file remembers it."""
        if self.one_connection:
            return
        cursor.execute("PRAGMA journal_mode = WAL")
        ((mode,),) = cursor.fetchall()
        if mode != "wal":
            raise StorageError("open", f"SQLite keeps its journal as {mode!r}, not as 'wal'")

    def verdict(self, error: BaseException) -> Verdict:
        """Take a lock that is not free as a reason to try again."""
        code = getattr(error, "sqlite_errorcode", None) or 0
        busy = code & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
        return Verdict.AGAIN if busy else Verdict.FAILED

    def lost_race(self, error: BaseException) -> bool:
        """Find the column in the text: SQLite says it nowhere else."""
        code = getattr(error, "sqlite_errorcode", None)
        return code == sqlite3.SQLITE_CONSTRAINT_NOTNULL and str(error).endswith(
            "billing_accounts.version"
        )


@final
class Postgres:
    """PostgreSQL by psycopg 3: rows are locked in sorted order, conflicts are run again."""

    begin_read = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
    one_writer = False
    one_connection = False
    keeps_writer = False
    pipelines = True

    # Serialization, deadlock, lock timeout, a prepared statement that was forgotten, or was not.
    _AGAIN: Final = frozenset({"40001", "40P01", "55P03", UNPREPARED, PREPARED})
    _UNIQUE: Final = "23505"
    _NULL: Final = "23502"

    def __init__(
        self, url: URL, given: Engine | None, isolation: Isolation = "READ COMMITTED"
    ) -> None:
        self._url = url
        self._given = given
        self.begin_write = f"BEGIN ISOLATION LEVEL {isolation}"
        self.statements = _statements(PostgresShapes)

    def engine(self) -> Engine:
        """Pool connections."""
        return _engine(self._url, self._given)

    def prepare(self, cursor: Cursor, patience_ns: int) -> None:
        """Wait for a row's lock as long as the deadline says, and flush every commit.

        Every statement has one shape and an index that it goes by, so it is planned once: for any
        number of ids, and never by a scan that was right while the table was small.
        """
        settings = {
            "lock_timeout": max(patience_ns // 10**6, 1),
            "synchronous_commit": "on",
            "plan_cache_mode": "force_generic_plan",
            "enable_seqscan": "off",
            "jit": "off",
        }
        cursor.execute("; ".join(f"SET {name} = {value}" for name, value in settings.items()))

    def is_empty(self, cursor: Cursor) -> bool:  # noqa: ARG002 - the protocol's
        """Leave it to the operator: a server's database is migrated explicitly."""
        return False

    def make_durable(self, cursor: Cursor) -> None:
        """Do nothing: durability is the server's configuration."""

    def verdict(self, error: BaseException) -> Verdict:
        """Run again what the server has undone, and the loser of a race to open one account."""
        state = getattr(error, "sqlstate", None)
        constraint = getattr(getattr(error, "diag", None), "constraint_name", None)
        lost_race = state == self._UNIQUE and constraint == "pk_billing_accounts"
        return Verdict.AGAIN if state in self._AGAIN or lost_race else Verdict.FAILED

    def lost_race(self, error: BaseException) -> bool:
        """Ask the server's diagnosis for the column."""
        diagnosis = getattr(error, "diag", None)
        return (
            getattr(error, "sqlstate", None) == self._NULL
            and getattr(diagnosis, "table_name", None) == schema.ACCOUNTS.name
            and getattr(diagnosis, "column_name", None) == "version"
        )


def backend_of(url: URL, given: Engine | None, isolation: Isolation = "READ COMMITTED") -> Backend:
    """Choose by the name of the database; what SQLite writes is serial in any case.

    Raises:
        InvalidInput: it is neither SQLite nor PostgreSQL, or by another driver, or there is no
            such isolation.
    """
    if isolation not in get_args(Isolation):
        levels = " or ".join(get_args(Isolation))
        raise InvalidInput("isolation", isolation, "is not known", f"use {levels}")
    name = url.drivername
    if name in ("postgresql", "postgres") and given is None:
        name = "postgresql+psycopg"
        url = url.set(drivername=name)
    if name in ("sqlite", "sqlite+pysqlite"):
        return Sqlite(url, given)
    if name == "postgresql+psycopg":
        return Postgres(url, given, isolation)
    raise InvalidInput(
        "url_or_engine",
        _shown(url),
        "is neither SQLite nor PostgreSQL by psycopg",
        "use sqlite:///file.db or postgresql+psycopg://host/database",
    )
