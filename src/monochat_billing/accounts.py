"""One account as a whole: the door to its state, and how time passes on it.

Owns catch-up: applying whatever is due, in order, before anything else happens.
Does not own any single rule: the state is :mod:`monochat_billing.account_state`, what falls due is
done by :mod:`monochat_billing.due_work`, prices come from :mod:`monochat_billing.plans`, amounts
from :mod:`monochat_billing.changes`, order from :mod:`monochat_billing.scheduling`.

Effective time never runs backwards on an account: a clock that was set back is read as the latest
instant that the account has seen.
"""

from collections.abc import Iterator
from datetime import datetime

from monochat_billing.account_state import (
    Account,
    AccountState,
    ChargedUsage,
    Step,
    noticed,
    require_account,
)
from monochat_billing.due_work import apply_due, revive
from monochat_billing.plans import AnyCatalog
from monochat_billing.scheduling import Due

__all__ = [
    "Account",
    "AccountState",
    "ChargedUsage",
    "Step",
    "ahead",
    "catch_up",
    "noticed",
    "require_account",
    "revive",
]


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
    ['2026-11-05', '2026-12-05']
    """
    now = max(now, state.account.as_of)
    if state.account.next_due_at is None or state.account.next_due_at > now:
        return Step(state.seen(now))
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
        step = noticed(apply_due(state, due, catalog, until), due.at)
        yield due, step
        state = step.state
