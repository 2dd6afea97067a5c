"""The payment page over real HTTP on loopback, with the demo's host and buyer around it."""

import contextlib
import http.client
import importlib.util
import logging
import socket
import struct
import sys
import threading
from collections.abc import Iterator, Mapping
from html import unescape
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

import attrs
import pytest

from monochat_billing.adapters.sandbox import (
    LoopbackServer,
    Request,
    Response,
    SandboxGateway,
    SandboxPage,
    sign_callback,
)
from monochat_billing.adapters.sandbox.loopback import LONGEST_BODY
from monochat_billing.adapters.sandbox.signing import (
    SIGNATURE_HEADER,
    PaymentLink,
    payment_id,
    sign_link,
)
from monochat_billing.errors import (
    BillingError,
    ForgedCallback,
    GatewayError,
    IllegalTransition,
    InvalidInput,
    StoreBusy,
)
from monochat_billing.money import money
from monochat_billing.payments import CallbackAnswer, Payment, PaymentStatus

SECRET: Final = "a secret of the tests"  # noqa: S105 - it guards nothing
AMOUNT: Final = money("25000", "TRY")
LONG_WAIT: Final = 600


def _demo_host() -> Any:  # noqa: ANN401 - a module
    path = Path(__file__).parents[1] / "examples" / "demo" / "host.py"
    spec = importlib.util.spec_from_file_location("demo_host", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["demo_host"] = module
    spec.loader.exec_module(module)
    return module


host_module = _demo_host()
pay = host_module.pay


@attrs.frozen
class Visited:
    status: int
    headers: Mapping[str, str]
    text: str


def visit(
    method: str, url: str, body: str | None = None, headers: Mapping[str, str] | None = None
) -> Visited:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=30)
    path = parts.path + (f"?{parts.query}" if parts.query else "")
    form = {"Content-Type": "application/x-www-form-urlencoded"} if body is not None else {}
    with contextlib.closing(connection):
        connection.request(method, path, body, {**form, **(headers or {})})
        response = connection.getresponse()
        return Visited(response.status, dict(response.getheaders()), response.read().decode())


class Host:
    """The business's side: it verifies callbacks and remembers what each payment said."""

    def __init__(self) -> None:
        self.gateway: SandboxGateway | None = None
        self.heard: list[Payment] = []
        self.paid: set[str] = set()
        self.trouble: list[BillingError] = []

    def receive(self, headers: Mapping[str, str], body: bytes) -> CallbackAnswer:
        assert self.gateway is not None
        if self.trouble:
            raise self.trouble.pop(0)
        payment = self.gateway.parse_callback(headers, body)
        self.heard.append(payment)
        if payment.status is PaymentStatus.PAID:
            self.paid.add(payment.payment)
        return self.gateway.answer(payment)


@attrs.frozen
class Place:
    host: Host
    site: Any
    page: SandboxPage

    def link(self, **changes: Any) -> str:  # noqa: ANN401 - fields of a link
        """Give the address that a gateway makes for a top-up."""
        return f"{self.page.url}/pay?{self.query(**changes)}"

    def query(self, **changes: Any) -> str:  # noqa: ANN401 - fields of a link
        fields: dict[str, Any] = {
            "gateway": "sandbox",
            "top_up": "top-1",
            "amount": AMOUNT,
            "business_name": "Örnek İletişim A.Ş.",
            "return_url": self.site.return_url,
        }
        return sign_link(SECRET, PaymentLink(**(fields | changes)))

    def press(self, action: str, **changes: Any) -> Visited:  # noqa: ANN401 - fields of a link
        form = {"link": self.query(**changes), "action": action, "lang": "en"}
        return visit("POST", f"{self.page.url}/pay", urlencode(form))


@pytest.fixture
def place() -> Iterator[Place]:
    host = Host()
    with (
        host_module.CallbackServer(host.receive) as site,
        SandboxPage(SECRET, callback_url=site.callback_url) as page,
    ):
        host.gateway = SandboxGateway(SECRET, page_url=page.url)
        yield Place(host, site, page)


