"""The Billing page as an application: its addresses, and what each form does.

Owns the routes, the headers of every answer, and which answer an error of the library becomes. Does
not own any rule: a form becomes one call of the service, and its refusal one sentence.

After a form the browser is sent on (303), so that reloading and going back repeat nothing. A form
carries the key that its command is remembered under, so that sending it twice does it once.
"""

from collections.abc import Awaitable, Callable
from urllib.parse import urlencode

from fastapi import APIRouter, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, PlainTextResponse, Response
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from examples.billing_page import endings, packs, refunds, statements, views
from examples.billing_page.forms import FIELDS, TopUpForm, day_of, profile_fields
from examples.billing_page.visit import ForgedForm, Posted, Site, Visit, posting, visit_of, visiting
from monochat_billing import (
    MONTH,
    BillingError,
    BillingInterval,
    Family,
    ForgedCallback,
    InfrastructureError,
    InsufficientFunds,
    InvalidInput,
    Rejected,
    StaleQuote,
    TopUp,
    UnknownName,
    explain_refusal,
)
from monochat_billing.instants import local_midnight
from monochat_billing.money import amount_text, money
from monochat_billing.plans import ChangeTiming
from monochat_billing.top_ups import TopUpState
from monochat_billing.translations import LOCALES

__all__ = ["create_app"]

router = APIRouter()


def create_app(site: Site) -> FastAPI:
    """Build the application around a site."""
    app = FastAPI(title="Billing", docs_url=None, redoc_url=None, openapi_url=None)
    app.state.site = site
    app.include_router(router)
    for part in (packs, endings, statements):
        app.include_router(part.router)
    site.billing.outbox.subscribe(refunds.CONSUMER)
    app.middleware("http")(_with_headers)
    app.add_exception_handler(BillingError, _refused)
    app.add_exception_handler(ForgedForm, _forged)
    app.add_exception_handler(HTTPException, _not_here)
    app.add_exception_handler(RequestValidationError, _not_here)
    return app


# ---------------------------------------------------------------------------------- overview


@router.get("/")
def overview(visit: visiting) -> Response:
    """Show the account: warnings, balances, subscriptions, what is planned, what comes."""
    return visit.render("overview.html", **views.overview_values(visit))


@router.get("/language/{language}")
def speak(visit: visiting, language: str, back: str = "/") -> Response:
    """Change the language and go back to a page of this site."""
    if language not in LOCALES:
        raise HTTPException(404)
    is_ours = back.startswith("/") and not back.startswith("//") and back.isprintable()
    return visit.speak(language, back if is_ours and "\\" not in back else "/")


@router.get("/style-{version}.css")
def style(request: Request, version: str) -> Response:
    """Give the style; its address changes with it."""
    site: Site = request.app.state.site
    headers = {}
    if site.style_path == f"/style-{version}.css":
        headers["Cache-Control"] = "public, max-age=31536000, immutable"
    return Response(site.style, media_type="text/css", headers=headers)


# ------------------------------------------------------------------------------------- plans


@router.get("/plans")
def plans(visit: visiting, interval: str = "") -> Response:
    """Show plans and support packages as cards, monthly or yearly."""
    held = views.held_in(visit, Family.PLAN)
    usual = str(held.price.interval) if held else "MONTH"
    chosen = interval or (usual if usual in views.INTERVALS else "MONTH")
    wanted = _interval(chosen)
    families = [
        (name, views.cards(visit, family, wanted))
        for name, family in (("plan_family", Family.PLAN), ("support_family", Family.SUPPORT))
    ]
    return visit.render(
        "plans.html",
        families=families,
        interval=chosen,
        per="a_month" if wanted == MONTH else "a_year",
    )


@router.get("/change")
def preview(visit: visiting, to: str, interval: str) -> Response:
    """Show what a choice costs, line by line, before anything is done."""
    wanted = _interval(interval)
    product = visit.catalog.product(to)
    held = views.held_in(visit, product.family)
    if held is None:
        start = views.start_of(visit, product, wanted)
        return visit.render(
            "start.html",
            product=product.name(visit.language),
            per=visit.words.interval(wanted),
            sums_shown=views.start_sums(visit, start),
            short=visit.words.money(start.short) if start.short else "",
            short_amount=visit.words.amount(start.short) if start.short else "",
            currency=start.amount.currency.code,
            to=product.id,
            interval=interval,
        )
    return visit.render("change.html", **views.preview_values(visit, product, wanted, held))


