"""The ledger at the face: debts, limits, reversals, transfers, batches, closing, and their keys."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from monochat_billing import (
    BalanceMove,
    BalanceState,
    Batch,
    DebitMode,
    Entry,
    EntryKind,
    IdempotencyConflict,
    IllegalTransition,
    InsufficientFunds,
    InvalidInput,
    LotOrigin,
    Rest,
    Terms,
    Units,
    UnknownName,
    money,
)
from monochat_billing.lots import ChargeKind
from monochat_billing.money import HALF_EVEN, Money, amount_text
from monochat_billing.rounding import DOWN
from tests.desk import START, Desk

DAY = timedelta(days=1)
MICRO = 1_000_000
PROMO = Terms(origin=LotOrigin.PROMOTIONAL)


def lira(amount: str) -> Money:
    return money(amount, "TRY")


def fund(desk: Desk, amount: str, key: str = "funds", terms: Terms | None = None) -> Entry:
    return desk.billing.balances.credit(
        "acme", lira(amount), reason="funds", key=key, terms=terms or Terms()
    )


def charge(desk: Desk, amount: str, key: str = "debit", **facts: Any) -> Entry:  # noqa: ANN401
    return desk.billing.balances.debit("acme", lira(amount), reason="export", key=key, **facts)


def undo(desk: Desk, entry: int, amount: str = "", key: str = "undo", **facts: Any) -> Entry:  # noqa: ANN401
    return desk.billing.balances.reverse(
        "acme",
        entry,
        reason="mistake",
        key=key,
        amount=lira(amount) if amount else None,
        **facts,
    )


def posted(desk: Desk, unit: str = "TRY") -> str:
    balance = desk.billing.balances.list("acme")[unit]
    return balance.text(balance.posted)


def available(desk: Desk, unit: str = "TRY") -> str:
    balance = desk.billing.balances.list("acme")[unit]
    return balance.text(balance.available(None, desk.clock.now))


def remaining(desk: Desk) -> dict[int, int]:
    return {
        lot.number: lot.remaining // MICRO for lot in desk.billing.balances.list("acme")["TRY"].lots
    }


class TestDebitModes:
    """Whole, as much as there is, or by force: by name."""

    def test_partial_takes_what_there_is(self, desk: Desk) -> None:
        """15 asked, 9 there: 9 are taken; then nothing is there and it is refused."""
        fund(desk, "9")
        assert charge(desk, "15", mode=DebitMode.PARTIAL).amount == -9 * MICRO
        with pytest.raises(InsufficientFunds):
            charge(desk, "1", "again", mode=DebitMode.PARTIAL)

    def test_forced_goes_below_zero_and_the_next_credit_covers_it(self, desk: Desk) -> None:
        """100 − 150 is −50; 30 come, then 40: the debt is paid first, by entries of their own."""
        fund(desk, "100")
        forced = charge(desk, "150", mode=DebitMode.FORCED)
        assert forced.parts == ((1, -100 * MICRO), (0, -50 * MICRO))
        assert (posted(desk), available(desk)) == ("-50", "-50")
        assert "BalanceOverdrawn" in desk.event_names()
        fund(desk, "30", "more")
        with pytest.raises(InsufficientFunds) as refused:
            charge(desk, "1", "no")
        assert refused.value.args[2:5] == ("1", "0", "1")
        fund(desk, "40", "enough")
        assert (posted(desk), available(desk)) == ("20", "20")
        covers = [one for one in desk.billing.balances.entries("acme") if one.kind == "COVERAGE"]
        assert [(one.amount, one.parts, one.corrects) for one in covers] == [
            (0, ((3, -30 * MICRO), (0, 30 * MICRO)), 2),
            (0, ((5, -20 * MICRO), (0, 20 * MICRO)), 2),
        ]
        assert desk.billing.verify("acme").sound

    def test_credit_that_is_set_apart_covers_nothing(self, desk: Desk) -> None:
        """A promotion for messages does not pay for an overdrawn export."""
        charge(desk, "5", mode=DebitMode.FORCED)
        only = Terms(origin=LotOrigin.PROMOTIONAL, pays_for=frozenset({ChargeKind.MESSAGE}))
        fund(desk, "20", "promo", only)
        balance = desk.billing.balances.list("acme")["TRY"]
        assert (balance.text(balance.owed), posted(desk)) == ("5", "15")
        assert balance.available(ChargeKind.MESSAGE, START) == 15 * MICRO
        assert balance.available(ChargeKind.PLAN, START) == -5 * MICRO

    def test_a_refusal_says_what_could_be_done(self, desk: Desk) -> None:
        """A part of it, a release, or credit that is set apart for something else."""
        fund(desk, "10")
        only = Terms(origin=LotOrigin.PROMOTIONAL, pays_for=frozenset({ChargeKind.MESSAGE}))
        fund(desk, "7", "promo", only)
        desk.billing.holds.place("acme", lira("4"), reason="x", key="h")
        with pytest.raises(InsufficientFunds) as refused:
            charge(desk, "20")
        assert refused.value.remedy.split("; ") == [
            "top up and retry with a new key",
            "take 6 as a partial debit",
            "release some of the 4 that is held",
            "7 is set apart for other charges than OTHER",
        ]

    def test_free_or_paid_is_answered_for_every_debit(self, desk: Desk) -> None:
        """Each part of a debit names a lot, and a lot its origin."""
        fund(desk, "3", "promo", Terms(origin=LotOrigin.PROMOTIONAL, priority=1))
        fund(desk, "10")
        parts = charge(desk, "5").parts
        origins = {
            lot.number: lot.origin for lot in desk.storage.read(lambda reader: reader.lots("acme"))
        }
        assert [(origins[lot].value, -units) for lot, units in parts] == [
            ("PROMOTIONAL", 3 * MICRO),
            ("PAID", 2 * MICRO),
        ]


class TestCreditLimit:
    """Grace below zero: ordinary debits and holds may use it."""

    def test_is_available_like_money(self, desk: Desk) -> None:
        """10 and a limit of 5: 15 are available, and −5 is the end."""
        fund(desk, "10")
        desk.billing.balances.limit("acme", lira("5"), key="l")
        assert available(desk) == "15"
        placed = desk.billing.holds.place("acme", lira("12"), reason="x", key="h")
        assert (placed.pins, placed.on_credit) == (((1, 10 * MICRO),), 2 * MICRO)
        charge(desk, "3")
        assert (posted(desk), available(desk)) == ("7", "0")
        done = desk.billing.holds.capture("acme", placed.id, key="c")
        assert done.entry is not None
        assert done.entry.parts == ((1, -10 * MICRO), (0, -2 * MICRO))
        assert (posted(desk), available(desk)) == ("-5", "0")
        assert "BalanceOverdrawn" not in desk.event_names()
        assert desk.billing.verify("acme").sound

    def test_cannot_be_lowered_below_what_is_used(self, desk: Desk) -> None:
        """4 of 5 are owed: 4 is the least limit."""
        limit = desk.billing.balances.limit
        limit("acme", lira("5"), key="l")
        charge(desk, "4")
        with pytest.raises(InsufficientFunds):
            limit("acme", lira("3.99"), key="less")
        assert limit("acme", lira("4"), key="just").credit_limit == 4 * MICRO
        with pytest.raises(InvalidInput):
            limit("acme", lira("-1"), key="negative")


class TestReversals:
    """Whole or in part, never above the original, back to the lots that bear it."""

    def test_a_debit_goes_back_in_parts_and_no_further(self, desk: Desk) -> None:
        """130 from lots of 100 and 50: 40 back, then 90, then nothing."""
        fund(desk, "100")
        fund(desk, "50", "b")
        paid = charge(desk, "130")
        first = undo(desk, paid.number, "40")
        assert (first.corrects, first.parts) == (3, ((2, 30 * MICRO), (1, 10 * MICRO)))
        with pytest.raises(InvalidInput, match="more than the 90 that is left of entry 3"):
            undo(desk, paid.number, "91", "too much")
        assert undo(desk, paid.number, key="rest").parts == ((1, 90 * MICRO),)
        with pytest.raises(IllegalTransition, match="REVERSED and cannot be reversed again"):
            undo(desk, paid.number, key="again")
        assert remaining(desk) == {1: 100, 2: 50}
        assert desk.event_names().count("EntryReversed") == 2

    def test_a_share_whose_lot_has_expired_is_breakage(self, desk: Desk) -> None:
        """It comes back and is lost at once; both are told."""
        fund(desk, "5", "promo", Terms(expires_at=START + DAY))
        paid = charge(desk, "5")
        desk.clock.now = START + 2 * DAY
        assert undo(desk, paid.number).amount == 5 * MICRO
        last = desk.billing.balances.entries("acme")[-1]
        assert (last.kind, last.amount, last.effective_at) == (
            "BREAKAGE",
            -5 * MICRO,
            START + 2 * DAY,
        )
        assert posted(desk) == "0"

    def test_a_credit_takes_its_lot_back(self, desk: Desk) -> None:
        """Of 100 with 30 spent 70 can be taken; all of it by force only."""
        fund(desk, "100")
        fund(desk, "20", "b")
        charge(desk, "30")
        with pytest.raises(InsufficientFunds) as refused:
            undo(desk, 1)
        assert (refused.value.available, refused.value.shortfall) == ("70", "30")
        forced = undo(desk, 1, key="chargeback", mode=DebitMode.FORCED)
        assert forced.parts == ((1, -70 * MICRO), (2, -20 * MICRO), (0, -10 * MICRO))
        assert posted(desk) == "-10"
        assert desk.billing.verify("acme").sound

    def test_a_debt_that_was_covered_goes_back_to_who_covered_it(self, desk: Desk) -> None:
        """A promotion covered 5 of a forced debit of 12: it gets its 5 back, money its 7."""
        fund(desk, "7")
        late = charge(desk, "12", mode=DebitMode.FORCED)
        fund(desk, "9", "promo", PROMO)
        assert undo(desk, late.number).parts == ((3, 5 * MICRO), (1, 7 * MICRO))
        assert remaining(desk) == {1: 7, 3: 9}

    @pytest.mark.parametrize("kind", ["REVERSAL", "BREAKAGE", "COVERAGE", "VOID", "TRANSFER"])
    def test_what_follows_from_another_entry_stands(self, desk: Desk, kind: str) -> None:
        """Only facts are reversed, not what followed from them."""
        fund(desk, "10", "ends", Terms(expires_at=START + DAY))
        late = charge(desk, "12", "late", mode=DebitMode.FORCED)
        fund(desk, "50", "b")
        undo(desk, late.number, "1")
        desk.billing.balances.transfer(
            "acme", lira("5"), to="USD", rate="0.02", reason="fx", key="fx"
        )
        desk.billing.balances.void("acme", 3, reason="end", key="void")
        fund(desk, "3", "short", Terms(expires_at=START + DAY))
        desk.clock.now = START + DAY
        desk.billing.run_due()
        entries = desk.billing.balances.entries("acme")
        number = next(one.number for one in entries if one.kind == kind)
        with pytest.raises(IllegalTransition, match=f"is {kind} and cannot be reversed"):
            undo(desk, number, key="no")

    def test_an_unknown_entry_is_named(self, desk: Desk) -> None:
        """There is no entry 99, and 0 is no number."""
        for number, error in ((99, UnknownName), (0, InvalidInput), ("1", InvalidInput)):
            with pytest.raises(error) as refused:
                undo(desk, number)  # type: ignore[arg-type]
            assert refused.value.field == "entry"

    def test_voiding_leaves_what_is_pinned(self, desk: Desk) -> None:
        """Of 10 with 4 held, 6 go; then nothing is free."""
        fund(desk, "10", "promo", PROMO)
        placed = desk.billing.holds.place("acme", lira("4"), reason="x", key="h")
        void = desk.billing.balances.void
        assert void("acme", 1, reason="end", key="v").amount == -6 * MICRO
        with pytest.raises(IllegalTransition, match="PINNED and cannot be voided"):
            void("acme", 1, reason="end", key="v2")
        desk.billing.holds.capture("acme", placed.id, key="c")
        with pytest.raises(IllegalTransition, match="SPENT and cannot be voided"):
            void("acme", 1, reason="end", key="v3")
        with pytest.raises(UnknownName):
            void("acme", 2, reason="end", key="v4")
        assert "LotVoided" in desk.event_names()


class TestTransfers:
    """Between balances of one account, at the caller's rate, rounded once."""

    def test_paid_stays_paid_and_free_stays_free(self, desk: Desk) -> None:
        """2.50 of a promotion and 7.50 of money become lots of the same kinds."""
        end = START + 30 * DAY
        fund(
            desk,
            "2.5",
            "promo",
            Terms(origin=LotOrigin.PROMOTIONAL, expires_at=end, priority=1),
        )
        fund(desk, "97.5")
        done = desk.billing.balances.transfer(
            "acme", lira("10"), to="USD", rate="0.02437", reason="fx", key="t"
        )
        assert [amount_text(one.money) for one in (done.out, *done.into)] == ["-10", "0.06", "0.18"]
        exchange = done.out.exchange
        assert exchange is not None
        assert {one.exchange for one in done.into} == {exchange}
        assert str(exchange) == "10 TRY → 0.24 USD at 2437/100000"
        lots = desk.billing.balances.list("acme")["USD"].lots
        assert [(lot.origin.value, lot.expires_at) for lot in lots] == [
            ("PROMOTIONAL", end),
            ("PAID", None),
        ]
        assert desk.billing.verify("acme").sound

    @pytest.mark.parametrize(
        ("rounding", "arrives"), [(HALF_EVEN, "0.12"), (DOWN, "0.12"), (DOWN.at_scale(6), "0.125")]
    )
    def test_the_rounding_has_a_name(self, desk: Desk, rounding: Any, arrives: str) -> None:  # noqa: ANN401
        """0.125 is 0.12 to even, 0.12 down, and 0.125 at six decimals."""
        fund(desk, "5")
        done = desk.billing.balances.transfer(
            "acme", lira("5"), to="USD", rate="0.025", reason="fx", key="t", rounding=rounding
        )
        assert amount_text(done.into[0].money) == arrives

    @pytest.mark.parametrize(
        ("change", "field"),
        [
            ({"rate": 0.5}, "rate"),
            ({"rate": "0"}, "rate"),
            ({"rate": "1e3"}, "rate"),
            ({"to": "TRY"}, "to"),
            ({"to": "EUR"}, "currency"),
            ({"rate": "0.000001"}, "amount"),
        ],
    )
    def test_refuses_what_is_no_transfer(
        self, desk: Desk, change: dict[str, object], field: str
    ) -> None:
        """No float, no third currency, and nothing that arrives as nothing."""
        fund(desk, "5")
        facts: dict[str, Any] = {"to": "USD", "rate": "0.02", **change}
        with pytest.raises(InvalidInput) as refused:
            desk.billing.balances.transfer("acme", lira("5"), reason="fx", key="t", **facts)
        assert refused.value.field == field
        assert (posted(desk), posted(desk, "USD")) == ("5", "0")

    def test_credit_is_never_moved(self, desk: Desk) -> None:
        """A limit is not money: only what is in lots can go."""
        fund(desk, "5")
        desk.billing.balances.limit("acme", lira("10"), key="l")
        with pytest.raises(InsufficientFunds):
            desk.billing.balances.transfer(
                "acme", lira("6"), to="USD", rate="1", reason="fx", key="t"
            )


