"""Simulation: a fleet under three plans, on one core and on two, and the service itself.

1,000 accounts x 24 months x 3 plans have to take less than 20 s on one core, two processes have to
be 1.7 times as fast or more, and memory must not grow with the fleet. The fleet is priced by the
closed form, which the tests hold to the service; what the same takes when every month is lived
through by the service itself stands below it.

``--stream 100000`` streams so many accounts; 10,000 where it is left out.
"""

import argparse
import resource
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from functools import partial

from monochat_billing import MONTH, money, sample_catalog
from monochat_billing.counters import MeterRecord
from monochat_billing.simulation import (
    Credit,
    Scenario,
    SimulatedAccount,
    Step,
    Subscribe,
    Use,
    monthly,
    simulate,
)
from monochat_billing.simulation.choices import Choice
from monochat_billing.simulation.costs import CostTerms
from monochat_billing.simulation.draws import UsageModel
from monochat_billing.simulation.fleets import compare_fleet
from monochat_billing.simulation.profiles import UsageProfile

START = datetime(2027, 1, 1, tzinfo=UTC)
TERMS = CostTerms(sample_catalog(), "TRY", START)
CHOICES = [Choice("basic"), Choice("growth"), Choice("enterprise")]
MODEL = UsageModel({"monochat.message": 25_000}, months=24, growth="0.01", spread="0.8")


def fleet(accounts: int) -> Iterator[tuple[str, UsageProfile]]:
    """Draw the usage of so many accounts, one after the other."""
    return ((f"account-{number}", MODEL.draw(1, number)) for number in range(accounts))


def lived(plan: str, number: int) -> int:
    """Live through one account's 24 months on one plan, and count its entries."""
    profile = MODEL.draw(1, number)

    def use(month: int, at: datetime) -> Step:
        units = profile.months[month]["monochat.message"]
        record = MeterRecord(
            id=f"m-{month}", meter="monochat.message", quantity=units, occurred_at=at
        )
        return Step(at, "acme", Use([record]))

    scenario = Scenario(
        catalog=TERMS.catalog,
        start=START,
        end=datetime(2029, 1, 1, tzinfo=UTC),
        accounts=[SimulatedAccount(id="acme", currencies=["TRY"])],
        steps=[
            Step(START, "acme", Credit(money("9000000", "TRY"))),
            Step(START, "acme", Subscribe(plan, MONTH)),
            *monthly(START, 24, use),
        ],
    )
    return len(simulate(scenario).ledger("acme").entries)


def timed(label: str, accounts: int, executor: ProcessPoolExecutor | None) -> float:
    """Compare a fleet, and print how long it took."""
    items = list(fleet(accounts)) if accounts <= 1_000 else fleet(accounts)
    begin, worked = time.perf_counter(), time.process_time()
    found = compare_fleet(items, CHOICES, TERMS, executor=executor, chunk=25)
    count = sum(1 for _ in found)
    took, worked = time.perf_counter() - begin, time.process_time() - worked
    print(f"{label:<44} {count:>8,} {took:>9.2f} s, {worked:.2f} s of it worked here")
    return took


def peak() -> int:
    """Give the most memory that this process had, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def many() -> int:
    """Read how many accounts are streamed."""
    parser = argparse.ArgumentParser(description="Time the simulation of fleets.")
    parser.add_argument("--stream", type=int, default=10_000, help="how many accounts are streamed")
    found: int = parser.parse_args().stream
    return found


def main() -> None:
    """Print the table."""
    streamed = many()
    print(f"{'what (24 months x 3 plans)':<44} {'accounts':>8}")
    one = timed("one core", 1_000, None)
    with ProcessPoolExecutor(2) as executor:
        for _ in compare_fleet(fleet(100), CHOICES, TERMS, executor=executor, chunk=10):
            pass  # both processes are up then, and have imported what they need
        two = timed("two processes", 1_000, executor)
    print(f"{'two processes are faster by':<44} {one / two:>8.2f} x")
    before = peak()
    timed("streamed, on one core", streamed, None)
    print(f"{f'memory after 1,000 and after {streamed:,}':<44} {before:>8} MiB, {peak()} MiB")
    begin = time.process_time()
    accounts = 20
    entries = sum(map(partial(lived, "growth"), range(accounts)))
    took = time.process_time() - begin
    months = accounts * 24
    print(
        f"{'the service itself, one plan, of a core':<44} {accounts:>8,} {took:>9.2f} s,"
        f" {entries} entries, {took / months * 1000:.2f} ms a month"
    )
    whole = took / months * 72_000
    print(f"{'so the fleet by the service would take':<44} {1_000:>8,} {whole:>9.0f} s")


if __name__ == "__main__":
    main()
