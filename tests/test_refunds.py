"""Refunds: set aside, asked for, given back; never more than was paid, to whom paid it."""

from collections.abc import Mapping

import attrs
import pytest
from hypothesis import given, strategies as st

from monochat_billing.adapters.sandbox import SandboxGateway, payment_id, sign_callback
from monochat_billing.balance import EntryKind
from monochat_billing.cancellations import CancelMode
from monochat_billing.errors import (
    GatewayError,
    IdempotencyConflict,
    IllegalTransition,
    InsufficientFunds,
    InvalidInput,
    Rejected,
    UnknownName,
)
from monochat_billing.gateways import (
    NOBODY,
    Buyer,
    CallbackAnswer,
    Checkout,
    GatewayCapabilities,
    PaymentReference,
    Refund,
    RefundStatus,
)
from monochat_billing.lots import ChargeKind, LotOrigin
from monochat_billing.money import Money, from_units, money, to_units
from monochat_billing.payments import Payment, PaymentStatus, TopUp, TopUpState
from monochat_billing.periods import MONTH
from monochat_billing.plans import sample_catalog
from monochat_billing.refills import RefillRule
from monochat_billing.service import Billing
from monochat_billing.top_up_policies import (
    BonusSlab,
    ChargebackPolicy,
    RefundPolicy,
    TopUpPolicy,
)
from monochat_billing.top_ups import DisputeState, RefundState, Resolution
from tests.desk import PROFILE, SECRET, Clock, Desk
from tests.effort import one_in
from tests.scene import lira

BONUS = TopUpPolicy(
    bonuses=[
        BonusSlab(at_least=money("1000", "TRY"), percent=10, days=90),
        BonusSlab(at_least=money("5000", "TRY"), amount=money("750", "TRY")),
    ]
)


def with_policy(desk: Desk, policy: TopUpPolicy) -> Desk:
    """Give a desk on the same storage whose service has a policy for top-ups."""
    billing = Billing(
        catalog=sample_catalog(),
        storage=desk.storage,
        gateways=[SandboxGateway(SECRET, page_url="http://127.0.0.1:9")],
        clock=desk.clock,
        top_up_policy=policy,
    )
    return attrs.evolve(desk, billing=billing)


def available(desk: Desk, kind: ChargeKind | None = None) -> Money:
    """Give what can be spent in lira."""
    state = desk.billing._context.view("acme").state
    balance = state.books.balance("TRY")
    return balance.money(balance.available(kind, desk.clock.now))


def spend(desk: Desk, amount: str, key: str = "spent") -> None:
    desk.billing.balances.debit("acme", lira(amount), reason="export", key=key)


def tell(
    desk: Desk,
    top_up: str,
    status: PaymentStatus,
    amount: str | None = None,
    *,
    payment: str | None = None,
    dispute: str = "",
) -> object:
    """Send a signed callback of any status."""
    said = Payment(
        gateway="sandbox",
        top_up=top_up,
        payment=payment or payment_id(top_up),
        status=status,
        amount=None if amount is None else lira(amount),
        dispute=dispute,
    )
    return desk.billing.top_ups.receive("sandbox", *sign_callback(SECRET, said))


@attrs.define
class Moody:
    """Be a sandbox whose refunds answer what the test says, and count the questions."""

    inner: SandboxGateway = attrs.field(
        factory=lambda: SandboxGateway(SECRET, page_url="http://127.0.0.1:9")
    )
    answers: list[RefundStatus | Exception] = attrs.field(factory=list)
    keys: list[str] = attrs.field(factory=list)

    @property
    def name(self) -> str:
        return self.inner.name

    @property
    def capabilities(self) -> GatewayCapabilities:
        return self.inner.capabilities

    def create(self, top_up: TopUp, buyer: Buyer = NOBODY) -> Checkout:
        return self.inner.create(top_up, buyer)

    def retrieve(self, reference: PaymentReference) -> Payment:
        return self.inner.retrieve(reference)

    def parse_callback(self, headers: Mapping[str, str], body: bytes) -> Payment:
        return self.inner.parse_callback(headers, body)

    def answer(self, payment: Payment) -> CallbackAnswer:
        return self.inner.answer(payment)

    def cancel(self, reference: PaymentReference) -> Payment:
        return self.inner.cancel(reference)

    def refunded(self, reference: PaymentReference, currency: str) -> Money:
        return self.inner.refunded(reference, currency)

    def refund(self, reference: PaymentReference, amount: Money, *, key: str) -> Refund:
        del reference
        self.keys.append(key)
        answer = self.answers.pop(0) if self.answers else RefundStatus.DONE
        if isinstance(answer, Exception):
            raise answer
        return Refund(gateway="sandbox", refund=f"re-{key}", amount=amount, status=answer)


def moody(desk: Desk, *answers: RefundStatus | Exception) -> tuple[Desk, Moody]:
    gateway = Moody(answers=list(answers))
    billing = Billing(
        catalog=sample_catalog(), storage=desk.storage, gateways=[gateway], clock=desk.clock
    )
    return attrs.evolve(desk, billing=billing), gateway


