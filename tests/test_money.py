"""Money: strict at the door, exact inside, rounded once."""

import decimal
from collections.abc import Callable, Iterator
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, strategies as st

from monochat_billing.errors import InvalidInput
from monochat_billing.money import (
    MAX_UNITS,
    Money,
    add,
    allocate,
    amount_text,
    as_fraction,
    check_currency,
    checked_text,
    from_units,
    minor_digits,
    money,
    negate,
    quantize,
    subtract,
    to_units,
    total,
)
from monochat_billing.rounding import (
    DOWN,
    HALF_EVEN,
    HALF_UP,
    UP,
    Rounding,
    RoundingMode,
    round_ratio,
    round_units,
)

UNITS = st.integers(min_value=-MAX_UNITS, max_value=MAX_UNITS)
CURRENCIES = st.sampled_from(["TRY", "USD", "EUR", "JPY", "KWD", "CLF", "HUF"])
ROUNDINGS = st.sampled_from([HALF_UP, HALF_EVEN, DOWN, UP])
ODD = ["-0", "0.0", "-0.00", "0E+3", "1E+5", "1.5E+2", "1E-7", "1E-12", "1E-13", "1E+40", "1E+41"]
HUGE = ["9223372036854775807", "9223372036854775808", "1E+999999", "1E-999999", "999999999999"]
WRITTEN = st.from_regex(r"-?[0-9]{1,8}(\.[0-9]{1,14})?(E[+-]?[0-9]{1,2})?", fullmatch=True)
NUMBERS = st.one_of(
    WRITTEN.map(Decimal),
    st.sampled_from([*ODD, *HUGE, "NaN", "-NaN", "sNaN", "Infinity", "-Infinity"]).map(Decimal),
    st.decimals(),
)


class OwnDecimal(Decimal):
    """A Decimal of a host's own, which takes the long way."""


class Lying(Decimal):
    """A Decimal that prints what it is not worth."""

    def __str__(self) -> str:
        return "1"


@pytest.fixture
def narrow_context() -> Iterator[None]:
    """Run under a decimal context that keeps two digits and traps what it loses."""
    with decimal.localcontext(decimal.Context(prec=2, traps=[decimal.Inexact])):
        yield


