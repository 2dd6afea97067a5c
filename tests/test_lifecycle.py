"""The life of a subscription: trials, starts, add-ons, tax, pauses, ends and returns."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeVar, cast

import attrs
import pytest

from monochat_billing import (
    MONTH,
    YEAR,
    Billing,
    BillingAnchor,
    BillingInterval,
    Family,
    InvalidInput,
    Money,
    NegotiatedPrice,
    Price,
    money,
)
from monochat_billing.cancellations import CancelMode
from monochat_billing.entries import Terms
from monochat_billing.errors import IllegalTransition, InsufficientFunds, StaleQuote, UnknownName
from monochat_billing.events import (
    Event,
    PlanChanged,
    RefundDue,
    SubscriptionCanceled,
    SubscriptionRenewed,
    SubscriptionStarted,
    TrialEnded,
)
from monochat_billing.lots import LotOrigin
from monochat_billing.plans import (
    DEFAULT_RULES,
    AfterTerm,
    AnchorRule,
    ChangeRule,
    ChangeTiming,
)
from monochat_billing.starts import Alignment
from monochat_billing.subscriptions import Subscription
from monochat_billing.tax import Pricing
from tests.desk import PROFILE, START, Clock, Desk
from tests.shop import catalog, desk_with

NOW, LATER = ChangeTiming.IMMEDIATE, ChangeTiming.END_OF_PERIOD


Told = TypeVar("Told", bound=Event)


def lira(amount: str) -> Money:
    return money(amount, "TRY")


@pytest.fixture(params=["memory", "sqlite"])
def shop(request: pytest.FixtureRequest, tmp_path: Path, clock: Clock) -> Desk:
    """Give a service that sells the shop, with 10,000 TRY paid in."""
    made = desk_with(cast("str", request.param), catalog(), tmp_path, clock)
    made.top_up("10000")
    return made


def have(desk: Desk) -> str:
    """Give the posted balance as text."""
    balance = desk.billing.balances.list("acme")["TRY"]
    return str(balance.money(balance.posted).amount)


def subscribe(desk: Desk, product: str, **more: object) -> Subscription:
    return desk.billing.subscriptions.subscribe(
        "acme",
        product,
        MONTH,
        key=f"{product} {desk.clock.now}",
        **more,  # type: ignore[arg-type]
    )


def events(desk: Desk, kind: type[Told]) -> list[Told]:
    found = desk.billing.events("acme", limit=1000)
    return [one.event for one in found if isinstance(one.event, kind)]


class TestATrial:
    """The first time costs nothing until its end."""

    def test_charges_nothing_and_then_the_first_period(self, shop: Desk) -> None:
        """Fourteen local days; the anchor stands on the trial's end."""
        tried = subscribe(shop, "pro")
        assert (tried.state.value, tried.charge.amount, have(shop)) == (
            "TRIALING",
            lira("0"),
            "10000",
        )
        assert tried.trial_ends_at == datetime(2026, 10, 19, 6, tzinfo=UTC)
        shop.clock.now = datetime(2026, 10, 19, 6, tzinfo=UTC)
        shop.billing.run_due()
        (paid,) = shop.billing.subscriptions.list("acme")
        assert (paid.state.value, paid.charge.amount, have(shop)) == (
            "ACTIVE",
            lira("900"),
            "9100",
        )
        assert paid.period.end == datetime(2026, 11, 19, 6, tzinfo=UTC)
        (ended,) = events(shop, TrialEnded)
        (renewed,) = events(shop, SubscriptionRenewed)
        assert ended.at == renewed.at == paid.period.start

    def test_is_for_the_first_time_only(self, shop: Desk) -> None:
        """Who ended it pays from the start the next time, however long ago that was."""
        subscribe(shop, "pro")
        shop.billing.subscriptions.cancel("acme", "pro", mode=CancelMode.NOTHING, key="end")
        assert shop.billing.subscriptions.list("acme") == ()
        shop.clock.advance(days=400)
        again = subscribe(shop, "pro")
        assert (again.state.value, again.charge.amount) == ("ACTIVE", lira("900"))

    def test_can_be_declined(self, shop: Desk) -> None:
        """Then the first period is charged at once."""
        assert subscribe(shop, "pro", trial=False).charge.amount == lira("900")

    def test_that_cannot_be_paid_expires(self, tmp_path: Path, clock: Clock) -> None:
        """Without a grace in the catalog nothing waits for money."""
        poor = desk_with("memory", catalog(), tmp_path, clock)
        subscribe(poor, "pro")
        clock.advance(days=14)
        poor.billing.run_due()
        (gone,) = poor.billing.subscriptions.history("acme")
        assert (gone.state.value, gone.ending) == ("EXPIRED", "nothing was paid after its trial")
        assert gone.history[-1].end == gone.ended_at == gone.trial_ends_at

    def test_canceled_at_its_end_charges_nothing(self, shop: Desk) -> None:
        """The cancel is due at the instant of the first charge, and comes before it."""
        subscribe(shop, "pro")
        shop.billing.schedule.cancel("acme", "pro", key="end")
        shop.clock.advance(days=15)
        shop.billing.run_due()
        assert shop.billing.subscriptions.list("acme") == ()
        assert have(shop) == "10000"

    def test_changed_at_its_end_charges_the_new_product_only(self, shop: Desk) -> None:
        """The change is resolved first, and what results is charged."""
        tried = subscribe(shop, "pro")
        shop.billing.schedule.change("acme", to="team", key="later")
        assert tried.trial_ends_at is not None
        shop.clock.now = tried.trial_ends_at
        shop.billing.run_due()
        (now,) = shop.billing.subscriptions.list("acme")
        assert (now.product, now.state.value, have(shop)) == ("team", "ACTIVE", "8800")

    def test_ends_where_a_rule_for_changes_in_a_trial_says_so(
        self, tmp_path: Path, clock: Clock
    ) -> None:
        """The rule asks for the trial and resets the anchor: the new product is charged now."""
        ends = ChangeRule(
            name="a change ends the trial", timing=NOW, anchor=AnchorRule.RESET, in_trial=True
        )
        sold = attrs.evolve(catalog(), rules=(ends, *DEFAULT_RULES))
        desk = desk_with("memory", sold, tmp_path, clock)
        desk.top_up("10000")
        subscribe(desk, "pro")
        clock.advance(days=3)
        done = desk.billing.subscriptions.change(
            desk.billing.subscriptions.preview("acme", to="team")
        )
        assert (done.subscription.state.value, have(desk)) == ("ACTIVE", "8800")
        assert done.subscription.trial_ends_at == done.subscription.period.start == clock.now

    def test_goes_on_when_the_product_changes(self, shop: Desk) -> None:
        """Only the terms of its end change, and the preview says what those are."""
        tried = subscribe(shop, "pro")
        shop.clock.advance(days=3)
        quote = shop.billing.subscriptions.preview("acme", to="team", timing=NOW)
        assert (quote.due_now, quote.renewal) == (lira("0"), lira("1200"))
        assert quote.next_renewal_at == tried.trial_ends_at
        done = shop.billing.subscriptions.change(quote).subscription
        assert (done.state.value, done.product) == ("TRIALING", "team")
        shop.clock.advance(days=11)
        shop.billing.run_due()
        assert have(shop) == "8800"

    def test_gives_nothing_back(self, shop: Desk) -> None:
        """What was not paid is not credited."""
        subscribe(shop, "pro")
        report = shop.billing.subscriptions.cancel("acme", "pro", mode=CancelMode.REFUND, key="end")
        assert (report.credit, report.refundable, have(shop)) == (lira("0"), lira("0"), "10000")


