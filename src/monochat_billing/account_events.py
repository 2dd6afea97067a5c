"""Account events: what happened to an account as a whole.

Owns the names and fields of the events of accounts, profiles and invoices.
Does not own delivery (:mod:`monochat_billing.events` says where they go).
"""

from datetime import datetime
from typing import final

import attrs

from monochat_billing.event_root import Event
from monochat_billing.money import Money
from monochat_billing.units import Amount

__all__ = [
    "AccountOpened",
    "FallsDueSoon",
    "InvoiceIssued",
    "ProfileErased",
    "ProfileUpdated",
]


@final
@attrs.frozen(kw_only=True)
class AccountOpened(Event):
    """An account was opened."""

    zone: str
    currencies: tuple[str, ...]


@final
@attrs.frozen(kw_only=True)
class FallsDueSoon(Event):
    """Something falls due at ``due_at``: a word of it, once, some days ahead.

    ``what`` is RENEWAL, TRIAL_END or LOT_EXPIRY, ``subject`` the id of the subscription or lot.
    ``outcome`` says how it will end as things stand: DONE, FAILS with the ``shortfall``, LOST.
    ``amount`` is what will be charged or lost, None where nothing is.
    """

    what: str
    subject: str
    product: str
    due_at: datetime
    outcome: str
    amount: Amount | None = None
    shortfall: Money | None = None


@final
@attrs.frozen(kw_only=True)
class ProfileErased(Event):
    """An account's billing profile was erased, here and in its top-ups and remembered answers."""

    actor: str


@final
@attrs.frozen(kw_only=True)
class ProfileUpdated(Event):
    """An account's billing profile was changed; what it says is read from the account."""

    actor: str


@final
@attrs.frozen(kw_only=True)
class InvoiceIssued(Event):
    """An invoice, or with ``credit`` a credit note, was issued: send it, file it.

    ``gross`` contains ``tax``; both are above zero on a credit note, too.
    """

    invoice: str
    number: str
    credit: bool
    gross: Money
    tax: Money
    actor: str = ""
