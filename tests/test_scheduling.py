"""Scheduled changes: the state table, what is due in which order, and who gives way."""

from datetime import timedelta
from typing import Any

import attrs
import pytest

from monochat_billing.errors import IllegalTransition, InvalidInput
from monochat_billing.periods import MONTH
from monochat_billing.plans import ChangeTiming, Family
from monochat_billing.scheduling import (
    SCHEDULE_MOVES,
    Due,
    DueKind,
    ScheduledChange,
    ScheduleMove,
    ScheduleState,
    due_items,
    superseded_by,
    superseded_by_immediate,
)
from monochat_billing.subscriptions import Subscription, SubscriptionState
from tests.scene import START, instant, scene

END = instant("2026-11-05 06:00")
DAY = timedelta(days=1)


def change(**fields: Any) -> ScheduledChange:  # noqa: ANN401
    usual: dict[str, Any] = {
        "id": "c-1",
        "account": "acme",
        "subscription": "plan",
        "to": "basic",
        "interval": MONTH,
        "timing": ChangeTiming.END_OF_PERIOD,
        "at": None,
        "requested_at": START,
    }
    return ScheduledChange(**(usual | fields))


def at(when: object, **fields: Any) -> ScheduledChange:  # noqa: ANN401
    return change(timing=ChangeTiming.AT, at=when, **fields)


@pytest.fixture
def plan() -> Subscription:
    return scene("1499").subscribe(START, "growth")


@pytest.fixture
def support() -> Subscription:
    return scene("450").subscribe(START, "priority")


class TestTheStateTable:
    """A pending change can end in four ways; only what gave way to another can come back."""

    @pytest.mark.parametrize("move", ScheduleMove)
    @pytest.mark.parametrize("state", ScheduleState)
    def test_every_move_from_every_state(self, state: ScheduleState, move: ScheduleMove) -> None:
        """The full product of states and moves."""
        before = change(state=state)
        if (state, move) == (ScheduleState.SUPERSEDED, ScheduleMove.RESTORE):
            assert before.restored() == change()
        elif state is ScheduleState.PENDING and move is not ScheduleMove.RESTORE:
            after = before.ended(move, END, "why")
            expected = {
                "apply": "APPLIED",
                "revoke": "CANCELED",
                "supersede": "SUPERSEDED",
                "fail": "FAILED",
            }
            assert after == change(
                state=ScheduleState(expected[move.value]), decided_at=END, outcome="why"
            )
            assert not after.pending
        else:
            with pytest.raises(IllegalTransition) as refused:
                before.ended(move, END, "why")
            assert refused.value.args == ("scheduled change", "c-1", state, move)
        assert before == change(state=state)

    def test_has_these_moves_and_no_others(self) -> None:
        """Four moves from PENDING, and the one back to it."""
        ends = {(ScheduleState.PENDING, move) for move in ScheduleMove} - {
            (ScheduleState.PENDING, ScheduleMove.RESTORE)
        }
        assert set(SCHEDULE_MOVES) == ends | {(ScheduleState.SUPERSEDED, ScheduleMove.RESTORE)}


class TestAScheduledChange:
    """It is due at an instant, or wherever the period's end is."""

    def test_follows_the_end_of_the_period(self, plan: Subscription) -> None:
        """END_OF_PERIOD is kept symbolic."""
        assert change().due_at(plan) == END
        moved = attrs.evolve(plan, period=plan.next_period)
        assert change().due_at(moved) == instant("2026-12-05 06:00")
        assert at(START + DAY).due_at(moved) == START + DAY

    @pytest.mark.parametrize(
        ("timing", "when", "field"),
        [
            (ChangeTiming.AT, None, "at"),
            (ChangeTiming.END_OF_PERIOD, END, "at"),
            (ChangeTiming.IMMEDIATE, END, "at"),
            (ChangeTiming.IMMEDIATE, None, "timing"),
        ],
    )
    def test_refuses_a_timing_that_does_not_fit(
        self, timing: ChangeTiming, when: object, field: str
    ) -> None:
        """AT has an instant, END_OF_PERIOD none, and IMMEDIATE is nothing to schedule."""
        with pytest.raises(InvalidInput) as refused:
            change(timing=timing, at=when)
        assert refused.value.field == field


