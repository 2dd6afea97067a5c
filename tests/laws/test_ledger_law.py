"""The law of the ledger: every operation against a model, and what holds after each of them."""

import random
import sys
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from itertools import count
from typing import Any

import attrs
import pytest
from hypothesis import settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from monochat_billing import Billing, sample_catalog
from monochat_billing.adapters.memory import MemoryStorage
from monochat_billing.balance import (
    Balance,
    BalanceMove,
    Batch,
    DebitMode,
    EntryKind,
    Terms,
)
from monochat_billing.errors import BillingError, InvalidInput, Rejected
from monochat_billing.holds import Rest
from monochat_billing.lots import ChargeKind, LotOrigin
from monochat_billing.money import from_units
from monochat_billing.repositories import Reader, Wanted
from tests.desk import START, Clock
from tests.effort import one_in
from tests.laws.ledger_model import (
    LedgerModel,
    ModelHold,
    ModelLot,
    RefusedError,
    Row,
    pass_time,
)

HOUR = timedelta(hours=1)
CENT = 10_000
"""Amounts are whole kuruş, so that a transfer at a whole rate never has to round."""

CHARGES = (EntryKind.CHARGE, EntryKind.MESSAGE_FEE)
FOREVER = 60
Draw = Callable[[int], int]
"""Give a number from zero up to, and without, another."""


