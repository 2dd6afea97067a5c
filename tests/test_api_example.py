"""The JSON API in ``examples/api`` tells what the library does, in HTTP's words."""

import ast
import asyncio
import io
import tokenize
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NoReturn

import attrs
import httpx
import pytest
from fastapi import HTTPException, Request

from examples.api.app import create_app
from monochat_billing import Billing, sample_catalog
from monochat_billing.adapters.memory import MemoryStorage
from monochat_billing.adapters.sandbox import SandboxGateway, payment_id, sign_callback
from monochat_billing.adapters.sql import SqlStorage
from monochat_billing.errors import CorruptBooks, GatewayError, StorageError, StoreBusy
from monochat_billing.invoicing import InvoicePolicy
from monochat_billing.payments import Payment, PaymentStatus
from monochat_billing.repositories import Storage
from tests.desk import PROFILE, SECRET, Clock
from tests.factories import lira

FOLDER: Final = Path(__file__).parents[1] / "examples" / "api"
OPENING: Final = {"zone": "Europe/Istanbul", "currencies": ["TRY"]}
BUYER: Final = {
    "business_name": "Acme Ltd.",
    "address": {"line": "Street 1", "city": "Ankara", "post_code": "06420"},
    "tax_id": {"kind": "TCKN", "number": "10000000146"},
}
COMMANDS: Final = ("credits", "debits", "holds", "quotes", "changes", "schedule", "usage")


def tries(amount: str) -> dict[str, str]:
    return {"amount": amount, "currency": "TRY"}


@attrs.define
class Api:
    """Ask an application without a network."""

    app: Any
    clock: Clock

    def ask(self, method: str, path: str, **more: Any) -> httpx.Response:  # noqa: ANN401 - as httpx
        async def once() -> httpx.Response:
            transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url="http://api") as client:
                return await client.request(method, path, **more)

        return asyncio.run(once())

    def get(self, path: str, **headers: str) -> httpx.Response:
        return self.ask("GET", f"/accounts/acme{path}", headers=headers)

    def do(self, path: str, key: str, body: object = None, **more: str) -> httpx.Response:
        headers = {"Idempotency-Key": key, **more}
        method = "PUT" if path in {"", "/profile"} else "POST"
        return self.ask(method, f"/accounts/acme{path}", headers=headers, json=body)


def build(storage: Storage, clock: Clock | None = None) -> Api:
    clock = clock or Clock()
    billing = Billing(
        catalog=sample_catalog(),
        storage=storage,
        clock=clock,
        gateways=[SandboxGateway(SECRET, page_url="http://127.0.0.1:9")],
        invoicing=InvoicePolicy(seller=PROFILE, tax_point="ON_TOP_UP"),
    )
    return Api(create_app(billing), clock)


@pytest.fixture(params=["memory", pytest.param("sqlite", marks=pytest.mark.deep)])
def api(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Api]:
    """Give the API with an account in it that has 2,500 lira."""
    if request.param == "memory":
        made = build(MemoryStorage())
        yield opened(made)
        return
    with SqlStorage(f"sqlite:///{tmp_path / 'api.db'}") as storage:
        yield opened(build(storage))


def opened(api: Api) -> Api:
    assert api.do("", "opening", OPENING).status_code == 200
    body = {"amount": tries("2500"), "reason": "opening"}
    assert api.do("/credits", "credit-1", body).status_code == 201
    return api


def problem(response: httpx.Response, status: int, name: str) -> dict[str, Any]:
    assert response.status_code == status
    assert response.headers["content-type"] == "application/problem+json"
    told: dict[str, Any] = response.json()
    assert told["type"] == f"urn:monochat-billing:{name}"
    assert told["status"] == status
    return told


