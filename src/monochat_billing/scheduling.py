"""Scheduled changes: what was asked for later, when it is due, and who gives way to whom.

Owns the scheduled change's state table, its actions and facets, its due instant, supersession, and
the order of what falls due at one instant.
Does not own what a change costs (:mod:`monochat_billing.changes`) or what is true now
(:mod:`monochat_billing.subscriptions`).

The state table, drawn from :data:`SCHEDULE_MOVES`::

    PENDING      apply → APPLIED   revoke → CANCELED   supersede → SUPERSEDED   fail → FAILED
    SUPERSEDED   restore → PENDING

The other three states are final. What gave way to a request comes back when that is revoked.

Supersession, within one subscription. Its facets are the product with its interval, the quantity,
and the state (pause, resume, cancel):

* *same instant*: within a facet a later request replaces the earlier one for the same instant;
* *immediate change*: what is done at once replaces everything that is pending in its facet;
* *cancel*: a cancel replaces everything at its instant or later, in every facet;
* different instants coexist, and each is judged against what is in force when it is due; other
  facets survive.

A chain of phases is a tuple of scheduled changes: one that fails cancels those after it.
"""

import enum
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Final, final

import attrs

from monochat_billing.errors import IllegalTransition, InvalidInput
from monochat_billing.money import Money
from monochat_billing.periods import BillingAnchor, BillingInterval
from monochat_billing.plans import Agreement, ChangeTiming, Family, Price, as_timing
from monochat_billing.subscriptions import Subscription, SubscriptionState

__all__ = [
    "SCHEDULE_MOVES",
    "Due",
    "DueKind",
    "Facet",
    "ScheduleAction",
    "ScheduleMove",
    "ScheduleState",
    "ScheduledChange",
    "canceled_ahead",
    "due_items",
    "phase_starts",
    "superseded_by",
    "superseded_by_immediate",
    "superseded_by_the_end",
]


class ScheduleAction(enum.StrEnum):
    """Name what a scheduled change does when it is due.

    >>> from monochat_billing.money import money
    >>> from monochat_billing.testing.workbench import Workbench
    >>> bench = Workbench()
    >>> account = bench.open("acme", money("5000", "TRY"))
    >>> one = bench.subscribe("acme", "growth")
    >>> planned = bench.billing.schedule.cancel("acme", one.id, key="k")
    >>> planned.action is ScheduleAction.CANCEL
    True
    """

    CHANGE = "CHANGE"
    """Move to another product or interval."""
    QUANTITY = "QUANTITY"
    """Hold more or fewer of it."""
    PAUSE = "PAUSE"
    RESUME = "RESUME"
    CANCEL = "CANCEL"
    SUBSCRIBE = "SUBSCRIBE"
    """Begin a subscription that is not there yet."""

    @property
    def facet(self) -> "Facet":
        """Tell which facet of a subscription the action is about."""
        return _FACETS.get(self, Facet.STATE)


class Facet(enum.StrEnum):
    """Name the parts of a subscription that requests can be about without touching each other."""

    PRODUCT = "PRODUCT"
    QUANTITY = "QUANTITY"
    STATE = "STATE"


_FACETS: Final = {
    ScheduleAction.CHANGE: Facet.PRODUCT,
    ScheduleAction.SUBSCRIBE: Facet.PRODUCT,
    ScheduleAction.QUANTITY: Facet.QUANTITY,
}


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
    RESTORE = "restore"


SCHEDULE_MOVES: Final[Mapping[tuple[ScheduleState, ScheduleMove], ScheduleState]] = {
    (ScheduleState.PENDING, ScheduleMove.APPLY): ScheduleState.APPLIED,
    (ScheduleState.PENDING, ScheduleMove.REVOKE): ScheduleState.CANCELED,
    (ScheduleState.PENDING, ScheduleMove.SUPERSEDE): ScheduleState.SUPERSEDED,
    (ScheduleState.PENDING, ScheduleMove.FAIL): ScheduleState.FAILED,
    (ScheduleState.SUPERSEDED, ScheduleMove.RESTORE): ScheduleState.PENDING,
}
"""Every legal move; whatever is not here raises and changes nothing."""


