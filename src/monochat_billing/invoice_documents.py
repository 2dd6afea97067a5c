"""Invoice documents: an invoice as plain data, for a host's own templates and for UBL-TR.

*Owns* the names under which an invoice's facts leave the library.
*Does not own* the facts (:mod:`monochat_billing.invoices`), XML, signatures or filing.

Amounts are decimal text in major units, days are ISO 8601, and nothing is masked: the buyer's tax
id stands here whole, because an invoice has to carry it. Store and send it accordingly.
"""

from collections.abc import Callable
from datetime import UTC
from fractions import Fraction
from typing import Any, Final

from monochat_billing.catalog_versions import AnyCatalog
from monochat_billing.entries import EntryKind
from monochat_billing.entry_words import product_words, text_words
from monochat_billing.instants import check_zone
from monochat_billing.invoices import Invoice, InvoiceKind, InvoiceLine
from monochat_billing.money import Money, amount_text, minor_digits
from monochat_billing.profiles import BillingProfile, TaxIdKind
from monochat_billing.tax import TaxTreatment
from monochat_billing.translations import mark
from monochat_billing.wording import Words

__all__ = ["invoice_data", "line_title", "rate_text", "ubl_fields"]

_KDV_CODE: Final = "0015"
"""The code of KDV among the taxes of UBL-TR (code lists of the Turkish revenue administration)."""
_UNIT: Final = "C62"
"""One piece, in UN/ECE recommendation 20, as UBL-TR wants it."""
_RATE_DECIMALS: Final = 6

_TITLES: Final = {
    EntryKind.TOP_UP: mark("Prepaid balance"),
    EntryKind.PLAN_FEE: mark("Subscription plan"),
    EntryKind.SUPPORT_FEE: mark("Support package"),
    EntryKind.ADD_ON_FEE: mark("Add-on"),
    EntryKind.MESSAGE_FEE: mark("Message fees"),
    EntryKind.USAGE_FEE: mark("Usage"),
    EntryKind.PACK_FEE: mark("Pack"),
    EntryKind.CHARGE: mark("Service"),
    EntryKind.PRORATION_CREDIT: mark("Credit for unused time"),
}


def line_title(line: InvoiceLine, words: Words, product: Callable[[str], str] = str) -> str:
    """Say what a line is for: the kind of sale, and the text of its entries if there is one.

    ``product`` gives a product's name for its id.
    """
    title = words.say(_TITLES.get(line.kind, _TITLES[EntryKind.CHARGE]))
    return f"{title}: {text_words(line.kind, line.text, words, product)}" if line.text else title


def invoice_data(
    invoice: Invoice, *, locale: str = "en", catalog: AnyCatalog | None = None
) -> dict[str, Any]:
    """Give an invoice as plain data that ``json.dumps`` takes; titles are in ``locale``.

    With a ``catalog`` they name products, without one they have their ids.

    Raises:
        InvalidInput: there are no sentences in that language.
    """
    words = Words(locale)
    product = product_words(catalog, invoice.issued_at, words)
    zone = check_zone(invoice.zone)
    period = invoice.period
    return {
        "id": invoice.id,
        "number": str(invoice.number),
        "kind": invoice.kind.value,
        "reference": invoice.reference,
        "account": invoice.account,
        "currency": invoice.currency,
        "issued_at": invoice.issued_at.astimezone(UTC).isoformat(),
        "issued_on": invoice.issued_on.isoformat(),
        "period": None
        if period is None
        else {
            "start_on": period.start.astimezone(zone).date().isoformat(),
            "end_on": period.last_day(invoice.zone).isoformat(),
        },
        "top_up": invoice.top_up or None,
        "corrects": None if invoice.corrects is None else str(invoice.corrects),
        "reason": invoice.reason,
        "seller": _party(invoice.seller),
        "buyer": _party(invoice.buyer),
        "lines": [_line(line, words, product) for line in invoice.lines],
        "taxes": [
            {
                "name": one.rate.name,
                "percent": one.rate.percent,
                "treatment": one.treatment.value,
                "reason": one.reason,
                "net": _text(one.net),
                "tax": _text(one.tax),
            }
            for one in invoice.taxes
        ],
        "net": _text(invoice.net),
        "tax": _text(invoice.tax),
        "gross": _text(invoice.gross),
        "ledger": amount_text(invoice.ledger),
        "rounding": amount_text(invoice.rounding),
        "promotional": amount_text(invoice.promotional),
        "exchange": None
        if invoice.exchange is None
        else {"home": invoice.home, "rate": rate_text(invoice.exchange)},
    }