class TestCommands:
    """Each passes through to its verb, once per key."""

    def test_a_debit_answers_with_its_entry_and_repeats_it(self, api: Api) -> None:
        body = {"amount": tries("12.50"), "reason": "export"}
        first, again = api.do("/debits", "d-1", body), api.do("/debits", "d-1", body)
        assert first.status_code == 201
        assert first.json()["amount"] == tries("-12.5")
        assert first.json()["balance"] == tries("2487.5")
        assert again.json() == first.json()
        (balance,) = api.get("/balances").json()["balances"]
        assert balance["available"] == tries("2487.5")

    def test_holds_are_placed_captured_and_released(self, api: Api) -> None:
        hold = api.do("/holds", "h-1", {"amount": tries("100"), "reason": "batch"}).json()
        assert [one["id"] for one in api.get("/holds").json()["holds"]] == [hold["id"]]
        taken = api.do("/holds/captures", "h-2", {"hold": hold["id"], "amount": tries("40")})
        assert taken.json()["entry"]["amount"] == tries("-40")
        freed = api.do("/holds/releases", "h-3", {"hold": hold["id"], "reason": "done"})
        assert freed.json()["hold"]["left"] == tries("0")
        assert api.get("/balances").json()["balances"][0]["available"] == tries("2460")

    def test_a_statement_is_paged_by_its_cursor(self, api: Api) -> None:
        for number in range(4):
            api.do("/debits", f"d-{number}", {"amount": tries("1"), "reason": f"no {number}"})
        seen: list[str] = []
        after: str | None = ""
        while after is not None:
            page = api.get(f"/statements/TRY?limit=2{after and f'&after={after}'}").json()
            seen += [line["entry"]["reason"] for line in page["lines"]]
            after = page["next"]
        assert seen == ["opening", "no 0", "no 1", "no 2", "no 3"]

    def test_what_a_preview_shows_is_what_the_change_does(self, api: Api) -> None:
        basic = api.do("/subscriptions", "s-1", {"product": "basic", "interval": "MONTH"})
        assert basic.json()["state"] == "ACTIVE"
        quote = api.do("/quotes", "up", {"to": "growth"}).json()
        assert quote["id"] == "up"
        assert "(0.00 TRY monthly) → " in quote["explanation"]
        done = api.do("/changes", "up")
        assert done.json()["subscription"]["product"] == "growth"
        assert done.json()["entries"][0]["amount"] == tries(f"-{quote['due_now']['amount']}")
        assert api.do("/changes", "up").json() == done.json()

    def test_a_change_is_known_by_its_key_after_a_restart(self, tmp_path: Path) -> None:
        with SqlStorage(f"sqlite:///{tmp_path / 'api.db'}") as storage:
            api = opened(build(storage))
            api.do("/subscriptions", "s-1", {"product": "basic", "interval": "MONTH"})
            api.do("/quotes", "up", {"to": "growth"})
            done = api.do("/changes", "up")
            assert done.status_code == 201
            assert build(storage, api.clock).do("/changes", "up").json() == done.json()

    def test_a_change_is_planned_listed_and_revoked(self, api: Api) -> None:
        api.do("/subscriptions", "s-1", {"product": "growth", "interval": "MONTH"})
        planned = api.do("/schedule", "p-1", {"to": "basic"}).json()
        assert [one["id"] for one in api.get("/schedule").json()] == [planned["id"]]
        revoked = api.do("/schedule/revocations", "p-2", {"scheduled_change": planned["id"]})
        assert revoked.json()["state"] == "CANCELED"
        assert api.get("/schedule").json() == []
        told = api.do("/schedule/revocations", "p-3", {"scheduled_change": planned["id"]})
        assert problem(told, 409, "illegal-transition")["state"] == "CANCELED"

    def test_usage_is_charged_once_by_the_ids_of_its_records(self, api: Api) -> None:
        api.do("/subscriptions", "s-1", {"product": "growth", "interval": "MONTH"})
        record = {"meter": "monochat.message", "quantity": "3", "occurred_at": _at(api)}
        body = {"records": [{"id": "u-1", **record}]}
        assert api.do("/usage", "u-1", body).json()["prepaid"][0]["amount"] == "3"
        assert api.do("/usage", "u-2", body).json()["repeated"] == 1
        found = api.get("/usage?since=2026-10-01T00:00:00Z&until=2026-11-01T00:00:00Z").json()
        assert [one["record"]["id"] for one in found] == ["u-1"]

    def test_a_paid_top_up_is_credited_once_and_invoiced(self, api: Api) -> None:
        assert api.do("/profile", "profile", BUYER).status_code == 200
        body = {"amount": tries("500"), "gateway": "sandbox", "return_url": "http://shop.example/"}
        checkout = api.do("/top-ups", "t-1", body).json()
        assert checkout["redirect_url"].startswith("http://127.0.0.1:9/pay?")
        said = Payment(
            gateway="sandbox",
            top_up=checkout["top_up"],
            payment=payment_id(checkout["top_up"]),
            status=PaymentStatus.PAID,
            amount=lira("500"),
        )
        headers, content = sign_callback(SECRET, said)
        for _ in range(2):
            told = api.ask(
                "POST", "/gateways/sandbox/callbacks", headers=dict(headers), content=content
            )
            assert told.status_code == 200
        assert api.get(f"/top-ups/{checkout['top_up']}").json()["state"] == "CREDITED"
        assert api.get("/balances").json()["balances"][0]["posted"] == tries("3000")
        invoice = api.do("/invoices", "i-1", {"top_up": checkout["top_up"]}).json()
        assert invoice["gross"] == tries("500")
        assert api.get("/invoices").json() == [invoice]
        assert api.get(f"/invoices/{invoice['id']}").json() == invoice
        forged = api.ask("POST", "/gateways/sandbox/callbacks", content=content)
        problem(forged, 403, "forged-callback")

    def test_the_outlook_is_told(self, api: Api) -> None:
        api.do("/subscriptions", "s-1", {"product": "growth", "interval": "MONTH"})
        overview = api.get("/overview").json()
        assert overview["subscriptions"][0]["product"] == "growth"
        upcoming = api.get("/upcoming?until=2026-12-01T00:00:00%2B03:00").json()
        assert upcoming["until"] == "2026-11-30T21:00:00Z"
        assert api.get("/may-use/broadcasts").json()["allowed"] is True
        assert [one["event"]["type"] for one in api.get("/events?limit=1").json()] == [
            "AccountOpened"
        ]


