"""Repricing: recorded usage under another catalog or rate card, and who would pay more, and why.

*Owns* what is taken from an account's past, and the comparison of two prices of it, line by line.
*Does not own* the prices (``costs``).

The past is an account's recorded usage, month by local month, with the plan, the support package
and their intervals as they are held now. It is priced twice, under the terms of today and those
that are planned, as if they had held throughout; so nothing but the prices differs. Plan changes,
packs and other rules are lived again by ``replays``.

>>> from datetime import UTC
>>> from monochat_billing.plans import sample_catalog
>>> start = datetime(2027, 1, 1, tzinfo=UTC)
>>> today = CostTerms(sample_catalog(), "TRY", start)
>>> past = PastUsage("acme", Choice("growth"), UsageProfile.steady({"monochat.message": 12_000}))
>>> print(reprice(past, today, today).explain())
acme: 21,588.00 TRY → 21,588.00 TRY, no difference
"""

from collections.abc import Iterable, Iterator
from datetime import datetime
from functools import partial
from typing import Any, Final, Protocol, final

import attrs

from monochat_billing.errors import InvalidInput
from monochat_billing.money import DEFAULT_SCALE, Money, from_units, subtract, to_units, total
from monochat_billing.plans import Family
from monochat_billing.rating import RateCards, UsageRecord, rate
from monochat_billing.service import Billing
from monochat_billing.simulation.choices import Choice, Cost
from monochat_billing.simulation.costs import CostTerms
from monochat_billing.simulation.fleets import map_fleet
from monochat_billing.simulation.frames import Frame
from monochat_billing.simulation.profiles import UsageProfile
from monochat_billing.wording import Words

__all__ = ["PastUsage", "PricedTwice", "Repriced", "Repricing", "reprice", "reprice_fleet"]

_PAGE: Final = 1000


def _messages(value: Iterable[UsageRecord]) -> tuple[UsageRecord, ...]:
    return tuple(value)


@final
@attrs.frozen
class PastUsage:
    """Hold what an account used, and what it holds; ``messages`` have the provider's fee."""

    account: str
    choice: Choice
    profile: UsageProfile = attrs.field(repr=False)
    messages: tuple[UsageRecord, ...] = attrs.field(default=(), converter=_messages, repr=False)

    @classmethod
    def of(cls, billing: Billing, account: str, *, since: datetime, until: datetime) -> "PastUsage":
        """Read what an account used in ``[since, until)``, from whatever storage the service has.

        Raises:
            UnknownName: there is no such account.
            InvalidInput: it holds no plan, has used nothing, or used a part of a unit.
        """
        held = {one.family: one for one in billing.subscriptions.list(account)}
        plan, support = held.get(Family.PLAN), held.get(Family.SUPPORT)
        if plan is None:
            raise InvalidInput("account", account, "holds no plan", "leave it out")
        records = [
            one.record
            for one in billing.usage.records(account, since=since, until=until)
            if not one.replaced_by
        ]
        return cls(
            account,
            Choice(
                plan.product,
                plan.price.interval,
                None if support is None else support.product,
                plan.price.interval if support is None else support.price.interval,
            ),
            UsageProfile.of_records(records, zone=billing.accounts.get(account).zone),
            _between(billing, account, since, until),
        )


def _between(
    billing: Billing, account: str, since: datetime, until: datetime
) -> Iterator[UsageRecord]:
    after = 0
    while page := billing.usage.list(account, after=after, limit=_PAGE):
        after += len(page)
        yield from (one.record for one in page if since <= one.record.occurred_at < until)


@final
@attrs.frozen(kw_only=True)
class Repriced:
    """Hold one account's past under two terms, with the provider's fees where there are cards."""

    account: str
    before: Cost
    after: Cost
    fees: tuple[Money, Money] | None = None

    @property
    def was(self) -> Money:
        """Give what it costs under the terms before."""
        return self.before.total

    @property
    def now(self) -> Money:
        """Give what it costs under the terms after."""
        return self.after.total

    @property
    def difference(self) -> Money:
        """Give what the account would pay more; less is negative."""
        return subtract(self.now, self.was)

    def reasons(self, locale: str = "en") -> tuple[str, ...]:
        """Say line by line what costs something else, and what is in the way only now."""
        words = Words(locale)
        old, new = _by_name(self.before, locale), _by_name(self.after, locale)
        nothing = total([], self.before.total.currency)
        changed = [
            (what, old.get(what, nothing), new.get(what, nothing))
            for what in dict.fromkeys((*old, *new))
        ]
        if self.fees is not None:
            changed.append((words.say("provider's fees"), *self.fees))
        found = [
            f"{what}: {words.money(was)} → {words.money(now)}"
            for what, was, now in changed
            if was != now
        ]
        known = [one.name for one in self.before.obstacles]
        return (
            *found,
            *(one.explain(locale) for one in self.after.obstacles if one.name not in known),
        )

    def explain(self, locale: str = "en") -> str:
        """Say both sums, and the reasons."""
        words = Words(locale)
        sums = f"{words.money(self.before.total)} → {words.money(self.after.total)}"
        reasons = self.reasons(locale)
        head = f"{self.account}: {sums}"
        if not reasons:
            return f"{head}, {words.say('no difference')}"
        return "\n".join([head, *reasons])

    def __str__(self) -> str:
        return self.explain()


