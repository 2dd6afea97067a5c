"""Statements about messages, compiled beside the others."""

from typing import TYPE_CHECKING, final

from sqlalchemy import BigInteger, Table, and_, bindparam, delete, select

from monochat_billing.adapters.sql import schema

if TYPE_CHECKING:
    from monochat_billing.adapters.sql._statements import Statements


def _names(table: Table) -> list[str]:
    return [column.name for column in table.columns]


@final
class MessageStatements:
    """Hold the statements about messages, compiled for one database."""

    def __init__(self, statements: "Statements") -> None:
        s, compiled, replaced = schema, statements.compiled, statements.replace
        self.asked_messages = statements.of_pairs(s.MESSAGES, s.MESSAGES.c.id)
        self.asked_tallies = statements.of_pairs(s.TALLIES, s.TALLIES.c.name)
        own = {"account_id", "id", "name"}
        self.replace_messages = replaced(
            s.MESSAGES, *(name for name in _names(s.MESSAGES) if name not in own)
        )
        self.replace_tallies = replaced(
            s.TALLIES, *(name for name in _names(s.TALLIES) if name not in own)
        )
        self.replace_numbers = replaced(s.NUMBERS, "account_id", "zone")
        # What was set aside first stays as it is: only the id is written again.
        self.keep_asides = replaced(s.ASIDES, "id")
        self.drop_asides = compiled(delete(s.ASIDES).where(s.ASIDES.c.id == bindparam("settled")))
        limit = bindparam("limit", type_=BigInteger)
        messages, tallies, asides = s.MESSAGES.c, s.TALLIES.c, s.ASIDES.c
        self.messages = compiled(
            select(s.MESSAGES)
            .where(messages.account_id == bindparam("account"), messages.id > bindparam("after"))
            .order_by(messages.id)
            .limit(limit)
        )
        self.tallies = compiled(
            select(s.TALLIES)
            .where(
                and_(
                    tallies.account_id == bindparam("account"),
                    tallies.name >= bindparam("first"),
                    tallies.name < bindparam("last"),
                )
            )
            .order_by(tallies.name)
        )
        self.numbers = compiled(select(s.NUMBERS).where(statements.shapes.among(s.NUMBERS.c.id)))
        page = select(s.ASIDES).where(asides.id > bindparam("after"))
        self.asides = compiled(page.order_by(asides.id).limit(limit))
        self.asides_of = compiled(
            page.where(asides.number == bindparam("number")).order_by(asides.id).limit(limit)
        )
