"""Top-up commands: start, settle, refund, dispute, resolve, as functions from state to step.

Owns the judgment of such a request against an account as it stands, after catch-up.
Does not own the rules (:mod:`monochat_billing.payments`, :mod:`monochat_billing.refunds`,
:mod:`monochat_billing.chargebacks`), gateways, storage, clocks, ids or keys.

Every function takes the account's state (caught up to ``now``) and returns a
:class:`~monochat_billing.accounts.Step` with the result, or raises and changes nothing. Whatever
makes more available pays past-due subscriptions that it covers.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final, final

import attrs

from monochat_billing import chargebacks, payments, refunds
from monochat_billing.accounts import AccountState, Step, revive
from monochat_billing.auto_top_ups import AutomaticTopUp, with_rule
from monochat_billing.balance import Books, Entry
from monochat_billing.errors import InvalidInput, UnknownName
from monochat_billing.events import CallbackNotUnderstood
from monochat_billing.gateways import PaymentMode
from monochat_billing.holds import Hold
from monochat_billing.money import Money
from monochat_billing.payments import (
    CallbackAnswer,
    Checkout,
    Payment,
    PaymentStatus,
    Settlement,
    TopUp,
    TopUpState,
)
from monochat_billing.postings import posting_events
from monochat_billing.refunds import Returned
from monochat_billing.texts import check_identity, one_of
from monochat_billing.top_up_policies import ChargebackPolicy, RefundPolicy, TopUpPolicy
from monochat_billing.top_ups import DisputeState, RefundState, Resolution, TopUpRefund

__all__ = [
    "ASK_AGAIN_AFTER",
    "PaymentReceipt",
    "RefundReceipt",
    "ask_again",
    "attach_checkout",
    "expire_top_up",
    "note_refunded",
    "receive_payment",
    "refund_top_up",
    "resolve_quarantined",
    "set_automatic",
    "settle_refund",
    "start_top_up",
    "stop_automatic",
]

ASK_AGAIN_AFTER: Final = timedelta(minutes=10)
"""How long a refund in doubt is left alone: far longer than any call to a provider can last."""

_DISPUTES: Final[Mapping[PaymentStatus, DisputeState]] = {
    PaymentStatus.DISPUTED: DisputeState.OPEN,
    PaymentStatus.DISPUTE_LOST: DisputeState.LOST,
    PaymentStatus.DISPUTE_WON: DisputeState.WON,
}


@final
@attrs.frozen(kw_only=True)
class PaymentReceipt:
    """Return what a callback led to; ``repeated`` says that it had been handled before.

    ``entry`` is the first that was posted, and ``entries`` are all of them. ``revived`` names the
    past-due subscriptions that the new money paid at once. ``answer`` is what the gateway wants
    to hear.

    >>> from monochat_billing.money import money
    >>> from monochat_billing.testing.workbench import Workbench
    >>> bench = Workbench()
    >>> account = bench.open("acme", money("5000", "TRY"))
    >>> receipt = bench.top_up("acme", money("250", "TRY"))
    >>> print(receipt.top_up)
    top-up id-1: 250 TRY by sandbox, CREDITED
    >>> receipt.repeated
    False
    """

    top_up: TopUp
    repeated: bool
    entry: Entry | None = None
    revived: tuple[str, ...] = ()
    answer: CallbackAnswer = attrs.field(factory=CallbackAnswer)
    entries: tuple[Entry, ...] = ()

    def __str__(self) -> str:
        return f"{self.top_up}{', handled before' if self.repeated else ''}"


@final
@attrs.frozen(kw_only=True)
class RefundReceipt:
    """Return what became of a refund so far.

    ``entry`` took the money out once the provider has given it back, None until then.

    >>> from monochat_billing.money import money
    >>> from monochat_billing.testing.workbench import Workbench
    >>> bench = Workbench()
    >>> account = bench.open("acme", money("5000", "TRY"))
    >>> paid = bench.top_up("acme", money("250", "TRY"))
    >>> print(bench.billing.top_ups.refund("acme", paid.top_up.id, money("100", "TRY"), key="k"))
    refund id-2: 100 TRY, DONE
    """

    top_up: TopUp
    refund: TopUpRefund
    entry: Entry | None = None

    @property
    def in_doubt(self) -> bool:
        """Tell whether the provider's answer is not known."""
        return self.refund.state is RefundState.REQUESTED

    def __str__(self) -> str:
        return str(self.refund)


