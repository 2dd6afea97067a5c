"""Statements and consumption as values, composed from a list of entries."""

import pickle
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import attrs
import pytest

from monochat_billing.balance import (
    PAID,
    Books,
    Entry,
    EntryKind,
    Memo,
    Terms,
    credit,
    debit,
    expire_lots,
    open_balance,
)
from monochat_billing.consumption import Consumption, consumption
from monochat_billing.errors import InvalidInput
from monochat_billing.lots import Lot, LotOrigin
from monochat_billing.money import money
from monochat_billing.readings import (
    Movement,
    Place,
    Reading,
    Window,
    balance_at,
    months,
    movements,
    pick,
    sum_upto,
)
from monochat_billing.statements import Cursor, Statement, statement
from monochat_billing.units import plain_text

ZONE = "Europe/Istanbul"
EFFECTIVE, RECORDED = Reading.AS_EFFECTIVE, Reading.AS_RECORDED


def at(text: str) -> datetime:
    return datetime.fromisoformat(f"2026-{text}:00+00:00")


@attrs.frozen
class Listed:
    """Answer from a list of entries."""

    entries: tuple[Entry, ...]
    lots: dict[int, Lot]

    def statement_entries(self, window: Window, after: Place, limit: int) -> Sequence[Entry]:
        return pick(self.entries, window, after, limit)

    def balance_upto(self, window: Window, place: Place) -> int:
        return sum_upto(self.entries, window, place)

    def movements(self, window: Window) -> Sequence[Movement]:
        return movements(self.entries, window, self.lots)


def story() -> Listed:
    """Top up 100 and get 20 that expire, pay 30 and 90; a renewal and the expiry come late."""
    books = open_balance(open_balance(Books("acme"), "TRY"), "USD")
    entries: list[Entry] = []
    lots: dict[int, Lot] = {}

    def put(when: str, recorded: str, kind: EntryKind, amount: str, terms: Terms = PAID) -> None:
        nonlocal books
        memo = Memo(kind, at(when), at(recorded), reason=kind.value.lower(), reference="ref")
        post = debit if amount.startswith("-") else credit
        value = money(amount.removeprefix("-"), "TRY")
        posted = post(books, value, memo) if post is debit else credit(books, value, memo, terms)
        books = posted.books
        entries.append(posted.entry)
        lots.update((lot.number, lot) for lot in books.balance("TRY").lots)

    gift = Terms(origin=LotOrigin.PROMOTIONAL, expires_at=at("11-10T00:00"), priority=1)
    put("10-05T06:00", "10-05T06:00", EntryKind.TOP_UP, "100")
    put("10-05T06:00", "10-05T06:00", EntryKind.GRANT, "20", gift)
    put("10-06T09:30", "10-06T09:30", EntryKind.MESSAGE_FEE, "-5")
    put("10-31T21:00", "11-12T08:00", EntryKind.PLAN_FEE, "-12.5")
    books, breakage = expire_lots(books, at("11-10T00:00"), at("11-12T08:00"))
    entries += breakage
    put("11-12T08:00", "11-12T08:00", EntryKind.CHARGE, "-40")
    return Listed(tuple(entries), lots)


def page(window: Window, source: Listed | None = None, **more: object) -> Statement:
    return statement(source or story(), window, scale=6, zone=ZONE, **more)  # type: ignore[arg-type]


def span(reading: Reading, since: str | None = None, until: str | None = None) -> Window:
    return Window.between(
        "acme",
        "TRY",
        reading,
        None if since is None else at(since),
        None if until is None else at(until),
    )


NOVEMBER = "10-31T21:00", "11-30T21:00"

PAGE = """\
acme: TRY as effective, 2026-11-01 00:00 to 2026-12-01 00:00, Europe/Istanbul

#  when              entry     amount  balance  reason
-  ----------------  --------  ------  -------  -----------
   2026-11-01 00:00  opening               115
4  2026-11-01 00:00  PLAN_FEE   -12.5    102.5  plan_fee
5  2026-11-10 03:00  BREAKAGE    -2.5      100  lot expired
6  2026-11-12 11:00  CHARGE       -40       60  charge
   2026-12-01 00:00  closing                60

in 0, out -55 TRY"""

