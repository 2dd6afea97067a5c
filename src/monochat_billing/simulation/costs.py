"""Costs: what one choice of products costs for one usage profile, line by line.

*Owns* the closed form of what a year of billing adds up to.
*Does not own* any rate, or what is prepaid (``prepaid``): prices, tax and overage come from the
functions that bill (:class:`~monochat_billing.meter_rates.MeterTerms`, ``meter_costs``),
so a cost here is what :class:`~monochat_billing.Billing` takes for the same usage, to the kuruş. A
test holds the two together.

The months of a profile are those of the subscription, counted from its start. Packs are bought at
the start. Prices are those in force at the start, as they are pinned for a subscriber.

>>> from datetime import UTC
>>> from monochat_billing.plans import sample_catalog
>>> terms = CostTerms(sample_catalog(), "TRY", datetime(2027, 1, 1, tzinfo=UTC))
>>> found = terms.cost(Choice("growth"), UsageProfile.steady({"monochat.message": 12_000}))
>>> print(found.explain())
growth, monthly: 21,588.00 TRY
12 x growth, monthly: 17,988.00 TRY
overage of monochat.message, 24,000 units: 3,600.00 TRY
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any, Final, final

from monochat_billing import commands, plan_commands
from monochat_billing.accounts import AccountState
from monochat_billing.balance import PAID
from monochat_billing.charge_models import Graduated, charge
from monochat_billing.errors import InvalidInput
from monochat_billing.instants import utc
from monochat_billing.limits import LimitKind, check
from monochat_billing.meter_rates import MeterRate, MeterTerms
from monochat_billing.money import DEFAULT_SCALE, Money, as_fraction, from_units, to_units
from monochat_billing.periods import BillingAnchor, BillingInterval
from monochat_billing.plans import AnyCatalog, Catalog, Family, Product
from monochat_billing.rating import RateCards, UsageRecord, rate
from monochat_billing.rounding import HALF_UP
from monochat_billing.simulation.choices import Choice, Cost, CostLine, Obstacle
from monochat_billing.simulation.meter_costs import MeterMonth, charged_months
from monochat_billing.simulation.prepaid import PrepaidUnits
from monochat_billing.simulation.profiles import MessageKind, UsageProfile
from monochat_billing.tax import Tax
from monochat_billing.tiers import Tier

__all__ = ["CostTerms"]

_PLENTY: Final = 10**9
_FINE: Final = HALF_UP.at_scale(DEFAULT_SCALE)


@final
class CostTerms:
    """Hold what costs depend on beside choice and usage, and what was worked out of it already.

    ``country`` is the buyer's, for tax; ``zone`` the one in which its days begin; ``rates`` the
    provider's cards, by whose base rates fees are told beside a cost.

    Raises:
        InvalidInput: ``rates`` are no :class:`~monochat_billing.rating.RateCards`.
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
        self.start: datetime = utc(start, field="start")
        self.catalog = catalog
        self.currency = currency
        self.zone = zone
        self.country = country
        if rates is not None and not isinstance(rates, RateCards):
            raise InvalidInput(
                "rates",
                type(rates).__name__,
                "are no RateCards",
                "pass meta_rate_cards(), or the cards of MessageRates: tiers are not counted here",
            )
        self.rates = rates
        self._anchor = BillingAnchor.at(self.start, zone)
        self._now = catalog.at(self.start)
        self._prepaid = PrepaidUnits(self._now, self._anchor)
        self._bases: dict[tuple[Choice, int], tuple[tuple[CostLine, ...], tuple[int, ...]]] = {}
        self._terms: dict[tuple[str, BillingInterval], MeterTerms] = {}
        self._rates: dict[tuple[str, BillingInterval, str, int], _Rated] = {}
        self._fees: dict[tuple[MessageKind, int], int] = {}

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle what was given, and not what was found since."""
        return _terms_of, (
            self.catalog,
            self.currency,
            self.start,
            self.zone,
            self.country,
            self.rates,
        )

    @property
    def now(self) -> Catalog:
        """Give the catalog that is in force at the start."""
        return self._now

    def month(self, number: int) -> datetime:
        """Give the instant at which a month begins, counted from zero."""
        return self._prepaid.month(number)

    def cost(self, choice: Choice, profile: UsageProfile) -> Cost:
        """Price a choice for a profile.

        Raises:
            UnknownName: the catalog has no such product, price, pack or meter.
            InvalidInput: usage is not offered, a pack's quantity is none, or a product is no plan,
                or no support package, where one is asked for.
        """
        if not isinstance(choice, Choice):
            raise InvalidInput("choice", choice, "is no choice", 'pass Choice("growth")')
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
        """Sum what the provider takes for the messages of all months; None without a rate card.

        Raises:
            InvalidInput: a market or a category is in no card of that month.
        """
        if self.rates is None:
            return None
        units = 0
        for number in range(len(profile.months)):
            for kind, messages in profile.mix(number).items():
                units += messages * self._fee(self.rates, kind, number)
        return from_units(units, self.rates.currency, DEFAULT_SCALE)

    def _fee(self, rates: RateCards, kind: MessageKind, month: int) -> int:
        """Give what the provider takes for one message, in millionths."""
        found = self._fees.get((kind, month))
        if found is None:
            category, market = kind
            record = UsageRecord(
                id="m",
                meter=rates.meter,
                occurred_at=self.month(month),
                market=market,
                category=category,
            )
            found = self._fees[kind, month] = rate(record, rates, self.zone).units
        return found

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
        self._check_family(choice.plan, Family.PLAN)
        yield from self._subscription(choice.plan, choice.interval, months)
        if choice.support is not None:
            self._check_family(choice.support, Family.SUPPORT)
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

    def _check_family(self, name: str, family: Family) -> None:
        found = self.now.product(name).family
        if found is not family:
            known = ", ".join(one.id for one in self.now.ladder(family))
            raise InvalidInput(
                f"choice.{family.value.lower()}", name, f"is a {found}", f"use one of {known}"
            )

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
        used = [month.get(meter, 0) for month in profile.months]
        found = [
            MeterMonth(*self.rated(choice, meter, number), units, above, profile.parts(meter))
            for number, (units, above) in enumerate(
                zip(used, self.above(choice, used, meter), strict=True)
            )
        ]
        charged = charged_months(found, self.month(len(used)))
        if charged.refused:
            obstacles.append(Obstacle(meter, sum(used) - charged.refused, sum(used)))
        for number, units in enumerate(charged.taken):
            months[number] += units
        total = sum(one.charged for one in found) - charged.refused
        if total or any(charged.taken):
            yield CostLine(meter, total, self._money(sum(charged.taken)), overage=True)

    def above(
        self,
        choice: Choice,
        used: Sequence[Any],
        meter: str,
        least: Callable[[Any, Any], Any] = min,
    ) -> list[Any]:
        """Give, month by month, the units that neither the allowance nor a pack pays for.

        A gauge uses nothing up. ``least`` is as of :meth:`PrepaidUnits.above`.

        Raises:
            UnknownName: as :meth:`cost`.
        """
        if self.now.meter(meter).aggregation.is_gauge:
            return list(used)
        return self._prepaid.above(choice, used, meter, least)

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


_Rated = tuple[MeterRate, Tax | None]


def _terms_of(  # noqa: PLR0917 - private
    catalog: AnyCatalog,
    currency: str,
    start: datetime,
    zone: str,
    country: str,
    rates: RateCards | None,
) -> CostTerms:
    return CostTerms(catalog, currency, start, zone=zone, country=country, rates=rates)
