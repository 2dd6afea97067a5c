"""Group commit: callers that arrive together share one load, one decision loop and one commit.

Owns who of the waiting callers works for all of them, how long it waits for more, and what each is
told when a batch fails.
Does not own how a batch is run (``pipeline``) or what a commit guarantees (the storage).

One caller leads: it takes those who queue, runs everybody's command, and hands out the answers.
Meanwhile new callers queue, and the first of them leads next. A caller that comes alone leads
itself at once and waits for nobody, so there is no thread in the background and nothing to stop.

One lane is better than several: a batch costs as much as five commands before its first, and the
interpreter runs one thread at a time anyway (``docs/adr/0009-what-a-debit-costs.md`` has the
figures).
"""

import os
import threading
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import islice
from typing import Any, Final, Protocol, final
from weakref import WeakSet

import attrs

from monochat_billing.errors import (
    CorruptBooks,
    InvalidInput,
    SchemaMismatch,
    StorageError,
    StoreBusy,
    StoreUnreachable,
)
from monochat_billing.service.pipeline import Command

__all__ = ["Execute", "GroupCommit", "Lane", "Runner", "settle"]

Execute = Callable[[Sequence[Command]], list[Any]]

_MICROSECONDS: Final = 10**6
_LONGEST: Final = _MICROSECONDS
_WINDOWS: Final = 4
"""How many windows a leader waits while others come: 64 callers take two milliseconds to return."""
_NOTHING_WRITTEN: Final = (StoreBusy, StoreUnreachable, SchemaMismatch)


def _within(low: int, high: int) -> Callable[[Any, Any, Any], None]:
    def check(_: object, field: Any, value: object) -> None:  # noqa: ANN401 - attrs gives it
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise InvalidInput(field.name, value, "is not possible", f"use {low} to {high}")

    return check


@final
@attrs.frozen(kw_only=True)
class GroupCommit:
    """Say how callers are gathered.

    ``window`` is how many microseconds a leader waits for another caller, and four times that at
    most, until as many have come as were there last time; nobody waits for the first. ``batch`` is
    how many commands one commit takes, ``queue`` how many may wait for theirs: whoever comes then
    is refused with :class:`~monochat_billing.errors.StoreBusy` and nothing was written.

    Raises:
        InvalidInput: a number is out of its bounds.

    >>> GroupCommit(batch=100)
    GroupCommit(window=500, batch=100, queue=10000)
    """

    window: int = attrs.field(default=500, validator=_within(0, _LONGEST))
    batch: int = attrs.field(default=1000, validator=_within(1, 10_000))
    queue: int = attrs.field(default=10_000, validator=_within(1, 1_000_000))


def settle(execute: Execute, commands: Sequence[Command]) -> list[Any]:
    """Run a batch and give an answer for each command: a result, or the error that is its own.

    A batch that failed is run again one by one, so that one command's failure is nobody else's.
    That is safe where the outcome is in doubt: what was committed is found by its key. A command
    of which only the first, common failure is known is in doubt.
    """
    try:
        return execute(commands)
    except _NOTHING_WRITTEN as failure:
        return [_copied(failure) for _ in commands]
    except Exception as failure:  # noqa: BLE001 - it is handed to the one whose it is
        if len(commands) == 1:
            return [failure]
        return _one_by_one(execute, commands, failure)


def _one_by_one(execute: Execute, commands: Sequence[Command], common: Exception) -> list[Any]:
    in_doubt = isinstance(common, StorageError) and not isinstance(common, CorruptBooks)
    answers: list[Any] = []
    for command in commands:
        try:
            answers += execute([command])
        except _NOTHING_WRITTEN as failure:
            # It will be no better for the next, and each would wait for the storage's deadline.
            first = common if in_doubt else failure
            return answers + [_copied(first) for _ in commands[len(answers) :]]
        except StorageError as failure:
            answers.append(_copied(common) if in_doubt else failure)
        except Exception as failure:  # noqa: BLE001 - as above
            answers.append(failure)
    return answers


def _copied(failure: BaseException) -> BaseException:
    """Give a copy with the same cause, so that no two threads raise one exception."""
    copy: BaseException = type(failure)(*failure.args)
    copy.__cause__ = failure.__cause__
    return copy


class Runner(Protocol):
    """Run commands for many callers."""

    def run(self, command: Command, execute: Execute) -> Any:  # noqa: ANN401 - any verb's result
        """Run one command, together with others; give its result or its error."""
        ...


class _Caller:
    """Wait for an answer, or for one's turn to lead.

    ``following`` has an answer, too, and is woken by this one. All at once would fight for the
    interpreter's lock and go back to sleep: one after the other they find it free.
    """

    __slots__ = ("answer", "command", "following", "gone", "leads", "thread", "woken")

    def __init__(self, command: Command, thread: int) -> None:
        self.command = command
        self.thread = thread
        self.answer: Any = None
        self.following: _Caller | None = None
        self.gone = False
        self.leads = False
        self.woken: threading.Lock | None = None

    def wake(self) -> None:
        """Let it go on; do nothing if it was told so before, or never slept."""
        if self.woken is not None:
            with suppress(RuntimeError):  # released already
                self.woken.release()


