"""The Billing page of ``examples``, without a browser: what forms do and what answers say."""

import csv
import doctest
import io
import re
import signal
import socket
import string
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from html import unescape
from pathlib import Path
from typing import NoReturn

import httpx
import pytest

from examples.billing_page import shelf, texts
from examples.billing_page.__main__ import main
from examples.billing_page.forms import TopUpForm, day_of, profile_fields
from examples.billing_page.refunds import send_back
from monochat_billing import (
    Address,
    BillingProfile,
    CancelMode,
    InvalidInput,
    TaxId,
    TaxIdKind,
    Units,
    money,
)
from monochat_billing.adapters.memory import MemoryStorage
from monochat_billing.adapters.sandbox import SandboxGateway, payment_id, sign_callback
from monochat_billing.adapters.sql import SqlStorage
from monochat_billing.errors import GatewayError
from monochat_billing.payments import Payment, PaymentStatus
from tests.billing_page_site import PROFILE, Client, Forms, Running, build
from tests.desk import SECRET

ROOT = Path(__file__).parents[1]
URL = "http://billing.example"
PAYMENT_URL = "http://127.0.0.1:9"


class Visitor:
    """Visit the page as a browser does, within the process."""

    def __init__(self, running: Running, language: str = "en") -> None:
        self.running = running
        self.client = Client(running.app, URL, language)
        self.forms = Forms(lambda path: self.client.get(path).text)

    def see(self, path: str, status: int = 200) -> str:
        answer = self.client.get(path)
        assert answer.status_code == status, answer.text
        return answer.text

    def send(self, path: str, fields: dict[str, str], status: int = 303) -> str:
        """Send a form; give where it leads, or the page that it is answered with."""
        answer = self.client.post(path, data=fields)
        assert answer.status_code == status, answer.text
        return answer.headers["location"] if status == 303 else answer.text

    def top_up(self, amount: str, **more: str) -> str:
        """Ask for a top-up and pay it; give its id."""
        fields = self.forms.fields("/top-up", "/top-up")
        to = self.send("/top-up", {**fields, **PROFILE, "amount": amount, **more})
        name = to.partition("top_up=")[2].partition("&")[0]
        self.pay(name)
        return name

    def pay(self, name: str, status: PaymentStatus = PaymentStatus.PAID, code: int = 200) -> None:
        top_up = self.running.billing.top_ups.get("acme", name)
        said = Payment(
            gateway="sandbox",
            top_up=name,
            payment=payment_id(name),
            status=status,
            amount=top_up.amount if status is PaymentStatus.PAID else None,
        )
        headers, body = sign_callback(SECRET, said)
        answer = self.client.post("/callbacks/sandbox", content=body, headers=headers)
        assert answer.status_code == code, answer.text

    @property
    def balance(self) -> str:
        return str(self.running.billing.balances.list("acme")["TRY"].posted)


@pytest.fixture(params=["memory", pytest.param("sqlite", marks=pytest.mark.deep)])
def running(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Running]:
    if request.param == "memory":
        yield build(MemoryStorage(), URL, PAYMENT_URL)
        return
    with SqlStorage(f"sqlite:///{tmp_path / 'page.db'}") as storage:
        yield build(storage, URL, PAYMENT_URL)


@pytest.fixture
def visitor(running: Running) -> Visitor:
    return Visitor(running)


def held(visitor: Visitor) -> list[str]:
    """Name what the account holds."""
    found = visitor.running.billing.subscriptions.list("acme")
    return sorted(f"{one.product} {one.price.interval}" for one in found)


class TestTexts:
    """The page's own words are there in both languages."""

    def test_every_text_has_the_same_places_in_both(self) -> None:
        def places(text: str) -> set[str | None]:
            return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}

        assert {name for name, (en, tr) in texts.TEXTS.items() if places(en) != places(tr)} == set()

    def test_every_text_says_something(self) -> None:
        assert [name for name, both in texts.TEXTS.items() if not all(map(str.strip, both))] == []

    @pytest.mark.parametrize("module", [shelf, texts], ids=["shelf", "texts"])
    def test_the_examples_hold(self, module: object) -> None:
        result = doctest.testmod(module)  # type: ignore[arg-type]
        assert result.attempted > 0
        assert result.failed == 0

    @pytest.mark.parametrize(
        ("accepted", "language"),
        [
            ("tr-TR,tr;q=0.9,en-US;q=0.8", "tr"),
            ("en-US,en;q=0.9,tr;q=0.8", "en"),
            ("de", "en"),
            ("tr;q=0, de", "en"),
            ("*;q=x, tr;q=nonsense", "en"),
            ("en;q=0.5,tr;q=1", "tr"),
        ],
        ids=["turkish", "english", "german", "refused", "nonsense", "weighted"],
    )
    def test_the_browser_says_which(self, accepted: str, language: str) -> None:
        assert texts.best_language(accepted) == language


