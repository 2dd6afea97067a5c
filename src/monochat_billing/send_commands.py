"""Send commands: estimate, hold and note what is sent, as functions from state to step.

Owns the judgment of such a request against an account as it stands, after catch-up.
Does not own what an estimate says (:mod:`monochat_billing.message_estimates`), what becomes of a
message (:mod:`monochat_billing.message_commands`), storage, clocks, ids or keys.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Final, final

import attrs

from monochat_billing.accounts import AccountState, Step, revive
from monochat_billing.balance import EntryKind, Memo
from monochat_billing.campaigns import Affordable, CampaignPart
from monochat_billing.errors import (
    IllegalTransition,
    InsufficientFunds,
    LimitExceeded,
    UnknownName,
)
from monochat_billing.holds import Hold, place_hold
from monochat_billing.instants import check_zone, utc
from monochat_billing.lots import ChargeKind
from monochat_billing.message_estimates import (
    MessageEstimate,
    MeterUse,
    SendAnswer,
    SendBlock,
    estimate_messages,
    repeats_for,
)
from monochat_billing.message_events import repriced
from monochat_billing.message_metering import use_ahead
from monochat_billing.message_regimes import month_of
from monochat_billing.message_terms import FeeDesk, MessageTerms, StopRule
from monochat_billing.message_tiers import MessageCounts, ServiceKey, TierKey
from monochat_billing.messages import (
    BusinessNumber,
    Message,
    MessageState,
    fee_tally,
    service_tally,
    tier_tally,
)
from monochat_billing.money import DEFAULT_SCALE, Money, from_units
from monochat_billing.plans import AnyCatalog, Family, known_product
from monochat_billing.postings import posting_events
from monochat_billing.rating import MessageCategory
from monochat_billing.subscriptions import Subscription, SubscriptionState
from monochat_billing.texts import member_of
from monochat_billing.tills import Till
from monochat_billing.units import plain_text

__all__ = [
    "SendHold",
    "SentMessage",
    "SentReport",
    "affordable_for",
    "estimate_for",
    "estimate_tallies",
    "free_unsent",
    "hold_for",
    "may_send",
    "note_sent",
    "sending_day",
]

_REASON: Final = "messages"
_BLOCKING: Final = {
    SubscriptionState.PAST_DUE: SendBlock.UNPAID,
    SubscriptionState.SUSPENDED: SendBlock.SUSPENDED,
    SubscriptionState.PAUSED: SendBlock.PAUSED,
}


def _instant(value: datetime) -> datetime:
    return utc(value, field="sent_at")


def _category(value: MessageCategory | str) -> MessageCategory:
    return member_of(MessageCategory, value, "category")


@final
@attrs.frozen(kw_only=True)
class SentMessage:
    """Hold a message that was handed to the provider.

    ``id`` is the message's, as statuses will name it, ``number`` the business number's id.
    ``expects_free`` is whether its sender expects it to cost nothing, None where nobody asked.

    >>> from datetime import UTC
    >>> sent = SentMessage(
    ...     id="wamid.1", number="106", market="Turkey", category="utility",
    ...     sent_at=datetime(2026, 10, 5, tzinfo=UTC),
    ... )
    >>> sent.category
    <MessageCategory.UTILITY: 'utility'>
    """

    id: str
    number: str
    market: str
    category: MessageCategory = attrs.field(converter=_category)
    sent_at: datetime = attrs.field(converter=_instant)
    expects_free: bool | None = None


@final
@attrs.frozen(kw_only=True)
class SendHold:
    """Return what a send was held for: at worst ``worst`` for ``messages`` messages.

    ``hold`` is None where not even the worst case costs the balance anything.
    """

    hold: Hold | None
    messages: int
    worst: Money

    def __str__(self) -> str:
        worst = f"{plain_text(self.worst)} {self.worst.currency.code}"
        return f"{self.hold or 'no hold'}: {self.messages} messages, at worst {worst}"

    @property
    def id(self) -> str:
        """Give the hold's id, empty where there is none."""
        return "" if self.hold is None else self.hold.id


@final
@attrs.frozen(kw_only=True)
class SentReport:
    """Return how many messages were noted, and how many had been noted before."""

    noted: int
    repeated: int

    def __str__(self) -> str:
        return f"{self.noted} noted, {self.repeated} repeated"


