"""Charge models: prices by hand, laws over generated tiers and usage, and what is refused."""

import pickle
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any, cast

import pytest
from hypothesis import example, given, strategies as st

from monochat_billing.charge_lines import (
    ChargeLine,
    FeeOf,
    LineBasis,
    draft,
    total_of,
)
from monochat_billing.charge_models import (
    Allowance,
    Capacity,
    ChargeModel,
    Commitment,
    Dynamic,
    Graduated,
    GraduatedPercentage,
    Package,
    Percentage,
    PerUnit,
    Volume,
    affordable_units,
    charge,
    charge_step,
    true_up,
)
from monochat_billing.errors import InvalidInput
from monochat_billing.fees import FeeBase, OwnFee, with_own_fee
from monochat_billing.money import money
from monochat_billing.quantities import (
    events_of,
    exact,
    exact_count,
    most_affordable,
    number_text,
    roll_up,
)
from monochat_billing.rounding import HALF_UP
from monochat_billing.tiers import AtZero, CapacityTier, Tier, check_tiers, tier_of

amounts = st.integers(0, 10**7).map(lambda micro: Fraction(micro, 10**6))
units = st.integers(0, 3_000)


@st.composite
def tier_lists(draw: st.DrawFn, *, packaged: bool = False) -> tuple[Tier, ...]:
    bounds = sorted(draw(st.sets(st.integers(1, 2_000), max_size=5)))
    sizes = st.sampled_from([1, 7, 100]) if packaged else st.just(1)
    flats = st.one_of(st.just(Fraction(0)), amounts)
    return tuple(
        Tier(up_to=top, price=draw(amounts), flat=draw(flats), size=draw(sizes))
        for top in [*bounds, None]
    )


def raw_of(model: ChargeModel, usage: Any) -> Fraction:  # noqa: ANN401 - any usage
    return charge(model, usage, currency="USD").raw


@st.composite
def rising_models(draw: st.DrawFn) -> ChargeModel:
    """Draw a model of units under which more never costs less."""
    inner: ChargeModel = draw(
        st.one_of(
            st.builds(PerUnit, price=amounts),
            st.builds(Package, price=amounts, size=st.integers(1, 50), free=st.integers(0, 50)),
            st.builds(Graduated, tiers=tier_lists(packaged=True), at_zero=st.sampled_from(AtZero)),
            st.builds(Dynamic, multiplier=amounts),
        )
    )
    if draw(st.booleans()):
        inner = Allowance(included=draw(units), overage=inner)
    if draw(st.booleans()):
        least = draw(amounts)
        inner = Commitment(
            model=inner,
            minimum=least,
            maximum=draw(st.one_of(st.none(), amounts.map(lambda more: least + more))),
            discount=draw(st.sampled_from(["0", "0.1", "0.5"])),
        )
    return inner


