"""Overview: the Billing page of one account as one value.

Owns what the page shows and how it prints. Does not own any figure on it.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final, final

import attrs

from monochat_billing.accounts import AccountState
from monochat_billing.balance import Entry
from monochat_billing.instants import check_zone
from monochat_billing.money import Money, amount_text
from monochat_billing.plans import Catalog, Family
from monochat_billing.scheduling import ScheduledChange
from monochat_billing.subscriptions import Subscription

__all__ = ["BalanceLine", "Overview", "overview", "table"]

_WIDTH: Final = 100


@final
@attrs.frozen(kw_only=True)
class BalanceLine:
    """Show one balance: posted is the sum of entries, available what a debit can take now."""

    currency: str
    posted: Money
    held: Money
    available: Money


@final
@attrs.frozen(kw_only=True)
class Overview:
    """Show everything that a business sees of its account at ``as_of``.

    ``last_entries`` are in ascending order. Printing it gives tables of at most 100 columns, with
    instants in the account's time zone.
    """

    account: str
    name: str
    zone: str
    as_of: datetime
    balances: tuple[BalanceLine, ...]
    subscriptions: tuple[Subscription, ...]
    scheduled: tuple[tuple[ScheduledChange, datetime], ...]
    last_entries: tuple[Entry, ...]
    catalog_note: str = ""

    def subscription(self, family: Family) -> Subscription | None:
        """Give the subscription of one product family, if there is one."""
        return next((one for one in self.subscriptions if one.family is family), None)

    def __str__(self) -> str:
        blocks = [
            f"{self.name or self.account} ({self.account}), {self._local(self.as_of)} {self.zone}",
            table(
                ("balance", ">posted", ">held", ">available"),
                [
                    (
                        one.currency,
                        amount_text(one.posted),
                        amount_text(one.held),
                        amount_text(one.available),
                    )
                    for one in self.balances
                ],
            ),
            table(
                ("subscription", "product", "state", "price", "from", "next renewal"),
                [self._subscription_row(one) for one in self.subscriptions],
            ),
            table(
                ("scheduled", "to", "interval", "due", "asked for"),
                [
                    (
                        change.timing.value,
                        change.to,
                        str(change.interval),
                        self._local(due_at),
                        self._local(change.requested_at),
                    )
                    for change, due_at in self.scheduled
                ],
            ),
            table(
                (">#", "effective", "entry", ">amount", ">balance", "reason"),
                [self._entry_row(one) for one in self.last_entries],
            ),
        ]
        if self.catalog_note:
            blocks.append(self.catalog_note)
        return "\n\n".join(blocks)

    def _local(self, instant: datetime) -> str:
        return f"{instant.astimezone(check_zone(self.zone)):%Y-%m-%d %H:%M}"

    def _subscription_row(self, one: Subscription) -> tuple[str, ...]:
        ahead = self._local(one.period.end)
        return (
            one.family.value.lower(),
            one.product,
            one.state.value,
            str(one.price),
            self._local(one.period.start),
            ahead,
        )

    def _entry_row(self, entry: Entry) -> tuple[str, ...]:
        sign = "+" if entry.amount > 0 else ""
        return (
            str(entry.number),
            self._local(entry.effective_at),
            entry.kind.value,
            f"{sign}{amount_text(entry.money)} {entry.unit}",
            amount_text(entry.balance_money),
            entry.reason,
        )


def overview(state: AccountState, catalog: Catalog, last_entries: Sequence[Entry]) -> Overview:
    """Compose the page from a state that is caught up."""
    account = state.account
    at = account.as_of
    lines = []
    for code in account.currencies:
        balance = state.books.balance(code)
        lines.append(
            BalanceLine(
                currency=code,
                posted=balance.money(balance.posted),
                held=balance.money(balance.held),
                available=balance.money(balance.available(None, at)),
            )
        )
    order = list(Family)
    subscriptions = sorted(state.subscriptions.values(), key=lambda one: order.index(one.family))
    pending = [
        (change, change.due_at(state.subscriptions[change.subscription]))
        for change in state.schedule.values()
        if change.pending
    ]
    return Overview(
        account=account.id,
        name=account.profile.business_name if account.profile else "",
        zone=account.zone,
        as_of=at,
        balances=tuple(lines),
        subscriptions=tuple(subscriptions),
        scheduled=tuple(sorted(pending, key=lambda one: (one[1], one[0].requested_at))),
        last_entries=tuple(last_entries),
        catalog_note=catalog.note,
    )


def table(heads: Sequence[str], rows: Sequence[Sequence[str]], *, width: int = _WIDTH) -> str:
    """Lay out rows under heads within ``width`` columns; a head that starts with > aligns right.

    The last column is shortened where a line would be too long. Without rows it says so.

    >>> print(table(("name", ">n"), [("a", "1"), ("bb", "20")]))
    name   n
    ----  --
    a      1
    bb    20
    """
    right = [head.startswith(">") for head in heads]
    titles = [head.removeprefix(">") for head in heads]
    if not rows:
        return f"{titles[0]}: none"
    widths = [
        max(len(title), *(len(row[column]) for row in rows)) for column, title in enumerate(titles)
    ]
    room = width - sum(widths[:-1]) - 2 * (len(widths) - 1)
    widths[-1] = max(min(widths[-1], room), 1)

    def line(cells: Sequence[str]) -> str:
        padded = [
            cell.rjust(size) if aligned else cell.ljust(size)
            for cell, size, aligned in zip(_cut(cells, widths[-1]), widths, right, strict=True)
        ]
        return "  ".join(padded).rstrip()

    return "\n".join([line(titles), line(["-" * size for size in widths]), *map(line, rows)])


def _cut(cells: Sequence[str], room: int) -> list[str]:
    *first, last = cells
    return [*first, last if len(last) <= room else last[: room - 1] + "…"]
