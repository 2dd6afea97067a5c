"""Runs: a scenario on the real service, in memory, on a clock that moves.

*Owns* the stepping clock, ids that are the same in every run, the order of steps and due work, and
what a run leaves behind.
*Does not own* a single rule of billing: :class:`~monochat_billing.service.Billing` decides, as in
production.

A run of equal scenarios is equal, entry by entry and event by event; :meth:`Run.digest` says so in
one line.

>>> from datetime import UTC, timedelta
>>> from monochat_billing.intervals import MONTH
>>> from monochat_billing.money import money
>>> from monochat_billing.plans import sample_catalog
>>> from monochat_billing.simulation.actions import Credit, Subscribe
>>> from monochat_billing.simulation.scenarios import SimulatedAccount, Step
>>> start = datetime(2027, 1, 1, tzinfo=UTC)
>>> scenario = Scenario(
...     catalog=sample_catalog(), start=start, end=start + timedelta(days=364),
...     accounts=[SimulatedAccount(id="acme", currencies=["TRY"])],
...     steps=[
...         Step(start, "acme", Credit(money("20000", "TRY"))),
...         Step(start, "acme", Subscribe("growth", MONTH)),
...     ],
... )
>>> run = simulate(scenario)
>>> run.ledger("acme").cost("TRY")
Money('17988', 'TRY')
>>> simulate(scenario).digest() == run.digest()
True
>>> run.at(start + timedelta(days=45)).billing.balances.list("acme")["TRY"].posted
17002000000
"""

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, final

import attrs

from monochat_billing.accounts import AccountState, require_account
from monochat_billing.adapters.memory import MemoryStorage
from monochat_billing.balance import Entry
from monochat_billing.errors import InvalidInput, Rejected, UnknownName
from monochat_billing.events import Event
from monochat_billing.instants import utc
from monochat_billing.repositories import Reader, Storage, Wanted
from monochat_billing.service import Billing
from monochat_billing.simulation.actions import sandbox
from monochat_billing.simulation.ledgers import Ledger
from monochat_billing.simulation.scenarios import Scenario, Step

__all__ = ["Outcome", "Run", "SimulatedClock", "Simulation", "ledger_of", "simulate"]

_PAGE = 1000


@final
@attrs.define
class SimulatedClock:
    """Stand at an instant until it is moved; it never moves back."""

    at: datetime

    def __call__(self) -> datetime:
        """Give the instant."""
        return self.at

    def move(self, at: datetime) -> None:
        """Move on to ``at``.

        Raises:
            InvalidInput: that would be back.
        """
        if at < self.at:
            raise InvalidInput(
                "at", at.isoformat(), f"is before {self.at.isoformat()}", "move time forwards"
            )
        self.at = at


@final
@attrs.define
class _Ids:
    """Give ids that are the same in every run; the prefix keeps them apart from other runs."""

    prefix: str
    given: int = 0

    def __call__(self) -> str:
        self.given += 1
        return f"{self.prefix}-{self.given:06d}"


@final
@attrs.frozen
class Outcome:
    """Say what became of a step: what the service returned, or why it refused."""

    step: Step
    result: Any = None
    refusal: Rejected | InvalidInput | None = None

    @property
    def refused(self) -> bool:
        """Tell whether the service refused it, or a part of its records."""
        return self.refusal is not None or bool(getattr(self.result, "refused", ()))

    def __str__(self) -> str:
        return f"{self.step}: {'done' if self.refusal is None else self.refusal}"


