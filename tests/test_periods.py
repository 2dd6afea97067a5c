"""Periods: every bound is the anchor plus n intervals, through every clock change."""

from datetime import UTC, date, datetime, time, timedelta, timezone
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, strategies as st

from monochat_billing.errors import InvalidInput
from monochat_billing.instants import check_zone, days_between, local_midnight, resolve_wall, utc
from monochat_billing.periods import (
    DAY,
    HALF_YEAR,
    MONTH,
    QUARTER,
    WEEK,
    YEAR,
    BillingAnchor,
    BillingInterval,
    BillingPeriod,
)
from monochat_billing.spans import BillingMode, billable_spans, moved_anchor_stub, service_spans

ZONE_NAMES = [
    "UTC", "Europe/Istanbul", "Europe/Rome", "America/New_York", "America/Sao_Paulo",
    "America/Havana", "Asia/Beirut", "Africa/Cairo", "Asia/Kathmandu", "Australia/Lord_Howe",
    "Pacific/Apia", "Antarctica/Troll", "America/St_Johns",
]  # fmt: skip
ZONES = st.sampled_from(ZONE_NAMES)
INTERVALS = st.sampled_from(
    [DAY, WEEK, MONTH, QUARTER, HALF_YEAR, YEAR]
    + [
        BillingInterval.parse(text)
        for text in ("30 DAY", "2 MONTH", "18 MONTH", "2 YEAR", "10 DAY")
    ]
)
INSTANTS = st.datetimes(
    min_value=datetime(1990, 1, 1),  # noqa: DTZ001 - made aware below
    max_value=datetime(2060, 1, 1),  # noqa: DTZ001 - as above
    timezones=st.just(UTC),
)
ANCHORS = st.builds(BillingAnchor.at, INSTANTS, ZONES)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def days(anchor: BillingAnchor, interval: BillingInterval, count: int) -> list[str]:
    place = check_zone(anchor.zone)
    return [anchor.bound(interval, n).astimezone(place).date().isoformat() for n in range(count)]


class TestInterval:
    @given(count=st.integers(1, 36), unit=st.sampled_from(["DAY", "WEEK", "MONTH", "QUARTER"]))
    def test_text_round_trips(self, count: int, unit: str) -> None:
        """What str writes, parse reads as the same interval."""
        interval = BillingInterval(count=count, unit=unit)
        assert BillingInterval.parse(str(interval)) == interval

    def test_one_length_has_one_spelling(self) -> None:
        """Twelve months are a year wherever they come from."""
        assert {
            BillingInterval.parse(t) for t in ("12 MONTH", "4 QUARTER", "2 HALF_YEAR", "YEAR")
        } == {YEAR}
        assert str(BillingInterval.parse("18 MONTH")) == "18 MONTH"
        assert str(BillingInterval.parse("14 DAY")) == "2 WEEK"

    @pytest.mark.parametrize(
        "text",
        ["", "month", "0 MONTH", "-1 MONTH", "1.5 MONTH", "MONTHS", "1201 MONTH", "40000 DAY"],
    )
    def test_refuses_what_is_no_interval(self, text: str) -> None:
        """Lower case, zero, fractions and more than a century are refused."""
        with pytest.raises(InvalidInput):
            BillingInterval.parse(text)

    def test_refuses_what_is_no_length(self) -> None:
        """A count is an int above zero, a unit one of six."""
        count: Any
        for count in (0, -1, 1.0, True, "1"):
            with pytest.raises(InvalidInput) as refused:
                BillingInterval(count=count, unit="MONTH")
            assert refused.value.field == "count"
        with pytest.raises(InvalidInput) as refused:
            BillingInterval(unit="FORTNIGHT")
        assert refused.value.field == "unit"


