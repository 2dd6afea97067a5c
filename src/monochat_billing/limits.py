"""Limits and allowances: how many, what happens above, and what is included in each period.

*Owns* limits (users, channels, contacts), allowances (messages included per period), overage
rates as data, and the check of a usage against a limit.
*Does not own* counting: the host tells how much is used, through :class:`UsageReader` where it is
asked for it. Nor the lot that an allowance becomes, nor the charge for usage above it.

>>> users = hard("users", 5)
>>> print(check(users, 7))
users: 7 used, 2 above the limit of 5
"""

import enum
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, Protocol, final

import attrs

from monochat_billing.errors import InvalidInput, LimitExceeded
from monochat_billing.intervals import MONTH, BillingInterval, check_counted
from monochat_billing.money import Money, amount_text, to_units
from monochat_billing.rollovers import NO_ROLLOVER, AllowanceChange, Rollover

__all__ = [
    "Allowance",
    "Limit",
    "LimitCheck",
    "LimitKind",
    "OverageTier",
    "UsageReader",
    "check",
    "hard",
    "require_within",
    "soft",
    "tier_mistakes",
    "unlimited",
]

_MOST: Final = 10**12


class LimitKind(enum.StrEnum):
    """Name what a limit does."""

    HARD = "HARD"
    """Nothing above it."""
    SOFT = "SOFT"
    """What is above it is charged at the overage rate."""
    UNLIMITED = "UNLIMITED"
    """There is no limit, and that is said."""


def _check_name(field: str, value: Any) -> None:  # noqa: ANN401 - whatever the caller passed
    if not isinstance(value, str) or not value or value != value.strip():
        raise InvalidInput(field, value, "is no name", "pass text without outer blanks")


def _check_count(field: str, value: Any, least: int) -> None:  # noqa: ANN401 - as above
    if type(value) is not int or not least <= value <= _MOST:
        raise InvalidInput(
            field, value, "is no count", f"pass a whole number from {least} to {_MOST}"
        )


@final
@attrs.frozen(kw_only=True)
class OverageTier:
    """Price the units from ``first`` to ``last``, both included; no ``last`` means and above.

    ``rate`` is the amount per unit, up to six decimals. Units are counted from 1: the first unit
    above the limit.

    Raises:
        InvalidInput: the rate is negative or the bounds are no span.

    >>> from monochat_billing.money import money
    >>> print(OverageTier(rate=money("0.25", "TRY")))
    1 and above: 0.25 TRY
    """

    rate: Money
    first: int = 1
    last: int | None = None

    def __attrs_post_init__(self) -> None:
        if to_units(self.rate, field="tier.rate") < 0:
            raise InvalidInput(
                "tier.rate", amount_text(self.rate), "is negative", "pass zero or more"
            )
        _check_count("tier.first", self.first, 1)
        if self.last is not None:
            _check_count("tier.last", self.last, self.first)

    def __str__(self) -> str:
        upper = "and above" if self.last is None else f"to {self.last}"
        return f"{self.first} {upper}: {amount_text(self.rate)} {self.rate.currency.code}"


def tier_mistakes(tiers: Sequence[OverageTier], where: str) -> list[InvalidInput]:
    """List where the tiers of a currency leave a gap, overlap, or end before the last unit.

    >>> from monochat_billing.money import money
    >>> one = OverageTier(rate=money("0.25", "TRY"), last=1000)
    >>> two = OverageTier(rate=money("0.20", "TRY"), first=1501)
    >>> [str(mistake) for mistake in tier_mistakes([one, two], "overage")]
    ['overage.TRY: 1501 leaves a gap after 1000; begin this tier at 1001']
    """
    mistakes = []
    by_currency: dict[str, list[OverageTier]] = {}
    for tier in tiers:
        by_currency.setdefault(tier.rate.currency.code, []).append(tier)
    for code, rows in by_currency.items():
        field = f"{where}.{code}"
        expected: int | None = 1
        for tier in rows:
            if expected is None:
                mistakes.append(
                    InvalidInput(
                        field,
                        tier.first,
                        "comes after a tier without an end",
                        "end the tier before it, or drop this one",
                    )
                )
                break
            if tier.first != expected:
                what = "leaves a gap after" if tier.first > expected else "overlaps the units to"
                mistakes.append(
                    InvalidInput(
                        field,
                        tier.first,
                        f"{what} {expected - 1}",
                        f"begin this tier at {expected}",
                    )
                )
            expected = None if tier.last is None else tier.last + 1
        if expected is not None:
            mistakes.append(
                InvalidInput(
                    field,
                    rows[-1].last,
                    "is where the tiers end",
                    "leave the last tier's end out, so that every unit has a rate",
                )
            )
    return mistakes


def _refuse_tiers(tiers: Sequence[OverageTier], where: str) -> None:
    for mistake in tier_mistakes(tiers, where):
        raise mistake


@final
@attrs.frozen(kw_only=True)
class Limit:
    """Cap one thing that is counted, by name: users, channels, contacts.

    Build it with :func:`hard`, :func:`soft` or :func:`unlimited`. ``most`` is the last count that
    is within the limit.

    Raises:
        InvalidInput: ``most`` does not go with the kind, or a soft limit has no complete overage.

    >>> limit = hard("users", 5)
    >>> limit.kind.value, limit.most
    ('HARD', 5)
    """

    name: str
    kind: LimitKind
    most: int | None = None
    overage: tuple[OverageTier, ...] = ()

    def __attrs_post_init__(self) -> None:
        _check_name("limit.name", self.name)
        field = f"limits.{self.name}"
        if self.kind is LimitKind.UNLIMITED:
            if self.most is not None or self.overage:
                raise InvalidInput(
                    field, self.most, "is unlimited yet bounded", "drop the number or the word"
                )
            return
        _check_count(f"{field}.most", self.most, 0)
        if (self.kind is LimitKind.SOFT) != bool(self.overage):
            raise InvalidInput(
                f"{field}.overage",
                self.overage,
                f"does not go with a {self.kind.lower()} limit",
                "give a soft limit an overage rate, a hard one none",
            )
        _refuse_tiers(self.overage, f"{field}.overage")

    def __str__(self) -> str:
        if self.most is None:
            return f"{self.name}: unlimited"
        return f"{self.name}: {self.most}" + (", then overage" if self.overage else "")


