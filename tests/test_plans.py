"""The catalog: what is sold, for how much, and which rule decides a change."""

from typing import Any

import attrs
import pytest

from monochat_billing.errors import InvalidCatalog, InvalidInput, UnknownName
from monochat_billing.money import money
from monochat_billing.periods import MONTH, QUARTER, WEEK, YEAR, BillingInterval
from monochat_billing.plans import (
    DEFAULT_RULES,
    AnchorRule,
    Catalog,
    ChangeFacts,
    ChangeRule,
    ChangeTiming,
    Direction,
    Family,
    IntervalChange,
    Price,
    Product,
    sample_catalog,
)
from tests.scene import CATALOG, lira

ANYTHING = ChangeRule(name="any", timing=ChangeTiming.IMMEDIATE, anchor=AnchorRule.KEEP)


def product(identity: str = "a", rank: int = 0, *prices: Price, **change: Any) -> Product:  # noqa: ANN401
    offers = prices or (Price(interval=MONTH, amount=lira("10")),)
    fields: dict[str, Any] = {"family": Family.PLAN, "names": {}}
    return Product(id=identity, rank=rank, prices=offers, **(fields | change))


def catalog(*products: Product, rules: tuple[ChangeRule, ...] = DEFAULT_RULES) -> Catalog:
    return Catalog(id="c", version="1", products=products, rules=rules)


def offer(name: str) -> tuple[Product, Price]:
    """Read "growth/YEAR" as an offer of the sample catalog in TRY."""
    identity, interval = name.split("/")
    found = CATALOG.product(identity)
    return found, found.price(BillingInterval.parse(interval), "TRY")


def facts(old: tuple[Product, Price], new: tuple[Product, Price]) -> ChangeFacts:
    return ChangeFacts.of(old, new, CATALOG.direction(old, new))


def only(refused: pytest.ExceptionInfo[InvalidCatalog]) -> InvalidInput:
    """Give the one mistake that a catalog was refused for."""
    (mistake,) = refused.value.mistakes
    return mistake


class TestPrice:
    """A price is zero or more, in whole minor units."""

    def test_prints_with_its_interval(self) -> None:
        """The catalog's errors name prices like this."""
        price = Price(interval=YEAR, amount=lira("14990"))
        assert str(price) == "14990 TRY per YEAR"
        assert price.currency == "TRY"
        assert not price.free
        assert Price(interval=YEAR, amount=lira("0")).free

    @pytest.mark.parametrize(
        ("amount", "problem"),
        [
            (lira("-0.01"), "negative"),
            (lira("0.001"), "more than 2 decimals"),
            (money("1.5", "JPY"), "more than 0 decimals"),
            ("1499", "not Money"),
            (None, "not Money"),
        ],
    )
    def test_refuses_what_cannot_be_charged(self, amount: Any, problem: str) -> None:  # noqa: ANN401
        """Negative, finer than the currency's minor unit, or no money at all."""
        with pytest.raises(InvalidInput, match=problem) as refused:
            Price(interval=MONTH, amount=amount)
        assert refused.value.field == "price.amount"


class TestProduct:
    """A product has names, a rank, and a price for an interval and a currency."""

    def test_is_named_in_the_language_asked_for(self) -> None:
        """Without a name in that language it is the English one, and then the id."""
        basic = CATALOG.product("basic")
        assert (basic.name("tr"), basic.name("en"), basic.name("de")) == (
            "Ücretsiz",
            "Basic",
            "Basic",
        )
        assert product("x").name() == "x"

    def test_gives_the_price_asked_for_or_names_those_it_has(self) -> None:
        """Interval and currency both count."""
        growth = CATALOG.product("growth")
        assert growth.price(MONTH, "TRY").amount == lira("1499")
        assert growth.price(MONTH, "USD").amount == money("39", "USD")
        with pytest.raises(UnknownName, match="1499 TRY per MONTH, 14990 TRY per YEAR"):
            growth.price(QUARTER, "TRY")
        with pytest.raises(UnknownName, match="growth per YEAR in EUR"):
            growth.price(YEAR, "EUR")

    def test_its_rank_tells_the_direction(self) -> None:
        """Higher is up, lower is down, the same is neither."""
        low, high = product("a", 1), product("b", 2)
        assert low.direction_to(high) is Direction.UPGRADE
        assert high.direction_to(low) is Direction.DOWNGRADE
        assert low.direction_to(low) is Direction.SIDEGRADE


