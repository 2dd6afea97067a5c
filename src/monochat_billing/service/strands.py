"""Strands: run the synchronous service on an event loop, waiting without blocking it.

Owns how a verb that knows nothing of asyncio is suspended while something is awaited, and how
commands of many tasks share one commit.
Does not own any verb, any rule, or how a batch is run (``group_commit``, ``pipeline``).

A strand is a greenlet: a function runs in it as it is, and where it would have to wait, the event
loop goes on with others until there is an answer. What blocks (a storage, a gateway) runs in a
thread of the loop's executor meanwhile. Needs the extra ``[async]``.
"""

import asyncio
import sys
import threading
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, ParamSpec, TypeVar, cast, final
from weakref import WeakKeyDictionary, ref

import attrs

from monochat_billing.errors import MissingExtra, StorageError, StoreBusy
from monochat_billing.repositories import Reader, Storage, UnitOfWork
from monochat_billing.service.group_commit import Execute, GroupCommit, settle
from monochat_billing.service.pipeline import Command

try:
    from greenlet import getcurrent, greenlet
except ImportError as _missing:
    raise MissingExtra("monochat_billing.service.asynchronous", "async") from _missing

__all__ = ["OffLoop", "StrandLane", "ThreadedStorage", "elsewhere", "in_strand"]

_P = ParamSpec("_P")
T = TypeVar("T")

_MICROSECONDS: Final = 10**6


_IDLE: Final = object()
"""What a strand says when its function has ended; whatever else it says is to be awaited."""

_KEPT: Final = 256


class _Strand(greenlet):  # type: ignore[misc] # greenlet may come without types
    """Run functions, one after the other; what they wait for goes to the task that has asked.

    A strand that is new needs a stack of its own, which costs as much as a debit's own work in the
    loop. So one that is idle is kept for the next task.
    """

    answer: Any = None
    failure: BaseException | None = None

    def run(self, work: Callable[[], object]) -> None:
        """Run a function, and another one whenever there is one."""
        while True:
            try:
                self.answer = work()
            except BaseException as failure:  # noqa: BLE001 - it belongs to the task
                self.failure = failure
            del work
            work = self.parent.switch(_IDLE)


class _Idle(threading.local):
    """Keep the idle strands of a thread; a strand can be switched to from its parent alone."""

    def __init__(self) -> None:
        self.strands: list[_Strand] = []


_IDLE_HERE: Final = _Idle()


async def in_strand(work: Callable[[], T]) -> T:
    """Run ``work`` in a strand, and give what it returns."""
    current, idle = getcurrent(), _IDLE_HERE.strands
    strand = idle.pop() if idle and idle[-1].parent is current else _Strand(parent=current)
    strand.gr_context = current.gr_context
    waited: Any = strand.switch(work)
    while waited is not _IDLE:
        try:
            answer = await waited
        except BaseException:  # noqa: BLE001 - it belongs into the strand, a cancellation too
            waited = strand.throw(*sys.exc_info())
        else:
            waited = strand.switch(answer)
    answer, failure = strand.answer, strand.failure
    strand.answer = strand.failure = strand.gr_context = None
    if len(idle) < _KEPT:
        idle.append(strand)
    if failure is not None:
        try:
            raise failure
        finally:
            del failure
    return cast("T", answer)


def _wait(awaitable: Awaitable[T]) -> T:
    """Suspend the strand that is running until there is an answer."""
    return cast("T", getcurrent().parent.switch(awaitable))


def elsewhere(work: Callable[_P, T], *args: _P.args, **kwargs: _P.kwargs) -> T:
    """Run what blocks in a thread of the executor; outside of a strand, just run it."""
    if not isinstance(getcurrent(), _Strand):
        return work(*args, **kwargs)
    loop = asyncio.get_running_loop()
    return _wait(loop.run_in_executor(None, lambda: work(*args, **kwargs)))


@final
@attrs.frozen
class ThreadedStorage:
    """Be a storage that works in another thread while the event loop goes on."""

    storage: Storage

    def read(self, work: Callable[[Reader], T]) -> T:
        """Run ``work`` on one consistent view."""
        return elsewhere(self.storage.read, work)

    def write(self, work: Callable[[UnitOfWork], T]) -> T:
        """Run ``work`` in a unit of work and commit."""
        return elsewhere(self.storage.write, work)


