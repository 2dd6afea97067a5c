"""Thresholds, what crosses them, and rules that ask for a refill."""

import pickle
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, strategies as st

from monochat_billing.alerts import Direction, Ladder, Report, ThresholdRule
from monochat_billing.errors import InvalidInput
from monochat_billing.lots import ChargeKind
from monochat_billing.money import Money, money
from monochat_billing.refills import RefillRule

FALLING, RISING = Direction.FALLING, Direction.RISING


def lira(*amounts: str) -> list[Money]:
    return [money(one, "TRY") for one in amounts]


@st.composite
def ladders(draw: st.DrawFn) -> Ladder:
    direction = draw(st.sampled_from(Direction))
    fixed = sorted(draw(st.sets(st.integers(-60, 60), max_size=4)), reverse=direction is FALLING)
    return Ladder(tuple(fixed), draw(st.integers(0, 25)), direction)


LEVELS = st.integers(-150, 150)


def naive(ladder: Ladder, before: int, after: int) -> list[int]:
    """Try every integer on the way."""
    way = -1 if ladder.direction is FALLING else 1
    base = ladder.fixed[-1] if ladder.fixed else 0
    met = range(before + way, after + way, way) if way * (after - before) > 0 else range(0)
    return [
        one
        for one in met
        if one in ladder.fixed
        or (ladder.step and way * (one - base) > 0 and (one - base) % ladder.step == 0)
    ]


class TestCrossing:
    """The value before is excluded, the value after included."""

    @pytest.mark.parametrize(
        ("before", "after", "crossed"),
        [
            (501, 500, [500]),
            (500, 500, []),
            (500, 499, []),
            (1000, 100, [500, 100]),
            (100, 1000, []),
            (101, -250, [100, 0, -100, -200]),
        ],
    )
    def test_a_falling_ladder(self, before: int, after: int, crossed: list[int]) -> None:
        ladder = Ladder((500, 100), 100, FALLING)
        assert list(ladder.crossed(before, after)) == crossed

    def test_a_step_alone_starts_beyond_zero(self) -> None:
        assert list(Ladder((), 100, RISING).crossed(-500, 250)) == [100, 200]
        assert list(Ladder((), 100, FALLING).crossed(50, -150)) == [-100]

    def test_the_furthest_is_the_last_met(self) -> None:
        ladder = Ladder((500, 100), 100, FALLING)
        assert ladder.crossed(501, -5).furthest == 0
        assert ladder.crossed(501, 400).furthest == 500

    @given(ladders(), LEVELS, LEVELS)
    def test_it_finds_what_trying_every_value_finds(
        self, ladder: Ladder, before: int, after: int
    ) -> None:
        assert list(ladder.crossed(before, after)) == naive(ladder, before, after)
        assert bool(ladder.crossed(before, after)) is bool(naive(ladder, before, after))

    @given(ladders(), st.lists(LEVELS, min_size=2))
    def test_any_cut_of_one_movement_crosses_each_threshold_once(
        self, ladder: Ladder, walk: list[int]
    ) -> None:
        """A movement one way, reported in any number of pieces, reports what the whole does."""
        walk.sort(reverse=ladder.direction is FALLING)
        pieces = [ladder.crossed(a, b) for a, b in pairwise(walk)]
        assert [one for piece in pieces for one in piece] == list(ladder.crossed(walk[0], walk[-1]))

    @given(ladders(), LEVELS)
    def test_the_next_is_ahead_and_the_last_behind(self, ladder: Ladder, level: int) -> None:
        way = -1 if ladder.direction is FALLING else 1
        beyond = naive(ladder, level, level + way * 250)
        assert ladder.ahead(level) == (beyond[0] if beyond else None)
        reached = naive(ladder, level - way * 500, level)
        assert ladder.behind(level) == (reached[-1] if reached else None)


class TestRules:
    """A rule is refused when it can never be right, and prints as a sentence."""

    def test_it_orders_thresholds_as_they_are_met(self) -> None:
        rule = ThresholdRule(thresholds=lira("100", "500", "-2.5"), step=money("10", "TRY"))
        assert rule.ladder(2) == Ladder((50_000, 10_000, -250), 1_000, FALLING)
        assert str(rule) == "falling to 500, 100, -2.5, then every 10 TRY, each time"
        rising = ThresholdRule(
            thresholds=lira("5", "1"),
            direction=RISING,
            report=Report.ONCE,
            kind=ChargeKind.MESSAGE,
        )
        assert rising.ladder(0).fixed == (1, 5)
        assert str(rising) == "rising to 1, 5 TRY for MESSAGE, once"
        assert pickle.loads(pickle.dumps(rising)) == rising  # noqa: S301 - our own bytes

    def test_an_amount_finer_than_the_balance_is_refused(self) -> None:
        with pytest.raises(InvalidInput, match="more than 2 decimals"):
            ThresholdRule(thresholds=lira("0.005")).ladder(2)

    @pytest.mark.parametrize(
        ("field", "facts"),
        [
            ("thresholds", {}),
            ("thresholds", {"thresholds": lira("1", "1.00")}),
            ("thresholds", {"thresholds": [*lira("1"), money("2", "USD")]}),
            ("thresholds", {"thresholds": lira("1"), "step": money("1", "USD")}),
            ("thresholds", {"thresholds": lira(*map(str, range(101)))}),
            ("thresholds", {"thresholds": ["1 TRY"]}),
            ("step", {"step": money("0", "TRY")}),
            ("direction", {"thresholds": lira("1"), "direction": "DOWN"}),
            ("report", {"thresholds": lira("1"), "report": "DAILY"}),
            ("kind", {"thresholds": lira("1"), "kind": "MESSAGES"}),
        ],
    )
    def test_what_can_never_be_right_is_refused(self, field: str, facts: Any) -> None:  # noqa: ANN401
        with pytest.raises(InvalidInput) as refused:
            ThresholdRule(**facts)
        assert refused.value.field == field


