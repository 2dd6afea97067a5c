"""Cases: threads that share a storage come out as if they had come one after the other."""

import asyncio
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from itertools import permutations
from typing import Any, Final

import attrs

from monochat_billing.adapters.memory import MemoryStorage
from monochat_billing.adapters.sandbox import payment_id, sign_callback
from monochat_billing.audit import audit
from monochat_billing.errors import InsufficientFunds
from monochat_billing.intervals import MONTH, YEAR
from monochat_billing.money import money
from monochat_billing.payments import Payment, PaymentStatus
from monochat_billing.repositories import Reader, Storage, UnitOfWork, Wanted
from monochat_billing.service import Billing
from monochat_billing.testing.gateway_bench import KitClock
from monochat_billing.testing.storage_kit.bench import (
    SECRET,
    StorageDesk,
    everything,
    outcome_of,
)
from monochat_billing.testing.storage_kit.cases import Capability, CaseList, Tier, check
from monochat_billing.testing.storage_kit.values import (
    BUYER,
    crediting,
    debiting,
    lira,
    load,
    open_account,
    opening,
    save,
    state_of,
    stored,
)

CASES: Final = CaseList(Tier.CONCURRENCY, Capability.THREADS)

THREADS: Final = 16
_TIMES: Final = 8


def at_once(acts: Sequence[Callable[[], Any]]) -> list[Any]:
    """Run every act in a thread of its own, all let go together; give the results in order."""
    barrier = threading.Barrier(len(acts))

    def run(act: Callable[[], Any]) -> Any:  # noqa: ANN401 - any result
        barrier.wait()
        return act()

    with ThreadPoolExecutor(len(acts)) as pool:
        return [one.result() for one in [pool.submit(run, act) for act in acts]]


def check_sound(storage: Storage, account: str = "acme") -> None:
    """Check that an account's books agree with its entries, its lots and its holds."""

    def work(reader: Reader) -> tuple[object, ...]:
        state = state_of(reader.load([Wanted(account)])[account])
        entries = reader.entries(account, limit=100_000)
        found = audit(state.books, reader.lots(account), entries, reader.holds(account))
        return found.differences

    check("differences", storage.read(work), ())


# --------------------------------------------------------------------------------- one hot account


@CASES.case()
def l02_exactly_as_many_debits_succeed_as_are_funded(desk: StorageDesk) -> None:
    """Sixteen threads at one balance with funds for k debits: k succeed, and no more."""
    funded, each = 40, 5
    open_account(desk.storage, funds=str(funded))

    def debit_some() -> int:
        done = 0
        for _ in range(each):
            try:
                desk.storage.write(
                    lambda unit: unit.save([debiting(state_of(load(unit)), lira("1"))])
                )
            except InsufficientFunds:
                continue
            done += 1
        return done

    done = at_once([debit_some] * THREADS)
    check("succeeded", sum(done), funded)
    check("left", state_of(stored(desk.storage)).books.balance("TRY").posted, 0)
    entries = desk.storage.read(lambda reader: reader.entries("acme", limit=1000))
    check("numbers", [entry.number for entry in entries], list(range(1, funded + 2)))
    check_sound(desk.storage)


@CASES.case()
def l02_exactly_as_many_keyed_debits_succeed_as_are_funded(desk: StorageDesk) -> None:
    """The same through the service: every refusal is remembered, and stays one."""
    funded, each = 30, 3
    billing = desk.billing()
    billing.accounts.open("acme", zone="UTC", currencies=["TRY"])
    billing.balances.credit("acme", lira(str(funded)), reason="opening balance", key="funds")

    def debits(thread: int) -> list[Any]:
        return [
            outcome_of(
                lambda: billing.balances.debit(
                    "acme",
                    lira("1"),
                    reason="export",
                    key=f"k-{thread}-{number}",  # noqa: B023 - called at once
                )
            )
            for number in range(each)
        ]

    acts = [partial(debits, thread) for thread in range(THREADS)]
    first = at_once(acts)
    refused = [one for some in first for one in some if isinstance(one, tuple)]
    check("refused", len(refused), THREADS * each - funded)
    check("kind", {one[0] for one in refused}, {"InsufficientFunds"})
    billing.balances.credit("acme", lira("100"), reason="bank transfer", key="more")
    check("again", at_once(acts), first)
    check("posted", billing.balances.list("acme")["TRY"].posted, 100_000_000)
    check_sound(desk.storage)


