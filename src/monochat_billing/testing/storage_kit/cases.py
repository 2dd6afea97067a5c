"""What a case is: what it does, in a sentence, and which capabilities it needs.

Owns the shape of a case, the tiers, the capabilities that a storage may declare, and the checks
that cases are made of.
Does not own any case, nor how they are run.
"""

import enum
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, Final, TypeVar, final

import attrs

if TYPE_CHECKING:
    from monochat_billing.testing.storage_kit.bench import StorageDesk

__all__ = ["Capability", "CaseList", "StorageCase", "Tier", "check", "raises"]

E = TypeVar("E", bound=BaseException)


class Capability(enum.StrEnum):
    """Name what a storage may be able to do, and may do without if it says why."""

    THREADS = "THREADS"
    """Threads of one process share one open storage."""
    DURABLE = "DURABLE"
    """What was written is there when the place is closed and opened again."""
    PROCESSES = "PROCESSES"
    """Several processes have one place open at once."""
    CRASH = "CRASH"
    """What ``write`` has returned from survives a process that is killed with SIGKILL."""


class Tier(enum.StrEnum):
    """Name how a case looks for faults, the quickest first."""

    SEMANTICS = "semantics"
    """One thing after another, each with the one answer that is right."""
    MODEL = "model"
    """Whatever happens in whatever order, compared with a model and with memory."""
    CONCURRENCY = "concurrency"
    """Threads and processes at once: the outcome is that of one after the other."""
    CRASH = "crash"
    """Writers that are killed: nothing that was acknowledged is lost."""


@final
@attrs.frozen
class StorageCase:
    """Describe one case: its name begins with its row of the matrix, or with its guarantee."""

    name: str
    tier: Tier
    sentence: str
    needs: frozenset[Capability]
    run: "Callable[[StorageDesk], None]"

    @property
    def row(self) -> str:
        """Give the row of the matrix of faults, ``L01`` to ``L28``, or the guarantee's name."""
        return self.name.partition("_")[0].upper()


@final
class CaseList:
    """Collect the cases of one module in the order in which they are written."""

    def __init__(self, tier: Tier, *needs: Capability) -> None:
        self._tier = tier
        self._needs: Final = frozenset(needs)
        self._cases: list[StorageCase] = []

    def __iter__(self) -> Iterator[StorageCase]:
        """Go through the cases."""
        return iter(self._cases)

    def case(
        self, *needs: Capability
    ) -> "Callable[[Callable[[StorageDesk], None]], Callable[[StorageDesk], None]]":
        """Take a function as a case: its name is the case's, its docstring the sentence."""

        def take(run: "Callable[[StorageDesk], None]") -> "Callable[[StorageDesk], None]":
            sentence = (run.__doc__ or "").strip().partition("\n")[0]
            if not sentence:
                raise TypeError(f"the case {run.__name__} has no sentence")
            wanted = self._needs.union(needs)
            self._cases.append(StorageCase(run.__name__, self._tier, sentence, wanted, run))
            return run

        return take


def check(what: str, found: Any, wanted: Any) -> None:  # noqa: ANN401 - any two values
    """Compare what was found with what has to be.

    Raises:
        AssertionError: they differ.

    >>> check("sum", 2 + 2, 5)
    Traceback (most recent call last):
    AssertionError: sum: found 4, wanted 5
    """
    if found != wanted:
        raise AssertionError(f"{what}: found {found!r}, wanted {wanted!r}")


def raises(kind: type[E] | Iterable[type[E]], act: Callable[[], Any], what: str) -> E:
    """Run ``act``, which has to raise an error of that kind, and give the error.

    Raises:
        AssertionError: nothing was raised; another error passes through.
    """
    kinds = (kind,) if isinstance(kind, type) else tuple(kind)
    try:
        act()
    except kinds as error:
        return error
    raise AssertionError(f"{what}: nothing raised {' or '.join(one.__name__ for one in kinds)}")