@attrs.define
class Duel:
    """One account in a service and in the model; every operation is done on both."""

    account: str
    billing: Billing
    storage: MemoryStorage
    clock: Clock
    draw: Draw
    rows: list[Row] = attrs.field(factory=list)
    models: dict[str, LedgerModel] = attrs.field(factory=dict)
    holds: list[tuple[str, str]] = attrs.field(factory=list)
    past: list[tuple[Callable[[], Any], Any]] = attrs.field(factory=list)
    seen: int = 0
    keys: Iterator[int] = attrs.field(factory=count)
    last: datetime = START

    def __attrs_post_init__(self) -> None:
        self.billing.accounts.open(self.account, zone="UTC", currencies=["TRY", "USD"])
        self.models = {unit: LedgerModel(unit, self.rows) for unit in ("TRY", "USD")}

    # choosing

    def some(self, *values: Any) -> Any:  # noqa: ANN401 - what it is given
        return values[self.draw(len(values))]

    def later(self) -> datetime | None:
        hours = self.draw(FOREVER)
        return self.clock.now + (hours + 1) * HOUR if hours < FOREVER // 2 else None

    def lira(self, cents: int, unit: str = "TRY") -> Any:  # noqa: ANN401 - money
        return from_units(cents * CENT, unit)

    # doing

    def both(
        self, ask: Callable[[str], Any], tell: Callable[[datetime], Any], *, free: bool = False
    ) -> Any:  # noqa: ANN401 - the result
        """Ask the service and tell the model; both agree whether it is refused.

        ``free`` operations may lower what is available below zero.
        """
        key = f"k{next(self.keys)}"
        before, low = self.snapshot(), self.lowest()
        refused = False
        try:
            tell(self.clock.now)
        except RefusedError:
            refused = True
        outcome = _outcome(lambda: ask(key))
        told = f"{self.account}: the model {'refuses' if refused else 'agrees'}, not so: {outcome}"
        assert refused is isinstance(outcome, BillingError), told
        if refused:
            assert self.snapshot() == before, "a refusal left something behind"
            if isinstance(outcome, Rejected):
                self.past.append((lambda: ask(key), outcome))
            return None
        self.past.append((lambda: ask(key), outcome))
        self.compare()
        if not free:
            for name, (was, now) in enumerate(zip(low, self.lowest(), strict=True)):
                assert now >= min(was, 0), (name, was, now)
        return outcome

    def step(self, action: int) -> None:
        """Do one of the things that can be done."""
        ACTIONS[action % len(ACTIONS)](self)

    def wait(self) -> None:
        self.clock.now += (1 + self.draw(24)) * HOUR
        pass_time(self.models.values(), self.last, self.clock.now)
        self.last = self.clock.now
        self.billing.run_due()
        self.compare()

    def credit(self) -> None:
        kinds = self.some(frozenset(), frozenset(), frozenset({"MESSAGE"}), frozenset({"OTHER"}))
        start = self.clock.now + self.some(0, 0, 0, 3, 9) * HOUR
        end, priority, units = self.later(), 1 + self.draw(3), 1 + self.draw(60)
        if end is not None and end <= start:
            return
        terms = Terms(
            origin=LotOrigin.PROMOTIONAL,
            pays_for=frozenset(map(ChargeKind, kinds)),
            effective_at=start,
            expires_at=end,
            priority=priority,
        )
        lot = ModelLot(0, 0, self.clock.now, start, end, kinds, priority)
        self.both(
            lambda key: self.billing.balances.credit(
                self.account, self.lira(units), reason="r", key=key, terms=terms
            ),
            lambda at: self.models["TRY"].credit("GRANT", units * CENT, at, lot),
        )

    def debit(self) -> None:
        kind, units = self.some(*CHARGES), 1 + self.draw(40)
        mode = self.some(DebitMode.WHOLE, DebitMode.WHOLE, DebitMode.PARTIAL, DebitMode.FORCED)
        self.both(
            lambda key: self.billing.balances.debit(
                self.account, self.lira(units), reason="r", key=key, mode=mode, kind=kind
            ),
            lambda at: self.models["TRY"].debit(
                kind.value, units * CENT, kind.pays_for.value, at, mode.value
            ),
            free=mode is DebitMode.FORCED,
        )

    def debit_many(self) -> None:
        kind = self.some(*CHARGES)
        batch = self.some(*Batch)
        items = [1 + self.draw(25) for _ in range(1 + self.draw(4))]

        def tell(at: datetime) -> None:
            model, before = self.models["TRY"], len(self.rows)
            for units in items:
                try:
                    model.debit(kind.value, units * CENT, kind.pays_for.value, at)
                except RefusedError:
                    if batch is Batch.PER_ITEM:
                        continue
                    for row in self.rows[before:]:
                        for lot, moved in row.parts:
                            if lot:
                                model.lots[lot].left -= moved
                    del self.rows[before:]
                    raise

        asked = [(self.lira(units), f"m-{at}") for at, units in enumerate(items)]
        self.both(
            lambda key: str(
                self.billing.balances.debit_many(
                    self.account, asked, reason="r", key=key, batch=batch, kind=kind
                )
            ),
            tell,
        )

    def adjust(self) -> None:
        units = self.draw(40) - 20 or 7
        at = self.clock.now
        lot = ModelLot(0, 0, at, at, None, frozenset(), 100)

        def tell(at: datetime) -> None:
            if units > 0:
                self.models["TRY"].credit("ADJUSTMENT", units * CENT, at, lot)
            else:
                self.models["TRY"].debit("ADJUSTMENT", -units * CENT, "OTHER", at)

        self.both(
            lambda key: self.billing.balances.adjust(
                self.account, self.lira(units), reason="r", key=key
            ),
            tell,
        )

    def transfer(self) -> None:
        units, rate = 1 + self.draw(30), self.some(1, 2, 3)
        here, there = self.some(("TRY", "USD"), ("USD", "TRY"))
        self.both(
            lambda key: self.billing.balances.transfer(
                self.account, self.lira(units, here), to=there, rate=rate, reason="r", key=key
            ),
            lambda at: self.models[here].transfer(units * CENT, rate, self.models[there], at),
        )

    def place(self) -> None:
        kind, units, end = self.some(*CHARGES), 1 + self.draw(40), self.later()
        name = f"h{len(self.past):06}"
        hold = self.both(
            lambda key: self.billing.holds.place(
                self.account, self.lira(units), reason="r", key=key, kind=kind, expires_at=end
            ),
            lambda at: self.models["TRY"].place(name, units * CENT, kind.pays_for.value, at, end),
        )
        if hold is not None:
            self.holds.append((hold.id, name))

    def extend(self) -> None:
        if not self.holds:
            return
        hold, name = self.some(*self.holds)
        units, end = self.draw(20), self.later()
        if not units and end is None:
            return
        more = self.lira(units) if units else None
        self.both(
            lambda key: self.billing.holds.extend(
                self.account, hold, key=key, more=more, expires_at=end
            ),
            lambda at: self.models["TRY"].extend(name, units * CENT, at, end),
        )

    def capture(self) -> None:
        if not self.holds:
            return
        hold, name = self.some(*self.holds)
        units, rest = self.draw(30), self.some(*Rest)
        found = self.models["TRY"].holds[name]
        kind = "MESSAGE_FEE" if found.kind == "MESSAGE" else "CHARGE"
        over = units * CENT > found.left
        self.both(
            lambda key: self.billing.holds.capture(
                self.account, hold, key=key, amount=self.lira(units) if units else None, rest=rest
            ),
            lambda at: self.models["TRY"].capture(name, units * CENT or None, kind, at, rest.value),
            free=over,
        )

    def release(self) -> None:
        if not self.holds:
            return
        hold, name = self.some(*self.holds)
        self.both(
            lambda key: self.billing.holds.release(self.account, hold, key=key),
            lambda at: self.models["TRY"].release(name, at),
            free=True,
        )

    def reverse(self) -> None:
        number, cents = 1 + self.draw(max(len(self.rows), 1)), self.draw(40)
        if number > len(self.rows):
            return
        unit = self.rows[number - 1].unit
        mode = self.some(*DebitMode)
        amount = self.lira(cents, unit) if cents else None
        self.both(
            lambda key: self.billing.balances.reverse(
                self.account, number, reason="r", key=key, amount=amount, mode=mode
            ),
            lambda at: self.models[unit].reverse(number, cents * CENT or None, at, mode.value),
            free=True,
        )

    def void(self) -> None:
        lots = [lot for model in self.models.values() for lot in model.lots]
        if not lots:
            return
        number = self.some(*lots)
        unit = self.rows[number - 1].unit
        self.both(
            lambda key: self.billing.balances.void(self.account, number, reason="r", key=key),
            lambda _: self.models[unit].void(number),
            free=True,
        )

    def limit(self) -> None:
        units = self.some(0, 0, 10, 30)
        model = self.models["TRY"]

        def tell(at: datetime) -> None:
            on_credit = sum(hold.credit for hold in model.holds.values())
            slack = units * CENT - on_credit - sum(owed for _, owed in model.debts())
            if units * CENT < model.limit and slack < 0:
                raise RefusedError
            model.limit = units * CENT

        self.both(
            lambda key: self.billing.balances.limit(self.account, self.lira(units), key=key), tell
        )

    def freeze(self) -> None:
        model = self.models["TRY"]
        action = self.some(BalanceMove.FREEZE, BalanceMove.UNFREEZE, BalanceMove.UNFREEZE)

        def tell(_: datetime) -> None:
            if model.frozen is (action is BalanceMove.FREEZE):
                raise RefusedError
            model.frozen = action is BalanceMove.FREEZE

        self.both(
            lambda key: self.billing.balances.move(self.account, "TRY", action, key=key),
            tell,
            free=True,
        )

    def replay(self) -> None:
        """Whatever was asked before is answered as before, and nothing happens."""
        if not self.past:
            return
        again, outcome = self.some(*self.past[-50:])
        before = self.snapshot()
        if isinstance(outcome, BillingError):
            with pytest.raises(type(outcome)) as caught:
                again()
            assert caught.value.args == outcome.args
        else:
            assert again() == outcome
        assert self.snapshot() == before

    # comparing

    def snapshot(self) -> object:
        def look(reader: Reader) -> object:
            state = reader.load([Wanted(self.account)])[self.account].state
            assert state is not None
            return state.books, state.holds, len(reader.events(self.account, limit=10**6))

        return self.storage.read(look)

    def lowest(self) -> list[int]:
        """Give what is available of each balance, whatever it is for."""
        return [self.balance(unit).available(None, self.clock.now) for unit in self.models]

    def balance(self, unit: str) -> Balance:
        loaded = self.storage.read(lambda reader: reader.load([Wanted(self.account)]))
        state = loaded[self.account].state
        assert state is not None
        return state.books.balance(unit)

    def compare(self) -> None:
        """Everything that the service has stored is what the model says, and sound in itself."""
        entries = self.storage.read(
            lambda reader: reader.entries(self.account, after=self.seen, limit=10_000)
        )
        told = [
            (one.number, one.unit, one.kind.value, list(one.parts), one.corrects) for one in entries
        ]
        said = [
            (number, row.unit, row.kind, row.parts, row.corrects)
            for number, row in enumerate(self.rows, 1)
            if number > self.seen
        ]
        assert told == said
        self.seen += len(entries)
        for unit, model in self.models.items():
            self._compare_balance(self.balance(unit), model)
        holds = self.storage.read(lambda reader: reader.holds(self.account))
        by_id = {hold.id: hold for hold in holds}
        for hold, name in self.holds:
            found, expected = by_id[hold], self.models["TRY"].holds[name]
            assert (found.state.value, found.left, dict(found.pins), found.on_credit) == told_of(
                expected
            )

    def _compare_balance(self, balance: Balance, model: LedgerModel) -> None:
        now = self.clock.now
        assert balance.posted == model.posted()
        assert balance.held == model.held() >= 0
        assert list(balance.debts) == model.debts()
        assert balance.posted == sum(lot.remaining for lot in balance.lots) - balance.owed
        assert {lot.number: (lot.remaining, lot.pinned) for lot in balance.lots} == {
            lot.number: (lot.left, model.pinned(lot.number))
            for lot in model.lots.values()
            if lot.left
        }
        for kind in ("MESSAGE", "OTHER", "PLAN"):
            assert balance.available(ChargeKind(kind), now) == model.available(kind, now)

    def finish(self) -> None:
        """Derive the books anew: they are sound."""
        audit = self.billing.verify(self.account)
        assert audit.sound, str(audit)