class PricedTwice(Protocol):
    """Offer one account's past under two terms: repriced, or lived again."""

    @property
    def account(self) -> str:
        """Name the account."""
        ...

    @property
    def was(self) -> Money:
        """Give what it costs under the terms before."""
        ...

    @property
    def now(self) -> Money:
        """Give what it costs under the terms after."""
        ...

    @property
    def difference(self) -> Money:
        """Give what the account would pay more."""
        ...

    def reasons(self, locale: str = "en") -> tuple[str, ...]:
        """Say why."""
        ...

    def explain(self, locale: str = "en") -> str:
        """Say both sums, and why."""
        ...


@final
@attrs.frozen(kw_only=True)
class Repricing:
    """Hold a whole base repriced: who pays more, who less, and the sum."""

    lines: tuple[PricedTwice, ...]

    @property
    def dearer(self) -> tuple[PricedTwice, ...]:
        """Give the accounts that would pay more, the largest difference first."""
        found = [one for one in self.lines if one.difference.amount > 0]
        return tuple(sorted(found, key=lambda one: -one.difference.amount))

    @property
    def cheaper(self) -> tuple[PricedTwice, ...]:
        """Give the accounts that would pay less, the largest difference first."""
        found = [one for one in self.lines if one.difference.amount < 0]
        return tuple(sorted(found, key=lambda one: one.difference.amount))

    @property
    def difference(self) -> Money:
        """Give what the whole base would pay more.

        Raises:
            InvalidInput: there is no account in it.
        """
        if not self.lines:
            raise InvalidInput("lines", (), "is empty", "reprice at least one account")
        first = self.lines[0].difference
        return total([one.difference for one in self.lines], first.currency)

    def frame(self, locale: str = "en") -> Frame:
        """Give the accounts as a table, those that pay more first, with the reason."""
        words = Words(locale)
        rows = [
            (
                one.account,
                one.was,
                one.now,
                one.difference,
                "; ".join(one.reasons(locale)),
            )
            for one in sorted(self.lines, key=lambda one: -one.difference.amount)
        ]
        heads = (
            words.say("account"),
            words.say("before"),
            words.say("after"),
            words.say("difference"),
            words.say("why"),
        )
        return Frame(heads, rows, locale=locale)

    def __str__(self) -> str:
        return str(self.frame())

    def _repr_html_(self) -> str:
        return self.frame()._repr_html_()


def reprice(past: PastUsage, before: CostTerms, after: CostTerms) -> Repriced:
    """Price one account's past under two terms.

    Raises:
        UnknownName: one of the catalogs does not sell what the account holds.
        InvalidInput: the terms are in two currencies, or a message has no rate.
    """
    if before.currency != after.currency:
        raise InvalidInput(
            "after.currency", after.currency, f"is not {before.currency}", "compare like with like"
        )
    fees = None
    if past.messages and before.rates is not None and after.rates is not None:
        fees = (
            _fees(past, before.rates, before.zone),
            _fees(past, after.rates, after.zone),
        )
    return Repriced(
        account=past.account,
        before=before.cost(past.choice, past.profile),
        after=after.cost(past.choice, past.profile),
        fees=fees,
    )


def _fees(past: PastUsage, cards: RateCards, zone: str) -> Money:
    units = sum(rate(one, cards, zone).units for one in past.messages)
    return from_units(units, cards.currency, DEFAULT_SCALE)


def reprice_fleet(
    pasts: Iterable[PastUsage],
    before: CostTerms,
    after: CostTerms,
    **how: Any,  # noqa: ANN401 - what map_fleet takes
) -> Repricing:
    """Price the past of a whole base under two terms; ``how`` is what ``map_fleet`` takes.

    Raises:
        InvalidInput: as :func:`reprice`.
        UnknownName: as :func:`reprice`.
    """
    lines = map_fleet(partial(_repriced, before, after), pasts, **how)
    return Repricing(lines=tuple(lines))


def _repriced(before: CostTerms, after: CostTerms, past: PastUsage) -> Repriced:
    return reprice(past, before, after)


def _by_name(cost: Cost, locale: str) -> dict[str, Money]:
    found: dict[str, int] = {}
    for line in cost.lines:
        name = line.name(locale)
        found[name] = found.get(name, 0) + to_units(line.amount)
    return {what: from_units(units, cost.total.currency) for what, units in found.items()}
