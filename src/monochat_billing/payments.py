"""Top-ups and the port to payment gateways.

Owns the top-up's state table, what a gateway must be able to do, and the judgment of a payment:
credit it, wait for it, refuse it, or set it aside for a person.
Does not own the network: adapters speak to providers, this module decides on what they verified.

The state table, drawn from :data:`TOP_UP_MOVES`::

    from         open    await      credit      fail      expire     quarantine
    CREATED      OPEN    PENDING    CREDITED    FAILED    EXPIRED    QUARANTINED
    OPEN                 PENDING    CREDITED    FAILED    EXPIRED    QUARANTINED
    PENDING              PENDING    CREDITED    FAILED               QUARANTINED
    FAILED               PENDING    CREDITED    FAILED    EXPIRED    QUARANTINED
    EXPIRED              PENDING    CREDITED                         QUARANTINED
    QUARANTINED                                                      QUARANTINED
    CREDITED

A buyer may fail once and then pay on the same page, or pay a moment before the page closes, so
neither FAILED nor EXPIRED is the end: a late success credits. PENDING is paid but not yet final (a
fraud review, a bank debit under way), and only the provider ends it. CREDITED is the end: what
comes after it for the same payment is a repetition, not an error.
"""

import enum
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Final, Protocol, final

import attrs

from monochat_billing.balance import BalanceState, Books, Entry, EntryKind, Memo, credit
from monochat_billing.errors import IllegalTransition, InvalidInput
from monochat_billing.events import (
    CallbackNotUnderstood,
    Event,
    PaymentPending,
    PaymentQuarantined,
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
    PaymentMode,
    PaymentReference,
    PaymentStatus,
    Refund,
)
from monochat_billing.money import Money, amount_text, minor_digits, to_units
from monochat_billing.profiles import BillingProfile

__all__ = [
    "TOP_UP_MOVES",
    "UNSETTLED",
    "CallbackAnswer",
    "Checkout",
    "Payment",
    "PaymentGateway",
    "PaymentStatus",
    "Settlement",
    "TopUp",
    "TopUpMove",
    "TopUpState",
    "expire",
    "settle",
    "start_top_up",
]


class TopUpState(enum.StrEnum):
    """Name what a top-up is now."""

    CREATED = "CREATED"
    OPEN = "OPEN"
    PENDING = "PENDING"
    CREDITED = "CREDITED"
    FAILED = "FAILED"
    EXPIRED = "EXPIRED"
    QUARANTINED = "QUARANTINED"


class TopUpMove(enum.StrEnum):
    """Name what can happen to a top-up."""

    OPEN = "open"
    AWAIT = "await"
    CREDIT = "credit"
    FAIL = "fail"
    EXPIRE = "expire"
    QUARANTINE = "quarantine"


_WEB_ADDRESS: Final = re.compile(r"(?=.{1,2000}\Z)https?://[!-.0->@-~]+(?:[/?#][!-~]*)?")
_UNPAID: Final = (
    TopUpState.CREATED,
    TopUpState.OPEN,
    TopUpState.PENDING,
    TopUpState.FAILED,
    TopUpState.EXPIRED,
)
_FAILING: Final = tuple(state for state in _UNPAID if state is not TopUpState.EXPIRED)
_EXPIRING: Final = (TopUpState.CREATED, TopUpState.OPEN, TopUpState.FAILED)

TOP_UP_MOVES: Final[Mapping[tuple[TopUpState, TopUpMove], TopUpState]] = {
    (TopUpState.CREATED, TopUpMove.OPEN): TopUpState.OPEN,
    **{(state, TopUpMove.AWAIT): TopUpState.PENDING for state in _UNPAID},
    **{(state, TopUpMove.CREDIT): TopUpState.CREDITED for state in _UNPAID},
    **{(state, TopUpMove.FAIL): TopUpState.FAILED for state in _FAILING},
    **{(state, TopUpMove.EXPIRE): TopUpState.EXPIRED for state in _EXPIRING},
    **{(state, TopUpMove.QUARANTINE): TopUpState.QUARANTINED for state in _UNPAID},
    (TopUpState.QUARANTINED, TopUpMove.QUARANTINE): TopUpState.QUARANTINED,
}
"""Every legal move; whatever is not here raises and changes nothing."""

UNSETTLED: Final = frozenset(_FAILING)
"""The states that a sweep still asks the provider about."""


@final
@attrs.frozen(kw_only=True)
class TopUp:
    """Record the intent to add ``amount`` to a balance, and what became of it.

    It is stored before the gateway is called. ``profile`` is the billing profile as it was then.
    ``mode`` is the gateway's at that time: a test payment never credits a live top-up. ``payment``
    is the gateway's id of the payment that settled it, ``paid`` what the buyer paid (above
    ``amount`` by a surcharge for instalments), ``paid_at`` when, where the gateway says so,
    ``entry`` the credit's number, ``set_aside`` the ids of payments that were quarantined.
    """

    id: str
    account: str
    gateway: str
    amount: Money
    return_url: str
    state: TopUpState
    created_at: datetime
    profile: BillingProfile
    checkout: Checkout | None = None
    payment: str | None = None
    entry: int | None = None
    set_aside: tuple[str, ...] = ()
    mode: PaymentMode | None = None
    paid: Money | None = None
    paid_at: datetime | None = None

    @property
    def reference(self) -> PaymentReference:
        """Give what the gateway needs to look the payment up."""
        return PaymentReference(
            top_up=self.id,
            checkout=self.checkout.reference if self.checkout else "",
            payment=self.payment or "",
        )

    def moved(self, move: TopUpMove) -> "TopUp":
        """Return the top-up after ``move``.

        Raises:
            IllegalTransition: the state table has no such move.
        """
        state = TOP_UP_MOVES.get((self.state, move))
        if state is None:
            raise IllegalTransition("top-up", self.id, self.state, move)
        return attrs.evolve(self, state=state)

    def opened(self, checkout: Checkout) -> "TopUp":
        """Return the top-up with its checkout open."""
        return attrs.evolve(self.moved(TopUpMove.OPEN), checkout=checkout)


