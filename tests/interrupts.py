"""Interrupts: raised in a thread before a line of its own, so that a test can try every one."""

import linecache
import sys
from collections.abc import Callable
from types import FrameType
from typing import TypeVar

T = TypeVar("T")


class Interrupt:
    """Interrupt a thread before a line of the files, the first being 1, if it comes so far."""

    def __init__(self, line: int, *files: str | None) -> None:
        self._line = line
        self._files = files

    def __call__(self, frame: FrameType, event: str, _: object) -> "Interrupt | None":
        name = frame.f_code.co_filename
        if name not in self._files:
            return None
        # Between taking or giving back a lock and its block there is no place for an interrupt.
        text = linecache.getline(name, frame.f_lineno).strip()
        if event == "line" and not text.startswith("with "):
            self._line -= 1
            if not self._line:
                raise KeyboardInterrupt
        return self

    def run(self, work: Callable[[], T]) -> T:
        """Run ``work`` in this thread."""
        before = sys.gettrace()
        sys.settrace(self)
        try:
            return work()
        finally:
            sys.settrace(before)