class TestWhatIsDue:
    """Due items sort into the order in which they are handled."""

    def test_a_change_comes_before_the_renewal_of_the_same_instant(
        self, plan: Subscription
    ) -> None:
        """What results from the change is what is renewed."""
        assert [(one.kind, one.id, one.at) for one in due_items([plan], [change()])] == [
            (DueKind.SCHEDULED_CHANGE, "c-1", END),
            (DueKind.RENEWAL, "plan", END),
        ]

    def test_the_plan_renews_before_the_support_package(
        self, plan: Subscription, support: Subscription
    ) -> None:
        """When there is money for one of them, the plan gets it."""
        for order in ([plan, support], [support, plan]):
            assert [one.id for one in due_items(order, [])] == ["plan", "support"]

    def test_changes_of_one_instant_go_by_request_and_id(self, plan: Subscription) -> None:
        """The earlier request first, then the smaller id."""
        asked = [
            at(END, id="b", requested_at=START + DAY),
            at(END, id="c", requested_at=START),
            at(END, id="a", requested_at=START + DAY),
            at(END - DAY, id="d", requested_at=START + 2 * DAY),
        ]
        ids = [one.id for one in due_items([plan], asked)]
        assert ids == ["d", "c", "a", "b", "plan"]

    def test_what_is_decided_or_past_due_is_not_ahead(self, plan: Subscription) -> None:
        """A past-due subscription waits for money and an ended change for nothing."""
        late = attrs.evolve(plan, state=SubscriptionState.PAST_DUE)
        gone = [change(state=state) for state in ScheduleState if state != ScheduleState.PENDING]
        assert due_items([late], gone) == []

    def test_time_decides_before_everything(self) -> None:
        """At equal instants a lot expires first, then comes the change, then the renewal."""
        early = Due(START, DueKind.RENEWAL, 1, END, "z")
        dues = [
            Due(END, DueKind.RENEWAL, 0, START, "a"),
            Due(END, DueKind.SCHEDULED_CHANGE, 0, START, "b"),
            Due(END, DueKind.LOT_EXPIRY, 0, START, "c"),
            early,
        ]
        assert [one.id for one in sorted(dues)] == ["z", "c", "b", "a"]
        assert list(Family) == [Family.PLAN, Family.SUPPORT, Family.ADD_ON]


class TestSupersession:
    """A later request replaces what it is meant to replace, and nothing else."""

    def test_the_same_instant_replaces(self, plan: Subscription) -> None:
        """Two requests for the period's end: the second stands, however it names the instant."""
        for new in (change(id="new", requested_at=START + DAY), at(END, id="new")):
            (gone,) = superseded_by(new, [change()], plan)
            assert gone.state is ScheduleState.SUPERSEDED
            assert gone.outcome == "same instant: new"
            assert gone.decided_at == new.requested_at

    def test_different_instants_coexist(self, plan: Subscription) -> None:
        """A change in mid-period leaves the one at its end alone."""
        assert superseded_by(at(END - DAY, id="new"), [change()], plan) == ()

    def test_another_subscription_or_an_ended_change_is_left_alone(
        self, plan: Subscription
    ) -> None:
        """Only what is pending on the same subscription, and never itself."""
        others = [
            change(id="new"),
            change(subscription="support"),
            change(state=ScheduleState.APPLIED),
        ]
        assert superseded_by(change(id="new"), others, plan) == ()
        gone = superseded_by_immediate("plan", others[1:], START)
        assert gone == ()

    def test_an_immediate_change_replaces_everything_pending(self) -> None:
        """Whatever its instant."""
        pending = [change(), at(END + DAY, id="c-2"), change(id="c-3", subscription="support")]
        gone = superseded_by_immediate("plan", pending, START + DAY)
        assert [(one.id, one.state.value, one.outcome) for one in gone] == [
            ("c-1", "SUPERSEDED", "immediate change"),
            ("c-2", "SUPERSEDED", "immediate change"),
        ]
        assert {one.decided_at for one in gone} == {START + DAY}
