"""Invoices through the service: numbers without gaps, each charge on one invoice, for ever."""

import threading
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import cast

import attrs
import pytest

from monochat_billing import MONTH, Billing, money, sample_catalog
from monochat_billing.adapters.memory import MemoryStorage
from monochat_billing.adapters.sql import SqlStorage
from monochat_billing.errors import IllegalTransition, InvalidInput, StorageMisuse, UnknownName
from monochat_billing.events import InvoiceIssued
from monochat_billing.invoice_storage import InvoiceUnit
from monochat_billing.invoices import Invoice, InvoiceKind
from monochat_billing.invoicing import InvoicePolicy, TaxPoint
from monochat_billing.repositories import Storage, Wanted
from tests.desk import PROFILE, Clock, Desk
from tests.test_invoicing import BY_CHARGE, BY_TOP_UP, SELLER


def billing_of(desk: Desk, policy: InvoicePolicy | None) -> Billing:
    """Give a service on the desk's storage that invoices by a policy."""
    return Billing(
        catalog=sample_catalog(), storage=desk.storage, clock=desk.clock, invoicing=policy
    )


class TestCharges:
    """A month's charges."""

    def test_each_charge_is_on_one_invoice(self, desk: Desk) -> None:
        """October's fee on November's invoice, what comes later on December's."""
        desk.top_up("5000")
        billing = billing_of(desk, BY_CHARGE)
        billing.subscriptions.subscribe("acme", "growth", MONTH, key="s")
        assert billing.invoices.for_charges("acme", "TRY", key="2026-10") is None
        desk.clock.set("2026-11-01T09:00:00+03:00")
        made = billing.invoices.for_charges("acme", "TRY", key="2026-11")
        assert made is not None
        assert (made.gross, str(made.number)) == (money("1499", "TRY"), "MCB2026000000001")
        assert made.period is not None
        assert made.period.last_day("Europe/Istanbul") == date(2026, 10, 31)
        billing.balances.debit("acme", money("10", "TRY"), reason="export", key="d")
        desk.clock.set("2026-12-01T09:00:00+03:00")
        then = billing.invoices.for_charges("acme", "TRY", key="2026-12")
        assert then is not None
        assert [line.text for line in then.lines] == ["export", "growth per MONTH"]
        assert then.first > made.last
        assert then.rounding == money("0", "TRY")
        assert [one.id for one in billing.invoices.list("acme")] == [made.id, then.id]

    def test_a_key_gives_the_same_invoice_for_ever(self, desk: Desk) -> None:
        desk.top_up("5000")
        billing = billing_of(desk, BY_CHARGE)
        billing.balances.debit("acme", money("10", "TRY"), reason="export", key="d")
        desk.clock.set("2026-11-01T09:00:00+03:00")
        first = billing.invoices.for_charges("acme", "TRY", key="2026-11")
        assert first == billing.invoices.for_charges("acme", "TRY", key="2026-11")
        assert first == billing_of(desk.reopen(), BY_CHARGE).invoices.for_charges(
            "acme", "TRY", key="2026-11"
        )
        assert len(billing.invoices.list("acme")) == 1
        assert desk.event_names().count("InvoiceIssued") == 1

    def test_a_reversal_after_the_month_comes_off_the_next(self, desk: Desk) -> None:
        """What was invoiced and then reversed is a credit note, at its own rate."""
        desk.top_up("5000")
        billing = billing_of(desk, BY_CHARGE)
        entry = billing.balances.debit("acme", money("120", "TRY"), reason="export", key="d")
        desk.clock.set("2026-11-01T09:00:00+03:00")
        billing.invoices.for_charges("acme", "TRY", key="2026-11")
        billing.balances.reverse("acme", entry.number, reason="not ours", key="r")
        desk.clock.set("2026-12-01T09:00:00+03:00")
        made = billing.invoices.for_charges("acme", "TRY", key="2026-12")
        assert made is not None
        assert (made.kind, made.gross, made.tax) == (
            InvoiceKind.CREDIT_NOTE,
            money("120", "TRY"),
            money("20", "TRY"),
        )
        assert str(made.number) == "MCI2026000000001"

    def test_the_ledger_never_changes_for_an_invoice(self, desk: Desk) -> None:
        desk.top_up("5000")
        billing = billing_of(desk, BY_CHARGE)
        billing.balances.debit("acme", money("10", "TRY"), reason="export", key="d")
        desk.clock.set("2026-11-01T09:00:00+03:00")
        before = billing.balances.entries("acme")
        billing.invoices.for_charges("acme", "TRY", key="k")
        assert billing.balances.entries("acme") == before
        assert billing.verify().sound

    def test_what_cannot_be_is_refused(self, desk: Desk) -> None:
        billing = billing_of(desk, BY_CHARGE)
        with pytest.raises(InvalidInput, match="until: '2027-01-01' lies ahead"):
            billing.invoices.for_charges("acme", "TRY", key="k", until=date(2027, 1, 1))
        with pytest.raises(UnknownName):
            billing.invoices.for_charges("nobody", "TRY", key="k")
        with pytest.raises(UnknownName):
            billing.invoices.for_charges("acme", "EUR", key="k")
        with pytest.raises(InvalidInput, match="invoicing: None is not set up"):
            billing_of(desk, None).invoices.for_charges("acme", "TRY", key="k")


