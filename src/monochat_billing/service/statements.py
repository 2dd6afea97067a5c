"""The verbs of ``balances`` that look back: statements, past balances, consumption."""

from collections.abc import Callable
from datetime import datetime
from typing import TypeVar

import attrs

from monochat_billing.accounts import AccountState, catch_up, require_account
from monochat_billing.balance import Balance
from monochat_billing.consumption import Consumption, consumption
from monochat_billing.errors import InvalidInput
from monochat_billing.instants import utc
from monochat_billing.readings import EntrySource, Place, Reading, Window, with_due
from monochat_billing.repositories import Reader, Wanted
from monochat_billing.service.context import Context
from monochat_billing.statements import Cursor, Statement, statement
from monochat_billing.texts import check_identity
from monochat_billing.units import Amount

__all__ = ["BalanceStatements"]

T = TypeVar("T")


@attrs.frozen
class BalanceStatements:
    """Look at what happened on a balance.

    As effective, what is due up to now is part of the picture although it is not written yet, as
    it is in every other view of an account. As recorded, only what is written counts.
    """

    _context: Context

    def statement(
        self,
        account: str,
        currency: str,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        reading: Reading = Reading.AS_EFFECTIVE,
        after: str | None = None,
        limit: int = 100,
    ) -> Statement:
        """Give one page of what happened in ``[since, until)``, from the beginning up to now.

        Pass ``next`` of one page as ``after`` of the following, with all else the same. The pages
        together are the statement as it was when the first was read: what is posted in between is
        in none of them, and no line is skipped or repeated.

        Raises:
            InvalidInput: an instant is naive, ``until`` is not after ``since``, ``limit`` is not
                from 1 to 1000, or ``after`` is no cursor of this statement.
            UnknownName: there is no such account or balance.
        """
        window = Window.between(account, currency, reading, since, until)
        cursor = None if after is None else Cursor.parse(after, window)

        def work(source: EntrySource, state: AccountState, through: int) -> Statement:
            return statement(
                source,
                attrs.evolve(window, through=through),
                scale=state.books.balance(currency).scale,
                zone=state.account.zone,
                after=cursor,
                limit=limit,
            )

        return self._read(window, work)

    def at(
        self,
        account: str,
        currency: str,
        instant: datetime,
        *,
        reading: Reading = Reading.AS_EFFECTIVE,
    ) -> Amount:
        """Give what was posted after everything that happened at a past instant.

        Raises:
            InvalidInput: the instant is naive, or lies ahead.
            UnknownName: there is no such account or balance.
        """
        window = Window.between(account, currency, reading, None, None)
        at = utc(instant, field="instant")

        def work(source: EntrySource, state: AccountState, through: int) -> Amount:
            if at > state.account.as_of:
                raise InvalidInput(
                    "instant", at.isoformat(), "lies ahead", "ask for an instant up to now"
                )
            seen = attrs.evolve(window, through=through)
            balance: Balance = state.books.balance(currency)
            return balance.value(source.balance_upto(seen, Place.after(at)))

        return self._read(window, work)

    def consumption(
        self,
        account: str,
        currency: str,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        reading: Reading = Reading.AS_EFFECTIVE,
    ) -> Consumption:
        """Sum what moved in ``[since, until)`` by kind, by lot and by the account's months.

        Raises:
            InvalidInput: an instant is naive, ``until`` is not after ``since``, or there are more
                than 1200 months between them.
            UnknownName: there is no such account or balance.
        """
        window = Window.between(account, currency, reading, since, until)

        def work(source: EntrySource, state: AccountState, through: int) -> Consumption:
            return consumption(
                source,
                attrs.evolve(window, through=through),
                scale=state.books.balance(currency).scale,
                zone=state.account.zone,
                now=state.account.as_of,
            )

        return self._read(window, work)

    def _read(self, window: Window, work: Callable[[EntrySource, AccountState, int], T]) -> T:
        """Load, catch up and look back on one consistent view."""
        check_identity(window.account, "account")
        now = self._context.now()

        def read(reader: Reader) -> T:
            (loaded,) = reader.load([Wanted(window.account)]).values()
            stored = require_account(loaded.state, window.account)
            step = catch_up(stored, self._context.catalog, now)
            stored.books.balance(window.unit)
            if window.reading is Reading.AS_RECORDED:
                return work(reader, step.state, stored.books.sequence)
            balances = (stored.books.balance(window.unit), step.state.books.balance(window.unit))
            lots = {lot.number: lot for balance in balances for lot in balance.lots}
            source = with_due(reader, step.entries, lots)
            return work(source, step.state, step.state.books.sequence)

        return self._context.storage.read(read)
