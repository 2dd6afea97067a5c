"""Reading with a report: each mistake is noted with its path, and reading goes on.

*Owns* the checks of single values and the paths that mistakes carry.
*Does not own* what a catalog consists of (``reading``).
"""

import difflib
from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime
from enum import StrEnum
from functools import lru_cache
from typing import Any, Final, TypeVar

from monochat_billing.adapters.catalog_files.shapes import SHAPES
from monochat_billing.errors import InvalidCatalog, InvalidInput
from monochat_billing.instants import local_midnight, utc
from monochat_billing.intervals import BillingInterval

__all__ = ["Inexact", "Report", "Table"]

_T = TypeVar("_T")
_Kind = TypeVar("_Kind", bound=StrEnum)
_FILE_NAMES: Final = {
    "effective_at": "from",
    "until_at": "until",
    "reaches_at": "reaches",
    "dates": "from",
    "first": "from",
    "last": "to",
}
"""What the fields of values are called in a file."""
_WANTED: Final = {
    "format": "write format = 1 at the top of the file",
    "effective": "say from which day on the version is in force",
    "meter": "name one of the catalog's meters, so that something counts against it",
    "currency": "name the currency of the price, like 'TRY'",
    "amount": 'write the amount in quotes, like "1499.50"',
    "interval": "name the interval that the price is for, like 'MONTH'",
    "family": "write PLAN, SUPPORT or ADD_ON",
    "names": 'name it for people, like { en = "Growth" }',
}
"""What to do about a key that is missing, where more can be said than that it is."""
_MOST_MISTAKES: Final = 1000


@lru_cache(maxsize=64)
def _interval(text: str) -> BillingInterval:
    return BillingInterval.parse(text)


class Inexact(str):
    """Hold the text of a number that a parser would have made a binary float of."""

    __slots__ = ()


class Report:
    """Collect mistakes; what was said once is not said again."""

    def __init__(self) -> None:
        self.mistakes: list[InvalidInput] = []
        self._said: set[str] = set()

    def add(self, mistake: InvalidInput) -> None:
        """Note a mistake."""
        text = str(mistake)
        if text not in self._said and len(self.mistakes) < _MOST_MISTAKES:
            self._said.add(text)
            self.mistakes.append(mistake)

    def say(self, path: str, value: Any, problem: str, remedy: str) -> None:  # noqa: ANN401 - a file's value
        """Note a mistake by its parts."""
        self.add(InvalidInput(path, value, problem, remedy))

    def build(self, path: str, make: Callable[[], _T]) -> _T | None:
        """Build a value, or note at its path what is wrong with it."""
        try:
            return make()
        except InvalidCatalog as several:
            for mistake in several.mistakes:
                self.add(mistake)
        except InvalidInput as error:
            if error.field.startswith(("products.", "one_offs.")):
                self.add(error)
            else:
                _, _, field = error.field.partition(".")
                named = _FILE_NAMES.get(field, field)
                where = f"{path}.{named}" if named else path
                self.add(type(error)(where, error.value, error.problem, error.remedy))
        return None


