"""Overview: the Billing page of one account as one value.

Owns what the page shows, in which order, and what is worth a warning. Does not own any figure on
it, the words (``overview_text``) or the layout (``pages``).
"""

import enum
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final, final

import attrs

from monochat_billing.accounts import AccountState
from monochat_billing.balance import Balance, BalanceState, Entry
from monochat_billing.forecast import Forecast, upcoming
from monochat_billing.forecast_lines import ForecastLine, Outcome, amount_words
from monochat_billing.holds import Hold
from monochat_billing.limits import Limit, LimitCheck, check
from monochat_billing.lots import Lot, LotOrigin
from monochat_billing.overview_text import BalanceLine, PageText
from monochat_billing.pages import Section, page_html, page_text
from monochat_billing.plans import AnyCatalog, Family, known_product
from monochat_billing.runways import NO_BURN, Burn, Runway, runway
from monochat_billing.scheduling import DueKind, ScheduledChange
from monochat_billing.subscriptions import Subscription, SubscriptionState
from monochat_billing.translations import mark
from monochat_billing.units import Amount
from monochat_billing.wording import Words

__all__ = ["CreditLine", "Notice", "NoticeKind", "Overview", "limit_names", "overview"]

_AHEAD: Final = timedelta(days=31)
_HORIZON: Final = timedelta(days=366)
_SOON: Final = timedelta(days=14)
_MOST_AHEAD: Final = 100
_MOST_SHOWN: Final = 10


class NoticeKind(enum.StrEnum):
    """Name what a page warns of."""

    OVERDRAWN = "OVERDRAWN"
    FROZEN = "FROZEN"
    UNPAID = "UNPAID"
    SUSPENDED = "SUSPENDED"
    WILL_FAIL = "WILL_FAIL"
    RUNS_DRY = "RUNS_DRY"
    EXPIRES = "EXPIRES"
    ABOVE_LIMIT = "ABOVE_LIMIT"


_NOTICES: Final = {
    NoticeKind.OVERDRAWN: mark("{unit} is below zero: top up"),
    NoticeKind.FROZEN: mark("the {unit} balance is frozen"),
    NoticeKind.UNPAID: mark("{product} is not paid: top up"),
    NoticeKind.SUSPENDED: mark("{product} is suspended: top up"),
    NoticeKind.WILL_FAIL: mark("{at}: {text}"),
    NoticeKind.EXPIRES: mark("{text} of credit will be lost on {at}"),
    NoticeKind.ABOVE_LIMIT: mark("above the limit of {text}"),
}


_WAITING: Final = {
    SubscriptionState.PAST_DUE: NoticeKind.UNPAID,
    SubscriptionState.SUSPENDED: NoticeKind.SUSPENDED,
}


@final
@attrs.frozen(kw_only=True)
class CreditLine:
    """Show one lot that is not plainly money: a pack, an allowance, or credit with terms."""

    lot: Lot
    remaining: Amount
    granted: Amount


@final
@attrs.frozen(kw_only=True)
class Notice:
    """Warn of one thing: which balance, subscription, charge ahead or limit it is about."""

    kind: NoticeKind
    unit: str = ""
    product: str = ""
    at: datetime | None = None
    name: str = ""
    amount: Amount | None = None


