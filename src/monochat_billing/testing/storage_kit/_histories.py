"""Cases: what statements ask of a storage is answered as a replay of all entries answers it."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import count, pairwise
from typing import Any, Final, final
from zoneinfo import ZoneInfo

import attrs
from hypothesis import given, strategies as st

from monochat_billing.accounts import AccountState
from monochat_billing.adapters.memory import MemoryStorage
from monochat_billing.balance import Entry, EntryKind, Memo, Posted, credit, debit
from monochat_billing.consumption import consumption
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
from monochat_billing.testing.storage_kit.bench import StorageDesk
from monochat_billing.testing.storage_kit.cases import CaseList, Tier, check
from monochat_billing.testing.storage_kit.values import (
    START,
    load,
    open_account,
    promotion,
    save,
    state_of,
    stored,
)
from monochat_billing.units import Amount, count_of

CASES: Final = CaseList(Tier.MODEL)

ZONE: Final = "Europe/Istanbul"
ISTANBUL: Final = ZoneInfo(ZONE)
READINGS: Final = list(Reading)


@final
@attrs.frozen
class Move:
    """One entry to be: how long after the one before it is recorded, and how late it is then."""

    unit: str = "TRY"
    units: int = 1
    wait: int = 1
    late: int = 0
    promotional: bool = False


_MOVES: Final = st.builds(
    Move,
    unit=st.sampled_from(["TRY", "TRY", "USD"]),
    units=st.integers(-9, 9).filter(bool),
    wait=st.integers(0, 3),
    late=st.sampled_from([0, 0, 0, 1, 2, 5, 40]),
    promotional=st.booleans(),
)
_WALKS: Final = st.lists(_MOVES, max_size=12)
_DAYS: Final = st.integers(-45, 45)


def _day(number: int) -> datetime:
    return START + timedelta(days=number)


def _window(
    unit: str, reading: Reading, since: int | None, until: int | None, through: int = 10**6
) -> Window:
    return Window(
        account="acme",
        unit=unit,
        reading=reading,
        since=None if since is None else _day(since),
        until=None if until is None else _day(until),
        through=through,
    )


_WINDOWS: Final = st.builds(
    _window,
    st.sampled_from(["TRY", "USD"]),
    st.sampled_from(READINGS),
    st.none() | _DAYS,
    st.none() | _DAYS,
    st.integers(0, 14),
)
_PLACES: Final = st.builds(lambda on, number: Place(_day(on), number), _DAYS, st.integers(0, 14))


def _post(state: AccountState, walk: Sequence[Move], since: int = 0) -> Changes:
    """Post a walk; what cannot be paid is left out."""
    books, entries, recorded = state.books, list[Entry](), since
    for number, move in enumerate(walk):
        recorded += move.wait
        amount = from_units(abs(move.units) * 1_000, move.unit)
        kind = EntryKind.TOP_UP if move.units > 0 else EntryKind.MESSAGE_FEE
        if move.units < -6:  # noqa: PLR2004 - some of the debits are of another kind
            kind = EntryKind.PLAN_FEE
        memo = Memo(kind, _day(recorded - move.late), _day(recorded), f"move {number}")
        posted: Posted
        if move.units > 0:
            terms = attrs.evolve(promotion(), expires_at=_day(900))
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
class _Shelf:
    """Hold an account of its own on one storage, and ask about it."""

    storage: Storage
    account: str

    def fill(self, walk: Sequence[Move], since: int = 0) -> tuple[Entry, ...]:
        """Store a walk and give every entry that the account then has."""
        save(self.storage, self.ahead(walk, since))
        return tuple(self.storage.read(lambda reader: reader.entries(self.account, limit=10_000)))

    def ahead(self, walk: Sequence[Move], since: int) -> Changes:
        return _post(state_of(stored(self.storage, self.account)), walk, since)

    def of(self, span: Window) -> Window:
        return attrs.evolve(span, account=self.account)

    def lots(self) -> dict[int, Lot]:
        found = self.storage.read(lambda reader: reader.lots(self.account))
        return {lot.number: lot for lot in found}

    def balance(self, span: Window, place: Place) -> int:
        return self.storage.read(lambda reader: reader.balance_upto(span, place))

    def page(self, span: Window, size: int = 1000, after: Cursor | None = None) -> Statement:
        return self.storage.read(
            lambda reader: statement(reader, span, scale=6, zone=ZONE, after=after, limit=size)
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
                _joined(source.movements(span)),
            )

        return self.storage.read(work)


@final
class _Shelves:
    """Open a new account on the storage of the case for each example."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._numbers = count(1)

    def fresh(self) -> _Shelf:
        account = f"acc-{next(self._numbers)}"
        open_account(self._storage, account)
        return _Shelf(self._storage, account)