class TestAStart:
    """A subscription begins now, or some time ago."""

    def test_in_the_past_is_charged_from_then_on(self, shop: Desk) -> None:
        """Every period that has begun, each with an entry, as of now."""
        start = datetime(2026, 8, 1, 6, tzinfo=UTC)
        one = subscribe(shop, "team", start=start)
        assert (one.index, one.period.start.date().isoformat(), have(shop)) == (
            2,
            "2026-10-01",
            "6400",
        )
        fees = [e for e in shop.billing.balances.entries("acme") if e.kind.value == "PLAN_FEE"]
        assert [(entry.effective_at, str(entry.money.amount)) for entry in fees] == [
            (START, "-1200")
        ] * 3
        assert one.started_at == start
        (began,) = events(shop, SubscriptionStarted)
        assert began.period_start == start
        assert len(events(shop, SubscriptionRenewed)) == 2

    def test_in_the_past_is_all_or_nothing(self, shop: Desk) -> None:
        """The refusal names what all periods need, and nothing was taken."""
        with pytest.raises(InsufficientFunds) as refused:
            subscribe(shop, "team", start=datetime(2025, 10, 5, 6, tzinfo=UTC))
        assert (refused.value.requested, refused.value.shortfall) == ("15600", "5600")
        assert have(shop) == "10000"

    def test_ahead_is_scheduled_instead(self, shop: Desk) -> None:
        """The remedy says so."""
        with pytest.raises(InvalidInput, match="schedule the start instead"):
            subscribe(shop, "team", start=datetime(2027, 1, 1, tzinfo=UTC))


