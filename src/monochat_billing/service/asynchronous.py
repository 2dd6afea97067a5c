"""The asynchronous face: the same nouns and verbs, to be awaited.

Owns how a verb of the synchronous service becomes one that a task awaits.
Does not own what any verb does: each is named here once, and is the very same function.

Needs the extra ``[async]``.
"""

from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Concatenate, Generic, ParamSpec, Protocol, TypeVar, cast, final, overload

import attrs

from monochat_billing.errors import InvalidInput
from monochat_billing.service.accounts import Accounts
from monochat_billing.service.balances import Balances
from monochat_billing.service.billing import Billing
from monochat_billing.service.context import Context
from monochat_billing.service.group_commit import Execute, GroupCommit
from monochat_billing.service.holds import Holds
from monochat_billing.service.invoices import Invoices
from monochat_billing.service.messages import Messages
from monochat_billing.service.outbox import Outbox
from monochat_billing.service.packs import Packs
from monochat_billing.service.pipeline import Command
from monochat_billing.service.schedule import Schedule
from monochat_billing.service.strands import OffLoop, StrandLane, ThreadedStorage, in_strand
from monochat_billing.service.subscriptions import Subscriptions
from monochat_billing.service.top_ups import TopUps
from monochat_billing.service.usage import Usage

__all__ = [
    "AsyncAccounts",
    "AsyncBalances",
    "AsyncBilling",
    "AsyncHolds",
    "AsyncInvoices",
    "AsyncMessages",
    "AsyncOutbox",
    "AsyncPacks",
    "AsyncSchedule",
    "AsyncSubscriptions",
    "AsyncTopUps",
    "AsyncUsage",
]

_P = ParamSpec("_P")
T = TypeVar("T")


class _Run(Protocol):
    """Run something of the synchronous service while the event loop goes on."""

    def __call__(self, ask: Callable[[Billing], T]) -> Coroutine[Any, Any, T]:
        """Give what ``ask`` returns for the service."""
        ...


class _Noun:
    """Hold the verbs of one noun; ``noun`` is its name at the service, empty for the service."""

    noun = ""

    def __init__(self, run: _Run) -> None:
        self._run = run

    def ask(self, verb: Callable[[Any], T]) -> Awaitable[T]:
        """Run a verb of the synchronous noun."""
        noun = self.noun
        return self._run(lambda billing: verb(getattr(billing, noun) if noun else billing))


class _Lifted(Generic[_P, T]):
    """Be a verb of the synchronous service, awaited."""

    def __init__(self, verb: Callable[Concatenate[Any, _P], T]) -> None:
        self.verb = verb
        self.__doc__ = verb.__doc__

    @overload
    def __get__(self, instance: None, owner: type) -> "_Lifted[_P, T]": ...

    @overload
    def __get__(self, instance: _Noun, owner: type) -> Callable[_P, Coroutine[Any, Any, T]]: ...

    def __get__(
        self, instance: _Noun | None, owner: type
    ) -> "_Lifted[_P, T] | Callable[_P, Coroutine[Any, Any, T]]":
        if instance is None:
            return self
        verb, ask = self.verb, instance.ask

        async def awaited(*args: _P.args, **kwargs: _P.kwargs) -> T:
            return await ask(lambda noun: verb(noun, *args, **kwargs))

        awaited.__name__ = verb.__name__
        awaited.__doc__ = verb.__doc__
        return awaited


@final
class AsyncAccounts(_Noun):
    """Offer the verbs of :class:`Accounts` to tasks."""

    noun = "accounts"

    erase = _Lifted(Accounts.erase)
    get = _Lifted(Accounts.get)
    open = _Lifted(Accounts.open)
    update_profile = _Lifted(Accounts.update_profile)


@final
class AsyncBalances(_Noun):
    """Offer the verbs of :class:`Balances` to tasks."""

    noun = "balances"

    adjust = _Lifted(Balances.adjust)
    archived = _Lifted(Balances.archived)
    at = _Lifted(Balances.at)
    close = _Lifted(Balances.close)
    consumption = _Lifted(Balances.consumption)
    credit = _Lifted(Balances.credit)
    debit = _Lifted(Balances.debit)
    debit_many = _Lifted(Balances.debit_many)
    entries = _Lifted(Balances.entries)
    limit = _Lifted(Balances.limit)
    list = _Lifted(Balances.list)
    move = _Lifted(Balances.move)
    reverse = _Lifted(Balances.reverse)
    statement = _Lifted(Balances.statement)
    transfer = _Lifted(Balances.transfer)
    unwatch = _Lifted(Balances.unwatch)
    void = _Lifted(Balances.void)
    watch = _Lifted(Balances.watch)
    watches = _Lifted(Balances.watches)


@final
class AsyncHolds(_Noun):
    """Offer the verbs of :class:`Holds` to tasks."""

    noun = "holds"

    capture = _Lifted(Holds.capture)
    extend = _Lifted(Holds.extend)
    list = _Lifted(Holds.list)
    place = _Lifted(Holds.place)
    release = _Lifted(Holds.release)


@final
class AsyncInvoices(_Noun):
    """Offer the verbs of :class:`Invoices` to tasks."""

    noun = "invoices"

    credit = _Lifted(Invoices.credit)
    credit_refund = _Lifted(Invoices.credit_refund)
    erase_buyers = _Lifted(Invoices.erase_buyers)
    for_charges = _Lifted(Invoices.for_charges)
    for_top_up = _Lifted(Invoices.for_top_up)
    get = _Lifted(Invoices.get)
    list = _Lifted(Invoices.list)


