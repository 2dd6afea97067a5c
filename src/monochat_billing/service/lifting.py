"""How a verb of the synchronous service becomes one that a task awaits.

Owns a noun whose verbs are awaited, and the function that lifts a verb.
Does not own which verbs there are, nor where they run.
"""

from collections.abc import Awaitable, Callable, Coroutine
from functools import update_wrapper
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

from monochat_billing.service.billing import Billing

__all__ = ["Noun", "Run", "lifted"]

_P = ParamSpec("_P")
T = TypeVar("T")


class Run(Protocol):
    """Run something of the synchronous service while the event loop goes on."""

    def __call__(self, ask: Callable[[Billing], T]) -> Coroutine[Any, Any, T]:
        """Give what ``ask`` returns for the service."""
        ...


class Noun:
    """Hold the verbs of one noun; ``noun`` is its name at the service, empty for the service."""

    noun: str = ""

    def __init__(self, run: Run) -> None:
        self._run = run

    def ask(self, verb: Callable[[Any], T]) -> Awaitable[T]:
        """Run a verb of the synchronous noun."""
        noun = self.noun
        return self._run(lambda billing: verb(getattr(billing, noun) if noun else billing))


def lifted(
    verb: Callable[Concatenate[Any, _P], T],
) -> Callable[Concatenate[Noun, _P], Coroutine[Any, Any, T]]:
    """Return a verb of the synchronous service as a method that is awaited.

    It keeps the verb's name, documentation and signature.
    """

    async def awaited(noun: Noun, /, *args: _P.args, **kwargs: _P.kwargs) -> T:
        return await noun.ask(lambda one: verb(one, *args, **kwargs))

    update_wrapper(awaited, verb)
    return awaited
