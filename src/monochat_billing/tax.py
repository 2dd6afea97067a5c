"""Tax on amounts: dated rates, inclusive and exclusive prices, treatments with a reason.

*Owns* rates as dated data, the split of an amount into net and tax, and how credits and prorated
pieces of one taxed line keep adding up.
*Does not own* who is taxed how (the host decides the treatment) or filing.

One of the two parts is rounded, half-up to the minor unit unless said otherwise, and the other is
what is left, so net + tax = gross always. An inclusive price is split as net = gross / (1 + rate);
an exclusive one as tax = net x rate.

>>> from datetime import date
>>> from monochat_billing.money import money
>>> kdv = Tax(rate=KDV.rate_on("standard", date(2026, 11, 23)), pricing=Pricing.INCLUSIVE)
>>> line = kdv.on(money("100", "TRY"))
>>> line.net, line.tax, line.gross
(Money('83.33', 'TRY'), Money('16.67', 'TRY'), Money('100', 'TRY'))
"""

from collections.abc import Sequence
from datetime import date
from enum import StrEnum
from fractions import Fraction
from typing import Final, final

import attrs

from monochat_billing.errors import InvalidInput, UnknownName
from monochat_billing.money import (
    Money,
    adds_up,
    amount_text,
    from_units,
    minor_digits,
    negate,
    subtract,
    to_units,
)
from monochat_billing.rounding import HALF_UP, Rounding, round_ratio
from monochat_billing.texts import member_of

__all__ = [
    "KDV",
    "DatedRate",
    "Pricing",
    "Tax",
    "TaxLine",
    "TaxRate",
    "TaxTable",
    "TaxTreatment",
    "credit_line",
    "tax_piece",
    "tax_pieces",
]

_HUNDRED: Final = 100


class Pricing(StrEnum):
    """Say what a price contains."""

    INCLUSIVE = "INCLUSIVE"
    """The price is gross: the tax is inside."""
    EXCLUSIVE = "EXCLUSIVE"
    """The price is net: the tax comes on top."""


class TaxTreatment(StrEnum):
    """Say how a supply is taxed; everything but TAXED needs a reason code."""

    TAXED = "TAXED"
    """At the rate."""
    REVERSE_CHARGE = "REVERSE_CHARGE"
    """The buyer accounts for the tax."""
    EXPORT = "EXPORT"
    """A service used abroad."""
    EXEMPT = "EXEMPT"
    """Exempt by law."""


# Enum members are looked up slowly on their class, and every taxed amount asks for them.
_TAXED: Final = TaxTreatment.TAXED
_INCLUSIVE: Final = Pricing.INCLUSIVE


def _rate(value: Fraction | int) -> Fraction:
    if isinstance(value, Fraction) or type(value) is int:
        rate = Fraction(value)
        if 0 <= rate <= 1:
            return rate
    raise InvalidInput("rate", value, "is no rate", "pass a Fraction from 0 to 1, such as 1/5")


@final
@attrs.frozen(kw_only=True)
class TaxRate:
    """Hold one rate of one tax: ``rate`` is an exact fraction from 0 to 1, 1/5 for 20 percent.

    Raises:
        InvalidInput: the rate is not exact, below zero or above one.

    >>> TaxRate(name="KDV", band="reduced", rate=Fraction(10, 100)).percent
    '10'
    """

    name: str
    band: str
    rate: Fraction = attrs.field(converter=_rate)

    @property
    def percent(self) -> str:
        """The rate in percent as text, a decimal where it has an end, else a fraction."""
        percent = self.rate * _HUNDRED
        fine = percent * _HUNDRED
        if fine.denominator != 1:
            return str(percent)
        whole, rest = divmod(fine.numerator, _HUNDRED)
        return f"{whole}.{rest:02d}".rstrip("0").rstrip(".") if rest else str(whole)


@final
@attrs.frozen(kw_only=True)
class DatedRate:
    """Hold a rate and the local day from which it is in force, until a later row of its band."""

    band: str
    rate: Fraction = attrs.field(converter=_rate)
    effective_on: date


@final
@attrs.frozen(kw_only=True)
class TaxTable:
    """Hold the dated rates of one tax.

    >>> KDV.rate_on("standard", date(2023, 7, 9)).percent
    '18'
    >>> KDV.rate_on("standard", date(2023, 7, 10)).percent
    '20'
    """

    name: str
    rows: tuple[DatedRate, ...]

    def __attrs_post_init__(self) -> None:
        seen = {(row.band, row.effective_on) for row in self.rows}
        if len(seen) != len(self.rows):
            raise InvalidInput("rows", self.name, "dates a band twice", "keep one row per day")

    def rate_on(self, band: str, day: date) -> TaxRate:
        """Return the rate of a band that is in force on a local day.

        Raises:
            UnknownName: the table has no such band.
            InvalidInput: the day is before the band's first row.

        >>> KDV.rate_on("reduced", date(2026, 1, 1)).percent
        '10'
        """
        rows = [row for row in self.rows if row.band == band]
        if not rows:
            known = ", ".join(sorted({row.band for row in self.rows}))
            raise UnknownName("band", band, f"is not in {self.name}", f"use one of {known}")
        past = [row for row in rows if row.effective_on <= day]
        if not past:
            raise InvalidInput("day", day.isoformat(), "is before the table", "add a dated row")
        row = max(past, key=_since)
        return TaxRate(name=self.name, band=band, rate=row.rate)


