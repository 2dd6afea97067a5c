"""Columns: what every table is made of.

Owns the types and the naming of keys.
Does not own a table.
"""

from typing import Any, Final

from sqlalchemy import BigInteger, Column, ForeignKey, MetaData, Table, Text
from sqlalchemy.types import TypeEngine

METADATA: Final = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    }
)
"""Every table of the library, for tools that compare or create schemas."""


def identity() -> TypeEngine[str]:
    """Sort and compare ids by code point, on every database and under every locale."""
    return Text().with_variant(Text(collation="C"), "postgresql")


def account() -> "Column[str]":
    """Make the account the first part of a key."""
    return Column("account_id", identity(), primary_key=True)


def account_of() -> "Column[str]":
    """Make the account the first part of a key, and require that it exists."""
    return Column("account_id", identity(), ForeignKey("billing_accounts.id"), primary_key=True)


def number(name: str = "number") -> "Column[int]":
    """Make a number a part of a key."""
    return Column(name, BigInteger, primary_key=True, autoincrement=False)


def integer(name: str, *, nullable: bool = False) -> "Column[int]":
    """Hold a signed 64-bit integer."""
    return Column(name, BigInteger, nullable=nullable)


def words(name: str, *, nullable: bool = False) -> "Column[str]":
    """Hold text that no index compares."""
    return Column(name, Text, nullable=nullable)


def stored(table: Table) -> "list[Column[Any]]":
    """Give the columns that are written and read; what the database derives by itself is not."""
    return [column for column in table.columns if column.computed is None]
