"""Subscription commands: cancel, pause, resume and reactivate, as functions from state to step.

*Owns* the judgment of such a request against an account as it stands, after catch-up.
*Does not own* what it does to books and subscription (:mod:`monochat_billing.cancellations`,
:mod:`monochat_billing.renewals`), or the same for later
(:mod:`monochat_billing.schedule_commands`).

Every function takes the account's state (caught up to ``now``) and returns a
:class:`~monochat_billing.accounts.Step` with the result, or raises and changes nothing. What is
meant is named by the subscription's id, or by the product that it holds.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Final, final

import attrs

from monochat_billing import changes
from monochat_billing.accounts import AccountState, Step, revive
from monochat_billing.balance import Entry
from monochat_billing.cancellations import CancelMode
from monochat_billing.due_changes import decided
from monochat_billing.errors import IllegalTransition, UnknownName
from monochat_billing.events import SubscriptionCanceled
from monochat_billing.money import Money, amount_text
from monochat_billing.plan_commands import subscribe
from monochat_billing.plans import AnyCatalog, known_product, renewal_price
from monochat_billing.schedule_endings import revoke_change, superseded_events
from monochat_billing.scheduling import Facet, ScheduleAction, superseded_by_immediate
from monochat_billing.subscriptions import Subscription
from monochat_billing.texts import check_line
from monochat_billing.wording import Words

__all__ = [
    "CancelReport",
    "cancel_subscription",
    "pause_subscription",
    "reactivate_subscription",
    "resume_subscription",
]


_REFUNDING: Final = frozenset({CancelMode.REFUND, CancelMode.WITHDRAWAL})


@final
@attrs.frozen(kw_only=True)
class CancelReport:
    """Return what a cancel did.

    ``credit`` went back to the balance. ``refundable`` of it came from what was paid and can be
    refunded to who paid it: the most that the host may ask for. ``names`` are the product's, by
    language.

    >>> from monochat_billing.money import money
    >>> from monochat_billing.testing.workbench import Workbench
    >>> bench = Workbench()
    >>> account = bench.open("acme", money("5000", "TRY"))
    >>> from monochat_billing.cancellations import CancelMode
    >>> one = bench.subscribe("acme", "growth")
    >>> cancel = bench.billing.subscriptions.cancel
    >>> print(cancel("acme", "growth", mode=CancelMode.CREDIT, key="k").explain())
    Growth ends at once
    1,499.00 TRY goes back to the balance
    """

    subscription: Subscription
    mode: CancelMode
    credit: Money
    refundable: Money
    entries: tuple[Entry, ...] = ()
    names: Mapping[str, str] = attrs.field(factory=dict, hash=False)

    def explain(self, locale: str = "en") -> str:
        """Say for a customer what ends and what comes back, line by line.

        Raises:
            InvalidInput: there are no sentences in that language.
        """
        words = Words(locale)
        name = self.names.get(locale) or self.names.get("en") or self.subscription.product
        lines = [words.say("{product} ends at once", product=name)]
        if not self.credit.amount:
            return "\n".join([*lines, words.say("nothing comes back")])
        amount = words.money(self.credit)
        lines.append(words.say("{amount} goes back to the balance", amount=amount))
        if self.mode in _REFUNDING:
            most = words.money(self.refundable)
            lines.append(words.say("up to {amount} of it can be refunded to who paid", amount=most))
        return "\n".join(lines)

    def __str__(self) -> str:
        credit, code = amount_text(self.credit), self.credit.currency.code
        back = f"{credit} {code} back, {amount_text(self.refundable)} refundable"
        return f"{self.subscription}; {back}"


def cancel_subscription(
    state: AccountState,
    catalog: AnyCatalog,
    what: str,
    *,
    mode: CancelMode,
    actor: str,
    now: datetime,
) -> Step:
    """End a subscription now; what comes back, and is not to go on to who paid it, may pay debts.

    Raises:
        IllegalTransition: everything is to be paid back and the withdrawal window is over.
        UnknownName: the account holds no such thing.
    """
    one = state.held(what)
    decision = changes.cancel(
        state.books,
        one,
        mode=mode,
        zone=state.account.zone,
        at=now,
        recorded_at=now,
        withdrawal_days=catalog.at(now).withdrawal_days,
        actor=check_line(actor, "actor"),
    )
    told = next(event for event in decision.events if isinstance(event, SubscriptionCanceled))
    step = decided(state, decision, catalog, now)
    if decision.entries:
        step = step.then(revive(step.state, now, now))
    report = CancelReport(
        subscription=decision.subscription,
        mode=mode,
        credit=told.credit,
        refundable=told.refundable,
        entries=decision.entries,
        names=known_product(catalog, one.product, now).names,
    )
    return attrs.evolve(step, result=report)


def pause_subscription(
    state: AccountState, catalog: AnyCatalog, what: str, *, now: datetime
) -> Step:
    """Pause a subscription now: it is usable until its paid end, and nothing renews.

    It replaces whatever is pending about its state: a planned pause, resumption or cancel.

    Raises:
        IllegalTransition: it is not active.
        UnknownName: the account holds no such thing.
    """
    one = state.held(what)
    step = decided(state, changes.pause(state.books, one, at=now), catalog, now)
    return _instead_of_planned(step, one, now)


def resume_subscription(
    state: AccountState, catalog: AnyCatalog, what: str, *, actor: str, now: datetime
) -> Step:
    """Let a paused subscription go on; past its paid end a new period starts and is charged.

    It replaces whatever is pending about its state: a planned pause, resumption or cancel.

    Raises:
        IllegalTransition: it is not paused.
        InsufficientFunds: the balance does not cover the new period.
        UnknownName: the account holds no such thing.
    """
    one = state.held(what)
    price = renewal_price(
        catalog,
        one.product,
        one.price,
        pinned_at=one.pinned_at,
        at=now,
        agreement=one.agreement,
    )
    decision = changes.resume(
        state.books,
        one,
        zone=state.account.zone,
        at=now,
        recorded_at=now,
        tax=catalog.at(now).tax_for(price, state.country, now),
        price=price,
        actor=check_line(actor, "actor"),
    )
    return _instead_of_planned(decided(state, decision, catalog, now), one, now)


def _instead_of_planned(step: Step, one: Subscription, now: datetime) -> Step:
    gone = superseded_by_immediate(one.id, step.state.schedule.values(), now, Facet.STATE)
    if not gone:
        return step
    events = (*step.events, *superseded_events(gone, now))
    return attrs.evolve(step, state=step.state.with_schedule(gone), events=events)


def reactivate_subscription(
    state: AccountState,
    catalog: AnyCatalog,
    what: str,
    *,
    subscription_id: str,
    actor: str,
    now: datetime,
) -> Step:
    """Take a cancel back before it happens, or begin anew what has ended.

    What has ended begins again at the list price that is in force, with the product, interval and
    quantity that it ended with and without a trial: a new subscription that follows the old one.
    The state has to hold what has ended, too.

    Raises:
        IllegalTransition: it is live and nobody has planned to cancel it, or the account has
            another one of its family.
        InsufficientFunds: the balance does not cover the first period.
        UnknownName: the account never had it, or its product is sold no more.
    """
    ours = [one for one in state.subscriptions.values() if what in (one.id, one.product)]
    if not ours:
        raise UnknownName(
            "subscription", what, f"was never held by {state.account.id!r}", "subscribe to it"
        )
    live = next((one for one in ours if one.live), None)
    if live is not None:
        planned = (one for one in state.schedule.values() if one.subscription == live.id)
        cancel = next(
            (one for one in planned if one.pending and one.action is ScheduleAction.CANCEL), None
        )
        if cancel is None:
            raise IllegalTransition("subscription", live.id, live.state, "be reactivated")
        return attrs.evolve(revoke_change(state, cancel.id, now), result=live)
    last = max(ours, key=lambda one: (one.ended_at or one.started_at, one.id))
    return subscribe(
        state,
        catalog,
        subscription_id=subscription_id,
        product=last.product,
        interval=last.price.interval,
        currency=last.price.currency,
        actor=actor,
        now=now,
        quantity=last.quantity,
        trial=False,
        follows=last.id,
    )