USED = """\
acme: TRY as recorded, the beginning to now, Europe/Istanbul

 in  out  net  month
---  ---  ---  -------
120   -5  115  2026-10
  0  -55  -55  2026-11

 in    out    net  kind
---  -----  -----  -----------
100      0    100  TOP_UP
 20      0     20  GRANT
  0  -12.5  -12.5  PLAN_FEE
  0     -5     -5  MESSAGE_FEE
  0    -40    -40  CHARGE
  0   -2.5   -2.5  BREAKAGE

 in  out  net  lot
---  ---  ---  --------------
100  -40   60  #1 PAID
 20  -20    0  #2 PROMOTIONAL

 in  out  net  origin
---  ---  ---  -----------
100  -40   60  PAID
 20  -20    0  PROMOTIONAL"""


class TestReadings:
    """As recorded, what the books said; as effective, what was true."""

    def test_a_late_entry_counts_where_it_is_effective(self) -> None:
        entries = story().entries
        noon = at("11-11T12:00")
        assert balance_at(entries, "TRY", noon, RECORDED) == 115_000_000
        assert balance_at(entries, "TRY", noon, EFFECTIVE) == 100_000_000
        assert balance_at(entries, "USD", noon, EFFECTIVE) == 0

    def test_an_instant_is_part_of_the_balance_at_it(self) -> None:
        entries = story().entries
        expiry = at("11-10T00:00")
        assert balance_at(entries, "TRY", expiry, EFFECTIVE) == 100_000_000
        before = expiry - timedelta(microseconds=1)
        assert balance_at(entries, "TRY", before, EFFECTIVE) == 102_500_000

    def test_a_statement_is_half_open(self) -> None:
        """The fee of midnight belongs to November alone."""
        october = page(span(EFFECTIVE, None, NOVEMBER[0]))
        november = page(span(EFFECTIVE, *NOVEMBER))
        assert [line.entry.number for line in october.lines] == [1, 2, 3]
        assert [line.entry.number for line in november.lines] == [4, 5, 6]
        assert october.closing == november.opening == money("115", "TRY")
        assert [line.entry.number for line in page(span(RECORDED, *NOVEMBER)).lines] == [4, 5, 6]

    def test_a_window_is_checked(self) -> None:
        with pytest.raises(InvalidInput, match=r"until: .* is not after since"):
            span(EFFECTIVE, "10-05T06:00", "10-05T06:00")
        with pytest.raises(InvalidInput, match=r"since: .* has no time zone"):
            Window.between("acme", "TRY", EFFECTIVE, datetime(2026, 10, 1), None)  # noqa: DTZ001
        with pytest.raises(InvalidInput, match="reading"):
            Window.between("acme", "TRY", "RECORDED", None, None)  # type: ignore[arg-type]


class TestStatements:
    """A page adds up, prints, and says where the next begins."""

    def test_it_prints_within_a_hundred_columns(self) -> None:
        assert str(page(span(EFFECTIVE, *NOVEMBER))) == PAGE
        long = attrs.evolve(page(span(EFFECTIVE), limit=2), account="a" * 200)
        assert max(map(len, str(long).splitlines())) == 100
        assert "…: TRY as effective, the beginning to now" in str(long)
        assert "carried over" in str(long)

    def test_an_empty_page_opens_and_closes_alike(self) -> None:
        empty = page(span(EFFECTIVE, "10-07T00:00", "10-08T00:00"))
        assert empty.lines == ()
        assert empty.opening == empty.closing == money("115", "TRY")
        assert empty.next is None

    def test_sums_are_those_of_the_page(self) -> None:
        first = page(span(EFFECTIVE), limit=3)
        assert (first.credited, first.debited) == (money("120", "TRY"), money("-5", "TRY"))
        assert first.next is not None
        cursor = Cursor.parse(first.next, span(EFFECTIVE))
        second = page(span(EFFECTIVE), after=cursor, limit=3)
        assert (second.credited, second.debited) == (money("0", "TRY"), money("-55", "TRY"))
        assert (second.opening, second.closing) == (first.closing, money("60", "TRY"))
        assert second.next is None
        assert pickle.loads(pickle.dumps(second)) == second  # noqa: S301 - our own bytes

    @pytest.mark.parametrize("limit", [0, -1, 1001, True, "5", None])
    def test_a_page_has_one_to_a_thousand_lines(self, limit: object) -> None:
        with pytest.raises(InvalidInput, match="limit"):
            page(span(EFFECTIVE), limit=limit)


