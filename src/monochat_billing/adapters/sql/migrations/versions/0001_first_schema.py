"""Build the first schema."""

import sqlalchemy as sa
from alembic import op

revision = "billing_0001"
down_revision = None
branch_labels: tuple[str, ...] = ("monochat_billing",)
depends_on = None


def _identity() -> sa.types.TypeEngine[str]:
    return sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "billing_accounts",
        sa.Column("id", _identity(), nullable=False),
        sa.Column("zone", sa.Text(), nullable=False),
        sa.Column("currencies", sa.Text(), nullable=False),
        sa.Column("profile", sa.Text(), nullable=True),
        sa.Column("opened_at", sa.BigInteger(), nullable=False),
        sa.Column("as_of", sa.BigInteger(), nullable=False),
        sa.Column("next_due_at", sa.BigInteger(), nullable=True),
        sa.Column("last_entry", sa.BigInteger(), nullable=False),
        sa.Column("last_event", sa.BigInteger(), nullable=False),
        sa.Column("last_usage", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_billing_accounts")),
    )
    op.create_index(
        "ix_billing_accounts_next_due",
        "billing_accounts",
        ["next_due_at", "id"],
        unique=False,
        sqlite_where=sa.text("next_due_at IS NOT NULL"),
        postgresql_where=sa.text("next_due_at IS NOT NULL"),
    )
    op.create_table(
        "billing_entries",
        sa.Column("account_id", _identity(), nullable=False),
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("unit", sa.Text(), nullable=False),
        sa.Column("scale", sa.SmallInteger(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("balance_after", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("reference", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("effective_at", sa.BigInteger(), nullable=False),
        sa.Column("recorded_at", sa.BigInteger(), nullable=False),
        sa.Column("parts", sa.Text(), nullable=False),
        sa.Column("corrects", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("account_id", "number", name=op.f("pk_billing_entries")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "billing_keys",
        sa.Column("account_id", _identity(), nullable=False),
        sa.Column("key", _identity(), nullable=False),
        sa.Column("recorded_at", sa.BigInteger(), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("account_id", "key", name=op.f("pk_billing_keys")),
    )
    op.create_table(
        "billing_lots",
        sa.Column("account_id", _identity(), nullable=False),
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("unit", sa.Text(), nullable=False),
        sa.Column("origin", sa.Text(), nullable=False),
        sa.Column("granted", sa.BigInteger(), nullable=False),
        sa.Column("remaining", sa.BigInteger(), nullable=False),
        sa.Column("granted_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=True),
        sa.Column("pays_for", sa.Text(), nullable=False),
        sa.Column("priority", sa.BigInteger(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "remaining >= 0 AND remaining <= granted", name=op.f("ck_billing_lots_remaining")
        ),
        sa.PrimaryKeyConstraint("account_id", "number", name=op.f("pk_billing_lots")),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "ix_billing_lots_open",
        "billing_lots",
        ["account_id", "number"],
        unique=False,
        sqlite_where=sa.text("remaining > 0"),
        postgresql_where=sa.text("remaining > 0"),
    )
    op.create_table(
        "billing_outbox",
        sa.Column("account_id", _identity(), nullable=False),
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("account_id", "number", name=op.f("pk_billing_outbox")),
    )
    op.create_table(
        "billing_usage",
        sa.Column("account_id", _identity(), nullable=False),
        sa.Column("ordinal", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("record_id", _identity(), nullable=False),
        sa.Column("meter", sa.Text(), nullable=False),
        sa.Column("occurred_at", sa.BigInteger(), nullable=False),
        sa.Column("market", sa.Text(), nullable=False),
        sa.Column("category", sa.Text(), nullable=False),
        sa.Column("billable", sa.SmallInteger(), nullable=False),
        sa.Column("reference", sa.Text(), nullable=False),
        sa.Column("unit", sa.Text(), nullable=False),
        sa.Column("units", sa.BigInteger(), nullable=False),
        sa.Column("card", sa.Text(), nullable=False),
        sa.Column("entry", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("account_id", "ordinal", name=op.f("pk_billing_usage")),
        sa.UniqueConstraint(
            "account_id", "record_id", name=op.f("uq_billing_usage_account_id_record_id")
        ),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "billing_balances",
        sa.Column("account_id", _identity(), nullable=False),
        sa.Column("unit", sa.Text(), nullable=False),
        sa.Column("position", sa.SmallInteger(), nullable=False),
        sa.Column("scale", sa.SmallInteger(), nullable=False),
        sa.Column("posted", sa.BigInteger(), nullable=False),
        sa.Column("held", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("held >= 0 AND held <= posted", name=op.f("ck_billing_balances_held")),
        sa.ForeignKeyConstraint(
            ["account_id"], ["billing_accounts.id"], name=op.f("fk_billing_balances_account_id")
        ),
        sa.PrimaryKeyConstraint("account_id", "unit", name=op.f("pk_billing_balances")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "billing_scheduled_changes",
        sa.Column("account_id", _identity(), nullable=False),
        sa.Column("id", _identity(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("requested_at", sa.BigInteger(), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"],
            ["billing_accounts.id"],
            name=op.f("fk_billing_scheduled_changes_account_id"),
        ),
        sa.PrimaryKeyConstraint("account_id", "id", name=op.f("pk_billing_scheduled_changes")),
    )
    op.create_index(
        "ix_billing_scheduled_changes_pending",
        "billing_scheduled_changes",
        ["account_id"],
        unique=False,
        sqlite_where=sa.text("state = 'PENDING'"),
        postgresql_where=sa.text("state = 'PENDING'"),
    )
    op.create_table(
        "billing_subscriptions",
        sa.Column("account_id", _identity(), nullable=False),
        sa.Column("id", _identity(), nullable=False),
        sa.Column("position", sa.SmallInteger(), nullable=False),
        sa.Column("family", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("period_end", sa.BigInteger(), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"],
            ["billing_accounts.id"],
            name=op.f("fk_billing_subscriptions_account_id"),
        ),
        sa.PrimaryKeyConstraint("account_id", "id", name=op.f("pk_billing_subscriptions")),
    )
    op.create_table(
        "billing_top_up_routes",
        sa.Column("gateway", _identity(), nullable=False),
        sa.Column("reference", _identity(), nullable=False),
        sa.Column("account_id", _identity(), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"],
            ["billing_accounts.id"],
            name=op.f("fk_billing_top_up_routes_account_id"),
        ),
        sa.PrimaryKeyConstraint("gateway", "reference", name=op.f("pk_billing_top_up_routes")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "billing_top_ups",
        sa.Column("account_id", _identity(), nullable=False),
        sa.Column("id", _identity(), nullable=False),
        sa.Column("gateway", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["billing_accounts.id"], name=op.f("fk_billing_top_ups_account_id")
        ),
        sa.PrimaryKeyConstraint("account_id", "id", name=op.f("pk_billing_top_ups")),
    )
    op.create_index(
        "ix_billing_top_ups_unsettled",
        "billing_top_ups",
        ["gateway", "account_id", "id"],
        unique=False,
        sqlite_where=sa.text("state IN ('CREATED', 'FAILED', 'OPEN', 'PENDING')"),
        postgresql_where=sa.text("state IN ('CREATED', 'FAILED', 'OPEN', 'PENDING')"),
    )
