"""Moving: an account out of one database and into another, line by line and bit for bit.

*Owns* the export format, and the checks that an import has to pass before anything stands.
*Does not own* the tables (:mod:`monochat_billing.adapters.sql.schema`).

The format is JSON Lines: a head that names the format, the schema and the account; for each table a
line with its columns and then its rows, as arrays, in the order of their key; and an end with the
number of lines and their SHA-256. Whatever the library keeps of an account is there, keys, events
and invoices included, and so is its personal data: keep the file as you keep the database.

>>> from io import StringIO
>>> from monochat_billing import Billing, sample_catalog
>>> from monochat_billing.adapters.sql import SqlStorage
>>> here, there = SqlStorage("sqlite://"), SqlStorage("sqlite://")
>>> billing = Billing(catalog=sample_catalog(), storage=here)
>>> account = billing.accounts.open("acme", zone="UTC", currencies=["TRY"])
>>> file = StringIO()
>>> lines = export_account(here, "acme", file)
>>> import_account(there, file.getvalue().splitlines())
'acme'
>>> copy = StringIO()
>>> export_account(there, "acme", copy) == lines and copy.getvalue() == file.getvalue()
True
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final, Protocol, cast

from sqlalchemy import BigInteger, Column, Table, bindparam, select, tuple_

from monochat_billing.adapters.sql import schema
from monochat_billing.adapters.sql._session import Session
from monochat_billing.adapters.sql._unit import SqlReader, SqlUnit
from monochat_billing.adapters.sql.storage import SqlStorage
from monochat_billing.errors import InvalidInput, UnknownName
from monochat_billing.texts import check_identity

__all__ = ["FORMAT", "Writable", "export_account", "import_account"]

FORMAT: Final = "monochat-billing account 1"
"""What the head of an export says it is."""

_PAGE: Final = 5_000
_OWN: Final = tuple(
    table
    for table in schema.METADATA.sorted_tables
    if table is schema.ACCOUNTS or "account_id" in table.columns
)
"""The tables that hold an account's rows, its own first."""


class Writable(Protocol):
    """Take text; any text file does."""

    def write(self, text: str, /) -> object:
        """Take a piece of text."""
        ...


def export_account(storage: SqlStorage, account: str, file: Writable) -> int:
    """Write everything that is kept of an account, from one consistent view; give the lines.

    Raises:
        StorageError: the database failed; what was written is no whole export.
        UnknownName: there is no such account.
    """
    check_identity(account, "account")

    def work(reader: object) -> int:
        session = cast("SqlReader", reader).session
        if not _rows_of(session, schema.ACCOUNTS, account):
            raise UnknownName("account", account, "does not exist", "open the account first")
        return _write(_lines_of(session, account), file)

    return storage.read(work)


def import_account(storage: SqlStorage, lines: Iterable[str]) -> str:
    """Take in what :func:`export_account` has written, all or nothing; give the account.

    Counters of invoice numbers go on from the highest that either side has given out.

    Raises:
        InvalidInput: it is no whole export of this schema, or the account exists already.
        StorageError: the database refused a row, such as a top-up id or an invoice number that
            another account has.
    """
    account, tables = _checked(lines)

    def work(unit: object) -> None:
        here = cast("SqlUnit", unit)
        session = here.session
        if _rows_of(session, schema.ACCOUNTS, account):
            raise InvalidInput("lines", account, "is here already", "import it elsewhere")
        for table, rows in tables:
            session.write(f"import {table.name}", session.statements.insert[table.name], rows)
            if table is schema.INVOICES:
                _raise_counters(here, rows)

    storage.write(work)
    return account


def _write(lines: Iterable[object], file: Writable) -> int:
    digest, count = hashlib.sha256(), 0
    for line in lines:
        text = json.dumps(line, ensure_ascii=False, separators=(",", ":")) + "\n"
        digest.update(text.encode())
        file.write(text)
        count += 1
    end = {"end": {"lines": count, "sha256": digest.hexdigest()}}
    file.write(json.dumps(end, separators=(",", ":")) + "\n")
    return count + 1


def _lines_of(session: Session, account: str) -> Iterator[object]:
    yield {"format": FORMAT, "schema": schema.HEAD, "account": account}
    for table in _OWN:
        yield {"table": table.name, "columns": [column.name for column in schema.stored(table)]}
        yield from _pages(session, table, account)


