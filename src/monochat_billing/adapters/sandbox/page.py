"""The hosted payment page: what a buyer sees in a browser, on loopback.

Owns the routes, the call to the host and the way back to it.
Does not own any payment: all that the page knows stands in the signed link, so it can be stopped
and started at any moment, on another port too, and an edited link is refused.

========  ========  =====================================================================
``GET``   ``/pay``  show amount and business; 403 for a link that was not signed here
``POST``  ``/pay``  call the host, then send the buyer back with 303; 502 when the host did
                    not take the callback, on a page that lets the buyer try again
========  ========  =====================================================================

The host is called before the buyer is sent back, and on loopback only: a signed link cannot make
the page call anything else.
"""

import http.client
import logging
from collections.abc import Callable
from datetime import UTC, datetime
from types import TracebackType
from typing import Final, Self
from urllib.parse import parse_qsl, urlencode

from monochat_billing.adapters.sandbox.loopback import LoopbackServer, Request, Response
from monochat_billing.adapters.sandbox.markup import Language, pay_page, problem_page
from monochat_billing.adapters.sandbox.signing import (
    LONGEST_LINK,
    PaymentLink,
    Secret,
    check_loopback_url,
    check_secret,
    check_url,
    payment_id,
    read_link,
    sign_callback,
    sign_link,
)
from monochat_billing.errors import InvalidInput
from monochat_billing.payments import Payment, PaymentStatus

__all__ = ["SandboxPage"]

_HTML: Final = "text/html; charset=utf-8"
_ALLOWED: Final = ("GET", "HEAD", "POST")
_OUTCOMES: Final = {"pay": PaymentStatus.PAID, "decline": PaymentStatus.FAILED}
_STATUS_WORDS: Final = {PaymentStatus.PAID: "paid", PaymentStatus.FAILED: "declined"}

_log = logging.getLogger(__name__)
_log.addHandler(logging.NullHandler())


def _utc_now() -> datetime:
    return datetime.now(UTC)


class SandboxPage:
    """Serve the payment page on 127.0.0.1 while the ``with`` block runs.

    ``secret`` is the gateway's. ``callback_url``, on loopback, is called for links that name none.
    ``port`` 0 takes a free one; ``timeout`` is in seconds and bounds each wait, for the buyer's
    browser and for the host. ``clock`` stamps callbacks, for people to read.

    Raises:
        InvalidInput: a blank secret, a callback URL that is not on loopback, an impossible port
            or time-out.
        GatewayError: on entering, when the port is taken.

    >>> with SandboxPage("secret") as page:
    ...     page.url.startswith("http://127.0.0.1:")
    True
    """

    def __init__(
        self,
        secret: Secret,
        *,
        callback_url: str | None = None,
        port: int = 0,
        timeout: int = 10,
        clock: Callable[[], datetime] = _utc_now,
    ) -> None:
        if callback_url is not None:
            check_loopback_url("callback_url", callback_url)
        self._secret = check_secret(secret)
        self._callback_url = callback_url
        self._timeout = timeout
        self._clock = clock
        self._server = LoopbackServer(self._answer, port=port, timeout=timeout)

    def __repr__(self) -> str:
        return f"SandboxPage(callback_url={self._callback_url!r})"

    @property
    def url(self) -> str:
        """Give the page's scheme, host and port: what a gateway takes as ``page_url``.

        Raises:
            InvalidInput: the page is not being served.
        """
        return self._server.url

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
        if request.path != "/pay":
            return Response(status=404, body="Not Found\n")
        if request.method not in _ALLOWED:
            return Response(
                status=405, body="Method Not Allowed\n", headers=(("Allow", ", ".join(_ALLOWED)),)
            )
        if request.method == "POST":
            return self._take(request)
        language = _language(dict(parse_qsl(request.query)).get("lang"), request)
        try:
            link = read_link(self._secret, request.query)
        except InvalidInput:
            return _html(403, problem_page("invalid", language))
        return self._show(200, link, language)

    def _show(
        self, status: int, link: PaymentLink, language: Language, *, untold: bool = False
    ) -> Response:
        # Signed anew, so the form outlives a rotation of the secret.
        fields = sign_link(self._secret, link)
        page = pay_page(link, fields, language, untold=untold)
        return _html(status, page, link.return_url)

    def _take(self, request: Request) -> Response:
        """Act on the form: call the host, then send the buyer back."""
        form = _form(request)
        language = _language(form.get("lang"), request)
        outcome = _OUTCOMES.get(form.get("action", ""))
        try:
            link = read_link(self._secret, form.get("link", ""))
        except InvalidInput:
            return _html(403, problem_page("invalid", language))
        if outcome is None:
            return self._show(400, link, language)
        callback_url = link.callback_url or self._callback_url
        if callback_url is None:
            return _html(500, problem_page("unset", language))
        if not self._call(callback_url, _payment(link, outcome)):
            return self._show(502, link, language, untold=True)
        location = _way_back(link, outcome)
        return Response(status=303, headers=(("Location", location),))

    def _call(self, url: str, payment: Payment) -> bool:
        """Post the signed callback; tell whether the host took it, which only a 2xx says."""
        parts = check_loopback_url("callback_url", url)
        headers, body = sign_callback(self._secret, payment, seconds=int(self._clock().timestamp()))
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        # No proxy is asked and no redirect is followed: http.client does neither.
        connection = http.client.HTTPConnection(
            parts.hostname or "", parts.port or 80, timeout=self._timeout
        )
        try:
            connection.request("POST", path, body, headers)
            status = connection.getresponse().status
        except (OSError, http.client.HTTPException) as error:
            _log.warning("callback for %s not delivered: %r", payment.top_up, error)
            return False
        finally:
            connection.close()
        _log.debug("callback for %s answered with %d", payment.top_up, status)
        return 200 <= status < 300  # noqa: PLR2004 - what 2xx means


