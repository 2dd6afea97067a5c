"""Message charging: what statuses do to messages, tallies, holds and books, each message once.

*Owns* the decision on a batch of statuses of one account, whatever their order and repetition.
*Does not own* the prices (:mod:`monochat_billing.message_pricing`), reading of statuses
(:mod:`monochat_billing.message_told`), or commands.

A message is charged by the first of its statuses that says *delivered* or *read* and carries the
provider's word on its price. That word decides category and flag; where it differs from what was
expected, the message says so. What later statuses say is a repetition, or a contradiction that is
set aside. *Failed* frees the message's share of its hold, unless the message has arrived.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, final

import attrs

from monochat_billing.books import BalanceState, Books, take
from monochat_billing.entries import DebitMode, Entry, Memo
from monochat_billing.holds import Hold
from monochat_billing.lots import ChargeKind
from monochat_billing.message_pricing import MessageLine, price_many
from monochat_billing.message_terms import FeeDesk, MessageTerms
from monochat_billing.message_tiers import MessageCounts, ServiceKey, TierKey
from monochat_billing.message_told import Reading, Told, set_aside
from monochat_billing.messages import (
    AsideReason,
    BusinessNumber,
    Message,
    MessageMove,
    MessageState,
    SetAsideStatus,
    StatusReport,
    StatusWord,
    Tally,
)
from monochat_billing.money import DEFAULT_SCALE
from monochat_billing.pack_terms import PackScope
from monochat_billing.rating import MessageCategory, UsageRecord
from monochat_billing.tills import Till

__all__ = ["Charged", "MessageBatch", "charge_messages"]

_CHARGED: Final = MessageState.CHARGED
_ZERO: Final = Tally()


@final
@attrs.define
class Charged:
    """Collect what a batch of statuses led to."""

    books: Books
    entries: list[Entry] = attrs.field(factory=list)
    holds: dict[str, Hold] = attrs.field(factory=dict)
    messages: dict[str, Message] = attrs.field(factory=dict)
    tallies: dict[str, Tally] = attrs.field(factory=dict)
    asides: list[SetAsideStatus] = attrs.field(factory=list)
    first: Entry | None = None
    last: Entry | None = None
    freed: bool = False
    charged: int = 0
    free: int = 0
    prepaid: int = 0
    forced: int = 0
    failed: int = 0
    waiting: int = 0
    sent: int = 0
    repeated: int = 0
    units: int = 0


@final
@attrs.frozen
class _Due:
    """Hold a message that is to be charged now, by which status, and what was known of it."""

    message: Message | None
    told: Told
    reading: Reading


@final
@attrs.frozen(kw_only=True)
class MessageBatch:
    """Hold statuses of one account, and everything of it that they may have to see.

    ``known`` are the messages that the statuses name and the account has, ``tallies`` those that
    they need; what is missing has not been counted yet. ``numbers`` has every number that the
    statuses name.
    """

    books: Books
    holds: Mapping[str, Hold]
    known: Mapping[str, Message]
    tallies: Mapping[str, Tally]
    told: Sequence[Told]
    terms: MessageTerms
    numbers: Mapping[str, BusinessNumber]


def charge_messages(batch: MessageBatch, memo: Memo) -> Charged:
    """Decide a batch of statuses of one account; ``memo`` is that of every debit."""
    out = Charged(batch.books)
    desk = _Desk(out, batch.books.account, batch.known, memo.recorded_at)
    due = desk.judge(batch.told)
    refusal = _unpayable(batch.books, batch.terms)
    if refusal:
        due = desk.refuse(due, refusal)
    lines = _priced(due, batch, out)
    _Poster(out, batch, memo).post(due, lines, desk.released)
    before = batch.tallies
    out.tallies = {
        name: tally for name, tally in out.tallies.items() if tally != before.get(name, _ZERO)
    }
    return out


def _unpayable(books: Books, terms: MessageTerms) -> str:
    balance = books.balances.get(terms.currency)
    if balance is None:
        return f"no balance in {terms.currency}"
    if balance.state is BalanceState.CLOSED:
        return f"the balance in {terms.currency} is closed"
    if balance.scale != DEFAULT_SCALE:
        return f"the balance in {terms.currency} has {balance.scale} decimals"
    return ""


class _Desk:
    """Judge what becomes of each message, before anything is priced."""

    def __init__(
        self, out: Charged, account: str, known: Mapping[str, Message], at: datetime
    ) -> None:
        self._out = out
        self._account = account
        self._known = known
        self._at = at
        self.released: list[Message] = []

    def judge(self, told: Iterable[Told]) -> list[_Due]:
        """Give the messages that are to be charged, in the order of their instants."""
        by_message: dict[str, list[Told]] = {}
        for one in told:
            if one.status.message:
                by_message.setdefault(one.status.message, []).append(one)
            else:
                self._aside(one, one.aside or AsideReason.MALFORMED, one.detail)
        due = [
            found
            for name, own in by_message.items()
            if (found := self._judge(self._known.get(name), own)) is not None
        ]
        due.sort(key=lambda one: (one.told.status.at, one.told.status.message))
        return due

    def refuse(self, due: Iterable[_Due], detail: str) -> list[_Due]:
        """Set aside what cannot be paid at all; give what is free."""
        payable: list[_Due] = []
        for one in due:
            if one.told.status.billable:
                self._aside(one.told, AsideReason.NO_BALANCE, detail)
                self._arrived(one.message, one.told.status)
            else:
                payable.append(one)
        return payable

    def _aside(self, told: Told, reason: AsideReason, detail: str) -> None:
        self._out.asides.append(set_aside(told.status, reason, detail, self._account, self._at))

    def _judge(self, message: Message | None, own: list[Told]) -> _Due | None:
        if len(own) > 1 or message is not None:
            own = self._agreeing(message, own)
        for one in own:
            if one.aside is not None:
                self._aside(one, one.aside, one.detail)
        priced = [one for one in own if one.reading is not None]
        if message is not None and message.state is MessageState.CHARGED:
            self._out.repeated += sum(one.aside is None for one in own)
            self._contradicted(message, priced)
            return None
        if priced:
            return self._due(message, priced, len(own))
        self._unpriced(message, own)
        return None

    def _agreeing(self, message: Message | None, own: list[Told]) -> list[Told]:
        """Set aside what names another business number than the message has."""
        number = message.number if message else own[0].status.number
        agreeing: list[Told] = []
        for one in own:
            if one.status.number == number:
                agreeing.append(one)
            else:
                self._aside(one, AsideReason.CONTRADICTORY, "another business number")
        return agreeing

    def _contradicted(self, message: Message, priced: Iterable[Told]) -> None:
        for one in priced:
            said = one.status
            if said.category is not message.category or said.billable is message.free:
                detail = f"{said.category} after {message.category}"
                if said.category is message.category:
                    detail = f"{_flag(said.billable)} after {_flag(not message.free)}"
                self._out.repeated -= 1
                self._aside(one, AsideReason.CONTRADICTORY, detail)

    def _due(self, message: Message | None, priced: list[Told], told: int) -> _Due | None:
        chosen = priced[0]
        if len(priced) > 1:
            chosen = min(priced, key=_place)
            said = chosen.status.category, chosen.status.billable
            for one in priced:
                if (one.status.category, one.status.billable) != said:
                    told -= 1
                    self._aside(one, AsideReason.CONTRADICTORY, "two prices of one message")
        self._out.repeated += told - 1
        reading = chosen.reading
        return None if reading is None else _Due(message, chosen, reading)

    def _unpriced(self, message: Message | None, own: list[Told]) -> None:
        if not own:
            return
        words = {one.status.word for one in own}
        arrived = [one.status for one in own if one.status.word.arrived]
        if arrived:
            self._arrived(message, arrived[0])
        elif StatusWord.FAILED in words:
            failed = next(one.status for one in own if one.status.word is StatusWord.FAILED)
            self._failed(message, failed)
        else:
            self._out.sent += StatusWord.SENT in words

    def _arrived(self, message: Message | None, said: StatusReport) -> None:
        if message is not None and message.state is MessageState.ARRIVED:
            self._out.repeated += 1
            return
        now = message or _new(said)
        self._out.messages[said.message] = attrs.evolve(
            now, state=now.require(MessageMove.ARRIVE), at=said.at
        )
        self._out.waiting += 1

    def _failed(self, message: Message | None, said: StatusReport) -> None:
        now = message or _new(said)
        if now.state is not MessageState.HELD:
            self._out.repeated += 1
            return
        if now.share:
            self.released.append(now)
        self._out.messages[said.message] = attrs.evolve(
            now, state=now.require(MessageMove.FAIL), share=0, at=said.at
        )
        self._out.failed += 1


def _flag(billable: bool | None) -> str:  # noqa: FBT001 - the flag itself
    return "charged" if billable else "free"


def _place(told: Told) -> tuple[bool, datetime]:
    return told.status.word is not StatusWord.DELIVERED, told.status.at


def _new(said: StatusReport) -> Message:
    market = said.markets[0] if said.markets else ""
    return Message(
        id=said.message,
        number=said.number,
        state=MessageState.HELD,
        market=market,
        category=said.category,
        at=said.at,
    )


def _priced(due: Sequence[_Due], batch: MessageBatch, out: Charged) -> list[MessageLine]:
    """Price messages in their order, each zone's by itself, and keep the counts after them."""
    by_zone: dict[str, list[int]] = {}
    for place, one in enumerate(due):
        by_zone.setdefault(batch.numbers[one.told.status.number].zone, []).append(place)
    terms = batch.terms
    lines: dict[int, MessageLine] = {}
    for zone, places in by_zone.items():
        asked = [due[place] for place in places]
        readings = {one.reading: one.told.status for one in asked}
        kept = {**batch.tallies, **out.tallies}
        counts = MessageCounts(
            charged={
                _tier_key(reading, said): _count(kept, reading.tier)
                for reading, said in readings.items()
            },
            free_service={
                _service_key(reading, said): _count(kept, reading.service)
                for reading, said in readings.items()
                if reading.service
            },
        )
        found = price_many([_record(one, terms) for one in asked], terms.rates, zone, counts)
        for reading, said in readings.items():
            reached = found.counts.tier_at(_tier_key(reading, said))
            out.tallies[reading.tier] = Tally(reached)
            if reading.service:
                used = found.counts.service_at(_service_key(reading, said))
                out.tallies[reading.service] = Tally(used)
        lines.update(zip(places, found.lines, strict=True))
    for reading in {one.reading for one in due}:
        for name in (reading.number, reading.fee):
            if name:
                out.tallies[name] = batch.tallies.get(name, _ZERO)
    return [lines[place] for place in range(len(due))]


