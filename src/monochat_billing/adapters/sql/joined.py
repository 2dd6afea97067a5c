"""Joined storages: work within a transaction of the host's, on the host's own connection.

Owns what of a host can be joined, and that nothing of it is committed or rolled back here but what
this library has written itself.
Does not own statements (``_unit``) or a storage's own transactions
(:mod:`monochat_billing.adapters.sql.storage`).
"""

import sqlite3
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final, Literal, TypeVar, cast, final

import attrs
from sqlalchemy import Connection, make_url
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session as OrmSession

from monochat_billing.adapters.sql import _migrate
from monochat_billing.adapters.sql._backends import Backend, Cursor, Verdict, backend_of
from monochat_billing.adapters.sql._session import Session
from monochat_billing.adapters.sql._shapes import Statement
from monochat_billing.adapters.sql._unit import SqlReader, SqlUnit
from monochat_billing.adapters.sql.schema import VERSION_TABLE
from monochat_billing.adapters.sql.sealing import Cipher, sealing
from monochat_billing.errors import InvalidInput, StorageError, StoreBusy
from monochat_billing.repositories import Reader, UnitOfWork

__all__ = ["JoinedStorage"]

T = TypeVar("T")

_SAVEPOINT: Final = "monochat_billing"
_JOINABLE: Final = (
    "pass a Connection or a Session of SQLAlchemy's on SQLite or psycopg, a sqlite3 connection or "
    "one of psycopg's"
)


@final
@attrs.frozen
class _Joined:
    """Hold what is needed of a host's connection."""

    backend: Backend
    error: type[Exception]
    cursor: Cursor


@final
class JoinedStorage:
    """Keep the books through a connection that the host has opened, in the host's transaction.

    What is written lasts if the host commits, together with the host's own rows, and leaves no
    trace if it rolls back: entries, events, idempotency keys and remembered refusals alike. Until
    then the rows of the accounts concerned are locked for everybody else.

    ``host`` is a connection or a session of SQLAlchemy's (on SQLite or psycopg, asynchronous ones
    from within ``run_sync``), a connection of ``sqlite3``, or one of psycopg's; or a callable that
    returns one of them, asked anew for each unit of work: for hosts that keep one connection to a
    thread or a request. ``version_table`` is where the schema's version is noted.

    A failure undoes what the unit of work has written, by a savepoint; the host's rows stay.
    Nothing is run again by itself: after a :class:`~monochat_billing.errors.StoreBusy` roll the
    host's transaction back and run it again.

    >>> import sqlite3
    >>> from monochat_billing.adapters.sql import SqlStorage
    >>> SqlStorage("sqlite:///host.db").upgrade()
    >>> connection = sqlite3.connect("host.db")
    >>> storage = JoinedStorage(connection)
    >>> storage.read(lambda reader: list(reader.accounts()))
    []
    >>> connection.close()
    """

    def __init__(
        self,
        host: object | Callable[[], object],
        *,
        version_table: str = VERSION_TABLE,
        cipher: Cipher | None = None,
    ) -> None:
        self._host = host
        self._version_table = version_table
        self._cipher = cipher
        self._ready = False

    def joined(self, host: object) -> "JoinedStorage":
        """Give the same storage on another connection."""
        return JoinedStorage(host, version_table=self._version_table, cipher=self._cipher)

    def read(self, work: Callable[[Reader], T]) -> T:
        """Run ``work`` on what the host's transaction sees.

        Raises:
            InvalidInput: the host is nothing that can be joined, or has no transaction.
            CorruptBooks: a row holds what no value can be.
            SchemaMismatch: the schema is not this library's.
            StorageError: the database failed.
            StoreBusy: somebody else is in the way; roll back and run the transaction again.
        """
        with sealing(self._cipher):
            return self._run("read", lambda session: work(SqlReader(session)))

    def write(self, work: Callable[[UnitOfWork], T]) -> T:
        """Run ``work`` in a unit of work that lasts if the host's transaction does.

        Raises:
            InvalidInput: the host is nothing that can be joined, or has no transaction.
            CorruptBooks: a row holds what no value can be.
            SchemaMismatch: the schema is not this library's.
            StorageError: the database failed; what was written in this unit of work is undone.
            StoreBusy: somebody else is in the way; roll back and run the transaction again.
        """
        with sealing(self._cipher):
            return self._run("write", lambda session: work(SqlUnit(session)))

    def _run(self, operation: Literal["read", "write"], work: Callable[[Session], T]) -> T:
        joined = _join(self._host, operation)
        session = Session(joined.cursor, joined.backend, joined.error)
        try:
            session.run("begin", f"SAVEPOINT {_SAVEPOINT}")
            try:
                self._check(session)
                result = work(session)
                if session.failure is not None:
                    raise session.failure  # noqa: TRY301 - it was swallowed by the work
            except BaseException as error:
                _undo(session, joined.error)
                if session.verdict is Verdict.AGAIN and isinstance(error, Exception):
                    raise _busy(operation, session.failure or error) from error
                raise
            session.run("end", f"RELEASE SAVEPOINT {_SAVEPOINT}")
            return result
        finally:
            session.close()

    def _check(self, session: Session) -> None:
        """Make sure, once, that the schema is the one that this library was written for."""
        if self._ready:
            return
        table = session.statements.shapes.quoted(self._version_table)
        there = Statement(session.statements.shapes.has_table, ("name",), {})
        found: list[str] = []
        if session.rows("open", there, (self._version_table,))[0][0]:
            noted = Statement(f"SELECT version_num FROM {table}", (), {})  # noqa: S608 - quoted
            found = [str(row[0]) for row in session.rows("open", noted, ())]
        _migrate.check(_migrate.ours(found))
        self._ready = True


