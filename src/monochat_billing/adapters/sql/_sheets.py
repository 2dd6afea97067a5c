"""Sheets: the rows that a save writes, collected for all accounts, one sheet for each statement.

Owns which rows a change is.
Does not own how a sheet is written (``_unit``) or what stands in a row (``_rows``).
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

import attrs
from sqlalchemy import Table

from monochat_billing.accounts import AccountState
from monochat_billing.adapters.sql import _rows, schema
from monochat_billing.adapters.sql._rows import Row
from monochat_billing.balance import Balance
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
        self.balances: list[Row] = []
        self.lots: list[Row] = []
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
        old, balances = _of(changes.before), changes.after.books.balances
        self.balances += [
            _rows.balance_row(account, position, one)
            for position, (unit, one) in enumerate(balances.items())
            if old.get(unit) is not one
        ]
        self.lots += [_rows.lot_row(account, one) for one in changes.lots]
        self._add_documents(changes)
        new = self.new
        new[_ENTRIES] += map(_rows.entry_row, changes.entries)
        if changes.usage:
            new[schema.USAGE.name] += [
                _rows.usage_row(account, ordinal, one)
                for ordinal, one in enumerate(changes.usage, loaded.usage + 1)
            ]
        new[_KEYS] += map(_rows.key_row, changes.keys)
        if changes.events:
            new[schema.OUTBOX.name] += map(_rows.event_row, changes.events)
        return counters

    def _add_account(self, changes: Changes, loaded: Counters, counters: Counters) -> None:
        row = _rows.account_row(
            changes.after.account, counters.entry, counters.usage, counters.version
        )
        if loaded.version:
            self.changed.append((*row[1:4], *row[5:-1], row[0]))
        else:
            self.opened.append(row)

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


def _of(state: AccountState | None) -> Mapping[str, Balance]:
    return {} if state is None else state.books.balances
