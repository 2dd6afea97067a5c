"""Message estimates: what a campaign will cost an account, and whether its balance pays.

*Owns* the estimate of a campaign with own fees and tax, which balance pays and whether it
suffices, how often a mix can still be sent, and the answer whether to send at all.
*Does not own* the provider's part (:mod:`monochat_billing.campaigns`), or holding money for it.
"""

from collections.abc import Iterable, Sequence
from datetime import date
from typing import final

import attrs

from monochat_billing.campaigns import (
    Affordable,
    CampaignLine,
    CampaignPart,
    CampaignPlan,
    Coverage,
    Estimate,
    estimate,
)
from monochat_billing.errors import InvalidInput
from monochat_billing.message_terms import FeeDesk, MessageTerms
from monochat_billing.message_tiers import MessageCounts
from monochat_billing.money import DEFAULT_SCALE, Money, from_units
from monochat_billing.money_text import format_money
from monochat_billing.quantities import most_affordable

__all__ = ["FeeSum", "MessageEstimate", "SendAnswer", "estimate_messages", "repeats_for"]

_LOCALES = {"en": "en_US", "tr": "tr_TR"}
_WORDS = {
    "en": ("own fee", "tax", "in all", "at worst", "available"),
    "tr": ("hizmet bedeli", "vergi", "toplam", "en kötü durumda", "kullanılabilir"),
}


@final
@attrs.frozen
class FeeSum:
    """Hold what messages cost: the provider's part, own fees and tax, in micro-units."""

    provider: int = 0
    own: int = 0
    tax: int = 0

    @property
    def units(self) -> int:
        """Give the sum."""
        return self.provider + self.own + self.tax


@final
@attrs.frozen(kw_only=True)
class MessageEstimate:
    """Hold what a campaign is expected to cost and costs at worst, and what is there to pay it.

    ``campaign`` has the provider's lines. ``available`` is what the balance in ``unit`` can take
    for messages now, its credit limit included where that may be used.
    """

    campaign: Estimate
    expected_fees: FeeSum
    worst_fees: FeeSum
    unit: str
    available_units: int

    @property
    def expected(self) -> Money:
        """The expected cost in all."""
        return from_units(self.expected_fees.units, self.unit, DEFAULT_SCALE)

    @property
    def worst(self) -> Money:
        """The worst case in all."""
        return from_units(self.worst_fees.units, self.unit, DEFAULT_SCALE)

    @property
    def available(self) -> Money:
        """What can be taken for messages now."""
        return from_units(self.available_units, self.unit, DEFAULT_SCALE)

    @property
    def free_messages(self) -> int:
        """How many messages the provider is expected not to charge."""
        return self.campaign.free_messages

    @property
    def coverage(self) -> Coverage:
        """Whether the balance pays."""
        if self.available_units >= self.worst_fees.units:
            return Coverage.WORST
        enough = self.available_units >= self.expected_fees.units
        return Coverage.EXPECTED if enough else Coverage.SHORT

    @property
    def short(self) -> Money:
        """What is missing for the worst case, zero where nothing is."""
        missing = max(self.worst_fees.units - max(self.available_units, 0), 0)
        return from_units(missing, self.unit, DEFAULT_SCALE)

    def __str__(self) -> str:
        return self.explain()

    def explain(self, locale: str = "en") -> str:
        """Return the provider's lines, own fee, tax, the sums and what is there, line by line.

        Raises:
            InvalidInput: the locale is neither ``en`` nor ``tr``.
        """
        if locale not in _LOCALES:
            raise InvalidInput("locale", locale, "has no sentences", "use 'en' or 'tr'")
        own, tax, total, worst, available = _WORDS[locale]
        fees = self.expected_fees
        sums = [(own, fees.own)] * bool(fees.own) + [(tax, fees.tax)] * bool(fees.tax)
        sums += [
            (total, fees.units),
            (worst, self.worst_fees.units),
            (available, self.available_units),
        ]
        written = [
            f"{word}: {format_money(from_units(units, self.unit), _LOCALES[locale])}"
            for word, units in sums
        ]
        return "\n".join([*(line.explain(locale) for line in self.campaign.lines), *written])


@final
@attrs.frozen(kw_only=True)
class SendAnswer:
    """Say whether messages may be sent now, and why not.

    ``reason`` is empty where they may.
    """

    allowed: bool
    reason: str
    estimate: MessageEstimate

    def __bool__(self) -> bool:
        return self.allowed