def _payment(link: PaymentLink, outcome: PaymentStatus) -> Payment:
    return Payment(
        gateway=link.gateway,
        top_up=link.top_up,
        payment=payment_id(link.top_up),
        status=outcome,
        amount=link.amount if outcome is PaymentStatus.PAID else None,
    )


def _way_back(link: PaymentLink, outcome: PaymentStatus) -> str:
    parts = check_url("return_url", link.return_url)
    said = urlencode({"top_up": link.top_up, "status": _STATUS_WORDS[outcome]})
    return parts._replace(query=f"{parts.query}&{said}" if parts.query else said).geturl()


def _form(request: Request) -> dict[str, str]:
    """Read a form strictly; anything else reads as an empty one, which carries no signed link."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/x-www-form-urlencoded" or len(request.body) > 4 * LONGEST_LINK:
        return {}
    try:
        pairs = parse_qsl(
            request.body.decode("ascii"),
            keep_blank_values=True,
            strict_parsing=True,
            errors="strict",
            max_num_fields=12,
        )
    except ValueError:
        return {}
    form = dict(pairs)
    return form if len(form) == len(pairs) else {}


def _language(asked: str | None, request: Request) -> Language:
    """Choose by ``lang``, else by Accept-Language; Turkish when the buyer says nothing."""
    if asked in set(Language):
        return Language(asked)
    accepted = request.headers.get("accept-language", "")
    ranked: list[tuple[int, str]] = []
    for item in accepted.split(",")[:20]:
        tag, _, weight = item.strip().lower().partition(";")
        thousandths = _thousandths(weight)
        if tag and thousandths:
            ranked.append((thousandths, tag))
    ranked.sort(key=lambda pair: -pair[0])
    for _, tag in ranked:
        if tag == "*" or tag.partition("-")[0] == Language.TR:
            return Language.TR
        if tag.partition("-")[0] == Language.EN:
            return Language.EN
    return Language.EN if ranked else Language.TR


def _thousandths(weight: str) -> int:
    """Read ``q=0.8`` as 800; RFC 9110 allows three decimals, and none means 1."""
    name, _, number = weight.replace(" ", "").partition("=")
    if name != "q":
        return 1000
    whole, _, decimals = number.partition(".")
    digits = f"{whole}{decimals[:3]:0<3}"
    return int(digits) if digits.isascii() and digits.isdigit() else 0


def _html(status: int, page: str, return_url: str | None = None) -> Response:
    policy = (
        "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'; "
        f"form-action 'self'{_origin(return_url)}"
    )
    return Response(
        status=status,
        body=page,
        content_type=_HTML,
        headers=(("Content-Security-Policy", policy), ("Vary", "Accept-Language")),
    )


def _origin(url: str | None) -> str:
    """Give the place that a browser may be sent to after the form: browsers hold redirects to it.

    A policy cannot name an IPv6 address, so such a host is allowed by its scheme.
    """
    if url is None:
        return ""
    parts = check_url("return_url", url)
    if ":" in (parts.hostname or ""):
        return f" {parts.scheme}:"
    port = f":{parts.port}" if parts.port is not None else ""
    return f" {parts.scheme}://{parts.hostname}{port}"
