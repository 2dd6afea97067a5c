"""The state of one account: everything that changes together, as one value.

Owns the account, its state, what is due on it next, and the step that a decision returns.
Does not own what happens to it: :mod:`monochat_billing.accounts` lets time pass, commands ask.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any, Final, final

import attrs

from monochat_billing.allowances import next_grant_at
from monochat_billing.auto_top_ups import AutomaticTopUp, ask
from monochat_billing.balance import Books, Entry
from monochat_billing.counters import NOTHING_METERED, Counter, Metered
from monochat_billing.errors import UnknownName
from monochat_billing.events import Event
from monochat_billing.holds import Hold
from monochat_billing.makers import maker_of
from monochat_billing.messages import NO_TRAFFIC, Traffic
from monochat_billing.payments import TopUp
from monochat_billing.plans import Family, Product
from monochat_billing.profiles import BillingProfile
from monochat_billing.rating import UsageRecord
from monochat_billing.recurrences import Recurrence
from monochat_billing.scheduling import Due, DueKind, ScheduledChange, due_items
from monochat_billing.subscriptions import Subscription
from monochat_billing.texts import one_of
from monochat_billing.watches import Watch, notice

__all__ = [
    "Account",
    "AccountState",
    "ChargedUsage",
    "Step",
    "make_account",
    "make_state",
    "make_step",
    "noticed",
    "require_account",
]


@final
@attrs.frozen
class Account:
    """Describe the paying business.

    ``zone`` is the IANA time zone in which its days begin; ``currencies`` are those of its
    balances, the first being the one it pays from unless a command names another. ``as_of`` is
    the latest instant it has seen, ``next_due_at`` the next at which something falls due by
    itself (None when nothing will), ``events`` the number of its last event, ``watches`` what it
    wants to hear of its balances, ``automatic`` when they are to be topped up, ``recurrences`` what
    is granted to it period after period, ``counters`` what is settled at a period's end.

    >>> from monochat_billing.money import money
    >>> from monochat_billing.testing.workbench import Workbench
    >>> bench = Workbench()
    >>> account = bench.open("acme", money("5000", "TRY"))
    >>> print(account)
    acme: TRY in Europe/Istanbul
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
    automatic: tuple[AutomaticTopUp, ...] = ()
    recurrences: tuple[Recurrence, ...] = ()
    counters: tuple[Counter, ...] = ()

    def __str__(self) -> str:
        return f"{self.id}: {', '.join(self.currencies)} in {self.zone}"

    # Every command and every due item moves these three; `attrs.evolve` takes four times as long.
    def moved(self, as_of: datetime, next_due_at: datetime | None, events: int) -> "Account":
        """Return the account having seen ``as_of``, told ``events``, and next due then."""
        return make_account(
            self.id,
            self.zone,
            self.currencies,
            self.opened_at,
            as_of,
            self.profile,
            next_due_at,
            events,
            self.watches,
            self.automatic,
            self.recurrences,
            self.counters,
        )


make_account: Final = maker_of(Account)
"""Build an account, quickly."""


@final
@attrs.frozen
class ChargedUsage:
    """Record that a usage record was rated and, if it cost anything, which entry paid for it."""

    record: UsageRecord
    unit: str
    units: int
    card: str
    entry: int | None

    def __str__(self) -> str:
        paid = f"entry {self.entry}" if self.entry else "free"
        return f"{self.record.id}: {self.record.meter} to {self.record.market}, {paid}"


