"""What archiving keeps, in the lives that accounts lead; and that no crash on its way loses any."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from io import StringIO
from itertools import count
from pathlib import Path
from typing import Any

import psycopg
import pytest

from monochat_billing import MONTH, Billing, money
from monochat_billing.adapters.sql import SqlStorage
from monochat_billing.adapters.sql._session import PipelinedSession, Session
from monochat_billing.adapters.sql.archiving import (
    ArchiveReport,
    archive_entries,
    restore_entries,
    verify_archive,
)
from monochat_billing.adapters.sql.moving import export_account, import_account
from monochat_billing.errors import InvalidInput
from monochat_billing.payments import PaymentStatus
from monochat_billing.top_ups import TopUpState
from tests.desk import PROFILE, Clock, build
from tests.meter_scenes import START, metered_catalog, record
from tests.test_refunds import tell

ROOT = Path(__file__).parents[1]
DAY = timedelta(days=1)


def archived(storage: SqlStorage, before: datetime) -> tuple[ArchiveReport, list[str]]:
    file = StringIO()
    report = archive_entries(storage, "acme", before, file)
    return report, file.getvalue().splitlines()


def exported(storage: SqlStorage) -> str:
    file = StringIO()
    export_account(storage, "acme", file)
    return file.getvalue()


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Give an empty database with the schema in it."""
    if request.param == "postgres":
        return str(request.getfixturevalue("postgres_url"))
    return f"sqlite:///{tmp_path / 'here.db'}"


@pytest.fixture
def here(url: str) -> Iterator[SqlStorage]:
    """Give that database as a storage."""
    with SqlStorage(url) as storage:
        yield storage


class TestWhatIsStillOpen:
    """An entry that something open will be posted against stays, and so does all behind it."""

    def test_an_open_dispute(self, here: SqlStorage, clock: Clock) -> None:
        """Until the bank decides, the entry that took the money back is here; it is won by it."""
        desk = build(here, clock, lambda: desk)
        desk.billing.accounts.open(
            "acme", zone="Europe/Istanbul", currencies=["TRY"], profile=PROFILE
        )
        desk.top_up("100", key="first")
        clock.advance(days=1)
        top_up = desk.top_up("250").top_up.id
        clock.advance(days=1)
        tell(desk, top_up, PaymentStatus.DISPUTED, "250", dispute="d-1")
        clock.advance(days=200)
        desk.top_up("500", key="much later")
        report, lines = archived(here, clock.now - 100 * DAY)
        assert (report.last, report.kept_for) == (2, "an open dispute")
        tell(desk, top_up, PaymentStatus.DISPUTE_WON, "250", dispute="d-1")
        assert desk.billing.top_ups.get("acme", top_up).state is TopUpState.CREDITED
        assert desk.billing.balances.list("acme")["TRY"].posted == 850_000_000
        assert desk.billing.verify("acme").sound
        assert verify_archive(here, lines).sound
        assert archived(here, clock.now - 100 * DAY)[0].last == 3

    def test_an_entry_that_a_hold_has_set_aside(self, here: SqlStorage, clock: Clock) -> None:
        """The lot that a hold pins stays with its grant until the hold is captured in full."""
        billing = Billing(catalog=metered_catalog(), storage=here, clock=clock)
        billing.accounts.open("acme", zone="Europe/Istanbul", currencies=["TRY"])
        for number in range(3):
            billing.balances.credit("acme", money("10", "TRY"), reason="x", key=f"c-{number}")
            clock.advance(days=1)
        billing.balances.debit("acme", money("10", "TRY"), reason="export", key="d")
        hold = billing.holds.place("acme", money("15", "TRY"), reason="campaign", key="h")
        clock.advance(days=200)
        billing.holds.capture("acme", hold.id, key="part", amount=money("5", "TRY"))
        report, lines = archived(here, clock.now - 100 * DAY)
        assert (report.last, report.kept_for) == (1, "an open hold")
        billing.holds.capture("acme", hold.id, key="rest")
        assert archived(here, clock.now - 100 * DAY)[0].first == 2
        assert billing.balances.list("acme")["TRY"].posted == 5_000_000
        assert verify_archive(here, lines).sound


