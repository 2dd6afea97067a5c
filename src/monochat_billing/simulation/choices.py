"""Choices: a plan with how it is paid, support and packs, and what that costs, as plain values.

*Owns* the choice, the cost with its lines by month, and what stands against a choice.
*Does not own* working a cost out (``costs``).

>>> print(Choice("growth", packs=[("messages-5k", 2)]))
growth MONTH, 2 x messages-5k
"""

from collections.abc import Iterable
from typing import Final, final

import attrs

from monochat_billing.errors import InvalidInput
from monochat_billing.intervals import check_interval
from monochat_billing.money import Money
from monochat_billing.periods import MONTH, BillingInterval
from monochat_billing.wording import Words

__all__ = ["Choice", "Cost", "CostLine", "Obstacle"]

_PAIR: Final = 2


def _packs(value: Iterable[tuple[str, int]]) -> tuple[tuple[str, int], ...]:
    found = tuple(value)
    for one in found:
        if not isinstance(one, (tuple, list)) or len(one) != _PAIR:
            raise InvalidInput("packs", one, "is no pair", 'pass [("messages-5k", 2)]')
    return tuple([(str(pack), quantity) for pack, quantity in found])


def _interval(value: BillingInterval) -> BillingInterval:
    return check_interval(value)


@final
@attrs.frozen
class Choice:
    """Name what is chosen: a plan and how it is paid, a support package, packs and how many.

    Raises:
        InvalidInput: an interval is none, or a pack comes without its quantity.

    Without a support package ``support_interval`` says nothing, and is a month.

    >>> print(Choice("growth", packs=[("messages-5k", 2)]))
    growth MONTH, 2 x messages-5k
    """

    plan: str
    interval: BillingInterval = attrs.field(default=MONTH, converter=_interval)
    support: str | None = None
    support_interval: BillingInterval = attrs.field(default=MONTH, converter=_interval)
    packs: tuple[tuple[str, int], ...] = attrs.field(default=(), converter=_packs)

    def __attrs_post_init__(self) -> None:
        if self.support is None:  # one choice is one value, so that it can be looked up
            object.__setattr__(self, "support_interval", MONTH)

    def name(self, locale: str = "en") -> str:
        """Say it in words."""
        words = Words(locale)
        parts = [f"{self.plan}, {words.interval(self.interval)}"]
        if self.support is not None:
            parts.append(f"{self.support}, {words.interval(self.support_interval)}")
        parts += [f"{quantity} x {pack}" for pack, quantity in self.packs]
        return " + ".join(parts)

    def __str__(self) -> str:
        parts = [f"{self.plan} {self.interval}"]
        if self.support is not None:
            parts.append(f"{self.support} {self.support_interval}")
        return ", ".join([*parts, *(f"{quantity} x {pack}" for pack, quantity in self.packs)])


@final
@attrs.frozen
class CostLine:
    """Hold one part of a cost: of what, how many, and the amount with its tax."""

    what: str
    units: int
    amount: Money
    overage: bool = False
    interval: BillingInterval | None = None

    def name(self, locale: str = "en") -> str:
        """Say what it is the cost of."""
        often = "" if self.interval is None else f", {Words(locale).interval(self.interval)}"
        return f"{self.what}{often}"

    def explain(self, locale: str = "en") -> str:
        """Say it in one line."""
        words = Words(locale)
        amount = words.money(self.amount)
        if self.overage:
            return words.say(
                "overage of {meter}, {units} units: {amount}",
                meter=self.what,
                units=words.number(self.units),
                amount=amount,
            )
        return f"{words.number(self.units)} x {self.name(locale)}: {amount}"


@final
@attrs.frozen
class Obstacle:
    """Say why a choice cannot serve a profile: a hard limit, or units that no rate is for."""

    name: str
    most: int
    used: int

    def explain(self, locale: str = "en") -> str:
        """Say it in one sentence."""
        words = Words(locale)
        return words.say(
            "{name}: {used} needed, at most {most} possible",
            name=self.name,
            used=words.number(self.used),
            most=words.number(self.most),
        )

    def __str__(self) -> str:
        return self.explain()


@final
@attrs.frozen(kw_only=True)
class Cost:
    """Hold what a choice costs in all months of a profile, with tax, and what stands against it.

    ``months`` are the sums that fall into each month, ``fees`` what the provider takes for the
    messages, in the currency of its rate card; no choice changes that, so it is not in ``total``.
    A choice with ``obstacles`` is impossible, and its total is that of what it would serve.
    """

    choice: Choice
    total: Money
    lines: tuple[CostLine, ...]
    months: tuple[Money, ...]
    obstacles: tuple[Obstacle, ...] = ()
    fees: Money | None = None

    @property
    def possible(self) -> bool:
        """Tell whether the choice serves the profile."""
        return not self.obstacles

    @property
    def overage(self) -> int:
        """Give how many units are charged above what is prepaid."""
        return sum(one.units for one in self.lines if one.overage)

    def explain(self, locale: str = "en") -> str:
        """Say the sum, each part of it, and what stands against it, line by line."""
        words = Words(locale)
        lines = [f"{self.choice.name(locale)}: {words.money(self.total)}"]
        lines += [one.explain(locale) for one in self.lines]
        lines += [one.explain(locale) for one in self.obstacles]
        if self.fees is not None:
            lines.append(self.fee_words(locale))
        return "\n".join(lines)

    def fee_words(self, locale: str = "en") -> str:
        """Say what the provider takes beside the total; nothing where that is not known."""
        if self.fees is None:
            return ""
        words = Words(locale)
        return words.say(
            "beside it the provider takes {amount} for the messages, under every choice",
            amount=words.money(self.fees),
        )

    def __str__(self) -> str:
        return self.explain()
