"""Holdings: the state that everything makes which an account has at the moment.

Owns how balances, open lots, open holds, live subscriptions and pending changes are put together
with what a command asked for beside them.
Does not own the statement that reads them (``_holding_statements``), what a row of a table says
(``_rows``, ``_account_rows``), or when it is read (``_unit``).
"""

from collections.abc import Iterable, Mapping, Sequence
from operator import itemgetter
from typing import Final

from monochat_billing.account_state import make_state
from monochat_billing.accounts import Account, AccountState
from monochat_billing.adapters.sql import _account_rows, _rows, schema
from monochat_billing.adapters.sql._holding_statements import (
    BALANCE,
    CHANGE,
    HOLD,
    LOT,
    SUBSCRIPTION,
)
from monochat_billing.adapters.sql._messages import traffic
from monochat_billing.adapters.sql._metered import metered
from monochat_billing.adapters.sql._rows import Row, each
from monochat_billing.balance import Books, Entry
from monochat_billing.books import make_books
from monochat_billing.holds import Hold
from monochat_billing.lots import Lot
from monochat_billing.repositories import Loaded, make_loaded
from monochat_billing.scheduling import ScheduledChange
from monochat_billing.subscriptions import Subscription

Rows = Mapping[str, Sequence[Row]]
"""Rows by account."""

_LAST_ENTRY: Final = 7
_NONE: Final[Rows] = {}
_NOTHING: Final[Sequence[Row]] = ()
_PLACED: Final = itemgetter(1, 2)


def by_kind(rows: Iterable[Row]) -> tuple[dict[str, list[Row]], ...]:
    """Sort rows by their kind, and by account."""
    kinds: tuple[dict[str, list[Row]], ...] = ({}, {}, {}, {}, {})
    for row in rows:
        account, of_kind = row[0], kinds[row[1]]
        if account in of_kind:
            of_kind[account].append(row)
        else:
            of_kind[account] = [row]
    return kinds


class Found:
    """Hold the rows of a load, kind by kind and account by account.

    ``asked`` are whole rows of their tables, by what a command asked for; ``asked_lots`` are those
    that the ``entries`` name which it asked for.
    """

    def __init__(
        self,
        rows: Sequence[Rows],
        asked: Mapping[str, Rows],
        entries: Mapping[str, Mapping[int, Entry]],
        asked_lots: Rows,
    ) -> None:
        self.rows = rows
        self.asked = asked
        self.entries = entries
        self.asked_lots = asked_lots
        self._more = [one for one in (*rows[HOLD:], entries, *asked.values()) if one]

    def loaded(self, account: str, row: Row) -> Loaded:
        """Put one account together; of most there is nothing but money, and a key that is new."""
        (head,) = each(schema.ACCOUNTS, (row,), _account_rows.account)
        balances, lots = self.rows[BALANCE], self.rows[LOT]
        built = each(schema.LOTS, lots.get(account, _NOTHING), _account_rows.open_lot)
        if account in self.asked_lots:
            built = self._with_asked(account, built)
        held = _account_rows.balances(balances.get(account, _NOTHING), built)
        books = make_books(account, row[_LAST_ENTRY], held)
        if not (self._more and any(account in rows for rows in self._more)):
            return make_loaded(make_state(head, books))
        known = each(schema.KEYS, self._asked("keys", account), _rows.key)
        return Loaded(self._with_more(account, head, books), {one.key: one for one in known})

    def _asked(self, kind: str, account: str) -> Sequence[Row]:
        return self.asked.get(kind, _NONE).get(account, _NOTHING)

    def _with_asked(self, account: str, lots: Sequence[Lot]) -> list[Lot]:
        """Add the lots that entries name, once each."""
        asked = each(schema.LOTS, self.asked_lots[account], _account_rows.lot)
        return list({one.number: one for one in (*lots, *asked)}.values())

    def _with_more(self, account: str, head: Account, books: Books) -> AccountState:
        top_ups = each(schema.TOP_UPS, self._asked("top_ups", account), _rows.top_up)
        return AccountState(
            account=head,
            books=books,
            subscriptions=self._subscriptions(account),
            schedule=self._schedule(account),
            top_ups={one.id: one for one in top_ups},
            known_usage=frozenset([one[1] for one in self._asked("usage", account)]),
            holds=self._holds(account),
            entries=dict(sorted(self.entries.get(account, {}).items())),
            traffic=traffic(self._asked("messages", account), self._asked("tallies", account)),
            metered=metered(self._asked("counters", account), self._asked("metered", account)),
        )

    def _subscriptions(self, account: str) -> dict[str, Subscription]:
        """Give the live ones, and the ended ones if they were asked for, as they were stored."""
        held = _documents(self.rows[SUBSCRIPTION].get(account, _NOTHING))
        held += [(account, row[2], row[1], row[6]) for row in self._asked("ended", account)]
        if len(held) > 1:
            held.sort(key=_PLACED)
        return {one.id: one for one in each(schema.SUBSCRIPTIONS, held, _rows.subscription)}

    def _schedule(self, account: str) -> dict[str, ScheduledChange]:
        """Give what is pending and what was asked for, once each, in order of request."""
        changes = _documents(self.rows[CHANGE].get(account, _NOTHING))
        changes += [(account, row[3], row[1], row[4]) for row in self._asked("schedule", account)]
        if len(changes) > 1:
            changes = sorted({row[2]: row for row in changes}.values(), key=_PLACED)
        return {one.id: one for one in each(schema.SCHEDULE, changes, _rows.scheduled)}

    def _holds(self, account: str) -> dict[str, Hold]:
        """Give what is open and what was asked for, once each, in the order of their placing."""
        placed = _documents(self.rows[HOLD].get(account, _NOTHING))
        placed += [(account, row[3], row[1], row[4]) for row in self._asked("holds", account)]
        if len(placed) > 1:
            placed = sorted({row[2]: row for row in placed}.values(), key=_PLACED)
        return {one.id: one for one in each(schema.HOLDS, placed, _rows.hold)}


def _documents(rows: Iterable[Row]) -> list[Row]:
    """Give what is kept as a document: its account, its place, its id, its text."""
    return [(row[0], row[6], row[2], row[3]) for row in rows]
