"""The unit of work: sets of accounts in, sets of changes out, and few statements for both.

Owns which statements a load, a save and a page consist of, and how a lost race is noticed.
Does not own when a unit of work begins, ends or is run again (``storage``).
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from heapq import merge
from itertools import islice
from operator import attrgetter
from typing import Any, Final, TypeVar

from monochat_billing.accounts import ChargedUsage
from monochat_billing.adapters.sql import _account_rows, _rows, schema
from monochat_billing.adapters.sql._archives import ArchiveReading
from monochat_billing.adapters.sql._erasing import ErasingWriter
from monochat_billing.adapters.sql._holdings import Found, by_kind
from monochat_billing.adapters.sql._invoices import InvoiceReading, InvoiceWriting
from monochat_billing.adapters.sql._messages import MessageReader, MessageWriter
from monochat_billing.adapters.sql._metered import MeteredReader, MeteredWriter
from monochat_billing.adapters.sql._outbox import OutboxWriter
from monochat_billing.adapters.sql._rows import Row, each
from monochat_billing.adapters.sql._session import Ask, Session
from monochat_billing.adapters.sql._shapes import Statement
from monochat_billing.adapters.sql._sheets import Counters, Sheets, make_counters
from monochat_billing.adapters.sql.documents import Malformed
from monochat_billing.balance import Entry
from monochat_billing.holds import Hold
from monochat_billing.lots import DEBT, Lot
from monochat_billing.payments import TopUp, TopUpState
from monochat_billing.readings import Movement, Place, Reading, Window
from monochat_billing.repositories import Changes, Loaded, RecordedEvent, Wanted
from monochat_billing.scheduling import ScheduledChange
from monochat_billing.subscriptions import Subscription

T = TypeVar("T")

_LAST_ENTRY: Final = 7
_LAST_USAGE: Final = 9
_VERSION: Final = 10
_NONE: Final[Mapping[str, list[Row]]] = {}
_NO_ENTRIES: Final[Mapping[int, Entry]] = {}
_NOT_THERE: Final = Counters(0)
_ACCOUNT: Final = attrgetter("account")


class SqlReader(MessageReader, MeteredReader, InvoiceReading, ArchiveReading):
    """Read the books within one database transaction."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._shapes = session.statements.shapes
        self._heads: dict[str, Row] = {}

    @property
    def session(self) -> Session:
        """Give the transaction, for what this package does beside the protocol."""
        return self._session

    def load(self, wanted: Sequence[Wanted]) -> Mapping[str, Loaded]:
        """Give one :class:`Loaded` for every account that is wanted, existing or not."""
        by_id = {one.account: one for one in wanted}
        return self._loaded(self._session.statements.accounts, by_id)[1]

    def _loaded(
        self, accounts: Statement, wanted: Mapping[str, Wanted]
    ) -> tuple[dict[str, Row], dict[str, Loaded]]:
        """Give the rows of accounts, and everything that is kept of them, in one exchange."""
        statements = self._session.statements
        if len(wanted) == 1 and self._shapes.alone:
            given: object = next(iter(wanted))
            accounts, holdings = statements.one_account, statements.one_holdings
        else:
            given, holdings = self._shapes.ids(wanted), statements.holdings
        asks = [
            Ask("load accounts", accounts, (given,)),
            Ask("load holdings", holdings, (given,) * len(holdings.names)),
        ]
        kinds = self._ask_beside(wanted, asks)
        heads, held, *beside = self._session.ask(asks)
        rows = self._heads = {row[0]: row for row in heads}
        asked = {kind: _grouped(of) for kind, of in zip(kinds, beside, strict=True) if of}
        entries = self._asked_entries(wanted)
        found = Found(by_kind(held), asked, entries, self._lots_of(entries) if entries else {})
        return rows, {
            account: found.loaded(account, rows[account]) if account in rows else Loaded(None)
            for account in wanted
        }

    def _ask_beside(self, wanted: Mapping[str, Wanted], asks: list[Ask]) -> list[str]:
        """Add what is wanted beside the live state to what is asked; give the kinds of it."""
        statements, shapes = self._session.statements, self._shapes
        if len(wanted) == 1 and shapes.alone:
            (one,) = wanted.values()
            if len(one.keys) == 1 and not (one.ended or any(statements.ids_beside_keys(one))):
                (key,) = one.keys
                asks.append(Ask("load keys", statements.one_key, (one.account, key)))
                return ["keys"]
        kinds: list[str] = []
        each_kind = zip(*map(statements.ids_asked_for, wanted.values()), strict=True)
        for (kind, name, part), ids_of in zip(statements.parts_asked_for, each_kind, strict=False):
            if any(ids_of):
                kinds.append(kind)
                pairs = [(at, each) for at, ids in zip(wanted, ids_of, strict=True) for each in ids]
                asks.append(Ask(name, part, shapes.bound_pairs(pairs)))
        past = [account for account, one in wanted.items() if one.ended]
        if past:
            kinds.append("ended")
            asks.append(
                Ask("load subscriptions", statements.ended_subscriptions, (shapes.ids(past),))
            )
        return kinds

    def _asked_entries(self, wanted: Mapping[str, Wanted]) -> dict[str, dict[int, Entry]]:
        """Find the entries that are wanted, and all that correct them."""
        pairs = [
            (account, str(number))
            for account, one in wanted.items()
            if one.entries
            for number in one.entries
        ]
        if not pairs:
            return {}
        statements = self._session.statements
        found: dict[str, dict[int, Entry]] = defaultdict(dict)
        for statement in (statements.asked_entries, statements.corrections):
            rows = self._session.rows("load entries", statement, self._shapes.bound_pairs(pairs))
            for entry in each(schema.ENTRIES, _there(rows), _rows.entry):
                found[entry.account][entry.number] = entry
        return found

    def _lots_of(self, entries: Mapping[str, Mapping[int, Entry]]) -> dict[str, list[Row]]:
        """Find every lot that these entries name, spent ones too."""
        pairs = {
            (account, str(number))
            for account, found in entries.items()
            for entry in found.values()
            for number, _ in entry.parts
            if number != DEBT
        }
        if not pairs:
            return {}
        statement = self._session.statements.asked_lots
        values = self._shapes.bound_pairs(sorted(pairs))
        return _grouped(self._session.rows("load lots", statement, values))

    def entries(self, account: str, *, after: int = 0, limit: int = 100) -> Sequence[Entry]:
        """Give up to ``limit`` entries numbered above ``after``, in ascending order."""
        rows = self._page(self._session.statements.entries, account, after, limit)
        return tuple(each(schema.ENTRIES, rows, _rows.entry))

    def last_entries(self, account: str, limit: int) -> Sequence[Entry]:
        """Give the ``limit`` entries with the highest numbers, in ascending order."""
        statement = self._session.statements.last_entries
        values = statement.values(account=account, limit=max(limit, 0))
        rows = self._session.rows("read entries", statement, values)
        return tuple(each(schema.ENTRIES, reversed(rows), _rows.entry))

    def statement_entries(self, window: Window, after: Place, limit: int) -> Sequence[Entry]:
        """Give up to ``limit`` entries of the window that stand behind ``after``, in order."""
        statements = self._session.statements
        if window.reading is Reading.AS_RECORDED:
            return self._history(statements.recorded, window, after, limit)
        on_time = self._history(statements.on_time, window, after, limit)
        late = self._history(statements.late, window, after, limit)
        return tuple(islice(merge(on_time, late, key=window.reading.place), max(limit, 0)))

    def _history(
        self, statement: Statement, window: Window, after: Place, limit: int
    ) -> Sequence[Entry]:
        values = statement.values(**_rows.window(window, after), limit=max(limit, 0))
        rows = self._session.rows("read statement", statement, values)
        return tuple(each(schema.ENTRIES, rows, _rows.entry))

    def balance_upto(self, window: Window, place: Place) -> int:
        """Sum the window's unit up to and including ``place``, however early, in its units."""
        statements = self._session.statements
        named = _rows.window(window, place)
        asked = statements.recorded_upto
        rows = self._session.rows("read balance", asked, asked.values(**named))
        if not rows:  # the entry whose balance this is may be archived
            mark = self.checkpoint(window.account)
            if mark is not None and window.through >= mark.entries:
                rows = [(mark.posted(window.unit),)]
        if window.reading is Reading.AS_EFFECTIVE:
            asked = statements.late_upto
            rows += self._session.rows("read balance", asked, asked.values(**named))
        return sum(int(units or 0) for (units,) in rows)

    def movements(self, window: Window) -> Sequence[Movement]:
        """Sum the whole window by kind and lot."""
        statements = self._session.statements
        asked = [statements.recorded_movements]
        if window.reading is Reading.AS_EFFECTIVE:
            asked = [statements.on_time_movements, statements.late_movements]
        named = _rows.window(window, window.start)
        rows = [
            row
            for statement in asked
            for row in self._session.rows("read sums", statement, statement.values(**named))
        ]
        return tuple(each(schema.ENTRIES, rows, _rows.movement))

    def lots(self, account: str) -> Sequence[Lot]:
        """Give every lot of the account by number, spent ones too."""
        statement = self._session.statements.lots
        rows = self._session.rows("read lots", statement, statement.values(account=account))
        return tuple(each(schema.LOTS, rows, _account_rows.lot))

    def subscriptions(self, account: str) -> Sequence[Subscription]:
        """Give every subscription of the account, ended ones too, in the order they were stored."""
        statement = self._session.statements.subscriptions
        values = statement.values(account=account)
        rows = self._session.rows("read subscriptions", statement, values)
        return tuple(each(schema.SUBSCRIPTIONS, rows, _rows.subscription))

    def schedule(self, account: str) -> Sequence[ScheduledChange]:
        """Give every scheduled change of the account, in order of request."""
        statement = self._session.statements.schedule
        rows = self._session.rows("read schedule", statement, statement.values(account=account))
        return tuple(each(schema.SCHEDULE, rows, _rows.scheduled))

    def holds(self, account: str) -> Sequence[Hold]:
        """Give every hold of the account in the order they were placed, resolved ones too."""
        statement = self._session.statements.holds
        rows = self._session.rows("read holds", statement, statement.values(account=account))
        return tuple(each(schema.HOLDS, rows, _rows.hold))

    def usage(self, account: str, *, after: int = 0, limit: int = 100) -> Sequence[ChargedUsage]:
        """Give up to ``limit`` usage records in the order they were stored, skipping ``after``."""
        rows = self._page(self._session.statements.usage, account, after, limit)
        return tuple(each(schema.USAGE, rows, _rows.usage))

    def events(self, account: str, *, after: int = 0, limit: int = 100) -> Sequence[RecordedEvent]:
        """Give up to ``limit`` events numbered above ``after``, in ascending order."""
        rows = self._page(self._session.statements.events, account, after, limit)
        return tuple(each(schema.OUTBOX, rows, _rows.event))

    def _page(self, statement: Statement, account: str, after: int, limit: int) -> list[Row]:
        values = statement.values(account=account, after=after, limit=max(limit, 0))
        return self._session.rows("read page", statement, values)

    def top_up_account(self, gateway: str, top_up: str) -> str | None:
        """Give the account that a gateway's reference belongs to."""
        statement = self._session.statements.route
        values = statement.values(gateway=gateway, reference=top_up)
        rows = self._session.rows("read route", statement, values)
        return rows[0][0] if rows else None

    def unsettled_top_ups(
        self, gateway: str, *, after: tuple[str, str] = ("", ""), limit: int = 100
    ) -> Sequence[tuple[str, str]]:
        """Give up to ``limit`` unsettled (account, top-up) pairs that sort after ``after``."""
        statement = self._session.statements.unsettled_top_ups
        values = statement.values(
            gateway=gateway, after_account=after[0], after_id=after[1], limit=max(limit, 0)
        )
        rows = self._session.rows("read unsettled top-ups", statement, values)
        return tuple((row[0], row[1]) for row in rows)

    def top_ups(self, gateway: str, *, after: str = "", limit: int = 100) -> Sequence[TopUp]:
        """Give up to ``limit`` top-ups of a gateway whose ids sort after ``after``, ascending."""
        statement = self._session.statements.gateway_top_ups
        values = statement.values(gateway=gateway, after=after, limit=max(limit, 0))
        rows = self._session.rows("read top-ups", statement, values)
        return tuple(each(schema.TOP_UPS, rows, _rows.top_up))

    def account_top_ups(
        self,
        account: str,
        *,
        before: tuple[datetime, str] | None = None,
        state: TopUpState | None = None,
        limit: int = 100,
    ) -> Sequence[TopUp]:
        """Give up to ``limit`` top-ups of an account, the newest first, made before ``before``."""
        statements = self._session.statements
        statement = statements.account_top_ups
        at, identity = before or (datetime.max.replace(tzinfo=UTC), "")
        asked: dict[str, Any] = {
            "account": account,
            "before_at": _rows.ticks(at),
            "before_id": identity,
            "limit": max(limit, 0),
        }
        if state is not None:
            statement = statements.account_top_ups_in
            asked["state"] = state.value
        rows = self._session.rows("read top-ups", statement, statement.values(**asked))
        return tuple(each(schema.TOP_UPS, rows, _rows.top_up))

    def due(self, until: datetime, limit: int) -> Sequence[str]:
        """Give up to ``limit`` accounts whose ``next_due_at`` is not after ``until``."""
        return self._due(self._session.statements.due, until, limit)

    def _due(self, statement: Statement, until: datetime, limit: int) -> Sequence[str]:
        values = statement.values(until=_rows.ticks(until), limit=max(limit, 0))
        return tuple(row[0] for row in self._session.rows("read due", statement, values))

    def accounts(self, *, after: str = "", limit: int = 100) -> Sequence[str]:
        """Give up to ``limit`` account ids that sort after ``after``, in ascending order."""
        statement = self._session.statements.account_ids
        values = statement.values(after=after, limit=max(limit, 0))
        return tuple(row[0] for row in self._session.rows("read accounts", statement, values))


