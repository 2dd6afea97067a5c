"""Laws of time: it does not matter when, how often or by whom an account is caught up.

A script is a list of requests at instants. It is played with time passing only when something is
asked, and again with runs of due work in between; both must end alike, entry for entry.
"""

from collections.abc import Callable
from contextlib import closing
from datetime import datetime, timedelta
from typing import Any, Final

import attrs
import pytest
from hypothesis import assume, event, given, strategies as st

from monochat_billing import MONTH, YEAR, Family, money
from monochat_billing.accounts import AccountState, ahead, catch_up
from monochat_billing.adapters.memory import MemoryStorage
from monochat_billing.adapters.sql import SqlStorage
from monochat_billing.audit import audit
from monochat_billing.balance import Terms
from monochat_billing.cancellations import CancelMode
from monochat_billing.dunning import AfterGrace, DunningPolicy
from monochat_billing.errors import BillingError
from monochat_billing.intervals import WEEK, BillingInterval
from monochat_billing.lots import LotOrigin
from monochat_billing.repositories import Storage, Wanted
from monochat_billing.subscriptions import Subscription, SubscriptionState
from tests.desk import START
from tests.effort import one_in
from tests.stall import MOVING, SHOP, SUSPENDING, Shop, days, shop_on

LAWS: Final = attrs.evolve(
    SHOP,
    products=tuple(
        attrs.evolve(one, trial=WEEK) if one.id == "enterprise" else one for one in SHOP.products
    ),
    dunning=(
        attrs.evolve(SUSPENDING, gives_up=days(30)[0]),
        MOVING,
        DunningPolicy(name="others", grace=days(2)[0], then=AfterGrace.CANCEL),
    ),
)
PLANS: Final = ("basic", "growth", "enterprise")
SOLD: Final = (*PLANS, "priority", "seat")
END: Final = START + timedelta(days=500)

Request = tuple[Any, ...]

_amounts = st.sampled_from(["150", "400", "1000", "1400", "3100", "12000"])
_when = st.one_of(st.none(), st.integers(1, 120).map(lambda n: timedelta(days=n)))
_held = st.integers(0, 5)
"""Which of the things that are held, or were."""
_intervals = st.sampled_from([MONTH, YEAR, WEEK])
requests = st.one_of(
    st.tuples(st.just("fund"), _amounts),
    st.tuples(st.just("promote"), _amounts, st.integers(1, 90)),
    st.tuples(st.just("take"), _amounts),
    st.tuples(st.just("hold"), _amounts, st.integers(1, 60)),
    st.tuples(st.just("limit"), st.sampled_from(["0", "700"])),
    st.tuples(st.just("subscribe"), st.sampled_from(SOLD), st.sampled_from([MONTH, MONTH, YEAR])),
    st.tuples(st.just("change"), st.sampled_from(PLANS), st.sampled_from([None, MONTH, YEAR])),
    st.tuples(st.just("pause"), _held),
    st.tuples(st.just("resume"), _held),
    st.tuples(st.just("cancel"), _held, st.sampled_from(list(CancelMode))),
    st.tuples(st.just("reactivate"), _held),
    st.tuples(st.just("plan change"), st.sampled_from(PLANS), _when),
    st.tuples(st.just("plan quantity"), _held, st.integers(1, 4), _when),
    st.tuples(st.just("plan pause"), _held, _when),
    st.tuples(st.just("plan resume"), _held, _when),
    st.tuples(st.just("plan cancel"), _held, _when),
    st.tuples(st.just("plan start"), st.sampled_from(SOLD), st.integers(1, 60)),
    st.tuples(st.just("plan phases"), st.permutations(PLANS), _intervals, _when),
    st.tuples(st.just("revoke"), st.integers(0, 5)),
)
scripts = st.lists(
    st.tuples(st.sampled_from([0, 1, 6, 24, 24 * 7, 24 * 30, 24 * 45, "due"]), requests),
    min_size=3,
    max_size=16,
)


def asked(made: Shop, request: Request) -> None:
    """Do one request; a refusal is an answer too."""
    verb, *args = request
    try:
        _DO[verb](made, *args)
    except BillingError as refusal:
        event(f"{verb}: {type(refusal).__name__}")
    else:
        event(verb)


def _lira(amount: str) -> Any:  # noqa: ANN401 - money
    return money(amount, "TRY")


def _at(made: Shop, after: timedelta | None) -> datetime | None:
    return None if after is None else made.clock.now + after


def _id(made: Shop, number: int) -> str:
    """Name one of the subscriptions, the live ones first."""
    known = sorted(made.billing.subscriptions.history("acme"), key=lambda one: not one.live)
    return known[number % len(known)].id if known else "nothing"


