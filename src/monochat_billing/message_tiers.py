"""Message tiers: marginal rates by the number of messages of a calendar month.

*Owns* the printed tier rates of a rate card, the counts that a month has reached, and what some
messages more cost from there.
*Does not own* which messages are counted (``message_pricing``) or the base rates.

Meta counts the charged messages of a business portfolio by market and category, from zero each
calendar month in the WhatsApp Business Account's zone. Tiers are marginal: a message has the rate
of the tier that it lies in, and those before it keep theirs. The rates are those that are printed;
they are not computed from a percentage.

>>> tiers = CardTiers(card="c", rates={"Turkey": {"utility": [(100, 900), (None, 800)]}})
>>> ladder = tiers.ladder("Turkey", MessageCategory.UTILITY)
>>> ladder.steps(98, 5)
((1, 2, 900), (2, 3, 800))
>>> ladder.cost(98, 5)
4200
"""

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from types import MappingProxyType
from typing import Any, Final, TypeAlias, final

import attrs

from monochat_billing.errors import InvalidInput
from monochat_billing.quantities import exact_count
from monochat_billing.rating import MessageCategory

__all__ = ["CardTiers", "MessageCounts", "ServiceKey", "TierCursor", "TierKey", "TierLadder"]

TierKey: TypeAlias = tuple[date, str, MessageCategory]
"""The first day of a month, a market and a category: what tiers are counted by."""

ServiceKey: TypeAlias = tuple[date, str]
"""The first day of a month and a business phone number's id."""

_HIGHEST_RATE: Final = 10**12
_LARGEST: Final = 10**18


@final
@attrs.frozen
class TierLadder:
    """Hold the tiers of one market and category: last message of each, and its rate.

    ``tops`` rise, and only the last may be None; rates are integer micro-units.

    Raises:
        InvalidInput: a bound or a rate cannot be right.

    >>> ladder = TierLadder((100, None), (900, 800))
    >>> ladder.tier_at(100), ladder.tier_at(101)
    (1, 2)
    """

    tops: tuple[int | None, ...]
    rates: tuple[int, ...]
    _ends: tuple[int, ...] = attrs.field(init=False, repr=False, eq=False)

    def __attrs_post_init__(self) -> None:
        ends = self.tops[:-1]
        if len(self.tops) != len(self.rates) or not self.tops or self.tops[-1] is not None:
            raise InvalidInput(
                "tiers", self.tops, "does not end without bound", "let the last tier end at None"
            )
        below = 0
        for top in ends:
            if type(top) is not int or top <= below:
                raise InvalidInput("tiers", top, "does not rise", "let bounds rise from above 0")
            below = top
        for rate in self.rates:
            if type(rate) is not int or not 0 < rate <= _HIGHEST_RATE:
                raise InvalidInput("tiers", rate, "is not a rate", "pass micro-units above zero")
        object.__setattr__(self, "_ends", ends)

    @property
    def highest(self) -> int:
        """The dearest rate of any tier."""
        return max(self.rates)

    def tier_at(self, number: int) -> int:
        """Return the tier, from 1, of the month's message with this number, from 1."""
        return bisect_left(self._ends, number) + 1

    def steps(self, before: int, count: int) -> tuple[tuple[int, int, int], ...]:
        """Return tier, messages and rate for ``count`` messages after ``before`` others.

        Raises:
            InvalidInput: a count is negative or no int.
        """
        place = exact_count(before, field="before")
        left = exact_count(count, field="count")
        found: list[tuple[int, int, int]] = []
        while left:
            tier = self.tier_at(place + 1)
            top = self.tops[tier - 1]
            part = left if top is None else min(left, top - place)
            found.append((tier, part, self.rates[tier - 1]))
            place, left = place + part, left - part
        return tuple(found)

    def cost(self, before: int, count: int) -> int:
        """Return what ``count`` messages after ``before`` others cost, in micro-units.

        Raises:
            InvalidInput: a count is negative or no int.
        """
        return sum(part * rate for _, part, rate in self.steps(before, count))


