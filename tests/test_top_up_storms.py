"""Callbacks, returns, polls, sweeps, refunds and disputes in any order, and all at once."""

import threading
from collections import defaultdict
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack, suppress
from pathlib import Path
from typing import Any
from unittest import SkipTest

import pytest
from hypothesis import settings, strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from monochat_billing.adapters.memory import MemoryStorage
from monochat_billing.adapters.sql import SqlStorage
from monochat_billing.balance import EntryKind
from monochat_billing.errors import (
    ForgedCallback,
    GatewayError,
    InvalidInput,
    Rejected,
    StorageError,
)
from monochat_billing.gateways import Checkout
from monochat_billing.money import Money, from_units, money, to_units
from monochat_billing.payments import TopUp, TopUpState
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
from monochat_billing.top_up_policies import RefundPolicy
from tests.gateway_benches import (
    bank_transfer_bench,
    iyzico_bench,
    paytr_bench,
    sandbox_bench,
    stripe_bench,
)

Bench = Callable[[KitClock], AbstractContextManager[GatewayBench]]
CREDITED = set(TopUpState) - {
    *("CREATED", "OPEN", "PENDING", "FAILED", "EXPIRED", "QUARANTINED"),
}
BENCHES: dict[str, Bench] = {
    "sandbox": sandbox_bench,
    "stripe": stripe_bench,
    "iyzico": iyzico_bench,
    "paytr": paytr_bench,
    "bank_transfer": bank_transfer_bench,
}


def zero_lira() -> Money:
    return money("0", "TRY")


