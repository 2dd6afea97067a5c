"""The verbs of ``balances`` that look back: statements, past balances, consumption."""

from collections.abc import Callable
from datetime import datetime
from typing import TypeVar

import attrs

from monochat_billing.accounts import AccountState, catch_up, require_account
from monochat_billing.balance import Balance
from monochat_billing.checkpoints import Checkpoint, checkpoint_of
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
        in none of them, and no line is skipped or repeated. Where entries were archived, the
        beginning is where the archive ends: ``since`` of the statement says so, ``archived`` what
        lies before, and ``opening`` counts it.

        Raises:
            InvalidInput: an instant is naive, ``until`` is not after ``since``, ``limit`` is not
                from 1 to 1000, ``after`` is no cursor of this statement, or the statement reaches
                into what was archived.
            UnknownName: there is no such account or balance.
        """
        window = Window.between(account, currency, reading, since, until)
        cursor = None if after is None else Cursor.parse(after, window)

        def work(past: _Past, state: AccountState) -> Statement:
            seen = past.window
            if cursor is not None and past.mark is not None:
                past.mark.require(cursor.place.at, "after")
            archived = 0
            if past.mark is not None:
                seen = past.mark.window(seen)
                archived = past.mark.entries if window.since is None else 0
            return statement(
                past.source,
                seen,
                scale=state.books.balance(currency).scale,
                zone=state.account.zone,
                after=cursor,
                limit=limit,
                archived=archived,
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
            InvalidInput: the instant is naive, lies ahead, or in what was archived.
            UnknownName: there is no such account or balance.
        """
        window = Window.between(account, currency, reading, None, None)
        at = utc(instant, field="instant")

        def work(past: _Past, state: AccountState) -> Amount:
            if at > state.account.as_of:
                raise InvalidInput(
                    "instant", at.isoformat(), "lies ahead", "ask for an instant up to now"
                )
            if past.mark is not None and at < past.mark.ended_at:
                raise past.mark.refused("instant", at.isoformat())
            balance: Balance = state.books.balance(currency)
            return balance.value(past.source.balance_upto(past.window, Place.after(at)))

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

        Where entries were archived, the beginning is where the archive ends, and ``since`` of the
        result says so.

        Raises:
            InvalidInput: an instant is naive, ``until`` is not after ``since``, there are more
                than 1200 months between them, or they reach into what was archived.
            UnknownName: there is no such account or balance.
        """
        window = Window.between(account, currency, reading, since, until)

        def work(past: _Past, state: AccountState) -> Consumption:
            return consumption(
                past.source,
                past.window if past.mark is None else past.mark.window(past.window),
                scale=state.books.balance(currency).scale,
                zone=state.account.zone,
                now=state.account.as_of,
            )

        return self._read(window, work)

    def _read(self, window: Window, work: "Callable[[_Past, AccountState], T]") -> T:
        """Load, catch up and look back on one consistent view."""
        check_identity(window.account, "account")
        now = self._context.now()

        def read(reader: Reader) -> T:
            (loaded,) = reader.load([Wanted(window.account)]).values()
            stored = require_account(loaded.state, window.account)
            step = catch_up(stored, self._context.catalog, now)
            stored.books.balance(window.unit)
            mark = checkpoint_of(reader, window.account)
            if window.reading is Reading.AS_RECORDED:
                seen = attrs.evolve(window, through=stored.books.sequence)
                return work(_Past(reader, seen, mark), step.state)
            balances = (stored.books.balance(window.unit), step.state.books.balance(window.unit))
            lots = {lot.number: lot for balance in balances for lot in balance.lots}
            source = with_due(reader, step.entries, lots)
            seen = attrs.evolve(window, through=step.state.books.sequence)
            return work(_Past(source, seen, mark), step.state)

        return self._context.storage.read(read)


@attrs.frozen
class _Past:
    """Hold what there is to look back on: entries, the window of them, and what was archived."""

    source: EntrySource
    window: Window
    mark: Checkpoint | None
