"""Counters: what was used of a meter in one period, who paid for it, and the records behind it.

Owns the usage record of any meter, what became of it, and the counter as values.
Does not own rates or the decision what a record costs (:mod:`monochat_billing.metering`).

A counter holds everything that the next record's price depends on, so that rating a record looks
at one value, however many came before. It also holds which lots paid, merged by lot: what is
given back goes to those lots, the last that paid first, whichever record is corrected.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from fractions import Fraction
from types import MappingProxyType
from typing import Any, Final, final

import attrs

from monochat_billing.charge_lines import ChargeLine
from monochat_billing.errors import InvalidInput
from monochat_billing.instants import utc
from monochat_billing.lots import Share
from monochat_billing.money import Money, from_units
from monochat_billing.periods import BillingPeriod
from monochat_billing.quantities import Quantity, exact, number_text
from monochat_billing.tax import TaxLine
from monochat_billing.texts import check_identity

__all__ = [
    "MINIMUM",
    "NOTHING_METERED",
    "Counter",
    "MeterRecord",
    "Metered",
    "MeteredUsage",
    "counter_buckets",
    "merged_shares",
]

_ZERO: Final = Fraction(0)

MINIMUM: Final = "minimum"
"""The card of the counter that settles a meter's minimum."""

_MONTHS_AHEAD: Final = 14


def _quantity(value: Quantity) -> Fraction:
    return exact(value, field="quantity")


def _instant(value: datetime) -> datetime:
    return utc(value, field="occurred_at")


def _dimensions(value: Any) -> Mapping[str, str]:  # noqa: ANN401 - callers pass anything
    if not isinstance(value, Mapping) or not all(
        isinstance(part, str) and part for pair in value.items() for part in pair
    ):
        raise InvalidInput("dimensions", value, "maps no names to values", "map name to text")
    return MappingProxyType(dict(sorted(value.items())))


