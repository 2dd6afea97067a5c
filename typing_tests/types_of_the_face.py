"""What a type checker sees of the public names; mypy checks it, and running it does nothing."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import assert_type

from monochat_billing import (
    MONTH,
    Balance,
    Billing,
    BillingInterval,
    ChangeQuote,
    Checkout,
    Money,
    Overview,
    PaymentReceipt,
    RunReport,
    Runway,
    Statement,
    Subscription,
    allocate,
    money,
    sample_catalog,
)
from monochat_billing.adapters.memory import MemoryStorage
from monochat_billing.testing.workbench import MovingClock, Workbench


def what_a_host_reads(billing: Billing) -> None:
    """Every verb that a host calls says what it gives, and nothing is Any."""
    assert_type(money("1", "TRY"), Money)
    assert_type(allocate(money("1", "TRY"), [1, 2]), tuple[Money, ...])
    assert_type(MONTH, BillingInterval)
    assert_type(billing.balances.list("acme"), Mapping[str, Balance])
    assert_type(billing.balances.statement("acme", "TRY"), Statement)
    assert_type(billing.subscriptions.subscribe("acme", "growth", MONTH, key="s"), Subscription)
    assert_type(billing.subscriptions.preview("acme", to="growth", interval=MONTH), ChangeQuote)
    assert_type(billing.top_ups.receive("sandbox", {}, b""), PaymentReceipt)
    assert_type(
        billing.top_ups.start(
            "acme", money("1", "TRY"), gateway="sandbox", return_url="https://a.example", key="t"
        ),
        Checkout,
    )
    assert_type(billing.overview("acme"), Overview)
    assert_type(billing.runway("acme"), Runway)
    assert_type(billing.run_due(), RunReport)


def what_a_host_makes() -> None:
    """The arguments of the face take what the documents pass."""
    clock = MovingClock()
    assert_type(clock(), datetime)
    assert_type(clock.set(datetime(2026, 10, 5, tzinfo=UTC)), datetime)
    made = Billing(catalog=sample_catalog(), storage=MemoryStorage(), clock=clock)
    assert_type(made, Billing)
    assert_type(Workbench().billing, Billing)
