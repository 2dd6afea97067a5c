"""Refunds: what a withdrawal gave back to the balance goes on to the card that paid it.

Owns the consumer of the outbox that acts on ``RefundDue``. Does not own a refund: the library sets
the money aside, asks the provider, and settles it.

The page runs it after each withdrawal and when it starts. A service runs it in its worker, where it
also meets the withdrawals of a process that died in between.
"""

import logging
from typing import Final

from monochat_billing import Billing, Rejected, UnknownName
from monochat_billing.events import RefundDue
from monochat_billing.repositories import RecordedEvent
from monochat_billing.top_ups import RefundState

__all__ = ["CONSUMER", "send_back"]

CONSUMER: Final = "card-refunds"
_LOG: Final = logging.getLogger(__name__)


def send_back(billing: Billing) -> int:
    """Ask the providers for every refund that is due; give how many were asked for.

    Delivered again after a crash, an event asks under the same key, which is one refund.

    Raises:
        InfrastructureError: storage or provider failed; what is not acknowledged comes again.
    """
    asked = 0
    while found := billing.outbox.claim(CONSUMER, events=1000):
        for delivery in found:
            for recorded in delivery.events:
                if isinstance(recorded.event, RefundDue):
                    asked += _refund(billing, recorded, recorded.event)
            billing.outbox.acknowledge(delivery)
    return asked


def _refund(billing: Billing, recorded: RecordedEvent, due: RefundDue) -> int:
    asked = 0
    for top_up, amount in due.parts:
        name = f"refund-due-{recorded.number}-{top_up}"
        try:
            receipt = billing.top_ups.refund(due.account, top_up, amount, key=name)
            asked += 1
            if receipt.refund.state is RefundState.DONE and billing.context.invoicing is not None:
                billing.invoices.credit_refund(
                    due.account, top_up, receipt.refund.id, key=f"note-{name}"
                )
        except (Rejected, UnknownName) as error:
            # It came from no top-up, or its provider gives nothing back: a person has a look.
            _LOG.warning("refund due on account %s: %s", due.account, error)
    return asked
