"""Campaigns: what messages will cost before they are sent, and how many an amount pays for.

*Owns* the estimate of a campaign, expected and at worst, and how often a mix of messages can still
be sent.
*Does not own* sending, holding money for it, or the price of a message that was sent.

The **expected** cost takes the counts as they stand: what the windows and the month's free service
messages free is free, and charged messages go on from the tier that their month has reached. The
**worst** case is that every message is delivered, nothing is free that only counts or windows make
free, and each costs the dearest rate that the card has for it in any tier. So the messages of the
campaign, priced later by the same card and rules, never cost more, also when another campaign has
used the allowance or a new month has begun.

>>> from datetime import UTC
>>> from monochat_billing.rating import RateCard, RateCards
>>> card = RateCard(
...     name="example", meter="whatsapp.message", currency="USD", effective_on=date(2026, 10, 1),
...     rates={"Turkey": {"marketing": 10900, "utility": 900}},
... )
>>> rates = MessageRates(cards=RateCards(cards=(card,)))
>>> parts = [
...     CampaignPart(market="Turkey", category=MessageCategory.MARKETING, messages=1000,
...                  delivered="0.9"),
... ]
>>> found = estimate(parts, rates, on=date(2026, 10, 5))
>>> found.expected, found.worst
(Money('9.81', 'USD'), Money('10.9', 'USD'))
>>> print(found.explain())
marketing, Turkey: 900 x $0.0109 = $9.81 (example)
at worst: $10.90
"""

from collections.abc import Iterable, Mapping
from datetime import date
from enum import StrEnum
from fractions import Fraction
from typing import NamedTuple, final

import attrs

from monochat_billing.errors import InvalidInput
from monochat_billing.message_pricing import MessageRates
from monochat_billing.message_regimes import (
    FreeReason,
    InternationalSender,
    MessageRegime,
    free_words,
    month_of,
    priced_category,
)
from monochat_billing.message_tiers import MessageCounts, ServiceKey, TierKey, TierLadder
from monochat_billing.message_words import category_words, market_words
from monochat_billing.money import DEFAULT_SCALE, Money, amount_text, from_units, to_units
from monochat_billing.quantities import Quantity, exact, exact_count, most_affordable
from monochat_billing.rating import MessageCategory, RateCard
from monochat_billing.rounding import round_units
from monochat_billing.texts import member_of
from monochat_billing.wording import Words

__all__ = [
    "Affordable",
    "CampaignLine",
    "CampaignPart",
    "CampaignPlan",
    "Coverage",
    "Estimate",
    "affordable",
    "estimate",
]


def _share(value: Quantity) -> Fraction:
    found = exact(value, field="delivered")
    if found > 1:
        raise InvalidInput("delivered", str(found), "is above one", "pass 90 % as '0.9'")
    return found


def _category(value: MessageCategory | str) -> MessageCategory:
    return member_of(MessageCategory, value, "category")


@final
@attrs.frozen(kw_only=True)
class CampaignPart:
    """Hold the messages of a campaign to one market, of one category, from one number.

    ``in_window`` and ``in_entry_point`` are how many of the recipients have such a window open; one
    who has both counts as ``in_entry_point``. ``delivered`` is the share that is expected to
    arrive, 90 % is ``"0.9"``; the expected numbers are rounded half-up to whole messages.
    ``reference`` is the business phone number's id, which free service messages are counted by.

    Raises:
        InvalidInput: a number is negative or inexact, or more recipients have a window than there
            are.

    >>> CampaignPart(market="Turkey", category=MessageCategory.UTILITY, messages=5).in_window
    0
    """

    market: str
    category: MessageCategory = attrs.field(converter=_category)
    messages: int
    in_window: int = 0
    in_entry_point: int = 0
    delivered: Fraction = attrs.field(default=Fraction(1), converter=_share)
    reference: str = ""

    def __attrs_post_init__(self) -> None:
        for field in ("messages", "in_window", "in_entry_point"):
            exact_count(getattr(self, field), field=field)
        if self.in_window + self.in_entry_point > self.messages:
            raise InvalidInput(
                "in_window",
                self.in_window + self.in_entry_point,
                f"is more than the {self.messages} messages",
                "count each recipient once",
            )


