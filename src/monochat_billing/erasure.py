"""Erasure: take a person out of what has to be kept.

*Owns* which values hold personal data, and what stands there afterwards.
*Does not own* who asks for it, nor the storages that keep the values.

Books stay as they are: entries, lots and events name no person. Billing profiles do. They stand in
the account, in its top-ups, and in the answers that its keys remember. Invoices keep theirs until
the law lets them go.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Protocol, runtime_checkable

import attrs

from monochat_billing.profiles import ERASED, BillingProfile
from monochat_billing.repositories import UnitOfWork

__all__ = ["ErasingUnit", "erased"]


def erased(value: Any) -> Any:  # noqa: ANN401 - any value that is stored
    """Give a value with every billing profile in it replaced by :data:`ERASED`.

    A value without one is given back itself, so that nothing is written for it.

    >>> from monochat_billing.profiles import Address, TaxId, TaxIdKind
    >>> person = BillingProfile(
    ...     business_name="Ayşe Güneş",
    ...     address=Address(line="Gül Sok. 5", post_code="06420", city="Ankara"),
    ...     tax_id=TaxId(kind=TaxIdKind.TCKN, number="17291716060"),
    ... )
    >>> erased((1, {"buyer": person}))[1]["buyer"].business_name
    'erased'
    """
    if isinstance(value, BillingProfile):
        return ERASED
    if isinstance(value, tuple):
        parts = tuple(map(erased, value))
        return value if all(map(_same, parts, value)) else parts
    if isinstance(value, Mapping):
        found = {key: erased(one) for key, one in value.items()}
        return value if all(found[key] is one for key, one in value.items()) else found
    if attrs.has(type(value)):
        return _erased_fields(value)
    return value


def _erased_fields(value: Any) -> Any:  # noqa: ANN401 - an attrs value
    changed = {}
    for field in attrs.fields(type(value)):
        before = getattr(value, field.name)
        after = erased(before)
        if after is not before:
            changed[field.alias or field.name] = after
    return attrs.evolve(value, **changed) if changed else value


def _same(one: object, other: object) -> bool:
    return one is other


@runtime_checkable
class ErasingUnit(UnitOfWork, Protocol):
    """Erase personal data in a unit of work; the optional part of the storage protocols."""

    def erase(self, account: str) -> None:
        """Replace every profile in the account's top-ups and remembered answers.

        The account has been loaded by this unit of work, and its own profile is the caller's.
        """
        ...

    def erase_invoices(self, account: str, before: datetime) -> int:
        """Replace the buyers of the account's invoices issued before ``before``; say how many."""
        ...
