"""How an SQLite file is written: by one connection that is kept, and in runs of entries."""

import os
import sqlite3
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import attrs
import pytest
import sqlalchemy
from hypothesis import given, strategies as st
from sqlalchemy.pool import QueuePool

from monochat_billing import Billing, sample_catalog
from monochat_billing.adapters.sql import SqlStorage, _rows, _session, storage as _storage
from monochat_billing.adapters.sql._backends import Sqlite
from monochat_billing.adapters.sql._runs import run_of
from monochat_billing.adapters.sql._session import Session
from monochat_billing.balance import Entry, EntryKind, Exchange
from monochat_billing.errors import InvalidInput, StorageMisuse
from monochat_billing.holds import place_hold
from monochat_billing.repositories import Changes, Wanted
from monochat_billing.scheduling import ScheduleMove
from tests.factories import later, lira, open_account, save, scheduled, state_of, stored
from tests.interrupts import Interrupt
from tests.scene import memo
from tests.test_sql import debit

T = datetime(2026, 10, 5, tzinfo=UTC)
TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20)
UNITS = st.integers(-(2**63), 2**63 - 1)
PARTS = st.lists(st.tuples(UNITS, UNITS), min_size=0, max_size=3).map(tuple)


def connection_of(storage: SqlStorage) -> sqlite3.Connection:
    """Give the driver's connection that a write uses."""
    found: list[sqlite3.Connection] = []

    def look(session: Session) -> None:
        found.append(session._cursor.connection)  # type: ignore[attr-defined] # the driver's cursor

    storage._run("write", look)
    return found[0]


