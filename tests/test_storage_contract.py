"""What every storage guarantees, at the level of its protocol.

One suite for all of them: a storage is right when it cannot be told from the one in memory, except
by what survives the process.
"""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import cast

import attrs
import pytest

from monochat_billing.accounts import AccountState
from monochat_billing.adapters.memory import MemoryStorage
from monochat_billing.adapters.sql import SqlStorage
from monochat_billing.audit import audit
from monochat_billing.balance import Entry, EntryKind, credit, debit, give_back
from monochat_billing.errors import (
    IdempotencyConflict,
    InsufficientFunds,
    StaleQuote,
    StorageError,
)
from monochat_billing.events import TopUpFailed
from monochat_billing.lots import Share
from monochat_billing.repositories import Changes, Reader, Storage, UnitOfWork, Wanted
from monochat_billing.scheduling import ScheduleMove
from monochat_billing.subscriptions import SubscriptionState
from tests.factories import (
    BUYER,
    START,
    and_then,
    charging,
    crediting,
    debiting,
    key_record,
    later,
    lira,
    load,
    memo,
    new_account,
    open_account,
    opening,
    promotion,
    save,
    scheduled,
    state_of,
    stored,
    subscription,
    top_up,
    usage,
    with_events,
)

Factory = Callable[[], Storage]


