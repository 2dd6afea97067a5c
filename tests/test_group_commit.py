"""Callers that arrive together share a commit, and nothing else."""

import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

import attrs
import pytest

from monochat_billing import Billing, Entry, InsufficientFunds, sample_catalog
from monochat_billing.adapters.memory import MemoryStorage
from monochat_billing.adapters.sql import SqlStorage
from monochat_billing.errors import (
    CorruptBooks,
    IdempotencyConflict,
    InvalidInput,
    StorageError,
    StoreBusy,
    UnknownName,
)
from monochat_billing.repositories import Reader, Storage, UnitOfWork
from monochat_billing.service import group_commit
from monochat_billing.service.group_commit import GroupCommit, Lane, _Caller, settle
from monochat_billing.service.pipeline import Command
from tests.desk import Clock
from tests.factories import lira
from tests.interrupts import Interrupt

T = TypeVar("T")


@attrs.define(eq=False)
class Gate:
    """Be a storage whose commits wait until they are let through, and fail when told to."""

    inner: Storage
    open: threading.Event = attrs.field(factory=threading.Event)
    entered: threading.Semaphore = attrs.field(factory=lambda: threading.Semaphore(0))
    writes: int = 0
    failures: list[BaseException] = attrs.field(factory=list)

    def read(self, work: Callable[[Reader], T]) -> T:
        return self.inner.read(work)

    def write(self, work: Callable[[UnitOfWork], T]) -> T:
        self.writes += 1
        self.entered.release()
        self.open.wait()
        if self.failures:
            raise self.failures.pop(0)
        return self.inner.write(work)


@attrs.define
class Counter:
    """Be a shop with one account that many threads debit."""

    gate: Gate
    billing: Billing
    lane: Lane
    pool: ThreadPoolExecutor

    def debit(self, key: str, amount: str = "10", account: str = "acme") -> "Future[Entry]":
        return self.pool.submit(
            self.billing.balances.debit, account, lira(amount), reason="export", key=key
        )

    def queued(self, many: int) -> None:
        """Wait until so many callers queue."""
        until(lambda: len(self.lane._queue) == many)

    def first(self, key: str = "first") -> "Future[Entry]":
        """Let one caller lead and stand before the gate."""
        self.gate.open.clear()
        leading = self.debit(key)
        self.gate.entered.acquire()
        self.gate.writes = 0
        return leading

    def posted(self, account: str = "acme") -> int:
        return self.billing.balances.list(account)["TRY"].posted // 10**6


def until(true: Callable[[], bool]) -> None:
    """Let other threads run until something is true."""
    deadline = time.monotonic() + 30
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0)


@pytest.fixture
def counter(clock: Clock) -> Iterator[Counter]:
    gate = Gate(MemoryStorage())
    gate.open.set()
    billing = Billing(
        catalog=sample_catalog(), storage=gate, clock=clock, group_commit=GroupCommit(queue=20)
    )
    for account in ("acme", "globex"):
        billing.accounts.open(account, zone="Europe/Istanbul", currencies=["TRY"])
        billing.balances.credit(account, lira("100"), reason="opening", key="opening")
    while gate.entered.acquire(blocking=False):
        pass
    lane = billing.context.lane
    assert isinstance(lane, Lane)
    with ThreadPoolExecutor(32) as pool:
        yield Counter(gate, billing, lane, pool)
        gate.open.set()


