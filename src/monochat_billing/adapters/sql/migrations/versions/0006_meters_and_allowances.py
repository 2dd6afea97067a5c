"""Keep what recurs, counters of meters, and usage records of any meter."""

import sqlalchemy as sa
from alembic import op

revision = "billing_0006"
down_revision = "billing_0005"
branch_labels = None
depends_on = None


def _identity() -> sa.types.TypeEngine[str]:
    return sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    op.add_column("billing_accounts", sa.Column("recurrences", sa.Text(), nullable=True))
    op.add_column("billing_accounts", sa.Column("counters", sa.Text(), nullable=True))
    op.create_table(
        "billing_counters",
        sa.Column("account_id", _identity(), nullable=False),
        sa.Column("id", _identity(), nullable=False),
        sa.Column("bucket", _identity(), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("account_id", "id", name="pk_billing_counters"),
    )
    op.create_index(
        "ix_billing_counters_bucket", "billing_counters", ["account_id", "bucket"], unique=False
    )
    op.create_table(
        "billing_metered_usage",
        sa.Column("account_id", _identity(), nullable=False),
        sa.Column("id", _identity(), nullable=False),
        sa.Column("meter", sa.Text(), nullable=False),
        sa.Column("occurred_at", sa.BigInteger(), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("account_id", "id", name="pk_billing_metered_usage"),
    )
    op.create_index(
        "ix_billing_metered_usage_at",
        "billing_metered_usage",
        ["account_id", "occurred_at", "id"],
        unique=False,
    )
