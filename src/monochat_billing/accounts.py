"""One account as a whole: everything that changes together, and what falls due on it.

Owns the account, its state as one value, and catch-up: applying whatever is due, in order, before
anything else happens.
Does not own any single rule: prices come from :mod:`monochat_billing.plans`, amounts from
:mod:`monochat_billing.changes`, order from :mod:`monochat_billing.scheduling`.

Effective time never runs backwards on an account: a clock that was set back is read as the latest
instant that the account has seen.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any, final

import attrs

from monochat_billing import changes
from monochat_billing.balance import Books, Entry, expire_lots, start_lots
from monochat_billing.changes import Decision
from monochat_billing.errors import InsufficientFunds, InvalidInput, UnknownName
from monochat_billing.events import (
    Event,
    HoldExpired,
    ScheduledChangeFailed,
)
from monochat_billing.holds import Hold, expire_hold
from monochat_billing.money import amount_text
from monochat_billing.payments import TopUp
from monochat_billing.plans import AnyCatalog, Family, renewal_price
from monochat_billing.postings import posting_events
from monochat_billing.profiles import BillingProfile
from monochat_billing.quotes import quote_change
from monochat_billing.rating import UsageRecord
from monochat_billing.scheduling import (
    Due,
    DueKind,
    ScheduledChange,
    ScheduleMove,
    due_items,
)
from monochat_billing.subscriptions import Subscription, SubscriptionState
from monochat_billing.watches import Watch, notice

__all__ = [
    "Account",
    "AccountState",
    "ChargedUsage",
    "Step",
    "ahead",
    "catch_up",
    "noticed",
    "require_account",
    "revive",
]


@final
@attrs.frozen(kw_only=True)
class Account:
    """Describe the paying business.

    ``zone`` is the IANA time zone in which its days begin; ``currencies`` are those of its
    balances, the first being the one it pays from unless a command names another. ``as_of`` is
    the latest instant it has seen, ``next_due_at`` the next at which something falls due by
    itself (None when nothing will), ``events`` the number of its last event, ``watches`` what it
    wants to hear of its balances.
    """

    id: str
    zone: str
    currencies: tuple[str, ...]
    opened_at: datetime
    as_of: datetime
    profile: BillingProfile | None = None
    next_due_at: datetime | None = None
    events: int = 0
    watches: tuple[Watch, ...] = ()


@final
@attrs.frozen
class ChargedUsage:
    """Record that a usage record was rated and, if it cost anything, which entry paid for it."""

    record: UsageRecord
    unit: str
    units: int
    card: str
    entry: int | None


@final
@attrs.frozen(kw_only=True)
class AccountState:
    """Hold everything of one account that a command may have to see or change.

    ``schedule``, ``holds`` and ``top_ups`` hold what is pending and what a command asked for, not
    history; ``known_usage`` holds, of the usage ids that a command asked about, those already
    recorded. ``entries`` holds those that a command asked for and all that correct them; the lots
    that they name are then among the balances' lots, spent ones too.
    """

    account: Account
    books: Books
    subscriptions: Mapping[str, Subscription] = attrs.field(factory=dict)
    schedule: Mapping[str, ScheduledChange] = attrs.field(factory=dict)
    top_ups: Mapping[str, TopUp] = attrs.field(factory=dict)
    known_usage: frozenset[str] = frozenset()
    holds: Mapping[str, Hold] = attrs.field(factory=dict)
    entries: Mapping[int, Entry] = attrs.field(factory=dict)

    def subscription(self, family: Family) -> Subscription | None:
        """Give the subscription of one product family, if there is one."""
        return next((one for one in self.subscriptions.values() if one.family is family), None)

    def next_due(self) -> Due | None:
        """Give the next thing that falls due by itself, if anything will."""
        ahead = due_items(self.subscriptions.values(), self.schedule.values())[:1]
        ahead += [
            Due(hold.expires_at, DueKind.HOLD_EXPIRY, 0, hold.placed_at, hold.id)
            for hold in self.holds.values()
            if hold.expires_at is not None and hold.open
        ]
        for balance in self.books.balances.values():
            ahead += [
                Due(lot.expires_at, DueKind.LOT_EXPIRY, 0, lot.granted_at, str(lot.number))
                for lot in balance.lots
                if lot.expires_at is not None and lot.free
            ]
            ahead += [
                Due(lot.effective_at, DueKind.LOT_START, 0, lot.granted_at, str(lot.number))
                for lot in balance.lots
                if lot.waiting and lot.effective_at is not None and lot.remaining
            ]
        return min(ahead, default=None)

    def with_books(self, books: Books) -> "AccountState":
        """Return the state with other books."""
        return AccountState(
            account=self.account,
            books=books,
            subscriptions=self.subscriptions,
            schedule=self.schedule,
            top_ups=self.top_ups,
            known_usage=self.known_usage,
            holds=self.holds,
            entries=self.entries,
        )

    def with_subscription(self, books: Books, subscription: Subscription) -> "AccountState":
        """Return the state with other books and one subscription replaced or added."""
        return attrs.evolve(
            self,
            books=books,
            subscriptions={**self.subscriptions, subscription.id: subscription},
        )

    def with_schedule(self, decided: Iterable[ScheduledChange]) -> "AccountState":
        """Return the state with scheduled changes replaced or added."""
        return attrs.evolve(
            self, schedule={**self.schedule, **{change.id: change for change in decided}}
        )

    def with_top_up(self, books: Books, top_up: TopUp) -> "AccountState":
        """Return the state with other books and one top-up replaced or added."""
        return attrs.evolve(self, books=books, top_ups={**self.top_ups, top_up.id: top_up})

    def with_hold(self, books: Books, hold: Hold) -> "AccountState":
        """Return the state with other books and one hold replaced or added."""
        return attrs.evolve(self, books=books, holds={**self.holds, hold.id: hold})

    def with_entries(self, entries: Iterable[Entry]) -> "AccountState":
        """Return the state with more entries at hand."""
        return attrs.evolve(
            self, entries={**self.entries, **{entry.number: entry for entry in entries}}
        )

    @property
    def settled(self) -> "AccountState":
        """Return the state with ``next_due_at`` derived anew, as it has to be stored."""
        due = self.next_due()
        next_due_at = due.at if due else None
        if next_due_at == self.account.next_due_at:
            return self
        return attrs.evolve(self, account=attrs.evolve(self.account, next_due_at=next_due_at))

    def seen(self, now: datetime) -> "AccountState":
        """Return the state with its latest instant moved to ``now``, never back."""
        if now <= self.account.as_of:
            return self
        return attrs.evolve(self, account=attrs.evolve(self.account, as_of=now))


@final
@attrs.frozen
class Step:
    """Return what a decision on one account leads to; nothing has been stored yet."""

    state: AccountState
    entries: tuple[Entry, ...] = ()
    events: tuple[Event, ...] = ()
    usage: tuple[ChargedUsage, ...] = ()
    result: Any = None

    def then(self, later: "Step") -> "Step":
        """Return both steps as one; the later one's state and result stand."""
        return Step(
            later.state,
            self.entries + later.entries,
            self.events + later.events,
            self.usage + later.usage,
            later.result,
        )


