"""Branches: one account, several futures, and how they differ.

*Owns* where a future begins (an origin), what is done in it (a branch), and the comparison of what
each leaves behind.
*Does not own* the copy of the account (``forks``) or the run (``runs``).

Every branch starts from a copy of its own, so no branch touches the origin or another branch. The
same expected steps (usage, top-ups) happen in all of them, behind what the branch itself does.

>>> from datetime import UTC, timedelta
>>> from monochat_billing import MONTH, Billing, money, sample_catalog
>>> from monochat_billing.adapters.memory import MemoryStorage
>>> at = datetime(2027, 1, 1, tzinfo=UTC)
>>> billing = Billing(catalog=sample_catalog(), storage=MemoryStorage(), clock=lambda: at)
>>> account = billing.accounts.open("acme", zone="UTC", currencies=["TRY"])
>>> paid = billing.balances.credit("acme", money("50000", "TRY"), reason="opening", key="o")
>>> plan = billing.subscriptions.subscribe("acme", "growth", MONTH, key="s")
>>> compared = branch_out(
...     Origin.live(billing, "acme"), [DO_NOTHING, go_yearly("growth")],
...     until=at + timedelta(days=364),
... )
>>> for future in compared.futures:
...     print(f"{future.branch.name}: {future.cost('TRY').amount}")
do nothing: 16489
growth yearly: 13491
>>> print(compared.difference("do nothing", "growth yearly"))
first difference at 2027-01-01 00:00Z
> #4 2027-01-01 00:00Z PRORATION_CREDIT +1499 TRY → 50000 unused time of growth
> #5 2027-01-01 00:00Z PLAN_FEE -14990 TRY → 35010 growth per YEAR
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from fractions import Fraction
from typing import final

import attrs

from monochat_billing.accounts import require_account
from monochat_billing.adapters.memory import MemoryStorage
from monochat_billing.balance import Entry
from monochat_billing.errors import InvalidInput, UnknownName
from monochat_billing.instants import utc
from monochat_billing.money import Money, subtract
from monochat_billing.periods import YEAR
from monochat_billing.plans import AnyCatalog, ChangeTiming
from monochat_billing.rating import RateCards
from monochat_billing.repositories import Storage, Wanted
from monochat_billing.service import Billing
from monochat_billing.simulation.actions import Action, BuyPack, Change, ScheduleChange
from monochat_billing.simulation.forks import copy_account
from monochat_billing.simulation.frames import Frame
from monochat_billing.simulation.ledgers import Ledger
from monochat_billing.simulation.runs import Run, Simulation
from monochat_billing.simulation.scenarios import Scenario, SimulatedAccount, Step
from monochat_billing.texts import check_identity
from monochat_billing.wording import Words

__all__ = [
    "DO_NOTHING",
    "Branch",
    "Divergence",
    "Future",
    "Futures",
    "Origin",
    "at_renewal",
    "branch_out",
    "buy_pack",
    "go_yearly",
    "upgrade_today",
]


@final
@attrs.frozen(kw_only=True)
class Origin:
    """Say where futures begin: an account in a storage, at an instant, under a catalog.

    Build it with :meth:`live` or :meth:`simulated`.
    """

    account: str
    at: datetime
    storage: Storage = attrs.field(repr=False)
    catalog: AnyCatalog = attrs.field(repr=False)
    rates: RateCards | None = attrs.field(default=None, repr=False)

    @classmethod
    def live(cls, billing: Billing, account: str, at: datetime | None = None) -> "Origin":
        """Begin where a service stands, now or at an instant that lies ahead.

        The service's storage is read, in one consistent view, and never written.

        Raises:
            UnknownName: there is no such account.
            InvalidInput: ``at`` is naive, or before what the account has seen.
        """
        check_identity(account, "account")
        context = billing.context
        loaded = context.storage.read(lambda reader: reader.load([Wanted(account)])[account])
        seen = require_account(loaded.state, account).account.as_of
        start = max(context.now(), seen) if at is None else utc(at, field="at")
        if start < seen:
            raise InvalidInput(
                "at",
                start.isoformat(),
                f"is before what the account has seen, {seen.isoformat()}",
                "fork it now or later; of a simulation, use Origin.simulated",
            )
        return cls(
            account=account,
            at=start,
            storage=context.storage,
            catalog=context.catalog,
            rates=context.rates,
        )

    @classmethod
    def simulated(cls, run: Run, account: str, at: datetime) -> "Origin":
        """Begin where an account of a run stood at an instant.

        Raises:
            UnknownName: the run has no such account.
            InvalidInput: the instant is naive, or outside of the run's span.
        """
        alone = run.scenario.of(account)
        return cls.live(Simulation(alone).advance(at).billing, account)

    def copy(self) -> MemoryStorage:
        """Give the account in a storage of its own."""
        return copy_account(self.storage, self.account)


def _actions(value: Iterable[Action]) -> tuple[Action, ...]:
    return tuple(value)


@final
@attrs.frozen
class Branch:
    """Name a future and say what is done in it: at once, and later.

    ``steps`` are of the forked account, in the order of their instants.
    """

    name: str
    actions: tuple[Action, ...] = attrs.field(default=(), converter=_actions)
    steps: tuple[Step, ...] = ()


DO_NOTHING = Branch("do nothing")
"""The future in which nothing is done but what is expected anyway."""


def upgrade_today(to: str) -> Branch:
    """Change to a product at once, with proration as the catalog's rule says."""
    return Branch(f"{to} today", [Change(to, timing=ChangeTiming.IMMEDIATE)])