class TestSharing:
    """Whoever waits while a commit is under way is in the next one."""

    def test_those_who_wait_share_one_commit(self, counter: Counter) -> None:
        leading = counter.first()
        waiting = [counter.debit(f"k-{number}", "1") for number in range(8)]
        counter.queued(8)
        counter.gate.open.set()
        assert [one.result().amount for one in (leading, *waiting)] == [-10_000_000] + [
            -1_000_000
        ] * 8
        assert counter.gate.writes == 1
        assert counter.posted() == 82
        assert counter.billing.verify().sound

    def test_each_gets_its_own_answer(self, counter: Counter) -> None:
        leading = counter.first()
        asked = {
            "fits": counter.debit("fits", "40"),
            "too much": counter.debit("too much", "500"),
            "nothing": counter.debit("nothing", "0"),
            "nobody": counter.debit("nobody", account="nobody"),
            "another": counter.debit("another", account="globex"),
        }
        counter.queued(5)
        counter.gate.open.set()
        assert leading.result().number == 2
        assert asked["fits"].result().amount == -40_000_000
        assert asked["another"].result().account == "globex"
        for name, kind in (
            ("too much", InsufficientFunds),
            ("nothing", InvalidInput),
            ("nobody", UnknownName),
        ):
            assert isinstance(asked[name].exception(), kind)
        assert counter.gate.writes == 1
        assert (counter.posted(), counter.posted("globex")) == (50, 90)

    def test_a_key_that_comes_twice_in_one_batch_is_done_once(self, counter: Counter) -> None:
        leading = counter.first()
        same = [counter.debit("same") for _ in range(4)]
        counter.queued(4)
        other = counter.debit("same", "11")
        counter.queued(5)
        counter.gate.open.set()
        leading.result()
        assert {one.result().number for one in same} == {3}
        assert isinstance(other.exception(), IdempotencyConflict)
        assert counter.posted() == 80

    def test_exactly_as_many_succeed_as_there_is_money_for(self, counter: Counter) -> None:
        leading = counter.first()
        waiting = [counter.debit(f"k-{number}") for number in range(15)]
        counter.queued(15)
        counter.gate.open.set()
        done = [one for one in (leading, *waiting) if one.exception() is None]
        refused = [one for one in waiting if isinstance(one.exception(), InsufficientFunds)]
        assert (len(done), len(refused)) == (10, 6)
        assert counter.posted() == 0

    def test_one_alone_waits_for_nobody(self, counter: Counter) -> None:
        for number in range(5):
            counter.billing.balances.debit("acme", lira("1"), reason="x", key=f"{number}")
            assert counter.lane._gate is None
            assert counter.lane._expected == 0
        assert counter.gate.writes == 4 + 5


class TestBounds:
    """There is a limit on everything."""

    def test_a_full_queue_refuses_and_writes_nothing(self, counter: Counter) -> None:
        leading = counter.first()
        waiting = [counter.debit(f"k-{number}", "1") for number in range(20)]
        counter.queued(20)
        with pytest.raises(StoreBusy, match="20 callers wait already; nothing was written"):
            counter.billing.balances.debit("acme", lira("1"), reason="export", key="late")
        counter.gate.open.set()
        assert leading.result().number == 2
        assert all(one.exception() is None for one in waiting)
        assert counter.posted() == 70

    def test_a_batch_is_bounded(self) -> None:
        lane, sizes, gate = Lane(GroupCommit(batch=3, window=0)), [], threading.Event()

        def execute(commands: Sequence[Command]) -> list[Any]:
            sizes.append(len(commands))
            gate.wait()
            return [len(commands)] * len(commands)

        with ThreadPoolExecutor(8) as pool:
            asked = [pool.submit(lane.run, _nothing(), execute) for _ in range(8)]
            until(lambda: len(lane._queue) == 7)
            gate.set()
            assert sorted(one.result() for one in asked) == [1, 1, 3, 3, 3, 3, 3, 3]
        assert sizes == [1, 3, 3, 1]

    @pytest.mark.parametrize("name", ["window", "batch", "queue"])
    @pytest.mark.parametrize("value", [-1, 10**9, True, None, "5"])
    def test_impossible_settings_are_refused(self, name: str, value: object) -> None:
        with pytest.raises(InvalidInput, match=f"{name}: .* is not possible"):
            GroupCommit(**{name: value})  # type: ignore[arg-type] # that is the point


def _nothing() -> Command:
    def decide(*_: object) -> Any:  # noqa: ANN401 - never called
        raise AssertionError

    return Command(account="acme", verb="nothing", decide=decide)