def lived(billing: Billing, clock: Clock) -> None:
    """Lead a life of months: a plan, what it allows, meters that settle, packs that are used."""
    billing.accounts.open("acme", zone="Europe/Istanbul", currencies=["TRY"])
    billing.balances.credit("acme", money("90000", "TRY"), reason="opening", key="opening")
    billing.subscriptions.subscribe("acme", "growth", MONTH, key="signup")
    for month in range(4):
        went_on(billing, clock, f"early-{month}")
    for _ in range(4):
        clock.advance(days=30)
        billing.run_due()


def went_on(billing: Billing, clock: Clock, name: str) -> None:
    """Live a month more."""
    billing.packs.buy("acme", "messages-5k", key=f"{name}-pack")
    for meter, quantity in (
        ("export", 27),
        ("payout", 900),
        ("seat", 3),
        ("monochat.message", 11_500),
    ):
        billing.usage.record("acme", [record(f"{name}-{meter}", meter, quantity, clock.now)])
    clock.advance(days=31)
    billing.run_due()


def told(billing: Billing, clock: Clock, after: int) -> tuple[object, ...]:
    """Give everything that is to be read of an account as it goes on."""
    return (
        billing.balances.list("acme"),
        billing.balances.entries("acme", after=after, limit=999),
        billing.packs.list("acme"),
        billing.usage.records("acme", since=START, until=clock.now),
        billing.usage.breakdown("acme", since=START, until=clock.now),
        billing.holds.list("acme"),
        billing.subscriptions.list("acme"),
        str(billing.overview("acme")),
    )


class TestALife:
    """Packs, allowances, meters and renewals go on over an archive as if there were none."""

    def test_it_goes_on_as_without_the_archive(self, url: str) -> None:
        clock = Clock(START)
        with SqlStorage(url) as here, SqlStorage("sqlite://") as there:
            ids = map("early-{}".format, count()).__next__
            lived(Billing(catalog=metered_catalog(), storage=here, clock=clock, ids=ids), clock)
            import_account(there, exported(here).splitlines())
            report, lines = archived(here, clock.now - 90 * DAY)
            assert report.entries > 10
            seen, now = list[object](), clock.now
            for storage in (here, there):
                clock.now = now
                ids = map("late-{}".format, count()).__next__
                one = Billing(catalog=metered_catalog(), storage=storage, clock=clock, ids=ids)
                before = told(one, clock, report.last)
                went_on(one, clock, "late")
                purchase = one.packs.list("acme")[-1].purchase
                assert purchase is not None
                one.usage.record(
                    "acme", [record("late", "export", 0, clock.now, replaces="late-export")]
                )
                assert one.verify("acme").sound
                seen.append((before, told(one, clock, report.last)))
            assert seen[0] == seen[1]
            assert verify_archive(here, lines).sound
            restore_entries(here, lines)
            assert exported(here) == exported(there)


# ------------------------------------------------------------------------------------ crashes


def kill_at(step: int) -> None:
    """Let this process be killed before or after a statement, or in the midst of the file."""
    left = [step]

    def tick() -> None:
        left[0] -= 1
        if not left[0]:
            os.kill(os.getpid(), signal.SIGKILL)

    def watched(method: Callable[..., Any]) -> Callable[..., Any]:
        def around(*given: Any, **named: Any) -> Any:  # noqa: ANN401 - as the original
            tick()
            result = method(*given, **named)
            tick()
            return result

        return around

    for kind in (Session, PipelinedSession):
        for name in ("run", "rows", "write", "commit", "_exchange"):
            if name in vars(kind):
                setattr(kind, name, watched(vars(kind)[name]))
    os.fsync = watched(os.fsync)


