"""Who is billed: tax ids and their checksums, addresses, and what is never shown."""

import pickle
import string

import attrs
import pytest
from hypothesis import given, strategies as st

from monochat_billing.errors import InvalidInput
from monochat_billing.profiles import (
    Address,
    BillingProfile,
    TaxId,
    TaxIdKind,
    is_valid_tckn,
    is_valid_vkn,
)

VKNS = ["4540536920", "6120606538"]
TCKNS = ["17291716060", "10000000146"]
# A sample number of a payment provider's documentation. Its check digits do not fit.
NO_TCKN = "74300864791"


def digits(count: int) -> st.SearchStrategy[str]:
    return st.text(string.digits, min_size=count, max_size=count)


class TestVkn:
    @pytest.mark.parametrize("number", VKNS)
    def test_accepts_known_numbers(self, number: str) -> None:
        """Numbers that are known to be right pass."""
        assert is_valid_vkn(number)

    @given(digits(9))
    def test_every_stem_has_exactly_one_check_digit(self, stem: str) -> None:
        """Nine digits fix the tenth: of the ten candidates one passes."""
        assert sum(is_valid_vkn(stem + last) for last in string.digits) == 1

    @given(digits(9), st.integers(0, 8), st.integers(1, 9))
    def test_follows_the_law_written_from_the_left(self, stem: str, place: int, by: int) -> None:
        """Each digit enters the sum by the documented law, digit by digit."""
        changed = stem[:place] + str((int(stem[place]) + by) % 10) + stem[place + 1 :]
        for nine in (stem, changed):
            terms = []
            for at, digit in enumerate(nine, start=1):
                shifted = (int(digit) + 10 - at) % 10
                terms.append(9 if shifted == 9 else shifted * 2 ** (10 - at) % 9)
            assert is_valid_vkn(nine + str((10 - sum(terms) % 10) % 10))

    @given(st.text(max_size=12))
    def test_never_raises(self, text: str) -> None:
        """Any text gets an answer, and only ten ASCII digits get a yes."""
        if is_valid_vkn(text):
            assert len(text) == 10
            assert set(text) <= set(string.digits)

    def test_refuses_other_digits(self) -> None:
        """Arabic-Indic digits and superscripts are digits to Python and none to a tax office."""
        assert not is_valid_vkn("454053692\N{ARABIC-INDIC DIGIT ZERO}")
        assert not is_valid_vkn("454053692\N{SUPERSCRIPT TWO}")


class TestTckn:
    @pytest.mark.parametrize("number", TCKNS)
    def test_accepts_known_numbers(self, number: str) -> None:
        """Numbers that are known to be right pass."""
        assert is_valid_tckn(number)

    @pytest.mark.parametrize(
        "number", [NO_TCKN, "07291716060", "1729171606", "172917160600", "17291716061", ""]
    )
    def test_refuses_what_cannot_be(self, number: str) -> None:
        """A wrong check digit, a leading zero or another length fails."""
        assert not is_valid_tckn(number)

    @given(digits(9).filter(lambda stem: stem[0] != "0"))
    def test_every_stem_has_exactly_one_ending(self, stem: str) -> None:
        """Nine digits fix the last two, by the law of the civil registry."""
        odd = sum(int(digit) for digit in stem[0::2])
        even = sum(int(digit) for digit in stem[1::2])
        tenth = (odd * 7 - even) % 10
        eleventh = (odd + even + tenth) % 10
        passing = [ending for ending in range(100) if is_valid_tckn(f"{stem}{ending:02d}")]
        assert passing == [tenth * 10 + eleventh]

    @given(digits(8))
    def test_none_begins_with_zero(self, rest: str) -> None:
        """No check digits make a number with a leading zero right."""
        assert not any(is_valid_tckn(f"0{rest}{ending:02d}") for ending in range(100))

    @given(st.sampled_from(TCKNS), st.integers(0, 10), st.integers(1, 9))
    def test_one_wrong_digit_is_always_caught(self, number: str, place: int, by: int) -> None:
        """No change of a single digit keeps a TCKN valid."""
        wrong = str((int(number[place]) + by) % 10)
        assert not is_valid_tckn(number[:place] + wrong + number[place + 1 :])

    @given(st.text(max_size=13))
    def test_never_raises(self, text: str) -> None:
        """Any text gets an answer, and only eleven ASCII digits get a yes."""
        if is_valid_tckn(text):
            assert len(text) == 11
            assert set(text) <= set(string.digits)


