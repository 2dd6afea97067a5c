"""Forecast: every charge, renewal, expiry and scheduled change ahead, by the code that will do it.

*Owns* what lies ahead as a value, how each line of it reads, and where it is cut.
*Does not own* any rule: the lines are the links of the very catch-up that time will bring. So what
is shown is what happens, unless a command or a new catalog comes in between. How long the money
lasts is ``runways``'.
"""

import enum
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Final, final

import attrs

from monochat_billing.accounts import AccountState, Step, ahead
from monochat_billing.balance import Entry
from monochat_billing.errors import InvalidInput, UnknownName
from monochat_billing.events import Event, RenewalFailed, ScheduledChangeFailed
from monochat_billing.instants import utc
from monochat_billing.lots import LotOrigin
from monochat_billing.money import Money, money, negate, total
from monochat_billing.plans import AnyCatalog, known_product
from monochat_billing.scheduling import Due, DueKind, ScheduleAction, ScheduledChange
from monochat_billing.subscriptions import SubscriptionState
from monochat_billing.tables import table
from monochat_billing.tax import TaxLine
from monochat_billing.translations import mark, mark_in
from monochat_billing.units import Amount, Units, amount_in, is_currency
from monochat_billing.wording import ENGLISH, Words

__all__ = ["MOST_LINES", "Forecast", "ForecastLine", "Outcome", "amount_words", "tell", "upcoming"]

MOST_LINES: Final = 1000
"""Things due after which a forecast is cut, unless its caller says less."""


class Outcome(enum.StrEnum):
    """Name how something that lies ahead will end as things stand."""

    DONE = "DONE"
    FAILS = "FAILS"
    """It cannot be paid or done; the line says what lacks or why."""
    LOST = "LOST"
    """Credit expires before it was used."""


_STATES: Final = {
    SubscriptionState.TRIALING: mark("in trial"),
    SubscriptionState.ACTIVE: mark("active"),
    SubscriptionState.PAST_DUE: mark("past due"),
    SubscriptionState.SUSPENDED: mark("suspended"),
    SubscriptionState.PAUSED: mark("paused"),
    SubscriptionState.CANCELED: mark("canceled"),
    SubscriptionState.EXPIRED: mark("expired"),
}

_WHAT: Final = {
    DueKind.HOLD_EXPIRY: mark("hold {id} ends"),
    DueKind.LOT_EXPIRY: mark("credit expires"),
    DueKind.LOT_START: mark("credit begins"),
    DueKind.RECURRENCE: mark("credit that comes each period"),
    DueKind.SETTLEMENT: mark("settlement of what was counted"),
    DueKind.ASK_AGAIN: mark("automatic top-up {id} may ask again"),
    DueKind.TRIAL_END: mark("trial of {product} ends"),
    DueKind.CANCEL_PAUSE: mark("{product} is canceled"),
    DueKind.SCHEDULED_CHANGE: mark("change to {product}"),
    DueKind.RENEWAL: mark("renewal of {product}"),
    DueKind.RETRY: mark("retry for {product}"),
    DueKind.GRACE_END: mark("end of grace for {product}"),
}
_ACTIONS: Final = {
    ScheduleAction.QUANTITY: mark("{product} in a quantity of {quantity}"),
    ScheduleAction.PAUSE: mark("{product} is paused"),
    ScheduleAction.RESUME: mark("{product} is resumed"),
    ScheduleAction.CANCEL: mark("{product} is canceled"),
    ScheduleAction.SUBSCRIBE: mark("{product} begins"),
}
_GOES_ON: Final = mark("{product} goes on")
_INCLUDED: Final = mark("units that {product} includes")
_FALLS_DUE: Final = mark("{id} falls due")
_CONTEXT: Final = "forecast"
_PAID: Final = mark_in("forecast", "paid")
_CREDITED: Final = mark_in("forecast", "credited")


