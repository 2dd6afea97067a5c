"""The face looking back: statements, past balances and consumption."""

from datetime import UTC, datetime, timedelta

import pytest

from monochat_billing import (
    MONTH,
    ChargeKind,
    Entry,
    InvalidInput,
    LotOrigin,
    Money,
    Terms,
    UnknownName,
    money,
)
from monochat_billing.readings import Reading
from monochat_billing.statements import Statement
from monochat_billing.units import plain_text
from tests.desk import START, Desk

RENEWAL = datetime(2026, 11, 5, 6, tzinfo=UTC)
RECORDED, EFFECTIVE = Reading.AS_RECORDED, Reading.AS_EFFECTIVE


def lira(amount: str) -> Money:
    return money(amount, "TRY")


def fund(desk: Desk) -> None:
    """Top up 5000, get 200 for messages that expire, and subscribe for 1499 a month."""
    desk.top_up("5000")
    desk.billing.balances.credit(
        "acme",
        money("200", "TRY"),
        reason="welcome",
        key="welcome",
        terms=Terms(
            origin=LotOrigin.PROMOTIONAL,
            pays_for=frozenset({ChargeKind.MESSAGE}),
            expires_at=RENEWAL - timedelta(days=2),
        ),
    )
    desk.billing.subscriptions.subscribe("acme", "growth", MONTH, key="signup")


def spend(desk: Desk, key: str, amount: str = "1") -> Entry:
    return desk.billing.balances.debit("acme", money(amount, "TRY"), reason="export", key=key)


def pages(desk: Desk, size: int, reading: Reading, between: str = "") -> list[Statement]:
    """Read a statement page by page, with a debit in between if a key prefix is given."""
    found: list[Statement] = []
    after = None
    while True:
        found.append(
            desk.billing.balances.statement("acme", "TRY", reading=reading, after=after, limit=size)
        )
        after = found[-1].next
        if after is None:
            return found
        if between:
            desk.clock.advance(hours=1)
            spend(desk, f"{between}-{len(found)}")


class TestStatements:
    def test_it_shows_what_is_due_before_it_is_written(self, desk: Desk) -> None:
        """As effective the expiry and the renewal are there; as recorded they are not yet."""
        fund(desk)
        desk.clock.now = RENEWAL + timedelta(days=3)
        effective = desk.billing.balances.statement("acme", "TRY", since=START + timedelta(days=1))
        told = [(one.entry.number, one.entry.kind.value, one.at) for one in effective.lines]
        assert told == [
            (5, "BREAKAGE", RENEWAL - timedelta(days=2)),
            (7, "PLAN_FEE", RENEWAL),  # 6: what was left of the plan's messages expired
        ]
        assert (effective.opening, effective.closing) == (lira("3701"), lira("2002"))
        recorded = desk.billing.balances.statement(
            "acme", "TRY", since=START + timedelta(days=1), reading=RECORDED
        )
        assert recorded.lines == ()
        assert recorded.closing == lira("3701")
        desk.billing.run_due()
        assert desk.billing.balances.statement(
            "acme", "TRY", since=START + timedelta(days=1)
        ).closing == lira("2002")
        late = desk.billing.balances.statement(
            "acme", "TRY", since=desk.clock.now, reading=RECORDED
        )
        assert [(one.entry.number, one.entry.kind.value) for one in late.lines] == [
            (5, "BREAKAGE"),
            (7, "PLAN_FEE"),
        ]

    def test_it_agrees_with_the_overview(self, desk: Desk) -> None:
        fund(desk)
        desk.clock.now = RENEWAL + timedelta(days=40)
        shown = desk.billing.overview("acme", last=100)
        whole = desk.billing.balances.statement("acme", "TRY")
        assert [one.entry for one in whole.lines] == [
            one for one in shown.last_entries if one.unit == "TRY"
        ]
        assert whole.closing == shown.balances[0].posted
        assert whole.zone == "Europe/Istanbul"

    @pytest.mark.parametrize("reading", list(Reading))
    @pytest.mark.parametrize("size", [1, 2, 3, 100])
    def test_pages_are_one_statement_whatever_is_posted_meanwhile(
        self, desk: Desk, reading: Reading, size: int
    ) -> None:
        """Neither debits between the pages nor the renewal that they write move a line."""
        fund(desk)
        for number in range(4):
            spend(desk, f"before-{number}")
        desk.clock.now = RENEWAL + timedelta(days=3)
        whole = desk.billing.balances.statement("acme", "TRY", reading=reading)
        parts = pages(desk, size, reading, between="meanwhile")
        told = [(one.entry.number, one.at, one.balance) for page in parts for one in page.lines]
        assert told == [(one.entry.number, one.at, one.balance) for one in whole.lines]
        assert parts[0].opening == lira("0")
        assert parts[-1].closing == whole.closing
        assert len(whole.lines) == (9 if reading is EFFECTIVE else 7)

    def test_a_new_statement_after_a_restart_is_the_same(self, desk: Desk) -> None:
        fund(desk)
        first = desk.billing.balances.statement("acme", "TRY", limit=2)
        again = desk.reopen()
        assert again.billing.balances.statement("acme", "TRY", limit=2) == first
        rest = again.billing.balances.statement("acme", "TRY", limit=2, after=first.next)
        assert [one.entry.number for one in rest.lines] == [3]

    def test_what_cannot_be_is_refused(self, desk: Desk) -> None:
        balances = desk.billing.balances
        with pytest.raises(UnknownName, match="account"):
            balances.statement("nobody", "TRY")
        with pytest.raises(UnknownName, match="currency"):
            balances.statement("acme", "EUR")
        with pytest.raises(InvalidInput, match="after"):
            balances.statement("acme", "TRY", after="2")
        with pytest.raises(InvalidInput, match="until"):
            balances.statement("acme", "TRY", since=START, until=START)
        with pytest.raises(InvalidInput, match="limit"):
            balances.statement("acme", "TRY", limit=0)


