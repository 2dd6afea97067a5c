"""Schedules as a host uses them: several at once, who gives way, chains, the period's end."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import attrs
import pytest

from monochat_billing import (
    MONTH,
    YEAR,
    ChangeTiming,
    Family,
    IllegalTransition,
    InvalidInput,
    UnknownName,
    money,
)
from monochat_billing.adapters.memory import MemoryStorage
from monochat_billing.cancellations import CancelMode
from monochat_billing.intervals import WEEK
from monochat_billing.schedule_commands import MOST_PENDING, Phase
from monochat_billing.subscriptions import SubscriptionState
from tests.desk import START
from tests.stall import (
    DECEMBER,
    JANUARY,
    NOVEMBER,
    SHOP,
    Shop,
    days,
    product,
    shop_on,
    storage_on,
)

DAY = timedelta(days=1)
LATER = datetime(2026, 10, 20, 6, tzinfo=UTC)


@pytest.fixture(params=["memory", "sqlite"])
def shop(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Shop]:
    storage, close = storage_on(request.param, tmp_path)
    made = shop_on(storage, funds="50000")
    yield made
    close()


class TestEveryAction:
    """Whatever can be done now can be planned, and is done at its instant."""

    def test_cancel(self, shop: Shop) -> None:
        """At the end of the paid period; nothing comes back, nothing renews."""
        shop.subscribe("growth")
        shop.billing.schedule.cancel("acme", "growth", key="c")
        shop.wait(NOVEMBER)
        assert shop.of().state is SubscriptionState.CANCELED
        assert shop.of().ended_at == NOVEMBER
        assert shop.posted() == "49000"
        assert shop.schedule() == [("cancel", "APPLIED", "cancel")]
        assert shop.told()[-1] == "SubscriptionCanceled"

    def test_cancel_in_mid_period_gives_back_what_it_says(self, shop: Shop) -> None:
        """Sixteen of thirty-one days are left."""
        shop.subscribe("growth")
        shop.billing.schedule.cancel("acme", "growth", at=LATER, mode=CancelMode.CREDIT, key="c")
        shop.wait(NOVEMBER)
        assert shop.posted() == "49516.13"

    def test_pause_and_resume(self, shop: Shop) -> None:
        """A winter's pause, planned in one go: nothing is charged while it lasts."""
        shop.subscribe("growth")
        shop.billing.schedule.pause("acme", "growth", key="p")
        shop.billing.schedule.resume("acme", "growth", at=JANUARY, key="r")
        shop.wait(DECEMBER)
        assert shop.of().state is SubscriptionState.PAUSED
        shop.wait(JANUARY)
        assert shop.of().state is SubscriptionState.ACTIVE
        assert shop.of().period.start == JANUARY
        assert shop.posted() == "48000"

    def test_quantity(self, shop: Shop) -> None:
        """Ten seats from the next period on."""
        shop.subscribe("seat")
        shop.billing.schedule.quantity("acme", "seat", 10, key="q")
        shop.wait(NOVEMBER)
        assert shop.of(Family.ADD_ON).quantity == 10
        assert shop.posted() == "48900"

    def test_interval(self, shop: Shop) -> None:
        """The same plan by the year."""
        shop.subscribe("growth")
        shop.billing.schedule.change("acme", to="growth", interval=YEAR, key="y")
        shop.wait(NOVEMBER)
        assert shop.of().price.interval == YEAR
        assert shop.of().period.end == datetime(2027, 11, 5, 6, tzinfo=UTC)
        assert shop.posted() == "39000"

    def test_start(self, shop: Shop) -> None:
        """A subscription that begins in November, and is charged then."""
        shop.billing.schedule.subscribe("acme", "growth", MONTH, at=NOVEMBER, key="s")
        assert shop.posted() == "50000"
        shop.wait(NOVEMBER + DAY)
        assert shop.of().started_at == NOVEMBER
        assert shop.posted() == "49000"

    def test_start_of_what_is_there_by_then_fails(self, shop: Shop) -> None:
        """Judged when it is due: another plan was begun meanwhile."""
        shop.billing.schedule.subscribe("acme", "growth", MONTH, at=NOVEMBER, key="s")
        shop.subscribe("basic")
        shop.wait(NOVEMBER)
        ((what, state, why),) = shop.schedule()
        assert (what, state) == ("growth", "FAILED")
        assert "cannot subscribe again" in why
        assert shop.of().product == "basic"

    def test_start_without_money_fails(self, shop: Shop) -> None:
        """Nothing begins, and nothing is taken."""
        shop.billing.schedule.subscribe("acme", "growth", YEAR, at=NOVEMBER, key="s")
        shop.take("49999")
        shop.wait(NOVEMBER)
        assert [state for _, state, _ in shop.schedule()] == ["FAILED"]
        assert not shop.billing.subscriptions.history("acme")


