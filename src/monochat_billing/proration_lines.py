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

from datetime import date, datetime, timedelta
from enum import StrEnum
from fractions import Fraction
from typing import Final, TypeAlias, final

import attrs

from monochat_billing.errors import InvalidInput
from monochat_billing.instants import check_zone
from monochat_billing.money import DEFAULT_SCALE, Money, from_units
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
from monochat_billing.translations import mark_in, mark_plural
from monochat_billing.wording import Words

__all__ = ["ChangeFacts", "ChangeProration", "LineKind", "ProrationLine", "change_lines"]


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


_DAYS: Final = mark_plural(
    "{noun} for {units} of {total} day{span}", "{noun} for {units} of {total} days{span}"
)
_SHARES: Final = {
    TimeBasis.SECOND: mark_plural(
        "{noun} for {units} of {total} second{span}", "{noun} for {units} of {total} seconds{span}"
    ),
    TimeBasis.LOCAL_DAY: _DAYS,
    TimeBasis.LOCAL_DAY_INCLUSIVE: _DAYS,
    TimeBasis.THIRTY_DAY_MONTH: mark_plural(
        "{noun} for {units} of {total} day (30-day months){span}",
        "{noun} for {units} of {total} days (30-day months){span}",
    ),
    TimeBasis.WHOLE_PERIOD: mark_plural(
        "{noun} for {units} of {total} period{span}", "{noun} for {units} of {total} periods{span}"
    ),
    TimeBasis.NONE: mark_plural(
        "{noun} for {units} of {total} whole{span}", "{noun} for {units} of {total} wholes{span}"
    ),
}
_KIND: Final = "proration line"
_KINDS: Final = {
    LineKind.SHARE: mark_in("proration line", "Share"),
    LineKind.CREDIT: mark_in("proration line", "Credit"),
    LineKind.CHARGE: mark_in("proration line", "Charge"),
    LineKind.DIFFERENCE: mark_in("proration line", "Difference"),
}
_NOTHING_LESS: Final = (0, 0, 1)
_DAY: Final = timedelta(days=1)
_DAY_BASES: Final = (TimeBasis.LOCAL_DAY, TimeBasis.LOCAL_DAY_INCLUSIVE)


