"""Invoicing: what goes on an invoice, at which tax, and what comes off it again."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction

import attrs
import pytest
from hypothesis import given, strategies as st

from monochat_billing import sample_catalog
from monochat_billing.balance import (
    Books,
    DebitMode,
    Entry,
    EntryKind,
    Memo,
    Posted,
    Terms,
    credit,
    debit,
    give_back,
    open_balance,
)
from monochat_billing.errors import IllegalTransition, InvalidInput
from monochat_billing.invoice_documents import invoice_data, ubl_fields
from monochat_billing.invoice_page import invoice_page
from monochat_billing.invoices import Invoice, InvoiceKind, InvoiceNumber
from monochat_billing.invoicing import (
    InvoicePolicy,
    Parties,
    TaxPoint,
    credit_note,
    invoice_charges,
    invoice_prepayment,
)
from monochat_billing.lots import LotOrigin
from monochat_billing.money import Money, money, total
from monochat_billing.periods import BillingPeriod
from monochat_billing.profiles import Address, BillingProfile, TaxId, TaxIdKind

NOW = datetime(2026, 11, 1, 6, tzinfo=UTC)
IN_OCTOBER = datetime(2026, 10, 5, tzinfo=UTC)
OCTOBER = BillingPeriod.of_days(date(2026, 10, 1), date(2026, 11, 1), "Europe/Istanbul")
SELLER = BillingProfile(
    business_name="MonoChat Yazılım A.Ş.",
    address=Address(line="Büyükdere Cad. 1", district="Şişli", city="İstanbul", post_code="34394"),
    tax_id=TaxId(kind=TaxIdKind.VKN, number="4540536920", tax_office="Zincirlikuyu"),
)
BUYER = BillingProfile(
    business_name="Ayşe Güneş",
    address=Address(line="Gül Sok. 5", city="Ankara", post_code="06420"),
    tax_id=TaxId(kind=TaxIdKind.TCKN, number="17291716060"),
)
GERMAN = BillingProfile(
    business_name="Blumen GmbH",
    address=Address(line="Hauptstr. 1", city="Köln", post_code="50667", country="DE"),
    tax_id=TaxId(kind=TaxIdKind.FOREIGN, number="DE136695976", country="DE"),
)
BY_CHARGE = InvoicePolicy(seller=SELLER, tax_point=TaxPoint.ON_CHARGE)
BY_TOP_UP = InvoicePolicy(seller=SELLER, tax_point=TaxPoint.ON_TOP_UP)


def lira(text: str) -> Money:
    return money(text, "TRY")


def parties(last: int = 0, buyer: BillingProfile = BUYER, **more: object) -> Parties:
    made = Parties(id=f"id-{last + 1}", account="acme", buyer=buyer, issued_at=NOW, last=last)
    return attrs.evolve(made, **more)  # type: ignore[arg-type]


class Ledger:
    """Keep books and everything that was posted, as a storage would."""

    def __init__(self, unit: str = "TRY") -> None:
        self.unit = unit
        self.books = open_balance(Books("acme"), unit)
        self.entries: list[Entry] = []
        self.origins: dict[int, LotOrigin] = {}

    def take(self, posted: Posted) -> Posted:
        self.books = posted.books
        self.entries += posted.entries
        lots = self.books.balance(self.unit).lots
        self.origins.update((lot.number, lot.origin) for lot in lots)
        return posted

    def fill(self, amount: str, origin: LotOrigin = LotOrigin.PAID) -> None:
        kind = EntryKind.TOP_UP if origin is LotOrigin.PAID else EntryKind.GRANT
        memo = Memo(kind, IN_OCTOBER, IN_OCTOBER)
        self.take(credit(self.books, money(amount, self.unit), memo, Terms(origin=origin)))

    def pay(
        self,
        amount: str,
        kind: EntryKind = EntryKind.PLAN_FEE,
        text: str = "growth per MONTH",
        at: datetime = IN_OCTOBER,
        mode: DebitMode = DebitMode.WHOLE,
    ) -> Posted:
        memo = Memo(kind, at, IN_OCTOBER, text)
        return self.take(debit(self.books, money(amount, self.unit), memo, mode))

    def back(self, amount: str, paid: Posted) -> None:
        memo = Memo(EntryKind.PRORATION_CREDIT, IN_OCTOBER, IN_OCTOBER, "unused time of growth")
        given = give_back(
            self.books, money(amount, self.unit), paid.shares, memo, paid.entry.number
        )
        assert given is not None
        self.take(given)

    def roots(self) -> Mapping[int, Entry]:
        by_number = {entry.number: entry for entry in self.entries}
        return {
            entry.corrects: by_number[entry.corrects] for entry in self.entries if entry.corrects
        }

    def invoiced(
        self,
        policy: InvoicePolicy = BY_CHARGE,
        who: Parties | None = None,
        entries: Sequence[Entry] | None = None,
    ) -> Invoice | None:
        return invoice_charges(
            policy,
            who or parties(),
            self.entries if entries is None else entries,
            currency=self.unit,
            scale=6,
            period=OCTOBER,
            roots=self.roots(),
            origins=self.origins,
        )


def invoiced(ledger: Ledger) -> Invoice:
    made = ledger.invoiced()
    assert made is not None
    return made


class TestCharges:
    """A month's charges on one invoice."""

    def test_a_plan_fee_is_split_into_net_and_kdv(self) -> None:
        """1,499.00 with 20 % inside is 1,249.17 and 249.83."""
        ledger = Ledger()
        ledger.fill("5000")
        ledger.pay("1499")
        made = invoiced(ledger)
        assert str(made) == (
            "MCB2026000000001 2026-11-01 invoice to Ayşe Güneş: "
            "net 1249.17, KDV 249.83, gross 1499 TRY"
        )
        assert (made.first, made.last, made.rounding) == (1, 2, lira("0"))

    def test_equal_charges_are_one_line(self) -> None:
        """37 messages at 0.123456 are one line of 4.57, and 0.002128 is shown as rounding."""
        ledger = Ledger()
        ledger.fill("5000")
        for _ in range(37):
            ledger.pay("0.123456", EntryKind.MESSAGE_FEE, "whatsapp")
        made = invoiced(ledger)
        (line,) = made.lines
        assert (line.count, line.ledger, line.gross) == (37, lira("4.567872"), lira("4.57"))
        assert made.rounding == lira("0.002128")
        assert made.ledger == lira("4.567872")

    def test_what_is_no_sale_is_left_out(self) -> None:
        """Top-ups, grants, adjustments and transfers sell nothing."""
        ledger = Ledger()
        ledger.fill("100")
        ledger.pay("10", EntryKind.ADJUSTMENT, "wrong amount")
        assert ledger.invoiced() is None

    def test_a_promotion_is_a_discount_and_not_taxed(self) -> None:
        """Of 100, 30 came from a promotion that burns first: 70 are taxed."""
        ledger = Ledger()
        ledger.fill("30", LotOrigin.PROMOTIONAL)
        ledger.fill("100")
        ledger.pay("100")
        made = invoiced(ledger)
        assert (made.gross, made.promotional) == (lira("70"), lira("30"))

    def test_a_promotion_that_covers_a_debt_comes_off_later(self) -> None:
        """What was taken on credit is invoiced, and taken off when a promotion has paid it."""
        ledger = Ledger()
        ledger.pay("50", mode=DebitMode.FORCED)
        ledger.fill("20", LotOrigin.PROMOTIONAL)
        assert invoiced(ledger).gross == lira("30")
        ledger.fill("1000")
        assert invoiced(ledger).gross == lira("30")

    def test_credit_for_unused_time_is_taxed_as_what_it_gives_back(self) -> None:
        """A fee of June 2023 is given back at 18 %, whatever the rate is by then."""
        ledger = Ledger()
        ledger.fill("5000")
        paid = ledger.pay("118", at=datetime(2023, 6, 15, tzinfo=UTC))
        ledger.back("59", paid)
        made = invoiced(ledger)
        assert [line.tax.tax for line in made.lines] == [lira("18"), lira("-9")]
        assert [one.rate.percent for one in made.taxes] == ["18"]

    def test_two_rates_are_two_sums(self) -> None:
        """9 July 2023 was 18 %, 10 July 20 %."""
        ledger = Ledger()
        ledger.fill("5000")
        ledger.pay("118", at=datetime(2023, 7, 9, 12, tzinfo=UTC))
        ledger.pay("120", at=datetime(2023, 7, 10, 12, tzinfo=UTC))
        made = invoiced(ledger)
        assert [(one.rate.percent, one.tax) for one in made.taxes] == [
            ("18", lira("18")),
            ("20", lira("20")),
        ]

    def test_more_given_back_than_sold_is_a_credit_note(self) -> None:
        """Its amounts are above zero, and it has the series of credit notes."""
        ledger = Ledger()
        ledger.fill("5000")
        paid = ledger.pay("120")
        ledger.back("60", paid)
        made = ledger.invoiced(entries=ledger.entries[2:])
        assert made is not None
        assert (made.kind, made.gross, made.tax) == (
            InvoiceKind.CREDIT_NOTE,
            lira("60"),
            lira("10"),
        )
        assert str(made.number) == "MCI2026000000001"

    def test_what_comes_to_nothing_waits(self) -> None:
        """A fee of 0.0009 is no invoice; nor is one that was given back whole."""
        ledger = Ledger()
        ledger.fill("5000")
        ledger.pay("0.0009", EntryKind.MESSAGE_FEE)
        assert ledger.invoiced() is None
        paid = ledger.pay("120")
        ledger.back("120", paid)
        assert ledger.invoiced() is None

    def test_abroad_nothing_is_taxed_and_the_code_is_shown(self) -> None:
        """A buyer in Germany uses the service there: 302, and the price stands."""
        ledger = Ledger()
        ledger.fill("5000")
        ledger.pay("1499")
        made = ledger.invoiced(who=parties(buyer=GERMAN))
        assert made is not None
        assert (made.net, made.tax) == (lira("1499"), lira("0"))
        assert "302" in invoice_page(made, locale="en")
        assert ubl_fields(made)["InvoiceTypeCode"] == "ISTISNA"

    def test_a_foreign_currency_needs_its_rate(self) -> None:
        """KDV is accounted for in lira."""
        ledger = Ledger("USD")
        ledger.fill("100")
        ledger.pay("12")
        with pytest.raises(InvalidInput, match="exchange: None is missing"):
            ledger.invoiced()
        made = ledger.invoiced(who=parties(exchange=Fraction("41.2345")))
        assert made is not None
        assert ubl_fields(made)["PricingExchangeRate"]["CalculationRate"] == "41.2345"

    def test_a_root_that_is_not_at_hand_is_refused(self) -> None:
        """Without what it gives back, nobody knows the rate of a credit."""
        ledger = Ledger()
        ledger.fill("5000")
        ledger.back("60", ledger.pay("120"))
        with pytest.raises(InvalidInput, match="roots: 2 is missing"):
            invoice_charges(
                BY_CHARGE,
                parties(),
                ledger.entries,
                currency="TRY",
                scale=6,
                period=OCTOBER,
                roots={},
                origins=ledger.origins,
            )


