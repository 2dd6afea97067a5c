"""One account as a whole: the door to its state, and how time passes on it.

Owns catch-up: applying whatever is due, in order, before anything else happens.
Does not own any single rule: the state is :mod:`monochat_billing.account_state`, what falls due is
done by :mod:`monochat_billing.due_work`, prices come from :mod:`monochat_billing.plans`, amounts
from :mod:`monochat_billing.changes`, order from :mod:`monochat_billing.scheduling`.

Effective time never runs backwards on an account: a clock that was set back is read as the latest
instant that the account has seen.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import islice
from typing import Final

import attrs

from monochat_billing.account_state import (
    Account,
    AccountState,
    ChargedUsage,
    Step,
    make_step,
    noticed as _noticed,
    require_account,
)
from monochat_billing.due_work import apply_due, revive
from monochat_billing.entitlements import ENTITLED_DUES, do_due, followed, with_noted
from monochat_billing.events import BalanceLow, RenewalFailed
from monochat_billing.plans import AnyCatalog
from monochat_billing.scheduling import Due, DueKind
from monochat_billing.subscriptions import SubscriptionState
from monochat_billing.units import unit_of

__all__ = [
    "Account",
    "AccountState",
    "ChargedUsage",
    "Step",
    "ahead",
    "catch_up",
    "covered_until",
    "followed",
    "make_step",
    "noticed",
    "require_account",
    "revive",
]


_LOOKED_AHEAD: Final = timedelta(days=366)
_MOST_LOOKED_AT: Final = 1000
_UNPAID: Final = (SubscriptionState.PAST_DUE, SubscriptionState.SUSPENDED)


def catch_up(state: AccountState, catalog: AnyCatalog, now: datetime) -> Step:
    """Apply whatever is due on the account up to ``now`` (inclusive), in order.

    Entries carry the instant at which they were due as effective and ``now`` as recorded, so it
    does not matter when, how often or by whom time is made to pass. Nothing due is free.

    >>> from datetime import UTC, datetime
    >>> from monochat_billing import plan_commands
    >>> from monochat_billing.commands import open_account
    >>> from monochat_billing.periods import MONTH
    >>> from monochat_billing.plans import sample_catalog
    >>> t = datetime(2026, 10, 5, tzinfo=UTC)
    >>> opened = open_account(
    ...     account="acme", zone="UTC", currencies=["TRY"], profile=None, now=t
    ... )
    >>> catalog = sample_catalog()
    >>> step = plan_commands.subscribe(
    ...     opened.state, catalog, subscription_id="s-1", product="basic", interval=MONTH,
    ...     currency=None, actor="", now=t,
    ... )
    >>> later = catch_up(step.state.settled, catalog, datetime(2027, 1, 1, tzinfo=UTC))
    >>> [event.at.date().isoformat() for event in later.events]
    ['2026-11-05', '2026-12-05', '2026-12-05']
    """
    now = max(now, state.account.as_of)
    if state.account.next_due_at is None or state.account.next_due_at > now:
        return make_step(state.seen(now))
    step = Step(state)
    for _, link in ahead(state, catalog, now):
        step = step.then(link)
    return Step(step.state.seen(now), step.entries, step.events)


def ahead(state: AccountState, catalog: AnyCatalog, until: datetime) -> Iterator[tuple[Due, Step]]:
    """Apply what falls due up to ``until`` (inclusive) one by one, and yield each with its step.

    Catch-up is the chain of these; a forecast looks at its links. Entries are recorded at
    ``until``.
    """
    while (due := state.next_due()) is not None and due.at <= until:
        step = noticed(_done(state, due, catalog, until), due.at, catalog)
        yield due, step
        state = step.state


def _done(state: AccountState, due: Due, catalog: AnyCatalog, until: datetime) -> Step:
    """Do one thing that is due, and what an account is entitled to by it."""
    if due.kind in ENTITLED_DUES:
        return do_due(state, due, catalog, until)
    if due.kind is DueKind.LOT_EXPIRY:
        state = with_noted(state, due.at)
    return followed(state, apply_due(state, due, catalog, until), catalog, due.at, until)


def noticed(step: Step, at: datetime, catalog: AnyCatalog | None = None) -> Step:
    """Add to a step what follows from the thresholds that it crossed; without any it is free.

    With the ``catalog`` a :class:`~monochat_billing.events.BalanceLow` says how long what is left
    covers the charges ahead.
    """
    account = step.state.account
    if not (account.watches or account.automatic):
        return step
    told = _noticed(step, at)
    events = told.events[len(step.events) :]
    if catalog is None or not any(isinstance(event, BalanceLow) for event in events):
        return told
    horizon = at + _LOOKED_AHEAD
    timed = [
        attrs.evolve(
            event, runway=covered_until(told.state, catalog, unit_of(event.threshold), at, horizon)
        )
        if isinstance(event, BalanceLow)
        else event
        for event in events
    ]
    return attrs.evolve(told, events=(*step.events, *timed))


def covered_until(
    state: AccountState, catalog: AnyCatalog, unit: str, at: datetime, horizon: datetime
) -> datetime | None:
    """Give the first instant from ``at`` on at which a renewal cannot be paid from a balance.

    None where everything up to ``horizon`` (inclusive) can. It counts what falls due, no usage.
    """
    if any(
        one.state in _UNPAID and one.price.currency == unit for one in state.subscriptions.values()
    ):
        return at
    quiet = attrs.evolve(state, account=attrs.evolve(state.account, watches=()))
    for due, step in islice(ahead(quiet, catalog, horizon), _MOST_LOOKED_AT):
        for event in step.events:
            if isinstance(event, RenewalFailed) and event.shortfall.currency.code == unit:
                return due.at
    return None
