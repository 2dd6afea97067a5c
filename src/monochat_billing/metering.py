"""Metering: what one usage record costs on an account, who pays for it, and how it is taken back.

Owns the order in which prepaid units and money pay, the counter's arithmetic, late records,
corrections, and the settlement of what is known only at a period's end.
Does not own rates (:mod:`monochat_billing.meter_rates`), or the balances that pay.

The rules, each of which tests hold:

* *Order.* Units of lots burn first (allowance and packs alike, earliest expiry first), then money.
* *Late.* A record is priced by the instant of its usage and paid by what there is when it comes.
  Units of a lot that was granted after that period do not pay for it; what its allowance lost by
  expiry when the period ended still does.
* *Tiers.* Each record adds the charge of its counter after it less the charge before it, so that
  records sum to the closed form of what was used, whatever their order.
* *Correction.* What a record used is taken out of its counter and the right quantity is put in.
  What has a price gives way first, then prepaid units; money and units go back to the lots that
  paid, the last that paid first. So the totals are those of the right record in the first place.
* *Settlement.* A volume price, the last value of a gauge and a minimum are charged when the period
  ends, by force: the usage has been had.
"""

from collections.abc import Sequence
from datetime import datetime
from fractions import Fraction
from typing import Final, final

import attrs

from monochat_billing import lots as _lots
from monochat_billing.balance import Books, DebitMode, Entry, EntryKind, Memo, give_back
from monochat_billing.books import post
from monochat_billing.charge_lines import Charge
from monochat_billing.counters import (
    MINIMUM,
    Counter,
    Metered,
    MeteredUsage,
    MeterRecord,
    merged_shares,
)
from monochat_billing.entries import parts_of
from monochat_billing.errors import InvalidInput, LimitExceeded
from monochat_billing.meter_charges import (
    ChargedCounter,
    added_charge,
    reduced_shares,
    settle_minimum,
    sum_of_splits,
    take_charge,
)
from monochat_billing.meter_rates import MeterRate, MeterTerms
from monochat_billing.meters import Aggregation
from monochat_billing.recurrences import Recurrence
from monochat_billing.units import amount_in

__all__ = ["MeterScene", "Recorded", "correct_record", "record_usage", "settle_counter"]

_ZERO: Final = Fraction(0)

# Enum members are looked up slowly on their class, and every record asks for these.
_FEE: Final = EntryKind.USAGE_FEE
_SUM: Final = Aggregation.SUM


@final
@attrs.frozen(kw_only=True)
class MeterScene:
    """Hold what recording usage may have to see or change of an account."""

    books: Books
    metered: Metered
    recurrences: tuple[Recurrence, ...]
    terms: MeterTerms

    def after(self, done: ChargedCounter) -> "MeterScene":
        """Return the scene after a counter was charged."""
        metered = self.metered.with_counter(done.counter)
        return MeterScene(
            books=done.books, metered=metered, recurrences=self.recurrences, terms=self.terms
        )


@final
@attrs.frozen(kw_only=True)
class Recorded:
    """Return the scene after a record, what became of it, and what was posted.

    ``replaced`` is the record whose place was taken, as it has to be kept. Neither is among the
    scene's records: who records many of them puts them there once.
    """

    scene: MeterScene
    entries: tuple[Entry, ...] = ()
    usage: MeteredUsage | None = None
    replaced: MeteredUsage | None = None

    @property
    def kept(self) -> MeterScene:
        """Give the scene with these records among its own, for who records but one."""
        used = [one for one in (self.replaced, self.usage) if one is not None]
        return attrs.evolve(self.scene, metered=self.scene.metered.with_records(used))


