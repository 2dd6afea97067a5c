"""What statements ask of a storage: every adapter answers as a replay of all entries does."""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from functools import partial
from itertools import count, pairwise
from typing import final
from zoneinfo import ZoneInfo

import attrs
import pytest
from hypothesis import example, given, strategies as st

from monochat_billing.accounts import AccountState
from monochat_billing.adapters.memory import MemoryStorage
from monochat_billing.adapters.sql import SqlStorage
from monochat_billing.balance import Entry, EntryKind, Memo, Posted, credit, debit
from monochat_billing.consumption import Consumption, consumption
from monochat_billing.lots import Lot
from monochat_billing.money import from_units
from monochat_billing.readings import (
    Movement,
    Place,
    Reading,
    Window,
    balance_at,
    movements,
    pick,
    sum_upto,
    with_due,
)
from monochat_billing.repositories import Changes, Reader, Storage, UnitOfWork
from monochat_billing.statements import Cursor, Statement, statement
from monochat_billing.units import Amount, count_of
from tests.factories import START, load, open_account, promotion, save, state_of, stored

ZONE = "Europe/Istanbul"
ISTANBUL = ZoneInfo(ZONE)
READINGS = list(Reading)


@final
@attrs.frozen
class Move:
    """One entry to be: how long after the one before it is recorded, and how late it is then."""

    unit: str = "TRY"
    units: int = 1
    wait: int = 1
    late: int = 0
    promotional: bool = False


moves = st.builds(
    Move,
    unit=st.sampled_from(["TRY", "TRY", "USD"]),
    units=st.integers(-9, 9).filter(bool),
    wait=st.integers(0, 3),
    late=st.sampled_from([0, 0, 0, 1, 2, 5, 40]),
    promotional=st.booleans(),
)
walks = st.lists(moves, max_size=12)
days = st.integers(-45, 45)


def day(number: int) -> datetime:
    return START + timedelta(days=number)


def post(state: AccountState, walk: Sequence[Move], since: int = 0) -> Changes:
    """Post a walk; what cannot be paid is left out."""
    books, entries, recorded = state.books, list[Entry](), since
    for number, move in enumerate(walk):
        recorded += move.wait
        amount = from_units(abs(move.units) * 1_000, move.unit)
        kind = EntryKind.TOP_UP if move.units > 0 else EntryKind.MESSAGE_FEE
        if move.units < -6:
            kind = EntryKind.PLAN_FEE
        memo = Memo(kind, day(recorded - move.late), day(recorded), f"move {number}")
        posted: Posted
        if move.units > 0:
            terms = attrs.evolve(promotion(), expires_at=day(900))
            posted = credit(books, amount, memo, *([terms] if move.promotional else []))
        else:
            balance = books.balance(move.unit)
            if balance.available(kind.pays_for, memo.effective_at) < abs(move.units) * 1_000:
                continue
            posted = debit(books, amount, memo)
        books = posted.books
        entries.append(posted.entry)
    return Changes(state, state.with_books(books), tuple(entries))


@final
@attrs.frozen
class Shelf:
    """Hold an account of its own on one storage, and ask about it."""

    storage: Storage
    account: str

    def fill(self, walk: Sequence[Move], since: int = 0) -> tuple[Entry, ...]:
        """Store a walk and give every entry that the account then has."""
        self.save(self.ahead(walk, since))
        return tuple(self.storage.read(lambda reader: reader.entries(self.account, limit=10_000)))

    def ahead(self, walk: Sequence[Move], since: int) -> Changes:
        return post(state_of(stored(self.storage, self.account)), walk, since)

    def save(self, changes: Changes) -> None:
        save(self.storage, changes)

    def lots(self) -> dict[int, Lot]:
        found = self.storage.read(lambda reader: reader.lots(self.account))
        return {lot.number: lot for lot in found}

    def entries(self, span: Window, after: Place, limit: int) -> Sequence[Entry]:
        return self.storage.read(lambda reader: reader.statement_entries(span, after, limit))

    def balance(self, span: Window, place: Place) -> int:
        return self.storage.read(lambda reader: reader.balance_upto(span, place))

    def movements(self, span: Window) -> Sequence[Movement]:
        return self.storage.read(lambda reader: reader.movements(span))

    def page(self, span: Window, size: int = 1000, after: Cursor | None = None) -> Statement:
        return self.storage.read(
            lambda reader: statement(reader, span, scale=6, zone=ZONE, after=after, limit=size)
        )

    def consumption(self, span: Window, now: datetime) -> Consumption:
        return self.storage.read(
            lambda reader: consumption(reader, span, scale=6, zone=ZONE, now=now)
        )

    def with_due(self, due: Changes, span: Window, place: Place) -> tuple[object, ...]:
        """Ask everything of what is stored and what is due together."""
        lots = {lot.number: lot for lot in due.lots}

        def work(reader: Reader) -> tuple[object, ...]:
            source = with_due(reader, due.entries, lots)
            return (
                tuple(source.statement_entries(span, span.start, 100)),
                tuple(source.statement_entries(span, span.start, 3)),
                source.balance_upto(span, place),
                joined(source.movements(span)),
            )

        return self.storage.read(work)


