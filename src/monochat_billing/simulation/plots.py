"""Plots: the pictures that answer most questions, as Altair charts (extra ``notebook``).

*Owns* a balance over time with its renewals and the day on which it runs dry, costs by choice,
costs by volume with the break-even marked, uncertain costs as bands, and the waterfall of a quote.
*Does not own* the figures; a chart shows what the results hold, as inexact numbers of pixels.

Each function returns an ``altair.Chart`` or a layer of them: show it as the last line of a cell, or
save it. ``locale`` is the language of axes and labels.
"""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from monochat_billing.balance import EntryKind
from monochat_billing.change_quotes import ChangeQuote
from monochat_billing.entry_words import kind_words
from monochat_billing.events import RenewalFailed, SubscriptionRenewed
from monochat_billing.money import Money, subtract, total
from monochat_billing.proration import LineKind
from monochat_billing.simulation.break_evens import break_even
from monochat_billing.simulation.choices import Choice
from monochat_billing.simulation.comparisons import Comparison
from monochat_billing.simulation.costs import CostTerms
from monochat_billing.simulation.frames import required
from monochat_billing.simulation.ledgers import Ledger
from monochat_billing.simulation.profiles import UsageProfile
from monochat_billing.simulation.uncertainty import DryOdds, Odds
from monochat_billing.wording import Words

__all__ = [
    "plot_balance",
    "plot_break_even",
    "plot_cost_bands",
    "plot_costs",
    "plot_odds",
    "plot_quote",
]

_RENEWED: Final = (EntryKind.PLAN_FEE, EntryKind.SUPPORT_FEE, EntryKind.ADD_ON_FEE)
_WIDTH: Final = 600
_RISK: Final = "0.05"
_BLUE, _GREEN, _ORANGE, _RED = "#4c78a8", "#54a24b", "#f58518", "firebrick"


def _pixels(value: Money | Decimal) -> float:
    """Give a number for a scale of a chart; nothing is computed with it."""
    return float(value.amount if isinstance(value, Money) else value)


def _chart(rows: Sequence[dict[str, Any]]) -> Any:  # noqa: ANN401 - altair is an extra
    alt = required("altair")
    return alt.Chart(alt.Data(values=list(rows)))


def _time(title: str) -> Any:  # noqa: ANN401 - as above
    return required("altair").X("at:T", title=title, axis=_thin(format="%Y-%m-%d"))


def _thin(**how: Any) -> Any:  # noqa: ANN401 - as above
    return required("altair").Axis(labelOverlap=True, tickCount=8, **how)


def _amounts(field: str, currency: str, kind: str = "Y", **how: Any) -> Any:  # noqa: ANN401 - as above
    """Draw amounts on an axis that says in which currency they are, with thousands apart."""
    channel = getattr(required("altair"), kind)
    return channel(field, title=currency, axis=_thin(format=",.0f"), **how)


def plot_balance(
    ledger: Ledger, unit: str, *, odds: DryOdds | None = None, locale: str = "en"
) -> Any:  # noqa: ANN401 - altair is an extra
    """Draw a balance over time: renewals as points, days without service shaded, the dry date.

    The dry date is the first instant at which a renewal was not covered. With ``odds`` it is the
    span from the day before which 5 % of the draws have run dry to the expected one.

    Raises:
        MissingExtra: altair is not installed.
    """
    alt, words = required("altair"), Words(locale)
    rows = [
        {
            "at": one.effective_at.isoformat(),
            "balance": _pixels(one.balance_money),
            "what": kind_words(one.kind, words),
            "reason": one.reason,
        }
        for one in ledger.entries
        if one.unit == unit
    ]
    last = [{**rows[-1], "at": ledger.until.isoformat(), "what": ""}] if rows else []
    line = _chart([*rows, *last]).mark_line(interpolate="step-after", color=_BLUE)
    line = line.encode(x=_time(""), y=_amounts("balance:Q", unit))
    renewed = {one.at for one in ledger.events if isinstance(one, SubscriptionRenewed)}
    points = _chart(
        [
            row
            for row, one in zip(
                rows, (one for one in ledger.entries if one.unit == unit), strict=True
            )
            if one.kind in _RENEWED and one.effective_at in renewed
        ]
    ).mark_point(filled=True, size=60, color=_BLUE)
    points = points.encode(x=_time(""), y="balance:Q", tooltip=["at:T", "what:N", "reason:N"])
    layers = [_stops(ledger, words), line, points, *_dry(ledger, odds, words)]
    return alt.layer(*layers).properties(title=f"{ledger.account}: {unit}", width=_WIDTH)


