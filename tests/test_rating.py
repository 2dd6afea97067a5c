"""Rating: dated rate cards, which card rules a record, and what a record costs."""

import copy
import decimal
import pickle
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

import attrs
import pytest
from hypothesis import given, strategies as st

from monochat_billing.errors import InvalidInput, UnknownName
from monochat_billing.money import money
from monochat_billing.rating import (
    MessageCategory,
    RateCard,
    RateCards,
    RatedLine,
    UsageRecord,
    rate,
    rate_many,
)

ISTANBUL = "Europe/Istanbul"
RATES: dict[str, dict[MessageCategory, int | None]] = {
    "Turkey": {
        MessageCategory.MARKETING: 10_900,
        MessageCategory.UTILITY: 900,
        MessageCategory.SERVICE: None,
    },
    "Germany": {MessageCategory.MARKETING: 136_500},
}


def card(name: str = "october", day: date = date(2026, 10, 1), **change: Any) -> RateCard:  # noqa: ANN401
    fields: dict[str, Any] = {"meter": "m", "currency": "USD", "rates": RATES} | change
    return RateCard(name=name, effective_on=day, **fields)


def record(**change: Any) -> UsageRecord:  # noqa: ANN401
    fields: dict[str, Any] = {
        "id": "wamid.1",
        "meter": "m",
        "occurred_at": datetime(2026, 10, 5, 9, tzinfo=UTC),
        "market": "Turkey",
        "category": MessageCategory.MARKETING,
    }
    return UsageRecord(**(fields | change))


@pytest.fixture
def cards() -> RateCards:
    july = {"Turkey": {MessageCategory.MARKETING: 10_000, MessageCategory.UTILITY: 800}}
    return RateCards(cards=(card(), card("july", date(2026, 7, 1), rates=july)))


seconds = st.integers(0, 4 * 366 * 86_400)
instants = seconds.map(lambda after: datetime(2026, 7, 2, tzinfo=UTC) + timedelta(seconds=after))
zones = st.sampled_from(
    [ISTANBUL, "UTC", "America/New_York", "Pacific/Kiritimati", "Pacific/Pago_Pago", "Asia/Kolkata"]
)


class TestRateCard:
    @pytest.mark.parametrize(
        ("change", "field"),
        [
            ({"name": " "}, "name"),
            ({"meter": ""}, "meter"),
            ({"currency": "usd"}, "currency"),
            ({"currency": "QQQ"}, "currency"),
            ({"effective_on": datetime(2026, 10, 1, tzinfo=UTC)}, "effective_on"),
            ({"effective_on": "2026-10-01"}, "effective_on"),
            ({"rates": {}}, "rates"),
            ({"rates": [("Turkey", {})]}, "rates"),
            ({"rates": {"": {}}}, "rates"),
            ({"rates": {"Turkey": None}}, "rates[Turkey]"),
            ({"rates": {"Turkey": {"letter": 1}}}, "rates[Turkey]"),
            ({"rates": {"Turkey": {"utility": 0}}}, "rates[Turkey][utility]"),
            ({"rates": {"Turkey": {"utility": -900}}}, "rates[Turkey][utility]"),
            ({"rates": {"Turkey": {"utility": 10**12 + 1}}}, "rates[Turkey][utility]"),
            ({"rates": {"Turkey": {"utility": True}}}, "rates[Turkey][utility]"),
            ({"rates": {"Turkey": {"utility": "0.0009"}}}, "rates[Turkey][utility]"),
        ],
        ids=str,
    )
    def test_names_what_cannot_be_right(self, change: dict[str, Any], field: str) -> None:
        """A card that could misprice is refused when it is made."""
        with pytest.raises(InvalidInput) as caught:
            attrs.evolve(card(), **change)
        assert caught.value.field == field

    def test_is_closed_to_later_changes(self) -> None:
        """Neither the caller's dict nor the card's own mapping is a way to change a rate."""
        mine: dict[str, dict[MessageCategory, int | None]] = {
            "Turkey": {MessageCategory.UTILITY: 900}
        }
        made = card(rates=mine)
        mine["Turkey"][MessageCategory.UTILITY] = 1
        mine["Germany"] = {}
        assert made.units_for("Turkey", MessageCategory.UTILITY) == 900
        assert list(made.rates) == ["Turkey"]
        with pytest.raises(TypeError):
            made.rates["Turkey"][MessageCategory.UTILITY] = 1  # type: ignore[index]

    def test_survives_pickling_and_copying(self) -> None:
        """A card crosses a process pool and a deep copy, equal to itself."""
        made = card(source="somewhere")
        assert pickle.loads(pickle.dumps(made)) == made  # noqa: S301 - our own bytes
        assert copy.deepcopy(made) == made
        assert hash(copy.copy(made)) == hash(made)

    def test_does_not_offer_what_it_leaves_out(self) -> None:
        """None and a missing category both mean not offered; a missing market is an error."""
        assert card().units_for("Turkey", MessageCategory.SERVICE) is None
        assert card().units_for("Germany", MessageCategory.UTILITY) is None
        with pytest.raises(UnknownName, match="'Atlantis' is not on the rate card october"):
            card().units_for("Atlantis", MessageCategory.UTILITY)