class TestPrepayment:
    """A top-up on one invoice."""

    def test_it_is_invoiced_as_it_was_ordered(self) -> None:
        made = invoice_prepayment(
            BY_TOP_UP, parties(), lira("25000"), top_up="top-1", credited_at=NOW, entry=1
        )
        assert (made.net, made.tax, made.gross) == (
            lira("20833.33"),
            lira("4166.67"),
            lira("25000"),
        )
        assert made.reference == "top-up top-1"

    def test_each_tax_point_has_its_own_invoices(self) -> None:
        """Tax falls due once: what is paid from an invoiced top-up is not invoiced again."""
        ledger = Ledger()
        ledger.fill("100")
        ledger.pay("10")
        with pytest.raises(IllegalTransition, match="ON_TOP_UP and cannot be invoiced by"):
            ledger.invoiced(BY_TOP_UP)
        with pytest.raises(IllegalTransition, match="ON_CHARGE and cannot be invoiced when"):
            invoice_prepayment(
                BY_CHARGE, parties(), lira("1"), top_up="t", credited_at=NOW, entry=1
            )


class TestTheDayOfIssue:
    """It is the seller's local day, which the law asks about."""

    def test_is_local(self) -> None:
        """Half past nine in the evening of 31 October in UTC is the first of November there."""
        ledger = Ledger()
        ledger.fill("100")
        ledger.pay("10")
        late = datetime(2026, 10, 31, 21, 30, tzinfo=UTC)
        made = attrs.evolve(invoiced(ledger), issued_at=late)
        assert made.issued_on == date(2026, 11, 1)