class TestTheLaws:
    @given(tier_lists(), units)
    def test_graduated_is_the_sum_of_its_units(self, tiers: tuple[Tier, ...], used: int) -> None:
        """The closed form over tiers equals unit by unit, plus a fee for each tier entered."""
        reached = tier_of(tiers, used)
        each = sum((tiers[tier_of(tiers, unit) - 1].price for unit in range(1, used + 1)), 0)
        flat = sum(tier.flat for tier in tiers[:reached])
        assert raw_of(Graduated(tiers=tiers), used) == each + flat

    @given(tier_lists(), units)
    def test_volume_is_one_tier_for_all(self, tiers: tuple[Tier, ...], used: int) -> None:
        """Every unit has the price of the tier that the whole reaches."""
        tier = tiers[tier_of(tiers, used) - 1]
        assert raw_of(Volume(tiers=tiers), used) == used * tier.price + tier.flat

    @given(rising_models(), units, units)
    def test_more_never_costs_less(self, model: ChargeModel, one: int, other: int) -> None:
        """All but volume pricing are monotone."""
        low, high = sorted((one, other))
        first = charge(model, low, currency="USD")
        second = charge(model, high, currency="USD")
        assert first.raw <= second.raw
        assert first.units <= second.units

    @given(st.one_of(rising_models(), st.builds(Volume, tiers=tier_lists())), st.lists(units))
    def test_steps_sum_to_the_whole(self, model: ChargeModel, parts: list[int]) -> None:
        """However a period is cut, what its steps charge is what the period costs."""
        total, before, used = 0, None, 0
        for more in parts:
            used += more
            step = charge_step(model, before=before, after=used, currency="USD", rounding=HALF_UP)
            assert step.units == sum(line.rounded_units for line in step.lines)
            total, before = total + step.units, used
        if parts:
            assert total == charge(model, used, currency="USD", rounding=HALF_UP).units

    @given(rising_models(), st.integers(0, 10**9), st.integers(1, 20))
    def test_the_affordable_fits_and_one_step_more_does_not(
        self, model: ChargeModel, micro: int, step: int
    ) -> None:
        """Exact at the edge, unless the most that was asked for fits."""
        budget, at_most = Fraction(micro, 10**6), 5_000
        count = affordable_units(model, budget, currency="USD", step=step, at_most=at_most)
        assert count % step == 0
        if count:
            assert charge(model, count, currency="USD").units <= micro
        if count + step <= at_most:
            assert charge(model, count + step, currency="USD").units > micro

    @given(rising_models(), units, st.sampled_from(["USD", "JPY", "KWD"]))
    def test_lines_sum_to_the_rounded_total(
        self, model: ChargeModel, used: int, currency: str
    ) -> None:
        """Lines and total are one number, within half a unit of the exact sum."""
        found = charge(model, used, currency=currency, rounding=HALF_UP)
        assert found.raw == sum(line.raw for line in found.lines)
        assert abs(found.remainder) <= Fraction(1, 2 * 10**found.digits)

    @given(
        st.lists(amounts, max_size=8),
        st.one_of(st.none(), st.integers(0, 5)),
        st.one_of(st.none(), amounts),
    )
    def test_percentages_add_up_by_transaction(
        self, events: list[Fraction], free_events: int | None, free_amount: Fraction | None
    ) -> None:
        """The free part is the smaller of the first transactions and the free amount."""
        model = Percentage(rate="0.01", free_events=free_events, free_amount=free_amount)
        first = sum(events if free_events is None else events[:free_events])
        freed = first if free_amount is None else min(first, free_amount)
        if free_events is None and free_amount is None:
            freed = 0
        assert raw_of(model, events) == (sum(events) - freed) / 100

    @given(st.lists(amounts, min_size=1, max_size=8), amounts, amounts)
    def test_each_fee_lies_between_its_bounds(
        self, events: list[Fraction], one: Fraction, other: Fraction
    ) -> None:
        """Least and most bound each transaction, not the sum."""
        low, high = sorted((one, other))
        model = Percentage(rate="0.1", least=low, most=high)
        assert raw_of(model, events) == sum(min(max(e / 10, low), high) for e in events)

    @given(st.integers(0, 10**6), st.integers(1, 10**4))
    def test_a_package_that_is_begun_counts_whole(self, used: int, size: int) -> None:
        """Packages hold what is used, and one fewer would not."""
        packages = Package(price=1, size=size).packages(used)
        assert (packages - 1) * size < used <= packages * size or used == packages == 0

    @given(st.integers(0, 100), st.integers(0, 10**6), st.integers(0, 10**6))
    def test_the_largest_count_is_at_the_edge(self, price: int, budget: int, most: int) -> None:
        """The search finds the largest count, whatever the price."""
        count = most_affordable(lambda number: price * number, budget, at_most=most)
        assert price * count <= budget
        assert count == most or price * (count + 1) > budget


QUANTITIES = st.builds(Fraction, st.integers(0, 400), st.sampled_from((1, 2, 3, 10)))
PRICES = st.builds(Fraction, st.integers(0, 50), st.sampled_from((1, 3, 7, 1000)))
STRAIGHT = st.one_of(
    st.builds(PerUnit, price=PRICES),
    st.builds(
        lambda bounds, tiers, at_zero: Graduated(
            tiers=tuple(
                Tier(up_to=bound, price=price, flat=flat)
                for bound, (price, flat) in zip([*sorted(bounds), None], tiers, strict=False)
            ),
            at_zero=at_zero,
        ),
        st.sets(QUANTITIES.filter(bool), max_size=3),
        st.lists(st.tuples(PRICES, PRICES), min_size=4, max_size=4),
        st.sampled_from(AtZero),
    ),
)


