"""What a type checker sees of the public names; mypy checks it, and running it does nothing."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import assert_type

from monochat_billing import (
    MONTH,
    Balance,
    Billing,
    BillingInterval,
    BillingPeriod,
    CampaignPart,
    ChangeQuote,
    ChangeResult,
    Checkout,
    Entry,
    Hold,
    MessageCategory,
    MeterRecord,
    MeterReport,
    Money,
    Overview,
    PackPurchase,
    PaymentReceipt,
    RunReport,
    Runway,
    Statement,
    Subscription,
    UsageRecord,
    UsageReport,
    allocate,
    money,
    sample_catalog,
)
from monochat_billing.adapters.memory import MemoryStorage
from monochat_billing.message_estimates import SendAnswer
from monochat_billing.rounding import Rounding
from monochat_billing.service.asynchronous import AsyncBilling
from monochat_billing.service.outbox import Delivery
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


async def what_a_task_awaits(billing: AsyncBilling, amount: Money) -> None:
    """Every verb that a task awaits takes and gives what the synchronous one does."""
    assert_type(await billing.balances.debit("acme", amount, reason="export", key="k"), Entry)
    assert_type(await billing.balances.list("acme"), Mapping[str, Balance])
    assert_type(await billing.balances.statement("acme", "TRY"), Statement)
    assert_type(await billing.holds.place("acme", amount, reason="export", key="k"), Hold)
    assert_type(await billing.messages.may_send("acme", []), SendAnswer)
    assert_type(await billing.outbox.claim("mail"), tuple[Delivery, ...])
    assert_type(await billing.packs.buy("acme", "whatsapp-1000", key="k"), PackPurchase)
    quote = await billing.subscriptions.preview("acme", to="growth", interval=MONTH)
    assert_type(quote, ChangeQuote)
    assert_type(await billing.subscriptions.change(quote), ChangeResult)
    assert_type(await billing.top_ups.receive("sandbox", {}, b""), PaymentReceipt)
    assert_type(await billing.overview("acme"), Overview)
    assert_type(await billing.run_due(), RunReport)


async def what_depends_on_what_is_passed(billing: AsyncBilling, at: datetime) -> None:
    """Overloads stay overloads."""
    message = UsageRecord(
        id="m", meter="m", occurred_at=at, market="Turkey", category=MessageCategory.UTILITY
    )
    assert_type(await billing.usage.record("acme", [message]), UsageReport)
    record = MeterRecord(id="r", meter="monochat.message", occurred_at=at, quantity=1)
    assert_type(await billing.usage.record("acme", [record]), MeterReport)


async def what_a_type_checker_refuses(billing: AsyncBilling, amount: Money) -> None:
    """An ignored error that is none is an error itself: here each of them is one."""
    await billing.balances.debit("acme", amount, reason="export")  # type: ignore[call-arg]
    await billing.balances.debit("acme", 12.5, reason="export", key="k")  # type: ignore[arg-type]
    await billing.balances.debot("acme")  # type: ignore[attr-defined]


def what_a_value_takes(at: datetime) -> None:
    """A value takes what its converter reads, and a type checker knows which types those are."""
    CampaignPart(market="Turkey", category="marketing", messages=1, delivered="0.9")
    CampaignPart(market="Turkey", category=3, messages=1)  # type: ignore[arg-type]
    BillingPeriod(start=at, end="2026-12-01")  # type: ignore[arg-type]
    Rounding(mode=None)  # type: ignore[arg-type]


def what_a_host_makes() -> None:
    """The arguments of the face take what the documents pass."""
    clock = MovingClock()
    assert_type(clock(), datetime)
    assert_type(clock.set(datetime(2026, 10, 5, tzinfo=UTC)), datetime)
    made = Billing(catalog=sample_catalog(), storage=MemoryStorage(), clock=clock)
    assert_type(made, Billing)
    assert_type(Workbench().billing, Billing)
