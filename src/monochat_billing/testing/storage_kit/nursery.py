"""Processes for the cases that need some: one that has imported everything and forks the others.

Owns the program that is started as another process, the few jobs that its children can do, and the
handle by which a case speaks with them.
Does not own what a case checks.

Importing the library takes longer than most jobs, and a case kills many processes: so one process
imports, and its children are forked from it before they open anything.
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self, final

from monochat_billing.errors import InsufficientFunds
from monochat_billing.money import money
from monochat_billing.plans import sample_catalog
from monochat_billing.service import Billing
from monochat_billing.testing.gateway_bench import KitClock
from monochat_billing.testing.storage_kit.bench import StorageBench, bench_at

__all__ = ["JOBS", "Nursery", "main"]

_PROGRAM: Final = "monochat_billing.testing.storage_kit.nursery"


@final
class Nursery:
    """Start children that do a job at a place, let them go together, hear what they say.

    A child says ``ready`` when it has opened the place and waits for :meth:`go`. What it says
    after that is up to its job.
    """

    def __init__(self, bench: StorageBench, place: Path) -> None:
        start = json.dumps([bench.name, str(place), [str(Path.cwd()), *sys.path]])
        self._process = subprocess.Popen(  # noqa: S603 - our own program
            [sys.executable, "-c", _BOOT, start],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Self:
        """Give the nursery itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End the nursery; its children end with the pipe that they speak into.

        Nothing more is read: a child that writes on, because its case has failed, would never be
        done.
        """
        self._process.kill()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with suppress(BrokenPipeError):  # an order that nobody has taken
                    pipe.close()
        self._process.wait()

    def start(self, job: str, names: list[str], **facts: Any) -> dict[str, int]:  # noqa: ANN401 - JSON
        """Fork a child for each name, wait until all are ready, and give their process ids."""
        self._say({"job": job, "names": names, "facts": facts})
        pids: dict[str, int] = {}
        while len(pids) < len(names):
            said = self.hear()
            if said["said"] != "ready":
                raise AssertionError(f"{said['name']} could not begin: {said}")
            pids[said["name"]] = said["pid"]
        return pids

    def go(self) -> None:
        """Let all that are ready begin."""
        self._say({"job": "go"})

    def kill(self, *pids: int) -> Iterator[Mapping[str, Any]]:
        """Kill children in a way that nothing can catch, and give what they had said before."""
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        return self.wait()

    def wait(self) -> Iterator[Mapping[str, Any]]:
        """Give what the children say until all have ended."""
        self._say({"job": "wait"})
        while (said := self.hear())["said"] != "over":
            yield said

    def hear(self) -> Mapping[str, Any]:
        """Give the next thing that a child says.

        Raises:
            AssertionError: the nursery has ended, so there is nobody who could.
        """
        stdout = self._process.stdout
        line = stdout.readline() if stdout else ""
        if not line:
            raise AssertionError("the nursery has ended; its error output says why")
        said: Mapping[str, Any] = json.loads(line)
        return said

    def _say(self, order: Mapping[str, Any]) -> None:
        if self._process.stdin is None:
            raise AssertionError("the nursery cannot be spoken to")
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()


_BOOT: Final = f"""
import json, sys
bench, place, path = json.loads(sys.argv[1])
sys.path[:] = path
from {_PROGRAM} import main
main(bench, place)
"""


# ---------------------------------------------------------------------------- in the other process


def main(bench: str, place: str) -> None:
    """Fork children as the case says, until it has nothing more to say."""
    judge = bench_at(bench)
    judge.warm()
    gate: tuple[int, int] | None = None
    children: list[int] = []
    for line in sys.stdin:
        order = json.loads(line)
        if order["job"] == "go":
            if gate is not None:
                os.close(gate[1])
                os.close(gate[0])
            gate = None
        elif order["job"] == "wait":
            for pid in children:
                os.waitpid(pid, 0)
            children.clear()
            _say("nursery", "over")
        else:
            gate = gate or os.pipe()
            for name in order["names"]:
                pid = os.fork()
                if not pid:
                    _child(judge, Path(place), gate, name, order)
                children.append(pid)


def _child(
    bench: StorageBench, place: Path, gate: tuple[int, int], name: str, order: Mapping[str, Any]
) -> None:
    """Do one job and end without a word to what the parent has open."""
    status = 1
    try:
        os.close(gate[1])
        storage = bench.open(place)
        billing = Billing(catalog=sample_catalog(), storage=storage, clock=KitClock())
        billing.accounts.get("acme")
        _say(name, "ready", pid=os.getpid())
        os.read(gate[0], 1)
        JOBS[order["job"]](billing, name, **order["facts"])
        bench.close(storage)
        status = 0
    except BaseException as error:  # noqa: BLE001 - nobody else would hear of it
        _say(name, "error", detail=repr(error))
    finally:
        os._exit(status)


def _say(name: str, said: str, **more: Any) -> None:  # noqa: ANN401 - JSON
    """Say one line in one piece: several children speak into one pipe."""
    os.write(1, (json.dumps({"name": name, "said": said, **more}) + "\n").encode())


_Job = Callable[..., None]


def _spend(billing: Billing, name: str) -> None:
    """Debit one lira after the other until there is nothing left; say how often it was done."""
    done = 0
    while True:
        try:
            billing.balances.debit("acme", money("1", "TRY"), reason="export", key=f"{name}-{done}")
        except InsufficientFunds:
            break
        done += 1
    _say(name, "done", count=done)


def _write(billing: Billing, name: str) -> None:
    """Debit for ever, and say of each debit that it is done."""
    number = 0
    while True:
        entry = billing.balances.debit(
            "acme", money("0.01", "TRY"), reason="export", key=f"{name}-{number}"
        )
        _say(name, "acknowledged", number=number, entry=entry.number)
        number += 1


JOBS: Final[Mapping[str, _Job]] = {"spend": _spend, "write": _write}
"""What a child can do, by name."""
