"""The past of an account: its statement, the same as a file, and its invoices.

Owns the addresses of both and the columns of the file. Does not own an entry or an invoice.
"""

import csv
import io
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final, final
from urllib.parse import urlencode

import attrs
from fastapi import APIRouter
from fastapi.responses import HTMLResponse, Response, StreamingResponse

from examples.billing_page import views
from examples.billing_page.forms import day_of
from examples.billing_page.visit import Visit, visiting
from monochat_billing import Statement, UnknownName
from monochat_billing.entry_words import kind_words, reason_words
from monochat_billing.instants import check_zone, local_midnight
from monochat_billing.invoice_page import invoice_page
from monochat_billing.invoices import Invoice
from monochat_billing.units import plain_text

__all__ = ["router"]

router = APIRouter()

_LINES: Final = 25
_LINES_OF_A_FILE: Final = 1000
_INVOICES: Final = 100
_SPREADSHEET_FORMULAS: Final = ("=", "+", "-", "@", "\t", "\r")


@final
@attrs.frozen(kw_only=True)
class Asked:
    """Hold what a statement was asked for: a balance, and days of the account's zone."""

    currency: str
    since: str
    until: str
    zone: str

    @classmethod
    def read(cls, visit: Visit, currency: str, since: str, until: str) -> "Asked":
        """Check what the address says."""
        account = visit.billing.accounts.get(visit.account)
        wanted = currency or account.currencies[0]
        if wanted not in visit.billing.balances.list(visit.account):
            raise UnknownName("currency", wanted, "is no balance", "list the balances")
        return cls(currency=wanted, since=since, until=until, zone=account.zone)

    @property
    def bounds(self) -> tuple[datetime | None, datetime | None]:
        """Give the instants of a span of days whose last one is included."""
        first, last = day_of(self.since), day_of(self.until)
        return (
            None if first is None else local_midnight(first, self.zone),
            None if last is None else local_midnight(last + timedelta(days=1), self.zone),
        )

    def page(self, visit: Visit, after: str | None, limit: int) -> Statement:
        """Give one page of the statement."""
        since, until = self.bounds
        return visit.billing.balances.statement(
            visit.account, self.currency, since=since, until=until, after=after, limit=limit
        )

    def query(self, **more: str) -> str:
        """Write it into an address."""
        asked = {"currency": self.currency, "since": self.since, "until": self.until, **more}
        return urlencode({name: value for name, value in asked.items() if value})


@router.get("/statement")
def statement(
    visit: visiting, currency: str = "", since: str = "", until: str = "", after: str = ""
) -> Response:
    """Show a page of what happened on a balance."""
    asked = Asked.read(visit, currency, since, until)
    page = asked.page(visit, after or None, _LINES)
    return visit.render(
        "statement.html",
        asked=asked,
        units=[
            (unit, views.unit_name(visit, unit))
            for unit in visit.billing.balances.list(visit.account)
        ],
        rows=views.statement_rows(visit, page),
        opening=views.amount_text(visit, page.opening),
        closing=views.amount_text(visit, page.closing),
        is_last=page.next is None,
        next_path=f"/statement?{asked.query(after=page.next)}" if page.next else "",
        first_path=f"/statement?{asked.query()}" if after else "",
        csv_path=f"/statement.csv?{asked.query()}",
    )


@router.get("/statement.csv")
def statement_file(
    visit: visiting, currency: str = "", since: str = "", until: str = ""
) -> Response:
    """Give the whole statement as a file: plain decimals, ISO instants with their offset."""
    asked = Asked.read(visit, currency, since, until)
    first = asked.page(visit, None, _LINES_OF_A_FILE)
    headers = {"Content-Disposition": f'attachment; filename="statement-{_safe(asked)}.csv"'}
    return StreamingResponse(
        _file(visit, asked, first), media_type="text/csv; charset=utf-8", headers=headers
    )


def _file(visit: Visit, asked: Asked, first: Statement) -> Iterator[str]:
    """Write page after page; the cursor holds them together as the first one saw the books."""
    text = views.page_text(visit, asked.zone)
    zone = check_zone(asked.zone)
    say = visit.text
    columns = ("number", "when", "entry", "reason", "amount", "balance", "currency")
    # The mark in front tells spreadsheets that these are not the letters of their own code page.
    yield "\ufeff" + _line([say(f"col_{name}") for name in columns])
    page: Statement | None = first
    while page is not None:
        for line in page.lines:
            entry = line.entry
            yield _line(
                [
                    str(entry.number),
                    line.at.astimezone(zone).isoformat(timespec="seconds"),
                    kind_words(entry.kind, visit.words),
                    reason_words(entry, visit.words, text.product),
                    plain_text(entry.value),
                    plain_text(line.balance),
                    entry.unit,
                ]
            )
        page = asked.page(visit, page.next, _LINES_OF_A_FILE) if page.next else None


def _line(cells: list[str]) -> str:
    """Write one line; text that a spreadsheet would take for a formula is marked as text."""
    buffer = io.StringIO()
    csv.writer(buffer).writerow([_plain(cell) for cell in cells])
    return buffer.getvalue()


def _plain(cell: str) -> str:
    is_number = cell.lstrip("-").replace(".", "", 1).isdecimal()
    return f"'{cell}" if cell.startswith(_SPREADSHEET_FORMULAS) and not is_number else cell


def _safe(asked: Asked) -> str:
    return "".join(
        letter if letter.isascii() and letter.isalnum() else "-" for letter in asked.currency
    )


# ----------------------------------------------------------------------------------- invoices


@router.get("/invoices")
def invoices(visit: visiting, after: int = 0) -> Response:
    """List invoices and credit notes."""
    if visit.billing.context.invoicing is None:
        raise UnknownName("invoices", None, "are not issued here", "set up an invoice policy")
    found = visit.billing.invoices.list(visit.account, after=max(after, 0), limit=_INVOICES)
    more = max(after, 0) + len(found) if len(found) == _INVOICES else 0
    return visit.render(
        "invoices.html",
        invoices=[_row(visit, one) for one in found],
        next_path=f"/invoices?after={more}" if more else "",
    )


@router.get("/invoices/{identity}")
def invoice(visit: visiting, identity: str) -> Response:
    """Show one invoice as the library renders it: a page by itself, to read and to print."""
    html = invoice_page(
        visit.billing.invoices.get(visit.account, identity),
        locale=visit.language,
        catalog=visit.catalog,
    )
    policy = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
    return HTMLResponse(html, headers={"Content-Security-Policy": policy})


def _row(visit: Visit, one: Invoice) -> dict[str, str]:
    return {
        "path": f"/invoices/{one.id}",
        "number": str(one.number),
        "day": visit.words.short_day(one.issued_on),
        "kind": visit.text(one.kind.value),
        "tax": visit.words.money(one.tax),
        "gross": visit.words.money(one.gross),
    }
