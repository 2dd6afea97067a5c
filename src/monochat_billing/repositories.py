"""Storage protocols: what the service needs from whatever keeps the books.

Owns the shape of a load, of a save and of a unit of work, and what each must guarantee.
Does not own any store: adapters implement this, ``memory`` being the reference.

Everything is set-based: one load fetches what a whole batch of commands needs, one save writes
what it decided. The guarantees, for every implementation:

* *Atomic*: what one unit of work saves becomes visible as a whole or not at all. After a save that
  failed, or an exception, nothing of the unit of work is kept, even if the work goes on.
* *Serial per account*: between a unit of work's ``load`` of an account and its end, no other unit
  of work changes that account.
* *One moment*: all that one ``read`` sees is true at one instant; a unit of work sees, besides,
  what it has saved itself, and nobody else does before it is committed.
* *Once*: an account, an entry number, an event number, a usage record's id, a key and the id of a
  document exist once per account; a gateway's reference exists once.
* *As it was*: every value comes back equal to what was saved: amounts to the smallest unit,
  instants to the microsecond, texts to the letter, orders as they were. Ids are compared and sorted
  by code point.
* *Durable*: when ``write`` returns, what it saved survives a crash of the process, and more if the
  adapter says so.
* *Honest*: a failure is a :class:`~monochat_billing.errors.StorageError`. ``StoreBusy``,
  ``StoreUnreachable`` and ``StorageMisuse`` mean that nothing was written; any other means in
  doubt.

``monochat_billing.testing.storage_kit`` holds a storage to these, case by case.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Final, Protocol, TypeVar, final

import attrs

from monochat_billing.accounts import AccountState, ChargedUsage
from monochat_billing.balance import Balance, Entry
from monochat_billing.counters import Counter, MeteredUsage
from monochat_billing.events import Event
from monochat_billing.holds import Hold
from monochat_billing.idempotency import KeyRecord
from monochat_billing.lots import Lot
from monochat_billing.makers import maker_of
from monochat_billing.messages import BusinessNumber, Message, SetAsideStatus, Tally
from monochat_billing.payments import TopUp, TopUpState
from monochat_billing.readings import EntrySource
from monochat_billing.scheduling import ScheduledChange
from monochat_billing.subscriptions import Subscription

__all__ = [
    "Changes",
    "KeyRecord",
    "Loaded",
    "Reader",
    "RecordedEvent",
    "Storage",
    "UnitOfWork",
    "Wanted",
    "make_loaded",
]

T = TypeVar("T")


@final
@attrs.frozen
class Wanted:
    """Name what a command needs of one account beside its live state.

    Of ``entries`` it also needs those that correct them, and every lot that any of these names.
    With ``ended`` it needs the subscriptions that have ended, too.
    """

    account: str
    keys: frozenset[str] = frozenset()
    usage: frozenset[str] = frozenset()
    top_ups: frozenset[str] = frozenset()
    schedule: frozenset[str] = frozenset()
    holds: frozenset[str] = frozenset()
    entries: frozenset[int] = frozenset()
    messages: frozenset[str] = frozenset()
    tallies: frozenset[str] = frozenset()
    counters: frozenset[str] = frozenset()
    metered: frozenset[str] = frozenset()
    ended: bool = False


@final
@attrs.frozen
class Loaded:
    """Return one account as it stands: ``state`` is None when it does not exist.

    The state holds the account with its balances and open lots (``remaining`` above zero), its
    subscriptions, its pending scheduled changes, its open holds, and of top-ups, scheduled
    changes, holds, entries and known usage those that were asked for. The lots of entries that
    were asked for, and of those that correct them, are among the balances' lots, spent ones too.
    Its traffic has the messages and tallies that were asked for and exist.
    """

    state: AccountState | None
    keys: Mapping[str, KeyRecord] = attrs.field(factory=dict)


make_loaded: Final = maker_of(Loaded)
"""Build what was loaded, quickly."""


@final
@attrs.frozen
class RecordedEvent:
    """Hold one event of the outbox; ``number`` counts from 1 per account without gaps."""

    account: str
    number: int
    event: Event

    def __str__(self) -> str:
        told = f"{self.account} {self.number}: {type(self.event).__name__}"
        return f"{told} at {self.event.at:%Y-%m-%d %H:%M}Z"


@final
@attrs.frozen
class Changes:
    """Say everything that a unit of work changes on one account.

    ``before`` is the state that was loaded (None for a new account), ``after`` the state to keep;
    the properties name what differs, so that an adapter writes rows and compares nothing.
    """

    before: AccountState | None
    after: AccountState
    entries: tuple[Entry, ...] = ()
    events: tuple[RecordedEvent, ...] = ()
    keys: tuple[KeyRecord, ...] = ()
    usage: tuple[ChargedUsage, ...] = ()

    @property
    def account_is_new(self) -> bool:
        """Tell whether the account has to be created."""
        return self.before is None

    @property
    def balances(self) -> tuple[Balance, ...]:
        """Give the balances that are new or changed."""
        old = self.before.books.balances if self.before else {}
        return _changed(old, self.after.books.balances)

    @property
    def lots(self) -> tuple[Lot, ...]:
        """Give the lots that are new or changed, spent ones (nothing remaining) among them."""
        changed: list[Lot] = []
        for unit, balance in self.after.books.balances.items():
            old = self.before.books.balances.get(unit) if self.before else None
            if old is None:
                changed += balance.lots
            elif old.lots is not balance.lots:
                known = {lot.number: lot for lot in old.lots}
                changed += [
                    lot
                    for lot in balance.lots
                    if (was := known.get(lot.number)) is not lot and was != lot
                ]
        return tuple(changed)

    @property
    def subscriptions(self) -> tuple[Subscription, ...]:
        """Give the subscriptions that are new or changed."""
        return _changed(self.before.subscriptions if self.before else {}, self.after.subscriptions)

    @property
    def schedule(self) -> tuple[ScheduledChange, ...]:
        """Give the scheduled changes that are new or changed."""
        return _changed(self.before.schedule if self.before else {}, self.after.schedule)

    @property
    def holds(self) -> tuple[Hold, ...]:
        """Give the holds that are new or changed."""
        return _changed(self.before.holds if self.before else {}, self.after.holds)

    @property
    def top_ups(self) -> tuple[TopUp, ...]:
        """Give the top-ups that are new or changed."""
        return _changed(self.before.top_ups if self.before else {}, self.after.top_ups)

    @property
    def messages(self) -> tuple[Message, ...]:
        """Give the messages that are new or changed."""
        before = self.before.traffic.messages if self.before else {}
        return _changed(before, self.after.traffic.messages)

    @property
    def tallies(self) -> tuple[tuple[str, Tally], ...]:
        """Give the tallies that are new or changed, with their names."""
        before = self.before.traffic.tallies if self.before else {}
        after = self.after.traffic.tallies
        return tuple([(name, one) for name, one in after.items() if before.get(name) is not one])

    @property
    def counters(self) -> tuple[Counter, ...]:
        """Give the counters that are new or changed, but for those that the account keeps."""
        before = self.before.metered.counters if self.before else {}
        return _changed(before, self.after.metered.counters)

    @property
    def metered(self) -> tuple[MeteredUsage, ...]:
        """Give the usage records of any meter that are new or changed."""
        before = self.before.metered.records if self.before else {}
        return _changed(before, self.after.metered.records)

    @property
    def new_counters(self) -> frozenset[str]:
        """Name the counters that nobody has loaded, so that they have to be new."""
        known = self.before.metered.counters if self.before else {}
        return frozenset(one.id for one in self.counters if one.id not in known)

    @property
    def new_metered(self) -> frozenset[str]:
        """Name the usage records of any meter that are new."""
        known = self.before.metered.records if self.before else {}
        return frozenset(one.record.id for one in self.metered if one.record.id not in known)

    @property
    def asides(self) -> tuple[SetAsideStatus, ...]:
        """Give the statuses that were set aside; one that is kept already stays as it is."""
        return tuple(self.after.traffic.asides.values())

    @property
    def settled_asides(self) -> frozenset[str]:
        """Name the statuses that are set aside no more."""
        return self.after.traffic.settled

    @property
    def new_subscriptions(self) -> tuple[Subscription, ...]:
        """Give the subscriptions that the loaded state did not hold."""
        return _new(self.before and self.before.subscriptions, self.subscriptions)

    @property
    def new_schedule(self) -> tuple[ScheduledChange, ...]:
        """Give the scheduled changes that the loaded state did not hold."""
        return _new(self.before and self.before.schedule, self.schedule)

    @property
    def new_holds(self) -> tuple[Hold, ...]:
        """Give the holds that the loaded state did not hold."""
        return _new(self.before and self.before.holds, self.holds)

    @property
    def new_top_ups(self) -> tuple[TopUp, ...]:
        """Give the top-ups that the loaded state did not hold."""
        return _new(self.before and self.before.top_ups, self.top_ups)

    def misfit(self, *, exists: bool, entry: int = 0, event: int = 0) -> str:
        """Say in words what does not go on from where the account stands; nothing if all does.

        ``exists`` tells whether the account is stored, ``entry`` and ``event`` are the numbers of
        its last entry and event. Every adapter asks this before it writes; what it has to know of
        its own is which ids and keys are taken.
        """
        if exists is self.account_is_new:
            return "exists already" if exists else "does not exist"
        account = self.after.account
        if not _follow(self.entries, entry, self.after.books.sequence):
            return f"has entries that do not follow number {entry}"
        if not _follow(self.events, event, account.events):
            return f"has events that do not follow number {event}"
        mine = account.id
        for part in (self.entries, self.events, self.keys):
            for one in part:
                if one.account != mine:
                    return f"has rows of {one.account!r}"
        keys, usage = self.keys, self.usage
        if (len(keys) > 1 and len({one.key for one in keys}) < len(keys)) or (
            len(usage) > 1 and len({one.record.id for one in usage}) < len(usage)
        ):
            return "has a key or a usage record twice"
        return ""


class _Numbered(Protocol):
    @property
    def number(self) -> int: ...


def _follow(facts: Sequence[_Numbered], last: int, ends: int) -> bool:
    """Tell whether numbers go on from ``last`` without a gap, up to where the account ends."""
    if ends != last + len(facts):
        return False
    if len(facts) == 1:
        return facts[0].number == ends
    return not facts or [one.number for one in facts] == list(range(last + 1, ends + 1))


class _Named(Protocol):
    @property
    def id(self) -> str: ...


N = TypeVar("N", bound=_Named)


def _new(before: Mapping[str, N] | None, changed: tuple[N, ...]) -> tuple[N, ...]:
    return tuple(one for one in changed if one.id not in (before or {}))


def _changed(before: Mapping[str, T], after: Mapping[str, T]) -> tuple[T, ...]:
    if before is after:
        return ()
    return tuple(value for key, value in after.items() if before.get(key) is not value)


class Reader(EntrySource, Protocol):
    """Read committed facts, all from one consistent view.

    What statements ask is inherited: ``statement_entries``, ``balance_upto`` and ``movements``.
    """

    def load(self, wanted: Sequence[Wanted]) -> Mapping[str, Loaded]:
        """Give one :class:`Loaded` for every account that is wanted, existing or not.

        Within a unit of work this also takes the accounts for its own, in sorted order, whatever
        order they are asked in; loading one again gives it with what the unit of work has saved.
        """
        ...

    def entries(self, account: str, *, after: int = 0, limit: int = 100) -> Sequence[Entry]:
        """Give up to ``limit`` entries numbered above ``after``, in ascending order.

        Here and below, a limit below one gives nothing, an ``after`` below zero is zero, and what
        nobody has is empty.
        """
        ...

    def last_entries(self, account: str, limit: int) -> Sequence[Entry]:
        """Give the ``limit`` entries with the highest numbers, in ascending order."""
        ...

    def lots(self, account: str) -> Sequence[Lot]:
        """Give every lot of the account by number, spent ones too."""
        ...

    def subscriptions(self, account: str) -> Sequence[Subscription]:
        """Give every subscription of the account, ended ones too, in the order they were stored."""
        ...

    def schedule(self, account: str) -> Sequence[ScheduledChange]:
        """Give every scheduled change of the account, in order of request."""
        ...

    def holds(self, account: str) -> Sequence[Hold]:
        """Give every hold of the account in the order they were placed, resolved ones too."""
        ...

    def usage(self, account: str, *, after: int = 0, limit: int = 100) -> Sequence[ChargedUsage]:
        """Give up to ``limit`` usage records in the order they were stored, skipping ``after``.

        Those of one save are in the order of its tuple.
        """
        ...

    def events(self, account: str, *, after: int = 0, limit: int = 100) -> Sequence[RecordedEvent]:
        """Give up to ``limit`` events numbered above ``after``, in ascending order."""
        ...

    def top_up_account(self, gateway: str, top_up: str) -> str | None:
        """Give the account that has the top-up of that id at that gateway, or None."""
        ...

    def unsettled_top_ups(
        self, gateway: str, *, after: tuple[str, str] = ("", ""), limit: int = 100
    ) -> Sequence[tuple[str, str]]:
        """Give up to ``limit`` pairs of account and top-up that sort after ``after``, ascending.

        They are the gateway's top-ups in a state of
        :data:`~monochat_billing.payments.UNSETTLED`.
        """
        ...

    def top_ups(self, gateway: str, *, after: str = "", limit: int = 100) -> Sequence[TopUp]:
        """Give up to ``limit`` top-ups of a gateway whose ids sort after ``after``, ascending."""
        ...

    def account_top_ups(
        self,
        account: str,
        *,
        before: tuple[datetime, str] | None = None,
        state: TopUpState | None = None,
        limit: int = 100,
    ) -> Sequence[TopUp]:
        """Give up to ``limit`` top-ups of an account, the newest first, in one state or in any.

        They are ordered by ``created_at`` and id, descending; with ``before``, such a pair, only
        those below it.
        """
        ...

    def due(self, until: datetime, limit: int) -> Sequence[str]:
        """Give up to ``limit`` accounts whose ``next_due_at`` is not after ``until``.

        The longest due comes first, and at one instant the smaller id. An account is found at the
        instant of its latest save only; accounts without due work are not visited.
        """
        ...

    def accounts(self, *, after: str = "", limit: int = 100) -> Sequence[str]:
        """Give up to ``limit`` account ids that sort after ``after``, in ascending order."""
        ...

    def messages(self, account: str, *, after: str = "", limit: int = 100) -> Sequence[Message]:
        """Give up to ``limit`` messages whose ids sort after ``after``, in ascending order."""
        ...

    def tallies(self, account: str, prefix: str) -> Mapping[str, Tally]:
        """Give every tally whose name begins with ``prefix``, by name."""
        ...

    def metered(
        self,
        account: str,
        *,
        since: datetime,
        until: datetime,
        after: str = "",
        limit: int = 100,
    ) -> Sequence[MeteredUsage]:
        """Give up to ``limit`` records of any meter that took place in ``[since, until)``.

        They are in the order of instant and id; those at ``since`` come from behind the id
        ``after``.
        """
        ...

    def numbers(self, ids: Sequence[str]) -> Mapping[str, BusinessNumber]:
        """Give those of these business numbers that somebody has registered, by id."""
        ...

    def asides(
        self, *, number: str = "", after: str = "", limit: int = 100
    ) -> Sequence[SetAsideStatus]:
        """Give up to ``limit`` statuses that are set aside, of one number or of all.

        They are in the order of their ids, behind ``after``.
        """
        ...


class UnitOfWork(Reader, Protocol):
    """Read and change accounts in one transaction."""

    def save(self, changes: Sequence[Changes]) -> None:
        """Write the changes of accounts that this unit of work has loaded.

        ``before`` is the state that this unit of work has loaded last. What
        :meth:`Changes.misfit` finds is refused, and so is a key, a usage record or a document
        that is new to ``before`` and whose id is taken, loaded or not; nothing is overwritten but
        what ``before`` holds. They become durable when the unit of work ends well, and leave no
        trace when it does not.

        Raises:
            StorageMisuse: an account was not loaded, or its changes cannot be right; a storage
                whose own constraints find it raises another StorageError.
        """
        ...

    def register(self, numbers: Sequence[BusinessNumber]) -> None:
        """Say whose business numbers are; what was said of them before is replaced.

        Raises:
            StorageError: one of the accounts does not exist.
        """
        ...

    def set_aside(self, statuses: Sequence[SetAsideStatus], settled: Sequence[str] = ()) -> None:
        """Keep statuses that belong to no account yet, and drop the ``settled`` ones by id.

        One that is kept already stays as it is.
        """
        ...


class Storage(Protocol):
    """Keep the books of all accounts."""

    def read(self, work: Callable[[Reader], T]) -> T:
        """Run ``work`` on one consistent view and return what it returns.

        ``work`` only reads and may be run again. Within a unit of work of the same storage and
        thread it is refused, or sees what was committed before that.

        Raises:
            StorageError: the storage could not be read.
            StorageMisuse: a unit of work is open in this thread and cannot be read past.
        """
        ...

    def write(self, work: Callable[[UnitOfWork], T]) -> T:
        """Run ``work`` in a unit of work, commit, and return what it returned.

        ``work`` may be run again after a conflict that left nothing behind, so it must not act on
        anything but the unit of work. An exception from it rolls back and propagates as it is.

        Raises:
            StorageError: in doubt, unless it is one of the kinds that say otherwise.
            StorageMisuse: ``work`` calls ``write`` of the same storage, or saves what cannot be
                right; nothing was written.
        """
        ...
