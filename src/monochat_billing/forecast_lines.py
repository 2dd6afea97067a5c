"""Forecast lines: one thing that falls due, told in money and in words.

*Owns* how one link of catch-up becomes lines, and how a line reads.
*Does not own* the chain of them (``forecast``) or any rule: what a line says was decided by the
code that will do it.
"""

import enum
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Final, final

import attrs

from monochat_billing.accounts import AccountState, Step
from monochat_billing.balance import Entry
from monochat_billing.errors import UnknownName
from monochat_billing.events import Event, RenewalFailed, ScheduledChangeFailed
from monochat_billing.lots import LotOrigin
from monochat_billing.money import Money, negate, total
from monochat_billing.plans import AnyCatalog, known_product
from monochat_billing.refusals import explain_outcome
from monochat_billing.scheduling import Due, DueKind, ScheduleAction, ScheduledChange
from monochat_billing.subscriptions import SubscriptionState
from monochat_billing.tax import TaxLine
from monochat_billing.translations import mark, mark_in
from monochat_billing.units import Amount, Units, amount_in, is_currency
from monochat_billing.wording import ENGLISH, Words

__all__ = ["ForecastLine", "Outcome", "amount_words", "tell"]


class Outcome(enum.StrEnum):
    """Name how something that lies ahead will end as things stand."""

    DONE = "DONE"
    FAILS = "FAILS"
    """It cannot be paid or done; the line says what lacks or why."""
    LOST = "LOST"
    """Credit expires before it was used."""
    NOTHING = "NOTHING"
    """What was scheduled is so already."""


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
    '5.000 mesaj'
    """
    if isinstance(value, Units):
        return f"{words.number(value.count)} {words.term(value.unit)}"
    return words.money(value)


def _named(names: Mapping[str, str], language: str, otherwise: str) -> str:
    return names.get(language) or names.get("en") or otherwise


@final
@attrs.frozen(kw_only=True)
class ForecastLine:
    """Say what will be on an account at ``at``, in money and in words.

    ``kind`` is what falls due; None marks what follows from the line before at the same instant,
    such as a subscription that is revived. ``subject`` is the id of the subscription, hold or lot,
    ``product`` what it is about, ``becomes`` what it moves to unasked, ``action`` what was
    scheduled. ``amount`` is the change of the balance, negative in a charge and None where no money
    moves; ``taxes`` split it, those of a credit negative; ``balance`` is what is posted afterwards.
    ``shortfall`` is what lacks of ``price`` where it FAILS for lack of money, ``reason`` why it
    fails otherwise. ``state`` is the subscription's, if it changes, ``origin`` that of a lot that
    expires.

    >>> from monochat_billing.money import money
    >>> from monochat_billing.testing.workbench import Workbench
    >>> bench = Workbench()
    >>> account = bench.open("acme", money("5000", "TRY"))
    >>> one = bench.subscribe("acme", "growth")
    >>> line = bench.billing.upcoming("acme").about_money[0]
    >>> line.what(), line.ends("tr"), line.amount
    ('renewal of Growth', 'ödenir, KDV 249,83 TRY', Money('-1499', 'TRY'))
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
    taxes: tuple[TaxLine, ...] = ()
    balance: Amount | None = None
    price: Money | None = None
    shortfall: Money | None = None
    reason: str = ""
    state: SubscriptionState | None = None
    origin: LotOrigin | None = None

    @property
    def tax(self) -> Money | None:
        """Give the tax in the charge less that in the credit; None where no tax is known."""
        if not self.taxes:
            return None
        parts = [line.tax for line in self.taxes]
        return total(parts, parts[0].currency)

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
        parts = [self._failure(words) if self.outcome is Outcome.FAILS else self._success(words)]
        tax = self.tax
        if tax is not None and tax.amount:
            parts.append(f"{self.taxes[0].rate.name} {words.money(_size(tax))}")
        unsaid = self.state is SubscriptionState.PAST_DUE or self.becomes
        if self.state is not None and not unsaid:
            parts.append(words.say(_STATES[self.state]))
        return ", ".join(part for part in parts if part)

    def _failure(self, words: Words) -> str:
        if self.shortfall is not None:
            return words.say("fails: {amount} short", amount=words.money(self.shortfall))
        if self.reason:
            return words.say("fails: {reason}", reason=explain_outcome(self.reason, words.locale))
        return words.say("is not paid")

    def _success(self, words: Words) -> str:
        if self.outcome is Outcome.LOST:
            return words.say("unused credit is lost")
        if self.outcome is Outcome.NOTHING:
            return words.say("is so already")
        if self.becomes:
            to = _named(self.becomes_names, words.locale, self.becomes)
            return words.say("moves to {product}", product=to)
        if isinstance(self.amount, Money):
            return words.say_in(_CONTEXT, _PAID if self.amount.amount < 0 else _CREDITED)
        charges = (DueKind.RENEWAL, DueKind.SCHEDULED_CHANGE)
        return words.say("free of charge") if self.kind in charges else ""

    def __str__(self) -> str:
        ends = self.ends()
        amount = "" if self.amount is None else f" {amount_words(self.amount, ENGLISH)}"
        return f"{self.at:%Y-%m-%d %H:%M}Z {self.what()}{amount}" + (f": {ends}" if ends else "")


def _size(value: Money) -> Money:
    return negate(value) if value.amount < 0 else value


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
        # What another subscription brings or loses at the same instant is told under its name.
        apart = {name for name in after if name != subject and kind is not DueKind.LOT_EXPIRY}
        own = [one for one in self.step.entries if _owner(one) not in apart.union(others)]
        if kind is DueKind.LOT_EXPIRY:
            yield from map(self._breakage, own)
        elif subject in before or subject in after:
            yield self._about(subject, own, change, kind)
            yield from self._units(subject, own)
        else:
            yield from self._plain(own)
        for name in others:
            entries = [entry for entry in self.step.entries if _owner(entry) == name]
            yield self._about(name, entries)
            yield from self._units(name, entries)
        owners = dict.fromkeys(map(_owner, self.step.entries))
        for name in [one for one in owners if one in apart and one not in others]:
            entries = [entry for entry in self.step.entries if _owner(entry) == name]
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
        outcome = Outcome.DONE
        if unpaid is not None or failed is not None:
            outcome = Outcome.FAILS
        elif change is not None and old is new:
            outcome = Outcome.NOTHING
        return ForecastLine(
            at=self.due.at,
            kind=kind,
            subject=subject,
            outcome=outcome,
            product=product,
            names=_names(self.catalog, product, self.due.at),
            becomes=target,
            becomes_names=_names(self.catalog, target, self.due.at),
            action=None if change is None else change.action,
            quantity=quantity,
            amount=amount,
            taxes=_taxes(told),
            balance=balance,
            price=None if unpaid is None else unpaid.amount,
            shortfall=None if unpaid is None else unpaid.shortfall,
            reason="" if failed is None else failed.reason,
            state=new.state if new is not None and moved else None,
        )


def _owner(entry: Entry) -> str:
    """Give the id of the subscription that an entry is about, itself or by what it brings."""
    return entry.reference.partition("/")[0]


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


def _taxes(told: Sequence[Event]) -> tuple[TaxLine, ...]:
    """Give the splits of what is charged and credited, from the events that tell of it."""
    found: list[TaxLine] = []
    for event in told:
        found += getattr(event, "taxes", ())
        lines = (getattr(event, field, None) for field in ("credit_tax", "charge_tax", "tax"))
        found += [line for line in lines if isinstance(line, TaxLine)]
    return tuple(found)
