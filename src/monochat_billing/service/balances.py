"""The noun ``balances``: what an account has, credits and debits of the host's own."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, final

import attrs

from monochat_billing import balance_commands, commands
from monochat_billing.accounts import AccountState, Step
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
from monochat_billing.balance_commands import (
    GOODWILL,
    BatchReport,
    ClosingReport,
    Note,
    TransferReport,
)
from monochat_billing.checkpoints import Checkpoint, checkpoint_of
from monochat_billing.errors import InvalidInput, UnknownName
from monochat_billing.hold_commands import HELD_FOR
from monochat_billing.money import MAX_UNITS, Money
from monochat_billing.repositories import Reader
from monochat_billing.rounding import HALF_UP, Rounding
from monochat_billing.service.context import (
    fingerprint_of,
    instant_text,
    maybe_amount,
    named,
)
from monochat_billing.service.watches import BalanceWatches
from monochat_billing.transfers import Rate, check_rate
from monochat_billing.units import Amount

__all__ = ["Balances"]

_WHOLE: Final = DebitMode.WHOLE
_CHARGE: Final = EntryKind.CHARGE


@final
@attrs.frozen
class Balances(BalanceWatches):
    """Look at balances, credit, debit and watch them."""

    def list(self, account: str) -> Mapping[str, Balance]:
        """Give the account's balances as they are now, by currency.

        Raises:
            UnknownName: there is no such account.
        """
        return self._context.view(account).state.books.balances

    def credit(
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
        content = {
            "amount": fingerprint_of(amount),
            "reason": str(reason),
            "reference": str(reference),
            **_terms_told(terms),
        }
        entry: Entry = self._context.change(
            account,
            "balances.credit",
            lambda state, now: commands.grant(
                state,
                amount,
                terms=terms,
                reason=reason,
                reference=reference,
                actor=actor,
                now=now,
            ),
            key=key,
            content=content,
        )
        return entry

    def debit(
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
        kind, mode = _charge_kind(kind), named(DebitMode, mode, "mode")
        content = {
            "amount": fingerprint_of(amount),
            "reason": str(reason),
            "reference": str(reference),
        }
        # Named only where they are not as usual, so that older keys stand for what they stood.
        if mode is not _WHOLE:
            content["mode"] = str(mode)
        if kind is not _CHARGE:
            content["kind"] = str(kind)
        entry: Entry = self._context.change(
            account,
            "balances.debit",
            lambda state, now: commands.charge(
                state,
                amount,
                reason=reason,
                reference=reference,
                actor=actor,
                mode=mode,
                kind=kind,
                now=now,
            ),
            key=key,
            content=content,
        )
        return entry

    def debit_many(
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
        kind, batch = _charge_kind(kind), named(Batch, batch, "batch")
        asked = tuple(items)
        content = {
            "items": _items_told(asked),
            "reason": str(reason),
            "batch": str(batch),
            "kind": str(kind),
        }
        note = Note(reason=reason, actor=actor)
        report: BatchReport = self._context.change(
            account,
            "balances.debit_many",
            lambda state, now: balance_commands.charge_many(
                state, asked, batch=batch, kind=kind, note=note, now=now
            ),
            key=key,
            content=content,
        )
        return report

    def adjust(
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
        mode = named(DebitMode, mode, "mode")
        content = {
            "amount": fingerprint_of(amount),
            "reason": str(reason),
            "reference": str(reference),
            "mode": str(mode),
            **_terms_told(terms),
        }
        note = Note(reason=reason, reference=reference, actor=actor)
        entry: Entry = self._context.change(
            account,
            "balances.adjust",
            lambda state, now: balance_commands.adjust(
                state, amount, note=note, terms=terms, mode=mode, now=now
            ),
            key=key,
            content=content,
        )
        return entry

    def reverse(
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
        mode = named(DebitMode, mode, "mode")
        content = {
            "entry": str(_number(entry, "entry")),
            "amount": maybe_amount(amount),
            "reason": str(reason),
            "mode": str(mode),
            "reference": str(reference),
        }
        note = Note(reason=reason, reference=reference, actor=actor)
        reversal: Entry = self._change_about(
            account,
            "balances.reverse",
            entry,
            lambda state, now: balance_commands.reverse_entry(
                state, entry, amount=amount, mode=mode, note=note, now=now
            ),
            key=key,
            content=content,
        )
        return reversal

    def void(self, account: str, lot: int, *, reason: str, key: str, actor: str = "") -> Entry:
        """Take away what is unused of a lot; its number is that of the entry that granted it.

        Raises:
            IllegalTransition: nothing of the lot is free.
            InvalidInput: there is no reason.
            UnknownName: there is no such account or lot.
            IdempotencyConflict: the key was used for something else.
        """
        content = {"lot": str(_number(lot, "lot")), "reason": str(reason)}
        note = Note(reason=reason, actor=actor)
        entry: Entry = self._change_about(
            account,
            "balances.void",
            lot,
            lambda state, now: balance_commands.void_lot(state, lot, note=note, now=now),
            key=key,
            content=content,
        )
        return entry

    def transfer(
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
        content = {
            "amount": fingerprint_of(amount),
            "to": str(to),
            "rate": str(check_rate(rate)),
            "reason": str(reason),
            "rounding": f"{rounding.mode} {rounding.scale} {rounding.by_currency}",
        }
        note = Note(reason=reason, actor=actor)
        report: TransferReport = self._context.change(
            account,
            "balances.transfer",
            lambda state, now: balance_commands.move_money(
                state, amount, to, rate, rounding=rounding, note=note, now=now
            ),
            key=key,
            content=content,
        )
        return report

    def move(self, account: str, unit: str, move: BalanceMove, *, key: str) -> Balance:
        """Freeze, unfreeze or reopen a balance.

        A frozen balance takes credits and lets open holds be captured, and pays for nothing new.

        Raises:
            IllegalTransition: the balance is in no such state.
            UnknownName: there is no such account or balance.
            IdempotencyConflict: the key was used for something else.
        """
        move = named(BalanceMove, move, "move")
        balance: Balance = self._context.change(
            account,
            "balances.move",
            lambda state, now: balance_commands.move(state, unit, move, now=now),
            key=key,
            content={"unit": str(unit), "move": str(move)},
        )
        return balance

    def limit(self, account: str, credit_limit: Amount, *, key: str) -> Balance:
        """Set how far the balance may go below zero; zero for not at all.

        Raises:
            InsufficientFunds: more is owed or held on credit than the new limit allows.
            InvalidInput: the limit is below zero or too precise.
            UnknownName: there is no such account or balance.
            IdempotencyConflict: the key was used for something else.
        """
        balance: Balance = self._context.change(
            account,
            "balances.limit",
            lambda state, now: balance_commands.limit_credit(state, credit_limit, now=now),
            key=key,
            content={"credit_limit": fingerprint_of(credit_limit, "credit_limit")},
        )
        return balance

    def close(
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
        note = Note(reason=reason, actor=actor)
        report: ClosingReport = self._context.change(
            account,
            "balances.close",
            lambda state, now: balance_commands.close(state, unit, dust=dust, note=note, now=now),
            key=key,
            content={
                "unit": str(unit),
                "dust": maybe_amount(dust, "dust"),
                "reason": str(reason),
            },
        )
        return report

    def entries(self, account: str, *, after: int = 0, limit: int = 100) -> Sequence[Entry]:
        """Give up to ``limit`` stored entries numbered above ``after``, oldest first.

        Pass the last number of one page as ``after`` of the next: pages never skip or repeat.
        Where entries were archived, the first page begins behind them.

        Raises:
            InvalidInput: ``after`` lies in what was archived.
            UnknownName: there is no such account.
        """

        def look(reader: Reader) -> Sequence[Entry]:
            found = reader.entries(account, after=after, limit=limit)
            # Numbers have no gaps, so only a page that does not go on can hide something.
            if after > 0 and limit > 0 and (not found or found[0].number != after + 1):
                mark = checkpoint_of(reader, account)
                if mark is not None and after < mark.entries:
                    raise mark.refused("after", after)
            return found

        return self._context.view_with(account, look)[1]

    def archived(self, account: str) -> Checkpoint | None:
        """Say up to which entry the account's past was archived; None where nothing was.

        Raises:
            UnknownName: there is no such account.
        """
        _, mark = self._context.view_with(account, lambda reader: checkpoint_of(reader, account))
        return mark

    def _change_about(
        self,
        account: str,
        verb: str,
        number: int,
        decide: Callable[[AccountState, datetime], Step],
        *,
        key: str,
        content: Mapping[str, str],
    ) -> Any:  # noqa: ANN401 - every verb has its own result
        """Run a command about a past entry, and say so where it was archived."""
        wants = {"entries": [number]}
        try:
            return self._context.change(
                account, verb, decide, key=key, content=content, wants=wants
            )
        except UnknownName as unknown:
            mark = self.archived(account) if unknown.value == number else None
            if mark is None or number > mark.entries:
                raise
            raise mark.unknown(unknown.field, number) from None


def _items_told(items: Sequence[tuple[Amount, str]]) -> str:
    """Give the items of a batch in canonical text; neighbors often share one amount."""
    told: list[str] = []
    last, text = None, ""
    for amount, name in items:
        if amount is not last:
            text = fingerprint_of(amount, "items")
            last = amount
        told.append(f"{text} {name!r}")
    return " ".join(told)


def _terms_told(terms: Terms) -> dict[str, str]:
    """Give terms in canonical text, field by field."""
    told = {
        "origin": terms.origin.value,
        "pays_for": " ".join(sorted(terms.pays_for)),
        "expires_at": instant_text(terms.expires_at, "expires_at"),
        "priority": str(terms.priority),
    }
    if terms.effective_at is not None:
        told["effective_at"] = instant_text(terms.effective_at, "effective_at")
    return told


def _charge_kind(kind: EntryKind) -> EntryKind:
    known = named(EntryKind, kind, "kind")
    if known not in HELD_FOR:
        raise InvalidInput(
            "kind", kind, "is no charge", f"use one of {', '.join(sorted(HELD_FOR))}"
        )
    return known


def _number(value: int, field: str) -> int:
    if type(value) is not int or not 0 < value <= MAX_UNITS:
        raise InvalidInput(field, value, "is no number of an entry", "pass a number from a listing")
    return value
