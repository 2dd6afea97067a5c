"""The service, on memory and on a SQLite file: what a host and its accounts see."""

from datetime import UTC, datetime
from typing import Any

import attrs
import pytest

from monochat_billing import (
    MONTH,
    YEAR,
    Billing,
    ChangeTiming,
    ChargeKind,
    Checkout,
    EntryKind,
    Family,
    ForgedCallback,
    IdempotencyConflict,
    IllegalTransition,
    InsufficientFunds,
    InvalidInput,
    LotOrigin,
    MessageCategory,
    Money,
    StaleQuote,
    Terms,
    UnknownName,
    UsageRecord,
    money,
    sample_catalog,
)
from monochat_billing.adapters.memory import MemoryStorage
from monochat_billing.gateways import GatewayCapabilities
from monochat_billing.payments import PaymentStatus, TopUpState
from monochat_billing.scheduling import ScheduleState
from monochat_billing.subscriptions import SubscriptionState
from tests.desk import PROFILE, START, Clock, Desk, build


def posted(desk: Desk, currency: str = "TRY") -> str:
    balance = desk.billing.balances.list("acme")[currency]
    return str(balance.money(balance.posted).amount)


def message(number: int, category: MessageCategory = MessageCategory.MARKETING) -> UsageRecord:
    return UsageRecord(
        id=f"wamid.{number}",
        meter="whatsapp.message",
        occurred_at=datetime(2026, 10, 6, tzinfo=UTC),
        market="Turkey",
        category=category,
    )


class TestTopUps:
    """A top-up is credited once, and only on a verified payment that matches it."""

    def test_credits_the_ordered_amount_once(self, desk: Desk) -> None:
        """However often the callback comes, one entry stands."""
        top_up = desk.start(money("250", "TRY"))
        first = desk.pay(top_up, money("250", "TRY"))
        assert first.entry is not None
        assert not first.repeated
        assert first.answer.status == 200
        for _ in range(5):
            again = desk.pay(top_up, money("250", "TRY"))
            assert again.repeated
            assert again.entry is None
        assert posted(desk) == "250"
        assert desk.event_names() == ["AccountOpened", "TopUpSettled"]

    def test_credits_after_a_restart(self, desk: Desk) -> None:
        """The intent was stored before the gateway was called."""
        top_up = desk.start(money("250", "TRY"))
        later = desk.reopen()
        later.pay(top_up, money("250", "TRY"))
        assert posted(later) == "250"

    def test_a_surcharge_is_not_credited(self, desk: Desk) -> None:
        """The buyer paid instalment interest; the balance gets what was ordered."""
        desk.pay(desk.start(money("250", "TRY")), money("262.50", "TRY"))
        assert posted(desk) == "250"

    @pytest.mark.parametrize("paid", [money("249.99", "TRY"), money("250", "USD")])
    def test_a_mismatch_is_quarantined(self, desk: Desk, paid: Money) -> None:
        """Too little or another currency is set aside once, and credited to nobody."""
        top_up = desk.start(money("250", "TRY"))
        receipt = desk.pay(top_up, paid)
        assert receipt.top_up.state is TopUpState.QUARANTINED
        assert desk.pay(top_up, paid).repeated
        assert posted(desk) == "0"
        assert desk.event_names().count("PaymentQuarantined") == 1

    def test_a_second_payment_is_quarantined(self, desk: Desk) -> None:
        """One top-up is credited once, whichever payment comes first."""
        top_up = desk.start(money("250", "TRY"))
        desk.pay(top_up, money("250", "TRY"))
        second = desk.pay(top_up, money("250", "TRY"), payment="pay_other")
        assert second.entry is None
        assert second.top_up.state is TopUpState.CREDITED
        assert desk.pay(top_up, money("250", "TRY"), payment="pay_other").repeated
        assert posted(desk) == "250"
        assert desk.event_names().count("PaymentQuarantined") == 1

    def test_failure_then_success_credits(self, desk: Desk) -> None:
        """A buyer may try again on the same page."""
        top_up = desk.start(money("250", "TRY"))
        failed = desk.pay(top_up, money("250", "TRY"), status=PaymentStatus.FAILED)
        assert failed.top_up.state is TopUpState.FAILED
        desk.pay(top_up, money("250", "TRY"))
        assert desk.pay(top_up, money("250", "TRY"), status=PaymentStatus.FAILED).repeated
        assert posted(desk) == "250"

    def test_a_forged_callback_moves_nothing(self, desk: Desk) -> None:
        """Another secret signs nothing that counts."""
        top_up = desk.start(money("250", "TRY"))
        before = desk.snapshot()
        with pytest.raises(ForgedCallback):
            desk.pay(top_up, money("250", "TRY"), secret="another secret of the tests")  # noqa: S106
        assert desk.snapshot() == before

    def test_starting_again_gives_the_same_checkout(self, desk: Desk) -> None:
        """Also after it was paid: the first result stands."""

        def start() -> Checkout:
            return desk.billing.top_ups.start(
                "acme",
                money("250", "TRY"),
                gateway="sandbox",
                return_url="https://acme.example/back",
                key="topup",
            )

        first = start()
        assert start() == first
        desk.pay(first.top_up, money("250", "TRY"))
        assert start() == first

    def test_goes_on_where_a_crash_stopped_it(self, desk: Desk) -> None:
        """The gateway failed after the intent was stored; the same key opens the checkout."""

        class Broken:
            name = "sandbox"
            capabilities = GatewayCapabilities()

            def create(self, top_up: object, buyer: object) -> object:
                raise ConnectionError

        working = desk.billing.top_ups._context.gateways
        gateways = dict(working)
        context = desk.billing.top_ups._context
        object.__setattr__(context, "gateways", {"sandbox": Broken()})
        with pytest.raises(ConnectionError):
            desk.start(money("250", "TRY"))
        object.__setattr__(context, "gateways", gateways)
        top_up = desk.start(money("250", "TRY"))
        desk.pay(top_up, money("250", "TRY"))
        assert posted(desk) == "250"

    def test_an_unknown_top_up_is_refused(self, desk: Desk) -> None:
        """A signed callback for something that nobody started here."""
        with pytest.raises(UnknownName, match="was not started here"):
            desk.pay("nobody", money("1", "TRY"))


