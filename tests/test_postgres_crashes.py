"""PostgreSQL servers that die: nothing acknowledged is lost, and keys settle what is in doubt."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final

import attrs
import psycopg
import pytest

from monochat_billing import Billing, Entry, sample_catalog
from monochat_billing.adapters.sql import SqlStorage, _pipeline
from monochat_billing.errors import StorageError, StoreUnreachable
from tests.desk import Clock
from tests.factories import lira
from tests.postgres import Server, debian, server, wheel

WRITERS: Final = 6


@attrs.define
class Ledger:
    """Remember what writers were told: which keys were acknowledged, and which are in doubt."""

    acknowledged: dict[str, int] = attrs.field(factory=dict)
    in_doubt: set[str] = attrs.field(factory=set)
    enough: threading.Semaphore = attrs.field(factory=lambda: threading.Semaphore(0))

    def writing(self, billing: Billing, writer: str) -> None:
        """Debit until the storage fails."""
        number = 0
        while True:
            number += 1
            key = f"{writer}-{number}"
            try:
                entry = debit(billing, key)
            except StoreUnreachable:
                return  # nothing was written
            except StorageError:
                self.in_doubt.add(key)
                return
            self.acknowledged[key] = entry.number
            self.enough.release()

    def settle(self, billing: Billing) -> int:
        """Repeat what is in doubt with its key; give how much of it had been committed."""
        stored = {entry.reference for entry in every_entry(billing)}
        landed = self.in_doubt & stored
        for key in sorted(self.in_doubt):
            self.acknowledged[key] = debit(billing, key).number
        self.in_doubt.clear()
        return len(landed)

    def check(self, billing: Billing) -> None:
        """Check that what was acknowledged is there, once, and nothing else."""
        found = {entry.reference: entry.number for entry in every_entry(billing)}
        assert found == self.acknowledged
        spent = 1_000_000_000_000 - billing.balances.list("acme")["TRY"].posted
        assert spent == len(found) * 10_000
        assert billing.verify().sound


def debit(billing: Billing, key: str) -> Entry:
    return billing.balances.debit("acme", lira("0.01"), reason="export", reference=key, key=key)


def every_entry(billing: Billing) -> list[Entry]:
    storage = billing.context.storage
    return list(storage.read(lambda reader: reader.entries("acme", after=1, limit=10**6)))


@contextmanager
def service(url: str) -> Iterator[Billing]:
    with SqlStorage(url) as storage:
        yield Billing(catalog=sample_catalog(), storage=storage, clock=Clock())


def opened(url: str) -> None:
    with SqlStorage(url) as storage:
        storage.upgrade()
        billing = Billing(catalog=sample_catalog(), storage=storage, clock=Clock())
        billing.accounts.open("acme", zone="Europe/Istanbul", currencies=["TRY"])
        billing.balances.credit("acme", lira("1000000"), reason="opening", key="opening")


def crash(url: str, ledger: Ledger, round_: int, after: int, kill: Callable[[], None]) -> None:
    """Let writers write, kill the server among them, and wait until they have noticed."""
    with service(url) as billing, ThreadPoolExecutor(WRITERS) as pool:
        writers = [
            pool.submit(ledger.writing, billing, f"{round_}-{writer}") for writer in range(WRITERS)
        ]
        for _ in range(after):
            assert ledger.enough.acquire(timeout=60)
        kill()
        for writer in writers:
            writer.result(timeout=60)
        while ledger.enough.acquire(blocking=False):
            pass


VERSIONS: Final = {
    name: found for name, found in (("system", debian()), ("wheel", wheel())) if found is not None
}


class TestAServerThatDies:
    """L15: SIGKILL in mid-traffic, start again, repeat what is in doubt."""

    def run(self, binaries: Path | None, rounds: int) -> None:
        with server(bin=binaries) as place:
            url, ledger = place.url(), Ledger()
            opened(url)
            for round_ in range(rounds):
                crash(url, ledger, round_, 30 + 7 * round_, place.slaughter)
                place.start()
                with service(url) as billing:
                    ledger.settle(billing)
                    ledger.check(billing)
            assert len(ledger.acknowledged) >= 30 * rounds

    def test_l15_nothing_acknowledged_is_lost(self) -> None:
        self.run(None, 2)

    @pytest.mark.deep
    @pytest.mark.parametrize("version", VERSIONS)
    def test_l15_nothing_acknowledged_is_lost_in_many_crashes(self, version: str) -> None:
        self.run(VERSIONS[version], 20)


class TestAStandby:
    """L16: the primary dies, the synchronous standby takes over."""

    @pytest.mark.deep
    @pytest.mark.parametrize("version", VERSIONS)
    def test_l16_nothing_acknowledged_is_lost(self, version: str) -> None:
        with ExitStack() as stack:
            settings = {"synchronous_standby_names": "'*'", "wal_keep_size": "256"}
            primary = stack.enter_context(server(bin=VERSIONS[version]))
            opened(primary.url())
            standby = Server(primary.folder.parent / "standby", primary.bin)
            stack.callback(standby.remove)
            standby.follow(primary)
            with primary.connect() as connection:
                for name, value in settings.items():
                    connection.execute(f"ALTER SYSTEM SET {name} = {value}")
                connection.execute("SELECT pg_reload_conf()")
                until_synchronous(connection)
            ledger = Ledger()
            crash(primary.url(), ledger, 0, 300, primary.slaughter)
            standby.run("pg_ctl", f"--pgdata={standby.data}", "--wait", "promote")
            with service(standby.url()) as billing:
                ledger.settle(billing)
                ledger.check(billing)
                debit(billing, "after")
            assert len(ledger.acknowledged) >= 300


def until_synchronous(connection: "psycopg.Connection[Any]") -> None:
    """Ask until the standby is one that commits wait for."""
    states: list[Any] = []
    for _ in range(600):
        states = connection.execute("SELECT sync_state FROM pg_stat_replication").fetchall()
        if ("sync",) in states:
            return
        connection.execute("SELECT pg_sleep(0.1)")
    raise AssertionError(states)


class TestLostAnswers:
    """L13: a commit whose answer is lost is in doubt, and its key settles it."""

    @pytest.mark.parametrize("landed", [True, False], ids=["committed", "not committed"])
    def test_l13_the_answer_to_a_commit_is_lost(
        self, postgres_url: str, monkeypatch: pytest.MonkeyPatch, *, landed: bool
    ) -> None:
        with SqlStorage(postgres_url) as storage:
            billing = Billing(catalog=sample_catalog(), storage=storage, clock=Clock())
            billing.accounts.open("acme", zone="Europe/Istanbul", currencies=["TRY"])
            billing.balances.credit("acme", lira("100"), reason="opening", key="opening")
            exchange = _pipeline.Pipeline.exchange

            def lossy(self: _pipeline.Pipeline, asks: Any) -> Any:  # noqa: ANN401 - as the original
                if asks[-1][0] == "COMMIT":
                    if landed:
                        exchange(self, asks)
                    self._connection.pgconn.finish()
                    raise psycopg.OperationalError("the server closed the connection")
                return exchange(self, asks)

            monkeypatch.setattr(_pipeline.Pipeline, "exchange", lossy)
            with pytest.raises(StorageError, match="in doubt, repeat with the same key"):
                debit(billing, "k-1")
            monkeypatch.undo()
            assert [entry.number for entry in every_entry(billing)] == ([2] if landed else [])
            assert debit(billing, "k-1").number == 2
            assert len(every_entry(billing)) == 1
            assert billing.verify().sound

    def test_l12_an_error_at_any_statement_leaves_nothing(
        self, postgres_url: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with SqlStorage(postgres_url) as storage:
            billing = Billing(catalog=sample_catalog(), storage=storage, clock=Clock())
            billing.accounts.open("acme", zone="Europe/Istanbul", currencies=["TRY"])
            billing.balances.credit("acme", lira("100"), reason="opening", key="opening")
            exchange, seen = _pipeline.Pipeline.exchange, [0]
            fail_at = 0

            def broken(self: _pipeline.Pipeline, asks: Any) -> Any:  # noqa: ANN401 - as the original
                before = seen[0]
                seen[0] += len(asks)
                if before < fail_at <= seen[0]:
                    place = fail_at - before - 1
                    asks = [*asks[:place], ("SELECT 1 / 0", ()), *asks[place:]]
                return exchange(self, asks)

            monkeypatch.setattr(_pipeline.Pipeline, "exchange", broken)
            debit(billing, "first")
            statements = seen[0]
            assert statements >= 10
            for place in range(1, statements + 1):
                seen[0], fail_at = 0, place
                with pytest.raises(StorageError, match="DivisionByZero"):
                    debit(billing, f"k-{place}")
            fail_at = 0
            assert [entry.reference for entry in every_entry(billing)] == ["first"]
            assert debit(billing, "last").number == 3
            assert billing.verify().sound

    def test_an_interrupted_exchange_leaves_no_answer_for_the_next(
        self, postgres_url: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with SqlStorage(postgres_url) as storage:
            billing = Billing(catalog=sample_catalog(), storage=storage, clock=Clock())
            billing.accounts.open("acme", zone="Europe/Istanbul", currencies=["TRY"])
            billing.balances.credit("acme", lira("100"), reason="opening", key="opening")

            def interrupted(*_: object) -> Any:  # noqa: ANN401 - it never returns
                raise KeyboardInterrupt

            monkeypatch.setattr(_pipeline.Pipeline, "_results", interrupted)
            with pytest.raises(KeyboardInterrupt):
                debit(billing, "k-1")
            monkeypatch.undo()
            assert debit(billing, "k-2").number == 2
            assert billing.verify().sound
