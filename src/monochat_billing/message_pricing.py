"""Message pricing: one message, its card, its tier, what is free, and what was counted.

*Owns* how rate cards, volume tiers, regimes and counts meet in the price of a message, and the
line that says so in English and Turkish.
*Does not own* the balance that pays, webhooks, or the sum of a campaign that was not sent.

A message is priced in one of two ways. :func:`price` takes a usage record that carries the
provider's flag: a record that is not billable costs nothing, one that is has the rate of its tier,
and no window or allowance is asked. :func:`predict` takes a message without a flag and asks the
regime of its day. Both return the line and the counts after it; batches thread the counts through.

A month's counts belong to the business portfolio (tiers) and to the business phone number (free
service messages). Amounts are integer micro-units; nothing is rounded, because every printed rate
has at most six decimals.

>>> from datetime import UTC
>>> card = RateCard(
...     name="example", meter="whatsapp.message", currency="USD",
...     effective_on=date(2026, 10, 1),
...     rates={"Turkey": {"utility": 900, "service": 900}},
... )
>>> tiers = CardTiers(card="example", rates={"Turkey": {"utility": [(2, 900), (None, 800)]}})
>>> rates = MessageRates(cards=RateCards(cards=(card,)), tiers=(tiers,))
>>> records = [
...     UsageRecord(id=f"wamid.{n}", meter="whatsapp.message", market="Turkey",
...                 category=MessageCategory.UTILITY,
...                 occurred_at=datetime(2026, 10, 5, 9, n, tzinfo=UTC))
...     for n in (1, 2, 3)
... ]
>>> priced = price_many(records, rates, "Europe/Istanbul")
>>> print(priced.lines[-1])
wamid.3: utility, Turkey, 2026-10-05: message 3 of the month, tier 2: $0.0008 (example)
>>> priced.units
2600
"""

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from typing import Final, NamedTuple, final
from zoneinfo import ZoneInfo

import attrs

from monochat_billing.errors import InvalidInput
from monochat_billing.message_regimes import (
    META_REGIMES,
    FreeReason,
    InternationalSender,
    MessageRegime,
    MessageRegimes,
    free_words,
    month_of,
    priced_category,
)
from monochat_billing.message_tiers import (
    CardTiers,
    MessageCounts,
    ServiceKey,
    TierCursor,
    TierKey,
    TierLadder,
)
from monochat_billing.message_windows import MessageWindows
from monochat_billing.message_words import category_words, market_words
from monochat_billing.money import DEFAULT_SCALE, Money, from_units
from monochat_billing.periods import check_zone, utc
from monochat_billing.rating import MessageCategory, RateCard, RateCards, UsageRecord
from monochat_billing.wording import Words

__all__ = [
    "MessageLine",
    "MessageRates",
    "PlannedMessage",
    "PricedMessages",
    "predict",
    "predict_many",
    "price",
    "price_many",
]

_SERVICE: Final = MessageCategory.SERVICE
_BY_PROVIDER: Final = FreeReason.PROVIDER


def _instant(value: datetime) -> datetime:
    return utc(value, field="sent_at")


def _by_card(value: Iterable[CardTiers]) -> tuple[CardTiers, ...]:
    return tuple(value)