def catch_up(state: AccountState, catalog: AnyCatalog, now: datetime) -> Step:
    """Apply whatever is due on the account up to ``now`` (inclusive), in order.

    Entries carry the instant at which they were due as effective and ``now`` as recorded, so it
    does not matter when, how often or by whom time is made to pass. Nothing due is free.

    >>> from datetime import UTC, datetime
    >>> from monochat_billing import plan_commands
    >>> from monochat_billing.commands import open_account
    >>> from monochat_billing.periods import MONTH
    >>> from monochat_billing.plans import sample_catalog
    >>> t = datetime(2026, 10, 5, tzinfo=UTC)
    >>> opened = open_account(
    ...     account="acme", zone="UTC", currencies=["TRY"], profile=None, now=t
    ... )
    >>> catalog = sample_catalog()
    >>> step = plan_commands.subscribe(
    ...     opened.state, catalog, subscription_id="s-1", product="basic", interval=MONTH,
    ...     currency=None, actor="", now=t,
    ... )
    >>> later = catch_up(step.state.settled, catalog, datetime(2027, 1, 1, tzinfo=UTC))
    >>> [event.at.date().isoformat() for event in later.events]
    ['2026-11-05', '2026-12-05']
    """
    now = max(now, state.account.as_of)
    if state.account.next_due_at is None or state.account.next_due_at > now:
        return Step(state.seen(now))
    step = Step(state)
    for _, link in ahead(state, catalog, now):
        step = step.then(link)
    return Step(step.state.seen(now), step.entries, step.events)


def ahead(state: AccountState, catalog: AnyCatalog, until: datetime) -> Iterator[tuple[Due, Step]]:
    """Apply what falls due up to ``until`` (inclusive) one by one, and yield each with its step.

    Catch-up is the chain of these; a forecast looks at its links. Entries are recorded at
    ``until``.
    """
    while (due := state.next_due()) is not None and due.at <= until:
        step = noticed(_apply(state, due, catalog, until), due.at)
        yield due, step
        state = step.state


def noticed(step: Step, at: datetime) -> Step:
    """Add to a step the events of the thresholds that it crossed; without watches it is free."""
    account = step.state.account
    if not account.watches:
        return step
    watches, events = notice(account.watches, step.state.books, at)
    if watches is account.watches:
        return step
    state = attrs.evolve(step.state, account=attrs.evolve(account, watches=watches))
    return attrs.evolve(step, state=state, events=step.events + events)


