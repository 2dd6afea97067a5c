"""Tables: rows under heads as plain text, for values that print well.

*Owns* columns, their alignment, and what is shortened when a line would be too long.
*Does not own* what stands in a cell.
"""

from collections.abc import Sequence
from typing import Final

__all__ = ["WIDTH", "table"]

WIDTH: Final = 100
"""Columns that printed values keep within."""


def table(heads: Sequence[str], rows: Sequence[Sequence[str]], *, width: int = WIDTH) -> str:
    """Lay out rows under heads within ``width`` columns; a head that starts with > aligns right.

    The last column is shortened where a line would be too long, but not if it is aligned right:
    half a number is another number. Without rows it says so.

    >>> print(table(("name", ">n"), [("a", "1"), ("bb", "20")]))
    name   n
    ----  --
    a      1
    bb    20
    """
    right = [head.startswith(">") for head in heads]
    titles = [head.removeprefix(">") for head in heads]
    if not rows:
        return f"{titles[0]}: none"
    widths = [
        max(len(title), *(len(row[column]) for row in rows)) for column, title in enumerate(titles)
    ]
    room = width - sum(widths[:-1]) - 2 * (len(widths) - 1)
    if not right[-1]:
        widths[-1] = max(min(widths[-1], room), 1)

    def line(cells: Sequence[str]) -> str:
        padded = [
            cell.rjust(size) if aligned else cell.ljust(size)
            for cell, size, aligned in zip(_cut(cells, widths[-1]), widths, right, strict=True)
        ]
        return "  ".join(padded).rstrip()

    return "\n".join([line(titles), line(["-" * size for size in widths]), *map(line, rows)])


def _cut(cells: Sequence[str], room: int) -> list[str]:
    *first, last = cells
    return [*first, last if len(last) <= room else last[: room - 1] + "…"]
