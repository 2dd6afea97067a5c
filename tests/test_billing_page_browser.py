"""The Billing page of ``examples`` in a real Chromium, as its visitors use it.

Without Chromium these tests are skipped, loudly; in CI they fail instead. With
MONOCHAT_BILLING_SHOOT=1 they make the pictures of the docs anew.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest

from monochat_billing import money
from tests.billing_page_site import PROFILE, Running, serving
from tests.test_browser import chromium

IMAGES = Path(__file__).parent.parent / "docs" / "images"
PICTURES = (
    "page-overview",
    "page-plans",
    "page-change",
    "page-top-up",
    "page-packs",
    "page-subscription",
    "page-phone",
)
DESKTOP = {"width": 1000, "height": 800}
PHONE = {"width": 390, "height": 844}

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")


@attrs.frozen
class Window:
    """Hold one browser window on the page."""

    running: Running
    page: Any

    def go(self, path: str) -> None:
        """Open a page; that of a subscription is the plan's."""
        if path == "/subscription":
            path += f"?of={self.running.billing.subscriptions.list('acme')[0].id}"
        self.page.goto(self.running.url + path)

    @property
    def text(self) -> str:
        return str(self.page.inner_text("body"))

    def top_up(self, amount: str) -> None:
        """Fill in the form, pay at the provider's, come back."""
        self.go("/top-up")
        self.page.fill("#amount", amount)
        for name, value in PROFILE.items():
            field = self.page.locator(f'[name="{name}"]')
            if name == "tax_id.kind":
                field.select_option(value)
            else:
                field.fill(value)
        self.page.click("form.card button")
        self.page.wait_for_url("**/pay?**")
        self.page.click("button.pay")
        self.page.wait_for_url("**/top-up/back?**")

    def shoot(self, name: str, height: int) -> None:
        """Make a picture for the docs, when asked to, of the page's upper part."""
        if os.environ.get("MONOCHAT_BILLING_SHOOT"):
            area = {"x": 0, "y": 0, "width": self.page.viewport_size["width"], "height": height}
            self.page.screenshot(path=IMAGES / f"{name}.png", full_page=True, clip=area)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    driver = pytest.importorskip("playwright.sync_api")
    executable = chromium()
    with driver.sync_playwright() as play:
        opened = play.chromium.launch(
            executable_path=executable, args=["--no-sandbox", "--disable-gpu"], timeout=60_000
        )
        yield opened
        opened.close()


@pytest.fixture
def window(browser: Any) -> Iterator[Window]:  # noqa: ANN401 - playwright may not be there
    with serving() as running:
        context = browser.new_context(locale="tr-TR", viewport=DESKTOP, accept_downloads=True)
        yield Window(running, context.new_page())
        context.close()


def lived_in(window: Window, days: int = 20) -> None:
    """Let some days pass on a paid plan, with some use each day."""
    billing, clock = window.running.billing, window.running.clock
    window.top_up("10.000")
    window.go("/change?to=growth&interval=MONTH")
    window.page.click("button:text-is('Planı Değiştir')")
    window.page.wait_for_url(window.running.url + "/")
    for day in range(days):
        clock.advance(days=1)
        billing.balances.debit(
            "acme", money(f"{270 + 17 * day % 90}.40", "TRY"), reason="kampanya", key=f"use-{day}"
        )
    clock.advance(hours=3)