class TestCatalog:
    """A catalog is checked as a whole when it is built."""

    @pytest.mark.parametrize(
        ("products", "field"),
        [
            ((product("a", 0), product("a", 1)), "products.id"),
            ((product("a", 0), product("b", 0)), "products.rank"),
        ],
        ids=["id", "rank"],
    )
    def test_refuses_twins(self, products: tuple[Product, ...], field: str) -> None:
        """Two of one id, or of one rank in a family, are ambiguous."""
        with pytest.raises(InvalidCatalog, match="stands twice") as refused:
            catalog(*products)
        assert only(refused).field == field

    def test_ranks_are_a_family_s_own(self) -> None:
        """A plan and a support package may share a rank."""
        support = product("s", 0, family=Family.SUPPORT)
        assert catalog(product("a", 0), support).product("s") is support

    def test_refuses_a_product_without_a_price(self) -> None:
        """What has no price cannot be sold."""
        bare = attrs.evolve(product(), prices=())
        with pytest.raises(InvalidInput, match="give at least one price"):
            catalog(bare)

    @pytest.mark.parametrize("field", ["from_product", "to_product"])
    def test_refuses_a_rule_about_nothing(self, field: str) -> None:
        """A rule that names a product that does not exist would never match."""
        condition: dict[str, Any] = {field: "grwth"}
        with pytest.raises(InvalidCatalog, match=rf"rules\[0\].{field}: 'grwth'"):
            catalog(product(), rules=(attrs.evolve(ANYTHING, **condition), ANYTHING))

    def test_refuses_an_unknown_policy(self) -> None:
        """A rule's proration is one of the ready-made policies."""
        with pytest.raises(InvalidCatalog, match=r"rules\[0\].proration: 'monthly' is not ready"):
            catalog(product(), rules=(attrs.evolve(ANYTHING, proration="monthly"),))

    def test_refuses_a_policy_that_forgets_what_was_paid(self) -> None:
        """A difference leaves no charge that a later change could credit."""
        with pytest.raises(InvalidInput, match="'difference' charges a difference"):
            catalog(product(), rules=(attrs.evolve(ANYTHING, proration="difference"),))

    def test_refuses_a_table_that_leaves_a_change_undecided(self) -> None:
        """The first gap is named by the facts that the rules ask for."""
        ups = attrs.evolve(ANYTHING, direction=Direction.UPGRADE)
        downs = attrs.evolve(ANYTHING, direction=Direction.DOWNGRADE)
        with pytest.raises(InvalidCatalog, match="is decided by no rule") as refused:
            catalog(product("a", 0), product("b", 1), rules=(ups, downs))
        assert only(refused).value == "direction=SIDEGRADE"
        same = attrs.evolve(ANYTHING, direction=Direction.SIDEGRADE)
        whole = catalog(product("a", 0), product("b", 1), rules=(ups, downs, same))
        assert whole.rules == (ups, downs, same)

    def test_knows_its_products_by_id(self) -> None:
        """An unknown one is answered with those there are."""
        assert CATALOG.product("growth").id == "growth"
        with pytest.raises(UnknownName, match="use one of basic, growth, enterprise"):
            CATALOG.product("grwth")
        with pytest.raises(UnknownName):
            CATALOG.product(["growth"])  # type: ignore[arg-type]

    def test_two_that_say_the_same_are_equal(self) -> None:
        """A catalog is a value."""
        assert sample_catalog() == sample_catalog()
        assert attrs.evolve(CATALOG, version="2") != CATALOG


class TestRules:
    """The first rule that matches decides."""

    def test_the_first_match_wins(self) -> None:
        """A rule further down is never asked."""
        first = attrs.evolve(ANYTHING, name="to b", to_product="b")
        made = catalog(product("a", 0), product("b", 1), rules=(first, ANYTHING))
        price = made.product("a").prices[0]
        a, b = (made.product("a"), price), (made.product("b"), price)
        assert made.rule(a, b) is first
        assert made.rule(b, a) is ANYTHING

    @pytest.mark.parametrize(
        ("condition", "old", "new", "matches"),
        [
            ({"family": Family.PLAN}, "basic/MONTH", "growth/MONTH", True),
            ({"family": Family.SUPPORT}, "basic/MONTH", "growth/MONTH", False),
            ({"from_product": "basic"}, "basic/MONTH", "growth/MONTH", True),
            ({"from_product": "growth"}, "basic/MONTH", "growth/MONTH", False),
            ({"to_product": "growth"}, "basic/MONTH", "growth/MONTH", True),
            ({"to_product": "basic"}, "basic/MONTH", "growth/MONTH", False),
            ({"from_free": True}, "basic/MONTH", "growth/MONTH", True),
            ({"from_free": False}, "basic/MONTH", "growth/MONTH", False),
            ({"from_free": False}, "growth/MONTH", "basic/MONTH", True),
            ({"direction": Direction.UPGRADE}, "basic/MONTH", "growth/MONTH", True),
            ({"direction": Direction.DOWNGRADE}, "basic/MONTH", "growth/MONTH", False),
            ({"interval_change": IntervalChange.SAME}, "basic/YEAR", "growth/YEAR", True),
            ({"interval_change": IntervalChange.LONGER}, "basic/MONTH", "growth/YEAR", True),
            ({"interval_change": IntervalChange.SHORTER}, "basic/YEAR", "growth/MONTH", True),
            ({"interval_change": IntervalChange.SHORTER}, "basic/MONTH", "growth/YEAR", False),
        ],
    )
    def test_each_condition_looks_at_its_own_fact(
        self,
        condition: dict[str, Any],
        old: str,
        new: str,
        matches: bool,  # noqa: FBT001
    ) -> None:
        """One condition at a time, with the others left open."""
        rule = attrs.evolve(ANYTHING, **condition)
        assert rule.matches(facts(offer(old), offer(new))) is matches

    def test_all_conditions_have_to_hold(self) -> None:
        """Two that hold match, one that does not is enough to pass on."""
        rule = attrs.evolve(ANYTHING, from_product="basic", to_product="growth")
        assert rule.matches(facts(offer("basic/MONTH"), offer("growth/MONTH")))
        assert not rule.matches(facts(offer("basic/MONTH"), offer("enterprise/MONTH")))

    def test_days_and_months_compare(self) -> None:
        """Four weeks are shorter than a month, five are longer."""
        month = Price(interval=MONTH, amount=lira("1"))
        for count, expected in ((4, IntervalChange.LONGER), (5, IntervalChange.SHORTER)):
            weeks = Price(interval=BillingInterval(count=count, unit=WEEK.unit), amount=lira("1"))
            rule = attrs.evolve(ANYTHING, interval_change=expected)
            assert rule.matches(facts((product(), weeks), (product(), month)))


