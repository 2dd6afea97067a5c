"""Ledgers: all that was posted and told of one account, and the figures that people compare.

*Owns* cost by kind, cash flow, the balance over time, and the time without service.
*Does not own* how it came about.

A cost is what usage, plans, packs and charges took from a balance, less what was given back of it.
What is paid in, promotions, and what expires are no cost; they are cash flow, or breakage.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from fractions import Fraction
from typing import Final, final

import attrs

from monochat_billing.accounts import AccountState
from monochat_billing.balance import Entry, EntryKind
from monochat_billing.events import (
    Event,
    SubscriptionCanceled,
    SubscriptionExpired,
    SubscriptionPaused,
    SubscriptionRenewed,
    SubscriptionResumed,
    SubscriptionRevived,
    SubscriptionStarted,
    SubscriptionSuspended,
)
from monochat_billing.money import DEFAULT_SCALE, Money, from_units
from monochat_billing.plans import Family

__all__ = ["Ledger", "Outage", "cost_kind"]

_MICROSECOND: Final = timedelta(microseconds=1)
_DAY: Final = timedelta(days=1) // _MICROSECOND
_COSTS: Final = frozenset(
    {
        EntryKind.PLAN_FEE,
        EntryKind.SUPPORT_FEE,
        EntryKind.ADD_ON_FEE,
        EntryKind.MESSAGE_FEE,
        EntryKind.USAGE_FEE,
        EntryKind.PACK_FEE,
        EntryKind.CHARGE,
    }
)
_PAID_IN: Final = frozenset({EntryKind.TOP_UP, EntryKind.REFUND, EntryKind.CHARGEBACK})
_BACK: Final = (SubscriptionRevived, SubscriptionStarted, SubscriptionResumed, SubscriptionRenewed)


@final
@attrs.frozen
class Outage:
    """Say that an account had no plan that served it in ``[start, end)``, and why."""

    start: datetime
    end: datetime
    why: str

    @property
    def days(self) -> Fraction:
        """Give its length in days of 24 hours, exactly."""
        return Fraction((self.end - self.start) // _MICROSECOND, _DAY)


def cost_kind(entry: Entry, corrected: Entry | None) -> EntryKind | None:
    """Name the cost that an entry adds to or gives back of; None where it is no cost."""
    if entry.kind in _COSTS:
        return entry.kind
    if entry.kind in (EntryKind.PRORATION_CREDIT, EntryKind.REVERSAL):
        if corrected is not None:
            return corrected.kind if corrected.kind in _COSTS else None
        plan = entry.kind is EntryKind.PRORATION_CREDIT
        return EntryKind.PLAN_FEE if plan else EntryKind.USAGE_FEE
    return None


@final
@attrs.frozen(kw_only=True)
class Ledger:
    """Hold the state of an account at ``until``, with every entry and event since it was opened."""

    state: AccountState = attrs.field(repr=False)
    entries: tuple[Entry, ...] = attrs.field(repr=False)
    events: tuple[Event, ...] = attrs.field(repr=False)
    until: datetime

    @property
    def account(self) -> str:
        """Give the account's id."""
        return self.state.account.id

    def since(self, at: datetime, after: int = 0) -> Iterator[tuple[Entry, EntryKind]]:
        """Yield the entries that are costs from ``at`` on, each with the kind of cost.

        Those up to the number ``after`` are left out: they were there before.
        """
        by_number = {one.number: one for one in self.entries}
        for one in self.entries:
            if one.effective_at < at or one.number <= after:
                continue
            kind = cost_kind(one, by_number.get(one.corrects or 0))
            if kind is not None:
                yield one, kind

    def costs(self, unit: str, since: datetime | None = None) -> Mapping[EntryKind, Money]:
        """Give what was taken from the balance in a currency, by kind, from ``since`` on."""
        found: defaultdict[EntryKind, int] = defaultdict(int)
        for entry, kind in self.since(since or self.state.account.opened_at):
            if entry.unit == unit:
                found[kind] -= entry.amount
        scale = self._scale(unit)
        return {kind: from_units(units, unit, scale) for kind, units in sorted(found.items())}

    def cost(self, unit: str, since: datetime | None = None, after: int = 0) -> Money:
        """Give the sum of :meth:`costs`, without the entries up to the number ``after``."""
        units = [
            -entry.amount
            for entry, _ in self.since(since or self.state.account.opened_at, after)
            if entry.unit == unit
        ]
        return from_units(sum(units), unit, self._scale(unit))

    def paid_in(self, unit: str, since: datetime | None = None, after: int = 0) -> Money:
        """Give what was paid in through gateways, less what went back, from ``since`` on.

        Entries up to the number ``after`` are left out.
        """
        start = since or self.state.account.opened_at
        units = sum(
            one.amount
            for one in self.entries
            if one.unit == unit
            and one.kind in _PAID_IN
            and one.effective_at >= start
            and one.number > after
        )
        return from_units(units, unit, self._scale(unit))

    def cash_flow(self, unit: str) -> Mapping[str, tuple[Money, Money]]:
        """Give, by month ("2027-01", in UTC), what was paid in and what was taken as cost."""
        found: defaultdict[str, list[int]] = defaultdict(lambda: [0, 0])
        for one in self.entries:
            if one.unit == unit and one.kind in _PAID_IN:
                found[f"{one.effective_at:%Y-%m}"][0] += one.amount
        for entry, _ in self.since(self.state.account.opened_at):
            if entry.unit == unit:
                found[f"{entry.effective_at:%Y-%m}"][1] -= entry.amount
        scale = self._scale(unit)
        return {
            month: (from_units(paid, unit, scale), from_units(taken, unit, scale))
            for month, (paid, taken) in sorted(found.items())
        }

    def balance(self, unit: str) -> tuple[tuple[datetime, Money], ...]:
        """Give the posted balance in a unit of money after each entry, in the order of posting."""
        return tuple(
            [(one.effective_at, one.balance_money) for one in self.entries if one.unit == unit]
        )

    def outages(self, since: datetime | None = None) -> tuple[Outage, ...]:
        """Give the spans in which the plan was suspended, paused beyond its paid end, or over.

        A plan that ended and was followed by another is no outage; a grace period is none either.
        Nothing is said of the time before the first plan.
        """
        found: list[Outage] = []
        down: tuple[datetime, str] | None = None
        plans = {one.id for one in self.state.subscriptions.values() if one.family is Family.PLAN}
        start = since or self.state.account.opened_at
        for event in sorted(self._of(plans), key=lambda one: one.at):
            if isinstance(event, _BACK):
                if down is not None and event.at > down[0]:
                    found.append(Outage(down[0], event.at, down[1]))
                down = None
            elif isinstance(event, SubscriptionSuspended):
                down = down or (event.at, "suspended")
            elif isinstance(event, SubscriptionPaused):
                down = (event.paid_until, "paused")
            elif isinstance(event, (SubscriptionCanceled, SubscriptionExpired)):
                down = down or (event.at, "ended")
        if down is not None and down[0] < self.until:
            found.append(Outage(down[0], self.until, down[1]))
        cut = [attrs.evolve(one, start=max(one.start, start)) for one in found if one.end > start]
        return tuple(cut)

    def days_without_service(self, since: datetime | None = None) -> Fraction:
        """Give the sum of the outages in days of 24 hours, exactly."""
        return sum((one.days for one in self.outages(since)), Fraction(0))

    def _of(self, subscriptions: set[str]) -> Iterator[Event]:
        for event in self.events:
            if getattr(event, "subscription", None) in subscriptions:
                yield event

    def _scale(self, unit: str) -> int:
        balance = self.state.books.balances.get(unit)
        return DEFAULT_SCALE if balance is None else balance.scale
