"""Prices: what one interval of a product costs, from when until when, and who a new price reaches.

*Owns* amounts per interval and currency, their dates, the price in force at an instant, and the
rule by which a later price reaches those who already subscribe.
*Does not own* products (:mod:`monochat_billing.products`) or what is charged for a part of an
interval (``proration``).

A price holds from ``effective_at`` (included) until the next price of its interval and currency
begins, or until its own ``until_at`` (excluded). Two prices never hold at one instant.

>>> from monochat_billing.money import money
>>> old = Price(interval=MONTH, amount=money("1499", "TRY"))
>>> new = Price(
...     interval=MONTH,
...     amount=money("1799", "TRY"),
...     effective_at=datetime(2027, 1, 1, tzinfo=UTC),
...     reach=PriceReach.NEXT_RENEWAL,
... )
>>> print(price_in_force([new, old], datetime(2026, 12, 31, tzinfo=UTC)))
1499 TRY per MONTH
"""

import enum
import itertools
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from fractions import Fraction
from typing import Any, Final, TypeVar, final

import attrs

from monochat_billing.errors import InvalidInput
from monochat_billing.instants import utc
from monochat_billing.intervals import DAY, MONTH, WEEK, BillingInterval
from monochat_billing.money import (
    Money,
    amount_text,
    as_fraction,
    from_units,
    minor_digits,
    to_units,
)
from monochat_billing.tax import Pricing

__all__ = [
    "BEGINNING",
    "MOST_QUANTITY",
    "OneOffPrice",
    "Price",
    "PriceReach",
    "date_mistakes",
    "price_in_force",
    "started_at",
    "yearly_amount",
]

BEGINNING: Final = datetime.min.replace(tzinfo=UTC)
"""Where a price starts that names no instant: before every other."""

MOST_QUANTITY: Final = 1_000_000
"""The largest quantity of one thing; what is above is a mistake."""

_WEEKS_PER_YEAR: Final = 52
_DAYS_PER_YEAR: Final = 365
_MONTHS_PER_YEAR: Final = 12


class PriceReach(enum.StrEnum):
    """Name whom a new price reaches among those who already subscribe; new buyers always pay it."""

    NEVER = "NEVER"
    """Nobody: whoever subscribes keeps the pinned price."""
    NEXT_RENEWAL = "NEXT_RENEWAL"
    """Everybody, at the first renewal at or after the price begins."""
    FROM_DATE = "FROM_DATE"
    """Everybody, at the first renewal at or after ``reaches_at``."""


def _instant(value: datetime | None) -> datetime | None:
    return None if value is None else utc(value, field="price.dates")


def _reach(value: PriceReach | str) -> PriceReach:
    try:
        return PriceReach(value)
    except ValueError:
        known = ", ".join(PriceReach)
        raise InvalidInput("price.reach", value, "is unknown", f"use one of {known}") from None


def _pricing(value: Pricing | str) -> Pricing:
    try:
        return Pricing(value)
    except ValueError:
        known = ", ".join(Pricing)
        raise InvalidInput("price.pricing", value, "is unknown", f"use one of {known}") from None


def _check_amount(amount: Any) -> None:  # noqa: ANN401 - as above
    if not isinstance(amount, Money):
        to_units(amount, field="price.amount")
    digits = minor_digits(amount.currency)
    try:
        units = to_units(amount, digits, field="price.amount")
    except InvalidInput as error:
        if "decimals" not in error.problem:
            raise
        remedy = f"write at most {digits} decimals: {amount.currency.code} has no smaller unit"
        raise InvalidInput("price.amount", error.value, error.problem, remedy) from None
    if units < 0:
        raise InvalidInput("price.amount", amount_text(amount), "is negative", "pass zero or more")


def _check_dates(effective_at: datetime | None, until_at: datetime | None) -> None:
    if until_at is not None and until_at <= (effective_at or BEGINNING):
        raise InvalidInput(
            "price.until_at",
            until_at.isoformat(),
            "is not after effective_at",
            "end the price after it begins, or leave until_at out",
        )


