"""Usage profiles: what a team uses month by month, as a plain value.

*Owns* the months, what is counted once (users, channels, contacts), and how a profile is made: by
hand, from records, or from the lines of a file.
*Does not own* what it costs (``costs``).

>>> profile = UsageProfile.steady({"monochat.message": 12_000}, counts={"users": 6})
>>> len(profile.months), profile.total("monochat.message")
(12, 144000)
"""

import csv
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final, final

import attrs

from monochat_billing.counters import MeterRecord
from monochat_billing.errors import InvalidInput
from monochat_billing.instants import check_zone
from monochat_billing.rating import MessageCategory

__all__ = ["MessageKind", "UsageProfile"]

MessageKind = tuple[MessageCategory, str]
"""A message category and a market of the rate card, which together have a provider's fee."""

_MOST_MONTHS: Final = 1200
_MOST: Final = 10**12
_MOST_PARTS: Final = 10_000


def _count(value: object, field: str) -> int:
    if type(value) is not int or not 0 <= value <= _MOST:
        raise InvalidInput(field, value, "is no count", f"pass a whole number from 0 to {_MOST}")
    return value


def _months(value: Iterable[Mapping[str, int]]) -> tuple[Mapping[str, int], ...]:
    if isinstance(value, Mapping):
        raise InvalidInput(
            "months", dict(value), "is one month, and no list", "pass [month], or steady(month)"
        )
    months = tuple(value)
    if not 1 <= len(months) <= _MOST_MONTHS:
        raise InvalidInput(
            "months", len(months), "is empty or too long", f"pass 1 to {_MOST_MONTHS} months"
        )
    return tuple(
        [
            {str(meter): _count(units, f"months[{place}].{meter}") for meter, units in one.items()}
            for place, one in enumerate(months)
        ]
    )


def _counts(value: Mapping[str, int]) -> Mapping[str, int]:
    return {str(name): _count(used, f"counts.{name}") for name, used in value.items()}


def _parts(value: Mapping[str, int]) -> Mapping[str, int]:
    for meter, parts in value.items():
        if type(parts) is not int or not 1 <= parts <= _MOST_PARTS:
            raise InvalidInput(
                f"transactions.{meter}", parts, "is no count", f"pass 1 to {_MOST_PARTS}"
            )
    return dict(value)


def _mix(value: Mapping[Any, int]) -> Mapping[MessageKind, int]:
    found = {}
    for (category, market), messages in value.items():
        kind = (MessageCategory(category), str(market))
        found[kind] = _count(messages, f"messages.{kind[0].value}.{market}")
    return found


def _all_mixes(value: Iterable[Mapping[Any, int]]) -> tuple[Mapping[MessageKind, int], ...]:
    return tuple([_mix(one) for one in value])