class TestWhoGivesWay:
    """Facets, instants and cancels decide, and every result says which."""

    def test_different_facets_and_instants_coexist(self, shop: Shop) -> None:
        """A plan, a pause and a cancel, each at its own time."""
        shop.subscribe("enterprise")
        schedule = shop.billing.schedule
        schedule.change("acme", to="growth", key="1")
        schedule.change("acme", to="basic", at=DECEMBER, key="2")
        schedule.pause("acme", "enterprise", at=DECEMBER + DAY, key="3")
        schedule.cancel("acme", "enterprise", at=JANUARY, key="4")
        assert shop.pending() == ["growth", "basic", "pause", "cancel"]

    def test_starts_of_two_add_ons_coexist(self) -> None:
        """At one instant: only a start of the same add-on would replace one."""
        room = product("room", Family.ADD_ON, 1, "50")
        catalog = attrs.evolve(SHOP, products=(*SHOP.products, room))
        schedule = shop_on(MemoryStorage(), catalog).billing.schedule
        for key, add_on in enumerate(["seat", "room", "seat"]):
            schedule.subscribe("acme", add_on, MONTH, at=DECEMBER, key=f"s-{key}")
        assert [one.to for one in schedule.list("acme")] == ["room", "seat"]

    def test_the_same_instant_replaces_within_its_facet(self, shop: Shop) -> None:
        """However it is named; the pause at that instant stays."""
        shop.subscribe("enterprise")
        schedule = shop.billing.schedule
        first = schedule.change("acme", to="growth", key="1")
        schedule.pause("acme", "enterprise", key="2")
        second = schedule.change("acme", to="basic", at=NOVEMBER, key="3")
        assert shop.pending() == ["pause", "basic"]
        assert second.replaced == (first.id,)
        assert shop.schedule()[0] == ("growth", "SUPERSEDED", f"same instant: {second.id}")

    def test_a_cancel_replaces_all_after_it(self, shop: Shop) -> None:
        """In every facet; what comes before it stays."""
        shop.subscribe("enterprise")
        schedule = shop.billing.schedule
        schedule.change("acme", to="growth", at=LATER, key="1")
        schedule.change("acme", to="basic", at=DECEMBER, key="2")
        schedule.pause("acme", "enterprise", at=NOVEMBER + DAY, key="3")
        cancel = schedule.cancel("acme", "enterprise", key="4")
        assert shop.pending() == ["growth", "cancel"]
        assert {why for _, state, why in shop.schedule() if state == "SUPERSEDED"} == {
            f"cancel: {cancel.id}"
        }

    def test_nothing_can_be_planned_behind_a_cancel(self, shop: Shop) -> None:
        """Not even a later cancel; an earlier one takes its place."""
        shop.subscribe("growth")
        schedule = shop.billing.schedule
        schedule.cancel("acme", "growth", at=DECEMBER, key="1")
        with pytest.raises(IllegalTransition, match="to be canceled by"):
            schedule.cancel("acme", "growth", at=JANUARY, key="2")
        with pytest.raises(IllegalTransition, match="to be canceled by"):
            schedule.change("acme", to="basic", at=DECEMBER, key="3")
        schedule.cancel("acme", "growth", key="4")
        assert [state for _, state, _ in shop.schedule()] == ["SUPERSEDED", "PENDING"]

    def test_a_change_done_at_once_replaces_what_is_pending_in_its_facet(self, shop: Shop) -> None:
        """The planned pause survives it."""
        shop.subscribe("basic")
        shop.billing.schedule.change("acme", to="enterprise", at=DECEMBER, key="1")
        shop.billing.schedule.pause("acme", "basic", at=DECEMBER, key="2")
        quote = shop.billing.subscriptions.preview("acme", to="growth")
        shop.billing.subscriptions.change(quote)
        assert shop.pending() == ["pause"]
        assert ("enterprise", "SUPERSEDED", "immediate change") in shop.schedule()

    def test_a_pause_done_at_once_replaces_what_is_pending_about_the_state(
        self, shop: Shop
    ) -> None:
        """A planned cancel too: who pauses wants to come back. The planned product stays."""
        shop.subscribe("enterprise")
        shop.billing.schedule.change("acme", to="growth", at=NOVEMBER - DAY, key="1")
        shop.billing.schedule.cancel("acme", "enterprise", key="2")
        shop.billing.subscriptions.pause("acme", "enterprise", key="3")
        assert shop.pending() == ["growth"]
        assert shop.told()[-2:] == ["SubscriptionPaused", "ChangeSuperseded"]

    def test_a_cancel_done_at_once_ends_everything_planned(self, shop: Shop) -> None:
        """Nothing stays planned for what has ended."""
        one = shop.subscribe("growth")
        shop.billing.schedule.change("acme", to="basic", key="1")
        shop.billing.schedule.pause("acme", "growth", at=DECEMBER, key="2")
        shop.billing.subscriptions.cancel("acme", "growth", mode=CancelMode.NOTHING, key="3")
        assert shop.pending() == []
        assert {why for _, _, why in shop.schedule()} == {f"canceled: {one.id}"}

    def test_the_end_of_the_period_follows_a_moved_anchor(self, shop: Shop) -> None:
        """A downgrade of seats at the period's end waits for the year that was chosen since."""
        shop.subscribe("basic")
        shop.billing.schedule.cancel("acme", "basic", key="1")
        quote = shop.billing.subscriptions.preview("acme", to="growth", interval=YEAR)
        shop.billing.subscriptions.change(quote)
        shop.wait(NOVEMBER)
        assert shop.of().live
        shop.wait(shop.of().period.end)
        assert not shop.of().live


