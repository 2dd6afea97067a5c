"""Worked cases of other engines, answered by a service: records in, entries out."""

import json
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import attrs
import pytest

from monochat_billing.charge_models import ChargeModel, Package, PerUnit
from monochat_billing.meters import Meter
from monochat_billing.percentages import Percentage
from monochat_billing.periods import BillingPeriod
from monochat_billing.rate_tables import RateRow, RateTables
from monochat_billing.rollovers import AllowanceChange
from tests.meter_scenes import START, meter, metered_catalog, record, service, tables

VECTORS = Path(__file__).parent / "vectors"


def cases(name: str, kind: str) -> list[Any]:
    """Read the cases of one kind from a file, each under its id."""
    found = json.loads((VECTORS / f"{name}.json").read_text(encoding="utf-8"))["cases"]
    return [pytest.param(one, id=one["id"]) for one in found if one["kind"] == kind]


def charged(model: ChargeModel, quantities: list[str]) -> list[int]:
    """Record quantities one by one, and give what each was charged, in cents."""
    billing, _ = service(metered_catalog((meter("thing", model),)), funds="99999", plan="")
    for place, quantity in enumerate(quantities):
        billing.usage.record("acme", [record(f"r{place}", "thing", quantity)])
    found = billing.usage.records("acme", since=START, until=START + timedelta(days=1))
    return [int(Decimal(one.amount) / 10_000) for one in found]


class TestCases:
    """The same inputs give the same numbers through records, counters and balances."""

    @pytest.mark.parametrize("case", cases("lago-usage", "charge_pay_in_advance"))
    def test_charges_in_advance(self, case: Any) -> None:  # noqa: ANN401 - JSON
        """Lago's charges that are paid as usage comes."""
        inputs = case["inputs"]
        if inputs["model"] == "package":
            model: ChargeModel = Package(
                price=inputs["package_price"],
                size=inputs["package_size"],
                free=inputs["free_units"],
            )
            quantities = inputs["unit_events"]
        else:
            model = Percentage(
                rate=Fraction(inputs["rate_percent"]) / 100,
                fixed=inputs["fixed_amount"],
                free_events=inputs.get("free_events"),
                free_amount=inputs.get("free_total"),
            )
            quantities = inputs["events"]
        assert charged(model, quantities) == case["expected"]["fee_amount_cents"]

    @pytest.mark.parametrize("case", cases("market-metering", "plan_change_usage_split"))
    def test_a_rate_that_changes_within_a_period(self, case: Any) -> None:  # noqa: ANN401
        """Usage counts at the rate of its day, whenever the rate was changed."""
        first = tables("event", RateRow(model=PerUnit(price="0"))).tables[0]
        days = [date(2026, 10, 1), date(2026, 10, 15)]
        dated = [
            attrs.evolve(first, effective_on=day, rows=(RateRow(model=PerUnit(price=one["rate"])),))
            for day, one in zip(days, case["inputs"]["usage"], strict=True)
        ]
        split = Meter(id="event", rates=(RateTables(tables=tuple(dated)),))
        billing, clock = service(metered_catalog((split,)), plan="")
        clock.set("2026-10-20T00:00:00+00:00")
        for place, one in enumerate(case["inputs"]["usage"]):
            at = START + timedelta(days=12 * place)
            billing.usage.record("acme", [record(f"r{place}", "event", one["qty"], at)])
        found = billing.usage.records("acme", since=START, until=clock.now)
        cents = case["inputs"]["base"] + sum(one.amount for one in found) // 10_000
        assert cents == case["expected"]["renewal_total"]

    @pytest.mark.parametrize("case", cases("market-time-and-money", "credit_grant_proration"))
    def test_units_of_a_plan_that_begins_within_a_period(self, case: Any) -> None:  # noqa: ANN401
        """Flexprice's grant at half of a month, by the second."""
        inputs = case["inputs"]
        first, end = (date.fromisoformat(day) for day in inputs["period"])
        whole = BillingPeriod.of_days(first, end, "UTC")
        gone, _ = whole.split(whole.start + timedelta(days=15, hours=12))
        elapsed = Fraction(gone.microseconds, whole.microseconds)
        brought = AllowanceChange.PRORATED.brought(inputs["credits"], 0, elapsed)
        assert str(brought) == case["expected"]["credits"]