class TestTheWriter:
    """Writers take turns, so one connection is enough for all of them."""

    @pytest.fixture
    def storage(self, tmp_path: Path) -> SqlStorage:
        return SqlStorage(f"sqlite:///{tmp_path / 'billing.db'}")

    def test_it_is_kept_from_one_write_to_the_next(self, storage: SqlStorage) -> None:
        with storage:
            first = connection_of(storage)
            assert connection_of(storage) is first
            assert not first.in_transaction

    def test_it_is_given_up_with_a_write_that_fails(self, storage: SqlStorage) -> None:
        with storage:
            open_account(storage, funds="5")
            assert storage._writer is not None

            with pytest.raises(ZeroDivisionError):
                storage.write(lambda _: 1 // 0)
            given_up = storage._writer is None
            debit(storage)
            assert given_up
            assert state_of(stored(storage)).books.balance("TRY").posted == 4_000_000

    @pytest.mark.skipif(not hasattr(os, "fork"), reason="there are no forks")
    def test_a_forked_process_leaves_it_alone_before_any_thread_comes(
        self, storage: SqlStorage
    ) -> None:
        with storage:
            connection_of(storage)
            child = os.fork()
            if not child:
                os._exit(0 if storage._writer is None else 1)
            assert os.waitpid(child, 0)[1] == 0
            assert storage._writer is not None

    def test_it_is_closed_with_the_storage(self, storage: SqlStorage) -> None:
        connection = connection_of(storage)
        storage.close()
        with pytest.raises(sqlite3.ProgrammingError, match="closed"):
            connection.execute("SELECT 1")
        with pytest.raises(StorageMisuse, match="closed"):
            connection_of(storage)

    def test_a_write_that_ends_after_the_storage_gives_it_back(self, storage: SqlStorage) -> None:
        storage.write(lambda _: storage.close())
        assert storage._writer is None

    def test_it_is_not_kept_by_a_storage_that_is_closed_meanwhile(
        self, storage: SqlStorage, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Another thread may close the storage between any two lines of a write."""
        connection = connection_of(storage)
        kept = SqlStorage.__setattr__

        def close_first(self: SqlStorage, name: str, value: object) -> None:
            if name == "_writer" and value is not None:
                monkeypatch.undo()
                self.close()
            kept(self, name, value)

        monkeypatch.setattr(SqlStorage, "__setattr__", close_first)
        assert connection_of(storage) is connection
        assert storage._writer is None

    def test_an_interrupt_anywhere_leaves_nothing_locked(self, tmp_path: Path) -> None:
        """Neither the file nor the turn: the next thread writes at once, and this one after it."""
        url = f"sqlite:///{tmp_path / 'billing.db'}"
        with SqlStorage(url, busy_deadline=0) as storage, ThreadPoolExecutor(1) as other:
            open_account(storage, funds="5")
            line, stopped = 0, True
            while stopped:
                line += 1
                interrupt = Interrupt(line, _storage.__file__, _session.__file__)
                stopped = False
                try:
                    interrupt.run(partial(debit, storage, "0.01"))
                except KeyboardInterrupt as error:
                    stopped = error.__traceback__ is not None  # it holds on to what was open
                    other.submit(debit, storage, "0.01").result()
                    debit(storage, "0.01")
            assert line > 30

    def test_a_pool_of_the_hosts_is_not_starved(self, tmp_path: Path) -> None:
        """Where a host says how many connections there are, each is given back."""
        url = f"sqlite:///{tmp_path / 'billing.db'}"
        engine = sqlalchemy.create_engine(
            url, poolclass=QueuePool, pool_size=1, max_overflow=0, pool_timeout=0
        )
        with SqlStorage(engine) as storage:
            open_account(storage, funds="5")
            assert state_of(stored(storage)).books.balance("TRY").posted == 5_000_000
        engine.dispose()


def entry(number: int = 1, **fields: object) -> Entry:
    made = Entry(
        *("acme", number, "TRY", 6, -1, 9, EntryKind.CHARGE, "export", f"m-{number}", "ada"),
        *(T, T + timedelta(microseconds=1), ((1, -1),)),
    )
    return attrs.evolve(made, **fields)  # type: ignore[arg-type] # named by the test


def inserted(statement: str, rows: Sequence[Sequence[object]]) -> list[tuple[object, ...]]:
    """Insert rows into a table of that shape, and give what stands in it."""
    connection = sqlite3.connect(":memory:")
    try:
        names = [field.name for field in attrs.fields(Entry)]
        columns = ", ".join(["account_id", *names[1:]])
        connection.execute(f"CREATE TABLE billing_entries ({columns})")
        connection.executemany(statement, rows)
        return connection.execute("SELECT * FROM billing_entries").fetchall()
    finally:
        connection.close()


class TestRuns:
    """A run of entries stands in the table as its entries would have, one by one."""

    STATEMENTS = Sqlite(sqlalchemy.make_url("sqlite://"), None).statements

    @given(
        apart=st.lists(st.tuples(UNITS, UNITS, TEXTS, PARTS), min_size=8, max_size=12),
        shared=st.tuples(TEXTS, TEXTS, TEXTS, st.sampled_from(EntryKind)),
    )
    def test_it_is_what_its_entries_are(
        self,
        apart: list[tuple[int, int, str, tuple[tuple[int, int], ...]]],
        shared: tuple[str, str, str, EntryKind],
    ) -> None:
        reason, actor, hold, kind = shared
        entries = [
            entry(
                number,
                amount=amount,
                balance_after=after,
                reference=reference,
                parts=parts,
                reason=reason,
                actor=actor,
                hold=hold,
                kind=kind,
            )
            for number, (amount, after, reference, parts) in enumerate(apart, 1)
        ]
        run, one_by_one = run_of(entries), self.STATEMENTS.insert["billing_entries"].text
        assert run is not None
        assert self.STATEMENTS.insert_run is not None
        assert inserted(self.STATEMENTS.insert_run.text, [run]) == inserted(
            one_by_one, _rows.entry_rows(entries)
        )

    @pytest.mark.parametrize(
        "other",
        [
            {"account": "globex"},
            {"unit": "USD"},
            {"scale": 2},
            {"kind": EntryKind.GRANT},
            {"reason": "import"},
            {"actor": "bob"},
            {"effective_at": T + timedelta(days=1)},
            {"recorded_at": T + timedelta(days=1)},
            {"hold": "h-1"},
        ],
        ids=lambda other: next(iter(other)),
    )
    def test_what_differs_in_more_is_none(self, other: dict[str, object]) -> None:
        entries = [entry(number) for number in range(1, 9)]
        assert run_of(entries) is not None
        assert run_of([*entries, entry(9, **other)]) is None
        assert run_of([entry(9, **other), *entries]) is None

    def test_neither_are_few_nor_what_corrects_or_exchanges(self) -> None:
        exchange = Exchange(lira("1"), lira("2"), 2)  # type: ignore[arg-type] # any will do
        for fields in ({"corrects": 1}, {"exchange": exchange}):
            assert run_of([entry(number, **fields) for number in range(1, 20)]) is None
        assert run_of([entry(number) for number in range(1, 8)]) is None


class TestNoText:
    """What a database cannot keep as text is refused, and never half kept."""

    def test_a_run_leaves_it_to_the_driver_to_refuse(self) -> None:
        run = run_of([entry(number, reference="\ud800") for number in range(1, 9)])
        assert run is not None
        assert TestRuns.STATEMENTS.insert_run is not None
        with pytest.raises(UnicodeEncodeError):
            inserted(TestRuns.STATEMENTS.insert_run.text, [run])

    def test_a_run_has_none_that_would_be_cut(self) -> None:
        entries = [entry(number) for number in range(1, 9)]
        assert run_of([*entries, entry(9, reference="a\0b")]) is None
        assert run_of([*entries, entry(9, reference="a b")]) is not None

    @pytest.mark.parametrize("reference", ["\ud800", "a\0b", "a\nb", None, 5, "x" * 501])
    def test_a_batch_is_refused_for_one_item(self, reference: Any) -> None:  # noqa: ANN401 - that is the point
        with SqlStorage("sqlite://") as storage:
            open_account(storage, funds="50")
            billing = Billing(catalog=sample_catalog(), storage=storage)
            items = [(lira("1"), f"m-{number}") for number in range(9)]
            items.append((lira("1"), reference))
            with pytest.raises(InvalidInput, match=r"items: .* is no line of text"):
                billing.balances.debit_many("acme", items, reason="export", key="k")
            assert len(billing.balances.entries("acme")) == 1


class TestAskedLots:
    """Whoever asks for an entry gets the lots that it names, open or spent, once each."""

    def test_an_open_lot_is_not_there_twice(self) -> None:
        with SqlStorage("sqlite://") as storage:
            open_account(storage, funds="5")
            debit(storage, "2")
            wanted = [Wanted("acme", entries=frozenset({1, 2}))]
            state = state_of(storage.read(lambda reader: reader.load(wanted))["acme"])
            assert list(state.entries) == [1, 2]
            assert state.books == state_of(stored(storage)).books
            debit(storage, "3")
            state = state_of(storage.read(lambda reader: reader.load(wanted))["acme"])
            assert [lot.remaining for lot in state.books.balance("TRY").lots] == [0]


class TestOrder:
    """What an account holds is loaded in the order of its making, and then by id."""

    @pytest.fixture
    def storage(self) -> SqlStorage:
        opened = SqlStorage("sqlite://")
        open_account(opened, funds="5")
        return opened

    def test_of_changes_and_of_those_that_were_asked_for(self, storage: SqlStorage) -> None:
        state = state_of(stored(storage))
        changes = [
            scheduled("zz"),
            scheduled("b", requested_at=later(hours=1)),
            scheduled("a", requested_at=later(hours=1)),
            scheduled("m", requested_at=later(minutes=1)).ended(
                ScheduleMove.APPLY, later(days=1), "as planned"
            ),
        ]
        save(storage, Changes(state, state.with_schedule(changes)))
        assert list(state_of(stored(storage)).schedule) == ["zz", "a", "b"]
        assert list(state_of(stored(storage, schedule=["m"])).schedule) == ["zz", "m", "a", "b"]

    def test_of_holds_and_of_those_that_were_asked_for(self, storage: SqlStorage) -> None:
        for name, hours in (("zz", 0), ("b", 2), ("a", 2), ("m", 1)):
            state = state_of(stored(storage))
            placed = place_hold(
                state.books, lira("1"), memo(at=later(hours=hours)), hold_id=name, expires_at=None
            )
            save(storage, Changes(state, state.with_hold(placed.books, placed.hold)))
        assert list(state_of(stored(storage)).holds) == ["zz", "m", "a", "b"]
        asked = state_of(stored(storage, holds=["zz", "b"]))
        assert list(asked.holds) == ["zz", "m", "a", "b"]
