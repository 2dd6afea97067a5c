"""Who is billed: legal name, address and tax id.

*Owns* the form of addresses and tax ids, their checksums, and how much of them may be shown.
*Does not own* invoices, tax rates, or whether a number was ever issued.

A profile is checked when it is made, so an invoice never meets a number that cannot exist. The
checksums of both Turkish numbers are built in. A TCKN identifies a person: it is stored as
given, and never shown whole, neither in a ``repr`` nor in an error.

>>> profile = BillingProfile(
...     business_name="Örnek İletişim A.Ş.",
...     address=Address(line="Gül Sok. 5", post_code="34660", district="Üsküdar", city="İstanbul"),
...     tax_id=TaxId(kind=TaxIdKind.VKN, number="4540536920", tax_office="Üsküdar"),
... )
>>> print(profile.tax_id)
VKN 4540536920 (Üsküdar)
"""

from enum import StrEnum
from typing import Any, Final, final

import attrs

from monochat_billing.errors import InvalidInput

__all__ = [
    "ERASED",
    "Address",
    "BillingProfile",
    "TaxId",
    "TaxIdKind",
    "is_valid_tckn",
    "is_valid_vkn",
]

_LONGEST_TEXT: Final = 250
_LONGEST_POST_CODE: Final = 16
_LONGEST_FOREIGN_ID: Final = 32
_LONGEST_EMAIL: Final = 254  # RFC 5321, section 4.5.3.1.3, less the angle brackets
_VKN_DIGITS: Final = 10
_TCKN_DIGITS: Final = 11
_POST_CODE_DIGITS: Final = 5
_LAST_PLATE_CODE: Final = 81
_SHOWN_DIGITS: Final = 3

_COUNTRY_CODES: Final = (  # ISO 3166-1 alpha-2, and XK, which banks and posts use for Kosovo
    "AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR "
    "BS BT BV BW BY BZ CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ "
    "EC EE EG EH ER ES ET FI FJ FK FM FO FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW "
    "GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP KE KG KH KI KM KN KP KR KW KY "
    "KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS MT MU MV "
    "MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY "
    "QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG "
    "TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS XK YE YT ZA "
    "ZM ZW "
)
_COUNTRIES: Final = frozenset(_COUNTRY_CODES.split())


@final
class TaxIdKind(StrEnum):
    """Name the register that a tax id belongs to.

    ``VKN`` is the ten-digit number of a Turkish taxpayer, ``TCKN`` the eleven-digit number of a
    person (a sole trader is billed with it), ``FOREIGN`` anything issued elsewhere.
    """

    VKN = "VKN"
    TCKN = "TCKN"
    FOREIGN = "FOREIGN"


def is_valid_vkn(number: str) -> bool:
    """Tell whether ``number`` is a possible VKN: ten ASCII digits whose last is their checksum.

    The checksum is that of the Turkish revenue administration, as python-stdnum documents it in
    ``stdnum.tr.vkn``. It says nothing about whether the number was ever issued.

    >>> is_valid_vkn("4540536920"), is_valid_vkn("4540536921")
    (True, False)
    """
    if len(number) != _VKN_DIGITS or not _is_digits(number):
        return False
    total = 0
    for place, digit in enumerate(reversed(number[:-1]), start=1):
        shifted = (int(digit) + place) % 10
        if shifted:
            total += shifted * 2**place % 9 or 9
    return int(number[-1]) == -total % 10


def is_valid_tckn(number: str) -> bool:
    """Tell whether ``number`` is a possible TCKN: eleven ASCII digits with two check digits.

    The first digit is not zero. The checksum is that of the Turkish civil registry, as
    python-stdnum documents it in ``stdnum.tr.tckimlik``.

    >>> is_valid_tckn("10000000146"), is_valid_tckn("74300864791")
    (True, False)
    """
    if len(number) != _TCKN_DIGITS or not _is_digits(number) or number[0] == "0":
        return False
    digits = [int(digit) for digit in number]
    tenth = (7 * sum(digits[0:9:2]) - sum(digits[1:8:2])) % 10
    return digits[9] == tenth and digits[10] == sum(digits[:10]) % 10


