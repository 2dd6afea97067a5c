"""A small HTTP server on loopback: one function from request to response.

Owns sockets, threads, limits and the headers that every answer carries.
Does not own what is answered: that is the function's.

It binds 127.0.0.1 only, reads bounded requests with a time-out, closes every connection after one
answer, prints nothing, and leaves no thread or socket behind. It is made for sandboxes, examples
and tests; it is not a server for the public.
"""

import logging
import socket
import socketserver
import threading
from collections.abc import Callable, Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Final, Self, final

import attrs

from monochat_billing.errors import GatewayError, InvalidInput

__all__ = ["LONGEST_BODY", "LoopbackServer", "Request", "Response"]

LONGEST_BODY: Final = 64 * 1024
"""Bytes of a request body that are read; a longer one is answered with 413."""

_HOST: Final = "127.0.0.1"
_DRAINED: Final = 1024 * 1024
_POLL_SECONDS: Final = 0.05
_LAST_PORT: Final = 65535
_COMMON_HEADERS: Final = (
    ("Cache-Control", "no-store"),
    ("Referrer-Policy", "no-referrer"),
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
)

_log = logging.getLogger(__name__)
_log.addHandler(logging.NullHandler())


@final
@attrs.frozen(kw_only=True)
class Request:
    """Hold one request that was read whole.

    ``headers`` has lower-case names; a repeated header is one value joined by ``", "``.

    >>> Request(method="GET", path="/pay", query="lang=tr").body
    b''
    """

    method: str
    path: str
    query: str = ""
    headers: Mapping[str, str] = attrs.field(factory=dict)
    body: bytes = attrs.field(default=b"", repr=False)


@final
@attrs.frozen(kw_only=True)
class Response:
    """Hold one answer; ``headers`` come on top of those that every answer carries.

    ``cut`` is for fakes of unreliable peers: the connection ends after so many bytes of the body,
    and without any answer when it is negative.

    >>> Response(status=404).body
    ''
    """

    status: int = 200
    body: str = ""
    content_type: str = "text/plain; charset=utf-8"
    headers: tuple[tuple[str, str], ...] = ()
    cut: int | None = None


class _Refused(Exception):
    """End the reading of a request with an answer."""

    def __init__(self, status: HTTPStatus) -> None:
        super().__init__(status.phrase)
        self.status = status


