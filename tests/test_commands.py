"""Commands: what is judged on one account, and what a refusal leaves behind."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

import attrs
import pytest

from monochat_billing import commands, plan_commands, top_up_commands, usage_commands
from monochat_billing.accounts import AccountState, Step
from monochat_billing.balance import Entry, EntryKind, Terms
from monochat_billing.errors import (
    IllegalTransition,
    InsufficientFunds,
    InvalidInput,
    Rejected,
    UnknownName,
)
from monochat_billing.events import (
    AccountOpened,
    ChangeRevoked,
    ChangeScheduled,
    ChangeSuperseded,
    UsageCharged,
    UsageRefused,
)
from monochat_billing.money import Money, money
from monochat_billing.payments import Checkout, Payment, PaymentStatus, TopUp, TopUpState
from monochat_billing.periods import MONTH, YEAR
from monochat_billing.plans import ChangeTiming, Family
from monochat_billing.rating import MessageCategory, RateCard, RateCards, UsageRecord
from monochat_billing.scheduling import ScheduleState
from monochat_billing.top_up_commands import PaymentReceipt
from monochat_billing.usage_commands import UsageReport
from tests.scene import BUYER, CATALOG, START, Scene, instant, lira, scene

CARDS = RateCards(
    cards=(
        RateCard(
            name="october",
            meter="whatsapp.message",
            currency="USD",
            effective_on=date(2026, 10, 1),
            rates={
                "Turkey": {MessageCategory.MARKETING: 10_900, MessageCategory.UTILITY: 900},
                "Germany": {MessageCategory.MARKETING: 136_500},
            },
        ),
    )
)


def message(identity: str, market: str = "Turkey", **change: Any) -> UsageRecord:  # noqa: ANN401
    fields: dict[str, Any] = {
        "id": identity,
        "meter": "whatsapp.message",
        "occurred_at": datetime(2026, 10, 5, 9, tzinfo=UTC),
        "market": market,
        "category": MessageCategory.MARKETING,
    }
    return UsageRecord(**(fields | change))


def used(made: Scene, *records: UsageRecord, known: tuple[str, ...] = ()) -> Step:
    """Record usage, with what the storage knows of it."""
    state = attrs.evolve(made.state, known_usage=frozenset(known))
    return usage_commands.record_usage(state, records, CARDS, actor="meter", now=START)


def dollars(amount: str) -> Money:
    return money(amount, "USD")


class TestOpening:
    """An account begins with empty balances."""

    @staticmethod
    def opened(**change: Any) -> Step:  # noqa: ANN401
        fields: dict[str, Any] = {
            "account": "acme",
            "zone": "Europe/Istanbul",
            "currencies": ["TRY", "USD"],
            "profile": None,
            "now": START,
        }
        return commands.open_account(**(fields | change))

    @pytest.mark.parametrize(
        ("currencies", "told"),
        [
            ("TRY", "currencies: 'TRY' is no list; pass [\"TRY\"]"),
            (["TL"], "currencies: 'TL' is not a known currency; pass 'TRY'"),
            (["usd"], "currencies: 'usd' is not a known currency; pass 'USD'"),
            (["lira"], "currencies: 'lira' is not a known currency; pass its ISO code"),
        ],
    )
    def test_says_which_currency_was_meant(self, currencies: list[str], told: str) -> None:
        """A text instead of a list, small letters and the everyday name are recognized."""
        with pytest.raises(InvalidInput) as refused:
            commands.open_account(
                account="acme", zone="UTC", currencies=currencies, profile=None, now=START
            )
        assert str(refused.value) == told

    def test_shows_the_value_of_an_enum_and_not_its_class(self) -> None:
        """Whoever reads a refusal need not know the library's names for it."""
        refused = InvalidInput("timing", ChangeTiming.AT, "is not allowed", "use another")
        assert str(refused) == "timing: 'AT' is not allowed; use another"

    def test_opens_a_balance_in_each_currency(self) -> None:
        """With a scale of six, and an event."""
        step = self.opened(profile=BUYER)
        balances = step.state.books.balances
        assert [(one.unit, one.scale, one.posted) for one in balances.values()] == [
            ("TRY", 6, 0),
            ("USD", 6, 0),
        ]
        account = step.result
        assert account is step.state.account
        assert (account.opened_at, account.as_of, account.profile) == (START, START, BUYER)
        assert (account.next_due_at, account.events) == (None, 0)
        assert step.events == (
            AccountOpened(
                account="acme", at=START, zone="Europe/Istanbul", currencies=("TRY", "USD")
            ),
        )
        assert step.state.books.sequence == 0

    @pytest.mark.parametrize(
        ("change", "field"),
        [
            ({"zone": "Europe/Ankara"}, "zone"),
            ({"currencies": []}, "currencies"),
            ({"currencies": ["TRY", "TRY"]}, "currencies"),
            ({"currencies": ["try"]}, "currencies"),
            ({"currencies": "TRY"}, "currencies"),
        ],
    )
    def test_refuses_what_cannot_be(self, change: dict[str, Any], field: str) -> None:
        """A zone or a currency that does not exist, one twice, or none."""
        with pytest.raises(InvalidInput) as refused:
            self.opened(**change)
        assert refused.value.field == field


