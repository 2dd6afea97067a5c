"""Top-ups: the state table, and what is made of each word of a gateway."""

import itertools
import re
from typing import Any

import attrs
import pytest

from monochat_billing import top_ups
from monochat_billing.adapters.sql.schema import UNSETTLED_STATES
from monochat_billing.balance import Books, EntryKind
from monochat_billing.errors import IllegalTransition, InvalidInput
from monochat_billing.events import (
    CallbackNotUnderstood,
    PaymentPending,
    PaymentQuarantined,
    TopUpExpired,
    TopUpFailed,
    TopUpSettled,
)
from monochat_billing.gateways import PaymentMode
from monochat_billing.money import Money, money
from monochat_billing.payments import (
    TOP_UP_MOVES,
    UNSETTLED,
    CallbackAnswer,
    Checkout,
    Payment,
    PaymentStatus,
    Settlement,
    TopUp,
    TopUpMove,
    TopUpState,
    expire,
    settle,
    start_top_up,
)
from tests.scene import BUYER, START, books_with, instant, lira, posted

LATER = instant("2026-10-06")
LEGAL = {
    ("CREATED", "open"): "OPEN",
    ("CREATED", "await"): "PENDING",
    ("CREATED", "credit"): "CREDITED",
    ("CREATED", "fail"): "FAILED",
    ("CREATED", "expire"): "EXPIRED",
    ("CREATED", "quarantine"): "QUARANTINED",
    ("OPEN", "await"): "PENDING",
    ("OPEN", "credit"): "CREDITED",
    ("OPEN", "fail"): "FAILED",
    ("OPEN", "expire"): "EXPIRED",
    ("OPEN", "quarantine"): "QUARANTINED",
    ("PENDING", "await"): "PENDING",
    ("PENDING", "credit"): "CREDITED",
    ("PENDING", "fail"): "FAILED",
    ("PENDING", "quarantine"): "QUARANTINED",
    ("FAILED", "await"): "PENDING",
    ("FAILED", "credit"): "CREDITED",
    ("FAILED", "fail"): "FAILED",
    ("FAILED", "expire"): "EXPIRED",
    ("FAILED", "quarantine"): "QUARANTINED",
    ("EXPIRED", "await"): "PENDING",
    ("EXPIRED", "credit"): "CREDITED",
    ("EXPIRED", "quarantine"): "QUARANTINED",
    ("QUARANTINED", "quarantine"): "QUARANTINED",
    ("QUARANTINED", "credit"): "CREDITED",
    ("QUARANTINED", "expire"): "EXPIRED",
}
LATER_LEGAL = {
    ("CREDITED", "give_back"): "REFUNDING",
    ("CREDITED", "refund_part"): "PARTLY_REFUNDED",
    ("CREDITED", "refund"): "REFUNDED",
    ("CREDITED", "dispute"): "DISPUTED",
    ("CREDITED", "charge_back"): "CHARGED_BACK",
    ("REFUNDING", "reinstate"): "CREDITED",
    ("REFUNDING", "refund_part"): "PARTLY_REFUNDED",
    ("REFUNDING", "refund"): "REFUNDED",
    ("REFUNDING", "dispute"): "DISPUTED",
    ("REFUNDING", "charge_back"): "CHARGED_BACK",
    ("PARTLY_REFUNDED", "reinstate"): "CREDITED",
    ("PARTLY_REFUNDED", "give_back"): "REFUNDING",
    ("PARTLY_REFUNDED", "refund_part"): "PARTLY_REFUNDED",
    ("PARTLY_REFUNDED", "refund"): "REFUNDED",
    ("PARTLY_REFUNDED", "dispute"): "DISPUTED",
    ("PARTLY_REFUNDED", "charge_back"): "CHARGED_BACK",
    ("REFUNDED", "reinstate"): "CREDITED",
    ("REFUNDED", "give_back"): "REFUNDING",
    ("REFUNDED", "refund_part"): "PARTLY_REFUNDED",
    ("REFUNDED", "dispute"): "DISPUTED",
    ("REFUNDED", "charge_back"): "CHARGED_BACK",
    ("DISPUTED", "reinstate"): "CREDITED",
    ("DISPUTED", "give_back"): "REFUNDING",
    ("DISPUTED", "refund_part"): "PARTLY_REFUNDED",
    ("DISPUTED", "refund"): "REFUNDED",
    ("DISPUTED", "dispute"): "DISPUTED",
    ("DISPUTED", "charge_back"): "CHARGED_BACK",
    ("CHARGED_BACK", "reinstate"): "CREDITED",
    ("CHARGED_BACK", "give_back"): "REFUNDING",
    ("CHARGED_BACK", "refund_part"): "PARTLY_REFUNDED",
    ("CHARGED_BACK", "refund"): "REFUNDED",
    ("CHARGED_BACK", "dispute"): "DISPUTED",
    ("CHARGED_BACK", "charge_back"): "CHARGED_BACK",
}
OF_QUARANTINED_MONEY = {
    ("QUARANTINED", "give_back"): "REFUNDING",
    ("QUARANTINED", "refund"): "REFUNDED",
    ("REFUNDING", "quarantine"): "QUARANTINED",
    ("REFUNDED", "quarantine"): "QUARANTINED",
}
ALL_LEGAL = LEGAL | LATER_LEGAL | OF_QUARANTINED_MONEY


