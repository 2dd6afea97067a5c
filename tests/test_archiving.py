"""Old entries go into a file that proves itself, and what stays reads as it did."""

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from io import StringIO
from itertools import count
from pathlib import Path
from typing import Any, cast

import pytest
import sqlalchemy
from alembic import command
from hypothesis import given, settings, strategies as st

from monochat_billing import MONTH, Billing, DebitMode, Terms, money, sample_catalog
from monochat_billing.adapters.memory import MemoryStorage
from monochat_billing.adapters.sql import VERSION_TABLE, SqlStorage, _migrate, archiving
from monochat_billing.adapters.sql.__main__ import main
from monochat_billing.adapters.sql._session import Session
from monochat_billing.adapters.sql._unit import SqlUnit
from monochat_billing.adapters.sql.archiving import (
    ArchiveReport,
    archive_entries,
    restore_entries,
    verify_archive,
)
from monochat_billing.adapters.sql.guarding import guard_entries, unguard_entries
from monochat_billing.adapters.sql.moving import export_account, import_account
from monochat_billing.checkpoints import checkpoint_of
from monochat_billing.consumption import Consumption
from monochat_billing.errors import (
    BillingError,
    CorruptBooks,
    IllegalTransition,
    InvalidInput,
    Rejected,
    UnknownName,
)
from monochat_billing.readings import Reading
from monochat_billing.statements import Statement
from tests.desk import PROFILE, START, Clock
from tests.test_invoicing import BY_CHARGE

DAY = timedelta(days=1)
TICK = timedelta(microseconds=1)
READINGS = tuple(Reading)


def lira(text: str) -> Any:  # noqa: ANN401 - money
    return money(text, "TRY")


def service(storage: Any, clock: Clock) -> Billing:  # noqa: ANN401 - any storage
    return Billing(catalog=sample_catalog(), storage=storage, clock=clock, invoicing=BY_CHARGE)


def opened(billing: Billing, account: str = "acme") -> None:
    billing.accounts.open(
        account, zone="Europe/Istanbul", currencies=["TRY", "USD"], profile=PROFILE
    )


@pytest.fixture(params=["sqlite", "postgres"])
def here(request: pytest.FixtureRequest, tmp_path: Path, empty_books: Path) -> Iterator[SqlStorage]:
    """Give an empty database."""
    url = f"sqlite:///{tmp_path / 'here.db'}"
    if request.param == "postgres":
        url = request.getfixturevalue("postgres_url")
    else:
        shutil.copy(empty_books, tmp_path / "here.db")
    with SqlStorage(url) as storage:
        yield storage


@pytest.fixture
def billing(here: SqlStorage, clock: Clock) -> Billing:
    """Give a service with ten days of one entry each, 1 to 10, and a year gone by since."""
    made = service(here, clock)
    opened(made)
    made.balances.credit("acme", lira("100"), reason="opening", key="c-1")
    for number in range(2, 11):
        clock.advance(days=1)
        made.balances.debit("acme", lira(f"0.{number:02}"), reason="export", key=f"d-{number}")
    clock.advance(days=365)
    made.balances.credit("acme", money("5", "USD"), reason="gift", key="c-11")
    return made


def on_day(number: int) -> datetime:
    """Give the instant at which the entry of that number was recorded."""
    return START + (number - 1) * DAY


def archived(
    storage: SqlStorage, before: datetime, account: str = "acme"
) -> tuple[ArchiveReport, list[str]]:
    file = StringIO()
    report = archive_entries(storage, account, before, file)
    return report, file.getvalue().splitlines()


def exported(storage: SqlStorage, account: str = "acme") -> str:
    file = StringIO()
    export_account(storage, account, file)
    return file.getvalue()


def statement(billing: Billing, account: str = "acme", **more: Any) -> Statement:  # noqa: ANN401
    return billing.balances.statement(account, "TRY", **more)


def refused(work: Callable[[], object], *parts: str) -> None:
    """Expect an error that says since when entries are here, and what to do."""
    with pytest.raises(InvalidInput) as caught:
        work()
    told = str(caught.value)
    assert "lies in what was archived" in told
    assert "restore the archive" in told
    for part in parts:
        assert part in told


