"""Branches: futures of one account, from a live one on any storage or from a simulation."""

from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path

import pytest

from monochat_billing import MONTH, InvalidInput, UnknownName, money
from monochat_billing.adapters.sql import SqlStorage
from monochat_billing.adapters.sql.archiving import archive_entries
from monochat_billing.balance import EntryKind
from monochat_billing.counters import MeterRecord
from monochat_billing.simulation import Charge, Step, Subscribe, TopUp, Use, simulate
from monochat_billing.simulation.branches import (
    DO_NOTHING,
    Branch,
    Origin,
    at_renewal,
    branch_out,
    buy_pack,
    go_yearly,
    upgrade_today,
)
from monochat_billing.simulation.forks import copy_account
from monochat_billing.simulation.pasts import Past
from tests.desk import PROFILE, Clock, Desk, build
from tests.test_simulation import a_year, message

DAY = timedelta(days=1)


def lived_in(desk: Desk) -> Desk:
    """Give an account with a past: usage, a pack, a pending change, a hold, a support package."""
    billing, clock = desk.billing, desk.clock
    desk.top_up("30000")
    billing.balances.credit("acme", money("50", "USD"), reason="gift", key="usd")
    billing.subscriptions.subscribe("acme", "growth", MONTH, key="plan")
    billing.subscriptions.subscribe("acme", "priority", MONTH, key="support")
    billing.packs.buy("acme", "messages-5k", key="pack")
    clock.advance(days=10)
    record = MeterRecord(id="u-1", meter="monochat.message", quantity=16_000, occurred_at=clock.now)
    billing.usage.record("acme", [record])
    billing.usage.record("acme", [message("wamid.9", clock.now)])
    billing.schedule.change("acme", to="enterprise", key="later")
    billing.holds.place("acme", money("100", "TRY"), reason="campaign", key="hold")
    clock.advance(days=1)
    return desk


class TestAFork:
    """A copy that goes on elsewhere."""

    def test_holds_what_the_origin_holds(self, desk: Desk) -> None:
        """Books, lots, subscriptions, schedule, holds, usage, entries and events are the same."""
        lived_in(desk)
        copy = copy_account(desk.storage, "acme")
        for look in ("entries", "events"):
            there = copy.read(lambda reader, name=look: tuple(getattr(reader, name)("acme")))  # type: ignore[misc]
            here = desk.storage.read(lambda reader, name=look: tuple(getattr(reader, name)("acme")))  # type: ignore[misc]
            assert there == here
        for look in ("lots", "subscriptions", "schedule", "holds", "usage"):
            there = copy.read(lambda reader, name=look: tuple(getattr(reader, name)("acme")))  # type: ignore[misc]
            here = desk.storage.read(lambda reader, name=look: tuple(getattr(reader, name)("acme")))  # type: ignore[misc]
            assert there == here

    def test_does_not_touch_its_origin(self, desk: Desk) -> None:
        """Whatever happens in the futures, the origin is what it was."""
        lived_in(desk)
        before = desk.snapshot()
        branch_out(
            Origin.live(desk.billing, "acme"),
            [DO_NOTHING, upgrade_today("enterprise"), buy_pack("messages-25k", 2)],
            until=desk.clock.now + 400 * DAY,
        )
        assert desk.snapshot() == before

    def test_lives_on_as_the_origin_does(self, desk: Desk) -> None:
        """A future that is lived afterwards is what was foreseen, entry by entry."""
        lived_in(desk)
        until = desk.clock.now + 60 * DAY
        at = desk.clock.now + 5 * DAY
        record = MeterRecord(id="u-2", meter="monochat.message", quantity=2_000, occurred_at=at)
        foreseen = branch_out(
            Origin.live(desk.billing, "acme"),
            [DO_NOTHING],
            until=until,
            expected=[Step(at, "acme", Use([record]))],
        ).future("do nothing")
        desk.clock.now = at
        desk.billing.usage.record("acme", [record])
        desk.clock.now = until
        desk.billing.run_due()
        lived = desk.billing.balances.entries("acme", limit=1000)
        told = [
            (one.kind, one.unit, one.amount, one.effective_at) for one in foreseen.ledger.entries
        ]
        assert told == [(one.kind, one.unit, one.amount, one.effective_at) for one in lived]

    def test_goes_on_where_old_entries_are_archived(self, tmp_path: Path) -> None:
        """The copy has the entries that are left, and lives on as the origin does."""
        with SqlStorage(f"sqlite:///{tmp_path / 'billing.db'}") as storage:
            storage.upgrade()
            desk = build(storage, Clock(), lambda: desk)
            desk.billing.accounts.open("acme", zone="UTC", currencies=["TRY"], profile=PROFILE)
            desk.top_up("30000")
            for number in range(6):
                desk.clock.advance(days=1)
                export = money("10", "TRY")
                desk.billing.balances.debit("acme", export, reason="export", key=f"d-{number}")
            desk.clock.advance(days=400)
            last = desk.billing.balances.credit(
                "acme", money("5", "TRY"), reason="gift", key="gift"
            )
            archive_entries(storage, "acme", desk.clock.now - 300 * DAY, StringIO())
            copy = copy_account(storage, "acme")
            assert copy.read(lambda reader: reader.entries("acme")) == (last,)
            assert copy.read(lambda reader: reader.entries("acme", after=last.number)) == ()
            (future,) = branch_out(
                Origin.live(desk.billing, "acme"),
                [Branch("plan", [Subscribe("growth", MONTH)])],
                until=desk.clock.now + 40 * DAY,
            ).futures
            assert future.cost("TRY") == money(2 * 1499, "TRY")
            assert next(future.facts()).number == 9
            assert future.ledger.balance("TRY")[-1][1] == money(29_945 - 2 * 1499, "TRY")
            with pytest.raises(InvalidInput, match="archived"):
                Past.of(desk.billing, "acme")

    def test_of_a_stranger_is_refused(self, desk: Desk) -> None:
        """Only what is there can be forked, and not before now."""
        with pytest.raises(UnknownName):
            Origin.live(desk.billing, "zeta")
        with pytest.raises(UnknownName):
            copy_account(desk.storage, "zeta")
        with pytest.raises(InvalidInput, match=r"Origin\.simulated"):
            Origin.live(desk.billing, "acme", desk.clock.now - DAY)