class TestCreditNotes:
    """What comes off an invoice again."""

    def invoice(self) -> Invoice:
        ledger = Ledger()
        ledger.fill("5000")
        ledger.pay("1499")
        ledger.pay("199.99", EntryKind.SUPPORT_FEE, "priority per MONTH")
        for _ in range(37):
            ledger.pay("0.123456", EntryKind.MESSAGE_FEE, "whatsapp")
        return invoiced(ledger)

    def test_the_whole_cancels_it_line_by_line(self) -> None:
        made = self.invoice()
        note = credit_note(BY_CHARGE, parties(), made, [], reason="wrong buyer")
        assert (note.net, note.tax, note.rounding) == (made.net, made.tax, made.rounding)
        assert [line.line for line in note.lines] == [1, 2, 3]
        assert (note.corrects, note.corrects_on) == (made.number, made.issued_on)
        assert ubl_fields(note)["BillingReference"]["InvoiceDocumentReference"]["ID"] == str(
            made.number
        )

    def test_never_more_than_is_left(self) -> None:
        made = self.invoice()
        first = credit_note(BY_CHARGE, parties(), made, [], reason="x", amount=lira("1500"))
        with pytest.raises(InvalidInput, match=r"at most 203\.56 TRY; credit what is left"):
            credit_note(BY_CHARGE, parties(1), made, [first], reason="x", amount=lira("203.57"))
        rest = credit_note(BY_CHARGE, parties(1), made, [first], reason="x")
        with pytest.raises(IllegalTransition, match="CREDITED and cannot be credited again"):
            credit_note(BY_CHARGE, parties(2), made, [first, rest], reason="x")

    @pytest.mark.parametrize("amount", ["0", "-1", "0.001"])
    def test_an_amount_that_cannot_be_is_refused(self, amount: str) -> None:
        with pytest.raises(InvalidInput):
            credit_note(BY_CHARGE, parties(), self.invoice(), [], reason="x", amount=lira(amount))

    def test_a_reason_is_needed_and_a_note_has_no_note(self) -> None:
        made = self.invoice()
        with pytest.raises(InvalidInput, match="reason: ' ' is empty"):
            credit_note(BY_CHARGE, parties(), made, [], reason=" ")
        note = credit_note(BY_CHARGE, parties(), made, [], reason="x")
        with pytest.raises(IllegalTransition, match="CREDIT_NOTE and cannot be credited"):
            credit_note(BY_CHARGE, parties(1), note, [], reason="x")

    @given(st.lists(st.integers(1, 170_356), min_size=1, max_size=6))
    def test_parts_cancel_the_whole(self, parts: list[int]) -> None:
        """However an invoice is given back, net and tax of the notes are those of the invoice."""
        made = self.invoice()
        notes: list[Invoice] = []
        left = 170_356
        for units in parts:
            if units >= left:
                break
            left -= units
            amount = lira(f"{units // 100}.{units % 100:02d}")
            notes.append(credit_note(BY_CHARGE, parties(), made, notes, reason="x", amount=amount))
        notes.append(credit_note(BY_CHARGE, parties(), made, notes, reason="rest"))
        assert total((note.net for note in notes), "TRY") == made.net
        assert total((note.tax for note in notes), "TRY") == made.tax