class TestTakingBack:
    """Planned and taken back is as if it had never been planned."""

    def test_what_gave_way_comes_back(self, shop: Shop) -> None:
        """To a cancel, in every facet; the event says so."""
        shop.subscribe("enterprise")
        schedule = shop.billing.schedule
        schedule.change("acme", to="growth", key="1")
        schedule.pause("acme", "enterprise", at=DECEMBER, key="2")
        before = schedule.list("acme")
        cancel = schedule.cancel("acme", "enterprise", key="3")
        assert schedule.revoke("acme", cancel.id, key="4").outcome == "revoked"
        assert schedule.list("acme") == before
        assert shop.told()[-3:] == ["ChangeRevoked", "ChangeRestored", "ChangeRestored"]

    def test_reactivating_takes_a_planned_cancel_back(self, shop: Shop) -> None:
        """And lets come back what had given way to it."""
        shop.subscribe("enterprise")
        shop.billing.schedule.change("acme", to="growth", key="1")
        shop.billing.schedule.cancel("acme", "enterprise", key="2")
        shop.billing.subscriptions.reactivate("acme", "enterprise", key="3")
        assert shop.pending() == ["growth"]

    def test_layer_by_layer(self, shop: Shop) -> None:
        """Two replaced one another; taking back goes the same way."""
        shop.subscribe("enterprise")
        schedule = shop.billing.schedule
        for number, to in enumerate(("growth", "basic", "growth")):
            schedule.change("acme", to=to, key=str(number))
        for left in (["basic"], ["growth"], []):
            schedule.revoke("acme", schedule.list("acme")[0].id, key=f"r{left}")
            assert shop.pending() == left

    def test_only_once(self, shop: Shop) -> None:
        """What is not pending any more cannot be taken back."""
        shop.subscribe("enterprise")
        planned = shop.billing.schedule.change("acme", to="growth", key="1")
        shop.billing.schedule.revoke("acme", planned.id, key="2")
        with pytest.raises(IllegalTransition):
            shop.billing.schedule.revoke("acme", planned.id, key="3")
        with pytest.raises(UnknownName):
            shop.billing.schedule.revoke("acme", "nothing", key="4")
        with pytest.raises(UnknownName):
            shop.billing.schedule.revoke_chain("acme", "nothing", key="5")

    def test_replacing_is_one_step(self, shop: Shop) -> None:
        """A cancel is put off: the old one makes room, and comes back with the new one's end."""
        shop.subscribe("growth")
        schedule = shop.billing.schedule
        old = schedule.cancel("acme", "growth", key="1")
        new = schedule.cancel("acme", "growth", at=DECEMBER, replaces=old.id, key="2")
        assert new.replaced == (old.id,)
        assert shop.schedule()[0] == ("cancel", "SUPERSEDED", f"replaced: {new.id}")
        shop.wait(NOVEMBER)
        assert shop.of().live
        with pytest.raises(IllegalTransition):
            schedule.change("acme", to="basic", replaces=old.id, key="3")
        schedule.revoke("acme", new.id, key="4")  # the old one's instant is the next period's end
        assert shop.pending() == ["cancel"]

    def test_what_could_not_happen_any_more_stays_away(self, shop: Shop) -> None:
        """Its instant has passed meanwhile, or another request has taken its place."""
        shop.subscribe("enterprise")
        schedule = shop.billing.schedule
        past = schedule.change("acme", to="growth", at=LATER, key="1")
        schedule.change("acme", to="basic", at=DECEMBER, key="2", replaces=past.id)
        taken = schedule.change("acme", to="growth", at=JANUARY, key="3")
        schedule.pause("acme", "enterprise", at=JANUARY + DAY, key="4")
        moved = schedule.change("acme", to="growth", at=JANUARY + DAY, replaces=taken.id, key="5")
        schedule.change("acme", to="basic", at=JANUARY, key="6")
        shop.clock.now = LATER + DAY
        for number, one in enumerate(schedule.list("acme")):
            if one.id == moved.id or one.at == DECEMBER:
                schedule.revoke("acme", one.id, key=f"r{number}")
        assert shop.pending() == ["pause", "basic"]


