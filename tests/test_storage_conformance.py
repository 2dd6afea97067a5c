"""Every storage of this library passes the kit that others can run on theirs."""

import pytest

from examples.sqlite3_storage.bench import Sqlite3Bench
from monochat_billing.testing.storage_kit import StorageConformance
from tests.storage_benches import Memory, Postgres, SqliteFile, SqliteInMemory


class TestMemory(StorageConformance):
    """The reference, which keeps nothing beyond the process."""

    bench = Memory


class TestSqliteFile(StorageConformance):
    """SQLite beside the host."""

    bench = SqliteFile


class TestSqliteInMemory(StorageConformance):
    """SQLite without a file."""

    bench = SqliteInMemory


@pytest.mark.usefixtures("postgres_server")
class TestPostgres(StorageConformance):
    """A server of its own for each run, a database for each case."""

    bench = Postgres


class TestSqlite3Example(StorageConformance):
    """The storage that was written by following the page."""

    bench = Sqlite3Bench


@pytest.mark.deep
class TestMemoryDeep(StorageConformance):
    """Ten thousand steps, and thousands of examples."""

    bench = Memory
    effort = 25


@pytest.mark.deep
class TestSqliteFileDeep(StorageConformance):
    """The same with five hundred killed writers."""

    bench = SqliteFile
    effort = 25


@pytest.mark.deep
@pytest.mark.usefixtures("postgres_server")
class TestPostgresDeep(StorageConformance):
    """The same on a server."""

    bench = Postgres
    effort = 25
