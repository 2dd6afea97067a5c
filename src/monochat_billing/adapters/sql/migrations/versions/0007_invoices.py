"""Keep invoices, and the ordinals that their series have given out."""

import sqlalchemy as sa
from alembic import op

revision = "billing_0007"
down_revision = "billing_0006"
branch_labels = None
depends_on = None


def _identity() -> sa.types.TypeEngine[str]:
    return sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "billing_invoices",
        sa.Column("account_id", _identity(), nullable=False),
        sa.Column("ordinal", sa.BigInteger(), nullable=False),
        sa.Column("id", _identity(), nullable=False),
        sa.Column("reference", _identity(), nullable=False),
        sa.Column("number", _identity(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("corrects", _identity(), nullable=False),
        sa.Column("last_entry", sa.BigInteger(), nullable=False),
        sa.Column("issued_at", sa.BigInteger(), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("account_id", "ordinal", name="pk_billing_invoices"),
        sa.UniqueConstraint("account_id", "id", name="uq_billing_invoices_account_id_id"),
        sa.UniqueConstraint(
            "account_id", "reference", name="uq_billing_invoices_account_id_reference"
        ),
        sa.UniqueConstraint("number", name="uq_billing_invoices_number"),
    )
    op.create_index("ix_billing_invoices_corrects", "billing_invoices", ["account_id", "corrects"])
    op.create_index(
        "ix_billing_invoices_through", "billing_invoices", ["account_id", "currency", "last_entry"]
    )
    op.create_table(
        "billing_invoice_counters",
        sa.Column("name", _identity(), nullable=False),
        sa.Column("last", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_billing_invoice_counters"),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    op.drop_table("billing_invoice_counters")
    op.drop_table("billing_invoices")
