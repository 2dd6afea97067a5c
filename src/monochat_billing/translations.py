"""Translations: the sentences of the library in the languages that it speaks.

*Owns* which languages there are, how a sentence is marked in the source, and how it is looked up in
the gettext catalogs that ship with the package (``locales/<language>/LC_MESSAGES``).
*Does not own* how amounts, days and counts are written: that is ``wording``'s. Nor the names of
products, which the catalog of what is sold brings in each language.

The English sentence in the source is the key of its translation. The language is always an
argument, never taken from the machine. ``make messages`` collects the marked sentences and
compiles the catalogs; a test holds sources, catalogs and compiled catalogs together.

>>> translate("next renewal {at}: {amount}", "tr", at="5 Kasım 2026", amount="1.499,00 TRY")
'sonraki yenileme 5 Kasım 2026: 1.499,00 TRY'
"""

from functools import lru_cache
from gettext import GNUTranslations, NullTranslations
from importlib.resources import files
from typing import Any, Final

from monochat_billing.errors import InvalidInput

__all__ = [
    "LOCALES",
    "check_locale",
    "mark",
    "mark_in",
    "mark_plural",
    "translate",
    "translate_in",
    "translate_plural",
]

LOCALES: Final = ("en", "tr")
"""The languages that there are sentences in; English is that of the source."""

_SOURCE: Final = LOCALES[0]
_DOMAIN: Final = "monochat_billing"


def check_locale(locale: Any) -> str:  # noqa: ANN401 - whatever the caller passed
    """Give ``locale`` if there are sentences in it.

    Raises:
        InvalidInput: there are none.

    >>> check_locale("de")
    Traceback (most recent call last):
    monochat_billing.errors.InvalidInput: locale: 'de' has no sentences; use 'en' or 'tr'
    """
    if locale not in LOCALES:
        known = " or ".join(map(repr, LOCALES))
        raise InvalidInput("locale", locale, "has no sentences", f"use {known}")
    return str(locale)


def mark(text: str) -> str:
    """Give ``text`` as it is, marked for translation where it is looked up later.

    >>> translate(mark("plan"), "tr")
    'plan'
    """
    return text


def mark_in(context: str, text: str) -> str:  # noqa: ARG001 - read from the source, not at run time
    """Give ``text`` as it is, marked for translation in a context that tells it from its like.

    >>> translate_in("proration line", mark_in("proration line", "Charge"), "tr")
    'ücret'
    """
    return text


def mark_plural(one: str, many: str) -> tuple[str, str]:
    """Give both forms as they are, marked for translation where they are looked up later.

    >>> translate_plural(*mark_plural("every {count} day", "every {count} days"), 2, "tr", count=2)
    '2 günde bir'
    """
    return one, many


def translate(text: str, locale: str, /, **values: object) -> str:
    """Give a marked sentence in a language, with its named places filled.

    Raises:
        InvalidInput: there are no sentences in that language.

    >>> translate("next renewal {at}: {amount}", "en", at="2026-11-05", amount="1,499.00 TRY")
    'next renewal 2026-11-05: 1,499.00 TRY'
    """
    return _filled(_catalog(check_locale(locale)).gettext(text), values)


def translate_in(context: str, text: str, locale: str, /, **values: object) -> str:
    """Give a marked sentence of a context in a language, with its named places filled.

    Raises:
        InvalidInput: there are no sentences in that language.
    """
    return _filled(_catalog(check_locale(locale)).pgettext(context, text), values)


def translate_plural(one: str, many: str, count: int, locale: str, /, **values: object) -> str:
    """Give the form of a marked sentence that ``count`` takes, with its named places filled.

    Raises:
        InvalidInput: there are no sentences in that language.

    >>> translate_plural("{count} day", "{count} days", 2, "en", count=2)
    '2 days'
    """
    return _filled(_catalog(check_locale(locale)).ngettext(one, many, count), values)


def _filled(text: str, values: dict[str, object]) -> str:
    return text.format_map(values) if values else text


@lru_cache(maxsize=len(LOCALES))
def _catalog(locale: str) -> NullTranslations:
    """Read a compiled catalog that is a part of the package, once."""
    if locale == _SOURCE:
        return NullTranslations()
    place = files(__package__) / "locales" / locale / "LC_MESSAGES" / f"{_DOMAIN}.mo"
    with place.open("rb") as compiled:
        return GNUTranslations(compiled)