class TestRefunding:
    """Through the service, on every storage."""

    def test_gives_back_part_and_then_the_rest(self, desk: Desk) -> None:
        """Each refund is an entry that corrects the credit; the top-up says how far it is."""
        top_up = desk.top_up("250").top_up.id
        first = desk.billing.top_ups.refund(
            "acme", top_up, lira("100"), key="r-1", reason="unused", actor="ayse"
        )
        assert first.entry is not None
        assert (first.entry.kind, first.entry.money) == (EntryKind.REFUND, lira("-100"))
        assert (first.entry.corrects, first.entry.reference) == (1, top_up)
        assert (first.entry.reason, first.entry.actor) == ("unused", "ayse")
        assert (first.refund.state, first.in_doubt) == (RefundState.DONE, False)
        assert desk.billing.top_ups.get("acme", top_up).state is TopUpState.PARTLY_REFUNDED
        rest = desk.billing.top_ups.refund("acme", top_up, key="r-2")
        assert rest.refund.amount == lira("150")
        known = desk.billing.top_ups.get("acme", top_up)
        assert (known.state, known.given_back) == (TopUpState.REFUNDED, lira("250"))
        assert available(desk) == lira("0")
        assert desk.event_names()[-4:] == [
            "RefundRequested",
            "TopUpRefunded",
            "RefundRequested",
            "TopUpRefunded",
        ]
        assert desk.billing.verify().sound

    def test_the_same_key_gives_back_once(self, desk: Desk) -> None:
        """And another content under it is a conflict."""
        top_up = desk.top_up("250").top_up.id
        first = desk.billing.top_ups.refund("acme", top_up, lira("100"), key="r")
        again = desk.billing.top_ups.refund("acme", top_up, lira("100"), key="r")
        assert again.refund == first.refund
        with pytest.raises(IdempotencyConflict):
            desk.billing.top_ups.refund("acme", top_up, lira("99"), key="r")
        assert available(desk) == lira("150")

    def test_goes_to_its_own_top_up_only(self, desk: Desk) -> None:
        """What another top-up paid in is not given back with it."""
        old = desk.top_up("100", key="old").top_up.id
        desk.top_up("500", key="new")
        spend(desk, "60")
        with pytest.raises(InsufficientFunds, match="refund at most 40"):
            desk.billing.top_ups.refund("acme", old, lira("100"), key="r")
        assert desk.billing.top_ups.refund("acme", old, key="r-2").refund.amount == lira("40")
        assert available(desk) == lira("500")

    def test_goes_back_in_whole_minor_units(self, desk: Desk) -> None:
        """Half a kurus was spent: the other half of it stays."""
        top_up = desk.top_up("10").top_up.id
        spend(desk, "0.005")
        receipt = desk.billing.top_ups.refund("acme", top_up, key="back")
        assert (receipt.refund.amount, available(desk)) == (lira("9.99"), lira("0.005"))

    def test_what_a_hold_has_pinned_stays(self, desk: Desk) -> None:
        """It is promised to somebody else."""
        top_up = desk.top_up("100").top_up.id
        hold = desk.billing.holds.place("acme", lira("30"), reason="campaign", key="h")
        assert desk.billing.top_ups.refund("acme", top_up, key="r").refund.amount == lira("70")
        desk.billing.holds.release("acme", hold.id, key="free")
        assert desk.billing.top_ups.refund("acme", top_up, key="r-2").refund.amount == lira("30")
        assert desk.billing.verify().sound

    def test_policy_may_say_debt(self, desk: Desk) -> None:
        """Then what was spent is owed, and nothing can be spent until it is covered."""
        top_up = desk.top_up("100").top_up.id
        spend(desk, "70")
        desk.billing.top_ups.refund("acme", top_up, lira("100"), key="r", policy=RefundPolicy.DEBT)
        assert available(desk) == lira("-70")
        with pytest.raises(InsufficientFunds):
            spend(desk, "1", key="more")
        assert "BalanceOverdrawn" in desk.event_names()
        desk.top_up("80", key="next")
        assert available(desk) == lira("10")
        assert desk.billing.verify().sound

    @pytest.mark.parametrize(
        ("amount", "error"),
        [
            (lira("0"), InvalidInput),
            (lira("-5"), InvalidInput),
            (lira("0.001"), InvalidInput),
            (money("10", "USD"), InvalidInput),
            (lira("100.01"), InsufficientFunds),
        ],
        ids=["nothing", "negative", "half a kuruş", "another currency", "more than was paid"],
    )
    def test_refuses_what_cannot_go_back(
        self, desk: Desk, amount: Money, error: type[Exception]
    ) -> None:
        """Nothing is set aside."""
        top_up = desk.top_up("100").top_up.id
        before = desk.snapshot()
        with pytest.raises(error):
            desk.billing.top_ups.refund("acme", top_up, amount, key="r")
        assert desk.snapshot() == before

    def test_an_unpaid_top_up_has_nothing_to_give_back(self, desk: Desk) -> None:
        """And one that does not exist is named."""
        with pytest.raises(IllegalTransition, match="is OPEN and cannot be refunded"):
            desk.billing.top_ups.refund("acme", desk.start(lira("100")), key="r")
        with pytest.raises(UnknownName):
            desk.billing.top_ups.refund("acme", "nowhere", key="r")

    def test_a_pending_refund_keeps_its_money_until_it_is_settled(self, desk: Desk) -> None:
        """A person says what became of it, once."""
        desk, _ = moody(desk, RefundStatus.PENDING)
        top_up = desk.top_up("100").top_up.id
        receipt = desk.billing.top_ups.refund("acme", top_up, lira("40"), key="r")
        assert (receipt.refund.state, receipt.entry) == (RefundState.PENDING, None)
        assert desk.billing.top_ups.get("acme", top_up).state is TopUpState.REFUNDING
        assert available(desk) == lira("60")
        (hold,) = desk.billing._context.view("acme").state.holds.values()
        with pytest.raises(InvalidInput, match="it goes with the refund that placed it"):
            desk.billing.holds.release("acme", hold.id, key="free")
        done = desk.billing.top_ups.settle_refund(
            "acme", top_up, receipt.refund.id, done=True, key="by hand"
        )
        assert done.entry is not None
        later = desk.billing.top_ups.settle_refund(
            "acme", top_up, receipt.refund.id, done=False, key="too late"
        )
        assert later.refund.state is RefundState.DONE
        assert available(desk) == lira("60")
        assert desk.billing.verify().sound

    def test_a_lost_answer_is_settled_by_the_sweep(self, desk: Desk) -> None:
        """The provider is asked under the same key, so it is one refund."""
        desk, gateway = moody(desk, GatewayError("sandbox", "refund", "no answer"))
        top_up = desk.top_up("100").top_up.id
        with pytest.raises(GatewayError):
            desk.billing.top_ups.refund("acme", top_up, key="r")
        assert available(desk) == lira("0")
        found = desk.billing.top_ups.reconcile("sandbox")
        assert (found.looked_at, found.refunded, found.refunding) == (1, 1, 0)
        assert len(set(gateway.keys)) == 1
        assert len(gateway.keys) == 2
        assert desk.billing.top_ups.reconcile("sandbox").looked_at == 0

    def test_what_the_gateway_can_never_do_frees_the_money(self, desk: Desk) -> None:
        """The mistake is told, and nothing stays aside."""
        desk, _ = moody(desk, InvalidInput("amount", "1", "is too small", "ask for more"))
        top_up = desk.top_up("100").top_up.id
        with pytest.raises(InvalidInput, match="too small"):
            desk.billing.top_ups.refund("acme", top_up, lira("1"), key="r")
        assert available(desk) == lira("100")
        assert desk.billing.top_ups.get("acme", top_up).state is TopUpState.CREDITED

    def test_a_refund_survives_a_reopened_storage(self, desk: Desk) -> None:
        """Everything of it is stored."""
        top_up = desk.top_up("100").top_up.id
        receipt = desk.billing.top_ups.refund("acme", top_up, lira("40"), key="r")
        known = desk.reopen().billing.top_ups.get("acme", top_up)
        assert known.refunds == (receipt.refund,)
        assert known == receipt.top_up


