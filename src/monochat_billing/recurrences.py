"""Recurrences: grants of units that come back every period, and how far each has come.

Owns the standing grant of an account, its current lot, what it left behind, and the next lot.
Does not own who is entitled to which units: :mod:`monochat_billing.allowances` follows the
subscriptions, and a promotion that recurs is stated by the host.
"""

from datetime import datetime
from typing import final

import attrs

from monochat_billing.balance import Books, EntryKind, Memo, Posted, credit, open_balance
from monochat_billing.grants import RecurringGrant
from monochat_billing.lots import Lot
from monochat_billing.periods import BillingPeriod
from monochat_billing.rollovers import AllowanceChange
from monochat_billing.units import amount_in

__all__ = ["Recurrence", "grant_next", "lot_of", "note_expired"]


@final
@attrs.frozen(kw_only=True)
class Recurrence:
    """Keep one standing grant: what recurs, the period it is in, and the lot of that period.

    ``unit`` is what is granted, ``grant`` how much and when. ``period`` is the current one,
    half-open, ``lot`` the number of its lot (None where it brought nothing), ``granted`` what the
    lot had. ``left`` is what was unused when the last period ended, ``lapsed`` the part of it that
    neither rolled over nor was used by a late record, and ``before`` that period. An allowance
    names the ``subscription``, ``product`` and ``quantity`` that it follows; ``note`` is the
    reason that its entries show.
    """

    id: str
    unit: str
    grant: RecurringGrant
    period: BillingPeriod
    lot: int | None = None
    granted: int = 0
    left: int = 0
    lapsed: int = 0
    before: BillingPeriod | None = None
    subscription: str = ""
    product: str = ""
    quantity: int = 1
    on_change: AllowanceChange = AllowanceChange.PRORATED
    note: str = ""

    def __str__(self) -> str:
        return f"{self.id}: {self.unit}, {self.period.start:%Y-%m-%d} → {self.period.end:%Y-%m-%d}"

    @property
    def next_at(self) -> datetime | None:
        """Give the instant of the next period, if there is one."""
        ends_at = self.grant.ends_at
        over = ends_at is not None and ends_at <= self.period.end
        return None if over else self.period.end

    def after(self, at: datetime) -> BillingPeriod:
        """Give the period that contains ``at``, counted from the anchor."""
        found = self.period
        for period in self.grant.periods(at):
            found = period
        return found


def lot_of(books: Books, recurrence: Recurrence) -> Lot | None:
    """Give the current lot of a recurrence while anything of it is there."""
    balance = books.balances.get(recurrence.unit)
    lots = balance.lots if balance else ()
    return next((lot for lot in lots if lot.number == recurrence.lot), None)


def note_expired(
    recurrences: tuple[Recurrence, ...], books: Books, at: datetime
) -> tuple[Recurrence, ...]:
    """Note what is left in the lots that expire at ``at``, just before they do.

    What an open hold has set aside is not left.
    """
    noted: list[Recurrence] = []
    for one in recurrences:
        lot = lot_of(books, one)
        if lot is None or not lot.free or not lot.expired(at):
            noted.append(one)
        else:
            noted.append(attrs.evolve(one, left=lot.free))
    return tuple(noted)


def grant_next(
    books: Books,
    recurrence: Recurrence,
    period: BillingPeriod,
    memo: Memo,
    *,
    units: int | None = None,
) -> tuple[Books, Recurrence, Posted | None]:
    """Grant the lot of ``period``: the recurring units and what rolls over, or ``units``.

    What was left rolls over only into the period that adjoins.
    """
    adjoins = recurrence.period.end == period.start
    left = recurrence.left if adjoins else 0
    carried = recurrence.grant.rollover.carried(left) if adjoins else 0
    count = recurrence.grant.units + carried if units is None else units
    moved = attrs.evolve(
        recurrence,
        period=period,
        lot=None,
        granted=count,
        left=0,
        lapsed=max(left - carried, 0),
        before=recurrence.period if adjoins else None,
    )
    if not count:
        return books, moved, None
    books = open_balance(books, recurrence.unit)
    balance = books.balance(recurrence.unit)
    terms = attrs.evolve(recurrence.grant.terms, effective_at=None, expires_at=period.end)
    done = credit(
        books,
        amount_in(recurrence.unit, balance.scale, count),
        memo.of(EntryKind.GRANT, recurrence.note),
        terms,
    )
    return done.books, attrs.evolve(moved, lot=done.entry.number), done