class TestChains:
    """Phases are dated from the start of the chain; a failed one cancels those after it."""

    def test_three_months_of_one_then_another(self, shop: Shop) -> None:
        """On the bounds of the periods, so nothing is prorated."""
        shop.subscribe("growth")
        three = days(1)[0].parse("3 MONTH")
        phases = shop.billing.schedule.phases(
            "acme", [("growth", MONTH, three), ("enterprise", MONTH)], key="p"
        )
        assert [one.at for one in phases] == [NOVEMBER, datetime(2027, 2, 5, 6, tzinfo=UTC)]
        assert {one.chain for one in phases} == {phases[0].chain}
        shop.wait(datetime(2027, 2, 5, 6, tzinfo=UTC))
        assert shop.of().product == "enterprise"
        assert shop.posted() == str(50000 - 4 * 1000 - 3000)
        assert "LotVoided" not in shop.told()

    def test_a_failed_phase_cancels_the_later_ones(self, shop: Shop) -> None:
        """The plan before it renews."""
        shop.subscribe("growth")
        shop.take("46500")
        shop.billing.schedule.phases(
            "acme",
            [("enterprise", MONTH, MONTH), ("basic", MONTH, MONTH), ("growth", MONTH)],
            key="p",
        )
        shop.wait(NOVEMBER)
        (first, *later) = shop.schedule()
        assert first[:2] == ("enterprise", "FAILED")
        assert [state for _, state, _ in later] == ["CANCELED", "CANCELED"]
        assert later[0][2].startswith("phase 1 failed: ")
        assert (shop.of().product, shop.of().period.start) == ("growth", NOVEMBER)

    def test_the_31st_keeps_its_day(self) -> None:
        """Phases of a month from the end of January: February's last day, then March's."""
        made = shop_on(MemoryStorage(), funds="50000")
        made.clock.now = datetime(2026, 12, 31, 6, tzinfo=UTC)
        made.subscribe("basic")
        phases = made.billing.schedule.phases(
            "acme", [("growth", MONTH, MONTH), ("basic", MONTH, MONTH), ("growth", MONTH)], key="p"
        )
        assert [one.at.date().isoformat() for one in phases if one.at] == [
            "2027-01-31",
            "2027-02-28",
            "2027-03-31",
        ]
        made.wait(datetime(2027, 4, 1, tzinfo=UTC))
        assert made.posted() == "48000"

    def test_can_begin_a_subscription(self, shop: Shop) -> None:
        """The first phase starts it; the later ones change it."""
        shop.billing.schedule.phases(
            "acme", [Phase("growth", MONTH, WEEK), Phase("basic", MONTH)], at=NOVEMBER, key="p"
        )
        shop.wait(NOVEMBER + 7 * DAY)
        assert [line.product for line in shop.of().history] == ["growth", "basic"]

    def test_is_taken_back_as_a_whole(self, shop: Shop) -> None:
        """What is still pending of it, and what it had replaced comes back."""
        shop.subscribe("enterprise")
        shop.billing.schedule.change("acme", to="basic", key="b")
        phases = shop.billing.schedule.phases(
            "acme", [("growth", MONTH, MONTH), ("basic", MONTH)], key="p"
        )
        assert shop.pending() == ["growth", "basic"]
        revoked = shop.billing.schedule.revoke_chain("acme", phases[0].chain, key="r")
        assert [one.state.value for one in revoked] == ["CANCELED", "CANCELED"]
        assert shop.pending() == ["basic"]
        again = shop.billing.schedule.revoke_chain("acme", phases[0].chain, key="r")
        assert again == revoked

    @pytest.mark.parametrize(
        ("phases", "error", "said"),
        [
            ([], InvalidInput, "phases: () is empty"),
            ([("growth", MONTH), ("basic", MONTH)], InvalidInput, "phases[0].duration"),
            ([("growth", MONTH, MONTH), ("priority", MONTH)], InvalidInput, "is no PLAN"),
            ([("growth", MONTH, MONTH), ("gold", MONTH)], UnknownName, "'gold'"),
            ([("growth", WEEK)], UnknownName, "WEEK"),
        ],
    )
    def test_is_judged_as_a_whole(
        self, phases: list[tuple[object, ...]], error: type[Exception], said: str
    ) -> None:
        """Nothing of a chain with a mistake is planned."""
        made = shop_on(MemoryStorage(), funds="1000")
        made.subscribe("growth")
        with pytest.raises(error) as refused:
            made.billing.schedule.phases("acme", phases, key="p")
        assert said in str(refused.value)
        assert made.schedule() == []


