"""Meters, packs and allowances in catalog files: what is written reads back."""

from datetime import UTC, datetime

import attrs
import pytest

from monochat_billing import MONTH, Catalog, CatalogVersions, InvalidCatalog, InvalidInput, money
from monochat_billing.adapters.catalog_files import read_catalog, read_versions, write_catalog
from monochat_billing.adapters.catalog_files.reading import FileFormat
from monochat_billing.charge_models import (
    Allowance,
    Commitment,
    Dynamic,
    GraduatedPercentage,
    PerUnit,
)
from monochat_billing.meters import Meter
from monochat_billing.pack_terms import PackScope, RefundBasis, RefundPolicy
from monochat_billing.plans import Grant
from monochat_billing.rate_tables import RateRow
from monochat_billing.rating import MessageCategory
from monochat_billing.rollovers import AllowanceChange, Rollover
from monochat_billing.tax import Pricing
from monochat_billing.tiers import AtZero, Tier
from tests.meter_scenes import METERS, meter, metered_catalog, tables

MORE = (
    meter("share", GraduatedPercentage(tiers=(Tier(up_to=5, price="0.1", flat=2), Tier()))),
    meter("cost", Dynamic(multiplier="1.1"), pricing=Pricing.EXCLUSIVE, tax_class="reduced"),
    meter("room", Commitment(model=PerUnit(price=3), discount="0.1", maximum=50)),
    meter("call", Allowance(included=100, overage=PerUnit(price="0.02"))),
    Meter(
        id="disk",
        rates=(
            tables(
                "disk",
                RateRow(model=PerUnit(price=0)),
                RateRow(where={"class": "cold"}, model=None),
                dimensions=("class", "region"),
                version=2,
                source="card 7",
            ),
        ),
        minimum=(money("5", "TRY"), money("1", "USD")),
    ),
    Meter(id="plain"),
)


def everything() -> Catalog:
    """Build a catalog that says all that can be said about usage."""
    catalog = metered_catalog((*METERS, *MORE))
    scope = PackScope(category=MessageCategory.UTILITY, market="Turkey")
    first, second = catalog.one_offs
    refund = RefundPolicy(basis=RefundBasis.UNUSED, within=MONTH)
    packs = (
        attrs.evolve(first, refund=refund),
        attrs.evolve(second, grant=Grant(meter=scope.meter, units=7, scope=scope)),
    )
    products = list(catalog.products)
    for place, rollover in enumerate((Rollover(), Rollover(minimum=3, maximum=9))):
        (allowance,) = products[place].allowances
        changed = attrs.evolve(allowance, rollover=rollover, on_change=AllowanceChange.FULL)
        products[place] = attrs.evolve(products[place], allowances=(changed,))
    return attrs.evolve(
        catalog,
        one_offs=packs,
        products=tuple(products),
        meters=(*catalog.meters, scope.meter),
    )


class TestForms:
    """Both forms of a file say the same."""

    @pytest.mark.parametrize("form", ["toml", "json"])
    def test_what_is_written_reads_back(self, form: FileFormat) -> None:
        """Every model, dimension, minimum, scope, refund and rollover."""
        catalog = everything()
        assert read_catalog(write_catalog(catalog, form), form) == catalog

    def test_a_later_version_says_only_what_changes(self) -> None:
        """Meters that stay are not said again."""
        first = everything()
        later = attrs.evolve(
            first, version="2", effective_at=datetime(2027, 1, 1, tzinfo=UTC), note="later"
        )
        first = attrs.evolve(first, effective_at=datetime(2026, 1, 1, tzinfo=UTC))
        versions = CatalogVersions(versions=(first, later))
        text = write_catalog(versions)
        assert text.count("[[metering]]") == len(first.metering)
        assert read_versions(text).versions == (first, later)


class TestMistakes:
    """What cannot be read is said with its place."""

    @pytest.mark.parametrize(
        ("rate", "said"),
        [
            ('{ model = "monthly" }', "metering.gb.rates[0].rows[0].charge.model: 'monthly'"),
            ('{ model = "per_unit" }', "does not go with this model"),
            ('{ model = "per_unit", price = "-1" }', "out of range"),
            ('{ model = "graduated", tiers = [{ to = "5", cost = "1" }] }', "nothing reads"),
        ],
        ids=["model", "missing", "negative", "unknown"],
    )
    def test_a_charge(self, rate: str, said: str) -> None:
        """The path, the value and what to do."""
        text = f"""
format = 1
id = "ours"
version = "1"
meters = ["gb"]
[[metering]]
id = "gb"
rates = [{{ currency = "TRY", from = 2026-01-01, rows = [{{ charge = {rate} }}] }}]
"""
        with pytest.raises(InvalidCatalog) as caught:
            read_catalog(text)
        assert said in str(caught.value)

    def test_a_scope_and_a_refund(self) -> None:
        """The pack that has them is named."""
        text = write_catalog(everything()).replace('"Turkey"', '""').replace('"UNUSED"', '"ALL"')
        with pytest.raises(InvalidCatalog) as caught:
            read_catalog(text)
        told = str(caught.value)
        assert "one_offs.messages-5k.refund.basis: 'ALL'" in told
        assert "one_offs.messages-25k.grant.scope.market" in told

    def test_what_a_file_cannot_say_is_not_written(self) -> None:
        """A third has no decimal form, and some terms have none at all."""
        for model in (
            Commitment(model=PerUnit(price=1), share="0.5"),
            GraduatedPercentage(tiers=(Tier(price="0.1"),), at_zero=AtZero.NOTHING),
        ):
            with pytest.raises(InvalidInput, match="has no form"):
                write_catalog(metered_catalog((meter("x", model),)))
