"""The noun ``invoices``: issue them, give them back, list them."""

import builtins
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from fractions import Fraction
from typing import Final, TypeVar, cast, final

import attrs

from monochat_billing import invoice_commands
from monochat_billing.accounts import AccountState, Step, require_account
from monochat_billing.balance import Entry
from monochat_billing.checkpoints import Checkpoint, checkpoint_of
from monochat_billing.erasure import ErasingUnit
from monochat_billing.errors import BillingError, InvalidInput, UnknownName
from monochat_billing.instants import local_midnight
from monochat_billing.invoice_commands import Issue, issued, parties_of
from monochat_billing.invoice_storage import InvoiceReader, InvoiceUnit
from monochat_billing.invoices import Invoice, InvoiceKind
from monochat_billing.invoicing import InvoicePolicy, invoice_charges
from monochat_billing.money import Money
from monochat_billing.periods import BillingPeriod
from monochat_billing.repositories import Reader, UnitOfWork, Wanted
from monochat_billing.service.context import Context, maybe_amount
from monochat_billing.service.pipeline import Command, advance, execute_in
from monochat_billing.texts import check_identity

__all__ = ["Invoices"]

T = TypeVar("T")

_PAGE: Final = 1000


@final
@attrs.frozen
class Invoices:
    """Issue invoices and credit notes, and look them up.

    The service has to be built with an :class:`~monochat_billing.invoicing.InvoicePolicy`, and its
    storage has to keep invoices, as those of this library do.
    """

    _context: Context

    def list(self, account: str, *, after: int = 0, limit: int = 100) -> Sequence[Invoice]:
        """Give up to ``limit`` invoices and credit notes, oldest first, skipping ``after``.

        Raises:
            UnknownName: there is no such account.
        """

        def look(reader: Reader) -> Sequence[Invoice]:
            return _kept(reader).invoices(account, after=after, limit=limit)

        return self._context.view_with(account, look)[1]

    def get(self, account: str, invoice: str) -> Invoice:
        """Give one invoice by its id.

        Raises:
            UnknownName: the account has no such invoice.
        """
        check_identity(invoice, "invoice")
        found = self._context.view_with(
            account, lambda reader: _kept(reader).invoice(account, invoice)
        )[1]
        if found is None:
            raise UnknownName("invoice", invoice, "does not exist", "list the invoices")
        return found

    def for_top_up(
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
        policy = self._policy
        check_identity(top_up, "top_up")

        def compose(unit: InvoiceUnit, state: AccountState, issue: Issue) -> Invoice:
            known = unit.invoice_about(account, f"top-up {top_up}")
            return invoice_commands.invoice_top_up(state, policy, top_up, issue, known)

        made = self._issue(
            account,
            "invoices.for_top_up",
            compose,
            kind=InvoiceKind.INVOICE,
            key=key,
            content={"top_up": top_up, **_terms(exchange, registered)},
            about=Issue(
                id="",
                last=0,
                now=self._context.now(),
                exchange=exchange,
                registered=registered,
                actor=actor,
            ),
            top_ups=[top_up],
        )
        return cast("Invoice", made)

    def for_charges(
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
        policy = self._policy
        now = self._context.now()
        today = policy.local_day(now)
        last_day = until or today.replace(day=1)
        if last_day > today:
            raise InvalidInput(
                "until", last_day.isoformat(), "lies ahead", "pass today or an earlier day"
            )
        end = local_midnight(last_day, policy.zone)
        check_identity(account, "account")
        advance(self._context.storage, self._context.catalog, [account], now)

        def compose(unit: InvoiceUnit, state: AccountState, issue: Issue) -> Invoice | None:
            balance = state.books.balance(currency)
            after = unit.invoiced_through(account, currency)
            mark = checkpoint_of(unit, account)
            if mark is not None and after < mark.last(currency):
                raise mark.refused("currency", currency)
            entries = builtins.list(_entries(unit, account, currency, after, end))
            if not entries:
                return None
            first_day = policy.local_day(entries[0].effective_at)
            begin = min(first_day, (last_day - timedelta(days=1)).replace(day=1))
            return invoice_charges(
                policy,
                parties_of(state, issue),
                entries,
                currency=currency,
                scale=balance.scale,
                period=BillingPeriod(start=local_midnight(begin, policy.zone), end=end),
                roots=_roots(unit, account, entries, mark),
                origins={lot.number: lot.origin for lot in unit.lots(account)},
            )

        return self._issue(
            account,
            "invoices.for_charges",
            compose,
            kind=InvoiceKind.INVOICE,
            key=key,
            content={
                "currency": str(currency),
                "until": last_day.isoformat(),
                **_terms(exchange, registered),
            },
            about=Issue(
                id="", last=0, now=now, exchange=exchange, registered=registered, actor=actor
            ),
        )

    def credit(
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
        check_identity(invoice, "invoice")
        return self._credit(
            account,
            lambda unit: unit.invoice(account, invoice),
            identity=invoice,
            reason=reason,
            amount=amount,
            key=key,
            actor=actor,
            content={"invoice": invoice, "reason": str(reason), "amount": maybe_amount(amount)},
        )

    def credit_refund(
        self, account: str, top_up: str, refund: str, *, key: str, actor: str = ""
    ) -> Invoice:
        """Give back on paper what a refund of an invoiced top-up has given back in money; once.

        Raises:
            IllegalTransition: the refund is not done, or it was credited before.
            UnknownName: there is no such account, top-up or refund, or the top-up has no invoice.
            IdempotencyConflict: the key was used for something else.
        """
        check_identity(top_up, "top_up")
        check_identity(refund, "refund")
        return self._credit(
            account,
            lambda unit: unit.invoice_about(account, f"top-up {top_up}"),
            identity=f"top-up {top_up}",
            reason="",
            amount=None,
            key=key,
            actor=actor,
            content={"top_up": top_up, "refund": refund},
            refund=(top_up, refund),
        )

    def erase_buyers(self, account: str, *, before: date) -> int:
        """Erase the buyers of invoices issued before a day of the seller's; say of how many.

        What was sold, at which tax and under which number stays. It is for the end of the time for
        which invoices have to be kept, in Turkey ten years; safe to repeat.

        Raises:
            InvalidInput: the day lies ahead, or the storage cannot erase.
            UnknownName: there is no such account.
        """
        policy = self._policy
        check_identity(account, "account")
        if before > policy.local_day(self._context.now()):
            raise InvalidInput("before", before.isoformat(), "lies ahead", "pass an earlier day")

        def work(unit: UnitOfWork) -> int:
            if not isinstance(unit, ErasingUnit):
                raise InvalidInput(
                    "storage", type(unit).__name__, "cannot erase", "use a storage that can"
                )
            require_account(unit.load([Wanted(account)])[account].state, account)
            return unit.erase_invoices(account, local_midnight(before, policy.zone))

        return self._context.storage.write(work)

    @property
    def _policy(self) -> InvoicePolicy:
        policy = self._context.invoicing
        if policy is None:
            raise InvalidInput(
                "invoicing", None, "is not set up", "pass an InvoicePolicy to Billing"
            )
        return policy

    def _credit(
        self,
        account: str,
        find: Callable[[InvoiceUnit], Invoice | None],
        *,
        identity: str,
        reason: str,
        amount: Money | None,
        key: str,
        actor: str,
        content: Mapping[str, str],
        refund: tuple[str, str] | None = None,
    ) -> Invoice:
        policy = self._policy

        def compose(unit: InvoiceUnit, state: AccountState, issue: Issue) -> Invoice:
            found = find(unit)
            why, asked, about = reason, amount, ""
            if refund is not None:
                about = f"refund {refund[1]}"
                known = unit.invoice_about(account, about)
                asked, why = invoice_commands.refunded(state, *refund, known)
            return invoice_commands.credit_invoice(
                state,
                policy,
                found,
                unit.credit_notes(account, found.id) if found else (),
                issue,
                identity=identity,
                reason=why,
                amount=asked,
                reference=about,
            )

        made = self._issue(
            account,
            "invoices.credit" if refund is None else "invoices.credit_refund",
            compose,
            kind=InvoiceKind.CREDIT_NOTE,
            key=key,
            content=content,
            about=Issue(id="", last=0, now=self._context.now(), actor=actor),
            top_ups=[] if refund is None else [refund[0]],
        )
        return cast("Invoice", made)

    def _issue(
        self,
        account: str,
        verb: str,
        compose: Callable[[InvoiceUnit, AccountState, Issue], Invoice | None],
        *,
        kind: InvoiceKind,
        key: str,
        content: Mapping[str, str],
        about: Issue,
        top_ups: Sequence[str] = (),
    ) -> Invoice | None:
        """Compose, number and keep one document in one unit of work, or find the key's."""
        check_identity(account, "account")
        check_identity(key, "key")
        policy, identity = self._policy, self._context.ids()

        def work(unit: UnitOfWork) -> object:
            shelf = _issuing(unit)

            def decide(state: AccountState | None, now: datetime) -> Step:
                found = require_account(state, account)
                issue = attrs.evolve(about, id=identity, now=now)
                last = shelf.last_ordinal(policy.counter(kind, now))
                made = compose(shelf, found, attrs.evolve(issue, last=last))
                if made is not None and made.kind is not kind:
                    last = shelf.last_ordinal(policy.counter(made.kind, now))
                    made = attrs.evolve(made, number=policy.number(made.kind, now, last))
                if made is not None:
                    shelf.issue([made])
                return issued(found, made, issue)

            command = Command(
                account=account,
                verb=verb,
                decide=decide,
                key=key,
                content=content,
                wants={"top_ups": frozenset(top_ups)},
            )
            (result,) = execute_in(unit, self._context.catalog, [command], self._context.now())
            return shelf.invoice(account, result) if isinstance(result, str) else result

        result = self._context.storage.write(work)
        if isinstance(result, BillingError):
            raise result
        return cast("Invoice | None", result)


def _terms(exchange: Fraction | None, registered: bool) -> dict[str, str]:  # noqa: FBT001 - private
    return {
        "exchange": "" if exchange is None else str(Fraction(exchange)),
        "registered": "yes" if registered else "",
    }


def _entries(
    unit: InvoiceUnit, account: str, currency: str, after: int, end: datetime
) -> Iterator[Entry]:
    """Give the entries of a currency behind a number, up to the first that counts from ``end``."""
    while page := unit.entries(account, after=after, limit=_PAGE):
        for entry in page:
            if entry.effective_at >= end:
                return
            if entry.unit == currency:
                yield entry
        after = page[-1].number


def _roots(
    unit: InvoiceUnit, account: str, entries: Sequence[Entry], mark: Checkpoint | None
) -> dict[int, Entry]:
    """Find what entries correct: among themselves, or further back.

    Raises:
        InvalidInput: it was archived, so nobody knows here at which rate it was invoiced.
    """
    roots = {entry.number: entry for entry in entries}
    wanted = {entry.corrects for entry in entries if entry.corrects is not None}
    found = {number: roots[number] for number in wanted if number in roots}
    for number in sorted(wanted - found.keys()):
        if mark is not None and number <= mark.entries:
            raise mark.refused("corrects", number)
        found.update(
            (entry.number, entry) for entry in unit.entries(account, after=number - 1, limit=1)
        )
    return found


def _kept(reader: Reader) -> InvoiceReader:
    if not isinstance(reader, InvoiceReader):
        raise _keeps_none(reader)
    return reader


def _issuing(unit: UnitOfWork) -> InvoiceUnit:
    if not isinstance(unit, InvoiceUnit):
        raise _keeps_none(unit)
    return unit


def _keeps_none(store: object) -> InvalidInput:
    return InvalidInput(
        "storage", type(store).__name__, "keeps no invoices", "use a storage that does"
    )
