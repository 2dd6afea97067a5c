"""Tills: many items from one balance leave the same books as single captures and debits."""

from datetime import UTC, datetime, timedelta

import attrs
import pytest
from hypothesis import given, strategies as st

from monochat_billing.audit import audit
from monochat_billing.balance import (
    Books,
    DebitMode,
    Entry,
    EntryKind,
    Memo,
    Terms,
    credit,
    open_balance,
)
from monochat_billing.books import BalanceMove, take
from monochat_billing.errors import IllegalTransition, UnknownName
from monochat_billing.holds import Hold, HoldState, capture_hold, place_hold, release_hold
from monochat_billing.lots import ChargeKind, Lot
from monochat_billing.money import from_units
from monochat_billing.standing import close_balance, move_balance
from monochat_billing.tills import Till

T = datetime(2026, 10, 1, tzinfo=UTC)
LATER = T + timedelta(days=40)
MEMO = Memo(EntryKind.MESSAGE_FEE, T, T, "messages")


def opened(lots: list[int], limit: int = 0) -> tuple[Books, list[Entry]]:
    """Give books with lots that end one after the other, and how they came to be."""
    books, entries = open_balance(Books("acme"), "USD"), []
    for place, units in enumerate(lots):
        done = credit(
            books,
            from_units(units, "USD"),
            Memo(EntryKind.TOP_UP, T, T),
            Terms(expires_at=T + timedelta(days=30 + place)),
        )
        books = done.books
        entries.append(done.entry)
    if limit:
        balance = books.balance("USD")
        books = books.with_balance(attrs.evolve(balance, credit_limit=limit))
    return books, entries


items = st.lists(
    st.tuples(st.sampled_from(["h-1", "h-2", ""]), st.integers(1, 40)), min_size=1, max_size=12
)


class TestATill:
    """What it leaves is what one capture and one forced debit after the other leave."""

    @given(st.lists(st.integers(1, 100), min_size=1, max_size=4), items)
    def test_leaves_the_same_books(self, lots: list[int], asked: list[tuple[str, int]]) -> None:
        books, entries = opened(lots)
        holds: dict[str, Hold] = {}
        for name, size in (("h-1", sum(lots) // 3), ("h-2", sum(lots) // 4)):
            if size:
                held = place_hold(
                    books, from_units(size, "USD"), MEMO, hold_id=name, expires_at=None
                )
                books, holds[name] = held.books, held.hold
        till = Till(books, "USD", holds.values(), MEMO)
        single, posted = books, list[Entry]()
        for name, units in asked:
            hold = holds.get(name)
            share = min(units, hold.left) if hold is not None and hold.open else 0
            till.charge(name, share, units, reference="")
            if hold is not None and share:
                done = capture_hold(single, hold, from_units(share, "USD"), MEMO)
                single, holds[name] = done.books, done.hold
                posted += done.entries
            if units > share:
                forced = take(
                    single,
                    single.balance("USD"),
                    units - share,
                    MEMO,
                    DebitMode.FORCED,
                    hold=name,
                )
                single = forced.books
                posted.append(forced.entry)
        done_till = till.done()
        assert done_till.books == single
        assert list(done_till.entries) == posted
        for hold in done_till.holds:
            assert hold == holds[hold.id]
        everything = [*entries, *done_till.entries]
        kept = {**holds, **{hold.id: hold for hold in done_till.holds}}
        lots_now = known_lots(books, done_till.books)
        assert audit(done_till.books, lots_now, everything, tuple(kept.values())).sound

    @given(st.lists(st.integers(1, 100), min_size=1, max_size=4), st.integers(1, 400))
    def test_frees_what_a_release_frees(self, lots: list[int], size: int) -> None:
        books, _ = opened(lots, limit=300)
        size = min(size, books.balance("USD").available(ChargeKind.MESSAGE, T))
        held = place_hold(books, from_units(size, "USD"), MEMO, hold_id="h", expires_at=None)
        till = Till(held.books, "USD", [held.hold], MEMO)
        for _ in range(size):
            till.free("h", 1)
        till.free("h", 1)
        done = till.done()
        released = release_hold(held.books, held.hold, MEMO)
        assert done.books == released.books
        assert done.holds == (released.hold,)
        assert done.holds[0].state is HoldState.RELEASED

    @given(st.integers(1, 50), st.integers(1, 50), st.integers(1, 50))
    def test_takes_credit_that_was_held_and_frees_the_rest(
        self, lot: int, credit_held: int, cost: int
    ) -> None:
        books, entries = opened([lot], limit=100)
        held = place_hold(
            books, from_units(lot + credit_held, "USD"), MEMO, hold_id="h", expires_at=None
        )
        till = Till(held.books, "USD", [held.hold], MEMO)
        entry, excess = till.charge("h", lot + credit_held, cost, reference="m")
        done = till.done()
        balance = done.books.balance("USD")
        assert (entry is not None, excess is not None) == (True, cost > lot + credit_held)
        assert (balance.posted, balance.held) == (lot - cost, 0)
        assert balance.owed == max(cost - lot, 0)
        lots_now = known_lots(held.books, done.books)
        assert audit(done.books, lots_now, [*entries, *done.entries], done.holds).sound

    def test_breaks_off_what_it_frees_of_credit_that_has_expired(self) -> None:
        books, _ = opened([10])
        held = place_hold(books, from_units(10, "USD"), MEMO, hold_id="h", expires_at=None)
        late = Memo(EntryKind.MESSAGE_FEE, LATER, LATER, "messages")
        till = Till(held.books, "USD", [held.hold], late)
        till.charge("h", 10, 4, reference="m")
        done = till.done()
        assert [(one.kind, one.amount) for one in done.entries] == [
            (EntryKind.MESSAGE_FEE, -4),
            (EntryKind.BREAKAGE, -6),
        ]

    def test_covers_what_is_owed_with_what_it_frees(self) -> None:
        books, _ = opened([10])
        held = place_hold(books, from_units(10, "USD"), MEMO, hold_id="h", expires_at=None)
        forced = take(held.books, held.books.balance("USD"), 3, MEMO, DebitMode.FORCED)
        till = Till(forced.books, "USD", [held.hold], MEMO)
        till.free("h", 5)
        done = till.done()
        assert done.freed
        assert [one.kind for one in done.entries] == [EntryKind.COVERAGE]
        assert done.books.balance("USD").owed == 0

    def test_gives_the_same_books_where_nothing_happened(self) -> None:
        books, _ = opened([10])
        till = Till(books, "USD", [], MEMO)
        till.free("h", 5)
        assert till.done().books is books

    def test_needs_a_balance_that_is_not_closed(self) -> None:
        books, _ = opened([])
        closed = close_balance(books, "USD", Memo(EntryKind.REFUND, T, T, "end")).books
        with pytest.raises(IllegalTransition):
            Till(closed, "USD", [], MEMO)
        with pytest.raises(UnknownName):
            Till(books, "EUR", [], MEMO)

    def test_charges_a_frozen_balance_for_what_has_happened(self) -> None:
        books, _ = opened([10])
        frozen = move_balance(books, "USD", BalanceMove.FREEZE)
        till = Till(frozen, "USD", [], MEMO)
        till.charge("", 0, 4, reference="m")
        assert till.done().books.balance("USD").posted == 6


def known_lots(before: Books, after: Books) -> tuple[Lot, ...]:
    found = {lot.number: lot for lot in before.balance("USD").lots}
    found |= {lot.number: lot for lot in after.balance("USD").lots}
    return tuple(found.values())
