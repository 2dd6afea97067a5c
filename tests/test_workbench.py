"""What a host's tests are given: the plugin, the workbench, and listeners to events."""

import logging
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from opentelemetry import metrics, trace

from monochat_billing import InsufficientFunds, InvalidInput, money
from monochat_billing.adapters.logs import TROUBLES, EventLog, event_fields
from monochat_billing.adapters.telemetry import COUNTER, EventTelemetry
from monochat_billing.testing.workbench import START, CountingIds, MovingClock, Workbench

A_HOSTS_TESTS = """
import pytest
from monochat_billing import money
from monochat_billing.adapters.sql import SqlStorage

pytest_plugins = []


@pytest.fixture
def billing_storage(tmp_path):
    with SqlStorage(f"sqlite:///{tmp_path}/billing.db") as storage:
        yield storage


def test_one(billing, billing_bench, billing_clock, billing_storage):
    billing_bench.open("acme", money("2000", "TRY"))
    billing_bench.subscribe("acme", "growth")
    billing_clock.advance(days=31)
    billing.run_due()
    assert billing_bench.event_names("acme")[-1] == "RenewalFailed"
    assert billing.context.storage is billing_storage


def test_two_begins_anew(billing, billing_clock, billing_catalog):
    assert billing_clock().isoformat() == "2026-10-05T06:00:00+00:00"
    assert billing.context.catalog is billing_catalog
    assert billing.verify().accounts == 0
"""


class TestThePlugin:
    """A host gets the fixtures without asking for more than their names."""

    def test_its_fixtures_serve_a_hosts_tests(self, tmp_path: Path) -> None:
        """A storage is overridden, a month passes, and the next test begins anew."""
        (tmp_path / "test_host.py").write_text(A_HOSTS_TESTS, encoding="utf-8")
        told = subprocess.run(
            [
                sys.executable,
                *("-m", "pytest", "-q", "-p", "no:cacheprovider"),
                *("-p", "monochat_billing.testing.pytest_plugin"),
                *("-c", "/dev/null", "--rootdir", str(tmp_path), str(tmp_path)),
            ],
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
            env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},  # many, and slow to load
        )
        assert "2 passed" in told.stdout, told.stdout + told.stderr

    def test_it_imports_no_domain_before_a_test_asks(self) -> None:
        """A run that does not use it does not wait for it."""
        code = (
            "import sys, monochat_billing.testing.pytest_plugin\n"
            "print([one for one in ('monochat_billing.service', 'monochat_billing.accounts')"
            " if one in sys.modules])"
        )
        told = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
        )
        assert told.stdout.strip() == "[]"


class TestTheClock:
    """It stands, moves, and refuses what has no zone."""

    def test_it_stands_until_it_is_moved(self) -> None:
        """Two looks see one instant."""
        clock = MovingClock()
        assert clock() == clock() == START
        assert clock.advance(days=1, hours=2) == datetime(2026, 10, 6, 8, tzinfo=UTC)

    def test_a_wall_time_needs_its_zone(self) -> None:
        """An hour alone could be anybody's."""
        clock = MovingClock()
        with pytest.raises(InvalidInput):
            clock.set("2026-12-01T09:00")
        assert clock() == START
        assert clock.set("2026-12-01T09:00", zone="Europe/Istanbul").hour == 6


