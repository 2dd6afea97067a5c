"""The bare rivals of bench_storage.py: debits by hand, in SQL and nothing else.

*Slim* is what most write who need a balance: a balance row and an entry under a unique key, with
the index that statements need. *Same rows* writes what this library writes, into this library's
own tables with their indexes: the account's row, the balance, the lot, an entry, and a key with
what was asked and answered. It reads no key first, catches up with nothing, and remembers no
refusal.
"""

import itertools
import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import attrs
import psycopg

from tests.postgres import Server

Caller = Callable[[], object]
"""Do one debit."""

UNITS: Final = 10_000
NUMBERS: Final = itertools.count(1)
OPENED: "Final[list[psycopg.Connection[Any]]]" = []

SLIM: Final = """
CREATE TABLE bare_balance (
    account_id text, unit text, posted bigint NOT NULL CHECK (posted >= 0), last bigint NOT NULL,
    PRIMARY KEY (account_id, unit));
CREATE TABLE bare_entry (
    account_id text, number bigint, unit text, amount bigint, balance_after bigint, kind text,
    reason text, reference text, actor text, effective_at bigint, recorded_at bigint, key text,
    PRIMARY KEY (account_id, number), UNIQUE (account_id, key));
CREATE INDEX bare_entry_recorded ON bare_entry (account_id, unit, recorded_at, number);
"""
CHARGE: Final = """
UPDATE bare_balance SET posted = posted - %s, last = last + 1
WHERE account_id = %s AND unit = 'TRY' AND posted >= %s RETURNING posted, last
"""
INSERT: Final = """
INSERT INTO bare_entry VALUES (%s, %s, 'TRY', %s, %s, 'CHARGE', 'export', '', '', %s, %s, %s)
"""
LOCK: Final = "SELECT posted, last FROM bare_balance WHERE account_id = %s AND unit = 'TRY'"
AFTER: Final = (
    "UPDATE bare_balance SET posted = %s, last = %s WHERE account_id = %s AND unit = 'TRY'"
)
AT_ONCE: Final = """
WITH charged AS (
    UPDATE bare_balance SET posted = posted - %s, last = last + 1
    WHERE account_id = %s AND unit = 'TRY' AND posted >= %s RETURNING account_id, posted, last)
INSERT INTO bare_entry
SELECT account_id, last, 'TRY', %s, posted, 'CHARGE', 'export', '', '', %s, %s, %s FROM charged
"""
MANY: Final = """
WITH given AS (SELECT * FROM unnest(%s::bigint[], %s::text[]) AS given(amount, key)),
charged AS (
    UPDATE bare_balance SET posted = posted - (SELECT sum(amount) FROM given), last = last + %s
    WHERE account_id = %s AND unit = 'TRY' AND posted >= (SELECT sum(amount) FROM given)
    RETURNING account_id, posted, last)
INSERT INTO bare_entry
SELECT account_id, last - %s + row_number() OVER (), 'TRY', -amount, posted, 'CHARGE', 'export', '',
       '', %s, %s, key
FROM charged, given
"""

