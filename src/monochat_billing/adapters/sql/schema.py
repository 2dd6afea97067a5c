"""The tables: what is a column, what is a document, and what exists once.

Owns names, types, keys, checks and indexes; the migrations build exactly this.
Does not own what a document holds (:mod:`monochat_billing.adapters.sql.documents`).

* Amounts are signed 64-bit integers in the smallest unit of their balance.
* Instants are signed 64-bit integers: microseconds since 1970-01-01T00:00Z. Exact, sortable, the
  same on every database, and without a session's time zone.
* Every unique key begins with the account, so that an account can live on one shard. The
  exceptions answer whose something is: a gateway's reference, a business number, and what was set
  aside because nobody knew; and the numbers of invoices, which the seller gives out without gaps.
* What no query looks into is a JSON document in a text column.
* Foreign keys guard the small tables. The tables that grow with every command have none: their
  rows are written together with the account's own row, which guards them by its version.
"""

from typing import Final

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    MetaData,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.types import TypeEngine

__all__ = [
    "ACCOUNTS",
    "ARCHIVES",
    "ASIDES",
    "BALANCES",
    "CONSUMERS",
    "COUNTERS",
    "CURSORS",
    "ENTRIES",
    "HEAD",
    "HOLDS",
    "INVOICES",
    "INVOICE_COUNTERS",
    "KEYS",
    "LOTS",
    "MESSAGES",
    "METADATA",
    "METERED",
    "NUMBERS",
    "OUTBOX",
    "ROUTES",
    "SCHEDULE",
    "SUBSCRIPTIONS",
    "TALLIES",
    "TOP_UPS",
    "UNSETTLED_STATES",
    "USAGE",
    "VERSION_TABLE",
]

HEAD: Final = "billing_0009"
"""The schema version that this library reads and writes."""

VERSION_TABLE: Final = "billing_schema_version"
"""Where Alembic notes the version, unless the migrations are part of the host's own."""

METADATA: Final = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    }
)
"""Every table of the library, for tools that compare or create schemas."""


def _identity() -> TypeEngine[str]:
    """Sort and compare ids by code point, on every database and under every locale."""
    return Text().with_variant(Text(collation="C"), "postgresql")


def _account() -> "Column[str]":
    return Column("account_id", _identity(), primary_key=True)


def _account_of() -> "Column[str]":
    return Column("account_id", _identity(), ForeignKey("billing_accounts.id"), primary_key=True)


def _number(name: str = "number") -> "Column[int]":
    return Column(name, BigInteger, primary_key=True, autoincrement=False)


def _integer(name: str, *, nullable: bool = False) -> "Column[int]":
    return Column(name, BigInteger, nullable=nullable)


def _text(name: str, *, nullable: bool = False) -> "Column[str]":
    return Column(name, Text, nullable=nullable)


ACCOUNTS: Final = Table(
    "billing_accounts",
    METADATA,
    Column("id", _identity(), primary_key=True),
    _text("zone"),
    _text("currencies"),
    _text("profile", nullable=True),
    _integer("opened_at"),
    _integer("as_of"),
    _integer("next_due_at", nullable=True),
    _integer("last_entry"),
    _integer("last_event"),
    _integer("last_usage"),
    _integer("version"),
    _text("watches", nullable=True),
    _text("automatic", nullable=True),
    _text("recurrences", nullable=True),
    _text("counters", nullable=True),
)
"""One row per account; ``version`` grows with every save, so a lost race is noticed.

``watches`` and ``automatic`` are JSON documents, NULL where nobody watches or asks for money; so
are ``recurrences``, what is granted period after period, and ``counters``, what settles by itself.
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
    _account_of(),
    Column("unit", Text, primary_key=True),
    Column("position", SmallInteger, nullable=False),
    Column("scale", SmallInteger, nullable=False),
    _integer("posted"),
    _integer("held"),
    _integer("credit_limit"),
    _integer("owed"),
    _text("debts"),
    _text("state"),
    CheckConstraint("held >= 0 AND owed >= 0 AND credit_limit >= 0", name="held"),
    sqlite_with_rowid=False,
)
"""What an account has, per unit; ``position`` keeps the order of its currencies.

