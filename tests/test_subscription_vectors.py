"""States, starts, phases and seats of other billing engines, answered by the service."""

import json
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from monochat_billing import (
    MONTH,
    BillingAnchor,
    Catalog,
    Family,
    NegotiatedPrice,
    Price,
    Product,
)
from monochat_billing.cancellations import CancelMode
from monochat_billing.entries import Terms
from monochat_billing.lots import LotOrigin
from monochat_billing.money import from_units, to_units
from monochat_billing.plans import ChangeTiming
from monochat_billing.scheduling import phase_starts
from monochat_billing.tax import DatedRate, Pricing, TaxTable
from monochat_billing.tax_regimes import TaxRegime
from tests.desk import START, Clock, Desk
from tests.shop import catalog, desk_with, product

Case = dict[str, Any]
CASES: list[Case] = json.loads(
    (Path(__file__).parent / "vectors" / "subscriptions.json").read_text(encoding="utf-8")
)["cases"]
JUNE = datetime(2026, 6, 1, tzinfo=UTC)


@pytest.fixture
def shop(tmp_path: Path, clock: Clock) -> Desk:
    """Give a service that sells the shop, with 10,000 TRY paid in."""
    made = desk_with("memory", catalog(), tmp_path, clock)
    made.top_up("10000")
    return made


def downgrade(desk: Desk, _: Case) -> Case:
    """The old product goes on as it was; the new one waits as a scheduled change."""
    billing = desk.billing
    before = billing.subscriptions.subscribe("acme", "firm", MONTH, key="start")
    desk.clock.advance(days=3)
    entries = billing.balances.entries("acme")
    done = billing.subscriptions.change(billing.subscriptions.preview("acme", to="team"))
    after = done.subscription
    assert done.scheduled is not None
    return {
        "old": after.state.lower(),
        "new": done.scheduled.state.lower(),
        "anchor_kept": after.anchor == before.anchor,
        "invoice": billing.balances.entries("acme") != entries,
        "ending_at_kept": after.period.end == before.period.end,
    }


def future_start(desk: Desk, _: Case) -> Case:
    """It is planned, and costs nothing before its time."""
    entries = desk.billing.balances.entries("acme")
    planned = desk.billing.schedule.subscribe(
        "acme", "team", MONTH, at=START + timedelta(days=10), key="start"
    )
    return {
        "new": planned.state.lower(),
        "invoice": desk.billing.balances.entries("acme") != entries,
    }


def past_start(desk: Desk, _: Case) -> Case:
    """It begins where the one before ended, so that no day is billed twice."""
    billing = desk.billing
    billing.subscriptions.subscribe("acme", "team", MONTH, key="first")
    desk.clock.advance(days=10)
    ended = billing.subscriptions.cancel("acme", "team", mode=CancelMode.NOTHING, key="end")
    desk.clock.advance(days=5)
    again = billing.subscriptions.subscribe(
        "acme", "firm", MONTH, start=START + timedelta(days=4), key="second"
    )
    ended_at = ended.subscription.ended_at
    return {
        "new": again.state.lower(),
        "started_at": "previous end" if again.started_at == ended_at else str(again.started_at),
    }


def trial_with_add_ons(desk: Desk, _: Case) -> Case:
    """The plan is tried; an add-on beside it is charged at once."""
    plan = desk.billing.subscriptions.subscribe("acme", "pro", MONTH, key="plan")
    seat = desk.billing.subscriptions.subscribe("acme", "seat", MONTH, key="seat")
    # Lago calls a subscription active in its trial; here that has a name of its own.
    state = "active" if plan.state.value == "TRIALING" else plan.state.lower()
    return {"new": state, "addon_invoice": bool(seat.charge.entry)}


def phases(desk: Desk, case: Case) -> Case:
    """Phases are counted from the start; a trial that is declined leaves only what follows."""
    names = [phase["type"] for phase in case["inputs"]["phases"]]
    if "target_phase" not in case["inputs"]:
        anchor = BillingAnchor.at(START, "Europe/Istanbul")
        first, second = phase_starts(anchor, [MONTH, None])
        assert (first, second) == (START, anchor.bound(MONTH, 1))
        return {"phase_starts": dict(zip(names, ("S", "S+1 month"), strict=True))}
    one = desk.billing.subscriptions.subscribe("acme", "pro", MONTH, key="plan", trial=False)
    assert (one.state.value, one.started_at, one.trial_ends_at) == ("ACTIVE", START, None)
    return {"phase_starts": {names[-1]: "S"}, "next_phase": None}


