"""One visit to the page: who asks, in which language, and how an answer is given.

Owns sessions, the proof that a form came from here, redirects after each form, and rendering.
Does not own what stands on a page (``views``) or what a form does (``pages``).
"""

import hashlib
import re
from collections.abc import Callable, Mapping
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Final, final

import attrs
import jinja2
from fastapi import Depends, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from starlette.concurrency import run_in_threadpool

from examples.billing_page.shelf import Shelf, form_token, fresh_token, is_form_token
from examples.billing_page.texts import best_language, text
from monochat_billing import Billing, ChangeQuote, Money
from monochat_billing.plans import AnyCatalog, Catalog
from monochat_billing.translations import LOCALES
from monochat_billing.turkish import turkish_upper
from monochat_billing.wording import Words

__all__ = ["ForgedForm", "Posted", "Site", "Visit", "posting", "visit_of", "visiting"]

HERE: Final = Path(__file__).parent
LONGEST_FORM: Final = 64 * 1024
_TOKEN: Final = re.compile(r"[A-Za-z0-9_-]{16,64}", re.ASCII)


class ForgedForm(Exception):
    """Refuse a form that did not come from a page of this session."""


@final
@attrs.frozen(kw_only=True)
class Note:
    """Say something once, on the next page."""

    text: str
    is_problem: bool = False


@final
@attrs.frozen(kw_only=True)
class Site:
    """Hold what all visits share.

    ``account_of`` tells whose page it is; a host answers from its own login. ``url`` is where this
    page is reached, ``payment_pages`` where gateways send a buyer, and ``secret`` signs forms.
    ``exchange`` is what a unit of each currency is worth in the seller's own, for invoices.
    """

    billing: Billing
    catalog: AnyCatalog
    url: str
    secret: str = attrs.field(repr=False)
    account_of: Callable[[Request], str]
    payment_pages: tuple[str, ...] = ()
    gateway: str = "sandbox"
    exchange: Mapping[str, Fraction] = attrs.field(factory=dict)
    quotes: Shelf[ChangeQuote] = attrs.field(factory=Shelf, repr=False)
    notes: Shelf[Note] = attrs.field(factory=Shelf, repr=False)
    style: str = attrs.field(repr=False)

    @style.default
    def _read_style(self) -> str:
        return (HERE / "page.css").read_text(encoding="utf-8")

    @property
    def style_path(self) -> str:
        """Give an address of the style that changes with it, so that it can be kept for ever."""
        return f"/style-{hashlib.sha256(self.style.encode()).hexdigest()[:12]}.css"

    @property
    def secure(self) -> bool:
        """Tell whether cookies travel over TLS only."""
        return self.url.startswith("https:")


@attrs.frozen(kw_only=True)
class Visit:
    """Hold one request with its session, account and language."""

    site: Site
    request: Request
    account: str
    session: str
    language: str

    @property
    def billing(self) -> Billing:
        """Give the service."""
        return self.site.billing

    @property
    def words(self) -> Words:
        """Give the words of the visitor's language."""
        return Words(self.language)

    @property
    def catalog(self) -> Catalog:
        """Give the catalog in force now."""
        return self.site.catalog.at(self.billing.context.now())

    def text(self, name: str, /, **values: object) -> str:
        """Give one of the page's own texts."""
        return text(name, self.language, **values)

    def price(self, value: Money) -> str:
        """Write an amount with its currency's symbol, or its code where the language has none."""
        written = self.words.with_symbol(value)
        return self.words.money(value) if value.currency.code in written else written

    def render(self, template: str, status: int = 200, /, **values: object) -> HTMLResponse:
        """Answer with a page; what was to be said once is said."""
        note = self.site.notes.take(self.session, "note")
        html = (
            _templates()
            .get_template(template)
            .render(
                t=self.text,
                words=self.words,
                language=self.language,
                languages=LOCALES,
                path=self.request.url.path,
                address=self._address,
                style=self.site.style_path,
                token=form_token(self.site.secret, self.session),
                key=fresh_token(),
                note=note,
                catalog_note=self.catalog.note,
                **values,
            )
        )
        response = HTMLResponse(html, status)
        self._keep_session(response)
        return response

    @property
    def _address(self) -> str:
        """Give the address of this page, to come back to; of a form's answer, that of the form."""
        url = self.request.url
        asked = url.query if self.request.method == "GET" else ""
        return f"{url.path}?{asked}" if asked else url.path

    def go(self, path: str, note: str = "", *, is_problem: bool = False) -> Response:
        """Send the browser on to another page, so that going back repeats no form."""
        if note:
            self.site.notes.put(self.session, "note", Note(text=note, is_problem=is_problem))
        response = RedirectResponse(path, 303)
        self._keep_session(response)
        return response

    def speak(self, language: str, path: str) -> Response:
        """Remember a language and go on."""
        response = self.go(path)
        response.set_cookie(
            "language",
            language,
            max_age=365 * 24 * 3600,
            httponly=True,
            samesite="lax",
            secure=self.site.secure,
        )
        return response

    def _keep_session(self, response: Response) -> None:
        if self.request.cookies.get("session") != self.session:
            response.set_cookie(
                "session", self.session, httponly=True, samesite="lax", secure=self.site.secure
            )


