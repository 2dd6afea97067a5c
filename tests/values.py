"""Values of any stored type, for laws that hold of them all."""

import enum
from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from fractions import Fraction
from types import UnionType
from typing import Any, Union, get_args, get_origin

import attrs
from hypothesis import strategies as st

from monochat_billing.alerts import Direction, Report, ThresholdRule
from monochat_billing.auto_top_ups import AutomaticTopUp
from monochat_billing.counters import MeterRecord
from monochat_billing.gateways import PaymentMode
from monochat_billing.intervals import BillingInterval, IntervalUnit
from monochat_billing.limits import Allowance, Limit, OverageTier, hard, soft, unlimited
from monochat_billing.lots import ChargeKind
from monochat_billing.money import Money, from_units, money
from monochat_billing.pack_terms import RefundBasis, RefundPolicy
from monochat_billing.periods import BillingAnchor, BillingPeriod
from monochat_billing.plans import ChangeTiming, Family, Price
from monochat_billing.profiles import BillingProfile
from monochat_billing.rating import MessageCategory, UsageRecord
from monochat_billing.refills import RefillRule
from monochat_billing.rollovers import AllowanceChange, Rollover
from monochat_billing.rounding import Rounding, RoundingMode
from monochat_billing.scheduling import ScheduleAction, ScheduledChange
from monochat_billing.tax import Pricing, Tax, TaxLine, TaxRate, TaxTreatment
from monochat_billing.units import Units
from tests.factories import BUYER

TEXTS = st.text(max_size=8) | st.sampled_from(["", "ğüş", 'a"b', "\x00", "\ud800", "null", "1.5"])
INSTANTS = st.datetimes(timezones=st.just(UTC))
YEARS = st.datetimes(
    datetime.fromisoformat("2000-01-01"),
    datetime.fromisoformat("2090-01-01"),
    timezones=st.just(UTC),
)
UNITS = st.integers(-(2**63) + 1, 2**63 - 1)
EXACT = st.builds(lambda units, scale: Decimal(units).scaleb(-scale), UNITS, st.integers(0, 12))
MONIES = st.builds(Money, EXACT, st.sampled_from(["TRY", "USD", "JPY", "KWD"]))
INTERVALS = st.builds(BillingInterval, count=st.integers(1, 11), unit=st.sampled_from(IntervalUnit))
PRICES = st.builds(
    lambda interval, whole: Price(interval=interval, amount=money(whole, "TRY")),
    INTERVALS,
    st.integers(0, 10**9),
)
ANCHORS = st.builds(
    BillingAnchor.at, YEARS, st.sampled_from(["Europe/Istanbul", "UTC", "America/New_York"])
)
PERIODS = st.builds(
    lambda one, two: BillingPeriod(start=min(one, two), end=max(one, two)), INSTANTS, INSTANTS
)
ROUNDINGS = st.builds(
    Rounding,
    mode=st.sampled_from(RoundingMode),
    scale=st.none() | st.integers(0, 12),
    by_currency=st.sampled_from([(), (("TRY", 2), ("USD", 4))]),
)
RULES = st.builds(
    lambda amounts, step, **how: ThresholdRule(
        thresholds=[money(one, "TRY") for one in amounts],
        step=None if step is None else money(step, "TRY"),
        **how,
    ),
    st.sets(st.integers(-99, 99), min_size=1, max_size=3),
    st.none() | st.integers(1, 99),
    direction=st.sampled_from(Direction),
    report=st.sampled_from(Report),
    kind=st.none() | st.sampled_from(ChargeKind),
)
LIRA = st.integers(0, 10**8).map(lambda kurus: from_units(kurus, "TRY", 2))
NAMED = st.dictionaries(st.sampled_from(["class", "region"]), st.sampled_from(["tr", "cold"]))
RECORDS = st.builds(
    MeterRecord,
    id=st.sampled_from(["u-1", "ü"]),
    meter=TEXTS,
    quantity=st.fractions(0, 10**6),
    occurred_at=INSTANTS,
    dimensions=NAMED,
    reference=TEXTS,
)
ROLLOVERS = st.builds(
    lambda least, more: Rollover(minimum=least, maximum=None if more is None else least + more),
    st.integers(0, 99),
    st.none() | st.integers(0, 99),
)
REFUNDS = st.sampled_from(
    [RefundPolicy(), RefundPolicy(basis=RefundBasis.UNUSED, within=BillingInterval(unit="MONTH"))]
)
TAX_RATES = st.builds(TaxRate, name=TEXTS, band=TEXTS, rate=st.fractions(0, 1))
UNTAXED = st.sampled_from(sorted(set(TaxTreatment) - {TaxTreatment.TAXED}))
TAXES = st.builds(Tax, rate=TAX_RATES, pricing=st.sampled_from(Pricing), rounding=ROUNDINGS)
TAX_LINES = st.one_of(
    st.builds(
        lambda net, tax, **how: TaxLine(net=net, tax=tax, gross=net + tax, **how),
        LIRA,
        LIRA,
        rate=TAX_RATES,
        pricing=st.sampled_from(Pricing),
    ),
    st.builds(
        lambda net, **how: TaxLine(net=net, tax=money(0, "TRY"), gross=net, **how),
        LIRA,
        rate=TAX_RATES,
        pricing=st.sampled_from(Pricing),
        treatment=UNTAXED,
        reason=TEXTS.filter(bool),
    ),
)
COUNTED = st.sampled_from(["users", "channels"])
TIERS = st.builds(
    lambda rates, width: tuple(
        OverageTier(
            rate=rate,
            first=place * width + 1,
            last=None if place == len(rates) - 1 else (place + 1) * width,
        )
        for place, rate in enumerate(rates)
    ),
    st.lists(LIRA, min_size=1, max_size=2),
    st.integers(1, 99),
)
LIMITS = st.one_of(
    st.builds(hard, COUNTED, st.integers(0, 99)),
    st.builds(
        lambda name, most, tiers: soft(name, most, *tiers), COUNTED, st.integers(0, 9), TIERS
    ),
    st.builds(unlimited, COUNTED),
)
ALLOWANCES = st.builds(
    Allowance,
    meter=st.sampled_from(["whatsapp.message", "a"]),
    units=st.integers(1, 10**12),
    per=st.sampled_from([BillingInterval(unit="MONTH"), BillingInterval(count=2, unit="WEEK")]),
    overage=st.just(()) | TIERS,
    rollover=ROLLOVERS,
    on_change=st.sampled_from(AllowanceChange),
)
SIMPLE: Mapping[Any, st.SearchStrategy[Any]] = {
    str: TEXTS,
    bool: st.booleans(),
    int: UNITS,
    Any: TEXTS | UNITS | st.none() | MONIES,
    datetime: INSTANTS,
    date: st.dates(),
    Decimal: EXACT,
    Fraction: st.fractions(),
    Money: MONIES,
    Units: st.builds(Units, UNITS, st.sampled_from(["whatsapp.message", "a", "x-1_2.3"])),
    BillingInterval: INTERVALS,
    Price: PRICES,
    BillingAnchor: ANCHORS,
    BillingPeriod: PERIODS,
    Rounding: ROUNDINGS,
    ThresholdRule: RULES,
    BillingProfile: st.just(BUYER),
    MeterRecord: RECORDS,
    Allowance: ALLOWANCES,
    TaxRate: TAX_RATES,
    Tax: TAXES,
    TaxLine: TAX_LINES,
    OverageTier: TIERS.map(lambda tiers: tiers[0]),
    Limit: LIMITS,
    Rollover: ROLLOVERS,
    RefundPolicy: REFUNDS,
    UsageRecord: st.builds(
        UsageRecord,
        id=TEXTS.filter(bool),
        meter=TEXTS,
        occurred_at=INSTANTS,
        market=TEXTS,
        category=st.sampled_from(MessageCategory),
        billable=st.booleans(),
        reference=TEXTS,
    ),
    AutomaticTopUp: st.builds(
        AutomaticTopUp,
        name=TEXTS,
        rule=st.builds(
            RefillRule,
            threshold=LIRA,
            amount=LIRA.filter(bool),
            most=st.none() | st.just(money("1000000", "TRY")),
        ),
        gateway=TEXTS,
        return_url=TEXTS,
        mode=st.none() | st.sampled_from(PaymentMode),
        cap=st.none() | LIRA.filter(bool),
        waiting=TEXTS,
        failures=st.integers(0, 9),
        asks_from=st.none() | INSTANTS,
        given_up=st.booleans(),
        month=st.none() | INSTANTS,
        used=st.none() | LIRA,
        asked=st.integers(0, 99),
    ),
}


