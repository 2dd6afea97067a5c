"""Message regimes: which messages cost nothing, by the rules of the day.

*Owns* Meta's rules as dated data (what a window frees, what is free by category, how many service
messages of a month are), and when an authentication message counts as an international one.
*Does not own* rates, volume tiers, or whether a window is open.

A regime rules from midnight of its day in the WhatsApp Business Account's zone until the next one.
The rules of conversations, which ended on 2025-06-30, are left out: what was sent before is
refused rather than priced by rules that were not its own. Where the provider's own flag is known,
it decides, and these rules are not asked.

Sources: Meta, WhatsApp Business Platform, "Pricing" and "Pricing updates"; that the rules changed
on these days is also said by several public transcriptions of those pages.

>>> september, october = (META_REGIMES.in_force(date(2026, month, 1)) for month in (9, 10))
>>> september.free_reason(MessageCategory.UTILITY, in_window=True).value
'WINDOW'
>>> october.free_reason(MessageCategory.UTILITY, in_window=True) is None
True
>>> october.free_reason(MessageCategory.SERVICE, in_window=True, free_used=999).value
'ALLOWANCE'
>>> october.free_reason(MessageCategory.SERVICE, in_window=True, free_used=1000) is None
True
"""

from bisect import bisect_right
from collections.abc import Iterable
from datetime import date, datetime
from enum import StrEnum
from typing import Final, final

import attrs

from monochat_billing.errors import InvalidInput
from monochat_billing.quantities import exact_count
from monochat_billing.rating import MessageCategory, RateCard
from monochat_billing.translations import mark, translate

__all__ = [
    "META_REGIMES",
    "FreeReason",
    "InternationalSender",
    "MessageRegime",
    "MessageRegimes",
    "free_words",
    "month_of",
    "priced_category",
]


class FreeReason(StrEnum):
    """Say why a message costs nothing."""

    PROVIDER = "PROVIDER"
    """The provider's flag says so."""
    ENTRY_POINT = "ENTRY_POINT"
    """A free entry point window was open: everything in it is free."""
    WINDOW = "WINDOW"
    """A customer service window was open, and the regime frees the category in it."""
    CATEGORY = "CATEGORY"
    """The regime charges nothing for the category."""
    ALLOWANCE = "ALLOWANCE"
    """It is one of the month's free service messages of its number."""


_WORDS: Final = {
    FreeReason.PROVIDER: mark("free by the provider's flag"),
    FreeReason.ENTRY_POINT: mark("free in an entry point window"),
    FreeReason.WINDOW: mark("free in a customer service window"),
    FreeReason.CATEGORY: mark("free by category"),
    FreeReason.ALLOWANCE: mark("free by the month's allowance"),
}


def free_words(reason: FreeReason, locale: str = "en") -> str:
    """Return a reason in words, in English (``en``) or Turkish (``tr``).

    Raises:
        InvalidInput: the locale is another.

    >>> free_words(FreeReason.WINDOW)
    'free in a customer service window'
    """
    return translate(_WORDS[reason], locale)


def _check_day(field: str, value: object) -> None:
    if not isinstance(value, date) or isinstance(value, datetime):
        raise InvalidInput(field, value, "is not a calendar day", "pass a date, not an instant")


def _categories(value: Iterable[MessageCategory]) -> frozenset[MessageCategory]:
    return frozenset(MessageCategory(one) for one in value)


def month_of(day: date) -> date:
    """Return the first day of a local calendar month, which stands for the month.

    >>> month_of(date(2026, 10, 31)).isoformat()
    '2026-10-01'
    """
    return day.replace(day=1)


@final
@attrs.frozen(kw_only=True)
class MessageRegime:
    """Hold the rules from ``effective_on``, a local day, on.

    ``free`` are the categories that cost nothing, ``free_in_window`` those that cost nothing while
    a customer service window is open. ``free_service_messages`` is how many service messages of a
    business phone number are free in each calendar month; what is not used is lost. ``tiered`` are
    the categories that volume tiers are counted for. A free entry point window frees every message
    under every regime.

    Raises:
        InvalidInput: naming the field that cannot be right.
    """

    name: str
    effective_on: date
    free: frozenset[MessageCategory] = attrs.field(default=frozenset(), converter=_categories)
    free_in_window: frozenset[MessageCategory] = attrs.field(
        default=frozenset(), converter=_categories
    )
    free_service_messages: int = 0
    tiered: frozenset[MessageCategory] = attrs.field(default=frozenset(), converter=_categories)
    source: str = attrs.field(default="", repr=False)

    def __attrs_post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name.strip():
            raise InvalidInput("name", self.name, "is not a name", "pass text that is not blank")
        _check_day("effective_on", self.effective_on)
        exact_count(self.free_service_messages, field="free_service_messages")

    def free_reason(
        self,
        category: MessageCategory,
        *,
        in_window: bool = False,
        in_entry_point: bool = False,
        free_used: int = 0,
    ) -> FreeReason | None:
        """Return why a message of this category costs nothing, or None where it is charged.

        ``free_used`` is how many free service messages its number has had this month. What a
        window frees leaves the month's free messages untouched.
        """
        if in_entry_point:
            return FreeReason.ENTRY_POINT
        if category in self.free:
            return FreeReason.CATEGORY
        if in_window and category in self.free_in_window:
            return FreeReason.WINDOW
        if category is MessageCategory.SERVICE and free_used < self.free_service_messages:
            return FreeReason.ALLOWANCE
        return None


