"""The asynchronous face: the same nouns and verbs, to be awaited.

Owns the service that tasks use, alone or in a transaction of the host's.
Does not own what any verb does: each is named once in ``async_nouns``, and is the very same
function.

Needs the extra ``[async]``.
"""

from collections.abc import Callable, Coroutine
from typing import Any, Protocol, TypeVar, cast, final

import attrs

from monochat_billing.errors import InvalidInput
from monochat_billing.service.async_nouns import (
    AsyncAccounts,
    AsyncBalances,
    AsyncHolds,
    AsyncInvoices,
    AsyncMessages,
    AsyncOutbox,
    AsyncOutlook,
    AsyncPacks,
    AsyncSchedule,
    AsyncSubscriptions,
    AsyncTopUps,
    AsyncUsage,
)
from monochat_billing.service.billing import Billing
from monochat_billing.service.context import Context
from monochat_billing.service.group_commit import Execute, GroupCommit
from monochat_billing.service.lifting import Run
from monochat_billing.service.pipeline import Command
from monochat_billing.service.strands import OffLoop, StrandLane, ThreadedStorage, in_strand

__all__ = [
    "AsyncAccounts",
    "AsyncBalances",
    "AsyncBilling",
    "AsyncHolds",
    "AsyncInvoices",
    "AsyncMessages",
    "AsyncOutbox",
    "AsyncOutlook",
    "AsyncPacks",
    "AsyncSchedule",
    "AsyncSubscriptions",
    "AsyncTopUps",
    "AsyncUsage",
]

T = TypeVar("T")


@final
class AsyncBilling(AsyncOutlook):
    """Offer a service to tasks of an event loop: every verb of its nouns, to be awaited.

    It decides and stores exactly as ``billing`` does, whose storage, catalog, gateways and clock it
    uses. Storage and gateways work in threads of the loop's executor, and tasks that ask at once
    share a commit, as ``group_commit`` says; None gives every command its own.

    A task that is cancelled while its command is under way leaves it in doubt: it may take effect.
    Repeat the call with its key to settle it.

    >>> import asyncio
    >>> from monochat_billing import Billing, money, sample_catalog
    >>> from monochat_billing.adapters.memory import MemoryStorage
    >>> async def main() -> None:
    ...     billing = AsyncBilling(Billing(catalog=sample_catalog(), storage=MemoryStorage()))
    ...     await billing.accounts.open("acme", zone="Europe/Istanbul", currencies=["TRY"])
    ...     amount = money("250", "TRY")
    ...     await billing.balances.credit("acme", amount, reason="opening", key="k-1")
    ...     print((await billing.balances.list("acme"))["TRY"].posted)
    >>> asyncio.run(main())
    250000000
    """

    def __init__(
        self,
        billing: Billing,
        *,
        group_commit: GroupCommit | None = GroupCommit(),  # noqa: B008 - a frozen value
    ) -> None:
        context = billing.context
        reader = context.usage_reader
        lane = None if group_commit is None else StrandLane(group_commit)
        awaiting = attrs.evolve(
            context,
            storage=ThreadedStorage(context.storage),
            gateways={name: cast("Any", OffLoop(one)) for name, one in context.gateways.items()},
            usage_reader=None if reader is None else cast("Any", OffLoop(reader)),
            lane=lane and _Threaded(lane, context),
        )
        service = billing.within(awaiting)

        def run(ask: Callable[[Billing], T]) -> Coroutine[Any, Any, T]:
            return in_strand(lambda: ask(service))

        self._billing = billing
        self._furnish(run)

    def _furnish(self, run: Run) -> None:
        super().__init__(run)
        self.accounts: AsyncAccounts = AsyncAccounts(run)
        self.balances: AsyncBalances = AsyncBalances(run)
        self.holds: AsyncHolds = AsyncHolds(run)
        self.invoices: AsyncInvoices = AsyncInvoices(run)
        self.messages: AsyncMessages = AsyncMessages(run)
        self.outbox: AsyncOutbox = AsyncOutbox(run)
        self.packs: AsyncPacks = AsyncPacks(run)
        self.schedule: AsyncSchedule = AsyncSchedule(run)
        self.subscriptions: AsyncSubscriptions = AsyncSubscriptions(run)
        self.top_ups: AsyncTopUps = AsyncTopUps(run)
        self.usage: AsyncUsage = AsyncUsage(run)

    def using(self, host: "_AsyncHost") -> "AsyncBilling":
        """Return the same service within a transaction of the host's.

        ``host`` is an ``AsyncConnection`` or an ``AsyncSession`` of SQLAlchemy's, on psycopg. What
        is done commits or rolls back with what the host writes there; see
        :meth:`Billing.using <monochat_billing.service.billing.Billing.using>`.

        Raises:
            InvalidInput: it is not asynchronous.
        """
        billing = self._billing
        if not callable(getattr(host, "run_sync", None)):
            raise InvalidInput(
                "host",
                type(host).__name__,
                "is not asynchronous",
                "pass an AsyncConnection or an AsyncSession",
            )

        async def run(ask: Callable[[Billing], T]) -> T:
            return await host.run_sync(lambda connection: ask(billing.using(connection)))

        other = object.__new__(AsyncBilling)
        other._billing = billing
        other._furnish(run)
        return other


class _AsyncHost(Protocol):
    """Be a connection or a session of SQLAlchemy's that is asynchronous."""

    async def run_sync(self, fn: Callable[..., T]) -> T:
        """Run a function with the synchronous connection or session."""
        ...


@final
@attrs.frozen
class _Threaded:
    """Run commands in the lane, each batch by the service that may block."""

    lane: StrandLane
    context: Context

    def run(self, command: Command, _: Execute) -> Any:  # noqa: ANN401 - any verb's result
        """Run one command, together with others."""
        return self.lane.run(command, self.context.execute)
