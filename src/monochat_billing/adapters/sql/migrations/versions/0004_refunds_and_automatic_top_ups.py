"""Sweep refunds that are under way, and keep when an account asks to be topped up."""

import sqlalchemy as sa
from alembic import op

revision = "billing_0004"
down_revision = "billing_0003"
branch_labels = None
depends_on = None

UNSETTLED = "state IN ('CREATED', 'FAILED', 'OPEN', 'PENDING', 'REFUNDING')"


def upgrade() -> None:
    op.add_column("billing_accounts", sa.Column("automatic", sa.Text(), nullable=True))
    op.drop_index("ix_billing_top_ups_unsettled", "billing_top_ups")
    op.create_index(
        "ix_billing_top_ups_unsettled",
        "billing_top_ups",
        ["gateway", "account_id", "id"],
        unique=False,
        sqlite_where=sa.text(UNSETTLED),
        postgresql_where=sa.text(UNSETTLED),
    )