@final
@attrs.frozen
class AccountState:
    """Hold everything of one account that a command may have to see or change.

    ``schedule``, ``holds`` and ``top_ups`` hold what is pending and what a command asked for, not
    history; ``known_usage`` holds, of the usage ids that a command asked about, those already
    recorded. ``entries`` holds those that a command asked for and all that correct them; the lots
    that they name are then among the balances' lots, spent ones too. ``traffic`` holds the
    messages and tallies that a command asked for.
    """

    account: Account
    books: Books
    subscriptions: Mapping[str, Subscription] = attrs.field(factory=dict)
    schedule: Mapping[str, ScheduledChange] = attrs.field(factory=dict)
    top_ups: Mapping[str, TopUp] = attrs.field(factory=dict)
    known_usage: frozenset[str] = frozenset()
    holds: Mapping[str, Hold] = attrs.field(factory=dict)
    entries: Mapping[int, Entry] = attrs.field(factory=dict)
    traffic: Traffic = NO_TRAFFIC
    metered: Metered = NOTHING_METERED

    @property
    def country(self) -> str:
        """Give the country of the buyer's address, for tax; empty while it is not known."""
        profile = self.account.profile
        return "" if profile is None else profile.address.country

    def subscription(self, family: Family) -> Subscription | None:
        """Give the subscription of one product family that has not ended, if there is one.

        Of add-ons there may be several; this is the first.
        """
        return next(
            (one for one in self.subscriptions.values() if one.family is family and one.live), None
        )

    def in_the_way(self, product: Product) -> Subscription | None:
        """Give what keeps the account from subscribing to a product, if anything does.

        There is one subscription for each ladder, and one for each add-on product.
        """
        if product.family.ladder:
            return self.subscription(product.family)
        held = (one for one in self.subscriptions.values() if one.live)
        return next((one for one in held if one.product == product.id), None)

    def has_had(self, product: str) -> bool:
        """Tell whether the account has ever held a product, as far as the state remembers."""
        return any(
            line.product == product
            for subscription in self.subscriptions.values()
            for line in subscription.history
        )

    def held(self, name: str) -> Subscription:
        """Give the subscription with this id, or the one that holds this product.

        What has ended is not held any more, also where the state still has it: because it ended
        just before, or because another command asked for what is history. So the answer does not
        depend on when time was made to pass.

        Raises:
            UnknownName: the account has none that is live, or holds several of that product.
        """
        live = [one for one in self.subscriptions.values() if one.live]
        holding = [one for one in live if one.id == name]
        holding = holding or [one for one in live if one.product == name]
        if len(holding) == 1:
            return holding[0]
        names = [f"{one.id} ({one.product})" for one in holding or live]
        raise UnknownName(
            "subscription",
            name,
            "is held more than once" if holding else f"is not held by {self.account.id!r}",
            one_of(names, "subscribe first"),
        )

    def next_due(self) -> Due | None:
        """Give the next thing that falls due by itself, if anything will."""
        return min(self._ahead(), default=None)

    def _next_due_at(self) -> datetime | None:
        """Give when it does, which asks for no order among what falls due at one instant."""
        return min([due.at for due in self._ahead()], default=None)

    def _ahead(self) -> list[Due]:
        """List what may be next; of subscriptions and what is planned, the soonest alone."""
        found = due_items(self.subscriptions.values(), self.schedule.values())[:1]
        for hold in self.holds.values():
            if hold.expires_at is not None and hold.open:
                found.append(Due(hold.expires_at, DueKind.HOLD_EXPIRY, 0, hold.placed_at, hold.id))
        for balance in self.books.balances.values():
            for lot in balance.lots:
                if lot.expires_at is not None and lot.free:
                    kind, at = DueKind.LOT_EXPIRY, lot.expires_at
                    found.append(Due(at, kind, 0, lot.granted_at, str(lot.number)))
                if lot.waiting and lot.effective_at is not None and lot.remaining:
                    kind, at = DueKind.LOT_START, lot.effective_at
                    found.append(Due(at, kind, 0, lot.granted_at, str(lot.number)))
        account = self.account
        if account.automatic or account.recurrences or account.counters:
            found += self._asked_ahead()
        return found

    def _asked_ahead(self) -> Iterator[Due]:
        """Give what falls due by what is kept with the account itself."""
        for rule in self.account.automatic:
            if rule.asks_from is not None:
                yield Due(rule.asks_from, DueKind.ASK_AGAIN, 0, rule.asks_from, rule.name)
        for grant in self.account.recurrences:
            at = next_grant_at(grant, self.subscriptions)
            if at is not None:
                yield Due(at, DueKind.RECURRENCE, 0, grant.period.start, grant.id)
        for counter in self.account.counters:
            if counter.closes_at is not None:
                at = counter.closes_at
                rank = int(counter.is_minimum)  # it sums up the others, so it comes last
                yield Due(at, DueKind.SETTLEMENT, rank, counter.period.start, counter.id)

    def with_books(self, books: Books) -> "AccountState":
        """Return the state with other books."""
        return self._with(self.account, books, self.subscriptions)

    def _with(
        self, account: Account, books: Books, subscriptions: Mapping[str, Subscription]
    ) -> "AccountState":
        return make_state(
            account,
            books,
            subscriptions,
            self.schedule,
            self.top_ups,
            self.known_usage,
            self.holds,
            self.entries,
            self.traffic,
            self.metered,
        )

    def with_subscription(self, books: Books, subscription: Subscription) -> "AccountState":
        """Return the state with other books and one subscription replaced or added."""
        held = {**self.subscriptions, subscription.id: subscription}
        return self._with(self.account, books, held)

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
        next_due_at = self._next_due_at()
        if next_due_at == self.account.next_due_at:
            return self
        account = self.account.moved(self.account.as_of, next_due_at, self.account.events)
        return self._with(account, self.books, self.subscriptions)

    def stored(self, events: int) -> "AccountState":
        """Return the state as it has to be stored: after so many more events, and settled."""
        account, next_due_at = self.account, self._next_due_at()
        if not events and next_due_at == account.next_due_at:
            return self
        account = account.moved(account.as_of, next_due_at, account.events + events)
        return self._with(account, self.books, self.subscriptions)

    def seen(self, now: datetime) -> "AccountState":
        """Return the state with its latest instant moved to ``now``, never back."""
        if now <= self.account.as_of:
            return self
        account = self.account.moved(now, self.account.next_due_at, self.account.events)
        return self._with(account, self.books, self.subscriptions)


