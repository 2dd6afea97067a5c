"""The verbs of the synchronous service, each named once, to be awaited.

Owns which verbs a task may await.
Does not own what any verb does, nor how it is run: see ``asynchronous`` and ``lifting``.

What type checkers and editors read is ``async_nouns.pyi``, which ``make stubs`` writes from the
synchronous verbs: every signature in full. A test holds that it is up to date.
"""

from typing import final

from monochat_billing.service.accounts import Accounts
from monochat_billing.service.balances import Balances
from monochat_billing.service.billing import Billing
from monochat_billing.service.holds import Holds
from monochat_billing.service.invoices import Invoices
from monochat_billing.service.lifting import Noun, lifted
from monochat_billing.service.messages import Messages
from monochat_billing.service.outbox import Outbox
from monochat_billing.service.packs import Packs
from monochat_billing.service.schedule import Schedule
from monochat_billing.service.subscriptions import Subscriptions
from monochat_billing.service.top_ups import TopUps
from monochat_billing.service.usage import Usage

__all__ = [
    "AsyncAccounts",
    "AsyncBalances",
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


@final
class AsyncAccounts(Noun):
    """Offer the verbs of :class:`Accounts` to tasks."""

    noun = "accounts"

    erase = lifted(Accounts.erase)
    get = lifted(Accounts.get)
    open = lifted(Accounts.open)
    update_profile = lifted(Accounts.update_profile)


@final
class AsyncBalances(Noun):
    """Offer the verbs of :class:`Balances` to tasks."""

    noun = "balances"

    adjust = lifted(Balances.adjust)
    archived = lifted(Balances.archived)
    at = lifted(Balances.at)
    close = lifted(Balances.close)
    consumption = lifted(Balances.consumption)
    credit = lifted(Balances.credit)
    debit = lifted(Balances.debit)
    debit_many = lifted(Balances.debit_many)
    entries = lifted(Balances.entries)
    limit = lifted(Balances.limit)
    list = lifted(Balances.list)
    move = lifted(Balances.move)
    reverse = lifted(Balances.reverse)
    statement = lifted(Balances.statement)
    transfer = lifted(Balances.transfer)
    unwatch = lifted(Balances.unwatch)
    void = lifted(Balances.void)
    watch = lifted(Balances.watch)
    watches = lifted(Balances.watches)


@final
class AsyncHolds(Noun):
    """Offer the verbs of :class:`Holds` to tasks."""

    noun = "holds"

    capture = lifted(Holds.capture)
    extend = lifted(Holds.extend)
    list = lifted(Holds.list)
    place = lifted(Holds.place)
    release = lifted(Holds.release)


@final
class AsyncInvoices(Noun):
    """Offer the verbs of :class:`Invoices` to tasks."""

    noun = "invoices"

    credit = lifted(Invoices.credit)
    credit_refund = lifted(Invoices.credit_refund)
    erase_buyers = lifted(Invoices.erase_buyers)
    for_charges = lifted(Invoices.for_charges)
    for_top_up = lifted(Invoices.for_top_up)
    get = lifted(Invoices.get)
    list = lifted(Invoices.list)


@final
class AsyncMessages(Noun):
    """Offer the verbs of :class:`Messages` to tasks."""

    noun = "messages"

    affordable = lifted(Messages.affordable)
    breakdown = lifted(Messages.breakdown)
    drop = lifted(Messages.drop)
    estimate = lifted(Messages.estimate)
    get = lifted(Messages.get)
    hold = lifted(Messages.hold)
    list = lifted(Messages.list)
    may_send = lifted(Messages.may_send)
    receive = lifted(Messages.receive)
    receive_many = lifted(Messages.receive_many)
    register_number = lifted(Messages.register_number)
    retry = lifted(Messages.retry)
    sent = lifted(Messages.sent)
    set_aside = lifted(Messages.set_aside)
    settle = lifted(Messages.settle)
    unsent = lifted(Messages.unsent)


@final
class AsyncOutbox(Noun):
    """Offer the verbs of :class:`Outbox` to tasks."""

    noun = "outbox"

    acknowledge = lifted(Outbox.acknowledge)
    claim = lifted(Outbox.claim)
    consumers = lifted(Outbox.consumers)
    release = lifted(Outbox.release)
    subscribe = lifted(Outbox.subscribe)
    unsubscribe = lifted(Outbox.unsubscribe)


class AsyncOutlook(Noun):
    """Offer the verbs of :class:`Billing` itself to tasks."""

    announce = lifted(Billing.announce)
    events = lifted(Billing.events)
    may_use = lifted(Billing.may_use)
    overview = lifted(Billing.overview)
    run_due = lifted(Billing.run_due)
    runway = lifted(Billing.runway)
    upcoming = lifted(Billing.upcoming)
    verify = lifted(Billing.verify)


@final
class AsyncPacks(Noun):
    """Offer the verbs of :class:`Packs` to tasks."""

    noun = "packs"

    buy = lifted(Packs.buy)
    list = lifted(Packs.list)
    promote = lifted(Packs.promote)
    refund = lifted(Packs.refund)
    stop = lifted(Packs.stop)
    use = lifted(Packs.use)


@final
class AsyncSchedule(Noun):
    """Offer the verbs of :class:`Schedule` to tasks."""

    noun = "schedule"

    cancel = lifted(Schedule.cancel)
    change = lifted(Schedule.change)
    history = lifted(Schedule.history)
    list = lifted(Schedule.list)
    pause = lifted(Schedule.pause)
    phases = lifted(Schedule.phases)
    quantity = lifted(Schedule.quantity)
    resume = lifted(Schedule.resume)
    revoke = lifted(Schedule.revoke)
    revoke_chain = lifted(Schedule.revoke_chain)
    subscribe = lifted(Schedule.subscribe)


@final
class AsyncSubscriptions(Noun):
    """Offer the verbs of :class:`Subscriptions` to tasks."""

    noun = "subscriptions"

    cancel = lifted(Subscriptions.cancel)
    change = lifted(Subscriptions.change)
    check = lifted(Subscriptions.check)
    dues = lifted(Subscriptions.dues)
    history = lifted(Subscriptions.history)
    list = lifted(Subscriptions.list)
    pause = lifted(Subscriptions.pause)
    preview = lifted(Subscriptions.preview)
    preview_cancel = lifted(Subscriptions.preview_cancel)
    reactivate = lifted(Subscriptions.reactivate)
    resume = lifted(Subscriptions.resume)
    subscribe = lifted(Subscriptions.subscribe)


@final
class AsyncTopUps(Noun):
    """Offer the verbs of :class:`TopUps` to tasks."""

    noun = "top_ups"

    automate = lifted(TopUps.automate)
    automatic = lifted(TopUps.automatic)
    check = lifted(TopUps.check)
    compare_settlement = lifted(TopUps.compare_settlement)
    get = lifted(TopUps.get)
    list = lifted(TopUps.list)
    open = lifted(TopUps.open)
    preview = lifted(TopUps.preview)
    receive = lifted(TopUps.receive)
    reconcile = lifted(TopUps.reconcile)
    refund = lifted(TopUps.refund)
    report = lifted(TopUps.report)
    resolve = lifted(TopUps.resolve)
    settle_refund = lifted(TopUps.settle_refund)
    start = lifted(TopUps.start)
    stop_automatic = lifted(TopUps.stop_automatic)


@final
class AsyncUsage(Noun):
    """Offer the verbs of :class:`Usage` to tasks."""

    noun = "usage"

    breakdown = lifted(Usage.breakdown)
    correct = lifted(Usage.correct)
    list = lifted(Usage.list)
    record = lifted(Usage.record)
    records = lifted(Usage.records)
