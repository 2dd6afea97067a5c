#!/bin/sh
# Resolve every dependency anew, newest that pyproject.toml allows, and write constraints.txt.
#
# Works in an environment of its own, so what happens to be installed in .venv has no say. Run it
# with the oldest Python that is to be served (make lock PYTHON=...): 3.11.5 gets releases that the
# 3.11.2 of Debian 12 refuses.
set -eu

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
sh tools/venv.sh "$work/venv"
"$work/venv/bin/python" -m pip install -qq --disable-pip-version-check -e '.[dev]' editables
"$work/venv/bin/python" -m pip freeze --disable-pip-version-check --exclude-editable >"$work/pins"
{
    echo "# Every package that the library, its extras and its tools bring along, pinned."
    echo "# Written by make lock; the library itself promises only the ranges in pyproject.toml."
    LC_ALL=C sort -f "$work/pins"
} >constraints.txt
echo "constraints.txt pins $(grep -c == constraints.txt) packages; run make test before committing it"
