"""Watches: which thresholds of which balance an account wants to hear of, and what it has heard.

*Owns* a watch with what it remembers, so that every crossing is reported once, and the events that
say so.
*Does not own* thresholds (:mod:`monochat_billing.alerts`) or balances.

What is watched is the amount available, compared after every command and after every single thing
that falls due, never in the midst of one: a command that takes and gives back has crossed nothing.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Final, final

import attrs

from monochat_billing.alerts import Crossings, Direction, Ladder, Report, ThresholdRule
from monochat_billing.balance import Balance, Books
from monochat_billing.errors import InvalidInput
from monochat_billing.events import BalanceCrossed, BalanceLow, BalanceRose
from monochat_billing.units import Amount, amount_in

__all__ = ["MOST_WATCHES", "Watch", "notice", "with_watch"]

MOST_WATCHES: Final = 20
"""Watches that one account can have, since each is compared after each command."""


@final
@attrs.frozen(kw_only=True)
class Watch:
    """Hold one rule of an account, by its name, and what it has come to.

    ``seen`` is what was available when it was last compared, in the smallest unit of a balance
    with ``scale`` decimals, and ``reached`` the furthest that it has ever come in the rule's
    direction. A rule that reports each time counts from ``seen``, one that reports once from
    ``reached``.
    """

    name: str
    rule: ThresholdRule
    scale: int
    seen: int
    reached: int

    @classmethod
    def start(cls, name: str, rule: ThresholdRule, balance: Balance, at: datetime) -> "Watch":
        """Begin to watch a balance as it stands: what lies behind it is not reported.

        Raises:
            InvalidInput: an amount of the rule is finer than the balance.
        """
        rule.ladder(balance.scale)
        seen = balance.available(rule.kind, at)
        return cls(name=name, rule=rule, scale=balance.scale, seen=seen, reached=seen)

    @property
    def passed(self) -> Amount | None:
        """Give the last threshold that the balance had reached, None where it had none."""
        return self._amount(self._ladder.behind(self.seen))

    @property
    def next(self) -> Amount | None:
        """Give the threshold that the balance would cross next, if there is one."""
        return self._amount(self._ladder.ahead(self.seen))

    def observe(self, level: int) -> tuple["Watch", Crossings]:
        """Compare with what is available now; give what was crossed and the watch that knows it."""
        once = self.rule.report is Report.ONCE
        crossed = self._ladder.crossed(self.reached if once else self.seen, level)
        if level == self.seen:
            return self, crossed
        further = min if self.rule.direction is Direction.FALLING else max
        watch = Watch(
            name=self.name,
            rule=self.rule,
            scale=self.scale,
            seen=level,
            reached=further(self.reached, level),
        )
        return watch, crossed

    @property
    def _ladder(self) -> Ladder:
        return self.rule.ladder(self.scale)

    def _amount(self, units: int | None) -> Amount | None:
        return None if units is None else amount_in(self.rule.unit, self.scale, units)

    def __str__(self) -> str:
        return f"{self.name}: {self.rule}"


def with_watch(watches: Iterable[Watch], watch: Watch) -> tuple[Watch, ...]:
    """Add a watch; one of the same name gives way to it.

    Raises:
        InvalidInput: the account would have more than :data:`MOST_WATCHES`.
    """
    kept = tuple(one for one in watches if one.name != watch.name)
    if len(kept) == MOST_WATCHES:
        raise InvalidInput(
            "name", watch.name, "is one watch too many", f"keep up to {MOST_WATCHES}, unwatch one"
        )
    return (*kept, watch)


def notice(
    watches: tuple[Watch, ...], books: Books, at: datetime
) -> tuple[tuple[Watch, ...], tuple[BalanceCrossed, ...]]:
    """Compare every watch with the books at ``at``; give the watches as they are now, and events.

    There is one event for each watch that crossed something. Without a change the same watches
    come back.
    """
    after: list[Watch] = []
    events: list[BalanceCrossed] = []
    for watch in watches:
        balance = books.balance(watch.rule.unit)
        level = balance.available(watch.rule.kind, at)
        seen, crossed = watch.observe(level)
        after.append(seen)
        if crossed:
            kind = BalanceLow if watch.rule.direction is Direction.FALLING else BalanceRose
            events.append(
                kind(
                    account=books.account,
                    at=at,
                    watch=watch.name,
                    threshold=balance.value(crossed.furthest),
                    thresholds=tuple(map(balance.value, crossed.fixed)),
                    steps=len(crossed.steps),
                    before=balance.value(watch.seen),
                    available=balance.value(level),
                )
            )
    changed = any(old is not new for old, new in zip(watches, after, strict=True))
    return (tuple(after) if changed else watches), tuple(events)
