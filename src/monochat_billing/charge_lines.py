"""Charge lines: what usage costs, line by line, and the one rounding of their sum.

*Owns* the lines that every charge model returns, their exact fractions, how a total is rounded
once and shared out to its lines, and the sentences in English and Turkish.
*Does not own* how many units are charged at which rate: that is ``charge_models``'s.

A line is units times a rate, both exact. The total is rounded once, by a named rounding, and the
lines get what the running total gained, so their amounts always sum to the total.

>>> lines = [draft(LineBasis.UNIT, 3, "0.067", tier=1), draft(LineBasis.UNIT, 1, "0.0335", tier=2)]
>>> found = total_of(lines, "USD", rounding=HALF_UP, source="card-1")
>>> found.raw, found.money, [line.money for line in found.lines]
(Fraction(469, 2000), Money('0.23', 'USD'), [Money('0.2', 'USD'), Money('0.03', 'USD')])
"""

from collections.abc import Iterable
from enum import StrEnum
from fractions import Fraction
from typing import Final, NamedTuple, final

import attrs

from monochat_billing.errors import InvalidInput
from monochat_billing.money import (
    DEFAULT_SCALE,
    MAX_UNITS,
    Money,
    as_fraction,
    check_currency,
    from_units,
    minor_digits,
)
from monochat_billing.money_text import format_money
from monochat_billing.quantities import Quantity, exact, number_text
from monochat_billing.rounding import HALF_UP, Rounding, round_ratio
from monochat_billing.translations import (
    check_locale,
    mark,
    mark_in,
    mark_plural,
    translate,
    translate_in,
    translate_plural,
)

__all__ = [
    "USAGE_ROUNDING",
    "Charge",
    "ChargeLine",
    "DraftLine",
    "FeeOf",
    "LineBasis",
    "draft",
    "total_of",
]

USAGE_ROUNDING: Final = HALF_UP.at_scale(DEFAULT_SCALE)
"""Half-up to the six decimals of a balance: what usage is rounded to, unless said otherwise."""


class LineBasis(StrEnum):
    """Say what a line counts."""

    UNIT = "UNIT"
    """Units at a price each."""
    PACKAGE = "PACKAGE"
    """Packages at a price each; a package that is begun counts as a whole one."""
    FLAT = "FLAT"
    """A fixed amount, once for each of the units."""
    PERCENTAGE = "PERCENTAGE"
    """A share of an amount: units are major units of money, the rate is the share."""
    FREE = "FREE"
    """Units that cost nothing; the note says why."""
    FLOOR = "FLOOR"
    """What a transaction is raised by, up to its least fee."""
    CEILING = "CEILING"
    """What a transaction is lowered by, down to its highest fee."""
    TRUE_UP = "TRUE_UP"
    """What is missing up to a minimum commitment."""
    CAP = "CAP"
    """What is above a maximum, taken off."""
    DISCOUNT = "DISCOUNT"
    """A share of an amount, taken off."""
    BILLED = "BILLED"
    """What was charged before, taken off."""


class FeeOf(StrEnum):
    """Say whose fee a line is."""

    PROVIDER = "PROVIDER"
    """What the provider charges."""
    OWN = "OWN"
    """What is charged on top of it."""


_COUNTED: Final = {
    LineBasis.UNIT: mark_plural("{count} unit x {rate}", "{count} units x {rate}"),
    LineBasis.PACKAGE: mark_plural("{count} package x {rate}", "{count} packages x {rate}"),
    LineBasis.FLAT: mark_plural("{count} fixed fee x {rate}", "{count} fixed fees x {rate}"),
    LineBasis.FREE: mark_plural("{count} free unit", "{count} free units"),
}
_NAMED: Final = {
    LineBasis.FLOOR: mark("raise to the least fee"),
    LineBasis.CEILING: mark("cut to the highest fee"),
    LineBasis.TRUE_UP: mark("true-up to the minimum"),
    LineBasis.CAP: mark("cut to the maximum"),
    LineBasis.DISCOUNT: mark("discount"),
    LineBasis.BILLED: mark("billed before"),
}
_NOTES: Final = {"included": mark_in("charge line", "included")}
_LOCALES: Final = {"en": "en_US", "tr": "tr_TR"}
_REDUCING: Final = frozenset(
    {LineBasis.CEILING, LineBasis.CAP, LineBasis.DISCOUNT, LineBasis.BILLED}
)