def amount_words(value: Amount, words: Words) -> str:
    """Write money with its currency's code, or units with their meter, as a language does.

    >>> amount_words(Units(5000, "monochat.message"), Words("tr"))
    '5.000 monochat.message'
    """
    if isinstance(value, Units):
        return f"{words.number(value.count)} {value.unit}"
    return words.money(value)


def _named(names: Mapping[str, str], language: str, otherwise: str) -> str:
    return names.get(language) or names.get("en") or otherwise


@final
@attrs.frozen(kw_only=True)
class ForecastLine:
    """Say what will be on an account at ``at``, in money and in words.

    ``kind`` is what falls due; None marks what follows from the line before at the same instant,
    such as a subscription that is revived. ``subject`` is the id of the subscription, hold or lot,
    ``product`` what it is about, which ``becomes`` another without having been asked, ``action`` what
    was scheduled. ``amount`` is the change of
    the balance, negative in a charge and None where no money moves, ``tax`` its split, and
    ``balance`` what is posted afterwards. ``shortfall`` is what lacks where it FAILS for lack of
    money, and ``reason`` why it fails otherwise. ``state`` is the subscription's, if it changes.
    ``origin`` is that of the lot that expires.
    """

    at: datetime
    kind: DueKind | None
    subject: str
    outcome: Outcome
    product: str = ""
    names: Mapping[str, str] = attrs.field(factory=dict)
    becomes: str = ""
    becomes_names: Mapping[str, str] = attrs.field(factory=dict)
    action: ScheduleAction | None = None
    quantity: int = 1
    amount: Amount | None = None
    tax: TaxLine | None = None
    balance: Amount | None = None
    price: Money | None = None
    shortfall: Money | None = None
    reason: str = ""
    state: SubscriptionState | None = None
    origin: LotOrigin | None = None

    def name(self, language: str = "en") -> str:
        """Give the product's name in a language, else in English, else its id."""
        return _named(self.names, language, self.product)

    def what(self, locale: str = "en") -> str:
        """Say in a few words what falls due.

        Raises:
            InvalidInput: there are no sentences in that language.
        """
        words = Words(locale)
        text = _WHAT.get(self.kind, _FALLS_DUE) if self.kind is not None else _GOES_ON
        if self.kind is None and isinstance(self.amount, Units):
            text = _INCLUDED
        if self.action is not None:
            text = _ACTIONS.get(self.action, text)
        return words.say(
            text,
            product=self.name(locale),
            id=self.subject,
            quantity=words.number(self.quantity),
        )

    def ends(self, locale: str = "en") -> str:
        """Say in a few words how it ends.

        Raises:
            InvalidInput: there are no sentences in that language.
        """
        words = Words(locale)
        parts = [self._outcome(words)]
        if self.tax is not None and self.tax.tax.amount:
            parts.append(words.say("tax {tax}", tax=words.money(_size(self.tax.tax))))
        expected = self.outcome is Outcome.FAILS and self.state is SubscriptionState.PAST_DUE
        if self.state is not None and not expected:
            parts.append(words.say(_STATES[self.state]))
        return ", ".join(part for part in parts if part)

    def _outcome(self, words: Words) -> str:
        if self.outcome is Outcome.LOST:
            return words.say("unused credit is lost")
        if self.outcome is Outcome.FAILS:
            if self.shortfall is not None:
                return words.say("fails: {amount} short", amount=words.money(self.shortfall))
            return words.say("fails: {reason}", reason=self.reason)
        if self.becomes:
            to = _named(self.becomes_names, words.locale, self.becomes)
            return words.say("moves to {product}", product=to)
        if self.amount is None:
            charges = (DueKind.RENEWAL, DueKind.SCHEDULED_CHANGE)
            return words.say("free of charge") if self.kind in charges else ""
        if isinstance(self.amount, Units):
            return ""
        return words.say_in(_CONTEXT, _PAID if self.amount.amount < 0 else _CREDITED)

    def __str__(self) -> str:
        ends = self.ends()
        amount = "" if self.amount is None else f" {amount_words(self.amount, ENGLISH)}"
        return f"{self.at:%Y-%m-%d %H:%M}Z {self.what()}{amount}" + (f": {ends}" if ends else "")


