"""Uncertainty: the same seed, the same answer; quantiles in order; and a top-up that is enough."""

from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Any

import attrs
import pytest
from hypothesis import given, settings, strategies as st

from monochat_billing import (
    MONTH,
    YEAR,
    InvalidInput,
    MessageCategory,
    Money,
    money,
    sample_catalog,
)
from monochat_billing.adapters.whatsapp import meta_rate_cards
from monochat_billing.simulation import (
    Credit,
    Scenario,
    SimulatedAccount,
    Step,
    Subscribe,
    simulate,
)
from monochat_billing.simulation.choices import Choice
from monochat_billing.simulation.costs import CostTerms
from monochat_billing.simulation.draws import Dice, UsageModel
from monochat_billing.simulation.uncertainty import (
    DryOdds,
    _Job,
    _lived,
    _use,
    compare_odds,
    dry_odds,
    nearest_rank,
)

START = datetime(2027, 1, 1, 6, tzinfo=UTC)
MESSAGES = "monochat.message"
TERMS = CostTerms(sample_catalog(), "TRY", START)
MODEL = UsageModel(
    {MESSAGES: 20_000},
    months=6,
    growth="0.1",
    seasons=["1", "0.8", "1.3"],
    spread="0.4",
    burst_chance="0.2",
    burst_size="2",
)


KINDS = (
    (MessageCategory.MARKETING, "Turkey"),
    (MessageCategory.UTILITY, "Turkey"),
    (MessageCategory.MARKETING, "Germany"),
)


class TestDice:
    """Whole numbers, the same everywhere."""

    def test_are_splitmix64(self) -> None:
        """The first outputs from state 1234567 are those of the published generator."""
        dice = Dice(0)
        dice._state = 1234567
        assert [dice.bits() for _ in range(3)] == [
            6457827717110365317,
            3203168211198807973,
            9817491932198370423,
        ]

    def test_are_fair(self) -> None:
        """60,000 throws of one die: each side within five standard deviations of 10,000."""
        dice = Dice(42)
        seen = Counter(dice.below(6) for _ in range(60_000))
        assert sorted(seen) == [0, 1, 2, 3, 4, 5]
        assert all(abs(count - 10_000) < 460 for count in seen.values())

    @given(st.integers(1, 2**64 - 1), st.integers(), st.integers(0))
    def test_stay_below(self, most: int, seed: int, stream: int) -> None:
        """A number below another, for any seed."""
        assert 0 <= Dice(seed, stream).below(most) < most

    def test_have_sides(self) -> None:
        """None has no side."""
        with pytest.raises(InvalidInput, match="has no sides"):
            Dice(1).below(0)