class TestChargingAndGranting:
    """The host's own debits and credits say what they are for."""

    def test_a_charge_is_an_entry(self) -> None:
        """With reason, reference and actor."""
        step = commands.charge(
            scene("10").state, lira("2.5"), reason="export", reference="e-1", actor="ada", now=START
        )
        (entry,) = step.entries
        assert entry is step.result
        assert (entry.kind, entry.money) == (EntryKind.CHARGE, lira("-2.5"))
        assert (entry.reason, entry.reference, entry.actor) == ("export", "e-1", "ada")

    def test_a_grant_is_a_lot_on_terms(self) -> None:
        """What is granted burns as its terms say."""
        terms = Terms(expires_at=instant("2026-11-01"), priority=1)
        step = commands.grant(
            scene("10").state, lira("5"), terms=terms, reason="spring", actor="ada", now=START
        )
        assert (step.result.kind, step.result.actor) == (EntryKind.GRANT, "ada")
        first = step.state.books.balance("TRY").lots[0]
        assert (first.number, first.priority, first.expires_at) == (2, 1, terms.expires_at)

    def test_a_grant_revives_what_is_past_due(self) -> None:
        """As a top-up does."""
        made = scene("1499")
        made.subscribe(START, "growth")
        made.run("2026-11-06")
        step = commands.grant(
            made.state, lira("1499"), terms=Terms(), reason="goodwill", now=instant("2026-11-06")
        )
        assert step.result.kind is EntryKind.GRANT
        assert [entry.kind for entry in step.entries] == [EntryKind.GRANT, EntryKind.PLAN_FEE]

    @pytest.mark.parametrize("reason", ["", "  ", None, 5])
    def test_want_a_reason(self, reason: str) -> None:
        """An entry that says nothing helps nobody."""
        state = scene("10").state
        with pytest.raises(InvalidInput) as refused:
            commands.charge(state, lira("1"), reason=reason, now=START)
        assert refused.value.field == "reason"
        with pytest.raises(InvalidInput) as refused:
            commands.grant(state, lira("1"), terms=Terms(), reason=reason, now=START)
        assert refused.value.field == "reason"


class TestSubscribing:
    """One subscription of each family."""

    def test_twice_in_a_family_is_no_move(self) -> None:
        """Change it instead; the other family is free."""
        made = scene("100000")
        made.subscribe(START, "growth")
        with pytest.raises(IllegalTransition, match="PLAN subscription 'plan' is ACTIVE"):
            made.subscribe(START, "enterprise")
        made.subscribe(START, "priority")
        assert set(made.state.subscriptions) == {"plan", "support"}

    def test_pays_in_the_account_s_first_currency(self) -> None:
        """Unless the command names another."""
        made = scene("100000", currencies=("USD", "TRY"))
        made.credit(START, dollars("100"))
        made.subscribe(START, "growth")
        assert made.of().price.amount == dollars("39")
        made.subscribe(START, "priority", currency="TRY")
        assert made.of(Family.SUPPORT).price.amount == lira("450")

    @pytest.mark.parametrize(
        ("product", "currency", "match"),
        [
            ("grwth", None, "product: 'grwth'"),
            ("growth", "EUR", "currency: 'EUR' is not a balance"),
        ],
    )
    def test_refuses_unknown_names(self, product: str, currency: str | None, match: str) -> None:
        """Before anything is decided."""
        with pytest.raises(UnknownName, match=match):
            scene("1").subscribe(START, product, currency=currency)


