"""Meter rates: what a unit of a meter costs an account at an instant, and where it counts.

*Owns* the choice among the plan's overage, the agreed one, and the meter's own dated tables, by
what the account held when the usage took place.
*Does not own* the tables and models themselves, the counters, or who pays.

A record is priced by the instant of its usage: the product, its overage, the table and the tax of
that instant count, whenever the record comes.
"""

from bisect import bisect_right
from collections.abc import Mapping
from datetime import date, datetime
from fractions import Fraction
from typing import Final, final

import attrs

from monochat_billing.catalog_versions import versions_of
from monochat_billing.charge_models import ChargeModel, Graduated
from monochat_billing.errors import InvalidInput
from monochat_billing.instants import check_zone
from monochat_billing.meters import Meter
from monochat_billing.money import as_fraction
from monochat_billing.periods import BillingAnchor, BillingPeriod
from monochat_billing.plans import Allowance, AnyCatalog, Family, known_product
from monochat_billing.rounding import HALF_UP, Rounding
from monochat_billing.subscriptions import HistoryLine, Subscription
from monochat_billing.tax import Pricing, Tax
from monochat_billing.tiers import Tier

__all__ = ["MeterRate", "MeterTerms"]

_FINE: Final = HALF_UP.at_scale(6)


@final
@attrs.frozen(kw_only=True)
class MeterRate:
    """Say what a unit above the prepaid ones costs, by which card, and in which period it counts.

    ``model`` is None where nothing says what more costs. ``at_once`` tells whether a record is
    charged when it comes, or its counter at the period's end. ``values`` are the dimensions that
    chose the rate.
    """

    meter: Meter
    period: BillingPeriod
    card: str
    currency: str
    model: ChargeModel | None
    at_once: bool
    rounding: Rounding = _FINE
    pricing: Pricing = Pricing.INCLUSIVE
    tax_class: str = "standard"
    values: Mapping[str, str] = attrs.field(factory=dict, hash=False)
    place: str = attrs.field(init=False, eq=False, repr=False)
    """The meter and its period, as the ids of all counters of both begin."""
    counter: str = attrs.field(init=False, eq=False, repr=False)
    """The id of the counter that usage at this rate is counted by."""

    def __attrs_post_init__(self) -> None:
        named = ",".join(f"{name}={value}" for name, value in sorted(self.values.items()))
        place = f"{self.meter.id}/{self.period.start:%Y-%m-%dT%H:%M:%S}"
        object.__setattr__(self, "place", place)
        object.__setattr__(self, "counter", f"{place}/{self.card}/{named}")


@attrs.frozen
class _Held:
    """Hold what an account had at an instant that includes a meter, or else its plan."""

    subscription: Subscription
    line: HistoryLine
    allowance: Allowance | None


@final
@attrs.define
class _Found:
    """Remember what was found for a batch, by all that it depends on."""

    rates: dict[tuple[object, ...], MeterRate] = attrs.field(factory=dict)
    taxes: dict[tuple[object, ...], Tax] = attrs.field(factory=dict)


