"""The noun ``balances``: what an account has, credits and debits of the host's own."""

from collections.abc import Mapping, Sequence
from typing import cast, final

import attrs

from monochat_billing import commands
from monochat_billing.balance import PAID, Balance, Entry, Terms
from monochat_billing.money import Money
from monochat_billing.service.context import Context, fingerprint_of

__all__ = ["Balances"]


@final
@attrs.frozen
class Balances:
    """Look at balances, credit and debit them."""

    _context: Context

    def list(self, account: str) -> Mapping[str, Balance]:
        """Give the account's balances as they are now, by currency.

        Raises:
            UnknownName: there is no such account.
        """
        return self._context.view(account).state.books.balances

    def credit(
        self,
        account: str,
        amount: Money,
        *,
        reason: str,
        key: str,
        terms: Terms = PAID,
        reference: str = "",
        actor: str = "",
    ) -> Entry:
        """Add ``amount`` to the balance in its currency, without a payment through a gateway.

        It is for what a person has decided: an opening balance, a bank transfer that was seen, a
        promotion. ``terms`` say what the lot may pay for and until when. Past-due subscriptions
        that the money covers are revived.

        Raises:
            InvalidInput: the amount is not above zero, too precise, there is no reason, or the
                lot would be expired from the start.
            UnknownName: there is no such account or balance.
            IdempotencyConflict: the key was used for something else.
        """
        content = {
            "amount": fingerprint_of(amount),
            "reason": str(reason),
            "reference": str(reference),
            "origin": terms.origin.value,
            "pays_for": " ".join(sorted(terms.pays_for)),
            "expires_at": "" if terms.expires_at is None else terms.expires_at.isoformat(),
            "priority": str(terms.priority),
        }
        entry = self._context.change(
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
        return cast("Entry", entry)

    def debit(
        self,
        account: str,
        amount: Money,
        *,
        reason: str,
        key: str,
        reference: str = "",
        actor: str = "",
    ) -> Entry:
        """Take ``amount`` from the balance in its currency, or refuse and change nothing.

        Raises:
            InsufficientFunds: less is available after what was due has been paid.
            InvalidInput: the amount is not above zero, too precise, or there is no reason.
            UnknownName: there is no such account or balance.
            IdempotencyConflict: the key was used for something else.
        """
        content = {
            "amount": fingerprint_of(amount),
            "reason": str(reason),
            "reference": str(reference),
        }
        entry = self._context.change(
            account,
            "balances.debit",
            lambda state, now: commands.charge(
                state, amount, reason=reason, reference=reference, actor=actor, now=now
            ),
            key=key,
            content=content,
        )
        return cast("Entry", entry)

    def entries(self, account: str, *, after: int = 0, limit: int = 100) -> Sequence[Entry]:
        """Give up to ``limit`` stored entries numbered above ``after``, oldest first.

        Pass the last number of one page as ``after`` of the next: pages never skip or repeat.

        Raises:
            UnknownName: there is no such account.
        """
        _, found = self._context.view_with(
            account, lambda reader: reader.entries(account, after=after, limit=limit)
        )
        return found
