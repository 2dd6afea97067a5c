"""Laws: the books against a model, and what holds for any account however it was used."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import attrs
import pytest
from hypothesis import assume, given, settings, strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    precondition,
    rule,
)

from monochat_billing import commands
from monochat_billing.accounts import AccountState, Step, require_account
from monochat_billing.adapters.memory import MemoryStorage
from monochat_billing.adapters.sandbox import payment_id
from monochat_billing.audit import audit
from monochat_billing.balance import (
    Books,
    Entry,
    EntryKind,
    Memo,
    Posted,
    Terms,
    credit,
    debit,
    debit_many,
    expire_lots,
    give_back,
    open_balance,
)
from monochat_billing.errors import (
    BillingError,
    IllegalTransition,
    InsufficientFunds,
    InvalidInput,
    StaleQuote,
    UnknownName,
)
from monochat_billing.lots import ChargeKind, Lot
from monochat_billing.money import Money, add, from_units, money, negate, total
from monochat_billing.payments import PaymentStatus
from monochat_billing.periods import MONTH, YEAR, BillingInterval
from monochat_billing.plans import ChangeTiming, Family
from monochat_billing.quotes import ChangeQuote
from monochat_billing.rating import MessageCategory, UsageRecord
from monochat_billing.repositories import Reader
from monochat_billing.scheduling import ScheduleState
from monochat_billing.service.pipeline import Command, execute
from monochat_billing.subscriptions import SubscriptionState
from tests.desk import PROFILE, Clock, Desk, build
from tests.effort import one_in
from tests.laws.model import Model
from tests.scene import CATALOG, START, Scene, scene

HOUR = timedelta(hours=1)
SECOND = timedelta(seconds=1)
UNITS = ("TRY", "USD")
KINDS = (EntryKind.CHARGE, EntryKind.PLAN_FEE, EntryKind.SUPPORT_FEE, EntryKind.MESSAGE_FEE)

small = st.integers(1, 60)
units = st.sampled_from(UNITS)
mostly_lira = st.sampled_from(("TRY", "TRY", "TRY", "USD"))
kinds = st.sampled_from(KINDS)
earmarks = st.just(frozenset[ChargeKind]()) | st.sets(
    st.sampled_from(list(ChargeKind)), max_size=2
).map(frozenset)


# -------------------------------------------------------------------------------- the books


class BooksMachine(RuleBasedStateMachine):
    """Move money in both, and compare everything."""

    debits = Bundle("debits")

    def __init__(self) -> None:
        super().__init__()
        self.books = Books("acme")
        self.model = Model()
        self.entries: list[Entry] = []
        self.lots: dict[int, Lot] = {}
        self.now = START

    @initialize(amounts=st.lists(small, min_size=2, max_size=4))
    def open(self, amounts: list[int]) -> None:
        for unit in UNITS:
            self.books = open_balance(self.books, unit)
            self.model.open(unit)
        for amount in amounts:
            self.put_in("TRY", amount, None, frozenset(), 2)

    def keep(self, books: Books, *entries: Entry) -> None:
        self.books = books
        self.entries += entries
        for balance in books.balances.values():
            self.lots.update((lot.number, lot) for lot in balance.lots)

    def memo(self, kind: EntryKind) -> Memo:
        return Memo(kind, self.now, self.now)

    @rule(hours=st.integers(1, 12))
    def wait(self, hours: int) -> None:
        self.now += hours * HOUR

    @rule(
        unit=mostly_lira,
        amount=small,
        hours=st.none() | st.integers(1, 30),
        pays_for=earmarks,
        priority=st.integers(1, 3),
    )
    def put_in(
        self,
        unit: str,
        amount: int,
        hours: int | None,
        pays_for: frozenset[ChargeKind],
        priority: int,
    ) -> None:
        ends = None if hours is None else self.now + hours * HOUR
        terms = Terms(pays_for=pays_for, expires_at=ends, priority=priority)
        done = credit(self.books, from_units(amount, unit), self.memo(EntryKind.GRANT), terms)
        self.keep(done.books, done.entry)
        names = frozenset(kind.value for kind in pays_for)
        self.model.credit(unit, amount, self.now, ends=ends, kinds=names, priority=priority)

    @rule(target=debits, unit=mostly_lira, tenths=st.integers(1, 11), kind=kinds)
    def take_out(self, unit: str, tenths: int, kind: EntryKind) -> Any:  # noqa: ANN401
        """Take a part of what can be taken, which several lots have to pay, or a bit more."""
        can = self.model.available(unit, kind.pays_for.value, self.now)
        amount = can * tenths // 10 + 1
        try:
            done = debit(self.books, from_units(amount, unit), self.memo(kind))
        except InsufficientFunds as short:
            assert self.model.debit(unit, amount, kind.pays_for.value, self.now) is None
            self.compare_refusal(short, unit, amount, can)
            return multiple()
        self.keep(done.books, done.entry)
        assert self.model.debit(unit, amount, kind.pays_for.value, self.now) == done.entry.number
        return done

    @rule(unit=mostly_lira, amounts=st.lists(small, max_size=5), kind=kinds)
    def take_out_many(self, unit: str, amounts: list[int], kind: EntryKind) -> None:
        asked = [(amount, f"r{place}") for place, amount in enumerate(amounts)]
        done = debit_many(self.books, unit, asked, self.memo(kind))
        for (amount, reference), result in zip(asked, done.results, strict=True):
            can = self.model.available(unit, kind.pays_for.value, self.now)
            number = self.model.debit(unit, amount, kind.pays_for.value, self.now)
            if isinstance(result, Entry):
                assert (result.number, result.reference) == (number, reference)
            else:
                assert number is None
                self.compare_refusal(result, unit, amount, can)
        self.keep(done.books, *done.entries)

    @staticmethod
    def compare_refusal(short: InsufficientFunds, unit: str, amount: int, can: int) -> None:
        assert (short.account, short.unit) == ("acme", unit)
        told = (short.requested, short.available, short.shortfall)
        assert [money(text, unit) for text in told] == [
            from_units(number, unit) for number in (amount, can, amount - can)
        ]

    @rule(paid=consumes(debits), part=st.integers(1, 10))
    def put_back(self, paid: Posted, part: int) -> None:
        amount = max(-paid.entry.amount * part // 10, 1)
        value = from_units(amount, paid.entry.unit)
        memo = self.memo(EntryKind.PRORATION_CREDIT)
        done = give_back(self.books, value, paid.shares, memo, paid.entry.number)
        number = self.model.give_back(paid.entry.number, amount, self.now)
        if done is None:
            assert number is None
        else:
            assert (done.entry.number, done.entry.corrects) == (number, paid.entry.number)
            self.keep(done.books, done.entry)

    @rule()
    def sweep(self) -> None:
        books, entries = expire_lots(self.books, self.now, self.now)
        assert self.model.expire(self.now) == len(entries)
        self.keep(books, *entries)

    @rule()
    def forget_spent_lots(self) -> None:
        """Do as a storage does, which loads no lot without a remainder."""
        for balance in list(self.books.balances.values()):
            left = tuple(lot for lot in balance.lots if lot.remaining)
            self.books = self.books.with_balance(
                attrs.evolve(balance, lots=left), self.books.sequence
            )

    @invariant()
    def both_agree(self) -> None:
        rows = [
            (one.number, one.unit, one.amount, one.balance_after, one.parts) for one in self.entries
        ]
        assert rows == self.model.rows
        assert {
            unit: balance.posted for unit, balance in self.books.balances.items()
        } == self.model.posted
        assert {number: lot.remaining for number, lot in self.lots.items()} == {
            number: lot.left for number, lot in self.model.lots.items()
        }
        assert self.books.sequence == len(rows)

    @invariant()
    def money_is_conserved(self) -> None:
        for unit, balance in self.books.balances.items():
            mine = [lot.remaining for lot in self.lots.values() if lot.unit == unit]
            moved = [entry.amount for entry in self.entries if entry.unit == unit]
            assert sum(mine) == sum(moved) == balance.posted >= 0
            assert all(0 <= lot.remaining <= lot.granted for lot in self.lots.values())

    @invariant()
    def the_audit_is_sound(self) -> None:
        assert audit(self.books, tuple(self.lots.values()), self.entries).sound


TestTheBooks = BooksMachine.TestCase
TestTheBooks.settings = settings(one_in(2), stateful_step_count=25)


# ---------------------------------------------------------------------- any account, any use

PLANS = ("basic", "growth", "enterprise")
SUPPORT = ("community", "priority", "dedicated")
intervals = st.sampled_from([MONTH, YEAR])
products = st.sampled_from(PLANS + SUPPORT)
Act = Callable[[Scene, datetime], object]


@attrs.frozen
class Do:
    """One thing that is asked of an account some time after the one before it."""

    after: timedelta
    name: str
    amount: int = 0
    product: str = ""
    interval: BillingInterval | None = None
    timing: ChangeTiming | None = None
    ahead: timedelta = HOUR

    def on(self, made: Scene, now: datetime) -> None:
        """Ask; a refusal is an answer as well."""
        try:
            self._ask(made, now)
        except (InsufficientFunds, IllegalTransition, InvalidInput, StaleQuote):
            return

    def _ask(self, made: Scene, now: datetime) -> None:
        if self.name == "credit":
            made.credit(now, money(self.amount, "TRY"))
        elif self.name == "promotion":
            terms = Terms(expires_at=now + self.ahead, priority=1)
            made.credit(now, money(self.amount, "TRY"), terms)
        elif self.name == "debit":
            made.debit(now, money(self.amount, "TRY"))
        elif self.name == "subscribe":
            made.subscribe(now, self.product, self.interval or MONTH)
        elif self.name == "change":
            made.change(now, self.product, self.interval, self.timing)
        elif self.name == "plan":
            at = None if self.timing is None else now + self.ahead
            made.plan(now, self.product, self.interval, at=at)
        else:
            made.run(now)


gaps = st.integers(0, 40 * 24).map(lambda hours: hours * HOUR)
doings = st.builds(
    Do,
    after=gaps,
    name=st.sampled_from(
        ["credit", "promotion", "debit", "subscribe", "change", "change", "plan", "plan", "wait"]
    ),
    amount=st.sampled_from([1, 450, 1499, 3000, 6000, 20000]),
    product=products,
    interval=st.none() | intervals,
    timing=st.none() | st.sampled_from([ChangeTiming.IMMEDIATE, ChangeTiming.END_OF_PERIOD]),
    ahead=gaps.map(lambda gap: gap + HOUR),
)
stories = st.lists(doings, max_size=8)


@st.composite
def started(draw: st.DrawFn) -> Scene:
    """Open an account somewhere, with some money and mostly with a plan and a support package."""
    zone = draw(st.sampled_from(["Europe/Istanbul", "Europe/Rome", "America/New_York", "UTC"]))
    begin = START + draw(st.integers(0, 500 * 24)) * HOUR
    made = scene(zone=zone, at=begin)
    made.credit(begin, money(draw(st.sampled_from([1000, 2000, 8000, 80000])), "TRY"))
    if draw(st.booleans()):
        terms = Terms(expires_at=begin + draw(gaps) + HOUR, priority=1)
        made.credit(begin, money(1000, "TRY"), terms)
    for family in (PLANS, SUPPORT):
        first = Do(HOUR, "subscribe", product=draw(st.sampled_from(family)))
        first.on(made, begin + HOUR)
    return made


@st.composite
def used(draw: st.DrawFn) -> Scene:
    """Open an account and let a story happen to it."""
    made = draw(started())
    tell(made, draw(stories))
    return made


def tell(made: Scene, story: list[Do]) -> None:
    """Let a story happen from where the account is."""
    now = made.state.account.as_of
    for one in story:
        now += one.after
        one.on(made, now)


def copy(made: Scene) -> Scene:
    """Give a scene that goes its own way from here."""
    return attrs.evolve(
        made,
        entries=list(made.entries),
        events=list(made.events),
        lots=dict(made.lots),
        schedule=dict(made.schedule),
    )


def timeless(entries: list[Entry]) -> list[Entry]:
    """Leave out when entries were written down."""
    return [attrs.evolve(entry, recorded_at=START) for entry in entries]


def lira_units(entries: tuple[Entry, ...]) -> Money:
    return total([entry.money for entry in entries], "TRY")


class TestAnyAccount:
    """What holds after any story."""

    @one_in(3)
    @given(used())
    def test_its_books_are_sound(self, made: Scene) -> None:
        """Every balance is the sum of its entries and of its lots, and never below zero."""
        assert made.audit().sound
        assert all(one.posted >= 0 for one in made.state.books.balances.values())
        assert [entry.number for entry in made.entries] == list(range(1, len(made.entries) + 1))

    @one_in(3)
    @given(used())
    def test_gives_back_no_more_than_was_paid(self, made: Scene) -> None:
        """Fee by fee: what came back for it is at most what it was, and comes back once."""
        fees = {entry.number: entry for entry in made.entries}
        back: dict[int, int] = {}
        for entry in made.entries:
            if entry.kind is EntryKind.PRORATION_CREDIT:
                assert entry.corrects is not None
                assert fees[entry.corrects].kind in {EntryKind.PLAN_FEE, EntryKind.SUPPORT_FEE}
                assert fees[entry.corrects].reference == entry.reference
                assert entry.corrects not in back
                back[entry.corrects] = entry.amount
        assert all(0 < amount <= -fees[number].amount for number, amount in back.items())

    @one_in(3)
    @given(used())
    def test_has_periods_and_histories_without_gaps(self, made: Scene) -> None:
        """Each line of history begins where the one before it ended, and the last is open."""
        for one in made.state.subscriptions.values():
            *earlier, last = one.history
            assert last.end is None
            assert (last.product, last.price) == (one.product, one.price)
            ends = [line.end for line in earlier]
            assert ends == [line.start for line in one.history[1:]]
            assert all(line.end is None or line.start <= line.end for line in one.history)
            now = made.state.account.as_of
            assert (one.period.end > now) is (one.state is SubscriptionState.ACTIVE)
            assert one.charge.whole.covers(one.charge.span)

    @one_in(3)
    @given(used())
    def test_knows_what_is_due_next(self, made: Scene) -> None:
        """Nothing that is due has been left, and no later instant is named than the next one."""
        account = made.state.account
        due = made.state.next_due()
        assert account.next_due_at == (due.at if due else None)
        assert due is None or due.at > account.as_of

    @one_in(3)
    @given(used())
    def test_numbers_versions_with_every_change(self, made: Scene) -> None:
        """A version is one more than the moves that the events tell of."""
        for one in made.state.subscriptions.values():
            moves = [
                event
                for event in made.events
                if getattr(event, "subscription", None) == one.id
                and type(event).__name__
                in {"PlanChanged", "SubscriptionRenewed", "RenewalFailed", "SubscriptionRevived"}
            ]
            unpaid = [
                event
                for event, before in zip(moves[1:], moves, strict=False)
                if type(event).__name__ == "RenewalFailed"
                and type(before).__name__ == "PlanChanged"
                and event.at == before.at
            ]
            assert one.version == 1 + len(moves) - len(unpaid)


class TestPreview:
    """What is previewed is what is done."""

    @one_in(3)
    @given(used(), gaps, products, st.none() | intervals, st.none() | st.just("IMMEDIATE"))
    def test_equals_execution(
        self,
        made: Scene,
        gap: timedelta,
        to: str,
        interval: BillingInterval | None,
        timing: str | None,
    ) -> None:
        """To the kuruş, the period and the shortfall, at any instant while it is valid."""
        now = made.state.account.as_of + gap
        asked = None if timing is None else ChangeTiming(timing)
        try:
            quote = made.preview(now, to, interval, asked)
        except UnknownName:
            assume(False)
        assume(quote.timing is ChangeTiming.IMMEDIATE and quote.changes_anything)
        made.run(now)
        books = made.state.books
        if quote.valid_until <= now + SECOND:
            with pytest.raises(StaleQuote):
                made.execute(now + SECOND, quote)
            return
        if quote.shortfall.amount:
            with pytest.raises(InsufficientFunds) as short:
                made.execute(now + SECOND, quote)
            assert money(short.value.shortfall, "TRY") == quote.shortfall
            assert made.state.books == books
            return
        done = made.execute(now + SECOND, quote)
        assert quote.shortfall == money(0, "TRY")
        assert lira_units(done.entries) == negate(quote.due_now)
        assert {entry.effective_at for entry in done.entries} <= {now}
        one = done.subscription
        assert (one.product, one.price) == (quote.to_product, quote.to_price)
        assert (one.period, one.anchor, one.index) == (quote.period, quote.anchor, quote.index)
        assert (one.charge.amount, one.charge.span) == (quote.charge, quote.span)
        assert one.state is SubscriptionState.ACTIVE
        assert {change.state for change in made.state.schedule.values()} <= {ScheduleState.PENDING}
        assert not [
            change for change in made.state.schedule.values() if change.subscription == one.id
        ]
        made.run(quote.next_renewal_at)
        assert made.audit().sound

    @one_in(3)
    @given(used(), gaps, products, st.none() | intervals)
    def test_equals_what_the_end_of_the_period_brings(
        self, made: Scene, gap: timedelta, to: str, interval: BillingInterval | None
    ) -> None:
        """Scheduled from its quote, it is charged what was shown, unless money lacks."""
        now = made.state.account.as_of + gap
        made.run(now)
        made.state = attrs.evolve(made.state, schedule={}).settled
        try:
            quote = made.preview(now, to, interval, ChangeTiming.END_OF_PERIOD)
        except (UnknownName, IllegalTransition):
            assume(False)
        assume(quote.changes_anything)
        done = made.execute(now, quote)
        assert done.scheduled is not None
        assert done.entries == ()
        made.credit(now, money(100_000, "TRY"))
        step = made.run(quote.effective_at)
        assert made.schedule[done.scheduled.id].state is ScheduleState.APPLIED
        family = CATALOG.product(to).family
        assert made.of(family).period == quote.period
        assert made.of(family).charge.amount == quote.charge
        fees = [
            entry
            for entry in step.entries
            if entry.reference == quote.subscription and entry.effective_at == quote.effective_at
        ]
        assert [entry.money for entry in fees] == (
            [negate(quote.charge)] if quote.charge.amount else []
        )


class TestTime:
    """It does not matter when, how often or by whom time is made to pass."""

    @one_in(3)
    @given(started(), stories, st.lists(gaps, max_size=6), gaps)
    def test_any_partition_is_the_same(
        self, made: Scene, story: list[Do], stops: list[timedelta], rest: timedelta
    ) -> None:
        """The same entries, events, subscriptions, lots and schedule, but for when it was noted."""
        tell(made, story)
        once, often = copy(made), copy(made)
        begin = now = made.state.account.as_of
        for stop in stops:
            now += stop
            often.run(now)
        end = max(now, begin) + rest
        often.run(end)
        once.run(end)
        assert timeless(once.entries) == timeless(often.entries)
        assert once.events == often.events
        assert once.state == often.state
        assert once.schedule == often.schedule
        assert once.lots == often.lots

    @one_in(3)
    @given(used(), gaps, gaps)
    def test_that_is_read_late_was_there_already(
        self, made: Scene, gap: timedelta, later: timedelta
    ) -> None:
        """A debit sees the same money whether the account was advanced before it or by it."""
        now = made.state.account.as_of + gap + later
        lazy, busy = copy(made), copy(made)
        busy.run(now - later)
        busy.run(now)
        for one in (lazy, busy):
            Do(HOUR, "debit", amount=450).on(one, now)
        assert lazy.state == busy.state


class TestSchedulingAndRevoking:
    """What was taken back leaves nothing but its record."""

    @one_in(3)
    @given(used(), products, st.none() | intervals, st.none() | gaps, st.tuples(gaps, gaps))
    def test_is_as_if_never_scheduled(
        self,
        made: Scene,
        to: str,
        interval: BillingInterval | None,
        ahead: timedelta | None,
        then: tuple[timedelta, timedelta],
    ) -> None:
        """Same entries, subscriptions and books; two events and one canceled change more."""
        wait, rest = then
        now = made.state.account.as_of
        never = copy(made)
        at = None if ahead is None else now + ahead + HOUR
        told = len(made.events)
        try:
            change = made.plan(now, to, interval, at=at)
        except (UnknownName, IllegalTransition, InvalidInput):
            assume(False)
        assume(made.happened()[told:] == ["ChangeScheduled"])
        moment = min(now + wait, change.due_at(made.state.subscriptions[change.subscription]))
        moment -= timedelta(microseconds=1)
        made.revoke(max(moment, now), change.id)
        for one in (made, never):
            one.run(now + wait + rest)
        assert timeless(made.entries) == timeless(never.entries)
        assert made.state == never.state
        own = {"ChangeScheduled", "ChangeRevoked"}
        rest_of = made.events[told:]
        assert [one for one in rest_of if type(one).__name__ not in own] == never.events[told:]
        canceled = made.schedule.pop(change.id)
        assert canceled.state is ScheduleState.CANCELED
        assert made.schedule == never.schedule


class TestBatches:
    """Many commands in one unit of work are the same commands one by one."""

    @one_in(3)
    @given(
        asked=st.lists(
            st.tuples(st.sampled_from(["a", "b"]), st.integers(-1, 60), st.integers(0, 4)),
            max_size=10,
        ),
        size=st.integers(1, 10),
        gap=gaps,
    )
    def test_however_they_are_cut(
        self, asked: list[tuple[str, int, int]], size: int, gap: timedelta
    ) -> None:
        """Same results, same books, same keys, with refusals and repetitions among them."""
        whole, cut = MemoryStorage(), MemoryStorage()
        results = []
        for storage, step in ((whole, max(len(asked), 1)), (cut, size)):
            results.append(run_batches(storage, asked, step, START + gap))
        assert results[0] == results[1]
        assert whole.read(everything) == cut.read(everything)


def run_batches(
    storage: MemoryStorage, asked: list[tuple[str, int, int]], size: int, now: datetime
) -> list[object]:
    """Open two accounts and debit them in batches; give each answer as something comparable."""
    for account in ("a", "b"):
        execute(storage, CATALOG, [opening(account), funding(account)], START)
    done: list[object] = []
    for first in range(0, len(asked), size):
        batch = [debiting(*one) for one in asked[first : first + size]]
        done += execute(storage, CATALOG, batch, now)
    return [(type(one), one.args) if isinstance(one, BillingError) else one for one in done]


def opening(account: str) -> Command:
    def decide(_: AccountState | None, now: datetime) -> Step:
        return commands.open_account(
            account=account, zone="UTC", currencies=["TRY"], profile=None, now=now
        )

    return Command(account=account, verb="open", decide=decide)


def funding(account: str) -> Command:
    def decide(state: AccountState | None, now: datetime) -> Step:
        known = require_account(state, account)
        terms = Terms(expires_at=now + 48 * HOUR)
        step = commands.grant(known, money(50, "TRY"), terms=terms, reason="x", now=now)
        return step.then(
            commands.grant(step.state, money(70, "TRY"), terms=Terms(), reason="y", now=now)
        )

    return Command(account=account, verb="fund", decide=decide)


def debiting(account: str, amount: int, key: int) -> Command:
    def decide(state: AccountState | None, now: datetime) -> Step:
        known = require_account(state, account)
        return commands.charge(known, money(amount, "TRY"), reason="export", now=now)

    return Command(
        account=account, verb="debit", key=str(key), content={"amount": str(amount)}, decide=decide
    )


def everything(reader: Reader) -> object:
    """Give all that is stored of the two accounts."""
    return [
        (
            reader.entries(account, limit=1000),
            reader.lots(account),
            reader.events(account, limit=1000),
        )
        for account in ("a", "b")
    ]


# ------------------------------------------------------------------- the service, as one sees it


def told(result: object) -> object:
    """Give what can be compared: an exception equals only itself."""
    return (type(result), result.args) if isinstance(result, BillingError) else result


class ServiceMachine(RuleBasedStateMachine):
    """Ask anything in any order, ask it again later, and look at the books after every step."""

    done = Bundle("done")

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.storage = MemoryStorage()
        self.desk = self.build()
        self.keys = 0
        self.quotes: list[ChangeQuote] = []
        self.schedules: list[str] = []
        self.top_ups: list[tuple[str, Money]] = []
        self.credited: dict[str, Money] = {}

    def build(self) -> Desk:
        return build(self.storage, self.clock, self.build)

    @initialize()
    def open(self) -> None:
        self.desk.billing.accounts.open(
            "acme", zone="Europe/Istanbul", currencies=UNITS, profile=PROFILE
        )

    def ask(self, command: Callable[[], object]) -> tuple[Callable[[], object], object]:
        """Run a command and keep it, with its first answer."""
        return command, told(self.answer(command))

    @staticmethod
    def answer(command: Callable[[], object]) -> object:
        try:
            return command()
        except BillingError as refusal:
            return refusal

    def key(self) -> str:
        self.keys += 1
        return f"key-{self.keys}"

    @rule(hours=st.integers(1, 24 * 20))
    def wait(self, hours: int) -> None:
        self.clock.advance(hours=hours)

    @rule(hours=st.integers(1, 48))
    def set_the_clock_back(self, hours: int) -> None:
        self.clock.advance(hours=-hours)

    @rule(target=done, amount=st.integers(1, 8), unit=units)
    def start_a_top_up(self, amount: int, unit: str) -> object:
        key, value = self.key(), money(amount * 700, unit)
        asked = self.ask(lambda: self.desk.start(value, key=key))
        self.top_ups.append((str(asked[1]), value))
        return asked

    @precondition(lambda self: self.top_ups)
    @rule(
        data=st.data(),
        status=st.sampled_from([PaymentStatus.PAID, PaymentStatus.PAID, PaymentStatus.FAILED]),
        short=st.booleans(),
        attempt=st.integers(1, 2),
    )
    def hear_of_a_payment(
        self, data: st.DataObject, status: PaymentStatus, *, short: bool, attempt: int
    ) -> None:
        top_up, value = data.draw(st.sampled_from(self.top_ups))
        amount = money(1, value.currency) if short else value
        receipt = self.desk.pay(
            top_up, amount, status=status, payment=f"{payment_id(top_up)}-{attempt}"
        )
        if receipt.entry is not None:
            assert top_up not in self.credited
            assert receipt.entry.money == value
            self.credited[top_up] = value

    @rule(target=done, product=products, interval=intervals, unit=units)
    def subscribe(self, product: str, interval: BillingInterval, unit: str) -> object:
        key = self.key()
        return self.ask(
            lambda: self.desk.billing.subscriptions.subscribe(
                "acme", product, interval, key=key, currency=unit
            )
        )

    @rule(
        product=products,
        interval=st.none() | intervals,
        timing=st.none() | st.sampled_from([ChangeTiming.IMMEDIATE, ChangeTiming.END_OF_PERIOD]),
    )
    def preview(
        self, product: str, interval: BillingInterval | None, timing: ChangeTiming | None
    ) -> None:
        before = self.desk.snapshot()
        quote = self.answer(
            lambda: self.desk.billing.subscriptions.preview(
                "acme", to=product, interval=interval, timing=timing
            )
        )
        assert self.desk.snapshot() == before
        if isinstance(quote, ChangeQuote):
            self.quotes.append(quote)
        else:
            assert isinstance(quote, (UnknownName, IllegalTransition))

    @precondition(lambda self: self.quotes)
    @rule(target=done)
    def change(self) -> object:
        quote = self.quotes.pop()
        return self.ask(lambda: self.desk.billing.subscriptions.change(quote))

    @rule(
        target=done,
        product=products,
        interval=st.none() | intervals,
        ahead=st.none() | st.integers(1, 24 * 40),
    )
    def schedule(self, product: str, interval: BillingInterval | None, ahead: int | None) -> object:
        key = self.key()
        at = None if ahead is None else self.clock.now + ahead * HOUR
        timing = ChangeTiming.END_OF_PERIOD if at is None else ChangeTiming.AT

        def plan() -> object:
            change = self.desk.billing.schedule.change(
                "acme", to=product, interval=interval, timing=timing, at=at, key=key
            )
            self.schedules.append(change.id)
            return change

        return self.ask(plan)

    @precondition(lambda self: self.schedules)
    @rule(target=done, data=st.data())
    def revoke(self, data: st.DataObject) -> object:
        change, key = data.draw(st.sampled_from(self.schedules)), self.key()
        return self.ask(lambda: self.desk.billing.schedule.revoke("acme", change, key=key))

    @rule(target=done, amount=st.integers(1, 3000), unit=units)
    def debit(self, amount: int, unit: str) -> object:
        key = self.key()
        return self.ask(
            lambda: self.desk.billing.balances.debit(
                "acme", money(amount, unit), reason="export", key=key
            )
        )

    @rule(numbers=st.lists(st.integers(1, 30), max_size=6))
    def use(self, numbers: list[int]) -> None:
        records = [
            UsageRecord(
                id=f"wamid.{number}",
                meter="whatsapp.message",
                occurred_at=START,
                market="Turkey",
                category=MessageCategory.MARKETING,
            )
            for number in numbers
        ]
        report = self.desk.billing.usage.record("acme", records)
        known = len(self.desk.billing.usage.list("acme", limit=1000))
        again = self.desk.billing.usage.record("acme", records)
        assert again.charged == 0
        assert len(self.desk.billing.usage.list("acme", limit=1000)) == known
        assert report.charged + report.repeated + len(report.refused) == len(numbers)

    @rule()
    def run_due(self) -> None:
        self.desk.billing.run_due()
        assert self.desk.billing.run_due().accounts == 0

    @rule(asked=done)
    def ask_again(self, asked: tuple[Callable[[], object], object]) -> None:
        """The first answer, for ever, and nothing happens twice."""
        command, first = asked
        if isinstance(first, tuple) and issubclass(first[0], InvalidInput):
            return
        before = self.desk.snapshot()
        assert told(self.answer(command)) == first
        assert self.desk.snapshot() == before

    @invariant()
    def the_books_are_sound(self) -> None:
        assert self.desk.billing.verify().sound

    @invariant()
    def every_payment_is_credited_once(self) -> None:
        entries = self.storage.read(lambda reader: reader.entries("acme", limit=10_000))
        for unit in UNITS:
            paid = total(
                [one.money for one in entries if one.kind is EntryKind.TOP_UP and one.unit == unit],
                unit,
            )
            owed = [value for value in self.credited.values() if value.currency.code == unit]
            assert paid == total(owed, unit)

    @invariant()
    def the_page_shows_what_is_there(self) -> None:
        if not self.storage.read(lambda reader: reader.accounts()):
            return
        page = self.desk.billing.overview("acme", last=1000)
        for line in page.balances:
            if isinstance(line.available, Money) and isinstance(line.held, Money):
                moved = [one.money for one in page.last_entries if one.unit == line.unit]
                assert total(moved, line.unit) == line.posted == add(line.available, line.held)
        assert len({one.family for one in page.subscriptions}) == len(page.subscriptions)
        assert {one.family for one in page.subscriptions} <= set(Family)


TestTheService = ServiceMachine.TestCase
TestTheService.settings = settings(one_in(3), stateful_step_count=25)