@final
@attrs.frozen(kw_only=True)
class ScheduledChange:
    """Record a dated intention: what to do with a subscription, and when.

    ``to`` and ``interval`` belong to CHANGE and SUBSCRIBE, ``quantity`` to QUANTITY and SUBSCRIBE;
    SUBSCRIBE names its ``family``, the ``currency`` it is paid in and the id that the subscription
    will have. With END_OF_PERIOD ``at`` is None and the change follows the period's end wherever
    it moves; with AT it is an instant.

    ``shown`` is the price that the account was shown, if it was: a dearer price at the due instant
    makes the change fail rather than surprise. Up to ``kept_until`` (inclusive) ``price``, which
    was quoted, is taken whatever the catalog says by then. ``outcome`` says in words which rule
    ended it, ``replaced`` which requests gave way to it. ``chain`` and ``phase`` place it in a
    chain of phases, counted from one; ``mode`` says how a CANCEL settles what was paid, and
    ``trial`` whether a SUBSCRIBE begins with one.

    >>> from datetime import UTC
    >>> from monochat_billing.periods import MONTH
    >>> change = ScheduledChange(
    ...     id="c-1", account="acme", subscription="s-1", to="basic", interval=MONTH,
    ...     timing=ChangeTiming.END_OF_PERIOD, at=None,
    ...     requested_at=datetime(2026, 10, 5, tzinfo=UTC),
    ... )
    >>> revoked = change.ended(ScheduleMove.REVOKE, datetime(2026, 10, 6, tzinfo=UTC), "revoked")
    >>> print(change, "|", revoked)
    change to basic per MONTH at the period's end: PENDING | change to basic per MONTH at ...
    >>> revoked.ended(ScheduleMove.APPLY, change.requested_at, "")
    Traceback (most recent call last):
    monochat_billing.errors.IllegalTransition: scheduled change 'c-1' is CANCELED and cannot ...
    """

    id: str
    account: str
    subscription: str
    to: str = ""
    interval: BillingInterval | None = None
    timing: ChangeTiming = attrs.field(converter=as_timing)
    at: datetime | None
    requested_at: datetime
    state: ScheduleState = ScheduleState.PENDING
    shown: Money | None = None
    actor: str = ""
    decided_at: datetime | None = None
    outcome: str = ""
    agreement: Agreement | None = None
    action: ScheduleAction = ScheduleAction.CHANGE
    quantity: int | None = None
    family: Family | None = None
    currency: str | None = None
    price: Price | None = None
    kept_until: datetime | None = None
    chain: str = ""
    phase: int = 0
    replaced: tuple[str, ...] = ()
    mode: str = ""
    trial: bool = False

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
        for field, actions in _NEEDED.items():
            if (self.action in actions) and not getattr(self, field):
                raise InvalidInput(
                    field, getattr(self, field), "is missing", f"{self.action} needs one"
                )
        if self.action is ScheduleAction.SUBSCRIBE and self.at is None:
            raise InvalidInput(
                "timing", self.timing, "has no period to end", "pass the instant of the start"
            )

    @property
    def facet(self) -> Facet:
        """Tell which facet of the subscription the change is about."""
        return self.action.facet

    @property
    def pending(self) -> bool:
        """Tell whether the change still waits for its instant."""
        return self.state is ScheduleState.PENDING

    def due_at(self, subscription: Subscription | None) -> datetime:
        """Give the instant at which the change falls due for ``subscription`` as it stands.

        Raises:
            InvalidInput: it follows the period's end, and there is no subscription.
        """
        if self.at is not None:
            return self.at
        if subscription is None:
            raise InvalidInput("subscription", None, "has no period to end", "pass an instant")
        return subscription.period.end

    def ended(self, move: ScheduleMove, at: datetime, outcome: str) -> "ScheduledChange":
        """Return the change after ``move``.

        Raises:
            IllegalTransition: the state table has no such move from where it is.
        """
        state = SCHEDULE_MOVES.get((self.state, move))
        if state is None:
            raise IllegalTransition("scheduled change", self.id, self.state, move)
        return attrs.evolve(self, state=state, decided_at=at, outcome=outcome)

    def __str__(self) -> str:
        chosen = f"{self.to} per {self.interval}"
        what = {
            ScheduleAction.CHANGE: f"change to {chosen}",
            ScheduleAction.SUBSCRIBE: f"begin {chosen}",
            ScheduleAction.QUANTITY: f"hold {self.quantity}",
        }.get(self.action, self.action.lower())
        when = "at the period's end" if self.at is None else f"at {self.at:%Y-%m-%d %H:%M}Z"
        why = f", {self.outcome}" if self.outcome else ""
        return f"{what} {when}: {self.state}{why}"

    def restored(self) -> "ScheduledChange":
        """Return the change as it was before it gave way to a request that was then revoked.

        Raises:
            IllegalTransition: it did not give way.
        """
        again = self.ended(ScheduleMove.RESTORE, self.requested_at, "")
        return attrs.evolve(again, decided_at=None)


