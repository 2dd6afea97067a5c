"""Sealing: a person's number is written through the host's cipher, and read through it.

*Owns* which numbers are sealed, and how a sealed one is told from a plain one.
*Does not own* the cipher, its keys or their rotation: those are the host's.

A number that could be a TCKN stands in profiles and invoices only. With a cipher it is sealed
there, and no backup or export has it in the clear. What was written before the storage had a cipher
is still read; it is sealed when it is written again.

>>> class Backwards:
...     def seal(self, text: str) -> str:
...         return text[::-1]
...     def open(self, sealed: str) -> str:
...         return sealed[::-1]
>>> with sealing(Backwards()):
...     print(sealed_number("17291716060"))
sealed:06061719271
"""

from contextvars import ContextVar
from typing import Final, Protocol

from monochat_billing.errors import InvalidInput

__all__ = ["Cipher", "is_sealed", "opened_number", "sealed_number", "sealing"]

_MARK: Final = "sealed:"


class Cipher(Protocol):
    """Keep a secret for the host; each verb undoes the other, for ever."""

    def seal(self, text: str) -> str:
        """Give the sealed form of a text."""
        ...

    def open(self, sealed: str) -> str:
        """Give the text that :meth:`seal` was given."""
        ...


_CIPHER: ContextVar[Cipher | None] = ContextVar("monochat_billing_cipher", default=None)


class sealing:  # noqa: N801 - it is used like the function that it could be
    """Use a cipher for whatever is written and read meanwhile in this thread or task."""

    __slots__ = ("_cipher", "_token")

    def __init__(self, cipher: Cipher | None) -> None:
        self._cipher = cipher

    def __enter__(self) -> None:
        self._token = _CIPHER.set(self._cipher)

    def __exit__(self, *_: object) -> None:
        _CIPHER.reset(self._token)


def is_sealed(document: str) -> bool:
    """Tell whether there may be a sealed number in a document."""
    return _MARK in document


def sealed_number(number: str) -> str:
    """Give a number as it is written: sealed, if there is a cipher."""
    cipher = _CIPHER.get()
    return number if cipher is None else _MARK + cipher.seal(number)


def opened_number(written: str) -> str:
    """Give a number that was written.

    Raises:
        InvalidInput: it is sealed, and the storage has no cipher.
    """
    if not written.startswith(_MARK):
        return written
    cipher = _CIPHER.get()
    if cipher is None:
        raise InvalidInput(
            "cipher", None, "is missing: a tax id is sealed", "pass the storage its cipher"
        )
    return cipher.open(written.removeprefix(_MARK))
