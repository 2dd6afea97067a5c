"""Everything of one account: the live part that a load returns, and the history behind it.

Owns what of a save is kept, how it is put back, and what of it is still live.
Does not own what stands beside the accounts (``_shelf``).
"""

from collections.abc import Callable, Iterable
from typing import Any

import attrs

from monochat_billing.accounts import AccountState, ChargedUsage
from monochat_billing.adapters.memory._histories import History
from monochat_billing.balance import Books, Entry
from monochat_billing.counters import NOTHING_METERED, Counter, Metered, MeteredUsage
from monochat_billing.holds import Hold
from monochat_billing.lots import DEBT, Lot, insert
from monochat_billing.messages import NO_TRAFFIC, Message, Tally, Traffic
from monochat_billing.payments import TopUp
from monochat_billing.repositories import Changes, KeyRecord, RecordedEvent, Wanted
from monochat_billing.scheduling import ScheduledChange
from monochat_billing.subscriptions import Subscription


@attrs.define
class KeptAccount:
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
    histories: dict[str, History] = attrs.field(factory=dict)
    messages: dict[str, Message] = attrs.field(factory=dict)
    tallies: dict[str, Tally] = attrs.field(factory=dict)
    counters: dict[str, Counter] = attrs.field(factory=dict)
    metered: dict[str, MeteredUsage] = attrs.field(factory=dict)
    told: int = 0

    @property
    def gone(self) -> int:
        """Count the entries before the first one here, as a copy of an archived account lacks."""
        return self.entries[0].number - 1 if self.entries else 0

    def history(self, unit: str) -> History:
        """Give the entries of a unit; what is new is sorted in when somebody asks."""
        for place in range(self.told, len(self.entries)):  # islice would walk the whole past
            entry = self.entries[place]
            self.histories.setdefault(entry.unit, History()).take(entry)
        self.told = len(self.entries)
        return self.histories.setdefault(unit, History())

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
        self.state = live(changes.after)

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

    def with_corrections(self, asked: Iterable[int]) -> dict[int, Entry]:
        """Find entries by number, and all that correct them."""
        gone = self.gone
        numbers = {number for number in asked if gone < number <= gone + len(self.entries)}
        for number in tuple(numbers):
            numbers.update(self.corrections.get(number, ()))
        return {number: self.entries[number - gone - 1] for number in sorted(numbers)}

    def with_lots_of(self, entries: Iterable[Entry]) -> Books:
        """Put every lot that these entries name among the lots of its balance, spent ones too."""
        books = self.state.books
        for number in {number for entry in entries for number, _ in entry.parts if number != DEBT}:
            lot = self.lots[number]
            balance = books.balances[lot.unit]
            books = books.with_balance(balance.with_lots(insert(balance.lots, lot)))
        return books


def live(state: AccountState) -> AccountState:
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
