"""Find the entries of a statement, and keep what an account watches."""

import sqlalchemy as sa
from alembic import op

revision = "billing_0003"
down_revision = "billing_0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("billing_accounts", sa.Column("watches", sa.Text(), nullable=True))
    op.create_index(
        "ix_billing_entries_recorded",
        "billing_entries",
        ["account_id", "unit", "recorded_at", "number"],
        unique=False,
    )
    op.create_index(
        "ix_billing_entries_late",
        "billing_entries",
        ["account_id", "unit", "effective_at", "number"],
        unique=False,
        sqlite_where=sa.text("effective_at != recorded_at"),
        postgresql_where=sa.text("effective_at != recorded_at"),
    )
