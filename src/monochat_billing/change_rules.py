"""Change rules: a first-match table that says when and how one product becomes another.

*Owns* the facts that a rule can ask for, the table that decides, its totality, and rules that no
change can ever reach.
*Does not own* what a change costs (``quotes``) or the products themselves.

The first rule whose conditions all hold decides; a condition that is left out holds always, so a
table that ends with a rule without conditions decides everything.

>>> table = [({"trial": True}, "now"), ({}, "at period end")]
>>> first_match(table, {"trial": False, "product": "pro"})
'at period end'
"""

import enum
import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, TypeVar, final

import attrs

from monochat_billing.errors import InvalidInput, UnknownName
from monochat_billing.intervals import MONTH, YEAR, BillingInterval
from monochat_billing.prices import Price
from monochat_billing.products import Direction, Family, Product
from monochat_billing.proration_policies import DEFAULT_POLICY, ChargeRule, policy_named
from monochat_billing.tables import table
from monochat_billing.translations import mark_in

__all__ = [
    "CONDITIONS",
    "DEFAULT_RULES",
    "AnchorRule",
    "ChangeFacts",
    "ChangeRule",
    "ChangeTiming",
    "IntervalChange",
    "as_timing",
    "first_match",
    "interval_change",
    "rule_mistakes",
    "rule_table",
]


_WIDTH: Final = 160


class ChangeTiming(enum.StrEnum):
    """Name when a change takes effect: now, at the period's end, or at a given instant.

    >>> DEFAULT_RULES[0].timing is ChangeTiming.END_OF_PERIOD
    True
    """

    IMMEDIATE = "IMMEDIATE"
    END_OF_PERIOD = "END_OF_PERIOD"
    AT = "AT"


def as_timing(value: Any) -> ChangeTiming:  # noqa: ANN401 - whatever the caller passed
    """Read a timing, or the name of one.

    Raises:
        InvalidInput: there is no such timing.

    >>> as_timing("AT") is ChangeTiming.AT
    True
    """
    try:
        return ChangeTiming(value)
    except ValueError:
        known = ", ".join(ChangeTiming)
        raise InvalidInput("timing", value, "is no timing", f"use one of {known}") from None


class IntervalChange(enum.StrEnum):
    """Name what a change does to the billing interval."""

    SAME = "SAME"
    LONGER = "LONGER"
    SHORTER = "SHORTER"


class AnchorRule(enum.StrEnum):
    """Name what a change does to the billing anchor: keep the period, or start a new one."""

    KEEP = "KEEP"
    RESET = "RESET"


def interval_change(old: BillingInterval, new: BillingInterval) -> IntervalChange:
    """Tell whether the new interval is longer; a month counts as 30.44 days.

    >>> interval_change(MONTH, YEAR).value
    'LONGER'
    """
    if old == new:
        return IntervalChange.SAME
    longer = _hundredths_of_days(new) > _hundredths_of_days(old)
    return IntervalChange.LONGER if longer else IntervalChange.SHORTER


def _hundredths_of_days(interval: BillingInterval) -> int:
    return interval.months * 3044 + interval.days * 100


@final
@attrs.frozen(kw_only=True)
class ChangeFacts:
    """Hold what a rule can ask about one change.

    ``from_free`` says that the price left is zero, ``in_trial`` that the subscription is in its
    trial, ``interval_change`` follows from the two intervals.
    """

    family: Family
    from_product: str
    to_product: str
    direction: Direction
    from_free: bool
    in_trial: bool
    from_interval: BillingInterval
    to_interval: BillingInterval

    @classmethod
    def of(
        cls,
        old: tuple[Product, Price],
        new: tuple[Product, Price],
        direction: Direction,
        *,
        in_trial: bool = False,
    ) -> "ChangeFacts":
        """Read the facts off a change from one product and price to another."""
        return cls(
            family=old[0].family,
            from_product=old[0].id,
            to_product=new[0].id,
            direction=direction,
            from_free=old[1].free,
            in_trial=in_trial,
            from_interval=old[1].interval,
            to_interval=new[1].interval,
        )

    @property
    def interval_change(self) -> IntervalChange:
        """Tell what the change does to the interval."""
        return interval_change(self.from_interval, self.to_interval)

    def as_mapping(self) -> Mapping[str, object]:
        """Give the facts by the names of the conditions that ask for them."""
        return {name: getattr(self, name) for name in CONDITIONS}


