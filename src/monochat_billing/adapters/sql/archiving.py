"""Archiving: an account's oldest entries out of the database and into a file, provably whole.

*Owns* which entries may go, the archive's format, and the proof that file and books are one
history.
*Does not own* what stays behind of them (:mod:`monochat_billing.checkpoints`), and nothing but
entries: keys with their answers, events, lots, invoices and everything else stay.

An archive takes a prefix: the entries from the first that is here up to some number. It ends before
the first entry that

* was recorded, or is effective, at ``before`` or later;
* an open debt, an open hold or an open dispute refers to, or the charge of a live subscription, so
  that whatever comes of these can still be posted against it;
* no invoice of the account has looked through yet, or is corrected by one of those; this holds for
  each currency in which the account has an invoice.

It never parts entries of one instant, and :data:`KEPT` before the latest instant that the account
has seen always stay, for reversals. An older entry that was archived cannot be reversed here until
its archive is restored.

The format is JSON Lines: a head that names the account and the archive before; the columns; the
rows as the table holds them; and an end with their number, digests and checkpoint.

>>> from datetime import UTC, datetime, timedelta
>>> from io import StringIO
>>> from monochat_billing import Billing, money, sample_catalog
>>> now = [datetime(2026, 1, 5, tzinfo=UTC)]
>>> storage = SqlStorage("sqlite://")
>>> billing = Billing(catalog=sample_catalog(), storage=storage, clock=lambda: now[0])
>>> account = billing.accounts.open("acme", zone="UTC", currencies=["TRY"])
>>> entry = billing.balances.credit("acme", money("5", "TRY"), reason="opening", key="c")
>>> now[0] += timedelta(days=365)
>>> entry = billing.balances.debit("acme", money("1", "TRY"), reason="export", key="d")
>>> file = StringIO()
>>> print(archive_entries(storage, "acme", datetime(2026, 7, 1, tzinfo=UTC), file))
acme: archived entries 1 to 1; entries are here since 2026-01-05T00:00:00.000001+00:00
>>> [entry.number for entry in billing.balances.entries("acme")], billing.verify("acme").sound
([2], True)
>>> verify_archive(storage, file.getvalue().splitlines()).sound
True
"""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from tempfile import TemporaryFile
from typing import IO, Final, cast, final

import attrs

from monochat_billing.account_state import AccountState
from monochat_billing.accounts import require_account
from monochat_billing.adapters.sql import _rows, schema
from monochat_billing.adapters.sql._archive_files import FORMAT, ArchiveFile, misread, put, settle
from monochat_billing.adapters.sql._archive_rules import KEPT, last_of_prefix
from monochat_billing.adapters.sql._archives import archive_row
from monochat_billing.adapters.sql._rows import Row, each
from monochat_billing.adapters.sql._session import Session
from monochat_billing.adapters.sql._unit import SqlReader, SqlUnit
from monochat_billing.adapters.sql.guarding import is_guarded
from monochat_billing.adapters.sql.moving import Writable
from monochat_billing.adapters.sql.storage import SqlStorage
from monochat_billing.audit import Audit, Difference, audit, replayed
from monochat_billing.balance import Entry
from monochat_billing.checkpoints import Checkpoint, Tally
from monochat_billing.errors import CorruptBooks, InvalidInput
from monochat_billing.instants import utc
from monochat_billing.repositories import Reader, Wanted
from monochat_billing.texts import check_identity

__all__ = [
    "FORMAT",
    "KEPT",
    "ArchiveReport",
    "archive_entries",
    "restore_entries",
    "verify_archive",
]

_PAGE: Final = 5_000
_CHUNK: Final = 1 << 20


@final
@attrs.frozen(kw_only=True)
class ArchiveReport:
    """Say which entries an archive has taken, ``first`` to ``last``; none when ``entries`` is 0.

    ``since`` is the first instant from which every entry is here, None while nothing was ever
    archived. ``kept_for`` says what the next entry is kept for where that is not its age.
    """

    account: str
    first: int = 0
    last: int = 0
    since: datetime | None = None
    digest: str = ""
    kept_for: str = ""

    @property
    def entries(self) -> int:
        """Give the number of entries that were taken."""
        return self.last - self.first + 1 if self.last else 0

    def __str__(self) -> str:
        did = f"archived entries {self.first} to {self.last}" if self.last else "archived nothing"
        here = f"; entries are here since {self.since.isoformat()}" if self.since else ""
        kept = f"; the next is kept for {self.kept_for}" if self.kept_for else ""
        return f"{self.account}: {did}{here}{kept}"


