"""Plans compared: by the rating that bills, exactly where they meet, and in words."""

from collections.abc import Callable
from datetime import UTC, datetime
from fractions import Fraction
from typing import Any

import attrs
import pytest
from hypothesis import given, settings, strategies as st

from monochat_billing import MONTH, YEAR, InvalidInput, Money, UnknownName, money, sample_catalog
from monochat_billing.adapters.whatsapp import meta_message_rates, meta_rate_cards
from monochat_billing.balance import EntryKind
from monochat_billing.charge_models import (
    Allowance as IncludedUnits,
    ChargeModel,
    Commitment,
    Dynamic,
    Graduated,
    GraduatedPercentage,
    Package,
    Percentage,
    PerUnit,
    Volume,
)
from monochat_billing.counters import MeterRecord
from monochat_billing.meters import Aggregation
from monochat_billing.money import from_units
from monochat_billing.periods import BillingInterval
from monochat_billing.plans import Catalog
from monochat_billing.rounding import DOWN, HALF_UP, UP, Rounding
from monochat_billing.simulation import (
    BuyPack,
    Credit,
    Scenario,
    SimulatedAccount,
    Step,
    Subscribe,
    Use,
    monthly,
    simulate,
)
from monochat_billing.simulation.break_evens import Standing, break_even
from monochat_billing.simulation.choices import Choice
from monochat_billing.simulation.comparisons import Needs, choices, compare_plans, recommend
from monochat_billing.simulation.costs import CostTerms
from monochat_billing.simulation.profiles import UsageProfile
from monochat_billing.tax import Pricing
from monochat_billing.tiers import Tier
from tests.priced_meters import MESSAGES, metered

START = datetime(2027, 1, 1, 6, tzinfo=UTC)


def terms(catalog: Catalog | None = None) -> CostTerms:
    return CostTerms(catalog or sample_catalog(), "TRY", START)


def billed(catalog: Catalog, choice: Choice, profile: UsageProfile) -> Money:
    """Live through a profile with the service, and give what it took, the last month's end too."""
    months, parts = len(profile.months), profile.parts(MESSAGES)

    def use(number: int, at: datetime) -> Step:
        units = profile.months[number].get(MESSAGES, 0)
        records = [
            MeterRecord(
                id=f"m-{number}-{part}",
                meter=MESSAGES,
                quantity=Fraction(units, parts),
                occurred_at=at,
            )
            for part in range(parts)
        ]
        return Step(at, "acme", Use(records))

    begin: list[Any] = [
        Credit(money("9000000", "TRY")),
        Subscribe(choice.plan, choice.interval),
        *([Subscribe(choice.support, choice.support_interval)] if choice.support else []),
        *(BuyPack(pack, quantity) for pack, quantity in choice.packs),
    ]
    until = CostTerms(catalog, "TRY", START).month(months)
    uses = [
        one
        for month, one in zip(profile.months, monthly(START, months, use), strict=True)
        if month.get(MESSAGES)
    ]
    scenario = Scenario(
        catalog=catalog,
        start=START,
        end=until,
        accounts=[SimulatedAccount(id="acme", currencies=["TRY"])],
        steps=[*(Step(START, "acme", one) for one in begin), *uses],
    )
    run = simulate(scenario)
    assert not [one for one in run.refusals if not isinstance(one.step.action, Use)]
    units = [
        -entry.amount
        for entry, kind in run.ledger("acme").since(START)
        if entry.unit == "TRY" and (entry.effective_at < until or kind is EntryKind.USAGE_FEE)
    ]
    return from_units(sum(units), "TRY")


def _wrong(value: object) -> Any:  # noqa: ANN401 - what types would keep out
    return [value] if value == "messages-5k" else value


plans = st.sampled_from(["growth", "enterprise"])
intervals = st.sampled_from([MONTH, YEAR])
volumes = st.one_of(st.integers(0, 5_000), st.integers(8_000, 13_000), st.integers(90_000, 200_000))
packs = st.lists(
    st.tuples(st.sampled_from(["messages-5k", "messages-25k"]), st.integers(1, 3)),
    max_size=2,
    unique_by=lambda one: one[0],
)