CONDITIONS: Final = (
    "family",
    "from_product",
    "to_product",
    "direction",
    "interval_change",
    "from_interval",
    "to_interval",
    "from_free",
    "in_trial",
)
"""What a rule can ask for, in the order in which tables show it."""


_Outcome = TypeVar("_Outcome")


def first_match(
    table: Iterable[tuple[Mapping[str, object], _Outcome]], facts: Mapping[str, object]
) -> _Outcome | None:
    """Give the outcome of the first row whose conditions all equal the facts; None if none does.

    A row without conditions matches everything. A condition on a fact that is not given does not
    hold.
    """
    for conditions, outcome in table:
        if all(name in facts and facts[name] == wanted for name, wanted in conditions.items()):
            return outcome
    return None


@final
@attrs.frozen(kw_only=True)
class ChangeRule:
    """Say how a change that matches is done; a condition that is None matches anything.

    ``timing`` is what happens when the caller asks for none, ``allows`` what a caller may ask
    for. ``anchor`` says what a change in mid-period does: KEEP charges the rest of the period,
    RESET (and any change of interval) starts a new one. At a period's end the bounds go on from
    there with their nominal day. ``proration`` names a proration policy.

    >>> rule = ChangeRule(
    ...     name="upgrade at once", direction=Direction.UPGRADE, timing=ChangeTiming.IMMEDIATE,
    ...     anchor=AnchorRule.KEEP,
    ... )
    >>> print(rule.explain())
    upgrade at once: when direction UPGRADE → IMMEDIATE, anchor KEEP, proration standard
    """

    name: str
    timing: ChangeTiming
    anchor: AnchorRule
    family: Family | None = None
    from_product: str | None = None
    to_product: str | None = None
    direction: Direction | None = None
    interval_change: IntervalChange | None = None
    from_interval: BillingInterval | None = None
    to_interval: BillingInterval | None = None
    from_free: bool | None = None
    in_trial: bool | None = None
    allows: frozenset[ChangeTiming] = frozenset(ChangeTiming)
    proration: str = DEFAULT_POLICY.name
    conditions: Mapping[str, object] = attrs.field(init=False, repr=False, eq=False)
    """The conditions that are not None, by name."""

    def __attrs_post_init__(self) -> None:
        wanted = {name: getattr(self, name) for name in CONDITIONS}
        given = {name: value for name, value in wanted.items() if value is not None}
        object.__setattr__(self, "conditions", given)

    def matches(self, facts: ChangeFacts) -> bool:
        """Tell whether every condition of the rule holds for a change."""
        return all(getattr(facts, name) == wanted for name, wanted in self.conditions.items())

    def explain(self) -> str:
        """Say in one line when the rule applies and what it does."""
        asked = ", ".join(f"{name} {_word(value)}" for name, value in self.conditions.items())
        return (
            f"{self.name}: when {asked or 'nothing above matched'} → {self.timing}, "
            f"anchor {self.anchor}, proration {self.proration}"
        )


def _word(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)


