"""Sheets: the rows that a save writes, collected for all accounts, one sheet for each statement.

Owns which rows a change is.
Does not own how a sheet is written (``_unit``) or what stands in a row (``_rows``).
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import attrs
from sqlalchemy import Table

from monochat_billing.accounts import Account
from monochat_billing.adapters.sql import _account_rows, _rows, schema
from monochat_billing.adapters.sql._rows import Row
from monochat_billing.balance import Balance
from monochat_billing.lots import Lot
from monochat_billing.repositories import Changes

_ENTRIES: Final = schema.ENTRIES.name
_KEYS: Final = schema.KEYS.name


@attrs.frozen
class Counters:
    """Remember how far an account's own numbers had come when it was loaded."""

    version: int
    entry: int = 0
    event: int = 0
    usage: int = 0


class Sheets:
    """Collect the rows of all accounts, one sheet for each statement."""

    def __init__(self) -> None:
        self.opened: list[Row] = []
        self.changed: list[Row] = []
        self.moved: list[Row] = []
        self.balances: list[Row] = []
        self.changed_balances: list[Row] = []
        self.lots: list[Row] = []
        self.changed_lots: list[Row] = []
        self.subscriptions: list[Row] = []
        self.schedule: list[Row] = []
        self.holds: list[Row] = []
        self.top_ups: list[Row] = []
        self.new: dict[str, list[Row]] = {
            table.name: []
            for table in (
                schema.ENTRIES,
                schema.SUBSCRIPTIONS,
                schema.SCHEDULE,
                schema.HOLDS,
                schema.TOP_UPS,
                schema.ROUTES,
                schema.USAGE,
                schema.KEYS,
                schema.OUTBOX,
            )
        }

    def add(self, changes: Changes, loaded: Counters) -> Counters:
        """Write down one account's rows; give how far its numbers have come."""
        account = changes.after.account.id
        counters = Counters(
            loaded.version + 1,
            changes.after.books.sequence,
            changes.after.account.events,
            loaded.usage + len(changes.usage),
        )
        self._add_account(changes, loaded, counters)
        self._add_balances(changes)
        self._add_documents(changes)
        new = self.new
        if changes.entries:
            new[_ENTRIES] += _rows.entry_rows(changes.entries)
        if changes.usage:
            new[schema.USAGE.name] += [
                _rows.usage_row(account, ordinal, one)
                for ordinal, one in enumerate(changes.usage, loaded.usage + 1)
            ]
        if changes.keys:
            new[_KEYS] += map(_rows.key_row, changes.keys)
        if changes.events:
            new[schema.OUTBOX.name] += map(_rows.event_row, changes.events)
        return counters

    def _add_account(self, changes: Changes, loaded: Counters, counters: Counters) -> None:
        """Write down what moves with every save, and the whole row where more has changed."""
        before, after = changes.before, changes.after.account
        if before is not None and _only_moved(before.account, after):
            self.moved.append(
                _account_rows.moved_row(after, counters.entry, counters.usage, counters.version)
            )
            return
        row = _account_rows.account_row(after, counters.entry, counters.usage, counters.version)
        if loaded.version:
            self.changed.append((*row[1:4], *row[5:-1], row[0]))
        else:
            self.opened.append(row)

    def _add_balances(self, changes: Changes) -> None:
        """Tell what is new from what was loaded: of that only what can change is written."""
        account, after = changes.after.account.id, changes.after.books.balances
        before: Mapping[str, Balance] = _NONE
        if changes.before is not None:
            before = changes.before.books.balances
            if before is after:
                return
        for position, (unit, one) in enumerate(after.items()):
            old = before.get(unit)
            if old is one:
                continue
            if old is None:
                self.balances.append(_account_rows.balance_row(account, position, one))
                self.lots += [_account_rows.lot_row(account, lot) for lot in one.lots]
                continue
            self.changed_balances.append(_account_rows.changed_balance_row(account, one))
            if old.lots is not one.lots:
                self._add_lots(account, old.lots, one.lots)

    def _add_lots(self, account: str, old: Sequence[Lot], lots: Sequence[Lot]) -> None:
        known = {lot.number: lot for lot in old}
        for lot in lots:
            was = known.get(lot.number)
            if was is None:
                self.lots.append(_account_rows.lot_row(account, lot))
            elif was is not lot and was != lot:
                self.changed_lots.append(_account_rows.changed_lot_row(account, lot))

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
            self._sheet(schema.SUBSCRIPTIONS, self.subscriptions, one.id in before.subscriptions)(
                row
            )
        for change in changes.schedule:
            row = _rows.scheduled_row(account, change)
            self._sheet(schema.SCHEDULE, self.schedule, change.id in before.schedule)(row)
        for hold in changes.holds:
            row = _rows.hold_row(account, hold)
            self._sheet(schema.HOLDS, self.holds, hold.id in before.holds)(row)
        for top_up in changes.top_ups:
            row = _rows.top_up_row(account, top_up)
            known = top_up.id in before.top_ups
            self._sheet(schema.TOP_UPS, self.top_ups, known)(row)
            if not known:
                self.new[schema.ROUTES.name].append((top_up.gateway, top_up.id, account))

    def _sheet(self, table: Table, replaced: list[Row], known: bool) -> Callable[[Row], None]:  # noqa: FBT001 - private
        return (replaced if known else self.new[table.name]).append


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
