"""Guarding: let the database itself refuse to change or delete what was posted.

*Owns* the triggers that make entries immutable for everybody who uses the database, and their
removal.
*Does not own* what the library does: it never changes an entry, guarded or not.

The guard is optional. It costs nothing when entries are posted, because no trigger fires on INSERT.
Whoever may drop triggers can still drop these: it guards against mistakes and against other
programs, not against the owner of the database.

>>> from monochat_billing.adapters.sql import SqlStorage
>>> storage = SqlStorage("sqlite://")
>>> is_guarded(storage)
False
>>> guard_entries(storage)
>>> is_guarded(storage)
True
"""

from typing import Final, cast

from monochat_billing.adapters.sql._session import Session
from monochat_billing.adapters.sql._shapes import Statement
from monochat_billing.adapters.sql._unit import SqlReader, SqlUnit
from monochat_billing.adapters.sql.storage import SqlStorage

__all__ = ["guard_entries", "is_guarded", "unguard_entries"]

_REFUSAL: Final = "billing entries are never changed or deleted"
_NAMES: Final = ("billing_entries_no_update", "billing_entries_no_delete")

_SQLITE: Final = tuple(
    f"CREATE TRIGGER IF NOT EXISTS {name} BEFORE {verb} ON billing_entries "
    f"BEGIN SELECT RAISE(ABORT, '{_REFUSAL}'); END"
    for name, verb in zip(_NAMES, ("UPDATE", "DELETE"), strict=True)
)
_POSTGRES: Final = (
    (
        "CREATE OR REPLACE FUNCTION billing_refuse_change() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN RAISE EXCEPTION '{_REFUSAL}'; END $$"
    ),
    *(f"DROP TRIGGER IF EXISTS {name} ON billing_entries" for name in _NAMES),
    (
        f"CREATE TRIGGER {_NAMES[0]} BEFORE UPDATE ON billing_entries "
        "FOR EACH ROW EXECUTE FUNCTION billing_refuse_change()"
    ),
    (
        f"CREATE TRIGGER {_NAMES[1]} BEFORE DELETE OR TRUNCATE ON billing_entries "
        "FOR EACH STATEMENT EXECUTE FUNCTION billing_refuse_change()"
    ),
)
_OFF_SQLITE: Final = tuple(f"DROP TRIGGER IF EXISTS {name}" for name in _NAMES)
_OFF_POSTGRES: Final = (
    *(f"DROP TRIGGER IF EXISTS {name} ON billing_entries" for name in _NAMES),
    "DROP FUNCTION IF EXISTS billing_refuse_change()",
)
_FOUND_SQLITE: Final = "SELECT count(*) FROM sqlite_master WHERE type = 'trigger' AND name IN "
_FOUND_POSTGRES: Final = (
    "SELECT count(*) FROM pg_trigger WHERE tgrelid = 'billing_entries'::regclass AND tgname IN "
)


def guard_entries(storage: SqlStorage) -> None:
    """Make the database refuse every UPDATE and DELETE of an entry; do nothing if it does.

    Raises:
        StorageError: the database failed, or its user may not create triggers.
    """
    _run(storage, _POSTGRES, _SQLITE, "guard entries")


def unguard_entries(storage: SqlStorage) -> None:
    """Take the guard away again; do nothing if there is none.

    Raises:
        StorageError: the database failed.
    """
    _run(storage, _OFF_POSTGRES, _OFF_SQLITE, "unguard entries")


def is_guarded(storage: SqlStorage) -> bool:
    """Tell whether the database guards its entries.

    Raises:
        StorageError: the database failed.
    """

    def work(reader: object) -> bool:
        session = cast("SqlReader", reader).session
        text = _FOUND_POSTGRES if _is_postgres(session) else _FOUND_SQLITE
        names = ", ".join(f"'{name}'" for name in _NAMES)
        statement = Statement(f"{text}({names})", (), {})
        return bool(session.rows("look for the guard", statement, ())[0][0] == len(_NAMES))

    return storage.read(work)


def _run(
    storage: SqlStorage, postgres: tuple[str, ...], sqlite: tuple[str, ...], operation: str
) -> None:
    def work(unit: object) -> None:
        session = cast("SqlUnit", unit).session
        for text in postgres if _is_postgres(session) else sqlite:
            session.run(operation, text)

    storage.write(work)


def _is_postgres(session: Session) -> bool:
    return session.statements.dialect_name == "postgresql"
