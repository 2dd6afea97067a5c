"""A key stands for one request, for ever: its first result is its only result."""

from collections.abc import Callable
from typing import Any

import pytest

from monochat_billing import (
    MONTH,
    YEAR,
    ChangeTiming,
    IdempotencyConflict,
    InsufficientFunds,
    InvalidInput,
    money,
)
from tests.desk import PROFILE, Desk


class TestReplay:
    """The same request under the same key gives the first result again and does nothing."""

    def test_after_the_balance_is_drained(self, desk: Desk) -> None:
        """The money is gone; the answer is not."""
        desk.top_up("10")
        debit = desk.billing.balances.debit
        first = debit("acme", money("4", "TRY"), reason="a", key="one")
        debit("acme", money("6", "TRY"), reason="b", key="two")
        before = desk.snapshot()
        assert debit("acme", money("4.00", "TRY"), reason="a", key="one") == first
        assert desk.snapshot() == before

    def test_after_a_restart_and_years(self, desk: Desk) -> None:
        """Keys do not expire, and do not let time pass either."""
        desk.top_up("2000")
        first = desk.billing.subscriptions.subscribe("acme", "growth", MONTH, key="s")
        before = desk.snapshot()
        later = desk.reopen()
        later.clock.advance(days=2000)
        assert later.billing.subscriptions.subscribe("acme", "growth", MONTH, key="s") == first
        assert later.snapshot() == before

    def test_a_refusal_stays_a_refusal(self, desk: Desk) -> None:
        """Refused for want of money, repeated after a top-up: still refused; a new key succeeds."""
        debit = desk.billing.balances.debit
        with pytest.raises(InsufficientFunds) as first:
            debit("acme", money("5", "TRY"), reason="a", key="one")
        desk.top_up("10")
        later = desk.reopen()
        with pytest.raises(InsufficientFunds) as again:
            later.billing.balances.debit("acme", money("5", "TRY"), reason="a", key="one")
        assert again.value.args == first.value.args
        assert first.value.args[:5] == ("acme", "TRY", "5", "0", "5")
        later.billing.balances.debit("acme", money("5", "TRY"), reason="a", key="two")

    def test_a_mistake_is_not_remembered(self, desk: Desk) -> None:
        """Correct the argument and call again with the same key."""
        desk.top_up("10")
        debit = desk.billing.balances.debit
        with pytest.raises(InvalidInput):
            debit("acme", money("-5", "TRY"), reason="a", key="one")
        assert debit("acme", money("5", "TRY"), reason="a", key="one").amount == -5_000_000

    def test_keys_belong_to_one_account(self, desk: Desk) -> None:
        """Two accounts may use the same key."""
        desk.billing.accounts.open(
            "other", zone="Europe/Istanbul", currencies=["TRY"], profile=PROFILE
        )
        for account in ("acme", "other"):
            desk.top_up("10", account=account)
            entry = desk.billing.balances.debit(account, money("1", "TRY"), reason="a", key="one")
            assert entry.account == account

    def test_opening_an_account_again(self, desk: Desk) -> None:
        """The account's id is the key, even after the account has moved on."""
        desk.top_up("10")
        desk.clock.advance(days=1)
        desk.billing.balances.debit("acme", money("1", "TRY"), reason="a", key="one")
        again = desk.billing.accounts.open(
            "acme", zone="Europe/Istanbul", currencies=["TRY", "USD"], profile=PROFILE
        )
        assert again.opened_at == again.as_of
        assert again.profile == PROFILE


def debit(desk: Desk, **changed: object) -> object:
    request: dict[str, Any] = {
        "amount": money("5", "TRY"),
        "reason": "a",
        "reference": "r",
        **changed,
    }
    return desk.billing.balances.debit("acme", **request, key="one")


def start(desk: Desk, **changed: object) -> object:
    request: dict[str, Any] = {
        "amount": money("5", "TRY"),
        "gateway": "sandbox",
        "return_url": "https://acme.example/back",
        **changed,
    }
    return desk.billing.top_ups.start("acme", **request, key="one")


def subscribe(desk: Desk, **changed: object) -> object:
    request: dict[str, Any] = {
        "product": "basic",
        "interval": MONTH,
        "currency": "TRY",
        **changed,
    }
    return desk.billing.subscriptions.subscribe("acme", **request, key="one")


def plan(desk: Desk, **changed: object) -> object:
    request: dict[str, Any] = {"to": "growth", "interval": YEAR, **changed}
    return desk.billing.schedule.change("acme", **request, key="one")


def reopen_account(desk: Desk, **changed: object) -> object:
    request: dict[str, Any] = {
        "zone": "Europe/Istanbul",
        "currencies": ["TRY", "USD"],
        "profile": PROFILE,
        **changed,
    }
    return desk.billing.accounts.open("acme", **request)


class TestConflict:
    """The same key for another request is refused, naming the field that differs."""

    @pytest.mark.parametrize(
        ("command", "field", "other"),
        [
            (debit, "amount", money("6", "TRY")),
            (debit, "amount", money("5", "USD")),
            (debit, "reason", "b"),
            (debit, "reference", "q"),
            (start, "amount", money("6", "TRY")),
            (start, "return_url", "https://acme.example/elsewhere"),
            (subscribe, "product", "growth"),
            (subscribe, "interval", YEAR),
            (subscribe, "currency", "USD"),
            (subscribe, "trial", False),
            (plan, "to", "enterprise"),
            (plan, "interval", MONTH),
            (plan, "timing", ChangeTiming.IMMEDIATE),
            (reopen_account, "zone", "Europe/Berlin"),
            (reopen_account, "currencies", ["TRY"]),
            (reopen_account, "profile", None),
        ],
        ids=lambda value: getattr(value, "__name__", str(value)),
    )
    def test_names_the_field(
        self, desk: Desk, command: Callable[..., object], field: str, other: object
    ) -> None:
        """Each field in turn; nothing happens."""
        desk.top_up("10", key="funds")
        desk.billing.subscriptions.subscribe(
            "acme", "priority" if command is not plan else "basic", MONTH, key="x"
        ) if command is plan else None
        command(desk)
        before = desk.snapshot()
        with pytest.raises(IdempotencyConflict) as caught:
            command(desk, **{field: other})
        assert caught.value.field == field
        assert desk.snapshot() == before

    def test_names_the_verb(self, desk: Desk) -> None:
        """A key that paid a debit cannot start a top-up, or preview a change."""
        desk.top_up("10", key="funds")
        debit(desk)
        with pytest.raises(IdempotencyConflict) as caught:
            start(desk)
        assert caught.value.field == "verb"
        desk.billing.subscriptions.subscribe("acme", "basic", MONTH, key="s")
        with pytest.raises(IdempotencyConflict) as caught:
            desk.billing.subscriptions.preview("acme", to="growth", key="one")
        assert caught.value.field == "verb"

    def test_a_quote_changed_by_hand(self, desk: Desk) -> None:
        """One key executes one quote."""
        desk.top_up("90000", key="funds")
        desk.billing.subscriptions.subscribe("acme", "growth", MONTH, key="s")
        preview = desk.billing.subscriptions.preview
        one = preview("acme", to="growth", interval=YEAR, key="k")
        other = preview("acme", to="enterprise", key="k")
        desk.billing.subscriptions.change(one)
        with pytest.raises(IdempotencyConflict, match="quote"):
            desk.billing.subscriptions.change(other)
