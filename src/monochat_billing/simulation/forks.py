"""Forks: one account, taken out of any storage as it is, to go on elsewhere.

*Owns* the copy of an account into a storage of its own. It is read through the protocol that every
storage has, from one consistent view, so that the origin is neither changed nor waited for.
*Does not own* what happens on the fork (``branches``).

What is copied: the account with its books and all lots, subscriptions, schedule, holds, messages,
counters, usage, entries and events, and the purchases of its packs. What is not: idempotency keys
of other commands, checkouts that are open, and invoices; in a fork nobody pays or repeats those.
Of an account whose oldest entries are archived, the copy has those that are left; its balances,
lots and all that comes are the same.
"""

from datetime import UTC, datetime
from typing import Final

import attrs

from monochat_billing.accounts import ChargedUsage, require_account
from monochat_billing.adapters.memory import MemoryStorage
from monochat_billing.balance import Books, Entry
from monochat_billing.counters import Metered, MeteredUsage, counter_buckets
from monochat_billing.lots import Lot, insert
from monochat_billing.messages import Message, Traffic
from monochat_billing.repositories import (
    Changes,
    Reader,
    RecordedEvent,
    Storage,
    Wanted,
)
from monochat_billing.texts import check_identity

__all__ = ["copy_account", "everything_of"]

_PAGE: Final = 1000
_FIRST: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LAST: Final = datetime(9000, 1, 1, tzinfo=UTC)


def copy_account(source: Storage, account: str) -> MemoryStorage:
    """Copy one account out of any storage into a new one in memory; the source stays as it is.

    It takes time and memory in proportion to the account's past.

    Raises:
        UnknownName: there is no such account.
        StorageError: the source could not be read.

    >>> from monochat_billing import Billing, sample_catalog
    >>> here = MemoryStorage()
    >>> opened = Billing(catalog=sample_catalog(), storage=here).accounts.open(
    ...     "acme", zone="UTC", currencies=["TRY"]
    ... )
    >>> there = copy_account(here, "acme")
    >>> there.read(lambda reader: list(reader.accounts()))
    ['acme']
    """
    check_identity(account, "account")
    changes = source.read(lambda reader: everything_of(reader, account))
    return MemoryStorage.holding(changes)


def everything_of(reader: Reader, account: str) -> Changes:
    """Read everything that a copy of an account takes along, as one change from nothing.

    Raises:
        UnknownName: there is no such account.
    """
    lots = tuple(reader.lots(account))
    records = _metered(reader, account)
    messages = _messages(reader, account)
    wanted = Wanted(
        account,
        keys=frozenset(lot.source for lot in lots if lot.source),
        counters=_buckets(records),
        ended=True,
    )
    loaded = reader.load([wanted])[account]
    state = require_account(loaded.state, account)
    after = attrs.evolve(
        state,
        books=_with_all_lots(state.books, lots),
        subscriptions={one.id: one for one in reader.subscriptions(account)},
        schedule={one.id: one for one in reader.schedule(account)},
        holds={one.id: one for one in reader.holds(account)},
        traffic=Traffic(
            messages={one.id: one for one in messages}, tallies=reader.tallies(account, "")
        ),
        metered=Metered(
            counters=state.metered.counters, records={one.record.id: one for one in records}
        ),
        top_ups={},
        entries={},
        known_usage=frozenset(),
    )
    return Changes(
        before=None,
        after=after,
        entries=_entries(reader, account),
        events=_events(reader, account),
        keys=tuple(loaded.keys.values()),
        usage=_usage(reader, account),
    )


def _with_all_lots(books: Books, lots: tuple[Lot, ...]) -> Books:
    for lot in lots:
        balance = books.balances[lot.unit]
        if not any(one.number == lot.number for one in balance.lots):
            books = books.with_balance(balance.with_lots(insert(balance.lots, lot)))
    return books


def _buckets(records: tuple[MeteredUsage, ...]) -> frozenset[str]:
    found: frozenset[str] = frozenset()
    for meter, at in {
        (one.record.meter, one.record.occurred_at.replace(day=1, hour=0, minute=0, second=0))
        for one in records
    }:
        found |= counter_buckets(meter, at)
    return found


def _metered(reader: Reader, account: str) -> tuple[MeteredUsage, ...]:
    found: list[MeteredUsage] = []
    since, after = _FIRST, ""
    while page := reader.metered(account, since=since, until=_LAST, after=after, limit=_PAGE):
        found += page
        since, after = page[-1].record.occurred_at, page[-1].record.id
    return tuple(found)


def _messages(reader: Reader, account: str) -> tuple[Message, ...]:
    found: list[Message] = []
    after = ""
    while page := reader.messages(account, after=after, limit=_PAGE):
        found += page
        after = page[-1].id
    return tuple(found)


def _entries(reader: Reader, account: str) -> tuple[Entry, ...]:
    found: list[Entry] = []
    last = 0  # the oldest may be archived, so numbers are no count
    while page := reader.entries(account, after=last, limit=_PAGE):
        found += page
        last = page[-1].number
    return tuple(found)


def _events(reader: Reader, account: str) -> tuple[RecordedEvent, ...]:
    found: list[RecordedEvent] = []
    while page := reader.events(account, after=len(found), limit=_PAGE):
        found += page
    return tuple(found)


def _usage(reader: Reader, account: str) -> tuple[ChargedUsage, ...]:
    found: list[ChargedUsage] = []
    while page := reader.usage(account, after=len(found), limit=_PAGE):
        found += page
    return tuple(found)
