"""Top-ups: the intent to add money, what became of it, and what was given back of it.

Owns the top-up as a value with its refunds, disputes and quarantined payments, and its state table.
Does not own the judgment of a payment (:mod:`monochat_billing.payments`), of a refund
(:mod:`monochat_billing.refunds`) or of a dispute (:mod:`monochat_billing.chargebacks`).

The state table, drawn from :data:`TOP_UP_MOVES`. Until the money is credited::

    from         open    await      credit      fail      expire     quarantine
    CREATED      OPEN    PENDING    CREDITED    FAILED    EXPIRED    QUARANTINED
    OPEN                 PENDING    CREDITED    FAILED    EXPIRED    QUARANTINED
    PENDING              PENDING    CREDITED    FAILED               QUARANTINED
    FAILED               PENDING    CREDITED    FAILED    EXPIRED    QUARANTINED
    EXPIRED              PENDING    CREDITED                         QUARANTINED
    QUARANTINED                     CREDITED              EXPIRED    QUARANTINED

A buyer may fail once and then pay on the same page, or pay a moment before the page closes, so
neither FAILED nor EXPIRED is the end: a late success credits. PENDING is paid but not yet final (a
fraud review, a bank debit under way), and only the provider ends it. QUARANTINED waits for a
person, who credits what was paid, gives it back, or dismisses it.

Money that has come may go again::

    from             reinstate give_back refund_part     refund   dispute  charge_back
    CREDITED                   REFUNDING PARTLY_REFUNDED REFUNDED DISPUTED CHARGED_BACK
    REFUNDING        CREDITED            PARTLY_REFUNDED REFUNDED DISPUTED CHARGED_BACK
    PARTLY_REFUNDED  CREDITED  REFUNDING PARTLY_REFUNDED REFUNDED DISPUTED CHARGED_BACK
    REFUNDED         CREDITED  REFUNDING PARTLY_REFUNDED          DISPUTED CHARGED_BACK
    DISPUTED         CREDITED  REFUNDING PARTLY_REFUNDED REFUNDED DISPUTED CHARGED_BACK
    CHARGED_BACK     CREDITED  REFUNDING PARTLY_REFUNDED REFUNDED DISPUTED CHARGED_BACK

Which of these moves it is follows from the facts: a refund that is under way comes before an open
dispute, that before a lost one, and that before what was given back. QUARANTINED moves to REFUNDING
and REFUNDED, too, and back when the provider gave nothing back.
"""

import enum
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Final, final

import attrs

from monochat_billing.errors import IllegalTransition, InvalidInput, UnknownName
from monochat_billing.gateways import Checkout, PaymentMode, PaymentReference
from monochat_billing.money import Money, amount_text, minor_digits, to_units, total
from monochat_billing.profiles import BillingProfile
from monochat_billing.top_up_policies import Bonus