class TestMoney:
    @pytest.mark.parametrize("amount", ["12.50", Decimal("12.50"), "12.5", Decimal("1250E-2")])
    def test_reads_exact_amounts(self, amount: str | Decimal) -> None:
        """Text and Decimals of one value are one amount, whatever their trailing zeros."""
        assert money(amount, "TRY") == Money("12.5", "TRY")

    @pytest.mark.parametrize(
        "amount",
        [
            0.5, True, None, "", " 1", "1 ", "1,5", "1e3", "+1", ".5", "5.", "01", "1_000", "٣",
            "NaN", "Infinity", Decimal("NaN"), Decimal("sNaN"), Decimal("Infinity"),
            "0.0000001", Decimal("1E-7"), Decimal("1E+999999"), Decimal("1E-999999"), "9" * 40,
            2**70, "9" * 400, b"1", Fraction(1, 2), [],
        ],
    )  # fmt: skip
    def test_refuses_what_is_not_exact(self, amount: Any) -> None:  # noqa: ANN401
        """Floats, bools, NaN, exponents in text, too many decimals: the field is named."""
        with pytest.raises(InvalidInput) as refused:
            money(amount, "TRY")
        assert refused.value.field == "amount"

    @pytest.mark.parametrize("currency", ["try", "TL", "", "XXZ", None, 949])
    def test_refuses_unknown_currencies(self, currency: Any) -> None:  # noqa: ANN401
        """A currency is an ISO code in capitals."""
        with pytest.raises(InvalidInput) as refused:
            money("1", currency)
        assert refused.value.field == "currency"

    def test_scale_bounds_the_decimals(self) -> None:
        """A coarser scale refuses more, a finer one less."""
        assert money("0.00000001", "USD", scale=8) == Money("0.00000001", "USD")
        with pytest.raises(InvalidInput):
            money("0.001", "USD", scale=2)
        with pytest.raises(InvalidInput):
            money("1", "USD", scale=13)

    @given(units=UNITS, currency=CURRENCIES, scale=st.integers(0, 12))
    def test_units_round_trip(self, units: int, currency: str, scale: int) -> None:
        """Integer units to Money and back is the identity at every scale."""
        assert to_units(from_units(units, currency, scale), scale) == units

    @given(units=UNITS, currency=CURRENCIES, scale=st.integers(0, 12))
    def test_amount_text_round_trips(self, units: int, currency: str, scale: int) -> None:
        """The text form is plain and reads back as the same amount."""
        value = from_units(units, currency, scale)
        assert money(amount_text(value), currency, scale=scale) == value
        assert "E" not in amount_text(value)

    def test_hand_made_money_is_checked_on_use(self) -> None:
        """Money that was built past the door does not get far."""
        for made in (Money("NaN", "TRY"), Money("Infinity", "TRY"), Money("1E-9", "TRY")):
            with pytest.raises(InvalidInput):
                to_units(made)
        with pytest.raises(InvalidInput):
            to_units(Money("1E+30", "TRY"))
        assert to_units(Money("0E+999", "TRY")) == 0

    def test_no_value_is_money_by_accident(self) -> None:
        """Units are ints, Money is Money."""
        bad: Any = "12.50"
        for call in (lambda: to_units(bad), lambda: from_units(bad, "TRY")):
            with pytest.raises(InvalidInput):
                call()

    @pytest.mark.usefixtures("narrow_context")
    def test_the_decimal_context_decides_nothing(self) -> None:
        """Two digits of ambient precision change no amount."""
        value = money("123456.789012", "TRY")
        assert to_units(value) == 123456789012
        assert amount_text(add(value, value)) == "246913.578024"
        assert amount_text(negate(value)) == "-123456.789012"
        assert amount_text(quantize(value, rounding=HALF_UP)) == "123456.79"
        assert amount_text(total([value] * 3, "TRY")) == "370370.367036"

    def test_minor_digits_follow_iso_4217(self) -> None:
        """Zero, two and three digits; CLDR's cash digits are another thing."""
        assert [minor_digits(code) for code in ("JPY", "TRY", "KWD", "IQD", "CLF")] == [
            0,
            2,
            3,
            3,
            4,
        ]
        assert check_currency(check_currency("TRY")).code == "TRY"


