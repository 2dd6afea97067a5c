"""Views: what stands on each page, read off the library's values.

Owns which facts a page shows and in which order. Does not own a figure or a sentence about one:
those come from overviews, quotes, statements and the catalog.
"""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Final, final
from zoneinfo import ZoneInfo

import attrs

from examples.billing_page.chart import AHEAD, Chart, chart
from examples.billing_page.texts import TEXTS
from examples.billing_page.visit import Visit
from monochat_billing import (
    MONTH,
    YEAR,
    BillingInterval,
    ChangeQuote,
    ChangeTiming,
    Family,
    IllegalTransition,
    InsufficientFunds,
    InvalidInput,
    Money,
    Overview,
    Product,
    Statement,
    Subscription,
    UnknownName,
    money,
    plan_commands,
)
from monochat_billing.entry_words import kind_words, reason_words
from monochat_billing.forecast_lines import Outcome
from monochat_billing.money import negate
from monochat_billing.overview_text import BalanceLine, PageText
from monochat_billing.pages import Section, aligned
from monochat_billing.scheduling import DueKind
from monochat_billing.tax import TaxLine
from monochat_billing.units import Amount, Units

__all__ = [
    "INTERVALS",
    "Start",
    "amount_text",
    "cards",
    "held_in",
    "names_of",
    "overview_values",
    "page_text",
    "preview_values",
    "start_of",
    "start_sums",
    "statement_rows",
    "tomorrow",
    "unit_name",
]

INTERVALS: Final[Mapping[str, BillingInterval]] = {"MONTH": MONTH, "YEAR": YEAR}
_LONGEST_LIST: Final = 12


def names_of(visit: Visit) -> Mapping[str, Mapping[str, str]]:
    """Give the names of everything that is sold, by id and language."""
    catalog = visit.catalog
    return {one.id: one.names for one in catalog.products} | {
        one.id: one.names for one in catalog.one_offs
    }


def page_text(visit: Visit, zone: str) -> PageText:
    """Give the library's words for this visitor."""
    return PageText(visit.words, zone, names_of(visit))


def amount_text(visit: Visit, value: Amount) -> str:
    """Write an amount of money with its currency, or a count."""
    if isinstance(value, Units):
        return visit.words.number(value.count)
    return visit.words.money(value)


def held_in(visit: Visit, family: Family) -> Subscription | None:
    """Give what the account has of a family, if anything."""
    held = visit.billing.subscriptions.list(visit.account)
    return next((one for one in held if one.family is family), None)


# ---------------------------------------------------------------------------------- overview


def overview_values(visit: Visit) -> dict[str, object]:
    """Give what the first page shows."""
    page = visit.billing.overview(visit.account, last=6)
    text = PageText(visit.words, page.zone, {**names_of(visit), **page.names})
    ahead = [
        one
        for one in page.forecast.about_money
        if not (one.kind is DueKind.RETRY and one.outcome is Outcome.FAILS)
    ]
    scheduled = [
        (change, at, _product_of(page, change.subscription)) for change, at in page.scheduled
    ]
    return {
        "page": page,
        "title": page.name or page.account,
        "as_of": visit.words.moment(page.as_of, page.zone),
        "warnings": page.warnings(visit.language),
        "balances": [_balance(visit, one) for one in page.balances],
        "subscriptions": _subscriptions(page, text),
        "subscription_heads": text.subscriptions(()).heads,
        "credits": _credits(visit, page, text),
        "scheduled": list(
            zip((one.id for one, _ in page.scheduled), text.scheduled(scheduled).rows, strict=True)
        ),
        "scheduled_heads": text.scheduled(()).heads,
        "upcoming": text.upcoming(ahead[:_LONGEST_LIST]) if ahead else None,
        "runways": _runways(visit, page),
        "entries": _entries(visit, page, text),
    }


def _subscriptions(page: Overview, text: PageText) -> list[tuple[str, str, tuple[str, ...]]]:
    """Give each subscription: its id, the name of what it holds, and the cells of its row."""
    ones = page.subscriptions
    return [
        (one.id, text.product(one.product), row)
        for one, row in zip(ones, text.subscriptions(ones).rows, strict=True)
    ]


def _product_of(page: Overview, subscription: str) -> str:
    return next((one.product for one in page.subscriptions if one.id == subscription), "")


def unit_name(visit: Visit, unit: str) -> str:
    """Name what a balance counts: a currency by its code, a meter in the page's words."""
    return visit.text(unit) if unit in TEXTS else unit


def _balance(visit: Visit, line: BalanceLine) -> dict[str, object]:
    """Show one balance."""
    held = line.held.count if isinstance(line.held, Units) else line.held.amount
    return {
        "unit": line.unit,
        "name": unit_name(visit, line.unit),
        "is_money": isinstance(line.available, Money),
        "available": amount_text(visit, line.available),
        "held": amount_text(visit, line.held) if held else "",
    }


def _credits(visit: Visit, page: Overview, text: PageText) -> Section | None:
    if not page.credits:
        return None
    section = text.credits([(one.lot, one.remaining, one.granted) for one in page.credits])
    rows = tuple((kind, _unit(visit, unit), *rest) for kind, unit, *rest in section.rows)
    return attrs.evolve(section, rows=rows)


