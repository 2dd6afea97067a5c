"""Message breakdowns: what a month's messages cost, by number, by category and by market.

*Owns* reading the tallies of a month into lines, and their sums.
*Does not own* counting (:mod:`monochat_billing.message_charging`).

Months are local calendar months in the WhatsApp Business Account's zone, named by their first day.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import date
from functools import reduce
from typing import final

import attrs

from monochat_billing.messages import Tally
from monochat_billing.money import DEFAULT_SCALE, Money, amount_text, from_units
from monochat_billing.rating import MessageCategory
from monochat_billing.tables import table

__all__ = ["BreakdownLine", "MessageBreakdown", "breakdown_of", "breakdown_prefix"]


@final
@attrs.frozen(kw_only=True)
class BreakdownLine:
    """Count what one number sent to one market in one category, and what it cost."""

    number: str
    market: str
    category: MessageCategory
    tally: Tally


@final
@attrs.frozen(kw_only=True)
class MessageBreakdown:
    """Hold the messages of a month that were charged or found free, line by line.

    >>> october = date(2026, 10, 1)
    >>> name = "2026-10/number/106/Turkey/utility"
    >>> found = breakdown_of({name: Tally(messages=2, provider=1800)}, october, "USD")
    >>> found.total.messages, found.amount
    (2, Money('0.0018', 'USD'))
    """

    month: date
    unit: str
    lines: tuple[BreakdownLine, ...]

    @property
    def total(self) -> Tally:
        """Give the sum of all lines."""
        return _sum(self.lines)

    @property
    def amount(self) -> Money:
        """Give what all of it cost."""
        return from_units(self.total.cost, self.unit, DEFAULT_SCALE)

    def by_number(self) -> Mapping[str, Tally]:
        """Give the sums by business number."""
        return self._by(lambda line: line.number)

    def by_category(self) -> Mapping[str, Tally]:
        """Give the sums by category."""
        return self._by(lambda line: line.category.value)

    def by_market(self) -> Mapping[str, Tally]:
        """Give the sums by market."""
        return self._by(lambda line: line.market)

    def _by(self, key: Callable[[BreakdownLine], str]) -> Mapping[str, Tally]:
        found: dict[str, list[BreakdownLine]] = {}
        for line in self.lines:
            found.setdefault(key(line), []).append(line)
        return {name: _sum(lines) for name, lines in found.items()}

    def __str__(self) -> str:
        rows = [
            (
                line.number,
                line.category.value,
                line.market,
                str(line.tally.messages),
                str(line.tally.free),
                amount_text(from_units(line.tally.cost, self.unit, DEFAULT_SCALE)),
            )
            for line in self.lines
        ]
        heads = ("number", "category", "market", ">messages", ">free", f">{self.unit}")
        return table(heads, rows)


def _sum(lines: Iterable[BreakdownLine]) -> Tally:
    return reduce(Tally.plus, [line.tally for line in lines], Tally())


def breakdown_prefix(month: date) -> str:
    """Name what the tallies of a month by number begin with.

    >>> breakdown_prefix(date(2026, 10, 31))
    '2026-10/number/'
    """
    return f"{month:%Y-%m}/number/"


def breakdown_of(tallies: Mapping[str, Tally], month: date, unit: str) -> MessageBreakdown:
    """Read the tallies of a month, whose names begin with :func:`breakdown_prefix`."""
    prefix = breakdown_prefix(month)
    lines: list[BreakdownLine] = []
    for name, tally in sorted(tallies.items()):
        number, _, rest = name.removeprefix(prefix).partition("/")
        market, _, category = rest.rpartition("/")
        lines.append(
            BreakdownLine(
                number=number, market=market, category=MessageCategory(category), tally=tally
            )
        )
    return MessageBreakdown(month=month.replace(day=1), unit=unit, lines=tuple(lines))
