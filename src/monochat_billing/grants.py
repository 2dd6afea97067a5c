"""Grants that recur: a lot for each period, and what an unused rest carries over.

Owns when a recurring grant falls due, and the terms and units of each of its lots.
Does not own posting: :func:`~monochat_billing.balance.credit` grants the lot, its own end makes
breakage of what is left, and whoever runs the grant reads that remainder before.
"""

from collections.abc import Iterator
from datetime import datetime
from itertools import count
from typing import final

import attrs

from monochat_billing.entries import Terms
from monochat_billing.periods import BillingAnchor, BillingInterval, BillingPeriod
from monochat_billing.rollovers import NO_ROLLOVER, Rollover

__all__ = ["NO_ROLLOVER", "RecurringGrant", "Rollover"]


@final
@attrs.frozen(kw_only=True)
class RecurringGrant:
    """Grant ``units`` for each period: the messages that a plan includes, a monthly promotion.

    Periods begin at ``starts_at`` and then at each bound of ``anchor``; each is half-open, and
    none reaches beyond ``ends_at``. ``terms`` are those of every lot, but for its bounds.

    >>> from datetime import UTC
    >>> from monochat_billing.periods import MONTH
    >>> start = datetime(2026, 1, 31, tzinfo=UTC)
    >>> grant = RecurringGrant(
    ...     units=1000, interval=MONTH, anchor=BillingAnchor.at(start, "UTC"), starts_at=start,
    ...     rollover=Rollover(maximum=2000),
    ... )
    >>> [str(one.start.date()) for one in grant.periods(datetime(2026, 3, 31, tzinfo=UTC))]
    ['2026-01-31', '2026-02-28', '2026-03-31']
    >>> grant.refill(left=400)
    1400
    """

    units: int
    interval: BillingInterval
    anchor: BillingAnchor
    starts_at: datetime
    ends_at: datetime | None = None
    terms: Terms = attrs.field(factory=Terms)
    rollover: Rollover = NO_ROLLOVER

    def periods(self, until: datetime, *, after: datetime | None = None) -> Iterator[BillingPeriod]:
        """Yield the periods that begin by ``until`` (inclusive), and after ``after`` if given."""
        for period in self._all():
            if period.start > until:
                return
            if after is None or period.start > after:
                yield period

    def _all(self) -> Iterator[BillingPeriod]:
        start = self.starts_at
        bounds = (self.anchor.bound(self.interval, index) for index in count())
        for bound in bounds:
            if bound <= start:
                continue
            end = bound if self.ends_at is None else min(bound, self.ends_at)
            if end > start:
                yield BillingPeriod(start=start, end=end)
            if self.ends_at is not None and bound >= self.ends_at:
                return
            start = bound

    def terms_of(self, period: BillingPeriod) -> Terms:
        """Give the terms of the lot of one period: it counts within it and nowhere else."""
        return attrs.evolve(self.terms, effective_at=period.start, expires_at=period.end)

    def refill(self, left: int = 0) -> int:
        """Give the units of the next lot, after a period that left ``left`` of its own."""
        return self.units + self.rollover.carried(left)
