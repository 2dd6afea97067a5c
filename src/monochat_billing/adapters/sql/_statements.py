"""Statements: written once as SQLAlchemy expressions, compiled once, run as text of the driver.

Every statement has one fixed shape: a set of ids is one array parameter and never a list of
placeholders that grows, so nothing is compiled or planned anew for a larger batch.
"""

from collections.abc import Iterable, Iterator
from operator import attrgetter
from typing import Any, Final, final

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Table,
    Text,
    and_,
    bindparam,
    case,
    cast,
    func,
    insert,
    literal_column,
    not_,
    or_,
    select,
    tuple_,
    update,
)
from sqlalchemy.sql.expression import Executable

from monochat_billing.adapters.sql import schema
from monochat_billing.adapters.sql._archive_statements import ArchiveStatements
from monochat_billing.adapters.sql._holding_statements import ended, holdings
from monochat_billing.adapters.sql._invoice_statements import InvoiceStatements
from monochat_billing.adapters.sql._message_statements import MessageStatements
from monochat_billing.adapters.sql._metered_statements import MeteredStatements
from monochat_billing.adapters.sql._outbox_statements import OutboxStatements
from monochat_billing.adapters.sql._runs import APART
from monochat_billing.adapters.sql._shapes import (
    EVERY,
    Shapes,
    Statement,
    all_columns,
    given_rows,
    next_version,
)
from monochat_billing.adapters.sql._sheets import CHANGE, MOVE, REPLACE, RUN

Pairs = Iterable[tuple[str, str]]
Integer = ColumnElement[int]


MOVING: Final = ("as_of", "next_due_at", "last_entry", "last_event", "last_usage", "version")
"""What every save moves of an account; the rest of its row is what somebody has decided."""


