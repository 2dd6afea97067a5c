"""The verbs of the face that look ahead: what is coming, how long it lasts, what may be used."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from fractions import Fraction
from typing import Final

from monochat_billing.accounts import AccountState
from monochat_billing.balance import Entry, EntryKind
from monochat_billing.errors import InvalidInput
from monochat_billing.forecast import MOST_LINES, Forecast, upcoming
from monochat_billing.instants import utc
from monochat_billing.money import Money
from monochat_billing.overview import Overview, limit_names, overview
from monochat_billing.permissions import Permission, may_use
from monochat_billing.quantities import Quantity
from monochat_billing.runways import Burn, Runway, runway
from monochat_billing.service.balances import Balances
from monochat_billing.service.context import Context

__all__ = ["Outlook"]

_NEXT: Final = timedelta(days=31)
_YEAR: Final = timedelta(days=366)
_WINDOW: Final = timedelta(days=30)
_MICROSECOND: Final = timedelta(microseconds=1)
_DAY: Final = timedelta(days=1) // _MICROSECOND
_USED: Final = (EntryKind.MESSAGE_FEE, EntryKind.USAGE_FEE, EntryKind.CHARGE)
"""The entries that make up a burn; what falls due by itself is walked through, not averaged."""


class Outlook:
    """Look ahead on an account; nothing is stored by looking."""

    balances: Balances
    _context: Context

    def overview(self, account: str, *, last: int = 10) -> Overview:
        """Show the Billing page of an account as it is now, with its ``last`` entries.

        How long balances last counts what falls due and what usage took per day in the last 30
        days. What is in use of limits is asked from the host's usage reader, where it gave one.

        Raises:
            UnknownName: there is no such account.
        """
        step, stored = self._context.view_with(
            account, lambda reader: reader.last_entries(account, last)
        )
        state = step.state
        entries: Sequence[Entry] = (*stored, *step.entries)
        burns = {code: self._measured(state, code, _WINDOW) for code in state.account.currencies}
        return overview(
            state,
            self._context.catalog,
            entries[max(len(entries) - last, 0) :],
            usage=self._in_use(account, limit_names(state, self._context.catalog)),
            burns={unit: burn for unit, burn in burns.items() if burn.per_day},
        )

    def upcoming(
        self, account: str, *, until: datetime | None = None, most: int = MOST_LINES
    ) -> Forecast:
        """List every charge, renewal, expiry and scheduled change up to ``until`` (inclusive).

        Without ``until`` it is the next 31 days. It is decided by the code that will do it, on the
        books as they are now; ``most`` cuts it.

        Raises:
            UnknownName: there is no such account.
            InvalidInput: ``until`` is naive or not ahead, or ``most`` is no number from 1 to 1000.
        """
        state = self._context.view(account).state
        end = state.account.as_of + _NEXT if until is None else until
        return upcoming(state, self._context.catalog, end, most=most)

    def runway(
        self,
        account: str,
        currency: str | None = None,
        *,
        per_day: Quantity | Money | None = None,
        window: timedelta = _WINDOW,
        horizon: datetime | None = None,
    ) -> Runway:
        """Say until when a balance lasts, with everything that falls due, at ``per_day``.

        Without ``currency`` it is the account's first balance, without ``horizon`` the next 366
        days. Without ``per_day`` it is what usage took per day on average in the ``window`` up to
        now, or since the account was opened if that is later.

        Raises:
            UnknownName: there is no such account or balance.
            InvalidInput: ``per_day`` is no exact number, the window is not above zero, or the
                horizon is naive or not ahead.
        """
        state = self._context.view(account).state
        unit = currency or state.account.currencies[0]
        state.books.balance(unit)
        as_of = state.account.as_of
        burn = None if per_day is None else Burn(per_day=per_day)
        return runway(
            state,
            self._context.catalog,
            unit,
            as_of + _YEAR if horizon is None else utc(horizon, field="horizon"),
            burn or self._measured(state, unit, window),
        )

    def may_use(self, account: str, name: str, *, more: int = 1) -> Permission:
        """Say whether the account may use a feature, one more of a limit, or a meter, and why.

        What is in use is asked from the host's usage reader, where it gave one. The answer is true
        or false like a bool, and explains itself.

        Raises:
            UnknownName: there is no such account, feature, limit or meter.
            InvalidInput: ``more`` is not a whole number from zero up.
        """
        state = self._context.view(account).state
        return may_use(
            state, self._context.catalog, name, usage=self._in_use(account, [name]), more=more
        )

    def _in_use(self, account: str, names: Iterable[str]) -> Mapping[str, int] | None:
        reader = self._context.usage_reader
        return None if reader is None else reader.read(account, names)

    def _measured(self, state: AccountState, unit: str, window: timedelta) -> Burn:
        """Average what usage took per day of 24 hours in the window, exactly."""
        if window <= timedelta(0):
            raise InvalidInput("window", str(window), "is not above zero", "pass some days")
        until = state.account.as_of
        since = max(until - window, state.account.opened_at)
        if since >= until:
            return Burn(measured=(since, until))
        found = self.balances.consumption(state.account.id, unit, since=since, until=until)
        used = dict.fromkeys(_USED, 0)
        for _, moved in found.movements:
            if moved.kind in used:
                used[moved.kind] -= moved.credited + moved.debited
        # The first minutes say little of a day, so a young account counts as a day old.
        days = max(Fraction((until - since) // _MICROSECOND, _DAY), Fraction(1))
        return Burn(
            per_day=Fraction(max(sum(used.values()), 0), 10**found.scale) / days,
            kind=max(used, key=lambda kind: used[kind]).pays_for,
            measured=(since, until),
        )