def _since(row: DatedRate) -> date:
    return row.effective_on


_TABLE_STARTS: Final = date(2008, 1, 1)
_RAISED: Final = date(2023, 7, 10)

KDV: Final = TaxTable(
    name="KDV",
    rows=(
        DatedRate(band="standard", rate=Fraction(18, 100), effective_on=_TABLE_STARTS),
        DatedRate(band="standard", rate=Fraction(20, 100), effective_on=_RAISED),
        DatedRate(band="reduced", rate=Fraction(8, 100), effective_on=_TABLE_STARTS),
        DatedRate(band="reduced", rate=Fraction(10, 100), effective_on=_RAISED),
        DatedRate(band="low", rate=Fraction(1, 100), effective_on=_TABLE_STARTS),
        DatedRate(band="zero", rate=Fraction(0), effective_on=_TABLE_STARTS),
    ),
)
"""Turkish value added tax: 18, 8 and 1 percent, since 10 July 2023 20, 10 and 1 (decree 7346)."""


@final
@attrs.frozen(kw_only=True)
class TaxLine:
    """Hold an amount split into net and tax; ``net + tax = gross`` or it cannot be built.

    Raises:
        InvalidInput: the parts do not add up, or a treatment other than TAXED has tax or no
            reason.
    """

    net: Money
    tax: Money
    gross: Money
    rate: TaxRate
    pricing: Pricing
    treatment: TaxTreatment = TaxTreatment.TAXED
    reason: str = ""

    def __attrs_post_init__(self) -> None:
        if not adds_up(self.net, self.tax, self.gross):
            raise InvalidInput("gross", self.gross, "is not net plus tax", "split it with Tax.on")
        if self.treatment is not _TAXED and self.tax:
            raise InvalidInput("tax", self.tax, "is due under no tax", "use the TAXED treatment")


def _pricing(value: Pricing | str) -> Pricing:
    return member_of(Pricing, value, "pricing")


def _treatment(value: TaxTreatment | str) -> TaxTreatment:
    return member_of(TaxTreatment, value, "treatment")


@final
@attrs.frozen(kw_only=True)
class Tax:
    """Say how amounts are taxed: rate, pricing, rounding, treatment and its reason code.

    Under a treatment other than TAXED nothing is added or taken out: the price stands as it is,
    net = gross, and ``reason`` says why (such as the exemption code that the invoice shows).

    Raises:
        InvalidInput: a treatment other than TAXED without a reason.

    >>> from monochat_billing.money import money
    >>> rate = KDV.rate_on("standard", date(2026, 11, 23))
    >>> export = Tax(rate=rate, pricing="EXCLUSIVE", treatment="EXPORT", reason="302")
    >>> export.on(money("100", "USD")).tax
    Money('0', 'USD')
    """

    rate: TaxRate
    pricing: Pricing = attrs.field(converter=_pricing)
    rounding: Rounding = HALF_UP
    treatment: TaxTreatment = attrs.field(default=TaxTreatment.TAXED, converter=_treatment)
    reason: str = ""

    def __attrs_post_init__(self) -> None:
        if self.treatment is not _TAXED and not self.reason:
            raise InvalidInput("reason", self.reason, "is missing", "give the reason code")

    def on(self, amount: Money) -> TaxLine:
        """Split an amount, gross or net as the pricing says; credits are negative.

        Raises:
            InvalidInput: the amount is finer than the rounding leaves.

        >>> from monochat_billing.money import money
        >>> rate = KDV.rate_on("standard", date(2026, 11, 23))
        >>> Tax(rate=rate, pricing="EXCLUSIVE").on(money("38.71", "TRY")).gross
        Money('46.45', 'TRY')
        """
        return tax_pieces([amount], self)[0]

    def _rest(self, units: int) -> int:
        """Round the part that is computed: net of gross units, or tax of net units."""
        if self.treatment is not _TAXED:
            return units if self.pricing is _INCLUSIVE else 0
        rate = self.rate.rate
        if self.pricing is _INCLUSIVE:
            over = rate.denominator + rate.numerator
            return round_ratio(units * rate.denominator, over, self.rounding)
        return round_ratio(units * rate.numerator, rate.denominator, self.rounding)


