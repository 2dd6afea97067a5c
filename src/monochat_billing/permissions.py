"""Permissions: whether an account may use something now, why, and until when.

*Owns* the answer to one question of the host, put before it does anything: may this account use
this feature, add one more of what is limited, spend one more of a meter.
*Does not own* counting (the host's usage reader tells what is in use) or any charge: asking moves
nothing.

The order of what decides: the balances first, since what was forced below zero stops everything
until it is covered; then the subscription that brings the thing, by its state; then the limit.
Where no plan serves, the catalog's free plan stands in.
"""

import enum
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Final, final

import attrs

from monochat_billing.accounts import AccountState
from monochat_billing.balance import Balance, BalanceState
from monochat_billing.errors import UnknownName
from monochat_billing.limits import LimitCheck, LimitKind, check
from monochat_billing.lots import ChargeKind
from monochat_billing.plans import AnyCatalog, Family, Product, known_product
from monochat_billing.scheduling import ScheduleAction
from monochat_billing.subscriptions import Subscription, SubscriptionState
from monochat_billing.translations import mark
from monochat_billing.units import Amount, Units, is_currency
from monochat_billing.wording import Words

__all__ = ["Permission", "Reason", "may_use"]


class Reason(enum.StrEnum):
    """Name what decided."""

    INCLUDED = "INCLUDED"
    TRIAL = "TRIAL"
    IN_GRACE = "IN_GRACE"
    PAID_UNTIL = "PAID_UNTIL"
    FREE_PLAN = "FREE_PLAN"
    WITHIN_LIMIT = "WITHIN_LIMIT"
    OVERAGE = "OVERAGE"
    UNITS_LEFT = "UNITS_LEFT"
    FROM_BALANCE = "FROM_BALANCE"
    OVERDRAWN = "OVERDRAWN"
    FROZEN = "FROZEN"
    NOT_INCLUDED = "NOT_INCLUDED"
    NOT_SUBSCRIBED = "NOT_SUBSCRIBED"
    UNPAID = "UNPAID"
    SUSPENDED = "SUSPENDED"
    PAUSED = "PAUSED"
    ENDED = "ENDED"
    LIMIT_REACHED = "LIMIT_REACHED"
    NOTHING_LEFT = "NOTHING_LEFT"


_ALLOWING: Final = frozenset(
    {
        Reason.INCLUDED,
        Reason.TRIAL,
        Reason.IN_GRACE,
        Reason.PAID_UNTIL,
        Reason.FREE_PLAN,
        Reason.WITHIN_LIMIT,
        Reason.OVERAGE,
        Reason.UNITS_LEFT,
        Reason.FROM_BALANCE,
    }
)
_SENTENCES: Final = {
    Reason.INCLUDED: mark("{product} includes it"),
    Reason.TRIAL: mark("{product} includes it, in trial"),
    Reason.IN_GRACE: mark("{product} includes it; its renewal is not paid: top up"),
    Reason.PAID_UNTIL: mark("{product} is paused and was paid for"),
    Reason.FREE_PLAN: mark("no paid plan is in force; {product} includes it"),
    Reason.WITHIN_LIMIT: mark("within what {product} includes"),
    Reason.OVERAGE: mark("above what {product} includes, charged as overage"),
    Reason.UNITS_LEFT: mark("{amount} left"),
    Reason.FROM_BALANCE: mark("paid from the balance: {amount} available"),
    Reason.OVERDRAWN: mark("the balance is {amount} below what is allowed: top up"),
    Reason.FROZEN: mark("the balance is frozen"),
    Reason.NOT_INCLUDED: mark("{product} does not include it"),
    Reason.NOT_SUBSCRIBED: mark("nothing that is subscribed to includes it"),
    Reason.UNPAID: mark("the renewal of {product} is not paid: top up"),
    Reason.SUSPENDED: mark("{product} is suspended until it is paid: top up"),
    Reason.PAUSED: mark("{product} is paused: resume it first"),
    Reason.ENDED: mark("{product} has ended"),
    Reason.LIMIT_REACHED: mark("the limit of {product} is reached"),
    Reason.NOTHING_LEFT: mark("nothing is left: top up"),
}
_STOPPED: Final = {
    SubscriptionState.PAST_DUE: Reason.UNPAID,
    SubscriptionState.SUSPENDED: Reason.SUSPENDED,
    SubscriptionState.PAUSED: Reason.PAUSED,
    SubscriptionState.CANCELED: Reason.ENDED,
    SubscriptionState.EXPIRED: Reason.ENDED,
}
_SERVING: Final = {
    SubscriptionState.TRIALING: Reason.TRIAL,
    SubscriptionState.PAST_DUE: Reason.IN_GRACE,
    SubscriptionState.PAUSED: Reason.PAID_UNTIL,
}


