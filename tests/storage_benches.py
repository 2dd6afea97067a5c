"""The storages of this library, as the kit opens them."""

from pathlib import Path
from typing import ClassVar, final

from monochat_billing.adapters.memory import MemoryStorage
from monochat_billing.adapters.sql import SqlStorage
from monochat_billing.repositories import Storage
from monochat_billing.testing.storage_kit import Capability, StorageBench


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
