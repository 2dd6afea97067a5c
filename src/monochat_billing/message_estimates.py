"""Message estimates: what a campaign will cost an account, and whether its balance pays.

*Owns* the estimate of a campaign with own fees and tax, which balance pays and whether it
suffices, how often a mix can still be sent, and the answer whether to send at all.
*Does not own* the provider's part (:mod:`monochat_billing.campaigns`), or holding money for it.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date
from enum import StrEnum
from typing import Final, final

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
from monochat_billing.message_terms import FeeDesk, MessageTerms
from monochat_billing.message_tiers import MessageCounts
from monochat_billing.money import DEFAULT_SCALE, Money, from_units, to_units
from monochat_billing.quantities import most_affordable
from monochat_billing.translations import mark
from monochat_billing.wording import ENGLISH, Words

__all__ = [
    "FeeSum",
    "MessageEstimate",
    "MeterUse",
    "SendAnswer",
    "SendBlock",
    "estimate_messages",
    "repeats_for",
]

_NEVER: Final = 10**30


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
class MeterUse:
    """Hold what messages use of the plan's own meter.

    ``units`` messages need one unit each; ``prepaid`` of them have one, in an allowance or a pack.
    ``overage`` is what the others cost, tax and all; None where nothing says what more costs:
    then more than what is prepaid may not be sent. ``payable`` says whether the balance has it.
    """

    meter: str
    units: int
    prepaid: int
    overage: Money | None = None
    payable: bool = True

    @property
    def short(self) -> int:
        """Give how many units are missing that cannot be had for money."""
        return 0 if self.overage is not None else self.units - self.prepaid

    def overage_in(self, unit: str) -> int:
        """Give what the overage takes from a balance, in micro-units."""
        if self.overage is None or self.overage.currency.code != unit:
            return 0
        return to_units(self.overage)


@final
@attrs.frozen(kw_only=True)
class MessageEstimate:
    """Hold what a campaign is expected to cost and costs at worst, and what is there to pay it.

    ``campaign`` has the provider's lines. ``available`` is what the balance in ``unit`` can take
    for messages now, its credit limit included where that may be used. ``units`` is what the
    messages use of the plan's own meter, None where nothing is counted.

    >>> from monochat_billing.adapters.whatsapp import meta_message_rates
    >>> from monochat_billing.rating import MessageCategory
    >>> found = estimate_messages(
    ...     [CampaignPart(market="Turkey", category=MessageCategory.MARKETING, messages=1000)],
    ...     MessageTerms(rates=meta_message_rates()), on=date(2026, 11, 2),
    ...     counts=MessageCounts(), available=10_000_000,
    ... )
    >>> print(found.coverage, found.short.amount)
    SHORT 0.9
    """

    campaign: Estimate
    expected_fees: FeeSum
    worst_fees: FeeSum
    unit: str
    available_units: int
    units: MeterUse | None = None

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
        """Whether the balance pays, the plan's overage among it; units that are short never do."""
        use = self.units
        if use is not None and (use.short or not use.payable):
            return Coverage.SHORT
        available = self.available_units - self.overage_units
        if available >= self.worst_fees.units:
            return Coverage.WORST
        enough = available >= self.expected_fees.units
        return Coverage.EXPECTED if enough else Coverage.SHORT

    @property
    def overage_units(self) -> int:
        """The plan's overage, as far as the same balance pays it, in micro-units."""
        return 0 if self.units is None else self.units.overage_in(self.unit)

    @property
    def short(self) -> Money:
        """What is missing for the worst case and the overage, zero where nothing is."""
        needed = self.worst_fees.units + self.overage_units
        missing = max(needed - max(self.available_units, 0), 0)
        return from_units(missing, self.unit, DEFAULT_SCALE)

    def __str__(self) -> str:
        return self.explain()

    def explain(self, locale: str = "en") -> str:
        """Return the provider's lines, own fee, tax, the sums and what is there, line by line.

        Raises:
            InvalidInput: there are no sentences in that language.
        """
        words = Words(locale)
        fees = self.expected_fees
        lines = [line.explain(locale) for line in self.campaign.lines]
        if fees.own:
            lines.append(words.say("own fee: {amount}", amount=self._written(fees.own, words)))
        if fees.tax:
            lines.append(words.say("tax: {amount}", amount=self._written(fees.tax, words)))
        worst = self._written(self.worst_fees.units, words)
        available = self._written(self.available_units, words)
        lines += [
            words.say("in all: {amount}", amount=self._written(fees.units, words)),
            words.say("at worst: {amount}", amount=worst),
            words.say("available: {amount}", amount=available),
        ]
        if self.units is not None:
            lines.append(_use_text(self.units, words))
        return "\n".join(lines)

    def _written(self, units: int, words: Words) -> str:
        return words.with_symbol(from_units(units, self.unit))


_USE: Final = mark("{meter}: {units} units, {prepaid} prepaid")
_USE_PAID: Final = mark("{meter}: {units} units, {prepaid} prepaid, overage {overage}")
_USE_SHORT: Final = mark("{meter}: {units} units, {prepaid} prepaid, {short} may not be sent")


def _use_text(use: MeterUse, words: Words) -> str:
    text = _USE
    if use.units != use.prepaid:
        text = _USE_SHORT if use.overage is None else _USE_PAID
    return words.say(
        text,
        meter=words.term(use.meter),
        units=words.number(use.units),
        prepaid=words.number(use.prepaid),
        short=words.number(use.short),
        overage="" if use.overage is None else words.with_symbol(use.overage),
    )