class TestRounding:
    @pytest.mark.parametrize(
        ("mode", "expected"),
        [
            (HALF_UP, [3, -3, 2, 3, 1, 0]),
            (HALF_EVEN, [2, -2, 2, 3, 1, 0]),
            (DOWN, [2, -2, 2, 2, 0, 0]),
            (UP, [3, -3, 3, 3, 1, 0]),
        ],
    )
    def test_ties_and_neighbors(self, mode: Rounding, expected: list[int]) -> None:
        """Each mode on 5/2, -5/2, 9/4, 11/4, 3/5 and 0."""
        values = [(5, 2), (-5, 2), (9, 4), (11, 4), (3, 5), (0, 7)]
        assert [round_ratio(over, under, mode) for over, under in values] == expected

    def test_babels_half_even_is_not_ours(self) -> None:
        """2.665 is 2.67 where decimal's and Babel's default say 2.66."""
        assert quantize(money("2.665", "TRY"), "TRY") == money("2.67", "TRY")
        assert quantize(money("2.665", "TRY"), "TRY", HALF_EVEN) == money("2.66", "TRY")

    @given(value=st.fractions(), rounding=ROUNDINGS)
    def test_mirrors_at_zero_and_stays_near(self, value: Fraction, rounding: Rounding) -> None:
        """A credit rounds as its charge does, by less than a unit, by half at most when near."""
        rounded = round_units(value, rounding)
        assert round_units(-value, rounding) == -rounded
        assert abs(rounded - value) < 1
        if rounding in {HALF_UP, HALF_EVEN}:
            assert abs(rounded - value) <= Fraction(1, 2)

    def test_decimals_are_exact_too(self) -> None:
        """A Decimal is rounded like the fraction that it is."""
        assert quantize(Decimal("2.675"), "TRY") == money("2.68", "TRY")
        assert quantize(5, "TRY") == money("5", "TRY")

    def test_per_currency_and_per_scale(self) -> None:
        """Forint in whole units, everything else in four decimals."""
        rule = HALF_UP.at_scale(4).for_currency("HUF", 0)
        assert quantize(Fraction(10, 3), "HUF", rule) == money("3", "HUF")
        assert quantize(Fraction(10, 3), "EUR", rule) == money("3.3333", "EUR")
        assert rule.for_currency("HUF", 2).digits("HUF", 2) == 2

    @pytest.mark.parametrize(
        "build",
        [
            lambda: Rounding(mode="NEAREST"),
            lambda: HALF_UP.at_scale(-1),
            lambda: HALF_UP.at_scale(13),
            lambda: HALF_UP.for_currency("forint", 0),
            lambda: round_ratio(1, 0),
            lambda: quantize(Fraction(1, 3)),
            lambda: quantize(0.5, "TRY"),  # type: ignore[arg-type]
            lambda: quantize(money("1", "TRY"), "USD"),
            lambda: quantize(Fraction(10**30), "TRY"),
        ],
        ids=["mode", "below", "above", "code", "zero", "none", "float", "mixed", "huge"],
    )
    def test_refuses_nonsense(self, build: Any) -> None:  # noqa: ANN401
        """Unknown modes, scales out of range, missing or mixed currencies."""
        with pytest.raises(InvalidInput):
            build()

    def test_modes_have_names(self) -> None:
        """A rounding is built from the name that configuration holds."""
        assert Rounding(mode="HALF_EVEN") == HALF_EVEN
        assert RoundingMode("UP") is RoundingMode.UP


class TestAllocate:
    @given(
        units=st.integers(-(10**12), 10**12),
        ratios=st.lists(st.fractions(0, 1000, max_denominator=1000), min_size=1, max_size=12),
    )
    def test_sums_and_stays_within_a_unit(self, units: int, ratios: list[Fraction]) -> None:
        """Parts sum to the total and none differs from its ideal share by a unit or more."""
        whole = sum(ratios)
        if not whole:
            return
        parts = allocate(units, ratios)
        assert sum(parts) == units
        for part, ratio in zip(parts, ratios, strict=True):
            assert abs(part - units * ratio / whole) < 1
            assert ratio or not part

    @given(
        units=st.integers(-(10**9), 10**9),
        ratios=st.lists(st.integers(-50, 50), min_size=1, max_size=6),
    )
    def test_takes_any_sign(self, units: int, ratios: list[int]) -> None:
        """Negative ratios are exact too, and a negative total mirrors."""
        if not sum(ratios):
            return
        parts = allocate(units, ratios)
        assert sum(parts) == units
        assert allocate(-units, ratios) == tuple(-part for part in parts)

    def test_the_earlier_of_equal_remainders_first(self) -> None:
        """Which part gets the odd cent is decided, not left to a sort."""
        assert allocate(money("0.05", "TRY"), [1, 1, 1]) == (
            money("0.02", "TRY"), money("0.02", "TRY"), money("0.01", "TRY"),
        )  # fmt: skip
        assert allocate(money("0.0005", "TRY"), [Decimal("0.5"), 1], scale=6)[0] == money(
            "0.000167", "TRY"
        )

    @pytest.mark.parametrize(
        "ratios", [[], [0, 0], [1, -1], [0.5, 0.5], [Decimal("NaN")], [True], ["1"]]
    )
    def test_refuses_ratios_that_split_nothing(self, ratios: Any) -> None:  # noqa: ANN401
        """Empty, zero in sum or inexact ratios are refused; a zero total needs no share."""
        with pytest.raises(InvalidInput):
            allocate(100, ratios)
        assert allocate(0, [0, 0]) == (0, 0)

    def test_refuses_a_total_finer_than_the_unit(self) -> None:
        """0.001 lira is no number of kuruş."""
        with pytest.raises(InvalidInput):
            allocate(money("0.001", "TRY"), [1, 1])
        with pytest.raises(InvalidInput):
            allocate(1.5, [1, 1])  # type: ignore[call-overload]


