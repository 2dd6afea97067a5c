"""The outbox shared: each event at least once, in order per account, by many workers."""

import threading
import uuid
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from monochat_billing import Billing, sample_catalog
from monochat_billing.adapters.memory import MemoryStorage
from monochat_billing.adapters.sql import SqlStorage
from monochat_billing.errors import IllegalTransition, InvalidInput, UnknownName
from monochat_billing.repositories import Storage
from monochat_billing.service.outbox import Delivery
from tests.desk import PROFILE, Clock
from tests.effort import one_in

LEASE = timedelta(minutes=5)


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Storage]:
    """Give an empty storage of each kind."""
    if request.param == "memory":
        yield MemoryStorage()
        return
    url = f"sqlite:///{tmp_path / 'books.db'}"
    if request.param == "postgres":
        url = request.getfixturevalue("postgres_url")
    with SqlStorage(url) as made:
        made.upgrade()
        yield made


@pytest.fixture
def billing(storage: Storage, clock: Clock) -> Billing:
    return Billing(catalog=sample_catalog(), storage=storage, clock=clock)


def open_accounts(billing: Billing, *names: str) -> None:
    for name in names:
        billing.accounts.open(name, zone="UTC", currencies=["TRY"])


def tell(billing: Billing, account: str, times: int = 1) -> None:
    """Make something happen that is an event."""
    for _ in range(times):
        billing.accounts.update_profile(account, PROFILE, key=uuid.uuid4().hex)


def numbers(deliveries: tuple[Delivery, ...]) -> dict[str, list[int]]:
    return {one.account: [event.number for event in one.events] for one in deliveries}


class TestDeliveries:
    """What a consumer gets."""

    def test_what_is_to_come_or_everything(self, billing: Billing) -> None:
        """A consumer begins with what comes, unless it wants all there is; and stays known."""
        open_accounts(billing, "a", "b")
        billing.outbox.subscribe("mail")
        billing.outbox.subscribe("audit", from_beginning=True)
        billing.outbox.subscribe("mail", from_beginning=True)
        assert billing.outbox.consumers() == ("audit", "mail")
        assert billing.outbox.claim("mail") == ()
        assert numbers(billing.outbox.claim("audit")) == {"a": [1], "b": [1]}
        tell(billing, "b")
        assert numbers(billing.outbox.claim("mail")) == {"b": [2]}

    def test_an_account_that_is_opened_later_is_heard_of(self, billing: Billing) -> None:
        billing.outbox.subscribe("mail")
        open_accounts(billing, "later")
        assert numbers(billing.outbox.claim("mail")) == {"later": [1]}

    def test_what_is_claimed_is_the_claimants_own(self, billing: Billing, clock: Clock) -> None:
        """Nobody else gets it before the lease ends, and then somebody does."""
        billing.outbox.subscribe("mail")
        open_accounts(billing, "a")
        (first,) = billing.outbox.claim("mail", lease=LEASE)
        tell(billing, "a")
        assert billing.outbox.claim("mail") == ()
        clock.now = first.leased_until
        (second,) = billing.outbox.claim("mail", lease=LEASE)
        assert [one.number for one in second.events] == [1, 2]
        with pytest.raises(IllegalTransition, match="delivery 'a to mail' is LOST"):
            billing.outbox.acknowledge(first)
        billing.outbox.acknowledge(second)
        assert billing.outbox.claim("mail") == ()

    def test_a_part_can_be_acknowledged(self, billing: Billing) -> None:
        """The rest comes again at once, in order."""
        billing.outbox.subscribe("mail")
        open_accounts(billing, "a")
        tell(billing, "a", 4)
        (first,) = billing.outbox.claim("mail", events=3)
        assert numbers((first,)) == {"a": [1, 2, 3]}
        billing.outbox.acknowledge(first, through=2)
        assert numbers(billing.outbox.claim("mail")) == {"a": [3, 4, 5]}

    def test_what_is_released_comes_again(self, billing: Billing) -> None:
        billing.outbox.subscribe("mail")
        open_accounts(billing, "a")
        (first,) = billing.outbox.claim("mail")
        billing.outbox.release(first)
        (again,) = billing.outbox.claim("mail")
        assert again.events == first.events
        with pytest.raises(IllegalTransition):
            billing.outbox.release(first)

    def test_consumers_do_not_know_each_other(self, billing: Billing) -> None:
        billing.outbox.subscribe("mail")
        billing.outbox.subscribe("audit")
        open_accounts(billing, "a")
        (delivery,) = billing.outbox.claim("mail")
        billing.outbox.acknowledge(delivery)
        assert numbers(billing.outbox.claim("audit")) == {"a": [1]}

    def test_who_has_left_is_forgotten(self, billing: Billing) -> None:
        billing.outbox.subscribe("mail")
        open_accounts(billing, "a")
        billing.outbox.unsubscribe("mail")
        billing.outbox.unsubscribe("mail")
        with pytest.raises(UnknownName, match="consumer: 'mail' has not been subscribed"):
            billing.outbox.claim("mail")
        billing.outbox.subscribe("mail")
        assert billing.outbox.claim("mail") == ()

    def test_what_cannot_be_is_refused(self, billing: Billing) -> None:
        billing.outbox.subscribe("mail")
        open_accounts(billing, "a")
        (delivery,) = billing.outbox.claim("mail")
        for wrong in ({"accounts": 0}, {"events": 1001}, {"lease": timedelta()}):
            with pytest.raises(InvalidInput):
                billing.outbox.claim("mail", **wrong)
        with pytest.raises(InvalidInput, match="through: 9 is not in the delivery"):
            billing.outbox.acknowledge(delivery, through=9)
        with pytest.raises(InvalidInput):
            billing.outbox.subscribe(" ")

    def test_what_did_not_happen_is_not_told(self, storage: Storage, billing: Billing) -> None:
        """A unit of work that fails leaves no delivery behind."""
        billing.outbox.subscribe("mail")
        open_accounts(billing, "a")
        (delivery,) = billing.outbox.claim("mail")
        billing.outbox.acknowledge(delivery)

        def fail(unit: object) -> None:
            within = billing.using(unit)
            tell(within, "a")
            raise LookupError

        with pytest.raises(LookupError):
            storage.write(fail)
        assert billing.outbox.claim("mail") == ()


