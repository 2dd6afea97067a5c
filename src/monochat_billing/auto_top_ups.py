"""Automatic top-ups: a balance that falls to its threshold asks to be topped up.

*Owns* a rule with what it remembers: what it has asked for, how often that failed, how much of the
period's cap is used; and the judgment whether it asks again.
*Does not own* the amount (:mod:`monochat_billing.refills`), nor the payment: it stores a top-up and
tells of it, and the host pays that with a saved method and reports what came of it.

A rule asks once per crossing: while what it asked for is unpaid it keeps quiet. A payment that
fails makes it wait, twice as long each time, and after ``most_failures`` in a row it gives up until
it is set anew or the balance is above the threshold again. ``cap`` bounds what is asked for within
one calendar month of the account's time zone; beyond it the rule waits for the next month.
"""

import hashlib
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final, final

import attrs

from monochat_billing.balance import BalanceState, Books
from monochat_billing.errors import InvalidInput
from monochat_billing.events import AutomaticTopUpPaused, Event, TopUpRequested
from monochat_billing.gateways import PaymentMode
from monochat_billing.money import (
    MAX_SCALE,
    Money,
    add,
    amount_text,
    from_units,
    minor_digits,
    subtract,
    to_finest,
    to_units,
)
from monochat_billing.periods import MONTH, BillingAnchor
from monochat_billing.profiles import BillingProfile
from monochat_billing.refills import RefillRule
from monochat_billing.top_ups import TopUp, TopUpState, start_top_up

__all__ = ["MOST_RULES", "Asked", "AutomaticTopUp", "ask", "with_rule"]

MOST_RULES: Final = 10
"""Automatic top-ups that one account can have, since each is looked at after each command."""

_PAID: Final = frozenset(
    {
        TopUpState.CREDITED,
        TopUpState.REFUNDING,
        TopUpState.PARTLY_REFUNDED,
        TopUpState.REFUNDED,
        TopUpState.DISPUTED,
        TopUpState.CHARGED_BACK,
    }
)
_FAILED: Final = frozenset({TopUpState.FAILED, TopUpState.EXPIRED, TopUpState.QUARANTINED})


@final
@attrs.frozen(kw_only=True)
class AutomaticTopUp:
    """Hold one rule of an account, by its name, and what it has come to.

    ``gateway`` and ``return_url`` are those of the top-ups that it makes. ``cap`` bounds what it
    asks for in a calendar month. After a failure it waits ``wait_minutes``, then twice that, and
    so on; ``most_failures`` in a row are the end of it.

    ``waiting`` is the top-up that it asked for and that is not paid yet. ``failures`` counts those
    in a row, ``asks_from`` is the instant until which it keeps quiet. ``month`` is the first
    instant of the calendar month in which it has asked for ``used``. ``asked`` counts all
    that it ever asked for.

    Raises:
        InvalidInput: the cap is of another currency or not above zero, a wait or a count is not
            above zero.
    """

    name: str
    rule: RefillRule
    gateway: str
    return_url: str
    mode: PaymentMode | None = None
    cap: Money | None = None
    wait_minutes: int = 60
    most_failures: int = 5
    waiting: str = ""
    failures: int = 0
    asks_from: datetime | None = None
    given_up: bool = False
    month: datetime | None = None
    used: Money | None = None
    asked: int = 0

    def __attrs_post_init__(self) -> None:
        for field in ("wait_minutes", "most_failures"):
            value = getattr(self, field)
            if type(value) is not int or value <= 0:
                raise InvalidInput(field, value, "is no number above zero", "pass 1 or more")
        if self.cap is None:
            return
        if self.cap.currency != self.rule.threshold.currency:
            raise InvalidInput(
                "cap", str(self.cap), "is not in the threshold's currency", "use one currency"
            )
        if to_units(self.cap, minor_digits(self.cap.currency), field="cap") <= 0:
            raise InvalidInput(
                "cap", amount_text(self.cap), "is not above zero", "pass a positive amount"
            )

    @property
    def currency(self) -> str:
        """Give the code of the balance's currency."""
        return self.rule.threshold.currency.code

    def settled(self, top_up: TopUp, at: datetime) -> tuple["AutomaticTopUp", tuple[Event, ...]]:
        """Return the rule after what it asked for was decided, and what to tell."""
        if top_up.id != self.waiting:
            return self, ()
        if top_up.state in _PAID:
            return attrs.evolve(self, waiting="", failures=0, asks_from=None), ()
        if top_up.state not in _FAILED:
            return self, ()
        failures = self.failures + 1
        given_up = failures >= self.most_failures
        wait = timedelta(minutes=self.wait_minutes * 2 ** min(failures - 1, 16))
        until = None if given_up else at + wait
        used = subtract(self.used, top_up.amount) if self.used is not None else None
        after = attrs.evolve(
            self, waiting="", failures=failures, asks_from=until, given_up=given_up, used=used
        )
        reason = "GIVEN_UP" if given_up else "FAILED"
        paused = AutomaticTopUpPaused(
            account=top_up.account, at=at, rule=self.name, reason=reason, until=until
        )
        return after, (paused,)

    def __str__(self) -> str:
        return f"{self.name}: {amount_text(self.rule.threshold)} {self.currency} or less"