class TestLadders:
    """A price that is a straight line within its tiers is stepped along without charging it."""

    @given(model=STRAIGHT, quantities=st.tuples(QUANTITIES, QUANTITIES), scale=st.integers(0, 6))
    def test_a_step_is_the_difference_of_the_lines(
        self, model: PerUnit | Graduated, quantities: tuple[Fraction, Fraction], scale: int
    ) -> None:
        """A list of transactions takes the long way: whole lines less whole lines."""
        before, after = quantities
        rounding = HALF_UP.at_scale(scale)
        short = charge_step(
            model, before=before, after=after, currency="TRY", rounding=rounding, source="card"
        )
        long = charge_step(
            model, before=[before], after=[after], currency="TRY", rounding=rounding, source="card"
        )
        assert short == long

    @given(
        model=STRAIGHT,
        quantities=st.tuples(QUANTITIES, QUANTITIES),
        off=st.sampled_from((None, 0, 1, -1)),
    )
    def test_what_was_charged_is_taken_off_whatever_it_was(
        self, model: PerUnit | Graduated, quantities: tuple[Fraction, Fraction], off: int | None
    ) -> None:
        """Then both ways leave the whole, charged once."""
        before, after = quantities
        first = charge(model, [before], currency="TRY").units
        charged = 0 if off is None else max(first + off, 0)
        steps = [
            charge_step(model, before=start, after=end, charged=charged, currency="TRY")
            for start, end in ((before, after), ([before], [after]))
        ]
        assert steps[0] == steps[1]
        assert charged + steps[0].units == charge(model, [after], currency="TRY").units

    @pytest.mark.parametrize("size", [1, 2])
    def test_what_is_above_the_last_tier_is_refused_on_either_way(self, size: int) -> None:
        """Packages have no ladder, single units have one."""
        model = Graduated(tiers=(Tier(up_to=10, price=1, size=size),))
        with pytest.raises(InvalidInput, match="above the last tier"):
            charge_step(model, before=Fraction(4), after=Fraction(11), currency="TRY")

    def test_a_total_that_is_too_large_is_refused(self) -> None:
        """64 bits hold what a balance holds."""
        with pytest.raises(InvalidInput, match="too large"):
            charge_step(
                PerUnit(price=10**13), before=Fraction(1), after=Fraction(2), currency="TRY"
            )