class TestAddOns:
    """Many per account, each in a quantity, on the plan's days or their own."""

    def test_take_the_days_of_the_plan(self, shop: Desk) -> None:
        """Twenty of 31 days until the plan's next bound, then whole months with it."""
        plan = subscribe(shop, "team")
        shop.clock.set("2026-10-16T09:00:00+00:00")
        seats = subscribe(shop, "seat", quantity=5)
        assert (seats.period, seats.anchor) == (plan.period, plan.anchor)
        assert seats.charge.amount == lira("193.55")  # 300 x 20/31
        last = shop.billing.balances.entries("acme")[-1]
        assert last.reason == "5 x seat per MONTH, 20 of 31 days"
        assert last.kind.value == "ADD_ON_FEE"
        shop.clock.now = plan.period.end
        shop.billing.run_due()
        assert have(shop) == str(lira("8800").amount - lira("193.55").amount - 1500)

    def test_are_no_trial_where_the_days_of_the_plan_lie_ahead(self, shop: Desk) -> None:
        """The plan's grid may begin after the add-on does; what is charged is active."""
        subscribe(shop, "team")
        day = BillingAnchor.on_day(20, shop.clock.now, "Europe/Istanbul")
        moved = shop.billing.subscriptions.preview("acme", of="team", anchor=day)
        plan = shop.billing.subscriptions.change(moved).subscription
        assert plan.anchor.instant > shop.clock.now
        seats = subscribe(shop, "seat")
        assert (seats.period, seats.state.value) == (plan.period, "ACTIVE")
        assert seats.charge.amount > lira("0")
        shop.clock.now = seats.period.end
        shop.billing.run_due()
        assert "TrialEnded" not in shop.event_names()

    def test_or_their_own(self, shop: Desk) -> None:
        """By name, or where there is no plan that is paid for."""
        alone = subscribe(shop, "seat")
        assert alone.period.start == START
        subscribe(shop, "team")
        shop.billing.subscriptions.cancel("acme", "seat", mode=CancelMode.NOTHING, key="end")
        shop.clock.advance(days=3)
        own = subscribe(shop, "seat", alignment=Alignment.OWN)
        assert own.period.start == shop.clock.now

    def test_refuse_days_that_nobody_has(self, shop: Desk) -> None:
        """PLAN needs a plan that is paid for."""
        with pytest.raises(InvalidInput, match="needs a plan that is paid for"):
            subscribe(shop, "seat", alignment=Alignment.PLAN)

    def test_stand_beside_each_other_and_not_twice(self, shop: Desk) -> None:
        """One subscription for each product, in a quantity within its bounds."""
        subscribe(shop, "seat")
        subscribe(shop, "desk")
        assert len(shop.billing.subscriptions.list("acme")) == 2
        shop.clock.advance(days=1)
        with pytest.raises(IllegalTransition):
            subscribe(shop, "seat")
        with pytest.raises(InvalidInput, match="from 1 to 50"):
            shop.billing.subscriptions.preview("acme", of="seat", quantity=51)

    def test_more_at_once_and_prorated(self, shop: Desk) -> None:
        """Five for the whole month, three more for ten of its 31 days: 60 x 3 x 10/31."""
        subscribe(shop, "seat", quantity=5)
        shop.clock.set("2026-10-26T06:00:00+00:00")
        quote = shop.billing.subscriptions.preview("acme", of="seat", quantity=8)
        assert (quote.credit, quote.charge, quote.due_now) == (
            lira("96.77"),
            lira("154.84"),
            lira("58.07"),
        )
        assert quote.renewal == lira("480")
        done = shop.billing.subscriptions.change(quote)
        assert (done.subscription.quantity, have(shop)) == (8, "9641.93")
        (changed,) = events(shop, PlanChanged)
        assert (changed.from_quantity, changed.quantity) == (5, 8)

    def test_fewer_at_the_period_s_end(self, shop: Desk) -> None:
        """Nothing comes back; the next period is charged for fewer."""
        seats = subscribe(shop, "seat", quantity=5)
        quote = shop.billing.subscriptions.preview("acme", of="seat", quantity=2)
        assert (quote.timing, quote.due_now) == (LATER, lira("120"))
        done = shop.billing.subscriptions.change(quote)
        assert done.scheduled is not None
        shop.clock.now = seats.period.end
        shop.billing.run_due()
        (left,) = shop.billing.subscriptions.list("acme")
        assert (left.quantity, have(shop)) == (2, "9580")
        assert [line.quantity for line in left.history] == [5, 2]

    def test_fewer_at_once_where_the_rule_allows_it(self, shop: Desk) -> None:
        """Then the unused time of the others comes back."""
        subscribe(shop, "seat", quantity=5)
        quote = shop.billing.subscriptions.preview("acme", of="seat", quantity=2, timing=NOW)
        shop.billing.subscriptions.change(quote)
        assert have(shop) == "9880"


class TestTheAnchor:
    """The days of renewal are moved, and the time between is prorated."""

    def test_to_the_first_of_the_month(self, shop: Desk) -> None:
        """16 of 31 days come back, 12 of 31 are charged; then whole months from the first."""
        subscribe(shop, "team")
        shop.clock.set("2026-10-20T06:00:00+00:00")
        first = BillingAnchor(year=2026, month=10, day=1, zone="Europe/Istanbul")
        quote = shop.billing.subscriptions.preview("acme", of="team", anchor=first)
        assert (quote.credit, quote.charge) == (lira("619.35"), lira("464.52"))
        assert "other renewal day" in str(quote)
        moved = shop.billing.subscriptions.change(quote).subscription
        assert moved.period.end == datetime(2026, 10, 31, 21, tzinfo=UTC)
        assert have(shop) == "8954.83"
        shop.clock.now = moved.period.end
        shop.billing.run_due()
        (renewed,) = shop.billing.subscriptions.list("acme")
        assert renewed.period.end == datetime(2026, 11, 30, 21, tzinfo=UTC)

    def test_moves_at_once_or_not_at_all(self, shop: Desk) -> None:
        """It cannot wait for the period's end, which it moves."""
        subscribe(shop, "team")
        first = BillingAnchor(year=2026, month=10, day=1, zone="Europe/Istanbul")
        with pytest.raises(InvalidInput, match="moves at once"):
            shop.billing.subscriptions.preview("acme", of="team", anchor=first, timing=LATER)


