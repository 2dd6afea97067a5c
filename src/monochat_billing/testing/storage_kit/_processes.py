"""Cases: several processes at one place, and writers that are killed."""

from pathlib import Path
from typing import Any, Final

from monochat_billing.errors import InsufficientFunds
from monochat_billing.service import Billing
from monochat_billing.testing.storage_kit._races import check_sound
from monochat_billing.testing.storage_kit._service import opened
from monochat_billing.testing.storage_kit.bench import StorageDesk, outcome_of
from monochat_billing.testing.storage_kit.cases import Capability, CaseList, Tier, check
from monochat_billing.testing.storage_kit.nursery import Nursery
from monochat_billing.testing.storage_kit.values import lira

SHARED: Final = CaseList(Tier.CONCURRENCY, Capability.PROCESSES)
CRASHES: Final = CaseList(Tier.CRASH, Capability.CRASH)

PROCESSES: Final = 4
KILLS: Final = 60


def _race(desk: StorageDesk, place: Path) -> list[int]:
    """Let processes spend one balance until it is empty; give how often each has succeeded."""
    with Nursery(desk.bench, place) as nursery:
        nursery.start("spend", [f"p{n}" for n in range(PROCESSES)])
        nursery.go()
        said = list(nursery.wait())
    check("said", [one["said"] for one in said], ["done"] * PROCESSES)
    return [one["count"] for one in said]


@SHARED.case()
def l02_processes_take_exactly_what_is_funded(desk: StorageDesk) -> None:
    """Four processes at one balance with funds for k debits take k, and not one more."""
    funded = 60
    opened(desk, str(funded))
    done = _race(desk, desk.place)
    check("succeeded", sum(done), funded)
    billing = desk.billing()
    check("left", billing.balances.list("acme")["TRY"].posted, 0)
    refused = outcome_of(
        lambda: billing.balances.debit("acme", lira("1"), reason="export", key="one more")
    )
    check("one more", refused[0], InsufficientFunds.__name__)
    check_sound(desk.storage)


@SHARED.case()
def l19_no_process_starves(desk: StorageDesk) -> None:
    """Of four processes that write back to back, the slowest does a quarter of the mean or more."""
    rounds: list[list[int]] = []
    # A busy machine may let a process wait that the storage would not: not three times, though.
    for _ in range(3):
        place = desk.new_place()
        storage = desk.open(place)
        opened(desk, str(240 * desk.effort), storage=storage)
        desk.shut(storage)
        rounds.append(_race(desk, place))
        if min(rounds[-1]) * PROCESSES * 4 >= sum(rounds[-1]):
            return
    raise AssertionError(f"one starved: {rounds}")


@CRASHES.case()
def l14_a_killed_writer_loses_nothing_that_was_acknowledged(desk: StorageDesk) -> None:
    """After each of many SIGKILLs every acknowledged entry is there, and the rest settles."""
    _kill_writers(desk, KILLS * desk.effort)


def _kill_writers(desk: StorageDesk, kills: int) -> None:
    opened(desk, "100000")
    desk.shut(desk.storage)
    number, in_doubt = 1, 0
    with Nursery(desk.bench, desk.place) as nursery:
        for round_ in range(kills):
            name = f"w{round_}"
            ((_, pid),) = nursery.start("write", [name]).items()
            nursery.go()
            heard: list[Any] = [nursery.hear() for _ in range(1 + desk.chance.randrange(6))]
            _dither(desk.chance.randrange(20_000))
            heard += nursery.kill(pid)
            check("said", {one["said"] for one in heard}, {"acknowledged"})
            number, survived = _settle(desk, name, heard, number)
            in_doubt += survived
    if in_doubt > kills:
        raise AssertionError(f"{in_doubt} debits in doubt were kept after {kills} kills")


def _dither(turns: int) -> None:
    """Let the kill fall somewhere: counted, not timed."""
    for _ in range(turns):
        pass


def _settle(desk: StorageDesk, name: str, heard: list[Any], before: int) -> tuple[int, bool]:
    """Open the place after a kill: look at what is there, and settle what is in doubt by its key.

    Gives the number of the last entry, and whether the debit in doubt had been kept.
    """
    storage = desk.open()
    billing = desk.billing(storage)
    wanted = list(range(before + 1, before + 1 + len(heard)))
    check("acknowledged", [one["entry"] for one in heard], wanted)
    found = billing.balances.entries("acme", after=before, limit=1000)
    check("entries", [one.number for one in found][: len(heard)], wanted)
    survived = len(found) - len(heard)
    if survived not in (0, 1):
        raise AssertionError(f"{survived} entries that nobody was told of, with one writer")
    for number, entry in enumerate(found):
        check("by its key", _debit(billing, f"{name}-{number}"), entry)
    settled = _debit(billing, f"{name}-{len(heard)}")
    check("settled", settled.number, wanted[-1] + 1)
    check("once", _debit(billing, f"{name}-{len(heard)}"), settled)
    balance = billing.balances.list("acme")["TRY"]
    taken = (settled.number - 1) * 10_000
    check("conserved", balance.posted, 100_000 * 1_000_000 - taken)
    check_sound(storage)
    desk.shut(storage)
    return settled.number, bool(survived)


def _debit(billing: Billing, key: str) -> Any:  # noqa: ANN401 - an entry
    return billing.balances.debit("acme", lira("0.01"), reason="export", key=key)


@CRASHES.case(Capability.PROCESSES)
def l14_writers_killed_together_lose_nothing(desk: StorageDesk) -> None:
    """Three writers at one place, killed at once: every acknowledged entry is there, once."""
    opened(desk, "100000")
    desk.shut(desk.storage)
    acknowledged: dict[int, str] = {}
    with Nursery(desk.bench, desk.place) as nursery:
        for round_ in range(3 * desk.effort):
            names = [f"g{round_}-{n}" for n in range(3)]
            pids = nursery.start("write", names)
            nursery.go()
            heard: list[Any] = [nursery.hear() for _ in range(6 + desk.chance.randrange(20))]
            heard += nursery.kill(*pids.values())
            for one in heard:
                check("said", one["said"], "acknowledged")
                acknowledged[one["entry"]] = f"{one['name']}-{one['number']}"
    storage = desk.open()
    billing = desk.billing(storage)
    numbers: set[int] = set()
    for number, key in acknowledged.items():
        check("by its key", _debit(billing, key).number, number)
        numbers.add(number)
    check("once", len(numbers), len(acknowledged))
    check_sound(storage)