class TestArchiving:
    """A prefix goes; everything else stays."""

    def test_a_prefix_goes_and_the_books_stay_sound(
        self, here: SqlStorage, billing: Billing
    ) -> None:
        before = billing.balances.list("acme")
        report, lines = archived(here, on_day(5))
        assert str(report) == (
            "acme: archived entries 1 to 4; entries are here since 2026-10-08T06:00:00.000001+00:00"
        )
        assert (report.first, report.last, report.entries) == (1, 4, 4)
        assert [one.number for one in billing.balances.entries("acme")] == list(range(5, 12))
        assert billing.balances.list("acme") == before
        found = billing.verify("acme")
        assert found.sound, found
        assert found.entries == 7
        proof = verify_archive(here, lines)
        assert proof.sound, proof
        assert (proof.accounts, proof.entries) == (1, 11)

    def test_l23_the_books_are_still_proved_after_it(
        self, here: SqlStorage, billing: Billing
    ) -> None:
        """What is changed by hand behind an archive is named as before."""
        archived(here, on_day(5))
        tamper(here, "UPDATE billing_entries SET amount = 1 WHERE number = 6")
        assert not billing.verify("acme").sound
        assert "amount of entry 6" in str(billing.verify("acme"))

    def test_keys_answer_for_ever(self, here: SqlStorage, billing: Billing) -> None:
        """The first result comes back, although its entry is archived."""
        first = billing.balances.debit("acme", lira("0.02"), reason="export", key="d-2")
        archived(here, on_day(9))
        again = billing.balances.debit("acme", lira("0.02"), reason="export", key="d-2")
        assert again == first
        assert again.number == 2
        events = billing.events("acme", limit=1000)
        assert [one.number for one in events] == list(range(1, len(events) + 1))

    def test_everything_may_go_and_the_account_goes_on(
        self, here: SqlStorage, billing: Billing, clock: Clock
    ) -> None:
        clock.advance(days=100)
        billing.balances.limit("acme", lira("1"), key="limit")
        report, lines = archived(here, clock.now - 91 * DAY)
        assert report.last == 11
        assert billing.balances.entries("acme") == ()
        assert billing.verify("acme").sound
        entry = billing.balances.debit("acme", lira("1"), reason="export", key="later")
        assert entry.number == 12
        found = statement(billing)
        assert (found.opening, found.closing) == (lira("99.46"), lira("98.46"))
        assert verify_archive(here, lines).sound

    def test_archives_chain(self, here: SqlStorage, billing: Billing) -> None:
        """One after the other, each is proved by itself, and the latest is restored first."""
        whole = exported(here)
        made = [archived(here, on_day(number)) for number in (3, 4, 4, 9)]
        assert [report.entries for report, _ in made] == [2, 1, 0, 5]
        nothing, empty = made[2]
        assert empty == []
        assert str(nothing).startswith("acme: archived nothing; entries are here since 2026-10-07")
        files = [lines for report, lines in made if report.entries]
        for lines in files:
            proof = verify_archive(here, lines)
            assert proof.sound, proof
        assert billing.verify("acme").sound
        with pytest.raises(InvalidInput, match="is not the latest of 'acme', which is 3"):
            restore_entries(here, files[0])
        for lines in reversed(files):
            restore_entries(here, lines)
            assert billing.verify("acme").sound
        assert exported(here) == whole
        with pytest.raises(InvalidInput, match="which is none"):
            restore_entries(here, files[0])

    def test_the_digest_does_not_tell_how_many_archives_there_were(
        self, here: SqlStorage, billing: Billing
    ) -> None:
        _, first = archived(here, on_day(6))
        once = billing.balances.archived("acme")
        restore_entries(here, first)
        archived(here, on_day(3))
        archived(here, on_day(6))
        twice = billing.balances.archived("acme")
        assert once is not None
        assert twice is not None
        assert (once.digest, once.moved) == (twice.digest, twice.moved)
        assert (once.ordinal, twice.ordinal) == (1, 2)

    def test_l25_archives_of_the_schema_before_are_still_known(
        self, tmp_path: Path, clock: Clock
    ) -> None:
        """The version before did not note with the account that it has any."""
        url = f"sqlite:///{tmp_path / 'older.db'}"
        with SqlStorage(url) as storage:
            billing = service(storage, clock)
            opened(billing)
            opened(billing, "beta")
            for number in (1, 2):
                billing.balances.credit("acme", lira("1"), reason="x", key=f"c-{number}")
                clock.advance(days=100)
            billing.balances.credit("acme", lira("1"), reason="x", key="c-3")
            for day in (START + DAY, START + 101 * DAY):
                assert archived(storage, day)[0].entries == 1
            marks = billing.balances.archived("acme"), billing.balances.archived("beta")
        engine = sqlalchemy.create_engine(url)
        with engine.begin() as connection:
            command.downgrade(_migrate.config(connection, VERSION_TABLE), "billing_0009")
        engine.dispose()
        with SqlStorage(url) as storage:
            storage.upgrade()
            billing = service(storage, clock)
            assert marks == (billing.balances.archived("acme"), billing.balances.archived("beta"))
            assert (cast("Any", marks[0]).ordinal, marks[1]) == (2, None)
            assert billing.verify().sound

    def test_an_archive_moves_with_its_account(
        self, here: SqlStorage, billing: Billing, clock: Clock
    ) -> None:
        """An export carries the checkpoint along, and the file can be restored over there."""
        whole = exported(here)
        _, lines = archived(here, on_day(5))
        with SqlStorage("sqlite://") as there:
            import_account(there, exported(here).splitlines())
            assert exported(there) == exported(here)
            moved = service(there, clock)
            assert moved.verify("acme").sound
            assert statement(moved) == statement(billing)
            assert verify_archive(there, lines).sound
            restore_entries(there, lines)
            assert exported(there) == whole