class TestTheWorkbench:
    """Everything on it goes through the verbs of a host."""

    def test_a_top_up_is_credited_by_a_signed_callback(self) -> None:
        """What it pays stands on the balance as a top-up."""
        bench = Workbench()
        bench.open("acme")
        receipt = bench.top_up("acme", money("100", "TRY"))
        assert receipt.entry is not None
        assert receipt.entry.balance_money == money("100", "TRY")
        assert not bench.top_up("acme", money("100", "TRY")).repeated

    def test_it_does_not_give_what_is_not_there(self) -> None:
        """A subscription without money is refused as ever."""
        bench = Workbench()
        bench.open("acme")
        with pytest.raises(InsufficientFunds):
            bench.subscribe("acme", "growth")

    def test_two_workbenches_make_the_same_ids(self) -> None:
        """So a test that runs again sees what it saw."""
        found = []
        for _ in range(2):
            bench = Workbench(ids=CountingIds("id"))
            bench.open("acme", money("100", "TRY"))
            held = bench.billing.holds.place(
                "acme", money("10", "TRY"), reason="report", key="report"
            )
            found.append(held.id)
        assert found[0] == found[1]


class TestListeners:
    """An event becomes a record, a count and a span."""

    def events(self) -> Workbench:
        """Give an account whose renewal failed."""
        bench = Workbench()
        bench.open("acme", money("2000", "TRY"))
        bench.subscribe("acme", "growth")
        bench.clock.advance(days=31)
        bench.billing.run_due()
        return bench

    def test_trouble_is_a_warning(self, caplog: pytest.LogCaptureFixture) -> None:
        """The level is the event's, and the fields are on the record."""
        bench = self.events()
        with caplog.at_level(logging.INFO, logger="monochat_billing.events"):
            for one in bench.events("acme"):
                EventLog()(one)
        names = [type(one.event).__name__ for one in bench.events("acme")]
        assert [record.levelno == logging.WARNING for record in caplog.records] == [
            name in TROUBLES for name in names
        ]
        assert {"INFO", "WARNING"} == {record.levelname for record in caplog.records}
        assert vars(caplog.records[-1])["billing"]["account"] == "acme"

    def test_a_logger_that_is_off_costs_no_record(self, caplog: pytest.LogCaptureFixture) -> None:
        """Nothing is written below the level."""
        with caplog.at_level(logging.CRITICAL, logger="monochat_billing.events"):
            for one in self.events().events("acme"):
                EventLog()(one)
        assert caplog.records == []

    def test_every_event_has_plain_fields(self) -> None:
        """Whatever an event holds, a formatter of JSON can write it."""
        for one in self.events().events("acme"):
            fields = event_fields(one)
            assert fields["number"] == one.number
            assert all(isinstance(value, str | int) for value in fields.values())

    def test_telemetry_counts_and_leaves_spans(self) -> None:
        """The counter has the name alone; the span says whose it was."""
        counter, tracer = Counter(), Tracer()
        listener = EventTelemetry(tracer=tracer, counter=counter)
        bench = self.events()
        for one in bench.events("acme"):
            listener(one)
        names = bench.event_names("acme")
        assert counter.seen == [(1, {"event": name}) for name in names]
        assert [name for name, _ in tracer.seen] == [f"billing {name}" for name in names]
        assert [attributes["billing.number"] for _, attributes in tracer.seen] == list(
            range(1, len(names) + 1)
        )

    def test_without_an_sdk_it_does_nothing(self) -> None:
        """A host that has no telemetry may leave the listener in."""
        assert COUNTER.startswith("monochat_billing.")
        for one in self.events().events("acme"):
            EventTelemetry()(one)


class Counter(metrics.Counter):
    """Keep what is counted."""

    def __init__(self) -> None:
        self.seen: list[tuple[int, dict[str, object]]] = []

    def add(self, amount: float, attributes: object = None, context: object = None) -> None:
        assert isinstance(amount, int)
        assert isinstance(attributes, dict)
        assert context is None
        self.seen.append((amount, dict(attributes)))


class Tracer(trace.NoOpTracer):
    """Keep which spans were begun."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, dict[str, object]]] = []

    def start_as_current_span(self, name: str, *args: object, **parts: object) -> object:  # type: ignore[override] # it only keeps
        attributes = parts.get("attributes")
        assert isinstance(attributes, dict)
        self.seen.append((name, dict(attributes)))
        return trace.use_span(trace.INVALID_SPAN)
