"""The noun ``holds``: set aside what a charge will need, then take it or free it."""

from collections.abc import Mapping
from datetime import datetime
from typing import final

import attrs

from monochat_billing import hold_commands
from monochat_billing.balance import EntryKind
from monochat_billing.hold_commands import HoldReport
from monochat_billing.holds import Hold, Rest
from monochat_billing.service.context import Context, instant_text, maybe_amount, named
from monochat_billing.texts import check_identity
from monochat_billing.units import Amount

__all__ = ["Holds"]


@final
@attrs.frozen
class Holds:
    """Place holds, extend, capture and release them."""

    _context: Context

    def list(self, account: str) -> Mapping[str, Hold]:
        """Give the account's open holds as they are now, by id.

        Raises:
            UnknownName: there is no such account.
        """
        holds = self._context.view(account).state.holds
        return {name: hold for name, hold in holds.items() if hold.open}

    def place(
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
        hold_id, kind = self._context.ids(), named(EntryKind, kind, "kind")
        content = {
            "amount": maybe_amount(amount),
            "reason": str(reason),
            "kind": str(kind),
            "expires_at": instant_text(expires_at, "expires_at"),
            "reference": str(reference),
        }
        hold: Hold = self._context.change(
            account,
            "holds.place",
            lambda state, now: hold_commands.place(
                state,
                amount,
                hold_id=hold_id,
                kind=kind,
                expires_at=expires_at,
                reason=reason,
                reference=reference,
                actor=actor,
                now=now,
            ),
            key=key,
            content=content,
        )
        return hold

    def extend(
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
        check_identity(hold, "hold")
        content = {
            "hold": hold,
            "more": maybe_amount(more, "more"),
            "expires_at": instant_text(expires_at, "expires_at"),
        }
        extended: Hold = self._context.change(
            account,
            "holds.extend",
            lambda state, now: hold_commands.extend(
                state, hold, more=more, expires_at=expires_at, now=now
            ),
            key=key,
            content=content,
            wants={"holds": [hold]},
        )
        return extended

    def capture(
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
        check_identity(hold, "hold")
        rest = named(Rest, rest, "rest")
        content = {
            "hold": hold,
            "amount": maybe_amount(amount),
            "rest": str(rest),
            "reference": str(reference),
        }
        report: HoldReport = self._context.change(
            account,
            "holds.capture",
            lambda state, now: hold_commands.capture(
                state, hold, amount=amount, rest=rest, reference=reference, actor=actor, now=now
            ),
            key=key,
            content=content,
            wants={"holds": [hold]},
        )
        return report

    def release(
        self, account: str, hold: str, *, key: str, reason: str = "released", actor: str = ""
    ) -> HoldReport:
        """Free all that is left of a hold, and pay with it what was past due.

        Raises:
            IllegalTransition: the hold is resolved.
            UnknownName: there is no such account or hold.
            IdempotencyConflict: the key was used for something else.
        """
        check_identity(hold, "hold")
        report: HoldReport = self._context.change(
            account,
            "holds.release",
            lambda state, now: hold_commands.release(
                state, hold, reason=reason, actor=actor, now=now
            ),
            key=key,
            content={"hold": hold, "reason": str(reason)},
            wants={"holds": [hold]},
        )
        return report