class TestInstants:
    def test_naive_instants_are_refused_by_name(self) -> None:
        """The error names the field that was naive."""
        naive = datetime(2026, 1, 1)  # noqa: DTZ001 - the subject
        values: list[Any] = [naive, "2026-01-01", date(2026, 1, 1)]
        for value in values:
            with pytest.raises(InvalidInput) as refused:
                utc(value, field="effective_at")
            assert refused.value.field == "effective_at"

    def test_any_offset_becomes_utc(self) -> None:
        """Three hours east of noon is nine o'clock."""
        noon = datetime(2026, 1, 1, 12, tzinfo=timezone(timedelta(hours=3)))
        assert utc(noon) == at("2026-01-01T09:00")
        assert utc(noon).tzinfo is UTC

    @pytest.mark.parametrize(
        "name",
        ["", "Europe/Ankara", "localtime", "right/UTC", "../etc/passwd", "/etc", "Europe", None],
    )
    def test_zones_that_do_not_exist(self, name: Any) -> None:  # noqa: ANN401
        """Unknown names, paths, and whatever the machine calls local."""
        with pytest.raises(InvalidInput) as refused:
            check_zone(name)
        assert refused.value.field == "zone"

    @pytest.mark.parametrize(
        ("wall", "zone", "expected"),
        [
            ("2026-03-29T02:30", "Europe/Rome", "2026-03-29T01:00"),
            ("2026-10-25T02:30", "Europe/Rome", "2026-10-25T00:30"),
            ("2018-11-04T00:00", "America/Sao_Paulo", "2018-11-04T03:00"),
            ("2011-12-30T12:00", "Pacific/Apia", "2011-12-30T10:00"),
            ("2026-10-04T02:15", "Australia/Lord_Howe", "2026-10-03T15:30"),
            ("2026-03-29T02:00:00.5", "Europe/Rome", "2026-03-29T01:00"),
            ("2026-03-29T02:59:59.999999", "Europe/Rome", "2026-03-29T01:00"),
        ],
    )
    def test_gaps_and_folds(self, wall: str, zone: str, expected: str) -> None:
        """A skipped wall time is the first valid instant after it, a repeated one the first."""
        local = datetime.fromisoformat(wall).replace(tzinfo=check_zone(zone))
        assert resolve_wall(local) == at(expected)

    @given(wall=st.datetimes(datetime(1990, 1, 1), datetime(2037, 1, 1)), zone=ZONES)  # noqa: DTZ001
    def test_a_wall_time_is_never_resolved_backwards(self, wall: datetime, zone: str) -> None:
        """The instant reads as the wall time, or as the first one after the gap."""
        place = check_zone(zone)
        found = resolve_wall(wall.replace(tzinfo=place)).astimezone(place).replace(tzinfo=None)
        if found != wall:
            assert found > wall
            before = resolve_wall(wall.replace(tzinfo=place)) - timedelta(microseconds=1)
            assert before.astimezone(place).replace(tzinfo=None) < wall