class TestPastBalances:
    def test_a_past_instant_in_both_readings(self, desk: Desk) -> None:
        fund(desk)
        desk.clock.now = RENEWAL + timedelta(days=3)
        desk.billing.run_due()
        at = desk.billing.balances.at
        assert at("acme", "TRY", START - timedelta(days=1)) == lira("0")
        assert at("acme", "TRY", START) == lira("3701")
        assert at("acme", "TRY", RENEWAL) == lira("2002")
        assert at("acme", "TRY", RENEWAL, reading=RECORDED) == lira("3701")
        assert at("acme", "TRY", desk.clock.now, reading=RECORDED) == lira("2002")
        assert at("acme", "USD", RENEWAL) == money("0", "USD")

    def test_what_is_due_is_part_of_now(self, desk: Desk) -> None:
        fund(desk)
        desk.clock.now = RENEWAL + timedelta(days=3)
        now = desk.clock.now
        assert desk.billing.balances.at("acme", "TRY", now) == lira("2002")
        assert desk.billing.balances.at("acme", "TRY", now, reading=RECORDED) == lira("3701")

    def test_the_future_is_not_known(self, desk: Desk) -> None:
        with pytest.raises(InvalidInput, match="lies ahead"):
            desk.billing.balances.at("acme", "TRY", START + timedelta(seconds=1))
        with pytest.raises(InvalidInput, match="no time zone"):
            desk.billing.balances.at("acme", "TRY", datetime(2026, 1, 1))  # noqa: DTZ001


class TestConsumption:
    def test_free_and_paid_money_by_kind_lot_and_month(self, desk: Desk) -> None:
        fund(desk)
        desk.clock.now = RENEWAL + timedelta(days=3)
        used = desk.billing.balances.consumption("acme", "TRY")
        assert [(one.name, plain_text(one.net)) for one in used.by_month()] == [
            ("2026-10", "3701"),
            ("2026-11", "-1699"),
        ]
        assert [(one.name, plain_text(one.debited)) for one in used.by_origin()] == [
            ("PAID", "-2998"),
            ("PROMOTIONAL", "-200"),
        ]
        assert [one.name for one in used.by_lot()] == ["#1 PAID", "#2 PROMOTIONAL"]
        desk.billing.run_due()
        assert desk.billing.balances.consumption("acme", "TRY") == used
        november = desk.billing.balances.consumption(
            "acme", "TRY", since=datetime(2026, 10, 31, 21, tzinfo=UTC), reading=RECORDED
        )
        assert november.total.net == lira("-1699")
