"""Audit: sound books are sound, and one wrong fact is named."""

import re
from datetime import timedelta
from typing import Any

import attrs
import pytest
from hypothesis import given, strategies as st

from monochat_billing.audit import Audit, Difference, audit
from monochat_billing.balance import (
    Balance,
    Books,
    Entry,
    EntryKind,
    Terms,
    credit,
    debit,
    expire_lots,
    give_back,
    open_balance,
)
from monochat_billing.lots import Lot
from monochat_billing.money import money
from tests.scene import START, lira, memo

DAY = timedelta(days=1)


def story() -> tuple[Books, tuple[Lot, ...], list[Entry]]:
    """Credit three lots in two balances, debit, give back, expire: seven entries."""
    books = open_balance(open_balance(Books("acme"), "TRY"), "USD")
    entries = []
    for amount, terms in (
        (lira("100"), Terms(expires_at=START + 2 * DAY)),
        (lira("50"), Terms()),
        (money("7", "USD"), Terms()),
    ):
        done = credit(books, amount, memo(EntryKind.TOP_UP), terms)
        books = done.books
        entries.append(done.entry)
    paid = debit(books, lira("120"), memo())
    back = give_back(paid.books, lira("30"), paid.shares, memo(), 4)
    assert back is not None
    other = debit(back.books, money("0.0009", "USD"), memo())
    books, swept = expire_lots(other.books, START + 2 * DAY, START + 2 * DAY)
    entries += [paid.entry, back.entry, other.entry, *swept]
    lots = tuple(lot for balance in books.balances.values() for lot in balance.lots)
    return books, lots, entries


BOOKS, LOTS, ENTRIES = story()


def with_balance(unit: str = "TRY", **change: Any) -> Books:  # noqa: ANN401
    changed = attrs.evolve(BOOKS.balances[unit], **change)
    return attrs.evolve(BOOKS, balances={**BOOKS.balances, unit: changed})


def with_entry(index: int, **change: Any) -> list[Entry]:  # noqa: ANN401
    return [
        attrs.evolve(entry, **change) if place == index else entry
        for place, entry in enumerate(ENTRIES)
    ]


def with_lot(number: int, **change: Any) -> tuple[Lot, ...]:  # noqa: ANN401
    return tuple(attrs.evolve(lot, **change) if lot.number == number else lot for lot in LOTS)


class TestSoundBooks:
    """What the library wrote agrees with itself."""

    def test_are_counted_and_told_in_one_line(self) -> None:
        """Seven entries, two balances, three lots, one account."""
        found = audit(BOOKS, LOTS, ENTRIES)
        assert found == Audit(accounts=1, entries=7, balances=2, lots=3)
        assert found.sound
        assert str(found) == (
            "sound: every balance equals the sum of its entries and of its lots "
            "(accounts 1, balances 2, lots 3, entries 7)"
        )
        assert found.explain() == str(found)
        assert found.explain("tr") == (
            "sağlam: her bakiye kayıtlarının ve lotlarının toplamına eşit "
            "(hesap 1, bakiye 2, lot 3, kayıt 7)"
        )

    def test_nothing_is_sound(self) -> None:
        """An account without entries has nothing to differ."""
        assert audit(Books("acme"), (), ()).sound

    def test_audits_add_up(self) -> None:
        """Two accounts are the sum of both, with the differences of both."""
        wrong = audit(with_balance(posted=1), LOTS, ENTRIES)
        both = audit(BOOKS, LOTS, ENTRIES).plus(wrong)
        assert (both.accounts, both.entries, both.balances, both.lots) == (2, 14, 4, 6)
        assert both.differences == wrong.differences
        assert not both.sound


def lots_without(number: int) -> tuple[Lot, ...]:
    return tuple(lot for lot in LOTS if lot.number != number)


