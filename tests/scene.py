"""One account without a service: state in, step out, and everything that was decided so far."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import attrs

from monochat_billing import commands, plan_commands
from monochat_billing.accounts import Account, AccountState, Step, catch_up
from monochat_billing.audit import Audit, audit
from monochat_billing.balance import (
    Balance,
    Books,
    Entry,
    EntryKind,
    Memo,
    Terms,
    credit,
    open_balance,
)
from monochat_billing.events import Event
from monochat_billing.lots import Lot
from monochat_billing.money import Money, amount_text, money
from monochat_billing.periods import MONTH, BillingInterval
from monochat_billing.plan_commands import ChangeResult
from monochat_billing.plans import Catalog, ChangeTiming, Family, sample_catalog
from monochat_billing.profiles import Address, BillingProfile, TaxId, TaxIdKind
from monochat_billing.quotes import ChangeQuote
from monochat_billing.scheduling import ScheduledChange
from monochat_billing.subscriptions import Subscription

ISTANBUL = "Europe/Istanbul"
CATALOG = attrs.evolve(
    sample_catalog(),
    products=tuple(attrs.evolve(one, allowances=()) for one in sample_catalog().products),
    dunning=(),
)
"""The sample catalog, without allowances, and where an unpaid renewal waits for money."""
FREE_TERMS = Terms()
BUYER = BillingProfile(
    business_name="Acme Ltd.",
    address=Address(line="Street 1", city="Ankara", post_code="06420"),
    tax_id=TaxId(kind=TaxIdKind.VKN, number="6120606538", tax_office="Kadikoy"),
)


def instant(text: str) -> datetime:
    """Read a UTC instant such as "2026-10-05" or "2026-10-05 06:30"."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


START = instant("2026-10-05 06:00")


def lira(amount: str) -> Money:
    """Give an amount in TRY."""
    return money(amount, "TRY")


def memo(kind: EntryKind = EntryKind.CHARGE, at: datetime = START, **change: Any) -> Memo:  # noqa: ANN401
    """Say what an entry is for; effective and recorded at one instant."""
    return Memo(kind, at, at, **change)


def books_with(*amounts: str, unit: str = "TRY", at: datetime = START) -> Books:
    """Give books of "acme" with one paid lot for each amount."""
    books = open_balance(Books("acme"), unit)
    for amount in amounts:
        books = credit(books, money(amount, unit), memo(EntryKind.TOP_UP, at)).books
    return books


def posted(books: Books, unit: str = "TRY") -> str:
    """Give what is posted, as decimal text."""
    balance = books.balance(unit)
    return amount_text(balance.money(balance.posted))


def remaining(books: Books, unit: str = "TRY") -> dict[int, int]:
    """Give what remains in each lot, in whole major units or in the smallest unit otherwise."""
    return {lot.number: lot.remaining for lot in books.balance(unit).lots}


def _without_spent(books: Books) -> Books:
    balances: Mapping[str, Balance] = {
        unit: attrs.evolve(one, lots=tuple(lot for lot in one.lots if lot.remaining))
        for unit, one in books.balances.items()
    }
    return attrs.evolve(books, balances=balances)


