"""Storages that are broken on purpose, each in one way, for the kit to catch.

They stand on the one in memory, which is right: what goes in or comes out is spoiled on the way.
"""

# What is passed on is whatever the good one takes and gives.
# ruff: noqa: ANN401

import os
import pickle
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar, TypeVar, cast
from unittest import SkipTest

import attrs

from monochat_billing.adapters.memory import MemoryStorage
from monochat_billing.adapters.sql import SqlStorage
from monochat_billing.balance import BalanceState, Entry
from monochat_billing.errors import BillingError, StorageError
from monochat_billing.holds import HoldState
from monochat_billing.repositories import (
    Changes,
    KeyRecord,
    Loaded,
    Reader,
    Storage,
    UnitOfWork,
    Wanted,
)
from monochat_billing.testing.storage_kit import Capability, StorageBench

T = TypeVar("T")


class Unit:
    """Pass everything on to a good unit of work, or reader; subclasses spoil one thing."""

    def __init__(self, good: Any, keeper: Any) -> None:
        self.good = good
        self.keeper = keeper

    def __getattr__(self, name: str) -> Any:
        return getattr(self.good, name)


class Around:
    """Pass everything on to a good storage, through units of one kind."""

    unit: ClassVar[type[Unit]] = Unit

    def __init__(self, place: Path) -> None:
        self.good: Any = MemoryStorage()
        self.place = place
        self.notes: dict[Any, Any] = {}

    def read(self, work: Callable[[Reader], T]) -> T:
        found: T = self.good.read(lambda reader: work(self.unit(reader, self)))
        return found

    def write(self, work: Callable[[UnitOfWork], T]) -> T:
        found: T = self.good.write(lambda unit: work(self.unit(unit, self)))
        return found


class AroundMemory(StorageBench):
    """Open a storage around the one in memory."""

    storage: ClassVar[type[Around]] = Around
    has = frozenset({Capability.THREADS})
    lacks: ClassVar = dict.fromkeys(set(Capability) - has, "it is in memory")

    def open(self, place: Path) -> Storage:
        return self.storage(place)


def bench(storage: type[Around]) -> type[StorageBench]:
    """Give a bench that opens such a storage."""
    return type(f"Bench{storage.__name__}", (AroundMemory,), {"storage": storage})


def spoiled(unit: type[Unit]) -> type[StorageBench]:
    """Give a bench whose storage has such units."""
    return bench(type(f"Around{unit.__name__}", (Around,), {"unit": unit}))


def with_state(loaded: Mapping[str, Loaded], change: Callable[[Any], Any]) -> dict[str, Loaded]:
    """Change every state of a load."""
    return {
        name: one if one.state is None else attrs.evolve(one, state=change(one.state))
        for name, one in loaded.items()
    }


def with_balances(state: Any, change: Callable[[Any], Any]) -> Any:
    """Change every balance of a state."""
    balances = {unit: change(one) for unit, one in state.books.balances.items()}
    return state.with_books(attrs.evolve(state.books, balances=balances))


# --------------------------------------------------------------------------- what comes back wrong


class EventsOutOfOrder(Unit):
    """Give the newest event first."""

    def events(self, *args: Any, **named: Any) -> Any:
        return tuple(reversed(self.good.events(*args, **named)))


class LosesSpentLots(Unit):
    """Forget a lot when it is spent."""

    def lots(self, account: str) -> Any:
        return tuple(lot for lot in self.good.lots(account) if lot.remaining)


class WrongDueOrder(Unit):
    """Give what is due by name, so that somebody waits for ever."""

    def due(self, until: datetime, limit: int) -> Any:
        return tuple(sorted(self.good.due(until, 10_000)))[: max(limit, 0)]


class RepeatsAtPages(Unit):
    """Begin a page with the last entry of the page before."""

    def entries(self, account: str, *, after: int = 0, limit: int = 100) -> Any:
        return self.good.entries(account, after=max(after - 1, 0), limit=limit)


