"""Scenarios: accounts and what happens to them, as data, checked before anything runs.

*Owns* the accounts, the steps in their order, the span, the catalog and the rates of a simulation,
and the refusal of what cannot be run.
*Does not own* running it (``runs``).

>>> from datetime import UTC, timedelta
>>> from monochat_billing.intervals import MONTH
>>> from monochat_billing.money import money
>>> from monochat_billing.plans import sample_catalog
>>> from monochat_billing.simulation.actions import Credit, Subscribe
>>> start = datetime(2027, 1, 1, tzinfo=UTC)
>>> scenario = Scenario(
...     catalog=sample_catalog(),
...     start=start,
...     end=start + timedelta(days=365),
...     accounts=[SimulatedAccount(id="acme", currencies=["TRY"])],
...     steps=[
...         Step(start, "acme", Credit(money("20000", "TRY"))),
...         Step(start, "acme", Subscribe("growth", MONTH)),
...     ],
... )
>>> print(scenario)
1 account, 2 steps, 2027-01-01 to 2028-01-01
"""

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Any, Final, TypeVar, final

import attrs

from monochat_billing.catalog_versions import CatalogVersions
from monochat_billing.errors import InvalidInput, UnknownName
from monochat_billing.instants import check_zone, utc
from monochat_billing.money import Money, check_currency
from monochat_billing.plans import AnyCatalog, Catalog
from monochat_billing.profiles import Address, BillingProfile, TaxId, TaxIdKind
from monochat_billing.rating import RateCards
from monochat_billing.simulation.actions import Action
from monochat_billing.texts import check_identity

__all__ = ["Scenario", "SimulatedAccount", "Step", "monthly"]

_MOST_MONTHS: Final = 1200
_SOMEBODY: Final = BillingProfile(
    business_name="Simulated Ltd.",
    address=Address(line="Street 1", city="Ankara", post_code="06420"),
    tax_id=TaxId(kind=TaxIdKind.VKN, number="6120606538", tax_office="Ankara"),
)


def _texts(value: Iterable[str]) -> tuple[str, ...]:
    return tuple(value)


@final
@attrs.frozen(kw_only=True)
class SimulatedAccount:
    """Describe an account that a scenario opens at its start.

    The profile says in which country it is, for tax; left out, it is that of an invented business
    in Turkey.

    Raises:
        InvalidInput: the id, the zone or a currency cannot be right, or there is no currency.
    """

    id: str
    currencies: tuple[str, ...] = attrs.field(converter=_texts)
    zone: str = "Europe/Istanbul"
    profile: BillingProfile = _SOMEBODY

    def __attrs_post_init__(self) -> None:
        check_identity(self.id, "account.id")
        check_zone(self.zone)
        if not self.currencies:
            raise InvalidInput("account.currencies", (), "is empty", 'pass ["TRY"]')
        for code in self.currencies:
            check_currency(code, field="account.currencies")


def _step_at(value: Any) -> datetime:  # noqa: ANN401 - utc refuses what is no instant
    return utc(value, field="step.at")


@final
@attrs.frozen
class Step:
    """Let one action happen to one account at an instant.

    Raises:
        InvalidInput: the instant is naive, or the action is none.
    """

    at: datetime = attrs.field(converter=_step_at)
    account: str
    action: Action

    def __attrs_post_init__(self) -> None:
        for verb in ("check", "perform"):
            if not callable(getattr(self.action, verb, None)):
                raise InvalidInput(
                    "step.action", self.action, "is no action", "pass Subscribe(...) or another"
                )

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%MZ} {self.account}: {self.action}"


def monthly(
    start: datetime, months: int, make: Callable[[int, datetime], Step]
) -> tuple[Step, ...]:
    """Make one step for each month: ``make(number, at)`` with the number from zero.

    The instants are calendar months from ``start``, clipped to a short month's end.

    Raises:
        InvalidInput: there are no months, or more than a hundred years.

    >>> from datetime import UTC
    >>> from monochat_billing.money import money
    >>> from monochat_billing.simulation.actions import TopUp
    >>> pay = lambda number, at: Step(at, "acme", TopUp(money("100", "TRY")))
    >>> [f"{one.at:%d.%m.}" for one in monthly(datetime(2027, 1, 31, tzinfo=UTC), 3, pay)]
    ['31.01.', '28.02.', '31.03.']
    """
    if type(months) is not int or not 1 <= months <= _MOST_MONTHS:
        raise InvalidInput("months", months, "is no count of months", f"pass 1 to {_MOST_MONTHS}")
    start = utc(start, field="start")
    return tuple([make(number, _month_after(start, number)) for number in range(months)])


def _month_after(start: datetime, number: int) -> datetime:
    month = start.month - 1 + number
    year, place = start.year + month // 12, month % 12 + 1
    for day in range(start.day, 27, -1):
        try:
            return start.replace(year=year, month=place, day=day)
        except ValueError:
            continue
    return start.replace(year=year, month=place)


def _accounts(value: Iterable[SimulatedAccount]) -> tuple[SimulatedAccount, ...]:
    return _all_of(SimulatedAccount, value, "scenario.accounts")


def _steps(value: Iterable[Step]) -> tuple[Step, ...]:
    return _all_of(Step, value, "scenario.steps")


_Of = TypeVar("_Of")