__all__ = [
    "TOP_UP_MOVES",
    "UNSETTLED",
    "Dispute",
    "DisputeState",
    "QuarantinedPayment",
    "RefundState",
    "Resolution",
    "TopUp",
    "TopUpMove",
    "TopUpRefund",
    "TopUpState",
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
    REFUNDING = "REFUNDING"
    PARTLY_REFUNDED = "PARTLY_REFUNDED"
    REFUNDED = "REFUNDED"
    DISPUTED = "DISPUTED"
    CHARGED_BACK = "CHARGED_BACK"


class TopUpMove(enum.StrEnum):
    """Name what can happen to a top-up."""

    OPEN = "open"
    AWAIT = "await"
    CREDIT = "credit"
    FAIL = "fail"
    EXPIRE = "expire"
    QUARANTINE = "quarantine"
    REINSTATE = "reinstate"
    GIVE_BACK = "give_back"
    REFUND_PART = "refund_part"
    REFUND = "refund"
    DISPUTE = "dispute"
    CHARGE_BACK = "charge_back"


_WEB_ADDRESS: Final = re.compile(r"(?=.{1,2000}\Z)https?://[!-.0->@-~]+(?:[/?#][!-~]*)?")
_UNPAID: Final = (
    TopUpState.CREATED,
    TopUpState.OPEN,
    TopUpState.PENDING,
    TopUpState.FAILED,
    TopUpState.EXPIRED,
)
_FAILING: Final = tuple(state for state in _UNPAID if state is not TopUpState.EXPIRED)
_EXPIRING: Final = (
    TopUpState.CREATED,
    TopUpState.OPEN,
    TopUpState.FAILED,
    TopUpState.QUARANTINED,
)
_AFTER: Final[Mapping[TopUpMove, TopUpState]] = {
    TopUpMove.REINSTATE: TopUpState.CREDITED,
    TopUpMove.GIVE_BACK: TopUpState.REFUNDING,
    TopUpMove.REFUND_PART: TopUpState.PARTLY_REFUNDED,
    TopUpMove.REFUND: TopUpState.REFUNDED,
    TopUpMove.DISPUTE: TopUpState.DISPUTED,
    TopUpMove.CHARGE_BACK: TopUpState.CHARGED_BACK,
}
_REPEATABLE: Final = (TopUpMove.REFUND_PART, TopUpMove.DISPUTE, TopUpMove.CHARGE_BACK)

TOP_UP_MOVES: Final[Mapping[tuple[TopUpState, TopUpMove], TopUpState]] = {
    (TopUpState.CREATED, TopUpMove.OPEN): TopUpState.OPEN,
    **{(state, TopUpMove.AWAIT): TopUpState.PENDING for state in _UNPAID},
    **{
        (state, TopUpMove.CREDIT): TopUpState.CREDITED
        for state in (*_UNPAID, TopUpState.QUARANTINED)
    },
    **{(state, TopUpMove.FAIL): TopUpState.FAILED for state in _FAILING},
    **{(state, TopUpMove.EXPIRE): TopUpState.EXPIRED for state in _EXPIRING},
    **{(state, TopUpMove.QUARANTINE): TopUpState.QUARANTINED for state in _UNPAID},
    (TopUpState.QUARANTINED, TopUpMove.QUARANTINE): TopUpState.QUARANTINED,
    (TopUpState.QUARANTINED, TopUpMove.GIVE_BACK): TopUpState.REFUNDING,
    (TopUpState.QUARANTINED, TopUpMove.REFUND): TopUpState.REFUNDED,
    (TopUpState.REFUNDING, TopUpMove.QUARANTINE): TopUpState.QUARANTINED,
    (TopUpState.REFUNDED, TopUpMove.QUARANTINE): TopUpState.QUARANTINED,
    **{
        (state, move): to
        for state in _AFTER.values()
        for move, to in _AFTER.items()
        if state is not to or move in _REPEATABLE
    },
}
"""Every legal move; whatever is not here raises and changes nothing."""

UNSETTLED: Final = frozenset((*_FAILING, TopUpState.REFUNDING))
"""The states that a sweep still asks the provider about."""


class RefundState(enum.StrEnum):
    """Name what a refund is now.

    ``REQUESTED``: stored, its money set aside, and the provider's answer is not known. ``PENDING``:
    the provider has taken it on. ``DONE`` and ``FAILED`` are the end.
    """

    REQUESTED = "REQUESTED"
    PENDING = "PENDING"
    DONE = "DONE"
    FAILED = "FAILED"


class DisputeState(enum.StrEnum):
    """Name what a dispute is now; told in any order, the later of these stands."""

    OPEN = "OPEN"
    LOST = "LOST"
    WON = "WON"


class Resolution(enum.StrEnum):
    """Name what a person decides about a quarantined payment.

    >>> [one.value for one in Resolution]
    ['CREDIT', 'REFUND', 'DISMISS']
    """

    CREDIT = "CREDIT"
    REFUND = "REFUND"
    DISMISS = "DISMISS"


@final
@attrs.frozen(kw_only=True)
class TopUpRefund:
    """Record one refund of a top-up, stored before the provider is asked for it.

    ``hold`` names what set its money aside, ``bonus_hold`` what set the bonus aside that it voids;
    blank where nothing was. ``asked_at`` is when the provider was last asked. ``payment`` is the
    payment that is given back, ``refund`` the provider's id of it, ``entry`` what took the money
    out. ``outside`` says that it was begun at the provider and not here.
    """

    id: str
    amount: Money
    state: RefundState
    requested_at: datetime
    asked_at: datetime
    payment: str
    hold: str = ""
    bonus_hold: str = ""
    refund: str = ""
    reason: str = ""
    actor: str = ""
    entry: int | None = None
    outside: bool = False

    @property
    def settled(self) -> bool:
        """Tell whether the provider has said the last word."""
        return self.state in (RefundState.DONE, RefundState.FAILED)

    def __str__(self) -> str:
        return f"refund {self.id}: {_told(self.amount)}, {self.state}"


@final
@attrs.frozen(kw_only=True)
class Dispute:
    """Record that a buyer's bank disputes a payment.

    ``id`` is the provider's, ``entry`` what took the money, ``given_back`` the entry that
    reversed it, ``bonus_hold`` what set the bonus aside meanwhile.
    """

    id: str
    amount: Money
    state: DisputeState
    opened_at: datetime
    entry: int | None = None
    given_back: int | None = None
    bonus_hold: str = ""


@final
@attrs.frozen(kw_only=True)
class QuarantinedPayment:
    """Record a payment that was set aside, why, and what a person decided about it.

    ``amount`` is what was paid as far as the provider said, ``entry`` the credit that a person
    decided on, ``because`` that person's reason.
    """

    payment: str
    problem: str
    at: datetime
    amount: Money | None = None
    mode: PaymentMode | None = None
    resolution: Resolution | None = None
    because: str = ""
    actor: str = ""
    entry: int | None = None


@final
@attrs.frozen(kw_only=True)
class TopUp:
    """Record the intent to add ``amount`` to a balance, and what became of it.

    It is stored before the gateway is called. ``profile`` is the billing profile as it was then.
    ``mode`` is the gateway's at that time: a test payment never credits a live top-up. ``payment``
    is the gateway's id of the payment that settled it, ``paid`` what the buyer paid (above
    ``amount`` by a surcharge for instalments), ``paid_at`` when, where the gateway says so,
    ``entry`` the credit's number, ``credited`` what it credited where a person decided on another
    amount than was ordered. ``set_aside`` holds the ids of payments that were quarantined,
    ``quarantine`` what is known of them. ``bonus`` is what was promised on top, ``bonus_entry`` the
    credit of it. ``automatic`` names the rule that asked for it.

    >>> from monochat_billing.money import money
    >>> from monochat_billing.testing.workbench import Workbench
    >>> bench = Workbench()
    >>> account = bench.open("acme", money("5000", "TRY"))
    >>> print(bench.top_up("acme", money("250", "TRY")).top_up)
    top-up id-1: 250 TRY by sandbox, CREDITED
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
    credited: Money | None = None
    refunds: tuple[TopUpRefund, ...] = ()
    disputes: tuple[Dispute, ...] = ()
    quarantine: tuple[QuarantinedPayment, ...] = ()
    bonus: Bonus | None = None
    bonus_entry: int | None = None
    automatic: str = ""

    def __str__(self) -> str:
        ordered = f"{amount_text(self.amount)} {self.amount.currency.code}"
        return f"top-up {self.id}: {ordered} by {self.gateway}, {self.state}"

    @property
    def reference(self) -> PaymentReference:
        """Give what the gateway needs to look the payment up."""
        return PaymentReference(
            top_up=self.id,
            checkout=self.checkout.reference if self.checkout else "",
            payment=self.payment or "",
        )

    @property
    def value(self) -> Money:
        """Give what was credited, or would be."""
        return self.credited or self.amount

    @property
    def given_back(self) -> Money:
        """Give what has gone back to the buyer of the credited payment, by refunds."""
        return self._sum(RefundState.DONE)

    @property
    def under_way(self) -> TopUpRefund | None:
        """Give the refund that the provider has not settled; there is one at a time."""
        return next((one for one in self.refunds if not one.settled), None)

    @property
    def taken_back(self) -> Money:
        """Give what disputes have taken and not returned."""
        code = self.value.currency.code
        return total(
            (
                one.amount
                for one in self.disputes
                if one.entry is not None and one.given_back is None
            ),
            currency=code,
        )

    def _sum(self, state: RefundState) -> Money:
        return total(
            (
                one.amount
                for one in self.refunds
                if one.state is state and one.payment == self.payment
            ),
            currency=self.value.currency.code,
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

    def refund(self, identity: str) -> TopUpRefund:
        """Give one of its refunds.

        Raises:
            UnknownName: it has no such refund.
        """
        found = next((one for one in self.refunds if one.id == identity), None)
        if found is None:
            raise UnknownName(
                "refund", identity, f"is no refund of top-up {self.id!r}", "look at its refunds"
            )
        return found

    def dispute(self, identity: str) -> Dispute | None:
        """Give one of its disputes, if it is known."""
        return next((one for one in self.disputes if one.id == identity), None)

    def quarantined(self, payment: str) -> QuarantinedPayment | None:
        """Give a quarantined payment, if it is one."""
        return next((one for one in self.quarantine if one.payment == payment), None)

    def with_refund(self, refund: TopUpRefund) -> "TopUp":
        """Return the top-up with a refund added or replaced, in the state that follows."""
        kept = tuple(one for one in self.refunds if one.id != refund.id)
        return attrs.evolve(self, refunds=(*kept, refund)).restated()

    def with_dispute(self, dispute: Dispute) -> "TopUp":
        """Return the top-up with a dispute added or replaced, in the state that follows."""
        kept = tuple(one for one in self.disputes if one.id != dispute.id)
        return attrs.evolve(self, disputes=(*kept, dispute)).restated()

    def with_quarantined(self, one: QuarantinedPayment) -> "TopUp":
        """Return the top-up with a quarantined payment added or replaced; its state stays."""
        kept = tuple(other for other in self.quarantine if other.payment != one.payment)
        ids = self.set_aside if one.payment in self.set_aside else (*self.set_aside, one.payment)
        return attrs.evolve(self, quarantine=(*kept, one), set_aside=ids)

    def restated(self) -> "TopUp":
        """Return the top-up in the state that its refunds and disputes make of it.

        Raises:
            IllegalTransition: the state table has no such move.
        """
        move = self._due_move()
        if _AFTER.get(move) is self.state or (
            move is TopUpMove.QUARANTINE and self.state is TopUpState.QUARANTINED
        ):
            return self
        return self.moved(move)

    def _due_move(self) -> TopUpMove:
        if self.under_way is not None:
            return TopUpMove.GIVE_BACK
        if self.entry is None:
            waiting = any(one.resolution is None for one in self.quarantine)
            return TopUpMove.QUARANTINE if waiting else TopUpMove.REFUND
        states = {one.state for one in self.disputes}
        if DisputeState.OPEN in states:
            return TopUpMove.DISPUTE
        if DisputeState.LOST in states:
            return TopUpMove.CHARGE_BACK
        back = self.given_back
        if back >= self.value:
            return TopUpMove.REFUND
        return TopUpMove.REFUND_PART if to_units(back) else TopUpMove.REINSTATE


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
    bonus: Bonus | None = None,
    automatic: str = "",
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
        bonus=bonus,
        automatic=automatic,
    )


def _told(amount: Money) -> str:
    return f"{amount_text(amount)} {amount.currency.code}"
