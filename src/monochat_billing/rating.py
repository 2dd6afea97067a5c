"""Rating: usage records and dated rate cards in, explained amounts out.

*Owns* usage records, rate cards, which card rules on which day, and what one record costs.
*Does not own* the balance that pays, the webhooks that records come from, or taxes.

A rate card prices one meter in one currency, by market and message category, from a calendar day
on. Which card rules a record is decided by the local date of ``occurred_at`` in the zone that the
caller names, so a card that starts on 1 October starts at that zone's midnight.

Amounts are integers in millionths of the currency (micro-units, scale 6): a message may cost
0.0009. Nothing is rounded here, because a rate has at most six decimals and is charged once per
record. What is priced is the base rate of the card: volume tiers, allowances and packages are not
applied yet.

>>> card = RateCard(
...     name="example-2026-10",
...     meter="whatsapp.message",
...     currency="USD",
...     effective_on=date(2026, 10, 1),
...     rates={"Turkey": {MessageCategory.MARKETING: 10_900, MessageCategory.UTILITY: 900}},
... )
>>> record = UsageRecord(
...     id="wamid.1",
...     meter="whatsapp.message",
...     occurred_at=datetime(2026, 10, 5, 9, 30, tzinfo=UTC),
...     market="Turkey",
...     category=MessageCategory.MARKETING,
... )
>>> line = rate(record, RateCards(cards=(card,)), "Europe/Istanbul")
>>> line.units
10900
>>> print(line.explain())
wamid.1: marketing, Turkey, 2026-10-05: 1 x 0.0109 USD = 0.0109 USD (example-2026-10)
"""

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime
from enum import StrEnum
from functools import partial
from types import MappingProxyType
from typing import Any, Final, final
from zoneinfo import ZoneInfo

import attrs

from monochat_billing.errors import InvalidInput, UnknownName
from monochat_billing.money import DEFAULT_SCALE, Money, check_currency, from_units
from monochat_billing.periods import check_zone, utc

__all__ = [
    "MessageCategory",
    "RateCard",
    "RateCards",
    "RatedLine",
    "UsageRecord",
    "rate",
    "rate_many",
]

_HIGHEST_RATE: Final = 10**12  # micro-units: a million per message is a mistake

_ONE: Final = 10**DEFAULT_SCALE


@final
class MessageCategory(StrEnum):
    """Name what kind of message a rate is for.

    The categories are those of Meta's rate cards (WhatsApp Business Platform, pricing).
    """

    MARKETING = "marketing"
    UTILITY = "utility"
    AUTHENTICATION = "authentication"
    AUTHENTICATION_INTERNATIONAL = "authentication_international"
    SERVICE = "service"


def _instant(value: datetime) -> datetime:
    """Pass an instant that is already in UTC, and convert or refuse any other."""
    if type(value) is datetime and value.tzinfo is UTC:
        return value
    return utc(value, field="occurred_at")


@final
@attrs.frozen(kw_only=True)
class UsageRecord:
    """Hold one billable fact: a message that was delivered, charged at most once by its ``id``.

    ``occurred_at`` is an aware instant, kept in UTC. ``market`` is a name of the rate card.
    ``billable`` is the provider's word on whether it charges; a record that is not billable
    costs nothing. ``reference`` names what the usage belongs to (a phone-number id). A record
    has no field for the recipient's number.

    Raises:
        InvalidInput: when ``id`` is empty or ``occurred_at`` is naive.

    >>> UsageRecord(
    ...     id="wamid.1",
    ...     meter="whatsapp.message",
    ...     occurred_at=datetime(2026, 10, 5),
    ...     market="Turkey",
    ...     category=MessageCategory.SERVICE,
    ... )  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    monochat_billing.errors.InvalidInput: occurred_at: ...
    """

    id: str
    meter: str
    occurred_at: datetime = attrs.field(converter=_instant)
    market: str
    category: MessageCategory
    billable: bool = True
    reference: str = ""

    def __attrs_post_init__(self) -> None:
        if not self.id:
            raise InvalidInput("id", self.id, "is empty", "pass the message id of the provider")