class TestForms:
    """A form becomes values, or names each field that is wrong."""

    def test_every_wrong_field_is_named_at_once(self) -> None:
        sent = {
            **PROFILE,
            "amount": "1.5",
            "business_name": " ",
            "address.post_code": "99999",
            "tax_id.number": "1",
        }
        form = TopUpForm.read(sent, "tr", "TRY", None)
        assert form.profile is None
        assert set(form.wrong) == {
            "amount",
            "business_name",
            "address.post_code",
            "tax_id.number",
        }

    @pytest.mark.parametrize("amount", ["", "0", "-5", "abc", "1e3", "٣", "1.5"])
    def test_what_is_no_amount(self, amount: str) -> None:
        form = TopUpForm.read({**PROFILE, "amount": amount}, "tr", "TRY", None)
        assert form.wrong == ("amount",)

    @pytest.mark.parametrize(
        ("amount", "language"), [("25.000,50", "tr"), ("25,000.50", "en"), ("25000,5", "tr")]
    )
    def test_amounts_are_read_as_they_are_written_here(self, amount: str, language: str) -> None:
        form = TopUpForm.read({**PROFILE, "amount": amount}, language, "TRY", None)
        assert form.amount == money("25000.50", "TRY")
        assert form.wrong == ()

    def test_a_masked_identity_number_stands_for_itself(self) -> None:
        known = BillingProfile(
            business_name="Ayşe Güneş",
            address=Address(line="Gül Sok. 5", post_code="06420", city="Ankara"),
            tax_id=TaxId(kind=TaxIdKind.TCKN, number="17291716060"),
        )
        shown = profile_fields(known)
        assert "17291716060" not in shown.values()
        assert TopUpForm.read({**shown, "amount": "5"}, "tr", "TRY", known).profile == known
        assert TopUpForm.read({**shown, "amount": "5"}, "tr", "TRY", None).profile is None

    @pytest.mark.parametrize("text", ["x", "2026-02-30", "0001-01-01", "9999-12-31", "20261"])
    def test_what_is_no_day(self, text: str) -> None:
        with pytest.raises(InvalidInput):
            day_of(text)
        assert day_of("") is None


class TestPages:
    """Every page answers, in both languages, with the headers that keep others out."""

    PATHS = (
        "/",
        "/plans",
        "/plans?interval=YEAR",
        "/change?to=growth&interval=MONTH",
        "/change?to=dedicated&interval=YEAR",
        "/change?to=basic&interval=MONTH",
        "/top-up",
        "/packs",
        "/packs/buy?pack=messages-25k&quantity=3",
        "/statement",
        "/invoices",
    )

    @pytest.mark.parametrize("path", PATHS)
    @pytest.mark.parametrize("language", ["en", "tr"])
    def test_each_page(self, running: Running, path: str, language: str) -> None:
        answer = Visitor(running, language).client.get(path)
        assert answer.status_code == 200
        assert f'<html lang="{language}">' in answer.text
        assert answer.headers["cache-control"] == "no-store"
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
        assert "<script" not in answer.text
        assert "http:" not in answer.text
        assert "https:" not in answer.text

    @pytest.mark.parametrize(
        ("path", "status"),
        [
            ("/nothing", 404),
            ("/change?to=gold&interval=MONTH", 404),
            ("/change?to=growth&interval=DAY", 404),
            ("/change", 404),
            ("/plans?interval=x", 404),
            ("/top-up/back?top_up=other", 404),
            ("/invoices/other", 404),
            ("/packs/buy?pack=other", 404),
            ("/subscription?of=other", 404),
            ("/statement?currency=EUR", 404),
            ("/statement?after=x", 400),
            ("/statement?since=x", 400),
            ("/statement?since=2026-10-05&until=2026-10-01", 400),
            ("/language/de", 404),
        ],
    )
    def test_what_is_not_there(self, visitor: Visitor, path: str, status: int) -> None:
        assert 'role="alert"' in visitor.see(path, status)

    def test_the_style_is_kept_for_ever_under_its_own_address(self, visitor: Visitor) -> None:
        path = visitor.see("/").partition('href="/style-')[2].partition('"')[0]
        answer = visitor.client.get(f"/style-{path}")
        assert "immutable" in answer.headers["cache-control"]
        assert "url(" not in answer.text
        other = visitor.client.get("/style-older.css")
        assert other.headers["cache-control"] == "no-store"

    def test_the_language_is_remembered(self, visitor: Visitor) -> None:
        answer = visitor.client.get("/language/tr?back=/plans%3Finterval%3DYEAR")
        assert answer.headers["location"] == "/plans?interval=YEAR"
        assert "Hesap hareketleri" in visitor.see("/")

    def test_it_is_changed_on_the_page_that_one_is_on(self, visitor: Visitor) -> None:
        page = visitor.see("/change?to=growth&interval=YEAR")
        link = page.partition('href="/language/tr')[2].partition('"')[0]
        to = visitor.client.get(f"/language/tr{unescape(link)}").headers["location"]
        assert to == "/change?to=growth&interval=YEAR"
        assert "Planı Değiştir" in visitor.see(to)

    @pytest.mark.parametrize("back", ["//evil.example", "https://evil.example", "/\\evil", "x\ny"])
    def test_it_leads_nowhere_else(self, visitor: Visitor, back: str) -> None:
        answer = visitor.client.get("/language/tr", params={"back": back})
        assert answer.headers["location"] == "/"

    def test_what_people_wrote_is_escaped(self, visitor: Visitor) -> None:
        visitor.running.billing.balances.credit(
            "acme", money("5", "TRY"), reason="<b>gift</b>", key="gift"
        )
        assert "&lt;b&gt;gift&lt;/b&gt;" in visitor.see("/statement")