class TestTax:
    """Every charge and every credit has its net and its tax."""

    def test_inside_a_price(self, shop: Desk) -> None:
        """1,200 are 1,000 and 200."""
        split = subscribe(shop, "team").charge.tax
        assert split is not None
        assert (split.net, split.tax, split.gross) == (lira("1000"), lira("200"), lira("1200"))

    def test_on_top_of_a_price(self, shop: Desk) -> None:
        """3,000 take 3,600 from the balance, and the preview says so."""
        subscribe(shop, "team")
        quote = shop.billing.subscriptions.preview("acme", to="firm")
        assert (quote.credit, quote.charge, quote.renewal) == (
            lira("1200"),
            lira("3600"),
            lira("3600"),
        )
        assert quote.charge_tax is not None
        assert (quote.charge_tax.net, quote.charge_tax.tax) == (lira("3000"), lira("600"))
        done = shop.billing.subscriptions.change(quote)
        assert have(shop) == "6400"
        assert done.subscription.charge.tax == quote.charge_tax

    def test_on_top_comes_back_with_what_it_was_on(self, shop: Desk) -> None:
        """Net is prorated, and its tax goes with it: 1,548.39 and 309.68."""
        subscribe(shop, "firm")
        shop.clock.set("2026-10-20T06:00:00+00:00")
        report = shop.billing.subscriptions.cancel(
            "acme", "firm", mode=CancelMode.CREDIT, key="end"
        )
        assert report.credit == lira("1858.07")
        (told,) = events(shop, SubscriptionCanceled)
        (split,) = told.taxes
        assert (split.net, split.tax) == (lira("-1548.39"), lira("-309.68"))

    def test_of_a_buyer_abroad(self, shop: Desk) -> None:
        """A service used abroad: nothing comes on top, and the reason is kept."""
        address = attrs.evolve(PROFILE.address, country="DE", post_code="10115")
        foreign = attrs.evolve(PROFILE, address=address)
        shop.billing.accounts.update_profile("acme", foreign, key="moved")
        charge = subscribe(shop, "firm").charge
        assert charge.amount == lira("3000")
        assert charge.tax is not None
        assert (charge.tax.treatment.value, charge.tax.reason) == ("EXPORT", "302")

    def test_makes_a_quote_stale(self, shop: Desk) -> None:
        """Who moves abroad between preview and change is shown the new amounts first."""
        subscribe(shop, "team")
        quote = shop.billing.subscriptions.preview("acme", to="firm")
        address = attrs.evolve(PROFILE.address, country="DE", post_code="10115")
        shop.billing.accounts.update_profile(
            "acme", attrs.evolve(PROFILE, address=address), key="moved"
        )
        with pytest.raises(StaleQuote):
            shop.billing.subscriptions.change(quote)
        assert have(shop) == "8800"


class TestWhatPays:
    """A preview says which money would pay, and what is short."""

    def test_promotional_money_first_where_it_burns_first(self, shop: Desk) -> None:
        """In burn order, from what is there after the credit."""
        shop.billing.balances.credit(
            "acme",
            lira("500"),
            key="gift",
            reason="welcome",
            terms=Terms(origin=LotOrigin.PROMOTIONAL, priority=10),
        )
        subscribe(shop, "free")
        quote = shop.billing.subscriptions.preview("acme", to="team")
        assert [(one.origin, one.amount) for one in quote.paid_by] == [
            (LotOrigin.PROMOTIONAL, lira("500")),
            (LotOrigin.PAID, lira("700")),
        ]
        assert "500.00 TRY of it comes from given credit" in str(quote)


