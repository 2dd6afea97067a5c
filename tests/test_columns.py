"""Columns: the same amounts, counts and refusals as one by one."""

import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, strategies as st

from monochat_billing.adapters.columns import MessageColumns, rate_many
from monochat_billing.adapters.whatsapp import METER, meta_message_rates
from monochat_billing.errors import InvalidInput
from monochat_billing.message_pricing import MessageRates, PricedMessages, price_many
from monochat_billing.message_regimes import MessageRegime, MessageRegimes
from monochat_billing.message_tiers import CardTiers, MessageCounts
from monochat_billing.rating import MessageCategory, RateCard, RateCards, UsageRecord

META = meta_message_rates()
U, A, S = MessageCategory.UTILITY, MessageCategory.AUTHENTICATION, MessageCategory.SERVICE
OCTOBER = date(2026, 10, 1)
ZONES = [
    "Europe/Istanbul",
    "UTC",
    "America/New_York",
    "America/St_Johns",
    "America/Sao_Paulo",
    "Pacific/Kiritimati",
    "Africa/Cairo",
]


def card(name: str, on: date, utility: int, service: int | None = 500) -> RateCard:
    return RateCard(
        name=name,
        meter=METER,
        currency="USD",
        effective_on=on,
        rates={"Turkey": {U: utility, A: 70, S: service}, "Germany": {U: 10 * utility, A: None}},
    )


SMALL = MessageRates(
    cards=RateCards(
        cards=(
            card("first", date(2026, 9, 1), 100, None),
            card("second", OCTOBER, 200),
            card("third", date(2026, 10, 20), 300),
        )
    ),
    tiers=(
        CardTiers(card="second", rates={"Turkey": {U: [(3, 200), (6, 150), (None, 90)]}}),
        CardTiers(
            card="third", rates={"Turkey": {U: [(5, 290), (None, 80)], A: [(2, 70), (None, 60)]}}
        ),
    ),
    regimes=MessageRegimes(
        regimes=(
            MessageRegime(name="a", effective_on=date(2026, 9, 10), tiered=frozenset({U, A})),
            MessageRegime(
                name="b", effective_on=OCTOBER, tiered=frozenset({U, A}), free_service_messages=3
            ),
            MessageRegime(
                name="c",
                effective_on=date(2026, 10, 15),
                tiered=frozenset({U, A}),
                free_service_messages=5,
            ),
        )
    ),
)
"""Cards and regimes that also change within a month, which Meta's never do."""


SOUND = [("Turkey", U), ("Turkey", U), ("Turkey", A), ("Turkey", S), ("Germany", U)]
UNSOUND = [("Germany", A), ("Germany", S), ("Atlantis", U)]


@st.composite
def records(draw: st.DrawFn) -> list[UsageRecord]:
    """Draw records all of which can be priced, or of which one or another perhaps cannot."""
    sound = draw(st.booleans())
    kinds = st.sampled_from(SOUND if sound else SOUND * 6 + UNSOUND)
    first = datetime(2026, 10, 1, 12, tzinfo=UTC) if sound else datetime(2026, 9, 10, tzinfo=UTC)
    days = 35 if sound else 60
    row = st.tuples(st.integers(0, days * 86_400 * 10), kinds, st.booleans(), st.integers(0, 1))
    return [
        UsageRecord(
            id=f"wamid.{place}",
            meter=METER,
            occurred_at=first + timedelta(milliseconds=100 * after),
            market=market,
            category=category,
            billable=billable,
            reference=f"10{number}",
        )
        for place, (after, (market, category), billable, number) in enumerate(
            draw(st.lists(row, min_size=draw(st.sampled_from([0, 1, 15])), max_size=30))
        )
    ]


starts = st.builds(
    lambda charged, service: MessageCounts(
        charged={(OCTOBER, "Turkey", U): charged}, free_service={(OCTOBER, "100"): service}
    ),
    st.integers(0, 8),
    st.integers(0, 7),
)


