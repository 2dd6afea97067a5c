"""Forms: from what a browser sent to values of the library, with a message for each wrong field.

Owns the names of the fields and which message belongs to which mistake.
Does not own any check: the library's values refuse what cannot be right, and name the field.
"""

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Final, final

import attrs

from monochat_billing import Address, BillingProfile, InvalidInput, Money, TaxId, TaxIdKind
from monochat_billing.money_text import parse_money

__all__ = ["FIELDS", "TopUpForm", "day_of", "profile_fields"]

FIELDS: Final = (
    "business_name",
    "address.line",
    "address.district",
    "address.city",
    "address.post_code",
    "address.country",
    "tax_id.kind",
    "tax_id.number",
    "tax_id.tax_office",
    "email",
)
"""The fields of a billing profile, called as the library's errors call them."""

_LOCALES: Final = {"en": "en_US", "tr": "tr_TR"}


@final
@attrs.frozen(kw_only=True)
class TopUpForm:
    """Hold what a top-up form says: the values where they are right, a mistake for each other."""

    amount: Money | None
    profile: BillingProfile | None
    wrong: tuple[str, ...]

    @classmethod
    def read(
        cls,
        sent: Mapping[str, str],
        language: str,
        currency: str,
        known: BillingProfile | None,
    ) -> "TopUpForm":
        """Read the form; ``known`` is the profile that a masked tax number stands for."""
        wrong: list[str] = []
        amount = None
        try:
            amount = parse_money(sent.get("amount", ""), currency, _LOCALES[language])
            if amount.amount <= 0:
                wrong.append("amount")
        except InvalidInput:
            wrong.append("amount")
        profile, mistakes = _profile(sent, known)
        return cls(amount=amount, profile=profile, wrong=(*wrong, *mistakes))


def profile_fields(profile: BillingProfile | None) -> dict[str, str]:
    """Give what the fields show of a profile; a TCKN is masked."""
    if profile is None:
        return {"address.country": "TR", "tax_id.kind": TaxIdKind.VKN.value}
    address, tax_id = profile.address, profile.tax_id
    return {
        "business_name": profile.business_name,
        "address.line": address.line,
        "address.district": address.district,
        "address.city": address.city,
        "address.post_code": address.post_code,
        "address.country": address.country,
        "tax_id.kind": tax_id.kind.value,
        "tax_id.number": tax_id.masked,
        "tax_id.tax_office": tax_id.tax_office or "",
        "email": profile.email or "",
    }


def day_of(text: str, *, required: bool = False) -> date | None:
    """Read a day as a date field sends it, None for an empty one that is not ``required``.

    Raises:
        InvalidInput: it is missing, no day, or one that no calendar here holds.
    """
    if not text and not required:
        return None
    try:
        found = date.fromisoformat(text)
        found + timedelta(days=2)
    except (ValueError, OverflowError):
        raise InvalidInput("day", text, "is no day", "choose one") from None
    if found.year < 1900:  # noqa: PLR2004 - long before the first account
        raise InvalidInput("day", text, "is too long ago", "choose a later one")
    return found


def _profile(
    sent: Mapping[str, str], known: BillingProfile | None
) -> tuple[BillingProfile | None, list[str]]:
    """Build the profile part by part, so that each wrong part is named at once."""
    given = {name: sent.get(name, "").strip() for name in FIELDS}
    wrong: list[str] = []
    address: Address | None = None
    tax_id: TaxId | None = None
    country = given["address.country"].upper()
    try:
        address = Address(
            line=given["address.line"],
            district=given["address.district"],
            city=given["address.city"],
            post_code=given["address.post_code"],
            country=country,
        )
    except InvalidInput as error:
        wrong.append(error.field)
    try:
        tax_id = _tax_id(given, country, known)
    except InvalidInput as error:
        wrong.append(error.field)
    # What stands for a part that is wrong, so that the rest is checked all the same.
    stand_in = Address(line="-", city="-", country="DE")
    other = TaxId(kind=TaxIdKind.FOREIGN, number="-", country="DE")
    try:
        profile = BillingProfile(
            business_name=given["business_name"],
            address=address or stand_in,
            tax_id=tax_id or other,
            email=given["email"] or None,
        )
    except InvalidInput as error:
        return None, [error.field, *wrong]
    return (None if wrong else profile), wrong


def _tax_id(given: Mapping[str, str], country: str, known: BillingProfile | None) -> TaxId:
    try:
        kind = TaxIdKind(given["tax_id.kind"])
    except ValueError:
        raise InvalidInput("tax_id.kind", None, "is no kind of tax id", "choose one") from None
    number = "".join(given["tax_id.number"].split())
    if known is not None and kind is known.tax_id.kind and number == known.tax_id.masked:
        number = known.tax_id.number
    return TaxId(
        kind=kind,
        number=number,
        tax_office=given["tax_id.tax_office"] or None,
        country=country if kind is TaxIdKind.FOREIGN else "TR",
    )
