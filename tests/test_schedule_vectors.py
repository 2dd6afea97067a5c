"""Scheduled changes of Kill Bill, answered by the service: what is pending, replaced, refused."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from monochat_billing import MONTH, YEAR, ChangeTiming, Family, IllegalTransition, UnknownName
from monochat_billing.adapters.memory import MemoryStorage
from monochat_billing.cancellations import CancelMode
from monochat_billing.subscriptions import SubscriptionState
from tests.stall import DECEMBER, JANUARY, NOVEMBER, Shop, shop_on

Case = dict[str, Any]
CASES: list[Case] = json.loads(
    (Path(__file__).parent / "vectors" / "killbill-schedules.json").read_text(encoding="utf-8")
)["cases"]
START = datetime(2026, 10, 15, 6, tzinfo=UTC)
DAY = timedelta(days=1)


def shop() -> Shop:
    made = shop_on(MemoryStorage(), funds="100000")
    made.subscribe("growth")
    made.clock.now = START
    return made


def nothing_paid_ahead(_: Case) -> Case:
    """Nothing is paid ahead of what is past due, so its period has no end to wait for."""
    made = shop_on(MemoryStorage(), funds="1000")
    made.subscribe("growth")
    made.wait(NOVEMBER + DAY)
    with pytest.raises(IllegalTransition):
        made.billing.schedule.cancel("acme", "growth", key="end")
    made.billing.subscriptions.cancel("acme", "growth", mode=CancelMode.NOTHING, key="now")
    return {"effective": "now" if made.of().ended_at == made.clock.now else "later"}


def a_later_cancel(_: Case) -> Case:
    made = shop()
    made.billing.schedule.cancel("acme", "growth", at=NOVEMBER - DAY, key="1")
    with pytest.raises(IllegalTransition, match="to be canceled by"):
        made.billing.schedule.cancel("acme", "growth", key="2")
    return {"error": "already_future_cancelled"}


def pending_again_and_again(_: Case) -> Case:
    made = shop_on(MemoryStorage(), funds="100000")
    at = made.clock.now + 10 * DAY
    for number in range(3):
        planned = made.billing.schedule.subscribe(
            "acme", "growth", MONTH, at=at, key=f"start-{number}"
        )
        made.billing.schedule.revoke("acme", planned.id, key=f"stop-{number}")
    planned = made.billing.schedule.subscribe("acme", "growth", MONTH, at=at, key="start")
    before = planned.state
    made.wait(at)
    return {"state_before_start": before.value, "at_start": made.of().state.value}


def the_immediate_one_last(_: Case) -> Case:
    made = shop()
    made.billing.schedule.change("acme", to="basic", key="end")
    quote = made.billing.subscriptions.preview("acme", to="enterprise", interval=YEAR)
    assert quote.timing is ChangeTiming.IMMEDIATE
    made.billing.subscriptions.change(quote)
    assert (made.of().product, made.of().price.interval) == ("enterprise", YEAR)
    return {"plan_now": "Assault-Rifle annual", "pending_changes": len(made.pending())}


def the_one_for_the_end_last(_: Case) -> Case:
    made = shop()
    made.billing.schedule.change("acme", to="enterprise", key="1")
    made.clock.advance(hours=1)
    made.billing.schedule.change("acme", to="basic", interval=YEAR, key="2")
    unchanged, pending = made.of().product == "growth", made.pending()
    made.wait(NOVEMBER)
    assert (made.of().product, made.of().price.interval) == ("basic", YEAR)
    return {
        "plan_now": "Assault-Rifle annual (unchanged)" if unchanged else "",
        "change_events_at_term": len(pending),
        "plan_at_term": "Pistol annual",
    }


def before_the_start(_: Case) -> Case:
    made = shop_on(MemoryStorage(), funds="100000")
    made.billing.schedule.subscribe("acme", "growth", MONTH, at=NOVEMBER, key="start")
    with pytest.raises(UnknownName, match="subscribe first"):
        made.billing.schedule.change("acme", to="basic", at=NOVEMBER - DAY, key="change")
    return {"error": "change_non_active"}


def at_the_start(_: Case) -> Case:
    made = shop_on(MemoryStorage(), funds="100000")
    made.billing.schedule.subscribe("acme", "growth", MONTH, at=NOVEMBER, key="growth")
    made.billing.schedule.subscribe("acme", "basic", MONTH, at=NOVEMBER, key="basic")
    pending = made.pending()
    made.wait(NOVEMBER)
    assert [line.product for line in made.of().history] == ["basic"]
    same = "same number as before (creation plan replaced)"
    return {
        "at_start": "starts directly on Pistol",
        "events": same if pending == ["basic"] else str(pending),
    }


ANSWERS: dict[str, Callable[[Case], Case]] = {
    "KB-SCH-003": nothing_paid_ahead,
    "KB-SCH-006": a_later_cancel,
    "KB-SCH-008": pending_again_and_again,
    "KB-SCH-011": the_immediate_one_last,
    "KB-SCH-012": the_one_for_the_end_last,
    "KB-SCH-015": before_the_start,
    "KB-SCH-016": at_the_start,
}


class TestKillBill:
    """The facts that its own tests assert hold here, by the verbs of this library."""

    @pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
    def test_says_the_same(self, case: Case) -> None:
        """Where the way differs, the document says how."""
        assert ANSWERS[case["id"]](case) == case["expected"]

    def test_every_case_is_answered(self) -> None:
        """None is left out."""
        assert set(ANSWERS) == {case["id"] for case in CASES}


class TestWhatTheyDoNotSay:
    """Neighbors of their cases."""

    def test_an_earlier_cancel_takes_the_place_of_a_later_one(self) -> None:
        """The other way round it is refused."""
        made = shop()
        made.billing.schedule.cancel("acme", "growth", at=DECEMBER, key="1")
        made.billing.schedule.cancel("acme", "growth", key="2")
        made.wait(JANUARY)
        assert made.of(Family.PLAN).ended_at == NOVEMBER
        assert made.of().state is SubscriptionState.CANCELED
