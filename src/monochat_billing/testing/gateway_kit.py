"""The gateway conformance kit: what every gateway must survive, as cases and as a pytest class.

Owns the cases, each named after its row in the matrix of faults (W01 to W14).
Does not own any gateway: subclass :class:`GatewayConformance`, or run :data:`GATEWAY_CASES` from
any other test runner.

Each case gets a service on an empty storage, so that what is tested is money in a balance and not
return values. A case that a gateway cannot have, because the provider offers no such thing, raises
``unittest.SkipTest`` with the reason.

>>> [case.name for case in GATEWAY_CASES if case.row == "W14"]
['test_w14_a_crash_at_the_commit_is_resumed']
"""

import threading
import traceback
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from functools import partial
from typing import Any, Final, final
from unittest import SkipTest

import attrs

from monochat_billing.errors import (
    ForgedCallback,
    GatewayError,
    InvalidInput,
    StorageError,
)
from monochat_billing.money import from_units, money, to_units
from monochat_billing.payments import TopUpState
from monochat_billing.repositories import Storage
from monochat_billing.testing.fake_provider import Fault
from monochat_billing.testing.gateway_bench import (
    ACCOUNT,
    AMOUNT,
    BUYER,
    GatewayBench,
    GatewayDesk,
    KitClock,
)
from monochat_billing.testing.gateway_checks import check, credited, last, needs, raises, unheard
from monochat_billing.testing.gateway_reversals import REVERSALS

__all__ = ["GATEWAY_CASES", "GatewayCase", "GatewayConformance"]


@final
@attrs.frozen
class GatewayCase:
    """Name one case, the row of the matrix that it belongs to, and what runs it."""

    row: str
    name: str
    run: Callable[[GatewayDesk], None]


# --------------------------------------------------------------------------------- the cases