def start_top_up(
    state: AccountState,
    *,
    top_up_id: str,
    amount: Money,
    gateway: str,
    return_url: str,
    now: datetime,
    mode: PaymentMode | None = None,
    policy: TopUpPolicy = TopUpPolicy(),  # noqa: B008 - a frozen value
) -> Step:
    """Record the intent to top up, before any gateway is called.

    The bonus that ``policy`` promises is recorded with it.

    Raises:
        InvalidInput: the amount is not above zero or finer than the currency's minor unit, the
            policy refuses it, or the account has no billing profile.
        UnknownName: the account has no balance in that currency.
    """
    state.books.balance(amount.currency.code)
    top_up = payments.start_top_up(
        top_up_id=top_up_id,
        account=state.account.id,
        gateway=gateway,
        amount=amount,
        return_url=return_url,
        profile=state.account.profile,
        at=now,
        mode=mode,
        bonus=policy.bonus(amount),
    )
    policy.check(amount)
    return Step(state.with_top_up(state.books, top_up), result=top_up)


def attach_checkout(state: AccountState, checkout: Checkout) -> Step:
    """Note the checkout that a gateway opened for a top-up; the first one stays."""
    top_up = _top_up(state, checkout.top_up)
    if top_up.state is not TopUpState.CREATED:
        return Step(state, result=top_up)
    opened = top_up.opened(checkout)
    return Step(state.with_top_up(state.books, opened), result=opened)


def receive_payment(
    state: AccountState,
    payment: Payment,
    now: datetime,
    policy: TopUpPolicy = TopUpPolicy(),  # noqa: B008 - a frozen value
) -> Step:
    """Act on what a gateway's verified callback says, once, and revive what was past due.

    Of a dispute that is won, the entry that took the money and what corrects it have to be among
    the state's entries.

    Raises:
        UnknownName: the account has no such top-up.
        IllegalTransition: money has to be taken from a balance that is closed.
    """
    top_up = _top_up(state, payment.top_up)
    reversal = payment.status in _DISPUTES or payment.status is PaymentStatus.REFUNDED
    foreign = payment.gateway != top_up.gateway or payment.mode is not top_up.mode
    if reversal and (foreign or (payment.amount is None and payment.status not in _DISPUTES)):
        payment = attrs.evolve(payment, status=PaymentStatus.OTHER)
    if payment.status in _DISPUTES:
        return _disputed(state, top_up, payment, now, policy.chargebacks)
    if payment.status is PaymentStatus.REFUNDED and payment.amount is not None:
        return note_refunded(state, top_up.id, payment.amount, now=now)
    return _settled(state, payments.settle(state.books, top_up, payment, now, now), now)


def expire_top_up(state: AccountState, top_up: str, now: datetime) -> Step:
    """Give up on a top-up that nobody paid; a success that comes later still credits.

    Raises:
        UnknownName: the account has no such top-up.
    """
    return _settled(state, payments.expire(state.books, _top_up(state, top_up), now), now)


def refund_top_up(
    state: AccountState,
    top_up: str,
    amount: Money | None,
    *,
    refund_id: str,
    reason: str,
    actor: str,
    policy: RefundPolicy,
    now: datetime,
) -> Step:
    """Set the money of a refund aside and store it, before the provider is asked.

    Raises:
        IllegalTransition: it was never credited, a refund of it is under way, it is disputed or
            gone, or the balance is closed.
        InsufficientFunds: less than that may go back.
        InvalidInput: the amount is not above zero or finer than the currency's minor unit.
        UnknownName: the account has no such top-up.
    """
    done = refunds.request_refund(
        state.books,
        _top_up(state, top_up),
        amount,
        refund_id=refund_id,
        at=now,
        reason=reason,
        actor=actor,
        policy=policy,
        holds=state.holds.values(),
    )
    return _returned(state, done, now)


def settle_refund(
    state: AccountState,
    top_up: str,
    refund: str,
    told: RefundState,
    *,
    provider_id: str = "",
    now: datetime,
) -> Step:
    """Act on what became of a refund at the provider; what is settled stays as it is.

    Raises:
        UnknownName: the account has no such top-up, or that has no such refund.
    """
    done = refunds.settle_refund(
        state.books,
        _top_up(state, top_up),
        refund,
        told,
        state.holds,
        at=now,
        provider_id=provider_id,
    )
    return _returned(state, done, now)


