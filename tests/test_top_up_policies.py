"""Policies for top-ups: limits, steps, refused amounts, bonus slabs; and other engines' cases."""

import json
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, strategies as st

from monochat_billing.errors import InvalidInput
from monochat_billing.lots import ChargeKind, LotOrigin
from monochat_billing.money import Money, amount_text, from_units, money, to_units
from monochat_billing.refills import RefillRule
from monochat_billing.top_up_policies import Bonus, BonusSlab, TopUpLimits, TopUpPolicy
from tests.scene import START, instant, lira

Case = dict[str, Any]
CASES: list[Case] = json.loads(
    (Path(__file__).parent / "vectors" / "top-ups.json").read_text(encoding="utf-8")
)["cases"]
DIFFERENT = {
    "lago-wallet_validation-005": "an amount has to fit 64 bits of micro-units",
    "lago-wallet_validation-016": "a target that is no higher than the threshold asks for nothing",
}


class TestLimits:
    """Both bounds are inclusive; steps count from the minimum."""

    @pytest.mark.parametrize(
        ("amount", "problem"),
        [
            ("99.99", "is below the minimum"),
            ("100", ""),
            ("120", "is no whole number of steps from 100 TRY"),
            ("150", ""),
            ("1000", ""),
            ("1050", "is above the maximum"),
            ("500", "is not accepted"),
        ],
    )
    def test_what_is_taken(self, amount: str, problem: str) -> None:
        """And what is said of what is not."""
        limits = TopUpLimits(
            minimum=lira("100"), maximum=lira("1000"), step=lira("50"), refused=[lira("500")]
        )
        policy = TopUpPolicy(limits=[limits])
        if not problem:
            policy.check(lira(amount))
            return
        with pytest.raises(InvalidInput) as refused:
            policy.check(lira(amount))
        assert (refused.value.field, refused.value.problem) == ("amount", problem)

    def test_another_currency_is_not_bounded(self) -> None:
        """Each rule is of one currency."""
        TopUpPolicy(limits=[TopUpLimits(minimum=lira("100"))]).check(money("1", "USD"))

    @given(st.integers(1, 10**7), st.integers(1, 10**4), st.integers(0, 10**4))
    def test_every_step_is_taken(self, least: int, step: int, count: int) -> None:
        """And what lies between two is not."""
        limits = TopUpLimits(minimum=kurus(least), step=kurus(step))
        limits.check(kurus(least + step * count))
        if step > 1:
            with pytest.raises(InvalidInput):
                limits.check(kurus(least + step * count + 1))

    @pytest.mark.parametrize(
        ("fields", "field"),
        [
            ({}, "minimum"),
            ({"minimum": money("0", "TRY")}, "minimum"),
            ({"minimum": money("2", "TRY"), "maximum": money("1", "TRY")}, "maximum"),
            ({"minimum": money("1", "TRY"), "step": money("1", "USD")}, "step"),
            ({"minimum": money("0.001", "TRY")}, "minimum"),
            ({"refused": [money("-1", "TRY")]}, "refused"),
        ],
    )
    def test_refuses_rules_that_say_nothing(self, fields: dict[str, Any], field: str) -> None:
        """Before anybody tops up."""
        with pytest.raises(InvalidInput) as refused:
            TopUpLimits(**fields)
        assert refused.value.field == field

    def test_one_rule_per_currency(self) -> None:
        """Two would contradict each other."""
        one = TopUpLimits(minimum=lira("1"))
        with pytest.raises(InvalidInput, match="stands twice"):
            TopUpPolicy(limits=[one, one])


