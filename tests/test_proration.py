"""Proration: parts sum to the whole, and used plus credited is what was paid."""

from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from itertools import pairwise
from typing import Any

import attrs
import pytest
from hypothesis import assume, example, given, strategies as st

from monochat_billing.errors import InvalidInput, UnknownName
from monochat_billing.money import from_units, money, to_units, total
from monochat_billing.periods import DAY, MONTH, QUARTER, WEEK, YEAR, BillingAnchor, BillingPeriod
from monochat_billing.proration import (
    DEFAULT_POLICY,
    ChangeProration,
    LineKind,
    ProrationPolicy,
    change_units,
    days_of_fixed_months,
    measure,
    policy_named,
    prorate,
    prorate_by,
    prorate_change,
    split,
    unused_credit,
)
from monochat_billing.proration_policies import (
    POLICIES,
    ChargeRule,
    CreditBase,
    CreditCap,
    CreditRule,
    RoundingOrder,
    TimeBasis,
)
from monochat_billing.rounding import DOWN, HALF_EVEN, HALF_UP, UP
from tests.effort import one_in

ZONES = st.sampled_from(
    [
        "UTC",
        "Europe/Istanbul",
        "Europe/Rome",
        "America/New_York",
        "America/Sao_Paulo",
        "Pacific/Apia",
    ]
)
MEASURED = [policy for policy in POLICIES if policy.basis is not TimeBasis.NONE]
CONSERVING = [
    policy for policy in POLICIES if policy.conserves and policy.charge is not ChargeRule.DIFFERENCE
]
KURUS = st.integers(0, 10**8)
JUNE = BillingPeriod.of_days(date(2026, 6, 1), date(2026, 7, 1), "UTC")
WEEK_OF_JANUARY = BillingPeriod.of_days(date(2010, 1, 1), date(2010, 1, 8), "UTC")
JANUARY = BillingPeriod.of_days(date(2026, 1, 1), date(2026, 2, 1), "UTC")