class TestBonus:
    """A bonus is a promotional lot of its own; it goes when its top-up goes."""

    @pytest.mark.parametrize(
        ("paid", "bonus"),
        [("999.99", "0"), ("1000", "100"), ("1000.05", "100.01"), ("4999.99", "500"),
         ("5000", "750"), ("10000", "750")],
    )  # fmt: skip
    def test_the_highest_slab_that_is_reached_counts(
        self, desk: Desk, paid: str, bonus: str
    ) -> None:
        """By percentage or fixed, rounded half-up to kuruş."""
        rich = with_policy(desk, BONUS)
        receipt = rich.top_up(paid)
        granted = [one.money for one in receipt.entries if one.kind is EntryKind.GRANT]
        assert granted == ([] if bonus == "0" else [lira(bonus)])
        assert desk.billing.verify().sound

    def test_what_was_promised_at_the_start_is_given(self, desk: Desk) -> None:
        """Whatever the policy says by the time of the payment."""
        rich = with_policy(desk, BONUS)
        top_up = rich.start(lira("1000"))
        receipt = desk.pay(top_up, lira("1000"))
        assert [one.money for one in receipt.entries] == [lira("1000"), lira("100")]

    def test_it_expires(self, desk: Desk) -> None:
        """Ninety days after the credit, and not the paid money."""
        rich = with_policy(desk, BONUS)
        rich.top_up("1000")
        assert available(rich) == lira("1100")
        desk.clock.advance(days=90)
        desk.billing.run_due()
        assert available(rich) == lira("1000")

    def test_a_refund_voids_what_is_unspent_of_it(self, desk: Desk) -> None:
        """It is out of reach while the refund is under way, and gone when it is done."""
        rich = with_policy(desk, BONUS)
        top_up = rich.top_up("1000").top_up.id
        spend(rich, "30")  # the bonus burns first: it expires
        receipt = rich.billing.top_ups.refund("acme", top_up, lira("400"), key="r")
        assert receipt.refund.amount == lira("400")
        assert available(rich) == lira("600")
        assert rich.event_names()[-1] == "LotVoided"
        assert rich.billing.verify().sound

    def test_a_refused_refund_gives_it_back(self, desk: Desk) -> None:
        """Nothing has changed."""
        rich = with_policy(desk, BONUS)
        top_up = rich.top_up("1000").top_up.id
        poor, _ = moody(desk, RefundStatus.FAILED)
        receipt = poor.billing.top_ups.refund("acme", top_up, key="r")
        assert receipt.refund.state is RefundState.FAILED
        assert available(rich) == lira("1100")
        assert rich.billing.verify().sound

    def test_nobody_spends_a_bonus_while_its_top_up_goes(self, desk: Desk) -> None:
        """A pending refund holds it."""
        rich = with_policy(desk, BONUS)
        top_up = rich.top_up("1000").top_up.id
        slow, _ = moody(desk, RefundStatus.PENDING)
        slow.billing.top_ups.refund("acme", top_up, key="r")
        assert available(rich) == lira("0")


