"""Message words: categories and markets of a provider's rate card, as a language names them.

*Owns* the word for each category, and for each market that Meta's cards name.
*Does not own* the cards: a market that is not known by name stays as its card writes it.

>>> print(message_words("marketing, Turkey", Words("tr")))
pazarlama, Türkiye
"""

from typing import Final

from monochat_billing.rating import MessageCategory
from monochat_billing.translations import mark_in
from monochat_billing.wording import Words

__all__ = ["MARKETS", "category_words", "market_words", "message_words"]

_CATEGORY: Final = "message category"
_MARKET: Final = "market"
_CATEGORIES: Final = {
    MessageCategory.MARKETING: mark_in("message category", "marketing"),
    MessageCategory.UTILITY: mark_in("message category", "utility"),
    MessageCategory.AUTHENTICATION: mark_in("message category", "authentication"),
    MessageCategory.AUTHENTICATION_INTERNATIONAL: mark_in(
        "message category", "authentication_international"
    ),
    MessageCategory.SERVICE: mark_in("message category", "service"),
}
MARKETS: Final = frozenset(
    (
        mark_in("market", "Argentina"),
        mark_in("market", "Bangladesh"),
        mark_in("market", "Brazil"),
        mark_in("market", "Chile"),
        mark_in("market", "Colombia"),
        mark_in("market", "Egypt"),
        mark_in("market", "France"),
        mark_in("market", "Germany"),
        mark_in("market", "Hong Kong"),
        mark_in("market", "Hungary"),
        mark_in("market", "India"),
        mark_in("market", "Indonesia"),
        mark_in("market", "Iraq"),
        mark_in("market", "Israel"),
        mark_in("market", "Italy"),
        mark_in("market", "Kazakhstan"),
        mark_in("market", "Kuwait"),
        mark_in("market", "Malaysia"),
        mark_in("market", "Mexico"),
        mark_in("market", "Morocco"),
        mark_in("market", "Nepal"),
        mark_in("market", "Netherlands"),
        mark_in("market", "Nigeria"),
        mark_in("market", "North America"),
        mark_in("market", "Oman"),
        mark_in("market", "Other"),
        mark_in("market", "Pakistan"),
        mark_in("market", "Peru"),
        mark_in("market", "Poland"),
        mark_in("market", "Qatar"),
        mark_in("market", "Rest of Africa"),
        mark_in("market", "Rest of Asia Pacific"),
        mark_in("market", "Rest of Central & Eastern Europe"),
        mark_in("market", "Rest of Latin America"),
        mark_in("market", "Rest of Middle East"),
        mark_in("market", "Rest of Western Europe"),
        mark_in("market", "Romania"),
        mark_in("market", "Russia"),
        mark_in("market", "Saudi Arabia"),
        mark_in("market", "Singapore"),
        mark_in("market", "South Africa"),
        mark_in("market", "Spain"),
        mark_in("market", "Sri Lanka"),
        mark_in("market", "Turkey"),
        mark_in("market", "Ukraine"),
        mark_in("market", "United Arab Emirates"),
        mark_in("market", "United Kingdom"),
    )
)
"""The markets that Meta's rate cards name (WhatsApp Business Platform, pricing)."""


def category_words(category: MessageCategory, words: Words) -> str:
    """Name a category.

    >>> category_words(MessageCategory.AUTHENTICATION, Words("tr"))
    'kimlik doğrulama'
    """
    return words.say_in(_CATEGORY, _CATEGORIES[category])


def market_words(market: str, words: Words) -> str:
    """Name a market; one that Meta does not name stays as it is.

    >>> market_words("Rest of Western Europe", Words("tr")), market_words("Atlantis", Words("tr"))
    ('Batı Avrupa (diğer)', 'Atlantis')
    """
    return words.say_in(_MARKET, market) if market in MARKETS else market


def message_words(reason: str, words: Words) -> str:
    """Say for which kind of message a fee was, as its entry has it; other text stays as it is.

    >>> message_words("utility, Germany", Words("tr")), message_words("campaign 7", Words("tr"))
    ('bilgilendirme, Almanya', 'campaign 7')
    """
    category, comma, market = reason.partition(", ")
    if not comma or category not in MessageCategory.__members__.values():
        return reason
    return f"{category_words(MessageCategory(category), words)}, {market_words(market, words)}"