class TestRefills:
    """A refill is due at the threshold, counts what is coming, and gets above it."""

    def test_takes_what_a_balance_can_hold(self) -> None:
        """Twenty millions are no more special than twenty; what fits no balance is refused."""
        big, huge = money("20000000", "TRY"), money("9000000000000", "TRY")
        rule = RefillRule(threshold=big, target=money("50000000.000001", "TRY"))
        assert rule.due(money("19999999.5", "TRY")) == money("30000000.500001", "TRY")
        assert ThresholdRule(thresholds=(big, huge)).thresholds == (big, huge)
        with pytest.raises(InvalidInput, match=r"threshold: .* is too large"):
            RefillRule(threshold=money("99999999999999", "TRY", scale=2), amount=big)

    def test_it_asks_as_often_as_it_takes(self) -> None:
        rule = RefillRule(threshold=money("100", "TRY"), amount=money("50", "TRY"))
        assert rule.due(money("100", "TRY")) == money("50", "TRY")
        assert rule.due(money("0", "TRY")) == money("150", "TRY")
        assert rule.due(money("-0.01", "TRY")) == money("150", "TRY")
        assert rule.due(money("0", "TRY"), coming=money("150", "TRY")) is None

    def test_it_aims_at_a_target(self) -> None:
        rule = RefillRule(threshold=money("100", "TRY"), target=money("500", "TRY"))
        assert rule.due(money("99.5", "TRY")) == money("400.5", "TRY")
        assert rule.due(money("-20", "TRY"), coming=money("50", "TRY")) == money("470", "TRY")
        assert rule.due(money("100.000001", "TRY")) is None

    def test_it_keeps_within_its_bounds(self) -> None:
        rule = RefillRule(
            threshold=money("100", "TRY"),
            target=money("500", "TRY"),
            least=money("420", "TRY"),
            most=money("450", "TRY"),
        )
        assert rule.due(money("90", "TRY")) == money("420", "TRY")
        assert rule.due(money("60", "TRY")) == money("440", "TRY")
        assert rule.due(money("0", "TRY")) == money("450", "TRY")

    @given(st.integers(-500, 500), st.integers(1, 90), st.integers(-50, 300))
    def test_an_unbounded_refill_ends_above_the_threshold(
        self, threshold: int, amount: int, there: int
    ) -> None:
        """One amount less would not."""
        rule = RefillRule(threshold=money(threshold, "TRY"), amount=money(amount, "TRY"))
        asked = rule.due(money(there, "TRY"))
        if there > threshold:
            assert asked is None
        else:
            assert asked is not None
            assert there + asked.amount > threshold
            assert there + asked.amount - amount <= threshold

    @pytest.mark.parametrize(
        ("field", "facts"),
        [
            ("amount", {}),
            ("amount", {"amount": money("1", "TRY"), "target": money("9", "TRY")}),
            ("amount", {"amount": money("0", "TRY")}),
            ("amount", {"amount": money("1", "USD")}),
            ("target", {"target": money("5", "TRY")}),
            ("least", {"amount": money("1", "TRY"), "least": money("-1", "TRY")}),
            ("most", {"amount": money("1", "TRY"), "most": money("1", "USD")}),
            (
                "most",
                {
                    "amount": money("1", "TRY"),
                    "least": money("3", "TRY"),
                    "most": money("2", "TRY"),
                },
            ),
        ],
    )
    def test_what_can_never_be_right_is_refused(self, field: str, facts: Any) -> None:  # noqa: ANN401
        with pytest.raises(InvalidInput) as refused:
            RefillRule(threshold=money("5", "TRY"), **facts)
        assert refused.value.field == field

    def test_it_compares_one_currency(self) -> None:
        rule = RefillRule(threshold=money("5", "TRY"), amount=money("1", "TRY"))
        with pytest.raises(InvalidInput, match="available"):
            rule.due(money("5", "USD"))