@final
class Simulation:
    """Run a scenario step by step, with the service at hand wherever the clock stands.

    ``storage`` may hold accounts already, as a fork does; those that it lacks are opened at the
    start. ``name`` begins the ids that the simulation gives. :attr:`billing` is the service itself:
    ask it whatever production answers.
    """

    def __init__(
        self, scenario: Scenario, *, storage: Storage | None = None, name: str = "sim"
    ) -> None:
        self.scenario = scenario
        self.clock: SimulatedClock = SimulatedClock(scenario.start)
        self.storage: Storage = MemoryStorage() if storage is None else storage
        self._name = name
        self._place = 0
        self._outcomes: list[Outcome] = []
        self.billing: Billing = Billing(
            catalog=scenario.catalog,
            storage=self.storage,
            gateways=[sandbox()],
            rates=scenario.rates,
            clock=self.clock,
            ids=_Ids(name),
            group_commit=None,
        )
        self._next_tick = None if scenario.tick is None else scenario.start + scenario.tick
        for account in scenario.accounts:
            if not self._exists(account.id):
                self.billing.accounts.open(
                    account.id,
                    zone=account.zone,
                    currencies=account.currencies,
                    profile=account.profile,
                )

    def _exists(self, account: str) -> bool:
        loaded = self.storage.read(lambda reader: reader.load([Wanted(account)]))
        return loaded[account].state is not None

    @property
    def outcomes(self) -> Sequence[Outcome]:
        """Give what became of the steps so far, in their order."""
        return tuple(self._outcomes)

    def advance(self, until: datetime) -> "Simulation":
        """Let everything happen up to ``until`` (inclusive), and stop the clock there.

        Raises:
            InvalidInput: ``until`` is naive, behind the clock, or after the scenario's end.
        """
        until = utc(until, field="until")
        if until > self.scenario.end:
            raise InvalidInput(
                "until",
                until.isoformat(),
                f"is after the scenario's end, {self.scenario.end.isoformat()}",
                "let the scenario end later",
            )
        steps = self.scenario.steps
        while self._place < len(steps) and steps[self._place].at <= until:
            step = steps[self._place]
            self._let_pass(step.at, to_step=True)
            self._outcomes.append(self._perform(step))
            self._place += 1
        self._let_pass(until)
        return self

    def run(self) -> "Run":
        """Let everything happen, and give what it leaves behind."""
        self.advance(self.scenario.end)
        ledgers = self.storage.read(
            lambda reader: {
                one.id: ledger_of(reader, one.id, self.scenario.end)
                for one in self.scenario.accounts
            }
        )
        return Run(scenario=self.scenario, outcomes=self.outcomes, ledgers=ledgers)

    def _perform(self, step: Step) -> Outcome:
        key = f"{self._name}-step-{self._place + 1}"
        try:
            return Outcome(step, step.action.perform(self.billing, step.account, key))
        except (Rejected, InvalidInput) as refusal:  # what it names may be gone by then
            return Outcome(step, refusal=refusal)

    def _let_pass(self, until: datetime, *, to_step: bool = False) -> None:
        """Run due work as the host does, and leave the clock at ``until``.

        What falls due at the instant of a step is done by the step itself, which catches up first,
        as every command does; or after it, where the step is about another account.
        """
        if self.scenario.tick is None:
            while (due := self._next_due(until)) is not None:
                if to_step and due == until:
                    break
                self.clock.move(max(due, self.clock.at))
                self.billing.run_due()
        else:
            while self._next_tick is not None and self._next_tick <= until:
                self.clock.move(self._next_tick)
                self.billing.run_due()
                self._next_tick += self.scenario.tick
        self.clock.move(until)

    def _next_due(self, until: datetime) -> datetime | None:
        def look(reader: Reader) -> datetime | None:
            for account in reader.due(until, 1):
                state = require_account(reader.load([Wanted(account)])[account].state, account)
                return state.account.next_due_at
            return None

        return self.storage.read(look)


def _ledgers(value: Mapping[str, Ledger]) -> Mapping[str, Ledger]:
    return dict(value)


def _outcomes(value: Sequence[Outcome]) -> tuple[Outcome, ...]:
    return tuple(value)


@final
@attrs.frozen(kw_only=True)
class Run:
    """Hold what a simulation leaves behind: what became of each step, and each account's ledger."""

    scenario: Scenario = attrs.field(repr=False)
    outcomes: tuple[Outcome, ...] = attrs.field(converter=_outcomes, repr=False)
    ledgers: Mapping[str, Ledger] = attrs.field(converter=_ledgers)

    def ledger(self, account: str) -> Ledger:
        """Give the ledger of an account.

        Raises:
            UnknownName: the run has no such account.
        """
        try:
            return self.ledgers[account]
        except KeyError:
            raise UnknownName(
                "account", account, "is not in the run", f"use one of {', '.join(self.ledgers)}"
            ) from None

    @property
    def refusals(self) -> tuple[Outcome, ...]:
        """Give the steps that the service refused, whole or in part."""
        return tuple([one for one in self.outcomes if one.refused])

    def at(self, instant: datetime) -> Simulation:
        """Give the service as it was at ``instant`` (inclusive): the same run, stopped there.

        Raises:
            InvalidInput: the instant is naive, or outside of the scenario's span.
        """
        return Simulation(self.scenario).advance(instant)

    def digest(self) -> str:
        """Give one line that is equal for equal runs: a SHA-256 over all entries and events."""
        digest = hashlib.sha256()
        for account, ledger in sorted(self.ledgers.items()):
            for one in (account, *ledger.entries, *ledger.events):
                digest.update(repr(one).encode())
        return digest.hexdigest()


def simulate(scenario: Scenario) -> Run:
    """Run a whole scenario.

    What the service refuses, such as too little money, or a change of what is not held any more, is
    an outcome of the run and stops nothing: see :attr:`Run.refusals`.
    """
    return Simulation(scenario).run()


def ledger_of(reader: Reader, account: str, until: datetime) -> Ledger:
    """Read everything of an account that a ledger holds, as it is stored.

    Raises:
        UnknownName: there is no such account.
    """
    wanted = Wanted(account, ended=True)
    state: AccountState = require_account(reader.load([wanted])[account].state, account)
    entries: list[Entry] = []
    events: list[Event] = []
    last = 0
    while entry_page := reader.entries(account, after=last, limit=_PAGE):
        entries += entry_page
        last = entry_page[-1].number
    last = 0
    while event_page := reader.events(account, after=last, limit=_PAGE):
        events += [one.event for one in event_page]
        last = event_page[-1].number
    return Ledger(state=state, entries=tuple(entries), events=tuple(events), until=until)