class TestTheRule:
    """What something still refers to stays, and so does everything behind it."""

    def last(self, storage: SqlStorage, before: datetime) -> tuple[int, str]:
        report, lines = archived(storage, before)
        if lines:
            assert verify_archive(storage, lines).sound
        return report.last, report.kept_for

    def test_the_last_ninety_days(self, here: SqlStorage, billing: Billing, clock: Clock) -> None:
        with pytest.raises(InvalidInput, match="less than 90 days before the latest instant"):
            archived(here, clock.now - 90 * DAY + TICK)
        assert self.last(here, clock.now - 90 * DAY) == (10, "")

    def test_an_open_debt(self, here: SqlStorage, clock: Clock) -> None:
        billing = service(here, clock)
        opened(billing)
        billing.balances.credit("acme", lira("1"), reason="opening", key="c")
        clock.advance(days=1)
        billing.balances.debit("acme", lira("5"), reason="late", key="d", mode=DebitMode.FORCED)
        clock.advance(days=200)
        billing.balances.credit(
            "acme",
            lira("1"),
            reason="for messages",
            key="c2",
            terms=Terms(expires_at=clock.now + DAY),
        )
        clock.advance(days=200)
        billing.balances.limit("acme", lira("9"), key="limit")
        last, kept_for = self.last(here, clock.now - 100 * DAY)
        assert (last, kept_for) == (1, "an open debt")
        billing.balances.credit("acme", lira("9"), reason="pays", key="c3")
        clock.advance(days=1)
        assert self.last(here, clock.now - 100 * DAY)[1] == ""
        assert billing.verify("acme").sound

    def test_an_open_hold(self, here: SqlStorage, billing: Billing, clock: Clock) -> None:
        hold = billing.holds.place("acme", lira("1"), reason="campaign", key="h")
        assert self.last(here, on_day(5)) == (0, "an open hold")
        billing.holds.release("acme", hold.id, key="r")
        assert self.last(here, on_day(5)) == (4, "")

    def test_a_live_charge(self, here: SqlStorage, clock: Clock) -> None:
        billing = service(here, clock)
        opened(billing)
        billing.balances.credit("acme", lira("90000"), reason="opening", key="c")
        clock.advance(days=1)
        billing.subscriptions.subscribe("acme", "growth", MONTH, key="plan")
        clock.advance(days=400)
        billing.balances.credit("acme", money("1", "USD"), reason="x", key="usd")
        charge = billing.subscriptions.list("acme")[0].charge.entry
        assert charge is not None
        last, _ = self.last(here, clock.now - 90 * DAY)
        assert 1 < last < charge
        assert billing.verify("acme").sound

    def test_what_no_invoice_has_looked_through(
        self, here: SqlStorage, billing: Billing, clock: Clock
    ) -> None:
        """An invoice that is issued after the archive equals the one without it."""
        with SqlStorage("sqlite://") as there:
            import_account(there, exported(here).splitlines())
            twin = service(there, clock)
            clock.set("2027-10-30T09:00:00+03:00")
            looked = 0
            for one in (billing, twin):
                made = one.invoices.for_charges(
                    "acme", "TRY", key="first", until=datetime(2026, 10, 9, tzinfo=UTC).date()
                )
                assert made is not None
                looked = made.last
            last, kept_for = self.last(here, on_day(10))
            assert (last, kept_for) == (looked, "an invoice to come")
            clock.advance(days=1)
            second, same = (
                one.invoices.for_charges("acme", "TRY", key="second") for one in (billing, twin)
            )
            assert second is not None
            assert same is not None
            assert (second.lines, second.gross) == (same.lines, same.gross)
            assert self.last(here, on_day(10))[0] == 9

    def test_entries_of_one_instant_stay_together(self, here: SqlStorage, clock: Clock) -> None:
        billing = service(here, clock)
        opened(billing)
        for number in range(3):
            billing.balances.credit("acme", lira("1"), reason="x", key=f"c-{number}")
        billing.balances.debit("acme", lira("9"), reason="x", key="d", mode=DebitMode.FORCED)
        clock.advance(days=365)
        billing.balances.limit("acme", lira("99"), key="limit")
        assert self.last(here, START + DAY) == (0, "an open debt")

    def test_books_that_are_not_sound_are_not_archived(
        self, here: SqlStorage, billing: Billing
    ) -> None:
        tamper(here, "UPDATE billing_entries SET amount = 1 WHERE number = 2")
        whole = exported(here)
        with pytest.raises(CorruptBooks, match="entry 2"):
            archived(here, on_day(5))
        assert exported(here) == whole
        assert billing.balances.archived("acme") is None

    def test_a_guard_has_to_be_taken_away_first(self, here: SqlStorage, billing: Billing) -> None:
        guard_entries(here)
        try:
            with pytest.raises(InvalidInput, match="unguard them, archive, and guard them again"):
                archived(here, on_day(5))
        finally:
            unguard_entries(here)
        assert archived(here, on_day(5))[0].last == 4
        assert billing.verify("acme").sound

    def test_only_this_storage_archives(self, clock: Clock) -> None:
        storage = MemoryStorage()
        billing = service(storage, clock)
        opened(billing)
        with pytest.raises(InvalidInput, match="'MemoryStorage' cannot archive; use SqlStorage"):
            archived(cast("SqlStorage", storage), START)
        assert billing.balances.archived("acme") is None

    def test_an_account_that_is_not_there(self, here: SqlStorage) -> None:
        with pytest.raises(UnknownName, match="does not exist"):
            archived(here, START)