class TestCancel:
    """A subscription is ended now, and what comes back was paid."""

    def test_with_a_credit_to_the_lots_that_paid(self, shop: Desk) -> None:
        """16 of 31 days of 1,200."""
        subscribe(shop, "team")
        shop.clock.set("2026-10-20T06:00:00+00:00")
        report = shop.billing.subscriptions.cancel(
            "acme", "team", mode=CancelMode.CREDIT, key="end"
        )
        assert (report.credit, report.refundable) == (lira("619.35"), lira("619.35"))
        assert have(shop) == "9419.35"
        assert events(shop, RefundDue) == []
        assert report.subscription.state.value == "CANCELED"

    @pytest.mark.parametrize("mode", CancelMode)
    def test_does_what_its_preview_shows(self, shop: Desk, mode: CancelMode) -> None:
        """The same report, and the preview stores nothing."""
        subscribe(shop, "firm")
        shop.clock.set("2026-10-13T06:00:00+00:00")
        before = shop.snapshot()
        shown = shop.billing.subscriptions.preview_cancel("acme", "firm", mode=mode)
        assert shop.snapshot() == before
        done = shop.billing.subscriptions.cancel("acme", "firm", mode=mode, key="end")
        assert (shown.credit, shown.refundable) == (done.credit, done.refundable)
        assert shown.subscription == done.subscription

    def test_with_a_refund_that_is_set_aside_until_it_is_sent_on(self, shop: Desk) -> None:
        """Nobody can spend the money; the refund of the top-up takes it from there."""
        subscribe(shop, "team")
        shop.clock.set("2026-10-20T06:00:00+00:00")
        shop.billing.subscriptions.cancel("acme", "team", mode=CancelMode.REFUND, key="end")
        (due,) = events(shop, RefundDue)
        balance = shop.billing.balances.list("acme")["TRY"]
        (lot,) = balance.lots
        assert due.amount == lira("619.35")
        assert due.parts == ((lot.source, lira("619.35")),)
        (hold,) = shop.billing.overview("acme").holds
        assert (hold.id, hold.left_value, hold.reason) == (
            due.holds[0],
            lira("619.35"),
            "unused time of team",
        )
        shown = {locale: shop.billing.overview("acme").explain(locale) for locale in ("en", "tr")}
        rows = [
            next(line.split()[-1] for line in page.splitlines() if line.startswith("due-"))
            for page in shown.values()
        ]
        assert rows == ["refund", "iadesi"]
        with pytest.raises(InsufficientFunds, match="8800 available"):
            shop.billing.balances.debit("acme", lira("9000"), reason="all", key="all")
        receipt = shop.billing.top_ups.refund("acme", *due.parts[0], key="back")
        assert receipt.refund.state.value == "DONE"
        assert (have(shop), shop.billing.overview("acme").holds) == ("8800", ())
        assert shop.billing.verify().sound

    def test_with_a_refund_of_more_or_less_than_is_due(self, shop: Desk) -> None:
        """What is due goes first; the rest of a smaller refund stays set aside."""
        subscribe(shop, "team")
        shop.billing.subscriptions.cancel("acme", "team", mode=CancelMode.WITHDRAWAL, key="end")
        (due,) = events(shop, RefundDue)
        ((top_up, amount),) = due.parts
        shop.billing.top_ups.refund("acme", top_up, lira("200"), key="part")
        (hold,) = shop.billing.overview("acme").holds
        assert (amount, hold.left_value) == (lira("1200"), lira("1000"))
        shop.billing.top_ups.refund("acme", top_up, key="all")
        assert (have(shop), shop.billing.overview("acme").holds) == ("0", ())
        assert shop.billing.verify().sound

    @pytest.mark.parametrize("sent", [True, False], ids=["paid-by-hand", "left-on-the-balance"])
    def test_what_came_from_no_top_up_is_settled_by_hand(self, shop: Desk, *, sent: bool) -> None:
        """A credit by hand has no provider: its hold is captured, or released."""
        balances = shop.billing.balances
        balances.debit("acme", lira("10000"), reason="all", key="all")
        balances.credit("acme", lira("1200"), reason="cheque 7", key="cheque")
        subscribe(shop, "team")
        shop.billing.subscriptions.cancel("acme", "team", mode=CancelMode.WITHDRAWAL, key="end")
        (hold,) = shop.billing.overview("acme").holds
        if sent:
            entry = shop.billing.holds.capture("acme", hold.id, key="settled").entry
            assert entry is not None
            assert (entry.kind.value, entry.money) == ("REFUND", lira("-1200"))
        else:
            shop.billing.holds.release("acme", hold.id, key="settled")
        assert have(shop) == ("0" if sent else "1200")
        assert shop.billing.verify().sound

    @pytest.mark.parametrize("planned", [True, False], ids=["planned", "at-once"])
    def test_a_refund_that_is_due_revives_nothing_else(self, shop: Desk, *, planned: bool) -> None:
        """What goes back to its payer pays another subscription only when it is released."""
        billing = shop.billing
        subscribe(shop, "team")
        shop.clock.set("2026-11-04T06:00:00+00:00")
        subscribe(shop, "seat", quantity=25, alignment=Alignment.OWN)
        billing.balances.debit("acme", lira(have(shop)), reason="spend", key="spend")
        shop.clock.set("2026-11-06T06:00:00+00:00")
        if planned:
            at = shop.clock.now + timedelta(days=1)
            billing.schedule.cancel("acme", "seat", at=at, mode=CancelMode.WITHDRAWAL, key="end")
            shop.clock.set("2026-11-07T06:00:00+00:00")
            billing.run_due()
        else:
            billing.subscriptions.cancel("acme", "seat", mode=CancelMode.WITHDRAWAL, key="end")
        (hold,) = billing.overview("acme").holds
        (team,) = billing.subscriptions.list("acme")
        assert (team.state.value, hold.left_value) == ("PAST_DUE", lira(have(shop)))
        billing.holds.release("acme", hold.id, key="keep")
        (team,) = billing.subscriptions.list("acme")
        assert team.state.value == "ACTIVE"

    def test_refunds_what_was_paid_and_no_gift(self, shop: Desk) -> None:
        """A promotion paid 500 of 1,200; it gets its share back, and nobody is sent it."""
        shop.billing.balances.credit(
            "acme",
            lira("500"),
            key="gift",
            reason="welcome",
            terms=Terms(origin=LotOrigin.PROMOTIONAL, priority=10),
        )
        subscribe(shop, "team")
        report = shop.billing.subscriptions.cancel(
            "acme", "team", mode=CancelMode.WITHDRAWAL, key="end"
        )
        assert (report.credit, report.refundable) == (lira("1200"), lira("700"))
        assert have(shop) == "10500"

    def test_with_everything_within_the_window(self, shop: Desk) -> None:
        """Both charges of a change come back, less what the change gave back."""
        subscribe(shop, "team")
        shop.clock.set("2026-10-10T06:00:00+00:00")
        shop.billing.subscriptions.change(shop.billing.subscriptions.preview("acme", to="firm"))
        shop.clock.set("2026-10-19T05:59:59+00:00")
        report = shop.billing.subscriptions.cancel(
            "acme", "firm", mode=CancelMode.WITHDRAWAL, key="end"
        )
        assert have(shop) == "10000"
        assert report.refundable == report.credit
        (told,) = events(shop, SubscriptionCanceled)
        assert sum(-line.gross.amount for line in told.taxes) == report.credit.amount

    def test_not_after_the_window(self, shop: Desk) -> None:
        """It is half-open, and a refusal changes nothing."""
        subscribe(shop, "team")
        shop.clock.set("2026-10-19T06:00:00+00:00")
        before = shop.snapshot()
        with pytest.raises(IllegalTransition, match="be withdrawn from after 14 days"):
            shop.billing.subscriptions.cancel("acme", "team", mode=CancelMode.WITHDRAWAL, key="end")
        assert shop.snapshot() == before

    @pytest.mark.parametrize(
        ("day", "left", "state", "became"),
        [
            pytest.param(5, "10000", "CANCELED", "APPLIED", id="within the window"),
            pytest.param(14, "8800", "ACTIVE", "FAILED", id="when it is over"),
        ],
    )
    def test_with_everything_when_it_was_planned(
        self, shop: Desk, day: int, left: str, state: str, became: str
    ) -> None:
        """A planned withdrawal is judged when it is due, by the catalog's days."""
        one = subscribe(shop, "team")
        at = shop.clock.now + timedelta(days=day)
        shop.billing.schedule.cancel("acme", "team", at=at, mode=CancelMode.WITHDRAWAL, key="plan")
        shop.clock.now = at
        shop.billing.run_due()
        (planned,) = shop.billing.schedule.history("acme")
        (after,) = shop.billing.subscriptions.history("acme")
        assert (have(shop), planned.state.value, after.id) == (left, became, one.id)
        assert after.state.value == state

    def test_with_nothing(self, shop: Desk) -> None:
        """What was paid is kept."""
        subscribe(shop, "team")
        report = shop.billing.subscriptions.cancel(
            "acme", "team", mode=CancelMode.NOTHING, key="end"
        )
        assert (report.credit, have(shop)) == (lira("0"), "8800")

    def test_is_once_for_ever(self, shop: Desk) -> None:
        """The same key gives the same report, and what has ended is not there any more."""
        subscribe(shop, "team")
        first = shop.billing.subscriptions.cancel("acme", "team", mode=CancelMode.CREDIT, key="end")
        again = shop.billing.subscriptions.cancel("acme", "team", mode=CancelMode.CREDIT, key="end")
        assert again == first
        with pytest.raises(UnknownName, match="is not held by 'acme'"):
            shop.billing.subscriptions.cancel("acme", "team", mode=CancelMode.CREDIT, key="2")

    @pytest.mark.parametrize("verb", ["cancel", "pause", "resume", "preview", "schedule"])
    @pytest.mark.parametrize("ran", [True, False], ids=["run-due-first", "caught-up"])
    def test_refuses_alike_whoever_made_time_pass(
        self, shop: Desk, verb: str, *, ran: bool
    ) -> None:
        """What ended in a command's own catch-up is as gone as what ended long before it."""
        one = subscribe(shop, "team").id
        billing = shop.billing
        billing.schedule.cancel("acme", one, key="planned")
        shop.clock.set("2026-11-05T06:00:00+00:00")
        if ran:
            billing.run_due()
        asked: dict[str, Callable[[], object]] = {
            "cancel": lambda: billing.subscriptions.cancel(
                "acme", one, mode=CancelMode.NOTHING, key="again"
            ),
            "pause": lambda: billing.subscriptions.pause("acme", one, key="again"),
            "resume": lambda: billing.subscriptions.resume("acme", one, key="again"),
            "preview": lambda: billing.subscriptions.preview("acme", of=one, quantity=2),
            "schedule": lambda: billing.schedule.cancel("acme", one, key="again"),
        }
        with pytest.raises(UnknownName, match="is not held by 'acme'; subscribe first"):
            asked[verb]()

    def test_supersedes_what_was_planned(self, shop: Desk) -> None:
        """Nothing happens to what is not there."""
        subscribe(shop, "team")
        planned = shop.billing.schedule.change("acme", to="free", key="later")
        shop.billing.subscriptions.cancel("acme", "team", mode=CancelMode.NOTHING, key="end")
        (gone,) = shop.billing.schedule.history("acme")
        assert (gone.id, gone.state.value) == (planned.id, "SUPERSEDED")
        shop.clock.advance(days=60)
        shop.billing.run_due()
        assert shop.billing.subscriptions.list("acme") == ()

    def test_what_comes_back_pays_what_is_past_due(self, shop: Desk) -> None:
        """As a top-up would."""
        shop.billing.balances.debit("acme", lira("7600"), key="spend", reason="all")
        subscribe(shop, "team")
        shop.clock.advance(days=1)
        subscribe(shop, "seat", quantity=20, alignment=Alignment.OWN)
        shop.clock.set("2026-11-05T06:00:00+00:00")
        late = {one.product: one.state.value for one in shop.billing.subscriptions.list("acme")}
        assert late == {"team": "PAST_DUE", "seat": "ACTIVE"}
        shop.billing.subscriptions.cancel("acme", "seat", mode=CancelMode.CREDIT, key="end")
        assert [one.product for one in shop.billing.subscriptions.list("acme")] == ["team"]


