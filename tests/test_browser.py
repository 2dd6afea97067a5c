"""A person at a browser: from the form to the credited balance, in a real Chromium.

Without Chromium the test is skipped, loudly; in CI it fails instead.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from html import escape
from pathlib import Path
from urllib.parse import parse_qs, urlencode

import pytest

from monochat_billing import Billing, InvalidInput, money, sample_catalog
from monochat_billing.adapters.memory import MemoryStorage
from monochat_billing.adapters.sandbox import (
    LoopbackServer,
    Request,
    Response,
    SandboxGateway,
    SandboxPage,
)
from monochat_billing.errors import ForgedCallback
from monochat_billing.money_text import format_money
from monochat_billing.payments import TopUpState
from tests.desk import PROFILE, SECRET, Clock

IMAGE = Path(__file__).parent.parent / "docs" / "images" / "top-up.png"


def chromium() -> str:
    """Find a Chromium; without one skip, or fail where nothing may be skipped."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        found = shutil.which(name)
        if found:
            return found
    missing = "there is no Chromium: apt-get install chromium"
    if os.environ.get("CI"):
        pytest.fail(missing)
    pytest.skip(missing)


class Host:
    """A host's Billing page, as small as it can be: a form, a balance, and a callback."""

    def __init__(self) -> None:
        self.billing: Billing
        self.url = ""
        self.callbacks = 0

    def answer(self, request: Request) -> Response:
        """Serve one request."""
        if request.path == "/callbacks/sandbox":
            return self.callback(request)
        if request.method == "POST":
            return self.top_up(request)
        return Response(
            body=self.page(parse_qs(request.query)), content_type="text/html; charset=utf-8"
        )

    def callback(self, request: Request) -> Response:
        try:
            receipt = self.billing.top_ups.receive("sandbox", request.headers, request.body)
        except ForgedCallback as error:
            return Response(status=403, body=str(error))
        self.callbacks += 1
        return Response(body=receipt.answer.body)

    def top_up(self, request: Request) -> Response:
        form = parse_qs(request.body.decode())
        try:
            checkout = self.billing.top_ups.start(
                "acme",
                money(form["amount"][0], "TRY"),
                gateway="sandbox",
                return_url=f"{self.url}/billing",
                key=form["key"][0],
            )
        except InvalidInput as error:
            query = urlencode({"problem": f"{error.problem}; {error.remedy}"})
            return Response(status=303, headers=(("Location", f"/billing?{query}"),))
        return Response(status=303, headers=(("Location", checkout.redirect_url),))

    def page(self, query: dict[str, list[str]]) -> str:
        balance = self.billing._context.view("acme").state.books.balance("TRY")
        shown = format_money(balance.money(balance.posted))
        said = "".join(f"<p id=said>{escape(one)}</p>" for one in query.get("problem", []))
        return (
            "<!doctype html><html lang=tr><title>Ücretlendirme</title><h1>Bakiye</h1>"
            f"<p id=balance>{escape(shown)}</p>{said}"
            "<form method=post action=/top-up><label>Tutar <input name=amount></label>"
            '<input type=hidden name=key value="form-1"><button>Bakiye Yükle</button></form></html>'
        )


@contextmanager
def running() -> Iterator[Host]:
    """Run a host, its books and the sandbox's page."""
    host = Host()
    with (
        LoopbackServer(host.answer) as server,
        SandboxPage(SECRET, callback_url=f"{server.url}/callbacks/sandbox") as page,
    ):
        host.url = server.url
        host.billing = Billing(
            catalog=sample_catalog(),
            storage=MemoryStorage(),
            gateways=[SandboxGateway(SECRET, page_url=page.url)],
            clock=Clock(),
        )
        host.billing.accounts.open(
            "acme", zone="Europe/Istanbul", currencies=["TRY"], profile=PROFILE
        )
        yield host


@pytest.mark.filterwarnings("ignore::ResourceWarning")
class TestInABrowser:
    """What a person sees, and what the books say afterwards."""

    def test_from_the_form_to_the_credited_balance(self, tmp_path: Path) -> None:
        """Declined once, then paid, then the button pressed again: one credit."""
        driver = pytest.importorskip("playwright.sync_api")
        executable = chromium()
        with running() as host, driver.sync_playwright() as play:
            browser = play.chromium.launch(
                executable_path=executable, args=["--no-sandbox", "--disable-gpu"], timeout=60_000
            )
            context = browser.new_context(
                locale="tr-TR", viewport={"width": 900, "height": 760}, device_scale_factor=1
            )
            visit = context.new_page()
            visit.goto(f"{host.url}/billing")
            before = visit.inner_text("#balance")
            visit.fill("input[name=amount]", "25000")
            visit.click("button")
            visit.wait_for_url("**/pay?**")
            assert "25.000" in visit.inner_text("main")
            assert "Acme Ltd." in visit.inner_text("main")
            shot = tmp_path / "top-up.png"
            visit.screenshot(path=shot)
            visit.click("button.decline")
            visit.wait_for_url("**/billing**")
            assert visit.inner_text("#balance") == before
            visit.go_back()
            visit.click("button.pay")
            visit.wait_for_url("**status=paid**")
            assert "25.000" in visit.inner_text("#balance")
            visit.go_back()
            visit.click("button.pay")
            visit.wait_for_url("**status=paid**")
            assert "25.000" in visit.inner_text("#balance")
            visit.fill("input[name=amount]", "0")
            visit.click("button")
            browser.close()
            assert host.callbacks >= 2
            (top_up,) = host.billing._context.storage.read(lambda reader: reader.top_ups("sandbox"))
            assert top_up.state is TopUpState.CREDITED
            assert host.billing.verify().entries == 1
            if os.environ.get("MONOCHAT_BILLING_SHOOT"):
                IMAGE.parent.mkdir(exist_ok=True)
                shutil.copy(shot, IMAGE)
        assert shot.read_bytes().startswith(b"\x89PNG")

    def test_the_page_of_the_docs_is_there(self) -> None:
        """The picture that the docs show; made anew with MONOCHAT_BILLING_SHOOT=1."""
        assert IMAGE.read_bytes().startswith(b"\x89PNG")