@final
@attrs.frozen(kw_only=True)
class Overview:
    """Show everything that a business sees of its account at ``as_of``.

    ``credits`` are lots with a term or a purpose, and units; ``forecast`` is what falls due in the
    next 31 days, ``runways`` until when each balance lasts, ``limits`` what is in use of what is
    limited, as far as the host told. ``last_entries`` are in ascending order. ``names`` are those
    of the products on the page, by language.

    Printing it gives tables of at most 100 columns, with instants in the account's time zone; a
    notebook shows it as HTML.

    >>> from monochat_billing.money import money
    >>> from monochat_billing.testing.workbench import Workbench
    >>> bench = Workbench()
    >>> account = bench.open("acme", money("5000", "TRY"))
    >>> one = bench.subscribe("acme", "growth")
    >>> page = bench.billing.overview("acme")
    >>> print(page.explain("tr").splitlines()[0])
    Acme Ltd. (acme), 05.10.2026 09:00 Europe/Istanbul
    >>> [balance.unit for balance in page.balances]
    ['TRY', 'monochat.message']
    """

    account: str
    name: str
    zone: str
    as_of: datetime
    balances: tuple[BalanceLine, ...]
    credits: tuple[CreditLine, ...]
    holds: tuple[Hold, ...]
    subscriptions: tuple[Subscription, ...]
    scheduled: tuple[tuple[ScheduledChange, datetime], ...]
    forecast: Forecast
    runways: tuple[Runway, ...]
    limits: tuple[LimitCheck, ...]
    notices: tuple[Notice, ...]
    last_entries: tuple[Entry, ...]
    names: Mapping[str, Mapping[str, str]] = attrs.field(repr=False)
    catalog_note: str = ""

    def subscription(self, family: Family) -> Subscription | None:
        """Give the subscription of one product family, if there is one."""
        return next((one for one in self.subscriptions if one.family is family), None)

    def explain(self, locale: str = "en") -> str:
        """Lay out the page as text.

        Raises:
            InvalidInput: there are no sentences in that language.
        """
        return page_text(*self._page(Words(locale)))

    def warnings(self, locale: str = "en") -> tuple[str, ...]:
        """Say each of ``notices`` in one sentence, for a page of one's own.

        Raises:
            InvalidInput: there are no sentences in that language.
        """
        text = PageText(Words(locale), self.zone, self.names)
        return tuple(self._notice(one, text) for one in self.notices)

    def html(self, locale: str = "en") -> str:
        """Lay out the page as HTML that stands by itself, with every text escaped.

        Raises:
            InvalidInput: there are no sentences in that language.
        """
        return page_html(*self._page(Words(locale)))

    def _repr_html_(self) -> str:
        return self.html()

    def __str__(self) -> str:
        return self.explain()

    def _page(self, words: Words) -> tuple[str, list[Section]]:
        moment = words.moment(self.as_of, self.zone)
        title = f"{self.name or self.account} ({self.account}), {moment} {self.zone}"
        return title, list(self._sections(words))

    def _sections(self, words: Words) -> Iterator[Section]:
        text = PageText(words, self.zone, self.names)
        if self.notices:
            rows = tuple((one,) for one in self.warnings(words.locale))
            yield Section(rows=rows, warns=True)
        yield text.balances(self.balances)
        if self.credits:
            yield text.credits([(one.lot, one.remaining, one.granted) for one in self.credits])
        if self.holds:
            yield text.holds(self.holds)
        yield text.subscriptions(self.subscriptions)
        if self.scheduled:
            yield text.scheduled(
                [(change, at, self._product_of(change)) for change, at in self.scheduled]
            )
        ahead = [line for line in self.forecast.about_money if not _is_repetition(line)]
        if ahead:
            yield text.upcoming(ahead[:_MOST_SHOWN])
        if self.runways:
            yield Section(rows=tuple((one.explain(words.locale),) for one in self.runways))
        if self.limits:
            yield text.limits(self.limits)
        yield text.entries(self.last_entries)
        if self.catalog_note:
            yield Section(rows=((text.words.say(self.catalog_note),),))

    def _product_of(self, change: ScheduledChange) -> str:
        return next(
            (one.product for one in self.subscriptions if one.id == change.subscription), change.to
        )

    def _notice(self, one: Notice, page: PageText) -> str:
        words = page.words
        text = words.term(one.name)
        if one.kind is NoticeKind.RUNS_DRY:
            return next(run.explain(words.locale) for run in self.runways if run.unit == one.unit)
        if one.kind is NoticeKind.WILL_FAIL:
            line = next(
                line
                for line in self.forecast.lines
                if (line.at, line.subject, line.outcome) == (one.at, one.name, Outcome.FAILS)
            )
            text = f"{line.what(words.locale)} {line.ends(words.locale)}"
        elif one.amount is not None:
            text = amount_words(one.amount, words).removeprefix("-")
        return words.say(
            _NOTICES[one.kind],
            unit=one.unit,
            product=page.product(one.product),
            at=page.moment(one.at),
            text=text,
        )