class TestColors:
    """Text stands out from what it stands on, by light and by dark: 4.5 to 1 (WCAG 2.2, 1.4.3)."""

    PAIRS = (
        ("ink", "ground"),
        ("ink", "card"),
        ("soft", "ground"),
        ("soft", "card"),
        ("act-ink", "act"),
        ("mine", "card"),
        ("bad", "card"),
        ("warn-ink", "warn"),
    )

    @staticmethod
    def light(color: str) -> float:
        """Give the relative luminance of a color in hex digits."""
        digits = color if len(color) == 6 else "".join(one * 2 for one in color)
        parts = [int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4)]
        red, green, blue = (
            one / 12.92 if one <= 0.04045 else ((one + 0.055) / 1.055) ** 2.4 for one in parts
        )
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    @pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
    @pytest.mark.parametrize(("text", "ground"), PAIRS)
    def test_contrast(self, scheme: int, text: str, ground: str) -> None:
        style = (ROOT / "examples" / "billing_page" / "page.css").read_text()
        colors = dict(re.findall(r"--([a-z-]+): #([0-9a-f]+)", style.split(":root")[1 + scheme]))
        low, high = sorted((self.light(colors[text]), self.light(colors[ground])))
        assert (high + 0.05) / (low + 0.05) >= 4.5


class TestSafety:
    """A form counts only from a page of the same session."""

    ACTIONS = (
        "/change",
        "/start",
        "/schedule",
        "/revoke",
        "/top-up",
        "/packs/buy",
        "/subscription/pause",
        "/subscription/resume",
        "/subscription/cancel",
    )

    @pytest.mark.parametrize("path", ACTIONS)
    def test_without_a_token_nothing_is_done(self, visitor: Visitor, path: str) -> None:
        before = visitor.running.billing.events("acme", limit=1000)
        page = visitor.send(path, {**PROFILE, "amount": "100", "key": "k" * 32}, 403)
        assert "Nothing was done" in page
        assert visitor.running.billing.events("acme", limit=1000) == before

    def test_the_token_of_another_session_is_none(self, running: Running) -> None:
        stolen = Visitor(running).forms.fields("/top-up", "/top-up")
        victim = Visitor(running)
        victim.see("/")
        victim.send("/top-up", {**stolen, **PROFILE, "amount": "100"}, 403)

    def test_another_site_is_none_even_with_a_token(self, visitor: Visitor) -> None:
        fields = visitor.forms.fields("/top-up", "/top-up")
        answer = visitor.client.post(
            "/top-up",
            data={**fields, **PROFILE, "amount": "100"},
            headers={"Origin": "https://evil.example"},
        )
        assert answer.status_code == 403

    def test_a_form_that_is_too_long_is_not_read(self, visitor: Visitor) -> None:
        fields = visitor.forms.fields("/top-up", "/top-up")
        visitor.send("/top-up", {**fields, "amount": "9" * 70_000}, 403)

    def test_a_forged_callback_moves_nothing(self, visitor: Visitor) -> None:
        assert visitor.client.post("/callbacks/sandbox", content=b"{}").status_code == 403
        assert visitor.client.post("/callbacks/other", content=b"{}").status_code == 400
        assert visitor.balance == "0"

    def test_cookies_are_closed_to_scripts(self, visitor: Visitor) -> None:
        cookie = visitor.client.get("/").headers["set-cookie"].lower()
        assert "httponly" in cookie
        assert "samesite=lax" in cookie


