"""The noun ``messages``: what was sent, what the provider says of it, and what it costs."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import cast, final

import attrs

from monochat_billing import message_commands
from monochat_billing.accounts import Step, catch_up, require_account
from monochat_billing.errors import InvalidInput
from monochat_billing.message_breakdowns import MessageBreakdown, breakdown_of, breakdown_prefix
from monochat_billing.message_commands import MessageReport
from monochat_billing.message_metering import buckets_for
from monochat_billing.message_terms import MessageTerms
from monochat_billing.message_told import (
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
from monochat_billing.repositories import UnitOfWork, Wanted
from monochat_billing.service.context import named
from monochat_billing.service.sends import MessageSends
from monochat_billing.texts import check_identity

__all__ = ["Messages", "Received"]


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
class Messages(MessageSends):
    """Hold for messages, receive what becomes of them, and read what they cost."""

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
