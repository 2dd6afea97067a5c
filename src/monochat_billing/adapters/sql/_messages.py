"""Messages in tables: rows and pages of what an account sent.

Owns how messages, tallies, business numbers and statuses that were set aside are read and written.
Does not own the tables (``schema``) or when a unit of work reads and writes them (``_unit``).
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from monochat_billing.adapters.sql import _rows, documents, schema
from monochat_billing.adapters.sql._rows import Row, each
from monochat_billing.adapters.sql._session import Session
from monochat_billing.messages import (
    NO_TRAFFIC,
    AsideReason,
    BusinessNumber,
    Message,
    MessageState,
    SetAsideStatus,
    StatusReport,
    Tally,
    Traffic,
)
from monochat_billing.rating import MessageCategory
from monochat_billing.repositories import Changes

_LAST: Final = "\U0010ffff"
_STATES: Final = {state.value: state for state in MessageState}
_CATEGORIES: Final = {category.value: category for category in MessageCategory}


def message_row(account_id: str, one: Message) -> Row:
    """Write a row of ``billing_messages``."""
    return (
        account_id,
        one.id,
        one.number,
        one.state.value,
        one.market,
        None if one.category is None else one.category.value,
        _rows.ticks(one.at),
        one.hold,
        one.share,
        None if one.expected is None else one.expected.value,
        None if one.expected_free is None else int(one.expected_free),
        int(one.free),
        one.provider,
        one.own,
        one.tax,
        one.card,
        one.tier,
        one.place,
        one.prepaid,
        one.entry,
        one.excess,
    )


def message(row: Row) -> Message:
    """Read a row of ``billing_messages``."""
    _, identity, number, state, market, category, at, hold, share, expected, *rest = row
    expected_free, free, provider, own, tax, card, tier, place, prepaid, entry, excess = rest
    return Message(
        id=identity,
        number=number,
        state=_STATES[state],
        market=market,
        category=None if category is None else _CATEGORIES[category],
        at=_rows.instant(at),
        hold=hold,
        share=share,
        expected=None if expected is None else _CATEGORIES[expected],
        expected_free=None if expected_free is None else bool(expected_free),
        free=bool(free),
        provider=provider,
        own=own,
        tax=tax,
        card=card,
        tier=tier,
        place=place,
        prepaid=prepaid,
        entry=entry,
        excess=excess,
    )


def tally_row(account_id: str, name: str, one: Tally) -> Row:
    """Write a row of ``billing_message_tallies``."""
    return account_id, name, one.messages, one.free, one.provider, one.own, one.tax


def tally(row: Row) -> tuple[str, Tally]:
    """Read a row of ``billing_message_tallies``."""
    return row[1], Tally(*row[2:])


def aside_row(one: SetAsideStatus) -> Row:
    """Write a row of ``billing_set_asides``."""
    return (
        one.id,
        one.status.number,
        one.account,
        one.reason.value,
        one.detail,
        _rows.ticks(one.received_at),
        documents.write(one.status),
    )


def aside(row: Row) -> SetAsideStatus:
    """Read a row of ``billing_set_asides``."""
    identity, _, account, reason, detail, received_at, document = row
    return SetAsideStatus(
        id=identity,
        account=account,
        reason=AsideReason(reason),
        detail=detail,
        status=documents.read(StatusReport, document),
        received_at=_rows.instant(received_at),
    )


def number(row: Row) -> BusinessNumber:
    """Read a row of ``billing_numbers``."""
    return BusinessNumber(id=row[0], account=row[1], zone=row[2])


def traffic(messages: Sequence[Row], tallies: Sequence[Row]) -> Traffic:
    """Put what was asked for of one account's messages together."""
    if not (messages or tallies):
        return NO_TRAFFIC
    found = each(schema.MESSAGES, messages, message)
    return Traffic(
        messages={one.id: one for one in found},
        tallies=dict(each(schema.TALLIES, tallies, tally)),
    )


class MessageReader:
    """Read messages within one database transaction."""

    _session: Session

    def messages(self, account: str, *, after: str = "", limit: int = 100) -> Sequence[Message]:
        """Give up to ``limit`` messages whose ids sort after ``after``, in ascending order."""
        statement = self._session.statements.messages.messages
        values = statement.values(account=account, after=after, limit=max(limit, 0))
        rows = self._session.rows("read messages", statement, values)
        return tuple(each(schema.MESSAGES, rows, message))

    def tallies(self, account: str, prefix: str) -> Mapping[str, Tally]:
        """Give every tally whose name begins with ``prefix``, by name."""
        statement = self._session.statements.messages.tallies
        values = statement.values(account=account, first=prefix, last=prefix + _LAST)
        return dict(
            each(schema.TALLIES, self._session.rows("read tallies", statement, values), tally)
        )

    def numbers(self, ids: Sequence[str]) -> Mapping[str, BusinessNumber]:
        """Give those of these business numbers that somebody has registered, by id."""
        statement = self._session.statements.messages.numbers
        values = statement.values(ids=self._session.statements.shapes.ids(ids))
        rows = self._session.rows("read numbers", statement, values)
        return {one.id: one for one in each(schema.NUMBERS, rows, number)}

    def asides(
        self, *, number: str = "", after: str = "", limit: int = 100
    ) -> Sequence[SetAsideStatus]:
        """Give up to ``limit`` statuses that are set aside, in the order of their ids."""
        statements = self._session.statements.messages
        named = {"after": after, "limit": max(limit, 0)}
        statement = statements.asides
        if number:
            statement, named = statements.asides_of, {**named, "number": number}
        rows = self._session.rows("read asides", statement, statement.values(**named))
        return tuple(each(schema.ASIDES, rows, aside))


class MessageWriter(MessageReader):
    """Change what belongs to no single account."""

    def register(self, numbers: Sequence[BusinessNumber]) -> None:
        """Say whose business numbers are; what was said of them before is replaced."""
        rows = [(one.id, one.account, one.zone) for one in numbers]
        replace = self._session.statements.messages.replace_numbers
        self._session.write("register numbers", replace, rows)

    def set_aside(self, statuses: Sequence[SetAsideStatus], settled: Sequence[str] = ()) -> None:
        """Keep statuses, and drop the ``settled`` ones by id."""
        statements = self._session.statements.messages
        self._session.write("drop asides", statements.drop_asides, [(one,) for one in settled])
        self._session.write("keep asides", statements.keep_asides, list(map(aside_row, statuses)))

    def write_messages(self, changes: Iterable[Changes]) -> None:
        """Write the messages and tallies of accounts, and what was set aside of theirs."""
        changes = [one for one in changes if one.after.traffic is not NO_TRAFFIC]
        if not changes:
            return
        messages: list[Row] = []
        tallies: list[Row] = []
        asides: list[SetAsideStatus] = []
        settled: list[str] = []
        for one in changes:
            account = one.after.account.id
            messages += [message_row(account, each) for each in one.messages]
            tallies += [tally_row(account, name, each) for name, each in one.tallies]
            asides += one.asides
            settled += sorted(one.settled_asides)
        statements = self._session.statements.messages
        self._session.write("save messages", statements.replace_messages, messages)
        self._session.write("save tallies", statements.replace_tallies, tallies)
        if asides or settled:
            self.set_aside(asides, settled)
