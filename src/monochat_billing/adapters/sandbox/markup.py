"""The payment page as HTML, in Turkish and English.

Owns texts, layout and escaping.
Does not own HTTP: it returns text and knows no request.

One self-contained document: inline style, no script, no image, nothing to fetch. Every value goes
through :func:`html.escape` before it meets the markup.
"""

import enum
import re
from collections.abc import Mapping
from html import escape
from types import MappingProxyType
from typing import Final

from monochat_billing.adapters.sandbox.signing import PaymentLink
from monochat_billing.money_text import format_money

__all__ = ["Language", "pay_page", "problem_page"]


class Language(enum.StrEnum):
    """Name a language that the page speaks."""

    TR = "tr"
    EN = "en"


_LOCALES: Final[Mapping[Language, str]] = MappingProxyType(
    {Language.TR: "tr_TR", Language.EN: "en_US"}
)

_TEXTS: Final[Mapping[Language, Mapping[str, str]]] = MappingProxyType(
    {
        Language.TR: {
            "title": "Bakiye yükleme",
            "sandbox": "Deneme ortamı",
            "no_money": "gerçek para çekilmez",
            "amount": "Ödenecek tutar",
            "business": "İşletme",
            "reference": "Yükleme no",
            "pay": "{amount} öde",
            "decline": "Ödemeyi reddet",
            "hint": "“Reddet”, bankanın ödemeyi geri çevirdiği durumu dener; "
            "sonra yine ödeyebilirsiniz.",
            "other": "English",
            "untold_title": "İşletmeden onay alınamadı",
            "untold": "Ödemenizin sonucunu işletmeye iletemedik, bu yüzden bakiyenize işlendiğini "
            "söyleyemeyiz. Yeniden denemek güvenlidir: bu ödeme yalnızca bir kez sayılır.",
            "invalid_title": "Bu bağlantı geçerli değil",
            "invalid": "Ödeme bağlantısı eksik ya da değiştirilmiş. Hiçbir ödeme yapılmadı. "
            "İşletmenin sayfasına dönüp ödemeyi yeniden başlatın.",
            "unset_title": "Ödeme alınamıyor",
            "unset": "Bu sayfaya sonucun iletileceği adres verilmemiş. Hiçbir ödeme yapılmadı.",
        },
        Language.EN: {
            "title": "Top up balance",
            "sandbox": "Sandbox",
            "no_money": "no real money moves",
            "amount": "Amount to pay",
            "business": "Business",
            "reference": "Top-up",
            "pay": "Pay {amount}",
            "decline": "Decline the payment",
            "hint": "“Decline” plays a bank that refuses the payment; "
            "you can still pay afterwards.",
            "other": "Türkçe",
            "untold_title": "The business did not confirm",
            "untold": "We could not pass on the outcome of your payment, so we cannot say that it "
            "reached your balance. Trying again is safe: this payment counts only once.",
            "invalid_title": "This link is not valid",
            "invalid": "The payment link is incomplete or was changed. Nothing was paid. Go back "
            "to the business's page and start the payment again.",
            "unset_title": "This page cannot take payments",
            "unset": "It was not told where to report the outcome. Nothing was paid.",
        },
    }
)

_STYLE: Final = """
:root { color-scheme: light dark; --ink: #17202b; --soft: #566273; --line: #d9dfe6;
  --ground: #eef1f5; --card: #fff; --act: #0b5d3b; --act-ink: #fff; --warn: #fff3c4;
  --warn-ink: #5c4400; --bad: #8f1d1d; }
@media (prefers-color-scheme: dark) { :root { --ink: #eef2f6; --soft: #a9b4c1; --line: #3a4552;
  --ground: #12171d; --card: #1c232b; --act: #54c593; --act-ink: #06281a; --warn: #4a3a06;
  --warn-ink: #ffe9a3; --bad: #ff9d9d; } }
* { box-sizing: border-box; }
body { margin: 0; min-height: 100vh; background: var(--ground); color: var(--ink);
  font: 1rem/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif; }
.sandbox { margin: 0; padding: .6rem 1rem; background: var(--warn); color: var(--warn-ink);
  text-align: center; }
main { width: 100%; max-width: 27rem; margin: clamp(1rem, 8vh, 5rem) auto 2rem; padding: 0 1rem; }
.card { padding: 1.75rem; background: var(--card); border: 1px solid var(--line);
  border-radius: .75rem; box-shadow: 0 1px 3px rgb(0 0 0 / .08); }
h1 { margin: 0 0 1.25rem; font-size: 1.15rem; font-weight: 600; }
dl { margin: 0 0 1.5rem; }
dt { color: var(--soft); font-size: .875rem; }
dd { margin: 0 0 .9rem; overflow-wrap: anywhere; }
dd.amount { font-size: clamp(1.6rem, 9vw, 2.25rem); font-weight: 700; line-height: 1.2;
  font-variant-numeric: tabular-nums; }
dd.reference { font-family: ui-monospace, "DejaVu Sans Mono", monospace; font-size: .875rem; }
button { display: block; width: 100%; min-height: 3rem; padding: .6rem 1rem; border-radius: .5rem;
  font: inherit; font-weight: 600; cursor: pointer; overflow-wrap: anywhere; }
button.pay { border: 2px solid var(--act); background: var(--act); color: var(--act-ink); }
button.decline { margin-top: .75rem; border: 2px solid var(--soft); background: transparent;
  color: inherit; font-weight: 500; }
button:hover { filter: brightness(1.08); }
button:focus-visible, a:focus-visible { outline: 3px solid var(--ink); outline-offset: 2px; }
.hint { margin: 1rem 0 0; color: var(--soft); font-size: .875rem; }
.problem { margin: 0 0 1.5rem; padding: .9rem 1rem; border: 1px solid var(--line);
  border-left: .3rem solid var(--bad); border-radius: .4rem; }
.problem strong { display: block; color: var(--bad); }
.alone { margin: 0; }
nav { margin-top: 1rem; text-align: center; font-size: .875rem; }
a { color: inherit; }
"""