@router.post("/change")
def change(visit: posting) -> Response:
    """Do exactly what was shown, or say why not and show what holds now."""
    quote = visit.site.quotes.get(visit.account, visit.field("quote"))
    if quote is None:
        return visit.go("/plans", visit.text("quote_gone"), is_problem=True)
    again = _change_path(quote.to_product, str(quote.to_price.interval))
    try:
        visit.billing.subscriptions.change(quote)
    except StaleQuote:
        return visit.go(again, visit.text("stale"), is_problem=True)
    except InsufficientFunds as refused:
        return visit.go(again, explain_refusal(refused, visit.language), is_problem=True)
    return visit.go("/", visit.text("done_change"))


@router.post("/start")
def start(visit: posting) -> Response:
    """Begin with a product of a family of which the account has none."""
    to, interval = visit.field("to"), visit.field("interval")
    try:
        visit.billing.subscriptions.subscribe(
            visit.account, to, _interval(interval), key=visit.key_for("start", to, interval)
        )
    except InsufficientFunds as refused:
        return visit.go(
            _change_path(to, interval), explain_refusal(refused, visit.language), is_problem=True
        )
    return visit.go("/", visit.text("done_start"))


@router.post("/schedule")
def schedule(visit: posting) -> Response:
    """Plan a change for the period's end, or for a day ahead."""
    to, interval = visit.field("to"), visit.field("interval")
    asks_day = visit.field("when") == "day"
    day = visit.field("day") if asks_day else ""
    wanted = _interval(interval)
    zone = visit.billing.accounts.get(visit.account).zone
    try:
        chosen = day_of(day, required=asks_day)
        visit.billing.schedule.change(
            visit.account,
            to=to,
            interval=wanted,
            timing=None if chosen else ChangeTiming.END_OF_PERIOD,
            at=local_midnight(chosen, zone) if chosen else None,
            key=visit.key_for("schedule", to, interval, day),
        )
    except UnknownName:
        raise
    except InvalidInput:
        return visit.go(_change_path(to, interval), visit.text("bad_day"), is_problem=True)
    return visit.go("/#scheduled", visit.text("done_schedule"))


@router.post("/revoke")
def revoke(visit: posting) -> Response:
    """Take back a scheduled change."""
    name = visit.field("scheduled")
    visit.billing.schedule.revoke(visit.account, name, key=visit.key_for("revoke", name))
    return visit.go("/#scheduled", visit.text("done_revoke"))


def _interval(name: str) -> BillingInterval:
    found = views.INTERVALS.get(name)
    if found is None:
        raise UnknownName("interval", name, "is not offered here", "use MONTH or YEAR")
    return found


def _change_path(to: str, interval: str) -> str:
    return "/change?" + urlencode({"to": to, "interval": interval})


# ----------------------------------------------------------------------------------- top-ups


@router.get("/top-up")
def top_up_form(visit: visiting, amount: str = "", currency: str = "") -> Response:
    """Ask for an amount and for what the invoice needs."""
    account = visit.billing.accounts.get(visit.account)
    chosen = currency if currency in account.currencies else account.currencies[0]
    shown = {**profile_fields(account.profile), "amount": amount[:40], "currency": chosen}
    return _top_up_page(visit, 200, shown, account.currencies, ())


@router.post("/top-up")
def top_up(visit: posting) -> Response:
    """Keep the billing profile, start the top-up, and send the buyer to the payment page."""
    account = visit.billing.accounts.get(visit.account)
    currency = visit.field("currency")
    if currency not in account.currencies:
        currency = account.currencies[0]
    form = TopUpForm.read(visit.sent, visit.language, currency, account.profile)
    if form.amount is None or form.profile is None or form.wrong:
        return _asked_again(visit, currency, account.currencies, form.wrong)
    if form.profile != account.profile:
        visit.billing.accounts.update_profile(
            visit.account, form.profile, key=f"page-{visit.billing.context.ids()}"
        )
    try:
        checkout = visit.billing.top_ups.start(
            visit.account,
            form.amount,
            gateway=visit.site.gateway,
            return_url=f"{visit.site.url}/top-up/back",
            key=visit.key_for("top-up", amount_text(form.amount), currency),
        )
    except UnknownName:
        raise
    except InvalidInput:
        return _asked_again(visit, currency, account.currencies, ("amount",))
    if visit.billing.top_ups.get(visit.account, checkout.top_up).entry is not None:
        return visit.go("/top-up", visit.text("settled_already"), is_problem=True)
    joint = "&" if "?" in checkout.redirect_url else "?"
    return visit.go(f"{checkout.redirect_url}{joint}lang={visit.language}")


@router.get("/top-up/back")
def back(visit: visiting, top_up: str) -> Response:
    """Say what became of a payment, as the books have it: what the address says proves nothing."""
    found = visit.billing.top_ups.get(visit.account, top_up)
    balance = visit.billing.balances.list(visit.account)[found.amount.currency.code]
    now = visit.billing.context.now()
    return visit.render(
        "paid.html",
        outcome=_outcome(found),
        amount=visit.price(found.value),
        available=visit.price(balance.money(balance.available(None, now))),
        here=f"/top-up/back?{urlencode({'top_up': found.id})}",
        again="/top-up?"
        + urlencode(
            {"amount": visit.words.amount(found.amount), "currency": found.amount.currency.code}
        ),
    )