class TestTheWay:
    """Each thing that a business comes for, from the first click to the books."""

    def test_from_the_form_to_the_credited_balance(self, window: Window) -> None:
        """Declined once, then paid, then the pay button again by going back: one credit."""
        page = window.page
        window.go("/")
        page.click("main .balances .button >> nth=0")
        page.fill("#amount", "25.000,50")
        for name, value in PROFILE.items():
            if name != "tax_id.kind":
                page.locator(f'[name="{name}"]').fill(value)
        window.shoot("page-top-up", 1100)
        page.click("text=Kaydet ve öde")
        page.wait_for_url("**/pay?**")
        assert "25.000,50" in page.inner_text("main")
        page.click("button.decline")
        page.wait_for_url("**/top-up/back?**")
        assert "Ödeme reddedildi" in window.text
        page.go_back()
        page.click("button.pay")
        page.wait_for_url("**/top-up/back?**")
        assert "₺25.000,50 eklendi" in window.text
        page.go_back()
        page.click("button.pay")
        page.wait_for_url("**/top-up/back?**")
        page.click("text=Genel bakışa dön")
        assert "25.000,50 TRY" in page.inner_text(".balances")
        assert window.running.billing.verify("acme").entries == 2  # with the plan's messages

    def test_a_plan_is_changed_when_the_money_is_there(self, window: Window) -> None:
        """Refused for lack of money; the missing amount is topped up by its own link; then paid."""
        page = window.page
        window.go("/plans")
        page.click("text=Yıllık")
        page.click('[aria-label="Growth seç"]')
        assert "14.990,00 TRY" in page.inner_text("main")
        page.click("button:text-is('Planı Değiştir')")
        page.wait_for_selector('[role="alert"]')
        assert "14.990,00 TRY eksik" in page.inner_text('[role="alert"]')
        page.click("text=14.990,00 TRY yükle")
        assert page.input_value("#amount") == "14.990,00"
        window.top_up(page.input_value("#amount"))
        window.go("/change?to=growth&interval=YEAR")
        page.click("button:text-is('Planı Değiştir')")
        page.wait_for_selector('[role="status"]')
        assert "Aboneliğiniz değiştirildi" in window.text
        assert "0,00 TRY" in page.inner_text(".balances")
        held = window.running.billing.subscriptions.list("acme")
        assert ("growth", "YEAR") in {(one.product, str(one.price.interval)) for one in held}

    def test_a_change_is_planned_and_taken_back(self, window: Window) -> None:
        page = window.page
        window.go("/change?to=growth&interval=MONTH")
        page.click("button:text-is('Planla')")
        page.wait_for_selector("text=Değişiklik planlandı")
        assert "Growth" in page.inner_text("section[aria-labelledby=scheduled]")
        page.click("section[aria-labelledby=scheduled] button")
        page.wait_for_selector("text=geri alındı")
        assert "Planlanmış bir değişiklik yok" in window.text
        assert window.running.billing.schedule.list("acme") == ()

    def test_packages_are_bought_and_a_subscription_ends(self, window: Window) -> None:
        """Two packages at the price that was shown; then pause, go on, and withdraw to the card."""
        page = window.page
        lived_in(window, days=3)
        window.go("/")
        page.click(".balances >> text=Ekstra paketler")
        page.fill("#quantity-1", "2")
        page.press("#quantity-1", "Enter")
        page.wait_for_selector("text=1.200,00 TRY")
        page.dblclick("button:text-is('Satın al')")
        page.wait_for_selector("text=Paket satın alındı")
        assert page.locator("main tbody tr").count() == 1
        window.shoot("page-packs", 640)
        window.go("/")
        page.click('[aria-label="Growth: yönet"]')
        window.shoot("page-subscription", 700)
        page.click("button:text-is('Duraklat')")
        page.wait_for_selector("text=Abonelik duraklatıldı")
        page.click('[aria-label="Growth: yönet"]')
        page.click("button:text-is('Devam ettir')")
        page.wait_for_selector("text=Abonelik devam ediyor")
        page.click('[aria-label="Growth: yönet"]')
        page.click("text=Cayma hakkı")
        page.click("button:text-is('Sonlandır')")
        page.wait_for_selector("text=1.499,00 TRY geri geldi")
        page.go_back()
        assert "Böyle bir sayfa yok" in window.text, "what has ended is not there any more"
        billing = window.running.billing
        assert [one.product for one in billing.subscriptions.list("acme")] == ["community"]
        last = billing.balances.statement("acme", "TRY").lines[-1].entry
        assert (last.kind.value, last.money) == ("REFUND", money("-1499", "TRY"))

    def test_the_statement_as_a_file_and_the_invoice(self, window: Window) -> None:
        window.top_up("1.000")
        page = window.page
        window.go("/statement")
        with page.expect_download() as waiting:
            page.click("text=CSV indir")
        text = Path(waiting.value.path()).read_text(encoding="utf-8-sig")
        assert text.splitlines()[0].startswith("No,Tarih,Hareket")
        assert ",1000,1000,TRY" in text
        window.go("/invoices")
        page.click("main table a")
        assert "Acme Çiçekçilik" in window.text
        assert "KDV" in window.text

    def test_english_after_one_click(self, window: Window) -> None:
        window.go("/plans?interval=YEAR")
        assert "Destek paketi" in window.text
        window.page.click("text=English")
        window.page.wait_for_selector("text=Support package")
        assert window.page.get_attribute("html", "lang") == "en"
        window.go("/")
        assert "How long the balance lasts" in window.text


