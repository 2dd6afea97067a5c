"""The words between the library and a provider: amounts in minor units, capabilities, buyers."""

import pytest
from hypothesis import given, strategies as st

from monochat_billing.errors import InvalidInput
from monochat_billing.gateways import (
    Buyer,
    GatewayCapabilities,
    Payment,
    PaymentReference,
    PaymentStatus,
    from_minor,
    to_minor,
)
from monochat_billing.money import money

CAN = GatewayCapabilities(
    currencies=frozenset({"TRY", "EUR"}),
    minimum=(money("1", "TRY"),),
    reference=r"[A-Za-z0-9]{1,8}",
)


class TestMinorUnits:
    """Providers count kuruş, cents and yen; nothing is rounded on the way."""

    @given(
        units=st.integers(-(10**12), 10**12), currency=st.sampled_from(["TRY", "USD", "JPY", "KWD"])
    )
    def test_there_and_back(self, units: int, currency: str) -> None:
        """Every count of minor units is one amount."""
        assert to_minor(from_minor(units, currency)) == units

    @pytest.mark.parametrize(
        ("units", "currency", "text"),
        [(1, "TRY", "0.01"), (-5, "TRY", "-0.05"), (500, "JPY", "500"), (1234, "KWD", "1.234")],
    )
    def test_known_amounts(self, units: int, currency: str, text: str) -> None:
        """Computed apart."""
        assert from_minor(units, currency) == money(text, currency)

    def test_what_is_finer_is_refused(self) -> None:
        """Half a kuruş cannot be asked of a provider."""
        with pytest.raises(InvalidInput, match="amount"):
            to_minor(money("0.005", "TRY"))


class TestCapabilities:
    """What a gateway cannot take is refused before anything is stored."""

    def test_takes_what_fits(self) -> None:
        """At the minimum, and where there is none."""
        CAN.check(money("1", "TRY"))
        CAN.check(money("0.01", "EUR"))
        GatewayCapabilities().check(money("0.01", "USD"))
        assert CAN.check_reference("a1") == "a1"

    @pytest.mark.parametrize(("amount", "code"), [("0.99", "TRY"), ("5", "USD")])
    def test_refuses_what_does_not(self, amount: str, code: str) -> None:
        """Too little, and another currency."""
        with pytest.raises(InvalidInput) as refused:
            CAN.check(money(amount, code))
        assert refused.value.field == "amount"

    @pytest.mark.parametrize("reference", ["", "top-1", "123456789", "a\n"])
    def test_refuses_a_reference_of_another_form(self, reference: str) -> None:
        """Before the provider does."""
        with pytest.raises(InvalidInput) as refused:
            CAN.check_reference(reference)
        assert refused.value.field == "top_up"


class TestValues:
    """Nothing personal shows, and a payment can be looked up again."""

    def test_a_buyer_shows_nothing(self) -> None:
        """Neither in repr nor in text."""
        buyer = Buyer(name="Ayşe", identity_number="10000000146", ip="203.0.113.7")
        assert repr(buyer) == str(buyer) == "Buyer(…)"

    def test_a_payment_names_itself(self) -> None:
        """By everything that is known of it."""
        payment = Payment(
            gateway="g", top_up="t", payment="p", status=PaymentStatus.OPEN, checkout="c"
        )
        assert payment.reference == PaymentReference(top_up="t", checkout="c", payment="p")
