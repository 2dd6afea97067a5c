"""What a transaction reads: documents of two tables, and statements by replaying all entries."""

# What each method does is said by the protocol.
# ruff: noqa: D102

import json
import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from monochat_billing.accounts import Account, AccountState, ChargedUsage
from monochat_billing.adapters.sql.documents import read, read_any
from monochat_billing.balance import Balance, Books, Entry
from monochat_billing.counters import Counter, Metered, MeteredUsage
from monochat_billing.errors import StorageError
from monochat_billing.events import Event
from monochat_billing.holds import Hold
from monochat_billing.idempotency import KeyRecord
from monochat_billing.lots import DEBT, Lot, insert
from monochat_billing.messages import BusinessNumber, Message, SetAsideStatus, Tally, Traffic
from monochat_billing.payments import TopUp, TopUpState
from monochat_billing.readings import Movement, Place, Window, movements, pick, sum_upto
from monochat_billing.repositories import Loaded, RecordedEvent, Wanted
from monochat_billing.scheduling import ScheduledChange
from monochat_billing.subscriptions import Subscription

T = TypeVar("T")

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def ticks(at: datetime) -> int:
    """Give an instant in whole microseconds: exact, and in the order of time."""
    return (at - EPOCH) // timedelta(microseconds=1)


def reading(kind: type[T]) -> Callable[[str], T]:
    """Read documents of one type."""
    return lambda document: read(kind, document)


def key_of(account: str, document: str) -> KeyRecord:
    """Read what a key is remembered by."""
    key, content, outcome, recorded_at = json.loads(document)
    at = datetime.fromisoformat(recorded_at)
    return KeyRecord(account, key, content, read_any(outcome), at)


