"""What the author of a storage gives to the kit, and what a case is given to work with.

Owns the bench (how to open a storage at a place, and what it can do) and the desk (the storages,
the clock and the service that one case uses).
Does not own the cases (:mod:`monochat_billing.testing.storage_kit`).
"""

import importlib
import itertools
import random
import shutil
import tempfile
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from inspect import isabstract
from pathlib import Path
from typing import Any, ClassVar, Final, final

from hypothesis import HealthCheck, seed as seeded, settings

from monochat_billing.adapters.sandbox import SandboxGateway
from monochat_billing.adapters.whatsapp import meta_rate_cards
from monochat_billing.errors import BillingError, InvalidInput
from monochat_billing.plans import sample_catalog
from monochat_billing.repositories import Reader, Storage, Wanted
from monochat_billing.service import Billing
from monochat_billing.testing.gateway_bench import KitClock
from monochat_billing.testing.storage_kit.cases import Capability

__all__ = [
    "RATES",
    "SECRET",
    "StorageBench",
    "StorageDesk",
    "bench_at",
    "counted",
    "everything",
    "outcome_of",
]

SECRET: Final = "the kit's own"  # noqa: S105 - it guards nothing
"""What the kit's payments are signed with."""

RATES: Final = meta_rate_cards()
"""What the kit's messages cost."""

_WIDE: Final = 10_000


class StorageBench(ABC):
    """Say how one kind of storage is opened, and what it can do.

    Subclass it at the top level of a module, so that other processes can import it by name; it is
    built without arguments. Every :class:`Capability` has to stand either in ``has``, or in
    ``lacks`` with the reason.
    """

    has: ClassVar[frozenset[Capability]] = frozenset()
    lacks: ClassVar[Mapping[Capability, str]] = {}

    @abstractmethod
    def open(self, place: Path) -> Storage:
        """Open a storage at a place, an existing folder that is empty at first.

        Opening the same place again, here or in another process, finds what was stored. A storage
        that cannot be reopened does not have DURABLE, and gives a new and empty one every time.
        """

    def close(self, storage: Storage) -> None:
        """Let go of an open storage; a method ``close`` of its own is called if it has one."""
        close = getattr(storage, "close", None)
        if close is not None:
            close()

    def discard(self, place: Path) -> None:  # noqa: B027 - a folder is removed by the desk
        """Remove what lies outside the folder, a server's database say; the folder is removed."""

    def warm(self) -> None:  # noqa: B027 - most storages share nothing
        """Do once what every storage of a process shares, such as compiling statements.

        The kit forks writers by the dozen, and each then has it. Nothing may be open afterwards.
        """

    @property
    def name(self) -> str:
        """Give the dotted path by which another process finds the bench."""
        kind = type(self)
        return f"{kind.__module__}:{kind.__qualname__}"

    def undeclared(self) -> list[str]:
        """List what is wrong with the declaration of capabilities; an empty list is right."""
        told = [
            f"{one} is neither in has nor in lacks"
            for one in Capability
            if one not in self.has and one not in self.lacks
        ]
        told += [f"{one} is in has and in lacks" for one in sorted(self.has & set(self.lacks))]
        return told + [
            f"{one} lacks a reason" for one, why in self.lacks.items() if not why.strip()
        ]


def bench_at(path: str) -> StorageBench:
    """Import a bench by its dotted path, ``package.module:Bench``.

    Raises:
        InvalidInput: there is no bench at that path.
    """
    module, _, names = path.partition(":")
    remedy = "name a subclass of StorageBench as package.module:Bench"
    if not names:
        raise InvalidInput("bench", path, "names no class behind a colon", remedy)
    try:
        found: Any = importlib.import_module(module)
        for name in names.split("."):
            found = getattr(found, name)
    except (ImportError, AttributeError, ValueError) as error:
        raise InvalidInput("bench", path, f"cannot be imported ({error})", remedy) from error
    if not (isinstance(found, type) and issubclass(found, StorageBench)) or isabstract(found):
        raise InvalidInput("bench", path, "is no bench", remedy)
    return found()


