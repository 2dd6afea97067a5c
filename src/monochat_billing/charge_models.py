"""Charge models: what a quantity costs, as values with one function.

*Owns* the models (per unit, package, graduated, volume, graduated percentage, percentage,
capacity, dynamic), what wraps them (an included allowance, a commitment), charging step by step,
and how many units an amount pays for.
*Does not own* which model a usage has (``rate_tables``), whose fee it is (``fees``), or taxes.

A model is a value; :func:`charge` gives its lines and one rounded total. Prices are in major units
of a currency that the caller names, shares are plain numbers (1.3 % is ``"0.013"``), and everything
is exact until the total is rounded. Usage is a quantity, a sequence of transactions, or, for
capacity, a quantity for each unit.

>>> print(charge(Package(price=100, size=10, free=5), 121, currency="TRY").explain())
5 free units = TRY 0.00 (included)
12 packages x TRY 100.00 = TRY 1,200.00
"""

from collections.abc import Iterable, Mapping
from fractions import Fraction
from typing import Final, TypeAlias, final

import attrs

from monochat_billing.charge_lines import (
    USAGE_ROUNDING,
    Charge,
    DraftLine,
    LineBasis,
    total_of,
)
from monochat_billing.charge_steps import (
    NO_LADDER,
    Ladder,
    difference,
    ladder,
    step_on,
)
from monochat_billing.errors import InvalidInput
from monochat_billing.money import from_units
from monochat_billing.percentages import Dynamic, Percentage
from monochat_billing.quantities import (
    Quantity,
    Usage,
    exact,
    exact_count,
    most_affordable,
    quantity_of,
)
from monochat_billing.rounding import Rounding
from monochat_billing.tiers import (
    AtZero,
    CapacityTier,
    Tier,
    capacity_tier,
    check_tiers,
    graduated_lines,
    volume_lines,
)

__all__ = [
    "Allowance",
    "Capacity",
    "ChargeModel",
    "Commitment",
    "Dynamic",
    "Graduated",
    "GraduatedPercentage",
    "Package",
    "PerUnit",
    "Percentage",
    "Volume",
    "affordable_units",
    "charge",
    "charge_step",
    "true_up",
]

_ONE: Final = Fraction(1)
_ZERO: Final = Fraction(0)
_INCLUDED: Final = "included"


def _number(value: Quantity) -> Fraction:
    return exact(value, field="price")


def _optional(value: Quantity | None) -> Fraction | None:
    return None if value is None else exact(value, field="bound")


def _capacities(value: Iterable[CapacityTier]) -> tuple[CapacityTier, ...]:
    return tuple(value)


def _ladder_of(tiers: Iterable[Tier]) -> Ladder:
    if any(tier.packaged for tier in tiers):
        return NO_LADDER
    return ladder([(tier.up_to, tier.price, tier.flat) for tier in tiers])


# ------------------------------------------------------------------------------- the models


@final
@attrs.frozen(kw_only=True)
class PerUnit:
    """Charge every unit one price.

    >>> charge(PerUnit(price="5.12345"), 10, currency="USD").money
    Money('51.2345', 'USD')
    """

    price: Fraction = attrs.field(converter=_number)
    _rungs: Ladder = attrs.field(init=False, repr=False, eq=False)

    def __attrs_post_init__(self) -> None:
        rungs = ladder([(None, self.price, _ZERO)], numbered=False)
        object.__setattr__(self, "_rungs", rungs)

    def lines(self, usage: Usage) -> list[DraftLine]:
        """Return one line, or none where nothing was used."""
        units = quantity_of(usage)
        return [DraftLine(LineBasis.UNIT, units, self.price)] if units else []


