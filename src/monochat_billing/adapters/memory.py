"""A storage in memory: the reference that every other adapter is compared with.

It keeps every guarantee of :mod:`monochat_billing.repositories` except durability: what it holds
is gone with the process. One lock serializes all work, so it may be shared by threads. A forked
process goes on with a copy of its own.
"""

import os
import threading
from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from heapq import merge
from itertools import islice, takewhile
from typing import Any, Final, TypeVar, final

import attrs

from monochat_billing.accounts import AccountState, ChargedUsage
from monochat_billing.balance import Books, Entry
from monochat_billing.counters import NOTHING_METERED, Counter, Metered, MeteredUsage
from monochat_billing.erasure import erased
from monochat_billing.errors import StorageError, StorageMisuse
from monochat_billing.holds import Hold
from monochat_billing.invoices import Invoice
from monochat_billing.lots import DEBT, Lot, insert
from monochat_billing.messages import (
    NO_TRAFFIC,
    BusinessNumber,
    Message,
    SetAsideStatus,
    Tally,
    Traffic,
)
from monochat_billing.outbox_storage import OutboxCursor
from monochat_billing.payments import UNSETTLED, TopUp
from monochat_billing.profiles import ERASED
from monochat_billing.readings import Movement, Place, Reading, Window, movements
from monochat_billing.repositories import (
    Changes,
    KeyRecord,
    Loaded,
    Reader,
    RecordedEvent,
    UnitOfWork,
    Wanted,
)
from monochat_billing.scheduling import ScheduledChange
from monochat_billing.subscriptions import Subscription

__all__ = ["MemoryStorage"]

T = TypeVar("T")

_NESTED: Final = "a unit of work is open in this thread"


@attrs.define
class _History:
    """Keep the entries of one unit in the orders that statements ask for.

    ``entries`` are in the order of their numbers, in which their recorded instants never fall;
    ``late`` are those of them that are effective at another instant, in the order of that.
    """

    entries: list[Entry] = attrs.field(factory=list)
    late: list[Entry] = attrs.field(factory=list)

    def take(self, entry: Entry) -> None:
        self.entries.append(entry)
        if _is_late(entry):
            insort(self.late, entry, key=Reading.AS_EFFECTIVE.place)

    def behind(self, window: Window, after: Place) -> Iterator[Entry]:
        """Give the entries of a window that stand behind a place, in the order of its reading."""
        first = bisect_right(self.entries, after, key=Reading.AS_RECORDED.place)
        found: Iterable[Entry] = _from(self.entries, first)
        if window.reading is Reading.AS_EFFECTIVE:
            on_time = (one for one in found if not _is_late(one))
            begin = bisect_right(self.late, after, key=Reading.AS_EFFECTIVE.place)
            late = _from(self.late, begin)
            found = merge(on_time, late, key=Reading.AS_EFFECTIVE.place)
        place, end = window.reading.place, window.end
        for entry in takewhile(lambda one: place(one) < end, found):
            if window.counts(entry):
                yield entry

    def upto(self, window: Window, place: Place) -> int:
        """Give what was recorded by then, corrected by what counts at another instant."""
        last = bisect_right(self.entries, place, key=Reading.AS_RECORDED.place)
        while last and not window.counts(self.entries[last - 1]):
            last -= 1
        units = self.entries[last - 1].balance_after if last else 0
        if window.reading is Reading.AS_EFFECTIVE:
            for entry in filter(window.counts, self.late):
                units += entry.amount * (
                    (Reading.AS_EFFECTIVE.place(entry) <= place)
                    - (Reading.AS_RECORDED.place(entry) <= place)
                )
        return units


def _from(entries: Sequence[Entry], first: int) -> Iterator[Entry]:
    """Give the entries from a place on; unlike islice it does not walk there."""
    return (entries[place] for place in range(first, len(entries)))


def _is_late(entry: Entry) -> bool:
    return entry.effective_at != entry.recorded_at