``debts`` is a JSON list of ``[entry, units]``, oldest first, and ``owed`` its sum.
"""

LOTS: Final = Table(
    "billing_lots",
    METADATA,
    _account(),
    _number(),
    _text("unit"),
    _text("origin"),
    _integer("granted"),
    _integer("remaining"),
    _integer("granted_at"),
    _integer("expires_at", nullable=True),
    _text("pays_for"),
    _integer("priority"),
    _text("source"),
    _integer("effective_at", nullable=True),
    Column("waiting", SmallInteger, nullable=False),
    _integer("pinned"),
    CheckConstraint("remaining >= 0 AND remaining <= granted", name="remaining"),
    CheckConstraint("pinned >= 0 AND pinned <= remaining", name="pinned"),
    sqlite_with_rowid=False,
)
"""Every lot ever granted; ``pays_for`` lists kinds of charge, empty for all."""

Index(
    "ix_billing_lots_open",
    LOTS.c.account_id,
    LOTS.c.number,
    sqlite_where=text("remaining > 0"),
    postgresql_where=text("remaining > 0"),
)

ENTRIES: Final = Table(
    "billing_entries",
    METADATA,
    _account(),
    _number(),
    _text("unit"),
    Column("scale", SmallInteger, nullable=False),
    _integer("amount"),
    _integer("balance_after"),
    _text("kind"),
    _text("reason"),
    _text("reference"),
    _text("actor"),
    _integer("effective_at"),
    _integer("recorded_at"),
    _text("parts"),
    _integer("corrects", nullable=True),
    _text("hold"),
    _text("exchange", nullable=True),
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

SUBSCRIPTIONS: Final = Table(
    "billing_subscriptions",
    METADATA,
    _account_of(),
    Column("id", _identity(), primary_key=True),
    Column("position", SmallInteger, nullable=False),
    _text("family"),
    _text("state"),
    _integer("period_end"),
    _text("document"),
)
"""What an account subscribes to."""

SCHEDULE: Final = Table(
    "billing_scheduled_changes",
    METADATA,
    _account_of(),
    Column("id", _identity(), primary_key=True),
    _text("state"),
    _integer("requested_at"),
    _text("document"),
)
"""What was asked for later, and what became of it."""

Index(
    "ix_billing_scheduled_changes_pending",
    SCHEDULE.c.account_id,
    sqlite_where=text("state = 'PENDING'"),
    postgresql_where=text("state = 'PENDING'"),
)

HOLDS: Final = Table(
    "billing_holds",
    METADATA,
    _account_of(),
    Column("id", _identity(), primary_key=True),
    _text("state"),
    _integer("placed_at"),
    _text("document"),
)
"""What was set aside, and what became of it."""

Index(
    "ix_billing_holds_open",
    HOLDS.c.account_id,
    sqlite_where=text("state = 'OPEN'"),
    postgresql_where=text("state = 'OPEN'"),
)

TOP_UPS: Final = Table(
    "billing_top_ups",
    METADATA,
    _account_of(),
    Column("id", _identity(), primary_key=True),
    _text("gateway"),
    _text("state"),
    _integer("created_at"),
    _text("document"),
)
"""Every intent to add money, and what became of it."""

UNSETTLED_STATES: Final = "state IN ('CREATED', 'FAILED', 'OPEN', 'PENDING', 'REFUNDING')"
"""What a sweep still asks about, in the words of its index: the query has to repeat them."""

Index(
    "ix_billing_top_ups_unsettled",
    TOP_UPS.c.gateway,
    TOP_UPS.c.account_id,
    TOP_UPS.c.id,
    sqlite_where=text(UNSETTLED_STATES),
    postgresql_where=text(UNSETTLED_STATES),
)

ROUTES: Final = Table(
    "billing_top_up_routes",
    METADATA,
    Column("gateway", _identity(), primary_key=True),
    Column("reference", _identity(), primary_key=True),
    Column("account_id", _identity(), ForeignKey("billing_accounts.id"), nullable=False),
    sqlite_with_rowid=False,
)
"""Whose a gateway's reference is: the one key that does not begin with the account."""

USAGE: Final = Table(
    "billing_usage",
    METADATA,
    _account(),
    _number("ordinal"),
    Column("record_id", _identity(), nullable=False),
    _text("meter"),
    _integer("occurred_at"),
    _text("market"),
    _text("category"),
    Column("billable", SmallInteger, nullable=False),
    _text("reference"),
    _text("unit"),
    _integer("units"),
    _text("card"),
    _integer("entry", nullable=True),
    UniqueConstraint("account_id", "record_id"),
    sqlite_with_rowid=False,
)
"""Every billable fact that was recorded, in the order of its account."""

COUNTERS: Final = Table(
    "billing_counters",
    METADATA,
    _account(),
    Column("id", _identity(), primary_key=True),
    Column("bucket", _identity(), nullable=False),
    _text("document"),
)
"""What was used of each meter in each period; ``bucket`` is the meter and the month of its end.

Counters that settle by themselves are kept with their account until they have.
"""

Index("ix_billing_counters_bucket", COUNTERS.c.account_id, COUNTERS.c.bucket)

METERED: Final = Table(
    "billing_metered_usage",
    METADATA,
    _account(),
    Column("id", _identity(), primary_key=True),
    _text("meter"),
    _integer("occurred_at"),
    _text("document"),
)
"""Every usage record of any meter, and what it led to."""