class TestAnchor:
    def test_the_31st_comes_back(self) -> None:
        """Trap: 31 January, 28 February, 31 March; never the 28th for ever."""
        anchor = BillingAnchor(year=2026, month=1, day=31, zone="Europe/Istanbul")
        assert days(anchor, MONTH, 5) == [
            "2026-01-31", "2026-02-28", "2026-03-31", "2026-04-30", "2026-05-31",
        ]  # fmt: skip

    def test_29_february_yearly(self) -> None:
        """Trap: a leap day is the 28th in common years and the 29th again four years on."""
        anchor = BillingAnchor(year=2024, month=2, day=29, zone="UTC")
        assert days(anchor, YEAR, 5)[1:] == ["2025-02-28", "2026-02-28", "2027-02-28", "2028-02-29"]

    def test_a_bound_in_a_gap_does_not_move_the_next(self) -> None:
        """Trap: 02:30 does not exist on 29 March in Rome; in April it is 02:30 again."""
        anchor = BillingAnchor(year=2026, month=2, day=28, hour=2, minute=30, zone="Europe/Rome")
        anchor = BillingAnchor(year=2026, month=1, day=29, hour=2, minute=30, zone="Europe/Rome")
        assert anchor.bound(MONTH, 2) == at("2026-03-29T01:00")
        assert anchor.bound(MONTH, 3) == at("2026-04-29T00:30")

    @given(anchor=ANCHORS, interval=INTERVALS, first=st.integers(-40, 40))
    def test_periods_tile_time(
        self, anchor: BillingAnchor, interval: BillingInterval, first: int
    ) -> None:
        """Each period ends where the next starts, and bounds never run backwards."""
        periods = [anchor.period(interval, n) for n in range(first, first + 8)]
        for left, right in pairwise(periods):
            assert left.end == right.start
            assert left.start <= left.end

    @given(anchor=ANCHORS, interval=INTERVALS, instant=INSTANTS)
    def test_index_and_period_agree(
        self, anchor: BillingAnchor, interval: BillingInterval, instant: datetime
    ) -> None:
        """The period that contains an instant is period(n) of its index, and contains it."""
        n = anchor.index_containing(interval, instant)
        period = anchor.period_containing(interval, instant)
        assert period == anchor.period(interval, n)
        assert period.contains(instant)
        assert anchor.index_containing(interval, period.start) == n
        assert anchor.next_bound(interval, instant) == period.end

    @given(anchor=ANCHORS, n=st.integers(-60, 60))
    def test_a_quarter_is_three_months(self, anchor: BillingAnchor, n: int) -> None:
        """Longer intervals stand on the bounds of the shorter: no drift between them."""
        assert anchor.bound(QUARTER, n) == anchor.bound(MONTH, 3 * n)
        assert anchor.bound(YEAR, n) == anchor.bound(HALF_YEAR, 2 * n)
        assert anchor.bound(WEEK, n) == anchor.bound(DAY, 7 * n)

    @given(anchor=ANCHORS, interval=INTERVALS, since=INSTANTS, until=INSTANTS)
    def test_elapsed_counts_bounds(
        self, anchor: BillingAnchor, interval: BillingInterval, since: datetime, until: datetime
    ) -> None:
        """Elapsed periods add up over any instant between."""
        first, last = sorted((since, until))
        middle = first + (last - first) / 3
        whole = anchor.elapsed(interval, first, last)
        assert whole == anchor.elapsed(interval, first, middle) + anchor.elapsed(
            interval, middle, last
        )
        assert anchor.elapsed(interval, last, first) == 0

    @given(anchor=ANCHORS, interval=INTERVALS, start=INSTANTS, length=st.integers(0, 500))
    def test_all_periods_between(
        self, anchor: BillingAnchor, interval: BillingInterval, start: datetime, length: int
    ) -> None:
        """They cover the span, follow each other, and each shares an instant with it."""
        end = start + timedelta(days=length)
        found = anchor.periods_between(interval, start, end)
        assert bool(found) is bool(length)
        for left, right in pairwise(found):
            assert left.end == right.start
        for period in found:
            assert period.start < end
            assert period.end > start
        if found:
            assert found[0].start <= start
            assert found[-1].end >= end

    @given(anchor=ANCHORS, interval=INTERVALS, first=st.integers(-9, 9), count=st.integers(0, 5))
    def test_bounds_are_the_bounds(
        self, anchor: BillingAnchor, interval: BillingInterval, first: int, count: int
    ) -> None:
        """Several bounds at once are each bound by itself."""
        expected = tuple(anchor.bound(interval, first + n) for n in range(count + 1))
        assert anchor.bounds(interval, first, count) == expected

    @given(interval=INTERVALS, instant=INSTANTS, zone=ZONES)
    def test_calendar_alignment(
        self, interval: BillingInterval, instant: datetime, zone: str
    ) -> None:
        """A calendar anchor starts at or before the instant, within one unit of it."""
        anchor = BillingAnchor.calendar(interval, instant, zone)
        assert anchor.instant <= instant < anchor.bound(interval, 1)
        local = anchor.instant.astimezone(check_zone(zone))
        if interval == WEEK:
            assert local.weekday() == 0
        if interval.months:
            assert local.day == 1

    @given(day=st.integers(1, 31), since=INSTANTS, zone=ZONES)
    def test_on_day_is_the_next_such_day(self, day: int, since: datetime, zone: str) -> None:
        """The first bound is at or after the instant, and the one before it is not."""
        anchor = BillingAnchor.on_day(day, since, zone)
        assert anchor.bound(MONTH, -1) < since <= anchor.instant

    def test_on_day_takes_a_wall_time(self) -> None:
        """Renewals at nine in the morning."""
        anchor = BillingAnchor.on_day(5, at("2026-01-05T07:00"), "Europe/Istanbul", wall=time(9))
        assert anchor.instant == at("2026-02-05T06:00")

    @pytest.mark.parametrize(
        "build",
        [
            lambda: BillingAnchor(year=2026, month=1, day=0, zone="UTC"),
            lambda: BillingAnchor(year=2026, month=1, day=32, zone="UTC"),
            lambda: BillingAnchor(year=2026, month=13, day=1, zone="UTC"),
            lambda: BillingAnchor(year=2026, month=1, day=1, hour=24, zone="UTC"),
            lambda: BillingAnchor(year=2026, month=1, day=1, zone="Mars/Olympus"),
            lambda: BillingAnchor(year=2026, month=1, day=1, zone="UTC").bound(YEAR, 9000),
            lambda: BillingAnchor(year=2026, month=1, day=1, zone="UTC").bound(YEAR, 1.0),  # type: ignore[arg-type]
        ],
        ids=["day0", "day32", "month13", "hour24", "zone", "beyond", "float"],
    )
    def test_refuses_what_is_no_anchor(self, build: Any) -> None:  # noqa: ANN401
        """Parts out of range, zones that do not exist, bounds beyond the calendar."""
        with pytest.raises(InvalidInput):
            build()

    def test_a_moved_anchor_keeps_its_day(self) -> None:
        """The 31st may stand in a month that has none."""
        moved = BillingAnchor(year=2026, month=1, day=31, zone="UTC").moved(MONTH, 1)
        assert days(moved, MONTH, 2) == ["2026-02-28", "2026-03-31"]
        assert moved.moved(WEEK, 1).instant == at("2026-03-07T00:00")


