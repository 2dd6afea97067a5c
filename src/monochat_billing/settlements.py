"""Settlement files: what a provider says it paid out, compared with what was credited.

Owns the comparison and its report. Does not own any file's format, nor a correction: nothing is
posted here, because every class of difference has another cause and a person has to find it.

>>> from monochat_billing.money import money
>>> line = SettlementLine(payment="p-1", amount=money("100", "TRY"))
>>> print(compare_settlement([line, line], []))
2 lines, 0 matched
  p-1: DUPLICATED, ours nothing, theirs 100 TRY
  p-1: UNKNOWN_HERE, ours nothing, theirs 100 TRY
"""

import enum
from collections.abc import Callable, Iterable
from datetime import UTC, date
from typing import final

import attrs

from monochat_billing.money import Money, amount_text
from monochat_billing.payments import TopUp

__all__ = [
    "SettlementClass",
    "SettlementDifference",
    "SettlementLine",
    "SettlementReport",
    "compare_settlement",
]


@final
class SettlementClass(enum.StrEnum):
    """Name how a line and our books differ.

    ``UNKNOWN_HERE``: the provider settled what was never credited. ``UNKNOWN_THERE``: it was
    credited and is in no line. ``DUPLICATED``: a payment stands in more than one line. ``AMOUNT``,
    ``FEE`` and ``DAY``: both know it and disagree.
    """

    UNKNOWN_HERE = "UNKNOWN_HERE"
    UNKNOWN_THERE = "UNKNOWN_THERE"
    DUPLICATED = "DUPLICATED"
    AMOUNT = "AMOUNT"
    FEE = "FEE"
    DAY = "DAY"


@final
@attrs.frozen(kw_only=True)
class SettlementLine:
    """Hold one line of a settlement file.

    ``payment`` is the provider's id of the payment, ``amount`` what the buyer paid, ``fee`` what
    the provider kept of it and ``settled_on`` when it paid out, None where the file is silent.
    """

    payment: str
    amount: Money
    fee: Money | None = None
    settled_on: date | None = None


@final
@attrs.frozen(kw_only=True)
class SettlementDifference:
    """State one difference; ``ours`` and ``theirs`` are as text, ``top_up`` blank if unknown."""

    kind: SettlementClass
    payment: str
    top_up: str = ""
    ours: str = "nothing"
    theirs: str = "nothing"

    def __str__(self) -> str:
        return f"{self.payment}: {self.kind}, ours {self.ours}, theirs {self.theirs}"


@final
@attrs.frozen(kw_only=True)
class SettlementReport:
    """Return how many lines there were, how many payments agree, and every difference."""

    lines: int
    matched: int
    differences: tuple[SettlementDifference, ...] = ()

    @property
    def clean(self) -> bool:
        """Tell whether there is nothing to look into."""
        return not self.differences

    def __str__(self) -> str:
        head = f"{self.lines} line{'' if self.lines == 1 else 's'}, {self.matched} matched"
        return "\n  ".join([head, *map(str, self.differences)])


def compare_settlement(
    lines: Iterable[SettlementLine],
    top_ups: Iterable[TopUp],
    *,
    fee_of: Callable[[TopUp], Money] | None = None,
    day_of: Callable[[TopUp], date] | None = None,
    since: date | None = None,
    until: date | None = None,
) -> SettlementReport:
    """Compare the lines of one gateway's settlement file with its top-ups.

    Of ``top_ups`` those that are credited count, by the payment that settled them. ``fee_of`` and
    ``day_of`` say what fee and which day were agreed; without them neither is compared. Differences
    come in the order of the lines, then what stands in none of them, of which only what was paid
    (or else started) from ``since`` to ``until`` counts, in days of UTC, both inclusive.
    """
    ours = {one.payment: one for one in top_ups if one.payment is not None}
    seen: set[str] = set()
    count, matched = 0, 0
    found: list[SettlementDifference] = []
    unknown: list[SettlementDifference] = []
    for line in lines:
        count += 1
        top_up = ours.get(line.payment)
        if line.payment in seen:
            found.append(_differs(SettlementClass.DUPLICATED, line, top_up, _told(line.amount)))
            continue
        seen.add(line.payment)
        if top_up is None:
            unknown.append(_differs(SettlementClass.UNKNOWN_HERE, line, None, _told(line.amount)))
            continue
        wrong = _line_differences(line, top_up, fee_of, day_of)
        matched += not wrong
        found += wrong
    missing = [
        SettlementDifference(
            kind=SettlementClass.UNKNOWN_THERE,
            payment=payment,
            top_up=one.id,
            ours=_told(one.paid or one.amount),
        )
        for payment, one in ours.items()
        if payment not in seen and _within(one, since, until)
    ]
    return SettlementReport(lines=count, matched=matched, differences=(*found, *unknown, *missing))


def _within(top_up: TopUp, since: date | None, until: date | None) -> bool:
    day = (top_up.paid_at or top_up.created_at).astimezone(UTC).date()
    return (since is None or since <= day) and (until is None or day <= until)


def _line_differences(
    line: SettlementLine,
    top_up: TopUp,
    fee_of: Callable[[TopUp], Money] | None,
    day_of: Callable[[TopUp], date] | None,
) -> list[SettlementDifference]:
    pairs: list[tuple[SettlementClass, str, str]] = [
        (SettlementClass.AMOUNT, _told(top_up.paid or top_up.amount), _told(line.amount))
    ]
    if fee_of is not None:
        pairs.append((SettlementClass.FEE, _told(fee_of(top_up)), _told(line.fee)))
    if day_of is not None:
        theirs = line.settled_on.isoformat() if line.settled_on else "nothing"
        pairs.append((SettlementClass.DAY, day_of(top_up).isoformat(), theirs))
    return [
        _differs(kind, line, top_up, theirs, ours) for kind, ours, theirs in pairs if ours != theirs
    ]


def _differs(
    kind: SettlementClass,
    line: SettlementLine,
    top_up: TopUp | None,
    theirs: str,
    ours: str = "",
) -> SettlementDifference:
    known = _told(top_up.paid or top_up.amount) if top_up else "nothing"
    return SettlementDifference(
        kind=kind,
        payment=line.payment,
        top_up=top_up.id if top_up else "",
        ours=ours or known,
        theirs=theirs,
    )


def _told(amount: Money | None) -> str:
    return "nothing" if amount is None else f"{amount_text(amount)} {amount.currency.code}"
