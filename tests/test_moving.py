"""Accounts move between databases bit for bit, and the database can guard what was posted."""

import hashlib
import json
import shutil
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import cast

import pytest

from monochat_billing import MONTH, Billing, ChangeTiming, money, sample_catalog
from monochat_billing.adapters.sql import SqlStorage
from monochat_billing.adapters.sql.__main__ import main
from monochat_billing.adapters.sql._backends import Isolation
from monochat_billing.adapters.sql._unit import SqlUnit
from monochat_billing.adapters.sql.guarding import guard_entries, is_guarded, unguard_entries
from monochat_billing.adapters.sql.moving import export_account, import_account
from monochat_billing.errors import InvalidInput, StorageError, UnknownName
from tests.desk import Clock, Desk, build
from tests.test_invoicing import BY_CHARGE


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Clock]:
    """Give a SQLite file with two accounts on which a lot has happened, and when that ended."""
    path, clock = tmp_path_factory.mktemp("lived") / "here.db", Clock()
    with SqlStorage(f"sqlite:///{path}") as storage:

        def again() -> Desk:
            return build(storage, clock, again)

        live(again(), service(storage, clock), clock)
    return path, clock


def service(storage: SqlStorage, clock: Clock) -> Billing:
    return Billing(catalog=sample_catalog(), storage=storage, clock=clock, invoicing=BY_CHARGE)


def live(desk: Desk, billing: Billing, clock: Clock) -> None:
    """Let a lot happen."""
    for account in ("acme", "other"):
        desk.billing.accounts.open(
            account, zone="Europe/Istanbul", currencies=["TRY"], profile=BY_CHARGE.seller
        )
        desk.top_up("25000", key="topup", account=account)
        billing.subscriptions.subscribe(account, "growth", MONTH, key="plan")
        billing.schedule.change(account, to="basic", timing=ChangeTiming.END_OF_PERIOD, key="later")
        billing.holds.place(account, money("5", "TRY"), reason="çiçek 🌷", key="hold")
        with pytest.raises(InvalidInput):
            billing.balances.debit(account, money("-1", "TRY"), reason="x", key="bad")
        entry = billing.balances.debit(account, money("0.0042", "TRY"), reason="x", key="d")
        billing.balances.reverse(account, entry.number, reason="wrong", key="r")
    clock.set("2026-12-01T09:00:00+03:00")
    billing.run_due()
    for account in ("acme", "other"):
        assert billing.invoices.for_charges(account, "TRY", key="invoice") is not None


@pytest.fixture
def full(
    lived: tuple[Path, Clock], tmp_path: Path, clock: Clock
) -> Iterator[tuple[SqlStorage, Billing, Clock]]:
    """Give a copy of that file, at the instant at which it ended."""
    path = tmp_path / "here.db"
    shutil.copy(lived[0], path)
    clock.now = lived[1].now
    with SqlStorage(f"sqlite:///{path}") as storage:
        yield storage, service(storage, clock), clock


@pytest.fixture(params=["sqlite", "postgres", pytest.param("serializable", marks=pytest.mark.deep)])
def there(
    request: pytest.FixtureRequest, tmp_path: Path, empty_books: Path
) -> Iterator[SqlStorage]:
    """Give an empty database to move to."""
    url = f"sqlite:///{tmp_path / 'there.db'}"
    if request.param == "sqlite":
        shutil.copy(empty_books, tmp_path / "there.db")
    else:
        url = request.getfixturevalue("postgres_url")
    isolation: Isolation = "SERIALIZABLE" if request.param == "serializable" else "READ COMMITTED"
    with SqlStorage(url, isolation=isolation) as storage:
        yield storage


def exported(storage: SqlStorage, account: str = "acme") -> str:
    file = StringIO()
    lines = export_account(storage, account, file)
    assert lines == len(file.getvalue().splitlines())
    return file.getvalue()