@attrs.define
class Scene:
    """Run decisions on one account and collect what they decided.

    After each step it forgets what a storage would not load again: spent lots and decided
    changes. They stay in ``lots`` and ``schedule``.
    """

    state: AccountState
    catalog: Catalog = CATALOG
    entries: list[Entry] = attrs.field(factory=list)
    events: list[Event] = attrs.field(factory=list)
    lots: dict[int, Lot] = attrs.field(factory=dict)
    schedule: dict[str, ScheduledChange] = attrs.field(factory=dict)
    ids: int = 0

    def run(self, now: datetime | str) -> Step:
        """Let time pass."""
        return self._keep(catch_up(self.state, self.catalog, _at(now)))

    def do(self, now: datetime | str, decide: Callable[[AccountState, datetime], Step]) -> Any:  # noqa: ANN401
        """Let time pass, then decide; a refusal leaves only what the passing of time did."""
        self.run(now)
        step = decide(self.state, max(_at(now), self.state.account.as_of))
        return self._keep(step).result

    def _keep(self, step: Step) -> Step:
        self.entries += step.entries
        self.events += step.events
        for balance in step.state.books.balances.values():
            self.lots.update((lot.number, lot) for lot in balance.lots)
        self.schedule.update(step.state.schedule)
        self.state = attrs.evolve(
            step.state,
            books=_without_spent(step.state.books),
            schedule={key: one for key, one in step.state.schedule.items() if one.pending},
            known_usage=frozenset(),
        ).settled
        return step

    def fresh(self, kind: str) -> str:
        """Give an id that was not given before."""
        self.ids += 1
        return f"{kind}-{self.ids}"

    # what can be asked

    def credit(self, now: datetime | str, amount: str | Money, terms: Terms = FREE_TERMS) -> Entry:
        """Put money in; it revives what is past due."""
        value = lira(amount) if isinstance(amount, str) else amount

        entry: Entry = self.do(
            now,
            lambda state, at: commands.grant(state, value, terms=terms, reason="grant", now=at),
        )
        return entry

    def debit(self, now: datetime | str, amount: str | Money) -> Entry:
        """Take money out."""
        value = lira(amount) if isinstance(amount, str) else amount
        entry: Entry = self.do(
            now, lambda state, at: commands.charge(state, value, reason="export", now=at)
        )
        return entry

    def subscribe(
        self,
        now: datetime | str,
        product: str,
        interval: BillingInterval = MONTH,
        *,
        currency: str | None = None,
    ) -> Subscription:
        """Start a subscription; its id is its family's name."""
        subscription: Subscription = self.do(
            now,
            lambda state, at: plan_commands.subscribe(
                state,
                self.catalog,
                subscription_id=self.catalog.product(product).family.lower(),
                product=product,
                interval=interval,
                currency=currency,
                actor="",
                now=at,
            ),
        )
        return subscription

    def preview(
        self,
        now: datetime | str,
        to: str,
        interval: BillingInterval | None = None,
        timing: ChangeTiming | None = None,
    ) -> ChangeQuote:
        """Quote a change; nothing is kept."""
        seen = catch_up(self.state, self.catalog, _at(now)).state
        return plan_commands.preview_change(
            seen,
            self.catalog,
            quote_id=self.fresh("quote"),
            to=to,
            interval=interval,
            timing=timing,
            now=seen.account.as_of,
        )

    def execute(self, now: datetime | str, quote: ChangeQuote) -> ChangeResult:
        """Do what a quote shows."""
        schedule_id = self.fresh("change")
        result: ChangeResult = self.do(
            now,
            lambda state, at: plan_commands.change_subscription(
                state, self.catalog, quote, schedule_id=schedule_id, actor="", now=at
            ),
        )
        return result

    def change(
        self,
        now: datetime | str,
        to: str,
        interval: BillingInterval | None = None,
        timing: ChangeTiming | None = None,
    ) -> ChangeResult:
        """Preview a change and do it at once."""
        return self.execute(now, self.preview(now, to, interval, timing))

    def plan(
        self,
        now: datetime | str,
        to: str,
        interval: BillingInterval | None = None,
        *,
        at: datetime | str | None = None,
        shown: Money | None = None,
    ) -> ScheduledChange:
        """Schedule a change for the period's end, or for an instant."""
        schedule_id = self.fresh("change")
        change: ScheduledChange = self.do(
            now,
            lambda state, seen: plan_commands.schedule_change(
                state,
                self.catalog,
                schedule_id=schedule_id,
                to=to,
                interval=interval,
                timing=ChangeTiming.END_OF_PERIOD if at is None else ChangeTiming.AT,
                at=None if at is None else _at(at),
                actor="",
                now=seen,
                shown=shown,
            ),
        )
        return change

    def revoke(self, now: datetime | str, change: str) -> ScheduledChange:
        """Take a scheduled change back."""
        revoked: ScheduledChange = self.do(
            now, lambda state, at: plan_commands.revoke_change(state, change, at)
        )
        return revoked

    # what can be seen

    def of(self, family: Family = Family.PLAN) -> Subscription:
        """Give the subscription of one family."""
        found = self.state.subscription(family)
        assert found is not None
        return found

    def posted(self, unit: str = "TRY") -> str:
        """Give what is posted, as decimal text."""
        return posted(self.state.books, unit)

    def happened(self) -> list[str]:
        """Name the events so far."""
        return [type(event).__name__ for event in self.events]

    def amounts(self) -> list[str]:
        """Give the signed amounts of the entries so far, as decimal text."""
        return [amount_text(entry.money) for entry in self.entries]

    def audit(self) -> Audit:
        """Check the books against everything that was ever posted."""
        state = self.state
        return audit(state.books, tuple(self.lots.values()), self.entries, state.holds.values())


def scene(
    *amounts: str,
    zone: str = ISTANBUL,
    at: datetime = START,
    catalog: Catalog = CATALOG,
    currencies: tuple[str, ...] = ("TRY", "USD"),
) -> Scene:
    """Open "acme" with one paid lot for each amount in TRY."""
    books = Books("acme")
    for code in currencies:
        books = open_balance(books, code)
    account = Account(
        id="acme", zone=zone, currencies=currencies, opened_at=at, as_of=at, profile=BUYER
    )
    made = Scene(AccountState(account=account, books=books), catalog)
    for amount in amounts:
        made.credit(at, amount)
    return made


def _at(value: datetime | str) -> datetime:
    return instant(value) if isinstance(value, str) else value
