"""Catalog files in: TOML or JSON to a checked catalog, or every mistake in one report.

*Owns* what a file may say and how it becomes values.
*Does not own* what has to hold between them: the catalog checks that itself.

A later version of a file says only what changes: what it does not mention stays.
"""

import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Literal, Never

import attrs

from monochat_billing.adapters.catalog_files.cursor import Inexact, Report, Table
from monochat_billing.adapters.catalog_files.metering import MeterParts
from monochat_billing.adapters.catalog_files.parts import Parts
from monochat_billing.adapters.catalog_files.shapes import FORMAT, MAX_BYTES
from monochat_billing.catalog_versions import CatalogVersions
from monochat_billing.catalogs import Catalog, DirectionBasis, catalog_mistakes
from monochat_billing.change_rules import DEFAULT_RULES, ChangeRule
from monochat_billing.dunning import DunningPolicy
from monochat_billing.errors import InvalidCatalog, InvalidInput
from monochat_billing.instants import check_zone
from monochat_billing.meters import Meter
from monochat_billing.products import OneOff, Product
from monochat_billing.tax import Pricing
from monochat_billing.tax_regimes import TaxRegime

__all__ = ["FileFormat", "load_catalog", "load_versions", "read_catalog", "read_versions"]

FileFormat = Literal["toml", "json"]

_SUFFIXES: Final[Mapping[str, FileFormat]] = {".toml": "toml", ".json": "json"}
_UNNAMED: Final = "unnamed"
_TOO_DEEP: Final = "is nested too deeply"


# ----------------------------------------------------------------------------------- from text


def load_catalog(path: str | Path) -> Catalog:
    """Read the catalog in a ``.toml`` or ``.json`` file that holds one version.

    Raises:
        InvalidCatalog: naming every mistake, each with its path in the file, value and remedy.
        OSError: the file cannot be read.
    """
    return read_catalog(*_opened(Path(path)))


def load_versions(*paths: str | Path) -> CatalogVersions:
    """Read all versions in one file, or in several files of one catalog.

    Raises:
        InvalidCatalog: naming every mistake of every file.
        InvalidInput: the files do not make one sequence.
        OSError: a file cannot be read.
    """
    found: list[Catalog] = []
    mistakes: list[InvalidInput] = []
    for path in paths:
        try:
            found += read_versions(*_opened(Path(path))).versions
        except InvalidCatalog as error:
            mistakes += [
                attrs.evolve(one, field=f"{error.field}: {one.field}") for one in error.mistakes
            ]
    if mistakes:
        raise InvalidCatalog.of(", ".join(Path(path).name for path in paths), mistakes)
    return CatalogVersions(versions=tuple(found))


def _opened(path: Path) -> tuple[str, FileFormat, str]:
    kind = _SUFFIXES.get(path.suffix.lower())
    if kind is None:
        _refuse(path.name, path.suffix, "is no catalog file", "name it .toml or .json")
    if path.stat().st_size > MAX_BYTES:
        _refuse(path.name, path.stat().st_size, "bytes are too many", f"stay below {MAX_BYTES}")
    try:
        return path.read_text(encoding="utf-8"), kind, path.name
    except UnicodeDecodeError as error:
        _refuse(path.name, error.reason, "makes it no UTF-8 text", "save it as UTF-8")


def _refuse(source: str, value: object, problem: str, remedy: str) -> Never:
    raise InvalidCatalog.of(source, [InvalidInput("file", value, problem, remedy)])


def read_catalog(text: str, file_format: FileFormat = "toml", source: str = "catalog") -> Catalog:
    r"""Read a catalog of one version from text; ``source`` names it in a report.

    Raises:
        InvalidCatalog: naming every mistake, each with its path, value and remedy.

    >>> read_catalog('format = 1\nid = "ours"\nversion = "1"\ncurrency = ["TRY"]')
    Traceback (most recent call last):
    monochat_billing.errors.InvalidCatalog: catalog: 1 mistake
      currency: ['TRY'] is a key that nothing reads; did you mean 'currencies'?
    """
    versions = read_versions(text, file_format, source).versions
    if len(versions) > 1:
        _refuse(source, len(versions), "versions are in it", "read it with read_versions")
    return versions[0]


