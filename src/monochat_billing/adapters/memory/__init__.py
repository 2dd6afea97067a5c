"""A storage in memory: the reference that every other adapter is compared with.

It keeps every guarantee of :mod:`monochat_billing.repositories` except durability: what it holds
is gone with the process. One lock serializes all work, so it may be shared by threads. A forked
process goes on with a copy of its own.
"""

import os
import threading
from collections.abc import Callable
from typing import Final, TypeVar, final

from monochat_billing.adapters.memory._shelf import Shelf
from monochat_billing.adapters.memory._unit import Unit
from monochat_billing.errors import StorageMisuse
from monochat_billing.repositories import Changes, Reader, UnitOfWork

__all__ = ["MemoryStorage"]

T = TypeVar("T")

_NESTED: Final = "a unit of work is open in this thread"


@final
class MemoryStorage:
    """Keep the books of all accounts in this process.

    >>> from monochat_billing.adapters.memory import MemoryStorage
    >>> MemoryStorage().read(lambda reader: list(reader.accounts()))
    []
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._shelf = Shelf()
        self._writing = False
        self._process = os.getpid()

    @classmethod
    def holding(cls, changes: Changes) -> "MemoryStorage":
        """Begin with one account as another storage has it; what it has archived is not here.

        Nothing is compared: what was read from one consistent view is taken over.
        """
        storage = cls()
        storage._shelf.apply(changes)
        return storage

    def read(self, work: Callable[[Reader], T]) -> T:
        """Run ``work`` on the books as they are; no change happens meanwhile.

        Raises:
            StorageMisuse: a unit of work is open in this thread.
        """
        self._enter_process("read")
        with self._lock:
            if self._writing:
                raise StorageMisuse("read", _NESTED)
            return work(Unit(self._shelf))

    def write(self, work: Callable[[UnitOfWork], T]) -> T:
        """Run ``work`` alone; what it saved is kept when it returns, and dropped when it raises.

        Raises:
            StorageMisuse: ``work`` itself calls ``write``, or saves what cannot be right.
        """
        self._enter_process("write")
        with self._lock:
            if self._writing:
                raise StorageMisuse("write", _NESTED)
            self._writing = True
            unit = Unit(self._shelf)
            try:
                result = work(unit)
                unit.commit()
            except BaseException:  # whatever it was, an interrupt too: undone, and raised again
                unit.roll_back()
                raise
            finally:
                self._writing = False
            return result

    def _enter_process(self, operation: str) -> None:
        """In a forked process, go on with the copy; a lock that was held there is nobody's here."""
        if self._process == os.getpid():
            return
        if self._writing:
            raise StorageMisuse(operation, "the process was forked in the midst of a unit of work")
        self._lock = threading.RLock()
        self._process = os.getpid()
