"""The tables: what is a column, what is a document, and what exists once.

Owns names, types, keys, checks and indexes, one room per subject; migrations build exactly this.
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

from monochat_billing.adapters.sql.schema._columns import METADATA, stored
from monochat_billing.adapters.sql.schema.answers import CONSUMERS, CURSORS, KEYS, OUTBOX
from monochat_billing.adapters.sql.schema.books import (
    ACCOUNTS,
    ARCHIVES,
    BALANCES,
    ENTRIES,
    HOLDS,
    LOTS,
)
from monochat_billing.adapters.sql.schema.messages import ASIDES, MESSAGES, NUMBERS, TALLIES
from monochat_billing.adapters.sql.schema.payments import (
    INVOICE_COUNTERS,
    INVOICES,
    ROUTES,
    TOP_UPS,
    UNSETTLED_STATES,
)
from monochat_billing.adapters.sql.schema.plans import SCHEDULE, SUBSCRIPTIONS
from monochat_billing.adapters.sql.schema.usage import COUNTERS, METERED, USAGE

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
    "stored",
]

HEAD: Final = "billing_0012"
"""The schema version that this library reads and writes."""

VERSION_TABLE: Final = "billing_schema_version"
"""Where Alembic notes the version, unless the migrations are part of the host's own."""
