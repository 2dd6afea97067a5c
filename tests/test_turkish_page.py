"""What a Turkish customer reads: a rich account, every surface, and no English left on it."""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta

import attrs
import pytest

from monochat_billing import (
    MONTH,
    YEAR,
    Billing,
    BillingError,
    Terms,
    Units,
    explain_refusal,
    money,
    sample_catalog,
)
from monochat_billing.adapters.memory import MemoryStorage
from monochat_billing.adapters.sandbox import SandboxGateway
from monochat_billing.adapters.whatsapp import WhatsApp, meta_message_rates, meta_rate_cards
from monochat_billing.campaigns import CampaignPart
from monochat_billing.cancellations import CancelMode
from monochat_billing.errors import GatewayError, LimitExceeded, StaleQuote
from monochat_billing.invoice_documents import invoice_data, ubl_fields
from monochat_billing.invoice_page import invoice_page
from monochat_billing.invoicing import InvoicePolicy, TaxPoint
from monochat_billing.lots import LotOrigin
from monochat_billing.message_terms import MessageTerms
from monochat_billing.message_words import MARKETS
from monochat_billing.rating import MessageCategory
from monochat_billing.refusals import explain_outcome
from monochat_billing.simulation.choices import Choice
from monochat_billing.simulation.comparisons import compare_plans, recommend
from monochat_billing.simulation.costs import CostTerms
from monochat_billing.simulation.profiles import UsageProfile
from tests.desk import PROFILE, SECRET, Clock, Desk

CATALOG = sample_catalog()
# What stays as it is in every language: names, units of the law and of the provider, and what the
# scene's own people wrote.
SAME = """
acme ankara api bahar enterprise europe export growth hizmet html istanbul kadikoy kayit kdv
limit lira ltd meta monochat plan sandbox seat standard street try usd vkn whatsapp
"""
# The words that English sentences of this library are made of, and Turkish ones are not.
ENGLISH = """
above account add after amount and are asked at available back balance basic be beyond by
canceled change changed changes channels charge contacts corrected costs covered credit cut
daily day days debt downgrade due each effective end ends entry every expired expires fails fee
fees first for free from given goes has held hold in included includes invoice is it lasts left
limits lost lot marketing messages month monthly more moves needed net next not nothing now of
on once opening other overage own paid past paused per period plans posted price priority
promotion quarterly reached reason refund renewal renews resumed rule scheduled service short
since state subscription support suspended tax tier time to top total trial turkey unit
unlimited until unused up upgrade usage used users utility voided waits was what will with
withdrawal within worst year yearly yes
"""
SAME_WORDS, ENGLISH_WORDS = frozenset(SAME.split()), frozenset(ENGLISH.split())
LETTERS = re.compile(r"[^\W\d_]+(?:[.-][^\W\d_]+)*")
CARD = re.compile(r"\(meta-usd-\d{4}-\d{2}-\d{2}\)")
SHORT_DAY = re.compile(r"\b\d{4}-\d{2}-\d{2}\b")
ENGLISH_NUMBER = re.compile(r"\b[1-9]\d{0,2}(?:,\d{3})+(?:\.\d+)?\b|\b\d+\.\d{2}\b(?!\.)")


def english(text: str) -> list[str]:
    """List the English words, days and numbers of a text."""
    text = CARD.sub("", text)
    words = {word.lower() for word in LETTERS.findall(text)}
    return [
        *sorted((words & ENGLISH_WORDS) - SAME_WORDS),
        *SHORT_DAY.findall(text),
        *ENGLISH_NUMBER.findall(text),
    ]


def text_of(html: str) -> str:
    """Leave the text of a page, and what its attributes say aloud."""
    body = re.sub(r"<style.*?</style>", "", html, flags=re.DOTALL)
    said = re.findall(r'(?:aria-label|title|alt)="([^"]*)"', body)
    return "\n".join([re.sub(r"<[^>]+>", "\n", body), *said])


@attrs.frozen
class Counts:
    """Say how many users, channels and contacts are in use."""

    def read(self, account: str, names: object) -> Mapping[str, int]:
        del account, names
        return {"users": 11, "channels": 6, "contacts": 12_000}


@pytest.fixture(scope="module")
def said() -> Mapping[str, str]:
    """Live through three months, and collect all that is rendered in Turkish on the way."""
    clock = Clock()
    billing = Billing(
        catalog=CATALOG,
        storage=MemoryStorage(),
        gateways=[SandboxGateway(SECRET, page_url="http://127.0.0.1:9")],
        rates=meta_rate_cards(),
        channel=WhatsApp(app_secrets=SECRET, terms=MessageTerms(rates=meta_message_rates())),
        clock=clock,
        usage_reader=Counts(),
        invoicing=InvoicePolicy(seller=PROFILE, tax_point=TaxPoint.ON_CHARGE),
    )
    return dict(Scene(billing, clock).play())


