"""Statements: what happened on one balance between two instants, page by page.

*Owns* the pages of a statement, their running totals and cursors, and how they print.
*Does not own* which entries count and in which order (:mod:`monochat_billing.readings`).
"""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final, final

import attrs

from monochat_billing.balance import Entry
from monochat_billing.catalog_versions import AnyCatalog
from monochat_billing.entry_words import kind_words, product_words, reason_words
from monochat_billing.errors import InvalidInput
from monochat_billing.instants import check_zone
from monochat_billing.money import MAX_UNITS
from monochat_billing.readings import EntrySource, Place, Reading, Window
from monochat_billing.tables import WIDTH, table
from monochat_billing.translations import mark
from monochat_billing.units import Amount, Units, amount_in, plain_text
from monochat_billing.wording import Words

__all__ = ["LONGEST_PAGE", "Cursor", "Statement", "StatementLine", "statement"]

LONGEST_PAGE: Final = 1000
"""Lines that one page of a statement can have."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_TICK: Final = timedelta(microseconds=1)
_CURSOR: Final = re.compile(r"([er])(-?[0-9]{1,18})\.([0-9]{1,19})\.([0-9]{1,19})", re.ASCII)


@final
@attrs.frozen
class Cursor:
    """Say where a page ended; ``text`` is what a caller hands back, opaque to it.

    ``through`` is the number of the last entry that the first page knew of: all pages see the
    books as that page saw them.

    >>> Cursor(Reading.AS_RECORDED, Place(datetime(2026, 10, 1, tzinfo=UTC), 7), 9).text
    'r1790812800000000.7.9'
    """

    reading: Reading
    place: Place
    through: int

    @property
    def text(self) -> str:
        """Write the cursor: letters, digits, dots and a sign, so that it fits into an address."""
        letter = "r" if self.reading is Reading.AS_RECORDED else "e"
        ticks = (self.place.at - _EPOCH) // _TICK
        return f"{letter}{ticks}.{self.place.number}.{self.through}"

    @classmethod
    def parse(cls, text: str, window: Window) -> "Cursor":
        """Read the cursor that a page of this statement gave.

        Raises:
            InvalidInput: it is none, or belongs to another statement.

        >>> Cursor.parse("page 2", Window(account="acme", unit="TRY"))
        Traceback (most recent call last):
        monochat_billing.errors.InvalidInput: after: 'page 2' is no cursor of this statement; ...
        """
        found = _CURSOR.fullmatch(text) if isinstance(text, str) else None
        if found is not None:
            letter, ticks, number, through = found.groups()
            reading = Reading.AS_RECORDED if letter == "r" else Reading.AS_EFFECTIVE
            try:
                place = Place(_EPOCH + int(ticks) * _TICK, int(number))
            except OverflowError:
                place = window.end
            inside = window.start < place < window.end and place.number <= int(through)
            if reading is window.reading and inside and int(through) <= MAX_UNITS:
                return cls(reading, place, int(through))
        raise InvalidInput(
            "after", text, "is no cursor of this statement", "pass the `next` of the page before"
        )


def _checked_limit(limit: int) -> int:
    """Give ``limit`` if a page can have so many lines.

    Raises:
        InvalidInput: it is not a whole number from 1 to :data:`LONGEST_PAGE`.
    """
    if type(limit) is not int or not 1 <= limit <= LONGEST_PAGE:
        raise InvalidInput(
            "limit",
            limit,
            "is no length of a page",
            f"pass a whole number from 1 to {LONGEST_PAGE}",
        )
    return limit


@final
@attrs.frozen
class StatementLine:
    """Show one entry, the instant at which it counts in the reading, and the balance after it."""

    entry: Entry
    at: datetime
    balance: Amount


_INSTANTS: Final = {
    Reading.AS_EFFECTIVE: mark("effective"),
    Reading.AS_RECORDED: mark("recorded"),
}


def _written(value: Amount, words: Words) -> str:
    return words.number(value.count) if isinstance(value, Units) else words.amount(value)


@final
@attrs.frozen(kw_only=True)
class Statement:
    """Show one page of what happened on a balance in ``[since, until)``.

    ``opening`` is the balance before the first line of this page, ``closing`` the one after its
    last: opening + ``credited`` + ``debited`` = closing, and the closing of a page is the opening
    of the one after it. ``debited`` is zero or negative. ``next`` is the cursor of the page after,
    None on the last. ``since`` and ``until`` are None where the statement is not bounded.
    ``archived`` is above zero where the statement has no bound and entries up to that number were
    archived: it begins behind them, at ``since``.

    Printing it gives lines of at most 100 columns with instants in the account's time zone;
    :meth:`explain` gives them in the words of a customer's language.

    >>> from monochat_billing.money import money
    >>> from monochat_billing.testing.workbench import Workbench
    >>> bench = Workbench()
    >>> account = bench.open("acme", money("5000", "TRY"))
    >>> balances = bench.billing.balances
    >>> debit = balances.debit("acme", money("12.50", "TRY"), reason="export", key="k")
    >>> found = balances.statement("acme", "TRY")
    >>> found.opening, found.credited, found.debited, found.closing
    (Money('0', 'TRY'), Money('5000', 'TRY'), Money('-12.5', 'TRY'), Money('4987.5', 'TRY'))
    """

    account: str
    unit: str
    zone: str
    reading: Reading
    since: datetime | None
    until: datetime | None
    opening: Amount
    lines: tuple[StatementLine, ...]
    credited: Amount
    debited: Amount
    closing: Amount
    next: str | None = None
    archived: int = 0

    def __str__(self) -> str:
        words = self.reading.value.replace("_", " ").lower()
        title = f"{self.unit} {words}, {self._span()}, {self.zone}"
        room = WIDTH - len(title) - 2
        name = self.account if len(self.account) <= room else self.account[: room - 1] + "…"
        last = "closing" if self.next is None else "carried over"
        rows = [
            ("", self._local(self.since), "opening", "", plain_text(self.opening), self._before()),
            *map(self._row, self.lines),
            ("", self._local(self.until), last, "", plain_text(self.closing), ""),
        ]
        return "\n".join(
            [
                f"{name}: {title}",
                "",
                table((">#", "when", "entry", ">amount", ">balance", "reason"), rows),
                "",
                f"in {plain_text(self.credited)}, out {plain_text(self.debited)} {self.unit}",
            ]
        )

    def explain(self, locale: str = "en", catalog: AnyCatalog | None = None) -> str:
        """Lay it out for a customer, in lines of at most 100 columns.

        With a ``catalog`` it names products, without one they have their ids.

        Raises:
            InvalidInput: there are no sentences in that language.
        """
        words = Words(locale)
        at = self.until or (self.lines[-1].at if self.lines else self.since)
        product = str if at is None else product_words(catalog, at, words)
        since, until = (
            "" if one is None else words.moment(one, self.zone) for one in (self.since, self.until)
        )
        opening = words.say("opening")
        closing = words.say("closing") if self.next is None else words.say("carried over")
        archived = ""
        if self.archived:
            count = words.number(self.archived)
            archived = words.say("entries 1 to {count} are archived", count=count)
        rows = [
            ("", since, opening, "", _written(self.opening, words), archived),
            *(self._told(line, words, product) for line in self.lines),
            ("", until, closing, "", _written(self.closing, words), ""),
        ]
        heads = (
            ">#",
            words.say(_INSTANTS[self.reading]),
            words.say("entry"),
            ">" + words.say("amount"),
            ">" + words.say("balance"),
            words.say("reason"),
        )
        sums = words.say(
            "in {credited}, out {debited} {unit}",
            credited=_written(self.credited, words),
            debited=_written(self.debited, words),
            unit=words.term(self.unit),
        )
        first, last = since or words.say("the beginning"), until or words.say("now")
        title = f"{self.account}: {words.term(self.unit)}, {first} – {last}, {self.zone}"
        return "\n".join([title, "", table(heads, rows), "", sums])

    def _told(
        self, line: StatementLine, words: Words, product: Callable[[str], str]
    ) -> tuple[str, ...]:
        entry = line.entry
        return (
            str(entry.number),
            words.moment(line.at, self.zone),
            kind_words(entry.kind, words),
            f"{'+' if entry.amount > 0 else ''}{_written(entry.value, words)}",
            _written(line.balance, words),
            reason_words(entry, words, product),
        )

    def _before(self) -> str:
        return f"entries 1 to {self.archived} are archived" if self.archived else ""

    def _span(self) -> str:
        since = self._local(self.since) or "the beginning"
        return f"{since} to {self._local(self.until) or 'now'}"

    def _local(self, at: datetime | None) -> str:
        return "" if at is None else f"{at.astimezone(check_zone(self.zone)):%Y-%m-%d %H:%M}"

    def _row(self, line: StatementLine) -> tuple[str, ...]:
        entry = line.entry
        return (
            str(entry.number),
            self._local(line.at),
            entry.kind.value,
            f"{'+' if entry.amount > 0 else ''}{plain_text(entry.value)}",
            plain_text(line.balance),
            entry.reason,
        )


def statement(
    source: EntrySource,
    window: Window,
    *,
    scale: int,
    zone: str,
    after: Cursor | None = None,
    limit: int = 100,
    archived: int = 0,
) -> Statement:
    """Compose the page of up to ``limit`` lines that stands behind ``after``.

    The window's ``through`` gives way to the cursor's, so all pages together are the statement as
    it was when the first was read, whatever is posted in between. ``archived`` is told as it is.

    Raises:
        InvalidInput: ``limit`` is not a whole number from 1 to :data:`LONGEST_PAGE`.
    """
    _checked_limit(limit)
    place = window.start
    if after is not None:
        place = after.place
        window = attrs.evolve(window, through=after.through)
    found = source.statement_entries(window, place, limit + 1)
    shown = found[:limit]
    opening = running = source.balance_upto(window, place)

    def amount(units: int) -> Amount:
        return amount_in(window.unit, scale, units)

    lines: list[StatementLine] = []
    for entry in shown:
        running += entry.amount
        lines.append(StatementLine(entry, window.reading.place(entry).at, amount(running)))
    following = None
    if len(found) > limit:
        following = Cursor(window.reading, window.reading.place(shown[-1]), window.through).text
    return Statement(
        account=window.account,
        unit=window.unit,
        zone=zone,
        reading=window.reading,
        since=window.since,
        until=window.until,
        opening=amount(opening),
        lines=tuple(lines),
        credited=amount(sum(one.amount for one in shown if one.amount > 0)),
        debited=amount(sum(one.amount for one in shown if one.amount < 0)),
        closing=amount(running),
        next=following,
        archived=archived,
    )
