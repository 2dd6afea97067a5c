"""Columns: a million messages priced at once, to the unit what one by one gives.

Needs the extra ``[columns]`` (NumPy). *Owns* the columns of messages, and their prices, totals and
counts, computed by whole arrays of integers. *Does not own* any rule: cards, tiers and regimes are
those of ``message_pricing``, and :func:`rate_many` equals its ``price_many`` for the same records
in the same order, amount by amount, count by count, and refusal by refusal.

>>> from datetime import UTC, date, datetime
>>> from monochat_billing.message_pricing import MessageRates
>>> from monochat_billing.rating import MessageCategory, RateCard, RateCards
>>> card = RateCard(
...     name="c", meter="m", currency="USD", effective_on=date(2026, 10, 1),
...     rates={"Turkey": {"utility": 900}, "Germany": {"utility": 55000}},
... )
>>> columns = MessageColumns.encode(
...     occurred_at=np.array(["2026-10-05T09:30:00"] * 3, dtype="datetime64[us]"),
...     market=["Turkey", "Germany", "Turkey"], category=["utility"] * 3,
...     billable=[True, True, False],
... )
>>> found = rate_many(columns, MessageRates(cards=RateCards(cards=(card,))), "Europe/Istanbul")
>>> found.units.tolist(), found.total_units
([900, 55000, 0], 55900)
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final, final
from zoneinfo import ZoneInfo

import attrs

from monochat_billing.errors import InvalidInput, MissingExtra
from monochat_billing.message_pricing import MessageRates
from monochat_billing.message_regimes import MessageRegime, month_of
from monochat_billing.message_tiers import MessageCounts, ServiceKey, TierKey, TierLadder
from monochat_billing.money import DEFAULT_SCALE, Money, from_units
from monochat_billing.periods import check_zone
from monochat_billing.rating import MessageCategory, RateCard, UsageRecord

try:
    import numpy as np
    from numpy.typing import NDArray
except ImportError as _missing:
    raise MissingExtra("monochat_billing.adapters.columns", "columns") from _missing

__all__ = ["ColumnLine", "MessageColumns", "RatedColumns", "rate_many"]

_CATEGORIES: Final = tuple(MessageCategory)
_CATEGORY_CODES: Final = {category: code for code, category in enumerate(_CATEGORIES)}
_SERVICE: Final = _CATEGORY_CODES[MessageCategory.SERVICE]
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_EPOCH_DAY: Final = date(1970, 1, 1).toordinal()
_SECOND: Final = 1_000_000
_DAY: Final = 86_400
_SAMPLE: Final = 6 * 3600  # no zone changes its clock twice within six hours
_EARLIEST: Final = -62_135_510_400  # a day inside what datetime holds, at both ends
_LATEST: Final = 253_402_214_400

_Integers = NDArray[np.int64]


def _codes(values: Sequence[str], name: str) -> tuple[tuple[str, ...], _Integers]:
    known: dict[str, int] = {}
    codes = np.fromiter(
        (known.setdefault(value, len(known)) for value in values), dtype=np.int64, count=len(values)
    )
    if any(not isinstance(value, str) for value in known):
        raise InvalidInput(name, sorted(map(str, known))[:3], "is no text", "pass text")
    return tuple(known), codes


def _instants(value: Any) -> _Integers:  # noqa: ANN401 - refuses what is no array of instants
    array = np.asarray(value)
    if array.dtype.kind == "M" and not np.isnat(array).any():
        return array.astype("datetime64[us]").astype(np.int64)
    if array.dtype.kind == "i":
        return array.astype(np.int64)
    raise InvalidInput(
        "occurred_at",
        str(array.dtype),
        "holds no instants",
        "pass datetime64 in UTC without NaT, or integer microseconds since 1970",
    )


@final
@attrs.frozen(kw_only=True, eq=False)
class MessageColumns:
    """Hold messages as columns of equal length, in the order in which they are priced.

    ``occurred_at`` are microseconds since 1970 in UTC. ``market``, ``category`` and ``reference``
    are codes: places in ``markets``, in the order of :class:`MessageCategory`, and in
    ``references``. ``billable`` is the provider's flag.

    Raises:
        InvalidInput: columns differ in length or kind, or a code has no name.
    """

    occurred_at: _Integers = attrs.field(repr=False)
    market: _Integers = attrs.field(repr=False)
    category: _Integers = attrs.field(repr=False)
    billable: NDArray[np.bool_] = attrs.field(repr=False)
    reference: _Integers = attrs.field(repr=False)
    markets: tuple[str, ...]
    references: tuple[str, ...] = attrs.field(repr=False)

    def __attrs_post_init__(self) -> None:
        bounds = {
            "occurred_at": None,
            "market": len(self.markets),
            "category": len(_CATEGORIES),
            "reference": len(self.references),
        }
        for name, bound in bounds.items():
            column = getattr(self, name)
            if column.dtype != np.int64 or column.shape != self.billable.shape or column.ndim != 1:
                raise InvalidInput(
                    name,
                    f"{column.dtype}{column.shape}",
                    "is no such column",
                    "use int64 of one length",
                )
            if (
                bound is not None
                and column.size
                and (int(column.min()) < 0 or int(column.max()) >= bound)
            ):
                raise InvalidInput(name, int(column.max()), "has no name", f"stay below {bound}")
        if self.billable.dtype != np.bool_:
            raise InvalidInput("billable", str(self.billable.dtype), "is no flag", "pass bools")

    def __len__(self) -> int:
        return int(self.billable.size)

    @classmethod
    def encode(
        cls,
        *,
        occurred_at: Any,  # noqa: ANN401 - checked by its dtype
        market: Sequence[str],
        category: Sequence[str],
        billable: Sequence[bool] | NDArray[np.bool_],
        reference: Sequence[str] | None = None,
    ) -> "MessageColumns":
        """Build columns from instants and texts.

        Raises:
            InvalidInput: columns differ in length, or hold what is no instant, category or text.
        """
        markets, market_codes = _codes(market, "market")
        names, name_codes = _codes(category, "category")
        places: list[int] = []
        for name in names:
            try:
                places.append(_CATEGORY_CODES[MessageCategory(name)])
            except ValueError:
                raise InvalidInput(
                    "category", name, "is no message category", f"use {', '.join(_CATEGORIES)}"
                ) from None
        flags = np.asarray(billable)
        texts = [""] * len(flags) if reference is None else reference
        references, reference_codes = _codes(texts, "reference")
        return cls(
            occurred_at=_instants(occurred_at),
            market=market_codes,
            category=np.asarray(places, dtype=np.int64)[name_codes],
            billable=flags.astype(np.bool_) if flags.size == 0 else flags,
            reference=reference_codes,
            markets=markets,
            references=references,
        )

    @classmethod
    def of_records(cls, records: Iterable[UsageRecord]) -> "MessageColumns":
        """Build columns from usage records, in their order."""
        rows = list(records)
        micro = timedelta(microseconds=1)
        return cls.encode(
            occurred_at=np.array([(row.occurred_at - _EPOCH) // micro for row in rows], np.int64),
            market=[row.market for row in rows],
            category=[row.category for row in rows],
            billable=np.array([row.billable for row in rows], np.bool_),
            reference=[row.reference for row in rows],
        )


@final
@attrs.frozen(kw_only=True)
class ColumnLine:
    """Hold the messages of one month, card, market and category that have one rate.

    ``messages`` were charged ``unit_rate`` micro-units each; where that is zero they are free by
    the provider's flag.
    """

    month: date
    card: str
    market: str
    category: MessageCategory
    messages: int
    unit_rate: int
    tier: int | None = None

    @property
    def units(self) -> int:
        """The amount in micro-units."""
        return self.messages * self.unit_rate


@final
@attrs.frozen(kw_only=True, eq=False)
class RatedColumns:
    """Hold what each message costs, the total, its lines, and the counts after them.

    ``units`` are micro-units and ``tier`` counts from 1, 0 where a rate has no tiers or the message
    is free; both are in the order of the messages.
    """

    units: _Integers = attrs.field(repr=False)
    tier: NDArray[np.int16] = attrs.field(repr=False)
    lines: tuple[ColumnLine, ...] = attrs.field(repr=False)
    counts: MessageCounts = attrs.field(repr=False)
    currency: str

    @property
    def total_units(self) -> int:
        """The sum in micro-units, exact however large."""
        return sum(line.units for line in self.lines)

    @property
    def money(self) -> Money:
        """The sum."""
        return from_units(self.total_units, self.currency, DEFAULT_SCALE)


def rate_many(
    columns: MessageColumns,
    rates: MessageRates,
    zone: str,
    counts: MessageCounts | None = None,
) -> RatedColumns:
    """Price columns of messages by the provider's flag, as ``price_many`` does their records.

    ``zone`` is the IANA name of the WhatsApp Business Account's zone. All or none: the first
    message that cannot be priced raises.

    Raises:
        InvalidInput: a message is before the first card or regime, or its category is not offered
            in its market; there is no such zone.
        UnknownName: a card has no such market.
    """
    sheet = _Sheet(columns, rates, check_zone(zone), counts or MessageCounts())
    sheet.check()
    return sheet.rated()


# ------------------------------------------------------------------------------- local days


def _offset(second: int, zone: ZoneInfo) -> int:
    moved = (_EPOCH + timedelta(seconds=second)).astimezone(zone).utcoffset()
    return 0 if moved is None else moved // timedelta(seconds=1)


def _local_days(instants: _Integers, zone: ZoneInfo) -> _Integers:
    """Return the local calendar day of each instant, as days since 1970-01-01."""
    seconds = instants // _SECOND
    first, last = int(seconds.min()), int(seconds.max())
    if first < _EARLIEST or last > _LATEST:
        raise InvalidInput(
            "occurred_at", first, "is out of range", "pass microseconds of the years 1 to 9999"
        )
    starts, offsets = [first], [_offset(first, zone)]
    place = first
    while place < last:
        after = min(place + _SAMPLE, last)
        moved = _offset(after, zone)
        if moved != offsets[-1]:
            low, high = place, after
            while high - low > 1:
                middle = (low + high) // 2
                if _offset(middle, zone) == moved:
                    high = middle
                else:
                    low = middle
            starts.append(high)
            offsets.append(moved)
        place = after
    if len(starts) == 1:
        return (seconds + offsets[0]) // _DAY
    parts = np.searchsorted(np.asarray(starts), seconds, side="right") - 1
    return (seconds + np.asarray(offsets, dtype=np.int64)[parts]) // _DAY


@attrs.frozen
class _Segment:
    """Hold what all local days of one month under one card and regime share."""

    month: date
    card: RateCard
    regime: MessageRegime


class _Sheet:
    """Price one set of columns: every message has a key of segment, market and category."""

    def __init__(
        self, columns: MessageColumns, rates: MessageRates, zone: ZoneInfo, counts: MessageCounts
    ) -> None:
        self.columns = columns
        self.rates = rates
        self.before = counts
        self.segments: list[_Segment] = []
        self.width = max(len(columns.markets), 1) * len(_CATEGORIES)
        if len(columns):
            self.days = _local_days(columns.occurred_at, zone)
            segment = self._segments()
        else:
            self.days = segment = np.zeros(0, dtype=np.int64)
        self.segment = segment
        self.key = segment * self.width + columns.market * len(_CATEGORIES) + columns.category
        self.base = self._base_rates()

    def _segments(self) -> _Integers:
        """Return the segment of each message, -1 where no card or regime rules."""
        first = int(self.days.min())
        present = np.flatnonzero(np.bincount(self.days - first)).tolist()
        lookup = np.full(present[-1] + 1, -1, dtype=np.int64)
        known: dict[tuple[date, str, str], int] = {}
        for place in present:
            day = date.fromordinal(first + place + _EPOCH_DAY)
            try:
                card = self.rates.cards.in_force(day)
                regime = self.rates.regimes.in_force(day)
            except InvalidInput:
                continue  # check() raises it for the first message of such a day
            name = month_of(day), card.name, regime.name
            if name not in known:
                known[name] = len(self.segments)
                self.segments.append(_Segment(name[0], card, regime))
            lookup[place] = known[name]
        return lookup[self.days - first]

    def _base_rates(self) -> _Integers:
        """Return the base rate of each key, -1 where it is not offered."""
        base = np.full(len(self.segments) * self.width, -1, dtype=np.int64)
        for number, segment in enumerate(self.segments):
            for place, market in enumerate(self.columns.markets):
                row = segment.card.rates.get(market, {})
                for category, rate in row.items():
                    if rate is not None:
                        at = place * len(_CATEGORIES) + _CATEGORY_CODES[category]
                        base[number * self.width + at] = rate
        return base

    def check(self) -> None:
        """Raise for the first message that cannot be priced, what its record would raise."""
        bad = self.segment < 0
        if self.segments:
            rate = self.base[np.where(bad, 0, self.key)]
            bad |= self.columns.billable & (rate < 0)
        if not bad.any():
            return
        at = int(np.argmax(bad))
        day = date.fromordinal(int(self.days[at]) + _EPOCH_DAY)
        card = self.rates.cards.in_force(day)
        self.rates.regimes.in_force(day)
        market = self.columns.markets[int(self.columns.market[at])]
        self.rates.rate_of(card, market, _CATEGORIES[int(self.columns.category[at])])

    def rated(self) -> RatedColumns:
        """Return amounts, tiers, lines and counts; ``check`` has passed."""
        billed = self.columns.billable
        size = len(self.segments) * self.width
        charged = np.bincount(self.key[billed], minlength=size)
        free = np.bincount(self.key[~billed], minlength=size)
        rate, tier = self.base.copy(), np.zeros(size, dtype=np.int16)
        crossing: list[tuple[list[int], int]] = []
        counts: dict[TierKey, int] = dict(self.before.charged)
        lines: list[ColumnLine] = []
        groups: dict[TierKey, list[int]] = {}
        for key in np.flatnonzero(charged).tolist():
            segment, market, category = self._named(key)
            groups.setdefault((segment.month, market, category), []).append(key)
        for name, keys in groups.items():
            before = counts.get(name, 0)
            total = int(charged[keys].sum())
            counts[name] = before + total
            ladders = [self._ladder(key) for key in keys]
            ladder = ladders[0]
            if len(keys) == 1 and (ladder is None or len(ladder.steps(before, total)) == 1):
                if ladder is not None:
                    (step,) = ladder.steps(before, total)
                    tier[keys[0]], rate[keys[0]] = step[0], step[2]
                number = int(tier[keys[0]]) or None
                lines.append(self._line(keys[0], total, int(rate[keys[0]]), number))
            elif any(one is not None for one in ladders):
                crossing.append((keys, before))
            else:
                lines += [self._line(k, int(charged[k]), int(rate[k]), None) for k in keys]
        lines += [self._line(key, int(free[key]), 0, None) for key in np.flatnonzero(free).tolist()]
        units = np.where(billed, rate[self.key], 0) if size else np.zeros(0, dtype=np.int64)
        tiers = np.where(billed, tier[self.key], 0) if size else np.zeros(0, dtype=np.int16)
        for keys, before in crossing:
            lines += self._cross(keys, before, units, tiers)
        return RatedColumns(
            units=units,
            tier=tiers.astype(np.int16),
            lines=tuple(sorted(lines, key=_order)),
            counts=MessageCounts(charged=counts, free_service=self._service()),
            currency=self.rates.currency,
        )

    def _cross(
        self, keys: list[int], before: int, units: _Integers, tiers: NDArray[Any]
    ) -> list[ColumnLine]:
        """Price the messages of one month's count that cross a tier's edge, in their order."""
        rows = np.flatnonzero(np.isin(self.key, keys) & self.columns.billable)
        numbers = before + 1 + np.arange(rows.size, dtype=np.int64)
        found: list[ColumnLine] = []
        for key in keys:
            own = self.key[rows] == key
            ladder = self._ladder(key)
            if ladder is None:
                units[rows[own]] = self.base[key]
                found.append(self._line(key, int(own.sum()), int(self.base[key]), None))
                continue
            ends = np.asarray(ladder.tops[:-1], dtype=np.int64)
            place = np.searchsorted(ends, numbers[own], side="left")
            units[rows[own]] = np.asarray(ladder.rates, dtype=np.int64)[place]
            tiers[rows[own]] = place + 1
            for tier, count in enumerate(np.bincount(place).tolist(), start=1):
                if count:
                    found.append(self._line(key, count, ladder.rates[tier - 1], tier))
        return found

    def _service(self) -> dict[ServiceKey, int]:
        """Return the counts of free service messages: a charged one says they are used up."""
        found = dict(self.before.free_service)
        rows = np.flatnonzero(self.columns.category == _SERVICE)
        if not rows.size:
            return found
        months: dict[date, set[int]] = {}
        for one in self.segments:
            months.setdefault(one.month, set()).add(one.regime.free_service_messages)
        if any(len(allowed) > 1 for allowed in months.values()):
            return self._service_one_by_one(rows, found)
        width = len(self.columns.references)
        code = self.segment[rows] * width + self.columns.reference[rows]
        size = len(self.segments) * width
        billed = np.bincount(code[self.columns.billable[rows]], minlength=size)
        free = np.bincount(code[~self.columns.billable[rows]], minlength=size)
        for at in np.flatnonzero(billed + free).tolist():
            segment = self.segments[at // width]
            allowed = segment.regime.free_service_messages
            if allowed:
                key = segment.month, self.columns.references[at % width]
                used = found.get(key, 0) + int(free[at])
                found[key] = allowed if billed[at] else min(used, allowed)
        return found

    def _service_one_by_one(
        self, rows: _Integers, found: dict[ServiceKey, int]
    ) -> dict[ServiceKey, int]:
        """Count where a regime changes within a month, so that the order of messages matters."""
        for row in rows.tolist():
            segment = self.segments[int(self.segment[row])]
            allowed = segment.regime.free_service_messages
            if allowed:
                key = segment.month, self.columns.references[int(self.columns.reference[row])]
                used = min(found.get(key, 0) + 1, allowed)
                found[key] = allowed if self.columns.billable[row] else used
        return found

    def _named(self, key: int) -> tuple[_Segment, str, MessageCategory]:
        segment, rest = divmod(key, self.width)
        market, category = divmod(rest, len(_CATEGORIES))
        return self.segments[segment], self.columns.markets[market], _CATEGORIES[category]

    def _ladder(self, key: int) -> TierLadder | None:
        segment, market, category = self._named(key)
        return self.rates.ladder(segment.card, market, category, segment.regime)

    def _line(self, key: int, messages: int, rate: int, tier: int | None) -> ColumnLine:
        segment, market, category = self._named(key)
        return ColumnLine(
            month=segment.month,
            card=segment.card.name,
            market=market,
            category=category,
            messages=messages,
            unit_rate=rate,
            tier=tier,
        )


def _order(line: ColumnLine) -> tuple[date, str, str, str, int, int]:
    return line.month, line.card, line.market, line.category, line.tier or 0, -line.unit_rate