NOW, LATER = ChangeTiming.IMMEDIATE, ChangeTiming.END_OF_PERIOD
KEEP, RESET = AnchorRule.KEEP, AnchorRule.RESET


class TestTheDefaultTable:
    """The rules that hold unless a catalog brings its own."""

    @pytest.mark.parametrize(
        ("old", "new", "rule", "timing", "anchor"),
        [
            ("growth/MONTH", "enterprise/MONTH", "upgrade at once, prorated", NOW, KEEP),
            ("growth/YEAR", "enterprise/YEAR", "upgrade at once, prorated", NOW, KEEP),
            ("growth/MONTH", "enterprise/YEAR", "longer interval: at once, new anchor", NOW, RESET),
            ("growth/YEAR", "enterprise/MONTH", "shorter interval at period end", LATER, RESET),
            ("growth/MONTH", "growth/YEAR", "longer interval: at once, new anchor", NOW, RESET),
            ("growth/YEAR", "growth/MONTH", "shorter interval at period end", LATER, RESET),
            ("growth/MONTH", "growth/MONTH", "sidegrade at once, prorated", NOW, KEEP),
            ("enterprise/MONTH", "growth/MONTH", "downgrade at period end", LATER, RESET),
            ("enterprise/MONTH", "growth/YEAR", "downgrade at period end", LATER, RESET),
            ("enterprise/YEAR", "growth/MONTH", "downgrade at period end", LATER, RESET),
            ("growth/MONTH", "basic/MONTH", "downgrade at period end", LATER, RESET),
            ("growth/YEAR", "basic/YEAR", "downgrade at period end", LATER, RESET),
            (
                "basic/MONTH",
                "growth/MONTH",
                "leaving a free price: at once, new anchor",
                NOW,
                RESET,
            ),
            ("basic/YEAR", "growth/MONTH", "leaving a free price: at once, new anchor", NOW, RESET),
            ("basic/MONTH", "basic/YEAR", "leaving a free price: at once, new anchor", NOW, RESET),
            ("priority/MONTH", "dedicated/MONTH", "upgrade at once, prorated", NOW, KEEP),
            ("dedicated/MONTH", "community/MONTH", "downgrade at period end", LATER, RESET),
        ],
    )
    def test_decides(
        self, old: str, new: str, rule: str, timing: ChangeTiming, anchor: AnchorRule
    ) -> None:
        """From, to, and what the table says of it."""
        decided = CATALOG.rule(offer(old), offer(new))
        assert (decided.name, decided.timing, decided.anchor) == (rule, timing, anchor)
        assert decided.allows == set(ChangeTiming)
        assert decided.proration == "standard"

    def test_prices_of_the_sample_say_that_they_are_invented(self) -> None:
        """Nobody should take them for real."""
        assert CATALOG.note == "Sample catalog: all prices are invented."
        assert {one.family for one in CATALOG.products} == {Family.PLAN, Family.SUPPORT}
        for one in CATALOG.products:
            assert [str(price.interval) for price in one.prices] == ["MONTH", "YEAR"] * 2
            assert [price.currency for price in one.prices] == ["TRY", "TRY", "USD", "USD"]
            assert one.price(YEAR, "TRY").amount == one.price(MONTH, "TRY").amount * 10
