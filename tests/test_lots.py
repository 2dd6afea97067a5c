"""Lots: which pays first, what a burn leaves, and where a credit goes back to."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, strategies as st

from monochat_billing.lots import (
    ChargeKind,
    Lot,
    LotOrigin,
    Share,
    burn,
    burnable,
    in_burn_order,
    insert,
    pin,
    restore,
)
from tests.scene import START

DAY = timedelta(days=1)
OTHERS = frozenset({ChargeKind.OTHER})


def lot(number: int = 1, units: int = 100, **change: Any) -> Lot:  # noqa: ANN401
    fields: dict[str, Any] = {
        "number": number,
        "unit": "TRY",
        "origin": LotOrigin.PAID,
        "granted": units,
        "remaining": units,
        "granted_at": START,
    }
    return Lot(**(fields | change))


def in_order(*lots: Lot) -> tuple[Lot, ...]:
    ordered: tuple[Lot, ...] = ()
    for one in lots:
        ordered = insert(ordered, one)
    return ordered


def numbers(lots: tuple[Lot, ...]) -> list[int]:
    return [one.number for one in lots]


def left(lots: tuple[Lot, ...]) -> dict[int, int]:
    return {one.number: one.remaining for one in lots}


class TestBurnOrder:
    """Priority, then the earliest expiry, then the earliest grant, then the number."""

    def test_each_rank_decides_only_where_the_ranks_before_it_tie(self) -> None:
        """Eight lots that differ in one rank at a time burn in this order and no other."""
        lots = (
            lot(1, priority=100, expires_at=START + 9 * DAY),
            lot(2, priority=100),
            lot(3, priority=100, granted_at=START - DAY),
            lot(4, priority=100, expires_at=START + 5 * DAY),
            lot(5, priority=1),
            lot(6, priority=100, expires_at=START + 5 * DAY, granted_at=START - DAY),
            lot(7, priority=1, expires_at=START + 99 * DAY),
            lot(8, priority=100),
        )
        assert numbers(in_order(*lots)) == [7, 5, 6, 4, 1, 3, 2, 8]

    @given(st.permutations(range(6)))
    def test_the_order_of_arrival_does_not_matter(self, order: list[int]) -> None:
        """Lots are put in their place, whenever they come."""
        lots = [
            lot(1, priority=5),
            lot(2, expires_at=START + DAY),
            lot(3, expires_at=START + 2 * DAY),
            lot(4, granted_at=START - DAY),
            lot(5),
            lot(6),
        ]
        assert numbers(in_order(*(lots[index] for index in order))) == [1, 2, 3, 4, 5, 6]

    @given(
        lots=st.lists(
            st.builds(
                lot,
                st.integers(1, 9),
                priority=st.integers(1, 3),
                granted_at=st.sampled_from([START - DAY, START]),
                expires_at=st.sampled_from([None, START + DAY, START + 2 * DAY]),
            ),
            unique_by=lambda one: one.number,
        )
    )
    def test_many_are_ordered_at_once_as_they_are_one_by_one(self, lots: list[Lot]) -> None:
        """An account of a thousand lots is loaded at the cost of a sort, to the same order."""
        assert in_burn_order(lots) == in_order(*lots)

    def test_a_lot_of_the_same_number_is_replaced(self) -> None:
        """There is never a lot twice."""
        lots = in_order(lot(1), lot(2))
        assert left(insert(lots, lot(1).left_with(30))) == {1: 30, 2: 100}


class TestALot:
    """A lot knows what it may pay for and when its time is over."""

    def test_pays_for_everything_unless_it_names_kinds(self) -> None:
        """An empty set is no restriction."""
        assert all(lot().accepts(kind) for kind in ChargeKind)
        only = lot(pays_for=frozenset({ChargeKind.MESSAGE}))
        assert [kind for kind in ChargeKind if only.accepts(kind)] == [ChargeKind.MESSAGE]

    @pytest.mark.parametrize(
        ("at", "over"),
        [(START - timedelta(microseconds=1), False), (START, True), (START + DAY, True)],
    )
    def test_expires_at_its_end_and_not_after_it(self, at: datetime, over: bool) -> None:  # noqa: FBT001
        """The end is exclusive."""
        assert lot(granted_at=START - DAY, expires_at=START).expired(at) is over

    def test_without_an_end_it_never_expires(self) -> None:
        """A paid lot waits for ever."""
        assert not lot().expired(START + 100_000 * DAY)

    def test_changes_nothing_but_its_remainder(self) -> None:
        """Every other fact of a lot stays as it was granted."""
        full = lot(
            7,
            origin=LotOrigin.PROMOTIONAL,
            expires_at=START + DAY,
            pays_for=frozenset({ChargeKind.PLAN}),
            priority=3,
            source="spring",
        )
        assert full.left_with(100) == full
        assert full.left_with(40).remaining == 40
        assert full.left_with(40).left_with(100) == full


class TestBurn:
    """A burn takes from lots in their order and says who paid."""

    def test_takes_from_one_after_the_other(self) -> None:
        """Of 100, 50 and 100 a burn of 170 leaves 0, 0 and 80; spent lots stay visible."""
        lots = in_order(lot(1, 100), lot(2, 50), lot(3, 100))
        done = burn(lots, 170, ChargeKind.OTHER, START)
        assert left(done.lots) == {1: 0, 2: 0, 3: 80}
        assert [(share.lot.number, share.units) for share in done.shares] == [
            (1, 100),
            (2, 50),
            (3, 20),
        ]
        assert done.shares[0].lot == lot(1, 100), "a share shows the lot before it paid"
        assert done.missing == 0

    def test_stops_at_the_lot_that_covers_the_rest(self) -> None:
        """A lot that is not needed is no payer, not even of nothing."""
        done = burn(in_order(lot(1), lot(2)), 100, ChargeKind.OTHER, START)
        assert [share.lot.number for share in done.shares] == [1]

    def test_passes_over_what_may_not_pay(self) -> None:
        """Spent, expired and earmarked lots are skipped and stay as they are."""
        lots = in_order(
            lot(1, remaining=0),
            lot(2, expires_at=START, granted_at=START - DAY),
            lot(3, pays_for=frozenset({ChargeKind.MESSAGE})),
            lot(4),
        )
        done = burn(lots, 30, ChargeKind.PLAN, START)
        assert left(done.lots) == {1: 0, 2: 100, 3: 100, 4: 70}
        assert burnable(lots, ChargeKind.PLAN, START) == 100
        assert burnable(lots, ChargeKind.MESSAGE, START) == 200
        assert burnable(lots, None, START) == 200

    def test_says_what_nobody_could_pay(self) -> None:
        """Of 130 asked and 100 there, 30 are missing."""
        assert burn((lot(1),), 130, ChargeKind.OTHER, START).missing == 30

    def test_of_nothing_takes_nothing(self) -> None:
        """Zero units touch no lot."""
        done = burn((lot(1),), 0, ChargeKind.OTHER, START)
        assert (done.lots, done.shares, done.missing) == ((lot(1),), (), 0)


class TestPin:
    """Setting aside finds the lots that a burn would, and leaves their units in them."""

    def test_what_is_set_aside_adds_up_and_stays_in_its_lot(self) -> None:
        first = pin((lot(1), lot(2)), 30, ChargeKind.PLAN, START)
        second = pin(first.lots, 90, ChargeKind.PLAN, START)
        assert [(one.remaining, one.pinned) for one in second.lots] == [(100, 100), (100, 20)]
        assert [(share.lot.number, share.units) for share in second.shares] == [(1, 70), (2, 20)]
        assert second.missing == 0

    def test_what_no_lot_has_free_is_missing(self) -> None:
        done = pin((lot(1, pinned=90), lot(2, pays_for=OTHERS)), 30, ChargeKind.PLAN, START)
        assert [one.pinned for one in done.lots] == [100, 0]
        assert done.missing == 20


class TestRestore:
    """What is given back goes to those who paid, the last payer first."""

    def test_the_last_payer_first(self) -> None:
        """Of 100 + 50 + 20 paid, 60 back are 20 to the third and 40 to the second."""
        done = burn(in_order(lot(1, 100), lot(2, 50), lot(3, 100)), 170, ChargeKind.OTHER, START)
        back = restore(done.lots, done.shares, 60, START)
        assert left(back.lots) == {1: 0, 2: 40, 3: 100}
        assert [(share.lot.number, share.units) for share in back.shares] == [(3, 20), (2, 40)]
        assert back.missing == 0

    def test_brings_a_spent_lot_back_that_was_dropped(self) -> None:
        """A lot that is no longer among the open ones comes back with what it gets."""
        done = burn((lot(1),), 100, ChargeKind.OTHER, START)
        back = restore((lot(2),), done.shares, 30, START)
        assert left(back.lots) == {1: 30, 2: 100}
        assert back.lots[0].granted == 100

    def test_brings_it_back_without_the_pins_of_then(self) -> None:
        """What a hold had set aside when the share was paid has been captured since."""
        done = burn((lot(1).left_with(100, 30),), 70, ChargeKind.OTHER, START)
        (again,) = restore((), done.shares, 20, START).lots
        assert (again.remaining, again.pinned) == (20, 0)

    def test_puts_it_in_its_place(self) -> None:
        """What comes back stands in burn order again."""
        first, second = lot(1, expires_at=START + DAY), lot(2)
        done = burn((first, second), 150, ChargeKind.OTHER, START)
        back = restore((second.left_with(50),), done.shares, 150, START)
        assert back.lots == (first, second)

    def test_what_has_expired_takes_nothing(self) -> None:
        """The share of an expired lot is lost, and passed on to nobody."""
        ends = lot(2, 50, expires_at=START + DAY, priority=200)
        done = burn((lot(1), ends), 120, ChargeKind.OTHER, START)
        back = restore(done.lots, done.shares, 70, START + DAY)
        assert left(back.lots) == {1: 50, 2: 30}
        assert back.missing == 20
        assert [share.lot.number for share in back.shares] == [1]

    def test_gives_no_lot_more_than_it_paid(self) -> None:
        """What exceeds the shares is missing, not money out of nothing."""
        done = burn((lot(1),), 40, ChargeKind.OTHER, START)
        back = restore(done.lots, done.shares, 55, START)
        assert left(back.lots) == {1: 100}
        assert back.missing == 15

    @given(
        st.lists(st.integers(1, 50), min_size=1, max_size=6),
        st.integers(0, 400),
        st.integers(0, 400),
    )
    def test_units_are_conserved(self, sizes: list[int], asked: int, back: int) -> None:
        """What left the lots and what is missing is what was asked; the same on the way back."""
        lots = in_order(*(lot(number, units) for number, units in enumerate(sizes, 1)))
        done = burn(lots, asked, ChargeKind.OTHER, START)
        paid = sum(share.units for share in done.shares)
        assert paid + done.missing == asked
        assert paid == min(asked, sum(sizes)) == sum(sizes) - sum(left(done.lots).values())
        again = restore(done.lots, done.shares, back, START)
        given_back = sum(share.units for share in again.shares)
        assert given_back + again.missing == back
        assert given_back == min(back, paid)
        assert sum(left(again.lots).values()) == sum(sizes) - paid + given_back
        if back >= paid:
            assert again.lots == lots


class TestShare:
    """A share is a plain value."""

    def test_equal_when_lot_and_units_are(self) -> None:
        """Storages may compare what they stored with what they got."""
        assert Share(lot(1), 5) == Share(lot(1), 5) != Share(lot(1), 6)
