"""Postings: what a host is told of the entries that a decision has posted.

Owns which entries are worth an event. Does not own the entries, or the events of plans and
payments: whoever decides those tells of them.
"""

from collections.abc import Sequence
from typing import Final

from monochat_billing.books import Books
from monochat_billing.entries import Entry, EntryKind
from monochat_billing.events import BalanceOverdrawn, EntryReversed, Event, LotExpired, LotVoided

__all__ = ["posting_events"]

_TOLD: Final = frozenset({EntryKind.BREAKAGE, EntryKind.VOID, EntryKind.REVERSAL})
"""The kinds of entries that are worth an event of their own."""


def posting_events(before: Books, after: Books, entries: Sequence[Entry]) -> tuple[Event, ...]:
    """Tell what the entries between ``before`` and ``after`` mean, in their order.

    A balance is overdrawn when more is owed or held on credit than its limit, and was not before.
    """
    for entry in entries:
        balance = after.balances[entry.unit]
        if entry.kind in _TOLD or balance.debts or balance.held:
            return _told(before, after, entries)
    return ()  # mostly: a balance that nothing is on credit of has passed no limit


def _told(before: Books, after: Books, entries: Sequence[Entry]) -> tuple[Event, ...]:
    events: list[Event] = []
    account = after.account
    last: dict[str, Entry] = {}
    for entry in entries:
        last[entry.unit] = entry
        if entry.kind not in _TOLD:
            continue
        at, number, value = entry.effective_at, entry.number, after.balance(entry.unit).value
        if entry.kind is EntryKind.BREAKAGE:
            lost = value(-entry.amount)
            events.append(
                LotExpired(
                    account=account, at=at, entry=number, amount=lost, source=entry.reference
                )
            )
        elif entry.kind is EntryKind.VOID and entry.corrects is not None:
            lost = value(-entry.amount)
            events.append(
                LotVoided(account=account, at=at, entry=number, lot=entry.corrects, amount=lost)
            )
        elif entry.kind is EntryKind.REVERSAL and entry.corrects is not None:
            events.append(
                EntryReversed(
                    account=account,
                    at=at,
                    entry=number,
                    original=entry.corrects,
                    amount=value(entry.amount),
                )
            )
    for unit, entry in last.items():
        balance = after.balance(unit)
        slack = balance.slack
        if slack < 0 <= before.balance(unit).slack:
            events.append(
                BalanceOverdrawn(
                    account=account,
                    at=entry.effective_at,
                    unit=unit,
                    entry=entry.number,
                    beyond=balance.value(-slack),
                )
            )
    return tuple(events)