class TestAModel:
    """Usage as it may come."""

    @given(st.integers(0, 10**6), st.integers(0, 1000))
    def test_draws_the_same_for_the_same_seed(self, seed: int, number: int) -> None:
        """Equal seed and number, equal usage, never below zero."""
        profile = MODEL.draw(seed, number)
        assert profile == MODEL.draw(seed, number)
        assert all(one[MESSAGES] >= 0 for one in profile.months)

    @given(
        weights=st.lists(st.integers(0, 50), min_size=3, max_size=3).filter(any),
        spread=st.sampled_from(["0", "0.4", "1"]),
        number=st.integers(0, 1000),
    )
    def test_a_mix_splits_the_whole(self, weights: list[int], spread: str, number: int) -> None:
        """Every month's messages are split without rest, near their weights; usage is untouched."""
        mix = dict(zip(KINDS, weights, strict=True))
        model = attrs.evolve(MODEL, mix=mix, mix_spread=spread)
        profile = model.draw(1, number)
        assert profile.months == MODEL.draw(1, number).months
        for month, parts in zip(profile.months, profile.mixes, strict=True):
            assert sum(parts.values()) == month[MESSAGES]
            assert all(parts[kind] >= 0 for kind in KINDS)
            assert all(parts[kind] <= 1 for kind, weight in mix.items() if not weight)
            if spread == "0":
                for kind, weight in mix.items():
                    assert abs(parts[kind] - Fraction(month[MESSAGES] * weight, sum(weights))) < 1

    def test_without_chance_is_its_expectation(self) -> None:
        """10,000 growing by half, in a season that repeats every two months."""
        model = UsageModel({MESSAGES: 10_000}, months=4, growth="0.5", seasons=["1", "0.5"])
        assert [one[MESSAGES] for one in model.draw(1, 1).months] == [10_000, 7_500, 22_500, 16_875]
        shrinking = attrs.evolve(model, growth="-0.5", seasons=[1])
        assert [one[MESSAGES] for one in shrinking.draw(1, 1).months] == [10_000, 5000, 2500, 1250]

    def test_varies_around_its_expectation(self) -> None:
        """The mean of 2,000 draws is near the base, and all are within the spread."""
        model = UsageModel({MESSAGES: 10_000}, months=1, spread="0.3")
        found = [model.draw(5, number).months[0][MESSAGES] for number in range(2_000)]
        assert 7_000 <= min(found) < 8_500
        assert 11_500 < max(found) <= 13_000
        assert abs(sum(found) - 20_000_000) < 200_000

    @pytest.mark.parametrize(
        ("fields", "problem"),
        [
            pytest.param({"spread": "1.1"}, "spread: .* below zero", id="spread"),
            pytest.param({"growth": "-1.5"}, "growth: .* below zero", id="growth"),
            pytest.param({"burst_chance": "2"}, "burst_chance", id="chance"),
            pytest.param({"burst_size": "-1"}, "burst_size", id="size"),
            pytest.param({"seasons": []}, "seasons", id="seasons"),
            pytest.param({"seasons": ["-1"]}, "seasons", id="cold"),
            pytest.param({"base": {}}, "base: .* is empty", id="empty"),
            pytest.param({"mix_spread": "1.5"}, "mix_spread: .* below zero", id="mix-spread"),
            pytest.param({"mix": {("utility", "Turkey"): 0}}, "mix: .* no weight", id="mix"),
            pytest.param({"mix": {("utility", "Turkey"): -1}}, "is no count", id="mix-negative"),
            pytest.param({"mixed": "other"}, "mixed: 'other'", id="mixed"),
            pytest.param({"base": {MESSAGES: -5}}, "is no count", id="negative"),
            pytest.param({"months": 0}, "months", id="months"),
        ],
    )
    def test_refuses_what_could_not_be(self, fields: dict[str, object], problem: str) -> None:
        """A distribution below zero, or of nothing, is refused at once."""
        with pytest.raises(InvalidInput, match=problem):
            UsageModel(**{"base": {MESSAGES: 1}, **fields})  # type: ignore[arg-type]