Shelves = Callable[[], list[Shelf]]
NAMES = count(1)


@pytest.fixture(scope="module")
def shelves() -> Iterator[Shelves]:
    """Open a new account on a storage of each kind; the storages last as long as this file."""
    with SqlStorage("sqlite://") as sqlite:
        kinds: list[Storage] = [MemoryStorage(), sqlite]

        def fresh() -> list[Shelf]:
            account = f"acc-{next(NAMES)}"
            for storage in kinds:
                open_account(storage, account)
            return [Shelf(storage, account) for storage in kinds]

        yield fresh


def joined(moved: Sequence[Movement]) -> dict[tuple[EntryKind, int], tuple[object, ...]]:
    """Add up movements of one kind and lot."""
    sums: dict[tuple[EntryKind, int], tuple[object, ...]] = {}
    for one in moved:
        _, _, credited, debited = sums.get((one.kind, one.lot), ("", "", 0, 0))
        assert isinstance(credited, int)
        assert isinstance(debited, int)
        sums[one.kind, one.lot] = (
            one.origin,
            one.source,
            credited + one.credited,
            debited + one.debited,
        )
    return sums


def window(
    unit: str, reading: Reading, since: int | None, until: int | None, through: int = 10**6
) -> Window:
    return Window(
        account="acme",
        unit=unit,
        reading=reading,
        since=None if since is None else day(since),
        until=None if until is None else day(until),
        through=through,
    )


windows = st.builds(
    window,
    st.sampled_from(["TRY", "USD"]),
    st.sampled_from(READINGS),
    st.none() | days,
    st.none() | days,
    st.integers(0, 14),
)

places = st.builds(lambda on, number: Place(day(on), number), days, st.integers(0, 14))


def of(shelf: Shelf, span: Window) -> Window:
    return attrs.evolve(span, account=shelf.account)


class TestSources:
    """A source is right when it cannot be told from a replay."""

    @given(walks, windows, places, st.integers(0, 15))
    @example(
        [Move(units=9), Move(units=-2, late=1)],
        window("TRY", Reading.AS_EFFECTIVE, 0, 9),
        Place(START, 0),
        9,
    )
    def test_every_answer_is_that_of_a_replay(
        self, shelves: Shelves, walk: list[Move], asked: Window, place: Place, limit: int
    ) -> None:
        for shelf in shelves():
            entries, span = shelf.fill(walk), of(shelf, asked)
            assert shelf.entries(span, place, limit) == pick(entries, span, place, limit)
            assert shelf.balance(span, place) == sum_upto(entries, span, place)
            replayed = movements(entries, span, shelf.lots())
            assert joined(shelf.movements(span)) == joined(replayed)

    @given(walks, walks, windows, days)
    def test_what_is_due_counts_as_if_it_were_stored(
        self, shelves: Shelves, walk: list[Move], due: list[Move], asked: Window, on: int
    ) -> None:
        """Answers for stored entries and due ones together are those after they are stored."""
        for shelf in shelves():
            shelf.fill(walk)
            ahead, span = shelf.ahead(due, 40), of(shelf, asked)
            before = shelf.with_due(ahead, span, Place.after(day(on)))
            shelf.save(ahead)
            nothing = attrs.evolve(ahead, entries=())
            assert shelf.with_due(nothing, span, Place.after(day(on))) == before

    def test_what_nobody_has_is_empty(self, shelves: Shelves) -> None:
        span = window("TRY", Reading.AS_EFFECTIVE, None, None)
        for shelf in shelves():
            assert shelf.entries(span, span.start, 5) == ()
            assert shelf.balance(span, Place.after(START)) == 0
            assert shelf.movements(span) == ()

    def test_a_unit_of_work_answers_too(self, shelves: Shelves) -> None:
        for shelf in shelves():
            shelf.fill([Move(units=5, wait=0)])
            span = of(shelf, window("TRY", Reading.AS_RECORDED, None, None))
            found = shelf.storage.write(partial(_balance_in_a_unit, span=span))
            assert found == 5_000