class TestBatches:
    """Atomic or per item, by name; both are one unit of work."""

    ITEMS = ((lira("6"), "a"), (lira("5"), "b"), (lira("4"), "c"))

    def test_per_item_refuses_exactly_the_bad_one(self, desk: Desk) -> None:
        """Of 10: 6, not 5, 4."""
        fund(desk, "10")
        report = desk.billing.balances.debit_many("acme", self.ITEMS, reason="x", key="k")
        assert [type(one).__name__ for one in report.results] == [
            "Entry",
            "InsufficientFunds",
            "Entry",
        ]
        assert (str(report), posted(desk)) == ("2 charged, 1 refused", "0")

    def test_atomic_takes_all_or_none(self, desk: Desk) -> None:
        """One bad item refuses all three."""
        fund(desk, "14")
        many = desk.billing.balances.debit_many
        with pytest.raises(InsufficientFunds) as refused:
            many("acme", self.ITEMS, reason="x", key="k", batch=Batch.ATOMIC)
        assert refused.value.args[2:5] == ("4", "3", "1")
        assert posted(desk) == "14"
        fund(desk, "1", "more")
        assert len(many("acme", self.ITEMS, reason="x", key="l", batch=Batch.ATOMIC).entries) == 3


class TestUnits:
    """Prepaid messages are a balance of their own: counted, never rounded, never money."""

    def test_a_pack_is_a_lot_of_units(self, desk: Desk) -> None:
        """500 messages, three sent, and more than there are is refused."""
        pack = Terms(origin=LotOrigin.PACK, expires_at=START + DAY)
        balances = desk.billing.balances
        balances.credit("acme", Units(500, "whatsapp.message"), reason="p", key="p", terms=pack)
        sent = balances.debit("acme", Units(3, "whatsapp.message"), reason="m", key="m")
        assert str(sent) == "#2 2026-10-05 06:00Z CHARGE -3 whatsapp.message → 497 m"
        assert sent.value == Units(-3, "whatsapp.message")
        with pytest.raises(InsufficientFunds) as refused:
            balances.debit("acme", Units(498, "whatsapp.message"), reason="m", key="n")
        assert refused.value.args[1:5] == ("whatsapp.message", "498", "497", "1")
        desk.clock.now = START + DAY
        desk.billing.run_due()
        assert posted(desk, "whatsapp.message") == "0"
        event = desk.billing.events("acme", limit=1000)[-1].event
        assert getattr(event, "amount", None) == Units(497, "whatsapp.message")
        assert desk.billing.verify("acme").sound

    def test_has_no_amount_in_money(self, desk: Desk) -> None:
        """Asking an entry of units for money is a mistake, not a zero."""
        entry = desk.billing.balances.credit("acme", Units(5, "a"), reason="p", key="p")
        with pytest.raises(InvalidInput):
            _ = entry.money
        for count, unit in ((1.5, "a"), (1, "TRY"), (2**63, "a"), (1, "")):
            with pytest.raises(InvalidInput):
                Units(count, unit)  # type: ignore[arg-type]


