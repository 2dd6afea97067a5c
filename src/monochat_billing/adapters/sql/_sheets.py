"""Sheets: the rows that a save writes, collected for all accounts, one sheet for each statement.

Owns which rows a change is.
Does not own how a sheet is written (``_unit``) or what stands in a row (``_rows``).
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, Final

import attrs
from sqlalchemy import Table

from monochat_billing.accounts import Account, AccountState
from monochat_billing.adapters.sql import _account_rows, _rows, schema
from monochat_billing.adapters.sql._rows import Row
from monochat_billing.adapters.sql._runs import run_of
from monochat_billing.balance import Balance
from monochat_billing.lots import Lot
from monochat_billing.makers import maker_of
from monochat_billing.repositories import Changes

CHANGE: Final = "change "
MOVE: Final = "move "
REPLACE: Final = "replace "
RUN: Final = "run of "
"""What a sheet does with rows that are, or may be, in its table; one of new rows inserts them."""

_ENTRIES: Final = schema.ENTRIES.name
_RUN: Final = RUN + _ENTRIES
_USAGE: Final = schema.USAGE.name
_KEYS: Final = schema.KEYS.name
_OUTBOX: Final = schema.OUTBOX.name
_ACCOUNTS: Final = schema.ACCOUNTS.name
_MOVED: Final = MOVE + _ACCOUNTS
_CHANGED: Final = CHANGE + _ACCOUNTS
_OPENED_BALANCES: Final = REPLACE + schema.BALANCES.name
_BALANCES: Final = CHANGE + schema.BALANCES.name
_GRANTED: Final = REPLACE + schema.LOTS.name
_LOTS: Final = CHANGE + schema.LOTS.name


@attrs.frozen
class Counters:
    """Remember how far an account's own numbers had come when it was loaded."""

    version: int
    entry: int = 0
    event: int = 0
    usage: int = 0


make_counters: Final = maker_of(Counters)
"""Build counters, quickly."""


class Sheets:
    """Collect the rows of all accounts, one sheet for each statement; without rows there is none.

    A sheet of rows that are new has its table's name, any other says before it what it does.
    """

    def __init__(self, *, runs: bool = False) -> None:
        self.rows: defaultdict[str, list[Row]] = defaultdict(list)
        self._runs = runs

    def add(self, changes: Changes, loaded: Counters) -> Counters:
        """Write down one account's rows; give how far its numbers have come."""
        before, state, rows = changes.before, changes.after, self.rows
        after = state.account
        account, entry, usage = after.id, state.books.sequence, loaded.usage
        version = loaded.version + 1
        if changes.usage:
            ordinals = enumerate(changes.usage, usage + 1)
            rows[_USAGE] += [_rows.usage_row(account, ordinal, one) for ordinal, one in ordinals]
            usage += len(changes.usage)
        if before is not None and _only_moved(before.account, after):
            rows[_MOVED].append(_account_rows.moved_row(after, entry, usage, version))
        else:
            row = _account_rows.account_row(after, entry, usage, version)
            if loaded.version:
                rows[_CHANGED].append((*row[1:4], *row[5:-1], row[0]))
            else:
                rows[_ACCOUNTS].append(row)
        self._add_balances(account, before, state)
        self._add_documents(changes)
        if changes.entries:
            run = run_of(changes.entries) if self._runs else None
            if run is None:
                rows[_ENTRIES] += _rows.entry_rows(changes.entries)
            else:
                rows[_RUN].append(run)
        if changes.keys:
            rows[_KEYS] += [_rows.key_row(one) for one in changes.keys]
        if changes.events:
            rows[_OUTBOX] += [_rows.event_row(one) for one in changes.events]
        return make_counters(version, entry, after.events, usage)

    def _add_balances(self, account: str, before: AccountState | None, state: AccountState) -> None:
        """Tell what is new from what was loaded: of that only what can change is written."""
        after, known = state.books.balances, _NONE if before is None else before.books.balances
        if known is after:
            return
        for position, (unit, one) in enumerate(after.items()):
            old = known.get(unit)
            if old is one:
                continue
            if old is None:
                self.rows[_OPENED_BALANCES].append(
                    _account_rows.balance_row(account, position, one)
                )
                if one.lots:
                    self.rows[_GRANTED] += [_account_rows.lot_row(account, lot) for lot in one.lots]
                continue
            self.rows[_BALANCES].append(_account_rows.changed_balance_row(account, one))
            if old.lots is not one.lots:
                self._add_lots(account, old.lots, one.lots)

    def _add_lots(self, account: str, old: Sequence[Lot], lots: Sequence[Lot]) -> None:
        known = {lot.number: lot for lot in old}
        for lot in lots:
            was = known.get(lot.number)
            if was is None:
                self.rows[_GRANTED].append(_account_rows.lot_row(account, lot))
            elif was is not lot and was != lot:
                self.rows[_LOTS].append(_account_rows.changed_lot_row(account, lot))

    def _add_documents(self, changes: Changes) -> None:
        """Keep what is new apart: an id that was used before is refused, never overwritten."""
        account = changes.after.account.id
        before: Any = changes.before or _NOTHING
        after = changes.after
        if (
            after.subscriptions is before.subscriptions
            and after.schedule is before.schedule
            and after.holds is before.holds
            and after.top_ups is before.top_ups
        ):
            return
        places = {name: at for at, name in enumerate(after.subscriptions)}
        for one in changes.subscriptions:
            row = _rows.subscription_row(account, places[one.id], one)
            self._put(schema.SUBSCRIPTIONS, row, known=one.id in before.subscriptions)
        for change in changes.schedule:
            row = _rows.scheduled_row(account, change)
            self._put(schema.SCHEDULE, row, known=change.id in before.schedule)
        for hold in changes.holds:
            row = _rows.hold_row(account, hold)
            self._put(schema.HOLDS, row, known=hold.id in before.holds)
        for top_up in changes.top_ups:
            known = top_up.id in before.top_ups
            self._put(schema.TOP_UPS, _rows.top_up_row(account, top_up), known=known)
            if not known:
                self.rows[schema.ROUTES.name].append((top_up.gateway, top_up.id, account))

    def _put(self, table: Table, row: Row, *, known: bool) -> None:
        self.rows[f"{REPLACE}{table.name}" if known else table.name].append(row)


@attrs.frozen
class _Nothing:
    subscriptions: Mapping[str, object] = attrs.field(factory=dict)
    schedule: Mapping[str, object] = attrs.field(factory=dict)
    holds: Mapping[str, object] = attrs.field(factory=dict)
    top_ups: Mapping[str, object] = attrs.field(factory=dict)


_NOTHING: Final = _Nothing()
_NONE: Final[Mapping[str, Balance]] = {}


def _only_moved(before: Account, after: Account) -> bool:
    """Tell whether nothing has changed that somebody decides; what is one and the same has not."""
    return (
        before.profile is after.profile
        and before.watches is after.watches
        and before.automatic is after.automatic
        and before.recurrences is after.recurrences
        and before.counters is after.counters
        and before.currencies is after.currencies
        and before.zone is after.zone
    )
