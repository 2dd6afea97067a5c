"""How far each consumer has come with each account's events, and who is at work on it.

Owns the cursors.
Does not own the events, which are their accounts' (``_accounts``).
"""

from collections.abc import Sequence
from datetime import UTC, datetime

from monochat_billing.adapters.memory._pending import Pending
from monochat_billing.outbox_storage import OutboxCursor


class Outbox(Pending):
    """Claim and move cursors."""

    def add_consumer(self, consumer: str, *, from_beginning: bool) -> None:
        told = self._consumers()
        if consumer not in told:
            accounts = [one.state.account for one in self._shelf.accounts.values()]
            told[consumer] = {
                one.id: (OutboxCursor(one.id, 0 if from_beginning else one.events), from_beginning)
                for one in accounts
                if one.events
            }

    def drop_consumer(self, consumer: str) -> None:
        self._consumers().pop(consumer, None)

    def consumers(self) -> Sequence[str]:
        return tuple(sorted(self._shelf.cursors))

    def claim(
        self, consumer: str, *, now: datetime, until: datetime, lease: str, limit: int
    ) -> Sequence[OutboxCursor]:
        told = self._consumers().get(consumer, {})
        free = sorted(
            (one.leased_until or datetime.min.replace(tzinfo=UTC), account)
            for account, (one, ahead) in told.items()
            if ahead and (one.leased_until is None or one.leased_until <= now)
        )
        taken = [
            OutboxCursor(account, told[account][0].acknowledged, lease, until)
            for _, account in free[: max(limit, 0)]
        ]
        told.update((one.account, (one, True)) for one in taken)
        return tuple(taken)

    def cursor(self, consumer: str, account: str) -> OutboxCursor | None:
        known = self._shelf.cursors.get(consumer, {}).get(account)
        return None if known is None else known[0]

    def move_cursor(self, consumer: str, cursor: OutboxCursor, *, ahead: bool) -> None:
        self._consumers().setdefault(consumer, {})[cursor.account] = (cursor, ahead)

    def _consumers(self) -> dict[str, dict[str, tuple[OutboxCursor, bool]]]:
        """Give the cursors to change, with a way back."""
        shelf = self._shelf
        before = shelf.cursors
        self._undo.append(lambda: setattr(shelf, "cursors", before))
        shelf.cursors = {name: dict(cursors) for name, cursors in before.items()}
        return shelf.cursors
