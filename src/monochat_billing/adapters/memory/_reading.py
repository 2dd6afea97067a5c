"""What can be read: pages, sums and single values, from one account and across all.

Owns the orders of the pages.
Does not own what a unit of work changes (``_unit``), invoices (``_invoices``) and cursors
(``_outbox``).
"""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import islice

from monochat_billing.accounts import ChargedUsage
from monochat_billing.adapters.memory._histories import History
from monochat_billing.adapters.memory._pending import Pending, page_of
from monochat_billing.balance import Entry
from monochat_billing.counters import MeteredUsage
from monochat_billing.holds import Hold
from monochat_billing.lots import Lot
from monochat_billing.messages import BusinessNumber, Message, SetAsideStatus, Tally
from monochat_billing.payments import UNSETTLED, TopUp, TopUpState
from monochat_billing.readings import Movement, Place, Window, movements
from monochat_billing.repositories import RecordedEvent
from monochat_billing.scheduling import ScheduledChange
from monochat_billing.subscriptions import Subscription


class MemoryReader(Pending):
    """Read the shelf, with what this unit of work has saved on it."""

    def entries(self, account: str, *, after: int = 0, limit: int = 100) -> Sequence[Entry]:
        kept = self._shelf.accounts.get(account)
        return tuple(kept.entries[page_of(after - kept.gone, limit)]) if kept else ()

    def last_entries(self, account: str, limit: int) -> Sequence[Entry]:
        kept = self._shelf.accounts.get(account)
        return tuple(kept.entries[max(len(kept.entries) - limit, 0) :]) if kept else ()

    def _history(self, window: Window) -> History:
        kept = self._shelf.accounts.get(window.account)
        return kept.history(window.unit) if kept else History()

    def statement_entries(self, window: Window, after: Place, limit: int) -> Sequence[Entry]:
        return tuple(islice(self._history(window).behind(window, after), max(limit, 0)))

    def balance_upto(self, window: Window, place: Place) -> int:
        return self._history(window).upto(window, place)

    def movements(self, window: Window) -> Sequence[Movement]:
        kept = self._shelf.accounts.get(window.account)
        moved = self._history(window).behind(window, window.start)
        return movements(moved, window, kept.lots) if kept else ()

    def lots(self, account: str) -> Sequence[Lot]:
        kept = self._shelf.accounts.get(account)
        return tuple(lot for _, lot in sorted(kept.lots.items())) if kept else ()

    def subscriptions(self, account: str) -> Sequence[Subscription]:
        kept = self._shelf.accounts.get(account)
        return tuple(kept.subscriptions.values()) if kept else ()

    def schedule(self, account: str) -> Sequence[ScheduledChange]:
        kept = self._shelf.accounts.get(account)
        changes = kept.schedule.values() if kept else ()
        return tuple(sorted(changes, key=lambda one: (one.requested_at, one.id)))

    def holds(self, account: str) -> Sequence[Hold]:
        kept = self._shelf.accounts.get(account)
        holds = kept.holds.values() if kept else ()
        return tuple(sorted(holds, key=lambda one: (one.placed_at, one.id)))

    def usage(self, account: str, *, after: int = 0, limit: int = 100) -> Sequence[ChargedUsage]:
        kept = self._shelf.accounts.get(account)
        if kept is None:
            return ()
        page = page_of(after, limit)
        return tuple(islice(kept.usage.values(), page.start, page.stop))

    def events(self, account: str, *, after: int = 0, limit: int = 100) -> Sequence[RecordedEvent]:
        kept = self._shelf.accounts.get(account)
        return tuple(kept.events[page_of(after, limit)]) if kept else ()

    def top_up_account(self, gateway: str, top_up: str) -> str | None:
        return self._shelf.routes.get((gateway, top_up))

    def unsettled_top_ups(
        self, gateway: str, *, after: tuple[str, str] = ("", ""), limit: int = 100
    ) -> Sequence[tuple[str, str]]:
        open_ones = sorted(
            (account, top_up)
            for (through, top_up), account in self._shelf.routes.items()
            if through == gateway
            and (account, top_up) > after
            and self._shelf.accounts[account].top_ups[top_up].state in UNSETTLED
        )
        return tuple(open_ones[: max(limit, 0)])

    def top_ups(self, gateway: str, *, after: str = "", limit: int = 100) -> Sequence[TopUp]:
        mine = sorted(
            (top_up, account)
            for (through, top_up), account in self._shelf.routes.items()
            if through == gateway and top_up > after
        )
        return tuple(
            self._shelf.accounts[account].top_ups[top_up]
            for top_up, account in mine[: max(limit, 0)]
        )

    def account_top_ups(
        self,
        account: str,
        *,
        before: tuple[datetime, str] | None = None,
        state: TopUpState | None = None,
        limit: int = 100,
    ) -> Sequence[TopUp]:
        kept = self._shelf.accounts.get(account)
        found = [
            one
            for one in (kept.top_ups.values() if kept else ())
            if (before is None or (one.created_at, one.id) < before)
            and (state is None or one.state is state)
        ]
        found.sort(key=lambda one: (one.created_at, one.id), reverse=True)
        return tuple(found[: max(limit, 0)])

    def due(self, until: datetime, limit: int) -> Sequence[str]:
        soonest = islice(self._shelf.due, max(limit, 0))
        return tuple(account for due_at, account in soonest if due_at <= until)

    def accounts(self, *, after: str = "", limit: int = 100) -> Sequence[str]:
        first = bisect_right(self._shelf.ids, after)
        return tuple(self._shelf.ids[first : first + max(limit, 0)])

    def messages(self, account: str, *, after: str = "", limit: int = 100) -> Sequence[Message]:
        kept = self._shelf.accounts.get(account)
        messages = sorted(kept.messages) if kept else []
        first = bisect_right(messages, after)
        page = messages[first : first + max(limit, 0)]
        return tuple([kept.messages[one] for one in page]) if kept else ()

    def metered(
        self,
        account: str,
        *,
        since: datetime,
        until: datetime,
        after: str = "",
        limit: int = 100,
    ) -> Sequence[MeteredUsage]:
        kept = self._shelf.accounts.get(account)
        found = sorted(
            kept.metered.values() if kept else (),
            key=lambda one: (one.record.occurred_at, one.record.id),
        )
        behind = (
            one
            for one in found
            if (since, after) < (one.record.occurred_at, one.record.id)
            and one.record.occurred_at < until
        )
        return tuple(islice(behind, max(limit, 0)))

    def tallies(self, account: str, prefix: str) -> Mapping[str, Tally]:
        kept = self._shelf.accounts.get(account)
        names = sorted(kept.tallies) if kept else []
        return {one: kept.tallies[one] for one in names if one.startswith(prefix)} if kept else {}

    def numbers(self, ids: Sequence[str]) -> Mapping[str, BusinessNumber]:
        return {one: self._shelf.numbers[one] for one in ids if one in self._shelf.numbers}

    def asides(
        self, *, number: str = "", after: str = "", limit: int = 100
    ) -> Sequence[SetAsideStatus]:
        found = (one for _, one in sorted(self._shelf.asides.items()))
        behind = (
            one for one in found if one.id > after and (not number or one.status.number == number)
        )
        return tuple(islice(behind, max(limit, 0)))