def values_of(kind: Any) -> st.SearchStrategy[Any]:  # noqa: ANN401, PLR0911 - any type, a table
    """Give values of a type, field by field and all the way down."""
    if kind in SIMPLE:
        return SIMPLE[kind]
    inner = [one for one in get_args(kind) if one is not Ellipsis]
    match get_origin(kind):
        case origin if origin in (Union, UnionType):
            return st.one_of([st.none() if one is type(None) else values_of(one) for one in inner])
        case origin if origin is tuple and Ellipsis in get_args(kind):
            return st.lists(values_of(inner[0]), max_size=2).map(tuple)
        case origin if origin is tuple:
            return st.tuples(*map(values_of, inner))
        case origin if origin is Mapping:
            return st.dictionaries(*map(values_of, inner), max_size=2)
        case origin if origin is frozenset:
            return st.frozensets(values_of(inner[0]), max_size=3)
        case None if isinstance(kind, type) and issubclass(kind, enum.Enum):
            return st.sampled_from(kind)
        case None if attrs.has(kind):
            return st.deferred(lambda: _built(kind))
        case _:
            raise NotImplementedError(kind)


def _built(kind: Any) -> st.SearchStrategy[Any]:  # noqa: ANN401 - as above
    fields = {
        field.alias or field.name: values_of(field.type)
        for field in attrs.fields(kind)
        if field.init
    }
    if kind is ScheduledChange:  # its instant goes with its timing
        timed = {"timing": st.just(ChangeTiming.AT), "at": INSTANTS}
        untimed = {"timing": st.just(ChangeTiming.END_OF_PERIOD), "at": st.none()}
        untimed["action"] = st.sampled_from(
            sorted(set(ScheduleAction) - {ScheduleAction.SUBSCRIBE})
        )
        named = {"to": st.just("growth"), "interval": INTERVALS, "quantity": st.integers(1, 9)}
        named |= {"family": st.sampled_from(Family), "currency": st.just("TRY")}
        both = [st.fixed_dictionaries({**fields, **named, **one}) for one in (timed, untimed)]
        return st.one_of(both).map(lambda facts: kind(**facts))

    return st.fixed_dictionaries(fields).map(lambda facts: kind(**facts))


def same(left: object, right: object) -> bool:
    """Compare by type and content; errors, which compare by identity, by what they hold."""
    if type(left) is not type(right):
        return False
    kind: Any = type(left)
    if attrs.has(kind):
        names = [field.name for field in attrs.fields(kind)]
        return all(same(getattr(left, name), getattr(right, name)) for name in names)
    if isinstance(left, tuple) and isinstance(right, tuple):
        return len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, Money) and isinstance(right, Money):
        return left == right and str(left.amount) == str(right.amount)
    return left == right
