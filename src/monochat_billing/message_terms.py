"""Message terms: what an account pays for a message on top of, or instead of, the provider's fee.

*Owns* the terms that messages are charged by: cards and tiers of the provider, who pays the
provider, own fees for each message, the tax on both, how long a send is held for, and when sending
stops.
*Does not own* the provider's rate of a message (:mod:`monochat_billing.message_pricing`), or the
balance that pays.

Every message is priced and taxed by itself, in micro-units, so what a message costs never depends
on which others were charged in the same batch. Each part is rounded once, half-up.

>>> from fractions import Fraction
>>> from monochat_billing.charge_models import Dynamic, PerUnit
>>> from monochat_billing.rating import RateCard, RateCards
>>> card = RateCard(
...     name="example", meter="whatsapp.message", currency="USD",
...     effective_on=date(2026, 10, 1), rates={"Turkey": {"marketing": 10900}},
... )
>>> terms = MessageTerms(
...     rates=MessageRates(cards=RateCards(cards=(card,))),
...     own=(OwnFee(model=PerUnit(price="0.001")),
...          OwnFee(model=Dynamic(multiplier="0.05"), base=FeeBase.PROVIDER_FEE)),
...     tax=MessageTax(),
... )
>>> FeeDesk(terms).fees(10_900, place=1, on=date(2026, 10, 5))
(1545, 2489)
"""

import enum
from bisect import bisect_left
from collections.abc import Iterable
from datetime import date, timedelta
from fractions import Fraction
from typing import Final, final

import attrs

from monochat_billing.charge_models import Graduated, PerUnit, charge
from monochat_billing.errors import InvalidInput
from monochat_billing.fees import FeeBase, OwnFee
from monochat_billing.message_pricing import MessageRates
from monochat_billing.message_regimes import InternationalSender, priced_category
from monochat_billing.money import DEFAULT_SCALE
from monochat_billing.rating import MessageCategory
from monochat_billing.rounding import round_ratio, round_units
from monochat_billing.tax import KDV, TaxTable, TaxTreatment
from monochat_billing.texts import member_of

__all__ = ["FeeDesk", "MessageTax", "MessageTerms", "Payer", "StopRule"]

_ONE: Final = 10**DEFAULT_SCALE


@final
class Payer(enum.StrEnum):
    """Say whose bill the provider's fee is on.

    >>> from monochat_billing.adapters.whatsapp import meta_message_rates
    >>> MessageTerms(rates=meta_message_rates(), payer=Payer.BUSINESS).payer.value
    'BUSINESS'
    """

    PARTNER = "PARTNER"
    """The provider bills who runs this service, and the account's balance pays for it."""
    BUSINESS = "BUSINESS"
    """The provider bills the business itself: only own fees are debited."""


@final
class StopRule(enum.StrEnum):
    """Say when nothing new is sent.

    >>> from monochat_billing.adapters.whatsapp import meta_message_rates
    >>> MessageTerms(rates=meta_message_rates(), stop=StopRule.AT_ZERO).stop.value
    'AT_ZERO'
    """

    AT_LIMIT = "AT_LIMIT"
    """When the balance and its credit limit are used up."""
    AT_ZERO = "AT_ZERO"
    """When the balance is used up, whatever its credit limit is."""


def _treatment(value: TaxTreatment | str) -> TaxTreatment:
    return member_of(TaxTreatment, value, "treatment")


@final
@attrs.frozen(kw_only=True)
class MessageTax:
    """Say how message fees are taxed: a band of dated rates, on top of fees that are net.

    The rate is that of the message's local day. Under a treatment other than TAXED nothing is
    added, and ``reason`` says why.

    Raises:
        InvalidInput: a treatment other than TAXED has no reason.

    >>> MessageTax().on(10_900, date(2026, 10, 5)), MessageTax().on(10_900, date(2023, 7, 9))
    (2180, 1962)
    """

    table: TaxTable = KDV
    band: str = "standard"
    treatment: TaxTreatment = attrs.field(default=TaxTreatment.TAXED, converter=_treatment)
    reason: str = ""

    def __attrs_post_init__(self) -> None:
        if self.treatment is not TaxTreatment.TAXED and not self.reason:
            raise InvalidInput("reason", self.reason, "is missing", "give the reason code")

    def on(self, units: int, day: date) -> int:
        """Give the tax on net micro-units, rounded half-up.

        Raises:
            InvalidInput: the band has no rate on that day.
        """
        if self.treatment is not TaxTreatment.TAXED:
            return 0
        rate = self.table.rate_on(self.band, day).rate
        return round_ratio(units * rate.numerator, rate.denominator)


def _fees(value: Iterable[OwnFee]) -> tuple[OwnFee, ...]:
    return tuple(value)


def _payer(value: Payer | str) -> Payer:
    return member_of(Payer, value, "payer")


def _stop(value: StopRule | str) -> StopRule:
    return member_of(StopRule, value, "stop")