class TestMoving:
    """Out of one database and into another."""

    def test_an_account_arrives_bit_for_bit(
        self, full: tuple[SqlStorage, Billing, Clock], there: SqlStorage
    ) -> None:
        """What is exported there is what was exported here, and the other account stays here."""
        here, _, _ = full
        text = exported(here)
        assert import_account(there, text.splitlines()) == "acme"
        assert exported(there) == text
        assert there.read(lambda reader: list(reader.accounts())) == ["acme"]
        assert '"other"' not in text

    def test_it_goes_on_there_as_if_nothing_had_happened(
        self, full: tuple[SqlStorage, Billing, Clock], there: SqlStorage
    ) -> None:
        """Keys still answer, books are sound, time passes, and invoice numbers go on."""
        here, billing, clock = full
        import_account(there, exported(here).splitlines(keepends=True))
        moved = Billing(catalog=sample_catalog(), storage=there, clock=clock, invoicing=BY_CHARGE)
        again = moved.balances.debit("acme", money("0.0042", "TRY"), reason="x", key="d")
        assert again == billing.balances.debit("acme", money("0.0042", "TRY"), reason="x", key="d")
        assert moved.verify().sound
        moved.balances.debit("acme", money("12", "TRY"), reason="export", key="new")
        clock.set("2027-01-04T09:00:00+03:00")
        assert moved.run_due().accounts == 1
        clock.set("2026-12-31T09:00:00+03:00")
        known = moved.invoices.list("acme")
        clock.set("2027-01-31T09:00:00+03:00")
        made = moved.invoices.for_charges("acme", "TRY", key="january")
        assert made is not None
        assert made.number.ordinal == 1, "another year begins anew"
        assert len(moved.invoices.list("acme")) == len(known) + 1

    def test_a_number_that_came_along_is_not_given_out_again(
        self, full: tuple[SqlStorage, Billing, Clock], there: SqlStorage
    ) -> None:
        here, billing, clock = full
        import_account(there, exported(here, "other").splitlines())
        moved = Billing(catalog=sample_catalog(), storage=there, clock=clock, invoicing=BY_CHARGE)
        moved.balances.debit("other", money("12", "TRY"), reason="export", key="new")
        clock.set("2026-12-15T09:00:00+03:00")
        (last,) = billing.invoices.list("other")
        made = moved.invoices.for_charges("other", "TRY", key="k", until=clock.now.date())
        assert made is not None
        assert made.number.ordinal == last.number.ordinal + 1

    def test_what_is_here_already_is_not_overwritten(
        self, full: tuple[SqlStorage, Billing, Clock]
    ) -> None:
        here, _, _ = full
        text = exported(here)
        with pytest.raises(InvalidInput, match="'acme' is here already"):
            import_account(here, text.splitlines())
        assert exported(here) == text

    def test_nobody_who_does_not_exist_is_exported(
        self, full: tuple[SqlStorage, Billing, Clock]
    ) -> None:
        with pytest.raises(UnknownName, match="account: 'nobody' does not exist"):
            exported(full[0], "nobody")

    @pytest.mark.parametrize(
        ("damage", "told"),
        [
            (lambda lines: lines[:-1], "is cut off or was changed"),
            (lambda lines: [*lines[:2], *lines[3:]], "is cut off or was changed"),
            (lambda lines: [*lines, lines[0]], "has lines behind its end"),
            (lambda lines: ["{", *lines], "has no JSON in line 1"),
            (lambda lines: lines[1:], "does not begin as"),
            (lambda lines: [lines[0], *lines[3:]], "out of its place"),
            (lambda lines: [lines[0].replace("billing_00", "billing_99"), *lines[1:]], "schema"),
            (lambda lines: [lines[0].replace("acme", "mine"), *lines[1:]], "that is not of 'mine'"),
            (lambda lines: [lines[0], '"text"', *lines[1:]], "has a line 2 that is no row"),
            (lambda lines: [line.replace("0042", "0043") for line in lines], "was changed"),
            (lambda lines: [], "is cut off"),
        ],
        ids=[
            "no end",
            "a line lost",
            "more",
            "no JSON",
            "no head",
            "no table",
            "another schema",
            "another account",
            "no row",
            "an amount changed",
            "nothing",
        ],
    )
    def test_what_is_no_whole_export_is_refused(
        self,
        full: tuple[SqlStorage, Billing, Clock],
        tmp_path: Path,
        damage: object,
        told: str,
    ) -> None:
        """And nothing of it stands."""
        assert callable(damage)
        lines = damage(exported(full[0]).splitlines())
        with SqlStorage(f"sqlite:///{tmp_path / 'there.db'}") as there:
            there.upgrade()
            with pytest.raises(InvalidInput, match=told):
                import_account(there, lines)
            assert there.read(lambda reader: list(reader.accounts())) == []

    def test_a_row_that_clashes_takes_everything_back(
        self, full: tuple[SqlStorage, Billing, Clock]
    ) -> None:
        """A renamed copy has the invoice numbers of the first, which exist once."""
        here, _, _ = full
        lines = exported(here).splitlines()
        renamed = [line.replace('"acme"', '"copy"') for line in lines[:-1]]
        text = "".join(line + "\n" for line in renamed)
        digest = hashlib.sha256(text.encode()).hexdigest()
        end = json.dumps({"end": {"lines": len(renamed), "sha256": digest}})
        with pytest.raises(StorageError):
            import_account(here, [*renamed, end])
        assert here.read(lambda reader: list(reader.accounts())) == ["acme", "other"]


