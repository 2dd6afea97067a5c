"""Rate tables: which charge model a usage has, by any number of dimensions, dated and versioned.

*Owns* rows keyed by dimension values, which row is the most specific, and which table and version
rule on a day.
*Does not own* what a model charges, or message rate cards: those are ``rating``'s.

A row names some of the table's dimensions and fits a usage that has all of those values; a row that
names none fits everything. Of the rows that fit, the one that names the most dimensions counts, and
of two that name equally many the one that names the earlier dimension of the table. So the answer
never depends on the order of the rows.

>>> from monochat_billing.charge_models import PerUnit
>>> table = RateTable(
...     name="storage", meter="storage.gb", currency="TRY", effective_on=date(2026, 1, 1),
...     dimensions=("region", "class"),
...     rows=(
...         RateRow(model=PerUnit(price="0.50")),
...         RateRow(where={"class": "cold"}, model=PerUnit(price="0.10")),
...         RateRow(where={"region": "tr"}, model=PerUnit(price="0.40")),
...     ),
... )
>>> found = rate_usage(
...     RateTables(tables=(table,)), 3, on=date(2026, 11, 23),
...     values={"region": "tr", "class": "cold"},
... )
>>> print(found.explain())
3 units x TRY 0.40 = TRY 1.20 (storage v1: region=tr)
"""

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from datetime import date, datetime
from types import MappingProxyType
from typing import Any, Final, final

import attrs

from monochat_billing.charge_lines import USAGE_ROUNDING, Charge
from monochat_billing.charge_models import ChargeModel, charge, charge_step
from monochat_billing.errors import InvalidInput, UnknownName
from monochat_billing.money import check_currency
from monochat_billing.quantities import Usage
from monochat_billing.rounding import Rounding

__all__ = ["RateRow", "RateTable", "RateTables", "rate_usage"]

_MOST_DIMENSIONS: Final = 16


def _where(value: Any) -> Mapping[str, str]:  # noqa: ANN401 - callers pass anything
    if not isinstance(value, Mapping) or not all(
        isinstance(part, str) and part for pair in value.items() for part in pair
    ):
        raise InvalidInput("where", value, "maps no names to values", "map dimension to text")
    return MappingProxyType(dict(value))


