"""Time a full plan change, numbers alone and with all lines, beside three other packages.

Run it with ``python benchmarks/bench_proration.py``; add ``--peers PYTHON``, the interpreter of
an environment of its own that has the packages below, to see their times and answers::

    pip install larzsubscription==0.1.0 django-plans==2.8.2
    pip install --no-deps boilpayment==0.3.0

Without ``--peers`` that half is skipped, and says so.
"""

import argparse
import hashlib
import json
import statistics
import subprocess
import timeit
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from pathlib import Path
from typing import Any

from monochat_billing.balance import Books, EntryKind, Memo, credit, open_balance
from monochat_billing.changes import Decision, subscribe
from monochat_billing.money import amount_text, money
from monochat_billing.periods import MONTH, BillingPeriod
from monochat_billing.plans import sample_catalog
from monochat_billing.proration import (
    ChangeProration,
    change_units,
    policy_named,
    prorate_change,
    unused_credit,
)
from monochat_billing.quotes import ChangeQuote, quote_change

ZONE = "Europe/Istanbul"
ROUNDS, LOOPS = 50, 400
JUNE = BillingPeriod.of_days(date(2026, 6, 1), date(2026, 7, 1), ZONE)
AT = datetime(2026, 6, 16, 9, tzinfo=UTC)
START = datetime(2026, 6, 1, tzinfo=UTC)
GRID: list[tuple[str, str, int, int]] = [
    ("20", "50", 15, 30), ("10", "20", 29, 30), ("10", "20", 23, 30), ("9.99", "19.99", 7, 31),
    ("100", "249.90", 11, 28), ("20", "50", 30, 30), ("50", "20", 10, 30),
]  # fmt: skip


def numbers() -> tuple[int, int]:
    """Compute credit and charge, and nothing else."""
    return change_units(paid=1000_000000, new_price=2500_000000, whole=JUNE, at=AT, zone=ZONE)


def lines() -> ChangeProration:
    """Compute a plan change with its two lines."""
    return prorate_change(paid=OLD, new_price=NEW, whole=JUNE, at=AT, zone=ZONE)


def four_lines() -> str:
    """Compute plan and support package together, four lines, and a digest of them."""
    plan = prorate_change(paid=OLD, new_price=NEW, whole=JUNE, at=AT, zone=ZONE)
    support = prorate_change(paid=NEW, new_price=OLD, whole=JUNE, at=AT, zone=ZONE)
    text = "\n".join(
        [
            f"{one.kind} {one.amount_units} {one.units}/{one.total} {one.rounded_units} {one.rule}"
            for one in (*plan.lines, *support.lines)
        ]
    )
    return hashlib.sha256(text.encode()).hexdigest()


OLD, NEW = money("1000", "TRY"), money("2500", "TRY")


def began() -> Decision:
    """Open books, fill them and subscribe to a plan of the sample catalog."""
    at = datetime(2026, 6, 5, 9, tzinfo=UTC)
    books = open_balance(Books("acme"), "TRY")
    books = credit(books, money("9000", "TRY"), Memo(EntryKind.TOP_UP, at, at)).books
    growth = CATALOG.product("growth")
    return subscribe(
        books, subscription_id="s-1", product=growth, price=growth.price(MONTH, "TRY"),
        zone=ZONE, at=at, recorded_at=at,
    )  # fmt: skip


CATALOG = sample_catalog()
BEGAN = began()


def quoted() -> ChangeQuote:
    """Quote a change of plan as the service does: rule, placement, lines, funds and digest."""
    return quote_change(
        BEGAN.books, BEGAN.subscription, CATALOG, quote_id="q-1", to="enterprise",
        interval=MONTH, zone=ZONE, at=AT,
    )  # fmt: skip


def explained() -> str:
    """Write all lines as sentences."""
    return "\n".join(line.explain("tr") for line in lines().lines)


def ended() -> ChangeProration:
    """Compute what an end gives back."""
    return unused_credit(paid=OLD, paid_for=JUNE, at=AT, zone=ZONE)


def microseconds(call: Callable[[], object]) -> tuple[float, float, float]:
    """Return the median, fastest and slowest round in microseconds per call."""
    rounds = [timeit.timeit(call, number=LOOPS) / LOOPS * 1e6 for _ in range(ROUNDS)]
    return statistics.median(rounds), min(rounds), max(rounds)


def our_answer(old: str, new: str, left: int, days: int) -> tuple[str, str]:
    """Return our rounded net and the exact one."""
    whole = BillingPeriod(start=START, end=START + timedelta(days=days))
    change = prorate_change(
        paid=money(old, "TRY"), new_price=money(new, "TRY"), whole=whole,
        at=whole.end - timedelta(days=left), zone="UTC", policy=policy_named("standard-net"),
    )  # fmt: skip
    exact = (Fraction(new) - Fraction(old)) * Fraction(left, days)
    return amount_text(change.net), f"{exact} = {int(exact * 10**6) / 10**6:.4f}"


def peers(python: str) -> dict[str, Any]:
    """Ask the other packages under their own interpreter."""
    script = Path(__file__).with_name("peers_proration.py")
    done = subprocess.run(  # noqa: S603 - the interpreter that the caller named
        [python, str(script)], input=json.dumps(GRID), capture_output=True, text=True, check=True
    )
    answers: dict[str, Any] = json.loads(done.stdout)
    return answers


def main() -> None:
    """Print times, then answers."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peers", help="interpreter that has the other packages")
    chosen = parser.parse_args()
    print(f"one plan change in {ZONE}; median of {ROUNDS} (fastest-slowest)")
    for name, call in (
        ("numbers alone", numbers),
        ("two lines", lines),
        ("four lines and a digest", four_lines),
        ("a whole quote with its digest", quoted),
        ("two lines as sentences", explained),
        ("an end, one line", ended),
    ):
        middle, fastest, slowest = microseconds(call)
        print(f"{name:32} {middle:8.2f} us ({fastest:.2f}-{slowest:.2f})")
    if chosen.peers is None:
        print("PEERS SKIPPED: no --peers interpreter was given")
        return
    found = peers(chosen.peers)
    for name, one in found.items():
        print(f"{name:32} {one['us']:8.2f} us" if "us" in one else f"{name}: {one['error']}")
    print(f"\n{'old > new, days left':28}{'exact':>22}{'ours':>10}", *(f"{n:>18}" for n in found))
    for index, (old, new, left, days) in enumerate(GRID):
        ours, exact = our_answer(old, new, left, days)
        theirs = [one["answers"][index] if "answers" in one else "-" for one in found.values()]
        head = f"{old} > {new}, {left}/{days}"
        print(f"{head:28}{exact:>22}{ours:>10}", *(f"{value:>18}" for value in theirs))


if __name__ == "__main__":
    main()
