"""Keep house in a database: ``python -m monochat_billing.adapters.sql COMMAND URL``.

* ``upgrade URL`` brings the schema to this library's version;
* ``export URL ACCOUNT`` writes everything that is kept of an account to standard output;
* ``import URL`` takes in what ``export`` wrote, from standard input, all or nothing;
* ``guard URL`` and ``unguard URL`` let the database refuse to change entries, or no longer.
"""

import argparse
import sys
from collections.abc import Sequence

from monochat_billing.adapters.sql import HEAD, SqlStorage
from monochat_billing.adapters.sql.guarding import guard_entries, unguard_entries
from monochat_billing.adapters.sql.moving import export_account, import_account
from monochat_billing.errors import BillingError


def main(arguments: Sequence[str]) -> int:
    """Run a command; give the exit status."""
    try:
        asked = _parser().parse_args(arguments)
    except SystemExit as left:  # the parser has said what is wrong, or helped
        return int(left.code or 0)
    try:
        with SqlStorage(asked.url) as storage:
            told = _run(storage, asked)
    except BillingError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stderr.write(f"{told}\n") if asked.command == "export" else sys.stdout.write(f"{told}\n")
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
        case "guard":
            guard_entries(storage)
            return "entries cannot be changed or deleted"
        case _:
            unguard_entries(storage)
            return "entries are guarded no more"


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
        ("guard", "let the database refuse to change entries"),
        ("unguard", "let it no longer"),
    ):
        command = commands.add_parser(name, help=told, description=told)
        command.add_argument("url", metavar="URL", help="such as sqlite:///billing.db")
        if name == "export":
            command.add_argument("account", metavar="ACCOUNT")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