def at_renewal(to: str) -> Branch:
    """Plan a change to a product for the period's end."""
    return Branch(f"{to} at renewal", [ScheduleChange(to)])


def go_yearly(product: str) -> Branch:
    """Change what is held to yearly payment, when the catalog's rule says."""
    return Branch(f"{product} yearly", [Change(product, interval=YEAR)])


def buy_pack(pack: str, quantity: int = 1) -> Branch:
    """Buy a pack at once."""
    many = f"{quantity} x " if quantity > 1 else ""
    return Branch(f"buy {many}{pack}", [BuyPack(pack, quantity)])


@final
@attrs.frozen(kw_only=True)
class Divergence:
    """Show the first instant at which two futures differ, and what each posts there.

    An empty side posts nothing then.
    """

    at: datetime
    left: tuple[Entry, ...]
    right: tuple[Entry, ...]

    def explain(self) -> str:
        """Say it line by line: "<" is what only the left posts, ">" what only the right does."""
        lines = [f"first difference at {self.at:%Y-%m-%d %H:%MZ}"]
        lines += [f"< {one}" for one in self.left]
        lines += [f"> {one}" for one in self.right]
        return "\n".join(lines)

    def __str__(self) -> str:
        return self.explain()


@final
@attrs.frozen(kw_only=True)
class Future:
    """Hold one branch and what it leaves behind, counted from the fork on.

    ``forked`` is the number of the last entry that the origin had.
    """

    branch: Branch
    since: datetime
    forked: int
    run: Run = attrs.field(repr=False)

    @property
    def ledger(self) -> Ledger:
        """Give the account's ledger, its past included."""
        (ledger,) = self.run.ledgers.values()
        return ledger

    def cost(self, unit: str) -> Money:
        """Give what the branch costs in a currency from the fork on."""
        return self.ledger.cost(unit, self.since, self.forked)

    def paid_in(self, unit: str) -> Money:
        """Give what is paid in through gateways from the fork on."""
        return self.ledger.paid_in(unit, self.since, self.forked)

    @property
    def days_without_service(self) -> Fraction:
        """Give the days of 24 hours in which no plan serves the account."""
        return self.ledger.days_without_service(self.since)

    def facts(self) -> Iterator[Entry]:
        """Yield what was posted from the fork on, in the order of posting."""
        return (one for one in self.ledger.entries if one.number > self.forked)


@final
@attrs.frozen(kw_only=True)
class Futures:
    """Hold the futures of one account side by side; the first is what others are compared with."""

    account: str
    unit: str
    since: datetime
    until: datetime
    futures: tuple[Future, ...] = attrs.field(repr=False)

    def future(self, name: str) -> Future:
        """Give the future of that branch.

        Raises:
            UnknownName: no branch has that name.
        """
        for one in self.futures:
            if one.branch.name == name:
                return one
        names = ", ".join(one.branch.name for one in self.futures)
        raise UnknownName("branch", name, "was not run", f"use one of {names}")

    @property
    def cheapest(self) -> tuple[Future, ...]:
        """Give the futures with the least cost among those with the least time without service."""
        key = [(one.days_without_service, one.cost(self.unit).amount) for one in self.futures]
        return tuple([one for one, mine in zip(self.futures, key, strict=True) if mine == min(key)])

    def difference(self, left: str, right: str) -> Divergence | None:
        """Give the first difference between two futures; None where there is none.

        Entries are compared by instant, kind, unit, amount and reason, in the order of posting.

        Raises:
            UnknownName: no branch has one of these names.
        """
        return _divergence(list(self.future(left).facts()), list(self.future(right).facts()))

    def frame(self, locale: str = "en") -> Frame:
        """Give the futures as a table."""
        words = Words(locale)
        first = self.futures[0].cost(self.unit)
        rows = [
            (
                one.branch.name,
                one.cost(self.unit),
                subtract(one.cost(self.unit), first),
                one.paid_in(self.unit),
                one.ledger.state.books.balance(self.unit).value(
                    one.ledger.state.books.balance(self.unit).posted
                ),
                one.days_without_service,
                len(one.run.refusals),
            )
            for one in self.futures
        ]
        span = f"{words.short_day(self.since.date())} – {words.short_day(self.until.date())}"
        return Frame(
            (
                words.say("branch"),
                words.say("cost"),
                words.say("difference"),
                words.say("paid in"),
                words.say("balance"),
                words.say("days without service"),
                words.say("refused"),
            ),
            rows,
            title=f"{self.account}, {self.unit}, {span}",
            locale=locale,
        )

    def __str__(self) -> str:
        return str(self.frame())

    def _repr_html_(self) -> str:
        return self.frame()._repr_html_()