def _apply(state: AccountState, due: Due, catalog: AnyCatalog, now: datetime) -> Step:
    if due.kind is DueKind.HOLD_EXPIRY:
        return _expire_hold(state, due, now)
    if due.kind is DueKind.LOT_EXPIRY:
        return _expire(state, due, now)
    if due.kind is DueKind.LOT_START:
        return _start(state, due, now)
    if due.kind is DueKind.RENEWAL:
        subscription = state.subscriptions[due.id]
        price = renewal_price(
            catalog,
            subscription.product,
            subscription.price,
            pinned_at=subscription.pinned_at,
            at=due.at,
            agreement=subscription.agreement,
        )
        renewed = changes.renew(state.books, subscription, recorded_at=now, price=price)
        return _decided(state, renewed)
    change = state.schedule[due.id]
    try:
        return _apply_scheduled(state, change, catalog, due.at, now)
    except (InsufficientFunds, InvalidInput) as refusal:
        return _fail_scheduled(state, change, due.at, str(refusal))


def _expire(state: AccountState, due: Due, now: datetime) -> Step:
    books, entries = expire_lots(state.books, due.at, now)
    told = posting_events(state.books, books, entries)
    return Step(state.with_books(books), tuple(entries), told)


def _start(state: AccountState, due: Due, now: datetime) -> Step:
    books, _, covered = start_lots(state.books, due.at, now)
    step = Step(state.with_books(books), tuple(covered))
    return step.then(revive(step.state, due.at, now))


def _expire_hold(state: AccountState, due: Due, now: datetime) -> Step:
    hold = state.holds[due.id]
    freed = expire_hold(state.books, hold, now)
    told = HoldExpired(account=state.account.id, at=due.at, hold=hold.id, freed=hold.left_value)
    events = (told, *posting_events(state.books, freed.books, freed.entries))
    step = Step(state.with_hold(freed.books, freed.hold), freed.entries, events)
    return step.then(revive(step.state, due.at, now))


def _decided(state: AccountState, decision: Decision) -> Step:
    return Step(
        state.with_subscription(decision.books, decision.subscription),
        decision.entries,
        decision.events,
        result=decision.subscription,
    )


def _apply_scheduled(
    state: AccountState, change: ScheduledChange, catalog: AnyCatalog, at: datetime, now: datetime
) -> Step:
    """Judge a scheduled change against what is in force when it is due."""
    subscription = state.subscriptions[change.subscription]
    quote = quote_change(
        state.books,
        subscription,
        catalog,
        quote_id=change.id,
        to=change.to,
        interval=change.interval,
        zone=state.account.zone,
        at=at,
        timing=change.timing,
        agreement=change.agreement,
    )
    if change.shown is not None and quote.to_price.amount > change.shown:
        shown = f"{amount_text(change.shown)} {quote.to_price.currency}"
        reason = f"{quote.to_price} is dearer than the {shown} that was shown"
        return _fail_scheduled(state, change, at, reason)
    if not quote.changes_anything:
        done = change.ended(ScheduleMove.APPLY, at, "nothing to change")
        return Step(state.with_schedule([done]), result=subscription)
    decision = changes.execute_change(
        state.books,
        subscription,
        catalog,
        quote,
        zone=state.account.zone,
        recorded_at=now,
        scheduled_change=change.id,
    )
    applied = change.ended(ScheduleMove.APPLY, at, quote.rule)
    return _decided(state.with_schedule([applied]), decision)


def _fail_scheduled(
    state: AccountState, change: ScheduledChange, at: datetime, reason: str
) -> Step:
    failed = change.ended(ScheduleMove.FAIL, at, reason)
    event = ScheduledChangeFailed(
        account=state.account.id,
        at=at,
        scheduled_change=change.id,
        subscription=change.subscription,
        reason=reason,
    )
    return Step(state.with_schedule([failed]), events=(event,))


def revive(state: AccountState, at: datetime, now: datetime) -> Step:
    """Pay past-due subscriptions that the balance now covers, oldest first, plan before support.

    The new period starts at ``at``; dead time is not charged. One that cannot be paid keeps the
    later ones of its currency waiting, so that a small one never overtakes.
    """
    step = Step(state)
    past_due = [
        one for one in state.subscriptions.values() if one.state is SubscriptionState.PAST_DUE
    ]
    order = list(Family)
    waiting: set[str] = set()
    for one in sorted(past_due, key=lambda due: (due.period.end, order.index(due.family))):
        if one.price.currency in waiting:
            continue
        try:
            decision = changes.revive(
                step.state.books, one, zone=state.account.zone, at=at, recorded_at=now
            )
        except InsufficientFunds:
            waiting.add(one.price.currency)
            continue
        step = step.then(_decided(step.state, decision))
    return step


def require_account(state: AccountState | None, account: str) -> AccountState:
    """Give ``state``, or refuse an account that does not exist.

    Raises:
        UnknownName: ``state`` is None.
    """
    if state is None:
        raise UnknownName("account", account, "does not exist", "open the account first")
    return state