def pay_page(link: PaymentLink, fields: str, language: Language, *, untold: bool = False) -> str:
    """Return the page that asks the buyer to pay ``link``.

    ``fields`` is the signed query that the form repeats. ``untold`` says that the business could
    not be told about the last attempt.

    >>> from monochat_billing.money import money
    >>> link = PaymentLink(
    ...     gateway="sandbox",
    ...     top_up="top-1",
    ...     amount=money("25000", "TRY"),
    ...     business_name="Kaya & Oğulları",
    ...     return_url="http://127.0.0.1:8000/return",
    ... )
    >>> page = pay_page(link, "", Language.TR)
    >>> "₺25.000,00 öde" in page, "Kaya &amp; Oğulları" in page
    (True, True)
    """
    texts = _TEXTS[language]
    amount = _spaced(format_money(link.amount, _LOCALES[language]))
    problem = _problem(texts["untold_title"], texts["untold"]) if untold else ""
    content = f"""
<h1>{escape(texts["title"])}</h1>
{problem}
<dl>
<dt>{escape(texts["amount"])}</dt><dd class="amount">{escape(amount)}</dd>
<dt>{escape(texts["business"])}</dt><dd>{escape(link.business_name)}</dd>
<dt>{escape(texts["reference"])}</dt><dd class="reference">{escape(link.top_up)}</dd>
</dl>
<form method="post" action="/pay">
<input type="hidden" name="lang" value="{language.value}">
<input type="hidden" name="link" value="{escape(fields)}">
<button class="pay" name="action" value="pay">{escape(texts["pay"].format(amount=amount))}</button>
<button class="decline" name="action" value="decline">{escape(texts["decline"])}</button>
</form>
<p class="hint">{escape(texts["hint"])}</p>"""
    other = Language.EN if language is Language.TR else Language.TR
    switch = f"/pay?{fields}&lang={other.value}"
    after = (
        f'<nav><a href="{escape(switch)}" hreflang="{other.value}" lang="{other.value}">'
        f"{escape(texts['other'])}</a></nav>"
    )
    return _document(language, texts["title"], content, after)


def problem_page(kind: str, language: Language) -> str:
    """Return a page that only tells what is wrong: ``kind`` is ``"invalid"`` or ``"unset"``.

    >>> "This link is not valid" in problem_page("invalid", Language.EN)
    True
    """
    texts = _TEXTS[language]
    title = texts[f"{kind}_title"]
    content = f'\n<h1>{escape(title)}</h1>\n<p class="alone">{escape(texts[kind])}</p>'
    return _document(language, title, content, "")


def _spaced(amount: str) -> str:
    """Part a currency's letters from the digits, as CLDR's currency spacing asks: TRY 25."""
    return re.sub(r"(?<=[^\W\d_])(?=\d)", "\u00a0", amount)


def _problem(title: str, text: str) -> str:
    return f'<p class="problem" role="alert"><strong>{escape(title)}</strong> {escape(text)}</p>'


def _document(language: Language, title: str, content: str, after: str) -> str:
    texts = _TEXTS[language]
    return f"""<!DOCTYPE html>
<html lang="{language.value}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>{escape(title)} · {escape(texts["sandbox"])}</title>
<style>{_STYLE}</style>
</head>
<body>
<p class="sandbox"><strong>{escape(texts["sandbox"])}</strong> · {escape(texts["no_money"])}</p>
<main>
<div class="card">{content}
</div>
{after}
</main>
</body>
</html>
"""
