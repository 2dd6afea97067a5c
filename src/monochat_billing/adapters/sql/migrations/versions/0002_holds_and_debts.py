"""Add holds, debts, limits and states of balances, and lots that start later."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "billing_0002"
down_revision = "billing_0001"
branch_labels = None
depends_on = None


def _identity() -> sa.types.TypeEngine[str]:
    return sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        _rebuild_balances()
        _rebuild_lots()
        _rebuild_entries()
    else:
        _alter_balances()
        _alter_lots()
        _alter_entries()
    op.create_index(
        "ix_billing_entries_corrects",
        "billing_entries",
        ["account_id", "corrects", "number"],
        unique=False,
        sqlite_where=sa.text("corrects IS NOT NULL"),
        postgresql_where=sa.text("corrects IS NOT NULL"),
    )
    op.create_table(
        "billing_holds",
        sa.Column("account_id", _identity(), nullable=False),
        sa.Column("id", _identity(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("placed_at", sa.BigInteger(), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["billing_accounts.id"], name=op.f("fk_billing_holds_account_id")
        ),
        sa.PrimaryKeyConstraint("account_id", "id", name=op.f("pk_billing_holds")),
    )
    op.create_index(
        "ix_billing_holds_open",
        "billing_holds",
        ["account_id"],
        unique=False,
        sqlite_where=sa.text("state = 'OPEN'"),
        postgresql_where=sa.text("state = 'OPEN'"),
    )


_HELD = "held >= 0 AND owed >= 0 AND credit_limit >= 0"
_PINNED = "pinned >= 0 AND pinned <= remaining"


def _alter_balances() -> None:
    op.drop_constraint(op.f("ck_billing_balances_held"), "billing_balances", type_="check")
    _add("billing_balances", "credit_limit", sa.BigInteger(), "0")
    _add("billing_balances", "owed", sa.BigInteger(), "0")
    _add("billing_balances", "debts", sa.Text(), "'[]'")
    _add("billing_balances", "state", sa.Text(), "'OPEN'")
    op.create_check_constraint(op.f("ck_billing_balances_held"), "billing_balances", _HELD)


def _alter_lots() -> None:
    op.add_column("billing_lots", sa.Column("effective_at", sa.BigInteger(), nullable=True))
    _add("billing_lots", "waiting", sa.SmallInteger(), "0")
    _add("billing_lots", "pinned", sa.BigInteger(), "0")
    op.create_check_constraint(op.f("ck_billing_lots_pinned"), "billing_lots", _PINNED)


def _alter_entries() -> None:
    _add("billing_entries", "hold", sa.Text(), "''")
    op.add_column("billing_entries", sa.Column("exchange", sa.Text(), nullable=True))


def _add(table: str, name: str, kind: sa.types.TypeEngine[Any], value: str) -> None:
    op.add_column(table, sa.Column(name, kind, nullable=False, server_default=sa.text(value)))
    op.alter_column(table, name, server_default=None)


# SQLite adds no checked column and drops no check: a table is written anew under its name.


def _copy(table: str, old: str, new: dict[str, str]) -> None:
    columns = ", ".join([old, *new])
    values = ", ".join([old, *new.values()])
    op.execute(f"INSERT INTO {table} ({columns}) SELECT {values} FROM {table}_before")
    op.drop_table(f"{table}_before")


def _rebuild_balances() -> None:
    op.rename_table("billing_balances", "billing_balances_before")
    op.create_table(
        "billing_balances",
        sa.Column("account_id", _identity(), nullable=False),
        sa.Column("unit", sa.Text(), nullable=False),
        sa.Column("position", sa.SmallInteger(), nullable=False),
        sa.Column("scale", sa.SmallInteger(), nullable=False),
        sa.Column("posted", sa.BigInteger(), nullable=False),
        sa.Column("held", sa.BigInteger(), nullable=False),
        sa.Column("credit_limit", sa.BigInteger(), nullable=False),
        sa.Column("owed", sa.BigInteger(), nullable=False),
        sa.Column("debts", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.CheckConstraint(_HELD, name=op.f("ck_billing_balances_held")),
        sa.ForeignKeyConstraint(
            ["account_id"], ["billing_accounts.id"], name=op.f("fk_billing_balances_account_id")
        ),
        sa.PrimaryKeyConstraint("account_id", "unit", name=op.f("pk_billing_balances")),
        sqlite_with_rowid=False,
    )
    old = "account_id, unit, position, scale, posted, held"
    new = {"credit_limit": "0", "owed": "0", "debts": "'[]'", "state": "'OPEN'"}
    _copy("billing_balances", old, new)


def _rebuild_lots() -> None:
    op.drop_index("ix_billing_lots_open", "billing_lots")
    op.rename_table("billing_lots", "billing_lots_before")
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
        sa.CheckConstraint(
            "remaining >= 0 AND remaining <= granted", name=op.f("ck_billing_lots_remaining")
        ),
        sa.CheckConstraint(_PINNED, name=op.f("ck_billing_lots_pinned")),
        sa.PrimaryKeyConstraint("account_id", "number", name=op.f("pk_billing_lots")),
        sqlite_with_rowid=False,
    )
    old = (
        "account_id, number, unit, origin, granted, remaining, granted_at, expires_at, "
        "pays_for, priority, source"
    )
    _copy("billing_lots", old, {"effective_at": "NULL", "waiting": "0", "pinned": "0"})
    op.create_index(
        "ix_billing_lots_open",
        "billing_lots",
        ["account_id", "number"],
        unique=False,
        sqlite_where=sa.text("remaining > 0"),
        postgresql_where=sa.text("remaining > 0"),
    )


def _rebuild_entries() -> None:
    op.rename_table("billing_entries", "billing_entries_before")
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
        sa.Column("hold", sa.Text(), nullable=False),
        sa.Column("exchange", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("account_id", "number", name=op.f("pk_billing_entries")),
        sqlite_with_rowid=False,
    )
    old = (
        "account_id, number, unit, scale, amount, balance_after, kind, reason, reference, "
        "actor, effective_at, recorded_at, parts, corrects"
    )
    _copy("billing_entries", old, {"hold": "''", "exchange": "NULL"})
