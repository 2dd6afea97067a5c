"""The storages of this library, as the kit opens them."""

import fcntl
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, Final, final

from monochat_billing.adapters.memory import MemoryStorage
from monochat_billing.adapters.sql import SqlStorage
from monochat_billing.adapters.sql._backends import Isolation
from monochat_billing.repositories import Storage
from monochat_billing.testing.storage_kit import Capability, StorageBench
from tests.postgres import Server, shared


@final
class Memory(StorageBench):
    """Books that are gone with the process."""

    has = frozenset({Capability.THREADS})
    lacks: ClassVar = {
        Capability.DURABLE: "what it holds is gone with the process",
        Capability.PROCESSES: "its books are in one process",
        Capability.CRASH: "what it holds is gone with the process",
    }

    def open(self, place: Path) -> Storage:
        return MemoryStorage()


@final
class SqliteFile(StorageBench):
    """A file beside the host."""

    has = frozenset(Capability)

    def open(self, place: Path) -> Storage:
        return SqlStorage(f"sqlite:///{place / 'billing.db'}")

    def warm(self) -> None:
        SqlStorage("sqlite://").close()


@final
class SqliteInMemory(StorageBench):
    """One database in memory, for one process."""

    has = frozenset({Capability.THREADS})
    lacks: ClassVar = {
        Capability.DURABLE: "the database is gone with its connection",
        Capability.PROCESSES: "the database is in one process",
        Capability.CRASH: "the database is gone with its process",
    }

    def open(self, place: Path) -> Storage:
        return SqlStorage("sqlite://")


_TEMPLATE: Final = "kit_template"


class Served(StorageBench):
    """A database of its own for each place, on a server of the run, which a fixture starts."""

    has = frozenset(Capability)
    server: ClassVar = "s"
    isolation: ClassVar[Isolation] = "READ COMMITTED"
    lasting: ClassVar[Mapping[str, str]] = {}
    """What a database is told once, where connections may not be told."""

    def open(self, place: Path) -> Storage:
        server = shared(self.server)
        name = self._database(place)
        lock_path = server.folder.parent / f"{self.server}.kit-lock"
        with lock_path.open("w") as lock, server.connect() as connection:
            fcntl.flock(lock, fcntl.LOCK_EX)
            known = {row[0] for row in connection.execute("SELECT datname FROM pg_database")}
            if _TEMPLATE not in known:
                connection.execute(f"CREATE DATABASE {_TEMPLATE}")
                with SqlStorage(server.url(_TEMPLATE)) as template:
                    template.upgrade()
            if name not in known:
                connection.execute(f"CREATE DATABASE {name} TEMPLATE {_TEMPLATE}")
                level = f"'{self.isolation.lower()}'"
                settings = {"default_transaction_isolation": level, **self.lasting}
                for setting, value in settings.items():
                    connection.execute(f"ALTER DATABASE {name} SET {setting} = {value}")
        return self.connected(server, name)

    def warm(self) -> None:
        SqlStorage("postgresql://").close()

    def connected(self, server: Server, database: str) -> SqlStorage:
        """Open a database that has the schema."""
        return SqlStorage(server.url(database), isolation=self.isolation)

    def discard(self, place: Path) -> None:
        with shared(self.server).connect() as connection:
            connection.execute(f"DROP DATABASE IF EXISTS {self._database(place)} WITH (FORCE)")

    @staticmethod
    def _database(place: Path) -> str:
        return f"kit_{hashlib.sha256(str(place).encode()).hexdigest()[:16]}"


@final
class Postgres(Served):
    """The server of the run; it needs the fixture ``postgres_server``."""


@final
class Serializable(Served):
    """The same where SERIALIZABLE is what the database and the storage use."""

    isolation = "SERIALIZABLE"


@final
class NewerPostgres(Served):
    """The newer server of the wheel; it needs the fixture ``newer_server``."""

    server = "newer"
