"""A state machine over whole accounts: whatever a business asks of one, and however time passes.

Everything is asked of two services at once. One is never told that time has passed, the other runs
due work at some instants in between: they must answer alike and end alike. What a test of one verb
can say is in the tests of that verb; here stands what holds after any of them.
"""

from collections import defaultdict
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import attrs
from hypothesis import HealthCheck, event, note, settings, strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from monochat_billing import (
    MONTH,
    YEAR,
    Billing,
    BillingAnchor,
    Catalog,
    Family,
    Money,
    Price,
    Product,
    money,
    sample_catalog,
)
from monochat_billing.account_state import AccountState
from monochat_billing.adapters.memory import MemoryStorage
from monochat_billing.adapters.sandbox import SandboxGateway
from monochat_billing.balance import Terms
from monochat_billing.cancellations import CancelMode
from monochat_billing.change_quotes import ChangeQuote
from monochat_billing.counters import MeterRecord
from monochat_billing.entries import Entry, EntryKind
from monochat_billing.errors import BillingError, InsufficientFunds
from monochat_billing.events import Event
from monochat_billing.holds import Rest
from monochat_billing.intervals import WEEK, BillingInterval
from monochat_billing.lots import LotOrigin
from monochat_billing.plan_commands import ChangeResult
from monochat_billing.plans import ChangeTiming
from monochat_billing.repositories import Wanted
from monochat_billing.starts import Alignment
from monochat_billing.subscriptions import ENDED, MOVES, Subscription, SubscriptionState
from monochat_billing.tax import Pricing
from tests.desk import PROFILE, SECRET, Clock, Desk
from tests.effort import one_in
from tests.stall import Counter

PLANS: Final = ("basic", "growth", "enterprise")
SOLD: Final = (*PLANS, "community", "priority", "seat", "desk")
FEES: Final = frozenset({EntryKind.PLAN_FEE, EntryKind.SUPPORT_FEE, EntryKind.ADD_ON_FEE})
EPOCH: Final = datetime(2020, 1, 1, tzinfo=UTC)
HOUR: Final = timedelta(hours=1)
BEGINNINGS: Final = (
    datetime(2026, 10, 5, 6, tzinfo=UTC),
    datetime(2026, 10, 24, 23, 30, tzinfo=UTC),  # Berlin leaves summer time that night
    datetime(2027, 3, 28, 0, 30, tzinfo=UTC),  # and enters it
    datetime(2027, 8, 31, 21, tzinfo=UTC),  # midnight in Istanbul
    datetime(2028, 1, 30, 22, 15, tzinfo=UTC),
    datetime(2028, 2, 29, 9, tzinfo=UTC),
)


def add_on(
    identity: str, month: str, pricing: Pricing, trial: BillingInterval | None = None
) -> Product:
    """Sell something beside the plan, as often as one likes."""
    amounts = ((MONTH, month), (YEAR, str(int(month) * 10)))
    return Product(
        id=identity,
        family=Family.ADD_ON,
        names={"en": identity, "tr": identity},
        prices=tuple(
            Price(interval=interval, amount=money(amount, currency), pricing=pricing)
            for interval, amount in amounts
            for currency in ("TRY", "USD")
        ),
        trial=trial,
        most_quantity=50,
    )


def shop() -> Catalog:
    """Sell what the sample sells, with a trial, add-ons with the tax inside and on top."""
    sample = sample_catalog()
    plans = tuple(
        attrs.evolve(one, trial=BillingInterval(count=14, unit="DAY"))
        if one.id == "growth"
        else one
        for one in sample.products
    )
    beside = (add_on("seat", "90", Pricing.INCLUSIVE), add_on("desk", "310", Pricing.EXCLUSIVE))
    suspending = attrs.evolve(sample.dunning[-1], gives_up=BillingInterval(count=40, unit="DAY"))
    return attrs.evolve(
        sample,
        products=(*plans, beside[0], attrs.evolve(beside[1], trial=WEEK)),
        dunning=(*sample.dunning[:-1], suspending),
    )


SHOP: Final = shop()
CURRENCIES: Final = ("TRY", "USD")
amounts = st.sampled_from(["1", "90", "450", "1499", "6000", "20000"])
currencies = st.sampled_from(["TRY", "TRY", "TRY", "USD"])
intervals = st.sampled_from([MONTH, MONTH, YEAR])
quantities = st.integers(1, 6)
picks = st.integers(0, 7)
some_time = st.integers(1, 24 * 70).map(lambda hours: hours * HOUR)
perhaps_ahead = st.none() | some_time
Act = Callable[["World"], object]


