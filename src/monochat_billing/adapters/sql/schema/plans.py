"""The tables of plans: what an account subscribes to, and what it asked for later.

Owns subscriptions and scheduled changes.
Does not own catalogs, which are no rows.
"""

from typing import Final

from sqlalchemy import Column, Index, SmallInteger, Table, text

from monochat_billing.adapters.sql.schema._columns import (
    METADATA,
    account_of,
    identity,
    integer,
    words,
)

__all__ = ["SCHEDULE", "SUBSCRIPTIONS"]

SUBSCRIPTIONS: Final = Table(
    "billing_subscriptions",
    METADATA,
    account_of(),
    Column("id", identity(), primary_key=True),
    Column("position", SmallInteger, nullable=False),
    words("family"),
    words("state"),
    integer("period_end"),
    words("document"),
)
"""What an account subscribes to."""

SCHEDULE: Final = Table(
    "billing_scheduled_changes",
    METADATA,
    account_of(),
    Column("id", identity(), primary_key=True),
    words("state"),
    integer("requested_at"),
    words("document"),
)
"""What was asked for later, and what became of it."""

Index(
    "ix_billing_scheduled_changes_pending",
    SCHEDULE.c.account_id,
    sqlite_where=text("state = 'PENDING'"),
    postgresql_where=text("state = 'PENDING'"),
)