def seats_shop(inputs: Case) -> Catalog:
    """Sell two kinds of seats at the prices of a case, tax inside."""
    return Catalog(
        id="seats",
        version="1",
        products=tuple(
            Product(
                id=name,
                family=Family.ADD_ON,
                rank=rank,
                names={},
                prices=(Price(interval=MONTH, amount=from_units(cents, "TRY", 2)),),
                most_quantity=None,
            )
            for rank, (name, cents) in enumerate(
                sorted(
                    {
                        "old": inputs["old_price_per_seat"],
                        "new": inputs["new_price_per_seat"],
                    }.items(),
                    key=lambda pair: pair[1],
                )
            )
        ),
    )


def seats(desk: Desk, case: Case) -> Case:
    """More seats at once, at the price of the product that is still held; the other one waits."""
    inputs, billing = case["inputs"], desk.billing
    billing.subscriptions.subscribe("acme", "old", MONTH, key="start", quantity=inputs["old_seats"])
    later = billing.subscriptions.preview(
        "acme", of="old", to="new", timing=ChangeTiming.END_OF_PERIOD
    )
    planned = billing.subscriptions.change(later).scheduled
    assert planned is not None
    used = 1 - Fraction(inputs["fraction_remaining"])
    desk.clock.now = JUNE + timedelta(days=int(used * 30))
    quote = billing.subscriptions.preview("acme", of="old", quantity=inputs["new_seats"])
    done = billing.subscriptions.change(quote)
    survives = [one.id for one in billing.schedule.list("acme")] == [planned.id]
    desk.clock.now = done.subscription.period.end
    billing.run_due()
    (renewed,) = billing.subscriptions.list("acme")
    assert (renewed.product, renewed.quantity) == ("new", inputs["new_seats"])
    return {
        "proration": to_units(quote.due_now, 2),
        "direction": "debit" if quote.due_now.amount > 0 else "credit",
        "post_cycle_amount": to_units(renewed.charge.amount, 2),
        "pending_product_change_survives": survives,
    }


def selling(offer: Product, tax: TaxRegime | None = None) -> Desk:
    """Give a service that sells one thing, to an account without money."""
    sold = Catalog(id="one", version="1", products=(offer,), tax=tax)
    return desk_with("memory", sold, Path(), Clock(START))


def agreed_fee(_: Desk, case: Case) -> Case:
    """Units and their amount were agreed by hand: a negotiated price, times the quantity."""
    amount = from_units(int(case["inputs"]["unit_amount_cents"]), "TRY", 2)
    desk = selling(product("seat", "7777", family=Family.ADD_ON, most=None))
    desk.top_up("10000")
    offer = NegotiatedPrice(
        id="by hand",
        account="acme",
        product="seat",
        price=Price(interval=MONTH, amount=amount),
        valid_from=START,
        valid_until=START + timedelta(days=1),
    )
    one = desk.billing.subscriptions.subscribe(
        "acme", "seat", MONTH, key="fee", quantity=case["inputs"]["units"], offer=offer
    )
    return {"fee_cents": to_units(one.charge.amount, 2)}


def taxed_fee(_: Desk, case: Case) -> Case:
    """A balance pays a fee with its tax on top."""
    inputs = case["inputs"]
    rate = DatedRate(
        band="standard",
        rate=Fraction(int(inputs["tax_rate_percent"]), 100),
        effective_on=date(2020, 1, 1),
    )
    tax = TaxRegime(table=TaxTable(name="VAT", rows=(rate,)), country="TR")
    desk = selling(product("fee", inputs["net"], pricing=Pricing.EXCLUSIVE), tax)
    desk.top_up(str(from_units(inputs["wallet_cents"], "TRY", 2).amount))
    one = desk.billing.subscriptions.subscribe("acme", "fee", MONTH, key="fee")
    balance = desk.billing.balances.list("acme")["TRY"]
    paid = to_units(one.charge.amount, 2)
    assert one.charge.tax is not None
    return {
        "invoice_with_tax_cents": to_units(one.charge.tax.gross, 2),
        "paid_by_wallet_cents": paid,
        "wallet_after_cents": to_units(balance.money(balance.posted), 2),
        "left_to_pay_cents": to_units(one.charge.tax.gross, 2) - paid,
    }


