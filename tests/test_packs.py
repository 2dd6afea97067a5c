"""Packs: bought once, used up before money, given back by policy."""

from datetime import timedelta

import attrs
import pytest
from hypothesis import given, strategies as st

from monochat_billing import (
    MONTH,
    Catalog,
    IllegalTransition,
    InsufficientFunds,
    InvalidCatalog,
    InvalidInput,
    Units,
    UnknownName,
    money,
    sample_catalog,
)
from monochat_billing.balance import EntryKind, Terms
from monochat_billing.errors import IdempotencyConflict
from monochat_billing.lots import LotOrigin
from monochat_billing.pack_terms import PackScope, RefundBasis, RefundPolicy
from monochat_billing.plans import Grant
from monochat_billing.rating import MessageCategory
from monochat_billing.tax_regimes import TURKEY
from tests.desk import Desk
from tests.effort import one_in
from tests.meter_scenes import left, record, service

MESSAGE = "monochat.message"
UNUSED = RefundPolicy(basis=RefundBasis.UNUSED, within=MONTH)


def selling(refund: RefundPolicy = UNUSED, *, taxed: bool = True) -> Catalog:
    """Give the sample catalog with a refund policy on its packs."""
    catalog = sample_catalog()
    packs = tuple(attrs.evolve(one, refund=refund) for one in catalog.one_offs)
    return attrs.evolve(catalog, one_offs=packs, tax=TURKEY if taxed else None)


class TestBuying:
    """A pack is paid from the balance, and its units are a lot of their own."""

    def test_two_at_once_once(self, desk: Desk) -> None:
        """The price of two, the units of two, one debit, however often it is asked."""
        desk.top_up("2000")
        bought = desk.billing.packs.buy("acme", "messages-5k", key="p", quantity=2)
        again = desk.billing.packs.buy("acme", "messages-5k", key="p", quantity=2)
        assert again == bought
        assert (bought.units, bought.amount) == (Units(10_000, MESSAGE), money("1200", "TRY"))
        assert f"{bought.expires_at:%Y-%m-%d}" == "2027-10-05"
        with pytest.raises(IdempotencyConflict):
            desk.billing.packs.buy("acme", "messages-5k", key="p", quantity=3)
        (held,) = desk.billing.packs.list("acme")
        assert (held.name, held.units, held.remaining) == ("messages-5k", 10_000, 10_000)
        assert held.purchase == bought
        assert desk.event_names()[-1] == "PackBought"

    def test_its_tax_is_shown(self) -> None:
        """600 with KDV inside: 500 net and 100 tax."""
        billing, _ = service(selling())
        bought = billing.packs.buy("acme", "messages-5k", key="p")
        assert str(bought).endswith("for 600 TRY (net 500, tax 100), until 2027-10-05")

    def test_what_cannot_be_bought_changes_nothing(self, desk: Desk) -> None:
        """Too little money is remembered; what is no pack and no number are mistakes."""
        with pytest.raises(InsufficientFunds):
            desk.billing.packs.buy("acme", "messages-5k", key="p")
        desk.top_up("2000")
        with pytest.raises(InsufficientFunds):
            desk.billing.packs.buy("acme", "messages-5k", key="p")
        with pytest.raises(UnknownName):
            desk.billing.packs.buy("acme", "growth", key="q")
        for quantity in (0, -1, True, "2"):
            with pytest.raises(InvalidInput):
                desk.billing.packs.buy("acme", "messages-5k", key="q", quantity=quantity)  # type: ignore[arg-type]
        assert desk.billing.packs.list("acme") == ()

    def test_a_pack_that_was_given_is_listed_too(self, desk: Desk) -> None:
        """A lot with the origin PACK needs no purchase."""
        terms = Terms(origin=LotOrigin.PACK)
        desk.billing.balances.credit(
            "acme", Units(5, MESSAGE), reason="sorry", terms=terms, key="g"
        )
        (held,) = desk.billing.packs.list("acme")
        assert (held.name, held.purchase, held.remaining) == (MESSAGE, None, 5)


class TestUsing:
    """Usage burns packs, the earliest expiry first, and so does a debit by hand."""

    def test_a_debit_by_hand(self, desk: Desk) -> None:
        """Units go from the pack that was bought first; too many are refused."""
        desk.top_up("2000")
        desk.billing.packs.buy("acme", "messages-5k", key="p")
        desk.clock.advance(days=1)
        desk.billing.packs.buy("acme", "messages-5k", key="q")
        entry = desk.billing.packs.use("acme", Units(6000, MESSAGE), reason="import", key="u")
        assert (entry.kind, entry.amount) == (EntryKind.USAGE_FEE, -6000)
        held = desk.billing.packs.list("acme")
        assert [(one.remaining, one.burned) for one in held] == [(0, 5000), (4000, 1000)]
        with pytest.raises(InsufficientFunds):
            desk.billing.packs.use("acme", Units(4001, MESSAGE), reason="import", key="v")
        with pytest.raises(InvalidInput):
            desk.billing.packs.use("acme", Units(1, MESSAGE), reason=" ", key="w")

    def test_what_expires_is_lost(self, desk: Desk) -> None:
        """After a year the rest is breakage, whether or not anybody ran what is due."""
        desk.top_up("2000")
        desk.billing.packs.buy("acme", "messages-5k", key="p")
        desk.billing.packs.use("acme", Units(100, MESSAGE), reason="import", key="u")
        desk.clock.set("2027-10-05T06:00:00+00:00")
        (before,) = desk.billing.packs.list("acme")
        desk.billing.run_due()
        (after,) = desk.billing.packs.list("acme")
        assert before == after
        assert (after.remaining, after.burned, after.lost) == (0, 100, 4900)


