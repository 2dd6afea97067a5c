"""The tables of the books: accounts, balances, lots, entries, holds, and what archives left.

Owns what an account has, and every line that led there.
Does not own what was bought with it (``plans``, ``usage``, ``messages``).
"""

from typing import Final

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Computed,
    Index,
    SmallInteger,
    Table,
    Text,
    text,
)

from monochat_billing.adapters.sql.schema._columns import (
    METADATA,
    account,
    account_of,
    identity,
    integer,
    number,
    words,
)

__all__ = ["ACCOUNTS", "ARCHIVES", "BALANCES", "ENTRIES", "HOLDS", "LOTS"]

ACCOUNTS: Final = Table(
    "billing_accounts",
    METADATA,
    Column("id", identity(), primary_key=True),
    words("zone"),
    words("currencies"),
    words("profile", nullable=True),
    integer("opened_at"),
    integer("as_of"),
    integer("next_due_at", nullable=True),
    integer("last_entry"),
    integer("last_event"),
    integer("last_usage"),
    integer("version"),
    words("watches", nullable=True),
    words("automatic", nullable=True),
    words("recurrences", nullable=True),
    words("counters", nullable=True),
    Column("archives", BigInteger, nullable=False, server_default=text("0")),
)
"""One row per account; ``version`` grows with every save, so a lost race is noticed.

``watches`` and ``automatic`` are JSON documents, NULL where nobody watches or asks for money; so
are ``recurrences``, what is granted period after period, and ``counters``, what settles by itself.
``archives`` counts the archives, so that nobody looks for what an account without them left behind.
"""

Index(
    "ix_billing_accounts_next_due",
    ACCOUNTS.c.next_due_at,
    ACCOUNTS.c.id,
    sqlite_where=text("next_due_at IS NOT NULL"),
    postgresql_where=text("next_due_at IS NOT NULL"),
)

BALANCES: Final = Table(
    "billing_balances",
    METADATA,
    account_of(),
    Column("unit", Text, primary_key=True),
    Column("position", SmallInteger, nullable=False),
    Column("scale", SmallInteger, nullable=False),
    integer("posted"),
    integer("held"),
    integer("credit_limit"),
    integer("owed"),
    words("debts"),
    words("state"),
    CheckConstraint("held >= 0 AND owed >= 0 AND credit_limit >= 0", name="held"),
    sqlite_with_rowid=False,
)
"""What an account has, per unit; ``position`` keeps the order of its currencies.

``debts`` is a JSON list of ``[entry, units]``, oldest first, and ``owed`` its sum.
"""

_OPEN: Final = "CASE WHEN remaining > 0 THEN 1 ELSE 0 END"

LOTS: Final = Table(
    "billing_lots",
    METADATA,
    account(),
    number(),
    words("unit"),
    words("origin"),
    integer("granted"),
    integer("remaining"),
    integer("granted_at"),
    integer("expires_at", nullable=True),
    words("pays_for"),
    integer("priority"),
    words("source"),
    integer("effective_at", nullable=True),
    Column("waiting", SmallInteger, nullable=False),
    integer("pinned"),
    Column("open", SmallInteger, Computed(_OPEN, persisted=True)),
    CheckConstraint("remaining >= 0 AND remaining <= granted", name="remaining"),
    CheckConstraint("pinned >= 0 AND pinned <= remaining", name="pinned"),
    sqlite_with_rowid=False,
)
"""Every lot ever granted; ``pays_for`` lists kinds of charge, empty for all.

``open`` is derived. An index of what has something remaining would change with every debit: on
PostgreSQL each would leave a dead row in two indexes. This one changes when a lot is spent.
"""

Index(
    "ix_billing_lots_open",
    LOTS.c.account_id,
    LOTS.c.number,
    sqlite_where=text("open = 1"),
    postgresql_where=text("open = 1"),
)

ENTRIES: Final = Table(
    "billing_entries",
    METADATA,
    account(),
    number(),
    words("unit"),
    Column("scale", SmallInteger, nullable=False),
    integer("amount"),
    integer("balance_after"),
    words("kind"),
    words("reason"),
    words("reference"),
    words("actor"),
    integer("effective_at"),
    integer("recorded_at"),
    words("parts"),
    integer("corrects", nullable=True),
    words("hold"),
    words("exchange", nullable=True),
    sqlite_with_rowid=False,
)
"""Every entry, in the order of its account; ``parts`` is a JSON list of ``[lot, units]``."""

Index(
    "ix_billing_entries_corrects",
    ENTRIES.c.account_id,
    ENTRIES.c.corrects,
    ENTRIES.c.number,
    sqlite_where=text("corrects IS NOT NULL"),
    postgresql_where=text("corrects IS NOT NULL"),
)
Index(
    "ix_billing_entries_recorded",
    ENTRIES.c.account_id,
    ENTRIES.c.unit,
    ENTRIES.c.recorded_at,
    ENTRIES.c.number,
)
# Few entries are effective at another instant than they were recorded. The others stand in the
# order above in either reading, so that these alone need another, and the many pay for one index.
Index(
    "ix_billing_entries_late",
    ENTRIES.c.account_id,
    ENTRIES.c.unit,
    ENTRIES.c.effective_at,
    ENTRIES.c.number,
    sqlite_where=text("effective_at != recorded_at"),
    postgresql_where=text("effective_at != recorded_at"),
)

HOLDS: Final = Table(
    "billing_holds",
    METADATA,
    account_of(),
    Column("id", identity(), primary_key=True),
    words("state"),
    integer("placed_at"),
    words("document"),
)
"""What was set aside, and what became of it."""

Index(
    "ix_billing_holds_open",
    HOLDS.c.account_id,
    sqlite_where=text("state = 'OPEN'"),
    postgresql_where=text("state = 'OPEN'"),
)

ARCHIVES: Final = Table(
    "billing_archives",
    METADATA,
    account(),
    number("ordinal"),
    integer("last_entry"),
    words("document"),
    sqlite_with_rowid=False,
)
"""What the entries that were archived left behind; the highest ordinal is what goes on from."""