def _line(line: InvoiceLine, words: Words, product: Callable[[str], str]) -> dict[str, Any]:
    return {
        "number": line.number,
        "kind": line.kind.value,
        "title": line_title(line, words, product),
        "text": line.text,
        "entries": line.count,
        "percent": line.tax.rate.percent,
        "treatment": line.tax.treatment.value,
        "net": _text(line.tax.net),
        "tax": _text(line.tax.tax),
        "gross": _text(line.gross),
        "ledger": amount_text(line.ledger),
        "promotional": amount_text(line.promotional),
        "credits_line": line.line,
    }


def _party(profile: BillingProfile) -> dict[str, Any]:
    address, tax_id = profile.address, profile.tax_id
    return {
        "name": profile.business_name,
        "address": address.line,
        "post_code": address.post_code,
        "district": address.district,
        "city": address.city,
        "country": address.country,
        "tax_id_kind": tax_id.kind.value,
        "tax_id": tax_id.number,
        "tax_office": tax_id.tax_office,
        "email": profile.email,
    }


def ubl_fields(
    invoice: Invoice, *, locale: str = "tr", catalog: AnyCatalog | None = None
) -> dict[str, Any]:
    """Give the fields that a UBL-TR invoice needs, under the names of its elements.

    It is what an integrator's template fills in for e-Fatura or e-Arşiv: profile, type, parties,
    lines, taxes and sums, and for a foreign currency the rate. A credit note is an ``IADE`` that
    refers to what it gives back. Names and codes are those of the UBL-TR 1.2 guide of the Turkish
    revenue administration; nothing is filed or signed here. With a ``catalog`` lines name products.

    Raises:
        InvalidInput: there are no sentences in that language.
    """
    words = Words(locale)
    product = product_words(catalog, invoice.issued_at, words)
    local = invoice.issued_at.astimezone(check_zone(invoice.zone))
    fields: dict[str, Any] = {
        "UBLVersionID": "2.1",
        "CustomizationID": "TR1.2",
        "ProfileID": _profile(invoice),
        "ID": str(invoice.number),
        "UUID": invoice.id,
        "IssueDate": local.date().isoformat(),
        "IssueTime": f"{local:%H:%M:%S}",
        "InvoiceTypeCode": _type(invoice),
        "Note": [note for note in (invoice.reason,) if note],
        "DocumentCurrencyCode": invoice.currency,
        "LineCountNumeric": len(invoice.lines),
        "AccountingSupplierParty": _ubl_party(invoice.seller),
        "AccountingCustomerParty": _ubl_party(invoice.buyer),
        "TaxTotal": _ubl_taxes(invoice),
        "LegalMonetaryTotal": {
            "LineExtensionAmount": _text(invoice.net),
            "TaxExclusiveAmount": _text(invoice.net),
            "TaxInclusiveAmount": _text(invoice.gross),
            "PayableAmount": _text(invoice.gross),
        },
        "InvoiceLine": [_ubl_line(line, words, product) for line in invoice.lines],
    }
    if invoice.period is not None:
        fields["InvoicePeriod"] = {
            "StartDate": invoice.period.start.astimezone(check_zone(invoice.zone))
            .date()
            .isoformat(),
            "EndDate": invoice.period.last_day(invoice.zone).isoformat(),
        }
    if invoice.corrects is not None and invoice.corrects_on is not None:
        fields["BillingReference"] = {
            "InvoiceDocumentReference": {
                "ID": str(invoice.corrects),
                "IssueDate": invoice.corrects_on.isoformat(),
                "DocumentTypeCode": "IADE",
            }
        }
    if invoice.exchange is not None:
        fields["PricingExchangeRate"] = {
            "SourceCurrencyCode": invoice.currency,
            "TargetCurrencyCode": invoice.home,
            "CalculationRate": rate_text(invoice.exchange),
            "Date": local.date().isoformat(),
        }
    return fields