CONTENT: Final = (
    '{"verb":"balances.debit","amount":"0.01 TRY","reason":"export","reference":"","mode":"WHOLE"}'
)
RESULT: Final = (
    '{{"type":"entry","value":["{}",{},"TRY",6,-10000,{},"CHARGE","export","","",{},{},'
    '[[1,-10000]],null,""]}}'
)
MOVE: Final = """
UPDATE billing_accounts SET as_of = %(at)s, last_entry = last_entry + %(many)s,
    version = version + 1
WHERE id = %(account)s RETURNING last_entry
"""
TAKE: Final = """
UPDATE billing_balances SET posted = posted - %(units)s
WHERE account_id = %(account)s AND unit = 'TRY' AND posted >= %(units)s RETURNING posted
"""
BURN: Final = """
UPDATE billing_lots SET remaining = remaining - %(units)s
WHERE account_id = %(account)s AND number = 1 AND remaining >= %(units)s RETURNING number
"""
POST: Final = """
INSERT INTO billing_entries VALUES (%(account)s, %(number)s, 'TRY', 6, -10000, %(left)s, 'CHARGE',
    'export', '', '', %(at)s, %(at)s, '[[1,-10000]]', NULL, '', NULL)
"""
REMEMBER: Final = (
    "INSERT INTO billing_keys VALUES (%(account)s, %(key)s, %(at)s, %(content)s, %(result)s)"
)
SAME_AT_ONCE: Final = f"""
WITH account AS ({MOVE}), balance AS ({TAKE}), lot AS ({BURN}),
entry AS (
    INSERT INTO billing_entries
    SELECT %(account)s, last_entry, 'TRY', 6, -10000, posted, 'CHARGE', 'export', '', '',
           %(at)s, %(at)s, '[[1,-10000]]', NULL, '', NULL
    FROM account, balance, lot RETURNING number, balance_after)
INSERT INTO billing_keys
SELECT %(account)s, %(key)s, %(at)s, %(content)s,
       format('{{"type":"entry","value":["%%s",%%s,"TRY",6,-10000,%%s,"CHARGE","export","","",%%s,'
           '%%s,[[1,-10000]],null,""]}}', %(account)s::text, number, balance_after,
           %(at)s::bigint, %(at)s::bigint)
FROM entry
"""  # noqa: S608 - the parts are ours
SAME_MANY: Final = f"""
WITH given AS (SELECT * FROM unnest(%(amounts)s::bigint[], %(references)s::text[])
    WITH ORDINALITY AS given(amount, reference, place)),
account AS ({MOVE}), balance AS ({TAKE}), lot AS ({BURN}),
entry AS (
    INSERT INTO billing_entries
    SELECT %(account)s, last_entry - %(many)s + place, 'TRY', 6, -amount,
           posted + %(units)s - sum(amount) OVER (ORDER BY place), 'CHARGE', 'export', reference,
           '', %(at)s, %(at)s, format('[[1,-%%s]]', amount), NULL, '', NULL
    FROM account, balance, lot, given)
INSERT INTO billing_keys VALUES (%(account)s, %(key)s, %(at)s, %(content)s, %(result)s)
"""  # noqa: S608 - as above


def instant() -> int:
    return time.time_ns() // 1000


def new_key() -> str:
    return f"key-{next(NUMBERS)}"


def opened(place: Server) -> "psycopg.Connection[Any]":
    """Give a rival's thread a connection of its own, until the comparison ends."""
    OPENED.append(place.connect())
    return OPENED[-1]


def _one(cursor: "psycopg.Cursor[Any]") -> tuple[int, int]:
    row = cursor.fetchone()
    if row is None:
        raise RuntimeError("no funds")
    return row[0], row[1]


@attrs.frozen
class BarePostgres:
    """Debit by hand: one connection for each thread.

    ``slim`` are accounts of the slim tables, ``same`` are accounts of the library's own.
    """

    place: Server
    slim: list[str]
    same: list[str]
    turn: "itertools.count[int]" = attrs.field(factory=itertools.count)

    def account(self) -> str:
        return self.slim[next(self.turn) % len(self.slim)]

    def in_four(self, _: int) -> Caller:
        connection = opened(self.place)

        def debit() -> None:
            name = self.account()
            connection.execute("BEGIN")
            left, number = _one(connection.execute(CHARGE, (UNITS, name, UNITS)))
            at = instant()
            row = (name, number, -UNITS, left, at, at, new_key())
            connection.execute(INSERT, row)
            connection.execute("COMMIT")

        return debit

    def locked(self, _: int) -> Caller:
        connection = opened(self.place)

        def debit() -> None:
            name = self.account()
            connection.execute("BEGIN")
            posted, last = _one(connection.execute(LOCK + " FOR UPDATE", (name,)))
            if posted >= UNITS:
                connection.execute(AFTER, (posted - UNITS, last + 1, name))
                at = instant()
                row = (name, last + 1, -UNITS, posted - UNITS, at, at, new_key())
                connection.execute(INSERT, row)
            connection.execute("COMMIT")

        return debit

    def at_once(self, _: int) -> Caller:
        connection = opened(self.place)

        def debit() -> None:
            at, name = instant(), self.account()
            row = (UNITS, name, UNITS, -UNITS, at, at, new_key())
            connection.execute(AT_ONCE, row)

        return debit

    def same_at_once(self, _: int) -> Caller:
        connection = opened(self.place)

        def debit() -> None:
            account = self.same[next(self.turn) % len(self.same)]
            connection.execute(SAME_AT_ONCE, _asked(account, 1, CONTENT))

        return debit

    def many(self) -> None:
        """Debit a thousand times in one statement, the slim way."""
        keys, at = [new_key() for _ in range(1000)], instant()
        values = ([UNITS] * 1000, keys, 1000, self.slim[0], 1000, at, at)
        self._shared().execute(MANY, values)

    def same_many(self) -> None:
        """Debit a thousand times in one statement, with the rows that the library writes."""
        references = [f"message-{next(NUMBERS)}" for _ in range(1000)]
        content, result = _batch_texts(references)
        values = {
            **_asked(self.same[0], 1000, content),
            "amounts": [UNITS] * 1000,
            "references": references,
            "result": result,
        }
        self._shared().execute(SAME_MANY, values)

    def _shared(self) -> "psycopg.Connection[Any]":
        return OPENED[0] if OPENED else opened(self.place)

    def ledger(self, _: int) -> Caller:
        connection = opened(self.place)
        return lambda: connection.execute("SELECT transfer(%s, 'house', 0.01)", (self.account(),))


