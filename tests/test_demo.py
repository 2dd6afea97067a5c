"""The main job, run as a stranger runs it: as a program, on a file, stopped anywhere."""

import importlib.util
import os
import random
import re
import runpy
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MESSAGES = 120
KILLS_PER_FILE = 3
PORT = re.compile(r"127\.0\.0\.1:\d+")


def command(database: Path, messages: int = MESSAGES, locale: str = "en") -> list[str]:
    return [
        sys.executable,
        str(ROOT / "examples" / "demo"),
        "--database",
        str(database),
        "--messages",
        str(messages),
        "--locale",
        locale,
    ]


def run(database: Path, messages: int = MESSAGES, locale: str = "en") -> str:
    done = subprocess.run(
        command(database, messages, locale),
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert not done.stderr
    return done.stdout


def books(database: Path) -> dict[str, list[tuple[object, ...]]]:
    """Read every row of every table, less the ports of the loopback servers."""
    with closing(sqlite3.connect(database)) as connection:
        names = [
            name
            for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        ]
        return {
            name: sorted(
                tuple(PORT.sub("HOST", cell) if isinstance(cell, str) else cell for cell in row)
                for row in connection.execute(f'SELECT * FROM "{name}"')  # noqa: S608 - own names
            )
            for name in names
        }


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str, float]:
    """Run the demo once from start to end; give the file, what it printed and how long it took."""
    database = tmp_path_factory.mktemp("demo") / "demo.db"
    started = time.monotonic()
    printed = run(database)
    return database, printed, time.monotonic() - started


class TestDemo:
    """One command does the main job and shows it."""

    def test_does_every_step(self, undisturbed: tuple[Path, str, float]) -> None:
        """The output tells the story, within a hundred columns."""
        _, printed, _ = undisturbed
        assert max(map(len, printed.splitlines())) <= 100
        for words in (
            "1. Open an account",
            "credited once (entry 1: +12,000.00 TRY); repeated: nothing to do",
            "credited once (entry 2: +200.00 USD); repeated: nothing to do",
            "growth: 1,499.00 TRY monthly, of which KDV 249.83 TRY at 20%",
            "which equals the file's own sum",
            "127.0.0.1:",
            "pay page for 12,000.00 TRY",
            "credit 145.16 TRY, charge 24,000.00 TRY, due 23,854.84 TRY",
            "the balance does not cover it: 23,854.84 TRY needed, 13,803.84 TRY short. Top up.",
            "dedicated: 24,000.00 TRY yearly, of which KDV 4,000.00 TRY at 20%",
            "from 5 February 2027: enterprise",
            "growth is active",
            "enterprise is past due",
            "its renewal is not paid: top up, until 2027-03-12",
            "enterprise is suspended",
            "api: no: Enterprise is suspended until it is paid: top up",
            "at 20%; revived",
            "TRY: lasts until 20 June 2027: renewal of Enterprise fails: 3,295.84 TRY short",
            "verify     sound",
            "Done. Run it again",
        ):
            assert words in printed
        assert "http" not in printed, "what looks like a link can be opened"

    def test_ends_where_it_should(self, undisturbed: tuple[Path, str, float]) -> None:
        """By hand: 12000 - 1499 - 450 + 145.16 - 24000 + 25000 - 3 x 1499 - 5999 + 20000 - 5999."""
        _, printed, _ = undisturbed
        assert re.search(r"TRY +14,701\.16 +0\.00 +14,701\.16", printed)
        assert re.search(r"Plan +Enterprise +active", printed)
        assert re.search(r"Support package +Dedicated +active", printed)

    def test_what_it_forecasts_comes_to_pass(self, undisturbed: tuple[Path, str, float]) -> None:
        """The forecast of step 6 shows the failure that step 7 then meets, to the kuruş."""
        _, printed, _ = undisturbed
        forecast = printed.split("6. A chain")[1].split("7. Time")[0]
        assert re.search(r"2027-02-05  change to Enterprise +-5,999\.00 TRY +700\.16", forecast)
        assert re.search(r"2027-03-05  renewal of Enterprise +fails: 5,298\.84 TRY short", forecast)
        assert re.search(r"2027-03-12  end of grace for Enterprise +suspended", forecast)

    def test_speaks_turkish(self, undisturbed: tuple[Path, str, float], tmp_path: Path) -> None:
        """The same story in other words, and the same books: the language decides nothing."""
        database = tmp_path / "demo.db"
        printed = run(database, locale="tr")
        assert max(map(len, printed.splitlines())) <= 100
        for words in (
            "5. Yükseltme: önizlendi, bakiye yetmedi",
            "bakiye yetmiyor: 23.854,84 TRY gerekli, 13.803,84 TRY eksik. Bakiye yükleyin.",
            "growth: 1.499,00 TRY aylık, içinde %20 KDV 249,83 TRY",
            "enterprise gecikmiş",
            "api: hayır: Enterprise ödenene kadar askıda: bakiye yükleyin",
            "TRY: 20 Haziran 2027 gününe kadar yeter: Enterprise yenilemesi",
            "Bitti. Yeniden çalıştırın",
        ):
            assert words in printed
        assert books(database) == books(undisturbed[0])

    def test_run_again_changes_nothing_and_says_so(
        self, undisturbed: tuple[Path, str, float]
    ) -> None:
        """Not a row, not an event."""
        database, _, _ = undisturbed
        before = books(database)
        assert "Nothing has changed" in run(database)
        assert books(database) == before

    @pytest.mark.parametrize(
        "seed", [0, *(pytest.param(seed, marks=pytest.mark.deep) for seed in range(1, 10))]
    )
    def test_killed_anywhere_it_ends_at_the_same_books(
        self, seed: int, undisturbed: tuple[Path, str, float], tmp_path: Path
    ) -> None:
        """SIGKILLs at random moments, each followed by a run; thirty of them in a deep run."""
        finished, _, seconds = undisturbed
        chance = random.Random(seed)
        database = tmp_path / "demo.db"
        killed = 0
        while killed < KILLS_PER_FILE:
            with subprocess.Popen(
                command(database), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            ) as process:
                try:
                    process.wait(chance.uniform(0.1, 0.9) * seconds)
                except subprocess.TimeoutExpired:
                    process.send_signal(signal.SIGKILL)
                ended = process.wait()
                assert ended in {0, -signal.SIGKILL}, "it comes to its end, or is killed"
                killed += ended != 0
        assert "verify     sound" in run(database)
        assert books(database) == books(finished)


