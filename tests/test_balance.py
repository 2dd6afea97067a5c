"""Balances: entries, what pays for them, and what is refused."""

from datetime import timedelta

import attrs
import pytest
from hypothesis import given, strategies as st

from monochat_billing.balance import (
    Balance,
    Books,
    DebitMode,
    Entry,
    EntryKind,
    Memo,
    Terms,
    credit,
    debit,
    debit_many,
    expire_lots,
    give_back,
    open_balance,
)
from monochat_billing.errors import InsufficientFunds, InvalidInput, UnknownName
from monochat_billing.holds import place_hold
from monochat_billing.lots import ChargeKind, LotOrigin, burnable
from monochat_billing.money import Money, money
from tests.scene import START, books_with, lira, memo, posted, remaining

DAY = timedelta(days=1)
MICRO = 1_000_000
MESSAGES = Terms(origin=LotOrigin.PACK, pays_for=frozenset({ChargeKind.MESSAGE}), priority=1)


def told(result: Entry | InsufficientFunds) -> object:
    """Give what can be compared: an exception equals only itself."""
    return result if isinstance(result, Entry) else result.args


class TestCredit:
    """A credit is an entry and a lot of the same number."""

    def test_posts_one_entry_and_one_lot(self) -> None:
        """The first credit of an account is entry 1 and fills lot 1."""
        terms = Terms(
            origin=LotOrigin.PROMOTIONAL,
            pays_for=frozenset({ChargeKind.PLAN}),
            expires_at=START + DAY,
            priority=7,
        )
        said = Memo(EntryKind.GRANT, START, START + DAY, "spring", "promo-1", "ada")
        done = credit(open_balance(Books("acme"), "TRY"), lira("12.345678"), said, terms)
        assert done.entry == Entry(
            "acme",
            1,
            "TRY",
            6,
            12_345_678,
            12_345_678,
            EntryKind.GRANT,
            "spring",
            "promo-1",
            "ada",
            START,
            START + DAY,
            ((1, 12_345_678),),
        )
        (lot,) = done.books.balance("TRY").lots
        assert (lot.number, lot.granted, lot.remaining) == (1, 12_345_678, 12_345_678)
        assert (lot.origin, lot.pays_for) == (LotOrigin.PROMOTIONAL, terms.pays_for)
        assert (lot.granted_at, lot.expires_at) == (START, START + DAY)
        assert (lot.priority, lot.source, lot.unit) == (7, "promo-1", "TRY")

    def test_refuses_a_lot_that_is_over_before_it_begins(self) -> None:
        """The end is exclusive, so it has to be after the credit."""
        books = books_with()
        with pytest.raises(InvalidInput) as refused:
            credit(books, lira("1"), memo(), Terms(expires_at=START))
        assert refused.value.field == "expires_at"

    @pytest.mark.parametrize(
        ("amount", "field"),
        [
            (lira("0"), "amount"),
            (lira("-1"), "amount"),
            (money("0.0000001", "TRY", scale=7), "amount"),
            ("12.50", "amount"),
            (1, "amount"),
            (None, "amount"),
            (money("1", "USD"), "currency"),
        ],
    )
    @pytest.mark.parametrize("how", [credit, debit])
    def test_refuses_what_is_no_amount(self, how: object, amount: Money, field: str) -> None:
        """Zero, negative, too precise, no money, and another currency are all refused by name."""
        books = books_with("10")
        post = credit if how is credit else debit
        with pytest.raises(InvalidInput) as refused:
            post(books, amount, memo())
        assert refused.value.field == field
        assert books == books_with("10")

    def test_names_the_balances_that_there_are(self) -> None:
        """A wrong currency is answered with the right ones."""
        with pytest.raises(UnknownName, match="use one of TRY"):
            credit(books_with(), money("1", "USD"), memo())
        with pytest.raises(UnknownName, match="open a balance first"):
            Books("acme").balance("TRY")


