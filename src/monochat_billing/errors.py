"""The error tree.

::

    BillingError
    ├── InvalidInput              the caller's mistake: nothing happened, nothing is remembered
    │   ├── ForgedCallback        a payment callback whose signature does not verify
    │   ├── InvalidCatalog        a catalog with mistakes: all of them in one report
    │   └── UnknownName           an account, product, price … that does not exist
    ├── Rejected                  a business refusal: remembered under its idempotency key
    │   ├── IdempotencyConflict   the key was used before, for something else
    │   ├── IllegalTransition     the state table has no such move
    │   ├── InsufficientFunds     available is less than requested
    │   ├── LimitExceeded         a count is above a hard limit of the plan
    │   └── StaleQuote            what the quote was computed from has changed
    └── InfrastructureError       in doubt: repeat the call with the same key to settle it
        ├── GatewayError          a payment provider did not answer as agreed
        ├── MissingExtra          an optional dependency is not installed
        └── StorageError          the storage failed
            ├── CorruptBooks      what is stored contradicts itself: billing stops
            ├── SchemaMismatch    the database has another schema version than this library
            ├── StorageMisuse     a call that no storage can serve; nothing was written
            ├── StoreBusy         a lock was not free before the deadline; nothing was written
            └── StoreUnreachable  the database could not be opened; nothing was written

Every error is built from positional fields, so it survives pickling and a process pool, and says
which field, which value and what to do next.
"""

from collections.abc import Iterable
from enum import StrEnum
from typing import Any, final

import attrs

__all__ = [
    "BillingError",
    "CorruptBooks",
    "ForgedCallback",
    "GatewayError",
    "IdempotencyConflict",
    "IllegalTransition",
    "InfrastructureError",
    "InsufficientFunds",
    "InvalidCatalog",
    "InvalidInput",
    "LimitExceeded",
    "MissingExtra",
    "Rejected",
    "SchemaMismatch",
    "StaleQuote",
    "StorageError",
    "StorageMisuse",
    "StoreBusy",
    "StoreUnreachable",
    "UnknownName",
]

_LONGEST_SHOWN = 120


def _shown(value: Any) -> str:  # noqa: ANN401 - an error accepts whatever the caller passed
    text = repr(value.value if isinstance(value, StrEnum) else value)
    return text if len(text) <= _LONGEST_SHOWN else text[: _LONGEST_SHOWN - 1] + "…"


class BillingError(Exception):
    """Root of every error that this library raises on purpose.

    >>> all(issubclass(one, BillingError) for one in (InvalidInput, Rejected, StorageError))
    True
    """


@attrs.frozen
class InvalidInput(BillingError):
    """Refuse an argument that can never be right, whatever the state.

    Nothing has happened and nothing is remembered: correct the argument and call again with the
    same idempotency key.

    >>> error = InvalidInput("amount", "-5", "is negative", "pass an amount above zero")
    >>> print(error)
    amount: '-5' is negative; pass an amount above zero
    """

    field: str
    value: Any
    problem: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.field}: {_shown(self.value)} {self.problem}; {self.remedy}"


@final
@attrs.frozen
class UnknownName(InvalidInput):
    """Refuse a name that nothing answers to.

    >>> print(UnknownName("plan", "grwth", "is not in the catalog", "use one of basic, growth"))
    plan: 'grwth' is not in the catalog; use one of basic, growth
    """

    def __str__(self) -> str:
        return InvalidInput.__str__(self)


@final
@attrs.frozen
class ForgedCallback(InvalidInput):
    """Refuse a payment callback that cannot be shown to come from the gateway.

    Nothing has moved. The value never holds the secret or the signature that was expected.

    >>> print(ForgedCallback("signature", "abc", "does not verify", "check the secret"))
    signature: 'abc' does not verify; check the secret
    """

    def __str__(self) -> str:
        return InvalidInput.__str__(self)