def ask_again(state: AccountState, top_up: str, refund: str, now: datetime) -> Step:
    """Claim the right to ask the provider for a refund in doubt once more.

    The result tells whether it was claimed. It is not before :data:`ASK_AGAIN_AFTER` has passed,
    so that two that ask at once do not both get it.

    Raises:
        UnknownName: the account has no such top-up, or that has no such refund.
    """
    found = _top_up(state, top_up)
    one = found.refund(refund)
    if one.state is not RefundState.REQUESTED or now < one.asked_at + ASK_AGAIN_AFTER:
        return Step(state, result=False)
    claimed = found.with_refund(attrs.evolve(one, asked_at=now))
    return Step(state.with_top_up(state.books, claimed), result=True)


def note_refunded(state: AccountState, top_up: str, in_all: Money, *, now: datetime) -> Step:
    """Act on how much the provider says has gone back of a top-up, in all.

    It settles the refund that is under way, and takes what was given back at the provider.

    Raises:
        UnknownName: the account has no such top-up.
        IllegalTransition: money has to be taken from a balance that is closed.
    """
    found = _top_up(state, top_up)
    step = Step(state)
    for done in refunds.note_given_back(state.books, found, in_all, state.holds, at=now):
        step = step.then(_returned(step.state, done, now))
    after = step.state.top_ups[top_up]
    receipt = PaymentReceipt(
        top_up=after,
        repeated=after is found,
        entry=step.entries[0] if step.entries else None,
        entries=step.entries,
    )
    return attrs.evolve(step, result=receipt)


def resolve_quarantined(
    state: AccountState,
    top_up: str,
    payment: str,
    resolution: Resolution,
    *,
    refund_id: str,
    reason: str,
    actor: str,
    now: datetime,
) -> Step:
    """Do with a quarantined payment what a person decided, for a reason that is kept.

    Raises:
        IllegalTransition: it has been resolved, or the balance is closed.
        InvalidInput: there is no reason, or it cannot be credited: a test payment, or one of
            unknown amount.
        UnknownName: there is no such top-up or payment, or no balance in its currency.
    """
    if not isinstance(reason, str) or not reason.strip():
        raise InvalidInput("reason", reason, "is empty", "say why")
    found = _top_up(state, top_up)
    if resolution is Resolution.REFUND:
        done = refunds.request_quarantine_refund(
            state.books, found, payment, refund_id=refund_id, at=now, reason=reason, actor=actor
        )
        return _returned(state, done, now)
    act = payments.resolve_by_credit if resolution is Resolution.CREDIT else payments.dismiss
    settled = act(state.books, found, payment, at=now, reason=reason, actor=actor)
    return _settled(state, settled, now)


def set_automatic(state: AccountState, rule: AutomaticTopUp, *, now: datetime) -> Step:
    """Let a balance ask to be topped up from now on; a rule of the same name gives way.

    When the balance is that low already, it asks at once.

    Raises:
        InvalidInput: the account has no billing profile or too many rules, or the rule's top-ups
            could never be started.
        UnknownName: the account has no balance in that currency.
    """
    state.books.balance(rule.currency)
    check_identity(rule.name, "name")
    least = rule.rule.amount or rule.rule.target or rule.rule.threshold
    payments.start_top_up(
        top_up_id="probe",
        account=state.account.id,
        gateway=rule.gateway,
        amount=least,
        return_url=rule.return_url,
        profile=state.account.profile,
        at=now,
    )
    rules = with_rule(state.account.automatic, rule)
    account = attrs.evolve(state.account, automatic=rules)
    return Step(attrs.evolve(state, account=account), result=rule)


def stop_automatic(state: AccountState, name: str) -> Step:
    """Ask for no more under ``name``; what was asked for stays and may still be paid.

    Raises:
        UnknownName: the account has no rule of that name.
    """
    rules = state.account.automatic
    ended = next((one for one in rules if one.name == name), None)
    if ended is None:
        remedy = one_of([one.name for one in rules], "it has none: automate one first")
        raise UnknownName("name", name, "is no automatic top-up of this account", remedy)
    account = attrs.evolve(state.account, automatic=tuple(one for one in rules if one is not ended))
    return Step(attrs.evolve(state, account=account), result=ended)


