"""Top-ups and the port to payment gateways.

Owns the top-up's state table, what a gateway must be able to do, and the judgment of a payment:
credit it, refuse it, or set it aside for a person.
Does not own the network: adapters speak to providers, this module decides on what they verified.

The state table, drawn from :data:`TOP_UP_MOVES`::

    CREATED      open → OPEN   credit → CREDITED   fail → FAILED   quarantine → QUARANTINED
    OPEN                       credit → CREDITED   fail → FAILED   quarantine → QUARANTINED
    FAILED                     credit → CREDITED   fail → FAILED   quarantine → QUARANTINED
    QUARANTINED                                                    quarantine → QUARANTINED

A buyer may fail once and then pay on the same page, so FAILED is not the end. CREDITED is: what
comes after it for the same payment is a repetition, not an error.
"""

import enum
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Final, Protocol, final

import attrs

from monochat_billing.balance import Books, Entry, EntryKind, Memo, credit
from monochat_billing.errors import IllegalTransition, InvalidInput
from monochat_billing.events import Event, PaymentQuarantined, TopUpFailed, TopUpSettled
from monochat_billing.money import Money, amount_text, minor_digits, to_units
from monochat_billing.profiles import BillingProfile

__all__ = [
    "TOP_UP_MOVES",
    "CallbackAnswer",
    "Checkout",
    "Payment",
    "PaymentGateway",
    "PaymentStatus",
    "Settlement",
    "TopUp",
    "TopUpMove",
    "TopUpState",
    "settle",
    "start_top_up",
]


class TopUpState(enum.StrEnum):
    """Name what a top-up is now."""

    CREATED = "CREATED"
    OPEN = "OPEN"
    CREDITED = "CREDITED"
    FAILED = "FAILED"
    QUARANTINED = "QUARANTINED"


class TopUpMove(enum.StrEnum):
    """Name what can happen to a top-up."""

    OPEN = "open"
    CREDIT = "credit"
    FAIL = "fail"
    QUARANTINE = "quarantine"


_WEB_ADDRESS: Final = re.compile(r"(?=.{1,2000}\Z)https?://[!-.0->@-~]+(?:[/?#][!-~]*)?")
_UNPAID: Final = (TopUpState.CREATED, TopUpState.OPEN, TopUpState.FAILED)

TOP_UP_MOVES: Final[Mapping[tuple[TopUpState, TopUpMove], TopUpState]] = {
    (TopUpState.CREATED, TopUpMove.OPEN): TopUpState.OPEN,
    **{(state, TopUpMove.CREDIT): TopUpState.CREDITED for state in _UNPAID},
    **{(state, TopUpMove.FAIL): TopUpState.FAILED for state in _UNPAID},
    **{(state, TopUpMove.QUARANTINE): TopUpState.QUARANTINED for state in _UNPAID},
    (TopUpState.QUARANTINED, TopUpMove.QUARANTINE): TopUpState.QUARANTINED,
}
"""Every legal move; whatever is not here raises and changes nothing."""


class PaymentStatus(enum.StrEnum):
    """Name what a gateway says of a payment."""

    PAID = "PAID"
    FAILED = "FAILED"


@final
@attrs.frozen(kw_only=True)
class Checkout:
    """Describe one visit to a gateway's payment page.

    Send the buyer to ``redirect_url``. The page proves nothing by itself: only a verified
    callback moves money.
    """

    top_up: str
    gateway: str
    amount: Money
    redirect_url: str