def _stops(ledger: Ledger, words: Words) -> Any:  # noqa: ANN401 - altair is an extra
    """Shade the spans in which no plan served."""
    rows = [
        {
            "at": one.start.isoformat(),
            "end": one.end.isoformat(),
            "why": words.say("no service: {why}", why=one.why),
        }
        for one in ledger.outages()
    ]
    shades = _chart(rows).mark_rect(color=_RED, opacity=0.12)
    return shades.encode(x=_time(""), x2="end:T", tooltip=["why:N", "at:T", "end:T"])


def _dry(ledger: Ledger, odds: DryOdds | None, words: Words) -> list[Any]:
    """Mark where the balance did not cover a renewal, or may not cover what comes."""
    failed = [one.at for one in ledger.events if isinstance(one, RenewalFailed)]
    if odds is None:
        return _marked(min(failed), words) if failed else []
    early, mean = odds.earliest(_RISK), odds.expected_at
    if early is None or mean is None:
        return []
    row = {"at": min(early, mean).isoformat(), "end": max(early, mean).isoformat()}
    band = _chart([row]).mark_rect(color=_ORANGE, opacity=0.25).encode(x=_time(""), x2="end:T")
    return [band, *_marked(mean, words)]


def _marked(at: datetime, words: Words) -> list[Any]:
    row = {"at": at.isoformat(), "said": words.say("dry: {day}", day=words.short_day(at.date()))}
    rule = _chart([row]).mark_rule(color=_RED, strokeDash=[4, 4]).encode(x=_time(""))
    text = _chart([row]).mark_text(align="left", dx=4, dy=8, color=_RED, baseline="top")
    return [rule, text.encode(x=_time(""), y=required("altair").value(0), text="said:N")]


def plot_costs(comparison: Comparison, *, most: int = 8, locale: str = "en") -> Any:  # noqa: ANN401 - altair is an extra
    """Draw what the cheapest choices cost, the cheapest first, with the amount at each bar.

    Raises:
        MissingExtra: altair is not installed.
    """
    alt, words = required("altair"), Words(locale)
    found = comparison.possible[:most]
    rows = [
        {
            "choice": one.choice.name(locale),
            "cost": _pixels(one.total),
            "said": words.money(one.total),
            "rank": "cheapest" if one.total == found[0].total else "dearer",
        }
        for one in found
    ]
    currency = found[0].total.currency.code if found else ""
    base = _chart(rows).encode(
        x=_amounts("cost:Q", currency, "X"),
        y=alt.Y("choice:N", sort=None, title="", axis=alt.Axis(labelLimit=400)),
        tooltip=["choice:N", "said:N"],
    )
    colors = alt.Scale(range=[_GREEN, _BLUE])
    color = alt.Color("rank:N", scale=colors, sort=None, legend=None)
    bars = base.mark_bar().encode(color=color)
    said = base.mark_text(align="left", dx=4).encode(text="said:N")
    return alt.layer(bars, said).properties(width=_WIDTH - 200)


def plot_break_even(
    left: Choice,
    right: Choice,
    meter: str,
    terms: CostTerms,
    *,
    at_most: int,
    points: int = 60,
    locale: str = "en",
) -> Any:  # noqa: ANN401 - as above
    """Draw the cost of two choices by monthly volume, with the exact break-even marked.

    Raises:
        MissingExtra: altair is not installed.
        InvalidInput: as :func:`~monochat_billing.simulation.break_evens.break_even`.
    """
    alt, words = required("altair"), Words(locale)
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
                    {
                        "volume": volume,
                        "cost": _pixels(cost.total),
                        "choice": choice.name(locale),
                        "said": words.money(cost.total),
                    }
                )
    axis = words.say("{meter} per month", meter=meter)
    volume_axis = alt.X("volume:Q", title=axis, axis=_thin(format=",.0f"))
    color = alt.Color("choice:N", title="", sort=None, scale=alt.Scale(range=[_BLUE, _ORANGE]))
    lines = (
        _chart(rows)
        .mark_line()
        .encode(
            x=volume_axis,
            y=_amounts("cost:Q", terms.currency),
            color=color,
            tooltip=["choice:N", "volume:Q", "said:N"],
        )
    )
    crossings = [{"volume": one.first, "said": words.number(one.first)} for one in found.crossings]
    rules = _chart(crossings).mark_rule(strokeDash=[4, 4]).encode(x=volume_axis)
    said = _chart(crossings).mark_text(align="left", dx=4, dy=8, baseline="top")
    said = said.encode(x=volume_axis, y=alt.value(0), text="said:N")
    return alt.layer(lines, rules, said).properties(width=_WIDTH)