class DraftLine(NamedTuple):
    """Hold a line before its charge is rounded: units times rate, both exact."""

    basis: LineBasis
    units: Fraction
    rate: Fraction
    tier: int | None = None
    note: str = ""
    fee: FeeOf = FeeOf.PROVIDER
    source: str = ""

    @property
    def raw(self) -> Fraction:
        """The exact amount in major units, negative in what reduces."""
        value = self.units * self.rate
        return -value if self.basis in _REDUCING else value


def draft(
    basis: LineBasis,
    units: Quantity,
    rate: Quantity,
    *,
    tier: int | None = None,
    note: str = "",
) -> DraftLine:
    """Build a line of exact numbers, none of them negative.

    Raises:
        InvalidInput: as :func:`exact`.

    >>> draft(LineBasis.CAP, 1, "2.50").raw
    Fraction(-5, 2)
    """
    found = exact(units, field="units"), exact(rate, field="rate")
    return DraftLine(basis, *found, tier=tier, note=note)


@final
@attrs.frozen(kw_only=True)
class ChargeLine:
    """Hold one line of a charge: units, rate, tier, the card it comes from, and its amount.

    ``units`` times ``rate`` is the exact amount in major units; it counts negative where ``basis``
    takes something off. ``rounded_units``, of ``10 ** -digits``, is the line's part of the rounded
    total. ``tier`` is counted from 1. ``source`` names the rate card, with its version.

    >>> line = ChargeLine(
    ...     basis=LineBasis.UNIT, currency="USD", units=Fraction(3), rate=Fraction(9, 10000),
    ...     rounded_units=2700, digits=6, tier=2, source="meta-usd-2026-10-01",
    ... )
    >>> print(line)
    tier 2: 3 units x $0.0009 = $0.0027 (meta-usd-2026-10-01)
    >>> print(line.explain("tr"))
    kademe 2: 3 birim x $0,0009 = $0,0027 (meta-usd-2026-10-01)
    """

    basis: LineBasis
    currency: str
    units: Fraction
    rate: Fraction
    rounded_units: int
    digits: int
    tier: int | None = None
    source: str = ""
    note: str = ""
    fee: FeeOf = FeeOf.PROVIDER

    @property
    def raw(self) -> Fraction:
        """The exact amount before rounding, in major units."""
        value = self.units * self.rate
        return -value if self.basis in _REDUCING else value

    @property
    def money(self) -> Money:
        """The line's part of the rounded total."""
        return from_units(self.rounded_units, self.currency, self.digits)

    def __str__(self) -> str:
        return self.explain()

    def explain(self, locale: str = "en") -> str:
        """Return the line as one sentence, in English (``en``) or Turkish (``tr``).

        Raises:
            InvalidInput: the locale is another.

        >>> line = ChargeLine(
        ...     basis=LineBasis.PERCENTAGE, currency="TRY", units=Fraction(550),
        ...     rate=Fraction(13, 1000), rounded_units=715, digits=2,
        ... )
        >>> print(line.explain("en"), "|", line.explain("tr"))
        1.3% of TRY 550.00 = TRY 7.15 | ₺550,00 tutarının %1,3 kadarı = ₺7,15
        """
        check_locale(locale)
        amount = _shown(Fraction(self.rounded_units, 10**self.digits), self.currency, locale)
        text = f"{self._body(locale)} = {amount}"
        if self.tier is not None:
            text = translate("tier {tier}: {text}", locale, tier=self.tier, text=text)
        if self.fee is FeeOf.OWN:
            text = translate("own fee, {text}", locale, text=text)
        note = _NOTES.get(self.note)
        known = self.note if note is None else translate_in("charge line", note, locale)
        tail = ", ".join(part for part in (self.source, known) if part)
        return text + (f" ({tail})" if tail else "")

    def _body(self, locale: str) -> str:
        if self.basis is LineBasis.PERCENTAGE or (
            self.basis is LineBasis.DISCOUNT and self.rate < 1
        ):
            parted = mark("{share}% of {base}")
            if self.basis is LineBasis.DISCOUNT:
                parted = mark("{share}% discount on {base}")
            base = _shown(self.units, self.currency, locale)
            return translate(parted, locale, share=number_text(self.rate * 100, locale), base=base)
        named = _NAMED.get(self.basis)
        if named is not None:
            return translate(named, locale)
        return translate_plural(
            *_COUNTED[self.basis],
            1 if self.units == 1 else 0,
            locale,
            count=number_text(self.units, locale),
            rate=_shown(self.rate, self.currency, locale),
        )


def _shown(value: Fraction, currency: str, locale: str) -> str:
    """Write an amount for people, exactly: money where it ends, a ratio where it does not."""
    scaled = value * 10**12
    if scaled.denominator != 1 or abs(scaled.numerator) > MAX_UNITS:
        return f"{number_text(value, locale)} {currency}"
    text = format_money(from_units(scaled.numerator, currency, 12), _LOCALES[locale])
    return text.replace(currency, f"{currency} ").replace("\u00a0", "")


