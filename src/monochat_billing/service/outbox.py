"""The noun ``outbox``: events for those who act on them, each at least once, in order."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Final, final

import attrs

from monochat_billing.accounts import require_account
from monochat_billing.errors import IllegalTransition, InvalidInput, UnknownName
from monochat_billing.outbox_storage import OutboxCursor, OutboxUnit
from monochat_billing.repositories import RecordedEvent, UnitOfWork, Wanted
from monochat_billing.service.context import Context
from monochat_billing.texts import check_identity, one_of

__all__ = ["Delivery", "Outbox"]

_LEASE: Final = timedelta(minutes=5)
_MOST_ACCOUNTS: Final = 1_000
_MOST_EVENTS: Final = 1_000


@final
@attrs.frozen(kw_only=True)
class Delivery:
    """Hold events of one account that one worker of a consumer has to handle, oldest first.

    It is the worker's own until ``leased_until`` (exclusive). What is not acknowledged by then is
    delivered again, to whoever asks. An event's account and number are its identity.
    """

    consumer: str
    account: str
    events: tuple[RecordedEvent, ...]
    lease: str
    leased_until: datetime

    def __str__(self) -> str:
        until = f"{self.leased_until:%Y-%m-%d %H:%M}Z"
        return f"{len(self.events)} events of {self.account} for {self.consumer} until {until}"

    @property
    def through(self) -> int:
        """Give the number of the last event in it."""
        return self.events[-1].number


@final
@attrs.frozen
class Outbox:
    """Deliver events to consumers: at least once each, in order per account, by many workers.

    A consumer is a purpose (``"mail"``, ``"webhooks"``), not a process: its workers share what is
    ahead, and every consumer gets everything.
    """

    _context: Context

    def subscribe(self, consumer: str, *, from_beginning: bool = False) -> None:
        """Let a consumer have events ahead: those to come, or all there are; safe to repeat.

        Raises:
            InvalidInput: the consumer is no id, or the storage does not share its outbox.
        """
        check_identity(consumer, "consumer")
        self._write(lambda unit: unit.add_consumer(consumer, from_beginning=from_beginning))

    def unsubscribe(self, consumer: str) -> None:
        """Forget a consumer and how far it has come; safe to repeat."""
        check_identity(consumer, "consumer")
        self._write(lambda unit: unit.drop_consumer(consumer))

    def consumers(self) -> Sequence[str]:
        """Name the consumers, in ascending order."""
        found: list[str] = []

        def work(unit: OutboxUnit) -> None:
            found[:] = unit.consumers()

        self._write(work)
        return tuple(found)

    def claim(
        self,
        consumer: str,
        *,
        accounts: int = 10,
        events: int = 100,
        lease: timedelta = _LEASE,
    ) -> tuple[Delivery, ...]:
        """Take up to ``accounts`` deliveries of up to ``events`` each; none when nothing is ahead.

        Accounts that another worker has taken are passed over, so more workers do more.

        Raises:
            InvalidInput: a number is not from 1 to 1000, or the lease is not above zero.
            UnknownName: nobody has subscribed the consumer.
        """
        check_identity(consumer, "consumer")
        _checked(accounts, _MOST_ACCOUNTS, "accounts")
        _checked(events, _MOST_EVENTS, "events")
        if not isinstance(lease, timedelta) or lease <= timedelta():
            raise InvalidInput("lease", lease, "is not above zero", "pass a timedelta")
        now, name = self._context.now(), self._context.ids()
        found: list[Delivery] = []

        def work(unit: OutboxUnit) -> None:
            found.clear()
            if consumer not in unit.consumers():
                remedy = one_of(unit.consumers(), "subscribe it first")
                raise UnknownName("consumer", consumer, "has not been subscribed", remedy)
            cursors = unit.claim(consumer, now=now, until=now + lease, lease=name, limit=accounts)
            for one in cursors:
                told = unit.events(one.account, after=one.acknowledged, limit=events)
                if told:
                    found.append(
                        Delivery(
                            consumer=consumer,
                            account=one.account,
                            events=tuple(told),
                            lease=name,
                            leased_until=now + lease,
                        )
                    )

        self._write(work)
        return tuple(found)

    def acknowledge(self, delivery: Delivery, *, through: int | None = None) -> None:
        """Say that the events of a delivery are handled, up to and including ``through``.

        Without ``through`` all of them are. The account is free for the next delivery at once.

        Raises:
            IllegalTransition: the lease has ended and somebody else has the account, or it was
                acknowledged before.
            InvalidInput: ``through`` is not the number of an event in it.
        """
        last = delivery.through if through is None else through
        if last not in [one.number for one in delivery.events]:
            raise InvalidInput(
                "through", through, "is not in the delivery", "pass the number of one of its events"
            )
        self._end(delivery, last)

    def release(self, delivery: Delivery) -> None:
        """Give a delivery back unhandled; it is delivered again, to whoever asks next.

        Raises:
            IllegalTransition: the lease has ended and somebody else has the account, or it was
                acknowledged before.
        """
        self._end(delivery, None)

    def _end(self, delivery: Delivery, through: int | None) -> None:
        name, account = delivery.consumer, delivery.account

        def work(unit: OutboxUnit) -> None:
            # Whoever appends an event holds the account, so none slips between these two looks.
            state = require_account(unit.load([Wanted(account)])[account].state, account)
            cursor = unit.cursor(name, account)
            if cursor is None or cursor.lease != delivery.lease:
                raise IllegalTransition(
                    "delivery", f"{account} to {name}", "LOST", "be acknowledged or released"
                )
            done = cursor.acknowledged if through is None else through
            moved = OutboxCursor(account, done)
            unit.move_cursor(name, moved, ahead=done < state.account.events)

        self._write(work)

    def _write(self, work: Callable[[OutboxUnit], None]) -> None:
        def on_unit(unit: UnitOfWork) -> None:
            if not isinstance(unit, OutboxUnit):
                raise InvalidInput(
                    "storage",
                    type(unit).__name__,
                    "does not share its outbox",
                    "read billing.events, or use a storage that does",
                )
            work(unit)

        self._context.storage.write(on_unit)


def _checked(value: int, most: int, field: str) -> None:
    if type(value) is not int or not 0 < value <= most:
        raise InvalidInput(field, value, f"is not from 1 to {most}", "pass a whole number")
