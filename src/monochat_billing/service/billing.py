"""The face: one object with a noun for everything that a host asks of billing."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Final, final

import attrs

from monochat_billing.accounts import Step, require_account
from monochat_billing.audit import Audit, Difference, audit
from monochat_billing.balance import Entry
from monochat_billing.checkpoints import checkpoint_of
from monochat_billing.errors import CorruptBooks, InvalidInput
from monochat_billing.invoicing import InvoicePolicy
from monochat_billing.message_told import MessageChannel
from monochat_billing.payments import PaymentGateway
from monochat_billing.plans import AnyCatalog, UsageReader
from monochat_billing.rating import RateCards
from monochat_billing.repositories import Reader, RecordedEvent, Storage, Wanted
from monochat_billing.service.accounts import Accounts
from monochat_billing.service.announcing import AnnouncementReport, announce_all
from monochat_billing.service.balances import Balances
from monochat_billing.service.context import Context, new_id, utc_now
from monochat_billing.service.group_commit import GroupCommit, Lane
from monochat_billing.service.holds import Holds
from monochat_billing.service.invoices import Invoices
from monochat_billing.service.joining import joined
from monochat_billing.service.messages import Messages
from monochat_billing.service.outbox import Outbox
from monochat_billing.service.outlook import Outlook
from monochat_billing.service.packs import Packs
from monochat_billing.service.pipeline import advance, advance_due
from monochat_billing.service.schedule import Schedule
from monochat_billing.service.subscriptions import Subscriptions
from monochat_billing.service.top_ups import TopUps
from monochat_billing.service.usage import Usage
from monochat_billing.top_up_policies import TopUpPolicy

__all__ = ["Billing", "RunReport"]

_PAGE: Final = 1000
_ADVANCED_TOGETHER: Final = 100
_SOON: Final = timedelta(days=3)


@final
@attrs.frozen(kw_only=True)
class RunReport:
    """Return what a run over due accounts did; a second run right after it returns zeros.

    >>> from monochat_billing.money import money
    >>> from monochat_billing.testing.workbench import Workbench
    >>> bench = Workbench()
    >>> account = bench.open("acme", money("5000", "TRY"))
    >>> one = bench.subscribe("acme", "growth")
    >>> later = bench.clock.advance(days=31)
    >>> print(bench.billing.run_due())
    1 accounts, 3 entries, 2 events
    """

    accounts: int = 0
    entries: int = 0
    events: int = 0
    failed: tuple[tuple[str, CorruptBooks], ...] = ()

    def __str__(self) -> str:
        done = f"{self.accounts} accounts, {self.entries} entries, {self.events} events"
        failed = "".join(f"\nfailed: {account}: {error}" for account, error in self.failed)
        return done + failed

    def plus(self, steps: Sequence[Step]) -> "RunReport":
        """Return the report with what was done on some more accounts."""
        return RunReport(
            accounts=self.accounts + len(steps),
            entries=self.entries + sum(len(step.entries) for step in steps),
            events=self.events + sum(len(step.events) for step in steps),
            failed=self.failed,
        )


def _check_parts(catalog: object, storage: object, clock: object) -> None:
    """Refuse a path, an address or an instant where an object is wanted.

    Raises:
        InvalidInput: naming the part; without this the first command would fail within.
    """
    if isinstance(catalog, type) or not callable(getattr(catalog, "at", None)):
        raise InvalidInput(
            "catalog",
            type(catalog).__name__,
            "is no catalog",
            "pass sample_catalog(), or load one from its file",
        )
    if isinstance(storage, type) or not callable(getattr(storage, "write", None)):
        # Its type only: an address may hold a password.
        raise InvalidInput(
            "storage",
            type(storage).__name__,
            "is no storage",
            "pass MemoryStorage() or SqlStorage(url)",
        )
    if not callable(clock):
        raise InvalidInput(
            "clock", clock, "cannot be called", "pass a function that returns an aware datetime"
        )


@final
class Billing(Outlook):
    """Run billing inside the host: no server, no thread, no state of its own.

    ``storage`` keeps the books, ``catalog`` says what is sold, ``rates`` what messages cost,
    ``gateways`` take payments. ``clock`` is any callable that returns an aware instant; ``ids``
    one that returns a fresh unique string. ``usage_reader`` tells how many users or channels an
    account has, so that a preview can warn of limits; ``channel`` reads the webhooks of
    messages and holds their terms; ``top_up_policy`` says which amounts can be topped up, with
    which bonus. ``group_commit`` says how threads that call at once share commits; None gives
    every call its own; ``invoicing`` says who invoices what and when. Every command first
    applies whatever is due on its account, so it does not matter when, or whether,
    :meth:`run_due` is called.

    Raises:
        InvalidInput: two gateways have one name; the catalog, the storage or the clock is none.

    >>> from monochat_billing import MONTH, money, sample_catalog
    >>> from monochat_billing.adapters.memory import MemoryStorage
    >>> billing = Billing(catalog=sample_catalog(), storage=MemoryStorage())
    >>> account = billing.accounts.open("acme", zone="Europe/Istanbul", currencies=["TRY"])
    >>> billing.subscriptions.subscribe("acme", "basic", MONTH, key="signup").state.value
    'ACTIVE'
    >>> billing.balances.debit("acme", money("1", "TRY"), reason="export", key="export-1")
    Traceback (most recent call last):
    monochat_billing.errors.InsufficientFunds: acme: 1 TRY asked, 0 available, 1 short; ...
    """

    accounts: Accounts
    balances: Balances
    holds: Holds
    top_ups: TopUps
    subscriptions: Subscriptions
    schedule: Schedule
    usage: Usage
    packs: Packs
    messages: Messages
    invoices: Invoices
    outbox: Outbox

    def __init__(
        self,
        *,
        catalog: AnyCatalog,
        storage: Storage,
        gateways: Iterable[PaymentGateway] = (),
        rates: RateCards | None = None,
        clock: Callable[[], datetime] = utc_now,
        ids: Callable[[], str] = new_id,
        usage_reader: UsageReader | None = None,
        channel: MessageChannel | None = None,
        top_up_policy: TopUpPolicy = TopUpPolicy(),  # noqa: B008 - a frozen value
        group_commit: GroupCommit | None = GroupCommit(),  # noqa: B008 - a frozen value
        invoicing: InvoicePolicy | None = None,
    ) -> None:
        _check_parts(catalog, storage, clock)
        by_name: dict[str, PaymentGateway] = {}
        for gateway in gateways:
            if gateway.name in by_name:
                raise InvalidInput("gateways", gateway.name, "stands twice", "keep one of them")
            by_name[gateway.name] = gateway
        self._context = Context(
            catalog=catalog,
            storage=storage,
            gateways=by_name,
            rates=rates,
            clock=clock,
            ids=ids,
            usage_reader=usage_reader,
            channel=channel,
            top_up_policy=top_up_policy,
            lane=None if group_commit is None else Lane(group_commit),
            invoicing=invoicing,
        )
        self._furnish()

    def _furnish(self) -> None:
        self.accounts = Accounts(self._context)
        self.balances = Balances(self._context)
        self.holds = Holds(self._context)
        self.top_ups = TopUps(self._context)
        self.subscriptions = Subscriptions(self._context)
        self.schedule = Schedule(self._context)
        self.usage = Usage(self._context)
        self.packs = Packs(self._context)
        self.messages = Messages(self._context)
        self.invoices = Invoices(self._context)
        self.outbox = Outbox(self._context)

    def using(self, host: object) -> "Billing":
        """Return the same service within a transaction of the host's.

        What is done through it commits or rolls back with what the host writes there, remembered
        refusals and events included. ``host`` is what the storage can join: for an SQL storage a
        connection or a session of SQLAlchemy's or a driver's connection; for every storage the
        unit of work of its own ``write``.

        Raises:
            InvalidInput: the storage cannot join it.
        """
        storage = joined(self._context.storage, host)
        return self.within(attrs.evolve(self._context, storage=storage, lane=None))

    def within(self, context: Context) -> "Billing":
        """Return the same service in another context; for other faces of this library."""
        other = object.__new__(Billing)
        other._context = context
        other._furnish()
        return other

    @property
    def context(self) -> Context:
        """Give what the nouns share; for other faces of this library."""
        return self._context

    def run_due(self) -> RunReport:
        """Apply what is due on every account: renewals, scheduled changes, expiries.

        Accounts with nothing due are not visited. Accounts are advanced many to a transaction, and
        several workers may run at once: each takes accounts that no other works on. One whose
        stored facts contradict themselves is left alone and named in the report.
        """
        now = self._context.now()
        storage, catalog = self._context.storage, self._context.catalog
        report = RunReport()
        while True:
            broken = {account for account, _ in report.failed}
            limit = _ADVANCED_TOGETHER + len(broken)
            try:
                steps = advance_due(storage, catalog, now, limit, broken)
            except CorruptBooks:
                due = storage.read(lambda reader: reader.due(now, limit))  # noqa: B023 - called at once
                for account in due:
                    if account not in broken:
                        report = self._advance_alone(account, now, report)
                continue
            if not steps:
                return report
            report = report.plus(steps)

    def _advance_alone(self, account: str, now: datetime, report: RunReport) -> RunReport:
        try:
            steps = advance(self._context.storage, self._context.catalog, [account], now)
        except CorruptBooks as error:
            return attrs.evolve(report, failed=(*report.failed, (account, error)))
        return report.plus(steps)

    def announce(self, *, within: timedelta = _SOON) -> AnnouncementReport:
        """Tell every account of what falls due within that time, each thing once.

        It writes a :class:`~monochat_billing.events.FallsDueSoon` to the outbox for each renewal,
        end of a trial and credit that will be lost, with what it costs and how it will end as
        things stand. A thing that was told stays told, also where the time is another one the next
        day; what moves to another instant is told again. Run it once a day, beside
        :meth:`run_due`; accounts with nothing ahead are not visited.

        Raises:
            InvalidInput: ``within`` is not above zero.
        """
        return announce_all(self._context, within)

    def events(self, account: str, *, after: int = 0, limit: int = 100) -> Sequence[RecordedEvent]:
        """Give up to ``limit`` events of the outbox numbered above ``after``, oldest first."""
        return self._context.storage.read(
            lambda reader: reader.events(account, after=after, limit=limit)
        )

    def verify(self, account: str | None = None) -> Audit:
        """Derive the books anew from all entries, of one account or of all, and compare.

        Where entries were archived, it goes on from what they left behind.

        Raises:
            UnknownName: there is no such account.
        """
        if account is not None:
            return self._context.storage.read(lambda reader: _audited(reader, account))
        result = Audit(accounts=0, entries=0, balances=0, lots=0)
        last = ""
        while ids := self._context.storage.read(
            lambda reader: reader.accounts(after=last, limit=_PAGE)  # noqa: B023 - called at once
        ):
            for one in ids:
                result = result.plus(self.verify(one))
            last = ids[-1]
        return result


def _audited(reader: Reader, account: str) -> Audit:
    """Audit one account; what cannot even be read is a difference like any other."""
    try:
        return _audit(reader, account)
    except CorruptBooks as error:
        difference = Difference(
            account=account,
            subject="what is stored",
            expected="books that can be read",
            actual=str(error),
        )
        return Audit(accounts=1, entries=0, balances=0, lots=0, differences=(difference,))


def _audit(reader: Reader, account: str) -> Audit:
    state = require_account(reader.load([Wanted(account)])[account].state, account)
    entries = _all_entries(reader, account)
    begin = checkpoint_of(reader, account)
    return audit(state.books, reader.lots(account), entries, reader.holds(account), begin)


def _all_entries(reader: Reader, account: str) -> Iterator[Entry]:
    last = 0
    while page := reader.entries(account, after=last, limit=_PAGE):
        yield from page
        last = page[-1].number
