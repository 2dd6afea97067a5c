"""Cancellations: how somebody ends a subscription, and what of it comes back.

*Owns* the ways to cancel, what each gives back, and the withdrawal window.
*Does not own* a cancel for later (``scheduling``), or sending money back to who paid it: that is
the refund of a top-up, which a host asks for when it reads
:class:`~monochat_billing.events.RefundDue`.

What comes back was really paid: it returns to the lots that paid, at the tax of its charge, and
never exceeds the charge less what was given back of it before. A trial, and time that was not
paid for, give nothing.
"""

import enum
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

import attrs

from monochat_billing.balance import Books, Entry, EntryKind, Memo
from monochat_billing.charges import Decision, base_of, credit_of, give_back_of, left_of
from monochat_billing.errors import IllegalTransition, InvalidInput
from monochat_billing.events import Event, RefundDue, SubscriptionCanceled
from monochat_billing.holds import Hold
from monochat_billing.lots import LotOrigin
from monochat_billing.money import Money, add, money, negate, subtract, total
from monochat_billing.proration import unused_credit
from monochat_billing.proration_policies import DEFAULT_POLICY, ProrationPolicy
from monochat_billing.refund_dues import set_due_aside
from monochat_billing.renewals import ended
from monochat_billing.subscriptions import Charge, Move, Subscription
from monochat_billing.tax import Pricing, TaxLine, credit_line

__all__ = ["CancelMode", "as_cancel_mode", "cancel", "withdrawable_until"]


class CancelMode(enum.StrEnum):
    """Name what a cancel gives back.

    >>> from monochat_billing.money import money
    >>> from monochat_billing.testing.workbench import Workbench
    >>> bench = Workbench()
    >>> account = bench.open("acme", money("5000", "TRY"))
    >>> one = bench.subscribe("acme", "growth")
    >>> preview = bench.billing.subscriptions.preview_cancel
    >>> preview("acme", "growth", mode=CancelMode.CREDIT).credit
    Money('1499', 'TRY')
    """

    NOTHING = "NOTHING"
    """Nothing: what was paid is kept."""
    CREDIT = "CREDIT"
    """The unused time, to the balance."""
    REFUND = "REFUND"
    """The unused time, to the balance, where it is held until it goes on to who paid it."""
    WITHDRAWAL = "WITHDRAWAL"
    """Everything that was paid since the start, held until it goes on to who paid it."""


def as_cancel_mode(value: object) -> CancelMode:
    """Read a way to cancel, or the name of one.

    Raises:
        InvalidInput: there is no such way.

    >>> as_cancel_mode("CREDIT") is CancelMode.CREDIT
    True
    """
    try:
        return CancelMode(str(value))
    except ValueError:
        known = ", ".join(CancelMode)
        raise InvalidInput("mode", value, "is no way to cancel", f"use one of {known}") from None


def withdrawable_until(subscription: Subscription, days: int) -> datetime:
    """Give the end (exclusive) of a withdrawal window of ``days`` times 24 hours from the start."""
    return subscription.started_at + timedelta(days=days)