class TestDisputes:
    """Told in any order, the furthest word stands; the money follows policy."""

    @pytest.mark.parametrize(
        "order",
        [
            ("DISPUTED", "DISPUTE_LOST", "DISPUTE_WON"),
            ("DISPUTE_WON", "DISPUTED", "DISPUTE_LOST"),
            ("DISPUTE_LOST", "DISPUTED", "DISPUTE_WON", "DISPUTE_LOST"),
        ],
    )
    @pytest.mark.parametrize("policy", ChargebackPolicy)
    def test_every_order_ends_the_same(
        self, desk: Desk, order: tuple[str, ...], policy: ChargebackPolicy
    ) -> None:
        """With all the money back, and sound books."""
        rich = with_policy(desk, TopUpPolicy(chargebacks=policy))
        top_up = rich.top_up("250").top_up.id
        spend(rich, "200")
        for word in [*order, *order]:
            tell(rich, top_up, PaymentStatus(word), "250", dispute="d-1")
        known = rich.billing.top_ups.get("acme", top_up)
        assert known.state is TopUpState.CREDITED
        assert [one.state for one in known.disputes] == [DisputeState.WON]
        assert available(rich) == lira("50")
        assert rich.billing.verify().sound

    def test_takes_at_once_by_default(self, desk: Desk) -> None:
        """First its own money, then other money, then the balance goes below zero."""
        top_up = desk.top_up("250").top_up.id
        spend(desk, "200")
        desk.top_up("30", key="other")
        tell(desk, top_up, PaymentStatus.DISPUTED, "250", dispute="d-1")
        (dispute,) = desk.billing.top_ups.get("acme", top_up).disputes
        entries = desk.storage.read(lambda reader: reader.entries("acme", limit=100))
        taken = entries[-1]
        assert (taken.number, taken.kind, taken.money) == (
            dispute.entry,
            EntryKind.CHARGEBACK,
            lira("-250"),
        )
        assert taken.on_credit == to_units(lira("170"))
        assert available(desk) == lira("-170")
        with pytest.raises(InsufficientFunds):
            spend(desk, "1", key="more")

    def test_the_account_may_use_nothing_until_it_is_covered(self, desk: Desk) -> None:
        """And the Billing page says so, with a runway that has ended."""
        top_up = desk.top_up("5000").top_up.id
        desk.billing.subscriptions.subscribe("acme", "growth", MONTH, key="signup")
        assert desk.billing.may_use("acme", "monochat.message")
        tell(desk, top_up, PaymentStatus.DISPUTED, "5000", dispute="d-1")
        refused = desk.billing.may_use("acme", "monochat.message")
        assert not refused
        assert "1,499.00 TRY below what is allowed" in str(refused)
        assert "-1,499.00" in str(desk.billing.overview("acme"))
        tell(desk, top_up, PaymentStatus.DISPUTE_WON, "5000", dispute="d-1")
        assert desk.billing.may_use("acme", "monochat.message")

    def test_may_wait_until_it_is_lost(self, desk: Desk) -> None:
        """Then nothing moves while it is open."""
        patient = with_policy(desk, TopUpPolicy(chargebacks=ChargebackPolicy.WHEN_LOST))
        top_up = patient.top_up("250").top_up.id
        tell(patient, top_up, PaymentStatus.DISPUTED, "250", dispute="d-1")
        assert available(patient) == lira("250")
        tell(patient, top_up, PaymentStatus.DISPUTE_LOST, "250", dispute="d-1")
        assert available(patient) == lira("0")
        assert patient.billing.top_ups.get("acme", top_up).state is TopUpState.CHARGED_BACK

    def test_the_bonus_waits_for_the_outcome(self, desk: Desk) -> None:
        """Set aside, then voided or free again."""
        rich = with_policy(desk, BONUS)
        lost = rich.top_up("1000", key="a").top_up.id
        won = rich.top_up("1000", key="b").top_up.id
        for top_up in (lost, won):
            tell(rich, top_up, PaymentStatus.DISPUTED, "1000", dispute=f"d-{top_up}")
        assert available(rich) == lira("0")
        tell(rich, lost, PaymentStatus.DISPUTE_LOST, "1000", dispute=f"d-{lost}")
        tell(rich, won, PaymentStatus.DISPUTE_WON, "1000", dispute=f"d-{won}")
        assert available(rich) == lira("1100")
        assert rich.billing.verify().sound

    def test_never_takes_what_has_gone_back_already(self, desk: Desk) -> None:
        """A refund and a dispute of the same money take it once."""
        top_up = desk.top_up("250").top_up.id
        desk.billing.top_ups.refund("acme", top_up, lira("100"), key="r")
        tell(desk, top_up, PaymentStatus.DISPUTED, "250", dispute="d-1")
        assert available(desk) == lira("0")
        tell(desk, top_up, PaymentStatus.DISPUTE_WON, "250", dispute="d-1")
        assert desk.billing.top_ups.get("acme", top_up).state is TopUpState.PARTLY_REFUNDED
        assert available(desk) == lira("150")

    def test_one_about_money_that_never_came_is_noted(self, desk: Desk) -> None:
        """An event, and nothing else."""
        top_up = desk.start(lira("100"))
        tell(desk, top_up, PaymentStatus.DISPUTED, "100", dispute="d-1")
        assert desk.event_names()[-1] == "CallbackNotUnderstood"
        assert desk.billing.top_ups.get("acme", top_up).state is TopUpState.OPEN

    def test_leaves_what_a_hold_has_pinned(self, desk: Desk) -> None:
        """60 of the 100 are free and go; 40 are owed, and the hold can still be captured."""
        top_up = desk.top_up("100").top_up.id
        held = desk.billing.holds.place("acme", lira("40"), reason="campaign", key="hold")
        tell(desk, top_up, PaymentStatus.DISPUTED, "100", dispute="d-1")
        balance = desk.billing.balances.list("acme")["TRY"]
        assert [(lot.remaining, lot.pinned) for lot in balance.lots] == [(40 * 10**6,) * 2]
        assert balance.text(balance.owed) == "40"
        desk.billing.holds.capture("acme", held.id, key="capture")
        assert desk.billing.verify().sound

    def test_a_closed_balance_is_left_alone(self, desk: Desk) -> None:
        """It takes nothing; the dispute is recorded, for a person to see."""
        top_up = desk.top_up("100").top_up.id
        spend(desk, "100")
        desk.billing.balances.close("acme", "TRY", reason="leaves", key="close")
        tell(desk, top_up, PaymentStatus.DISPUTED, "100", dispute="d-1")
        known = desk.billing.top_ups.get("acme", top_up)
        assert (known.state, known.disputes[0].entry) == (TopUpState.DISPUTED, None)
        assert desk.billing.verify().sound

    def test_a_person_can_report_one(self, desk: Desk) -> None:
        """Where the provider tells of it by mail only."""
        top_up = desk.top_up("100").top_up.id
        said = Payment(
            gateway="sandbox",
            top_up=top_up,
            payment=payment_id(top_up),
            status=PaymentStatus.DISPUTED,
            dispute="letter of 5 October",
            actor="ayse",
        )
        assert desk.billing.top_ups.report("acme", said).top_up.state is TopUpState.DISPUTED
        assert desk.billing.top_ups.report("acme", said).repeated
        assert available(desk) == lira("0")