@final
@attrs.frozen
class InvalidCatalog(InvalidInput):
    """Refuse a catalog, with every mistake that was found in it.

    ``field`` names the file, or the catalog that was built in Python; ``value`` counts the
    mistakes. Each of ``mistakes`` has its own path, value and remedy.

    >>> negative = InvalidInput("products.pro.prices[0].amount", "-5", "is negative", "raise it")
    >>> print(InvalidCatalog.of("plans.toml", [negative]))
    plans.toml: 1 mistake
      products.pro.prices[0].amount: '-5' is negative; raise it
    """

    mistakes: tuple[InvalidInput, ...]

    @classmethod
    def of(cls, source: str, mistakes: Iterable[InvalidInput]) -> "InvalidCatalog":
        """Put mistakes into one report about ``source``."""
        found = tuple(mistakes)
        return cls(source, len(found), "mistakes were found", "mend each of them", found)

    def __str__(self) -> str:
        count = len(self.mistakes)
        head = f"{self.field}: {count} mistake{'' if count == 1 else 's'}"
        return "\n  ".join([head, *(str(mistake) for mistake in self.mistakes)])


class Rejected(BillingError):
    """Root of business refusals.

    A refusal is a result: repeating the command with its idempotency key raises it again, even
    when it would succeed by now. Ask anew with a new key.

    >>> issubclass(InsufficientFunds, Rejected), issubclass(InvalidInput, Rejected)
    (True, False)
    """


@final
@attrs.frozen
class InsufficientFunds(Rejected):
    """Refuse a debit or a hold that would make the balance's available amount negative.

    ``available`` is what there is for the kind of charge that was asked. Amounts are decimal
    strings in major units of ``unit``. ``remedy`` says what could be done. Nothing was debited.

    >>> error = InsufficientFunds("acme", "TRY", "30000", "8250.50", "21749.50")
    >>> print(error)
    acme: 30000 TRY asked, 8250.50 available, 21749.50 short; top up and retry with a new key
    """

    account: str
    unit: str
    requested: str
    available: str
    shortfall: str
    remedy: str = "top up and retry with a new key"

    def __str__(self) -> str:
        return (
            f"{self.account}: {self.requested} {self.unit} asked, {self.available} available, "
            f"{self.shortfall} short; {self.remedy}"
        )


@final
@attrs.frozen
class LimitExceeded(Rejected):
    """Refuse a count above a hard limit of the plan.

    >>> print(LimitExceeded("acme", "users", 5, 7))
    acme: 7 users exceed the limit of 5; remove 2 or choose a larger plan
    """

    account: str
    limit: str
    most: int
    used: int

    def __str__(self) -> str:
        return (
            f"{self.account}: {self.used} {self.limit} exceed the limit of {self.most}; "
            f"remove {self.used - self.most} or choose a larger plan"
        )


@final
@attrs.frozen
class IllegalTransition(Rejected):
    """Refuse a move that the state table of ``noun`` does not have.

    >>> print(IllegalTransition("scheduled change", "sch-1", "APPLIED", "revoke"))
    scheduled change 'sch-1' is APPLIED and cannot revoke; look at its current state first
    """

    noun: str
    identity: str
    state: str = attrs.field(converter=str)
    action: str = attrs.field(converter=str)

    def __str__(self) -> str:
        return (
            f"{self.noun} {self.identity!r} is {self.state} and cannot {self.action}; "
            "look at its current state first"
        )


@final
@attrs.frozen
class IdempotencyConflict(Rejected):
    """Refuse a key that already stands for another request.

    >>> print(IdempotencyConflict("acme", "export-1", "amount", "12.50 TRY", "13.50 TRY"))
    acme: key 'export-1' was used with amount '12.50 TRY', now '13.50 TRY'; use a new key
    """

    account: str
    key: str
    field: str
    first: Any
    now: Any

    def __str__(self) -> str:
        return (
            f"{self.account}: key {self.key!r} was used with {self.field} {_shown(self.first)}, "
            f"now {_shown(self.now)}; use a new key"
        )


