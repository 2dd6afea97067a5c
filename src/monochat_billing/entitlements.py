"""Entitlements: what an account may use follows what it subscribes to and how time passes.

Owns the steps that grant allowances and standing promotions, note what expires of them, and settle
counters at their period's end.
Does not own the rules: those are :mod:`monochat_billing.allowances` and
:mod:`monochat_billing.metering`.
"""

from datetime import datetime
from typing import Final

import attrs

from monochat_billing.account_state import AccountState, Step
from monochat_billing.allowances import Followed, follow, run_on
from monochat_billing.balance import EntryKind, Memo
from monochat_billing.counters import Counter
from monochat_billing.errors import InvalidInput, UnknownName
from monochat_billing.events import Event, UsageCharged, UsageUnpriced
from monochat_billing.meter_rates import MeterTerms
from monochat_billing.metering import MeterScene, settle_counter
from monochat_billing.money import from_units
from monochat_billing.plans import AnyCatalog
from monochat_billing.postings import posting_events
from monochat_billing.recurrences import note_expired
from monochat_billing.scheduling import Due, DueKind

__all__ = ["ENTITLED_DUES", "do_due", "followed", "scene_of", "with_noted", "with_scene"]

ENTITLED_DUES: Final = frozenset({DueKind.RECURRENCE, DueKind.SETTLEMENT})
"""What falls due that this module does."""


def followed(
    before: AccountState | None, step: Step, catalog: AnyCatalog, at: datetime, now: datetime
) -> Step:
    """Add to a step the units that follow from it; without a change of subscriptions it is free."""
    state = step.state
    if before is not None and before.subscriptions is state.subscriptions:
        return step
    if not state.subscriptions:
        return step
    done = follow(
        state.books,
        state.account.recurrences,
        state.subscriptions.values(),
        catalog,
        at=at,
        recorded_at=now,
    )
    return _with(step, done)


def with_noted(state: AccountState, at: datetime) -> AccountState:
    """Note what is left in lots that expire at ``at``, just before they do."""
    account = state.account
    if not account.recurrences:
        return state
    noted = note_expired(account.recurrences, state.books, at)
    if noted == account.recurrences:
        return state
    return attrs.evolve(state, account=attrs.evolve(account, recurrences=noted))


def do_due(state: AccountState, due: Due, catalog: AnyCatalog, now: datetime) -> Step:
    """Grant what recurs, or settle the counter whose period has ended."""
    if due.kind is DueKind.SETTLEMENT:
        return _settle(state, due, catalog, now)
    step = _with(Step(state), run_on(state.books, state.account.recurrences, due.at, now))
    return followed(None, step, catalog, due.at, now)


def scene_of(state: AccountState, catalog: AnyCatalog) -> MeterScene:
    """Give what recording usage may have to see or change of an account."""
    metered = state.metered
    if state.account.counters:
        own = {one.id: one for one in state.account.counters}
        metered = attrs.evolve(metered, counters={**metered.counters, **own})
    return MeterScene(
        books=state.books,
        metered=metered,
        recurrences=state.account.recurrences,
        terms=MeterTerms(
            subscriptions=tuple(state.subscriptions.values()),
            catalog=catalog,
            zone=state.account.zone,
            currency=state.account.currencies[0],
            country=state.country,
        ),
    )


def with_scene(state: AccountState, scene: MeterScene) -> AccountState:
    """Return the state after usage was recorded."""
    account, counters = state.account, scene.metered.counters
    waiting = tuple([one for one in counters.values() if one.closes_at is not None])
    if scene.recurrences is not account.recurrences or waiting != account.counters:
        account = attrs.evolve(account, recurrences=scene.recurrences, counters=waiting)
    others = {key: one for key, one in counters.items() if one.closes_at is None}
    metered = attrs.evolve(scene.metered, counters=others)
    return attrs.evolve(state, account=account, books=scene.books, metered=metered)


def _settle(state: AccountState, due: Due, catalog: AnyCatalog, now: datetime) -> Step:
    counter = next(one for one in state.account.counters if one.id == due.id)
    memo = Memo(EntryKind.USAGE_FEE, due.at, now)
    try:
        done = settle_counter(scene_of(state, catalog), due.id, memo)
    except (InvalidInput, UnknownName) as problem:
        return _unpriced(state, counter, due, problem)
    events: tuple[Event, ...] = posting_events(state.books, done.scene.books, done.entries)
    fees = [one for one in done.entries if one.kind is EntryKind.USAGE_FEE]
    if fees:
        spent = -sum(one.amount for one in fees)
        told = UsageCharged(
            account=state.account.id,
            at=due.at,
            first_entry=fees[0].number,
            last_entry=fees[-1].number,
            records=counter.records,
            amount=from_units(spent, fees[0].unit, fees[0].scale),
        )
        events = (told, *events)
    return Step(with_scene(state, done.scene), done.entries, events)


def _unpriced(
    state: AccountState, counter: Counter, due: Due, problem: InvalidInput | UnknownName
) -> Step:
    """Close a counter that nothing prices any more: an account must not stand still for it."""
    closed = attrs.evolve(counter, closes_at=None, closed=True)
    others = tuple([one for one in state.account.counters if one is not counter])
    told = UsageUnpriced(
        account=state.account.id,
        at=due.at,
        meter=counter.meter,
        counter=counter.id,
        records=counter.records,
        problem=str(problem),
    )
    after = attrs.evolve(
        state,
        account=attrs.evolve(state.account, counters=others),
        metered=state.metered.with_counter(closed),
    )
    return Step(after, events=(told,))


def _with(step: Step, done: Followed) -> Step:
    state = step.state
    if done.books is state.books and done.recurrences is state.account.recurrences:
        return step
    account = attrs.evolve(state.account, recurrences=done.recurrences)
    told = posting_events(state.books, done.books, done.entries)
    after = attrs.evolve(state, account=account, books=done.books)
    return attrs.evolve(
        step, state=after, entries=step.entries + done.entries, events=step.events + told
    )
