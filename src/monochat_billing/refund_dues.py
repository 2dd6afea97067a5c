"""Refunds that are due: money that came back to a balance and is to go on to who paid it.

*Owns* setting it aside when a subscription ends with a refund, recognizing such a hold, and letting
the refund of a top-up draw on it.
*Does not own* what comes back (:mod:`monochat_billing.cancellations`) or how a refund is asked for
and settled (:mod:`monochat_billing.refunds`).

What is due is a hold like any other, without an end of its own, for each source of the money: a fee
or a debt can not spend it before the host has sent it on. Its ``reference`` is the top-up.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Final

from monochat_billing.books import Books
from monochat_billing.entries import EntryKind, Memo
from monochat_billing.holds import Hold, draw_hold
from monochat_billing.lots import LotOrigin
from monochat_billing.money import Money

__all__ = ["draw_due", "dues_of", "is_due", "set_due_aside"]

_NAMED: Final = "due-"


def is_due(hold: Hold) -> bool:
    """Tell whether a hold is for a refund that is due, not for one that was asked for."""
    return hold.kind is EntryKind.REFUND and hold.id.startswith(_NAMED)


def dues_of(holds: Iterable[Hold], source: str) -> tuple[Hold, ...]:
    """Give the open holds of what is due to the source of some money, the oldest first."""
    found = [one for one in holds if one.open and one.reference == source and is_due(one)]
    return tuple(sorted(found, key=lambda one: (one.placed_at, one.id)))


def set_due_aside(
    books: Books, paid: Mapping[str, Money], memo: Memo, name: str
) -> tuple[Books, tuple[Hold, ...]]:
    """Hold what came back from each source, as far as it is still free in the lots of that source.

    ``paid`` says how much by source; nothing is held where nothing is left. ``name`` makes the ids
    of the holds, ``memo`` says what they are for.

    >>> from datetime import UTC
    >>> from monochat_billing.balance import credit, open_balance
    >>> from monochat_billing.money import money
    >>> t = datetime(2026, 10, 1, tzinfo=UTC)
    >>> paid_in = Memo(EntryKind.TOP_UP, t, t, "top-up", "top-1")
    >>> books = credit(open_balance(Books("acme"), "TRY"), money("100", "TRY"), paid_in).books
    >>> memo = Memo(EntryKind.REFUND, t, t, "withdrawal of growth")
    >>> books, (hold,) = set_due_aside(books, {"top-1": money("40", "TRY")}, memo, "s-1")
    >>> print(hold, hold.reference, books.balance("TRY").held)
    hold due-s-1-1: 40 TRY left, OPEN top-1 40000000
    """
    holds: list[Hold] = []
    for source, amount in paid.items():
        balance = books.of(amount)
        left = balance.units(amount)
        pins: list[tuple[int, int]] = []
        lots = []
        for lot in balance.lots:
            mine = lot.origin is LotOrigin.PAID and lot.source == source
            taken = min(lot.free, left) if mine else 0
            if taken:
                pins.append((lot.number, taken))
                left -= taken
            lots.append(lot.left_with(lot.remaining, lot.pinned + taken) if taken else lot)
        units = sum(taken for _, taken in pins)
        if not units:
            continue
        hold = Hold(
            id=f"{_NAMED}{name}-{len(holds) + 1}",
            account=books.account,
            unit=balance.unit,
            scale=balance.scale,
            kind=EntryKind.REFUND,
            placed=units,
            left=units,
            pins=tuple(pins),
            on_credit=0,
            placed_at=memo.effective_at,
            expires_at=None,
            reason=memo.reason,
            reference=source,
            actor=memo.actor,
        )
        holds.append(hold)
        books = books.with_balance(balance.with_lots(tuple(lots), balance.held + units))
    return books, tuple(holds)


def draw_due(
    books: Books, dues: Iterable[Hold], units: int, at: datetime
) -> tuple[Books, tuple[Hold, ...]]:
    """Free up to ``units`` of what is due for what takes them at once, the oldest hold first."""
    drawn: list[Hold] = []
    for hold in dues:
        taken = min(units, hold.left)
        if not taken:
            break
        done = draw_hold(books, hold, taken, at)
        books, units = done.books, units - taken
        drawn.append(done.hold)
    return books, tuple(drawn)
