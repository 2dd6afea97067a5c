"""The request that opens iyzico's checkout form.

Owns which of a top-up, its billing profile and its buyer goes into which field.
Does not own sending it. What it says of the buyer is personal: it is sent, and kept nowhere.
"""

from collections.abc import Sequence
from typing import Any, Final

from monochat_billing.errors import InvalidInput
from monochat_billing.gateways import Buyer
from monochat_billing.money import amount_text
from monochat_billing.payments import TopUp
from monochat_billing.profiles import TaxIdKind

__all__ = ["UNKNOWN_IDENTITY", "checkout_request"]

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
