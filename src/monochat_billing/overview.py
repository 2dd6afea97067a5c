"""Overview: the Billing page of one account as one value.

Owns what the page shows and how it prints. Does not own any figure on it.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import final

import attrs

from monochat_billing.accounts import AccountState
from monochat_billing.balance import Entry
from monochat_billing.instants import check_zone
from monochat_billing.money import Money, amount_text
from monochat_billing.plans import AnyCatalog, Family
from monochat_billing.scheduling import ScheduledChange
from monochat_billing.subscriptions import Subscription
from monochat_billing.tables import table

__all__ = ["BalanceLine", "Overview", "overview"]


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


def overview(state: AccountState, catalog: AnyCatalog, last_entries: Sequence[Entry]) -> Overview:
    """Compose the page from a state that is caught up.

    >>> from datetime import UTC, datetime
    >>> from monochat_billing.commands import open_account
    >>> from monochat_billing.plans import sample_catalog
    >>> t = datetime(2026, 10, 5, tzinfo=UTC)
    >>> opened = open_account(
    ...     account="acme", zone="UTC", currencies=["TRY"], profile=None, now=t
    ... )
    >>> page = overview(opened.state, sample_catalog(), ())
    >>> print(str(page).partition("subscription")[0].rstrip())
    acme (acme), 2026-10-05 00:00 UTC
    <BLANKLINE>
    balance  posted  held  available
    -------  ------  ----  ---------
    TRY           0     0          0
    """
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
        catalog_note=catalog.at(at).note,
    )