@final
class Statements:
    """Hold every statement that the library issues, compiled for one database."""

    def __init__(self, shapes: Shapes) -> None:
        self.shapes = shapes
        self._dialect = shapes.dialect()
        self.dialect_name = self._dialect.name
        self.messages = MessageStatements(self)
        self.invoices = InvoiceStatements(self)
        self.outbox = OutboxStatements(self)
        self.metered = MeteredStatements(self)
        self.archives = ArchiveStatements(self)
        self._compile_load()
        self._compile_save()
        self._compile_pages()
        self._compile_history()

    def compiled(self, statement: Executable, bulk: Executable | None = None) -> Statement:
        """Compile a statement, and beside it the one that writes many rows at once."""
        compiled = statement.compile(dialect=self._dialect)  # type: ignore[attr-defined]
        fixed = {name: value for name, value in compiled.params.items() if value is not None}
        names = tuple(compiled.positiontup or ())
        if bulk is None:
            return Statement(str(compiled), names, fixed)
        many = bulk.compile(dialect=self._dialect)  # type: ignore[attr-defined]
        places = tuple(
            ~names.index(name.removeprefix(EVERY)) if name.startswith(EVERY) else names.index(name)
            for name in many.positiontup or ()
        )
        return Statement(str(compiled), names, fixed, str(many), places)

    def _compile_load(self) -> None:
        s = schema
        one = bindparam("ids", type_=Text())
        accounts = select(s.ACCOUNTS).order_by(s.ACCOUNTS.c.id)
        some = accounts.where(self.shapes.among(s.ACCOUNTS.c.id))
        self.accounts = self.compiled(some)
        self.accounts_to_change = self.compiled(some.with_for_update())
        self.holdings = self.compiled(holdings(self.shapes.among))
        self.one_account = self.compiled(accounts.where(s.ACCOUNTS.c.id == one))
        self.one_holdings = self.compiled(holdings(lambda account: account == one))
        self.one_key = self.compiled(
            select(s.KEYS).where(
                s.KEYS.c.account_id == bindparam("account"), s.KEYS.c.key == bindparam("key")
            )
        )
        self.ended_subscriptions = self._of_accounts(
            s.SUBSCRIPTIONS, ended(s.SUBSCRIPTIONS.c.state)
        )
        self.asked_holds = self.of_pairs(s.HOLDS, s.HOLDS.c.id)
        self.asked_entries = self._of_numbers(s.ENTRIES, s.ENTRIES.c.number)
        self.corrections = self._of_numbers(s.ENTRIES, s.ENTRIES.c.corrects)
        self.asked_lots = self._of_numbers(s.LOTS, s.LOTS.c.number)
        self.asked_changes = self.of_pairs(s.SCHEDULE, s.SCHEDULE.c.id)
        self.asked_top_ups = self.of_pairs(s.TOP_UPS, s.TOP_UPS.c.id)
        self.asked_keys = self.of_pairs(s.KEYS, s.KEYS.c.key)
        self.known_usage = self.of_pairs(
            s.USAGE, s.USAGE.c.record_id, s.USAGE.c.account_id, s.USAGE.c.record_id
        )
        self.parts_asked_for = (
            ("holds", "load holds", self.asked_holds),
            ("schedule", "load schedule", self.asked_changes),
            ("top_ups", "load top-ups", self.asked_top_ups),
            ("usage", "load usage", self.known_usage),
            ("keys", "load keys", self.asked_keys),
            ("messages", "load messages", self.messages.asked_messages),
            ("tallies", "load tallies", self.messages.asked_tallies),
            ("counters", "load counters", self.metered.asked_counters),
            ("metered", "load metered usage", self.metered.asked_records),
        )

        kinds = [kind for kind, _, _ in self.parts_asked_for]
        self.ids_asked_for = attrgetter(*kinds)
        self.ids_beside_keys = attrgetter(*(kind for kind in kinds if kind != "keys"))

    def _of_accounts(self, table: Table, *also: ColumnElement[bool]) -> Statement:
        return self.compiled(select(table).where(self.shapes.among(table.c.account_id), *also))

    def of_pairs(self, table: Table, name: "Column[str]", *columns: "Column[Any]") -> Statement:
        """Look pairs up one by one in the table's key.

        An outer join without a condition on the table keeps the pairs on the outside of the loop,
        whatever a planner believes of their number; a pair that is not there gives a row of NULL.
        """
        given, first, second = self.shapes.pairs()
        joined = given.outerjoin(table, and_(table.c.account_id == first, name == second))
        return self.compiled(select(*(columns or schema.stored(table))).select_from(joined))

    def _of_numbers(self, table: Table, number: "Column[int]") -> Statement:
        """Look (account, number) pairs up as :meth:`of_pairs` does; numbers travel as text."""
        given, first, second = self.shapes.pairs()
        asked = cast(second, BigInteger)
        joined = given.outerjoin(table, and_(table.c.account_id == first, number == asked))
        return self.compiled(select(*schema.stored(table)).select_from(joined))

    def _compile_save(self) -> None:
        s = schema
        self.insert = {
            table.name: self.compiled(
                insert(table).values(all_columns(table)).inline(),
                self.shapes.in_bulk(table, None),
            )
            for table in s.METADATA.sorted_tables
        }
        run = self.shapes.run(s.ENTRIES, APART, ("corrects", "exchange"))
        self.insert_run = None if run is None else self.compiled(run)
        self.replace_balances = self.replace(
            s.BALANCES, "posted", "held", "credit_limit", "owed", "debts", "state"
        )
        self.replace_lots = self.replace(s.LOTS, "remaining", "waiting", "pinned")
        self.replace_subscriptions = self.replace(
            s.SUBSCRIPTIONS, "state", "period_end", "document"
        )
        self.replace_schedule = self.replace(s.SCHEDULE, "state", "document")
        self.replace_holds = self.replace(s.HOLDS, "state", "document")
        self.replace_top_ups = self.replace(s.TOP_UPS, "state", "document")
        kept = {"id", "opened_at", "archives"}
        changing = [one.name for one in s.ACCOUNTS.columns if one.name not in kept]
        self.change_account = self._update(s.ACCOUNTS, *changing)
        self.move_account = self._update(s.ACCOUNTS, *MOVING)
        self.change_balances = self._update(
            s.BALANCES, "posted", "held", "credit_limit", "owed", "debts", "state"
        )
        self.change_lots = self._update(s.LOTS, "remaining", "waiting", "pinned")
        self.saves = tuple(self._saves())

    def _saves(self) -> Iterator[tuple[str, str, Statement]]:
        """Name every sheet, what writing it is for, and its statement, in order."""
        s = schema
        accounts, balances, lots = s.ACCOUNTS.name, s.BALANCES.name, s.LOTS.name
        yield accounts, "open account", self.insert[accounts]
        yield CHANGE + accounts, "save account", self.change_account
        yield MOVE + accounts, "save account", self.move_account
        yield REPLACE + balances, "open balances", self.replace_balances
        yield CHANGE + balances, "save balances", self.change_balances
        yield REPLACE + lots, "grant lots", self.replace_lots
        yield CHANGE + lots, "save lots", self.change_lots
        for table in (
            *(s.ENTRIES, s.SUBSCRIPTIONS, s.SCHEDULE, s.HOLDS, s.TOP_UPS),
            *(s.ROUTES, s.USAGE, s.KEYS, s.OUTBOX),
        ):
            yield table.name, f"insert into {table.name}", self.insert[table.name]
        if self.insert_run is not None:
            yield RUN + s.ENTRIES.name, f"insert into {s.ENTRIES.name}", self.insert_run
        for table, what, statement in (
            (s.SUBSCRIPTIONS, "subscriptions", self.replace_subscriptions),
            (s.SCHEDULE, "schedule", self.replace_schedule),
            (s.HOLDS, "holds", self.replace_holds),
            (s.TOP_UPS, "top-ups", self.replace_top_ups),
        ):
            yield REPLACE + table.name, f"save {what}", statement

    def _update(self, table: Table, *changed: str) -> Statement:
        """Change those columns of rows that are there; a row is what they get, then its key."""
        keys = {f"its_{one.name}": one for one in table.primary_key.columns}
        columns = {name: table.c[name] for name in changed} | keys
        given = given_rows({name: one.type for name, one in columns.items()})
        one: dict[str, Any] = {name: bindparam(name) for name in changed}
        many = {name: given.c[name] for name in changed}
        if "version" in one:
            one["version"] = next_version(one["version"])
            many["version"] = next_version(many["version"])
        where = [column == bindparam(name) for name, column in keys.items()]
        all_where = [column == given.c[name] for name, column in keys.items()]
        return self.compiled(
            update(table).where(*where).values(one),
            self.shapes.whole(update(table).where(*all_where).values(many)),
        )

    def replace(self, table: Table, *replaced: str) -> Statement:
        """Insert rows, or replace those columns of the ones with their keys."""
        return self.compiled(
            self.shapes.replace(table, replaced), self.shapes.in_bulk(table, replaced)
        )

    def _compile_pages(self) -> None:
        s = schema
        self.entries = self._page(s.ENTRIES, s.ENTRIES.c.number)
        self.events = self._page(s.OUTBOX, s.OUTBOX.c.number)
        self.usage = self._page(s.USAGE, s.USAGE.c.ordinal)
        self.last_entries = self.compiled(
            _of_account(s.ENTRIES).order_by(s.ENTRIES.c.number.desc()).limit(_limit())
        )
        self.lots = self.compiled(_of_account(s.LOTS).order_by(s.LOTS.c.number))
        self.subscriptions = self.compiled(
            _of_account(s.SUBSCRIPTIONS).order_by(s.SUBSCRIPTIONS.c.position, s.SUBSCRIPTIONS.c.id)
        )
        self.schedule = self.compiled(
            _of_account(s.SCHEDULE).order_by(s.SCHEDULE.c.requested_at, s.SCHEDULE.c.id)
        )
        self.holds = self.compiled(_of_account(s.HOLDS).order_by(s.HOLDS.c.placed_at, s.HOLDS.c.id))
        self.route = self.compiled(
            select(s.ROUTES.c.account_id)
            .where(s.ROUTES.c.gateway == bindparam("gateway"))
            .where(s.ROUTES.c.reference == bindparam("reference"))
        )
        top_ups = s.TOP_UPS.c
        self.unsettled_top_ups = self.compiled(
            select(top_ups.account_id, top_ups.id)
            .where(top_ups.gateway == bindparam("gateway"))
            .where(literal_column(s.UNSETTLED_STATES))
            .where(
                tuple_(top_ups.account_id, top_ups.id)
                > tuple_(bindparam("after_account"), bindparam("after_id"))
            )
            .order_by(top_ups.account_id, top_ups.id)
            .limit(_limit())
        )
        newest = (
            _of_account(s.TOP_UPS)
            .where(
                tuple_(top_ups.created_at, top_ups.id)
                < tuple_(bindparam("before_at"), bindparam("before_id"))
            )
            .order_by(top_ups.created_at.desc(), top_ups.id.desc())
            .limit(_limit())
        )
        self.account_top_ups = self.compiled(newest)
        self.account_top_ups_in = self.compiled(newest.where(top_ups.state == bindparam("state")))
        routes = s.ROUTES.c
        self.gateway_top_ups = self.compiled(
            select(s.TOP_UPS)
            .join(
                s.ROUTES,
                and_(
                    routes.gateway == top_ups.gateway,
                    routes.reference == top_ups.id,
                    routes.account_id == top_ups.account_id,
                ),
            )
            .where(routes.gateway == bindparam("gateway"))
            .where(routes.reference > bindparam("after"))
            .order_by(routes.reference)
            .limit(_limit())
        )
        due = (
            select(s.ACCOUNTS.c.id)
            .where(s.ACCOUNTS.c.next_due_at <= bindparam("until"))
            .order_by(s.ACCOUNTS.c.next_due_at, s.ACCOUNTS.c.id)
            .limit(_limit())
        )
        self.due = self.compiled(due)
        self.due_to_take = self.compiled(due.with_for_update(skip_locked=True))
        self.account_ids = self.compiled(
            select(s.ACCOUNTS.c.id)
            .where(s.ACCOUNTS.c.id > bindparam("after"))
            .order_by(s.ACCOUNTS.c.id)
            .limit(_limit())
        )

    def _compile_history(self) -> None:
        """Compile what statements ask; see the indexes of ``billing_entries`` for why in two parts.

        An entry is late when it is effective at another instant than it was recorded.
        """
        e = schema.ENTRIES.c
        late, on_time = e.effective_at != e.recorded_at, e.effective_at == e.recorded_at
        self.recorded = self._history(e.recorded_at)
        self.on_time = self._history(e.recorded_at, on_time)
        self.late = self._history(e.effective_at, late)
        recorded = _place(e.recorded_at) <= _asked()
        effective = _place(e.effective_at) <= _asked()
        counts = (
            e.account_id == bindparam("account"),
            e.unit == bindparam("unit"),
            e.number <= bindparam("through"),
        )
        # The first holds always, and the number is computed so that nobody looks it up: together
        # they make SQLite read the index of the few late entries and not the whole account.
        late_counts = (
            e.account_id == bindparam("account"),
            e.unit == bindparam("unit"),
            e.effective_at > literal_column("-9223372036854775807", BigInteger),
            e.number + literal_column("0") <= bindparam("through"),
        )
        self.recorded_upto = self.compiled(
            select(e.balance_after)
            .where(*counts, recorded)
            .order_by(e.recorded_at.desc(), e.number.desc())
            .limit(literal_column("1"))
        )
        self.late_upto = self.compiled(
            select(func.sum(case((effective, e.amount), else_=-e.amount))).where(
                *late_counts,
                late,
                or_(effective & not_(recorded), recorded & not_(effective)),
            )
        )
        self.recorded_movements = self._movements(e.recorded_at)
        self.on_time_movements = self._movements(e.recorded_at, on_time)
        self.late_movements = self._movements(e.effective_at, late)

    def _history(self, at: "Column[int]", *also: ColumnElement[bool]) -> Statement:
        e = schema.ENTRIES.c
        page = select(schema.ENTRIES).where(*_within(at), *also)
        return self.compiled(page.order_by(at, e.number).limit(_limit()))

    def _movements(self, at: "Column[int]", *also: ColumnElement[bool]) -> Statement:
        e, lots = schema.ENTRIES.c, schema.LOTS
        part, lot, units = self.shapes.parts(e.parts)
        zero = literal_column("0", BigInteger)
        named = and_(lots.c.account_id == e.account_id, lots.c.number == lot)
        columns = (e.account_id, e.kind, lot, lots.c.origin, lots.c.source)
        return self.compiled(
            select(
                *columns,
                func.sum(case((units > zero, units), else_=zero)),
                func.sum(case((units < zero, units), else_=zero)),
            )
            .select_from(schema.ENTRIES.join(part, literal_column("true")).outerjoin(lots, named))
            .where(*_within(at), *also)
            .group_by(*columns)
        )

    def _page(self, table: Table, number: "Column[int]") -> Statement:
        return self.compiled(
            _of_account(table).where(number > bindparam("after")).order_by(number).limit(_limit())
        )


def _of_account(table: Table) -> Any:  # noqa: ANN401 - a select
    return select(*schema.stored(table)).where(table.c.account_id == bindparam("account"))


def _place(at: "Column[int]") -> Any:  # noqa: ANN401 - a row value
    return tuple_(at, schema.ENTRIES.c.number)


def _asked() -> Any:  # noqa: ANN401 - a row value
    return tuple_(bindparam("at", type_=BigInteger), bindparam("number", type_=BigInteger))


def _within(at: "Column[int]") -> tuple[ColumnElement[bool], ...]:
    """Compare with a window, from behind a place in it."""
    e = schema.ENTRIES.c
    return (
        e.account_id == bindparam("account"),
        e.unit == bindparam("unit"),
        _place(at) > _asked(),
        at < bindparam("until"),
        e.number <= bindparam("through"),
    )


def _limit() -> Any:  # noqa: ANN401 - a bound parameter
    return bindparam("limit", type_=BigInteger)