class TestPeriod:
    def test_is_half_open(self) -> None:
        """The first instant belongs to it, the end to the next."""
        period = BillingPeriod(start=at("2026-01-01"), end=at("2026-02-01"))
        assert period.contains(period.start)
        assert not period.contains(period.end)
        assert period.contains(period.end - timedelta(microseconds=1))

    def test_refuses_an_end_before_the_start(self) -> None:
        """An empty span is a span, a negative one is not."""
        assert BillingPeriod(start=at("2026-01-01"), end=at("2026-01-01")).is_empty
        with pytest.raises(InvalidInput) as refused:
            BillingPeriod(start=at("2026-01-02"), end=at("2026-01-01"))
        assert refused.value.field == "end"
        with pytest.raises(InvalidInput) as naive:
            BillingPeriod(start=datetime(2026, 1, 1), end=at("2026-01-01"))  # noqa: DTZ001
        assert naive.value.field == "start"

    def test_refuses_a_cut_outside(self) -> None:
        """A cut on either bound leaves an empty piece, beyond them it is refused."""
        period = BillingPeriod(start=at("2026-01-01"), end=at("2026-02-01"))
        assert period.split(period.end)[1].is_empty
        with pytest.raises(InvalidInput):
            period.split(at("2026-02-02"))
        assert period.overlap(BillingPeriod(start=period.end, end=at("2026-03-01"))) is None
        assert period.covers(period)

    @given(first=INSTANTS, second=INSTANTS, zone=ZONES)
    def test_local_days_add_up(self, first: datetime, second: datetime, zone: str) -> None:
        """Days counted in two steps are the days counted in one, through any clock change."""
        middle = first + (second - first) / 2
        assert days_between(first, second, zone) == days_between(
            first, middle, zone
        ) + days_between(middle, second, zone)

    def test_days_of_a_month_with_a_clock_change(self) -> None:
        """March has 31 days in Rome although it has an hour less."""
        march = BillingPeriod.of_days(date(2026, 3, 1), date(2026, 4, 1), "Europe/Rome")
        assert march.days("Europe/Rome") == 31
        assert march.microseconds == (31 * 24 - 1) * 3600 * 10**6
        assert march.last_day("Europe/Rome") == date(2026, 3, 31)
        assert march.start == local_midnight(date(2026, 3, 1), "Europe/Rome")