@final
class Lane:
    """Run commands of many threads in batches, one batch at a time.

    An interrupt may be raised anywhere in a thread: whoever it stops leaves the lane as if it had
    gone on, so that nobody waits for it. What does that may be done twice.

    A forked process starts with an empty lane.
    """

    def __init__(self, settings: GroupCommit) -> None:
        self._settings = settings
        self._forget_process()
        _LANES.add(self)

    def _forget_process(self) -> None:
        self._process = os.getpid()
        self._mutex = threading.Lock()
        self._queue: deque[_Caller] = deque()
        self._leader: _Caller | None = None
        self._expected = 0
        self._gate: threading.Lock | None = None

    def run(self, command: Command, execute: Execute) -> Any:  # noqa: ANN401 - any verb's result
        """Run one command, together with whoever else is there; give its result or its error.

        ``execute`` runs a batch and gives a result for each command; it raises when the storage
        fails. Every caller of one lane gives the same.

        Raises:
            StoreBusy: too many callers wait already; nothing was written.
        """
        if self._process != os.getpid():
            self._forget_process()
        me, leader = threading.get_ident(), self._leader
        if leader is not None and leader.thread == me:
            # A function of the host's, called while its thread leads, asks in its turn. It may not
            # wait for itself; the storage says that a unit of work is open.
            return settle(execute, [command])[0]
        caller = _Caller(command, me)
        try:
            self._come(caller)
            if caller.woken is not None:
                caller.woken.acquire()
            if caller.leads:
                return self._lead(caller, execute)
            if caller.following is not None:
                caller.following.wake()
        except BaseException:  # an interrupt too, and raised again
            self._leave(caller)
            raise
        return caller.answer

    def _come(self, caller: _Caller) -> None:
        """Lead at once where nobody does, or queue."""
        with self._mutex:
            if self._leader is None:
                caller.leads = True
                self._leader = caller
                return
            queued = len(self._queue) + 1
            if queued > self._settings.queue:
                raise StoreBusy("queue", f"{self._settings.queue} callers wait already")
            caller.woken = threading.Lock()
            caller.woken.acquire()
            self._queue.append(caller)
            if self._gate is not None and queued >= self._expected:
                gate, self._gate = self._gate, None
                gate.release()

    def _leave(self, caller: _Caller) -> None:
        """Hand on what a caller has that gives up: its place, its turn, the word for the next."""
        with self._mutex:
            caller.gone = True
            if caller.woken is not None and caller in self._queue:
                self._queue.remove(caller)
            following = caller.following
        self._hand_over(caller, 0)
        if following is not None:
            following.wake()

    def _lead(self, leader: _Caller, execute: Execute) -> Any:  # noqa: ANN401 - as above
        batch = [leader]
        answers: list[Any] = []
        try:
            if self._expected or self._queue:
                self._gather(batch)
            answers = settle(execute, [one.command for one in batch])
            if len(batch) > 1:
                self._answer(batch, answers)
            self._hand_over(leader, len(batch) - 1)
        except BaseException:  # an interrupt too, and raised again
            self._break_off(batch, answers)
            raise
        return answers[0]

    def _break_off(self, batch: list[_Caller], answers: Sequence[object]) -> None:
        """Give the answers that there are, or say that the leader was interrupted."""
        with self._mutex:
            waiting = set(self._queue)
            batch[:] = [one for one in batch if one not in waiting]
        if len(answers) != len(batch):
            answers = _interrupted(batch)
        self._answer(batch, answers)
        self._hand_over(batch[0], len(batch) - 1)

    def _answer(self, batch: Sequence[_Caller], answers: Sequence[object]) -> None:
        """Give everybody's answer but the leader's, and wake the first: each wakes the next."""
        first: _Caller | None = None
        with self._mutex:
            for caller, answer in zip(batch[:0:-1], answers[:0:-1], strict=True):
                if not caller.gone:
                    caller.answer = answer
                    caller.following = first
                    first = caller
        if first is not None:
            first.wake()

    def _gather(self, batch: list[_Caller]) -> None:
        """Wait for as many as were there last time, as long as others come; take who is there."""
        window, gate, seen = self._settings.window / _MICROSECONDS, None, len(self._queue)
        with self._mutex:
            if len(self._queue) < self._expected and window:
                gate = self._gate = threading.Lock()
                gate.acquire()
        if gate is not None:
            for _ in range(_WINDOWS):
                if gate.acquire(timeout=window) or len(self._queue) == seen:
                    break
                seen = len(self._queue)
        with self._mutex:
            self._gate = None
            many = min(len(self._queue), self._settings.batch - 1)
            batch += islice(self._queue, many)
            for _ in range(many):  # whoever is in both meanwhile still waits
                self._queue.popleft()

    def _hand_over(self, leader: _Caller, served: int) -> None:
        """Let the first who waits lead; expect whoever was served, and whoever waits, to come."""
        with self._mutex:
            if self._leader is leader:
                self._expected = min(served + len(self._queue), self._settings.batch - 1)
                if not self._queue:
                    self._leader = None
                    return
                self._leader = self._queue[0]
            following = self._leader
            if following is None or following.gone:
                return
            if self._queue and self._queue[0] is following:
                following.leads = True
                self._queue.popleft()
        if following.leads:
            following.wake()


_LANES: Final[WeakSet[Lane]] = WeakSet()


def _forget_processes() -> None:
    """Empty every lane before a thread of the forked process comes."""
    for lane in list(_LANES):
        lane._forget_process()  # noqa: SLF001 - ours


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_processes)


def _interrupted(batch: Sequence[_Caller]) -> list[StorageError]:
    return [StorageError("write", "the thread that wrote for all was interrupted") for _ in batch]