def priced_or_refused(
    rows: list[UsageRecord], zone: str, counts: MessageCounts
) -> PricedMessages | InvalidInput:
    try:
        return price_many(rows, SMALL, zone, counts)
    except InvalidInput as refusal:
        return refusal


class TestTheLaw:
    @given(records(), st.sampled_from(ZONES), starts)
    def test_columns_are_rows(
        self, rows: list[UsageRecord], zone: str, counts: MessageCounts
    ) -> None:
        """Every amount, tier, count and total is that of one by one, and so is every refusal."""
        columns = MessageColumns.of_records(rows)
        assert len(columns) == len(rows)
        expected = priced_or_refused(rows, zone, counts)
        if isinstance(expected, InvalidInput):
            with pytest.raises(type(expected)) as caught:
                rate_many(columns, SMALL, zone, counts)
            assert str(caught.value) == str(expected)
            return
        found = rate_many(columns, SMALL, zone, counts)
        assert found.units.tolist() == [line.units for line in expected.lines]
        assert found.tier.tolist() == [line.tier or 0 for line in expected.lines]
        assert found.total_units == expected.units
        assert found.money == expected.money
        assert found.counts == expected.counts
        assert sum(line.messages for line in found.lines) == len(rows)

    @pytest.mark.parametrize("zone", ZONES)
    def test_the_local_day_is_the_zone_s(self, zone: str) -> None:
        """Around every clock change of twenty years the card is that of the local date."""
        start = datetime(1999, 1, 1, tzinfo=UTC)
        instants = [start + timedelta(hours=7, minutes=31) * step for step in range(20_000)]
        first = card("old", date(1998, 1, 1), 1)
        days = [date(1998 + n // 12, n % 12 + 1, 1) for n in range(1, 240)]
        cards = [card(f"c{n}", day, n + 2) for n, day in enumerate(days)]
        regime = MessageRegime(name="always", effective_on=date(1998, 1, 1))
        rates = MessageRates(
            cards=RateCards(cards=(first, *cards)), regimes=MessageRegimes(regimes=(regime,))
        )
        rows = [
            UsageRecord(id="m", meter=METER, occurred_at=at, market="Turkey", category=U)
            for at in instants
        ]
        found = rate_many(MessageColumns.of_records(rows), rates, zone)
        assert found.units.tolist() == [line.units for line in price_many(rows, rates, zone).lines]

    @given(st.integers(0, 7_200))
    @example(0)
    def test_a_clock_that_goes_back_over_midnight(self, second: int) -> None:
        """Clocks of St. John's went back at one minute past midnight: a day came twice."""
        at = datetime(2010, 11, 7, 1, 30, tzinfo=UTC) + timedelta(seconds=second)
        regime = MessageRegime(name="always", effective_on=date(2010, 1, 1))
        cards = (card("before", date(2010, 1, 1), 1), card("after", date(2010, 11, 7), 2))
        rates = MessageRates(
            cards=RateCards(cards=cards), regimes=MessageRegimes(regimes=(regime,))
        )
        rows = [
            UsageRecord(
                id="m",
                meter=METER,
                occurred_at=at + timedelta(minutes=30 * step),
                market="Turkey",
                category=U,
            )
            for step in range(8)
        ]
        found = rate_many(MessageColumns.of_records(rows), rates, "America/St_Johns")
        expected = price_many(rows, rates, "America/St_Johns")
        assert found.units.tolist() == [line.units for line in expected.lines]


class TestACardThatChangesWithinAMonth:
    def test_goes_on_with_the_count_of_the_month(self) -> None:
        """Messages count on from card to card, and only the third card has tiers for them."""
        days = [5, 21, 6, 22, 23, 16]
        rows = [
            UsageRecord(
                id="m",
                meter=METER,
                occurred_at=datetime(2026, 10, day, 12, tzinfo=UTC),
                market="Turkey",
                category=A,
            )
            for day in days
        ]
        found = rate_many(MessageColumns.of_records(rows), SMALL, "UTC")
        assert found.units.tolist() == [70, 70, 70, 60, 60, 70]
        assert found.tier.tolist() == [0, 1, 0, 2, 2, 0]
        assert found.counts.tier_at((OCTOBER, "Turkey", A)) == 6


class TestMetaSCards:
    def test_a_month_over_the_edge_of_a_tier(self) -> None:
        """100,002 messages to Germany: two of them at the second tier's rate."""
        size = 100_002
        columns = MessageColumns.encode(
            occurred_at=np.full(size, np.datetime64("2026-10-05T09:00", "us")),
            market=["Germany"] * size,
            category=["utility"] * size,
            billable=np.ones(size, dtype=bool),
        )
        found = rate_many(columns, META, "Europe/Istanbul")
        assert found.total_units == 100_000 * 55_000 + 2 * 52_300
        assert [(line.tier, line.messages, line.units) for line in found.lines] == [
            (1, 100_000, 5_500_000_000),
            (2, 2, 104_600),
        ]
        assert found.units[-3:].tolist() == [55_000, 52_300, 52_300]

    def test_nothing_costs_nothing(self) -> None:
        """No messages are no lines; what was counted stays."""
        counts = MessageCounts(charged={(OCTOBER, "Turkey", U): 5})
        found = rate_many(MessageColumns.of_records([]), META, "UTC", counts)
        assert (found.total_units, found.lines, found.counts) == (0, (), counts)
        assert found.units.tolist() == []


def columns(**change: Any) -> MessageColumns:  # noqa: ANN401
    fields: dict[str, Any] = {
        "occurred_at": np.array(["2026-10-05T09:00"], dtype="datetime64[s]"),
        "market": ["Turkey"],
        "category": ["utility"],
        "billable": [True],
    }
    return MessageColumns.encode(**(fields | change))


class TestRefusals:
    @pytest.mark.parametrize(
        ("change", "field"),
        [
            ({"occurred_at": np.array([1.5])}, "occurred_at"),
            ({"occurred_at": np.array(["NaT"], dtype="datetime64[s]")}, "occurred_at"),
            ({"occurred_at": ["2026-10-05"]}, "occurred_at"),
            ({"occurred_at": np.array([1, 2])}, "occurred_at"),
            ({"market": ["Turkey", "Germany"]}, "market"),
            ({"market": [3]}, "market"),
            ({"category": ["letter"]}, "category"),
            ({"billable": [1]}, "billable"),
            ({"reference": ["1", "2"]}, "reference"),
        ],
        ids=str,
    )
    def test_names_the_column_that_cannot_be_right(
        self, change: dict[str, Any], field: str
    ) -> None:
        """Columns are checked when they are built."""
        with pytest.raises(InvalidInput) as caught:
            columns(**change)
        assert caught.value.field == field

    def test_a_code_has_a_name(self) -> None:
        """Codes that point nowhere are refused."""
        made = columns()
        with pytest.raises(InvalidInput, match="market: 7 has no name"):
            MessageColumns(
                occurred_at=made.occurred_at,
                market=made.market + 7,
                category=made.category,
                billable=made.billable,
                reference=made.reference,
                markets=made.markets,
                references=made.references,
            )

    def test_an_instant_lies_in_the_calendar(self) -> None:
        """What no datetime can hold has no local day."""
        with pytest.raises(InvalidInput, match="out of range"):
            rate_many(columns(occurred_at=np.array([2**62])), META, "UTC")

    def test_names_the_extra_that_is_missing(self) -> None:
        """Without NumPy the module says what to install."""
        script = (
            "import sys\n"
            "sys.modules['numpy'] = None\n"
            "from monochat_billing.errors import MissingExtra\n"
            "try:\n"
            "    import monochat_billing.adapters.columns\n"
            "except MissingExtra as error:\n"
            "    print(error)\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", script], capture_output=True, text=True, check=True
        )
        assert "pip install 'monochat-billing[columns]'" in done.stdout