@final
@attrs.frozen(kw_only=True)
class MessageTerms:
    """Hold what messages are charged by.

    ``own`` are fees for each message: ``PerUnit`` for an absolute one, ``Graduated`` for one whose
    tiers count the account's charged messages of the month, and any model on the provider's fee
    for a percentage. ``own_on_free`` says whether what the provider does not charge pays them too.
    ``tax`` is owed on the fees, none for None. ``payer`` says whom the provider bills: for
    ``BUSINESS`` only own fees are debited. ``stop`` says how far down a balance pays for messages.
    ``hold_for`` is how long a send is held for before age releases it. ``meter`` is the unit of
    which every message that arrived uses one, where the account has a balance of it. ``sender`` is
    set where authentication messages are expected at international rates.

    Raises:
        InvalidInput: an own fee by units is neither absolute nor graduated by plain prices, or
            ``hold_for`` is not above zero.
    """

    rates: MessageRates
    own: tuple[OwnFee, ...] = attrs.field(default=(), converter=_fees)
    own_on_free: bool = False
    tax: MessageTax | None = None
    payer: Payer = attrs.field(default=Payer.PARTNER, converter=_payer)
    stop: StopRule = attrs.field(default=StopRule.AT_LIMIT, converter=_stop)
    hold_for: timedelta = timedelta(days=7)
    meter: str = "monochat.message"
    sender: InternationalSender | None = None

    def __attrs_post_init__(self) -> None:
        if self.hold_for <= timedelta(0):
            raise InvalidInput("hold_for", self.hold_for, "is not above zero", "pass some days")
        for fee in self.own:
            if fee.base is FeeBase.UNITS:
                _ladder(fee)

    @property
    def currency(self) -> str:
        """The currency of every card, in which messages are paid."""
        return self.rates.currency

    @property
    def tiered(self) -> bool:
        """Tell whether an own fee depends on how many messages were charged before."""
        return any(
            isinstance(fee.model, Graduated) for fee in self.own if fee.base is FeeBase.UNITS
        )


def _ladder(fee: OwnFee) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Give the bounds and the micro-units of an own fee by units; one that is absolute has one."""
    model = fee.model
    if isinstance(model, PerUnit):
        return (), (round_units(model.price * _ONE),)
    if isinstance(model, Graduated):
        plain = all(not tier.flat and not tier.packaged for tier in model.tiers)
        whole = all(tier.up_to is None or tier.up_to.denominator == 1 for tier in model.tiers)
        if plain and whole and model.tiers[-1].up_to is None:
            ends = tuple([int(tier.up_to) for tier in model.tiers if tier.up_to is not None])
            return ends, tuple([round_units(tier.price * _ONE) for tier in model.tiers])
    raise InvalidInput(
        "own",
        type(model).__name__,
        "is no fee for each message",
        "use PerUnit, Graduated with plain prices and a last tier without end, "
        "or a model on the provider's fee",
    )


@final
class FeeDesk:
    """Compute own fees and tax for message after message; what was computed is remembered."""

    def __init__(self, terms: MessageTerms) -> None:
        self._terms = terms
        self._ladders = [_ladder(fee) for fee in terms.own if fee.base is FeeBase.UNITS]
        self._flat = sum(rates[0] for ends, rates in self._ladders if not ends)
        self._ladders = [(ends, rates) for ends, rates in self._ladders if ends]
        self._shares: dict[int, int] = {}
        self._taxes: dict[tuple[int, date], int] = {}

    def fees(self, provider: int, *, place: int, on: date) -> tuple[int, int]:
        """Give own fee and tax of a message that is the month's ``place``-th charged one, from 1.

        ``provider`` is what the provider's fee is, in micro-units, whoever pays it.
        """
        own = self._flat + self._share(provider)
        for ends, rates in self._ladders:
            own += rates[bisect_left(ends, place)]
        return own, self._tax(provider, own, on)

    def dearest(self, provider: int, on: date) -> int:
        """Give the most that a message can cost in all, at a provider's fee of ``provider``."""
        own, tax = self.dearest_fees(provider, on)
        return self.due(provider) + own + tax

    def dearest_fees(self, provider: int, on: date) -> tuple[int, int]:
        """Give own fee and tax of a message in the dearest tier of every own fee."""
        own = self._flat + self._share(provider) + sum(max(rates) for _, rates in self._ladders)
        return own, self._tax(provider, own, on)

    def dearest_of(self, market: str, category: MessageCategory, on: date) -> int:
        """Give the most that a message to a market can cost in all, by the card of a day.

        Raises:
            InvalidInput: the category is not offered, or no card or regime rules that day.
            UnknownName: the card has no such market.
        """
        rates = self._terms.rates
        card, regime = rates.cards.in_force(on), rates.regimes.in_force(on)
        priced = priced_category(category, market, card, on=on, sender=self._terms.sender)
        if priced in regime.free:
            return self.dearest(0, on) if self._terms.own_on_free else 0
        rate = rates.rate_of(card, market, priced)
        ladder = rates.ladder(card, market, priced, regime)
        return self.dearest(rate if ladder is None else max(rate, ladder.highest), on)

    def due(self, provider: int) -> int:
        """Give what of the provider's fee the account's balance pays."""
        return provider if self._terms.payer is Payer.PARTNER else 0

    def steps(self, place: int, count: int) -> Iterable[tuple[int, int]]:
        """Cut ``count`` messages after ``place`` others where an own fee's tier ends.

        Gives the first place of each piece and how many it has.
        """
        bounds = sorted({end for ends, _ in self._ladders for end in ends if end > place})
        for end in bounds:
            part = min(end - place, count)
            if part <= 0:
                break
            yield place + 1, part
            place, count = place + part, count - part
        if count:
            yield place + 1, count

    def _share(self, provider: int) -> int:
        found = self._shares.get(provider)
        if found is None:
            amount = Fraction(provider, _ONE)
            found = self._shares[provider] = sum(
                charge(fee.model, amount, currency=self._terms.currency).units
                for fee in self._terms.own
                if fee.base is FeeBase.PROVIDER_FEE
            )
        return found

    def _tax(self, provider: int, own: int, on: date) -> int:
        if self._terms.tax is None:
            return 0
        key = self.due(provider) + own, on
        found = self._taxes.get(key)
        if found is None:
            found = self._taxes[key] = self._terms.tax.on(*key)
        return found