# Every change makes two of these. Without slots, and told its fields by position, a line is made in
# a quarter of the time; only `change_lines`, below, does not name them.
@final
@attrs.frozen(slots=False)
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
    less: tuple[int, int, int] = _NOTHING_LESS
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

        The days that it names are those that it counts, the last one included.

        Raises:
            InvalidInput: the locale is another.

        >>> line = ProrationLine(
        ...     kind=LineKind.CREDIT, currency="TRY", amount_units=1000_000000, units=15, total=31,
        ...     digits=2, rounded_units=-48387, basis=TimeBasis.LOCAL_DAY, rule="standard",
        ... )
        >>> print(line.explain("tr"))
        31 günün 15 günü için iade: ₺1.000,00 x 15/31 = -₺483,87 (kural standard)
        """
        words = Words(locale)
        product = f"{self._shown(self.amount_units, self.scale, words)} x {self.units}/{self.total}"
        if self.kind is LineKind.DIFFERENCE:
            less = self._shown(self.less[0], self.scale, words)
            product = f"{product} - {less} x {self.less[1]}/{self.less[2]}"
        head = words.say_plural(
            *_SHARES[self.basis],
            self.total,
            noun=words.say_in(_KIND, _KINDS[self.kind]),
            units=self.units,
            total=self.total,
            span=self._days(words),
        )
        if self.capped:
            tail = words.say("rule {rule}, capped by what was paid", rule=self.rule)
        else:
            tail = words.say("rule {rule}", rule=self.rule)
        return f"{head}: {product} = {self._shown(self.rounded_units, self.digits, words)} ({tail})"

    def _shown(self, units: int, scale: int, words: Words) -> str:
        if not self.currency:
            return str(units)
        text = words.with_symbol(from_units(units, self.currency, scale))
        return text.replace(self.currency, f"{self.currency} ").replace("\u00a0", "")

    def _days(self, words: Words) -> str:
        if self.service is None:
            return ""
        first, last = map(words.short_day, self._bounds(self.service))
        return words.say(", {first} to {last}", first=first, last=last)

    def _bounds(self, service: BillingPeriod) -> tuple[date, date]:
        """Give the first and the last day that are counted, both inclusive.

        A span in seconds names the days that it touches; any other counts one end of it only, so
        that 10 days are 10 dates, whatever the wall time of the anchor.
        """
        first, last = service.first_day(self.zone), service.last_day(self.zone)
        if self.basis is TimeBasis.SECOND:
            return first, last
        whole = self.whole or service
        if self.basis is TimeBasis.LOCAL_DAY_INCLUSIVE and service.start != whole.start:
            first += _DAY
        if self.basis in _DAY_BASES:
            last = first + (self.units - 1) * _DAY
        else:
            last = service.end.astimezone(check_zone(self.zone)).date() - _DAY
        return first, max(first, last)


@final
@attrs.frozen(kw_only=True, slots=False)
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


ChangeFacts: TypeAlias = tuple[ProrationPolicy, str, str, ChangeTerms, ChangeSpans, ChangeNumbers]
"""What the lines of one change are made of; the two texts are currency and zone."""


def change_lines(
    facts: ChangeFacts,
    periods: tuple[BillingPeriod, BillingPeriod, BillingPeriod],
    at: datetime,
) -> tuple[ProrationLine, ...]:
    """Return the lines of a change: what is given back, then what is charged.

    ``periods`` are the whole, what was paid for and the new whole. A side that the policy leaves
    out, or that is about nothing, has no line.

    >>> from datetime import UTC
    >>> from monochat_billing.proration_policies import DEFAULT_POLICY
    >>> june = BillingPeriod.of_days(date(2026, 6, 1), date(2026, 7, 1), "UTC")
    >>> half = ChangeSpans(TimeBasis.LOCAL_DAY, 15, 30, 30, TimeBasis.LOCAL_DAY, 15, 30)
    >>> terms = ChangeTerms(2000, 0, 2000, 5000, 2, 2)
    >>> numbers = ChangeNumbers(credit=1000, charge=2500, capped=False)
    >>> facts = (DEFAULT_POLICY, "TRY", "UTC", terms, half, numbers)
    >>> lines = change_lines(facts, (june, june, june), datetime(2026, 6, 16, tzinfo=UTC))
    >>> [(line.kind.value, line.quantity) for line in lines]
    [('CREDIT', -1000), ('CHARGE', 2500)]
    """
    policy, _, _, terms, _, _ = facts
    whole, paid_for, new_whole = periods
    rest = BillingPeriod(start=at, end=new_whole.end)
    credit = charge = None
    if terms.paid and policy.credit is not _CREDIT_NOTHING:
        unused = rest
        if policy.credit is _CREDIT_ALL:
            unused = paid_for
        elif paid_for.end != new_whole.end:
            unused = BillingPeriod(start=at, end=paid_for.end)
        credit = _credit_line(facts, unused, whole)
    difference = policy.charge is _CHARGE_DIFFERENCE
    if policy.charge is not _CHARGE_NOTHING and (terms.new_price or (difference and terms.paid)):
        charge = _charge_line(facts, rest, new_whole)
    if credit is None:
        return () if charge is None else (charge,)
    return (credit,) if charge is None else (credit, charge)


def _credit_line(facts: ChangeFacts, unused: BillingPeriod, whole: BillingPeriod) -> ProrationLine:
    policy, currency, zone, terms, spans, numbers = facts
    units, basis = spans.unused, spans.basis
    if policy.credit is _CREDIT_ALL:
        amount, units, total, basis = terms.paid, 1, 1, _BASIS_NONE
    else:
        amount, total = credit_basis(policy, terms, spans)
    return ProrationLine(
        _LINE_CREDIT,
        currency,
        amount,
        units,
        total,
        terms.digits,
        -numbers.credit,
        basis,
        policy.name,
        terms.scale,
        unused,
        whole,
        zone,
        _NOTHING_LESS,
        None if basis is _BASIS_NONE else policy.ratio_digits,
        numbers.capped,
    )


def _charge_line(
    facts: ChangeFacts, rest: BillingPeriod, new_whole: BillingPeriod
) -> ProrationLine:
    policy, currency, zone, terms, spans, numbers = facts
    units, total, basis = spans.remaining, spans.new_total, spans.new_basis
    kind, less, capped = _LINE_CHARGE, _NOTHING_LESS, False
    if policy.charge is _CHARGE_DIFFERENCE:
        amount, part_of = credit_basis(policy, terms, spans)
        kind, less, capped = _LINE_DIFFERENCE, (amount, spans.unused, part_of), numbers.capped
    elif policy.charge is _CHARGE_FULL:
        units, total, basis = 1, 1, _BASIS_NONE
    return ProrationLine(
        kind,
        currency,
        terms.new_price,
        units,
        total,
        terms.digits,
        numbers.charge,
        basis,
        policy.name,
        terms.scale,
        rest,
        new_whole,
        zone,
        less,
        None if basis is _BASIS_NONE else policy.ratio_digits,
        capped,
    )
