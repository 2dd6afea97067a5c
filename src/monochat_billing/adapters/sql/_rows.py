"""Rows: domain values to tuples in the order of their columns, and back."""

import json
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from typing import Any, Final, TypeVar

from sqlalchemy import Table

from monochat_billing.accounts import ChargedUsage
from monochat_billing.adapters.sql import _ticks, documents
from monochat_billing.adapters.sql.documents import Malformed
from monochat_billing.balance import Entry, EntryKind, Exchange
from monochat_billing.errors import BillingError, CorruptBooks
from monochat_billing.events import EVENT_TYPES
from monochat_billing.holds import Hold
from monochat_billing.lots import LotOrigin
from monochat_billing.payments import TopUp
from monochat_billing.rating import MessageCategory, UsageRecord
from monochat_billing.readings import Movement, Place, Window
from monochat_billing.repositories import KeyRecord, RecordedEvent
from monochat_billing.scheduling import ScheduledChange
from monochat_billing.subscriptions import Subscription

T = TypeVar("T")

ticks, instant = _ticks.ticks, _ticks.instant

Row = Sequence[Any]
"""One row as a driver gives it: the columns of its table, in their order."""

_EVENTS: Final = {kind.__name__: kind for kind in EVENT_TYPES}
_REMEMBERED: Final = 1024
_HELD: Final = 4096
"""How many holds are remembered: an account that sends messages has hundreds open at a time."""

_WRONG: Final = (ArithmeticError, BillingError, LookupError, TypeError, ValueError)
"""What building a value raises when its row was not written by this library."""


def each(table: Table, rows: Iterable[Row], build: Callable[[Row], T]) -> list[T]:
    """Build one value per row.

    Raises:
        CorruptBooks: a row holds what no value can be; names the table and the account.
    """
    built: list[T] = []
    for row in rows:
        try:
            built.append(build(row))
        except _WRONG as error:
            what = str(error) if isinstance(error, Malformed) else repr(error)
            raise CorruptBooks(f"read {table.name}", f"account {row[0]!r}: {what}") from error
    return built


# Reading a document costs more than finding it again, and its value is frozen: the same text gives
# the same value.


@lru_cache(maxsize=_REMEMBERED)
def _subscription(document: str) -> Subscription:
    return documents.read(Subscription, document)


@lru_cache(maxsize=_REMEMBERED)
def _scheduled(document: str) -> ScheduledChange:
    return documents.read(ScheduledChange, document)


@lru_cache(maxsize=_HELD)
def _hold(document: str) -> Hold:
    return documents.read(Hold, document)


# ------------------------------------------------------------------------------------- history


def pairs_text(pairs: Iterable[tuple[int, int]]) -> str:
    """Write pairs as JSON."""
    return f"[{','.join([f'[{number},{units}]' for number, units in pairs])}]"


def parts_text(parts: Sequence[tuple[int, int]]) -> str:
    """Write the parts of an entry as JSON; mostly it is one."""
    if len(parts) == 1:
        ((lot, units),) = parts
        return f"[[{lot},{units}]]"
    return pairs_text(parts)


def read_pairs(text: str) -> tuple[tuple[int, int], ...]:
    """Read pairs that were written so."""
    if text == "[]":
        return ()
    return tuple([(int(number), int(units)) for number, units in json.loads(text)])


def entry_row(entry: Entry) -> Row:
    """Write a row of ``billing_entries``."""
    (row,) = entry_rows((entry,))
    return row


def entry_rows(entries: Iterable[Entry]) -> list[Row]:
    """Write rows of ``billing_entries``; what neighbors share is converted once."""
    rows: list[Row] = []
    kind = effective_at = recorded_at = None
    name, effective, recorded = "", 0, 0
    for one in entries:
        if one.kind is not kind:
            kind = one.kind
            name = kind.value
        if one.effective_at is not effective_at:
            effective_at = one.effective_at
            effective = ticks(effective_at)
        if one.recorded_at is not recorded_at:
            recorded_at = one.recorded_at
            recorded = ticks(recorded_at)
        rows.append(
            (
                one.account,
                one.number,
                one.unit,
                one.scale,
                one.amount,
                one.balance_after,
                name,
                one.reason,
                one.reference,
                one.actor,
                effective,
                recorded,
                parts_text(one.parts),
                one.corrects,
                one.hold,
                None if one.exchange is None else documents.write(one.exchange),
            )
        )
    return rows