def _w01_a_repeated_callback_credits_once(desk: GatewayDesk) -> None:
    checkout = desk.start()
    desk.bench.pay(checkout)
    callback = last(desk, checkout)
    for _ in range(20):
        receipt = desk.deliver(callback)
        check("answer", receipt.answer.status // 100, 2)
    credited(desk, checkout)


def _w01_copies_at_once_credit_once(desk: GatewayDesk) -> None:
    checkout = desk.start()
    desk.bench.pay(checkout)
    callback = last(desk, checkout)
    _at_once(lambda: desk.deliver(callback), 8)
    credited(desk, checkout)


def _w02_a_failure_before_and_after_a_success(desk: GatewayDesk) -> None:
    checkout = desk.start()
    desk.bench.decline(checkout)
    desk.deliver_all(checkout)
    check("credits", desk.credits(), 0)
    desk.bench.pay(checkout)
    desk.deliver_all(checkout)
    desk.deliver_all(checkout)
    credited(desk, checkout)


def _w02_a_success_before_the_checkout_is_stored(desk: GatewayDesk) -> None:
    desk.storage.skip, desk.storage.fail_next = 1, "before"
    raises(StorageError, desk.start, "a crash before the checkout is stored")
    top_up = desk.billing.top_ups.get(ACCOUNT, desk.last_id)
    check("state", top_up.state, TopUpState.CREATED)
    checkout = desk.bench.gateway.create(top_up, BUYER)
    desk.bench.pay(checkout)
    desk.deliver(last(desk, checkout))
    credited(desk, checkout)
    check("a later start", desk.start().top_up, top_up.id)
    credited(desk, checkout)


def _w03_a_forged_callback_does_nothing(desk: GatewayDesk) -> None:
    checkout = desk.start()
    forged = desk.bench.forged(checkout)
    if not forged:
        raise AssertionError("the bench forges nothing")
    before = desk.events()
    for name, callback in forged:
        unheard(desk, callback, name)
    check("credits", desk.credits(), 0)
    check("events", desk.events(), before)


def _w04_a_replay_a_day_later_credits_nothing(desk: GatewayDesk) -> None:
    checkout = desk.start()
    desk.bench.pay(checkout)
    callback = last(desk, checkout)
    desk.deliver(callback)
    desk.clock.advance(days=1)
    try:
        repeated = desk.deliver(callback).repeated
    except ForgedCallback:
        repeated = True  # too old for this provider: refused is as good
    check("repeated", repeated, wanted=True)
    credited(desk, checkout)


def _w05_a_lost_callback_is_found_by_the_sweep(desk: GatewayDesk) -> None:
    needs(desk, retrieve=True)
    checkout, waiting = desk.start(), desk.start(key="waiting")
    desk.bench.pay(checkout)
    found = desk.billing.top_ups.reconcile(desk.name)
    check("credited by the sweep", (found.credited, found.still_open), (1, 1))
    credited(desk, checkout)
    again = desk.billing.top_ups.reconcile(desk.name)
    check("second sweep", (again.looked_at, again.credited), (1, 0))
    check("the other", desk.top_up(waiting).state, TopUpState.OPEN)


def _w05_what_nobody_pays_expires_and_a_late_success_credits(desk: GatewayDesk) -> None:
    checkout = desk.start()
    desk.clock.advance(days=30)
    found = desk.billing.top_ups.reconcile(desk.name)
    check("expired", (found.expired, found.credited), (1, 0))
    check("state", desk.top_up(checkout).state, TopUpState.EXPIRED)
    check("asked again", desk.billing.top_ups.reconcile(desk.name).looked_at, 0)
    desk.bench.pay(checkout)
    desk.deliver(last(desk, checkout))
    credited(desk, checkout)


def _w06_callback_return_and_sweep_at_once_credit_once(desk: GatewayDesk) -> None:
    needs(desk, retrieve=True)
    checkout = desk.start()
    desk.bench.pay(checkout)
    callback = last(desk, checkout)
    acts: list[Callable[[], Any]] = [
        lambda: desk.deliver(callback),
        lambda: desk.billing.top_ups.check(ACCOUNT, checkout.top_up),
        lambda: desk.billing.top_ups.reconcile(desk.name),
    ]
    turns = iter(acts * 3)
    lock = threading.Lock()

    def act() -> None:
        with lock:
            mine = next(turns)
        mine()

    _at_once(act, len(acts) * 3)
    credited(desk, checkout)


def _w07_a_lost_answer_to_create_opens_one_payment(desk: GatewayDesk) -> None:
    desk.bench.fail("create", Fault.LOST_ANSWER)
    raises(GatewayError, desk.start, "a lost answer")
    checkout = desk.start()
    check("the same key again", desk.start(), checkout)
    desk.bench.pay(checkout)
    desk.deliver(last(desk, checkout))
    credited(desk, checkout)
    check("payments taken", desk.bench.payments_taken(checkout), 1)


def _w07_a_crash_after_create_goes_on_with_one_payment(desk: GatewayDesk) -> None:
    desk.storage.skip, desk.storage.fail_next = 1, "before"
    raises(StorageError, desk.start, "a crash before the checkout is stored")
    checkout = desk.start()
    check("top-up", checkout.top_up, desk.top_up(checkout).id)
    desk.bench.pay(checkout)
    desk.deliver(last(desk, checkout))
    check("a start after the payment", desk.start(), checkout)
    credited(desk, checkout)


def _w08_too_little_is_set_aside(desk: GatewayDesk) -> None:
    checkout = desk.start()
    desk.bench.pay(checkout, from_units(to_units(AMOUNT, 2) - 1, "TRY", 2))
    desk.deliver(last(desk, checkout))
    check("state", desk.top_up(checkout).state, TopUpState.QUARANTINED)
    desk.deliver(last(desk, checkout))
    check("credits", desk.credits(), 0)
    check("set aside", len(desk.top_up(checkout).set_aside), 1)


def _w08_a_surcharge_is_recorded_and_not_credited(desk: GatewayDesk) -> None:
    checkout = desk.start()
    desk.bench.pay(checkout, money("275.55", "TRY"))
    desk.deliver(last(desk, checkout))
    credited(desk, checkout)
    check("paid", desk.top_up(checkout).paid, money("275.55", "TRY"))
    check("credited", desk.posted(), to_units(AMOUNT))


def _w08_a_payment_in_the_other_mode_is_set_aside(desk: GatewayDesk) -> None:
    checkout = desk.start()
    desk.bench.switch_mode(checkout)
    desk.bench.pay(checkout)
    desk.deliver(last(desk, checkout))
    check("state", desk.top_up(checkout).state, TopUpState.QUARANTINED)
    check("credits", desk.credits(), 0)


def _w09_a_review_that_ends_well_credits_then(desk: GatewayDesk) -> None:
    _review(desk, good=True)


def _w09_a_review_that_ends_badly_credits_nothing(desk: GatewayDesk) -> None:
    _review(desk, good=False)


def _review(desk: GatewayDesk, *, good: bool) -> None:
    checkout = desk.start()
    desk.bench.review(checkout)
    desk.deliver_all(checkout)
    check("state", desk.top_up(checkout).state, TopUpState.PENDING)
    desk.clock.advance(days=2)
    found = desk.billing.top_ups.reconcile(desk.name)
    check("still pending", (found.pending, desk.credits()), (1, 0))
    desk.bench.decide(checkout, good=good)
    desk.billing.top_ups.reconcile(desk.name)
    desk.billing.top_ups.reconcile(desk.name)
    if good:
        credited(desk, checkout)
    else:
        wanted = {TopUpState.FAILED, TopUpState.EXPIRED}
        check("given up", desk.top_up(checkout).state in wanted, wanted=True)
        check("credits", desk.credits(), 0)


def _w11_an_unknown_event_is_kept_and_answered(desk: GatewayDesk) -> None:
    checkout = desk.start()
    receipt = desk.deliver(desk.bench.strange(checkout))
    check("answer", receipt.answer.status // 100, 2)
    check("events", desk.events().count("CallbackNotUnderstood"), 1)
    check("state", desk.top_up(checkout).state, TopUpState.OPEN)
    check("credits", desk.credits(), 0)


def _w13_a_failing_provider_leaves_everything_in_doubt(desk: GatewayDesk) -> None:
    needs(desk, retrieve=True)
    checkout = desk.start()
    desk.bench.pay(checkout)
    for fault in Fault:
        desk.bench.fail("retrieve", fault)
        found = desk.billing.top_ups.reconcile(desk.name)
        check(f"in doubt after {fault}", (len(found.in_doubt), found.credited), (1, 0))
    check("credits", desk.credits(), 0)
    check("afterwards", desk.billing.top_ups.reconcile(desk.name).credited, 1)
    credited(desk, checkout)


def _w13_a_create_that_fails_is_safe_to_repeat(desk: GatewayDesk) -> None:
    for fault in Fault:
        desk.bench.fail("create", fault)
        raises(GatewayError, desk.start, fault)
    checkout = desk.start()
    desk.bench.pay(checkout)
    desk.deliver(last(desk, checkout))
    credited(desk, checkout)


def _w14_a_crash_at_the_commit_is_resumed(desk: GatewayDesk) -> None:
    for number, moment in enumerate(("before", "after")):
        checkout = desk.start(key=moment)
        desk.bench.pay(checkout)
        callback = last(desk, checkout)
        desk.storage.fail_next = moment
        raises(StorageError, partial(desk.deliver, callback), f"a crash {moment}")
        check(f"credits after a crash {moment}", desk.credits(), number * 2)
        desk.deliver(callback)
        desk.deliver(callback)
        check("state", desk.top_up(checkout).state, TopUpState.CREDITED)
        check("credits", desk.credits(), number + 1)


def _declared_what_cannot_be_taken_is_refused_first(desk: GatewayDesk) -> None:
    can = desk.bench.gateway.capabilities
    if not can.minimum:
        raise SkipTest("the gateway has no minimum")
    too_little = from_units(to_units(can.minimum[0]) // 2, can.minimum[0].currency)
    raises(InvalidInput, lambda: desk.start(amount=too_little), "below the minimum")
    check("asked afterwards", desk.billing.top_ups.reconcile(desk.name).looked_at, 0)


def _declared_secrets_are_never_shown(desk: GatewayDesk) -> None:
    secrets = desk.bench.secrets
    if not secrets:
        raise SkipTest("the bench names no secrets")
    shown: list[object] = [desk.bench.gateway]
    with suppress(SkipTest):
        for fault in (Fault.SERVER_ERROR, Fault.HTML, Fault.LOST_ANSWER):
            desk.bench.fail("create", fault)
            shown.append(raises(GatewayError, desk.start, fault))
    checkout = desk.start()
    shown += [checkout, desk.top_up(checkout)]
    for name, callback in desk.bench.forged(checkout):
        shown.append(unheard(desk, callback, name))
    for one in shown:
        text = f"{one!r}\n{one}"
        if isinstance(one, Exception):
            text += "".join(traceback.format_exception(one))
        check(f"secrets in {type(one).__name__}", sum(secret in text for secret in secrets), 0)


def _declared_verbs_that_are_not_offered_say_so(desk: GatewayDesk) -> None:
    gateway, can = desk.bench.gateway, desk.bench.gateway.capabilities
    known = desk.top_up(desk.start()).reference
    if not can.retrieves:
        raises(InvalidInput, lambda: gateway.retrieve(known), "retrieve")
    if not can.refunds:
        raises(InvalidInput, lambda: gateway.refund(known, AMOUNT, key="r"), "refund")
    if not can.cancels:
        raises(InvalidInput, lambda: gateway.cancel(known), "cancel")


def _at_once(act: Callable[[], Any], threads: int) -> None:
    """Run ``act`` in threads that start together, and raise what one of them raised."""
    barrier, errors = threading.Barrier(threads), list[BaseException]()

    def run() -> None:
        barrier.wait()
        try:
            act()
        except BaseException as error:  # noqa: BLE001 - raised again in the case's thread
            errors.append(error)

    running = [threading.Thread(target=run) for _ in range(threads)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    if errors:
        raise errors[0]


GATEWAY_CASES: Final = tuple(
    GatewayCase(run.__name__[1:].partition("_")[0].upper(), f"test{run.__name__}", run)
    for run in (
        _w01_a_repeated_callback_credits_once,
        _w01_copies_at_once_credit_once,
        _w02_a_failure_before_and_after_a_success,
        _w02_a_success_before_the_checkout_is_stored,
        _w03_a_forged_callback_does_nothing,
        _w04_a_replay_a_day_later_credits_nothing,
        _w05_a_lost_callback_is_found_by_the_sweep,
        _w05_what_nobody_pays_expires_and_a_late_success_credits,
        _w06_callback_return_and_sweep_at_once_credit_once,
        _w07_a_lost_answer_to_create_opens_one_payment,
        _w07_a_crash_after_create_goes_on_with_one_payment,
        _w08_too_little_is_set_aside,
        _w08_a_surcharge_is_recorded_and_not_credited,
        _w08_a_payment_in_the_other_mode_is_set_aside,
        _w09_a_review_that_ends_well_credits_then,
        _w09_a_review_that_ends_badly_credits_nothing,
        *REVERSALS,
        _w11_an_unknown_event_is_kept_and_answered,
        _w13_a_failing_provider_leaves_everything_in_doubt,
        _w13_a_create_that_fails_is_safe_to_repeat,
        _w14_a_crash_at_the_commit_is_resumed,
        _declared_what_cannot_be_taken_is_refused_first,
        _declared_secrets_are_never_shown,
        _declared_verbs_that_are_not_offered_say_so,
    )
)
"""Every case; names begin with the row of the matrix."""


class GatewayConformance:
    """Run every case on one gateway: subclass it in a test module and give a bench.

    A case is a test method with the case's name. None may be overridden: what a provider does not
    have is said by its bench and its capabilities, so that nothing goes missing silently.
    """

    def bench(self, clock: KitClock) -> AbstractContextManager[GatewayBench]:
        """Open a fresh bench, whose gateway uses ``clock``."""
        raise NotImplementedError  # not abstract: pytest makes an instance of what it collects

    def storage(self) -> Storage | None:
        """Give a fresh storage, or None for the one in memory."""
        return None

    def test_no_case_is_overridden(self) -> None:
        """Every case of the kit is run as it is."""
        for case in GATEWAY_CASES:
            found = getattr(type(self), case.name)
            check(case.name, found, getattr(GatewayConformance, case.name))


def _method(case: GatewayCase) -> Callable[[GatewayConformance], None]:
    def test(self: GatewayConformance) -> None:
        clock = KitClock()
        with self.bench(clock) as bench:
            case.run(GatewayDesk(bench, clock, self.storage()))

    test.__name__ = case.name
    test.__doc__ = f"{case.name.removeprefix('test_').replace('_', ' ').capitalize()}."
    return test


for _case in GATEWAY_CASES:
    setattr(GatewayConformance, _case.name, _method(_case))
