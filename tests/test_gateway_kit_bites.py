"""The gateway kit bites: what is broken on purpose is caught by the case that is named."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any
from unittest import SkipTest

import attrs
import pytest

from monochat_billing.errors import BillingError, GatewayError, InvalidInput
from monochat_billing.gateways import Checkout, Payment, PaymentReference, PaymentStatus
from monochat_billing.money import Money
from monochat_billing.testing.fake_provider import Callback
from monochat_billing.testing.gateway_bench import GatewayBench, GatewayDesk, KitClock
from monochat_billing.testing.gateway_kit import GATEWAY_CASES, GatewayCase, GatewayConformance
from tests.gateway_benches import (
    API_KEY,
    SECRET,
    iyzico_bench,
    paytr_bench,
    sandbox_bench,
    stripe_bench,
)

Bench = Callable[[KitClock], AbstractContextManager[GatewayBench]]


class Broken:
    """Pass everything on to a good gateway; subclasses spoil one thing."""

    def __init__(self, good: Any) -> None:  # noqa: ANN401 - any gateway
        self.good = good

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the good one has
        return getattr(self.good, name)


class BelievesEverybody(Broken):
    """It reads callbacks whose signature does not fit."""

    def parse_callback(self, headers: Mapping[str, str], body: bytes) -> Payment:
        try:
            return self.good.parse_callback(headers, body)  # type: ignore[no-any-return]
        except InvalidInput:
            return Payment(
                gateway=self.good.name, top_up="kit1", payment="x", status=PaymentStatus.FAILED
            )


class ChecksNothing(Broken):
    """It takes whatever comes for a reason to ask about its last checkout."""

    def create(self, *args: Any) -> Any:  # noqa: ANN401 - as the good one
        self.opened = self.good.create(*args)
        return self.opened

    def parse_callback(self, headers: Mapping[str, str], body: bytes) -> Payment:
        return Payment(
            gateway=self.good.name,
            top_up=self.opened.top_up,
            checkout=self.opened.reference,
            payment="",
            status=PaymentStatus.OPEN,
        )


class Hopes(Broken):
    """It takes what is under review for paid."""

    def retrieve(self, reference: PaymentReference) -> Payment:
        found: Payment = self.good.retrieve(reference)
        if found.status is PaymentStatus.PENDING:
            return attrs.evolve(found, status=PaymentStatus.PAID)
        return found


class SwallowsFailures(Broken):
    """It takes a provider that fails for one that knows nothing."""

    def retrieve(self, reference: PaymentReference) -> Payment:
        try:
            return self.good.retrieve(reference)  # type: ignore[no-any-return]
        except GatewayError:
            return Payment(
                gateway=self.good.name,
                top_up=reference.top_up,
                payment="",
                status=PaymentStatus.OPEN,
            )


class KnowsNoModes(Broken):
    """It says of every payment what was ordered."""

    def parse_callback(self, headers: Mapping[str, str], body: bytes) -> Payment:
        found: Payment = self.good.parse_callback(headers, body)
        return attrs.evolve(found, mode=self.good.capabilities.mode)


class RoundsUp(Broken):
    """It says that what was ordered was paid."""

    def parse_callback(self, headers: Mapping[str, str], body: bytes) -> Payment:
        found: Payment = self.good.parse_callback(headers, body)
        if found.amount is None:
            return found
        paid = found.amount.amount
        return attrs.evolve(found, amount=type(found.amount)(paid + 1, found.amount.currency))


class RefusesNews(Broken):
    """It answers an unknown event with an error, so that the provider repeats it for days."""

    def parse_callback(self, headers: Mapping[str, str], body: bytes) -> Payment:
        found: Payment = self.good.parse_callback(headers, body)
        if found.status is PaymentStatus.OTHER:
            raise InvalidInput("callback.type", found.kind, "is unknown", "ignore it")
        return found


class Forgets(Broken):
    """It raises something of its own where the provider fails."""

    def create(self, *args: Any) -> Any:  # noqa: ANN401 - as the good one
        try:
            return self.good.create(*args)
        except GatewayError as error:
            raise InvalidInput("create", None, "failed", "try again") from error


class ShowsItself(Broken):
    """It prints what it was made of, the secret too."""

    def __repr__(self) -> str:
        return f"ShowsItself({SECRET!r})"


class QuotesItsTransport(Broken):
    """It leaves the error of its transport, with the address that was called, in the chain."""

    def create(self, *args: Any) -> Any:  # noqa: ANN401 - as the good one
        try:
            return self.good.create(*args)
        except GatewayError as error:
            cause = OSError(f"https://pay.example/?key={API_KEY}")
            raise GatewayError(error.gateway, error.operation, "failed") from cause


class CountsTwice(Broken):
    """It makes up a new payment for every callback."""

    def parse_callback(self, headers: Mapping[str, str], body: bytes) -> Payment:
        self.number = getattr(self, "number", 0) + 1
        found: Payment = self.good.parse_callback(headers, body)
        return attrs.evolve(found, payment=f"pay-{self.number}")


@pytest.mark.parametrize(
    ("broken", "open_bench", "case"),
    [
        (BelievesEverybody, sandbox_bench, "test_w03_a_forged_callback_does_nothing"),
        (BelievesEverybody, paytr_bench, "test_w03_a_forged_callback_does_nothing"),
        (Hopes, iyzico_bench, "test_w09_a_review_that_ends_badly_credits_nothing"),
        (Hopes, stripe_bench, "test_w09_a_review_that_ends_well_credits_then"),
        (SwallowsFailures, stripe_bench, "test_w13_a_failing_provider_leaves_everything_in_doubt"),
        (KnowsNoModes, paytr_bench, "test_w08_a_payment_in_the_other_mode_is_set_aside"),
        (RoundsUp, sandbox_bench, "test_w08_too_little_is_set_aside"),
        (RefusesNews, stripe_bench, "test_w11_an_unknown_event_is_kept_and_answered"),
        (Forgets, paytr_bench, "test_w13_a_create_that_fails_is_safe_to_repeat"),
        (CountsTwice, sandbox_bench, "test_w04_a_replay_a_day_later_credits_nothing"),
        (ShowsItself, sandbox_bench, "test_declared_secrets_are_never_shown"),
        (QuotesItsTransport, paytr_bench, "test_declared_secrets_are_never_shown"),
    ],
)
def test_a_broken_gateway_is_caught(broken: type[Broken], open_bench: Bench, case: str) -> None:
    """The good one passes the case, the broken one does not."""
    (chosen,) = (one for one in GATEWAY_CASES if one.name == case)
    with open_bench(KitClock()) as bench:
        chosen.run(GatewayDesk(bench, bench_clock(bench)))
    with open_bench(KitClock()) as bench:
        spoiled: Any = broken(bench.gateway)
        bench.gateway = spoiled
        with pytest.raises((AssertionError, BillingError)):
            chosen.run(GatewayDesk(bench, bench_clock(bench)))


def test_what_nobody_signs_may_be_answered_but_is_no_proof() -> None:
    """Where a bench says that nothing is signed, asking is enough, and believing is not."""
    (case,) = (one for one in GATEWAY_CASES if "w03" in one.name)
    for signs in (True, False):
        with stripe_bench(KitClock()) as bench:
            spoiled: Any = ChecksNothing(bench.gateway)
            bench.gateway, bench.signs = spoiled, signs
            with pytest.raises(AssertionError, match="ForgedCallback") if signs else nullcontext():
                case.run(GatewayDesk(bench, bench_clock(bench)))
    with sandbox_bench(KitClock()) as bench:
        bench.signs = False
        with pytest.raises(AssertionError, match="callback_is_proof: found True"):
            case.run(GatewayDesk(bench, bench_clock(bench)))


def bench_clock(bench: GatewayBench) -> KitClock:
    clock = getattr(bench, "clock", None) or getattr(bench.gateway, "clock", None)
    return clock if isinstance(clock, KitClock) else KitClock()


class TestTheKitItself:
    """Nothing goes missing silently."""

    def test_an_overridden_case_is_noticed(self) -> None:
        """A subclass cannot switch a case off by naming it."""

        class Quiet(GatewayConformance):
            def test_w14_a_crash_at_the_commit_is_resumed(self) -> None:
                """Say nothing."""

        with pytest.raises(AssertionError, match="w14"):
            Quiet().test_no_case_is_overridden()

    def test_a_bench_has_to_say_how_to_pay(self) -> None:
        """And what it leaves out is skipped with a reason."""
        with pytest.raises(TypeError, match=r"callbacks, forged(, and|,| and) pay"):
            GatewayBench()  # type: ignore[abstract]

        class Least(GatewayBench):
            def pay(self, checkout: Checkout, amount: Money | None = None) -> None: ...

            def callbacks(self, checkout: Checkout) -> Sequence[Callback]:
                return ()

            def forged(self, checkout: Checkout) -> Sequence[tuple[str, Callback]]:
                return ()

        empty = Least()
        page: Any = None
        for optional in (
            lambda: empty.decline(page),
            lambda: empty.review(page),
            lambda: empty.decide(page, good=True),
            lambda: empty.switch_mode(page),
            lambda: empty.strange(page),
            lambda: empty.fail("create", page),
            lambda: empty.payments_taken(page),
        ):
            with pytest.raises(SkipTest):
                optional()
        with pytest.raises(NotImplementedError):
            GatewayConformance().bench(KitClock())

    def test_every_row_of_the_matrix_has_its_cases(self) -> None:
        """Settlement files (W12) are no matter of a gateway."""
        rows = {case.row for case in GATEWAY_CASES} - {"DECLARED"}
        assert rows == {f"W{n:02}" for n in (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 14)}
        assert all(isinstance(case, GatewayCase) for case in GATEWAY_CASES)