def _owner(table: Table) -> "Column[Any]":
    return table.c.id if table is schema.ACCOUNTS else table.c.account_id


def _rows_of(session: Session, table: Table, account: str) -> list[Sequence[Any]]:
    query = select(*schema.stored(table)).where(_owner(table) == bindparam("account"))
    statement = session.statements.compiled(query.order_by(*table.primary_key.columns))
    return list(session.rows("export", statement, statement.values(account=account)))


def _pages(session: Session, table: Table, account: str) -> Iterator[list[Any]]:
    """Give a table's rows page by page where its key allows, so that a long past fits."""
    owner, *rest = table.primary_key.columns
    if owner.name != "account_id" or len(rest) != 1:
        yield from map(list, _rows_of(session, table, account))
        return
    (key,) = rest
    query = select(*schema.stored(table)).where(owner == bindparam("account"))
    limit = bindparam("limit", type_=BigInteger)
    first = session.statements.compiled(query.order_by(key).limit(limit))
    behind = tuple_(key) > tuple_(bindparam("after", type_=key.type))
    later = session.statements.compiled(query.where(behind).order_by(key).limit(limit))
    place = schema.stored(table).index(key)
    page = session.rows("export", first, first.values(account=account, limit=_PAGE))
    while page:
        yield from map(list, page)
        values = later.values(account=account, after=page[-1][place], limit=_PAGE)
        page = session.rows("export", later, values)


def _checked(lines: Iterable[str]) -> tuple[str, list[tuple[Table, list[Any]]]]:
    """Read a whole export, and refuse one that is not."""
    digest, count = hashlib.sha256(), 0
    tables: list[tuple[Table, list[Any]]] = []
    head: Any = None
    end: Any = None
    for text in lines:
        if end is not None:
            raise _bad("has lines behind its end")
        try:
            line = json.loads(text)
        except ValueError:
            raise _bad(f"has no JSON in line {count + 1}") from None
        if isinstance(line, dict) and "end" in line:
            end = line["end"]
            continue
        digest.update((text.rstrip("\n") + "\n").encode())
        count += 1
        if head is None:
            head = _head(line)
        elif isinstance(line, dict):
            tables.append((_table(line, len(tables)), []))
        elif isinstance(line, list) and tables:
            _take(tables[-1], line, head["account"])
        else:
            raise _bad(f"has a line {count} that is no row")
    if end != {"lines": count, "sha256": digest.hexdigest()}:
        raise _bad("is cut off or was changed")
    if len(tables) != len(_OWN):
        raise _bad("lacks a table")
    return head["account"], tables


def _head(line: Any) -> dict[str, str]:  # noqa: ANN401 - whatever stands there
    if not isinstance(line, dict) or line.get("format") != FORMAT:
        raise _bad(f"does not begin as {FORMAT!r}")
    if line.get("schema") != schema.HEAD:
        raise InvalidInput(
            "lines",
            line.get("schema"),
            f"is not this library's schema, {schema.HEAD}",
            "upgrade the database it comes from, and export again",
        )
    return {"account": check_identity(line.get("account"), "account")}


def _table(line: dict[str, Any], place: int) -> Table:
    if place >= len(_OWN) or line.get("table") != _OWN[place].name:
        raise _bad(f"has table {line.get('table')!r} out of its place")
    table = _OWN[place]
    if line.get("columns") != [column.name for column in schema.stored(table)]:
        raise _bad(f"has other columns for {table.name}")
    return table


def _take(table: tuple[Table, list[Any]], row: list[Any], account: str) -> None:
    known, rows = table
    owner = schema.stored(known).index(_owner(known))
    if len(row) != len(schema.stored(known)) or row[owner] != account:
        raise _bad(f"has a row of {known.name} that is not of {account!r}")
    rows.append(tuple(row))


def _bad(problem: str) -> InvalidInput:
    return InvalidInput("lines", "the export", problem, "export the account again")


def _raise_counters(unit: SqlUnit, rows: Iterable[Sequence[Any]]) -> None:
    """Let no number be given out again that an imported invoice has."""
    place = list(schema.INVOICES.columns).index(schema.INVOICES.c.number)
    highest: dict[str, int] = {}
    for row in rows:
        counter, ordinal = row[place][:7], int(row[place][7:])
        highest[counter] = max(highest.get(counter, 0), ordinal)
    for counter, ordinal in sorted(highest.items()):
        unit.move_counter(counter, max(ordinal, unit.last_ordinal(counter)))