def archive_entries(
    storage: SqlStorage, account: str, before: datetime, file: Writable
) -> ArchiveReport:
    """Write the account's oldest entries to a file, then delete them; see above for which.

    The file is whole, and on its disk, before anything is deleted; the deletion and what is kept in
    its place are one transaction. A file that was written before a failure is worth nothing, and
    :func:`verify_archive` says so. Nothing is written when there is nothing to archive.

    Raises:
        CorruptBooks: the entries are not sound; nothing was archived.
        InvalidInput: ``before`` is naive or less than :data:`KEPT` ago, the database guards its
            entries, or they are needed again, or were archived, since the file was written.
        StorageError: the database failed.
        UnknownName: there is no such account.
    """
    if not isinstance(storage, SqlStorage):
        raise InvalidInput("storage", type(storage).__name__, "cannot archive", "use SqlStorage")
    check_identity(account, "account")
    limit = utc(before, field="before")
    if is_guarded(storage):
        raise InvalidInput(
            "storage",
            repr(storage),
            "guards its entries against deletion",
            "unguard them, archive, and guard them again",
        )
    with TemporaryFile("w+", encoding="utf-8", newline="\n") as spool:
        report, mark = storage.read(lambda reader: _write(_sql(reader), account, limit, spool))
        if mark is None:
            return report
        spool.seek(0)
        while text := spool.read(_CHUNK):
            file.write(text)
    settle(file)
    storage.write(lambda unit: _forget(cast("SqlUnit", unit), mark, limit))
    return report


def verify_archive(storage: SqlStorage, lines: Iterable[str]) -> Audit:
    """Prove that an archive and what is here are one unbroken history, or name what differs.

    The entries in the file are replayed from where the archive before ended: numbers, balances,
    parts, order and digest have to lead to exactly what is kept here of them, and what is here has
    to go on from the latest archive. Of several archives each is verified by itself.

    Raises:
        InvalidInput: it is no whole archive of this schema.
        StorageError: the database failed.
        UnknownName: the account is not here.
    """
    found = ArchiveFile(lines)
    account, ordinal = found.account, found.ordinal

    def look(reader: Reader) -> tuple[Checkpoint | None, Checkpoint | None, Audit]:
        here = _sql(reader)
        state = _state(here, account)
        own = audit(
            state.books,
            here.lots(account),
            _here(here, account),
            here.holds(account),
            here.checkpoint(account),
        )
        return here.archive(account, ordinal - 1), here.archive(account, ordinal), own

    begin, kept, own = storage.read(look)
    tally = Tally(account, begin)
    before = tally.digest
    differences = list(replayed(account, _taken(found, tally), begin))
    for subject, expected, actual in (
        (f"digest before archive {ordinal}", found.digest, before),
        *_compared(tally.checkpoint(), kept, ordinal),
    ):
        if expected != actual:
            differences.append(
                Difference(
                    account=account, subject=subject, expected=str(expected), actual=str(actual)
                )
            )
    read = Audit(
        accounts=0, entries=found.count, balances=0, lots=0, differences=tuple(differences)
    )
    return read.plus(own)


def restore_entries(storage: SqlStorage, lines: Iterable[str]) -> ArchiveReport:
    """Put the entries of the account's latest archive back, as if it had never been made.

    Several archives are restored one by one, the latest first.

    Raises:
        InvalidInput: it is no whole archive of this schema, not the account's latest, or differs
            from what was archived here; nothing was restored.
        StorageError: the database failed.
        UnknownName: the account is not here.
    """
    found = ArchiveFile(lines)
    account = found.account
    rows = [row for _, row in found.rows()]

    def work(reader: object) -> ArchiveReport:
        unit = cast("SqlUnit", reader)
        _state(unit, account)
        mark = unit.checkpoint(account)
        if mark is None or mark.ordinal != found.ordinal:
            latest = "none" if mark is None else str(mark.ordinal)
            raise InvalidInput(
                "lines",
                f"archive {found.ordinal}",
                f"is not the latest of {account!r}, which is {latest}",
                "restore the latest first",
            )
        if mark.digest != found.ended:
            raise misread("differs from what was archived here")
        session = unit.session
        insert = session.statements.insert[schema.ENTRIES.name]
        for place in range(0, len(rows), _PAGE):
            session.write("restore entries", insert, rows[place : place + _PAGE])
        drop = session.statements.archives.drop
        values = drop.values(account=account, ordinal=mark.ordinal)
        session.write("restore entries", drop, [values])
        _note(session, account, mark.ordinal - 1)
        begin = unit.archive(account, mark.ordinal - 1)
        return ArchiveReport(
            account=account,
            first=begin.entries + 1 if begin else 1,
            last=mark.entries,
            since=begin.since if begin else None,
            digest=mark.digest,
        )

    return storage.write(work)


# ------------------------------------------------------------------------------------- archiving


def _sql(reader: Reader) -> SqlReader:
    return cast("SqlReader", reader)


def _state(reader: SqlReader, account: str) -> AccountState:
    return require_account(reader.load([Wanted(account)])[account].state, account)


