"""The part of ``top_ups`` that gives money back, and what a person decides about payments.

Owns the order of things: a refund is stored and its money set aside, then the provider is asked,
and what it answers is judged; a lost answer leaves the refund in doubt until it is settled.
Does not own any judgment of a refund.
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import date, datetime
from typing import Final, cast

import attrs

from monochat_billing import top_up_commands
from monochat_billing.errors import GatewayError, InvalidInput, UnknownName
from monochat_billing.gateways import RefundStatus, not_offered
from monochat_billing.money import Money
from monochat_billing.payments import PaymentGateway, TopUp
from monochat_billing.repositories import Reader, Wanted
from monochat_billing.service.context import Context, maybe_amount, named
from monochat_billing.settlements import SettlementLine, SettlementReport, compare_settlement
from monochat_billing.top_up_commands import PaymentReceipt, RefundReceipt
from monochat_billing.top_up_policies import RefundPolicy
from monochat_billing.top_ups import RefundState, Resolution, TopUpRefund, TopUpState

__all__ = ["TopUpRefunds"]

_PAGE: Final = 100

_TOLD: Final = {
    RefundStatus.DONE: RefundState.DONE,
    RefundStatus.PENDING: RefundState.PENDING,
    RefundStatus.FAILED: RefundState.FAILED,
}


@attrs.frozen
class TopUpRefunds:
    """Give top-ups back, resolve what was quarantined, compare what a provider settled."""

    _context: Context

    def get(self, account: str, top_up: str) -> TopUp:
        """Give a top-up as it is stored.

        Raises:
            UnknownName: the account has no such top-up.
        """
        state = self._context.load(Wanted(account, top_ups=frozenset([top_up]))).state
        found = state.top_ups.get(top_up) if state else None
        if found is None:
            raise UnknownName(
                "top_up", top_up, f"does not exist on account {account!r}", "start a top-up first"
            )
        return found

    def list(
        self,
        account: str,
        *,
        state: TopUpState | None = None,
        before: str = "",
        limit: int = 100,
    ) -> Sequence[TopUp]:
        """Give up to ``limit`` top-ups of an account, the newest first, in one state or in any.

        ``before`` is the id of the last one of the page before; pages neither skip nor repeat.

        Raises:
            InvalidInput: there is no such state.
            UnknownName: there is no such account, or it has no such top-up.
        """
        chosen = None if state is None else named(TopUpState, state, "state")
        place: tuple[datetime, str] | None = None
        if before:
            last = self.get(account, before)
            place = last.created_at, last.id

        def look(reader: Reader) -> Sequence[TopUp]:
            return reader.account_top_ups(account, before=place, state=chosen, limit=limit)

        return self._context.view_with(account, look)[1]

    def refund(
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
        known = self.get(account, top_up)
        port = self._context.gateway(known.gateway)
        _check_offer(port, known, amount)
        chosen = named(RefundPolicy, policy or self._context.top_up_policy.refunds, "policy")
        fresh = self._context.ids()
        receipt: RefundReceipt = self._context.change(
            account,
            "top_ups.refund",
            lambda state, now: top_up_commands.refund_top_up(
                state,
                top_up,
                amount,
                refund_id=fresh,
                reason=reason,
                actor=actor,
                policy=chosen,
                now=now,
            ),
            key=key,
            content={
                "top_up": top_up,
                "amount": maybe_amount(amount),
                "reason": reason,
                "policy": chosen.value,
            },
            wants={"top_ups": [top_up]},
        )
        identity = receipt.refund.id
        return self._pursue(port, account, top_up, identity, first=identity == fresh)

    def settle_refund(
        self, account: str, top_up: str, refund: str, *, done: bool, key: str
    ) -> RefundReceipt:
        """Settle a refund by hand, because a person looked it up at the provider or the bank.

        Raises:
            UnknownName: there is no such account, top-up or refund.
            IdempotencyConflict: the key was used for something else.
        """
        told = RefundState.DONE if done else RefundState.FAILED
        receipt = self._context.change(
            account,
            "top_ups.settle_refund",
            lambda state, now: top_up_commands.settle_refund(state, top_up, refund, told, now=now),
            key=key,
            content={"top_up": top_up, "refund": refund, "done": told.value},
            wants={"top_ups": [top_up]},
        )
        return cast("RefundReceipt", receipt)

    def resolve(
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
        chosen = named(Resolution, resolution, "resolution")
        known = self.get(account, top_up)
        port = self._context.gateway(known.gateway)
        if chosen is Resolution.REFUND and not port.capabilities.refunds:
            raise not_offered(port.name, "refund", "send it back by hand, then dismiss it")
        fresh = self._context.ids()
        receipt: PaymentReceipt | RefundReceipt = self._context.change(
            account,
            "top_ups.resolve",
            lambda state, now: top_up_commands.resolve_quarantined(
                state,
                top_up,
                payment,
                chosen,
                refund_id=fresh,
                reason=reason,
                actor=actor,
                now=now,
            ),
            key=key,
            content={
                "top_up": top_up,
                "payment": payment,
                "resolution": chosen.value,
                "reason": reason,
            },
            wants={"top_ups": [top_up]},
        )
        if isinstance(receipt, PaymentReceipt):
            return receipt
        identity = receipt.refund.id
        return self._pursue(port, account, top_up, identity, first=identity == fresh)

    def compare_settlement(
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
        self._context.gateway(gateway)
        ours = self._credited(gateway, tuple(accounts))
        return compare_settlement(
            lines, ours, fee_of=fee_of, day_of=day_of, since=since, until=until
        )

    def _credited(self, gateway: str, accounts: tuple[str, ...]) -> Iterable[TopUp]:
        last = ""
        while page := self._context.storage.read(
            lambda reader: reader.top_ups(gateway, after=last, limit=_PAGE)  # noqa: B023 - called at once
        ):
            last = page[-1].id
            yield from (one for one in page if not accounts or one.account in accounts)

    # ------------------------------------------------------------------------- in doubt

    def _pursue(
        self, port: PaymentGateway, account: str, top_up: str, refund: str, *, first: bool
    ) -> RefundReceipt:
        """Ask the provider for a refund, or what became of it; act on the answer.

        Where asking twice cannot give back twice it is simply asked. Elsewhere it is looked up
        first, and asked again only when it is certain that it never arrived.
        """
        known = self.get(account, top_up)
        one = known.refund(refund)
        if one.settled:
            return RefundReceipt(top_up=known, refund=one)
        can = port.capabilities
        if not first and not can.refund_is_idempotent:
            settled = self._look_up(port, known, one)
            if settled is not None:
                return settled
        reference = attrs.evolve(known.reference, payment=one.payment)
        try:
            told = port.refund(reference, one.amount, key=one.id)
        except InvalidInput:
            self._tell(account, top_up, refund, RefundState.FAILED, "")
            raise
        return self._tell(account, top_up, refund, _TOLD[told.status], told.refund)

    def _look_up(
        self, port: PaymentGateway, known: TopUp, one: TopUpRefund
    ) -> RefundReceipt | None:
        """Give what is known of a refund in doubt; None to ask for it once more."""
        if not port.capabilities.tells_refunds or one.payment != known.payment:
            return RefundReceipt(top_up=known, refund=one)
        self._notice(known.account, known, port)
        now = self.get(known.account, known.id)
        found = now.refund(one.id)
        if found.settled or not self._claim(now, found):
            return RefundReceipt(top_up=now, refund=found)
        return None

    def _notice(self, account: str, known: TopUp, port: PaymentGateway) -> PaymentReceipt:
        """Ask how much of a payment has gone back in all, and act on it."""
        in_all = port.refunded(known.reference, known.value.currency.code)
        receipt = self._context.change(
            account,
            "top_ups.note_refunded",
            lambda state, now: top_up_commands.note_refunded(state, known.id, in_all, now=now),
            wants={"top_ups": [known.id]},
        )
        return cast("PaymentReceipt", receipt)

    def _claim(self, known: TopUp, one: TopUpRefund) -> bool:
        claimed: bool = self._context.change(
            known.account,
            "top_ups.ask_again",
            lambda state, now: top_up_commands.ask_again(state, known.id, one.id, now),
            wants={"top_ups": [known.id]},
        )
        return claimed

    def _tell(
        self, account: str, top_up: str, refund: str, told: RefundState, provider_id: str
    ) -> RefundReceipt:
        receipt = self._context.change(
            account,
            "top_ups.settle_refund",
            lambda state, now: top_up_commands.settle_refund(
                state, top_up, refund, told, provider_id=provider_id, now=now
            ),
            wants={"top_ups": [top_up]},
        )
        return cast("RefundReceipt", receipt)

    def _look_after_refund(self, port: PaymentGateway, known: TopUp) -> TopUp:
        """Settle the refund that is under way as far as the provider tells."""
        one = known.under_way
        if one is not None and port.capabilities.refunds:
            try:
                return self._pursue(port, known.account, known.id, one.id, first=False).top_up
            except InvalidInput as error:
                raise GatewayError(port.name, "refund", error.problem) from error
        return known


def _check_offer(port: PaymentGateway, known: TopUp, amount: Money | None) -> None:
    can = port.capabilities
    if not can.refunds:
        raise not_offered(port.name, "refund", "give it back by hand")
    if amount is not None and amount != known.value and not can.partial_refunds:
        raise not_offered(port.name, "refund of a part", "refund all of it")
