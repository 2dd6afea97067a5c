"""Texts: what may stand as an id, and what as a line that people read.

Owns the two checks that every text of a caller passes before anything is decided, so that every
storage can keep it, the member of an enumeration that a text names, and the remedy that lists what
would have been known.
Does not own what a text means.
"""

from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import Any, Final, TypeVar

from monochat_billing.errors import InvalidInput

__all__ = [
    "LONGEST_LINE",
    "check_identity",
    "check_line",
    "check_lines",
    "member_of",
    "one_of",
]

_Kind = TypeVar("_Kind", bound=StrEnum)

_LONGEST_IDENTITY: Final = 200
LONGEST_LINE: Final = 500
"""How many characters a line of text may have."""


def check_identity(value: Any, field: str) -> str:  # noqa: ANN401 - whatever the caller passed
    """Give ``value`` if it can serve as an id or a key.

    Raises:
        InvalidInput: it is not a string of 1 to 200 printable characters without outer spaces.

    >>> check_identity("signup-acme", "key")
    'signup-acme'
    >>> check_identity(None, "key")
    Traceback (most recent call last):
    monochat_billing.errors.InvalidInput: key: None is not an id; pass 1 to 200 printable ...
    """
    if (
        not isinstance(value, str)
        or not 0 < len(value) <= _LONGEST_IDENTITY
        or not value.isprintable()
        or value != value.strip()
    ):
        raise InvalidInput(
            field,
            value,
            "is not an id",
            f"pass 1 to {_LONGEST_IDENTITY} printable characters, no outer spaces",
        )
    return value


def check_line(value: Any, field: str) -> str:  # noqa: ANN401 - as above
    r"""Give ``value`` if it is one line of text; it may be empty.

    Raises:
        InvalidInput: it is not a string of at most 500 printable characters.

    >>> check_line("İstanbul şubesi 🌷", "reason")
    'İstanbul şubesi 🌷'
    >>> check_line("two\nlines", "reason")
    Traceback (most recent call last):
    monochat_billing.errors.InvalidInput: reason: 'two\nlines' is no line of text; pass at most ...
    """
    if not isinstance(value, str) or len(value) > LONGEST_LINE or not value.isprintable():
        raise InvalidInput(
            field,
            value,
            "is no line of text",
            f"pass at most {LONGEST_LINE} printable characters",
        )
    return value


def check_lines(values: Sequence[Any], field: str) -> None:
    r"""Refuse the first of many values that is no line of text; where all are, it is quick.

    Raises:
        InvalidInput: one is not a string of at most 500 printable characters.

    >>> check_lines(["export-1", "export-2"], "items")
    >>> check_lines(["export-1", None], "items")
    Traceback (most recent call last):
    monochat_billing.errors.InvalidInput: items: None is no line of text; pass at most 500 ...
    """
    try:
        fine = "".join(values).isprintable() and max(map(len, values), default=0) <= LONGEST_LINE
    except TypeError:
        fine = False
    if not fine:
        for value in values:
            check_line(value, field)


def member_of(kind: type[_Kind], value: _Kind | str, field: str) -> _Kind:
    """Give the member of ``kind`` that ``value`` is, or names.

    Raises:
        InvalidInput: it is none.

    >>> from monochat_billing.rounding import RoundingMode
    >>> member_of(RoundingMode, "DOWN", "mode") is RoundingMode.DOWN
    True
    """
    try:
        return kind(value)
    except ValueError:
        raise InvalidInput(field, value, "is unknown", f"use one of {', '.join(kind)}") from None


def one_of(names: Iterable[str], otherwise: str) -> str:
    """Write the remedy for an unknown name: those that there are, or what to do without any.

    >>> one_of(["basic", "growth"], "subscribe first")
    'use one of basic, growth'
    >>> one_of([], "subscribe first")
    'subscribe first'
    """
    listed = ", ".join(names)
    return f"use one of {listed}" if listed else otherwise
