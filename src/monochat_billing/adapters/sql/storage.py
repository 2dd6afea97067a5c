"""The storage: when a unit of work begins, ends, waits, or is run again.

Owns connections, BEGIN and COMMIT, retries with their deadline, and which error a failure is.
Does not own statements (``_unit``) or tables (:mod:`monochat_billing.adapters.sql.schema`).

SQLite's own waiting for a lock sleeps longer the longer it waits, and starves a writer among busy
ones. So it is told not to wait at all, and a unit of work that finds the file locked tries again
after a short random pause until its deadline.
"""

import os
import random
import re
import threading
import time
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from functools import partial
from types import TracebackType
from typing import Final, Literal, Self, TypeVar, cast, final
from weakref import WeakSet

from sqlalchemy import URL, Connection, Engine, event, make_url
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import ArgumentError, SQLAlchemyError, TimeoutError as PoolTimeoutError
from sqlalchemy.pool import ConnectionPoolEntry, Pool, PoolProxiedConnection

from monochat_billing.adapters.sql import _migrate
from monochat_billing.adapters.sql._backends import Backend, Cursor, Isolation, Verdict, backend_of
from monochat_billing.adapters.sql._session import Session, open_session
from monochat_billing.adapters.sql._unit import SqlReader, SqlUnit
from monochat_billing.adapters.sql.joined import JoinedStorage
from monochat_billing.adapters.sql.schema import VERSION_TABLE
from monochat_billing.adapters.sql.sealing import Cipher, sealing
from monochat_billing.errors import (
    InvalidInput,
    MissingExtra,
    StorageError,
    StorageMisuse,
    StoreBusy,
    StoreUnreachable,
)
from monochat_billing.repositories import Reader, UnitOfWork

__all__ = ["DEFAULT_DEADLINE", "SqlStorage"]

T = TypeVar("T")

DEFAULT_DEADLINE: Final = 30
"""Seconds for which a unit of work waits for locks, unless the storage is told otherwise."""

_SECOND: Final = 10**9
_SHORTEST_PAUSE: Final = 10**6
_LONGEST_PAUSE: Final = 10**7

_PASSWORD: Final = re.compile(r":(?!//).*@", re.DOTALL)

_INHERITED: Final[list[tuple[Pool, PoolProxiedConnection | None]]] = []
"""What a forked process got from its parent: kept, because to close it would disturb the parent."""


class _Again(Exception):
    """Say that nothing was written and that it can be tried again."""


