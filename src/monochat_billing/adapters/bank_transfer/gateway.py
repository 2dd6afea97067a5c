"""Bank transfers as a payment gateway: what a host plugs in.

Owns the instructions for the buyer and the reading of approvals.
Does not own approvals themselves (:mod:`monochat_billing.adapters.bank_transfer.approvals`).
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final, final

import attrs

from monochat_billing.adapters.bank_transfer.approvals import read_approval
from monochat_billing.errors import InvalidInput
from monochat_billing.gateways import (
    NOBODY,
    Buyer,
    CallbackAnswer,
    Checkout,
    CheckoutKind,
    GatewayCapabilities,
    Payment,
    PaymentReference,
    PaymentStatus,
    Refund,
    RefundStatus,
    not_offered,
)
from monochat_billing.money import Money, amount_text
from monochat_billing.payments import TopUp

__all__ = ["BankTransferGateway"]

_TWO_WEEKS: Final = timedelta(days=14)


def _secrets(value: str | tuple[str, ...]) -> tuple[str, ...]:
    found: Any = (value,) if isinstance(value, str) else value
    if (
        not isinstance(found, tuple)
        or not found
        or not all(isinstance(one, str) and one.strip() for one in found)
    ):
        raise InvalidInput(
            "secret",
            f"<{type(value).__name__}>",
            "is blank or no text",
            "pass the secret that approvals are signed with, or a tuple of them, newest first",
        )
    return found


@final
@attrs.frozen
class BankTransferGateway:
    """Take payments by bank transfer, each approved by a person.

    ``secret`` signs approvals; a tuple while it is rotated, newest first. ``iban`` and ``holder``
    are where the money goes, ``bank`` is shown with them. ``waits`` is how long a transfer is
    waited for before a sweep may give up on it.

    Raises:
        InvalidInput: a blank secret, IBAN or holder.

    >>> BankTransferGateway("secret", iban="TR330006100519786457841326", holder="Örnek A.Ş.")
    BankTransferGateway(iban='TR330006100519786457841326', holder='Örnek A.Ş.', bank='', \
name='bank_transfer', waits=datetime.timedelta(days=14))
    """

    secret: tuple[str, ...] = attrs.field(converter=_secrets, repr=False)
    iban: str = attrs.field(kw_only=True)
    holder: str = attrs.field(kw_only=True)
    bank: str = attrs.field(default="", kw_only=True)
    name: str = attrs.field(default="bank_transfer", kw_only=True)
    waits: timedelta = attrs.field(default=_TWO_WEEKS, kw_only=True)

    def __attrs_post_init__(self) -> None:
        for field in ("iban", "holder", "name"):
            if not getattr(self, field).strip():
                raise InvalidInput(field, "", "is blank", "say where the money goes")

    @property
    def capabilities(self) -> GatewayCapabilities:
        """Say what a bank transfer can do: an approval is proof, and nobody can be asked."""
        return GatewayCapabilities(
            reference=r"[!-~]{1,64}", refunds=True, partial_refunds=True, refund_is_idempotent=True
        )

    def create(self, top_up: TopUp, buyer: Buyer = NOBODY) -> Checkout:  # noqa: ARG002 - other gateways need it
        """Give the instructions; the same top-up always gets the same ones.

        Raises:
            InvalidInput: the top-up's id cannot be written on a transfer.
        """
        self.capabilities.check_reference(top_up.id)
        amount = f"{amount_text(top_up.amount)} {top_up.amount.currency.code}"
        lines = (self.holder, self.bank, self.iban, amount, top_up.id)
        return Checkout(
            top_up=top_up.id,
            gateway=self.name,
            amount=top_up.amount,
            redirect_url=top_up.return_url,
            kind=CheckoutKind.TRANSFER,
            reference=top_up.id,
            expires_at=top_up.created_at + self.waits,
            instructions="\n".join(line for line in lines if line),
        )

    def parse_callback(self, headers: Mapping[str, str], body: bytes) -> Payment:
        """Verify an operator's approval and read it.

        Raises:
            ForgedCallback: the signature is missing, repeated or wrong.
            InvalidInput: the approval is signed but malformed, naming ``callback.<field>``.
        """
        approval = read_approval(self.secret, headers, body)
        return Payment(
            gateway=self.name,
            top_up=approval.top_up,
            payment=approval.transfer,
            status=PaymentStatus.PAID,
            amount=approval.amount,
            kind="approval",
            actor=approval.operator,
            paid_at=approval.approved_at,
        )

    def answer(self, payment: Payment) -> CallbackAnswer:  # noqa: ARG002 - other gateways need it
        """Give what the operator's page wants to hear: any 2xx."""
        return CallbackAnswer()

    def retrieve(self, reference: PaymentReference) -> Payment:  # noqa: ARG002 - as in the protocol
        """Refuse: nobody asks the bank.

        Raises:
            InvalidInput: always.
        """
        raise not_offered(self.name, "retrieve", "look at the bank's statement and approve")

    def refund(self, reference: PaymentReference, amount: Money, *, key: str) -> Refund:  # noqa: ARG002 - as in the protocol
        """Take note of a refund: it is pending until a person has transferred the money back.

        That person says so with ``billing.top_ups.settle_refund``.
        """
        return Refund(gateway=self.name, refund="", amount=amount, status=RefundStatus.PENDING)

    def refunded(self, reference: PaymentReference, currency: str) -> Money:  # noqa: ARG002 - as in the protocol
        """Refuse: nobody asks the bank.

        Raises:
            InvalidInput: always.
        """
        raise not_offered(self.name, "refunded", "look at the bank's statement")

    def cancel(self, reference: PaymentReference) -> Payment:  # noqa: ARG002 - as in the protocol
        """Refuse: a transfer that is under way cannot be stopped from here.

        Raises:
            InvalidInput: always.
        """
        raise not_offered(self.name, "cancel", "let it expire")
