"""Tiers: ranges of a quantity with prices of their own.

*Owns* tiers and their order, graduated and volume pricing over them, and the choice of the
cheapest capacity tier that fits.
*Does not own* rounding, currencies, or what the quantity counts.

A tier's ``up_to`` is included, and the next tier begins right after it, so a fraction above it
already lies in the next one. Graduated pricing charges each part of a quantity in its tier;
volume pricing charges all of it in the tier that the whole reaches.

>>> tiers = (Tier(up_to=10, price="1"), Tier(price="0.5", flat=3))
>>> [(line.tier, line.basis.value, line.raw) for line in graduated_lines(tiers, Fraction(12))]
[(1, 'UNIT', Fraction(10, 1)), (2, 'FLAT', Fraction(3, 1)), (2, 'UNIT', Fraction(1, 1))]
>>> sum(line.raw for line in volume_lines(tiers, Fraction(12)))
Fraction(9, 1)
"""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from fractions import Fraction
from types import MappingProxyType
from typing import Any, Final, final

import attrs

from monochat_billing.charge_lines import DraftLine, LineBasis
from monochat_billing.errors import InvalidInput
from monochat_billing.quantities import Quantity, exact

__all__ = [
    "AtZero",
    "CapacityTier",
    "Tier",
    "capacity_tier",
    "check_tiers",
    "graduated_lines",
    "tier_of",
    "volume_lines",
]

_MOST_TIERS: Final = 1000
_ONE: Final = Fraction(1)
_ZERO: Final = Fraction(0)


class AtZero(StrEnum):
    """Say what no usage at all costs under tiers that have fixed fees."""

    FIRST_TIER = "FIRST_TIER"
    """The first tier's fixed fee, as if it were entered."""
    NOTHING = "NOTHING"
    """Nothing: a tier is entered by the first unit."""


def _number(value: Quantity) -> Fraction:
    return exact(value, field="tier")


def _bound(value: Quantity | None) -> Fraction | None:
    return None if value is None else exact(value, field="up_to")


@final
@attrs.frozen(kw_only=True)
class Tier:
    """Hold one range of a quantity: up to and including ``up_to``, without end where it is None.

    ``price`` is in major units for each unit, or for each package of ``size`` units: a package that
    is begun counts whole. ``flat`` is charged once when the tier is entered.

    Raises:
        InvalidInput: a number is inexact or negative, or ``size`` is zero.

    >>> Tier(up_to=1000, price="1", size=100).size
    Fraction(100, 1)
    """

    up_to: Fraction | None = attrs.field(default=None, converter=_bound)
    price: Fraction = attrs.field(default=_ZERO, converter=_number)
    flat: Fraction = attrs.field(default=_ZERO, converter=_number)
    size: Fraction = attrs.field(default=_ONE, converter=_number)

    def __attrs_post_init__(self) -> None:
        if not self.size:
            raise InvalidInput("size", 0, "is no package size", "pass a size above zero")

    @property
    def packaged(self) -> bool:
        """Whether the price is for packages of more or less than one unit."""
        return self.size != 1


def check_tiers(tiers: Any) -> tuple[Tier, ...]:  # noqa: ANN401 - callers pass anything
    """Return tiers whose bounds rise and of which only the last may be without end.

    Raises:
        InvalidInput: naming ``tiers``, when there is none, more than 1000, or one out of order.

    >>> check_tiers([Tier(up_to=5), Tier(up_to=5)])  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    monochat_billing.errors.InvalidInput: tiers: 'tier 2 up to 5' does not end after ...
    """
    found = tuple(tiers) if isinstance(tiers, Sequence) else ()
    if not 1 <= len(found) <= _MOST_TIERS or not all(isinstance(one, Tier) for one in found):
        raise InvalidInput("tiers", tiers, "is no list of tiers", f"pass 1 to {_MOST_TIERS} Tier")
    below = _ZERO
    for place, tier in enumerate(found, start=1):
        last = place == len(found)
        if tier.up_to is None:
            if not last:
                raise InvalidInput(
                    "tiers", f"tier {place}", "has no end but is not the last", "give it an up_to"
                )
        elif tier.up_to <= below:
            raise InvalidInput(
                "tiers",
                f"tier {place} up to {tier.up_to}",
                f"does not end after the one before it ({below})",
                "let up_to rise from tier to tier",
            )
        else:
            below = tier.up_to
    return found


def tier_of(tiers: Sequence[Tier], units: Fraction | int) -> int:
    """Return the number of the tier that a quantity reaches, from 1; zero is in the first.

    Raises:
        InvalidInput: the quantity is above the last tier.

    >>> tiers = (Tier(up_to=10), Tier(up_to=20))
    >>> tier_of(tiers, 10), tier_of(tiers, Fraction("10.001"))
    (1, 2)
    """
    for place, tier in enumerate(tiers, start=1):
        if tier.up_to is None or units <= tier.up_to:
            return place
    raise InvalidInput(
        "quantity",
        str(units),
        f"is above the last tier, which ends at {tiers[-1].up_to}",
        "let the last tier have no end, or split the quantity",
    )


