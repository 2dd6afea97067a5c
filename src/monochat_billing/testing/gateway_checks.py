"""What the gateway cases check: equality, refusals, one credit.

Owns nothing but the words of a failing case. Does not own any case.
"""

from collections.abc import Callable
from functools import partial
from typing import Any
from unittest import SkipTest

from monochat_billing.errors import BillingError, ForgedCallback
from monochat_billing.gateways import Checkout
from monochat_billing.payments import TopUpState
from monochat_billing.testing.fake_provider import Callback
from monochat_billing.testing.gateway_bench import GatewayDesk

__all__ = ["check", "credited", "last", "needs", "raises", "unheard"]


def check(what: str, found: Any, wanted: Any) -> None:  # noqa: ANN401 - any two values
    """Fail unless two values are equal."""
    if found != wanted:
        raise AssertionError(f"{what}: found {found!r}, wanted {wanted!r}")


def raises(kind: type[BillingError], act: Callable[[], Any], what: str) -> BillingError:
    """Give the error of a kind that an act raises; fail unless it does."""
    try:
        act()
    except kind as error:
        return error
    raise AssertionError(f"{what}: nothing raised {kind.__name__}")


def unheard(desk: GatewayDesk, callback: Callback, what: str) -> object:
    """Give what comes of a forged callback: a refusal, or no more than an answer if none is signed.

    Where a provider signs nothing the gateway cannot tell, and asks: its callbacks are no proof.
    """
    if desk.bench.signs:
        return raises(ForgedCallback, partial(desk.deliver, callback), what)
    check("callback_is_proof", desk.bench.gateway.capabilities.callback_is_proof, wanted=False)
    try:
        receipt = desk.deliver(callback)
    except ForgedCallback as error:
        return error
    check(f"{what}: state", receipt.top_up.state, TopUpState.OPEN)
    return receipt


def credited(desk: GatewayDesk, checkout: Checkout) -> None:
    """Fail unless there is exactly one credit and the books are sound."""
    check("state", desk.top_up(checkout).state, TopUpState.CREDITED)
    check("credits", desk.credits(), 1)
    check("verify", desk.billing.verify().sound, wanted=True)


def last(desk: GatewayDesk, checkout: Checkout) -> Callback:
    """Give the latest callback of a checkout, or skip where there is none."""
    callbacks = desk.bench.callbacks(checkout)
    if not callbacks:
        raise SkipTest("the provider sends no callback for this")
    return callbacks[-1]


def needs(desk: GatewayDesk, *, retrieve: bool = False) -> None:
    """Skip where the gateway does not offer a verb."""
    if retrieve and not desk.bench.gateway.capabilities.retrieves:
        raise SkipTest("the gateway cannot be asked")