class TestByHand:
    @pytest.mark.parametrize(
        ("model", "usage", "expected"),
        [
            (PerUnit(price="0.0109"), 0, "0"),
            (PerUnit(price="0.0109"), 1_000_000, "10900"),
            (PerUnit(price="0.5"), "1.5", "0.75"),
            (PerUnit(price=2), [1, 2, "0.5"], "7"),
            (Package(price=5, size=100), 100, "5"),
            (Package(price=5, size=100), 101, "10"),
            (Package(price=5, size=100, free=1), 101, "5"),
            (Package(price=5, size="0.5"), "0.6", "10"),
            (Graduated(tiers=(Tier(up_to=3, price=2), Tier(price=1))), 3, "6"),
            (Graduated(tiers=(Tier(up_to=3, price=2), Tier(price=1))), 4, "7"),
            (Graduated(tiers=(Tier(price=1, flat=9),)), 0, "9"),
            (Graduated(tiers=(Tier(price=1, flat=9),), at_zero=AtZero.NOTHING), 0, "0"),
            (Graduated(tiers=(Tier(price=1, flat=9),), at_zero=AtZero.NOTHING), 1, "10"),
            (Volume(tiers=(Tier(up_to=3, price=2), Tier(price=1))), 4, "4"),
            (Volume(tiers=(Tier(price=1, flat=9),), at_zero=AtZero.NOTHING), 0, "0"),
            (Volume(tiers=(Tier(up_to=10, price=3, size=4), Tier(price=1))), 9, "9"),
            (
                GraduatedPercentage(tiers=(Tier(up_to=100, price="0.02"), Tier(price="0.01"))),
                300,
                "4",
            ),
            (Percentage(rate="0.029", fixed="0.30"), [100, 50], "4.95"),
            (Percentage(rate="0.05", fixed=1, free_amount=5), [5], "1"),
            (Percentage(rate="0.05", fixed=1, free_amount=6), [5], "0"),
            (Percentage(rate="0.01", least=2, most=3), [100, 250, 400], "7.5"),
            (Dynamic(multiplier="1.2"), "10.5", "12.6"),
            (Allowance(included=10, overage=PerUnit(price=2)), 10, "0"),
            (Allowance(included=10, overage=PerUnit(price=2)), 11, "2"),
            (Commitment(model=PerUnit(price=1), minimum=5), 0, "5"),
            (Commitment(model=PerUnit(price=1), minimum=30, share="0.5"), 10, "15"),
            (Commitment(model=PerUnit(price=1), discount="0.25", maximum=60), 100, "60"),
            (Commitment(model=PerUnit(price=1), discount="0.25"), 100, "75"),
        ],
        ids=str,
    )
    def test_prices(self, model: ChargeModel, usage: Any, expected: str) -> None:  # noqa: ANN401
        """Each price was computed by hand."""
        assert raw_of(model, usage) == Fraction(expected)

    def test_capacity_takes_the_cheapest_that_fits(self) -> None:
        """Tiers need no order; of two with one price the first is taken."""
        tiers = (
            CapacityTier(limits={"users": None, "gb": None}, price=30),
            CapacityTier(limits={"users": 10, "gb": 5}, price=10),
            CapacityTier(limits={"users": 10, "gb": 5}, price=10),
        )
        found = charge(Capacity(tiers=tiers), {"users": 10, "gb": "5"}, currency="TRY")
        assert found.lines[0].tier == 2
        assert found.raw == 10
        found = charge(Capacity(tiers=tiers), {"users": "10.1"}, currency="TRY")
        assert found.lines[0].tier == 1
        assert found.raw == 30
        assert charge(Capacity(tiers=tiers), {}, currency="TRY").lines == ()

    def test_true_up_never_goes_below_zero(self) -> None:
        """Who used more than the minimum owes nothing more."""
        assert true_up(10, 12) == 0
        assert true_up(1000, 800, share=Fraction(25, 28)) == Fraction(650, 7)

    def test_a_step_of_volume_pricing_can_give_back(self) -> None:
        """Where one unit more makes the whole cheaper, the step is below zero."""
        model = Volume(tiers=(Tier(up_to=10, price=3), Tier(price=1)))
        step = charge_step(model, before=10, after=11, currency="USD")
        assert step.money == money("-19", "USD")
        assert [line.basis for line in step.lines] == [LineBasis.UNIT, LineBasis.BILLED]

    def test_fees_stand_beside_the_provider_s(self) -> None:
        """Absolute, percentage and tiered fees, each a line of its own."""
        provider = charge(PerUnit(price="0.0109"), 1000, currency="USD", source="card")
        tiered = Graduated(tiers=(Tier(up_to=500, price="0.002"), Tier(price="0.001")))
        both = with_own_fee(
            provider,
            OwnFee(model=PerUnit(price="0.001")),
            OwnFee(model=Dynamic(multiplier="0.05"), base=FeeBase.PROVIDER_FEE, name="handling"),
            OwnFee(model=tiered),
            units=1000,
        )
        assert both.of(FeeOf.PROVIDER) == money("10.90", "USD")
        assert both.of(FeeOf.OWN) == money("3.045", "USD")  # 1 + 0.545 + 1 + 0.5
        assert both.money == money("13.945", "USD")
        assert both.lines[2].explain("tr") == (
            "hizmet bedeli, $10,90 tutarının %5 kadarı = $0,545 (handling)"
        )
        with pytest.raises(InvalidInput, match="decimals"):
            with_own_fee(provider, OwnFee(model=PerUnit(price=1)), units=1, rounding=HALF_UP)