@final
@attrs.frozen(kw_only=True, repr=False)
class TaxId:
    """Hold one checked tax id.

    A VKN needs the name of its tax office, a foreign id a country other than TR. ``repr`` and
    ``str`` show a VKN whole and everything that could be a TCKN only by its last three digits.

    Raises:
        InvalidInput: naming ``tax_id.number``, ``tax_id.tax_office`` or ``tax_id.country``.

    >>> TaxId(kind=TaxIdKind.TCKN, number="10000000146")
    TaxId(kind='TCKN', number='********146', tax_office=None, country='TR')
    >>> TaxId(kind=TaxIdKind.TCKN, number="74300864791")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    monochat_billing.errors.InvalidInput: tax_id.number: '********791' is not a TCKN: ...
    """

    kind: TaxIdKind
    number: str
    tax_office: str | None = None
    country: str = "TR"

    def __attrs_post_init__(self) -> None:
        _check_type("tax_id.kind", self.kind, TaxIdKind)
        _check_type("tax_id.number", self.number, str)
        _check_country("tax_id.country", self.country)
        _CHECKS[self.kind](self)
        if self.tax_office is not None:
            _check_text("tax_id.tax_office", self.tax_office)

    @property
    def masked(self) -> str:
        """The number as it may be shown: whole, unless it could be a TCKN.

        >>> TaxId(kind=TaxIdKind.VKN, number="6120606538", tax_office="Boğaziçi Kurumlar").masked
        '6120606538'
        """
        return _shown(self.kind, self.number)

    def __repr__(self) -> str:
        return (
            f"TaxId(kind={self.kind.value!r}, number={self.masked!r}, "
            f"tax_office={self.tax_office!r}, country={self.country!r})"
        )

    def __str__(self) -> str:
        origin = self.country if self.kind is TaxIdKind.FOREIGN else self.kind.value
        office = f" ({self.tax_office})" if self.tax_office else ""
        return f"{origin} {self.masked}{office}"


@final
@attrs.frozen(kw_only=True)
class Address:
    """Hold one postal address.

    ``city`` is the province (il) and ``district`` the district (ilçe) in Turkey. ``country`` is an
    ISO 3166-1 alpha-2 code. A Turkish post code has five digits, of which the first two are a plate
    code from 01 to 81; elsewhere it may be empty. Letter case is kept as given.

    Raises:
        InvalidInput: naming ``address.line``, ``address.post_code``, ``address.city``,
            ``address.district`` or ``address.country``.

    >>> Address(line="Gül Sok. 5", post_code="82001", city="Ankara")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    monochat_billing.errors.InvalidInput: address.post_code: '82001' does not begin with ...
    """

    line: str
    city: str
    post_code: str = ""
    district: str = ""
    country: str = "TR"

    def __attrs_post_init__(self) -> None:
        _check_text("address.line", self.line)
        _check_text("address.city", self.city)
        _check_country("address.country", self.country)
        if self.district != "":
            _check_text("address.district", self.district)
        if self.country == "TR":
            _check_turkish_post_code(self.post_code)
        elif self.post_code != "":
            _check_text("address.post_code", self.post_code, longest=_LONGEST_POST_CODE)

    def __str__(self) -> str:
        place = " ".join(part for part in (self.post_code, self.district, self.city) if part)
        return f"{self.line}, {place}, {self.country}"


@final
@attrs.frozen(kw_only=True)
class BillingProfile:
    """Hold what an invoice says about the buyer.

    ``business_name`` is the legal name (unvan), or the name of the person for a TCKN. ``email`` is
    optional; its form is checked, not whether anybody reads it.

    Raises:
        InvalidInput: naming the field that cannot be right.

    >>> buyer = BillingProfile(
    ...     business_name="Ayşe Güneş",
    ...     address=Address(line="Gül Sok. 5", post_code="06420", city="Ankara"),
    ...     tax_id=TaxId(kind=TaxIdKind.TCKN, number="17291716060"),
    ... )
    >>> print(buyer)
    Ayşe Güneş, Gül Sok. 5, 06420 Ankara, TR, TCKN ********060
    """

    business_name: str
    address: Address
    tax_id: TaxId
    email: str | None = None

    def __attrs_post_init__(self) -> None:
        _check_text("business_name", self.business_name)
        _check_type("address", self.address, Address)
        _check_type("tax_id", self.tax_id, TaxId)
        if self.email is not None:
            _check_email(self.email)

    def __str__(self) -> str:
        return f"{self.business_name}, {self.address}, {self.tax_id}"


def _is_digits(text: str) -> bool:
    """Tell whether text is ASCII digits only; str.isdigit alone also takes Arabic ones and ²."""
    return text.isascii() and text.isdigit()


def _shown(kind: TaxIdKind, number: str) -> str:
    """Mask a number that is a TCKN, or that has as many digits as one, whatever it is called."""
    digits = sum(character.isdigit() for character in number)
    if kind is not TaxIdKind.TCKN and digits != _TCKN_DIGITS:
        return number
    if len(number) <= _SHOWN_DIGITS:
        return "*" * len(number)
    return "*" * (len(number) - _SHOWN_DIGITS) + number[-_SHOWN_DIGITS:]


def _refuse_number(tax_id: TaxId, problem: str, remedy: str) -> InvalidInput:
    return InvalidInput("tax_id.number", _shown(tax_id.kind, tax_id.number), problem, remedy)