class TestPrinting:
    """What was planned reads well in a log."""

    def test_every_action_in_one_line(self) -> None:
        """What, when, and what became of it."""
        made = shop_on(MemoryStorage(), funds="1000")
        made.subscribe("growth")
        schedule = made.billing.schedule
        planned = [
            schedule.subscribe("acme", "seat", MONTH, at=NOVEMBER, key="1"),
            schedule.pause("acme", "growth", at=NOVEMBER - DAY, key="2"),
            schedule.quantity("acme", "growth", 1, key="3"),
        ]
        assert [str(one) for one in planned] == [
            "begin seat per MONTH at 2026-11-05 06:00Z: PENDING",
            "pause at 2026-11-04 06:00Z: PENDING",
            "hold 1 at the period's end: PENDING",
        ]
        assert str(schedule.revoke("acme", planned[1].id, key="4")).endswith("CANCELED, revoked")


class TestTheEndOfAPeriodIsOneDecision:
    """What is due together is resolved first, and only what results is charged."""

    def seats(self, funds: str) -> Shop:
        """Hold one seat: 100 a month, 1000 a year."""
        made = shop_on(MemoryStorage(), funds=funds)
        made.subscribe("seat")
        return made

    def test_interval_and_quantity_are_one_charge(self) -> None:
        """Ten seats by the year cost 10000 at the bound, and nothing else is charged there."""
        made = self.seats("10100")
        made.billing.schedule.quantity("acme", "seat", 10, key="q")
        made.billing.schedule.change("acme", to="seat", interval=YEAR, key="y")
        made.wait(NOVEMBER)
        seats = made.of(Family.ADD_ON)
        assert (seats.quantity, seats.price.interval) == (10, YEAR)
        assert made.posted() == "0"
        assert [state for _, state, _ in made.schedule()] == ["APPLIED", "APPLIED"]
        assert made.told().count("PlanChanged") == 1

    def test_the_earlier_request_is_tried_alone_where_both_cannot_be_paid(self) -> None:
        """Ten seats for a year are too dear; ten by the month are not."""
        made = self.seats("2000")
        made.billing.schedule.quantity("acme", "seat", 10, key="q")
        made.clock.advance(hours=1)
        made.billing.schedule.change("acme", to="seat", interval=YEAR, key="y")
        made.wait(NOVEMBER)
        seats = made.of(Family.ADD_ON)
        assert (seats.quantity, seats.price.interval, seats.period.start) == (10, MONTH, NOVEMBER)
        assert made.posted() == "900"
        assert [state for _, state, _ in made.schedule()] == ["APPLIED", "FAILED"]

    def test_the_later_request_is_tried_alone_where_the_earlier_is_impossible(self) -> None:
        """A year of seats is too dear in any number; two by the month are not."""
        made = self.seats("900")
        made.billing.schedule.change("acme", to="seat", interval=YEAR, key="y")
        made.clock.advance(hours=1)
        made.billing.schedule.quantity("acme", "seat", 2, key="q")
        made.wait(NOVEMBER)
        seats = made.of(Family.ADD_ON)
        assert (seats.quantity, seats.price.interval) == (2, MONTH)
        assert made.posted() == "600"
        assert [state for _, state, _ in made.schedule()] == ["FAILED", "APPLIED"]

    def test_a_downgrade_that_cannot_be_paid_is_done_and_past_due(self, shop: Shop) -> None:
        """With the plan of what follows, by the policy of what it is now."""
        shop.subscribe("enterprise")
        shop.take("46500")
        shop.billing.schedule.change("acme", to="growth", key="d")
        shop.wait(NOVEMBER)
        one = shop.of()
        assert (one.product, one.state) == ("growth", SubscriptionState.PAST_DUE)
        assert one.dunning is not None
        assert one.dunning.policy == "plans"

    def test_a_cancel_comes_before_a_renewal(self, shop: Shop) -> None:
        """And a pause: nothing of the next period is charged."""
        shop.subscribe("growth")
        shop.subscribe("priority")
        shop.billing.schedule.cancel("acme", "growth", key="c")
        shop.billing.schedule.pause("acme", "priority", key="p")
        shop.wait(NOVEMBER)
        assert shop.posted() == "48600"