def _tier_key(reading: Reading, said: StatusReport) -> TierKey:
    return reading.month, reading.market, said.category or MessageCategory.SERVICE


def _service_key(reading: Reading, said: StatusReport) -> ServiceKey:
    return reading.month, said.number


def _count(tallies: Mapping[str, Tally], name: str) -> int:
    found = tallies.get(name)
    return 0 if found is None else found.messages


def _record(due: _Due, terms: MessageTerms) -> UsageRecord:
    said = due.told.status
    return UsageRecord(
        id=said.message,
        meter=terms.rates.cards.meter,
        occurred_at=said.at,
        market=due.reading.market,
        category=said.category or MessageCategory.SERVICE,
        billable=bool(said.billable),
        reference=said.number,
    )


class _Poster:
    """Debit what is due, free what failed, and write every message down."""

    def __init__(self, out: Charged, batch: MessageBatch, memo: Memo) -> None:
        self._out = out
        self._batch = batch
        self._memo = memo
        self._fees = FeeDesk(batch.terms)
        self._packs = _Packs(batch.books, memo.effective_at)

    def post(
        self, due: Sequence[_Due], lines: Sequence[MessageLine], released: Sequence[Message]
    ) -> None:
        """Post message after message; everything that is due can be paid or is free."""
        out, batch = self._out, self._batch
        if _unpayable(batch.books, batch.terms):
            for one, line in zip(due, lines, strict=True):
                self._write(one, line, (0, 0, 0), (None, None), "")
            return
        named = {one.message.hold for one in due if one.message} | {one.hold for one in released}
        holds = [batch.holds[name] for name in named if name in batch.holds]
        till = Till(batch.books, batch.terms.currency, holds, self._memo)
        for one, line in zip(due, lines, strict=True):
            self._charge(till, one, line)
        for failed in released:
            till.free(failed.hold, failed.share)
        done = till.done()
        out.freed = done.freed
        out.entries += done.entries
        out.holds.update((hold.id, hold) for hold in done.holds)
        out.books, burned = self._packs.burn(done.books, self._memo)
        out.entries += burned

    def _charge(self, till: Till, one: _Due, line: MessageLine) -> None:
        prepaid = self._packs.pay(line)
        cost = (0, 0, 0) if prepaid else self._cost(one, line)
        message = one.message
        hold, share = (message.hold, message.share) if message else ("", 0)
        posted: tuple[Entry | None, Entry | None] = (None, None)
        if any(cost):
            reason = one.reading.reason
            posted = till.charge(hold, share, sum(cost), reference=line.record_id, reason=reason)
        else:
            till.free(hold, share)
        self._write(one, line, cost, posted, prepaid)

    def _cost(self, due: _Due, line: MessageLine) -> tuple[int, int, int]:
        """Give provider's fee, own fee and tax."""
        if line.free is not None and not self._batch.terms.own_on_free:
            return 0, 0, 0
        place, fee = 1, due.reading.fee
        if fee:
            place = self._out.tallies[fee].messages + 1
            self._out.tallies[fee] = Tally(place)
        own, tax = self._fees.fees(line.units, place=place, on=line.rated_on)
        return self._fees.due(line.units), own, tax

    def _count(
        self,
        due: _Due,
        line: MessageLine,
        cost: tuple[int, int, int],
        posted: tuple[Entry | None, Entry | None],
        prepaid: str,
    ) -> None:
        out, name = self._out, due.reading.number
        found = [one for one in posted if one is not None]
        if found:
            out.charged += 1
            out.first = out.first or found[0]
            out.last = found[-1]
            out.forced += posted[1] is not None
        elif prepaid:
            out.prepaid += 1
        else:
            out.free += 1
        out.units += sum(cost)
        out.tallies[name] = out.tallies[name].plus(Tally(1, int(line.free is not None), *cost))

    def _write(
        self,
        due: _Due,
        line: MessageLine,
        cost: tuple[int, int, int],
        posted: tuple[Entry | None, Entry | None],
        prepaid: str,
    ) -> None:
        self._count(due, line, cost, posted, prepaid)
        said, before = due.told.status, due.message
        provider, own, tax = cost
        entry, excess = posted
        self._out.messages[said.message] = Message(
            id=said.message,
            number=said.number,
            state=_CHARGED if before is None else before.require(MessageMove.CHARGE),
            market=due.reading.market,
            category=said.category,
            at=said.at,
            hold="" if before is None else before.hold,
            expected=None if before is None else before.expected,
            expected_free=None if before is None else before.expected_free,
            free=line.free is not None,
            provider=provider,
            own=own,
            tax=tax,
            card=line.card,
            tier=line.tier,
            place=line.number,
            prepaid=prepaid,
            entry=None if entry is None else entry.number,
            excess=None if excess is None else excess.number,
        )