class Storm(RuleBasedStateMachine):
    """Let a buyer, a provider, a network and a host act in any order on one top-up."""

    open_bench: Bench = staticmethod(sandbox_bench)

    def __init__(self) -> None:
        super().__init__()
        self.stack = ExitStack()
        self.clock = KitClock()
        self.bench = self.stack.enter_context(self.open_bench(self.clock))
        self.desk = GatewayDesk(self.bench, self.clock)
        self.paid = False
        self.checkout: Checkout | None = None
        self.acts = 0
        self.dispute = ""
        self.won = False

    @initialize()
    def start(self) -> None:
        self.checkout = self.desk.start()

    @property
    def page(self) -> Checkout:
        assert self.checkout is not None
        return self.checkout

    @rule()
    def start_again(self) -> None:
        assert self.desk.start().top_up == self.page.top_up

    @precondition(lambda self: not self.paid)
    @rule()
    def the_buyer_pays(self) -> None:
        self.bench.pay(self.page)
        self.paid = True

    @precondition(lambda self: not self.paid and self.bench.gateway.name != "bank_transfer")
    @rule()
    def the_bank_declines(self) -> None:
        self.bench.decline(self.page)

    @rule(data=st.data())
    def a_callback_arrives(self, data: st.DataObject) -> None:
        """Any of those sent so far, early or late, again or for the first time."""
        callbacks = self.bench.callbacks(self.page)
        if callbacks:
            chosen = data.draw(st.integers(0, len(callbacks) - 1))
            self.attempt(lambda: self.desk.deliver(callbacks[chosen]))

    @rule()
    def the_buyer_returns(self) -> None:
        if self.bench.gateway.capabilities.retrieves:
            self.attempt(lambda: self.desk.billing.top_ups.check(ACCOUNT, self.page.top_up))

    @rule()
    def the_sweep_runs(self) -> None:
        self.desk.billing.top_ups.reconcile(self.desk.name)

    @precondition(lambda self: self.bench.gateway.capabilities.retrieves)
    @rule(
        fault=st.sampled_from([Fault.LOST_ANSWER, Fault.SERVER_ERROR, Fault.HTML]),
        verb=st.sampled_from(["retrieve", "refund"]),
    )
    def the_provider_fails_once(self, fault: Fault, verb: str) -> None:
        self.bench.fail(verb, fault)

    @rule(kurus=st.integers(1, 30_000), by_force=st.booleans())
    def the_host_refunds(self, kurus: int, *, by_force: bool) -> None:
        """Part of it, at most what policy allows; a person settles what waits for one."""
        self.acts += 1
        policy = RefundPolicy.DEBT if by_force else RefundPolicy.UNSPENT
        amount = from_units(kurus, "TRY", 2)
        try:
            self.desk.billing.top_ups.refund(
                ACCOUNT, self.page.top_up, amount, key=f"refund {self.acts}", policy=policy
            )
        except (GatewayError, Rejected):
            return

    @rule(kurus=st.integers(1, 30_000))
    def the_host_spends(self, kurus: int) -> None:
        self.acts += 1
        amount = from_units(kurus, "TRY", 2)
        with suppress(Rejected):
            self.desk.billing.balances.debit(
                ACCOUNT, amount, reason="export", key=f"spend {self.acts}"
            )

    @precondition(lambda self: self.paid and self.desk.credits())
    @rule(kurus=st.integers(1, 5_000))
    def somebody_refunds_at_the_provider(self, kurus: int) -> None:
        with suppress(SkipTest):
            if to_units(self.told_back(), 2) + kurus <= to_units(AMOUNT, 2):
                self.bench.refund_outside(self.page, from_units(kurus, "TRY", 2))

    def told_back(self) -> Money:
        """Give what the provider has given back, or what is known here where it keeps no count."""
        try:
            return self.bench.given_back(self.page)
        except SkipTest:
            return self.outside_so_far()

    def outside_so_far(self) -> Money:
        back: dict[str, Money] = getattr(self.bench, "back", {})
        return back.get(self.page.top_up, zero_lira())

    @precondition(lambda self: self.paid and not self.dispute)
    @rule()
    def the_bank_disputes(self) -> None:
        with suppress(SkipTest):
            self.dispute = self.bench.dispute(self.page)

    @precondition(lambda self: self.dispute)
    @rule(won=st.booleans())
    def the_dispute_is_decided(self, *, won: bool) -> None:
        if not self.won:
            self.bench.close_dispute(self.page, self.dispute, won=won)
            self.won = won

    @rule(days=st.integers(0, 3))
    def time_passes(self, days: int) -> None:
        self.clock.advance(days=days, minutes=7)

    def attempt(self, act: Callable[[], Any]) -> bool:
        """Do it, and tell whether it went well; else the provider calls again."""
        try:
            act()
        except (GatewayError, ForgedCallback):
            return False
        return True

    @invariant()
    def never_two_credits(self) -> None:
        assert self.desk.credits() <= int(self.paid)

    def teardown(self) -> None:
        """Let the faults stop: whoever paid has one credit, whoever did not has none."""
        try:
            if self.checkout is not None:
                self.calm()
        finally:
            self.stack.close()

    def calm(self) -> None:
        top_ups = self.desk.billing.top_ups
        for callback in self.bench.callbacks(self.page):
            self.attempt(lambda one=callback: self.desk.deliver(one))  # type: ignore[misc]
        for _ in range(20):  # what is left of the script of faults
            if not top_ups.reconcile(self.desk.name).in_doubt:
                break
            self.clock.advance(minutes=11)
        self.clock.advance(minutes=11)
        top_ups.reconcile(self.desk.name)
        if self.bench.gateway.capabilities.retrieves:
            for _ in range(20):
                if self.attempt(lambda: top_ups.check(ACCOUNT, self.page.top_up)):
                    break
        for callback in self.bench.callbacks(self.page):
            self.attempt(lambda one=callback: self.desk.deliver(one))  # type: ignore[misc]
        assert self.desk.credits() == int(self.paid)
        top_up = self.desk.top_up(self.page)
        if top_up.under_way is not None:  # what no provider tells, a person settles
            done = to_units(self.told_back()) > to_units(top_up.given_back)
            top_ups.settle_refund(
                ACCOUNT, top_up.id, top_up.under_way.id, done=done, key="by hand at last"
            )
            top_up = self.desk.top_up(self.page)
        assert (top_up.entry is not None) is self.paid
        assert (top_up.state in CREDITED) is self.paid
        assert self.desk.billing.verify().sound
        self.money_is_conserved(top_up)

    def money_is_conserved(self, top_up: TopUp) -> None:
        """What was paid is there, was spent, went back, or was charged back; nothing else."""
        assert top_up.given_back <= AMOUNT
        sums = defaultdict[EntryKind, int](int)
        for entry in self.desk.storage.read(lambda reader: reader.entries(ACCOUNT, limit=10_000)):
            sums[entry.kind] += entry.amount
        assert sums[EntryKind.TOP_UP] == to_units(AMOUNT) * int(self.paid)
        assert -sums[EntryKind.REFUND] == to_units(top_up.given_back)
        taken = -sums[EntryKind.CHARGEBACK] - sums[EntryKind.REVERSAL]
        assert taken == to_units(top_up.taken_back)
        posted = sums[EntryKind.TOP_UP] + sums[EntryKind.REFUND] + sums[EntryKind.CHARGE] - taken
        assert posted == self.desk.posted()
        try:
            given_back = self.bench.given_back(self.page)
        except SkipTest:
            return
        assert top_up.given_back == given_back


@pytest.mark.parametrize("name", BENCHES)
def test_w02_w05_w06_w10_any_order_ends_with_one_credit(name: str) -> None:
    """A state machine over each provider's fake."""
    machine = type(f"{name}Storm", (Storm,), {"open_bench": staticmethod(BENCHES[name])})
    few = settings(max_examples=10, stateful_step_count=15, deadline=None)
    run_state_machine_as_test(machine, settings=few)


