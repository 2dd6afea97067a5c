"""Invoices and the counters of their series.

Owns that a number leaves no gap and nothing is invoiced twice.
Does not own numbers themselves (:mod:`monochat_billing.invoices`).
"""

from collections.abc import Sequence
from datetime import datetime
from functools import partial

from monochat_billing.adapters.memory._pending import Pending, page_of
from monochat_billing.errors import StorageMisuse
from monochat_billing.invoices import Invoice
from monochat_billing.profiles import ERASED


class Invoices(Pending):
    """Issue and read invoices."""

    def last_ordinal(self, counter: str) -> int:
        return self._shelf.counters.get(counter, 0)

    def issue(self, invoices: Sequence[Invoice]) -> None:
        shelf = self._shelf
        counters, kept = dict(shelf.counters), dict(shelf.invoices)
        self._undo.append(lambda: setattr(shelf, "counters", counters))
        self._undo.append(lambda: setattr(shelf, "invoices", kept))
        shelf.counters, shelf.invoices = dict(counters), dict(kept)
        for one in invoices:
            of_account = shelf.invoices.get(one.account, ())
            wrong = ""
            if one.account not in self._loaded:
                wrong = f"account {one.account!r} was not loaded"
            elif one.number.ordinal != shelf.counters.get(one.number.counter, 0) + 1:
                wrong = f"invoice {one.number} leaves a gap or stands twice"
            elif any(one.reference == other.reference for other in of_account):
                wrong = f"account {one.account!r} has an invoice about {one.reference!r}"
            if wrong:
                self._failure = StorageMisuse("issue", wrong)
                raise self._failure
            shelf.counters[one.number.counter] = one.number.ordinal
            shelf.invoices[one.account] = (*of_account, one)

    def erase_invoices(self, account: str, before: datetime) -> int:
        shelf = self._shelf
        kept = shelf.invoices.get(account, ())
        after = tuple(
            one.without_buyer() if one.issued_at < before and one.buyer != ERASED else one
            for one in kept
        )
        self._undo.append(partial(shelf.invoices.update, {account: kept}))
        shelf.invoices[account] = after
        return sum(one is not other for one, other in zip(kept, after, strict=True))

    def invoices(self, account: str, *, after: int = 0, limit: int = 100) -> Sequence[Invoice]:
        return self._shelf.invoices.get(account, ())[page_of(after, limit)]

    def invoice(self, account: str, identity: str) -> Invoice | None:
        found = self._shelf.invoices.get(account, ())
        return next((one for one in found if one.id == identity), None)

    def invoice_about(self, account: str, reference: str) -> Invoice | None:
        found = self._shelf.invoices.get(account, ())
        return next((one for one in found if one.reference == reference), None)

    def credit_notes(self, account: str, identity: str) -> Sequence[Invoice]:
        found = self._shelf.invoices.get(account, ())
        return tuple(one for one in found if one.corrects_id == identity)

    def invoiced_through(self, account: str, currency: str) -> int:
        found = self._shelf.invoices.get(account, ())
        return max((one.last for one in found if one.currency == currency), default=0)
