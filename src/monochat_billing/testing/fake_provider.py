"""What the fakes of providers share: a loopback server, a route by name, a script of faults.

Owns when a fault happens and what it does to an answer. Does not own any provider's protocol.

A fault is consumed by the next call of its route. Some come before the provider acts, so that it
knows nothing of the call, and some after, so that only the caller does not know.
"""

import enum
import threading
from abc import ABC, abstractmethod
from collections import defaultdict, deque
from types import TracebackType
from typing import Final, Self, final

import attrs

from monochat_billing.adapters.sandbox import LoopbackServer, Request, Response

__all__ = ["Callback", "FakeProvider", "Fault"]

_LONGEST_STALL: Final = 20

Callback = tuple[dict[str, str], bytes]
"""Headers and raw body of one callback."""


@final
class Fault(enum.StrEnum):
    """Name what goes wrong with one call.

    Before the provider acts: ``SERVER_ERROR`` (500), ``BUSY`` (429), ``HTML`` (a page with status
    200). After it has acted: ``LOST_ANSWER`` (the connection ends), ``STALL`` (no answer until
    the caller gives up), ``HALF_ANSWER`` (the body ends in the middle).
    """

    SERVER_ERROR = "SERVER_ERROR"
    BUSY = "BUSY"
    HTML = "HTML"
    LOST_ANSWER = "LOST_ANSWER"
    STALL = "STALL"
    HALF_ANSWER = "HALF_ANSWER"


_BEFORE: Final = {
    Fault.SERVER_ERROR: Response(status=500, body="Internal Server Error"),
    Fault.BUSY: Response(status=429, body="Too Many Requests"),
    Fault.HTML: Response(body="<html>maintenance</html>", content_type="text/html"),
}


class FakeProvider(ABC):
    """Serve a provider's protocol on 127.0.0.1 while the ``with`` block runs.

    ``calls`` lists the routes that were called, in their order. Subclasses name the route of a
    request and act on it, one request at a time.
    """

    def __init__(self) -> None:
        self.calls: list[str] = []
        self._script: dict[str, deque[Fault]] = defaultdict(deque)
        self._lock = threading.RLock()
        self._closing = threading.Event()
        self._server = LoopbackServer(self._answer)

    @property
    def url(self) -> str:
        """Give the server's scheme, host and port."""
        return self._server.url

    def script(self, route: str, *faults: Fault) -> None:
        """Let the next calls of ``route`` fail, one fault each."""
        with self._lock:
            self._script[route].extend(faults)

    @abstractmethod
    def route(self, request: Request) -> str:
        """Name the route of a request; blank for one that the provider does not have."""

    @abstractmethod
    def act(self, route: str, request: Request) -> Response:
        """Do what the provider does."""

    def __enter__(self) -> Self:
        self._closing.clear()
        self._server.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._closing.set()
        self._server.__exit__(kind, error, trace)

    def _answer(self, request: Request) -> Response:
        route = self.route(request)
        if not route:
            return Response(status=404, body='{"error":"no such route"}')
        with self._lock:
            self.calls.append(route)
            fault = self._script[route].popleft() if self._script[route] else None
            if fault in _BEFORE:
                return _BEFORE[fault]
            response = self.act(route, request)
        if fault is Fault.STALL:
            self._closing.wait(_LONGEST_STALL)
        if fault in (Fault.STALL, Fault.LOST_ANSWER):
            return attrs.evolve(response, cut=-1)
        if fault is Fault.HALF_ANSWER:
            return attrs.evolve(response, cut=len(response.body.encode()) // 2)
        return response
