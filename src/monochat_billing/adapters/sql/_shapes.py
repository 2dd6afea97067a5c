"""Shapes: what a statement is to the driver, and how each database takes sets and replaces rows.

Owns what differs between the databases in the text of a statement.
Does not own which statements there are (``_statements``).
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, Protocol, final

import attrs
from sqlalchemy import (
    ARRAY,
    BigInteger,
    Column,
    ColumnElement,
    FromClause,
    Select,
    Table,
    Text,
    bindparam,
    case,
    cast,
    func,
    literal_column,
    null,
    select,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.dialects.sqlite.base import SQLiteDialect
from sqlalchemy.engine.interfaces import Dialect
from sqlalchemy.sql.expression import Executable

from monochat_billing.adapters.sql import schema

Pairs = Iterable[tuple[str, str]]
Integer = ColumnElement[int]


@final
@attrs.frozen
class Statement:
    """Hold a statement's text for the driver, and the names of its parameters in their order.

    ``fixed`` holds those whose value belongs to the statement. ``bulk``, where there is one, does
    for many rows at once what ``text`` does for one.
    """

    text: str
    names: tuple[str, ...]
    fixed: Mapping[str, object]
    bulk: str | None = None
    bulk_columns: tuple[int, ...] = ()

    def values(self, **named: object) -> tuple[object, ...]:
        """Put parameters in the order in which the text has them."""
        given = {**self.fixed, **named}
        return tuple(given[name] for name in self.names)

    def columns(self, rows: Sequence[Sequence[object]]) -> tuple[object, ...]:
        """Turn rows into the parameters of ``bulk``: one array literal for each column.

        A column in which all rows have the same value travels as that value where there is a
        parameter for it, and its array is empty.
        """
        turned = list(zip(*rows, strict=True))
        same = {
            ~place: turned[~place][0]
            for place in self.bulk_columns
            if place < 0 and turned[~place] == (turned[~place][0],) * len(rows)
        }
        if len(same) == len(turned):  # the database has to see each of them, to refuse them
            same = {}
        return tuple(
            [
                same.get(~place)
                if place < 0
                else NO_ROWS
                if place in same
                else array_literal(turned[place])
                for place in self.bulk_columns
            ]
        )


NO_ROWS: Final = "{}"
EVERY: Final = "every_"
"""How the parameter is called that stands for a column's one value in all rows."""

_APART: Final = "\0"
"""A character that no text of PostgreSQL's can hold, between texts while they are quoted."""

_NUMBERS: Final = frozenset({int})
_TEXTS: Final = frozenset({str})
_NOTHING: Final = frozenset({type(None)})


def array_literal(values: Iterable[object]) -> str:
    """Write integers, texts and None as PostgreSQL writes an array.

    The driver's own way asks every element for its type, and takes ten times as long.

    Raises:
        ValueError: a text holds a NUL character, which PostgreSQL cannot store.
    """
    listed = list(values)
    kinds = set(map(type, listed))
    if kinds <= _NUMBERS:
        return f"{{{','.join(map(str, listed))}}}"
    if kinds == _TEXTS:
        return f"{{{_quoted(listed)}}}"
    if kinds == _NOTHING:
        return f"{{{','.join(['NULL'] * len(listed))}}}"
    return f"{{{','.join([_element(value) for value in listed])}}}"


def _quoted(texts: Sequence[Any]) -> str:
    """Quote many texts at once, each apart."""
    joined = _APART.join(texts)
    if joined.count(_APART) != len(texts) - 1:
        raise ValueError("a text holds a NUL character")
    if "\\" in joined or '"' in joined:
        joined = joined.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{joined.replace(_APART, _BETWEEN)}"'


_BETWEEN: Final = '","'


def _element(value: object) -> str:
    if value is None:
        return "NULL"
    return _quoted([value]) if isinstance(value, str) else str(value)