def _there(rows: Iterable[Row]) -> Iterator[Row]:
    """Leave out what was asked for and is not there."""
    return (row for row in rows if row[0] is not None)


def _grouped(rows: Iterable[Row]) -> dict[str, list[Row]]:
    """Sort rows by account, but for those of what is not there."""
    groups: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        if row[0] is not None:
            groups[row[0]].append(row)
    return groups


class SqlUnit(SqlReader, MessageWriter, MeteredWriter, InvoiceWriting, OutboxWriter, ErasingWriter):
    """Read and change accounts within one database transaction."""

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._counters: dict[str, Counters] = {}

    def load(self, wanted: Sequence[Wanted]) -> Mapping[str, Loaded]:
        """Take the accounts, in sorted order, and give what they hold."""
        if len(wanted) > 1:
            wanted = sorted(wanted, key=_ACCOUNT)
        by_id = {one.account: one for one in wanted}
        rows, loaded = self._loaded(self._session.statements.accounts_to_change, by_id)
        for account in by_id:
            row = rows.get(account)
            self._counters[account] = (
                make_counters(row[_VERSION], row[_LAST_ENTRY], row[8], row[_LAST_USAGE])
                if row
                else _NOT_THERE
            )
        return loaded

    def require_loaded(self, account: str) -> None:
        """Refuse an account that this unit of work has not loaded.

        Raises:
            StorageMisuse: it was not loaded.
        """
        if account not in self._counters:
            raise self._session.misused("issue", f"account {account!r} was not loaded")

    def due(self, until: datetime, limit: int) -> Sequence[str]:
        """Take up to ``limit`` accounts that are due and that nobody else has taken."""
        return self._due(self._session.statements.due_to_take, until, limit)

    def save(self, changes: Sequence[Changes]) -> None:
        """Write the changes of accounts that this unit of work has loaded.

        Raises:
            StorageError: the database refused a row.
            StorageMisuse: an account was not loaded, or its changes cannot be right.
        """
        sheets = Sheets(runs=self._session.statements.insert_run is not None)
        for one in changes:
            account = one.after.account.id
            loaded = self._counters.get(account)
            if loaded is None:
                raise self._session.misused("save", f"account {account!r} was not loaded")
            wrong = one.misfit(exists=loaded.version > 0, entry=loaded.entry, event=loaded.event)
            if wrong:
                raise self._session.misused("save", f"account {account!r} {wrong}")
            try:
                self._counters[account] = sheets.add(one, loaded)
            except Malformed as error:
                raise self._session.misused("save", f"account {account!r}: {error}") from error
        self._write(sheets)
        self.write_messages(changes)
        self.write_metered(changes)
        self.tell_consumers(changes)

    def _write(self, sheets: Sheets) -> None:
        """Write every sheet, in the order in which tables refer to each other."""
        session, rows = self._session, sheets.rows
        for sheet, operation, statement in session.statements.saves:
            if sheet in rows:
                written = session.write(operation, statement, rows[sheet])
                if written != len(rows[sheet]) and sheet.endswith(schema.ACCOUNTS.name):
                    raise session.lost_race(operation)
