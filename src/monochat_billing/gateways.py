"""What the library and a payment provider say to each other.

Owns the words: who pays, a checkout, a payment and its status, a refund, what to answer to a
callback, and what a gateway can do.
Does not own top-ups nor the judgment of a payment (:mod:`monochat_billing.payments`, where the
:class:`~monochat_billing.payments.PaymentGateway` protocol stands too) nor any network.

>>> can = GatewayCapabilities(currencies=frozenset({"TRY"}), minimum=(money("1", "TRY"),))
>>> can.check(money("0.50", "TRY"))  # doctest: +ELLIPSIS
Traceback (most recent call last):
monochat_billing.errors.InvalidInput: amount: '0.5' is below the gateway's minimum; pay at ...
"""

import enum
import re
from datetime import datetime
from typing import Final, final

import attrs

from monochat_billing.errors import InvalidInput
from monochat_billing.money import Money, amount_text, minor_digits, money, to_units

__all__ = [
    "NOBODY",
    "Buyer",
    "CallbackAnswer",
    "Checkout",
    "CheckoutKind",
    "GatewayCapabilities",
    "Payment",
    "PaymentMode",
    "PaymentReference",
    "PaymentStatus",
    "Refund",
    "RefundStatus",
    "from_minor",
    "not_offered",
    "to_minor",
]


class PaymentStatus(enum.StrEnum):
    """Name what a gateway says of a payment.

    ``OPEN``: nobody has paid yet, or the provider knows nothing of it. ``PENDING``: the buyer has
    paid and the provider has not decided (a fraud review, a bank debit under way). ``PAID`` and
    ``FAILED``: this payment is decided. ``EXPIRED``: the checkout closed unpaid. ``REFUNDED``: some
    of it has gone back, how much in all is told. ``DISPUTED``: the buyer's bank wants it back;
    ``DISPUTE_LOST`` and ``DISPUTE_WON`` end that. ``OTHER``: a genuine callback about something
    that this version does not know.
    """

    OPEN = "OPEN"
    PENDING = "PENDING"
    PAID = "PAID"
    FAILED = "FAILED"
    EXPIRED = "EXPIRED"
    REFUNDED = "REFUNDED"
    DISPUTED = "DISPUTED"
    DISPUTE_LOST = "DISPUTE_LOST"
    DISPUTE_WON = "DISPUTE_WON"
    OTHER = "OTHER"


class PaymentMode(enum.StrEnum):
    """Name whether real money moves."""

    LIVE = "LIVE"
    TEST = "TEST"


class CheckoutKind(enum.StrEnum):
    """Name what to do with a checkout.

    ``REDIRECT``: send the buyer to its URL. ``IFRAME``: show its URL in a frame of your page.
    ``TRANSFER``: there is no page; show its instructions.
    """

    REDIRECT = "REDIRECT"
    IFRAME = "IFRAME"
    TRANSFER = "TRANSFER"


class RefundStatus(enum.StrEnum):
    """Name what became of a refund at the provider."""

    DONE = "DONE"
    PENDING = "PENDING"
    FAILED = "FAILED"


@final
@attrs.frozen(kw_only=True, repr=False)
class Buyer:
    """Hold what a provider asks about the person at the payment page, beyond the billing profile.

    It is passed through and never stored, and its ``repr`` shows nothing of it. A blank field
    falls back to the billing profile where that knows it. ``identity_number`` is a TCKN or a
    passport number.

    >>> Buyer(ip="203.0.113.7", phone="+905350000000")
    Buyer(…)
    """

    name: str = ""
    surname: str = ""
    email: str = ""
    phone: str = ""
    ip: str = ""
    identity_number: str = ""

    def __repr__(self) -> str:
        return "Buyer(…)"


NOBODY: Final = Buyer()
"""A buyer of whom nothing is known beyond the billing profile."""


@final
@attrs.frozen(kw_only=True)
class PaymentReference:
    """Name a payment to its provider, by whatever is known of it.

    ``top_up`` is our own reference, ``checkout`` the provider's id of the checkout (a session, a
    token), ``payment`` its id of the payment, ``dispute`` its id of a dispute. Blank is unknown.
    """

    top_up: str = ""
    checkout: str = ""
    payment: str = ""
    dispute: str = ""


@final
@attrs.frozen(kw_only=True)
class Checkout:
    """Describe one visit to a gateway's payment page.

    Send the buyer to ``redirect_url``, or do as ``kind`` says. The page proves nothing by itself:
    only what the gateway verified moves money. ``reference`` is the provider's id of the checkout,
    ``expires_at`` the instant from which it takes no payment (aware, exclusive; None when the
    provider does not say), ``instructions`` what a buyer reads who pays without a page.

    >>> from monochat_billing.money import money
    >>> from monochat_billing.testing.workbench import Workbench
    >>> bench = Workbench()
    >>> account = bench.open("acme", money("5000", "TRY"))
    >>> checkout = bench.billing.top_ups.start(
    ...     "acme", money("250", "TRY"), gateway="sandbox", key="k",
    ...     return_url="https://acme.example/",
    ... )
    >>> print(checkout.top_up, checkout.kind)
    id-1 REDIRECT
    """

    top_up: str
    gateway: str
    amount: Money
    redirect_url: str
    kind: CheckoutKind = CheckoutKind.REDIRECT
    reference: str = attrs.field(default="", repr=False)
    expires_at: datetime | None = None
    instructions: str = ""

    def __str__(self) -> str:
        ordered = f"{amount_text(self.amount)} {self.amount.currency.code}"
        return f"top-up {self.top_up}: {ordered} by {self.gateway} at {self.redirect_url}"


