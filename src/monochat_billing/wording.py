"""Wording: sentences, amounts, counts and days as one language writes them.

*Owns* the one value that everything which renders takes along: :class:`Words`.
*Does not own* the sentences (``translations``) or the marks of amounts (``money_text``).

>>> from monochat_billing.money import money
>>> words = Words("tr")
>>> words.say("next renewal {at}: {amount}", at="...", amount=words.money(money("1499", "TRY")))
'sonraki yenileme ...: 1.499,00 TRY'
>>> words.day(date(2026, 10, 5)), words.number(10_000), words.interval(YEAR)
('5 Ekim 2026', '10.000', 'yıllık')
"""

from datetime import date, datetime
from fractions import Fraction
from typing import Final, final

import attrs
from babel.core import Locale

from monochat_billing.instants import check_zone
from monochat_billing.intervals import DAY, HALF_YEAR, MONTH, QUARTER, WEEK, YEAR, BillingInterval
from monochat_billing.money import DEFAULT_SCALE, Money, from_units, minor_digits
from monochat_billing.money_text import format_amount, format_count, format_money
from monochat_billing.rounding import round_ratio
from monochat_billing.translations import (
    check_locale,
    mark,
    mark_in,
    translate,
    translate_in,
    translate_plural,
)

__all__ = ["ENGLISH", "Words"]

# Short and long days, as strftime cannot: its names are the machine's.
_SHORT_DAY: Final = {"en": "%Y-%m-%d", "tr": "%d.%m.%Y"}
_LOCALES: Final = {"en": "en_US", "tr": "tr_TR"}

_INTERVALS: Final = {
    DAY: mark("daily"),
    WEEK: mark("weekly"),
    MONTH: mark("monthly"),
    QUARTER: mark("quarterly"),
    HALF_YEAR: mark("half-yearly"),
    YEAR: mark("yearly"),
}

# What limits, features and meters are called where they have the usual names.
_TERMS: Final = frozenset(
    (
        mark_in("term", "api"),
        mark_in("term", "automations"),
        mark_in("term", "broadcasts"),
        mark_in("term", "channels"),
        mark_in("term", "contacts"),
        mark_in("term", "guidance"),
        mark_in("term", "hours"),
        mark_in("term", "messages"),
        mark_in("term", "monochat.message"),
        mark_in("term", "response-time"),
        mark_in("term", "single-sign-on"),
        mark_in("term", "users"),
    )
)


@final
@attrs.frozen
class Words:
    """Write in one language: sentences, amounts of money, counts, days and instants.

    Raises:
        InvalidInput: there are no sentences in that language.

    >>> from monochat_billing.money import money
    >>> Words("en").money(money("-1499", "TRY")), Words("tr").money(money("0.0009", "USD"))
    ('-1,499.00 TRY', '0,0009 USD')
    """

    locale: str = attrs.field(default="en", converter=check_locale)

    def say(self, text: str, /, **values: object) -> str:
        """Give a marked sentence, with its named places filled."""
        return translate(text, self.locale, **values)

    def say_in(self, context: str, text: str, /, **values: object) -> str:
        """Give a marked sentence of a context, with its named places filled."""
        return translate_in(context, text, self.locale, **values)

    def say_plural(self, one: str, many: str, count: int, /, **values: object) -> str:
        """Give the form that ``count`` takes; in the sentence it is ``{count}``, grouped."""
        return translate_plural(one, many, count, self.locale, count=self.number(count), **values)

    def term(self, name: str) -> str:
        """Name a limit, a feature or a meter; what has no usual name stays as it is.

        >>> Words("tr").term("users"), Words("en").term("users"), Words("tr").term("robots")
        ('kullanıcı', 'users', 'robots')
        """
        return self.say_in("term", name) if name in _TERMS else name

    def rule(self, name: str) -> str:
        """Name a rule of the default rule table; one of the host's own stays as it is.

        >>> Words("tr").rule("upgrade at once, prorated"), Words("tr").rule("promo")
        ('hemen yükseltme, orantılı', 'promo')
        """
        return self.say_in("rule", name) if name else ""

    def amount(self, value: Money) -> str:
        """Write an amount without its currency, with at least the minor digits.

        >>> from monochat_billing.money import money
        >>> Words("tr").amount(money("1499", "TRY"))
        '1.499,00'
        """
        return format_amount(value, _LOCALES[self.locale])

    def money(self, value: Money) -> str:
        """Write an amount and its currency's code."""
        return f"{self.amount(value)} {value.currency.code}"

    def with_symbol(self, value: Money) -> str:
        """Write an amount with its currency's symbol, as a sentence about one amount does.

        >>> from monochat_billing.money import money
        >>> Words("tr").with_symbol(money("1499", "TRY"))
        '₺1.499,00'
        """
        return format_money(value, _LOCALES[self.locale])

    def rate(self, value: Fraction, currency: str) -> str:
        """Write a rate of money for people: half-up to the minor digits, to six below one.

        >>> from fractions import Fraction
        >>> Words("tr").rate(Fraction(10000, 3), "TRY"), Words().rate(Fraction(1, 300), "TRY")
        ('3.333,33 TRY', '0.003333 TRY')
        """
        digits = minor_digits(currency) if abs(value) >= 1 else DEFAULT_SCALE
        units = round_ratio(value.numerator * 10**digits, value.denominator)
        return self.money(from_units(units, currency, digits))

    def number(self, value: int) -> str:
        """Write a whole number in groups."""
        return format_count(value, _LOCALES[self.locale])

    def day(self, day: date) -> str:
        """Write a calendar day with the name of its month."""
        month = Locale.parse(_LOCALES[self.locale]).months["format"]["wide"][day.month]
        return f"{day.day} {month} {day.year}"

    def short_day(self, day: date) -> str:
        """Write a calendar day in digits, as a column of days wants it.

        >>> Words("en").short_day(date(2026, 10, 5)), Words("tr").short_day(date(2026, 10, 5))
        ('2026-10-05', '05.10.2026')
        """
        return day.strftime(_SHORT_DAY[self.locale])

    def local_day(self, instant: datetime, zone: str) -> str:
        """Write the local calendar day of an instant, with the name of its month."""
        return self.day(instant.astimezone(check_zone(zone)).date())

    def local_short_day(self, instant: datetime, zone: str) -> str:
        """Write the local calendar day of an instant in digits."""
        return self.short_day(instant.astimezone(check_zone(zone)).date())

    def moment(self, instant: datetime, zone: str) -> str:
        """Write an instant as local day and minute in digits.

        >>> from datetime import UTC
        >>> Words("tr").moment(datetime(2026, 10, 5, 6, tzinfo=UTC), "Europe/Istanbul")
        '05.10.2026 09:00'
        """
        local = instant.astimezone(check_zone(zone))
        return f"{self.short_day(local.date())} {local:%H:%M}"

    def interval(self, interval: BillingInterval) -> str:
        """Name how often something recurs.

        >>> Words("en").interval(BillingInterval.parse("2 MONTH")), Words("tr").interval(MONTH)
        ('every 2 months', 'aylık')
        """
        named = _INTERVALS.get(interval)
        if named is not None:
            return self.say(named)
        if interval.months:
            return self.say_plural("every {count} month", "every {count} months", interval.months)
        return self.say_plural("every {count} day", "every {count} days", interval.days)


ENGLISH: Final = Words("en")
"""The language of the source."""