def _promote(made: Shop, amount: str, days_: int) -> None:
    until = made.clock.now + timedelta(days=days_)
    since = made.clock.now + timedelta(days=days_ // 2) if days_ % 2 else None
    terms = Terms(origin=LotOrigin.PROMOTIONAL, effective_at=since, expires_at=until)
    made.billing.balances.credit("acme", _lira(amount), reason="gift", terms=terms, key=made.key())


def _change(made: Shop, to: str, interval: BillingInterval | None) -> None:
    quote = made.billing.subscriptions.preview("acme", to=to, interval=interval)
    made.billing.subscriptions.change(quote)


def _revoke(made: Shop, number: int) -> None:
    pending = made.billing.schedule.list("acme")
    if pending:
        one = pending[number % len(pending)]
        made.billing.schedule.revoke("acme", one.id, key=made.key())


def _phases(
    made: Shop, products: list[str], duration: BillingInterval, after: timedelta | None
) -> None:
    phases = [(one, MONTH, duration) for one in products]
    made.billing.schedule.phases("acme", phases, at=_at(made, after), key=made.key())


_DO: Final[dict[str, Callable[..., Any]]] = {
    "fund": lambda made, amount: made.fund(amount),
    "promote": _promote,
    "take": lambda made, amount: made.take(amount),
    "hold": lambda made, amount, d: made.billing.holds.place(
        "acme",
        _lira(amount),
        reason="hold",
        key=made.key(),
        expires_at=made.clock.now + timedelta(days=d),
    ),
    "limit": lambda made, amount: made.billing.balances.limit(
        "acme", _lira(amount), key=made.key()
    ),
    "subscribe": lambda made, product, interval: made.subscribe(product, interval),
    "change": _change,
    "pause": lambda made, what: made.billing.subscriptions.pause(
        "acme", _id(made, what), key=made.key()
    ),
    "resume": lambda made, what: made.billing.subscriptions.resume(
        "acme", _id(made, what), key=made.key()
    ),
    "cancel": lambda made, what, mode: made.billing.subscriptions.cancel(
        "acme", _id(made, what), mode=mode, key=made.key()
    ),
    "reactivate": lambda made, what: made.billing.subscriptions.reactivate(
        "acme", _id(made, what), key=made.key()
    ),
    "plan change": lambda made, to, after: made.billing.schedule.change(
        "acme", to=to, at=_at(made, after), key=made.key()
    ),
    "plan quantity": lambda made, what, many, after: made.billing.schedule.quantity(
        "acme", _id(made, what), many, at=_at(made, after), key=made.key()
    ),
    "plan pause": lambda made, what, after: made.billing.schedule.pause(
        "acme", _id(made, what), at=_at(made, after), key=made.key()
    ),
    "plan resume": lambda made, what, after: made.billing.schedule.resume(
        "acme", _id(made, what), at=_at(made, after), key=made.key()
    ),
    "plan cancel": lambda made, what, after: made.billing.schedule.cancel(
        "acme", _id(made, what), at=_at(made, after), key=made.key()
    ),
    "plan start": lambda made, what, d: made.billing.schedule.subscribe(
        "acme", what, MONTH, at=made.clock.now + timedelta(days=d), key=made.key()
    ),
    "plan phases": _phases,
    "revoke": _revoke,
}


def stored(made: Shop) -> AccountState:
    """Give the account as it is stored, with what has ended."""
    wanted = Wanted("acme", ended=True)
    state = made.billing._context.load(wanted).state
    assert state is not None
    return state


def advance(made: Shop, gap: int | str, runs: list[float]) -> None:
    """Let time pass by hours, or up to what is due next; with runs at some shares of the way."""
    before = made.clock.now
    if gap == "due":
        due = stored(made).account.next_due_at
        after = before if due is None else max(before, min(due, END))
    else:
        after = before + timedelta(hours=int(gap))
    for share in sorted(runs):
        made.wait(before + (after - before) * share)
    made.clock.now = after


def played(
    script: list[tuple[int | str, Request]],
    runs: list[list[float]],
    storage: Storage | None = None,
) -> Shop:
    """Play a script on a new account; ``runs`` says where due work is run before each request."""
    made = shop_on(storage or MemoryStorage(), LAWS, funds="3100")
    for product in ("growth", "seat", "priority"):
        made.subscribe(product)
    for place, (gap, request) in enumerate(script):
        advance(made, gap, runs[place] if place < len(runs) else [])
        asked(made, request)
    return made


def told(made: Shop) -> tuple[object, ...]:
    """Give all that two runs have to agree on; when it was recorded is not part of it."""
    state = made.billing._context.storage.read(
        lambda reader: (
            [attrs.evolve(one, recorded_at=START) for one in reader.entries("acme", limit=9999)],
            list(reader.schedule("acme")),
            [one.event for one in reader.events("acme", limit=9999)],
        )
    )
    final = stored(made)
    # time that passes alone is not stored, so the latest instant may differ
    return (*state, final.books, final.subscriptions, attrs.evolve(final.account, as_of=START))


class TestPartitions:
    """Any partition of time into runs and requests ends alike."""

    @one_in(2)
    @given(scripts, st.lists(st.lists(st.floats(0, 1), max_size=3), max_size=12), st.data())
    def test_runs_in_between_change_nothing(
        self,
        script: list[tuple[int | str, Request]],
        runs: list[list[float]],
        data: st.DataObject,
    ) -> None:
        """Neither the end state, nor an entry, nor an event."""
        lazy, busy = played(script, []), played(script, runs)
        # "due" stops where the stored account says; both must have stopped at the same instants
        assume(lazy.clock.now == busy.clock.now)
        rest = data.draw(st.lists(st.floats(0, 1), max_size=5))
        gap = int((END - busy.clock.now).total_seconds() // 3600)
        advance(busy, gap, rest)
        lazy.clock.now = busy.clock.now
        lazy.wait(lazy.clock.now)
        busy.wait(busy.clock.now)
        assert told(lazy) == told(busy)

    @one_in(10)
    @given(scripts)
    def test_a_database_that_runs_every_day_ends_as_memory_that_never_did(
        self, script: list[tuple[int | str, Request]]
    ) -> None:
        """One storage is caught up at every step, the other once at the end."""
        lazy = played(script, [])
        with closing(SqlStorage("sqlite://")) as storage:
            busy = played(script, [[0.5, 1.0]] * len(script), storage)
            assume(lazy.clock.now == busy.clock.now)
            busy.wait(busy.clock.now + timedelta(days=90))
            busy.wait(END)
            lazy.wait(END)
            assert told(lazy) == told(busy)

    @one_in(2)
    @given(scripts)
    def test_the_books_stay_sound(self, script: list[tuple[int | str, Request]]) -> None:
        """And what comes back of a subscription is never more than was paid for it."""
        made = played(script, [])
        made.wait(END)
        entries, lots = made.billing._context.storage.read(
            lambda reader: (list(reader.entries("acme", limit=9999)), tuple(reader.lots("acme")))
        )
        state = stored(made)
        assert audit(state.books, lots, entries, state.holds.values()).sound
        for one in stored(made).subscriptions.values():
            moved = [entry for entry in entries if entry.reference == one.id]
            assert sum(entry.amount for entry in moved) <= 0
            assert one.state in SubscriptionState


class TestTheNextInstant:
    """``next_due_at`` is exactly where catch-up next does something."""

    @one_in(2)
    @given(scripts)
    def test_is_the_minimum_of_what_is_ahead(self, script: list[tuple[int | str, Request]]) -> None:
        """Computed here once more, from each thing that can fall due."""
        made = played(script, [])
        state = catch_up(stored(made), LAWS, made.clock.now).state.settled
        due_at = state.account.next_due_at
        assert due_at == min(_ahead(state), default=None)
        if due_at is None:
            return
        assert due_at > state.account.as_of
        before = catch_up(state, LAWS, due_at - timedelta(microseconds=1))
        assert (before.entries, before.events) == ((), ())
        due, step = next(ahead(state, LAWS, due_at))
        assert due.at == due_at
        assert step.state is not state


def _ahead(state: AccountState) -> list[datetime]:
    """Name every instant at which something falls due, by reading the state and nothing else."""
    found: list[datetime | None] = []
    for one in state.subscriptions.values():
        found += _ahead_of(one)
    for change in state.schedule.values():
        held = state.subscriptions.get(change.subscription)
        if change.pending:
            found.append(change.at or (held and held.period.end))
    for balance in state.books.balances.values():
        found += [lot.expires_at for lot in balance.lots if lot.free]
        found += [lot.effective_at for lot in balance.lots if lot.waiting and lot.remaining]
    found += [hold.expires_at for hold in state.holds.values() if hold.open]
    return [at for at in found if at is not None]


def _ahead_of(one: Subscription) -> list[datetime | None]:
    plan = one.dunning
    if one.state in (SubscriptionState.ACTIVE, SubscriptionState.TRIALING):
        return [one.period.end]
    if one.state is SubscriptionState.PAST_DUE and plan is not None:
        return [*plan.retries, None if plan.then is AfterGrace.WAIT else plan.grace_ends_at]
    if one.state is SubscriptionState.SUSPENDED and plan is not None and plan.gives_up is not None:
        assert one.suspended_at is not None
        return [one.suspended_at + timedelta(days=plan.gives_up.days)]
    return []


plans = st.one_of(
    st.tuples(st.just("plan change"), st.sampled_from(PLANS), _when),
    st.tuples(st.just("plan quantity"), _held, st.integers(1, 4), _when),
    st.tuples(st.just("plan pause"), _held, _when),
    st.tuples(st.just("plan resume"), _held, _when),
    st.tuples(st.just("plan cancel"), _held, _when),
    st.tuples(st.just("plan start"), st.sampled_from(SOLD), st.integers(1, 60)),
)


class TestPlannedAndRevoked:
    """It is as if it had never been planned, whatever gave way to it."""

    @one_in(2)
    @given(scripts, st.lists(plans, min_size=1, max_size=3), st.integers(0, 48))
    def test_leaves_no_trace(
        self, script: list[tuple[int | str, Request]], planned: list[Request], hours: int
    ) -> None:
        """Taken back in the reverse order, all that is live is as it was, now and later."""
        made = played(script, [])
        made.wait(made.clock.now)
        before = stored(made)
        known = set(before.schedule)
        ids = []
        for request in planned:
            asked(made, request)
            new = [one for one in stored(made).schedule if one not in known]
            known.update(new)
            ids += new
        if not ids:
            event("nothing could be planned")
        due_at = stored(made).account.next_due_at
        if due_at is not None:
            made.clock.now += min(timedelta(hours=hours), (due_at - made.clock.now) / 2)
        for one in reversed(ids):
            made.billing.schedule.revoke("acme", one, key=made.key())
        after = stored(made)
        assert after.schedule == before.schedule
        assert (after.books, after.subscriptions) == (before.books, before.subscriptions)
        assert after.account.next_due_at == before.account.next_due_at


_AT: Final = START + timedelta(days=10)
_PAIRS: Final[dict[str, tuple[Callable[[Shop], Any], ...]]] = {
    "product and quantity": (
        lambda made: made.billing.schedule.change("acme", to="seat", interval=YEAR, key="one"),
        lambda made: made.billing.schedule.quantity("acme", "seat", 3, key="two"),
    ),
    "product and pause": (
        lambda made: made.billing.schedule.change("acme", to="seat", interval=YEAR, key="one"),
        lambda made: made.billing.schedule.pause("acme", "seat", at=_AT, key="two"),
    ),
    "quantity and pause": (
        lambda made: made.billing.schedule.quantity("acme", "seat", 3, at=_AT, key="one"),
        lambda made: made.billing.schedule.pause("acme", "seat", key="two"),
    ),
    "quantity and cancel": (
        lambda made: made.billing.schedule.quantity("acme", "seat", 3, at=_AT, key="one"),
        lambda made: made.billing.schedule.cancel("acme", "seat", key="two"),
    ),
    "product and quantity, at once": (
        lambda made: _now(made, interval=YEAR),
        lambda made: _now(made, quantity=3),
    ),
    "quantity at once, product later": (
        lambda made: _now(made, quantity=3),
        lambda made: made.billing.schedule.change("acme", to="seat", interval=YEAR, key="two"),
    ),
}


def _now(made: Shop, **wanted: Any) -> None:  # noqa: ANN401
    quote = made.billing.subscriptions.preview("acme", to="seat", **wanted)
    made.billing.subscriptions.change(quote)


class TestFacetsCommute:
    """Requests about different facets can be made in either order."""

    @pytest.mark.parametrize("pair", list(_PAIRS))
    @one_in(8)
    @given(st.integers(0, 9 * 24), st.sampled_from([0, 1, 20, 40]))
    def test_both_orders_end_alike(self, pair: str, hours: int, later: int) -> None:
        """With enough money for both: the same subscription, balance and what is pending."""
        ends = []
        for order in (_PAIRS[pair], _PAIRS[pair][::-1]):
            made = shop_on(MemoryStorage(), funds="100000")
            made.subscribe("seat")
            made.clock.now += timedelta(hours=hours)
            for request in order:
                request(made)
            made.wait(made.clock.now + timedelta(days=later))
            one = made.of(Family.ADD_ON)
            pending = sorted(
                (change.action, str(change.at)) for change in made.billing.schedule.list("acme")
            )
            ends.append(
                (
                    one.product,
                    one.price,
                    one.quantity,
                    one.state,
                    one.period,
                    one.anchor,
                    one.paused_at,
                    one.ended_at,
                    made.posted(),
                    pending,
                )
            )
        assert ends[0] == ends[1]