def _is_repetition(line: ForecastLine) -> bool:
    """Tell whether a line only says again that something is not paid."""
    return line.kind is DueKind.RETRY and line.outcome is Outcome.FAILS


def overview(
    state: AccountState,
    catalog: AnyCatalog,
    last_entries: Sequence[Entry],
    *,
    usage: Mapping[str, int] | None = None,
    burns: Mapping[str, Burn] | None = None,
) -> Overview:
    """Compose the page from a state that is caught up.

    ``usage`` counts what is in use by the name of its limit. ``burns`` says by unit what is used
    of a balance per day; without it, runways count what falls due only.

    >>> from datetime import UTC, datetime
    >>> from monochat_billing.commands import open_account
    >>> from monochat_billing.plans import sample_catalog
    >>> t = datetime(2026, 10, 5, tzinfo=UTC)
    >>> opened = open_account(
    ...     account="acme", zone="UTC", currencies=["TRY"], profile=None, now=t
    ... )
    >>> page = overview(opened.state, sample_catalog(), ())
    >>> print(str(page).partition("subscription")[0].rstrip())
    acme (acme), 2026-10-05 00:00 UTC
    <BLANKLINE>
    balance  posted  held  available
    -------  ------  ----  ---------
    TRY        0.00  0.00       0.00
    """
    account = state.account
    at = account.as_of
    composed = _Page(state, catalog)
    forecast = upcoming(state, catalog, at + _AHEAD, most=_MOST_AHEAD)
    runways = tuple(
        runway(state, catalog, unit, at + _HORIZON, (burns or {}).get(unit, NO_BURN))
        for unit in composed.paying(burns or {})
    )
    limits = tuple(composed.limits(usage or {}))
    return Overview(
        account=account.id,
        name=account.profile.business_name if account.profile else "",
        zone=account.zone,
        as_of=at,
        balances=tuple(map(composed.balance, composed.listed())),
        credits=tuple(composed.credits()),
        holds=tuple(
            sorted(
                (one for one in state.holds.values() if one.open),
                key=lambda one: (one.placed_at, one.id),
            )
        ),
        subscriptions=composed.subscriptions(),
        scheduled=tuple(composed.scheduled()),
        forecast=forecast,
        runways=runways,
        limits=limits,
        notices=tuple(composed.notices(forecast, runways, limits)),
        last_entries=tuple(last_entries),
        names=composed.names(),
        catalog_note=catalog.at(at).note,
    )


def limit_names(state: AccountState, catalog: AnyCatalog) -> tuple[str, ...]:
    """Name what is limited for an account now, as a usage reader is asked for it."""
    found = [limit.name for limit in _Page(state, catalog).limited()]
    return tuple(dict.fromkeys(found))