class TestBonusSlabs:
    """The highest slab that is reached, and no other."""

    def test_terms_of_the_lot(self) -> None:
        """Promotional, for so many days, for some kinds of charges."""
        slab = BonusSlab(
            at_least=lira("100"),
            amount=lira("5"),
            days=30,
            pays_for=frozenset({ChargeKind.MESSAGE}),
        )
        terms = slab.bonus(lira("100")).terms(START)
        assert (terms.origin, terms.expires_at) == (
            LotOrigin.PROMOTIONAL,
            instant("2026-11-04 06:00"),
        )
        assert terms.pays_for == {ChargeKind.MESSAGE}
        assert str(Bonus(amount=lira("5"))) == "5 TRY on top"

    def test_a_bonus_that_rounds_to_nothing_is_none(self) -> None:
        """Half-up, so half a kuruş is one."""
        policy = TopUpPolicy(bonuses=[BonusSlab(at_least=lira("0"), percent=1)])
        assert policy.bonus(lira("0.49")) is None
        assert policy.bonus(lira("0.50")) == Bonus(amount=lira("0.01"))
        assert policy.bonus(money("5", "USD")) is None

    @given(st.integers(1, 10**9), st.integers(1, 10_000))
    def test_a_percentage_is_exact(self, paid: int, basis: int) -> None:
        """Within half a kuruş of the exact share."""
        slab = BonusSlab(at_least=lira("0"), percent=Fraction(basis, 100))
        exact = Fraction(paid * basis, 10_000)
        assert abs(to_units(slab.bonus(kurus(paid)).amount, 2) - exact) <= Fraction(1, 2)

    @pytest.mark.parametrize("percent", [0, -1, 1.5, "x", True, "nan", Decimal("inf")])
    def test_refuses_percentages_that_are_none(self, percent: Any) -> None:  # noqa: ANN401
        """Binary floats among them."""
        with pytest.raises(InvalidInput, match="percent"):
            BonusSlab(at_least=lira("1"), percent=percent)

    @pytest.mark.parametrize(
        ("fields", "field"),
        [
            ({}, "amount"),
            ({"percent": 1, "amount": money("1", "TRY")}, "amount"),
            ({"amount": money("1", "USD")}, "amount"),
            ({"percent": 1, "days": 0}, "days"),
            ({"percent": 1, "days": True}, "days"),
            ({"percent": 1, "most": money("0", "TRY")}, "most"),
        ],
    )
    def test_refuses_slabs_that_contradict_themselves(
        self, fields: dict[str, Any], field: str
    ) -> None:
        """When they are written, not when somebody pays."""
        with pytest.raises(InvalidInput) as refused:
            BonusSlab(at_least=lira("1"), **fields)
        assert refused.value.field == field


def kurus(units: int) -> Money:
    return from_units(units, "TRY", 2)


def _minor(cents: int | None) -> Money | None:
    return None if cents is None else kurus(cents)


def topup_limits(inputs: Case) -> Case:
    """Judge a top-up as the service does: a positive amount, within the limits."""
    amount = money(inputs["credits"], "TRY")
    if to_units(amount) <= 0:
        return {"error": "invalid_amount"}
    limits = TopUpLimits(minimum=_minor(inputs["min_cents"]), maximum=_minor(inputs["max_cents"]))
    try:
        TopUpPolicy(limits=[limits]).check(amount)
    except InvalidInput as refused:
        words = {"is below the minimum": "amount_below_minimum",
                 "is above the maximum": "amount_above_maximum"}  # fmt: skip
        return {"error": words[refused.problem]}
    return {"error": None}


def validation(inputs: Case) -> Case:
    """Judge amounts and rules at the door."""
    if "threshold" in inputs:
        try:
            RefillRule(
                threshold=money(str(inputs["threshold"]), "TRY"),
                target=money(str(inputs["target"]), "TRY"),
            )
        except InvalidInput:
            return {"valid": False}
        return {"valid": True}
    try:
        units = to_units(money(inputs["value"], "TRY"))
    except InvalidInput:
        return {"error": "invalid_amount"}
    if units <= 0:
        return {"error": "invalid_amount"}
    if inputs["kind"] == "voided" and units > to_units(money(inputs["balance_credits"], "TRY")):
        return {"error": "insufficient_credits"}
    return {"error": None}


def bonus(inputs: Case) -> Case:
    """Find the slab, or the bonus of one."""
    slabs = inputs.get("slabs") or [{"threshold": 0, "bonus": inputs["bonus"]}]
    policy = TopUpPolicy(
        bonuses=[
            BonusSlab(
                at_least=money(str(one["threshold"]), "TRY"),
                **{  # type: ignore[arg-type]  # the one or the other
                    "percent" if one["bonus"][0] == "percent" else "amount": (
                        one["bonus"][1]
                        if one["bonus"][0] == "percent"
                        else money(str(one["bonus"][1]), "TRY")
                    )
                },
            )
            for one in slabs
            if one["bonus"][1]
        ]
    )
    paid = money(str(inputs.get("credits") or inputs["topup"]), "TRY")
    found = policy.bonus(paid)
    assert found is not None
    if "topup" in inputs:
        return {"bonus": int(amount_text(found.amount))}
    reached = [
        one["threshold"]
        for one in slabs
        if one["bonus"] == ["flat", int(amount_text(found.amount))]
    ]
    return {"threshold": reached[0]}


ANSWERS = {
    "wallet_topup_limits": topup_limits,
    "wallet_validation": validation,
    "topup_bonus": bonus,
}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
def test_other_engines_cases(case: Case) -> None:
    """As they say, or differently for a reason that is written down."""
    answer = ANSWERS[case["kind"]](case["inputs"])
    assert (answer == case["expected"]) is (case["id"] not in DIFFERENT)