class TestTotal:
    def test_of_nothing_is_an_explicit_zero(self) -> None:
        """No values still have a currency."""
        assert total([], "TRY") == money("0", "TRY")

    def test_refuses_mixed_currencies(self) -> None:
        """Lira and dollars do not add up."""
        lira, dollar = money("1", "TRY"), money("1", "USD")
        nothing: Any = 0
        for call in (add, subtract):
            with pytest.raises(InvalidInput):
                call(lira, dollar)
            with pytest.raises(InvalidInput):
                call(lira, nothing)
        with pytest.raises(InvalidInput):
            total([lira, dollar], "TRY")
        for scale in (-1, 13):
            with pytest.raises(InvalidInput):
                to_units(lira, scale)
            with pytest.raises(InvalidInput):
                from_units(1, "TRY", scale)
        with pytest.raises(InvalidInput):
            minor_digits(nothing)

    @given(values=st.lists(st.integers(-(10**15), 10**15), max_size=20))
    def test_is_the_sum_of_the_units(self, values: list[int]) -> None:
        """A thousand small messages sum exactly."""
        assert to_units(total([from_units(one, "USD") for one in values], "USD")) == sum(values)

    @given(left=UNITS, right=UNITS)
    def test_add_and_subtract_are_inverse(self, left: int, right: int) -> None:
        """(a + b) - b is a, as fractions too."""
        a, b = from_units(left, "TRY"), from_units(right, "TRY")
        assert subtract(add(a, b), b) == a
        assert as_fraction(add(a, b)) == as_fraction(a) + as_fraction(b)


class TestCheckedText:
    """An amount in a fingerprint is as large as a balance can hold, whatever its decimals."""

    def test_millions_are_money_too(self) -> None:
        assert checked_text(money("10000000", "TRY")) == "10000000"
        assert checked_text(money("9000000000000.000001", "TRY")) == "9000000000000.000001"

    def test_what_no_balance_holds_is_refused(self) -> None:
        with pytest.raises(InvalidInput, match="is too large"):
            checked_text(Money(Decimal(10) ** 19, "TRY"))

    @given(number=NUMBERS, precision=st.integers(1, 30), capitals=st.integers(0, 1))
    def test_the_short_way_says_what_the_long_way_says(
        self, number: Decimal, precision: int, capitals: int
    ) -> None:
        """An ordinary amount is written as it stands, and nobody can tell: not by the text, not
        by the refusal, not by the decimal context of the host's thread."""
        context = decimal.Context(prec=precision, capitals=capitals, traps=[decimal.Inexact])
        with decimal.localcontext(context):
            short = said(lambda: checked_text(Money(number, "TRY"), field="amount"))
            long = said(lambda: checked_text(Money(OwnDecimal(number), "TRY"), field="amount"))
        assert short == long

    def test_what_a_number_prints_is_no_evidence(self) -> None:
        assert checked_text(Money(Lying("2.5"), "TRY")) == "2.5"

    @given(whole=st.integers(0, 10**13), fine=st.integers(0, 10**12 - 1), digits=st.integers(0, 15))
    def test_the_text_is_canonical(self, whole: int, fine: int, digits: int) -> None:
        """Equal amounts have one text, however many zeros they were written with."""
        text = f"{whole}.{fine:012d}".rstrip("0").removesuffix(".")
        padded = Decimal(text + ("." if "." not in text and digits else "") + "0" * digits)
        assert checked_text(Money(padded, "TRY")) == text


def said(call: Callable[[], str]) -> str:
    """Give what a call answers, or the refusal that it raises instead."""
    try:
        return call()
    except InvalidInput as refusal:
        return f"{type(refusal).__name__}: {refusal}"