DEFAULT_RULES: tuple[ChangeRule, ...] = (
    ChangeRule(
        name=mark_in("rule", "downgrade at period end"),
        direction=Direction.DOWNGRADE,
        timing=ChangeTiming.END_OF_PERIOD,
        anchor=AnchorRule.RESET,
    ),
    ChangeRule(
        name=mark_in("rule", "leaving a free price: at once, new anchor"),
        from_free=True,
        timing=ChangeTiming.IMMEDIATE,
        anchor=AnchorRule.RESET,
    ),
    ChangeRule(
        name=mark_in("rule", "longer interval: at once, new anchor"),
        interval_change=IntervalChange.LONGER,
        timing=ChangeTiming.IMMEDIATE,
        anchor=AnchorRule.RESET,
    ),
    ChangeRule(
        name=mark_in("rule", "shorter interval at period end"),
        interval_change=IntervalChange.SHORTER,
        timing=ChangeTiming.END_OF_PERIOD,
        anchor=AnchorRule.RESET,
    ),
    ChangeRule(
        name=mark_in("rule", "upgrade at once, prorated"),
        direction=Direction.UPGRADE,
        timing=ChangeTiming.IMMEDIATE,
        anchor=AnchorRule.KEEP,
    ),
    ChangeRule(
        name=mark_in("rule", "sidegrade at once, prorated"),
        timing=ChangeTiming.IMMEDIATE,
        anchor=AnchorRule.KEEP,
    ),
)
"""The rule table that holds unless a catalog brings its own; the first match decides."""


def rule_table(rules: Sequence[ChangeRule]) -> str:
    """Lay out a rule table for people: one line for each rule, in the order of matching.

    >>> print(rule_table(DEFAULT_RULES[-1:]))
    #  when           timing     anchor  proration  rule
    -  -------------  ---------  ------  ---------  ---------------------------
    1  anything else  IMMEDIATE  KEEP    standard   sidegrade at once, prorated
    """
    rows = []
    for number, rule in enumerate(rules, 1):
        asked = ", ".join(f"{name}={_word(value)}" for name, value in rule.conditions.items())
        what = (rule.timing.value, rule.anchor.value, rule.proration, rule.name)
        rows.append((str(number), asked or "anything else", *what))
    return table((">#", "when", "timing", "anchor", "proration", "rule"), rows, width=_WIDTH)


# ---------------------------------------------------------------------------------- mistakes


def rule_mistakes(
    rules: Sequence[ChangeRule | None],
    products: Mapping[str, Product],
    directions: Callable[[Product, Product], Iterable[Direction]],
    *,
    known: Iterable[str] = (),
) -> list[InvalidInput]:
    """List what is wrong with a rule table: unknown names, rules that never match, gaps.

    ``directions`` tells where changes between two products can lead. ``known`` are ids of
    products that exist beside ``products``, and None stands for a rule that could not be read. A
    change that the catalog does not have yet counts too, so that a new product cannot fall
    through the table.
    """
    mistakes: list[InvalidInput] = []
    sound: list[ChangeRule] = []
    places: list[int] = []
    ids = {*products, *known}
    for place, rule in enumerate(rules):
        if rule is None:
            continue
        unknown = [*_rule_names(rule, place, ids)]
        mistakes += [*unknown, *_policy_mistakes(rule, place)]
        if not unknown:
            sound.append(rule)
            places.append(place)
    space = _Space(sound, products, directions)
    for number, (place, rule) in enumerate(zip(places, sound, strict=True)):
        earlier = sound[:number]
        if all(_first(earlier, point) is not None for point in space.points(rule)):
            mistakes.append(
                InvalidInput(
                    f"rules[{place}]",
                    rule.name,
                    "can never match",
                    "move it above the rules that match everything it does, or mend or drop it",
                )
            )
    if len(sound) < len(rules) or any(not rule.conditions for rule in sound):
        return mistakes
    gap = next((point for point in space.points(None) if _first(sound, point) is None), None)
    if gap is not None:
        shown = ", ".join(f"{name}={_word(value)}" for name, value in gap.items())
        mistakes.append(
            InvalidInput(
                "rules",
                shown or "every change",
                "is decided by no rule",
                "end the table with a rule that has no conditions",
            )
        )
    return mistakes


