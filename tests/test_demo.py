"""The main job, run as a stranger runs it: as a program, on a file, stopped anywhere."""

import random
import re
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MESSAGES = 400
KILLS_PER_FILE = 5
PORT = re.compile(r"127\.0\.0\.1:\d+")


def command(database: Path, messages: int = MESSAGES) -> list[str]:
    return [
        sys.executable,
        str(ROOT / "examples" / "demo"),
        "--database",
        str(database),
        "--messages",
        str(messages),
    ]


def run(database: Path, messages: int = MESSAGES) -> str:
    done = subprocess.run(
        command(database, messages), capture_output=True, text=True, check=False, timeout=300
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
            "credited once",
            "repeated: nothing to do",
            "growth at 1499 TRY per MONTH, ACTIVE",
            "which equals the file's own sum",
            "refused   acme: 30000 TRY asked",
            "credit 483.55, charge 14990",
            "verify    sound",
            "Done. Run it again",
        ):
            assert words in printed

    def test_ends_where_it_should(self, undisturbed: tuple[Path, str, float]) -> None:
        """By hand: 25000 - 1499 - 450 + 483.55 - 14990 - 12 x 450."""
        _, printed, _ = undisturbed
        assert "3144.55" in printed
        assert re.search(r"plan +basic +ACTIVE", printed)

    def test_run_again_changes_nothing_and_says_so(
        self, undisturbed: tuple[Path, str, float]
    ) -> None:
        """Not a row, not an event."""
        database, _, _ = undisturbed
        before = books(database)
        assert "Nothing has changed" in run(database)
        assert books(database) == before

    @pytest.mark.parametrize("seed", range(6))
    def test_killed_anywhere_it_ends_at_the_same_books(
        self, seed: int, undisturbed: tuple[Path, str, float], tmp_path: Path
    ) -> None:
        """Thirty SIGKILLs at random moments, five on each of six files, each followed by a run."""
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
                    assert process.wait() == -signal.SIGKILL
                    killed += 1
        assert "verify    sound" in run(database)
        assert books(database) == books(finished)