class TestRefunds:
    """What is left comes back at what was really paid, to the lots that paid."""

    def test_the_unused_part_comes_back_with_its_tax(self) -> None:
        """3,750 of 5,000 are left: 450 of 600, of which 75 are tax."""
        billing, _ = service(selling(), plan="")
        billing.packs.buy("acme", "messages-5k", key="p")
        billing.usage.record("acme", [record("u", MESSAGE, 1250)])
        back = billing.packs.refund("acme", "p", key="r")
        assert (back.units, back.amount) == (Units(3750, MESSAGE), money("450", "TRY"))
        assert back.tax is not None
        assert back.tax.tax == money("-75", "TRY")
        assert left(billing) == "24850"
        assert billing.packs.refund("acme", "p", key="r") == back
        (held,) = billing.packs.list("acme")
        assert (held.remaining, held.burned, held.lost) == (0, 1250, 3750)
        with pytest.raises(IllegalTransition, match="USED UP"):
            billing.packs.refund("acme", "p", key="again")

    def test_the_policy_may_give_nothing(self) -> None:
        """By default a pack that is bought stays bought."""
        billing, _ = service(sample_catalog())
        billing.packs.buy("acme", "messages-5k", key="p")
        with pytest.raises(IllegalTransition, match="NOT REFUNDABLE"):
            billing.packs.refund("acme", "p", key="r")
        with pytest.raises(UnknownName):
            billing.packs.refund("acme", "opening", key="s")

    def test_the_window_is_half_open(self) -> None:
        """A month after the purchase it is too late; a microsecond before it is not."""
        billing, clock = service(selling(), plan="")
        for key in ("p", "q"):
            billing.packs.buy("acme", "messages-5k", key=key)
        clock.set("2026-11-05T06:00:00+00:00")
        end = clock.now
        clock.now = end - timedelta(microseconds=1)
        assert billing.packs.refund("acme", "p", key="r").units.count == 5000
        clock.now = end
        with pytest.raises(IllegalTransition, match="PAST ITS WINDOW"):
            billing.packs.refund("acme", "q", key="s")

    def test_units_that_are_held_have_to_be_let_go_first(self) -> None:
        """An open hold may still be captured."""
        billing, _ = service(selling(), plan="")
        billing.packs.buy("acme", "messages-5k", key="p")
        billing.holds.place("acme", Units(1, MESSAGE), reason="campaign", key="h")
        with pytest.raises(IllegalTransition, match="HELD"):
            billing.packs.refund("acme", "p", key="r")

    @given(st.integers(1, 4), st.integers(0, 20_000), st.booleans())
    @one_in(4)
    def test_never_more_than_was_paid(self, quantity: int, used: int, taxed: bool) -> None:  # noqa: FBT001
        """What comes back is the unused part, and units and money add up."""
        billing, _ = service(selling(taxed=taxed), plan="")
        bought = billing.packs.buy("acme", "messages-5k", key="p", quantity=quantity)
        used = min(used, bought.units.count - 1)
        if used:
            billing.packs.use("acme", Units(used, MESSAGE), reason="x", key="u")
        back = billing.packs.refund("acme", "p", key="r")
        assert back.units.count + used == bought.units.count
        exact = bought.amount.amount * back.units.count / bought.units.count
        assert abs(back.amount.amount - exact) * 200 <= 1
        assert back.amount.amount <= bought.amount.amount
        assert billing.verify().sound


class TestScope:
    """A pack may pay the provider's fee of a category and market."""

    def test_its_units_are_counted_by_a_meter_of_their_own(self) -> None:
        """The meter follows from the scope, and nothing else may be named."""
        scope = PackScope(category=MessageCategory.MARKETING, market="Turkey")
        grant = Grant(meter=scope.meter, units=100, scope=scope)
        assert str(grant) == "100 of whatsapp.marketing.turkey (marketing in Turkey)"
        with pytest.raises(InvalidInput, match="does not count marketing in Turkey"):
            Grant(meter=MESSAGE, units=100, scope=scope)

    def test_it_can_be_bought(self) -> None:
        """Its units stand beside those of messages."""
        catalog = sample_catalog()
        scope = PackScope(category=MessageCategory.UTILITY, market="Turkey")
        scoped = attrs.evolve(
            catalog.one_offs[0],
            id="tr-utility",
            grant=Grant(meter=scope.meter, units=9, scope=scope),
        )
        meters = (*catalog.meters, scope.meter)
        catalog = attrs.evolve(catalog, one_offs=(*catalog.one_offs, scoped), meters=meters)
        billing, _ = service(catalog)
        billing.packs.buy("acme", "tr-utility", key="p")
        assert left(billing, "whatsapp.utility.turkey") == "9"

    def test_one_meter_has_one_meaning(self) -> None:
        """What an allowance counts cannot also pay fees."""
        catalog = sample_catalog()
        scope = PackScope(category=MessageCategory.UTILITY, market="Turkey")
        plain = Grant(meter=scope.meter, units=1)
        scoped = Grant(meter=scope.meter, units=1, scope=scope)
        both = tuple(
            attrs.evolve(catalog.one_offs[0], id=name, grant=grant)
            for name, grant in (("a", plain), ("b", scoped))
        )
        with pytest.raises(InvalidCatalog, match="stands for elsewhere"):
            attrs.evolve(catalog, one_offs=both, meters=(*catalog.meters, scope.meter))

    def test_a_refund_policy_says_what_it_gives(self) -> None:
        """A window without a refund is a contradiction."""
        assert str(UNUSED) == "unused units within MONTH"
        assert str(RefundPolicy()) == "no refund"
        with pytest.raises(InvalidInput):
            RefundPolicy(within=MONTH)
