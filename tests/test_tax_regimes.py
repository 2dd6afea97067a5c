"""Tax regimes: which tax a price meets, and what a catalog refuses to leave open."""

from datetime import date

import attrs
import pytest

from monochat_billing import MONTH, InvalidCatalog, InvalidInput, Price, TaxRegime, money
from monochat_billing.adapters.catalog_files import read_catalog, write_catalog
from monochat_billing.catalog_versions import CatalogVersions, differences
from monochat_billing.tax import KDV, Pricing, TaxTreatment
from monochat_billing.tax_regimes import TURKEY
from tests.scene import instant
from tests.shop import catalog, product


class TestARegime:
    """It decides rate and treatment by country and day."""

    @pytest.mark.parametrize(
        ("country", "day", "percent", "treatment"),
        [
            ("TR", date(2023, 7, 9), "18", "TAXED"),
            ("TR", date(2023, 7, 10), "20", "TAXED"),
            ("", date(2026, 1, 1), "20", "TAXED"),
            ("GB", date(2026, 1, 1), "20", "EXPORT"),
        ],
    )
    def test_by_country_and_day(
        self, country: str, day: date, percent: str, treatment: str
    ) -> None:
        """Who has not said where is taxed as at home."""
        tax = TURKEY.tax(Pricing.INCLUSIVE, "standard", country, day)
        assert (tax.rate.percent, tax.treatment.value) == (percent, treatment)

    def test_may_tax_everybody(self) -> None:
        """Without a treatment for abroad there is no abroad."""
        everywhere = TaxRegime(table=KDV, country="TR")
        tax = everywhere.tax(Pricing.INCLUSIVE, "reduced", "DE", date(2026, 1, 1))
        assert (tax.rate.percent, tax.treatment) == ("10", TaxTreatment.TAXED)

    def test_refuses_what_an_invoice_could_not_say(self) -> None:
        """An exemption has a reason, a country two letters."""
        with pytest.raises(InvalidInput, match="EXPORT needs one"):
            TaxRegime(table=KDV, country="TR", abroad=TaxTreatment.EXPORT)
        with pytest.raises(InvalidInput, match="is no country code"):
            TaxRegime(table=KDV, country="Turkey")

    def test_says_itself_in_one_line(self) -> None:
        """Table, country, abroad, and every dated rate."""
        text = str(TURKEY)
        assert text.startswith("KDV in TR, abroad EXPORT (302): standard 18% from 2008-01-01;")
        assert "zero 0% from" in text


class TestACatalog:
    """Every price has to find its tax."""

    def test_without_a_tax_sells_nothing_that_leaves_it_open(self) -> None:
        """An exclusive price needs to know what comes on top."""
        with pytest.raises(InvalidCatalog, match="leaves open what comes on top"):
            catalog(tax=None)
        assert catalog(tax=None, pricing=Pricing.INCLUSIVE).tax is None

    def test_names_bands_that_exist(self) -> None:
        """Another word is a mistake, with the words that there are."""
        odd = Price(interval=MONTH, amount=money("1", "TRY"), tax_class="luxury")
        one = attrs.evolve(product("odd", "1", rank=9), prices=(odd,))
        with pytest.raises(InvalidCatalog, match="is no band of KDV; use one of standard"):
            attrs.evolve(catalog(), products=(one,))

    @pytest.mark.parametrize("days", [-1, 32, True])
    def test_gives_no_odd_number_of_days_to_withdraw(self, days: int) -> None:
        """Zero to 31."""
        with pytest.raises(InvalidCatalog, match="pass 0 to 31"):
            catalog(withdrawal_days=days)

    def test_without_a_tax_splits_nothing(self) -> None:
        """And says so by None."""
        free = catalog(tax=None, pricing=Pricing.INCLUSIVE)
        price = free.product("team").price(MONTH, "TRY")
        assert free.tax_for(price, "TR", instant("2026-10-05")) is None

    def test_tells_when_its_tax_has_changed(self) -> None:
        """A difference between versions, by name."""
        before = catalog()
        after = attrs.evolve(before, tax=TaxRegime(table=KDV, country="TR"), withdrawal_days=7)
        assert [one.path for one in differences(before, after)] == ["tax", "withdrawal_days"]


class TestAFile:
    """A catalog file says the same."""

    def test_of_a_table_that_nobody_knows(self) -> None:
        """It has to bring its rates."""
        text = 'format = 1\nid = "x"\nversion = "1"\ntax = { table = "GST", country = "IN" }'
        with pytest.raises(InvalidCatalog, match="'GST' is not known; use KDV, or give its rates"):
            read_catalog(text)

    def test_of_a_table_with_its_rates(self) -> None:
        """Percent as text, from a day on."""
        text = (
            'format = 1\nid = "x"\nversion = "1"\ntax = { table = "GST", country = "IN", rates = '
            '[{ band = "standard", percent = "18.5", from = 2020-01-01 }] }'
        )
        read = read_catalog(text)
        assert read.tax is not None
        assert read.tax.table.rate_on("standard", date(2026, 1, 1)).percent == "18.5"
        assert read_catalog(write_catalog(read)) == read

    def test_of_a_tax_that_goes_away_cannot_be_written(self) -> None:
        """A later version says only what changes."""
        first = catalog(pricing=Pricing.INCLUSIVE)
        later = attrs.evolve(first, version="2", tax=None, effective_at=instant("2027-01-01"))
        with pytest.raises(InvalidInput, match="is dropped by a later version"):
            write_catalog(CatalogVersions(versions=(first, later)))