Index("ix_billing_metered_usage_at", METERED.c.account_id, METERED.c.occurred_at, METERED.c.id)

KEYS: Final = Table(
    "billing_keys",
    METADATA,
    _account(),
    Column("key", _identity(), primary_key=True),
    _integer("recorded_at"),
    _text("content"),
    _text("outcome"),
)
"""What each idempotency key stands for, and the result that its repetitions get."""

OUTBOX: Final = Table(
    "billing_outbox",
    METADATA,
    _account(),
    _number(),
    _text("type"),
    _text("document"),
)
"""Every event, in the order of its account."""

MESSAGES: Final = Table(
    "billing_messages",
    METADATA,
    _account(),
    Column("id", _identity(), primary_key=True),
    _text("number"),
    _text("state"),
    _text("market"),
    _text("category", nullable=True),
    _integer("at"),
    _text("hold"),
    _integer("share"),
    _text("expected", nullable=True),
    Column("expected_free", SmallInteger, nullable=True),
    Column("free", SmallInteger, nullable=False),
    _integer("provider"),
    _integer("own"),
    _integer("tax"),
    _text("card"),
    Column("tier", SmallInteger, nullable=True),
    _integer("place"),
    _text("prepaid"),
    _integer("entry", nullable=True),
    _integer("excess", nullable=True),
)
"""What an account sent, and what became of each message; an id tells nothing of a recipient.

On SQLite its rows stand in the order of sending: ids are digests, and rows in their order would
lie on as many pages as a batch of statuses has messages.
"""

TALLIES: Final = Table(
    "billing_message_tallies",
    METADATA,
    _account(),
    Column("name", _identity(), primary_key=True),
    _integer("messages"),
    _integer("free"),
    _integer("provider"),
    _integer("own"),
    _integer("tax"),
    sqlite_with_rowid=False,
)
"""What a month has counted, by the name of what is counted."""

NUMBERS: Final = Table(
    "billing_numbers",
    METADATA,
    Column("id", _identity(), primary_key=True),
    Column("account_id", _identity(), ForeignKey("billing_accounts.id"), nullable=False),
    _text("zone"),
    sqlite_with_rowid=False,
)
"""Whose a business number is: the other key that does not begin with the account."""

ASIDES: Final = Table(
    "billing_set_asides",
    METADATA,
    Column("id", _identity(), primary_key=True),
    Column("number", _identity(), nullable=False),
    _text("account_id"),
    _text("reason"),
    _text("detail"),
    _integer("received_at"),
    _text("document"),
)
"""Statuses that were neither applied nor dropped; whose they are may not be known yet."""

Index("ix_billing_set_asides_number", ASIDES.c.number, ASIDES.c.id)

INVOICES: Final = Table(
    "billing_invoices",
    METADATA,
    _account(),
    _number("ordinal"),
    Column("id", _identity(), nullable=False),
    Column("reference", _identity(), nullable=False),
    Column("number", _identity(), nullable=False, unique=True),
    _text("currency"),
    Column("corrects", _identity(), nullable=False),
    _integer("last_entry"),
    _integer("issued_at"),
    _text("document"),
    UniqueConstraint("account_id", "id"),
    UniqueConstraint("account_id", "reference"),
)
"""Every invoice and credit note, in the order of its account; a number exists once for all."""

Index("ix_billing_invoices_corrects", INVOICES.c.account_id, INVOICES.c.corrects)
Index(
    "ix_billing_invoices_through", INVOICES.c.account_id, INVOICES.c.currency, INVOICES.c.last_entry
)

INVOICE_COUNTERS: Final = Table(
    "billing_invoice_counters",
    METADATA,
    Column("name", _identity(), primary_key=True),
    _integer("last"),
    sqlite_with_rowid=False,
)
"""The ordinal that each series gave out last in a year; whoever issues holds its row."""

CONSUMERS: Final = Table(
    "billing_outbox_consumers",
    METADATA,
    Column("name", _identity(), primary_key=True),
    sqlite_with_rowid=False,
)
"""Who acts on events."""

CURSORS: Final = Table(
    "billing_outbox_cursors",
    METADATA,
    _account(),
    Column("consumer", _identity(), primary_key=True),
    _integer("acknowledged"),
    Column("pending", SmallInteger, nullable=False),
    _integer("leased_until"),
    _text("lease"),
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

ARCHIVES: Final = Table(
    "billing_archives",
    METADATA,
    _account(),
    _number("ordinal"),
    _integer("last_entry"),
    _text("document"),
    sqlite_with_rowid=False,
)
"""What the entries that were archived left behind; the highest ordinal is what goes on from."""