class TestGivenBackAtTheProvider:
    """Somebody pressed a button in the provider's panel."""

    def test_takes_what_is_above_all_that_is_known(self, desk: Desk) -> None:
        """Totals, so any order and repetition ends the same."""
        top_up = desk.top_up("250").top_up.id
        desk.billing.top_ups.refund("acme", top_up, lira("100"), key="r")
        for total in ("100", "150", "120", "250", "250", "9999"):
            tell(desk, top_up, PaymentStatus.REFUNDED, total)
        known = desk.billing.top_ups.get("acme", top_up)
        assert (known.state, known.given_back) == (TopUpState.REFUNDED, lira("250"))
        assert [one.outside for one in known.refunds] == [False, True, True]
        assert available(desk) == lira("0")
        assert desk.billing.verify().sound

    def test_settles_the_refund_that_is_under_way(self, desk: Desk) -> None:
        """The callback overtakes the answer."""
        desk, _ = moody(desk, GatewayError("sandbox", "refund", "no answer"))
        top_up = desk.top_up("250").top_up.id
        with pytest.raises(GatewayError):
            desk.billing.top_ups.refund("acme", top_up, lira("100"), key="r")
        tell(desk, top_up, PaymentStatus.REFUNDED, "100")
        known = desk.billing.top_ups.get("acme", top_up)
        assert [one.state for one in known.refunds] == [RefundState.DONE]
        assert available(desk) == lira("150")
        again = desk.billing.top_ups.refund("acme", top_up, lira("100"), key="r")
        assert again.refund.state is RefundState.DONE
        assert available(desk) == lira("150")


class TestDue:
    """What a canceled subscription owes its payer is set aside, and goes before all else."""

    def owing(self, desk: Desk, left: str = "501") -> str:
        """Pay 2,000 in, and cancel what cost 1,499 of it on the same day, with a refund."""
        top_up = desk.top_up("2000").top_up.id
        desk.billing.subscriptions.subscribe("acme", "growth", MONTH, key="signup")
        desk.billing.subscriptions.cancel("acme", "growth", mode=CancelMode.REFUND, key="end")
        assert available(desk) == lira(left)
        return top_up

    @pytest.mark.parametrize("word", [PaymentStatus.DISPUTED, PaymentStatus.REFUNDED])
    def test_is_taken_first_by_what_the_provider_takes(
        self, desk: Desk, word: PaymentStatus
    ) -> None:
        """All of the top-up is gone: nothing is held for it any more, and nothing is owed."""
        top_up = self.owing(desk)
        desk.top_up("30", key="other")
        tell(desk, top_up, word, "2000", dispute="d-1" if word is PaymentStatus.DISPUTED else "")
        (balance,) = (one for one in desk.billing.overview("acme").balances if one.unit == "TRY")
        assert (balance.posted, balance.held, balance.owed) == (lira("30"), lira("0"), lira("0"))
        assert desk.billing.overview("acme").holds == ()
        assert desk.billing.verify().sound

    def test_stays_as_far_as_less_is_taken(self, desk: Desk) -> None:
        """500 of the 1,499 went back at the provider: 999 are still due."""
        top_up = self.owing(desk)
        tell(desk, top_up, PaymentStatus.REFUNDED, "500")
        (hold,) = desk.billing.overview("acme").holds
        assert (hold.left_value, available(desk)) == (lira("999"), lira("501"))
        assert desk.billing.verify().sound

    def test_leaves_the_bonus_of_its_top_up_alone(self, desk: Desk) -> None:
        """200 of the 1,499 were a bonus of the same source: 1,299 were paid, and are due."""
        rich = with_policy(desk, BONUS)
        self.owing(rich, "901")
        pinned = {
            lot.origin: lot.pinned // 10**6
            for lot in rich.billing.balances.list("acme")["TRY"].lots
        }
        assert pinned == {LotOrigin.PAID: 1299, LotOrigin.PROMOTIONAL: 0}

    def test_of_two_subscriptions_the_older_goes_first(self, desk: Desk) -> None:
        """1,499 and 450 of one top-up are due; 1,600 went back, so 349 still are."""
        top_up = desk.top_up("2000").top_up.id
        for product in ("growth", "priority"):
            desk.billing.subscriptions.subscribe("acme", product, MONTH, key=product)
        for product in ("growth", "priority"):
            desk.billing.subscriptions.cancel(
                "acme", product, mode=CancelMode.REFUND, key=f"end-{product}"
            )
            desk.clock.advance(seconds=1)
        desk.billing.top_ups.refund("acme", top_up, lira("1600"), key="back")
        (hold,) = desk.billing.overview("acme").holds
        assert (hold.left_value, available(desk)) == (lira("349"), lira("51"))
        assert "priority" in hold.reason, "the younger: either order leaves 349 of one of them"
        assert desk.billing.verify().sound

    def test_is_free_again_when_its_refund_fails(self, desk: Desk) -> None:
        """As with any refund: a person has a look."""
        top_up = self.owing(desk)
        failing, _ = moody(desk, RefundStatus.FAILED)
        failing.billing.top_ups.refund("acme", top_up, lira("1499"), key="back")
        assert (available(desk), desk.billing.overview("acme").holds) == (lira("2000"), ())

    def test_is_not_extended(self, desk: Desk) -> None:
        """It may be released or captured, and no more is due than was paid."""
        self.owing(desk)
        (hold,) = desk.billing.overview("acme").holds
        with pytest.raises(InvalidInput, match="is held for a REFUND"):
            desk.billing.holds.extend("acme", hold.id, more=lira("1"), key="more")


