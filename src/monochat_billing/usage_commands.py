"""Usage commands: record usage of messages and of any meter, correct it, as functions on a state.

Owns the judgment of a batch of records against an account as it stands, after catch-up.
Does not own rates or counters (:mod:`monochat_billing.metering`), storage, clocks, ids or keys.

Every function takes the account's state (caught up to ``now``) and returns a
:class:`~monochat_billing.accounts.Step` with the result, or raises and changes nothing.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TypeAlias, final

import attrs

from monochat_billing.accounts import AccountState, ChargedUsage, Step
from monochat_billing.balance import DebitMode, Entry, EntryKind, Memo, debit_many
from monochat_billing.counters import MeteredUsage, MeterRecord
from monochat_billing.entitlements import scene_of, with_scene
from monochat_billing.errors import InsufficientFunds, LimitExceeded, UnknownName
from monochat_billing.events import Event, UsageCharged, UsageRefused
from monochat_billing.metering import correct_record, record_usage as record_one
from monochat_billing.money import Money, amount_text, from_units
from monochat_billing.plans import AnyCatalog
from monochat_billing.postings import posting_events
from monochat_billing.rating import RateCards, RatedLine, UsageRecord, rate_many
from monochat_billing.units import Units

__all__ = [
    "MeterReport",
    "Refusal",
    "UsageReport",
    "correct_metered",
    "record_metered",
    "record_usage",
]

Refusal: TypeAlias = InsufficientFunds | LimitExceeded
"""Why a record could not be paid: too little money, or no units and no price."""


@final
@attrs.frozen(kw_only=True)
class UsageReport:
    """Return what a batch of usage led to, record by record in sum.

    ``charged`` records cost ``amount`` together, ``free`` ones cost nothing, ``repeated`` ones
    had been recorded before or stand twice in the batch. ``refused`` names the records that the
    balance could not pay, with the refusal: nothing is kept of them, so they can be sent again.

    >>> from monochat_billing.money import money
    >>> print(UsageReport(charged=2, free=1, repeated=0, amount=money("0.0118", "USD")))
    2 charged (0.0118 USD), 1 free, 0 repeated, 0 refused
    """

    charged: int
    free: int
    repeated: int
    amount: Money
    refused: tuple[tuple[str, InsufficientFunds], ...] = ()

    def __str__(self) -> str:
        return (
            f"{self.charged} charged ({amount_text(self.amount)} {self.amount.currency.code}), "
            f"{self.free} free, {self.repeated} repeated, {len(self.refused)} refused"
        )


def record_usage(
    state: AccountState,
    records: Sequence[UsageRecord],
    cards: RateCards,
    *,
    actor: str,
    now: datetime,
) -> Step:
    """Rate a batch of usage and debit each record once, whatever was recorded before.

    Records are judged one by one in their order: what the balance cannot pay is refused and
    forgotten, the others are charged.

    Raises:
        InvalidInput: a record has no rate on the card in force; the whole batch is refused.
        UnknownName: the account has no balance in the rate card's currency.
    """
    fresh: dict[str, UsageRecord] = {}
    for record in records:
        if record.id not in state.known_usage:
            fresh.setdefault(record.id, record)
    lines = rate_many(tuple(fresh.values()), cards, state.account.zone)
    priced = [line for line in lines if line.units]
    memo = Memo(EntryKind.MESSAGE_FEE, now, now, cards.meter, actor=actor)
    posted = debit_many(
        state.books, cards.currency, [(line.units, line.record_id) for line in priced], memo
    )
    paid = {line.record_id: result for line, result in zip(priced, posted.results, strict=True)}
    usage = tuple(kept for line in lines if (kept := _kept(line, fresh, paid.get(line.record_id))))
    refused = tuple(
        (identity, result)
        for identity, result in paid.items()
        if isinstance(result, InsufficientFunds)
    )
    spent = from_units(-sum(entry.amount for entry in posted.entries), cards.currency)
    report = UsageReport(
        charged=len(posted.entries),
        free=len(lines) - len(priced),
        repeated=len(records) - len(lines),
        amount=spent,
        refused=refused,
    )
    after = state
    if usage:
        known = state.known_usage | {one.record.id for one in usage}
        after = attrs.evolve(state, books=posted.books, known_usage=known)
    events = _usage_events(state.account.id, posted.entries, report, cards.currency, now)
    return Step(after, posted.entries, events, usage, report)


def _kept(
    line: RatedLine,
    records: dict[str, UsageRecord],
    result: Entry | InsufficientFunds | None,
) -> ChargedUsage | None:
    if isinstance(result, InsufficientFunds):
        return None
    entry = result.number if result else None
    return ChargedUsage(records[line.record_id], line.currency, line.units, line.card, entry)


def _usage_events(
    account: str, entries: Sequence[Entry], report: UsageReport, currency: str, now: datetime
) -> tuple[Event, ...]:
    events: list[Event] = []
    if entries:
        events.append(
            UsageCharged(
                account=account,
                at=now,
                first_entry=entries[0].number,
                last_entry=entries[-1].number,
                records=report.charged,
                amount=report.amount,
            )
        )
    if report.refused:
        short = report.refused[0][1].shortfall
        events.append(
            UsageRefused(
                account=account,
                at=now,
                records=len(report.refused),
                currency=currency,
                first_shortfall=short,
            )
        )
    return tuple(events)


# ------------------------------------------------------------------------------------ any meter


@final
@attrs.frozen(kw_only=True)
class MeterReport:
    """Return what a batch of records of any meter led to.

    ``charged`` records cost money, ``free`` ones did not: prepaid units paid, or they are charged
    at their period's end. ``repeated`` ones had been recorded before or stand twice in the batch.
    ``amounts`` is what was taken in each currency with its tax, ``prepaid`` the units that were
    burned of each meter. ``refused`` names the records that could not be paid, with the refusal:
    nothing is kept of them, so they can be sent again.

    >>> from monochat_billing.money import money
    >>> from monochat_billing.testing.workbench import Workbench
    >>> bench = Workbench()
    >>> account = bench.open("acme", money("5000", "TRY"))
    >>> from monochat_billing.counters import MeterRecord
    >>> one = bench.subscribe("acme", "growth")
    >>> sent = MeterRecord(
    ...     id="m-1", meter="monochat.message", quantity=3, occurred_at=bench.clock()
    ... )
    >>> print(bench.billing.usage.record("acme", [sent]))
    0 charged, 1 free, 0 repeated, 0 refused: 3 monochat.message
    """

    charged: int = 0
    free: int = 0
    repeated: int = 0
    amounts: tuple[Money, ...] = ()
    prepaid: tuple[Units, ...] = ()
    refused: tuple[tuple[str, Refusal], ...] = ()

    def __str__(self) -> str:
        sums = [f"{amount_text(one)} {one.currency.code}" for one in self.amounts]
        sums += [str(one) for one in self.prepaid]
        return (
            f"{self.charged} charged, {self.free} free, {self.repeated} repeated, "
            f"{len(self.refused)} refused{': ' if sums else ''}{', '.join(sums)}"
        )


def record_metered(
    state: AccountState,
    catalog: AnyCatalog,
    records: Sequence[MeterRecord],
    *,
    actor: str,
    now: datetime,
    mode: DebitMode = DebitMode.WHOLE,
) -> Step:
    """Record a batch of usage of any meter, each record once, whatever was recorded before.

    Records are judged one by one in their order. What cannot be paid is refused and forgotten, the
    others stand. A record that ``replaces`` another takes that one's usage back first.

    Raises:
        InvalidInput: a record has no rate, is not offered, or cannot be right; the whole batch is
            refused.
        UnknownName: the catalog has no such meter, a record replaces one that is not known, or the
            account has no balance in the currency.
    """
    memo = Memo(EntryKind.USAGE_FEE, now, now, actor=actor)
    scene = scene_of(state, catalog)
    known = dict(scene.metered.records)
    used: dict[str, MeteredUsage] = {}
    entries: list[Entry] = []
    refused: list[tuple[str, Refusal]] = []
    repeated = 0
    for record in records:
        if record.id in known:
            repeated += 1
            continue
        try:
            if record.replaces:
                old = _known(known, record.replaces)
                done = correct_record(scene, old, record, memo, mode=mode)
            else:
                done = record_one(scene, record, memo, mode)
        except (InsufficientFunds, LimitExceeded) as refusal:
            refused.append((record.id, refusal))
            continue
        scene = done.scene
        entries += done.entries
        for one in (done.replaced, done.usage):
            if one is not None:
                known[one.record.id] = used[one.record.id] = one
    report = _report(entries, list(used.values()), repeated, refused)
    events = _metered_events(state.account.id, entries, report, now)
    if not used:
        return Step(state, events=events, result=report)
    told = posting_events(state.books, scene.books, entries)
    kept = attrs.evolve(scene, metered=scene.metered.with_records(used.values()))
    return Step(with_scene(state, kept), tuple(entries), (*told, *events), result=report)


def correct_metered(
    state: AccountState,
    catalog: AnyCatalog,
    to: MeterRecord,
    *,
    others: Sequence[MeterRecord] = (),
    actor: str,
    now: datetime,
    mode: DebitMode = DebitMode.WHOLE,
) -> Step:
    """Put the right record in the place of the one with its id; the result is what it led to.

    ``others`` are, for a gauge, the records of the same counter that still count.

    Raises:
        UnknownName: no such record is known.
        InsufficientFunds: the right thing costs more than there is; nothing has changed.
        LimitExceeded: prepaid units are used up and no rate says what more costs.
        InvalidInput: the record was replaced before, or the right one cannot be.
    """
    scene = scene_of(state, catalog)
    old = _known(scene.metered.records, to.id)
    memo = Memo(EntryKind.USAGE_FEE, now, now, actor=actor)
    done = correct_record(scene, old, to, memo, others=others, mode=mode)
    told = posting_events(state.books, done.scene.books, done.entries)
    return Step(with_scene(state, done.kept), done.entries, told, result=done.usage)


def _known(records: Mapping[str, MeteredUsage], record: str) -> MeteredUsage:
    try:
        return records[record]
    except KeyError:
        raise UnknownName("record", record, "was not recorded", "record it first") from None


def _report(
    entries: Sequence[Entry],
    used: Sequence[MeteredUsage],
    repeated: int,
    refused: Sequence[tuple[str, Refusal]],
) -> MeterReport:
    spent: dict[tuple[str, int], int] = {}
    for entry in entries:
        if entry.kind in {EntryKind.USAGE_FEE, EntryKind.REVERSAL}:
            place = entry.unit, entry.scale
            spent[place] = spent.get(place, 0) - entry.amount
    fresh = [one for one in used if not one.replaced_by]
    charged = sum(1 for one in fresh if one.amount)
    return MeterReport(
        charged=charged,
        free=len(fresh) - charged,
        repeated=repeated,
        amounts=tuple(
            [from_units(n, unit, scale) for (unit, scale), n in spent.items() if unit.isupper()]
        ),
        prepaid=tuple([Units(n, unit) for (unit, _), n in spent.items() if not unit.isupper()]),
        refused=tuple(refused),
    )


def _metered_events(
    account: str, entries: Sequence[Entry], report: MeterReport, now: datetime
) -> tuple[Event, ...]:
    events: list[Event] = []
    for amount in report.amounts:
        unit = amount.currency.code
        fees = [one for one in entries if one.kind is EntryKind.USAGE_FEE and one.unit == unit]
        if fees:
            events.append(
                UsageCharged(
                    account=account,
                    at=now,
                    first_entry=fees[0].number,
                    last_entry=fees[-1].number,
                    records=len(fees),
                    amount=amount,
                )
            )
    short = [one for _, one in report.refused if isinstance(one, InsufficientFunds)]
    if short:
        events.append(
            UsageRefused(
                account=account,
                at=now,
                records=len(short),
                currency=short[0].unit,
                first_shortfall=short[0].shortfall,
            )
        )
    return tuple(events)