def tax_pieces(
    amounts: Sequence[Money], tax: Tax, *, before: Money | None = None
) -> tuple[TaxLine, ...]:
    """Split consecutive amounts of one taxed line so that their parts add up.

    Each piece's computed part is what is rounded on everything so far, less what was rounded
    before it. However a gross amount is cut, credited and charged again, its net pieces sum to
    the net of the sum, and a full credit leaves nothing. ``before`` is what came earlier, in the
    pricing's terms (gross where prices are inclusive, net where they are not).

    Raises:
        InvalidInput: an amount is finer than the rounding leaves, or in another currency.

    >>> from monochat_billing.money import money
    >>> kdv = Tax(rate=KDV.rate_on("standard", date(2026, 11, 23)), pricing="INCLUSIVE")
    >>> paid, credit = tax_pieces([money("100", "TRY"), money("-48.39", "TRY")], kdv)
    >>> credit.net, credit.tax
    (Money('-40.32', 'TRY'), Money('-8.07', 'TRY'))
    """
    lines: list[TaxLine] = []
    if not amounts:
        return ()
    code = amounts[0].currency.code
    digits = tax.rounding.digits(code, minor_digits(code))
    cumulated = 0 if before is None else _units(before, code, digits, "before")
    reached = tax._rest(cumulated)  # noqa: SLF001 - this module's own
    for amount in amounts:
        units = _units(amount, code, digits, "amounts")
        cumulated += units
        upto = tax._rest(cumulated)  # noqa: SLF001 - as above
        part = upto - reached
        reached = upto
        lines.append(_line(units, part, code, digits, tax))
    return tuple(lines)


def tax_piece(units: int, currency: str, tax: Tax, *, before: int = 0) -> TaxLine:
    """Split one amount of a taxed line as :func:`tax_pieces` does, in integers.

    ``units`` and ``before`` are in the smallest unit that the tax's rounding leaves.

    Raises:
        InvalidInput: the currency is unknown.

    >>> kdv = Tax(rate=KDV.rate_on("standard", date(2026, 11, 23)), pricing="INCLUSIVE")
    >>> tax_piece(-4839, "TRY", kdv, before=10000).net
    Money('-40.32', 'TRY')
    """
    digits = tax.rounding.digits(currency, minor_digits(currency))
    part = tax._rest(before + units) - tax._rest(before)  # noqa: SLF001 - as above
    return _line(units, part, currency, digits, tax)


def _line(units: int, part: int, code: str, digits: int, tax: Tax) -> TaxLine:
    net, added = (part, units - part) if tax.pricing is _INCLUSIVE else (units, part)
    return TaxLine(
        net=from_units(net, code, digits),
        tax=from_units(added, code, digits),
        gross=from_units(net + added, code, digits),
        rate=tax.rate,
        pricing=tax.pricing,
        treatment=tax.treatment,
        reason=tax.reason,
    )


def _units(amount: Money, code: str, digits: int, field: str) -> int:
    if isinstance(amount, Money) and amount.currency.code != code:
        raise InvalidInput(field, amount.currency.code, f"is not {code}", "convert it explicitly")
    return to_units(amount, digits)


def credit_line(
    original: TaxLine,
    amount: Money,
    *,
    credited: Money | None = None,
    rounding: Rounding = HALF_UP,
) -> TaxLine:
    """Credit a part of a taxed line at the rate and treatment that it was taxed at.

    ``amount`` is positive and in the original's pricing terms, ``credited`` what was credited of
    it before. The result is negative. Credits that sum to the original cancel its net and its
    tax exactly, whatever the rate is by now.

    Raises:
        InvalidInput: the amount is negative, or more than what is left to credit.

    >>> from monochat_billing.money import money
    >>> kdv = Tax(rate=KDV.rate_on("standard", date(2023, 7, 1)), pricing="INCLUSIVE")
    >>> credit_line(kdv.on(money("118", "TRY")), money("59", "TRY")).tax
    Money('-9', 'TRY')
    """
    base = original.gross if original.pricing is Pricing.INCLUSIVE else original.net
    if to_units(amount) < 0:
        raise InvalidInput("amount", amount, "is negative", "pass what to give back, positive")
    left = base if credited is None else subtract(base, credited)
    if to_units(subtract(left, amount)) < 0:
        raise InvalidInput(
            "amount", amount, f"is more than {amount_text(left)}, what is left", "credit less"
        )
    tax = Tax(
        rate=original.rate,
        pricing=original.pricing,
        rounding=rounding,
        treatment=original.treatment,
        reason=original.reason,
    )
    return tax_pieces([negate(amount)], tax, before=left)[0]