def record_usage(
    scene: MeterScene, record: MeterRecord, memo: Memo, mode: DebitMode = DebitMode.WHOLE
) -> Recorded:
    """Rate one record, burn prepaid units for it, and charge what they do not cover.

    ``memo`` says when it is recorded and by whom; with ``mode`` FORCED, what was used already is
    taken below zero.

    Raises:
        InsufficientFunds: the balance does not cover it; nothing has changed.
        LimitExceeded: prepaid units are used up and no rate says what more costs.
        InvalidInput: the usage is not offered, is before the first rates, or is no whole number
            where prepaid units pay.
        UnknownName: the catalog has no such meter, or the account no balance in the currency.
    """
    rate = scene.terms.rate(record.meter, record.occurred_at, record.dimensions)
    memo = Memo(
        _FEE,
        memo.effective_at,
        memo.recorded_at,
        record.meter,
        record.id,
        memo.actor,
    )
    before = _counter_of(scene, rate, memo.effective_at)
    scene, counter, burned = _burned(
        scene,
        before,
        record,
        memo,
        until=rate.period.end,
        gauge=rate.meter.aggregation is not _SUM,
    )
    counter = _counted(counter, record, rate)
    if counter.above > before.above and rate.model is None:
        included = counter.prepaid + counter.lapsed
        account = scene.books.account
        raise LimitExceeded(account, record.meter, included, counter.used.__ceil__())
    charged = ChargedCounter(scene.books, counter)
    if rate.model is not None and (rate.at_once or counter.closed):
        scale = scene.books.balance(rate.currency).scale
        added = added_charge(rate, before, counter, record, scale=scale)
        charged = take_charge(
            scene.books,
            scene.terms,
            counter,
            rate,
            added,
            memo=memo,
            mode=mode,
            at=record.occurred_at,
        )
    scene = scene.after(charged)
    scene, more = _with_minimum(scene, rate, charged.amount, memo)
    entries = (*burned, *charged.entries)
    usage = MeteredUsage(
        record=record,
        recorded_at=memo.recorded_at,
        counter=counter.id,
        period=counter.period,
        card=rate.card,
        currency=rate.currency if rate.model is not None else "",
        scale=charged.scale,
        prepaid=counter.prepaid - before.prepaid,
        lapsed=counter.lapsed - before.lapsed,
        amount=charged.amount,
        tax=charged.tax,
        lines=charged.lines,
        entries=tuple([one.number for one in entries]),
    )
    return Recorded(scene=scene, entries=(*entries, *more), usage=usage)


def correct_record(
    scene: MeterScene,
    usage: MeteredUsage,
    to: MeterRecord,
    memo: Memo,
    *,
    others: Sequence[MeterRecord] = (),
    mode: DebitMode = DebitMode.WHOLE,
) -> Recorded:
    """Take what a record used out of its counter, and record the right thing in its place.

    ``to`` has the record's own id, or a new one: then the old record is kept and names it.
    ``others`` are, for a gauge, the other records of its counter that still count.

    The right record carries all that was posted for both, so that records still sum to what was
    taken: usage that gave way to another record's overage shows as money given back here.

    Raises:
        InvalidInput: the record was replaced before, or a gauge was recorded meanwhile.
        InsufficientFunds: the right thing costs more than there is; nothing has changed.
        LimitExceeded: as :func:`record_usage`.
    """
    if usage.replaced_by:
        raise InvalidInput(
            "record", usage.record.id, f"was replaced by {usage.replaced_by}", "correct that one"
        )
    memo = attrs.evolve(memo, reason=f"{usage.record.meter} corrected", reference=usage.record.id)
    undone = _without(scene, usage, others, memo)
    again = record_usage(undone.scene, to, memo, mode)
    made = again.usage
    if made is None:
        raise AssertionError(to.id)
    posted = (*usage.entries, *(one.number for one in undone.entries), *made.entries)
    made = attrs.evolve(
        made,
        corrected=usage.corrected + 1,
        entries=posted,
        prepaid=usage.prepaid - undone.prepaid + made.prepaid,
        lapsed=usage.lapsed - undone.lapsed + made.lapsed,
        amount=usage.amount + undone.charged.amount + made.amount,
        tax=sum_of_splits([usage.tax, undone.charged.tax, made.tax]),
        lines=(*usage.lines, *undone.charged.lines, *made.lines),
        currency=made.currency or usage.currency,
        scale=made.scale or usage.scale,
    )
    replaced = None if to.id == usage.record.id else attrs.evolve(usage, replaced_by=to.id)
    return Recorded(
        scene=again.scene,
        entries=(*undone.entries, *again.entries),
        usage=made,
        replaced=replaced,
    )


def settle_counter(scene: MeterScene, counter_id: str, memo: Memo) -> Recorded:
    """Charge by force what a counter costs whose period has ended, or what a minimum lacks.

    A minimum goes on with the next period while the account has a plan.
    """
    counter = scene.metered.counters[counter_id]
    at = counter.last_at or counter.period.start
    rate = scene.terms.rate(counter.meter, at, counter.values)
    memo = attrs.evolve(memo, reason=counter.meter, reference=counter.id)
    closed = attrs.evolve(counter, closes_at=None, closed=True)
    scene = attrs.evolve(scene, metered=scene.metered.with_counter(closed))
    if counter.is_minimum:
        scene, entries = _trued_up(scene, rate, closed, memo)
        return Recorded(scene=_go_on(scene, closed, memo.effective_at), entries=entries)
    if rate.model is None:
        return Recorded(scene=scene)
    scale = scene.books.balance(rate.currency).scale
    added = added_charge(rate, closed, closed, None, scale=scale)
    done = _forced(scene, closed, rate, added, memo, at)
    scene = scene.after(done)
    scene, more = _with_minimum(scene, rate, done.amount, memo)
    return Recorded(scene=scene, entries=(*done.entries, *more))