def _undo(session: Session, error: type[Exception]) -> None:
    """Roll back to where the unit of work began; where that fails, the transaction is lost too."""
    try:
        session.run("undo", f"ROLLBACK TO SAVEPOINT {_SAVEPOINT}")
        session.run("undo", f"RELEASE SAVEPOINT {_SAVEPOINT}")
    except (StorageError, error):
        return


def _busy(operation: str, reason: Exception) -> StoreBusy:
    detail = reason.detail if isinstance(reason, StorageError) else str(reason)
    return StoreBusy(operation, f"{detail}; roll your transaction back and run it again")


@lru_cache(maxsize=2)
def _backend(url: str) -> Backend:
    return backend_of(make_url(url), None)


def _join(host: object, operation: str) -> _Joined:
    if callable(host) and not isinstance(host, sqlite3.Connection):
        host = host()
    if isinstance(host, OrmSession):
        host = host.connection()
    if isinstance(host, Connection):
        return _join_sqlalchemy(host, operation)
    if isinstance(host, sqlite3.Connection):
        return _join_sqlite(host, operation)
    if type(host).__module__.partition(".")[0] == "psycopg" and hasattr(host, "pgconn"):
        return _join_psycopg(host, None)
    raise _refused(host)


def _join_sqlalchemy(connection: Connection, operation: str) -> _Joined:
    """Take the driver's connection from below, and let SQLAlchemy know that it is in use."""
    try:
        if not connection.in_transaction():
            connection.begin()
        pooled = connection.connection
    except SQLAlchemyError as error:
        raise StorageError("join", f"{type(error).__name__}: {error}") from error
    driver: Any = pooled.driver_connection
    if isinstance(driver, sqlite3.Connection):
        return _join_sqlite(driver, operation)
    if connection.dialect.name == "postgresql" and connection.dialect.driver.startswith("psycopg"):
        return _join_psycopg(driver, pooled if connection.dialect.is_async else None)
    raise _refused(connection)


def _join_sqlite(driver: sqlite3.Connection, operation: str) -> _Joined:
    if operation == "write" and not driver.in_transaction:
        if driver.isolation_level is None:
            raise _no_transaction("a sqlite3 connection")
        # Python's driver begins a transaction by itself, but only before it changes something, and
        # then one that cannot be sure to get the lock.
        try:
            driver.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            raise _busy("begin", error) from error
    cursor = driver.cursor()
    cursor.row_factory = None
    return _Joined(_backend("sqlite://"), sqlite3.Error, cast("Cursor", cursor))


def _join_psycopg(driver: Any, adapted: Any) -> _Joined:  # noqa: ANN401 - an extra
    import psycopg  # noqa: PLC0415 - an extra
    from psycopg.pq import TransactionStatus  # noqa: PLC0415 - an extra
    from psycopg.rows import tuple_row  # noqa: PLC0415 - an extra

    if adapted is None and not isinstance(driver, psycopg.Connection):
        raise _refused(driver)
    status = driver.info.transaction_status
    if driver.autocommit and status is TransactionStatus.IDLE:
        raise _no_transaction("a psycopg connection")
    cursor: Any = adapted.cursor() if adapted else psycopg.Cursor(driver, row_factory=tuple_row)
    return _Joined(_backend("postgresql+psycopg://"), psycopg.Error, cursor)


def _no_transaction(host: str) -> InvalidInput:
    hint = "open a transaction on it first: it commits every statement by itself"
    return InvalidInput("host", host, "is in no transaction", hint)


def _refused(host: object) -> InvalidInput:
    kind = type(host)
    return InvalidInput(
        "host", f"{kind.__module__}.{kind.__qualname__}", "cannot be joined", _JOINABLE
    )