def coupons(_: Desk, case: Case) -> Case:
    """A coupon of an amount is a promotional lot: it pays first, and never more than the price."""
    inputs = case["inputs"]
    fixed = [each for _, each in inputs.get("coupons", [("fixed", inputs.get("amount_cents"))])]
    price = from_units(inputs.get("subtotal") or inputs["base_cents"], "TRY", 2)
    desk = selling(product("fee", str(price.amount)))
    desk.top_up("10000")
    for number, cents in enumerate(fixed):
        desk.billing.balances.credit(
            "acme",
            from_units(cents, "TRY", 2),
            reason="coupon",
            key=f"coupon-{number}",
            terms=Terms(origin=LotOrigin.PROMOTIONAL, priority=10),
        )
    one = desk.billing.subscriptions.subscribe("acme", "fee", MONTH, key="fee")
    given = [share for share in one.charge.shares if share.lot.origin is LotOrigin.PROMOTIONAL]
    return {"discount": sum(share.units for share in given) // 10**4}


def coupon(desk: Desk, case: Case) -> Case:
    """It recurs by being granted anew with each period."""
    return {"discount_cents": coupons(desk, case)["discount"]}


def deferred(desk: Desk, _: Case) -> Case:
    """A change for the period's end costs nothing now; the new product is charged when it begins.

    Its October stands for the period that follows the one in which the change was asked for.
    """
    billing = desk.billing
    before = billing.subscriptions.subscribe("acme", "team", MONTH, key="start")
    desk.clock.advance(days=14)
    quote = billing.subscriptions.preview("acme", to="firm", timing=ChangeTiming.END_OF_PERIOD)
    done = billing.subscriptions.change(quote)
    desk.clock.now = before.period.end
    billing.run_due()
    (after,) = billing.subscriptions.list("acme")
    assert (after.product, after.charge.span.start) == ("firm", before.period.end)
    starts = "Oct 1" if quote.effective_at == before.period.end else str(quote.effective_at)
    charged = after.charge.entry is not None and after.period.start == quote.effective_at
    return {
        "charge": sum(-entry.amount for entry in done.entries),
        "starts": starts,
        "next_charge": starts if charged else "later",
    }


ANSWERS: dict[str, Callable[[Desk, Case], Case]] = {
    "lago-plan_change_state-004": downgrade,
    "lago-plan_change_state-015": future_start,
    "lago-plan_change_state-017": past_start,
    "lago-plan_change_state-020": trial_with_add_ons,
    "KB-ALN-002": phases,
    "KB-ALN-003": phases,
    "lago-adjusted_fee-001": agreed_fee,
    "lago-adjusted_fee-002": agreed_fee,
    "lago-wallet_pays_invoice-001": taxed_fee,
    "lago-coupon-006": coupon,
    "met-coupons-cap": coupons,
    "samsung-deferred": deferred,
}


class TestOtherEngines:
    """Each worked case, told with our own verbs."""

    @pytest.mark.parametrize(
        "case", [pytest.param(one, id=one["id"]) for one in CASES if one["id"] in ANSWERS]
    )
    def test_states_and_starts(self, case: Case, shop: Desk) -> None:
        """What becomes of the old, of the new, and of the money."""
        assert ANSWERS[case["id"]](shop, case) == case["expected"]

    @pytest.mark.parametrize(
        "case", [pytest.param(one, id=one["id"]) for one in CASES if one["engine"] == "polar"]
    )
    def test_seats_beside_a_pending_change(self, case: Case, tmp_path: Path) -> None:
        """Quantity and product are facets of their own."""
        made = desk_with("memory", seats_shop(case["inputs"]), tmp_path, Clock(JUNE))
        made.top_up("10000")
        assert seats(made, case) == case["expected"]

    def test_answers_every_case(self) -> None:
        """None of the file is left out."""
        assert {one["id"] for one in CASES} == {
            *ANSWERS,
            *(one["id"] for one in CASES if one["engine"] == "polar"),
        }