@final
@attrs.frozen(kw_only=True)
class RateRow:
    """Hold the charge model of the usage that has all of these dimension values.

    A ``model`` of None means *not offered*: such usage is refused, never free.

    Raises:
        InvalidInput: ``where`` is no mapping of text to text.

    >>> RateRow(where={"region": "tr"}, model=None).where["region"]
    'tr'
    """

    where: Mapping[str, str] = attrs.field(factory=dict, converter=_where, hash=False)
    model: ChargeModel | None

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle a plain dict: a mapping that is closed to writing does not pickle by itself."""
        return _row, (dict(self.where), self.model)


def _row(where: Mapping[str, str], model: ChargeModel | None) -> RateRow:
    return RateRow(where=where, model=model)


def _rows(value: Iterable[RateRow]) -> tuple[RateRow, ...]:
    return tuple(value)


def _names(value: Iterable[str]) -> tuple[str, ...]:
    return tuple(value)


@final
@attrs.frozen(kw_only=True)
class RateTable:
    """Hold the rows of one meter in one currency from ``effective_on``, a local day, on.

    ``version`` counts the corrections of a table: a later version of one day takes the place of
    the earlier, which stays, so that what was charged can be computed again. ``dimensions`` are in
    their order of precedence. ``rounding`` is the one rounding of a charge.

    Raises:
        InvalidInput: naming what cannot be right; two rows must not name the same values.

    >>> from monochat_billing.charge_models import PerUnit
    >>> RateTable(name="seats", meter="seat", currency="TRY", effective_on=date(2026, 1, 1),
    ...           version=2, rows=(RateRow(model=PerUnit(price=90)),)).label
    'seats v2'
    """

    name: str
    meter: str
    currency: str
    effective_on: date
    rows: tuple[RateRow, ...] = attrs.field(converter=_rows, repr=False)
    dimensions: tuple[str, ...] = attrs.field(default=(), converter=_names)
    version: int = 1
    rounding: Rounding = attrs.field(default=USAGE_ROUNDING, repr=False)
    source: str = attrs.field(default="", repr=False)
    _by_shape: tuple[tuple[tuple[str, ...], Mapping[tuple[str, ...], RateRow]], ...] = attrs.field(
        init=False, repr=False, eq=False
    )

    def __attrs_post_init__(self) -> None:
        for field, value in (("name", self.name), ("meter", self.meter)):
            if not isinstance(value, str) or not value.strip():
                raise InvalidInput(field, value, "is not a name", "pass text that is not blank")
        check_currency(self.currency)
        if not isinstance(self.effective_on, date) or isinstance(self.effective_on, datetime):
            raise InvalidInput("effective_on", self.effective_on, "is no day", "pass a date")
        if type(self.version) is not int or self.version < 1:
            raise InvalidInput("version", self.version, "is no version", "count from 1")
        if len(set(self.dimensions)) != len(self.dimensions) or (
            len(self.dimensions) > _MOST_DIMENSIONS
        ):
            raise InvalidInput(
                "dimensions",
                self.dimensions,
                "names one twice, or too many",
                f"name each once, at most {_MOST_DIMENSIONS}",
            )
        if not self.rows:
            raise InvalidInput("rows", (), "is empty", "pass at least one RateRow")
        object.__setattr__(self, "_by_shape", self._shaped())

    def _shaped(
        self,
    ) -> tuple[tuple[tuple[str, ...], Mapping[tuple[str, ...], RateRow]], ...]:
        """Sort rows by which dimensions they name, the most specific first."""
        shapes: dict[tuple[str, ...], dict[tuple[str, ...], RateRow]] = {}
        for row in self.rows:
            unknown = set(row.where) - set(self.dimensions)
            if unknown:
                raise InvalidInput(
                    "rows",
                    dict(row.where),
                    f"names what is no dimension of {self.name}",
                    f"use {', '.join(self.dimensions) or 'none'}",
                )
            shape = tuple([name for name in self.dimensions if name in row.where])
            key = tuple([row.where[name] for name in shape])
            if shapes.setdefault(shape, {}).setdefault(key, row) is not row:
                raise InvalidInput("rows", dict(row.where), "stands twice", "keep one of the two")

        def precedence(shape: tuple[str, ...]) -> tuple[int, list[bool]]:
            return -len(shape), [name not in shape for name in self.dimensions]

        return tuple([(shape, shapes[shape]) for shape in sorted(shapes, key=precedence)])

    @property
    def label(self) -> str:
        """Name and version, as lines show them."""
        return f"{self.name} v{self.version}"

    def row_for(self, values: Mapping[str, str]) -> RateRow:
        """Return the most specific row for the values of a usage.

        A dimension that ``values`` leaves out fits only rows that do not name it.

        Raises:
            InvalidInput: ``values`` names what is no dimension of the table.
            UnknownName: no row fits.

        >>> table = RateTable(
        ...     name="t", meter="m", currency="TRY", effective_on=date(2026, 1, 1),
        ...     dimensions=("region",), rows=(RateRow(where={"region": "tr"}, model=None),),
        ... )
        >>> table.row_for({"region": "de"})  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        monochat_billing.errors.UnknownName: values: {'region': 'de'} has no row in t v1; ...
        """
        unknown = set(values) - set(self.dimensions)
        if unknown:
            raise InvalidInput(
                "values",
                sorted(unknown),
                f"is no dimension of {self.name}",
                f"use {', '.join(self.dimensions) or 'none'}",
            )
        for shape, rows in self._by_shape:
            key = tuple([values.get(name, "") for name in shape])
            row = rows.get(key)
            if row is not None:
                return row
        raise UnknownName(
            "values", dict(values), f"has no row in {self.label}", "add a row that names nothing"
        )


def _by_day(tables: Iterable[RateTable]) -> tuple[RateTable, ...]:
    return tuple(sorted(tables, key=lambda table: (table.effective_on, table.version)))


@final
@attrs.frozen(kw_only=True)
class RateTables:
    """Hold the history of one rate table: each rules from its day until the next one's.

    All have one meter and one currency; no two share both day and version.

    Raises:
        InvalidInput: naming ``tables``, when there is none or when two do not go together.

    >>> from monochat_billing.charge_models import PerUnit
    >>> row = (RateRow(model=PerUnit(price=90)),)
    >>> first = RateTable(
    ...     name="seats", meter="seat", currency="TRY", effective_on=date(2026, 1, 1), rows=row
    ... )
    >>> mended = attrs.evolve(first, version=2)
    >>> history = RateTables(tables=(mended, first))
    >>> may = date(2026, 5, 1)
    >>> history.in_force(may).label, history.in_force(may, version=1).label
    ('seats v2', 'seats v1')
    """

    tables: tuple[RateTable, ...] = attrs.field(converter=_by_day)

    def __attrs_post_init__(self) -> None:
        if not self.tables:
            raise InvalidInput("tables", (), "is empty", "pass at least one rate table")
        first = self.tables[0]
        seen: set[tuple[date, int]] = set()
        for table in self.tables:
            if (table.meter, table.currency) != (first.meter, first.currency):
                raise InvalidInput(
                    "tables",
                    table.label,
                    f"is in {table.currency} for {table.meter}",
                    f"keep {first.currency} for {first.meter}",
                )
            place = table.effective_on, table.version
            if place in seen:
                raise InvalidInput(
                    "tables",
                    table.label,
                    f"starts on {table.effective_on} like another of its version",
                    "raise the version of the correction",
                )
            seen.add(place)

    def in_force(self, on: date, *, version: int | None = None) -> RateTable:
        """Return the table that rules on a local day, in its latest version.

        ``version`` asks for the latest that is not above it: what ruled before a correction.

        Raises:
            InvalidInput: the day is before the first table, or there is no such version.
        """
        known = [table for table in self.tables if version is None or table.version <= version]
        place = bisect_right([table.effective_on for table in known], on)
        if not place:
            raise InvalidInput(
                "on", on.isoformat(), "is before the first rate table", "add the one in force then"
            )
        return known[place - 1]


def rate_usage(
    tables: RateTables,
    usage: Usage,
    *,
    on: date,
    values: Mapping[str, str] | None = None,
    before: Usage | None = None,
    version: int | None = None,
) -> Charge:
    """Charge a usage by the table in force on a local day and its most specific row.

    ``before`` is what was charged earlier in the same period, for the same values: then only what
    ``usage``, counted from the period's start, adds is charged. Lines name table, version and row.

    Raises:
        InvalidInput: no table rules on that day, the row is not offered, or the usage does not
            suit its model.
        UnknownName: no row fits.

    >>> from monochat_billing.charge_models import PerUnit
    >>> table = RateTable(
    ...     name="seats", meter="seat", currency="TRY", effective_on=date(2026, 1, 1),
    ...     rows=(RateRow(model=PerUnit(price=90)),),
    ... )
    >>> rate_usage(RateTables(tables=(table,)), 5, before=3, on=date(2026, 5, 1)).money
    Money('180', 'TRY')
    """
    table = tables.in_force(on, version=version)
    row = table.row_for(values or {})
    named = ", ".join(f"{name}={row.where[name]}" for name in table.dimensions if name in row.where)
    source = f"{table.label}: {named}" if named else table.label
    if row.model is None:
        raise InvalidInput(
            "values", dict(values or {}), f"is not offered by {source}", "set the usage aside"
        )
    if before is None:
        return charge(
            row.model, usage, currency=table.currency, rounding=table.rounding, source=source
        )
    return charge_step(
        row.model,
        before=before,
        after=usage,
        currency=table.currency,
        rounding=table.rounding,
        source=source,
    )
