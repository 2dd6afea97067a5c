"""Message commands: apply what the provider says of messages, from state to step.

Owns the judgment of a batch of statuses against an account as it stands, after catch-up.
Does not own what statuses do to the books (:mod:`monochat_billing.message_charging`), what counts
on the plan's meter (:mod:`monochat_billing.message_metering`), storage, clocks, ids or keys.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import final

import attrs

from monochat_billing.accounts import AccountState, Step, revive
from monochat_billing.balance import EntryKind, Memo
from monochat_billing.events import Event, UsageCharged
from monochat_billing.message_charging import Charged, MessageBatch, charge_messages
from monochat_billing.message_events import repriced, set_aside_events, uncounted_events
from monochat_billing.message_metering import count_messages
from monochat_billing.message_terms import MessageTerms
from monochat_billing.message_told import Told
from monochat_billing.messages import BusinessNumber, MessageState, Traffic
from monochat_billing.money import DEFAULT_SCALE, Money, from_units
from monochat_billing.plans import AnyCatalog
from monochat_billing.postings import posting_events
from monochat_billing.units import plain_text

__all__ = ["MessageReport", "apply_statuses"]

_REASON = "messages"


@final
@attrs.frozen(kw_only=True)
class MessageReport:
    """Return what a batch of statuses led to, in messages; ``repeated`` and ``sent`` are statuses.

    ``charged`` messages cost ``amount`` together, ``forced`` of them took more than their hold had
    for them. ``free`` ones cost nothing, ``prepaid`` ones a unit of a pack. ``waiting`` ones have
    arrived without the provider's word on their price. ``aside`` statuses were set aside.

    >>> from monochat_billing.money import money
    >>> print(MessageReport(amount=money("0.0218", "USD"), charged=2, free=1))
    2 charged (0.0218 USD), 1 free, 0 prepaid, 0 failed, 0 waiting, 0 repeated, 0 set aside
    """

    amount: Money
    charged: int = 0
    free: int = 0
    prepaid: int = 0
    forced: int = 0
    failed: int = 0
    waiting: int = 0
    sent: int = 0
    repeated: int = 0
    aside: int = 0

    def __str__(self) -> str:
        return (
            f"{self.charged} charged ({plain_text(self.amount)} {self.amount.currency.code}), "
            f"{self.free} free, {self.prepaid} prepaid, {self.failed} failed, "
            f"{self.waiting} waiting, {self.repeated} repeated, {self.aside} set aside"
        )


def apply_statuses(
    state: AccountState,
    told: Sequence[Told],
    terms: MessageTerms,
    numbers: Mapping[str, BusinessNumber],
    *,
    catalog: AnyCatalog,
    retried: frozenset[str] = frozenset(),
    actor: str = "",
    now: datetime,
) -> Step:
    """Apply a batch of statuses: each message is charged once, whatever comes when and how often.

    ``retried`` names statuses that had been set aside and are among ``told``; those that are not
    set aside again are dropped from there. Nothing of a status raises.
    """
    memo = Memo(EntryKind.MESSAGE_FEE, now, now, _REASON, "", actor)
    done = charge_messages(
        MessageBatch(
            books=state.books,
            holds=state.holds,
            known=state.traffic.messages,
            tallies=state.traffic.tallies,
            told=told,
            terms=terms,
            numbers=numbers,
        ),
        memo,
    )
    report = MessageReport(
        amount=from_units(done.units, terms.currency, DEFAULT_SCALE),
        charged=done.charged,
        free=done.free,
        prepaid=done.prepaid,
        forced=done.forced,
        failed=done.failed,
        waiting=done.waiting,
        sent=done.sent,
        repeated=done.repeated,
        aside=len(done.asides),
    )
    settled = retried - {one.id for one in done.asides}
    after = _after(state, done, settled)
    if after is state:
        return Step(state, result=report)
    after, counted, uncounted = count_messages(
        after,
        catalog,
        terms.meter,
        {one.id: one.at for one in done.messages.values() if one.state is MessageState.CHARGED},
        memo,
    )
    entries = (*done.entries, *counted)
    account = state.account.id
    events = posting_events(state.books, after.books, entries)
    events += _events(account, done, report, retried, now)
    events += uncounted_events(account, terms.meter, uncounted, now)
    step = Step(after, entries, events)
    if done.freed:
        step = step.then(revive(step.state, now, now))
    return attrs.evolve(step, result=report)


def _after(state: AccountState, done: Charged, settled: frozenset[str]) -> AccountState:
    if not (done.messages or done.tallies or done.asides or settled):
        return state
    traffic = state.traffic
    return attrs.evolve(
        state,
        books=done.books,
        holds={**state.holds, **done.holds} if done.holds else state.holds,
        traffic=Traffic(
            messages={**traffic.messages, **done.messages},
            tallies={**traffic.tallies, **done.tallies},
            asides={**traffic.asides, **{one.id: one for one in done.asides}},
            settled=traffic.settled | settled,
        ),
    )


def _events(
    account: str, done: Charged, report: MessageReport, retried: frozenset[str], now: datetime
) -> tuple[Event, ...]:
    events: tuple[Event, ...] = ()
    if done.first is not None and done.last is not None:
        events = (
            UsageCharged(
                account=account,
                at=now,
                first_entry=done.first.number,
                last_entry=done.last.number,
                records=report.charged,
                amount=report.amount,
            ),
        )
    events += repriced(account, done.messages.values(), report.amount.currency.code, now)
    fresh = [one for one in done.asides if one.id not in retried]
    return events + set_aside_events(account, fresh, now)
