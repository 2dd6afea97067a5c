"""Statements about invoices, compiled beside the others."""

from typing import TYPE_CHECKING, final

from sqlalchemy import BigInteger, bindparam, func, literal_column, select

from monochat_billing.adapters.sql import schema

if TYPE_CHECKING:
    from monochat_billing.adapters.sql._statements import Statements


@final
class InvoiceStatements:
    """Hold the statements about invoices, compiled for one database."""

    def __init__(self, statements: "Statements") -> None:
        compiled = statements.compiled
        kept, counters = schema.INVOICES.c, schema.INVOICE_COUNTERS.c
        ours = kept.account_id == bindparam("account")
        of_account = select(schema.INVOICES).where(ours)
        self.page = compiled(
            of_account.where(kept.ordinal > bindparam("after"))
            .order_by(kept.ordinal)
            .limit(bindparam("limit", type_=BigInteger))
        )
        self.by_id = compiled(of_account.where(kept.id == bindparam("named")))
        self.about = compiled(of_account.where(kept.reference == bindparam("named")))
        self.notes = compiled(
            of_account.where(kept.corrects == bindparam("named")).order_by(kept.ordinal)
        )
        self.through = compiled(
            select(kept.last_entry)
            .where(ours, kept.currency == bindparam("currency"))
            .order_by(kept.last_entry.desc())
            .limit(literal_column("1"))
        )
        self.last = compiled(select(func.max(kept.ordinal)).where(ours))
        one = select(counters.last).where(counters.name == bindparam("counter"))
        self.counter = compiled(one.with_for_update())
        # Two that meet at a new counter both write its first row; the second then waits here.
        self.begin = statements.replace(schema.INVOICE_COUNTERS, "name")
        self.move = statements.replace(schema.INVOICE_COUNTERS, "last")
