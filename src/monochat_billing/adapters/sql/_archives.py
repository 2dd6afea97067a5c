"""Archives in tables: what archived entries left behind.

Owns how checkpoints are read and written.
Does not own when entries are archived (:mod:`monochat_billing.adapters.sql.archiving`).
"""

from monochat_billing.adapters.sql import documents, schema
from monochat_billing.adapters.sql._rows import Row, each
from monochat_billing.adapters.sql._session import Session
from monochat_billing.checkpoints import Checkpoint


def archive_row(mark: Checkpoint) -> Row:
    """Write a row of ``billing_archives``."""
    return mark.account, mark.ordinal, mark.entries, documents.write(mark)


def archive(row: Row) -> Checkpoint:
    """Read a row of ``billing_archives``."""
    return documents.read(Checkpoint, row[3])


class ArchiveReading:
    """Read what archives left behind within one database transaction."""

    _session: Session
    _heads: dict[str, Row]
    """The accounts' own rows that were loaded last; each ends with its number of archives."""

    def checkpoint(self, account: str) -> Checkpoint | None:
        """Give what the account's archives left behind, from the same view as everything else.

        Where a load has just said that there are none, nothing is asked.
        """
        head = self._heads.get(account)
        if head is not None and not head[-1]:
            return None
        statement = self._session.statements.archives.last
        rows = self._session.rows("read archive", statement, statement.values(account=account))
        return next(iter(each(schema.ARCHIVES, rows, archive)), None)

    def archive(self, account: str, ordinal: int) -> Checkpoint | None:
        """Give what one of the account's archives left behind."""
        statement = self._session.statements.archives.one
        values = statement.values(account=account, ordinal=ordinal)
        rows = self._session.rows("read archive", statement, values)
        return next(iter(each(schema.ARCHIVES, rows, archive)), None)
