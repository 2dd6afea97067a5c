"""The demo's webhooks: the same bytes every time, and worth what their manifest says."""

import importlib.util
import json
import random
import sys
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from monochat_billing.adapters.whatsapp import (
    MessageStatus,
    collect_usage,
    meta_rate_cards,
    parse_statuses,
)
from monochat_billing.rating import rate_many

SCRIPT = Path(__file__).parents[1] / "examples" / "demo" / "webhooks.py"
ISTANBUL = "Europe/Istanbul"


@pytest.fixture(scope="module")
def demo() -> ModuleType:
    spec = importlib.util.spec_from_file_location("demo_webhooks", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def statuses_in(path: Path) -> list[MessageStatus]:
    lines = path.read_text(encoding="utf-8").splitlines()
    return [status for line in lines for status in parse_statuses(line)]


class TestTheFile:
    def test_is_worth_what_the_manifest_says(self, demo: ModuleType, tmp_path: Path) -> None:
        """Ten thousand messages come to the manifest's total, to the last micro-unit."""
        path = tmp_path / "webhooks.jsonl"
        manifest = demo.write_webhooks(path)
        statuses = statuses_in(path)
        cards = meta_rate_cards()
        usage = collect_usage(statuses, cards=cards, zone=ISTANBUL)
        lines = rate_many(usage.records, cards, ISTANBUL)
        charged = [line for line in lines if line.billable]
        assert len({status.message_id for status in statuses}) == manifest.messages == 10_000
        assert (len(charged), len(lines) - len(charged)) == (manifest.charged, manifest.free)
        assert (usage.failed, usage.only_sent) == (manifest.failed, manifest.only_sent)
        assert len(usage.set_aside) == manifest.set_aside
        assert (len(statuses), usage.repeated) == (manifest.statuses, manifest.duplicates)
        assert sum(line.units for line in lines) == manifest.total_units
        by_category = Counter(line.category.value for line in charged)
        by_market = Counter(line.market for line in charged)
        assert by_category == manifest.charged_by_category
        assert by_market == manifest.charged_by_market
        assert {line.currency for line in lines} == {manifest.currency}

    def test_batches_of_bodies_come_to_the_same(self, demo: ModuleType, tmp_path: Path) -> None:
        """Read in any batches and any order, each message id is charged the same, once."""
        path = tmp_path / "webhooks.jsonl"
        manifest = demo.write_webhooks(path, messages=2_000)
        bodies = path.read_text(encoding="utf-8").splitlines()
        random.Random(7).shuffle(bodies)
        cards = meta_rate_cards()
        units: dict[str, int] = {}
        for place in range(0, len(bodies), 3):
            batch = [s for body in bodies[place : place + 3] for s in parse_statuses(body)]
            usage = collect_usage(batch, cards=cards, zone=ISTANBUL)
            for line in rate_many(usage.records, cards, ISTANBUL):
                assert units.setdefault(line.record_id, line.units) == line.units
        assert len(units) == manifest.charged + manifest.free
        assert sum(units.values()) == manifest.total_units

    def test_has_the_same_bytes_for_the_same_seed(self, demo: ModuleType, tmp_path: Path) -> None:
        """The file depends on the arguments alone."""
        first, again, other = (tmp_path / name for name in ("first", "again", "other"))
        manifest = demo.write_webhooks(first, messages=300, seed=1)
        assert demo.write_webhooks(again, messages=300, seed=1) == manifest
        assert demo.write_webhooks(other, messages=300, seed=2) != manifest
        assert first.read_bytes() == again.read_bytes() != other.read_bytes()
        assert sorted(path.name for path in tmp_path.iterdir()) == ["again", "first", "other"]

    def test_shows_what_happens_in_production(self, demo: ModuleType, tmp_path: Path) -> None:
        """Duplicates, disorder, failures, reads without delivery, free and odd ones are in it."""
        path = tmp_path / "webhooks.jsonl"
        manifest = demo.write_webhooks(path, messages=3_000)
        statuses = statuses_in(path)
        words: dict[str, set[str]] = {}
        for status in statuses:
            words.setdefault(status.message_id, set()).add(status.status)
        read_only = sum("read" in own and "delivered" not in own for own in words.values())
        late = sum("failed" in own and "delivered" in own for own in words.values())
        assert 0.07 < read_only / 3_000 < 0.13
        assert 0.01 < (manifest.failed + late) / 3_000 < 0.05
        assert late > 0
        assert 0.03 < manifest.duplicates / manifest.statuses < 0.07
        assert manifest.free > 0
        assert manifest.set_aside == len(demo.ODDITIES)
        instants = [status.occurred_at for status in statuses]
        assert instants != sorted(instants)
        assert set(manifest.charged_by_category) == {
            "authentication",
            "authentication_international",
            "marketing",
            "service",
            "utility",
        }
        assert len(manifest.charged_by_market) > 10
        sizes = [
            sum(len(change["value"]["statuses"]) for change in body["entry"][0]["changes"])
            for body in map(json.loads, path.read_text(encoding="utf-8").splitlines())
        ]
        assert (min(sizes), max(sizes)) == (1, 50)

    def test_lies_between_the_two_instants(self, demo: ModuleType, tmp_path: Path) -> None:
        """The span is half-open."""
        first = datetime(2026, 10, 7, tzinfo=UTC)
        last = first + timedelta(hours=3)
        demo.write_webhooks(tmp_path / "x", messages=200, first=first, last=last)
        instants = [status.occurred_at for status in statuses_in(tmp_path / "x")]
        assert first <= min(instants)
        assert max(instants) < last

    def test_calls_nobody(self, demo: ModuleType, tmp_path: Path) -> None:
        """Every number has zeros after its calling code, as no numbering plan does."""
        demo.write_webhooks(tmp_path / "x", messages=300)
        codes = tuple(code for _, code, _, _ in demo.MARKETS)
        assert all("00" in code for code in codes)
        for status in statuses_in(tmp_path / "x"):
            assert status.recipient is not None
            assert status.recipient.startswith(codes)

    @pytest.mark.parametrize(
        "change",
        [
            {"messages": 13},
            {"first": datetime(2026, 9, 30, tzinfo=UTC)},
            {"last": datetime(2027, 1, 1, tzinfo=UTC)},
            {"last": datetime(2026, 10, 5, 7, tzinfo=UTC)},
        ],
        ids=["too few", "too early", "too late", "too short"],
    )
    def test_refuses_what_it_cannot_promise(
        self, demo: ModuleType, tmp_path: Path, change: dict[str, Any]
    ) -> None:
        """Outside the quarter the card would be another one."""
        with pytest.raises(ValueError, match=r"quarter|at least"):
            demo.write_webhooks(tmp_path / "x", **change)
        assert not list(tmp_path.iterdir())

    def test_prints_its_manifest(
        self, demo: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """The script is a command, too."""
        demo.main([str(tmp_path / "x"), "--messages", "50", "--seed", "3"])
        told = json.loads(capsys.readouterr().out)
        assert told["messages"] == 50
        assert (
            told["charged"] + told["free"] + told["failed"] + told["only_sent"] + told["set_aside"]
            == told["messages"]
        )
