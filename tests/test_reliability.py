"""Rows of the matrix of faults that the kit cannot hold, because they need one storage's own means.

The kit's cases are rows of the same matrix; ``docs/reliability.md`` is the table.
"""

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy
from alembic import command

from monochat_billing.accounts import AccountState
from monochat_billing.adapters.memory import MemoryStorage
from monochat_billing.adapters.sql import VERSION_TABLE, SqlStorage, _migrate
from monochat_billing.adapters.sql._backends import Isolation
from monochat_billing.errors import (
    InsufficientFunds,
    SchemaMismatch,
    StorageError,
    StorageMisuse,
)
from monochat_billing.repositories import Changes
from tests.factories import and_then, debiting, lira, load, open_account, state_of, stored
from tests.postgres import Server, server

ROOT = Path(__file__).parents[1]


def debit(storage: MemoryStorage | SqlStorage) -> None:
    storage.write(lambda unit: unit.save([debiting(state_of(load(unit)), lira("1"))]))


def posted(storage: MemoryStorage | SqlStorage) -> int:
    return state_of(stored(storage)).books.balance("TRY").posted


def a_thousand(state: AccountState) -> Changes:
    """Debit a lira, a thousand times."""
    changes = debiting(state, lira("1"))
    for _ in range(999):
        changes = and_then(changes, debiting(changes.after, lira("1")))
    return changes


def run(code: str, *arguments: object) -> str:
    """Run code in a process of its own, which has to succeed; give what it printed."""
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)])},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        timeout=60,
    )
    return done.stdout


class TestStorageThatCannotWrite:
    """A disk that cannot take what is written leaves what is there, and can be mended."""

    def test_l17_a_full_disk_in_the_midst_of_many_debits(self, tmp_path: Path) -> None:
        """A process that may not let the file grow keeps what it was told is kept."""
        path = tmp_path / "billing.db"
        with SqlStorage(f"sqlite:///{path}") as storage:
            open_account(storage, funds="100000")
        code = (
            "import resource, signal, sys\n"
            "from monochat_billing.adapters.sql import SqlStorage\n"
            "from monochat_billing.errors import StorageError\n"
            "from tests.test_reliability import debit\n"
            "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
            "storage = SqlStorage(f'sqlite:///{sys.argv[1]}')\n"
            "debit(storage); done = 1\n"
            "limit = 400_000\n"
            "resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))\n"
            "try:\n"
            "    while done < 10_000: debit(storage); done += 1\n"
            "except StorageError as error: print(done, type(error).__name__)\n"
        )
        done, error = run(code, path).split()
        assert error == "StorageError"
        with SqlStorage(f"sqlite:///{path}") as storage:
            entries = storage.read(lambda reader: reader.last_entries("acme", 1))
            assert entries[0].number - 1 in (int(done), int(done) + 1)
            before = posted(storage)
            debit(storage)
            assert posted(storage) == before - 1_000_000

    def test_l17_a_database_that_only_answers(self, tmp_path: Path) -> None:
        """A connection that may only read refuses to write, and leaves what is there."""
        path = tmp_path / "billing.db"
        with SqlStorage(f"sqlite:///{path}") as storage:
            open_account(storage, funds="5")
            with SqlStorage(f"sqlite:///file:{path}?mode=ro&uri=true") as reading:
                assert posted(reading) == 5_000_000
                with pytest.raises(StorageError, match="readonly database"):
                    debit(reading)
            debit(storage)
            assert posted(storage) == 4_000_000