class TestOdds:
    """Choices under the same draws."""

    CHOICES = (Choice("growth"), Choice("growth", YEAR), Choice("enterprise"), Choice("basic"))

    def test_quantiles_never_fall(self) -> None:
        """A larger share, no smaller cost; the ends are the least and the most that was drawn."""
        odds = compare_odds(MODEL, self.CHOICES, TERMS, draws=60, seed=3)
        for one in odds.choices:
            found = [one.quantile(Fraction(place, 20)).amount for place in range(21)]
            assert found == sorted(found)
            assert found[0] * 10**6 == min(one.costs)
            assert found[-1] * 10**6 == max(one.costs)

    def test_the_cheapest_is_the_cheapest_in_each_draw(self) -> None:
        """Counted anew, draw by draw; what does not serve does not win."""
        odds = compare_odds(MODEL, self.CHOICES, TERMS, draws=40, seed=9)
        won: Counter[Choice] = Counter()
        for number in range(40):
            costs = [TERMS.cost(one, MODEL.draw(9, number)) for one in self.CHOICES]
            least = min(one.total.amount for one in costs if one.possible)
            won.update(one.choice for one in costs if one.possible and one.total.amount == least)
        for one in self.CHOICES:
            assert odds.probability_cheapest(one) == Fraction(won[one], 40)
        assert odds.of(Choice("basic")).serves == 0
        assert "<table>" in odds._repr_html_()
        assert "95 %" in str(odds)

    def test_by_hand(self) -> None:
        """Without chance every draw is the same year."""
        model = UsageModel({MESSAGES: 12_000})
        (one,) = compare_odds(model, [Choice("growth")], TERMS, draws=3, seed=1).choices
        assert one.mean == 12 * 1799
        assert one.quantile("0.5") == money(12 * 1799, "TRY")
        assert nearest_rank([1, 2, 3], Fraction(1)) == 3

    def test_fees_follow_the_mix(self) -> None:
        """1,000 messages to two markets alike: half at each card's rate; the mix moves the sum."""
        cards = meta_rate_cards()
        terms = CostTerms(sample_catalog(), "TRY", START, rates=cards)
        steady = UsageModel({MESSAGES: 1_000}, months=1, mix={KINDS[0]: 1, KINDS[2]: 1})
        odds = compare_odds(steady, [Choice("growth")], terms, draws=2, seed=1)
        card = cards.in_force(START.date())
        each = [
            card.units_for(market, MessageCategory.MARKETING) for market in ("Turkey", "Germany")
        ]
        assert None not in each
        assert odds.fee_quantile("0.5").amount * 10**6 == 500 * sum(filter(None, each))
        moved = attrs.evolve(steady, mix_spread="1")
        fees = compare_odds(moved, [Choice("growth")], terms, draws=30, seed=1)
        assert fees.fee_quantile("0.05") < fees.fee_quantile("0.95")
        assert fees.choices[0].costs == odds.choices[0].costs * 15
        with pytest.raises(InvalidInput, match="rates="):
            compare_odds(steady, [Choice("growth")], TERMS, draws=1, seed=1).fee_quantile("0.5")

    def test_bands_rise_to_the_whole(self) -> None:
        """By the end of each month no less than by that of the one before; the last is the cost."""
        (one,) = compare_odds(MODEL, [Choice("growth")], TERMS, draws=30, seed=5).choices
        for share in ("0", "0.5", "1"):
            band = [amount.amount for amount in one.band(share)]
            assert band == sorted(band)
            assert band[-1] == one.quantile(share).amount

    def test_needs_draws_and_choices(self) -> None:
        """None of either is refused."""
        with pytest.raises(InvalidInput, match="draws"):
            compare_odds(MODEL, self.CHOICES, TERMS, draws=0, seed=1)
        with pytest.raises(InvalidInput, match="choices"):
            compare_odds(MODEL, [], TERMS, draws=1, seed=1)
        odds = compare_odds(MODEL, [Choice("growth")], TERMS, draws=1, seed=1)
        with pytest.raises(InvalidInput, match="was not compared"):
            odds.of(Choice("basic"))
        with pytest.raises(InvalidInput, match="above one"):
            odds.choices[0].quantile("1.5")

    def test_a_wide_table_says_its_currency_once(self) -> None:
        """Where lines would be too long it stands in the heads, and no number is shortened."""
        packed = [Choice("growth", packs=[("messages-25k", 15)]), Choice("enterprise")]
        said = str(compare_odds(MODEL, packed, TERMS, draws=3, seed=1))
        assert "expected, TRY" in said
        assert " TRY" not in said.partition("\n")[2]
        assert "…" not in said