def entry(row: Row) -> Entry:
    """Read a row of ``billing_entries``."""
    account_id, number, unit, scale, amount, balance_after, kind, *words = row
    reason, reference, actor, effective_at, recorded_at, parts, corrects, hold, exchange = words
    return Entry(
        account_id,
        number,
        unit,
        scale,
        amount,
        balance_after,
        EntryKind(kind),
        reason,
        reference,
        actor,
        instant(effective_at),
        instant(recorded_at),
        read_pairs(parts),
        corrects,
        hold,
        None if exchange is None else documents.read(Exchange, exchange),
    )


def window(window: Window, place: Place) -> dict[str, object]:
    """Name the parameters of the statements that read a window from behind a place."""
    return {
        "account": window.account,
        "unit": window.unit,
        "at": ticks(place.at),
        "number": place.number,
        "until": ticks(window.end.at),
        "through": window.through,
    }


def movement(row: Row) -> Movement:
    """Read a row of sums over the parts of entries."""
    _, kind, lot, origin, source, credited, debited = row
    return Movement(
        EntryKind(kind),
        lot,
        None if origin is None else LotOrigin(origin),
        source or "",
        int(credited),
        int(debited),
    )


def usage_row(account_id: str, ordinal: int, usage: ChargedUsage) -> Row:
    """Write a row of ``billing_usage``."""
    record = usage.record
    return (
        account_id,
        ordinal,
        record.id,
        record.meter,
        ticks(record.occurred_at),
        record.market,
        record.category.value,
        int(record.billable),
        record.reference,
        usage.unit,
        usage.units,
        usage.card,
        usage.entry,
    )


def usage(row: Row) -> ChargedUsage:
    """Read a row of ``billing_usage``."""
    _, _, identity, meter, occurred_at, market, category, billable, reference, *charge = row
    record = UsageRecord(
        id=identity,
        meter=meter,
        occurred_at=instant(occurred_at),
        market=market,
        category=MessageCategory(category),
        billable=bool(billable),
        reference=reference,
    )
    return ChargedUsage(record, *charge)


# ----------------------------------------------------------------------------------- documents


def subscription_row(account_id: str, position: int, one: Subscription) -> Row:
    """Write a row of ``billing_subscriptions``."""
    return (
        account_id,
        one.id,
        position,
        one.family.value,
        one.state.value,
        ticks(one.period.end),
        documents.write(one),
    )


def subscription(row: Row) -> Subscription:
    """Read a row of ``billing_subscriptions``; its document stands last."""
    return _subscription(row[-1])


def scheduled_row(account_id: str, one: ScheduledChange) -> Row:
    """Write a row of ``billing_scheduled_changes``."""
    return account_id, one.id, one.state.value, ticks(one.requested_at), documents.write(one)


def scheduled(row: Row) -> ScheduledChange:
    """Read a row of ``billing_scheduled_changes``; its document stands last."""
    return _scheduled(row[-1])


def hold_row(account_id: str, one: Hold) -> Row:
    """Write a row of ``billing_holds``."""
    return account_id, one.id, one.state.value, ticks(one.placed_at), documents.write(one)


def hold(row: Row) -> Hold:
    """Read a row of ``billing_holds``; its document stands last."""
    return _hold(row[-1])


def top_up_row(account_id: str, one: TopUp) -> Row:
    """Write a row of ``billing_top_ups``."""
    return (
        account_id,
        one.id,
        one.gateway,
        one.state.value,
        ticks(one.created_at),
        documents.write(one),
    )


def top_up(row: Row) -> TopUp:
    """Read a row of ``billing_top_ups``."""
    return documents.read(TopUp, row[5])


def key_row(record: KeyRecord) -> Row:
    """Write a row of ``billing_keys``."""
    return (
        record.account,
        record.key,
        ticks(record.recorded_at),
        documents.write_texts(record.content),
        documents.write_outcome(record.outcome),
    )


def key(row: Row) -> KeyRecord:
    """Read a row of ``billing_keys``."""
    account_id, name, recorded_at, content, outcome = row
    return KeyRecord(
        account_id,
        name,
        documents.read(dict[str, str], content),
        documents.read_any(outcome),
        instant(recorded_at),
    )


def event_row(recorded: RecordedEvent) -> Row:
    """Write a row of ``billing_outbox``."""
    name = type(recorded.event).__name__
    if _EVENTS.get(name) is not type(recorded.event):
        raise Malformed(f"{name} is no event of this library")
    return recorded.account, recorded.number, name, documents.write(recorded.event)


def event(row: Row) -> RecordedEvent:
    """Read a row of ``billing_outbox``."""
    account_id, number, name, document = row
    if name not in _EVENTS:
        raise Malformed(f"the event type {name!r} is unknown")
    return RecordedEvent(account_id, number, documents.read(_EVENTS[name], document))
