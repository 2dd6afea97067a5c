"""Proration policies: named values that say how time becomes money.

*Owns* what is measured, what is credited and charged, in which order it is rounded, and the
ready-made policies by name.
*Does not own* the arithmetic: that is ``proration``'s.

>>> DEFAULT_POLICY.name, DEFAULT_POLICY.conserves
('standard', True)
>>> policy_named("stripe").basis.value
'SECOND'
"""

from enum import StrEnum
from typing import Any, Final, final

import attrs

from monochat_billing.errors import InvalidInput, UnknownName
from monochat_billing.rounding import HALF_UP, MAX_SCALE, Rounding
from monochat_billing.texts import member_of

__all__ = [
    "DEFAULT_POLICY",
    "POLICIES",
    "ChargeRule",
    "CreditBase",
    "CreditCap",
    "CreditRule",
    "ProrationPolicy",
    "RoundingOrder",
    "TimeBasis",
    "policy_named",
]


class TimeBasis(StrEnum):
    """Say how far into a period an instant is; differences of that position are a part's units.

    Every basis is such a position, zero at the period's start and its total at the end, so parts
    of a period always add up to it, wherever it is cut.
    """

    SECOND = "SECOND"
    """Whole elapsed seconds."""
    LOCAL_DAY = "LOCAL_DAY"
    """Local midnights passed: the day of a change belongs to what follows it (half-open)."""
    LOCAL_DAY_INCLUSIVE = "LOCAL_DAY_INCLUSIVE"
    """Local days begun: the day of a change belongs to what ends on it."""
    THIRTY_DAY_MONTH = "THIRTY_DAY_MONTH"
    """Local days of months that all have thirty, 30/360."""
    WHOLE_PERIOD = "WHOLE_PERIOD"
    """Periods begun: once begun, a period is used up."""
    NONE = "NONE"
    """Time is not measured: amounts are whole or nothing."""


class CreditRule(StrEnum):
    """Say what is given back of what was paid."""

    UNUSED = "UNUSED"
    """The share of the time that is left."""
    ALL = "ALL"
    """All of it, as if it had never been bought."""
    NOTHING = "NOTHING"
    """Nothing."""


class ChargeRule(StrEnum):
    """Say what is charged for what follows."""

    REMAINING = "REMAINING"
    """The share of the time that is left."""
    FULL = "FULL"
    """The full price."""
    DIFFERENCE = "DIFFERENCE"
    """One line: the remaining share of the new price less the unused share of what was paid."""
    NOTHING = "NOTHING"
    """Nothing until the next period."""


class RoundingOrder(StrEnum):
    """Say whether lines are rounded and then added up, or the other way about."""

    EACH_LINE = "EACH_LINE"
    """Round each line, then net: what an invoice of rounded lines needs."""
    NET = "NET"
    """Net, then round: the last line takes up the difference, so the lines still sum to it."""


class CreditBase(StrEnum):
    """Say of what the unused share is taken."""

    PAID = "PAID"
    """What was paid for the span that is left unused, so that used and credited are the paid."""
    PRICE = "PRICE"
    """The full price of the whole period, whatever was paid for the span."""


class CreditCap(StrEnum):
    """Say how much may be given back at most."""

    PAID = "PAID"
    """What was paid less what was given back before."""
    UNCAPPED = "UNCAPPED"
    """No limit."""


_MEASURED_CHARGES: Final = (ChargeRule.REMAINING, ChargeRule.DIFFERENCE)


def _basis(value: TimeBasis | str) -> TimeBasis:
    return member_of(TimeBasis, value, "basis")


def _credit(value: CreditRule | str) -> CreditRule:
    return member_of(CreditRule, value, "credit")


def _charge(value: ChargeRule | str) -> ChargeRule:
    return member_of(ChargeRule, value, "charge")


def _order(value: RoundingOrder | str) -> RoundingOrder:
    return member_of(RoundingOrder, value, "order")


def _credit_base(value: CreditBase | str) -> CreditBase:
    return member_of(CreditBase, value, "credit_base")


def _cap(value: CreditCap | str) -> CreditCap:
    return member_of(CreditCap, value, "cap")


