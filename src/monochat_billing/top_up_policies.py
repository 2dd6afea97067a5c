"""Top-up policies: which amounts may be topped up, what is given on top, what may be given back.

*Owns* the rules that a business sets for top-ups, as data: limits per currency, bonus slabs, and
how refunds and chargebacks are treated.
*Does not own* top-ups, balances, or the least amounts of a payment provider
(:class:`~monochat_billing.gateways.GatewayCapabilities`).

>>> from monochat_billing.money import money
>>> policy = TopUpPolicy(
...     limits=[TopUpLimits(minimum=money("100", "TRY"), step=money("50", "TRY"))],
...     bonuses=[
...         BonusSlab(at_least=money("5000", "TRY"), amount=money("750", "TRY")),
...         BonusSlab(at_least=money("1000", "TRY"), percent=10, days=90),
...     ],
... )
>>> policy.check(money("120", "TRY"))
Traceback (most recent call last):
monochat_billing.errors.InvalidInput: amount: '120 TRY' is no whole number of steps from 100 TRY; \
go in steps of 50 TRY
>>> print(policy.bonus(money("3000", "TRY")))
300 TRY on top, for 90 days
"""

import enum
from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Final, final

import attrs

from monochat_billing.entries import Terms
from monochat_billing.errors import InvalidInput
from monochat_billing.lots import ChargeKind, LotOrigin
from monochat_billing.money import (
    Money,
    amount_text,
    as_fraction,
    minor_digits,
    quantize,
    to_units,
)
from monochat_billing.rounding import HALF_UP

__all__ = [
    "Bonus",
    "BonusSlab",
    "ChargebackPolicy",
    "RefundPolicy",
    "TopUpLimits",
    "TopUpPolicy",
]

_LONGEST: Final = 36_500


class RefundPolicy(enum.StrEnum):
    """Name how much of a top-up may be given back.

    ``UNSPENT``: what remains of its own money. ``DEBT``: all of it, and what was spent is owed.

    >>> TopUpPolicy(refunds=RefundPolicy.UNSPENT).refunds.value
    'UNSPENT'
    """

    UNSPENT = "UNSPENT"
    DEBT = "DEBT"


class ChargebackPolicy(enum.StrEnum):
    """Name when a dispute takes the money.

    ``WHEN_OPENED``: at once, by force, because the provider has taken it, too; a dispute that is
    won gives it back. ``WHEN_LOST``: only when the dispute is lost.

    >>> TopUpPolicy(chargebacks=ChargebackPolicy.WHEN_LOST).chargebacks.value
    'WHEN_LOST'
    """

    WHEN_OPENED = "WHEN_OPENED"
    WHEN_LOST = "WHEN_LOST"


@final
@attrs.frozen(kw_only=True)
class Bonus:
    """State what a top-up gets on top, promised when it was started.

    It becomes a promotional lot that expires ``days`` after the credit (never for None) and pays
    for ``pays_for`` (everything when empty).
    """

    amount: Money
    days: int | None = None
    pays_for: frozenset[ChargeKind] = frozenset()

    def terms(self, at: datetime) -> Terms:
        """Give the terms of the lot that is granted at ``at``."""
        until = None if self.days is None else at + timedelta(days=self.days)
        return Terms(origin=LotOrigin.PROMOTIONAL, pays_for=self.pays_for, expires_at=until)

    def __str__(self) -> str:
        lasts = "" if self.days is None else f", for {self.days} days"
        return f"{_told(self.amount)} on top{lasts}"


def _percent(value: Fraction | Decimal | int | str | None) -> Fraction | None:
    if value is None:
        return None
    found: Fraction | None = None
    if type(value) in (int, str, Decimal, Fraction):
        with suppress(ValueError, ArithmeticError):
            found = Fraction(value)
    if found is None:
        raise InvalidInput("percent", value, "is no exact number", 'pass 10, "12.5" or a Fraction')
    if found <= 0:
        raise InvalidInput("percent", value, "is not above zero", "leave the slab out")
    return found


@final
@attrs.frozen(kw_only=True)
class BonusSlab:
    """Promise a bonus from an amount upward: a percentage of the top-up, or a fixed amount.

    ``at_least`` is the first amount that brings it. ``most`` bounds a percentage. The bonus is
    rounded to the currency's minor unit, half-up. It expires ``days`` after the credit, never for
    None, and pays for the kinds of charge in ``pays_for``, for everything where that is empty.

    Raises:
        InvalidInput: not exactly one of ``percent`` and ``amount`` is given, one is not above
            zero or not exact, the currencies differ, or ``days`` is not above zero.

    >>> from monochat_billing.money import money
    >>> slab = BonusSlab(at_least=money("1000", "TRY"), percent="12.5", most=money("200", "TRY"))
    >>> slab.bonus(money("1000.50", "TRY")).amount, slab.bonus(money("5000", "TRY")).amount
    (Money('125.06', 'TRY'), Money('200', 'TRY'))
    """

    at_least: Money
    percent: Fraction | None = attrs.field(default=None, converter=_percent)
    amount: Money | None = None
    most: Money | None = None
    days: int | None = None
    pays_for: frozenset[ChargeKind] = frozenset()

    def __attrs_post_init__(self) -> None:
        if (self.percent is None) == (self.amount is None):
            raise InvalidInput(
                "amount", self.amount, "and percent are both given or both missing", "give one"
            )
        for field in ("at_least", "amount", "most"):
            value = getattr(self, field)
            if value is not None:
                _check(value, field, self.at_least, allow_zero=field == "at_least")
        if self.days is not None and (type(self.days) is not int or not 0 < self.days <= _LONGEST):
            raise InvalidInput(
                "days", self.days, "is no number of days", f"pass 1 to {_LONGEST}, or None"
            )

    def bonus(self, amount: Money) -> Bonus:
        """Give the bonus of a top-up that is in this slab."""
        if self.amount is not None:
            given = self.amount
        else:
            share = as_fraction(amount) * (self.percent or 0) / 100
            given = quantize(share, amount.currency, HALF_UP)
            if self.most is not None:
                given = min(given, self.most)
        return Bonus(amount=given, days=self.days, pays_for=self.pays_for)