# ---------------------------------------------------------------------------------- the counter


def _counter_of(scene: MeterScene, rate: MeterRate, now: datetime) -> Counter:
    """Give the counter of a rate, which is new with the first record of its period."""
    known = scene.metered.counters.get(rate.counter)
    if known is not None:
        return known
    waits = not rate.at_once and rate.period.end > now
    return Counter(
        id=rate.counter,
        meter=rate.meter.id,
        period=rate.period,
        card=rate.card,
        currency=rate.currency,
        values=rate.values,
        closes_at=rate.period.end if waits else None,
        closed=not waits,
    )


def _counted(counter: Counter, record: MeterRecord, rate: MeterRate) -> Counter:
    """Add a record to what was used."""
    latest = counter.last_at is None or record.occurred_at >= counter.last_at
    how = rate.meter.aggregation
    if how is _SUM:
        used = counter.used + record.quantity
    elif how is Aggregation.MAX:
        used = max(counter.used, record.quantity)
    else:
        used = record.quantity if latest else counter.used
    return counter.counted(used, record.occurred_at if latest else counter.last_at)


def _burned(
    scene: MeterScene,
    counter: Counter,
    record: MeterRecord,
    memo: Memo,
    *,
    until: datetime,
    gauge: bool,
) -> tuple[MeterScene, Counter, tuple[Entry, ...]]:
    """Let prepaid units pay for a record, as far as they go: lots first, then what has lapsed.

    Units that were granted ``until`` then or later are of another period.

    A gauge says how much there is, so nothing is used up by it.
    """
    balance = scene.books.balances.get(record.meter)
    if balance is None or not record.quantity or gauge:
        return scene, counter, ()
    standing = next((one for one in scene.recurrences if one.unit == record.meter), None)
    if record.quantity.denominator != 1:
        raise InvalidInput(
            "quantity",
            str(record.quantity),
            f"is no whole number, and {record.meter} is paid in prepaid units",
            "record it in a finer unit",
        )
    wanted, now = int(record.quantity), memo.effective_at
    mine = [lot for lot in balance.lots if lot.granted_at < until]
    done = _lots.burn(mine, wanted, EntryKind.USAGE_FEE.pays_for, now)
    entries: tuple[Entry, ...] = ()
    paid = wanted - done.missing
    if paid:
        after = {lot.number: lot for lot in done.lots}
        posted = post(
            scene.books,
            balance,
            -paid,
            memo.of(EntryKind.USAGE_FEE),
            tuple([after.get(lot.number, lot) for lot in balance.lots]),
            parts=parts_of(done.shares, -1),
        )
        entries = (posted.entry,)
        scene = attrs.evolve(scene, books=posted.books)
    lapsed = 0
    if done.missing and standing is not None and standing.before is not None:
        lapsed = min(done.missing, standing.lapsed) if _same(counter, standing) else 0
        scene = _lapse(scene, standing, -lapsed)
    counter = attrs.evolve(
        counter,
        prepaid=counter.prepaid + paid,
        lapsed=counter.lapsed + lapsed,
        burned=merged_shares(counter.burned, done.shares),
    )
    return scene, counter, entries


def _same(counter: Counter, standing: Recurrence) -> bool:
    """Tell whether a counter is of the period that ended last."""
    return standing.before is not None and counter.period.end == standing.before.end


def _lapse(scene: MeterScene, standing: Recurrence, units: int) -> MeterScene:
    if not units:
        return scene
    after = attrs.evolve(standing, lapsed=standing.lapsed + units)
    kept = tuple([after if one is standing else one for one in scene.recurrences])
    return attrs.evolve(scene, recurrences=kept)


@attrs.frozen
class _Undone:
    """Hold what taking a record back has led to."""

    scene: MeterScene
    entries: tuple[Entry, ...]
    charged: ChargedCounter
    prepaid: int = 0
    lapsed: int = 0


def _without(
    scene: MeterScene, usage: MeteredUsage, others: Sequence[MeterRecord], memo: Memo
) -> _Undone:
    """Take a record out of its counter, and give back what it made the counter pay."""
    record = usage.record
    counter = scene.metered.counters[usage.counter]
    rate = scene.terms.rate(record.meter, record.occurred_at, record.dimensions)
    entries: tuple[Entry, ...] = ()
    back = lapsed = 0
    if rate.meter.aggregation.is_gauge:
        left = _regauged(counter, others, rate)
    else:
        rest = int(record.quantity - min(record.quantity, counter.above))
        lapsed = min(rest, counter.lapsed)
        back = rest - lapsed
        left = attrs.evolve(
            counter,
            records=counter.records - 1,
            used=counter.used - record.quantity,
            lapsed=counter.lapsed - lapsed,
            prepaid=counter.prepaid - back,
            burned=reduced_shares(counter.burned, back),
        )
        scene, entries = _unburned(scene, counter, back, lapsed, memo)
    done = ChargedCounter(scene.books, left)
    if rate.model is not None and (rate.at_once or counter.closed):
        scale = scene.books.balance(rate.currency).scale
        added = added_charge(rate, counter, left, None, scale=scale, undo=usage.amount)
        done = _forced(scene, left, rate, added, memo, record.occurred_at)
    scene = scene.after(done)
    scene, more = _with_minimum(scene, rate, done.amount, memo)
    return _Undone(scene, (*entries, *done.entries, *more), done, back, lapsed)


