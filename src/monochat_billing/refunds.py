"""Refunds: money of a top-up that goes back to where it came from.

*Owns* how much may go back, setting it aside before the provider is asked, and what the
provider's answer makes of it.
*Does not own* the question itself, which the service asks, nor disputes
(:mod:`monochat_billing.chargebacks`).

A refund is stored and its money is held before the provider hears of it, so nobody can spend what
is on its way back, and a lost answer leaves a refund in doubt instead of two. When the provider has
given it back the hold becomes a ``REFUND`` entry that corrects the credit; when it refused, the
money is free again. The bonus that came with a top-up is held and voided along with it.

>>> from datetime import UTC, datetime
>>> from monochat_billing.balance import Books, open_balance
>>> from monochat_billing.money import money
>>> from monochat_billing.payments import Payment, PaymentStatus, settle, start_top_up
>>> from monochat_billing.profiles import Address, BillingProfile, TaxId, TaxIdKind
>>> t = datetime(2026, 10, 5, tzinfo=UTC)
>>> top_up = start_top_up(
...     top_up_id="top-1", account="acme", gateway="sandbox", amount=money("250", "TRY"),
...     return_url="https://acme.example/back", at=t,
...     profile=BillingProfile(
...         business_name="Acme",
...         address=Address(line="Street 1", city="Ankara", post_code="06420"),
...         tax_id=TaxId(kind=TaxIdKind.VKN, number="6120606538", tax_office="Ulus"),
...     ),
... )
>>> paid = Payment(
...     gateway="sandbox", top_up="top-1", payment="p-1", status=PaymentStatus.PAID,
...     amount=money("250", "TRY"),
... )
>>> done = settle(open_balance(Books("acme"), "TRY"), top_up, paid, t, t)
>>> asked = request_refund(
...     done.books, done.top_up, money("100", "TRY"), refund_id="r-1", at=t, reason="unused"
... )
>>> print(asked.refund, asked.top_up.state)
refund r-1: 100 TRY, REQUESTED REFUNDING
>>> holds = {one.id: one for one in asked.holds}
>>> back = settle_refund(asked.books, asked.top_up, "r-1", RefundState.DONE, holds, at=t)
>>> print(back.entries[0], back.top_up.state)
#2 2026-10-05 00:00Z REFUND -100 TRY → 150 unused PARTLY_REFUNDED
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Final, final

import attrs

from monochat_billing.books import Books, Posted, require_not_closed, take_from
from monochat_billing.entries import Entry, EntryKind, Memo
from monochat_billing.errors import IllegalTransition, InsufficientFunds, InvalidInput, UnknownName
from monochat_billing.events import (
    Event,
    QuarantineResolved,
    RefundFailed,
    RefundRequested,
    TopUpRefunded,
)
from monochat_billing.holds import Hold, capture_hold, release_hold
from monochat_billing.lots import DEBT
from monochat_billing.money import Money, amount_text, from_units, minor_digits, subtract, to_units
from monochat_billing.refund_dues import draw_due, dues_of
from monochat_billing.top_up_policies import RefundPolicy
from monochat_billing.top_ups import RefundState, Resolution, TopUp, TopUpRefund, TopUpState

__all__ = [
    "Returned",
    "hold_bonus",
    "note_given_back",
    "refundable",
    "request_quarantine_refund",
    "request_refund",
    "settle_refund",
    "take_back",
    "void_bonus",
]

_REFUNDABLE: Final = (TopUpState.CREDITED, TopUpState.PARTLY_REFUNDED)


@final
@attrs.frozen(kw_only=True)
class Returned:
    """Return what a step of a refund led to; ``repeated`` says that nothing was left to do.

    ``holds`` are those that were placed or resolved.
    """

    top_up: TopUp
    books: Books
    refund: TopUpRefund
    holds: tuple[Hold, ...] = ()
    entries: tuple[Entry, ...] = ()
    events: tuple[Event, ...] = ()
    repeated: bool = False


def refundable(
    books: Books,
    top_up: TopUp,
    policy: RefundPolicy = RefundPolicy.UNSPENT,
    holds: Iterable[Hold] = (),
) -> Money:
    """Give how much of a top-up may go back now, in whole minor units; zero for nothing.

    It is never more than was credited less what has gone back. With ``UNSPENT`` it is no more
    than what remains of the top-up's own money and no hold has set aside, but for those of
    ``holds`` that wait for this very refund.
    """
    code = top_up.value.currency.code
    if top_up.entry is None or top_up.state not in _REFUNDABLE:
        return from_units(0, code)
    left = subtract(subtract(top_up.value, top_up.given_back), top_up.taken_back)
    units = max(to_units(left, minor_digits(code), field="amount"), 0)
    if policy is RefundPolicy.UNSPENT:
        balance = books.balance(code)
        coarse = 10 ** (balance.scale - minor_digits(code))
        due = sum(one.left for one in dues_of(holds, top_up.id))
        units = min(units, (_free(books, top_up) + due) // coarse)
    return from_units(units, code, minor_digits(code))


def request_refund(
    books: Books,
    top_up: TopUp,
    amount: Money | None,
    *,
    refund_id: str,
    at: datetime,
    reason: str,
    actor: str = "",
    policy: RefundPolicy = RefundPolicy.UNSPENT,
    holds: Iterable[Hold] = (),
) -> Returned:
    """Set the money of a refund aside, before the provider is asked for it.

    Without ``amount`` it is all that may go back. What of ``holds`` waits for this refund is used
    first. What was spent of it is held on credit, where
    policy allows that. The unspent bonus of the top-up is held, too.

    Raises:
        IllegalTransition: it was never credited, a refund of it is under way, it is disputed or
            gone, or the balance is closed.
        InsufficientFunds: less than that may go back.
        InvalidInput: the amount is of another currency, not above zero, or finer than the
            currency's minor unit.
    """
    if top_up.state not in _REFUNDABLE:
        raise IllegalTransition("top-up", top_up.id, top_up.state, "be refunded")
    balance = books.balance(top_up.value.currency.code)
    require_not_closed(books, balance, "refund a top-up")
    dues = dues_of(holds, top_up.id)
    most = refundable(books, top_up, policy, dues)
    asked = most if amount is None else amount
    if amount is not None:
        to_units(amount, minor_digits(amount.currency), field="amount")
        balance.units(amount)
    if to_units(asked) > to_units(most) or not to_units(asked):
        wanted = top_up.value if amount is None else amount
        raise InsufficientFunds(
            top_up.account,
            balance.unit,
            amount_text(wanted),
            amount_text(most),
            amount_text(subtract(wanted, most)),
            f"refund at most {amount_text(most)}: the rest was spent, held or given back",
        )
    units = balance.units(asked)
    memo = Memo(EntryKind.REFUND, at, at, reason, top_up.id, actor)
    books, drawn = draw_due(books, dues, units, at)
    books, hold = _set_aside(books, top_up, units, memo, f"refund-{refund_id}")
    books, bonus = hold_bonus(books, top_up, f"bonus-{refund_id}", at)
    refund = TopUpRefund(
        id=refund_id,
        amount=asked,
        state=RefundState.REQUESTED,
        requested_at=at,
        asked_at=at,
        payment=top_up.payment or "",
        hold=hold.id,
        bonus_hold=bonus.id if bonus else "",
        reason=reason,
        actor=actor,
    )
    placed = (hold, bonus) if bonus else (hold,)
    return _requested(books, top_up, refund, at, (*drawn, *placed))


def request_quarantine_refund(
    books: Books,
    top_up: TopUp,
    payment: str,
    *,
    refund_id: str,
    at: datetime,
    reason: str,
    actor: str,
) -> Returned:
    """Store the refund of a quarantined payment; no money is set aside, for none was credited.

    Raises:
        IllegalTransition: it has been resolved, or a refund of the top-up is under way.
        InvalidInput: its amount is not known.
        UnknownName: no such payment was quarantined.
    """
    found = top_up.quarantined(payment)
    if found is None:
        raise UnknownName(
            "payment", payment, "is not quarantined", "look at the top-up's quarantine"
        )
    if found.resolution is not None:
        raise IllegalTransition("quarantined payment", payment, found.resolution, "be refunded")
    if top_up.under_way is not None or top_up.state is TopUpState.DISPUTED:
        raise IllegalTransition("top-up", top_up.id, top_up.state, "be refunded")
    if found.amount is None:
        raise InvalidInput("payment", payment, "has no known amount", "refund it at the provider")
    refund = TopUpRefund(
        id=refund_id,
        amount=found.amount,
        state=RefundState.REQUESTED,
        requested_at=at,
        asked_at=at,
        payment=payment,
        reason=reason,
        actor=actor,
    )
    return _requested(books, top_up, refund, at, ())


def _requested(
    books: Books, top_up: TopUp, refund: TopUpRefund, at: datetime, holds: tuple[Hold, ...]
) -> Returned:
    event = RefundRequested(
        account=top_up.account, at=at, top_up=top_up.id, refund=refund.id, amount=refund.amount
    )
    return Returned(
        top_up=top_up.with_refund(refund),
        books=books,
        refund=refund,
        holds=holds,
        events=(event,),
    )


def settle_refund(
    books: Books,
    top_up: TopUp,
    refund_id: str,
    state: RefundState,
    holds: Mapping[str, Hold],
    *,
    at: datetime,
    provider_id: str = "",
) -> Returned:
    """Act on what became of a refund at the provider; what is settled stays as it is.

    ``holds`` are the account's open ones, by id.

    Raises:
        UnknownName: the top-up has no such refund.
    """
    refund = top_up.refund(refund_id)
    if refund.settled or state is refund.state or state is RefundState.REQUESTED:
        return Returned(top_up=top_up, books=books, refund=refund, repeated=True)
    told = attrs.evolve(refund, state=state, refund=provider_id or refund.refund)
    if state is RefundState.PENDING:
        return Returned(top_up=top_up.with_refund(told), books=books, refund=told)
    memo = Memo(EntryKind.REFUND, at, at, refund.reason, top_up.id, refund.actor)
    if state is RefundState.FAILED:
        return _failed(books, top_up, told, holds, memo)
    return _done(books, top_up, told, holds, memo)


def _done(
    books: Books, top_up: TopUp, refund: TopUpRefund, holds: Mapping[str, Hold], memo: Memo
) -> Returned:
    entries: tuple[Entry, ...] = ()
    resolved: tuple[Hold, ...] = ()
    if refund.hold:
        taken = capture_hold(books, holds[refund.hold], None, memo)
        books, resolved = taken.books, (taken.hold,)
        first = attrs.evolve(taken.entries[0], corrects=top_up.entry)
        entries = (first, *taken.entries[1:])
        refund = attrs.evolve(refund, entry=first.number)
    if refund.bonus_hold:
        books, hold, voided = void_bonus(books, top_up, holds[refund.bonus_hold], memo)
        resolved, entries = (*resolved, hold), (*entries, *voided)
    events: list[Event] = [_told_back(top_up, refund, memo.effective_at)]
    after = top_up
    aside = top_up.quarantined(refund.payment)
    if aside is not None and not refund.hold:
        events.append(_resolved_event(top_up, refund, memo))
        after = top_up.with_quarantined(
            attrs.evolve(
                aside, resolution=Resolution.REFUND, because=refund.reason, actor=refund.actor
            )
        )
    return Returned(
        top_up=after.with_refund(refund),
        books=books,
        refund=refund,
        holds=resolved,
        entries=entries,
        events=tuple(events),
    )


def _told_back(top_up: TopUp, refund: TopUpRefund, at: datetime) -> TopUpRefunded:
    return TopUpRefunded(
        account=top_up.account,
        at=at,
        top_up=top_up.id,
        refund=refund.id,
        amount=refund.amount,
        entry=refund.entry,
        outside=refund.outside,
    )


def _resolved_event(top_up: TopUp, refund: TopUpRefund, memo: Memo) -> QuarantineResolved:
    return QuarantineResolved(
        account=top_up.account,
        at=memo.effective_at,
        top_up=top_up.id,
        payment=refund.payment,
        resolution=Resolution.REFUND.value,
        reason=refund.reason,
        actor=refund.actor,
    )


def _failed(
    books: Books, top_up: TopUp, refund: TopUpRefund, holds: Mapping[str, Hold], memo: Memo
) -> Returned:
    entries: tuple[Entry, ...] = ()
    resolved: tuple[Hold, ...] = ()
    for name in (refund.hold, refund.bonus_hold):
        if not name:
            continue
        freed = release_hold(books, holds[name], memo)
        books, resolved, entries = freed.books, (*resolved, freed.hold), (*entries, *freed.more)
    event = RefundFailed(
        account=top_up.account,
        at=memo.effective_at,
        top_up=top_up.id,
        refund=refund.id,
        amount=refund.amount,
    )
    return Returned(
        top_up=top_up.with_refund(refund),
        books=books,
        refund=refund,
        holds=resolved,
        entries=entries,
        events=(event,),
    )


def note_given_back(
    books: Books,
    top_up: TopUp,
    in_all: Money,
    holds: Mapping[str, Hold],
    *,
    at: datetime,
) -> list[Returned]:
    """Act on how much the provider says has gone back of the credited payment, in all.

    It settles the refund that is under way if that is among it. What is above all that is known
    here was given back at the provider, and is taken by force: first from the top-up's own money,
    then from whatever there is, then below zero. Less than is known, or another currency, is old
    news, and so is more than was credited.
    """
    done: list[Returned] = []
    if top_up.entry is None or in_all.currency != top_up.value.currency:
        return done
    total = min(in_all, top_up.value)
    waiting = top_up.under_way
    if waiting is not None and waiting.payment == top_up.payment:
        unknown = subtract(total, top_up.given_back)
        if unknown < waiting.amount:
            return done
        done.append(settle_refund(books, top_up, waiting.id, RefundState.DONE, holds, at=at))
        books, top_up = done[-1].books, done[-1].top_up
    outside = subtract(total, top_up.given_back)
    if to_units(outside) > 0:
        done.append(_outside(books, top_up, outside, dues_of(holds.values(), top_up.id), at))
    return done


def _outside(
    books: Books, top_up: TopUp, amount: Money, dues: Iterable[Hold], at: datetime
) -> Returned:
    number = 1 + sum(one.outside for one in top_up.refunds)
    identity = f"{top_up.id}-outside-{number}"
    memo = Memo(EntryKind.REFUND, at, at, "given back at the provider", top_up.id)
    books, holds = draw_due(books, dues, books.of(amount).units(amount), at)
    taken = take_back(books, top_up, amount, memo)
    books, entries = taken.books, taken.entries
    books, bonus = hold_bonus(books, top_up, f"bonus-{identity}", at)
    if bonus is not None:
        books, bonus, voided = void_bonus(books, top_up, bonus, memo)
        holds, entries = (*holds, bonus), (*entries, *voided)
    refund = TopUpRefund(
        id=identity,
        amount=amount,
        state=RefundState.DONE,
        requested_at=at,
        asked_at=at,
        payment=top_up.payment or "",
        bonus_hold=bonus.id if bonus else "",
        reason=memo.reason,
        entry=taken.entry.number,
        outside=True,
    )
    return Returned(
        top_up=top_up.with_refund(refund),
        books=books,
        refund=refund,
        holds=holds,
        entries=entries,
        events=(_told_back(top_up, refund, at),),
    )


# --------------------------------------------------------------------------- lots and holds


def _free(books: Books, top_up: TopUp) -> int:
    lots = books.balance(top_up.value.currency.code).lots
    return next((lot.free for lot in lots if lot.number == top_up.entry), 0)


def _set_aside(
    books: Books, top_up: TopUp, units: int, memo: Memo, hold_id: str
) -> tuple[Books, Hold]:
    """Hold ``units`` on the top-up's own lot, and on credit what that no longer has."""
    balance = books.balance(top_up.value.currency.code)
    own = min(units, _free(books, top_up))
    lots = tuple(
        lot.left_with(lot.remaining, lot.pinned + own) if lot.number == top_up.entry else lot
        for lot in balance.lots
    )
    number = top_up.entry or DEBT
    hold = Hold(
        id=hold_id,
        account=books.account,
        unit=balance.unit,
        scale=balance.scale,
        kind=memo.kind,
        placed=units,
        left=units,
        pins=((number, own),) if own else (),
        on_credit=units - own,
        placed_at=memo.effective_at,
        expires_at=None,
        reason=memo.reason,
        reference=memo.reference,
        actor=memo.actor,
    )
    return books.with_balance(balance.with_lots(lots, balance.held + units)), hold


