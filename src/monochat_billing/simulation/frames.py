"""Frames: results as small tables that print, show in a notebook, and go on to polars or pandas.

*Owns* the one shape in which every result of a simulation can be looked at.
*Does not own* what stands in it, or plots (``plots``).

>>> from monochat_billing.money import money
>>> frame = Frame(("plan", "cost"), (("growth", money("1499", "TRY")), ("basic", None)))
>>> print(frame)
plan            cost
------  ------------
growth  1,499.00 TRY
basic              -
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from html import escape
from importlib import import_module
from typing import Any, Final, Protocol, final

import attrs

from monochat_billing.errors import MissingExtra
from monochat_billing.money import Money
from monochat_billing.rounding import round_ratio
from monochat_billing.tables import WIDTH, table
from monochat_billing.wording import Words

__all__ = ["Frame", "Framed", "required"]

_RIGHT: Final = (int, Fraction, Money)
_MOST_DIGITS: Final = 6
_PRECISION: Final = 38


def _texts(value: Iterable[str]) -> tuple[str, ...]:
    return tuple(value)


def _rows(value: Iterable[Sequence[Any]]) -> tuple[tuple[Any, ...], ...]:
    return tuple([tuple(row) for row in value])


class Framed(Protocol):
    """Offer a frame; whatever does so shows in a notebook."""

    def frame(self, locale: str = "en") -> "Frame":
        """Give the result as a table."""
        ...


@final
@attrs.frozen
class Frame:
    """Hold rows of values under the names of their columns.

    Cells are text, whole numbers, fractions, money, instants, or None. ``title`` stands above it.
    """

    columns: tuple[str, ...] = attrs.field(converter=_texts)
    rows: tuple[tuple[Any, ...], ...] = attrs.field(converter=_rows)
    title: str = ""
    locale: str = "en"

    def __str__(self) -> str:
        words = Words(self.locale)
        heads = [
            f">{name}" if any(isinstance(row[place], _RIGHT) for row in self.rows) else name
            for place, name in enumerate(self.columns)
        ]
        cells = [[_shown(cell, words) for cell in row] for row in self.rows]
        if _wide(heads, cells):
            heads, cells = self._narrowed(heads, cells)
        text = table(heads, cells)
        return f"{self.title}\n{text}" if self.title else text

    def _narrowed(
        self, heads: list[str], cells: list[list[str]]
    ) -> tuple[list[str], list[list[str]]]:
        """Say a currency once, in the head of its column, where the lines are too long."""
        heads, cells = list(heads), [list(row) for row in cells]
        for place, head in enumerate(heads):
            codes = {_code(row[place]) for row in self.rows} - {None}
            if len(codes) == 1:
                (code,) = codes
                heads[place] = f"{head}, {code}"
                for row in cells:
                    row[place] = row[place].removesuffix(f" {code}")
        return heads, cells

    def _repr_html_(self) -> str:
        """Give it as an HTML table, as notebooks ask for it."""
        words = Words(self.locale)
        title = f"<caption>{escape(self.title)}</caption>" if self.title else ""
        head = "".join(f"<th>{escape(name)}</th>" for name in self.columns)
        body = "".join(f"<tr>{_cells(row, words)}</tr>" for row in self.rows)
        return f"<table>{title}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"

    def records(self) -> list[dict[str, Any]]:
        """Give the rows as plain values: money as Decimal beside a column of its currency.

        >>> from monochat_billing.money import money
        >>> Frame(("plan", "cost"), [("growth", money("1499", "TRY"))]).records()
        [{'plan': 'growth', 'cost': Decimal('1499'), 'cost currency': 'TRY'}]
        """
        priced = {
            name
            for place, name in enumerate(self.columns)
            if any(isinstance(row[place], Money) for row in self.rows)
        }
        found = []
        for row in self.rows:
            record: dict[str, Any] = {}
            for name, cell in zip(self.columns, row, strict=True):
                record[name] = _plain(cell)
                if name in priced:
                    record[f"{name} currency"] = _code(cell)
            found.append(record)
        return found

    def to_polars(self) -> Any:  # noqa: ANN401 - polars is an extra
        """Give it as a polars DataFrame; amounts are exact decimals, all with six places.

        So frames of the same columns can be put together.

        Raises:
            MissingExtra: polars is not installed.
        """
        polars = required("polars")
        records = self.records()
        exact = {
            name: polars.Decimal(_PRECISION, _MOST_DIGITS)
            for name in (records[0] if records else ())
            if any(isinstance(one[name], Decimal) for one in records)
        }
        return polars.DataFrame(records, schema_overrides=exact, infer_schema_length=None)

    def to_pandas(self) -> Any:  # noqa: ANN401 - pandas is an extra
        """Give it as a pandas DataFrame; amounts are Decimal objects.

        Raises:
            MissingExtra: pandas is not installed.
        """
        return required("pandas").DataFrame(self.records())


def required(module: str) -> Any:  # noqa: ANN401 - whatever the module offers
    """Import a module of the extra [notebook] when it is needed.

    Raises:
        MissingExtra: it is not installed.
    """
    try:
        return import_module(module)
    except ImportError:
        raise MissingExtra(module, "notebook") from None


def _wide(heads: Sequence[str], cells: Sequence[Sequence[str]]) -> bool:
    names = [head.removeprefix(">") for head in heads]
    widths = [max(map(len, column)) for column in zip(names, *cells, strict=True)]
    return sum(widths) + 2 * (len(widths) - 1) > WIDTH


def _cells(row: Sequence[Any], words: Words) -> str:
    return "".join(
        f'<td style="text-align: {"right" if isinstance(cell, _RIGHT) else "left"}">'
        f"{escape(_shown(cell, words))}</td>"
        for cell in row
    )


def _shown(cell: Any, words: Words) -> str:  # noqa: ANN401 - whatever stands in a cell
    if cell is None:
        return "-"
    if isinstance(cell, Money):
        return words.money(cell)
    if type(cell) is int:
        return words.number(cell)
    if isinstance(cell, Fraction):
        return _decimal_text(cell, 2, words)
    if isinstance(cell, datetime):
        return words.short_day(cell.date())
    return str(cell)


def _decimal_text(value: Fraction, digits: int, words: Words) -> str:
    units = round_ratio(value.numerator * 10**digits, value.denominator)
    if not units % 10**digits:
        return words.number(units // 10**digits)
    text = f"{Decimal(units).scaleb(-digits):f}"
    return text.replace(".", ",") if words.locale == "tr" else text


def _plain(cell: Any) -> Any:  # noqa: ANN401 - as above
    if isinstance(cell, Money):
        return cell.amount
    if isinstance(cell, Fraction):
        units = round_ratio(cell.numerator * 10**_MOST_DIGITS, cell.denominator)
        return Decimal(units).scaleb(-_MOST_DIGITS)
    return cell


def _code(cell: Any) -> str | None:  # noqa: ANN401 - as above
    return cell.currency.code if isinstance(cell, Money) else None
