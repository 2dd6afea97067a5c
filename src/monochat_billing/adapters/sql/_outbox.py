"""The outbox shared: who consumes it, and how far each has come with each account.

Owns how consumers and their cursors are read and written.
Does not own the tables (``schema``) or when a unit of work reads and writes them (``_unit``).
"""

from collections.abc import Iterable, Sequence
from datetime import datetime

from monochat_billing.adapters.sql import _rows, schema
from monochat_billing.adapters.sql._rows import Row, each
from monochat_billing.adapters.sql._session import Session
from monochat_billing.outbox_storage import OutboxCursor
from monochat_billing.repositories import Changes


def cursor(row: Row) -> OutboxCursor:
    """Read a row of ``billing_outbox_cursors``."""
    account, _, acknowledged, _, until, lease = row
    return OutboxCursor(account, acknowledged, lease, _rows.instant(until) if lease else None)


class OutboxWriter:
    """Share the outbox within one database transaction."""

    _session: Session

    def add_consumer(self, consumer: str, *, from_beginning: bool) -> None:
        """Let a consumer have events ahead: all there are, or those to come; known, it stays."""
        if consumer in self.consumers():
            return
        statements = self._session.statements.outbox
        self._session.write("add consumer", statements.add, [(consumer,)])
        begin = statements.begin if from_beginning else statements.begin_now
        self._session.write("add consumer", begin, [begin.values(consumer=consumer)])

    def drop_consumer(self, consumer: str) -> None:
        """Forget a consumer and how far it has come."""
        statements = self._session.statements.outbox
        for one in (statements.drop_cursors, statements.drop):
            self._session.write("drop consumer", one, [(consumer,)])

    def consumers(self) -> Sequence[str]:
        """Name the consumers, in ascending order."""
        rows = self._session.rows("read consumers", self._session.statements.outbox.names, ())
        return tuple(row[0] for row in rows)

    def claim(
        self, consumer: str, *, now: datetime, until: datetime, lease: str, limit: int
    ) -> Sequence[OutboxCursor]:
        """Lease accounts that have events ahead, and pass over those that others are taking."""
        statements = self._session.statements.outbox
        values = statements.free.values(consumer=consumer, now=_rows.ticks(now), limit=limit)
        found = self._session.rows("claim", statements.free, values)
        ticks = _rows.ticks(until)
        self._session.write(
            "claim",
            statements.lease,
            [
                statements.lease.values(
                    consumer=consumer, account=account, until=ticks, leased=lease
                )
                for account, _ in found
            ],
        )
        return tuple(OutboxCursor(account, done, lease, until) for account, done in found)

    def cursor(self, consumer: str, account: str) -> OutboxCursor | None:
        """Give how far a consumer has come with an account that this unit of work has loaded."""
        statement = self._session.statements.outbox.cursor
        values = statement.values(consumer=consumer, account=account)
        rows = self._session.rows("read cursor", statement, values)
        return next(iter(each(schema.CURSORS, rows, cursor)), None)

    def move_cursor(self, consumer: str, cursor: OutboxCursor, *, ahead: bool) -> None:
        """Keep how far a consumer has come; ``ahead`` says that there is more to deliver."""
        until = 0 if cursor.leased_until is None else _rows.ticks(cursor.leased_until)
        row = (cursor.account, consumer, cursor.acknowledged, int(ahead), until, cursor.lease)
        self._session.write("move cursor", self._session.statements.outbox.move, [row])

    def tell_consumers(self, changes: Iterable[Changes]) -> None:
        """Note for every consumer the accounts that have new events."""
        told = [(one.after.account.id,) for one in changes if one.events]
        if told:
            self._session.write("tell consumers", self._session.statements.outbox.tell, told)