def _outcome(ask: Callable[[], Any]) -> Any:  # noqa: ANN401 - a result or a refusal
    try:
        return ask()
    except BillingError as error:
        return error


def told_of(hold: ModelHold) -> tuple[str, int, dict[int, int], int]:
    return hold.state, hold.left, dict(hold.pins), hold.credit


ACTIONS: tuple[Callable[[Duel], None], ...] = (
    Duel.wait,
    Duel.credit,
    Duel.credit,
    Duel.credit,
    Duel.debit,
    Duel.debit,
    Duel.debit,
    Duel.debit_many,
    Duel.adjust,
    Duel.transfer,
    Duel.place,
    Duel.place,
    Duel.extend,
    Duel.capture,
    Duel.capture,
    Duel.release,
    Duel.reverse,
    Duel.reverse,
    Duel.void,
    Duel.limit,
    Duel.freeze,
    Duel.replay,
)


def duels(draw: Draw, accounts: int) -> list[Duel]:
    """Open accounts beside each other in one service."""
    storage, clock, ids = MemoryStorage(), Clock(), count()
    billing = Billing(
        catalog=sample_catalog(), storage=storage, clock=clock, ids=lambda: f"id-{next(ids):06}"
    )
    return [Duel(f"a{at}", billing, storage, clock, draw) for at in range(accounts)]


