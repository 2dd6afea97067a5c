"""Comparisons: one usage profile under every plan, interval, support package and pack, ranked.

*Owns* the list of choices that a catalog offers, how many of a pack would be worth it, what a team
needs, the ranking, ties, and the reason in words.
*Does not own* what a choice costs (``costs``), or where two choices meet (``break_evens``).

>>> from datetime import UTC, datetime
>>> from monochat_billing.plans import sample_catalog
>>> terms = CostTerms(sample_catalog(), "TRY", datetime(2027, 1, 1, tzinfo=UTC))
>>> team = UsageProfile.of_team({("utility", "Turkey"): 12_000}, users=6, channels=3)
>>> print(recommend(team, terms, Needs(support="priority")).explain())
growth, yearly + priority, yearly + 1 x messages-25k: 21,990.00 TRY
growth serves what basic does not: monochat.message: 144,000 needed, at most 12,000 possible; \
users: 6 needed, at most 2 possible; channels: 3 needed, at most 1 possible
the next best, growth, yearly + priority, yearly + 4 x messages-5k, costs 500.00 TRY more
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final, final

import attrs

from monochat_billing.errors import InvalidInput, UnknownName
from monochat_billing.money import Money, subtract
from monochat_billing.periods import BillingInterval
from monochat_billing.plans import Catalog, Family, Product
from monochat_billing.simulation.choices import Choice, Cost
from monochat_billing.simulation.costs import CostTerms
from monochat_billing.simulation.frames import Frame
from monochat_billing.simulation.profiles import UsageProfile
from monochat_billing.wording import Words

__all__ = [
    "NO_NEEDS",
    "Comparison",
    "Needs",
    "Recommendation",
    "choices",
    "compare_plans",
    "recommend",
]

_MOST_PACKS: Final = 200


def _features(value: Iterable[str]) -> tuple[str, ...]:
    return tuple(value)


@final
@attrs.frozen(kw_only=True)
class Needs:
    """Say what a choice must have: the least support package, and features of the plan.

    Without ``support`` no support package is taken.
    """

    support: str | None = None
    features: tuple[str, ...] = attrs.field(default=(), converter=_features)


NO_NEEDS: Final = Needs()
"""No support package, and no feature."""


@final
@attrs.frozen(kw_only=True)
class Comparison:
    """Hold what every choice costs for one profile: the possible ones by cost, then the rest."""

    profile: UsageProfile = attrs.field(repr=False)
    costs: tuple[Cost, ...]

    @property
    def possible(self) -> tuple[Cost, ...]:
        """Give the choices that serve the profile, the cheapest first."""
        return tuple([one for one in self.costs if one.possible])

    @property
    def impossible(self) -> tuple[Cost, ...]:
        """Give the choices that do not."""
        return tuple([one for one in self.costs if not one.possible])

    @property
    def cheapest(self) -> tuple[Cost, ...]:
        """Give what costs least; several where they tie, none where nothing serves."""
        found = self.possible
        return tuple([one for one in found if one.total == found[0].total])

    @property
    def by_how_much(self) -> Money | None:
        """Give what the next dearer choice costs more than the cheapest; None without one."""
        rest = [one for one in self.possible if one.total != self.possible[0].total]
        return subtract(rest[0].total, self.possible[0].total) if rest else None

    def of(self, choice: Choice) -> Cost:
        """Give the cost of one choice.

        Raises:
            InvalidInput: it was not compared.
        """
        for one in self.costs:
            if one.choice == choice:
                return one
        raise InvalidInput("choice", str(choice), "was not compared", "pass it to compare_plans")

    def frame(self, locale: str = "en") -> Frame:
        """Give the choices as a table, each with what it costs more than the cheapest."""
        words = Words(locale)
        best = self.possible[0].total if self.possible else None
        rows = [
            (
                one.choice.name(locale),
                one.total,
                subtract(one.total, best) if one.possible and best is not None else None,
                one.overage,
                "; ".join(each.explain(locale) for each in one.obstacles),
            )
            for one in self.costs
        ]
        return Frame(
            (
                words.say("choice"),
                words.say("cost"),
                words.say("more than the cheapest"),
                words.say("overage units"),
                words.say("in the way"),
            ),
            rows,
            locale=locale,
        )

    def refused(self, locale: str = "en") -> dict[str, str]:
        """Say once for each plan that serves in no way what stands against it."""
        served = {one.choice.plan for one in self.possible}
        return {
            one.choice.plan: "; ".join(each.explain(locale) for each in one.obstacles)
            for one in reversed(self.impossible)
            if one.choice.plan not in served and not one.choice.packs
        }

    def explain(self, locale: str = "en") -> str:
        """Give the choices that serve as a table, then why the other plans do not, and the fees."""
        words = Words(locale)
        full = self.frame(locale)
        served = Frame(full.columns[:-1], [row[:-1] for row in full.rows if not row[-1]])
        lines = [
            words.say("{plan} does not serve: {why}", plan=plan, why=why)
            for plan, why in self.refused(locale).items()
        ]
        lines += [one.fee_words(locale) for one in self.costs[:1] if one.fees is not None]
        return "\n".join([str(attrs.evolve(served, locale=locale)), *lines])

    def __str__(self) -> str:
        return self.explain()

    def _repr_html_(self) -> str:
        return self.frame()._repr_html_()


@final
@attrs.frozen(kw_only=True)
class Recommendation:
    """Hold the ranked choices for a team, with the reason in words."""

    comparison: Comparison
    needs: Needs

    @property
    def best(self) -> Cost | None:
        """Give the recommended choice, the first of those that tie; None where nothing serves."""
        return next(iter(self.comparison.possible), None)

    @property
    def ties(self) -> tuple[Cost, ...]:
        """Give the other choices that cost the same."""
        return self.comparison.cheapest[1:]

    def reasons(self, locale: str = "en") -> tuple[str, ...]:
        """Say why, sentence by sentence."""
        words = Words(locale)
        best = self.best
        if best is None:
            refused = self.comparison.refused(locale)
            return (words.say("no plan serves this usage"), *refused.values())
        found = [
            words.say(
                "{plan} serves what {other} does not: {why}",
                plan=best.choice.plan,
                other=plan,
                why=why,
            )
            for plan, why in self.comparison.refused(locale).items()
        ]
        if best.overage:
            found.append(
                words.say(
                    "{units} units above what is prepaid are in the cost",
                    units=words.number(best.overage),
                )
            )
        found += [
            words.say("{other} costs the same", other=one.choice.name(locale)) for one in self.ties
        ]
        rest = [one for one in self.comparison.possible if one.total != best.total]
        if rest:
            found.append(
                words.say(
                    "the next best, {other}, costs {amount} more",
                    other=rest[0].choice.name(locale),
                    amount=words.money(subtract(rest[0].total, best.total)),
                )
            )
        if best.fees is not None:
            found.append(best.fee_words(locale))
        return tuple(found)

    def explain(self, locale: str = "en") -> str:
        """Say the recommended choice with its full cost, and the reasons, line by line."""
        words = Words(locale)
        best = self.best
        head = [] if best is None else [f"{best.choice.name(locale)}: {words.money(best.total)}"]
        return "\n".join([*head, *self.reasons(locale)])

    def frame(self, locale: str = "en") -> Frame:
        """Give the ranked choices as a table."""
        return self.comparison.frame(locale)

    def __str__(self) -> str:
        return self.explain()

    def _repr_html_(self) -> str:
        return self.frame()._repr_html_()


def choices(
    terms: CostTerms, profile: UsageProfile, *, needs: Needs = NO_NEEDS
) -> tuple[Choice, ...]:
    """List what can be chosen: plan, interval, support package and packs, in the catalog's order.

    Of support packages it is those that are at least the one that is needed; of packs, each alone,
    in the quantity (up to 200) that makes the choice
    cheapest.

    Raises:
        UnknownName: the catalog has no such support package.
    """
    catalog = terms.now
    found: list[Choice] = []
    for plan in _with_features(catalog, needs):
        for interval in _intervals(plan, terms.currency):
            alone = Choice(plan.id, interval)
            packs = list(_packs_for(alone, terms, profile))
            for support, often in _supports(catalog, needs, terms.currency):
                bare = Choice(plan.id, interval, support, often or interval)
                found.append(bare)
                found += [attrs.evolve(bare, packs=[one]) for one in packs]
    return tuple(found)


def _with_features(catalog: Catalog, needs: Needs) -> Iterator[Product]:
    for plan in catalog.ladder(Family.PLAN):
        if all(plan.has(one) for one in needs.features):
            yield plan


def _intervals(product: Product, currency: str) -> list[BillingInterval]:
    return [interval for interval, code in product.offers() if code == currency]


def _supports(
    catalog: Catalog, needs: Needs, currency: str
) -> list[tuple[str | None, BillingInterval | None]]:
    if needs.support is None:
        return [(None, None)]
    least = catalog.product(needs.support).rank
    return [
        (one.id, interval)
        for one in catalog.ladder(Family.SUPPORT)
        if one.rank >= least
        for interval in _intervals(one, currency)
    ]


def _packs_for(bare: Choice, terms: CostTerms, profile: UsageProfile) -> Iterator[tuple[str, int]]:
    """Yield each pack that some usage is left for, as often as makes the choice cheapest."""
    for pack in terms.now.packs:
        if pack.grant is None or pack.grant.meter not in profile.meters:
            continue
        if all(price.currency != terms.currency for price in pack.prices):
            continue
        meter = pack.grant.meter
        missing = sum(terms.above(bare, [one.get(meter, 0) for one in profile.months], meter))
        most = -(-missing // pack.grant.units)
        most = min(most, pack.most_quantity or _MOST_PACKS, _MOST_PACKS)
        found: list[tuple[bool, Money, int]] = []
        for quantity in range(1, most + 1):
            cost = terms.cost(attrs.evolve(bare, packs=[(pack.id, quantity)]), profile)
            found.append((not cost.possible, cost.total, quantity))
        if found:
            best = min(found, key=lambda one: (one[0], one[1].amount, one[2]))
            yield pack.id, best[2]


def compare_plans(
    profile: UsageProfile,
    terms: CostTerms,
    *,
    among: Sequence[Choice] | None = None,
    needs: Needs = NO_NEEDS,
) -> Comparison:
    """Price one profile under every choice, or under those in ``among``, and rank them.

    Possible choices come first, by cost, those that tie in the order in which they stand.

    Raises:
        UnknownName: a choice names what the catalog does not know, or the profile counts what no
            product limits (a slip of the pen would make every plan serve).
        InvalidInput: there is nothing to compare.
    """
    _check_counts(profile, terms.now)
    listed = tuple(among) if among is not None else choices(terms, profile, needs=needs)
    if not listed:
        raise InvalidInput("choices", (), "is empty", "ask for fewer features, or pass among=")
    costs = [terms.cost(one, profile) for one in listed]
    ranked = sorted(costs, key=lambda one: (not one.possible, one.total.amount))
    return Comparison(profile=profile, costs=tuple(ranked))


def _check_counts(profile: UsageProfile, catalog: Catalog) -> None:
    known = sorted({limit.name for one in catalog.products for limit in one.limits})
    for name in profile.counts:
        if name not in known:
            raise UnknownName(
                "counts", name, "is limited by no product", f"use {', '.join(known) or 'none'}"
            )


def recommend(profile: UsageProfile, terms: CostTerms, needs: Needs = NO_NEEDS) -> Recommendation:
    """Recommend what serves a team at the least full cost, overage and packs included.

    Raises:
        UnknownName: the catalog has no such support package or meter.
        InvalidInput: no plan has the features.
    """
    return Recommendation(comparison=compare_plans(profile, terms, needs=needs), needs=needs)