class TestLaterLots:
    """A lot may start later: it is posted now, available then."""

    def test_counts_from_its_start(self, desk: Desk) -> None:
        """Granted today for tomorrow."""
        fund(desk, "10", "later", Terms(effective_at=START + DAY))
        assert (posted(desk), available(desk)) == ("10", "0")
        desk.clock.now = START + DAY
        assert available(desk) == "10"

    def test_covers_a_debt_when_it_starts(self, desk: Desk) -> None:
        """Not before, and as of its start."""
        fund(desk, "10", "later", Terms(effective_at=START + DAY))
        charge(desk, "4", mode=DebitMode.FORCED)
        assert available(desk) == "-4"
        desk.clock.now = START + 2 * DAY
        desk.billing.run_due()
        last = desk.billing.balances.entries("acme")[-1]
        assert (last.kind, last.effective_at) == ("COVERAGE", START + DAY)
        assert available(desk) == "6"
        assert desk.billing.run_due().accounts == 0


class TestStanding:
    """Open, frozen, closed."""

    def test_a_frozen_balance_pays_for_nothing_new(self, desk: Desk) -> None:
        """Credits come in; debits and holds wait until it is open again."""
        fund(desk, "10")
        move = desk.billing.balances.move
        move("acme", "TRY", BalanceMove.FREEZE, key="f")
        fund(desk, "5", "more")
        assert (posted(desk), available(desk)) == ("15", "0")
        with pytest.raises(InsufficientFunds, match="frozen: unfreeze it"):
            charge(desk, "1")
        with pytest.raises(IllegalTransition):
            move("acme", "TRY", BalanceMove.FREEZE, key="f2")
        assert move("acme", "TRY", BalanceMove.UNFREEZE, key="u").state is BalanceState.OPEN
        assert charge(desk, "1", "now").amount == -MICRO

    def test_closing_refunds_what_was_paid(self, desk: Desk) -> None:
        """7 of a top-up go back to it, a promotion of 3 is breakage."""
        desk.top_up("10")
        charge(desk, "3")
        fund(desk, "3", "promo", PROMO)
        done = desk.billing.balances.close("acme", "TRY", reason="left", key="c")
        (refund,) = done.refunds
        assert (refund.kind, refund.amount) == (EntryKind.REFUND, -7 * MICRO)
        lots = desk.storage.read(lambda reader: reader.lots("acme"))
        assert refund.reference == lots[0].source != ""
        assert [one.amount for one in done.breakage] == [-3 * MICRO]
        assert (posted(desk), done.balance.state) == ("0", BalanceState.CLOSED)
        assert desk.event_names()[-1] == "BalanceClosed"
        with pytest.raises(IllegalTransition, match="CLOSED and cannot take a credit"):
            fund(desk, "1", "late")
        with pytest.raises(InsufficientFunds, match="closed: reopen it"):
            charge(desk, "1", "too late")
        with pytest.raises(IllegalTransition):
            charge(desk, "1", "by force", mode=DebitMode.FORCED)
        desk.billing.balances.move("acme", "TRY", BalanceMove.REOPEN, key="r")
        assert fund(desk, "1", "again").amount == MICRO
        assert desk.billing.verify("acme").sound

    def test_dust_is_breakage(self, desk: Desk) -> None:
        """Less than a lira is not worth sending."""
        fund(desk, "0.99")
        done = desk.billing.balances.close("acme", "TRY", dust=lira("1"), reason="left", key="c")
        assert (done.refunds, len(done.breakage)) == ((), 1)

    def test_what_is_open_has_to_be_settled_first(self, desk: Desk) -> None:
        """Holds and debts keep a balance from closing."""
        close = desk.billing.balances.close
        fund(desk, "5")
        placed = desk.billing.holds.place("acme", lira("2"), reason="x", key="h")
        with pytest.raises(IllegalTransition, match="holding 2 and cannot close"):
            close("acme", "TRY", reason="left", key="c")
        desk.billing.holds.release("acme", placed.id, key="r")
        charge(desk, "6", mode=DebitMode.FORCED)
        with pytest.raises(IllegalTransition, match="owing 1 and cannot close"):
            close("acme", "TRY", reason="left", key="d")

    def test_a_payment_for_a_closed_balance_is_set_aside(self, desk: Desk) -> None:
        """It is verified and cannot be credited: a person must look."""
        top_up = desk.start(lira("10"))
        desk.billing.balances.close("acme", "TRY", reason="left", key="c")
        desk.pay(top_up, lira("10"))
        assert desk.event_names()[-1] == "PaymentQuarantined"
        assert posted(desk) == "0"


