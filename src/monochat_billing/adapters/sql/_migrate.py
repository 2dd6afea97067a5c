"""Migrations: bring a database's schema to the version that this library reads and writes."""

import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import (
    Column,
    Connection,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    column,
    insert,
    inspect,
    select,
    table,
)

from monochat_billing.adapters.sql.schema import HEAD, METADATA, VERSION_TABLE
from monochat_billing.errors import SchemaMismatch

SCRIPTS: Final = Path(__file__).parent / "migrations"

_ONE_AT_A_TIME: Final = threading.Lock()

_PREFIX: Final = "billing_"
_HOW: Final = (
    "back it up, then call storage.upgrade() or run "
    "`python -m monochat_billing.adapters.sql upgrade URL`"
)


_VERSIONS: Final = Table(
    VERSION_TABLE,
    MetaData(),
    Column("version_num", String(32), nullable=False),
    PrimaryKeyConstraint("version_num", name=f"{VERSION_TABLE}_pkc"),
)
"""Alembic's own table, as it makes it."""


def config(connection: Connection | None = None, version_table: str | None = None) -> Config:
    """Build Alembic's configuration; it needs no file."""
    built = Config()
    built.set_main_option("script_location", str(SCRIPTS).replace("%", "%%"))
    built.attributes.update(connection=connection, version_table=version_table)
    return built


def stored_version(connection: Connection, version_table: str) -> str | None:
    """Give the schema version that a database notes, or None where it notes none of ours."""
    if not inspect(connection).has_table(version_table):
        return None
    noted = connection.execute(select(table(version_table, column("version_num"))))
    return ours([version for (version,) in noted])


def ours(noted: Iterable[str]) -> str | None:
    """Give the version that is this library's of those that a database notes."""
    return " and ".join(sorted(one for one in noted if one.startswith(_PREFIX))) or None


def _known() -> set[str]:
    scripts = ScriptDirectory.from_config(config())
    return {script.revision for script in scripts.walk_revisions()}


def is_older(version: str | None) -> bool:
    """Tell whether migrations are missing.

    Raises:
        SchemaMismatch: another release has written the schema.
    """
    if version != HEAD and version not in _known():
        check(version)
    return version != HEAD


def check(version: str | None) -> None:
    """Accept this library's own schema version, and no other.

    Raises:
        SchemaMismatch: it is older, newer, or there is none.
    """
    if version == HEAD:
        return
    if version is None:
        raise SchemaMismatch("open", f"the database has no billing schema; {_HOW}")
    if version in _known():
        raise SchemaMismatch(
            "open", f"the schema is {version}, older than this library's {HEAD}; {_HOW}"
        )
    raise SchemaMismatch(
        "open",
        f"the schema is {version}, which this library ({HEAD}) does not know: "
        "another release has written it; install that release or a later one",
    )


def upgrade(connection: Connection, version_table: str) -> None:
    """Run what is missing, in the transaction that is open on ``connection``.

    A database that has nothing of ours gets the tables as they are now, and not by the way that led
    there, which takes ten times as long; the two are the same to the letter. Where a host's own
    migrations are noted in the same table, Alembic does it all.

    Alembic keeps the migration that runs in its modules: so one at a time in this process, however
    many databases are opened at once.
    """
    if version_table == VERSION_TABLE and _has_nothing(connection):
        METADATA.create_all(connection, checkfirst=False)
        _VERSIONS.create(connection, checkfirst=False)
        connection.execute(insert(_VERSIONS).values(version_num=HEAD))
        return
    with _ONE_AT_A_TIME:
        command.upgrade(config(connection, version_table), "head")


def _has_nothing(connection: Connection) -> bool:
    there = inspect(connection)
    return not any(map(there.has_table, (VERSION_TABLE, *METADATA.tables)))
