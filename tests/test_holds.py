"""Holds: what is set aside can always be captured, is nobody else's, and is resolved once."""

from datetime import datetime, timedelta

import pytest

from monochat_billing import (
    DebitMode,
    EntryKind,
    Hold,
    IllegalTransition,
    InsufficientFunds,
    InvalidInput,
    Rest,
    Terms,
    UnknownName,
    money,
)
from monochat_billing.balance import Balance
from monochat_billing.holds import HOLD_MOVES, HoldMove, HoldState
from monochat_billing.lots import ChargeKind, LotOrigin
from monochat_billing.money import Money, amount_text
from monochat_billing.periods import MONTH
from tests.desk import START, Desk

DAY = timedelta(days=1)
MICRO = timedelta(microseconds=1)


def lira(amount: str) -> Money:
    return money(amount, "TRY")


def fund(desk: Desk, amount: str, key: str = "funds", terms: Terms | None = None) -> int:
    return desk.billing.balances.credit(
        "acme", lira(amount), reason="funds", key=key, terms=terms or Terms()
    ).number


def hold(
    desk: Desk,
    amount: str,
    *,
    key: str = "hold",
    ends: datetime | None = None,
    kind: EntryKind = EntryKind.MESSAGE_FEE,
) -> Hold:
    return desk.billing.holds.place(
        "acme", lira(amount), reason="campaign", key=key, kind=kind, expires_at=ends
    )


def figures(desk: Desk, kind: ChargeKind | None = None) -> tuple[str, str, str]:
    """Give posted, held and available."""
    balance = desk.billing.balances.list("acme")["TRY"]
    available = balance.available(kind, desk.clock.now)
    return balance.text(balance.posted), balance.text(balance.held), balance.text(available)


def lots(balance: Balance) -> dict[int, tuple[str, str]]:
    """Give what remains of each lot, and how much of it is pinned."""
    return {
        lot.number: (balance.text(lot.remaining), balance.text(lot.pinned)) for lot in balance.lots
    }


def sound(desk: Desk) -> bool:
    return desk.billing.verify("acme").sound


class TestPlacing:
    """A hold is checked in full when it is placed, and posts nothing."""

    def test_sets_money_aside(self, desk: Desk) -> None:
        """Of 100, 30 are held: 100 posted, 70 available, no entry."""
        fund(desk, "100")
        placed = hold(desk, "30")
        assert figures(desk) == ("100", "30", "70")
        assert len(desk.billing.balances.entries("acme")) == 1
        assert desk.billing.holds.list("acme") == {placed.id: placed}
        with pytest.raises(InsufficientFunds) as refused:
            desk.billing.balances.debit("acme", lira("70.000001"), reason="x", key="d")
        assert (refused.value.available, refused.value.shortfall) == ("70", "0.000001")
        assert "release some of the 30 that is held" in refused.value.remedy
        assert sound(desk)

    def test_in_full_or_not_at_all(self, desk: Desk) -> None:
        """What cannot be held leaves nothing."""
        fund(desk, "20")
        before = desk.snapshot()
        with pytest.raises(InsufficientFunds) as refused:
            hold(desk, "20.01")
        assert refused.value.args[:5] == ("acme", "TRY", "20.01", "20", "0.01")
        assert (desk.snapshot(), desk.billing.holds.list("acme")) == (before, {})

    def test_pins_the_lots_that_a_debit_would_burn(self, desk: Desk) -> None:
        """Message credit first, then money; a plan fee cannot touch either."""
        only = frozenset({ChargeKind.MESSAGE})
        terms = Terms(origin=LotOrigin.PROMOTIONAL, pays_for=only, priority=1)
        first = fund(desk, "10", "promo", terms)
        second = fund(desk, "50")
        assert hold(desk, "25").pins == ((first, 10_000_000), (second, 15_000_000))
        assert lots(desk.billing.balances.list("acme")["TRY"]) == {
            first: ("10", "10"),
            second: ("50", "15"),
        }
        assert figures(desk, ChargeKind.PLAN)[2] == "35"
        with pytest.raises(InsufficientFunds):
            desk.billing.balances.debit("acme", lira("36"), reason="x", key="d")

    @pytest.mark.parametrize(
        ("change", "field"),
        [
            ({"amount": lira("0")}, "amount"),
            ({"amount": "5"}, "amount"),
            ({"reason": " "}, "reason"),
            ({"kind": EntryKind.TOP_UP}, "kind"),
            ({"kind": "NOTHING"}, "kind"),
            ({"expires_at": START}, "expires_at"),
            ({"expires_at": datetime(2027, 1, 1)}, "expires_at"),  # noqa: DTZ001 - the subject
        ],
    )
    def test_refuses_what_is_no_hold(
        self, desk: Desk, change: dict[str, object], field: str
    ) -> None:
        """Bad input names its field and leaves nothing behind."""
        fund(desk, "10")
        facts: dict[str, object] = {"amount": lira("1"), "reason": "x", "key": "k", **change}
        amount = facts.pop("amount")
        with pytest.raises(InvalidInput) as refused:
            desk.billing.holds.place("acme", amount, **facts)  # type: ignore[arg-type]
        assert refused.value.field == field
        assert desk.billing.holds.list("acme") == {}


