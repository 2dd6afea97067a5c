"""The verbs of ``messages`` that come before the provider speaks: price, hold, send, give back."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import TypeVar, cast

import attrs

from monochat_billing import send_commands
from monochat_billing.accounts import AccountState, Step, catch_up, require_account
from monochat_billing.campaigns import Affordable, CampaignPart
from monochat_billing.errors import InvalidInput
from monochat_billing.holds import Hold
from monochat_billing.message_estimates import MessageEstimate, SendAnswer
from monochat_billing.message_metering import buckets_for
from monochat_billing.message_told import MessageChannel
from monochat_billing.messages import BusinessNumber
from monochat_billing.repositories import Reader, Wanted
from monochat_billing.send_commands import SendHold, SentMessage, SentReport
from monochat_billing.service.context import Context
from monochat_billing.texts import check_identity

__all__ = ["MessageSends"]

T = TypeVar("T")


@attrs.frozen
class MessageSends:
    """Say what messages will cost, hold the money for them, and note that they were sent."""

    _context: Context

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
