"""CGRateS's cases of debits on a balance, and a rate that changes meanwhile, at the face."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from monochat_billing import Money, Units, money
from monochat_billing.charge_models import PerUnit
from monochat_billing.money import as_fraction
from monochat_billing.rate_tables import RateRow, RateTable, RateTables, rate_usage
from tests.desk import Desk

CASES: dict[str, dict[str, Any]] = {
    case["id"]: case
    for case in json.loads(
        (Path(__file__).parent / "vectors" / "market-usage.json").read_text(encoding="utf-8")
    )["cases"]
}
METER = "cgr.unit"


def spend(desk: Desk, inputs: dict[str, Any]) -> Callable[[int], object]:
    each = Units(inputs["each"], METER)
    return lambda at: desk.billing.balances.debit("acme", each, reason="call", key=f"d-{at}")


class TestDebits:
    """What is debited one after the other or at once leaves the same balance."""

    @pytest.mark.parametrize("name", ["cgr-serial", "cgr-parallel"])
    def test_leave_what_the_engine_says(self, desk: Desk, name: str) -> None:
        case = CASES[name]
        inputs = case["inputs"]
        desk.billing.balances.credit(
            "acme", Units(inputs["balance"], METER), reason="minutes", key="credit"
        )
        debit = spend(desk, inputs)
        if "concurrent_debits" in inputs:
            with ThreadPoolExecutor(max_workers=8) as pool:
                list(pool.map(debit, range(inputs["concurrent_debits"])))
        else:
            for at in range(inputs["debits"]):
                debit(at)
        assert desk.billing.balances.list("acme")[METER].posted == case["expected"]["balance"]
        assert desk.billing.verify("acme").sound

    def test_go_below_zero_within_a_credit_limit(self, desk: Desk) -> None:
        case = CASES["cgr-negative"]
        inputs = case["inputs"]
        desk.billing.balances.limit("acme", money("100", "TRY"), key="postpaid")
        found: list[Money] = []
        for at in range(inputs["times"]):
            entry = desk.billing.balances.debit(
                "acme", money(inputs["cost"], "TRY"), reason="call", key=f"d-{at}"
            )
            found.append(entry.balance_money)
        assert found == [money(after, "TRY") for after in case["expected"]["after"]]


class TestARateThatChanges:
    """Usage is priced by the rates of its own day: 50 at 0.10 and then 200 at 0.20, over 10."""

    def test_leaves_earlier_usage_as_it_was(self) -> None:
        """met-amend-usage-rate-edit: a base of 1000 cents and both parts make 5500."""
        tables = RateTables(
            tables=tuple(
                RateTable(
                    name="calls",
                    meter="calls",
                    currency="USD",
                    effective_on=day,
                    rows=(RateRow(model=PerUnit(price=price)),),
                )
                for day, price in ((date(2026, 10, 1), "0.10"), (date(2026, 10, 16), "0.20"))
            )
        )
        before = rate_usage(tables, 50, on=date(2026, 10, 15))
        after = rate_usage(tables, 200, on=date(2026, 10, 16))
        total = as_fraction(money("10", "USD")) + sum(
            (as_fraction(one.money) for one in (before, after)), Fraction(0)
        )
        assert total * 100 == 5500
