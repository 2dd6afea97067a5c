"""Subscriptions: the state table, the next period, and what is printed."""

from datetime import date

import attrs
import pytest

from monochat_billing import subscriptions
from monochat_billing.errors import IllegalTransition
from monochat_billing.periods import MONTH
from monochat_billing.plans import Dunning
from monochat_billing.subscriptions import MOVES, Move, Subscription, SubscriptionState
from tests.scene import ISTANBUL, instant, scene

LEGAL = {
    ("TRIALING", "end_trial"): "ACTIVE",
    ("TRIALING", "change"): "TRIALING",
    ("TRIALING", "cancel"): "CANCELED",
    ("TRIALING", "expire"): "EXPIRED",
    ("ACTIVE", "renew"): "ACTIVE",
    ("ACTIVE", "fail"): "PAST_DUE",
    ("ACTIVE", "change"): "ACTIVE",
    ("ACTIVE", "pause"): "PAUSED",
    ("ACTIVE", "cancel"): "CANCELED",
    ("ACTIVE", "expire"): "EXPIRED",
    ("PAST_DUE", "retry"): "ACTIVE",
    ("PAST_DUE", "fail"): "PAST_DUE",
    ("PAST_DUE", "revive"): "ACTIVE",
    ("PAST_DUE", "change"): "ACTIVE",
    ("PAST_DUE", "suspend"): "SUSPENDED",
    ("PAST_DUE", "cancel"): "CANCELED",
    ("PAST_DUE", "expire"): "EXPIRED",
    ("SUSPENDED", "revive"): "ACTIVE",
    ("SUSPENDED", "change"): "ACTIVE",
    ("SUSPENDED", "cancel"): "CANCELED",
    ("SUSPENDED", "expire"): "EXPIRED",
    ("PAUSED", "resume"): "ACTIVE",
    ("PAUSED", "cancel"): "CANCELED",
    ("PAUSED", "expire"): "EXPIRED",
}


@pytest.fixture
def growth() -> Subscription:
    return scene("1499").subscribe("2026-10-05 06:00", "growth", MONTH)


class TestTheStateTable:
    """What is in the table can happen; everything else raises and changes nothing."""

    @pytest.mark.parametrize("move", Move)
    @pytest.mark.parametrize("state", SubscriptionState)
    def test_every_move_from_every_state(
        self, growth: Subscription, state: SubscriptionState, move: Move
    ) -> None:
        """The full product of states and moves."""
        subscription = attrs.evolve(growth, state=state)
        expected = LEGAL.get((state.value, move.value))
        if expected is None:
            with pytest.raises(IllegalTransition) as refused:
                subscription.require(move)
            assert refused.value.args == ("subscription", "plan", state, move)
        else:
            assert subscription.require(move) == expected
        assert subscription == attrs.evolve(growth, state=state)

    def test_is_drawn_as_it_is(self) -> None:
        """The table of the module and the table of this test are the same."""
        assert {(state.value, move.value): to.value for (state, move), to in MOVES.items()} == LEGAL


class TestASubscription:
    """It states what is true now."""

    def test_its_next_period_is_counted_from_the_anchor(self) -> None:
        """From 31 January: 28 February, 31 March, 30 April, never the 28th again."""
        made = scene("9999", at=instant("2027-01-31 06:00"))
        made.subscribe("2027-01-31 06:00", "growth")
        ends = []
        for _ in range(4):
            ends.append(made.of().period.last_day(ISTANBUL))
            made.run(made.of().period.end)
        assert ends == [
            date(2027, 2, 28),
            date(2027, 3, 31),
            date(2027, 4, 30),
            date(2027, 5, 31),
        ]

    def test_its_next_period_begins_where_this_one_ends(self, growth: Subscription) -> None:
        """No gap and no overlap, at the wall time of the anchor."""
        assert growth.next_period.start == growth.period.end == instant("2026-11-05 06:00")
        assert growth.next_period.end == instant("2026-12-05 06:00")

    def test_prints_in_one_line(self, growth: Subscription) -> None:
        """What, for how much, in which state, until when."""
        assert str(growth) == "growth at 1499 TRY per MONTH, ACTIVE, 2026-10-05 → 2026-11-05"

    def test_prints_days_of_its_own_zone(self) -> None:
        """Half past midnight of 5 October in Istanbul is still the 4th in UTC."""
        made = scene("1499", at=instant("2026-10-04 21:30"))
        late = made.subscribe("2026-10-04 21:30", "growth", MONTH)
        assert str(late).endswith(" ACTIVE, 2026-10-05 → 2026-11-05")


class TestWhoServes:
    """What can be used follows from the state, and from what was paid for."""

    def test_the_module_draws_every_move(self) -> None:
        """The table in the docstring has each move once, and none that is not legal."""
        drawn = set()
        state = ""
        for line in (subscriptions.__doc__ or "").splitlines():
            if "→" not in line or not line.startswith("    "):
                continue
            words = line.replace("→", " ").split()
            if words[0].isupper():
                state, *words = words
            drawn |= {(state, move, to) for move, to in zip(words[::2], words[1::2], strict=True)}
        assert drawn == {(state, move, to) for (state, move), to in LEGAL.items()}

    @pytest.mark.parametrize(
        ("state", "serving"),
        [
            ("TRIALING", (True, True)),
            ("ACTIVE", (True, True)),
            ("PAST_DUE", (True, False)),
            ("SUSPENDED", (False, False)),
            ("PAUSED", (True, False)),
            ("CANCELED", (False, False)),
            ("EXPIRED", (False, False)),
        ],
    )
    def test_before_and_after_its_grace_and_its_paid_end(
        self, growth: Subscription, state: str, serving: tuple[bool, bool]
    ) -> None:
        """Grace and the paid end are exclusive."""
        end = growth.period.end
        dunning = Dunning(policy="a month", since=growth.period.start, grace_ends_at=end)
        one = attrs.evolve(growth, state=SubscriptionState(state), dunning=dunning)
        assert (one.serves(growth.period.start), one.serves(end)) == serving

    def test_without_grace_what_is_past_due_does_not_serve(self, growth: Subscription) -> None:
        """A catalog that gives no grace stops at once."""
        late = attrs.evolve(growth, state=SubscriptionState.PAST_DUE)
        assert not late.serves(growth.period.start)

    def test_what_renews_by_itself(self, growth: Subscription) -> None:
        """Trials and what is active; nothing else is charged without a further event."""
        renewing = {
            state
            for state in SubscriptionState
            if attrs.evolve(growth, state=state).renews_at is not None
        }
        assert renewing == {SubscriptionState.TRIALING, SubscriptionState.ACTIVE}
        assert growth.renews_at == growth.period.end