SENTENCES = [
    (draft(LineBasis.UNIT, 1, "0.5"), "1 unit x $0.50 = $0.50", "1 birim x $0,50 = $0,50"),
    (
        draft(LineBasis.PACKAGE, 3, 2, tier=2),
        "tier 2: 3 packages x $2.00 = $6.00",
        "kademe 2: 3 paket x $2,00 = $6,00",
    ),
    (
        draft(LineBasis.FREE, 5, 0, note="included"),
        "5 free units = $0.00 (included)",
        "5 ücretsiz birim = $0,00 (dahil)",
    ),
    (
        draft(LineBasis.DISCOUNT, 80, "0.25"),
        "25% discount on $80.00 = -$20.00",
        "%25 indirim, $80,00 = -$20,00",
    ),
    (
        draft(LineBasis.TRUE_UP, 1, 7),
        "true-up to the minimum = $7.00",
        "asgari tutara tamamlama = $7,00",
    ),
    (draft(LineBasis.CAP, 1, 7), "cut to the maximum = -$7.00", "azami tutara indirme = -$7,00"),
    (
        draft(LineBasis.FLAT, 1, Fraction(2, 3)),
        "1 fixed fee x 2/3 USD = $0.666667",
        "1 sabit ücret x 2/3 USD = $0,666667",
    ),
]


class TestLines:
    @pytest.mark.parametrize(("line", "english", "turkish"), SENTENCES)
    def test_says_what_it_did(self, line: Any, english: str, turkish: str) -> None:  # noqa: ANN401
        """A line is a sentence in English and in Turkish."""
        found = total_of([line], "USD").lines[0]
        assert (found.explain(), found.explain("tr")) == (english, turkish)

    def test_knows_two_languages(self) -> None:
        """Any other locale is refused."""
        line = total_of([draft(LineBasis.UNIT, 1, 1)], "USD").lines[0]
        with pytest.raises(InvalidInput, match="locale"):
            line.explain("de")

    def test_survives_pickling(self) -> None:
        """Charges and models cross a process pool."""
        model = Capacity(tiers=(CapacityTier(limits={"users": 5}, price=3),))
        found = charge(model, {"users": 1}, currency="USD")
        assert pickle.loads(pickle.dumps((model, found))) == (model, found)  # noqa: S301

    @given(st.fractions(min_value=-(10**6), max_value=10**6, max_denominator=10**6))
    @example(Fraction(1, 3))
    @example(Fraction(-1, 8))
    def test_a_number_is_written_exactly(self, value: Fraction) -> None:
        """The text, read again, is the number."""
        assert Fraction(number_text(value)) == value
        assert Fraction(number_text(value, "tr").replace(",", ".")) == value

    def test_less_takes_off_what_was_billed(self) -> None:
        """The same amount again leaves nothing; a strange one is refused."""
        found = charge(PerUnit(price="0.067"), 55, currency="USD", rounding=HALF_UP)
        assert found.money == money("3.69", "USD")
        assert found.less(found.money).units == 0
        assert found.less(money("5", "USD")).money == money("-1.31", "USD")
        for wrong in (money("1", "TRY"), money("-1", "USD"), money("0.001", "USD"), 3):
            with pytest.raises(InvalidInput, match="billed"):
                found.less(wrong)  # type: ignore[arg-type]

    def test_refuses_a_total_that_no_column_holds(self) -> None:
        """A total beyond 64 bits is refused, not cut."""
        with pytest.raises(InvalidInput, match="too large"):
            charge(PerUnit(price=10**18), 10**18, currency="USD")
        huge = ChargeLine(
            basis=LineBasis.UNIT,
            currency="USD",
            units=Fraction(10**18),
            rate=Fraction(10**18),
            rounded_units=0,
            digits=2,
        )
        assert huge.explain().endswith("1000000000000000000 USD = $0.00")


NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
REFUSED: list[tuple[Callable[[], object], str]] = [
    (lambda: Tier(size=0), "size"),
    (lambda: Package(price=1, size=0), "size"),
    (lambda: GraduatedPercentage(tiers=(Tier(price=1, size=2),)), "tiers"),
    (lambda: Percentage(rate=1, least=2, most=1), "least"),
    (lambda: Percentage(rate=1, free_events=-1), "free_events"),
    (lambda: Commitment(model=PerUnit(price=1), discount=2), "discount"),
    (lambda: Commitment(model=PerUnit(price=1), share=2), "share"),
    (lambda: Commitment(model=PerUnit(price=1), minimum=2, maximum=1), "minimum"),
    (lambda: Allowance(included=1, overage=Percentage(rate=1)), "overage"),
    (lambda: Capacity(tiers=()), "tiers"),
    (lambda: CapacityTier(limits=cast("Any", []), price=1), "limits"),
    (lambda: charge(PerUnit(price=1), {"users": 1}, currency="USD"), "usage"),
    (lambda: events_of(["1", cast("Any", 0.5)]), "usage"),
    (
        lambda: charge(Capacity(tiers=(CapacityTier(limits={}, price=1),)), 1, currency="USD"),
        "usage",
    ),
    (
        lambda: charge(
            Capacity(tiers=(CapacityTier(limits={"a": 1}, price=1),)),
            {"a": 2},
            currency="USD",
        ),
        "quantities",
    ),
    (lambda: affordable_units(Volume(tiers=(Tier(),)), 1, currency="USD"), "model"),
    (lambda: affordable_units(PerUnit(price=1), 1, currency="USD", step=0), "step"),
    (lambda: roll_up([], [NOON, NOON]), "bounds"),
]


class TestRefusals:
    @pytest.mark.parametrize(
        "value",
        [0.5, True, "", "1e3", "+1", " 1", "1,5", "-1", -1, Decimal("NaN"), Decimal("1e99"), None],
        ids=repr,
    )
    def test_a_quantity_is_exact_and_not_negative(self, value: Any) -> None:  # noqa: ANN401
        """What is not an exact number of zero or more is refused, by name."""
        with pytest.raises(InvalidInput, match="units"):
            exact(value, field="units")

    def test_zero_of_any_exponent_is_zero(self) -> None:
        """Decimal keeps an exponent on zero; it means nothing."""
        assert exact(Decimal("0e99")) == 0

    @pytest.mark.parametrize("value", [1.0, True, -1, "1", 10**19], ids=repr)
    def test_a_count_is_a_whole_number(self, value: Any) -> None:  # noqa: ANN401
        """A count is an int of zero or more."""
        with pytest.raises(InvalidInput, match="is not a count"):
            exact_count(value)

    @pytest.mark.parametrize(
        "tiers",
        [
            (),
            (Tier(), Tier()),
            (Tier(up_to=2), Tier(up_to=2)),
            (Tier(up_to=2), Tier(up_to=1)),
            (Tier(up_to=0),),
            ({"up_to": 1},),
            "tiers",
        ],
        ids=str,
    )
    def test_tiers_rise(self, tiers: Any) -> None:  # noqa: ANN401 - the subject
        """Tiers that overlap, stand still or are none are refused."""
        with pytest.raises(InvalidInput, match="tiers"):
            check_tiers(tiers)

    def test_nothing_lies_above_a_last_tier_with_an_end(self) -> None:
        """What no tier prices is refused rather than left unbilled."""
        for model in (Graduated(tiers=(Tier(up_to=5, price=1),)), Volume(tiers=(Tier(up_to=5),))):
            with pytest.raises(InvalidInput, match="above the last tier"):
                charge(model, "5.1", currency="USD")

    @pytest.mark.parametrize(("build", "field"), REFUSED, ids=map(str, range(len(REFUSED))))
    def test_names_what_cannot_be_right(self, build: Callable[[], object], field: str) -> None:
        """Each refusal names its field."""
        with pytest.raises(InvalidInput) as caught:
            build()
        assert caught.value.field == field
