"""Uncertainty: what usage that is only guessed at may cost, and when a balance may run dry.

*Owns* quantiles of cost, how probable it is that a choice is the cheapest, and the probability, the
expected date and the remedy of running dry.
*Does not own* how usage varies (``draws``), or what it costs (``costs``, or the service itself).

All choices see the same draws. Probabilities are exact shares of the draws, costs are exact, and
quantiles are values that were drawn (nearest rank), so they never fall as the share rises.

>>> from datetime import UTC
>>> from monochat_billing.plans import sample_catalog
>>> terms = CostTerms(sample_catalog(), "TRY", datetime(2027, 1, 1, tzinfo=UTC))
>>> model = UsageModel({"monochat.message": 30_000}, growth="0.05", spread="0.3")
>>> odds = compare_odds(model, [Choice("growth"), Choice("enterprise")], terms, draws=50, seed=1)
>>> odds.probability_cheapest(Choice("enterprise"))
Fraction(17, 50)
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from fractions import Fraction
from itertools import accumulate
from typing import Any, Final, final

import attrs

from monochat_billing.counters import MeterRecord
from monochat_billing.currencies import minor_digits
from monochat_billing.errors import InvalidInput
from monochat_billing.instants import utc
from monochat_billing.money import DEFAULT_SCALE, Money, from_units, to_units
from monochat_billing.quantities import exact
from monochat_billing.rounding import round_ratio
from monochat_billing.simulation.actions import Action, BuyPack, Credit, Subscribe, Use
from monochat_billing.simulation.choices import Choice
from monochat_billing.simulation.costs import CostTerms
from monochat_billing.simulation.draws import UsageModel
from monochat_billing.simulation.frames import Frame
from monochat_billing.simulation.profiles import UsageProfile
from monochat_billing.simulation.runs import simulate
from monochat_billing.simulation.scenarios import Scenario, SimulatedAccount, Step
from monochat_billing.wording import Words

__all__ = ["CostOdds", "DryOdds", "Odds", "compare_odds", "dry_odds", "nearest_rank"]

_MICROSECOND: Final = timedelta(microseconds=1)
_PLENTY: Final = 10**12
_MOST_DRAWS: Final = 1_000_000
_MOST_PARTS: Final = 1000
_QUANTILES: Final = (Fraction(1, 20), Fraction(1, 2), Fraction(19, 20))


def _share(value: Any, field: str) -> Fraction:  # noqa: ANN401 - refuses what is not exact
    found = exact(value, field=field)
    if found > 1:
        raise InvalidInput(field, str(found), "is above one", "pass 5 % as '0.05'")
    return found


def _check_draws(draws: int) -> int:
    if type(draws) is not int or not 1 <= draws <= _MOST_DRAWS:
        raise InvalidInput("draws", draws, "is no count", f"pass 1 to {_MOST_DRAWS}")
    return draws


def nearest_rank(values: Sequence[int], share: Fraction) -> int:
    """Give the least of sorted values that at least ``share`` of them do not exceed.

    >>> nearest_rank([10, 20, 30, 40], Fraction(1, 2)), nearest_rank([10, 20], Fraction(0))
    (20, 10)
    """
    return values[max((share * len(values)).__ceil__(), 1) - 1]


@final
@attrs.frozen
class CostOdds:
    """Hold what one choice costs in each draw, in the order of the draws, in millionths.

    ``months`` has the cost of each month of each draw.
    """

    choice: Choice
    currency: str
    costs: tuple[int, ...] = attrs.field(repr=False)
    served: tuple[bool, ...] = attrs.field(repr=False)
    months: tuple[tuple[int, ...], ...] = attrs.field(default=(), repr=False)

    def quantile(self, share: object) -> Money:
        """Give the cost that is not exceeded in that share of the draws.

        Raises:
            InvalidInput: the share is not exact, or not from 0 to 1.
        """
        units = nearest_rank(sorted(self.costs), _share(share, "share"))
        return from_units(units, self.currency, DEFAULT_SCALE)

    def band(self, share: object) -> tuple[Money, ...]:
        """Give the cost from the start to each month's end that a share of the draws keeps to.

        Raises:
            InvalidInput: the share is not exact, or not from 0 to 1.
        """
        wanted = _share(share, "share")
        sums = zip(*(accumulate(one) for one in self.months), strict=True)
        return tuple(
            [
                from_units(nearest_rank(sorted(one), wanted), self.currency, DEFAULT_SCALE)
                for one in sums
            ]
        )

    @property
    def mean(self) -> Fraction:
        """Give the expected cost in major units, exactly."""
        return Fraction(sum(self.costs), len(self.costs) * 10**DEFAULT_SCALE)

    @property
    def expected(self) -> Money:
        """Give the expected cost, rounded half-up to the currency's minor unit."""
        digits = minor_digits(self.currency)
        units = round_ratio(sum(self.costs), len(self.costs) * 10 ** (DEFAULT_SCALE - digits))
        return from_units(units, self.currency, digits)

    @property
    def serves(self) -> Fraction:
        """Give the share of the draws in which the choice serves the usage."""
        return Fraction(sum(self.served), len(self.served))