class TestMistakes:
    """A caller's mistake is named with its remedy."""

    def test_of_a_mode_that_is_none(self, shop: Desk) -> None:
        """The ways to cancel are listed."""
        subscribe(shop, "team")
        with pytest.raises(InvalidInput, match="use one of NOTHING, CREDIT, REFUND, WITHDRAWAL"):
            shop.billing.subscriptions.cancel(
                "acme",
                "team",
                mode="GENTLY",  # type: ignore[arg-type]
                key="end",
            )

    def test_of_a_preview_of_nothing(self, shop: Desk) -> None:
        """It is about something: the new product, or what is changed."""
        with pytest.raises(InvalidInput, match="with of= what is changed"):
            shop.billing.subscriptions.preview("acme", quantity=3)

    def test_of_a_start_in_another_century(self, tmp_path: Path, clock: Clock) -> None:
        """Four hundred periods are a mistake in the date."""
        sold = catalog(tax=None, pricing=Pricing.INCLUSIVE)
        desk = desk_with("memory", sold, tmp_path, clock)
        with pytest.raises(InvalidInput, match="lies too far back"):
            subscribe(desk, "team", start=datetime(1980, 1, 1, tzinfo=UTC))

    def test_of_an_anchor_within_a_trial(self, shop: Desk) -> None:
        """It has no days yet that could be moved."""
        subscribe(shop, "pro")
        first = BillingAnchor(year=2026, month=10, day=1, zone="Europe/Istanbul")
        with pytest.raises(IllegalTransition, match="move its anchor"):
            shop.billing.subscriptions.preview("acme", of="pro", anchor=first)

    def test_of_a_product_of_another_family(self, shop: Desk) -> None:
        """An add-on does not become a plan."""
        subscribe(shop, "seat")
        with pytest.raises(InvalidInput, match="is no ADD_ON"):
            shop.billing.subscriptions.preview("acme", of="seat", to="team")


