"""What a transaction writes: what is new by INSERT, so that its key refuses what is there."""

# What each method does is said by the protocol.
# ruff: noqa: D102

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from examples.sqlite3_storage.reading import SqliteReader, ticks
from monochat_billing.adapters.sql.documents import write, write_any
from monochat_billing.errors import StorageError, StorageMisuse
from monochat_billing.idempotency import KeyRecord
from monochat_billing.messages import BusinessNumber, SetAsideStatus
from monochat_billing.payments import UNSETTLED
from monochat_billing.repositories import Changes, Loaded, Wanted


def row(
    one: object, identity: object, place: int = 0, *, live: bool = True, found: str = ""
) -> tuple[object, ...]:
    """Write a thing: its id, where it stands, whether a load gives it, and what it is found by."""
    return str(identity), place, live, found, one if isinstance(one, str) else write(one)


def key_document(record: KeyRecord) -> str:
    """Write what a key is remembered by."""
    parts = (record.key, dict(record.content), write_any(record.outcome))
    return json.dumps([*parts, record.recorded_at.isoformat()])


class SqliteUnit(SqliteReader):
    """Read and change accounts in one transaction."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        super().__init__(connection)
        self.loaded: set[str] = set()
        self.failure: StorageError | None = None

    def load(self, wanted: Sequence[Wanted]) -> Mapping[str, Loaded]:
        self.loaded |= {one.account for one in wanted}
        return super().load(wanted)

    @contextmanager
    def writing(self, operation: str) -> Iterator[None]:
        """Remember a failure, so that it stands even if the work goes on."""
        try:
            yield
        except StorageError as error:
            self.failure = error
            raise
        except (sqlite3.Error, OverflowError, ValueError) as error:
            self.failure = StorageError(operation, str(error))
            raise self.failure from error

    def save(self, changes: Sequence[Changes]) -> None:
        with self.writing("save"):
            for one in changes:
                self.save_one(one)

    def save_one(self, changes: Changes) -> None:
        account = changes.after.account
        stored = self.rows("SELECT entry, event FROM accounts WHERE id = ?", account.id)
        entry, event = stored[0] if stored else (0, 0)
        wrong = changes.misfit(exists=bool(stored), entry=entry, event=event)
        if account.id not in self.loaded:
            wrong = "was not loaded"
        if wrong:
            raise StorageMisuse("save", f"account {account.id!r} {wrong}")
        self.connection.execute(
            "INSERT OR REPLACE INTO accounts VALUES (?, ?, ?, ?, ?)",
            (
                account.id,
                None if account.next_due_at is None else ticks(account.next_due_at),
                changes.after.books.sequence,
                account.events,
                write(account),
            ),
        )
        self.save_history(changes)
        self.save_documents(changes)
        self.save_strays("aside", changes.asides, replace=False)
        self.drop_asides(changes.settled_asides)

    def save_history(self, changes: Changes) -> None:
        """Add what is never changed; what is there already is refused by its key."""
        account = changes.after.account.id
        ((known,),) = self.rows(
            "SELECT count(*) FROM things WHERE account = ? AND kind = 'usage'", account
        )
        for kind, rows in (
            (
                "entry",
                [
                    row(one, one.number, one.number, found=str(one.corrects or ""))
                    for one in changes.entries
                ],
            ),
            (
                "event",
                [row(write_any(one.event), one.number, one.number) for one in changes.events],
            ),
            ("key", [row(key_document(one), one.key) for one in changes.keys]),
            (
                "usage",
                [
                    row(one, one.record.id, place)
                    for place, one in enumerate(changes.usage, known + 1)
                ],
            ),
        ):
            self.put(account, kind, rows, replace=False)

    def save_documents(self, changes: Changes) -> None:
        """Replace what the unit of work had loaded, and add what is new."""
        state, account = changes.after, changes.after.account.id
        units, subscriptions = list(state.books.balances), self.order(account, changes)
        new_ids = {one.id for one in changes.new_subscriptions}
        new_ids |= {one.id for one in changes.new_schedule}
        new_ids |= {one.id for one in changes.new_holds}
        new_ids |= {one.id for one in changes.new_top_ups}
        new_ids |= changes.new_counters | changes.new_metered
        for kind, rows in (
            (
                "subscription",
                [
                    row(one, one.id, subscriptions[one.id], live=one.live)
                    for one in changes.subscriptions
                ],
            ),
            (
                "schedule",
                [
                    row(one, one.id, ticks(one.requested_at), live=one.pending)
                    for one in changes.schedule
                ],
            ),
            (
                "hold",
                [row(one, one.id, ticks(one.placed_at), live=one.open) for one in changes.holds],
            ),
            (
                "top-up",
                [
                    row(one, one.id, ticks(one.created_at), found=one.state.value)
                    for one in changes.top_ups
                ],
            ),
            ("counter", [row(one, one.id, found=one.bucket) for one in changes.counters]),
            (
                "metered",
                [row(one, one.record.id, ticks(one.record.occurred_at)) for one in changes.metered],
            ),
        ):
            self.put(account, kind, [one for one in rows if one[0] in new_ids], replace=False)
            self.put(account, kind, [one for one in rows if one[0] not in new_ids], replace=True)
        balances = [
            row(one.with_lots(()), one.unit, units.index(one.unit)) for one in changes.balances
        ]
        lots = [row(one, one.number, one.number, live=one.remaining > 0) for one in changes.lots]
        self.put(account, "balance", balances, replace=True)
        self.put(account, "lot", lots, replace=True)
        self.put(account, "message", [row(one, one.id) for one in changes.messages], replace=True)
        self.put(account, "tally", [row(one, name) for name, one in changes.tallies], replace=True)
        new = {one.id for one in changes.new_top_ups}
        for one in changes.top_ups:
            verb = "INSERT" if one.id in new else "INSERT OR REPLACE"
            self.connection.execute(
                f"{verb} INTO routes VALUES (?, ?, ?, ?)",
                (one.gateway, one.id, account, one.state in UNSETTLED),
            )

    def order(self, account: str, changes: Changes) -> dict[str, int]:
        """Say where each subscription stands: where it stood, or behind all others."""
        query = "SELECT id, place FROM things WHERE account = ? AND kind = 'subscription'"
        places: dict[str, int] = dict(self.rows(query, account))
        for one in changes.subscriptions:
            places.setdefault(one.id, len(places))
        return places

    def put(self, account: str, kind: str, rows: Iterable[Any], *, replace: bool) -> None:
        verb = "INSERT OR REPLACE" if replace else "INSERT"
        self.connection.executemany(
            f"{verb} INTO things VALUES (?, ?, ?, ?, ?, ?, ?)",
            [(account, kind, *one) for one in rows],
        )

    def register(self, numbers: Sequence[BusinessNumber]) -> None:
        with self.writing("register"):
            for one in numbers:
                if not self.rows("SELECT id FROM accounts WHERE id = ?", one.account):
                    raise StorageMisuse("register", f"account {one.account!r} does not exist")
            self.save_strays("number", numbers, replace=True)

    def set_aside(self, statuses: Sequence[SetAsideStatus], settled: Sequence[str] = ()) -> None:
        with self.writing("set aside"):
            self.drop_asides(settled)
            self.save_strays("aside", statuses, replace=False)

    def save_strays(self, kind: str, strays: Iterable[Any], *, replace: bool) -> None:
        verb = "INSERT OR REPLACE" if replace else "INSERT OR IGNORE"
        self.connection.executemany(
            f"{verb} INTO strays VALUES (?, ?, ?, ?)",
            [
                (kind, one.id, one.status.number if kind == "aside" else one.id, write(one))
                for one in strays
            ],
        )

    def drop_asides(self, ids: Iterable[str]) -> None:
        self.connection.executemany(
            "DELETE FROM strays WHERE kind = 'aside' AND id = ?", [(one,) for one in ids]
        )