class _Packs:
    """Let prepaid messages of a category and market pay, as far as they go."""

    def __init__(self, books: Books, at: datetime) -> None:
        self._books = books
        self._at = at
        self._left: dict[tuple[str, MessageCategory], list[Any]] = {}

    def pay(self, line: MessageLine) -> str:
        """Give the meter that pays for a message; empty where none does."""
        if line.free is not None or len(self._books.balances) == 1:
            return ""
        found = self._left.get((line.market, line.category))
        if found is None:
            found = self._left[line.market, line.category] = self._pack(line)
        if found[1] <= 0:
            return ""
        found[1] -= 1
        found[2] += 1
        return str(found[0])

    def _pack(self, line: MessageLine) -> list[Any]:
        """Find the meter of a category and market, what is left of it, and what was used."""
        meter = PackScope(category=line.category, market=line.market).meter
        balance = self._books.balances.get(meter)
        left = 0 if balance is None else balance.available(ChargeKind.MESSAGE, self._at)
        return [meter, left, 0]

    def burn(self, books: Books, memo: Memo) -> tuple[Books, list[Entry]]:
        """Take what was used from the packs: one entry for each meter."""
        entries: list[Entry] = []
        for meter, _, used in self._left.values():
            if used:
                done = take(books, books.balance(meter), used, memo, DebitMode.WHOLE)
                books = done.books
                entries.append(done.entry)
        return books, entries