@pytest.fixture(params=["memory", "sqlite file", "sqlite in memory"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Storage]:
    """Give an empty storage of each kind."""
    kind = cast("str", request.param)
    if kind == "memory":
        yield MemoryStorage()
        return
    url = "sqlite://" if kind == "sqlite in memory" else f"sqlite:///{tmp_path / 'billing.db'}"
    with SqlStorage(url) as opened:
        yield opened


def everything(storage: Storage, account: str = "acme") -> object:
    """Read all that a storage holds of an account."""

    def work(reader: Reader) -> object:
        return (
            reader.load([Wanted(account)])[account],
            tuple(reader.entries(account, limit=10_000)),
            tuple(reader.lots(account)),
            tuple(reader.schedule(account)),
            tuple(reader.usage(account, limit=10_000)),
            tuple(reader.events(account, limit=10_000)),
            tuple(reader.accounts()),
            tuple(reader.due(later(days=10_000), 100)),
        )

    return storage.read(work)


def save_and_fail(unit: UnitOfWork) -> None:
    """Save a debit, then raise."""
    unit.save([debiting(state_of(load(unit)), lira("1"))])
    raise LookupError("after the save")


class TestAtomicity:
    """What one unit of work saves is kept as a whole or not at all."""

    def test_an_exception_leaves_nothing_and_propagates(self, storage: Storage) -> None:
        open_account(storage, funds="10")
        before = everything(storage)
        with pytest.raises(LookupError, match="after the save"):
            storage.write(save_and_fail)
        assert everything(storage) == before

    def test_an_exception_leaves_no_new_account(self, storage: Storage) -> None:
        def work(unit: UnitOfWork) -> None:
            load(unit)
            unit.save([opening()])
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            storage.write(work)
        assert stored(storage).state is None
        assert storage.read(lambda reader: tuple(reader.accounts())) == ()

    def test_a_storage_works_on_after_a_failure(self, storage: Storage) -> None:
        open_account(storage, funds="10")
        with pytest.raises(LookupError):
            storage.write(save_and_fail)
        save(storage, debiting(state_of(stored(storage)), lira("4")))
        assert state_of(stored(storage)).books.balance("TRY").posted == 6_000_000

    def test_several_accounts_stand_or_fall_together(self, storage: Storage) -> None:
        def work(unit: UnitOfWork) -> None:
            unit.load([Wanted("b"), Wanted("a")])
            wrong = attrs.evolve(opening("b"), entries=_entries_from_nowhere("b"))
            unit.save([opening("a"), wrong])

        with pytest.raises(StorageError, match="do not follow number 0"):
            storage.write(work)
        assert storage.read(lambda reader: tuple(reader.accounts())) == ()

    def test_what_work_returns_is_returned(self, storage: Storage) -> None:
        assert storage.write(lambda _: 7) == 7
        assert storage.read(lambda _: "seven") == "seven"

    def test_a_unit_of_work_that_saves_nothing_changes_nothing(self, storage: Storage) -> None:
        open_account(storage)
        before = everything(storage)
        storage.write(load)
        assert everything(storage) == before


def _entries_from_nowhere(account: str) -> tuple[Entry, ...]:
    changes = crediting(new_account(account), lira("1"))
    return crediting(changes.after, lira("1")).entries


class TestMisuse:
    """A save that cannot be right is refused, and nothing of it stands."""

    def test_an_account_that_was_not_loaded_cannot_be_saved(self, storage: Storage) -> None:
        with pytest.raises(StorageError, match="'acme' was not loaded"):
            storage.write(lambda unit: unit.save([opening()]))
        assert stored(storage).state is None

    @pytest.mark.parametrize("which", ["first again", "gap"])
    def test_entries_have_to_follow_those_that_are_stored(
        self, storage: Storage, which: str
    ) -> None:
        open_account(storage, funds="10")
        before = everything(storage)
        state = state_of(stored(storage))
        fresh = new_account() if which == "first again" else crediting(state, lira("1")).after
        changes = attrs.evolve(crediting(fresh, lira("5")), before=state)
        with pytest.raises(StorageError, match="do not follow number 1"):
            save(storage, changes)
        assert everything(storage) == before

    def test_a_stale_state_cannot_be_saved_over_a_newer_one(self, storage: Storage) -> None:
        open_account(storage, funds="10")
        stale = debiting(state_of(stored(storage)), lira("1"))
        save(storage, debiting(state_of(stored(storage)), lira("2")))
        with pytest.raises(StorageError, match="do not follow number 2"):
            save(storage, stale)
        assert state_of(stored(storage)).books.balance("TRY").posted == 8_000_000

    def test_a_unit_of_work_cannot_be_opened_within_another(self, storage: Storage) -> None:
        open_account(storage, funds="10")
        with pytest.raises(StorageError, match="open in this thread"):
            storage.write(lambda _: storage.write(load))
        save(storage, debiting(state_of(stored(storage)), lira("1")))


class TestSerialPerAccount:
    """Two writers on one account behave as if one came after the other."""

    def test_exactly_as_many_debits_succeed_as_are_funded(self, storage: Storage) -> None:
        funded, threads, each = 25, 8, 5
        open_account(storage, funds=str(funded))

        def debit_once(_: int) -> bool:
            try:
                storage.write(lambda unit: unit.save([debiting(state_of(load(unit)), lira("1"))]))
            except InsufficientFunds:
                return False
            return True

        with ThreadPoolExecutor(threads) as pool:
            done = list(pool.map(debit_once, range(threads * each)))
        assert done.count(True) == funded
        assert state_of(stored(storage)).books.balance("TRY").posted == 0
        entries = storage.read(lambda reader: reader.entries("acme"))
        assert [entry.number for entry in entries] == list(range(1, funded + 2))
        lots = storage.read(lambda reader: reader.lots("acme"))
        assert audit(state_of(stored(storage)).books, lots, entries).sound

    def test_one_of_many_opens_an_account(self, storage: Storage) -> None:
        started = threading.Barrier(6)

        def open_it(name: int) -> str:
            started.wait()

            def work(unit: UnitOfWork) -> str:
                state = load(unit).state
                if state is None:
                    unit.save([opening(zone=f"Etc/GMT+{name}")])
                    return "opened"
                return "found"

            return storage.write(work)

        with ThreadPoolExecutor(6) as pool:
            told = sorted(pool.map(open_it, range(1, 7)))
        assert told == ["found"] * 5 + ["opened"]
        events = storage.read(lambda reader: reader.events("acme"))
        assert [event.number for event in events] == [1]

    def test_crossing_units_of_work_all_end(self, storage: Storage) -> None:
        for name in "ab":
            open_account(storage, name, funds="100")

        def both(order: str) -> None:
            def work(unit: UnitOfWork) -> None:
                loaded = unit.load([Wanted(name) for name in order])
                unit.save([debiting(state_of(loaded[name]), lira("1")) for name in order])

            for _ in range(10):
                storage.write(work)

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(both, ["ab", "ba", "ab", "ba"]))
        left = [state_of(stored(storage, name)).books.balance("TRY").posted for name in "ab"]
        assert left == [60_000_000, 60_000_000]

    def test_a_read_sees_one_moment(self, storage: Storage) -> None:
        open_account(storage, funds="50")
        stop = threading.Event()

        def keep_debiting() -> int:
            for count in range(50):
                save(storage, debiting(state_of(stored(storage)), lira("1")))
                if stop.is_set():
                    return count
            return 50

        def look(reader: Reader) -> tuple[int, int]:
            entries = reader.entries("acme", limit=1000)
            state = state_of(reader.load([Wanted("acme")])["acme"])
            return entries[-1].number, state.books.sequence

        with ThreadPoolExecutor(1) as pool:
            writing = pool.submit(keep_debiting)
            seen = [storage.read(look) for _ in range(20)]
            stop.set()
            writing.result()
        assert [one for one in seen if one[0] != one[1]] == []