@final
@attrs.frozen(kw_only=True)
class MeterRecord:
    """Hold one billable fact of any meter, charged at most once by its ``id``.

    ``quantity`` is exact and zero or more: how much more was used, or, of a gauge, how much there
    is. ``occurred_at`` is an aware instant, kept in UTC. ``dimensions`` are what rates may depend
    on. ``reference`` names what the usage belongs to. ``replaces`` is the id of an earlier record
    that this one corrects: that one then counts nothing.

    Raises:
        InvalidInput: the id is no id, the quantity is inexact or negative, ``occurred_at`` is
            naive, or the dimensions are no texts.

    >>> from datetime import UTC
    >>> used = MeterRecord(
    ...     id="u-1", meter="storage.gb", quantity="1.5",
    ...     occurred_at=datetime(2026, 10, 5, tzinfo=UTC), dimensions={"class": "cold"},
    ... )
    >>> print(used)
    u-1: 1.5 of storage.gb (class=cold) at 2026-10-05T00:00:00+00:00
    """

    id: str
    meter: str
    quantity: Fraction = attrs.field(converter=_quantity)
    occurred_at: datetime = attrs.field(converter=_instant)
    dimensions: Mapping[str, str] = attrs.field(factory=dict, converter=_dimensions, hash=False)
    reference: str = ""
    replaces: str = ""

    def __attrs_post_init__(self) -> None:
        check_identity(self.id, "records.id")
        if self.replaces == self.id:
            raise InvalidInput("replaces", self.replaces, "is its own id", "give it a new id")

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle a plain dict: a mapping that is closed to writing does not pickle by itself."""
        fields = {field.name: getattr(self, field.name) for field in attrs.fields(type(self))}
        return _record, ({**fields, "dimensions": dict(self.dimensions)},)

    def __str__(self) -> str:
        named = ", ".join(f"{name}={value}" for name, value in self.dimensions.items())
        return (
            f"{self.id}: {number_text(self.quantity)} of {self.meter}"
            f"{f' ({named})' if named else ''} at {self.occurred_at.isoformat()}"
        )


def _record(fields: Mapping[str, Any]) -> MeterRecord:
    return MeterRecord(**fields)


@final
@attrs.frozen(kw_only=True)
class MeteredUsage:
    """Tell what a record led to: what prepaid units paid, and what was charged, line by line.

    ``prepaid`` units were burned from lots, ``lapsed`` ones were covered by an allowance that had
    ended unused meanwhile. ``amount`` is what it added to its counter's charge, in millionths or
    whatever the balance's smallest unit is, in the rates' own terms; it is negative where usage
    that was taken back gave money back. ``tax`` splits it; None where the catalog names no tax.
    ``entries`` are the numbers of what was posted. A record that was corrected is kept as it was
    last; ``corrected`` counts its corrections, ``replaced_by`` names what took its place.

    >>> from monochat_billing.money import money
    >>> from monochat_billing.testing.workbench import Workbench
    >>> bench = Workbench()
    >>> account = bench.open("acme", money("5000", "TRY"))
    >>> one = bench.subscribe("acme", "growth")
    >>> began = bench.clock()
    >>> sent = MeterRecord(id="m-1", meter="monochat.message", quantity=3, occurred_at=began)
    >>> report = bench.billing.usage.record("acme", [sent])
    >>> until = bench.clock.advance(days=1)
    >>> print(*bench.billing.usage.records("acme", since=began, until=until))
    m-1: 3 of monochat.message at 2026-10-05T06:00:00+00:00
    3 prepaid
    """

    record: MeterRecord
    recorded_at: datetime
    counter: str
    period: BillingPeriod
    card: str = ""
    currency: str = ""
    scale: int = 0
    prepaid: int = 0
    lapsed: int = 0
    amount: int = 0
    tax: TaxLine | None = None
    lines: tuple[ChargeLine, ...] = ()
    entries: tuple[int, ...] = ()
    corrected: int = 0
    replaced_by: str = ""

    def __str__(self) -> str:
        return self.explain()

    @property
    def money(self) -> Money | None:
        """Give what was taken for it, tax and all; None where it has no price in money."""
        if not self.currency:
            return None
        if self.tax is not None:
            return self.tax.gross
        return from_units(self.amount, self.currency, self.scale)

    def explain(self, locale: str = "en") -> str:
        """Say line by line what the record cost and why.

        Raises:
            InvalidInput: the locale is another than ``en`` and ``tr``.
        """
        words = [str(self.record)]
        if self.prepaid:
            words.append(f"{self.prepaid} prepaid")
        if self.lapsed:
            words.append(f"{self.lapsed} from an allowance that had lapsed")
        return "\n".join([*words, *(line.explain(locale) for line in self.lines)])


@final
@attrs.frozen(kw_only=True)
class Counter:
    """Count what was used of one meter in one period at one rate.

    ``used`` is the sum, the highest or the last of ``records`` records; ``last_at`` is the instant
    of the latest. ``prepaid`` units of it were paid by the lots in ``burned``, ``lapsed`` by an
    allowance that had ended unused. ``charged`` is what the rest costs so far, in the rates' terms,
    ``taken`` what was taken for it with its tax, both in the balance's smallest unit, and ``paid``
    says which lots paid. ``values`` are the dimensions that chose the rate.

    ``closes_at`` is when it is settled by itself: None where it need not be, or is already
    (``closed``).
    """

    id: str
    meter: str
    period: BillingPeriod
    card: str = ""
    currency: str = ""
    values: Mapping[str, str] = attrs.field(factory=dict, hash=False)
    product: str = ""
    used: Fraction = _ZERO
    records: int = 0
    last_at: datetime | None = None
    prepaid: int = 0
    lapsed: int = 0
    burned: tuple[Share, ...] = ()
    charged: int = 0
    taken: int = 0
    paid: tuple[Share, ...] = ()
    closes_at: datetime | None = None
    closed: bool = False

    @property
    def is_minimum(self) -> bool:
        """Tell whether it sums up what a period's other counters charged, for its minimum."""
        return self.card == MINIMUM

    @property
    def bucket(self) -> str:
        """Name the meter and the month (in UTC) of the period's end, by which it is found."""
        return _bucket(self.meter, self.period.end.year * 12 + self.period.end.month - 1)

    @property
    def above(self) -> Fraction:
        """Give what has a price: what was used above what was prepaid."""
        prepaid = self.prepaid + self.lapsed
        return self.used - prepaid if prepaid else self.used

    # Every record moves these, one after another; `attrs.evolve` takes three times as long.
    def counted(self, used: Fraction, last_at: datetime | None) -> "Counter":
        """Return the counter after one more record."""
        return self._with(
            used=used,
            records=self.records + 1,
            last_at=last_at,
            charged=self.charged,
            taken=self.taken,
            paid=self.paid,
        )

    def settled(self, charged: int, taken: int, paid: tuple[Share, ...]) -> "Counter":
        """Return the counter with all that was charged so far, taken for it, and who paid."""
        return self._with(
            used=self.used,
            records=self.records,
            last_at=self.last_at,
            charged=charged,
            taken=taken,
            paid=paid,
        )

    def _with(
        self,
        *,
        used: Fraction,
        records: int,
        last_at: datetime | None,
        charged: int,
        taken: int,
        paid: tuple[Share, ...],
    ) -> "Counter":
        return Counter(
            id=self.id,
            meter=self.meter,
            period=self.period,
            card=self.card,
            currency=self.currency,
            values=self.values,
            product=self.product,
            used=used,
            records=records,
            last_at=last_at,
            prepaid=self.prepaid,
            lapsed=self.lapsed,
            burned=self.burned,
            charged=charged,
            taken=taken,
            paid=paid,
            closes_at=self.closes_at,
            closed=self.closed,
        )