class TestListing:
    """An account's top-ups, the newest first."""

    def test_in_pages_and_by_state(self, desk: Desk) -> None:
        """Three were started, two at one instant, and one of them was paid."""
        ids = [desk.start(lira(amount), key=amount) for amount in ("10", "20")]
        desk.clock.advance(days=1)
        ids.append(desk.start(lira("30"), key="30"))
        desk.pay(ids[0], lira("10"))
        listed = desk.billing.top_ups.list
        whole = [one.id for one in listed("acme")]
        assert whole == [ids[2], *sorted(ids[:2], reverse=True)]
        (first,) = listed("acme", limit=1)
        rest = listed("acme", before=first.id, limit=5)
        assert [first.id, *(one.id for one in rest)] == whole
        assert [one.id for one in listed("acme", state=TopUpState.CREDITED)] == [ids[0]]
        assert listed("acme", state=TopUpState.CREDITED, before=whole[-1]) == ()

    def test_names_what_is_not_there(self, desk: Desk) -> None:
        """An account, a state and a top-up to go on from."""
        listed = desk.billing.top_ups.list
        with pytest.raises(UnknownName, match="account"):
            listed("nobody")
        with pytest.raises(UnknownName, match="top_up"):
            listed("acme", before="nothing")
        with pytest.raises(InvalidInput, match="state"):
            listed("acme", state="GONE")  # type: ignore[arg-type]


class TestQuarantine:
    """A payment that does not fit waits for a person, who gives a reason."""

    def aside(self, desk: Desk, paid: str = "90") -> str:
        top_up = desk.start(lira("100"))
        tell(desk, top_up, PaymentStatus.PAID, paid, payment="p-1")
        assert desk.billing.top_ups.get("acme", top_up).state is TopUpState.QUARANTINED
        return top_up

    def test_credit_credits_what_was_paid(self, desk: Desk) -> None:
        """And the top-up can then be refunded for that, no more."""
        top_up = self.aside(desk)
        desk.billing.top_ups.resolve(
            "acme", top_up, "p-1", Resolution.CREDIT, reason="bank fee", key="q", actor="ayse"
        )
        known = desk.billing.top_ups.get("acme", top_up)
        assert (known.state, known.value) == (TopUpState.CREDITED, lira("90"))
        assert available(desk) == lira("90")
        assert known.quarantine[0].because == "bank fee"
        tell(desk, top_up, PaymentStatus.PAID, "90", payment="p-1")
        assert available(desk) == lira("90")
        assert desk.billing.top_ups.refund("acme", top_up, key="r").refund.amount == lira("90")

    def test_refund_gives_it_back_without_touching_the_balance(self, desk: Desk) -> None:
        """It was never credited."""
        top_up = self.aside(desk)
        receipt = desk.billing.top_ups.resolve(
            "acme", top_up, "p-1", Resolution.REFUND, reason="too little", key="q"
        )
        known = desk.billing.top_ups.get("acme", top_up)
        assert known.state is TopUpState.REFUNDED
        assert known.quarantine[0].resolution is Resolution.REFUND
        assert receipt.entry is None
        assert available(desk) == lira("0")
        assert desk.event_names()[-2:] == ["TopUpRefunded", "QuarantineResolved"]

    def test_dismiss_gives_up_and_a_real_payment_still_credits(self, desk: Desk) -> None:
        """The dismissed one does not."""
        top_up = self.aside(desk)
        desk.billing.top_ups.resolve(
            "acme", top_up, "p-1", Resolution.DISMISS, reason="a test", key="q"
        )
        assert desk.billing.top_ups.get("acme", top_up).state is TopUpState.EXPIRED
        tell(desk, top_up, PaymentStatus.PAID, "90", payment="p-1")
        assert available(desk) == lira("0")
        desk.pay(top_up, lira("100"), payment="p-2")
        assert available(desk) == lira("100")

    def test_a_second_payment_can_be_credited_on_its_own(self, desk: Desk) -> None:
        """The top-up stays what it is."""
        top_up = desk.top_up("100").top_up.id
        tell(desk, top_up, PaymentStatus.PAID, "100", payment="p-2")
        desk.billing.top_ups.resolve(
            "acme", top_up, "p-2", Resolution.CREDIT, reason="paid twice, keeps it", key="q"
        )
        assert available(desk) == lira("200")
        assert desk.billing.top_ups.get("acme", top_up).state is TopUpState.CREDITED

    def test_or_given_back(self, desk: Desk) -> None:
        """To where it came from, and the first one stays credited."""
        top_up = desk.top_up("100").top_up.id
        tell(desk, top_up, PaymentStatus.PAID, "100", payment="p-2")
        desk.billing.top_ups.resolve(
            "acme", top_up, "p-2", Resolution.REFUND, reason="paid twice", key="q"
        )
        known = desk.billing.top_ups.get("acme", top_up)
        assert (known.state, known.given_back) == (TopUpState.CREDITED, lira("0"))
        assert available(desk) == lira("100")

    def test_is_decided_once_and_with_a_reason(self, desk: Desk) -> None:
        """Of a payment that is there."""
        top_up = self.aside(desk)
        resolve = desk.billing.top_ups.resolve
        with pytest.raises(InvalidInput, match="reason"):
            resolve("acme", top_up, "p-1", Resolution.DISMISS, reason=" ", key="q")
        with pytest.raises(UnknownName, match="no quarantined payment"):
            resolve("acme", top_up, "p-9", Resolution.DISMISS, reason="x", key="q-2")
        resolve("acme", top_up, "p-1", Resolution.DISMISS, reason="x", key="q-3")
        with pytest.raises(IllegalTransition, match="DISMISS"):
            resolve("acme", top_up, "p-1", Resolution.CREDIT, reason="x", key="q-4")