@final
@attrs.frozen(kw_only=True)
class MeterTerms:
    """Hold what an account's rates depend on.

    ``subscriptions`` are all of the account, ``currency`` the one it pays in where no plan says
    another, ``country`` the buyer's (empty: not known), ``zone`` the one in which its days begin.

    Rates that were found are remembered: for one meter, the same dimensions and one local day they
    are the same between two instants at which the catalog or what the account holds changes.
    """

    subscriptions: tuple[Subscription, ...]
    catalog: AnyCatalog
    zone: str
    currency: str
    country: str = ""
    _changes: tuple[datetime, ...] = attrs.field(init=False, eq=False, repr=False)
    _found: _Found = attrs.field(factory=_Found, init=False, eq=False, repr=False)

    def __attrs_post_init__(self) -> None:
        at = {one.effective_at for one in versions_of(self.catalog)}
        for one in self.subscriptions:
            at |= {one.started_at, one.ended_at, *(line.start for line in one.history)}
            at |= {past.until for past in one.anchors}
        object.__setattr__(self, "_changes", tuple(sorted(filter(None, at))))

    def rate(self, meter_id: str, at: datetime, dimensions: Mapping[str, str]) -> MeterRate:
        """Give the rate of usage of a meter at ``at``; a dimension that no table knows is no key.

        The overage of what the account held comes first, then the meter's own rates.

        Raises:
            UnknownName: the catalog has no such meter, or no row fits.
            InvalidInput: such usage is not offered, or is before the first table.
        """
        day = at.astimezone(check_zone(self.zone)).date()
        since = bisect_right(self._changes, at)
        place = (meter_id, *dimensions.items(), day, since)
        found = self._found.rates.get(place)
        if found is None or not found.period.start <= at < found.period.end:
            found = self._found.rates[place] = self._rate(meter_id, at, day, dimensions)
        return found

    def _rate(
        self, meter_id: str, at: datetime, day: date, dimensions: Mapping[str, str]
    ) -> MeterRate:
        meter = self.catalog.at(at).meter(meter_id)
        held = self._held(meter_id, at)
        currency = held.line.price.currency if held else self.currency
        period = self._period(meter, held, at)
        overage = _overage(held, currency)
        if held is not None and overage is not None:
            return MeterRate(
                meter=meter,
                period=period,
                card=f"{held.line.product} overage",
                currency=currency,
                model=overage,
                at_once=True,
                pricing=held.line.price.pricing,
                tax_class=held.line.price.tax_class,
            )
        tables = meter.rates_in(currency)
        if tables is None:
            return MeterRate(
                meter=meter, period=period, card="", currency=currency, model=None, at_once=True
            )
        table = tables.in_force(day)
        values = {name: dimensions[name] for name in table.dimensions if name in dimensions}
        row = table.row_for(values)
        if row.model is None:
            raise InvalidInput(
                "dimensions", values, f"is not offered by {table.label}", "set the usage aside"
            )
        return MeterRate(
            meter=meter,
            period=period,
            card=f"{table.name} {table.effective_on.isoformat()}",
            currency=currency,
            model=row.model,
            at_once=meter.at_once,
            rounding=table.rounding,
            pricing=meter.pricing,
            tax_class=meter.tax_class,
            values=values,
        )

    def period(self, meter_id: str, at: datetime) -> BillingPeriod:
        """Give the period that usage at ``at`` counts in: the allowance's, else the calendar's.

        Raises:
            UnknownName: the catalog has no such meter.
        """
        return self._period(self.catalog.at(at).meter(meter_id), self._held(meter_id, at), at)

    def tax(self, rate: MeterRate, at: datetime, scale: int) -> Tax | None:
        """Say how usage at ``at`` is taxed, at a balance's scale; None where no tax is named."""
        catalog = self.catalog.at(at)
        if catalog.tax is None:
            return None
        day = at.astimezone(check_zone(catalog.zone)).date()
        since = bisect_right(self._changes, at)
        place = (rate.pricing, rate.tax_class, scale, day, since)
        found = self._found.taxes.get(place)
        if found is None:
            found = catalog.tax.tax(rate.pricing, rate.tax_class, self.country, day)
            found = attrs.evolve(found, rounding=HALF_UP.at_scale(scale))
            self._found.taxes[place] = found
        return found

    def _held(self, meter: str, at: datetime) -> _Held | None:
        order = list(Family)
        plan: _Held | None = None
        for one in sorted(self.subscriptions, key=lambda sub: order.index(sub.family)):
            if one.started_at > at or (one.ended_at is not None and at >= one.ended_at):
                continue
            line = [line for line in one.history if line.start <= at][-1]
            product = known_product(self.catalog, line.product, at)
            if one.agreement is not None and line is one.history[-1]:
                product = one.agreement.applied_to(product)
            for allowance in product.allowances:
                if allowance.meter == meter:
                    return _Held(one, line, allowance)
            if plan is None and one.family is Family.PLAN:
                plan = _Held(one, line, None)
        return plan

    def _period(self, meter: Meter, held: _Held | None, at: datetime) -> BillingPeriod:
        if held is not None and held.allowance is not None:
            return held.subscription.period_at(held.allowance.per, at)
        anchor = BillingAnchor.calendar(meter.per, at, self.zone)
        return anchor.period_containing(meter.per, at)


def _overage(held: _Held | None, currency: str) -> ChargeModel | None:
    tiers = held.allowance.overage if held is not None and held.allowance is not None else ()
    rows = [
        Tier(up_to=None if one.last is None else Fraction(one.last), price=as_fraction(one.rate))
        for one in tiers
        if one.rate.currency.code == currency
    ]
    return Graduated(tiers=tuple(rows)) if rows else None