class TestCapturing:
    """A capture takes from the pins, once, in parts, or above the hold by force."""

    def test_in_parts_until_nothing_is_left(self, desk: Desk) -> None:
        """Message by message: 3 of 8, then 5; then the hold is settled."""
        fund(desk, "100")
        placed = hold(desk, "8")
        capture = desk.billing.holds.capture
        first = capture("acme", placed.id, amount=lira("3"), key="m-1", reference="m-1")
        assert first.entry is not None
        assert (first.entry.reference, first.entry.hold) == ("m-1", placed.id)
        assert first.entry.kind is EntryKind.MESSAGE_FEE
        assert figures(desk) == ("97", "5", "92")
        last = capture("acme", placed.id, key="m-2")
        assert (last.hold.state, last.hold.captured) == (HoldState.CAPTURED, 8_000_000)
        assert figures(desk) == ("92", "0", "92")
        with pytest.raises(IllegalTransition, match="CAPTURED and cannot capture"):
            capture("acme", placed.id, amount=lira("1"), key="m-3")
        assert sound(desk)

    def test_the_rest_can_be_released_at_once(self, desk: Desk) -> None:
        """5 of 8, and the other 3 are free again."""
        fund(desk, "100")
        done = desk.billing.holds.capture(
            "acme", hold(desk, "8").id, amount=lira("5"), rest=Rest.RELEASE, key="c"
        )
        assert (done.hold.left, done.hold.pins) == (0, ())
        assert figures(desk) == ("95", "0", "95")

    def test_what_is_above_the_hold_is_forced(self, desk: Desk) -> None:
        """11 of a hold of 8 on 9: one entry from the hold, one that goes below zero."""
        fund(desk, "9")
        done = desk.billing.holds.capture("acme", hold(desk, "8").id, amount=lira("11"), key="c")
        assert done.entry is not None
        assert done.excess is not None
        assert [amount_text(one.money) for one in (done.entry, done.excess)] == ["-8", "-3"]
        assert done.excess.parts == ((1, -1_000_000), (0, -2_000_000))
        assert figures(desk) == ("-2", "0", "-2")
        assert desk.event_names()[-1] == "BalanceOverdrawn"
        fund(desk, "5", "more")
        assert figures(desk) == ("3", "0", "3")
        assert sound(desk)

    def test_the_smallest_excess_is_one(self, desk: Desk) -> None:
        """A millionth above the hold is taken, too."""
        fund(desk, "9")
        asked = money("8.000001", "TRY")
        done = desk.billing.holds.capture("acme", hold(desk, "8").id, amount=asked, key="c")
        assert done.excess is not None
        assert figures(desk)[0] == "0.999999"

    def test_what_was_held_on_credit_is_owed(self, desk: Desk) -> None:
        """4 of a limit of 10 are captured with nothing there; the next money covers them."""
        desk.billing.balances.limit("acme", lira("10"), key="limit")
        desk.billing.holds.capture("acme", hold(desk, "4").id, key="c")
        balance = desk.billing.balances.list("acme")["TRY"]
        assert (balance.text(balance.owed), figures(desk)[0]) == ("4", "-4")
        fund(desk, "10")
        balance = desk.billing.balances.list("acme")["TRY"]
        assert (balance.owed, list(lots(balance).values())) == (0, [("6", "0")])
        assert sound(desk)

    def test_can_be_paid_whatever_has_happened_since(self, desk: Desk) -> None:
        """The balance is overdrawn and frozen; what was held is still there."""
        fund(desk, "10")
        placed = hold(desk, "10")
        debit = desk.billing.balances.debit
        late = debit("acme", lira("7"), reason="late", key="late", mode=DebitMode.FORCED)
        assert late.parts == ((0, -7_000_000),)
        desk.billing.balances.move("acme", "TRY", "freeze", key="f")  # type: ignore[arg-type]
        done = desk.billing.holds.capture("acme", placed.id, key="c")
        assert done.entry is not None
        assert done.entry.parts == ((1, -10_000_000),)
        assert figures(desk)[0] == "-7"
        assert sound(desk)


