"""Runways: until when a balance lasts at a given burn, with everything that falls due meanwhile.

*Owns* the burn per day, the walk that spends it between one thing due and the next, and the answer.
*Does not own* what falls due: the walk takes the links of catch-up, as ``forecast`` does.

A day of burn is 24 hours, spread evenly; amounts are exact rationals, and what is spent by an
instant is rounded down to the balance's smallest unit. The money is spent from the lots in their
burn order, so what expires on the way is not counted on.
"""

import enum
from datetime import datetime, timedelta
from fractions import Fraction
from typing import Final, final

import attrs

from monochat_billing.accounts import AccountState, ahead
from monochat_billing.balance import Balance, EntryKind, Memo, debit
from monochat_billing.errors import InvalidInput
from monochat_billing.forecast_lines import ForecastLine, Outcome, tell
from monochat_billing.instants import utc
from monochat_billing.lots import ChargeKind
from monochat_billing.money import Money, as_fraction
from monochat_billing.plans import AnyCatalog, known_product
from monochat_billing.quantities import Quantity, exact
from monochat_billing.rounding import round_ratio
from monochat_billing.scheduling import DueKind
from monochat_billing.subscriptions import SubscriptionState
from monochat_billing.units import Amount, is_currency
from monochat_billing.wording import Words

__all__ = ["NO_BURN", "Burn", "Runway", "RunwayEnd", "runway"]

_DAY: Final = timedelta(days=1) // timedelta(microseconds=1)
_MICROSECOND: Final = timedelta(microseconds=1)
_NOTHING: Final = Fraction(0)
_MOST_LINKS: Final = 10_000
_UNPAID: Final = (SubscriptionState.PAST_DUE, SubscriptionState.SUSPENDED)
_KINDS: Final = {
    ChargeKind.MESSAGE: EntryKind.MESSAGE_FEE,
    ChargeKind.USAGE: EntryKind.USAGE_FEE,
    ChargeKind.PACK: EntryKind.PACK_FEE,
    ChargeKind.OTHER: EntryKind.CHARGE,
    ChargeKind.PLAN: EntryKind.PLAN_FEE,
    ChargeKind.SUPPORT: EntryKind.SUPPORT_FEE,
}


def _per_day(value: Quantity | Money) -> Fraction:
    if isinstance(value, Money):
        value = as_fraction(value)
    return exact(value, field="per_day")


@final
@attrs.frozen(kw_only=True)
class Burn:
    """Say how much of a balance is used per day of 24 hours, in major units, beside what is due.

    ``per_day`` is an exact number, or Money. ``kind`` is what it pays for, since a lot may be set
    apart for some kinds. ``measured`` is the half-open span that it was measured in, if it was.

    Raises:
        InvalidInput: ``per_day`` is negative or not exact.

    >>> Burn(per_day="12.50").per_day
    Fraction(25, 2)
    """

    per_day: Fraction = attrs.field(default=_NOTHING, converter=_per_day)
    kind: ChargeKind = ChargeKind.MESSAGE
    measured: tuple[datetime, datetime] | None = None


NO_BURN: Final = Burn()
"""Nothing is used beside what falls due."""


class RunwayEnd(enum.StrEnum):
    """Name what ends a runway."""

    BURN = "BURN"
    """What is used day by day can no longer be paid."""
    CHARGE = "CHARGE"
    """A renewal can no longer be paid."""
    NOTHING = "NOTHING"
    """Nothing does: the balance lasts beyond the horizon."""


@final
@attrs.frozen(kw_only=True)
class Runway:
    """Answer until when a balance lasts.

    ``until`` is the first instant at which something cannot be paid, None where the balance lasts
    beyond ``horizon``. ``line`` is the charge that fails where one does. ``spent`` is what the burn
    takes until then, ``left`` what is available then.

    >>> from monochat_billing.money import money
    >>> from monochat_billing.testing.workbench import Workbench
    >>> bench = Workbench()
    >>> account = bench.open("acme", money("5000", "TRY"))
    >>> found = bench.billing.runway("acme", per_day=100)
    >>> print(found)
    TRY: lasts until 24 November 2026, then usage cannot be paid (at 100.00 TRY a day)
    """

    account: str
    unit: str
    zone: str
    as_of: datetime
    horizon: datetime
    burn: Burn
    ends: RunwayEnd
    until: datetime | None
    line: ForecastLine | None
    spent: Amount
    left: Amount

    @property
    def lasts(self) -> bool:
        """Tell whether the balance lasts beyond the horizon."""
        return self.until is None

    def explain(self, locale: str = "en") -> str:
        """Say it in one sentence.

        Raises:
            InvalidInput: there are no sentences in that language.
        """
        words = Words(locale)
        if self.until is None:
            day = words.local_day(self.horizon, self.zone)
            text = words.say("{unit}: lasts beyond {day}", unit=words.term(self.unit), day=day)
        elif self.line is not None:
            text = words.say(
                "{unit}: lasts until {day}: {what} {outcome}",
                unit=words.term(self.unit),
                day=words.local_day(self.until, self.zone),
                what=self.line.what(locale),
                outcome=self.line.ends(locale),
            )
        else:
            text = words.say(
                "{unit}: lasts until {day}, then usage cannot be paid",
                unit=words.term(self.unit),
                day=words.local_day(self.until, self.zone),
            )
        return text + self._pace(words)

    def _pace(self, words: Words) -> str:
        rate = self.burn.per_day
        if not rate:
            return ""
        if is_currency(self.unit):
            amount = words.rate(rate, self.unit)
        else:
            count = words.number(round_ratio(rate.numerator, rate.denominator))
            amount = f"{count} {words.term(self.unit)}"
        return " " + words.say("(at {amount} a day)", amount=amount)

    def __str__(self) -> str:
        return self.explain()


