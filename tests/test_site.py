"""The pages of ``docs`` hang together, as far as that is seen without building the site.

``make docs`` finds the rest: dead links to headings and to the reference, and every warning.
"""

import re
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[1]
DOCS: Final = ROOT / "docs"
PAGES: Final = sorted(
    path for path in DOCS.rglob("*.md") if "_build" not in path.parts and path.name != "index.md"
)
SUBJECTS: Final = [
    path
    for path in PAGES
    if path.parent == DOCS and not path.stem.startswith(("tutorial", "changelog"))
]
ROOMLESS: Final = {"glossary", "pitfalls"}
"""Pages about all subjects."""


def name(path: Path) -> str:
    return path.relative_to(DOCS).with_suffix("").as_posix()


def place(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def links(path: Path) -> list[str]:
    """Give the targets of the links and pictures of a page, code blocks left out."""
    text = re.sub(r"(?ms)^```.*?^```", "", path.read_text(encoding="utf-8"))
    return re.findall(r"\]\(([^)\s]+)\)", re.sub(r"`[^`\n]*`", "", text))


class TestThePages:
    """Each is found, opens with what it is about, and leads to what there is."""

    def test_each_is_named_by_a_list(self) -> None:
        """A page that no list names is found by nobody; the decisions' list takes all there are."""
        named = set((DOCS / "index.md").read_text("utf-8").splitlines())
        assert "0*" in (DOCS / "adr" / "index.md").read_text("utf-8").splitlines()
        others = [name(one) for one in PAGES if one.parent.name != "adr"]
        assert [one for one in others if one not in named] == []

    @pytest.mark.parametrize("page", SUBJECTS, ids=name)
    def test_a_subject_opens_with_what_it_owns_and_what_it_does_not(self, page: Path) -> None:
        if page.stem in ROOMLESS:
            return
        title, *opening = [line for line in page.read_text("utf-8").splitlines() if line][:9]
        assert title.startswith("# ")
        assert opening[0].startswith("*Owns* ")
        assert "*Does not own* " in "\n".join(opening)

    def test_an_explanation_says_what_it_explains(self) -> None:
        found = sorted((DOCS / "explanation").glob("*.md"))
        assert {one.stem for one in found} >= {
            *("design", "money", "time", "ledger", "proration", "scheduling"),
            *("failure-and-retries", "scaling"),
        }
        for one in found:
            assert "\n*Explains* " in one.read_text("utf-8")[:200], one.stem

    @pytest.mark.parametrize("page", [*PAGES, DOCS / "index.md", ROOT / "README.md"], ids=place)
    def test_its_links_lead_to_files(self, page: Path) -> None:
        missing = [
            target
            for target in links(page)
            if not re.match(r"[a-z]+:|#", target)
            and "reference/drawn/" not in target
            and not (page.parent / target.partition("#")[0]).exists()
        ]
        assert missing == []

    def test_every_picture_is_shown(self) -> None:
        shown = {Path(target).name for page in PAGES for target in links(page)}
        pictures = {path.name for path in (DOCS / "images").iterdir()}
        assert pictures - shown == set()