@final
@attrs.frozen(kw_only=True)
class TopUp:
    """Record the intent to add ``amount`` to a balance, and what became of it.

    It is stored before the gateway is called. ``profile`` is the billing profile as it was then.
    ``payment`` is the gateway's id of the payment that settled it, ``entry`` the credit's number,
    ``set_aside`` the ids of payments that were quarantined.
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


@final
@attrs.frozen(kw_only=True)
class Payment:
    """State what a gateway's verified callback says.

    ``top_up`` is our own reference that the gateway gives back, ``payment`` the gateway's id of
    the payment, ``amount`` what the buyer paid (None when the payment failed).
    """

    gateway: str
    top_up: str
    payment: str
    status: PaymentStatus
    amount: Money | None = None


@final
@attrs.frozen(kw_only=True)
class CallbackAnswer:
    """State what to answer to the gateway so that it stops repeating the callback."""

    status: int = 200
    body: str = "OK"
    content_type: str = "text/plain"


class PaymentGateway(Protocol):
    """Speak to one payment provider.

    An implementation holds the provider's secret and never logs it. ``create`` may be called
    again for the same top-up after a crash and must lead to the same payment, or to one that the
    provider cannot take twice.
    """

    @property
    def name(self) -> str:
        """Give the name under which hosts address the gateway."""
        ...

    def create(self, top_up: TopUp) -> Checkout:
        """Open a checkout for ``top_up``, whose id is the reference given to the provider.

        Raises:
            GatewayError: the provider did not answer as agreed; the outcome is in doubt.
        """
        ...

    def parse_callback(self, headers: Mapping[str, str], body: bytes) -> Payment:
        """Verify a callback and read it.

        Raises:
            ForgedCallback: the signature is missing or wrong.
            InvalidInput: the callback is signed but malformed.
        """
        ...

    def answer(self, payment: Payment) -> CallbackAnswer:
        """Give what the provider wants to hear once the callback was handled."""
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
    )


def settle(
    books: Books, top_up: TopUp, payment: Payment, at: datetime, recorded_at: datetime
) -> Settlement:
    """Judge a verified payment: credit it once, note its failure, or quarantine it.

    The *ordered* amount is credited, never what the gateway collected on top of it. Less than
    ordered, another currency, or a second payment for a top-up that is already credited is
    quarantined: recorded with an event for a person to look at, never credited.
    """
    credited = top_up.state is TopUpState.CREDITED
    if credited and (payment.payment == top_up.payment or payment.status is PaymentStatus.FAILED):
        return Settlement(top_up=top_up, books=books, repeated=True)
    if payment.status is PaymentStatus.FAILED:
        return _failed(books, top_up, payment, at)
    wrong = _mismatch(top_up, payment)
    if wrong:
        return _quarantined(books, top_up, payment, at, wrong)
    memo = Memo(EntryKind.TOP_UP, at, recorded_at, f"top-up by {payment.gateway}", top_up.id)
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
            top_up.moved(TopUpMove.CREDIT), payment=payment.payment, entry=posted.entry.number
        ),
        books=posted.books,
        entries=(posted.entry,),
        events=(settled,),
    )


def _failed(books: Books, top_up: TopUp, payment: Payment, at: datetime) -> Settlement:
    if top_up.state in (TopUpState.FAILED, TopUpState.QUARANTINED):
        return Settlement(top_up=top_up, books=books, repeated=True)
    event = TopUpFailed(account=top_up.account, at=at, top_up=top_up.id, gateway=payment.gateway)
    return Settlement(top_up=top_up.moved(TopUpMove.FAIL), books=books, events=(event,))


def _mismatch(top_up: TopUp, payment: Payment) -> str:
    ordered = _told(top_up.amount)
    if payment.gateway != top_up.gateway:
        return f"paid through {payment.gateway}, ordered through {top_up.gateway}"
    if top_up.state is TopUpState.CREDITED:
        return f"second payment; {top_up.payment} was credited"
    if payment.amount is None or payment.amount.currency != top_up.amount.currency:
        return f"ordered {ordered}, paid {_told(payment.amount)}"
    if payment.amount < top_up.amount:
        return f"ordered {ordered}, paid only {amount_text(payment.amount)}"
    return "already quarantined" if top_up.state is TopUpState.QUARANTINED else ""


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