class TestTaxId:
    def test_shows_a_vkn_whole(self) -> None:
        """A VKN is no secret: it stands on every invoice."""
        tax_id = TaxId(kind=TaxIdKind.VKN, number=VKNS[0], tax_office="Üsküdar")
        assert VKNS[0] in repr(tax_id)
        assert str(tax_id) == "VKN 4540536920 (Üsküdar)"

    @pytest.mark.parametrize("number", TCKNS)
    def test_never_shows_a_tckn(self, number: str) -> None:
        """Only the last three digits of a TCKN are ever shown."""
        tax_id = TaxId(kind=TaxIdKind.TCKN, number=number)
        for shown in (repr(tax_id), str(tax_id), f"{tax_id}", tax_id.masked):
            assert number not in shown
            assert number[:8] not in shown
            assert "********" + number[-3:] in shown
        assert tax_id.number == number

    @given(
        st.sampled_from(TaxIdKind),
        digits(11) | digits(11).map(lambda text: f"{text[:3]} {text[3:]}"),
    )
    def test_no_error_and_no_repr_has_eleven_digits(self, kind: TaxIdKind, number: str) -> None:
        """What could be a TCKN is masked under whatever kind it was passed."""
        country = "DE" if kind is TaxIdKind.FOREIGN else "TR"
        try:
            tax_id = TaxId(kind=kind, number=number, tax_office="Üsküdar", country=country)
        except InvalidInput as error:
            shown = f"{error} {error!r} {error.value}"
        else:
            shown = f"{tax_id!r} {tax_id}"
        assert number not in shown
        assert number[-5:] not in shown

    @pytest.mark.parametrize("number", ["", "1", "146", "abc", "1000000014", "a" * 40])
    def test_masks_a_mistyped_tckn_too(self, number: str) -> None:
        """A number of the wrong length is still most of somebody's number."""
        with pytest.raises(InvalidInput) as caught:
            TaxId(kind=TaxIdKind.TCKN, number=number)
        assert caught.value.field == "tax_id.number"
        shown = caught.value.value.lstrip("*")
        assert len(shown) <= 3
        assert len(caught.value.value) == len(number)

    @pytest.mark.parametrize(
        ("arguments", "field", "words"),
        [
            ({"kind": "VKN", "number": VKNS[0]}, "tax_id.kind", "TaxIdKind"),
            ({"kind": TaxIdKind.VKN, "number": 4540536920}, "tax_id.number", "type str"),
            ({"kind": TaxIdKind.VKN, "number": VKNS[0]}, "tax_id.tax_office", "missing"),
            (
                {"kind": TaxIdKind.VKN, "number": VKNS[0], "tax_office": " "},
                "tax_id.tax_office",
                "blank",
            ),
            (
                {"kind": TaxIdKind.VKN, "number": "4540536921", "tax_office": "Üsküdar"},
                "tax_id.number",
                "check digit",
            ),
            (
                {"kind": TaxIdKind.VKN, "number": "454053692", "tax_office": "Üsküdar"},
                "tax_id.number",
                "ten digits",
            ),
            (
                {
                    "kind": TaxIdKind.VKN,
                    "number": VKNS[0],
                    "tax_office": "Üsküdar",
                    "country": "DE",
                },
                "tax_id.country",
                "does not issue",
            ),
            ({"kind": TaxIdKind.TCKN, "number": NO_TCKN}, "tax_id.number", "check digits"),
            (
                {"kind": TaxIdKind.TCKN, "number": TCKNS[0], "country": "DE"},
                "tax_id.country",
                "does not issue",
            ),
            ({"kind": TaxIdKind.FOREIGN, "number": "DE1"}, "tax_id.country", "not foreign"),
            (
                {"kind": TaxIdKind.FOREIGN, "number": "DE1", "country": "UK"},
                "tax_id.country",
                "country code",
            ),
            (
                {"kind": TaxIdKind.FOREIGN, "number": " ", "country": "DE"},
                "tax_id.number",
                "blank",
            ),
            (
                {"kind": TaxIdKind.FOREIGN, "number": "1" * 33, "country": "DE"},
                "tax_id.number",
                "too long",
            ),
        ],
        ids=str,
    )
    def test_names_field_problem_and_remedy(
        self, arguments: dict[str, str], field: str, words: str
    ) -> None:
        """Every refusal says which field, what is wrong and what to do."""
        with pytest.raises(InvalidInput) as caught:
            TaxId(**arguments)  # type: ignore[arg-type]
        assert caught.value.field == field
        assert words in str(caught.value)
        assert caught.value.remedy

    def test_takes_a_foreign_id_as_it_is(self) -> None:
        """A foreign id is kept in the form its country writes it."""
        tax_id = TaxId(kind=TaxIdKind.FOREIGN, number="DE 811 569 869", country="DE")
        assert str(tax_id) == "DE DE 811 569 869"

    def test_survives_pickling(self) -> None:
        """A tax id crosses a process pool, whole."""
        tax_id = TaxId(kind=TaxIdKind.TCKN, number=TCKNS[0])
        assert pickle.loads(pickle.dumps(tax_id)) == tax_id  # noqa: S301 - our own bytes