@attrs.define
class _Account:
    """Keep everything of one account; ``state`` is the live part that a load returns."""

    state: AccountState
    entries: list[Entry] = attrs.field(factory=list)
    lots: dict[int, Lot] = attrs.field(factory=dict)
    subscriptions: dict[str, Subscription] = attrs.field(factory=dict)
    schedule: dict[str, ScheduledChange] = attrs.field(factory=dict)
    holds: dict[str, Hold] = attrs.field(factory=dict)
    corrections: dict[int, list[int]] = attrs.field(factory=dict)
    top_ups: dict[str, TopUp] = attrs.field(factory=dict)
    usage: dict[str, ChargedUsage] = attrs.field(factory=dict)
    keys: dict[str, KeyRecord] = attrs.field(factory=dict)
    events: list[RecordedEvent] = attrs.field(factory=list)
    histories: dict[str, _History] = attrs.field(factory=dict)
    messages: dict[str, Message] = attrs.field(factory=dict)
    tallies: dict[str, Tally] = attrs.field(factory=dict)
    counters: dict[str, Counter] = attrs.field(factory=dict)
    metered: dict[str, MeteredUsage] = attrs.field(factory=dict)
    told: int = 0

    def history(self, unit: str) -> _History:
        """Give the entries of a unit; what is new is sorted in when somebody asks."""
        for place in range(self.told, len(self.entries)):  # islice would walk the whole past
            entry = self.entries[place]
            self.histories.setdefault(entry.unit, _History()).take(entry)
        self.told = len(self.entries)
        return self.histories.setdefault(unit, _History())

    def in_sight(self, state: AccountState, wanted: Wanted) -> AccountState:
        """Put the messages, tallies, counters and metered usage that are wanted into a state."""
        if wanted.counters or wanted.metered:
            state = attrs.evolve(
                state,
                metered=Metered(
                    counters={
                        one.id: one
                        for one in self.counters.values()
                        if one.bucket in wanted.counters
                    },
                    records={
                        one: self.metered[one] for one in wanted.metered if one in self.metered
                    },
                ),
            )
        if not (wanted.messages or wanted.tallies):
            return state
        messages, tallies = self.messages, self.tallies
        return attrs.evolve(
            state,
            traffic=Traffic(
                messages={one: messages[one] for one in wanted.messages if one in messages},
                tallies={one: tallies[one] for one in wanted.tallies if one in tallies},
            ),
        )

    def knows(self, changes: Changes) -> str:
        """Name an id or a key that a save calls new although it is kept already."""
        for one in changes.keys:
            if one.key in self.keys:
                return f"key {one.key!r} exists already"
        for used in changes.usage:
            if used.record.id in self.usage:
                return f"usage record {used.record.id!r} exists already"
        was, now = changes.before or changes.after, changes.after
        # A save leaves most of these as they were, and sees that without listing them.
        for noun, kept, before, after in (
            ("scheduled change", self.schedule, was.schedule, now.schedule),
            ("hold", self.holds, was.holds, now.holds),
            ("counter", self.counters, was.metered.counters, now.metered.counters),
            ("usage record", self.metered, was.metered.records, now.metered.records),
            ("top-up", self.top_ups, was.top_ups, now.top_ups),
            ("subscription", self.subscriptions, was.subscriptions, now.subscriptions),
        ):
            if before is not after:
                for identity in after:
                    if identity in kept and identity not in before:
                        return f"{noun} {identity!r} exists already"
        return ""

    def marked(self, changes: Changes) -> Callable[[], None]:
        """Remember what these changes are about to replace; give what puts it back."""
        state, entries, events = self.state, len(self.entries), len(self.events)
        parts: tuple[tuple[dict[Any, Any], list[Any]], ...] = (
            (self.lots, [one.number for one in changes.lots]),
            (self.subscriptions, [one.id for one in changes.subscriptions]),
            (self.schedule, [one.id for one in changes.schedule]),
            (self.holds, [one.id for one in changes.holds]),
            (self.top_ups, [one.id for one in changes.top_ups]),
            (self.usage, [one.record.id for one in changes.usage]),
            (self.keys, [one.key for one in changes.keys]),
            (self.messages, [one.id for one in changes.messages]),
            (self.tallies, [name for name, _ in changes.tallies]),
            (self.counters, [one.id for one in changes.counters]),
            (self.metered, [one.record.id for one in changes.metered]),
        )
        old = [(part, key, part.get(key)) for part, keys in parts for key in keys]

        def put_back() -> None:
            for part, key, value in old:
                if value is None:
                    part.pop(key, None)
                else:
                    part[key] = value
            for entry in changes.entries:
                if entry.corrects is not None:
                    self.corrections[entry.corrects].remove(entry.number)
            del self.entries[entries:], self.events[events:]
            self.state, self.told = state, 0
            self.histories.clear()

        return put_back

    def keep(self, changes: Changes) -> None:
        """Take over what a unit of work has saved."""
        for lot in changes.lots:
            self.lots[lot.number] = lot
        self.entries += changes.entries
        for entry in changes.entries:
            if entry.corrects is not None:
                self.corrections.setdefault(entry.corrects, []).append(entry.number)
        for used in changes.usage:
            self.usage[used.record.id] = used
        for record in changes.keys:
            self.keys[record.key] = record
        self._keep_state(changes)
        self.events += changes.events
        self.state = _live(changes.after)

    def _keep_state(self, changes: Changes) -> None:
        """Take over what differs of the state; what is the same object is not looked through."""
        was, now = changes.before, changes.after
        if was is None or was.subscriptions is not now.subscriptions:
            self.subscriptions.update((one.id, one) for one in changes.subscriptions)
        if was is None or was.schedule is not now.schedule:
            self.schedule.update((one.id, one) for one in changes.schedule)
        if was is None or was.holds is not now.holds:
            self.holds.update((one.id, one) for one in changes.holds)
        if was is None or was.top_ups is not now.top_ups:
            self.top_ups.update((one.id, one) for one in changes.top_ups)
        if was is None or was.traffic is not now.traffic:
            self.messages.update((one.id, one) for one in changes.messages)
            self.tallies.update(changes.tallies)
        if was is None or was.metered is not now.metered:
            self.counters.update((one.id, one) for one in changes.counters)
            self.metered.update((one.record.id, one) for one in changes.metered)