@contextlib.contextmanager
def answering(*answers: bytes | None) -> Iterator[str]:
    """Listen like a host that sends these bytes, one per connection; None never answers."""
    listener = socket.create_server(("127.0.0.1", 0))
    done = threading.Event()

    def serve() -> None:
        for answer in answers:
            connection, _ = listener.accept()
            with connection:
                connection.recv(65536)
                if answer is None:
                    done.wait(30)
                else:
                    connection.sendall(answer)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/callback"
    finally:
        done.set()
        thread.join()
        listener.close()


class TestTheWholeLoop:
    """Checkout, page, button, signed callback, and back to the site."""

    def test_paying(self, place: Place) -> None:
        assert pay(place.link(), place.page.url) == "paid"
        assert place.host.heard == [
            Payment(
                gateway="sandbox",
                top_up="top-1",
                payment="pay_top-1",
                status=PaymentStatus.PAID,
                amount=AMOUNT,
            )
        ]

    def test_paying_again_on_a_reloaded_page_is_the_same_payment(self, place: Place) -> None:
        for _ in range(3):
            assert pay(place.link(), place.page.url) == "paid"
        assert len(place.host.heard) == 3
        assert place.host.paid == {"pay_top-1"}

    def test_declining_and_then_paying(self, place: Place) -> None:
        assert pay(place.link(), place.page.url, action="decline") == "declined"
        assert place.host.paid == set()
        assert pay(place.link(), place.page.url) == "paid"
        assert [said.status for said in place.host.heard] == ["FAILED", "PAID"]
        assert place.host.heard[0].amount is None

    def test_the_buyer_returns_with_what_happened(self, place: Place) -> None:
        answer = place.press("pay", return_url="https://shop.example/billing?tab=2&status=x#top")
        assert answer.status == 303
        assert answer.headers["Location"] == (
            "https://shop.example/billing?tab=2&status=x&top_up=top-1&status=paid#top"
        )

    def test_a_link_outlives_the_page_that_made_it(self, place: Place) -> None:
        """Nothing is remembered: another page with the same secret serves the old link."""
        old = place.link()
        with SandboxPage(SECRET, callback_url=place.site.callback_url) as another:
            assert another.url != place.page.url
            assert pay(old, another.url) == "paid"

    def test_a_site_that_moved_is_found(self, place: Place) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            gone = f"http://127.0.0.1:{listener.getsockname()[1]}/return"
        link = place.link(return_url=gone)
        assert pay(link, place.page.url, site_url=place.site.url) == "paid"
        with pytest.raises(GatewayError):
            pay(link, place.page.url)

    def test_the_callback_named_by_the_link_goes_first(self, place: Place) -> None:
        with SandboxPage(SECRET, callback_url="http://127.0.0.1:1/nobody") as page:
            link = place.link(callback_url=place.site.callback_url)
            assert pay(link, page.url) == "paid"

    def test_a_page_that_knows_no_callback_takes_no_payment(self, place: Place) -> None:
        with SandboxPage(SECRET) as page, pytest.raises(GatewayError, match="cannot take payments"):
            pay(place.link(), page.url)

    def test_every_digit_is_shown_and_paid(self, place: Place) -> None:
        amount = money("1234567.654321", "USD")
        page = visit("GET", place.link(amount=amount) + "&lang=en").text
        assert "Pay $1,234,567.654321<" in page
        assert pay(place.link(amount=amount), place.page.url) == "paid"
        assert place.host.heard[-1].amount == amount

    def test_a_rotated_secret_serves_old_links(self, place: Place) -> None:
        place.host.gateway = SandboxGateway(("new", SECRET), page_url=place.page.url)
        with SandboxPage(("new", SECRET), callback_url=place.site.callback_url) as page:
            assert pay(place.link(), page.url) == "paid"