class LedgerMachine(RuleBasedStateMachine):
    """Let Hypothesis choose what happens, and shrink what goes wrong."""

    def __init__(self) -> None:
        super().__init__()
        self.numbers: list[int] = []
        (self.duel,) = duels(self.next_number, 1)

    def next_number(self, below: int) -> int:
        return (self.numbers.pop() if self.numbers else 0) % below

    @rule(
        action=st.integers(0, len(ACTIONS) - 1),
        numbers=st.lists(st.integers(0, 59), min_size=4, max_size=8),
    )
    def act(self, action: int, numbers: list[int]) -> None:
        self.numbers = numbers
        self.duel.step(action)

    def teardown(self) -> None:
        self.duel.finish()


TestLedgerMachine = LedgerMachine.TestCase
TestLedgerMachine.settings = settings(one_in(4), stateful_step_count=40)


def play(seed: int, steps: int, accounts: int = 3) -> int:
    """Let a seed choose what happens on several accounts in turn; give the number of entries."""
    chance = random.Random(seed)
    table = duels(chance.randrange, accounts)
    for _ in range(steps):
        duel = chance.choice(table)
        if duel.clock.now != duel.last:  # somebody else's waiting has let time pass here, too
            pass_time(duel.models.values(), duel.last, duel.clock.now)
            duel.last = duel.clock.now
            duel.compare()
        duel.step(chance.randrange(len(ACTIONS)))
    for duel in table:
        duel.finish()
    return sum(len(duel.rows) for duel in table)


class TestInterleavings:
    """Accounts in one service do not disturb each other, in whatever order things happen."""

    @pytest.mark.parametrize("seed", range(6))
    def test_any_order(self, seed: int) -> None:
        assert play(seed, 250) > 50

    @pytest.mark.deep
    def test_a_hundred_thousand_steps(self, capsys: pytest.CaptureFixture[str]) -> None:
        """Print the seed of each part, so that one that fails can be played again."""
        first = random.SystemRandom().randrange(10**9)
        with capsys.disabled():
            # A worker's standard output belongs to its master, so this goes the other way.
            told = f"\nledger: 400 seeds of 250 steps from {first}"
            print(told, file=sys.stderr, flush=True)  # noqa: T201 - it is asked for
        for seed in range(first, first + 400):
            try:
                play(seed, 250)
            except AssertionError as error:
                raise AssertionError(f"play({seed}, 250)") from error


def test_a_mistake_is_not_remembered() -> None:
    """What can never be right is refused, and its key is free for what can."""
    (duel,) = duels(random.Random(1).randrange, 1)
    with pytest.raises(InvalidInput):
        duel.billing.balances.adjust("a0", duel.lira(0), reason="r", key="k")
    assert duel.billing.balances.adjust("a0", duel.lira(1), reason="r", key="k").amount == CENT