def _unburned(
    scene: MeterScene, counter: Counter, back: int, lapsed: int, memo: Memo
) -> tuple[MeterScene, tuple[Entry, ...]]:
    """Give prepaid units back to the lots that paid, and what had lapsed to what has."""
    standing = next((one for one in scene.recurrences if one.unit == counter.meter), None)
    if standing is not None and _same(counter, standing):
        scene = _lapse(scene, standing, lapsed)
    if not back:
        return scene, ()
    amount = amount_in(counter.meter, scene.books.balance(counter.meter).scale, back)
    given = give_back(scene.books, amount, counter.burned, memo.of(EntryKind.REVERSAL), None)
    if given is None:
        return scene, ()
    return attrs.evolve(scene, books=given.books), given.entries


def _regauged(counter: Counter, others: Sequence[MeterRecord], rate: MeterRate) -> Counter:
    """Read a gauge anew from the records that still count."""
    if len(others) != counter.records - 1:
        raise InvalidInput(
            "record", counter.meter, "was recorded by others meanwhile", "correct it again"
        )
    fresh = attrs.evolve(counter, used=_ZERO, records=0, last_at=None)
    for one in sorted(others, key=lambda record: record.occurred_at):
        fresh = _counted(fresh, one, rate)
    return fresh


def _forced(  # noqa: PLR0917 - private
    scene: MeterScene,
    counter: Counter,
    rate: MeterRate,
    added: Charge,
    memo: Memo,
    at: datetime,
) -> ChargedCounter:
    """Charge what cannot be refused any more."""
    return take_charge(
        scene.books,
        scene.terms,
        counter,
        rate,
        added,
        memo=memo,
        mode=DebitMode.FORCED,
        at=at,
    )


# ---------------------------------------------------------------------------------- the minimum


def _with_minimum(
    scene: MeterScene, rate: MeterRate, added: int, memo: Memo
) -> tuple[MeterScene, tuple[Entry, ...]]:
    """Count what was charged towards a minimum, and see that it is settled, or fits after that.

    The counter of a minimum sums up, as what it used, what all others of its period charged.
    """
    if not rate.meter.minimum or rate.meter.minimum_in(rate.currency) is None:
        return scene, ()
    place = f"{rate.place}/{MINIMUM}/"
    known = scene.metered.counters.get(place)
    waits = rate.period.end > memo.effective_at
    if known is None:
        known = _minimum_counter(rate, place, waits=waits)
    known = attrs.evolve(known, used=known.used + added)
    scene = attrs.evolve(scene, metered=scene.metered.with_counter(known))
    if not known.closed:
        return scene, ()
    return _trued_up(scene, rate, known, memo)


def _minimum_counter(rate: MeterRate, place: str, *, waits: bool) -> Counter:
    return Counter(
        id=place,
        meter=rate.meter.id,
        period=rate.period,
        card=MINIMUM,
        currency=rate.currency,
        closes_at=rate.period.end if waits else None,
        closed=not waits,
    )


def _trued_up(
    scene: MeterScene, rate: MeterRate, counter: Counter, memo: Memo
) -> tuple[MeterScene, tuple[Entry, ...]]:
    done = settle_minimum(scene.books, scene.terms, rate, counter, memo)
    return scene.after(done), done.entries


def _go_on(scene: MeterScene, counter: Counter, now: datetime) -> MeterScene:
    """Open the minimum of the next period while a plan is active, used or not."""
    if not any(one.live and one.serves(now) for one in scene.terms.subscriptions):
        return scene
    rate = MeterRate(
        meter=scene.terms.catalog.at(now).meter(counter.meter),
        period=scene.terms.period(counter.meter, counter.period.end),
        card=MINIMUM,
        currency=counter.currency,
        model=None,
        at_once=True,
    )
    if rate.meter.minimum_in(counter.currency) is None:
        return scene
    place = f"{rate.place}/{MINIMUM}/"
    if place in scene.metered.counters:
        return scene
    fresh = _minimum_counter(rate, place, waits=True)
    return attrs.evolve(scene, metered=scene.metered.with_counter(fresh))
