"""What the library says, in every language that it speaks."""

import importlib.util
import string
from collections.abc import Iterator
from datetime import UTC, date, datetime
from gettext import GNUTranslations
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given, strategies as st

from monochat_billing.errors import InvalidInput
from monochat_billing.intervals import DAY, MONTH, YEAR, BillingInterval
from monochat_billing.money import MAX_UNITS, from_units, money
from monochat_billing.money_text import parse_money
from monochat_billing.translations import LOCALES, check_locale, translate
from monochat_billing.wording import Words

ROOT = Path(__file__).parents[1]


def _tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location("messages_tool", ROOT / "tools" / "messages.py")
    assert spec is not None
    assert spec.loader is not None
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    return tool


TOOL = _tool()
CATALOGS: dict[str, Path] = TOOL.catalogs()


def places(text: str) -> list[str]:
    """Give the named places of a sentence."""
    return sorted({name for _, name, _, _ in string.Formatter().parse(text) if name is not None})


def pairs(catalog: Any) -> Iterator[tuple[str, str]]:  # noqa: ANN401 - Babel's
    """Give each sentence with each of its translations."""
    for message in catalog:
        if message.id:
            one = message.id if isinstance(message.id, tuple) else (message.id,)
            many = message.string if isinstance(message.string, tuple) else (message.string,)
            yield from ((one[-1], text) for text in many)


class TestTheCatalogs:
    """Each language says all that English says, and nothing else."""

    def test_there_is_one_for_each_language_but_that_of_the_source(self) -> None:
        assert ("en", *CATALOGS) == LOCALES

    @pytest.mark.parametrize("language", sorted(CATALOGS))
    def test_is_what_the_sources_say(self, language: str) -> None:
        """Nothing missing and nothing left over: make messages would change nothing."""
        path = CATALOGS[language]
        merged = TOOL.merged(TOOL.read(path, language), TOOL.collected(), language)
        assert path.read_bytes() == TOOL.po_of(merged, language), "run make messages"

    @pytest.mark.parametrize("language", sorted(CATALOGS))
    def test_is_translated_with_the_same_places(self, language: str) -> None:
        found = list(pairs(TOOL.read(CATALOGS[language], language)))
        assert found
        assert [one for one, text in found if not text] == []
        assert [one for one, text in found if places(one) != places(text)] == []

    @pytest.mark.parametrize("language", sorted(CATALOGS))
    def test_is_compiled(self, language: str) -> None:
        """Looking each sentence up gives what the catalog says."""
        path = CATALOGS[language]
        with path.with_suffix(".mo").open("rb") as file:
            compiled = GNUTranslations(file)
        for message in TOOL.read(path, language):
            if not message.id:
                continue
            if isinstance(message.id, tuple):
                assert (compiled.ngettext(message.id[0], message.id[1], 1),) == tuple(
                    message.string[:1]
                )
            elif message.context:
                assert compiled.pgettext(message.context, message.id) == message.string
            else:
                assert compiled.gettext(message.id) == message.string

    def test_a_sentence_that_is_not_marked_is_found_missing(self) -> None:
        """The check sees what it is there for."""
        template = TOOL.collected()
        template.add("a sentence that nobody has translated")
        path = CATALOGS["tr"]
        merged = TOOL.merged(TOOL.read(path, "tr"), template, "tr")
        assert path.read_bytes() != TOOL.po_of(merged, "tr")


class TestLanguages:
    """The language is named."""

    @pytest.mark.parametrize("locale", ["de", "", "TR", "tr_TR", None, 7])
    def test_refuses_what_it_has_no_sentences_in(self, locale: Any) -> None:  # noqa: ANN401
        with pytest.raises(InvalidInput, match="has no sentences; use 'en' or 'tr'"):
            check_locale(locale)
        with pytest.raises(InvalidInput):
            Words(locale)

    def test_the_machine_decides_nothing(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in ("LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG"):
            monkeypatch.setenv(name, "tr_TR.UTF-8")
        assert translate("monthly", "en") == "monthly"
        monkeypatch.setenv("LANGUAGE", "en")
        assert translate("monthly", "tr") == "aylık"


class TestWords:
    """Amounts, counts and days as a language writes them."""

    def test_turkish(self) -> None:
        words = Words("tr")
        assert words.money(money("1499", "TRY")) == "1.499,00 TRY"
        assert words.money(money("-0.0009", "USD")) == "-0,0009 USD"
        assert words.with_symbol(money("1499", "TRY")) == "₺1.499,00"
        assert words.number(1_234_567) == "1.234.567"
        assert words.day(date(2026, 8, 30)) == "30 Ağustos 2026"
        assert words.short_day(date(2026, 8, 30)) == "30.08.2026"

    def test_english(self) -> None:
        words = Words()
        assert words.money(money("1499", "TRY")) == "1,499.00 TRY"
        assert words.number(-1_234_567) == "-1,234,567"
        assert words.day(date(2026, 8, 30)) == "30 August 2026"

    def test_a_day_is_the_accounts(self) -> None:
        """Late on the fourth in London is the fifth in Istanbul."""
        late = datetime(2026, 10, 4, 22, 30, tzinfo=UTC)
        assert Words("tr").local_day(late, "Europe/Istanbul") == "5 Ekim 2026"
        assert Words().moment(late, "Europe/Istanbul") == "2026-10-05 01:30"
        assert Words().moment(late, "UTC") == "2026-10-04 22:30"

    @pytest.mark.parametrize(
        ("interval", "english", "turkish"),
        [
            (MONTH, "monthly", "aylık"),
            (YEAR, "yearly", "yıllık"),
            (DAY, "daily", "günlük"),
            (BillingInterval.parse("2 MONTH"), "every 2 months", "2 ayda bir"),
            (BillingInterval.parse("2 YEAR"), "every 24 months", "24 ayda bir"),
            (BillingInterval.parse("10 DAY"), "every 10 days", "10 günde bir"),
        ],
        ids=str,
    )
    def test_intervals(self, interval: BillingInterval, english: str, turkish: str) -> None:
        assert (Words().interval(interval), Words("tr").interval(interval)) == (english, turkish)

    @given(units=st.integers(-MAX_UNITS, MAX_UNITS), locale=st.sampled_from(["en", "tr"]))
    def test_amounts_are_written_exactly(self, units: int, locale: str) -> None:
        """What is shown reads back as the very amount."""
        value = from_units(units, "TRY")
        region = {"en": "en_US", "tr": "tr_TR"}[locale]
        assert parse_money(Words(locale).money(value), "TRY", region) == value
