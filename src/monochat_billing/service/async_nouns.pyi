"""What type checkers and editors read of ``async_nouns``.

Written by make stubs from the synchronous verbs; change those.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from fractions import Fraction
from typing import Any, final, overload

from monochat_billing.accounts import Account, ChargedUsage
from monochat_billing.alerts import ThresholdRule
from monochat_billing.audit import Audit
from monochat_billing.auto_top_ups import AutomaticTopUp
from monochat_billing.balance import (
    PAID,
    Balance,
    BalanceMove,
    Batch,
    DebitMode,
    Entry,
    EntryKind,
    Terms,
)
from monochat_billing.balance_commands import GOODWILL, BatchReport, ClosingReport, TransferReport
from monochat_billing.campaigns import Affordable, CampaignPart
from monochat_billing.cancellations import CancelMode
from monochat_billing.checkpoints import Checkpoint
from monochat_billing.consumption import Consumption
from monochat_billing.counters import MeteredUsage, MeterRecord
from monochat_billing.due_work import DuePayment
from monochat_billing.forecast import MOST_LINES, Forecast
from monochat_billing.gateways import NOBODY, Buyer
from monochat_billing.hold_commands import HoldReport
from monochat_billing.holds import Hold, Rest
from monochat_billing.intervals import MONTH, BillingInterval
from monochat_billing.invoices import Invoice
from monochat_billing.message_breakdowns import MessageBreakdown
from monochat_billing.message_estimates import MessageEstimate, SendAnswer
from monochat_billing.messages import BusinessNumber, Message, SetAsideStatus
from monochat_billing.money import Money
from monochat_billing.overview import Overview
from monochat_billing.packs import PackHolding, PackPurchase, PackRefund
from monochat_billing.payments import Checkout, Payment, TopUp
from monochat_billing.periods import BillingAnchor
from monochat_billing.permissions import Permission
from monochat_billing.plan_commands import ChangeResult
from monochat_billing.plans import ChangeTiming, LimitCheck, NegotiatedPrice
from monochat_billing.profiles import BillingProfile
from monochat_billing.quantities import Quantity
from monochat_billing.quotes import ChangeQuote
from monochat_billing.rating import MessageCategory, UsageRecord
from monochat_billing.readings import Reading
from monochat_billing.recurrences import Recurrence
from monochat_billing.refills import RefillRule
from monochat_billing.repositories import RecordedEvent
from monochat_billing.rollovers import NO_ROLLOVER, Rollover
from monochat_billing.rounding import HALF_UP, Rounding
from monochat_billing.runways import Runway
from monochat_billing.schedule_commands import Phase
from monochat_billing.scheduling import ScheduledChange
from monochat_billing.send_commands import SendHold, SentMessage, SentReport
from monochat_billing.service.announcing import AnnouncementReport
from monochat_billing.service.billing import RunReport
from monochat_billing.service.lifting import Noun
from monochat_billing.service.messages import Received
from monochat_billing.service.outbox import Delivery
from monochat_billing.service.top_ups import Reconciliation
from monochat_billing.settlements import SettlementLine, SettlementReport
from monochat_billing.starts import Alignment
from monochat_billing.statements import Statement
from monochat_billing.subscription_commands import CancelReport
from monochat_billing.subscriptions import Subscription
from monochat_billing.top_up_commands import PaymentReceipt, RefundReceipt
from monochat_billing.top_up_policies import RefundPolicy
from monochat_billing.top_up_previews import TopUpPreview
from monochat_billing.top_ups import Resolution, TopUpState
from monochat_billing.transfers import Rate
from monochat_billing.units import Amount, Units
from monochat_billing.usage_breakdowns import UsageBreakdown
from monochat_billing.usage_commands import MeterReport, UsageReport
from monochat_billing.watches import Watch

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

    noun: str

    async def erase(self, account: str, *, key: str, actor: str = "") -> Account:
        """Erase who the account is: its billing profile, wherever it stands but on invoices.

        Top-ups and what keys remember keep a tombstone in its place; books, events and invoices
        stay. Invoices let go of their buyers by ``invoices.erase_buyers`` when the law allows it.
        A call that is repeated with a key from before, and with the old profile, is then refused.

        Raises:
            InvalidInput: the storage cannot erase.
            UnknownName: there is no such account.
            IdempotencyConflict: the key was used for something else.
        """

    async def get(self, account: str) -> Account:
        """Give the account as it is now.

        Raises:
            UnknownName: there is no such account.
        """

    async def open(
        self,
        account: str,
        *,
        zone: str,
        currencies: Sequence[str],
        profile: BillingProfile | None = None,
    ) -> Account:
        """Open an account with an empty balance in each currency.

        The account's id is the idempotency key: opening it again with the same facts returns
        what the first call returned. The first currency is the one that subscriptions are paid
        in unless they name another, and none can be added later. Without a profile it cannot top up
        through a gateway: :meth:`update_profile` gives it one later.

        Raises:
            IdempotencyConflict: the account was opened with other facts; change them by the verb
                that does, not by opening it again.
            InvalidInput: the id, the zone or a currency is not valid.
        """

    async def update_profile(
        self, account: str, profile: BillingProfile, *, key: str, actor: str = ""
    ) -> Account:
        """Give the account another billing profile, or its first.

        Top-ups and invoices that exist keep the profile that they were made with.

        Raises:
            UnknownName: there is no such account.
            InvalidInput: it is no billing profile.
            IdempotencyConflict: the key was used for something else.
        """

@final
class AsyncBalances(Noun):
    """Offer the verbs of :class:`Balances` to tasks."""

    noun: str

    async def adjust(
        self,
        account: str,
        amount: Amount,
        *,
        reason: str,
        key: str,
        terms: Terms = GOODWILL,
        mode: DebitMode = DebitMode.WHOLE,
        reference: str = "",
        actor: str = "",
    ) -> Entry:
        """Correct a balance by a signed amount: above zero a lot on ``terms``, below it a debit.

        Raises:
            InsufficientFunds: less is available than is taken.
            InvalidInput: the amount is zero or too precise, or there is no reason.
            IllegalTransition: the balance is closed.
            UnknownName: there is no such account or balance.
            IdempotencyConflict: the key was used for something else.
        """

    async def archived(self, account: str) -> Checkpoint | None:
        """Say up to which entry the account's past was archived; None where nothing was.

        Raises:
            UnknownName: there is no such account.
        """

    async def at(
        self,
        account: str,
        currency: str,
        instant: datetime,
        *,
        reading: Reading = Reading.AS_EFFECTIVE,
    ) -> Amount:
        """Give what was posted after everything that happened at a past instant.

        Raises:
            InvalidInput: the instant is naive, lies ahead, or in what was archived.
            UnknownName: there is no such account or balance.
        """

    async def close(
        self,
        account: str,
        unit: str,
        *,
        reason: str,
        key: str,
        dust: Amount | None = None,
        actor: str = "",
    ) -> ClosingReport:
        """Close a balance: paid money is to be refunded unless it is less than ``dust``.

        Raises:
            IllegalTransition: it is closed already, holds are open on it, or it owes something.
            InvalidInput: ``dust`` is of another unit, or there is no reason.
            UnknownName: there is no such account or balance.
            IdempotencyConflict: the key was used for something else.
        """

    async def consumption(
        self,
        account: str,
        currency: str,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        reading: Reading = Reading.AS_EFFECTIVE,
    ) -> Consumption:
        """Sum what moved in ``[since, until)`` by kind, by lot and by the account's months.

        Where entries were archived, the beginning is where the archive ends, and ``since`` of the
        result says so.

        Raises:
            InvalidInput: an instant is naive, ``until`` is not after ``since``, there are more
                than 1200 months between them, or they reach into what was archived.
            UnknownName: there is no such account or balance.
        """

    async def credit(
        self,
        account: str,
        amount: Amount,
        *,
        reason: str,
        key: str,
        terms: Terms = PAID,
        reference: str = "",
        actor: str = "",
    ) -> Entry:
        """Add ``amount`` to the balance in its currency, without a payment through a gateway.

        It is for what a person has decided: an opening balance, a bank transfer that was seen, a
        promotion. ``terms`` say what the lot may pay for, from when and until when. Units of a
        meter are credited alike: their balance is opened by its first credit. What is owed is
        covered first, then past-due subscriptions that the money covers are revived.

        Raises:
            InvalidInput: the amount is not above zero, too precise, there is no reason, or the
                lot would be expired from the start.
            IllegalTransition: the balance is closed.
            UnknownName: there is no such account or balance.
            IdempotencyConflict: the key was used for something else.
        """

    async def debit(
        self,
        account: str,
        amount: Amount,
        *,
        reason: str,
        key: str,
        mode: DebitMode = DebitMode.WHOLE,
        kind: EntryKind = EntryKind.CHARGE,
        reference: str = "",
        actor: str = "",
    ) -> Entry:
        """Take ``amount`` from the balance in its currency, or refuse and change nothing.

        With PARTIAL it takes as much as there is. With FORCED it takes everything and may go
        below zero: for what has happened already and cannot be refused any more.

        Raises:
            InsufficientFunds: less is available after what was due has been paid.
            InvalidInput: the amount is not above zero, too precise, or there is no reason.
            IllegalTransition: the debit is forced and the balance is closed.
            UnknownName: there is no such account or balance.
            IdempotencyConflict: the key was used for something else.
        """

    async def debit_many(
        self,
        account: str,
        items: Iterable[tuple[Amount, str]],
        *,
        reason: str,
        key: str,
        batch: Batch = Batch.PER_ITEM,
        kind: EntryKind = EntryKind.CHARGE,
        actor: str = "",
    ) -> BatchReport:
        """Take many amounts, each with its reference, from one balance in one transaction.

        PER_ITEM refuses what cannot be paid and takes the rest; ATOMIC takes all or none.

        Raises:
            InsufficientFunds: the batch is atomic and an item cannot be paid.
            InvalidInput: there are no items, or one is not above zero, of another unit, or with a
                reference that is no line of text.
            UnknownName: there is no such account or balance.
            IdempotencyConflict: the key was used for something else.
        """

    async def entries(self, account: str, *, after: int = 0, limit: int = 100) -> Sequence[Entry]:
        """Give up to ``limit`` stored entries numbered above ``after``, oldest first.

        Pass the last number of one page as ``after`` of the next: pages never skip or repeat.
        Where entries were archived, the first page begins behind them.

        Raises:
            InvalidInput: ``after`` lies in what was archived.
            UnknownName: there is no such account.
        """

    async def limit(self, account: str, credit_limit: Amount, *, key: str) -> Balance:
        """Set how far the balance may go below zero; zero for not at all.

        Raises:
            InsufficientFunds: more is owed or held on credit than the new limit allows.
            InvalidInput: the limit is below zero or too precise.
            UnknownName: there is no such account or balance.
            IdempotencyConflict: the key was used for something else.
        """

    async def list(self, account: str) -> Mapping[str, Balance]:
        """Give the account's balances as they are now, by currency.

        Raises:
            UnknownName: there is no such account.
        """

    async def move(self, account: str, unit: str, move: BalanceMove, *, key: str) -> Balance:
        """Freeze, unfreeze or reopen a balance.

        A frozen balance takes credits and lets open holds be captured, and pays for nothing new.

        Raises:
            IllegalTransition: the balance is in no such state.
            UnknownName: there is no such account or balance.
            IdempotencyConflict: the key was used for something else.
        """

    async def reverse(
        self,
        account: str,
        entry: int,
        *,
        reason: str,
        key: str,
        amount: Amount | None = None,
        mode: DebitMode = DebitMode.WHOLE,
        reference: str = "",
        actor: str = "",
    ) -> Entry:
        """Undo an entry, or ``amount`` of it, never more than is left of it.

        A debit goes back to the lots that bear it. A credit takes its lot back; what was spent of
        it can be taken by force only.

        Raises:
            IllegalTransition: the entry follows from another or was reversed in whole.
            InsufficientFunds: the lot of a credit no longer has that much.
            InvalidInput: the amount is more than is left, or there is no reason.
            UnknownName: there is no such account or entry, or the entry was archived.
            IdempotencyConflict: the key was used for something else.
        """

    async def statement(
        self,
        account: str,
        currency: str,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        reading: Reading = Reading.AS_EFFECTIVE,
        after: str | None = None,
        limit: int = 100,
    ) -> Statement:
        """Give one page of what happened in ``[since, until)``, from the beginning up to now.

        Pass ``next`` of one page as ``after`` of the following, with all else the same. The pages
        together are the statement as it was when the first was read: what is posted in between is
        in none of them, and no line is skipped or repeated. Where entries were archived, the
        beginning is where the archive ends: ``since`` of the statement says so, ``archived`` what
        lies before, and ``opening`` counts it.

        Raises:
            InvalidInput: an instant is naive, ``until`` is not after ``since``, ``limit`` is not
                from 1 to 1000, ``after`` is no cursor of this statement, or the statement reaches
                into what was archived.
            UnknownName: there is no such account or balance.
        """

    async def transfer(
        self,
        account: str,
        amount: Money,
        *,
        to: str,
        rate: Rate,
        reason: str,
        key: str,
        rounding: Rounding = HALF_UP,
        actor: str = "",
    ) -> TransferReport:
        """Move ``amount`` to the account's balance in currency ``to``, at the caller's rate.

        Both amounts and the rate stand on every entry. Paid money stays paid.

        Raises:
            InsufficientFunds: less is available.
            InvalidInput: the rate is not exact, or nothing would arrive.
            UnknownName: there is no such account or balance.
            IdempotencyConflict: the key was used for something else.
        """

    async def unwatch(self, account: str, name: str, *, key: str) -> Watch:
        """Report no more under a name; give the watch as it was.

        Raises:
            UnknownName: there is no such account, or it has no watch of that name.
            IdempotencyConflict: the key was used for something else.
        """

    async def void(
        self, account: str, lot: int, *, reason: str, key: str, actor: str = ""
    ) -> Entry:
        """Take away what is unused of a lot; its number is that of the entry that granted it.

        Raises:
            IllegalTransition: nothing of the lot is free.
            InvalidInput: there is no reason.
            UnknownName: there is no such account or lot.
            IdempotencyConflict: the key was used for something else.
        """

    async def watch(
        self, account: str, currency: str, rule: ThresholdRule, *, name: str, key: str
    ) -> Watch:
        """Report from now on what the balance crosses, under a name of the caller's choice.

        It starts from the balance as it stands: nothing is reported of what lies behind it, and
        :attr:`~monochat_billing.watches.Watch.passed` says where that is. A watch of the same
        name gives way.

        Raises:
            InvalidInput: the rule is in another currency or finer than the balance, or the
                account has too many watches.
            UnknownName: there is no such account or balance.
            IdempotencyConflict: the key was used for something else.
        """

    async def watches(self, account: str) -> Sequence[Watch]:
        """Give the account's watches as they are now, the latest last.

        Raises:
            UnknownName: there is no such account.
        """

@final
class AsyncHolds(Noun):
    """Offer the verbs of :class:`Holds` to tasks."""

    noun: str

    async def capture(
        self,
        account: str,
        hold: str,
        *,
        key: str,
        amount: Amount | None = None,
        rest: Rest = Rest.KEEP,
        reference: str = "",
        actor: str = "",
    ) -> HoldReport:
        """Take ``amount`` out of a hold, or all that is left of it.

        What is above the hold is a second, forced debit: it has happened already. The rest waits
        for further captures, message by message for a batch, unless it is to be released.

        Raises:
            IllegalTransition: the hold is resolved; debit by force what came too late.
            InvalidInput: the amount is not above zero, too precise, or of another unit.
            UnknownName: there is no such account or hold.
            IdempotencyConflict: the key was used for something else.
        """

    async def extend(
        self,
        account: str,
        hold: str,
        *,
        key: str,
        more: Amount | None = None,
        expires_at: datetime | None = None,
    ) -> Hold:
        """Set ``more`` aside in an open hold, let it wait until ``expires_at``, or both.

        Raises:
            IllegalTransition: the hold is resolved.
            InsufficientFunds: less than ``more`` is available.
            InvalidInput: nothing is extended, or the expiry is naive or not ahead.
            UnknownName: there is no such account or hold.
            IdempotencyConflict: the key was used for something else.
        """

    async def list(self, account: str) -> Mapping[str, Hold]:
        """Give the account's open holds as they are now, by id.

        Raises:
            UnknownName: there is no such account.
        """

    async def place(
        self,
        account: str,
        amount: Amount,
        *,
        reason: str,
        key: str,
        kind: EntryKind = EntryKind.CHARGE,
        expires_at: datetime | None = None,
        reference: str = "",
        actor: str = "",
    ) -> Hold:
        """Set ``amount`` aside for a charge of ``kind``, in full or not at all.

        It is free again at ``expires_at`` at the latest, if that is given.

        Raises:
            InsufficientFunds: less is available after what was due has been paid.
            InvalidInput: the amount is not above zero or too precise, the kind is no charge, there
                is no reason, or the expiry is naive or not ahead.
            UnknownName: there is no such account or balance.
            IdempotencyConflict: the key was used for something else.
        """

    async def release(
        self, account: str, hold: str, *, key: str, reason: str = "released", actor: str = ""
    ) -> HoldReport:
        """Free all that is left of a hold, and pay with it what was past due.

        Raises:
            IllegalTransition: the hold is resolved.
            UnknownName: there is no such account or hold.
            IdempotencyConflict: the key was used for something else.
        """

@final
class AsyncInvoices(Noun):
    """Offer the verbs of :class:`Invoices` to tasks."""

    noun: str

    async def credit(
        self,
        account: str,
        invoice: str,
        *,
        reason: str,
        key: str,
        amount: Money | None = None,
        actor: str = "",
    ) -> Invoice:
        """Give back an invoice, or ``amount`` (gross) of it, by a credit note at its own rates.

        The ledger does not move: what the account gets back is another command's.

        Raises:
            IllegalTransition: it is a credit note, or nothing is left of it.
            InvalidInput: the amount is not above zero or more than is left, or there is no reason.
            UnknownName: there is no such account or invoice.
            IdempotencyConflict: the key was used for something else.
        """

    async def credit_refund(
        self, account: str, top_up: str, refund: str, *, key: str, actor: str = ""
    ) -> Invoice:
        """Give back on paper what a refund of an invoiced top-up has given back in money; once.

        Raises:
            IllegalTransition: the refund is not done, or it was credited before.
            UnknownName: there is no such account, top-up or refund, or the top-up has no invoice.
            IdempotencyConflict: the key was used for something else.
        """

    async def erase_buyers(self, account: str, *, before: date) -> int:
        """Erase the buyers of invoices issued before a day of the seller's; say of how many.

        What was sold, at which tax and under which number stays. It is for the end of the time for
        which invoices have to be kept, in Turkey ten years; safe to repeat.

        Raises:
            InvalidInput: the day lies ahead, or the storage cannot erase.
            UnknownName: there is no such account.
        """

    async def for_charges(
        self,
        account: str,
        currency: str,
        *,
        key: str,
        until: date | None = None,
        exchange: Fraction | None = None,
        registered: bool = False,
        actor: str = "",
    ) -> Invoice | None:
        """Invoice what was charged since the last invoice and before the day ``until`` began.

        The day is the seller's, and the first of the current month unless given. What is due by
        then is charged first. A charge that is told of later, although it happened before, is on
        the next invoice, so each is on exactly one. None is returned when there is nothing to
        invoice; more given back than sold makes a credit note.

        Raises:
            IllegalTransition: the policy invoices top-ups.
            InvalidInput: the day lies ahead, the account has no billing profile, the currency
                needs an exchange rate, or what is to be invoiced, or corrected by it, was archived.
            UnknownName: there is no such account or balance.
            IdempotencyConflict: the key was used for something else.
        """

    async def for_top_up(
        self,
        account: str,
        top_up: str,
        *,
        key: str,
        exchange: Fraction | None = None,
        registered: bool = False,
        actor: str = "",
    ) -> Invoice:
        """Invoice a top-up that was credited; once, whatever the key.

        ``exchange`` is what one unit of its currency is worth in the seller's home currency;
        ``registered`` says that the buyer takes e-Fatura.

        Raises:
            IllegalTransition: it was never credited, was invoiced before, or the policy invoices
                charges.
            InvalidInput: the currency needs an exchange rate.
            UnknownName: there is no such account or top-up.
            IdempotencyConflict: the key was used for something else.
        """

    async def get(self, account: str, invoice: str) -> Invoice:
        """Give one invoice by its id.

        Raises:
            UnknownName: the account has no such invoice.
        """

    async def list(self, account: str, *, after: int = 0, limit: int = 100) -> Sequence[Invoice]:
        """Give up to ``limit`` invoices and credit notes, oldest first, skipping ``after``.

        Raises:
            UnknownName: there is no such account.
        """

@final
class AsyncMessages(Noun):
    """Offer the verbs of :class:`Messages` to tasks."""

    noun: str

    async def affordable(
        self,
        account: str,
        mix: Iterable[CampaignPart],
        *,
        on: date | None = None,
        at_most: int = 10**9,
    ) -> Affordable:
        """Say how many more times the account's balance pays for a mix, exact at the edge.

        Raises:
            InvalidInput: as :meth:`estimate`.
            UnknownName: as :meth:`estimate`.
        """

    async def breakdown(self, account: str, month: date) -> MessageBreakdown:
        """Give what the messages of a month cost, by number, category and market.

        ``month`` is any day of the month, in the zone of the numbers.

        Raises:
            UnknownName: there is no such account.
        """

    async def drop(self, asides: Iterable[SetAsideStatus]) -> None:
        """Forget statuses that were set aside, because somebody has dealt with them elsewhere."""

    async def estimate(
        self, account: str, parts: Iterable[CampaignPart], *, on: date | None = None
    ) -> MessageEstimate:
        """Price a campaign against the account's own counts and balance, before it is sent.

        ``on`` is the local day of sending, today for None.

        Raises:
            InvalidInput: a category is not offered in its market, or no card rules that day.
            UnknownName: there is no such account, balance or market.
        """

    async def get(self, account: str, message: str) -> Message | None:
        """Give a message by its id, None where nothing is known of it.

        Raises:
            UnknownName: there is no such account.
        """

    async def hold(
        self,
        account: str,
        parts: Iterable[CampaignPart],
        *,
        key: str,
        lasts: timedelta | None = None,
        reason: str = "messages",
        reference: str = "",
        actor: str = "",
    ) -> SendHold:
        """Set aside what a batch of messages costs at worst, in full or not at all.

        It is free again after ``lasts``, which the terms say unless it is given. Hand the messages
        to the provider next, then tell :meth:`sent` which ones.

        Raises:
            InsufficientFunds: less may be used for messages; nothing has changed.
            LimitExceeded: the plan's units are used up, and nothing says what more costs.
            IllegalTransition: the plan is suspended, unpaid after its grace, or paused.
            InvalidInput: a category is not offered in its market, or no card rules that day.
            UnknownName: there is no such account, balance or market.
            IdempotencyConflict: the key was used for something else.
        """

    async def list(self, account: str, *, after: str = "", limit: int = 100) -> Sequence[Message]:
        """Give up to ``limit`` messages whose ids sort after ``after``, in ascending order.

        Raises:
            UnknownName: there is no such account.
        """

    async def may_send(self, account: str, parts: Iterable[CampaignPart]) -> SendAnswer:
        """Say whether messages may be sent now, with the reason if not; nothing is held.

        Raises:
            InvalidInput: as :meth:`estimate`.
            UnknownName: as :meth:`estimate`.
        """

    async def receive(self, headers: Mapping[str, str], body: bytes) -> Received:
        """Apply the statuses of one webhook: each message is charged once, whatever comes when.

        Answer the provider 200 when this returns, 401 to a ``ForgedCallback``, 400 to another
        refusal, and 500 to an infrastructure error: what it sends again is a repetition.

        Raises:
            ForgedCallback: it is not genuine; nothing was read.
            InvalidInput: it is malformed as a whole, or too long; or the service has no channel.
        """

    async def receive_many(self, webhooks: Iterable[tuple[Mapping[str, str], bytes]]) -> Received:
        """Apply many webhooks at once: one unit of work for each account among them.

        What cannot be read is refused by itself and costs the others nothing.

        Raises:
            InvalidInput: the service has no channel.
        """

    async def register_number(
        self, account: str, number: str, *, zone: str | None = None, move: bool = False
    ) -> BusinessNumber:
        """Say that a business number, by its id at the provider, belongs to an account.

        ``zone`` is that of its WhatsApp Business Account, the account's own for None. Statuses that
        came before can be tried again with :meth:`retry`. Registering it again changes its zone;
        ``move`` allows to take it from another account, from now on.

        Raises:
            InvalidInput: it is no id, there is no such zone, or it belongs to another account.
            UnknownName: there is no such account.
        """

    async def retry(self, *, number: str = "", limit: int = 1000) -> Received:
        """Apply again what was set aside, up to ``limit`` statuses of one number or of all.

        What still cannot be applied stays set aside. What was malformed stays until it is
        dropped.
        """

    async def sent(
        self, account: str, messages: Iterable[SentMessage], *, hold: str = ""
    ) -> SentReport:
        """Note which messages were handed to the provider, and what is held for each.

        A message's own id makes it safe to say again. Its statuses may have come before.

        Raises:
            InvalidInput: a category is not offered in its market, or no card rules its day.
            UnknownName: there is no such account or market, or no such open hold.
        """

    async def set_aside(
        self, *, number: str = "", after: str = "", limit: int = 100
    ) -> Sequence[SetAsideStatus]:
        """Give up to ``limit`` statuses that are set aside, of one number or of all, by id."""

    async def settle(
        self, aside: SetAsideStatus, *, category: MessageCategory, billable: bool
    ) -> Received:
        """Decide a status that was set aside by what the provider's invoice or a person says.

        The message is charged, or found free, as if the status had said so.

        Raises:
            InvalidInput: the status says not that a message arrived, or the category is unknown.
        """

    async def unsent(
        self, account: str, hold: str, parts: Iterable[CampaignPart], *, key: str
    ) -> Hold:
        """Free what was held for messages that the provider did not take.

        Raises:
            InvalidInput: as :meth:`hold`.
            UnknownName: there is no such account, market or hold.
            IdempotencyConflict: the key was used for something else.
        """

@final
class AsyncOutbox(Noun):
    """Offer the verbs of :class:`Outbox` to tasks."""

    noun: str

    async def acknowledge(self, delivery: Delivery, *, through: int | None = None) -> None:
        """Say that the events of a delivery are handled, up to and including ``through``.

        Without ``through`` all of them are. The account is free for the next delivery at once.

        Raises:
            IllegalTransition: the lease has ended and somebody else has the account, or it was
                acknowledged before.
            InvalidInput: ``through`` is not the number of an event in it.
        """

    async def claim(
        self, consumer: str, *, accounts: int = 10, events: int = 100, lease: timedelta = ...
    ) -> tuple[Delivery, ...]:
        """Take up to ``accounts`` deliveries of up to ``events`` each; none when nothing is ahead.

        Accounts that another worker has taken are passed over, so more workers do more.

        Raises:
            InvalidInput: a number is not from 1 to 1000, or the lease is not above zero.
            UnknownName: nobody has subscribed the consumer.
        """

    async def consumers(self) -> Sequence[str]:
        """Name the consumers, in ascending order."""

    async def release(self, delivery: Delivery) -> None:
        """Give a delivery back unhandled; it is delivered again, to whoever asks next.

        Raises:
            IllegalTransition: the lease has ended and somebody else has the account, or it was
                acknowledged before.
        """

    async def subscribe(self, consumer: str, *, from_beginning: bool = False) -> None:
        """Let a consumer have events ahead: those to come, or all there are; safe to repeat.

        Raises:
            InvalidInput: the consumer is no id, or the storage does not share its outbox.
        """

    async def unsubscribe(self, consumer: str) -> None:
        """Forget a consumer and how far it has come; safe to repeat."""

class AsyncOutlook(Noun):
    """Offer the verbs of :class:`Billing` itself to tasks."""

    async def announce(self, *, within: timedelta = ...) -> AnnouncementReport:
        """Tell every account of what falls due within that time, each thing once.

        It writes a :class:`~monochat_billing.events.FallsDueSoon` to the outbox for each renewal,
        end of a trial and credit that will be lost, with what it costs and how it will end as
        things stand. A thing that was told stays told, also where the time is another one the next
        day; what moves to another instant is told again. Run it once a day, beside
        :meth:`run_due`; accounts with nothing ahead are not visited.

        Raises:
            InvalidInput: ``within`` is not above zero.
        """

    async def events(
        self, account: str, *, after: int = 0, limit: int = 100
    ) -> Sequence[RecordedEvent]:
        """Give up to ``limit`` events of the outbox numbered above ``after``, oldest first."""

    async def may_use(self, account: str, name: str, *, more: int = 1) -> Permission:
        """Say whether the account may use a feature, one more of a limit, or a meter, and why.

        What is in use is asked from the host's usage reader, where it gave one. The answer is true
        or false like a bool, and explains itself.

        Raises:
            UnknownName: there is no such account, feature, limit or meter.
            InvalidInput: ``more`` is not a whole number from zero up.
        """

    async def overview(self, account: str, *, last: int = 10) -> Overview:
        """Show the Billing page of an account as it is now, with its ``last`` entries.

        How long balances last counts what falls due and what usage took per day in the last 30
        days. What is in use of limits is asked from the host's usage reader, where it gave one.

        Raises:
            UnknownName: there is no such account.
        """

    async def run_due(self) -> RunReport:
        """Apply what is due on every account: renewals, scheduled changes, expiries.

        Accounts with nothing due are not visited. Accounts are advanced many to a transaction, and
        several workers may run at once: each takes accounts that no other works on. One whose
        stored facts contradict themselves is left alone and named in the report.
        """

    async def runway(
        self,
        account: str,
        currency: str | None = None,
        *,
        per_day: Quantity | Money | None = None,
        window: timedelta = ...,
        horizon: datetime | None = None,
    ) -> Runway:
        """Say until when a balance lasts, with everything that falls due, at ``per_day``.

        Without ``currency`` it is the account's first balance, without ``horizon`` the next 366
        days. Without ``per_day`` it is what usage took per day on average in the ``window`` up to
        now, or since the account was opened if that is later.

        Raises:
            UnknownName: there is no such account or balance.
            InvalidInput: ``per_day`` is no exact number, the window is not above zero, or the
                horizon is naive or not ahead.
        """

    async def upcoming(
        self, account: str, *, until: datetime | None = None, most: int = MOST_LINES
    ) -> Forecast:
        """List every charge, renewal, expiry and scheduled change up to ``until`` (inclusive).

        Without ``until`` it is the next 31 days. It is decided by the code that will do it, on the
        books as they are now; ``most`` cuts it.

        Raises:
            UnknownName: there is no such account.
            InvalidInput: ``until`` is naive or not ahead, or ``most`` is no number from 1 to 1000.
        """

    async def verify(self, account: str | None = None) -> Audit:
        """Derive the books anew from all entries, of one account or of all, and compare.

        Where entries were archived, it goes on from what they left behind.

        Raises:
            UnknownName: there is no such account.
        """

@final
class AsyncPacks(Noun):
    """Offer the verbs of :class:`Packs` to tasks."""

    noun: str

    async def buy(
        self,
        account: str,
        pack: str,
        *,
        key: str,
        quantity: int = 1,
        currency: str | None = None,
        actor: str = "",
    ) -> PackPurchase:
        """Buy a pack from the balance, at the price in force; the key names the purchase.

        Raises:
            InsufficientFunds: the balance does not cover it; nothing has changed.
            InvalidInput: it is no pack, or so many are not sold at once.
            UnknownName: there is no such account, pack, price or balance.
            IdempotencyConflict: the key was used for something else.
        """

    async def list(self, account: str) -> Sequence[PackHolding]:
        """Give every pack in the order of purchase: its units, what is left, burned and lost.

        What has expired by now is lost, whether or not anybody ran what is due.

        Raises:
            UnknownName: there is no such account.
        """

    async def promote(
        self,
        account: str,
        amount: Amount,
        *,
        reason: str,
        key: str,
        every: BillingInterval = MONTH,
        ends_at: datetime | None = None,
        rollover: Rollover = NO_ROLLOVER,
        actor: str = "",
    ) -> Recurrence:
        """Grant money or units now and again every interval, each time for that interval.

        The key names the promotion. Its lots are promotional: they burn like others and are never
        refunded; what is left rolls over as ``rollover`` says.

        Raises:
            InvalidInput: the amount is not above zero, there is no reason, or it ends at once.
            UnknownName: there is no such account or balance.
            IdempotencyConflict: the key was used for something else.
        """

    async def refund(self, account: str, purchase: str, *, key: str, actor: str = "") -> PackRefund:
        """Give back what is left of a pack, as the policy of its purchase says.

        The units go, and their part of what was really paid comes back to the lots that paid it.

        Raises:
            IllegalTransition: the policy gives nothing back, or no more; nothing is left, or an
                open hold has some of it.
            UnknownName: there is no such account, or it has bought no such pack.
            IdempotencyConflict: the key was used for something else.
        """

    async def stop(self, account: str, promotion: str, *, key: str) -> Recurrence:
        """End a promotion: what was granted stays until its end, nothing more comes.

        Raises:
            UnknownName: there is no such account, or no such promotion runs.
            IdempotencyConflict: the key was used for something else.
        """

    async def use(
        self,
        account: str,
        units: Units,
        *,
        reason: str,
        key: str,
        reference: str = "",
        actor: str = "",
    ) -> Entry:
        """Burn prepaid units by hand, the earliest expiry first, or refuse and change nothing.

        Usage that is recorded burns them by itself.

        Raises:
            InsufficientFunds: fewer units are left.
            InvalidInput: the units are not above zero, or there is no reason.
            UnknownName: there is no such account, or it never had units of that meter.
            IdempotencyConflict: the key was used for something else.
        """

@final
class AsyncSchedule(Noun):
    """Offer the verbs of :class:`Schedule` to tasks."""

    noun: str

    async def cancel(
        self,
        account: str,
        subscription: str,
        *,
        at: datetime | None = None,
        mode: CancelMode = CancelMode.NOTHING,
        key: str,
        actor: str = "",
        replaces: str | None = None,
    ) -> ScheduledChange:
        """Plan the end of a subscription; whatever was pending after it gives way.

        Raises:
            IllegalTransition: it has ended, or it is canceled earlier already.
            InvalidInput: the instant is not ahead.
            UnknownName: no such account or subscription.
            IdempotencyConflict: the key was used for something else.
        """

    async def change(
        self,
        account: str,
        *,
        to: str,
        interval: BillingInterval | None = None,
        timing: ChangeTiming | None = None,
        at: datetime | None = None,
        key: str,
        actor: str = "",
        replaces: str | None = None,
    ) -> ScheduledChange:
        """Plan a change of product or interval.

        Raises:
            IllegalTransition: the subscription is past due, suspended or paused, or canceled by
                then.
            InvalidInput: the instant is not ahead, or the rule does not allow the timing.
            UnknownName: no such account, product or price, or no subscription of that family.
            IdempotencyConflict: the key was used for something else.
        """

    async def history(self, account: str) -> Sequence[ScheduledChange]:
        """Give every scheduled change that was stored, with what became of it.

        Raises:
            UnknownName: there is no such account.
        """

    async def list(self, account: str) -> Sequence[ScheduledChange]:
        """Give what is pending on the account now, in order of request.

        Raises:
            UnknownName: there is no such account.
        """

    async def pause(
        self,
        account: str,
        subscription: str,
        *,
        at: datetime | None = None,
        key: str,
        actor: str = "",
        replaces: str | None = None,
    ) -> ScheduledChange:
        """Plan a pause; what is paid for by then can be used to its end.

        Raises:
            IllegalTransition: as :meth:`change`.
            InvalidInput: the instant is not ahead.
            UnknownName: no such account or subscription.
            IdempotencyConflict: the key was used for something else.
        """

    async def phases(
        self,
        account: str,
        phases: Iterable[Phase | tuple[Any, ...]],
        *,
        at: datetime | None = None,
        key: str,
        currency: str | None = None,
        actor: str = "",
    ) -> tuple[ScheduledChange, ...]:
        """Plan a chain: product after product, each for its duration, the last one without.

        Each phase is a :class:`Phase` or its fields: product, interval, duration. The chain begins
        at ``at``, or at the end of the current period. One that fails cancels those after it.

        Raises:
            IllegalTransition: as :meth:`change`.
            InvalidInput: a phase before the last has no duration, they are of several families, or
                the start is not ahead.
            UnknownName: no such account, product, price or balance.
            IdempotencyConflict: the key was used for something else.
        """

    async def quantity(
        self,
        account: str,
        subscription: str,
        quantity: int,
        *,
        at: datetime | None = None,
        key: str,
        actor: str = "",
        replaces: str | None = None,
    ) -> ScheduledChange:
        """Plan another quantity; with a change of product that is due then it is one decision.

        Raises:
            IllegalTransition: as :meth:`change`.
            InvalidInput: the instant is not ahead, or it is no quantity.
            UnknownName: no such account or subscription.
            IdempotencyConflict: the key was used for something else.
        """

    async def resume(
        self,
        account: str,
        subscription: str,
        *,
        at: datetime | None = None,
        key: str,
        actor: str = "",
        replaces: str | None = None,
    ) -> ScheduledChange:
        """Plan that a subscription that is paused, or will be, goes on.

        Raises:
            IllegalTransition: it is not paused and no pause is planned, or it is canceled by then.
            InvalidInput: the instant is not ahead.
            UnknownName: no such account or subscription.
            IdempotencyConflict: the key was used for something else.
        """

    async def revoke(self, account: str, scheduled_change: str, *, key: str) -> ScheduledChange:
        """Take back a scheduled change that is still pending, as if it had not been asked for.

        What had given way to it is pending again.

        Raises:
            IllegalTransition: it is no longer pending.
            UnknownName: the account has no such scheduled change.
            IdempotencyConflict: the key was used for something else.
        """

    async def revoke_chain(
        self, account: str, chain: str, *, key: str
    ) -> tuple[ScheduledChange, ...]:
        """Take back all phases of a chain that are still pending.

        Raises:
            UnknownName: there is no such account, or nothing of such a chain is pending.
            IdempotencyConflict: the key was used for something else.
        """

    async def subscribe(
        self,
        account: str,
        product: str,
        interval: BillingInterval,
        *,
        at: datetime,
        key: str,
        currency: str | None = None,
        quantity: int = 1,
        trial: bool = True,
        actor: str = "",
        replaces: str | None = None,
    ) -> ScheduledChange:
        """Plan a subscription that begins at an instant ahead and is charged then.

        With ``trial`` the product's trial comes first, if the account has never held it.

        Raises:
            IllegalTransition: the account has one of this family already.
            InvalidInput: the instant is not ahead.
            UnknownName: no such account, product, price or balance.
            IdempotencyConflict: the key was used for something else.
        """

@final
class AsyncSubscriptions(Noun):
    """Offer the verbs of :class:`Subscriptions` to tasks."""

    noun: str

    async def cancel(
        self, account: str, what: str, *, mode: CancelMode, key: str, actor: str = ""
    ) -> CancelReport:
        """End a subscription now; ``what`` is its id, or the product that it holds.

        NOTHING keeps what was paid. CREDIT gives the unused time back to the balance, to the lots
        that paid; REFUND does so too, holds what was paid money and asks the host to send it on;
        WITHDRAWAL does that with everything since the start, within the days that the catalog
        gives. To let it end with its period, schedule the cancel.

        Raises:
            IllegalTransition: everything is to be paid back and the days for that are over.
            InvalidInput: there is no such mode.
            UnknownName: there is no such account, or it holds no such thing.
            IdempotencyConflict: the key was used for something else.
        """

    async def change(self, quote: ChangeQuote, *, actor: str = "") -> ChangeResult:
        """Do exactly what the quote shows, as of its effective instant, or refuse.

        A quote for the period's end is scheduled. The quote's id is the idempotency key.

        Raises:
            StaleQuote: the quote ran out, or what it was computed from has changed.
            InsufficientFunds: the balance does not cover what is due; nothing has changed.
            IdempotencyConflict: the quote's id was used as a key for something else.
        """

    async def check(self, account: str, limit: str, used: int) -> LimitCheck:
        """Say how many ``used`` are within a limit of what the account subscribes to.

        Raises:
            UnknownName: there is no such account, or nothing it subscribes to has this limit.
            InvalidInput: ``used`` is not a whole number from zero up.
        """

    async def dues(self, account: str) -> Sequence[DuePayment]:
        """List what the next money on each balance will pay before anything else, in order.

        First what is owed, then what is past due or suspended: the oldest first, the plan before
        the support package. A page that starts a top-up can show it.

        Raises:
            UnknownName: there is no such account.
        """

    async def history(self, account: str) -> Sequence[Subscription]:
        """Give everything that the account ever subscribed to, ended ones too, oldest first.

        Each says in its own history which product it held at which price, from when until when.

        Raises:
            UnknownName: there is no such account.
        """

    async def list(self, account: str) -> Sequence[Subscription]:
        """Give the account's live subscriptions as they are now.

        Raises:
            UnknownName: there is no such account.
        """

    async def pause(self, account: str, what: str, *, key: str) -> Subscription:
        """Pause a subscription now: usable until its paid end, and nothing renews.

        Nothing is given back, and no time is added.

        Raises:
            IllegalTransition: it is not active.
            UnknownName: there is no such account, or it holds no such thing.
            IdempotencyConflict: the key was used for something else.
        """

    async def preview(
        self,
        account: str,
        *,
        to: str | None = None,
        interval: BillingInterval | None = None,
        timing: ChangeTiming | None = None,
        key: str | None = None,
        offer: NegotiatedPrice | None = None,
        of: str | None = None,
        quantity: int | None = None,
        anchor: BillingAnchor | None = None,
    ) -> ChangeQuote:
        """Show what a change would do and cost; nothing is stored.

        ``to`` is the product after the change, and ``of`` what is changed: the id of a
        subscription, or the product that it holds. One of them will do: ``to`` finds what the
        account holds of the same family, and ``of`` alone keeps the product for another interval,
        ``quantity`` or ``anchor``.

        With an ``offer`` its price is quoted, and executing the quote accepts it, once. Where the
        host gave a usage reader, the quote warns of limits that would be exceeded.

        The quote's id, ``key`` or a fresh one, is the idempotency key of its execution. When a
        change was already done under ``key``, its quote is returned as it was executed, so a
        program that starts over finds its way.

        Raises:
            IllegalTransition: it cannot be changed as it stands, or the offer was accepted before.
            InvalidInput: the catalog's rule does not allow the timing, the quantity is not
                possible, or the offer is for something else or not valid now.
            UnknownName: no such account, product or price, or no such subscription.
            IdempotencyConflict: the key was used for something else.
        """

    async def preview_cancel(self, account: str, what: str, *, mode: CancelMode) -> CancelReport:
        """Show what :meth:`cancel` would give back now; nothing is stored.

        Raises:
            IllegalTransition: everything is to be paid back and the days for that are over.
            InvalidInput: there is no such mode.
            UnknownName: there is no such account, or it holds no such thing.
        """

    async def reactivate(
        self, account: str, what: str, *, key: str, actor: str = ""
    ) -> Subscription:
        """Take a planned cancel back, or begin anew what has ended; ``what`` as in :meth:`cancel`.

        What has ended begins again as a new subscription that follows the old one, at the list
        price in force and without a trial.

        Raises:
            IllegalTransition: it is live and no cancel is planned, or another one of its family
                is.
            InsufficientFunds: the balance does not cover the first period; nothing has changed.
            UnknownName: there is no such account, it never had it, or it is sold no more.
            IdempotencyConflict: the key was used for something else.
        """

    async def resume(self, account: str, what: str, *, key: str, actor: str = "") -> Subscription:
        """Let a paused subscription go on.

        Before its paid end nothing is charged. From then on a new period starts now and is
        charged; the time between costs nothing.

        Raises:
            IllegalTransition: it is not paused.
            InsufficientFunds: the balance does not cover the new period; nothing has changed.
            UnknownName: there is no such account, or it holds no such thing.
            IdempotencyConflict: the key was used for something else.
        """

    async def subscribe(
        self,
        account: str,
        product: str,
        interval: BillingInterval,
        *,
        key: str,
        currency: str | None = None,
        actor: str = "",
        offer: NegotiatedPrice | None = None,
        quantity: int = 1,
        start: datetime | None = None,
        alignment: Alignment | None = None,
        trial: bool = True,
    ) -> Subscription:
        """Start a plan, a support package or an add-on, and charge its first period in advance.

        Without ``currency`` it is paid in the account's first. An ``offer`` is accepted by this,
        once: its price is pinned instead of the list price. The product's trial comes first, once
        for each account, unless ``trial`` is False. A ``start`` in the past is charged from then
        on; one that lies ahead is scheduled instead. An add-on is held in a ``quantity``, and
        renews on the days of the plan, or with ``alignment`` OWN on its own.

        Raises:
            IllegalTransition: the account has one of this family, or this add-on, already: change
                it instead; or the offer was accepted before.
            InvalidInput: the offer is for something else, or not valid now; the quantity, the
                start or the alignment is not possible.
            InsufficientFunds: the balance does not cover what is due; nothing has changed.
            UnknownName: there is no such account, product, price or balance.
            IdempotencyConflict: the key was used for something else.
        """

@final
class AsyncTopUps(Noun):
    """Offer the verbs of :class:`TopUps` to tasks."""

    noun: str

    async def automate(
        self,
        account: str,
        rule: RefillRule,
        *,
        name: str,
        gateway: str,
        return_url: str,
        key: str,
        cap: Money | None = None,
        wait_minutes: int = 60,
        most_failures: int = 5,
    ) -> AutomaticTopUp:
        """Ask for a top-up whenever the balance of the rule's currency falls to its threshold.

        Asking is an event, ``TopUpRequested``, and a top-up stored in CREATED: the host pays it
        with a saved method and tells with :meth:`report`, or sends the buyer to what
        ``top_ups.open`` gives. It asks once per crossing, backs off after failures (after
        ``wait_minutes``, then twice that, and so on, ``most_failures`` times in a row) and stays
        within ``cap`` in a calendar month. A rule of the same name gives way.

        Raises:
            InvalidInput: the account has no billing profile or too many rules, or the rule's
                top-ups could never be started.
            UnknownName: there is no such account, balance or gateway.
            IdempotencyConflict: the key was used for something else.
        """

    async def automatic(self, account: str) -> Sequence[AutomaticTopUp]:
        """Give the account's automatic top-ups as they are now, the latest last.

        Raises:
            UnknownName: there is no such account.
        """

    async def check(self, account: str, top_up: str) -> PaymentReceipt:
        """Ask the gateway what became of a top-up and act on it, as a callback would.

        For the page that a buyer comes back to, and for a person who looks into one top-up. Of one
        that is credited it also asks how much has gone back, where the gateway tells.

        Raises:
            UnknownName: the account has no such top-up, or its gateway is not configured.
            InvalidInput: the gateway cannot be asked.
            GatewayError: the gateway did not answer as agreed.
        """

    async def compare_settlement(
        self,
        gateway: str,
        lines: Iterable[SettlementLine],
        *,
        accounts: Iterable[str] = (),
        fee_of: Callable[[TopUp], Money] | None = None,
        day_of: Callable[[TopUp], date] | None = None,
        since: date | None = None,
        until: date | None = None,
    ) -> SettlementReport:
        """Compare a provider's settlement file with what was credited; nothing is posted.

        Top-ups of ``accounts`` count, or of all. Of those that stand in no line only such count
        as were credited from ``since`` to ``until`` (UTC days, inclusive, by when they were paid
        or else started), so that a file is compared with its own days.

        Raises:
            UnknownName: the gateway is not configured.
        """

    async def get(self, account: str, top_up: str) -> TopUp:
        """Give a top-up as it is stored.

        Raises:
            UnknownName: the account has no such top-up.
        """

    async def list(
        self, account: str, *, state: TopUpState | None = None, before: str = "", limit: int = 100
    ) -> Sequence[TopUp]:
        """Give up to ``limit`` top-ups of an account, the newest first, in one state or in any.

        ``before`` is the id of the last one of the page before; pages neither skip nor repeat.

        Raises:
            InvalidInput: there is no such state.
            UnknownName: there is no such account, or it has no such top-up.
        """

    async def open(self, account: str, top_up: str, *, buyer: Buyer = NOBODY) -> Checkout:
        """Open the checkout of a top-up that is stored already, such as an automatic one.

        It goes on where it stopped, as ``start`` does, and gives the same checkout again.

        Raises:
            InvalidInput: the gateway does not take it.
            UnknownName: the account has no such top-up, or its gateway is not configured.
            GatewayError: the gateway did not answer as agreed; in doubt.
        """

    async def preview(self, account: str, amount: Money) -> TopUpPreview:
        """Show what a top-up of ``amount`` would bring and pay first, before it is started.

        It is computed by the code that credits a payment; nothing is stored.

        Raises:
            IllegalTransition: the balance is closed.
            InvalidInput: the amount is not above zero or finer than the currency's minor unit, or
                the service's policy does not take it.
            UnknownName: there is no such account or balance.
        """

    async def receive(
        self, gateway: str, headers: Mapping[str, str], body: bytes
    ) -> PaymentReceipt:
        """Verify a gateway's callback and act on it: credit once, however often it comes.

        Where the gateway's callbacks are no proof, the payment is retrieved first and only that
        counts. Answer the gateway with :attr:`PaymentReceipt.answer`. What a verified payment
        does not match is quarantined with an event and credited to nobody; a genuine callback
        that is not understood leaves an event.

        Raises:
            ForgedCallback: the signature is missing or wrong; nothing has happened.
            InvalidInput: the callback is signed but malformed.
            UnknownName: the gateway is not configured, or nobody started this top-up here: answer
                with 2xx all the same, or the gateway repeats it.
            GatewayError: the gateway could not be asked; answer with 5xx, so that it calls again.
        """

    async def reconcile(self, gateway: str, *, expire_after: timedelta = ...) -> Reconciliation:
        """Ask the gateway about every unsettled top-up and act on what callbacks never told.

        A top-up that nobody paid is expired once it is ``expire_after`` old and its checkout is
        closed; it is not asked about again, and a success that is told later still credits it.
        What the gateway does not answer stays for the next sweep. Run it every few minutes.

        Raises:
            UnknownName: the gateway is not configured.
        """

    async def refund(
        self,
        account: str,
        top_up: str,
        amount: Money | None = None,
        *,
        key: str,
        reason: str = "",
        actor: str = "",
        policy: RefundPolicy | None = None,
    ) -> RefundReceipt:
        """Give a top-up back to where it came from: ``amount`` of it, or all that may go back.

        The refund is stored and its money set aside before the provider is asked, so a lost answer
        loses nothing: the same call with the same key goes on where it stopped, and so does
        :meth:`~monochat_billing.service.top_ups.TopUps.reconcile`. What is unspent of the bonus
        goes with it. ``policy`` replaces the service's own for this refund.

        Raises:
            IllegalTransition: it was never credited, a refund of it is under way, or it is
                disputed or gone.
            InsufficientFunds: less than that may go back.
            InvalidInput: the amount is not above zero or too fine, or the gateway gives nothing
                back, or no part.
            UnknownName: there is no such account, top-up or gateway.
            IdempotencyConflict: the key was used for something else.
            GatewayError: the provider did not answer as agreed; in doubt, the money stays aside.
        """

    async def report(self, account: str, payment: Payment) -> PaymentReceipt:
        """Act on a payment, a refund or a dispute that the host vouches for itself.

        For a saved card that the host charged, and for what a provider tells a person only, such
        as a dispute that came by mail. It is judged like a gateway's verified callback, and as
        safe to repeat: amount, currency, mode and gateway have to fit.

        Raises:
            UnknownName: there is no such account or top-up.
            IllegalTransition: money has to be taken from a balance that is closed.
        """

    async def resolve(
        self,
        account: str,
        top_up: str,
        payment: str,
        resolution: Resolution,
        *,
        reason: str,
        key: str,
        actor: str = "",
    ) -> PaymentReceipt | RefundReceipt:
        """Do with a quarantined payment what a person decided, for a reason that is kept.

        CREDIT credits what was paid, REFUND gives it back at the provider, DISMISS leaves it.

        Raises:
            IllegalTransition: it has been resolved, or the balance is closed.
            InvalidInput: there is no reason, or the payment cannot be credited or given back.
            UnknownName: there is no such account, top-up or payment, or no balance in its currency.
            IdempotencyConflict: the key was used for something else.
            GatewayError: the provider did not answer as agreed; in doubt.
        """

    async def settle_refund(
        self, account: str, top_up: str, refund: str, *, done: bool, key: str
    ) -> RefundReceipt:
        """Settle a refund by hand, because a person looked it up at the provider or the bank.

        Raises:
            UnknownName: there is no such account, top-up or refund.
            IdempotencyConflict: the key was used for something else.
        """

    async def start(
        self,
        account: str,
        amount: Money,
        *,
        gateway: str,
        return_url: str,
        key: str,
        buyer: Buyer = NOBODY,
    ) -> Checkout:
        """Record the intent to top up, then open a checkout at the gateway.

        The intent is stored before the gateway is called, so a crash in between loses nothing:
        the same call with the same key goes on where it stopped. ``buyer`` is passed through to
        the gateway and stored nowhere.

        Raises:
            InvalidInput: the amount is not above zero or finer than the currency's minor unit, the
                gateway or the service's policy does not take it, or the account has no billing
                profile.
            UnknownName: there is no such account, balance or gateway.
            IdempotencyConflict: the key was used for something else.
            GatewayError: the gateway did not answer as agreed; in doubt.
        """

    async def stop_automatic(self, account: str, name: str, *, key: str) -> AutomaticTopUp:
        """Ask for no more under a name; what was asked for stays and may still be paid.

        Raises:
            UnknownName: there is no such account, or it has no rule of that name.
            IdempotencyConflict: the key was used for something else.
        """

@final
class AsyncUsage(Noun):
    """Offer the verbs of :class:`Usage` to tasks."""

    noun: str

    async def breakdown(
        self,
        account: str,
        *,
        since: datetime,
        until: datetime,
        meter: str = "",
        by: Sequence[str] = (),
    ) -> UsageBreakdown:
        """Sum what was recorded in ``[since, until)`` by meter, period and the dimensions ``by``.

        A minimum that was settled is not of any record, so it is not in it: the statement has it.

        Raises:
            InvalidInput: an instant is naive.
            UnknownName: there is no such account.
        """

    async def correct(
        self,
        account: str,
        record_id: str,
        *,
        quantity: Quantity | None = None,
        occurred_at: datetime | None = None,
        dimensions: Mapping[str, str] | None = None,
        key: str,
        actor: str = "",
        mode: DebitMode = DebitMode.WHOLE,
    ) -> MeteredUsage:
        """Put right what a record of a meter says: what is left out stays, zero takes it back.

        What it used is given back to the lots that paid, and the right thing is rated by the
        instant of its usage: the totals are those of the right record in the first place.

        Raises:
            InvalidInput: nothing is corrected, the right thing cannot be, the record was replaced
                before, or a gauge was recorded meanwhile: correct it again.
            InsufficientFunds: the right thing costs more than there is; nothing has changed.
            LimitExceeded: prepaid units are used up and no rate says what more costs.
            UnknownName: there is no such account or record.
            IdempotencyConflict: the key was used for something else.
        """

    async def list(
        self, account: str, *, after: int = 0, limit: int = 100
    ) -> Sequence[ChargedUsage]:
        """Give up to ``limit`` recorded messages in the order they were stored, skipping ``after``.

        Raises:
            UnknownName: there is no such account.
        """

    @overload
    async def record(
        self, account: str, records: Iterable[UsageRecord], *, actor: str = ""
    ) -> UsageReport:
        """Rate a batch and pay for each record once, in one transaction.

        A batch has messages (:class:`~monochat_billing.rating.UsageRecord`, rated by the service's
        rate cards) or records of any meter (:class:`~monochat_billing.counters.MeterRecord`, rated
        by the catalog), not both. A record's own id makes it safe to send again: what was recorded
        before is counted as repeated and costs nothing. What the balance cannot pay is refused,
        record by record, and can be sent again after a top-up; with ``mode`` FORCED, records of
        meters are taken below zero instead.

        Raises:
            InvalidInput: a record has no rate, cannot be right, or its id is no id, or there are
                messages and the service has no rate cards; nothing of the batch is recorded.
            UnknownName: there is no such account or meter, a record replaces one that is not
                known, or the account has no balance in the currency.
        """
    @overload
    async def record(
        self,
        account: str,
        records: Iterable[MeterRecord],
        *,
        actor: str = "",
        mode: DebitMode = DebitMode.WHOLE,
    ) -> MeterReport:
        """Rate a batch and pay for each record once, in one transaction.

        A batch has messages (:class:`~monochat_billing.rating.UsageRecord`, rated by the service's
        rate cards) or records of any meter (:class:`~monochat_billing.counters.MeterRecord`, rated
        by the catalog), not both. A record's own id makes it safe to send again: what was recorded
        before is counted as repeated and costs nothing. What the balance cannot pay is refused,
        record by record, and can be sent again after a top-up; with ``mode`` FORCED, records of
        meters are taken below zero instead.

        Raises:
            InvalidInput: a record has no rate, cannot be right, or its id is no id, or there are
                messages and the service has no rate cards; nothing of the batch is recorded.
            UnknownName: there is no such account or meter, a record replaces one that is not
                known, or the account has no balance in the currency.
        """

    async def records(
        self, account: str, *, since: datetime, until: datetime, meter: str = ""
    ) -> Sequence[MeteredUsage]:
        """Give what was recorded of any meter, or of one, in ``[since, until)``, in its order.

        Raises:
            InvalidInput: an instant is naive.
            UnknownName: there is no such account.
        """