class TestAllAtOnce:
    """A hundred copies of one callback, as an eager provider's retries."""

    @pytest.mark.parametrize("name", BENCHES)
    def test_w01_a_hundred_copies_on_sqlite(self, name: str, tmp_path: Path) -> None:
        """One credit, and no copy is answered with an error."""
        with SqlStorage(f"sqlite:///{tmp_path / 'billing.db'}") as storage:
            self.storm(BENCHES[name], storage)

    @pytest.mark.parametrize("name", BENCHES)
    def test_w01_a_hundred_copies_on_postgresql(self, name: str, postgres_url: str) -> None:
        """The same, where copies meet at a server."""
        with SqlStorage(postgres_url) as storage:
            self.storm(BENCHES[name], storage)

    @pytest.mark.parametrize("name", BENCHES)
    def test_w01_a_hundred_copies_in_memory(self, name: str) -> None:
        """The same, on the reference."""
        self.storm(BENCHES[name], MemoryStorage())

    def storm(self, open_bench: Bench, storage: Storage) -> None:
        clock = KitClock()
        with open_bench(clock) as bench:
            desk = GatewayDesk(bench, clock, storage)
            checkout = desk.start()
            bench.pay(checkout)
            callback = bench.callbacks(checkout)[-1]
            barrier, wrong = threading.Barrier(20), list[BaseException]()

            def copies() -> None:
                barrier.wait()
                try:
                    for _ in range(5):
                        assert desk.deliver(callback).answer.status == 200
                except BaseException as error:  # noqa: BLE001 - shown by the assertion below
                    wrong.append(error)

            threads = [threading.Thread(target=copies) for _ in range(20)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert wrong == []
            assert desk.credits() == 1
            assert desk.top_up(checkout).state is TopUpState.CREDITED


class TestTheSweep:
    """It finds, gives up, and stops when there is nobody to ask."""

    def test_w13_a_provider_that_is_down_is_left_alone(self) -> None:
        """After three failures in a row the rest waits for the next sweep."""
        with stripe_bench(KitClock()) as bench:
            desk = GatewayDesk(bench, bench.clock)
            for number in range(5):
                desk.start(key=f"top-up-{number}")
            for _ in range(3):
                bench.fail("retrieve", Fault.SERVER_ERROR)
            found = desk.billing.top_ups.reconcile("stripe")
            assert (found.looked_at, len(found.in_doubt), found.stopped) == (3, 3, True)
            assert str(found).startswith("3 looked at: 0 credited, 0 open, ")
            assert desk.billing.top_ups.reconcile("stripe").still_open == 5

    def test_w05_it_pages_through_many(self, tmp_path: Path) -> None:
        """More than one page, on both storages, each top-up once."""
        with SqlStorage(f"sqlite:///{tmp_path / 'billing.db'}") as storage:
            for one in (MemoryStorage(), storage):
                clock = KitClock()
                with sandbox_bench(clock) as bench:
                    desk = GatewayDesk(bench, clock, one)
                    for number in range(103):
                        desk.start(key=f"top-up-{number}")
                    assert desk.billing.top_ups.reconcile("sandbox").still_open == 103
                    clock.advance(days=1)
                    assert desk.billing.top_ups.reconcile("sandbox").expired == 103
                    assert desk.billing.top_ups.reconcile("sandbox").looked_at == 0

    def test_a_gateway_that_cannot_be_asked_says_so(self) -> None:
        """For one top-up, a person is told why."""
        with sandbox_bench(KitClock()) as bench:
            desk = GatewayDesk(bench, KitClock())
            with pytest.raises(InvalidInput, match="offers no retrieve"):
                desk.billing.top_ups.check(ACCOUNT, desk.start().top_up)

    def test_w08_an_answer_about_another_top_up_is_no_answer(self) -> None:
        """However well it is signed."""
        with iyzico_bench(KitClock()) as bench:
            desk = GatewayDesk(bench, KitClock())
            first, second = desk.start(key="1"), desk.start(key="2")
            bench.pay(second)
            bench.fake.forms[first.reference] = {
                **bench.fake.forms[second.reference],
                "token": first.reference,
            }
            with pytest.raises(GatewayError, match="another top-up"):
                desk.billing.top_ups.check(ACCOUNT, first.top_up)
            assert desk.credits() == 0

    def test_w07_what_was_paid_before_the_checkout_was_stored_opens_no_second_page(self) -> None:
        """iyzico would open another form: it is asked first, by our own reference."""
        with iyzico_bench(KitClock()) as bench:
            desk = GatewayDesk(bench, KitClock())
            desk.storage.skip, desk.storage.fail_next = 1, "before"
            with pytest.raises(StorageError):
                desk.start()
            top_up = desk.billing.top_ups.get(ACCOUNT, desk.last_id)
            bench.pay(bench.gateway.create(top_up, BUYER))
            forms = len(bench.fake.forms)
            again = desk.start()
            assert again.redirect_url == top_up.return_url
            assert (len(bench.fake.forms), desk.credits()) == (forms, 1)

    def test_w11_a_callback_about_nothing_of_ours_names_nobody(self) -> None:
        """An account at a provider may be shared: the host answers 2xx and goes on."""
        with stripe_bench(KitClock()) as bench:
            desk = GatewayDesk(bench, bench.clock)
            callback = bench.fake.event("customer.created", {"id": "cus_1"})
            with pytest.raises(InvalidInput, match="was not started here"):
                desk.deliver(callback)
            assert desk.events() == ["AccountOpened"]