class TestFailures:
    """A failure is in doubt for those whom it concerns, and concerns nobody else."""

    def test_a_failed_batch_is_settled_one_by_one(self, counter: Counter) -> None:
        leading = counter.first()
        waiting = [counter.debit(f"k-{number}", "1") for number in range(3)]
        counter.queued(3)
        counter.gate.failures = [StorageError("commit", "the answer was lost")]
        counter.gate.open.set()
        assert isinstance(leading.exception(), StorageError)
        assert [one.result().amount for one in waiting] == [-1_000_000] * 3
        assert counter.posted() == 97

    def test_whose_own_failure_it_is_alone_fails(self) -> None:
        def execute(commands: Sequence[Command]) -> list[Any]:
            if any(one.account == "corrupt" for one in commands):
                raise CorruptBooks("read billing_lots", "account 'corrupt'")
            return [one.account for one in commands]

        names = ["a", "corrupt", "b"]
        answers = settle(execute, [attrs.evolve(_nothing(), account=name) for name in names])
        assert answers[0] == "a"
        assert isinstance(answers[1], CorruptBooks)
        assert answers[2] == "b"

    def test_what_fails_twice_is_in_doubt_for_all(self) -> None:
        failures = [StorageError("commit", "the answer was lost")]
        runs: list[int] = []

        def execute(commands: Sequence[Command]) -> list[Any]:
            runs.append(len(commands))
            raise failures.pop() if failures else StoreBusy("write", "locked")

        answers = settle(execute, [_nothing()] * 4)
        assert [str(one) for one in answers] == [
            "commit: the answer was lost; in doubt, repeat with the same key to settle it"
        ] * 4
        assert len({id(one) for one in answers}) == 4
        assert runs == [4, 1]

    def test_where_nothing_was_written_nothing_is_tried_again(self) -> None:
        runs: list[int] = []

        def execute(commands: Sequence[Command]) -> list[Any]:
            runs.append(len(commands))
            raise StoreBusy("write", "locked")

        answers = settle(execute, [_nothing()] * 4)
        assert all(isinstance(one, StoreBusy) for one in answers)
        assert runs == [4]

    def test_a_leader_that_is_interrupted_leaves_the_others_in_doubt(
        self, counter: Counter
    ) -> None:
        leading = counter.first()
        waiting = [counter.debit(f"k-{number}", "1") for number in range(3)]
        counter.queued(3)
        counter.gate.failures = [SystemExit(), KeyboardInterrupt()]
        counter.gate.open.set()
        assert isinstance(leading.exception(), SystemExit)
        ends = [one.exception() for one in waiting]
        assert sum(isinstance(one, KeyboardInterrupt) for one in ends) == 1
        assert sum(isinstance(one, StorageError) for one in ends) == 2
        assert counter.debit("after").result().amount == -10_000_000

    def test_who_gave_up_before_the_answer_is_passed_over(self) -> None:
        lane = Lane(GroupCommit())
        leading, gone, waiting = [_Caller(_nothing(), thread) for thread in range(3)]
        for one in (gone, waiting):
            one.woken = threading.Lock()
            one.woken.acquire()
        lane._leave(gone)
        lane._answer([leading, gone, waiting], [1, 2, 3])
        assert (gone.answer, waiting.answer) == (None, 3)
        assert gone.woken is not None
        assert gone.woken.locked()
        assert waiting.woken is not None
        assert waiting.woken.acquire(blocking=False)

    def test_who_asks_from_within_a_commit_is_refused_by_the_storage(self) -> None:
        billing = Billing(catalog=sample_catalog(), storage=SqlStorage("sqlite://"))
        billing.accounts.open("acme", zone="Europe/Istanbul", currencies=["TRY"])
        lane = billing.context.lane
        assert isinstance(lane, Lane)

        def ask(*_: object) -> Any:  # noqa: ANN401 - it never returns
            return billing.balances.debit("acme", lira("1"), reason="export", key="within")

        answer = lane.run(attrs.evolve(_nothing(), decide=ask), billing.context.execute)
        assert isinstance(answer, StorageError)
        assert "a unit of work is open in this thread" in str(answer)
        with pytest.raises(InsufficientFunds):
            billing.balances.debit("acme", lira("1"), reason="export", key="within")


