"""Invoice commands: issue an invoice or a credit note, as functions from facts to a step.

*Owns* whether a document may be issued, and the event that tells of it.
*Does not own* what stands on it (:mod:`monochat_billing.invoicing`) or where numbers come from.

A document is composed first and handed to :func:`issued`, which gives the step. Its result is the
invoice's id and not the invoice: what a key remembers must hold no personal data.
"""

from collections.abc import Sequence
from datetime import datetime
from fractions import Fraction
from typing import final

import attrs

from monochat_billing.accounts import AccountState, Step
from monochat_billing.errors import IllegalTransition, InvalidInput, UnknownName
from monochat_billing.events import InvoiceIssued
from monochat_billing.invoices import Invoice, InvoiceKind
from monochat_billing.invoicing import (
    InvoicePolicy,
    Parties,
    credit_note,
    invoice_prepayment,
)
from monochat_billing.money import Money
from monochat_billing.profiles import BillingProfile
from monochat_billing.texts import check_line, one_of
from monochat_billing.top_ups import RefundState

__all__ = ["Issue", "credit_invoice", "invoice_top_up", "issued", "parties_of", "refunded"]


@final
@attrs.frozen(kw_only=True)
class Issue:
    """Hold what a document is issued with.

    ``last`` is the ordinal given out last in its series. ``exchange`` is the worth of one unit of
    the currency in the seller's home currency; ``registered`` says that the buyer takes e-Fatura.
    """

    id: str
    last: int
    now: datetime
    exchange: Fraction | None = None
    registered: bool = False
    actor: str = ""


def parties_of(state: AccountState, issue: Issue, buyer: BillingProfile | None = None) -> Parties:
    """Say who buys: ``buyer``, or the account's billing profile as it is now.

    Raises:
        InvalidInput: the account has no billing profile, or the actor is no line of text.
    """
    check_line(issue.actor, "actor")
    found = buyer or state.account.profile
    if found is None:
        raise InvalidInput(
            "profile", None, "is missing: an invoice names its buyer", "update the profile first"
        )
    return Parties(
        id=issue.id,
        account=state.account.id,
        buyer=found,
        issued_at=issue.now,
        last=issue.last,
        registered=issue.registered,
        exchange=issue.exchange,
    )


def invoice_top_up(
    state: AccountState,
    policy: InvoicePolicy,
    top_up: str,
    issue: Issue,
    known: Invoice | None,
) -> Invoice:
    """Invoice a top-up that was credited, to whom it was ordered by; ``known`` is its invoice.

    Raises:
        IllegalTransition: it was never credited, it has been invoiced, or the policy invoices
            charges.
        InvalidInput: the currency needs an exchange rate.
        UnknownName: the account has no such top-up.
    """
    found = state.top_ups.get(top_up)
    if found is None:
        raise UnknownName("top_up", top_up, "does not exist", "list the top-ups")
    if known is not None:
        raise IllegalTransition("top-up", top_up, f"invoiced as {known.number}", "be invoiced")
    if found.entry is None:
        raise IllegalTransition("top-up", top_up, found.state, "be invoiced")
    return invoice_prepayment(
        policy,
        parties_of(state, issue, found.profile),
        found.value,
        top_up=top_up,
        credited_at=found.paid_at or issue.now,
        entry=found.entry,
    )


def credit_invoice(
    state: AccountState,
    policy: InvoicePolicy,
    invoice: Invoice | None,
    earlier: Sequence[Invoice],
    issue: Issue,
    *,
    identity: str,
    reason: str,
    amount: Money | None = None,
    reference: str = "",
) -> Invoice:
    """Give back all or a part of an invoice, to whom it was made out.

    Raises:
        IllegalTransition: it is a credit note, or nothing is left of it.
        InvalidInput: the amount is more than what is left, or there is no reason.
        UnknownName: the account has no such invoice.
    """
    if invoice is None:
        raise UnknownName("invoice", identity, "does not exist", "list the invoices")
    check_line(reason, "reason")
    exchange = invoice.exchange if issue.exchange is None else issue.exchange
    parties = attrs.evolve(parties_of(state, issue, invoice.buyer), exchange=exchange)
    parties = attrs.evolve(parties, registered=invoice.registered)
    return credit_note(
        policy, parties, invoice, earlier, reason=reason, amount=amount, reference=reference
    )


def issued(state: AccountState, invoice: Invoice | None, issue: Issue) -> Step:
    """Tell that an invoice was issued; without one there is nothing to tell."""
    if invoice is None:
        return Step(state)
    event = InvoiceIssued(
        account=state.account.id,
        at=issue.now,
        invoice=invoice.id,
        number=str(invoice.number),
        credit=invoice.kind is InvoiceKind.CREDIT_NOTE,
        gross=invoice.gross,
        tax=invoice.tax,
        actor=issue.actor,
    )
    return Step(state, events=(event,), result=invoice.id)


def refunded(
    state: AccountState, top_up: str, refund: str, known: Invoice | None
) -> tuple[Money, str]:
    """Say how much a refund has given back, and why; ``known`` is its credit note.

    Raises:
        IllegalTransition: the refund is not done, or it was credited before.
        UnknownName: the account has no such top-up, or the top-up no such refund.
    """
    found = state.top_ups.get(top_up)
    if found is None:
        raise UnknownName("top_up", top_up, "does not exist", "list the top-ups")
    one = next((each for each in found.refunds if each.id == refund), None)
    if one is None:
        remedy = one_of([each.id for each in found.refunds], "nothing of it was refunded")
        raise UnknownName("refund", refund, f"is not of top-up {top_up!r}", remedy)
    if known is not None:
        raise IllegalTransition("refund", refund, f"credited as {known.number}", "be credited")
    if one.state is not RefundState.DONE:
        raise IllegalTransition("refund", refund, one.state, "be credited")
    return one.amount, one.reason or f"refund {refund}"