def _profile(invoice: Invoice) -> str:
    if not invoice.registered:
        return "EARSIVFATURA"
    return "TEMELFATURA"


def _type(invoice: Invoice) -> str:
    if invoice.kind is InvoiceKind.CREDIT_NOTE:
        return "IADE"
    untaxed = all(line.tax.treatment is not TaxTreatment.TAXED for line in invoice.lines)
    return "ISTISNA" if untaxed else "SATIS"


def _ubl_party(profile: BillingProfile) -> dict[str, Any]:
    address, tax_id = profile.address, profile.tax_id
    scheme = "TCKN" if tax_id.kind is TaxIdKind.TCKN else "VKN"
    party: dict[str, Any] = {
        "PartyIdentification": {"schemeID": scheme, "ID": tax_id.number},
        "PartyName": profile.business_name,
        "PostalAddress": {
            "StreetName": address.line,
            "CitySubdivisionName": address.district or address.city,
            "CityName": address.city,
            "PostalZone": address.post_code,
            "Country": address.country,
        },
    }
    if tax_id.tax_office:
        party["PartyTaxScheme"] = {"TaxScheme": {"Name": tax_id.tax_office}}
    if profile.email:
        party["Contact"] = {"ElectronicMail": profile.email}
    if tax_id.kind is TaxIdKind.TCKN:
        first, _, last = profile.business_name.rpartition(" ")
        party["Person"] = {"FirstName": first or last, "FamilyName": last}
    return party


def _ubl_taxes(invoice: Invoice) -> dict[str, Any]:
    return {
        "TaxAmount": _text(invoice.tax),
        "TaxSubtotal": [
            {
                "TaxableAmount": _text(one.net),
                "TaxAmount": _text(one.tax),
                "Percent": one.rate.percent if one.treatment is TaxTreatment.TAXED else "0",
                "TaxCategory": {
                    **_exemption(one.treatment, one.reason),
                    "TaxScheme": {"Name": one.rate.name, "TaxTypeCode": _KDV_CODE},
                },
            }
            for one in invoice.taxes
        ],
    }


def _ubl_line(line: InvoiceLine, words: Words, product: Callable[[str], str]) -> dict[str, Any]:
    taxed = line.tax.treatment is TaxTreatment.TAXED
    found: dict[str, Any] = {
        "ID": str(line.number),
        "InvoicedQuantity": {"unitCode": _UNIT, "value": "1"},
        "LineExtensionAmount": _text(line.tax.net),
        "Price": {"PriceAmount": _text(line.tax.net)},
        "TaxTotal": {
            "TaxAmount": _text(line.tax.tax),
            "Percent": line.tax.rate.percent if taxed else "0",
        },
        "Item": {"Name": line_title(line, words, product)},
    }
    if line.promotional.amount:
        found["Note"] = words.say(
            "{amount} paid by promotions", amount=words.money(line.promotional)
        )
    return found


def _exemption(treatment: TaxTreatment, reason: str) -> dict[str, str]:
    return {} if treatment is TaxTreatment.TAXED else {"TaxExemptionReasonCode": reason}


def _text(value: Money) -> str:
    """Write an amount with its currency's minor digits."""
    whole, _, fraction = amount_text(value).partition(".")
    digits = minor_digits(value.currency)
    return f"{whole}.{fraction.ljust(digits, '0')}" if digits else whole


def rate_text(value: Fraction) -> str:
    """Write a rate in decimals, exactly where it has an end soon, else to six of them."""
    digits = next(
        (one for one in range(_RATE_DECIMALS * 2) if (value * 10**one).denominator == 1),
        _RATE_DECIMALS,
    )
    whole, rest = divmod(round(value * 10**digits), 10**digits)
    return f"{whole}.{rest:0{digits}d}" if digits else str(whole)