class TestUndeliveredCallbacks:
    """The buyer is told the truth, and trying again is safe."""

    def assert_untold_then_retried(self, place: Place, callback_url: str) -> None:
        told = place.press("pay", callback_url=callback_url)
        assert told.status == 502
        assert 'role="alert"' in told.text
        assert "cannot say that it reached your balance" in told.text
        assert place.press("pay", callback_url=callback_url).status == 303

    def test_a_host_that_answers_with_an_error(self, place: Place) -> None:
        place.host.trouble = [StoreBusy("receive", "locked")]
        self.assert_untold_then_retried(place, place.site.callback_url)
        assert place.host.paid == {"pay_top-1"}

    def test_a_host_that_sends_elsewhere(self, place: Place) -> None:
        """A redirect is no acceptance, and it is not followed: it could leave this machine."""
        moved = b"HTTP/1.1 307 T\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n"
        with answering(moved, b"HTTP/1.1 204 No Content\r\n\r\n") as url:
            self.assert_untold_then_retried(place, url)

    def test_a_host_that_speaks_no_http(self, place: Place) -> None:
        with answering(b"220 mail ready\r\n", b"HTTP/1.1 200 OK\r\n\r\n") as url:
            self.assert_untold_then_retried(place, url)

    def test_a_host_that_hangs_up(self, place: Place) -> None:
        with answering(b"", b"HTTP/1.1 200 OK\r\n\r\n") as url:
            self.assert_untold_then_retried(place, url)

    def test_a_host_that_is_not_there(self, place: Place) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            url = f"http://127.0.0.1:{listener.getsockname()[1]}/callback"
        assert place.press("pay", callback_url=url).status == 502

    def test_a_host_that_never_answers(self, place: Place) -> None:
        with (
            answering(None) as url,
            SandboxPage(SECRET, timeout=1) as page,
        ):
            form = {"link": place.query(callback_url=url), "action": "pay"}
            told = visit("POST", f"{page.url}/pay", urlencode(form))
        assert told.status == 502

    def test_the_buyer_of_the_demo_is_told(self, place: Place) -> None:
        place.host.trouble = [StoreBusy("receive", "locked")]
        with pytest.raises(GatewayError, match="answered 502"):
            pay(place.link(), place.page.url)
        assert pay(place.link(), place.page.url) == "paid"