class TestCredit:
    """A credit without a gateway is a lot on stated terms."""

    def test_adds_and_revives(self, desk: Desk) -> None:
        """An opening balance is money like any other."""
        desk.billing.balances.credit("acme", money("2000", "TRY"), reason="opening", key="o")
        desk.billing.subscriptions.subscribe("acme", "growth", MONTH, key="s")
        desk.clock.advance(days=40)
        desk.billing.run_due()
        desk.billing.balances.credit("acme", money("1000", "TRY"), reason="EFT", key="e")
        assert desk.event_names()[-2:] == ["SubscriptionSuspended", "SubscriptionRevived"]
        assert posted(desk) == "2"

    def test_a_promotion_pays_only_what_it_may_and_ends(self, desk: Desk) -> None:
        """It burns before paid money, for messages alone, and what is left is breakage."""
        until = datetime(2026, 11, 1, tzinfo=UTC)
        terms = Terms(
            origin=LotOrigin.PROMOTIONAL,
            pays_for=frozenset({ChargeKind.MESSAGE}),
            expires_at=until,
            priority=10,
        )
        desk.top_up("1", "USD")
        desk.billing.balances.credit(
            "acme", money("0.5", "USD"), reason="welcome", key="w", terms=terms
        )
        with pytest.raises(InsufficientFunds, match="1 available"):
            desk.billing.balances.debit("acme", money("1.2", "USD"), reason="x", key="d")
        desk.billing.usage.record("acme", [message(1)])
        assert desk.billing.balances.entries("acme")[-1].parts == ((2, -10_900),)
        desk.clock.now = until
        desk.billing.run_due()
        last = desk.billing.balances.entries("acme")[-1]
        assert (last.kind, str(last.money.amount)) == (EntryKind.BREAKAGE, "-0.4891")
        assert posted(desk, "USD") == "1"
        assert desk.event_names()[-1] == "LotExpired"
        assert desk.billing.verify().sound

    def test_terms_are_part_of_the_request(self, desk: Desk) -> None:
        """Another expiry under the same key is another request."""
        give = desk.billing.balances.credit
        give("acme", money("1", "TRY"), reason="w", key="w")
        soon = Terms(expires_at=datetime(2026, 11, 1, tzinfo=UTC))
        with pytest.raises(IdempotencyConflict, match="expires_at"):
            give("acme", money("1", "TRY"), reason="w", key="w", terms=soon)