class World:
    """Hold one service with the account "acme", and what it can be asked about."""

    def __init__(self, zone: str, begin: datetime) -> None:
        self.clock = Clock(begin)
        self.zone = zone
        self.storage = MemoryStorage()
        self.billing = Billing(
            catalog=SHOP,
            storage=self.storage,
            gateways=[SandboxGateway(SECRET, page_url="http://127.0.0.1:9")],
            clock=self.clock,
            ids=Counter(),
        )
        self.desk = Desk(self.billing, self.clock, self.storage, lambda: self.desk)
        self.billing.accounts.open("acme", zone=zone, currencies=CURRENCIES, profile=PROFILE)

    def state(self) -> AccountState:
        """Give the account as it is stored, with what has ended."""
        state = self.billing._context.load(Wanted("acme", ended=True)).state
        assert state is not None
        return state

    def after(self, ahead: timedelta | None) -> datetime | None:
        """Give an instant ahead, or none for the period's end."""
        return None if ahead is None else self.clock.now + ahead

    def held(self, pick: int) -> str:
        """Name one of the subscriptions, the live ones first."""
        known = sorted(self.billing.subscriptions.history("acme"), key=lambda one: not one.live)
        return known[pick % len(known)].id if known else "nothing"

    def told(self) -> tuple[object, ...]:
        """Give all that two ways to pass the time must agree on."""
        entries, schedule, events = self.storage.read(
            lambda reader: (
                [
                    attrs.evolve(one, recorded_at=EPOCH)
                    for one in reader.entries("acme", limit=9999)
                ],
                list(reader.schedule("acme")),
                [one.event for one in reader.events("acme", limit=9999)],
            )
        )
        state = self.state()
        account = attrs.evolve(state.account, as_of=EPOCH)
        return entries, schedule, events, state.books, state.subscriptions, account

    def written(self) -> tuple[list[Entry], list[Event]]:
        """Give every entry and every event."""
        return self.storage.read(
            lambda reader: (
                [
                    attrs.evolve(one, recorded_at=EPOCH)
                    for one in reader.entries("acme", limit=9999)
                ],
                [one.event for one in reader.events("acme", limit=9999)],
            )
        )


def reachable(was: SubscriptionState, moves: int) -> set[SubscriptionState]:
    """Say in which states so many moves of the table can end."""
    found, edge = {was}, {was}
    for _ in range(min(moves, len(SubscriptionState))):
        edge = {after for (before, _), after in MOVES.items() if before in edge}
        found |= edge
    return found


