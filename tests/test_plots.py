"""Plots: the charts hold what the results hold."""

from datetime import UTC, datetime

import pytest

from monochat_billing import sample_catalog
from monochat_billing.simulation import simulate
from monochat_billing.simulation.comparisons import compare_plans
from monochat_billing.simulation.choices import Choice
from monochat_billing.simulation.costs import CostTerms
from monochat_billing.simulation.draws import UsageModel
from monochat_billing.simulation.plots import (
    plot_balance,
    plot_break_even,
    plot_costs,
    plot_odds,
)
from monochat_billing.simulation.profiles import UsageProfile
from monochat_billing.simulation.uncertainty import compare_odds
from tests.test_simulation import a_year

pytest.importorskip("altair")

MESSAGES = "monochat.message"
TERMS = CostTerms(sample_catalog(), "TRY", datetime(2027, 1, 1, tzinfo=UTC))


class TestCharts:
    """Each is a chart with the figures of its result."""

    def test_a_balance_is_that_of_the_ledger(self) -> None:
        """One point for each entry, renewals marked, and the last balance held until the end."""
        ledger = simulate(a_year()).ledger("acme")
        line, points, _ = plot_balance(ledger, "TRY").to_dict()["layer"]
        drawn = [row["balance"] for row in line["data"]["values"]]
        assert drawn[:-1] == [float(amount.amount) for _, amount in ledger.balance("TRY")]
        assert line["data"]["values"][-1]["at"] == ledger.until.isoformat()
        assert {row["what"] for row in points["data"]["values"]} == {"PLAN_FEE", "SUPPORT_FEE"}

    def test_costs_are_in_order(self) -> None:
        """The cheapest first."""
        found = compare_plans(UsageProfile.steady({MESSAGES: 12_000}), TERMS)
        rows = plot_costs(found, most=3).to_dict()["data"]["values"]
        assert [row["cost"] for row in rows] == [
            float(one.total.amount) for one in found.possible[:3]
        ]

    def test_the_break_even_is_marked(self) -> None:
        """At the first volume beyond it."""
        chart = plot_break_even(
            Choice("growth"), Choice("enterprise"), MESSAGES, TERMS, at_most=50_000, points=10
        ).to_dict()
        assert chart["layer"][1]["data"]["values"] == [{"volume": 40_001}]

    def test_bands_hold_their_middles(self) -> None:
        """Low, middle, high, for each choice."""
        model = UsageModel({MESSAGES: 30_000}, months=3, spread="0.5")
        odds = compare_odds(model, [Choice("growth")], TERMS, draws=20, seed=1)
        (row,) = plot_odds(odds).to_dict()["layer"][0]["data"]["values"]
        assert row["low"] < row["middle"] < row["high"]
