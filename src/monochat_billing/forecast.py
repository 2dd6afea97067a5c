"""Forecast: every charge, renewal, expiry and scheduled change ahead, by the code that will do it.

*Owns* what lies ahead as a value, and where it is cut.
*Does not own* any rule: the lines are the links of the very catch-up that time will bring. So what
is shown is what happens, unless a command or a new catalog comes in between. How a line reads is
``forecast_lines``', how long the money lasts ``runways``'.
"""

from datetime import datetime
from typing import Final, final

import attrs

from monochat_billing.accounts import AccountState, Step, ahead
from monochat_billing.balance import Entry
from monochat_billing.errors import InvalidInput
from monochat_billing.events import Event
from monochat_billing.forecast_lines import ForecastLine, Outcome, amount_words, tell
from monochat_billing.instants import utc
from monochat_billing.money import Money, money, negate, total
from monochat_billing.pages import Section, page_html
from monochat_billing.plans import AnyCatalog
from monochat_billing.tables import table
from monochat_billing.translations import mark
from monochat_billing.units import Amount, Units
from monochat_billing.wording import Words

__all__ = ["MOST_LINES", "Forecast", "upcoming"]

MOST_LINES: Final = 1000
"""Things due after which a forecast is cut, unless its caller says less."""


@final
@attrs.frozen(kw_only=True)
class Forecast:
    """Hold what lies ahead of an account in ``(as_of, until]``, in the order it will happen.

    ``entries`` and ``events`` are those that time will bring, numbered as they would be, and
    ``after`` is the account as it will be then. ``complete`` is False where there was more than
    the caller wanted; ``until`` is then the instant of the last line.

    Printing it gives a table of at most 100 columns, with days in the account's time zone; a
    notebook shows it as HTML.

    >>> from monochat_billing.money import money
    >>> from monochat_billing.testing.workbench import Workbench
    >>> bench = Workbench()
    >>> account = bench.open("acme", money("5000", "TRY"))
    >>> one = bench.subscribe("acme", "growth")
    >>> for line in bench.billing.upcoming("acme").about_money:
    ...     print(line)
    2026-11-05 06:00Z renewal of Growth -1,499.00 TRY: paid, KDV 249.83 TRY
    """

    account: str
    zone: str
    as_of: datetime
    until: datetime
    lines: tuple[ForecastLine, ...]
    entries: tuple[Entry, ...] = attrs.field(repr=False)
    events: tuple[Event, ...] = attrs.field(repr=False)
    after: AccountState = attrs.field(repr=False)
    complete: bool = True

    def charges(self, currency: str) -> Money:
        """Sum what will be taken in a currency for what falls due; failures take nothing."""
        taken = [
            negate(line.amount)
            for line in self.lines
            if isinstance(line.amount, Money)
            and line.amount.currency.code == currency
            and line.amount.amount < 0
            and line.outcome is Outcome.DONE
        ]
        return total(taken, currency) if taken else money(0, currency)

    @property
    def failures(self) -> tuple[ForecastLine, ...]:
        """Give the lines that will fail as things stand."""
        return tuple(line for line in self.lines if line.outcome is Outcome.FAILS)

    @property
    def about_money(self) -> tuple[ForecastLine, ...]:
        """Give the lines but those that move units of a meter."""
        return tuple(line for line in self.lines if not isinstance(line.amount, Units))

    def explain(self, locale: str = "en") -> str:
        """Lay out the lines as a table, and those that move units of a meter as another.

        Raises:
            InvalidInput: there are no sentences in that language.
        """
        words = Words(locale)
        until = words.moment(self.until, self.zone)
        if not self.lines:
            return words.say("nothing falls due until {until}", until=until)
        units = [line for line in self.lines if isinstance(line.amount, Units)]
        tables = [
            table(self._heads(words), [self._row(line, words) for line in lines])
            for lines in (self.about_money, units)
            if lines
        ]
        if not self.complete:
            tables.append(words.say("and more after {until}", until=until))
        return "\n\n".join(tables)

    def html(self, locale: str = "en") -> str:
        """Lay out the lines as HTML that stands by itself, with every text escaped.

        Raises:
            InvalidInput: there are no sentences in that language.
        """
        words = Words(locale)
        rows = tuple(self._row(line, words) for line in self.lines)
        sections = [Section(heads=self._heads(words), rows=rows)] if rows else []
        until = words.moment(self.until, self.zone)
        title = (
            mark("{account}, until {until}") if rows else mark("{account}: nothing until {until}")
        )
        return page_html(words.say(title, account=self.account, until=until), sections)

    def _repr_html_(self) -> str:
        return self.html()

    @staticmethod
    def _heads(words: Words) -> tuple[str, ...]:
        return (
            words.say("upcoming"),
            words.say("what"),
            ">" + words.say("amount"),
            ">" + words.say("balance after"),
            words.say("outcome"),
        )

    def _row(self, line: ForecastLine, words: Words) -> tuple[str, ...]:
        return (
            words.local_short_day(line.at, self.zone),
            line.what(words.locale),
            _signed(line.amount, words),
            "" if line.balance is None else _number(line.balance, words),
            line.ends(words.locale),
        )

    def __str__(self) -> str:
        return self.explain()


