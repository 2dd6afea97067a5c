"""The integers of a proration: shares of amounts, rounded once.

*Owns* where the one rounding happens, in which order, and how far a credit may go.
*Does not own* what is measured (``measures``) or how it is told (``proration_lines``).

>>> from monochat_billing.proration_policies import DEFAULT_POLICY
>>> share(1000_000000, 6, (15, 31), 2, DEFAULT_POLICY)
48387
"""

from typing import Final, NamedTuple

from monochat_billing.proration_policies import (
    ChargeRule,
    CreditBase,
    CreditCap,
    CreditRule,
    ProrationPolicy,
    RoundingOrder,
    TimeBasis,
)
from monochat_billing.rounding import HALF_UP, round_ratio

__all__ = [
    "ChangeNumbers",
    "ChangeSpans",
    "ChangeTerms",
    "applied_ratio",
    "change_numbers",
    "credit_basis",
    "share",
]


# Enum members are looked up slowly on their class, and these are asked in every change.
_ALL: Final = CreditRule.ALL
_DIFFERENCE: Final = ChargeRule.DIFFERENCE
_FULL: Final = ChargeRule.FULL
_NET: Final = RoundingOrder.NET
_NOTHING: Final = ChargeRule.NOTHING
_PAID: Final = CreditCap.PAID
_PRICE: Final = CreditBase.PRICE
_UNUSED: Final = CreditRule.UNUSED


def applied_ratio(units: int, total: int, ratio_digits: int | None) -> tuple[int, int]:
    """Return the ratio as a policy applies it: exact, or rounded half-up to so many decimals.

    >>> applied_ratio(1, 3, None), applied_ratio(1, 3, 9)
    ((1, 3), (333333333, 1000000000))
    """
    if ratio_digits is None:
        return units, total
    whole = 10**ratio_digits
    return round_ratio(units * whole, total, HALF_UP), whole


def _rounded(numerator: int, denominator: int, shift: int, policy: ProrationPolicy) -> int:
    """Round ``numerator / denominator * 10 ** shift``."""
    if shift <= 0:
        return round_ratio(numerator, denominator * 10**-shift, policy.rounding)
    return round_ratio(numerator * 10**shift, denominator, policy.rounding)


def share(
    amount: int, scale: int, ratio: tuple[int, int], digits: int, policy: ProrationPolicy
) -> int:
    """Round a share of ``amount`` from ``scale`` to ``digits`` decimals, once.

    ``ratio`` is units and total, exact; ``amount`` is of ``10 ** -scale``.

    >>> from monochat_billing.proration_policies import DEFAULT_POLICY
    >>> share(999, 2, (15, 30), 2, DEFAULT_POLICY)
    500
    """
    units, total = ratio
    if policy.ratio_digits is not None:
        units, total = applied_ratio(units, total, policy.ratio_digits)
    if digits <= scale:
        return round_ratio(amount * units, total * 10 ** (scale - digits), policy.rounding)
    return round_ratio(amount * units * 10 ** (digits - scale), total, policy.rounding)


class ChangeSpans(NamedTuple):
    """What a change is measured by: units of totals, and the spans that they stand for."""

    basis: TimeBasis
    unused: int
    paid_total: int
    total: int
    new_basis: TimeBasis
    remaining: int
    new_total: int


class ChangeTerms(NamedTuple):
    """The amounts of a change, of ``10 ** -scale``, and the decimals that rounding leaves.

    ``price`` is what the whole period costs in full, or None where nobody said.
    """

    paid: int
    credited: int
    price: int | None
    new_price: int
    scale: int
    digits: int


class ChangeNumbers(NamedTuple):
    """The rounded units of a change, credit as a positive number."""

    credit: int
    charge: int
    capped: bool


def credit_basis(
    policy: ProrationPolicy, terms: ChangeTerms, spans: ChangeSpans
) -> tuple[int, int]:
    """Return the amount that an unused share is taken of, and the total that it is a share of.

    What was paid, unless the policy credits the price. Where what was paid is itself the rounded
    share of the price, the share is taken of the price: one rounding instead of two, so segments
    of one price telescope to it.

    >>> from monochat_billing.proration_policies import DEFAULT_POLICY
    >>> later = ChangeSpans(TimeBasis.LOCAL_DAY, 11, 17, 31, TimeBasis.LOCAL_DAY, 11, 31)
    >>> credit_basis(DEFAULT_POLICY, ChangeTerms(5484, 0, 10000, 0, 2, 2), later)
    (10000, 31)
    >>> credit_basis(DEFAULT_POLICY, ChangeTerms(5000, 0, 10000, 0, 2, 2), later)
    (5000, 17)
    """
    price = terms.price
    if price is None:
        return terms.paid, spans.paid_total
    if policy.credit_base is _PRICE:
        return price, spans.total
    due = share(price, terms.scale, (spans.paid_total, spans.total), terms.digits, policy)
    if due * 10**terms.scale == terms.paid * 10**terms.digits:
        return price, spans.total
    return terms.paid, spans.paid_total


def change_numbers(
    policy: ProrationPolicy, terms: ChangeTerms, spans: ChangeSpans
) -> ChangeNumbers:
    """Round the numbers of a change.

    >>> from monochat_billing.proration_policies import DEFAULT_POLICY
    >>> half = ChangeSpans(TimeBasis.LOCAL_DAY, 15, 30, 30, TimeBasis.LOCAL_DAY, 15, 30)
    >>> change_numbers(DEFAULT_POLICY, ChangeTerms(2000, 0, 2000, 5000, 2, 2), half)
    ChangeNumbers(credit=1000, charge=2500, capped=False)
    """
    paid, credited, _, new, scale, digits = terms
    rule = policy.credit
    credit, capped = 0, False
    if rule is _UNUSED:
        base, total = credit_basis(policy, terms, spans)
        credit = share(base, scale, (spans.unused, total), digits, policy)
    elif rule is _ALL:
        credit = share(paid, scale, (1, 1), digits, policy)
    left = max(paid - credited, 0) * 10**digits // 10**scale
    if policy.cap is _PAID and credit > left:
        credit, capped = left, True
    charged = policy.charge
    ratio = (spans.remaining, spans.new_total)
    if charged is _NOTHING:
        return ChangeNumbers(credit, 0, capped)
    if charged is _FULL:
        ratio = (1, 1)
    elif charged is _DIFFERENCE or policy.order is _NET:
        net = _net(policy, terms, spans)
        if charged is _DIFFERENCE:
            capped = policy.cap is _PAID and -net > left
            return ChangeNumbers(0, -left if capped else net, capped)
        if not capped:
            return ChangeNumbers(credit, net + credit, capped=False)
    return ChangeNumbers(credit, share(new, scale, ratio, digits, policy), capped)


def _net(policy: ProrationPolicy, terms: ChangeTerms, spans: ChangeSpans) -> int:
    """Round charge less credit once."""
    paid, _, _, new, scale, digits = terms
    plus, plus_total = applied_ratio(spans.remaining, spans.new_total, policy.ratio_digits)
    base, total = credit_basis(policy, terms, spans)
    if policy.credit is _ALL:
        base = paid
    minus, minus_total = applied_ratio(spans.unused, total, policy.ratio_digits)
    if policy.credit is _ALL:
        minus, minus_total = 1, 1
    numerator = new * plus * minus_total - base * minus * plus_total
    return _rounded(numerator, plus_total * minus_total, digits - scale, policy)