class TestToppingUp:
    """From the form to a credited balance and its invoice."""

    def test_paid(self, visitor: Visitor) -> None:
        name = visitor.top_up("25,000")
        assert visitor.balance == str(25_000 * 10**6)
        page = visitor.see(f"/top-up/back?top_up={name}&status=declined")
        assert "Balance topped up" in page, "the books are right, not the address"
        assert "Acme Çiçekçilik" in visitor.see("/")
        number = visitor.see("/invoices").partition('href="/invoices/')[2].partition('"')[0]
        invoice = visitor.client.get(f"/invoices/{number}")
        assert "Kadıköy" in invoice.text
        assert "25,000.00" in invoice.text
        assert "form-action 'none'" in invoice.headers["content-security-policy"]

    def test_paid_in_dollars(self, visitor: Visitor) -> None:
        visitor.top_up("100", currency="USD")
        balances = visitor.running.billing.balances.list("acme")
        assert balances["USD"].posted == 100 * 10**6
        assert "100.00 USD" in visitor.see("/invoices")

    def test_the_callback_may_come_again(self, visitor: Visitor) -> None:
        name = visitor.top_up("100")
        visitor.pay(name)
        assert visitor.balance == str(100 * 10**6)
        assert visitor.see("/invoices").count('href="/invoices/') == 1

    def test_declined_then_paid(self, visitor: Visitor) -> None:
        fields = visitor.forms.fields("/top-up", "/top-up")
        to = visitor.send("/top-up", {**fields, **PROFILE, "amount": "100"})
        name = to.partition("top_up=")[2].partition("&")[0]
        assert "Waiting" in visitor.see(f"/top-up/back?top_up={name}")
        visitor.pay(name, PaymentStatus.FAILED)
        assert "Not paid" in visitor.see(f"/top-up/back?top_up={name}")
        visitor.pay(name)
        assert "Balance topped up" in visitor.see(f"/top-up/back?top_up={name}")

    def test_sent_twice_it_is_one_top_up(self, visitor: Visitor) -> None:
        fields = visitor.forms.fields("/top-up", "/top-up")
        sent = {**fields, **PROFILE, "amount": "100"}
        first, second = visitor.send("/top-up", sent), visitor.send("/top-up", sent)
        assert first == second
        assert first.startswith(f"{PAYMENT_URL}/pay?")
        assert first.endswith("&lang=en")
        other = visitor.send("/top-up", {**sent, "amount": "200"})
        assert other != first, "another amount is another top-up"

    def test_sent_again_after_it_was_paid(self, visitor: Visitor) -> None:
        fields = visitor.forms.fields("/top-up", "/top-up")
        sent = {**fields, **PROFILE, "amount": "100"}
        to = visitor.send("/top-up", sent)
        visitor.pay(to.partition("top_up=")[2].partition("&")[0])
        assert visitor.send("/top-up", sent) == "/top-up"
        assert "was paid already" in visitor.see("/top-up")

    def test_what_is_wrong_is_said_beside_its_field(self, visitor: Visitor) -> None:
        fields = visitor.forms.fields("/top-up", "/top-up")
        page = visitor.send(
            "/top-up", {**fields, **PROFILE, "amount": "nine", "email": "nobody"}, 422
        )
        assert 'aria-describedby="wrong-email"' in page
        assert 'value="nine"' in page
        assert 'role="alert"' in page
        assert visitor.running.billing.accounts.get("acme").profile is None

    def test_an_amount_that_nobody_can_pay_is_refused(self, visitor: Visitor) -> None:
        fields = visitor.forms.fields("/top-up", "/top-up")
        page = visitor.send("/top-up", {**fields, **PROFILE, "amount": "0.001"}, 422)
        assert 'id="wrong-amount"' in page


class TestChanging:
    """Planı Değiştir: exactly what was shown, or a sentence that says why not."""

    PATH = "/change?to=growth&interval=MONTH"

    def test_without_money_it_is_refused_and_said_how_much_is_short(self, visitor: Visitor) -> None:
        assert "Top up 1,499.00 TRY" in visitor.see(self.PATH)
        to = visitor.send("/change", visitor.forms.fields(self.PATH, "/change"))
        assert to == self.PATH
        page = visitor.see(to)
        assert "1,499.00 TRY short" in page
        assert held(visitor) == ["basic MONTH", "community MONTH"]

    def test_with_money_it_is_done_once(self, visitor: Visitor) -> None:
        visitor.top_up("2,000")
        fields = visitor.forms.fields(self.PATH, "/change")
        assert visitor.send("/change", fields) == "/"
        assert visitor.send("/change", fields) == "/"
        assert "was changed" in visitor.see("/")
        assert "was changed" not in visitor.see("/"), "it is said once"
        assert held(visitor) == ["community MONTH", "growth MONTH"]
        assert visitor.balance == str(501 * 10**6)

    def test_each_line_is_explained(self, visitor: Visitor) -> None:
        visitor.top_up("20,000")
        visitor.send("/change", visitor.forms.fields(self.PATH, "/change"))
        visitor.running.clock.advance(days=10)
        page = visitor.see("/change?to=enterprise&interval=MONTH")
        assert "Credit for 21 of 31 days" in page
        assert "TRY 1,499.00 x 21/31" in page
        assert "of it KDV 20%" in page

    def test_a_stale_price_is_shown_anew(self, visitor: Visitor) -> None:
        visitor.top_up("20,000")
        fields = visitor.forms.fields(self.PATH, "/change")
        visitor.running.clock.advance(hours=1)
        assert visitor.send("/change", fields) == self.PATH
        assert "no longer holds" in visitor.see(self.PATH)
        assert held(visitor) == ["basic MONTH", "community MONTH"]

    def test_a_price_that_was_never_shown_is_none(self, visitor: Visitor) -> None:
        fields = visitor.forms.fields(self.PATH, "/change")
        assert visitor.send("/change", {**fields, "quote": "other"}) == "/plans"
        assert "no longer at hand" in visitor.see("/plans")

    def test_a_support_package(self, visitor: Visitor) -> None:
        visitor.top_up("5,000")
        path = "/change?to=priority&interval=YEAR"
        visitor.send("/change", visitor.forms.fields(path, "/change"))
        assert held(visitor) == ["basic MONTH", "priority YEAR"]

    def test_what_one_has_changes_nothing(self, visitor: Visitor) -> None:
        assert "Nothing would change" in visitor.see("/change?to=basic&interval=MONTH")

    def test_beginning_with_nothing(self, visitor: Visitor) -> None:
        billing = visitor.running.billing
        for product in ("basic", "community"):
            billing.subscriptions.cancel(
                "acme", product, mode=CancelMode.NOTHING, key=f"end-{product}"
            )
        assert "1,499.00 TRY" in visitor.see(self.PATH)
        to = visitor.send("/start", visitor.forms.fields(self.PATH, "/start"))
        assert to == self.PATH
        visitor.top_up("1,499")
        fields = visitor.forms.fields(self.PATH, "/start")
        assert "of it KDV 20%" in visitor.see(self.PATH)
        assert visitor.send("/start", fields) == "/"
        assert visitor.send("/start", fields) == "/"
        assert held(visitor) == ["growth MONTH"]


