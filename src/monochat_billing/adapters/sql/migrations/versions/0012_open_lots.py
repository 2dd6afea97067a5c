"""Find open lots by what does not change with every debit."""

import sqlalchemy as sa
from alembic import op

revision = "billing_0012"
down_revision = "billing_0011"
branch_labels = None
depends_on = None

_INDEX = "ix_billing_lots_open"
_OPEN = "CASE WHEN remaining > 0 THEN 1 ELSE 0 END"
_COLUMNS = (
    "account_id, number, unit, origin, granted, remaining, granted_at, expires_at, pays_for, "
    "priority, source, effective_at, waiting, pinned"
)

_OF_THE_HOSTS = (
    "SELECT sql FROM sqlite_master "
    "WHERE tbl_name = 'billing_lots' AND type IN ('index', 'trigger') AND sql IS NOT NULL"
)


def _identity() -> sa.types.TypeEngine[str]:
    return sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def _open() -> "sa.Column[int]":
    return sa.Column("open", sa.SmallInteger(), sa.Computed(_OPEN, persisted=True))


def upgrade() -> None:
    op.drop_index(_INDEX, "billing_lots")
    if op.get_bind().dialect.name == "sqlite":
        _rebuild(_open())
    else:
        op.add_column("billing_lots", _open())
    _create_index("open = 1")


def downgrade() -> None:
    op.drop_index(_INDEX, "billing_lots")
    if op.get_bind().dialect.name == "sqlite":
        _rebuild()
    else:
        op.drop_column("billing_lots", "open")
    _create_index("remaining > 0")


def _rebuild(*more: "sa.Column[int]") -> None:
    """Copy the table: SQLite adds no derived column that is kept.

    A host may have views, triggers and indexes of its own. What reads the table goes on reading the
    one of this name, which the old way of renaming leaves alone; what belongs to it is made anew.
    """
    connection = op.get_bind()
    of_the_hosts = list(connection.scalars(sa.text(_OF_THE_HOSTS)))
    (renaming,) = connection.scalars(sa.text("PRAGMA legacy_alter_table"))
    op.execute("PRAGMA legacy_alter_table = ON")
    try:
        op.rename_table("billing_lots", "billing_lots_before")
    finally:
        op.execute(f"PRAGMA legacy_alter_table = {renaming}")
    _create_table(*more)
    op.execute(
        f"INSERT INTO billing_lots ({_COLUMNS}) SELECT {_COLUMNS} FROM billing_lots_before"  # noqa: S608 - ours
    )
    op.drop_table("billing_lots_before")
    for definition in of_the_hosts:
        connection.exec_driver_sql(definition)


def _create_table(*more: "sa.Column[int]") -> None:
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
        sa.Column("effective_at", sa.BigInteger(), nullable=True),
        sa.Column("waiting", sa.SmallInteger(), nullable=False),
        sa.Column("pinned", sa.BigInteger(), nullable=False),
        *more,
        sa.CheckConstraint(
            "remaining >= 0 AND remaining <= granted", name=op.f("ck_billing_lots_remaining")
        ),
        sa.CheckConstraint(
            "pinned >= 0 AND pinned <= remaining", name=op.f("ck_billing_lots_pinned")
        ),
        sa.PrimaryKeyConstraint("account_id", "number", name=op.f("pk_billing_lots")),
        sqlite_with_rowid=False,
    )


def _create_index(where: str) -> None:
    op.create_index(
        _INDEX,
        "billing_lots",
        ["account_id", "number"],
        sqlite_where=sa.text(where),
        postgresql_where=sa.text(where),
    )
