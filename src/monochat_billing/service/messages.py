"""The noun ``messages``: what was sent, what the provider says of it, and what it costs."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import TypeVar, cast, final

import attrs

from monochat_billing import message_commands, send_commands
from monochat_billing.accounts import AccountState, Step, catch_up, require_account
from monochat_billing.campaigns import Affordable, CampaignPart
from monochat_billing.errors import InvalidInput
from monochat_billing.holds import Hold
from monochat_billing.message_breakdowns import MessageBreakdown, breakdown_of, breakdown_prefix
from monochat_billing.message_commands import MessageReport
from monochat_billing.message_estimates import MessageEstimate, SendAnswer
from monochat_billing.message_metering import buckets_for
from monochat_billing.message_terms import MessageTerms
from monochat_billing.message_told import (
    MessageChannel,
    Told,
    read_statuses,
    set_aside,
    tallies_of,
)
from monochat_billing.messages import (
    AsideReason,
    BusinessNumber,
    Message,
    SetAsideStatus,
    StatusReport,
)
from monochat_billing.rating import MessageCategory
from monochat_billing.repositories import Reader, UnitOfWork, Wanted
from monochat_billing.send_commands import SendHold, SentMessage, SentReport
from monochat_billing.service.context import Context, named
from monochat_billing.texts import check_identity

__all__ = ["Messages", "Received"]

T = TypeVar("T")


@final
@attrs.frozen(kw_only=True)
class Received:
    """Return what webhooks led to: a report for each account, and what belongs to none.

    ``unknown`` statuses name business numbers that nobody has registered, or none at all: they are
    set aside. ``refused`` are the webhooks that were not read, by their place, with the reason.
    """

    reports: Mapping[str, MessageReport]
    unknown: int = 0
    refused: tuple[tuple[int, InvalidInput], ...] = ()

    def __str__(self) -> str:
        told = [f"{account}: {report}" for account, report in self.reports.items()]
        return "\n".join([*told, f"{self.unknown} unknown, {len(self.refused)} refused"])

    @property
    def aside(self) -> int:
        """Give how many statuses were set aside in all."""
        return self.unknown + sum(one.aside for one in self.reports.values())


@final
@attrs.frozen
class Messages:
    """Hold for messages, receive what becomes of them, and read what they cost."""

    _context: Context

    # ------------------------------------------------------------------------ business numbers

    def register_number(
        self, account: str, number: str, *, zone: str | None = None, move: bool = False
    ) -> BusinessNumber:
        """Say that a business number, by its id at the provider, belongs to an account.

        ``zone`` is that of its WhatsApp Business Account, the account's own for None. Statuses that
        came before can be tried again with :meth:`retry`. Registering it again changes its zone;
        ``move`` allows to take it from another account, from now on.

        Raises:
            InvalidInput: it is no id, there is no such zone, or it belongs to another account.
            UnknownName: there is no such account.
        """
        check_identity(account, "account")
        check_identity(number, "number")

        def register(unit: UnitOfWork) -> BusinessNumber:
            state = require_account(unit.load([Wanted(account)])[account].state, account)
            before = unit.numbers([number]).get(number)
            if before is not None and before.account != account and not move:
                raise InvalidInput(
                    "number", number, "belongs to another account", "pass move=True to take it"
                )
            found = BusinessNumber(id=number, account=account, zone=zone or state.account.zone)
            if found != before:
                unit.register([found])
            return found

        return self._context.storage.write(register)

    # ------------------------------------------------------------------------------- receiving

    def receive(self, headers: Mapping[str, str], body: bytes) -> Received:
        """Apply the statuses of one webhook: each message is charged once, whatever comes when.

        Answer the provider 200 when this returns, 401 to a ``ForgedCallback``, 400 to another
        refusal, and 500 to an infrastructure error: what it sends again is a repetition.

        Raises:
            ForgedCallback: it is not genuine; nothing was read.
            InvalidInput: it is malformed as a whole, or too long; or the service has no channel.
        """
        return self._apply(self._channel.read(headers, body))

    def receive_many(self, webhooks: Iterable[tuple[Mapping[str, str], bytes]]) -> Received:
        """Apply many webhooks at once: one unit of work for each account among them.

        What cannot be read is refused by itself and costs the others nothing.

        Raises:
            InvalidInput: the service has no channel.
        """
        channel = self._channel
        statuses: list[StatusReport] = []
        refused: list[tuple[int, InvalidInput]] = []
        for place, (headers, body) in enumerate(webhooks):
            try:
                statuses += channel.read(headers, body)
            except InvalidInput as refusal:
                refused.append((place, refusal))
        return attrs.evolve(self._apply(statuses), refused=tuple(refused))

    def _apply(
        self, statuses: Sequence[StatusReport], retried: Mapping[str, frozenset[str]] | None = None
    ) -> Received:
        numbers = self._numbers({status.number for status in statuses})
        by_account: dict[str, list[StatusReport]] = {}
        unknown: list[StatusReport] = []
        for status in statuses:
            number = numbers.get(status.number)
            if number is None:
                unknown.append(status)
            else:
                by_account.setdefault(number.account, []).append(status)
        if unknown and retried is None:
            self._set_aside(unknown)
        reports = {
            account: self._apply_to(account, own, numbers, (retried or {}).get(account, _NONE))
            for account, own in sorted(by_account.items())
        }
        return Received(reports=reports, unknown=len(unknown))

    def _apply_to(
        self,
        account: str,
        statuses: Sequence[StatusReport],
        numbers: Mapping[str, BusinessNumber],
        retried: frozenset[str],
    ) -> MessageReport:
        terms, catalog = self._channel.terms, self._context.catalog
        told = read_statuses(statuses, terms, numbers)
        report = self._context.change(
            account,
            "messages.receive",
            lambda state, now: message_commands.apply_statuses(
                state, told, terms, numbers, catalog=catalog, retried=retried, now=now
            ),
            wants=_wants(told, terms),
        )
        return cast("MessageReport", report)

    def _set_aside(self, statuses: Iterable[StatusReport]) -> None:
        now = self._context.now()
        aside = [
            set_aside(
                one,
                one.problem or AsideReason.UNKNOWN_NUMBER,
                one.detail if one.problem else one.number,
                "",
                now,
            )
            for one in statuses
        ]
        self._context.storage.write(lambda unit: unit.set_aside(aside))

    def set_aside(
        self, *, number: str = "", after: str = "", limit: int = 100
    ) -> Sequence[SetAsideStatus]:
        """Give up to ``limit`` statuses that are set aside, of one number or of all, by id."""
        return self._context.storage.read(
            lambda reader: reader.asides(number=number, after=after, limit=limit)
        )

    def retry(self, *, number: str = "", limit: int = 1000) -> Received:
        """Apply again what was set aside, up to ``limit`` statuses of one number or of all.

        What still cannot be applied stays set aside. What was malformed stays until it is
        dropped.
        """
        found: dict[str, StatusReport] = {}
        after = ""
        while len(found) < limit and (page := self.set_aside(number=number, after=after)):
            read = {one.id: self._channel.reread(one.status) for one in page}
            found |= {name: one for name, one in read.items() if one.problem is None}
            after = page[-1].id
        return self._again(dict([*found.items()][:limit]))

    def settle(
        self, aside: SetAsideStatus, *, category: MessageCategory, billable: bool
    ) -> Received:
        """Decide a status that was set aside by what the provider's invoice or a person says.

        The message is charged, or found free, as if the status had said so.

        Raises:
            InvalidInput: the status says not that a message arrived, or the category is unknown.
        """
        if not aside.status.word.arrived:
            raise InvalidInput("aside", aside.id, "says not that a message arrived", "drop it")
        found = attrs.evolve(
            aside.status,
            category=named(MessageCategory, category, "category"),
            billable=billable,
            problem=None,
            detail="",
            words=(),
        )
        return self._again({aside.id: found})

    def drop(self, asides: Iterable[SetAsideStatus]) -> None:
        """Forget statuses that were set aside, because somebody has dealt with them elsewhere."""
        ids = [one.id for one in asides]
        self._context.storage.write(lambda unit: unit.set_aside((), ids))

    def _again(self, found: Mapping[str, StatusReport]) -> Received:
        numbers = self._numbers({one.number for one in found.values()})
        retried: dict[str, frozenset[str]] = {}
        for name, one in found.items():
            owner = numbers.get(one.number)
            if owner is not None:
                retried[owner.account] = retried.get(owner.account, _NONE) | {name}
        return self._apply([*found.values()], retried)

    # --------------------------------------------------------------------------------- sending

    def hold(
        self,
        account: str,
        parts: Iterable[CampaignPart],
        *,
        key: str,
        lasts: timedelta | None = None,
        reason: str = "messages",
        reference: str = "",
        actor: str = "",
    ) -> SendHold:
        """Set aside what a batch of messages costs at worst, in full or not at all.

        It is free again after ``lasts``, which the terms say unless it is given. Hand the messages
        to the provider next, then tell :meth:`sent` which ones.

        Raises:
            InsufficientFunds: less may be used for messages; nothing has changed.
            LimitExceeded: the plan's units are used up, and nothing says what more costs.
            IllegalTransition: the plan is suspended, unpaid after its grace, or paused.
            InvalidInput: a category is not offered in its market, or no card rules that day.
            UnknownName: there is no such account, balance or market.
            IdempotencyConflict: the key was used for something else.
        """
        asked, terms, hold_id = tuple(parts), self._channel.terms, self._context.ids()
        catalog = self._context.catalog
        numbers = self._numbers({part.reference for part in asked})
        content = {
            "parts": _parts_text(asked),
            "lasts": "" if lasts is None else str(lasts),
            "reason": str(reason),
            "reference": str(reference),
        }
        held = self._context.change(
            account,
            "messages.hold",
            lambda state, now: send_commands.hold_for(
                state,
                asked,
                terms,
                catalog=catalog,
                hold_id=hold_id,
                on=_day(state, asked, numbers, now),
                lasts=lasts,
                reason=reason,
                reference=reference,
                actor=actor,
                now=now,
            ),
            key=key,
            content=content,
            wants={"counters": buckets_for(terms.meter, [self._context.now()])},
        )
        return cast("SendHold", held)

    def sent(self, account: str, messages: Iterable[SentMessage], *, hold: str = "") -> SentReport:
        """Note which messages were handed to the provider, and what is held for each.

        A message's own id makes it safe to say again. Its statuses may have come before.

        Raises:
            InvalidInput: a category is not offered in its market, or no card rules its day.
            UnknownName: there is no such account or market, or no such open hold.
        """
        batch, terms = tuple(messages), self._channel.terms
        numbers = self._numbers({one.number for one in batch})
        for one in batch:
            check_identity(one.id, "messages.id")
        report = self._context.change(
            account,
            "messages.sent",
            lambda state, now: send_commands.note_sent(
                state, batch, hold, terms, numbers=numbers, now=now
            ),
            wants={"messages": [one.id for one in batch], "holds": [hold] if hold else []},
        )
        return cast("SentReport", report)

    def unsent(self, account: str, hold: str, parts: Iterable[CampaignPart], *, key: str) -> Hold:
        """Free what was held for messages that the provider did not take.

        Raises:
            InvalidInput: as :meth:`hold`.
            UnknownName: there is no such account, market or hold.
            IdempotencyConflict: the key was used for something else.
        """
        asked, terms = tuple(parts), self._channel.terms
        numbers = self._numbers({part.reference for part in asked})
        found = self._context.change(
            account,
            "messages.unsent",
            lambda state, now: send_commands.free_unsent(
                state, hold, asked, terms, on=_day(state, asked, numbers, now), now=now
            ),
            key=key,
            content={"hold": check_identity(hold, "hold"), "parts": _parts_text(asked)},
            wants={"holds": [hold]},
        )
        return cast("Hold", found)

    # --------------------------------------------------------------------------- looking ahead

    def estimate(
        self, account: str, parts: Iterable[CampaignPart], *, on: date | None = None
    ) -> MessageEstimate:
        """Price a campaign against the account's own counts and balance, before it is sent.

        ``on`` is the local day of sending, today for None.

        Raises:
            InvalidInput: a category is not offered in its market, or no card rules that day.
            UnknownName: there is no such account, balance or market.
        """
        asked, terms, catalog = tuple(parts), self._channel.terms, self._context.catalog
        return self._ahead(
            account,
            asked,
            on,
            lambda state, day, now: send_commands.estimate_for(
                state, asked, terms, catalog=catalog, on=day, now=now
            ),
        )

    def affordable(
        self,
        account: str,
        mix: Iterable[CampaignPart],
        *,
        on: date | None = None,
        at_most: int = 10**9,
    ) -> Affordable:
        """Say how many more times the account's balance pays for a mix, exact at the edge.

        Raises:
            InvalidInput: as :meth:`estimate`.
            UnknownName: as :meth:`estimate`.
        """
        asked, terms, catalog = tuple(mix), self._channel.terms, self._context.catalog
        return self._ahead(
            account,
            asked,
            on,
            lambda state, day, now: send_commands.affordable_for(
                state, asked, terms, catalog=catalog, on=day, now=now, at_most=at_most
            ),
        )

    def may_send(self, account: str, parts: Iterable[CampaignPart]) -> SendAnswer:
        """Say whether messages may be sent now, with the reason if not; nothing is held.

        Raises:
            InvalidInput: as :meth:`estimate`.
            UnknownName: as :meth:`estimate`.
        """
        asked, terms, catalog = tuple(parts), self._channel.terms, self._context.catalog
        return self._ahead(
            account,
            asked,
            None,
            lambda state, day, now: send_commands.may_send(
                state, asked, terms, catalog=catalog, on=day, now=now
            ),
        )

    def _ahead(
        self,
        account: str,
        parts: Sequence[CampaignPart],
        on: date | None,
        ask: Callable[[AccountState, date, datetime], T],
    ) -> T:
        """Read an account as it is now, with the tallies of a day, and ask something of it."""
        check_identity(account, "account")
        context, terms = self._context, self._channel.terms
        now = context.now()

        def read(reader: Reader) -> tuple[AccountState, date]:
            state = require_account(reader.load([Wanted(account)])[account].state, account)
            numbers = reader.numbers(sorted({part.reference for part in parts}))
            day = on or _day(state, parts, numbers, now)
            names = send_commands.estimate_tallies(parts, terms, day)
            buckets = buckets_for(terms.meter, [now])
            found = reader.load([Wanted(account, tallies=names, counters=buckets)])[account].state
            return require_account(found, account), day

        state, day = context.storage.read(read)
        step: Step = catch_up(state, context.catalog, now)
        return ask(step.state, day, max(now, step.state.account.as_of))

    # --------------------------------------------------------------------------- looking back

    def get(self, account: str, message: str) -> Message | None:
        """Give a message by its id, None where nothing is known of it.

        Raises:
            UnknownName: there is no such account.
        """
        wanted = Wanted(account, messages=frozenset({message}))
        state = require_account(self._context.load(wanted).state, account)
        found = state.traffic.messages.get(message)
        if found is None:
            return None
        return found.under(_open(catch_up(state, self._context.catalog, self._context.now())))

    def list(self, account: str, *, after: str = "", limit: int = 100) -> Sequence[Message]:
        """Give up to ``limit`` messages whose ids sort after ``after``, in ascending order.

        Raises:
            UnknownName: there is no such account.
        """
        step, found = self._context.view_with(
            account, lambda reader: reader.messages(account, after=after, limit=limit)
        )
        holds = _open(step)
        return tuple([one.under(holds) for one in found])

    def breakdown(self, account: str, month: date) -> MessageBreakdown:
        """Give what the messages of a month cost, by number, category and market.

        ``month`` is any day of the month, in the zone of the numbers.

        Raises:
            UnknownName: there is no such account.
        """
        prefix = breakdown_prefix(month)
        _, found = self._context.view_with(account, lambda reader: reader.tallies(account, prefix))
        return breakdown_of(found, month, self._channel.terms.currency)

    @property
    def _channel(self) -> MessageChannel:
        channel = self._context.channel
        if channel is None:
            raise InvalidInput("channel", None, "is missing", "pass channel=WhatsApp(…) to Billing")
        return channel

    def _numbers(self, ids: Iterable[str]) -> Mapping[str, BusinessNumber]:
        asked = sorted(one for one in ids if one)
        if not asked:
            return {}
        return self._context.storage.read(lambda reader: reader.numbers(asked))


_NONE: frozenset[str] = frozenset()


def _open(step: Step) -> frozenset[str]:
    return frozenset(name for name, hold in step.state.holds.items() if hold.open)


def _wants(told: Sequence[Told], terms: MessageTerms) -> Mapping[str, Iterable[str]]:
    instants = [one.status.at for one in told if one.reading is not None]
    return {
        "messages": {one.status.message for one in told} - {""},
        "tallies": tallies_of(told),
        "counters": buckets_for(terms.meter, instants),
    }


def _day(
    state: AccountState,
    parts: Sequence[CampaignPart],
    numbers: Mapping[str, BusinessNumber],
    now: datetime,
) -> date:
    return send_commands.sending_day(state.account.zone, parts, numbers, now)


def _parts_text(parts: Iterable[CampaignPart]) -> str:
    return "; ".join(
        f"{part.messages} {part.category.value} {part.market} {part.reference}" for part in parts
    )
