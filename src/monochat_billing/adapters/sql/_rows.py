"""Rows: domain values to tuples in the order of their columns, and back."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from functools import lru_cache, reduce
from operator import itemgetter
from typing import Any, Final, TypeVar

from sqlalchemy import Table

from monochat_billing import lots as _lots
from monochat_billing.accounts import Account, ChargedUsage
from monochat_billing.adapters.sql import _ticks, documents
from monochat_billing.adapters.sql.documents import Malformed
from monochat_billing.adapters.sql.sealing import is_sealed
from monochat_billing.auto_top_ups import AutomaticTopUp
from monochat_billing.balance import Balance, BalanceState, Entry, EntryKind, Exchange
from monochat_billing.counters import Counter
from monochat_billing.errors import BillingError, CorruptBooks
from monochat_billing.events import EVENT_TYPES
from monochat_billing.holds import Hold
from monochat_billing.lots import ChargeKind, Lot, LotOrigin
from monochat_billing.payments import TopUp
from monochat_billing.profiles import BillingProfile
from monochat_billing.rating import MessageCategory, UsageRecord
from monochat_billing.readings import Movement, Place, Window
from monochat_billing.recurrences import Recurrence
from monochat_billing.repositories import KeyRecord, RecordedEvent
from monochat_billing.scheduling import ScheduledChange
from monochat_billing.subscriptions import Subscription
from monochat_billing.watches import Watch

T = TypeVar("T")

ticks, instant = _ticks.ticks, _ticks.instant

Row = Sequence[Any]
"""One row as a driver gives it: the columns of its table, in their order."""

_EVENTS: Final = {kind.__name__: kind for kind in EVENT_TYPES}
_REMEMBERED: Final = 1024
_POSITION: Final = itemgetter(2)
_TWO: Final = 2

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


def _maybe_ticks(at: datetime | None) -> int | None:
    return None if at is None else ticks(at)


def _maybe_instant(stored: int | None) -> datetime | None:
    return None if stored is None else instant(stored)


# Reading a document costs more than finding it again, and its value is frozen: the same text gives
# the same value.


@lru_cache(maxsize=_REMEMBERED)
def _subscription(document: str) -> Subscription:
    return documents.read(Subscription, document)


@lru_cache(maxsize=_REMEMBERED)
def _scheduled(document: str) -> ScheduledChange:
    return documents.read(ScheduledChange, document)


@lru_cache(maxsize=_REMEMBERED)
def _recurrences(document: str) -> tuple[Recurrence, ...]:
    return documents.read(tuple[Recurrence, ...], document)


_written = lru_cache(maxsize=_REMEMBERED)(documents.write)


def _profile(document: str) -> BillingProfile:
    """Read a profile; what is sealed is not remembered, because another storage may not open it."""
    if is_sealed(document):
        return documents.read(BillingProfile, document)
    return _plain_profile(document)


@lru_cache(maxsize=_REMEMBERED)
def _plain_profile(document: str) -> BillingProfile:
    return documents.read(BillingProfile, document)


@lru_cache(maxsize=_REMEMBERED)
def _currencies(document: str) -> tuple[str, ...]:
    return tuple(json.loads(document))


@lru_cache(maxsize=_REMEMBERED)
def _written_currencies(currencies: tuple[str, ...]) -> str:
    return json.dumps(currencies)


# ------------------------------------------------------------------------------------ accounts


def account_row(account: Account, last_entry: int, last_usage: int, version: int) -> Row:
    """Write a row of ``billing_accounts``."""
    return (
        account.id,
        account.zone,
        _written_currencies(account.currencies),
        None if account.profile is None else documents.write(account.profile),
        ticks(account.opened_at),
        ticks(account.as_of),
        _maybe_ticks(account.next_due_at),
        last_entry,
        account.events,
        last_usage,
        version,
        documents.write(account.watches) if account.watches else None,
        documents.write(account.automatic) if account.automatic else None,
        _written(account.recurrences) if account.recurrences else None,
        _written(account.counters) if account.counters else None,
        0,
    )


def account(row: Row) -> Account:
    """Read a row of ``billing_accounts``."""
    (
        identity,
        zone,
        currencies,
        profile,
        opened_at,
        as_of,
        next_due_at,
        _last_entry,
        events,
        _last_usage,
        _version,
        watches,
        automatic,
        recurrences,
        counters,
        _archives,
    ) = row
    return Account(
        id=identity,
        zone=zone,
        currencies=_currencies(currencies),
        opened_at=instant(opened_at),
        as_of=instant(as_of),
        profile=None if profile is None else _profile(profile),
        next_due_at=_maybe_instant(next_due_at),
        events=events,
        watches=() if watches is None else documents.read(tuple[Watch, ...], watches),
        automatic=(
            () if automatic is None else documents.read(tuple[AutomaticTopUp, ...], automatic)
        ),
        recurrences=() if recurrences is None else _recurrences(recurrences),
        counters=() if counters is None else documents.read(tuple[Counter, ...], counters),
    )


def balance_row(account_id: str, position: int, balance: Balance) -> Row:
    """Write a row of ``billing_balances``."""
    return (
        account_id,
        balance.unit,
        position,
        balance.scale,
        balance.posted,
        balance.held,
        balance.credit_limit,
        balance.owed,
        _pairs(balance.debts),
        balance.state.value,
    )


def balances(rows: Iterable[Row], lots: Iterable[Lot]) -> Mapping[str, Balance]:
    """Read the rows of one account's balances and put its lots into them, in burn order."""
    by_unit: dict[str, list[Lot]] = {}
    for lot in lots:
        by_unit.setdefault(lot.unit, []).append(lot)
    return {
        unit: Balance(
            unit,
            scale,
            posted,
            held,
            _in_burn_order(by_unit.get(unit, ())),
            limit,
            _read_pairs(debts),
            BalanceState(state),
        )
        for _, unit, _, scale, posted, held, limit, _, debts, state in sorted(rows, key=_POSITION)
    }


