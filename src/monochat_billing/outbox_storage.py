"""Outbox storage: what a storage has to offer whose outbox consumers share.

Owns the part of the storage protocols that only deliveries need, so that a storage without it is
complete for everything else.
Does not own any store, nor the rest of what one must do (:mod:`monochat_billing.repositories`).

Beside the guarantees of every storage:

* *Nothing is missed*: whatever ``save`` appends to an account's outbox, every consumer that is
  known by then has ahead of it, from the same transaction on.
* *Nobody scans*: a claim visits accounts that have something ahead, and no others.
* *Nobody waits*: a claim passes over accounts that another claim is taking at this moment.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol, final, runtime_checkable

import attrs

from monochat_billing.repositories import UnitOfWork

__all__ = ["OutboxCursor", "OutboxUnit"]


@final
@attrs.frozen
class OutboxCursor:
    """Say how far one consumer has come with the events of one account.

    ``acknowledged`` is the number of the last event that it has handled; ``lease`` names who is at
    work until ``leased_until`` (exclusive), both empty when nobody is.
    """

    account: str
    acknowledged: int = 0
    lease: str = ""
    leased_until: datetime | None = None


@runtime_checkable
class OutboxUnit(UnitOfWork, Protocol):
    """Share an outbox between consumers, in a unit of work."""

    def add_consumer(self, consumer: str, *, from_beginning: bool) -> None:
        """Let a consumer have events ahead: all there are, or those to come; known, it stays."""
        ...

    def drop_consumer(self, consumer: str) -> None:
        """Forget a consumer and how far it has come."""
        ...

    def consumers(self) -> Sequence[str]:
        """Name the consumers, in ascending order."""
        ...

    def claim(
        self, consumer: str, *, now: datetime, until: datetime, lease: str, limit: int
    ) -> Sequence[OutboxCursor]:
        """Lease up to ``limit`` accounts that have events ahead and that nobody leases at ``now``.

        The longest waiting come first. The leases end at ``until``.
        """
        ...

    def cursor(self, consumer: str, account: str) -> OutboxCursor | None:
        """Give how far a consumer has come with an account that this unit of work has loaded."""
        ...

    def move_cursor(self, consumer: str, cursor: OutboxCursor, *, ahead: bool) -> None:
        """Keep how far a consumer has come; ``ahead`` says that there is more to deliver."""
        ...
