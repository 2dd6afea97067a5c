"""Consumption: where what was on a balance came from and went, by kind, by lot and by month.

*Owns* the sums of a statement's movement and the ways to group them.
*Does not own* which entries count (:mod:`monochat_billing.readings`).

There is one table of sums, by month, kind and lot. Every grouping adds up its rows, so all of them
come to the same total, which is the movement of the statement of that span.
"""

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Final, final

import attrs

from monochat_billing.balance import EntryKind
from monochat_billing.instants import check_zone
from monochat_billing.lots import LotOrigin
from monochat_billing.readings import EntrySource, Movement, Reading, Window, months
from monochat_billing.tables import WIDTH, table
from monochat_billing.units import Amount, amount_in, plain_text

__all__ = ["Consumption", "ConsumptionRow", "ConsumptionSum", "consumption"]

_NO_LOT: Final = "no lot"
_KINDS: Final = tuple(EntryKind)
_ORIGINS: Final = tuple(LotOrigin)


@final
@attrs.frozen(kw_only=True)
class ConsumptionRow:
    """Sum what entries of one kind did to one lot in one local month, such as ``2026-10``.

    ``lot`` is the number of the entry that granted the lot. ``origin`` says whether it was paid
    for or given, and is None where the number stands for no lot; ``source`` is what made the lot,
    for example a top-up's id. ``credited`` is zero or positive, ``debited`` zero or negative.
    """

    month: str
    kind: EntryKind
    lot: int
    origin: LotOrigin | None
    source: str
    credited: Amount
    debited: Amount


@final
@attrs.frozen(kw_only=True)
class ConsumptionSum:
    """Add up the rows that have ``name`` in common; ``net`` is credited plus debited."""

    name: str
    credited: Amount
    debited: Amount
    net: Amount


@final
@attrs.frozen(kw_only=True)
class Consumption:
    """Show what moved on a balance in ``[since, until)``, in months of the account's time zone.

    ``movements`` are the sums in the balance's smallest unit, each with its month; ``rows`` gives
    them as amounts. ``since`` and ``until`` are None where the span is not bounded.

    Printing it gives one table for each grouping.
    """

    account: str
    unit: str
    scale: int
    zone: str
    reading: Reading
    since: datetime | None
    until: datetime | None
    movements: tuple[tuple[str, Movement], ...]

    @property
    def rows(self) -> tuple[ConsumptionRow, ...]:
        """Give one row for each month, kind and lot, in that order."""
        return tuple(
            ConsumptionRow(
                month=month,
                kind=moved.kind,
                lot=moved.lot,
                origin=moved.origin,
                source=moved.source,
                credited=self._amount(moved.credited),
                debited=self._amount(moved.debited),
            )
            for month, moved in self.movements
        )

    @property
    def total(self) -> ConsumptionSum:
        """Add up everything: what the statement of this span has as its movement."""
        return self._sum("total", [moved for _, moved in self.movements])

    def by_kind(self) -> tuple[ConsumptionSum, ...]:
        """Add up what each kind of entry moved, in the order in which kinds are declared."""
        return self._grouped(lambda _, moved: (_KINDS.index(moved.kind), moved.kind.value))

    def by_lot(self) -> tuple[ConsumptionSum, ...]:
        """Add up what each lot got and gave, in order of number, named like ``#7 PAID``."""
        return self._grouped(lambda _, moved: (moved.lot, f"#{moved.lot} {_origin(moved)}"))

    def by_origin(self) -> tuple[ConsumptionSum, ...]:
        """Add up what was paid for and what was given, named ``PAID``, ``PROMOTIONAL`` and so on.

        What no lot gave or took is ``no lot``.
        """
        return self._grouped(
            lambda _, moved: (
                len(_ORIGINS) if moved.origin is None else _ORIGINS.index(moved.origin),
                _origin(moved),
            )
        )

    def by_month(self) -> tuple[ConsumptionSum, ...]:
        """Add up what each month moved; a month in which nothing moved is left out."""
        return self._grouped(lambda month, _: (0, month))

    def _grouped(
        self, group: Callable[[str, Movement], tuple[int, str]]
    ) -> tuple[ConsumptionSum, ...]:
        groups: dict[tuple[int, str], list[Movement]] = {}
        for month, moved in self.movements:
            groups.setdefault(group(month, moved), []).append(moved)
        return tuple(self._sum(key[1], groups[key]) for key in sorted(groups))

    def _sum(self, name: str, moved: Iterable[Movement]) -> ConsumptionSum:
        credited = debited = 0
        for one in moved:
            credited += one.credited
            debited += one.debited
        return ConsumptionSum(
            name=name,
            credited=self._amount(credited),
            debited=self._amount(debited),
            net=self._amount(credited + debited),
        )

    def _amount(self, units: int) -> Amount:
        return amount_in(self.unit, self.scale, units)

    def __str__(self) -> str:
        words = self.reading.value.replace("_", " ").lower()
        since, until = self._local(self.since, "the beginning"), self._local(self.until, "now")
        title = f"{self.unit} {words}, {since} to {until}, {self.zone}"
        room = WIDTH - len(title) - 2
        name = self.account if len(self.account) <= room else self.account[: room - 1] + "…"
        groupings = {
            "month": self.by_month(),
            "kind": self.by_kind(),
            "lot": self.by_lot(),
            "origin": self.by_origin(),
        }
        tables = [
            table((">in", ">out", ">net", head), [_cells(one) for one in sums])
            for head, sums in groupings.items()
        ]
        return "\n\n".join([f"{name}: {title}", *tables])

    def _local(self, at: datetime | None, otherwise: str) -> str:
        if at is None:
            return otherwise
        return f"{at.astimezone(check_zone(self.zone)):%Y-%m-%d %H:%M}"


def _origin(moved: Movement) -> str:
    return _NO_LOT if moved.origin is None else moved.origin.value


def _cells(one: ConsumptionSum) -> tuple[str, ...]:
    return (*map(plain_text, (one.credited, one.debited, one.net)), one.name)


def consumption(
    source: EntrySource, window: Window, *, scale: int, zone: str, now: datetime
) -> Consumption:
    """Sum what moved in the window by local month, kind and lot.

    Where the window has no ``since`` its months begin with its first entry, and where it has no
    ``until`` with ``now`` its last month goes on without end. It costs the storage one grouped sum
    for each month.

    Raises:
        InvalidInput: the window has more than 1200 months.
    """
    found: list[tuple[str, Movement]] = []
    first = source.statement_entries(window, window.start, 1)
    if first:
        begins = window.reading.place(first[0]).at
        ends = now if window.until is None else min(window.until, now)
        for name, month in months(window, zone, begins, max(begins, ends)):
            found += [(name, moved) for moved in _joined(source.movements(month))]
    return Consumption(
        account=window.account,
        unit=window.unit,
        scale=scale,
        zone=zone,
        reading=window.reading,
        since=window.since,
        until=window.until,
        movements=tuple(found),
    )


def _joined(moved: Iterable[Movement]) -> list[Movement]:
    """Add up what is about the same kind and lot, in order of kind and lot."""
    sums: dict[tuple[int, int], Movement] = {}
    for one in moved:
        key = (_KINDS.index(one.kind), one.lot)
        if key in sums:
            one = attrs.evolve(  # noqa: PLW2901 - the sum so far
                one,
                credited=one.credited + sums[key].credited,
                debited=one.debited + sums[key].debited,
            )
        sums[key] = one
    return [sums[key] for key in sorted(sums)]