def _joined(moved: Sequence[Movement]) -> dict[tuple[EntryKind, int], tuple[Any, ...]]:
    """Add up movements of one kind and lot."""
    sums: dict[tuple[EntryKind, int], tuple[Any, ...]] = {}
    for one in moved:
        _, _, credited, debited = sums.get((one.kind, one.lot), ("", "", 0, 0))
        sums[one.kind, one.lot] = (
            one.origin,
            one.source,
            credited + one.credited,
            debited + one.debited,
        )
    return sums


@CASES.case()
def statements_every_answer_is_that_of_a_replay(desk: StorageDesk) -> None:
    """Entries, balances and sums of any window are those that a replay finds."""
    shelves = _Shelves(desk.storage)

    @desk.law(60)
    @given(_WALKS, _WINDOWS, _PLACES, st.integers(0, 15))
    def law(walk: list[Move], asked: Window, place: Place, limit: int) -> None:
        shelf = shelves.fresh()
        entries, span = shelf.fill(walk), shelf.of(asked)
        found = shelf.storage.read(lambda reader: reader.statement_entries(span, place, limit))
        check("entries", tuple(found), pick(entries, span, place, limit))
        check("balance", shelf.balance(span, place), sum_upto(entries, span, place))
        moved = shelf.storage.read(lambda reader: reader.movements(span))
        check("movements", _joined(moved), _joined(movements(entries, span, shelf.lots())))

    law()


@CASES.case()
def statements_what_is_due_counts_as_if_it_were_stored(desk: StorageDesk) -> None:
    """Answers for stored entries and due ones together are those after they are stored."""
    shelves = _Shelves(desk.storage)

    @desk.law(40)
    @given(_WALKS, _WALKS, _WINDOWS, _DAYS)
    def law(walk: list[Move], due: list[Move], asked: Window, on: int) -> None:
        shelf = shelves.fresh()
        shelf.fill(walk)
        ahead, span = shelf.ahead(due, 40), shelf.of(asked)
        before = shelf.with_due(ahead, span, Place.after(_day(on)))
        save(shelf.storage, ahead)
        nothing = attrs.evolve(ahead, entries=())
        check("stored", shelf.with_due(nothing, span, Place.after(_day(on))), before)

    law()


@CASES.case()
def statements_of_nobody_are_empty_and_a_unit_of_work_answers_too(desk: StorageDesk) -> None:
    """Nobody's statement is empty, and a unit of work can be asked like a reader."""
    shelf = _Shelves(desk.storage).fresh()
    nobody = _window("TRY", Reading.AS_EFFECTIVE, None, None)

    def ask(reader: Reader) -> tuple[object, ...]:
        return (
            tuple(reader.statement_entries(nobody, nobody.start, 5)),
            reader.balance_upto(nobody, Place.after(START)),
            tuple(reader.movements(nobody)),
        )

    check("nobody", desk.storage.read(ask), ((), 0, ()))
    shelf.fill([Move(units=5, wait=0)])
    span = shelf.of(_window("TRY", Reading.AS_RECORDED, None, None))

    def work(unit: UnitOfWork) -> int:
        load(unit, span.account)
        return unit.balance_upto(span, Place.after(START))

    check("within a unit of work", desk.storage.write(work), 5_000)


