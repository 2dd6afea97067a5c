"""The noun ``usage``: billable facts, rated and debited once."""

from collections.abc import Iterable, Sequence
from typing import cast, final

import attrs

from monochat_billing import commands
from monochat_billing.accounts import ChargedUsage
from monochat_billing.commands import UsageReport
from monochat_billing.errors import InvalidInput
from monochat_billing.rating import UsageRecord
from monochat_billing.service.context import Context
from monochat_billing.texts import check_identity

__all__ = ["Usage"]


@final
@attrs.frozen
class Usage:
    """Record usage in batches and list what was recorded."""

    _context: Context

    def record(
        self, account: str, records: Iterable[UsageRecord], *, actor: str = ""
    ) -> UsageReport:
        """Rate a batch and debit each record once, in one transaction.

        A record's own id makes it safe to send again: what was recorded before is counted as
        repeated and costs nothing. What the balance cannot pay is refused, record by record, and
        can be sent again after a top-up.

        Raises:
            InvalidInput: a record has no rate on the card in force, its id is no id, or the service
                has no rate cards; nothing of the batch is recorded.
            UnknownName: there is no such account, or it has no balance in the cards' currency.
        """
        cards = self._context.rates
        if cards is None:
            raise InvalidInput("rates", None, "is missing", "pass rate cards to Billing")
        batch = tuple(records)
        for record in batch:
            if not isinstance(record, UsageRecord):
                raise InvalidInput("records", record, "is no usage record", "pass UsageRecord")
            check_identity(record.id, "records.id")
        report = self._context.change(
            account,
            "usage.record",
            lambda state, now: commands.record_usage(state, batch, cards, actor=actor, now=now),
            wants={"usage": [record.id for record in batch]},
        )
        return cast("UsageReport", report)

    def list(self, account: str, *, after: int = 0, limit: int = 100) -> Sequence[ChargedUsage]:
        """Give up to ``limit`` recorded facts in the order they were stored, skipping ``after``.

        Raises:
            UnknownName: there is no such account.
        """
        _, found = self._context.view_with(
            account, lambda reader: reader.usage(account, after=after, limit=limit)
        )
        return found