@CASES.case()
def l03_a_storm_of_one_key_has_one_effect(desk: StorageDesk) -> None:
    """Eight threads that call with one key, key after key: one effect and one result for each."""
    billing = desk.billing()
    billing.accounts.open("acme", zone="UTC", currencies=["TRY"])
    billing.balances.credit("acme", lira("1000"), reason="opening balance", key="funds")
    for number in range(_TIMES * desk.effort):
        asked = lambda: billing.balances.debit(  # noqa: E731 - one act for all threads
            "acme",
            lira("2"),
            reason="export",
            key=f"k-{number}",  # noqa: B023 - called at once
        )
        results = at_once([asked] * 8)
        check("results", results, [results[0]] * 8)
        check("number", results[0].number, number + 2)
    check_sound(desk.storage)


@CASES.case()
def l02_one_of_many_opens_an_account(desk: StorageDesk) -> None:
    """Of many that find no account and open it, one does."""

    def open_it(name: int) -> str:
        def work(unit: UnitOfWork) -> str:
            if load(unit).state is None:
                unit.save([opening(zone=f"Etc/GMT+{name}")])
                return "opened"
            return "found"

        return desk.storage.write(work)

    told = at_once([partial(open_it, name) for name in range(1, 7)])
    check("told", sorted(told), ["found"] * 5 + ["opened"])
    events = desk.storage.read(lambda reader: reader.events("acme"))
    check("events", [event.number for event in events], [1])


@CASES.case()
def l10_crossing_units_of_work_all_end(desk: StorageDesk) -> None:
    """Units of work that want the same accounts in crossing orders, in a ring too, all settle."""
    for name in "abc":
        open_account(desk.storage, name, funds="100")

    def several(order: str) -> None:
        def work(unit: UnitOfWork) -> None:
            loaded = unit.load([Wanted(name) for name in order])
            unit.save([debiting(state_of(loaded[name]), lira("1")) for name in order])

        for _ in range(5):
            desk.storage.write(work)

    orders = ["ab", "ba", "bc", "cb", "ca", "ac", "abc", "cab"]
    at_once([partial(several, order) for order in orders])
    left = [state_of(stored(desk.storage, name)).books.balance("TRY").posted for name in "abc"]
    check("left", left, [(100 - 5 * 6) * 1_000_000] * 3)
    for name in "abc":
        check_sound(desk.storage, name)


@CASES.case()
def moment_a_read_during_writes_sees_one_moment(desk: StorageDesk) -> None:
    """While somebody writes, a read sees state, entries and lots of one instant."""
    open_account(desk.storage, funds="50")
    reading = threading.Event()

    def keep_debiting() -> None:
        for count in range(40):
            save(desk.storage, debiting(state_of(stored(desk.storage)), lira("1")))
            if count == 0:
                reading.set()

    def look(reader: Reader) -> tuple[int, int, int]:
        entries = reader.entries("acme", limit=1000)
        state = state_of(reader.load([Wanted("acme")])["acme"])
        lots = sum(lot.remaining for lot in reader.lots("acme"))
        check("the sum", lots, state.books.balance("TRY").posted)
        return entries[-1].number, state.books.sequence, entries[-1].balance_after - lots

    def keep_looking() -> list[tuple[int, int, int]]:
        reading.wait()
        return [desk.storage.read(look) for _ in range(30)]

    _, seen = at_once([keep_debiting, keep_looking])
    check("torn", [one for one in seen if one[0] != one[1] or one[2]], [])


@CASES.case()
def moment_what_is_not_committed_is_not_seen(desk: StorageDesk) -> None:
    """A read on another thread never sees what a unit of work has saved and not committed."""
    open_account(desk.storage, funds="10")
    saved, over = threading.Event(), threading.Event()
    seen: list[int] = []

    def fail() -> None:
        def work(unit: UnitOfWork) -> None:
            unit.save([crediting(state_of(load(unit)), lira("5"))])
            load(unit)
            saved.set()
            # Where a read waits for the writer it would wait for ever: so not for ever here.
            over.wait(1)
            raise LookupError

        try:
            desk.storage.write(work)
        except LookupError:
            return

    def look() -> None:
        saved.wait()
        seen.append(state_of(stored(desk.storage)).books.balance("TRY").posted)
        over.set()

    at_once([fail, look])
    check("seen", seen, [10_000_000])