@attrs.define
class Scene:
    """Do what a business does in three months."""

    billing: Billing
    clock: Clock
    said: dict[str, str] = attrs.field(factory=dict)

    def play(self) -> dict[str, str]:
        """Collect every text, by where it stands."""
        self.begin()
        self.look_ahead()
        self.refuse()
        self.give_up()
        self.go_on()
        self.run_dry()
        self.simulate()
        return self.said

    def tell(self, where: str, text: str) -> None:
        assert where not in self.said
        self.said[where] = text

    def begin(self) -> None:
        billing = self.billing
        billing.accounts.open(
            "acme", zone="Europe/Istanbul", currencies=["TRY", "USD"], profile=PROFILE
        )
        Desk(billing, self.clock, MemoryStorage(), lambda: None).top_up("25000")  # type: ignore[arg-type,return-value]
        terms = Terms(origin=LotOrigin.PROMOTIONAL, expires_at=self.clock() + timedelta(days=20))
        billing.balances.credit("acme", money("50", "TRY"), reason="bahar", key="k1", terms=terms)
        billing.subscriptions.subscribe("acme", "basic", MONTH, key="k2")
        billing.subscriptions.subscribe("acme", "priority", MONTH, key="k3")
        quote = billing.subscriptions.preview("acme", to="growth", interval=MONTH)
        self.tell("quote from a free plan", quote.explain("tr"))
        billing.subscriptions.change(quote)
        self.clock.advance(days=5)
        billing.balances.debit("acme", money("12.50", "TRY"), reason="export", key="k4")
        billing.holds.place("acme", money("30", "TRY"), reason="bahar", key="k5")
        billing.packs.buy("acme", "messages-5k", key="k6")
        billing.messages.register_number("acme", "106")

    def look_ahead(self) -> None:
        billing = self.billing
        for to, interval in (("enterprise", YEAR), ("basic", MONTH), ("growth", YEAR)):
            quote = billing.subscriptions.preview("acme", to=to, interval=interval)
            self.tell(f"quote to {to}, {interval}", quote.explain("tr"))
        billing.schedule.change("acme", to="basic", key="k7")
        billing.schedule.pause(
            "acme", self.held("priority"), at=self.clock() + timedelta(days=9), key="k8"
        )
        self.page("a good month")
        until = self.clock() + timedelta(days=100)
        forecast = billing.upcoming("acme", until=until)
        self.tell("forecast", forecast.explain("tr"))
        self.tell("forecast as a page", text_of(forecast.html("tr")))
        self.tell("runway", billing.runway("acme").explain("tr"))
        self.tell("runway at a pace", billing.runway("acme", per_day=1000).explain("tr"))
        for name in ("users", "contacts", "broadcasts", "api", "monochat.message"):
            self.tell(f"may use {name}", billing.may_use("acme", name).explain("tr"))
        parts = [
            CampaignPart(market="Turkey", category=MessageCategory.MARKETING, messages=1000),
            CampaignPart(market="Germany", category=MessageCategory.UTILITY, messages=14_000),
        ]
        estimate = billing.messages.estimate("acme", parts)
        self.tell("estimate", estimate.explain("tr"))
        self.tell("provider's estimate", estimate.campaign.explain("tr"))
        self.tell("may send", billing.messages.may_send("acme", parts).explain("tr"))
        self.tell("affordable", billing.messages.affordable("acme", parts).explain("tr"))

    def refuse(self) -> None:
        billing = self.billing
        million = money("1000000", "TRY")
        tried: list[Callable[[], object]] = [
            lambda: billing.balances.debit("acme", million, reason="export", key="r1"),
            lambda: billing.packs.use(
                "acme", Units(10**8, "monochat.message"), reason="export", key="r2"
            ),
            lambda: billing.subscriptions.subscribe("acme", "growth", MONTH, key="r3"),
            lambda: billing.subscriptions.preview("acme", to="platinum", interval=MONTH),
            lambda: billing.balances.debit("acme", million, reason="export", key="k4"),
        ]
        for number, attempt in enumerate(tried):
            with pytest.raises(BillingError) as refused:
                attempt()
            self.tell(f"refusal {number}", explain_refusal(refused.value, "tr"))
        for error in (
            LimitExceeded("acme", "users", 5, 7),
            StaleQuote("q", "because"),
            GatewayError("paytr", "start", "no answer"),
        ):
            self.tell(type(error).__name__, explain_refusal(error, "tr"))

    def give_up(self) -> None:
        for mode in CancelMode:
            report = self.billing.subscriptions.preview_cancel(
                "acme", self.held("growth"), mode=mode
            )
            self.tell(f"cancel {mode}", report.explain("tr"))

    def go_on(self) -> None:
        self.clock.advance(days=40)
        self.billing.run_due()
        self.page("the second month")
        invoice = self.billing.invoices.for_charges("acme", "TRY", key="i1")
        assert invoice is not None
        note = self.billing.invoices.credit("acme", invoice.id, reason="bahar", key="i2")
        for one in (invoice, note):
            page = invoice_page(one, locale="tr", catalog=CATALOG)
            self.tell(f"{one.kind} as a page", text_of(page))
            lines = invoice_data(one, locale="tr", catalog=CATALOG)["lines"]
            self.tell(f"{one.kind} as data", "\n".join(line["title"] for line in lines))
            items = ubl_fields(one, catalog=CATALOG)["InvoiceLine"]
            self.tell(f"{one.kind} as UBL", "\n".join(line["Item"]["Name"] for line in items))
        for unit in ("TRY", "monochat.message"):
            statement = self.billing.balances.statement("acme", unit)
            self.tell(f"statement of {unit}", statement.explain("tr", CATALOG))

    def run_dry(self) -> None:
        billing = self.billing
        billing.subscriptions.resume("acme", self.held("priority"), key="k9")
        change = billing.subscriptions.preview("acme", to="growth", interval=MONTH)
        billing.subscriptions.change(change)
        billing.schedule.change(
            "acme", to="enterprise", interval=MONTH, at=self.clock() + timedelta(days=3), key="k10"
        )
        balance = billing.balances.list("acme")["TRY"]
        rest = balance.money(balance.posted - balance.held - 10 * 10**6)
        billing.balances.debit("acme", rest, reason="export", key="k11")
        self.page("running dry")
        self.clock.advance(days=34)
        billing.run_due()
        self.page("unpaid")
        self.tell("in grace", billing.may_use("acme", "broadcasts").explain("tr"))
        self.clock.advance(days=20)
        billing.run_due()
        self.page("suspended")
        self.tell("suspended use", billing.may_use("acme", "broadcasts").explain("tr"))
        part = CampaignPart(market="India", category=MessageCategory.SERVICE, messages=10)
        self.tell("suspended sending", billing.messages.may_send("acme", [part]).explain("tr"))
        for change_made in billing.schedule.history("acme"):
            self.tell(f"outcome {change_made.id}", explain_outcome(change_made.outcome, "tr"))

    def simulate(self) -> None:
        terms = CostTerms(CATALOG, "TRY", datetime(2027, 1, 1, tzinfo=UTC))
        usage = UsageProfile.steady({"monochat.message": 12_000})
        for where, text in (
            ("cost", terms.cost(Choice("growth"), usage).explain("tr")),
            ("comparison", str(compare_plans(usage, terms).frame("tr"))),
            ("recommendation", recommend(usage, terms).explain("tr")),
        ):
            # An analyst compares what the catalog calls by id.
            self.tell(where, re.sub(r"\b(?:basic|growth|enterprise|messages-\d+k)\b", "#", text))

    def page(self, when: str) -> None:
        overview = self.billing.overview("acme")
        self.tell(f"overview, {when}", overview.explain("tr"))
        self.tell(f"overview as a page, {when}", text_of(overview.html("tr")))
        self.tell(f"warnings, {when}", "\n".join(overview.warnings("tr")))

    def held(self, product: str) -> str:
        held = self.billing.subscriptions.list("acme")
        return next(one.id for one in held if one.product == product)