VERBS: dict[
    str, tuple[Callable[[Desk, dict[str, Any]], object], dict[str, Any], dict[str, Any]]
] = {
    "debit": (
        lambda d, f: d.billing.balances.debit("acme", **f),
        {"amount": lira("1"), "reason": "a"},
        {"mode": DebitMode.FORCED, "kind": EntryKind.MESSAGE_FEE},
    ),
    "debit_many": (
        lambda d, f: d.billing.balances.debit_many("acme", **f),
        {"items": [(lira("1"), "a")], "reason": "a"},
        {
            "items": [(lira("1"), "b")],
            "reason": "b",
            "batch": Batch.ATOMIC,
            "kind": EntryKind.PLAN_FEE,
        },
    ),
    "credit": (
        lambda d, f: d.billing.balances.credit("acme", **f),
        {"amount": lira("1"), "reason": "a"},
        {"terms": (Terms(effective_at=START + DAY), "effective_at")},
    ),
    "adjust": (
        lambda d, f: d.billing.balances.adjust("acme", **f),
        {"amount": lira("1"), "reason": "a"},
        {
            "amount": lira("-1"),
            "reason": "b",
            "reference": "r",
            "mode": DebitMode.FORCED,
            "terms": (Terms(origin=LotOrigin.PROMOTIONAL, priority=7), "priority"),
        },
    ),
    "reverse": (
        lambda d, f: d.billing.balances.reverse("acme", **f),
        {"entry": 2, "reason": "a"},
        {
            "entry": 1,
            "amount": lira("1"),
            "reason": "b",
            "reference": "r",
            "mode": DebitMode.PARTIAL,
        },
    ),
    "void": (
        lambda d, f: d.billing.balances.void("acme", **f),
        {"lot": 1, "reason": "a"},
        {"lot": 2, "reason": "b"},
    ),
    "transfer": (
        lambda d, f: d.billing.balances.transfer("acme", **f),
        {"amount": lira("1"), "to": "USD", "rate": "0.02", "reason": "a"},
        {
            "amount": lira("2"),
            "to": "EUR",
            "rate": "0.03",
            "reason": "b",
            "rounding": HALF_EVEN,
        },
    ),
    "move": (
        lambda d, f: d.billing.balances.move("acme", **f),
        {"unit": "TRY", "move": BalanceMove.FREEZE},
        {"unit": "USD", "move": BalanceMove.REOPEN},
    ),
    "limit": (
        lambda d, f: d.billing.balances.limit("acme", **f),
        {"credit_limit": lira("5")},
        {"credit_limit": lira("6")},
    ),
    "close": (
        lambda d, f: d.billing.balances.close("acme", **f),
        {"unit": "USD", "reason": "a"},
        {"unit": "TRY", "reason": "b", "dust": money("1", "USD")},
    ),
    "place": (
        lambda d, f: d.billing.holds.place("acme", **f),
        {"amount": lira("1"), "reason": "a"},
        {
            "amount": lira("2"),
            "reason": "b",
            "reference": "r",
            "kind": EntryKind.MESSAGE_FEE,
            "expires_at": START + DAY,
        },
    ),
    "extend": (
        lambda d, f: d.billing.holds.extend("acme", **f),
        {"hold": "h", "more": lira("1")},
        {"hold": "g", "more": lira("2"), "expires_at": START + DAY},
    ),
    "capture": (
        lambda d, f: d.billing.holds.capture("acme", **f),
        {"hold": "h", "amount": lira("1")},
        {"hold": "g", "amount": lira("2"), "rest": Rest.RELEASE, "reference": "r"},
    ),
    "release": (
        lambda d, f: d.billing.holds.release("acme", **f),
        {"hold": "h"},
        {"hold": "g", "reason": "other"},
    ),
}
FIELDS = [(verb, field) for verb, (_, _, others) in VERBS.items() for field in others]