@final
@attrs.frozen(kw_only=True)
class Forecast:
    """Hold what lies ahead of an account in ``(as_of, until]``, in the order it will happen.

    ``entries`` and ``events`` are those that time will bring, numbered as they would be, and
    ``after`` is the account as it will be then. ``complete`` is False where there was more than
    the caller wanted; ``until`` is then the instant of the last line.

    Printing it gives a table of at most 100 columns, with days in the account's time zone.
    """

    account: str
    zone: str
    as_of: datetime
    until: datetime
    lines: tuple[ForecastLine, ...]
    entries: tuple[Entry, ...] = attrs.field(repr=False)
    events: tuple[Event, ...] = attrs.field(repr=False)
    after: AccountState = attrs.field(repr=False)
    complete: bool = True

    def charges(self, currency: str) -> Money:
        """Sum what will be taken in a currency for what falls due; failures take nothing."""
        taken = [
            negate(line.amount)
            for line in self.lines
            if isinstance(line.amount, Money)
            and line.amount.currency.code == currency
            and line.amount.amount < 0
            and line.outcome is Outcome.DONE
        ]
        return total(taken, currency) if taken else money(0, currency)

    @property
    def failures(self) -> tuple[ForecastLine, ...]:
        """Give the lines that will fail as things stand."""
        return tuple(line for line in self.lines if line.outcome is Outcome.FAILS)

    @property
    def about_money(self) -> tuple[ForecastLine, ...]:
        """Give the lines but those that move units of a meter."""
        return tuple(line for line in self.lines if not isinstance(line.amount, Units))

    def explain(self, locale: str = "en") -> str:
        """Lay out the lines as a table, and those that move units of a meter as another.

        Raises:
            InvalidInput: there are no sentences in that language.
        """
        words = Words(locale)
        until = words.moment(self.until, self.zone)
        if not self.lines:
            return words.say("nothing falls due until {until}", until=until)
        units = [line for line in self.lines if isinstance(line.amount, Units)]
        tables = [
            table(self._heads(words), [self._row(line, words) for line in lines])
            for lines in (self.about_money, units)
            if lines
        ]
        if not self.complete:
            tables.append(words.say("and more after {until}", until=until))
        return "\n\n".join(tables)

    @staticmethod
    def _heads(words: Words) -> tuple[str, ...]:
        return (
            words.say("upcoming"),
            words.say("what"),
            ">" + words.say("amount"),
            ">" + words.say("balance after"),
            words.say("outcome"),
        )

    def _row(self, line: ForecastLine, words: Words) -> tuple[str, ...]:
        return (
            words.local_short_day(line.at, self.zone),
            line.what(words.locale),
            _signed(line.amount, words),
            "" if line.balance is None else _number(line.balance, words),
            line.ends(words.locale),
        )

    def __str__(self) -> str:
        return self.explain()


def _number(value: Amount, words: Words) -> str:
    return words.number(value.count) if isinstance(value, Units) else words.amount(value)


def _signed(amount: Amount | None, words: Words) -> str:
    if amount is None:
        return ""
    count = amount.count if isinstance(amount, Units) else amount.amount
    return ("+" if count > 0 else "") + amount_words(amount, words)


def _size(value: Money) -> Money:
    return negate(value) if value.amount < 0 else value