def _entries(visit: Visit, page: Overview, text: PageText) -> Section | None:
    if not page.last_entries:
        return None
    section = text.entries(tuple(reversed(page.last_entries)))
    return attrs.evolve(section, rows=tuple(_with_unit(visit, row) for row in section.rows))


def _with_unit(visit: Visit, row: tuple[str, ...]) -> tuple[str, ...]:
    """Name the unit of an entry, the fifth cell of its row, in the page's words."""
    return (*row[:4], _unit(visit, row[4]), *row[5:])


def _unit(visit: Visit, unit: str) -> str:
    """Name a unit in a cell: a currency by its code, a meter by one word."""
    name = f"unit {unit}"
    return visit.text(name) if name in TEXTS else unit


def _runways(visit: Visit, page: Overview) -> list[tuple[str, str, Chart | None]]:
    if not page.runways:
        return []
    forecast = visit.billing.upcoming(visit.account, until=page.as_of + AHEAD)
    return [
        (run.unit, run.explain(visit.language), chart(page, run, forecast, visit.words))
        for run in page.runways
    ]


# ------------------------------------------------------------------------------------- cards


@final
@attrs.frozen(kw_only=True)
class Card:
    """Show one product at one interval."""

    id: str
    name: str
    description: str
    price: str
    free: bool
    facts: tuple[str, ...]
    held: bool
    current: bool


def cards(visit: Visit, family: Family, interval: BillingInterval) -> list[Card]:
    """Give the products of a family on their ladder, at an interval."""
    account = visit.billing.accounts.get(visit.account)
    held = held_in(visit, family)
    currency = held.price.currency if held else account.currencies[0]
    return list(_cards(visit, family, interval, currency, held))


def _cards(
    visit: Visit,
    family: Family,
    interval: BillingInterval,
    currency: str,
    held: Subscription | None,
) -> Iterator[Card]:
    now = visit.billing.context.now()
    for product in visit.catalog.ladder(family):
        try:
            price = product.price(interval, currency, now)
        except UnknownName:
            continue
        mine = held is not None and held.product == product.id
        yield Card(
            id=product.id,
            name=product.name(visit.language),
            description=product.description(visit.language),
            free=price.free,
            price=visit.text("free") if price.free else visit.price(price.amount),
            facts=tuple(_facts(visit, product)),
            held=mine,
            current=mine and held is not None and held.price.interval == interval,
        )


def _facts(visit: Visit, product: Product) -> Iterator[str]:
    """Say what a product brings, in the page's words where it has some."""
    number = visit.words.number
    for allowance in product.allowances:
        yield visit.text("included_per_month", count=number(allowance.units))
    for limit in product.limits:
        most = visit.text("unlimited") if limit.most is None else number(limit.most)
        known = limit.name in TEXTS
        yield visit.text(limit.name, most=most) if known else f"{limit.name}: {most}"
    for feature in product.features:
        name = "support-channels" if feature.id == "channels" else feature.id
        said = feature.text(visit.language)
        yield visit.text(name, most=said) if name in TEXTS else said


# ----------------------------------------------------------------------------------- preview


@final
@attrs.frozen(kw_only=True)
class Start:
    """Show what it costs to begin with a product; ``short`` is None where the money is there."""

    product: Product
    interval: BillingInterval
    amount: Money
    tax: TaxLine | None
    available: Money
    short: Money | None


def start_of(visit: Visit, product: Product, interval: BillingInterval) -> Start:
    """Decide as ``subscribe`` will, on the account as it is, and keep nothing."""
    state = visit.billing.context.view(visit.account, ended=True).state
    now = state.account.as_of
    currency = state.account.currencies[0]
    balance = state.books.balance(currency)
    available = balance.money(balance.available(None, now))
    try:
        step = plan_commands.subscribe(
            state,
            visit.site.catalog,
            subscription_id="preview",
            product=product.id,
            interval=interval,
            currency=None,
            actor="",
            now=now,
        )
    except InsufficientFunds as refused:
        return Start(
            product=product,
            interval=interval,
            amount=money(refused.requested, refused.unit),
            tax=None,
            available=available,
            short=money(refused.shortfall, refused.unit),
        )
    charge = step.result.charge
    return Start(
        product=product,
        interval=interval,
        amount=charge.amount,
        tax=charge.tax,
        available=available,
        short=None,
    )


def preview_values(
    visit: Visit, product: Product, interval: BillingInterval, held: Subscription
) -> dict[str, object]:
    """Give what the preview of a change shows: at once, and at the period's end.

    Each quote is kept on the shelf, under the account; the form carries its id only.
    """
    usual = visit.billing.subscriptions.preview(
        visit.account, to=product.id, interval=interval, of=held.id
    )
    zone = usual.anchor.zone
    now = _quoted(visit, product, interval, held, ChangeTiming.IMMEDIATE)
    later = _quoted(visit, product, interval, held, ChangeTiming.END_OF_PERIOD)
    text = page_text(visit, zone)
    if now is not None:
        visit.site.quotes.put(visit.account, now.id, now)
    return {
        "old": f"{text.product(held.product)}, {visit.words.interval(held.price.interval)}",
        "new": f"{text.product(product.id)}, {visit.words.interval(interval)}",
        "same": not usual.changes_anything,
        "later_first": usual.timing is ChangeTiming.END_OF_PERIOD,
        "now": None if now is None else _told(visit, now, text),
        "later": None if later is None else _told(visit, later, text),
        "least_day": tomorrow(visit, zone),
        "to": product.id,
        "interval": str(interval),
    }


