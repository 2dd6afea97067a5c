"""Keep who consumes the outbox, and how far each has come."""

import sqlalchemy as sa
from alembic import op

revision = "billing_0008"
down_revision = "billing_0007"
branch_labels = None
depends_on = None


def _identity() -> sa.types.TypeEngine[str]:
    return sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "billing_outbox_consumers",
        sa.Column("name", _identity(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_billing_outbox_consumers"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "billing_outbox_cursors",
        sa.Column("account_id", _identity(), nullable=False),
        sa.Column("consumer", _identity(), nullable=False),
        sa.Column("acknowledged", sa.BigInteger(), nullable=False),
        sa.Column("pending", sa.SmallInteger(), nullable=False),
        sa.Column("leased_until", sa.BigInteger(), nullable=False),
        sa.Column("lease", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("account_id", "consumer", name="pk_billing_outbox_cursors"),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "ix_billing_outbox_cursors_pending",
        "billing_outbox_cursors",
        ["consumer", "leased_until", "account_id"],
        sqlite_where=sa.text("pending = 1"),
        postgresql_where=sa.text("pending = 1"),
    )


def downgrade() -> None:
    op.drop_table("billing_outbox_cursors")
    op.drop_table("billing_outbox_consumers")
