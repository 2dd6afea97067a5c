"""Meter charges: what a counter's charge gains, taken with its tax or given back.

*Owns* the difference between two states of a counter as explained lines, its tax, and the lots
that pay it or get it back.
*Does not own* what is counted (:mod:`monochat_billing.metering`) or the rate
(:mod:`monochat_billing.meter_rates`).
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from fractions import Fraction
from typing import Final, final

import attrs

from monochat_billing.balance import Books, DebitMode, Entry, EntryKind, Memo, give_back
from monochat_billing.books import take
from monochat_billing.charge_lines import Charge, ChargeLine, LineBasis, draft, total_of
from monochat_billing.charge_models import ChargeModel, charge, charge_step
from monochat_billing.counters import Counter, MeterRecord, merged_shares
from monochat_billing.errors import InvalidInput
from monochat_billing.lots import Share
from monochat_billing.meter_rates import MeterRate, MeterTerms
from monochat_billing.money import (
    MAX_UNITS,
    add,
    as_fraction,
    check_currency,
    from_units,
    minor_digits,
    to_units,
)
from monochat_billing.percentages import Percentage
from monochat_billing.quantities import Usage
from monochat_billing.rounding import HALF_UP
from monochat_billing.tax import TaxLine, tax_piece

__all__ = [
    "ChargedCounter",
    "added_charge",
    "reduced_shares",
    "settle_minimum",
    "sum_of_splits",
    "take_charge",
]

_ZERO: Final = Fraction(0)
_TRUE_UP: Final = "true-up to the minimum"
_FEE: Final = EntryKind.USAGE_FEE  # looked up once: enum members are looked up slowly


@final
@attrs.frozen
class ChargedCounter:
    """Hold what charging a counter has led to; ``amount`` is in the balance's smallest unit."""

    books: Books
    counter: Counter
    amount: int = 0
    scale: int = 0
    tax: TaxLine | None = None
    lines: tuple[ChargeLine, ...] = ()
    entries: tuple[Entry, ...] = ()


def added_charge(
    rate: MeterRate,
    before: Counter,
    after: Counter,
    record: MeterRecord | None,
    *,
    scale: int,
    undo: int | None = None,
) -> Charge:
    """Say what a counter's charge gains from one state to the next, line by line.

    What counters were charged, and ``undo``, are in the unit of a balance of that ``scale``, which
    may be finer or coarser than what the rate's rounding leaves.

    A percentage counts transactions: each is charged by itself, and taken back as it was charged.
    """
    model = rate.model
    if model is None:
        raise AssertionError(rate.card)
    if isinstance(model, Percentage):
        return _transaction(rate, model, before, record, scale, undo or 0)
    start, end = before.above, after.above
    if not start and not before.charged:
        return _of(rate, model, end) if end else _plain(0, rate)
    charged = _in_terms_of(rate, before.charged, scale)
    if charged is not None and start and end >= start:
        return charge_step(
            model,
            before=start,
            after=end,
            currency=rate.currency,
            charged=charged,
            rounding=rate.rounding,
            source=rate.card,
        )
    whole = _of(rate, model, end) if end else _plain(0, rate)
    if not before.charged:
        return whole
    if charged is not None:
        return whole.less(from_units(charged, rate.currency, whole.digits))
    fine = attrs.evolve(rate, rounding=rate.rounding.at_scale(scale))
    return _plain(_at_scale(whole, scale) - before.charged, fine)


def _transaction(  # noqa: PLR0917 - private
    rate: MeterRate,
    model: Percentage,
    before: Counter,
    record: MeterRecord | None,
    scale: int,
    undo: int,
) -> Charge:
    if record is None:
        return _plain(-undo, attrs.evolve(rate, rounding=rate.rounding.at_scale(scale)))
    free = model.free_events
    amount = model.free_amount
    model = attrs.evolve(
        model,
        free_events=None if free is None else max(free - before.records, 0),
        free_amount=None if amount is None else max(amount - before.used, _ZERO),
    )
    return _of(rate, model, [record.quantity])


def _in_terms_of(rate: MeterRate, charged: int, scale: int) -> int | None:
    """Give what was charged in the unit that a rate's rounding leaves; None where it is finer."""
    rounding = rate.rounding
    if rounding.scale == scale and not rounding.by_currency:  # nearly always
        return charged
    known = check_currency(rate.currency)
    digits = rounding.digits(known.code, minor_digits(known))
    if digits >= scale:
        return int(charged * 10 ** (digits - scale))
    whole, rest = divmod(charged, 10 ** (scale - digits))
    return None if rest else whole