class TestDebit:
    """A debit takes from lots in burn order, or changes nothing."""

    def test_pays_from_several_lots(self) -> None:
        """Of 100 and 50 a debit of 120.5 takes 100 and 20.5."""
        done = debit(books_with("100", "50"), lira("120.5"), memo(reason="export"))
        assert done.entry.number == 3
        assert done.entry.amount == -120_500_000
        assert done.entry.balance_after == 29_500_000
        assert done.entry.parts == ((1, -100_000_000), (2, -20_500_000))
        assert remaining(done.books) == {1: 0, 2: 29_500_000}
        assert [(share.lot.number, share.units) for share in done.shares] == [
            (1, 100_000_000),
            (2, 20_500_000),
        ]
        assert str(done.entry) == "#3 2026-10-05 06:00Z CHARGE -120.5 TRY → 29.5 export"

    def test_may_take_everything(self) -> None:
        """The last micro-unit is spendable, one more is not."""
        books = books_with("0.000001")
        assert posted(debit(books, lira("0.000001"), memo()).books) == "0"
        with pytest.raises(InsufficientFunds):
            debit(books, lira("0.000002"), memo())

    def test_says_how_much_is_missing(self) -> None:
        """The refusal names account, unit, and three amounts that add up."""
        books = books_with("8250.50")
        with pytest.raises(InsufficientFunds) as refused:
            debit(books, lira("30000"), memo())
        assert refused.value.args[:5] == ("acme", "TRY", "30000", "8250.5", "21749.5")
        assert books == books_with("8250.50")

    def test_counts_only_lots_that_may_pay(self) -> None:
        """A message pack pays for messages, and is not available to a plan."""
        books = credit(books_with("10"), lira("100"), memo(EntryKind.GRANT), MESSAGES).books
        with pytest.raises(InsufficientFunds) as refused:
            debit(books, lira("50"), memo(EntryKind.PLAN_FEE))
        assert (refused.value.available, refused.value.shortfall) == ("10", "40")
        paid = debit(books, lira("105"), memo(EntryKind.MESSAGE_FEE))
        assert paid.entry.parts == ((2, -100 * MICRO), (1, -5 * MICRO))

    def test_does_not_take_what_has_expired(self) -> None:
        """An expired lot still stands in posted until it is swept, and pays for nothing."""
        books = credit(books_with("10"), lira("5"), memo(), Terms(expires_at=START + DAY)).books
        with pytest.raises(InsufficientFunds) as refused:
            debit(books, lira("11"), memo(at=START + DAY))
        assert refused.value.available == "10"
        assert posted(books) == "15"

    def test_leaves_what_is_held(self) -> None:
        """Of 100 posted and 30 held, 70 can go."""
        books = books_with("100")
        held = attrs.evolve(books.balance("TRY"), held=30 * MICRO)
        books = books.with_balance(held, books.sequence)
        assert posted(debit(books, lira("70"), memo()).books) == "30"
        with pytest.raises(InsufficientFunds) as refused:
            debit(books, lira("70.000001"), memo())
        assert refused.value.available == "70"
        kept = debit(books, lira("70"), memo()).books.balance("TRY")
        assert kept.held == 30 * MICRO
        (short,) = debit_many(books, "TRY", [(71 * MICRO, "")], memo()).results
        assert isinstance(short, InsufficientFunds)

    def test_every_kind_of_entry_is_charged_as_something(self) -> None:
        """Plan, support, message, usage and pack fees have their own kinds, the rest is OTHER."""
        assert {kind: kind.pays_for for kind in EntryKind if kind.pays_for != ChargeKind.OTHER} == {
            EntryKind.PLAN_FEE: ChargeKind.PLAN,
            EntryKind.SUPPORT_FEE: ChargeKind.SUPPORT,
            EntryKind.MESSAGE_FEE: ChargeKind.MESSAGE,
            EntryKind.USAGE_FEE: ChargeKind.USAGE,
            EntryKind.PACK_FEE: ChargeKind.PACK,
        }