@router.post("/callbacks/{gateway}")
async def callback(request: Request, gateway: str) -> Response:
    """Hand a gateway's callback over as it came; invoice what it credited."""
    body = await request.body()
    site: Site = request.app.state.site
    try:
        return await run_in_threadpool(_receive, site, gateway, dict(request.headers), body)
    except ForgedCallback as error:
        return PlainTextResponse(f"{error}\n", 403)
    except InvalidInput as error:
        return PlainTextResponse(f"{error}\n", 400)
    except InfrastructureError as error:
        return PlainTextResponse(f"{error}\n", 503, {"Retry-After": "1"})


def _receive(site: Site, gateway: str, headers: dict[str, str], body: bytes) -> Response:
    receipt = site.billing.top_ups.receive(gateway, headers, body)
    top_up = receipt.top_up
    if top_up.entry is not None and site.billing.context.invoicing is not None:
        # The key is the top-up's, so a callback that comes again finds the invoice that there is.
        site.billing.invoices.for_top_up(
            top_up.account,
            top_up.id,
            key=f"invoice-{top_up.id}",
            exchange=site.exchange.get(top_up.value.currency.code),
        )
    answer = receipt.answer
    return Response(answer.body, answer.status, media_type=answer.content_type)


def _outcome(found: TopUp) -> str:
    if found.entry is not None:
        return "paid"
    if found.state in (TopUpState.FAILED, TopUpState.EXPIRED):
        return "unpaid"
    return "review" if found.state is TopUpState.QUARANTINED else "waiting"


def _asked_again(
    visit: Posted, currency: str, currencies: tuple[str, ...], wrong: tuple[str, ...]
) -> Response:
    shown = {name: visit.field(name) for name in FIELDS}
    shown |= {"amount": visit.field("amount"), "currency": currency}
    return _top_up_page(visit, 422, shown, currencies, wrong)


def _top_up_page(
    visit: Visit,
    status: int,
    shown: dict[str, str],
    currencies: tuple[str, ...],
    wrong: tuple[str, ...],
) -> HTMLResponse:
    sample = visit.words.amount(money("1250", shown["currency"]))
    if "tax_id.country" in wrong:
        wrong = (*wrong, "tax_id.kind")
    known = [name for name in ("amount", *FIELDS, "tax_id.country") if name in wrong]
    return visit.render(
        "top_up.html",
        status,
        shown={name: shown.get(name, "") for name in ("amount", "currency", *FIELDS)},
        currencies=currencies,
        wrong={name: visit.text(f"bad_{name}", sample=sample) for name in known},
        sample=sample,
    )


# ------------------------------------------------------------------------------------ errors


async def _with_headers(
    request: Request, call: Callable[[Request], Awaitable[Response]]
) -> Response:
    """Let a page load nothing but its own style, and stand in no other page's frame."""
    response = await call(request)
    site: Site = request.app.state.site
    targets = " ".join(("'self'", *site.payment_pages))
    policy = f"default-src 'none'; style-src 'self'; form-action {targets}"
    headers = response.headers
    headers.setdefault(
        "Content-Security-Policy", f"{policy}; base-uri 'none'; frame-ancestors 'none'"
    )
    headers.setdefault("Cache-Control", "no-store")
    headers.setdefault("Referrer-Policy", "same-origin")
    headers.setdefault("X-Content-Type-Options", "nosniff")
    return response


def _refused(request: Request, error: Exception) -> Response:
    """Answer an error of the library with a sentence for a customer."""
    visit = visit_of(request)
    if isinstance(error, UnknownName):
        return _problem(visit, 404, visit.text("not_found_title"), visit.text("not_found"))
    status = 409 if isinstance(error, Rejected) else 400
    if isinstance(error, InfrastructureError):
        status = 503
    if not isinstance(error, BillingError):
        raise error
    said = explain_refusal(error, visit.language)
    return _problem(visit, status, visit.text("problem"), said)


def _forged(request: Request, error: Exception) -> Response:
    del error
    visit = visit_of(request)
    return _problem(visit, 403, visit.text("problem"), visit.text("csrf"))


def _not_here(request: Request, error: Exception) -> Response:
    visit = visit_of(request)
    status = error.status_code if isinstance(error, HTTPException) else 404
    response = _problem(visit, status, visit.text("not_found_title"), visit.text("not_found"))
    if isinstance(error, HTTPException) and error.headers:
        response.headers.update(error.headers)
    return response


def _problem(visit: Visit, status: int, title: str, said: str) -> Response:
    return visit.render("problem.html", status, title=title, said=said)