def cancel(
    books: Books,
    subscription: Subscription,
    *,
    mode: CancelMode,
    zone: str,
    at: datetime,
    recorded_at: datetime,
    withdrawal_days: int = 0,
    policy: ProrationPolicy = DEFAULT_POLICY,
    actor: str = "",
    scheduled_change: str | None = None,
) -> Decision:
    """End a subscription at ``at``, and give back what ``mode`` says.

    Unused time is measured by ``policy`` in the account's ``zone``. ``withdrawal_days`` is how long
    the catalog lets everything be paid back.

    Raises:
        IllegalTransition: it has ended already, or the withdrawal window is over.

    >>> from datetime import UTC
    >>> from monochat_billing.balance import credit, open_balance
    >>> from monochat_billing.periods import MONTH
    >>> from monochat_billing.plans import sample_catalog
    >>> from monochat_billing.starts import subscribe
    >>> t = datetime(2026, 10, 5, tzinfo=UTC)
    >>> books = open_balance(Books("acme"), "TRY")
    >>> books = credit(books, money("1499", "TRY"), Memo(EntryKind.TOP_UP, t, t)).books
    >>> growth = sample_catalog().product("growth")
    >>> began = subscribe(
    ...     books, subscription_id="s-1", product=growth, price=growth.price(MONTH, "TRY"),
    ...     zone="Europe/Istanbul", at=t, recorded_at=t,
    ... )
    >>> done = cancel(
    ...     began.books, began.subscription, mode=CancelMode.CREDIT, zone="Europe/Istanbul",
    ...     at=datetime(2026, 10, 20, tzinfo=UTC), recorded_at=datetime(2026, 10, 20, tzinfo=UTC),
    ... )
    >>> done.subscription.state.value, done.events[0].credit
    ('CANCELED', Money('773.68', 'TRY'))
    """
    state = subscription.require(Move.CANCEL)
    owed = _owed(subscription, mode, at=at, zone=zone, policy=policy, days=withdrawal_days)
    reason = f"{_REASONS[mode]} of {subscription.product}"
    memo = Memo(EntryKind.PRORATION_CREDIT, at, recorded_at, reason, subscription.id, actor)
    zero = money(0, subscription.price.currency)
    entries: list[Entry] = []
    back = zero
    paid: dict[str, Money] = {}
    taxes: list[TaxLine] = []
    noted: list[Charge] = []
    for charge, gross, line in owed:
        given = give_back_of(books, charge, gross, memo, line)
        books = given.books
        entries += given.entries
        back = add(back, given.back)
        noted.append(given.charge)
        for source, amount in given.paid:
            paid[source] = add(paid.get(source, zero), amount)
        if line is not None:
            taxes.append(line)
    paid = _still_there(books, paid)
    refundable = total(paid.values(), currency=subscription.price.currency)
    holds: tuple[Hold, ...] = ()
    if mode in _REFUNDING:
        books, holds = set_due_aside(books, paid, memo, subscription.id)
    canceled = attrs.evolve(
        ended(subscription, at=at, ending=mode.lower(), state=state),
        charge=noted[-1] if noted else subscription.charge,
        earlier=(),
    )
    told: list[Event] = [
        SubscriptionCanceled(
            account=subscription.account,
            at=at,
            subscription=subscription.id,
            product=subscription.product,
            mode=mode.value,
            credit=back,
            refundable=refundable,
            taxes=tuple(taxes),
            scheduled_change=scheduled_change,
        )
    ]
    if mode in _REFUNDING and refundable.amount:
        told.append(
            RefundDue(
                account=subscription.account,
                at=at,
                subscription=subscription.id,
                amount=refundable,
                parts=tuple(paid.items()),
                holds=tuple(one.id for one in holds),
            )
        )
    return Decision(
        books=books,
        subscription=canceled,
        entries=tuple(entries),
        events=tuple(told),
        holds=holds,
    )


_REFUNDING: Final = frozenset({CancelMode.REFUND, CancelMode.WITHDRAWAL})
_REASONS: Final[Mapping[CancelMode, str]] = {
    CancelMode.NOTHING: "end",
    CancelMode.CREDIT: "unused time",
    CancelMode.REFUND: "unused time",
    CancelMode.WITHDRAWAL: "withdrawal",
}


def _owed(
    subscription: Subscription,
    mode: CancelMode,
    *,
    at: datetime,
    zone: str,
    policy: ProrationPolicy,
    days: int,
) -> list[tuple[Charge, Money, TaxLine | None]]:
    """Say what of which charge comes back, gross, with its split (negative)."""
    if mode is CancelMode.NOTHING:
        return []
    if mode is CancelMode.WITHDRAWAL:
        if at >= withdrawable_until(subscription, days):
            window = f"after {days} days" if days else "in a catalog without a withdrawal window"
            raise IllegalTransition(
                "subscription", subscription.id, subscription.state, f"be withdrawn from {window}"
            )
        return [_rest(charge) for charge in (*subscription.earlier, subscription.charge)]
    charge = subscription.charge
    if not charge.span.contains(at) or not charge.amount.amount:
        return []
    unused = unused_credit(
        paid=base_of(charge),
        paid_for=charge.span,
        at=at,
        zone=zone,
        policy=policy,
        whole=charge.whole,
        price=subscription.full_price,
    )
    gross, line = credit_of(charge, negate(unused.credit))
    return [(charge, gross, line)]


def _rest(charge: Charge) -> tuple[Charge, Money, TaxLine | None]:
    left = left_of(charge)
    if charge.tax is None or not left.amount:
        return charge, left, None
    before = charge.credited
    if charge.tax.pricing is Pricing.EXCLUSIVE:
        before = charge.credited_net
    base = base_of(charge) if before is None else subtract(base_of(charge), before)
    return charge, left, credit_line(charge.tax, base, credited=before)


def _still_there(books: Books, paid: Mapping[str, Money]) -> dict[str, Money]:
    """Bound what can be refunded by what is free in the lots, after debts were covered."""
    found: dict[str, Money] = {}
    for source, amount in paid.items():
        balance = books.of(amount)
        lots = (one for one in balance.lots if one.origin is LotOrigin.PAID)
        free = sum(lot.free for lot in lots if lot.source == source)
        units = min(free, balance.units(amount))
        if units:
            found[source] = balance.money(units)
    return found