class Shapes(Protocol):
    """Say how one database takes sets of ids and replaces rows."""

    has_table: str
    """Ask whether there is a table of a name that is given."""
    alone: bool
    """Tell whether statements for a single account cost less than those for a set of one."""

    def dialect(self) -> Dialect:
        """Give the dialect to compile for, with positional parameters."""
        ...

    def quoted(self, name: str) -> str:
        """Write a table's name as it has to stand in a statement."""
        ...

    def among(self, column: "Column[str]") -> ColumnElement[bool]:
        """Compare a column with the set that :meth:`ids` binds as ``ids``."""
        ...

    def ids(self, values: Iterable[str]) -> object:
        """Give a set of ids as one parameter."""
        ...

    def pairs(self) -> tuple[FromClause, ColumnElement[str], ColumnElement[str]]:
        """Give a table of (account, id) pairs to join with, and its two columns."""
        ...

    def bound_pairs(self, values: Pairs) -> tuple[object, ...]:
        """Give the parameters of the statement that reads :meth:`pairs`."""
        ...

    def replace(self, table: Table, replaced: Sequence[str]) -> Executable:
        """Insert a row, or replace those columns of the one with its key."""
        ...

    def copy(self, table: Table, rows: Select[Any], replaced: Sequence[str]) -> Executable:
        """Insert the rows of a query; of those whose key is there, replace those columns."""
        ...

    def parts(self, column: "Column[str]") -> tuple[FromClause, Integer, Integer]:
        """Give a table of an entry's parts, to read beside it: the lots and their units."""
        ...

    def in_bulk(self, table: Table, replaced: Sequence[str] | None) -> Executable | None:
        """Insert or replace many rows that come as one array for each column, if that pays."""
        ...

    def whole(self, bulk: Executable) -> Executable | None:
        """Give a statement that reads arrays, where there are arrays."""
        ...

    def run(self, table: Table, apart: Sequence[str], absent: Sequence[str]) -> Executable | None:
        """Insert rows that differ in the columns ``apart`` alone, given as a list, if it pays."""
        ...


def all_columns(table: Table) -> dict[str, Any]:
    return {column.name: bindparam(column.name) for column in schema.stored(table)}


def next_version(version: Any) -> Any:  # noqa: ANN401 - expressions
    """Write no version at all unless it follows the one that is stored: the column refuses that.

    So a lost race is an error of the statement, and nobody has to wait for its count before what
    follows it is sent.
    """
    stored = schema.ACCOUNTS.c.version + literal_column("1", BigInteger)
    return case((stored == version, stored))


def _every(name: str, kind: Any) -> Any:  # noqa: ANN401 - a bound parameter
    return bindparam(f"{EVERY}{name}", type_=Text() if isinstance(kind, Text) else kind)


def given_rows(columns: Mapping[str, Any]) -> Any:  # noqa: ANN401 - a table of arrays
    """Read one array for each column side by side."""
    arrays = [
        bindparam(name, type_=ARRAY(Text if isinstance(kind, Text) else type(kind)))
        for name, kind in columns.items()
    ]
    return func.unnest(*arrays).table_valued(*columns, name="given").render_derived()


@final
class SqliteShapes:
    """Bind sets as JSON and read them with ``json_each``."""

    has_table = "SELECT count(*) FROM sqlite_master WHERE name = ?"
    alone = True

    def quoted(self, name: str) -> str:
        """Use the dialect's quotes."""
        return self.dialect().identifier_preparer.quote(name)

    def dialect(self) -> Dialect:
        """Use question marks."""
        return SQLiteDialect(paramstyle="qmark")

    def among(self, column: "Column[str]") -> ColumnElement[bool]:
        """Look the column up in a JSON array."""
        given = func.json_each(bindparam("ids", type_=Text)).table_valued("value")
        return column.in_(select(given.c.value))

    def ids(self, values: Iterable[str]) -> object:
        """Write a JSON array."""
        return json.dumps(list(values))

    def pairs(self) -> tuple[FromClause, ColumnElement[str], ColumnElement[str]]:
        """Read an array of two-element arrays."""
        given = func.json_each(bindparam("pairs", type_=Text)).table_valued("value", name="wanted")
        first, second = (
            func.json_extract(given.c.value, literal_column(f"'$[{place}]'")) for place in (0, 1)
        )
        return given, first, second

    def bound_pairs(self, values: Pairs) -> tuple[object, ...]:
        """Write an array of two-element arrays."""
        return (json.dumps(list(values)),)

    def replace(self, table: Table, replaced: Sequence[str]) -> Executable:
        """Use ``ON CONFLICT``."""
        statement = sqlite.insert(table).values(all_columns(table))
        return statement.on_conflict_do_update(
            index_elements=list(table.primary_key.columns),
            set_={name: statement.excluded[name] for name in replaced},
        )

    def copy(self, table: Table, rows: Select[Any], replaced: Sequence[str]) -> Executable:
        """Use ``ON CONFLICT``."""
        statement = sqlite.insert(table).from_select(schema.stored(table), rows)
        if not replaced:
            return statement.on_conflict_do_nothing()
        return statement.on_conflict_do_update(
            index_elements=list(table.primary_key.columns),
            set_={name: statement.excluded[name] for name in replaced},
        )

    def parts(self, column: "Column[str]") -> tuple[FromClause, Integer, Integer]:
        """Read an array of two-element arrays."""
        given = func.json_each(column).table_valued("value", name="part")
        lot, units = (
            func.json_extract(given.c.value, literal_column(f"'$[{place}]'"), type_=BigInteger)
            for place in (0, 1)
        )
        return given, lot, units

    def in_bulk(self, table: Table, replaced: Sequence[str] | None) -> Executable | None:  # noqa: ARG002 - the protocol's
        """Leave it to the driver, which runs one prepared statement for each row."""
        return None

    def whole(self, bulk: Executable) -> Executable | None:  # noqa: ARG002 - the protocol's
        """Do without."""
        return None

    def run(self, table: Table, apart: Sequence[str], absent: Sequence[str]) -> Executable | None:
        """Read an array of arrays."""
        given = func.json_each(bindparam("given", type_=Text())).table_valued("value")

        def value(column: "Column[Any]") -> Any:  # noqa: ANN401 - an expression
            if column.name in apart:
                path = f"'$[{apart.index(column.name)}]'"
                return func.json_extract(given.c.value, literal_column(path, Text))
            return null() if column.name in absent else bindparam(column.name, type_=column.type)

        rows = select(*map(value, table.columns)).select_from(given)
        return sqlite.insert(table).from_select([*table.columns.keys()], rows).inline()