class TestOpening:
    """Empty databases get their schema, whoever opens them and when."""

    def test_l25_databases_are_opened_at_once(self, tmp_path: Path) -> None:
        """Several empty databases get their schemas in several threads of one process."""
        started, wrong = threading.Barrier(6), list[BaseException]()

        def open_one(number: int) -> None:
            started.wait()
            try:
                with SqlStorage(f"sqlite:///{tmp_path / f'{number}.db'}") as storage:
                    open_account(storage, funds="5")
            except BaseException as error:  # noqa: BLE001 - raised below
                wrong.append(error)

        threads = [threading.Thread(target=open_one, args=[number]) for number in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert wrong == []


class TestAServer:
    """The same faults where the database is a server's."""

    @pytest.fixture
    def database(self, postgres_server: Server) -> Iterator[str]:
        """Give the name of an empty database of its own: workers share the server."""
        name = f"reliability_{os.environ.get('PYTEST_XDIST_WORKER', 'alone')}"
        with postgres_server.connect() as connection:
            connection.execute(f"CREATE DATABASE {name}")
            yield name
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")

    def test_l17_a_server_that_only_answers(self, postgres_server: Server, database: str) -> None:
        """While a server takes no writes they fail by name, nothing changes, and reads go on."""
        url = postgres_server.url(database)
        with SqlStorage(url) as storage:
            storage.upgrade()
            open_account(storage, funds="5")
        with postgres_server.connect() as connection:
            connection.execute(f"ALTER DATABASE {database} SET default_transaction_read_only = on")
            with SqlStorage(url) as storage:
                assert posted(storage) == 5_000_000
                with pytest.raises(StorageError, match="read-only transaction"):
                    debit(storage)
                assert posted(storage) == 5_000_000
            connection.execute(f"ALTER DATABASE {database} RESET default_transaction_read_only")
        with SqlStorage(url) as storage:
            debit(storage)
            assert posted(storage) == 4_000_000

    @pytest.mark.deep
    def test_l17_a_server_whose_disk_is_full(self) -> None:
        """A table that cannot grow: a typed error, nothing half written, and on it goes."""
        with server() as place, SqlStorage(place.url()) as storage:
            storage.upgrade()
            open_account(storage, funds="100000")
            with place.connect() as connection:  # an entry fills a page, so that few fill a file
                connection.execute("ALTER TABLE billing_entries SET (fillfactor = 10)")
            full = 16 << 20  # a segment of the log, which has to be written still
            place.limit_files(full)
            done = 0
            for _ in range(100):
                try:
                    storage.write(lambda unit: unit.save([a_thousand(state_of(load(unit)))]))
                except StorageError as error:
                    assert "could not extend file" in str(error)  # noqa: PT017 - after many
                    break
                done += 1
            assert 0 < done < 100
            with place.connect() as connection:
                assert connection.execute("SELECT count(*) FROM billing_entries").fetchone() == (
                    done * 1000 + 1,
                )
            assert posted(storage) == (100_000 - done * 1000) * 1_000_000
            place.limit_files("unlimited")
            debit(storage)
            assert posted(storage) == (100_000 - done * 1000 - 1) * 1_000_000

    def test_l21_a_forgotten_statement_is_prepared_anew(self, postgres_url: str) -> None:
        """Whatever made a server forget what was prepared, nothing was done and it is run again."""
        with SqlStorage(postgres_url) as storage:
            open_account(storage, funds="5")
            for _ in range(2):
                debit(storage)
                connection = storage._engine.raw_connection()
                connection.cursor().execute("DEALLOCATE ALL")
                connection.close()
            assert posted(storage) == 3_000_000

    def test_l27_a_name_means_one_statement_whoever_prepared_it(self, postgres_url: str) -> None:
        """A pooler gives sessions away in which others have prepared what they needed first."""
        found = list[dict[str, bytes]]()
        firsts: tuple[Callable[[SqlStorage], object], ...] = (
            lambda storage: open_account(storage, funds="5"),
            lambda storage: storage.read(lambda reader: reader.accounts()),
        )
        for first in firsts:
            with SqlStorage(postgres_url) as storage:
                first(storage)
                debit(storage)
                connection = storage._engine.raw_connection()
                found.append(dict(connection.info["monochat_billing_pipeline"]._names))
                connection.close()
        mine, others = found
        both = mine.keys() & others.keys()
        assert both
        assert list(mine) != list(others)
        assert all(mine[text] == others[text] for text in both)
        assert len({*mine.values(), *others.values()}) == len({*mine, *others})

    @pytest.mark.parametrize(
        "isolation", ["READ COMMITTED", pytest.param("SERIALIZABLE", marks=pytest.mark.deep)]
    )
    def test_l25_an_older_schema_is_upgraded_under_traffic(
        self, postgres_server: Server, database: str, isolation: Isolation
    ) -> None:
        """Those who call meanwhile are refused or served, and the money is spent once."""
        url = postgres_server.url(database)
        with SqlStorage(url) as empty, pytest.raises(SchemaMismatch, match="no billing schema"):
            posted(empty)
        engine = sqlalchemy.create_engine(url)
        with engine.begin() as connection:
            command.upgrade(_migrate.config(connection, VERSION_TABLE), "billing_0003")
        engine.dispose()
        refused, wrong = threading.Barrier(4), list[BaseException]()

        def spend() -> None:
            with SqlStorage(url, isolation=isolation) as storage:
                tried = 0
                while True:
                    try:
                        debit(storage)
                    except SchemaMismatch as error:
                        assert "billing_0003, older than" in str(error)  # noqa: PT017 - it is asked often
                        tried += 1
                        if tried == 1:
                            refused.wait()
                    except InsufficientFunds:
                        break
                    except AssertionError:
                        continue  # the account is opened after the upgrade
                    except BaseException as error:  # noqa: BLE001 - raised below
                        wrong.append(error)
                        break

        threads = [threading.Thread(target=spend) for _ in range(3)]
        for thread in threads:
            thread.start()
        refused.wait()
        with SqlStorage(url, isolation=isolation) as storage:
            storage.upgrade()
            open_account(storage, funds="40")
            for thread in threads:
                thread.join()
            assert wrong == []
            assert posted(storage) == 0
            entries = storage.read(lambda reader: reader.entries("acme"))
            assert [one.number for one in entries] == list(range(1, 42))


class TestHosts:
    """What a host does wrong is refused with a name, or does no harm."""

    FORKS = """
import os
from monochat_billing.adapters.memory import MemoryStorage
from monochat_billing.errors import StorageMisuse
from tests.factories import open_account
from tests.test_reliability import debit, posted

storage = MemoryStorage()
open_account(storage, funds="5")
storage._lock.acquire()
if not (child := os.fork()):
    debit(storage)
    os._exit(posted(storage) // 1_000_000)
storage._lock.release()
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), posted(storage))

def work(unit):
    if not (child := os.fork()):
        try:
            posted(storage)
        except StorageMisuse as error:
            os._exit(7 if "forked" in str(error) else 1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

print(storage.write(work))
"""

    def test_l27_a_forked_process_goes_on_with_a_copy(self) -> None:
        """What a child does its parent does not see; a fork within a unit of work is refused."""
        apart, within = run(self.FORKS).splitlines()
        assert apart.split() == ["4", "5000000"]
        assert within == "7"

    @pytest.mark.parametrize("work", [posted, debit], ids=["read", "write"])
    def test_l27_a_closed_storage_has_done_nothing(
        self, tmp_path: Path, work: Callable[[SqlStorage], object]
    ) -> None:
        """Whoever calls a closed storage is told that nothing was written, not that it may be."""
        storage = SqlStorage(f"sqlite:///{tmp_path / 'billing.db'}")
        open_account(storage, funds="5")
        storage.close()
        with pytest.raises(StorageMisuse, match=r"is closed; nothing was written$"):
            work(storage)


class TestManyAtOnce:
    """More threads than a pool has connections wait, and none is told what is not so."""

    @pytest.mark.deep
    def test_l02_sixty_four_threads(self, tmp_path: Path) -> None:
        funded, threads = 300, 64
        with SqlStorage(f"sqlite:///{tmp_path / 'billing.db'}") as storage:
            open_account(storage, funds=str(funded))
            started, done = threading.Barrier(threads), list[int]()

            def spend() -> None:
                started.wait()
                count = 0
                for _ in range(10):
                    try:
                        debit(storage)
                    except InsufficientFunds:
                        break
                    count += 1
                done.append(count)

            running = [threading.Thread(target=spend) for _ in range(threads)]
            for thread in running:
                thread.start()
            for thread in running:
                thread.join()
            assert sum(done) == funded
            assert posted(storage) == 0