class TestExtending:
    """An open hold can grow, and wait longer."""

    def test_grows_by_what_is_available(self, desk: Desk) -> None:
        """From 4 to 9 of 10; two more are refused."""
        fund(desk, "10")
        placed = hold(desk, "4")
        extend = desk.billing.holds.extend
        assert extend("acme", placed.id, more=lira("5"), key="e1").left == 9_000_000
        assert figures(desk) == ("10", "9", "1")
        with pytest.raises(InsufficientFunds):
            extend("acme", placed.id, more=lira("2"), key="e2")
        with pytest.raises(InvalidInput):
            extend("acme", placed.id, key="e3")

    def test_more_of_it_ends_when_it_did(self, desk: Desk) -> None:
        """Its end moves only where another one is asked for."""
        fund(desk, "10")
        placed = hold(desk, "4", ends=START + DAY)
        grown = desk.billing.holds.extend("acme", placed.id, more=lira("1"), key="e")
        assert (grown.left, grown.expires_at) == (5_000_000, START + DAY)

    def test_waits_longer(self, desk: Desk) -> None:
        """The new end counts, the old one does not."""
        fund(desk, "10")
        placed = hold(desk, "4", ends=START + DAY)
        desk.billing.holds.extend("acme", placed.id, expires_at=START + 3 * DAY, key="e")
        desk.clock.advance(days=2)
        assert figures(desk) == ("10", "4", "6")
        desk.clock.advance(days=1)
        assert figures(desk) == ("10", "0", "10")