@final
class StorageDesk:
    """Hold what one case works with; everything that it opens is closed after the case.

    ``effort`` multiplies how often, how long and with how many examples is tried; ``seed`` fixes
    what is drawn, None leaves Hypothesis to its profile.
    """

    def __init__(self, bench: StorageBench, *, seed: int | None = None, effort: int = 1) -> None:
        self.bench = bench
        self.effort = effort
        self.seed = seed
        self.clock: KitClock = KitClock()
        self.chance: random.Random = random.Random(_drawn(seed))  # noqa: S311 - it draws cases, no secrets
        self._home = Path(tempfile.mkdtemp(prefix="billing-kit-"))
        self._places = itertools.count(1)
        self._open: dict[int, Storage] = {}
        self._turn = threading.Lock()
        self.place: Path = self.new_place()
        self._storage: Storage | None = None

    @property
    def storage(self) -> Storage:
        """Give the storage of the case, opened when it is first asked for."""
        with self._turn:
            if self._storage is None:
                self._storage = self.open()
            return self._storage

    def new_place(self) -> Path:
        """Make another empty place."""
        place = self._home / f"place-{next(self._places)}"
        place.mkdir()
        return place

    def open(self, place: Path | None = None) -> Storage:
        """Open a place, that of the case unless another is named."""
        opened = self.bench.open(place or self.place)
        self._open[id(opened)] = opened
        return opened

    def shut(self, storage: Storage) -> None:
        """Close what was opened."""
        del self._open[id(storage)]
        self.bench.close(storage)

    def reopen(self) -> Storage:
        """Close the storage of the case, and open its place again."""
        self.shut(self.storage)
        self._storage = self.open()
        return self._storage

    def billing(
        self, storage: Storage | None = None, *, ids: str | Callable[[], str] = "id"
    ) -> Billing:
        """Build a service on a storage, with ids that are counted behind a word."""
        return Billing(
            catalog=sample_catalog(),
            storage=storage or self.storage,
            gateways=[SandboxGateway(SECRET, page_url="http://127.0.0.1:9")],
            rates=RATES,
            clock=self.clock,
            ids=counted(ids) if isinstance(ids, str) else ids,
        )

    def law(self, examples: int) -> Callable[[Callable[..., None]], Callable[..., None]]:
        """Decorate a law over generated values: how many examples, times the effort."""
        chosen = self.chosen(examples)

        def decorate(law: Callable[..., None]) -> Callable[..., None]:
            law = chosen(law)
            return law if self.seed is None else seeded(self.seed)(law)

        return decorate

    def chosen(self, examples: int, **more: Any) -> settings:  # noqa: ANN401 - Hypothesis's own
        """Give Hypothesis's settings for so many examples, times the effort."""
        return settings(
            max_examples=examples * self.effort,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
            **more,
        )

    def close(self) -> None:
        """Close every storage and remove every place."""
        for storage in list(self._open.values()):
            self.shut(storage)
        for place in sorted(self._home.iterdir()):
            self.bench.discard(place)
        shutil.rmtree(self._home)

    @classmethod
    @contextmanager
    def at(
        cls, bench: StorageBench, *, seed: int | None = None, effort: int = 1
    ) -> Iterator["StorageDesk"]:
        """Give a desk for as long as the block lasts."""
        desk = cls(bench, seed=seed, effort=effort)
        try:
            yield desk
        finally:
            desk.close()


def _drawn(seed: int | None) -> int:
    """Give the seed that was asked for, or one as Hypothesis's profile wants: the same, or new."""
    if seed is not None:
        return seed
    return 0 if settings().derandomize else random.randrange(2**32)  # noqa: S311 - as above


def counted(word: str) -> Callable[[], str]:
    """Give ids that are counted behind a word, the same every time.

    >>> ids = counted("id")
    >>> ids(), ids()
    ('id-000001', 'id-000002')
    """
    numbers = itertools.count(1)
    return lambda: f"{word}-{next(numbers):06}"


def everything(storage: Storage, account: str = "acme") -> tuple[object, ...]:
    """Read all that a storage holds of an account, and what it says of all accounts."""

    def work(reader: Reader) -> tuple[object, ...]:
        loaded = reader.load([Wanted(account)])[account]
        return (
            loaded,
            tuple(reader.entries(account, limit=_WIDE)),
            tuple(reader.lots(account)),
            tuple(reader.subscriptions(account)),
            tuple(reader.schedule(account)),
            tuple(reader.holds(account)),
            tuple(reader.usage(account, limit=_WIDE)),
            tuple(reader.events(account, limit=_WIDE)),
            tuple(reader.messages(account, limit=_WIDE)),
            dict(reader.tallies(account, "")),
            account in reader.accounts(limit=_WIDE),
        )

    return storage.read(work)


def outcome_of(act: Callable[[], Any]) -> Any:  # noqa: ANN401 - any result
    """Run ``act`` and give its result, or its error as something that can be compared."""
    try:
        return act()
    except BillingError as error:
        return type(error).__name__, error.args
