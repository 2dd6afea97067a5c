"""The part of ``top_ups`` that lets a balance ask for money by itself.

Owns the verbs of automatic top-ups, and the report of a payment that the host took itself. Does not
own the rule (:mod:`monochat_billing.auto_top_ups`), saved cards, or the payment.
"""

from collections.abc import Sequence
from typing import cast

import attrs

from monochat_billing import top_up_commands
from monochat_billing.auto_top_ups import AutomaticTopUp
from monochat_billing.money import Money
from monochat_billing.payments import Payment, PaymentStatus
from monochat_billing.refills import RefillRule
from monochat_billing.service.context import maybe_amount
from monochat_billing.service.refunds import TopUpRefunds
from monochat_billing.top_up_commands import PaymentReceipt

__all__ = ["AutomaticTopUps"]


@attrs.frozen
class AutomaticTopUps(TopUpRefunds):
    """Top up automatically: a balance that falls so far asks, and the host pays."""

    def automate(
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
        port = self._context.gateway(gateway)
        made = AutomaticTopUp(
            name=name,
            rule=rule,
            gateway=gateway,
            return_url=return_url,
            mode=port.capabilities.mode,
            cap=cap,
            wait_minutes=wait_minutes,
            most_failures=most_failures,
        )
        content = {
            field: maybe_amount(getattr(rule, field), field)
            for field in ("threshold", "amount", "target", "least", "most")
        }
        kept = self._context.change(
            account,
            "top_ups.automate",
            lambda state, now: top_up_commands.set_automatic(state, made, now=now),
            key=key,
            content={
                **content,
                "name": name,
                "gateway": gateway,
                "return_url": return_url,
                "cap": maybe_amount(cap, "cap"),
                "wait_minutes": str(wait_minutes),
                "most_failures": str(most_failures),
            },
        )
        return cast("AutomaticTopUp", kept)

    def stop_automatic(self, account: str, name: str, *, key: str) -> AutomaticTopUp:
        """Ask for no more under a name; what was asked for stays and may still be paid.

        Raises:
            UnknownName: there is no such account, or it has no rule of that name.
            IdempotencyConflict: the key was used for something else.
        """
        ended = self._context.change(
            account,
            "top_ups.stop_automatic",
            lambda state, _: top_up_commands.stop_automatic(state, name),
            key=key,
            content={"name": str(name)},
        )
        return cast("AutomaticTopUp", ended)

    def automatic(self, account: str) -> Sequence[AutomaticTopUp]:
        """Give the account's automatic top-ups as they are now, the latest last.

        Raises:
            UnknownName: there is no such account.
        """
        return self._context.view(account).state.account.automatic

    def report(self, account: str, payment: Payment) -> PaymentReceipt:
        """Act on a payment, a refund or a dispute that the host vouches for itself.

        For a saved card that the host charged, and for what a provider tells a person only, such
        as a dispute that came by mail. It is judged like a gateway's verified callback, and as
        safe to repeat: amount, currency, mode and gateway have to fit.

        Raises:
            UnknownName: there is no such account or top-up.
            IllegalTransition: money has to be taken from a balance that is closed.
        """
        return self._settle(account, payment)

    def _settle(self, account: str, payment: Payment) -> PaymentReceipt:
        """Judge a verified payment."""
        entries = self._disputed(account, payment)
        receipt = self._context.change(
            account,
            "top_ups.receive",
            lambda state, now: top_up_commands.receive_payment(
                state, payment, now, self._context.top_up_policy
            ),
            wants={"top_ups": [payment.top_up], "entries": entries},
        )
        return cast("PaymentReceipt", receipt)

    def _disputed(self, account: str, payment: Payment) -> Sequence[int]:
        """Name the entry that a dispute took, which winning it reverses."""
        if payment.status is not PaymentStatus.DISPUTE_WON:
            return ()
        dispute = self.get(account, payment.top_up).dispute(payment.dispute)
        return () if dispute is None or dispute.entry is None else (dispute.entry,)