class TestLoading:
    """A load gives the live state, and of history what was asked for."""

    def test_an_account_that_does_not_exist_is_none(self, storage: Storage) -> None:
        loaded = storage.read(lambda reader: reader.load([Wanted("nobody"), Wanted("none")]))
        assert {name: one.state for name, one in loaded.items()} == {"nobody": None, "none": None}

    def test_an_account_comes_back_as_it_was_saved(self, storage: Storage) -> None:
        changes = opening(next_due_at=later(days=3))
        save(storage, changes)
        assert state_of(stored(storage)) == changes.after
        assert state_of(stored(storage)).account.profile == BUYER

    def test_an_account_without_profile_has_none(self, storage: Storage) -> None:
        open_account(storage, profile=None)
        assert state_of(stored(storage)).account.profile is None

    def test_balances_stand_in_the_order_of_the_currencies(self, storage: Storage) -> None:
        order = ("USD", "TRY", "EUR", "GBP")
        open_account(storage, currencies=order)
        assert tuple(state_of(stored(storage)).books.balances) == order

    def test_open_lots_are_loaded_in_burn_order(self, storage: Storage) -> None:
        open_account(storage, funds="10")
        save(storage, crediting(state_of(stored(storage)), lira("20"), promotion()))
        save(storage, crediting(state_of(stored(storage)), lira("30")))
        lots = state_of(stored(storage)).books.balance("TRY").lots
        assert [lot.number for lot in lots] == [2, 1, 3]
        assert lots[0].expires_at == later(days=30)
        assert lots[0].pays_for == promotion().pays_for

    def test_spent_lots_are_not_loaded_but_kept(self, storage: Storage) -> None:
        open_account(storage, funds="10")
        save(storage, crediting(state_of(stored(storage)), lira("30")))
        save(storage, debiting(state_of(stored(storage)), lira("15")))
        loaded = state_of(stored(storage)).books.balance("TRY").lots
        assert [(lot.number, lot.remaining) for lot in loaded] == [(2, 25_000_000)]
        kept = storage.read(lambda reader: reader.lots("acme"))
        assert [(lot.number, lot.remaining) for lot in kept] == [(1, 0), (2, 25_000_000)]

    def test_a_spent_lot_can_come_back(self, storage: Storage) -> None:
        open_account(storage, funds="10")
        state = state_of(stored(storage))
        spent = debiting(state, lira("10"))
        save(storage, spent)
        shares = _shares(state, "10")
        state = state_of(stored(storage))
        back = give_back(state.books, lira("4"), shares, memo(EntryKind.PRORATION_CREDIT), 2)
        assert back is not None
        save(storage, Changes(state, state.with_books(back.books), (back.entry,)))
        kept = storage.read(lambda reader: reader.lots("acme"))
        assert [(lot.number, lot.remaining) for lot in kept] == [(1, 4_000_000)]
        last = storage.read(lambda reader: reader.last_entries("acme", 1))
        assert last == (back.entry,)
        assert last[0].corrects == 2

    def test_subscriptions_come_back_in_their_order(self, storage: Storage) -> None:
        open_account(storage)
        state = state_of(stored(storage))
        first, second = subscription("zz"), subscription("aa", state=SubscriptionState.PAST_DUE)
        with_one = state.with_subscription(state.books, first)
        save(storage, Changes(state, with_one))
        with_two = with_one.with_subscription(with_one.books, second)
        save(storage, Changes(with_one, with_two))
        subscriptions = state_of(stored(storage)).subscriptions
        assert list(subscriptions.items()) == [("zz", first), ("aa", second)]

    def test_a_subscription_can_change(self, storage: Storage) -> None:
        open_account(storage)
        state = state_of(stored(storage))
        save(storage, Changes(state, state.with_subscription(state.books, subscription())))
        state = state_of(stored(storage))
        changed = attrs.evolve(subscription(), version=2, state=SubscriptionState.PAST_DUE)
        save(storage, Changes(state, state.with_subscription(state.books, changed)))
        assert state_of(stored(storage)).subscriptions == {"sub-1": changed}

    def test_pending_changes_are_loaded_and_decided_ones_when_asked(self, storage: Storage) -> None:
        open_account(storage)
        state = state_of(stored(storage))
        pending = scheduled("pending", requested_at=later(hours=1))
        done = scheduled("done").ended(ScheduleMove.APPLY, later(days=1), "as planned")
        save(storage, Changes(state, state.with_schedule([pending, done])))
        assert state_of(stored(storage)).schedule == {"pending": pending}
        asked = state_of(stored(storage, schedule=["done", "pending", "nothing"]))
        assert asked.schedule == {"done": done, "pending": pending}
        listed = storage.read(lambda reader: tuple(reader.schedule("acme")))
        assert listed == (done, pending)

    def test_a_change_that_is_decided_is_pending_no_more(self, storage: Storage) -> None:
        open_account(storage)
        state = state_of(stored(storage))
        save(storage, Changes(state, state.with_schedule([scheduled()])))
        state = state_of(stored(storage))
        revoked = scheduled().ended(ScheduleMove.REVOKE, later(days=1), "revoked")
        save(storage, Changes(state, state.with_schedule([revoked])))
        assert state_of(stored(storage)).schedule == {}
        assert state_of(stored(storage, schedule=["sch-1"])).schedule == {"sch-1": revoked}

    def test_top_ups_are_loaded_when_asked_and_found_by_reference(self, storage: Storage) -> None:
        open_account(storage)
        state = state_of(stored(storage))
        one, two = top_up("one"), top_up("two", checkout=None, set_aside=("p-1", "p-2"))
        after = state.with_top_up(state.books, one)
        save(storage, Changes(state, after.with_top_up(after.books, two)))
        assert state_of(stored(storage)).top_ups == {}
        asked = state_of(stored(storage, top_ups=["two", "three"]))
        assert asked.top_ups == {"two": two}
        assert storage.read(lambda reader: reader.top_up_account("sandbox", "one")) == "acme"
        assert storage.read(lambda reader: reader.top_up_account("other", "one")) is None

    def test_a_top_up_can_change(self, storage: Storage) -> None:
        open_account(storage)
        state = state_of(stored(storage))
        save(storage, Changes(state, state.with_top_up(state.books, top_up())))
        state = state_of(stored(storage, top_ups=["top-1"]))
        paid = attrs.evolve(top_up(), payment="p-9", entry=4)
        save(storage, Changes(state, state.with_top_up(state.books, paid)))
        assert state_of(stored(storage, top_ups=["top-1"])).top_ups == {"top-1": paid}

    def test_usage_is_known_when_asked(self, storage: Storage) -> None:
        open_account(storage, funds="1")
        save(storage, charging(state_of(stored(storage)), ["m-1", "m-2"]))
        assert state_of(stored(storage)).known_usage == frozenset()
        asked = state_of(stored(storage, usage=["m-2", "m-3"]))
        assert asked.known_usage == frozenset({"m-2"})

    def test_accounts_are_kept_apart(self, storage: Storage) -> None:
        for name in ("a", "b"):
            open_account(storage, name, funds="1")
            state = state_of(stored(storage, name))
            changes = charging(state, ["m-1"])
            record = key_record("k", f"of {name}", name)
            save(storage, attrs.evolve(changes, keys=(record,)))
        keys, messages = frozenset({"k"}), frozenset({"m-1"})
        wanted = [Wanted("a", keys, messages), Wanted("b", keys, messages), Wanted("c")]
        loaded = storage.read(lambda reader: reader.load(wanted))
        assert list(loaded) == ["a", "b", "c"]
        assert [loaded[name].keys["k"].outcome for name in ("a", "b")] == ["of a", "of b"]
        assert loaded["c"].state is None

    def test_ids_are_compared_as_they_are(self, storage: Storage) -> None:
        names = ["ACME", "acme", "aCme", "123", "ığüşöç", "a'; --", "1e3", "😀"]
        for name in names:
            open_account(storage, name, funds="1")
            state = state_of(stored(storage, name))
            save(storage, attrs.evolve(charging(state, names), keys=(key_record("Ğ1", 1, name),)))
        assert storage.read(lambda reader: list(reader.accounts())) == sorted(names)
        for name in names:
            loaded = stored(storage, name, keys=["Ğ1", "ğ1"], usage=[*names, "acmE", "1000"])
            assert state_of(loaded).account.id == name
            assert set(loaded.keys) == {"Ğ1"}
            assert state_of(loaded).known_usage == frozenset(names)


