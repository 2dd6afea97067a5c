"""Prepaid balances, plans and usage of one account each, over HTTP and JSON.

**Amounts** are decimal text with their currency, such as `{"amount": "12.50", "currency": "TRY"}`,
never numbers. **Instants** are ISO 8601 with an offset.

**Every command has an `Idempotency-Key`.** Choose one per intent, such as `export-771`. The same
key with the same body gives the first answer again, for ever, also when that was a refusal; with
another body it is a conflict (409). After a lost answer or a 503, send it again as it was.

**A change of plan is shown, then done.** `POST /quotes` shows what it costs and keeps the quote
under the request's key; `POST /changes` with that key does exactly that, or answers 409.

**Reads have an `ETag`.** Send it back as `If-None-Match` and get 304 while nothing has changed.
`PUT /profile` takes the account's `ETag` as `If-Match` and answers 412 when somebody was faster.

**Refusals are problem details** (RFC 9457, `application/problem+json`): `type`, `title`, `status`,
`detail`, and the fields of the error. `in_doubt` tells of a 503 whether it may have been done.

**Lists are paged** by `after` and `limit`; the `next` of a statement is the `after` of its next
page.
"""

# The text above is what the OpenAPI document says of itself. Below: which address asks which verb;
# what only passes through stands in a table.

import hashlib
import inspect
from collections import deque
from collections.abc import Callable
from operator import attrgetter
from typing import Annotated, Any, Final, get_type_hints

from fastapi import APIRouter, Body, Depends, FastAPI, Header, Path, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.exceptions import RequestValidationError
from pydantic import TypeAdapter
from starlette.exceptions import HTTPException

import monochat_billing as library
from examples.api import problems, wire

_TABLE: Final = (
    # address below /accounts/{account}, verb, its arguments in body or address, what is shown
    ("PUT", "", "accounts.open", "zone currencies profile"),
    ("GET", "", "accounts.get", ""),
    ("GET", "/balances", "overview", "", "balances credits"),
    ("GET", "/statements/{currency}", "balances.statement", "currency since until after limit"),
    ("POST", "/credits", "balances.credit", "amount reason reference"),
    ("POST", "/debits", "balances.debit", "amount reason kind reference"),
    ("GET", "/holds", "overview", "", "holds"),
    ("POST", "/holds", "holds.place", "amount reason kind expires_at reference"),
    ("POST", "/holds/captures", "holds.capture", "hold amount reference"),
    ("POST", "/holds/releases", "holds.release", "hold reason"),
    ("POST", "/top-ups", "top_ups.start", "amount gateway return_url"),
    ("GET", "/top-ups/{top_up}", "top_ups.get", "top_up"),
    ("GET", "/subscriptions", "subscriptions.list", ""),
    ("POST", "/subscriptions", "subscriptions.subscribe", "product interval currency quantity"),
    ("POST", "/quotes", "subscriptions.preview", "to of interval timing quantity"),
    ("GET", "/schedule", "schedule.list", ""),
    ("POST", "/schedule", "schedule.change", "to interval at replaces"),
    ("POST", "/schedule/cancels", "schedule.cancel", "subscription at"),
    ("POST", "/schedule/revocations", "schedule.revoke", "scheduled_change"),
    ("GET", "/usage", "usage.records", "since until meter"),
    ("POST", "/usage", "usage.record", "records"),
    ("GET", "/overview", "overview", "last"),
    ("GET", "/upcoming", "upcoming", "until most"),
    ("GET", "/may-use/{name}", "may_use", "name more"),
    ("GET", "/invoices", "invoices.list", "after limit"),
    ("GET", "/invoices/{invoice}", "invoices.get", "invoice"),
    ("POST", "/invoices", "invoices.for_top_up", "top_up registered"),
    ("GET", "/events", "events", "after limit"),
)


Match = Annotated[str, Header(alias="If-Match")]
Key = Annotated[str, Header(alias="Idempotency-Key", min_length=1, max_length=200)]
router = APIRouter(prefix="/accounts/{account}", responses=problems.PROBLEMS)


def _rendered(answer: Any, found: object) -> tuple[bytes, str]:  # noqa: ANN401 - a type
    """Give the JSON of what was found, and its ETag."""
    shape: TypeAdapter[Any] = TypeAdapter(answer)
    body = shape.dump_json(shape.validate_python(found, from_attributes=True))
    return body, f'"{hashlib.sha256(body).hexdigest()[:32]}"'


def _read(request: Request, answer: Any, found: object) -> Response:  # noqa: ANN401 - as above
    """Answer a read with its ETag, and 304 to a caller who has it already."""
    body, tag = _rendered(answer, found)
    headers = {"ETag": tag, "Cache-Control": "private, no-cache"}
    known = tag in request.headers.get("If-None-Match", "")
    return Response(None if known else body, 304 if known else 200, headers, "application/json")