def _at(api: Api) -> str:
    return api.clock.now.isoformat()


class TestProblems:
    """The error tree speaks RFC 9457."""

    def test_too_little_money(self, api: Api) -> None:
        told = problem(
            api.do("/debits", "d-1", {"amount": tries("3000"), "reason": "x"}),
            402,
            "insufficient-funds",
        )
        assert [told[one] for one in ("requested", "available", "shortfall")] == [
            "3000",
            "2500",
            "500",
        ]

    def test_a_key_that_stands_for_something_else(self, api: Api) -> None:
        told = problem(
            api.do("/credits", "credit-1", {"amount": tries("1"), "reason": "opening"}),
            409,
            "idempotency-conflict",
        )
        assert told["field"] == "amount"

    def test_a_stale_quote(self, api: Api) -> None:
        api.do("/subscriptions", "s-1", {"product": "basic", "interval": "MONTH"})
        api.do("/quotes", "up", {"to": "growth"})
        api.clock.advance(days=1)
        problem(api.do("/changes", "up"), 409, "stale-quote")

    def test_an_unknown_quote_account_product_and_address(self, api: Api) -> None:
        assert problem(api.do("/changes", "nix"), 404, "unknown-name")["field"] == "quote"
        gone = api.ask("GET", "/accounts/nobody")
        assert problem(gone, 404, "unknown-name")["value"] == "nobody"
        body = {"product": "grwth", "interval": "MONTH"}
        assert (
            "basic" in problem(api.do("/subscriptions", "s", body), 404, "unknown-name")["remedy"]
        )
        problem(api.ask("GET", "/nowhere"), 404, "not-found")

    @pytest.mark.parametrize(
        ("body", "field"),
        [
            ({"amount": tries("0"), "reason": "x"}, "amount"),
            ({"amount": {"amount": 5, "currency": "TRY"}, "reason": "x"}, "body.amount.amount"),
            ({"amount": tries("1")}, "reason"),
            ({"amount": tries("1"), "reason": "x", "more": 1}, "more"),
        ],
        ids=["zero", "number", "missing", "unknown"],
    )
    def test_bad_input_names_field_value_and_remedy(
        self, api: Api, body: object, field: str
    ) -> None:
        told = problem(api.do("/debits", "d-1", body), 422, "invalid-input")
        assert field.endswith(told["field"]) or told["field"].endswith(field)
        assert {"value", "problem", "remedy"} <= set(told)

    @pytest.mark.parametrize("command", COMMANDS)
    def test_no_command_without_a_key(self, api: Api, command: str) -> None:
        told = api.ask("POST", f"/accounts/acme/{command}", json={})
        assert problem(told, 400, "invalid-input")["field"] == "Idempotency-Key"

    def test_a_wrong_method_names_the_right_ones(self, api: Api) -> None:
        told = api.ask("DELETE", "/accounts/acme/schedule")
        problem(told, 405, "method-not-allowed")
        assert told.headers["allow"] == "GET, POST"

    @pytest.mark.parametrize(
        ("error", "status", "doubt"),
        [
            (StorageError("save", "postgres://secret@db"), 503, True),
            (GatewayError("sandbox", "create", "secret"), 503, True),
            (StoreBusy("save", "secret"), 503, False),
            (CorruptBooks("load", "secret"), 500, False),
            (OSError("secret"), 500, True),
        ],
        ids=["storage", "gateway", "busy", "corrupt", "accident"],
    )
    def test_a_failure_says_whether_it_is_in_doubt_and_nothing_more(
        self, error: Exception, status: int, *, doubt: bool
    ) -> None:
        api = build(_Failing(error))
        told = api.do("/credits", "c-1", {"amount": tries("1"), "reason": "x"})
        assert told.status_code == status
        assert told.json()["in_doubt"] is doubt
        assert told.json()["detail"].startswith("in doubt, repeat" if doubt else "nothing was")
        assert "secret" not in told.text


