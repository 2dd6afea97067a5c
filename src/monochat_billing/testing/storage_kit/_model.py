"""Cases: whatever is asked in whatever order, the storage does what memory and a model do."""

import random
from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final

import attrs
from hypothesis import seed, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from monochat_billing.adapters.memory import MemoryStorage
from monochat_billing.intervals import MONTH, YEAR
from monochat_billing.money import from_units
from monochat_billing.rating import MessageCategory, UsageRecord
from monochat_billing.repositories import Reader, Storage, Wanted
from monochat_billing.service import Billing
from monochat_billing.testing.storage_kit.bench import (
    StorageDesk,
    counted,
    everything,
    outcome_of,
)
from monochat_billing.testing.storage_kit.cases import Capability, CaseList, Tier, check
from monochat_billing.testing.storage_kit.values import START
from monochat_billing.usage_commands import UsageReport

CASES: Final = CaseList(Tier.MODEL)

PLAIN: Final = "plain"
RICH: Final = "rich"
_CENT: Final = 10_000
_STEPS: Final = 200
_PRODUCTS: Final = ("basic", "growth", "enterprise", "priority")


@attrs.define
class Tally:
    """Count what an account has that is only credited, debited and held: a model in ten lines."""

    posted: int = 0
    entries: int = 0
    holds: dict[str, int] = attrs.field(factory=dict)

    @property
    def held(self) -> int:
        return sum(self.holds.values())

    def move(self, units: int) -> bool:
        """Post an entry if the money is there."""
        if units < 0 and self.posted - self.held < -units:
            return False
        self.posted += units
        self.entries += 1
        return True

    def hold(self, name: str, units: int) -> bool:
        """Set money aside if it is there."""
        if self.posted - self.held < units:
            return False
        self.holds[name] = units
        return True

    def capture(self, name: str, units: int) -> None:
        """Take what was set aside."""
        self.holds[name] -= units
        self.posted -= units
        self.entries += 1


Draw = Callable[[int], int]
"""Give a number from zero up to, and without, another."""