class TestMishaps:
    """What browsers and people do besides."""

    def test_sent_twice(self, window: Window) -> None:
        """Two clicks of an impatient hand: one plan, charged once."""
        window.top_up("5.000")
        window.go("/change?to=growth&interval=MONTH")
        window.page.dblclick("button:text-is('Planı Değiştir')")
        window.page.wait_for_url(window.running.url + "/")
        window.go("/")
        assert "3.501,00 TRY" in window.page.inner_text(".balances")

    def test_going_back_repeats_nothing(self, window: Window) -> None:
        """Back to the price, press again: the price of before no longer holds, and is said so."""
        window.top_up("20.000")
        page = window.page
        window.go("/change?to=growth&interval=MONTH")
        page.click("button:text-is('Planı Değiştir')")
        page.wait_for_url(window.running.url + "/")
        page.reload()
        page.go_back()
        assert "Bu zaten sizde" in window.text, "the page is not taken from the browser's memory"
        assert "18.501,00" in str(window.running.billing.overview("acme").explain("tr"))

    def test_a_price_that_ran_out(self, window: Window) -> None:
        window.top_up("20.000")
        window.go("/change?to=growth&interval=MONTH")
        window.running.clock.advance(hours=2)
        window.page.click("button:text-is('Planı Değiştir')")
        window.page.wait_for_selector('[role="alert"]')
        assert "artık geçerli değil" in window.page.inner_text('[role="alert"]')
        window.page.click("button:text-is('Planı Değiştir')")
        window.page.wait_for_selector("text=Aboneliğiniz değiştirildi")

    def test_a_form_of_another_site_is_refused(self, window: Window) -> None:
        """A page elsewhere that sends the form has the cookie, at most, and not the token."""
        window.go("/")
        page = window.page
        page.route(
            "http://evil.example/",
            lambda route: route.fulfill(
                content_type="text/html",
                body=f"""<form method="post" action="{window.running.url}/schedule">
                <input name="to" value="growth"><input name="interval" value="MONTH">
                <input name="key" value="{"k" * 32}"><input name="token" value="{"0" * 64}">
                <button>win</button></form>""",
            ),
        )
        page.goto("http://evil.example/")
        with page.expect_response("**/schedule") as answer:
            page.click("button")
        assert answer.value.status == 403
        assert window.running.billing.schedule.list("acme") == ()

    def test_wrong_fields_have_the_focus_and_their_message(self, window: Window) -> None:
        page = window.page
        window.go("/top-up")
        page.fill("#amount", "on bin")
        page.click("text=Kaydet ve öde")
        page.wait_for_selector('[role="alert"]')
        assert page.evaluate("document.activeElement.getAttribute('role')") == "alert"
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        assert page.evaluate("document.activeElement.id") == "amount"
        described = page.get_attribute("#amount", "aria-describedby") or ""
        assert "wrong-amount" in described.split()