class TestProfile:
    """An account can be given a billing profile after it was opened, and another one later."""

    def test_opens_the_way_to_a_top_up(self, desk: Desk) -> None:
        """Without one there is nobody to invoice."""
        desk.billing.accounts.open("bare", zone="UTC", currencies=["TRY"])
        with pytest.raises(InvalidInput, match="billing profile"):
            desk.start(money("5", "TRY"), account="bare")
        updated = desk.billing.accounts.update_profile("bare", PROFILE, key="p")
        assert updated.profile == PROFILE
        desk.top_up("5", account="bare")
        later = desk.reopen()
        assert later.billing.accounts.get("bare").profile == PROFILE
        assert later.billing.accounts.update_profile("bare", PROFILE, key="p") == updated
        assert later.event_names("bare")[1] == "ProfileUpdated"

    def test_a_key_stands_for_one_profile(self, desk: Desk) -> None:
        """Also where two differ only in what is never shown."""
        other = attrs.evolve(PROFILE, email="books@acme.example")
        desk.billing.accounts.update_profile("acme", PROFILE, key="p")
        with pytest.raises(IdempotencyConflict, match="profile"):
            desk.billing.accounts.update_profile("acme", other, key="p")
        with pytest.raises(IdempotencyConflict, match="profile"):
            desk.billing.accounts.open(
                "acme", zone="Europe/Istanbul", currencies=["TRY", "USD"], profile=other
            )

    def test_the_id_is_the_key_of_the_opening(self, desk: Desk) -> None:
        """And the refusal names it, not the word that is stored for it."""
        with pytest.raises(IdempotencyConflict) as refused:
            desk.billing.accounts.open("acme", zone="Europe/Istanbul", currencies=["TRY", "EUR"])
        assert str(refused.value) == (
            "acme: key 'acme' was used with currencies 'TRY USD', now 'TRY EUR'; use a new key"
        )


class TestWhatAServiceIsMadeOf:
    """What is no part of a service is refused at once, and not by the first command within."""

    @pytest.mark.parametrize(
        ("part", "said"),
        [
            ({"catalog": "plans.toml"}, "catalog: 'str' is no catalog; pass sample_catalog()"),
            (
                {"storage": "postgresql://billing:hunter2@db/billing"},
                r"storage: 'str' is no storage; pass MemoryStorage\(\) or SqlStorage\(url\)$",
            ),
            ({"storage": MemoryStorage}, "storage: 'type' is no storage"),
            ({"clock": START}, "clock: .* cannot be called; pass a function"),
        ],
    )
    def test_names_the_part_and_quotes_no_address(self, part: dict[str, Any], said: str) -> None:
        """An address may hold a password."""
        parts: dict[str, Any] = {"catalog": sample_catalog(), "storage": MemoryStorage(), **part}
        with pytest.raises(InvalidInput, match=said):
            Billing(**parts)