def _number(value: Amount, words: Words) -> str:
    return words.number(value.count) if isinstance(value, Units) else words.amount(value)


def _signed(amount: Amount | None, words: Words) -> str:
    if amount is None:
        return ""
    count = amount.count if isinstance(amount, Units) else amount.amount
    return ("+" if count > 0 else "") + amount_words(amount, words)


def upcoming(
    state: AccountState,
    catalog: AnyCatalog,
    until: datetime,
    *,
    most: int = MOST_LINES,
) -> Forecast:
    """List what falls due on an account after its last instant, up to ``until`` (inclusive).

    ``state`` is caught up. Each thing due is decided as it will be, on the books that the one
    before it leaves, so a renewal that the money will not cover is shown failing, and what follows
    from that too. Prices and rules are those that the catalog has for those days as of now. It is
    cut after ``most`` things due.

    Raises:
        InvalidInput: ``until`` is naive or not ahead, or ``most`` is no number from 1 to 1000.

    >>> from datetime import UTC, timedelta
    >>> from monochat_billing import plan_commands
    >>> from monochat_billing.balance import PAID
    >>> from monochat_billing.commands import grant, open_account
    >>> from monochat_billing.periods import MONTH
    >>> from monochat_billing.plans import sample_catalog
    >>> t = datetime(2026, 10, 5, tzinfo=UTC)
    >>> state = open_account(
    ...     account="acme", zone="UTC", currencies=["TRY"], profile=None, now=t
    ... ).state
    >>> state = grant(state, money("3500", "TRY"), terms=PAID, reason="opening", now=t).state
    >>> catalog = sample_catalog()
    >>> state = plan_commands.subscribe(
    ...     state, catalog, subscription_id="s-1", product="growth", interval=MONTH,
    ...     currency=None, actor="", now=t,
    ... ).state
    >>> found = upcoming(state, catalog, t + timedelta(days=61))
    >>> for line in found.about_money:
    ...     print(line)
    2026-11-05 00:00Z renewal of Growth -1,499.00 TRY: paid, KDV 249.83 TRY
    2026-12-05 00:00Z renewal of Growth: fails: 997.00 TRY short
    """
    as_of = state.account.as_of
    until = utc(until, field="until")
    if until <= as_of:
        raise InvalidInput("until", until.isoformat(), "is not ahead", "pass a later instant")
    if type(most) is not int or not 1 <= most <= MOST_LINES:
        raise InvalidInput("most", most, "is no count", f"pass 1 to {MOST_LINES}")
    lines: list[ForecastLine] = []
    steps: list[Step] = []
    before, complete = state, True
    for due, step in ahead(state, catalog, until):
        if len(steps) == most:
            complete = False
            until = lines[-1].at if lines else until
            break
        lines += tell(before, due, step, catalog)
        steps.append(step)
        before = step.state
    return Forecast(
        account=state.account.id,
        zone=state.account.zone,
        as_of=as_of,
        until=until,
        lines=tuple(lines),
        entries=tuple(entry for step in steps for entry in step.entries),
        events=tuple(event for step in steps for event in step.events),
        after=before.seen(until) if complete else before,
        complete=complete,
    )