class TestRateCards:
    def test_refuses_none(self) -> None:
        """A history of nothing prices nothing."""
        with pytest.raises(InvalidInput, match="empty"):
            RateCards(cards=())

    @pytest.mark.parametrize(
        ("other", "problem"),
        [
            (card("again"), "same day"),
            (card("october", date(2026, 11, 1)), "name twice"),
            (card("lira", date(2026, 11, 1), currency="TRY"), "TRY"),
            (card("seats", date(2026, 11, 1), meter="seat"), "seat"),
        ],
        ids=["overlap", "name", "currency", "meter"],
    )
    def test_refuses_cards_that_overlap_or_differ(self, other: RateCard, problem: str) -> None:
        """Which card rules a day must have one answer, in one currency."""
        with pytest.raises(InvalidInput, match=problem):
            RateCards(cards=(card(), other))
        with pytest.raises(InvalidInput, match=problem):
            RateCards(cards=(card(),)).with_card(other)

    @given(
        st.lists(st.dates(date(2020, 1, 1), date(2030, 1, 1)), min_size=1, max_size=6, unique=True),
        st.dates(date(2019, 1, 1), date(2031, 1, 1)),
    )
    def test_the_latest_card_not_after_the_day_rules(self, days: list[date], on: date) -> None:
        """A card rules from its own day until the day before the next one's."""
        history = RateCards(cards=tuple(card(day.isoformat(), day) for day in days))
        begun = [day for day in days if day <= on]
        if begun:
            assert history.in_force(on).effective_on == max(begun)
        else:
            with pytest.raises(InvalidInput, match="before the first rate card"):
                history.in_force(on)

    def test_with_card_leaves_the_history_as_it_was(self, cards: RateCards) -> None:
        """Adding a card gives a new history."""
        longer = cards.with_card(card("january", date(2027, 1, 1)))
        assert [each.name for each in cards.cards] == ["july", "october"]
        assert [each.name for each in longer.cards] == ["july", "october", "january"]
        assert (longer.currency, longer.meter) == ("USD", "m")
        assert longer.in_force(date(2027, 1, 1)).name == "january"


class TestUsageRecord:
    def test_keeps_its_instant_in_utc(self) -> None:
        """An aware instant of any zone is the same instant in UTC."""
        local = datetime(2026, 10, 1, 2, tzinfo=timezone(timedelta(hours=3)))
        made = record(occurred_at=local)
        assert made.occurred_at == local
        assert made.occurred_at.tzinfo is UTC

    def test_refuses_a_naive_instant(self) -> None:
        """A record without a zone has no local date."""
        with pytest.raises(InvalidInput, match="occurred_at"):
            record(occurred_at=datetime(2026, 10, 1))  # noqa: DTZ001 - the subject

    def test_refuses_an_empty_id(self) -> None:
        """What has no id cannot be charged once."""
        with pytest.raises(InvalidInput, match="id: ''"):
            record(id="")

    def test_has_no_field_for_a_recipient(self) -> None:
        """A record carries market and message id, never whom the message went to."""
        assert {field.name for field in attrs.fields(UsageRecord)} == {
            "id",
            "meter",
            "occurred_at",
            "market",
            "category",
            "billable",
            "reference",
        }