class SqliteReader:
    """Read within one transaction."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection

    def rows(self, query: str, *values: object) -> list[Any]:
        try:
            return self.connection.execute(query, values).fetchall()
        except sqlite3.Error as error:
            raise StorageError("read", str(error)) from error

    def things(self, account: str, kind: str, more: str = "", *values: object) -> list[str]:
        """Give the documents of one kind in their order."""
        query = f"SELECT document FROM things WHERE account = ? AND kind = ? {more}"  # noqa: S608 - our own words
        ordered = query if "ORDER BY" in more else f"{query} ORDER BY place, id"
        return [document for (document,) in self.rows(ordered, account, kind, *values)]

    def asked(self, account: str, kind: str, ids: Iterable[object]) -> list[str]:
        """Give the documents with these ids; there may be more ids than a query takes values."""
        names = json.dumps([str(one) for one in ids])
        return self.things(account, kind, "AND id IN (SELECT value FROM json_each(?))", names)

    def load(self, wanted: Sequence[Wanted]) -> Mapping[str, Loaded]:
        return {one.account: self.load_one(one) for one in wanted}

    def load_one(self, wanted: Wanted) -> Loaded:
        account = wanted.account
        head = self.rows("SELECT document, entry FROM accounts WHERE id = ?", account)
        if not head:
            return Loaded(None)
        entries = self.entries_with_corrections(account, wanted.entries)
        state = AccountState(
            account=read(Account, head[0][0]),
            books=Books(account, head[0][1], self.balances(account, entries.values())),
            subscriptions={
                one.id: one for one in self.subscriptions(account) if one.live or wanted.ended
            },
            schedule=self.live_or(account, "schedule", ScheduledChange, wanted.schedule),
            holds=self.live_or(account, "hold", Hold, wanted.holds),
            top_ups={
                one.id: one
                for one in map(reading(TopUp), self.asked(account, "top-up", wanted.top_ups))
            },
            known_usage=frozenset(
                one.record.id
                for one in map(reading(ChargedUsage), self.asked(account, "usage", wanted.usage))
            ),
            entries=entries,
            traffic=self.traffic(wanted),
            metered=self.at_hand(wanted),
        )
        keys = [key_of(account, one) for one in self.asked(account, "key", wanted.keys)]
        return Loaded(state, {one.key: one for one in keys})

    def entries_with_corrections(self, account: str, numbers: frozenset[int]) -> dict[int, Entry]:
        found = self.asked(account, "entry", numbers)
        names = json.dumps([str(one) for one in numbers])
        found += self.things(
            account, "entry", "AND found IN (SELECT value FROM json_each(?))", names
        )
        entries = {one.number: one for one in map(reading(Entry), found)}
        return dict(sorted(entries.items()))

    def balances(self, account: str, entries: Iterable[Entry]) -> dict[str, Balance]:
        named = {number for entry in entries for number, _ in entry.parts if number != DEBT}
        documents = self.things(account, "lot", "AND live") + self.asked(account, "lot", named)
        lots = {one.number: one for one in map(reading(Lot), documents)}
        balances: dict[str, Balance] = {}
        for balance in map(reading(Balance), self.things(account, "balance")):
            inside: tuple[Lot, ...] = ()
            for lot in lots.values():
                inside = insert(inside, lot) if lot.unit == balance.unit else inside
            balances[balance.unit] = balance.with_lots(inside)
        return balances

    def live_or(self, account: str, kind: str, of: type[T], ids: Iterable[str]) -> dict[str, T]:
        names = json.dumps(sorted(ids))
        more = "AND (live OR id IN (SELECT value FROM json_each(?)))"
        found: list[Any] = [read(of, one) for one in self.things(account, kind, more, names)]
        return {one.id: one for one in found}

    def traffic(self, wanted: Wanted) -> Traffic:
        messages = self.asked(wanted.account, "message", wanted.messages)
        tallies = {
            name: read(Tally, one)
            for name in sorted(wanted.tallies)
            for one in self.asked(wanted.account, "tally", [name])
        }
        return Traffic(
            messages={one.id: one for one in map(reading(Message), messages)}, tallies=tallies
        )

    def at_hand(self, wanted: Wanted) -> Metered:
        buckets = json.dumps(sorted(wanted.counters))
        more = "AND found IN (SELECT value FROM json_each(?))"
        counters = self.things(wanted.account, "counter", more, buckets)
        records = self.asked(wanted.account, "metered", wanted.metered)
        return Metered(
            counters={one.id: one for one in map(reading(Counter), counters)},
            records={one.record.id: one for one in map(reading(MeteredUsage), records)},
        )

    # ------------------------------------------------------------------------------------ lists

    def page(self, account: str, kind: str, after: int, limit: int) -> list[str]:
        more = "AND place > ? ORDER BY place LIMIT ?"
        return self.things(account, kind, more, max(after, 0), max(limit, 0))

    def entries(self, account: str, *, after: int = 0, limit: int = 100) -> Sequence[Entry]:
        return tuple(map(reading(Entry), self.page(account, "entry", after, limit)))

    def last_entries(self, account: str, limit: int) -> Sequence[Entry]:
        found = self.things(account, "entry", "ORDER BY place DESC LIMIT ?", max(limit, 0))
        return tuple(read(Entry, one) for one in reversed(found))

    def lots(self, account: str) -> Sequence[Lot]:
        return tuple(map(reading(Lot), self.things(account, "lot")))

    def subscriptions(self, account: str) -> Sequence[Subscription]:
        return tuple(map(reading(Subscription), self.things(account, "subscription")))

    def schedule(self, account: str) -> Sequence[ScheduledChange]:
        return tuple(map(reading(ScheduledChange), self.things(account, "schedule")))

    def holds(self, account: str) -> Sequence[Hold]:
        return tuple(map(reading(Hold), self.things(account, "hold")))

    def usage(self, account: str, *, after: int = 0, limit: int = 100) -> Sequence[ChargedUsage]:
        return tuple(map(reading(ChargedUsage), self.page(account, "usage", after, limit)))

    def events(self, account: str, *, after: int = 0, limit: int = 100) -> Sequence[RecordedEvent]:
        events: list[Event] = [read_any(one) for one in self.page(account, "event", after, limit)]
        first = max(after, 0) + 1
        return tuple(
            RecordedEvent(account, number, one) for number, one in enumerate(events, first)
        )

    def messages(self, account: str, *, after: str = "", limit: int = 100) -> Sequence[Message]:
        more = "AND id > ? ORDER BY id LIMIT ?"
        found = self.things(account, "message", more, after, max(limit, 0))
        return tuple(map(reading(Message), found))

    def tallies(self, account: str, prefix: str) -> Mapping[str, Tally]:
        query = "SELECT id, document FROM things WHERE account = ? AND kind = 'tally' ORDER BY id"
        found = self.rows(query, account)
        return {name: read(Tally, one) for name, one in found if name.startswith(prefix)}

    def metered(
        self, account: str, *, since: datetime, until: datetime, after: str = "", limit: int = 100
    ) -> Sequence[MeteredUsage]:
        more = "AND (place, id) > (?, ?) AND place < ? ORDER BY place, id LIMIT ?"
        bounds = (ticks(since), after, ticks(until), max(limit, 0))
        return tuple(map(reading(MeteredUsage), self.things(account, "metered", more, *bounds)))

    # --------------------------------------------------------------------------- across accounts

    def accounts(self, *, after: str = "", limit: int = 100) -> Sequence[str]:
        query = "SELECT id FROM accounts WHERE id > ? ORDER BY id LIMIT ?"
        return tuple(one for (one,) in self.rows(query, after, max(limit, 0)))

    def due(self, until: datetime, limit: int) -> Sequence[str]:
        query = "SELECT id FROM accounts WHERE due <= ? ORDER BY due, id LIMIT ?"
        return tuple(one for (one,) in self.rows(query, ticks(until), max(limit, 0)))

    def top_up_account(self, gateway: str, top_up: str) -> str | None:
        query = "SELECT account FROM routes WHERE gateway = ? AND top_up = ?"
        found = self.rows(query, gateway, top_up)
        return found[0][0] if found else None

    def unsettled_top_ups(
        self, gateway: str, *, after: tuple[str, str] = ("", ""), limit: int = 100
    ) -> Sequence[tuple[str, str]]:
        query = (
            "SELECT account, top_up FROM routes WHERE gateway = ? AND live"
            " AND (account, top_up) > (?, ?) ORDER BY account, top_up LIMIT ?"
        )
        return tuple(self.rows(query, gateway, *after, max(limit, 0)))

    def top_ups(self, gateway: str, *, after: str = "", limit: int = 100) -> Sequence[TopUp]:
        query = (
            "SELECT account, top_up FROM routes WHERE gateway = ? AND top_up > ?"
            " ORDER BY top_up LIMIT ?"
        )
        routes = self.rows(query, gateway, after, max(limit, 0))
        found = [one for account, name in routes for one in self.asked(account, "top-up", [name])]
        return tuple(map(reading(TopUp), found))

    def account_top_ups(
        self,
        account: str,
        *,
        before: tuple[datetime, str] | None = None,
        state: TopUpState | None = None,
        limit: int = 100,
    ) -> Sequence[TopUp]:
        at, identity = before or (datetime.max.replace(tzinfo=UTC), "")
        found = self.things(
            account,
            "top-up",
            "AND (place, id) < (?, ?) AND ? IN ('', found) ORDER BY place DESC, id DESC LIMIT ?",
            ticks(at),
            identity,
            "" if state is None else state.value,
            max(limit, 0),
        )
        return tuple(map(reading(TopUp), found))

    def numbers(self, ids: Sequence[str]) -> Mapping[str, BusinessNumber]:
        query = "SELECT document FROM strays WHERE kind = 'number' AND id = ?"
        found = [read(BusinessNumber, one) for name in ids for (one,) in self.rows(query, name)]
        return {one.id: one for one in found}

    def asides(
        self, *, number: str = "", after: str = "", limit: int = 100
    ) -> Sequence[SetAsideStatus]:
        query = (
            "SELECT document FROM strays WHERE kind = 'aside' AND id > ? AND ? IN ('', number)"
            " ORDER BY id LIMIT ?"
        )
        found = self.rows(query, after, number, max(limit, 0))
        return tuple(read(SetAsideStatus, one) for (one,) in found)

    # -------------------------------------------------------------------------------- statements

    def all_entries(self, window: Window) -> list[Entry]:
        return list(map(reading(Entry), self.things(window.account, "entry")))

    def statement_entries(self, window: Window, after: Place, limit: int) -> Sequence[Entry]:
        return pick(self.all_entries(window), window, after, max(limit, 0))

    def balance_upto(self, window: Window, place: Place) -> int:
        return sum_upto(self.all_entries(window), window, place)

    def movements(self, window: Window) -> Sequence[Movement]:
        lots = {lot.number: lot for lot in self.lots(window.account)}
        return movements(self.all_entries(window), window, lots)
