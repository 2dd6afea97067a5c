"""Hold commands: place, extend, capture and release, as functions from state to step.

Owns the judgment of such a request against an account as it stands, after catch-up.
Does not own what a hold does to the books (:mod:`monochat_billing.holds`), storage, clocks, ids or
keys.

Every function takes the account's state (caught up to ``now``, so that a hold whose time is over
has expired) and returns a :class:`~monochat_billing.accounts.Step` with the result, or raises and
changes nothing.
"""

from datetime import datetime
from typing import final

import attrs

from monochat_billing.accounts import AccountState, Step, revive
from monochat_billing.balance import Entry, EntryKind, Memo
from monochat_billing.errors import InvalidInput, UnknownName
from monochat_billing.holds import (
    Held,
    Hold,
    Rest,
    capture_hold,
    extend_hold,
    place_hold,
    release_hold,
)
from monochat_billing.instants import utc
from monochat_billing.postings import posting_events
from monochat_billing.refund_dues import is_due
from monochat_billing.units import Amount

__all__ = ["HELD_FOR", "HoldReport", "capture", "extend", "place", "release"]

HELD_FOR = frozenset(
    {
        EntryKind.CHARGE,
        EntryKind.MESSAGE_FEE,
        EntryKind.PLAN_FEE,
        EntryKind.SUPPORT_FEE,
        EntryKind.ADD_ON_FEE,
    }
)
"""The kinds of entries that something can be held for: charges."""


@final
@attrs.frozen(kw_only=True)
class HoldReport:
    """Return a hold after a capture or a release, and what was posted.

    ``entry`` is what came from the hold, ``excess`` the forced debit of what was asked above it.

    >>> from monochat_billing.money import money
    >>> from monochat_billing.testing.workbench import Workbench
    >>> bench = Workbench()
    >>> account = bench.open("acme", money("5000", "TRY"))
    >>> holds = bench.billing.holds
    >>> hold = holds.place("acme", money("30", "TRY"), reason="export", key="hold")
    >>> print(holds.capture("acme", hold.id, amount=money("12.50", "TRY"), key="done"))
    hold id-1: 17.5 TRY left, OPEN
    #2 2026-10-05 06:00Z CHARGE -12.5 TRY → 4987.5 export
    """

    hold: Hold
    entry: Entry | None = None
    excess: Entry | None = None

    def __str__(self) -> str:
        return "\n".join(str(one) for one in (self.hold, self.entry, self.excess) if one)


def place(
    state: AccountState,
    amount: Amount,
    *,
    hold_id: str,
    kind: EntryKind,
    expires_at: datetime | None,
    reason: str,
    reference: str = "",
    actor: str = "",
    now: datetime,
) -> Step:
    """Set ``amount`` aside for a charge of ``kind``, in full or not at all.

    Raises:
        InsufficientFunds: less is available for this kind of charge; nothing has changed.
        InvalidInput: the amount is not above zero or too precise, the kind is no charge, there is
            no reason, or the expiry is naive or not ahead.
        UnknownName: the account has no balance in that unit.
    """
    if kind not in HELD_FOR:
        raise InvalidInput(
            "kind", kind, "is no charge", f"use one of {', '.join(sorted(HELD_FOR))}"
        )
    if not isinstance(reason, str) or not reason.strip():
        raise InvalidInput("reason", reason, "is empty", "say what it is for")
    until = None if expires_at is None else utc(expires_at, field="expires_at")
    memo = Memo(kind, now, now, reason, reference, actor)
    done = place_hold(state.books, amount, memo, hold_id=hold_id, expires_at=until)
    return Step(state.with_hold(done.books, done.hold), result=done.hold)


def extend(
    state: AccountState,
    hold: str,
    *,
    more: Amount | None = None,
    expires_at: datetime | None = None,
    now: datetime,
) -> Step:
    """Set more aside in an open hold, let it wait longer, or both.

    Raises:
        IllegalTransition: the hold is resolved, or has expired by now.
        InsufficientFunds: less than ``more`` is available; nothing has changed.
        InvalidInput: nothing is extended, or the expiry is naive or not ahead.
        UnknownName: the account has no such hold.
    """
    until = None if expires_at is None else utc(expires_at, field="expires_at")
    done = extend_hold(state.books, _hold(state, hold), now, more=more, expires_at=until)
    return Step(state.with_hold(done.books, done.hold), result=done.hold)


def capture(
    state: AccountState,
    hold: str,
    *,
    amount: Amount | None = None,
    rest: Rest = Rest.KEEP,
    reference: str = "",
    actor: str = "",
    now: datetime,
) -> Step:
    """Take ``amount`` out of a hold (all that is left for None), and what is above it by force.

    Raises:
        IllegalTransition: the hold is resolved, or has expired by now.
        InvalidInput: the amount is not above zero, too precise, or of another unit, or a refund
            placed the hold.
        UnknownName: the account has no such hold.
    """
    found = _hold(state, hold, settles=True)
    memo = Memo(found.kind, now, now, found.reason, reference or found.reference, actor)
    return _done(state, capture_hold(state.books, found, amount, memo, rest), now)


def release(
    state: AccountState, hold: str, *, reason: str = "released", actor: str = "", now: datetime
) -> Step:
    """Free all that is left of a hold, and pay with it what was past due.

    Raises:
        IllegalTransition: the hold is resolved, or has expired by now.
        UnknownName: the account has no such hold.
    """
    found = _hold(state, hold, settles=True)
    memo = Memo(found.kind, now, now, reason, found.reference, actor)
    return _done(state, release_hold(state.books, found, memo), now)


def _hold(state: AccountState, hold: str, *, settles: bool = False) -> Hold:
    found = state.holds.get(hold)
    if found is None:
        raise UnknownName(
            "hold", hold, f"does not exist on account {state.account.id!r}", "place a hold first"
        )
    if found.kind not in HELD_FOR and not (settles and is_due(found)):
        raise InvalidInput(
            "hold", hold, f"is held for a {found.kind}", "it goes with the refund that placed it"
        )
    return found


def _done(state: AccountState, done: Held, now: datetime) -> Step:
    events = posting_events(state.books, done.books, done.entries)
    step = Step(state.with_hold(done.books, done.hold), done.entries, events)
    result = HoldReport(hold=done.hold, entry=done.entry, excess=done.excess)
    return attrs.evolve(step.then(revive(step.state, now, now)), result=result)
