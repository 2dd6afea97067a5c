"""The noun ``top_ups``: from an amount to a credited balance."""

from collections.abc import Mapping
from typing import cast, final

import attrs

from monochat_billing import commands
from monochat_billing.commands import PaymentReceipt
from monochat_billing.errors import UnknownName
from monochat_billing.money import Money
from monochat_billing.payments import Checkout, TopUp
from monochat_billing.repositories import Wanted
from monochat_billing.service.context import Context, fingerprint_of

__all__ = ["TopUps"]


@final
@attrs.frozen
class TopUps:
    """Start top-ups and receive what gateways say of them."""

    _context: Context

    def start(
        self, account: str, amount: Money, *, gateway: str, return_url: str, key: str
    ) -> Checkout:
        """Record the intent to top up, then open a checkout at the gateway.

        The intent is stored before the gateway is called, so a crash in between loses nothing:
        the same call with the same key goes on where it stopped.

        Raises:
            InvalidInput: the amount is not above zero or finer than the currency's minor unit, or
                the account has no billing profile.
            UnknownName: there is no such account, balance or gateway.
            IdempotencyConflict: the key was used for something else.
            GatewayError: the gateway did not answer as agreed; in doubt.
        """
        port = self._context.gateway(gateway)
        top_up_id = self._context.ids()
        content = {
            "amount": fingerprint_of(amount),
            "gateway": gateway,
            "return_url": return_url,
        }
        started: TopUp = self._context.change(
            account,
            "top_ups.start",
            lambda state, now: commands.start_top_up(
                state,
                top_up_id=top_up_id,
                amount=amount,
                gateway=gateway,
                return_url=return_url,
                now=now,
            ),
            key=key,
            content=content,
        )
        top_up = self.get(account, started.id)
        if top_up.checkout is not None:
            return top_up.checkout
        checkout = port.create(top_up)
        opened: TopUp = self._context.change(
            account,
            "top_ups.open",
            lambda state, _: commands.attach_checkout(state, checkout),
            wants={"top_ups": [top_up.id]},
        )
        return opened.checkout or checkout

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

    def receive(self, gateway: str, headers: Mapping[str, str], body: bytes) -> PaymentReceipt:
        """Verify a gateway's callback and act on it: credit once, however often it comes.

        Answer the gateway with :attr:`PaymentReceipt.answer`. What a verified payment does not
        match is quarantined with an event and credited to nobody.

        Raises:
            ForgedCallback: the signature is missing or wrong; nothing has happened.
            InvalidInput: the callback is signed but malformed.
            UnknownName: the gateway is not configured, or nobody started this top-up here.
        """
        port = self._context.gateway(gateway)
        payment = port.parse_callback(headers, body)
        account = self._context.storage.read(
            lambda reader: reader.top_up_account(gateway, payment.top_up)
        )
        if account is None:
            raise UnknownName(
                "top_up", payment.top_up, "was not started here", "check the gateway's settings"
            )
        receipt = self._context.change(
            account,
            "top_ups.receive",
            lambda state, now: commands.receive_payment(state, payment, now),
            wants={"top_ups": [payment.top_up]},
        )
        return attrs.evolve(cast("PaymentReceipt", receipt), answer=port.answer(payment))
