"""Bring a database to this library's schema.

``python -m monochat_billing.adapters.sql upgrade URL``
"""

import sys
from collections.abc import Sequence
from typing import Final

from monochat_billing.adapters.sql import HEAD, SqlStorage
from monochat_billing.errors import BillingError

_USAGE: Final = "usage: python -m monochat_billing.adapters.sql upgrade URL\n"
_WRONG_USAGE: Final = 2


def main(arguments: Sequence[str]) -> int:
    """Run the command; give the exit status."""
    if len(arguments) != len(("upgrade", "URL")) or arguments[0] != "upgrade":
        sys.stderr.write(_USAGE)
        return _WRONG_USAGE
    try:
        with SqlStorage(arguments[1]) as storage:
            storage.upgrade()
    except BillingError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(f"the schema is {HEAD}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