class TestScheduling:
    """Planla: for the period's end or a day, listed, taken back."""

    PATH = "/change?to=growth&interval=YEAR"

    def test_for_the_end_of_the_period(self, visitor: Visitor) -> None:
        fields = visitor.forms.fields(self.PATH, "/schedule")
        assert fields["when"] == "end"
        assert visitor.send("/schedule", fields) == "/#scheduled"
        assert visitor.send("/schedule", fields) == "/#scheduled"
        (planned,) = visitor.running.billing.schedule.list("acme")
        assert (planned.to, planned.timing.value) == ("growth", "END_OF_PERIOD")
        assert "Revoke: change to Growth, yearly" in visitor.see("/")

    def test_for_a_day_of_the_accounts_zone(self, visitor: Visitor) -> None:
        fields = visitor.forms.fields(self.PATH, "/schedule")
        visitor.send("/schedule", {**fields, "when": "day", "day": "2026-10-20"})
        (planned,) = visitor.running.billing.schedule.list("acme")
        assert planned.at is not None
        assert planned.at.isoformat() == "2026-10-19T21:00:00+00:00"

    @pytest.mark.parametrize("day", ["", "2026-10-01", "x", "9999-12-31"])
    def test_a_day_that_is_not_ahead(self, visitor: Visitor, day: str) -> None:
        fields = visitor.forms.fields(self.PATH, "/schedule")
        assert visitor.send("/schedule", {**fields, "when": "day", "day": day}) == self.PATH
        assert "day that lies ahead" in visitor.see(self.PATH)
        assert visitor.running.billing.schedule.list("acme") == ()

    def test_taken_back(self, visitor: Visitor) -> None:
        visitor.send("/schedule", visitor.forms.fields(self.PATH, "/schedule"))
        fields = visitor.forms.fields("/", "/revoke")
        assert visitor.send("/revoke", fields) == "/#scheduled"
        assert visitor.send("/revoke", fields) == "/#scheduled"
        assert "Nothing is scheduled" in visitor.see("/")
        assert "cannot be done" in visitor.send("/revoke", {**fields, "key": "k" * 32}, 409)


class TestPacks:
    """Extra packages: the price is shown, then exactly that is bought, once."""

    PATH = "/packs/buy?pack=messages-5k&quantity=2"

    def test_bought_once_at_the_price_that_was_shown(self, visitor: Visitor) -> None:
        visitor.top_up("2,000")
        fields = visitor.forms.fields(self.PATH, "/packs/buy")
        page = visitor.see(self.PATH)
        for told in ("2 × 5,000 messages", "10,000 messages", "1,200.00 TRY", "5 October 2027"):
            assert told in page
        assert "of it KDV 20%</dt><dd>200.00 TRY" in page
        assert "Balance afterwards</dt><dd>800.00 TRY" in page
        assert visitor.send("/packs/buy", fields) == "/packs"
        assert visitor.send("/packs/buy", fields) == "/packs"
        assert visitor.balance == str(800 * 10**6)
        page = visitor.see("/packs")
        assert "was bought" in page
        assert 'data-label="Left">10,000<' in page
        assert "2 × 5,000 messages" in visitor.see("/statement")

    def test_what_is_used_and_what_expired_is_counted(self, visitor: Visitor) -> None:
        visitor.top_up("2,000")
        visitor.send("/packs/buy", visitor.forms.fields(self.PATH, "/packs/buy"))
        billing = visitor.running.billing
        billing.packs.use("acme", Units(1300, "monochat.message"), reason="news", key="u")
        page = visitor.see("/packs")
        assert 'data-label="Left">9,700<' in page, "the plan's thousand expire first"
        assert 'data-label="Used">300<' in page
        visitor.running.clock.advance(days=400)
        page = visitor.see("/packs")
        assert 'data-label="Left">0<' in page
        assert 'data-label="Expired">9,700<' in page

    def test_without_money_it_is_said_how_much_is_short(self, visitor: Visitor) -> None:
        assert "Top up 1,200.00 TRY" in visitor.see(self.PATH)
        fields = visitor.forms.fields(self.PATH, "/packs/buy")
        assert visitor.send("/packs/buy", fields) == self.PATH
        assert "1,200.00 TRY short" in visitor.see(self.PATH)
        visitor.top_up("1,200")
        assert visitor.send("/packs/buy", fields) == "/packs", "the same form, with money"

    def test_at_another_price_than_was_shown_nothing_is_done(self, visitor: Visitor) -> None:
        visitor.top_up("2,000")
        fields = visitor.forms.fields(self.PATH, "/packs/buy")
        assert visitor.send("/packs/buy", {**fields, "shown": "1000 TRY"}) == self.PATH
        assert "no longer holds" in visitor.see(self.PATH)
        assert visitor.balance == str(2000 * 10**6)
        assert visitor.running.billing.packs.list("acme") == ()

    @pytest.mark.parametrize("quantity", ["", "0", "-1", "1.5", "٣", "9999999999", "1000001"])
    def test_what_is_no_count(self, visitor: Visitor, quantity: str) -> None:
        path = f"/packs/buy?pack=messages-5k&quantity={quantity}"
        assert visitor.client.get(path).headers["location"] == "/packs"
        fields = visitor.forms.fields(self.PATH, "/packs/buy")
        assert visitor.send("/packs/buy", {**fields, "quantity": quantity}) == "/packs"
        assert "not sold at once" in visitor.see("/packs")


