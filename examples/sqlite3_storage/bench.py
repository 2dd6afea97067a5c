"""How the kit opens the storage beside this file, and what the storage can do."""

from pathlib import Path

from examples.sqlite3_storage.storage import Sqlite3Storage
from monochat_billing.repositories import Storage
from monochat_billing.testing.storage_kit import Capability, StorageBench


class Sqlite3Bench(StorageBench):
    """One file at each place."""

    has = frozenset(Capability)

    def open(self, place: Path) -> Storage:
        """Open the file, which is made if it is not there."""
        return Sqlite3Storage(place / "books.db")