def read_versions(
    text: str, file_format: FileFormat = "toml", source: str = "catalog"
) -> CatalogVersions:
    """Read all versions of a catalog from text; ``source`` names it in a report.

    Raises:
        InvalidCatalog: naming every mistake, each with its path, value and remedy.
    """
    raw = _parsed(text, file_format, source)
    report = Report()
    found = _Reader(report).versions(raw)
    if not report.mistakes:
        made = report.build("versions", lambda: CatalogVersions(versions=tuple(found)))
        if made is not None:
            return made
    raise InvalidCatalog.of(source, report.mistakes)


def _parsed(text: str, file_format: FileFormat, source: str) -> Any:  # noqa: ANN401 - a file's
    try:
        if file_format == "toml":
            return tomllib.loads(text, parse_float=Inexact)
        return json.loads(text, parse_float=Inexact, object_pairs_hook=_once)
    except (tomllib.TOMLDecodeError, json.JSONDecodeError, ValueError) as error:
        _refuse(source, str(error), f"is no {file_format.upper()}", "mend it at that place")
    except RecursionError:
        _refuse(source, file_format, _TOO_DEEP, "use the shape that the schema describes")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the key {twice!r} stands twice in one table")
    return made


# --------------------------------------------------------------------------------- the catalog


@attrs.frozen
class _Draft:
    """Hold what could be read of one version, in the attributes that the checks ask for."""

    id: str
    version: str
    products: tuple[Product, ...]
    rules: tuple[ChangeRule | None, ...]
    note: str
    one_offs: tuple[OneOff, ...]
    meters: tuple[str, ...]
    currencies: tuple[str, ...]
    effective_at: Any
    zone: str
    direction_by: DirectionBasis
    dunning: tuple[DunningPolicy | None, ...]
    tax: TaxRegime | None = None
    withdrawal_days: int = 0
    metering: tuple[Meter, ...] = ()


