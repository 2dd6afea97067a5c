"""PgBouncer in front of PostgreSQL, in transaction mode: what works there, and what it takes.

A connection is then somebody else's after every transaction: nothing may be expected to be there
still that was set or prepared before. ``docs/storage.md`` says how to live with that.
"""

import os
import pwd
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Final, final

import pytest
from sqlalchemy import Engine, create_engine

from monochat_billing import Billing, sample_catalog
from monochat_billing.adapters.sql import SqlStorage
from monochat_billing.errors import InsufficientFunds, StoreBusy
from monochat_billing.repositories import Storage
from monochat_billing.testing.storage_kit import StorageConformance
from tests.desk import Clock
from tests.factories import lira
from tests.postgres import Server
from tests.storage_benches import Served

pytestmark = pytest.mark.deep

PORT: Final = 6432
LASTING: Final = {
    "synchronous_commit": "on",
    "lock_timeout": "'20s'",
    "plan_cache_mode": "force_generic_plan",
    "enable_seqscan": "off",
    "jit": "off",
}
"""What the storage sets for a connection of its own; here the database has to."""

SETTINGS: Final = """[databases]
* = host={server} user=billing
[pgbouncer]
listen_addr =
listen_port = {port}
unix_socket_dir = {folder}
auth_type = any
pool_mode = transaction
default_pool_size = 6
max_client_conn = 500
server_idle_timeout = 5
logfile = {folder}/log
pidfile = {folder}/pid
"""


def at(server: Server) -> Path:
    """Give the folder of the pooler in front of a server."""
    return server.folder.parent / "pooler"


def engine(server: Server, database: str, *, prepared: bool = False) -> Engine:
    """Connect to a database through the pooler."""
    url = f"postgresql+psycopg://billing@/{database}?host={at(server)}&port={PORT}"
    return create_engine(url, connect_args={} if prepared else {"prepare_threshold": None})


@pytest.fixture(scope="module")
def pooled(postgres_server: Server) -> Iterator[Server]:
    """Give the server of the run with a pooler in front of it."""
    program = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin")
    if program is None:
        pytest.skip("there is no PgBouncer: install the package pgbouncer")
    folder = at(postgres_server)
    folder.mkdir(exist_ok=True)
    (folder / "ini").write_text(
        SETTINGS.format(server=postgres_server.folder, port=PORT, folder=folder)
    )
    identity = postgres_server.data.stat()
    for path in (folder, folder / "ini"):
        os.chown(path, identity.st_uid, identity.st_gid)
    running = subprocess.Popen(
        [program, "-q", str(folder / "ini")],
        user=pwd.getpwuid(identity.st_uid).pw_name if os.geteuid() == 0 else None,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_for(folder / f".s.PGSQL.{PORT}", running)
        yield postgres_server
    finally:
        running.terminate()
        running.wait(30)


def wait_for(path: Path, running: "subprocess.Popen[bytes]") -> None:
    """Wait until somebody answers at a socket."""
    pause = threading.Event()
    for _ in range(600):
        with socket.socket(socket.AF_UNIX) as asking:
            if asking.connect_ex(str(path)) == 0:
                return
        assert running.poll() is None, (path.parent / "log").read_text()
        pause.wait(0.05)
    raise TimeoutError(path)


@final
class Pooled(Served):
    """A database for each place, behind the pooler; no statement is prepared."""

    lasting = LASTING

    def connected(self, server: Server, database: str) -> SqlStorage:
        return SqlStorage(engine(server, database))


@pytest.mark.usefixtures("pooled")
class TestBehindAPooler(StorageConformance):
    """The whole kit, its killed writers and its processes too."""

    bench = Pooled


class TestWhatItTakes:
    """What the page says about poolers."""

    @pytest.fixture
    def database(self, pooled: Server) -> Iterator[str]:
        with pooled.connect() as connection:
            connection.execute("CREATE DATABASE behind_a_pooler")
            for name, value in {**LASTING, "lock_timeout": "'200ms'"}.items():
                connection.execute(f"ALTER DATABASE behind_a_pooler SET {name} = {value}")
            with SqlStorage(pooled.url("behind_a_pooler")) as storage:
                storage.upgrade()
                billing = service(storage)
                billing.accounts.open("acme", zone="Europe/Istanbul", currencies=["TRY"])
                billing.balances.credit("acme", lira("100"), reason="opening", key="opening")
            yield "behind_a_pooler"
            connection.execute("DROP DATABASE behind_a_pooler WITH (FORCE)")

    def test_l02_sixteen_threads_on_six_connections(self, pooled: Server, database: str) -> None:
        with SqlStorage(engine(pooled, database)) as storage:
            billing, done = service(storage), list[str]()

            def spend(thread: int) -> None:
                for number in range(10):
                    key = f"{thread}-{number}"
                    try:
                        billing.balances.debit("acme", lira("1"), reason="export", key=key)
                    except InsufficientFunds:
                        continue
                    done.append(key)

            threads = [threading.Thread(target=spend, args=[number]) for number in range(16)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert len(done) == len(set(done)) == 100
            assert billing.balances.list("acme")["TRY"].posted == 0
            assert billing.verify().sound

    def test_l18_the_databases_own_deadline_holds(self, pooled: Server, database: str) -> None:
        """A lock that another holds is waited for as long as the database says."""
        with (
            SqlStorage(engine(pooled, database), busy_deadline=1) as storage,
            pooled.connect(database) as rival,
        ):
            rival.execute("BEGIN")
            rival.execute("SELECT 1 FROM billing_accounts WHERE id = 'acme' FOR UPDATE")
            with pytest.raises(StoreBusy):
                service(storage).balances.debit("acme", lira("1"), reason="x", key="k")
            rival.execute("ROLLBACK")
            entry = service(storage).balances.debit("acme", lira("1"), reason="x", key="k")
            assert entry.number == 2

    def test_prepared_statements_are_found_or_prepared_anew(
        self, pooled: Server, database: str
    ) -> None:
        """What this PgBouncer knows nothing of: they stay with whichever connection they met."""
        answered, wrong = list[int](), list[BaseException]()

        def spend(storage: SqlStorage, name: str) -> None:
            billing = service(storage)
            try:
                for number in range(8):
                    key = f"{name}-{number}"
                    if number % 3 == 0:
                        billing.balances.statement("acme", "TRY", limit=3)
                        billing.packs.list("acme")
                    entry = billing.balances.debit("acme", lira("0.1"), reason="x", key=key)
                    answered.append(entry.number)
            except BaseException as error:  # noqa: BLE001 - raised below
                wrong.append(error)

        storages = [SqlStorage(engine(pooled, database, prepared=True)) for _ in range(4)]
        threads = [
            threading.Thread(target=spend, args=[storage, f"{place}-{thread}"])
            for place, storage in enumerate(storages)
            for thread in range(3)
        ]
        for running in threads:
            running.start()
        for running in threads:
            running.join()
        for storage in storages:
            storage.close()
        assert wrong == []
        with SqlStorage(pooled.url(database)) as direct:
            billing = service(direct)
            entries = billing.balances.entries("acme", limit=999)
            assert sorted(answered) == [one.number for one in entries[1:]] == list(range(2, 98))
            assert billing.verify().sound


def service(storage: Storage) -> Billing:
    return Billing(catalog=sample_catalog(), storage=storage, clock=Clock())
