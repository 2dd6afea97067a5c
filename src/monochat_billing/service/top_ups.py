"""The noun ``top_ups``: from an amount to a credited balance.

Owns the order of things: the intent is stored, then the gateway is called; a callback is verified,
followed up where it is no proof, then judged. Does not own any judgment of a payment.
"""

from collections import Counter
from collections.abc import Mapping
from datetime import timedelta
from typing import Final, final

import attrs

from monochat_billing import top_up_commands
from monochat_billing.errors import GatewayError, UnknownName
from monochat_billing.gateways import NOBODY, Buyer, PaymentStatus
from monochat_billing.money import Money
from monochat_billing.payments import Checkout, Payment, PaymentGateway, TopUp, TopUpState
from monochat_billing.service.automatic import AutomaticTopUps
from monochat_billing.service.context import fingerprint_of
from monochat_billing.top_up_commands import PaymentReceipt
from monochat_billing.top_up_previews import TopUpPreview, preview_top_up

__all__ = ["Reconciliation", "TopUps"]

_A_DAY: Final = timedelta(days=1)
_PAGE: Final = 100
_PATIENCE: Final = 3


@final
@attrs.frozen(kw_only=True)
class Reconciliation:
    """Return what a sweep over unsettled top-ups found.

    The counts are of top-ups, by what they were afterwards; ``credited`` ones were credited by
    this sweep, or are whole again after a refund that failed. ``in_doubt`` names account, top-up
    and error where the gateway did not answer. ``stopped`` says that the gateway failed several
    times in a row and the rest was left for the next sweep.

    >>> from monochat_billing.money import money
    >>> from monochat_billing.testing.workbench import Workbench
    >>> bench = Workbench()
    >>> account = bench.open("acme", money("5000", "TRY"))
    >>> found = bench.billing.top_ups.reconcile("sandbox")
    >>> found.looked_at
    0
    """

    looked_at: int = 0
    credited: int = 0
    still_open: int = 0
    pending: int = 0
    failed: int = 0
    expired: int = 0
    quarantined: int = 0
    refunded: int = 0
    refunding: int = 0
    in_doubt: tuple[tuple[str, str, GatewayError], ...] = ()
    stopped: bool = False

    def __str__(self) -> str:
        return (
            f"{self.looked_at} looked at: {self.credited} credited, {self.still_open} open, "
            f"{self.pending} pending, {self.failed} failed, {self.expired} expired, "
            f"{self.quarantined} quarantined, {self.refunded} refunded, "
            f"{self.refunding} refunding, {len(self.in_doubt)} in doubt"
        )