class TestLimits:
    """What may be topped up is data."""

    def test_the_service_refuses_before_anything_is_stored(self, desk: Desk) -> None:
        """No top-up, no checkout."""
        from monochat_billing.top_up_policies import TopUpLimits

        strict = with_policy(
            desk, TopUpPolicy(limits=[TopUpLimits(minimum=lira("100"), step=lira("50"))])
        )
        for amount in ("99.99", "120"):
            with pytest.raises(InvalidInput):
                strict.start(lira(amount))
        assert desk.billing.top_ups.reconcile("sandbox").looked_at == 0
        strict.start(lira("150"))


RULE = RefillRule(threshold=money("100", "TRY"), amount=money("250", "TRY"))


def automate(desk: Desk, rule: RefillRule = RULE, **change: object) -> None:
    fields: dict[str, object] = {
        "name": "card",
        "gateway": "sandbox",
        "return_url": "https://acme.example/billing",
        "key": "auto",
    }
    desk.billing.top_ups.automate("acme", rule, **(fields | change))  # type: ignore[arg-type]


def asked(desk: Desk) -> list[str]:
    """Give the top-ups that were asked for, in their order."""
    events = [one.event for one in desk.billing.events("acme", limit=1000)]
    return [one.top_up for one in events if type(one).__name__ == "TopUpRequested"]  # type: ignore[attr-defined]