class TestWhatLiesInIt:
    """It is refused by name, never guessed; what lies behind it works as before."""

    SINCE = "2026-10-08T06:00:00.000001+00:00"

    @pytest.fixture(autouse=True)
    def _archive(self, here: SqlStorage, billing: Billing) -> None:
        self.whole = {one: statement(billing, reading=one) for one in READINGS}
        self.lines = archived(here, on_day(5))[1]

    @pytest.mark.parametrize("reading", READINGS)
    def test_a_statement_from_the_beginning_begins_behind_it(
        self, billing: Billing, reading: Reading
    ) -> None:
        found, whole = statement(billing, reading=reading), self.whole[reading]
        assert found.lines == whole.lines[4:]
        assert (found.opening, found.closing) == (whole.lines[3].balance, whole.closing)
        assert (found.since, found.archived) == (on_day(4) + TICK, 4)
        assert "entries 1 to 4 are archived" in str(found)
        pages = [statement(billing, reading=reading, limit=2)]
        while pages[-1].next:
            pages.append(statement(billing, reading=reading, limit=2, after=pages[-1].next))
        assert tuple(line for page in pages for line in page.lines) == found.lines

    @pytest.mark.parametrize("reading", READINGS)
    def test_a_statement_in_it_is_refused(self, billing: Billing, reading: Reading) -> None:
        for since in (on_day(1), on_day(4)):
            refused(lambda: statement(billing, since=since, reading=reading), self.SINCE)  # noqa: B023
        refused(lambda: statement(billing, until=on_day(4), reading=reading), self.SINCE, "until")
        found = statement(billing, since=on_day(5), reading=reading)
        assert found.lines == self.whole[reading].lines[4:]
        assert found.archived == 0
        refused(
            lambda: billing.balances.consumption("acme", "TRY", since=on_day(3), reading=reading),
            "1 to 4",
        )

    def test_a_page_whose_statement_began_before_it_is_refused(
        self, here: SqlStorage, billing: Billing
    ) -> None:
        page = statement(billing, limit=2)
        archived(here, on_day(9))
        refused(lambda: statement(billing, limit=2, after=page.next), "after")

    @pytest.mark.parametrize("reading", READINGS)
    def test_a_balance_at_a_past_instant(self, billing: Billing, reading: Reading) -> None:
        def at(instant: datetime) -> object:
            return billing.balances.at("acme", "TRY", instant, reading=reading)

        refused(lambda: at(on_day(4) - TICK), self.SINCE)
        lines = self.whole[reading].lines
        assert at(on_day(4)) == lines[3].balance
        assert at(on_day(5) - TICK) == lines[3].balance
        assert at(on_day(7)) == lines[6].balance
        dollars = billing.balances.at("acme", "USD", on_day(5), reading=reading)
        assert dollars == money("0", "USD")

    def test_a_list_of_entries(self, billing: Billing) -> None:
        assert billing.balances.entries("acme")[0].number == 5
        assert billing.balances.entries("acme", after=4)[0].number == 5
        assert billing.balances.entries("acme", after=11) == ()
        for after in (1, 3):
            refused(lambda: billing.balances.entries("acme", after=after), self.SINCE)  # noqa: B023

    def test_a_reversal(self, here: SqlStorage, billing: Billing) -> None:
        """It is refused and not remembered: restored, the entry is reversed with the same key."""

        def reverse() -> object:
            return billing.balances.reverse("acme", 2, reason="wrong", key="r")

        refused(reverse, "entry: 2", self.SINCE)
        with pytest.raises(UnknownName, match="does not exist"):
            billing.balances.reverse("acme", 99, reason="wrong", key="r-99")
        assert billing.balances.reverse("acme", 5, reason="wrong", key="r-5").corrects == 5
        restore_entries(here, self.lines)
        assert cast("Any", reverse()).corrects == 2
        assert billing.verify("acme").sound

    def test_an_open_lot_is_voided_although_its_grant_is_archived(self, billing: Billing) -> None:
        assert billing.balances.void("acme", 1, reason="gone", key="v").corrects == 1
        with pytest.raises(IllegalTransition, match="SPENT"):
            billing.balances.void("acme", 1, reason="gone", key="v-2")
        refused(lambda: billing.balances.void("acme", 2, reason="gone", key="v-3"), "lot: 2")
        assert billing.verify("acme").sound

    def test_invoicing_what_was_archived(self, billing: Billing, clock: Clock) -> None:
        """It was never invoiced, and nobody can leave it out without being told."""
        clock.advance(days=40)
        refused(lambda: billing.invoices.for_charges("acme", "TRY", key="i"), "currency: 'TRY'")

    def test_who_has_no_archive_is_not_asked_about_one(
        self, here: SqlStorage, billing: Billing, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The load has said so: whoever archives nothing pays nothing for it."""
        asked, rows = list[str](), Session.rows

        def heard(self: Session, operation: str, *rest: Any) -> Any:  # noqa: ANN401 - as the original
            asked.append(operation)
            return rows(self, operation, *rest)

        def look(account: str) -> int:
            asked.clear()
            statement(billing, account, reading=Reading.AS_EFFECTIVE)
            billing.balances.consumption(account, "TRY")
            billing.balances.at(account, "TRY", on_day(7))
            billing.packs.list(account)
            billing.balances.archived(account)
            return asked.count("read archive")

        monkeypatch.setattr(Session, "rows", heard)
        opened(billing, "beta")
        billing.balances.credit("beta", lira("1"), reason="opening", key="c")
        clear = look("beta"), len(asked)
        assert clear[0] == 0 < clear[1]
        archived(here, on_day(5))
        assert look("acme") >= 4

    def test_the_pages_that_look_at_now(self, billing: Billing) -> None:
        assert "acme" in str(billing.overview("acme"))
        assert billing.runway("acme").unit == "TRY"


class TestTheFile:
    """It proves itself, or says what is wrong."""

    @pytest.mark.parametrize(
        ("change", "problem"),
        [
            (lambda lines: lines[:-1], "is cut off"),
            (lambda lines: lines[:4] + lines[5:], "is cut off or was changed"),
            (lambda lines: [*lines[:3], lines[3].replace("export", "escort"), *lines[4:]], "chang"),
            (lambda lines: [*lines, "{}"], "behind its end"),
            (lambda lines: lines[1:], "does not begin as"),
            (lambda lines: [lines[0], "[]", *lines[2:]], "library's schema"),
            (lambda _: ["not json"], "no JSON"),
            (lambda _: [], "no JSON"),
        ],
        ids=["cut", "shorter", "changed", "longer", "headless", "columns", "text", "empty"],
    )
    def test_a_file_that_is_not_whole(
        self,
        here: SqlStorage,
        billing: Billing,
        change: Callable[[list[str]], list[str]],
        problem: str,
    ) -> None:
        _, lines = archived(here, on_day(5))
        for use in (verify_archive, restore_entries):
            with pytest.raises(InvalidInput, match=problem):
                use(here, change(lines))
        assert billing.balances.entries("acme")[0].number == 5

    def test_a_forged_file(self, here: SqlStorage, billing: Billing) -> None:
        """One that is whole in itself and tells another history."""
        _, lines = archived(here, on_day(5))
        forged = [line.replace("export", "escort") for line in lines[:-1]]
        whole = hashlib.sha256("".join(f"{one}\n" for one in forged).encode())
        end = json.loads(lines[-1])
        end["end"]["sha256"] = whole.hexdigest()
        proof = verify_archive(here, [*forged, json.dumps(end)])
        assert [one.subject for one in proof.differences] == ["digest of archive 1"]
        assert billing.verify("acme").sound

    def test_an_archive_of_something_else(
        self, here: SqlStorage, billing: Billing, clock: Clock
    ) -> None:
        """Written before a failure, or from another database: nothing here is behind it."""
        whole = exported(here)
        _, lines = archived(here, on_day(5))
        with SqlStorage("sqlite://") as there:
            import_account(there, whole.splitlines())
            proof = verify_archive(there, lines)
            assert [one.actual for one in proof.differences] == ["missing"]
            assert service(there, clock).verify("acme").sound
            archived(there, on_day(4))
            assert not verify_archive(there, lines).sound
            archived(there, on_day(9))
            assert not verify_archive(there, lines).sound
        assert billing.verify("acme").sound

    def test_what_is_changed_here_behind_it(self, here: SqlStorage, billing: Billing) -> None:
        """Books that do not go on from the archive are named, whatever was changed."""
        _, lines = archived(here, on_day(5))
        tamper(here, "DELETE FROM billing_entries WHERE number = 5")
        assert not verify_archive(here, lines).sound
        assert not billing.verify("acme").sound


class TestFailures:
    """Nothing is ever half archived."""

    @pytest.mark.parametrize("step", ["archive_row", "settle", "_forget", "replayed"])
    def test_a_crash_on_the_way_leaves_everything_as_it_was(
        self, here: SqlStorage, billing: Billing, monkeypatch: pytest.MonkeyPatch, step: str
    ) -> None:
        """One falls between the deletion and the checkpoint, the others before them."""
        whole = exported(here)

        def crash(*_: object) -> None:
            raise ConnectionError(step)

        with monkeypatch.context() as patch:
            patch.setattr(archiving, step, crash)
            with pytest.raises(ConnectionError):
                archived(here, on_day(5))
        assert exported(here) == whole
        assert billing.verify("acme").sound
        assert archived(here, on_day(5))[0].last == 4

    def test_a_disk_that_is_full(self, here: SqlStorage, billing: Billing) -> None:
        class Full:
            def write(self, _: str) -> None:
                raise OSError("no space left")

        whole = exported(here)
        with pytest.raises(OSError, match="no space"):
            archive_entries(here, "acme", on_day(5), Full())
        assert exported(here) == whole
        assert billing.verify("acme").sound

    def test_a_hold_that_comes_while_the_file_is_written(
        self, here: SqlStorage, billing: Billing
    ) -> None:
        class Slow(StringIO):
            def write(self, text: str) -> int:
                billing.holds.place("acme", lira("1"), reason="x", key="meanwhile")
                return super().write(text)

        with pytest.raises(InvalidInput, match="has an open hold, since the file was written"):
            archive_entries(here, "acme", on_day(5), Slow())
        assert billing.balances.entries("acme")[0].number == 1

    def test_a_rival_archive(self, here: SqlStorage, billing: Billing) -> None:
        class Slow(StringIO):
            def write(self, text: str) -> int:
                archived(here, on_day(3))
                return super().write(text)

        with pytest.raises(InvalidInput, match="since the file was written"):
            archive_entries(here, "acme", on_day(5), Slow())
        assert billing.balances.entries("acme")[0].number == 3
        assert billing.verify("acme").sound


def tamper(storage: SqlStorage, statement: str) -> None:
    """Do what nobody should, on the library's own connection."""
    storage.write(lambda unit: cast("SqlUnit", unit).session.run("tamper", statement))


class TestCommandLine:
    """The same from a shell."""

    def test_archive_verify_restore(
        self,
        tmp_path: Path,
        clock: Clock,
        capsys: pytest.CaptureFixture[str],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        url = f"sqlite:///{tmp_path / 'shell.db'}"
        with SqlStorage(url) as storage:
            billing = service(storage, clock)
            opened(billing)
            billing.balances.credit("acme", lira("1"), reason="x", key="c")
            clock.advance(days=200)
            billing.balances.credit("acme", lira("1"), reason="x", key="d")

        def run(*arguments: str, text: str = "") -> tuple[int, str, str]:
            monkeypatch.setattr("sys.stdin", StringIO(text))
            status = main(arguments)
            return status, *capsys.readouterr()

        status, text, told = run("archive", url, "acme", "2027-01-01")
        assert (status, told.partition(";")[0]) == (0, "acme: archived entries 1 to 1")
        status, told, _ = run("verify-archive", url, text=text)
        assert (status, told.partition(":")[0]) == (0, "sound")
        assert run("restore", url, text=text) == (0, "restored entries 1 to 1 of acme\n", "")
        status, _, told = run("verify-archive", url, text=text)
        assert (status, told.partition("(")[0]) == (1, "1 differences ")
        assert run("archive", url, "acme", "soon")[0] == 1
        assert run("archive", url, "acme", "2027-01-01T00:00")[0] == 1
        assert run("archive", url)[0] == 2


# --------------------------------------------------------------------------------------- a law

STEPS = st.lists(
    st.tuples(
        st.sampled_from(
            ["credit", "promo", "debit", "forced", "hold", "capture", "release", "reverse", "void"]
        ),
        st.integers(1, 60),
        st.integers(0, 40),
    ),
    min_size=2,
    max_size=14,
)


def play(  # noqa: C901 - one branch for each verb
    billing: Billing, clock: Clock, account: str, steps: list[tuple[str, int, int]], gone: int = -1
) -> None:
    """Do what can be done, let what cannot be refused, and leave alone what is archived."""
    holds: list[str] = []
    balances = billing.balances
    for place, (verb, amount, days) in enumerate(steps):
        clock.advance(days=days)
        key, value = f"{account}-{gone}-{place}", lira(str(amount))
        number = max(gone, 0) + amount % 7 + 1
        try:
            if verb == "credit":
                balances.credit(account, value, reason=verb, key=key)
            elif verb == "promo":
                terms = Terms(expires_at=clock.now + amount * DAY)
                balances.credit(account, value, reason=verb, key=key, terms=terms)
            elif verb in {"debit", "forced"}:
                mode = DebitMode.FORCED if verb == "forced" else DebitMode.WHOLE
                balances.debit(account, value, reason=verb, key=key, mode=mode)
            elif verb == "hold":
                holds.append(billing.holds.place(account, value, reason=verb, key=key).id)
            elif verb == "reverse":
                balances.reverse(account, number, reason=verb, key=key)
            elif verb == "void":
                balances.void(account, number, reason=verb, key=key)
            elif holds and verb == "capture":
                billing.holds.capture(account, holds[-1], key=key)
            elif holds:
                billing.holds.release(account, holds.pop(), key=key)
        except (Rejected, UnknownName, InvalidInput):
            continue


def numbered(storage: SqlStorage, clock: Clock, prefix: str) -> Billing:
    """Give a service whose ids are the same on both sides."""
    ids = map(f"{prefix}-{{}}".format, count()).__next__
    return Billing(catalog=sample_catalog(), storage=storage, clock=clock, ids=ids)


def told(work: Callable[[], object]) -> object:
    """Give an answer, or the error that is one; a statement's bound and mark are apart."""
    try:
        return work()
    except BillingError as error:
        return str(error)


@pytest.fixture(scope="module")
def storages() -> Iterator[tuple[SqlStorage, SqlStorage]]:
    """Give two databases for many accounts."""
    with SqlStorage("sqlite://") as here, SqlStorage("sqlite://") as there:
        yield here, there


class TestTheLaw:
    """Archived at any places, what is readable equals the undisturbed twin's."""

    numbers = iter(range(10**6))

    @given(before=STEPS, after=STEPS, cuts=st.lists(st.integers(0, 500), min_size=1, max_size=3))
    @settings(max_examples=10)
    def test_whatever_happened_before_and_after(
        self,
        storages: tuple[SqlStorage, SqlStorage],
        before: list[tuple[str, int, int]],
        after: list[tuple[str, int, int]],
        cuts: list[int],
    ) -> None:
        here, there = storages
        account, clock = f"a-{next(self.numbers)}", Clock()
        billing = numbered(here, clock, f"{account}-early")
        opened(billing, account)
        billing.balances.credit(account, lira("50"), reason="opening", key="opening")
        play(billing, clock, account, before)
        clock.advance(days=100)
        billing.balances.limit(account, lira("100"), key="limit")
        file = StringIO()
        export_account(here, account, file)
        import_account(there, file.getvalue().splitlines())
        files = []
        for days in sorted(cuts):
            at = min(START + days * DAY, clock.now - 90 * DAY)
            report, lines = archived(here, at, account)
            if report.entries:
                files.append(lines)
        mark = billing.balances.archived(account)
        billing, twin = (numbered(one, clock, f"{account}-late") for one in storages)
        start = clock.now
        for one in (billing, twin):
            clock.now = start
            play(one, clock, account, after, mark.entries if mark else 0)
        self.same(billing, twin, account, clock, mark.since if mark else None)
        for lines in files:
            proof = verify_archive(here, lines)
            assert proof.sound, proof
        for lines in reversed(files):
            restore_entries(here, lines)
        assert exported(here, account) == exported(there, account)

    def same(
        self,
        billing: Billing,
        twin: Billing,
        account: str,
        clock: Clock,
        since: datetime | None,
    ) -> None:
        assert billing.verify(account).sound
        gone = 0 if since is None else cast("Any", billing.balances.archived(account)).entries
        assert billing.balances.entries(account, limit=999) == twin.balances.entries(
            account, after=gone, limit=999
        )
        assert billing.balances.list(account) == twin.balances.list(account)
        for reading in READINGS:

            def looked(one: Billing, at: datetime | None) -> tuple[Any, ...]:
                page: Statement = one.balances.statement(
                    account,
                    "TRY",
                    since=at,
                    reading=reading,  # noqa: B023 - called at once
                    limit=999,
                )
                sums: Consumption = one.balances.consumption(
                    account,
                    "TRY",
                    since=at,
                    reading=reading,  # noqa: B023 - called at once
                )
                return page.lines, page.opening, page.closing, page.since, sums

            assert looked(billing, None) == looked(twin, since)
            span = clock.now - START
            for part in (1, 3, 4):
                at = START + span * part // 5
                mine = told(lambda: billing.balances.at(account, "TRY", at, reading=reading))  # noqa: B023
                if since is not None and at < since - TICK:
                    assert "lies in what was archived" in str(mine)
                    continue
                assert mine == told(lambda: twin.balances.at(account, "TRY", at, reading=reading))  # noqa: B023
                if since is None or at >= since:
                    assert looked(billing, at)[:4] == looked(twin, at)[:4]


class TestOtherStorages:
    """A storage without archives is complete."""

    def test_it_has_no_checkpoint(self) -> None:
        assert MemoryStorage().read(lambda reader: checkpoint_of(reader, "acme")) is None
