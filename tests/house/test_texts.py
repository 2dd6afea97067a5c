"""What stands in the repository's texts, and what constraints.txt pins."""

import re
import shutil
import subprocess
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]

# Written with a class here and there, so that this file holds none of what it looks for.
MACHINE_PATHS = re.compile(r"(?<![\w.])/(?:[w]ork|[r]oot|[h]ome/\w|[U]sers/\w)[/\w]*")
REGISTRIES = re.compile(
    r"pypi[.]org|pythonhosted[.]org|npmjs[.](?:org|com)|(?:deb|security)[.]debian[.]org"
    r"|--(?:extra-)?index-url|--trusted-[h]ost",
)
TAGS = {"console", "ini", "json", "make", "mermaid", "python", "sh", "sql", "text", "toml"}
FENCE = re.compile(r"^ *```(?P<tag>[^\n`]*)$", re.MULTILINE)


def tracked_files() -> list[Path]:
    """List the texts that git knows about; a release without its history has nothing to ask.

    Compiled catalogs hold what their sources hold, and pictures hold no text.
    """
    if not (ROOT / ".git").exists() or not shutil.which("git"):
        pytest.skip("not a git checkout")
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    names = [
        name for name in listed.stdout.split("\0") if name and not name.endswith((".mo", ".png"))
    ]
    return [ROOT / name for name in names if (ROOT / name).is_file()]


def findings(pattern: re.Pattern[str], files: list[Path]) -> list[str]:
    """List each match as ``file:line: match``."""
    return [
        f"{path.relative_to(ROOT)}:{number}: {match.group()}"
        for path in files
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        for match in pattern.finditer(line)
    ]


def fences(text: str) -> list[str]:
    """Return the language of each fenced block."""
    return [match["tag"].strip() for match in FENCE.finditer(text)][::2]


class TestTheTexts:
    """The repository speaks about the library, wherever it is checked out."""

    def test_no_file_names_a_place_on_somebodys_machine(self) -> None:
        """A path from the machine that a text was written on helps nobody else."""
        assert findings(MACHINE_PATHS, tracked_files()) == []

    def test_no_file_names_a_package_registry(self) -> None:
        """Where packages come from is the installing machine's own setting."""
        assert findings(REGISTRIES, tracked_files()) == []

    def test_every_code_block_names_a_language_that_is_known(self) -> None:
        """`python` blocks are run; a misspelled tag would let one escape."""
        documents = [path for path in tracked_files() if path.suffix == ".md"]
        assert ROOT / "README.md" in documents
        unknown = {
            str(path.relative_to(ROOT)): strange
            for path in documents
            if (strange := set(fences(path.read_text(encoding="utf-8"))) - TAGS)
        }
        assert unknown == {}


VERB = re.compile(r"\bbilling\.[\w.]+(?=\()")
COMMAND = re.compile(r"^\$ ([\w ]+?)(?:  |$)", re.MULTILINE)
LINK = re.compile(r"\]\(([^)\s]+)\)")
BLOCK = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
TRANSLATED = {"README.md": "README.tr.md", "docs/tutorial.md": "docs/tutorial.tr.md"}


def outline(text: str) -> dict[str, list[str]]:
    """Return what two languages of a document have in common, whatever the words."""
    prose = BLOCK.sub("", text)
    return {
        "headings": re.findall(r"^#+(?= )", prose, re.MULTILINE),
        "blocks": fences(text),
        "commands": COMMAND.findall(text),
        "verbs": VERB.findall(text),
        "links": sorted(
            {one.partition("#")[0].replace(".tr.md", ".md") for one in LINK.findall(prose)}
        ),
    }


@pytest.mark.parametrize("english", sorted(TRANSLATED))
class TestTheTranslations:
    """What is written in two languages says the same in both."""

    def test_have_the_same_outline(self, english: str) -> None:
        """Sections, code blocks, commands and verbs follow each other alike, and no link lacks."""
        first = outline((ROOT / english).read_text(encoding="utf-8"))
        second = outline((ROOT / TRANSLATED[english]).read_text(encoding="utf-8"))
        assert first["headings"]
        assert first["verbs"]
        missing = set(first.pop("links")) - set(second.pop("links"))
        assert missing == set()
        assert first == second


class TestTheCheckItself:
    """The patterns see what they are there for."""

    @pytest.mark.parametrize(
        "text", ["cd /~work/main", "(/~root/.cache)", "'/~home/ada/billing'", "/~Users/ada/x"]
    )
    def test_it_sees_a_machine_path(self, text: str) -> None:
        """Absolute paths into somebody's files are found; the tilde hides them from this file."""
        assert MACHINE_PATHS.search(text.replace("~", ""))

    @pytest.mark.parametrize(
        "text", ["docs/work/x", "src/root", "see /v1/home", "a/homework", "/var/lib/billing"]
    )
    def test_it_lets_other_paths_pass(self, text: str) -> None:
        """Relative paths, URL paths and a service's own directories are fine."""
        assert not MACHINE_PATHS.search(text)

    @pytest.mark.parametrize(
        "text", ["https://pypi~.org/simple", "--index~-url x", "http://deb~.debian.org/debian"]
    )
    def test_it_sees_a_registry(self, text: str) -> None:
        """Addresses of registries, and options that name one, are found."""
        assert REGISTRIES.search(text.replace("~", ""))

    def test_it_sees_a_misspelled_language(self) -> None:
        """A block is judged by its opening fence."""
        text = "```python\nx\n```\n\n```pyhton\ny\n```\n\n```\nz\n```\n"
        assert fences(text) == ["python", "pyhton", ""]


class TestTheConstraints:
    """constraints.txt pins the dependencies, the extras, the tools, and all that they bring."""

    def test_every_line_pins_one_package(self) -> None:
        """Names and exact versions, no addresses, no ranges, each once."""
        lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
        pins = [line for line in lines if not line.startswith("#")]
        assert [line for line in pins if not re.fullmatch(r"[\w.-]+==[\w.]+", line)] == []
        names = [canonicalize_name(line.partition("==")[0]) for line in pins]
        assert len(names) == len(set(names))

    def test_every_dependency_is_pinned_within_its_range(self) -> None:
        """What pyproject.toml asks for, and what that requires, has a pin that satisfies it."""
        project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
        extras = project["project"]["optional-dependencies"]
        asked = [Requirement(text) for text in project["project"]["dependencies"]]
        asked += [Requirement(text) for texts in extras.values() for text in texts]
        asked += [Requirement(text) for text in project["build-system"]["requires"]]
        lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
        pins = dict(line.split("==") for line in lines if not line.startswith("#"))
        pinned = {canonicalize_name(name): version for name, version in pins.items()}

        wrong: list[str] = []
        seen: set[str] = set()
        while asked:
            needed = asked.pop()
            name = canonicalize_name(needed.name)
            if name == "monochat-billing" or str(needed) in seen:
                continue
            seen.add(str(needed))
            if name not in pinned:
                wrong.append(f"{needed} is not pinned")
            elif not needed.specifier.contains(pinned[name], prereleases=True):
                wrong.append(f"{needed} is pinned to {pinned[name]}")
            for text in metadata.requires(name) or ():
                further = Requirement(text)
                for extra in needed.extras or {""}:
                    if further.marker is None or further.marker.evaluate({"extra": extra}):
                        asked.append(further)
        assert wrong == []
        assert len(seen) > len(extras["dev"])