def hard(name: str, most: int) -> Limit:
    """Limit ``name`` to ``most``; nothing above it.

    >>> print(hard("users", 5))
    users: 5
    """
    return Limit(name=name, kind=LimitKind.HARD, most=most)


def soft(name: str, most: int, *overage: OverageTier) -> Limit:
    """Include ``most`` and charge what is above at the overage rates.

    >>> from monochat_billing.money import money
    >>> print(soft("contacts", 1000, OverageTier(rate=money("0.05", "TRY"))))
    contacts: 1000, then overage
    """
    return Limit(name=name, kind=LimitKind.SOFT, most=most, overage=overage)


def unlimited(name: str) -> Limit:
    """Say that ``name`` has no limit.

    >>> print(unlimited("channels"))
    channels: unlimited
    """
    return Limit(name=name, kind=LimitKind.UNLIMITED)


@final
@attrs.frozen(kw_only=True)
class Allowance:
    """Include ``units`` of a meter in every ``per``, also where the plan is paid for longer.

    ``rollover`` says what the next ``per`` gets of units that are left; by default nothing.
    ``on_change`` says what a change to this product within a period does. ``overage`` prices what
    is used above the units; without it the meter's own rates apply.

    Raises:
        InvalidInput: it names no meter, the units are no count above zero, or ``per`` is longer
            than a year.

    >>> print(Allowance(meter="monochat.message", units=10_000))
    10000 of monochat.message per MONTH
    """

    meter: str
    units: int
    per: BillingInterval = MONTH
    overage: tuple[OverageTier, ...] = ()
    rollover: Rollover = NO_ROLLOVER
    on_change: AllowanceChange = AllowanceChange.PRORATED

    def __attrs_post_init__(self) -> None:
        if not isinstance(self.meter, str) or not self.meter.strip():
            raise InvalidInput(
                "allowance.meter",
                self.meter,
                "is no meter, so nothing would count against it",
                "name one of the catalog's meters",
            )
        _check_count("allowance.units", self.units, 1)
        check_counted(self.per, "allowance.per")
        _refuse_tiers(self.overage, "allowance.overage")

    def __str__(self) -> str:
        return f"{self.units} of {self.meter} per {self.per}"


@final
@attrs.frozen(kw_only=True)
class LimitCheck:
    """Answer how a usage stands to a limit.

    ``left`` is what may still be added (None: any number), ``over`` what is above, ``charged``
    what of it is paid at the overage rate. ``allowed`` is False only above a hard limit.

    >>> found = check(hard("users", 5), 7)
    >>> print(found)
    users: 7 used, 2 above the limit of 5
    >>> found.allowed, found.over
    (False, 2)
    """

    limit: Limit
    used: int
    left: int | None
    over: int

    @property
    def allowed(self) -> bool:
        """Tell whether the usage may stand."""
        return not self.over or self.limit.kind is LimitKind.SOFT

    @property
    def charged(self) -> int:
        """Give how many units are charged at the overage rate."""
        return self.over if self.limit.kind is LimitKind.SOFT else 0

    def __str__(self) -> str:
        if self.left is None:
            return f"{self.limit.name}: {self.used} used, no limit"
        if not self.over:
            return f"{self.limit.name}: {self.used} of {self.limit.most} used, {self.left} left"
        what = "charged as overage above" if self.charged else "above the limit of"
        return f"{self.limit.name}: {self.used} used, {self.over} {what} {self.limit.most}"


def check(limit: Limit, used: int) -> LimitCheck:
    """Say how ``used`` stands to ``limit``; exactly the limit is still within it.

    Raises:
        InvalidInput: ``used`` is not a whole number from zero up.

    >>> check(hard("users", 5), 5).left, check(hard("users", 5), 6).allowed
    (0, False)
    """
    _check_count("used", used, 0)
    if limit.most is None:
        return LimitCheck(limit=limit, used=used, left=None, over=0)
    return LimitCheck(
        limit=limit, used=used, left=max(limit.most - used, 0), over=max(used - limit.most, 0)
    )


def require_within(limit: Limit, used: int, account: str) -> LimitCheck:
    """Give the check of a usage that may stand, or refuse it.

    Raises:
        LimitExceeded: ``used`` is above a hard limit.
        InvalidInput: ``used`` is not a whole number from zero up.

    >>> require_within(hard("users", 5), 6, "acme")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    monochat_billing.errors.LimitExceeded: acme: 6 users exceed the limit of 5; remove 1 or ...
    """
    checked = check(limit, used)
    if not checked.allowed and limit.most is not None:
        raise LimitExceeded(account, limit.name, limit.most, used)
    return checked


class UsageReader(Protocol):
    """Tell how much of what is limited an account uses now; the host implements it.

    >>> class Seats:
    ...     def read(self, account: str, names: Iterable[str]) -> Mapping[str, int]:
    ...         return {"users": 3}
    >>> reader: UsageReader = Seats()
    >>> reader.read("acme", ["users", "channels"])
    {'users': 3}
    """

    def read(self, account: str, names: Iterable[str]) -> Mapping[str, int]:
        """Give the count in use of each limit that the host knows; leave out what it does not."""
        ...
