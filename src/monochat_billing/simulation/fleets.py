"""Fleets: the same question for many accounts, over any executor, answered as a stream.

*Owns* cutting into chunks, keeping few of them under way, the order of the answers, a progress bar,
stopping and resuming.
*Does not own* the question. It has to be a function that pickles where the executor needs that.

An executor is anything with ``submit(function, *arguments)`` that returns something with
``result()``: those of :mod:`concurrent.futures`, a Dask ``Client``, a Ray pool behind such a face.
Answers come in the order of the items, whatever the executor and the chunks; at most ``ahead``
chunks are under way, so that memory does not grow with the fleet. The question travels to each
process once.

>>> from concurrent.futures import ThreadPoolExecutor
>>> with ThreadPoolExecutor(2) as executor:
...     answers = list(map_fleet(abs, range(-3, 3), executor=executor, chunk=2))
>>> answers, list(map_fleet(abs, range(-3, 3))) == answers
([3, 2, 1, 0, 1, 2], True)
>>> list(map_fleet(abs, range(-3, 3), skip=4))  # what was answered before is not asked again
[1, 2]
"""

import pickle
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache, partial
from itertools import islice
from typing import Any, Final, Protocol, TypeVar, final

import attrs

from monochat_billing.errors import InvalidInput
from monochat_billing.money import Money
from monochat_billing.simulation.choices import Choice
from monochat_billing.simulation.comparisons import compare_plans
from monochat_billing.simulation.costs import CostTerms
from monochat_billing.simulation.frames import required
from monochat_billing.simulation.profiles import UsageProfile

__all__ = ["Executor", "FleetLine", "Promise", "compare_fleet", "map_fleet"]

T = TypeVar("T")
R = TypeVar("R")

_CHUNK: Final = 50
_AHEAD: Final = 8


class Promise(Protocol):
    """Stand for an answer that is on its way."""

    def result(self) -> Any:  # noqa: ANN401 - whatever was asked for
        """Wait for the answer, and give it or raise its error."""
        ...


class Executor(Protocol):
    """Run functions somewhere else."""

    def submit(self, work: Callable[..., Any], /, *arguments: Any) -> Promise:  # noqa: ANN401 - as above
        """Begin to run a function."""
        ...


def map_fleet(
    work: Callable[[T], R],
    items: Iterable[T],
    *,
    executor: Executor | None = None,
    chunk: int = _CHUNK,
    ahead: int = _AHEAD,
    skip: int = 0,
    progress: bool = False,
) -> Iterator[R]:
    """Answer ``work(item)`` for each item, one after the other, in the order of the items.

    Without an executor it is done here. ``skip`` leaves out the first items, whose answers were
    taken before: who counts what was taken can stop at any answer and go on later. Closing the
    iterator stops it; chunks under way are canceled where they can be. ``progress`` shows a bar
    (extra ``notebook``).

    Raises:
        InvalidInput: chunk or ahead is below one, or skip below zero.
        MissingExtra: tqdm is not installed and a bar is asked for.
    """
    for name, value, least in (("chunk", chunk, 1), ("ahead", ahead, 1), ("skip", skip, 0)):
        if type(value) is not int or value < least:
            raise InvalidInput(name, value, "is no such number", f"pass {least} or more")
    found = _answers(work, islice(items, skip, None), executor, chunk, ahead)
    if not progress:
        return found
    total = len(items) - skip if isinstance(items, Sequence) else None
    shown: Iterator[R] = iter(required("tqdm.auto").tqdm(found, total=total))
    return shown


def _answers(
    work: Callable[[T], R], items: Iterator[T], executor: Executor | None, chunk: int, ahead: int
) -> Iterator[R]:
    if executor is None:
        yield from map(work, items)
        return
    waiting: deque[Promise] = deque()
    chunks = _chunks(items, chunk)
    work = _Packed(work)
    try:
        for part in chunks:
            waiting.append(executor.submit(_all, work, part))
            if len(waiting) >= ahead:
                yield from waiting.popleft().result()
        while waiting:
            yield from waiting.popleft().result()
    finally:
        for one in waiting:
            cancel = getattr(one, "cancel", None)
            if cancel is not None:
                cancel()


@final
class _Packed:
    """Carry a function to other processes, where it is unpacked once and not chunk by chunk.

    So what it holds, such as terms with the rates they have found, is kept there between chunks.
    """

    def __init__(self, work: Callable[[Any], Any]) -> None:
        self._work = work
        self._packed: bytes | None = None

    def __call__(self, item: Any) -> Any:  # noqa: ANN401 - whatever the function takes and gives
        return self._work(item)

    def __reduce__(self) -> tuple[Any, ...]:
        try:
            self._packed = self._packed or pickle.dumps(self._work)
        except (pickle.PicklingError, AttributeError, TypeError):
            return _Packed, (self._work,)  # who carries it may know more than pickle does
        return _unpacked, (self._packed,)


@lru_cache(maxsize=4)
def _unpacked(packed: bytes) -> _Packed:
    return _Packed(pickle.loads(packed))  # noqa: S301 - our own bytes, on their way to a worker


def _chunks(items: Iterator[T], size: int) -> Iterator[tuple[T, ...]]:
    while part := tuple(islice(items, size)):
        yield part


def _all(work: Callable[[T], R], part: tuple[T, ...]) -> list[R]:
    return [work(one) for one in part]


@final
@attrs.frozen(kw_only=True)
class FleetLine:
    """Say which choice is cheapest for one account, and what each of them costs."""

    account: str
    cheapest: Choice | None
    cost: Money | None
    costs: tuple[tuple[Choice, Money | None], ...] = attrs.field(repr=False)


def compare_fleet(
    profiles: Iterable[tuple[str, UsageProfile]],
    choices: Iterable[Choice],
    terms: CostTerms,
    **how: Any,  # noqa: ANN401 - what map_fleet takes
) -> Iterator[FleetLine]:
    """Compare the same choices for every account of a fleet, each with its own usage.

    ``how`` is what :func:`map_fleet` takes.

    Raises:
        InvalidInput: there is no choice, or as :func:`map_fleet`.
        UnknownName: a choice or a meter is not in the catalog.
    """
    listed = tuple(choices)
    if not listed:
        raise InvalidInput("choices", (), "is empty", "pass at least one Choice")
    return map_fleet(partial(_compared, listed, terms), profiles, **how)


def _compared(
    choices: tuple[Choice, ...], terms: CostTerms, item: tuple[str, UsageProfile]
) -> FleetLine:
    account, profile = item
    found = compare_plans(profile, terms, among=choices)
    best = next(iter(found.possible), None)
    return FleetLine(
        account=account,
        cheapest=None if best is None else best.choice,
        cost=None if best is None else best.total,
        costs=tuple(
            [(one, cost.total if (cost := found.of(one)).possible else None) for one in choices]
        ),
    )
