"""A storage in plain sqlite3, written by following docs/write-a-storage.md and nothing else.

Two tables for the accounts and what they have, one for whose a gateway's reference is, one for what
belongs to nobody yet. Values are the documents of the SQL adapter; statements replay all entries.
"""

# What each method does is said by the protocol.
# ruff: noqa: D102

import random
import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from examples.sqlite3_storage.reading import SqliteReader
from examples.sqlite3_storage.writing import SqliteUnit
from monochat_billing.errors import StorageError, StorageMisuse, StoreBusy
from monochat_billing.repositories import Reader, UnitOfWork

T = TypeVar("T")

SCHEMA = """
CREATE TABLE IF NOT EXISTS accounts (
    id TEXT PRIMARY KEY, due INTEGER, entry INTEGER NOT NULL, event INTEGER NOT NULL,
    document TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS accounts_due ON accounts (due, id) WHERE due IS NOT NULL;
CREATE TABLE IF NOT EXISTS things (
    account TEXT NOT NULL, kind TEXT NOT NULL, id TEXT NOT NULL, place INTEGER NOT NULL,
    live INTEGER NOT NULL, found TEXT NOT NULL, document TEXT NOT NULL,
    PRIMARY KEY (account, kind, id)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS things_in_order ON things (account, kind, place, id);
CREATE TABLE IF NOT EXISTS routes (
    gateway TEXT NOT NULL, top_up TEXT NOT NULL, account TEXT NOT NULL, live INTEGER NOT NULL,
    PRIMARY KEY (gateway, top_up)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS strays (
    kind TEXT NOT NULL, id TEXT NOT NULL, number TEXT NOT NULL, document TEXT NOT NULL,
    PRIMARY KEY (kind, id)
) WITHOUT ROWID;
"""
PATIENCE = 30
NESTED = "a unit of work is open in this thread"


class Sqlite3Storage:
    """Keep the books of all accounts in one SQLite file.

    One writer at a time: its threads queue, other processes are waited for with jitter until a
    deadline. Every commit is flushed before ``write`` returns.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.turn = threading.Lock()
        self.here = threading.local()
        self.connections: list[sqlite3.Connection] = []
        self.closed = False
        self.again("open", lambda: self.connection().executescript(SCHEMA))

    def connection(self) -> sqlite3.Connection:
        """Give this thread's connection."""
        if self.closed:
            raise StorageMisuse("connect", "the storage is closed")
        connection: sqlite3.Connection | None = getattr(self.here, "connection", None)
        if connection is None:
            connection = sqlite3.connect(
                self.path, timeout=0, isolation_level=None, check_same_thread=False
            )
            self.here.connection = connection
            self.connections.append(connection)
            self.again("open", lambda: connection.execute("PRAGMA journal_mode = WAL"))
            connection.execute("PRAGMA synchronous = FULL")
        return connection

    def again(self, operation: str, act: Callable[[], T]) -> T:
        """Act until nobody else is in the way, or the deadline is over."""
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                return act()
            except sqlite3.OperationalError as error:
                busy = error.sqlite_errorcode & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
                if not busy:
                    raise StorageError(operation, str(error)) from error
                if time.monotonic() > deadline:
                    raise StoreBusy(operation, str(error)) from error
                time.sleep(random.uniform(0, 0.005))  # noqa: S311 - jitter is no secret

    def read(self, work: Callable[[Reader], T]) -> T:
        if getattr(self.here, "within", False):
            raise StorageMisuse("read", NESTED)
        connection = self.connection()
        self.again("read", lambda: connection.execute("BEGIN"))
        try:
            return work(SqliteReader(connection))
        finally:
            connection.execute("ROLLBACK")

    def write(self, work: Callable[[UnitOfWork], T]) -> T:
        if getattr(self.here, "within", False):
            raise StorageMisuse("write", NESTED)
        connection = self.connection()
        with self.turn:
            self.again("write", lambda: connection.execute("BEGIN IMMEDIATE"))
            self.here.within = True
            try:
                unit = SqliteUnit(connection)
                result = work(unit)
                if unit.failure is not None:
                    raise unit.failure
                try:
                    connection.execute("COMMIT")
                except sqlite3.Error as error:
                    raise StorageError("commit", str(error)) from error
            finally:
                self.here.within = False
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
        return result

    def close(self) -> None:
        """Close every connection; the storage cannot be used afterwards."""
        self.closed = True
        for connection in self.connections:
            connection.close()
