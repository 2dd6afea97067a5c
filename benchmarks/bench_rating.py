"""Time a million synthetic messages in 40 markets, by columns and one by one.

Run it with ``python benchmarks/bench_rating.py``; ``--messages N`` changes the number. Both ways
price the same messages by the same cards, tiers and regimes, and the totals are compared before
any time is printed. Drawing the messages is not timed. Processor time stands beside the time of
the clock, which says little on a machine that has other work.
"""

import argparse
import random
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import numpy as np

from monochat_billing.adapters.columns import MessageColumns, rate_many
from monochat_billing.adapters.whatsapp import METER, meta_message_rates
from monochat_billing.campaigns import CampaignPart, affordable, estimate
from monochat_billing.message_pricing import price_many
from monochat_billing.money import money
from monochat_billing.rating import MessageCategory, UsageRecord, rate_many as rate_base

ZONE = "Europe/Istanbul"
RATES = meta_message_rates()
CARDS = RATES.cards.cards
MARKETS = [name for name in CARDS[-1].rates if name in CARDS[0].rates][:38]
MARKETS += [name for name in CARDS[-1].rates if name not in CARDS[0].rates][: 40 - len(MARKETS)]
CATEGORIES = [
    MessageCategory.MARKETING,
    MessageCategory.UTILITY,
    MessageCategory.AUTHENTICATION,
    MessageCategory.SERVICE,
]
START = datetime(2026, 10, 1, tzinfo=UTC)


def records(count: int) -> list[UsageRecord]:
    """Draw two months of messages; utility to Germany crosses its first tier's edge."""
    draw = random.Random(2026)
    found = []
    for place in range(count):
        german = draw.random() < 0.25
        found.append(
            UsageRecord(
                id=f"wamid.{place}",
                meter=METER,
                occurred_at=START + timedelta(seconds=draw.randrange(60 * 86_400)),
                market="Germany" if german else draw.choice(MARKETS),
                category=CATEGORIES[1] if german else draw.choice(CATEGORIES),
                billable=draw.random() < 0.9,
                reference=f"10{draw.randrange(50)}",
            )
        )
    return found


def best(call: Callable[[], object], rounds: int) -> tuple[float, float]:
    """Return the shortest round in seconds of the clock and of the processor."""
    times = []
    for _ in range(rounds):
        begun, used = time.perf_counter(), time.process_time()
        call()
        times.append((time.perf_counter() - begun, time.process_time() - used))
    return min(clock for clock, _ in times), min(cpu for _, cpu in times)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=1_000_000)
    count = parser.parse_args().messages
    rows = records(count)
    columns = MessageColumns.of_records(rows)
    sixty_days = estimate([], RATES, on=START.date())

    by_rows, by_columns = price_many(rows, RATES, ZONE), rate_many(columns, RATES, ZONE)
    units = np.fromiter((line.units for line in by_rows.lines), np.int64, count)
    same = bool((units == by_columns.units).all()) and by_rows.counts == by_columns.counts
    if not same or by_rows.units != by_columns.total_units:
        raise SystemExit("the two ways differ")
    edges = sum(line.tier == 2 for line in by_columns.lines)
    del by_rows, units
    print(
        f"{count:,} messages, {len(set(columns.markets))} markets, {by_columns.money}, "
        f"equal both ways, {edges} rows of a second tier"
    )

    mix = [
        CampaignPart(market=name, category=MessageCategory.UTILITY, messages=1000)
        for name in MARKETS
    ]
    amount = money("10000", sixty_days.currency)
    table: list[tuple[str, Callable[[], object], int, str]] = [
        ("columns, tiers and counts", lambda: rate_many(columns, RATES, ZONE), 5, "< 0.6 s"),
        ("one by one, explained lines", lambda: price_many(rows, RATES, ZONE), 2, "< 8 s"),
        (
            "one by one, lines and their sentences",
            lambda: [line.explain() for line in price_many(rows, RATES, ZONE).lines],
            1,
            "",
        ),
        ("one by one, base rates only", lambda: rate_base(rows, RATES.cards, ZONE), 2, ""),
        ("encode records as columns", lambda: MessageColumns.of_records(rows), 2, ""),
        ("estimate a campaign of 40 markets", lambda: estimate(mix, RATES, on=START.date()), 9, ""),
        (
            "affordable repeats of that campaign",
            lambda: affordable(mix, amount, RATES, on=START.date()),
            9,
            "",
        ),
    ]
    for name, call, rounds, goal in table:
        clock, cpu = best(call, rounds)
        print(f"{name:40} {clock:9.4f} s  (processor {cpu:.4f} s)  {goal}")


if __name__ == "__main__":
    main()