@final
@attrs.frozen(kw_only=True)
class ProrationPolicy:
    """Name one way to prorate; a combination that makes no sense cannot be built.

    ``ratio_digits`` rounds the ratio itself half-up to so many decimals before it meets an
    amount, as some engines do; None leaves it exact.

    Raises:
        InvalidInput: without a measured basis something is to be shared by time; a difference is
            charged and a credit given besides it; nothing is credited or charged yet netted.

    >>> ProrationPolicy(name="odd", basis="NONE", credit="UNUSED", charge="FULL")
    Traceback (most recent call last):
    monochat_billing.errors.InvalidInput: credit: 'UNUSED' needs a time basis; use ALL or NOTHING
    """

    name: str
    basis: TimeBasis = attrs.field(default=TimeBasis.LOCAL_DAY, converter=_basis)
    credit: CreditRule = attrs.field(default=CreditRule.UNUSED, converter=_credit)
    credit_base: CreditBase = attrs.field(default=CreditBase.PAID, converter=_credit_base)
    charge: ChargeRule = attrs.field(default=ChargeRule.REMAINING, converter=_charge)
    order: RoundingOrder = attrs.field(default=RoundingOrder.EACH_LINE, converter=_order)
    rounding: Rounding = HALF_UP
    cap: CreditCap = attrs.field(default=CreditCap.PAID, converter=_cap)
    ratio_digits: int | None = None

    def __attrs_post_init__(self) -> None:
        if not self.name or not isinstance(self.name, str):
            raise InvalidInput("name", self.name, "is empty", "name the policy")
        if self.basis is TimeBasis.NONE:
            if self.credit is CreditRule.UNUSED:
                raise InvalidInput("credit", "UNUSED", "needs a time basis", "use ALL or NOTHING")
            if self.charge in _MEASURED_CHARGES:
                raise InvalidInput(
                    "charge", self.charge.value, "needs a time basis", "use FULL or NOTHING"
                )
            if self.ratio_digits is not None:
                raise InvalidInput(
                    "ratio_digits", self.ratio_digits, "needs a time basis", "leave it out"
                )
        if self.credit_base is CreditBase.PRICE and self.credit is not CreditRule.UNUSED:
            raise InvalidInput(
                "credit_base", "PRICE", "credits an unused share", "use it with credit UNUSED"
            )
        if self.charge is ChargeRule.DIFFERENCE and self.credit is not CreditRule.NOTHING:
            raise InvalidInput(
                "credit", self.credit.value, "is already in the difference", "use NOTHING"
            )
        if (
            self.order is RoundingOrder.NET
            and (self.charge is ChargeRule.NOTHING or self.credit is CreditRule.NOTHING)
            and self.charge is not ChargeRule.DIFFERENCE
        ):
            raise InvalidInput("order", "NET", "has one line only", "use EACH_LINE")
        if self.ratio_digits is not None and (
            type(self.ratio_digits) is not int or not 1 <= self.ratio_digits <= MAX_SCALE
        ):
            raise InvalidInput(
                "ratio_digits", self.ratio_digits, "is no number of decimals", "pass 1 to 12"
            )

    @property
    def conserves(self) -> bool:
        """Whether what is kept for the used time and what is credited sum to what was paid.

        Then nobody pays for time that was given back, and none is given away: unused time is
        credited and only remaining time charged. Policies that credit all or nothing, or charge
        a full price for a part, do not conserve. They may still be what a contract says.

        >>> policy_named("standard").conserves, policy_named("start-over").conserves
        (True, False)
        """
        return (
            self.credit is CreditRule.UNUSED
            and self.credit_base is CreditBase.PAID
            and self.charge is not ChargeRule.FULL
            and self.cap is CreditCap.PAID
        ) or self.charge is ChargeRule.DIFFERENCE

    def renamed(self, name: str, **changes: Any) -> "ProrationPolicy":  # noqa: ANN401
        """Return a copy under another name, with some fields changed.

        Raises:
            InvalidInput: the combination makes no sense.

        >>> DEFAULT_POLICY.renamed("ours", basis=TimeBasis.SECOND).basis.value
        'SECOND'
        """
        return attrs.evolve(self, name=name, **changes)


DEFAULT_POLICY: Final = ProrationPolicy(name="standard")
"""Local day half-open, unused credited, remaining charged, each line half-up to the minor unit."""

_NINE: Final = 9

POLICIES: Final[tuple[ProrationPolicy, ...]] = (
    DEFAULT_POLICY,
    ProrationPolicy(name="standard-net", order=RoundingOrder.NET),
    ProrationPolicy(name="by-second", basis=TimeBasis.SECOND),
    ProrationPolicy(name="thirty-day-month", basis=TimeBasis.THIRTY_DAY_MONTH),
    ProrationPolicy(name="whole-period", basis=TimeBasis.WHOLE_PERIOD),
    ProrationPolicy(
        name="difference",
        credit=CreditRule.NOTHING,
        charge=ChargeRule.DIFFERENCE,
        order=RoundingOrder.NET,
    ),
    ProrationPolicy(name="credit-only", charge=ChargeRule.NOTHING),
    ProrationPolicy(
        name="start-over",
        basis=TimeBasis.NONE,
        credit=CreditRule.ALL,
        charge=ChargeRule.FULL,
    ),
    ProrationPolicy(
        name="full-price",
        basis=TimeBasis.NONE,
        credit=CreditRule.NOTHING,
        charge=ChargeRule.FULL,
    ),
    ProrationPolicy(
        name="nothing",
        basis=TimeBasis.NONE,
        credit=CreditRule.NOTHING,
        charge=ChargeRule.NOTHING,
    ),
    ProrationPolicy(
        name="stripe",
        basis=TimeBasis.SECOND,
        credit_base=CreditBase.PRICE,
        cap=CreditCap.UNCAPPED,
    ),
    ProrationPolicy(name="killbill", ratio_digits=_NINE),
    ProrationPolicy(
        name="killbill-thirty-days", basis=TimeBasis.THIRTY_DAY_MONTH, ratio_digits=_NINE
    ),
    ProrationPolicy(name="lago", credit_base=CreditBase.PRICE),
    ProrationPolicy(
        name="lago-termination",
        basis=TimeBasis.LOCAL_DAY_INCLUSIVE,
        credit_base=CreditBase.PRICE,
        charge=ChargeRule.NOTHING,
    ),
)
"""The ready-made policies; ``docs/proration.md`` says what each is for."""

_BY_NAME: Final = {policy.name: policy for policy in POLICIES}


def policy_named(name: str) -> ProrationPolicy:
    """Return the ready-made policy of that name.

    Raises:
        UnknownName: there is none.

    >>> policy_named("killbill").ratio_digits
    9
    """
    try:
        return _BY_NAME[name]
    except (KeyError, TypeError):
        known = ", ".join(_BY_NAME)
        raise UnknownName("policy", name, "is not ready-made", f"use one of {known}") from None
