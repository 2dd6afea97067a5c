"""The seller of the examples, whose name stands on their invoices. It is invented.

Owns the invoice policy that the page and the API are started with. Does not own any rule of it.
"""

from typing import Final

from monochat_billing import Address, BillingProfile, TaxId, TaxIdKind
from monochat_billing.invoicing import InvoicePolicy, TaxPoint

__all__ = ["INVOICING"]

INVOICING: Final = InvoicePolicy(
    seller=BillingProfile(
        business_name="MonoChat Yazılım A.Ş. (örnek)",
        address=Address(
            line="Büyükdere Cad. 1", district="Şişli", city="İstanbul", post_code="34394"
        ),
        tax_id=TaxId(kind=TaxIdKind.VKN, number="4540536920", tax_office="Zincirlikuyu"),
    ),
    tax_point=TaxPoint.ON_TOP_UP,
)