class Table:
    """Read the keys of one table; each method notes what is wrong and gives None instead."""

    def __init__(self, value: Any, path: str, shape: str, report: Report) -> None:  # noqa: ANN401
        self.path = path
        self.report = report
        self.sound: bool = isinstance(value, dict)
        self.raw: Mapping[str, Any] = value if self.sound else {}
        if not self.sound:
            report.say(path, value, f"is no {shape}", "write a table with keys")
            return
        keys = SHAPES[shape]
        for key in self.raw:
            if key not in keys:
                near = difflib.get_close_matches(str(key), keys, 1)
                known = ", ".join(keys)
                remedy = f"did you mean {near[0]!r}?" if near else f"use one of {known}"
                report.say(self._at(key), self.raw[key], "is a key that nothing reads", remedy)
                self.sound = False
        for key, required in keys.items():
            if required and key not in self.raw:
                self._say(key, None, "is missing", _WANTED.get(key, f"add {key!r} to this {shape}"))

    def _at(self, key: str) -> str:
        return f"{self.path}.{key}" if self.path else key

    def _say(self, key: str, value: Any, problem: str, remedy: str) -> None:  # noqa: ANN401
        self.sound = False
        self.report.say(self._at(key), value, problem, remedy)

    def text(self, key: str, default: str | None = None) -> str | None:
        """Read a text that is not blank."""
        value = self.raw.get(key, default)
        if isinstance(value, Inexact):
            self._inexact(key, value)
            return None
        if value is None or (isinstance(value, str) and value.strip()):
            return value
        self._say(key, value, "is no text", "write words in quotes")
        return None

    def _inexact(self, key: str, value: str) -> None:
        self._say(key, value, "is a number that is not exact", f'write it in quotes: "{value}"')

    def note(self, key: str) -> str | None:
        """Read a text that may be empty."""
        value = self.raw.get(key)
        if value is None or (isinstance(value, str) and not isinstance(value, Inexact)):
            return value
        self._say(key, value, "is no text", "write words in quotes")
        return None

    def count(self, key: str) -> int | None:
        """Read a whole number."""
        value = self.raw.get(key)
        if value is None or type(value) is int:
            return value
        self._say(key, value, "is no whole number", "write digits only, without quotes")
        return None

    def flag(self, key: str) -> bool | None:
        """Read true or false."""
        value = self.raw.get(key)
        if value is None or isinstance(value, bool):
            return value
        self._say(key, value, "is neither true nor false", "write true or false")
        return None

    def amount(self, key: str) -> str | int | None:
        """Read an amount of money: text in quotes or a whole number."""
        value = self.raw.get(key)
        if value is None:
            return None
        if isinstance(value, Inexact):
            self._inexact(key, value)
            return None
        if type(value) in (str, int):
            exact: str | int = value
            return exact
        self._say(key, value, "is no amount", 'write it in quotes, like "1499.50"')
        return None

    def choice(self, key: str, kind: type[_Kind]) -> _Kind | None:
        """Read one of the words of an enumeration."""
        value = self.raw.get(key)
        if value is None:
            return None
        if isinstance(value, str) and value in kind.__members__:
            return kind[value]
        self._say(key, value, "is unknown", f"use one of {', '.join(kind.__members__)}")
        return None

    def interval(self, key: str) -> BillingInterval | None:
        """Read a billing interval."""
        value = self.raw.get(key)
        if value is None:
            return None
        try:
            if isinstance(value, str):
                return _interval(value)
        except InvalidInput as error:
            self._say(key, value, error.problem, error.remedy)
            return None
        self._say(key, value, "is no interval", "write it like 'MONTH' or '14 DAY'")
        return None

    def instant(self, key: str, zone: str) -> datetime | None:
        """Read an instant with its offset, or a day, which means its first instant in ``zone``."""
        value = self.raw.get(key)
        if value is None:
            return None
        given = value
        if isinstance(value, str):
            try:
                iso = date if len(value) == len("2026-10-01") else datetime
                given = iso.fromisoformat(value)
            except ValueError:
                given = None
        try:
            if isinstance(given, datetime):
                return utc(given)
            if isinstance(given, date):
                return local_midnight(given, zone)
        except (InvalidInput, OverflowError) as error:
            problem = error.problem if isinstance(error, InvalidInput) else "leaves the calendar"
            self._say(key, str(value), problem, "write a day, or add an offset such as +03:00")
            return None
        self._say(
            key, value, "is no instant", "write a day, or a time with its offset, e.g. 2027-01-01"
        )
        return None

    def words(self, key: str) -> tuple[str, ...]:
        """Read a list of texts; nothing where there is none."""
        value = self.raw.get(key, ())
        if isinstance(value, list | tuple) and all(type(one) is str for one in value):
            return tuple(value)
        self._say(key, value, "is no list of texts", 'write it like ["TRY", "USD"]')
        return ()

    def texts(self, key: str) -> dict[str, str]:
        """Read texts by language."""
        value = self.raw.get(key, {})
        if isinstance(value, dict) and all(type(one) is str for one in value.values()):
            return dict(value)
        self._say(key, value, "is no text by language", 'write it like { en = "Plan" }')
        return {}

    def rows(self, key: str) -> Iterator[tuple[str, Any]]:
        """Yield the tables of a list, each with its path."""
        value = self.raw.get(key, [])
        if not isinstance(value, list):
            self._say(key, value, "is no list", "write a list of tables")
            return
        for place, row in enumerate(value):
            named = row.get("id") if isinstance(row, dict) else None
            label = f".{named}" if isinstance(named, str) and named else f"[{place}]"
            yield f"{self._at(key)}{label}", row

    def pairs(self, key: str) -> Iterator[tuple[str, str, Any]]:
        """Yield the entries of a table that has names of its own: path, name, value."""
        value = self.raw.get(key, {})
        if not isinstance(value, dict):
            self._say(key, value, "is no table", "write a table of names")
            return
        for name, inner in value.items():
            yield f"{self._at(key)}.{name}", name, inner