def with_rule(rules: Iterable[AutomaticTopUp], rule: AutomaticTopUp) -> tuple[AutomaticTopUp, ...]:
    """Add a rule; one of the same name gives way to it.

    Raises:
        InvalidInput: the account would have more than :data:`MOST_RULES`.
    """
    kept = tuple(one for one in rules if one.name != rule.name)
    if len(kept) == MOST_RULES:
        raise InvalidInput(
            "name", rule.name, "is one rule too many", f"keep up to {MOST_RULES}, remove one"
        )
    return (*kept, rule)


@final
@attrs.frozen(kw_only=True)
class Asked:
    """Return the rules as they are now, the top-ups that they made, and what to tell."""

    rules: tuple[AutomaticTopUp, ...]
    top_ups: tuple[TopUp, ...] = ()
    events: tuple[Event, ...] = ()


def ask(
    rules: tuple[AutomaticTopUp, ...],
    books: Books,
    *,
    zone: str,
    profile: BillingProfile | None,
    at: datetime,
) -> Asked:
    """Compare every rule with the books at ``at``, and ask where a balance has fallen so far.

    Without a billing profile nothing is asked for, because nobody could be invoiced.
    """
    after: list[AutomaticTopUp] = []
    top_ups: list[TopUp] = []
    events: list[Event] = []
    for rule in rules:
        now, made, told = _ask(rule, books, zone, profile, at)
        after.append(now)
        top_ups += made
        events += told
    if all(old is new for old, new in zip(rules, after, strict=True)):
        return Asked(rules=rules)
    return Asked(rules=tuple(after), top_ups=tuple(top_ups), events=tuple(events))


def _ask(
    rule: AutomaticTopUp,
    books: Books,
    zone: str,
    profile: BillingProfile | None,
    at: datetime,
) -> tuple[AutomaticTopUp, tuple[TopUp, ...], tuple[Event, ...]]:
    balance = books.balance(rule.currency)
    if rule.waiting or profile is None or balance.state is not BalanceState.OPEN:
        return rule, (), ()
    wanted = rule.rule.due(balance.money(balance.available(None, at)))
    if wanted is None:
        if rule.failures or rule.given_up or rule.asks_from is not None:
            rule = attrs.evolve(rule, failures=0, given_up=False, asks_from=None)
        return rule, (), ()
    if rule.given_up or (rule.asks_from is not None and at < rule.asks_from):
        return rule, (), ()
    month = BillingAnchor.calendar(MONTH, at, zone).bound(MONTH, 0)
    used = rule.used if rule.month == month and rule.used is not None else None
    used = used or from_units(0, rule.currency)
    amount = _payable(wanted)
    if rule.cap is not None:
        amount = min(amount, subtract(rule.cap, used))
    if to_units(amount) <= 0:
        return _capped(rule, books.account, zone, at)
    identity = _identity(books.account, rule.name, rule.asked + 1)
    top_up = start_top_up(
        top_up_id=identity,
        account=books.account,
        gateway=rule.gateway,
        amount=amount,
        return_url=rule.return_url,
        profile=profile,
        at=at,
        mode=rule.mode,
        automatic=rule.name,
    )
    event = TopUpRequested(
        account=books.account,
        at=at,
        top_up=identity,
        gateway=rule.gateway,
        amount=amount,
        rule=rule.name,
    )
    asking = attrs.evolve(
        rule,
        waiting=identity,
        asks_from=None,
        month=month,
        used=add(used, amount),
        asked=rule.asked + 1,
    )
    return asking, (top_up,), (event,)


def _capped(
    rule: AutomaticTopUp, account: str, zone: str, at: datetime
) -> tuple[AutomaticTopUp, tuple[TopUp, ...], tuple[Event, ...]]:
    until = BillingAnchor.calendar(MONTH, at, zone).bound(MONTH, 1)
    paused = AutomaticTopUpPaused(
        account=account, at=at, rule=rule.name, reason="CAPPED", until=until
    )
    return attrs.evolve(rule, asks_from=until), (), (paused,)


def _payable(amount: Money) -> Money:
    """Round up to the currency's minor unit: what is asked for has to be payable, and suffice."""
    digits = minor_digits(amount.currency)
    fine = to_finest(amount)
    coarse = 10 ** (MAX_SCALE - digits)
    return from_units(-(-fine // coarse), amount.currency.code, digits)


def _identity(account: str, rule: str, number: int) -> str:
    """Derive a top-up's id from what it is: the same request is the same top-up."""
    text = f"{len(account)}:{account}{len(rule)}:{rule}{number}"
    return "auto" + hashlib.sha256(text.encode()).hexdigest()[:28]