def _tier_lines(
    number: int, tier: Tier, units: Fraction, each: LineBasis, *, entered: bool
) -> list[DraftLine]:
    lines: list[DraftLine] = []
    if entered and tier.flat:
        lines.append(DraftLine(LineBasis.FLAT, _ONE, tier.flat, number))
    if units:
        basis, count = each, units
        if tier.packaged:
            basis, count = LineBasis.PACKAGE, Fraction(-(-units // tier.size))
        lines.append(DraftLine(basis, count, tier.price, number))
    return lines


def graduated_lines(
    tiers: Sequence[Tier],
    units: Fraction,
    *,
    at_zero: AtZero = AtZero.FIRST_TIER,
    each: LineBasis = LineBasis.UNIT,
) -> list[DraftLine]:
    """Charge each part of a quantity in the tier that it lies in.

    ``each`` says what a tier's price is for: units, or shares of an amount. Packages are counted
    within each tier.

    Raises:
        InvalidInput: the quantity is above the last tier.

    >>> tiers = (Tier(up_to=1000, price=1, size=100), Tier(price=1, size=1000))
    >>> [(line.units, line.raw) for line in graduated_lines(tiers, Fraction(5325))]
    [(Fraction(10, 1), Fraction(10, 1)), (Fraction(5, 1), Fraction(5, 1))]
    """
    reached = tier_of(tiers, units)
    lines: list[DraftLine] = []
    below = _ZERO
    for number, tier in enumerate(tiers[:reached], start=1):
        top = units if number == reached or tier.up_to is None else tier.up_to
        entered = bool(units) or at_zero is AtZero.FIRST_TIER
        lines += _tier_lines(number, tier, top - below, each, entered=entered)
        below = top
    return lines


def volume_lines(
    tiers: Sequence[Tier],
    units: Fraction,
    *,
    tier_units: Fraction | None = None,
    at_zero: AtZero = AtZero.FIRST_TIER,
) -> list[DraftLine]:
    """Charge a whole quantity in the tier that it reaches.

    ``tier_units`` is the quantity that chooses the tier, where it is not the one that is charged:
    of a prorated quantity the whole one.

    Raises:
        InvalidInput: the quantity is above the last tier.

    >>> tiers = (Tier(up_to=200, price=1), Tier(price="0.5", flat=50))
    >>> prorated = volume_lines(tiers, Fraction("198.6"), tier_units=Fraction(300))
    >>> sum(line.raw for line in prorated)
    Fraction(1493, 10)
    """
    reached = tier_of(tiers, units if tier_units is None else tier_units)
    entered = bool(units) or at_zero is AtZero.FIRST_TIER
    return _tier_lines(reached, tiers[reached - 1], units, LineBasis.UNIT, entered=entered)


# -------------------------------------------------------------------------------- capacity


def _limits(value: Mapping[str, Any]) -> Mapping[str, Fraction | None]:
    if not isinstance(value, Mapping):
        raise InvalidInput("limits", value, "is not a mapping", "map each unit to its limit")
    found = {
        name: None if limit is None else exact(limit, field=f"limits[{name}]")
        for name, limit in value.items()
    }
    return MappingProxyType(found)


@final
@attrs.frozen(kw_only=True)
class CapacityTier:
    """Hold one price for all usage within limits, each included; None is without limit.

    A unit that ``limits`` does not name has no capacity here: only zero of it fits.

    >>> small = CapacityTier(limits={"users": 5, "channels": None}, price=100)
    >>> small.fits({"users": Fraction(5), "channels": Fraction(80)})
    True
    >>> small.fits({"gigabytes": Fraction(1)})
    False
    """

    limits: Mapping[str, Fraction | None] = attrs.field(converter=_limits, hash=False)
    price: Fraction = attrs.field(converter=_number)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle a plain dict: a mapping that is closed to writing does not pickle by itself."""
        return _capacity_tier, (dict(self.limits), self.price)

    def fits(self, quantities: Mapping[str, Fraction]) -> bool:
        """Whether every quantity is within its limit."""
        for name, quantity in quantities.items():
            limit = self.limits.get(name, _ZERO)
            if limit is not None and quantity > limit:
                return False
        return True


def _capacity_tier(limits: Mapping[str, Fraction | None], price: Fraction) -> CapacityTier:
    return CapacityTier(limits=limits, price=price)


def capacity_tier(tiers: Sequence[CapacityTier], quantities: Mapping[str, Quantity]) -> int | None:
    """Return the number of the cheapest tier that fits, from 1; None where nothing is used.

    Of two tiers with one price the earlier is taken.

    Raises:
        InvalidInput: no tier fits.

    >>> tiers = (CapacityTier(limits={"users": 5}, price=10),
    ...          CapacityTier(limits={"users": 50}, price=20))
    >>> capacity_tier(tiers, {"users": 6}), capacity_tier(tiers, {"users": 0})
    (2, None)
    """
    used = {name: exact(value, field=f"quantities[{name}]") for name, value in quantities.items()}
    if not any(used.values()):
        return None
    fitting = [place for place, tier in enumerate(tiers, start=1) if tier.fits(used)]
    if not fitting:
        raise InvalidInput(
            "quantities",
            {name: str(value) for name, value in used.items()},
            "fits into no capacity tier",
            "let the last tier have limits of None",
        )
    return min(fitting, key=lambda place: (tiers[place - 1].price, place))
