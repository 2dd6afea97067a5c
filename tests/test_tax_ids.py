"""Foreign tax ids by python-stdnum, and Turkish letters in any case."""

import builtins
import importlib
import sys
from types import ModuleType

import pytest
from hypothesis import given, strategies as st
from stdnum.tr import tckimlik, vkn

from monochat_billing.adapters import tax_ids
from monochat_billing.adapters.tax_ids import Verdict, foreign_tax_id, verdict
from monochat_billing.errors import InvalidInput, MissingExtra
from monochat_billing.profiles import TaxId, TaxIdKind, is_valid_tckn, is_valid_vkn
from monochat_billing.turkish import same_in_turkish, turkish_lower, turkish_upper


def foreign(number: str, country: str) -> TaxId:
    return TaxId(kind=TaxIdKind.FOREIGN, number=number, country=country)


class TestForeignTaxIds:
    """Checked where the country is known; kept where it is not."""

    @pytest.mark.parametrize(
        ("given_as", "country", "number"),
        [
            ("de 136 695 976", "DE", "DE136695976"),
            ("136695976", "DE", "DE136695976"),
            ("EL 094259216", "GR", "EL094259216"),
            ("NL4495445B01", "NL", "NL004495445B01"),
            ("GB 980 7806 84", "GB", "980780684"),
            ("CHE-107.787.577 IVA", "CH", "CHE107787577IVA"),
            ("any 1-2", "AQ", "any 1-2"),
        ],
    )
    def test_are_written_as_their_country_does(
        self, given_as: str, country: str, number: str
    ) -> None:
        """Compact, and prefixed in the European Union."""
        assert foreign_tax_id(given_as, country) == foreign(number, country)

    @pytest.mark.parametrize(
        ("number", "country", "problem"),
        [
            ("DE136695977", "DE", "has a wrong checksum"),
            ("DE1366959", "DE", "has a wrong length"),
            ("DEx36695976", "DE", "has a wrong form"),
            ("FR136695976", "DE", "has a wrong"),
        ],
    )
    def test_say_what_is_wrong(self, number: str, country: str, problem: str) -> None:
        """In the words of every other mistake."""
        with pytest.raises(InvalidInput) as refused:
            foreign_tax_id(number, country)
        assert refused.value.field == "tax_id.number"
        assert refused.value.problem.startswith(problem)

    def test_an_eleven_digit_mistake_is_masked(self) -> None:
        """It may be a TCKN that was called foreign."""
        with pytest.raises(InvalidInput) as refused:
            foreign_tax_id("10000000146", "DE")
        assert "10000000146" not in str(refused.value)

    def test_a_verdict_never_raises(self) -> None:
        """For a form that warns instead of refusing."""
        assert verdict(foreign("DE136695976", "DE")) is Verdict.POSSIBLE
        assert verdict(foreign("DE136695977", "DE")) is Verdict.IMPOSSIBLE
        assert verdict(foreign("1", "AQ")) is Verdict.UNCHECKED
        ours = TaxId(kind=TaxIdKind.VKN, number="6120606538", tax_office="Ulus")
        assert verdict(ours) is Verdict.POSSIBLE

    def test_turkey_is_not_foreign(self) -> None:
        """Its numbers have kinds of their own."""
        with pytest.raises(InvalidInput):
            foreign_tax_id("4540536920", "TR")

    def test_without_the_extra_it_is_named(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """And nothing else of the library needs it."""
        real = builtins.__import__

        def without(name: str, *rest: object, **more: object) -> ModuleType:
            if name.partition(".")[0] == "stdnum":
                raise ImportError(name)
            return real(name, *rest, **more)  # type: ignore[arg-type]

        monkeypatch.setattr(builtins, "__import__", without)
        monkeypatch.delitem(sys.modules, tax_ids.__name__)
        with pytest.raises(MissingExtra, match="tax-ids"):
            importlib.import_module("monochat_billing.adapters.tax_ids")


class TestTurkishNumbers:
    """Our two checks and python-stdnum's agree on every string of digits."""

    @given(st.text("0123456789", min_size=9, max_size=12))
    def test_agree_with_python_stdnum(self, number: str) -> None:
        """A VKN that begins with a zero is written with it."""
        assert is_valid_tckn(number) is tckimlik.is_valid(number)
        if len(number) == 10:
            assert is_valid_vkn(number) is vkn.is_valid(number)


class TestTurkishLetters:
    """i and İ, ı and I."""

    @given(st.text("abcçdefgğhıijklmnoöprsştuüvyz IİĞŞ", max_size=30))
    def test_case_goes_and_comes_back(self, text: str) -> None:
        """Which it does not with Python's own."""
        assert turkish_lower(turkish_upper(text)) == turkish_lower(text)
        assert turkish_upper(turkish_lower(text)) == turkish_upper(text)
        assert same_in_turkish(text, turkish_upper(text))
        assert len(turkish_upper(text)) == len(text)

    def test_decomposed_letters_count_as_composed(self) -> None:
        """As some keyboards and file systems send them."""
        assert turkish_upper("i\u0307zmir") in ("İ\u0307ZMİR", "İZMİR")
        assert turkish_lower("I\u0307ZMI\u0307R") == "izmir"
