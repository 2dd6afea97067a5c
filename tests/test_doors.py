"""Bad input at each door: a typed error names field, value and remedy, and nothing is stored."""

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal

import attrs
import pytest

from monochat_billing import (
    MONTH,
    Address,
    BillingProfile,
    ChangeTiming,
    ForgedCallback,
    IdempotencyConflict,
    InvalidInput,
    MessageCategory,
    Money,
    ScheduledChange,
    TaxId,
    TaxIdKind,
    UnknownName,
    UsageRecord,
    money,
)
from tests.desk import PROFILE, Desk

NAIVE = datetime(2026, 11, 1)  # noqa: DTZ001 - the subject


def debit(desk: Desk, amount: object, account: str = "acme", reason: str = "a") -> object:
    return desk.billing.balances.debit(account, amount, reason=reason, key="k")  # type: ignore[arg-type]


def start(
    desk: Desk, amount: object, gateway: str = "sandbox", url: str = "https://a.example"
) -> object:
    return desk.billing.top_ups.start("acme", amount, gateway=gateway, return_url=url, key="k")  # type: ignore[arg-type]


def open_account(desk: Desk, **changed: object) -> object:
    facts = {"zone": "Europe/Istanbul", "currencies": ["TRY"], "profile": PROFILE, **changed}
    name = str(facts.pop("account", "other"))
    return desk.billing.accounts.open(name, **facts)  # type: ignore[arg-type]


def plan(desk: Desk, **changed: object) -> object:
    facts = {"to": "growth", "key": "k", **changed}
    return desk.billing.schedule.change("acme", **facts)  # type: ignore[arg-type]


def usage(identity: str) -> UsageRecord:
    return UsageRecord(
        id=identity,
        meter="whatsapp.message",
        occurred_at=datetime(2026, 10, 6, tzinfo=UTC),
        market="Turkey",
        category=MessageCategory.UTILITY,
    )


DOORS: list[tuple[str, type[InvalidInput], str, Callable[[Desk], object]]] = [
    ("no such account", UnknownName, "account", lambda d: debit(d, money("1", "TRY"), "nobody")),
    ("blank account", InvalidInput, "account", lambda d: open_account(d, account=" ")),
    ("no such zone", InvalidInput, "zone", lambda d: open_account(d, zone="Europe/Ankara")),
    ("no currency", InvalidInput, "currencies", lambda d: open_account(d, currencies=[])),
    ("no such currency", InvalidInput, "currencies", lambda d: open_account(d, currencies=["TL"])),
    (
        "a currency twice",
        InvalidInput,
        "currencies",
        lambda d: open_account(d, currencies=["TRY"] * 2),
    ),
    ("negative", InvalidInput, "amount", lambda d: debit(d, money("-1", "TRY"))),
    ("zero", InvalidInput, "amount", lambda d: debit(d, money("0", "TRY"))),
    ("not a number", InvalidInput, "amount", lambda d: debit(d, Money(Decimal("NaN"), "TRY"))),
    ("infinite", InvalidInput, "amount", lambda d: debit(d, Money(Decimal("Infinity"), "TRY"))),
    ("too precise", InvalidInput, "amount", lambda d: debit(d, Money(Decimal("0.0000001"), "TRY"))),
    ("not money", InvalidInput, "amount", lambda d: debit(d, 12.5)),
    ("no text", InvalidInput, "reason", lambda d: debit(d, money("1", "TRY"), reason="a\0")),
    ("a novel", InvalidInput, "reason", lambda d: debit(d, money("1", "TRY"), reason="a" * 501)),
    (
        "half a character",
        InvalidInput,
        "actor",
        lambda d: d.billing.balances.debit(
            "acme", money("1", "TRY"), reason="a", key="k", actor="\ud800"
        ),
    ),
    (
        "usage without a proper id",
        InvalidInput,
        "records.id",
        lambda d: d.billing.usage.record("acme", [usage("wamid.\0")]),
    ),
    (
        "usage with half a character in its reference",
        InvalidInput,
        "records.reference",
        lambda d: d.billing.usage.record(
            "acme", [attrs.evolve(usage("wamid.1"), reference="\ud800")]
        ),
    ),
    ("no actor", InvalidInput, "actor", lambda d: plan(d, actor=None)),
    ("a timing in other words", InvalidInput, "timing", lambda d: plan(d, timing="LATER")),
    (
        "an instant with the period's end",
        InvalidInput,
        "at",
        lambda d: plan(d, timing=ChangeTiming.END_OF_PERIOD, at=datetime(2027, 1, 1, tzinfo=UTC)),
    ),
    (
        "an instant that is missing",
        InvalidInput,
        "at",
        lambda d: plan(d, timing=ChangeTiming.AT, at=None),
    ),
    ("an interval in words", InvalidInput, "interval", lambda d: plan(d, interval="MONTH")),
    (
        "a reference that is no text",
        InvalidInput,
        "reference",
        lambda d: d.billing.balances.debit(
            "acme",
            money("1", "TRY"),
            reason="a",
            key="k",
            reference=5,  # type: ignore[arg-type]
        ),
    ),
    (
        "no key",
        InvalidInput,
        "key",
        lambda d: d.billing.balances.debit(
            "acme",
            money("1", "TRY"),
            reason="a",
            key=None,  # type: ignore[arg-type]
        ),
    ),
    ("no reason", InvalidInput, "reason", lambda d: debit(d, money("1", "TRY"), reason=" ")),
    ("wrong currency", UnknownName, "currency", lambda d: debit(d, money("1", "EUR"))),
    ("top up less than kuruş", InvalidInput, "amount", lambda d: start(d, money("0.001", "TRY"))),
    ("top up nothing", InvalidInput, "amount", lambda d: start(d, money("0", "TRY"))),
    ("top up not money", InvalidInput, "amount", lambda d: start(d, "25000")),
    ("top up elsewhere", UnknownName, "currency", lambda d: start(d, money("1", "EUR"))),
    ("no such gateway", UnknownName, "gateway", lambda d: start(d, money("1", "TRY"), "paypal")),
    ("no way back", InvalidInput, "return_url", lambda d: start(d, money("1", "TRY"), url="/back")),
    (
        "no such plan",
        UnknownName,
        "product",
        lambda d: d.billing.subscriptions.subscribe("acme", "grwth", MONTH, key="k"),
    ),
    (
        "no such price",
        UnknownName,
        "price",
        lambda d: d.billing.subscriptions.subscribe(
            "acme", "growth", type(MONTH).parse("2 MONTH"), key="k"
        ),
    ),
    (
        "no such balance",
        UnknownName,
        "currency",
        lambda d: d.billing.subscriptions.subscribe(
            "acme", "growth", MONTH, key="k", currency="EUR"
        ),
    ),
    (
        "no subscription to change",
        UnknownName,
        "subscription",
        lambda d: d.billing.subscriptions.preview("acme", to="priority"),
    ),
    (
        "preview without an instant",
        InvalidInput,
        "timing",
        lambda d: d.billing.subscriptions.preview("acme", to="growth", timing=ChangeTiming.AT),
    ),
    (
        "a naive instant",
        InvalidInput,
        "at",
        lambda d: d.billing.schedule.change(
            "acme", to="growth", timing=ChangeTiming.AT, at=NAIVE, key="k"
        ),
    ),
    (
        "an instant behind",
        InvalidInput,
        "at",
        lambda d: d.billing.schedule.change(
            "acme",
            to="growth",
            timing=ChangeTiming.AT,
            at=datetime(2020, 1, 1, tzinfo=UTC),
            key="k",
        ),
    ),
    (
        "a blank key",
        InvalidInput,
        "key",
        lambda d: d.billing.balances.debit("acme", money("1", "TRY"), reason="a", key=""),
    ),
    (
        "no such scheduled change",
        UnknownName,
        "scheduled_change",
        lambda d: d.billing.schedule.revoke("acme", "nothing", key="k"),
    ),
    (
        "usage that is none",
        InvalidInput,
        "records",
        lambda d: d.billing.usage.record("acme", ["wamid.1"]),  # type: ignore[list-item]
    ),
    (
        "an unsigned callback",
        ForgedCallback,
        "X-Sandbox-Signature",
        lambda d: d.billing.top_ups.receive("sandbox", {}, b"{}"),
    ),
    (
        "a callback of nobody",
        UnknownName,
        "gateway",
        lambda d: d.billing.top_ups.receive("paypal", {}, b"{}"),
    ),
]


