"""Costs: what one choice of products costs for one usage profile, line by line.

*Owns* the choice, and the closed form of what a year of billing adds up to.
*Does not own* any rate: prices, tax and overage come from the functions that bill
(:class:`~monochat_billing.meter_rates.MeterTerms`, :func:`~monochat_billing.charge_models.charge`),
so a cost here is what :class:`~monochat_billing.Billing` takes for the same usage, to the kuruş. A
test holds the two together.

The months of a profile are those of the subscription, counted from its start. Packs are bought at
the start. Prices are those in force at the start, as they are pinned for a subscriber.

>>> from monochat_billing.plans import sample_catalog
>>> terms = CostTerms(sample_catalog(), "TRY", datetime(2027, 1, 1, tzinfo=UTC))
>>> found = terms.cost(Choice("growth"), UsageProfile.steady({"monochat.message": 12_000}))
>>> print(found.explain())
growth, monthly: 21,588.00 TRY
12 x growth, monthly: 17,988.00 TRY
overage of monochat.message, 24,000 units: 3,600.00 TRY
"""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any, Final, final

import attrs

from monochat_billing import commands, plan_commands
from monochat_billing.accounts import AccountState
from monochat_billing.balance import PAID
from monochat_billing.charge_models import Graduated, charge
from monochat_billing.errors import InvalidInput
from monochat_billing.instants import utc
from monochat_billing.limits import LimitKind, check
from monochat_billing.meter_rates import MeterRate, MeterTerms
from monochat_billing.money import DEFAULT_SCALE, Money, as_fraction, from_units, to_units
from monochat_billing.periods import MONTH, BillingAnchor, BillingInterval
from monochat_billing.plans import AnyCatalog, Catalog, OneOff, Product
from monochat_billing.rating import RateCards, UsageRecord, rate
from monochat_billing.rollovers import Rollover
from monochat_billing.rounding import HALF_UP
from monochat_billing.simulation.profiles import UsageProfile
from monochat_billing.tax import Tax
from monochat_billing.tiers import Tier
from monochat_billing.wording import Words

__all__ = ["Choice", "Cost", "CostLine", "CostTerms", "Obstacle"]

_PLENTY: Final = 10**9
_FINE: Final = HALF_UP.at_scale(DEFAULT_SCALE)


def _packs(value: Iterable[tuple[str, int]]) -> tuple[tuple[str, int], ...]:
    return tuple([(str(pack), quantity) for pack, quantity in value])


@final
@attrs.frozen
class Choice:
    """Name what is chosen: a plan and how it is paid, a support package, packs and how many.

    >>> print(Choice("growth", packs=[("messages-5k", 2)]))
    growth MONTH, 2 x messages-5k
    """

    plan: str
    interval: BillingInterval = MONTH
    support: str | None = None
    support_interval: BillingInterval = MONTH
    packs: tuple[tuple[str, int], ...] = attrs.field(default=(), converter=_packs)

    def name(self, locale: str = "en") -> str:
        """Say it in words."""
        words = Words(locale)
        parts = [f"{self.plan}, {words.interval(self.interval)}"]
        if self.support is not None:
            parts.append(f"{self.support}, {words.interval(self.support_interval)}")
        parts += [f"{quantity} x {pack}" for pack, quantity in self.packs]
        return " + ".join(parts)

    def __str__(self) -> str:
        parts = [f"{self.plan} {self.interval}"]
        if self.support is not None:
            parts.append(f"{self.support} {self.support_interval}")
        return ", ".join([*parts, *(f"{quantity} x {pack}" for pack, quantity in self.packs)])


@final
@attrs.frozen
class CostLine:
    """Hold one part of a cost: of what, how many, and the amount with its tax."""

    what: str
    units: int
    amount: Money
    overage: bool = False
    interval: BillingInterval | None = None

    def name(self, locale: str = "en") -> str:
        """Say what it is the cost of."""
        often = "" if self.interval is None else f", {Words(locale).interval(self.interval)}"
        return f"{self.what}{often}"

    def explain(self, locale: str = "en") -> str:
        """Say it in one line."""
        words = Words(locale)
        amount = words.money(self.amount)
        if self.overage:
            return words.say(
                "overage of {meter}, {units} units: {amount}",
                meter=self.what,
                units=words.number(self.units),
                amount=amount,
            )
        return f"{words.number(self.units)} x {self.name(locale)}: {amount}"


@final
@attrs.frozen
class Obstacle:
    """Say why a choice cannot serve a profile: a hard limit, or units that no rate is for."""

    name: str
    most: int
    used: int

    def explain(self, locale: str = "en") -> str:
        """Say it in one sentence."""
        words = Words(locale)
        return words.say(
            "{name}: {used} needed, at most {most} possible",
            name=self.name,
            used=words.number(self.used),
            most=words.number(self.most),
        )

    def __str__(self) -> str:
        return self.explain()


