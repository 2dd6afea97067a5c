"""The face watching thresholds: each crossing is an event, once."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given, strategies as st

from monochat_billing import (
    MONTH,
    ChargeKind,
    IdempotencyConflict,
    InsufficientFunds,
    InvalidInput,
    LotOrigin,
    Terms,
    UnknownName,
    money,
)
from monochat_billing.accounts import Step, noticed
from monochat_billing.adapters.memory import MemoryStorage
from monochat_billing.alerts import Direction, Report, ThresholdRule
from monochat_billing.balance import Books, EntryKind, Memo, credit, open_balance
from monochat_billing.events import BalanceCrossed, BalanceLow, BalanceRose
from monochat_billing.units import plain_text
from monochat_billing.watches import MOST_WATCHES, Watch, notice
from tests.desk import START, Clock, Desk, build
from tests.factories import new_account

LOW = ThresholdRule(thresholds=[money("100", "TRY"), money("500", "TRY")])
RENEWAL = datetime(2026, 11, 5, 6, tzinfo=UTC)


def watch(desk: Desk, rule: ThresholdRule = LOW, name: str = "low") -> Watch:
    return desk.billing.balances.watch("acme", "TRY", rule, name=name, key=f"watch {name}")


def crossed(desk: Desk) -> list[tuple[str, str, list[str], str, str]]:
    """Tell every crossing: direction, furthest, all fixed, before, after."""
    return [
        (
            "low" if isinstance(one.event, BalanceLow) else "rose",
            plain_text(one.event.threshold),
            [plain_text(each) for each in one.event.thresholds],
            plain_text(one.event.before),
            plain_text(one.event.available),
        )
        for one in desk.billing.events("acme", limit=1000)
        if isinstance(one.event, BalanceCrossed)
    ]


def spend(desk: Desk, amount: str, key: str) -> None:
    desk.billing.balances.debit("acme", money(amount, "TRY"), reason="export", key=key)


class TestCrossing:
    def test_each_crossing_is_an_event_of_the_command_that_did_it(self, desk: Desk) -> None:
        desk.top_up("1000")
        watch(desk)
        spend(desk, "499", "a")
        assert crossed(desk) == []
        spend(desk, "1", "b")
        spend(desk, "1", "c")
        assert crossed(desk) == [("low", "500", ["500"], "501", "500")]
        event = desk.billing.events("acme", limit=100)[-1].event
        assert isinstance(event, BalanceLow)
        assert (event.watch, event.at, event.steps) == ("low", START, 0)

    def test_one_command_reports_all_that_it_crosses_at_once(self, desk: Desk) -> None:
        desk.top_up("1000")
        watch(desk, ThresholdRule(thresholds=LOW.thresholds, step=money("20", "TRY")))
        spend(desk, "965", "a")
        assert crossed(desk) == [("low", "40", ["500", "100"], "1000", "35")]
        event = desk.billing.events("acme", limit=100)[-1].event
        assert isinstance(event, BalanceLow)
        assert event.steps == 3

    def test_it_is_reported_again_after_it_recovered(self, desk: Desk) -> None:
        desk.top_up("1000")
        watch(desk)
        watch(desk, ThresholdRule(thresholds=LOW.thresholds, report=Report.ONCE), "once")
        spend(desk, "600", "a")
        desk.top_up("100", key="not yet")
        spend(desk, "100", "b")
        assert [one[1] for one in crossed(desk)] == ["500", "500"]
        desk.top_up("200", key="back")
        spend(desk, "200", "c")
        assert [one[1] for one in crossed(desk)] == ["500", "500", "500"]
        spend(desk, "300", "d")
        assert [one[1] for one in crossed(desk)][3:] == ["100", "100"]

    def test_rising_is_watched_too(self, desk: Desk) -> None:
        watch(desk, ThresholdRule(thresholds=LOW.thresholds, direction=Direction.RISING))
        desk.top_up("100")
        desk.top_up("600", key="more")
        assert crossed(desk) == [
            ("rose", "100", ["100"], "0", "100"),
            ("rose", "500", ["500"], "100", "700"),
        ]
        assert isinstance(desk.billing.events("acme", limit=100)[-1].event, BalanceRose)

    def test_what_is_available_for_one_kind_is_watched_by_name(self, desk: Desk) -> None:
        """Money for messages alone does not hide that plans are out of money."""
        desk.top_up("600")
        desk.billing.balances.credit(
            "acme",
            money("900", "TRY"),
            reason="gift",
            key="gift",
            terms=Terms(origin=LotOrigin.PROMOTIONAL, pays_for=frozenset({ChargeKind.MESSAGE})),
        )
        watch(desk)
        watch(desk, ThresholdRule(thresholds=LOW.thresholds, kind=ChargeKind.PLAN), "plans")
        spend(desk, "200", "a")
        names = [
            one.event.watch
            for one in desk.billing.events("acme", limit=100)
            if isinstance(one.event, BalanceCrossed)
        ]
        assert names == ["plans"]

    def test_a_repeated_or_refused_command_reports_nothing(self, desk: Desk) -> None:
        desk.top_up("1000")
        watch(desk)
        spend(desk, "600", "a")
        spend(desk, "600", "a")
        with pytest.raises(InsufficientFunds):
            spend(desk, "600", "b")
        watch(desk)
        assert len(crossed(desk)) == 1
        assert [one.seen for one in desk.billing.balances.watches("acme")] == [400_000_000]

    def test_a_restart_remembers(self, desk: Desk) -> None:
        desk.top_up("1000")
        made = watch(desk)
        spend(desk, "600", "a")
        again = desk.reopen()
        (kept,) = again.billing.balances.watches("acme")
        assert (kept.rule, kept.name) == (LOW, "low")
        assert (made.seen, kept.seen) == (1_000_000_000, 400_000_000)
        spend(again, "1", "b")
        assert len(crossed(again)) == 1
        spend(again, "299", "c")
        assert len(crossed(again)) == 2


class TestTime:
    """What falls due crosses when it is due, whenever it is applied."""

    def ready(self, desk: Desk, funds: str = "4000", threshold: str = "1100") -> None:
        desk.top_up(funds)
        desk.billing.subscriptions.subscribe("acme", "growth", MONTH, key="signup")
        rule = ThresholdRule(thresholds=[money(threshold, "TRY")], step=money("1000", "TRY"))
        watch(desk, rule)

    def test_a_renewal_crosses_at_its_own_instant(self, desk: Desk) -> None:
        self.ready(desk)
        desk.clock.now = RENEWAL + timedelta(days=9)
        (seen,) = desk.billing.balances.watches("acme")
        assert seen.seen == 1_002_000_000
        assert crossed(desk) == []
        desk.billing.run_due()
        assert crossed(desk) == [("low", "1100", ["1100"], "2501", "1002")]
        event = desk.billing.events("acme", limit=100)[-1].event
        assert event.at == RENEWAL
        desk.billing.run_due()
        assert len(crossed(desk)) == 1

    @pytest.mark.parametrize("days", [1, 7, 120])
    def test_it_does_not_matter_how_often_time_is_made_to_pass(self, desk: Desk, days: int) -> None:
        """Renewals and an expiry report the same, run daily, weekly or once for all."""
        self.ready(desk, "6000", "3500")
        desk.billing.balances.credit(
            "acme",
            money("950", "TRY"),
            reason="gift",
            key="gift",
            terms=Terms(
                origin=LotOrigin.PROMOTIONAL,
                expires_at=RENEWAL + timedelta(days=3),
                priority=200,
            ),
        )
        end = START + timedelta(days=120)
        while desk.clock.now < end:
            desk.clock.now = min(desk.clock.now + timedelta(days=days), end)
            desk.billing.run_due()
        told = [
            (f"{one.event.at:%m-%d}", plain_text(one.event.available), one.event.steps)
            for one in desk.billing.events("acme", limit=1000)
            if isinstance(one.event, BalanceCrossed)
        ]
        assert told == [("11-08", "3002", 0), ("12-05", "1503", 1), ("01-05", "4", 2)]


class TestRules:
    def test_it_starts_from_the_balance_as_it_stands(self, desk: Desk) -> None:
        """What lies behind it is told by the watch and not by an event."""
        desk.top_up("300")
        made = watch(desk)
        assert crossed(desk) == []
        assert (made.passed, made.next) == (money("500", "TRY"), money("100", "TRY"))
        spend(desk, "250", "a")
        assert [one[1] for one in crossed(desk)] == ["100"]
        (seen,) = desk.billing.balances.watches("acme")
        assert (seen.passed, seen.next) == (money("100", "TRY"), None)
        assert str(seen) == "low: falling to 500, 100 TRY, each time"

    def test_a_watch_of_the_same_name_gives_way(self, desk: Desk) -> None:
        desk.top_up("1000")
        watch(desk)
        rule = ThresholdRule(thresholds=[money("50", "TRY")])
        desk.billing.balances.watch("acme", "TRY", rule, name="low", key="other")
        assert [one.rule for one in desk.billing.balances.watches("acme")] == [rule]
        ended = desk.billing.balances.unwatch("acme", "low", key="end")
        assert ended.rule == rule
        assert desk.billing.balances.watches("acme") == ()
        spend(desk, "990", "a")
        assert crossed(desk) == []
        assert desk.reopen().billing.balances.watches("acme") == ()

    def test_what_cannot_be_is_refused(self, desk: Desk) -> None:
        balances = desk.billing.balances
        watch(desk)
        with pytest.raises(IdempotencyConflict, match="rule"):
            watch(desk, ThresholdRule(thresholds=[money("1", "TRY")]))
        with pytest.raises(UnknownName, match="use one of low"):
            balances.unwatch("acme", "high", key="x")
        with pytest.raises(InvalidInput, match="is not in USD"):
            balances.watch("acme", "USD", LOW, name="usd", key="x")
        with pytest.raises(UnknownName, match="currency"):
            balances.watch("acme", "EUR", LOW, name="eur", key="x")
        with pytest.raises(InvalidInput, match="is no rule"):
            balances.watch("acme", "TRY", "low", name="x", key="x")  # type: ignore[arg-type]
        with pytest.raises(InvalidInput, match="name"):
            balances.watch("acme", "TRY", LOW, name="", key="x")
        fine = ThresholdRule(thresholds=[money("0.00000001", "TRY", scale=8)])
        with pytest.raises(InvalidInput, match="more than 6 decimals"):
            watch(desk, fine, "fine")
        with pytest.raises(UnknownName, match="account"):
            balances.watches("nobody")

    def test_there_is_an_end_to_watches(self, desk: Desk) -> None:
        for number in range(MOST_WATCHES):
            watch(desk, name=f"w{number}")
        rule = ThresholdRule(thresholds=[money("5", "TRY")])
        desk.billing.balances.watch("acme", "TRY", rule, name="w0", key="w0 again")
        with pytest.raises(InvalidInput, match="one watch too many"):
            watch(desk, name="one more")
        assert len(desk.billing.balances.watches("acme")) == MOST_WATCHES


LEVELS = st.lists(st.integers(0, 60), min_size=1, max_size=12)


def books_at(level: int) -> Books:
    books = open_balance(Books("acme"), "TRY", 0)
    if not level:
        return books
    return credit(books, money(level, "TRY"), Memo(EntryKind.TOP_UP, START, START)).books


class TestLaws:
    @given(LEVELS, st.sets(st.integers(0, 60), min_size=1, max_size=4), st.sampled_from(Direction))
    def test_a_walk_reports_each_crossing_once(
        self, walk: list[int], thresholds: set[int], direction: Direction
    ) -> None:
        """A threshold is reported as often as the walk came to it from before it."""
        way = -1 if direction is Direction.FALLING else 1
        rules = [
            ThresholdRule(
                thresholds=[money(one, "TRY") for one in thresholds],
                direction=direction,
                report=report,
            )
            for report in (Report.EACH_TIME, Report.ONCE)
        ]
        start = books_at(walk[0]).balance("TRY")
        watches = tuple(Watch.start(rule.report, rule, start, START) for rule in rules)
        told: dict[str, list[int]] = {"EACH_TIME": [], "ONCE": []}
        for level in walk[1:]:
            watches, events = notice(watches, books_at(level), START)
            for event in events:
                told[event.watch] += [int(plain_text(one)) for one in event.thresholds]
            again, nothing = notice(watches, books_at(level), START)
            assert again is watches
            assert nothing == ()
        for one in thresholds:
            times = sum(way * before < way * one <= way * after for before, after in pairwise(walk))
            assert told["EACH_TIME"].count(one) == times
            ahead = way * walk[0] < way * one
            assert told["ONCE"].count(one) == (1 if ahead and times else 0)

    def test_without_watches_a_step_is_untouched(self) -> None:
        """Nobody pays for what nobody asked for."""
        step = Step(new_account())
        assert noticed(step, START) is step


def test_watches_of_two_accounts_are_apart() -> None:
    storage, clock = MemoryStorage(), Clock()
    desk = build(storage, clock, lambda: desk)
    for account in ("acme", "other"):
        desk.billing.accounts.open(account, zone="Europe/Istanbul", currencies=["TRY"])
        desk.billing.balances.credit(account, money("600", "TRY"), reason="opening", key="opening")
    watch(desk)
    desk.billing.balances.debit("other", money("200", "TRY"), reason="export", key="a")
    assert [type(one.event).__name__ for one in desk.billing.events("other")] == ["AccountOpened"]