class TestNumbers:
    """Entries are numbered over the whole account, without gaps."""

    def test_run_over_all_balances(self) -> None:
        """Two balances share one sequence, and each keeps its own sum."""
        books = open_balance(books_with("10"), "USD")
        books = credit(books, money("3", "USD"), memo()).books
        third = debit(books, lira("4"), memo())
        fourth = debit(third.books, money("1", "USD"), memo())
        assert (third.entry.number, fourth.entry.number) == (3, 4)
        assert (third.entry.balance_after, fourth.entry.balance_after) == (6 * MICRO, 2 * MICRO)
        assert fourth.books.sequence == 4

    def test_a_refusal_takes_no_number(self) -> None:
        """The entry after a refusal has the number that the refused one would have had."""
        books = books_with("10")
        with pytest.raises(InsufficientFunds):
            debit(books, lira("11"), memo())
        assert debit(books, lira("1"), memo()).entry.number == 2

    def test_opening_a_balance_twice_changes_nothing(self) -> None:
        """What is there stays there."""
        books = books_with("10")
        assert open_balance(books, "TRY", 2) is books


class TestScale:
    """A balance has a scale, and nothing finer gets in."""

    def test_of_two_counts_in_kurus(self) -> None:
        """Amounts, entries and sums are integers of the balance's own smallest unit."""
        books = open_balance(Books("acme"), "TRY", 2)
        done = credit(books, lira("12.5"), memo())
        assert (done.entry.scale, done.entry.amount) == (2, 1250)
        assert done.entry.money == lira("12.5")
        assert done.entry.balance_money == lira("12.5")
        with pytest.raises(InvalidInput, match="more than 2 decimals"):
            debit(done.books, lira("0.001"), memo())

    def test_a_balance_speaks_its_own_currency(self) -> None:
        """Units of another currency are refused with both named in full precision."""
        balance = Balance("TRY")
        assert balance.units(lira("0.0009")) == 900
        with pytest.raises(InvalidInput, match=r"'0\.0009 USD' is not in TRY"):
            balance.units(money("0.0009", "USD"))


