"""Time importing the package beside importing the three packages that it depends on.

Run it with ``python benchmarks/bench_import.py [ROUNDS]``. Each import has a fresh interpreter; the
time is the processor's, the rivals take turns, and the ratio is the median of the ratios.
Target: at most 1.3.
"""

import statistics
import subprocess
import sys

CASES = {
    "attrs, dateutil, moneyed": "import attrs, dateutil.relativedelta, moneyed",
    "monochat_billing": "import monochat_billing",
    "... and Billing with all of it": "from monochat_billing import Billing",
}
TIMED = "import time\nbegan = time.process_time()\n{}\nprint(time.process_time() - began)"


def seconds(statement: str) -> float:
    """Import in a fresh interpreter."""
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
