"""The gateway cases of row W10: refunds, disputes and what they do to a balance.

Owns these cases. Does not own how they are run (:mod:`monochat_billing.testing.gateway_kit`).
"""

from functools import partial
from typing import Final
from unittest import SkipTest

from monochat_billing.errors import GatewayError, IllegalTransition, InsufficientFunds
from monochat_billing.gateways import Checkout
from monochat_billing.money import Money, money, to_units
from monochat_billing.payments import TopUpState
from monochat_billing.testing.fake_provider import Fault
from monochat_billing.testing.gateway_bench import ACCOUNT, AMOUNT, GatewayDesk
from monochat_billing.testing.gateway_checks import check, credited, last, raises
from monochat_billing.top_up_commands import RefundReceipt
from monochat_billing.top_up_policies import RefundPolicy
from monochat_billing.top_ups import RefundState

__all__ = ["REVERSALS"]


def _refund(
    desk: GatewayDesk,
    checkout: Checkout,
    amount: Money | None = None,
    *,
    key: str,
    policy: RefundPolicy = RefundPolicy.UNSPENT,
) -> RefundReceipt:
    """Refund, and do by hand what the provider leaves to a person."""
    top_ups = desk.billing.top_ups
    receipt = top_ups.refund(ACCOUNT, checkout.top_up, amount, key=key, policy=policy)
    if receipt.refund.state is RefundState.PENDING:
        return top_ups.settle_refund(
            ACCOUNT, checkout.top_up, receipt.refund.id, done=True, key=f"by hand {key}"
        )
    return receipt


def _paid(desk: GatewayDesk) -> Checkout:
    if not desk.bench.gateway.capabilities.refunds:
        raise SkipTest("the gateway gives nothing back")
    checkout = desk.start()
    desk.bench.pay(checkout)
    desk.deliver(last(desk, checkout))
    credited(desk, checkout)
    return checkout


def _w10_partial_refunds_never_exceed_what_was_paid(desk: GatewayDesk) -> None:
    checkout = _paid(desk)
    _refund(desk, checkout, money("100", "TRY"), key="r-1")
    check("state", desk.top_up(checkout).state, TopUpState.PARTLY_REFUNDED)
    _refund(desk, checkout, money("100.50", "TRY"), key="r-2")
    too_much = money("50.01", "TRY")
    raises(
        InsufficientFunds,
        lambda: _refund(desk, checkout, too_much, key="r-3", policy=RefundPolicy.DEBT),
        "more than is left",
    )
    rest = _refund(desk, checkout, key="r-4")
    check("rest", rest.refund.amount, money("50", "TRY"))
    check("the same key again", _refund(desk, checkout, key="r-4").refund.id, rest.refund.id)
    check("state", desk.top_up(checkout).state, TopUpState.REFUNDED)
    raises(IllegalTransition, lambda: _refund(desk, checkout, key="r-5"), "nothing is left")
    check("posted", desk.posted(), 0)
    check("verify", desk.billing.verify().sound, wanted=True)
    check("given back", desk.bench.given_back(checkout), AMOUNT)


def _w10_a_refund_after_spending_follows_policy(desk: GatewayDesk) -> None:
    checkout = _paid(desk)
    desk.billing.balances.debit(ACCOUNT, money("200", "TRY"), reason="export", key="spent")
    raises(
        InsufficientFunds,
        lambda: _refund(desk, checkout, money("50.51", "TRY"), key="too much"),
        "more than is unspent",
    )
    check("unspent", _refund(desk, checkout, key="r").refund.amount, money("50.50", "TRY"))
    _refund(desk, checkout, money("150", "TRY"), key="debt", policy=RefundPolicy.DEBT)
    check("owed", desk.available(), -to_units(money("150", "TRY")))
    raises(
        InsufficientFunds,
        lambda: desk.billing.balances.debit(ACCOUNT, money("1", "TRY"), reason="x", key="more"),
        "a debit while something is owed",
    )
    check("verify", desk.billing.verify().sound, wanted=True)


def _w10_a_lost_answer_to_a_refund_gives_back_once(desk: GatewayDesk) -> None:
    for fault in (Fault.LOST_ANSWER, Fault.SERVER_ERROR):
        checkout = desk.start(key=fault)
        desk.bench.pay(checkout)
        desk.deliver(last(desk, checkout))
        before = desk.available()
        desk.bench.fail("refund", fault)
        ask = partial(_refund, desk, checkout, key=f"refund {fault}")
        raises(GatewayError, ask, "a lost answer")
        known = desk.top_up(checkout)
        check("state", known.state, TopUpState.REFUNDING)
        check("set aside", before - desk.available(), to_units(AMOUNT))
        raises(IllegalTransition, partial(_refund, desk, checkout, key=f"2 {fault}"), "a second")
        for _ in range(3):
            desk.clock.advance(minutes=11)
            desk.billing.top_ups.reconcile(desk.name)
        _by_hand(desk, checkout, done=fault is Fault.LOST_ANSWER)
        gone = to_units(desk.bench.given_back(checkout))
        check("taken out", before - desk.available(), gone)
        can = desk.bench.gateway.capabilities
        if fault is Fault.LOST_ANSWER or can.tells_refunds:
            check("given back", gone, to_units(AMOUNT))
            check("state", desk.top_up(checkout).state, TopUpState.REFUNDED)
        check("verify", desk.billing.verify().sound, wanted=True)


