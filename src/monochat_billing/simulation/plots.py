"""Plots: the four pictures that answer most questions, as Altair charts (extra ``notebook``).

*Owns* a balance over time with its renewals and where service stopped, costs by choice, costs by
volume with the break-even marked, and the band in which an uncertain cost lies.
*Does not own* the figures; a chart shows what the results hold, as inexact numbers of pixels.

Each function returns an ``altair.Chart`` or a layer of them: show it as the last line of a cell, or
save it.
"""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from monochat_billing.balance import EntryKind
from monochat_billing.money import Money
from monochat_billing.simulation.break_evens import break_even
from monochat_billing.simulation.choices import Choice
from monochat_billing.simulation.comparisons import Comparison
from monochat_billing.simulation.costs import CostTerms
from monochat_billing.simulation.frames import required
from monochat_billing.simulation.ledgers import Ledger
from monochat_billing.simulation.profiles import UsageProfile
from monochat_billing.simulation.uncertainty import Odds

__all__ = ["plot_balance", "plot_break_even", "plot_costs", "plot_odds"]

_RENEWED = (EntryKind.PLAN_FEE, EntryKind.SUPPORT_FEE)


def _pixels(value: Money | Decimal) -> float:
    """Give a number for a scale of a chart; nothing is computed with it."""
    return float(value.amount if isinstance(value, Money) else value)


def _chart(rows: list[dict[str, Any]]) -> Any:  # noqa: ANN401 - altair is an extra
    alt = required("altair")
    return alt.Chart(alt.Data(values=rows))


def plot_balance(ledger: Ledger, unit: str) -> Any:  # noqa: ANN401 - altair is an extra
    """Draw a balance over time, with its renewals, and the instants at which service stopped.

    Raises:
        MissingExtra: altair is not installed.
    """
    rows = [
        {
            "at": one.effective_at.isoformat(),
            "balance": _pixels(one.balance_money),
            "what": one.kind.value,
            "reason": one.reason,
        }
        for one in ledger.entries
        if one.unit == unit
    ]
    last = {**rows[-1], "at": ledger.until.isoformat(), "what": ""} if rows else {}
    base = _chart([*rows, last] if rows else []).encode(x="at:T", y="balance:Q")
    line = base.mark_line(interpolate="step-after")
    renewals = [row for row in rows if row["what"] in _RENEWED]
    points = _chart(renewals).mark_point(filled=True, size=60)
    points = points.encode(x="at:T", y="balance:Q", tooltip=["at:T", "what:N", "reason:N"])
    stops = [{"at": one.start.isoformat(), "why": one.why} for one in ledger.outages()]
    dry = _chart(stops).mark_rule(color="firebrick", strokeDash=[4, 4])
    dry = dry.encode(x="at:T", tooltip=["at:T", "why:N"])
    title = f"{ledger.account}: {unit}"
    return required("altair").layer(line, points, dry).properties(title=title, width=600)


def plot_costs(comparison: Comparison, *, most: int = 8) -> Any:  # noqa: ANN401 - as above
    """Draw what the cheapest choices cost, the cheapest first.

    Raises:
        MissingExtra: altair is not installed.
    """
    rows = [
        {"choice": one.choice.name(), "cost": _pixels(one.total)}
        for one in comparison.possible[:most]
    ]
    bars = _chart(rows).mark_bar()
    alt = required("altair")
    return bars.encode(x="cost:Q", y=alt.Y("choice:N", sort=None), tooltip=["choice:N", "cost:Q"])


def plot_break_even(
    left: Choice,
    right: Choice,
    meter: str,
    terms: CostTerms,
    *,
    at_most: int,
    points: int = 60,
) -> Any:  # noqa: ANN401 - as above
    """Draw the cost of two choices by monthly volume, with the exact break-even marked.

    Raises:
        MissingExtra: altair is not installed.
        InvalidInput: as :func:`~monochat_billing.simulation.break_evens.break_even`.
    """
    found = break_even(left, right, meter, terms, at_most=at_most)
    volumes = sorted(
        {at_most * place // points for place in range(points + 1)}
        | {one.first for one in found.crossings}
    )
    rows = []
    for choice in (left, right):
        for volume in volumes:
            cost = terms.cost(choice, UsageProfile.steady({meter: volume}))
            if cost.possible:
                rows.append(
                    {"volume": volume, "cost": _pixels(cost.total), "choice": choice.name()}
                )
    lines = _chart(rows).mark_line().encode(x="volume:Q", y="cost:Q", color="choice:N")
    crossings = [{"volume": one.first} for one in found.crossings]
    rules = _chart(crossings).mark_rule(strokeDash=[4, 4]).encode(x="volume:Q")
    return required("altair").layer(lines, rules).properties(title=meter, width=600)


def plot_odds(odds: Odds, shares: Sequence[str] = ("0.05", "0.5", "0.95")) -> Any:  # noqa: ANN401 - as above
    """Draw the band in which the cost of each choice lies, with its middle.

    Raises:
        MissingExtra: altair is not installed.
        InvalidInput: a share is not from 0 to 1.
    """
    rows = [
        {
            "choice": one.choice.name(),
            "low": _pixels(one.quantile(shares[0])),
            "middle": _pixels(one.quantile(shares[1])),
            "high": _pixels(one.quantile(shares[2])),
        }
        for one in odds.choices
    ]
    bands = _chart(rows).mark_bar(opacity=0.4).encode(x="low:Q", x2="high:Q", y="choice:N")
    middles = _chart(rows).mark_tick(thickness=3, size=18).encode(x="middle:Q", y="choice:N")
    return required("altair").layer(bands, middles).properties(width=600)
