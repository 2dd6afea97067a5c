"""The tables of money that comes in and is invoiced: top-ups, whose they are, and invoices.

Owns intents, their routes, invoices and the counters of their series.
Does not own what a payment has credited (``books``).
"""

from typing import Final

from sqlalchemy import Column, ForeignKey, Index, Table, UniqueConstraint, text

from monochat_billing.adapters.sql.schema._columns import (
    METADATA,
    account,
    account_of,
    identity,
    integer,
    number,
    words,
)

__all__ = ["INVOICES", "INVOICE_COUNTERS", "ROUTES", "TOP_UPS", "UNSETTLED_STATES"]

TOP_UPS: Final = Table(
    "billing_top_ups",
    METADATA,
    account_of(),
    Column("id", identity(), primary_key=True),
    words("gateway"),
    words("state"),
    integer("created_at"),
    words("document"),
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

Index("ix_billing_top_ups_newest", TOP_UPS.c.account_id, TOP_UPS.c.created_at, TOP_UPS.c.id)

ROUTES: Final = Table(
    "billing_top_up_routes",
    METADATA,
    Column("gateway", identity(), primary_key=True),
    Column("reference", identity(), primary_key=True),
    Column("account_id", identity(), ForeignKey("billing_accounts.id"), nullable=False),
    sqlite_with_rowid=False,
)
"""Whose a gateway's reference is: the one key that does not begin with the account."""

INVOICES: Final = Table(
    "billing_invoices",
    METADATA,
    account(),
    number("ordinal"),
    Column("id", identity(), nullable=False),
    Column("reference", identity(), nullable=False),
    Column("number", identity(), nullable=False, unique=True),
    words("currency"),
    Column("corrects", identity(), nullable=False),
    integer("last_entry"),
    integer("issued_at"),
    words("document"),
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
    Column("name", identity(), primary_key=True),
    integer("last"),
    sqlite_with_rowid=False,
)
"""The ordinal that each series gave out last in a year; whoever issues holds its row."""
