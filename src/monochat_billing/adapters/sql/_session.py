"""Sessions: one database transaction, as statements that are asked, written and committed.

Owns the order in which statements reach the driver, and what the first failure of one means.
Does not own which statements a unit of work consists of (``_unit``) or when one is run again
(:mod:`monochat_billing.adapters.sql.storage`).

A session may keep what is written until rows are asked for or the transaction ends. On PostgreSQL
that makes a unit of work two round trips: BEGIN and every read in one, every write and COMMIT in
the other.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple, cast, final

from sqlalchemy.pool import PoolProxiedConnection

from monochat_billing.adapters.sql._backends import Backend, Cursor, Verdict
from monochat_billing.adapters.sql._pipeline import Interrupted, Pipeline
from monochat_billing.adapters.sql._rows import Row
from monochat_billing.adapters.sql._shapes import Statement
from monochat_billing.errors import StorageError, StorageMisuse

BULK: Final = 3
"""From how many rows on one statement for all of them costs less than one for each."""

_PIPELINE: Final = "monochat_billing_pipeline"


@final
class Ask(NamedTuple):
    """Name a statement, its values, and what it is for."""

    operation: str
    statement: Statement
    values: Sequence[object]


class Session:
    """Run statements on one connection, each at once, and remember what the first failure means.

    A failure stands even if the work that met it goes on: then nothing may be committed.
    """

    def __init__(self, cursor: Cursor, backend: Backend, driver_error: type[Exception]) -> None:
        self._cursor = cursor
        self._backend = backend
        # Drivers complain of values that they cannot hold in the language's own terms.
        self._errors = (driver_error, OverflowError, UnicodeError, ValueError)
        self.statements = backend.statements
        self.failure: StorageError | None = None
        self.verdict: Verdict | None = None

    def run(self, operation: str, text: str) -> None:
        """Run a statement that has no parameters and gives no rows."""
        try:
            self._cursor.execute(text)
        except self._errors as error:
            raise self._failed(operation, error) from error

    def rows(self, operation: str, statement: Statement, values: Sequence[object]) -> list[Row]:
        """Run a statement and give all its rows."""
        try:
            self._cursor.execute(statement.text, values)
            return list(self._cursor.fetchall())
        except self._errors as error:
            raise self._failed(operation, error) from error

    def ask(self, asks: Sequence[Ask]) -> list[list[Row]]:
        """Run statements in their order and give the rows of each."""
        return [self.rows(one.operation, one.statement, one.values) for one in asks]

    def write(self, operation: str, statement: Statement, rows: Sequence[Row]) -> int:
        """Write rows by a statement; give the number of rows that it touched.

        Where the session keeps what is written, it gives the number of rows, and a statement that
        has to touch each of them fails when it does not.
        """
        if not rows:
            return 0
        try:
            if len(rows) == 1:
                self._cursor.execute(statement.text, rows[0])
            elif statement.bulk is not None and len(rows) >= BULK:
                self._cursor.execute(statement.bulk, statement.columns(rows))
            else:
                self._cursor.executemany(statement.text, rows)
        except self._errors as error:
            raise self._failed(operation, error) from error
        return self._cursor.rowcount

    def commit(self) -> None:
        """Send what is still kept, and make it durable."""
        self.run("commit", "COMMIT")

    def send(self) -> None:
        """Send what is still kept."""

    def close(self) -> None:
        """Let go of the driver's cursor."""
        self._cursor.close()

    def lost_race(self, operation: str) -> StorageError:
        """Note that somebody else has changed what was loaded; nothing of ours may stand."""
        self.verdict = Verdict.AGAIN
        self.failure = StorageError(operation, "an account was changed by another writer")
        return self.failure

    def misused(self, operation: str, detail: str) -> StorageMisuse:
        """Note that the work asks for what cannot be right; nothing of it may stand."""
        failure = StorageMisuse(operation, detail)
        if self.failure is None:
            self.failure = failure
        return failure

    def _failed(self, operation: str, error: Exception) -> StorageError:
        if self.failure is None and self._backend.lost_race(error):
            return self.lost_race(operation)
        failure = StorageError(operation, f"{type(error).__name__}: {error}")
        if self.failure is None:
            self.failure = failure
            self.verdict = self._backend.verdict(error)
        return failure


@final
class PipelinedSession(Session):
    """Send the statements of a psycopg connection together, and wait once for all of them."""

    def __init__(
        self, pipeline: "Pipeline", cursor: Cursor, backend: Backend, driver_error: type[Exception]
    ) -> None:
        super().__init__(cursor, backend, driver_error)
        self._pipeline = pipeline
        self._kept: list[Ask] = []

    def run(self, operation: str, text: str) -> None:
        """Keep a statement that has no parameters and gives no rows."""
        self._kept.append(Ask(operation, Statement(text, (), {}), ()))

    def rows(self, operation: str, statement: Statement, values: Sequence[object]) -> list[Row]:
        """Run a statement and give all its rows."""
        self.send()
        return super().rows(operation, statement, values)

    def ask(self, asks: Sequence[Ask]) -> list[list[Row]]:
        """Send what was kept and what is asked, and give the rows of each that is asked."""
        kept = len(self._kept)
        return self._exchange(asks)[kept:]

    def write(self, operation: str, statement: Statement, rows: Sequence[Row]) -> int:
        """Keep rows to be written."""
        if len(rows) >= BULK and statement.bulk is not None:
            many = Statement(statement.bulk, (), {})
            self._kept.append(Ask(operation, many, statement.columns(rows)))
        else:
            self._kept += [Ask(operation, statement, row) for row in rows]
        return len(rows)

    def commit(self) -> None:
        """Send what is still kept and COMMIT with it."""
        self.run("commit", "COMMIT")
        self._exchange(())

    def send(self) -> None:
        """Send what is still kept."""
        if self._kept:
            self._exchange(())

    def _exchange(self, asks: Sequence[Ask]) -> list[list[Row]]:
        asks = (*self._kept, *asks)
        self._kept = []
        try:
            return self._pipeline.exchange([(one.statement.text, one.values) for one in asks])
        except Interrupted as interruption:
            error = interruption.error
            raise self._failed(asks[interruption.place].operation, error) from error
        except self._errors as error:
            raise self._failed(asks[-1].operation, error) from error


def open_session(
    connection: PoolProxiedConnection, backend: Backend, driver_error: type[Exception]
) -> Session:
    """Give a session on a connection of the storage's own."""
    cursor = cast("Cursor", connection.cursor())
    if not backend.pipelines:
        return Session(cursor, backend, driver_error)
    pipeline = connection.info.get(_PIPELINE)
    if pipeline is None:
        pipeline = connection.info[_PIPELINE] = Pipeline(connection.driver_connection)
    return PipelinedSession(pipeline, cursor, backend, driver_error)