@final
@attrs.frozen(kw_only=True)
class CampaignLine:
    """Hold messages of one market and category that have one rate, or are free for one reason."""

    market: str
    category: MessageCategory
    messages: int
    unit_rate: int
    currency: str
    card: str
    tier: int | None = None
    free: FreeReason | None = None

    @property
    def units(self) -> int:
        """The amount in micro-units."""
        return self.messages * self.unit_rate

    @property
    def amount(self) -> Money:
        """The amount."""
        return from_units(self.units, self.currency, DEFAULT_SCALE)

    def explain(self, locale: str = "en") -> str:
        """Return the line as one sentence, in English (``en``) or Turkish (``tr``).

        Raises:
            InvalidInput: the locale is another.

        >>> line = CampaignLine(
        ...     market="Germany", category=MessageCategory.UTILITY, messages=2, unit_rate=52300,
        ...     currency="USD", card="c", tier=2,
        ... )
        >>> print(line.explain("tr"))
        bilgilendirme, Almanya, kademe 2: 2 x $0,0523 = $0,1046 (c)
        """
        words = Words(locale)
        head = f"{category_words(self.category, words)}, {market_words(self.market, words)}"
        if self.free is not None:
            free = free_words(self.free, locale)
            return f"{head}: {words.number(self.messages)} {free} ({self.card})"
        if self.tier is not None:
            head = words.say("{text}, tier {tier}", text=head, tier=self.tier)
        rate = words.with_symbol(from_units(self.unit_rate, self.currency, DEFAULT_SCALE))
        total = words.with_symbol(self.amount)
        return f"{head}: {words.number(self.messages)} x {rate} = {total} ({self.card})"


class Coverage(StrEnum):
    """Say whether an amount pays for a campaign."""

    WORST = "WORST"
    """Also for the worst case."""
    EXPECTED = "EXPECTED"
    """For what is expected, but not for the worst case."""
    SHORT = "SHORT"
    """Not even for what is expected."""


@final
@attrs.frozen(kw_only=True)
class Estimate:
    """Hold what a campaign is expected to cost and what it costs at worst.

    ``lines`` make up the expected cost, free messages among them; ``worst_lines`` the worst case.

    >>> from datetime import date
    >>> from monochat_billing.adapters.whatsapp import meta_message_rates
    >>> from monochat_billing.rating import MessageCategory
    >>> parts = [CampaignPart(market="Turkey", category=MessageCategory.MARKETING, messages=1000)]
    >>> print(estimate(parts, meta_message_rates(), on=date(2026, 11, 2)).explain())
    marketing, Turkey: 1,000 x $0.0109 = $10.90 (meta-usd-2026-10-01)
    at worst: $10.90
    """

    on: date
    currency: str
    lines: tuple[CampaignLine, ...]
    worst_lines: tuple[CampaignLine, ...]

    @property
    def expected_units(self) -> int:
        """The expected cost in micro-units."""
        return sum(line.units for line in self.lines)

    @property
    def worst_units(self) -> int:
        """The worst case in micro-units."""
        return sum(line.units for line in self.worst_lines)

    @property
    def expected(self) -> Money:
        """The expected cost."""
        return from_units(self.expected_units, self.currency, DEFAULT_SCALE)

    @property
    def worst(self) -> Money:
        """The worst case."""
        return from_units(self.worst_units, self.currency, DEFAULT_SCALE)

    @property
    def free_messages(self) -> int:
        """How many messages are expected to be free."""
        return sum(line.messages for line in self.lines if line.free is not None)

    def coverage(self, available: Money) -> Coverage:
        """Return what an available amount pays for.

        Raises:
            InvalidInput: the amount is in another currency.
        """
        units = _units_in(available, self.currency)
        if units >= self.worst_units:
            return Coverage.WORST
        return Coverage.EXPECTED if units >= self.expected_units else Coverage.SHORT

    def explain(self, locale: str = "en") -> str:
        """Return the expected lines and the worst case, in English (``en``) or Turkish (``tr``).

        Raises:
            InvalidInput: the locale is another.
        """
        words = Words(locale)
        worst = words.say("at worst: {amount}", amount=words.with_symbol(self.worst))
        return "\n".join([*(line.explain(locale) for line in self.lines), worst])


def _units_in(amount: Money, currency: str) -> int:
    units = to_units(amount, field="amount")
    if amount.currency.code != currency:
        raise InvalidInput(
            "amount", amount.currency.code, f"is not {currency}", "convert it explicitly"
        )
    return units