@final
class AsyncMessages(_Noun):
    """Offer the verbs of :class:`Messages` to tasks."""

    noun = "messages"

    affordable = _Lifted(Messages.affordable)
    breakdown = _Lifted(Messages.breakdown)
    drop = _Lifted(Messages.drop)
    estimate = _Lifted(Messages.estimate)
    get = _Lifted(Messages.get)
    hold = _Lifted(Messages.hold)
    list = _Lifted(Messages.list)
    may_send = _Lifted(Messages.may_send)
    receive = _Lifted(Messages.receive)
    receive_many = _Lifted(Messages.receive_many)
    register_number = _Lifted(Messages.register_number)
    retry = _Lifted(Messages.retry)
    sent = _Lifted(Messages.sent)
    set_aside = _Lifted(Messages.set_aside)
    settle = _Lifted(Messages.settle)
    unsent = _Lifted(Messages.unsent)


@final
class AsyncOutbox(_Noun):
    """Offer the verbs of :class:`Outbox` to tasks."""

    noun = "outbox"

    acknowledge = _Lifted(Outbox.acknowledge)
    claim = _Lifted(Outbox.claim)
    consumers = _Lifted(Outbox.consumers)
    release = _Lifted(Outbox.release)
    subscribe = _Lifted(Outbox.subscribe)
    unsubscribe = _Lifted(Outbox.unsubscribe)


@final
class AsyncPacks(_Noun):
    """Offer the verbs of :class:`Packs` to tasks."""

    noun = "packs"

    buy = _Lifted(Packs.buy)
    list = _Lifted(Packs.list)
    promote = _Lifted(Packs.promote)
    refund = _Lifted(Packs.refund)
    stop = _Lifted(Packs.stop)
    use = _Lifted(Packs.use)


@final
class AsyncSchedule(_Noun):
    """Offer the verbs of :class:`Schedule` to tasks."""

    noun = "schedule"

    cancel = _Lifted(Schedule.cancel)
    change = _Lifted(Schedule.change)
    history = _Lifted(Schedule.history)
    list = _Lifted(Schedule.list)
    pause = _Lifted(Schedule.pause)
    phases = _Lifted(Schedule.phases)
    quantity = _Lifted(Schedule.quantity)
    resume = _Lifted(Schedule.resume)
    revoke = _Lifted(Schedule.revoke)
    revoke_chain = _Lifted(Schedule.revoke_chain)
    subscribe = _Lifted(Schedule.subscribe)


@final
class AsyncSubscriptions(_Noun):
    """Offer the verbs of :class:`Subscriptions` to tasks."""

    noun = "subscriptions"

    cancel = _Lifted(Subscriptions.cancel)
    change = _Lifted(Subscriptions.change)
    check = _Lifted(Subscriptions.check)
    dues = _Lifted(Subscriptions.dues)
    history = _Lifted(Subscriptions.history)
    list = _Lifted(Subscriptions.list)
    pause = _Lifted(Subscriptions.pause)
    preview = _Lifted(Subscriptions.preview)
    preview_cancel = _Lifted(Subscriptions.preview_cancel)
    reactivate = _Lifted(Subscriptions.reactivate)
    resume = _Lifted(Subscriptions.resume)
    subscribe = _Lifted(Subscriptions.subscribe)


@final
class AsyncTopUps(_Noun):
    """Offer the verbs of :class:`TopUps` to tasks."""

    noun = "top_ups"

    automate = _Lifted(TopUps.automate)
    automatic = _Lifted(TopUps.automatic)
    check = _Lifted(TopUps.check)
    compare_settlement = _Lifted(TopUps.compare_settlement)
    get = _Lifted(TopUps.get)
    open = _Lifted(TopUps.open)
    receive = _Lifted(TopUps.receive)
    reconcile = _Lifted(TopUps.reconcile)
    refund = _Lifted(TopUps.refund)
    report = _Lifted(TopUps.report)
    resolve = _Lifted(TopUps.resolve)
    settle_refund = _Lifted(TopUps.settle_refund)
    start = _Lifted(TopUps.start)
    stop_automatic = _Lifted(TopUps.stop_automatic)


@final
class AsyncUsage(_Noun):
    """Offer the verbs of :class:`Usage` to tasks."""

    noun = "usage"

    breakdown = _Lifted(Usage.breakdown)
    correct = _Lifted(Usage.correct)
    list = _Lifted(Usage.list)
    record = _Lifted(Usage.record)
    records = _Lifted(Usage.records)


@final
class AsyncBilling(_Noun):
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

    events = _Lifted(Billing.events)
    may_use = _Lifted(Billing.may_use)
    overview = _Lifted(Billing.overview)
    run_due = _Lifted(Billing.run_due)
    runway = _Lifted(Billing.runway)
    upcoming = _Lifted(Billing.upcoming)
    verify = _Lifted(Billing.verify)

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

    def _furnish(self, run: _Run) -> None:
        super().__init__(run)
        self.accounts = AsyncAccounts(run)
        self.balances = AsyncBalances(run)
        self.holds = AsyncHolds(run)
        self.invoices = AsyncInvoices(run)
        self.messages = AsyncMessages(run)
        self.outbox = AsyncOutbox(run)
        self.packs = AsyncPacks(run)
        self.schedule = AsyncSchedule(run)
        self.subscriptions = AsyncSubscriptions(run)
        self.top_ups = AsyncTopUps(run)
        self.usage = AsyncUsage(run)

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
