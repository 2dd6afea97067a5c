"""Proration lines: what a share of an amount is, and how it came about.

*Owns* the line that a proration returns, its exact fractions and its sentence.
*Does not own* how its units were counted: that is ``proration``'s.

Lines hold integers only, so building one is cheap; fractions, Money and sentences are made when
somebody reads them.

>>> line = ProrationLine(
...     kind=LineKind.CHARGE, currency="TRY", amount_units=1000_000000, units=15, total=31,
...     digits=2, rounded_units=48387, basis=TimeBasis.LOCAL_DAY, rule="standard",
... )
>>> line.money, line.raw, line.remainder
(Money('483.87', 'TRY'), Fraction(15000, 31), Fraction(3, 3100))
"""

from datetime import date
from enum import StrEnum
from fractions import Fraction
from typing import Any, Final, NamedTuple, final

import attrs

from monochat_billing.errors import InvalidInput
from monochat_billing.money import DEFAULT_SCALE, Money, format_money, from_units
from monochat_billing.periods import BillingPeriod
from monochat_billing.proration_policies import (
    ChargeRule,
    CreditRule,
    ProrationPolicy,
    TimeBasis,
)
from monochat_billing.shares import (
    ChangeNumbers,
    ChangeSpans,
    ChangeTerms,
    applied_ratio,
    credit_basis,
)

__all__ = ["ChangeFacts", "ChangeProration", "LineKind", "ProrationLine"]


class LineKind(StrEnum):
    """Say what a line is for."""

    SHARE = "SHARE"
    """A part of an amount or of a number of units."""
    CREDIT = "CREDIT"
    """Given back; its amounts are negative."""
    CHARGE = "CHARGE"
    """To be paid."""
    DIFFERENCE = "DIFFERENCE"
    """A charge less a credit, in one line; may be negative."""


_UNITS: Final = {
    "en": {
        TimeBasis.SECOND: ("second", "seconds"),
        TimeBasis.LOCAL_DAY: ("day", "days"),
        TimeBasis.LOCAL_DAY_INCLUSIVE: ("day", "days"),
        TimeBasis.THIRTY_DAY_MONTH: ("day (30-day months)", "days (30-day months)"),
        TimeBasis.WHOLE_PERIOD: ("period", "periods"),
        TimeBasis.NONE: ("whole", "wholes"),
    },
    "tr": {
        TimeBasis.SECOND: ("saniye", "saniyenin"),
        TimeBasis.LOCAL_DAY: ("gün", "günün"),
        TimeBasis.LOCAL_DAY_INCLUSIVE: ("gün", "günün"),
        TimeBasis.THIRTY_DAY_MONTH: ("gün (30 günlük ay)", "günün (30 günlük ay)"),
        TimeBasis.WHOLE_PERIOD: ("dönem", "dönemin"),
        TimeBasis.NONE: ("bütün", "bütünün"),
    },
}
_KINDS: Final = {
    "en": {
        LineKind.SHARE: "Share",
        LineKind.CREDIT: "Credit",
        LineKind.CHARGE: "Charge",
        LineKind.DIFFERENCE: "Difference",
    },
    "tr": {
        LineKind.SHARE: "pay",
        LineKind.CREDIT: "iade",
        LineKind.CHARGE: "ücret",
        LineKind.DIFFERENCE: "fark",
    },
}
_LOCALES: Final = {"en": "en_US", "tr": "tr_TR"}