class TestServiceSpans:
    @given(anchor=ANCHORS, interval=INTERVALS, start=INSTANTS, length=st.integers(1, 900))
    def test_tile_the_service(
        self, anchor: BillingAnchor, interval: BillingInterval, start: datetime, length: int
    ) -> None:
        """Pieces follow each other from start to end, each within its whole period."""
        end = start + timedelta(days=length)
        spans = service_spans(anchor, interval, start, end)
        assert spans[0].period.start == start
        assert spans[-1].period.end == end
        for left, right in pairwise(spans):
            assert left.period.end == right.period.start
        assert all(one.whole.covers(one.period) for one in spans)
        assert not any(one.is_stub for one in spans[1:-1])

    @given(anchor=ANCHORS, start=INSTANTS, length=st.integers(1, 400), ahead=st.integers(-10, 500))
    def test_arrears_bill_what_advance_billed_before(
        self, anchor: BillingAnchor, start: datetime, length: int, ahead: int
    ) -> None:
        """Both modes bill the same pieces in order; arrears are never ahead of advance."""
        end, upto = start + timedelta(days=length), start + timedelta(days=ahead)
        everything = service_spans(anchor, MONTH, start, end)
        early = billable_spans(anchor, MONTH, BillingMode.IN_ADVANCE, start, end, upto=upto)
        late = billable_spans(anchor, MONTH, BillingMode.IN_ARREARS, start, end, upto=upto)
        assert early == everything[: len(early)]
        assert late == early[: len(late)]

    def test_stubs_on_either_side(self) -> None:
        """Trap: a service that starts and ends off the anchor has a stub on each side."""
        anchor = BillingAnchor(year=2026, month=1, day=15, zone="UTC")
        spans = service_spans(anchor, MONTH, at("2026-01-10"), at("2026-03-20"))
        assert [one.period.days("UTC") for one in spans] == [5, 31, 28, 5]
        assert [one.is_stub for one in spans] == [True, False, False, True]
        assert [one.whole.days("UTC") for one in spans] == [31, 31, 28, 31]

    def test_arrears_anchored_on_the_30th_changed_on_28_february(self) -> None:
        """Trap: the last day of February is both a bound and the change; nothing crashes."""
        anchor = BillingAnchor(year=2026, month=1, day=30, zone="UTC")
        change = at("2026-02-28")
        spans = billable_spans(
            anchor, MONTH, BillingMode.IN_ARREARS, at("2026-01-30"), change, upto=change
        )
        assert [one.period.days("UTC") for one in spans] == [29]
        assert not spans[0].is_stub
        after = billable_spans(
            anchor, MONTH, BillingMode.IN_ARREARS, change, None, upto=at("2026-03-30")
        )
        assert [(one.period.start, one.period.end) for one in after] == [(change, at("2026-03-30"))]

    def test_moving_the_anchor_makes_one_stub(self) -> None:
        """From the 15th to the first: a stub up to the new bound, none when already on it."""
        first = BillingAnchor(year=2026, month=1, day=1, zone="UTC")
        stub = moved_anchor_stub(first, MONTH, at("2026-03-15"))
        assert stub is not None
        assert (stub.period.end, stub.whole.days("UTC")) == (at("2026-04-01"), 31)
        assert moved_anchor_stub(first, MONTH, at("2026-04-01")) is None

    def test_refuses_a_service_that_ends_before_it_starts(self) -> None:
        """An end before the start is an error, an instant before the start is not."""
        anchor = BillingAnchor(year=2026, month=1, day=1, zone="UTC")
        args = (anchor, MONTH, BillingMode.IN_ADVANCE, at("2026-03-01"))
        with pytest.raises(InvalidInput):
            billable_spans(*args, at("2026-01-01"), upto=at("2026-04-01"))
        assert billable_spans(*args, None, upto=at("2026-01-01")) == ()
        assert service_spans(anchor, MONTH, at("2026-01-01"), at("2026-01-01")) == ()
