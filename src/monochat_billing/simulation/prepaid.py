"""Prepaid units: what allowances and packs pay for, month by month, before any rate does.

*Owns* which units burn first, what an allowance brings and carries over, and what is left to be
charged.
*Does not own* what that costs (``meter_costs``).

Units burn as lots do in production: what expires first goes first. Quantities may be numbers or
anything that adds up, so that a break-even can ask for all volumes at once.

>>> from monochat_billing.plans import sample_catalog
>>> january = BillingAnchor.at(datetime(2027, 1, 1, tzinfo=UTC), "UTC")
>>> prepaid = PrepaidUnits(sample_catalog(), january)
>>> prepaid.above(Choice("growth"), [9_000, 12_000], "monochat.message")
[0, 2000]
"""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any, Final, final

import attrs

from monochat_billing.periods import MONTH, BillingAnchor
from monochat_billing.plans import Catalog, OneOff
from monochat_billing.rollovers import Rollover
from monochat_billing.simulation.choices import Choice

__all__ = ["PrepaidUnits"]

_NEVER: Final = datetime.max.replace(tzinfo=UTC)

_Least = Callable[[Any, Any], Any]


@final
class PrepaidUnits:
    """Know what the products of a catalog include, for a subscription that begins at an anchor."""

    def __init__(self, catalog: Catalog, anchor: BillingAnchor) -> None:
        self._catalog = catalog
        self._anchor = anchor
        self._months: list[datetime] = []
        self._grants: dict[tuple[str, str, int], _Granted | None] = {}

    def month(self, number: int) -> datetime:
        """Give the instant at which a month begins, counted from zero."""
        while len(self._months) <= number:
            self._months.append(self._anchor.bound(MONTH, len(self._months)))
        return self._months[number]

    def above(
        self, choice: Choice, used: Iterable[Any], meter: str, least: _Least = min
    ) -> list[Any]:
        """Give, month by month, the units that neither the allowance nor a pack pays for.

        ``least`` is how the lesser of two quantities is found, for who counts in something else
        than numbers.

        Raises:
            UnknownName: the catalog has no such plan or pack.
        """
        pools = self._packs(choice, meter)
        rest = []
        for number, wanted in enumerate(used):
            at, missing = self.month(number), wanted
            self._grant(choice, meter, number, pools, least)
            for pool in sorted(pools, key=lambda one: one.expires_at):
                if at < pool.expires_at:
                    burned = least(missing, pool.left)
                    pool.left = pool.left - burned
                    missing = missing - burned
            rest.append(missing)
        return rest

    def _packs(self, choice: Choice, meter: str) -> list["_Pool"]:
        found = []
        for pack, quantity in choice.packs:
            one_off = self._catalog.one_off(pack)
            if one_off.grant is not None and one_off.grant.meter == meter:
                found.append(_Pool(one_off.grant.units * quantity, self._until(one_off)))
        return found

    def _until(self, one_off: OneOff) -> datetime:
        valid = None if one_off.grant is None else one_off.grant.valid_for
        return _NEVER if valid is None else self._anchor.bound(valid, 1)

    def _grant(
        self, choice: Choice, meter: str, number: int, pools: list["_Pool"], least: _Least
    ) -> None:
        """Bring the units of an allowance whose period begins in this month."""
        granted = self._granted(choice, meter, number)
        if granted is None:
            return
        carried: Any = 0
        for pool in [one for one in pools if one.allowance]:
            carried = _carried(pool.left, granted.rollover, least)
            pools.remove(pool)
        pools.append(_Pool(carried + granted.units, granted.until, allowance=True))

    def _granted(self, choice: Choice, meter: str, number: int) -> "_Granted | None":
        key = (choice.plan, meter, number)
        if key not in self._grants:
            self._grants[key] = self._grant_of(choice.plan, meter, number)
        return self._grants[key]

    def _grant_of(self, plan: str, meter: str, number: int) -> "_Granted | None":
        for allowance in self._catalog.product(plan).allowances:
            if allowance.meter == meter:
                period = self._anchor.period_containing(allowance.per, self.month(number))
                if number and period.contains(self.month(number - 1)):
                    return None
                return _Granted(allowance.units, period.end, allowance.rollover)
        return None


def _carried(left: Any, rollover: Rollover, least: _Least) -> Any:  # noqa: ANN401 - numbers, or what adds up like them
    """Carry over as :meth:`Rollover.carried` does, in whatever is counted in."""
    if rollover.maximum == 0:
        return 0
    raised = left + rollover.minimum - least(left, rollover.minimum)
    return raised if rollover.maximum is None else least(raised, rollover.maximum)


@attrs.frozen
class _Granted:
    units: int
    until: datetime
    rollover: Rollover


@attrs.define
class _Pool:
    left: Any
    expires_at: datetime
    allowance: bool = False