@final
@attrs.frozen(kw_only=True)
class MessageRates:
    """Hold everything that prices a message: dated cards, their volume tiers, dated regimes.

    ``tiers`` belong to cards by name; a card without tiers, and a market or category that they do
    not name, has its base rate throughout.

    Raises:
        InvalidInput: tiers name no card of ``cards``, or one card twice.

    >>> card = RateCard(
    ...     name="c", meter="m", currency="USD", effective_on=date(2026, 10, 1),
    ...     rates={"Turkey": {"utility": 900}},
    ... )
    >>> MessageRates(cards=RateCards(cards=(card,))).currency
    'USD'
    """

    cards: RateCards
    tiers: tuple[CardTiers, ...] = attrs.field(default=(), converter=_by_card)
    regimes: MessageRegimes = META_REGIMES
    _ladders: Mapping[str, CardTiers] = attrs.field(init=False, repr=False, eq=False)

    def __attrs_post_init__(self) -> None:
        known = {card.name for card in self.cards.cards}
        named = [tiers.card for tiers in self.tiers]
        if len(set(named)) != len(named) or not set(named) <= known:
            raise InvalidInput(
                "tiers",
                named,
                "names no card, or one twice",
                "give each card at most one CardTiers",
            )
        object.__setattr__(self, "_ladders", {tiers.card: tiers for tiers in self.tiers})

    @property
    def currency(self) -> str:
        """The currency of every card."""
        return self.cards.currency

    def ladder(
        self, card: RateCard, market: str, category: MessageCategory, regime: MessageRegime
    ) -> TierLadder | None:
        """Return the volume tiers that a rate has under a regime, or None where it has none."""
        if category not in regime.tiered:
            return None
        tiers = self._ladders.get(card.name)
        return None if tiers is None else tiers.ladder(market, category)

    def rate_of(self, card: RateCard, market: str, category: MessageCategory) -> int:
        """Return the base rate in micro-units.

        Raises:
            InvalidInput: the card does not offer the category in the market; that is never free.
            UnknownName: the card has no such market.
        """
        found = card.units_for(market, category)
        if found is None:
            raise InvalidInput(
                "category",
                category.value,
                f"is not offered in {market} by the rate card {card.name}",
                "set the message aside and ask the provider how it was charged",
            )
        return found


@final
@attrs.frozen(kw_only=True)
class MessageLine:
    """Hold what one message costs, and why.

    ``units`` is the amount in micro-units of ``currency``. ``free`` says why it is zero. ``number``
    counts the message: among the charged of its month, market and category where ``tier`` is set,
    among its number's free service messages where the allowance frees it. ``rated_on`` is the local
    day that chose card and regime.
    """

    record_id: str
    units: int
    currency: str
    card: str
    regime: str
    market: str
    category: MessageCategory
    rated_on: date
    reference: str = ""
    free: FreeReason | None = None
    tier: int | None = None
    number: int = 0
    allowance: int = 0

    @property
    def amount(self) -> Money:
        """The amount as ``Money``, built on demand: the hot path counts in integers."""
        return from_units(self.units, self.currency, DEFAULT_SCALE)

    def __str__(self) -> str:
        return self.explain()

    def explain(self, locale: str = "en") -> str:
        """Return the line as one sentence, in English (``en``) or Turkish (``tr``).

        Raises:
            InvalidInput: the locale is another.

        >>> line = MessageLine(
        ...     record_id="wamid.1", units=0, currency="USD", card="c", regime="r", market="Turkey",
        ...     category=MessageCategory.SERVICE, rated_on=date(2026, 10, 5),
        ...     free=FreeReason.ALLOWANCE, number=1000, allowance=1000,
        ... )
        >>> print(line.explain("en"))
        wamid.1: service, Turkey, 2026-10-05: free by the month's allowance, 1000/1000 (c)
        """
        words = Words(locale)
        day = words.short_day(self.rated_on)
        kind = f"{category_words(self.category, words)}, {market_words(self.market, words)}"
        head = f"{self.record_id}: {kind}, {day}"
        if self.free is not None:
            text = free_words(self.free, locale)
            if self.free is FreeReason.ALLOWANCE:
                text += f", {self.number}/{self.allowance}"
            return f"{head}: {text} ({self.card})"
        text = words.with_symbol(self.amount)
        if self.tier is not None:
            text = words.say(
                "message {number} of the month, tier {tier}: {amount}",
                number=words.number(self.number),
                tier=self.tier,
                amount=text,
            )
        return f"{head}: {text} ({self.card})"


