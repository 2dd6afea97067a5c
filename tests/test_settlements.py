"""Settlement files against the books: each class of difference is reported, and none is posted."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import date

import attrs
import pytest

from monochat_billing.money import money
from monochat_billing.payments import TopUp
from monochat_billing.settlements import SettlementClass, SettlementLine, compare_settlement
from monochat_billing.testing.gateway_bench import AMOUNT, GatewayBench, GatewayDesk, KitClock
from tests.gateway_benches import (
    bank_transfer_bench,
    iyzico_bench,
    paytr_bench,
    sandbox_bench,
    stripe_bench,
)

FEE = money("5.01", "TRY")
DAY = date(2026, 10, 7)


def line_of(top_up: TopUp) -> SettlementLine:
    return SettlementLine(payment=top_up.payment or "", amount=AMOUNT, fee=FEE, settled_on=DAY)


@pytest.mark.parametrize(
    "open_bench", [sandbox_bench, stripe_bench, iyzico_bench, paytr_bench, bank_transfer_bench]
)
def test_w12_every_class_of_difference_is_reported_and_none_is_posted(
    open_bench: Callable[[KitClock], AbstractContextManager[GatewayBench]],
) -> None:
    """On the payments of each gateway: good, less, other fee, other day, twice, ours, theirs."""
    clock = KitClock()
    with open_bench(clock) as bench:
        desk = GatewayDesk(bench, clock)
        credited = []
        for number in range(6):
            checkout = desk.start(key=f"top-up-{number}")
            bench.pay(checkout)
            desk.deliver(bench.callbacks(checkout)[-1])
            credited.append(desk.top_up(checkout))
        waiting = desk.top_up(desk.start(key="waiting"))
    good, less, other_fee, other_day, twice, ours = credited
    lines = [
        line_of(good),
        attrs.evolve(line_of(less), amount=money("250.49", "TRY")),
        attrs.evolve(line_of(other_fee), fee=None),
        attrs.evolve(line_of(other_day), settled_on=date(2026, 10, 8)),
        line_of(twice),
        line_of(twice),
        SettlementLine(payment="theirs", amount=money("1", "USD"), fee=FEE, settled_on=DAY),
    ]
    before = desk.events()
    report = compare_settlement(
        lines, [*credited, waiting], fee_of=lambda _: FEE, day_of=lambda _: DAY
    )
    assert [(one.kind, one.top_up, one.ours, one.theirs) for one in report.differences] == [
        (SettlementClass.AMOUNT, less.id, "250.5 TRY", "250.49 TRY"),
        (SettlementClass.FEE, other_fee.id, "5.01 TRY", "nothing"),
        (SettlementClass.DAY, other_day.id, "2026-10-07", "2026-10-08"),
        (SettlementClass.DUPLICATED, twice.id, "250.5 TRY", "250.5 TRY"),
        (SettlementClass.UNKNOWN_HERE, "", "nothing", "1 USD"),
        (SettlementClass.UNKNOWN_THERE, ours.id, "250.5 TRY", "nothing"),
    ]
    assert (report.lines, report.matched, report.clean) == (7, 2, False)
    assert (desk.events(), desk.credits()) == (before, 6)


def test_a_clean_file_is_clean() -> None:
    """Neither fee nor day is compared unless it was said what they should be."""
    with sandbox_bench(KitClock()) as bench:
        desk = GatewayDesk(bench, KitClock())
        checkout = desk.start()
        bench.pay(checkout)
        desk.deliver(bench.callbacks(checkout)[-1])
        top_up = desk.top_up(checkout)
    report = compare_settlement([attrs.evolve(line_of(top_up), fee=None)], [top_up])
    assert report.clean
    assert str(report) == "1 line, 1 matched"
    late = compare_settlement(
        [attrs.evolve(line_of(top_up), settled_on=None)], [top_up], day_of=lambda _: DAY
    )
    assert str(late).endswith("DAY, ours 2026-10-07, theirs nothing")