@final
@attrs.frozen(kw_only=True)
class Odds:
    """Hold choices side by side under the same draws.

    ``ends`` are the instants at which the months end. ``fees`` are what the provider takes for the
    messages of each draw, in millionths of ``fee_currency``, where the terms have rate cards and
    the model a mix; no choice changes them.
    """

    choices: tuple[CostOdds, ...]
    ends: tuple[datetime, ...] = attrs.field(default=(), repr=False)
    fees: tuple[int, ...] = attrs.field(default=(), repr=False)
    fee_currency: str = ""

    def fee_quantile(self, share: object) -> Money:
        """Give the provider's fees that are not exceeded in that share of the draws.

        Raises:
            InvalidInput: the share is not from 0 to 1, or there are no fees.
        """
        if not self.fees:
            raise InvalidInput(
                "fees", (), "are not known", "give the terms rates=, and the model a mix="
            )
        units = nearest_rank(sorted(self.fees), _share(share, "share"))
        return from_units(units, self.fee_currency, DEFAULT_SCALE)

    def of(self, choice: Choice) -> CostOdds:
        """Give the odds of one choice.

        Raises:
            InvalidInput: it was not compared.
        """
        for one in self.choices:
            if one.choice == choice:
                return one
        raise InvalidInput("choice", str(choice), "was not compared", "pass it to compare_odds")

    def probability_cheapest(self, choice: Choice) -> Fraction:
        """Give the share of the draws in which nothing that serves costs less.

        Choices that tie are both the cheapest. What does not serve a draw is not.

        Raises:
            InvalidInput: it was not compared.
        """
        mine = self.of(choice)
        won = 0
        for place, cost in enumerate(mine.costs):
            rivals = [one.costs[place] for one in self.choices if one.served[place]]
            won += mine.served[place] and cost == min(rivals)
        return Fraction(won, len(mine.costs))

    def frame(self, locale: str = "en") -> Frame:
        """Give the choices as a table: quantiles, the mean, and how probable each is cheapest."""
        words = Words(locale)
        rows = [
            (
                one.choice.name(locale),
                *(one.quantile(share) for share in _QUANTILES),
                one.expected,
                100 * self.probability_cheapest(one.choice),
                100 * one.serves,
            )
            for one in self.choices
        ]
        heads = (words.say("choice"), "5 %", "50 %", "95 %", words.say("expected"))
        last = (words.say("cheapest, %"), words.say("serves, %"))
        return Frame((*heads, *last), rows, locale=locale)

    def __str__(self) -> str:
        return str(self.frame())

    def _repr_html_(self) -> str:
        return self.frame()._repr_html_()


