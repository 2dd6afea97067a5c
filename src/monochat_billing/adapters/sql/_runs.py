"""Runs: entries of one account that differ in little, written as what they share and one list.

Owns which entries are such a run, and the form in which they travel.
Does not own the statement that reads the list (``_shapes``), or a row on its own (``_rows``).

A driver binds every value of every row. A batch of a thousand debits has eleven columns in which
all are the same, so what differs travels as JSON, which SQLite takes apart in two thirds of the
time.
"""

from collections.abc import Sequence
from json.encoder import encode_basestring
from typing import Final

from monochat_billing.adapters.sql._packed import SHARED
from monochat_billing.adapters.sql._rows import Row, parts_text
from monochat_billing.adapters.sql._ticks import ticks
from monochat_billing.balance import Entry

APART: Final = ("number", "amount", "balance_after", "reference", "parts")
"""The columns that differ, in the order of the list."""

_FEWEST: Final = 8
_NUL: Final = "\\u0000"
"""SQLite keeps such a character in a text, and ends the text there when it reads it from JSON."""


def run_of(entries: Sequence[Entry]) -> Row | None:
    """Write entries as a run: what they share, and the list; None where they are none."""
    if len(entries) < _FEWEST:
        return None
    first = entries[0]
    if first.corrects is not None or first.exchange is not None:
        return None
    if set(map(SHARED, entries)) != {SHARED(first)}:
        return None
    quoted = encode_basestring  # what is no text is left for the driver to refuse
    listed = [
        f"[{one.number},{one.amount},{one.balance_after},{quoted(one.reference)},"
        f'"{parts_text(one.parts)}"]'
        for one in entries
    ]
    apart = ",".join(listed)
    if _NUL in apart:
        return None
    return (
        first.account,
        first.unit,
        first.scale,
        first.kind.value,
        first.reason,
        first.actor,
        ticks(first.effective_at),
        ticks(first.recorded_at),
        first.hold,
        f"[{apart}]",
    )