class TestDebitMany:
    """A batch leaves exactly what a loop of debits leaves."""

    def test_refuses_in_the_middle_and_goes_on(self) -> None:
        """Of 100: 60 is paid, 50 is refused for lack of 10, 40 is paid, 1 is refused."""
        asked = [(60 * MICRO, "a"), (50 * MICRO, "b"), (40 * MICRO, "c"), (1, "d")]
        done = debit_many(books_with("70", "30"), "TRY", asked, memo(EntryKind.MESSAGE_FEE))
        paid, short, last, empty = done.results
        assert isinstance(paid, Entry)
        assert isinstance(last, Entry)
        assert isinstance(short, InsufficientFunds)
        assert isinstance(empty, InsufficientFunds)
        assert short.args[:5] == ("acme", "TRY", "50", "40", "10")
        assert empty.args[:5] == ("acme", "TRY", "0.000001", "0", "0.000001")
        assert (paid.number, paid.reference, paid.parts) == (3, "a", ((1, -60 * MICRO),))
        assert (last.number, last.reference) == (4, "c")
        assert last.parts == ((1, -10 * MICRO), (2, -30 * MICRO))
        assert done.entries == (paid, last)
        assert posted(done.books) == "0"
        assert done.books.sequence == 4

    def test_leaves_what_a_hold_has_set_aside(self) -> None:
        """Of 10 with 4 held, 5 are paid: 5 remain, 4 of them for the hold alone."""
        held = place_hold(books_with("10"), lira("4"), memo(), hold_id="h-1", expires_at=None)
        done = debit_many(held.books, "TRY", [(5 * MICRO, "a"), (2 * MICRO, "b")], memo())
        (lot,) = done.books.balance("TRY").lots
        assert (lot.remaining, lot.pinned) == (5 * MICRO, 4 * MICRO)
        assert [isinstance(one, Entry) for one in done.results] == [True, False]

    @pytest.mark.parametrize("units", [0, -1])
    def test_refuses_what_is_not_above_zero(self, units: int) -> None:
        """A negative item would make money."""
        with pytest.raises(InvalidInput) as refused:
            debit_many(books_with("1"), "TRY", [(1, "a"), (units, "b")], memo())
        assert refused.value.field == "items"

    def test_of_nothing_changes_nothing(self) -> None:
        """An empty batch is no entry."""
        books = books_with("10")
        done = debit_many(books, "TRY", [], memo())
        assert (done.books, done.results) == (books, ())

    @given(
        credits=st.lists(
            st.tuples(
                st.integers(1, 30),
                st.sampled_from([None, 0, 1, 2]),
                st.booleans(),
                st.integers(1, 2),
            ),
            max_size=5,
        ),
        items=st.lists(st.integers(1, 40), max_size=8),
        kind=st.sampled_from([EntryKind.MESSAGE_FEE, EntryKind.CHARGE]),
        limit=st.sampled_from([0, 50]),
    )
    def test_is_a_loop_of_debits(
        self,
        credits: list[tuple[int, int | None, bool, int]],  # noqa: A002
        items: list[int],
        kind: EntryKind,
        limit: int,
    ) -> None:
        """Same books, same debts, same refusals, whatever the lots are like, on credit too."""
        books = open_balance(Books("acme"), "TRY")
        for units, days, earmarked, priority in credits:
            terms = Terms(
                expires_at=None if days is None else START + days * DAY,
                pays_for=frozenset({ChargeKind.MESSAGE}) if earmarked else frozenset(),
                priority=priority,
            )
            amount = money(units, "TRY")
            books = credit(books, amount, memo(at=START - DAY), terms).books
        limited = attrs.evolve(books.balance("TRY"), credit_limit=limit * MICRO)
        books = books.with_balance(limited)
        said = memo(kind, START + DAY, reason="fee", actor="ada")
        loop = books
        results: list[Entry | InsufficientFunds] = []
        for number, units in enumerate(items):
            try:
                one = debit(loop, money(units, "TRY"), attrs.evolve(said, reference=f"r{number}"))
            except InsufficientFunds as short:
                results.append(short)
            else:
                results.append(one.entry)
                loop = one.books
        asked = [(units * MICRO, f"r{number}") for number, units in enumerate(items)]
        done = debit_many(books, "TRY", asked, said)
        assert list(map(told, done.results)) == list(map(told, results))
        assert done.books == loop


class TestGiveBack:
    """A credit for what was paid goes back to the lots that paid."""

    def test_to_the_last_payer_first(self) -> None:
        """Of 100 + 20 paid, 30 back are 20 to lot 2 and 10 to lot 1."""
        paid = debit(books_with("100", "50"), lira("120"), memo())
        said = memo(EntryKind.PRORATION_CREDIT, START + DAY, reason="unused")
        back = give_back(paid.books, lira("30"), paid.shares, said, corrects=3)
        assert back is not None
        assert back.entry.number == 4
        assert back.entry.amount == 30 * MICRO
        assert back.entry.parts == ((2, 20 * MICRO), (1, 10 * MICRO))
        assert back.entry.corrects == 3
        assert remaining(back.books) == {1: 10 * MICRO, 2: 50 * MICRO}

    def test_leaves_out_what_has_expired(self) -> None:
        """The entry holds only what went back; where nothing can, there is none."""
        books = credit(books_with(), lira("5"), memo(), Terms(expires_at=START + DAY)).books
        books = credit(books, lira("10"), memo()).books
        paid = debit(books, lira("8"), memo())
        late = memo(EntryKind.PRORATION_CREDIT, START + DAY)
        back = give_back(paid.books, lira("8"), paid.shares, late, None)
        assert back is not None
        assert back.entry.money == lira("3")
        assert back.entry.parts == ((2, 3 * MICRO),)
        only = debit(books, lira("5"), memo())
        assert give_back(only.books, lira("5"), only.shares, late, None) is None

    def test_of_what_was_taken_on_credit_is_nobodys_paid_money(self) -> None:
        """A debt of 30 was covered by 50 since: what comes back is spent, and never refunded."""
        owed = debit(books_with(), lira("30"), memo(), DebitMode.FORCED)
        books = credit(owed.books, lira("50"), memo(EntryKind.TOP_UP)).books
        back = give_back(books, lira("30"), owed.shares, memo(), corrects=owed.entry.number)
        assert back is not None
        found = {lot.origin: lot.remaining for lot in back.books.balance("TRY").lots}
        assert found == {LotOrigin.PAID: 20 * MICRO, LotOrigin.PROMOTIONAL: 30 * MICRO}

    @pytest.mark.parametrize("amount", ["0", "-1", "0.0000001"])
    def test_refuses_what_is_no_amount(self, amount: str) -> None:
        """As every movement, it is above zero and no finer than the scale."""
        paid = debit(books_with("5"), lira("5"), memo())
        value = money(amount, "TRY", scale=7)
        with pytest.raises(InvalidInput):
            give_back(paid.books, value, paid.shares, memo(), None)