def _shares(state: AccountState, amount: str) -> tuple[Share, ...]:
    return debit(state.books, lira(amount), memo()).shares


class TestOrderAndPages:
    """Pages neither skip nor repeat, and everything has its order."""

    def test_entries_come_in_pages(self, storage: Storage) -> None:
        open_account(storage, funds="10")
        save(storage, charging(state_of(stored(storage)), [f"m-{n}" for n in range(6)]))

        def numbers(after: int, limit: int) -> list[int]:
            page = storage.read(lambda reader: reader.entries("acme", after=after, limit=limit))
            return [entry.number for entry in page]

        assert numbers(0, 3) == [1, 2, 3]
        assert numbers(3, 3) == [4, 5, 6]
        assert numbers(6, 3) == [7]
        assert numbers(7, 3) == []
        assert numbers(0, 0) == []

    def test_the_last_entries_come_in_ascending_order(self, storage: Storage) -> None:
        open_account(storage, funds="10")
        save(storage, charging(state_of(stored(storage)), ["a", "b", "c"]))
        for limit, numbers in [(2, [3, 4]), (9, [1, 2, 3, 4]), (0, [])]:
            last = storage.read(lambda reader: reader.last_entries("acme", limit))  # noqa: B023 - called at once
            assert [entry.number for entry in last] == numbers

    def test_entries_come_back_as_they_were_posted(self, storage: Storage) -> None:
        state = new_account()
        words = "İıĞğŞş 'tek' \"çift\" 👩💻€ ".ljust(500, "ü")
        posted = credit(
            state.books,
            lira("0.000001"),
            memo(EntryKind.GRANT, reason=words, reference="a'; -- %s {} \\", actor='"ğ" 😀'),
            promotion(),
        )
        save(storage, Changes(None, state.with_books(posted.books), (posted.entry,)))
        assert storage.read(lambda reader: reader.entries("acme")) == (posted.entry,)

    def test_usage_comes_in_the_order_it_was_stored(self, storage: Storage) -> None:
        open_account(storage, funds="10")
        save(storage, charging(state_of(stored(storage)), ["z", "y"]))
        state = state_of(stored(storage))
        free = usage("x", billable=False, reference="")
        save(storage, Changes(state, state.with_books(state.books), usage=(free,)))

        def ids(after: int, limit: int) -> list[str]:
            page = storage.read(lambda reader: reader.usage("acme", after=after, limit=limit))
            return [one.record.id for one in page]

        assert ids(0, 2) == ["z", "y"]
        assert ids(2, 2) == ["x"]
        assert ids(3, 2) == []
        stored_usage = storage.read(lambda reader: reader.usage("acme"))
        assert stored_usage == (usage("z", 2), usage("y", 3), free)

    def test_events_are_numbered_without_gaps(self, storage: Storage) -> None:
        open_account(storage, funds="10")
        for name in ("a", "b"):
            save(storage, charging(state_of(stored(storage)), [name]))
        page = storage.read(lambda reader: reader.events("acme", after=1, limit=5))
        assert [one.number for one in page] == [2, 3]
        first = storage.read(lambda reader: reader.events("acme", limit=1))
        assert first == opening().events
        assert state_of(stored(storage)).account.events == 3

    def test_account_ids_come_in_pages(self, storage: Storage) -> None:
        for name in ("b", "a", "d", "c"):
            open_account(storage, name)
        assert storage.read(lambda reader: reader.accounts(limit=3)) == ("a", "b", "c")
        assert storage.read(lambda reader: reader.accounts(after="c")) == ("d",)
        assert storage.read(lambda reader: reader.accounts(after="bb", limit=1)) == ("c",)

    def test_a_page_below_zero_is_empty_or_the_first(self, storage: Storage) -> None:
        """No number is too small to ask for: nothing is counted from the end."""
        open_account(storage, funds="10", next_due_at=START)
        save(storage, charging(state_of(stored(storage)), ["a", "b"]))
        save(storage, charging(state_of(stored(storage)), ["c"]))

        def sizes(after: int, limit: int) -> list[int]:
            return [
                len(storage.read(lambda reader: reader.entries("acme", after=after, limit=limit))),
                len(storage.read(lambda reader: reader.usage("acme", after=after, limit=limit))),
                len(storage.read(lambda reader: reader.events("acme", after=after, limit=limit))),
            ]

        assert sizes(-5, 100) == sizes(0, 100) == [4, 3, 3]
        assert sizes(-5, 2) == sizes(-1, 2) == [2, 2, 2]
        assert sizes(0, -1) == sizes(1, -7) == sizes(-3, -1) == [0, 0, 0]
        assert storage.read(lambda reader: reader.last_entries("acme", -1)) == ()
        assert storage.read(lambda reader: reader.accounts(limit=-1)) == ()
        assert storage.read(lambda reader: reader.due(START, -1)) == ()
        assert storage.read(lambda reader: reader.unsettled_top_ups("sandbox", limit=-1)) == ()

    def test_what_nobody_has_is_empty(self, storage: Storage) -> None:
        def work(reader: Reader) -> list[object]:
            return [
                reader.entries("x"),
                reader.last_entries("x", 3),
                reader.lots("x"),
                reader.schedule("x"),
                reader.usage("x"),
                reader.events("x"),
            ]

        assert storage.read(work) == [()] * 6


