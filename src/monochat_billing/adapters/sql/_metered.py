"""Counters and usage records of any meter: their rows, and how they are read and written.

Owns what of them is a column. Does not own what a document holds.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime

from monochat_billing.adapters.sql import _rows, documents, schema
from monochat_billing.adapters.sql._rows import Row, each
from monochat_billing.adapters.sql._session import Session
from monochat_billing.adapters.sql.documents import Malformed
from monochat_billing.counters import NOTHING_METERED, Counter, Metered, MeteredUsage
from monochat_billing.repositories import Changes


def counter_row(account_id: str, one: Counter) -> Row:
    """Write a row of ``billing_counters``."""
    return account_id, one.id, one.bucket, documents.write(one)


def counter(row: Row) -> Counter:
    """Read a row of ``billing_counters``."""
    return documents.read(Counter, row[3])


def metered_row(account_id: str, one: MeteredUsage) -> Row:
    """Write a row of ``billing_metered_usage``."""
    record = one.record
    at = _rows.ticks(record.occurred_at)
    return account_id, record.id, record.meter, at, documents.write(one)


def metered_usage(row: Row) -> MeteredUsage:
    """Read a row of ``billing_metered_usage``."""
    return documents.read(MeteredUsage, row[4])


def metered(counters: Sequence[Row], records: Sequence[Row]) -> Metered:
    """Put what was asked for of one account's metered usage together."""
    if not (counters or records):
        return NOTHING_METERED
    return Metered(
        counters={one.id: one for one in each(schema.COUNTERS, counters, counter)},
        records={one.record.id: one for one in each(schema.METERED, records, metered_usage)},
    )


class MeteredReader:
    """Read metered usage within one database transaction."""

    _session: Session

    def metered(
        self,
        account: str,
        *,
        since: datetime,
        until: datetime,
        after: str = "",
        limit: int = 100,
    ) -> Sequence[MeteredUsage]:
        """Give up to ``limit`` records in ``[since, until)``, in order of instant and id."""
        statement = self._session.statements.metered.records
        values = statement.values(
            account=account,
            since=_rows.ticks(since),
            after=after,
            until=_rows.ticks(until),
            limit=max(limit, 0),
        )
        rows = self._session.rows("read metered usage", statement, values)
        return tuple(each(schema.METERED, rows, metered_usage))


class MeteredWriter(MeteredReader):
    """Write counters and metered usage."""

    def write_metered(self, changes: Iterable[Changes]) -> None:
        """Write what is new apart: an id that was used before is refused, never overwritten."""
        changes = [one for one in changes if _metered_before(one) is not one.after.metered]
        if not changes:
            return
        sheets: dict[str, list[Row]] = {name: [] for name in ("new", "old", "fresh", "known")}
        for one in changes:
            account = one.after.account.id
            fresh, new = one.new_counters, one.new_metered
            try:
                for count in one.counters:
                    sheet = sheets["new" if count.id in fresh else "old"]
                    sheet.append(counter_row(account, count))
                for usage in one.metered:
                    sheet = sheets["fresh" if usage.record.id in new else "known"]
                    sheet.append(metered_row(account, usage))
            except Malformed as error:
                raise self._session.misused("save", f"account {account!r}: {error}") from error
        statements, write = self._session.statements, self._session.write
        write("insert counters", statements.insert[schema.COUNTERS.name], sheets["new"])
        write("save counters", statements.metered.replace_counters, sheets["old"])
        write("insert metered usage", statements.insert[schema.METERED.name], sheets["fresh"])
        write("save metered usage", statements.metered.replace_records, sheets["known"])


def _metered_before(one: Changes) -> Metered:
    return NOTHING_METERED if one.before is None else one.before.metered