class AccountMachine(RuleBasedStateMachine):
    """Ask anything of an account, twice."""

    def __init__(self) -> None:
        super().__init__()
        self.keys = 0
        self.seen: dict[str, Subscription] = {}

    @initialize(
        zone=st.sampled_from(["Europe/Istanbul", "Europe/Berlin"]),
        begin=st.sampled_from(BEGINNINGS),
        funds=st.sampled_from(["100", "2500", "9000", "150000"]),
        first=st.sampled_from(["", *PLANS]),
    )
    def open(self, zone: str, begin: datetime, funds: str, first: str) -> None:
        self.lazy, self.busy = World(zone, begin), World(zone, begin)
        self.put_in(funds, "TRY")
        self.put_in("300", "USD")
        if first:
            self.do(
                "subscribe",
                lambda at: at.billing.subscriptions.subscribe("acme", first, MONTH, key=self.key),
            )

    @property
    def key(self) -> str:
        return f"key-{self.keys}"

    def do(self, what: str, act: Act) -> object:
        """Ask the same of both, and compare what they answer; a refusal is an answer too."""
        self.keys += 1
        answers = []
        for world in (self.lazy, self.busy):
            try:
                answers.append(act(world))
            except BillingError as refusal:
                answers.append(refusal)
        first, second = answers
        note(f"{self.lazy.clock.now} {what}: {str(first)[:160]}")
        event(f"{what}: {type(first).__name__}")
        # What has ended is not loaded: where one says that it has, the other may not know it.
        assert isinstance(first, BillingError) is isinstance(second, BillingError)
        if not isinstance(first, BillingError):
            assert type(first) is type(second)
        return first

    # ------------------------------------------------------------------------------------ time

    @rule(gap=some_time, runs=st.lists(st.floats(0, 1), max_size=3))
    def wait(self, gap: timedelta, runs: list[float]) -> None:
        self.pass_time(gap, runs)

    @rule(runs=st.lists(st.floats(0, 1), max_size=2))
    def wait_until_something_is_due(self, runs: list[float]) -> None:
        upcoming = self.lazy.billing.upcoming("acme", until=self.lazy.clock.now + 400 * 24 * HOUR)
        if upcoming.lines:
            self.pass_time(upcoming.lines[0].at - self.lazy.clock.now, runs)

    def pass_time(self, gap: timedelta, runs: list[float]) -> None:
        begin = self.busy.clock.now
        for share in sorted(runs):
            self.busy.clock.now = begin + gap * share
            assert not self.busy.billing.run_due().failed
        for world in (self.lazy, self.busy):
            world.clock.now = begin + gap

    @rule(gap=some_time)
    def see_what_was_foreseen(self, gap: timedelta) -> None:
        """What is upcoming is what is then stored."""
        world = self.busy
        world.billing.run_due()
        entries, events = world.written()
        found = world.billing.upcoming("acme", until=world.clock.now + gap)
        self.pass_time(gap, [])
        world.billing.run_due()
        if found.complete:
            later = world.written()
            shown = [attrs.evolve(one, recorded_at=EPOCH) for one in found.entries]
            assert later[0][len(entries) :] == shown
            assert later[1][len(events) :] == list(found.events)

    # ----------------------------------------------------------------------------------- money

    @rule(amount=amounts, currency=currencies)
    def put_in(self, amount: str, currency: str) -> None:
        self.do(
            "credit",
            lambda at: at.billing.balances.credit(
                "acme", money(amount, currency), reason="bank", key=self.key
            ),
        )

    @rule(amount=st.sampled_from(["100", "1500", "7000"]))
    def top_up(self, amount: str) -> None:
        self.do("top up", lambda at: at.desk.top_up(amount, key=self.key).entry)

    @rule(amount=amounts, ahead=some_time)
    def promote(self, amount: str, ahead: timedelta) -> None:
        def give(at: World) -> object:
            terms = Terms(origin=LotOrigin.PROMOTIONAL, expires_at=at.clock.now + ahead, priority=1)
            return at.billing.balances.credit(
                "acme", money(amount, "TRY"), reason="gift", terms=terms, key=self.key
            )

        self.do("promote", give)

    @rule(amount=amounts, currency=currencies)
    def take(self, amount: str, currency: str) -> None:
        self.do(
            "debit",
            lambda at: at.billing.balances.debit(
                "acme", money(amount, currency), reason="export", key=self.key
            ),
        )

    @rule(amount=amounts, ahead=perhaps_ahead)
    def hold(self, amount: str, ahead: timedelta | None) -> None:
        self.do(
            "hold",
            lambda at: at.billing.holds.place(
                "acme",
                money(amount, "TRY"),
                reason="send",
                key=self.key,
                expires_at=None if ahead is None else at.clock.now + ahead,
            ),
        )

    @rule(pick=picks, release=st.booleans())
    def settle_a_hold(self, pick: int, *, release: bool) -> None:
        def settle(at: World) -> object:
            known = list(at.billing.holds.list("acme"))
            name = known[pick % len(known)] if known else "nothing"
            if release:
                return at.billing.holds.release("acme", name, key=self.key)
            half = money("0.5", "TRY")
            return at.billing.holds.capture(
                "acme", name, key=self.key, amount=half, rest=Rest.RELEASE
            )

        self.do("settle a hold", settle)

    @rule(quantity=st.sampled_from([1, 700, 9_900]))
    def use(self, quantity: int) -> None:
        def record(at: World) -> object:
            used = MeterRecord(
                id=self.key,
                meter="monochat.message",
                quantity=quantity,
                occurred_at=at.clock.now,
            )
            return at.billing.usage.record("acme", [used])

        self.do("use", record)

    @rule()
    def buy_a_pack(self) -> None:
        self.do("pack", lambda at: at.billing.packs.buy("acme", "messages-5k", key=self.key))

    # --------------------------------------------------------------------------- subscriptions

    @rule(
        product=st.sampled_from(SOLD),
        interval=intervals,
        currency=currencies,
        days=st.sampled_from([0, 0, 0, -3, -40, 5, 33]),
        more=st.fixed_dictionaries(
            {"trial": st.booleans()},
            optional={"quantity": quantities, "alignment": st.sampled_from(Alignment)},
        ),
    )
    def subscribe(
        self,
        product: str,
        interval: BillingInterval,
        currency: str,
        days: int,
        more: dict[str, Any],
    ) -> None:
        if product not in {"seat", "desk"}:
            more = {"trial": more["trial"]}

        def start(at: World) -> object:
            since = at.clock.now + timedelta(days=days) if days else None
            return at.billing.subscriptions.subscribe(
                "acme",
                product,
                interval,
                key=self.key,
                currency=currency,
                start=since,
                **more,
            )

        self.do("subscribe", start)

    @rule(
        to=st.sampled_from(SOLD),
        interval=st.none() | intervals,
        timing=st.none() | st.sampled_from([ChangeTiming.IMMEDIATE, ChangeTiming.END_OF_PERIOD]),
    )
    def change(
        self, to: str, interval: BillingInterval | None, timing: ChangeTiming | None
    ) -> None:
        self.preview_and_change("change", {"to": to, "interval": interval, "timing": timing})

    @rule(pick=picks, quantity=quantities)
    def change_the_quantity(self, pick: int, quantity: int) -> None:
        self.preview_and_change("quantity", {"of": pick, "quantity": quantity})

    @rule(pick=picks, day=st.integers(1, 31))
    def move_the_anchor(self, pick: int, day: int) -> None:
        self.preview_and_change("anchor", {"of": pick, "anchor": day})

    def preview_and_change(self, what: str, asked: dict[str, Any]) -> None:
        """What was shown is what is done, or nothing is."""

        def preview(at: World) -> object:
            wanted = dict(asked)
            if "of" in wanted:
                wanted["of"] = at.held(wanted["of"])
            if "anchor" in wanted:
                day = wanted["anchor"]
                wanted["anchor"] = BillingAnchor.on_day(day, at.clock.now, at.zone)
            quote = at.billing.subscriptions.preview("acme", key=self.key, **wanted)
            before = at.billing._context.view("acme").state
            try:
                done = at.billing.subscriptions.change(quote)
            except InsufficientFunds:
                assert quote.shortfall.amount > 0
                after = at.billing._context.view("acme").state
                assert (after.books, after.subscriptions) == (before.books, before.subscriptions)
                raise
            self.compare(quote, done)
            return done

        self.do(what, preview)

    def compare(self, quote: ChangeQuote, done: ChangeResult) -> None:
        """Money, product, period and the tax of what is charged."""
        if done.scheduled is not None:
            return
        moved = [
            one
            for one in done.entries
            if one.reference == quote.subscription
            and (one.kind in FEES or one.kind is EntryKind.PRORATION_CREDIT)
        ]
        assert -sum(one.money.amount for one in moved) == quote.due_now.amount
        if quote.changes_anything:
            after = done.subscription
            assert after.period == quote.period
            assert (after.product, after.price) == (quote.to_product, quote.to_price)
            if quote.charge.amount:
                assert (after.charge.amount, after.charge.tax) == (quote.charge, quote.charge_tax)

    @rule(pick=picks, mode=st.sampled_from(list(CancelMode)))
    def cancel(self, pick: int, mode: CancelMode) -> None:
        def end(at: World) -> object:
            shown = at.billing.subscriptions.preview_cancel("acme", at.held(pick), mode=mode)
            done = at.billing.subscriptions.cancel("acme", at.held(pick), mode=mode, key=self.key)
            assert shown == done
            return done

        self.do("cancel", end)

    @rule(pick=picks, verb=st.sampled_from(["pause", "resume", "reactivate"]))
    def turn(self, pick: int, verb: str) -> None:
        self.do(
            verb,
            lambda at: getattr(at.billing.subscriptions, verb)("acme", at.held(pick), key=self.key),
        )

    # -------------------------------------------------------------------------------- schedule

    @rule(to=st.sampled_from(SOLD), interval=st.none() | intervals, ahead=perhaps_ahead)
    def plan_a_change(
        self, to: str, interval: BillingInterval | None, ahead: timedelta | None
    ) -> None:
        self.do(
            "plan change",
            lambda at: at.billing.schedule.change(
                "acme", to=to, interval=interval, at=at.after(ahead), key=self.key
            ),
        )

    @rule(pick=picks, verb=st.sampled_from(["pause", "resume", "cancel"]), ahead=perhaps_ahead)
    def plan_a_turn(self, pick: int, verb: str, ahead: timedelta | None) -> None:
        self.do(
            f"plan {verb}",
            lambda at: getattr(at.billing.schedule, verb)(
                "acme", at.held(pick), at=at.after(ahead), key=self.key
            ),
        )

    @rule(pick=picks, mode=st.sampled_from(list(CancelMode)), ahead=some_time)
    def plan_to_get_money_back(self, pick: int, mode: CancelMode, ahead: timedelta) -> None:
        self.do(
            "plan cancel",
            lambda at: at.billing.schedule.cancel(
                "acme", at.held(pick), mode=mode, at=at.clock.now + ahead, key=self.key
            ),
        )

    @rule(pick=picks, quantity=quantities, ahead=perhaps_ahead)
    def plan_a_quantity(self, pick: int, quantity: int, ahead: timedelta | None) -> None:
        self.do(
            "plan quantity",
            lambda at: at.billing.schedule.quantity(
                "acme", at.held(pick), quantity, at=at.after(ahead), key=self.key
            ),
        )

    @rule(product=st.sampled_from(SOLD), interval=intervals, ahead=some_time)
    def plan_a_start(self, product: str, interval: BillingInterval, ahead: timedelta) -> None:
        self.do(
            "plan start",
            lambda at: at.billing.schedule.subscribe(
                "acme", product, interval, at=at.clock.now + ahead, key=self.key
            ),
        )

    @rule(
        products=st.permutations(PLANS),
        duration=st.sampled_from([MONTH, WEEK, BillingInterval(count=3, unit="MONTH")]),
        ahead=perhaps_ahead,
    )
    def plan_phases(
        self, products: list[str], duration: BillingInterval, ahead: timedelta | None
    ) -> None:
        phases = [(one, MONTH, duration) for one in products]
        self.do(
            "plan phases",
            lambda at: at.billing.schedule.phases("acme", phases, at=at.after(ahead), key=self.key),
        )

    @rule(pick=picks)
    def revoke(self, pick: int) -> None:
        def take_back(at: World) -> object:
            pending = at.billing.schedule.list("acme")
            name = pending[pick % len(pending)].id if pending else "nothing"
            return at.billing.schedule.revoke("acme", name, key=self.key)

        self.do("revoke", take_back)

    # ----------------------------------------------------------------------- what always holds

    @invariant()
    def both_are_sound(self) -> None:
        for world in (self.lazy, self.busy):
            assert world.billing.verify("acme").sound

    @invariant()
    def subscriptions_move_by_their_table(self) -> None:
        found = dict(self.lazy.state().subscriptions)
        for name, one in found.items():
            old = self.seen.get(name)
            if old is not None:
                assert one.version >= old.version
                assert one.state in reachable(old.state, one.version - old.version)
                assert one == old or (one.version > old.version and old.live)
            assert one.live is (one.ended_at is None)
            assert one.live is (one.state not in ENDED)
        assert set(self.seen) <= set(found)
        self.seen = found

    @invariant()
    def nothing_is_held_twice(self) -> None:
        live = [one for one in self.lazy.state().subscriptions.values() if one.live]
        places = [one.product if one.family is Family.ADD_ON else one.family for one in live]
        assert len(set(places)) == len(places)

    @invariant()
    def balances_cover_what_is_held(self) -> None:
        """Nothing here is forced, so nothing is ever owed."""
        state = self.lazy.state()
        held: dict[str, int] = defaultdict(int)
        for hold in state.holds.values():
            if hold.open:
                held[hold.unit] += hold.left
        for unit, balance in state.books.balances.items():
            assert balance.held == held[unit] >= 0
            assert balance.owed == 0
            assert balance.available(None, self.lazy.clock.now) >= 0

    @invariant()
    def no_more_comes_back_than_was_paid(self) -> None:
        left: dict[int, Money] = {}
        for one in self.lazy.billing.balances.entries("acme", limit=9999):
            if one.kind in FEES:
                left[one.number] = -one.money
            elif one.kind is EntryKind.PRORATION_CREDIT:
                assert one.corrects is not None
                left[one.corrects] -= one.money
        assert all(one.amount >= 0 for one in left.values())

    @precondition(lambda self: self.keys)
    @rule()
    def are_alike(self) -> None:
        """However often due work was run."""
        for world in (self.lazy, self.busy):
            assert not world.billing.run_due().failed
            due = world.state().account.next_due_at
            assert due is None or due > world.clock.now
        for lazy, busy in zip(self.lazy.told(), self.busy.told(), strict=True):
            assert lazy == busy
        for one in self.lazy.state().subscriptions.values():
            if one.state is SubscriptionState.ACTIVE:
                assert one.period.contains(self.lazy.clock.now)

    def teardown(self) -> None:
        """Let a year pass at last, which has a leap day or two changes of the clocks."""
        if self.keys:
            self.pass_time(timedelta(days=370), [0.1, 0.5, 0.9])
            self.are_alike()
            self.both_are_sound()
            self.subscriptions_move_by_their_table()
            self.no_more_comes_back_than_was_paid()


TestTheAccount = AccountMachine.TestCase
TestTheAccount.settings = settings(
    one_in(4),
    stateful_step_count=20,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