class TestEnding:
    """Pause, go on, end: now or later, after the money that comes back was shown."""

    @pytest.fixture
    def plan(self, visitor: Visitor) -> str:
        """Give the address of a plan that was paid for ten days ago."""
        visitor.top_up("2,000")
        path = TestChanging.PATH
        visitor.send("/change", visitor.forms.fields(path, "/change"))
        visitor.running.clock.advance(days=10)
        held = visitor.running.billing.subscriptions.list("acme")
        return next(f"/subscription?of={one.id}" for one in held if one.product == "growth")

    def send(self, visitor: Visitor, page: str, action: str, **more: str) -> str:
        action = f"/subscription/{action}"
        return visitor.send(action, {**visitor.forms.fields(page, action), **more})

    def state(self, visitor: Visitor) -> str:
        found = visitor.running.billing.subscriptions.history("acme")
        return next(one.state.value for one in found if one.product == "growth")

    def test_the_overview_leads_to_each(self, visitor: Visitor, plan: str) -> None:
        page = visitor.see("/")
        assert f'href="{plan}" aria-label="Manage Growth"' in page
        assert "Manage Community" in page

    def test_ended_with_its_period_and_taken_back(self, visitor: Visitor, plan: str) -> None:
        assert visitor.forms.fields(plan, "/subscription/cancel")["how"] == "end"
        assert self.send(visitor, plan, "cancel") == "/#scheduled"
        assert "Its end is planned for 5 November 2026" in visitor.see(plan)
        assert 'value="end"' not in visitor.see(plan).partition("/subscription/cancel")[2]
        visitor.send("/revoke", visitor.forms.fields("/", "/revoke"))
        assert "planned for" not in visitor.see(plan)
        self.send(visitor, plan, "cancel")
        visitor.running.clock.advance(days=40)
        assert self.state(visitor) == "CANCELED"
        assert visitor.see(plan, 404)

    def test_ended_now_with_the_credit_that_was_shown(self, visitor: Visitor, plan: str) -> None:
        """21 of 31 days of 1,499.00 are 1,015.45."""
        assert "1,015.45 TRY for the unused time" in visitor.see(plan)
        action = "/subscription/cancel"
        fields = visitor.forms.fields(plan, action) | {"how": "now"}
        visitor.running.clock.advance(days=1)
        assert visitor.send(action, fields) == plan, "a day later it is less"
        assert "no longer holds" in visitor.see(plan)
        assert self.state(visitor) == "ACTIVE"
        fields = visitor.forms.fields(plan, action) | {"how": "now"}
        assert visitor.send(action, fields) == "/"
        assert visitor.send(action, fields) == "/"
        assert "967.10 TRY came back" in visitor.see("/")
        assert self.state(visitor) == "CANCELED"
        assert visitor.balance == str(1468_100_000)

    def test_withdrawn_with_the_money_back_on_the_card(self, visitor: Visitor, plan: str) -> None:
        page = visitor.see(plan)
        assert "possible until 2026-10-19 09:00: all of 1,499.00 TRY comes back" in page
        assert "1,499.00 TRY of it goes on to the card" in page
        assert self.send(visitor, plan, "cancel", how="withdraw") == "/"
        assert "1,499.00 TRY came back" in visitor.see("/")
        assert visitor.balance == str(501 * 10**6), "it went on to the card"
        assert "Credit note" in visitor.see("/invoices")
        assert visitor.running.billing.verify("acme").sound

    def test_a_provider_that_does_not_answer_is_asked_again(
        self, visitor: Visitor, plan: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The end stands; the money is on the balance until the next attempt."""

        def silent(*_: object, **__: object) -> NoReturn:
            raise GatewayError("sandbox", "refund", "no answer")

        with monkeypatch.context() as broken:
            broken.setattr(SandboxGateway, "refund", silent)
            assert self.send(visitor, plan, "cancel", how="withdraw") == "/"
        assert self.state(visitor) == "CANCELED"
        assert "Credit note" not in visitor.see("/invoices")
        visitor.running.clock.advance(hours=1)
        assert send_back(visitor.running.billing) == 1
        assert send_back(visitor.running.billing) == 0
        assert "Credit note" in visitor.see("/invoices")
        assert visitor.balance == str(501 * 10**6)

    def test_withdrawing_ends_after_its_days(self, visitor: Visitor, plan: str) -> None:
        fields = visitor.forms.fields(plan, "/subscription/cancel") | {"how": "withdraw"}
        visitor.running.clock.advance(days=4)
        assert 'value="withdraw"' not in visitor.see(plan)
        visitor.send("/subscription/cancel", fields, 409)
        assert self.state(visitor) == "ACTIVE"

    def test_paused_and_resumed_within_what_is_paid(self, visitor: Visitor, plan: str) -> None:
        assert self.send(visitor, plan, "pause") == "/"
        page = visitor.see(plan)
        assert "Paused · 1,499.00 TRY · Paid until 5 November 2026" in page
        assert "resuming now costs nothing" in page
        fields = visitor.forms.fields(plan, "/subscription/resume")
        assert visitor.send("/subscription/resume", fields) == "/"
        assert visitor.send("/subscription/resume", fields) == "/"
        assert self.state(visitor) == "ACTIVE"
        assert visitor.balance == str(501 * 10**6)

    def test_resumed_later_for_the_price_that_was_shown(self, visitor: Visitor, plan: str) -> None:
        self.send(visitor, plan, "pause")
        visitor.running.clock.advance(days=60)
        assert "Top up 998.00 TRY" in visitor.see(plan)
        fields = visitor.forms.fields(plan, "/subscription/resume")
        assert visitor.send("/subscription/resume", fields) == plan
        visitor.top_up("998")
        visitor.running.clock.advance(hours=1)
        assert "is charged: 1,499.00 TRY" in visitor.see(plan)
        fields = visitor.forms.fields(plan, "/subscription/resume")
        for _ in "twice":
            assert visitor.send("/subscription/resume", fields) == "/"
            visitor.running.clock.advance(minutes=1)
        assert visitor.balance == "0"

    @pytest.mark.parametrize("action", ["pause", "resume"])
    def test_planned_for_a_day(self, visitor: Visitor, plan: str, action: str) -> None:
        if action == "resume":
            self.send(visitor, plan, "pause")
        assert self.send(visitor, plan, action, when="day", day="2026-10-01") == plan
        assert "day that lies ahead" in visitor.see(plan)
        assert self.send(visitor, plan, action, when="day", day="2026-10-25") == "/#scheduled"
        (planned,) = visitor.running.billing.schedule.list("acme")
        assert (planned.action.value, planned.at) == (
            action.upper(),
            datetime(2026, 10, 24, 21, tzinfo=UTC),
        )

    def test_paused_with_the_period(self, visitor: Visitor, plan: str) -> None:
        self.send(visitor, plan, "pause", when="end")
        visitor.running.clock.advance(days=40)
        assert self.state(visitor) == "PAUSED"
        assert visitor.balance == str(501 * 10**6)
        assert "Now: nothing comes back" in visitor.see(plan)

    def test_what_the_account_does_not_hold(self, visitor: Visitor, plan: str) -> None:
        for action in ("pause", "resume", "cancel"):
            if action == "resume":
                self.send(visitor, plan, "pause")
            fields = visitor.forms.fields(plan, f"/subscription/{action}")
            assert "not here" in visitor.send(
                f"/subscription/{action}", {**fields, "of": "other"}, 404
            )


class TestStatement:
    """What happened, page by page, and as a file."""

    def entries(self, visitor: Visitor, count: int) -> None:
        billing = visitor.running.billing
        billing.balances.credit("acme", money("1000", "TRY"), reason="opening", key="opening")
        for number in range(count):
            visitor.running.clock.advance(minutes=1)
            billing.balances.debit(
                "acme", money("0.0042", "TRY"), reason=f"=export {number}", key=f"e-{number}"
            )

    def test_all_pages_together_are_the_statement(self, visitor: Visitor) -> None:
        self.entries(visitor, 60)
        path, seen, pages = "/statement", 0, 0
        while path:
            page = visitor.see(path)
            seen += page.count('<td class="wide">=export')
            pages += 1
            path = page.partition('rel="next" href="')[2].partition('"')[0].replace("&amp;", "&")
        assert (seen, pages) == (60, 3)

    def test_the_file(self, visitor: Visitor) -> None:
        self.entries(visitor, 3)
        answer = visitor.client.get("/statement.csv?currency=TRY")
        assert answer.headers["content-type"] == "text/csv; charset=utf-8"
        assert "statement-TRY.csv" in answer.headers["content-disposition"]
        assert answer.content.startswith("\ufeff".encode())
        rows = list(csv.reader(io.StringIO(answer.text.removeprefix("\ufeff"))))
        assert rows[0][:3] == ["No.", "When", "Entry"]
        assert rows[1][1] == "2026-10-05T09:00:00+03:00"
        assert rows[1][4:] == ["1000", "1000", "TRY"]
        assert rows[-1][3:] == ["'=export 2", "-0.0042", "999.9874", "TRY"]

    def test_days_are_those_of_the_account_and_the_last_is_included(self, visitor: Visitor) -> None:
        self.entries(visitor, 3)
        assert (
            visitor.see("/statement?since=2026-10-05&until=2026-10-05").count(
                '<td class="wide">=export'
            )
            == 3
        )
        assert visitor.see("/statement?since=2026-10-06").count('<td class="wide">=export') == 0

    def test_the_units_of_a_plan_have_one_too(self, visitor: Visitor) -> None:
        assert "1,000" in visitor.see("/statement?currency=monochat.message")


class TestWarnings:
    """The page says when money runs out, and how to mend it."""

    def test_a_renewal_that_will_fail(self, visitor: Visitor) -> None:
        visitor.top_up("2,000")
        visitor.send("/change", visitor.forms.fields(TestChanging.PATH, "/change"))
        page = visitor.see("/")
        assert 'class="warnings"' in page
        assert "998.00 TRY short" in page
        assert '<path class="line"' in page

    def test_the_chart_ends_where_the_money_does(self, visitor: Visitor) -> None:
        billing, clock = visitor.running.billing, visitor.running.clock
        billing.balances.credit("acme", money("1000", "TRY"), reason="opening", key="opening")
        for day in range(5):
            clock.advance(days=1)
            billing.balances.debit("acme", money("100", "TRY"), reason="x", key=f"d-{day}")
        page = visitor.see("/")
        assert '<circle class="dry"' in page
        # Four of the five lie within [opening, now): 400 in 5 days; 500 left last 6.25 more.
        assert "until 16 October 2026, then usage cannot be paid (at 80.00 TRY a day)" in page

    def test_all_is_well(self, visitor: Visitor) -> None:
        assert 'class="warnings"' not in visitor.see("/")


class TestStartingIt:
    """One command starts it, on SQLite or on the database that an URL names."""

    def test_one_command(self, tmp_path: Path) -> None:
        """The page answers while the program runs, and the books are there when it has stopped."""
        ports = free_ports()
        database = f"sqlite:///{tmp_path / 'page.db'}"
        program = subprocess.Popen(
            [
                *(sys.executable, "-m", "examples.billing_page", "--database", database),
                *("--port", str(ports[0]), "--payment-port", str(ports[1])),
            ],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            assert program.stdout is not None
            assert program.stdout.readline() == f"The Billing page: http://127.0.0.1:{ports[0]}\n"
            assert "1.000" in seen(f"http://127.0.0.1:{ports[0]}/")
        finally:
            program.send_signal(signal.SIGINT)
            _, told = program.communicate(timeout=60)
        assert told == ""
        with SqlStorage(database) as storage:
            again = build(storage, URL, PAYMENT_URL)
            assert again.billing.verify().entries == 1, "opened again, it is the same account"
            assert held(Visitor(again)) == ["basic MONTH", "community MONTH"]

    def test_a_database_that_is_not_there(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        database = f"sqlite:///{tmp_path / 'none' / 'page.db'}"
        monkeypatch.setattr(sys, "argv", ["page", "--database", database])
        with pytest.raises(SystemExit) as stopped:
            main()
        assert stopped.value.code == 1
        assert capsys.readouterr().err.startswith("The page stopped: open: ")

    def test_on_postgres(self, postgres_url: str) -> None:
        with SqlStorage(postgres_url) as storage:
            visitor = Visitor(build(storage, URL, PAYMENT_URL))
            visitor.top_up("2,000")
            fields = visitor.forms.fields(TestChanging.PATH, "/change")
            assert visitor.send("/change", fields) == "/"
            assert held(visitor) == ["community MONTH", "growth MONTH"]
            assert "501.00 TRY" in visitor.see("/")


def free_ports() -> tuple[int, int]:
    """Find two ports that nobody listens on."""
    with (
        socket.create_server(("127.0.0.1", 0)) as one,
        socket.create_server(("127.0.0.1", 0)) as two,
    ):
        return one.getsockname()[1], two.getsockname()[1]


def seen(url: str) -> str:
    """Open a page once the server listens, which it says a moment before it does."""
    transport = httpx.HTTPTransport(retries=8)
    with httpx.Client(transport=transport, timeout=30) as client:
        return client.get(url, headers={"Accept-Language": "tr"}).text