class _Deadline:
    """Count down from the first attempt."""

    def __init__(self, patience_ns: int) -> None:
        self._end = time.monotonic_ns() + patience_ns
        self._pause = _SHORTEST_PAUSE

    @property
    def left(self) -> float:
        """Seconds that are left, zero when none are."""
        return max(self._end - time.monotonic_ns(), 0) / _SECOND

    def wait(self, operation: str, reason: BaseException) -> None:
        """Pause for a random moment, or give up.

        Raises:
            StoreBusy: no time is left.
        """
        if not self.left:
            detail = reason.detail if isinstance(reason, StorageError) else reason
            raise StoreBusy(operation, f"no lock before the deadline: {detail}") from reason
        pause = random.uniform(0, self._pause) / _SECOND  # noqa: S311 - jitter is no secret
        time.sleep(min(pause, self.left))
        self._pause = min(self._pause + self._pause // 64, _LONGEST_PAUSE)


@final
class SqlStorage:
    """Keep the books of all accounts in an SQL database.

    ``url_or_engine`` is an SQLAlchemy URL, or an engine whose way of connecting is used with
    connections of the storage's own. ``sqlite:///billing.db`` is a file beside the host,
    ``sqlite://`` one database in memory, ``postgresql+psycopg://…`` a server. An empty SQLite
    database gets its tables at first use; any other is migrated by :meth:`upgrade`.

    ``busy_deadline`` is how many seconds a unit of work waits for locks. ``isolation`` is how
    PostgreSQL isolates a unit of work; accounts are locked row by row in either. ``version_table``
    is where Alembic notes the schema version; name the host's own where the host runs the
    migrations among its own. ``cipher`` seals the numbers of persons, see
    :mod:`monochat_billing.adapters.sql.sealing`.

    Threads may share a storage; a forked process makes connections of its own.

    Raises:
        InvalidInput: the URL, the database or the deadline is not one that can be used.

    >>> with SqlStorage("sqlite://") as storage:
    ...     storage.read(lambda reader: reader.top_up_account("sandbox", "t-1")) is None
    True
    """

    def __init__(
        self,
        url_or_engine: str | URL | Engine,
        *,
        busy_deadline: int | Decimal | Fraction = DEFAULT_DEADLINE,
        version_table: str = VERSION_TABLE,
        isolation: Isolation = "READ COMMITTED",
        cipher: Cipher | None = None,
    ) -> None:
        engine = url_or_engine if isinstance(url_or_engine, Engine) else None
        self._backend: Backend = backend_of(_url(url_or_engine), engine, isolation)
        self._patience = _nanoseconds(busy_deadline)
        self._version_table = version_table
        self._cipher = cipher
        self._engine = self._new_engine()
        self._closed = False
        self._ready = False
        self._forget_process()
        _STORAGES.add(self)

    def _new_engine(self) -> Engine:
        try:
            engine = self._backend.engine()
        except ImportError as error:
            raise MissingExtra("monochat_billing.adapters.sql", "postgres") from error
        event.listen(engine, "connect", self._prepare)
        return engine

    def _prepare(self, connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:
        cursor = connection.cursor()
        self._backend.prepare(cast("Cursor", cursor), self._patience)
        cursor.close()

    def _forget_process(self) -> None:
        self._process = os.getpid()
        self._writer: PoolProxiedConnection | None = None
        self._turn = threading.RLock()  # knows whose turn it is
        self._opening = threading.Lock()
        self._here = threading.local()

    # ------------------------------------------------------------------------------ protocol

    def read(self, work: Callable[[Reader], T]) -> T:
        """Run ``work`` on one consistent view and return what it returns.

        Raises:
            CorruptBooks: a row holds what no value can be.
            SchemaMismatch: the schema is not this library's.
            StorageError: the database failed.
            StorageMisuse: the storage is closed, or in memory and ``work`` of another call is open.
            StoreBusy: the database was locked until the deadline.
            StoreUnreachable: the database could not be opened.
        """
        with sealing(self._cipher):
            return self._run("read", lambda session: work(SqlReader(session)))

    def write(self, work: Callable[[UnitOfWork], T]) -> T:
        """Run ``work`` in a unit of work, commit, and return what it returned.

        When another writer is in the way, ``work`` is run again in a fresh transaction.

        Raises:
            CorruptBooks: a row holds what no value can be.
            SchemaMismatch: the schema is not this library's.
            StorageError: the database failed and the outcome is in doubt.
            StorageMisuse: ``work`` itself calls ``write`` or saves what cannot be right, or the
                storage is closed; nothing was written.
            StoreBusy: another writer was in the way until the deadline; nothing was written.
            StoreUnreachable: the database could not be opened; nothing was written.
        """
        with sealing(self._cipher):
            return self._run("write", lambda session: work(SqlUnit(session)))

    def joined(self, host: object) -> JoinedStorage:
        """Give a storage that works within a transaction of the host's, on the host's connection.

        See :class:`~monochat_billing.adapters.sql.joined.JoinedStorage`.
        """
        return JoinedStorage(host, version_table=self._version_table, cipher=self._cipher)

    def upgrade(self) -> None:
        """Bring the database's schema to this library's version; do nothing if it is there.

        Raises:
            StorageError: a migration failed; on SQLite and PostgreSQL nothing of it stands.
            StoreBusy: the database was locked until the deadline; nothing was changed.
            SchemaMismatch: the schema is of a release that this library does not know.
        """
        self._enter_process()
        deadline = _Deadline(self._patience)
        alone = self._backend.one_connection
        try:
            if alone:
                self._take_turn("upgrade", deadline)
            self._repeat("upgrade", deadline, lambda: self._migrate(only_if_empty=False))
            self._ready = True
        finally:
            if alone:
                self._end_turn()

    def close(self) -> None:
        """Close the connections; the storage cannot be used afterwards."""
        self._enter_process()
        self._closed = True
        self._close_writer()
        self._engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"SqlStorage({self._engine.url.render_as_string(hide_password=True)!r})"

    # ------------------------------------------------------------------------------ one attempt

    def _run(self, operation: Literal["read", "write"], work: Callable[[Session], T]) -> T:
        self._enter_process()
        backend = self._backend
        within: tuple[str, ...] = getattr(self._here, "within", ())
        writes = operation == "write"
        if writes:
            begin, alone, refused = backend.begin_write, backend.one_writer, "write" in within
        else:
            begin, alone, refused = backend.begin_read, backend.one_connection, False
        if refused or (within and backend.one_connection):
            raise StorageMisuse(operation, "a unit of work is open in this thread")
        deadline = _Deadline(self._patience)
        try:
            self._here.within = (*within, operation)
            if alone:
                self._take_turn(operation, deadline)
            if not self._ready:
                self._open(deadline)
            keeps = writes and backend.keeps_writer
            attempt = partial(self._attempt, begin, work, keeps=keeps)
            result = self._repeat(operation, deadline, attempt)
            self._leave(within, alone=alone)
        except BaseException:  # an interrupt too, even one that came while it left
            self._leave(within, alone=alone)
            raise
        return result

    def _leave(self, within: tuple[str, ...], *, alone: bool) -> None:
        """Let the next thread write, and this one again; nothing is done twice."""
        self._here.within = within
        if alone:
            self._end_turn()

    def _take_turn(self, operation: str, deadline: _Deadline) -> None:
        """Queue the threads of this process, where the database takes one at a time anyway."""
        if not self._turn.acquire(timeout=deadline.left):
            raise StoreBusy(operation, "another thread was writing until the deadline")

    def _end_turn(self) -> None:
        try:
            self._turn.release()
        except RuntimeError:  # it never was this thread's: it gave up before, or was interrupted
            return

    def _repeat(self, operation: str, deadline: _Deadline, attempt: Callable[[], T]) -> T:
        while True:
            try:
                return attempt()
            except _Again as again:
                deadline.wait(operation, again.__cause__ or again)

    def _attempt(self, begin: str, work: Callable[[Session], T], *, keeps: bool) -> T:
        connection = self._last_writer() if keeps else self._connect()
        done = False
        try:
            session = open_session(connection, self._backend, self._driver_error)
            try:
                session.run("begin", begin)
                result = work(session)
                if session.failure is not None:
                    raise session.failure  # noqa: TRY301 - it was swallowed by the work
                session.commit()
            except BaseException as error:
                self._undo(connection, session)
                if session.verdict is Verdict.AGAIN and isinstance(error, Exception):
                    raise _Again from session.failure
                raise
            session.close()
            done = keeps
            return result
        finally:
            if not done:
                connection.close()
            else:
                self._writer = connection
                if self._closed:  # meanwhile, by another thread, which has not seen it
                    self._close_writer()

    def _undo(self, connection: PoolProxiedConnection, session: Session) -> None:
        """Roll back, and close a connection that failed.

        It is always rolled back: SQLite keeps a connection, and its locks, as long as anything
        refers to one of its cursors, and the traceback of a failure does.
        """
        failed = session.verdict is Verdict.FAILED
        try:
            session.close()
            connection.rollback()
        except self._driver_error as error:
            if self._backend.one_connection:
                raise StorageError("rollback", str(error)) from error
            failed = True
        if failed and not self._backend.one_connection:
            connection.invalidate()

    def _last_writer(self) -> PoolProxiedConnection:
        """Take the connection that has written last, if it did well; the turn to write is ours.

        To give it to the pool and take it back costs a tenth of a debit.
        """
        writer, self._writer = self._writer, None
        return self._connect() if writer is None or self._closed else writer

    def _close_writer(self) -> None:
        writer, self._writer = self._writer, None
        if writer is not None:
            writer.close()

    def _connect(self) -> PoolProxiedConnection:
        if self._closed:
            raise StorageMisuse("connect", "the storage is closed")
        try:
            return self._engine.raw_connection()
        except PoolTimeoutError as error:
            raise StoreBusy("connect", "every connection is in use") from error
        except (self._driver_error, SQLAlchemyError) as error:
            raise self._judged("connect", error, opened=False) from error

    def _judged(self, operation: str, error: Exception, *, opened: bool) -> Exception:
        cause = getattr(error, "orig", None) or error
        if self._backend.verdict(cause) is Verdict.AGAIN:
            return _Again(str(cause))
        detail = f"{type(cause).__name__}: {cause}"
        if opened:
            return StorageError(operation, detail)
        url = self._engine.url.render_as_string(hide_password=True)
        return StoreUnreachable(operation, f"{url}: {detail}")

    @property
    def _driver_error(self) -> type[Exception]:
        driver = self._engine.dialect.loaded_dbapi
        return cast("type[Exception]", driver.Error)

    # ---------------------------------------------------------------------------------- opening

    def _enter_process(self) -> None:
        """In a forked process, leave the parent's connections alone and make new ones."""
        if self._process == os.getpid():
            return
        if not self._backend.one_connection:
            _INHERITED.append((self._engine.pool, self._writer))
            self._engine.dispose(close=False)
        self._forget_process()

    def _open(self, deadline: _Deadline) -> None:
        """Make sure, once, that the schema is the one that this library was written for."""
        if self._ready:
            return
        with self._opening:
            if not self._ready:
                self._repeat("open", deadline, lambda: self._migrate(only_if_empty=True))
                self._ready = True

    def _migrate(self, *, only_if_empty: bool) -> None:
        if self._closed:
            raise StorageMisuse("open", "the storage is closed")
        opened = False
        try:
            with self._engine.connect() as connection:
                if not self._needs_tables(connection, only_if_empty=only_if_empty):
                    self._make_durable(connection)
                    return
                self._make_durable(connection)
                opened = True
                connection.exec_driver_sql(self._backend.begin_write)
                if self._needs_tables(connection, only_if_empty=only_if_empty):
                    _migrate.upgrade(connection, self._version_table)
                connection.commit()
        except (self._driver_error, SQLAlchemyError) as error:
            raise self._judged("open", error, opened=opened) from error

    def _needs_tables(self, connection: Connection, *, only_if_empty: bool) -> bool:
        """Tell whether migrations are to be run; refuse what neither is ours nor may become so."""
        # Emptiness is looked at first: whoever fills the file fills it at once, version and all.
        if only_if_empty and self._is_empty(connection):
            return True
        version = _migrate.stored_version(connection, self._version_table)
        if only_if_empty:
            _migrate.check(version)
            return False
        return version is None or _migrate.is_older(version)

    def _is_empty(self, connection: Connection) -> bool:
        cursor = cast("Cursor", connection.connection.cursor())
        empty = self._backend.is_empty(cursor)
        cursor.close()
        return empty

    def _make_durable(self, connection: Connection) -> None:
        cursor = cast("Cursor", connection.connection.cursor())
        self._backend.make_durable(cursor)
        cursor.close()


_STORAGES: Final[WeakSet[SqlStorage]] = WeakSet()


def _enter_processes() -> None:
    """Let every storage enter the forked process before a thread of it comes."""
    for storage in list(_STORAGES):
        storage._enter_process()  # noqa: SLF001 - ours


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_enter_processes)


def _url(given: str | URL | Engine) -> URL:
    if isinstance(given, Engine):
        return given.url
    try:
        return make_url(given)
    except ArgumentError:
        raise _no_url(given) from None


def _no_url(given: object) -> InvalidInput:
    """Name what was given, without a password that may be in it."""
    problem = "is no database URL"
    if not isinstance(given, (str, os.PathLike)):
        return InvalidInput("url_or_engine", type(given).__name__, problem, "use sqlite:///file.db")
    name = os.fspath(given)
    shown = _PASSWORD.sub(":***@", str(name))
    plain = shown and not set(shown) & set(":@?")
    return InvalidInput(
        "url_or_engine", shown, problem, f"use sqlite:///{shown if plain else 'file.db'}"
    )


def _nanoseconds(seconds: int | Decimal | Fraction) -> int:
    if isinstance(seconds, bool) or not isinstance(seconds, (int, Decimal, Fraction)):
        raise InvalidInput("busy_deadline", seconds, "is not exact", "pass an int or a Decimal")
    if (isinstance(seconds, Decimal) and not seconds.is_finite()) or seconds < 0:
        raise InvalidInput("busy_deadline", seconds, "is not a time to wait", "pass 0 or more")
    return int(seconds * _SECOND)
