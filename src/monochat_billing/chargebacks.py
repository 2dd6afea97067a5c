"""Chargebacks: a buyer's bank disputes a payment, and the money goes, by force if it must.

*Owns* what the words of a dispute make of a top-up and its balance: opened, lost, won.
*Does not own* the provider's procedure, nor what a business sends as evidence.

Policy says when the money is taken: when the dispute is opened, because the provider takes it
then, or when it is lost. It comes first from the top-up's own money, then from whatever there is,
then the balance goes below zero, and nothing can be spent until that is covered. A dispute that is
won reverses the entry: everything goes back to the lots that paid. The unspent bonus is set aside
while a dispute is open, voided when it is lost and free again when it is won.

A balance that is closed takes nothing, and the dispute is recorded for a person to see.

The words of one dispute may come in any order and again: OPEN, LOST, WON, the furthest stands.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final, final

import attrs

from monochat_billing.books import BalanceState, Books
from monochat_billing.corrections import reverse
from monochat_billing.entries import Entry, EntryKind, Memo
from monochat_billing.errors import UnknownName
from monochat_billing.events import DisputeLost, DisputeOpened, DisputeWon, Event
from monochat_billing.holds import Hold, release_hold
from monochat_billing.money import Money, from_units, subtract, to_units
from monochat_billing.refund_dues import draw_due, dues_of
from monochat_billing.refunds import hold_bonus, take_back, void_bonus
from monochat_billing.top_up_policies import ChargebackPolicy
from monochat_billing.top_ups import Dispute, DisputeState, TopUp

__all__ = ["Disputed", "judge_dispute"]

_ORDER: Final = tuple(DisputeState)
_TOLD: Final[Mapping[DisputeState, type[DisputeOpened] | type[DisputeLost] | type[DisputeWon]]] = {
    DisputeState.OPEN: DisputeOpened,
    DisputeState.LOST: DisputeLost,
    DisputeState.WON: DisputeWon,
}


@final
@attrs.frozen(kw_only=True)
class Disputed:
    """Return what a word about a dispute led to; ``repeated`` says that it was known."""

    top_up: TopUp
    books: Books
    dispute: Dispute | None = None
    holds: tuple[Hold, ...] = ()
    entries: tuple[Entry, ...] = ()
    events: tuple[Event, ...] = ()
    repeated: bool = False


def judge_dispute(
    books: Books,
    top_up: TopUp,
    *,
    dispute: str,
    amount: Money | None,
    state: DisputeState,
    at: datetime,
    entries: Mapping[int, Entry],
    holds: Mapping[str, Hold],
    policy: ChargebackPolicy = ChargebackPolicy.WHEN_OPENED,
) -> Disputed:
    """Act on what is told of a dispute over the payment that credited a top-up.

    ``amount`` is what is disputed, all of it when the provider does not say; no more is taken than
    was credited and has not gone back. ``entries`` holds what the dispute took and what corrects
    that, ``holds`` the account's open ones.

    Raises:
        UnknownName: the entry to reverse is not among ``entries``.
    """
    known = top_up.dispute(dispute)
    if known is not None and _ORDER.index(state) <= _ORDER.index(known.state):
        return Disputed(top_up=top_up, books=books, dispute=known, repeated=True)
    left = subtract(subtract(top_up.value, top_up.given_back), top_up.taken_back)
    left = max(left, from_units(0, left.currency))
    if amount is None or amount.currency != left.currency:
        amount = left
    now = known or Dispute(id=dispute, amount=min(amount, left), state=state, opened_at=at)
    now = attrs.evolve(now, state=state)
    work = _Work(books, top_up, now, at)
    takes = state is DisputeState.LOST or (
        state is DisputeState.OPEN and policy is ChargebackPolicy.WHEN_OPENED
    )
    if takes and now.entry is None:
        work.take(dues_of(holds.values(), top_up.id))
    if state is DisputeState.OPEN:
        work.hold_bonus()
    elif state is DisputeState.LOST:
        work.void_bonus(holds)
    else:
        work.free_bonus(holds)
        work.give_back(entries)
    return work.done()


class _Work:
    """Collect what one word of a dispute does."""

    def __init__(self, books: Books, top_up: TopUp, dispute: Dispute, at: datetime) -> None:
        self._books = books
        self._top_up = top_up
        self._dispute = dispute
        self._memo = Memo(EntryKind.CHARGEBACK, at, at, "disputed by the buyer's bank", top_up.id)
        self._entries: list[Entry] = []
        self._holds: list[Hold] = []
        self._told: int | None = dispute.entry

    def take(self, dues: Sequence[Hold]) -> None:
        closed = self._books.of(self._dispute.amount).state is BalanceState.CLOSED
        if closed or to_units(self._dispute.amount) <= 0:
            return
        amount = self._dispute.amount
        units = self._books.of(amount).units(amount)
        self._books, drawn = draw_due(self._books, dues, units, self._memo.effective_at)
        self._holds += drawn
        taken = take_back(self._books, self._top_up, amount, self._memo)
        self._books = taken.books
        self._entries += taken.entries
        self._told = taken.entry.number
        self._dispute = attrs.evolve(self._dispute, entry=self._told)

    def hold_bonus(self) -> None:
        name = f"bonus-{self._top_up.id}-{self._dispute.id}"
        self._books, bonus = hold_bonus(self._books, self._top_up, name, self._memo.effective_at)
        if bonus is not None:
            self._holds.append(bonus)
            self._dispute = attrs.evolve(self._dispute, bonus_hold=bonus.id)

    def void_bonus(self, holds: Mapping[str, Hold]) -> None:
        if not self._dispute.bonus_hold:
            self.hold_bonus()
            holds = {one.id: one for one in self._holds}
        hold = holds.get(self._dispute.bonus_hold)
        if hold is not None:
            self._books, gone, voided = void_bonus(self._books, self._top_up, hold, self._memo)
            self._holds = [*(one for one in self._holds if one.id != gone.id), gone]
            self._entries += voided

    def free_bonus(self, holds: Mapping[str, Hold]) -> None:
        hold = holds.get(self._dispute.bonus_hold)
        if hold is not None:
            freed = release_hold(self._books, hold, self._memo)
            self._books = freed.books
            self._holds.append(freed.hold)
            self._entries += freed.more

    def give_back(self, entries: Mapping[int, Entry]) -> None:
        number = self._dispute.entry
        self._told = None
        if number is None:
            return
        taken = entries.get(number)
        if taken is None:
            raise UnknownName(
                "entry",
                number,
                "is not at hand",
                "load it along with the top-up, or restore the archive that it is in",
            )
        corrections = _corrections(number, entries)
        memo = attrs.evolve(self._memo, reason="dispute won")
        back = reverse(self._books, taken, corrections, memo)
        self._books = back.books
        self._entries += back.entries
        self._told = back.entry.number
        self._dispute = attrs.evolve(self._dispute, given_back=self._told)

    def done(self) -> Disputed:
        dispute, memo = self._dispute, self._memo
        event = _TOLD[dispute.state](
            account=self._top_up.account,
            at=memo.effective_at,
            top_up=self._top_up.id,
            dispute=dispute.id,
            amount=dispute.amount,
            entry=self._told,
        )
        return Disputed(
            top_up=self._top_up.with_dispute(dispute),
            books=self._books,
            dispute=dispute,
            holds=tuple(self._holds),
            entries=tuple(self._entries),
            events=(event,),
        )


def _corrections(number: int, entries: Mapping[int, Entry]) -> Sequence[Entry]:
    return [one for one in entries.values() if one.corrects == number]