make_state: Final = maker_of(AccountState)
"""Build the state of an account, quickly."""


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
        return make_step(
            later.state,
            self.entries + later.entries,
            self.events + later.events,
            self.usage + later.usage,
            later.result,
        )


make_step: Final = maker_of(Step)
"""Build a step, quickly."""


def noticed(step: Step, at: datetime) -> Step:
    """Add to a step what follows from the thresholds that it crossed; without any it is free.

    Watches tell of it, and automatic top-ups ask for money.
    """
    account = step.state.account
    if account.automatic:
        step = _asked(step, at)
        account = step.state.account
    if not account.watches:
        return step
    watches, events = notice(account.watches, step.state.books, at)
    if watches is account.watches:
        return step
    state = attrs.evolve(step.state, account=attrs.evolve(account, watches=watches))
    return attrs.evolve(step, state=state, events=step.events + events)


def _asked(step: Step, at: datetime) -> Step:
    state, account = step.state, step.state.account
    done = ask(account.automatic, state.books, zone=account.zone, profile=account.profile, at=at)
    if done.rules is account.automatic:
        return step
    top_ups = {**state.top_ups, **{one.id: one for one in done.top_ups}}
    account = attrs.evolve(account, automatic=done.rules)
    after = attrs.evolve(state, account=account, top_ups=top_ups)
    return attrs.evolve(step, state=after, events=step.events + done.events)


def require_account(state: AccountState | None, account: str) -> AccountState:
    """Give ``state``, or refuse an account that does not exist.

    Raises:
        UnknownName: ``state`` is None.
    """
    if state is None:
        raise UnknownName("account", account, "does not exist", "open the account first")
    return state
