"""What an operation costs on PostgreSQL, in round trips, statements and plans."""

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import attrs
import psycopg
import pytest
from sqlalchemy import Table, make_url

from monochat_billing import Billing, sample_catalog
from monochat_billing.adapters.sql import SqlStorage, _pipeline
from monochat_billing.adapters.sql._backends import Postgres
from monochat_billing.adapters.sql._shapes import Statement
from monochat_billing.adapters.sql.schema import ACCOUNTS as ACCOUNTS_TABLE, BALANCES, LOTS
from monochat_billing.repositories import Wanted
from monochat_billing.service.pipeline import Command
from tests.desk import Clock
from tests.factories import lira
from tests.postgres import Server

Exchanges = list[list[str]]


@pytest.fixture
def storage(postgres_url: str) -> Iterator[SqlStorage]:
    with SqlStorage(postgres_url) as opened:
        yield opened


@pytest.fixture
def billing(storage: SqlStorage, clock: Clock) -> Billing:
    made = Billing(catalog=sample_catalog(), storage=storage, clock=clock)
    for account in ("acme", "globex"):
        made.accounts.open(account, zone="Europe/Istanbul", currencies=["TRY"])
        made.balances.credit(account, lira("100000"), reason="opening", key="opening")
    return made


@pytest.fixture
def exchanges(monkeypatch: pytest.MonkeyPatch, billing: Billing) -> Exchanges:
    """Collect what travels, one list for each round trip."""
    del billing
    seen: Exchanges = []
    exchange = _pipeline.Pipeline.exchange

    def noted(self: _pipeline.Pipeline, asks: Sequence[tuple[str, Sequence[object]]]) -> Any:  # noqa: ANN401 - as the original
        seen.append([" ".join(text.split()[:3]) for text, _ in asks])
        return exchange(self, asks)

    monkeypatch.setattr(_pipeline.Pipeline, "exchange", noted)
    return seen


