"""Scheduled changes: what was asked for later, when it is due, and who gives way to whom.

Owns the scheduled change's state table, its due instant, supersession, and the order of what
falls due at one instant.
Does not own what a change costs (:mod:`monochat_billing.changes`) or what is true now
(:mod:`monochat_billing.subscriptions`).

The state table, drawn from :data:`SCHEDULE_MOVES`::

    PENDING   apply → APPLIED   revoke → CANCELED   supersede → SUPERSEDED   fail → FAILED

The other four states are final.

Supersession, within one subscription's product and interval:

* *same instant*: a later request replaces the earlier one for the same instant;
* *immediate change*: a change done at once replaces everything that is pending;
* different instants coexist, and each is judged against what is in force when it is due.
"""

import enum
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Final, final

import attrs

from monochat_billing.errors import IllegalTransition, InvalidInput
from monochat_billing.money import Money
from monochat_billing.periods import BillingInterval
from monochat_billing.plans import Agreement, ChangeTiming, Family, as_timing
from monochat_billing.subscriptions import Subscription, SubscriptionState

__all__ = [
    "SCHEDULE_MOVES",
    "Due",
    "DueKind",
    "ScheduleMove",
    "ScheduleState",
    "ScheduledChange",
    "due_items",
    "superseded_by",
    "superseded_by_immediate",
]


class ScheduleState(enum.StrEnum):
    """Name what a scheduled change is now."""

    PENDING = "PENDING"
    APPLIED = "APPLIED"
    CANCELED = "CANCELED"
    SUPERSEDED = "SUPERSEDED"
    FAILED = "FAILED"


class ScheduleMove(enum.StrEnum):
    """Name what can happen to a scheduled change."""

    APPLY = "apply"
    REVOKE = "revoke"
    SUPERSEDE = "supersede"
    FAIL = "fail"


SCHEDULE_MOVES: Final[Mapping[tuple[ScheduleState, ScheduleMove], ScheduleState]] = {
    (ScheduleState.PENDING, ScheduleMove.APPLY): ScheduleState.APPLIED,
    (ScheduleState.PENDING, ScheduleMove.REVOKE): ScheduleState.CANCELED,
    (ScheduleState.PENDING, ScheduleMove.SUPERSEDE): ScheduleState.SUPERSEDED,
    (ScheduleState.PENDING, ScheduleMove.FAIL): ScheduleState.FAILED,
}
"""Every legal move; whatever is not here raises and changes nothing."""


@final
@attrs.frozen(kw_only=True)
class ScheduledChange:
    """Record a dated intention to move a subscription to another product or interval.

    With END_OF_PERIOD ``at`` is None and the change follows the period's end wherever it moves;
    with AT it is an instant. ``shown`` is the price that the account was shown, if it was: a
    dearer price at the due instant makes the change fail rather than surprise. ``outcome`` says
    in words which rule ended it.

    >>> from datetime import UTC
    >>> from monochat_billing.periods import MONTH
    >>> change = ScheduledChange(
    ...     id="c-1", account="acme", subscription="s-1", to="basic", interval=MONTH,
    ...     timing=ChangeTiming.END_OF_PERIOD, at=None,
    ...     requested_at=datetime(2026, 10, 5, tzinfo=UTC),
    ... )
    >>> revoked = change.ended(ScheduleMove.REVOKE, datetime(2026, 10, 6, tzinfo=UTC), "revoked")
    >>> revoked.state.value
    'CANCELED'
    >>> revoked.ended(ScheduleMove.APPLY, change.requested_at, "")
    Traceback (most recent call last):
    monochat_billing.errors.IllegalTransition: scheduled change 'c-1' is CANCELED and cannot ...
    """

    id: str
    account: str
    subscription: str
    to: str
    interval: BillingInterval
    timing: ChangeTiming = attrs.field(converter=as_timing)
    at: datetime | None
    requested_at: datetime
    state: ScheduleState = ScheduleState.PENDING
    shown: Money | None = None
    actor: str = ""
    decided_at: datetime | None = None
    outcome: str = ""
    agreement: Agreement | None = None

    def __attrs_post_init__(self) -> None:
        if (self.timing is ChangeTiming.AT) != (self.at is not None):
            raise InvalidInput(
                "at",
                None if self.at is None else self.at.isoformat(),
                f"does not go with timing {self.timing}",
                "pass an instant with AT and none with END_OF_PERIOD",
            )
        if self.timing is ChangeTiming.IMMEDIATE:
            raise InvalidInput(
                "timing", self.timing, "is not later", "preview and change at once instead"
            )

    @property
    def pending(self) -> bool:
        """Tell whether the change still waits for its instant."""
        return self.state is ScheduleState.PENDING

    def due_at(self, subscription: Subscription) -> datetime:
        """Give the instant at which the change falls due for ``subscription`` as it stands."""
        return self.at or subscription.period.end

    def ended(self, move: ScheduleMove, at: datetime, outcome: str) -> "ScheduledChange":
        """Return the change after ``move``.

        Raises:
            IllegalTransition: it is no longer pending.
        """
        state = SCHEDULE_MOVES.get((self.state, move))
        if state is None:
            raise IllegalTransition("scheduled change", self.id, self.state, move)
        return attrs.evolve(self, state=state, decided_at=at, outcome=outcome)