class TestForEverybody:
    """By keyboard, by ear, and on a phone."""

    PATHS = (
        "/",
        "/plans",
        "/change?to=enterprise&interval=YEAR",
        "/packs",
        "/packs/buy?pack=messages-5k&quantity=2",
        "/subscription",
        "/top-up",
        "/statement",
        "/invoices",
    )

    def test_by_keyboard_alone(self, window: Window) -> None:
        """The first stop skips the menu; everything that acts is reached and shows its focus."""
        page = window.page
        window.go("/change?to=growth&interval=MONTH")
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.textContent") == "İçeriğe geç"
        page.keyboard.press("Enter")
        reached = set()
        for _ in range(14):
            page.keyboard.press("Tab")
            reached.add(page.evaluate("document.activeElement.textContent").strip())
            width = page.evaluate("getComputedStyle(document.activeElement).outlineWidth")
            assert width != "0px"
        assert {"Planı Değiştir", "Planla"} <= reached
        window.go("/subscription")
        page.focus("input[value=end]")
        page.keyboard.press("ArrowDown")
        assert page.evaluate("document.activeElement.value") == "now"
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        page.wait_for_selector("[role=status] >> text=Abonelik sonlandırıldı")
        assert page.evaluate("document.activeElement.getAttribute('role')") == "status"

    def test_every_control_has_a_name_and_every_page_its_landmarks(self, window: Window) -> None:
        page = window.page
        for path in self.PATHS:
            window.go(path)
            for landmark in ("header", "nav", "main"):
                assert page.locator(landmark).count() >= 1, path
            assert page.locator("h1").count() == 1, path
            unnamed = page.evaluate(
                """() => [...document.querySelectorAll(
                    'a, button, input:not([type=hidden]), select, svg[role=img]')]
                  .filter(one => !(one.ariaLabel || one.textContent.trim()
                    || (one.labels && one.labels.length)))
                  .map(one => one.outerHTML)"""
            )
            assert unnamed == [], path
            ids = page.evaluate("[...document.querySelectorAll('[id]')].map(one => one.id)")
            assert len(ids) == len(set(ids)), path
            told = page.evaluate(
                """() => [...document.querySelectorAll('[aria-labelledby]')]
                  .filter(one => !document.getElementById(one.getAttribute('aria-labelledby')))
                  .length"""
            )
            assert told == 0, path


class TestThePictures:
    """What the docs show is what a visitor sees."""

    def test_an_account_that_is_lived_in(self, window: Window) -> None:
        """A warning and the line to the end of the money; on a phone nothing scrolls sideways."""
        lived_in(window)
        page = window.page
        window.go("/change?to=basic&interval=MONTH")
        page.click("button:text-is('Planla')")
        page.wait_for_selector("text=Değişiklik planlandı")
        window.go("/")
        assert "TRY: 1 Kasım 2026" in page.inner_text(".warnings")
        assert page.locator("svg .line").count() == 1
        window.shoot("page-overview", 1220)
        window.go("/plans")
        window.shoot("page-plans", 1180)
        window.go("/change?to=enterprise&interval=YEAR")
        assert "KDV" in window.text
        window.shoot("page-change", 980)
        page.set_viewport_size(PHONE)
        for language in ("en", "tr"):
            window.go(f"/language/{language}")
            for path in TestForEverybody.PATHS:
                window.go(path)
                width = page.evaluate("document.documentElement.scrollWidth")
                assert width <= PHONE["width"], f"{path} is {width} wide"
        window.go("/")
        window.shoot("page-phone", 1560)

    @pytest.mark.parametrize("name", PICTURES)
    def test_the_docs_have_them(self, name: str) -> None:
        picture = (IMAGES / f"{name}.png").read_bytes()
        assert picture.startswith(b"\x89PNG")
        assert len(picture) < 150_000