class TestDueWork:
    """What is due is found without a visit to the rest."""

    def test_the_longest_due_comes_first(self, storage: Storage) -> None:
        open_account(storage, "soon", next_due_at=later(hours=1))
        open_account(storage, "first", next_due_at=START)
        open_account(storage, "never")
        open_account(storage, "far", next_due_at=later(days=9))
        open_account(storage, "also first", next_due_at=START)

        def due(hours: int, limit: int) -> tuple[str, ...]:
            until = later(hours=hours)
            return tuple(storage.read(lambda reader: reader.due(until, limit)))

        assert due(1, 10) == ("also first", "first", "soon")
        assert due(1, 2) == ("also first", "first")
        assert due(0, 10) == ("also first", "first")
        assert due(-1, 10) == ()

    def test_an_account_moves_when_its_instant_does(self, storage: Storage) -> None:
        open_account(storage, "a", next_due_at=START)
        open_account(storage, "b", next_due_at=later(hours=1))

        def move(to: datetime | None) -> tuple[str, ...]:
            state = state_of(stored(storage, "a"))
            head = attrs.evolve(state.account, next_due_at=to)
            save(storage, Changes(state, attrs.evolve(state, account=head)))
            return tuple(storage.read(lambda reader: reader.due(later(days=9), 10)))

        assert move(later(hours=2)) == ("b", "a")
        assert move(None) == ("b",)
        assert move(START) == ("a", "b")