@attrs.define
class _Shelf:
    """Keep all accounts with their sorted ids, what is due when, and whose top-up is whose."""

    accounts: dict[str, _Account] = attrs.field(factory=dict)
    ids: list[str] = attrs.field(factory=list)
    due: list[tuple[datetime, str]] = attrs.field(factory=list)
    routes: dict[tuple[str, str], str] = attrs.field(factory=dict)
    numbers: dict[str, BusinessNumber] = attrs.field(factory=dict)
    asides: dict[str, SetAsideStatus] = attrs.field(factory=dict)
    counters: dict[str, int] = attrs.field(factory=dict)
    invoices: dict[str, tuple[Invoice, ...]] = attrs.field(factory=dict)
    cursors: dict[str, dict[str, tuple[OutboxCursor, bool]]] = attrs.field(factory=dict)

    def apply(self, changes: Changes) -> None:
        account = changes.after.account
        kept = self.accounts.get(account.id)
        if kept is None:
            kept = self.accounts[account.id] = _Account(changes.after)
            insort(self.ids, account.id)
        elif kept.state.account.next_due_at is not None:
            place = (kept.state.account.next_due_at, account.id)
            del self.due[bisect_left(self.due, place)]
        kept.keep(changes)
        if changes.events:
            for consumer in self.cursors.values():
                cursor, _ = consumer.get(account.id, (OutboxCursor(account.id), True))
                consumer[account.id] = (cursor, True)
        self.put_aside(changes.asides, changes.settled_asides)
        for top_up in changes.top_ups:
            self.routes[top_up.gateway, top_up.id] = account.id
        if account.next_due_at is not None:
            insort(self.due, (account.next_due_at, account.id))

    def put_aside(self, new: Iterable[SetAsideStatus], settled: Iterable[str]) -> None:
        """Keep statuses, and drop those that have found their place."""
        for one in settled:
            self.asides.pop(one, None)
        for status in new:
            self.asides.setdefault(status.id, status)

    def misfit(self, changes: Changes) -> str:
        """Say what of a save is known already or does not go on from what is kept, if anything."""
        kept = self.accounts.get(changes.after.account.id)
        if kept is None:
            wrong = changes.misfit(exists=False)
        else:
            state = kept.state
            wrong = changes.misfit(
                exists=True, entry=state.books.sequence, event=state.account.events
            ) or kept.knows(changes)
        routed = [one.id for one in changes.new_top_ups if (one.gateway, one.id) in self.routes]
        return wrong or (f"top-up {routed[0]!r} exists already" if routed else "")

    def undoing(self, changes: Changes) -> Callable[[], None]:
        """Give what will put everything back that these changes are about to replace."""
        account = changes.after.account.id
        kept = self.accounts.get(account)
        before = None if kept is None else kept.marked(changes)
        asides = dict(self.asides) if changes.asides or changes.settled_asides else None
        cursors = {name: dict(one) for name, one in self.cursors.items()}

        def undo() -> None:
            self.cursors = cursors
            if asides is not None:
                self.asides = asides
            place = (changes.after.account.next_due_at, account)
            if place[0] is not None:
                del self.due[bisect_left(self.due, place)]
            for one in changes.new_top_ups:
                del self.routes[one.gateway, one.id]
            if kept is None or before is None:
                del self.accounts[account]
                del self.ids[bisect_left(self.ids, account)]
                return
            before()
            if kept.state.account.next_due_at is not None:
                insort(self.due, (kept.state.account.next_due_at, account))

        return undo