class TestTheTurkishReader:
    """Everything that the library says to a customer, it says in Turkish."""

    def test_reads_no_english(self, said: Mapping[str, str]) -> None:
        """No word, day or number is left as English writes it."""
        assert len(said) > 50
        found = {where: wrong for where, text in said.items() if (wrong := english(text))}
        assert found == {}

    def test_reads_names_and_not_ids(self, said: Mapping[str, str]) -> None:
        """What has a name in the catalog or in the language is called by it."""
        ids = re.compile(r"\b(?:priority|messages-5k|per MONTH|single-sign-on)\b")
        assert {where: ids.findall(text) for where, text in said.items() if ids.search(text)} == {}

    def test_reads_amounts_and_days_as_turkish_writes_them(self, said: Mapping[str, str]) -> None:
        page = said["overview, a good month"]
        assert "Acme Ltd. (acme), 10.10.2026 09:00 Europe/Istanbul" in page
        assert "05.11.2026 09:00  Ücretsiz ürününe geçiş, aylık" in page
        assert "! kullanıcı limiti aşıldı" in page
        assert "kişi           12.000  10.000  2.000 fazla, ücretli" in page
        assert "₺1.499,00 x 26/31 = -₺1.257,23" in said["quote to enterprise, YEAR"]
        assert "19 Kasım 2026" in said["INVOICE as a page"]
        assert "Destek paketi: Öncelikli, aylık" in said["INVOICE as data"]

    def test_knows_every_market_that_can_be_charged(self) -> None:
        """A card with a new market needs a word for it."""
        cards = meta_message_rates().cards.cards
        assert {market for card in cards for market in card.rates} <= MARKETS


class TestTheCheckItself:
    """It sees what it is there for."""

    @pytest.mark.parametrize(
        "text",
        ["growth per MONTH", "2026-11-05", "1,499.00 TRY", "users limiti aşıldı", "0.50"],
    )
    def test_it_sees_english(self, text: str) -> None:
        assert english(text)

    def test_it_lets_turkish_pass(self) -> None:
        assert (
            english("Growth yenilemesi 05.11.2026 09:00: 1.499,00 TRY, %20 KDV, 10.000 kişi") == []
        )