_NEEDED: Final = {
    "to": (ScheduleAction.CHANGE, ScheduleAction.SUBSCRIBE),
    "interval": (ScheduleAction.CHANGE, ScheduleAction.SUBSCRIBE),
    "quantity": (ScheduleAction.QUANTITY,),
    "family": (ScheduleAction.SUBSCRIBE,),
}


# -------------------------------------------------------------------------------- what is due


_RANK: Final = {family: rank for rank, family in enumerate(Family)}


class DueKind(enum.IntEnum):
    """Order what falls due at one instant; a lower value is handled first.

    CANCEL_PAUSE is whatever is scheduled about a subscription's state: resuming too. GRACE_END is
    also the end of the time for which something suspended is kept. ASK_AGAIN is when an automatic
    top-up that kept quiet looks at its balance again. RECURRENCE is the next lot of what is granted
    period after period, SETTLEMENT the end of a period in which a meter was counted.
    """

    HOLD_EXPIRY = 1
    LOT_EXPIRY = 2
    LOT_START = 3
    TRIAL_END = 4
    CANCEL_PAUSE = 5
    SCHEDULED_CHANGE = 6
    RENEWAL = 7
    RETRY = 8
    GRACE_END = 9
    ASK_AGAIN = 10
    RECURRENCE = 11
    SETTLEMENT = 12


@final
@attrs.frozen(order=True)
class Due:
    """Name one thing that falls due; sorting gives the order in which things are handled.

    ``rank`` puts the plan before the support package where both renew at one instant.

    >>> from datetime import UTC
    >>> t = datetime(2026, 11, 5, tzinfo=UTC)
    >>> dues = [Due(t, kind, 0, t, kind.name) for kind in reversed(DueKind)]
    >>> [due.id for due in sorted(dues)][:4]
    ['HOLD_EXPIRY', 'LOT_EXPIRY', 'LOT_START', 'TRIAL_END']
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

    A past-due subscription has no renewal ahead: retries and the end of its grace, if its policy
    has them, and otherwise a top-up that revives it.
    """
    by_id: dict[str, Subscription] = {}
    items: list[Due] = []
    for one in subscriptions:
        by_id[one.id] = one
        if one.state is SubscriptionState.ACTIVE:  # nearly always, so without a generator
            at = one.period.end
            items.append(Due(at, DueKind.RENEWAL, _RANK[one.family], one.period.start, one.id))
        else:
            items += _dues_of(one)
    for change in schedule:
        if change.pending:
            kind = DueKind.SCHEDULED_CHANGE
            if change.facet is Facet.STATE:
                kind = DueKind.CANCEL_PAUSE
            at = change.due_at(by_id.get(change.subscription))
            items.append(Due(at, kind, 0, change.requested_at, change.id))
    return sorted(items)


def _dues_of(one: Subscription) -> Iterator[Due]:
    rank = _RANK[one.family]
    since = one.period.start
    state = one.state
    if state is SubscriptionState.TRIALING:
        yield Due(one.trial_ends_at or one.period.end, DueKind.TRIAL_END, rank, since, one.id)
    elif state is SubscriptionState.PAST_DUE and one.dunning is not None:
        if one.dunning.retry_at is not None:
            yield Due(one.dunning.retry_at, DueKind.RETRY, rank, since, one.id)
        if one.dunning.ends_at is not None:
            yield Due(one.dunning.ends_at, DueKind.GRACE_END, rank, since, one.id)
    elif state is SubscriptionState.SUSPENDED and one.dunning is not None:
        suspended_at = one.suspended_at or one.dunning.since
        given_up_at = one.dunning.given_up_at(suspended_at, one.anchor.zone)
        if given_up_at is not None:
            yield Due(given_up_at, DueKind.GRACE_END, rank, since, one.id)


# ------------------------------------------------------------------------------ who gives way


