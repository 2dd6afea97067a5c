"""Note with each account how many archives it has, so that who has none is not asked about them."""

import sqlalchemy as sa
from alembic import op

revision = "billing_0010"
down_revision = "billing_0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "billing_accounts",
        sa.Column("archives", sa.BigInteger(), nullable=False, server_default=sa.text("0")),
    )
    op.execute(
        "UPDATE billing_accounts SET archives = "
        "(SELECT max(ordinal) FROM billing_archives WHERE account_id = billing_accounts.id) "
        "WHERE id IN (SELECT account_id FROM billing_archives)"
    )


def downgrade() -> None:
    op.drop_column("billing_accounts", "archives")