def _rates(
    value: Mapping[str, Mapping[MessageCategory, int | None]],
) -> Mapping[str, Mapping[MessageCategory, int | None]]:
    """Copy rates and close them: what the caller does to its dict later does not reach the card."""
    _check_mapping("rates", value)
    if not value:
        raise InvalidInput("rates", {}, "has no market", "pass a mapping of market to rates")
    return MappingProxyType({market: _market_rates(market, row) for market, row in value.items()})


def _market_rates(market: str, row: Any) -> Mapping[MessageCategory, int | None]:  # noqa: ANN401 - callers pass anything
    _check_name("rates", market)
    _check_mapping(f"rates[{market}]", row)
    checked: dict[MessageCategory, int | None] = {}
    for key, units in row.items():
        try:
            category = MessageCategory(key)
        except ValueError:
            raise InvalidInput(
                f"rates[{market}]",
                key,
                "is not a message category",
                f"use one of {', '.join(MessageCategory)}",
            ) from None
        _check_rate(f"rates[{market}][{category}]", units)
        checked[category] = units
    return MappingProxyType(checked)


def _check_mapping(field: str, value: Any) -> None:  # noqa: ANN401 - callers pass anything
    if not isinstance(value, Mapping):
        raise InvalidInput(
            field, value, "is not a mapping", "map market to category to micro-units"
        )


def _check_name(field: str, value: Any) -> None:  # noqa: ANN401 - callers pass anything
    if not isinstance(value, str) or not value.strip():
        raise InvalidInput(field, value, "is not a name", "pass text that is not blank")


def _check_rate(field: str, units: Any) -> None:  # noqa: ANN401 - callers pass anything
    if units is None:
        return
    if not isinstance(units, int) or isinstance(units, bool):
        raise InvalidInput(field, units, "is not an integer", "pass the rate in micro-units")
    if not 0 < units <= _HIGHEST_RATE:
        raise InvalidInput(
            field,
            units,
            "is not a rate",
            f"pass 1 to {_HIGHEST_RATE} micro-units, or None for a category that is not offered; "
            "what is free is said by the record",
        )