def _first(rules: Iterable[ChangeRule], facts: Mapping[str, object]) -> ChangeRule | None:
    return first_match(((rule.conditions, rule) for rule in rules), facts)


def _rule_names(rule: ChangeRule, place: int, ids: Iterable[str]) -> Iterator[InvalidInput]:
    for field in ("from_product", "to_product"):
        named = getattr(rule, field)
        if named is not None and named not in ids:
            yield UnknownName(
                f"rules[{place}].{field}",
                named,
                f"is not in the catalog, so the rule {rule.name!r} cannot apply",
                f"use one of {', '.join(sorted(ids))}",
            )


def _policy_mistakes(rule: ChangeRule, place: int) -> Iterator[InvalidInput]:
    field = f"rules[{place}].proration"
    try:
        policy = policy_named(rule.proration)
    except UnknownName as error:
        yield UnknownName(field, error.value, error.problem, error.remedy)
        return
    if policy.charge is ChargeRule.DIFFERENCE:
        yield InvalidInput(
            field,
            rule.proration,
            "charges a difference, so a later change could not tell what was paid",
            "use 'standard-net', which nets and keeps both lines",
        )


class _Space:
    """Enumerate the changes that a table can be asked about, by the facts that it asks for.

    Products that no rule names are one product here, None, and intervals that no rule names are a
    month and a year: that is enough to tell rules apart.
    """

    def __init__(
        self,
        rules: Sequence[ChangeRule],
        products: Mapping[str, Product],
        directions: Callable[[Product, Product], Iterable[Direction]],
    ) -> None:
        self._asked = {name for rule in rules for name in rule.conditions}
        self._products = products
        self._directions = directions
        self._named = _mentioned(rules, "from_product", "to_product")
        self._families: tuple[Any, ...] = tuple(Family) if "family" in self._asked else (None,)
        intervals = {MONTH: None, YEAR: None}
        intervals.update(dict.fromkeys(_mentioned(rules, "from_interval", "to_interval")))
        pairs = list(itertools.product(intervals, repeat=2))
        if not self._asked & {"interval_change", "from_interval", "to_interval"}:
            pairs = pairs[:1]
        self._intervals = pairs
        self._flags = [
            (False, True) if name in self._asked else (False,) for name in ("from_free", "in_trial")
        ]

    def points(self, rule: ChangeRule | None) -> Iterator[Mapping[str, object]]:
        """Yield the changes that meet ``rule``, or all, those between unnamed products first."""
        wanted = rule.conditions if rule else {}
        ends = [
            [wanted[name]] if name in wanted else [None, *self._named]
            for name in ("from_product", "to_product")
        ]
        for old, new in itertools.product(*ends):
            for point in self._between(old, new):
                if all(point.get(name) == value for name, value in wanted.items()):
                    yield {name: value for name, value in point.items() if name in self._asked}

    def _between(self, old: Any, new: Any) -> Iterator[Mapping[str, object]]:  # noqa: ANN401
        one, two = self._products.get(old), self._products.get(new)
        families = {product.family for product in (one, two) if product}
        if len(families) > 1:
            return
        directions: Iterable[Direction] = Direction
        if one and two:
            directions = tuple(self._directions(one, two))
        possible: Iterable[Any] = families or self._families
        for facts in itertools.product(possible, directions, self._intervals, *self._flags):
            yield {
                "family": facts[0],
                "from_product": old,
                "to_product": new,
                "direction": facts[1],
                "interval_change": interval_change(*facts[2]),
                "from_interval": facts[2][0],
                "to_interval": facts[2][1],
                "from_free": facts[3],
                "in_trial": facts[4],
            }


def _mentioned(rules: Sequence[ChangeRule], *names: str) -> list[Any]:
    found = (rule.conditions[name] for rule in rules for name in names if name in rule.conditions)
    return list(dict.fromkeys(found))
