"""Service spans: the pieces of a service's life that are billed one by one.

*Owns* stubs on either side of whole periods, what is to be billed by an instant in advance and in
arrears, and the stub that a moved anchor makes.
*Does not own* amounts: each span says which whole period it is measured in, and ``proration``
does the rest.

>>> from datetime import UTC, date
>>> from monochat_billing.periods import MONTH
>>> anchor = BillingAnchor(year=2026, month=1, day=15, zone="UTC")
>>> start, end = datetime(2026, 1, 10, tzinfo=UTC), datetime(2026, 2, 20, tzinfo=UTC)
>>> for span in service_spans(anchor, MONTH, start, end):
...     print(span.period.days("UTC"), span.whole.days("UTC"), span.is_stub)
5 31 True
31 31 False
5 28 True
"""

from datetime import datetime
from enum import StrEnum
from typing import final

import attrs

from monochat_billing.instants import utc
from monochat_billing.periods import BillingAnchor, BillingInterval, BillingPeriod

__all__ = ["BillingMode", "ServiceSpan", "billable_spans", "moved_anchor_stub", "service_spans"]


class BillingMode(StrEnum):
    """Say at which of its ends a period is billed."""

    IN_ADVANCE = "IN_ADVANCE"
    """When it starts."""
    IN_ARREARS = "IN_ARREARS"
    """When it has ended, or the service within it has."""


@final
@attrs.frozen(kw_only=True)
class ServiceSpan:
    """Hold one piece of service and the whole billing period that it is measured in.

    Both are half-open and ``whole`` covers ``period``; ``index`` is the n of the whole.
    """

    period: BillingPeriod
    whole: BillingPeriod
    index: int

    @property
    def is_stub(self) -> bool:
        """Whether the piece is shorter than its whole period."""
        return self.period != self.whole


def service_spans(
    anchor: BillingAnchor, interval: BillingInterval, start: datetime, end: datetime
) -> tuple[ServiceSpan, ...]:
    """Cut the service ``[start, end)`` at the anchor's bounds.

    The pieces tile it: a stub before the first bound, whole periods, a stub after the last. A
    service that starts or ends on a bound has no stub there; an empty one has no pieces.

    Raises:
        InvalidInput: an instant is naive or the end is before the start.
    """
    service = BillingPeriod(start=start, end=end)
    if service.is_empty:
        return ()
    index = anchor.index_containing(interval, service.start)
    spans = []
    whole = anchor.period(interval, index)
    while whole.start < service.end:
        piece = whole.overlap(service)
        if piece is not None:
            spans.append(ServiceSpan(period=piece, whole=whole, index=index))
        index += 1
        whole = anchor.period(interval, index)
    return tuple(spans)


def billable_spans(
    anchor: BillingAnchor,
    interval: BillingInterval,
    mode: BillingMode,
    start: datetime,
    end: datetime | None,
    *,
    upto: datetime,
) -> tuple[ServiceSpan, ...]:
    """Return the pieces of a service that are to be billed by ``upto``, that instant included.

    In advance a piece is billed when it starts, in arrears when it ends; a service that ends
    within a period ends that piece, so it is billed at once. ``end`` None is an open service.
    Before the service starts nothing is billed: the answer is empty, not an error.

    Raises:
        InvalidInput: an instant is naive or the end is before the start.

    >>> from datetime import UTC
    >>> from monochat_billing.periods import MONTH
    >>> anchor = BillingAnchor(year=2023, month=8, day=11, zone="UTC")
    >>> cancel = datetime(2023, 8, 20, tzinfo=UTC)
    >>> due = billable_spans(
    ...     anchor, MONTH, BillingMode.IN_ARREARS, anchor.instant, cancel, upto=cancel
    ... )
    >>> [span.period.days("UTC") for span in due]
    [9]
    """
    first, target = utc(start, field="start"), utc(upto, field="upto")
    last = None if end is None else BillingPeriod(start=first, end=end).end
    if target < first:
        return ()
    horizon = anchor.next_bound(interval, target)
    last = horizon if last is None else min(last, horizon)
    spans = service_spans(anchor, interval, first, last)
    if mode is BillingMode.IN_ADVANCE:
        return tuple(span for span in spans if span.period.start <= target)
    return tuple(span for span in spans if span.period.end <= target)


def moved_anchor_stub(
    anchor: BillingAnchor, interval: BillingInterval, at: datetime
) -> ServiceSpan | None:
    """Return the stub from ``at`` to the next bound of a new anchor, or None on a bound.

    Raises:
        InvalidInput: the instant is naive.

    >>> from datetime import UTC
    >>> from monochat_billing.periods import MONTH
    >>> new = BillingAnchor(year=2026, month=1, day=1, zone="UTC")
    >>> stub = moved_anchor_stub(new, MONTH, datetime(2026, 3, 15, tzinfo=UTC))
    >>> stub.period.days("UTC"), stub.whole.days("UTC")
    (17, 31)
    """
    start = utc(at, field="at")
    index = anchor.index_containing(interval, start)
    whole = anchor.period(interval, index)
    if whole.start == start:
        return None
    return ServiceSpan(period=BillingPeriod(start=start, end=whole.end), whole=whole, index=index)
