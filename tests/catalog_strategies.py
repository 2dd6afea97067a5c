"""Catalogs that Hypothesis draws: prices, limits, packs, rules and versions that fit together."""

from datetime import UTC, date, datetime, timedelta
from fractions import Fraction

import attrs
from hypothesis import strategies as st

from monochat_billing import (
    MONTH,
    YEAR,
    Allowance,
    Catalog,
    CatalogVersions,
    ChangeRule,
    ChangeTiming,
    Family,
    Feature,
    Grant,
    Limit,
    OneOff,
    OneOffPrice,
    Price,
    PriceReach,
    Product,
)
from monochat_billing.change_rules import DEFAULT_RULES, AnchorRule, IntervalChange
from monochat_billing.intervals import WEEK
from monochat_billing.limits import OverageTier, hard, soft, unlimited
from monochat_billing.money import from_units
from monochat_billing.plans import Direction, DirectionBasis
from monochat_billing.tax import DatedRate, Pricing, TaxTable
from monochat_billing.tax_regimes import TURKEY, TaxRegime

ZONES = ("UTC", "Europe/Istanbul", "America/New_York")
REGIMES = (
    TURKEY,
    TaxRegime(
        table=TaxTable(
            name="VAT",
            rows=(
                DatedRate(band="standard", rate=Fraction(39, 200), effective_on=date(2000, 1, 1)),
                DatedRate(band="reduced", rate=Fraction(33, 1000), effective_on=date(2000, 1, 1)),
            ),
        ),
        country="IE",
    ),
)
METERS = ("message", "sms")
LIMITS = ("users", "channels")
START = datetime(2026, 1, 1, tzinfo=UTC)
words = st.text(st.characters(codec="utf-8"), min_size=1, max_size=12)
texts = st.dictionaries(st.sampled_from(("en", "tr", "de")), words, max_size=3)
instants = st.one_of(
    st.integers(0, 2000).map(lambda days: START + timedelta(days=days)),
    st.integers(0, 10**9).map(lambda seconds: START + timedelta(microseconds=seconds * 999_983)),
    st.integers(0, 2000).map(lambda days: START + timedelta(days=days, hours=-3)),
)


@st.composite
def timelines(draw: st.DrawFn) -> list[tuple[datetime | None, datetime | None]]:
    """Draw spans that do not overlap: starts, and now and then an end before the next start."""
    starts: list[datetime | None] = sorted(draw(st.sets(instants, max_size=3)))  # type: ignore[assignment]
    if not starts or draw(st.booleans()):
        starts = [None, *starts]
    spans = []
    for place, start in enumerate(starts):
        following = starts[place + 1] if place + 1 < len(starts) else None
        first = start or datetime(2000, 1, 1, tzinfo=UTC)
        last = following or first + timedelta(days=500)
        end = first + (last - first) / draw(st.integers(1, 3)) if draw(st.booleans()) else None
        spans.append((start, None if end is None else min(end, last)))
    return spans


amounts = st.integers(0, 10**9)


@st.composite
def price_lists(draw: st.DrawFn, currencies: tuple[str, ...]) -> tuple[Price, ...]:
    """Draw dated prices for each interval and currency."""
    intervals = draw(st.sets(st.sampled_from((WEEK, MONTH, YEAR)), min_size=1))
    found = []
    for interval in sorted(intervals, key=str):
        for code in currencies:
            for start, end in draw(timelines()):
                reach = draw(st.sampled_from(PriceReach))
                reaches_at = None
                if reach is PriceReach.FROM_DATE:
                    reaches_at = (start or START) + timedelta(days=draw(st.integers(0, 90)))
                found.append(
                    Price(
                        interval=interval,
                        amount=from_units(draw(amounts), code, 2),
                        effective_at=start,
                        until_at=end,
                        reach=reach,
                        reaches_at=reaches_at,
                        pricing=draw(st.sampled_from(Pricing)),
                        tax_class=draw(st.sampled_from(("standard", "reduced"))),
                    )
                )
    return tuple(found)


@st.composite
def overages(draw: st.DrawFn, currencies: tuple[str, ...]) -> tuple[OverageTier, ...]:
    """Draw complete tiers in every currency."""
    tiers = []
    for code in currencies:
        bounds = sorted(draw(st.sets(st.integers(1, 10**6), max_size=2)))
        firsts = [1, *(bound + 1 for bound in bounds)]
        lasts: list[int | None] = [*bounds, None]
        for first, last in zip(firsts, lasts, strict=True):
            rate = from_units(draw(st.integers(0, 10**7)), code, 6)
            tiers.append(OverageTier(rate=rate, first=first, last=last))
    return tuple(tiers)


@st.composite
def limits(draw: st.DrawFn, name: str, currencies: tuple[str, ...]) -> Limit:
    """Draw a hard, soft or unlimited limit."""
    most = draw(st.integers(0, 10**6))
    kinds = [hard(name, most), unlimited(name), soft(name, most, *draw(overages(currencies)))]
    return draw(st.sampled_from(kinds))