def upcoming(
    state: AccountState,
    catalog: AnyCatalog,
    until: datetime,
    *,
    most: int = MOST_LINES,
) -> Forecast:
    """List what falls due on an account after its last instant, up to ``until`` (inclusive).

    ``state`` is caught up. Each thing due is decided as it will be, on the books that the one
    before it leaves, so a renewal that the money will not cover is shown failing, and what follows
    from that too. Prices and rules are those that the catalog has for those days as of now. It is
    cut after ``most`` things due.

    Raises:
        InvalidInput: ``until`` is naive or not ahead, or ``most`` is no number from 1 to 1000.

    >>> from datetime import UTC, timedelta
    >>> from monochat_billing import plan_commands
    >>> from monochat_billing.balance import PAID
    >>> from monochat_billing.commands import grant, open_account
    >>> from monochat_billing.periods import MONTH
    >>> from monochat_billing.plans import sample_catalog
    >>> t = datetime(2026, 10, 5, tzinfo=UTC)
    >>> state = open_account(
    ...     account="acme", zone="UTC", currencies=["TRY"], profile=None, now=t
    ... ).state
    >>> state = grant(state, money("3500", "TRY"), terms=PAID, reason="opening", now=t).state
    >>> catalog = sample_catalog()
    >>> state = plan_commands.subscribe(
    ...     state, catalog, subscription_id="s-1", product="growth", interval=MONTH,
    ...     currency=None, actor="", now=t,
    ... ).state
    >>> ahead = upcoming(state, catalog, t + timedelta(days=62))
    >>> for line in ahead.lines[:2]:
    ...     print(line)
    2026-11-05 00:00Z renewal of Growth -1,499.00 TRY: paid
    2026-12-05 00:00Z renewal of Growth: fails: 997.00 TRY short
    """
    as_of = state.account.as_of
    until = utc(until, field="until")
    if until <= as_of:
        raise InvalidInput("until", until.isoformat(), "is not ahead", "pass a later instant")
    if type(most) is not int or not 1 <= most <= MOST_LINES:
        raise InvalidInput("most", most, "is no count", f"pass 1 to {MOST_LINES}")
    lines: list[ForecastLine] = []
    steps: list[Step] = []
    before, complete = state, True
    for due, step in ahead(state, catalog, until):
        if len(steps) == most:
            complete = False
            until = lines[-1].at if lines else until
            break
        lines += tell(before, due, step, catalog)
        steps.append(step)
        before = step.state
    return Forecast(
        account=state.account.id,
        zone=state.account.zone,
        as_of=as_of,
        until=until,
        lines=tuple(lines),
        entries=tuple(entry for step in steps for entry in step.entries),
        events=tuple(event for step in steps for event in step.events),
        after=before.seen(until) if complete else before,
        complete=complete,
    )


def tell(
    before: AccountState, due: Due, step: Step, catalog: AnyCatalog
) -> tuple[ForecastLine, ...]:
    """Tell one link of catch-up: what was due, then what else changed because of it."""
    return tuple(_Link(before, due, step, catalog).lines())