def _asked(account: str, many: int, content: str) -> dict[str, Any]:
    return {
        "account": account,
        "units": UNITS * many,
        "many": many,
        "at": instant(),
        "key": new_key(),
        "content": content,
    }


def _batch_texts(references: list[str]) -> tuple[str, str]:
    """Write what was asked and answered about as long as the library does."""
    items = " ".join([f"0.01 TRY {one!r}" for one in references])
    answered = ",".join([f'"{one}"' for one in references])
    return f'{{"verb":"balances.debit_many","items":"{items}"}}', f'{{"entries":[{answered}]}}'


def prepare_postgres(place: Server, accounts: list[str]) -> None:
    """Make the slim tables and pgledger's, and fill them."""
    with place.connect() as connection:
        for statement in SLIM.split(";"):
            connection.execute(statement.encode())
        connection.execute(PGLEDGER)
        with connection.cursor() as cursor:
            cursor.executemany(
                "INSERT INTO bare_balance VALUES (%s, 'TRY', 1000000000000, 0)",
                [(account,) for account in accounts],
            )
            cursor.executemany(
                "INSERT INTO ledger_account VALUES (%s, 1000000000, 0, %s, now())",
                [(account, False) for account in accounts] + [("house", True)],
            )


@attrs.frozen
class BareSqlite:
    """Debit by hand on one connection under a lock, as most who share an SQLite file do."""

    connection: sqlite3.Connection
    accounts: list[str]
    turn: "itertools.count[int]" = attrs.field(factory=itertools.count)
    lock: threading.Lock = attrs.field(factory=threading.Lock)

    @classmethod
    def slim_file(cls, path: Path, accounts: list[str]) -> "BareSqlite":
        made = cls._open(path, accounts)
        made.connection.executescript(SLIM)
        made.connection.executemany(
            "INSERT INTO bare_balance VALUES (?, 'TRY', 1000000000000, 0)",
            [(account,) for account in accounts],
        )
        return made

    @classmethod
    def same_file(cls, path: Path, accounts: list[str]) -> "BareSqlite":
        """Use a file in which the library has opened the accounts."""
        return cls._open(path, accounts)

    @classmethod
    def _open(cls, path: Path, accounts: list[str]) -> "BareSqlite":
        connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        return cls(connection, accounts)

    def slim(self, _: int) -> Caller:
        charge, insert = CHARGE.replace("%s", "?"), INSERT.replace("%s", "?")
        execute = self.connection.execute

        def debit() -> None:
            name = self.accounts[next(self.turn) % len(self.accounts)]
            with self.lock:
                execute("BEGIN IMMEDIATE")
                ((left, number),) = execute(charge, (UNITS, name, UNITS))
                at = instant()
                execute(insert, (name, number, -UNITS, left, at, at, new_key()))
                execute("COMMIT")

        return debit

    def same(self, _: int) -> Caller:
        move, take, burn, post, remember = map(_named, (MOVE, TAKE, BURN, POST, REMEMBER))
        execute = self.connection.execute

        def debit() -> None:
            name = self.accounts[next(self.turn) % len(self.accounts)]
            asked = _asked(name, 1, CONTENT)
            at = asked["at"]
            with self.lock:
                execute("BEGIN IMMEDIATE")
                ((number,),) = execute(move, asked).fetchall()
                ((left,),) = execute(take, asked).fetchall()
                execute(burn, asked).fetchall()
                row = {**asked, "number": number, "left": left}
                execute(post, row)
                row["result"] = RESULT.format(name, number, left, at, at)
                execute(remember, row)
                execute("COMMIT")

        return debit

    def many(self) -> None:
        """Debit a thousand times in one transaction, the slim way."""
        account, execute = self.accounts[0], self.connection.execute
        execute("BEGIN IMMEDIATE")
        charge = CHARGE.replace("%s", "?").replace("last + 1", "last + 1000")
        ((left, number),) = execute(charge, (UNITS * 1000, account, UNITS * 1000))
        at = instant()
        rows = [
            (account, number - place, -UNITS, left + place * UNITS, at, at, new_key())
            for place in range(999, -1, -1)
        ]
        self.connection.executemany(INSERT.replace("%s", "?"), rows)
        execute("COMMIT")

    def same_many(self) -> None:
        """Debit a thousand times in one transaction, with the rows that the library writes."""
        references = [f"message-{next(NUMBERS)}" for _ in range(1000)]
        content, result = _batch_texts(references)
        asked = {**_asked(self.accounts[0], 1000, content), "result": result}
        execute, at, account = self.connection.execute, asked["at"], self.accounts[0]
        execute("BEGIN IMMEDIATE")
        ((number,),) = execute(_named(MOVE), asked).fetchall()
        ((left,),) = execute(_named(TAKE), asked).fetchall()
        execute(_named(BURN), asked).fetchall()
        rows = [
            (account, number - back, left + back * UNITS, references[-1 - back], at, at)
            for back in range(999, -1, -1)
        ]
        self.connection.executemany(
            "INSERT INTO billing_entries VALUES (?, ?, 'TRY', 6, -10000, ?, 'CHARGE', 'export', ?,"
            " '', ?, ?, '[[1,-10000]]', NULL, '', NULL)",
            rows,
        )
        execute(_named(REMEMBER), asked)
        execute("COMMIT")