class TestAutomaticTopUps:
    """A balance that falls asks once per crossing; the host pays."""

    def test_asks_when_a_debit_crosses_the_threshold(self, desk: Desk) -> None:
        """An event and a stored top-up, which the host pays and settles."""
        desk.top_up("200")
        automate(desk)
        spend(desk, "99", key="a")
        assert asked(desk) == []
        spend(desk, "1", key="b")
        (top_up,) = asked(desk)
        known = desk.billing.top_ups.get("acme", top_up)
        assert (known.state, known.amount, known.automatic) == (
            TopUpState.CREATED,
            lira("250"),
            "card",
        )
        spend(desk, "1", key="c")
        assert asked(desk) == [top_up]
        said = Payment(
            gateway="sandbox",
            top_up=top_up,
            payment="pi-1",
            status=PaymentStatus.PAID,
            amount=lira("250"),
        )
        assert desk.billing.top_ups.report("acme", said).entry is not None
        assert desk.billing.top_ups.report("acme", said).repeated
        assert available(desk) == lira("349")
        spend(desk, "249", key="d")
        assert len(asked(desk)) == 2

    def test_the_buyer_can_pay_it_on_the_page(self, desk: Desk) -> None:
        """Where no method is saved; and the gateway's callback settles it."""
        automate(desk)
        (top_up,) = asked(desk)
        checkout = desk.billing.top_ups.open("acme", top_up)
        assert desk.billing.top_ups.open("acme", top_up) == checkout
        desk.pay(top_up, lira("250"))
        assert available(desk) == lira("250")

    def test_backs_off_after_failures_and_gives_up(self, desk: Desk) -> None:
        """Twice as long each time; a balance that recovers starts anew."""
        automate(desk, wait_minutes=60, most_failures=3)
        waits = []
        rule = desk.billing.top_ups.automatic("acme")[0]
        for number in range(3):
            top_up = asked(desk)[-1]
            assert len(asked(desk)) == number + 1
            desk.pay(top_up, lira("250"), status=PaymentStatus.FAILED)
            (rule,) = desk.billing.top_ups.automatic("acme")
            if rule.asks_from is not None:
                waits.append(rule.asks_from - desk.clock.now)
                desk.clock.now = rule.asks_from
                assert desk.billing.run_due().accounts == 1
                assert desk.billing.run_due().accounts == 0
        assert [wait.total_seconds() / 60 for wait in waits] == [60, 120]
        assert rule.given_up
        assert desk.event_names().count("AutomaticTopUpPaused") == 3
        desk.clock.advance(days=30)
        desk.billing.run_due()
        assert len(asked(desk)) == 3
        desk.top_up("500")
        (rule,) = desk.billing.top_ups.automatic("acme")
        assert not rule.given_up
        spend(desk, "450")
        assert len(asked(desk)) == 4

    def test_stays_within_its_cap_until_the_next_month(self, desk: Desk) -> None:
        """The last one asks for what is left of it; then it waits for the first of the month."""
        automate(desk, cap=lira("400"))
        desk.pay(asked(desk)[-1], lira("250"))
        spend(desk, "250", key="a")
        assert desk.billing.top_ups.get("acme", asked(desk)[-1]).amount == lira("150")
        desk.pay(asked(desk)[-1], lira("150"))
        spend(desk, "100", key="b")
        assert len(asked(desk)) == 2
        assert desk.event_names()[-1] == "AutomaticTopUpPaused"
        desk.clock.set("2026-11-01T00:00:00+03:00")
        desk.billing.run_due()
        assert len(asked(desk)) == 3

    def test_a_target_is_reached(self, desk: Desk) -> None:
        """Rounded up to kuruş, so that it suffices."""
        desk.top_up("200")
        automate(desk, RefillRule(threshold=lira("100"), target=lira("500")))
        spend(desk, "150.0005")
        assert desk.billing.top_ups.get("acme", asked(desk)[-1]).amount == lira("450.01")

    def test_one_that_nobody_pays_expires_and_counts_as_a_failure(self, desk: Desk) -> None:
        """The sweep gives up on it."""
        automate(desk)
        desk.clock.advance(days=2)
        desk.billing.top_ups.reconcile("sandbox")
        (rule,) = desk.billing.top_ups.automatic("acme")
        assert (rule.failures, rule.waiting) == (1, "")

    def test_can_be_replaced_and_stopped(self, desk: Desk) -> None:
        """By name."""
        desk.top_up("500")
        automate(desk)
        automate(desk, RefillRule(threshold=lira("50"), amount=lira("10")), key="auto-2")
        assert len(desk.billing.top_ups.automatic("acme")) == 1
        desk.billing.top_ups.stop_automatic("acme", "card", key="stop")
        spend(desk, "499")
        assert asked(desk) == []
        with pytest.raises(UnknownName, match="no automatic top-up"):
            desk.billing.top_ups.stop_automatic("acme", "card", key="stop-2")

    def test_is_stored(self, desk: Desk) -> None:
        """With what it remembers."""
        automate(desk, cap=lira("400"))
        (rule,) = desk.billing.top_ups.automatic("acme")
        assert desk.reopen().billing.top_ups.automatic("acme") == (rule,)
        assert rule.waiting == asked(desk)[0]


class TestConservation:
    """Whatever happens to a top-up, money is neither made nor lost."""

    @one_in(2)
    @given(
        st.lists(
            st.tuples(
                st.sampled_from(["refund", "debt", "spend", "outside", "open", "lost", "won"]),
                st.integers(1, 30_000),
            ),
            max_size=12,
        )
    )
    def test_every_history_adds_up(self, acts: list[tuple[str, int]]) -> None:
        """Posted equals credited less refunds, chargebacks and what was spent, and it is sound."""
        from monochat_billing.adapters.memory import MemoryStorage

        storage = MemoryStorage()
        clock = Clock()
        base = Desk(None, clock, storage, lambda: base)  # type: ignore[arg-type]
        desk = with_policy(base, BONUS)
        desk.billing.accounts.open(
            "acme", zone="Europe/Istanbul", currencies=["TRY"], profile=PROFILE
        )
        top_up = desk.top_up("1000").top_up.id
        outside = 0
        for number, (act, kurus) in enumerate(acts):
            amount = from_units(kurus, "TRY", 2)
            try:
                if act == "spend":
                    desk.billing.balances.debit("acme", amount, reason="x", key=f"{number}")
                elif act == "outside":
                    outside += kurus
                    known = desk.billing.top_ups.get("acme", top_up)
                    total = to_units(known.given_back, 2) + kurus
                    tell(
                        desk,
                        top_up,
                        PaymentStatus.REFUNDED,
                        str(from_units(total, "TRY", 2).amount),
                    )
                elif act in ("refund", "debt"):
                    policy = RefundPolicy.DEBT if act == "debt" else RefundPolicy.UNSPENT
                    desk.billing.top_ups.refund(
                        "acme", top_up, amount, key=f"{number}", policy=policy
                    )
                else:
                    word = {"open": "DISPUTED", "lost": "DISPUTE_LOST", "won": "DISPUTE_WON"}[act]
                    tell(desk, top_up, PaymentStatus(word), "1000", dispute=f"d-{kurus % 2}")
            except Rejected:
                continue
        known = desk.billing.top_ups.get("acme", top_up)
        assert desk.billing.verify().sound
        assert to_units(known.given_back) <= to_units(lira("1000"))
        assert to_units(known.taken_back) <= to_units(lira("1000"))
        entries = storage.read(lambda reader: reader.entries("acme", limit=1000))
        by_kind: dict[str, int] = {}
        for entry in entries:
            by_kind[entry.kind] = by_kind.get(entry.kind, 0) + entry.amount
        assert -by_kind.get("REFUND", 0) == to_units(known.given_back)
        taken = -by_kind.get("CHARGEBACK", 0) - by_kind.get("REVERSAL", 0)
        assert taken == to_units(known.taken_back)