@final
class MemoryStorage:
    """Keep the books of all accounts in this process.

    >>> from monochat_billing.adapters.memory import MemoryStorage
    >>> MemoryStorage().read(lambda reader: list(reader.accounts()))
    []
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._shelf = _Shelf()
        self._writing = False
        self._process = os.getpid()

    def read(self, work: Callable[[Reader], T]) -> T:
        """Run ``work`` on the books as they are; no change happens meanwhile.

        Raises:
            StorageMisuse: a unit of work is open in this thread.
        """
        self._enter_process("read")
        with self._lock:
            if self._writing:
                raise StorageMisuse("read", _NESTED)
            return work(_Unit(self._shelf))

    def write(self, work: Callable[[UnitOfWork], T]) -> T:
        """Run ``work`` alone; what it saved is kept when it returns, and dropped when it raises.

        Raises:
            StorageMisuse: ``work`` itself calls ``write``, or saves what cannot be right.
        """
        self._enter_process("write")
        with self._lock:
            if self._writing:
                raise StorageMisuse("write", _NESTED)
            self._writing = True
            unit = _Unit(self._shelf)
            try:
                result = work(unit)
                unit.commit()
            except BaseException:
                unit.roll_back()
                raise
            finally:
                self._writing = False
            return result

    def _enter_process(self, operation: str) -> None:
        """In a forked process, go on with the copy; a lock that was held there is nobody's here."""
        if self._process == os.getpid():
            return
        if self._writing:
            raise StorageMisuse(operation, "the process was forked in the midst of a unit of work")
        self._lock = threading.RLock()
        self._process = os.getpid()


