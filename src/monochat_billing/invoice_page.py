"""The invoice page: an invoice as one printable HTML document, in Turkish or English.

*Owns* layout, titles and escaping.
*Does not own* the facts (:mod:`monochat_billing.invoices`); it is no e-document and files nothing.

One self-contained document: inline style, no script, no image, nothing to fetch; it prints on A4.
Every value goes through :func:`html.escape` before it meets the markup.
"""

from collections.abc import Callable
from html import escape
from typing import Final

from monochat_billing.catalog_versions import AnyCatalog
from monochat_billing.entry_words import product_words
from monochat_billing.invoice_documents import line_title, rate_text
from monochat_billing.invoices import Invoice, InvoiceKind, InvoiceLine
from monochat_billing.profiles import BillingProfile
from monochat_billing.tax import TaxTreatment
from monochat_billing.wording import Words

__all__ = ["invoice_page"]

_STYLE: Final = """\
:root{--ink:#1c2430;--quiet:#5b6675;--line:#d8dee6;--tint:#f4f6f9}
*{box-sizing:border-box}
body{margin:0;background:#eef1f5;color:var(--ink);
 font:15px/1.5 system-ui,"Segoe UI",Roboto,"Noto Sans",sans-serif}
main{max-width:210mm;margin:1.5rem auto;padding:16mm 15mm;background:#fff;border-radius:6px}
header{display:flex;justify-content:space-between;gap:2rem;flex-wrap:wrap;
 padding-bottom:1rem;border-bottom:2px solid var(--ink)}
h1{margin:0;font-size:1.5rem;line-height:1.2}
h2{margin:0 0 .25rem;font-size:.8rem;font-weight:600;color:var(--quiet)}
dl{display:grid;grid-template-columns:auto auto;gap:.1rem 1rem;margin:0}
dt{color:var(--quiet)}dd{margin:0;text-align:right;font-variant-numeric:tabular-nums}
.parties{display:grid;grid-template-columns:1fr 1fr;gap:2rem;margin:1.25rem 0}
.parties p{margin:0}.parties strong{font-size:1.05rem}
.scroll{overflow-x:auto}
table{width:100%;border-collapse:collapse;margin:.5rem 0 1rem}
th{padding:.45rem .5rem;text-align:left;font-size:.8rem;font-weight:600;color:var(--quiet);
 border-bottom:1px solid var(--ink)}
td{padding:.5rem;border-bottom:1px solid var(--line);vertical-align:top}
th.n,td.n{text-align:right;white-space:nowrap;font-variant-numeric:tabular-nums}
small{display:block;color:var(--quiet)}
.sums{margin-left:auto;width:min(100%,22rem)}
.sums .all{padding-top:.35rem;border-top:1px solid var(--ink);font-weight:700;color:var(--ink)}
aside{margin-top:1.25rem;padding:.75rem 1rem;background:var(--tint);border-radius:4px}
aside p{margin:.15rem 0}
@media(max-width:40rem){main{margin:0;padding:1.25rem;border-radius:0}
 .parties{grid-template-columns:1fr;gap:1rem}}
@media print{@page{size:A4;margin:14mm}body{background:#fff;font-size:12px}
 main{max-width:none;margin:0;padding:0}tr{break-inside:avoid}}
"""


def invoice_page(invoice: Invoice, *, locale: str = "tr", catalog: AnyCatalog | None = None) -> str:
    """Write an invoice as an HTML document in a language.

    With a ``catalog`` its lines name products, without one they have their ids. The buyer's tax id
    stands on it whole, as an invoice has to carry it.

    Raises:
        InvalidInput: there are no sentences in that language.
    """
    words = Words(locale)
    page = _Page(invoice, words, product_words(catalog, invoice.issued_at, words))
    return (
        f'<!doctype html>\n<html lang="{words.locale}">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(f'{page.title} {invoice.number}')}</title>\n<style>\n{_STYLE}</style>\n"
        f"</head>\n<body>\n<main>\n{page.head()}{page.parties()}{page.lines()}{page.sums()}"
        f"{page.notes()}</main>\n</body>\n</html>\n"
    )