class TestScheduling:
    """A change for later is kept, replaced or taken back."""

    @pytest.fixture
    def made(self) -> Scene:
        made = scene("100000")
        made.subscribe(START, "growth")
        return made

    def test_is_kept_until_it_is_due(self, made: Scene) -> None:
        """Pending, with an event that says when."""
        change = made.plan("2026-10-10", "enterprise", YEAR)
        assert (change.state, change.requested_at) == (ScheduleState.PENDING, instant("2026-10-10"))
        assert made.events[-1] == ChangeScheduled(
            account="acme",
            at=instant("2026-10-10"),
            scheduled_change=change.id,
            subscription="plan",
            to="enterprise",
            interval="YEAR",
            due_at=instant("2026-11-05 06:00"),
        )
        assert made.state.schedule == {change.id: change}

    def test_keeps_the_interval_that_is_not_named(self, made: Scene) -> None:
        """Basic per month, as Growth was."""
        assert made.plan("2026-10-10", "basic").interval == MONTH

    def test_a_later_request_for_the_same_instant_replaces(self, made: Scene) -> None:
        """The first is superseded, with an event, and never done."""
        first = made.plan("2026-10-10", "basic")
        second = made.plan("2026-10-11", "enterprise")
        superseded = made.events[-2]
        assert superseded == ChangeSuperseded(
            account="acme",
            at=instant("2026-10-11"),
            scheduled_change=first.id,
            subscription="plan",
            rule=f"same instant: {second.id}",
        )
        made.run("2026-11-05 06:00")
        assert made.of().product == "enterprise"
        assert made.schedule[first.id].state is ScheduleState.SUPERSEDED

    def test_an_immediate_change_replaces_all_that_is_pending(self, made: Scene) -> None:
        """Both instants, with an event each."""
        for when in (None, "2026-10-25"):
            made.plan("2026-10-10", "basic", at=when)
        made.change("2026-10-11", "enterprise")
        assert {one.state for one in made.schedule.values()} == {ScheduleState.SUPERSEDED}
        assert made.happened()[-3:] == ["PlanChanged", "ChangeSuperseded", "ChangeSuperseded"]
        assert made.state.schedule == {}
        made.run("2026-12-01")
        assert made.of().product == "enterprise"

    def test_is_taken_back(self, made: Scene) -> None:
        """Once; the plan goes on as if nothing had been asked."""
        change = made.plan("2026-10-10", "basic")
        revoked = made.revoke("2026-10-11", change.id)
        assert (revoked.state, revoked.outcome) == (ScheduleState.CANCELED, "revoked")
        assert made.events[-1] == ChangeRevoked(
            account="acme",
            at=instant("2026-10-11"),
            scheduled_change=change.id,
            subscription="plan",
        )
        made.run("2026-11-06")
        assert made.of().product == "growth"
        with pytest.raises(UnknownName, match="list the scheduled changes"):
            made.revoke("2026-11-06", change.id)
        state = attrs.evolve(made.state, schedule=made.schedule)
        with pytest.raises(IllegalTransition, match="CANCELED and cannot revoke"):
            plan_commands.revoke_change(state, change.id, START)

    @pytest.mark.parametrize("at", ["2026-10-10", "2026-10-09"])
    def test_refuses_an_instant_that_is_not_ahead(self, made: Scene, at: str) -> None:
        """Now is not later."""
        with pytest.raises(InvalidInput, match="is not ahead"):
            made.plan("2026-10-10", "basic", at=at)

    def test_refuses_a_naive_instant(self, made: Scene) -> None:
        """Naming the field."""
        with pytest.raises(InvalidInput, match=r"at: .* has no time zone"):
            made.plan("2026-10-10", "basic", at=datetime(2026, 10, 20))  # noqa: DTZ001

    def test_refuses_what_the_rule_does_not_allow(self, made: Scene) -> None:
        """At once when asked, not when due."""
        rules = tuple(
            attrs.evolve(rule, allows=frozenset({ChangeTiming.IMMEDIATE})) for rule in CATALOG.rules
        )
        made.catalog = attrs.evolve(CATALOG, rules=rules)
        with pytest.raises(InvalidInput, match="is not allowed by the rule"):
            made.plan("2026-10-10", "enterprise")


