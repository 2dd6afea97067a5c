"""The sandbox as a payment gateway: what a host plugs in.

Owns the link to the payment page and the reading of callbacks.
Does not own the page (that is :mod:`monochat_billing.adapters.sandbox.page`) nor any network call.
"""

from collections.abc import Mapping
from typing import final

import attrs

from monochat_billing.adapters.sandbox.signing import (
    PaymentLink,
    check_loopback_url,
    check_secret,
    check_url,
    read_callback,
    sign_link,
)
from monochat_billing.errors import InvalidInput
from monochat_billing.gateways import (
    NOBODY,
    Buyer,
    CallbackAnswer,
    Checkout,
    GatewayCapabilities,
    Payment,
    PaymentReference,
    Refund,
    RefundStatus,
    not_offered,
)
from monochat_billing.money import Money
from monochat_billing.payments import TopUp

__all__ = ["SandboxGateway"]


@final
@attrs.frozen
class SandboxGateway:
    """Take payments on a page that moves no real money.

    ``secret`` is what host and page share; a tuple while it is rotated, newest first. ``page_url``
    is where the page listens. ``callback_url`` is the host's own address on loopback; left out, the
    page calls the one that it was given itself, which suits a host whose port changes between
    runs. Nothing here uses the network or a clock, so ``create`` may be repeated at will.

    Raises:
        InvalidInput: a blank secret or name, a page URL that is none, a callback URL that is not
            on loopback.

    >>> gateway = SandboxGateway("secret", page_url="http://127.0.0.1:8080")
    >>> gateway
    SandboxGateway(page_url='http://127.0.0.1:8080', callback_url=None, name='sandbox')
    """

    secret: tuple[str, ...] = attrs.field(converter=check_secret, repr=False)
    page_url: str = attrs.field(kw_only=True)
    callback_url: str | None = attrs.field(default=None, kw_only=True)
    name: str = attrs.field(default="sandbox", kw_only=True)

    def __attrs_post_init__(self) -> None:
        check_url("page_url", self.page_url)
        if self.callback_url is not None:
            check_loopback_url("callback_url", self.callback_url)
        if not self.name.strip():
            raise InvalidInput("name", self.name, "is blank", "name the gateway")

    @property
    def capabilities(self) -> GatewayCapabilities:
        """Say what the sandbox can do: it takes any currency and remembers nothing."""
        return GatewayCapabilities(
            reference=r".{1,250}", refunds=True, partial_refunds=True, refund_is_idempotent=True
        )

    def create(self, top_up: TopUp, buyer: Buyer = NOBODY) -> Checkout:  # noqa: ARG002 - other gateways need it
        """Open a checkout: a signed link that carries all the page has to know.

        The same top-up always gets the same link, and whoever pays on it makes the same payment.

        Raises:
            InvalidInput: the amount is not above zero or has more than six decimals, the return
                URL is none, or an id cannot be printed.

        >>> from datetime import UTC, datetime
        >>> from monochat_billing.money import money
        >>> from monochat_billing.payments import start_top_up
        >>> from monochat_billing.profiles import Address, BillingProfile, TaxId, TaxIdKind
        >>> profile = BillingProfile(
        ...     business_name="Acme",
        ...     address=Address(line="Gül Sok. 5", post_code="34660", city="İstanbul"),
        ...     tax_id=TaxId(kind=TaxIdKind.VKN, number="4540536920", tax_office="Üsküdar"),
        ... )
        >>> top_up = start_top_up(
        ...     top_up_id="top-1",
        ...     account="acme",
        ...     gateway="sandbox",
        ...     amount=money("25000", "TRY"),
        ...     return_url="http://127.0.0.1:8000/return",
        ...     profile=profile,
        ...     at=datetime(2026, 10, 1, tzinfo=UTC),
        ... )
        >>> gateway = SandboxGateway("secret", page_url="http://127.0.0.1:8080")
        >>> gateway.create(top_up).redirect_url.partition("?")[0]
        'http://127.0.0.1:8080/pay'
        """
        link = PaymentLink(
            gateway=self.name,
            top_up=top_up.id,
            amount=top_up.amount,
            business_name=top_up.profile.business_name,
            return_url=top_up.return_url,
            callback_url=self.callback_url,
        )
        return Checkout(
            top_up=top_up.id,
            gateway=self.name,
            amount=top_up.amount,
            redirect_url=f"{self.page_url.rstrip('/')}/pay?{sign_link(self.secret, link)}",
        )

    def parse_callback(self, headers: Mapping[str, str], body: bytes) -> Payment:
        """Verify a callback and read it; ``body`` is the raw bytes that came.

        Header names match in any case. A repeated or late callback is the same payment again: no
        clock is asked, because one payment is credited once.

        Raises:
            ForgedCallback: the signature is missing, repeated, malformed or wrong.
            InvalidInput: the callback is signed but malformed, naming ``callback.<field>``.

        >>> gateway = SandboxGateway("secret", page_url="http://127.0.0.1:8080")
        >>> gateway.parse_callback({}, b"{}")  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        monochat_billing.errors.ForgedCallback: X-Sandbox-Signature: None is missing; only ...
        """
        return read_callback(self.secret, headers, body, gateway=self.name)

    def answer(self, payment: Payment) -> CallbackAnswer:  # noqa: ARG002 - other gateways need it
        """Give what the page wants to hear: any 2xx."""
        return CallbackAnswer()

    def retrieve(self, reference: PaymentReference) -> Payment:
        """Refuse: the page remembers nothing that could be asked for.

        Raises:
            InvalidInput: always.
        """
        raise self._without("retrieve", reference)

    def refund(self, reference: PaymentReference, amount: Money, *, key: str) -> Refund:
        """Give back what was never taken: it is done at once, and under one key it is one refund.

        Raises:
            InvalidInput: the payment is not named.
        """
        if not reference.payment:
            raise InvalidInput("reference", reference.top_up, "names no payment", "pay it first")
        return Refund(
            gateway=self.name, refund=f"re_{key}", amount=amount, status=RefundStatus.DONE
        )

    def refunded(self, reference: PaymentReference, currency: str) -> Money:  # noqa: ARG002 - as in the protocol
        """Refuse: the page remembers nothing that could be asked for.

        Raises:
            InvalidInput: always.
        """
        raise self._without("refunded", reference)

    def cancel(self, reference: PaymentReference) -> Payment:
        """Refuse: a signed link cannot be taken back.

        Raises:
            InvalidInput: always.
        """
        raise self._without("cancel", reference)

    def _without(self, verb: str, _: PaymentReference) -> InvalidInput:
        return not_offered(self.name, verb, "ask its capabilities first")