class TestTopUps:
    """A top-up and its refunds."""

    def test_a_top_up_is_invoiced_once_whatever_the_key(self, desk: Desk) -> None:
        receipt = desk.top_up("25000")
        billing = billing_of(desk, BY_TOP_UP)
        made = billing.invoices.for_top_up("acme", receipt.top_up.id, key="i-1")
        assert (made.gross, made.buyer) == (money("25000", "TRY"), PROFILE)
        with pytest.raises(IllegalTransition, match="invoiced as MCB2026000000001"):
            billing.invoices.for_top_up("acme", receipt.top_up.id, key="i-2")
        assert billing.invoices.get("acme", made.id) == made

    def test_one_that_was_never_paid_is_refused(self, desk: Desk) -> None:
        top_up = desk.start(money("250", "TRY"))
        billing = billing_of(desk, BY_TOP_UP)
        with pytest.raises(IllegalTransition, match="OPEN and cannot be invoiced"):
            billing.invoices.for_top_up("acme", top_up, key="i")
        with pytest.raises(UnknownName):
            billing.invoices.for_top_up("acme", "nothing", key="j")

    def test_credit_notes_say_what_goes_back(self, desk: Desk) -> None:
        receipt = desk.top_up("1200")
        billing = billing_of(desk, BY_TOP_UP)
        made = billing.invoices.for_top_up("acme", receipt.top_up.id, key="i")
        part = billing.invoices.credit(
            "acme", made.id, reason="unused", key="c-1", amount=money("200", "TRY")
        )
        rest = billing.invoices.credit("acme", made.id, reason="unused", key="c-2")
        assert (part.gross, rest.gross) == (money("200", "TRY"), money("1000", "TRY"))
        assert rest.corrects == made.number
        with pytest.raises(IllegalTransition, match="CREDITED and cannot be credited again"):
            billing.invoices.credit("acme", made.id, reason="unused", key="c-3")
        with pytest.raises(UnknownName, match="invoice: 'x' does not exist"):
            billing.invoices.credit("acme", "x", reason="unused", key="c-4")

    def test_no_personal_data_in_what_a_key_remembers(self, desk: Desk) -> None:
        """The key's record holds the invoice's id; who bought stands on the invoice alone."""
        receipt = desk.top_up("1200")
        made = billing_of(desk, BY_TOP_UP).invoices.for_top_up("acme", receipt.top_up.id, key="i")
        loaded = desk.storage.read(
            lambda reader: reader.load([Wanted("acme", frozenset({"i"}))])["acme"]
        )
        assert loaded.keys["i"].outcome == made.id