def _live(state: AccountState) -> AccountState:
    """Drop what is history: what is spent, ended, decided or resolved, and what was asked for.

    A state that holds none of that is kept as it is, which is what most debits leave behind.
    """
    books = state.books
    for balance in books.balances.values():
        if not all(lot.remaining for lot in balance.lots):
            open_lots = tuple(lot for lot in balance.lots if lot.remaining)
            books = books.with_balance(balance.with_lots(open_lots))
    subscriptions, schedule, holds = state.subscriptions, state.schedule, state.holds
    if not all(one.live for one in subscriptions.values()):
        subscriptions = {key: one for key, one in subscriptions.items() if one.live}
    if not all(change.pending for change in schedule.values()):
        schedule = {key: one for key, one in schedule.items() if one.pending}
    if not all(hold.open for hold in holds.values()):
        holds = {key: one for key, one in holds.items() if one.open}
    asked = state.top_ups or state.known_usage or state.entries or state.traffic is not NO_TRAFFIC
    asked = asked or state.metered is not NOTHING_METERED
    same = books is state.books and schedule is state.schedule and holds is state.holds
    if same and subscriptions is state.subscriptions and not asked:
        return state
    return AccountState(
        account=state.account,
        books=books,
        subscriptions=subscriptions,
        schedule=schedule,
        holds=holds,
    )


def _with_corrections(kept: _Account, asked: Iterable[int]) -> dict[int, Entry]:
    """Find entries by number, and all that correct them."""
    numbers = {number for number in asked if 0 < number <= len(kept.entries)}
    for number in tuple(numbers):
        numbers.update(kept.corrections.get(number, ()))
    return {number: kept.entries[number - 1] for number in sorted(numbers)}


def _with_lots_of(kept: _Account, entries: Iterable[Entry]) -> Books:
    """Put every lot that these entries name among the lots of its balance, spent ones too."""
    books = kept.state.books
    for number in {number for entry in entries for number, _ in entry.parts if number != DEBT}:
        lot = kept.lots[number]
        balance = books.balances[lot.unit]
        books = books.with_balance(balance.with_lots(insert(balance.lots, lot)))
    return books


def _page(after: int, limit: int) -> slice:
    """Say which places a page takes: a negative limit none, a negative ``after`` from the start."""
    first = max(after, 0)
    return slice(first, first + max(limit, 0))