class _Server(ThreadingHTTPServer):
    """Know the open connections, so that closing waits for answers and not for idle buyers."""

    daemon_threads = False
    request_queue_size = 128  # the parent's 5 makes a burst of callbacks wait for resends
    app: Callable[[Request], Response]

    def __init__(self, port: int, app: Callable[[Request], Response], timeout: int) -> None:
        self.app = app
        self.wait = timeout
        self._open: set[Any] = set()
        self._lock = threading.Lock()
        super().__init__((_HOST, port), _Handler)

    def server_bind(self) -> None:
        """Bind without the name look-up that the parent makes."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = _HOST, self.server_address[1]

    def process_request(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 - as in the parent
        with self._lock:
            self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:  # noqa: ANN401 - as in the parent
        with self._lock:
            self._open.discard(request)
        super().shutdown_request(request)

    def server_close(self) -> None:
        """Stop listening and reading, let answers go out, join every thread."""
        with self._lock:
            for connection in self._open:
                try:
                    connection.shutdown(socket.SHUT_RD)
                except OSError:
                    _log.debug("a connection was gone before it was closed")
        super().server_close()

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ANN401, ARG002 - as in the parent
        """Log instead of printing; a peer that hangs up is no error."""
        _log.debug("a connection ended early", exc_info=True)


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    server_version = "sandbox"
    sys_version = ""

    def setup(self) -> None:
        """Bound each wait for the peer."""
        super().setup()
        self.connection.settimeout(self.server.wait)

    def answer(self) -> None:
        """Read the request, ask the function, write the response."""
        try:
            request = self._read()
        except _Refused as refused:
            self.send_error(refused.status)
            return
        try:
            response = self.server.app(request)
        except Exception:  # noqa: BLE001 - a server answers 500 and goes on; the log has the cause
            _log.exception("%s %s failed", request.method, request.path)
            self.send_error(HTTPStatus.INTERNAL_SERVER_ERROR)
            return
        self._write(response)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = answer  # noqa: N815 - looked up by these names

    def _read(self) -> Request:
        path, _, query = self.path.partition("?")
        headers = {name.lower(): ", ".join(self.headers.get_all(name, ())) for name in self.headers}
        if "transfer-encoding" in headers:
            raise _Refused(HTTPStatus.NOT_IMPLEMENTED)
        body = self._body(headers.get("content-length"))
        return Request(method=self.command, path=path, query=query, headers=headers, body=body)

    def _body(self, length_text: str | None) -> bytes:
        if length_text is None:
            if self.command in {"POST", "PUT", "PATCH"}:
                raise _Refused(HTTPStatus.LENGTH_REQUIRED)
            return b""
        if not (length_text.isascii() and length_text.isdigit() and len(length_text) <= 20):  # noqa: PLR2004 - far beyond any body
            raise _Refused(HTTPStatus.BAD_REQUEST)
        length = int(length_text)
        if length > LONGEST_BODY:
            # What was sent is read, so that the peer sees the answer and not a reset.
            self._drain(min(length, _DRAINED))
            raise _Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        try:
            body = self.rfile.read(length)
        except TimeoutError as late:
            raise _Refused(HTTPStatus.REQUEST_TIMEOUT) from late
        if len(body) != length:
            raise _Refused(HTTPStatus.BAD_REQUEST)
        return body

    def _drain(self, length: int) -> None:
        self.connection.settimeout(0.2)
        try:
            while length > 0 and (chunk := self.rfile.read1(min(length, LONGEST_BODY))):
                length -= len(chunk)
        except TimeoutError:
            _log.debug("an oversized body stopped coming")
        self.connection.settimeout(self.server.wait)

    def _write(self, response: Response) -> None:
        body = response.body.encode()
        if response.cut is not None and response.cut < 0:
            self.close_connection = True
            return
        self.send_response(response.status)
        for name, value in (*_COMMON_HEADERS, *response.headers):
            self.send_header(name, value)
        self.send_header("Content-Type", response.content_type)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body if response.cut is None else body[: response.cut])

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Answer an error in plain text, with the headers of every other answer."""
        del message, explain
        if code == HTTPStatus.NOT_IMPLEMENTED and "transfer-encoding" not in getattr(
            self, "headers", ()
        ):
            code = HTTPStatus.METHOD_NOT_ALLOWED
        self.close_connection = True
        self._write(Response(status=code, body=f"{HTTPStatus(code).phrase}\n"))

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002, ANN401 - as in the parent
        """Log the method and the path, never the query: it holds names and signatures."""
        del format, args
        path = getattr(self, "path", "").partition("?")[0]
        _log.debug("%s %s", self.command or "-", path)


class LoopbackServer:
    """Serve ``app`` on 127.0.0.1 while the ``with`` block runs.

    ``app`` is called in a thread per connection. ``port`` 0 takes a free one; ``timeout`` is in
    seconds and bounds each wait for a peer. Leaving the block stops listening, lets running answers
    finish and joins every thread. It can be entered again.

    Raises:
        InvalidInput: the port or the time-out cannot be right.
        GatewayError: on entering, when the port is taken.

    >>> with LoopbackServer(lambda request: Response(body=request.path)) as server:
    ...     server.url.startswith("http://127.0.0.1:")
    True
    """

    def __init__(
        self, app: Callable[[Request], Response], *, port: int = 0, timeout: int = 10
    ) -> None:
        if not 0 <= port <= _LAST_PORT:
            raise InvalidInput("port", port, "is no port", "pass 0 for a free one")
        if timeout <= 0:
            raise InvalidInput("timeout", timeout, "is not above zero", "pass seconds, such as 10")
        self._app = app
        self._port = port
        self._timeout = timeout
        self._running: tuple[_Server, threading.Thread] | None = None

    @property
    def url(self) -> str:
        """Give scheme, host and port, without a slash at the end.

        Raises:
            InvalidInput: the server is not running.
        """
        if self._running is None:
            raise InvalidInput("url", None, "is not known", "use it inside the with block")
        return f"http://{_HOST}:{self._running[0].server_port}"

    def __enter__(self) -> Self:
        if self._running is not None:
            raise InvalidInput("server", self.url, "is running", "enter it once at a time")
        try:
            server = _Server(self._port, self._app, self._timeout)
        except OSError as taken:
            raise GatewayError("sandbox", f"listen on port {self._port}", str(taken)) from taken
        thread = threading.Thread(
            target=server.serve_forever, args=(_POLL_SECONDS,), name="loopback-server"
        )
        self._running = server, thread
        thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._running is not None:
            server, thread = self._running
            self._running = None
            server.shutdown()
            thread.join()
            server.server_close()
