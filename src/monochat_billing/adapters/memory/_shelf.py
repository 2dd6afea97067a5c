"""All accounts, and what stands beside them: routes, numbers, statuses, invoices and cursors.

Owns which account is due when, how a save reaches all of it at once, and the way back.
Does not own when that happens (``_pending``).
"""

from bisect import bisect_left, insort
from collections.abc import Callable, Iterable
from datetime import datetime

import attrs

from monochat_billing.adapters.memory._accounts import KeptAccount
from monochat_billing.invoices import Invoice
from monochat_billing.messages import BusinessNumber, SetAsideStatus
from monochat_billing.outbox_storage import OutboxCursor
from monochat_billing.repositories import Changes


@attrs.define
class Shelf:
    """Keep all accounts with their sorted ids, what is due when, and whose top-up is whose."""

    accounts: dict[str, KeptAccount] = attrs.field(factory=dict)
    ids: list[str] = attrs.field(factory=list)
    due: list[tuple[datetime, str]] = attrs.field(factory=list)
    routes: dict[tuple[str, str], str] = attrs.field(factory=dict)
    numbers: dict[str, BusinessNumber] = attrs.field(factory=dict)
    asides: dict[str, SetAsideStatus] = attrs.field(factory=dict)
    counters: dict[str, int] = attrs.field(factory=dict)
    invoices: dict[str, tuple[Invoice, ...]] = attrs.field(factory=dict)
    cursors: dict[str, dict[str, tuple[OutboxCursor, bool]]] = attrs.field(factory=dict)

    def apply(self, changes: Changes) -> None:
        account = changes.after.account
        kept = self.accounts.get(account.id)
        if kept is None:
            kept = self.accounts[account.id] = KeptAccount(changes.after)
            insort(self.ids, account.id)
        elif kept.state.account.next_due_at is not None:
            place = (kept.state.account.next_due_at, account.id)
            del self.due[bisect_left(self.due, place)]
        kept.keep(changes)
        if changes.events:
            for consumer in self.cursors.values():
                cursor, _ = consumer.get(account.id, (OutboxCursor(account.id), True))
                consumer[account.id] = (cursor, True)
        self.put_aside(changes.asides, changes.settled_asides)
        for top_up in changes.top_ups:
            self.routes[top_up.gateway, top_up.id] = account.id
        if account.next_due_at is not None:
            insort(self.due, (account.next_due_at, account.id))

    def put_aside(self, new: Iterable[SetAsideStatus], settled: Iterable[str]) -> None:
        """Keep statuses, and drop those that have found their place."""
        for one in settled:
            self.asides.pop(one, None)
        for status in new:
            self.asides.setdefault(status.id, status)

    def misfit(self, changes: Changes) -> str:
        """Say what of a save is known already or does not go on from what is kept, if anything."""
        kept = self.accounts.get(changes.after.account.id)
        if kept is None:
            wrong = changes.misfit(exists=False)
        else:
            state = kept.state
            wrong = changes.misfit(
                exists=True, entry=state.books.sequence, event=state.account.events
            ) or kept.knows(changes)
        routed = [one.id for one in changes.new_top_ups if (one.gateway, one.id) in self.routes]
        return wrong or (f"top-up {routed[0]!r} exists already" if routed else "")

    def undoing(self, changes: Changes) -> Callable[[], None]:
        """Give what will put everything back that these changes are about to replace."""
        account = changes.after.account.id
        kept = self.accounts.get(account)
        before = None if kept is None else kept.marked(changes)
        asides = dict(self.asides) if changes.asides or changes.settled_asides else None
        cursors = {name: dict(one) for name, one in self.cursors.items()}

        def undo() -> None:
            self.cursors = cursors
            if asides is not None:
                self.asides = asides
            place = (changes.after.account.next_due_at, account)
            if place[0] is not None:
                del self.due[bisect_left(self.due, place)]
            for one in changes.new_top_ups:
                del self.routes[one.gateway, one.id]
            if kept is None or before is None:
                del self.accounts[account]
                del self.ids[bisect_left(self.ids, account)]
                return
            before()
            if kept.state.account.next_due_at is not None:
                insort(self.due, (kept.state.account.next_due_at, account))

        return undo
