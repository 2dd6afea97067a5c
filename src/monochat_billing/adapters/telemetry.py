"""Telemetry: events of billing as spans and a counter of OpenTelemetry.

Needs the extra ``[opentelemetry]``, which is the API alone; the host's SDK decides where it goes.
Owns the names of spans, attributes and the counter. Does not own delivery: the host calls it with
what it claims from the outbox.
"""

from datetime import datetime
from typing import Final, final

import attrs

from monochat_billing.errors import MissingExtra
from monochat_billing.repositories import RecordedEvent

try:
    from opentelemetry import metrics, trace
except ModuleNotFoundError as _missing:
    raise MissingExtra("monochat_billing.adapters.telemetry", "opentelemetry") from _missing

__all__ = ["COUNTER", "EventTelemetry"]

COUNTER: Final = "monochat_billing.events"
"""The name of the counter of events; its attribute ``event`` is the event's name."""

_SCOPE: Final = "monochat_billing"


def _tracer() -> trace.Tracer:
    return trace.get_tracer(_SCOPE)


def _counter() -> metrics.Counter:
    return metrics.get_meter(_SCOPE).create_counter(
        COUNTER, unit="{event}", description="Events of billing that were delivered"
    )


@final
@attrs.frozen(kw_only=True)
class EventTelemetry:
    """Count an event, and leave a span that begins and ends with its delivery.

    The span is called ``billing <event>`` and has the attributes ``billing.event``,
    ``billing.account``, ``billing.number`` and ``billing.at``, the instant at which it became true.
    The counter carries the event's name alone: an account in it would make a series of each.
    Without an SDK both do nothing.

    >>> from datetime import UTC, datetime
    >>> noon = datetime(2026, 10, 5, tzinfo=UTC)
    >>> from monochat_billing.events import ProfileUpdated
    >>> told = ProfileUpdated(account="acme", at=noon, actor="ada")
    >>> EventTelemetry()(RecordedEvent("acme", 3, told))
    """

    tracer: trace.Tracer = attrs.field(factory=_tracer)
    counter: metrics.Counter = attrs.field(factory=_counter)

    def __call__(self, recorded: RecordedEvent) -> None:
        """Count one event and leave its span."""
        name = type(recorded.event).__name__
        attributes: dict[str, str | int] = {
            "billing.event": name,
            "billing.account": recorded.account,
            "billing.number": recorded.number,
        }
        at = getattr(recorded.event, "at", None)
        if isinstance(at, datetime):
            attributes["billing.at"] = at.isoformat()
        self.counter.add(1, {"event": name})
        with self.tracer.start_as_current_span(f"billing {name}", attributes=attributes):
            pass
