"""What holds on a PostgreSQL server: rivals, retries, a lost answer, a server that dies."""

import random
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any, Final

import attrs
import psycopg
import pytest
from psycopg.types.numeric import FloatLoader, IntLoader, NumericLoader

from monochat_billing import (
    MONTH,
    Billing,
    BillingError,
    ChangeTiming,
    money,
    sample_catalog,
)
from monochat_billing.adapters.memory import MemoryStorage
from monochat_billing.adapters.sql import SqlStorage
from monochat_billing.errors import StorageError, StoreBusy
from monochat_billing.repositories import Storage, Wanted
from monochat_billing.service.group_commit import GroupCommit
from tests.desk import PROFILE, Clock, Desk, build
from tests.factories import (
    debiting,
    lira,
    load,
    open_account,
    state_of,
    stored,
)
from tests.postgres import Server

ROOT: Final = Path(__file__).parents[1]


@pytest.fixture
def connection(
    postgres_server: Server, postgres_database: str
) -> Iterator["psycopg.Connection[Any]"]:
    """Give a connection that looks around beside the library."""
    with postgres_server.connect(postgres_database.partition("@/")[2].partition("?")[0]) as opened:
        yield opened


@pytest.fixture(params=["READ COMMITTED", "SERIALIZABLE"])
def storage(request: pytest.FixtureRequest, postgres_url: str) -> Iterator[SqlStorage]:
    """Give an empty storage on the server, once for each isolation."""
    with SqlStorage(postgres_url, isolation=request.param) as opened:
        yield opened


def shop(storage: Storage, clock: Clock, funds: str = "100", *, alone: bool = False) -> Billing:
    """Open the account "acme" with funds; ``alone`` gives every call its own commit."""
    billing = Billing(
        catalog=sample_catalog(),
        storage=storage,
        clock=clock,
        group_commit=None if alone else GroupCommit(),
    )
    billing.accounts.open("acme", zone="Europe/Istanbul", currencies=["TRY"])
    billing.balances.credit("acme", lira(funds), reason="opening", key="opening")
    return billing


def posted(billing: Billing) -> int:
    return billing.balances.list("acme")["TRY"].posted


def outcome_of(call: Callable[[], object]) -> str:
    """Name what became of a call."""
    try:
        call()
    except BillingError as error:
        return type(error).__name__
    return "done"


def at_once(calls: Sequence[Callable[[], object]]) -> list[str]:
    """Start calls in threads at one moment; name what became of each."""
    start = threading.Barrier(len(calls))

    def run(call: Callable[[], object]) -> str:
        start.wait()
        return outcome_of(call)

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(run, calls))


class TestHotBalance:
    """L02: many at one balance spend exactly what there is."""

    @pytest.mark.parametrize("alone", [False, True], ids=["sharing commits", "each its own"])
    def test_l02_sixteen_threads(self, storage: SqlStorage, clock: Clock, *, alone: bool) -> None:
        billing = shop(storage, clock, "40", alone=alone)

        def spend(thread: int) -> Counter[str]:
            def debit(key: str) -> Callable[[], object]:
                return lambda: billing.balances.debit("acme", lira("1"), reason="x", key=key)

            return Counter(outcome_of(debit(f"{thread}-{turn}")) for turn in range(5))

        with ThreadPoolExecutor(16) as pool:
            ends = sum(pool.map(spend, range(16)), Counter[str]())
        assert ends == {"done": 40, "InsufficientFunds": 40}
        assert posted(billing) == 0
        assert billing.verify().sound

    SPENDER: Final = """
import sys
from monochat_billing import Billing, InsufficientFunds, money, sample_catalog
from monochat_billing.adapters.sql import SqlStorage
from concurrent.futures import ThreadPoolExecutor
with SqlStorage(sys.argv[1]) as storage:
    billing = Billing(catalog=sample_catalog(), storage=storage)
    def spend(turn):
        try:
            key = f"{sys.argv[2]}-{turn}"
            billing.balances.debit("acme", money("1", "TRY"), reason="export", key=key)
        except InsufficientFunds:
            return 0
        return 1
    billing.balances.list("acme")
    print("ready", flush=True)
    sys.stdin.readline()
    with ThreadPoolExecutor(4) as pool:
        print(sum(pool.map(spend, range(20))))
"""

    @pytest.mark.deep
    def test_l02_four_processes(self, postgres_url: str, clock: Clock) -> None:
        with SqlStorage(postgres_url) as storage:
            billing = shop(storage, clock, "50")
            processes = [
                subprocess.Popen(
                    [sys.executable, "-c", self.SPENDER, postgres_url, str(number)],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    text=True,
                )
                for number in range(4)
            ]
            for process in processes:
                assert process.stdout
                assert process.stdout.readline() == "ready\n"
            for process in processes:
                assert process.stdin
                process.stdin.write("go\n")
                process.stdin.flush()
            counts = []
            for process in processes:
                out, err = process.communicate(timeout=120)
                assert err == ""
                counts.append(int(out))
            assert sum(counts) == 50
            assert min(counts) > 0
            assert posted(billing) == 0
            assert billing.verify().sound