@final
class TierCursor:
    """Go through the messages of one month, market and category, one after the other.

    ``units`` is the rate in micro-units and ``tier`` its tier, None where there are no tiers; both
    hold for the messages up to number ``until``. ``number`` is the message that was seen last. It
    is a place in a loop, not a value: :class:`MessageCounts` is what lasts.

    >>> key = (date(2026, 10, 1), "Turkey", MessageCategory.UTILITY)
    >>> cursor = TierCursor(key, 900, TierLadder((100, None), (900, 800)))
    >>> cursor.at(101)
    >>> cursor.tier, cursor.units
    (2, 800)
    """

    __slots__ = ("key", "ladder", "number", "tier", "units", "until")

    def __init__(self, key: TierKey, units: int, ladder: TierLadder | None) -> None:
        self.key: TierKey = key
        self.ladder: TierLadder | None = ladder
        self.units: int = units
        self.tier: int | None = None
        self.number: int = 0
        self.until = 0 if ladder is not None else _LARGEST

    def at(self, number: int) -> None:
        """Go to the tier of the message with this number, from 1."""
        if self.ladder is not None:
            place = self.ladder.tier_at(number) - 1
            top = self.ladder.tops[place]
            self.tier, self.units = place + 1, self.ladder.rates[place]
            self.until = _LARGEST if top is None else top


def _ladders(value: Any) -> Mapping[str, Mapping[MessageCategory, TierLadder]]:  # noqa: ANN401 - callers pass anything
    found: dict[str, Mapping[MessageCategory, TierLadder]] = {}
    if not isinstance(value, Mapping):
        raise InvalidInput("rates", value, "is not a mapping", "map market to category to tiers")
    for market, row in value.items():
        ladders: dict[MessageCategory, TierLadder] = {}
        for category, tiers in row.items():
            if isinstance(tiers, TierLadder):
                ladders[MessageCategory(category)] = tiers
                continue
            pairs: Sequence[tuple[int | None, int]] = tuple(tiers)
            ladders[MessageCategory(category)] = TierLadder(
                tuple([top for top, _ in pairs]), tuple([rate for _, rate in pairs])
            )
        found[market] = MappingProxyType(ladders)
    return MappingProxyType(found)


@final
@attrs.frozen(kw_only=True)
class CardTiers:
    """Hold the volume tiers that belong to one rate card, by name.

    They rule while that card does, so that a new card never has an old card's tiers. ``rates`` maps
    market to category to tiers: pairs of the last message's number (None at the end) and
    micro-units.

    Raises:
        InvalidInput: the tiers cannot be right.
    """

    card: str
    rates: Mapping[str, Mapping[MessageCategory, TierLadder]] = attrs.field(
        converter=_ladders, repr=False, hash=False
    )

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle plain dicts: a mapping that is closed to writing does not pickle by itself."""
        return _card_tiers, (self.card, {market: dict(row) for market, row in self.rates.items()})

    def ladder(self, market: str, category: MessageCategory) -> TierLadder | None:
        """Return the tiers of a market and category, or None where it has one rate."""
        row = self.rates.get(market)
        return None if row is None else row.get(category)


def _card_tiers(card: str, rates: Any) -> CardTiers:  # noqa: ANN401 - our own bytes
    return CardTiers(card=card, rates=rates)


# ---------------------------------------------------------------------------------- counts


def _closed(value: Mapping[Any, int]) -> Mapping[Any, int]:
    for key, count in value.items():
        exact_count(count, field=f"counts[{key}]")
    return MappingProxyType(dict(value))


@final
@attrs.frozen(kw_only=True)
class MessageCounts:
    """Hold what the months have counted so far: the position in tiers and allowances.

    ``charged`` counts the charged messages by month, market and category; ``free_service`` the free
    service messages by month and business phone number. Months are local calendar months in the
    WhatsApp Business Account's zone, named by their first day, so counts begin at zero with each
    and a late record finds its own month's.

    Raises:
        InvalidInput: a count is negative or no int.

    >>> october = date(2026, 10, 1)
    >>> counts = MessageCounts(free_service={(october, "106"): 999})
    >>> counts.service_at((october, "106")), counts.service_at((date(2026, 11, 1), "106"))
    (999, 0)
    """

    charged: Mapping[TierKey, int] = attrs.field(factory=dict, converter=_closed, hash=False)
    free_service: Mapping[ServiceKey, int] = attrs.field(
        factory=dict, converter=_closed, hash=False
    )

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle plain dicts: a mapping that is closed to writing does not pickle by itself."""
        return _counts, (dict(self.charged), dict(self.free_service))

    def tier_at(self, key: TierKey) -> int:
        """Return how many messages were charged for a month, market and category."""
        return self.charged.get(key, 0)

    def service_at(self, key: ServiceKey) -> int:
        """Return how many free service messages a number has had in a month."""
        return self.free_service.get(key, 0)

    def months(self) -> tuple[date, ...]:
        """Return the months that have a count, in their order."""
        keys: Iterable[tuple[Any, ...]] = (*self.charged, *self.free_service)
        return tuple(sorted({key[0] for key in keys}))


def _counts(charged: Mapping[TierKey, int], free: Mapping[ServiceKey, int]) -> MessageCounts:
    return MessageCounts(charged=charged, free_service=free)