def _check_tax_class(value: Any) -> None:  # noqa: ANN401 - as above
    if not isinstance(value, str) or not value.strip():
        raise InvalidInput(
            "price.tax_class", value, "is empty", "name a band of the tax table, e.g. 'standard'"
        )


@final
@attrs.frozen(kw_only=True)
class Price:
    """State what one interval of a product costs in one currency, and from when until when.

    ``amount`` is zero or more, in whole minor units of its currency (kuruş, cents). It is valid in
    the half-open ``[effective_at, until_at)``; None means from the beginning, and until the next
    price begins. ``pricing`` says whether tax is inside, ``tax_class`` names the band of the tax
    table. ``agreement`` is the id of the negotiated price it comes from, empty for a list price.

    Raises:
        InvalidInput: the amount is negative or too fine, the dates are naive or in the wrong
            order, or FROM_DATE and ``reaches_at`` do not come together.

    >>> from monochat_billing.money import money
    >>> Price(interval=MONTH, amount=money("1499", "TRY")).free
    False
    """

    interval: BillingInterval
    amount: Money
    effective_at: datetime | None = attrs.field(default=None, converter=_instant)
    until_at: datetime | None = attrs.field(default=None, converter=_instant)
    reach: PriceReach = attrs.field(default=PriceReach.NEVER, converter=_reach)
    reaches_at: datetime | None = attrs.field(default=None, converter=_instant)
    pricing: Pricing = attrs.field(default=Pricing.INCLUSIVE, converter=_pricing)
    tax_class: str = "standard"
    agreement: str = ""

    def __attrs_post_init__(self) -> None:
        _check_amount(self.amount)
        if not isinstance(self.interval, BillingInterval):
            raise InvalidInput(
                "price.interval", self.interval, "is no interval", "pass MONTH, YEAR or another"
            )
        _check_dates(self.effective_at, self.until_at)
        _check_tax_class(self.tax_class)
        if (self.reach is PriceReach.FROM_DATE) != (self.reaches_at is not None):
            raise InvalidInput(
                "price.reaches_at",
                None if self.reaches_at is None else self.reaches_at.isoformat(),
                f"does not go with reach {self.reach}",
                "name the instant with FROM_DATE and leave it out otherwise",
            )
        if self.reaches_at is not None and self.reaches_at < (self.effective_at or BEGINNING):
            raise InvalidInput(
                "price.reaches_at",
                self.reaches_at.isoformat(),
                "is before the price begins",
                "name an instant at or after effective_at",
            )

    @property
    def currency(self) -> str:
        """Give the ISO 4217 code of the price."""
        code: str = self.amount.currency.code
        return code

    @property
    def free(self) -> bool:
        """Tell whether the price is zero."""
        return not self.amount.amount

    def reaches(self, at: datetime) -> bool:
        """Tell whether a renewal at ``at`` of an earlier subscription takes this price."""
        if self.reach is PriceReach.NEVER or (self.until_at is not None and at >= self.until_at):
            return False
        return at >= (self.reaches_at or self.effective_at or BEGINNING)

    def costs_as(self, other: "Price") -> bool:
        """Tell whether both ask the same amount with the same tax for the same interval."""
        return (self.interval, self.amount, self.pricing, self.tax_class) == (
            other.interval,
            other.amount,
            other.pricing,
            other.tax_class,
        )

    def times(self, quantity: int) -> Money:
        """Give the amount for ``quantity`` units, exactly.

        Raises:
            InvalidInput: the quantity is not a whole number from 1 to a million.

        >>> from monochat_billing.money import money
        >>> Price(interval=MONTH, amount=money("49.90", "TRY")).times(3)
        Money('149.7', 'TRY')
        """
        return _times(self.amount, quantity)

    def __str__(self) -> str:
        return f"{amount_text(self.amount)} {self.currency} per {self.interval}"