_YES: Final = mark("yes: {why}")
_NO: Final = mark("no: {why}")


@final
@attrs.frozen(kw_only=True)
class Permission:
    """Answer whether an account may use ``name`` at ``at``, and say why.

    It is true or false as :attr:`allowed` is. ``product`` and ``subscription`` are those that
    decided, ``state`` the subscription's, ``check`` the limit with one more counted in, ``amount``
    what is left or what lacks. ``until`` is the instant at which the answer will change by itself
    as far as is known: the end of a trial, of the grace, of what was paid for, or a change that is
    scheduled; None where there is none.

    >>> from monochat_billing.money import money
    >>> from monochat_billing.testing.workbench import Workbench
    >>> bench = Workbench()
    >>> account = bench.open("acme", money("5000", "TRY"))
    >>> one = bench.subscribe("acme", "growth")
    >>> found = bench.billing.may_use("acme", "broadcasts")
    >>> bool(found), found.explain("tr")
    (True, 'evet: Growth bunu içerir')
    """

    account: str
    name: str
    at: datetime
    zone: str
    reason: Reason
    product: str = ""
    names: Mapping[str, str] = attrs.field(factory=dict)
    subscription: str | None = None
    state: SubscriptionState | None = None
    check: LimitCheck | None = None
    amount: Amount | None = None
    until: datetime | None = None

    @property
    def allowed(self) -> bool:
        """Tell whether it may be used."""
        return self.reason in _ALLOWING

    @property
    def warning(self) -> bool:
        """Tell whether it may be used, but somebody should be told: it is unpaid or costs more."""
        return self.reason in (Reason.IN_GRACE, Reason.OVERAGE)

    def __bool__(self) -> bool:
        return self.allowed

    def explain(self, locale: str = "en") -> str:
        """Say the answer in one sentence.

        Raises:
            InvalidInput: there are no sentences in that language.
        """
        words = Words(locale)
        why = words.say(
            _SENTENCES[self.reason],
            product=self.names.get(locale) or self.names.get("en") or self.product,
            amount="" if self.amount is None else _amount(self.amount, words),
        )
        if self.check is not None and self.check.limit.most is not None:
            why = words.say(
                "{why} ({used} of {most})",
                why=why,
                used=words.number(self.check.used),
                most=words.number(self.check.limit.most),
            )
        answer = words.say(_YES if self.allowed else _NO, why=why)
        if self.until is None:
            return answer
        until = words.moment(self.until, self.zone)
        return words.say("{answer}, until {until}", answer=answer, until=until)

    def __str__(self) -> str:
        return f"{self.name}: {self.explain()}"


def _amount(value: Amount, words: Words) -> str:
    if isinstance(value, Units):
        return f"{words.number(value.count)} {words.term(value.unit)}"
    return words.money(value)