def runway(
    state: AccountState,
    catalog: AnyCatalog,
    unit: str,
    horizon: datetime,
    burn: Burn = NO_BURN,
) -> Runway:
    """Say until when the balance in ``unit`` lasts, looking ahead to ``horizon`` (inclusive).

    ``state`` is caught up. It ends at the first instant at which the burn, or a renewal that is
    paid from this balance, cannot be paid. Where a subscription is past due already, it has ended.

    Raises:
        InvalidInput: the horizon is naive or not ahead.
        UnknownName: the account has no such balance.

    >>> from datetime import UTC
    >>> from monochat_billing.balance import PAID
    >>> from monochat_billing.commands import grant, open_account
    >>> from monochat_billing.money import money
    >>> from monochat_billing.plans import sample_catalog
    >>> t = datetime(2026, 10, 5, tzinfo=UTC)
    >>> state = open_account(
    ...     account="acme", zone="UTC", currencies=["TRY"], profile=None, now=t
    ... ).state
    >>> state = grant(state, money("100", "TRY"), terms=PAID, reason="opening", now=t).state
    >>> year = datetime(2027, 10, 5, tzinfo=UTC)
    >>> found = runway(state, sample_catalog(), "TRY", year, Burn(per_day=30))
    >>> found.until.isoformat(), found.ends.value
    ('2026-10-08T08:00:00+00:00', 'BURN')
    >>> print(found)
    TRY: lasts until 8 October 2026, then usage cannot be paid (at 30.00 TRY a day)
    """
    account = state.account
    horizon = utc(horizon, field="horizon")
    if horizon <= account.as_of:
        raise InvalidInput("horizon", horizon.isoformat(), "is not ahead", "pass a later instant")
    state.books.balance(unit)
    walk = _Walk(attrs.evolve(state, account=attrs.evolve(account, watches=())), unit, burn)
    ends, until, line = walk.go(catalog, horizon)
    balance = walk.balance
    at = walk.at if until is None else until
    return Runway(
        account=account.id,
        unit=unit,
        zone=account.zone,
        as_of=account.as_of,
        horizon=at if until is None else horizon,
        burn=burn,
        ends=ends,
        until=until,
        line=line,
        spent=balance.value(walk.spent),
        left=balance.value(balance.available(burn.kind, at)),
    )


@final
class _Walk:
    """Spend the burn between one thing due and the next, until something cannot be paid."""

    def __init__(self, state: AccountState, unit: str, burn: Burn) -> None:
        self._state = state
        self._unit = unit
        self._kind = burn.kind
        self._rate = burn.per_day * 10**self.balance.scale / _DAY
        self._carried = _NOTHING
        self.at = state.account.as_of
        self.spent = 0

    @property
    def balance(self) -> Balance:
        return self._state.books.balance(self._unit)

    def go(
        self, catalog: AnyCatalog, horizon: datetime
    ) -> tuple[RunwayEnd, datetime | None, ForecastLine | None]:
        unpaid = self._unpaid(catalog)
        if unpaid is not None:
            return RunwayEnd.CHARGE, self.at, unpaid
        for _ in range(_MOST_LINKS):
            due = self._state.next_due()
            last = due is None or due.at > horizon
            dry = self._spend_until(horizon if due is None or last else due.at)
            if dry is not None:
                return RunwayEnd.BURN, dry, None
            if due is None or last:
                break
            before = self._state
            link = next(ahead(before, catalog, due.at), None)
            if link is None:  # what was to expire has been spent
                continue
            due, step = link
            self._state = step.state
            for line in tell(before, due, step, catalog):
                if line.shortfall is not None and line.shortfall.currency.code == self._unit:
                    return RunwayEnd.CHARGE, due.at, line
        return RunwayEnd.NOTHING, None, None

    def _spend_until(self, until: datetime) -> datetime | None:
        """Take what is used up to an instant; give the instant at which there is no more of it.

        Between two things due no lot begins or ends, so it is as if all were taken at once.
        """
        needed = self._carried + self._rate * ((until - self.at) // _MICROSECOND)
        available = self.balance.available(self._kind, self.at)
        if needed > available:
            if not self._rate:  # overdrawn already, whatever is used
                return self.at
            left = max((available - self._carried) / self._rate, _NOTHING)
            self._take(max(available, 0))
            return self.at + int(left) * _MICROSECOND
        whole = int(needed)
        self._carried = needed - whole
        self._take(whole)
        self.at = until
        return None

    def _take(self, units: int) -> None:
        if not units:
            return
        self.spent += units
        memo = Memo(_KINDS[self._kind], self.at, self.at)
        books = debit(self._state.books, self.balance.value(units), memo).books
        self._state = self._state.with_books(books)

    def _unpaid(self, catalog: AnyCatalog) -> ForecastLine | None:
        """Tell of what is waiting for money already."""
        for one in self._state.subscriptions.values():
            if one.state in _UNPAID and one.price.currency == self._unit:
                product = known_product(catalog, one.product, self.at)
                return ForecastLine(
                    at=self.at,
                    kind=DueKind.RENEWAL,
                    subject=one.id,
                    outcome=Outcome.FAILS,
                    product=one.product,
                    names=product.names,
                    price=one.full_price,
                    state=one.state,
                )
        return None