def _quoted(
    visit: Visit,
    product: Product,
    interval: BillingInterval,
    held: Subscription,
    timing: ChangeTiming,
) -> ChangeQuote | None:
    """Give a quote for a timing, None where rule or state do not allow it."""
    try:
        return visit.billing.subscriptions.preview(
            visit.account, to=product.id, interval=interval, of=held.id, timing=timing
        )
    except (IllegalTransition, InvalidInput):
        return None


def _told(visit: Visit, quote: ChangeQuote, text: PageText) -> dict[str, object]:
    """Tell a quote: each line explained, the sums, the tax in them, what is short, what follows."""
    words, say = visit.words, visit.text
    lines = [
        f"{text.product(quote.product_of(one))}: {one.explain(visit.language)}"
        for one in quote.lines
    ]
    sums: list[tuple[str, str, str]] = []
    if quote.credit.amount:
        sums.append((say("unused_back"), words.money(quote.credit), ""))
        sums += _tax(visit, quote.credit_tax)
    sums.append((say("charged"), words.money(quote.charge), ""))
    sums += _tax(visit, quote.charge_tax)
    at_once = quote.timing is ChangeTiming.IMMEDIATE
    if quote.due_now.amount < 0:
        sums.append((say("comes_back"), words.money(negate(quote.due_now)), "sum"))
    else:
        sums.append((say("due_now" if at_once else "due_then"), words.money(quote.due_now), "sum"))
    short = at_once and quote.shortfall.amount > 0
    if at_once:
        sums.append((say("balance_now"), words.money(quote.available), ""))
    if short:
        sums.append((say("short"), words.money(quote.shortfall), "bad"))
    renewal = quote.renewal or (quote.renewal_price or quote.to_price).amount
    day = words.local_day(quote.next_renewal_at, quote.anchor.zone)
    sums.append((say("next_renewal", day=day), words.money(renewal), ""))
    return {
        "id": quote.id,
        "lines": lines,
        "sums": sums,
        "short": words.money(quote.shortfall) if short else "",
        "short_amount": words.amount(quote.shortfall) if short else "",
        "currency": quote.charge.currency.code,
        "warnings": [one.explain(visit.language) for one in quote.breaches],
        "whole": quote.explain(visit.language),
        "day": words.local_day(quote.effective_at, quote.anchor.zone),
        "valid_until": words.moment(quote.valid_until, quote.anchor.zone),
    }


def _tax(visit: Visit, line: TaxLine | None) -> list[tuple[str, str, str]]:
    if line is None or not line.tax.amount:
        return []
    label = visit.text("tax_in", name=line.rate.name, percent=line.rate.percent)
    size = negate(line.tax) if line.tax.amount < 0 else line.tax
    return [(label, visit.words.money(size), "part")]


def start_sums(visit: Visit, start: Start) -> list[tuple[str, str, str]]:
    """Tell what a start costs, as the sums of a quote."""
    words, say = visit.words, visit.text
    sums = [(say("due_now"), words.money(start.amount), "sum"), *_tax(visit, start.tax)]
    sums.append((say("balance_now"), words.money(start.available), ""))
    if start.short is not None:
        sums.append((say("short"), words.money(start.short), "bad"))
    return sums


def tomorrow(visit: Visit, zone: str) -> str:
    """Give the first day that lies ahead in a zone, as a date field wants it."""
    today = visit.billing.context.now().astimezone(ZoneInfo(zone)).date()
    return (today + timedelta(days=1)).isoformat()


# --------------------------------------------------------------------------------- statement


def statement_rows(visit: Visit, page: Statement) -> list[tuple[str, ...]]:
    """Give the lines of a statement as cells: when, entry, reason, number, amount, balance."""
    text = page_text(visit, page.zone)
    mark = "," if visit.language == "tr" else "."
    amounts = aligned([_bare(visit, one.entry.value, signed=True) for one in page.lines], mark)
    balances = aligned([_bare(visit, one.balance) for one in page.lines], mark)
    return [
        (
            str(line.entry.number),
            visit.words.moment(line.at, page.zone),
            kind_words(line.entry.kind, visit.words),
            reason_words(line.entry, visit.words, text.product),
            amount,
            balance,
        )
        for line, amount, balance in zip(page.lines, amounts, balances, strict=True)
    ]


def _bare(visit: Visit, value: Amount, *, signed: bool = False) -> str:
    if isinstance(value, Units):
        shown, above = visit.words.number(value.count), value.count > 0
    else:
        shown, above = visit.words.amount(value), value.amount > 0
    return f"+{shown}" if signed and above else shown
