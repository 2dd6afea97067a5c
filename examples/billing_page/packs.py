"""Extra packages: what is left of those that were bought, those on sale, and how one is bought.

Owns their addresses and what their pages show. Does not own a price or a count: those come from the
catalog, and from the same decision that buys.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Final, final
from urllib.parse import urlencode

import attrs
from fastapi import APIRouter
from fastapi.responses import Response

from examples.billing_page.exactly import Moved, do_exactly, shown_text
from examples.billing_page.views import unit_name
from examples.billing_page.visit import Visit, posting, visiting
from monochat_billing import (
    InsufficientFunds,
    InvalidInput,
    Money,
    OneOff,
    UnknownName,
    explain_refusal,
    money,
    pack_commands,
)
from monochat_billing.money import as_fraction, subtract
from monochat_billing.packs import PackHolding, PackPurchase
from monochat_billing.tax import TaxLine

__all__ = ["router"]

router = APIRouter()

_MOST_AT_ONCE: Final = 100
"""How many the form offers at most where the catalog sets no bound."""


@router.get("/packs")
def packs(visit: visiting) -> Response:
    """Show what is left of extra packages, and the cards of those on sale."""
    account = visit.billing.accounts.get(visit.account)
    found = visit.billing.packs.list(visit.account)
    return visit.render(
        "packs.html",
        holdings=[_holding(visit, one, account.zone) for one in reversed(found)],
        cards=list(_cards(visit, account.currencies[0])),
    )


@router.get("/packs/buy")
def preview(visit: visiting, pack: str, quantity: str = "1") -> Response:
    """Show what so many of a package cost, and what stays on the balance."""
    product = visit.catalog.one_off(pack)
    try:
        shown = _price_of(visit, product, _count(quantity))
    except UnknownName:
        raise
    except InvalidInput:
        return visit.go("/packs", visit.text("bad_quantity"), is_problem=True)
    words = visit.words
    return visit.render(
        "pack.html",
        product=f"{words.number(shown.quantity)} × {product.name(visit.language)}",
        sums_shown=list(_sums(visit, shown)),
        short=words.money(shown.short) if shown.short else "",
        short_amount=words.amount(shown.short) if shown.short else "",
        currency=shown.amount.currency.code,
        shown=shown_text(shown.amount),
        pack=product.id,
        quantity=shown.quantity,
    )


@router.post("/packs/buy")
def buy(visit: posting) -> Response:
    """Buy at the price that was shown, or say why not and show what holds now."""
    pack, quantity = visit.field("pack"), visit.field("quantity")
    again = "/packs/buy?" + urlencode({"pack": pack, "quantity": quantity})
    key = visit.key_for("pack", pack, quantity)
    try:
        count = _count(quantity)
        do_exactly(
            visit,
            lambda billing: billing.packs.buy(visit.account, pack, quantity=count, key=key),
            _taken,
        )
    except Moved:
        return visit.go(again, visit.text("stale"), is_problem=True)
    except InsufficientFunds as refused:
        return visit.go(again, explain_refusal(refused, visit.language), is_problem=True)
    except UnknownName:
        raise
    except InvalidInput:
        return visit.go("/packs", visit.text("bad_quantity"), is_problem=True)
    return visit.go("/packs", visit.text("done_pack"))


def _taken(bought: PackPurchase) -> Money:
    return bought.amount


def _count(text: str) -> int:
    """Read how many; that it is sold so many at once is the library's to say."""
    if not (text.isascii() and text.isdecimal() and len(text) <= len("1000000")):
        raise InvalidInput("quantity", text, "is no count", "pass one or more")
    return int(text)


# ---------------------------------------------------------------------------------- what is shown


@final
@attrs.frozen(kw_only=True)
class Shown:
    """Show what a purchase takes and brings; ``short`` is None where the money is there."""

    quantity: int
    amount: Money
    tax: TaxLine | None
    available: Money
    short: Money | None
    units: str
    expires_at: datetime | None
    zone: str


def _price_of(visit: Visit, product: OneOff, quantity: int) -> Shown:
    """Decide as ``buy`` will, on the account as it is, and keep nothing."""
    state = visit.billing.context.view(visit.account).state
    now = state.account.as_of
    balance = state.books.balance(state.account.currencies[0])
    available = balance.money(balance.available(None, now))
    grant = product.grant
    count = visit.words.number(grant.units * quantity) if grant else ""
    is_ours = grant is not None and grant.scope is None
    units = visit.text("units", count=count) if is_ours else count
    try:
        bought: PackPurchase = pack_commands.buy(
            state,
            visit.site.catalog,
            pack=product.id,
            quantity=quantity,
            currency=None,
            purchase_id="preview",
            actor="",
            now=now,
        ).result
    except InsufficientFunds as refused:
        return Shown(
            quantity=quantity,
            amount=money(refused.requested, refused.unit),
            tax=None,
            available=available,
            short=money(refused.shortfall, refused.unit),
            units=units,
            expires_at=None,
            zone=state.account.zone,
        )
    return Shown(
        quantity=quantity,
        amount=bought.amount,
        tax=bought.tax,
        available=available,
        short=None,
        units=units,
        expires_at=bought.expires_at,
        zone=state.account.zone,
    )


def _sums(visit: Visit, shown: Shown) -> Iterator[tuple[str, str, str]]:
    words, say = visit.words, visit.text
    yield say("brings"), shown.units, ""
    if shown.expires_at is not None:
        yield say("usable_until"), words.local_day(shown.expires_at, shown.zone), ""
    yield say("due_now"), words.money(shown.amount), "sum"
    if shown.tax is not None and shown.tax.tax.amount:
        rate = shown.tax.rate
        yield (
            say("tax_in", name=rate.name, percent=rate.percent),
            words.money(shown.tax.tax),
            "part",
        )
    yield say("balance_now"), words.money(shown.available), ""
    if shown.short is None:
        yield say("balance_then"), words.money(subtract(shown.available, shown.amount)), ""
    else:
        yield say("short"), words.money(shown.short), "bad"


def _cards(visit: Visit, currency: str) -> Iterator[dict[str, object]]:
    """Show each package that is sold in a currency now."""
    now = visit.billing.context.now()
    for one in visit.catalog.one_offs:
        if one.grant is None:
            continue
        try:
            price = one.price(currency, now)
        except UnknownName:
            continue
        each = as_fraction(price.amount) / one.grant.units
        yield {
            "id": one.id,
            "name": one.name(visit.language),
            "description": one.descriptions.get(visit.language) or one.descriptions.get("en", ""),
            "price": visit.price(price.amount),
            "each": visit.text("each", amount=visit.words.rate(each, currency)),
            "most": one.most_quantity or _MOST_AT_ONCE,
        }


def _holding(visit: Visit, one: PackHolding, zone: str) -> dict[str, str]:
    words, bought = visit.words, one.purchase
    name = unit_name(visit, one.unit)
    if bought is not None:
        name = _name(visit, bought.pack)
        if bought.quantity != 1:
            name = f"{words.number(bought.quantity)} × {name}"
    return {
        "name": name,
        "bought": words.local_short_day(one.bought_at, zone),
        "left": words.number(one.remaining),
        "units": words.number(one.units),
        "used": words.number(one.burned),
        "lost": words.number(one.lost),
        "until": words.local_short_day(one.expires_at, zone) if one.expires_at else "",
    }


def _name(visit: Visit, pack: str) -> str:
    """Name a package that may be sold no more."""
    try:
        return visit.catalog.one_off(pack).name(visit.language)
    except UnknownName:
        return pack