def _write(
    reader: SqlReader, account: str, before: datetime, file: IO[str]
) -> tuple[ArchiveReport, Checkpoint | None]:
    """Write an archive; give what it leaves behind, None if there is nothing to archive."""
    begin = reader.checkpoint(account)
    last, kept_for = last_of_prefix(reader, _state(reader, account), begin, before)
    first = begin.entries + 1 if begin else 1
    if last < first:
        since = begin.since if begin else None
        return ArchiveReport(account=account, since=since, kept_for=kept_for), None
    tally = Tally(account, begin)
    head = {
        "format": FORMAT,
        "schema": schema.HEAD,
        "account": account,
        "archive": begin.ordinal + 1 if begin else 1,
        "digest": tally.digest,
    }
    told = {"table": schema.ENTRIES.name, "columns": [one.name for one in schema.ENTRIES.columns]}
    whole, count = hashlib.sha256(), 2
    for line in (head, told):
        whole.update(put(line, file).encode())

    def written() -> Iterator[Entry]:
        nonlocal count
        for row in _stored(reader, account, first - 1, last):
            text = put(list(row), file)
            whole.update(text.encode())
            count += 1
            (entry,) = each(schema.ENTRIES, [row], _rows.entry)
            tally.take(entry, text.rstrip("\n"))
            yield entry

    differences = replayed(account, written(), begin)
    mark = tally.checkpoint()
    if differences or mark is None or mark.entries != last:
        wrong = str(differences[0]) if differences else f"{account}: entries up to {last} are gone"
        raise CorruptBooks("archive", wrong)
    end = {"lines": count, "sha256": whole.hexdigest(), "entries": last, "digest": mark.digest}
    put({"end": end}, file)
    report = ArchiveReport(
        account=account,
        first=first,
        last=last,
        since=mark.since,
        digest=mark.digest,
        kept_for=kept_for,
    )
    return report, mark


def _stored(reader: SqlReader, account: str, after: int, last: int) -> Iterator[Row]:
    """Give rows of entries in order, page by page; ``last`` 0 is up to the end."""
    session, page = reader.session, reader.session.statements.entries
    while True:
        limit = min(_PAGE, last - after) if last else _PAGE
        values = page.values(account=account, after=after, limit=limit)
        rows = session.rows("archive", page, values)
        yield from rows
        if len(rows) < limit or rows[-1][1] == last:
            return
        after = rows[-1][1]


def _here(reader: SqlReader, account: str) -> Iterator[Entry]:
    for row in _stored(reader, account, 0, 0):
        yield from each(schema.ENTRIES, [row], _rows.entry)


def _note(session: Session, account: str, archives: int) -> None:
    """Write into the account's row how many archives it has now."""
    noted = session.statements.archives.noted
    session.write("archive", noted, [noted.values(account=account, ordinal=archives)])


def _forget(unit: SqlUnit, mark: Checkpoint, before: datetime) -> None:
    """Delete what is in the file, and keep the checkpoint, if it is still true."""
    account, session = mark.account, unit.session
    state = _state(unit, account)
    begin = unit.checkpoint(account)
    last, kept_for = last_of_prefix(unit, state, begin, before)
    if (begin.ordinal if begin else 0) != mark.ordinal - 1 or last < mark.entries:
        raise InvalidInput(
            "account",
            account,
            f"was archived, or has {kept_for or 'something'}, since the file was written",
            "throw the file away and archive again",
        )
    ask = session.statements.archives
    values = ask.count.values(account=account, number=mark.entries)
    found = session.rows("archive", ask.count, values)[0][0]
    if found != mark.entries - (begin.entries if begin else 0):
        raise CorruptBooks("archive", f"entries of {account!r} have gone")
    values = ask.forget.values(account=account, number=mark.entries)
    session.write("archive", ask.forget, [values])
    insert = session.statements.insert[schema.ARCHIVES.name]
    session.write("archive", insert, [archive_row(mark)])
    _note(session, account, mark.ordinal)


# ------------------------------------------------------------------------------------- verifying


def _taken(found: ArchiveFile, tally: Tally) -> Iterator[Entry]:
    for text, row in found.rows():
        (entry,) = each(schema.ENTRIES, [row], _rows.entry)
        tally.take(entry, text)
        yield entry


def _compared(
    read: Checkpoint | None, kept: Checkpoint | None, ordinal: int
) -> Sequence[tuple[str, object, object]]:
    """Compare what the file leads to with what is kept here, member by member."""
    if read is None or kept is None:
        there, here = ("missing" if one is None else "there" for one in (read, kept))
        return [(f"archive {ordinal}", "there", there), (f"archive {ordinal}", "there", here)]
    return [
        (f"{name} of archive {ordinal}", getattr(read, name), getattr(kept, name))
        for name in (field.name for field in attrs.fields(Checkpoint))
    ]