@final
@attrs.frozen(kw_only=True)
class Cost:
    """Hold what a choice costs in all months of a profile, with tax, and what stands against it.

    ``months`` are the sums that fall into each month, ``fees`` what the provider takes for the
    messages, in the currency of its rate card; no choice changes that, so it is not in ``total``.
    A choice with ``obstacles`` is impossible, and its total is that of what it would serve.
    """

    choice: Choice
    total: Money
    lines: tuple[CostLine, ...]
    months: tuple[Money, ...]
    obstacles: tuple[Obstacle, ...] = ()
    fees: Money | None = None

    @property
    def possible(self) -> bool:
        """Tell whether the choice serves the profile."""
        return not self.obstacles

    @property
    def overage(self) -> int:
        """Give how many units are charged above what is prepaid."""
        return sum(one.units for one in self.lines if one.overage)

    def explain(self, locale: str = "en") -> str:
        """Say the sum, each part of it, and what stands against it, line by line."""
        words = Words(locale)
        lines = [f"{self.choice.name(locale)}: {words.money(self.total)}"]
        lines += [one.explain(locale) for one in self.lines]
        lines += [one.explain(locale) for one in self.obstacles]
        return "\n".join(lines)

    def __str__(self) -> str:
        return self.explain()


@final
class CostTerms:
    """Hold what costs depend on beside choice and usage, and what was worked out of it already.

    ``country`` is the buyer's, for tax; ``zone`` the one in which its days begin.
    """

    def __init__(
        self,
        catalog: AnyCatalog,
        currency: str,
        start: datetime,
        *,
        zone: str = "Europe/Istanbul",
        country: str = "TR",
        rates: RateCards | None = None,
    ) -> None:
        self.start = utc(start, field="start")
        self.catalog = catalog
        self.currency = currency
        self.zone = zone
        self.country = country
        self.rates = rates
        self._anchor = BillingAnchor.at(self.start, zone)
        self._now = catalog.at(self.start)
        self._months: list[datetime] = []
        self._grants: dict[tuple[str, str, int], _Granted | None] = {}
        self._bases: dict[tuple[Choice, int], tuple[tuple[CostLine, ...], tuple[int, ...]]] = {}
        self._terms: dict[tuple[str, BillingInterval], MeterTerms] = {}
        self._rates: dict[tuple[str, BillingInterval, str, int], _Rated] = {}

    @property
    def now(self) -> Catalog:
        """Give the catalog that is in force at the start."""
        return self._now

    def month(self, number: int) -> datetime:
        """Give the instant at which a month begins, counted from zero."""
        while len(self._months) <= number:
            self._months.append(self._anchor.bound(MONTH, len(self._months)))
        return self._months[number]

    def cost(self, choice: Choice, profile: UsageProfile) -> Cost:
        """Price a choice for a profile.

        Raises:
            UnknownName: the catalog has no such product, price, pack or meter.
            InvalidInput: usage is not offered, or a pack's quantity is none.
        """
        base, fixed = self._base(choice, len(profile.months))
        lines, months = list(base), list(fixed)
        obstacles: list[Obstacle] = []
        product = self.now.product(choice.plan)
        for meter in profile.meters:
            lines += self._metered(choice, profile, meter, months, obstacles)
        lines += self._limits(product, profile, months, obstacles)
        return Cost(
            choice=choice,
            total=self._money(sum(months)),
            lines=tuple(lines),
            months=tuple([self._money(one) for one in months]),
            obstacles=tuple(obstacles),
            fees=self.fees(profile),
        )

    def rate(self, choice: Choice, meter: str, month: int) -> MeterRate:
        """Give the rate by which usage of a meter in a month is billed under a choice.

        Raises:
            UnknownName: as :meth:`cost`.
        """
        return self.rated(choice, meter, month)[0]

    def rated(self, choice: Choice, meter: str, month: int) -> tuple[MeterRate, Tax | None]:
        """Give the rate of :meth:`rate`, and how such usage is taxed.

        Raises:
            UnknownName: as :meth:`cost`.
        """
        key = (choice.plan, choice.interval, meter, month)
        found = self._rates.get(key)
        if found is None:
            at, terms = self.month(month), self._meter_terms(choice)
            rate = terms.rate(meter, at, {})
            found = self._rates[key] = (rate, terms.tax(rate, at, DEFAULT_SCALE))
        return found

    def fees(self, profile: UsageProfile) -> Money | None:
        """Sum what the provider takes for the messages of all months; None without a rate card."""
        if self.rates is None:
            return None
        units = 0
        for number in range(len(profile.months)):
            for (category, market), messages in profile.messages.items():
                record = UsageRecord(
                    id="m",
                    meter=self.rates.meter,
                    occurred_at=self.month(number),
                    market=market,
                    category=category,
                )
                units += messages * rate(record, self.rates, self.zone).units
        return from_units(units, self.rates.currency, DEFAULT_SCALE)

    def _money(self, units: int) -> Money:
        return from_units(units, self.currency, DEFAULT_SCALE)

    def _meter_terms(self, choice: Choice) -> MeterTerms:
        key = (choice.plan, choice.interval)
        found = self._terms.get(key)
        if found is None:
            state = self._subscribed(choice)
            found = self._terms[key] = MeterTerms(
                subscriptions=tuple(state.subscriptions.values()),
                catalog=self.catalog,
                zone=self.zone,
                currency=self.currency,
                country=self.country,
            )
        return found

    def _subscribed(self, choice: Choice) -> AccountState:
        """Subscribe an account that can pay, by the command that does it in production."""
        state = commands.open_account(
            account="any",
            zone=self.zone,
            currencies=[self.currency],
            profile=None,
            now=self.start,
        ).state
        state = commands.grant(
            state, self._money(_PLENTY * 10**DEFAULT_SCALE), terms=PAID, reason="-", now=self.start
        ).state
        return plan_commands.subscribe(
            state,
            self.catalog,
            subscription_id="plan",
            product=choice.plan,
            interval=choice.interval,
            currency=self.currency,
            actor="",
            now=self.start,
            trial=False,
        ).state

    # what does not depend on usage

    def _base(self, choice: Choice, length: int) -> tuple[tuple[CostLine, ...], tuple[int, ...]]:
        found = self._bases.get((choice, length))
        if found is None:
            months = [0] * length
            lines = tuple(self._fixed(choice, months))
            found = self._bases[choice, length] = (lines, tuple(months))
        return found

    def _fixed(self, choice: Choice, months: list[int]) -> Iterable[CostLine]:
        yield from self._subscription(choice.plan, choice.interval, months)
        if choice.support is not None:
            yield from self._subscription(choice.support, choice.support_interval, months)
        for pack, quantity in choice.packs:
            one_off = self.now.one_off(pack)
            if type(quantity) is not int or quantity < 1:
                raise InvalidInput("packs", quantity, "is no quantity", "pass 1 or more")
            price = one_off.price(self.currency, self.start)
            tax = self.now.tax_for(price, self.country, self.start)
            amount = price.times(quantity)
            gross = amount if tax is None else tax.on(amount).gross
            months[0] += to_units(gross)
            yield CostLine(pack, quantity, gross)

    def _subscription(
        self, name: str, interval: BillingInterval, months: list[int]
    ) -> Iterable[CostLine]:
        product = self.now.product(name)
        price = product.price(interval, self.currency, self.start)
        tax = self.now.tax_for(price, self.country, self.start)
        gross = price.amount if tax is None or price.free else tax.on(price.amount).gross
        end = self.month(len(months))
        periods = 0
        while (at := self._anchor.bound(interval, periods)) < end:
            months[self._place(at, len(months))] += to_units(gross)
            periods += 1
        amount = self._money(to_units(gross) * periods)
        yield CostLine(name, periods, amount, interval=interval)

    def _place(self, at: datetime, months: int) -> int:
        return next(one for one in range(months) if self.month(one + 1) > at)

    # what does

    def _metered(
        self,
        choice: Choice,
        profile: UsageProfile,
        meter: str,
        months: list[int],
        obstacles: list[Obstacle],
    ) -> Iterable[CostLine]:
        above = self.above(choice, [month.get(meter, 0) for month in profile.months], meter)
        refused = total = taken = 0
        counted: dict[str, int] = {}
        charged: dict[str, int] = {}
        for number, units in enumerate(above):
            if not units:
                continue
            rate, tax = self.rated(choice, meter, number)
            if rate.model is None:
                refused += units
                continue
            name = rate.counter
            counted[name] = counted.get(name, 0) + units
            cost = self._gross(rate, tax, counted[name])
            months[number] += cost - charged.get(name, 0)
            taken += cost - charged.get(name, 0)
            charged[name] = cost
            total += units
        if refused:
            used = profile.total(meter)
            obstacles.append(Obstacle(meter, used - refused, used))
        if total:
            yield CostLine(meter, total, self._money(taken), overage=True)

    def _gross(self, rate: MeterRate, tax: Tax | None, units: int) -> int:
        """Charge a counter's whole, with its tax, in the balance's smallest unit."""
        if rate.model is None:
            raise AssertionError(rate.card)
        found = charge(
            rate.model, units, currency=rate.currency, rounding=rate.rounding, source=rate.card
        ).money
        return to_units(found if tax is None or not found.amount else tax.on(found).gross)

    def above(
        self,
        choice: Choice,
        used: Iterable[Any],
        meter: str,
        least: Callable[[Any, Any], Any] = min,
    ) -> list[Any]:
        """Give, month by month, the units that neither the allowance nor a pack pays for.

        Units burn as lots do: what expires first goes first. ``least`` is how the lesser of two
        quantities is found, for who counts in something else than numbers.
        """
        pools = self._pools(choice, meter)
        rest = []
        for number, wanted in enumerate(used):
            at, missing = self.month(number), wanted
            self._grant(choice, meter, number, pools, least)
            for pool in sorted(pools, key=lambda one: one.expires_at):
                if at < pool.expires_at:
                    burned = least(missing, pool.left)
                    pool.left = pool.left - burned
                    missing = missing - burned
            rest.append(missing)
        return rest

    def _pools(self, choice: Choice, meter: str) -> list["_Pool"]:
        found = []
        for pack, quantity in choice.packs:
            one_off = self.now.one_off(pack)
            if one_off.grant is not None and one_off.grant.meter == meter:
                found.append(_Pool(one_off.grant.units * quantity, self._until(one_off)))
        return found

    def _until(self, one_off: OneOff) -> datetime:
        valid = None if one_off.grant is None else one_off.grant.valid_for
        return _NEVER if valid is None else self._anchor.bound(valid, 1)

    def _grant(
        self,
        choice: Choice,
        meter: str,
        number: int,
        pools: list["_Pool"],
        least: Callable[[Any, Any], Any],
    ) -> None:
        """Bring the units of an allowance whose period begins in this month."""
        granted = self._granted(choice, meter, number)
        if granted is None:
            return
        carried: Any = 0
        for pool in [one for one in pools if one.allowance]:
            carried = _carried(pool.left, granted.rollover, least)
            pools.remove(pool)
        pools.append(_Pool(carried + granted.units, granted.until, allowance=True))

    def _granted(self, choice: Choice, meter: str, number: int) -> "_Granted | None":
        key = (choice.plan, meter, number)
        if key not in self._grants:
            self._grants[key] = self._grant_of(choice.plan, meter, number)
        return self._grants[key]

    def _grant_of(self, plan: str, meter: str, number: int) -> "_Granted | None":
        for allowance in self.now.product(plan).allowances:
            if allowance.meter == meter:
                period = self._anchor.period_containing(allowance.per, self.month(number))
                if number and period.contains(self.month(number - 1)):
                    return None
                return _Granted(allowance.units, period.end, allowance.rollover)
        return None

    def _limits(
        self,
        product: Product,
        profile: UsageProfile,
        months: list[int],
        obstacles: list[Obstacle],
    ) -> Iterable[CostLine]:
        for limit in product.limits:
            if limit.name not in profile.counts:
                continue
            found = check(limit, profile.counts[limit.name])
            if not found.allowed:
                obstacles.append(Obstacle(limit.name, limit.most or 0, found.used))
            tiers = [
                Tier(up_to=one.last, price=as_fraction(one.rate))
                for one in limit.overage
                if one.rate.currency.code == self.currency
            ]
            if limit.kind is LimitKind.SOFT and found.charged and tiers:
                each = charge(
                    Graduated(tiers=tuple(tiers)),
                    found.charged,
                    currency=self.currency,
                    rounding=_FINE,
                ).money
                for number in range(len(months)):
                    months[number] += to_units(each)
                amount = self._money(to_units(each) * len(months))
                yield CostLine(limit.name, found.charged * len(months), amount, overage=True)


_NEVER: Final = datetime.max.replace(tzinfo=UTC)


_Rated = tuple[MeterRate, Tax | None]


def _carried(left: Any, rollover: Rollover, least: Callable[[Any, Any], Any]) -> Any:  # noqa: ANN401 - as above
    """Carry over as :meth:`Rollover.carried` does, in whatever is counted in."""
    if rollover.maximum == 0:
        return 0
    raised = left + rollover.minimum - least(left, rollover.minimum)
    return raised if rollover.maximum is None else least(raised, rollover.maximum)


@attrs.frozen
class _Granted:
    units: int
    until: datetime
    rollover: Rollover


@attrs.define
class _Pool:
    left: Any
    expires_at: datetime
    allowance: bool = False