@attrs.define
class Race:
    """Set an account up, and name two commands that race for it."""

    prepare: Callable[[Desk], Sequence[Callable[[Billing], object]]]


def _two_changes(desk: Desk) -> Sequence[Callable[[Billing], object]]:
    desk.top_up("20000")
    desk.billing.subscriptions.subscribe("acme", "basic", MONTH, key="s")
    desk.clock.advance(days=3)
    quotes = [
        desk.billing.subscriptions.preview("acme", to=to, interval=MONTH)
        for to in ("growth", "enterprise")
    ]
    return [lambda billing, one=one: billing.subscriptions.change(one) for one in quotes]  # type: ignore[misc] # each its own


def _change_and_renewal(desk: Desk) -> Sequence[Callable[[Billing], object]]:
    desk.top_up("20000")
    desk.billing.subscriptions.subscribe("acme", "growth", MONTH, key="s")
    desk.billing.schedule.change("acme", to="basic", timing=ChangeTiming.END_OF_PERIOD, key="later")
    desk.clock.advance(days=40)
    return [
        lambda billing: billing.run_due(),
        lambda billing: billing.schedule.change(
            "acme", to="enterprise", timing=ChangeTiming.END_OF_PERIOD, key="other"
        ),
    ]


def _top_up_and_suspension(desk: Desk) -> Sequence[Callable[[Billing], object]]:
    desk.top_up("2000")
    desk.billing.subscriptions.subscribe("acme", "growth", MONTH, key="s")
    desk.clock.advance(days=32)
    desk.billing.run_due()
    return [
        lambda billing: billing.run_due(),
        lambda billing: billing.balances.credit(
            "acme", lira("9000"), reason="bank transfer", key="more"
        ),
    ]


RACES: Final = {
    "two plan changes": Race(_two_changes),
    "a change and a renewal": Race(_change_and_renewal),
    "a top-up and a suspension": Race(_top_up_and_suspension),
}


def ended(desk: Desk, ends: Sequence[str]) -> tuple[object, ...]:
    """Say where a race has led, but for ids."""
    billing = desk.billing
    return (
        tuple(ends),
        billing.balances.list("acme")["TRY"].posted,
        tuple((one.product, one.state) for one in billing.subscriptions.list("acme")),
        tuple((one.to, one.state) for one in billing.schedule.list("acme")),
        sorted(desk.event_names()),
    )


def _desk(storage: Storage) -> Desk:
    def again() -> Desk:
        raise AssertionError

    desk = build(storage, Clock(), again)
    desk.billing.accounts.open("acme", zone="Europe/Istanbul", currencies=["TRY"], profile=PROFILE)
    return desk


class TestSerialOutcomes:
    """Rivals for one account end as if one had come after the other."""

    @pytest.mark.parametrize("name", RACES)
    @pytest.mark.parametrize("attempt", range(3))
    def test_a_race_ends_in_one_of_the_serial_outcomes(
        self, postgres_url: str, name: str, attempt: int
    ) -> None:
        serial = []
        for order in ((0, 1), (1, 0)):
            desk = _desk(MemoryStorage())
            calls = RACES[name].prepare(desk)
            ends = ["", ""]
            for place in order:
                ends[place] = outcome_of(lambda: calls[place](desk.billing))  # noqa: B023 - called at once
            serial.append(ended(desk, ends))
        with SqlStorage(postgres_url) as first, SqlStorage(postgres_url) as second:
            desk = _desk(first)
            calls = RACES[name].prepare(desk)
            rival = build(second, desk.clock, lambda: desk)
            services = [desk.billing, rival.billing]
            if attempt % 2:
                services.reverse()
            raced = at_once([partial(one, own) for one, own in zip(calls, services, strict=True)])
            assert ended(desk, raced) in serial
            assert desk.billing.verify().sound