@final
@attrs.frozen(kw_only=True)
class PlannedMessage:
    """Hold a message that has no flag of the provider: what is to be sent, or was just sent.

    ``sent_at`` is an aware instant, kept in UTC. ``reference`` is the business phone number's id,
    which its free service messages are counted by. ``windows`` are those of its recipient; without
    them no window is open. A message has no field for the recipient's number.

    Raises:
        InvalidInput: the instant is naive.

    >>> from datetime import UTC
    >>> PlannedMessage(
    ...     id="m-1", sent_at=datetime(2026, 10, 5, tzinfo=UTC), market="Turkey",
    ...     category=MessageCategory.SERVICE, reference="106",
    ... ).windows.window_until is None
    True
    """

    id: str
    sent_at: datetime = attrs.field(converter=_instant)
    market: str
    category: MessageCategory
    reference: str = ""
    windows: MessageWindows = attrs.field(factory=MessageWindows)


@final
@attrs.frozen(kw_only=True)
class PricedMessages:
    """Hold the lines of a batch in its order, and the counts after it."""

    lines: tuple[MessageLine, ...] = attrs.field(repr=False)
    counts: MessageCounts = attrs.field(repr=False)
    currency: str

    @property
    def units(self) -> int:
        """The sum in micro-units."""
        return sum([line.units for line in self.lines])

    @property
    def money(self) -> Money:
        """The sum."""
        return from_units(self.units, self.currency, DEFAULT_SCALE)


# ----------------------------------------------------------------------------- the two ways


def price(
    record: UsageRecord, rates: MessageRates, zone: str, counts: MessageCounts | None = None
) -> tuple[MessageLine, MessageCounts]:
    """Price a usage record by the provider's flag, at the tier that its month has reached.

    ``zone`` is the IANA name of the WhatsApp Business Account's zone. A free service message counts
    toward its number's allowance, and a charged one says that the allowance is used up, so that
    predictions made later follow the provider.

    Raises:
        InvalidInput: the record is before the first card or regime, has another meter, or its
            category is not offered in its market; there is no such zone.
        UnknownName: the card has no such market.
    """
    found = price_many((record,), rates, zone, counts)
    return found.lines[0], found.counts


def price_many(
    records: Iterable[UsageRecord],
    rates: MessageRates,
    zone: str,
    counts: MessageCounts | None = None,
) -> PricedMessages:
    """Price records one after the other, each at the count that those before it leave.

    All or none: the first record that cannot be priced raises.

    Raises:
        InvalidInput: as :func:`price`.
        UnknownName: as :func:`price`.
    """
    desk = _Desk(rates, check_zone(zone), counts or MessageCounts())
    lines = [desk.price(record) for record in records]
    return PricedMessages(lines=tuple(lines), counts=desk.counts(), currency=rates.currency)


def predict(
    message: PlannedMessage,
    rates: MessageRates,
    zone: str,
    counts: MessageCounts | None = None,
    *,
    sender: InternationalSender | None = None,
) -> tuple[MessageLine, MessageCounts]:
    """Price a message without a flag by the regime of its day, its windows and the counts.

    ``sender`` is set where the business is charged international rates for authentication.

    Raises:
        InvalidInput: as :func:`price`.
        UnknownName: as :func:`price`.
    """
    found = predict_many((message,), rates, zone, counts, sender=sender)
    return found.lines[0], found.counts


def predict_many(
    messages: Iterable[PlannedMessage],
    rates: MessageRates,
    zone: str,
    counts: MessageCounts | None = None,
    *,
    sender: InternationalSender | None = None,
) -> PricedMessages:
    """Predict messages one after the other, each at the count that those before it leave.

    Raises:
        InvalidInput: as :func:`price`.
        UnknownName: as :func:`price`.
    """
    desk = _Desk(rates, check_zone(zone), counts or MessageCounts(), sender)
    lines = [desk.predict(message) for message in messages]
    return PricedMessages(lines=tuple(lines), counts=desk.counts(), currency=rates.currency)


class _Rules(NamedTuple):
    """Hold what the days of one month under one card and regime share."""

    month: date
    card: RateCard
    regime: MessageRegime
    allowance: int
    rows: dict[tuple[str, MessageCategory], TierCursor]