EVERY_MODEL: list[ChargeModel] = [
    PerUnit(price="0.1534567"),
    Graduated(tiers=(Tier(up_to=500, price="0.2", flat=3), Tier(price="0.1"))),
    GraduatedPercentage(tiers=(Tier(up_to=500, price="0.02"), Tier(price="0.01", flat=7))),
    Package(price=7, size=1000, free=100),
    Volume(tiers=(Tier(up_to=900, price="0.3"), Tier(price="0.2", flat=1))),
    Dynamic(multiplier="0.07"),
    Commitment(model=PerUnit(price="0.5"), discount="0.15", maximum=900),
    IncludedUnits(included=700, overage=Package(price=9, size=300)),
    Percentage(rate="0.029", fixed="0.3"),
    Percentage(rate="0.05", fixed=1, free_events=2, free_amount=9_000, least=2, most=400),
    Percentage(rate="0.01", free_amount=30_000, most=50),
]
every_model = st.sampled_from(EVERY_MODEL)


class TestACost:
    """What a choice costs is what the service takes for it."""

    @settings(max_examples=settings().max_examples // 8)
    @given(
        plan=plans,
        interval=intervals,
        support=st.sampled_from([None, "community", "priority"]),
        packs=packs,
        used=st.lists(volumes, min_size=1, max_size=14),
        model=st.one_of(st.none(), every_model),
        pricing=st.sampled_from(Pricing),
        included=st.booleans(),
        minimum=st.sampled_from([(), (money("250", "TRY"),)]),
        rounding=st.sampled_from([HALF_UP, HALF_UP.at_scale(6), DOWN.at_scale(8)]),
        parts=st.sampled_from([1, 4]),
    )
    def test_is_what_the_service_takes(
        self,
        *,
        plan: str,
        interval: BillingInterval,
        support: str | None,
        packs: list[tuple[str, int]],
        used: list[int],
        model: ChargeModel | None,
        pricing: Pricing,
        included: bool,
        minimum: tuple[Money, ...],
        rounding: Rounding,
        parts: int,
    ) -> None:
        """To the kuruş: packs, rollover, tax on top, minimums, every model that a meter may have.

        Percentages count records; prepaid units pay for whole ones, so parts are whole there.
        """
        catalog = sample_catalog()
        if model is not None:
            catalog = metered(model, pricing, included=included, minimum=minimum, rounding=rounding)
        choice = Choice(plan, interval, support, interval, packs)
        profile = UsageProfile([{MESSAGES: one * parts} for one in used])
        profile = attrs.evolve(profile, transactions={MESSAGES: parts})
        cost = terms(catalog).cost(choice, profile)
        assert cost.possible
        assert cost.total == billed(catalog, choice, profile)
        assert sum(one.amount for one in cost.months) == cost.total.amount
        assert sum(one.amount.amount for one in cost.lines) == cost.total.amount

    @pytest.mark.parametrize(
        ("aggregation", "charged"),
        [(Aggregation.MAX, [30, 50, 20]), (Aggregation.LAST, [30, 50, 20])],
    )
    def test_of_a_gauge_is_what_the_service_takes(
        self, aggregation: Aggregation, charged: list[int]
    ) -> None:
        """A gauge says how much there is: an allowance is not used up by it."""
        catalog = metered(PerUnit(price=2), included=False, aggregation=aggregation)
        profile = UsageProfile([{MESSAGES: one} for one in charged])
        cost = terms(catalog).cost(Choice("growth"), profile)
        assert cost.total == billed(catalog, Choice("growth"), profile)
        assert cost.total == money(3 * 1499 + 200, "TRY")

    @pytest.mark.parametrize(
        ("choice", "problem"),
        [
            pytest.param(lambda: "growth", "is no choice", id="name"),
            pytest.param(lambda: Choice("priority"), "use one of basic, growth", id="no-plan"),
            pytest.param(lambda: Choice("growth", support="basic"), "is a PLAN", id="no-support"),
            pytest.param(
                lambda: Choice("growth", packs=_wrong("messages-5k")), "no pair", id="pair"
            ),
            pytest.param(lambda: Choice("growth", _wrong("YEAR")), "is no interval", id="interval"),
            pytest.param(
                lambda: Choice("growth", packs=[("messages-5k", 0)]), "is no quantity", id="none"
            ),
        ],
    )
    def test_of_what_is_no_choice_is_refused(
        self, choice: Callable[[], Choice], problem: str
    ) -> None:
        """With its field, and what to use."""
        with pytest.raises(InvalidInput, match=problem):
            terms().cost(choice(), UsageProfile.steady({MESSAGES: 1}))

    def test_by_hand(self) -> None:
        """Twelve months of Growth with 12,000 messages: 12 x 1,499 and 12 x 2,000 x 0.15."""
        cost = terms().cost(Choice("growth"), UsageProfile.steady({MESSAGES: 12_000}))
        assert cost.total == money(12 * 1499 + 12 * 300, "TRY")
        assert cost.overage == 24_000
        assert cost.months[3] == money("1799", "TRY")
        assert "aşım" in cost.explain("tr")

    def test_says_what_stands_in_the_way(self) -> None:
        """Hard limits, and units that no rate is for."""
        profile = UsageProfile.steady({MESSAGES: 1_500}, months=2, counts={"users": 3})
        cost = terms().cost(Choice("basic"), profile)
        assert not cost.possible
        assert [(one.name, one.most, one.used) for one in cost.obstacles] == [
            (MESSAGES, 2_000, 3_000),
            ("users", 2, 3),
        ]
        assert "users: 3 needed, at most 2 possible" in str(cost)

    def test_says_what_no_tier_is_for(self) -> None:
        """Tiers that end at 500 serve 500 units above what is included, and no more."""
        catalog = metered(Graduated(tiers=(Tier(up_to=500, price=1),)))
        profile = UsageProfile([{MESSAGES: 10_400}, {MESSAGES: 10_700}])
        cost = terms(catalog).cost(Choice("growth"), profile)
        assert [(one.most, one.used) for one in cost.obstacles] == [(20_900, 21_100)]
        assert cost.total == money(2 * 1499 + 400 + 500, "TRY")
        found = break_even(Choice("growth"), Choice("enterprise"), MESSAGES, terms(catalog))
        assert found.at(10_500) is Standing.LEFT
        assert found.at(10_501) is Standing.RIGHT
        assert found.at(100_501) is Standing.NEITHER

    def test_charges_soft_limits_as_the_catalog_says(self) -> None:
        """1,000 contacts above Growth's 10,000 cost 0.05 each, every month."""
        profile = UsageProfile.steady({}, months=2, counts={"contacts": 11_000})
        cost = terms().cost(Choice("growth"), profile)
        assert cost.total == money(2 * 1499 + 2 * 50, "TRY")

    def test_names_the_fees_that_no_plan_changes(self) -> None:
        """1,000 marketing messages to Turkey a month, by the card of each month."""
        team = UsageProfile.of_team({("marketing", "Turkey"): 1_000}, months=2)
        cards = meta_rate_cards()
        rate = cards.in_force(START.date()).units_for("Turkey", "marketing")  # type: ignore[arg-type]
        found = CostTerms(sample_catalog(), "TRY", START, rates=cards).cost(Choice("growth"), team)
        assert rate is not None
        assert found.fees is not None
        assert found.fees.amount * 10**6 == 2_000 * rate


class TestTheRecommendation:
    """The cheapest by the rating that bills, with the reason."""

    @settings(max_examples=settings().max_examples // 25)
    @given(used=st.lists(volumes, min_size=1, max_size=4))
    def test_is_the_cheapest_of_what_bills(self, used: list[int]) -> None:
        """No other choice that the catalog offers costs less when it is lived through."""
        profile = UsageProfile([{MESSAGES: one} for one in used], {"users": 3})
        found = recommend(profile, terms(), Needs(support="priority"))
        best = found.best
        assert best is not None
        lived = billed(sample_catalog(), best.choice, profile)
        assert lived == best.total
        for other in choices(terms(), profile, needs=Needs(support="priority"))[::5]:
            if found.comparison.of(other).possible:
                assert lived.amount <= billed(sample_catalog(), other, profile).amount

    def test_says_why(self) -> None:
        """What would be exceeded, what ties, and how much more the next costs."""
        team = UsageProfile.of_team({("utility", "Turkey"): 500}, users=6, channels=2)
        said = recommend(team, terms()).explain()
        assert said.startswith("growth, yearly: 14,990.00 TRY")
        assert "users: 6 needed, at most 2 possible" in said
        assert "costs 2,998.00 TRY more" in said
        assert "gereken" in recommend(team, terms()).explain("tr")

    def test_ties_are_said(self) -> None:
        """A free plan costs the same by the month and by the year."""
        found = recommend(UsageProfile.steady({MESSAGES: 10}), terms())
        assert [str(one.choice) for one in found.comparison.cheapest] == [
            "basic MONTH",
            "basic YEAR",
        ]
        assert len(found.ties) == 1
        assert "basic, yearly costs the same" in found.explain()

    def test_impossibility_is_said(self) -> None:
        """Where no plan serves, nothing is recommended, and it says why."""
        limited = attrs.evolve(
            sample_catalog(),
            products=tuple(
                attrs.evolve(one, limits=sample_catalog().product("basic").limits)
                for one in sample_catalog().products
            ),
        )
        found = recommend(UsageProfile.steady({}, counts={"users": 99}), terms(limited))
        assert found.best is None
        assert found.explain().startswith("no plan serves this usage")
        assert "99 needed" in found.explain()

    def test_features_are_needed_or_not(self) -> None:
        """Who needs the API gets a plan that has it; what nobody has is an error."""
        found = recommend(UsageProfile.steady({}), terms(), Needs(features=["api"]))
        assert found.best is not None
        assert found.best.choice.plan == "enterprise"
        with pytest.raises(InvalidInput, match="fewer features"):
            recommend(UsageProfile.steady({}), terms(), Needs(features=["teleport"]))
        with pytest.raises(UnknownName):
            recommend(UsageProfile.steady({}), terms(), Needs(support="platinum"))

    def test_prints(self) -> None:
        """It shows as a table, and in a notebook."""
        found = compare_plans(UsageProfile.steady({MESSAGES: 12_000}), terms())
        assert "<table>" in found._repr_html_()
        assert found.by_how_much == money("300", "TRY") or found.by_how_much is not None
        assert len(str(found).splitlines()) == len(found.possible) + 2

    def test_prints_why_a_plan_does_not_serve_below_the_table(self) -> None:
        """In full, where a column at the end of the line had no room for it."""
        team = UsageProfile.of_team({("utility", "Turkey"): 42_000}, users=7)
        said = str(compare_plans(team, terms()))
        assert "…" not in said
        assert said.endswith("at most 12,000 possible; users: 7 needed, at most 2 possible")
        assert max(map(len, said.splitlines()[:-1])) <= 100

    def test_says_what_the_provider_takes_beside_it(self) -> None:
        """12,000 x 0.0109 + 30,000 x 0.0009 dollars a month, which no plan changes."""
        team = UsageProfile.of_team(
            {("marketing", "Turkey"): 12_000, ("utility", "Turkey"): 30_000}
        )
        carded = CostTerms(
            sample_catalog(), "TRY", datetime(2027, 1, 1, tzinfo=UTC), rates=meta_rate_cards()
        )
        found = recommend(team, carded)
        assert "the provider takes 1,893.60 USD for the messages" in found.explain()
        assert "the provider takes 1,893.60 USD for the messages" in str(found.comparison)
        assert "takes" not in recommend(team, terms()).explain()
        with pytest.raises(InvalidInput, match="rates: 'MessageRates' are no RateCards"):
            CostTerms(sample_catalog(), "TRY", carded.start, rates=meta_message_rates())  # type: ignore[arg-type]

    def test_a_count_that_nothing_limits_is_refused(self) -> None:
        """``user=70`` would otherwise be served by the free plan."""
        team = UsageProfile.of_team({("utility", "Turkey"): 10}, user=70)
        with pytest.raises(UnknownName, match="counts: 'user' is limited by no product; use cha"):
            recommend(team, terms())

    def test_a_choice_without_support_is_found_however_it_was_made(self) -> None:
        """How support would be paid says nothing where there is none."""
        assert Choice("growth", YEAR, support_interval=YEAR) == Choice("growth", YEAR)
        found = compare_plans(UsageProfile.steady({}), terms())
        assert found.of(Choice("growth", YEAR)).total == money("14990", "TRY")


models = st.one_of(
    every_model,
    st.builds(PerUnit, price=st.sampled_from(["0.15", "0.07", "1"])),
    st.builds(
        lambda first, up, last: Graduated(
            tiers=(Tier(up_to=up, price=first, flat=2), Tier(price=last))
        ),
        st.sampled_from(["0.3", "0.1"]),
        st.integers(1, 3000),
        st.sampled_from(["0.01", "0.2"]),
    ),
    st.builds(
        lambda up, first, last: Volume(tiers=(Tier(up_to=up, price=first), Tier(price=last))),
        st.integers(1, 3000),
        st.sampled_from(["0.3", "0.1"]),
        st.sampled_from(["0.02", "0.25"]),
    ),
    st.builds(
        lambda up, size: Graduated(
            tiers=(Tier(up_to=up, price=4, size=100), Tier(price=9, size=size))
        ),
        st.integers(1, 3000),
        st.sampled_from([700, 3000]),
    ),
    st.builds(
        lambda rate, fixed, free, events, least: Percentage(
            rate=rate, fixed=fixed, free_amount=free, free_events=events, least=least, most=90
        ),
        st.sampled_from(["0.01", "0.0037"]),
        st.sampled_from([0, 3]),
        st.sampled_from([None, 5000]),
        st.sampled_from([None, 2]),
        st.sampled_from([None, 5]),
    ),
    st.builds(
        lambda most, off: Commitment(model=PerUnit(price="0.11"), maximum=most, discount=off),
        st.integers(50, 5000),
        st.sampled_from([0, "0.07"]),
    ),
)


class TestBreakEven:
    """Where one choice becomes cheaper is found exactly, and right on both sides."""

    def test_is_said_in_the_reader_s_words(self) -> None:
        """By the same names as a comparison."""
        found = break_even(Choice("growth"), Choice("enterprise", YEAR), MESSAGES, terms())
        assert found.explain("tr").splitlines() == [
            "hangisi daha ucuz: growth, aylık / enterprise, yıllık (aylık monochat.message)",
            "0 ve üstü: growth, aylık",
            "33.335 ve üstü: enterprise, yıllık",
        ]
        assert found.frame().rows[1] == (33_335, None, "enterprise, yearly")

    @settings(max_examples=settings().max_examples // 12)
    @given(
        model=models,
        left=st.builds(Choice, plans, intervals, packs=packs),
        right=st.builds(Choice, plans, intervals, packs=packs),
        probes=st.lists(st.integers(0, 45_000), max_size=8),
        pricing=st.sampled_from(Pricing),
        included=st.booleans(),
        minimum=st.sampled_from([(), (money("250", "TRY"),)]),
        rounding=st.sampled_from([HALF_UP, HALF_UP.at_scale(6), UP.at_scale(1)]),
        parts=st.sampled_from([1, 3]),
    )
    def test_is_right_on_both_sides(
        self,
        *,
        model: ChargeModel,
        left: Choice,
        right: Choice,
        probes: list[int],
        pricing: Pricing,
        included: bool,
        minimum: tuple[Money, ...],
        rounding: Rounding,
        parts: int,
    ) -> None:
        """At each region's ends, around its crossings, and anywhere else, what is billed agrees."""
        used = terms(metered(model, pricing, included=included, minimum=minimum, rounding=rounding))
        self.hold(left, right, used, probes, parts=parts)

    @pytest.mark.parametrize("place", range(len(EVERY_MODEL)))
    def test_is_right_under_every_model(self, place: int) -> None:
        """Each model once, with and without an allowance, in one and in three transactions."""
        left, right = Choice("growth"), Choice("enterprise", packs=[("messages-5k", 1)])
        for included, parts in ((True, 1), (False, 3)):
            catalog = metered(EVERY_MODEL[place], Pricing.EXCLUSIVE, included=included)
            self.hold(left, right, terms(catalog), [0, 1, 700, 9_000], parts=parts, at_most=14_000)

    @staticmethod
    def hold(
        left: Choice,
        right: Choice,
        used: CostTerms,
        probes: list[int],
        *,
        parts: int,
        at_most: int = 45_000,
    ) -> None:
        """Compare the regions with what is billed, and see that they leave no gap."""
        found = break_even(
            left, right, MESSAGES, used, months=3, at_most=at_most, transactions=parts
        )
        edges = [one.first for one in found.regions]
        edges += [one.last for one in found.regions if one.last is not None]
        near = [int(one.at) + step for one in found.crossings for step in (-2, -1, 0, 1, 2)]
        for volume in {*edges, *probes, *(one for one in near if 0 <= one <= at_most)}:
            profile = UsageProfile([{MESSAGES: volume}] * 3, transactions={MESSAGES: parts})
            mine, theirs = used.cost(left, profile).total, used.cost(right, profile).total
            expected = Standing.TIE if mine == theirs else Standing.LEFT
            if mine.amount > theirs.amount:
                expected = Standing.RIGHT
            assert found.at(volume) is expected, volume
        for one, other in zip(found.regions, found.regions[1:], strict=False):
            assert one.last is not None
            assert one.last + 1 == other.first

    def test_by_hand(self) -> None:
        """1,499 + 0.15 (v - 10,000) = 5,999 where v = 40,000."""
        found = break_even(Choice("growth"), Choice("enterprise"), MESSAGES, terms())
        assert [(one.at, one.first) for one in found.crossings] == [(Fraction(40_000), 40_001)]
        yearly = break_even(
            Choice("growth", YEAR), Choice("enterprise", YEAR), MESSAGES, terms()
        ).crossings
        assert yearly[0].at == 10_000 + Fraction(45_000, 12) / Fraction(15, 100)
        assert "<table>" in found._repr_html_()
        assert "40.001" in found.explain("tr")

    def test_says_where_one_serves_no_more(self) -> None:
        """Basic is free up to 1,000 messages, and then there is no more of it."""
        found = break_even(Choice("basic"), Choice("growth"), MESSAGES, terms())
        assert found.at(1_000) is Standing.LEFT
        assert found.at(1_001) is Standing.RIGHT
        neither = break_even(Choice("basic"), Choice("basic", YEAR), MESSAGES, terms())
        assert neither.at(1_000) is Standing.TIE
        assert neither.at(1_001) is Standing.NEITHER

    def test_of_a_plan_with_itself_is_a_tie(self) -> None:
        """A plan compared with itself differs in nothing."""
        (region,) = break_even(Choice("growth"), Choice("growth"), MESSAGES, terms()).regions
        assert region.standing is Standing.TIE

    def test_of_a_commitment_and_a_minimum_by_hand(self) -> None:
        """Every unit above costs 1, at least 300 and at most 5,000 a month.

        1,499 + (v - 10,000) = 5,999 + 300 where v = 14,800, and Growth ends at 6,499, which
        Enterprise comes to by 5,999 + (v - 100,000) where v = 100,500.
        """
        model = Commitment(model=PerUnit(price=1), maximum=5_000)
        catalog = metered(model, minimum=(money("300", "TRY"),))
        found = break_even(Choice("growth"), Choice("enterprise"), MESSAGES, terms(catalog))
        assert [(int(one.at), one.first) for one in found.crossings] == [
            (14_800, 14_801),
            (100_500, 100_501),
        ]
        assert [one.standing for one in found.regions if one.standing is not Standing.TIE] == [
            Standing.LEFT,
            Standing.RIGHT,
            Standing.LEFT,
        ]

    def test_of_percentages_by_hand(self) -> None:
        """Growth takes 10 % of what is paid, at least 50 of each of 10 transactions.

        That is 1,499 + 500 up to 5,000, and meets the 5,999 of Enterprise at 45,000.
        """
        catalog = attrs.evolve(
            metered(Percentage(rate="0.1", least=50)),
            products=tuple(
                attrs.evolve(one, allowances=()) if one.id == "growth" else one
                for one in sample_catalog().products
            ),
        )
        found = break_even(
            Choice("growth"),
            Choice("enterprise"),
            MESSAGES,
            terms(catalog),
            at_most=60_000,
            transactions=10,
        )
        assert [(int(one.at), one.first) for one in found.crossings] == [(45_000, 45_001)]

    def test_is_what_is_billed_where_only_rounding_decides(self) -> None:
        """In whole lira, at 0.7 a unit, both plans cost the same around the crossing."""
        catalog = metered(PerUnit(price="0.7"), rounding=HALF_UP.at_scale(0))
        found = break_even(
            Choice("growth"), Choice("enterprise"), MESSAGES, terms(catalog), months=1
        )
        assert found.crossings[0].at == 10_000 + Fraction(45_000, 7)
        assert [(one.first, one.standing) for one in found.regions] == [
            (0, Standing.LEFT),
            (16_428, Standing.TIE),
            (16_430, Standing.RIGHT),
        ]

    def test_refuses_what_has_too_many_pieces(self) -> None:
        """Ten million packages of one unit are more than anybody looks at."""
        tiny = metered(Package(price=1, size=1))
        with pytest.raises(InvalidInput, match="look less far"):
            break_even(Choice("growth"), Choice("enterprise"), MESSAGES, terms(tiny))
        found = break_even(Choice("growth"), Choice("enterprise"), MESSAGES, terms())
        with pytest.raises(InvalidInput, match="was not looked at"):
            found.at(-1)
        with pytest.raises(InvalidInput, match="at_most"):
            break_even(Choice("growth"), Choice("basic"), MESSAGES, terms(), at_most=0)


class TestAProfile:
    """Usage, by hand, from records, or from a file."""

    def test_counts_by_local_month(self) -> None:
        """The last hours of a UTC month are the next month in Istanbul; gaps are months too."""
        records = [
            MeterRecord(
                id=str(place),
                meter=MESSAGES,
                quantity=10 + place,
                occurred_at=datetime.fromisoformat(at),
            )
            for place, at in enumerate(
                ["2027-01-31T20:59:00+00:00", "2027-01-31T21:00:00+00:00", "2027-04-01T00:00:00Z"]
            )
        ]
        profile = UsageProfile.of_records(records)
        assert profile.months == ({MESSAGES: 10}, {MESSAGES: 11}, {}, {MESSAGES: 12})
        assert profile.scaled(MESSAGES, 5).total(MESSAGES) == 20

    @pytest.mark.parametrize(
        ("make", "problem"),
        [
            pytest.param(lambda: UsageProfile([]), "empty", id="no-months"),
            pytest.param(lambda: UsageProfile(_wrong({"m": 1})), "one month", id="one-month"),
            pytest.param(lambda: UsageProfile([{}], mixes=[{}, {}]), "mixes", id="mixes"),
            pytest.param(lambda: UsageProfile([{}], transactions={"m": 0}), "tions", id="parts"),
            pytest.param(lambda: UsageProfile([{"m": -1}]), "is no count", id="negative"),
            pytest.param(lambda: UsageProfile.of_records([]), "is empty", id="no-records"),
            pytest.param(lambda: UsageProfile.of_csv(["at,meter", "x,y"]), "line 2", id="csv"),
            pytest.param(
                lambda: UsageProfile.of_team({("sms", "Turkey"): 1}), "no such category", id="sms"
            ),
            pytest.param(
                lambda: UsageProfile.of_csv(["at,meter,quantity", "2027-01-01T00:00Z,m,0.5"]),
                "part of a unit",
                id="half",
            ),
        ],
    )
    def test_refuses_what_is_no_usage(self, make: object, problem: str) -> None:
        """Empty and negative usage is refused before anything is compared."""
        with pytest.raises(InvalidInput, match=problem):
            make()  # type: ignore[operator]