@final
class PostgresShapes:
    """Bind sets as arrays."""

    has_table = "SELECT to_regclass(quote_ident(%s)) IS NOT NULL"
    alone = False

    def quoted(self, name: str) -> str:
        """Use the dialect's quotes."""
        return self.dialect().identifier_preparer.quote(name)

    def dialect(self) -> Dialect:
        """Use ``%s`` and cast every parameter, as psycopg wants it."""
        return PGDialect_psycopg(paramstyle="format")  # type: ignore[no-untyped-call]

    def among(self, column: "Column[str]") -> ColumnElement[bool]:
        """Compare with any element of an array."""
        return column == func.any(bindparam("ids", type_=ARRAY(Text)))

    def ids(self, values: Iterable[str]) -> object:
        """Write an array."""
        return array_literal(values)

    def pairs(self) -> tuple[FromClause, ColumnElement[str], ColumnElement[str]]:
        """Unnest two arrays side by side."""
        given = func.unnest(
            bindparam("firsts", type_=ARRAY(Text)), bindparam("seconds", type_=ARRAY(Text))
        ).table_valued("first", "second", name="wanted")
        given = given.render_derived()
        return given, given.c.first, given.c.second

    def bound_pairs(self, values: Pairs) -> tuple[object, ...]:
        """Write two arrays."""
        listed = list(values)
        firsts, seconds = [one for one, _ in listed], [other for _, other in listed]
        return array_literal(firsts), array_literal(seconds)

    def replace(self, table: Table, replaced: Sequence[str]) -> Executable:
        """Use ``ON CONFLICT``."""
        statement = postgresql.insert(table).values(all_columns(table))
        return statement.on_conflict_do_update(
            index_elements=list(table.primary_key.columns),
            set_={name: statement.excluded[name] for name in replaced},
        )

    def copy(self, table: Table, rows: Select[Any], replaced: Sequence[str]) -> Executable:
        """Use ``ON CONFLICT``."""
        statement = postgresql.insert(table).from_select(schema.stored(table), rows)
        if not replaced:
            return statement.on_conflict_do_nothing()
        return statement.on_conflict_do_update(
            index_elements=list(table.primary_key.columns),
            set_={name: statement.excluded[name] for name in replaced},
        )

    def parts(self, column: "Column[str]") -> tuple[FromClause, Integer, Integer]:
        """Unnest an array of two-element arrays."""
        given = func.jsonb_array_elements(cast(column, postgresql.JSONB)).table_valued("value")
        given = given.render_derived(name="part")
        value = given.c.value
        lot, units = (
            cast(func.jsonb_extract_path_text(value, literal_column(f"'{place}'")), BigInteger)
            for place in (0, 1)
        )
        return given, lot, units

    def in_bulk(self, table: Table, replaced: Sequence[str] | None) -> Executable | None:
        """Unnest one array for each column, or repeat its one value.

        ``unnest`` fills what is too short with NULL. The key's columns differ, so one of them is
        there for every row.
        """
        columns = {column.name: column.type for column in schema.stored(table)}
        given = given_rows(columns)
        rows = select(
            *(func.coalesce(given.c[name], _every(name, kind)) for name, kind in columns.items())
        )
        statement = postgresql.insert(table).from_select(list(columns), rows)
        if replaced is None:
            return statement.inline()
        return statement.on_conflict_do_update(
            index_elements=list(table.primary_key.columns),
            set_={name: statement.excluded[name] for name in replaced},
        )

    def whole(self, bulk: Executable) -> Executable | None:
        """Use it."""
        return bulk

    def run(self, table: Table, apart: Sequence[str], absent: Sequence[str]) -> Executable | None:  # noqa: ARG002 - the protocol's
        """Leave it to the arrays, of which one that is all the same is a single value."""
        return None