class TestDueWork:
    """Several workers share what is due, and nobody does it twice."""

    def test_workers_take_what_others_have_not_taken(self, postgres_url: str) -> None:
        with SqlStorage(postgres_url) as storage, SqlStorage(postgres_url) as other:
            desk = _desk(storage)
            for number in range(6):
                desk.billing.accounts.open(f"a-{number}", zone="UTC", currencies=["TRY"])
                desk.billing.subscriptions.subscribe(f"a-{number}", "basic", MONTH, key="s")
            now = desk.clock.advance(days=40)

            def work(unit: Any) -> tuple[list[str], list[str]]:  # noqa: ANN401 - of any storage
                mine = list(unit.due(now, 4))
                theirs = other.write(lambda unit: list(unit.due(now, 10)))
                return mine, theirs

            mine, theirs = storage.write(work)
            assert mine == ["a-0", "a-1", "a-2", "a-3"]
            assert theirs == ["a-4", "a-5"]
            assert list(other.read(lambda reader: reader.due(now, 10))) == mine + theirs

    def test_workers_together_do_everything_once(self, postgres_url: str) -> None:
        with SqlStorage(postgres_url) as storage:
            desk = _desk(storage)
            for number in range(150):
                desk.billing.accounts.open(f"a-{number:03}", zone="UTC", currencies=["TRY"])
                desk.billing.subscriptions.subscribe(f"a-{number:03}", "basic", MONTH, key="s")
            desk.clock.advance(days=40)
            with ThreadPoolExecutor(4) as pool:
                reports = list(pool.map(lambda _: desk.billing.run_due(), range(4)))
            assert sum(one.accounts for one in reports) == 150
            told = {tuple(desk.event_names(f"a-{number:03}")) for number in range(150)}
            assert len(told) == 1
            assert told.pop().count("SubscriptionRenewed") == 1
            assert desk.billing.run_due().accounts == 0
            assert desk.billing.verify().sound


FAILING: Final = """
CREATE SEQUENCE attempts;
CREATE FUNCTION fail() RETURNS trigger AS $$ BEGIN
    IF nextval('attempts') <= {times} THEN
        RAISE EXCEPTION 'made to fail' USING ERRCODE = '{state}';
    END IF;
    RETURN NEW;
END $$ LANGUAGE plpgsql;
CREATE TRIGGER fail BEFORE UPDATE ON billing_accounts FOR EACH ROW EXECUTE FUNCTION fail();
"""
UNDO: Final = """
DROP TRIGGER IF EXISTS fail ON billing_accounts;
DROP FUNCTION IF EXISTS fail; DROP SEQUENCE IF EXISTS attempts;
"""


class TestReading:
    """How rows are read is the library's, whatever the host has told the driver."""

    def test_what_a_host_registers_for_all_connections_is_not_for_ours(
        self, postgres_url: str, clock: Clock
    ) -> None:
        """The driver's own handbook shows how to get floats: they round large sums."""
        floats: dict[str, Any] = {"numeric": NumericLoader, "int8": IntLoader}
        with SqlStorage(postgres_url) as storage:
            billing = shop(storage, clock)
            large = money("9007199154.740993", "TRY")
            billing.balances.credit("acme", large, reason="x", key="x")
            try:
                for kind in floats:
                    psycopg.adapters.register_loader(kind, FloatLoader)
                statement = billing.balances.statement("acme", "TRY")
            finally:
                for kind, usual in floats.items():
                    psycopg.adapters.register_loader(kind, usual)
            assert statement.credited == statement.closing == money("9007199254.740993", "TRY")