def branch_out(
    origin: Origin,
    branches: Sequence[Branch],
    *,
    until: datetime,
    expected: Iterable[Step] = (),
    unit: str | None = None,
) -> Futures:
    """Run every branch from the origin to ``until`` (inclusive), and give them side by side.

    ``expected`` are the steps that happen in all of them, such as usage and top-ups. Amounts are
    compared in ``unit``, the account's first currency where it is left out.

    Raises:
        InvalidInput: there is no branch, two have one name, or a step cannot be right: nothing
            has run then.
        UnknownName: a step names what the catalog does not know.
    """
    if not branches:
        raise InvalidInput("branches", (), "is empty", "pass at least one Branch")
    for one in branches:
        if not isinstance(one, Branch):
            raise InvalidInput("branches", one, "is no branch", 'pass Branch("name", [...])')
    names = [one.name for one in branches]
    if len(set(names)) != len(names):
        raise InvalidInput("branches", names, "has a name twice", "give each its own name")
    storage = origin.copy()
    loaded = storage.read(lambda reader: reader.load([Wanted(origin.account)]))
    state = require_account(loaded[origin.account].state, origin.account)
    account = state.account
    simulated = SimulatedAccount(id=account.id, zone=account.zone, currencies=account.currencies)
    steps = tuple(expected)
    scenarios: Mapping[str, Scenario] = {
        one.name: Scenario(
            catalog=origin.catalog,
            rates=origin.rates,
            start=origin.at,
            end=until,
            accounts=[simulated],
            steps=_joined(origin, one, steps),
        )
        for one in branches
    }
    return Futures(
        account=account.id,
        unit=unit or account.currencies[0],
        since=origin.at,
        until=utc(until, field="until"),
        futures=tuple(
            [
                Future(
                    branch=one,
                    since=origin.at,
                    forked=state.books.sequence,
                    run=_run(storage, origin, scenarios[one.name]),
                )
                for one in branches
            ]
        ),
    )


def _joined(origin: Origin, branch: Branch, expected: Sequence[Step]) -> list[Step]:
    at_once = [Step(origin.at, origin.account, action) for action in branch.actions]
    return [*at_once, *sorted((*branch.steps, *expected), key=lambda one: one.at)]


def _run(storage: Storage, origin: Origin, scenario: Scenario) -> Run:
    own = copy_account(storage, origin.account)
    return Simulation(scenario, storage=own, name=f"fork-{origin.at:%Y%m%d%H%M%S%f}").run()


def _divergence(left: Sequence[Entry], right: Sequence[Entry]) -> Divergence | None:
    """Find the first instant at which two sequences of entries differ; None where they do not."""
    place = 0
    while place < len(left) and place < len(right) and _fact(left[place]) == _fact(right[place]):
        place += 1
    rest = (*left[place : place + 1], *right[place : place + 1])
    if not rest:
        return None
    at = min(one.effective_at for one in rest)
    mine = [one for one in left[place:] if one.effective_at == at]
    theirs = [one for one in right[place:] if one.effective_at == at]
    shared = [_fact(one) for one in mine]
    others = [_fact(one) for one in theirs]
    return Divergence(
        at=at,
        left=tuple([one for one in mine if _fact(one) not in others]),
        right=tuple([one for one in theirs if _fact(one) not in shared]),
    )


def _fact(entry: Entry) -> tuple[object, ...]:
    return (entry.effective_at, entry.kind, entry.unit, entry.amount, entry.reason)