def _named(account: str) -> Command:
    return attrs.evolve(_nothing(), account=account)


class TestInterrupts:
    """Wherever a thread is interrupted, nobody else waits for ever or gets what is not theirs."""

    @pytest.mark.parametrize("queue", [["interrupted", "a", "b"], ["a", "interrupted", "b"]])
    def test_who_queues_can_be_interrupted_anywhere(self, queue: list[str]) -> None:
        """In the first place it leads when its turn comes; in the second it has an answer."""

        def asked(lane: Lane, pool: ThreadPoolExecutor, interrupt: Interrupt) -> object:
            gate, entered = threading.Event(), threading.Event()

            def execute(commands: Sequence[Command]) -> list[Any]:
                if commands[0].account == "first":
                    entered.set()
                    gate.wait()
                return [one.account for one in commands]

            asking = {"first": pool.submit(lane.run, _named("first"), execute)}
            entered.wait()
            for place, name in enumerate(queue, 1):
                ask = partial(lane.run, _named(name), execute)
                ask = partial(interrupt.run, ask) if name == "interrupted" else ask
                asking[name] = pool.submit(ask)
                until(partial(_queued, lane, place, asking.get("interrupted")))
            gate.set()
            for name in ("first", "a", "b"):
                answer = asking[name].result(30)
                assert answer == name or "was interrupted; in doubt" in str(answer)
            return asking["interrupted"].result(30)

        assert interrupted_everywhere(asked, Lane(GroupCommit(window=0))) > 20

    def test_who_comes_alone_can_be_interrupted_anywhere(self) -> None:
        def asked(lane: Lane, pool: ThreadPoolExecutor, interrupt: Interrupt) -> object:
            lane._expected = 1
            ask = partial(lane.run, _named("interrupted"), _names)
            return pool.submit(interrupt.run, ask).result(30)

        assert interrupted_everywhere(asked, Lane(GroupCommit(window=1))) > 20

    def test_who_still_queues_is_in_no_batch_that_is_broken_off(self) -> None:
        """An interrupt may come while the leader takes who is there: they lead, and get no word."""
        lane = Lane(GroupCommit())
        leader, waiting = _Caller(_nothing(), 0), _Caller(_nothing(), 1)
        lane._leader = leader
        lane._come(waiting)
        lane._break_off([leader, waiting], [])
        assert (waiting.answer, waiting.leads, len(lane._queue)) == (None, True, 0)
        assert lane._leader is waiting

    @pytest.mark.skipif(not hasattr(os, "fork"), reason="there are no forks")
    def test_a_forked_process_begins_with_an_empty_lane(self) -> None:
        """It is empty before any thread comes: two that came at once would empty it twice."""
        lane = Lane(GroupCommit())
        lane._leader = _Caller(_nothing(), 0)
        child = os.fork()
        if not child:
            os._exit(0 if lane._leader is None else 1)
        assert os.waitpid(child, 0)[1] == 0
        assert lane._leader is not None


def _queued(lane: Lane, many: int, interrupted: "Future[Any] | None") -> bool:
    return len(lane._queue) == many or (interrupted is not None and interrupted.done())


def _names(commands: Sequence[Command]) -> list[Any]:
    return [one.account for one in commands]


def interrupted_everywhere(
    asked: Callable[[Lane, ThreadPoolExecutor, Interrupt], object], lane: Lane
) -> int:
    """Interrupt at each line, one after the other; give how many there are."""
    line = 0
    with ThreadPoolExecutor(8) as pool:
        while True:
            line += 1
            try:
                answer = asked(lane, pool, Interrupt(line, group_commit.__file__))
            except KeyboardInterrupt:
                answer = None
            assert pool.submit(lane.run, _named("after"), _names).result(30) == "after"
            assert (lane._leader, len(lane._queue)) == (None, 0)
            if answer is not None:
                assert answer == "interrupted"
                return line
