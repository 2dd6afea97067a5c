"""Rules and directions of other billing engines, answered by the catalog under their policies."""

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import attrs
import pytest
from hypothesis import given

from monochat_billing import MONTH, Price, UnknownName
from monochat_billing.catalog_versions import CatalogVersions, renewal_price
from monochat_billing.change_rules import first_match
from monochat_billing.intervals import BillingInterval
from monochat_billing.money import from_units
from monochat_billing.plans import ChangeTiming, Direction, DirectionBasis
from monochat_billing.prices import started_at, yearly_amount
from tests.catalog_strategies import catalogs, histories, instants
from tests.effort import one_in
from tests.scene import CATALOG

Case = dict[str, Any]
CASES: list[Case] = json.loads(
    (Path(__file__).parent / "vectors" / "catalog.json").read_text(encoding="utf-8")
)["cases"]
INTERVALS = {"weekly": "WEEK", "monthly": "MONTH", "quarterly": "QUARTER"} | {
    "semiannual": "HALF_YEAR",
    "yearly": "YEAR",
}
BY_PRICE = attrs.evolve(CATALOG, direction_by=DirectionBasis.YEARLY_PRICE)


def price(inputs: Case) -> Price:
    """Read a price of Lago; an interval is named in its own words."""
    interval = BillingInterval.parse(INTERVALS[inputs["interval"]])
    return Price(interval=interval, amount=from_units(inputs["amount_cents"], "EUR", 2))


def rule(case: Case) -> Case:
    """Kill Bill: the first row that matches; a field that is absent matches anything."""
    (outcome,) = case["expected"]
    rows = []
    for row in case["inputs"]["rules"]:
        conditions = {name: value for name, value in row.items() if name != outcome}
        rows.append((conditions, row[outcome]))
    return {outcome: first_match(rows, case["inputs"]["request"])}


def change(case: Case) -> Case:
    """Lago: what a year costs tells the direction; a downgrade waits for the next period."""
    inputs = case["inputs"]
    if "amount_cents" in inputs:
        cents = yearly_amount(price(inputs)) * 100
        return {"yearly_amount_cents": int(cents) if cents.denominator == 1 else cents}
    product = CATALOG.product("growth")
    old, new = (product, price(inputs["from"])), (product, price(inputs["to"]))
    direction = BY_PRICE.direction(old, new)
    waits = {"downgrade": "first day of the next period", "upgrade": "immediately"}
    assert (BY_PRICE.rule(old, new).timing is ChangeTiming.END_OF_PERIOD) == (
        direction is Direction.DOWNGRADE
    )
    return {"change": direction.lower(), "effective": waits[direction.lower()]}


def direction(case: Case) -> Case:
    """Meteroid: the dearer plan is the upgrade."""
    product = CATALOG.product("growth")
    old, new = (
        (product, Price(interval=MONTH, amount=from_units(case["inputs"][name], "EUR", 2)))
        for name in ("old", "new")
    )
    return {"direction": BY_PRICE.direction(old, new).lower()}


ANSWERS = {"plan_rule": rule, "plan_change": change, "change_direction": direction}


A_FIFTH = one_in(5)
"""Whole catalogs take long to draw."""


class TestOtherEngines:
    """Each worked case, under the policy that its engine has."""

    @pytest.mark.parametrize("case", CASES, ids=[case["id"] for case in CASES])
    def test_agrees(self, case: Case) -> None:
        """What the engine's own tests assert."""
        assert ANSWERS[case["kind"]](case) == case["expected"]

    def test_as_much_is_an_upgrade_and_a_fraction_stays_exact(self) -> None:
        """Equal yearly prices lead up, as Lago has it; three weeks need no rounding."""
        product = CATALOG.product("growth")
        month = Price(interval=MONTH, amount=from_units(100, "EUR", 2))
        year = Price(interval=BillingInterval.parse("YEAR"), amount=from_units(1200, "EUR", 2))
        assert BY_PRICE.direction((product, month), (product, year)) is Direction.UPGRADE
        weeks = Price(interval=BillingInterval.parse("3 WEEK"), amount=from_units(100, "EUR", 2))
        assert yearly_amount(weeks) == Fraction(52, 3)


class TestLaws:
    """What holds for every catalog that can be built."""

    @A_FIFTH
    @given(catalogs(), instants)
    def test_one_price_or_a_clear_refusal(self, catalog: Any, at: Any) -> None:  # noqa: ANN401
        """For every product, interval, currency and instant, by looking at every price there is."""
        for product in catalog.products:
            for interval, currency in product.offers():
                holds = [
                    one
                    for one in product.prices
                    if (one.interval, one.currency) == (interval, currency)
                    and (one.effective_at is None or one.effective_at <= at)
                    and (one.until_at is None or at < one.until_at)
                ]
                newest = sorted(holds, key=started_at)[-1:]
                try:
                    assert [product.price(interval, currency, at)] == newest
                except UnknownName:
                    assert all(one.until_at is None for one in holds)

    @A_FIFTH
    @given(catalogs())
    def test_the_rule_table_is_total(self, catalog: Any) -> None:  # noqa: ANN401
        """Every change between two offers of one family has exactly one first rule."""
        offers = [(product, one) for product in catalog.products for one in product.prices[:3]]
        for old in offers:
            for new in offers:
                if old[0].family is new[0].family:
                    assert catalog.rule(old, new) in catalog.rules

    @A_FIFTH
    @given(histories(), instants, instants)
    def test_a_later_version_changes_no_earlier_answer(
        self,
        versions: Any,  # noqa: ANN401
        start: Any,  # noqa: ANN401
        at: Any,  # noqa: ANN401
    ) -> None:
        """Neither what is in force nor what a renewal takes."""
        last = versions.versions[-1].effective_at
        if last is not None and start <= last:
            start = last + (last - last.replace(year=last.year - 1))
        later = attrs.evolve(versions.versions[0], version="9", effective_at=start)
        more: CatalogVersions = versions.with_version(later, now=start)
        if at < start:
            assert more.at(at) is versions.at(at)
            for product in versions.at(at).products:
                pinned = product.prices[0]
                args = (product.id, pinned)
                assert renewal_price(more, *args, pinned_at=at, at=at) == renewal_price(
                    versions, *args, pinned_at=at, at=at
                )
        assert versions.revised(more, now=start) is more
