"""Rows of what an account has: its own row, its balances and its lots, and back."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from operator import itemgetter
from typing import Final

from monochat_billing import lots as _lots
from monochat_billing.account_state import make_account
from monochat_billing.accounts import Account
from monochat_billing.adapters.sql import documents
from monochat_billing.adapters.sql._rows import Row, pairs_text, read_pairs
from monochat_billing.adapters.sql._ticks import instant, ticks
from monochat_billing.adapters.sql.sealing import is_sealed
from monochat_billing.auto_top_ups import AutomaticTopUp
from monochat_billing.balance import Balance, BalanceState
from monochat_billing.books import make_balance
from monochat_billing.counters import Counter
from monochat_billing.lots import ChargeKind, Lot, LotOrigin, make_lot
from monochat_billing.profiles import BillingProfile
from monochat_billing.recurrences import Recurrence
from monochat_billing.watches import Watch

_REMEMBERED: Final = 1024
_POSITION: Final = itemgetter(6)
_TWO: Final = 2
_ANYTHING: Final[frozenset[ChargeKind]] = frozenset()
_ORIGINS: Final = {origin.value: origin for origin in LotOrigin}
_STATES: Final = {state.value: state for state in BalanceState}


def _maybe_ticks(at: datetime | None) -> int | None:
    return None if at is None else ticks(at)


def _maybe_instant(stored: int | None) -> datetime | None:
    return None if stored is None else instant(stored)


# Reading a document costs more than finding it again, and its value is frozen: the same text gives
# the same value.


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


def moved_row(account: Account, last_entry: int, last_usage: int, version: int) -> Row:
    """Write what every save moves of a row of ``billing_accounts``, and its key."""
    return (
        ticks(account.as_of),
        _maybe_ticks(account.next_due_at),
        last_entry,
        account.events,
        last_usage,
        version,
        account.id,
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
    return make_account(
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
        pairs_text(balance.debts),
        balance.state.value,
    )


def changed_balance_row(account_id: str, balance: Balance) -> Row:
    """Write what can change of a row of ``billing_balances``, and its key."""
    debts = balance.debts
    return (
        balance.posted,
        balance.held,
        balance.credit_limit,
        balance.owed if debts else 0,
        pairs_text(debts) if debts else "[]",
        str(balance.state),
        account_id,
        balance.unit,
    )


def balances(rows: Sequence[Row], lots: Sequence[Lot]) -> Mapping[str, Balance]:
    """Read one account's balances as they are held, and put its lots into them, in burn order."""
    if len(rows) > 1:
        rows = sorted(rows, key=_POSITION)
    by_unit: dict[str, list[Lot]] = {}
    for lot in lots:
        by_unit.setdefault(lot.unit, []).append(lot)
    return {
        unit: make_balance(
            unit,
            scale,
            posted,
            held,
            _in_burn_order(by_unit.get(unit, ())),
            limit,
            () if debts == "[]" else read_pairs(debts),
            _STATES[state],
        )
        for _, _, unit, debts, state, _, _, scale, posted, held, limit, *_ in rows
    }


def _in_burn_order(lots: Sequence[Lot]) -> tuple[Lot, ...]:
    return tuple(lots) if len(lots) < _TWO else _lots.in_burn_order(lots)


def changed_lot_row(account_id: str, lot: Lot) -> Row:
    """Write what can change of a row of ``billing_lots``, and its key."""
    return lot.remaining, int(lot.waiting), lot.pinned, account_id, lot.number


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
    account_id, number, unit, origin, granted, remaining, granted_at, expires_at, *more = row
    pays_for, priority, source, effective_at, waiting, pinned = more
    texts = (unit, origin, pays_for, source)
    integers = (number, granted, remaining, granted_at, expires_at, priority)
    return open_lot((account_id, None, *texts, *integers, effective_at, waiting, pinned))


def open_lot(row: Row) -> Lot:
    """Read a lot as it is held: its texts, then its integers."""
    (
        _,
        _,
        unit,
        origin,
        pays_for,
        source,
        number,
        granted,
        remaining,
        granted_at,
        expires_at,
        priority,
        effective_at,
        waiting,
        pinned,
    ) = row
    return make_lot(
        number,
        unit,
        _ORIGINS[origin],
        granted,
        remaining,
        instant(granted_at),
        None if expires_at is None else instant(expires_at),
        _charge_kinds(pays_for) if pays_for else _ANYTHING,
        priority,
        source,
        None if effective_at is None else instant(effective_at),
        bool(waiting),
        pinned,
    )
