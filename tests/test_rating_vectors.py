"""Worked usage cases of other billing engines, answered by this library's charge models."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from monochat_billing.charge_lines import Charge, LineBasis
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
)
from monochat_billing.money import from_units
from monochat_billing.quantities import Usage, number_text, roll_up
from monochat_billing.rounding import HALF_UP, round_ratio
from monochat_billing.tiers import AtZero, CapacityTier, Tier, volume_lines

HERE = Path(__file__).parent
Case = dict[str, Any]
Answer = dict[str, Any]

NO_BLOCKING = "a lot never stops those after it from paying; what may pay is said by pays_for"
NO_SHARING = "money never moves between accounts, so nobody pays from another one's balance"
OF_BALANCES = "it is about debits on a balance, not about a price: see test_realtime_vectors"

DECIDED_DIFFERENTLY: dict[str, str] = {
    "cgr-blocker": NO_BLOCKING,
    "cgr-shared": NO_SHARING,
}
"""Cases that this library answers otherwise on purpose, with the reason."""

NOT_ABOUT_PRICES: dict[str, str] = {
    "cgr-negative": OF_BALANCES,
    "cgr-parallel": OF_BALANCES,
    "cgr-serial": OF_BALANCES,
}
"""Cases that charge models have no part in, with the reason."""


def cases(engine: str) -> list[Case]:
    text = (HERE / "vectors" / f"{engine}-usage.json").read_text(encoding="utf-8")
    loaded: list[Case] = json.loads(text)["cases"]
    return loaded


ALL = [case for engine in ("killbill", "lago", "market") for case in cases(engine)]


def exactly(model: ChargeModel, usage: Usage) -> Charge:
    """Charge without rounding away anything that these cases have."""
    return charge(model, usage, currency="USD", rounding=HALF_UP.at_scale(12))


def in_cents(model: ChargeModel, usage: Usage) -> Charge:
    return charge(model, usage, currency="USD", rounding=HALF_UP)


def two(value: Fraction) -> str:
    """Write an amount with its two decimals, rounded half-up."""
    cents = round_ratio(value.numerator * 100, value.denominator)
    return f"{cents // 100}.{cents % 100:02d}"


def short(value: Fraction) -> str:
    """Write a number rounded to two decimals, without zeros at the end."""
    return number_text(Fraction(round_ratio(value.numerator * 100, value.denominator), 100))


# ----------------------------------------------------------------------------- Kill Bill


def kb_tiers(inputs: Case) -> tuple[Tier, ...]:
    """Turn the sizes of tiers, counted in blocks, into their upper bounds."""
    tiers, below = [], Fraction(0)
    for row in inputs["tiers"]:
        size = Fraction(row["block_size"])
        top = None if row["max_blocks"] is None else below + size * row["max_blocks"]
        tiers.append(Tier(up_to=top, price=row["price_per_block"], size=size))
        below = below if top is None else top
    return tuple(tiers)


def kb_tiered(case: Case) -> Answer:
    inputs = case["inputs"]
    top_tier = inputs["tier_block_policy"] == "TOP_TIER"
    tiers = kb_tiers(inputs)
    model: ChargeModel = Volume(tiers=tiers) if top_tier else Graduated(tiers=tiers)
    found = in_cents(model, inputs["quantity"])
    exact = found.raw
    billed = inputs.get("already_billed_blocks_by_tier")
    reached = {line.tier for line in found.lines}
    if billed is not None:
        before = sum(
            (Fraction(n) * t.size for n, t in zip(billed, tiers, strict=False)), Fraction()
        )
        found = charge_step(
            model, before=before, after=inputs["quantity"], currency="USD", rounding=HALF_UP
        )
    lines = []
    for number in sorted(tier for tier in reached if tier is not None):
        own = [line for line in found.lines if line.tier == number]
        blocks = sum((line.units for line in own), Fraction())
        amount = Fraction(sum(line.rounded_units for line in own), 100)
        lines.append({"tier": number, "blocks": number_text(blocks), "amount": two(amount)})
    answer: Answer = {
        "lines": lines,
        "total": two(Fraction(found.units, 100)),
        "total_unrounded": number_text(exact),
    }
    if "already_billed_amount" in inputs:
        answer["amount_to_bill"] = kb_still_due(found, inputs["already_billed_amount"])
    again = found.less(found.money)
    answer["rerun_with_already_billed_3.69"] = "nothing" if again.units == 0 else str(again.money)
    return answer


def kb_still_due(found: Charge, billed: str) -> str:
    before = from_units(int(Fraction(billed) * 100), "USD", 2)
    return two(Fraction(found.less(before).units, 100))


def kb_capacity(case: Case) -> Answer:
    inputs = case["inputs"]
    tiers = [CapacityTier(limits=row["limits"], price=row["price"]) for row in inputs["tiers"]]
    found = in_cents(Capacity(tiers=tuple(tiers)), inputs["quantities"])
    answer: Answer = {"amount": two(found.raw), "tier": None}
    if found.lines:
        answer["tier"] = found.lines[0].tier
    if "already_billed_amount" in inputs:
        answer["amount_to_bill"] = kb_still_due(found, inputs["already_billed_amount"])
    return answer


def kb_rollup(case: Case) -> Answer:
    def at(day: str) -> datetime:
        return datetime.fromisoformat(day).replace(tzinfo=UTC)

    records = [(at(day), unit, quantity) for day, unit, quantity in case["inputs"]["records"]]
    totals = roll_up(records, [at(day) for day in case["inputs"]["boundaries"]])
    return {"totals": [{u: number_text(n) for u, n in period.items()} for period in totals]}


# ---------------------------------------------------------------------------------- Lago


def lago_tiers(inputs: Case) -> tuple[Tier, ...]:
    return tuple(
        Tier(
            up_to=row["to"],
            price=row["unit_price"] if "unit_price" in row else Fraction(row["rate_percent"]) / 100,
            flat=row["flat_price"],
        )
        for row in inputs["ranges"]
    )


def lago_percentage(inputs: Case) -> Percentage:
    return Percentage(
        rate=Fraction(inputs["rate_percent"]) / 100,
        fixed=inputs.get("fixed_amount") or 0,
        free_events=inputs.get("free_events"),
        free_amount=inputs.get("free_total"),
        least=inputs.get("per_event_min"),
        most=inputs.get("per_event_max"),
    )


def lago_package(inputs: Case) -> Package:
    return Package(
        price=inputs["package_price"], size=inputs["package_size"], free=inputs["free_units"]
    )


LAGO: dict[str, Callable[[Case], ChargeModel]] = {
    "charge_standard": lambda inputs: PerUnit(price=inputs["unit_price"]),
    "charge_package": lago_package,
    "charge_graduated": lambda inputs: Graduated(tiers=lago_tiers(inputs)),
    "charge_graduated_percentage": lambda inputs: GraduatedPercentage(tiers=lago_tiers(inputs)),
    "charge_volume": lambda inputs: Volume(tiers=lago_tiers(inputs)),
    "charge_percentage": lago_percentage,
    "package": lago_package,
    "percentage": lago_percentage,
}


def lago_charge(case: Case) -> Answer:
    inputs = case["inputs"]
    model = LAGO[case["kind"]](inputs)
    usage: Usage = inputs["events"] if "events" in inputs else inputs["units"]
    found = exactly(model, usage)
    raw = found.raw
    if "tier_units" in inputs:
        chosen = Fraction(inputs["tier_units"])
        lines = volume_lines(lago_tiers(inputs), Fraction(inputs["units"]), tier_units=chosen)
        raw = sum((line.raw for line in lines), Fraction())
    units = Fraction(inputs.get("units", 0))
    answer: Answer = {
        "amount": number_text(raw),
        "amount_cents": round_ratio(raw.numerator * 100, raw.denominator),
    }
    if "units" in inputs:
        each = raw / units if units else Fraction()
        answer |= {"unit_amount": number_text(each), "unit_amount_rounded": short(each)}
    if isinstance(model, Graduated):
        counted = [line for line in found.lines if line.basis is LineBasis.UNIT]
        answer["units_per_tier"] = [number_text(line.units) for line in counted] or ["0"]
    if isinstance(model, Package):
        paid = units - min(units, model.free)
        answer["packages"] = model.packages(inputs["units"])
        answer["paid_units"] = number_text(paid)
        answer["unit_amount_rounded_2"] = two(raw / paid) if paid else "0"
    if isinstance(model, Percentage):
        parts = model.free_parts(usage)
        answer["free_units"] = number_text(sum((part for part, _ in parts), Fraction()))
        answer["free_events_applied"] = sum(waived for _, waived in parts)
    return answer


def lago_in_advance(case: Case) -> Answer:
    inputs = case["inputs"]
    model = LAGO[inputs["model"]](inputs)
    events = inputs.get("events") or inputs["unit_events"]
    fees = []
    for place in range(len(events)):
        step = charge_step(
            model,
            before=events[:place] or None,
            after=events[: place + 1],
            currency="EUR",
            rounding=HALF_UP,
        )
        fees.append(step.units)
    return {"fee_amount_cents": fees}


def lago_progressive(case: Case) -> Answer:
    inputs = case["inputs"]
    usage = in_cents(PerUnit(price="0.01"), inputs["usage_cents"])
    left = usage.less(from_units(inputs["billed_ahead_cents"], "USD", 2))
    return {"invoice_total_cents": inputs["plan_fee_cents"] + left.units}


# --------------------------------------------------------------------- OpenMeter, CGRateS


def market_tiers(inputs: Case) -> tuple[Tier, ...]:
    return tuple(
        Tier(up_to=row["up_to"], price=row["unit"], flat=row["flat"]) for row in inputs["tiers"]
    )


def plain(value: Fraction) -> int | str:
    """Write a number as the source does: whole ones as integers."""
    return value.numerator if value.denominator == 1 else number_text(value)


def part(found: Charge, basis: LineBasis) -> Fraction:
    return sum((line.raw for line in found.lines if line.basis is basis), Fraction())


def market_graduated(case: Case) -> Answer:
    model = Graduated(tiers=market_tiers(case["inputs"]))
    return {"total": plain(exactly(model, case["inputs"]["qty"]).raw)}


def market_volume(case: Case) -> Answer:
    model = Volume(tiers=market_tiers(case["inputs"]))
    return {"total": plain(exactly(model, case["inputs"]["qty"]).raw)}


def market_commitment(case: Case) -> Answer:
    inputs = case["inputs"]
    model = Commitment(
        model=Volume(tiers=market_tiers(inputs)),
        minimum=inputs.get("min_spend", 0),
        maximum=inputs.get("max_spend"),
    )
    found = exactly(model, inputs["qty"])
    cut = part(found, LineBasis.CAP)
    raised = part(found, LineBasis.TRUE_UP)
    return {
        "amount": plain(found.raw - cut - raised),
        "discount": plain(-cut),
        "charge": plain(raised),
        "total": plain(found.raw),
    }


def market_package(case: Case) -> Answer:
    inputs = case["inputs"]
    return {"packages": Package(price=1, size=inputs["per_package"]).packages(inputs["qty"])}


def market_unit(case: Case) -> Answer:
    inputs = case["inputs"]
    room = inputs.get("max_spend")
    if room is not None and "already_billed" in inputs:
        room -= inputs["already_billed"]
    model = Commitment(
        model=PerUnit(price=inputs["price"]),
        discount=Fraction(inputs.get("percent_discount", 0), 100),
        maximum=room,
    )
    before = inputs.get("already_billed_qty", 0)
    found = charge_step(model, before=before, after=before + inputs["new_qty"], currency="USD")
    cut, less = -part(found, LineBasis.CAP), -part(found, LineBasis.DISCOUNT)
    answer = {"amount": plain(part(found, LineBasis.UNIT)), "total": plain(found.raw)}
    if less:
        return answer | {"discount": plain(less), "max_spend_discount": plain(cut)}
    return answer | {"discount": plain(cut)}


def market_dynamic(case: Case) -> Answer:
    inputs = case["inputs"]
    return {"total": two(in_cents(Dynamic(multiplier=inputs["multiplier"]), 10).raw)}


def market_usage_discount(case: Case) -> Answer:
    inputs = case["inputs"]
    free = Allowance(included=inputs["free_units"], overage=PerUnit(price=1))
    before = free.split(inputs["already_used"])
    now = free.split(inputs["qty"], used=inputs["already_used"])
    return {
        "billable_qty": plain(now[1]),
        "pre_line_billable": plain(before[1]),
        "discounted_now": plain(now[0]),
    }


def affordable(inputs: Case, price: int, *, fixed: int = 0, wanted: int) -> int:
    model = Graduated(tiers=(Tier(price=price, flat=fixed),), at_zero=AtZero.NOTHING)
    step = inputs.get("inc_s", 1)
    return affordable_units(model, inputs["money"], currency="USD", step=step, at_most=wanted)


def realtime(case: Case) -> Answer:
    inputs, name = case["inputs"], case["id"]
    if name == "cgr-zero1m":
        taken = 60 * Package(price=0, size=60).packages(inputs["call_s"])
        return {"voice_s": inputs["voice_s"] - taken, "money": inputs["money"]}
    if name == "cgr-blocker":
        fee = exactly(PerUnit(price=inputs["connect_fee"]), 1).raw
        funds = sum(Fraction(str(row["value"])) for row in inputs["money"])
        return {"debited": plain(fee) if funds >= fee else 0}
    if name == "cgr-shared":
        price = PerUnit(price=inputs["price_per_s"])
        seconds = affordable_units(price, inputs["own"], currency="USD", at_most=inputs["call_s"])
        return {"own": inputs["own"] - 2 * seconds, "group_member": inputs["group_member"]}
    if name == "cgr-maxusage-money":
        wanted = inputs["requested_s"]
        fixed = inputs["connect_fee"]
        return {"granted_s": affordable(inputs, inputs["price_per_s"], fixed=fixed, wanted=wanted)}
    if name == "cgr-force-duration":
        within = affordable({"money": inputs["affordable_s"]}, 1, wanted=inputs["requested_s"])
        enough = within == inputs["requested_s"]
        return {"debited": within} if enough else {"error": "insufficient credit", "debited": 0}
    seconds = affordable(inputs, inputs["price_per_s"], wanted=inputs["call_s"])
    answer: Answer = {
        "money": inputs["money"] - inputs["price_per_s"] * seconds,
        "voice_s": inputs.get("voice_s", 0) - seconds,
        "charged_s": seconds,
    }
    if seconds < inputs["call_s"]:
        answer["error"] = "insufficient credit"
    return answer


ANSWERS: dict[str, Callable[[Case], Answer]] = {
    "usage_tiered": kb_tiered,
    "usage_capacity": kb_capacity,
    "usage_rollup": kb_rollup,
    "charge_pay_in_advance": lago_in_advance,
    "progressive_billing": lago_progressive,
    "rating_graduated": market_graduated,
    "rating_volume": market_volume,
    "rating_commitment": market_commitment,
    "rating_package": market_package,
    "rating_unit": market_unit,
    "rating_dynamic": market_dynamic,
    "rating_usage_discount": market_usage_discount,
    "realtime_charging": realtime,
}


def answer(case: Case) -> Answer:
    expected = case["expected"]
    found = ANSWERS.get(case["kind"], lago_charge)(case)
    return {name: value for name, value in found.items() if name in expected}


class TestOtherEngines:
    @pytest.mark.parametrize(
        "case",
        [case for case in ALL if case["id"] not in {*DECIDED_DIFFERENTLY, *NOT_ABOUT_PRICES}],
        ids=lambda c: c["id"],
    )
    def test_the_same_inputs_give_the_same_numbers(self, case: Case) -> None:
        """What the engine's own tests assert, a charge model of this library answers."""
        assert answer(case) == case["expected"]

    @pytest.mark.parametrize(
        "case", [case for case in ALL if case["id"] in DECIDED_DIFFERENTLY], ids=lambda c: c["id"]
    )
    def test_what_is_decided_differently_does_differ(self, case: Case) -> None:
        """A listed exception that agrees after all does not belong on the list."""
        assert answer(case) != case["expected"]

    def test_the_lists_name_cases_that_exist(self) -> None:
        """No exception outlives its case, and none is on both lists."""
        known = {case["id"] for case in ALL}
        assert set(DECIDED_DIFFERENTLY) <= known
        assert set(NOT_ABOUT_PRICES) <= known - set(DECIDED_DIFFERENTLY)

    def test_the_page_says_how_many(self) -> None:
        """The usage table of the compatibility page counts what these tests run."""
        page = (HERE.parent / "docs" / "compatibility-with-other-engines.md").read_text("utf-8")
        counts: dict[str, list[int]] = {}
        for case in ALL:
            row = counts.setdefault(engine_of(case), [0, 0, 0, 0])
            row[0] += 1
            place = 2 if case["id"] in DECIDED_DIFFERENTLY else 1
            row[3 if case["id"] in NOT_ABOUT_PRICES else place] += 1
        for name, row in counts.items():
            assert f"| {name} | {row[0]} | {row[1]} | {row[2]} | {row[3]} |" in page
        for identity in (*DECIDED_DIFFERENTLY, *NOT_ABOUT_PRICES):
            assert f"| {identity} |" in page


def engine_of(case: Case) -> str:
    if case["id"].startswith("KB-"):
        return "Kill Bill"
    if case["id"].startswith("lago"):
        return "Lago"
    name: str = case["source"]["system"]
    return name
