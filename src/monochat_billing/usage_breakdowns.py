"""Usage breakdowns: what was recorded of any meter, summed by meter, period and dimensions.

*Owns* the sums and how they print.
*Does not own* the records, which are read elsewhere.
"""

from collections.abc import Iterable, Sequence
from fractions import Fraction
from typing import final

import attrs

from monochat_billing.counters import MeteredUsage
from monochat_billing.money import Money, add, amount_text
from monochat_billing.periods import BillingPeriod
from monochat_billing.quantities import number_text
from monochat_billing.tables import table

__all__ = ["UsageBreakdown", "UsageSum", "breakdown"]


@final
@attrs.frozen(kw_only=True)
class UsageSum:
    """Sum the records of one meter, period and choice of dimension values.

    ``quantity`` adds up what was recorded, of a gauge too. ``amounts`` is what the records cost
    with their tax, by currency; ``prepaid`` the units that lots paid.
    """

    meter: str
    period: BillingPeriod
    values: tuple[tuple[str, str], ...] = ()
    records: int = 0
    quantity: Fraction = Fraction(0)
    prepaid: int = 0
    lapsed: int = 0
    amounts: tuple[Money, ...] = ()


@final
@attrs.frozen(kw_only=True)
class UsageBreakdown:
    """List the sums, by meter, then period, then dimension values; its text is a table.

    >>> from monochat_billing.money import money
    >>> from monochat_billing.testing.workbench import Workbench
    >>> bench = Workbench()
    >>> account = bench.open("acme", money("5000", "TRY"))
    >>> from monochat_billing.counters import MeterRecord
    >>> one = bench.subscribe("acme", "growth")
    >>> began = bench.clock()
    >>> sent = MeterRecord(id="m-1", meter="monochat.message", quantity=3, occurred_at=began)
    >>> report = bench.billing.usage.record("acme", [sent])
    >>> until = bench.clock.advance(days=1)
    >>> print(bench.billing.usage.breakdown("acme", since=began, until=until))
    meter             period from  values  records  quantity  prepaid  amount
    ----------------  -----------  ------  -------  --------  -------  ------
    monochat.message  2026-10-05                 1         3        3
    """

    lines: tuple[UsageSum, ...]

    def __str__(self) -> str:
        rows = [
            (
                one.meter,
                f"{one.period.start:%Y-%m-%d}",
                ", ".join(f"{name}={value}" for name, value in one.values),
                str(one.records),
                number_text(one.quantity),
                str(one.prepaid + one.lapsed),
                ", ".join(f"{amount_text(each)} {each.currency.code}" for each in one.amounts),
            )
            for one in self.lines
        ]
        heads = ("meter", "period from", "values", ">records", ">quantity", ">prepaid", ">amount")
        return table(heads, rows)


def breakdown(records: Iterable[MeteredUsage], by: Sequence[str] = ()) -> UsageBreakdown:
    """Sum records by meter, period and the values of the dimensions ``by``.

    What was replaced by another record counts nothing; a record without one of the dimensions
    counts under none.

    >>> breakdown([]).lines
    ()
    """
    sums: dict[tuple[object, ...], UsageSum] = {}
    for one in records:
        if one.replaced_by:
            continue
        record = one.record
        values = tuple(
            [(name, record.dimensions[name]) for name in by if name in record.dimensions]
        )
        place = (record.meter, one.period.start, values)
        known = sums.get(place) or UsageSum(meter=record.meter, period=one.period, values=values)
        sums[place] = attrs.evolve(
            known,
            records=known.records + 1,
            quantity=known.quantity + record.quantity,
            prepaid=known.prepaid + one.prepaid,
            lapsed=known.lapsed + one.lapsed,
            amounts=_with(known.amounts, one.money),
        )
    lines = sorted(sums.values(), key=lambda one: (one.meter, one.period.start, one.values))
    return UsageBreakdown(lines=tuple(lines))


def _with(amounts: tuple[Money, ...], more: Money | None) -> tuple[Money, ...]:
    if more is None or not more.amount:
        return amounts
    by_code = {one.currency.code: one for one in amounts}
    code = more.currency.code
    by_code[code] = add(by_code[code], more) if code in by_code else more
    return tuple(by_code.values())
