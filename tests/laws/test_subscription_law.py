"""What holds for every life of a subscription, whatever is asked of it and when."""

import contextlib
from collections.abc import Iterable
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

from hypothesis import given, note, strategies as st

from monochat_billing import MONTH, YEAR, BillingAnchor, BillingInterval, Money, money
from monochat_billing.cancellations import CancelMode
from monochat_billing.change_quotes import ChangeQuote
from monochat_billing.entries import EntryKind
from monochat_billing.errors import InvalidInput, Rejected
from monochat_billing.events import RenewalFailed, SubscriptionRenewed
from monochat_billing.plans import ChangeTiming
from monochat_billing.tax import Pricing
from tests.desk import Clock, Desk
from tests.shop import catalog, desk_with

PLANS = ("free", "team", "firm", "pro")
FEES = frozenset({EntryKind.PLAN_FEE, EntryKind.SUPPORT_FEE, EntryKind.ADD_ON_FEE})

asks = st.one_of(
    st.tuples(st.just("wait"), st.integers(0, 45 * 24)),
    st.tuples(st.just("subscribe"), st.sampled_from((*PLANS, "seat", "desk"))),
    st.tuples(st.just("change"), st.tuples(st.sampled_from(PLANS), st.sampled_from((MONTH, YEAR)))),
    st.tuples(st.just("now"), st.sampled_from(PLANS)),
    st.tuples(st.just("seats"), st.integers(1, 60)),
    st.tuples(st.just("anchor"), st.integers(1, 31)),
    st.tuples(st.just("cancel"), st.sampled_from(tuple(CancelMode))),
    st.tuples(st.sampled_from(("pause", "resume", "reactivate", "end")), st.none()),
    st.tuples(st.just("money"), st.integers(1, 4000)),
)


def life(pricing: Pricing, amount: str) -> Desk:
    """Open an account with so much money, where the dearest plan has its tax inside or on top."""
    made = desk_with("memory", catalog(pricing=pricing), Path(), Clock())
    made.billing.balances.credit("acme", money(amount, "TRY"), reason="start", key="start")
    return made


def plan(desk: Desk) -> str:
    """Name the plan that is held, or the one that would be."""
    held = [one for one in desk.billing.subscriptions.list("acme") if one.product in PLANS]
    return held[0].id if held else "team"


def do(desk: Desk, number: int, what: str, value: object) -> None:  # noqa: C901 - one ask a line
    """Ask one thing; a refusal is an answer."""
    subs, key, zone = desk.billing.subscriptions, f"k{number}", "Europe/Istanbul"
    with contextlib.suppress(Rejected, InvalidInput):
        if what == "wait" and isinstance(value, int):
            desk.clock.now += timedelta(hours=value)
            desk.billing.run_due()
        elif what == "subscribe":
            subs.subscribe("acme", str(value), MONTH, key=key)
        elif what == "change" and isinstance(value, tuple):
            subs.change(subs.preview("acme", to=value[0], interval=value[1]))
        elif what == "now":
            subs.change(subs.preview("acme", to=str(value), timing=ChangeTiming.IMMEDIATE))
        elif what == "seats" and isinstance(value, int):
            subs.change(subs.preview("acme", of="seat", quantity=value))
        elif what == "anchor" and isinstance(value, int):
            anchor = BillingAnchor.on_day(value, desk.clock.now, zone)
            subs.change(subs.preview("acme", of=plan(desk), anchor=anchor))
        elif what == "cancel" and isinstance(value, CancelMode):
            subs.cancel("acme", plan(desk), mode=value, key=key)
        elif what == "pause":
            subs.pause("acme", plan(desk), key=key)
        elif what == "resume":
            subs.resume("acme", plan(desk), key=key)
        elif what == "reactivate":
            subs.reactivate("acme", plan(desk), key=key)
        elif what == "end":
            desk.billing.schedule.cancel("acme", plan(desk), key=key)
        elif what == "money" and isinstance(value, int):
            desk.billing.balances.credit("acme", money(value, "TRY"), reason="more", key=key)


def lived(desk: Desk, steps: Iterable[tuple[str, object]]) -> None:
    """Ask one thing after the other."""
    for number, (what, value) in enumerate(steps):
        note(f"{desk.clock.now} {what} {value}")
        do(desk, number, what, value)


def posted(desk: Desk) -> Decimal:
    """Give the balance."""
    balance = desk.billing.balances.list("acme")["TRY"]
    return Decimal(balance.money(balance.posted).amount)


lives = st.lists(asks, max_size=8)
amounts = st.sampled_from(("1", "100", "2500", "50000"))
tax_places = st.sampled_from(Pricing)