class TestRunningDry:
    """When a balance is not enough, and what would be."""

    BALANCE = money("12000", "TRY")

    @settings(max_examples=max(settings().max_examples // 50, 1))
    @given(risk=st.fractions(0, 1, max_denominator=20), seed=st.integers(0, 10**6))
    def test_the_top_up_keeps_the_risk(self, risk: Fraction, seed: int) -> None:
        """With it the share of draws that run dry is at most the risk; a kuruş less is not enough.

        Only where something is needed at all.
        """
        lived: list[Any] = []

        def once(live: Callable[[Any], Any], jobs: Iterable[Any]) -> list[Any]:
            if not lived:
                lived.extend(map(live, jobs))
            return lived

        def dry(balance: Money) -> DryOdds:
            return dry_odds(
                MODEL, Choice("growth"), TERMS, balance=balance, draws=10, seed=seed, over=once
            )

        more = dry(self.BALANCE).top_up(risk)
        assert dry(self.BALANCE + more).probability <= risk
        if more.amount:
            assert dry(self.BALANCE + more - money("0.000001", "TRY")).probability > risk

    def test_says_that_no_more_is_needed(self) -> None:
        """Instead of asking for 0.00 TRY more; and a number without a currency is no balance."""
        rich = dry_odds(
            MODEL, Choice("growth"), TERMS, balance=money("10000000", "TRY"), draws=2, seed=4
        )
        assert rich.explain().endswith("so the risk is 5 % or less without more money")
        with pytest.raises(InvalidInput, match="balance"):
            dry_odds(MODEL, Choice("growth"), TERMS, balance=0, draws=2, seed=4)  # type: ignore[arg-type]

    def test_is_when_the_service_refuses(self) -> None:
        """Lived through with just that balance, the first refusal comes at that instant."""
        odds = dry_odds(MODEL, Choice("growth"), TERMS, balance=self.BALANCE, draws=6, seed=4)
        for number, dry in enumerate(odds.dry):
            profile = MODEL.draw(4, number)
            scenario = Scenario(
                catalog=sample_catalog(),
                start=START,
                end=TERMS.month(6) - timedelta(microseconds=1),
                accounts=[SimulatedAccount(id="draw", currencies=["TRY"])],
                steps=[
                    Step(START, "draw", Credit(self.BALANCE)),
                    Step(START, "draw", Subscribe("growth", MONTH)),
                    *_use(TERMS, profile, 4),
                ],
            )
            run = simulate(scenario)
            refused = [one.step.at for one in run.refusals]
            failed = [
                one.at for one in run.ledger("draw").events if type(one).__name__ == "RenewalFailed"
            ]
            assert dry == min([*refused, *failed], default=None)

    def test_executors_change_nothing(self) -> None:
        """One after the other, on threads or in processes: the same odds."""
        once = dry_odds(MODEL, Choice("growth"), TERMS, balance=self.BALANCE, draws=6, seed=2)
        for kind in (ThreadPoolExecutor, ProcessPoolExecutor):
            with kind(2) as executor:
                again = dry_odds(
                    MODEL,
                    Choice("growth"),
                    TERMS,
                    balance=self.BALANCE,
                    draws=6,
                    seed=2,
                    over=executor.map,
                )
            assert again == once

    def test_deposits_count_from_their_day(self) -> None:
        """Money that comes before it is needed keeps the balance from running dry."""
        dry = dry_odds(MODEL, Choice("growth"), TERMS, balance=self.BALANCE, draws=6, seed=4)
        paid = dry_odds(
            MODEL,
            Choice("growth"),
            TERMS,
            balance=self.BALANCE,
            draws=6,
            seed=4,
            deposits=[(START, money("100000", "TRY"))],
        )
        assert dry.probability > paid.probability == 0
        assert paid.expected_at is None
        assert paid.top_up("0.05") == money("0", "TRY")
        assert dry.expected_at is not None
        assert dry.earliest("0.01") == min(one for one in dry.dry if one is not None)
        assert paid.earliest("0.5") is None
        assert "probability" in str(dry)

    def test_currencies_do_not_mix(self) -> None:
        """A balance in another currency is refused."""
        with pytest.raises(InvalidInput, match="parts"):
            dry_odds(MODEL, Choice("growth"), TERMS, balance=self.BALANCE, draws=1, seed=1, parts=0)
        with pytest.raises(InvalidInput, match="seed"):
            compare_odds(MODEL, [Choice("growth")], TERMS, draws=1, seed="x")  # type: ignore[arg-type]
        with pytest.raises(InvalidInput, match="in TRY"):
            dry_odds(MODEL, Choice("growth"), TERMS, balance=money("1", "USD"), draws=1, seed=1)

    def test_every_charge_is_seen(self) -> None:
        """What a draw is charged sums to what its choice costs."""
        choice = Choice("growth", MONTH, "priority", MONTH, [("messages-5k", 2)])
        for number in range(3):
            lived = _lived(_Job(TERMS, choice, MODEL, 8, number, 3))
            cost = TERMS.cost(choice, MODEL.draw(8, number))
            assert sum(units for _, units in lived) == cost.total.amount * 10**6
