"""Numbers in any form: their market by Meta's table, against Google's rules of numbers."""

import phonenumbers
import pytest
from hypothesis import given, strategies as st

from monochat_billing import InvalidInput
from monochat_billing.adapters.whatsapp import market_of, markets_of, meta_rate_cards
from monochat_billing.adapters.whatsapp.numbers import (
    count_recipients,
    international,
    market_of_number,
)

JULY, OCTOBER = meta_rate_cards().cards
REGIONS = sorted(phonenumbers.SUPPORTED_REGIONS)

# ISO 3166 code to the market that Meta's table of calling codes names, written down by hand.
NAMED = {
    "AR": "Argentina",
    "BD": "Bangladesh",
    "BR": "Brazil",
    "CA": "North America",
    "CL": "Chile",
    "CO": "Colombia",
    "DE": "Germany",
    "DO": "Rest of Latin America",
    "EG": "Egypt",
    "ES": "Spain",
    "FR": "France",
    "GB": "United Kingdom",
    "ID": "Indonesia",
    "IL": "Israel",
    "IN": "India",
    "IT": "Italy",
    "JM": "Rest of Latin America",
    "KE": "Rest of Africa",
    "KZ": "Kazakhstan",
    "MX": "Mexico",
    "MY": "Malaysia",
    "NG": "Nigeria",
    "NL": "Netherlands",
    "PE": "Peru",
    "PK": "Pakistan",
    "PR": "Rest of Latin America",
    "RU": "Russia",
    "SA": "Saudi Arabia",
    "TR": "Turkey",
    "UA": "Ukraine",
    "US": "North America",
    "ZA": "South Africa",
}


def written(region: str, form: str = "E164") -> str:
    """Write a number that Google gives as an example of a country's."""
    mobile = phonenumbers.example_number_for_type(region, phonenumbers.PhoneNumberType.MOBILE)
    number = mobile or phonenumbers.example_number(region)
    assert number is not None
    return phonenumbers.format_number(number, getattr(phonenumbers.PhoneNumberFormat, form))


class TestMarkets:
    """The market of a number is that of its calling code, whatever country shares the code."""

    @pytest.mark.parametrize("region", sorted(NAMED))
    def test_of_a_country_is_the_one_that_meta_names(self, region: str) -> None:
        assert market_of(written(region), OCTOBER) == NAMED[region]

    def test_of_every_country_is_on_both_cards(self) -> None:
        for region in REGIONS:
            number = written(region)
            assert market_of(number, OCTOBER) in OCTOBER.rates, region
            assert market_of(number, JULY) in JULY.rates, region
            assert market_of(number, OCTOBER) in markets_of(number), region

    @pytest.mark.parametrize("form", ["INTERNATIONAL", "RFC3966"])
    def test_does_not_depend_on_how_a_number_is_written(self, form: str) -> None:
        for region in REGIONS:
            assert market_of_number(written(region, form)) == market_of(written(region)), region

    @pytest.mark.parametrize("region", ["TR", "DE", "GB", "IN", "BR", "US", "FR"])
    def test_is_known_for_a_number_as_it_is_dialed_at_home(self, region: str) -> None:
        assert (
            market_of_number(written(region, "NATIONAL"), OCTOBER, region=region) == NAMED[region]
        )


class TestRefusals:
    """What is no number is refused, and no error repeats it."""

    @pytest.mark.parametrize(
        "text",
        ["", "none", "12", "+", "+90", "0532 000 00 00", "+999999999999999999"],
        ids=["empty", "word", "short", "plus", "code", "home", "long"],
    )
    def test_what_is_no_international_number(self, text: str) -> None:
        with pytest.raises(InvalidInput) as refusal:
            international(text)
        assert str(refusal.value).startswith("phone_number: 'text of ")

    @given(st.text(max_size=30))
    def test_whatever_is_passed(self, text: str) -> None:
        try:
            found = international(text, region="TR")
        except InvalidInput as refusal:
            found = ""
            said = str(refusal)
            assert not any(part in said for part in text.split() if len(part) >= 7)
        assert not found or found.isdigit()


class TestAnAddressBook:
    """It is counted by market, each number once."""

    def test_counts_each_number_once(self) -> None:
        found = count_recipients(
            ["+90 532 000 00 00", "0532 000 00 00", "0090 532 000 0000", "+8801711000000", "x"],
            region="tr",
        )
        assert dict(found.by_market) == {"Turkey": 1, "Bangladesh": 1}
        assert (found.refused, found.repeated) == (1, 2)

    def test_counts_by_the_markets_of_a_card(self) -> None:
        found = count_recipients(["+8801711000000"], JULY)
        assert dict(found.by_market) == {"Rest of Asia Pacific": 1}