def _serve(method: str, path: str, verb: str, names: str, attributes: str = "") -> None:
    """Offer a verb under an address; a key is asked of every command."""
    noun, _, name = verb.rpartition(".")
    source = getattr(get_type_hints(library.Billing)[noun] if noun else library.Billing, name)
    hints, known = get_type_hints(source), inspect.signature(source).parameters
    asked: dict[str, Any] = {"request": Request, "account": str}
    for one in names.split() if method == "GET" else ():
        place = Path() if f"{{{one}}}" in path else Query()
        asked[one] = Annotated[wire.wire(hints[one], wire.ASKED), place]
    if method != "GET":
        asked |= {"key": Key, "body": Annotated[wire.taken(source, names), Body()]}
    answer = wire.shown(hints["return"], attributes)

    def ask(request: Request, **given: Any) -> object:  # noqa: ANN401 - what was asked
        given |= given.pop("body", {})
        do = attrgetter(verb)(request.app.state.billing)
        found = do(**{one: given[one] for one in given if one in known})
        if isinstance(found, library.ChangeQuote):
            request.app.state.quotes.append(found)
        return _read(request, answer, found) if method == "GET" else found

    only = inspect.Parameter.KEYWORD_ONLY
    given = [known[one] if one in names.split() else inspect.Parameter(one, only) for one in asked]
    signed = [one.replace(kind=only, annotation=asked[one.name]) for one in given]
    ask.__signature__ = inspect.Signature(signed)  # type: ignore[attr-defined]  # FastAPI reads it
    ask.__name__ = verb + (path.replace("/", ".") if attributes else "")
    about: dict[str, Any] = {"tags": [noun or path.split("/")[1]], "response_model": answer}
    about["summary"] = str(source.__doc__).partition("\n")[0].replace("``", "")
    code = 201 if method == "POST" else 200
    router.add_api_route(path, ask, methods=[method], status_code=code, **about)


for _row in _TABLE:
    _serve(*_row)


def update_profile(
    account: str, request: Request, key: Key, profile: library.BillingProfile, match: Match = "*"
) -> library.Account:
    """Give another billing profile; with If-Match, only to the account as the caller saw it."""
    billing: library.Billing = request.app.state.billing

    def update(unit: Any) -> library.Account:  # noqa: ANN401 - what the storage gives
        within = billing.using(unit)  # looked at and changed in one transaction
        found = within.accounts.get(account)
        seen = match == "*" or _rendered(wire.shown(library.Account), found)[1] in match
        if not seen and found.profile != profile:
            raise HTTPException(412, f"account {account!r} has changed: read it again")
        return within.accounts.update_profile(account, profile, key=key)

    return billing.context.storage.write(update)


update_profile.__annotations__["profile"] = Annotated[wire.taken(library.BillingProfile), Body()]
router.put("/profile", response_model=wire.shown(library.Account))(update_profile)


@router.post("/changes", status_code=201, response_model=wire.shown(library.ChangeResult))
def change(account: str, request: Request, key: Key) -> library.ChangeResult:
    """Do exactly what a quote shows, the last that was asked for under this Idempotency-Key."""
    billing: library.Billing = request.app.state.billing
    kept = {(one.account, one.id): one for one in tuple(request.app.state.quotes)}
    try:  # one that was executed is known for ever
        quote = kept.get((account, key)) or billing.subscriptions.preview(account, key=key)
    except library.InvalidInput:
        raise library.UnknownName("quote", key, "is not known", "ask for a new quote") from None
    return billing.subscriptions.change(quote)


async def receive(gateway: str, request: Request) -> Response:
    """Take what a gateway says of a payment: verified by its signature, credited once."""
    take, body = request.app.state.billing.top_ups.receive, await request.body()
    answer = (await run_in_threadpool(take, gateway, request.headers, body)).answer
    return Response(answer.body, answer.status, media_type=answer.content_type)


def anybody() -> None:
    """Check nothing. Who may do what is the host's to say: pass its own dependency instead."""


def create_app(billing: library.Billing, authorize: Callable[..., Any] = anybody) -> FastAPI:
    """Build the API on a service. ``authorize`` is a dependency of every address but callbacks."""
    app = FastAPI(title="Billing", version="1", description=__doc__, redoc_url=None)
    app.router.generate_unique_id_function = attrgetter("name")
    app.state.billing, app.state.quotes = billing, deque(maxlen=1000)
    app.include_router(router, dependencies=[Depends(authorize)])
    app.post("/gateways/{gateway}/callbacks", include_in_schema=False)(receive)
    for kind in (library.BillingError, RequestValidationError, HTTPException, Exception):
        app.add_exception_handler(kind, problems.answer)
    return app
