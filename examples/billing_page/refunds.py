"""Refunds: what a withdrawal gave back to the balance goes on to the card that paid it.

Owns the consumer of the outbox that acts on ``RefundDue`` with a refund, and on ``TopUpRefunded``
with a credit note. Does not own a refund: the library sets the money aside, asks the provider, and
settles it.

The page runs it after each withdrawal and when it starts. A service runs it in its worker, where it
also meets the withdrawals of a process that died in between.
"""

import logging
from typing import Final

from monochat_billing import Billing, Rejected, UnknownName
from monochat_billing.events import RefundDue, TopUpRefunded
from monochat_billing.repositories import RecordedEvent

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
                elif isinstance(recorded.event, TopUpRefunded):
                    _note(billing, recorded.event)
            billing.outbox.acknowledge(delivery)
    return asked


def _refund(billing: Billing, recorded: RecordedEvent, due: RefundDue) -> int:
    asked = 0
    for top_up, amount in due.parts:
        key = f"refund-due-{recorded.number}-{top_up}"
        try:
            billing.top_ups.refund(due.account, top_up, amount, key=key)
            asked += 1
        except (Rejected, UnknownName) as error:
            # It came from no top-up, or its provider gives nothing back: a person has a look.
            _LOG.warning("refund due on account %s: %s", due.account, error)
    return asked


def _note(billing: Billing, done: TopUpRefunded) -> None:
    """Give back on paper what went back in money, whenever the provider was done with it."""
    if billing.context.invoicing is None:
        return
    try:
        billing.invoices.credit_refund(
            done.account, done.top_up, done.refund, key=f"note-{done.refund}"
        )
    except (Rejected, UnknownName) as error:
        _LOG.warning("no credit note on account %s: %s", done.account, error)