def _amounts(values: Iterable[Money]) -> tuple[Money, ...]:
    return tuple(values)


@final
@attrs.frozen(kw_only=True)
class TopUpLimits:
    """Bound the top-ups of one currency; both bounds are inclusive.

    An amount has to be ``minimum`` plus a whole number of ``step`` (from zero without a minimum),
    and none of ``refused``.

    Raises:
        InvalidInput: no rule is given, an amount is not above zero or finer than the currency's
            minor unit, the currencies differ, or the maximum is below the minimum.
    """

    minimum: Money | None = None
    maximum: Money | None = None
    step: Money | None = None
    refused: tuple[Money, ...] = attrs.field(default=(), converter=_amounts)

    def __attrs_post_init__(self) -> None:
        given = self._given()
        if not given:
            raise InvalidInput("minimum", None, "and every other rule are missing", "give one")
        for field in ("minimum", "maximum", "step"):
            value = getattr(self, field)
            if value is not None:
                _check(value, field, given[0])
        for value in self.refused:
            _check(value, "refused", given[0])
        if self.minimum is not None and self.maximum is not None and self.maximum < self.minimum:
            raise InvalidInput(
                "maximum", amount_text(self.maximum), "is below the minimum", "raise it"
            )

    @property
    def currency(self) -> str:
        """Give the code of the currency that is bounded."""
        return self._given()[0].currency.code

    def _given(self) -> list[Money]:
        bounds = (self.minimum, self.maximum, self.step)
        return [one for one in (*bounds, *self.refused) if one is not None]

    def check(self, amount: Money) -> None:
        """Refuse an amount that is out of bounds.

        Raises:
            InvalidInput: naming ``amount``, with what it breaks and what would do.
        """
        if self.minimum is not None and amount < self.minimum:
            raise _refused(amount, "is below the minimum", f"pay at least {_told(self.minimum)}")
        if self.maximum is not None and amount > self.maximum:
            raise _refused(amount, "is above the maximum", f"pay at most {_told(self.maximum)}")
        if amount in self.refused:
            raise _refused(amount, "is not accepted", "choose another amount")
        if self.step is not None:
            start = 0 if self.minimum is None else to_units(self.minimum)
            step = to_units(self.step)
            if (to_units(amount) - start) % step:
                since = "zero" if self.minimum is None else _told(self.minimum)
                problem = f"is no whole number of steps from {since}"
                raise _refused(amount, problem, f"go in steps of {_told(self.step)}")


def _rules(values: Iterable[TopUpLimits]) -> tuple[TopUpLimits, ...]:
    return tuple(values)


def _slabs(values: Iterable[BonusSlab]) -> tuple[BonusSlab, ...]:
    return tuple(values)


@final
@attrs.frozen(kw_only=True)
class TopUpPolicy:
    """Hold a business's rules for top-ups; without any everything is taken and nothing added.

    ``limits`` has at most one rule per currency. Of ``bonuses`` the slab with the highest
    ``at_least`` that the amount reaches counts, and no other.

    Raises:
        InvalidInput: two limits bound one currency, or two slabs begin at one amount.
    """

    limits: tuple[TopUpLimits, ...] = attrs.field(default=(), converter=_rules)
    bonuses: tuple[BonusSlab, ...] = attrs.field(default=(), converter=_slabs)
    refunds: RefundPolicy = RefundPolicy.UNSPENT
    chargebacks: ChargebackPolicy = ChargebackPolicy.WHEN_OPENED

    def __attrs_post_init__(self) -> None:
        _once((one.currency for one in self.limits), "limits", "keep one rule per currency")
        starts = (_told(one.at_least) for one in self.bonuses)
        _once(starts, "bonuses", "keep one slab per amount")

    def check(self, amount: Money) -> None:
        """Refuse an amount that the business does not take.

        Raises:
            InvalidInput: naming ``amount``, with what it breaks and what would do.
        """
        for one in self.limits:
            if one.currency == amount.currency.code:
                one.check(amount)

    def bonus(self, amount: Money) -> Bonus | None:
        """Give what a top-up gets on top, None for nothing."""
        reached = [
            slab
            for slab in self.bonuses
            if slab.at_least.currency == amount.currency and slab.at_least <= amount
        ]
        if not reached:
            return None
        found = max(reached, key=lambda slab: to_units(slab.at_least)).bonus(amount)
        return found if to_units(found.amount) else None


def _once(names: Iterable[str], field: str, remedy: str) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise InvalidInput(field, name, "stands twice", remedy)
        seen.add(name)


def _check(value: Money, field: str, like: Money, *, allow_zero: bool = False) -> None:
    if not isinstance(value, Money) or value.currency != like.currency:
        raise InvalidInput(field, str(value), "is not in the same currency", "use one currency")
    units = to_units(value, minor_digits(value.currency), field=field)
    if units < 0 or not (units or allow_zero):
        raise InvalidInput(field, amount_text(value), "is not above zero", "pass a positive amount")


def _refused(amount: Money, problem: str, remedy: str) -> InvalidInput:
    return InvalidInput("amount", _told(amount), problem, remedy)


def _told(amount: Money) -> str:
    return f"{amount_text(amount)} {amount.currency.code}"