class TestCatchUp:
    """Whatever is due on an account happens before anything else does."""

    def test_a_debit_cannot_spend_the_money_of_a_renewal_that_nobody_ran(self, desk: Desk) -> None:
        """Renewal due on the 5th, debit on the 6th, no run in between."""
        desk.top_up("3000")
        desk.billing.subscriptions.subscribe("acme", "growth", MONTH, key="s")
        desk.clock.set("2026-11-06T00:00:00+00:00")
        with pytest.raises(InsufficientFunds) as caught:
            desk.billing.balances.debit("acme", money("1501", "TRY"), reason="x", key="d")
        assert caught.value.available == "2"
        entries = [one for one in desk.billing.balances.entries("acme") if one.unit == "TRY"]
        assert [str(one.money.amount) for one in entries] == ["3000", "-1499", "-1499"]
        assert entries[-1].effective_at == datetime(2026, 11, 5, 6, tzinfo=UTC)
        assert entries[-1].recorded_at == datetime(2026, 11, 6, tzinfo=UTC)

    def test_reads_see_what_is_due_without_storing_it(self, desk: Desk) -> None:
        """The page is right before anybody ran anything, and looking changes nothing."""
        desk.top_up("3000")
        desk.billing.subscriptions.subscribe("acme", "growth", MONTH, key="s")
        before = desk.snapshot()
        desk.clock.set("2026-11-06T00:00:00+00:00")
        page = desk.billing.overview("acme")
        assert page.balances[0].posted == money("2", "TRY")
        assert len([one for one in page.last_entries if one.unit == "TRY"]) == 3
        assert desk.snapshot() == before

    def test_a_run_right_after_a_run_does_nothing(self, desk: Desk) -> None:
        """Time that has passed once does not pass again.

        Three renewals, each with an allowance that ends and one that begins.
        """
        desk.top_up("9000")
        desk.billing.subscriptions.subscribe("acme", "growth", MONTH, key="s")
        desk.clock.set("2027-01-06T00:00:00+00:00")
        first = desk.billing.run_due()
        assert (first.accounts, first.entries, first.events) == (1, 9, 6)
        assert desk.billing.run_due().accounts == 0

    def test_a_clock_set_back_is_not_believed(self, desk: Desk) -> None:
        """Effective time never runs backwards on an account."""
        desk.top_up("9000")
        desk.clock.advance(days=3)
        later = desk.clock.now
        first = desk.billing.balances.debit("acme", money("1", "TRY"), reason="x", key="a")
        desk.clock.advance(days=-10)
        second = desk.billing.balances.debit("acme", money("1", "TRY"), reason="x", key="b")
        assert first.effective_at == second.effective_at == later

    def test_too_little_money_suspends_after_the_grace_and_a_top_up_revives(
        self, desk: Desk
    ) -> None:
        """Dead time is not charged: the new period starts at the payment."""
        desk.top_up("2000")
        desk.billing.subscriptions.subscribe("acme", "growth", MONTH, key="s")
        desk.clock.set("2026-11-20T09:00:00+00:00")
        desk.billing.run_due()
        (unpaid,) = desk.billing.subscriptions.list("acme")
        assert unpaid.state is SubscriptionState.SUSPENDED
        assert posted(desk) == "501"
        receipt = desk.top_up("1000", key="more")
        (revived,) = desk.billing.subscriptions.list("acme")
        assert receipt.revived == (revived.id,)
        assert revived.state is SubscriptionState.ACTIVE
        assert revived.period.start == desk.clock.now
        assert posted(desk) == "2"
        names = ["SubscriptionSuspended", "TopUpSettled", "SubscriptionRevived"]
        assert desk.event_names()[-3:] == names

    def test_the_plan_is_paid_before_the_support_package(self, desk: Desk) -> None:
        """Both renew at one instant and the money is enough for one."""
        desk.top_up("3500")
        for product in ("priority", "growth"):
            desk.billing.subscriptions.subscribe("acme", product, MONTH, key=product)
        desk.clock.set("2026-11-05T06:00:00+00:00")
        desk.billing.run_due()
        page = desk.billing.overview("acme")
        plan, support = page.subscription(Family.PLAN), page.subscription(Family.SUPPORT)
        assert plan is not None
        assert plan.state is SubscriptionState.ACTIVE
        assert support is not None
        assert support.state is SubscriptionState.PAST_DUE