def superseded_by(
    new: ScheduledChange, pending: Iterable[ScheduledChange], subscription: Subscription | None
) -> tuple[ScheduledChange, ...]:
    """Return the pending changes that ``new`` replaces, already marked.

    *Same instant*: those of its facet that are due when it is. *Cancel*: those that are due when a
    cancel is, or later. A start replaces a start of the same family, for an add-on of the same
    product, at the same instant.
    """
    due_at = new.due_at(subscription)
    gone = []
    for old in pending:
        if not old.pending or old.id == new.id:
            continue
        if new.action is ScheduleAction.SUBSCRIBE:
            if _same_start(old, new):
                gone.append(_superseded(old, new, "same instant"))
        elif old.subscription == new.subscription:
            old_due_at = old.due_at(subscription)
            if old.facet is new.facet and old_due_at == due_at:
                gone.append(_superseded(old, new, "same instant"))
            elif new.action is ScheduleAction.CANCEL and old_due_at >= due_at:
                gone.append(_superseded(old, new, "cancel"))
    return tuple(gone)


def _same_start(old: ScheduledChange, new: ScheduledChange) -> bool:
    if old.action is not ScheduleAction.SUBSCRIBE or (old.family, old.at) != (new.family, new.at):
        return False
    return new.family is not Family.ADD_ON or old.to == new.to


def _superseded(old: ScheduledChange, new: ScheduledChange, rule: str) -> ScheduledChange:
    return old.ended(ScheduleMove.SUPERSEDE, new.requested_at, f"{rule}: {new.id}")


def superseded_by_immediate(
    subscription: str,
    pending: Iterable[ScheduledChange],
    at: datetime,
    facet: Facet = Facet.PRODUCT,
) -> tuple[ScheduledChange, ...]:
    """Return the pending changes that a change done at once replaces, already marked.

    They are those of its facet; the others survive.
    """
    return tuple(
        old.ended(ScheduleMove.SUPERSEDE, at, "immediate change")
        for old in pending
        if old.pending and old.subscription == subscription and old.facet is facet
    )


def superseded_by_the_end(
    subscription: str, pending: Iterable[ScheduledChange], at: datetime, rule: str = "cancel"
) -> tuple[ScheduledChange, ...]:
    """Return everything that is pending for a subscription that has ended, already marked."""
    return tuple(
        old.ended(ScheduleMove.SUPERSEDE, at, rule)
        for old in pending
        if old.pending and old.subscription == subscription
    )


def canceled_ahead(
    at: datetime, pending: Iterable[ScheduledChange], subscription: Subscription
) -> ScheduledChange | None:
    """Give the pending cancel that comes before ``at`` or at it, if there is one.

    Nothing can be planned behind it: it would never happen.
    """
    for one in pending:
        ends = one.pending and one.action is ScheduleAction.CANCEL
        if ends and one.subscription == subscription.id and one.due_at(subscription) <= at:
            return one
    return None


# ------------------------------------------------------------------------------------- phases


def phase_starts(
    start: BillingAnchor, durations: Sequence[BillingInterval | None]
) -> tuple[datetime, ...]:
    """Give the instant at which each phase of a chain begins, the first at ``start``.

    Each is counted from the start and never from the phase before: 31 January, 28 February, 31
    March. Months are added before days. Only the last phase may be without a duration.

    Raises:
        InvalidInput: there is no phase, or one before the last has no duration.

    >>> from monochat_billing.periods import MONTH
    >>> start = BillingAnchor(year=2027, month=1, day=31, zone="UTC")
    >>> [at.date().isoformat() for at in phase_starts(start, [MONTH, MONTH, None])]
    ['2027-01-31', '2027-02-28', '2027-03-31']
    """
    if not durations:
        raise InvalidInput("phases", (), "is empty", "name at least one phase")
    starts = [start.instant]
    months = days = 0
    for place, length in enumerate(durations[:-1]):
        if length is None:
            raise InvalidInput(
                f"phases[{place}].duration", None, "is missing", "only the last may go on"
            )
        months, days = months + length.months, days + length.days
        moved = start
        if months:
            moved = moved.moved(BillingInterval(count=months, unit="MONTH"), 1)
        starts.append(
            moved.bound(BillingInterval(count=days, unit="DAY"), 1) if days else moved.instant
        )
    return tuple(starts)
