"""Replays: an account's past lived again under other prices and rules, by the service itself.

*Owns* the comparison of two such lives: what each costs, by kind and reason, what was refused, and
how long no plan served.
*Does not own* what was asked (``pasts``), or the pricing of usage alone (``repricing``).

A catalog holds prices, allowances and limits, and the rules of changes, proration and dunning too,
so another policy is another catalog. Plan changes, packs and usage happen again at their instants,
with the money that came in then; ``extra`` money at the start shows what a past would have cost
that the money did not suffice for.

>>> from datetime import UTC, datetime, timedelta
>>> from monochat_billing import MONTH, money, sample_catalog
>>> from monochat_billing.simulation.actions import Credit, Subscribe
>>> from monochat_billing.simulation.scenarios import SimulatedAccount, Step
>>> at = datetime(2027, 1, 1, tzinfo=UTC)
>>> past = Past(
...     account=SimulatedAccount(id="acme", currencies=["TRY"]), since=at,
...     until=at + timedelta(days=45), steps=[
...         Step(at, "acme", Credit(money("5000", "TRY"))),
...         Step(at, "acme", Subscribe("growth", MONTH)),
...     ],
... )
>>> same = Tariff(sample_catalog())
>>> print(replay(past, same, same))
acme: 2,998.00 TRY → 2,998.00 TRY, no difference
"""

from collections.abc import Iterable, Mapping
from fractions import Fraction
from functools import partial
from typing import Any, final

import attrs

from monochat_billing.entry_words import kind_words, product_words, reason_words
from monochat_billing.money import Money, from_units, subtract
from monochat_billing.plans import AnyCatalog
from monochat_billing.rating import RateCards
from monochat_billing.simulation.actions import Credit
from monochat_billing.simulation.fleets import map_fleet
from monochat_billing.simulation.pasts import Past
from monochat_billing.simulation.repricing import Repricing
from monochat_billing.simulation.runs import Outcome, Run, simulate
from monochat_billing.simulation.scenarios import Step
from monochat_billing.wording import Words

__all__ = ["Replayed", "Tariff", "replay", "replay_fleet"]


@final
@attrs.frozen
class Tariff:
    """Say under what a past is lived: a catalog with its rules, and rate cards of messages."""

    catalog: AnyCatalog = attrs.field(repr=False)
    rates: RateCards | None = attrs.field(default=None, repr=False)


@final
@attrs.frozen(kw_only=True)
class Replayed:
    """Hold one account's past lived twice; ``left_out`` is what of it could not be asked again."""

    account: str
    unit: str
    before: Run = attrs.field(repr=False)
    after: Run = attrs.field(repr=False)
    left_out: Mapping[str, int] = attrs.field(factory=dict)

    @property
    def was(self) -> Money:
        """Give what it costs under the terms before."""
        return self.before.ledger(self.account).cost(self.unit)

    @property
    def now(self) -> Money:
        """Give what it costs under the terms after."""
        return self.after.ledger(self.account).cost(self.unit)

    @property
    def difference(self) -> Money:
        """Give what the account would have paid more; less is negative."""
        return subtract(self.now, self.was)

    @property
    def newly_refused(self) -> tuple[Outcome, ...]:
        """Give what is refused after, and was not before."""
        known = {one.step for one in self.before.refusals}
        return tuple([one for one in self.after.refusals if one.step not in known])

    def days_without_service(self) -> tuple[Fraction, Fraction]:
        """Give the days of 24 hours in which no plan serves, before and after."""
        both = (self.before, self.after)
        first, second = (one.ledger(self.account).days_without_service() for one in both)
        return first, second

    def reasons(self, locale: str = "en") -> tuple[str, ...]:
        """Say kind by kind what costs something else, then what is refused or stands still."""
        words = Words(locale)
        runs = (self.before, self.after)
        old, new = (_costs(one, self.account, self.unit, locale) for one in runs)
        nothing = from_units(0, self.unit)
        sums = [
            (name, old.get(name, nothing), new.get(name, nothing))
            for name in dict.fromkeys((*old, *new))
        ]
        found = [
            f"{name}: {words.money(was)} → {words.money(now)}"
            for name, was, now in sums
            if was != now
        ]
        if self.newly_refused:
            count = words.number(len(self.newly_refused))
            found.append(words.say("{count} requests are refused that were not", count=count))
        first, second = self.days_without_service()
        if first != second:
            found.append(
                words.say(
                    "days without service: {was} → {now}",
                    was=words.number(round(first)),
                    now=words.number(round(second)),
                )
            )
        return tuple(found)

    def explain(self, locale: str = "en") -> str:
        """Say both sums, and the reasons."""
        words = Words(locale)
        head = f"{self.account}: {words.money(self.was)} → {words.money(self.now)}"
        reasons = self.reasons(locale)
        if not reasons:
            return f"{head}, {words.say('no difference')}"
        return "\n".join([head, *reasons])

    def __str__(self) -> str:
        return self.explain()


def _costs(run: Run, account: str, unit: str, locale: str) -> dict[str, Money]:
    """Sum up what was taken by what it was for, in words."""
    words, ledger = Words(locale), run.ledger(account)
    found: dict[str, int] = {}
    for entry, _ in ledger.since(run.scenario.start):
        if entry.unit == unit:
            name_of = product_words(run.scenario.catalog, entry.effective_at, words)
            about = reason_words(entry, words, name_of)
            kind = kind_words(entry.kind, words)
            name = about if about.startswith(kind) else f"{kind}: {about}"
            found[name] = found.get(name, 0) - entry.amount
    scale = ledger.state.books.balance(unit).scale
    return {name: from_units(units, unit, scale) for name, units in found.items()}


def replay(
    past: Past,
    before: Tariff,
    after: Tariff,
    *,
    unit: str | None = None,
    extra: Money | None = None,
) -> Replayed:
    """Live one past under two terms; amounts are compared in ``unit``, its first currency if None.

    Raises:
        UnknownName: one of the catalogs does not know what was asked for: nothing has run then.
        InvalidInput: a step of the past cannot be right under one of the terms.
    """
    if extra is not None:
        opening = Step(past.since, past.account.id, Credit(extra, "extra"))
        past = attrs.evolve(past, steps=[opening, *past.steps])
    scenarios = [past.scenario(one.catalog, one.rates) for one in (before, after)]
    first, second = (simulate(one) for one in scenarios)
    return Replayed(
        account=past.account.id,
        unit=unit or past.account.currencies[0],
        before=first,
        after=second,
        left_out=past.left_out,
    )


def replay_fleet(
    pasts: Iterable[Past],
    before: Tariff,
    after: Tariff,
    *,
    unit: str | None = None,
    extra: Money | None = None,
    **how: Any,  # noqa: ANN401 - what map_fleet takes
) -> Repricing:
    """Live the pasts of a whole base under two terms; ``how`` is what ``map_fleet`` takes.

    Raises:
        UnknownName: as :func:`replay`.
        InvalidInput: as :func:`replay`.
    """
    return Repricing(
        lines=tuple(map_fleet(partial(_replayed, before, after, unit, extra), pasts, **how))
    )


def _replayed(
    before: Tariff, after: Tariff, unit: str | None, extra: Money | None, past: Past
) -> Replayed:
    return replay(past, before, after, unit=unit, extra=extra)