def compare_odds(
    model: UsageModel, choices: Iterable[Choice], terms: CostTerms, *, draws: int, seed: int
) -> Odds:
    """Price every choice in every draw of a usage model.

    Raises:
        InvalidInput: there is no draw, or no choice.
        UnknownName: a choice or a meter is not in the catalog.
    """
    listed = tuple(choices)
    if not listed:
        raise InvalidInput("choices", (), "is empty", "pass at least one Choice")
    found: dict[Choice, list[_Drawn]] = {one: [] for one in listed}
    fees: list[Money] = []
    for number in range(_check_draws(draws)):
        profile = model.draw(seed, number)
        for choice, drawn in found.items():
            cost = terms.cost(choice, profile)
            months = tuple(map(to_units, cost.months))
            drawn.append((to_units(cost.total), cost.possible, months))
        fee = terms.fees(profile) if model.mix else None
        if fee is not None:
            fees.append(fee)
    return Odds(
        choices=tuple(
            [
                CostOdds(one, terms.currency, *zip(*drawn, strict=True))
                for one, drawn in found.items()
            ]
        ),
        ends=tuple([terms.month(number + 1) for number in range(model.months)]),
        fees=tuple([to_units(one) for one in fees]),
        fee_currency=fees[0].currency.code if fees else "",
    )


_Drawn = tuple[int, bool, tuple[int, ...]]
"""What a choice costs in one draw, whether it serves, and the cost of each month."""