def archive_or_die(url: str, path: Path, step: int, before: datetime) -> None:
    """Archive in a process that dies at a step; what it wrote to the file is what is left."""
    kill_at(step)
    with SqlStorage(url) as storage, path.open("w") as file:
        archive_entries(storage, "acme", before, file)


def settled(url: str) -> None:
    """Wait until a server has buried the sessions of those that were killed."""
    if not url.startswith("postgresql"):
        return
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
        others = (
            "SELECT count(*) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        while connection.execute(others).fetchone() != (0,):
            connection.execute("SELECT pg_sleep(0.01)")


def refuse(storage: SqlStorage, lines: list[str]) -> None:
    """Check that a file whose archive never happened says so, torn or whole."""
    if lines and lines[-1].startswith('{"end"'):
        (difference,) = verify_archive(storage, lines).differences
        assert difference.actual == "missing"
        return
    with pytest.raises(InvalidInput):
        verify_archive(storage, lines)


def survive(url: str, folder: Path, stride: int) -> None:
    """Kill an archiving at its steps; after each kill nothing is lost, and it goes on."""
    clock = Clock()
    with SqlStorage(url) as storage:
        billing = Billing(catalog=metered_catalog(), storage=storage, clock=clock)
        billing.accounts.open("acme", zone="Europe/Istanbul", currencies=["TRY"])
        for number in range(40):
            billing.balances.credit("acme", money("1", "TRY"), reason="x", key=f"c-{number}")
            clock.advance(days=1)
        clock.advance(days=365)
        billing.balances.credit("acme", money("1", "TRY"), reason="x", key="last")
        whole = exported(storage)
    before = clock.now - 100 * DAY
    outcomes = list[str]()
    for step in count(1, stride):
        path = folder / f"{step}.jsonl"
        if not (child := os.fork()):
            archive_or_die(url, path, step, before)
            os._exit(0)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        assert status in {0, -signal.SIGKILL}, status
        settled(url)
        with SqlStorage(url) as storage:
            billing = Billing(catalog=metered_catalog(), storage=storage, clock=clock)
            assert billing.verify().sound
            if billing.balances.archived("acme") is None:
                assert exported(storage) == whole
                outcomes.append("kept")
                refuse(storage, path.read_text().splitlines())
                lines = archived(storage, before)[1]
            else:
                outcomes.append("archived")
                lines = path.read_text().splitlines()
            assert verify_archive(storage, lines).sound
            assert len(storage.read(lambda reader: reader.entries("acme"))) == 1
            restore_entries(storage, lines)
            assert exported(storage) == whole
        if status == 0:
            break
    kept = outcomes.count("kept")
    assert outcomes == ["kept"] * kept + ["archived"] * (len(outcomes) - kept)
    print(kept, len(outcomes) - kept)  # noqa: T201 - what the test reads


class TestCrashes:
    """SIGKILL at any step of an archiving: nothing is lost, the books prove it, it goes on."""

    def survived(self, url: str, folder: Path, stride: int) -> tuple[int, int]:
        """Give the number of kills that left everything, and of those behind the archive."""
        code = (
            "import sys; from pathlib import Path\n"
            "from tests.test_archiving_scenes import survive\n"
            "survive(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]))\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", code, url, str(folder), str(stride)],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)])},
            stdout=subprocess.PIPE,
            text=True,
            check=True,
            timeout=300,
        )
        kept, after = map(int, done.stdout.split())
        return kept, after

    def test_l14_an_archiving_is_killed(self, tmp_path: Path) -> None:
        kept, after = self.survived(f"sqlite:///{tmp_path / 'here.db'}", tmp_path, stride=11)
        assert kept > 2
        assert after >= 1

    @pytest.mark.deep
    def test_l14_an_archiving_is_killed_at_every_step(self, url: str, tmp_path: Path) -> None:
        kept, after = self.survived(url, tmp_path, stride=1)
        assert kept > 20
        assert after > 1