def started(**change: Any) -> TopUp:  # noqa: ANN401
    fields: dict[str, Any] = {
        "top_up_id": "top-1",
        "account": "acme",
        "gateway": "sandbox",
        "amount": lira("25000"),
        "return_url": "https://acme.example/back",
        "profile": BUYER,
        "at": START,
    }
    return start_top_up(**(fields | change))


def paid(amount: str | Money | None = "25000", payment: str = "pay-1", **change: Any) -> Payment:  # noqa: ANN401
    value = lira(amount) if isinstance(amount, str) else amount
    fields: dict[str, Any] = {"gateway": "sandbox", "top_up": "top-1"}
    return Payment(payment=payment, status=PaymentStatus.PAID, amount=value, **(fields | change))


def failed(payment: str = "pay-1") -> Payment:
    return Payment(gateway="sandbox", top_up="top-1", payment=payment, status=PaymentStatus.FAILED)


def said(status: PaymentStatus, payment: str = "pay-1", **change: Any) -> Payment:  # noqa: ANN401
    fields: dict[str, Any] = {"gateway": "sandbox", "top_up": "top-1"}
    return Payment(payment=payment, status=status, **(fields | change))


def sql_states() -> set[str]:
    return set(re.findall(r"'([A-Z]+)'", UNSETTLED_STATES))


def told(*words: Payment, top_up: TopUp | None = None) -> tuple[list[Settlement], Books]:
    """Settle one word after the other."""
    books, now = books_with(), top_up or started()
    done = []
    for word in words:
        done.append(settle(books, now, word, LATER, LATER))
        books, now = done[-1].books, done[-1].top_up
    return done, books


class TestTheStateTable:
    """What is in the table can happen; everything else raises and changes nothing."""

    @pytest.mark.parametrize("move", TopUpMove)
    @pytest.mark.parametrize("state", TopUpState)
    def test_every_move_from_every_state(self, state: TopUpState, move: TopUpMove) -> None:
        """The full product of states and moves."""
        before = attrs.evolve(started(), state=state)
        expected = ALL_LEGAL.get((state.value, move.value))
        if expected is None:
            with pytest.raises(IllegalTransition) as refused:
                before.moved(move)
            assert refused.value.args == ("top-up", "top-1", state, move)
        else:
            assert before.moved(move) == attrs.evolve(before, state=TopUpState(expected))
        assert before == attrs.evolve(started(), state=state)

    def test_is_drawn_as_it_is(self) -> None:
        """The table of the module and the table of this test are the same."""
        assert {
            (state.value, move.value): to.value for (state, move), to in TOP_UP_MOVES.items()
        } == ALL_LEGAL

    @pytest.mark.parametrize("table", [0, 1])
    def test_the_docstring_draws_the_same_tables(self, table: int) -> None:
        """The drawings in the module's docstring are read back, column by column."""
        lines = (top_ups.__doc__ or "").splitlines()
        head = [at for at, line in enumerate(lines) if line.lstrip().startswith("from ")][table]
        moves = lines[head].split()[1:]
        places = [match.start() for match in re.finditer(r"\S+", lines[head])][1:]
        rows = list(itertools.takewhile(str.strip, lines[head + 1 :]))
        cells = {
            (line.split()[0], move): line[place:].split()[0]
            for line in rows
            for move, place in zip(moves, places, strict=True)
            if line[place : place + 1].strip()
        }
        assert cells == (LEGAL, LATER_LEGAL)[table]
        assert {line.split()[0] for line in rows} == {
            state for state, _ in (LEGAL, LATER_LEGAL)[table]
        }

    def test_what_a_sweep_asks_about_is_what_may_still_fail(self) -> None:
        """And a refund under way; all that is credited, quarantined or expired is left alone."""
        assert {"CREATED", "OPEN", "PENDING", "FAILED", "REFUNDING"} == UNSETTLED
        assert sql_states() == UNSETTLED