class TestChanges:
    """A change does exactly what its quote showed, or is refused and changes nothing."""

    def test_does_what_was_shown(self, desk: Desk) -> None:
        """Monthly to yearly with 10 of 31 days left."""
        desk.top_up("25000")
        desk.billing.subscriptions.subscribe("acme", "growth", MONTH, key="s")
        desk.clock.set("2026-10-26T07:00:00+00:00")
        quote = desk.billing.subscriptions.preview("acme", to="growth", interval=YEAR)
        assert (str(quote.credit.amount), str(quote.charge.amount)) == ("483.55", "14990")
        assert posted(desk) == "23501"
        desk.clock.advance(minutes=10)
        result = desk.billing.subscriptions.change(quote)
        assert posted(desk) == "8994.55"
        assert [str(one.money.amount) for one in result.entries] == ["483.55", "-14990"]
        assert {one.effective_at for one in result.entries} == {quote.effective_at}
        assert result.entries[0].corrects == 2
        assert result.subscription.period.end == quote.next_renewal_at
        assert desk.billing.subscriptions.change(quote) == result

    def test_too_little_money_changes_nothing(self, desk: Desk) -> None:
        """The credit is not kept when the charge cannot be paid."""
        desk.top_up("2000")
        desk.billing.subscriptions.subscribe("acme", "growth", MONTH, key="s")
        desk.clock.advance(days=3)
        quote = desk.billing.subscriptions.preview("acme", to="enterprise")
        assert quote.shortfall.amount > 0
        before = desk.snapshot()
        with pytest.raises(InsufficientFunds) as first:
            desk.billing.subscriptions.change(quote)
        assert desk.snapshot() == before
        desk.top_up("9000", key="more")
        with pytest.raises(InsufficientFunds) as again:
            desk.billing.subscriptions.change(quote)
        assert again.value.args == first.value.args
        anew = desk.billing.subscriptions.preview("acme", to="enterprise")
        assert desk.billing.subscriptions.change(anew).subscription.product == "enterprise"

    def test_a_quote_runs_out(self, desk: Desk) -> None:
        """Half an hour later it has to be previewed again."""
        desk.top_up("25000")
        desk.billing.subscriptions.subscribe("acme", "growth", MONTH, key="s")
        quote = desk.billing.subscriptions.preview("acme", to="enterprise")
        desk.clock.now = quote.valid_until
        with pytest.raises(StaleQuote, match="valid until"):
            desk.billing.subscriptions.change(quote)

    def test_a_change_in_between_makes_a_quote_stale(self, desk: Desk) -> None:
        """Two previews, one executed: the other no longer holds."""
        desk.top_up("90000")
        desk.billing.subscriptions.subscribe("acme", "growth", MONTH, key="s")
        one = desk.billing.subscriptions.preview("acme", to="enterprise")
        other = desk.billing.subscriptions.preview("acme", to="growth", interval=YEAR)
        desk.billing.subscriptions.change(one)
        with pytest.raises(StaleQuote, match="subscription has changed"):
            desk.billing.subscriptions.change(other)

    def test_a_quote_for_the_periods_end_is_scheduled(self, desk: Desk) -> None:
        """Downgrades wait; until then nothing moves."""
        desk.top_up("25000")
        desk.billing.subscriptions.subscribe("acme", "growth", MONTH, key="s")
        quote = desk.billing.subscriptions.preview("acme", to="basic")
        assert quote.timing is ChangeTiming.END_OF_PERIOD
        result = desk.billing.subscriptions.change(quote)
        assert result.scheduled is not None
        assert desk.billing.schedule.list("acme") == (result.scheduled,)
        desk.clock.now = quote.effective_at
        desk.billing.run_due()
        (subscription,) = desk.billing.subscriptions.list("acme")
        assert subscription.product == "basic"
        assert desk.billing.schedule.list("acme") == ()

    def test_a_key_finds_the_executed_quote_again(self, desk: Desk) -> None:
        """A program that starts over previews with the same key and changes nothing."""
        desk.top_up("25000")
        desk.billing.subscriptions.subscribe("acme", "growth", MONTH, key="s")
        quote = desk.billing.subscriptions.preview("acme", to="growth", interval=YEAR, key="y")
        result = desk.billing.subscriptions.change(quote)
        before = desk.snapshot()
        later = desk.reopen()
        later.clock.advance(days=40)
        found = later.billing.subscriptions.preview("acme", to="growth", interval=YEAR, key="y")
        assert found == quote
        assert later.billing.subscriptions.change(found) == result
        assert later.snapshot() == before

    def test_a_second_plan_is_refused(self, desk: Desk) -> None:
        """An account holds one subscription of each family."""
        desk.top_up("25000")
        desk.billing.subscriptions.subscribe("acme", "growth", MONTH, key="s")
        with pytest.raises(IllegalTransition, match="subscribe again"):
            desk.billing.subscriptions.subscribe("acme", "enterprise", MONTH, key="t")