class TestAPriceThatWasShown:
    """It is kept while its quote's validity covers the instant, and is a limit afterwards."""

    def dearer(self, made: Shop, amount: str) -> None:
        """Raise the price of growth, from one moment to the next."""
        plan = SHOP.product("growth")
        prices = (attrs.evolve(plan.prices[0], amount=money(amount, "TRY")), *plan.prices[1:])
        products = tuple(
            attrs.evolve(one, prices=prices) if one.id == "growth" else one for one in SHOP.products
        )
        object.__setattr__(
            made.billing._context,
            "catalog",
            attrs.evolve(SHOP, products=products),
        )

    def planned(self, made: Shop, before_end: timedelta) -> None:
        made.subscribe("enterprise")
        made.clock.now = NOVEMBER - before_end
        quote = made.billing.subscriptions.preview("acme", to="growth")
        assert quote.timing is ChangeTiming.END_OF_PERIOD
        made.billing.subscriptions.change(quote)

    def test_is_kept_up_to_the_end_of_its_validity(self) -> None:
        """Shown ten minutes before the end: dearer in the catalog, not for this account."""
        made = shop_on(MemoryStorage(), funds="50000")
        self.planned(made, timedelta(minutes=10))
        self.dearer(made, "1200")
        made.wait(NOVEMBER)
        assert made.of().price.amount == money("1000", "TRY")

    def test_is_a_limit_afterwards(self) -> None:
        """Shown a day before: the price in force decides, and dearer than shown fails."""
        made = shop_on(MemoryStorage(), funds="50000")
        self.planned(made, DAY)
        self.dearer(made, "1200")
        made.wait(NOVEMBER)
        ((_, state, why),) = made.schedule()
        assert state == "FAILED"
        assert "1200 TRY per MONTH is dearer than the 1000 TRY that was shown" in why
        assert made.of().product == "enterprise"
        cheaper = shop_on(MemoryStorage(), funds="50000")
        self.planned(cheaper, DAY)
        self.dearer(cheaper, "800")
        cheaper.wait(NOVEMBER)
        assert cheaper.of().price.amount == money("800", "TRY")


