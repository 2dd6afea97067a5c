"""Statements about who consumes the outbox, compiled beside the others."""

from typing import TYPE_CHECKING, final

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    SmallInteger,
    Text,
    bindparam,
    delete,
    literal_column,
    select,
    update,
)

from monochat_billing.adapters.sql import schema

if TYPE_CHECKING:
    from monochat_billing.adapters.sql._statements import Statements


@final
class OutboxStatements:
    """Hold the statements about consumers, compiled for one database."""

    def __init__(self, statements: "Statements") -> None:
        compiled, copy = statements.compiled, statements.shapes.copy
        names, cursors = schema.CONSUMERS.c, schema.CURSORS.c
        accounts = schema.ACCOUNTS.c
        zero = literal_column("0", BigInteger)
        one: ColumnElement[int] = literal_column("1", SmallInteger)
        off: ColumnElement[int] = literal_column("0", SmallInteger)
        nobody: ColumnElement[str] = literal_column("''", Text)
        consumer = bindparam("consumer", type_=Text)
        mine = (cursors.consumer == consumer, cursors.account_id == bindparam("account"))
        self.add = statements.replace(schema.CONSUMERS, "name")
        self.names = compiled(select(names.name).order_by(names.name))
        self.drop = compiled(delete(schema.CONSUMERS).where(names.name == consumer))
        self.drop_cursors = compiled(delete(schema.CURSORS).where(cursors.consumer == consumer))
        # What is there when a consumer comes: ahead of it, or behind it.
        everything = select(accounts.id, consumer, zero, one, zero, nobody)
        self.begin = compiled(
            copy(schema.CURSORS, everything.where(accounts.last_event > zero), ())
        )
        nothing = select(accounts.id, consumer, accounts.last_event, off, zero, nobody)
        self.begin_now = compiled(
            copy(schema.CURSORS, nothing.where(accounts.last_event > zero), ())
        )
        more = select(bindparam("account", type_=Text), names.name, zero, one, zero, nobody)
        self.tell = compiled(copy(schema.CURSORS, more.where(names.name != nobody), ("pending",)))
        self.free = compiled(
            select(cursors.account_id, cursors.acknowledged)
            .where(
                cursors.consumer == consumer,
                cursors.pending == one,
                cursors.leased_until <= bindparam("now", type_=BigInteger),
            )
            .order_by(cursors.leased_until, cursors.account_id)
            .limit(bindparam("limit", type_=BigInteger))
            .with_for_update(skip_locked=True)
        )
        self.lease = compiled(
            update(schema.CURSORS)
            .where(*mine)
            .values(leased_until=bindparam("until", type_=BigInteger), lease=bindparam("leased"))
        )
        self.cursor = compiled(select(schema.CURSORS).where(*mine).with_for_update())
        self.move = statements.replace(
            schema.CURSORS, "acknowledged", "pending", "leased_until", "lease"
        )