@CASES.case()
def l27_a_canceled_call_is_settled_by_its_key(desk: StorageDesk) -> None:
    """A call whose caller was canceled in the midst is in doubt, and its key settles it."""
    billing = desk.billing()
    billing.accounts.open("acme", zone="UTC", currencies=["TRY"])
    billing.balances.credit("acme", lira("10"), reason="opening balance", key="funds")

    def debit() -> Any:  # noqa: ANN401 - an entry
        return billing.balances.debit("acme", lira("1"), reason="export", key="k")

    async def cancel() -> None:
        call = asyncio.create_task(asyncio.to_thread(debit))
        await asyncio.sleep(0)
        call.cancel()
        try:
            await call
        except asyncio.CancelledError:
            return

    asyncio.run(cancel())
    check("number", debit().number, 2)
    check("posted", billing.balances.list("acme")["TRY"].posted, 9_000_000)


# --------------------------------------------------------------------------------------- rivals


Act = Callable[[Billing, str], Any]


@attrs.frozen
class _Rivals:
    """Let acts on one account race, and compare with every order of one after the other."""

    desk: StorageDesk
    prepare: Callable[[Billing, str, KitClock], None]
    acts: tuple[Act, ...]

    def race(self, account: str) -> tuple[Any, ...]:
        """Race once on an account of that name; give the outcome."""
        found = self._play(self.desk.storage, account, at_once)
        serial = [
            self._play(MemoryStorage(), account, lambda acts: _in_order(acts, order))  # noqa: B023 - called at once
            for order in permutations(range(len(self.acts)))
        ]
        if found not in serial:
            told = "\n".join(f"  serial: {one[0]!r}" for one in serial)
            raise AssertionError(f"no serial outcome: {found[0]!r}\n{told}")
        check_sound(self.desk.storage, account)
        return found

    def _play(
        self,
        storage: Storage,
        account: str,
        run: Callable[[Sequence[Callable[[], Any]]], list[Any]],
    ) -> tuple[Any, ...]:
        self.desk.clock.now = KitClock().now
        self.prepare(self.desk.billing(storage, ids=f"{account}-p"), account, self.desk.clock)
        acts = []
        for number, act in enumerate(self.acts):
            billing = self.desk.billing(storage, ids=f"{account}-{number}")
            acts.append(lambda act=act, billing=billing: outcome_of(lambda: act(billing, account)))
        return run(acts), everything(storage, account)


def _in_order(acts: Sequence[Callable[[], Any]], order: Sequence[int]) -> list[Any]:
    results: dict[int, Any] = {}
    for number in order:
        results[number] = acts[number]()
    return [results[number] for number in range(len(acts))]


def _race(
    desk: StorageDesk, prepare: Callable[[Billing, str, KitClock], None], *acts: Act
) -> list[Any]:
    rivals = _Rivals(desk, prepare, acts)
    return [rivals.race(f"race-{number}")[0] for number in range(_TIMES * desk.effort)]


def _subscribed(billing: Billing, account: str, _: KitClock, funds: str = "9000") -> None:
    billing.accounts.open(account, zone="Europe/Istanbul", currencies=["TRY"], profile=BUYER)
    billing.balances.credit(account, lira(funds), reason="opening balance", key="funds")
    billing.subscriptions.subscribe(account, "growth", MONTH, key="plan")


def _changing(to: str, interval: Any = None) -> Act:  # noqa: ANN401 - an interval
    def act(billing: Billing, account: str) -> Any:  # noqa: ANN401 - a result
        quote = billing.subscriptions.preview(account, to=to, interval=interval, key=f"to-{to}")
        return billing.subscriptions.change(quote).subscription.product

    return act


@CASES.case()
def l02_rival_plan_changes_end_as_one_after_the_other(desk: StorageDesk) -> None:
    """Two changes that were quoted at once: one is done, the other is stale or follows it."""

    def quoted(billing: Billing, account: str, clock: KitClock) -> None:
        _subscribed(billing, account, clock, "90000")
        preview = billing.subscriptions.preview
        quotes[account] = [
            preview(account, to="enterprise", key="to-enterprise"),
            preview(account, to="growth", interval=YEAR, key="to-a-year"),
        ]

    quotes: dict[str, list[Any]] = {}

    def change(number: int) -> Act:
        return lambda billing, account: billing.subscriptions.change(quotes[account][number])

    results = _race(desk, quoted, change(0), change(1))
    for one in results:
        stale = [result[0] for result in one if isinstance(result, tuple)]
        check("stale", stale, ["StaleQuote"])