class Match:
    """Play one sequence of requests on a storage, in memory and in the model."""

    def __init__(self, desk: StorageDesk, draw: Draw, name: str, storage: Storage) -> None:
        self._desk = desk
        self._draw = draw
        self._clock = desk.clock
        self._reference = MemoryStorage()
        self._storage = storage
        self._ids = [counted(name), counted(name)]
        self._build()
        self.plain, self.rich = f"{name}-{PLAIN}", f"{name}-{RICH}"
        self.model = Tally()
        self._keys = 0
        self._holds: dict[str, str] = {}
        self._scheduled: list[str] = []
        self._past: list[tuple[Callable[[Billing], Any], Any]] = []
        for account in (self.plain, self.rich):
            self.both(
                lambda billing: billing.accounts.open(
                    account,  # noqa: B023 - as above
                    zone="Europe/Istanbul",
                    currencies=["TRY", "USD"],
                )
            )

    def _build(self) -> None:
        self._sides = [
            self._desk.billing(storage, ids=ids)
            for storage, ids in zip((self._storage, self._reference), self._ids, strict=True)
        ]

    def some(self, *values: Any) -> Any:  # noqa: ANN401 - what it is given
        """Draw one of several."""
        return values[self._draw(len(values))]

    def both(self, act: Callable[[Billing], Any]) -> Any:  # noqa: ANN401 - the result
        """Ask the storage under test and memory the same; they have to say the same."""
        found, wanted = (outcome_of(lambda: act(side)) for side in self._sides)  # noqa: B023 - at once
        check("as memory answers", found, wanted)
        return found

    def asked(self, act: Callable[[Billing, str], Any]) -> Any:  # noqa: ANN401 - the result
        """Ask with a new key, and keep the request with its first answer."""
        self._keys += 1
        key = f"k-{self._keys}"
        found = self.both(lambda billing: act(billing, key))
        if not (isinstance(found, tuple) and found[0] in ("InvalidInput", "UnknownName")):
            self._past.append((lambda billing: act(billing, key), found))
        return found

    # requests that the model knows

    def credit(self) -> None:
        cents = 1 + self._draw(5_000)
        self.asked(
            lambda billing, key: billing.balances.credit(
                self.plain, from_units(cents * _CENT, "TRY"), reason="cash", key=key
            )
        )
        self.model.move(cents * _CENT)

    def debit(self) -> None:
        cents = 1 + self._draw(4_000)
        found = self.asked(
            lambda billing, key: billing.balances.debit(
                self.plain, from_units(cents * _CENT, "TRY"), reason="export", key=key
            )
        )
        check("refused", isinstance(found, tuple), not self.model.move(-cents * _CENT))

    def place(self) -> None:
        cents = 1 + self._draw(3_000)
        found = self.asked(
            lambda billing, key: billing.holds.place(
                self.plain, from_units(cents * _CENT, "TRY"), reason="batch", key=key
            )
        )
        name = f"h-{self._keys}"
        placed = self.model.hold(name, cents * _CENT)
        check("refused", isinstance(found, tuple), not placed)
        if placed:
            self._holds[name] = found.id

    def capture(self) -> None:
        if not self._holds:
            return
        name = self.some(*self._holds)
        hold = self._holds[name]
        units = min((1 + self._draw(1_000)) * _CENT, self.model.holds[name])
        self.asked(
            lambda billing, key: billing.holds.capture(
                self.plain, hold, amount=from_units(units, "TRY"), key=key
            )
        )
        self.model.capture(name, units)
        if not self.model.holds[name]:
            del self._holds[name], self.model.holds[name]

    def release(self) -> None:
        if not self._holds:
            return
        name = self.some(*self._holds)
        hold = self._holds[name]
        self.asked(lambda billing, key: billing.holds.release(self.plain, hold, key=key))
        del self._holds[name], self.model.holds[name]

    # requests that only memory is compared with

    def fund(self) -> None:
        cents, unit = 1 + self._draw(400_000), self.some("TRY", "TRY", "USD")
        self.asked(
            lambda billing, key: billing.balances.credit(
                self.rich, from_units(cents * _CENT, unit), reason="cash", key=key
            )
        )

    def spend(self) -> None:
        cents, unit = 1 + self._draw(60_000), self.some("TRY", "TRY", "USD")
        self.asked(
            lambda billing, key: billing.balances.debit(
                self.rich, from_units(cents * _CENT, unit), reason="export", key=key
            )
        )

    def subscribe(self) -> None:
        product, interval = self.some(*_PRODUCTS), self.some(MONTH, YEAR)
        self.asked(
            lambda billing, key: (
                billing.subscriptions.subscribe(self.rich, product, interval, key=key).product
            )
        )

    def change(self) -> None:
        product, interval = self.some(*_PRODUCTS), self.some(None, MONTH, YEAR)
        name = f"q-{self._keys}"
        quote = self.both(
            lambda billing: billing.subscriptions.preview(
                self.rich, to=product, interval=interval, key=name
            )
        )
        if not isinstance(quote, tuple):
            self.asked(lambda billing, _: billing.subscriptions.change(quote))

    def plan(self) -> None:
        product = self.some(*_PRODUCTS)
        found = self.asked(
            lambda billing, key: billing.schedule.change(self.rich, to=product, key=key)
        )
        if not isinstance(found, tuple):
            self._scheduled.append(found.id)

    def revoke(self) -> None:
        if self._scheduled:
            one = self.some(*self._scheduled)
            self.asked(lambda billing, key: billing.schedule.revoke(self.rich, one, key=key))

    def hold_until(self) -> None:
        hours = 1 + self._draw(100)
        end = max(self._clock.now, self._seen()) + timedelta(hours=hours)
        self.asked(
            lambda billing, key: billing.holds.place(
                self.rich, from_units(5_000_000, "TRY"), reason="batch", key=key, expires_at=end
            )
        )

    def _seen(self) -> Any:  # noqa: ANN401 - an instant
        return self._sides[1].accounts.get(self.rich).as_of

    def use(self) -> None:
        numbers = [self._draw(40) for _ in range(1 + self._draw(5))]
        records = [
            UsageRecord(
                id=f"wamid.{number}",
                meter="whatsapp.message",
                occurred_at=START,
                market="Turkey",
                category=MessageCategory.MARKETING,
            )
            for number in numbers
        ]
        self.both(lambda billing: _told(billing.usage.record(self.rich, records)))

    # time, repetition, and what is stored

    def wait(self) -> None:
        self._clock.now += timedelta(hours=self.some(1, 5, 24, 24 * 11))

    def set_back(self) -> None:
        self._clock.now -= timedelta(hours=1 + self._draw(30))

    def run_due(self) -> None:
        # The storage may hold accounts of other matches, so what it reports is its own affair.
        for side in self._sides:
            side.run_due()

    def again(self) -> None:
        if self._past:
            act, first = self.some(*self._past)
            check("the first answer", self.both(act), first)

    def reopen(self) -> None:
        if Capability.DURABLE in self._desk.bench.has and self._storage is self._desk.storage:
            self._storage = self._desk.reopen()
            self._build()

    def step(self, number: int) -> None:
        """Make one of the requests, and compare what can be seen at once."""
        ACTIONS[number % len(ACTIONS)](self)
        for account in (self.plain, self.rich):
            found, wanted = (
                _seen_at_once(storage, account) for storage in (self._storage, self._reference)
            )
            check("what is loaded", found, wanted)
        balance = self._storage.read(_plain_of(self.plain))
        check("as the model counts", balance, (self.model.posted, self.model.held))

    def finish(self) -> None:
        """Compare everything that is stored, and prove the books."""
        for account in (self.plain, self.rich):
            found = everything(self._storage, account)
            check("what is stored", found, everything(self._reference, account))
            check("differences", self._sides[0].verify(account).differences, ())
        entries = self._storage.read(lambda reader: reader.entries(self.plain, limit=10_000))
        check("entries", len(entries), self.model.entries)
        check("their sum", sum(entry.amount for entry in entries), self.model.posted)