class TestFutures:
    """What each branch costs, and where they part."""

    MIDDLE = datetime(2027, 2, 10, 12, tzinfo=UTC)
    UNTIL = datetime(2027, 12, 20, tzinfo=UTC)

    def origin(self) -> Origin:
        return Origin.simulated(simulate(a_year()), "acme", self.MIDDLE)

    def test_a_plan_compared_with_itself_differs_in_nothing(self) -> None:
        """Two branches that do the same have no difference at all."""
        same = branch_out(
            self.origin(),
            [upgrade_today("enterprise"), Branch("again", upgrade_today("enterprise").actions)],
            until=self.UNTIL,
        )
        assert same.difference("enterprise today", "again") is None
        first, second = same.futures
        assert first.run.digest() == second.run.digest()
        assert len(same.cheapest) == 2

    def test_of_a_simulation_goes_on_as_the_simulation(self) -> None:
        """Fork in the middle, do what the scenario does, and the same costs follow."""
        run = simulate(a_year())
        rest = [one for one in a_year().steps if one.at > self.MIDDLE]
        gone_on = branch_out(
            Origin.simulated(run, "acme", self.MIDDLE),
            [DO_NOTHING],
            until=a_year().end,
            expected=rest,
        ).futures[0]
        facts = [(one.kind, one.unit, one.amount) for one in run.ledger("acme").entries]
        assert facts == [(one.kind, one.unit, one.amount) for one in gone_on.ledger.entries]

    def test_show_where_they_part(self) -> None:
        """An upgrade today differs at once; one at renewal, at the period's end."""
        futures = branch_out(
            self.origin(),
            [
                DO_NOTHING,
                upgrade_today("enterprise"),
                at_renewal("enterprise"),
                go_yearly("growth"),
                buy_pack("messages-5k"),
            ],
            until=self.UNTIL,
        )
        today = futures.difference("do nothing", "enterprise today")
        assert today is not None
        assert today.at == self.MIDDLE
        assert [one.kind for one in today.right][:2] == [
            EntryKind.PRORATION_CREDIT,
            EntryKind.PLAN_FEE,
        ]
        renewal = futures.difference("do nothing", "enterprise at renewal")
        assert renewal is not None
        assert renewal.at == datetime(2027, 3, 1, 6, tzinfo=UTC)
        assert "-1499 TRY" in renewal.explain().splitlines()[1]
        assert "-5999 TRY" in renewal.explain()
        pack = futures.difference("do nothing", "buy messages-5k")
        assert pack is not None
        assert EntryKind.PACK_FEE in {one.kind for one in pack.right}
        yearly = futures.future("growth yearly")
        assert yearly.cost("TRY") < futures.future("do nothing").cost("TRY")
        assert "growth yearly" in str(futures)
        assert "<table>" in futures._repr_html_()
        assert "hizmetsiz" in str(futures.frame("tr"))

    def test_by_hand(self) -> None:
        """Ten renewals of Growth from March to December, and ten of Priority."""
        futures = branch_out(self.origin(), [DO_NOTHING], until=self.UNTIL)
        assert futures.futures[0].cost("TRY") == money(10 * (1499 + 450), "TRY")

    def test_tell_of_cash_and_refusals(self) -> None:
        """What is paid in, and what was refused, stands beside the cost."""
        at = self.MIDDLE + DAY
        expected = [
            Step(at, "acme", TopUp(money("500", "TRY"))),
            Step(at, "acme", Charge(money("999999", "TRY"), "too much")),
        ]
        (future,) = branch_out(
            self.origin(), [DO_NOTHING], until=self.UNTIL, expected=expected
        ).futures
        assert future.paid_in("TRY") == money("500", "TRY")
        assert len(future.run.refusals) == 1
        assert future.days_without_service == 0

    def test_are_refused_before_anything_runs(self) -> None:
        """No branch, a name twice, an unknown plan, a name that was not run."""
        with pytest.raises(InvalidInput, match="at least one Branch"):
            branch_out(self.origin(), [], until=self.UNTIL)
        with pytest.raises(InvalidInput, match="name twice"):
            branch_out(self.origin(), [DO_NOTHING, DO_NOTHING], until=self.UNTIL)
        with pytest.raises(UnknownName):
            branch_out(self.origin(), [upgrade_today("grwth")], until=self.UNTIL)
        futures = branch_out(self.origin(), [DO_NOTHING], until=self.UNTIL)
        with pytest.raises(UnknownName, match="use one of do nothing"):
            futures.difference("do nothing", "something")
