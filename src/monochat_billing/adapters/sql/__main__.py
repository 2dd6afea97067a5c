"""Keep house in a database: ``python -m monochat_billing.adapters.sql COMMAND URL``.

* ``upgrade URL`` brings the schema to this library's version;
* ``export URL ACCOUNT`` writes everything that is kept of an account to standard output;
* ``import URL`` takes in what ``export`` wrote, from standard input, all or nothing;
* ``archive URL ACCOUNT BEFORE`` writes the account's oldest entries to standard output and deletes
  them; ``BEFORE`` is an ISO instant, or a day, which begins at midnight UTC;
* ``verify-archive URL`` proves that an archive, from standard input, and the database are one
  history; ``restore URL`` puts the entries of the latest archive back;
* ``guard URL`` and ``unguard URL`` let the database refuse to change entries, or no longer.
"""

import argparse
import sys
from collections.abc import Sequence
from datetime import UTC, datetime

from monochat_billing.adapters.sql import HEAD, SqlStorage
from monochat_billing.adapters.sql.archiving import (
    archive_entries,
    restore_entries,
    verify_archive,
)
from monochat_billing.adapters.sql.guarding import guard_entries, unguard_entries
from monochat_billing.adapters.sql.moving import export_account, import_account
from monochat_billing.errors import BillingError, InvalidInput


def main(arguments: Sequence[str]) -> int:
    """Run a command; give the exit status."""
    try:
        asked = _parser().parse_args(arguments)
    except SystemExit as left:  # the parser has said what is wrong, or helped
        return int(left.code or 0)
    try:
        with SqlStorage(asked.url) as storage:
            told = _run(storage, asked)
    except (BillingError, _Unsound) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    out = sys.stderr if asked.command in {"export", "archive"} else sys.stdout
    out.write(f"{told}\n")
    return 0


def _run(storage: SqlStorage, asked: argparse.Namespace) -> str:
    match asked.command:
        case "upgrade":
            storage.upgrade()
            return f"the schema is {HEAD}"
        case "export":
            lines = export_account(storage, asked.account, sys.stdout)
            return f"exported {asked.account} in {lines} lines"
        case "import":
            return f"imported {import_account(storage, sys.stdin)}"
        case "archive" | "verify-archive" | "restore":
            return _archived(storage, asked)
        case "guard":
            guard_entries(storage)
            return "entries cannot be changed or deleted"
        case _:
            unguard_entries(storage)
            return "entries are guarded no more"


def _archived(storage: SqlStorage, asked: argparse.Namespace) -> str:
    if asked.command == "archive":
        return str(archive_entries(storage, asked.account, _instant(asked.before), sys.stdout))
    if asked.command == "restore":
        back = restore_entries(storage, sys.stdin)
        return f"restored entries {back.first} to {back.last} of {back.account}"
    found = verify_archive(storage, sys.stdin)
    if not found.sound:
        raise _Unsound(str(found))
    return str(found)


class _Unsound(Exception):
    """Say what differs."""


def _instant(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise InvalidInput(
            "before", text, "is no instant", "pass one such as 2026-01-01T00:00:00+03:00"
        ) from None
    if "T" in text or " " in text:
        return found
    return found.replace(tzinfo=UTC)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m monochat_billing.adapters.sql",
        description=(__doc__ or "").partition("\n")[0],
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, told in (
        ("upgrade", "bring the schema to this library's version"),
        ("export", "write an account to standard output"),
        ("import", "take in an exported account from standard input"),
        ("archive", "write an account's oldest entries to standard output and delete them"),
        ("verify-archive", "prove that an archive and the database are one history"),
        ("restore", "put the entries of an account's latest archive back"),
        ("guard", "let the database refuse to change entries"),
        ("unguard", "let it no longer"),
    ):
        command = commands.add_parser(name, help=told, description=told)
        command.add_argument("url", metavar="URL", help="such as sqlite:///billing.db")
        if name in {"export", "archive"}:
            command.add_argument("account", metavar="ACCOUNT")
        if name == "archive":
            command.add_argument("before", metavar="BEFORE", help="such as 2026-01-01")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