class TestRate:
    @pytest.mark.parametrize(
        ("occurred_at", "zone", "name"),
        [
            ("2026-09-30T20:59:59+00:00", ISTANBUL, "july"),
            ("2026-09-30T21:00:00+00:00", ISTANBUL, "october"),
            ("2026-09-30T23:59:59+00:00", "UTC", "july"),
            ("2026-10-01T00:00:00+00:00", "UTC", "october"),
            ("2026-10-01T03:59:59+00:00", "America/New_York", "july"),
            ("2026-10-01T04:00:00+00:00", "America/New_York", "october"),
        ],
    )
    def test_the_local_midnight_decides(
        self, cards: RateCards, occurred_at: str, zone: str, name: str
    ) -> None:
        """The last second of the old day is the old card's, in the zone that was named."""
        line = rate(record(occurred_at=datetime.fromisoformat(occurred_at)), cards, zone)
        assert line.card == name
        assert line.units == {"july": 10_000, "october": 10_900}[name]

    def test_says_what_it_did(self, cards: RateCards) -> None:
        """A line carries units, currency, rate and card, and explains itself."""
        line = rate(record(reference="106"), cards, ISTANBUL)
        assert (line.record_id, line.units, line.currency, line.rate, line.card) == (
            "wamid.1",
            10_900,
            "USD",
            "0.0109",
            "october",
        )
        assert line.reference == "106"
        assert line.amount == money("0.0109", "USD")
        assert line.explain() == (
            "wamid.1: marketing, Turkey, 2026-10-05: 1 x 0.0109 USD = 0.0109 USD (october)"
        )

    def test_is_free_when_the_provider_says_so(self, cards: RateCards) -> None:
        """A record that is not billable costs nothing, even where nothing is offered."""
        free = record(billable=False, category=MessageCategory.SERVICE)
        line = rate(free, cards, ISTANBUL)
        assert (line.units, line.rate) == (0, "0")
        assert line.explain() == (
            "wamid.1: service, Turkey, 2026-10-05: free by the provider's flag (october)"
        )

    @pytest.mark.parametrize(
        ("change", "error", "words"),
        [
            ({"category": MessageCategory.SERVICE}, InvalidInput, "not offered in Turkey"),
            ({"market": "Atlantis"}, UnknownName, "'Atlantis'"),
            ({"meter": "seat"}, InvalidInput, "'seat'"),
            ({"occurred_at": datetime(2026, 6, 30, tzinfo=UTC)}, InvalidInput, "2026-06-30"),
        ],
        ids=["not offered", "market", "meter", "too early"],
    )
    def test_refuses_what_it_cannot_price(
        self, cards: RateCards, change: dict[str, Any], error: type[InvalidInput], words: str
    ) -> None:
        """No rate is never a rate of zero."""
        with pytest.raises(error, match=words):
            rate(record(**change), cards, ISTANBUL)
        with pytest.raises(error, match=words):
            rate_many([record(), record(**change)], cards, ISTANBUL)

    def test_refuses_an_unknown_zone(self, cards: RateCards) -> None:
        """A zone is an IANA name."""
        with pytest.raises(InvalidInput, match="zone"):
            rate(record(), cards, "Istanbul")

    @given(instants, zones)
    def test_agrees_with_the_calendar(self, at: datetime, zone: str) -> None:
        """The line's day is the local date, and the card the last one begun by then."""
        history = RateCards(cards=(card(), card("july", date(2026, 7, 1))))
        line = rate(record(occurred_at=at), history, zone)
        assert line.rated_on == at.astimezone(ZoneInfo(zone)).date()
        assert line.card == ("october" if line.rated_on >= date(2026, 10, 1) else "july")

    @given(st.integers(1, 10**12))
    def test_rate_and_amount_are_exact_in_any_decimal_context(self, units: int) -> None:
        """The text, the money and the units of a line are one number."""
        history = RateCards(cards=(card(rates={"Turkey": {MessageCategory.MARKETING: units}}),))
        with decimal.localcontext(prec=2, rounding=decimal.ROUND_UP):
            line = rate(record(), history, "UTC")
            text, amount = line.rate, line.amount
        with decimal.localcontext(prec=40):
            exact = decimal.Decimal(units) / 10**6
            assert (line.units, decimal.Decimal(text), amount.amount) == (units, exact, exact)
        assert not text.endswith(".")

    @given(
        st.lists(
            st.tuples(
                instants,
                st.sampled_from(
                    [
                        ("Turkey", MessageCategory.MARKETING),
                        ("Turkey", MessageCategory.UTILITY),
                        ("Germany", MessageCategory.MARKETING),
                    ]
                ),
                st.booleans(),
            ),
            max_size=20,
        ),
        zones,
    )
    def test_many_are_each_one(
        self, facts: list[tuple[datetime, tuple[str, MessageCategory], bool]], zone: str
    ) -> None:
        """A batch rates every record as alone, in order, and its total is additive."""
        history = RateCards(cards=(card(), card("july", date(2026, 7, 1))))
        records = [
            record(
                id=f"wamid.{at}", occurred_at=when, market=market, category=category, billable=yes
            )
            for at, (when, (market, category), yes) in enumerate(facts)
        ]
        lines = rate_many(records, history, zone)
        assert lines == tuple(rate(one, history, zone) for one in records)
        expected = 0
        for _, (market, category), billable in facts:
            row: Mapping[MessageCategory, int | None] = RATES[market]
            expected += (row[category] or 0) * billable
        assert sum(line.units for line in lines) == expected

    def test_a_line_survives_pickling(self, cards: RateCards) -> None:
        """Lines come back from a process pool."""
        line = rate(record(), cards, ISTANBUL)
        back = pickle.loads(pickle.dumps(line))  # noqa: S301 - our own bytes
        assert isinstance(back, RatedLine)
        assert back == line