class TestStarting:
    """The intent is recorded before any gateway is asked."""

    def test_keeps_what_was_asked(self) -> None:
        """With the billing profile as it was then."""
        top_up = started()
        assert (top_up.state, top_up.amount, top_up.created_at) == (
            TopUpState.CREATED,
            lira("25000"),
            START,
        )
        assert top_up.profile is BUYER
        assert (top_up.checkout, top_up.payment, top_up.entry, top_up.set_aside) == (
            None,
            None,
            None,
            (),
        )

    @pytest.mark.parametrize(
        ("change", "field"),
        [
            ({"amount": lira("0")}, "amount"),
            ({"amount": lira("-5")}, "amount"),
            ({"amount": lira("0.001")}, "amount"),
            ({"amount": money("1.5", "JPY")}, "amount"),
            ({"profile": None}, "profile"),
            ({"return_url": "javascript:alert(1)"}, "return_url"),
            ({"return_url": "/back"}, "return_url"),
        ],
    )
    def test_refuses_what_cannot_be_paid(self, change: dict[str, Any], field: str) -> None:
        """Nothing, less than nothing, half a kuruş, nobody to invoice, no way back."""
        with pytest.raises(InvalidInput) as refused:
            started(**change)
        assert refused.value.field == field

    def test_opens_once(self) -> None:
        """A second checkout for the same top-up is no move."""
        checkout = Checkout(
            top_up="top-1",
            gateway="sandbox",
            amount=lira("25000"),
            redirect_url="https://x.example",
        )
        opened = started().opened(checkout)
        assert (opened.state, opened.checkout) == (TopUpState.OPEN, checkout)
        with pytest.raises(IllegalTransition):
            opened.opened(checkout)