class TestRefusedLinks:
    """A link that was not signed here shows nothing and pays nothing."""

    def test_an_edited_link_is_refused_on_both_ways(self, place: Place) -> None:
        edited = place.query().replace("amount=25000", "amount=1")
        assert visit("GET", f"{place.page.url}/pay?{edited}").status == 403
        form = urlencode({"link": edited, "action": "pay"})
        assert visit("POST", f"{place.page.url}/pay", form).status == 403
        assert place.host.heard == []

    def test_a_link_of_another_secret_is_refused(self, place: Place) -> None:
        with SandboxPage("another") as page:
            assert visit("GET", f"{page.url}/pay?{place.query()}").status == 403

    def test_a_genuine_signature_does_not_open_the_network(
        self, place: Place, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Even whoever has the secret cannot make the page call another machine."""
        monkeypatch.setattr(
            "monochat_billing.adapters.sandbox.signing.check_loopback_url", lambda *_: None
        )
        query = place.query(callback_url="http://192.0.2.1/callback")
        monkeypatch.undo()
        assert visit("GET", f"{place.page.url}/pay?{query}").status == 403
        form = urlencode({"link": query, "action": "pay"})
        assert visit("POST", f"{place.page.url}/pay", form).status == 403

    def test_a_page_takes_only_a_callback_on_loopback(self) -> None:
        with pytest.raises(InvalidInput, match="callback_url"):
            SandboxPage(SECRET, callback_url="http://192.0.2.1/callback")

    @pytest.mark.parametrize(
        "body",
        ["", "action=pay", "link=&action=pay", "link", "%ff=%ff", "link=a&link=b&action=pay"],
    )
    def test_a_form_without_a_signed_link_is_refused(self, place: Place, body: str) -> None:
        assert visit("POST", f"{place.page.url}/pay", body).status == 403

    def test_a_form_of_another_type_is_refused(self, place: Place) -> None:
        form = urlencode({"link": place.query(), "action": "pay"})
        headers = {"Content-Type": "text/plain"}
        assert visit("POST", f"{place.page.url}/pay", form, headers).status == 403
        assert place.host.heard == []

    def test_an_unknown_button_does_nothing(self, place: Place) -> None:
        assert place.press("refund").status == 400
        assert place.host.heard == []
        with pytest.raises(GatewayError, match="find the button 'refund'"):
            pay(place.link(), place.page.url, action="refund")


class TestMarkup:
    """What a buyer sees, and what a browser is allowed to do with it."""

    def test_everything_is_escaped(self, place: Place) -> None:
        wild = "\"><script>alert(1)</script>'&amp;"
        page = visit("GET", place.link(business_name=wild, top_up=wild)).text
        assert "<script" not in page
        assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
        assert wild in unescape(page)
        assert pay(place.link(business_name=wild, top_up=wild), place.page.url) == "paid"
        assert place.host.heard[-1].top_up == wild

    def test_the_page_says_that_it_is_a_sandbox(self, place: Place) -> None:
        assert "no real money" in visit("GET", place.link() + "&lang=en").text
        assert "gerçek para çekilmez" in visit("GET", place.link() + "&lang=tr").text

    @pytest.mark.parametrize(
        ("query", "accept", "language"),
        [
            ("", None, "tr"),
            ("", "", "tr"),
            ("", "tr-TR,tr;q=0.9,en;q=0.8", "tr"),
            ("", "en-US,en;q=0.9,tr;q=0.8", "en"),
            ("", "en;q=0.2, tr;q=0.75", "tr"),
            ("", "tr;q=0, en;q=0.1", "en"),
            ("", "de, fr;q=0.5", "en"),
            ("", "*", "tr"),
            ("", "tr;q=x,;;,en;q=0.001", "en"),
            ("&lang=tr", "en", "tr"),
            ("&lang=en", "tr", "en"),
            ("&lang=de", "tr", "tr"),
        ],
    )
    def test_the_language_is_the_buyers(
        self, place: Place, query: str, accept: str | None, language: str
    ) -> None:
        headers = {} if accept is None else {"Accept-Language": accept}
        page = visit("GET", place.link() + query, headers=headers).text
        assert f'<html lang="{language}">' in page
        assert ("Pay TRY\u00a025,000.00" in page) == (language == "en")

    def test_amounts_are_written_as_the_language_does(self, place: Place) -> None:
        assert "₺25.000,00 öde" in visit("GET", place.link() + "&lang=tr").text

    def test_the_language_stays_through_the_form(self, place: Place) -> None:
        place.host.trouble = [StoreBusy("receive", "locked")]
        form = {"link": place.query(), "action": "pay", "lang": "tr"}
        told = visit("POST", f"{place.page.url}/pay", urlencode(form), {"Accept-Language": "en"})
        assert "İşletmeden onay alınamadı" in told.text

    @pytest.mark.parametrize(
        ("return_url", "allowed"),
        [
            ("https://shop.example/billing", "'self' https://shop.example"),
            ("http://127.0.0.1:8000/return", "'self' http://127.0.0.1:8000"),
            ("http://[::1]:8000/return", "'self' http:"),
        ],
    )
    def test_the_browser_may_do_nothing_else(
        self, place: Place, return_url: str, allowed: str
    ) -> None:
        headers = visit("GET", place.link(return_url=return_url)).headers
        assert headers["Content-Security-Policy"] == (
            "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; "
            f"frame-ancestors 'none'; form-action {allowed}"
        )
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "no-referrer"
        assert headers["Cache-Control"] == "no-store"


class TestLimits:
    """The server answers what it knows and refuses the rest."""

    @pytest.mark.parametrize("path", ["/", "/pay/", "/pay/..", "/etc/passwd", "/%2e%2e"])
    def test_other_paths_are_not_found(self, place: Place, path: str) -> None:
        assert visit("GET", f"{place.page.url}{path}").status == 404

    @pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "OPTIONS", "BREW"])
    def test_other_methods_are_not_allowed(self, place: Place, method: str) -> None:
        assert visit(method, f"{place.page.url}/pay", "").status == 405

    def test_head_has_no_body(self, place: Place) -> None:
        answer = visit("HEAD", place.link())
        assert (answer.status, answer.text) == (200, "")

    def test_an_oversized_form_is_refused(self, place: Place) -> None:
        body = "a" * (LONGEST_BODY + 1)
        assert visit("POST", f"{place.page.url}/pay", body).status == 413

    def test_a_form_that_only_claims_to_be_oversized_is_refused(self, place: Place) -> None:
        assert self.raw(place, b"Content-Length: 99999999\r\n\r\n").startswith(b"HTTP/1.0 413")

    @pytest.mark.parametrize(
        ("rest", "status"),
        [
            (b"\r\n", b"411"),
            (b"Content-Length: -1\r\n\r\n", b"400"),
            (b"Content-Length: 1e3\r\n\r\n", b"400"),
            (b"Content-Length: 2\r\nContent-Length: 3\r\n\r\nabc", b"400"),
            (b"Content-Length: " + b"9" * 30 + b"\r\n\r\n", b"400"),
            (b"Content-Length: 5\r\n\r\nab", b"400"),
            (b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", b"501"),
            (b"X: " + b"a" * 70_000 + b"\r\n\r\n", b"431"),
        ],
    )
    def test_a_malformed_request_is_refused(self, place: Place, rest: bytes, status: bytes) -> None:
        assert self.raw(place, rest)[9:12] == status

    def raw(self, place: Place, rest: bytes) -> bytes:
        address = urlsplit(place.page.url)
        with socket.create_connection((address.hostname, address.port), timeout=30) as connection:
            connection.sendall(b"POST /pay HTTP/1.1\r\nHost: x\r\n" + rest)
            connection.shutdown(socket.SHUT_WR)
            return b"".join(iter(lambda: connection.recv(65536), b""))

    def test_an_overlong_link_is_refused(self, place: Place) -> None:
        assert visit("GET", f"{place.link()}&x={'a' * 20_000}").status == 403
        assert visit("GET", f"{place.link()}&x={'a' * 70_000}").status == 414

    def test_no_log_holds_a_name_or_a_signature(
        self, place: Place, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.DEBUG, "monochat_billing")
        place.host.trouble = [StoreBusy("receive", "locked")]
        assert place.press("pay", business_name="Gizli Ltd.").status == 502
        visit("GET", place.link(business_name="Gizli Ltd."))
        assert "GET /pay" in caplog.text
        for private in (SECRET, "Gizli", "signature", "v1="):
            assert private not in caplog.text
            assert private not in repr(place.page)

    def test_nothing_is_printed(self, place: Place, capfd: pytest.CaptureFixture[str]) -> None:
        pay(place.link(), place.page.url)
        visit("GET", f"{place.page.url}/nowhere")
        visit("BREW", f"{place.page.url}/pay")
        assert capfd.readouterr() == ("", "")


class TestLoopbackServer:
    """It starts, stops, and leaves nothing behind."""

    def test_a_function_that_fails_is_a_500(self) -> None:
        def fail(request: Request) -> Response:
            raise ZeroDivisionError(request.path)

        with LoopbackServer(fail) as server:
            answer = visit("GET", f"{server.url}/secret")
            assert (answer.status, answer.text) == (500, "Internal Server Error\n")
            assert visit("GET", f"{server.url}/").status == 500

    def test_repeated_headers_are_joined(self) -> None:
        def echo(request: Request) -> Response:
            return Response(body=request.headers["x-a"])

        with LoopbackServer(echo) as server:
            address = urlsplit(server.url)
            with contextlib.closing(
                http.client.HTTPConnection(address.hostname or "", address.port, timeout=30)
            ) as connection:
                connection.putrequest("GET", "/")
                connection.putheader("X-A", "1")
                connection.putheader("x-a", "2")
                connection.endheaders()
                assert connection.getresponse().read() == b"1, 2"

    def test_leaving_does_not_wait_for_an_idle_browser(self) -> None:
        """Browsers open connections ahead; closing must not sit out the time-out of each."""
        with LoopbackServer(lambda _: Response(), timeout=LONG_WAIT) as server:
            address = urlsplit(server.url)
            idle = socket.create_connection((address.hostname, address.port), timeout=30)
            assert visit("GET", server.url + "/").status == 200
        with idle:
            assert idle.recv(1) == b""

    @pytest.mark.parametrize(("length", "status"), [(5, b"408"), (LONGEST_BODY + 1, b"413")])
    def test_a_peer_that_stops_in_the_middle_is_answered(self, length: int, status: bytes) -> None:
        with LoopbackServer(lambda _: Response(), timeout=1) as server:
            address = urlsplit(server.url)
            with socket.create_connection((address.hostname, address.port), timeout=30) as peer:
                peer.sendall(b"POST / HTTP/1.1\r\nContent-Length: %d\r\n\r\nab" % length)
                assert peer.recv(65536)[9:12] == status

    def test_a_peer_that_resets_is_no_error(
        self, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.DEBUG, "monochat_billing")
        with LoopbackServer(lambda _: Response()) as server:
            address = urlsplit(server.url)
            peer = socket.create_connection((address.hostname, address.port), timeout=30)
            peer.sendall(b"POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\nab")
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            peer.close()
            assert visit("GET", server.url + "/").status == 200
        assert capfd.readouterr() == ("", "")
        assert {record.levelname for record in caplog.records} == {"DEBUG"}

    def test_leaving_lets_an_answer_go_out(self) -> None:
        asked, leave = threading.Event(), threading.Event()

        def slow(request: Request) -> Response:
            asked.set()
            leave.wait(30)
            return Response(body=request.path)

        answers: list[Visited] = []
        with LoopbackServer(slow) as server:
            url = f"{server.url}/late"
            buyer = threading.Thread(target=lambda: answers.append(visit("GET", url)))
            buyer.start()
            assert asked.wait(30)
            threading.Timer(0.05, leave.set).start()
        buyer.join()
        assert [(one.status, one.text) for one in answers] == [(200, "/late")]

    def test_leaving_joins_every_thread_and_can_be_entered_again(self) -> None:
        before = set(threading.enumerate())
        server = LoopbackServer(lambda _: Response(body="here"))
        for _ in range(2):
            with server:
                assert visit("GET", server.url + "/").text == "here"
            assert set(threading.enumerate()) <= before
        with pytest.raises(InvalidInput, match="with block"):
            server.url  # noqa: B018 - the reading is the test

    def test_it_listens_on_loopback_only(self) -> None:
        with LoopbackServer(lambda _: Response()) as server:
            assert urlsplit(server.url).hostname == "127.0.0.1"

    def test_a_taken_port_is_a_typed_error(self) -> None:
        with LoopbackServer(lambda _: Response()) as server:
            port = urlsplit(server.url).port
            assert port is not None
            second = LoopbackServer(lambda _: Response(), port=port)
            with pytest.raises(GatewayError, match="listen on port"):
                second.__enter__()
            with pytest.raises(InvalidInput, match="is running"):
                server.__enter__()

    @pytest.mark.parametrize(("field", "value"), [("port", -1), ("port", 65536), ("timeout", 0)])
    def test_impossible_settings_are_refused(self, field: str, value: int) -> None:
        settings: dict[str, Any] = {field: value}
        with pytest.raises(InvalidInput, match=field):
            LoopbackServer(lambda _: Response(), **settings)


class TestTheDemosHost:
    """The demo's callback route answers so that a gateway knows whether to come again."""

    def call(self, error: BillingError) -> Visited:
        def refuse(_headers: Mapping[str, str], _body: bytes) -> CallbackAnswer:
            raise error

        with host_module.CallbackServer(refuse) as site:
            return visit("POST", site.callback_url, "{}")

    @pytest.mark.parametrize(
        ("error", "status"),
        [
            (ForgedCallback(SIGNATURE_HEADER, None, "is missing", "sign it"), 403),
            (InvalidInput("callback.amount", "x", "is no amount", "send one"), 400),
            (StoreBusy("receive", "locked"), 503),
            (IllegalTransition("top-up", "top-1", "CREDITED", "fail"), 409),
        ],
    )
    def test_each_refusal_has_its_status(self, error: BillingError, status: int) -> None:
        answer = self.call(error)
        assert (answer.status, answer.text) == (status, f"{error}\n")
        assert ("Retry-After" in answer.headers) == (status == 503)

    def test_the_answer_is_passed_on(self) -> None:
        received: list[tuple[str, bytes]] = []

        def receive(headers: Mapping[str, str], body: bytes) -> CallbackAnswer:
            received.append((headers[SIGNATURE_HEADER.lower()], body))
            return CallbackAnswer(status=202, body="<ok/>", content_type="text/xml")

        paid = Payment(
            gateway="sandbox",
            top_up="top-1",
            payment=payment_id("top-1"),
            status=PaymentStatus.PAID,
            amount=AMOUNT,
        )
        headers, body = sign_callback(SECRET, paid)
        with host_module.CallbackServer(receive) as site:
            answer = visit("POST", site.callback_url, body.decode(), headers)
        assert (answer.status, answer.text) == (202, "<ok/>")
        assert answer.headers["Content-Type"] == "text/xml"
        assert received == [(headers[SIGNATURE_HEADER], body)]

    def test_a_repeated_signature_header_is_refused(self, place: Place) -> None:
        headers, body = sign_callback(
            SECRET, Payment(gateway="sandbox", top_up="t", payment="p", status=PaymentStatus.FAILED)
        )
        address = urlsplit(place.site.callback_url)
        with contextlib.closing(
            http.client.HTTPConnection(address.hostname or "", address.port, timeout=30)
        ) as connection:
            connection.putrequest("POST", address.path)
            for _ in range(2):
                connection.putheader(SIGNATURE_HEADER, headers[SIGNATURE_HEADER])
            connection.putheader("Content-Length", str(len(body)))
            connection.endheaders(body)
            assert connection.getresponse().status == 403
        assert place.host.heard == []

    def test_the_return_page_shows_and_escapes(self, place: Place) -> None:
        said = urlencode({"top_up": "<b>1</b>", "status": "paid"})
        page = visit("GET", f"{place.site.return_url}?{said}")
        assert "Thank you" in page.text
        assert "&lt;b&gt;1&lt;/b&gt;" in page.text
        assert "Nothing was paid" in visit("GET", place.site.return_url).text

    @pytest.mark.parametrize(
        ("method", "path", "status"),
        [("GET", "/callbacks/sandbox", 405), ("POST", "/return", 405), ("GET", "/", 404)],
    )
    def test_the_rest_is_refused(self, place: Place, method: str, path: str, status: int) -> None:
        assert (
            visit(method, place.site.url + path, "" if method == "POST" else None).status == status
        )

    def test_the_buyer_notices_a_site_that_is_not_a_page(self, place: Place) -> None:
        with pytest.raises(GatewayError, match="open the page"):
            pay(place.site.url, place.site.url)
        with pytest.raises(InvalidInput, match="is not http"):
            pay("https://127.0.0.1/pay", "https://127.0.0.1")

    def test_a_buyer_comes_back_to_the_outcome_and_not_to_the_sites_own_words(
        self, place: Place
    ) -> None:
        link = place.link(return_url=f"{place.site.return_url}?status=welcome")
        assert pay(link, place.page.url, action="decline") == "declined"