def _by_hand(desk: GatewayDesk, checkout: Checkout, *, done: bool) -> None:
    """Settle what a provider that cannot be asked leaves in doubt."""
    waiting = desk.top_up(checkout).under_way
    if waiting is not None:
        check("asked", desk.bench.gateway.capabilities.tells_refunds, wanted=False)
        desk.billing.top_ups.settle_refund(
            ACCOUNT, checkout.top_up, waiting.id, done=done, key=f"by hand {waiting.id}"
        )


def _w10_a_refused_refund_frees_the_money(desk: GatewayDesk) -> None:
    checkout = _paid(desk)
    desk.bench.refuse_refunds(checkout)
    before = desk.available()
    receipt = _refund(desk, checkout, key="refused")
    check("refund", receipt.refund.state, RefundState.FAILED)
    check("available", desk.available(), before)
    check("state", desk.top_up(checkout).state, TopUpState.CREDITED)
    check("told", desk.events().count("RefundFailed"), 1)
    check("verify", desk.billing.verify().sound, wanted=True)


def _w10_a_refund_begun_at_the_provider_is_taken(desk: GatewayDesk) -> None:
    checkout = _paid(desk)
    desk.billing.balances.debit(ACCOUNT, money("200", "TRY"), reason="export", key="spent")
    desk.bench.refund_outside(checkout, money("100", "TRY"))
    desk.deliver_all(checkout)
    check("owed", desk.available(), to_units(money("50.50", "TRY")) - to_units(money("100", "TRY")))
    check("state", desk.top_up(checkout).state, TopUpState.PARTLY_REFUNDED)
    desk.bench.refund_outside(checkout, money("150.50", "TRY"))
    desk.deliver_all(checkout)
    check("state", desk.top_up(checkout).state, TopUpState.REFUNDED)
    check("told", desk.events().count("TopUpRefunded"), 2)
    check("posted", desk.posted(), -to_units(money("200", "TRY")))
    check("verify", desk.billing.verify().sound, wanted=True)


def _w10_a_dispute_that_is_won_gives_everything_back(desk: GatewayDesk) -> None:
    checkout = _paid(desk)
    desk.billing.balances.debit(ACCOUNT, money("200", "TRY"), reason="export", key="spent")
    dispute = desk.bench.dispute(checkout)
    desk.deliver_all(checkout)
    check("state", desk.top_up(checkout).state, TopUpState.DISPUTED)
    check("owed", desk.available(), -to_units(money("200", "TRY")))
    raises(IllegalTransition, lambda: _refund(desk, checkout, key="r"), "a refund while disputed")
    desk.bench.close_dispute(checkout, dispute, won=True)
    desk.deliver_all(checkout)
    check("state", desk.top_up(checkout).state, TopUpState.CREDITED)
    check("available", desk.available(), to_units(money("50.50", "TRY")))
    check("told", desk.events().count("DisputeWon"), 1)
    check("verify", desk.billing.verify().sound, wanted=True)


def _w10_a_lost_dispute_and_its_reversal(desk: GatewayDesk) -> None:
    checkout = _paid(desk)
    dispute = desk.bench.dispute(checkout)
    desk.bench.close_dispute(checkout, dispute, won=False)
    desk.deliver_all(checkout)
    check("state", desk.top_up(checkout).state, TopUpState.CHARGED_BACK)
    check("posted", desk.posted(), 0)
    desk.bench.close_dispute(checkout, dispute, won=True)
    desk.deliver_all(checkout)
    check("state", desk.top_up(checkout).state, TopUpState.CREDITED)
    check("posted", desk.posted(), to_units(AMOUNT))
    check("verify", desk.billing.verify().sound, wanted=True)


REVERSALS: Final = (
    _w10_partial_refunds_never_exceed_what_was_paid,
    _w10_a_refund_after_spending_follows_policy,
    _w10_a_lost_answer_to_a_refund_gives_back_once,
    _w10_a_refused_refund_frees_the_money,
    _w10_a_refund_begun_at_the_provider_is_taken,
    _w10_a_dispute_that_is_won_gives_everything_back,
    _w10_a_lost_dispute_and_its_reversal,
)
"""Every case of the row."""