@attrs.frozen
class _Failing:
    """Be a storage that fails."""

    error: Exception

    def read(self, _: object) -> NoReturn:
        raise self.error

    def write(self, _: object) -> NoReturn:
        raise self.error


class TestConditions:
    """Reads have an ETag, and a change may ask for it."""

    def test_what_the_caller_has_is_not_sent_again(self, api: Api) -> None:
        tag = api.get("").headers["etag"]
        assert api.get("", **{"If-None-Match": tag}).status_code == 304
        api.clock.advance(hours=1)
        assert api.get("", **{"If-None-Match": f'"other", {tag}'}).status_code == 304
        assert api.do("/profile", "p-1", BUYER).status_code == 200
        changed = api.get("", **{"If-None-Match": tag})
        assert changed.status_code == 200
        assert changed.headers["etag"] != tag

    def test_a_change_of_what_was_not_seen_is_refused_and_a_repeat_is_not(self, api: Api) -> None:
        tag = api.get("").headers["etag"]
        first = api.do("/profile", "p-1", BUYER, **{"If-Match": tag})
        assert first.status_code == 200
        assert api.do("/profile", "p-1", BUYER, **{"If-Match": tag}).json() == first.json()
        other = {**BUYER, "business_name": "Other Ltd."}
        problem(api.do("/profile", "p-2", other, **{"If-Match": tag}), 412, "precondition-failed")
        assert api.get("").json() == first.json()

    def test_a_citizens_number_is_masked(self, api: Api) -> None:
        assert "10000000146" not in api.do("/profile", "p-1", BUYER).text
        assert api.get("").json()["profile"]["tax_id"] == "TCKN ********146"


class TestTheHost:
    """Who may do what is the host's to say."""

    def test_its_check_stands_before_every_account(self) -> None:
        def check(request: Request) -> None:
            if request.headers.get("Authorization") != "Bearer host":
                raise HTTPException(401, "who are you?", {"WWW-Authenticate": "Bearer"})

        clock = Clock()
        billing = Billing(catalog=sample_catalog(), storage=MemoryStorage(), clock=clock)
        api = Api(create_app(billing, check), clock)
        refused = api.do("", "opening", OPENING)
        problem(refused, 401, "unauthorized")
        assert refused.headers["WWW-Authenticate"] == "Bearer"
        assert api.do("", "opening", OPENING, Authorization="Bearer host").status_code == 200

    def test_every_change_in_the_document_asks_for_a_key(self) -> None:
        paths = build(MemoryStorage()).app.openapi()["paths"]
        commands = [how for ways in paths.values() for way, how in ways.items() if way != "get"]
        assert len(commands) == 16
        for one in commands:
            (key,) = [it for it in one["parameters"] if it["name"] == "Idempotency-Key"]
            assert key["required"]
            assert "application/problem+json" in one["responses"]["402"]["content"]

    def test_it_is_fewer_than_300_lines_of_code(self) -> None:
        assert sum(len(_code(path)) for path in FOLDER.glob("*.py")) < 300


def _code(path: Path) -> set[int]:
    """Find the lines that are neither blank nor comment nor docstring."""
    source = path.read_text(encoding="utf-8")
    nothing = {getattr(tokenize, one) for one in ("COMMENT", "NL", "NEWLINE", "INDENT", "DEDENT")}
    nothing.add(tokenize.ENDMARKER)
    lines: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type not in nothing:
            lines |= set(range(token.start[0], token.end[0] + 1))
    for node in ast.walk(ast.parse(source)):
        value = node.value if isinstance(node, ast.Expr) else None
        if isinstance(value, ast.Constant) and isinstance(value.value, str):
            lines -= set(range(value.lineno, (value.end_lineno or value.lineno) + 1))
    return lines