def tamper(storage: SqlStorage, statement: str) -> None:
    """Do what nobody should, on the library's own connection."""
    storage.write(lambda unit: cast("SqlUnit", unit).session.run("tamper", statement))


class TestGuard:
    """The database itself refuses to change what was posted."""

    def test_l23_nobody_changes_or_deletes_an_entry(self, there: SqlStorage) -> None:
        """Posting goes on; UPDATE and DELETE fail; without the guard they would not."""
        billing = Billing(catalog=sample_catalog(), storage=there)
        billing.accounts.open("acme", zone="UTC", currencies=["TRY"])
        billing.balances.credit("acme", money("5", "TRY"), reason="opening", key="c")
        guard_entries(there)
        guard_entries(there)
        try:
            assert is_guarded(there)
            billing.balances.debit("acme", money("1", "TRY"), reason="x", key="d")
            for statement in (
                "UPDATE billing_entries SET amount = 1",
                "DELETE FROM billing_entries",
            ):
                with pytest.raises(StorageError, match="never changed or deleted"):
                    tamper(there, statement)
            assert billing.verify().sound
        finally:
            unguard_entries(there)
        assert not is_guarded(there)
        tamper(there, "UPDATE billing_entries SET amount = 1")
        assert not billing.verify().sound


class TestCommandLine:
    """The same from a shell."""

    def test_an_account_is_piped_from_one_file_to_another(
        self,
        full: tuple[SqlStorage, Billing, Clock],
        tmp_path: Path,
        capsys: pytest.CaptureFixture[str],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        def run(*arguments: str, text: str = "") -> tuple[int, str, str]:
            monkeypatch.setattr("sys.stdin", StringIO(text))
            status = main(arguments)
            return status, *capsys.readouterr()

        here, there = f"sqlite:///{tmp_path / 'here.db'}", f"sqlite:///{tmp_path / 'there.db'}"
        status, text, told = run("export", here, "acme")
        assert (status, text) == (0, exported(full[0]))
        assert told.startswith("exported acme in ")
        assert run("upgrade", there)[0] == 0
        assert run("import", there, text=text) == (0, "imported acme\n", "")
        assert run("guard", there)[:2] == (0, "entries cannot be changed or deleted\n")
        assert run("unguard", there)[:2] == (0, "entries are guarded no more\n")
        status, text, told = run("export", there, "nobody")
        assert (status, text) == (1, "")
        assert told == "account: 'nobody' does not exist; open the account first\n"
        assert run("explode", there)[0] == 2