_RANK = {family: rank for rank, family in enumerate(Family)}


class DueKind(enum.IntEnum):
    """Order what falls due at one instant; a lower value is handled first."""

    HOLD_EXPIRY = 1
    LOT_EXPIRY = 2
    LOT_START = 3
    SCHEDULED_CHANGE = 6
    RENEWAL = 7


@final
@attrs.frozen(order=True)
class Due:
    """Name one thing that falls due; sorting gives the order in which things are handled.

    ``rank`` puts the plan before the support package where both renew at one instant.

    >>> from datetime import UTC
    >>> t = datetime(2026, 11, 5, tzinfo=UTC)
    >>> dues = [Due(t, kind, 0, t, kind.name) for kind in reversed(DueKind)]
    >>> [due.id for due in sorted(dues)]
    ['HOLD_EXPIRY', 'LOT_EXPIRY', 'LOT_START', 'SCHEDULED_CHANGE', 'RENEWAL']
    """

    at: datetime
    kind: DueKind
    rank: int
    requested_at: datetime
    id: str


def due_items(
    subscriptions: Iterable[Subscription], schedule: Iterable[ScheduledChange]
) -> list[Due]:
    """List what these subscriptions and pending changes have ahead, soonest first.

    A past-due subscription has no renewal ahead: a top-up revives it.
    """
    by_id = {one.id: one for one in subscriptions}
    items = [
        Due(one.period.end, DueKind.RENEWAL, _RANK[one.family], one.period.start, one.id)
        for one in by_id.values()
        if one.state is SubscriptionState.ACTIVE
    ]
    items += [
        Due(
            change.due_at(by_id[change.subscription]),
            DueKind.SCHEDULED_CHANGE,
            0,
            change.requested_at,
            change.id,
        )
        for change in schedule
        if change.pending
    ]
    return sorted(items)


def superseded_by(
    new: ScheduledChange, pending: Iterable[ScheduledChange], subscription: Subscription
) -> tuple[ScheduledChange, ...]:
    """Return the pending changes that ``new`` replaces, already marked: *same instant*."""
    return tuple(
        old.ended(ScheduleMove.SUPERSEDE, new.requested_at, f"same instant: {new.id}")
        for old in pending
        if old.pending
        and old.id != new.id
        and old.subscription == new.subscription
        and old.due_at(subscription) == new.due_at(subscription)
    )


def superseded_by_immediate(
    subscription: str, pending: Iterable[ScheduledChange], at: datetime
) -> tuple[ScheduledChange, ...]:
    """Return the pending changes that an immediate change replaces, already marked."""
    return tuple(
        old.ended(ScheduleMove.SUPERSEDE, at, "immediate change")
        for old in pending
        if old.pending and old.subscription == subscription
    )