class TestWhatIsUnpaid:
    """What is past due can be changed at once, and ended."""

    def test_changes_to_what_can_be_paid(self, shop: Desk) -> None:
        """A new period from that day, and nothing comes back for time that was not paid."""
        shop.billing.balances.debit("acme", lira("8000"), key="spend", reason="all")
        late = subscribe(shop, "team")
        shop.clock.now = late.period.end
        shop.billing.run_due()
        shop.clock.advance(days=4)
        quote = shop.billing.subscriptions.preview("acme", to="free")
        assert (quote.timing, quote.credit, quote.charge) == (NOW, lira("0"), lira("0"))
        done = shop.billing.subscriptions.change(quote).subscription
        assert (done.state.value, done.product, done.period.start) == (
            "ACTIVE",
            "free",
            shop.clock.now,
        )
        assert done.dunning is None

    def test_ends_without_a_credit(self, shop: Desk) -> None:
        """The paid time is used up."""
        shop.billing.balances.debit("acme", lira("8000"), key="spend", reason="all")
        late = subscribe(shop, "team")
        shop.clock.now = late.period.end
        shop.clock.advance(days=4)
        report = shop.billing.subscriptions.cancel(
            "acme", "team", mode=CancelMode.CREDIT, key="end"
        )
        assert (report.credit, report.subscription.state.value) == (lira("0"), "CANCELED")


class TestPause:
    """A pause keeps the paid end."""

    def test_before_the_paid_end_is_as_if_it_had_not_been(self, shop: Desk) -> None:
        """Same bounds, nothing charged."""
        before = subscribe(shop, "team")
        shop.clock.advance(days=3)
        paused = shop.billing.subscriptions.pause("acme", "team", key="p")
        assert paused.period == before.period
        assert paused.serves(shop.clock.now)
        shop.clock.advance(days=3)
        resumed = shop.billing.subscriptions.resume("acme", "team", key="r")
        assert (resumed.state.value, resumed.period, have(shop)) == (
            "ACTIVE",
            before.period,
            "8800",
        )
        shop.clock.now = before.period.end
        shop.billing.run_due()
        assert have(shop) == "7600"

    def test_over_the_paid_end_renews_nothing(self, shop: Desk) -> None:
        """Months pass; then a new period starts on the day of its return."""
        before = subscribe(shop, "team")
        shop.billing.subscriptions.pause("acme", "team", key="p")
        shop.clock.advance(days=100)
        shop.billing.run_due()
        (still,) = shop.billing.subscriptions.list("acme")
        assert (still.state.value, have(shop)) == ("PAUSED", "8800")
        assert not still.serves(shop.clock.now)
        resumed = shop.billing.subscriptions.resume("acme", "team", key="r")
        assert (resumed.period.start, have(shop)) == (shop.clock.now, "7600")
        assert resumed.started_at == before.started_at

    def test_of_something_else_is_refused(self, shop: Desk) -> None:
        """Only what is active pauses, only what is paused resumes."""
        subscribe(shop, "team")
        with pytest.raises(IllegalTransition):
            shop.billing.subscriptions.resume("acme", "team", key="r")
        shop.billing.subscriptions.pause("acme", "team", key="p")
        with pytest.raises(IllegalTransition):
            shop.billing.subscriptions.pause("acme", "team", key="p2")

    def test_a_paused_one_is_not_changed(self, shop: Desk) -> None:
        """Resume it first."""
        subscribe(shop, "team")
        shop.billing.subscriptions.pause("acme", "team", key="p")
        with pytest.raises(IllegalTransition):
            shop.billing.subscriptions.preview("acme", to="firm")