class TestWhatIsRefused:
    """What could never happen is refused when it is asked for."""

    def test_one_instant_in_two_zones_is_one_request(self) -> None:
        """Written another way it is the same content under the key; without a zone it is none."""
        made = shop_on(MemoryStorage(), funds="1000")
        made.subscribe("growth")
        pause = made.billing.schedule.pause
        first = pause("acme", "growth", at=DECEMBER, key="k")
        elsewhere = DECEMBER.astimezone(timezone(timedelta(hours=3)))
        assert pause("acme", "growth", at=elsewhere, key="k") == first
        with pytest.raises(InvalidInput, match=r"at: .* has no"):
            pause("acme", "growth", at=DECEMBER.replace(tzinfo=None), key="naive")

    @pytest.mark.parametrize(
        ("verb", "said"),
        [
            ("pause", "cannot schedule a pause"),
            ("quantity", "cannot schedule another quantity"),
            ("resume", "cannot schedule its resumption"),
            ("change", "cannot schedule a change"),
        ],
    )
    def test_from_past_due(self, verb: str, said: str) -> None:
        """Its period has no end ahead; it can be canceled, at an instant."""
        made = shop_on(MemoryStorage(), funds="1000")
        made.subscribe("growth")
        made.wait(NOVEMBER)
        schedule = made.billing.schedule
        plans = {
            "pause": lambda: schedule.pause("acme", "growth", at=DECEMBER, key="k"),
            "quantity": lambda: schedule.quantity("acme", "growth", 1, at=DECEMBER, key="k"),
            "resume": lambda: schedule.resume("acme", "growth", at=DECEMBER, key="k"),
            "change": lambda: schedule.change("acme", to="basic", at=DECEMBER, key="k"),
        }
        with pytest.raises(IllegalTransition) as refused:
            plans[verb]()
        assert said in str(refused.value)
        made.billing.schedule.cancel("acme", "growth", at=DECEMBER, key="c")

    def test_the_past_and_nothing(self) -> None:
        """An instant that is not ahead, no quantity, a resumption without a pause."""
        made = shop_on(MemoryStorage(), funds="1000")
        made.subscribe("growth")
        schedule = made.billing.schedule
        with pytest.raises(InvalidInput, match="is not ahead"):
            schedule.cancel("acme", "growth", at=START, key="1")
        for many in (0, 2):
            with pytest.raises(InvalidInput, match="quantity"):
                schedule.quantity("acme", "growth", many, key=f"2-{many}")
        with pytest.raises(IllegalTransition, match="cannot schedule its resumption"):
            schedule.resume("acme", "growth", at=DECEMBER, key="3")
        with pytest.raises(UnknownName, match="is not held by 'acme'"):
            schedule.pause("acme", "enterprise", key="4")

    def test_too_many(self) -> None:
        """A page full of plans is a mistake of a program."""
        made = shop_on(MemoryStorage(), funds="1000")
        made.subscribe("growth")
        for number in range(MOST_PENDING):
            made.billing.schedule.change(
                "acme", to="basic", at=DECEMBER + number * DAY, key=str(number)
            )
        with pytest.raises(InvalidInput, match="are pending already"):
            made.billing.schedule.change("acme", to="basic", at=JANUARY, key="more")