@final
@attrs.frozen
class _Link:
    """Hold one link of catch-up: the account before it, what was due, and what came of it."""

    before: AccountState
    due: Due
    step: Step
    catalog: AnyCatalog

    def lines(self) -> Iterator[ForecastLine]:
        """Tell what was due, then each other subscription that changed because of it."""
        before, after = self.before.subscriptions, self.step.state.subscriptions
        change = self.before.schedule.get(self.due.id)
        subject = self.due.id if change is None else change.subscription
        others = [
            name for name, one in after.items() if name != subject and before.get(name) is not one
        ]
        kind = self.due.kind
        own = [entry for entry in self.step.entries if entry.reference not in others]
        if kind is DueKind.LOT_EXPIRY:
            yield from map(self._breakage, own)
        elif subject in before or subject in after:
            yield self._about(subject, own, change, kind)
            yield from self._units(subject, own)
        else:
            yield from self._plain(own)
        for name in others:
            entries = [entry for entry in self.step.entries if entry.reference == name]
            yield self._about(name, entries)
            yield from self._units(name, entries)

    def _breakage(self, entry: Entry) -> ForecastLine:
        lots = self.before.books.balances[entry.unit].lots
        number, _ = entry.parts[0]
        return ForecastLine(
            at=self.due.at,
            kind=self.due.kind,
            subject=self.due.id,
            outcome=Outcome.LOST,
            amount=entry.value,
            balance=entry.balance_value,
            origin=next((lot.origin for lot in lots if lot.number == number), None),
        )

    def _plain(self, entries: Sequence[Entry]) -> Iterator[ForecastLine]:
        """Tell what is about no subscription, with a line for each unit that it moves."""
        moved = [*_sums(entries)] or [(None, None)]
        for amount, balance in moved:
            yield ForecastLine(
                at=self.due.at,
                kind=self.due.kind,
                subject=self.due.id,
                outcome=Outcome.DONE,
                amount=amount,
                balance=balance,
            )

    def _units(self, subject: str, entries: Sequence[Entry]) -> Iterator[ForecastLine]:
        """Tell of the units that come and go with a subscription."""
        one = self.step.state.subscriptions.get(subject)
        product = "" if one is None else one.product
        for amount, balance in _sums([one for one in entries if not is_currency(one.unit)]):
            yield ForecastLine(
                at=self.due.at,
                kind=None,
                subject=subject,
                outcome=Outcome.DONE,
                product=product,
                names=_names(self.catalog, product, self.due.at),
                amount=amount,
                balance=balance,
            )

    def _about(
        self,
        subject: str,
        entries: Sequence[Entry],
        change: ScheduledChange | None = None,
        kind: DueKind | None = None,
    ) -> ForecastLine:
        """Tell what happens to one subscription."""
        told = [one for one in self.step.events if getattr(one, "subscription", None) == subject]
        unpaid = next((one for one in told if isinstance(one, RenewalFailed)), None)
        failed = next((one for one in told if isinstance(one, ScheduledChangeFailed)), None)
        old = self.before.subscriptions.get(subject)
        new = self.step.state.subscriptions.get(subject)
        product, quantity = ("", 1) if new is None else (new.product, new.quantity)
        moves = old is not None and new is not None and old.product != new.product
        target = product if moves and change is None else ""
        if old is not None and target:
            product = old.product
        if change is not None:
            product, quantity = change.to or product, change.quantity or quantity
        amount, balance = next(
            _sums([one for one in entries if is_currency(one.unit)]), (None, None)
        )
        moved = new is not None and (old is None or old.state is not new.state)
        return ForecastLine(
            at=self.due.at,
            kind=kind,
            subject=subject,
            outcome=Outcome.DONE if unpaid is None and failed is None else Outcome.FAILS,
            product=product,
            names=_names(self.catalog, product, self.due.at),
            becomes=target,
            becomes_names=_names(self.catalog, target, self.due.at),
            action=None if change is None else change.action,
            quantity=quantity,
            amount=amount,
            tax=_tax(told),
            balance=balance,
            price=None if unpaid is None else unpaid.amount,
            shortfall=None if unpaid is None else unpaid.shortfall,
            reason="" if failed is None else failed.reason,
            state=new.state if new is not None and moved else None,
        )


def _sums(entries: Sequence[Entry]) -> Iterator[tuple[Amount | None, Amount | None]]:
    """Give for each unit what entries move in sum, and what is posted after them."""
    for unit in dict.fromkeys(entry.unit for entry in entries):
        found = [entry for entry in entries if entry.unit == unit]
        net = sum(entry.amount for entry in found)
        yield amount_in(unit, found[0].scale, net), found[-1].balance_value


def _names(catalog: AnyCatalog, product: str, at: datetime) -> Mapping[str, str]:
    if not product:
        return {}
    try:
        return known_product(catalog, product, at).names
    except UnknownName:
        return {}


def _tax(told: Sequence[Event]) -> TaxLine | None:
    """Give the split of what is charged, from the event that tells the charge."""
    for event in told:
        for field in ("charge_tax", "tax"):
            line = getattr(event, field, None)
            if isinstance(line, TaxLine):
                return line
    return None