def _told(report: UsageReport) -> tuple[Any, ...]:
    """Give what can be compared: a refusal equals only itself."""
    refused = [(name, type(error), error.args) for name, error in report.refused]
    return report.charged, report.free, report.repeated, report.amount, refused


def _seen_at_once(storage: Storage, account: str) -> tuple[Any, ...]:
    def work(reader: Reader) -> tuple[Any, ...]:
        state = reader.load([Wanted(account)])[account].state
        last = state.account.events if state else 0
        return (
            state,
            tuple(reader.last_entries(account, 4)),
            tuple(reader.events(account, after=max(last - 3, 0))),
        )

    return storage.read(work)


def _plain_of(account: str) -> Callable[[Reader], tuple[int, int]]:
    def work(reader: Reader) -> tuple[int, int]:
        state = reader.load([Wanted(account)])[account].state
        if state is None:
            raise AssertionError(f"{account} is gone")
        balance = state.books.balance("TRY")
        return balance.posted, balance.held

    return work


ACTIONS: Final[tuple[Callable[[Match], None], ...]] = (
    Match.credit,
    Match.credit,
    Match.debit,
    Match.debit,
    Match.place,
    Match.capture,
    Match.release,
    Match.fund,
    Match.fund,
    Match.spend,
    Match.subscribe,
    Match.change,
    Match.plan,
    Match.revoke,
    Match.hold_until,
    Match.use,
    Match.wait,
    Match.set_back,
    Match.run_due,
    Match.again,
    Match.again,
    Match.reopen,
)


@CASES.case()
def l01_any_sequence_agrees_with_memory_and_a_model(desk: StorageDesk) -> None:
    """Sequences that Hypothesis chooses, and shrinks, are answered as memory and a model do."""
    numbers = iter(range(10**9))

    class Machine(RuleBasedStateMachine):
        def __init__(self) -> None:
            super().__init__()
            self.drawn: list[int] = []
            self.match = Match(desk, self.draw, f"m{next(numbers)}", desk.storage)

        def draw(self, below: int) -> int:
            return (self.drawn.pop() if self.drawn else 0) % below

        @rule(
            action=st.integers(0, len(ACTIONS) - 1),
            drawn=st.lists(st.integers(0, 400_000), min_size=3, max_size=6),
        )
        def act(self, action: int, drawn: list[int]) -> None:
            self.drawn = drawn
            self.match.step(action)

        def teardown(self) -> None:
            self.match.finish()

    if desk.seed is not None:
        seed(desk.seed)(Machine)
    chosen = desk.chosen(8, stateful_step_count=20)
    run_state_machine_as_test(Machine, settings=chosen)


@CASES.case()
def l01_thousands_of_steps_agree_with_memory_and_a_model(desk: StorageDesk) -> None:
    """A long walk from a seed agrees after every step, and its books are sound at the end."""
    for part in range(2 * desk.effort):
        start = desk.chance.randrange(2**32)
        chance = random.Random(start)  # noqa: S311 - it draws requests, no secrets
        desk.clock.now = START
        match = Match(desk, chance.randrange, f"w{part}", desk.storage)
        try:
            for _ in range(_STEPS):
                match.step(chance.randrange(len(ACTIONS)))
            match.finish()
        except AssertionError as error:
            raise AssertionError(f"part {part}, seed {start}: {error}") from error