class SendBlock(StrEnum):
    """Name what stands in the way of sending."""

    UNPAID = "UNPAID"
    """The plan's renewal is not paid, and its grace has ended."""
    SUSPENDED = "SUSPENDED"
    """The plan is suspended."""
    PAUSED = "PAUSED"
    """The plan is paused."""
    UNITS = "UNITS"
    """The plan's own units do not suffice, and nothing says what more costs."""
    OVERAGE = "OVERAGE"
    """The balance does not pay what is above the plan's own units."""
    FUNDS = "FUNDS"
    """The balance does not pay the worst case down to zero."""
    CREDIT = "CREDIT"
    """The balance does not pay the worst case, its credit limit included."""


_BLOCKS: Final = {
    SendBlock.UNPAID: mark("the renewal of {product} is not paid: top up"),
    SendBlock.SUSPENDED: mark("{product} is suspended until it is paid: top up"),
    SendBlock.PAUSED: mark("{product} is paused: resume it first"),
    SendBlock.UNITS: mark("{units} of {meter} needed, {prepaid} left, and no overage is priced"),
    SendBlock.OVERAGE: mark("the balance does not pay the overage of {meter}"),
    SendBlock.FUNDS: mark("at worst {worst}, {available} available down to zero, {short} short"),
    SendBlock.CREDIT: mark(
        "at worst {worst}, {available} available down to the credit limit, {short} short"
    ),
}


@final
@attrs.frozen(kw_only=True)
class SendAnswer:
    """Say whether messages may be sent now, and why not.

    It is true or false as :attr:`allowed` is. ``block`` is what stands in the way, None where
    nothing does; ``names`` are those of the plan, by language, where it is the plan.
    """

    estimate: MessageEstimate
    block: SendBlock | None = None
    names: Mapping[str, str] = attrs.field(factory=dict)

    @property
    def allowed(self) -> bool:
        """Tell whether they may be sent."""
        return self.block is None

    @property
    def reason(self) -> str:
        """Say in English what stands in the way; empty where nothing does."""
        return self._why(ENGLISH)

    def __str__(self) -> str:
        return self.explain()

    def __bool__(self) -> bool:
        return self.allowed

    def explain(self, locale: str = "en") -> str:
        """Say the answer in one sentence.

        Raises:
            InvalidInput: there are no sentences in that language.
        """
        words = Words(locale)
        return words.say("yes") if self.allowed else words.say("no: {why}", why=self._why(words))

    def _why(self, words: Words) -> str:
        if self.block is None:
            return ""
        found, use = self.estimate, self.estimate.units
        return words.say(
            _BLOCKS[self.block],
            product=self.names.get(words.locale) or self.names.get("en", ""),
            meter="" if use is None else words.term(use.meter),
            units="" if use is None else words.number(use.units),
            prepaid="" if use is None else words.number(use.prepaid),
            worst=words.money(found.worst),
            available=words.money(found.available),
            short=words.money(found.short),
        )


def estimate_messages(
    parts: Sequence[CampaignPart],
    terms: MessageTerms,
    *,
    on: date,
    counts: MessageCounts,
    fee_place: int = 0,
    available: int,
    units: MeterUse | None = None,
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
        units=units,
    )


def repeats_for(
    mix: Sequence[CampaignPart],
    terms: MessageTerms,
    *,
    on: date,
    counts: MessageCounts,
    fee_place: int = 0,
    available: int,
    use: Callable[[int], MeterUse | None] = lambda _: None,
    at_most: int = 10**9,
) -> Affordable:
    """Return how many more times a mix can be sent for what is available, one after the other.

    Exact at the edge: that many cost no more, and one more costs more, unless ``at_most`` is
    reached. Own fees with tiers are counted message by message in the order of the mix. ``use``
    says what a number of messages uses of the plan's own meter; where one more repeat would be
    short of units, or of money in another balance, that is the edge and has no price.

    Raises:
        InvalidInput: as :func:`estimate_messages`.
        UnknownName: as :func:`estimate_messages`.
    """
    plan = CampaignPlan.of(mix, terms.rates, on, counts, terms.sender)
    desk = FeeDesk(terms)
    budget = max(available, 0)
    each = sum(part.messages for part in plan.parts)

    def plans(times: int) -> int:
        found = use(times * each)
        if found is None:
            return 0
        if found.short or not found.payable:
            return _NEVER
        return found.overage_in(terms.currency)

    if terms.tiered:
        walk = _Walk(plan, _Sum(terms, desk, on, fee_place), plans)
        repeats, units, following = walk.to(budget, at_most)
    else:

        def cost(times: int) -> int:
            done = _Sum(terms, desk, on, fee_place)
            done.take(plan.lines(times))
            return done.fees().units + plans(times)

        repeats = most_affordable(cost, budget, at_most=at_most)
        units, following = cost(repeats), cost(repeats + 1)
    return Affordable(
        repeats=repeats,
        units=units,
        next_units=None if repeats == at_most or following >= _NEVER else following,
        currency=terms.currency,
    )


class _Walk:
    """Send a mix once more and once more, message by message."""

    def __init__(self, plan: CampaignPlan, done: "_Sum", plans: Callable[[int], int]) -> None:
        self._plan = plan
        self._done = done
        self._plans = plans

    def to(self, budget: int, at_most: int) -> tuple[int, int, int]:
        """Give how often it fits, what that costs, and what once more would."""
        repeats, units = 0, 0
        before = dict[CampaignLine, int]()
        while True:
            now = _counted(self._plan.lines(repeats + 1))
            self._done.take(
                attrs.evolve(line, messages=count - before.get(line, 0))
                for line, count in now.items()
                if count > before.get(line, 0)
            )
            following = self._done.fees().units + self._plans(repeats + 1)
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