@final
@attrs.frozen(kw_only=True)
class ProrationLine:
    """Hold one share of an amount and how it came about.

    ``amount_units`` are of ``10 ** -scale`` of ``currency``, or plain units (messages) where it
    is empty. ``units`` of ``total`` is the exact ratio; ``rounded_units``, of ``10 ** -digits``,
    is what counts, negative in a credit. ``service`` is the half-open span that the line is for
    and ``whole`` the period it is measured in. ``less``, an amount and its units and total, is what
    a DIFFERENCE takes off. ``ratio_digits`` is set where the policy rounds the ratio first,
    ``capped`` where a credit was cut down to what was paid.

    >>> line = ProrationLine(
    ...     kind=LineKind.SHARE, currency="", scale=0, digits=0, amount_units=1000, units=1,
    ...     total=3, rounded_units=333, basis=TimeBasis.LOCAL_DAY, rule="standard",
    ... )
    >>> line.ratio, line.quantity, line.remainder
    (Fraction(1, 3), 333, Fraction(1, 3))
    """

    kind: LineKind
    currency: str
    amount_units: int
    units: int
    total: int
    digits: int
    rounded_units: int
    basis: TimeBasis
    rule: str
    scale: int = DEFAULT_SCALE
    service: BillingPeriod | None = None
    whole: BillingPeriod | None = None
    zone: str = "UTC"
    less: tuple[int, int, int] = (0, 0, 1)
    ratio_digits: int | None = None
    capped: bool = False

    @property
    def ratio(self) -> Fraction:
        """The exact ratio, units of total."""
        return Fraction(self.units, self.total)

    @property
    def amount(self) -> Money:
        """The amount that is shared.

        Raises:
            InvalidInput: the line is about plain units.
        """
        return from_units(self.amount_units, self._currency, self.scale)

    @property
    def money(self) -> Money:
        """The rounded value, negative in a credit.

        Raises:
            InvalidInput: the line is about plain units.
        """
        return from_units(self.rounded_units, self._currency, self.digits)

    @property
    def quantity(self) -> int:
        """The rounded value as an integer of ``10 ** -digits``, negative in a credit."""
        return self.rounded_units

    @property
    def raw(self) -> Fraction:
        """The exact value before rounding, in major units, with the line's sign."""
        digits = self.ratio_digits
        amount, part, total = self.less
        less = Fraction(amount * part, total)
        share = self.amount_units * Fraction(*applied_ratio(self.units, self.total, digits))
        value = (share - less) * Fraction(1, 10**self.scale)
        return -value if self.kind is LineKind.CREDIT else value

    @property
    def remainder(self) -> Fraction:
        """What rounding, netting or the cap took off: raw less rounded, in major units."""
        return self.raw - Fraction(self.rounded_units, 10**self.digits)

    @property
    def _currency(self) -> str:
        if not self.currency:
            raise InvalidInput("line", self.rule, "is about plain units", "read its quantity")
        return self.currency

    def explain(self, locale: str = "en") -> str:
        """Return the line as one sentence, in English (``en``) or Turkish (``tr``).

        Raises:
            InvalidInput: the locale is another.

        >>> line = ProrationLine(
        ...     kind=LineKind.CREDIT, currency="TRY", amount_units=1000_000000, units=15, total=31,
        ...     digits=2, rounded_units=-48387, basis=TimeBasis.LOCAL_DAY, rule="standard",
        ... )
        >>> print(line.explain("tr"))
        31 günün 15 günü için iade: ₺1.000,00 x 15/31 = -₺483,87 (kural standard)
        """
        if locale not in _LOCALES:
            raise InvalidInput("locale", locale, "has no sentences", "use 'en' or 'tr'")
        before = self._shown(self.amount_units, self.scale, locale)
        after = self._shown(self.rounded_units, self.digits, locale)
        product = f"{before} x {self.units}/{self.total}"
        if self.kind is LineKind.DIFFERENCE:
            less = self._shown(self.less[0], self.scale, locale)
            product = f"{product} - {less} x {self.less[1]}/{self.less[2]}"
        one, many = _UNITS[locale][self.basis]
        noun = _KINDS[locale][self.kind]
        if locale == "tr":
            span = self._days(lambda day: day.strftime("%d.%m.%Y"), "{} - {} arası ")
            head = f"{span}{self.total} {many} {self.units} {_of(one)} için {noun}"
            tail = f"kural {self.rule}" + (", ödenenle sınırlı" if self.capped else "")
        else:
            span = self._days(date.isoformat, ", {} to {}")
            name = one if self.total == 1 else many
            head = f"{noun} for {self.units} of {self.total} {name}{span}"
            tail = f"rule {self.rule}" + (", capped by what was paid" if self.capped else "")
        return f"{head}: {product} = {after} ({tail})"

    def _shown(self, units: int, scale: int, locale: str) -> str:
        if not self.currency:
            return str(units)
        text = format_money(from_units(units, self.currency, scale), _LOCALES[locale])
        return text.replace(self.currency, f"{self.currency} ").replace("\u00a0", "")

    def _days(self, write: Any, pattern: str) -> str:  # noqa: ANN401 - a function of a date
        if self.service is None:
            return ""
        first = self.service.first_day(self.zone)
        return pattern.format(write(first), write(self.service.last_day(self.zone)))


def _of(noun: str) -> str:
    """Put a Turkish noun before ``için``: gün becomes günü."""
    endings = {"saniye": "saniyesi", "gün": "günü", "dönem": "dönemi", "bütün": "bütünü"}
    first, _, rest = noun.partition(" ")
    return endings[first] + (f" {rest}" if rest else "")