@final
class _Page:
    """Read the parts of the page off an account."""

    def __init__(self, state: AccountState, catalog: AnyCatalog) -> None:
        self._state = state
        self._catalog = catalog
        self._at = state.account.as_of

    def listed(self) -> list[Balance]:
        """Give the balances, currencies first and in their order."""
        balances = self._state.books.balances
        codes = self._state.account.currencies
        return [*(balances[code] for code in codes)] + [
            one for unit, one in balances.items() if unit not in codes
        ]

    def balance(self, one: Balance) -> BalanceLine:
        """Show one balance."""
        return BalanceLine(
            unit=one.unit,
            posted=one.value(one.posted),
            held=one.value(one.held),
            available=one.value(one.available(None, self._at)),
            owed=one.value(one.owed),
        )

    def credits(self) -> Iterator[CreditLine]:
        """Give the lots that say more than money does, the next to burn first."""
        for balance in self.listed():
            for lot in balance.lots:
                plain = lot.origin is LotOrigin.PAID and lot.expires_at is None
                if lot.remaining and not (plain and not lot.pays_for and not lot.waiting):
                    yield CreditLine(
                        lot=lot,
                        remaining=balance.value(lot.remaining),
                        granted=balance.value(lot.granted),
                    )

    def subscriptions(self) -> tuple[Subscription, ...]:
        """Give what is live, in the order of families; of a family without any, what ended last."""
        order = list(Family)
        every = self._state.subscriptions.values()
        live = [one for one in every if one.live]
        families = {one.family for one in live}
        ended = {
            one.family: one
            for one in sorted(every, key=lambda one: one.ended_at or one.started_at)
            if one.family not in families and one.family.ladder
        }
        return tuple(
            sorted(
                [*live, *ended.values()],
                key=lambda one: (order.index(one.family), one.started_at, one.id),
            )
        )

    def scheduled(self) -> list[tuple[ScheduledChange, datetime]]:
        """Give what is pending with its instant, soonest first."""
        pending = [
            (change, change.due_at(self._state.subscriptions.get(change.subscription)))
            for change in self._state.schedule.values()
            if change.pending
        ]
        return sorted(pending, key=lambda one: (one[1], one[0].requested_at))

    def paying(self, burns: Mapping[str, Burn]) -> list[str]:
        """Name the balances that something is paid from."""
        paid = {one.price.currency for one in self.subscriptions() if one.live}
        return [one.unit for one in self.listed() if one.unit in paid or one.unit in burns]

    def limited(self) -> Iterator[Limit]:
        """Give the limits of what serves, the plan's first."""
        for one in self.subscriptions():
            if one.serves(self._at):
                product = known_product(self._catalog, one.product, self._at)
                if one.agreement is not None:
                    product = one.agreement.applied_to(product)
                yield from product.limits

    def limits(self, usage: Mapping[str, int]) -> Iterator[LimitCheck]:
        """Check what is in use against the first that limits it."""
        first: dict[str, Limit] = {}
        for limit in self.limited():
            first.setdefault(limit.name, limit)
        for name, limit in first.items():
            if name in usage:
                yield check(limit, usage[name])

    def notices(
        self, forecast: Forecast, runways: Sequence[Runway], limits: Sequence[LimitCheck]
    ) -> Iterator[Notice]:
        """Warn of what is wrong now, then of what will be."""
        yield from self._standing()
        for checked in limits:
            if checked.over:
                yield Notice(kind=NoticeKind.ABOVE_LIMIT, name=checked.limit.name)
        yield from self._ahead(forecast)
        for run in runways:
            soon = run.until is not None and self._at < run.until <= self._at + _SOON
            if soon and run.line is None:
                yield Notice(kind=NoticeKind.RUNS_DRY, unit=run.unit, at=run.until)

    def _standing(self) -> Iterator[Notice]:
        for balance in self.listed():
            if balance.state is BalanceState.FROZEN:
                yield Notice(kind=NoticeKind.FROZEN, unit=balance.unit)
            elif balance.owed and balance.available(None, self._at) < 0:
                yield Notice(kind=NoticeKind.OVERDRAWN, unit=balance.unit)
        for one in self.subscriptions():
            kind = _WAITING.get(one.state)
            if kind is not None:
                yield Notice(kind=kind, product=one.product)

    def _ahead(self, forecast: Forecast) -> Iterator[Notice]:
        waiting = {one.id for one in self._state.subscriptions.values() if one.state in _WAITING}
        for line in forecast.lines:
            lost = line.outcome is Outcome.LOST and line.origin is not LotOrigin.ALLOWANCE
            if lost and line.amount is not None:
                yield Notice(kind=NoticeKind.EXPIRES, at=line.at, amount=line.amount)
            elif line.outcome is Outcome.FAILS and line.subject not in waiting:
                waiting.add(line.subject)
                yield Notice(kind=NoticeKind.WILL_FAIL, name=line.subject, at=line.at)

    def names(self) -> Mapping[str, Mapping[str, str]]:
        """Name what the page may be about: what is on sale, and what is held."""
        catalog = self._catalog.at(self._at)
        found = {one.id: one.names for one in catalog.one_offs}
        found |= {one.id: one.names for one in catalog.products}
        for one in self.subscriptions():
            if one.product not in found:
                found[one.product] = known_product(self._catalog, one.product, self._at).names
        return found
