"""The request that opens iyzico's checkout form, and the report of what was given back.

Owns which of a top-up, its billing profile and its buyer goes into which field.
Does not own sending it. What it says of the buyer is personal: it is sent, and kept nowhere.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

from monochat_billing.errors import InvalidInput
from monochat_billing.gateways import Buyer
from monochat_billing.money import amount_text
from monochat_billing.payments import TopUp
from monochat_billing.profiles import TaxIdKind

__all__ = ["UNKNOWN_IDENTITY", "checkout_request", "given_back"]

UNKNOWN_IDENTITY: Final = "11111111111"
"""What stands for the identity number of a buyer who has none, or of whom it is not known."""


def checkout_request(
    top_up: TopUp, buyer: Buyer, callback_url: str, installments: Sequence[int]
) -> dict[str, Any]:
    """Return the fields of the request, amounts as decimal text in major units.

    Raises:
        InvalidInput: naming ``buyer.email`` or ``buyer.ip``, which iyzico demands.
    """
    profile = top_up.profile
    address, price = profile.address, amount_text(top_up.amount)
    name = buyer.name or profile.business_name
    place = {
        "address": address.line,
        "zipCode": address.post_code,
        "city": address.city,
        "country": address.country,
    }
    return {
        "locale": "tr",
        "conversationId": top_up.id,
        "price": price,
        "paidPrice": price,
        "currency": top_up.amount.currency.code,
        "basketId": top_up.id,
        "paymentGroup": "PRODUCT",
        "callbackUrl": callback_url,
        "enabledInstallments": list(installments),
        "buyer": {
            "id": top_up.account,
            "name": name,
            "surname": buyer.surname or name,
            "email": _needed("email", buyer.email or profile.email or ""),
            "gsmNumber": buyer.phone,
            "identityNumber": _identity(top_up, buyer),
            "registrationAddress": address.line,
            "ip": _needed("ip", buyer.ip),
            "city": address.city,
            "country": address.country,
            "zipCode": address.post_code,
        },
        "billingAddress": {"contactName": profile.business_name, **place},
        "basketItems": [
            {
                "id": top_up.id,
                "name": "Balance top-up",
                "category1": "Prepaid balance",
                "itemType": "VIRTUAL",
                "price": price,
            }
        ],
    }


def _identity(top_up: TopUp, buyer: Buyer) -> str:
    if buyer.identity_number:
        return buyer.identity_number
    tax_id = top_up.profile.tax_id
    return tax_id.number if tax_id.kind is TaxIdKind.TCKN else UNKNOWN_IDENTITY


def _needed(field: str, value: str) -> str:
    if not value:
        raise InvalidInput(
            f"buyer.{field}", None, "is missing", f"pass Buyer({field}=…) to top_ups.start"
        )
    return value


def given_back(report: Mapping[str, Any], payment: str) -> Decimal:
    """Sum what a report of iyzico says was given back of a payment, in major units.

    Refunds that iyzico marks as done count, and cancellations. A report that names no such
    payment, or calls it refunded without saying how much, is not believed.

    Raises:
        ValueError: saying what is wrong with the report.

    >>> refund = {"refundPrice": Decimal("20.5"), "refundStatus": 1}
    >>> entry = {"paymentId": 7, "paymentRefundStatus": "PARTIALLY_REFUNDED",
    ...          "cancels": [], "itemTransactions": [{"refunds": [refund]}]}
    >>> given_back({"status": "success", "payments": [entry]}, "7")
    Decimal('20.5')
    """
    found = [
        one
        for one in _rows(report, "payments")
        if str(one.get("paymentId")) == payment and report.get("status") == "success"
    ]
    if len(found) != 1:
        message = "names no such payment"
        raise ValueError(message)
    (entry,) = found
    rows = [
        *_rows(entry, "cancels"),
        *(row for item in _rows(entry, "itemTransactions") for row in _rows(item, "refunds")),
    ]
    total = Decimal(0)
    for row in rows:
        if row.get("refundStatus") == 1:
            total += _refund_price(row.get("refundPrice"))
    if not total and entry.get("paymentRefundStatus") != "NOT_REFUNDED":
        message = "does not say how much was refunded"
        raise ValueError(message)
    return total


def _refund_price(value: Any) -> Decimal:  # noqa: ANN401 - it comes from a wire
    if type(value) not in (int, Decimal) or value < 0:
        message = "has a refund without a price"
        raise ValueError(message)
    return Decimal(value)


def _rows(fields: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    rows = fields.get(name)
    return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
