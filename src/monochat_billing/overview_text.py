"""Overview text: how each part of the Billing page reads, as sections in a language.

*Owns* the columns of the page, the words for states and kinds, and the order of cells.
*Does not own* what stands on the page (``overview``) or its layout (``pages``).
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Final, final

import attrs

from monochat_billing.balance import Entry
from monochat_billing.entry_words import kind_words, reason_words
from monochat_billing.forecast_lines import ForecastLine
from monochat_billing.holds import Hold
from monochat_billing.limits import LimitCheck
from monochat_billing.lots import ChargeKind, Lot, LotOrigin
from monochat_billing.pages import Section, aligned
from monochat_billing.plans import Family
from monochat_billing.refund_dues import is_due
from monochat_billing.scheduling import ScheduleAction, ScheduledChange
from monochat_billing.subscriptions import Subscription, SubscriptionState
from monochat_billing.translations import mark
from monochat_billing.units import Amount, Units, unit_of
from monochat_billing.wording import Words

__all__ = ["BalanceLine", "PageText"]

_FAMILIES: Final = {
    Family.PLAN: mark("Plan"),
    Family.SUPPORT: mark("Support package"),
    Family.ADD_ON: mark("Add-on"),
}
_STATES: Final = {
    SubscriptionState.TRIALING: mark("in trial"),
    SubscriptionState.ACTIVE: mark("active"),
    SubscriptionState.PAST_DUE: mark("past due"),
    SubscriptionState.SUSPENDED: mark("suspended"),
    SubscriptionState.PAUSED: mark("paused"),
    SubscriptionState.CANCELED: mark("canceled"),
    SubscriptionState.EXPIRED: mark("expired"),
}
_NEXT: Final = {
    SubscriptionState.TRIALING: mark("trial until {day}"),
    SubscriptionState.ACTIVE: mark("renews {day}"),
    SubscriptionState.PAST_DUE: mark("to be paid by {day}"),
    SubscriptionState.SUSPENDED: mark("since {day}"),
    SubscriptionState.PAUSED: mark("paid until {day}"),
    SubscriptionState.CANCELED: mark("ended {day}"),
    SubscriptionState.EXPIRED: mark("ended {day}"),
}
_ORIGINS: Final = {
    LotOrigin.PAID: mark("paid"),
    LotOrigin.PROMOTIONAL: mark("promotion"),
    LotOrigin.PACK: mark("extra package"),
    LotOrigin.ALLOWANCE: mark("included"),
}
_PAYS_FOR: Final = {
    ChargeKind.PLAN: mark("plan"),
    ChargeKind.SUPPORT: mark("support package"),
    ChargeKind.MESSAGE: mark("messages"),
    ChargeKind.USAGE: mark("usage"),
    ChargeKind.PACK: mark("extra packages"),
    ChargeKind.OTHER: mark("other charges"),
}
_ACTIONS: Final = {
    ScheduleAction.CHANGE: mark("change to {product}, {interval}"),
    ScheduleAction.SUBSCRIBE: mark("{product} begins, {interval}"),
    ScheduleAction.QUANTITY: mark("{product} in a quantity of {quantity}"),
    ScheduleAction.PAUSE: mark("{product} is paused"),
    ScheduleAction.RESUME: mark("{product} is resumed"),
    ScheduleAction.CANCEL: mark("{product} is canceled"),
}


@final
@attrs.frozen(kw_only=True)
class BalanceLine:
    """Show one balance: posted is the sum of entries, available what a debit can take now.

    Of money ``held`` is set aside by holds, ``owed`` was taken by force and is not covered.
    """

    unit: str
    posted: Amount
    held: Amount
    available: Amount
    owed: Amount


@final
@attrs.frozen
class PageText:
    """Write the parts of the page in one language, in an account's zone, with product names."""

    words: Words
    zone: str
    names: Mapping[str, Mapping[str, str]]

    def product(self, product: str) -> str:
        """Give a product's name in the language, else in English, else its id."""
        names = self.names.get(product, {})
        return names.get(self.words.locale) or names.get("en") or product

    def moment(self, instant: datetime | None) -> str:
        """Write an instant in the account's zone, nothing for None."""
        return "" if instant is None else self.words.moment(instant, self.zone)

    def state(self, state: SubscriptionState) -> str:
        """Name a subscription's state."""
        return self.words.say(_STATES[state])

    def balances(self, lines: Sequence[BalanceLine]) -> Section:
        """Lay out the balances."""
        say = self.words.say
        columns = [
            self._column([one.posted for one in lines]),
            self._column([one.held for one in lines]),
            self._column([one.available for one in lines]),
        ]
        rows = tuple(
            (self.words.term(one.unit), *cells) for one, *cells in zip(lines, *columns, strict=True)
        )
        return Section(
            heads=(say("balance"), ">" + say("posted"), ">" + say("held"), ">" + say("available")),
            rows=rows,
        )

    def credits(self, lots: Sequence[tuple[Lot, Amount, Amount]]) -> Section:
        """Lay out credit that is not plainly money: packs, allowances, promotions, with terms."""
        say, say_in = self.words.say, self.words.say_in
        left = self._column([remaining for _, remaining, _ in lots])
        whole = self._column([granted for _, _, granted in lots])
        rows = tuple(
            (
                say(_ORIGINS[lot.origin]),
                self.words.term(lot.unit),
                remaining,
                granted,
                self._usable(lot),
                self._pays_for(lot),
            )
            for (lot, _, _), remaining, granted in zip(lots, left, whole, strict=True)
        )
        heads = (
            say("credit lot"),
            say("unit"),
            ">" + say_in("column", "left"),
            ">" + say_in("column", "of"),
            say("usable"),
            say_in("column", "for"),
        )
        return Section(heads=heads, rows=rows)

    def holds(self, holds: Sequence[Hold]) -> Section:
        """Lay out what is set aside."""
        say, say_in = self.words.say, self.words.say_in
        left = self._column([one.left_value for one in holds])
        rows = tuple(
            (one.id, self.words.term(one.unit), amount, self.moment(one.expires_at), self._why(one))
            for one, amount in zip(holds, left, strict=True)
        )
        heads = (
            say("hold"),
            say("unit"),
            ">" + say("set aside"),
            say_in("column", "until"),
            say("reason"),
        )
        return Section(heads=heads, rows=rows)

    def _why(self, hold: Hold) -> str:
        """Give the reason of a hold: the host's, or that a refund is due."""
        return kind_words(hold.kind, self.words) if is_due(hold) else hold.reason

    def subscriptions(self, ones: Sequence[Subscription]) -> Section:
        """Lay out plan, support package and add-ons."""
        say, say_in = self.words.say, self.words.say_in
        prices = self._column([one.full_price for one in ones])
        rows = tuple(
            (
                say(_FAMILIES[one.family]),
                self._held(one),
                self.state(one.state),
                f"{price} {one.price.currency}",
                self.words.interval(one.price.interval),
                self._tax(one),
                self._next(one),
            )
            for one, price in zip(ones, prices, strict=True)
        )
        heads = (
            say("subscription"),
            say("product"),
            say("state"),
            ">" + say("price"),
            say_in("column", "paid"),
            say("tax in it"),
            say("what comes"),
        )
        return Section(heads=heads, rows=rows)

    def scheduled(self, changes: Sequence[tuple[ScheduledChange, datetime, str]]) -> Section:
        """Lay out what was planned: each with its instant and the product it is about."""
        say = self.words.say
        rows = tuple(
            (
                self.moment(at),
                say(
                    _ACTIONS[change.action],
                    product=self.product(change.to or product),
                    interval=(
                        "" if change.interval is None else self.words.interval(change.interval)
                    ),
                    quantity=self.words.number(change.quantity or 1),
                ),
                self.moment(change.requested_at),
            )
            for change, at, product in changes
        )
        return Section(heads=(say("scheduled"), say("what"), say("asked for")), rows=rows)

    def upcoming(self, lines: Sequence[ForecastLine]) -> Section:
        """Lay out what falls due next."""
        say = self.words.say
        amounts = self._column([one.amount for one in lines], signed=True)
        balances = self._column([one.balance for one in lines])
        rows = tuple(
            (
                self._day(one.at),
                one.what(self.words.locale),
                amount if one.amount is None else f"{amount} {unit_of(one.amount)}",
                balance,
                one.ends(self.words.locale),
            )
            for one, amount, balance in zip(lines, amounts, balances, strict=True)
        )
        heads = (
            say("upcoming"),
            say("what"),
            ">" + say("amount"),
            ">" + say("balance after"),
            say("outcome"),
        )
        return Section(heads=heads, rows=rows)

    def limits(self, checks: Sequence[LimitCheck]) -> Section:
        """Lay out what is in use of what is limited."""
        say, say_in, number = self.words.say, self.words.say_in, self.words.number
        rows = tuple(
            (
                self.words.term(one.limit.name),
                number(one.used),
                say("unlimited") if one.limit.most is None else number(one.limit.most),
                self._room(one),
            )
            for one in checks
        )
        heads = (
            say("limit"),
            ">" + say("in use"),
            ">" + say_in("column", "of"),
            say_in("column", "room"),
        )
        return Section(heads=heads, rows=rows)

    def entries(self, entries: Sequence[Entry]) -> Section:
        """Lay out the last entries."""
        say, say_in = self.words.say, self.words.say_in
        amounts = self._column([one.value for one in entries], signed=True)
        after = self._column([one.balance_value for one in entries])
        rows = tuple(
            (
                str(one.number),
                self.moment(one.effective_at),
                kind_words(one.kind, self.words),
                amount,
                self.words.term(one.unit),
                balance,
                reason_words(one, self.words, self.product),
            )
            for one, amount, balance in zip(entries, amounts, after, strict=True)
        )
        heads = (
            ">#",
            say("effective"),
            say("entry"),
            ">" + say("amount"),
            say_in("column", "in"),
            ">" + say("balance"),
            say("reason"),
        )
        return Section(heads=heads, rows=rows)

    def _column(self, values: Iterable[Amount | None], *, signed: bool = False) -> list[str]:
        return aligned([self._number(one, signed=signed) for one in values], self._mark)

    @property
    def _mark(self) -> str:
        return "," if self.words.locale == "tr" else "."

    def _number(self, value: Amount | None, *, signed: bool) -> str:
        if value is None:
            return ""
        if isinstance(value, Units):
            text, above = self.words.number(value.count), value.count > 0
        else:
            text, above = self.words.amount(value), value.amount > 0
        return "+" + text if signed and above else text

    def _usable(self, lot: Lot) -> str:
        since = lot.effective_at if lot.waiting else None
        if lot.expires_at is None and since is None:
            return self.words.say("without an end")
        if lot.expires_at is None:
            return self.words.say("from {since}", since=self.moment(since))
        if since is None:
            return self.words.say("until {until}", until=self.moment(lot.expires_at))
        return f"{self.moment(since)} – {self.moment(lot.expires_at)}"

    def _pays_for(self, lot: Lot) -> str:
        kinds = [kind for kind in ChargeKind if kind in lot.pays_for]
        if not kinds:
            return self.words.say("everything")
        return ", ".join(self.words.say(_PAYS_FOR[kind]) for kind in kinds)

    def _held(self, one: Subscription) -> str:
        name = self.product(one.product)
        return name if one.quantity == 1 else f"{self.words.number(one.quantity)} × {name}"

    def _tax(self, one: Subscription) -> str:
        tax = one.charge.tax
        if tax is None or not tax.tax.amount:
            return ""
        return f"{tax.rate.name} {self.words.amount(tax.tax)}"

    def _next(self, one: Subscription) -> str:
        """Say in a few words what the subscription waits for, or since when it is what it is."""
        grace = None if one.dunning is None else one.dunning.grace_ends_at
        if one.state is SubscriptionState.PAST_DUE and grace is None:
            return self.words.say("waits for money")
        at = {
            SubscriptionState.TRIALING: one.trial_ends_at,
            SubscriptionState.PAST_DUE: grace,
            SubscriptionState.SUSPENDED: one.suspended_at,
            SubscriptionState.CANCELED: one.ended_at,
            SubscriptionState.EXPIRED: one.ended_at,
        }.get(one.state)
        return self._on(_NEXT[one.state], at or one.period.end)

    def _on(self, text: str, at: datetime) -> str:
        return self.words.say(text, day=self._day(at))

    def _day(self, at: datetime) -> str:
        return self.words.local_short_day(at, self.zone)

    def _room(self, one: LimitCheck) -> str:
        if one.left is None:
            return ""
        if one.over:
            text = mark("{count} above, charged") if one.charged else mark("{count} above")
            return self.words.say(text, count=self.words.number(one.over))
        return self.words.say("{count} left", count=self.words.number(one.left))