class TestSums:
    """Whatever happens, the parts sum to the whole."""

    @given(
        st.lists(
            st.tuples(
                st.sampled_from(["1499", "0.123456", "0.0009", "199.99", "33.333333"]),
                st.sampled_from([EntryKind.PLAN_FEE, EntryKind.MESSAGE_FEE, EntryKind.CHARGE]),
                st.sampled_from([2022, 2026]),
                st.booleans(),
            ),
            max_size=25,
        ),
        st.integers(0, 25),
    )
    def test_lines_and_months_sum_up(
        self, charges: list[tuple[str, EntryKind, int, bool]], cut: int
    ) -> None:
        """Lines sum to the invoice, rates to its tax, and two invoices to what one would say."""
        ledger = Ledger()
        ledger.fill("50", LotOrigin.PROMOTIONAL)
        ledger.fill("100000")
        for amount, kind, year, back in charges:
            paid = ledger.pay(amount, kind, kind.value, datetime(year, 10, 5, tzinfo=UTC))
            if back and kind is EntryKind.PLAN_FEE:
                ledger.back("0.5", paid)
        whole = ledger.invoiced()
        halves = [
            ledger.invoiced(entries=ledger.entries[:cut]),
            ledger.invoiced(entries=ledger.entries[cut:]),
        ]
        sold = -sum(
            units
            for entry in ledger.entries
            if entry.kind is not EntryKind.GRANT and entry.kind is not EntryKind.TOP_UP
            for lot, units in entry.parts
            if ledger.origins[lot] is LotOrigin.PAID
        )
        if whole is None:
            assert abs(sold) < 5_000
            return
        sign = 1 if whole.kind is InvoiceKind.INVOICE else -1
        assert round(whole.ledger.amount * 10**6) == sign * sold
        assert abs(whole.rounding.amount) <= money("0.005", "TRY").amount
        assert total((one.tax for one in whole.taxes), "TRY") == whole.tax
        assert total((whole.net, whole.tax), "TRY") == whole.gross
        if all(halves):
            parts = [
                (one.ledger if one.kind is InvoiceKind.INVOICE else -one.ledger)
                for one in halves
                if one is not None
            ]
            assert total(parts, "TRY").amount * sign == whole.ledger.amount


