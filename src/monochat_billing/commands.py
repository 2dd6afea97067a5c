"""Commands: what can be asked of one account, each as a plain function from state to step.

Owns the judgment of a request against an account as it stands, after catch-up.
Does not own storage, clocks, ids or keys: the service brings them.

Every function takes the account's state (caught up to ``now``) and returns a
:class:`~monochat_billing.accounts.Step` with the result, or raises and changes nothing.
"""

from collections.abc import Sequence
from datetime import datetime

import attrs

from monochat_billing.accounts import (
    Account,
    AccountState,
    Step,
    make_step,
    revive,
)
from monochat_billing.balance import (
    Books,
    DebitMode,
    EntryKind,
    Memo,
    Terms,
    credit,
    debit,
    make_memo,
    open_balance,
)
from monochat_billing.errors import (
    InvalidInput,
)
from monochat_billing.events import (
    AccountOpened,
    ProfileErased,
    ProfileUpdated,
)
from monochat_billing.money import check_currency
from monochat_billing.periods import check_zone
from monochat_billing.postings import posting_events
from monochat_billing.profiles import BillingProfile
from monochat_billing.texts import check_line
from monochat_billing.units import Amount, Units

__all__ = [
    "charge",
    "erase_profile",
    "grant",
    "open_account",
    "update_profile",
]


def open_account(
    *,
    account: str,
    zone: str,
    currencies: Sequence[str],
    profile: BillingProfile | None,
    now: datetime,
) -> Step:
    """Open an account with an empty balance in each currency.

    Raises:
        InvalidInput: the zone or a currency does not exist, a currency stands twice, or there is
            none.

    >>> from datetime import UTC, datetime
    >>> step = open_account(
    ...     account="acme", zone="Europe/Istanbul", currencies=["TRY", "USD"], profile=None,
    ...     now=datetime(2026, 10, 5, tzinfo=UTC),
    ... )
    >>> list(step.state.books.balances), step.events[0].zone
    (['TRY', 'USD'], 'Europe/Istanbul')
    """
    check_zone(zone)
    if isinstance(currencies, str):
        raise InvalidInput("currencies", currencies, "is no list", f'pass ["{currencies}"]')
    codes = tuple(check_currency(one, field="currencies").code for one in currencies)
    if not codes or len(set(codes)) != len(codes):
        raise InvalidInput(
            "currencies", tuple(currencies), "is empty or repeats one", "name each currency once"
        )
    books = Books(account)
    for code in codes:
        books = open_balance(books, code)
    opened = Account(
        id=account, zone=zone, currencies=codes, opened_at=now, as_of=now, profile=profile
    )
    event = AccountOpened(account=account, at=now, zone=zone, currencies=codes)
    state = AccountState(account=opened, books=books)
    return Step(state, events=(event,), result=opened)


def erase_profile(state: AccountState, *, actor: str, now: datetime) -> Step:
    """Take the billing profile from the account; one that has none stays as it is.

    Raises:
        InvalidInput: the actor is no line of text.
    """
    check_line(actor, "actor")
    account = attrs.evolve(state.account, profile=None)
    event = ProfileErased(account=account.id, at=now, actor=actor)
    return Step(attrs.evolve(state, account=account), events=(event,), result=account)


def update_profile(
    state: AccountState, profile: BillingProfile, *, actor: str, now: datetime
) -> Step:
    """Give the account another billing profile.

    Raises:
        InvalidInput: the actor is no line of text.

    >>> from datetime import UTC, datetime
    >>> from monochat_billing.profiles import Address, TaxId, TaxIdKind
    >>> t = datetime(2026, 10, 5, tzinfo=UTC)
    >>> opened = open_account(
    ...     account="acme", zone="UTC", currencies=["TRY"], profile=None, now=t
    ... )
    >>> profile = BillingProfile(
    ...     business_name="Acme",
    ...     address=Address(line="Street 1", city="Ankara", post_code="06420"),
    ...     tax_id=TaxId(kind=TaxIdKind.VKN, number="6120606538", tax_office="Ulus"),
    ... )
    >>> update_profile(opened.state, profile, actor="", now=t).result.profile.business_name
    'Acme'
    """
    check_line(actor, "actor")
    account = attrs.evolve(state.account, profile=profile)
    event = ProfileUpdated(account=account.id, at=now, actor=actor)
    return Step(attrs.evolve(state, account=account), events=(event,), result=account)


def charge(
    state: AccountState,
    amount: Amount,
    *,
    reason: str,
    reference: str = "",
    actor: str = "",
    mode: DebitMode = DebitMode.WHOLE,
    kind: EntryKind = EntryKind.CHARGE,
    now: datetime,
) -> Step:
    """Debit ``amount`` for the host's own purpose, or whatever ``kind`` says.

    Raises:
        InsufficientFunds: less is available than ``mode`` needs; nothing has changed.
        IllegalTransition: the debit is forced and the balance is closed.
        InvalidInput: the amount is not above zero or too precise, or there is no reason.

    >>> from datetime import UTC, datetime
    >>> t = datetime(2026, 10, 5, tzinfo=UTC)
    >>> opened = open_account(
    ...     account="acme", zone="UTC", currencies=["TRY"], profile=None, now=t
    ... )
    >>> from monochat_billing.money import money
    >>> charge(opened.state, money("5", "TRY"), reason="export", now=t)
    Traceback (most recent call last):
    monochat_billing.errors.InsufficientFunds: acme: 5 TRY asked, 0 available, 5 short; ...
    """
    _check_reason(reason)
    memo = make_memo(kind, now, now, reason, reference, actor)
    posted = debit(state.books, amount, memo, mode)
    entries = posted.entries
    events = posting_events(state.books, posted.books, entries)
    return make_step(state.with_books(posted.books), entries, events, (), posted.entry)


def grant(
    state: AccountState,
    amount: Amount,
    *,
    terms: Terms,
    reason: str,
    reference: str = "",
    actor: str = "",
    now: datetime,
) -> Step:
    """Credit ``amount`` as a lot on the given terms, and revive what was past due.

    The balance of a meter is opened by its first credit.

    Raises:
        InvalidInput: the amount is not above zero or too precise, there is no reason, or the lot
            would be expired from the start.
        IllegalTransition: the balance is closed.
        UnknownName: the account has no balance in that currency.

    >>> from datetime import UTC, datetime
    >>> t = datetime(2026, 10, 5, tzinfo=UTC)
    >>> opened = open_account(
    ...     account="acme", zone="UTC", currencies=["TRY"], profile=None, now=t
    ... )
    >>> from monochat_billing.money import money
    >>> step = grant(opened.state, money("5", "TRY"), terms=Terms(), reason="spring", now=t)
    >>> print(step.result)
    #1 2026-10-05 00:00Z GRANT +5 TRY → 5 spring
    """
    _check_reason(reason)
    memo = Memo(EntryKind.GRANT, now, now, reason, reference, actor)
    books = state.books
    if isinstance(amount, Units):
        books = open_balance(books, amount.unit)
    posted = credit(books, amount, memo, terms)
    step = Step(state.with_books(posted.books), posted.entries)
    return attrs.evolve(step.then(revive(step.state, now, now)), result=posted.entry)


def _check_reason(reason: str) -> None:
    if not isinstance(reason, str) or not reason.strip():
        raise InvalidInput("reason", reason, "is empty", "say what it is for")
