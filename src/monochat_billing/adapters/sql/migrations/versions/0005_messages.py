"""Keep messages, what a month has counted, business numbers, and statuses that were set aside."""

import sqlalchemy as sa
from alembic import op

revision = "billing_0005"
down_revision = "billing_0004"
branch_labels = None
depends_on = None


def _identity() -> sa.types.TypeEngine[str]:
    return sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def _text(name: str, *, nullable: bool = False) -> "sa.Column[str]":
    return sa.Column(name, sa.Text(), nullable=nullable)


def _integer(name: str, *, nullable: bool = False) -> "sa.Column[int]":
    return sa.Column(name, sa.BigInteger(), nullable=nullable)


def _small(name: str, *, nullable: bool = False) -> "sa.Column[int]":
    return sa.Column(name, sa.SmallInteger(), nullable=nullable)


def upgrade() -> None:
    op.create_table(
        "billing_messages",
        sa.Column("account_id", _identity(), nullable=False),
        sa.Column("id", _identity(), nullable=False),
        _text("number"),
        _text("state"),
        _text("market"),
        _text("category", nullable=True),
        _integer("at"),
        _text("hold"),
        _integer("share"),
        _text("expected", nullable=True),
        _small("expected_free", nullable=True),
        _small("free"),
        _integer("provider"),
        _integer("own"),
        _integer("tax"),
        _text("card"),
        _small("tier", nullable=True),
        _integer("place"),
        _text("prepaid"),
        _integer("entry", nullable=True),
        _integer("excess", nullable=True),
        sa.PrimaryKeyConstraint("account_id", "id", name="pk_billing_messages"),
    )
    op.create_table(
        "billing_message_tallies",
        sa.Column("account_id", _identity(), nullable=False),
        sa.Column("name", _identity(), nullable=False),
        _integer("messages"),
        _integer("free"),
        _integer("provider"),
        _integer("own"),
        _integer("tax"),
        sa.PrimaryKeyConstraint("account_id", "name", name="pk_billing_message_tallies"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "billing_numbers",
        sa.Column("id", _identity(), nullable=False),
        sa.Column("account_id", _identity(), nullable=False),
        _text("zone"),
        sa.ForeignKeyConstraint(
            ["account_id"], ["billing_accounts.id"], name="fk_billing_numbers_account_id"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_billing_numbers"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "billing_set_asides",
        sa.Column("id", _identity(), nullable=False),
        sa.Column("number", _identity(), nullable=False),
        _text("account_id"),
        _text("reason"),
        _text("detail"),
        _integer("received_at"),
        _text("document"),
        sa.PrimaryKeyConstraint("id", name="pk_billing_set_asides"),
    )
    op.create_index(
        "ix_billing_set_asides_number", "billing_set_asides", ["number", "id"], unique=False
    )