# ------------------------------------------------------------------------- before the sending


def _zone_of(state: AccountState, number: str, numbers: Mapping[str, BusinessNumber]) -> str:
    found = numbers.get(number)
    return state.account.zone if found is None else found.zone


def _day(at: datetime, zone: str) -> date:
    return at.astimezone(check_zone(zone)).date()


def sending_day(
    account_zone: str,
    parts: Iterable[CampaignPart],
    numbers: Mapping[str, BusinessNumber],
    now: datetime,
) -> date:
    """Give the local day of sending: that of the first part's number, or the account's own."""
    first = next(iter(parts), None)
    found = numbers.get(first.reference) if first is not None else None
    return _day(now, account_zone if found is None else found.zone)


def estimate_tallies(
    parts: Iterable[CampaignPart], terms: MessageTerms, on: date
) -> frozenset[str]:
    """Name the tallies that an estimate reads."""
    month = month_of(on)
    names: set[str] = {fee_tally(month)} if terms.tiered else set()
    for part in parts:
        for category in _tier_categories(part.category):
            names.add(tier_tally(month, part.market, category))
        names.add(service_tally(month, part.reference))
    return frozenset(names)


def _tier_categories(category: MessageCategory) -> tuple[MessageCategory, ...]:
    if category is MessageCategory.AUTHENTICATION:
        return category, MessageCategory.AUTHENTICATION_INTERNATIONAL
    return (category,)


def _counts(state: AccountState, parts: Iterable[CampaignPart], on: date) -> MessageCounts:
    month, tallies = month_of(on), state.traffic.tallies
    charged: dict[TierKey, int] = {}
    service: dict[ServiceKey, int] = {}
    for part in parts:
        for category in _tier_categories(part.category):
            found = tallies.get(tier_tally(month, part.market, category))
            if found is not None:
                charged[month, part.market, category] = found.messages
        found = tallies.get(service_tally(month, part.reference))
        if found is not None:
            service[month, part.reference] = found.messages
    return MessageCounts(charged=charged, free_service=service)


def _fee_place(state: AccountState, on: date) -> int:
    found = state.traffic.tallies.get(fee_tally(month_of(on)))
    return 0 if found is None else found.messages


def _available(state: AccountState, terms: MessageTerms, now: datetime) -> int:
    balance = state.books.balance(terms.currency)
    available = balance.available(ChargeKind.MESSAGE, now)
    return available - balance.credit_limit if terms.stop is StopRule.AT_ZERO else available


def estimate_for(
    state: AccountState,
    parts: Sequence[CampaignPart],
    terms: MessageTerms,
    *,
    catalog: AnyCatalog,
    on: date,
    now: datetime,
) -> MessageEstimate:
    """Price a campaign against an account's own counts, units and balance.

    Raises:
        InvalidInput: a category is not offered in its market, or no card or regime rules that day.
        UnknownName: the card has no such market, or the account no balance in its currency.
    """
    return estimate_messages(
        parts,
        terms,
        on=on,
        counts=_counts(state, parts, on),
        fee_place=_fee_place(state, on),
        available=_available(state, terms, now),
        units=_use(state, catalog, terms, sum(part.messages for part in parts), now),
    )


def _use(
    state: AccountState, catalog: AnyCatalog, terms: MessageTerms, messages: int, now: datetime
) -> MeterUse | None:
    memo = Memo(EntryKind.MESSAGE_FEE, now, now, _REASON)
    return use_ahead(state, catalog, terms.meter, messages, memo)


def affordable_for(
    state: AccountState,
    mix: Sequence[CampaignPart],
    terms: MessageTerms,
    *,
    catalog: AnyCatalog,
    on: date,
    now: datetime,
    at_most: int = 10**9,
) -> Affordable:
    """Say how many more times the account's balance pays for a mix, exact at the edge.

    Raises:
        InvalidInput: as :func:`estimate_for`.
        UnknownName: as :func:`estimate_for`.
    """
    return repeats_for(
        mix,
        terms,
        on=on,
        counts=_counts(state, mix, on),
        fee_place=_fee_place(state, on),
        available=_available(state, terms, now),
        use=lambda messages: _use(state, catalog, terms, messages, now),
        at_most=at_most,
    )