@final
@attrs.frozen
class UsageProfile:
    """Hold how much of each meter is used in each month, in whole units, from the first on.

    ``counts`` is what is in use of what plans limit: users, channels, contacts. ``messages`` is
    one month's mix by category and market, for the provider's fee, which no plan changes; where it
    is not the same in every month, ``mixes`` has that of each.
    ``transactions`` says in how many equal parts a month's usage of a meter comes, one where it
    does not: percentage fees are charged part by part, everything else by the sum.

    Raises:
        InvalidInput: there is no month, or a number is negative or not whole.
    """

    months: tuple[Mapping[str, int], ...] = attrs.field(converter=_months)
    counts: Mapping[str, int] = attrs.field(factory=dict, converter=_counts)
    messages: Mapping[MessageKind, int] = attrs.field(factory=dict, converter=_mix)
    transactions: Mapping[str, int] = attrs.field(factory=dict, converter=_parts)
    mixes: tuple[Mapping[MessageKind, int], ...] = attrs.field(default=(), converter=_all_mixes)

    def __attrs_post_init__(self) -> None:
        if self.mixes and len(self.mixes) != len(self.months):
            raise InvalidInput(
                "mixes", len(self.mixes), "is not one for each month", f"pass {len(self.months)}"
            )

    @classmethod
    def steady(
        cls,
        usage: Mapping[str, int],
        *,
        months: int = 12,
        counts: Mapping[str, int] = MappingProxyType({}),
    ) -> "UsageProfile":
        """Use the same in every month.

        Raises:
            InvalidInput: as the class.
        """
        return cls([usage] * _count(months, "months"), counts)

    @classmethod
    def of_team(
        cls,
        messages: Mapping[Any, int],
        *,
        meter: str = "monochat.message",
        months: int = 12,
        **counts: int,
    ) -> "UsageProfile":
        """Describe a team: monthly messages by (category, market), and its users and channels.

        Every message counts once on ``meter``, whatever its category.

        Raises:
            InvalidInput: as the class, or there is no such category.

        >>> team = UsageProfile.of_team(
        ...     {("marketing", "Turkey"): 8000, ("utility", "Turkey"): 4000}, users=6, channels=3
        ... )
        >>> team.months[0], team.counts
        ({'monochat.message': 12000}, {'users': 6, 'channels': 3})
        """
        try:
            mix = _mix(messages)
        except ValueError:
            names = ", ".join(MessageCategory)
            raise InvalidInput(
                "messages", sorted(map(str, messages)), "has no such category", f"use {names}"
            ) from None
        return cls([{meter: sum(mix.values())}] * _count(months, "months"), counts, mix)

    @classmethod
    def of_records(
        cls,
        records: Iterable[MeterRecord],
        *,
        zone: str = "Europe/Istanbul",
        counts: Mapping[str, int] = MappingProxyType({}),
    ) -> "UsageProfile":
        """Sum up past usage by local calendar month, the months without usage between included.

        Raises:
            InvalidInput: there is no record, or one is of a part of a unit.
        """
        local = check_zone(zone)
        found: dict[int, Counter[str]] = {}
        for one in records:
            at = one.occurred_at.astimezone(local)
            if one.quantity.denominator != 1:
                raise InvalidInput(
                    f"records.{one.id}",
                    str(one.quantity),
                    "is a part of a unit",
                    "sum it up to whole units first",
                )
            month = found.setdefault(at.year * 12 + at.month, Counter())
            month[one.meter] += one.quantity.numerator
        if not found:
            raise InvalidInput("records", (), "is empty", "pass at least one record")
        return cls(
            [dict(found.get(month, {})) for month in range(min(found), max(found) + 1)], counts
        )

    @classmethod
    def of_csv(
        cls,
        lines: Iterable[str],
        *,
        zone: str = "Europe/Istanbul",
        counts: Mapping[str, int] = MappingProxyType({}),
    ) -> "UsageProfile":
        """Read past usage from the lines of a CSV file with columns at, meter and quantity.

        Raises:
            InvalidInput: naming the line, when it cannot be read.

        >>> profile = UsageProfile.of_csv([
        ...     "at,meter,quantity",
        ...     "2027-01-05T10:00:00+03:00,monochat.message,700",
        ...     "2027-02-01T10:00:00+03:00,monochat.message,800",
        ... ])
        >>> profile.months
        ({'monochat.message': 700}, {'monochat.message': 800})
        """
        return cls.of_records(_read(lines), zone=zone, counts=counts)

    @property
    def meters(self) -> tuple[str, ...]:
        """List the meters that are used, in the order of their first use."""
        return tuple(dict.fromkeys(meter for month in self.months for meter in month))

    def total(self, meter: str) -> int:
        """Give how much of a meter is used in all months."""
        return sum(month.get(meter, 0) for month in self.months)

    def mix(self, month: int) -> Mapping[MessageKind, int]:
        """Give a month's messages by category and market, counted from zero."""
        return self.mixes[month] if self.mixes else self.messages

    def parts(self, meter: str) -> int:
        """Give in how many equal parts a month's usage of a meter comes."""
        return self.transactions.get(meter, 1)

    def scaled(self, meter: str, units: int) -> "UsageProfile":
        """Return the profile with so many units of a meter in every month."""
        return attrs.evolve(self, months=[{**month, meter: units} for month in self.months])


def _read(lines: Iterable[str]) -> Iterator[MeterRecord]:
    reader = csv.DictReader(lines)
    for number, row in enumerate(reader, start=2):
        try:
            yield MeterRecord(
                id=f"line-{number}",
                meter=row["meter"],
                quantity=row["quantity"],
                occurred_at=datetime.fromisoformat(row["at"]),
            )
        except (KeyError, TypeError, ValueError, InvalidInput) as error:
            raise InvalidInput(
                f"line {number}", dict(row), f"is no usage ({error})", "give at, meter and quantity"
            ) from None