class TestReturn:
    """Who comes back finds the history."""

    def test_before_the_end_takes_the_cancel_back(self, shop: Desk) -> None:
        """As if it had never been planned."""
        before = subscribe(shop, "team")
        shop.billing.schedule.cancel("acme", "team", key="end")
        again = shop.billing.subscriptions.reactivate("acme", "team", key="back")
        assert again.id == before.id
        shop.clock.now = before.period.end
        shop.billing.run_due()
        (still,) = shop.billing.subscriptions.list("acme")
        assert (still.state.value, have(shop)) == ("ACTIVE", "7600")

    def test_after_the_end_begins_anew(self, shop: Desk) -> None:
        """A subscription of its own that follows the old one; both stay readable."""
        before = subscribe(shop, "pro", trial=False)
        shop.billing.subscriptions.cancel("acme", "pro", mode=CancelMode.NOTHING, key="end")
        shop.clock.advance(days=200)
        again = shop.billing.subscriptions.reactivate("acme", before.id, key="back")
        assert (again.follows, again.product, again.charge.amount) == (
            before.id,
            "pro",
            lira("900"),
        )
        assert [one.id for one in shop.billing.subscriptions.history("acme")] == [
            before.id,
            again.id,
        ]

    def test_of_what_goes_on_is_refused(self, shop: Desk) -> None:
        """There is nothing to take back."""
        subscribe(shop, "team")
        with pytest.raises(IllegalTransition, match="be reactivated"):
            shop.billing.subscriptions.reactivate("acme", "team", key="back")
        with pytest.raises(UnknownName, match="was never held"):
            shop.billing.subscriptions.reactivate("acme", "care", key="back2")

    def test_an_offer_is_not_accepted_again_after_its_subscription_has_ended(
        self, shop: Desk
    ) -> None:
        """What has ended is remembered where it matters."""
        offer = NegotiatedPrice(
            id="deal-1",
            account="acme",
            product="team",
            price=Price(interval=MONTH, amount=lira("600")),
            valid_from=START,
            valid_until=datetime(2027, 1, 1, tzinfo=UTC),
        )
        subscribe(shop, "team", offer=offer)
        shop.billing.subscriptions.cancel("acme", "team", mode=CancelMode.NOTHING, key="end")
        shop.clock.advance(days=1)
        with pytest.raises(IllegalTransition, match="be accepted again"):
            subscribe(shop, "team", offer=offer)


class TestATerm:
    """A negotiated term may end the subscription with it."""

    def test_expires_and_charges_nothing(self, shop: Desk) -> None:
        """Three months, then nothing: it ended by itself."""
        offer = NegotiatedPrice(
            id="pilot",
            account="acme",
            product="team",
            price=Price(interval=MONTH, amount=lira("600")),
            valid_from=START,
            valid_until=datetime(2027, 1, 1, tzinfo=UTC),
            term=BillingInterval(count=3, unit="MONTH"),
            then=AfterTerm.END,
        )
        subscribe(shop, "team", offer=offer)
        shop.clock.set("2027-06-01T00:00:00+00:00")
        shop.billing.run_due()
        (gone,) = shop.billing.subscriptions.history("acme")
        assert (gone.state.value, gone.ending, have(shop)) == (
            "EXPIRED",
            "end of its term",
            "8200",
        )
        assert gone.ended_at == datetime(2027, 1, 5, 6, tzinfo=UTC)


class TestHistory:
    """What was held is readable with its dates, whatever became of it."""

    def test_of_plans_and_support_packages(self, shop: Desk) -> None:
        """Changes within a subscription, and subscriptions after each other."""
        shop.top_up("5000", key="more")
        subscribe(shop, "team")
        subscribe(shop, "care")
        shop.clock.advance(days=2)
        shop.billing.subscriptions.change(
            shop.billing.subscriptions.preview("acme", to="team", interval=YEAR)
        )
        shop.billing.subscriptions.cancel("acme", "care", mode=CancelMode.CREDIT, key="end")
        plan, care = shop.billing.subscriptions.history("acme")
        assert [(line.product, str(line.price.interval)) for line in plan.history] == [
            ("team", "MONTH"),
            ("team", "YEAR"),
        ]
        assert (care.family, care.state.value, care.ended_at) == (
            Family.SUPPORT,
            "CANCELED",
            shop.clock.now,
        )
        assert care.history[-1].end == shop.clock.now


class TestACheaperChangeAlwaysApplies:
    """At the period's end, also when it cannot be paid."""

    def test_from_a_year_to_a_month(self, shop: Desk) -> None:
        """The dearer year does not go past due instead."""
        shop.top_up("2000", key="more")
        yearly = shop.billing.subscriptions.subscribe("acme", "team", YEAR, key="y")
        assert have(shop) == "0"
        shop.billing.schedule.change("acme", to="team", interval=MONTH, key="later")
        shop.clock.now = yearly.period.end
        shop.billing.run_due()
        (now,) = shop.billing.subscriptions.list("acme")
        assert (now.price.interval, now.state.value) == (MONTH, "PAST_DUE")
        shop.clock.advance(days=3)
        shop.top_up("1200", key="late")
        (paid,) = shop.billing.subscriptions.list("acme")
        assert (paid.state.value, paid.charge.amount) == ("ACTIVE", lira("1200"))

    def test_a_product_that_nobody_knows_any_more_can_be_left(self, shop: Desk) -> None:
        """A new catalog without it judges the change by what a year costs."""
        subscribe(shop, "team")
        whole = catalog()
        rest = tuple(one for one in whole.products if one.id != "team")
        other = attrs.evolve(whole, products=rest, version="2")
        moved = Billing(catalog=other, storage=shop.storage, clock=shop.clock)
        up = moved.subscriptions.preview("acme", to="firm")
        down = moved.subscriptions.preview("acme", to="free")
        assert (up.direction.value, up.timing, down.direction.value, down.timing) == (
            "UPGRADE",
            NOW,
            "DOWNGRADE",
            LATER,
        )
        assert moved.subscriptions.change(up).subscription.product == "firm"