class TestCursors:
    """A cursor is text that nobody has to understand, and fits its statement alone."""

    @pytest.mark.parametrize("reading", list(Reading))
    def test_it_comes_back(self, reading: Reading) -> None:
        cursor = Cursor(reading, Place(at("10-06T09:30"), 3), 6)
        assert Cursor.parse(cursor.text, span(reading)) == cursor
        early = Cursor(reading, Place(datetime(1960, 1, 1, tzinfo=UTC), 3), 6)
        assert Cursor.parse(early.text, span(reading)) == early

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "e",
            "r1791279000000000.3.6",
            "e1791279000000000.7.6",
            "e1791279000000000.3",
            "e1791279000000000.3.99999999999999999999",
            "e1791279000000000.3.9999999999999999999",
            "e999999999999999999.3.6",
            "e0.3.6",
            "e1796342400000000.3.6",
            " e1791279000000000.3.6",
            "e1791279000000000.3.٦",
            None,
        ],
    )
    def test_another_is_refused(self, text: str) -> None:
        window = span(EFFECTIVE, "10-01T00:00", "12-01T00:00")
        Cursor.parse("e1791279000000000.3.6", window)
        with pytest.raises(InvalidInput, match=r"after: .* is no cursor of this statement"):
            Cursor.parse(text, window)


class TestConsumption:
    """Sums of what moved, whatever they are grouped by."""

    def used(self, window: Window) -> Consumption:
        return consumption(story(), window, scale=6, zone=ZONE, now=at("11-20T00:00"))

    def test_it_prints_a_table_for_each_grouping(self) -> None:
        assert str(self.used(span(RECORDED))) == USED

    def test_rows_say_month_kind_and_lot(self) -> None:
        rows = self.used(span(EFFECTIVE, *NOVEMBER)).rows
        told = [(one.month, one.kind.value, one.lot, plain_text(one.debited)) for one in rows]
        assert told == [
            ("2026-11", "PLAN_FEE", 2, "-12.5"),
            ("2026-11", "CHARGE", 1, "-40"),
            ("2026-11", "BREAKAGE", 2, "-2.5"),
        ]
        assert {one.source for one in rows} == {"ref"}
        assert {one.origin for one in rows} == {LotOrigin.PAID, LotOrigin.PROMOTIONAL}

    def test_what_no_lot_gave_is_named(self) -> None:
        """Sums whose lot nobody knows are shown and not lost."""
        bare = Listed(story().entries, {})
        used = consumption(bare, span(RECORDED), scale=6, zone=ZONE, now=at("11-20T00:00"))
        assert [one.name for one in used.by_origin()] == ["no lot"]
        assert used.total.net == money("60", "TRY")

    def test_nothing_moved(self) -> None:
        used = self.used(span(EFFECTIVE, "10-07T00:00", "10-08T00:00"))
        assert used.rows == ()
        assert used.by_month() == ()
        assert used.total.net == money("0", "TRY")
        assert "month: none" not in str(used)
        assert "in: none" in str(used)

    def test_months_are_those_of_the_zone(self) -> None:
        """Each begins where the one before ends, and together they are the window."""
        window = span(EFFECTIVE, "12-31T20:59", None)
        ends = at("12-31T20:59"), at("12-31T21:00")
        cut = list(months(window, ZONE, *ends))
        assert [name for name, _ in cut] == ["2026-12", "2027-01"]
        assert [one.since for _, one in cut] == [window.since, at("12-31T21:00")]
        assert [one.until for _, one in cut] == [at("12-31T21:00"), None]

    def test_too_many_months_are_refused(self) -> None:
        window = span(EFFECTIVE)
        with pytest.raises(InvalidInput, match="up to 1200 months"):
            list(months(window, ZONE, at("10-01T00:00"), datetime(2126, 10, 1, tzinfo=UTC)))