class TestDoors:
    """Every door refuses what can never be right."""

    @pytest.mark.parametrize(
        ("error", "field", "knock"),
        [row[1:] for row in DOORS],
        ids=[row[0] for row in DOORS],
    )
    def test_is_refused(
        self,
        desk: Desk,
        error: type[InvalidInput],
        field: str,
        knock: Callable[[Desk], object],
    ) -> None:
        """The error names the field, the remedy is not empty, the books are as they were."""
        desk.top_up("100", key="funds")
        desk.billing.subscriptions.subscribe("acme", "basic", MONTH, key="s")
        before = desk.snapshot()
        with pytest.raises(error) as caught:
            knock(desk)
        assert caught.value.field == field
        assert caught.value.remedy
        assert caught.value.problem
        assert desk.snapshot() == before
        with pytest.raises(UnknownName):
            desk.billing.accounts.get("other")

    def test_a_bad_tax_number_never_becomes_a_profile(self) -> None:
        """The door stands before the service: there is no such value."""
        with pytest.raises(InvalidInput) as caught:
            BillingProfile(
                business_name="Acme",
                address=Address(line="Street 1", city="Ankara", post_code="06420"),
                tax_id=TaxId(kind=TaxIdKind.VKN, number="6120606539", tax_office="Ulus"),
            )
        assert caught.value.field == "tax_id.number"
        assert caught.value.remedy


class TestWhenIsDerived:
    """Without a timing, an instant means AT, and none the end of the period."""

    @pytest.fixture
    def subscribed(self, desk: Desk) -> Desk:
        desk.billing.subscriptions.subscribe("acme", "basic", MONTH, key="s")
        return desk

    def test_an_instant_alone(self, subscribed: Desk) -> None:
        at = datetime(2027, 1, 1, tzinfo=UTC)
        planned = plan(subscribed, at=at)
        assert isinstance(planned, ScheduledChange)
        assert (planned.timing, planned.at) == (ChangeTiming.AT, at)
        assert plan(subscribed, at=at, timing=ChangeTiming.AT) == planned, "the same request"

    def test_nothing_at_all(self, subscribed: Desk) -> None:
        planned = plan(subscribed)
        assert isinstance(planned, ScheduledChange)
        assert (planned.timing, planned.at) == (ChangeTiming.END_OF_PERIOD, None)
        assert plan(subscribed, timing=ChangeTiming.END_OF_PERIOD) == planned, "the same request"
        with pytest.raises(IdempotencyConflict):
            plan(subscribed, at=datetime(2027, 1, 1, tzinfo=UTC))