@CASES.case()
def l02_rival_previews_and_changes_end_as_one_after_the_other(desk: StorageDesk) -> None:
    """A change that is previewed and done while a cheaper one is planned has a serial outcome."""

    def plan(billing: Billing, account: str) -> Any:  # noqa: ANN401 - a result
        return billing.schedule.change(account, to="basic", key="plan-basic").to

    def race_free(billing: Billing, account: str) -> Any:  # noqa: ANN401 - a result
        return billing.balances.debit(account, lira("1"), reason="export", key="k").amount

    _race(desk, _subscribed, plan, race_free)


@CASES.case()
def l02_a_change_that_races_with_a_renewal(desk: StorageDesk) -> None:
    """A plan change at the instant of the renewal ends as before it or after it."""

    def at_the_end(billing: Billing, account: str, clock: KitClock) -> None:
        _subscribed(billing, account, clock)
        clock.now = billing.subscriptions.list(account)[0].period.end

    def renew(billing: Billing, _: str) -> None:
        billing.run_due()

    _race(desk, at_the_end, _changing("enterprise"), renew)


@CASES.case()
def l02_a_top_up_that_races_with_a_suspension(desk: StorageDesk) -> None:
    """A payment that arrives when a renewal fails, or its grace ends, has a serial outcome."""
    tops: dict[str, str] = {}

    def poor(after: timedelta) -> Callable[[Billing, str, KitClock], None]:
        def prepare(billing: Billing, account: str, clock: KitClock) -> None:
            _subscribed(billing, account, clock, "1499")
            checkout = billing.top_ups.start(
                account,
                money("2000", "TRY"),
                gateway="sandbox",
                return_url="https://acme.example/back",
                key="top-up",
            )
            tops[account] = checkout.top_up
            clock.now = billing.subscriptions.list(account)[0].period.end
            if after:
                billing.run_due()
                clock.now += after

        return prepare

    def pay(billing: Billing, account: str) -> Any:  # noqa: ANN401 - a result
        said = Payment(
            gateway="sandbox",
            top_up=tops[account],
            payment=payment_id(tops[account]),
            status=PaymentStatus.PAID,
            amount=money("2000", "TRY"),
        )
        receipt = billing.top_ups.receive("sandbox", *sign_callback(SECRET, said))
        return receipt.entry and receipt.entry.number

    def suspend(billing: Billing, _: str) -> None:
        billing.run_due()

    for days in (0, 7, 14, 60):
        rivals = _Rivals(desk, poor(timedelta(days=days)), (pay, suspend))
        for number in range(max(_TIMES * desk.effort // 4, 1)):
            rivals.race(f"race-{days}-{number}")


@CASES.case()
def l08_a_capture_that_races_with_the_expiry(desk: StorageDesk) -> None:
    """A capture and a release at the instant of a hold's expiry: the hold is resolved once."""
    holds: dict[str, str] = {}

    def placed(after: timedelta) -> Callable[[Billing, str, KitClock], None]:
        def prepare(billing: Billing, account: str, clock: KitClock) -> None:
            billing.accounts.open(account, zone="UTC", currencies=["TRY"])
            billing.balances.credit(account, lira("10"), reason="opening balance", key="funds")
            end = clock.now + timedelta(hours=1)
            placed = billing.holds.place(
                account, lira("4"), reason="batch", key="h", expires_at=end
            )
            holds[account] = placed.id
            clock.now = end - after

        return prepare

    def capture(billing: Billing, account: str) -> Any:  # noqa: ANN401 - a result
        return billing.holds.capture(account, holds[account], key="c")

    def release(billing: Billing, account: str) -> Any:  # noqa: ANN401 - a result
        return billing.holds.release(account, holds[account], key="r")

    def expire(billing: Billing, _: str) -> None:
        billing.run_due()

    for early in (timedelta(0), timedelta(microseconds=1)):
        rivals = _Rivals(desk, placed(early), (capture, release, expire))
        for number in range(max(_TIMES * desk.effort // 2, 1)):
            results, _ = rivals.race(f"race-{early.microseconds}-{number}")
            done = [one for one in results[:2] if not isinstance(one, tuple)]
            check("resolved", len(done), 1 if early else 0)
