"""Tax: net and tax are the gross, through any chain of changes."""

from datetime import date
from fractions import Fraction
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, strategies as st

from monochat_billing.errors import InvalidInput, UnknownName
from monochat_billing.money import add, from_units, money, to_units, total
from monochat_billing.tax import (
    KDV,
    DatedRate,
    Pricing,
    Tax,
    TaxLine,
    TaxRate,
    TaxTable,
    TaxTreatment,
    credit_line,
    tax_pieces,
)

TODAY = date(2026, 11, 23)
RATES = st.fractions(0, 1, max_denominator=1000)
PRICING = st.sampled_from(list(Pricing))
KURUS = st.integers(-(10**10), 10**10)


def tax(rate: Fraction, pricing: Pricing) -> Tax:
    return Tax(rate=TaxRate(name="VAT", band="test", rate=rate), pricing=pricing)


def kdv(pricing: Pricing = Pricing.INCLUSIVE, band: str = "standard", day: date = TODAY) -> Tax:
    return Tax(rate=KDV.rate_on(band, day), pricing=pricing)


class TestRates:
    @pytest.mark.parametrize(
        ("band", "before", "since"),
        [("standard", "18", "20"), ("reduced", "8", "10"), ("low", "1", "1"), ("zero", "0", "0")],
    )
    def test_kdv_is_dated(self, band: str, before: str, since: str) -> None:
        """The rates of 9 July 2023 end where those of 10 July begin."""
        assert KDV.rate_on(band, date(2023, 7, 9)).percent == before
        assert KDV.rate_on(band, date(2023, 7, 10)).percent == since

    def test_what_is_not_in_the_table(self) -> None:
        """Unknown bands and days before the table are refused, not guessed."""
        with pytest.raises(UnknownName):
            KDV.rate_on("luxury", TODAY)
        with pytest.raises(InvalidInput):
            KDV.rate_on("standard", date(1999, 1, 1))

    def test_refuses_rates_that_are_not_exact(self) -> None:
        """20 is not a rate and 0.2 is not exact; one day has one rate."""
        bad: Any
        for bad in (20, 0.2, "1/5", Fraction(-1, 5)):
            with pytest.raises(InvalidInput):
                TaxRate(name="VAT", band="x", rate=bad)
        row = DatedRate(band="x", rate=Fraction(1, 5), effective_on=TODAY)
        with pytest.raises(InvalidInput):
            TaxTable(name="VAT", rows=(row, row))
        assert TaxRate(name="VAT", band="x", rate=Fraction(11, 200)).percent == "5.5"
        assert TaxRate(name="VAT", band="x", rate=Fraction(1, 3)).percent == "100/3"


class TestSplit:
    @pytest.mark.parametrize(
        ("gross", "net", "kdv_part"),
        [("100", "83.33", "16.67"), ("120", "100", "20"), ("0.01", "0.01", "0"), ("0", "0", "0")],
    )
    def test_inclusive(self, gross: str, net: str, kdv_part: str) -> None:
        """Net is gross / 1.20 half-up, and KDV what is left."""
        line = kdv().on(money(gross, "TRY"))
        assert (line.net, line.tax) == (money(net, "TRY"), money(kdv_part, "TRY"))

    def test_exclusive(self) -> None:
        """KDV is rounded, and added to the net."""
        line = kdv(Pricing.EXCLUSIVE).on(money("38.71", "TRY"))
        assert (line.tax, line.gross) == (money("7.74", "TRY"), money("46.45", "TRY"))

    @given(units=KURUS, rate=RATES, pricing=PRICING)
    def test_net_and_tax_are_the_gross(self, units: int, rate: Fraction, pricing: Pricing) -> None:
        """Always, at any rate, and within half a kuruş of the exact part."""
        line = tax(rate, pricing).on(from_units(units, "TRY", 2))
        net, part, gross = (to_units(one, 2) for one in (line.net, line.tax, line.gross))
        assert net + part == gross
        assert (gross if pricing is Pricing.INCLUSIVE else net) == units
        exact = gross / (1 + rate) if pricing is Pricing.INCLUSIVE else net * rate
        assert abs((net if pricing is Pricing.INCLUSIVE else part) - exact) <= Fraction(1, 2)

    def test_refuses_amounts_finer_than_the_kurus(self) -> None:
        """Quantize first: tax rounds once, and not for somebody else."""
        with pytest.raises(InvalidInput):
            kdv().on(money("0.001", "TRY"))
        with pytest.raises(InvalidInput):
            tax_pieces([money("1", "TRY"), money("1", "USD")], kdv())


