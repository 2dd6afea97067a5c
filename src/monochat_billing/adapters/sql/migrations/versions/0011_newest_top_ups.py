"""Find an account's top-ups by the instant at which they were made."""

from alembic import op

revision = "billing_0011"
down_revision = "billing_0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(
        "ix_billing_top_ups_newest", "billing_top_ups", ["account_id", "created_at", "id"]
    )


def downgrade() -> None:
    op.drop_index("ix_billing_top_ups_newest", "billing_top_ups")