@final
@attrs.frozen(kw_only=True)
class Charge:
    """Hold what usage costs: lines that sum to one rounded total.

    ``units`` is the total in ``10 ** -digits`` of ``currency``; it is below zero only where more
    was billed before than is due.

    >>> print(total_of([draft(LineBasis.UNIT, 2, "1.5")], "TRY").explain())
    2 units x TRY 1.50 = TRY 3.00
    """

    currency: str
    digits: int
    lines: tuple[ChargeLine, ...]
    rounding: Rounding = attrs.field(default=USAGE_ROUNDING, repr=False)

    @property
    def units(self) -> int:
        """The rounded total as an integer of ``10 ** -digits``."""
        return sum(line.rounded_units for line in self.lines)

    @property
    def raw(self) -> Fraction:
        """The exact total before rounding, in major units."""
        return sum((line.raw for line in self.lines), Fraction(0))

    @property
    def money(self) -> Money:
        """The rounded total."""
        return from_units(self.units, self.currency, self.digits)

    @property
    def remainder(self) -> Fraction:
        """What rounding took off: raw less rounded, in major units."""
        return self.raw - Fraction(self.units, 10**self.digits)

    def of(self, fee: FeeOf) -> Money:
        """Return the part of the total that is one party's fee.

        >>> total_of([draft(LineBasis.UNIT, 2, "1.5")], "TRY").of(FeeOf.OWN)
        Money('0', 'TRY')
        """
        own = sum(line.rounded_units for line in self.lines if line.fee is fee)
        return from_units(own, self.currency, self.digits)

    def less(self, billed: Money) -> "Charge":
        """Return the charge less what was billed for the same usage before, as a line.

        A total below zero is to be given back.

        Raises:
            InvalidInput: the amount is negative, in another currency, or finer than the rounding.

        >>> from monochat_billing.money import money
        >>> used = total_of([draft(LineBasis.PACKAGE, 2, 1)], "USD")
        >>> used.less(money("1", "USD")).money
        Money('1', 'USD')
        """
        if not isinstance(billed, Money) or billed.currency.code != self.currency:
            raise InvalidInput(
                "billed", billed, f"is no amount in {self.currency}", "convert it explicitly"
            )
        amount = exact(as_fraction(billed), field="billed")
        if (amount * 10**self.digits).denominator != 1:
            raise InvalidInput(
                "billed", billed, f"has more than {self.digits} decimals", "pass what was charged"
            )
        line = ChargeLine(
            basis=LineBasis.BILLED,
            currency=self.currency,
            units=Fraction(1),
            rate=amount,
            rounded_units=-int(amount * 10**self.digits),
            digits=self.digits,
        )
        return attrs.evolve(self, lines=(*self.lines, line))

    def explain(self, locale: str = "en") -> str:
        """Return a sentence for each line, in English (``en``) or Turkish (``tr``).

        Raises:
            InvalidInput: the locale is another.
        """
        return "\n".join(line.explain(locale) for line in self.lines)


def total_of(
    lines: Iterable[DraftLine],
    currency: str,
    *,
    rounding: Rounding = USAGE_ROUNDING,
    source: str = "",
) -> Charge:
    """Round the sum of lines once, and give each line what the running total gained.

    Raises:
        InvalidInput: the currency is unknown, or the total does not fit into 64 bits.

    >>> thirds = [draft(LineBasis.FLAT, 1, Fraction(1, 3)) for _ in range(3)]
    >>> [line.rounded_units for line in total_of(thirds, "TRY", rounding=HALF_UP).lines]
    [33, 34, 33]
    """
    known = check_currency(currency)
    digits = rounding.digits(known.code, minor_digits(known))
    running, before = Fraction(0), 0
    found: list[ChargeLine] = []
    for line in lines:
        running += line.raw
        after = round_ratio(running.numerator * 10**digits, running.denominator, rounding)
        if abs(after) > MAX_UNITS:
            raise InvalidInput("total", str(running), "is too large", "charge it in parts")
        found.append(
            ChargeLine(
                basis=line.basis,
                currency=known.code,
                units=line.units,
                rate=line.rate,
                rounded_units=after - before,
                digits=digits,
                tier=line.tier,
                source=line.source or source,
                note=line.note,
                fee=line.fee,
            )
        )
        before = after
    return Charge(currency=known.code, digits=digits, lines=tuple(found), rounding=rounding)