@final
@attrs.frozen(kw_only=True)
class Affordable:
    """Hold how often a mix can be sent: what that many cost, and what one more would.

    ``next_units`` is None where the search stopped at the most that was asked for. Both are
    micro-units.
    """

    repeats: int
    units: int
    next_units: int | None
    currency: str

    def explain(self, locale: str = "en") -> str:
        """Say for a customer how often the mix can be sent, and what that costs.

        Raises:
            InvalidInput: there are no sentences in that language.
        """
        words = Words(locale)
        return words.say(
            "{count} times for {amount}",
            count=words.number(self.repeats),
            amount=words.money(self.cost),
        )

    def __str__(self) -> str:
        return f"{self.repeats} times for {amount_text(self.cost)} {self.currency}"

    @property
    def cost(self) -> Money:
        """What that many repeats cost."""
        return from_units(self.units, self.currency, DEFAULT_SCALE)


# -------------------------------------------------------------------------------- the two


def estimate(
    parts: Iterable[CampaignPart],
    rates: MessageRates,
    *,
    on: date,
    counts: MessageCounts | None = None,
    sender: InternationalSender | None = None,
) -> Estimate:
    """Price a campaign before it is sent.

    ``on`` is the local day of sending in the WhatsApp Business Account's zone: it chooses card and
    regime. ``counts`` are what its month has counted so far. Parts are taken in their order.

    Raises:
        InvalidInput: a category is not offered in its market, or no card or regime rules that day.
        UnknownName: the card has no such market.
    """
    plan = CampaignPlan.of(parts, rates, on, counts or MessageCounts(), sender)
    return Estimate(
        on=on,
        currency=rates.currency,
        lines=tuple(plan.lines(1)),
        worst_lines=tuple(plan.worst()),
    )


def affordable(
    mix: Iterable[CampaignPart],
    amount: Money,
    rates: MessageRates,
    *,
    on: date,
    counts: MessageCounts | None = None,
    sender: InternationalSender | None = None,
    at_most: int = 10**9,
) -> Affordable:
    """Return how many more times a mix can be sent for an amount, one after the other.

    Exact at the edge: that many cost no more than the amount, and one more costs more, unless
    ``at_most`` is reached. ``on``, ``counts`` and ``sender`` are as for :func:`estimate`; the mix
    goes on counting from ``counts``.

    Raises:
        InvalidInput: the amount is in another currency; otherwise as :func:`estimate`.
        UnknownName: as :func:`estimate`.

    >>> from monochat_billing.adapters.whatsapp import meta_message_rates
    >>> from monochat_billing.money import money
    >>> from monochat_billing.rating import MessageCategory
    >>> mix = [CampaignPart(market="Turkey", category=MessageCategory.MARKETING, messages=1000)]
    >>> print(affordable(mix, money("100", "USD"), meta_message_rates(), on=date(2026, 11, 2)))
    9 times for 98.1 USD
    """
    plan = CampaignPlan.of(mix, rates, on, counts or MessageCounts(), sender)
    budget = _units_in(amount, rates.currency)
    repeats = most_affordable(plan.cost, budget, at_most=at_most)
    return Affordable(
        repeats=repeats,
        units=plan.cost(repeats),
        next_units=None if repeats == at_most else plan.cost(repeats + 1),
        currency=rates.currency,
    )


class _Part(NamedTuple):
    """Hold one part with what its day decides: rate, tiers, and how many are free for sure."""

    market: str
    category: MessageCategory
    messages: int
    freed: tuple[tuple[FreeReason, int], ...]
    open: int
    rate: int
    ladder: TierLadder | None
    key: TierKey
    service: ServiceKey | None
    sent: int