class TestAddress:
    @pytest.mark.parametrize("post_code", ["01000", "34710", "81999"])
    def test_accepts_plate_codes(self, post_code: str) -> None:
        """A Turkish post code begins with one of the 81 plate codes."""
        assert Address(line="Gül Sok. 5", city="Adana", post_code=post_code).country == "TR"

    @pytest.mark.parametrize(
        "post_code", ["", "00100", "82000", "99999", "3471", "347100", "34 71", "3471x", "-3471"]
    )
    def test_refuses_what_no_post_office_has(self, post_code: str) -> None:
        """Five digits, and the first two from 01 to 81."""
        with pytest.raises(InvalidInput, match=r"address\.post_code.*01 to 81"):
            Address(line="Gül Sok. 5", city="Adana", post_code=post_code)

    def test_leaves_foreign_post_codes_alone(self) -> None:
        """Not every country has post codes, and few have Turkish ones."""
        london = Address(line="1 High St", city="London", country="GB", post_code="SW1A 1AA")
        assert london.post_code == "SW1A 1AA"
        assert Address(line="1 Nathan Rd", city="Hong Kong", country="HK").post_code == ""

    def test_keeps_the_case_of_turkish_letters(self) -> None:
        """Upper-casing i and dotless i goes wrong outside Turkish, so nothing is upper-cased."""
        city, district = "\u0130stanbul", "Kad\u0131k\u00f6y"
        address = Address(line="x", city=city, district=district, post_code="34710")
        assert str(address) == f"x, 34710 {district} {city}, TR"

    @pytest.mark.parametrize(
        ("change", "field"),
        [
            ({"line": ""}, "address.line"),
            ({"line": "x\ny"}, "address.line"),
            ({"line": "x" * 251}, "address.line"),
            ({"line": 5}, "address.line"),
            ({"city": " "}, "address.city"),
            ({"district": "\t"}, "address.district"),
            ({"country": "tr"}, "address.country"),
            ({"country": "TUR"}, "address.country"),
            ({"country": None}, "address.country"),
            ({"country": "GB", "post_code": "x" * 17}, "address.post_code"),
            ({"post_code": 34710}, "address.post_code"),
        ],
        ids=str,
    )
    def test_names_the_field(self, change: dict[str, object], field: str) -> None:
        """Every refusal names the field of the address."""
        good = {"line": "Gül Sok. 5", "city": "Adana", "post_code": "01000"}
        with pytest.raises(InvalidInput) as caught:
            Address(**{**good, **change})  # type: ignore[arg-type]
        assert caught.value.field == field


class TestBillingProfile:
    @pytest.fixture
    def profile(self) -> BillingProfile:
        return BillingProfile(
            business_name="Ayşe Güneş",
            address=Address(line="Gül Sok. 5", city="Ankara", post_code="06420"),
            tax_id=TaxId(kind=TaxIdKind.TCKN, number=TCKNS[0]),
            email="ayse@example.com",
        )

    def test_shows_no_tckn(self, profile: BillingProfile) -> None:
        """The number stays hidden inside the profile that holds it."""
        assert TCKNS[0] not in f"{profile} {profile!r}"

    @pytest.mark.parametrize(
        "email", ["", "ayse", "ayse@", "@example.com", "a b@example.com", "a@b@example.com", "a@b"]
    )
    def test_refuses_what_is_no_address(self, profile: BillingProfile, email: str) -> None:
        """An e-mail address has one name, one @ and a domain."""
        with pytest.raises(InvalidInput, match="email"):
            attrs.evolve(profile, email=email)

    def test_refuses_parts_of_another_type(self, profile: BillingProfile) -> None:
        """Address and tax id are values that were checked, not dicts."""
        with pytest.raises(InvalidInput, match=r"address.*Address"):
            attrs.evolve(profile, address="Ankara")  # type: ignore[arg-type]

    def test_refuses_a_blank_name(self, profile: BillingProfile) -> None:
        """An invoice needs a name."""
        with pytest.raises(InvalidInput, match="business_name"):
            attrs.evolve(profile, business_name="  ")