def may_use(
    state: AccountState,
    catalog: AnyCatalog,
    name: str,
    *,
    usage: Mapping[str, int] | None = None,
    more: int = 1,
) -> Permission:
    """Say whether the account may use ``name`` now: a feature, one more of a limit, or a meter.

    ``state`` is caught up. ``usage`` counts what is in use by the name of its limit, and ``more``
    is how many are to be added; without a count a limit is taken to have room.

    Raises:
        UnknownName: no product and no meter of the catalog has that name.
        InvalidInput: a count is not a whole number from zero up.

    >>> from datetime import UTC
    >>> from monochat_billing import plan_commands
    >>> from monochat_billing.commands import open_account
    >>> from monochat_billing.periods import MONTH
    >>> from monochat_billing.plans import sample_catalog
    >>> t = datetime(2026, 10, 5, tzinfo=UTC)
    >>> state = open_account(
    ...     account="acme", zone="UTC", currencies=["TRY"], profile=None, now=t
    ... ).state
    >>> catalog = sample_catalog()
    >>> state = plan_commands.subscribe(
    ...     state, catalog, subscription_id="s-1", product="basic", interval=MONTH,
    ...     currency=None, actor="", now=t,
    ... ).state
    >>> print(may_use(state, catalog, "users", usage={"users": 1}))
    users: yes: within what Basic includes (2 of 2)
    >>> print(may_use(state, catalog, "users", usage={"users": 2}))
    users: no: the limit of Basic is reached (3 of 2)
    >>> print(may_use(state, catalog, "broadcasts"))
    broadcasts: no: Basic does not include it
    """
    question = _Question(state, catalog, name, None if usage is None else usage.get(name), more)
    question.require_known()
    for found in (question.standing(), question.granting()):
        if found is not None:
            return found
    return question.refusing()


