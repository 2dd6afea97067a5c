"""Logs: events of billing as records of the standard library's ``logging``.

Owns the level and the fields of each record. Does not own delivery: the host calls it with what it
claims from the outbox, so a record is written at least once for each event.
"""

import logging
from collections.abc import Collection
from datetime import datetime
from typing import Final, final

import attrs

from monochat_billing.repositories import RecordedEvent

__all__ = ["TROUBLES", "EventLog", "event_fields"]

TROUBLES: Final = frozenset(
    {
        "AutomaticTopUpPaused",
        "BalanceLow",
        "BalanceOverdrawn",
        "CallbackNotUnderstood",
        "DisputeOpened",
        "PaymentQuarantined",
        "RefundFailed",
        "RenewalFailed",
        "ScheduledChangeFailed",
        "SubscriptionSuspended",
        "TopUpFailed",
    }
)
"""The events that are logged as warnings unless others are named."""


def event_fields(recorded: RecordedEvent) -> dict[str, str | int | bool]:
    """Give the fields of an event as plain values, by name; nothing in it is nested.

    ``event``, ``account`` and ``number`` say which event it is. Instants are ISO 8601, amounts and
    values are text. Events carry no number of a person.

    >>> from datetime import UTC, datetime
    >>> noon = datetime(2026, 10, 5, tzinfo=UTC)
    >>> from monochat_billing.events import ProfileUpdated
    >>> told = ProfileUpdated(account="acme", at=noon, actor="ada")
    >>> fields = event_fields(RecordedEvent("acme", 3, told))
    >>> fields["event"], fields["number"], fields["at"], fields["actor"]
    ('ProfileUpdated', 3, '2026-10-05T00:00:00+00:00', 'ada')
    """
    fields: dict[str, str | int | bool] = {
        "event": type(recorded.event).__name__,
        "account": recorded.account,
        "number": recorded.number,
    }
    for name, value in attrs.asdict(recorded.event, recurse=False).items():
        if value is None or name in fields:
            continue
        plain = value.isoformat() if isinstance(value, datetime) else value
        fields[name] = plain if isinstance(plain, (str, int)) else str(plain)
    return fields


@final
@attrs.frozen(kw_only=True)
class EventLog:
    """Write one record per event: a warning for ``troubles``, information for the rest.

    The message is the event's name and account. The record has an attribute ``billing`` with
    :func:`event_fields`, for formatters that write JSON.

    >>> from datetime import UTC, datetime
    >>> noon = datetime(2026, 10, 5, tzinfo=UTC)
    >>> from monochat_billing.events import ProfileUpdated
    >>> kept = []
    >>> class Keep(logging.Handler):
    ...     def emit(self, record):
    ...         kept.append((record.levelname, record.getMessage(), record.billing["number"]))
    >>> logger = logging.Logger("billing")
    >>> logger.addHandler(Keep())
    >>> told = ProfileUpdated(account="acme", at=noon, actor="ada")
    >>> EventLog(logger=logger)(RecordedEvent("acme", 3, told))
    >>> kept
    [('INFO', 'acme #3 ProfileUpdated', 3)]
    """

    logger: logging.Logger = attrs.field(
        factory=lambda: logging.getLogger("monochat_billing.events")
    )
    troubles: Collection[str] = TROUBLES

    def __call__(self, recorded: RecordedEvent) -> None:
        """Write the record of one event."""
        name = type(recorded.event).__name__
        level = logging.WARNING if name in self.troubles else logging.INFO
        if self.logger.isEnabledFor(level):
            self.logger.log(
                level,
                "%s #%d %s",
                recorded.account,
                recorded.number,
                name,
                extra={"billing": event_fields(recorded)},
            )