class TestSettling:
    """What was ordered is credited once; what does not match waits for a person."""

    def test_credits_what_was_ordered(self) -> None:
        """One entry, one lot whose source is the top-up, one event."""
        (done,), books = told(paid())
        (entry,) = done.entries
        assert (entry.kind, entry.money, entry.reference) == (
            EntryKind.TOP_UP,
            lira("25000"),
            "top-1",
        )
        assert (entry.effective_at, entry.reason) == (LATER, "top-up by sandbox")
        (lot,) = books.balance("TRY").lots
        assert lot.source == "top-1"
        assert (done.top_up.state, done.top_up.payment, done.top_up.entry) == (
            TopUpState.CREDITED,
            "pay-1",
            1,
        )
        assert done.events == (
            TopUpSettled(
                account="acme",
                at=LATER,
                top_up="top-1",
                gateway="sandbox",
                amount=lira("25000"),
                entry=1,
            ),
        )
        assert not done.repeated

    def test_never_credits_what_a_gateway_took_on_top(self) -> None:
        """An instalment fee is between the buyer and the bank."""
        (done,), books = told(paid("26000"))
        assert done.top_up.state is TopUpState.CREDITED
        assert posted(books) == "25000"

    @pytest.mark.parametrize(
        ("words", "states", "repeated", "events"),
        [
            ([paid(), paid(), paid()], ["CREDITED"] * 3, [False, True, True], [1, 0, 0]),
            ([paid(), failed()], ["CREDITED"] * 2, [False, True], [1, 0]),
            ([paid(), failed("pay-2")], ["CREDITED"] * 2, [False, True], [1, 0]),
            ([failed(), paid()], ["FAILED", "CREDITED"], [False, False], [1, 1]),
            ([failed(), failed(), paid()], ["FAILED", "FAILED", "CREDITED"], None, [1, 0, 1]),
            ([failed("a"), paid(payment="b"), failed("a")], None, [False, False, True], [1, 1, 0]),
            ([paid(), paid(payment="pay-2")], ["CREDITED"] * 2, [False, False], [1, 1]),
            (
                [paid(), paid(payment="pay-2"), paid(payment="pay-2"), paid()],
                ["CREDITED"] * 4,
                [False, False, True, True],
                [1, 1, 0, 0],
            ),
            ([paid("24999.99"), paid("24999.99")], ["QUARANTINED"] * 2, [False, True], [1, 0]),
            ([paid("1"), paid(payment="pay-2")], ["QUARANTINED"] * 2, [False, False], [1, 1]),
            ([paid("1"), failed("pay-2")], ["QUARANTINED"] * 2, [False, True], [1, 0]),
            ([failed(), paid("1")], ["FAILED", "QUARANTINED"], [False, False], [1, 1]),
        ],
        ids=[
            "the same word again",
            "a failure after the payment",
            "another attempt's failure after the payment",
            "a failure first",
            "two failures first",
            "an old failure at last",
            "a second payment",
            "a second payment again and again",
            "too little",
            "too little and then enough",
            "too little and then a failure",
            "a failure and then too little",
        ],
    )
    def test_in_any_order(
        self,
        words: list[Payment],
        states: list[str] | None,
        repeated: list[bool] | None,
        events: list[int],
    ) -> None:
        """State by state, what was new, and how many events; never more than one credit."""
        done, books = told(*words)
        if states is not None:
            assert [one.top_up.state.value for one in done] == states
        if repeated is not None:
            assert [one.repeated for one in done] == repeated
        assert [len(one.events) for one in done] == events
        credited = [entry for one in done for entry in one.entries]
        assert len(credited) <= 1
        assert posted(books) == ("25000" if credited else "0")
        assert bool(credited) is (done[-1].top_up.state is TopUpState.CREDITED)

    @pytest.mark.parametrize(
        ("word", "reason"),
        [
            (paid("24999.99"), "ordered 25000 TRY, paid only 24999.99"),
            (paid(money("25000", "USD")), "ordered 25000 TRY, paid 25000 USD"),
            (paid(None), "ordered 25000 TRY, paid nothing"),
            (paid(gateway="other"), "paid through other, ordered through sandbox"),
        ],
    )
    def test_sets_aside_what_does_not_match(self, word: Payment, reason: str) -> None:
        """Nothing is credited; the event tells a person what is wrong."""
        (done,), books = told(word)
        assert done.events == (
            PaymentQuarantined(
                account="acme",
                at=LATER,
                top_up="top-1",
                gateway=word.gateway,
                payment="pay-1",
                reason=reason,
            ),
        )
        assert done.top_up.set_aside == ("pay-1",)
        assert (books, done.entries) == (books_with(), ())

    def test_tells_which_payment_was_credited(self) -> None:
        """A second one is set aside beside it and the first stays."""
        done, books = told(paid(), paid(payment="pay-2"))
        (event,) = done[-1].events
        assert isinstance(event, PaymentQuarantined)
        assert event.reason == "second payment; pay-1 was credited"
        assert done[-1].top_up.payment == "pay-1"
        assert done[-1].top_up.set_aside == ("pay-2",)
        assert books.sequence == 1

    def test_tells_of_a_failure(self) -> None:
        """With an event, and nothing else."""
        (done,), books = told(failed())
        assert done.events == (
            TopUpFailed(account="acme", at=LATER, top_up="top-1", gateway="sandbox"),
        )
        assert books == books_with()

    def test_waits_for_what_is_pending(self) -> None:
        """A payment under review credits nothing until it is decided, and tells once."""
        pending = said(PaymentStatus.PENDING)
        done, books = told(pending, pending)
        assert [one.top_up.state for one in done] == [TopUpState.PENDING] * 2
        assert done[0].events == (
            PaymentPending(account="acme", at=LATER, top_up="top-1", gateway="sandbox"),
        )
        assert (done[1].repeated, done[1].events, books) == (True, (), books_with())

    @pytest.mark.parametrize(
        ("words", "state"),
        [
            ([said(PaymentStatus.PENDING), paid()], "CREDITED"),
            ([said(PaymentStatus.PENDING), failed()], "FAILED"),
            ([paid(), said(PaymentStatus.PENDING)], "CREDITED"),
            ([failed(), said(PaymentStatus.PENDING), paid()], "CREDITED"),
            ([said(PaymentStatus.EXPIRED)], "EXPIRED"),
            ([said(PaymentStatus.EXPIRED), failed()], "EXPIRED"),
            ([said(PaymentStatus.EXPIRED), paid()], "CREDITED"),
            ([said(PaymentStatus.EXPIRED), said(PaymentStatus.PENDING), paid()], "CREDITED"),
            ([said(PaymentStatus.PENDING), said(PaymentStatus.EXPIRED)], "PENDING"),
            ([paid(), said(PaymentStatus.EXPIRED)], "CREDITED"),
            ([paid("1"), said(PaymentStatus.EXPIRED)], "QUARANTINED"),
            ([said(PaymentStatus.OPEN)], "CREATED"),
            ([paid(), said(PaymentStatus.OPEN)], "CREDITED"),
            ([said(PaymentStatus.EXPIRED), paid("1")], "QUARANTINED"),
        ],
    )
    def test_reviews_and_closed_pages_in_any_order(self, words: list[Payment], state: str) -> None:
        """Where it ends, and that only CREDITED has a credit."""
        done, books = told(*words)
        assert done[-1].top_up.state == state
        assert posted(books) == ("25000" if state == "CREDITED" else "0")

    def test_a_test_payment_is_no_live_one(self) -> None:
        """Money of the provider's test mode never credits a live top-up, nor the other way."""
        live = started(mode=PaymentMode.LIVE)
        for wrong in (PaymentMode.TEST, None):
            (done,), _ = told(paid(mode=wrong), top_up=live)
            (event,) = done.events
            assert isinstance(event, PaymentQuarantined)
            assert event.reason == f"paid in {wrong} mode, ordered in LIVE mode"
        (done,), books = told(paid(mode=PaymentMode.LIVE), top_up=live)
        assert (done.top_up.state, posted(books)) == (TopUpState.CREDITED, "25000")

    def test_a_failure_in_another_mode_says_nothing(self) -> None:
        """What a test payment does is no news of a live top-up."""
        live = started(mode=PaymentMode.LIVE)
        (done,), _ = told(said(PaymentStatus.FAILED, mode=PaymentMode.TEST), top_up=live)
        assert (done.repeated, done.top_up) == (True, live)

    def test_keeps_what_the_buyer_paid_and_who_says_so(self) -> None:
        """A surcharge is recorded beside the credit, and a person who approved stands on it."""
        word = paid("26000", actor="ayse", paid_at=LATER)
        (done,), _ = told(word)
        assert (done.top_up.paid, done.top_up.paid_at) == (lira("26000"), LATER)
        assert (done.entries[0].money, done.entries[0].actor) == (lira("25000"), "ayse")

    def test_w11_notes_what_it_does_not_understand(self) -> None:
        """An event of a newer kind is stored for a person and moves nothing."""
        (done,), books = told(said(PaymentStatus.OTHER, kind="charge.dispute.created"))
        assert done.events == (
            CallbackNotUnderstood(
                account="acme",
                at=LATER,
                top_up="top-1",
                gateway="sandbox",
                kind="charge.dispute.created",
            ),
        )
        assert (done.repeated, done.top_up, books) == (False, started(), books_with())

    def test_expires_only_what_nobody_paid(self) -> None:
        """The event comes once; what is pending or credited is left alone."""
        first = expire(books_with(), started(), LATER)
        assert first.events == (
            TopUpExpired(account="acme", at=LATER, top_up="top-1", gateway="sandbox"),
        )
        again = expire(books_with(), first.top_up, LATER)
        assert (again.repeated, again.events) == (True, ())
        pending = attrs.evolve(started(), state=TopUpState.PENDING)
        assert expire(books_with(), pending, LATER).top_up is pending

    def test_answers_ok_unless_the_gateway_wants_more(self) -> None:
        """What most providers want to hear."""
        assert CallbackAnswer() == CallbackAnswer(status=200, body="OK", content_type="text/plain")