def estimate_messages(
    parts: Sequence[CampaignPart],
    terms: MessageTerms,
    *,
    on: date,
    counts: MessageCounts,
    fee_place: int = 0,
    available: int,
) -> MessageEstimate:
    """Price a campaign by an account's terms and counts, before it is sent.

    ``fee_place`` is how many messages the month's own fees have counted.

    Raises:
        InvalidInput: a category is not offered in its market, or no card or regime rules that day.
        UnknownName: the card has no such market.
    """
    found = estimate(parts, terms.rates, on=on, counts=counts, sender=terms.sender)
    desk = FeeDesk(terms)
    worst = _Sum(terms, desk, on, fee_place)
    worst.dearest(found.worst_lines)
    expected = _Sum(terms, desk, on, fee_place)
    expected.take(found.lines)
    return MessageEstimate(
        campaign=found,
        expected_fees=expected.fees(),
        worst_fees=worst.fees(),
        unit=terms.currency,
        available_units=available,
    )


def repeats_for(
    mix: Sequence[CampaignPart],
    terms: MessageTerms,
    *,
    on: date,
    counts: MessageCounts,
    fee_place: int = 0,
    available: int,
    at_most: int = 10**9,
) -> Affordable:
    """Return how many more times a mix can be sent for what is available, one after the other.

    Exact at the edge: that many cost no more, and one more costs more, unless ``at_most`` is
    reached. Own fees with tiers are counted message by message in the order of the mix.

    Raises:
        InvalidInput: as :func:`estimate_messages`.
        UnknownName: as :func:`estimate_messages`.
    """
    plan = CampaignPlan.of(mix, terms.rates, on, counts, terms.sender)
    desk = FeeDesk(terms)
    budget = max(available, 0)
    if terms.tiered:
        repeats, units, following = _walk(plan, terms, desk, on, fee_place, budget, at_most)
    else:

        def cost(times: int) -> int:
            done = _Sum(terms, desk, on, fee_place)
            done.take(plan.lines(times))
            return done.fees().units

        repeats = most_affordable(cost, budget, at_most=at_most)
        units, following = cost(repeats), cost(repeats + 1)
    return Affordable(
        repeats=repeats,
        units=units,
        next_units=None if repeats == at_most else following,
        currency=terms.currency,
    )


def _walk(  # noqa: PLR0917 - the parts of one search
    plan: CampaignPlan,
    terms: MessageTerms,
    desk: FeeDesk,
    on: date,
    place: int,
    budget: int,
    at_most: int,
) -> tuple[int, int, int]:
    """Send the mix once more and once more, until the next does not fit."""
    done = _Sum(terms, desk, on, place)
    repeats, units = 0, 0
    before = dict[CampaignLine, int]()
    while True:
        now = _counted(plan.lines(repeats + 1))
        done.take(
            attrs.evolve(line, messages=count - before.get(line, 0))
            for line, count in now.items()
            if count > before.get(line, 0)
        )
        following = done.fees().units
        if following > budget or repeats == at_most:
            return repeats, units, following
        if following == units and now == before:
            return at_most, units, units
        before, repeats, units = now, repeats + 1, following


def _counted(lines: Iterable[CampaignLine]) -> dict[CampaignLine, int]:
    found: dict[CampaignLine, int] = {}
    for line in lines:
        key = attrs.evolve(line, messages=0)
        found[key] = found.get(key, 0) + line.messages
    return found


class _Sum:
    """Add up what lines cost, own fees counted on from a place in the month."""

    def __init__(self, terms: MessageTerms, desk: FeeDesk, on: date, place: int) -> None:
        self._terms = terms
        self._desk = desk
        self._on = on
        self._place = place
        self._provider = self._own = self._tax = 0

    def take(self, lines: Iterable[CampaignLine]) -> None:
        """Add lines in their order, as they are expected."""
        for line in lines:
            if line.free is not None and not self._terms.own_on_free:
                continue
            for place, count in self._desk.steps(self._place, line.messages):
                own, tax = self._desk.fees(line.unit_rate, place=place, on=self._on)
                self._add(self._desk.due(line.unit_rate), own, tax, count)
            self._place += line.messages

    def dearest(self, lines: Iterable[CampaignLine]) -> None:
        """Add lines at the dearest own fee of any tier."""
        for line in lines:
            if line.free is None or self._terms.own_on_free:
                own, tax = self._desk.dearest_fees(line.unit_rate, self._on)
                self._add(self._desk.due(line.unit_rate), own, tax, line.messages)

    def fees(self) -> FeeSum:
        """Give the sums so far."""
        return FeeSum(self._provider, self._own, self._tax)

    def _add(self, provider: int, own: int, tax: int, count: int) -> None:
        self._provider += provider * count
        self._own += own * count
        self._tax += tax * count