@st.composite
def wholes(draw: st.DrawFn) -> tuple[BillingPeriod, str]:
    """Draw one period of some anchor, interval and zone."""
    zone = draw(ZONES)
    start = draw(st.datetimes(datetime(2010, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001
    interval = draw(st.sampled_from([DAY, WEEK, MONTH, QUARTER, YEAR]))
    period = BillingAnchor.at(start, zone).period(interval, draw(st.integers(-5, 5)))
    assume(not period.is_empty)
    return period, zone


def inside(period: BillingPeriod, share: Fraction) -> datetime:
    micro = period.microseconds * share.numerator // share.denominator
    return period.start + timedelta(microseconds=micro)


SHARES = st.fractions(0, 1, max_denominator=10_000)


def kurus(units: int) -> Any:  # noqa: ANN401 - Money, from a library without stubs for it
    return from_units(units, "TRY", 2)


class TestSplit:
    @one_in(3)
    @given(drawn=wholes(), shares=st.lists(SHARES, max_size=8), units=KURUS,
           policy=st.sampled_from(MEASURED))  # fmt: skip
    def test_parts_sum_to_the_whole(
        self,
        drawn: tuple[BillingPeriod, str],
        shares: list[Fraction],
        units: int,
        policy: ProrationPolicy,
    ) -> None:
        """However often a period is cut, its pieces are the amount, in money and in time."""
        whole, zone = drawn
        cuts = sorted(inside(whole, share) for share in shares)
        lines = split(kurus(units), whole=whole, at=cuts, zone=zone, policy=policy)
        assert sum(line.rounded_units for line in lines) == units
        assert sum(line.units for line in lines) == lines[0].total
        assert sum(line.ratio for line in lines) == 1
        for line in lines:
            assert abs(line.remainder) < Fraction(1, 100)

    @given(drawn=wholes(), shares=st.lists(SHARES, min_size=1, max_size=5), messages=KURUS)
    def test_the_same_ratio_serves_messages(
        self, drawn: tuple[BillingPeriod, str], shares: list[Fraction], messages: int
    ) -> None:
        """An allowance of messages is cut like money, in whole messages."""
        whole, zone = drawn
        cuts = sorted(inside(whole, share) for share in shares)
        lines = split(messages, whole=whole, at=cuts, zone=zone)
        in_money = split(from_units(messages, "JPY", 0), whole=whole, at=cuts, zone=zone)
        assert sum(line.quantity for line in lines) == messages
        assert [line.quantity for line in lines] == [line.rounded_units for line in in_money]

    def test_an_empty_piece_costs_nothing(self) -> None:
        """A cut on a bound, or the same cut twice, makes empty pieces."""
        cuts = [JUNE.start, JUNE.start, JUNE.end]
        lines = split(money("10", "TRY"), whole=JUNE, at=cuts, zone="UTC")
        assert [line.quantity for line in lines] == [0, 0, 1000, 0]

    def test_refuses_cuts_it_cannot_make(self) -> None:
        """Out of order, outside of the period, by a policy that measures no time."""
        late, early = datetime(2026, 6, 20, tzinfo=UTC), datetime(2026, 6, 10, tzinfo=UTC)
        amount = money("10", "TRY")
        for cuts in ([late, early], [datetime(2026, 7, 2, tzinfo=UTC)], [datetime(2026, 6, 2)]):  # noqa: DTZ001
            with pytest.raises(InvalidInput):
                split(amount, whole=JUNE, at=cuts, zone="UTC")
        with pytest.raises(InvalidInput) as refused:
            split(amount, whole=JUNE, at=[], zone="UTC", policy=policy_named("nothing"))
        assert refused.value.field == "policy"


class TestProrate:
    @given(drawn=wholes(), shares=st.tuples(SHARES, SHARES), units=KURUS,
           factor=st.integers(0, 50), policy=st.sampled_from(MEASURED))  # fmt: skip
    def test_linear_in_price_before_rounding(
        self,
        drawn: tuple[BillingPeriod, str],
        shares: tuple[Fraction, Fraction],
        units: int,
        factor: int,
        policy: ProrationPolicy,
    ) -> None:
        """Twice the price is twice the raw share, and rounding moves it by less than a unit."""
        whole, zone = drawn
        first, last = sorted(inside(whole, share) for share in shares)
        part = BillingPeriod(start=first, end=last)
        one = prorate(kurus(units), whole=whole, part=part, zone=zone, policy=policy)
        many = prorate(kurus(units * factor), whole=whole, part=part, zone=zone, policy=policy)
        assert many.raw == one.raw * factor
        assert abs(one.remainder) < Fraction(1, 100)
        assert one.raw - one.remainder == Fraction(one.rounded_units, 100)

    def test_the_whole_costs_the_price_by_every_policy(self) -> None:
        """A part that is the whole is the whole amount, and an empty part nothing."""
        empty = JUNE.split(JUNE.start)[0]
        for policy in POLICIES:
            line = prorate(money("9.99", "TRY"), whole=JUNE, part=JUNE, zone="UTC", policy=policy)
            assert line.money == money("9.99", "TRY")
            nothing = prorate(money("9", "TRY"), whole=JUNE, part=empty, zone="UTC", policy=policy)
            assert nothing.quantity == 0

    def test_cents_by_half_a_month(self) -> None:
        """Trap: 999 cents x 15/30 is 499.5; the tie is decided by name."""
        line = prorate_by(money("9.99", "USD"), units=15, total=30)
        assert (line.money, line.raw) == (money("5", "USD"), Fraction(999, 200))
        for rounding, units in ((HALF_UP, 500), (HALF_EVEN, 500), (DOWN, 499), (UP, 500)):
            policy = DEFAULT_POLICY.renamed("odd", rounding=rounding)
            assert (
                prorate_by(money("9.99", "USD"), units=15, total=30, policy=policy).quantity
                == units
            )
        even = DEFAULT_POLICY.renamed("even", rounding=HALF_EVEN)
        assert prorate_by(money("9.97", "USD"), units=15, total=30, policy=even).quantity == 498

    def test_inclusive_end_days(self) -> None:
        """Trap: from the 16th, 16 of 31 days remain; counting the end twice would say 17."""
        rest = JANUARY.split(datetime(2026, 1, 16, tzinfo=UTC))[1]
        line = prorate(money("31", "TRY"), whole=JANUARY, part=rest, zone="UTC")
        assert (line.units, line.total) == (16, 31)

    @pytest.mark.parametrize(
        ("change", "field"),
        [
            ({"part": JANUARY}, "part"),
            ({"amount": money("-1", "TRY")}, "amount"),
            ({"amount": 1.5}, "amount"),
            ({"zone": "Mars"}, "zone"),
            ({"whole": JUNE.split(JUNE.start)[0], "part": JUNE.split(JUNE.start)[0]}, "whole"),
        ],
        ids=["outside", "negative", "float", "zone", "empty"],
    )
    def test_refuses_bad_input_by_name(self, change: dict[str, Any], field: str) -> None:
        """Each refusal names the argument that was wrong."""
        given: dict[str, Any] = {
            "amount": money("1", "TRY"),
            "whole": JUNE,
            "part": JUNE,
            "zone": "UTC",
        }
        given |= change
        with pytest.raises(InvalidInput) as refused:
            prorate(given.pop("amount"), **given)
        assert refused.value.field == field

    @pytest.mark.parametrize(
        ("units", "total", "field"), [(31, 30, "units"), (-1, 30, "units"), (1, 0, "total")]
    )
    def test_refuses_a_ratio_above_one(self, units: int, total: int, field: str) -> None:
        """A share larger than the whole is no share."""
        with pytest.raises(InvalidInput) as refused:
            prorate_by(money("1", "TRY"), units=units, total=total)
        assert refused.value.field == field


class TestMeasure:
    @given(drawn=wholes(), shares=st.lists(SHARES, min_size=2, max_size=6),
           basis=st.sampled_from(list(TimeBasis)))  # fmt: skip
    def test_positions_grow_from_nothing_to_the_total(
        self, drawn: tuple[BillingPeriod, str], shares: list[Fraction], basis: TimeBasis
    ) -> None:
        """Every basis is a position, so parts of it tile the whole."""
        whole, zone = drawn
        cuts = sorted(inside(whole, share) for share in shares)
        _, whole_units, found = measure(basis, whole, zone, [whole.start, *cuts, whole.end])
        assert (found[0], found[-1]) == (0, whole_units)
        assert all(left <= right for left, right in pairwise(found))

    @given(start=st.dates(date(2000, 1, 1), date(2030, 1, 1)), n=st.integers(0, 30))
    def test_every_month_of_an_anchor_has_thirty_days(self, start: date, n: int) -> None:
        """In the 30-day month, January from the 31st and February from the 28th count thirty."""
        anchor = BillingAnchor(year=start.year, month=start.month, day=start.day, zone="UTC")
        whole = anchor.period(MONTH, n)
        assert measure(TimeBasis.THIRTY_DAY_MONTH, whole, "UTC", [])[1] == 30
        year = anchor.period(YEAR, n)
        assert measure(TimeBasis.THIRTY_DAY_MONTH, year, "UTC", [])[1] == 360

    def test_nothing_can_be_measured_in_less_than_a_second(self) -> None:
        """A whole that is empty to the second is refused, not divided by."""
        start = datetime(2026, 6, 1, 12, tzinfo=UTC)
        whole = BillingPeriod(start=start, end=start + timedelta(microseconds=9))
        with pytest.raises(InvalidInput) as refused:
            prorate(money("1", "TRY"), whole=whole, part=whole, zone="UTC")
        assert refused.value.field == "whole"

    def test_a_stub_within_a_day_is_measured_in_seconds(self) -> None:
        """No local midnight passes, so there is no day to count; it is not divided by zero."""
        noon = datetime(2026, 6, 1, 12, tzinfo=UTC)
        whole = BillingPeriod(start=noon, end=noon + timedelta(hours=4))
        part = BillingPeriod(start=noon, end=noon + timedelta(hours=1))
        line = prorate(money("4", "TRY"), whole=whole, part=part, zone="UTC")
        assert (line.money, line.basis) == (money("1", "TRY"), TimeBasis.SECOND)

    def test_thirty_360_refuses_other_lengths(self) -> None:
        """A month has 28 to 31 days."""
        assert days_of_fixed_months(date(2023, 5, 23), date(2023, 6, 15), 28) == 20
        with pytest.raises(InvalidInput):
            days_of_fixed_months(date(2023, 5, 23), date(2023, 6, 15), 27)


class TestChange:
    @given(drawn=wholes(), share=SHARES, paid=KURUS, price=KURUS,
           policy=st.sampled_from(CONSERVING))  # fmt: skip
    def test_credit_and_used_are_what_was_paid(
        self,
        drawn: tuple[BillingPeriod, str],
        share: Fraction,
        paid: int,
        price: int,
        policy: ProrationPolicy,
    ) -> None:
        """By every policy that conserves, the used share and the credit sum to what was paid."""
        whole, zone = drawn
        at = inside(whole, share)
        change = prorate_change(
            paid=kurus(paid), new_price=kurus(price), whole=whole, at=at, zone=zone, policy=policy
        )
        used = prorate(kurus(paid), whole=whole, part=whole.split(at)[0], zone=zone, policy=policy)
        assert 0 <= -to_units(change.credit, 2) <= paid
        assert abs(used.rounded_units - to_units(change.credit, 2) - paid) <= 1
        for line in change.lines:
            if line.kind is LineKind.CREDIT and policy.ratio_digits is None:
                assert used.raw - line.raw == Fraction(paid, 100)
                assert line.ratio + used.ratio == 1

    @example(
        drawn=(WEEK_OF_JANUARY, "UTC"),
        shares=[Fraction(9, 13), Fraction(17, 30)],
        price=1,
        policy=DEFAULT_POLICY,
    )
    @one_in(3)
    @given(drawn=wholes(), shares=st.lists(SHARES, min_size=1, max_size=8), price=KURUS,
           policy=st.sampled_from(CONSERVING))  # fmt: skip
    def test_segments_of_one_price_telescope(
        self,
        drawn: tuple[BillingPeriod, str],
        shares: list[Fraction],
        price: int,
        policy: ProrationPolicy,
    ) -> None:
        """Changing to the same price any number of times costs exactly that price."""
        assume(policy.charge is ChargeRule.REMAINING)
        whole, zone = drawn
        paid, paid_for, spent = kurus(price), whole, price
        for at in sorted(inside(whole, share) for share in shares):
            change = prorate_change(
                paid=paid, paid_for=paid_for, new_price=kurus(price),
                price=kurus(price),
                whole=whole, at=at, zone=zone, policy=policy,
            )  # fmt: skip
            spent += to_units(change.net, 2)
            assert spent == price
            paid, paid_for = change.charge, BillingPeriod(start=at, end=whole.end)
        ended = unused_credit(
            paid=paid,
            paid_for=paid_for,
            whole=whole,
            at=whole.end,
            zone=zone,
            policy=policy,
            price=kurus(price),
        )
        assert to_units(ended.credit, 2) == 0

    @one_in(3)
    @given(drawn=wholes(), shares=st.lists(SHARES, min_size=2, max_size=8),
           prices=st.lists(KURUS, min_size=9, max_size=9),
           policy=st.sampled_from(CONSERVING))  # fmt: skip
    def test_no_chain_of_changes_makes_money(
        self,
        drawn: tuple[BillingPeriod, str],
        shares: list[Fraction],
        prices: list[int],
        policy: ProrationPolicy,
    ) -> None:
        """Used segments are never negative, and all charges less credits are the used segments."""
        whole, zone = drawn
        cuts = sorted(inside(whole, share) for share in shares)
        paid, paid_for = kurus(prices[0]), whole
        balance, used = prices[0], 0
        for at, price in zip(cuts, prices[1:], strict=False):
            change = prorate_change(
                paid=paid, paid_for=paid_for, new_price=kurus(price),
                whole=whole, at=at, zone=zone, policy=policy,
            )  # fmt: skip
            kept = to_units(paid, 2) + to_units(change.credit, 2)
            assert kept >= 0
            used += kept
            balance += to_units(change.net, 2)
            paid, paid_for = change.charge, BillingPeriod(start=at, end=whole.end)
        assert balance == used + to_units(paid, 2)

    @given(drawn=wholes(), share=SHARES, paid=KURUS, price=KURUS, policy=st.sampled_from(POLICIES))
    def test_numbers_alone_are_the_numbers_of_the_lines(
        self,
        drawn: tuple[BillingPeriod, str],
        share: Fraction,
        paid: int,
        price: int,
        policy: ProrationPolicy,
    ) -> None:
        """The fast path is the same decision, and the lines sum to the net."""
        whole, zone = drawn
        at = inside(whole, share)
        change = prorate_change(
            paid=kurus(paid), new_price=kurus(price), whole=whole, at=at, zone=zone, policy=policy
        )
        credit, charge = change_units(
            paid=paid, new_price=price, whole=whole, at=at, zone=zone, policy=policy, scale=2
        )
        assert credit + charge == to_units(change.net, 2)
        assert total([line.money for line in change.lines], "TRY") == change.net
        for line in change.lines:
            assert line.explain("en")
            assert line.explain("tr")

    @given(drawn=wholes(), share=SHARES, paid=KURUS, price=KURUS)
    def test_netting_first_is_the_rounded_net(
        self, drawn: tuple[BillingPeriod, str], share: Fraction, paid: int, price: int
    ) -> None:
        """Net, then round: within half a kuruş of the exact net, and one line says the same."""
        whole, zone = drawn
        at = inside(whole, share)
        net, one = (
            prorate_change(
                paid=kurus(paid), new_price=kurus(price), whole=whole, at=at, zone=zone,
                policy=policy_named(name),
            ).net
            for name in ("standard-net", "difference")
        )  # fmt: skip
        assert net == one
        ratio = prorate(kurus(0), whole=whole, part=whole.split(at)[1], zone=zone).ratio
        assert abs(Fraction(to_units(net, 2)) - (price - paid) * ratio) <= Fraction(1, 2)

    def test_day_cost_rounded_first(self) -> None:
        """Trap: 10 to 20 with 29 of 30 days left is 9.67; rounding the day's cost gives 9.86."""
        at = datetime(2026, 6, 2, tzinfo=UTC)
        args: dict[str, Any] = {
            "paid": money("10", "TRY"), "new_price": money("20", "TRY"), "whole": JUNE,
            "at": at, "zone": "UTC",
        }  # fmt: skip
        assert prorate_change(**args, policy=policy_named("standard-net")).net == money(
            "9.67", "TRY"
        )
        each = prorate_change(**args)
        assert (each.credit, each.charge) == (money("-9.67", "TRY"), money("19.33", "TRY"))
        assert each.net == money("9.66", "TRY")

    def test_upgrade_twice_in_one_period(self) -> None:
        """Trap: the second credit comes from what the first change charged."""
        first = prorate_change(
            paid=money("100", "TRY"), new_price=money("200", "TRY"), whole=JUNE,
            at=datetime(2026, 6, 11, tzinfo=UTC), zone="UTC",
        )  # fmt: skip
        assert first.net == money("66.66", "TRY")
        rest = BillingPeriod(start=datetime(2026, 6, 11, tzinfo=UTC), end=JUNE.end)
        second = prorate_change(
            paid=first.charge, paid_for=rest, new_price=money("300", "TRY"), whole=JUNE,
            at=datetime(2026, 6, 21, tzinfo=UTC), zone="UTC",
        )  # fmt: skip
        assert second.credit == money("-66.67", "TRY")
        assert second.lines[0].ratio == Fraction(1, 2)
        assert second.charge == money("100", "TRY")

    def test_change_on_the_first_instant(self) -> None:
        """Trap: nothing was used, so all of it comes back and the new price is due in full."""
        for policy in (policy_named(name) for name in ("standard", "by-second", "whole-period")):
            change = prorate_change(
                paid=money("100", "TRY"), new_price=money("300", "TRY"), whole=JUNE,
                at=JUNE.start, zone="UTC", policy=policy,
            )  # fmt: skip
            assert (change.credit, change.charge) == (money("-100", "TRY"), money("300", "TRY"))

    def test_change_on_the_last_instant(self) -> None:
        """Trap: by the day the last day is left, by the second nothing is; at the end nothing."""
        last = JUNE.end - timedelta(microseconds=1)
        by_day, by_second, at_end = (
            prorate_change(
                paid=money("30", "TRY"), new_price=money("60", "TRY"), whole=JUNE,
                at=at, zone="UTC", policy=policy_named(name),
            )
            for at, name in ((last, "standard"), (last, "by-second"), (JUNE.end, "standard"))
        )  # fmt: skip
        assert by_day.net == money("1", "TRY")
        assert by_second.net == at_end.net == money("0", "TRY")

    def test_month_to_year_with_a_new_anchor(self) -> None:
        """The year is charged in full from the change, the month's rest comes back."""
        at = datetime(2026, 6, 16, tzinfo=UTC)
        year = BillingAnchor.at(at, "UTC").period(YEAR, 0)
        change = prorate_change(
            paid=money("20", "TRY"), new_price=money("200", "TRY"), whole=JUNE,
            new_whole=year, at=at, zone="UTC",
        )  # fmt: skip
        assert (change.credit, change.charge) == (money("-10", "TRY"), money("200", "TRY"))
        assert change.lines[1].service == year

    def test_credits_come_from_what_was_paid(self) -> None:
        """Nothing paid, nothing back; what was given back before is not given twice."""
        args: dict[str, Any] = {"paid_for": JUNE, "at": JUNE.start, "zone": "UTC"}
        assert unused_credit(paid=money("0", "TRY"), **args).lines == ()
        capped = unused_credit(paid=money("10", "TRY"), credited=money("4", "TRY"), **args)
        assert capped.credit == money("-6", "TRY")
        assert capped.lines[0].capped
        assert "capped" in capped.lines[0].explain()
        over = unused_credit(paid=money("10", "TRY"), credited=money("12", "TRY"), **args)
        assert over.credit == money("0", "TRY")
        free = unused_credit(
            paid=money("10", "TRY"),
            credited=money("12", "TRY"),
            policy=policy_named("stripe"),
            **args,
        )
        assert free.credit == money("-10", "TRY")

    def test_start_over_and_no_proration(self) -> None:
        """All back and the full price; nothing back and the full price; nothing at all."""
        args: dict[str, Any] = {
            "paid": money("100", "TRY"), "new_price": money("300", "TRY"), "whole": JUNE,
            "at": datetime(2026, 6, 16, tzinfo=UTC), "zone": "UTC",
        }  # fmt: skip
        nets = {
            name: prorate_change(**args, policy=policy_named(name)).net
            for name in ("start-over", "full-price", "nothing", "credit-only", "difference")
        }
        assert nets == {
            "start-over": money("200", "TRY"), "full-price": money("300", "TRY"),
            "nothing": money("0", "TRY"), "credit-only": money("-50", "TRY"),
            "difference": money("100", "TRY"),
        }  # fmt: skip
        (line,) = unused_credit(
            paid=money("100", "TRY"), paid_for=JUNE, at=args["at"], zone="UTC",
            policy=policy_named("difference"),
        ).lines  # fmt: skip
        assert (line.kind, line.money) == (LineKind.CREDIT, money("-50", "TRY"))
        assert line.amount == money("100", "TRY")

    def test_a_netted_all_or_nothing(self) -> None:
        """Netting works where all is credited, and a capped difference stops at what was paid."""
        policy = policy_named("start-over").renamed("net", order=RoundingOrder.NET)
        args: dict[str, Any] = {"whole": JUNE, "at": JUNE.start, "zone": "UTC"}
        ten, zero = money("10", "TRY"), money("0", "TRY")
        assert prorate_change(paid=ten, new_price=ten, policy=policy, **args).net == zero
        back = prorate_change(
            paid=ten, new_price=zero, credited=money("7", "TRY"),
            policy=policy_named("difference"), **args,
        )  # fmt: skip
        assert back.net == money("-3", "TRY")
        assert back.lines[0].capped

    def test_rounds_to_the_scale_that_the_policy_names(self) -> None:
        """Micro-units for a balance, and finer than the amount's own scale where asked."""
        at = datetime(2026, 6, 11, tzinfo=UTC)
        fine = DEFAULT_POLICY.renamed("fine", rounding=HALF_UP.at_scale(8))
        found = unused_credit(paid=money("1", "USD"), paid_for=JUNE, at=at, zone="UTC", policy=fine)
        assert found.credit == money("-0.66666667", "USD", scale=8)
        net = policy_named("difference").renamed("fine-net", rounding=HALF_UP.at_scale(8))
        one = prorate_change(
            paid=money("1", "USD"), new_price=money("2", "USD"), whole=JUNE, at=at, zone="UTC",
            policy=net,
        )  # fmt: skip
        assert one.net == money("0.66666667", "USD", scale=8)

    @pytest.mark.parametrize("field", ["paid", "new_price", "credited"])
    def test_numbers_alone_refuse_negative_amounts(self, field: str) -> None:
        """Integers are checked as Money is."""
        args: dict[str, Any] = {
            "paid": 1, "new_price": 1, "credited": 0, "whole": JUNE, "at": JUNE.start, "zone": "UTC"
        }  # fmt: skip
        with pytest.raises(InvalidInput) as refused:
            change_units(**(args | {field: -1}))
        assert refused.value.field == field

    def test_a_free_side_has_no_line(self) -> None:
        """From free and to free there is one line, from free to free none."""
        zero, ten = money("0", "TRY"), money("10", "TRY")
        at = datetime(2026, 6, 16, tzinfo=UTC)
        kinds = [
            [
                line.kind.value
                for line in prorate_change(
                    paid=paid, new_price=price, whole=JUNE, at=at, zone="UTC"
                ).lines
            ]
            for paid, price in ((zero, ten), (ten, zero), (zero, zero))
        ]
        assert kinds == [["CHARGE"], ["CREDIT"], []]

    @pytest.mark.parametrize(
        ("change", "field"),
        [
            ({"at": datetime(2026, 7, 2, tzinfo=UTC)}, "at"),
            ({"at": datetime(2026, 6, 2)}, "at"),  # noqa: DTZ001 - the subject
            ({"new_price": money("1", "USD")}, "new_price"),
            ({"new_price": money("-1", "TRY")}, "new_price"),
            ({"paid": money("-1", "TRY")}, "paid"),
            ({"credited": money("1", "USD")}, "credited"),
            ({"price": money("1", "USD")}, "price"),
            ({"paid_for": JANUARY}, "paid_for"),
            ({"new_whole": JANUARY}, "new_whole"),
            ({"zone": "Mars"}, "zone"),
        ],
    )
    def test_refuses_bad_input_by_name(self, change: dict[str, Any], field: str) -> None:
        """Instants outside, naive instants, mixed currencies, negative prices."""
        args: dict[str, Any] = {
            "paid": money("1", "TRY"), "new_price": money("2", "TRY"), "whole": JUNE,
            "at": datetime(2026, 6, 16, tzinfo=UTC), "zone": "UTC",
        }  # fmt: skip
        with pytest.raises(InvalidInput) as refused:
            prorate_change(**(args | change))
        assert refused.value.field == field

    def test_a_share_of_the_price_needs_the_price(self) -> None:
        """Where less than the whole was paid, a policy that credits the price asks for it."""
        rest = JUNE.split(datetime(2026, 6, 11, tzinfo=UTC))[1]
        args: dict[str, Any] = {
            "paid": money("20", "TRY"), "paid_for": rest, "whole": JUNE,
            "at": datetime(2026, 6, 21, tzinfo=UTC), "zone": "UTC", "policy": policy_named("lago"),
        }  # fmt: skip
        with pytest.raises(InvalidInput) as refused:
            unused_credit(**args)
        assert refused.value.field == "price"
        assert unused_credit(**args, price=money("30", "TRY")).credit == money("-10", "TRY")

    def test_what_was_paid_for_no_day_credits_nothing(self) -> None:
        """Ten hours within one local day are no unit of it, so none of them is unused."""
        within = BillingPeriod(
            start=datetime(2026, 6, 5, 8, tzinfo=UTC), end=datetime(2026, 6, 5, 18, tzinfo=UTC)
        )
        done = unused_credit(
            paid=money("10", "TRY"),
            paid_for=within,
            at=within.start + timedelta(hours=4),
            zone="UTC",
            whole=JUNE,
        )
        assert done.credit == money("0", "TRY")

    @pytest.mark.parametrize(("credited", "capped"), [("0", False), ("0.01", True)])
    def test_a_difference_is_capped_only_where_it_is_cut(
        self, credited: str, capped: object
    ) -> None:
        """All that was paid comes back by right; with a kurus of it gone, less than that."""
        policy = next(one for one in POLICIES if one.charge is ChargeRule.DIFFERENCE)
        done = prorate_change(
            paid=money("10", "TRY"),
            new_price=money("0", "TRY"),
            whole=JUNE,
            at=JUNE.start,
            zone="UTC",
            policy=policy,
            credited=money(credited, "TRY"),
        )
        (line,) = done.lines
        assert (line.capped, done.net) == (capped, money("-10", "TRY") + money(credited, "TRY"))


class TestPolicy:
    @pytest.mark.parametrize(
        "fields",
        [
            {"basis": "NONE"},
            {"basis": "NONE", "credit": "ALL", "charge": "REMAINING"},
            {"basis": "NONE", "credit": "ALL", "charge": "DIFFERENCE"},
            {"basis": "NONE", "credit": "ALL", "charge": "FULL", "ratio_digits": 9},
            {"credit": "UNUSED", "charge": "DIFFERENCE"},
            {"credit": "ALL", "charge": "DIFFERENCE"},
            {"credit": "NOTHING", "charge": "FULL", "order": "NET"},
            {"credit": "ALL", "credit_base": "PRICE"},
            {"ratio_digits": 0},
            {"basis": "FORTNIGHT"},
            {"name": ""},
        ],
        ids=str,
    )
    def test_nonsense_cannot_be_built(self, fields: dict[str, Any]) -> None:
        """Each contradiction is refused where it is written down."""
        with pytest.raises(InvalidInput):
            ProrationPolicy(**({"name": "odd"} | fields))

    def test_each_says_whether_it_conserves(self) -> None:
        """Ready-made policies that conserve, by name; the others do not."""
        assert {policy.name for policy in POLICIES if policy.conserves} == {
            "standard", "standard-net", "by-second", "thirty-day-month", "whole-period",
            "difference", "credit-only", "killbill", "killbill-thirty-days",
        }  # fmt: skip

    def test_the_default(self) -> None:
        """Local day half-open, credit unused, charge remaining, each line half-up, capped."""
        assert policy_named("standard") is DEFAULT_POLICY
        assert (DEFAULT_POLICY.basis, DEFAULT_POLICY.credit) == (
            TimeBasis.LOCAL_DAY, CreditRule.UNUSED,
        )  # fmt: skip
        assert (DEFAULT_POLICY.charge, DEFAULT_POLICY.order) == (
            ChargeRule.REMAINING, RoundingOrder.EACH_LINE,
        )  # fmt: skip
        assert (DEFAULT_POLICY.cap, DEFAULT_POLICY.credit_base) == (CreditCap.PAID, CreditBase.PAID)
        assert DEFAULT_POLICY.rounding == HALF_UP
        with pytest.raises(UnknownName):
            policy_named("standart")


class TestExplain:
    def change(self, name: str) -> ChangeProration:
        return prorate_change(
            paid=money("1000", "TRY"), new_price=money("2500", "TRY"), whole=JANUARY,
            at=datetime(2026, 1, 16, 12, tzinfo=UTC), zone="UTC", policy=policy_named(name),
        )  # fmt: skip

    def test_in_english_and_turkish(self) -> None:
        """One sentence with units, ratio, amounts and rule."""
        credit = self.change("standard").lines[0]
        assert credit.explain() == (
            "Credit for 16 of 31 days, 2026-01-16 to 2026-01-31: "
            "TRY 1,000.00 x 16/31 = -TRY 516.13 (rule standard)"
        )
        assert credit.explain("tr") == (
            "16.01.2026 - 31.01.2026 arası 31 günün 16 günü için iade: "
            "₺1.000,00 x 16/31 = -₺516,13 (kural standard)"
        )
        assert (credit.ratio, credit.raw) == (Fraction(16, 31), Fraction(-16000, 31))
        assert credit.raw - credit.remainder == Fraction(-51613, 100)

    @pytest.mark.parametrize(
        ("hour", "name", "days"),
        [
            (0, "standard", "10 of 31 days, 2026-10-26 to 2026-11-04"),
            (9, "standard", "10 of 31 days, 2026-10-26 to 2026-11-04"),
            (0, "whole-period", "0 of 1 period, 2026-10-26 to 2026-11-04"),
            (9, "whole-period", "0 of 1 period, 2026-10-26 to 2026-11-04"),
        ],
    )
    def test_as_many_days_are_named_as_are_counted(self, hour: int, name: str, days: str) -> None:
        """Ten days are ten dates, from midnight as from nine in the morning."""
        whole = BillingPeriod(
            start=datetime(2026, 10, 5, hour, tzinfo=UTC),
            end=datetime(2026, 11, 5, hour, tzinfo=UTC),
        )
        credit = prorate_change(
            paid=money("1000", "TRY"), new_price=money("2500", "TRY"), whole=whole,
            at=datetime(2026, 10, 26, 9, tzinfo=UTC), zone="UTC", policy=policy_named(name),
        ).lines[0]  # fmt: skip
        assert credit.explain().startswith(f"Credit for {days}: ")

    @pytest.mark.parametrize("hour", [0, 9])
    @pytest.mark.parametrize("basis", [TimeBasis.LOCAL_DAY, TimeBasis.LOCAL_DAY_INCLUSIVE])
    def test_parts_name_every_day_once(self, basis: TimeBasis, hour: int) -> None:
        """What ends at a cut and what begins there share no day and leave none out."""
        start, cut, end = (
            datetime(2026, month, day, at, tzinfo=UTC)
            for month, day, at in [(10, 5, hour), (10, 26, 15), (11, 5, hour)]
        )
        whole = BillingPeriod(start=start, end=end)
        policy = attrs.evolve(policy_named("standard"), basis=basis)
        said = [
            prorate(100, whole=whole, part=part, zone="UTC", policy=policy).explain()
            for part in (BillingPeriod(start=start, end=cut), BillingPeriod(start=cut, end=end))
        ]
        split_on = 25 if basis is TimeBasis.LOCAL_DAY else 26
        last = 4 if basis is TimeBasis.LOCAL_DAY or not hour else 5
        assert f"2026-10-05 to 2026-10-{split_on}:" in said[0]
        assert f"2026-10-{split_on + 1} to 2026-11-0{last}:" in said[1]

    def test_seconds_name_the_days_that_they_touch(self) -> None:
        """Half a day is no day less."""
        whole = BillingPeriod(
            start=datetime(2026, 10, 5, 9, tzinfo=UTC), end=datetime(2026, 11, 5, 9, tzinfo=UTC)
        )
        line = prorate(100, whole=whole, part=whole, zone="UTC", policy=policy_named("by-second"))
        assert "2026-10-05 to 2026-11-05" in line.explain()

    def test_a_difference_shows_both_sides(self) -> None:
        """What was charged and what was taken off stand in one line."""
        (line,) = self.change("difference").lines
        assert line.explain() == (
            "Difference for 16 of 31 days, 2026-01-16 to 2026-01-31: "
            "TRY 2,500.00 x 16/31 - TRY 1,000.00 x 16/31 = TRY 774.19 (rule difference)"
        )
        assert line.raw == Fraction(24000, 31)

    def test_other_locales_are_refused(self) -> None:
        """Two languages, by name."""
        with pytest.raises(InvalidInput):
            self.change("standard").lines[0].explain("de")

    def test_plain_units_have_no_money(self) -> None:
        """A share of messages has a quantity and no currency."""
        line = prorate(100, whole=JANUARY, part=JANUARY, zone="UTC")
        assert (line.quantity, line.explain("tr")[-29:]) == (
            100,
            "100 x 31/31 = 100 (kural standard)"[-29:],
        )
        with pytest.raises(InvalidInput):
            _ = line.money