def _named(text: str) -> str:
    """Turn psycopg's names of parameters into SQLite's."""
    return text.replace("%(", ":").replace(")s", "")


PGLEDGER: Final = """
CREATE TABLE ledger_account (
    id text PRIMARY KEY, balance numeric NOT NULL, version bigint NOT NULL,
    allow_negative boolean NOT NULL, updated_at timestamptz NOT NULL);
CREATE TABLE ledger_transfer (
    id bigserial PRIMARY KEY, source text, target text, amount numeric, created_at timestamptz);
CREATE TABLE ledger_entry (
    id bigserial PRIMARY KEY, account_id text, transfer_id bigint, amount numeric,
    before numeric, after numeric, version bigint, created_at timestamptz);
CREATE INDEX ON ledger_entry (account_id);
CREATE INDEX ON ledger_entry (transfer_id);
CREATE FUNCTION transfer(giver text, taker text, given numeric) RETURNS void AS $$
DECLARE one ledger_account; other ledger_account; made bigint;
BEGIN
    PERFORM 1 FROM ledger_account WHERE id IN (giver, taker) ORDER BY id FOR UPDATE;
    INSERT INTO ledger_transfer (source, target, amount, created_at)
        VALUES (giver, taker, given, now()) RETURNING id INTO made;
    UPDATE ledger_account SET balance = balance - given, version = version + 1, updated_at = now()
        WHERE id = giver RETURNING * INTO one;
    UPDATE ledger_account SET balance = balance + given, version = version + 1, updated_at = now()
        WHERE id = taker RETURNING * INTO other;
    IF one.balance < 0 AND NOT one.allow_negative THEN RAISE EXCEPTION 'negative'; END IF;
    INSERT INTO ledger_entry (account_id, transfer_id, amount, before, after, version, created_at)
        VALUES (giver, made, -given, one.balance + given, one.balance, one.version, now()),
               (taker, made, given, other.balance - given, other.balance, other.version, now());
END $$ LANGUAGE plpgsql;
"""
"""What pgledger does for a transfer, in the server."""