class TestNumbers:
    """Sixteen characters, as the revenue administration wants them."""

    def test_a_number_is_series_year_and_ordinal(self) -> None:
        assert str(InvoiceNumber("MCB", 2026, 123_456_789)) == "MCB2026123456789"
        assert len(str(InvoiceNumber("MCB", 2026, 1))) == 16

    @pytest.mark.parametrize(
        ("series", "year", "ordinal", "field"),
        [("mcb", 2026, 1, "series"), ("MCB", 26, 1, "year"), ("MCB", 2026, 0, "ordinal")],
    )
    def test_anything_else_is_refused(
        self, series: str, year: int, ordinal: int, field: str
    ) -> None:
        with pytest.raises(InvalidInput) as refused:
            InvoiceNumber(series, year, ordinal)
        assert refused.value.field == field

    def test_the_year_is_that_of_the_local_day(self) -> None:
        """Half past midnight on 1 January in Istanbul is still 31 December in UTC."""
        late = datetime(2026, 12, 31, 21, 30, tzinfo=UTC)
        assert BY_CHARGE.counter(InvoiceKind.INVOICE, late) == "MCB2027"
        assert BY_CHARGE.counter(InvoiceKind.INVOICE, late - timedelta(hours=1)) == "MCB2026"


class TestDocuments:
    """What leaves the library."""

    def test_data_is_plain_and_whole(self) -> None:
        """It survives JSON, carries the tax id whole, and writes minor digits."""
        ledger = Ledger()
        ledger.fill("5000")
        ledger.pay("1500")
        data = json.loads(
            json.dumps(invoice_data(invoiced(ledger), locale="tr", catalog=sample_catalog()))
        )
        assert (data["gross"], data["tax"]) == ("1500.00", "250.00")
        assert data["buyer"]["tax_id"] == "17291716060"
        assert data["lines"][0]["title"] == "Abonelik planı: Growth, aylık"
        assert data["period"] == {"start_on": "2026-10-01", "end_on": "2026-10-31"}

    def test_a_registered_buyer_gets_an_e_invoice(self) -> None:
        ledger = Ledger()
        ledger.fill("5000")
        ledger.pay("1500")
        made = ledger.invoiced(who=parties(registered=True))
        assert made is not None
        assert ubl_fields(made)["ProfileID"] == "TEMELFATURA"
        assert ubl_fields(invoiced(ledger))["ProfileID"] == "EARSIVFATURA"

    @pytest.mark.parametrize(("locale", "title"), [("tr", "Fatura"), ("en", "Invoice")])
    def test_the_page_speaks_both_languages_and_escapes(self, locale: str, title: str) -> None:
        """What a buyer calls itself is text and never markup."""
        ledger = Ledger()
        ledger.fill("5000")
        ledger.pay("1500", text="<script>alert(1)</script>")
        nasty = attrs.evolve(BUYER, business_name="<img src=x>")
        made = ledger.invoiced(who=parties(buyer=nasty))
        assert made is not None
        page = invoice_page(made, locale=locale)
        assert f"<h1>{title}</h1>" in page
        assert "<script" not in page
        assert "<img" not in page

    def test_nothing_shows_a_tckn_by_accident(self) -> None:
        """repr and str of an invoice mask it; only documents carry it."""
        ledger = Ledger()
        ledger.fill("5000")
        ledger.pay("1500")
        made = invoiced(ledger)
        assert "17291716060" not in repr(made) + str(made)