def _top_up(state: AccountState, top_up: str) -> TopUp:
    found = state.top_ups.get(top_up)
    if found is None:
        raise UnknownName("top_up", top_up, "does not exist", "start a top-up first")
    return found


def _settled(state: AccountState, done: Settlement, now: datetime) -> Step:
    if done.repeated:
        return Step(state, result=PaymentReceipt(top_up=done.top_up, repeated=True))
    step = Step(state.with_top_up(done.books, done.top_up), done.entries, done.events)
    if done.top_up.automatic:
        step = _remembered(step, done.top_up, now)
    return _received(state, step, done.top_up, now)


def _remembered(step: Step, top_up: TopUp, now: datetime) -> Step:
    """Let the rule that asked for a top-up know what became of it."""
    account = step.state.account
    rules: list[AutomaticTopUp] = []
    events = list(step.events)
    for one in account.automatic:
        rule, told = one.settled(top_up, now)
        rules.append(rule)
        events += told
    account = attrs.evolve(account, automatic=tuple(rules))
    after = attrs.evolve(step.state, account=account)
    return attrs.evolve(step, state=after, events=tuple(events))


def _received(before: AccountState, step: Step, top_up: TopUp, now: datetime) -> Step:
    """Revive what the new money covers, and give the receipt."""
    entries = step.entries
    revived: tuple[str, ...] = ()
    if any(entry.amount > 0 for entry in entries):
        step = step.then(revive(step.state, now, now))
        revived = tuple(
            one.id
            for one in step.state.subscriptions.values()
            if one is not before.subscriptions.get(one.id)
        )
    receipt = PaymentReceipt(
        top_up=top_up,
        repeated=False,
        entry=entries[0] if entries else None,
        revived=revived,
        entries=entries,
    )
    return attrs.evolve(step, result=receipt)


def _with_holds(state: AccountState, holds: tuple[Hold, ...]) -> AccountState:
    for one in holds:
        state = state.with_hold(state.books, one)
    return state


def _returned(state: AccountState, done: Returned, now: datetime) -> Step:
    receipt = RefundReceipt(top_up=done.top_up, refund=done.refund)
    if done.repeated:
        return Step(state, result=receipt)
    before = state.books
    if done.refund.settled:  # what it held on credit is told of when it is owed, not before
        before = _without(before, done.refund.hold, state.holds)
    told = posting_events(before, done.books, done.entries)
    after = _with_holds(state.with_top_up(done.books, done.top_up), done.holds)
    step = Step(after, done.entries, (*done.events, *told))
    step = step.then(revive(step.state, now, now))
    entry = next((one for one in done.entries if one.number == done.refund.entry), None)
    return attrs.evolve(step, result=attrs.evolve(receipt, entry=entry))


def _without(books: Books, hold: str, holds: Mapping[str, Hold]) -> Books:
    """Give books in which one hold has nothing on credit, to see what capturing it changes."""
    found = holds.get(hold)
    if found is None or not found.on_credit:
        return books
    balance = books.balance(found.unit)
    return books.with_balance(balance.with_lots(balance.lots, balance.held - found.on_credit))


def _disputed(
    state: AccountState, top_up: TopUp, payment: Payment, now: datetime, policy: ChargebackPolicy
) -> Step:
    """Act on a word about a dispute; one about a payment that credited nothing is only noted."""
    if top_up.entry is None or not payment.dispute:
        event = CallbackNotUnderstood(
            account=top_up.account,
            at=now,
            top_up=top_up.id,
            gateway=payment.gateway,
            kind=payment.kind or payment.status.value,
        )
        receipt = PaymentReceipt(top_up=top_up, repeated=False)
        return Step(state, events=(event,), result=receipt)
    done = chargebacks.judge_dispute(
        state.books,
        top_up,
        dispute=payment.dispute,
        amount=payment.amount,
        state=_DISPUTES[payment.status],
        at=now,
        entries=state.entries,
        holds=state.holds,
        policy=policy,
    )
    if done.repeated:
        return Step(state, result=PaymentReceipt(top_up=top_up, repeated=True))
    told = posting_events(state.books, done.books, done.entries)
    after = _with_holds(state.with_top_up(done.books, done.top_up), done.holds)
    step = Step(after, done.entries, (*done.events, *told))
    return _received(state, step, done.top_up, now)
