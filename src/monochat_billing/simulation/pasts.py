"""Pasts: what was asked of an account, as steps that can be asked again.

*Owns* reading them from what the account keeps: entries, events, usage and its schedule.
*Does not own* asking again (``replays``), or anything that follows by itself: renewals, grants,
dunning and scheduled changes happen anew.

What is no step of a scenario, such as a hold, a refund or a correction by hand, is left out, and
:attr:`Past.left_out` counts it by name. What was refused left no trace and is not asked again; a
change that was revoked is as if it had not been asked for. The sum of a hold that was captured, or
of messages that were sent, is asked for as a charge; a hold that is open took nothing. What came in
comes in again, a credit by the terms of its lot.

>>> from datetime import UTC
>>> from monochat_billing import MONTH, money, sample_catalog
>>> from monochat_billing.adapters.memory import MemoryStorage
>>> at = datetime(2027, 1, 1, tzinfo=UTC)
>>> billing = Billing(catalog=sample_catalog(), storage=MemoryStorage(), clock=lambda: at)
>>> account = billing.accounts.open("acme", zone="UTC", currencies=["TRY"])
>>> paid = billing.balances.credit("acme", money("5000", "TRY"), reason="opening", key="o")
>>> plan = billing.subscriptions.subscribe("acme", "growth", MONTH, key="s")
>>> for step in Past.of(billing, "acme").steps:
...     print(step)
2027-01-01 00:00Z acme: opening: 5000 TRY
2027-01-01 00:00Z acme: subscribe to growth, MONTH
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, final

import attrs

from monochat_billing.accounts import ChargedUsage
from monochat_billing.balance import Entry, EntryKind, Terms
from monochat_billing.cancellations import CancelMode
from monochat_billing.checkpoints import checkpoint_of
from monochat_billing.counters import MeteredUsage
from monochat_billing.events import (
    Event,
    PackBought,
    PlanChanged,
    SubscriptionCanceled,
    SubscriptionPaused,
    SubscriptionResumed,
    SubscriptionStarted,
)
from monochat_billing.instants import utc
from monochat_billing.lots import Lot
from monochat_billing.periods import BillingInterval
from monochat_billing.plans import AnyCatalog, ChangeTiming
from monochat_billing.rating import RateCards
from monochat_billing.repositories import Changes
from monochat_billing.scheduling import ScheduleAction, ScheduledChange, ScheduleState
from monochat_billing.service import Billing
from monochat_billing.simulation.actions import (
    Action,
    BuyPack,
    Cancel,
    Change,
    Charge,
    Credit,
    Pause,
    Resume,
    ScheduleChange,
    Subscribe,
    TopUp,
    Use,
)
from monochat_billing.simulation.forks import everything_of
from monochat_billing.simulation.scenarios import Scenario, SimulatedAccount, Step
from monochat_billing.subscriptions import Subscription
from monochat_billing.texts import check_identity

__all__ = ["Past"]

_CHARGED: Final = frozenset({EntryKind.CHARGE, EntryKind.MESSAGE_FEE})
_FOLLOWS: Final = frozenset(
    {
        EntryKind.PLAN_FEE,
        EntryKind.SUPPORT_FEE,
        EntryKind.ADD_ON_FEE,
        EntryKind.USAGE_FEE,
        EntryKind.PACK_FEE,
        EntryKind.PRORATION_CREDIT,
        EntryKind.BREAKAGE,
        EntryKind.COVERAGE,
    }
)
"""What happens anew by itself, or with its step."""


def _steps(value: Iterable[Step]) -> tuple[Step, ...]:
    return tuple(value)


@final
@attrs.frozen(kw_only=True)
class Past:
    """Hold what was asked of an account from its opening to ``until``, in the order of asking.

    ``left_out`` counts by name what cannot be asked again.
    """

    account: SimulatedAccount
    since: datetime
    until: datetime
    steps: tuple[Step, ...] = attrs.field(converter=_steps, repr=False)
    left_out: Mapping[str, int] = attrs.field(factory=dict)

    @classmethod
    def of(cls, billing: Billing, account: str) -> "Past":
        """Read an account's past up to now, from whatever storage the service has.

        Raises:
            UnknownName: there is no such account.
            InvalidInput: its oldest entries are archived, so that its past is not whole.
        """
        context = billing.context
        check_identity(account, "account")
        kept, mark = context.storage.read(
            lambda reader: (everything_of(reader, account), checkpoint_of(reader, account))
        )
        if mark is not None:
            raise mark.refused("since", 0)
        return _read(kept, context.now())

    def scenario(self, catalog: AnyCatalog, rates: RateCards | None = None) -> Scenario:
        """Give the past as a scenario under a catalog.

        Raises:
            UnknownName: the catalog does not know what was asked for.
            InvalidInput: a step cannot be right under it.
        """
        return Scenario(
            catalog=catalog,
            rates=rates,
            start=self.since,
            end=max(self.until, self.since + timedelta.resolution),
            accounts=[self.account],
            steps=self.steps,
        )


def _read(kept: Changes, until: datetime) -> Past:
    state = kept.after
    lots = {lot.number: lot for one in state.books.balances.values() for lot in one.lots}
    planned = frozenset(
        one.subscription
        for one in state.schedule.values()
        if one.action is ScheduleAction.SUBSCRIBE
    )
    left_out: Counter[str] = Counter()
    asked: list[_Asked] = [
        *_money(kept.entries, lots, kept.usage, state.account.currencies, left_out),
        *_scheduled(state.schedule.values(), state.subscriptions, left_out),
        *_acts([one.event for one in kept.events], planned),
        *_usage(kept.entries, kept.usage, state.metered.records.values()),
    ]
    account = SimulatedAccount(
        id=state.account.id, zone=state.account.zone, currencies=state.account.currencies
    )
    if state.account.profile is not None:
        account = attrs.evolve(account, profile=state.account.profile)
    return Past(
        account=account,
        since=state.account.opened_at,
        until=utc(until, field="until"),
        steps=[
            Step(at, account.id, action)
            for at, _, action in sorted(asked, key=lambda one: (one[0], one[1]))
        ],
        left_out=dict(left_out),
    )


_Asked = tuple[datetime, int, Action]
"""When it was asked, in which order at one instant, and what."""

_FUNDS, _ACTS, _CHARGES, _USES = range(4)


def _money(
    entries: Iterable[Entry],
    lots: Mapping[int, Lot],
    usage: Iterable[ChargedUsage],
    currencies: Sequence[str],
    left_out: Counter[str],
) -> Iterator[_Asked]:
    """Give what came in and what was charged; the rest follows, or cannot be asked again."""
    rated = {one.entry for one in usage}
    for one in entries:
        if one.unit not in currencies or one.kind in _FOLLOWS or one.number in rated:
            continue
        if one.kind is EntryKind.TOP_UP and not one.corrects:
            yield one.recorded_at, _FUNDS, TopUp(one.money)
        elif one.kind is EntryKind.GRANT and not one.corrects:
            terms = _terms(lots[one.number])
            yield one.recorded_at, _FUNDS, Credit(one.money, one.reason or one.kind.value, terms)
        elif one.kind in _CHARGED and one.amount < 0 and not one.corrects:
            yield one.recorded_at, _CHARGES, Charge(-one.money, one.reason or one.kind.value)
        else:
            left_out[one.kind.value] += 1


def _terms(lot: Lot) -> Terms:
    return Terms(
        origin=lot.origin,
        pays_for=lot.pays_for,
        expires_at=lot.expires_at,
        priority=lot.priority,
        effective_at=lot.effective_at,
    )


def _scheduled(
    schedule: Iterable[ScheduledChange],
    subscriptions: Mapping[str, Subscription],
    left_out: Counter[str],
) -> Iterator[_Asked]:
    """Give what was planned, but for what was taken back."""
    for one in schedule:
        if one.state is ScheduleState.CANCELED:
            continue
        if one.action is ScheduleAction.CHANGE and not one.chain:
            yield one.requested_at, _ACTS, ScheduleChange(one.to, one.interval, one.at)
        elif one.action is ScheduleAction.CANCEL and one.mode in ("", CancelMode.NOTHING):
            history = subscriptions[one.subscription].history
            held = [line.product for line in history if line.start <= one.requested_at]
            yield one.requested_at, _ACTS, Cancel(held[-1], on=one.at)
        else:
            left_out[f"planned {one.action.value}"] += 1


def _acts(events: Iterable[Event], planned: frozenset[str]) -> Iterator[_Asked]:
    """Give what was asked for at once; ``planned`` are subscriptions that a schedule began."""
    for one in events:
        action = None if getattr(one, "scheduled_change", None) else _act(one)
        if action is not None and getattr(one, "subscription", None) not in planned:
            yield one.at, _ACTS, action


def _act(one: Event) -> Action | None:
    found: Action | None = None
    match one:
        case SubscriptionStarted():
            found = Subscribe(
                one.product,
                BillingInterval.parse(one.interval),
                one.amount.currency.code,
                one.quantity,
                one.trial_ends_at is not None,
            )
        case PlanChanged():
            found = _change(one)
        case SubscriptionCanceled():
            found = Cancel(one.product, CancelMode(one.mode))
        case SubscriptionPaused():
            found = Pause(one.product)
        case SubscriptionResumed():
            found = Resume(one.product)
        case PackBought():
            found = BuyPack(one.pack, one.quantity, one.amount.currency.code)
        case _:
            pass
    return found


def _change(one: PlanChanged) -> Change:
    moved, often = one.product != one.from_product, one.interval != one.from_interval
    return Change(
        one.product if moved else None,
        BillingInterval.parse(one.interval) if often else None,
        ChangeTiming.IMMEDIATE,
        None if moved else one.from_product,
        one.quantity if one.quantity != one.from_quantity else None,
    )


def _usage(
    entries: Iterable[Entry], usage: Iterable[ChargedUsage], metered: Iterable[MeteredUsage]
) -> Iterator[_Asked]:
    """Give records as they came, those of one instant and kind together."""
    recorded = {one.number: one.recorded_at for one in entries}
    batches: dict[tuple[datetime, bool], list[Any]] = {}
    for rated in usage:
        at = recorded.get(rated.entry or 0, rated.record.occurred_at)
        batches.setdefault((at, True), []).append(rated.record)
    for one in metered:
        if not one.replaced_by:
            record = attrs.evolve(one.record, replaces="")
            batches.setdefault((one.recorded_at, False), []).append(record)
    for (at, _), records in batches.items():
        yield at, _USES, Use(records)