class TestManyWorkers:
    """Workers of one consumer share what is ahead."""

    def test_each_event_is_delivered_once_and_in_order(self, billing: Billing) -> None:
        """Four workers, twenty accounts, a writer beside them: nothing lost, nothing twice."""
        billing.outbox.subscribe("mail")
        names = [f"a-{number:02d}" for number in range(20)]
        open_accounts(billing, *names)
        seen: dict[str, list[int]] = {name: [] for name in names}
        failures: list[BaseException] = []
        writing = threading.Event()

        def work() -> None:
            try:
                while True:
                    done = writing.is_set()
                    found = billing.outbox.claim("mail", accounts=3, events=2)
                    for one in found:
                        seen[one.account] += [event.number for event in one.events]
                        billing.outbox.acknowledge(one)
                    if done and not found:
                        return
            except BaseException as error:  # noqa: BLE001 - it is told to the test's own thread
                failures.append(error)

        workers = [threading.Thread(target=work) for _ in range(4)]
        for worker in workers:
            worker.start()
        for name in names * 2:
            tell(billing, name)
        writing.set()
        for worker in workers:
            worker.join()
        assert failures == []
        last = billing.outbox.claim("mail", accounts=20)
        for one in last:
            seen[one.account] += [event.number for event in one.events]
        assert seen == {name: [1, 2, 3] for name in names}


class TestAnyOrder:
    """Whatever workers do, every event is handled, in order, and none before its forerunner."""

    @one_in(2)
    @given(
        st.lists(
            st.tuples(
                st.sampled_from(["tell", "claim", "acknowledge", "release", "wait"]),
                st.sampled_from(["a", "b"]),
            ),
            max_size=30,
        )
    )
    def test_is_at_least_once_and_in_order(self, steps: list[tuple[str, str]]) -> None:
        workers = Workers()
        for step, account in steps:
            workers.do(step, account)
        workers.clock.advance(minutes=10)
        while found := workers.billing.outbox.claim("mail", lease=LEASE):
            for one in found:
                workers.acknowledge(one)
        events = workers.billing.events
        assert workers.handled == {name: len(events(name, limit=1000)) for name in ("a", "b")}


class Workers:
    """Claim, acknowledge, release and dawdle, and note what was handled."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.billing = Billing(catalog=sample_catalog(), storage=MemoryStorage(), clock=self.clock)
        self.billing.outbox.subscribe("mail")
        open_accounts(self.billing, "a", "b")
        self.held: list[Delivery] = []
        self.handled = {"a": 0, "b": 0}

    def do(self, step: str, account: str) -> None:
        if step == "tell":
            tell(self.billing, account)
        elif step == "claim":
            self.held += self.billing.outbox.claim("mail", accounts=1, lease=LEASE)
        elif step == "wait":
            self.clock.advance(minutes=3)
        elif self.held and step == "acknowledge":
            self.acknowledge(self.held.pop(0))
        elif self.held:
            self.release(self.held.pop(0))

    def acknowledge(self, one: Delivery) -> None:
        assert one.events[0].number <= self.handled[one.account] + 1
        try:
            self.billing.outbox.acknowledge(one)
        except IllegalTransition:
            assert one.leased_until <= self.clock.now
            return
        self.handled[one.account] = max(self.handled[one.account], one.through)

    def release(self, one: Delivery) -> None:
        if one.leased_until > self.clock.now:
            self.billing.outbox.release(one)
