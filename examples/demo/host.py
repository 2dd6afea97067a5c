"""What a host adds around the library: a place for callbacks, and, in this demo, a buyer.

Owns the two HTTP routes of the demo's host and the buyer's walk through the payment page.
Does not own any rule: a callback is handed over as it came, and the library judges it.
"""

import http.client
from collections.abc import Callable, Mapping
from html import escape
from html.parser import HTMLParser
from types import TracebackType
from typing import Final, Self, final
from urllib.parse import parse_qs, urlencode, urljoin, urlsplit

import attrs

from monochat_billing.adapters.sandbox import LoopbackServer, Request, Response
from monochat_billing.errors import (
    BillingError,
    ForgedCallback,
    GatewayError,
    InfrastructureError,
    InvalidInput,
)
from monochat_billing.payments import CallbackAnswer

__all__ = ["CALLBACK_PATH", "RETURN_PATH", "CallbackServer", "pay"]

CALLBACK_PATH: Final = "/callbacks/sandbox"
"""Where the payment page reports what became of a payment."""

RETURN_PATH: Final = "/return"
"""Where a buyer comes back to."""

_STYLE: Final = """
:root { color-scheme: light dark; }
body { max-width: 30rem; margin: 10vh auto; padding: 0 1rem; font: 1rem/1.5 system-ui, sans-serif;
  overflow-wrap: anywhere; }
h1 { font-size: 1.4rem; }
"""
_TIMEOUT_SECONDS: Final = 30
_LONGEST_PAGE: Final = 1024 * 1024


class CallbackServer:
    """Hand payment callbacks to ``receive`` while the ``with`` block runs.

    ``receive`` gets the headers and the raw body, and returns what to answer. A refusal is answered
    so that the gateway knows whether to try again: 403 and 400 say that repeating is no use, 503
    that it is.
    """

    def __init__(
        self,
        receive: Callable[[Mapping[str, str], bytes], CallbackAnswer],
        *,
        port: int = 0,
        timeout: int = 10,
    ) -> None:
        self._receive = receive
        self._server = LoopbackServer(self._answer, port=port, timeout=timeout)

    @property
    def url(self) -> str:
        """Give the server's scheme, host and port."""
        return self._server.url

    @property
    def callback_url(self) -> str:
        """Give the address that the payment page calls."""
        return self.url + CALLBACK_PATH

    @property
    def return_url(self) -> str:
        """Give the address that buyers come back to."""
        return self.url + RETURN_PATH

    def __enter__(self) -> Self:
        self._server.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.__exit__(kind, error, trace)

    def _answer(self, request: Request) -> Response:
        if request.path == CALLBACK_PATH:
            if request.method != "POST":
                return _refusal(405, "Method Not Allowed", ("Allow", "POST"))
            return self._hand_over(request)
        if request.path == RETURN_PATH:
            if request.method not in {"GET", "HEAD"}:
                return _refusal(405, "Method Not Allowed", ("Allow", "GET, HEAD"))
            return _welcome_back(request.query)
        return _refusal(404, "Not Found")

    def _hand_over(self, request: Request) -> Response:
        try:
            answer = self._receive(request.headers, request.body)
        except ForgedCallback as error:
            return _refusal(403, str(error))
        except InvalidInput as error:
            return _refusal(400, str(error))
        except InfrastructureError as error:
            return _refusal(503, str(error), ("Retry-After", "1"))
        except BillingError as error:
            return _refusal(409, str(error))
        return Response(status=answer.status, body=answer.body, content_type=answer.content_type)


def _refusal(status: int, text: str, *headers: tuple[str, str]) -> Response:
    return Response(status=status, body=f"{text}\n", headers=headers)


