"""The matrix of faults says what is tested where, and no more than is."""

import re
from pathlib import Path

import pytest

from monochat_billing.testing.storage_kit import STORAGE_CASES, StorageBench
from tests.storage_benches import Memory, Postgres, Serializable, SqliteFile

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "reliability.md"
COLUMNS: list[type[StorageBench]] = [Memory, SqliteFile, Postgres, Serializable]
WORDS = {"kit", "test", "deep", "–", "open"}
TEST = re.compile(r"def test_(l\d\d)_\w+")


def rows() -> dict[str, list[str]]:
    """Give the cells of each row of the page."""
    found = {}
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        if re.match(r"\| L\d\d \|", line):
            row, *cells = [cell.strip() for cell in line.strip("|").split("|")]
            assert row not in found, f"{row} stands twice"
            found[row] = cells
    return found


def rows_of(file: Path) -> set[str]:
    """Give the rows that the tests of a file are named after."""
    return {row.upper() for row in TEST.findall(file.read_text(encoding="utf-8"))}


class TestTheMatrix:
    """What the page says is tested, is."""

    def test_it_has_every_row_once(self) -> None:
        assert list(rows()) == [f"L{number:02}" for number in range(1, 29)]
        assert {cell for cells in rows().values() for cell in cells[1:5]} <= WORDS

    @pytest.mark.parametrize("row", [f"L{number:02}" for number in range(1, 29)])
    def test_a_row_is_held(self, row: str) -> None:
        """By a case that runs on that storage, or by tests in every file that is named."""
        _, *words, where = rows()[row]
        files = [ROOT / name for name in re.findall(r"`([^`]+)`", where)]
        for file in files:
            assert row in rows_of(file), f"{file.name} has no test of {row}"
        for bench, word in zip(COLUMNS, words, strict=True):
            if word == "kit":
                cases = [case for case in STORAGE_CASES if case.row == row]
                assert any(case.needs <= bench.has for case in cases), (row, bench.__name__)
            elif word in {"test", "deep"}:
                assert files, f"{row} names no file"

    def test_what_is_open_says_why(self) -> None:
        """Each open row is named below the table, and no other."""
        text = (
            PAGE.read_text(encoding="utf-8").partition("### What is open")[2].partition("\n## ")[0]
        )
        named = set(re.findall(r"\*\*(L\d\d)\*\*", text))
        assert named == {row for row, cells in rows().items() if "open" in cells[1:5]}

    def test_every_row_of_the_kit_is_in_the_table(self) -> None:
        """And says so in at least one column."""
        numbered = {case.row for case in STORAGE_CASES if re.fullmatch(r"L\d\d", case.row)}
        assert numbered == {row for row, cells in rows().items() if "kit" in cells}