class TestKeys:
    """A key keeps the first result, for ever."""

    def test_results_and_refusals_come_back(self, storage: Storage) -> None:
        open_account(storage, funds="5")
        state = state_of(stored(storage))
        changes = debiting(state, lira("1"))
        refusals = [
            InsufficientFunds("acme", "TRY", "30", "5", "25"),
            StaleQuote("q-1", "the subscription changed"),
            IdempotencyConflict("acme", "k", "amount", "1 TRY", None),
        ]
        outcomes = {
            "entry": changes.entries[0],
            "nothing": None,
            "several": (subscription(), scheduled(), top_up()),
            **{type(one).__name__: one for one in refusals},
        }
        records = tuple(key_record(name, outcome) for name, outcome in outcomes.items())
        save(storage, attrs.evolve(changes, keys=records))
        found = stored(storage, keys=[*outcomes, "unknown"]).keys
        assert set(found) == set(outcomes)
        for name, outcome in outcomes.items():
            again = found[name]
            assert (again.account, again.key, again.recorded_at) == ("acme", name, START)
            assert list(again.content.items()) == list(records[0].content.items())
            if isinstance(outcome, Exception):
                assert type(again.outcome) is type(outcome)
                assert again.outcome.args == outcome.args
                assert str(again.outcome) == str(outcome)
            else:
                assert again.outcome == outcome

    def test_a_failed_unit_of_work_leaves_no_key(self, storage: Storage) -> None:
        open_account(storage, funds="5")

        def work(unit: UnitOfWork) -> None:
            changes = debiting(state_of(load(unit)), lira("1"))
            unit.save([attrs.evolve(changes, keys=(key_record("k", 1),))])
            raise LookupError

        with pytest.raises(LookupError):
            storage.write(work)
        assert stored(storage, keys=["k"]).keys == {}


