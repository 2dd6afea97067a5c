"""Personal data: sealed where it is stored, and erased where it has to be."""

from collections.abc import Iterator
from datetime import date
from io import StringIO
from pathlib import Path

import attrs
import pytest

from monochat_billing import Address, Billing, BillingProfile, TaxId, TaxIdKind, money
from monochat_billing.adapters.memory import MemoryStorage
from monochat_billing.adapters.sandbox import SandboxGateway
from monochat_billing.adapters.sql import SqlStorage
from monochat_billing.adapters.sql.moving import export_account
from monochat_billing.catalog_samples import sample_catalog
from monochat_billing.erasure import erased
from monochat_billing.errors import CorruptBooks, IdempotencyConflict, InvalidInput
from monochat_billing.profiles import ERASED
from monochat_billing.repositories import Storage, Wanted
from tests.desk import SECRET, Clock, Desk
from tests.test_invoicing import BY_TOP_UP

TCKN = "17291716060"
PERSON = BillingProfile(
    business_name="Ayşe Güneş",
    address=Address(line="Gül Sok. 5", post_code="06420", city="Ankara"),
    tax_id=TaxId(kind=TaxIdKind.TCKN, number=TCKN),
    email="ayse@example.com",
)


class Shift:
    """Be a cipher that hides nothing from anybody who looks twice."""

    def seal(self, text: str) -> str:
        return "".join(chr(ord(one) + 1) for one in text)

    def open(self, sealed: str) -> str:
        return "".join(chr(ord(one) - 1) for one in sealed)


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Storage]:
    if request.param == "memory":
        yield MemoryStorage()
        return
    url = f"sqlite:///{tmp_path / 'books.db'}"
    if request.param == "postgres":
        url = request.getfixturevalue("postgres_url")
    with SqlStorage(url, cipher=Shift()) as made:
        made.upgrade()
        yield made


def desk_of(storage: Storage, clock: Clock) -> Desk:
    """Give a service on which a person has an account, a top-up and an invoice."""
    billing = Billing(
        catalog=sample_catalog(),
        storage=storage,
        gateways=[SandboxGateway(SECRET, page_url="http://127.0.0.1:9")],
        clock=clock,
        invoicing=BY_TOP_UP,
    )
    desk = Desk(billing, clock, storage, lambda: desk)
    billing.accounts.open("acme", zone="Europe/Istanbul", currencies=["TRY"], profile=PERSON)
    receipt = desk.top_up("250")
    billing.accounts.update_profile("acme", PERSON, key="again")
    billing.invoices.for_top_up("acme", receipt.top_up.id, key="invoice")
    return desk


