"""Endings of scheduled changes: taken back, replaced, or given way to another request.

*Owns* revoking, which lets come back what had given way, replacing, and how an ending is told.
*Does not own* planning (:mod:`monochat_billing.schedule_commands`) or the rules of supersession
(:mod:`monochat_billing.scheduling`).
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime

import attrs

from monochat_billing.accounts import AccountState, Step
from monochat_billing.errors import UnknownName
from monochat_billing.events import ChangeRestored, ChangeRevoked, ChangeSuperseded, Event
from monochat_billing.scheduling import (
    ScheduleAction,
    ScheduledChange,
    ScheduleMove,
    ScheduleState,
    superseded_by,
)

__all__ = [
    "known_change",
    "replace_change",
    "revoke_chain",
    "revoke_change",
    "superseded_events",
]


def superseded_events(gone: Iterable[ScheduledChange], at: datetime) -> tuple[Event, ...]:
    """Tell of each change that it gave way, and by which rule."""
    return tuple(
        ChangeSuperseded(
            account=change.account,
            at=at,
            scheduled_change=change.id,
            subscription=change.subscription,
            rule=change.outcome,
        )
        for change in gone
    )


def revoke_change(state: AccountState, schedule_id: str, now: datetime) -> Step:
    """Take back a scheduled change that is still pending, as if it had never been asked for.

    What gave way to it is pending again.

    Raises:
        IllegalTransition: it is no longer pending.
        UnknownName: the account has no such scheduled change.
    """
    return _revoked(state, [known_change(state, schedule_id)], now)


def revoke_chain(state: AccountState, chain_id: str, now: datetime) -> Step:
    """Take back all phases of a chain that are still pending; the result is their tuple.

    Raises:
        UnknownName: nothing of such a chain is pending.
    """
    phases = [one for one in state.schedule.values() if one.chain == chain_id and one.pending]
    if not phases:
        raise UnknownName("chain", chain_id, "has nothing pending", "list the scheduled changes")
    step = _revoked(state, phases, now)
    return attrs.evolve(step, result=tuple(step.state.schedule[one.id] for one in phases))


def known_change(state: AccountState, schedule_id: str) -> ScheduledChange:
    """Give a scheduled change of the account.

    Raises:
        UnknownName: the account has no such scheduled change.
    """
    change = state.schedule.get(schedule_id)
    if change is None:
        raise UnknownName(
            "scheduled_change", schedule_id, "does not exist", "list the scheduled changes"
        )
    return change


def _revoked(state: AccountState, changes: Sequence[ScheduledChange], now: datetime) -> Step:
    events: list[Event] = []
    after = dict(state.schedule)
    for change in changes:
        after[change.id] = change.ended(ScheduleMove.REVOKE, now, "revoked")
        events.append(
            ChangeRevoked(
                account=state.account.id,
                at=now,
                scheduled_change=change.id,
                subscription=change.subscription,
                rule="revoked",
            )
        )
        for name in change.replaced:
            old = after.get(name)
            if old is None or not _comes_back(state, old, after.values(), now):
                continue
            after[name] = old.restored()
            events.append(
                ChangeRestored(
                    account=state.account.id,
                    at=now,
                    scheduled_change=name,
                    subscription=old.subscription,
                )
            )
    decided = [one for name, one in after.items() if one is not state.schedule.get(name)]
    result = after[changes[0].id]
    return Step(state.with_schedule(decided), events=tuple(events), result=result)


def _comes_back(
    state: AccountState, old: ScheduledChange, others: Iterable[ScheduledChange], now: datetime
) -> bool:
    """Tell whether what gave way can still happen, and nothing since has taken its place."""
    if old.state is not ScheduleState.SUPERSEDED:
        return False
    again = old.restored()
    held = state.subscriptions.get(old.subscription)
    if held is None and old.action is not ScheduleAction.SUBSCRIBE:
        return False
    if held is not None and not held.live:
        return False
    if again.due_at(held) <= now:
        return False
    return not any(superseded_by(other, [again], held) for other in others if other.pending)


def replace_change(
    state: AccountState, schedule_id: str, plan: Callable[[AccountState], Step], now: datetime
) -> Step:
    """Plan something in the place of what is pending: both happen, or neither does.

    Raises:
        IllegalTransition: it is no longer pending.
        UnknownName: the account has no such scheduled change.
    """
    old = known_change(state, schedule_id)
    away = old.ended(ScheduleMove.SUPERSEDE, now, "replaced")
    step = plan(state.with_schedule([away]))
    new: ScheduledChange = step.result
    gone = attrs.evolve(away, outcome=f"replaced: {new.id}")
    new = attrs.evolve(new, replaced=(old.id, *new.replaced))
    events = (*superseded_events([gone], now), *step.events)
    return attrs.evolve(
        step, state=step.state.with_schedule([gone, new]), events=events, result=new
    )
