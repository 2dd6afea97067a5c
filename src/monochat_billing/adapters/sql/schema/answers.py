"""The tables of what was answered and told: keys with their results, events, and who has read them.

Owns idempotency keys, the outbox, and how far its consumers have come.
Does not own what an event or an answer says (:mod:`monochat_billing.adapters.sql.documents`).
"""

from typing import Final

from sqlalchemy import Column, Index, SmallInteger, Table, text

from monochat_billing.adapters.sql.schema._columns import (
    METADATA,
    account,
    identity,
    integer,
    number,
    words,
)

__all__ = ["CONSUMERS", "CURSORS", "KEYS", "OUTBOX"]

KEYS: Final = Table(
    "billing_keys",
    METADATA,
    account(),
    Column("key", identity(), primary_key=True),
    integer("recorded_at"),
    words("content"),
    words("outcome"),
)
"""What each idempotency key stands for, and the result that its repetitions get."""

OUTBOX: Final = Table(
    "billing_outbox",
    METADATA,
    account(),
    number(),
    words("type"),
    words("document"),
)
"""Every event, in the order of its account."""

CONSUMERS: Final = Table(
    "billing_outbox_consumers",
    METADATA,
    Column("name", identity(), primary_key=True),
    sqlite_with_rowid=False,
)
"""Who acts on events."""

CURSORS: Final = Table(
    "billing_outbox_cursors",
    METADATA,
    account(),
    Column("consumer", identity(), primary_key=True),
    integer("acknowledged"),
    Column("pending", SmallInteger, nullable=False),
    integer("leased_until"),
    words("lease"),
    sqlite_with_rowid=False,
)
"""How far each consumer has come with each account, and who is at work on it."""

Index(
    "ix_billing_outbox_cursors_pending",
    CURSORS.c.consumer,
    CURSORS.c.leased_until,
    CURSORS.c.account_id,
    sqlite_where=text("pending = 1"),
    postgresql_where=text("pending = 1"),
)
