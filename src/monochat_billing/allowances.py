"""Allowances: what a subscription includes, granted as lots that end with their period.

Owns which units each subscription brings, when, how many after a change of plan, and what rolls
over; the standing promotions of an account run by the same rule.
Does not own the lots (:mod:`monochat_billing.balance`), the rules of a change as data
(:mod:`monochat_billing.rollovers`) or what uses the units up.

Allowances follow subscriptions: :func:`follow` looks at what the account subscribes to and brings
its grants into line. So it does not matter whether a subscription has just begun, was renewed,
changed, revived or ended: whoever did it asks the same question afterwards.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from fractions import Fraction
from typing import Final, final

import attrs

from monochat_billing.balance import Books, Entry, EntryKind, Memo, Terms
from monochat_billing.books import post
from monochat_billing.errors import UnknownName
from monochat_billing.grants import RecurringGrant
from monochat_billing.lots import LotOrigin, insert
from monochat_billing.periods import BillingPeriod
from monochat_billing.plans import Allowance, AnyCatalog, known_product
from monochat_billing.recurrences import Recurrence, grant_next, lot_of
from monochat_billing.subscriptions import Subscription, SubscriptionState

__all__ = ["Followed", "entitled", "follow", "granted", "included", "next_grant_at", "run_on"]

_TICK: Final = timedelta(microseconds=1)
_SERVED: Final = frozenset({SubscriptionState.ACTIVE, SubscriptionState.TRIALING})
_GONE: Final = frozenset(
    {SubscriptionState.CANCELED, SubscriptionState.EXPIRED, SubscriptionState.SUSPENDED}
)
_TERMS: Final = Terms(origin=LotOrigin.ALLOWANCE)


@final
@attrs.frozen(kw_only=True)
class Followed:
    """Return the books and standing grants after they were brought into line."""

    books: Books
    recurrences: tuple[Recurrence, ...]
    entries: tuple[Entry, ...] = ()


def included(
    subscription: Subscription, catalog: AnyCatalog, at: datetime
) -> tuple[Allowance, ...]:
    """List what a subscription includes at ``at``, what was agreed in place of what is listed.

    The units are those of one; they count as often as the subscription's quantity says.
    """
    product = known_product(catalog, subscription.product, at)
    if subscription.agreement is not None:
        product = subscription.agreement.applied_to(product)
    return product.allowances


def entitled(subscription: Subscription, at: datetime) -> bool:
    """Tell whether a subscription brings units for a period that contains ``at``.

    It does while it is active or on trial; units for a period that was not paid come with the
    payment.
    """
    return subscription.state in _SERVED and subscription.period.start <= at


def granted(subscription: Subscription, allowance: Allowance) -> RecurringGrant:
    """Say what an allowance of a subscription grants: for which periods and how many units.

    Periods are counted from the subscription's anchor in steps of the allowance, also where the
    plan is paid for longer.
    """
    return RecurringGrant(
        units=allowance.units * subscription.quantity,
        interval=allowance.per,
        anchor=subscription.anchor,
        starts_at=subscription.period.start,
        terms=_TERMS,
        rollover=allowance.rollover,
    )


def follow(
    books: Books,
    recurrences: tuple[Recurrence, ...],
    subscriptions: Iterable[Subscription],
    catalog: AnyCatalog,
    *,
    at: datetime,
    recorded_at: datetime,
) -> Followed:
    """Bring the allowances of all subscriptions into line, as of ``at``.

    A subscription that has begun, or whose allowance period is over, gets the units of the period
    that contains ``at``. One that has changed its product, quantity or anchor within a period gets
    what the allowance's rule says, and its old lot loses the rest. What has ended loses what is
    left. Nothing to do is a value: the same books come back.

    >>> from datetime import UTC
    >>> from monochat_billing.changes import subscribe
    >>> from monochat_billing.periods import MONTH
    >>> from monochat_billing.plans import sample_catalog
    >>> t = datetime(2026, 10, 5, tzinfo=UTC)
    >>> catalog = sample_catalog()
    >>> basic = catalog.product("basic")
    >>> from monochat_billing.balance import open_balance
    >>> began = subscribe(
    ...     open_balance(Books("acme"), "TRY"), subscription_id="s-1", product=basic,
    ...     price=basic.price(MONTH, "TRY"), zone="UTC", at=t, recorded_at=t,
    ... )
    >>> done = follow(began.books, (), [began.subscription], catalog, at=t, recorded_at=t)
    >>> print(done.entries[0])
    #1 2026-10-05 00:00Z GRANT +1000 monochat.message → 1000 basic includes
    """
    run = _Run(books, {one.id: one for one in recurrences}, at, recorded_at)
    for subscription in subscriptions:
        if subscription.state in _GONE:
            run.end(subscription, frozenset())
        elif entitled(subscription, at):
            try:
                allowances = included(subscription, catalog, at)
            except UnknownName:  # no version of the catalog knows it: what was granted stays
                continue
            if run.standing:
                run.end(subscription, frozenset(one.meter for one in allowances))
            for allowance in allowances:
                run.bring(subscription, allowance)
    after = tuple(run.standing.values())
    if run.books is books and after == recurrences:
        return Followed(books=books, recurrences=recurrences)
    return Followed(books=run.books, recurrences=after, entries=tuple(run.entries))


def run_on(
    books: Books, recurrences: tuple[Recurrence, ...], at: datetime, recorded_at: datetime
) -> Followed:
    """Grant what recurs by itself and is due by ``at``: standing promotions, no allowances."""
    run = _Run(books, {one.id: one for one in recurrences}, at, recorded_at)
    for one in recurrences:
        next_at = None if one.subscription else one.next_at
        if next_at is not None and next_at <= at:
            run.advance(one, one.after(at))
    after = tuple(run.standing.values())
    return Followed(books=run.books, recurrences=after, entries=tuple(run.entries))


def next_grant_at(
    recurrence: Recurrence, subscriptions: Mapping[str, Subscription]
) -> datetime | None:
    """Give when the next lot is due by itself; None where a renewal or nothing brings it."""
    next_at = recurrence.next_at
    if not recurrence.subscription or next_at is None:
        return next_at
    subscription = subscriptions.get(recurrence.subscription)
    if subscription is None or not entitled(subscription, next_at):
        return None
    return next_at if next_at < subscription.period.end else None


def _part(period: BillingPeriod, at: datetime) -> Fraction:
    """Give the part of a period that is over, exactly, from 0 to 1."""
    whole = (period.end - period.start) // _TICK
    gone = min(max((at - period.start) // _TICK, 0), whole)
    return Fraction(gone, whole)


class _Run:
    """Work through an account's standing grants, and collect what is posted."""

    def __init__(
        self, books: Books, standing: dict[str, Recurrence], at: datetime, recorded_at: datetime
    ) -> None:
        self.books = books
        self.standing = standing
        self.entries: list[Entry] = []
        self._at = at
        self._recorded_at = recorded_at

    def _memo(self, one: Recurrence) -> Memo:
        return Memo(EntryKind.GRANT, self._at, self._recorded_at, reference=one.id)

    def end(self, subscription: Subscription, kept: frozenset[str]) -> None:
        """End what a subscription no longer includes; what is left of it goes."""
        for one in tuple(self.standing.values()):
            if one.subscription == subscription.id and one.unit not in kept:
                self._void(one, 0)
                del self.standing[one.id]

    def bring(self, subscription: Subscription, allowance: Allowance) -> None:
        """Bring one allowance into line with its subscription."""
        grant = granted(subscription, allowance)
        fresh = Recurrence(
            id=f"{subscription.id}/{allowance.meter}",
            unit=allowance.meter,
            grant=grant,
            period=_first(grant, self._at),
            subscription=subscription.id,
            product=subscription.product,
            quantity=subscription.quantity,
            on_change=allowance.on_change,
            note=f"{subscription.product} includes",
        )
        known = self.standing.get(fresh.id)
        if known is None:
            self._start(fresh, None)
        elif known.period.end <= self._at:
            moved = attrs.evolve(fresh, period=known.period, left=known.left)
            self.advance(moved, fresh.period)
        elif (known.product, known.quantity, known.grant.anchor) != (
            fresh.product,
            fresh.quantity,
            grant.anchor,
        ):
            self._start(fresh, known)

    def advance(self, recurrence: Recurrence, period: BillingPeriod) -> None:
        """Grant the lot of the next period, with what rolls over."""
        memo = self._memo(recurrence)
        self.books, moved, posted = grant_next(self.books, recurrence, period, memo)
        self.standing[moved.id] = moved
        if posted is not None:
            self.entries += posted.entries

    def _start(self, fresh: Recurrence, old: Recurrence | None) -> None:
        """Begin within a period, in place of what another plan brought for it."""
        rule, period, used = fresh.on_change, fresh.period, 0
        if old is not None:
            lot = lot_of(self.books, old)
            left = lot.free if lot else 0
            used = old.granted - left
            self._void(old, rule.kept(old.granted, left, _part(old.period, self._at)))
        elapsed = _part(period, self._at)
        units = fresh.grant.units if not elapsed else rule.brought(fresh.grant.units, used, elapsed)
        ahead = BillingPeriod(start=max(self._at, period.start), end=period.end)
        memo = self._memo(fresh)
        self.books, moved, posted = grant_next(self.books, fresh, ahead, memo, units=units)
        if old is not None and elapsed and rule is not rule.PRORATED:
            moved = attrs.evolve(moved, granted=units + min(used, fresh.grant.units))
        self.standing[moved.id] = attrs.evolve(moved, before=None)
        if posted is not None:
            self.entries += posted.entries

    def _void(self, one: Recurrence, kept: int) -> None:
        """Take back what is free in a lot but for ``kept`` units of it."""
        lot = lot_of(self.books, one)
        lost = 0 if lot is None else lot.free - kept
        if lot is None or lost <= 0:
            return
        balance = self.books.balance(lot.unit)
        done = post(
            self.books,
            balance,
            -lost,
            self._memo(one).of(EntryKind.VOID, f"{one.product or one.id} has changed"),
            insert(balance.lots, lot.left_with(lot.remaining - lost)),
            parts=((lot.number, -lost),),
            corrects=lot.number,
        )
        self.books = done.books
        self.entries.append(done.entry)


def _first(grant: RecurringGrant, at: datetime) -> BillingPeriod:
    """Give the period of a grant that contains ``at``."""
    *_, found = grant.periods(at)
    return found