CORRUPTIONS: dict[str, tuple[tuple[Books, tuple[Lot, ...], list[Entry]], str]] = {
    "sequence": ((attrs.evolve(BOOKS, sequence=8), LOTS, ENTRIES), "sequence is 8"),
    "posted": ((with_balance(posted=1), LOTS, ENTRIES), "balance TRY is 1"),
    "posted of the other": (
        (with_balance("USD", posted=7_000_000), LOTS, ENTRIES),
        "balance USD is 7000000, entries say 6999100",
    ),
    "held below zero": ((with_balance(held=-1), LOTS, ENTRIES), "held of balance TRY is -1"),
    "held without a hold": (
        (with_balance(held=50_000_001), LOTS, ENTRIES),
        "held of balance TRY is 50000001, entries say 0",
    ),
    "a balance that is gone": (
        (attrs.evolve(BOOKS, balances={"TRY": BOOKS.balances["TRY"]}), LOTS, ENTRIES),
        "balance USD is missing, entries say 6999100",
    ),
    "a balance that came from nowhere": (
        (
            attrs.evolve(BOOKS, balances={**BOOKS.balances, "EUR": Balance("EUR", 6, 5)}),
            *story()[1:],
        ),
        "balance EUR is 5, entries say 0",
    ),
    "amount": ((BOOKS, LOTS, with_entry(1, amount=51_000_000)), "balance after entry 2"),
    "number": ((BOOKS, LOTS, with_entry(2, number=9)), "number after entry 2 is 9"),
    "balance after": ((BOOKS, LOTS, with_entry(3, balance_after=0)), "balance after entry 4 is 0"),
    "part": (
        (BOOKS, LOTS, with_entry(3, parts=((1, -100_000_000), (2, -20_000_001)))),
        "amount of entry 4 is -120000000, entries say -120000001",
    ),
    "another payer": (
        (BOOKS, LOTS, with_entry(4, parts=((2, 19_000_000), (1, 11_000_000)))),
        "remaining of lot 1 is 0, entries say 1000000",
    ),
    "account": ((BOOKS, LOTS, with_entry(1, account="other")), "account of entry 2 is other"),
    "recorded before its forerunner": (
        (BOOKS, LOTS, with_entry(3, recorded_at=START - DAY)),
        "recorded_at of entry 4 is ",
    ),
    "corrects what comes later": (
        (BOOKS, LOTS, with_entry(4, corrects=5)),
        "what entry 5 corrects is 5, entries say an earlier entry",
    ),
    "unit of an entry": ((BOOKS, LOTS, with_entry(5, unit="TRY")), "balance after entry 6"),
    "remaining": ((BOOKS, with_lot(2, remaining=1), ENTRIES), "sum of TRY lots is 1"),
    "granted": (
        (BOOKS, with_lot(3, granted=7_000_001), ENTRIES),
        "granted of lot 3 is 7000001, entries say 7000000",
    ),
    "unit of a lot": ((BOOKS, with_lot(3, unit="TRY"), ENTRIES), "sum of TRY lots"),
    "an open lot that is gone": ((BOOKS, lots_without(2), ENTRIES), "sum of TRY lots is 0"),
    "a spent lot that is gone": ((BOOKS, lots_without(1), ENTRIES), "lot 1 is missing"),
    "a lot that came from nowhere": (
        (BOOKS, (*LOTS, attrs.evolve(LOTS[0], number=4, remaining=0)), ENTRIES),
        "granted of lot 4 is 100000000, entries say None",
    ),
    "an entry that is gone": (
        (BOOKS, LOTS, [*ENTRIES[:3], *ENTRIES[4:]]),
        "number after entry 3 is 5, entries say 4",
    ),
    "the last entry that is gone": ((BOOKS, LOTS, ENTRIES[:-1]), "sequence is 7, entries say 6"),
    "an entry twice": (
        (BOOKS, LOTS, [*ENTRIES[:2], *ENTRIES[1:]]),
        "number after entry 2 is 2, entries say 3",
    ),
}


class TestCorruptBooks:
    """A single wrong fact is found, and the first difference names it."""

    @pytest.mark.parametrize("name", CORRUPTIONS)
    def test_one_fact(self, name: str) -> None:
        """The first difference says what was found and what the entries say."""
        (books, lots, entries), expected = CORRUPTIONS[name]
        found = audit(books, lots, entries)
        assert not found.sound
        assert f"acme: {expected}" in str(found.differences[0])
        for one in found.differences:
            assert re.fullmatch(r"acme: .+, kayıtlara göre .+", one.explain("tr"))
            said = one.explain("tr")
            assert one.subject not in said, "give the subject a sentence"
            assert not re.search(r"\b(?:balance|entry|lot of|held|debts|missing)\b", said)

    def test_a_lot_beyond_its_bounds_is_wrong_even_if_the_sums_agree(self) -> None:
        """More remaining than granted, or less than nothing, was never a lot of ours."""
        books = open_balance(Books("acme"), "TRY")
        done = credit(books, lira("1"), memo())
        up, down = (
            attrs.evolve(done.entry, number=2, amount=0, parts=((1, 5), (1, -5))),
            attrs.evolve(done.entry, number=2, amount=5, balance_after=1_000_005, parts=((1, 5),)),
        )
        assert audit(
            attrs.evolve(done.books, sequence=2), done.books.balance("TRY").lots, [done.entry, up]
        ).sound
        lot = attrs.evolve(done.books.balance("TRY").lots[0], remaining=1_000_005)
        more = Books("acme", 2, {"TRY": Balance("TRY", 6, 1_000_005, 0, (lot,))})
        (found,) = audit(more, (lot,), [done.entry, down]).differences
        assert found == Difference(
            account="acme",
            subject="remaining of lot 1",
            expected="0 to 1000000",
            actual="1000005",
        )

    def test_is_told_line_by_line(self) -> None:
        """A person sees how much was checked and what differs."""
        text = str(audit(with_balance(posted=1), LOTS, ENTRIES))
        assert text.splitlines() == [
            "2 differences (accounts 1, balances 2, lots 3, entries 7)",
            "  acme: balance TRY is 1, entries say 50000000",
            "  acme: sum of TRY lots is 50000000, entries say 1",
        ]

    @given(data=st.data(), delta=st.integers(-3, 3).filter(bool))
    def test_any_number_that_is_off(self, data: st.DataObject, delta: int) -> None:
        """Move any one number of any one fact by any step: it never goes unnoticed."""
        books, lots, entries = BOOKS, LOTS, ENTRIES
        where = data.draw(st.sampled_from(["entry", "part", "lot", "balance", "sequence"]))
        if where == "entry":
            index = data.draw(st.integers(0, len(ENTRIES) - 1))
            field = data.draw(st.sampled_from(["amount", "number", "balance_after"]))
            entries = with_entry(index, **{field: getattr(ENTRIES[index], field) + delta})
        elif where == "part":
            index = data.draw(st.integers(0, len(ENTRIES) - 1))
            (number, units), *others = ENTRIES[index].parts
            entries = with_entry(index, parts=((number, units + delta), *others))
        elif where == "lot":
            lot = data.draw(st.sampled_from(LOTS))
            field = data.draw(st.sampled_from(["granted", "remaining"]))
            lots = with_lot(lot.number, **{field: getattr(lot, field) + delta})
        elif where == "balance":
            unit = data.draw(st.sampled_from(["TRY", "USD"]))
            books = with_balance(unit, posted=BOOKS.balances[unit].posted + delta)
        else:
            books = attrs.evolve(BOOKS, sequence=BOOKS.sequence + delta)
        assert not audit(books, lots, entries).sound
