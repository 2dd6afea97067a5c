"""What a customer is told when something cannot be done."""

import pytest

from monochat_billing import errors
from monochat_billing.errors import (
    BillingError,
    GatewayError,
    IdempotencyConflict,
    IllegalTransition,
    InsufficientFunds,
    InvalidInput,
    LimitExceeded,
    StaleQuote,
    StoreBusy,
)
from monochat_billing.refusals import explain_refusal

SAMPLES = [
    InsufficientFunds("acme-17", "TRY", "1499", "501", "998"),
    InsufficientFunds("acme-17", "monochat.message", "12000", "0", "12000"),
    LimitExceeded("acme-17", "users", 1000, 1002),
    IllegalTransition("subscription", "sub-17", "PAUSED", "renew"),
    IdempotencyConflict("acme-17", "key-17", "amount", "1 TRY", "2 TRY"),
    StaleQuote("quote-17", "the subscription has changed since"),
    InvalidInput("amount", "-5", "is negative", "pass an amount above zero"),
    StoreBusy("save", "database-17 is locked"),
    GatewayError("iyzico", "create", "timeout-17"),
]


class TestExplaining:
    """In both languages, with amounts and without ids."""

    @pytest.mark.parametrize(
        "error", SAMPLES, ids=lambda one: f"{type(one).__name__}-{one.args[1]}"
    )
    def test_tells_no_secrets_of_the_house(self, error: BillingError) -> None:
        """No id, key, field or state; another sentence in each language."""
        english, turkish = explain_refusal(error), explain_refusal(error, "tr")
        assert english != turkish
        for inner in ("17", "iyzico", "PAUSED", "key", "field", "database"):
            assert inner not in english
            assert inner not in turkish

    def test_amounts_are_written_as_the_language_has_them(self) -> None:
        money, units, limit = SAMPLES[:3]
        assert explain_refusal(money, "tr") == (
            "bakiye yetmiyor: 1.499,00 TRY gerekli, 998,00 TRY eksik. Bakiye yükleyin."
        )
        assert "12,000 monochat.message needed" in explain_refusal(units)
        assert explain_refusal(limit) == (
            "1,002 users are above the limit of 1,000: remove 2 or choose a larger plan"
        )

    def test_every_error_has_a_sentence(self) -> None:
        """Also those that come later: what is true of their kind."""
        known = [one for one in vars(errors).values() if isinstance(one, type)]
        assert all(
            issubclass(one, BillingError) for one in known if one.__module__ == errors.__name__
        )
        assert explain_refusal(BillingError()) == "this cannot be done now"

    def test_refuses_another_language(self) -> None:
        with pytest.raises(InvalidInput, match="locale"):
            explain_refusal(SAMPLES[0], "de")