@final
@attrs.frozen
class TopUps(AutomaticTopUps):
    """Start top-ups, receive what gateways say of them, ask what they did not say, give back."""

    def start(
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
        port = self._context.gateway(gateway)
        fresh = self._context.ids()
        content = {
            "amount": fingerprint_of(amount),
            "gateway": gateway,
            "return_url": return_url,
        }
        can = port.capabilities
        can.check(amount)
        can.check_reference(fresh)
        started: TopUp = self._context.change(
            account,
            "top_ups.start",
            lambda state, now: top_up_commands.start_top_up(
                state,
                top_up_id=fresh,
                amount=amount,
                gateway=gateway,
                return_url=return_url,
                mode=can.mode,
                policy=self._context.top_up_policy,
                now=now,
            ),
            key=key,
            content=content,
        )
        return self._open(account, started.id, buyer, first=started.id == fresh)

    def preview(self, account: str, amount: Money) -> TopUpPreview:
        """Show what a top-up of ``amount`` would bring and pay first, before it is started.

        It is computed by the code that credits a payment; nothing is stored.

        Raises:
            IllegalTransition: the balance is closed.
            InvalidInput: the amount is not above zero or finer than the currency's minor unit, or
                the service's policy does not take it.
            UnknownName: there is no such account or balance.
        """
        state = self._context.view(account).state
        return preview_top_up(
            state, amount, now=state.account.as_of, policy=self._context.top_up_policy
        )

    def open(self, account: str, top_up: str, *, buyer: Buyer = NOBODY) -> Checkout:
        """Open the checkout of a top-up that is stored already, such as an automatic one.

        It goes on where it stopped, as ``start`` does, and gives the same checkout again.

        Raises:
            InvalidInput: the gateway does not take it.
            UnknownName: the account has no such top-up, or its gateway is not configured.
            GatewayError: the gateway did not answer as agreed; in doubt.
        """
        return self._open(account, top_up, buyer, first=False)

    def _open(self, account: str, identity: str, buyer: Buyer, *, first: bool) -> Checkout:
        top_up = self.get(account, identity)
        if top_up.checkout is not None:
            return top_up.checkout
        port = self._context.gateway(top_up.gateway)
        if not first and self._was_paid(port, top_up):
            return Checkout(
                top_up=top_up.id,
                gateway=top_up.gateway,
                amount=top_up.amount,
                redirect_url=top_up.return_url,
            )
        checkout = port.create(top_up, buyer)
        opened: TopUp = self._context.change(
            account,
            "top_ups.open",
            lambda state, _: top_up_commands.attach_checkout(state, checkout),
            wants={"top_ups": [top_up.id]},
        )
        return opened.checkout or checkout

    def _was_paid(self, port: PaymentGateway, top_up: TopUp) -> bool:
        """Ask before a second create what became of the first, whose answer was lost.

        Where creating twice gives the same checkout there is nothing to ask.
        """
        if port.capabilities.create_is_idempotent or not port.capabilities.retrieves:
            return False
        told = port.retrieve(top_up.reference)
        if told.status not in (PaymentStatus.PAID, PaymentStatus.PENDING):
            return False
        self._settle(top_up.account, told)
        return True

    def receive(self, gateway: str, headers: Mapping[str, str], body: bytes) -> PaymentReceipt:
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
        port = self._context.gateway(gateway)
        payment = port.parse_callback(headers, body)
        if not port.capabilities.callback_is_proof and payment.status is not PaymentStatus.OTHER:
            payment = port.retrieve(payment.reference)
        account = self._context.storage.read(
            lambda reader: reader.top_up_account(gateway, payment.top_up)
        )
        if account is None:
            raise UnknownName(
                "top_up", payment.top_up, "was not started here", "check the gateway's settings"
            )
        return attrs.evolve(self._settle(account, payment), answer=port.answer(payment))

    def check(self, account: str, top_up: str) -> PaymentReceipt:
        """Ask the gateway what became of a top-up and act on it, as a callback would.

        For the page that a buyer comes back to, and for a person who looks into one top-up. Of one
        that is credited it also asks how much has gone back, where the gateway tells.

        Raises:
            UnknownName: the account has no such top-up, or its gateway is not configured.
            InvalidInput: the gateway cannot be asked.
            GatewayError: the gateway did not answer as agreed.
        """
        known = self.get(account, top_up)
        port = self._context.gateway(known.gateway)
        receipt = self._about(known, port.retrieve(known.reference))
        if receipt.top_up.entry is None or not port.capabilities.tells_refunds:
            return receipt
        noticed = self._notice(account, receipt.top_up, port)
        return receipt if noticed.repeated else noticed

    def reconcile(self, gateway: str, *, expire_after: timedelta = _A_DAY) -> Reconciliation:
        """Ask the gateway about every unsettled top-up and act on what callbacks never told.

        A top-up that nobody paid is expired once it is ``expire_after`` old and its checkout is
        closed; it is not asked about again, and a success that is told later still credits it.
        What the gateway does not answer stays for the next sweep. Run it every few minutes.

        Raises:
            UnknownName: the gateway is not configured.
        """
        port = self._context.gateway(gateway)
        found: Counter[TopUpState] = Counter()
        in_doubt: list[tuple[str, str, GatewayError]] = []
        looked_at = in_a_row = 0
        last = ("", "")
        while in_a_row < _PATIENCE and (page := self._unsettled(gateway, last)):
            last = page[-1]
            for account, top_up in page:
                looked_at += 1
                try:
                    found[self._look_after(port, account, top_up, expire_after)] += 1
                    in_a_row = 0
                except GatewayError as error:
                    in_doubt.append((account, top_up, error))
                    in_a_row += 1
                    if in_a_row >= _PATIENCE:
                        break
        return Reconciliation(
            looked_at=looked_at,
            credited=found[TopUpState.CREDITED],
            still_open=found[TopUpState.OPEN] + found[TopUpState.CREATED],
            pending=found[TopUpState.PENDING],
            failed=found[TopUpState.FAILED],
            expired=found[TopUpState.EXPIRED],
            quarantined=found[TopUpState.QUARANTINED],
            refunded=found[TopUpState.REFUNDED] + found[TopUpState.PARTLY_REFUNDED],
            refunding=found[TopUpState.REFUNDING],
            in_doubt=tuple(in_doubt),
            stopped=in_a_row >= _PATIENCE,
        )

    def _unsettled(self, gateway: str, after: tuple[str, str]) -> list[tuple[str, str]]:
        return list(
            self._context.storage.read(
                lambda reader: reader.unsettled_top_ups(gateway, after=after, limit=_PAGE)
            )
        )

    def _look_after(
        self, port: PaymentGateway, account: str, top_up_id: str, expire_after: timedelta
    ) -> TopUpState:
        """Ask about one top-up, act on the answer, and give what it is then."""
        top_up = self.get(account, top_up_id)
        if top_up.state is TopUpState.REFUNDING:
            return self._look_after_refund(port, top_up).state
        if port.capabilities.retrieves:
            top_up = self._about(top_up, port.retrieve(top_up.reference)).top_up
        closes_at = top_up.created_at + expire_after
        if top_up.checkout is not None and top_up.checkout.expires_at is not None:
            closes_at = max(closes_at, top_up.checkout.expires_at)
        if self._context.now() < closes_at:
            return top_up.state
        receipt: PaymentReceipt = self._context.change(
            account,
            "top_ups.expire",
            lambda state, now: top_up_commands.expire_top_up(state, top_up_id, now),
            wants={"top_ups": [top_up_id]},
        )
        return receipt.top_up.state

    def _about(self, known: TopUp, payment: Payment) -> PaymentReceipt:
        """Judge what the gateway says; an answer about another top-up than asked is none."""
        if payment.top_up != known.id:
            raise GatewayError(known.gateway, "retrieve", "the answer is about another top-up")
        return self._settle(known.account, payment)