class _Desk:
    """Price one batch: the counts are plain dicts while it lasts, and a value again after it."""

    def __init__(
        self,
        rates: MessageRates,
        zone: ZoneInfo,
        counts: MessageCounts,
        sender: InternationalSender | None = None,
    ) -> None:
        self._rates = rates
        self._meter = rates.cards.meter
        self._zone = zone
        self._sender = sender
        self._charged: dict[TierKey, int] = dict(counts.charged)
        self._service: dict[ServiceKey, int] = dict(counts.free_service)
        self._days: dict[date, _Rules] = {}
        self._known: dict[tuple[date, str, str], _Rules] = {}

    def counts(self) -> MessageCounts:
        return MessageCounts(charged=self._charged, free_service=self._service)

    def price(self, record: UsageRecord) -> MessageLine:
        if record.meter != self._meter:
            raise InvalidInput(
                "meter",
                record.meter,
                f"is not what the rate cards price ({self._meter})",
                "price it with the cards of its meter",
            )
        on = record.occurred_at.astimezone(self._zone).date()
        rules = self._days.get(on) or self._rules(on)
        category = record.category
        if rules.allowance and category is _SERVICE:
            key = rules.month, record.reference
            used = self._service.get(key, 0)
            allowed = rules.allowance
            self._service[key] = allowed if record.billable else min(used + 1, allowed)
        if not record.billable:
            return _free(record, on, rules, category)
        return self._charge(record, on, rules, category)

    def predict(self, message: PlannedMessage) -> MessageLine:
        at = message.sent_at
        on = at.astimezone(self._zone).date()
        rules = self._days.get(on) or self._rules(on)
        category = priced_category(
            message.category, message.market, rules.card, on=on, sender=self._sender
        )
        key = rules.month, message.reference
        used = self._service.get(key, 0)
        reason = rules.regime.free_reason(
            category,
            in_window=message.windows.in_window(at),
            in_entry_point=message.windows.in_entry_point(at),
            free_used=used,
        )
        if reason is None:
            return self._charge(message, on, rules, category)
        if reason is FreeReason.ALLOWANCE:
            self._service[key] = used = used + 1
        return _free(message, on, rules, category, reason=reason, number=used)

    def _rules(self, on: date) -> _Rules:
        month = month_of(on)
        card = self._rates.cards.in_force(on)
        regime = self._rates.regimes.in_force(on)
        name = month, card.name, regime.name
        found = self._known.get(name)
        if found is None:
            found = _Rules(month, card, regime, regime.free_service_messages, {})
            self._known[name] = found
        self._days[on] = found
        return found

    def _row(self, rules: _Rules, market: str, category: MessageCategory) -> TierCursor:
        units = self._rates.rate_of(rules.card, market, category)
        ladder = self._rates.ladder(rules.card, market, category, rules.regime)
        row = TierCursor((rules.month, market, category), units, ladder)
        rules.rows[market, category] = row
        return row

    def _charge(
        self,
        message: UsageRecord | PlannedMessage,
        on: date,
        rules: _Rules,
        category: MessageCategory,
    ) -> MessageLine:
        market = message.market
        row = rules.rows.get((market, category)) or self._row(rules, market, category)
        # The count is the month's: another card of the same month may have moved it meanwhile.
        number = self._charged.get(row.key, 0) + 1
        self._charged[row.key] = number
        if number > row.until or number != row.number + 1:
            row.at(number)
        row.number = number
        return MessageLine(
            record_id=message.id,
            units=row.units,
            currency=rules.card.currency,
            card=rules.card.name,
            regime=rules.regime.name,
            market=market,
            category=category,
            rated_on=on,
            reference=message.reference,
            tier=row.tier,
            number=number,
        )


def _free(
    message: UsageRecord | PlannedMessage,
    on: date,
    rules: _Rules,
    category: MessageCategory,
    *,
    reason: FreeReason = _BY_PROVIDER,
    number: int = 0,
) -> MessageLine:
    return MessageLine(
        record_id=message.id,
        units=0,
        currency=rules.card.currency,
        card=rules.card.name,
        regime=rules.regime.name,
        market=message.market,
        category=category,
        rated_on=on,
        reference=message.reference,
        free=reason,
        number=number,
        allowance=rules.allowance,
    )