@pytest.fixture
def failing(connection: "psycopg.Connection[Any]") -> Iterator[Callable[[str, int], None]]:
    """Make the server refuse the next changes of accounts with an error of its own."""

    def fail(state: str, times: int) -> None:
        connection.execute(FAILING.format(state=state, times=times))

    connection.execute(UNDO)
    yield fail
    connection.execute(UNDO)


class TestRetries:
    """L21: what the server has undone is run again, with jitter and until a deadline."""

    @pytest.mark.parametrize("state", ["40001", "40P01"])
    def test_l21_what_the_server_has_undone_is_run_again(
        self,
        storage: SqlStorage,
        clock: Clock,
        failing: Callable[[str, int], None],
        connection: "psycopg.Connection[Any]",
        state: str,
    ) -> None:
        billing = shop(storage, clock)
        failing(state, 3)
        entry = billing.balances.debit("acme", lira("10"), reason="export", key="k")
        assert entry.number == 2
        assert posted(billing) == 90_000_000
        assert connection.execute("SELECT last_value FROM attempts").fetchone() == (4,)
        assert billing.verify().sound

    @pytest.mark.parametrize("state", ["40001", "40P01"])
    def test_l21_until_the_deadline(
        self, postgres_url: str, clock: Clock, failing: Callable[[str, int], None], state: str
    ) -> None:
        with SqlStorage(postgres_url, busy_deadline=Decimal("0.05")) as storage:
            billing = shop(storage, clock)
            failing(state, 10**9)
            with pytest.raises(StoreBusy, match=r"(?s)made to fail.*nothing was written"):
                billing.balances.debit("acme", lira("10"), reason="export", key="k")
            assert posted(billing) == 100_000_000

    def test_l21_another_error_is_not_run_again(
        self, storage: SqlStorage, clock: Clock, failing: Callable[[str, int], None]
    ) -> None:
        billing = shop(storage, clock)
        failing("XX000", 1)
        with pytest.raises(StorageError, match=r"(?s)save account: .*made to fail.* in doubt"):
            billing.balances.debit("acme", lira("10"), reason="export", key="k")
        assert billing.balances.debit("acme", lira("10"), reason="export", key="k").number == 2

    def test_a_lost_race_is_run_again(self, storage: SqlStorage) -> None:
        """Even where locks do less than PostgreSQL's, the version tells."""
        open_account(storage, funds="5")
        runs: list[int] = []

        def work(unit: Any) -> int:  # noqa: ANN401 - of any storage
            runs.append(len(runs))
            changes = debiting(state_of(load(unit)), lira("1"))
            if len(runs) < 3:
                unit._session.run("meddle", "UPDATE billing_accounts SET version = version + 1")
            unit.save([changes])
            return len(runs)

        assert storage.write(work) == 3
        assert state_of(stored(storage)).books.balance("TRY").posted == 4_000_000

    def test_l18_a_lock_that_stays_is_busy(
        self, postgres_url: str, clock: Clock, connection: "psycopg.Connection[Any]"
    ) -> None:
        with SqlStorage(postgres_url, busy_deadline=Decimal("0.1")) as hasty:
            billing = shop(hasty, clock)
            with connection.transaction():
                connection.execute("SELECT 1 FROM billing_accounts FOR UPDATE")
                with pytest.raises(StoreBusy, match="nothing was written"):
                    billing.balances.debit("acme", lira("10"), reason="export", key="k")
            assert billing.balances.debit("acme", lira("10"), reason="export", key="k").number == 2

    def test_l10_batches_that_cross_do_not_deadlock(self, storage: SqlStorage) -> None:
        names = [f"a-{number}" for number in range(6)]
        for name in names:
            open_account(storage, name, funds="100")

        def work(seed: int) -> None:
            chosen = random.Random(seed).sample(names, 4)

            def step(unit: Any) -> None:  # noqa: ANN401 - of any storage
                loaded = unit.load([Wanted(name) for name in chosen])
                unit.save([debiting(state_of(loaded[name]), lira("1")) for name in chosen])

            for _ in range(5):
                storage.write(step)

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(work, range(8)))
        left = sum(state_of(stored(storage, name)).books.balance("TRY").posted for name in names)
        assert left == (600 - 8 * 5 * 4) * 10**6