class TestSchedule:
    """What is planned can be seen, replaced, taken back, and happens when it is due."""

    def test_revoked_is_as_if_never_planned(self, desk: Desk) -> None:
        """The plan renews as before."""
        desk.top_up("25000")
        desk.billing.subscriptions.subscribe("acme", "growth", MONTH, key="s")
        planned = desk.billing.schedule.change("acme", to="basic", key="p")
        revoked = desk.billing.schedule.revoke("acme", planned.id, key="r")
        assert revoked.state is ScheduleState.CANCELED
        with pytest.raises(IllegalTransition):
            desk.billing.schedule.revoke("acme", planned.id, key="r2")
        desk.clock.set("2026-11-06T00:00:00+00:00")
        desk.billing.run_due()
        (subscription,) = desk.billing.subscriptions.list("acme")
        assert subscription.product == "growth"

    def test_a_later_request_replaces_one_for_the_same_instant(self, desk: Desk) -> None:
        """Both stand in the history, with what became of them."""
        desk.top_up("25000")
        desk.billing.subscriptions.subscribe("acme", "enterprise", MONTH, key="s")
        desk.billing.schedule.change("acme", to="basic", key="p1")
        desk.clock.advance(hours=1)
        second = desk.billing.schedule.change("acme", to="growth", key="p2")
        assert desk.billing.schedule.list("acme") == (second,)
        states = [one.state for one in desk.billing.schedule.history("acme")]
        assert states == [ScheduleState.SUPERSEDED, ScheduleState.PENDING]

    def test_an_immediate_change_replaces_what_is_pending(self, desk: Desk) -> None:
        """What was planned was planned for another plan."""
        desk.top_up("25000")
        desk.billing.subscriptions.subscribe("acme", "growth", MONTH, key="s")
        desk.billing.schedule.change("acme", to="basic", key="p1")
        quote = desk.billing.subscriptions.preview("acme", to="enterprise")
        desk.billing.subscriptions.change(quote)
        assert desk.billing.schedule.list("acme") == ()

    def test_an_upgrade_that_cannot_be_paid_fails_and_the_old_plan_renews(self, desk: Desk) -> None:
        """The period's end is one decision."""
        desk.top_up("3100")
        desk.billing.subscriptions.subscribe("acme", "growth", MONTH, key="s")
        desk.billing.schedule.change("acme", to="enterprise", key="p")
        desk.clock.set("2026-11-05T06:00:00+00:00")
        desk.billing.run_due()
        (subscription,) = desk.billing.subscriptions.list("acme")
        assert (subscription.product, subscription.state) == ("growth", SubscriptionState.ACTIVE)
        assert desk.event_names()[-2:] == ["ScheduledChangeFailed", "SubscriptionRenewed"]
        (failed,) = desk.billing.schedule.history("acme")
        assert failed.state is ScheduleState.FAILED
        assert "short" in failed.outcome

    def test_at_an_instant(self, desk: Desk) -> None:
        """An upgrade planned for mid-period is prorated there."""
        desk.top_up("9000")
        desk.billing.subscriptions.subscribe("acme", "growth", MONTH, key="s")
        when = datetime(2026, 10, 20, 6, tzinfo=UTC)
        desk.billing.schedule.change(
            "acme", to="enterprise", timing=ChangeTiming.AT, at=when, key="p"
        )
        desk.clock.set("2026-10-21T00:00:00+00:00")
        desk.billing.run_due()
        (subscription,) = desk.billing.subscriptions.list("acme")
        assert subscription.product == "enterprise"
        entries = desk.billing.balances.entries("acme")
        amounts = [str(one.money.amount) for one in entries if one.unit == "TRY"]
        # 16 of 31 days: 1499 x 16/31 = 773.677..., 5999 x 16/31 = 3096.258...
        assert amounts == ["9000", "-1499", "773.68", "-3096.26"]


