"""Time importing the package beside importing the three packages that it depends on.

Run it with ``python benchmarks/bench_import.py [ROUNDS]``. Each case has a fresh interpreter; the
time is the processor's, the rivals take turns, and the ratio is the median of the ratios.
Target: at most 1.3 for the package. It fetches each name when it is asked for, so its own line says
little; those below say what a program pays that uses it, until its first debit is done.
"""

import statistics
import subprocess
import sys

FIRST_DEBIT = """
from monochat_billing import Billing, money, sample_catalog
from monochat_billing.adapters.memory import MemoryStorage
billing = Billing(catalog=sample_catalog(), storage=MemoryStorage())
billing.accounts.open("acme", zone="Europe/Istanbul", currencies=["TRY"])
billing.balances.credit("acme", money("25", "TRY"), reason="opening", key="credit")
billing.balances.debit("acme", money("12.50", "TRY"), reason="export", key="debit")
"""
CASES = {
    "attrs, dateutil, moneyed": "import attrs, dateutil.relativedelta, moneyed",
    "monochat_billing": "import monochat_billing",
    "... and money": "from monochat_billing import money",
    "... and Billing with all of it": "from monochat_billing import Billing",
    "... until a first debit": FIRST_DEBIT,
}
TIMED = "import time\nbegan = time.process_time()\n{}\nprint(time.process_time() - began)"


def seconds(statement: str) -> float:
    """Run in a fresh interpreter."""
    told = subprocess.run(  # noqa: S603 - our own statements
        [sys.executable, "-c", TIMED.format(statement)],
        capture_output=True,
        text=True,
        check=True,
    )
    return float(told.stdout)


def main(rounds: int) -> None:
    """Print a line for each case."""
    for statement in CASES.values():
        seconds(statement)  # writes the byte code
    taken = [{name: seconds(statement) for name, statement in CASES.items()} for _ in range(rounds)]
    base = next(iter(CASES))
    for name in CASES:
        middle = statistics.median(one[name] for one in taken)
        ratio = statistics.median(one[name] / one[base] for one in taken)
        print(f"{name:32} {middle * 1000:7.1f} ms   {ratio:5.2f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 11)