def _welcome_back(query: str) -> Response:
    """Thank the buyer. What the address says proves nothing, so it is shown and not acted on."""
    said = parse_qs(query)
    status = said.get("status", [""])[0]
    top_up = said.get("top_up", [""])[0]
    title = "Thank you" if status == "paid" else "Nothing was paid"
    return Response(
        content_type="text/html; charset=utf-8",
        headers=(("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'"),),
        body=f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>{_STYLE}</style>
</head>
<body>
<h1>{title}</h1>
<p>Top-up {escape(top_up)}: your balance shows what was credited.</p>
</body>
</html>
""",
    )


# ---------------------------------------------------------------------------------- the buyer


def pay(
    redirect_url: str, page_url: str, *, action: str = "pay", site_url: str | None = None
) -> str:
    """Do what a buyer does: open the page, press a button, come back; return the outcome.

    The answer is ``"paid"`` or ``"declined"``. The link may have been made when the page listened
    elsewhere: its path and query are opened at ``page_url``. Likewise ``site_url``, when given,
    is where the host listens now.

    Raises:
        GatewayError: the page, or the host behind it, did not answer as agreed. Pay again: it is
            the same payment.
    """
    opened = _visit("GET", _moved(redirect_url, page_url))
    if opened.status != http.client.OK:
        raise _stuck("open the page", opened)
    form = _Form()
    form.feed(opened.text)
    form.close()
    fields = [*form.hidden, ("action", action)]
    if form.action is None or ("action", action) not in form.buttons:
        raise _stuck(f"find the button {action!r}", opened)
    target = _moved(urljoin(opened.url, form.action), page_url)
    sent = _visit("POST", target, urlencode(fields))
    if sent.status != http.client.SEE_OTHER or sent.location is None:
        raise _stuck(f"press {action!r}", sent)
    back = urljoin(target, sent.location)
    landed = _visit("GET", _moved(back, site_url) if site_url else back)
    if landed.status != http.client.OK:
        raise _stuck("come back to the site", landed)
    return parse_qs(urlsplit(back).query).get("status", [""])[-1]


@final
@attrs.frozen(kw_only=True)
class _Visited:
    url: str
    status: int
    location: str | None
    text: str


def _visit(method: str, url: str, form: str | None = None) -> _Visited:
    """Make one request; http.client asks no proxy and follows no redirect."""
    parts = urlsplit(url)
    if parts.scheme != "http":
        raise InvalidInput("url", url, "is not http", "the demo's pages are on loopback")
    connection = http.client.HTTPConnection(
        parts.hostname or "", parts.port, timeout=_TIMEOUT_SECONDS
    )
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    headers = {"Accept-Language": "en"}
    if form is not None:
        headers["Content-Type"] = "application/x-www-form-urlencoded"
    try:
        connection.request(method, path, form, headers)
        response = connection.getresponse()
        text = response.read(_LONGEST_PAGE).decode("utf-8", "replace")
        return _Visited(
            url=url, status=response.status, location=response.getheader("Location"), text=text
        )
    except (OSError, http.client.HTTPException) as error:
        raise GatewayError("sandbox", f"{method} {parts.path}", repr(error)) from error
    finally:
        connection.close()


def _moved(url: str, base: str) -> str:
    """Put ``url`` where ``base`` listens: same path and query, other scheme, host and port."""
    now = urlsplit(base)
    return urlsplit(url)._replace(scheme=now.scheme, netloc=now.netloc).geturl()


def _stuck(step: str, page: _Visited) -> GatewayError:
    title = _Form()
    title.feed(page.text)
    title.close()
    return GatewayError("sandbox", step, f"answered {page.status}, {title.title.strip()!r}")


class _Form(HTMLParser):
    """Read a page's title and the first form on it."""

    def __init__(self) -> None:
        super().__init__()
        self.action: str | None = None
        self.hidden: list[tuple[str, str]] = []
        self.buttons: list[tuple[str, str]] = []
        self.title = ""
        self._in_title = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note the form's address, its hidden fields and its buttons."""
        given = {name: value or "" for name, value in attrs}
        self._in_title = tag == "title"
        if tag == "form" and self.action is None:
            self.action = given.get("action", "")
        elif tag == "input" and given.get("type") == "hidden":
            self.hidden.append((given.get("name", ""), given.get("value", "")))
        elif tag == "button":
            self.buttons.append((given.get("name", ""), given.get("value", "")))

    def handle_endtag(self, tag: str) -> None:
        """Note the title's end."""
        if tag == "title":
            self._in_title = False

    def handle_data(self, data: str) -> None:
        """Keep the title's text."""
        if self._in_title:
            self.title += data