class PaymentGateway(Protocol):
    """Speak to one payment provider.

    An implementation holds the provider's secret and never logs or shows it. Every network call
    has a time-out, and a failed one is a ``GatewayError``: in doubt, never known to have failed.
    A verb that the provider does not offer raises ``InvalidInput`` naming ``gateway``; ask
    ``capabilities`` first.
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

        ``key`` makes a repetition safe where ``capabilities.refund_is_idempotent``; elsewhere a
        refund in doubt has to be looked up at the provider before it is asked for again.

        Raises:
            GatewayError: the provider did not answer as agreed; the outcome is in doubt.
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


def start_top_up(
    *,
    top_up_id: str,
    account: str,
    gateway: str,
    amount: Money,
    return_url: str,
    profile: BillingProfile | None,
    at: datetime,
    mode: PaymentMode | None = None,
) -> TopUp:
    """Record the intent to top up; no gateway has been called yet.

    Raises:
        InvalidInput: the amount is not above zero or finer than the currency's minor unit, the
            return URL is not an absolute http(s) URL, or the account has no billing profile to
            invoice.
    """
    if not isinstance(return_url, str) or not _WEB_ADDRESS.fullmatch(return_url):
        raise InvalidInput(
            "return_url",
            return_url,
            "is not an absolute http(s) URL",
            "pass one of at most 2000 ASCII characters, such as https://shop.example/billing",
        )
    units = to_units(amount, minor_digits(amount.currency), field="amount")
    if units <= 0:
        raise InvalidInput(
            "amount", amount_text(amount), "is not above zero", "pass a positive amount"
        )
    if profile is None:
        raise InvalidInput(
            "profile",
            None,
            f"is missing on account {account!r}",
            "give the account a billing profile before it pays",
        )
    return TopUp(
        id=top_up_id,
        account=account,
        gateway=gateway,
        amount=amount,
        return_url=return_url,
        state=TopUpState.CREATED,
        created_at=at,
        profile=profile,
        mode=mode,
    )


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
    if top_up.state is TopUpState.CREDITED and payment.payment == top_up.payment:
        return Settlement(top_up=top_up, books=books, repeated=True)
    wrong = _mismatch(top_up, payment) or _closed(books, top_up)
    if wrong:
        return _quarantined(books, top_up, payment, at, wrong)
    reason = f"top-up by {payment.gateway}"
    memo = Memo(EntryKind.TOP_UP, at, recorded_at, reason, top_up.id, payment.actor)
    posted = credit(books, top_up.amount, memo)
    settled = TopUpSettled(
        account=top_up.account,
        at=at,
        top_up=top_up.id,
        gateway=payment.gateway,
        amount=top_up.amount,
        entry=posted.entry.number,
    )
    return Settlement(
        top_up=attrs.evolve(
            top_up.moved(TopUpMove.CREDIT),
            payment=payment.payment,
            entry=posted.entry.number,
            paid=payment.amount,
            paid_at=payment.paid_at,
        ),
        books=posted.books,
        entries=posted.entries,
        events=(settled,),
    )


def expire(books: Books, top_up: TopUp, at: datetime) -> Settlement:
    """Give up on a top-up that nobody paid; a success that comes later still credits.

    What is pending, decided or expired already stays as it is.
    """
    if (top_up.state, TopUpMove.EXPIRE) not in TOP_UP_MOVES:
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


def _mismatch(top_up: TopUp, payment: Payment) -> str:
    ordered = _told(top_up.amount)
    if payment.gateway != top_up.gateway:
        return f"paid through {payment.gateway}, ordered through {top_up.gateway}"
    if payment.mode is not top_up.mode:
        return f"paid in {payment.mode} mode, ordered in {top_up.mode} mode"
    if top_up.state is TopUpState.CREDITED:
        return f"second payment; {top_up.payment} was credited"
    if payment.amount is None or payment.amount.currency != top_up.amount.currency:
        return f"ordered {ordered}, paid {_told(payment.amount)}"
    if payment.amount < top_up.amount:
        return f"ordered {ordered}, paid only {amount_text(payment.amount)}"
    return "already quarantined" if top_up.state is TopUpState.QUARANTINED else ""


def _closed(books: Books, top_up: TopUp) -> str:
    code = top_up.amount.currency.code
    closed = books.balance(code).state is BalanceState.CLOSED
    return f"the balance in {code} is closed" if closed else ""


def _told(amount: Money | None) -> str:
    return "nothing" if amount is None else f"{amount_text(amount)} {amount.currency.code}"


def _quarantined(
    books: Books, top_up: TopUp, payment: Payment, at: datetime, reason: str
) -> Settlement:
    if payment.payment in top_up.set_aside:
        return Settlement(top_up=top_up, books=books, repeated=True)
    event = PaymentQuarantined(
        account=top_up.account,
        at=at,
        top_up=top_up.id,
        gateway=payment.gateway,
        payment=payment.payment,
        reason=reason,
    )
    moved = top_up
    if top_up.state is not TopUpState.CREDITED:
        moved = top_up.moved(TopUpMove.QUARANTINE)
    kept = attrs.evolve(moved, set_aside=(*top_up.set_aside, payment.payment))
    return Settlement(top_up=kept, books=books, events=(event,))
