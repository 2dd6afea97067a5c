"""The port to payment gateways, and the judgment of what they say of a payment.

Owns what a gateway must be able to do, and what is made of a payment: credit it, wait for it,
refuse it, or set it aside for a person.
Does not own the top-up and its state table (:mod:`monochat_billing.top_ups`), refunds, disputes,
nor the network: adapters speak to providers, this module decides on what they verified.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Final, Protocol, final

import attrs

from monochat_billing.balance import BalanceState, Books, Entry, EntryKind, Memo, credit
from monochat_billing.errors import IllegalTransition, InvalidInput, UnknownName
from monochat_billing.events import (
    CallbackNotUnderstood,
    Event,
    PaymentPending,
    PaymentQuarantined,
    QuarantineResolved,
    TopUpExpired,
    TopUpFailed,
    TopUpSettled,
)
from monochat_billing.gateways import (
    NOBODY,
    Buyer,
    CallbackAnswer,
    Checkout,
    GatewayCapabilities,
    Payment,
    PaymentReference,
    PaymentStatus,
    Refund,
)
from monochat_billing.money import Money, amount_text
from monochat_billing.texts import one_of
from monochat_billing.top_up_policies import Bonus
from monochat_billing.top_ups import (
    TOP_UP_MOVES,
    UNSETTLED,
    QuarantinedPayment,
    Resolution,
    TopUp,
    TopUpMove,
    TopUpState,
    start_top_up,
)

__all__ = [
    "TOP_UP_MOVES",
    "UNSETTLED",
    "CallbackAnswer",
    "Checkout",
    "CreditedWorth",
    "Payment",
    "PaymentGateway",
    "PaymentStatus",
    "Settlement",
    "TopUp",
    "TopUpMove",
    "TopUpState",
    "credit_worth",
    "dismiss",
    "expire",
    "resolve_by_credit",
    "settle",
    "start_top_up",
]


class PaymentGateway(Protocol):
    """Speak to one payment provider.

    An implementation holds the provider's secret and never logs or shows it. Every network call
    has a time-out, and a failed one is a ``GatewayError``: in doubt, never known to have failed.
    A verb that the provider does not offer raises ``InvalidInput`` naming ``gateway``; ask
    ``capabilities`` first.

    >>> from monochat_billing.adapters.sandbox import SandboxGateway
    >>> gateway: PaymentGateway = SandboxGateway("secret", page_url="http://127.0.0.1:9")
    >>> gateway.name
    'sandbox'
    """

    @property
    def name(self) -> str:
        """Give the name under which hosts address the gateway."""
        ...

    @property
    def capabilities(self) -> GatewayCapabilities:
        """Say what the gateway can do."""
        ...

    def create(self, top_up: TopUp, buyer: Buyer = NOBODY) -> Checkout:
        """Open a checkout for ``top_up``, whose id is the reference given to the provider.

        It may be called again for the same top-up after a crash, and must lead to the same
        payment, or to one that the provider cannot take twice.

        Raises:
            InvalidInput: the provider could never take this top-up; nothing was opened.
            GatewayError: the provider did not answer as agreed; the outcome is in doubt.
        """
        ...

    def retrieve(self, reference: PaymentReference) -> Payment:
        """Ask the provider what became of a payment; OPEN when it knows of none.

        Raises:
            GatewayError: the provider did not answer as agreed.
        """
        ...

    def parse_callback(self, headers: Mapping[str, str], body: bytes) -> Payment:
        """Verify a callback and read it; no network.

        Raises:
            ForgedCallback: the signature is missing or wrong.
            InvalidInput: the callback is signed but malformed.
        """
        ...

    def answer(self, payment: Payment) -> CallbackAnswer:
        """Give what the provider wants to hear once the callback was handled."""
        ...

    def refund(self, reference: PaymentReference, amount: Money, *, key: str) -> Refund:
        """Give back all or part of a payment to where it came from.

        ``key`` makes a repetition safe where ``capabilities.refund_is_idempotent``, and such a
        repetition gives what has become of the refund since; elsewhere a refund in doubt has to be
        looked up at the provider before it is asked for again.

        Raises:
            GatewayError: the provider did not answer as agreed; the outcome is in doubt.
        """
        ...

    def refunded(self, reference: PaymentReference, currency: str) -> Money:
        """Ask the provider how much of a payment has gone back in all.

        It settles a refund in doubt where refunds are not idempotent.

        Raises:
            GatewayError: the provider did not answer as agreed.
        """
        ...

    def cancel(self, reference: PaymentReference) -> Payment:
        """Close a checkout that nobody has paid, and give what is then true of it.

        Raises:
            GatewayError: the provider did not answer as agreed; the outcome is in doubt.
        """
        ...


@final
@attrs.frozen(kw_only=True)
class Settlement:
    """Return what a payment led to; ``repeated`` says that nothing was left to do."""

    top_up: TopUp
    books: Books
    entries: tuple[Entry, ...] = ()
    events: tuple[Event, ...] = ()
    repeated: bool = False


def settle(
    books: Books, top_up: TopUp, payment: Payment, at: datetime, recorded_at: datetime
) -> Settlement:
    """Judge a verified payment: credit it once, await it, note its failure, or quarantine it.

    The *ordered* amount is credited, never what the gateway collected on top of it. Less than
    ordered, another currency, mode or gateway, or a second payment for a top-up that is already
    credited is quarantined: recorded with an event for a person to look at, never credited. A
    payment that is still open changes nothing.
    """
    if payment.status is PaymentStatus.OTHER:
        return _noted(books, top_up, payment, at)
    if payment.status is not PaymentStatus.PAID:
        return _unpaid(books, top_up, payment, at)
    known = top_up.entry is not None and payment.payment == top_up.payment
    if known or payment.payment in top_up.set_aside:
        return Settlement(top_up=top_up, books=books, repeated=True)
    wrong = _mismatch(top_up, payment) or _closed(books, top_up)
    if wrong:
        return _quarantined(books, top_up, payment, at, wrong)
    reason = f"top-up by {payment.gateway}"
    memo = Memo(EntryKind.TOP_UP, at, recorded_at, reason, top_up.id, payment.actor)
    paid = attrs.evolve(top_up, paid=payment.amount, paid_at=payment.paid_at)
    return _credited(books, paid, payment.payment, memo)


def _credited(books: Books, top_up: TopUp, payment: str, memo: Memo) -> Settlement:
    done = credit_worth(books, top_up.value, top_up.bonus, memo)
    settled = TopUpSettled(
        account=top_up.account,
        at=memo.effective_at,
        top_up=top_up.id,
        gateway=top_up.gateway,
        amount=top_up.value,
        entry=done.entry,
    )
    return Settlement(
        top_up=attrs.evolve(
            top_up.moved(TopUpMove.CREDIT),
            payment=payment,
            entry=done.entry,
            bonus_entry=done.bonus,
        ),
        books=done.books,
        entries=done.entries,
        events=(settled,),
    )


@final
@attrs.frozen(kw_only=True)
class CreditedWorth:
    """Return the books after money and its bonus came in; both are named by their entries."""

    books: Books
    entry: int
    bonus: int | None
    entries: tuple[Entry, ...]


def credit_worth(books: Books, value: Money, bonus: Bonus | None, memo: Memo) -> CreditedWorth:
    """Credit what a top-up is worth, and the bonus that was promised on top of it.

    Raises:
        IllegalTransition: the balance is closed.
        InvalidInput: an amount is not above zero or does not fit the balance's scale.
        UnknownName: the account has no balance in that currency.
    """
    posted = credit(books, value, memo)
    if bonus is None:
        number = posted.entry.number
        return CreditedWorth(books=posted.books, entry=number, bonus=None, entries=posted.entries)
    granted = credit(
        posted.books,
        bonus.amount,
        attrs.evolve(memo, kind=EntryKind.GRANT, reason="bonus on a top-up"),
        bonus.terms(memo.effective_at),
    )
    return CreditedWorth(
        books=granted.books,
        entry=posted.entry.number,
        bonus=granted.entry.number,
        entries=(*posted.entries, *granted.entries),
    )


def resolve_by_credit(
    books: Books, top_up: TopUp, payment: str, *, at: datetime, reason: str, actor: str
) -> Settlement:
    """Credit what a quarantined payment paid, because a person decided so.

    The top-up's first payment credits it, without a bonus where less was paid than ordered. A
    further one is a credit of its own: it is not part of what the top-up can be refunded for.

    Raises:
        IllegalTransition: it has been resolved, or the balance is closed.
        InvalidInput: it is a test payment for a live top-up or of unknown amount.
        UnknownName: no such payment was quarantined, or the account has no such balance.
    """
    found = _unresolved(top_up, payment, "credited")
    if found.amount is None:
        raise InvalidInput(
            "payment", payment, "has no known amount", "adjust the balance, then dismiss it"
        )
    if found.mode is not top_up.mode:
        raise InvalidInput(
            "payment", payment, f"was paid in {found.mode} mode", "dismiss it: no such money came"
        )
    memo = Memo(EntryKind.TOP_UP, at, at, reason, top_up.id, actor)
    if top_up.entry is None:
        whole = found.amount == top_up.amount
        worth = attrs.evolve(
            top_up,
            credited=None if whole else found.amount,
            paid=found.amount,
            bonus=top_up.bonus if whole else None,
        )
        done = _credited(books, worth, payment, memo)
    else:
        posted = credit(books, found.amount, memo)
        done = Settlement(top_up=top_up, books=posted.books, entries=posted.entries)
    decided = attrs.evolve(
        found,
        resolution=Resolution.CREDIT,
        because=reason,
        actor=actor,
        entry=done.entries[0].number,
    )
    return _resolved(done, decided, at)


def dismiss(
    books: Books, top_up: TopUp, payment: str, *, at: datetime, reason: str, actor: str
) -> Settlement:
    """Let a quarantined payment be, because a person has dealt with it or it is none.

    A top-up that nothing credited is given up on; another payment that comes later still credits.

    Raises:
        IllegalTransition: it has been resolved.
        UnknownName: no such payment was quarantined.
    """
    found = _unresolved(top_up, payment, "dismissed")
    done = Settlement(top_up=top_up, books=books)
    decided = attrs.evolve(found, resolution=Resolution.DISMISS, because=reason, actor=actor)
    done = _resolved(done, decided, at)
    waiting = any(one.resolution is None for one in done.top_up.quarantine)
    if top_up.state is TopUpState.QUARANTINED and not waiting:
        done = attrs.evolve(done, top_up=done.top_up.moved(TopUpMove.EXPIRE))
    return done


def _unresolved(top_up: TopUp, payment: str, action: str) -> QuarantinedPayment:
    found = top_up.quarantined(payment)
    if found is None:
        known = [one.payment for one in top_up.quarantine]
        raise UnknownName(
            "payment",
            payment,
            f"is no quarantined payment of top-up {top_up.id!r}",
            one_of(known, "nothing was set aside"),
        )
    if found.resolution is not None:
        raise IllegalTransition("quarantined payment", payment, found.resolution, f"be {action}")
    return found


def _resolved(done: Settlement, decided: QuarantinedPayment, at: datetime) -> Settlement:
    event = QuarantineResolved(
        account=done.top_up.account,
        at=at,
        top_up=done.top_up.id,
        payment=decided.payment,
        resolution=decided.resolution or "",
        reason=decided.because,
        actor=decided.actor,
    )
    return attrs.evolve(
        done, top_up=done.top_up.with_quarantined(decided), events=(*done.events, event)
    )


def expire(books: Books, top_up: TopUp, at: datetime) -> Settlement:
    """Give up on a top-up that nobody paid; a success that comes later still credits.

    What is pending, decided or expired already stays as it is.
    """
    waits = top_up.state is TopUpState.QUARANTINED
    if waits or (top_up.state, TopUpMove.EXPIRE) not in TOP_UP_MOVES:
        return Settlement(top_up=top_up, books=books, repeated=True)
    event = TopUpExpired(account=top_up.account, at=at, top_up=top_up.id, gateway=top_up.gateway)
    return Settlement(top_up=top_up.moved(TopUpMove.EXPIRE), books=books, events=(event,))


def _noted(books: Books, top_up: TopUp, payment: Payment, at: datetime) -> Settlement:
    event = CallbackNotUnderstood(
        account=top_up.account,
        at=at,
        top_up=top_up.id,
        gateway=payment.gateway,
        kind=payment.kind,
    )
    return Settlement(top_up=top_up, books=books, events=(event,))


def _unpaid(books: Books, top_up: TopUp, payment: Payment, at: datetime) -> Settlement:
    """Act on what is no success; nothing of it undoes a credit or a quarantine."""
    state, status = top_up.state, payment.status
    if status is PaymentStatus.EXPIRED:
        return expire(books, top_up, at)
    move, event = _WAITING.get(status, (None, None))
    if (
        move is None
        or event is None
        or TOP_UP_MOVES.get((state, move), state) is state
        or payment.gateway != top_up.gateway
        or payment.mode is not top_up.mode
    ):
        return Settlement(top_up=top_up, books=books, repeated=True)
    told = event(account=top_up.account, at=at, top_up=top_up.id, gateway=payment.gateway)
    return Settlement(top_up=top_up.moved(move), books=books, events=(told,))


_WAITING: Final[
    Mapping[PaymentStatus, tuple[TopUpMove, type[PaymentPending] | type[TopUpFailed]]]
] = {
    PaymentStatus.PENDING: (TopUpMove.AWAIT, PaymentPending),
    PaymentStatus.FAILED: (TopUpMove.FAIL, TopUpFailed),
}


_SET_ASIDE: Final = (TopUpState.QUARANTINED, TopUpState.REFUNDING, TopUpState.REFUNDED)


def _mismatch(top_up: TopUp, payment: Payment) -> str:
    ordered = _told(top_up.amount)
    if payment.gateway != top_up.gateway:
        return f"paid through {payment.gateway}, ordered through {top_up.gateway}"
    if payment.mode is not top_up.mode:
        return f"paid in {payment.mode} mode, ordered in {top_up.mode} mode"
    if top_up.entry is not None:
        return f"second payment; {top_up.payment} was credited"
    if payment.amount is None or payment.amount.currency != top_up.amount.currency:
        return f"ordered {ordered}, paid {_told(payment.amount)}"
    if payment.amount < top_up.amount:
        return f"ordered {ordered}, paid only {amount_text(payment.amount)}"
    return "already quarantined" if top_up.state in _SET_ASIDE else ""


def _closed(books: Books, top_up: TopUp) -> str:
    code = top_up.amount.currency.code
    closed = books.balance(code).state is BalanceState.CLOSED
    return f"the balance in {code} is closed" if closed else ""


def _told(amount: Money | None) -> str:
    return "nothing" if amount is None else f"{amount_text(amount)} {amount.currency.code}"


def _quarantined(
    books: Books, top_up: TopUp, payment: Payment, at: datetime, reason: str
) -> Settlement:
    event = PaymentQuarantined(
        account=top_up.account,
        at=at,
        top_up=top_up.id,
        gateway=payment.gateway,
        payment=payment.payment,
        reason=reason,
    )
    aside = QuarantinedPayment(
        payment=payment.payment, problem=reason, at=at, amount=payment.amount, mode=payment.mode
    )
    moved = top_up
    if top_up.entry is None and top_up.state is not TopUpState.REFUNDING:
        moved = top_up.moved(TopUpMove.QUARANTINE)
    kept = moved.with_quarantined(aside)
    return Settlement(top_up=kept, books=books, events=(event,))