def may_send(
    state: AccountState,
    parts: Sequence[CampaignPart],
    terms: MessageTerms,
    *,
    catalog: AnyCatalog,
    on: date,
    now: datetime,
) -> SendAnswer:
    """Say whether messages may be sent: whether a hold for their worst case could be placed.

    What costs nothing even at worst may always be sent, unless the plan is suspended, unpaid after
    its grace, or paused.

    Raises:
        InvalidInput: as :func:`estimate_for`.
        UnknownName: as :func:`estimate_for`.
    """
    found = estimate_for(state, parts, terms, catalog=catalog, on=on, now=now)
    use, stopped = found.units, _stopped(state, now)
    if stopped is not None:
        names = known_product(catalog, stopped.product, now).names
        return SendAnswer(estimate=found, block=_BLOCKING[stopped.state], names=names)
    block = None
    if use is not None and use.short:
        block = SendBlock.UNITS
    elif use is not None and not use.payable:
        block = SendBlock.OVERAGE
    elif found.worst_fees.units and found.short.amount:
        block = SendBlock.FUNDS if terms.stop is StopRule.AT_ZERO else SendBlock.CREDIT
    return SendAnswer(estimate=found, block=block)


def hold_for(
    state: AccountState,
    parts: Sequence[CampaignPart],
    terms: MessageTerms,
    *,
    catalog: AnyCatalog,
    hold_id: str,
    on: date,
    lasts: timedelta | None = None,
    reason: str = _REASON,
    reference: str = "",
    actor: str = "",
    now: datetime,
) -> Step:
    """Set the worst case of a campaign aside, in full or not at all.

    What the plan's own meter takes is not held; it is refused where it could not be had now.

    Raises:
        IllegalTransition: the plan is suspended, unpaid after its grace, or paused.
        LimitExceeded: the plan's units are used up, and nothing says what more costs.
        InsufficientFunds: less may be used for messages; nothing has changed.
        InvalidInput: as :func:`estimate_for`.
        UnknownName: as :func:`estimate_for`.
    """
    stopped = _stopped(state, now)
    if stopped is not None:
        raise IllegalTransition("subscription", stopped.id, stopped.state, "send messages")
    messages = sum(part.messages for part in parts)
    worst = _worst(parts, terms, on)
    money = from_units(worst, terms.currency, DEFAULT_SCALE)
    overage = _overage(state, _use(state, catalog, terms, messages, now), terms)
    if not worst:
        return Step(state, result=SendHold(hold=None, messages=messages, worst=money))
    available = max(_available(state, terms, now), 0)
    if worst + overage > available:
        text = [
            plain_text(from_units(units, terms.currency, DEFAULT_SCALE))
            for units in (worst + overage, available, worst + overage - available)
        ]
        remedy = "top up and retry with a new key"
        if terms.stop is StopRule.AT_ZERO:
            remedy += "; the credit limit is not for messages"
        raise InsufficientFunds(state.account.id, terms.currency, text[0], text[1], text[2], remedy)
    memo = Memo(EntryKind.MESSAGE_FEE, now, now, reason, reference, actor)
    until = now + (terms.hold_for if lasts is None else lasts)
    done = place_hold(state.books, money, memo, hold_id=hold_id, expires_at=until)
    result = SendHold(hold=done.hold, messages=messages, worst=money)
    return Step(state.with_hold(done.books, done.hold), result=result)


def _stopped(state: AccountState, now: datetime) -> Subscription | None:
    """Give the plan that is not in force and has not ended, if that is how it stands."""
    plan = state.subscription(Family.PLAN)
    return None if plan is None or plan.serves(now) else plan


def _overage(state: AccountState, use: MeterUse | None, terms: MessageTerms) -> int:
    """Give what the plan's overage takes from the same balance, and refuse what cannot be had."""
    if use is None:
        return 0
    if use.short:
        raise LimitExceeded(state.account.id, use.meter, use.prepaid, use.units)
    if not use.payable and use.overage is not None:
        balance = state.books.balance(use.overage.currency.code)
        text = plain_text(use.overage)
        raise InsufficientFunds(
            state.account.id,
            balance.unit,
            text,
            balance.text(max(balance.posted - balance.held, 0)),
            text,
            f"top up to pay the overage of {use.meter}, or buy a pack",
        )
    return use.overage_in(terms.currency)