class TestExpireLots:
    """What remains in an expired lot is posted as breakage, at the lot's own end."""

    def test_posts_each_lot_at_its_end(self) -> None:
        """Two of three lots have ended; each gets an entry, as of its end, recorded now."""
        books = books_with("1")
        for amount, days in (("20", 2), ("10", 1)):
            said = Memo(EntryKind.GRANT, START, START, "", f"promo-{days}")
            books = credit(books, lira(amount), said, Terms(expires_at=START + days * DAY)).books
        now = START + 5 * DAY
        after, entries = expire_lots(books, START + 2 * DAY, now)
        assert [
            (one.number, one.amount, one.effective_at, one.recorded_at, one.reference)
            for one in entries
        ] == [
            (4, -10 * MICRO, START + DAY, now, "promo-1"),
            (5, -20 * MICRO, START + 2 * DAY, now, "promo-2"),
        ]
        assert {one.kind for one in entries} == {EntryKind.BREAKAGE}
        assert [one.parts for one in entries] == [((3, -10 * MICRO),), ((2, -20 * MICRO),)]
        assert posted(after) == "1"
        assert expire_lots(after, now, now) == (after, [])

    def test_leaves_what_has_not_ended(self) -> None:
        """A moment before its end a lot is whole."""
        books = credit(books_with(), lira("1"), memo(), Terms(expires_at=START + DAY)).books
        assert expire_lots(books, START + DAY - timedelta(microseconds=1), START) == (books, [])

    def test_looks_at_every_balance(self) -> None:
        """Lots of two currencies that end together both go."""
        books = open_balance(books_with(), "USD")
        terms = Terms(expires_at=START + DAY)
        for amount in (lira("1"), money("2", "USD")):
            books = credit(books, amount, memo(), terms).books
        after, entries = expire_lots(books, START + DAY, START + DAY)
        assert [one.unit for one in entries] == ["TRY", "USD"]
        assert (posted(after), posted(after, "USD")) == ("0", "0")
        assert after.sequence == 4


class TestAvailable:
    """What is available is what a debit of a kind could take."""

    def test_for_a_kind_and_for_any(self) -> None:
        """Earmarked money counts for its kind and for none in particular."""
        books = credit(books_with("10"), lira("100"), memo(), MESSAGES).books
        balance = books.balance("TRY")
        assert balance.available(ChargeKind.PLAN, START) == 10 * MICRO
        assert balance.available(ChargeKind.MESSAGE, START) == 110 * MICRO
        assert balance.available(None, START) == 110 * MICRO
        assert burnable(balance.lots, ChargeKind.PLAN, START) == 10 * MICRO
