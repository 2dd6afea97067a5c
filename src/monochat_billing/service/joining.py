"""Joining: run commands within a transaction that somebody else ends.

Owns what a host can pass in, and that a command then neither commits nor is run again.
Does not own how a storage joins a connection (the adapter).
"""

from collections.abc import Callable
from typing import Protocol, TypeVar, cast, final, runtime_checkable

import attrs

from monochat_billing.errors import InvalidInput
from monochat_billing.repositories import Reader, Storage, UnitOfWork

__all__ = ["Joinable", "OpenUnit", "joined"]

T = TypeVar("T")


@runtime_checkable
class Joinable(Protocol):
    """Be a storage that can work within a host's own transaction."""

    def joined(self, host: object) -> Storage:
        """Give a storage whose work lasts only if the host's transaction does.

        Raises:
            InvalidInput: it is nothing that can be joined, or has no transaction.
        """
        ...


@final
@attrs.frozen
class OpenUnit:
    """Be a storage within one unit of work of another storage, which is open."""

    unit: UnitOfWork

    def read(self, work: Callable[[Reader], T]) -> T:
        """Run ``work`` on what the unit of work sees, its own changes among it."""
        return work(self.unit)

    def write(self, work: Callable[[UnitOfWork], T]) -> T:
        """Run ``work`` once; what it saves lasts if the unit of work does."""
        return work(self.unit)


def joined(storage: Storage, host: object) -> Storage:
    """Give a storage that works within ``host``: a unit of work, or what the storage can join.

    Raises:
        InvalidInput: the storage cannot join it.
    """
    if callable(getattr(host, "save", None)) and callable(getattr(host, "load", None)):
        return OpenUnit(cast("UnitOfWork", host))
    if isinstance(storage, Joinable):
        return storage.joined(host)
    raise InvalidInput(
        "host", type(host).__name__, "cannot be joined", "pass the unit of work of storage.write"
    )