class TestErasing:
    """Who it was is gone; what happened stays."""

    def test_no_profile_is_left_but_on_invoices(self, storage: Storage, clock: Clock) -> None:
        """Account, top-ups and remembered answers; the invoice has to be kept."""
        billing = desk_of(storage, clock).billing
        (invoice,) = billing.invoices.list("acme")
        known = billing.top_ups.get("acme", invoice.top_up)
        before = billing.balances.entries("acme")
        assert billing.accounts.erase("acme", key="erase").profile is None
        assert billing.accounts.get("acme").profile is None
        assert billing.top_ups.get("acme", known.id) == attrs.evolve(known, profile=ERASED)
        keys = frozenset({"(open)", "again", "topup", "erase"})
        loaded = storage.read(lambda reader: reader.load([Wanted("acme", keys)])["acme"])
        assert loaded.keys.keys() >= keys - {"topup"}
        assert "Ayşe" not in repr(loaded)
        assert billing.balances.entries("acme") == before
        assert billing.verify().sound
        (invoice,) = billing.invoices.list("acme")
        assert invoice.buyer == PERSON

    def test_it_is_told_and_repeated(self, storage: Storage, clock: Clock) -> None:
        """The event names nobody, the key gives the same answer, a new profile can be given."""
        desk = desk_of(storage, clock)
        first = desk.billing.accounts.erase("acme", key="erase", actor="dpo")
        assert desk.billing.accounts.erase("acme", key="erase", actor="dpo") == first
        assert desk.event_names().count("ProfileErased") == 1
        with pytest.raises(IdempotencyConflict):
            desk.billing.accounts.update_profile("acme", PERSON, key="again")
        with pytest.raises(InvalidInput, match="billing profile"):
            desk.start(money("10", "TRY"), key="more")
        desk.billing.accounts.update_profile("acme", PERSON, key="back")
        assert desk.billing.accounts.get("acme").profile == PERSON

    def test_invoices_let_go_of_their_buyers_in_the_end(
        self, storage: Storage, clock: Clock
    ) -> None:
        """Number, lines and sums stay; a second run does nothing."""
        billing = desk_of(storage, clock).billing
        (before,) = billing.invoices.list("acme")
        assert billing.invoices.erase_buyers("acme", before=before.issued_on) == 0
        clock.set("2037-01-01T09:00:00+03:00")
        assert billing.invoices.erase_buyers("acme", before=date(2037, 1, 1)) == 1
        assert billing.invoices.erase_buyers("acme", before=date(2037, 1, 1)) == 0
        (after,) = billing.invoices.list("acme")
        assert after == attrs.evolve(before, buyer=ERASED)
        with pytest.raises(InvalidInput, match="lies ahead"):
            billing.invoices.erase_buyers("acme", before=date(2038, 1, 1))

    def test_what_names_nobody_is_the_same_value(self) -> None:
        """So nothing is written for it."""
        value = (1, {"a": ("b", Address(line="x", city="y", country="DE"))}, frozenset({1}))
        assert erased(value) is value
        assert erased(PERSON) is ERASED


class TestSealing:
    """A TCKN is in no table in the clear."""

    def test_it_stands_nowhere_in_the_database(self, tmp_path: Path, clock: Clock) -> None:
        """Not in profiles, top-ups, keys, invoices or exports; who has the cipher reads it."""
        path = tmp_path / "books.db"
        with SqlStorage(f"sqlite:///{path}", cipher=Shift()) as storage:
            billing = desk_of(storage, clock).billing
            file = StringIO()
            export_account(storage, "acme", file)
            profile = billing.accounts.get("acme").profile
            assert profile is not None
            assert profile.tax_id.number == TCKN
        for content in (path.read_bytes(), file.getvalue().encode()):
            assert TCKN.encode() not in content
            assert f"sealed:{Shift().seal(TCKN)}".encode() in content

    def test_without_the_cipher_it_is_not_read(self, tmp_path: Path, clock: Clock) -> None:
        url = f"sqlite:///{tmp_path / 'books.db'}"
        with SqlStorage(url, cipher=Shift()) as storage:
            desk_of(storage, clock)
        with SqlStorage(url) as storage, pytest.raises(CorruptBooks, match="cipher"):
            storage.read(lambda reader: reader.load([Wanted("acme")]))

    def test_what_was_written_before_is_still_read(self, tmp_path: Path, clock: Clock) -> None:
        url = f"sqlite:///{tmp_path / 'books.db'}"
        with SqlStorage(url) as storage:
            desk_of(storage, clock)
        with SqlStorage(url, cipher=Shift()) as storage:
            found = storage.read(lambda reader: reader.load([Wanted("acme")]))["acme"].state
            assert found is not None
            assert found.account.profile == PERSON

    def test_a_vkn_is_no_secret(self, tmp_path: Path, clock: Clock) -> None:
        """A company's number stands as it is: it is printed on every invoice and looked up."""
        path = tmp_path / "books.db"
        with SqlStorage(f"sqlite:///{path}", cipher=Shift()) as storage:
            billing = Billing(catalog=sample_catalog(), storage=storage, clock=clock)
            billing.accounts.open("acme", zone="UTC", currencies=["TRY"], profile=BY_TOP_UP.seller)
        assert BY_TOP_UP.seller.tax_id.number.encode() in path.read_bytes()
