"""The tutorial says "type what follows at the prompt": every one of its blocks can be."""

import codeop
import re
from pathlib import Path

import pytest

_DOCS = Path(__file__).parent.parent / "docs"
_FENCE = re.compile(r"^```python\n(.*?)^```", re.DOTALL | re.MULTILINE)


def _type(block: str) -> None:
    """Feed a block to a compiler line by line, as a prompt does: a blank line ends a suite."""
    waiting = ""
    for line in [*block.splitlines(), ""]:
        waiting += f"{line}\n"
        if codeop.compile_command(waiting, "prompt") is not None:
            waiting = ""
    assert not waiting.strip(), f"waits for more after {waiting!r}"


class TestTheTutorial:
    """What it tells to type is taken by the prompt of every supported Python."""

    @pytest.mark.parametrize("page", ["tutorial.md", "tutorial.tr.md"])
    def test_can_be_typed_at_the_prompt(self, page: str) -> None:
        """No block has a blank line inside a class or a function: until 3.13 that ends it."""
        blocks = _FENCE.findall((_DOCS / page).read_text(encoding="utf-8"))
        plain = [one for one in blocks if ">>>" not in one]
        assert plain
        for block in plain:
            _type(block)

    def test_a_blank_line_inside_a_class_is_noticed(self) -> None:
        """What tripped readers before fails here."""
        with pytest.raises(SyntaxError):
            _type("class Clock:\n    now = 1\n\n    def __call__(self):\n        return 1\n")