@final
@attrs.frozen(kw_only=True)
class DryOdds:
    """Hold, for each draw, when the balance runs dry, and what is missing until the end.

    A balance runs dry at the first charge that it does not cover. ``dry`` has that instant for each
    draw, None where it lasts; ``missing`` is what more it would have taken, in millionths.
    """

    currency: str
    until: datetime
    dry: tuple[datetime | None, ...] = attrs.field(repr=False)
    missing: tuple[int, ...] = attrs.field(repr=False)

    @property
    def probability(self) -> Fraction:
        """Give the share of the draws in which the balance runs dry."""
        return Fraction(sum(one is not None for one in self.dry), len(self.dry))

    @property
    def expected_at(self) -> datetime | None:
        """Give the mean of the instants at which it runs dry, where it does; None where never."""
        found = [one for one in self.dry if one is not None]
        if not found:
            return None
        first = min(found)
        late = sum((one - first) // _MICROSECOND for one in found)
        return first + round_ratio(late, len(found)) * _MICROSECOND

    def earliest(self, risk: object) -> datetime | None:
        """Give the instant before which it is dry in less than that share of the draws.

        Raises:
            InvalidInput: the risk is not exact, or not from 0 to 1.
        """
        found = sorted(one for one in self.dry if one is not None)
        place = max((_share(risk, "risk") * len(self.dry)).__ceil__(), 1) - 1
        return found[place] if place < len(found) else None

    def top_up(self, risk: object) -> Money:
        """Give the least extra money at the start that keeps the risk of running dry at or under.

        Raises:
            InvalidInput: the risk is not exact, or not from 0 to 1.
        """
        share = 1 - _share(risk, "risk")
        units = nearest_rank(sorted(self.missing), share) if share else 0
        return from_units(units, self.currency, DEFAULT_SCALE)

    def explain(self, locale: str = "en") -> str:
        """Say the probability, the expected day, and the top-up for a risk of 5 %."""
        words = Words(locale)
        percent = words.number(
            round_ratio(100 * self.probability.numerator, self.probability.denominator)
        )
        lines = [words.say("runs dry with a probability of {percent} %", percent=percent)]
        if self.expected_at is not None:
            lines.append(
                words.say("then on {day} on average", day=words.day(self.expected_at.date()))
            )
        five = self.top_up(Fraction(1, 20))
        if five.amount:
            lines.append(
                words.say("{amount} more keep the risk at 5 % or less", amount=words.money(five))
            )
        else:
            lines.append(words.say("so the risk is 5 % or less without more money"))
        return "\n".join(lines)

    def __str__(self) -> str:
        return self.explain()


def dry_odds(
    model: UsageModel,
    choice: Choice,
    terms: CostTerms,
    *,
    balance: Money,
    draws: int,
    seed: int,
    deposits: Sequence[tuple[datetime, Money]] = (),
    parts: int = 4,
    over: Callable[[Callable[[Any], Any], Iterable[Any]], Iterable[Any]] = map,
) -> DryOdds:
    """Let every draw be lived through by the service, and see when ``balance`` runs dry.

    ``deposits`` are paid in later. Each month's usage comes in ``parts`` equal records, spread over
    the month. Each draw is run with plenty of money and its charges are then held against the
    balance, so one run answers for every balance. ``over`` maps the draws, such as
    ``executor.map``; it does not change the answer.

    Raises:
        InvalidInput: there is no draw, an instant is naive, or amounts are of another currency.
        UnknownName: a choice or a meter is not in the catalog.
    """
    for amount in (balance, *(one for _, one in deposits)):
        if not isinstance(amount, Money) or amount.currency.code != terms.currency:
            raise InvalidInput(
                "balance",
                str(amount),
                "is no amount in the currency of the terms",
                f"pass an amount in {terms.currency}",
            )
    if type(parts) is not int or not 1 <= parts <= _MOST_PARTS:
        raise InvalidInput("parts", parts, "is no count", f"pass 1 to {_MOST_PARTS}")
    jobs = [
        _Job(terms, choice, model, seed, number, parts) for number in range(_check_draws(draws))
    ]
    paid = [
        (terms.start, to_units(balance)),
        *((utc(at, field="deposits"), to_units(one)) for at, one in deposits),
    ]
    found = [_held_against(charges, paid) for charges in over(_lived, jobs)]
    return DryOdds(
        currency=terms.currency,
        until=terms.month(model.months),
        dry=tuple([at for at, _ in found]),
        missing=tuple([units for _, units in found]),
    )


@final
@attrs.frozen
class _Job:
    terms: CostTerms
    choice: Choice
    model: UsageModel
    seed: int
    number: int
    parts: int


def _lived(job: _Job) -> list[tuple[datetime, int]]:
    """Run one draw, and give its charges in the order of their instants, in millionths."""
    terms, choice = job.terms, job.choice
    profile = job.model.draw(job.seed, job.number)
    begin: list[Action] = [
        Credit(from_units(_PLENTY, terms.currency, DEFAULT_SCALE)),
        Subscribe(choice.plan, choice.interval, terms.currency, trial=False),
    ]
    if choice.support is not None:
        begin.append(
            Subscribe(choice.support, choice.support_interval, terms.currency, trial=False)
        )
    begin += [BuyPack(pack, quantity, terms.currency) for pack, quantity in choice.packs]
    scenario = Scenario(
        catalog=terms.catalog,
        start=terms.start,
        end=terms.month(len(profile.months)) - _MICROSECOND,
        accounts=[SimulatedAccount(id="draw", currencies=[terms.currency], zone=terms.zone)],
        steps=[
            *(Step(terms.start, "draw", one) for one in begin),
            *_use(terms, profile, job.parts),
        ],
    )
    ledger = simulate(scenario).ledger("draw")
    return [
        (one.effective_at, -one.amount)
        for one, _ in ledger.since(terms.start)
        if one.unit == terms.currency
    ]


def _use(terms: CostTerms, profile: UsageProfile, parts: int) -> Iterable[Step]:
    for number, month in enumerate(profile.months):
        start, end = terms.month(number), terms.month(number + 1)
        for part in range(parts):
            at = start + (end - start) * part // parts
            records = [
                MeterRecord(
                    id=f"{meter}-{number}-{part}",
                    meter=meter,
                    quantity=units * (part + 1) // parts - units * part // parts,
                    occurred_at=at,
                )
                for meter, units in month.items()
            ]
            yield Step(at, "draw", Use(records))


def _held_against(
    charges: Iterable[tuple[datetime, int]], paid: Sequence[tuple[datetime, int]]
) -> tuple[datetime | None, int]:
    """Give the first instant at which charges exceed what was paid in, and by how much at most."""
    dry: datetime | None = None
    missing = taken = 0
    for at, units in sorted(charges, key=lambda one: one[0]):
        taken += units
        short = taken - sum(money for paid_at, money in paid if paid_at <= at)
        if short > 0:
            dry = dry or at
            missing = max(missing, short)
    return dry, missing
