"""What a unit of work has saved, between its save and the shelf.

Owns when it reaches the shelf and what puts it back.
Does not own what is saved (``_unit``).
"""

from collections.abc import Callable

from monochat_billing.adapters.memory._shelf import Shelf
from monochat_billing.errors import StorageError
from monochat_billing.repositories import Changes


class Pending:
    """Read the shelf and collect what is to be saved.

    What was saved is put on the shelf at the end, or as soon as somebody looks again: then with a
    way back, because the end may be a failure.
    """

    def __init__(self, shelf: Shelf) -> None:
        self._kept = shelf
        self._loaded: set[str] = set()
        self._saved: list[Changes] = []
        self._undo: list[Callable[[], None]] = []
        self._failure: StorageError | None = None

    @property
    def _shelf(self) -> Shelf:
        """Give the shelf with everything on it that this unit of work has saved."""
        if self._saved:
            for changes in self._saved:
                self._undo.append(self._kept.undoing(changes))
                self._kept.apply(changes)
            self._saved = []
        return self._kept

    def commit(self) -> None:
        """Keep what was saved, unless a save has failed, even if nobody minded."""
        if self._failure is not None:
            raise self._failure
        for changes in self._saved:
            self._kept.apply(changes)

    def roll_back(self) -> None:
        """Put everything back as it was."""
        while self._undo:
            self._undo.pop()()


def page_of(after: int, limit: int) -> slice:
    """Say which places a page takes: a negative limit none, a negative ``after`` from the start."""
    first = max(after, 0)
    return slice(first, first + max(limit, 0))
