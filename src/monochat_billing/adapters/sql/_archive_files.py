"""The file of an archive: JSON Lines that prove that they are whole.

Owns how lines are written, kept and read.
Does not own which entries they hold (``_archive_rules``) or what they are compared with
(:mod:`monochat_billing.adapters.sql.archiving`).
"""

import hashlib
import io
import json
import os
import stat
from collections.abc import Iterable, Iterator
from typing import IO, Any, Final

from monochat_billing.adapters.sql import schema
from monochat_billing.adapters.sql._rows import Row
from monochat_billing.errors import InvalidInput
from monochat_billing.texts import check_identity

FORMAT: Final = "monochat-billing archive 1"
"""What the head of an archive says it is."""


def put(line: object, file: IO[str]) -> str:
    text = json.dumps(line, ensure_ascii=False, separators=(",", ":")) + "\n"
    file.write(text)
    return text


def settle(file: object) -> None:
    """Bring what was written to where it stays; a pipe's other end has to see to that itself."""
    if isinstance(file, io.IOBase):
        file.flush()
        try:
            number = file.fileno()
        except OSError:  # it is in memory and has none
            return
        if stat.S_ISREG(os.fstat(number).st_mode):
            os.fsync(number)


class ArchiveFile:
    """Read an archive line by line; what is wrong with it as a whole is known at its end."""

    def __init__(self, lines: Iterable[str]) -> None:
        self._lines = iter(lines)
        self._whole = hashlib.sha256()
        head = self._next()
        if not isinstance(head, dict) or head.get("format") != FORMAT:
            raise misread(f"does not begin as {FORMAT!r}")
        told = self._next()
        columns = [column.name for column in schema.ENTRIES.columns]
        if told != {"table": schema.ENTRIES.name, "columns": columns}:
            raise misread(f"is not of this library's schema, {schema.HEAD}")
        self.account = check_identity(head.get("account"), "account")
        ordinal, digest = head.get("archive"), head.get("digest")
        if type(ordinal) is not int or not isinstance(digest, str):
            raise misread("has a head that names no archive")
        self.ordinal, self.digest = ordinal, digest
        self.count = 0
        self.ended = ""

    def _next(self) -> Any:  # noqa: ANN401 - whatever stands there
        text = next(self._lines, "")
        self._whole.update((text.rstrip("\n") + "\n").encode())
        return _parsed(text)

    def rows(self) -> Iterator[tuple[str, Row]]:
        """Give the rows, each with the line that it stands in.

        Raises:
            InvalidInput: it is cut off, was changed, or goes on behind its end.
        """
        for line in self._lines:
            text = line.rstrip("\n")
            row = _parsed(text)
            if isinstance(row, dict):
                self._end(row)
                return
            if len(row) != len(schema.ENTRIES.columns) or row[0] != self.account:
                raise misread(f"has a row that is not of {self.account!r}")
            self._whole.update(f"{text}\n".encode())
            self.count += 1
            yield text, tuple(row)
        raise misread("is cut off")

    def _end(self, line: dict[str, Any]) -> None:
        end = line.get("end")
        sums = {"lines": self.count + 2, "sha256": self._whole.hexdigest()}
        if not isinstance(end, dict) or not sums.items() <= end.items():
            raise misread("is cut off or was changed")
        if next(self._lines, None) is not None:
            raise misread("has lines behind its end")
        self.ended = str(end.get("digest"))


def _parsed(text: str) -> Any:  # noqa: ANN401 - whatever stands there
    try:
        found = json.loads(text)
    except ValueError:
        raise misread("has a line that is no JSON") from None
    if not isinstance(found, (dict, list)):
        raise misread("has a line that is no row")
    return found


def misread(problem: str) -> InvalidInput:
    return InvalidInput("lines", "the archive", problem, "pass what archive_entries has written")
