"""Message metering: what arrived counts on the plan's own meter, beside the provider's fee.

*Owns* turning a batch of messages that arrived into records of that meter, and what becomes of
those that neither the plan nor a pack includes.
*Does not own* how a record burns units or is charged (:mod:`monochat_billing.metering`).

Messages of one quarter of an hour are one record, because no period of any plan begins within one:
a batch of a thousand messages is a record or two. A message counts when it is charged or found
free, so it counts once.

What goes beyond an allowance that has no overage has been sent already: it is counted as far as
there are units and costs nothing more. That nothing more is sent then, ``may_send`` says.
"""

import hashlib
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Final

import attrs

from monochat_billing.accounts import AccountState
from monochat_billing.balance import DebitMode, Entry, EntryKind, Memo
from monochat_billing.counters import MeterRecord, counter_buckets
from monochat_billing.entitlements import scene_of, with_scene
from monochat_billing.errors import InvalidInput, LimitExceeded, Rejected, UnknownName
from monochat_billing.message_estimates import MeterUse
from monochat_billing.metering import MeterScene, Recorded, record_usage
from monochat_billing.money import to_units
from monochat_billing.plans import AnyCatalog

__all__ = ["buckets_for", "count_messages", "use_ahead"]

_DIGEST: Final = 32


def buckets_for(meter: str, instants: Iterable[datetime]) -> frozenset[str]:
    """Name the counters that messages of these instants may be counted by."""
    months = {(at.year, at.month): at for at in instants}
    none: frozenset[str] = frozenset()
    return none.union(*(counter_buckets(meter, at) for at in months.values()))


def count_messages(
    state: AccountState,
    catalog: AnyCatalog,
    meter: str,
    arrived: Mapping[str, datetime],
    memo: Memo,
) -> tuple[AccountState, tuple[Entry, ...], tuple[tuple[int, str], ...]]:
    """Count messages, by id with the instant at which each arrived.

    Gives the state after it, what was posted, and how many messages were not counted, each time
    with the reason. An account without a plan and without units counts nothing, nor does one whose
    catalog has no such meter.
    """
    entries: list[Entry] = []
    uncounted: list[tuple[int, str]] = []
    if not arrived or not (state.subscriptions or meter in state.books.balances):
        return state, (), ()
    for record in _records(meter, arrived):
        try:
            if not _metered(catalog, meter, record.occurred_at):
                continue
            done, left = _recorded(scene_of(state, catalog), record, memo)
        except (InvalidInput, Rejected) as error:
            # It was sent already: whatever is wrong with the plan's meter, the rest is charged.
            uncounted.append((int(record.quantity), str(error)))
            continue
        if left:
            uncounted.append((left, "the allowance is used up, and no overage is priced"))
        entries += done.entries
        state = with_scene(state, done.kept)
    return state, tuple(entries), tuple(uncounted)


def use_ahead(
    state: AccountState, catalog: AnyCatalog, meter: str, messages: int, memo: Memo
) -> MeterUse | None:
    """Say what messages would use now, and record nothing.

    It is None where nothing is counted.
    """
    at = memo.effective_at
    counts = state.subscriptions or meter in state.books.balances
    if not messages or not counts or not _metered(catalog, meter, at):
        return None
    record = MeterRecord(id="ahead", meter=meter, quantity=messages, occurred_at=at)
    scene = scene_of(state, catalog)
    try:
        usage = record_usage(scene, record, memo, DebitMode.FORCED).usage
    except LimitExceeded:
        return MeterUse(meter=meter, units=messages, prepaid=_units(state, meter, at))
    if usage is None:
        return None
    covered, overage, payable = usage.prepaid + usage.lapsed, usage.money, True
    if overage is not None and messages > covered:
        balance = state.books.balance(overage.currency.code)
        kind = EntryKind.USAGE_FEE.pays_for
        payable = to_units(overage, balance.scale) <= balance.available(kind, at)
    return MeterUse(meter=meter, units=messages, prepaid=covered, overage=overage, payable=payable)


def _metered(catalog: AnyCatalog, meter: str, at: datetime) -> bool:
    try:
        catalog.at(at).meter(meter)
    except UnknownName:
        return False
    return True


def _units(state: AccountState, meter: str, at: datetime) -> int:
    balance = state.books.balances.get(meter)
    return 0 if balance is None else max(balance.available(EntryKind.USAGE_FEE.pays_for, at), 0)


def _recorded(scene: MeterScene, record: MeterRecord, memo: Memo) -> tuple[Recorded, int]:
    """Record what has been used already; give what no unit covers and no rate prices."""
    try:
        return record_usage(scene, record, memo, DebitMode.FORCED), 0
    except LimitExceeded:
        balance = scene.books.balances.get(record.meter)
        kind, at = EntryKind.USAGE_FEE.pays_for, memo.effective_at
        units = 0 if balance is None else max(balance.available(kind, at), 0)
    wanted = int(record.quantity)
    if not units:
        return Recorded(scene=scene), wanted
    part = attrs.evolve(record, quantity=units)
    return record_usage(scene, part, memo, DebitMode.FORCED), wanted - units


def _records(meter: str, arrived: Mapping[str, datetime]) -> list[MeterRecord]:
    """Make one record of the messages of each quarter of an hour, in their order."""
    quarters: dict[datetime, list[str]] = {}
    for message, at in arrived.items():
        start = at - timedelta(
            minutes=at.minute % 15, seconds=at.second, microseconds=at.microsecond
        )
        quarters.setdefault(start, []).append(message)
    return [
        MeterRecord(
            id=f"messages-{_digest(messages)}",
            meter=meter,
            quantity=len(messages),
            occurred_at=max(arrived[message] for message in messages),
            reference=f"{len(messages)} messages",
        )
        for start, messages in sorted(quarters.items())
    ]


def _digest(messages: Iterable[str]) -> str:
    return hashlib.sha256(" ".join(sorted(messages)).encode()).hexdigest()[:_DIGEST]