class TestRoundTrips:
    """Everything that is read travels together, and everything that is written."""

    def test_a_debit_is_two_round_trips_and_one_commit(
        self, billing: Billing, exchanges: Exchanges
    ) -> None:
        billing.balances.debit("acme", lira("1"), reason="export", key="k-1")
        read, written = exchanges
        assert read[0].startswith("BEGIN")
        assert all(one.startswith("SELECT") for one in read[1:])
        assert written[-1] == "COMMIT"
        assert sum(one == "COMMIT" for one in (*read, *written)) == 1
        assert len(read) + len(written) == 10

    def test_it_is_the_same_after_a_long_history(
        self, billing: Billing, exchanges: Exchanges
    ) -> None:
        billing.balances.debit("acme", lira("1"), reason="export", key="few")
        few = list(exchanges)
        for number in range(3):
            items = [(lira("0.01"), "") for _ in range(2000)]
            billing.balances.debit_many("acme", items, reason="export", key=f"many-{number}")
        exchanges.clear()
        billing.balances.debit("acme", lira("1"), reason="export", key="many")
        assert exchanges == few

    def test_a_batch_costs_as_many_statements_as_one(
        self, billing: Billing, exchanges: Exchanges
    ) -> None:
        items = [(lira("0.01"), "") for _ in range(1000)]
        billing.balances.debit_many("acme", items, reason="export", key="many")
        assert len(exchanges) == 2
        assert sum(map(len, exchanges)) == 10

    def test_many_callers_cost_as_many_statements_as_one(
        self, billing: Billing, exchanges: Exchanges
    ) -> None:
        commands = [self.command(billing, account, n) for n in range(50) for account in ACCOUNTS]
        billing.context.execute(commands)
        assert len(exchanges) == 2
        assert sum(map(len, exchanges)) <= 10 + 3 * (len(ACCOUNTS) - 1)
        assert billing.balances.list("globex")["TRY"].posted == (100_000 - 50) * 10**6

    def command(self, billing: Billing, account: str, number: int) -> Command:
        """Catch the command that a debit is."""
        caught: list[Command] = []

        class Catch:
            def run(self, command: Command, execute: Callable[..., Any]) -> Any:  # noqa: ANN401 - as a lane
                caught.append(command)
                del execute

        within = billing.within(attrs.evolve(billing.context, lane=Catch()))
        within.balances.debit(account, lira("1"), reason="export", key=f"{account}-{number}")
        return caught[0]

    def test_accounts_are_locked_in_order_before_anything_else_of_them_is_read(
        self, storage: SqlStorage, billing: Billing, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """What is read by the statement that waits for a lock is older than the lock."""
        del billing
        seen: list[str] = []
        exchange = _pipeline.Pipeline.exchange

        def noted(self: _pipeline.Pipeline, asks: Sequence[tuple[str, Sequence[object]]]) -> Any:  # noqa: ANN401 - as the original
            seen.extend(text for text, _ in asks)
            return exchange(self, asks)

        monkeypatch.setattr(_pipeline.Pipeline, "exchange", noted)
        storage.write(lambda unit: unit.load([Wanted("globex"), Wanted("acme")]))
        begin, locking, *others = seen
        assert begin.startswith("BEGIN")
        assert "FROM billing_accounts" in locking
        assert " ".join(locking.split()).endswith("ORDER BY billing_accounts.id FOR UPDATE")
        assert not [one for one in others if "UPDATE" in one or "billing_accounts " in one]

    def test_a_read_is_two_round_trips(self, billing: Billing, exchanges: Exchanges) -> None:
        billing.balances.list("acme")
        assert [len(one) for one in exchanges[1:]] == [1]
        assert exchanges[-1] == ["COMMIT"]


ACCOUNTS = ("acme", "globex")
LANGUAGE = re.compile(
    "ALL|AND|AS|BIGINT|BY|CASE|CAST|COLLATE|CONFLICT|DELETE|DESC|DO|ELSE|END|FOR|FROM|GROUP|IN|INSERT|"
    "INTO|JOIN|JSONB|LEFT|LIMIT|LOCKED|NOT|NOTHING|NULL|ON|OR|ORDER|OUTER|SELECT|SET|SKIP|SMALLINT|TEXT|"
    "THEN|UNION|UPDATE|VALUES|VARCHAR|WHEN|WHERE"
)
FUNCTIONS = {
    *("any", "coalesce", "count", "max", "min", "sum", "unnest"),
    *("jsonb_array_elements", "jsonb_extract_path_text"),
}
NAMES = {"anon_1", "part"}
"""What statements call their own parts."""
OF_ALL_ACCOUNTS = {"outbox.begin", "outbox.begin_now"}
"""What is about every account there is: a consumer's first word."""


class TestWhatIsWritten:
    """A debit writes what it changes, and no more of a row than that."""

    def test_of_rows_that_are_there_only_what_moves(
        self, billing: Billing, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        seen: dict[str, Sequence[object]] = {}
        exchange = _pipeline.Pipeline.exchange

        def noted(self: _pipeline.Pipeline, asks: Sequence[tuple[str, Sequence[object]]]) -> Any:  # noqa: ANN401 - as the original
            seen.update({" ".join(text.split()[:3]): values for text, values in asks})
            return exchange(self, asks)

        monkeypatch.setattr(_pipeline.Pipeline, "exchange", noted)
        billing.balances.debit("acme", lira("1"), reason="export", key="k-1")
        written = {name: len(values) for name, values in seen.items() if name[0] in "UI"}
        assert written == {
            "UPDATE billing_accounts SET": 7,
            "UPDATE billing_balances SET": 8,
            "UPDATE billing_lots SET": 5,
            "INSERT INTO billing_entries": 16,
            "INSERT INTO billing_keys": 5,
        }

    def test_of_a_batch_what_all_share_travels_once(self) -> None:
        insert = Postgres(make_url("postgresql+psycopg://here/billing"), None).statements.insert
        keys = insert["billing_keys"]
        rows = [("acme", f"k-{number}", 5, "{}", "[]") for number in range(3)]
        once, varied = keys.columns(rows)[:5], keys.columns(rows)[5:]
        assert once == ("acme", None, 5, "{}", "[]")
        assert varied == ("{}", '{"k-0","k-1","k-2"}', "{}", "{}", "{}")

    def test_rows_that_are_all_the_same_are_left_for_the_database_to_refuse(self) -> None:
        insert = Postgres(make_url("postgresql+psycopg://here/billing"), None).statements.insert
        values = insert["billing_keys"].columns([("acme", "k-1", 5, "{}", "[]")] * 3)
        assert values[5:7] == ('{"acme","acme","acme"}', '{"k-1","k-1","k-1"}')


class TestWhatIsIndexed:
    """A row that is changed in place is one write; each index that it stands in is another."""

    @pytest.mark.parametrize(
        ("table", "moved"),
        [
            (ACCOUNTS_TABLE, {"as_of", "last_entry", "last_event", "last_usage", "version"}),
            (BALANCES, {"posted", "held", "owed", "debts"}),
            (LOTS, {"remaining", "pinned"}),
        ],
        ids=["accounts", "balances", "lots"],
    )
    def test_what_every_debit_changes_stands_in_no_index(
        self, table: Table, moved: set[str]
    ) -> None:
        assert moved <= set(table.columns.keys())
        for index in table.indexes:
            predicate = str(index.dialect_options["postgresql"]["where"])
            named = {*index.columns.keys(), *re.findall(r"\w+", predicate)}
            assert named & moved == set(), index.name


class TestPlans:
    """No statement scans a table, whatever it is asked and however small the tables are."""

    def test_every_statement_goes_by_an_index(
        self, storage: SqlStorage, postgres_server: Server, postgres_database: str
    ) -> None:
        name = postgres_database.partition("@/")[2].partition("?")[0]
        found = dict(_statements(storage._backend.statements))
        assert len(found) > 30
        with postgres_server.connect(name) as connection:
            storage._backend.prepare(connection.cursor(), 10**9)  # type: ignore[arg-type] # a cursor
            for statement, one in found.items():
                if statement in OF_ALL_ACCOUNTS:
                    continue
                for text in filter(None, (one.text, one.bulk)):
                    plan = _plan(connection, text)
                    assert "Seq Scan on billing_" not in plan, f"{statement}\n{text}\n{plan}"

    def test_l28_statements_use_no_more_of_the_language_than_this(self) -> None:
        """What speaks PostgreSQL's protocol has these; sequences and advisory locks it may not.

        A word that is new here is a decision: whoever keeps accounts on many shards needs it, too.
        """
        backend = Postgres(make_url("postgresql+psycopg://here/billing"), None)
        found = [
            re.sub(r"'[^']*'", "", text)
            for _, one in _statements(backend.statements)
            for text in (one.text, one.bulk or "")
        ]
        assert len(found) > 100
        words = {one for text in found for one in re.findall(r"\b[A-Z]{2,}\b", text)}
        assert [one for one in sorted(words) if not LANGUAGE.fullmatch(one)] == []
        called = {one for text in found for one in re.findall(r"\b([a-z]\w*)\(", text)}
        assert called - NAMES == FUNCTIONS

    def test_what_is_compiled_is_shared(self, storage: SqlStorage) -> None:
        backend = storage._backend
        assert isinstance(backend, Postgres)
        assert backend.statements is Postgres(storage._engine.url, None).statements


def _statements(holder: object, path: str = "") -> Iterator[tuple[str, Statement]]:
    """Find every statement that is compiled, those of other tables' rooms among them."""
    for name, value in vars(holder).items():
        if isinstance(value, Statement):
            yield f"{path}{name}", value
        elif type(value).__name__.endswith("Statements"):
            yield from _statements(value, f"{path}{name}.")


def _plan(connection: "psycopg.Connection[Any]", statement: str) -> str:
    numbered = _pipeline._numbered(statement)
    connection.execute(b"PREPARE asked AS " + numbered)
    nothing = ", ".join(["NULL"] * statement.count("%s"))
    asked = f"EXPLAIN EXECUTE asked({nothing})" if nothing else "EXPLAIN EXECUTE asked"
    lines = connection.execute(asked.encode()).fetchall()
    connection.execute("DEALLOCATE asked")
    return "\n".join(line for (line,) in lines)