@final
@attrs.frozen(kw_only=True)
class Payment:
    """State what a gateway says of a payment, verified.

    ``top_up`` is our own reference that the gateway gives back (blank in a callback that names
    only the provider's ``checkout``), ``payment`` the gateway's id of the payment, ``amount`` what
    the buyer paid, a surcharge for instalments included (None unless it is paid or pending); of a
    refund it is what has gone back in all so far, of a dispute what is disputed, under ``dispute``.
    ``mode`` is None where the gateway knows no modes, ``kind`` the provider's own name of what
    happened, ``actor`` the person who vouches for it, ``paid_at`` when it was paid, where known.

    >>> said = Payment(gateway="sandbox", top_up="t-1", payment="p-1", status=PaymentStatus.FAILED)
    >>> said.status.value, said.amount
    ('FAILED', None)
    """

    gateway: str
    top_up: str
    payment: str
    status: PaymentStatus
    amount: Money | None = None
    mode: PaymentMode | None = None
    checkout: str = attrs.field(default="", repr=False)
    kind: str = ""
    actor: str = ""
    paid_at: datetime | None = None
    dispute: str = ""

    @property
    def reference(self) -> PaymentReference:
        """Give what a gateway needs to look the payment up."""
        return PaymentReference(
            top_up=self.top_up,
            checkout=self.checkout,
            payment=self.payment,
            dispute=self.dispute,
        )


@final
@attrs.frozen(kw_only=True)
class Refund:
    """State what a gateway says of a refund; ``refund`` is the provider's id of it."""

    gateway: str
    refund: str
    amount: Money
    status: RefundStatus


@final
@attrs.frozen(kw_only=True)
class CallbackAnswer:
    """State what to answer to the gateway so that it stops repeating the callback."""

    status: int = 200
    body: str = "OK"
    content_type: str = "text/plain"


@final
@attrs.frozen(kw_only=True)
class GatewayCapabilities:
    """Say what a gateway can do, so that hosts and the service need not know its name.

    ``currencies`` is None for any. ``minimum`` is the least amount of each currency that has one.
    ``reference`` is the pattern that the provider demands of our own reference.
    ``callback_is_proof`` is False where a callback must be followed by ``retrieve`` before money
    moves. ``create_is_idempotent`` and ``refund_is_idempotent`` say that repeating the call
    cannot do it twice. ``retrieves``, ``refunds``, ``partial_refunds`` and ``cancels`` say which
    verbs exist at all, ``tells_refunds`` that it can be asked how much has gone back. ``mode`` is
    None where the gateway knows no modes.
    """

    currencies: frozenset[str] | None = None
    minimum: tuple[Money, ...] = ()
    reference: str = r"[ -~]{1,128}"
    callback_is_proof: bool = True
    create_is_idempotent: bool = True
    retrieves: bool = False
    refunds: bool = False
    partial_refunds: bool = False
    refund_is_idempotent: bool = False
    tells_refunds: bool = False
    cancels: bool = False
    mode: PaymentMode | None = None

    def check(self, amount: Money) -> None:
        """Refuse an amount that the gateway cannot take.

        Raises:
            InvalidInput: naming ``amount``: another currency, or below the minimum.
        """
        code = amount.currency.code
        if self.currencies is not None and code not in self.currencies:
            raise InvalidInput(
                "amount",
                f"{amount_text(amount)} {code}",
                "is in a currency that the gateway does not take",
                f"use one of {', '.join(sorted(self.currencies))}",
            )
        for least in self.minimum:
            if least.currency.code == code and to_units(amount) < to_units(least):
                raise InvalidInput(
                    "amount",
                    amount_text(amount),
                    "is below the gateway's minimum",
                    f"pay at least {amount_text(least)} {code}",
                )

    def check_reference(self, top_up: str) -> str:
        """Return ``top_up`` when the provider takes it as our reference.

        Raises:
            InvalidInput: naming ``top_up``: it does not match ``reference``.
        """
        if re.fullmatch(self.reference, top_up) is None:
            raise InvalidInput(
                "top_up",
                top_up,
                "is no reference that the gateway takes",
                f"make ids that match {self.reference}",
            )
        return top_up


def not_offered(gateway: str, verb: str, remedy: str) -> InvalidInput:
    """Build the error of a verb that a gateway does not have.

    >>> print(not_offered("sandbox", "refund", "ask its capabilities first"))
    gateway: 'sandbox' offers no refund; ask its capabilities first
    """
    return InvalidInput("gateway", gateway, f"offers no {verb}", remedy)


def to_minor(amount: Money) -> int:
    """Return an amount in its currency's minor unit, exactly: kuruş, cents, yen.

    Raises:
        InvalidInput: the amount is finer than that.

    >>> to_minor(money("25000.50", "TRY")), to_minor(money("500", "JPY"))
    (2500050, 500)
    """
    return to_units(amount, minor_digits(amount.currency), field="amount")


def from_minor(units: int, currency: str) -> Money:
    """Return the amount of so many minor units.

    Raises:
        InvalidInput: the currency is unknown, or the amount too large.

    >>> from_minor(2500050, "TRY")
    Money('25000.5', 'TRY')
    """
    digits = minor_digits(currency)
    sign, text = ("-", str(-units)) if units < 0 else ("", str(units))
    padded = text.rjust(digits + 1, "0")
    whole, decimals = padded[: len(padded) - digits], padded[len(padded) - digits :]
    return money(f"{sign}{whole}.{decimals}" if decimals else f"{sign}{whole}", currency)
