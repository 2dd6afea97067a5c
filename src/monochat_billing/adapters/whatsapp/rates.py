"""Meta's rate cards and markets, read from data files of this package that name their source."""

import json
import re
from collections.abc import Mapping
from datetime import date
from functools import cache
from importlib import resources
from typing import Any, Final

from monochat_billing.errors import InvalidInput
from monochat_billing.message_pricing import MessageRates
from monochat_billing.message_tiers import CardTiers
from monochat_billing.money import DEFAULT_SCALE
from monochat_billing.rating import MessageCategory, RateCard, RateCards

__all__ = ["METER", "market_of", "markets_of", "meta_message_rates", "meta_rate_cards"]

METER: Final = "whatsapp.message"
"""The meter of every usage record and rate card of WhatsApp."""

_AMOUNT: Final = re.compile(r"([0-9]+)(?:\.([0-9]{1,6}))?", re.ASCII)
_PHONE_NUMBER: Final = re.compile(r"\+?([1-9][0-9]{6,14})", re.ASCII)


def _read_data(name: str) -> Any:  # noqa: ANN401 - JSON
    text = resources.files("monochat_billing").joinpath("data", name).read_text(encoding="utf-8")
    return json.loads(text)


def _micro_units(amount: str | None) -> int | None:
    if amount is None:
        return None
    match = _AMOUNT.fullmatch(amount)
    if match is None:
        raise InvalidInput("rate", amount, "is not a rate", "write it like '0.0109'")
    return int(match[1]) * 10**DEFAULT_SCALE + int((match[2] or "").ljust(DEFAULT_SCALE, "0"))


@cache
def meta_rate_cards() -> RateCards:
    """Return Meta's rate cards in USD: those of 2026-07-01 and of 2026-10-01.

    They are read from the package's ``data/whatsapp_rates.json``, which names its source. Taxes
    and mark-ups are not in them. Other currencies and dates are not shipped: build a ``RateCard``.

    >>> cards = meta_rate_cards()
    >>> [card.name for card in cards.cards]
    ['meta-usd-2026-07-01', 'meta-usd-2026-10-01']
    >>> cards.cards[-1].units_for("Turkey", MessageCategory.MARKETING)
    10900
    """
    data = _read_data("whatsapp_rates.json")
    source = f"{data['source']['publisher']}: {data['source']['primary']}"
    return RateCards(
        cards=tuple(
            RateCard(
                name=f"meta-{card['currency'].lower()}-{card['effective_from']}",
                meter=METER,
                currency=card["currency"],
                effective_on=date.fromisoformat(card["effective_from"]),
                rates={
                    market: {MessageCategory(key): _micro_units(row[key]) for key in row}
                    for market, row in card["markets"].items()
                },
                source=source,
            )
            for card in data["cards"]
        )
    )


@cache
def meta_message_rates() -> MessageRates:
    """Return Meta's rate cards in USD with the volume tiers and the regimes that go with them.

    Volume tiers are shipped for the card of 2026-10-01 and for the markets that the data file
    lists; every other market, and the card of July, has its base rate throughout.

    >>> rates = meta_message_rates()
    >>> october = rates.cards.cards[-1]
    >>> regime = rates.regimes.in_force(october.effective_on)
    >>> ladder = rates.ladder(october, "Germany", MessageCategory.UTILITY, regime)
    >>> ladder.steps(99_999, 2) if ladder else ()
    ((1, 1, 55000), (2, 1, 52300))
    """
    tiers = _read_data("whatsapp_rates.json")["volume_tiers"]
    rates = {
        market: {
            MessageCategory(key): [(one["to"], _micro_units(one["rate"]) or 0) for one in rows]
            for key, rows in row.items()
        }
        for market, row in tiers["markets"].items()
    }
    card = f"meta-{tiers['currency'].lower()}-{tiers['effective_from']}"
    return MessageRates(cards=meta_rate_cards(), tiers=(CardTiers(card=card, rates=rates),))


@cache
def _markets() -> tuple[Mapping[str, tuple[str, ...]], int, str]:
    """Return calling code to markets, the most digits that a code has, and the fallback."""
    data = _read_data("whatsapp_markets.json")
    codes = {code: tuple(markets) for code, markets in data["codes"].items()}
    return codes, max(map(len, codes)), data["fallback"]


def markets_of(phone_number: str) -> tuple[str, ...]:
    """Return the markets that a phone number's calling code belongs to, the most specific first.

    The first of them that a card prices is the number's market while that card rules.

    Raises:
        InvalidInput: when the text is no phone number.

    >>> markets_of("8800000000000")
    ('Bangladesh', 'Rest of Asia Pacific')
    """
    match = _PHONE_NUMBER.fullmatch(phone_number)
    if match is None:
        raise InvalidInput(
            "phone_number",
            f"text of {len(phone_number)} characters",
            "is not an international phone number",
            "pass 7 to 15 digits that begin with the calling code",
        )
    codes, longest, fallback = _markets()
    number = match[1]
    for length in range(longest, 0, -1):
        markets = codes.get(number[:length])
        if markets is not None:
            return markets
    return (fallback,)


def market_of(phone_number: str, card: RateCard | None = None) -> str:
    """Return Meta's market of a phone number in international form, with or without ``+``.

    The longest calling code that the number begins with decides: +1 809 is not North America, +7 7
    is not Russia. A market that got rates of its own belongs to its region on an older ``card``;
    without a card, the newest division counts. Numbers of no listed code are of the market
    ``Other``.

    Raises:
        InvalidInput: when the text is no phone number, or when the card has no market for it.

    >>> market_of("+90 000 000 00 00".replace(" ", ""))
    'Turkey'
    >>> july, october = meta_rate_cards().cards
    >>> market_of("8800000000000", july), market_of("8800000000000", october)
    ('Rest of Asia Pacific', 'Bangladesh')
    """
    found = markets_of(phone_number)
    for market in found:
        if card is None or market in card.rates:
            return market
    raise InvalidInput(
        "phone_number",
        found[0],
        f"is a market that the rate card {card.name if card else ''} does not have",
        "use a card that prices it",
    )
