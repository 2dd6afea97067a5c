"""The statements about archives and the entries before them, compiled once."""

from typing import TYPE_CHECKING, final

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Text,
    bindparam,
    delete,
    func,
    literal_column,
    or_,
    select,
    union_all,
    update,
)

from monochat_billing.adapters.sql import schema

if TYPE_CHECKING:
    from monochat_billing.adapters.sql._statements import Statements


@final
class ArchiveStatements:
    """Hold the statements about archives, compiled for one database."""

    def __init__(self, statements: "Statements") -> None:
        compiled = statements.compiled
        kept, entries, invoices = schema.ARCHIVES.c, schema.ENTRIES.c, schema.INVOICES.c
        account = bindparam("account", type_=Text)
        ours = kept.account_id == account
        one: ColumnElement[int] = literal_column("1")
        self.last = compiled(
            select(schema.ARCHIVES).where(ours).order_by(kept.ordinal.desc()).limit(one)
        )
        ordinal = kept.ordinal == bindparam("ordinal", type_=BigInteger)
        self.one = compiled(select(schema.ARCHIVES).where(ours, ordinal))
        self.drop = compiled(delete(schema.ARCHIVES).where(ours, ordinal))
        self.noted = compiled(
            update(schema.ACCOUNTS)
            .where(schema.ACCOUNTS.c.id == account)
            .values(archives=bindparam("ordinal", type_=BigInteger))
        )
        mine = entries.account_id == account
        before = bindparam("before", type_=BigInteger)
        late = or_(entries.recorded_at >= before, entries.effective_at >= before)
        self.first_from = compiled(select(func.min(entries.number)).where(mine, late))
        number = bindparam("number", type_=BigInteger)
        self.recorded_at = compiled(
            select(entries.recorded_at).where(mine, entries.number == number)
        )
        self.first_recorded = compiled(
            select(func.min(entries.number)).where(
                mine, entries.recorded_at == before, entries.number <= number
            )
        )
        # What no invoice has looked through, and what that corrects, an invoice will ask for.
        through = (
            select(func.max(invoices.last_entry))
            .where(invoices.account_id == account, invoices.currency == entries.unit)
            .scalar_subquery()
        )
        ahead = select(entries.number, entries.corrects).where(mine, entries.number > through)
        open_ones = ahead.subquery()
        self.uninvoiced = compiled(
            union_all(select(func.min(open_ones.c.number)), select(func.min(open_ones.c.corrects)))
        )
        self.forget = compiled(delete(schema.ENTRIES).where(mine, entries.number <= number))
        self.count = compiled(
            select(func.count()).select_from(schema.ENTRIES).where(mine, entries.number <= number)
        )