@final
class CampaignPlan(NamedTuple):
    """Hold a campaign that can be priced for any number of repeats, in closed form."""

    parts: tuple[_Part, ...]
    card: RateCard
    regime: MessageRegime
    counts: MessageCounts

    @classmethod
    def of(
        cls,
        parts: Iterable[CampaignPart],
        rates: MessageRates,
        on: date,
        counts: MessageCounts,
        sender: InternationalSender | None,
    ) -> "CampaignPlan":
        """Work out what the day decides for each part; raises as :func:`estimate`."""
        card, regime = rates.cards.in_force(on), rates.regimes.in_force(on)
        found: list[_Part] = []
        for part in parts:
            category = priced_category(part.category, part.market, card, on=on, sender=sender)
            always = category in regime.free
            rate = 0 if always else rates.rate_of(card, part.market, category)
            messages = round_units(part.messages * part.delivered)
            freed = _freed(part, messages, category, regime)
            counted = category is MessageCategory.SERVICE and regime.free_service_messages
            found.append(
                _Part(
                    market=part.market,
                    category=category,
                    messages=messages,
                    freed=freed,
                    open=messages - sum(count for _, count in freed),
                    rate=rate,
                    ladder=rates.ladder(card, part.market, category, regime),
                    key=(month_of(on), part.market, category),
                    service=(month_of(on), part.reference) if counted else None,
                    sent=part.messages,
                )
            )
        return cls(tuple(found), card, regime, counts)

    def allowed(self, repeats: int) -> list[int]:
        """Return how many messages of each part the month's free service messages free.

        Repeats are sent one after the other, so each takes of the allowance in the order of parts.
        """
        found = [0] * len(self.parts)
        for key in {part.service for part in self.parts if part.service is not None}:
            places = [at for at, part in enumerate(self.parts) if part.service == key]
            each = sum(self.parts[at].open for at in places)
            left = max(self.regime.free_service_messages - self.counts.service_at(key), 0)
            whole = repeats if not each else min(repeats, left // each)
            rest = 0 if whole == repeats else left - whole * each
            for at in places:
                extra = min(self.parts[at].open, rest)
                found[at] = whole * self.parts[at].open + extra
                rest -= extra
        return found

    def charged(self, repeats: int) -> Mapping[TierKey, int]:
        """Return how many messages are charged for each month, market and category."""
        found: dict[TierKey, int] = {}
        for part, free in zip(self.parts, self.allowed(repeats), strict=True):
            count = 0 if part.category in self.regime.free else part.open * repeats - free
            found[part.key] = found.get(part.key, 0) + count
        return found

    def cost(self, repeats: int) -> int:
        """Return the expected cost of repeats in micro-units; it never falls as they rise."""
        rows = {part.key: part for part in self.parts}
        return sum(
            self.price(rows[key], self.counts.tier_at(key), count)
            for key, count in self.charged(repeats).items()
        )

    @staticmethod
    def price(part: _Part, before: int, count: int) -> int:
        """Return what further messages of a part's row cost."""
        return count * part.rate if part.ladder is None else part.ladder.cost(before, count)

    def lines(self, repeats: int) -> list[CampaignLine]:
        """Return the lines of repeats, in the order of the parts."""
        found: list[CampaignLine] = []
        reached: dict[TierKey, int] = {}
        for part, free in zip(self.parts, self.allowed(repeats), strict=True):
            reasons = [*part.freed, (FreeReason.ALLOWANCE, free)]
            for reason, count in reasons:
                times = count if reason is FreeReason.ALLOWANCE else count * repeats
                if times:
                    found.append(self.line(part, times, 0, free=reason))
            count = part.open * repeats - free
            before = reached.get(part.key, self.counts.tier_at(part.key))
            reached[part.key] = before + count
            if part.ladder is None:
                if count:
                    found.append(self.line(part, count, part.rate))
                continue
            for tier, times, rate in part.ladder.steps(before, count):
                found.append(self.line(part, times, rate, tier=tier))
        return found

    def worst(self) -> list[CampaignLine]:
        """Return the lines of the worst case: all delivered, at the dearest rate of any tier."""
        found: list[CampaignLine] = []
        for part in self.parts:
            if not part.sent:
                continue
            if part.category in self.regime.free:
                found.append(self.line(part, part.sent, 0, free=FreeReason.CATEGORY))
                continue
            rate = part.rate if part.ladder is None else max(part.rate, part.ladder.highest)
            found.append(self.line(part, part.sent, rate))
        return found

    def line(
        self,
        part: _Part,
        messages: int,
        rate: int,
        *,
        tier: int | None = None,
        free: FreeReason | None = None,
    ) -> CampaignLine:
        """Return one line of a part."""
        return CampaignLine(
            market=part.market,
            category=part.category,
            messages=messages,
            unit_rate=rate,
            currency=self.card.currency,
            card=self.card.name,
            tier=tier,
            free=free,
        )


def _freed(
    part: CampaignPart, messages: int, category: MessageCategory, regime: MessageRegime
) -> tuple[tuple[FreeReason, int], ...]:
    """Return what windows and category free of the messages that are expected to arrive."""
    entered = min(round_units(part.in_entry_point * part.delivered), messages)
    inside = min(round_units(part.in_window * part.delivered), messages - entered)
    found: list[tuple[FreeReason, int]] = [(FreeReason.ENTRY_POINT, entered)]
    if category in regime.free:
        found.append((FreeReason.CATEGORY, messages - entered))
    elif category in regime.free_in_window:
        found.append((FreeReason.WINDOW, inside))
    return tuple([(reason, count) for reason, count in found if count])
