"""Worked cases of another engine about thresholds, alerts and refills, answered by this library."""

import json
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from monochat_billing import lots
from monochat_billing.alerts import Direction, Ladder
from monochat_billing.balance import Balance
from monochat_billing.instants import local_midnight
from monochat_billing.intervals import BillingInterval
from monochat_billing.lots import ChargeKind, Lot, LotOrigin
from monochat_billing.money import (
    DEFAULT_SCALE,
    Money,
    amount_text,
    money,
    quantize,
    to_units,
    total,
)
from monochat_billing.periods import BillingAnchor
from monochat_billing.refills import RefillRule

Case = dict[str, Any]
Answer = dict[str, Any]

START = datetime(2026, 10, 1, tzinfo=UTC)
INTERVALS = {"weekly": "WEEK", "monthly": "MONTH", "quarterly": "QUARTER", "yearly": "YEAR"}

DECIDED_DIFFERENTLY: dict[str, str] = {
    "lago-wallet_ongoing_usage-002": "lots pay in burn order; a refill rule changes who asks for "
    "money, not who pays",
    "lago-wallet_auto_refill-015": "a maximum bounds what any rule asks for at once",
}
"""Cases that this library answers otherwise on purpose, with the reason."""


def cases() -> list[Case]:
    path = Path(__file__).parent / "vectors" / "lago-thresholds.json"
    loaded: list[Case] = json.loads(path.read_text(encoding="utf-8"))["cases"]
    return loaded


def ladder(inputs: Case, step: str) -> Ladder:
    falling = inputs.get("direction") == "decreasing"
    fixed = tuple(sorted(inputs["thresholds"], reverse=falling))
    return Ladder(fixed, inputs[step] or 0, Direction.FALLING if falling else Direction.RISING)


def alert(inputs: Case) -> Answer:
    crossed = ladder(inputs, "recurring_step").crossed(inputs["previous"], inputs["current"])
    return {"crossed": list(crossed)}


def usage_thresholds(inputs: Case) -> Answer:
    """Count from what was billed already; the engine names all steps by the one step."""
    rungs = ladder(inputs, "recurring")
    if "usage" in inputs:
        last, following = rungs.behind(inputs["usage"]), rungs.ahead(inputs["usage"])
        if following is None:
            return {"last": last, "next": None}
        ratio = Fraction(inputs["usage"] - (last or 0), following - (last or 0))
        return {"next": following, "ratio": str(Decimal(ratio.numerator) / ratio.denominator)}
    passed = []
    for invoiced, current in inputs["invoiced_and_current"]:
        before = invoiced + inputs["already_progressively_billed"] + inputs["historical"]
        crossed = rungs.crossed(before, invoiced + current + inputs["historical"])
        passed.append([*crossed.fixed, *([rungs.step] if crossed.steps else [])])
    return {"passed": passed}


def in_credits(text: str) -> Money:
    return money(text, "USD")


def ongoing_balance(inputs: Case) -> Answer:
    """Usage that is not billed yet is held, and what is available is the rest."""
    posted = to_units(in_credits(inputs["balance_credits"]))
    held = to_units(in_credits(inputs["unbilled_usage_credits"]))
    lot = Lot(1, "USD", LotOrigin.PAID, posted, posted, START)
    balance = Balance("USD", DEFAULT_SCALE, posted, held, (lot,))
    left = balance.available(None, START)
    return {"ongoing_balance_credits": amount_text(balance.money(left)), "depleted": left <= 0}


def ongoing_usage(inputs: Case) -> Answer:
    names = {number: one["id"] for number, one in enumerate(inputs["wallets"])}
    payers = [
        Lot(
            number,
            "USD",
            LotOrigin.PAID,
            one["balance_cents"],
            one["balance_cents"],
            START,
            priority=one["priority"],
        )
        for number, one in enumerate(inputs["wallets"])
    ]
    burned = lots.burn(payers, inputs["usage_cents"], ChargeKind.OTHER, START)
    paid = {share.lot.number: share.units for share in burned.shares}
    return {"usage_by_wallet_cents": {name: paid.get(number, 0) for number, name in names.items()}}


def auto_refill(inputs: Case) -> Answer:
    """What the engine grants with a refill is on its way as what is pending is."""
    rate = Fraction(inputs.get("rate", "1"))

    def bound(name: str) -> Money | None:
        cents = inputs.get(f"{name}_topup_cents")
        return None if cents is None else quantize(Fraction(cents, 100) / rate, "USD")

    names = ("pending_credits", "granted_credits")
    coming = total([in_credits(inputs.get(name, "0")) for name in names], "USD")
    fixed = inputs["method"] == "fixed"
    rule = RefillRule(
        threshold=in_credits(inputs.get("threshold_credits") or inputs["ongoing_credits"]),
        amount=in_credits(inputs["paid_credits"]) if fixed else None,
        target=None if fixed else in_credits(inputs["target_credits"]),
        least=bound("min"),
        most=bound("max"),
    )
    asked = rule.due(in_credits(inputs["ongoing_credits"]), coming=coming)
    if asked is None:
        return {"fires": False}
    return {"fires": True, "paid_credits": amount_text(asked)}


def interval_refill(inputs: Case) -> Answer:
    """A refill by the calendar is due when a period of its anchor begins."""
    begins, asked = (
        local_midnight(date.fromisoformat(inputs[name]), "UTC") for name in ("anchor_date", "date")
    )
    if asked < begins:
        return {"fires": False}
    anchor = BillingAnchor.at(begins, "UTC")
    interval = BillingInterval.parse(INTERVALS[inputs["interval"]])
    return {"fires": anchor.period_containing(interval, asked).start == asked}


ANSWERS: dict[str, Callable[[Case], Answer]] = {
    "alert_crossing": alert,
    "usage_thresholds": usage_thresholds,
    "wallet_ongoing_balance": ongoing_balance,
    "wallet_ongoing_usage": ongoing_usage,
    "wallet_auto_refill": auto_refill,
    "wallet_interval_refill": interval_refill,
}


def answer(case: Case) -> Answer:
    found = ANSWERS[case["kind"]](case["inputs"])
    return {name: value for name, value in found.items() if name in case["expected"]}


class TestThresholdsOfAnotherEngine:
    @pytest.mark.parametrize(
        "case",
        [case for case in cases() if case["id"] not in DECIDED_DIFFERENTLY],
        ids=lambda case: case["id"],
    )
    def test_the_same_inputs_give_the_same_answer(self, case: Case) -> None:
        """What the engine's own tests assert, this library answers."""
        assert answer(case) == case["expected"]

    @pytest.mark.parametrize("name", sorted(DECIDED_DIFFERENTLY))
    def test_what_is_decided_differently_does_differ(self, name: str) -> None:
        """A listed exception that agrees after all, or is no case, does not belong on the list."""
        (case,) = [case for case in cases() if case["id"] == name]
        assert answer(case) != case["expected"]