@final
class OffLoop:
    """Be somebody of the host's (a gateway, a usage reader) whose verbs may block."""

    def __init__(self, target: object) -> None:
        self._target = target

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - as the target has it
        found = getattr(self._target, name)
        return _off_loop(found) if callable(found) else found

    def __call__(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - as the target takes it
        """Call the target, if it is a function."""
        return elsewhere(cast("Callable[..., Any]", self._target), *args, **kwargs)


def _off_loop(verb: Callable[_P, T]) -> Callable[_P, T]:
    def run(*args: _P.args, **kwargs: _P.kwargs) -> T:
        return elsewhere(verb, *args, **kwargs)

    return run


@attrs.define(eq=False)
class _Queue:
    """Hold what waits on one event loop."""

    waiting: deque[tuple[Command, "asyncio.Future[Any]"]] = attrs.field(factory=deque)
    expected: int = 0
    enough: "asyncio.Event | None" = None
    pump: "asyncio.Task[None] | None" = None


@final
class StrandLane:
    """Run commands of many tasks in batches, one batch at a time, each in a thread.

    A task that is cancelled before its command was taken has changed nothing; later, its command
    is in doubt like any other whose answer was lost, and repeating it with its key settles it.
    """

    def __init__(self, settings: GroupCommit) -> None:
        self._settings = settings
        self._queues: WeakKeyDictionary[asyncio.AbstractEventLoop, _Queue] = WeakKeyDictionary()
        self._last: tuple[ref[asyncio.AbstractEventLoop], _Queue] | None = None

    def run(self, command: Command, execute: Execute) -> Any:  # noqa: ANN401 - any verb's result
        """Run one command, together with whoever else is there; give its result or its error.

        Raises:
            StoreBusy: too many tasks wait already; nothing was written.
        """
        loop = asyncio.get_running_loop()
        queue = self._queue_of(loop)
        if len(queue.waiting) >= self._settings.queue:
            raise StoreBusy("queue", f"{self._settings.queue} tasks wait already")
        answer = loop.create_future()
        entry = (command, answer)
        queue.waiting.append(entry)
        if queue.enough is not None and len(queue.waiting) >= queue.expected:
            queue.enough.set()
        if queue.pump is None:
            queue.pump = loop.create_task(self._serve(queue, execute))
        try:
            return _wait(answer)
        finally:
            if not answer.done() and entry in queue.waiting:
                queue.waiting.remove(entry)

    def _queue_of(self, loop: asyncio.AbstractEventLoop) -> _Queue:
        last = self._last
        if last is not None and last[0]() is loop:
            return last[1]
        queue = self._queues.get(loop)
        if queue is None:
            queue = self._queues[loop] = _Queue()
        self._last = (ref(loop), queue)
        return queue

    async def _serve(self, queue: _Queue, execute: Execute) -> None:
        """Serve whoever waits until nobody does."""
        loop = asyncio.get_running_loop()
        try:
            while queue.waiting:
                await self._gather(queue)
                many = min(len(queue.waiting), self._settings.batch)
                batch = [queue.waiting.popleft() for _ in range(many)]
                commands = [command for command, _ in batch]
                try:
                    answers = await loop.run_in_executor(None, settle, execute, commands)
                except BaseException:  # a cancel too: who waits is told, and it is raised again
                    _tell(batch, [_interrupted() for _ in batch])
                    raise
                _tell(batch, answers)
                queue.expected = min(len(batch) + len(queue.waiting), self._settings.batch)
        finally:
            queue.pump = None

    async def _gather(self, queue: _Queue) -> None:
        """Wait for as many as were there last time, and not for long."""
        await asyncio.sleep(0)  # whoever was just answered may ask again
        if len(queue.waiting) >= queue.expected or not self._settings.window:
            return
        queue.enough = asyncio.Event()
        try:
            async with asyncio.timeout(self._settings.window / _MICROSECONDS):
                await queue.enough.wait()
        except TimeoutError:
            pass
        finally:
            queue.enough = None


def _interrupted() -> StorageError:
    return StorageError("write", "the event loop stopped waiting for the thread that wrote")


def _tell(
    batch: Sequence[tuple[Command, "asyncio.Future[Any]"]], answers: Sequence[object]
) -> None:
    for (_, future), answer in zip(batch, answers, strict=True):
        if not future.done():
            future.set_result(answer)
