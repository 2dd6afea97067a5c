#!/bin/sh
# Make sure that the virtual environment $1 answers and belongs to this checkout.
#
# A healthy environment is left as it is. One that was made in another folder (its scripts name that
# folder), that was never finished, or whose interpreter or pip has gone, is made anew. While one
# is being made it holds a file .unfinished, so a run that is stopped anywhere leaves an environment
# that the next run replaces.
set -eu

venv=$1
wanted='import sys; raise SystemExit(sys.version_info < (3, 11))'

home=$(cat "$venv/.home" 2>/dev/null || pwd -P)
if [ "$home" = "$(pwd -P)" ] && [ ! -e "$venv/.unfinished" ] &&
    "$venv/bin/python" -c "$wanted" 2>/dev/null &&
    "$venv/bin/python" -m pip --version >/dev/null 2>&1; then
    exit 0
fi

if [ -n "${PYTHON:-}" ]; then
    candidates=$PYTHON
else
    candidates='python3.11 python3.12 python3.13 python3 python'
fi
found=
for candidate in $candidates; do
    if "$candidate" -c "$wanted" 2>/dev/null; then
        found=$candidate
        break
    fi
done
if [ -z "$found" ]; then
    echo "No Python 3.11 or later among: $candidates." >&2
    echo "Install one (Debian, Ubuntu: apt-get install python3 python3-venv) or name it:" >&2
    echo "    make PYTHON=/path/to/python3 ..." >&2
    exit 1
fi

echo "making $venv with $("$found" -c 'import platform, sys; print(sys.executable, platform.python_version())')"
# Moved away first, so that no part of the old one can be taken for a whole one.
if [ -e "$venv" ] || [ -L "$venv" ]; then
    mv "$venv" "$venv.gone"
fi
rm -rf "$venv.gone"
mkdir -p "$venv"
: >"$venv/.unfinished"
if ! "$found" -m venv "$venv" || ! "$venv/bin/python" -m pip --version >/dev/null; then
    rm -rf "$venv"
    echo "$found cannot make a virtual environment with pip in it: its ensurepip is missing." >&2
    echo "Debian and Ubuntu keep it apart: apt-get install python3-venv (as root), or name another" >&2
    echo "interpreter: make PYTHON=/path/to/python3 ..." >&2
    exit 1
fi
pwd -P >"$venv/.home"
rm "$venv/.unfinished"