@final
class _Question:
    """Work out one answer."""

    def __init__(
        self, state: AccountState, catalog: AnyCatalog, name: str, used: int | None, more: int
    ) -> None:
        self._used = used
        self._more = more
        self._state = state
        self._catalog = catalog
        self._in_force = catalog.at(state.account.as_of)
        self._name = name
        self._at = state.account.as_of

    def require_known(self) -> None:
        """Refuse a name that nothing answers to."""
        products = [*self._in_force.products, *(product for _, product in self._held())]
        known = {*self._in_force.meters, *self._state.books.balances}
        for product in products:
            known.update(_names(product))
        if self._name not in known:
            raise UnknownName(
                "name",
                self._name,
                "is no feature, limit or meter",
                f"use one of {', '.join(sorted(known))}",
            )

    def standing(self) -> Permission | None:
        """Answer no where a balance stops everything."""
        for balance in self._state.books.balances.values():
            if not is_currency(balance.unit) or balance.state is not BalanceState.OPEN:
                continue
            if balance.slack < 0 and balance.available(None, self._at) < 0:
                beyond = -balance.available(None, self._at)
                return self._say(Reason.OVERDRAWN, amount=balance.value(beyond))
        main = self._balance(self._state.account.currencies[0])
        if main is not None and main.state is BalanceState.FROZEN:
            return self._say(Reason.FROZEN)
        return None

    def granting(self) -> Permission | None:
        """Answer by the first that serves and says something about it, or by the free plan."""
        for one, product in self._held():
            if one.serves(self._at) and self._name in _names(product):
                return self._granted(_SERVING.get(one.state, Reason.INCLUDED), product, one)
        free = self._free_plan()
        if free is not None and self._name in _names(free):
            return self._granted(Reason.FREE_PLAN, free)
        return None

    def refusing(self) -> Permission:
        """Answer no, by what would grant it if it served, or by what does not bring it."""
        held = list(self._held())
        for one, product in held:
            if not one.serves(self._at) and self._name in _names(product):
                return self._say(_STOPPED[one.state], product, one)
        if self._is_meter:
            return self._metered(None, None)
        for one, product in held:
            if one.family is Family.PLAN and one.serves(self._at):
                return self._say(Reason.NOT_INCLUDED, product, one)
        free = self._free_plan()
        return self._say(Reason.NOT_SUBSCRIBED if free is None else Reason.NOT_INCLUDED, free)

    @property
    def _is_meter(self) -> bool:
        return self._name in self._in_force.meters or self._name in self._state.books.balances

    def _held(self) -> Iterator[tuple[Subscription, Product]]:
        """Give what the account subscribes to, plan first, what has ended last."""
        order = list(Family)
        mine = sorted(
            self._state.subscriptions.values(),
            key=lambda one: (not one.live, order.index(one.family), one.started_at, one.id),
        )
        for one in mine:
            product = known_product(self._catalog, one.product, self._at)
            if one.agreement is not None:
                product = one.agreement.applied_to(product)
            yield one, product

    def _free_plan(self) -> Product | None:
        """Give the lowest plan that costs nothing, where no plan serves."""
        if any(one.family is Family.PLAN and one.serves(self._at) for one, _ in self._held()):
            return None
        plans = [
            one
            for one in self._in_force.products
            if one.family is Family.PLAN and one.prices and all(price.free for price in one.prices)
        ]
        return min(plans, key=lambda one: one.rank, default=None)

    def _granted(
        self, reason: Reason, product: Product, one: Subscription | None = None
    ) -> Permission:
        if product.has(self._name):
            return self._say(reason, product, one, until=self._until(one))
        limit = next((limit for limit in product.limits if limit.name == self._name), None)
        if limit is None:
            return self._metered(product, one)
        counted = None if self._used is None else check(limit, self._used + self._more)
        if reason is Reason.INCLUDED:
            reason = Reason.WITHIN_LIMIT
        if counted is not None and counted.over:
            over = limit.kind is LimitKind.SOFT
            reason = Reason.OVERAGE if over else Reason.LIMIT_REACHED
        until = None if reason is Reason.LIMIT_REACHED else self._until(one)
        return self._say(reason, product, one, checked=counted, until=until)

    def _metered(self, product: Product | None, one: Subscription | None) -> Permission:
        """Answer for a meter: units that are left first, then money."""
        units = self._balance(self._name)
        left = 0 if units is None else units.available(None, self._at)
        if units is not None and left > 0:
            return self._say(Reason.UNITS_LEFT, product, one, amount=units.value(left))
        for code in self._state.account.currencies:
            money = self._balance(code)
            left = 0 if money is None else money.available(ChargeKind.MESSAGE, self._at)
            if money is not None and left > 0:
                return self._say(Reason.FROM_BALANCE, product, one, amount=money.value(left))
        return self._say(Reason.NOTHING_LEFT, product, one)

    def _balance(self, unit: str) -> Balance | None:
        return self._state.books.balances.get(unit)

    def _until(self, one: Subscription | None) -> datetime | None:
        """Give the instant at which a granting subscription stops to grant, if one is known."""
        if one is None:
            return None
        ends = [
            change.due_at(one)
            for change in self._state.schedule.values()
            if change.pending
            and change.subscription == one.id
            and self._takes(change.action, change.to)
        ]
        if one.state is SubscriptionState.TRIALING and one.trial_ends_at is not None:
            ends.append(one.trial_ends_at)
        if one.state is SubscriptionState.PAST_DUE and one.dunning is not None:
            ends += [] if one.dunning.grace_ends_at is None else [one.dunning.grace_ends_at]
        if one.state is SubscriptionState.PAUSED:
            ends.append(one.period.end)
        return min(ends, default=None)

    def _takes(self, action: ScheduleAction, to: str) -> bool:
        if action is ScheduleAction.CANCEL:
            return True
        if action is not ScheduleAction.CHANGE:
            return False
        return self._name not in _names(known_product(self._catalog, to, self._at))

    def _say(
        self,
        reason: Reason,
        product: Product | None = None,
        one: Subscription | None = None,
        *,
        checked: LimitCheck | None = None,
        amount: Amount | None = None,
        until: datetime | None = None,
    ) -> Permission:
        return Permission(
            account=self._state.account.id,
            name=self._name,
            at=self._at,
            zone=self._state.account.zone,
            reason=reason,
            product="" if product is None else product.id,
            names={} if product is None else product.names,
            subscription=None if one is None else one.id,
            state=None if one is None else one.state,
            check=checked,
            amount=amount,
            until=until,
        )


def _names(product: Product) -> set[str]:
    """Give everything that a product says something about."""
    return {
        *(one.id for one in product.features),
        *(one.name for one in product.limits),
        *(one.meter for one in product.allowances),
    }