def plot_cost_bands(
    odds: Odds, shares: Sequence[str] = (_RISK, "0.5", "0.95"), *, locale: str = "en"
) -> Any:  # noqa: ANN401 - as above
    """Draw what each choice has cost by the end of each month: a band, and its middle as a line.

    Raises:
        MissingExtra: altair is not installed.
        InvalidInput: a share is not from 0 to 1.
    """
    alt = required("altair")
    rows = [
        {
            "choice": one.choice.name(locale),
            "at": at.isoformat(),
            "low": _pixels(low),
            "middle": _pixels(middle),
            "high": _pixels(high),
        }
        for one in odds.choices
        for at, low, middle, high in zip(
            odds.ends, *(one.band(share) for share in shares), strict=True
        )
    ]
    currency = odds.choices[0].currency
    base = _chart(rows).encode(x=_time(""), color=alt.Color("choice:N", title="", sort=None))
    band = base.mark_area(opacity=0.25)
    band = band.encode(y=_amounts("low:Q", currency), y2="high:Q")
    middle = base.mark_line().encode(y=_amounts("middle:Q", currency))
    return alt.layer(band, middle).properties(width=_WIDTH)


def plot_odds(
    odds: Odds, shares: Sequence[str] = (_RISK, "0.5", "0.95"), *, locale: str = "en"
) -> Any:  # noqa: ANN401 - as above
    """Draw the band in which the cost of each choice lies, with its middle.

    Raises:
        MissingExtra: altair is not installed.
        InvalidInput: a share is not from 0 to 1.
    """
    alt = required("altair")
    rows = [
        {
            "choice": one.choice.name(locale),
            "low": _pixels(one.quantile(shares[0])),
            "middle": _pixels(one.quantile(shares[1])),
            "high": _pixels(one.quantile(shares[2])),
        }
        for one in odds.choices
    ]
    currency = odds.choices[0].currency
    names = alt.Y("choice:N", sort=None, title="", axis=alt.Axis(labelLimit=400))
    axis = _amounts("low:Q", currency, "X", scale=alt.Scale(zero=False))
    bands = _chart(rows).mark_bar(opacity=0.4, size=16).encode(x=axis, x2="high:Q", y=names)
    middles = _chart(rows).mark_tick(thickness=3, size=22).encode(x="middle:Q", y=names)
    return alt.layer(bands, middles).properties(width=_WIDTH, height=alt.Step(36))


def plot_quote(quote: ChangeQuote, *, locale: str = "en") -> Any:  # noqa: ANN401 - as above
    """Draw a change quote as a waterfall: what comes back, what is taken, and what is due.

    Its bars are the quote's lines, then the tax where it comes on top of them, then the sum.

    Raises:
        MissingExtra: altair is not installed.
    """
    alt, words = required("altair"), Words(locale)
    steps = [
        (quote.names.get(name := quote.product_of(one), {}).get(locale, name), one.kind, one.money)
        for one in quote.lines
    ]
    lines = [
        (words.say("{product}, unused", product=name) if kind is LineKind.CREDIT else name, amount)
        for name, kind, amount in steps
    ]
    tax = subtract(quote.due_now, total([amount for _, amount in lines], quote.due_now.currency))
    if tax.amount:
        lines.append((words.say("KDV"), tax))
    rows: list[dict[str, Any]] = []
    level = total([], quote.due_now.currency)
    for name, amount in lines:
        rows.append(_bar(len(rows), name, level, level + amount, words))
        level += amount
    due = words.say("due now")
    rows.append({**_bar(len(rows), due, subtract(level, level), quote.due_now, words), "way": "="})
    names = [row["what"] for row in rows]
    base = _chart(rows).encode(x=alt.X("what:N", sort=names, title="", axis=alt.Axis(labelAngle=0)))
    colors = alt.Scale(domain=["+", "-", "="], range=[_ORANGE, _GREEN, _BLUE])
    bars = base.mark_bar(size=60).encode(
        y=_amounts("low:Q", quote.due_now.currency.code),
        y2="high:Q",
        color=alt.Color("way:N", scale=colors, legend=None),
        tooltip=["what:N", "said:N"],
    )
    said = base.mark_text(dy=-6, baseline="bottom").encode(y="high:Q", text="said:N")
    return alt.layer(bars, said).properties(width=_WIDTH, title=f"{quote.account}: {quote.rule}")


def _bar(place: int, name: str, start: Money, end: Money, words: Words) -> dict[str, Any]:
    amount = subtract(end, start)
    return {
        "what": name,
        "place": place,
        "low": _pixels(min(start, end)),
        "high": _pixels(max(start, end)),
        "way": "+" if amount.amount >= 0 else "-",
        "said": words.money(amount),
    }