@st.composite
def products(
    draw: st.DrawFn, identity: str, family: Family, rank: int, currencies: tuple[str, ...]
) -> Product:
    """Draw a product of a family."""
    least = draw(st.integers(1, 3)) if family is Family.ADD_ON else 1
    most = draw(st.none() | st.integers(least, 9)) if family is Family.ADD_ON else 1
    meters = draw(st.sets(st.sampled_from(METERS)))
    features = draw(st.dictionaries(st.sampled_from(("api", "hours", "a b")), texts, max_size=3))
    return Product(
        id=identity,
        family=family,
        rank=rank,
        names=draw(texts),
        descriptions=draw(texts),
        prices=draw(price_lists(currencies)),
        limits=tuple(draw(limits(name, currencies)) for name in LIMITS),
        allowances=tuple(
            Allowance(
                meter=meter,
                units=draw(st.integers(1, 10**6)),
                per=draw(st.sampled_from((WEEK, MONTH))),
                overage=draw(st.just(()) | overages(currencies)),
            )
            for meter in sorted(meters)
        ),
        features=tuple(Feature(id=name, texts=said) for name, said in features.items()),
        trial=draw(st.sampled_from((None, WEEK, MONTH))),
        least_quantity=least,
        most_quantity=most,
    )


@st.composite
def one_offs(draw: st.DrawFn, identity: str, currencies: tuple[str, ...]) -> OneOff:
    """Draw a pack or a one-off add-on."""
    grant = None
    if draw(st.booleans()):
        grant = Grant(
            meter=draw(st.sampled_from(METERS)),
            units=draw(st.integers(1, 10**6)),
            valid_for=draw(st.sampled_from((None, YEAR))),
        )
    return OneOff(
        id=identity,
        names=draw(texts),
        descriptions=draw(texts),
        prices=tuple(
            OneOffPrice(amount=from_units(draw(amounts), code, 2), effective_at=start, until_at=end)
            for code in currencies
            for start, end in draw(timelines())
        ),
        grant=grant,
        most_quantity=draw(st.none() | st.integers(1, 9)),
    )


@st.composite
def rule_tables(draw: st.DrawFn, named: tuple[str, ...]) -> tuple[ChangeRule, ...]:
    """Draw the default table, or one with a rule for each of some products in front."""
    chosen = draw(st.sets(st.sampled_from(named)))
    return (
        *(
            ChangeRule(
                name=f"to {identity}",
                to_product=identity,
                direction=draw(st.sampled_from((None, Direction.SIDEGRADE))),
                interval_change=draw(st.none() | st.sampled_from(IntervalChange)),
                from_free=draw(st.none() | st.booleans()),
                in_trial=draw(st.none() | st.booleans()),
                from_interval=None,
                timing=draw(st.sampled_from(ChangeTiming)),
                anchor=draw(st.sampled_from(AnchorRule)),
                allows=frozenset(draw(st.sets(st.sampled_from(ChangeTiming), min_size=1))),
                proration=draw(st.sampled_from(("standard", "by-second"))),
            )
            for identity in sorted(chosen)
        ),
        *DEFAULT_RULES,
    )


@st.composite
def catalogs(
    draw: st.DrawFn, version: str = "1", zone: str | None = None, start: datetime | None = None
) -> Catalog:
    """Draw a whole catalog."""
    currencies = draw(st.sampled_from((("TRY",), ("TRY", "USD"))))
    ranks = draw(st.permutations(range(3)))
    made = [
        draw(products(f"plan-{rank}", Family.PLAN, rank, currencies))
        for rank in ranks[: draw(st.integers(1, 3))]
    ]
    made += [draw(products("care", Family.SUPPORT, 0, currencies))] * draw(st.integers(0, 1))
    made += [draw(products("seat", Family.ADD_ON, 0, currencies))] * draw(st.integers(0, 1))
    packs = [draw(one_offs("pack", currencies))] * draw(st.integers(0, 1))
    return Catalog(
        id=" a catalog",
        version=version,
        products=tuple(made),
        rules=draw(rule_tables(tuple(one.id for one in made))),
        note=draw(st.just("") | words),
        one_offs=tuple(packs),
        meters=METERS,
        currencies=currencies,
        effective_at=start,
        zone=zone or draw(st.sampled_from(ZONES)),
        direction_by=draw(st.sampled_from(DirectionBasis)),
        tax=draw(st.sampled_from(REGIMES)),
        withdrawal_days=draw(st.integers(0, 31)),
    )


@st.composite
def histories(draw: st.DrawFn) -> CatalogVersions:
    """Draw up to three versions, each new or a change of the one before."""
    zone = draw(st.sampled_from(ZONES))
    versions = [draw(catalogs("1", zone))]
    for number, start in enumerate(sorted(draw(st.sets(instants, max_size=2))), 2):
        if draw(st.booleans()):
            again = attrs.evolve(versions[-1], version=str(number), effective_at=start)
            versions.append(again)
        else:
            versions.append(draw(catalogs(str(number), zone, start)))
    return CatalogVersions(versions=tuple(versions))