class TestChains:
    @given(pieces=st.lists(KURUS, min_size=1, max_size=12), rate=RATES, pricing=PRICING)
    def test_pieces_add_up(self, pieces: list[int], rate: Fraction, pricing: Pricing) -> None:
        """However an amount is charged, credited and charged again, the parts are its parts."""
        rule = tax(rate, pricing)
        lines = tax_pieces([from_units(one, "TRY", 2) for one in pieces], rule)
        whole = rule.on(from_units(sum(pieces), "TRY", 2))
        assert total([line.net for line in lines], "TRY") == whole.net
        assert total([line.tax for line in lines], "TRY") == whole.tax
        for line in lines:
            assert add(line.net, line.tax) == line.gross

    @given(paid=st.integers(0, 10**9), cuts=st.lists(st.integers(0, 10**9), max_size=6),
           rate=RATES, pricing=PRICING)  # fmt: skip
    def test_full_credit_leaves_nothing(
        self, paid: int, cuts: list[int], rate: Fraction, pricing: Pricing
    ) -> None:
        """Credits that sum to a line cancel its net and its tax to the kuruş."""
        original = tax(rate, pricing).on(from_units(paid, "TRY", 2))
        bounds = [0, *sorted(min(cut, paid) for cut in cuts), paid]
        lines = [
            credit_line(
                original, from_units(right - left, "TRY", 2), credited=from_units(left, "TRY", 2)
            )
            for left, right in pairwise(bounds)
        ]
        assert add(total([line.net for line in lines], "TRY"), original.net) == money("0", "TRY")
        assert add(total([line.tax for line in lines], "TRY"), original.tax) == money("0", "TRY")

    def test_a_credit_keeps_the_original_rate(self) -> None:
        """What was taxed at 18 percent is credited at 18 percent after the rate has risen."""
        original = kdv(day=date(2023, 7, 1)).on(money("118", "TRY"))
        credit = credit_line(original, money("59", "TRY"))
        assert (credit.net, credit.tax) == (money("-50", "TRY"), money("-9", "TRY"))
        assert credit.rate.percent == "18"

    def test_no_more_than_is_left(self) -> None:
        """A line is credited once, and not with a negative amount."""
        original = kdv().on(money("100", "TRY"))
        with pytest.raises(InvalidInput):
            credit_line(original, money("60", "TRY"), credited=money("50", "TRY"))
        with pytest.raises(InvalidInput):
            credit_line(original, money("-1", "TRY"))

    def test_nothing_is_nothing(self) -> None:
        """No amounts, no lines."""
        assert tax_pieces([], kdv()) == ()


class TestTreatment:
    @pytest.mark.parametrize("treatment", ["REVERSE_CHARGE", "EXPORT", "EXEMPT"])
    def test_nothing_is_added_or_taken_out(self, treatment: str) -> None:
        """The price stands, the tax is zero, and the line says why."""
        for pricing in Pricing:
            rule = Tax(
                rate=KDV.rate_on("standard", TODAY),
                pricing=pricing,
                treatment=treatment,
                reason="302",
            )
            line = rule.on(money("100", "USD"))
            assert (line.net, line.gross) == (money("100", "USD"), money("100", "USD"))
            assert (line.tax, line.reason) == (money("0", "USD"), "302")
            assert credit_line(line, money("40", "USD")).net == money("-40", "USD")

    def test_needs_a_reason(self) -> None:
        """An untaxed line without a reason code is no invoice line."""
        with pytest.raises(InvalidInput) as refused:
            Tax(rate=KDV.rate_on("standard", TODAY), pricing="INCLUSIVE", treatment="EXEMPT")
        assert refused.value.field == "reason"

    def test_a_line_that_does_not_add_up_cannot_be_built(self) -> None:
        """Net plus tax is gross, or there is no line."""
        rate = KDV.rate_on("standard", TODAY)
        one, two = money("1", "TRY"), money("2", "TRY")
        with pytest.raises(InvalidInput):
            TaxLine(net=one, tax=one, gross=one, rate=rate, pricing=Pricing.INCLUSIVE)
        with pytest.raises(InvalidInput):
            TaxLine(
                net=one, tax=one, gross=two, rate=rate, pricing=Pricing.INCLUSIVE,
                treatment=TaxTreatment.EXEMPT, reason="351",
            )  # fmt: skip