class TestKeys:
    """Every verb remembers its first answer, and refuses the key for anything else."""

    @pytest.mark.parametrize(("verb", "field"), FIELDS)
    def test_each_field_changed_in_turn_is_named(self, desk: Desk, verb: str, field: str) -> None:
        """The same again is the same answer; one field changed is a conflict that names it."""
        fund(desk, "100")
        charge(desk, "10", "first")
        placed = desk.billing.holds.place("acme", lira("9"), reason="x", key="held").id
        ask, usual, others = VERBS[verb]
        facts = {name: placed if value == "h" else value for name, value in usual.items()}
        first = ask(desk, {**facts, "key": "one"})
        desk.clock.advance(hours=1)
        before = desk.snapshot()
        assert ask(desk.reopen(), {**facts, "key": "one"}) == first
        other, named = others[field] if isinstance(others[field], tuple) else (others[field], field)
        with pytest.raises(IdempotencyConflict) as refused:
            ask(desk, {**facts, field: other, "key": "one"})
        assert refused.value.field == named
        assert desk.snapshot() == before

    def test_a_refusal_is_remembered(self, desk: Desk) -> None:
        """A hold refused for want of money stays refused under its key after a top-up."""
        place = desk.billing.holds.place
        with pytest.raises(InsufficientFunds) as first:
            place("acme", lira("5"), reason="x", key="one")
        desk.top_up("10")
        with pytest.raises(InsufficientFunds) as again:
            desk.reopen().billing.holds.place("acme", lira("5"), reason="x", key="one")
        assert again.value.args == first.value.args
        assert place("acme", lira("5"), reason="x", key="two").left == 5 * MICRO
