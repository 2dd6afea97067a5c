"""Fees: what the provider charges and what is charged on top of it, as separate lines.

*Owns* the own fee (absolute, a percentage, tiered) and how it stands beside the provider's.
*Does not own* what the provider charges, or taxes on either.

Each side is rounded once by itself, so the provider's part is to the unit what the provider bills.

>>> from monochat_billing.charge_models import PerUnit
>>> provider = charge(PerUnit(price="0.0109"), 1000, currency="USD", source="meta-usd-2026-10-01")
>>> print(with_own_fee(provider, OwnFee(model=PerUnit(price="0.002")), units=1000).explain())
1000 units x $0.0109 = $10.90 (meta-usd-2026-10-01)
own fee, 1000 units x $0.002 = $2.00
"""

from enum import StrEnum
from typing import final

import attrs

from monochat_billing.charge_lines import USAGE_ROUNDING, Charge, FeeOf
from monochat_billing.charge_models import ChargeModel, charge
from monochat_billing.errors import InvalidInput
from monochat_billing.money import as_fraction
from monochat_billing.quantities import Quantity
from monochat_billing.rounding import Rounding

__all__ = ["FeeBase", "OwnFee", "with_own_fee"]


class FeeBase(StrEnum):
    """Say what an own fee is computed from.

    >>> [one.value for one in FeeBase]
    ['UNITS', 'PROVIDER_FEE']
    """

    UNITS = "UNITS"
    """From the units that were used: absolute or tiered by their number."""
    PROVIDER_FEE = "PROVIDER_FEE"
    """From what the provider charges, as it was rounded: a percentage, or tiered by amount."""


@final
@attrs.frozen(kw_only=True)
class OwnFee:
    """Hold a fee on top of the provider's: a charge model and what it is applied to.

    ``PerUnit`` on units is an absolute fee, ``Dynamic(multiplier="0.1")`` on the provider's fee a
    percentage, ``Graduated`` or ``Volume`` on units a tiered one. ``name`` is shown in its lines.

    >>> from monochat_billing.charge_models import Dynamic
    >>> OwnFee(model=Dynamic(multiplier="0.1"), base=FeeBase.PROVIDER_FEE, name="handling").name
    'handling'
    """

    model: ChargeModel
    base: FeeBase = FeeBase.UNITS
    name: str = ""


def with_own_fee(
    provider: Charge,
    *fees: OwnFee,
    units: Quantity,
    rounding: Rounding = USAGE_ROUNDING,
) -> Charge:
    """Return the provider's lines and then the lines of each own fee.

    ``units`` is how many were used; the provider's free units are among them. Each own fee is
    rounded once, to the decimals of the provider's charge.

    Raises:
        InvalidInput: the units are inexact or negative, a model does not suit them, or the two
            sides would have different decimals.

    >>> from monochat_billing.charge_models import Dynamic, PerUnit
    >>> provider = charge(PerUnit(price="0.0109"), 3, currency="USD")
    >>> ten_percent = OwnFee(model=Dynamic(multiplier="0.1"), base=FeeBase.PROVIDER_FEE)
    >>> both = with_own_fee(provider, ten_percent, units=3)
    >>> both.of(FeeOf.PROVIDER), both.of(FeeOf.OWN), both.money
    (Money('0.0327', 'USD'), Money('0.00327', 'USD'), Money('0.03597', 'USD'))
    """
    lines = list(provider.lines)
    for fee in fees:
        usage = as_fraction(provider.money) if fee.base is FeeBase.PROVIDER_FEE else units
        own = charge(
            fee.model, usage, currency=provider.currency, rounding=rounding, source=fee.name
        )
        if own.digits != provider.digits:
            raise InvalidInput(
                "rounding",
                f"{own.digits} decimals",
                f"is not the {provider.digits} decimals of the provider's charge",
                "round both sides alike",
            )
        lines += [attrs.evolve(line, fee=FeeOf.OWN) for line in own.lines]
    return attrs.evolve(provider, lines=tuple(lines))
