"""The tables of messages: what was sent, whose a number is, and statuses that nobody could place.

Owns messages, their monthly tallies, business numbers and set-aside statuses.
Does not own their usage records (``usage``) or entries (``books``).
"""

from typing import Final

from sqlalchemy import Column, ForeignKey, Index, SmallInteger, Table

from monochat_billing.adapters.sql.schema._columns import (
    METADATA,
    account,
    identity,
    integer,
    words,
)

__all__ = ["ASIDES", "MESSAGES", "NUMBERS", "TALLIES"]

MESSAGES: Final = Table(
    "billing_messages",
    METADATA,
    account(),
    Column("id", identity(), primary_key=True),
    words("number"),
    words("state"),
    words("market"),
    words("category", nullable=True),
    integer("at"),
    words("hold"),
    integer("share"),
    words("expected", nullable=True),
    Column("expected_free", SmallInteger, nullable=True),
    Column("free", SmallInteger, nullable=False),
    integer("provider"),
    integer("own"),
    integer("tax"),
    words("card"),
    Column("tier", SmallInteger, nullable=True),
    integer("place"),
    words("prepaid"),
    integer("entry", nullable=True),
    integer("excess", nullable=True),
)
"""What an account sent, and what became of each message; an id tells nothing of a recipient.

On SQLite its rows stand in the order of sending: ids are digests, and rows in their order would
lie on as many pages as a batch of statuses has messages.
"""

TALLIES: Final = Table(
    "billing_message_tallies",
    METADATA,
    account(),
    Column("name", identity(), primary_key=True),
    integer("messages"),
    integer("free"),
    integer("provider"),
    integer("own"),
    integer("tax"),
    sqlite_with_rowid=False,
)
"""What a month has counted, by the name of what is counted."""

NUMBERS: Final = Table(
    "billing_numbers",
    METADATA,
    Column("id", identity(), primary_key=True),
    Column("account_id", identity(), ForeignKey("billing_accounts.id"), nullable=False),
    words("zone"),
    sqlite_with_rowid=False,
)
"""Whose a business number is: the other key that does not begin with the account."""

ASIDES: Final = Table(
    "billing_set_asides",
    METADATA,
    Column("id", identity(), primary_key=True),
    Column("number", identity(), nullable=False),
    words("account_id"),
    words("reason"),
    words("detail"),
    integer("received_at"),
    words("document"),
)
"""Statuses that were neither applied nor dropped; whose they are may not be known yet."""

Index("ix_billing_set_asides_number", ASIDES.c.number, ASIDES.c.id)