def _worst(parts: Iterable[CampaignPart], terms: MessageTerms, on: date) -> int:
    desk = FeeDesk(terms)
    return sum(
        part.messages * desk.dearest_of(part.market, part.category, on)
        for part in parts
        if part.messages
    )


# -------------------------------------------------------------------------- after the sending


def note_sent(
    state: AccountState,
    sent: Sequence[SentMessage],
    hold: str,
    terms: MessageTerms,
    *,
    numbers: Mapping[str, BusinessNumber],
    now: datetime,
) -> Step:
    """Note which messages a hold was placed for, each with its worst case as its share.

    A message whose statuses came first is joined with its hold now: one that was decided frees its
    share at once. A message that was noted before stays as it is.

    Raises:
        InvalidInput: a category is not offered in its market, or no card or regime rules its day.
        UnknownName: a market is not on the card, or the account has no such open hold.
    """
    if hold and (hold not in state.holds or not state.holds[hold].open):
        raise UnknownName("hold", hold, "is no open hold", "pass the hold that was placed")
    desk = FeeDesk(terms)
    known = dict(state.traffic.messages)
    noted: dict[str, Message] = {}
    decided = 0
    repeated = 0
    for one in sent:
        before = noted.get(one.id) or known.get(one.id)
        if before is not None and (before.expected is not None or before.hold):
            repeated += 1
            continue
        on = _day(one.sent_at, _zone_of(state, one.number, numbers))
        share = desk.dearest_of(one.market, one.category, on) if hold else 0
        if before is None:
            noted[one.id] = _noted(one, hold, share)
            continue
        waits = before.state is MessageState.ARRIVED
        decided += 0 if waits else share
        noted[one.id] = attrs.evolve(
            before,
            hold=hold,
            share=share if waits else 0,
            expected=one.category,
            expected_free=one.expects_free,
        )
    step = _freed(_with_messages(state, noted), hold, decided, terms, now)
    events = repriced(state.account.id, noted.values(), terms.currency, now)
    report = SentReport(noted=len(noted), repeated=repeated)
    return attrs.evolve(step, events=(*step.events, *events), result=report)


def _noted(one: SentMessage, hold: str, share: int) -> Message:
    return Message(
        id=one.id,
        number=one.number,
        state=MessageState.HELD,
        market=one.market,
        category=one.category,
        at=one.sent_at,
        hold=hold,
        share=share,
        expected=one.category,
        expected_free=one.expects_free,
    )


def free_unsent(
    state: AccountState,
    hold: str,
    parts: Sequence[CampaignPart],
    terms: MessageTerms,
    *,
    on: date,
    now: datetime,
) -> Step:
    """Free what was held for messages that were not sent after all.

    Raises:
        InvalidInput: as :func:`estimate_for`.
        UnknownName: a market is not on the card, or the account has no such hold.
    """
    found = state.holds.get(hold)
    if found is None:
        raise UnknownName("hold", hold, "does not exist", "pass the hold that was placed")
    step = _freed(state, hold, _worst(parts, terms, on), terms, now)
    return attrs.evolve(step, result=step.state.holds[hold])


def _freed(state: AccountState, hold: str, units: int, terms: MessageTerms, now: datetime) -> Step:
    if not units:
        return Step(state)
    memo = Memo(EntryKind.MESSAGE_FEE, now, now, _REASON)
    till = Till(state.books, terms.currency, state.holds.values(), memo)
    till.free(hold, units)
    done = till.done()
    step = Step(_with_holds(state.with_books(done.books), done.holds), done.entries)
    step = attrs.evolve(step, events=posting_events(state.books, done.books, done.entries))
    return step.then(revive(step.state, now, now))


def _with_holds(state: AccountState, holds: Iterable[Hold]) -> AccountState:
    return attrs.evolve(state, holds={**state.holds, **{hold.id: hold for hold in holds}})


def _with_messages(state: AccountState, messages: Mapping[str, Message]) -> AccountState:
    if not messages:
        return state
    traffic = attrs.evolve(state.traffic, messages={**state.traffic.messages, **messages})
    return attrs.evolve(state, traffic=traffic)