class TestTopUps:
    """From the intent to the credit, on an account."""

    @staticmethod
    def start(state: AccountState, amount: Money) -> Step:
        return top_up_commands.start_top_up(
            state,
            top_up_id="top-1",
            amount=amount,
            gateway="sandbox",
            return_url="https://acme.example/",
            now=START,
        )

    @staticmethod
    def said(amount: Money, payment: str = "pay-1") -> Payment:
        return Payment(
            gateway="sandbox",
            top_up="top-1",
            payment=payment,
            status=PaymentStatus.PAID,
            amount=amount,
        )

    def test_the_first_checkout_stays(self) -> None:
        """A second one of the same top-up changes nothing."""
        step = self.start(scene().state, lira("100"))
        first = Checkout(
            top_up="top-1", gateway="sandbox", amount=lira("100"), redirect_url="https://a.example"
        )
        opened = top_up_commands.attach_checkout(step.state, first)
        again = top_up_commands.attach_checkout(
            opened.state, attrs.evolve(first, redirect_url="https://b.example")
        )
        assert again.state is opened.state
        top_up: TopUp = again.result
        assert (top_up.state, top_up.checkout) == (TopUpState.OPEN, first)

    def test_needs_a_balance_in_the_currency(self) -> None:
        """Before any gateway is called."""
        with pytest.raises(UnknownName, match="currency: 'EUR'"):
            self.start(scene().state, money("5", "EUR"))

    def test_a_payment_credits_and_revives(self) -> None:
        """The receipt names the entry and whom it revived."""
        made = scene("1499")
        made.subscribe(START, "growth")
        made.run("2026-11-06")
        state = self.start(made.state, lira("2000")).state
        step = top_up_commands.receive_payment(
            state, self.said(lira("2000")), instant("2026-11-06")
        )
        receipt: PaymentReceipt = step.result
        assert receipt.entry is step.entries[0]
        assert receipt.revived == ("plan",)
        assert not receipt.repeated
        assert [entry.money for entry in step.entries] == [lira("2000"), lira("-1499")]
        again = top_up_commands.receive_payment(step.state, self.said(lira("2000")), START)
        assert again.state is step.state
        assert again.result == PaymentReceipt(top_up=step.state.top_ups["top-1"], repeated=True)

    def test_a_payment_that_does_not_match_credits_nothing(self) -> None:
        """And revives nobody."""
        state = self.start(scene().state, lira("2000")).state
        step = top_up_commands.receive_payment(state, self.said(lira("1")), START)
        assert (step.result.entry, step.result.revived, step.entries) == (None, (), ())
        assert step.result.top_up.state is TopUpState.QUARANTINED

    def test_of_a_stranger_is_refused(self) -> None:
        """There is no such top-up."""
        with pytest.raises(UnknownName, match="top_up: 'top-1'"):
            top_up_commands.receive_payment(scene().state, self.said(lira("1")), START)