def _all_of(kind: type[_Of], value: Iterable[_Of], field: str) -> tuple[_Of, ...]:
    found = tuple(value)
    for place, one in enumerate(found):
        if not isinstance(one, kind):
            name = kind.__name__
            raise InvalidInput(f"{field}[{place}]", one, f"is no {name}", f"pass {name}(...)")
    return found


def _instant(value: Any) -> datetime:  # noqa: ANN401 - utc refuses what is no instant
    return utc(value, field="scenario")


@final
@attrs.frozen(kw_only=True)
class Scenario:
    """Say what is to be simulated in ``[start, end]``: the accounts and the steps of each.

    Steps stand in the order of their instants, and those of one instant happen in the order in
    which they stand. ``tick`` is how often due work is run by the host, beside the steps: None is
    an ideal host, which runs each thing due at its own instant; a timedelta runs it so often,
    counted from the start. Nothing but the instants at which entries are recorded depends on it.

    Raises:
        InvalidInput: time runs backwards, an account stands twice or a step's account not at all,
            or an action cannot be right; it is said which.
        UnknownName: a step names a product, a pack or a meter that the catalog does not know.
    """

    catalog: AnyCatalog
    start: datetime = attrs.field(converter=_instant)
    end: datetime = attrs.field(converter=_instant)
    accounts: tuple[SimulatedAccount, ...] = attrs.field(converter=_accounts)
    steps: tuple[Step, ...] = attrs.field(converter=_steps)
    rates: RateCards | None = None
    tick: timedelta | None = None

    def __attrs_post_init__(self) -> None:
        if self.end <= self.start:
            raise InvalidInput(
                "scenario.end",
                self.end.isoformat(),
                f"is not after the start, {self.start.isoformat()}",
                "let time run forwards",
            )
        if not isinstance(self.catalog, (Catalog, CatalogVersions)):
            raise InvalidInput("scenario.catalog", self.catalog, "is no catalog", "pass a Catalog")
        if self.tick is not None and not (
            isinstance(self.tick, timedelta) and self.tick > timedelta()
        ):
            raise InvalidInput("scenario.tick", self.tick, "is not ahead", "pass timedelta(days=1)")
        if not self.accounts:
            raise InvalidInput("scenario.accounts", (), "is empty", "pass at least one account")
        _check_steps(self)
        names = [one.id for one in self.accounts]
        if len(set(names)) != len(names):
            raise InvalidInput("scenario.accounts", names, "has an id twice", "keep one of them")

    def of(self, account: str) -> "Scenario":
        """Return the scenario of one account alone; no account knows another, so it runs alike.

        Raises:
            UnknownName: the scenario has no such account.
        """
        found = [one for one in self.accounts if one.id == account]
        if not found:
            raise UnknownName("account", account, "is not in the scenario", "use one of its own")
        steps = [one for one in self.steps if one.account == account]
        return attrs.evolve(self, accounts=found, steps=steps)

    def with_steps(self, steps: Iterable[Step]) -> "Scenario":
        """Return the scenario with more steps, each behind those of its instant."""
        joined = sorted((*self.steps, *steps), key=lambda one: one.at)
        return attrs.evolve(self, steps=joined)

    def under(self, catalog: AnyCatalog, rates: RateCards | None = None) -> "Scenario":
        """Return the scenario under another catalog, and under other rates where there are any."""
        return attrs.evolve(self, catalog=catalog, rates=rates or self.rates)

    def __str__(self) -> str:
        accounts = "1 account" if len(self.accounts) == 1 else f"{len(self.accounts)} accounts"
        return f"{accounts}, {len(self.steps)} steps, {self.start:%Y-%m-%d} to {self.end:%Y-%m-%d}"


def _check_currency(step: Step, account: SimulatedAccount, where: str) -> None:
    amount = getattr(step.action, "amount", None)
    code = amount.currency.code if isinstance(amount, Money) else None
    code = code or getattr(step.action, "currency", None)
    if code is not None and code not in account.currencies:
        raise InvalidInput(
            f"{where}.currency",
            code,
            f"is no balance of {account.id!r}",
            f"use one of {', '.join(account.currencies)}, or give the account that currency",
        )


def _check_steps(scenario: Scenario) -> None:
    """Refuse steps that cannot be run, naming the first of them."""
    accounts = {one.id: one for one in scenario.accounts}
    before = scenario.start
    for place, step in enumerate(scenario.steps):
        where = f"steps[{place}]"
        if step.at < before:
            raise InvalidInput(
                f"{where}.at",
                step.at.isoformat(),
                f"is before {before.isoformat()}: time does not run backwards",
                "put the steps in the order of their instants, within the span",
            )
        if step.at > scenario.end:
            raise InvalidInput(
                f"{where}.at",
                step.at.isoformat(),
                f"is after the scenario's end, {scenario.end.isoformat()}",
                "let the scenario end later",
            )
        if step.account not in accounts:
            raise InvalidInput(
                f"{where}.account", step.account, "is not in the scenario", "add the account"
            )
        before = step.at
        _check_currency(step, accounts[step.account], where)
        try:
            step.action.check(scenario.catalog, scenario.rates, step.at)
        except InvalidInput as error:
            named = f"{where}.{error.field}"
            kind = UnknownName if isinstance(error, UnknownName) else InvalidInput
            raise kind(named, error.value, error.problem, error.remedy) from None