class TestOutbox:
    """Events are stored with what made them true."""

    def test_events_come_back_as_they_were(self, storage: Storage) -> None:
        open_account(storage)
        state = state_of(stored(storage))
        event = TopUpFailed(account="acme", at=later(seconds=1), top_up="t", gateway="sandbox")
        save(storage, with_events(Changes(state, state), event, event))
        page = storage.read(lambda reader: reader.events("acme", after=1))
        assert [(one.account, one.number, one.event) for one in page] == [
            ("acme", 2, event),
            ("acme", 3, event),
        ]


class TestLargeUnits:
    """A batch is one unit of work, whatever its size."""

    def test_a_batch_of_messages_is_saved_whole(self, storage: Storage) -> None:
        open_account(storage, funds="100")
        names = [f"wamid.{n}" for n in range(2500)]
        changes = charging(state_of(stored(storage)), names)
        save(storage, changes)
        loaded = state_of(stored(storage, usage=[*names, "other"]))
        assert loaded.known_usage == frozenset(names)
        assert loaded.books.sequence == 2501
        entries = storage.read(lambda reader: reader.entries("acme", after=1, limit=3000))
        assert entries == changes.entries

    def test_many_accounts_are_one_unit_of_work(self, storage: Storage) -> None:
        names = [f"acc-{n:03}" for n in range(300)]

        def work(unit: UnitOfWork) -> None:
            loaded = unit.load([Wanted(name, frozenset({"k"})) for name in names])
            assert {one.state for one in loaded.values()} == {None}
            first = [opening(name) for name in names]
            unit.save([and_then(one, crediting(one.after, lira("3"))) for one in first])

        storage.write(work)
        wanted = [Wanted(name, frozenset({"k"})) for name in names]
        loaded = storage.read(lambda reader: reader.load(wanted))
        assert list(loaded) == names
        assert {state_of(one).books.balance("TRY").posted for one in loaded.values()} == {3_000_000}
