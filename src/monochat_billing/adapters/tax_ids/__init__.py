"""Tax ids of the rest of the world, checked by python-stdnum.

Owns how a foreign tax id is normalized and checked. Does not own Turkish ones, whose checksums are
built into :mod:`monochat_billing.profiles`, nor whether a number was ever issued: no network.

Needs the extra ``tax-ids``.

>>> foreign_tax_id("de 136 695 976", "DE")
TaxId(kind='FOREIGN', number='DE136695976', tax_office=None, country='DE')
>>> foreign_tax_id("DE136695977", "DE")  # doctest: +ELLIPSIS
Traceback (most recent call last):
monochat_billing.errors.InvalidInput: tax_id.number: 'DE136695977' has a wrong checksum; ...
"""

import enum
from collections.abc import Callable
from functools import partial
from typing import Any, Final, final

from monochat_billing.errors import InvalidInput, MissingExtra
from monochat_billing.profiles import TaxId, TaxIdKind

try:
    from stdnum.eu import vat as eu_vat
    from stdnum.exceptions import InvalidChecksum, InvalidFormat, InvalidLength, ValidationError
    from stdnum.util import get_cc_module
except ImportError as _missing:  # pragma: no cover - the tests have the extra
    raise MissingExtra(__name__, "tax-ids") from _missing

__all__ = ["Verdict", "foreign_tax_id", "verdict"]

_PROBLEMS: Final = {
    InvalidLength: "has a wrong length",
    InvalidFormat: "has a wrong form",
    InvalidChecksum: "has a wrong checksum",
}
_EUROPEAN: Final = frozenset(code.upper() for code in eu_vat.MEMBER_STATES) - {"XI"}


@final
class Verdict(enum.StrEnum):
    """Name what is known of a tax id: possible, impossible, or of a country without a check."""

    POSSIBLE = "POSSIBLE"
    IMPOSSIBLE = "IMPOSSIBLE"
    UNCHECKED = "UNCHECKED"


def verdict(tax_id: TaxId) -> Verdict:
    """Say whether a foreign tax id can be one of its country's; Turkish ones are checked already.

    >>> verdict(TaxId(kind=TaxIdKind.FOREIGN, number="GB980780684", country="GB")).value
    'POSSIBLE'
    >>> verdict(TaxId(kind=TaxIdKind.FOREIGN, number="1", country="AQ")).value
    'UNCHECKED'
    """
    if tax_id.kind is not TaxIdKind.FOREIGN:
        return Verdict.POSSIBLE
    checker = _checker(tax_id.country)
    if checker is None:
        return Verdict.UNCHECKED
    try:
        checker(tax_id.number)
    except ValidationError:
        return Verdict.IMPOSSIBLE
    return Verdict.POSSIBLE


def foreign_tax_id(number: str, country: str) -> TaxId:
    """Check a foreign tax id and return it as its country writes it: compact, a VAT id prefixed.

    Of a country without a check the number is kept as given.

    Raises:
        InvalidInput: naming ``tax_id.number``, which cannot be one of that country's, or
            ``tax_id.country``, which is none or Turkey.
    """
    given = TaxId(kind=TaxIdKind.FOREIGN, number=number, country=country)
    checker = _checker(country)
    if checker is None:
        return given
    try:
        compact = checker(number)
    except ValidationError as error:
        problem = next(
            (text for kind, text in _PROBLEMS.items() if isinstance(error, kind)),
            "cannot be one of that country's",
        )
        raise InvalidInput(
            "tax_id.number", given.masked, problem, f"look at it again, or at the country {country}"
        ) from None
    return TaxId(kind=TaxIdKind.FOREIGN, number=compact, country=country)


def _checker(country: str) -> Callable[[str], str] | None:
    """Find the check of a country: of the European VAT number, else of its VAT or tax number."""
    if country in _EUROPEAN:
        return partial(_european, "EL" if country == "GR" else country)
    for name in ("vat", "tin"):
        module: Any = get_cc_module(country.lower(), name)
        if module is not None:
            check: Callable[[str], str] = module.validate
            return check
    return None


def _european(prefix: str, number: str) -> str:
    """Check a VAT number of one member state, with or without its prefix."""
    bare = number.strip().upper()
    compact: str = eu_vat.validate(bare if bare.startswith(prefix) else prefix + bare)
    return compact
