"""Invoice storage: what a storage has to offer that keeps invoices, too.

Owns the part of the storage protocols that only invoicing needs, so that a storage without it is
complete for everything else.
Does not own any store, nor the rest of what one must do (:mod:`monochat_billing.repositories`).

Beside the guarantees of every storage:

* *Without gaps*: the ordinals of one counter are 1, 2, 3, …, each on one invoice that was issued. A
  unit of work that fails gives back what it had taken.
* *Once*: an invoice's id and number exist once, its reference once per account.
"""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from monochat_billing.invoices import Invoice
from monochat_billing.repositories import Reader, UnitOfWork

__all__ = ["InvoiceReader", "InvoiceUnit"]


@runtime_checkable
class InvoiceReader(Reader, Protocol):
    """Read invoices from the same view as everything else."""

    def invoices(self, account: str, *, after: int = 0, limit: int = 100) -> Sequence[Invoice]:
        """Give up to ``limit`` invoices in the order of their issue, skipping ``after``."""
        ...

    def invoice(self, account: str, identity: str) -> Invoice | None:
        """Give the invoice with this id, if the account has one."""
        ...

    def invoice_about(self, account: str, reference: str) -> Invoice | None:
        """Give the invoice about this, if the account has one."""
        ...

    def credit_notes(self, account: str, identity: str) -> Sequence[Invoice]:
        """Give the credit notes about the invoice with this id, in the order of their issue."""
        ...

    def invoiced_through(self, account: str, currency: str) -> int:
        """Give the number of the last entry that an invoice has looked through; 0 for none."""
        ...


@runtime_checkable
class InvoiceUnit(InvoiceReader, UnitOfWork, Protocol):
    """Issue invoices in a unit of work."""

    def last_ordinal(self, counter: str) -> int:
        """Give the ordinal that a counter gave out last; 0 for none.

        The counter is this unit of work's own until it ends. Take it after the accounts.
        """
        ...

    def issue(self, invoices: Sequence[Invoice]) -> None:
        """Keep invoices of accounts that this unit of work has loaded, and move their counters."""
        ...
