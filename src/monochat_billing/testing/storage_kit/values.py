"""Domain values for storages to keep: small, whole, and all different.

Owns an account, its entries, and one value of every kind that is stored, with each of its fields in
use; and the shortest ways to load and save them.
Does not own any case: they are what the cases are made of.

>>> from monochat_billing.adapters.memory import MemoryStorage
>>> storage = MemoryStorage()
>>> open_account(storage, funds="10")
>>> save(storage, debiting(state_of(stored(storage)), lira("4")))
>>> state_of(stored(storage)).books.balance("TRY").posted
6000000
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import attrs

from monochat_billing.accounts import Account, AccountState, ChargedUsage
from monochat_billing.balance import (
    Books,
    Entry,
    EntryKind,
    Memo,
    Terms,
    credit,
    debit,
    open_balance,
)
from monochat_billing.events import AccountOpened, Event, UsageCharged
from monochat_billing.lots import ChargeKind, LotOrigin
from monochat_billing.money import Money, money
from monochat_billing.payments import Checkout, TopUp, TopUpState
from monochat_billing.periods import MONTH, BillingAnchor
from monochat_billing.plans import ChangeTiming, Family, Price
from monochat_billing.profiles import Address, BillingProfile, TaxId, TaxIdKind
from monochat_billing.rating import MessageCategory, UsageRecord
from monochat_billing.repositories import (
    Changes,
    KeyRecord,
    Loaded,
    RecordedEvent,
    Storage,
    UnitOfWork,
    Wanted,
)
from monochat_billing.scheduling import ScheduledChange
from monochat_billing.subscriptions import Charge, HistoryLine, Subscription, SubscriptionState

__all__ = [
    "BUYER",
    "START",
    "and_then",
    "charging",
    "crediting",
    "debiting",
    "key_record",
    "later",
    "lira",
    "load",
    "memo",
    "new_account",
    "open_account",
    "opening",
    "promotion",
    "save",
    "scheduled",
    "state_of",
    "stored",
    "subscription",
    "top_up",
    "usage",
    "with_events",
]

START: Final = datetime(2026, 10, 5, 6, 0, 0, 123456, tzinfo=UTC)
"""When everything begins: not a whole second."""

BUYER: Final = BillingProfile(
    business_name="Örnek İletişim A.Ş.",
    address=Address(line="Gül Sok. 5", post_code="34660", district="Üsküdar", city="İstanbul"),
    tax_id=TaxId(kind=TaxIdKind.TCKN, number="10000000146"),
    email="billing@acme.example",
)
"""Who pays, with letters that not every encoding has."""


def later(**parts: int) -> datetime:
    """Give an instant after the start."""
    return START + timedelta(**parts)


def lira(amount: str) -> Money:
    """Give an amount in TRY."""
    return money(amount, "TRY")


def memo(kind: EntryKind = EntryKind.CHARGE, **change: Any) -> Memo:  # noqa: ANN401 - any field
    """Say what an entry is for."""
    return Memo(kind, START, START, **change)


def new_account(
    account: str = "acme",
    *,
    currencies: Sequence[str] = ("TRY", "USD"),
    **facts: Any,  # noqa: ANN401 - any field
) -> AccountState:
    """Give the state of an account that was never stored."""
    books = Books(account)
    for currency in currencies:
        books = open_balance(books, currency)
    head = Account(
        id=account,
        currencies=tuple(currencies),
        opened_at=START,
        as_of=START,
        **{"zone": "Europe/Istanbul", "profile": BUYER, **facts},
    )
    return AccountState(account=head, books=books)


def opening(account: str = "acme", **facts: Any) -> Changes:  # noqa: ANN401 - any field
    """Give the changes that open an account."""
    state = new_account(account, **facts)
    event = AccountOpened(
        account=account, at=START, zone=state.account.zone, currencies=state.account.currencies
    )
    return with_events(Changes(None, state), event)


def with_events(changes: Changes, *events: Event) -> Changes:
    """Put events into changes, numbered from where the account stands."""
    account = changes.after.account
    recorded = tuple(
        RecordedEvent(account.id, number, event)
        for number, event in enumerate(events, account.events + 1)
    )
    head = attrs.evolve(account, events=account.events + len(recorded))
    return attrs.evolve(
        changes,
        after=attrs.evolve(changes.after, account=head),
        events=changes.events + recorded,
    )


def load(unit: UnitOfWork, account: str = "acme", **wanted: Sequence[str]) -> Loaded:
    """Load one account and what else is wanted of it."""
    sets: dict[str, Any] = {kind: frozenset(names) for kind, names in wanted.items()}
    return unit.load([Wanted(account, **sets)])[account]


def stored(storage: Storage, account: str = "acme", **wanted: Sequence[str]) -> Loaded:
    """Read one account as it is stored."""
    sets: dict[str, Any] = {kind: frozenset(names) for kind, names in wanted.items()}
    return storage.read(lambda reader: reader.load([Wanted(account, **sets)])[account])


def state_of(loaded: Loaded) -> AccountState:
    """Give the state of an account that has to exist.

    Raises:
        AssertionError: the storage has no such account.
    """
    if loaded.state is None:
        raise AssertionError("an account that was saved is not there")
    return loaded.state


def crediting(state: AccountState, amount: Money, terms: Terms | None = None) -> Changes:
    """Give the changes of a top-up."""
    posted = credit(state.books, amount, memo(EntryKind.TOP_UP), terms or Terms())
    return Changes(state, state.with_books(posted.books), (posted.entry,))


def debiting(state: AccountState, amount: Money, *, reason: str = "export") -> Changes:
    """Give the changes of a debit.

    Raises:
        InsufficientFunds: as the domain says.
    """
    posted = debit(state.books, amount, memo(reason=reason))
    return Changes(state, state.with_books(posted.books), (posted.entry,))


def and_then(first: Changes, second: Changes) -> Changes:
    """Give two changes, of which the second goes on from the first, as one."""
    return attrs.evolve(
        first,
        after=second.after,
        entries=first.entries + second.entries,
        events=first.events + second.events,
        keys=first.keys + second.keys,
        usage=first.usage + second.usage,
    )


def open_account(storage: Storage, account: str = "acme", *, funds: str = "", **facts: Any) -> None:  # noqa: ANN401 - any field
    """Store a new account, with a paid lot of ``funds`` if any are named."""

    def work(unit: UnitOfWork) -> None:
        load(unit, account)
        changes = opening(account, **facts)
        if funds:
            changes = and_then(changes, crediting(changes.after, lira(funds)))
        unit.save([changes])

    storage.write(work)


def save(storage: Storage, changes: Changes) -> None:
    """Store changes of one account."""

    def work(unit: UnitOfWork) -> None:
        load(unit, changes.after.account.id)
        unit.save([changes])

    storage.write(work)


def promotion() -> Terms:
    """Give terms that use every field of a lot."""
    return Terms(
        origin=LotOrigin.PROMOTIONAL,
        pays_for=frozenset({ChargeKind.MESSAGE, ChargeKind.PLAN}),
        expires_at=later(days=30),
        priority=50,
    )


def subscription(name: str = "sub-1", account: str = "acme", **change: Any) -> Subscription:  # noqa: ANN401 - any field
    """Give a subscription that was paid by a lot."""
    anchor = BillingAnchor.at(START, "Europe/Istanbul")
    period = anchor.period(MONTH, 0)
    price = Price(interval=MONTH, amount=lira("1499"))
    paid = debit(_funded(), price.amount, memo(EntryKind.PLAN_FEE))
    facts: Mapping[str, Any] = {
        "id": name,
        "account": account,
        "family": Family.PLAN,
        "product": "growth",
        "price": price,
        "state": SubscriptionState.ACTIVE,
        "anchor": anchor,
        "index": 0,
        "period": period,
        "charge": Charge(
            amount=price.amount,
            whole=period,
            span=period,
            shares=paid.shares,
            entry=paid.entry.number,
        ),
        "history": (HistoryLine(product="growth", price=price, start=period.start),),
        **change,
    }
    return Subscription(**facts)


def _funded() -> Books:
    books = open_balance(Books("acme"), "TRY")
    books = credit(books, lira("1000"), memo(EntryKind.TOP_UP), promotion()).books
    return credit(books, lira("1000"), memo(EntryKind.TOP_UP)).books


def scheduled(name: str = "sch-1", account: str = "acme", **change: Any) -> ScheduledChange:  # noqa: ANN401 - any field
    """Give a pending change at an instant."""
    facts: Mapping[str, Any] = {
        "id": name,
        "account": account,
        "subscription": "sub-1",
        "to": "basic",
        "interval": MONTH,
        "timing": ChangeTiming.AT,
        "at": later(days=10),
        "requested_at": START,
        "shown": lira("499.90"),
        "actor": "user 7",
        **change,
    }
    return ScheduledChange(**facts)


def top_up(name: str = "top-1", account: str = "acme", **change: Any) -> TopUp:  # noqa: ANN401 - any field
    """Give a top-up whose checkout is open."""
    amount = lira("250.50")
    facts: Mapping[str, Any] = {
        "id": name,
        "account": account,
        "gateway": "sandbox",
        "amount": amount,
        "return_url": "https://acme.example/back?ü=1",
        "state": TopUpState.OPEN,
        "created_at": START,
        "profile": BUYER,
        "checkout": Checkout(
            top_up=name, gateway="sandbox", amount=amount, redirect_url="http://127.0.0.1:1/p"
        ),
        **change,
    }
    return TopUp(**facts)


def usage(name: str, entry: int | None = None, **change: Any) -> ChargedUsage:  # noqa: ANN401 - any field
    """Give a message that was rated."""
    record = UsageRecord(
        id=name,
        meter="whatsapp.message",
        occurred_at=START,
        market="Turkey",
        category=MessageCategory.UTILITY,
        reference="phone-1",
    )
    return ChargedUsage(attrs.evolve(record, **change), "TRY", 900, "2026-10-01", entry)


def charging(state: AccountState, names: Sequence[str]) -> Changes:
    """Give the changes of a batch of messages, each with an entry of its own."""
    books = state.books
    entries: list[Entry] = []
    for name in names:
        posted = debit(books, lira("0.0009"), memo(EntryKind.MESSAGE_FEE, reference=name))
        books = posted.books
        entries.append(posted.entry)
    charged = tuple(usage(name, entry.number) for name, entry in zip(names, entries, strict=True))
    event = UsageCharged(
        account=state.account.id,
        at=START,
        first_entry=entries[0].number,
        last_entry=entries[-1].number,
        records=len(entries),
        amount=lira("0.0009"),
    )
    changes = Changes(state, state.with_books(books), tuple(entries), usage=charged)
    return with_events(changes, event)


def key_record(name: str, outcome: object, account: str = "acme") -> KeyRecord:
    """Give what a key is remembered by."""
    content = {"verb": "balances.debit", "amount": "12.50 TRY", "reason": 'a "quote", ğ'}
    return KeyRecord(account, name, content, outcome, START)