@final
@attrs.frozen(kw_only=True)
class ChangeProration:
    """Hold what one change credits and charges, in lines that sum to the net.

    A side that is free, or that the policy leaves out, has no line.

    >>> ChangeProration(currency="TRY", digits=2, lines=(), rule="nothing").net
    Money('0', 'TRY')
    """

    currency: str
    digits: int
    lines: tuple[ProrationLine, ...]
    rule: str

    @property
    def credit(self) -> Money:
        """What is given back, zero or negative; a negative difference counts here."""
        return self._sum([line.rounded_units for line in self.lines if line.rounded_units < 0])

    @property
    def charge(self) -> Money:
        """What is charged, zero or positive."""
        return self._sum([line.rounded_units for line in self.lines if line.rounded_units > 0])

    @property
    def net(self) -> Money:
        """Charge plus credit: above zero is due, below zero goes back."""
        return self._sum([line.rounded_units for line in self.lines])

    def _sum(self, units: list[int]) -> Money:
        return from_units(sum(units), self.currency, self.digits)


# Enum members are looked up slowly on their class, and these are asked in every change.
_BASIS_NONE: Final = TimeBasis.NONE
_CHARGE_DIFFERENCE: Final = ChargeRule.DIFFERENCE
_CHARGE_FULL: Final = ChargeRule.FULL
_CHARGE_NOTHING: Final = ChargeRule.NOTHING
_CREDIT_ALL: Final = CreditRule.ALL
_CREDIT_NOTHING: Final = CreditRule.NOTHING
_LINE_CHARGE: Final = LineKind.CHARGE
_LINE_CREDIT: Final = LineKind.CREDIT
_LINE_DIFFERENCE: Final = LineKind.DIFFERENCE


class ChangeFacts(NamedTuple):
    """Hold what the lines of one change are made of."""

    policy: ProrationPolicy
    currency: str
    zone: str
    terms: ChangeTerms
    spans: ChangeSpans
    numbers: ChangeNumbers

    def credit_line(
        self, paid_for: BillingPeriod, unused: BillingPeriod, whole: BillingPeriod
    ) -> ProrationLine | None:
        """Return the line of what is given back, or None where there is nothing to give."""
        policy, currency, zone, terms, spans, numbers = self
        if not terms.paid or policy.credit is _CREDIT_NOTHING:
            return None
        amount, total = credit_basis(policy, terms, spans)
        units, basis = spans.unused, spans.basis
        if policy.credit is _CREDIT_ALL:
            amount, units, total, basis, unused = terms.paid, 1, 1, _BASIS_NONE, paid_for
        return ProrationLine(
            kind=_LINE_CREDIT,
            currency=currency,
            amount_units=amount,
            units=units,
            total=total,
            digits=terms.digits,
            rounded_units=-numbers.credit,
            basis=basis,
            rule=policy.name,
            scale=terms.scale,
            service=unused,
            whole=whole,
            zone=zone,
            ratio_digits=None if basis is _BASIS_NONE else policy.ratio_digits,
            capped=numbers.capped,
        )

    def charge_line(self, rest: BillingPeriod, new_whole: BillingPeriod) -> ProrationLine | None:
        """Return the line of what is charged, or None where nothing is or the price is zero."""
        policy, currency, zone, terms, spans, numbers = self
        difference = policy.charge is _CHARGE_DIFFERENCE
        owed = terms.new_price or (difference and terms.paid)
        if not owed or policy.charge is _CHARGE_NOTHING:
            return None
        units, total, basis = spans.remaining, spans.new_total, spans.new_basis
        less = (0, 0, 1)
        if difference:
            amount, part_of = credit_basis(policy, terms, spans)
            less = (amount, spans.unused, part_of)
        if policy.charge is _CHARGE_FULL:
            units, total, basis = 1, 1, _BASIS_NONE
        return ProrationLine(
            kind=_LINE_DIFFERENCE if difference else _LINE_CHARGE,
            currency=currency,
            amount_units=terms.new_price,
            units=units,
            total=total,
            digits=terms.digits,
            rounded_units=numbers.charge,
            basis=basis,
            rule=policy.name,
            scale=terms.scale,
            service=rest,
            whole=new_whole,
            zone=zone,
            less=less,
            ratio_digits=None if basis is _BASIS_NONE else policy.ratio_digits,
            capped=difference and numbers.capped,
        )
