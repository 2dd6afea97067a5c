"""The tables of usage: records, counters, and what metered usage led to.

Owns what was used.
Does not own messages (``messages``), or what the usage has cost (``books``).
"""

from typing import Final

from sqlalchemy import Column, Index, SmallInteger, Table, UniqueConstraint

from monochat_billing.adapters.sql.schema._columns import (
    METADATA,
    account,
    identity,
    integer,
    number,
    words,
)

__all__ = ["COUNTERS", "METERED", "USAGE"]

USAGE: Final = Table(
    "billing_usage",
    METADATA,
    account(),
    number("ordinal"),
    Column("record_id", identity(), nullable=False),
    words("meter"),
    integer("occurred_at"),
    words("market"),
    words("category"),
    Column("billable", SmallInteger, nullable=False),
    words("reference"),
    words("unit"),
    integer("units"),
    words("card"),
    integer("entry", nullable=True),
    UniqueConstraint("account_id", "record_id"),
    sqlite_with_rowid=False,
)
"""Every billable fact that was recorded, in the order of its account."""

COUNTERS: Final = Table(
    "billing_counters",
    METADATA,
    account(),
    Column("id", identity(), primary_key=True),
    Column("bucket", identity(), nullable=False),
    words("document"),
)
"""What was used of each meter in each period; ``bucket`` is the meter and the month of its end.

Counters that settle by themselves are kept with their account until they have.
"""

Index("ix_billing_counters_bucket", COUNTERS.c.account_id, COUNTERS.c.bucket)

METERED: Final = Table(
    "billing_metered_usage",
    METADATA,
    account(),
    Column("id", identity(), primary_key=True),
    words("meter"),
    integer("occurred_at"),
    words("document"),
)
"""Every usage record of any meter, and what it led to."""

Index("ix_billing_metered_usage_at", METERED.c.account_id, METERED.c.occurred_at, METERED.c.id)