@final
@attrs.frozen
class StaleQuote(Rejected):
    """Refuse to execute a quote whose premises no longer hold.

    >>> print(StaleQuote("q-1", "the subscription changed"))
    quote 'q-1' is stale: the subscription changed; preview again
    """

    quote: str
    reason: str

    def __str__(self) -> str:
        return f"quote {self.quote!r} is stale: {self.reason}; preview again"


class InfrastructureError(BillingError):
    """Root of failures outside the rules: the outcome is in doubt, never known to be a failure.

    Repeat the call with the same idempotency key: it settles what happened.

    >>> issubclass(StoreBusy, InfrastructureError), issubclass(StaleQuote, InfrastructureError)
    (True, False)
    """


@attrs.frozen
class StorageError(InfrastructureError):
    """Report a storage failure; whether the command took effect is in doubt.

    >>> print(StorageError("save", "the connection was lost"))
    save: the connection was lost; in doubt, repeat with the same key to settle it
    """

    operation: str
    detail: str

    def __str__(self) -> str:
        return f"{self.operation}: {self.detail}; in doubt, repeat with the same key to settle it"


@final
@attrs.frozen
class StorageMisuse(StorageError):
    """Refuse a call that can never be served: on a closed storage, say, or a save out of order.

    Nothing was written, and nothing is in doubt. It is a mistake in the code that calls.

    >>> print(StorageMisuse("save", "account 'acme' was not loaded"))
    save: account 'acme' was not loaded; nothing was written
    """

    def __str__(self) -> str:
        return f"{self.operation}: {self.detail}; nothing was written"


@final
@attrs.frozen
class StoreBusy(StorageError):
    """Report that a lock was not free before the deadline.

    Nothing was written.

    >>> print(StoreBusy("save", "the database is locked"))
    save: the database is locked; nothing was written, try again
    """

    def __str__(self) -> str:
        return f"{self.operation}: {self.detail}; nothing was written, try again"


@final
@attrs.frozen
class StoreUnreachable(StorageError):
    """Report that the database could not be opened.

    Nothing was written.

    >>> print(StoreUnreachable("open", "sqlite:////no/b.db: unable to open database file"))
    open: sqlite:////no/b.db: unable to open database file; nothing was written; check ...
    """

    def __str__(self) -> str:
        return (
            f"{self.operation}: {self.detail}; nothing was written; "
            "check the path or the address, and that a database is there"
        )


@final
@attrs.frozen
class SchemaMismatch(StorageError):
    """Refuse a database whose schema is not the one this library was written for.

    >>> print(SchemaMismatch("open", "the schema is billing_0008, billing_0009 is needed"))
    open: the schema is billing_0008, billing_0009 is needed
    """

    def __str__(self) -> str:
        return f"{self.operation}: {self.detail}"


@final
@attrs.frozen
class CorruptBooks(StorageError):
    """Stop billing because what is stored contradicts itself.

    Nothing was charged.

    >>> print(CorruptBooks("load", "entry 7 of acme is missing"))
    load: entry 7 of acme is missing; run verify() and mend the storage
    """

    def __str__(self) -> str:
        return f"{self.operation}: {self.detail}; run verify() and mend the storage"


@final
@attrs.frozen
class GatewayError(InfrastructureError):
    """Report a payment provider that did not answer as agreed.

    >>> print(GatewayError("paytr", "start", "no answer in 20 seconds"))
    paytr: start: no answer in 20 seconds; in doubt, repeat with the same key to settle it
    """

    gateway: str
    operation: str
    detail: str

    def __str__(self) -> str:
        return (
            f"{self.gateway}: {self.operation}: {self.detail}; "
            "in doubt, repeat with the same key to settle it"
        )


@final
@attrs.frozen
class MissingExtra(InfrastructureError, ImportError):
    """Name the extra that has to be installed for a module to be importable.

    >>> print(MissingExtra("monochat_billing.adapters.sql", "sql"))
    monochat_billing.adapters.sql needs the extra [sql]: pip install 'monochat-billing[sql]'
    """

    module: str
    extra: str

    def __str__(self) -> str:
        return (
            f"{self.module} needs the extra [{self.extra}]: "
            f"pip install 'monochat-billing[{self.extra}]'"
        )
