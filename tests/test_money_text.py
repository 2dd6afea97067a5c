"""Money as text: shown exactly, and read back as the very amount."""

import decimal

import pytest
from hypothesis import given, strategies as st

from monochat_billing.errors import InvalidInput
from monochat_billing.money import MAX_UNITS, from_units, money
from monochat_billing.money_text import format_money, parse_money

UNITS = st.integers(min_value=-MAX_UNITS, max_value=MAX_UNITS)
CURRENCIES = st.sampled_from(["TRY", "USD", "EUR", "JPY", "KWD", "CLF", "HUF"])
LOCALES = st.sampled_from(["tr_TR", "en_US", "de_DE", "fr_FR", "de_CH", "ja_JP", "pl_PL"])


class TestDisplay:
    def test_turkish(self) -> None:
        """The amount as a Turkish invoice writes it."""
        assert format_money(money("1234.5", "TRY")) == "₺1.234,50"
        assert format_money(money("-1234567.5", "TRY")) == "-₺1.234.567,50"
        assert format_money(money("0.0009", "USD")) == "$0,0009"

    @given(units=UNITS, currency=CURRENCIES, locale=LOCALES)
    def test_formatting_and_parsing_round_trip(
        self, units: int, currency: str, locale: str
    ) -> None:
        """What is shown reads back as the very amount, in every locale."""
        value = from_units(units, currency)
        assert parse_money(format_money(value, locale), currency, locale) == value

    @pytest.mark.parametrize("text", ["1.5", "1,2,3", "abc", "", "₺", "--1", "1-", "9" * 80, "€5"])
    def test_refuses_what_is_no_amount(self, text: str) -> None:
        """A wrong group is refused rather than guessed at."""
        if text == "1-":
            assert parse_money(text, "TRY") == money("-1", "TRY")
            return
        with pytest.raises(InvalidInput) as refused:
            parse_money(text, "TRY")
        assert refused.value.field == "text"

    def test_refuses_unknown_locales(self) -> None:
        """A locale is named, never taken from the machine."""
        for locale in ("xx_YY", "", "tr-TR-x"):
            with pytest.raises(InvalidInput) as refused:
                format_money(money("1", "TRY"), locale)
            assert refused.value.field == "locale"

    def test_the_decimal_context_decides_nothing(self) -> None:
        """Two digits of ambient precision change neither what is shown nor what is read."""
        value = money("123456.789012", "TRY")
        with decimal.localcontext(decimal.Context(prec=2, traps=[decimal.Inexact])):
            assert format_money(value, "en_US") == "TRY123,456.789012"
            assert parse_money("TRY123,456.789012", "TRY", "en_US") == value

    @pytest.mark.parametrize(
        ("text", "problem"),
        [("0,0000000000001", "has more than 12 decimals"), ("9" * 60, "is too large")],
    )
    def test_refuses_what_is_too_fine_or_too_large(self, text: str, problem: str) -> None:
        """The text is named, whichever rule of amounts it breaks."""
        with pytest.raises(InvalidInput, match=problem) as refused:
            parse_money(text, "TRY")
        assert refused.value.field == "text"