@final
@attrs.frozen(kw_only=True)
class OneOffPrice:
    """State what something costs that is bought once; fields and errors as of :class:`Price`.

    >>> from monochat_billing.money import money
    >>> print(OneOffPrice(amount=money("600", "TRY")))
    600 TRY once
    """

    amount: Money
    effective_at: datetime | None = attrs.field(default=None, converter=_instant)
    until_at: datetime | None = attrs.field(default=None, converter=_instant)
    pricing: Pricing = attrs.field(default=Pricing.INCLUSIVE, converter=_pricing)
    tax_class: str = "standard"

    def __attrs_post_init__(self) -> None:
        _check_amount(self.amount)
        _check_dates(self.effective_at, self.until_at)
        _check_tax_class(self.tax_class)

    @property
    def currency(self) -> str:
        """Give the ISO 4217 code of the price."""
        code: str = self.amount.currency.code
        return code

    def times(self, quantity: int) -> Money:
        """Give the amount for ``quantity`` pieces, exactly.

        Raises:
            InvalidInput: the quantity is not a whole number from 1 to a million.
        """
        return _times(self.amount, quantity)

    def __str__(self) -> str:
        return f"{amount_text(self.amount)} {self.currency} once"


_Dated = TypeVar("_Dated", Price, OneOffPrice)


def _times(amount: Money, quantity: int) -> Money:
    if type(quantity) is not int or not 1 <= quantity <= MOST_QUANTITY:
        raise InvalidInput(
            "quantity", quantity, "is no quantity", f"pass a whole number, 1 to {MOST_QUANTITY}"
        )
    digits = minor_digits(amount.currency)
    return from_units(to_units(amount, digits) * quantity, amount.currency, digits)


def started_at(price: Price | OneOffPrice) -> datetime:
    """Give the instant a price begins at, :data:`BEGINNING` where it names none."""
    return price.effective_at or BEGINNING


def date_mistakes(prices: Sequence[Price | OneOffPrice], where: str) -> list[InvalidInput]:
    """List what is wrong with the dates of prices of one interval and currency.

    ``prices`` stand in the order of their starts. Their spans may leave gaps, in which nothing is
    sold, but no two may hold at one instant.

    >>> from monochat_billing.money import money
    >>> month = Price(interval=MONTH, amount=money("1", "TRY"))
    >>> [str(one) for one in date_mistakes([month, month], "prices")]
    ["prices: '1 TRY per MONTH' begins when another one does; give it an effective date of its own"]
    """
    mistakes = []
    for earlier, later in itertools.pairwise(prices):
        if started_at(earlier) == started_at(later):
            mistakes.append(
                InvalidInput(
                    where,
                    str(later),
                    "begins when another one does",
                    "give it an effective date of its own",
                )
            )
        elif earlier.until_at is not None and earlier.until_at > started_at(later):
            mistakes.append(
                InvalidInput(
                    where,
                    str(later),
                    f"begins at {started_at(later).isoformat()}, while {earlier} holds until "
                    f"{earlier.until_at.isoformat()}",
                    "let one end before the other begins, or leave the earlier one's end out",
                )
            )
    return mistakes


def price_in_force(prices: Iterable[_Dated], at: datetime) -> _Dated | None:
    """Give the one price that holds at ``at``, or None where nothing is sold then.

    The newest price that has begun decides; where it has ended by then, there is none.

    Raises:
        InvalidInput: ``at`` is naive.
    """
    at = utc(at, field="at")
    begun = [price for price in prices if started_at(price) <= at]
    if not begun:
        return None
    newest = max(begun, key=started_at)
    return None if newest.until_at is not None and at >= newest.until_at else newest


def yearly_amount(price: Price) -> Fraction:
    """Give what a year costs at this price, in major units, to compare intervals with each other.

    Twelve months, 52 weeks or 365 days are a year here; two years cost half of their price.

    >>> from monochat_billing.money import money
    >>> yearly_amount(Price(interval=WEEK, amount=money("100", "TRY")))
    Fraction(5200, 1)
    """
    interval = price.interval
    amount = as_fraction(price.amount)
    if interval.months:
        return amount * Fraction(_MONTHS_PER_YEAR * MONTH.months, interval.months)
    if interval.days % WEEK.days == 0:
        return amount * Fraction(_WEEKS_PER_YEAR * WEEK.days, interval.days)
    return amount * Fraction(_DAYS_PER_YEAR * DAY.days, interval.days)