def _in_burn_order(lots: Sequence[Lot]) -> tuple[Lot, ...]:
    nothing: tuple[Lot, ...] = ()
    return tuple(lots) if len(lots) < _TWO else reduce(_lots.insert, lots, nothing)


def _pairs(pairs: Iterable[tuple[int, int]]) -> str:
    return f"[{','.join([f'[{number},{units}]' for number, units in pairs])}]"


def _read_pairs(text: str) -> tuple[tuple[int, int], ...]:
    if text == "[]":
        return ()
    return tuple([(int(number), int(units)) for number, units in json.loads(text)])


def lot_row(account_id: str, lot: Lot) -> Row:
    """Write a row of ``billing_lots``."""
    return (
        account_id,
        lot.number,
        lot.unit,
        lot.origin.value,
        lot.granted,
        lot.remaining,
        ticks(lot.granted_at),
        _maybe_ticks(lot.expires_at),
        " ".join(sorted(lot.pays_for)),
        lot.priority,
        lot.source,
        _maybe_ticks(lot.effective_at),
        int(lot.waiting),
        lot.pinned,
    )


@lru_cache(maxsize=_REMEMBERED)
def _charge_kinds(names: str) -> frozenset[ChargeKind]:
    return frozenset(map(ChargeKind, names.split()))


def lot(row: Row) -> Lot:
    """Read a row of ``billing_lots``."""
    _, number, unit, origin, granted, remaining, granted_at, expires_at, pays_for, *rest = row
    priority, source, effective_at, waiting, pinned = rest
    return Lot(
        number,
        unit,
        LotOrigin(origin),
        granted,
        remaining,
        instant(granted_at),
        _maybe_instant(expires_at),
        _charge_kinds(pays_for),
        priority,
        source,
        _maybe_instant(effective_at),
        bool(waiting),
        pinned,
    )


# ------------------------------------------------------------------------------------- history


def entry_row(entry: Entry) -> Row:
    """Write a row of ``billing_entries``."""
    return (
        entry.account,
        entry.number,
        entry.unit,
        entry.scale,
        entry.amount,
        entry.balance_after,
        entry.kind.value,
        entry.reason,
        entry.reference,
        entry.actor,
        ticks(entry.effective_at),
        ticks(entry.recorded_at),
        _pairs(entry.parts),
        entry.corrects,
        entry.hold,
        None if entry.exchange is None else documents.write(entry.exchange),
    )


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
        _read_pairs(parts),
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
    """Read a row of ``billing_subscriptions``."""
    return _subscription(row[6])


def scheduled_row(account_id: str, one: ScheduledChange) -> Row:
    """Write a row of ``billing_scheduled_changes``."""
    return account_id, one.id, one.state.value, ticks(one.requested_at), documents.write(one)


def scheduled(row: Row) -> ScheduledChange:
    """Read a row of ``billing_scheduled_changes``."""
    return _scheduled(row[4])


def hold_row(account_id: str, one: Hold) -> Row:
    """Write a row of ``billing_holds``."""
    return account_id, one.id, one.state.value, ticks(one.placed_at), documents.write(one)


def hold(row: Row) -> Hold:
    """Read a row of ``billing_holds``."""
    return documents.read(Hold, row[4])


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
