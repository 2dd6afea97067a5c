"""Message windows: the 24 hours after a person writes, and the 72 hours after an advertisement.

*Owns* when the two windows of one conversation partner open and close, as a value.
*Does not own* what a window frees: that is ``message_regimes``', by date.

The **customer service window** is open for 24 hours from the last message that the person sent, and
each further one opens it anew. The **free entry point window** opens when the person came through a
Click-to-WhatsApp advertisement or a page's call-to-action button and the business answers within 24
hours; it is open for 72 hours from that answer, and nothing prolongs it. Both are half-open: the
instant at which a window ends is outside.

Sources: Meta, WhatsApp Business Platform, "Pricing": customer service windows, free entry point
windows. That the 72 hours begin with the answer stands in several providers' guides.

>>> from datetime import UTC
>>> start = datetime(2026, 10, 5, 9, tzinfo=UTC)
>>> state = MessageWindows().received(start, entry_point=True)
>>> state.in_window(start), state.in_entry_point(start)
(True, False)
>>> answered = state.answered(start + timedelta(hours=3))
>>> answered.entry_point_until.isoformat()
'2026-10-08T12:00:00+00:00'
>>> later = start + timedelta(hours=30)
>>> answered.in_window(later), answered.in_entry_point(later)
(False, True)
"""

from datetime import datetime, timedelta
from typing import Final, final

import attrs

from monochat_billing.errors import InvalidInput
from monochat_billing.periods import utc

__all__ = ["ENTRY_POINT_WINDOW", "SERVICE_WINDOW", "MessageWindows"]

SERVICE_WINDOW: Final = timedelta(hours=24)
"""How long the customer service window is open, and within which an entry is to be answered."""

ENTRY_POINT_WINDOW: Final = timedelta(hours=72)
"""How long the free entry point window is open."""


def _optional(value: datetime | None) -> datetime | None:
    return None if value is None else utc(value)


@final
@attrs.frozen(kw_only=True)
class MessageWindows:
    """Hold the windows between one business number and one person.

    ``received_at`` is the person's latest message; ``entered_at`` their latest message through an
    entry point that was not answered yet; ``opened_at`` the answer that opened the latest free
    entry point window. All are aware instants, kept in UTC. A change returns a copy.

    Raises:
        InvalidInput: an instant is naive.
    """

    received_at: datetime | None = attrs.field(default=None, converter=_optional)
    entered_at: datetime | None = attrs.field(default=None, converter=_optional)
    opened_at: datetime | None = attrs.field(default=None, converter=_optional)

    @property
    def window_until(self) -> datetime | None:
        """When the customer service window closes or closed, excluded; None before any message."""
        return None if self.received_at is None else self.received_at + SERVICE_WINDOW

    @property
    def entry_point_until(self) -> datetime | None:
        """When the free entry point window closes or closed, excluded; None where none opened."""
        return None if self.opened_at is None else self.opened_at + ENTRY_POINT_WINDOW

    def received(self, at: datetime, *, entry_point: bool = False) -> "MessageWindows":
        """Return the windows after a message of the person, told in any order.

        An older message changes nothing that a newer one has settled. An entry that comes while a
        free entry point window is open opens no second one.

        Raises:
            InvalidInput: the instant is naive.

        >>> from datetime import UTC
        >>> noon = datetime(2026, 10, 5, 12, tzinfo=UTC)
        >>> late = MessageWindows().received(noon).received(noon - timedelta(hours=1))
        >>> late.received_at == noon
        True
        """
        instant = utc(at, field="at")
        newest = instant if self.received_at is None else max(instant, self.received_at)
        entered = self.entered_at
        if entry_point and not self.in_entry_point(instant):
            entered = instant if entered is None else max(instant, entered)
        return attrs.evolve(self, received_at=newest, entered_at=entered)

    def answered(self, at: datetime) -> "MessageWindows":
        """Return the windows after a message of the business.

        It opens the free entry point window where an entry waits for an answer that is less than 24
        hours old; after that the entry is lost.

        Raises:
            InvalidInput: the instant is naive, or earlier than the entry that it would answer.

        >>> from datetime import UTC
        >>> noon = datetime(2026, 10, 5, 12, tzinfo=UTC)
        >>> entered = MessageWindows().received(noon, entry_point=True)
        >>> entered.answered(noon + timedelta(hours=24)).entry_point_until is None
        True
        """
        instant = utc(at, field="at")
        if self.entered_at is None:
            return self
        if instant < self.entered_at:
            raise InvalidInput(
                "at", instant.isoformat(), "is before the entry", "tell messages in their order"
            )
        in_time = instant < self.entered_at + SERVICE_WINDOW
        return attrs.evolve(self, entered_at=None, opened_at=instant if in_time else self.opened_at)

    def in_window(self, at: datetime) -> bool:
        """Whether the customer service window that the latest message opened is open.

        Raises:
            InvalidInput: the instant is naive.
        """
        instant = utc(at, field="at")
        return self.received_at is not None and (
            self.received_at <= instant < self.received_at + SERVICE_WINDOW
        )

    def in_entry_point(self, at: datetime) -> bool:
        """Whether the free entry point window is open; the answer that opens it is in it.

        Raises:
            InvalidInput: the instant is naive.
        """
        instant = utc(at, field="at")
        return self.opened_at is not None and (
            self.opened_at <= instant < self.opened_at + ENTRY_POINT_WINDOW
        )