@final
@attrs.frozen(kw_only=True)
class RateCard:
    """Hold the rates of one meter in one currency from ``effective_on`` on.

    ``effective_on`` is a local calendar day and is included. ``rates`` maps market to category to
    integer micro-units (10900 is 0.0109). ``None``, or a category that is left out, means *not
    offered*: such a message cannot be rated, and it is never free. ``source`` says where the card
    was read. A card has no end: the next card of its ``RateCards`` ends it.

    Raises:
        InvalidInput: naming the field that cannot be right.

    >>> card = RateCard(
    ...     name="example",
    ...     meter="whatsapp.message",
    ...     currency="USD",
    ...     effective_on=date(2026, 10, 1),
    ...     rates={"Turkey": {MessageCategory.UTILITY: 900, MessageCategory.SERVICE: None}},
    ... )
    >>> card.units_for("Turkey", MessageCategory.UTILITY)
    900
    >>> card.units_for("Turkey", MessageCategory.SERVICE) is None
    True
    """

    name: str
    meter: str
    currency: str
    effective_on: date
    rates: Mapping[str, Mapping[MessageCategory, int | None]] = attrs.field(
        converter=_rates, repr=False, hash=False
    )
    source: str = attrs.field(default="", repr=False)

    def __attrs_post_init__(self) -> None:
        _check_name("name", self.name)
        _check_name("meter", self.meter)
        check_currency(self.currency)
        _check_day("effective_on", self.effective_on)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle plain dicts: a mapping that is closed to writing does not pickle by itself."""
        fields = {field.name: getattr(self, field.name) for field in attrs.fields(type(self))}
        fields["rates"] = {market: dict(row) for market, row in self.rates.items()}
        return partial(RateCard, **fields), ()

    def units_for(self, market: str, category: MessageCategory) -> int | None:
        """Return the rate in micro-units, or ``None`` when the card does not offer it.

        Raises:
            UnknownName: when the card has no such market.
        """
        row = self.rates.get(market)
        if row is None:
            raise UnknownName(
                "market",
                market,
                f"is not on the rate card {self.name}",
                "use a market of the card, such as " + ", ".join(sorted(self.rates)[:3]),
            )
        return row.get(category)


def _check_day(field: str, value: Any) -> None:  # noqa: ANN401 - callers pass anything
    if not isinstance(value, date) or isinstance(value, datetime):
        raise InvalidInput(field, value, "is not a calendar day", "pass a date, not an instant")


def _by_day(cards: Iterable[RateCard]) -> tuple[RateCard, ...]:
    return tuple(sorted(cards, key=lambda card: card.effective_on))


@final
@attrs.frozen(kw_only=True)
class RateCards:
    """Hold the history of one rate card: each card rules from its day until the next one's.

    All cards have one meter and one currency; no two start on the same day or share a name.
    They are kept in the order of their days.

    Raises:
        InvalidInput: naming ``cards`` when there is none, or when two of them overlap.

    >>> rates = {"Turkey": {MessageCategory.UTILITY: 900}}
    >>> july = RateCard(
    ...     name="july", meter="m", currency="USD", effective_on=date(2026, 7, 1), rates=rates
    ... )
    >>> october = attrs.evolve(july, name="october", effective_on=date(2026, 10, 1))
    >>> cards = RateCards(cards=(october, july))
    >>> cards.in_force(date(2026, 9, 30)).name, cards.in_force(date(2026, 10, 1)).name
    ('july', 'october')
    """

    cards: tuple[RateCard, ...] = attrs.field(converter=_by_day)
    _days: tuple[date, ...] = attrs.field(init=False, repr=False, eq=False)

    def __attrs_post_init__(self) -> None:
        if not self.cards:
            raise InvalidInput("cards", (), "is empty", "pass at least one rate card")
        first = self.cards[0]
        for earlier, later in zip(self.cards, self.cards[1:], strict=False):
            if later.effective_on == earlier.effective_on:
                raise InvalidInput(
                    "cards",
                    later.name,
                    f"starts on the same day as {earlier.name}: {later.effective_on}",
                    "give each card its own day",
                )
            if (later.meter, later.currency) != (first.meter, first.currency):
                raise InvalidInput(
                    "cards",
                    later.name,
                    f"is in {later.currency} for {later.meter}, {first.name} is in "
                    f"{first.currency} for {first.meter}",
                    "keep one history for each meter and currency",
                )
        names = [card.name for card in self.cards]
        if len(set(names)) != len(names):
            raise InvalidInput(
                "cards", tuple(names), "uses a name twice", "give each card its own name"
            )
        object.__setattr__(self, "_days", tuple(card.effective_on for card in self.cards))

    @property
    def currency(self) -> str:
        """The currency of every card."""
        return self.cards[0].currency

    @property
    def meter(self) -> str:
        """The meter that every card prices."""
        return self.cards[0].meter

    def in_force(self, on: date) -> RateCard:
        """Return the card that rules on a local calendar day.

        Raises:
            InvalidInput: when ``on`` is before the first card.

        >>> rates = {"Turkey": {MessageCategory.UTILITY: 900}}
        >>> july = RateCard(
        ...     name="july", meter="m", currency="USD", effective_on=date(2026, 7, 1), rates=rates
        ... )
        >>> RateCards(cards=(july,)).in_force(date(2026, 6, 30))  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        monochat_billing.errors.InvalidInput: on: ...
        """
        place = bisect_right(self._days, on)
        if place == 0:
            raise InvalidInput(
                "on",
                on.isoformat(),
                f"is before the first rate card, {self.cards[0].name} of {self._days[0]}",
                "add the card that was in force then",
            )
        return self.cards[place - 1]

    def with_card(self, card: RateCard) -> "RateCards":
        """Return the history with one more card.

        Raises:
            InvalidInput: when the card does not fit, as for a new ``RateCards``.
        """
        return RateCards(cards=(*self.cards, card))


@final
@attrs.frozen(kw_only=True)
class RatedLine:
    """Hold what one usage record costs, and why.

    ``units`` is the amount in micro-units of ``currency``, zero when the provider charges nothing.
    ``unit_rate`` is the rate of the card in the same units, zero likewise. ``card`` names the rate
    card and ``rated_on`` the local day that chose it.
    """

    record_id: str
    units: int
    currency: str
    unit_rate: int
    card: str
    market: str
    category: MessageCategory
    rated_on: date
    billable: bool
    reference: str

    @property
    def rate(self) -> str:
        """The rate as decimal text in major units, without trailing zeros: ``0.0109``."""
        return _decimal(self.unit_rate)

    @property
    def amount(self) -> Money:
        """The amount as ``Money``, built on demand: the hot path counts in integers."""
        return from_units(self.units, self.currency, DEFAULT_SCALE)

    def explain(self) -> str:
        """Say in one line what was charged and by which card."""
        what = f"{self.record_id}: {self.category.value}, {self.market}, {self.rated_on}"
        if not self.billable:
            return f"{what}: free by the provider's flag ({self.card})"
        amount = f"{_decimal(self.units)} {self.currency}"
        return f"{what}: 1 x {self.rate} {self.currency} = {amount} ({self.card})"


def _decimal(units: int) -> str:
    """Write micro-units as decimal text, exactly and in any decimal context."""
    whole, part = divmod(units, _ONE)
    return f"{whole}.{part:0{DEFAULT_SCALE}d}".rstrip("0").rstrip(".")


def rate(record: UsageRecord, cards: RateCards, zone: str) -> RatedLine:
    """Price one usage record by the card in force on its local date in ``zone``.

    ``zone`` is an IANA name. A record that is not billable costs nothing and needs no rate; it
    still needs a card, because the line names one.

    Raises:
        InvalidInput: when the record is before the first card, has another meter, or when its
            category is not offered in its market; when there is no such zone.
        UnknownName: when the card has no such market.
    """
    return _rate(record, cards, check_zone(zone))


def rate_many(records: Iterable[UsageRecord], cards: RateCards, zone: str) -> tuple[RatedLine, ...]:
    """Price many usage records, each exactly as ``rate`` does, in their order.

    All or none: the first record that cannot be rated raises, and no line is returned.

    Raises:
        InvalidInput: as ``rate``.
        UnknownName: as ``rate``.
    """
    local = check_zone(zone)
    return tuple([_rate(record, cards, local) for record in records])


def _rate(record: UsageRecord, cards: RateCards, zone: ZoneInfo) -> RatedLine:
    if record.meter != cards.meter:
        raise InvalidInput(
            "meter",
            record.meter,
            f"is not what the rate cards price ({cards.meter})",
            "rate it with the cards of its meter",
        )
    day = record.occurred_at.astimezone(zone).date()
    card = cards.in_force(day)
    units = 0
    if record.billable:
        found = card.units_for(record.market, record.category)
        if found is None:
            raise InvalidInput(
                "category",
                record.category.value,
                f"is not offered in {record.market} by the rate card {card.name}",
                "set the record aside and ask the provider how it was charged",
            )
        units = found
    return RatedLine(
        record_id=record.id,
        units=units,
        currency=card.currency,
        unit_rate=units,
        card=card.name,
        market=record.market,
        category=record.category,
        rated_on=day,
        billable=record.billable,
        reference=record.reference,
    )