@final
@attrs.frozen(kw_only=True)
class Posted(Visit):
    """Hold a visit that brings a form of this session's."""

    sent: Mapping[str, str]

    def field(self, name: str) -> str:
        """Give a field, blank where the form has none."""
        return self.sent.get(name, "")

    def key_for(self, *content: object) -> str:
        """Give the idempotency key: that of the form, for what it asks.

        Sent twice, a form asks the same and gets the first answer; changed in between, it asks
        something else.
        """
        asked = "\n".join(map(str, content)).encode()
        return f"page-{self.field('key')}-{hashlib.sha256(asked).hexdigest()[:16]}"


@lru_cache(maxsize=1)
def _templates() -> jinja2.Environment:
    """Compile the templates once for a process; they depend on nothing."""
    found = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.filters["figures"] = _figures
    found.filters["begun"] = _begun
    return found


def visit_of(request: Request) -> Visit:
    """Tell who visits."""
    site: Site = request.app.state.site
    session = request.cookies.get("session", "")
    if not _TOKEN.fullmatch(session):
        session = fresh_token()
    language = request.cookies.get("language", "")
    if language not in LOCALES:
        language = best_language(request.headers.get("accept-language", ""))
    return Visit(
        site=site,
        request=request,
        account=site.account_of(request),
        session=session,
        language=language,
    )


async def _posted(request: Request) -> Posted:
    """Read a form and refuse it unless a page of this session sent it."""
    length = request.headers.get("content-length", "")
    if not length.isdecimal() or int(length) > LONGEST_FORM:
        raise ForgedForm
    visit = await run_in_threadpool(visit_of, request)
    origin = request.headers.get("origin")
    ours = (visit.site.url, f"{request.url.scheme}://{request.headers.get('host')}")
    if origin is not None and origin not in ours:
        raise ForgedForm
    form = await request.form(max_files=0)
    sent = {name: value for name, value in form.items() if isinstance(value, str)}
    if not is_form_token(visit.site.secret, visit.session, sent.get("token", "")):
        raise ForgedForm
    if not _TOKEN.fullmatch(sent.get("key", "")):
        raise ForgedForm
    return Posted(
        site=visit.site,
        request=request,
        account=visit.account,
        session=visit.session,
        language=visit.language,
        sent=sent,
    )


visiting = Annotated[Visit, Depends(visit_of)]
posting = Annotated[Posted, Depends(_posted)]


def _begun(text: str, language: str) -> str:
    """Begin a text with a capital, as its language writes one."""
    upper = turkish_upper if language == "tr" else str.upper
    return upper(text[:1]) + text[1:]


def _figures(cell: str) -> str:
    """Turn blanks at the right of a number into blanks as wide as a digit."""
    bare = cell.rstrip(" ")
    return bare + "\u2007" * (len(cell) - len(bare))