class TestUsage:
    """Each record is charged once, exactly, whatever batch it comes in."""

    def test_charges_to_the_sixth_decimal(self, desk: Desk) -> None:
        """Three marketing messages to Turkey at 0.0109, one utility at 0.0009."""
        desk.top_up("1", "USD")
        batch = [message(n) for n in range(3)] + [message(3, MessageCategory.UTILITY)]
        report = desk.billing.usage.record("acme", batch)
        assert (report.charged, str(report.amount.amount)) == (4, "0.0336")
        assert posted(desk, "USD") == "0.9664"

    def test_sent_again_it_costs_nothing(self, desk: Desk) -> None:
        """Within a batch, across batches, across a restart."""
        desk.top_up("1", "USD")
        desk.billing.usage.record("acme", [message(1), message(1), message(2)])
        later = desk.reopen()
        report = later.billing.usage.record("acme", [message(1), message(2), message(3)])
        assert (report.charged, report.repeated) == (1, 2)
        assert posted(later, "USD") == "0.9673"

    def test_what_cannot_be_paid_is_refused_alone_and_may_come_again(self, desk: Desk) -> None:
        """The balance pays for one of two; after a top-up the other is charged."""
        desk.top_up("0.02", "USD")
        report = desk.billing.usage.record("acme", [message(1), message(2)])
        assert (report.charged, [one for one, _ in report.refused]) == (1, ["wamid.2"])
        desk.top_up("1", "USD", key="more")
        report = desk.billing.usage.record("acme", [message(1), message(2)])
        assert (report.charged, report.repeated) == (1, 1)

    def test_a_batch_of_refusals_is_told_to_the_host(self, desk: Desk) -> None:
        """Nothing was charged, and the event of it is kept."""
        report = desk.billing.usage.record("acme", [message(1)])
        assert len(report.refused) == 1
        assert desk.event_names()[-1] == "UsageRefused"

    def test_a_record_without_a_rate_refuses_the_whole_batch(self, desk: Desk) -> None:
        """Nothing of it is kept."""
        desk.top_up("1", "USD")
        before = desk.snapshot()
        odd = UsageRecord(
            id="wamid.odd",
            meter="whatsapp.message",
            occurred_at=datetime(2026, 10, 6, tzinfo=UTC),
            market="Atlantis",
            category=MessageCategory.UTILITY,
        )
        with pytest.raises(InvalidInput, match="Atlantis"):
            desk.billing.usage.record("acme", [message(1), odd])
        assert desk.snapshot() == before


class TestOverview:
    """The Billing page shows everything in a terminal's width."""

    def test_fits_a_hundred_columns(self, desk: Desk) -> None:
        """Also with long reasons."""
        desk.top_up("25000")
        desk.billing.subscriptions.subscribe("acme", "growth", MONTH, key="s")
        desk.billing.schedule.change("acme", to="basic", key="p")
        desk.billing.balances.debit("acme", money("1", "TRY"), reason="x" * 300, key="d")
        text = str(desk.billing.overview("acme"))
        assert max(map(len, text.splitlines())) <= 100
        for word in ("TRY", "USD", "Growth", "change to Basic", "charge", "invented"):
            assert word in text


class TestService:
    """The service refuses to be built wrongly."""

    def test_two_gateways_of_one_name(self, desk: Desk) -> None:
        """One would be unreachable."""
        gateway = desk.billing.top_ups._context.gateways["sandbox"]
        with pytest.raises(InvalidInput, match="stands twice"):
            Billing(catalog=sample_catalog(), storage=desk.storage, gateways=[gateway, gateway])

    def test_a_naive_clock(self) -> None:
        """It would put periods at the mercy of the machine's zone."""
        billing = Billing(
            catalog=sample_catalog(),
            storage=MemoryStorage(),
            clock=lambda: datetime(2026, 1, 1),  # noqa: DTZ001 - the subject
        )
        with pytest.raises(InvalidInput, match="clock"):
            billing.accounts.open("acme", zone="UTC", currencies=["TRY"])

    def test_many_accounts_advance_together(self, clock: Clock) -> None:
        """A run visits whoever is due, in pages, and nobody else: two renewals, two allowances."""
        storage = MemoryStorage()

        def again() -> Desk:
            return build(storage, clock, again)

        desk = again()
        for number in range(250):
            desk.billing.accounts.open(
                f"a{number}", zone="UTC", currencies=["TRY"], profile=PROFILE
            )
            desk.billing.subscriptions.subscribe(f"a{number}", "basic", MONTH, key="s")
        desk.billing.accounts.open("idle", zone="UTC", currencies=["TRY"])
        desk.clock.advance(days=62)
        report = desk.billing.run_due()
        assert (report.accounts, report.events, report.failed) == (250, 1000, ())
        assert desk.billing.verify().accounts == 251