def _balance_in_a_unit(unit: UnitOfWork, span: Window) -> int:
    load(unit, span.account)
    return unit.balance_upto(span, Place.after(START))


class TestPages:
    """Pages joined are the whole, whatever their size and whatever is posted meanwhile."""

    @given(walks, walks, windows, st.integers(1, 5))
    def test_pages_joined_are_the_whole(
        self,
        shelves: Shelves,
        walk: list[Move],
        meanwhile: list[Move],
        asked: Window,
        size: int,
    ) -> None:
        """What is posted between two pages, backdated or not, is in none of them."""
        for shelf in shelves():
            entries = shelf.fill(walk)
            span = attrs.evolve(of(shelf, asked), through=min(asked.through, len(entries)))
            whole = shelf.page(span)
            found = pick(entries, span, span.start)
            assert tuple(line.entry for line in whole.lines) == found
            pages = [shelf.page(span, size)]
            while (following := pages[-1].next) is not None:
                shelf.fill(meanwhile[:3], 40 + 10 * len(pages))
                cursor = Cursor.parse(following, span)
                pages.append(shelf.page(attrs.evolve(span, through=10**9), size, cursor))
            assert [line for page in pages for line in page.lines] == list(whole.lines)
            assert [len(page.lines) for page in pages[:-1]] == [size] * (len(pages) - 1)
            assert (pages[0].opening, pages[-1].closing) == (whole.opening, whole.closing)
            for first, second in pairwise(pages):
                assert first.closing == second.opening
            for page in [*pages, whole]:
                check_sums(page)

    @given(walks, st.sampled_from(READINGS), days)
    def test_a_past_balance_is_that_of_a_replay(
        self, shelves: Shelves, walk: list[Move], reading: Reading, on: int
    ) -> None:
        """Whatever happened at the instant is part of it."""
        for shelf in shelves():
            entries = shelf.fill(walk)
            expected = 0
            for entry in entries:
                recorded = reading is Reading.AS_RECORDED
                at = entry.recorded_at if recorded else entry.effective_at
                if entry.unit == "TRY" and at <= day(on):
                    expected += entry.amount
            assert balance_at(entries, "TRY", day(on), reading) == expected
            span = of(shelf, window("TRY", reading, None, None))
            assert shelf.balance(span, Place.after(day(on))) == expected

    @pytest.mark.parametrize("reading", READINGS)
    def test_a_page_goes_on_in_the_midst_of_an_instant(
        self, shelves: Shelves, reading: Reading
    ) -> None:
        """Many entries of one instant come in the order of their numbers."""
        for shelf in shelves():
            entries = shelf.fill([Move(units=9, wait=0)] * 20 + [Move(units=-1, wait=0)] * 150)
            middle = reading.place(entries[100])
            span = of(shelf, window("TRY", reading, None, None))
            page = shelf.page(span, 5, Cursor(reading, middle, 170))
            assert [line.entry.number for line in page.lines] == [102, 103, 104, 105, 106]
            assert page.opening == entries[100].balance_money


def units(amount: Amount) -> int:
    return count_of(amount, 6)


def check_sums(page: Statement) -> None:
    running = units(page.opening)
    for line in page.lines:
        running += line.entry.amount
        assert units(line.balance) == running
    assert units(page.closing) == running
    assert units(page.opening) + units(page.credited) + units(page.debited) == running


class TestConsumption:
    """Whatever it is grouped by, it adds up to what the statement moved."""

    @given(walks, windows)
    def test_every_grouping_is_the_movement(
        self, shelves: Shelves, walk: list[Move], asked: Window
    ) -> None:
        found: list[Consumption] = []
        for shelf in shelves():
            shelf.fill(walk)
            span = of(shelf, asked)
            page, used = shelf.page(span), shelf.consumption(span, day(50))
            found.append(used)
            assert units(used.total.net) == units(page.closing) - units(page.opening)
            for sums in (used.by_kind(), used.by_lot(), used.by_origin(), used.by_month()):
                assert sum(units(one.credited) for one in sums) == units(page.credited)
                assert sum(units(one.debited) for one in sums) == units(page.debited)
                assert sum(units(one.net) for one in sums) == units(used.total.net)
            names = {f"{line.at.astimezone(ISTANBUL):%Y-%m}" for line in page.lines}
            assert {one.name for one in used.by_month()} == names
        assert found[0] == found[1]