@CASES.case()
def statements_pages_join_to_the_whole(desk: StorageDesk) -> None:
    """Whatever is posted between two pages, backdated or not, is in none of them."""
    shelves = _Shelves(desk.storage)

    @desk.law(40)
    @given(_WALKS, _WALKS, _WINDOWS, st.integers(1, 5))
    def law(walk: list[Move], meanwhile: list[Move], asked: Window, size: int) -> None:
        shelf = shelves.fresh()
        entries = shelf.fill(walk)
        span = attrs.evolve(shelf.of(asked), through=min(asked.through, len(entries)))
        whole = shelf.page(span)
        found = pick(entries, span, span.start)
        check("lines", tuple(line.entry for line in whole.lines), found)
        pages = [shelf.page(span, size)]
        while (following := pages[-1].next) is not None:
            shelf.fill(meanwhile[:3], 40 + 10 * len(pages))
            cursor = Cursor.parse(following, span)
            pages.append(shelf.page(attrs.evolve(span, through=10**9), size, cursor))
        check("pages", [line for page in pages for line in page.lines], list(whole.lines))
        bounds = (pages[0].opening, pages[-1].closing)
        check("bounds", bounds, (whole.opening, whole.closing))
        for first, second in pairwise(pages):
            check("between pages", first.closing, second.opening)
        for page in [*pages, whole]:
            _check_sums(page)

    law()


@CASES.case()
def statements_a_past_balance_is_that_of_a_replay(desk: StorageDesk) -> None:
    """A balance as of an instant counts whatever happened at that instant."""
    shelves = _Shelves(desk.storage)

    @desk.law(40)
    @given(_WALKS, st.sampled_from(READINGS), _DAYS)
    def law(walk: list[Move], reading: Reading, on: int) -> None:
        shelf = shelves.fresh()
        entries = shelf.fill(walk)
        expected = 0
        for entry in entries:
            recorded = reading is Reading.AS_RECORDED
            at = entry.recorded_at if recorded else entry.effective_at
            if entry.unit == "TRY" and at <= _day(on):
                expected += entry.amount
        check("replayed", balance_at(entries, "TRY", _day(on), reading), expected)
        span = shelf.of(_window("TRY", reading, None, None))
        check("asked", shelf.balance(span, Place.after(_day(on))), expected)

    law()


@CASES.case()
def statements_go_on_in_the_midst_of_an_instant(desk: StorageDesk) -> None:
    """Many entries of one instant come in the order of their numbers, page after page."""
    for reading in READINGS:
        shelf = _Shelves(desk.open(desk.new_place())).fresh()
        entries = shelf.fill([Move(units=9, wait=0)] * 20 + [Move(units=-1, wait=0)] * 150)
        middle = reading.place(entries[100])
        span = shelf.of(_window("TRY", reading, None, None))
        page = shelf.page(span, 5, Cursor(reading, middle, 170))
        check("lines", [line.entry.number for line in page.lines], [102, 103, 104, 105, 106])
        check("opening", page.opening, entries[100].balance_money)


def _units(amount: Amount) -> int:
    return count_of(amount, 6)


def _check_sums(page: Statement) -> None:
    running = _units(page.opening)
    for line in page.lines:
        running += line.entry.amount
        check("line", _units(line.balance), running)
    check("closing", _units(page.closing), running)
    moved = _units(page.opening) + _units(page.credited) + _units(page.debited)
    check("sums", moved, running)


@CASES.case()
def statements_every_grouping_is_the_movement(desk: StorageDesk) -> None:
    """However consumption is grouped, it adds up to what the statement moved, as in memory."""
    shelves, reference = _Shelves(desk.storage), _Shelves(MemoryStorage())

    @desk.law(30)
    @given(_WALKS, _WINDOWS)
    def law(walk: list[Move], asked: Window) -> None:
        found = []
        for shelf in (shelves.fresh(), reference.fresh()):
            shelf.fill(walk)
            span = shelf.of(asked)
            page = shelf.page(span)
            used = shelf.storage.read(
                lambda reader: consumption(reader, span, scale=6, zone=ZONE, now=_day(50))  # noqa: B023 - called at once
            )
            found.append(used)
            check("net", _units(used.total.net), _units(page.closing) - _units(page.opening))
            for sums in (used.by_kind(), used.by_lot(), used.by_origin(), used.by_month()):
                check("credited", sum(_units(one.credited) for one in sums), _units(page.credited))
                check("debited", sum(_units(one.debited) for one in sums), _units(page.debited))
            names = {f"{line.at.astimezone(ISTANBUL):%Y-%m}" for line in page.lines}
            check("months", {one.name for one in used.by_month()}, names)
        check("as in memory", found[0], found[1])

    law()