class TestNumbers:
    """Without gaps, whatever fails and however many issue at once."""

    def test_a_refusal_takes_no_number(self, desk: Desk) -> None:
        receipt = desk.top_up("1200")
        billing = billing_of(desk, BY_TOP_UP)
        unpaid = desk.start(money("250", "TRY"), key="other")
        with pytest.raises(IllegalTransition):
            billing.invoices.for_top_up("acme", unpaid, key="a")
        made = billing.invoices.for_top_up("acme", receipt.top_up.id, key="b")
        assert made.number.ordinal == 1

    def test_a_unit_of_work_that_fails_gives_its_number_back(self, desk: Desk) -> None:
        receipt = desk.top_up("1200")
        billing = billing_of(desk, BY_TOP_UP)
        first = billing.invoices.for_top_up("acme", receipt.top_up.id, key="b")

        def fail(unit: object) -> None:
            shelf = cast("InvoiceUnit", unit)
            shelf.load([Wanted("acme")])
            assert shelf.last_ordinal(first.number.counter) == 1
            raise LookupError

        with pytest.raises(LookupError):
            desk.storage.write(fail)
        gap = _again(first, 3)
        with pytest.raises(StorageMisuse, match="leaves a gap or stands twice"):
            desk.storage.write(lambda unit: _issue(unit, gap))
        assert len(billing.invoices.list("acme")) == 1

    def test_an_account_has_no_two_invoices_about_one_thing(self, desk: Desk) -> None:
        """Even if the library asked for it."""
        receipt = desk.top_up("1200")
        first = billing_of(desk, BY_TOP_UP).invoices.for_top_up("acme", receipt.top_up.id, key="b")
        with pytest.raises(Exception, match=r"about|UNIQUE|duplicate key"):
            desk.storage.write(lambda unit: _issue(unit, _again(first, 2)))
        assert len(billing_of(desk, BY_TOP_UP).invoices.list("acme")) == 1

    @pytest.mark.parametrize("kind", ["memory", "sqlite"])
    def test_many_accounts_at_once_share_a_series(
        self, kind: str, tmp_path: Path, clock: Clock
    ) -> None:
        """Eight threads issue for eight accounts: 1 to 8, each once."""
        storage: Storage = MemoryStorage()
        if kind == "sqlite":
            storage = SqlStorage(f"sqlite:///{tmp_path / 'books.db'}")
            storage.upgrade()
        share_a_series(storage, clock)


def share_a_series(storage: Storage, clock: Clock, accounts: int = 8) -> None:
    """Let a thread for each account issue its invoice, and look for gaps."""
    policy = InvoicePolicy(seller=SELLER, tax_point=TaxPoint.ON_CHARGE)
    billing = Billing(catalog=sample_catalog(), storage=storage, clock=clock, invoicing=policy)
    names = [f"a-{number}" for number in range(accounts)]
    for name in names:
        billing.accounts.open(name, zone="Europe/Istanbul", currencies=["TRY"], profile=PROFILE)
        billing.balances.credit(name, money("100", "TRY"), reason="opening", key="c")
        billing.balances.debit(name, money("12", "TRY"), reason="export", key="d")
    clock.set("2026-11-01T09:00:00+03:00")
    made: list[Invoice | None] = []

    def issue(name: str) -> Callable[[], None]:
        return lambda: made.append(billing.invoices.for_charges(name, "TRY", key="november"))

    threads = [threading.Thread(target=issue(name)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ordinals = sorted(one.number.ordinal for one in made if one is not None)
    assert ordinals == list(range(1, accounts + 1))
    for name in names:
        told = [one.event for one in billing.events(name)]
        assert isinstance(told[-1], InvoiceIssued)


def _again(first: Invoice, ordinal: int) -> Invoice:
    number = BY_TOP_UP.number(InvoiceKind.INVOICE, first.issued_at, ordinal - 1)
    return attrs.evolve(first, id=f"other-{ordinal}", number=number)


def _issue(unit: object, invoice: Invoice) -> None:
    shelf = cast("InvoiceUnit", unit)
    shelf.load([Wanted("acme")])
    shelf.issue([invoice])