class TestRefusals:
    """What cannot be done is said in one line, with a status of failure, and changes nothing."""

    CASES = (
        (["--messages", "13"], "'13' is not a number from 14 to 10000"),
        (["--messages", "10001"], "'10001' is not a number from 14 to 10000"),
        (["--messages", "many"], "'many' is not a number from 14 to 10000"),
        (["--database", "nowhere/demo.db"], "there is no folder nowhere"),
        (["--database", "."], ". is not a file"),
        (["--database", "text.db"], "text.db cannot be used: file is not a database"),
        (["--database", "other.db"], "other.db is not of this demo's making"),
    )

    def test_refuses(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """Before anything is made; within this process, which has loaded what it needs."""
        (tmp_path / "text.db").write_text("this is a text and not a database\n" * 50)
        with closing(sqlite3.connect(tmp_path / "other.db")) as connection:
            connection.execute("CREATE TABLE theirs (id INTEGER)")
        before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
        monkeypatch.chdir(tmp_path)
        folder = str(ROOT / "examples" / "demo")
        monkeypatch.syspath_prepend(folder)
        for options, words in self.CASES:
            monkeypatch.setattr(sys, "argv", [folder, *options])
            with pytest.raises(SystemExit) as stopped:
                runpy.run_path(folder, run_name="__main__")
            told = capsys.readouterr()
            said = told.err or str(stopped.value.code)
            assert stopped.value.code != 0
            assert words in said.splitlines()[-1]
            assert not told.out
            assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before

    def test_another_number_of_messages(
        self,
        undisturbed: tuple[Path, str, float],
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        """A finished file is not taken for one with other messages."""
        database, _, _ = undisturbed
        before = books(database)
        _, folder, *options = command(database, MESSAGES - 1)
        monkeypatch.syspath_prepend(folder)
        monkeypatch.setattr(sys, "argv", [folder, *options])
        with pytest.raises(SystemExit) as stopped:
            runpy.run_path(folder, run_name="__main__")
        told = capsys.readouterr()
        assert stopped.value.code == 1
        assert f"was made with --messages {MESSAGES}, not {MESSAGES - 1}" in told.err
        assert not told.out
        assert books(database) == before

    @pytest.mark.deep
    def test_an_ascii_terminal(self, tmp_path: Path) -> None:
        """What it cannot show becomes a question mark."""
        done = subprocess.run(
            command(tmp_path / "demo.db", 14),
            env=os.environ | {"PYTHONIOENCODING": "ascii"},
            capture_output=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert "verify     sound" in done.stdout.decode("ascii")


class TestByHand:
    """A person pays in a browser, each top-up once."""

    @staticmethod
    def press(link: str, action: str, *, land: bool) -> str:
        """Do what a browser does, with the link as it was printed."""
        path = ROOT / "examples" / "demo" / "host.py"
        spec = importlib.util.spec_from_file_location("demo_host", path)
        assert spec is not None
        assert spec.loader is not None
        host = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(host)
        page = link.partition("/pay")[0]
        try:
            return str(host.pay(link, page, action=action))
        except host.GatewayError:
            assert not land
            return "elsewhere"

    def test_pays_each_once_and_stops_on_demand(self, tmp_path: Path) -> None:
        """The link stands raw on a line; declining waits on; Ctrl-C says how to go on."""
        database = tmp_path / "demo.db"
        by_hand = [*command(database, 14), "--by-hand"]
        last = ""
        for answers, status in ((["decline", "pay"], 130), (["pay"] * 3, 0)):
            with subprocess.Popen(
                by_hand, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
            ) as process:
                assert process.stdout is not None
                assert process.stderr is not None
                link, ours = "", True
                todo = list(answers)
                for line in process.stdout:
                    last = line if line.strip() else last
                    if line.startswith("http"):
                        link = line.strip()
                        if not todo:
                            process.send_signal(signal.SIGINT)
                    ours = ours and "Another program listens" not in line
                    if todo and line.lstrip().startswith(("waiting", "declined")):
                        self.press(link, todo.pop(0), land=ours)
                complaint = process.stderr.read()
                assert process.wait(60) == status, complaint
            assert complaint == (
                "" if status == 0 else "\nStopped. Run it again: it goes on from here.\n"
            )
        assert last.startswith("Done. Run it again")