class _Page:
    """Write the parts of the page."""

    def __init__(self, invoice: Invoice, words: Words, product: Callable[[str], str]) -> None:
        self._product = product
        self._invoice = invoice
        self._words = words
        credit = invoice.kind is InvoiceKind.CREDIT_NOTE
        self.title = words.say("Credit note") if credit else words.say("Invoice")

    def head(self) -> str:
        invoice, words = self._invoice, self._words
        facts = [
            (words.say("Number"), str(invoice.number)),
            (words.say("Issued on"), words.day(invoice.issued_on)),
        ]
        if invoice.period is not None:
            first = words.local_day(invoice.period.start, invoice.zone)
            last = words.day(invoice.period.last_day(invoice.zone))
            facts.append((words.say("Period"), f"{first} – {last}"))
        if invoice.top_up:
            facts.append((words.say("Top-up"), invoice.top_up))
        if invoice.corrects is not None:
            facts.append((words.say("Gives back"), str(invoice.corrects)))
        return f"<header><h1>{escape(self.title)}</h1>{_facts(facts)}</header>\n"

    def parties(self) -> str:
        invoice, words = self._invoice, self._words
        seller = self._party(words.say("Seller"), invoice.seller)
        buyer = self._party(words.say("Buyer"), invoice.buyer)
        return f'<section class="parties">{seller}{buyer}</section>\n'

    def _party(self, title: str, profile: BillingProfile) -> str:
        address, tax_id = profile.address, profile.tax_id
        place = " ".join(
            part for part in (address.post_code, address.district, address.city) if part
        )
        tax = f"{tax_id.kind.value} {tax_id.number}"
        if tax_id.tax_office:
            office = self._words.say("tax office {name}", name=tax_id.tax_office)
            tax = f"{tax}, {office}"
        lines = [address.line, f"{place}, {address.country}", tax, profile.email or ""]
        rows = "".join(f"<p>{escape(line)}</p>" for line in lines if line)
        name = escape(profile.business_name)
        return f"<div><h2>{escape(title)}</h2><p><strong>{name}</strong></p>{rows}</div>"

    def lines(self) -> str:
        words, invoice = self._words, self._invoice
        heads = [
            ("", words.say("Description")),
            (' class="n"', words.say("Net")),
            (' class="n"', f"{invoice.lines[0].tax.rate.name} %"),
            (' class="n"', invoice.lines[0].tax.rate.name),
            (' class="n"', words.say("Gross")),
        ]
        top = "".join(f'<th scope="col"{kind}>{escape(text)}</th>' for kind, text in heads)
        rows = "".join(self._row(line) for line in invoice.lines)
        return (
            f'<div class="scroll"><table><thead><tr>{top}</tr></thead>'
            f"<tbody>{rows}</tbody></table></div>\n"
        )

    def _row(self, line: InvoiceLine) -> str:
        words = self._words
        about = []
        if line.count > 1:
            about.append(words.say_plural("{count} entry", "{count} entries", line.count))
        if line.promotional.amount:
            paid = words.money(line.promotional)
            about.append(words.say("{amount} paid by promotions", amount=paid))
        small = f"<small>{escape(', '.join(about))}</small>" if about else ""
        taxed = line.tax.treatment is TaxTreatment.TAXED
        cells = (
            words.amount(line.tax.net),
            line.tax.rate.percent if taxed else "0",
            words.amount(line.tax.tax),
            words.amount(line.gross),
        )
        numbers = "".join(f'<td class="n">{escape(cell)}</td>' for cell in cells)
        return f"<tr><td>{escape(line_title(line, words, self._product))}{small}</td>{numbers}</tr>"

    def sums(self) -> str:
        words, invoice = self._words, self._invoice
        facts = [(words.say("Net"), words.money(invoice.net))]
        for one in invoice.taxes:
            taxed = one.treatment is TaxTreatment.TAXED
            percent = one.rate.percent if taxed else "0"
            name = words.say("{name} {percent}%", name=one.rate.name, percent=percent)
            facts.append((name, words.money(one.tax)))
        total = (words.say("Total"), words.money(invoice.gross))
        if invoice.exchange is not None:
            facts.append(
                (
                    words.say("Rate to {currency}", currency=invoice.home),
                    rate_text(invoice.exchange),
                )
            )
        return f'<dl class="sums">{_rows(facts)}{_rows([total], " class=all")}</dl>\n'

    def notes(self) -> str:
        words, invoice = self._words, self._invoice
        notes = [invoice.reason] if invoice.reason else []
        notes += [
            self._untaxed(one.treatment, one.reason)
            for one in invoice.taxes
            if one.treatment is not TaxTreatment.TAXED
        ]
        if invoice.rounding.amount:
            exact = words.money(invoice.ledger)
            notes.append(
                words.say(
                    "The balance was charged {exact}; the rounding is {rounding}.",
                    exact=exact,
                    rounding=words.money(invoice.rounding),
                )
            )
        return (
            f"<aside>{''.join(f'<p>{escape(one)}</p>' for one in notes)}</aside>\n" if notes else ""
        )

    def _untaxed(self, treatment: TaxTreatment, reason: str) -> str:
        words = self._words
        if treatment is TaxTreatment.REVERSE_CHARGE:
            return words.say(
                "Reverse charge: the buyer accounts for the tax ({code}).", code=reason
            )
        if treatment is TaxTreatment.EXPORT:
            return words.say("Service used abroad, no tax is charged ({code}).", code=reason)
        return words.say("Exempt from tax ({code}).", code=reason)


def _facts(facts: list[tuple[str, str]]) -> str:
    return f"<dl>{_rows(facts)}</dl>"


def _rows(facts: list[tuple[str, str]], kind: str = "") -> str:
    return "".join(
        f"<dt{kind}>{escape(name)}</dt><dd{kind}>{escape(text)}</dd>" for name, text in facts
    )