class CountsFromTheEnd(Unit):
    """Slice with whatever it was given."""

    def entries(self, account: str, *, after: int = 0, limit: int = 100) -> Any:
        return self.good.entries(account, limit=10_000)[after:][:limit]


class RoundsToCents(Unit):
    """Keep amounts in hundredths."""

    def load(self, wanted: Sequence[Wanted]) -> Any:
        def rounded(balance: Any) -> Any:
            return attrs.evolve(balance, posted=balance.posted // 10_000 * 10_000)

        return with_state(self.good.load(wanted), lambda state: with_balances(state, rounded))


class FloatMoney(Unit):
    """Pass balances through a binary float."""

    def load(self, wanted: Sequence[Wanted]) -> Any:
        def floated(balance: Any) -> Any:
            return attrs.evolve(balance, posted=int(float(balance.posted)))

        return with_state(self.good.load(wanted), lambda state: with_balances(state, floated))


class LosesACurrency(Unit):
    """Sort balances by name."""

    def load(self, wanted: Sequence[Wanted]) -> Any:
        def ordered(state: Any) -> Any:
            balances = dict(sorted(state.books.balances.items()))
            return state.with_books(attrs.evolve(state.books, balances=balances))

        return with_state(self.good.load(wanted), ordered)


class ResurrectsClosed(Unit):
    """Forget that a balance was closed."""

    def load(self, wanted: Sequence[Wanted]) -> Any:
        def opened(balance: Any) -> Any:
            return attrs.evolve(balance, state=BalanceState.OPEN)

        return with_state(self.good.load(wanted), lambda state: with_balances(state, opened))


class ReopensHolds(Unit):
    """Give every hold as it was placed."""

    def load(self, wanted: Sequence[Wanted]) -> Any:
        def reopened(state: Any) -> Any:
            holds = {
                name: attrs.evolve(one, state=HoldState.OPEN) for name, one in state.holds.items()
            }
            return attrs.evolve(state, holds=holds)

        return with_state(self.good.load(wanted), reopened)


class WholeSeconds(Unit):
    """Keep instants in whole seconds."""

    def load(self, wanted: Sequence[Wanted]) -> Any:
        def cut(state: Any) -> Any:
            account = state.account
            seen = account.as_of.replace(microsecond=0)
            return attrs.evolve(state, account=attrs.evolve(account, as_of=seen))

        return with_state(self.good.load(wanted), cut)


class ReplaysTodaysBalance(Unit):
    """Answer a repeated key with the balance of today."""

    def load(self, wanted: Sequence[Wanted]) -> Any:
        found = self.good.load(wanted)
        return {name: attrs.evolve(one, keys=self._today(one)) for name, one in found.items()}

    def _today(self, one: Loaded) -> dict[str, KeyRecord]:
        keys = dict(one.keys)
        for name, record in keys.items():
            if isinstance(record.outcome, Entry) and one.state is not None:
                posted = one.state.books.balance(record.outcome.unit).posted
                entry = attrs.evolve(record.outcome, balance_after=posted)
                keys[name] = attrs.evolve(record, outcome=entry)
        return keys


class SkipsAtOneInstant(Unit):
    """Page through top-ups by their instant alone."""

    def account_top_ups(
        self, account: str, *, before: Any = None, state: Any = None, limit: int = 100
    ) -> Any:
        cut = None if before is None else (before[0], "")
        return self.good.account_top_ups(account, before=cut, state=state, limit=limit)


class SettledTopUpsToo(Unit):
    """Ask about every top-up for ever."""

    def unsettled_top_ups(
        self, gateway: str, *, after: tuple[str, str] = ("", ""), limit: int = 100
    ) -> Any:
        routes = self.keeper.notes.setdefault("top-ups", set())
        found = sorted(one[1:] for one in routes if one[0] == gateway and one[1:] > after)
        return tuple(found[: max(limit, 0)])

    def save(self, changes: Sequence[Changes]) -> None:
        routes = self.keeper.notes.setdefault("top-ups", set())
        self.good.save(changes)
        for one in changes:
            routes |= {(top.gateway, top.account, top.id) for top in one.top_ups}


class GlobalKeys(Unit):
    """Find a key whoever used it first."""

    def load(self, wanted: Sequence[Wanted]) -> Any:
        known = self.keeper.notes
        return {
            name: attrs.evolve(one, keys={key: known[key] for key in asked.keys if key in known})
            for (name, one), asked in zip(self.good.load(wanted).items(), wanted, strict=True)
        }

    def save(self, changes: Sequence[Changes]) -> None:
        self.good.save(changes)
        for one in changes:
            for record in one.keys:
                self.keeper.notes.setdefault(record.key, record)


class FoldsCase(Unit):
    """Take ids that differ in case for one."""

    def load(self, wanted: Sequence[Wanted]) -> Any:
        names = self.keeper.notes
        asked = [
            attrs.evolve(one, account=names.get(one.account.lower(), one.account)) for one in wanted
        ]
        found = self.good.load(asked)
        return {one.account: found[to.account] for one, to in zip(wanted, asked, strict=True)}

    def save(self, changes: Sequence[Changes]) -> None:
        self.good.save(changes)
        for one in changes:
            self.keeper.notes.setdefault(one.after.account.id.lower(), one.after.account.id)


# --------------------------------------------------------------------------- what is kept wrong


class ForgetsRefusals(Unit):
    """Remember only what went well."""

    def save(self, changes: Sequence[Changes]) -> None:
        kept = [
            attrs.evolve(
                one,
                keys=tuple(key for key in one.keys if not isinstance(key.outcome, BillingError)),
            )
            for one in changes
        ]
        self.good.save(kept)


class IgnoresKnownKeys(Unit):
    """Say nothing when a key is there already."""

    def save(self, changes: Sequence[Changes]) -> None:
        kept = []
        for one in changes:
            names = frozenset(key.key for key in one.keys)
            account = one.after.account.id
            known = self.good.load([Wanted(account, names)])[account].keys
            fresh = {key.key: key for key in one.keys if key.key not in known}
            kept.append(attrs.evolve(one, keys=tuple(fresh.values())))
        self.good.save(kept)


class OverwritesIds(Unit):
    """Put a new top-up in the place of an old one with its id."""

    def save(self, changes: Sequence[Changes]) -> None:
        kept = []
        for one in changes:
            account, ids = one.after.account.id, frozenset(top.id for top in one.top_ups)
            found = self.good.load([Wanted(account, top_ups=ids)])[account].state
            if found is not None and one.before is not None:
                one = attrs.evolve(one, before=attrs.evolve(one.before, top_ups=found.top_ups))  # noqa: PLW2901 - it is replaced
            kept.append(one)
        self.good.save(kept)


class StaleSecondLoad(Unit):
    """Give at a second load what the first one gave."""

    def load(self, wanted: Sequence[Wanted]) -> Any:
        seen = self.__dict__.setdefault("seen", {})
        for name, one in self.good.load(wanted).items():
            seen.setdefault(name, one)
        return {one.account: seen[one.account] for one in wanted}


class SwallowsErrors(Around):
    """Return as if all were well."""

    def write(self, work: Callable[[UnitOfWork], T]) -> T:
        with suppress(Exception):
            return super().write(work)
        return None  # type: ignore[return-value]


class WrapsErrors(Around):
    """Raise an error of its own for every error of the work."""

    def write(self, work: Callable[[UnitOfWork], T]) -> T:
        try:
            return super().write(work)
        except Exception as error:
            raise StorageError("write", str(error)) from error


class SkipsWhatItCannot(Around):
    """Leave the case when it becomes difficult."""

    def write(self, work: Callable[[UnitOfWork], T]) -> T:
        raise SkipTest("not today")


class Forgiving(Unit):
    """Go on when a save was refused."""

    def save(self, changes: Sequence[Changes]) -> None:
        names = [one.after.account.id for one in changes]
        found = self.keeper.shadow.read(
            lambda reader: reader.load([Wanted(name) for name in names])
        )
        pending = self.keeper.pending
        for one in changes:
            state = found[one.after.account.id].state
            last = pending.get(one.after.account.id, state.books.sequence if state else 0)
            wrong = one.misfit(
                exists=state is not None or last > 0,
                entry=last,
                event=one.after.account.events - len(one.events),
            )
            if wrong:
                raise StorageError("save", wrong)
            pending[one.after.account.id] = one.after.books.sequence
        self.good.save(changes)


class ForgivesAFailedSave(Around):
    """Commit the rest when one save of a unit of work was refused."""

    unit = Forgiving

    def write(self, work: Callable[[UnitOfWork], T]) -> T:
        self.shadow, self.pending = self.good, dict[str, int]()

        class Recorder(Unit):
            """Collect what is saved, so that it is the kit's own save that fails."""

        found: list[Changes] = []

        def run(reader: Reader) -> T:
            unit: Any = Recorder(reader, self)
            unit.save = found.extend
            unit.keeper.shadow = _Committed(reader)
            return work(cast("UnitOfWork", Forgiving(unit, self)))

        result: T = self.good.read(run)
        for one in found:
            _AtOnce(self.good).save([one])
        return result


@attrs.define
class _Committed:
    """Read through a reader that is open."""

    reader: Any

    def read(self, work: Callable[[Any], T]) -> T:
        return work(self.reader)


class SavesAtOnce(Around):
    """Commit every save by itself."""

    def __init__(self, place: Path) -> None:
        super().__init__(place)
        self.turn = threading.RLock()

    def write(self, work: Callable[[UnitOfWork], T]) -> T:
        with self.turn:
            return work(cast("UnitOfWork", _AtOnce(self.good)))


class _AtOnce:
    """Be a unit of work whose every call is one of its own."""

    def __init__(self, good: Any) -> None:
        self.good = good

    def __getattr__(self, name: str) -> Any:
        return lambda *args, **named: self.good.read(
            lambda reader: getattr(reader, name)(*args, **named)
        )

    def save(self, changes: Sequence[Changes]) -> None:
        def work(unit: UnitOfWork) -> None:
            unit.load([Wanted(one.after.account.id) for one in changes])
            unit.save(changes)

        self.good.write(work)


class ShowsUncommitted(SavesAtOnce):
    """Let others see what is saved and not committed, and take it back when it fails."""

    def __init__(self, place: Path) -> None:
        super().__init__(place)
        self.log: list[Changes] = []

    def write(self, work: Callable[[UnitOfWork], T]) -> T:
        with self.turn:
            unit = _AtOnce(self.good)
            saved: list[Changes] = []
            keep = unit.save

            def save(changes: Sequence[Changes]) -> None:
                keep(changes)
                saved.extend(changes)

            unit.save = save  # type: ignore[method-assign]
            try:
                result = work(cast("UnitOfWork", unit))
            except BaseException:
                self.good = MemoryStorage()
                for one in self.log:
                    _AtOnce(self.good).save([one])
                raise
            self.log += saved
            return result


class LosesUpdates(Around):
    """Read, decide, and only then take the lock: whoever comes last wins."""

    def write(self, work: Callable[[UnitOfWork], T]) -> T:
        found: list[Changes] = []

        def decide(reader: Reader) -> T:
            unit: Any = Unit(reader, self)
            unit.save = found.extend
            return work(unit)

        result: T = self.good.read(decide)
        threading.Event().wait(0.0001)  # the moment in which somebody else comes

        def keep(unit: UnitOfWork) -> None:
            names = [one.after.account.id for one in found]
            loaded = unit.load([Wanted(name) for name in names])
            unit.save(list(_rebased(found, loaded)))

        self.good.write(keep)
        return result


def _rebased(found: Sequence[Changes], loaded: Mapping[str, Loaded]) -> Iterator[Changes]:
    """Write what was decided over what is there now, with numbers that follow."""
    for one in found:
        now = loaded[one.after.account.id].state
        if now is None or one.before is None:
            if now is None:
                yield one
            continue
        entries = now.books.sequence - one.before.books.sequence
        events = now.account.events - one.before.account.events
        books = attrs.evolve(one.after.books, sequence=one.after.books.sequence + entries)
        head = attrs.evolve(one.after.account, events=one.after.account.events + events)
        yield attrs.evolve(
            one,
            before=now,
            after=attrs.evolve(one.after, books=books, account=head),
            entries=tuple(attrs.evolve(e, number=e.number + entries) for e in one.entries),
            events=tuple(attrs.evolve(e, number=e.number + events) for e in one.events),
        )


class KeysOutside(Around):
    """Keep keys in another place than the entries, in a transaction of their own."""

    class Spoiled(Unit):
        """Note keys at once, whatever becomes of the unit of work."""

        def load(self, wanted: Sequence[Wanted]) -> Any:
            notes = self.keeper.notes
            return {
                name: attrs.evolve(
                    one,
                    keys={k: notes[name, k] for k in asked.keys if (name, k) in notes},
                )
                for (name, one), asked in zip(self.good.load(wanted).items(), wanted, strict=True)
            }

        def save(self, changes: Sequence[Changes]) -> None:
            self.good.save(changes)
            for one in changes:
                for record in one.keys:
                    self.keeper.notes[record.account, record.key] = record

    unit = Spoiled


# ----------------------------------------------------------------------- files and processes


class WritesLater(Around):
    """Keep everything in memory and write it down when the storage is closed."""

    def __init__(self, place: Path) -> None:
        super().__init__(place)
        self.log: list[Changes] = []
        self.file = place / "log"
        if self.file.exists():
            self.log = pickle.loads(self.file.read_bytes())  # noqa: S301 - written a moment ago
            for one in self.log:
                _AtOnce(self.good).save([one])

    class Spoiled(Unit):
        """Note what is saved."""

        def save(self, changes: Sequence[Changes]) -> None:
            self.good.save(changes)
            self.keeper.log.extend(changes)

    unit = Spoiled

    def close(self) -> None:
        self.file.write_bytes(pickle.dumps(self.log))


class BenchWritesLater(AroundMemory):
    """Claim that it survives a crash."""

    storage = WritesLater
    has = frozenset({Capability.THREADS, Capability.DURABLE, Capability.CRASH})
    lacks: ClassVar = {Capability.PROCESSES: "each process has a copy"}


class BenchForgetsAtClosing(AroundMemory):
    """Claim that it keeps what it has."""

    has = frozenset({Capability.THREADS, Capability.DURABLE})
    lacks: ClassVar = {
        Capability.PROCESSES: "it is in memory",
        Capability.CRASH: "it is in memory",
    }


class BenchImpatient(StorageBench):
    """Give up as soon as somebody else writes."""

    has = frozenset(Capability)

    def open(self, place: Path) -> Storage:
        return SqlStorage(f"sqlite:///{place / 'billing.db'}", busy_deadline=0)

    def warm(self) -> None:
        SqlStorage("sqlite://").close()


class BenchACopyForEach(AroundMemory):
    """Claim that processes share it."""

    storage = WritesLater
    has = frozenset({Capability.THREADS, Capability.DURABLE, Capability.PROCESSES})
    lacks: ClassVar = {Capability.CRASH: "it writes when it is closed"}


class FavorsTheFirst(Around):
    """Let the process that came first write at once, and all others later."""

    def __init__(self, place: Path) -> None:
        super().__init__(place)
        self.good = SqlStorage(f"sqlite:///{place / 'billing.db'}")
        self.first = place / "first"

    def write(self, work: Callable[[UnitOfWork], T]) -> T:
        with suppress(FileExistsError), self.first.open("x") as file:
            file.write(str(os.getpid()))
        if self.first.read_text() != str(os.getpid()):
            threading.Event().wait(0.2)
        return super().write(work)

    def close(self) -> None:
        self.good.close()
        self.first.unlink(missing_ok=True)


class BenchFavorsTheFirst(AroundMemory):
    """Be unfair to all processes but one."""

    storage = FavorsTheFirst
    has = frozenset(Capability)
    lacks: ClassVar = {}

    def warm(self) -> None:
        SqlStorage("sqlite://").close()
