"""Shared by every test run: Hypothesis profiles, and the examples in documents and docstrings."""

import doctest
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from shutil import disk_usage
from typing import Any, Final

import pytest
from hypothesis import settings
from sybil import Document, Example, Sybil
from sybil.document import PythonDocStringDocument
from sybil.example import NotEvaluated
from sybil.integration import pytest as sybil_pytest
from sybil.parsers.markdown import PythonCodeBlockParser, SkipParser as MarkdownSkipParser
from sybil.parsers.rest import DocTestParser
from sybil.typing import Parser
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

# quick explores: new examples on every run, and it remembers the failing ones.
# ci repeats: one commit always gets the same answer, so a red run is about what was changed; what
#    the quick and deep runs find is kept as an explicit @example.
# deep explores far; hours are fine, make test-deep starts it.
# No deadline in any of them: a busy machine is not a failure of the law.
settings.register_profile("quick", deadline=None, max_examples=100, print_blob=True)
settings.register_profile("ci", settings.get_profile("quick"), derandomize=True, database=None)
settings.register_profile("deep", settings.get_profile("quick"), max_examples=5_000)
settings.load_profile("ci" if os.environ.get("CI") else "quick")

# Databases of the tests lie in memory where there is room: whoever waits for a disk to flush tests
# the disk. What is killed is a process or a server, and what they have written survives that there,
# too. TMPDIR names another place; make test-deep names the disk.
MEMORY: Final = Path("/dev/shm")  # noqa: S108 - a folder of one's own is made in it
ROOM: Final = 4 << 30
if "TMPDIR" not in os.environ and os.access(MEMORY, os.W_OK) and disk_usage(MEMORY).free > ROOM:
    os.environ["TMPDIR"] = tempfile.tempdir = str(MEMORY)


class SelfContainedDocstrings(PythonDocStringDocument):
    """The docstrings of one module, each run alone.

    A docstring sees the names of its module and those that it makes itself, never what another
    docstring left behind, and it leaves nothing in the module.
    """

    def __init__(self, text: str, path: str) -> None:
        super().__init__(text, path)
        self.module_names: dict[str, Any] = {}
        self.current: tuple[int, int] | None = None
        self.spans: list[tuple[int, int]] = []

    @classmethod
    def parse(cls, path: str, *parsers: Parser, encoding: str = "utf-8") -> Document:
        """Find the examples, and note which docstring each of them stands in."""
        document = super().parse(path, *parsers, encoding=encoding)
        if isinstance(document, SelfContainedDocstrings):
            spans = cls.extract_docstrings(document.text)
            document.spans = [(start, end) for start, end, _ in spans]
            document.push_evaluator(document.start_afresh)
        return document

    def import_document(self, example: Example) -> None:
        """Import the module once; Sybil calls this at the first example."""
        try:
            super().import_document(example)
        finally:
            self.module_names = dict(self.namespace)

    def start_afresh(self, example: Example) -> None:
        """Forget what the docstring before this one has named."""
        place = example.region.start
        span = next((start, end) for start, end in self.spans if start <= place < end)
        if span != self.current:
            self.current = span
            if self.module_names:
                self.namespace.clear()
                self.namespace.update(self.module_names)
        raise NotEvaluated


class Elsewhere:
    """A temporary working directory for one document, so that its code litters nothing."""

    def __init__(self) -> None:
        self.stack: list[tuple[str, tempfile.TemporaryDirectory[str]]] = []

    def enter(self, _namespace: dict[str, Any]) -> None:
        """Move into a new directory."""
        self.stack.append((str(Path.cwd()), tempfile.TemporaryDirectory()))
        os.chdir(self.stack[-1][1].name)

    def leave(self, namespace: dict[str, Any]) -> None:
        """Let go of what the document holds open, and move back."""
        namespace.clear()
        home, directory = self.stack.pop()
        os.chdir(home)
        directory.cleanup()


elsewhere = Elsewhere()

pytest_collect_file = sybil_pytest.pytest_integration(
    Sybil(
        parsers=[PythonCodeBlockParser(doctest_optionflags=doctest.ELLIPSIS), MarkdownSkipParser()],
        patterns=["*.md"],
        setup=elsewhere.enter,
        teardown=elsewhere.leave,
    ),
    Sybil(
        parsers=[DocTestParser(doctest.ELLIPSIS)],
        path="src",
        patterns=["*.py"],
        document_types={".py": SelfContainedDocstrings},
        setup=elsewhere.enter,
        teardown=elsewhere.leave,
    ),
)


@pytest.hookimpl(wrapper=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> Iterator[None]:
    """Keep the examples of one document together and in the order in which they are written.

    pytest-randomly shuffles whatever was collected. That is right for tests, which must not need
    one another, but a document is one story.
    """
    yield
    documents: dict[Path, list[sybil_pytest.SybilItem]] = {}
    for item in items:
        if isinstance(item, sybil_pytest.SybilItem):
            documents.setdefault(item.path, []).append(item)
    told: list[pytest.Item] = []
    for item in items:
        if not isinstance(item, sybil_pytest.SybilItem):
            told.append(item)
        elif item.path in documents:
            examples = documents.pop(item.path)
            examples.sort(key=lambda one: one.example.region.start)
            told += examples
    items[:] = told


class DocumentsWhole(LoadScopeScheduling):  # type: ignore[misc]  # pytest-xdist has no types
    """Hand tests to the workers one by one, and documents whole, for the same reason."""

    def _split_scope(self, nodeid: str) -> str:
        path, _, _ = nodeid.partition("::")
        return nodeid if Path(path).name.startswith("test_") else path


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> DocumentsWhole:
    """Schedule with the above whenever pytest-xdist is asked for workers."""
    return DocumentsWhole(config, log)