def hold_bonus(
    books: Books, top_up: TopUp, hold_id: str, at: datetime
) -> tuple[Books, Hold | None]:
    """Set aside what is unspent of a top-up's bonus, so that it cannot be spent meanwhile."""
    lots = books.balance(top_up.value.currency.code).lots
    bonus = next((lot for lot in lots if lot.number == top_up.bonus_entry and lot.free), None)
    if bonus is None or not bonus.live(at):
        return books, None
    memo = Memo(EntryKind.VOID, at, at, "bonus of a refunded top-up", top_up.id)
    own = attrs.evolve(top_up, entry=bonus.number)
    return _set_aside(books, own, bonus.free, memo, hold_id)


def void_bonus(
    books: Books, top_up: TopUp, hold: Hold, memo: Memo
) -> tuple[Books, Hold, tuple[Entry, ...]]:
    """Void a bonus that was set aside."""
    taken = capture_hold(books, hold, None, attrs.evolve(memo, reason=hold.reason))
    first = attrs.evolve(taken.entries[0], corrects=top_up.bonus_entry)
    return taken.books, taken.hold, (first, *taken.entries[1:])


def take_back(books: Books, top_up: TopUp, amount: Money, memo: Memo) -> Posted:
    """Take money of a top-up by force: its own first, then whatever there is, then below zero.

    The entry corrects the credit.

    Raises:
        IllegalTransition: the balance is closed.
    """
    balance = books.of(amount)
    require_not_closed(books, balance, "take back a top-up")
    units = balance.units(amount)
    if top_up.entry is None:  # only what was credited is taken back
        raise AssertionError(top_up.id)
    lot = next((one for one in balance.lots if one.number == top_up.entry), None)
    return take_from(books, balance, lot, units, memo, corrects=top_up.entry)
