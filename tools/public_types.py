"""Let pyright say whether every public name has a type that no type checker has to guess.

A name without an annotation, or of a type that holds an unknown one, is listed and fails.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

PACKAGE = "monochat_billing"
BIN = Path(sys.executable).parent


def report() -> dict[str, object]:
    """Run pyright on the installed package; it asks the first ``python`` on the path for it."""
    done = subprocess.run(  # noqa: S603 - our own arguments
        [BIN / "pyright", "--verifytypes", PACKAGE, "--ignoreexternal", "--outputjson"],
        env=os.environ | {"PATH": f"{BIN}{os.pathsep}{os.environ.get('PATH', '')}"},
        capture_output=True,
        text=True,
        check=False,
    )
    try:
        found: dict[str, object] = json.loads(done.stdout)["typeCompleteness"]
    except ValueError:
        raise SystemExit(f"pyright did not answer:\n{done.stdout}\n{done.stderr}") from None
    return found


def main() -> None:
    """Print what is missing, and fail if anything is."""
    found = report()
    symbols = found["symbols"]
    if not isinstance(symbols, list) or len(symbols) < 1000:  # noqa: PLR2004 - there are thousands
        raise SystemExit(f"pyright did not see the package: {found}")
    missing = [one for one in symbols if not one["isTypeKnown"] or one["isTypeAmbiguous"]]
    for one in missing:
        why = "; ".join(each["message"] for each in one["diagnostics"])
        print(f"{one['name']}: {' '.join(why.split()) or 'a member of it has no type'}")
    if missing or found["completenessScore"] != 1:
        raise SystemExit(f"{len(missing)} public names without a type")
    print(f"pyright knows the types of {len(symbols)} names")


if __name__ == "__main__":
    main()