class _Unit:
    """Read the shelf and collect what is to be saved.

    What was saved is put on the shelf at the end, or as soon as somebody looks again: then with a
    way back, because the end may be a failure.
    """

    def __init__(self, shelf: _Shelf) -> None:
        self._kept = shelf
        self._loaded: set[str] = set()
        self._saved: list[Changes] = []
        self._undo: list[Callable[[], None]] = []
        self._failure: StorageError | None = None

    @property
    def _shelf(self) -> _Shelf:
        """Give the shelf with everything on it that this unit of work has saved."""
        if self._saved:
            for changes in self._saved:
                self._undo.append(self._kept.undoing(changes))
                self._kept.apply(changes)
            self._saved = []
        return self._kept

    def commit(self) -> None:
        """Keep what was saved, unless a save has failed, even if nobody minded."""
        if self._failure is not None:
            raise self._failure
        for changes in self._saved:
            self._kept.apply(changes)

    def roll_back(self) -> None:
        """Put everything back as it was."""
        while self._undo:
            self._undo.pop()()

    def load(self, wanted: Sequence[Wanted]) -> Mapping[str, Loaded]:
        return {one.account: self._load(one) for one in wanted}

    def _load(self, wanted: Wanted) -> Loaded:
        self._loaded.add(wanted.account)
        kept = self._shelf.accounts.get(wanted.account)
        if kept is None:
            return Loaded(None)
        keys = {key: kept.keys[key] for key in wanted.keys if key in kept.keys}
        if not (
            wanted.usage
            or wanted.top_ups
            or wanted.schedule
            or wanted.holds
            or wanted.entries
            or wanted.ended
        ):
            return Loaded(kept.in_sight(kept.state, wanted), keys)
        asked = {key: kept.schedule[key] for key in wanted.schedule if key in kept.schedule}
        holds = {key: kept.holds[key] for key in wanted.holds if key in kept.holds}
        entries = _with_corrections(kept, wanted.entries)
        state = attrs.evolve(
            kept.state,
            books=_with_lots_of(kept, entries.values()),
            subscriptions=dict(kept.subscriptions) if wanted.ended else kept.state.subscriptions,
            entries=entries,
            holds={**holds, **kept.state.holds},
            schedule={**asked, **kept.state.schedule},
            top_ups={key: kept.top_ups[key] for key in wanted.top_ups if key in kept.top_ups},
            known_usage=frozenset(key for key in wanted.usage if key in kept.usage),
        )
        return Loaded(kept.in_sight(state, wanted), keys)

    def register(self, numbers: Sequence[BusinessNumber]) -> None:
        shelf = self._shelf
        nobody = [one.account for one in numbers if one.account not in shelf.accounts]
        if nobody:
            self._failure = StorageMisuse("register", f"account {nobody[0]!r} does not exist")
            raise self._failure
        before = dict(shelf.numbers)
        self._undo.append(lambda: setattr(shelf, "numbers", before))
        shelf.numbers = {**before, **{one.id: one for one in numbers}}

    def set_aside(self, statuses: Sequence[SetAsideStatus], settled: Sequence[str] = ()) -> None:
        shelf = self._shelf
        before = dict(shelf.asides)
        self._undo.append(lambda: setattr(shelf, "asides", before))
        shelf.put_aside(statuses, settled)

    def last_ordinal(self, counter: str) -> int:
        return self._shelf.counters.get(counter, 0)

    def issue(self, invoices: Sequence[Invoice]) -> None:
        shelf = self._shelf
        counters, kept = dict(shelf.counters), dict(shelf.invoices)
        self._undo.append(lambda: setattr(shelf, "counters", counters))
        self._undo.append(lambda: setattr(shelf, "invoices", kept))
        shelf.counters, shelf.invoices = dict(counters), dict(kept)
        for one in invoices:
            of_account = shelf.invoices.get(one.account, ())
            wrong = ""
            if one.account not in self._loaded:
                wrong = f"account {one.account!r} was not loaded"
            elif one.number.ordinal != shelf.counters.get(one.number.counter, 0) + 1:
                wrong = f"invoice {one.number} leaves a gap or stands twice"
            elif any(one.reference == other.reference for other in of_account):
                wrong = f"account {one.account!r} has an invoice about {one.reference!r}"
            if wrong:
                self._failure = StorageMisuse("issue", wrong)
                raise self._failure
            shelf.counters[one.number.counter] = one.number.ordinal
            shelf.invoices[one.account] = (*of_account, one)

    def add_consumer(self, consumer: str, *, from_beginning: bool) -> None:
        told = self._consumers()
        if consumer not in told:
            accounts = [one.state.account for one in self._shelf.accounts.values()]
            told[consumer] = {
                one.id: (OutboxCursor(one.id, 0 if from_beginning else one.events), from_beginning)
                for one in accounts
                if one.events
            }

    def drop_consumer(self, consumer: str) -> None:
        self._consumers().pop(consumer, None)

    def consumers(self) -> Sequence[str]:
        return tuple(sorted(self._shelf.cursors))

    def claim(
        self, consumer: str, *, now: datetime, until: datetime, lease: str, limit: int
    ) -> Sequence[OutboxCursor]:
        told = self._consumers().get(consumer, {})
        free = sorted(
            (one.leased_until or datetime.min.replace(tzinfo=UTC), account)
            for account, (one, ahead) in told.items()
            if ahead and (one.leased_until is None or one.leased_until <= now)
        )
        taken = [
            OutboxCursor(account, told[account][0].acknowledged, lease, until)
            for _, account in free[: max(limit, 0)]
        ]
        told.update((one.account, (one, True)) for one in taken)
        return tuple(taken)

    def cursor(self, consumer: str, account: str) -> OutboxCursor | None:
        known = self._shelf.cursors.get(consumer, {}).get(account)
        return None if known is None else known[0]

    def move_cursor(self, consumer: str, cursor: OutboxCursor, *, ahead: bool) -> None:
        self._consumers().setdefault(consumer, {})[cursor.account] = (cursor, ahead)

    def _consumers(self) -> dict[str, dict[str, tuple[OutboxCursor, bool]]]:
        """Give the cursors to change, with a way back."""
        shelf = self._shelf
        before = shelf.cursors
        self._undo.append(lambda: setattr(shelf, "cursors", before))
        shelf.cursors = {name: dict(cursors) for name, cursors in before.items()}
        return shelf.cursors

    def erase(self, account: str) -> None:
        kept = self._shelf.accounts[account]
        for part in (kept.top_ups, kept.keys):
            before: dict[str, Any] = dict(part)
            self._undo.append(partial(part.update, before))
            part.update({name: erased(one) for name, one in before.items()})

    def erase_invoices(self, account: str, before: datetime) -> int:
        shelf = self._shelf
        kept = shelf.invoices.get(account, ())
        after = tuple(
            one.without_buyer() if one.issued_at < before and one.buyer != ERASED else one
            for one in kept
        )
        self._undo.append(partial(shelf.invoices.update, {account: kept}))
        shelf.invoices[account] = after
        return sum(one is not other for one, other in zip(kept, after, strict=True))

    def save(self, changes: Sequence[Changes]) -> None:
        shelf, seen = self._shelf, set[str]()
        for one in changes:
            account = one.after.account.id
            if account in seen or one.after.top_ups:  # it may be about what was saved just before
                shelf = self._shelf
            wrong = "was not loaded" if account not in self._loaded else shelf.misfit(one)
            if wrong:
                self._failure = StorageMisuse("save", f"account {account!r} {wrong}")
                raise self._failure
            self._saved.append(one)
            seen.add(account)

    def entries(self, account: str, *, after: int = 0, limit: int = 100) -> Sequence[Entry]:
        kept = self._shelf.accounts.get(account)
        return tuple(kept.entries[_page(after, limit)]) if kept else ()

    def last_entries(self, account: str, limit: int) -> Sequence[Entry]:
        kept = self._shelf.accounts.get(account)
        return tuple(kept.entries[max(len(kept.entries) - limit, 0) :]) if kept else ()

    def _history(self, window: Window) -> _History:
        kept = self._shelf.accounts.get(window.account)
        return kept.history(window.unit) if kept else _History()

    def statement_entries(self, window: Window, after: Place, limit: int) -> Sequence[Entry]:
        return tuple(islice(self._history(window).behind(window, after), max(limit, 0)))

    def balance_upto(self, window: Window, place: Place) -> int:
        return self._history(window).upto(window, place)

    def movements(self, window: Window) -> Sequence[Movement]:
        kept = self._shelf.accounts.get(window.account)
        moved = self._history(window).behind(window, window.start)
        return movements(moved, window, kept.lots) if kept else ()

    def lots(self, account: str) -> Sequence[Lot]:
        kept = self._shelf.accounts.get(account)
        return tuple(lot for _, lot in sorted(kept.lots.items())) if kept else ()

    def subscriptions(self, account: str) -> Sequence[Subscription]:
        kept = self._shelf.accounts.get(account)
        return tuple(kept.subscriptions.values()) if kept else ()

    def schedule(self, account: str) -> Sequence[ScheduledChange]:
        kept = self._shelf.accounts.get(account)
        changes = kept.schedule.values() if kept else ()
        return tuple(sorted(changes, key=lambda one: (one.requested_at, one.id)))

    def holds(self, account: str) -> Sequence[Hold]:
        kept = self._shelf.accounts.get(account)
        holds = kept.holds.values() if kept else ()
        return tuple(sorted(holds, key=lambda one: (one.placed_at, one.id)))

    def usage(self, account: str, *, after: int = 0, limit: int = 100) -> Sequence[ChargedUsage]:
        kept = self._shelf.accounts.get(account)
        if kept is None:
            return ()
        page = _page(after, limit)
        return tuple(islice(kept.usage.values(), page.start, page.stop))

    def events(self, account: str, *, after: int = 0, limit: int = 100) -> Sequence[RecordedEvent]:
        kept = self._shelf.accounts.get(account)
        return tuple(kept.events[_page(after, limit)]) if kept else ()

    def top_up_account(self, gateway: str, top_up: str) -> str | None:
        return self._shelf.routes.get((gateway, top_up))

    def unsettled_top_ups(
        self, gateway: str, *, after: tuple[str, str] = ("", ""), limit: int = 100
    ) -> Sequence[tuple[str, str]]:
        open_ones = sorted(
            (account, top_up)
            for (through, top_up), account in self._shelf.routes.items()
            if through == gateway
            and (account, top_up) > after
            and self._shelf.accounts[account].top_ups[top_up].state in UNSETTLED
        )
        return tuple(open_ones[: max(limit, 0)])

    def top_ups(self, gateway: str, *, after: str = "", limit: int = 100) -> Sequence[TopUp]:
        mine = sorted(
            (top_up, account)
            for (through, top_up), account in self._shelf.routes.items()
            if through == gateway and top_up > after
        )
        return tuple(
            self._shelf.accounts[account].top_ups[top_up]
            for top_up, account in mine[: max(limit, 0)]
        )

    def due(self, until: datetime, limit: int) -> Sequence[str]:
        soonest = islice(self._shelf.due, max(limit, 0))
        return tuple(account for due_at, account in soonest if due_at <= until)

    def accounts(self, *, after: str = "", limit: int = 100) -> Sequence[str]:
        first = bisect_right(self._shelf.ids, after)
        return tuple(self._shelf.ids[first : first + max(limit, 0)])

    def messages(self, account: str, *, after: str = "", limit: int = 100) -> Sequence[Message]:
        kept = self._shelf.accounts.get(account)
        messages = sorted(kept.messages) if kept else []
        first = bisect_right(messages, after)
        page = messages[first : first + max(limit, 0)]
        return tuple([kept.messages[one] for one in page]) if kept else ()

    def metered(
        self,
        account: str,
        *,
        since: datetime,
        until: datetime,
        after: str = "",
        limit: int = 100,
    ) -> Sequence[MeteredUsage]:
        kept = self._shelf.accounts.get(account)
        found = sorted(
            kept.metered.values() if kept else (),
            key=lambda one: (one.record.occurred_at, one.record.id),
        )
        behind = (
            one
            for one in found
            if (since, after) < (one.record.occurred_at, one.record.id)
            and one.record.occurred_at < until
        )
        return tuple(islice(behind, max(limit, 0)))

    def tallies(self, account: str, prefix: str) -> Mapping[str, Tally]:
        kept = self._shelf.accounts.get(account)
        names = sorted(kept.tallies) if kept else []
        return {one: kept.tallies[one] for one in names if one.startswith(prefix)} if kept else {}

    def numbers(self, ids: Sequence[str]) -> Mapping[str, BusinessNumber]:
        return {one: self._shelf.numbers[one] for one in ids if one in self._shelf.numbers}

    def asides(
        self, *, number: str = "", after: str = "", limit: int = 100
    ) -> Sequence[SetAsideStatus]:
        found = (one for _, one in sorted(self._shelf.asides.items()))
        behind = (
            one for one in found if one.id > after and (not number or one.status.number == number)
        )
        return tuple(islice(behind, max(limit, 0)))

    def invoices(self, account: str, *, after: int = 0, limit: int = 100) -> Sequence[Invoice]:
        return self._shelf.invoices.get(account, ())[_page(after, limit)]

    def invoice(self, account: str, identity: str) -> Invoice | None:
        found = self._shelf.invoices.get(account, ())
        return next((one for one in found if one.id == identity), None)

    def invoice_about(self, account: str, reference: str) -> Invoice | None:
        found = self._shelf.invoices.get(account, ())
        return next((one for one in found if one.reference == reference), None)

    def credit_notes(self, account: str, identity: str) -> Sequence[Invoice]:
        found = self._shelf.invoices.get(account, ())
        return tuple(one for one in found if one.corrects_id == identity)

    def invoiced_through(self, account: str, currency: str) -> int:
        found = self._shelf.invoices.get(account, ())
        return max((one.last for one in found if one.currency == currency), default=0)