def _by_day(regimes: Iterable[MessageRegime]) -> tuple[MessageRegime, ...]:
    return tuple(sorted(regimes, key=lambda regime: regime.effective_on))


@final
@attrs.frozen(kw_only=True)
class MessageRegimes:
    """Hold the history of the rules: each regime rules from its day until the next one's.

    Raises:
        InvalidInput: naming ``regimes``, when there is none or two start on one day.
    """

    regimes: tuple[MessageRegime, ...] = attrs.field(converter=_by_day)
    _days: tuple[date, ...] = attrs.field(init=False, repr=False, eq=False)

    def __attrs_post_init__(self) -> None:
        days = tuple([regime.effective_on for regime in self.regimes])
        if not days or len(set(days)) != len(days):
            raise InvalidInput(
                "regimes", [str(day) for day in days], "has none or two on a day", "give each a day"
            )
        object.__setattr__(self, "_days", days)

    def in_force(self, on: date) -> MessageRegime:
        """Return the regime that rules on a local day.

        Raises:
            InvalidInput: the day is before the first regime.

        >>> META_REGIMES.in_force(date(2025, 6, 30))  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        monochat_billing.errors.InvalidInput: on: '2025-06-30' is before the first regime, ...
        """
        place = bisect_right(self._days, on)
        if not place:
            first = self.regimes[0]
            raise InvalidInput(
                "on",
                on.isoformat(),
                f"is before the first regime, {first.name} of {first.effective_on}",
                "price what was sent under conversations by the provider's invoice",
            )
        return self.regimes[place - 1]


_TIERED: Final = frozenset(
    {
        MessageCategory.UTILITY,
        MessageCategory.AUTHENTICATION,
        MessageCategory.AUTHENTICATION_INTERNATIONAL,
    }
)

META_REGIMES: Final = MessageRegimes(
    regimes=(
        MessageRegime(
            name="per-message-2025-07",
            effective_on=date(2025, 7, 1),
            free=frozenset({MessageCategory.SERVICE}),
            free_in_window=frozenset({MessageCategory.UTILITY}),
            tiered=_TIERED,
            source="per-message prices; service and, in the window, utility are free; volume tiers",
        ),
        MessageRegime(
            name="service-billed-2026-10",
            effective_on=date(2026, 10, 1),
            free_service_messages=1000,
            tiered=_TIERED,
            source="service is billed after 1,000 free per number and month; utility always is",
        ),
    )
)
"""Meta's rules since 2025-07-01."""


# ----------------------------------------------------------------- international authentication


@final
@attrs.frozen(kw_only=True)
class InternationalSender:
    """Hold that a business is charged international rates for authentication messages.

    Meta says which business is eligible: one that sends more than 750,000 messages in 30 days, to
    recipients outside the country of its primary location, ``home_market``. ``effective_on`` is the
    local day from which it is.

    Raises:
        InvalidInput: ``effective_on`` is no day.

    >>> InternationalSender(home_market="Turkey", effective_on=date(2026, 10, 1)).home_market
    'Turkey'
    """

    home_market: str
    effective_on: date

    def __attrs_post_init__(self) -> None:
        _check_day("effective_on", self.effective_on)


def priced_category(
    category: MessageCategory,
    market: str,
    card: RateCard,
    *,
    on: date,
    sender: InternationalSender | None = None,
) -> MessageCategory:
    """Return the category whose rate a message has: international for who is eligible.

    That is so for an authentication message to another market than the sender's own, from the day
    of its eligibility on, where the card has an international rate. A market without one, such as
    Turkey, keeps the plain rate.

    Raises:
        UnknownName: the card has no such market.

    >>> card = RateCard(
    ...     name="c", meter="m", currency="USD", effective_on=date(2026, 10, 1),
    ...     rates={"India": {"authentication": 1400, "authentication_international": 30400}},
    ... )
    >>> sender = InternationalSender(home_market="Turkey", effective_on=date(2026, 10, 1))
    >>> plain = MessageCategory.AUTHENTICATION
    >>> priced_category(plain, "India", card, on=date(2026, 10, 2), sender=sender).value
    'authentication_international'
    """
    if (
        category is not MessageCategory.AUTHENTICATION
        or sender is None
        or on < sender.effective_on
        or market == sender.home_market
        or card.units_for(market, MessageCategory.AUTHENTICATION_INTERNATIONAL) is None
    ):
        return category
    return MessageCategory.AUTHENTICATION_INTERNATIONAL
