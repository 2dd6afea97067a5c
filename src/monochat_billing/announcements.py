"""Announcements: what an account is told some days before it happens.

*Owns* which things ahead are worth a word (renewals, ends of trials, credit that will be lost), and
by which key each is told once.
*Does not own* when they fall due or what they cost: :mod:`monochat_billing.forecast` decides it, by
the code that will do it. The host sends the mail.
"""

import hashlib
from collections.abc import Iterator
from datetime import datetime
from typing import Final

from monochat_billing.account_state import AccountState, Step
from monochat_billing.errors import InvalidInput
from monochat_billing.events import FallsDueSoon
from monochat_billing.forecast import upcoming
from monochat_billing.forecast_lines import ForecastLine, Outcome
from monochat_billing.lots import LotOrigin
from monochat_billing.money import Money, negate
from monochat_billing.plans import AnyCatalog
from monochat_billing.scheduling import DueKind
from monochat_billing.units import Amount, Units

__all__ = ["announce", "announcement_key", "announcements"]

_TOLD: Final = frozenset({DueKind.RENEWAL, DueKind.TRIAL_END, DueKind.LOT_EXPIRY})


def announcements(
    state: AccountState, catalog: AnyCatalog, until: datetime
) -> tuple[FallsDueSoon, ...]:
    """Give what is worth a word of what falls due up to ``until`` (inclusive), soonest first.

    ``state`` is caught up. What recurs is told for each period; an allowance that ends is not.

    >>> from datetime import UTC, timedelta
    >>> from monochat_billing import plan_commands
    >>> from monochat_billing.commands import open_account
    >>> from monochat_billing.periods import MONTH
    >>> from monochat_billing.plans import sample_catalog
    >>> t = datetime(2026, 10, 5, tzinfo=UTC)
    >>> state = open_account(
    ...     account="acme", zone="UTC", currencies=["TRY"], profile=None, now=t
    ... ).state
    >>> catalog = sample_catalog()
    >>> state = plan_commands.subscribe(
    ...     state, catalog, subscription_id="s-1", product="basic", interval=MONTH,
    ...     currency=None, actor="", now=t,
    ... ).state
    >>> [one.due_at.date().isoformat() for one in announcements(state, catalog, t)]
    []
    >>> (one,) = announcements(state, catalog, t + timedelta(days=31))
    >>> one.what, one.product, one.due_at.date().isoformat(), one.outcome
    ('RENEWAL', 'basic', '2026-11-05', 'DONE')
    """
    if until <= state.account.as_of:
        return ()
    return tuple(_told(state, upcoming(state, catalog, until).lines))


def _told(state: AccountState, lines: tuple[ForecastLine, ...]) -> Iterator[FallsDueSoon]:
    for line in lines:
        kind = line.kind
        if kind is None or kind not in _TOLD:
            continue
        lost = line.outcome is Outcome.LOST and line.origin is not LotOrigin.ALLOWANCE
        if kind is DueKind.LOT_EXPIRY and not lost:
            continue
        yield FallsDueSoon(
            account=state.account.id,
            at=state.account.as_of,
            what=kind.name,
            subject=line.subject,
            product=line.product,
            due_at=line.at,
            outcome=line.outcome.value,
            amount=_taken(line),
            shortfall=line.shortfall,
        )


def _taken(line: ForecastLine) -> Amount | None:
    """Give what will be charged or lost, above zero; what it would be where it fails."""
    if isinstance(line.amount, Units):
        return Units(-line.amount.count, line.amount.unit)
    if isinstance(line.amount, Money):
        return negate(line.amount)
    return line.price


def announcement_key(told: FallsDueSoon) -> str:
    """Name the one thing that is told: the same one has the same key, however often it is found."""
    text = f"{told.what} {len(told.subject)}:{told.subject} {told.due_at.isoformat()}"
    return "soon-" + hashlib.sha256(text.encode()).hexdigest()[:32]


def announce(state: AccountState, catalog: AnyCatalog, told: FallsDueSoon, until: datetime) -> Step:
    """Tell of one thing that was found ahead, as it looks now.

    Raises:
        InvalidInput: it is not ahead any more; nothing is told.
    """
    key = announcement_key(told)
    for one in announcements(state, catalog, until):
        if announcement_key(one) == key:
            return Step(state, events=(one,), result=one)
    raise InvalidInput("subject", told.subject, "is not ahead any more", "leave it")
