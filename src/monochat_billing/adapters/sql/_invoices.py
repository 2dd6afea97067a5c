"""Invoices in tables: rows and pages of what was issued.

Owns how invoices and the counters of their series are read and written.
Does not own the tables (``schema``) or when a unit of work reads and writes them (``_unit``).
"""

from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Sequence

from monochat_billing.adapters.sql import _rows, documents, schema
from monochat_billing.adapters.sql._rows import Row, each
from monochat_billing.adapters.sql._session import Session
from monochat_billing.adapters.sql._shapes import Statement
from monochat_billing.invoices import Invoice


def invoice_row(ordinal: int, one: Invoice) -> Row:
    """Write a row of ``billing_invoices``."""
    return (
        one.account,
        ordinal,
        one.id,
        one.reference,
        str(one.number),
        one.currency,
        one.corrects_id,
        one.last,
        _rows.ticks(one.issued_at),
        documents.write(one),
    )


def invoice(row: Row) -> Invoice:
    """Read a row of ``billing_invoices``."""
    return documents.read(Invoice, row[-1])


class InvoiceReading:
    """Read invoices within one database transaction."""

    _session: Session

    def invoices(self, account: str, *, after: int = 0, limit: int = 100) -> Sequence[Invoice]:
        """Give up to ``limit`` invoices in the order of their issue, skipping ``after``."""
        statement = self._session.statements.invoices.page
        return self._invoices(statement, account=account, after=after, limit=max(limit, 0))

    def invoice(self, account: str, identity: str) -> Invoice | None:
        """Give the invoice with this id, if the account has one."""
        statement = self._session.statements.invoices.by_id
        return next(iter(self._invoices(statement, account=account, named=identity)), None)

    def invoice_about(self, account: str, reference: str) -> Invoice | None:
        """Give the invoice about this, if the account has one."""
        statement = self._session.statements.invoices.about
        return next(iter(self._invoices(statement, account=account, named=reference)), None)

    def credit_notes(self, account: str, identity: str) -> Sequence[Invoice]:
        """Give the credit notes about the invoice with this id, in the order of their issue."""
        statement = self._session.statements.invoices.notes
        return self._invoices(statement, account=account, named=identity)

    def invoiced_through(self, account: str, currency: str) -> int:
        """Give the number of the last entry that an invoice has looked through; 0 for none."""
        statement = self._session.statements.invoices.through
        values = statement.values(account=account, currency=currency)
        rows = self._session.rows("read invoices", statement, values)
        return int(rows[0][0]) if rows else 0

    def _invoices(self, statement: Statement, **named: object) -> tuple[Invoice, ...]:
        rows = self._session.rows("read invoices", statement, statement.values(**named))
        return tuple(each(schema.INVOICES, rows, invoice))


class InvoiceWriting(InvoiceReading, ABC):
    """Issue invoices within one database transaction."""

    @abstractmethod
    def require_loaded(self, account: str) -> None:
        """Refuse an account that this unit of work has not loaded."""

    def last_ordinal(self, counter: str) -> int:
        """Give the ordinal that a counter gave out last, and keep others from it until the end."""
        statements = self._session.statements.invoices
        self._session.write("begin counter", statements.begin, [(counter, 0)])
        values = statements.counter.values(counter=counter)
        rows = self._session.rows("read counter", statements.counter, values)
        return int(rows[0][0])

    def move_counter(self, counter: str, last: int) -> None:
        """Say which ordinal a counter has given out last."""
        move = self._session.statements.invoices.move
        self._session.write("move counters", move, [(counter, last)])

    def issue(self, invoices: Sequence[Invoice]) -> None:
        """Keep invoices of accounts that this unit of work has loaded, and move their counters.

        Raises:
            StorageMisuse: an account was not loaded, or a number leaves a gap.
        """
        session, statements = self._session, self._session.statements
        places: dict[str, int] = {}
        lasts: dict[str, int] = defaultdict(int)
        rows: list[Row] = []
        for one in invoices:
            self.require_loaded(one.account)
            counter = one.number.counter
            if counter not in lasts:
                lasts[counter] = self.last_ordinal(counter)
            if one.number.ordinal != lasts[counter] + 1:
                raise session.misused("issue", f"invoice {one.number} leaves a gap or stands twice")
            lasts[counter] += 1
            if one.account not in places:
                last = statements.invoices.last
                found = session.rows("read invoices", last, last.values(account=one.account))
                places[one.account] = int(found[0][0] or 0)
            places[one.account] += 1
            rows.append(invoice_row(places[one.account], one))
        session.write("issue invoices", statements.insert[schema.INVOICES.name], rows)
        for counter, last_ordinal in lasts.items():
            self.move_counter(counter, last_ordinal)