class TestUsage:
    """A batch is rated and each record is charged once."""

    @pytest.fixture
    def made(self) -> Scene:
        made = scene("1")
        made.credit(START, dollars("0.1474"))
        return made

    def test_charges_record_by_record(self, made: Scene) -> None:
        """Two cost something, one is free, one is known, one stands twice."""
        step = used(
            made,
            message("a"),
            message("b", "Germany"),
            message("a"),
            message("c", billable=False),
            message("d"),
            known=("d",),
        )
        report: UsageReport = step.result
        assert (report.charged, report.free, report.repeated) == (2, 1, 2)
        assert (report.amount, report.refused) == (dollars("0.1474"), ())
        assert [(one.reference, one.amount, one.reason, one.actor) for one in step.entries] == [
            ("a", -10_900, "whatsapp.message", "meter"),
            ("b", -136_500, "whatsapp.message", "meter"),
        ]
        assert {one.kind for one in step.entries} == {EntryKind.MESSAGE_FEE}
        assert [(one.record.id, one.units, one.card, one.entry) for one in step.usage] == [
            ("a", 10_900, "october", 3),
            ("b", 136_500, "october", 4),
            ("c", 0, "october", None),
        ]
        assert step.state.known_usage == {"a", "b", "c", "d"}
        assert step.events == (
            UsageCharged(
                account="acme",
                at=START,
                first_entry=3,
                last_entry=4,
                records=2,
                amount=dollars("0.1474"),
            ),
        )
        assert str(report) == "2 charged (0.1474 USD), 1 free, 2 repeated, 0 refused"

    def test_refuses_what_cannot_be_paid_and_forgets_it(self, made: Scene) -> None:
        """The small one after the big one is paid; the refused can be sent again."""
        step = used(made, message("a"), message("b", "Germany"), message("c", "Germany"))
        report: UsageReport = step.result
        ((identity, short),) = report.refused
        assert identity == "c"
        assert short.args[:5] == ("acme", "USD", "0.1365", "0", "0.1365")
        assert step.state.known_usage == {"a", "b"}
        assert [one.record.id for one in step.usage] == ["a", "b"]
        assert step.events[-1] == UsageRefused(
            account="acme", at=START, records=1, currency="USD", first_shortfall="0.1365"
        )
        middle = used(made, message("a"), message("b", "Germany"), message("d"))
        assert [one.record.id for one in middle.usage] == ["a", "b"]

    def test_a_record_without_a_rate_refuses_the_batch(self, made: Scene) -> None:
        """Nothing is charged, because the cards are wrong and not the balance."""
        with pytest.raises(InvalidInput):
            used(made, message("a"), message("b", "Atlantis"))

    def test_needs_a_balance_in_the_cards_currency(self) -> None:
        """Even when everything is free."""
        with pytest.raises(UnknownName, match="currency: 'USD'"):
            used(scene(currencies=("TRY",)), message("a"))

    def test_of_nothing_is_nothing(self, made: Scene) -> None:
        """No entry and no event."""
        step = used(made)
        assert (step.entries, step.events, step.usage) == ((), (), ())
        assert step.result == UsageReport(charged=0, free=0, repeated=0, amount=dollars("0"))

    def test_a_batch_is_its_records_one_by_one(self, made: Scene) -> None:
        """Entries and books come out the same, refusals among them."""
        records = [message("a"), message("b", "Germany"), message("c", "Germany"), message("a")]
        whole = used(made, *records)
        one_by_one = made.state
        entries: list[Entry] = []
        for record in records:
            step = usage_commands.record_usage(
                one_by_one, [record], CARDS, actor="meter", now=START
            )
            one_by_one = step.state
            entries += step.entries
        assert tuple(entries) == whole.entries
        assert one_by_one.books == whole.state.books
        assert one_by_one.known_usage == whole.state.known_usage


REFUSALS: dict[str, Callable[[Scene], object]] = {
    "debit": lambda made: made.debit(START, "1000000"),
    "subscribe": lambda made: made.subscribe(START, "dedicated", YEAR),
    "again": lambda made: made.subscribe(START, "basic"),
    "upgrade": lambda made: made.change(START, "enterprise"),
    "revoke": lambda made: made.revoke(START, "nothing"),
    "unknown": lambda made: made.plan(START, "grwth"),
}


class TestRefusals:
    """A refusal changes nothing."""

    @pytest.mark.parametrize("name", REFUSALS)
    def test_leave_the_state_as_it_was(self, name: str) -> None:
        """The very same values, and no entry or event more."""
        made = scene("1600")
        made.subscribe(START, "growth")
        before, entries, events = made.state, len(made.entries), len(made.events)
        with pytest.raises((Rejected, InvalidInput)):
            REFUSALS[name](made)
        assert made.state == before
        assert (len(made.entries), len(made.events)) == (entries, events)

    def test_say_how_much_is_missing(self) -> None:
        """In the currency asked for."""
        with pytest.raises(InsufficientFunds) as refused:
            scene("5").debit(START, dollars("1"))
        assert refused.value.unit == "USD"
