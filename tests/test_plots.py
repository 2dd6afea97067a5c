"""Plots: the charts hold what the results hold."""

from datetime import UTC, datetime, timedelta
from typing import Any

import attrs
import pytest

from monochat_billing import MONTH, YEAR, ChangeTiming, money, sample_catalog
from monochat_billing.events import SubscriptionRenewed
from monochat_billing.simulation import Run, Simulation, simulate
from monochat_billing.simulation.choices import Choice
from monochat_billing.simulation.comparisons import compare_plans
from monochat_billing.simulation.costs import CostTerms
from monochat_billing.simulation.draws import UsageModel
from monochat_billing.simulation.plots import (
    plot_balance,
    plot_break_even,
    plot_cost_bands,
    plot_costs,
    plot_odds,
    plot_quote,
)
from monochat_billing.simulation.profiles import UsageProfile
from monochat_billing.simulation.uncertainty import Odds, compare_odds, dry_odds
from monochat_billing.tax import Pricing
from tests.test_simulation import a_year

pytest.importorskip("altair")

MESSAGES = "monochat.message"
TERMS = CostTerms(sample_catalog(), "TRY", datetime(2027, 1, 1, tzinfo=UTC))
MODEL = UsageModel({MESSAGES: 30_000}, months=3, spread="0.5")


@pytest.fixture(scope="module")
def rich() -> Run:
    """Give a year in which everything is paid."""
    return simulate(a_year(opening="90000"))


@pytest.fixture(scope="module")
def odds() -> Odds:
    """Give two choices under twenty draws of a quarter."""
    choices = [Choice("growth"), Choice("enterprise")]
    return compare_odds(MODEL, choices, TERMS, draws=20, seed=1)


def layers(chart: Any) -> list[dict[str, Any]]:  # noqa: ANN401 - altair has no types for this
    """Give each layer of a chart; making them also checks the chart against Vega-Lite's schema."""
    drawn = chart.to_dict()
    return [{"data": drawn.get("data"), **layer} for layer in drawn["layer"]]


def rows(layer: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = layer["data"]["values"]
    return found


class TestCharts:
    """Each is a chart with the figures of its result."""

    def test_a_balance_is_that_of_the_ledger(self, rich: Run) -> None:
        """One step for each entry, renewals marked and nothing else, held until the end."""
        ledger = rich.ledger("acme")
        stops, line, points = layers(plot_balance(ledger, "TRY"))
        drawn = [row["balance"] for row in rows(line)]
        assert drawn[:-1] == [float(amount.amount) for _, amount in ledger.balance("TRY")]
        assert rows(line)[-1]["at"] == ledger.until.isoformat()
        renewed = [one.at for one in ledger.events if isinstance(one, SubscriptionRenewed)]
        assert len(rows(points)) == 12  # 5 of Growth, 4 of Enterprise, 3 of Priority
        assert {row["at"] for row in rows(points)} <= {at.isoformat() for at in renewed}
        assert [row["at"] for row in rows(stops)] == [
            one.start.isoformat() for one in ledger.outages()
        ]

    def test_the_dry_date_is_marked(self) -> None:
        """The first renewal that was not covered, in words of a language."""
        ledger = simulate(a_year(opening="6000")).ledger("acme")
        failed = next(one for one in ledger.events if type(one).__name__ == "RenewalFailed")
        _, _, _, rule, text = layers(plot_balance(ledger, "TRY", locale="tr"))
        assert rows(rule)[0]["at"] == failed.at.isoformat()
        assert rows(text)[0]["said"].startswith("biter: ")

    def test_the_dry_date_may_be_a_guess(self, rich: Run) -> None:
        """From the day before which 5 % of the draws are dry to the expected one."""
        found = dry_odds(
            MODEL, Choice("growth"), TERMS, balance=money("9000", "TRY"), draws=10, seed=1
        )
        band, rule, _ = layers(plot_balance(rich.ledger("acme"), "TRY", odds=found))[3:]
        assert found.expected_at is not None
        assert rows(rule)[0]["at"] == rows(band)[0]["end"] == found.expected_at.isoformat()
        plenty = attrs.evolve(found, dry=(None,) * 10)
        assert len(layers(plot_balance(rich.ledger("acme"), "TRY", odds=plenty))) == 3

    def test_costs_are_in_order(self) -> None:
        """The cheapest first, with its amount in words."""
        found = compare_plans(UsageProfile.steady({MESSAGES: 12_000}), TERMS)
        bars, _ = layers(plot_costs(found, most=3))
        assert [row["cost"] for row in rows(bars)] == [
            float(one.total.amount) for one in found.possible[:3]
        ]
        assert rows(bars)[0]["rank"] == "cheapest"

    def test_the_break_even_is_marked(self) -> None:
        """At the first volume beyond it."""
        _, rule, _ = layers(
            plot_break_even(
                Choice("growth"), Choice("enterprise"), MESSAGES, TERMS, at_most=50_000, points=10
            )
        )
        assert rows(rule) == [{"volume": 40_001, "said": "40,001"}]

    def test_bands_hold_their_middles(self, odds: Odds) -> None:
        """Low, middle, high, for each choice."""
        for row in rows(layers(plot_odds(odds))[0]):
            assert row["low"] <= row["middle"] <= row["high"]

    def test_bands_over_time_end_at_the_whole(self, odds: Odds) -> None:
        """One row for each month and choice; the last month's middle is that of the whole cost."""
        drawn = rows(layers(plot_cost_bands(odds))[0])
        assert len(drawn) == 2 * 3
        growth = [row for row in drawn if row["choice"] == "growth, monthly"]
        assert [row["low"] for row in growth] == sorted(row["low"] for row in growth)
        assert growth[-1]["middle"] == float(odds.of(Choice("growth")).quantile("0.5").amount)
        assert growth[-1]["at"] == TERMS.month(3).isoformat()

    @pytest.mark.parametrize("pricing", Pricing)
    def test_a_waterfall_falls_to_what_is_due(self, pricing: Pricing) -> None:
        """Each bar begins where the one before it ends; the last is the sum, from zero."""
        taxed = attrs.evolve(
            sample_catalog(),
            products=tuple(
                attrs.evolve(
                    one, prices=tuple(attrs.evolve(each, pricing=pricing) for each in one.prices)
                )
                for one in sample_catalog().products
            ),
        )
        scenario = a_year(opening="90000").under(taxed)
        stopped = Simulation(scenario).advance(scenario.start + timedelta(days=59))
        quote = stopped.billing.subscriptions.preview(
            "acme", to="enterprise", interval=MONTH, timing=ChangeTiming.IMMEDIATE
        )
        *steps, due = rows(layers(plot_quote(quote))[0])
        assert [one["way"] for one in steps][:2] == ["-", "+"]
        assert ("KDV" in [one["what"] for one in steps]) is (pricing is Pricing.EXCLUSIVE)
        level = 0.0
        for one in steps:
            ends = {one["low"], one["high"]}
            assert min(abs(level - end) for end in ends) < 0.001
            level = one["high"] if one["way"] == "+" else one["low"]
        assert due["low"] == 0
        assert due["high"] == pytest.approx(level) == float(quote.due_now.amount)
        assert "Growth" in steps[0]["what"]
        yearly = stopped.billing.subscriptions.preview("acme", to="growth", interval=YEAR)
        assert rows(layers(plot_quote(yearly))[0])[-1]["high"] == float(yearly.due_now.amount)
