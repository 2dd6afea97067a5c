"""The noun ``usage``: billable facts, rated and paid for once."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import cast, final, overload

import attrs

from monochat_billing import usage_commands
from monochat_billing.accounts import ChargedUsage
from monochat_billing.balance import DebitMode
from monochat_billing.counters import MeteredUsage, MeterRecord, counter_buckets
from monochat_billing.errors import InvalidInput, UnknownName
from monochat_billing.instants import utc
from monochat_billing.quantities import Quantity, exact, number_text
from monochat_billing.rating import UsageRecord
from monochat_billing.repositories import Reader, Wanted
from monochat_billing.service.context import Context, named
from monochat_billing.texts import check_identity, check_line
from monochat_billing.usage_breakdowns import UsageBreakdown, breakdown
from monochat_billing.usage_commands import MeterReport, UsageReport

__all__ = ["Usage"]

_PAGE = 1000


@final
@attrs.frozen
class Usage:
    """Record usage in batches, correct it, list and break down what was recorded."""

    _context: Context

    @overload
    def record(
        self, account: str, records: Iterable[UsageRecord], *, actor: str = ""
    ) -> UsageReport: ...

    @overload
    def record(
        self,
        account: str,
        records: Iterable[MeterRecord],
        *,
        actor: str = "",
        mode: DebitMode = DebitMode.WHOLE,
    ) -> MeterReport: ...

    def record(
        self,
        account: str,
        records: Iterable[UsageRecord] | Iterable[MeterRecord],
        *,
        actor: str = "",
        mode: DebitMode = DebitMode.WHOLE,
    ) -> UsageReport | MeterReport:
        """Rate a batch and pay for each record once, in one transaction.

        A batch has messages (:class:`~monochat_billing.rating.UsageRecord`, rated by the service's
        rate cards) or records of any meter (:class:`~monochat_billing.counters.MeterRecord`, rated
        by the catalog), not both. A record's own id makes it safe to send again: what was recorded
        before is counted as repeated and costs nothing. What the balance cannot pay is refused,
        record by record, and can be sent again after a top-up; with ``mode`` FORCED, records of
        meters are taken below zero instead.

        Raises:
            InvalidInput: a record has no rate, cannot be right, or its id is no id, or there are
                messages and the service has no rate cards; nothing of the batch is recorded.
            UnknownName: there is no such account or meter, a record replaces one that is not
                known, or the account has no balance in the currency.
        """
        batch = tuple(records)
        if batch and all(isinstance(one, MeterRecord) for one in batch):
            return self._metered(account, cast("tuple[MeterRecord, ...]", batch), actor, mode)
        for record in batch:
            if not isinstance(record, UsageRecord):
                raise InvalidInput(
                    "records", record, "is no usage record", "pass UsageRecord, or MeterRecord"
                )
            check_identity(record.id, "records.id")
            check_line(record.reference, "records.reference")
        return self._messages(account, cast("tuple[UsageRecord, ...]", batch), actor)

    def _messages(self, account: str, batch: Sequence[UsageRecord], actor: str) -> UsageReport:
        cards = self._context.rates
        if cards is None:
            raise InvalidInput("rates", None, "is missing", "pass rate cards to Billing")
        report = self._context.change(
            account,
            "usage.record",
            lambda state, now: usage_commands.record_usage(
                state, batch, cards, actor=actor, now=now
            ),
            wants={"usage": [record.id for record in batch]},
        )
        return cast("UsageReport", report)

    def _metered(
        self, account: str, batch: Sequence[MeterRecord], actor: str, mode: DebitMode
    ) -> MeterReport:
        mode = named(DebitMode, mode, "mode")
        if mode is DebitMode.PARTIAL:
            raise InvalidInput("mode", mode, "takes part of a record", "use WHOLE or FORCED")
        catalog = self._context.catalog
        replaced = [one.replaces for one in batch if one.replaces]
        olds = self._stored(account, replaced) if replaced else {}
        report = self._context.change(
            account,
            "usage.record",
            lambda state, now: usage_commands.record_metered(
                state, catalog, batch, actor=actor, now=now, mode=mode
            ),
            wants={
                "metered": [*(one.id for one in batch), *replaced],
                "counters": _buckets((*batch, *(one.record for one in olds.values()))),
            },
            ended=True,
        )
        return cast("MeterReport", report)

    def correct(
        self,
        account: str,
        record_id: str,
        *,
        quantity: Quantity | None = None,
        occurred_at: datetime | None = None,
        dimensions: Mapping[str, str] | None = None,
        key: str,
        actor: str = "",
        mode: DebitMode = DebitMode.WHOLE,
    ) -> MeteredUsage:
        """Put right what a record of a meter says: what is left out stays, zero takes it back.

        What it used is given back to the lots that paid, and the right thing is rated by the
        instant of its usage: the totals are those of the right record in the first place.

        Raises:
            InvalidInput: nothing is corrected, the right thing cannot be, the record was replaced
                before, or a gauge was recorded meanwhile: correct it again.
            InsufficientFunds: the right thing costs more than there is; nothing has changed.
            LimitExceeded: prepaid units are used up and no rate says what more costs.
            UnknownName: there is no such account or record.
            IdempotencyConflict: the key was used for something else.
        """
        check_identity(record_id, "record")
        if quantity is None and occurred_at is None and dimensions is None:
            raise InvalidInput("quantity", None, "is missing", "say what is to be put right")
        told = {
            "record": record_id,
            "quantity": "" if quantity is None else number_text(exact(quantity, field="quantity")),
            "occurred_at": "" if occurred_at is None else utc(occurred_at).isoformat(),
            "dimensions": "" if dimensions is None else str(sorted(dimensions.items())),
            "mode": named(DebitMode, mode, "mode").value,
        }
        old = self._stored(account, [record_id]).get(record_id)
        if old is None:
            raise UnknownName("record", record_id, "was not recorded", "record it first")
        to = attrs.evolve(
            old.record,
            quantity=old.record.quantity if quantity is None else quantity,
            occurred_at=occurred_at or old.record.occurred_at,
            dimensions=old.record.dimensions if dimensions is None else dimensions,
        )
        others = self._others(account, old)
        catalog = self._context.catalog
        usage = self._context.change(
            account,
            "usage.correct",
            lambda state, now: usage_commands.correct_metered(
                state, catalog, to, others=others, actor=actor, now=now, mode=mode
            ),
            key=key,
            content=told,
            wants={"metered": [record_id], "counters": _buckets((to, old.record))},
            ended=True,
        )
        return cast("MeteredUsage", usage)

    def list(self, account: str, *, after: int = 0, limit: int = 100) -> Sequence[ChargedUsage]:
        """Give up to ``limit`` recorded messages in the order they were stored, skipping ``after``.

        Raises:
            UnknownName: there is no such account.
        """
        _, found = self._context.view_with(
            account, lambda reader: reader.usage(account, after=after, limit=limit)
        )
        return found

    def records(
        self, account: str, *, since: datetime, until: datetime, meter: str = ""
    ) -> Sequence[MeteredUsage]:
        """Give what was recorded of any meter, or of one, in ``[since, until)``, in its order.

        Raises:
            InvalidInput: an instant is naive.
            UnknownName: there is no such account.
        """
        since, until = utc(since, field="since"), utc(until, field="until")
        _, found = self._context.view_with(
            account, lambda reader: tuple(_all(reader, account, since, until))
        )
        return tuple([one for one in found if not meter or one.record.meter == meter])

    def breakdown(
        self,
        account: str,
        *,
        since: datetime,
        until: datetime,
        meter: str = "",
        by: Sequence[str] = (),
    ) -> UsageBreakdown:
        """Sum what was recorded in ``[since, until)`` by meter, period and the dimensions ``by``.

        A minimum that was settled is not of any record, so it is not in it: the statement has it.

        Raises:
            InvalidInput: an instant is naive.
            UnknownName: there is no such account.
        """
        return breakdown(self.records(account, since=since, until=until, meter=meter), by)

    def _stored(self, account: str, ids: Iterable[str]) -> Mapping[str, MeteredUsage]:
        loaded = self._context.load(Wanted(account, metered=frozenset(ids)))
        return {} if loaded.state is None else loaded.state.metered.records

    def _others(self, account: str, old: MeteredUsage) -> Sequence[MeterRecord]:
        """Find the records beside which a gauge is read anew; a counter needs none."""
        meter = self._context.catalog.at(old.record.occurred_at).meter(old.record.meter)
        if not meter.aggregation.is_gauge:
            return ()
        found = self.records(
            account, since=old.period.start, until=old.period.end, meter=old.record.meter
        )
        return [
            one.record
            for one in found
            if one.counter == old.counter and not one.replaced_by and one.record.id != old.record.id
        ]


def _buckets(records: Iterable[MeterRecord]) -> frozenset[str]:
    months = {(one.meter, one.occurred_at.year, one.occurred_at.month): one for one in records}
    return frozenset().union(
        *(counter_buckets(one.meter, one.occurred_at) for one in months.values())
    )


def _all(reader: Reader, account: str, since: datetime, until: datetime) -> Iterator[MeteredUsage]:
    after = ""
    while page := reader.metered(account, since=since, until=until, after=after, limit=_PAGE):
        yield from page
        since, after = page[-1].record.occurred_at, page[-1].record.id