def _bucket(meter: str, month: int) -> str:
    year, place = divmod(month, 12)
    return f"{meter}/{year:04d}-{place + 1:02d}"


def counter_buckets(meter: str, at: datetime) -> frozenset[str]:
    """Name the buckets in which the counters of usage at ``at`` are, whatever their periods.

    A period of up to a year that contains ``at`` ends within the 13 months after it.

    >>> from datetime import UTC
    >>> found = sorted(counter_buckets("seat", datetime(2026, 10, 31, tzinfo=UTC)))
    >>> found[0], found[-1], len(found)
    ('seat/2026-10', 'seat/2027-11', 14)
    """
    first = at.year * 12 + at.month - 1
    return frozenset(_bucket(meter, month) for month in range(first, first + _MONTHS_AHEAD))


def merged_shares(shares: Iterable[Share], more: Iterable[Share]) -> tuple[Share, ...]:
    """Add up who paid: one share for each lot, in the order in which they came to pay.

    >>> from datetime import UTC
    >>> from monochat_billing.lots import Lot, LotOrigin
    >>> lot = Lot(1, "TRY", LotOrigin.PAID, 9, 9, datetime(2026, 10, 5, tzinfo=UTC))
    >>> [one.units for one in merged_shares([Share(lot, 2)], [Share(lot, 3)])]
    [5]
    """
    found: dict[int, Share] = {}
    for share in (*shares, *more):
        known = found.pop(share.lot.number, None)
        units = share.units + (known.units if known else 0)
        if units:
            found[share.lot.number] = Share(known.lot if known else share.lot, units)
    return tuple(found.values())


@final
@attrs.frozen(kw_only=True)
class Metered:
    """Hold what of an account's metered usage is at hand: never all, only what was asked for.

    ``counters`` by id are those that a command asked for (what settles by itself is kept with the
    account), ``records`` by id those that it asked for, and what it decided on.
    """

    counters: Mapping[str, Counter] = attrs.field(factory=dict)
    records: Mapping[str, MeteredUsage] = attrs.field(factory=dict)

    def with_counter(self, counter: Counter) -> "Metered":
        """Return it with one counter replaced or added."""
        return Metered(counters={**self.counters, counter.id: counter}, records=self.records)

    def with_records(self, records: Iterable[MeteredUsage]) -> "Metered":
        """Return it with records replaced or added."""
        return attrs.evolve(
            self, records={**self.records, **{one.record.id: one for one in records}}
        )


NOTHING_METERED: Final = Metered()
"""Nothing at hand: what every command has that asked for no meter."""
