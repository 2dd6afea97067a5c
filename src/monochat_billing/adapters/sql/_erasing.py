"""Erasing: write what held a person again, without the person.

Owns which rows are looked through, and which of them are written again.
Does not own what is personal (:mod:`monochat_billing.erasure`).
"""

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

from sqlalchemy import Column, Table, bindparam, select, update

from monochat_billing.adapters.sql import _rows, documents, schema
from monochat_billing.adapters.sql._invoices import invoice
from monochat_billing.adapters.sql._rows import Row
from monochat_billing.adapters.sql._session import Session
from monochat_billing.erasure import erased

_PAGE = 1_000
_PERSONAL = "%business_name%"


class ErasingWriter:
    """Erase personal data within one database transaction."""

    _session: Session

    def erase(self, account: str) -> None:
        """Replace every profile in the account's top-ups and remembered answers."""
        top_ups, keys = schema.TOP_UPS.c, schema.KEYS.c
        for row in self._personal(schema.TOP_UPS, top_ups.id, top_ups.document, account):
            found = _rows.top_up(row)
            self._rewrite(top_ups.id, top_ups.document, row, found, documents.write)
        for row in self._personal(schema.KEYS, keys.key, keys.outcome, account):
            found = documents.read_any(row[-1])
            self._rewrite(keys.key, keys.outcome, row, found, documents.write_any)

    def erase_invoices(self, account: str, before: datetime) -> int:
        """Replace the buyers of the account's invoices issued before ``before``; say how many."""
        columns, written = schema.INVOICES.c, 0
        for row in self._personal(schema.INVOICES, columns.ordinal, columns.document, account):
            found = invoice(row)
            if found.issued_at < before:
                kept = erased(found.buyer)
                if kept is not found.buyer and kept != found.buyer:
                    changed = documents.write(found.without_buyer())
                    self._put(columns.ordinal, columns.document, row, changed)
                    written += 1
        return written

    def _personal(
        self, table: Table, key: "Column[Any]", document: "Column[str]", account: str
    ) -> Iterator[Row]:
        """Give the rows of an account whose document may name a person, page by page."""
        query = select(table).where(
            table.c.account_id == bindparam("account"), document.like(_PERSONAL)
        )
        statements = self._session.statements
        first = statements.compiled(query.order_by(key).limit(_PAGE))
        behind = key > bindparam("after", type_=key.type)
        later = statements.compiled(query.where(behind).order_by(key).limit(_PAGE))
        place = list(table.columns).index(key)
        page = self._session.rows("look for persons", first, first.values(account=account))
        while page:
            yield from page
            values = later.values(account=account, after=page[-1][place])
            page = self._session.rows("look for persons", later, values)

    def _rewrite(
        self,
        key: "Column[Any]",
        document: "Column[str]",
        row: Row,
        found: object,
        write: Callable[[Any], str],
    ) -> None:
        kept = erased(found)
        if kept is not found:
            self._put(key, document, row, write(kept))

    def _put(self, key: "Column[Any]", document: "Column[str]", row: Row, text: str) -> None:
        table = document.table
        assert isinstance(table, Table)  # noqa: S101 - a column of ours
        place = list(table.columns).index(key)
        statement = self._session.statements.compiled(
            update(table)
            .where(
                table.c.account_id == bindparam("account"),
                key == bindparam("named", type_=key.type),
            )
            .values({document.name: bindparam("written")})
        )
        values = statement.values(account=row[0], named=row[place], written=text)
        self._session.write("erase", statement, [values])