class TestEveryLife:
    """Whatever was asked before."""

    @given(tax_places, amounts, lives)
    def test_credits_never_exceed_what_was_paid(
        self, pricing: Pricing, amount: str, steps: list[tuple[str, object]]
    ) -> None:
        """Neither over a whole subscription nor for one charge."""
        desk = life(pricing, amount)
        lived(desk, steps)
        paid: dict[str, Decimal] = {}
        charges: dict[int, Decimal] = {}
        for entry in desk.billing.balances.entries("acme", limit=10_000):
            if entry.kind in FEES:
                charges[entry.number] = -Decimal(entry.money.amount)
                paid[entry.reference] = paid.get(entry.reference, Decimal(0)) - entry.money.amount
            elif entry.kind is EntryKind.PRORATION_CREDIT:
                assert entry.corrects is not None
                charges[entry.corrects] -= entry.money.amount
                paid[entry.reference] -= entry.money.amount
        assert all(left >= 0 for left in (*paid.values(), *charges.values()))

    @given(tax_places, amounts, lives, st.sampled_from(PLANS), st.sampled_from((MONTH, YEAR)))
    def test_a_preview_is_what_is_executed(
        self,
        pricing: Pricing,
        amount: str,
        steps: list[tuple[str, object]],
        to: str,
        interval: BillingInterval,
    ) -> None:
        """Money, tax, period and the next renewal; a refusal changes nothing."""
        desk = life(pricing, amount)
        lived(desk, steps)
        subs = desk.billing.subscriptions
        try:
            quote = subs.preview(
                "acme",
                to=to,
                interval=interval,
                timing=ChangeTiming.IMMEDIATE,
            )
        except (Rejected, InvalidInput):
            return
        note(str(quote))
        before, snapshot = posted(desk), desk.snapshot()
        try:
            done = subs.change(quote)
        except Rejected:
            assert quote.shortfall.amount > 0
            assert desk.snapshot() == snapshot
            return
        assert before - posted(desk) == quote.due_now.amount
        if not quote.changes_anything:
            return
        after = done.subscription
        assert after.period == quote.period
        assert (after.product, after.price) == (quote.to_product, quote.to_price)
        if quote.charge.amount:
            assert (after.charge.amount, after.charge.tax) == (quote.charge, quote.charge_tax)
        self._renews_as_shown(desk, quote, after.id)

    def _renews_as_shown(self, desk: Desk, quote: ChangeQuote, identity: str) -> None:
        pending = desk.billing.schedule.list("acme")
        if any(one.subscription == identity for one in pending):
            return
        desk.billing.balances.credit("acme", money(10**6, "TRY"), reason="rich", key="rich")
        desk.clock.now = max(desk.clock.now, quote.next_renewal_at)
        desk.billing.run_due()
        renewed: list[Money] = [
            one.event.amount
            for one in desk.billing.events("acme", limit=10_000)
            if isinstance(one.event, SubscriptionRenewed)
            and one.event.subscription == identity
            and one.event.at == quote.next_renewal_at
        ]
        assert renewed == [quote.renewal]

    @given(tax_places, lives)
    def test_the_parts_of_every_charge_add_up(
        self, pricing: Pricing, steps: list[tuple[str, object]]
    ) -> None:
        """Net and tax are the gross, and the gross is what left the balance."""
        desk = life(pricing, "50000")
        lived(desk, steps)
        entries = {e.number: e for e in desk.billing.balances.entries("acme", limit=10_000)}
        for one in desk.billing.subscriptions.history("acme"):
            for charge in (*one.earlier, one.charge):
                if charge.entry is None:
                    assert not charge.amount.amount
                    continue
                assert charge.tax is not None
                assert charge.tax.gross == charge.amount
                assert -entries[charge.entry].money.amount == charge.amount.amount

    @given(tax_places, amounts, lives)
    def test_what_ended_stays_ended(
        self, pricing: Pricing, amount: str, steps: list[tuple[str, object]]
    ) -> None:
        """It is in the history for ever, with its end, and never renews or fails again."""
        desk = life(pricing, amount)
        lived(desk, steps)
        gone = {one.id: one for one in desk.billing.subscriptions.history("acme") if not one.live}
        told = len(desk.billing.events("acme", limit=10_000))
        desk.clock.advance(days=100)
        desk.billing.run_due()
        again = {one.id: one for one in desk.billing.subscriptions.history("acme")}
        assert all(again[identity] == one for identity, one in gone.items())
        later = desk.billing.events("acme", limit=10_000)[told:]
        assert not any(
            isinstance(one.event, SubscriptionRenewed | RenewalFailed)
            and one.event.subscription in gone
            for one in later
        )