def _of(rate: MeterRate, model: ChargeModel, usage: Usage) -> Charge:
    return charge(model, usage, currency=rate.currency, rounding=rate.rounding, source=rate.card)


def _plain(units: int, rate: MeterRate) -> Charge:
    """Build a charge of so many of the rounding's units, below zero for what is given back."""
    nothing = total_of([], rate.currency, rounding=rate.rounding)
    if not units:
        return nothing
    if units < 0:
        return nothing.less(from_units(-units, rate.currency, nothing.digits))
    amount = as_fraction(from_units(units, rate.currency, nothing.digits))
    line = draft(LineBasis.TRUE_UP, 1, amount)
    return total_of([line], rate.currency, rounding=rate.rounding, source=rate.card)


def take_charge(
    books: Books,
    terms: MeterTerms,
    counter: Counter,
    rate: MeterRate,
    added: Charge,
    *,
    memo: Memo,
    mode: DebitMode,
    at: datetime,
) -> ChargedCounter:
    """Take what was added from the balance with its tax, or give it back to the lots that paid.

    ``at`` is the instant of the usage, which decides the tax rate.

    Raises:
        InsufficientFunds: the balance does not cover it; nothing has changed.
        InvalidInput: the amount does not fit the balance.
        UnknownName: the account has no balance in the rate's currency.
    """
    balance = books.balance(rate.currency)
    units = _at_scale(added, balance.scale)
    if not units:
        return ChargedCounter(books, counter, 0, balance.scale, lines=added.lines)
    split: TaxLine | None = None
    gross = units
    tax = terms.tax(rate, at, balance.scale)
    if tax is not None:
        split = tax_piece(units, rate.currency, tax, before=counter.charged)
        gross = to_units(split.gross, balance.scale)
    entries: tuple[Entry, ...] = ()
    paid = counter.paid
    if gross > 0:
        posted = take(books, balance, gross, memo.of(_FEE), mode)
        books, entries = posted.books, posted.entries
        paid = merged_shares(paid, posted.shares)
    elif gross < 0:
        back = from_units(-gross, rate.currency, balance.scale)
        given = give_back(books, back, paid, memo.of(EntryKind.REVERSAL), None)
        paid = reduced_shares(paid, -gross)
        if given is not None:
            books, entries = given.books, given.entries
    after = counter.settled(counter.charged + units, counter.taken + gross, paid)
    return ChargedCounter(
        books, after, units, balance.scale, tax=split, lines=added.lines, entries=entries
    )


def _at_scale(added: Charge, scale: int) -> int:
    """Give the charge in the smallest unit of the balance, which may have less decimals."""
    if added.digits <= scale:
        units: int = added.units * 10 ** (scale - added.digits)
    else:
        lost: int = 10 ** (added.digits - scale)
        half = (abs(added.units) * 2 + lost) // (2 * lost)
        units = half if added.units >= 0 else -half
    if abs(units) > MAX_UNITS:
        raise InvalidInput("total", units, "is too large", "record it in parts")
    return units


def reduced_shares(shares: Iterable[Share], units: int) -> tuple[Share, ...]:
    """Take units off shares, the last that paid first."""
    found: list[Share] = []
    for share in reversed(tuple(shares)):
        back = min(units, share.units)
        units -= back
        if share.units > back:
            found.insert(0, Share(share.lot, share.units - back))
    return tuple(found)


def settle_minimum(
    books: Books, terms: MeterTerms, rate: MeterRate, counter: Counter, memo: Memo
) -> ChargedCounter:
    """Charge by force what a period lacks to its minimum, or give back what later usage covers.

    ``counter`` is that of the minimum: what it used is what the others of its period charged.
    """
    minimum = rate.meter.minimum_in(counter.currency)
    scale = books.balance(counter.currency).scale
    least = 0 if minimum is None else to_units(minimum, scale)
    missing = max(least - int(counter.used), 0) - counter.charged
    plain = attrs.evolve(rate, rounding=HALF_UP.at_scale(scale), card=_TRUE_UP)
    return take_charge(
        books,
        terms,
        counter,
        plain,
        _plain(missing, plain),
        memo=memo.of(EntryKind.USAGE_FEE, f"{counter.meter}: {_TRUE_UP}"),
        mode=DebitMode.FORCED,
        at=counter.period.start,
    )


def sum_of_splits(splits: Sequence[TaxLine | None]) -> TaxLine | None:
    """Add up splits of one record; they are of the instant of its usage, so of one rate."""
    known = [one for one in splits if one is not None]
    if not known:
        return None
    found, *others = known
    for one in others:
        net, tax = add(found.net, one.net), add(found.tax, one.tax)
        found = attrs.evolve(one, net=net, tax=tax, gross=add(net, tax))
    return found