class _Reader:
    """Read one file; what later versions repeat word for word is built once."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._parts = Parts(report)
        self._meters = MeterParts(report)
        self._built: dict[str, tuple[Any, Any, Any]] = {}

    def versions(self, raw: Any) -> list[Catalog]:  # noqa: ANN401 - a file's value
        """Read the first version and those that follow it."""
        table = Table(raw, "", "catalog", self._report)
        if "format" in table.raw and table.raw["format"] != FORMAT:
            self._report.say(
                "format", table.raw["format"], "is another file format", f"write {FORMAT}"
            )
        self._parts.zone = self._checked_zone(table.text("zone"))
        blank = _Draft(
            id=table.text("id") or _UNNAMED,
            version="",
            products=(),
            rules=DEFAULT_RULES,
            note="",
            one_offs=(),
            meters=(),
            currencies=(),
            effective_at=None,
            zone=self._parts.zone,
            direction_by=DirectionBasis.RANK,
            dunning=(),
        )
        draft = self._version(table, blank)
        catalogs = [self._catalog(draft, "")]
        for path, row in table.rows("versions"):
            later = Table(row, path, "version", self._report)
            draft = self._version(later, draft)
            catalogs.append(self._catalog(draft, f"{path}."))
        return [catalog for catalog in catalogs if catalog is not None]

    def _checked_zone(self, zone: str | None) -> str:
        if zone is None:
            return "UTC"
        try:
            check_zone(zone)
        except InvalidInput as error:
            self._report.say("zone", zone, error.problem, error.remedy)
            return "UTC"
        return zone

    def _catalog(self, draft: _Draft, path: str) -> Catalog | None:
        if not self._report.mistakes:
            try:
                return Catalog(**{field.name: getattr(draft, field.name) for field in _FIELDS})
            except InvalidCatalog as error:
                found = list(error.mistakes)
        else:
            parts = self._parts
            found = list(catalog_mistakes(draft, unread=parts.unread, unlimited=parts.unlimited))
        for mistake in found:
            self._report.add(
                type(mistake)(
                    path + mistake.field.removeprefix("catalog."),
                    mistake.value,
                    mistake.problem,
                    mistake.remedy,
                )
            )
        return None

    def _version(self, table: Table, earlier: _Draft) -> _Draft:
        """Read one version over the one before it."""
        raw = table.raw
        currencies = table.words("currencies") if "currencies" in raw else earlier.currencies
        self._parts.pricing = table.choice("pricing", Pricing) or self._parts.pricing
        self._parts.tax_class = table.text("tax_class") or self._parts.tax_class
        products = {one.id: one for one in earlier.products}
        one_offs = {one.id: one for one in earlier.one_offs}
        for name in table.words("withdrawn"):
            if products.pop(name, None) is None and one_offs.pop(name, None) is None:
                table.report.say(
                    f"{table.path}.withdrawn", name, "is not sold before", "name what was sold"
                )
        seen: set[str] = set()
        twins: list[Any] = []
        for path, row in table.rows("products"):
            self._keep(self._reused(path, row, self._parts.product), products, seen, twins)
        for path, row in table.rows("one_offs"):
            self._keep(self._reused(path, row, self._parts.one_off), one_offs, seen, twins)
        rules = earlier.rules
        if "rules" in raw:
            rules = tuple(self._parts.rule(path, row) for path, row in table.rows("rules"))
        dunning = earlier.dunning
        if "dunning" in raw:
            dunning = tuple(self._parts.dunning(path, row) for path, row in table.rows("dunning"))
        tax = earlier.tax
        if "tax" in raw:
            tax = self._parts.tax(f"{table.path}.tax" if table.path else "tax", raw["tax"])
        withdrawal = table.count("withdrawal_days")
        note = table.note("note")
        return _Draft(
            id=earlier.id,
            version=table.text("version") or _UNNAMED,
            products=(*products.values(), *(one for one in twins if isinstance(one, Product))),
            rules=rules,
            note=earlier.note if note is None else note,
            one_offs=(*one_offs.values(), *(one for one in twins if isinstance(one, OneOff))),
            meters=table.words("meters") if "meters" in raw else earlier.meters,
            currencies=currencies,
            effective_at=table.instant("effective", self._parts.zone),
            zone=earlier.zone,
            direction_by=table.choice("direction_by", DirectionBasis) or earlier.direction_by,
            dunning=dunning,
            metering=self._metering(table, earlier),
            tax=tax,
            withdrawal_days=earlier.withdrawal_days if withdrawal is None else withdrawal,
        )

    def _metering(self, table: Table, earlier: _Draft) -> tuple[Meter, ...]:
        if "metering" not in table.raw:
            return earlier.metering
        pricing, tax_class = self._parts.pricing, self._parts.tax_class
        found = (
            self._meters.meter(path, row, pricing, tax_class)
            for path, row in table.rows("metering")
        )
        return tuple([one for one in found if one is not None])

    @staticmethod
    def _keep(item: Any, into: dict[str, Any], seen: set[str], twins: list[Any]) -> None:  # noqa: ANN401
        if item is None:
            return
        if item.id in seen:
            twins.append(item)
        else:
            into[item.id] = item
        seen.add(item.id)

    def _reused(self, path: str, row: Any, read: Any) -> Any:  # noqa: ANN401 - a file's value
        name = row.get("id") if isinstance(row, dict) else None
        defaults = (self._parts.pricing, self._parts.tax_class)
        known = self._built.get(name) if isinstance(name, str) else None
        if known is not None and known[0] == row and known[1] == defaults:
            return known[2]
        before = len(self._report.mistakes)
        made = read(path, row)
        if isinstance(name, str) and len(self._report.mistakes) == before:
            self._built[name] = (row, defaults, made)
        return made


_FIELDS: Final = attrs.fields(_Draft)