class TestEnding:
    """What is left of a hold is resolved once: released or expired."""

    def test_a_release_frees_it(self, desk: Desk) -> None:
        """And a second one is refused."""
        fund(desk, "10")
        placed = hold(desk, "4")
        assert desk.billing.holds.release("acme", placed.id, key="r").hold.state == "RELEASED"
        assert figures(desk) == ("10", "0", "10")
        with pytest.raises(IllegalTransition, match="RELEASED and cannot release"):
            desk.billing.holds.release("acme", placed.id, key="again")

    def test_what_it_frees_covers_what_is_owed(self, desk: Desk) -> None:
        """7 of a balance of 10 went below zero while all of it was held."""
        fund(desk, "10")
        placed = hold(desk, "10")
        debit = desk.billing.balances.debit
        debit("acme", lira("7"), reason="late", key="late", mode=DebitMode.FORCED)
        desk.billing.holds.release("acme", placed.id, key="r")
        balance = desk.billing.balances.list("acme")["TRY"]
        assert (balance.owed, lots(balance)) == (0, {1: ("3", "0")})
        assert sound(desk)

    def test_expires_at_its_instant_and_not_before(self, desk: Desk) -> None:
        """The end is exclusive, and it is recorded whoever comes by first."""
        fund(desk, "10")
        placed = hold(desk, "4", ends=START + DAY)
        desk.clock.now = START + DAY - MICRO
        assert figures(desk) == ("10", "4", "6")
        desk.clock.now = START + DAY
        with pytest.raises(IllegalTransition, match="EXPIRED and cannot capture"):
            desk.billing.holds.capture("acme", placed.id, key="c")
        stored = desk.storage.read(lambda reader: reader.holds("acme"))
        assert [(one.state, one.resolved_at) for one in stored] == [("EXPIRED", START + DAY)]
        assert desk.event_names()[-1] == "HoldExpired"

    def test_a_clock_that_is_set_back_changes_nothing(self, desk: Desk) -> None:
        """What has expired stays expired."""
        fund(desk, "10")
        placed = hold(desk, "4", ends=START + DAY)
        desk.clock.now = START + DAY
        desk.billing.run_due()
        desk.clock.now = START
        with pytest.raises(IllegalTransition):
            desk.billing.holds.capture("acme", placed.id, key="c")
        assert figures(desk) == ("10", "0", "10")

    def test_what_is_pinned_does_not_expire(self, desk: Desk) -> None:
        """A lot of 10 ends while 6 of it are held: 4 are lost now, what is freed later then."""
        fund(desk, "10", "promo", Terms(expires_at=START + DAY))
        placed = hold(desk, "6")
        desk.clock.now = START + 2 * DAY
        desk.billing.run_due()
        assert figures(desk) == ("6", "6", "0")
        done = desk.billing.holds.capture("acme", placed.id, amount=lira("5"), key="c")
        assert done.entry is not None
        assert done.entry.parts == ((1, -5_000_000),)
        desk.billing.holds.release("acme", placed.id, key="r")
        lost = [one for one in desk.billing.balances.entries("acme") if one.kind == "BREAKAGE"]
        assert [(amount_text(one.money), one.effective_at) for one in lost] == [
            ("-4", START + DAY),
            ("-1", START + 2 * DAY),
        ]
        assert figures(desk) == ("0", "0", "0")
        assert sound(desk)

    def test_a_hold_ends_before_its_lot_and_its_lot_before_a_renewal(self, desk: Desk) -> None:
        """At one instant: the hold is freed, its lot expires, and the renewal finds only money."""
        fund(desk, "1499")
        subscribed = desk.billing.subscriptions.subscribe("acme", "growth", MONTH, key="s")
        end = subscribed.period.end
        fund(desk, "2000", "promo", Terms(expires_at=end))
        hold(desk, "2000", ends=end)
        desk.clock.now = end
        desk.billing.run_due()
        entries = desk.billing.balances.entries("acme")
        kinds = [one.kind.value for one in entries if one.unit == "TRY"]
        assert kinds == ["GRANT", "PLAN_FEE", "GRANT", "BREAKAGE"]
        told = desk.event_names()[-4:]  # the month's messages expire beside the promotion
        assert told == ["HoldExpired", "LotExpired", "LotExpired", "RenewalFailed"]

    def test_what_is_freed_pays_what_was_past_due(self, desk: Desk) -> None:
        """A renewal failed because of a hold; releasing it revives the subscription."""
        fund(desk, "3000")
        period = desk.billing.subscriptions.subscribe("acme", "growth", MONTH, key="s").period
        placed = hold(desk, "1000")
        desk.clock.now = period.end
        desk.billing.run_due()
        assert desk.event_names()[-1] == "RenewalFailed"
        desk.billing.holds.release("acme", placed.id, key="r")
        assert desk.event_names()[-1] == "SubscriptionRevived"
        assert figures(desk)[0] == "2"

    def test_an_unknown_hold_is_named(self, desk: Desk) -> None:
        """Each verb says that there is no such hold."""
        holds = desk.billing.holds
        for ask in (
            lambda: holds.capture("acme", "nothing", key="k"),
            lambda: holds.release("acme", "nothing", key="k"),
            lambda: holds.extend("acme", "nothing", more=lira("1"), key="k"),
        ):
            with pytest.raises(UnknownName) as refused:
                ask()
            assert refused.value.field == "hold"


class TestTheTable:
    """Every state has its moves, and no other."""

    def test_only_open_holds_move(self) -> None:
        """The three other states are final."""
        assert {state for state, _ in HOLD_MOVES} == {HoldState.OPEN}
        assert {move for _, move in HOLD_MOVES} == set(HoldMove)
        assert set(HOLD_MOVES.values()) == set(HoldState)