@final
@attrs.frozen(kw_only=True)
class Package:
    """Charge packages of ``size`` units after ``free`` units; one that is begun counts whole.

    Raises:
        InvalidInput: ``size`` is zero.

    >>> charge(Package(price=100, size=10), 121, currency="USD").money
    Money('1300', 'USD')
    """

    price: Fraction = attrs.field(converter=_number)
    size: Fraction = attrs.field(converter=_number)
    free: Fraction = attrs.field(default=_ZERO, converter=_number)

    def __attrs_post_init__(self) -> None:
        if not self.size:
            raise InvalidInput("size", 0, "is no package size", "pass a size above zero")

    def packages(self, usage: Usage) -> int:
        """Return how many packages a usage takes.

        >>> Package(price=1, size=60).packages(10)
        1
        """
        return -(-max(quantity_of(usage) - self.free, _ZERO) // self.size)

    def lines(self, usage: Usage) -> list[DraftLine]:
        """Return a line of free units and one of packages, each where there are any."""
        free, packages = min(quantity_of(usage), self.free), self.packages(usage)
        lines = [DraftLine(LineBasis.FREE, free, _ZERO, note=_INCLUDED)] if free else []
        if packages:
            lines.append(DraftLine(LineBasis.PACKAGE, Fraction(packages), self.price))
        return lines


@final
@attrs.frozen(kw_only=True)
class Graduated:
    """Charge each part of a quantity in its tier, with a fixed fee for each tier entered.

    >>> tiers = (Tier(up_to=5, price=10, flat=100), Tier(price=5, flat=50))
    >>> charge(Graduated(tiers=tiers), 8, currency="USD").money
    Money('215', 'USD')
    """

    tiers: tuple[Tier, ...] = attrs.field(converter=check_tiers)
    at_zero: AtZero = AtZero.FIRST_TIER

    _rungs: Ladder = attrs.field(init=False, repr=False, eq=False)

    def __attrs_post_init__(self) -> None:
        object.__setattr__(self, "_rungs", _ladder_of(self.tiers))

    def lines(self, usage: Usage) -> list[DraftLine]:
        """Return the lines of each tier up to the one reached."""
        return graduated_lines(self.tiers, quantity_of(usage), at_zero=self.at_zero)


@final
@attrs.frozen(kw_only=True)
class Volume:
    """Charge a whole quantity in the tier that it reaches: one unit more may cost less in all.

    >>> tiers = (Tier(up_to=10, price=5, flat=100), Tier(price=2, flat=50))
    >>> charge(Volume(tiers=tiers), 15, currency="USD").money
    Money('80', 'USD')
    """

    tiers: tuple[Tier, ...] = attrs.field(converter=check_tiers)
    at_zero: AtZero = AtZero.FIRST_TIER

    def lines(self, usage: Usage) -> list[DraftLine]:
        """Return the lines of the tier reached."""
        return volume_lines(self.tiers, quantity_of(usage), at_zero=self.at_zero)


@final
@attrs.frozen(kw_only=True)
class GraduatedPercentage:
    """Charge shares of an amount, each part of it in its tier; a tier's price is its share.

    >>> tiers = (Tier(up_to=10, price="0.01", flat=200), Tier(price="0.02", flat=300))
    >>> charge(GraduatedPercentage(tiers=tiers), 11, currency="USD").money
    Money('500.12', 'USD')
    """

    tiers: tuple[Tier, ...] = attrs.field(converter=check_tiers)
    at_zero: AtZero = AtZero.FIRST_TIER

    def __attrs_post_init__(self) -> None:
        if any(tier.packaged for tier in self.tiers):
            raise InvalidInput("tiers", "size", "is set on a share", "leave size at 1")

    def lines(self, usage: Usage) -> list[DraftLine]:
        """Return the lines of each tier up to the one reached."""
        amount, each = quantity_of(usage), LineBasis.PERCENTAGE
        return graduated_lines(self.tiers, amount, at_zero=self.at_zero, each=each)


@final
@attrs.frozen(kw_only=True)
class Capacity:
    """Charge one price, that of the cheapest tier whose limits hold for every unit.

    Nothing used costs nothing.

    >>> tiers = (CapacityTier(limits={"users": 5}, price=10),
    ...          CapacityTier(limits={"users": None}, price=20))
    >>> print(charge(Capacity(tiers=tiers), {"users": 6}, currency="USD").explain())
    tier 2: 1 fixed fee x $20.00 = $20.00
    """

    tiers: tuple[CapacityTier, ...] = attrs.field(converter=_capacities)

    def __attrs_post_init__(self) -> None:
        if not self.tiers:
            raise InvalidInput("tiers", (), "is empty", "pass at least one CapacityTier")

    def lines(self, usage: Usage) -> list[DraftLine]:
        """Return one line, or none where nothing was used."""
        if not isinstance(usage, Mapping):
            raise InvalidInput("usage", usage, "names no units", "map each unit to its quantity")
        number = capacity_tier(self.tiers, usage)
        if number is None:
            return []
        return [DraftLine(LineBasis.FLAT, _ONE, self.tiers[number - 1].price, number)]


# ----------------------------------------------------------------------------- what wraps them


@final
@attrs.frozen(kw_only=True)
class Allowance:
    """Include units, and charge what is above them by ``overage``.

    Without overage nothing is charged, not even a first tier's fixed fee.

    Raises:
        InvalidInput: ``overage`` is a model that does not count units.

    >>> plan = Allowance(included=1000, overage=PerUnit(price="0.05"))
    >>> charge(plan, 1200, currency="TRY").money
    Money('10', 'TRY')
    """

    included: Fraction = attrs.field(converter=_number)
    overage: "ChargeModel"

    def __attrs_post_init__(self) -> None:
        if isinstance(self.overage, (Percentage, Capacity)):
            raise InvalidInput(
                "overage",
                type(self.overage).__name__,
                "does not count units",
                "free transactions are fields of Percentage, and tiers of Capacity have limits",
            )

    def split(self, usage: Usage, *, used: Quantity = 0) -> tuple[Fraction, Fraction]:
        """Return how much of a usage is included and how much is above, after ``used`` units.

        >>> Allowance(included=10, overage=PerUnit(price=1)).split(15, used=5)
        (Fraction(5, 1), Fraction(10, 1))
        """
        units = quantity_of(usage)
        free = min(units, max(self.included - exact(used, field="used"), _ZERO))
        return free, units - free

    def lines(self, usage: Usage) -> list[DraftLine]:
        """Return a line of what is included and the lines of what is above."""
        free, above = self.split(usage)
        lines = [DraftLine(LineBasis.FREE, free, _ZERO, note=_INCLUDED)] if free else []
        return lines + (self.overage.lines(above) if above else [])


@final
@attrs.frozen(kw_only=True)
class Commitment:
    """Bound what a model charges: a discount first, then a maximum, then a minimum.

    ``discount`` is a share (10 % is ``"0.1"``). ``minimum`` and ``maximum`` are amounts for a whole
    period; ``share`` is the part of it that counts, so that a minimum is prorated. What is missing
    up to the minimum is a true-up line.

    Raises:
        InvalidInput: the discount or the share is above one, or the minimum above the maximum.

    >>> model = Commitment(model=PerUnit(price=10), minimum=100, maximum=200)
    >>> [charge(model, units, currency="USD").money.amount for units in (4, 15, 40)]
    [Decimal('100'), Decimal('150'), Decimal('200')]
    """

    model: "ChargeModel"
    minimum: Fraction = attrs.field(default=_ZERO, converter=_number)
    maximum: Fraction | None = attrs.field(default=None, converter=_optional)
    discount: Fraction = attrs.field(default=_ZERO, converter=_number)
    share: Fraction = attrs.field(default=_ONE, converter=_number)

    def __attrs_post_init__(self) -> None:
        for field, value in (("discount", self.discount), ("share", self.share)):
            if value > 1:
                raise InvalidInput(field, str(value), "is above one", "pass 10 % as '0.1'")
        if self.maximum is not None and self.minimum > self.maximum:
            raise InvalidInput("minimum", str(self.minimum), "is above maximum", "swap the two")

    def lines(self, usage: Usage) -> list[DraftLine]:
        """Return the model's lines and what the bounds add or take off."""
        lines = self.model.lines(usage)
        total = sum((line.raw for line in lines), _ZERO)
        if self.discount and total:
            lines.append(DraftLine(LineBasis.DISCOUNT, total, self.discount))
            total -= total * self.discount
        if self.maximum is not None and total > self.maximum * self.share:
            lines.append(DraftLine(LineBasis.CAP, _ONE, total - self.maximum * self.share))
            total = self.maximum * self.share
        if total < self.minimum * self.share:
            lines.append(DraftLine(LineBasis.TRUE_UP, _ONE, self.minimum * self.share - total))
        return lines


ChargeModel: TypeAlias = (
    PerUnit
    | Package
    | Graduated
    | Volume
    | GraduatedPercentage
    | Percentage
    | Dynamic
    | Capacity
    | Allowance
    | Commitment
)
"""Any charge model."""

_STRAIGHT: Final = (PerUnit, Graduated)
"""The models that a ladder may stand for."""


# ------------------------------------------------------------------------------- the functions


def charge(
    model: ChargeModel,
    usage: Usage,
    *,
    currency: str,
    rounding: Rounding = USAGE_ROUNDING,
    source: str = "",
) -> Charge:
    """Charge a usage: the model's lines and their total, rounded once.

    ``source`` names the rate card in the lines.

    Raises:
        InvalidInput: the usage is inexact, negative or of another shape than the model's, or lies
            above its last tier; the currency is unknown.

    >>> print(charge(PerUnit(price="0.0009"), 3, currency="USD", source="card-1").explain("tr"))
    3 birim x $0,0009 = $0,0027 (card-1)
    """
    return total_of(model.lines(usage), currency, rounding=rounding, source=source)


def charge_step(
    model: ChargeModel,
    *,
    before: Usage | None,
    after: Usage,
    currency: str,
    charged: int | None = None,
    rounding: Rounding = USAGE_ROUNDING,
    source: str = "",
) -> Charge:
    """Charge what a growing usage adds: the whole ``after`` less the whole ``before``.

    Both count from the start of the period; ``before`` is None where nothing was charged yet, so
    that a fixed fee of the first tier is in the first step. The steps of a period sum to its
    charge, whatever they are: each is the difference of the rounded wholes. What cannot be taken
    off line by line (volume pricing) is taken off as one line.

    ``charged`` is what was charged for ``before``, in the smallest unit that the rounding leaves,
    where that may be another amount: then it is taken off as one line.

    Raises:
        InvalidInput: as :func:`charge`.

    >>> model = Package(price=100, size=2, free=3)
    >>> steps = [(None, 3), (3, 4), (4, 6)]
    >>> [charge_step(model, before=b, after=a, currency="USD").units // 10**6 for b, a in steps]
    [0, 100, 100]
    """
    if before is None:
        return charge(model, after, currency=currency, rounding=rounding, source=source)
    if type(before) is Fraction and type(after) is Fraction and isinstance(model, _STRAIGHT):
        step = step_on(
            model._rungs,  # noqa: SLF001 - this module's own
            before,
            after,
            currency=currency,
            charged=charged,
            rounding=rounding,
            source=source,
        )
        if step is not None:
            return step
    lines, earlier = model.lines(after), model.lines(before)
    if charged is not None and charged != total_of(earlier, currency, rounding=rounding).units:
        whole = total_of(lines, currency, rounding=rounding, source=source)
        return whole.less(from_units(charged, currency, whole.digits)) if charged else whole
    return difference(lines, earlier, currency, rounding=rounding, source=source)


def true_up(minimum: Quantity, used: Quantity, *, share: Quantity = 1) -> Fraction:
    """Return what is missing up to a minimum of which ``share`` counts, exact, never below zero.

    >>> true_up(1000, 200, share=Fraction(15, 31))
    Fraction(8800, 31)
    """
    owed = exact(minimum, field="minimum") * exact(share, field="share")
    return max(owed - exact(used, field="used"), _ZERO)


def affordable_units(
    model: ChargeModel,
    amount: Quantity,
    *,
    currency: str,
    step: int = 1,
    at_most: int = 10**12,
    rounding: Rounding = USAGE_ROUNDING,
) -> int:
    """Return the most units, in whole steps of ``step``, that an amount in major units pays for.

    Exact at the edge: that many fit and one step more does not, unless ``at_most`` is reached.

    Raises:
        InvalidInput: the model is a volume or capacity one, where more may cost less or units have
            names; the amount is inexact or negative.

    >>> tiers = (Tier(price=1, flat=1),)
    >>> affordable_units(Graduated(tiers=tiers), 10000, currency="USD", at_most=10800)
    9999
    """
    inner: ChargeModel = model
    while isinstance(inner, (Allowance, Commitment)):
        inner = inner.overage if isinstance(inner, Allowance) else inner.model
    if isinstance(inner, (Volume, Capacity)):
        raise InvalidInput(
            "model", type(inner).__name__, "is not one where more costs more", "search it yourself"
        )
    exact_count(step, field="step")
    if not step:
        raise InvalidInput("step", 0, "is no step", "pass 1 or more")
    digits = charge(model, 0, currency=currency, rounding=rounding).digits
    budget = exact(amount, field="amount") * 10**digits

    def cost(steps: int) -> int:
        return charge(model, steps * step, currency=currency, rounding=rounding).units

    return step * most_affordable(cost, budget.__floor__(), at_most=at_most // step)