def _check_vkn(tax_id: TaxId) -> None:
    if len(tax_id.number) != _VKN_DIGITS or not _is_digits(tax_id.number):
        raise _refuse_number(
            tax_id,
            "is not a VKN: it does not have ten digits",
            "write the ten digits without spaces; a sole trader's eleven digits are a TCKN",
        )
    if not is_valid_vkn(tax_id.number):
        raise _refuse_number(
            tax_id,
            "is not a VKN: its check digit does not fit",
            "copy it from the tax certificate again",
        )
    if tax_id.tax_office is None:
        raise InvalidInput(
            "tax_id.tax_office",
            None,
            "is missing",
            "name the tax office that the VKN is registered with",
        )
    _check_is_turkish(tax_id)


def _check_tckn(tax_id: TaxId) -> None:
    if len(tax_id.number) != _TCKN_DIGITS or not _is_digits(tax_id.number):
        raise _refuse_number(
            tax_id,
            "is not a TCKN: it does not have eleven digits",
            "write the eleven digits without spaces; a company's ten digits are a VKN",
        )
    if not is_valid_tckn(tax_id.number):
        raise _refuse_number(
            tax_id,
            "is not a TCKN: its check digits do not fit",
            "copy it from the identity card again",
        )
    _check_is_turkish(tax_id)


def _check_is_turkish(tax_id: TaxId) -> None:
    if tax_id.country != "TR":
        raise InvalidInput(
            "tax_id.country",
            tax_id.country,
            f"does not issue a {tax_id.kind.value}",
            "leave the country at TR or use TaxIdKind.FOREIGN",
        )


def _check_foreign(tax_id: TaxId) -> None:
    if tax_id.country == "TR":
        raise InvalidInput(
            "tax_id.country",
            "TR",
            "is not foreign",
            "use TaxIdKind.VKN or TaxIdKind.TCKN, or name the country that issued the id",
        )
    number = tax_id.number
    if not number.strip() or not number.isprintable() or len(number) > _LONGEST_FOREIGN_ID:
        raise InvalidInput(
            "tax_id.number",
            f"text of {len(number)} characters",
            "is blank, too long or not printable",
            f"write the id in 1 to {_LONGEST_FOREIGN_ID} printable characters",
        )


def _check_type(field: str, value: Any, wanted: type) -> None:  # noqa: ANN401 - callers pass anything
    """Refuse another type, and name that instead of the value, which may be personal."""
    if not isinstance(value, wanted):
        raise InvalidInput(
            field,
            type(value).__name__,
            f"is not the type {wanted.__name__}",
            f"pass a {wanted.__name__}",
        )


def _check_text(field: str, value: Any, *, longest: int = _LONGEST_TEXT) -> None:  # noqa: ANN401 - callers pass anything
    if not isinstance(value, str):
        raise InvalidInput(field, value, "is not text", "pass a string")
    if not value.strip():
        raise InvalidInput(field, value, "is blank", "fill it in")
    if len(value) > longest:
        raise InvalidInput(
            field,
            f"text of {len(value)} characters",
            "is too long",
            f"use at most {longest} characters",
        )
    if not value.isprintable():
        raise InvalidInput(
            field,
            value,
            "has characters that cannot be printed",
            "remove line breaks, tabs and control characters",
        )


def _check_country(field: str, value: Any) -> None:  # noqa: ANN401 - callers pass anything
    if not isinstance(value, str) or value not in _COUNTRIES:
        raise InvalidInput(
            field,
            value,
            "is not a country code",
            "use two capital letters of ISO 3166-1, such as TR, DE or GB",
        )


def _check_turkish_post_code(value: Any) -> None:  # noqa: ANN401 - callers pass anything
    if not isinstance(value, str) or len(value) != _POST_CODE_DIGITS or not _is_digits(value):
        raise InvalidInput(
            "address.post_code",
            value,
            "is not a Turkish post code",
            "use five digits that begin with 01 to 81",
        )
    if not 1 <= int(value[:2]) <= _LAST_PLATE_CODE:
        raise InvalidInput(
            "address.post_code",
            value,
            "does not begin with a plate code",
            "use five digits that begin with 01 to 81",
        )


def _check_email(value: Any) -> None:  # noqa: ANN401 - callers pass anything
    _check_text("email", value, longest=_LONGEST_EMAIL)
    name, at, domain = value.rpartition("@")
    if not (name and at and "." in domain) or " " in value or "@" in name:
        raise InvalidInput(
            "email",
            value,
            "is not an e-mail address",
            "write it as name@example.com, or leave it out",
        )


_CHECKS: Final = {
    TaxIdKind.VKN: _check_vkn,
    TaxIdKind.TCKN: _check_tckn,
    TaxIdKind.FOREIGN: _check_foreign,
}

ERASED: Final = BillingProfile(
    business_name="erased",
    address=Address(line="erased", city="erased", country="AQ"),
    tax_id=TaxId(kind=TaxIdKind.FOREIGN, number="erased", country="AQ"),
)
"""What stands where a profile stood that had to be erased; nobody lives there."""
