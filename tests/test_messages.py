"""Messages: prices by hand over cards, tiers, windows and allowances, and the laws behind them."""

import pickle
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import attrs
import pytest
from hypothesis import given, strategies as st

from monochat_billing.adapters.whatsapp import METER, meta_message_rates
from monochat_billing.errors import InvalidInput, UnknownName
from monochat_billing.message_pricing import (
    MessageRates,
    PlannedMessage,
    predict,
    predict_many,
    price,
    price_many,
)
from monochat_billing.message_regimes import (
    META_REGIMES,
    FreeReason,
    InternationalSender,
    MessageRegime,
    MessageRegimes,
    free_words,
    month_of,
    priced_category,
)
from monochat_billing.message_tiers import CardTiers, MessageCounts, TierLadder
from monochat_billing.message_windows import MessageWindows
from monochat_billing.money import amount_text
from monochat_billing.rating import MessageCategory, UsageRecord, rate_many

ISTANBUL = "Europe/Istanbul"
RATES = meta_message_rates()
OCTOBER = date(2026, 10, 1)
M, U, A, AI, S = (
    MessageCategory.MARKETING,
    MessageCategory.UTILITY,
    MessageCategory.AUTHENTICATION,
    MessageCategory.AUTHENTICATION_INTERNATIONAL,
    MessageCategory.SERVICE,
)
SENDER = InternationalSender(home_market="Turkey", effective_on=date(2026, 9, 15))
LAST, FIRST = "2026-09-30 23:59:59.999999", "2026-10-01 00:00:00"
DAY = "2026-10-05 12:00:00"
NOT_OFFERED = "not offered"

# Category, market, local time in Istanbul, and what is so: t messages charged before in this month,
# market and category; s free service messages used before; w and e hours since the person wrote and
# since an entry was answered; i for a sender with international rates. Then the price, by hand.
BY_HAND: list[tuple[MessageCategory, str, str, dict[str, float | int], str]] = [
    # The base rates of both cards.
    (M, "Turkey", DAY, {}, "0.0109"),
    (U, "Turkey", DAY, {}, "0.0009"),
    (A, "Turkey", DAY, {}, "0.0009"),
    (M, "Germany", DAY, {}, "0.1365"),
    (U, "Germany", DAY, {}, "0.055"),
    (M, "India", DAY, {}, "0.0118"),
    (A, "India", DAY, {}, "0.0014"),
    (AI, "India", DAY, {}, "0.0304"),
    (M, "North America", DAY, {}, "0.025"),
    (U, "North America", DAY, {}, "0.0034"),
    (M, "United Kingdom", DAY, {}, "0.0635"),
    (U, "United Kingdom", DAY, {}, "0.022"),
    (AI, "Indonesia", DAY, {}, "0.136"),
    (M, "Netherlands", DAY, {}, "0.1597"),
    (U, "Colombia", DAY, {}, "0.0008"),
    (AI, "Turkey", DAY, {}, NOT_OFFERED),
    (AI, "Germany", DAY, {}, NOT_OFFERED),
    # The midnight between the cards, in the account's zone.
    (M, "Mexico", LAST, {}, "0.0305"),
    (M, "Mexico", FIRST, {}, "0.0397"),
    (U, "Pakistan", LAST, {}, "0.01"),
    (U, "Pakistan", FIRST, {}, "0.015"),
    (U, "Peru", LAST, {}, "0.02"),
    (U, "Peru", FIRST, {}, "0.03"),
    (M, "Saudi Arabia", LAST, {}, "0.0501"),
    (M, "Saudi Arabia", FIRST, {}, "0.0576"),
    (M, "United Arab Emirates", LAST, {}, "0.0499"),
    (U, "South Africa", LAST, {}, "0.0076"),
    (U, "South Africa", FIRST, {}, "0.0095"),
    (M, "Kazakhstan", FIRST, {}, "0.0604"),
    (AI, "Bangladesh", FIRST, {}, "0.096"),
    (M, "Turkey", LAST, {}, "0.0109"),
    # Volume tiers: the last message of one and the first of the next.
    (U, "Germany", DAY, {"t": 99_999}, "0.055"),
    (U, "Germany", DAY, {"t": 100_000}, "0.0523"),
    (U, "Germany", DAY, {"t": 999_999}, "0.0523"),
    (U, "Germany", DAY, {"t": 1_000_000}, "0.0495"),
    (U, "Germany", DAY, {"t": 80_000_000}, "0.0413"),
    (A, "Germany", DAY, {"t": 100_000}, "0.055"),
    (A, "Germany", DAY, {"t": 300_000}, "0.0523"),
    (U, "Turkey", DAY, {"t": 100_000}, "0.0009"),
    (U, "Turkey", DAY, {"t": 1_000_000}, "0.0008"),
    (A, "Turkey", DAY, {"t": 1_999_999}, "0.0009"),
    (A, "Turkey", DAY, {"t": 2_000_000}, "0.0008"),
    (U, "North America", DAY, {"t": 80_000}, "0.0032"),
    (U, "India", DAY, {"t": 24_999_999}, "0.0014"),
    (U, "India", DAY, {"t": 25_000_000}, "0.0013"),
    (A, "United Kingdom", DAY, {"t": 300_000}, "0.0209"),
    (M, "Germany", DAY, {"t": 90_000_000}, "0.1365"),
    (U, "France", DAY, {"t": 90_000_000}, "0.03"),
    (U, "Germany", LAST, {"t": 90_000_000}, "0.055"),
    # Service messages: free until September, then a thousand for each number and month.
    (S, "Turkey", LAST, {"w": 1}, "CATEGORY"),
    (S, "Turkey", LAST, {"s": 5_000}, "CATEGORY"),
    (S, "Turkey", FIRST, {"w": 1}, "ALLOWANCE"),
    (S, "Turkey", DAY, {"s": 998, "w": 1}, "ALLOWANCE"),
    (S, "Turkey", DAY, {"s": 999, "w": 1}, "ALLOWANCE"),
    (S, "Turkey", DAY, {"s": 1_000, "w": 1}, "0.0009"),
    (S, "Germany", DAY, {"s": 1_000}, "0.055"),
    (S, "Germany", DAY, {"s": 1_000, "t": 9_000_000}, "0.055"),
    (S, "Germany", DAY, {"s": 999}, "ALLOWANCE"),
    # The customer service window: 24 hours, the end excluded.
    (U, "Turkey", LAST, {"w": 1}, "WINDOW"),
    (U, "Turkey", LAST, {"w": 23.999}, "WINDOW"),
    (U, "Turkey", LAST, {"w": 24}, "0.0009"),
    (U, "Turkey", FIRST, {"w": 1}, "0.0009"),
    (M, "Turkey", LAST, {"w": 1}, "0.0109"),
    (A, "Turkey", LAST, {"w": 1}, "0.0009"),
    (A, "Turkey", DAY, {"w": 1}, "0.0009"),
    # The free entry point window: 72 hours from the answer, the end excluded; it frees everything.
    (M, "Germany", LAST, {"e": 0}, "ENTRY_POINT"),
    (M, "Germany", DAY, {"e": 0}, "ENTRY_POINT"),
    (M, "Germany", DAY, {"e": 71.999}, "ENTRY_POINT"),
    (M, "Germany", DAY, {"e": 72}, "0.1365"),
    (U, "Germany", DAY, {"e": 30}, "ENTRY_POINT"),
    (A, "Germany", DAY, {"e": 30}, "ENTRY_POINT"),
    (S, "Germany", DAY, {"e": 30, "s": 1_000}, "ENTRY_POINT"),
    (S, "Germany", DAY, {"e": 72, "s": 1_000}, "0.055"),
    (AI, "Turkey", DAY, {"e": 1}, "ENTRY_POINT"),
    # Authentication of an eligible business whose home is Turkey.
    (A, "India", DAY, {"i": 1}, "0.0304"),
    (A, "Turkey", DAY, {"i": 1}, "0.0009"),
    (A, "Germany", DAY, {"i": 1}, "0.055"),
    (A, "Egypt", LAST, {"i": 1}, "0.065"),
    (U, "India", DAY, {"i": 1}, "0.0014"),
    (A, "India", "2026-09-14 23:59:59", {"i": 1}, "0.0014"),
    (A, "India", "2026-09-15 00:00:00", {"i": 1}, "0.0304"),
]


def local(text: str, zone: str = ISTANBUL) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)


def planned(
    category: MessageCategory, market: str, at: datetime, so: dict[str, float | int]
) -> tuple[PlannedMessage, MessageCounts]:
    windows = MessageWindows()
    if "w" in so:
        windows = windows.received(at - timedelta(hours=so["w"]))
    if "e" in so:
        answered = at - timedelta(hours=so["e"])
        windows = windows.received(answered - timedelta(hours=2), entry_point=True)
        windows = windows.answered(answered)
    month = month_of(at.astimezone(ZoneInfo(ISTANBUL)).date())
    counts = MessageCounts(
        charged={(month, market, category): int(so.get("t", 0))},
        free_service={(month, "106"): int(so.get("s", 0))},
    )
    message = PlannedMessage(
        id="m-1",
        sent_at=at,
        market=market,
        category=category,
        reference="106",
        windows=windows,
    )
    return message, counts


class TestByHand:
    @pytest.mark.parametrize(
        ("category", "market", "at", "so", "expected"),
        BY_HAND,
        ids=[f"{n}-{c}-{m}-{so}" for n, (c, m, _, so, _) in enumerate(BY_HAND)],
    )
    def test_the_price(
        self,
        category: MessageCategory,
        market: str,
        at: str,
        so: dict[str, float | int],
        expected: str,
    ) -> None:
        """Market, category, date, tier, allowance and windows give the price on Meta's card."""
        message, counts = planned(category, market, local(at), so)
        sender = SENDER if "i" in so else None
        if expected == NOT_OFFERED:
            with pytest.raises(InvalidInput, match="is not offered"):
                predict(message, RATES, ISTANBUL, counts, sender=sender)
            return
        line, _ = predict(message, RATES, ISTANBUL, counts, sender=sender)
        assert (line.free.value if line.free else amount_text(line.amount)) == expected

    def test_there_are_enough_of_them(self) -> None:
        """The table is the promise that prices were computed by hand."""
        assert len({(c, m, at, str(so)) for c, m, at, so, _ in BY_HAND}) == len(BY_HAND) > 60

    @pytest.mark.parametrize(
        ("zone", "utc_text", "expected"),
        [
            (ISTANBUL, "2026-09-30T20:59:59", "CATEGORY"),
            (ISTANBUL, "2026-09-30T21:00:00", "ALLOWANCE"),
            ("UTC", "2026-09-30T23:59:59", "CATEGORY"),
            ("UTC", "2026-10-01T00:00:00", "ALLOWANCE"),
            ("America/New_York", "2026-10-01T03:59:59", "CATEGORY"),
            ("America/New_York", "2026-10-01T04:00:00", "ALLOWANCE"),
            ("Asia/Kolkata", "2026-09-30T18:29:59", "CATEGORY"),
            ("Asia/Kolkata", "2026-09-30T18:30:00", "ALLOWANCE"),
        ],
    )
    def test_midnight_is_the_account_s(self, zone: str, utc_text: str, expected: str) -> None:
        """A regime begins with the account's own day."""
        at = datetime.fromisoformat(utc_text).replace(tzinfo=UTC)
        message, _ = planned(S, "Turkey", at, {})
        line, _ = predict(message, RATES, zone)
        assert line.free
        assert line.free.value == expected


def record(number: int = 1, **change: Any) -> UsageRecord:  # noqa: ANN401
    fields: dict[str, Any] = {
        "id": f"wamid.{number}",
        "meter": METER,
        "occurred_at": local(DAY) + timedelta(seconds=number),
        "market": "Germany",
        "category": U,
        "reference": "106",
    }
    return UsageRecord(**(fields | change))


class TestTheCounts:
    def test_a_month_starts_at_zero(self) -> None:
        """Tiers and free messages are of a calendar month in the account's zone."""
        counts = MessageCounts(
            charged={(OCTOBER, "Germany", U): 100_000}, free_service={(OCTOBER, "106"): 1000}
        )
        last, first = local("2026-10-31 23:59:59"), local("2026-11-01 00:00:00")
        line, _ = price(record(occurred_at=last), RATES, ISTANBUL, counts)
        assert (line.tier, line.units) == (2, 52_300)
        line, after = price(record(occurred_at=first), RATES, ISTANBUL, counts)
        assert (line.tier, line.units) == (1, 55_000)
        assert after.months() == (OCTOBER, date(2026, 11, 1))
        free, _ = predict(planned(S, "Turkey", first, {})[0], RATES, ISTANBUL, counts)
        assert free.free is FreeReason.ALLOWANCE

    def test_only_charged_messages_are_counted(self) -> None:
        """What is free moves no tier; markets and categories are counted apart."""
        records = [
            record(1),
            record(2, billable=False),
            record(3),
            record(4, category=A),
            record(5, market="Turkey"),
        ]
        found = price_many(records, RATES, ISTANBUL)
        assert dict(found.counts.charged) == {
            (OCTOBER, "Germany", U): 2,
            (OCTOBER, "Germany", A): 1,
            (OCTOBER, "Turkey", U): 1,
        }

    def test_the_thousandth_and_the_next(self) -> None:
        """A thousand of a number are free, the next is not, another number's is."""
        at = local(DAY)
        messages = [
            PlannedMessage(id=str(n), sent_at=at, market="Turkey", category=S, reference=number)
            for n, number in enumerate(["106"] * 1001 + ["107"])
        ]
        lines = predict_many(messages, RATES, ISTANBUL).lines
        assert [line.units for line in lines] == [0] * 1000 + [900, 0]
        assert lines[999].explain() == (
            "999: service, Turkey, 2026-10-05: free by the month's allowance, 1000/1000 "
            "(meta-usd-2026-10-01)"
        )
        assert lines[1000].explain("tr") == (
            "1000: hizmet, Türkiye, 05.10.2026: $0,0009 (meta-usd-2026-10-01)"
        )

    def test_the_provider_s_flag_wins(self) -> None:
        """A flag decides against windows and allowance, and what we count follows it."""
        line, after = price(record(category=S), RATES, ISTANBUL)
        assert line.units == 55_000
        assert after.service_at((OCTOBER, "106")) == 1000
        line, after = price(record(category=S, billable=False), RATES, ISTANBUL)
        assert (line.units, line.free) == (0, FreeReason.PROVIDER)
        assert after.service_at((OCTOBER, "106")) == 1
        full = MessageCounts(free_service={(OCTOBER, "106"): 1000})
        _, after = price(record(category=S, billable=False), RATES, ISTANBUL, full)
        assert after.service_at((OCTOBER, "106")) == 1000

    def test_an_entry_point_leaves_the_allowance(self) -> None:
        """What an entry point frees uses up none of the month's free messages."""
        message, counts = planned(S, "Turkey", local(DAY), {"e": 1, "s": 10})
        _, after = predict(message, RATES, ISTANBUL, counts)
        assert after == counts

    def test_free_is_not_offered_either(self) -> None:
        """A free record needs no rate, and none that is charged is free for want of one."""
        line, _ = price(record(category=AI, billable=False), RATES, ISTANBUL)
        assert line.units == 0
        with pytest.raises(InvalidInput, match="is not offered in Germany"):
            price(record(category=AI), RATES, ISTANBUL)
        with pytest.raises(UnknownName, match="Atlantis"):
            price(record(market="Atlantis"), RATES, ISTANBUL)
        with pytest.raises(InvalidInput, match="seat"):
            price(record(meter="seat"), RATES, ISTANBUL)
        with pytest.raises(InvalidInput, match="before the first"):
            price(record(occurred_at=datetime(2025, 6, 1, tzinfo=UTC)), RATES, ISTANBUL)


RATED_MARKETS = ("Turkey", "Germany", "India", "North America")
small = MessageRates(
    cards=RATES.cards,
    tiers=(
        CardTiers(
            card="meta-usd-2026-10-01",
            rates={
                "Turkey": {U: [(3, 900), (7, 800), (None, 700)], A: [(2, 900), (None, 100)]},
                "Germany": {U: [(5, 55_000), (None, 40_000)]},
            },
        ),
    ),
)


@st.composite
def records(draw: st.DrawFn) -> list[UsageRecord]:
    rows = draw(
        st.lists(
            st.tuples(
                st.integers(0, 70 * 86_400),
                st.sampled_from(RATED_MARKETS),
                st.sampled_from([M, U, A]),
                st.booleans(),
            ),
            max_size=40,
        )
    )
    start = datetime(2026, 9, 20, tzinfo=UTC)
    return [
        record(
            n,
            occurred_at=start + timedelta(seconds=after),
            market=market,
            category=category,
            billable=billable,
        )
        for n, (after, market, category, billable) in enumerate(rows)
    ]


class TestTheLaws:
    @given(records())
    def test_over_tiers_a_month_is_the_closed_form(self, rows: list[UsageRecord]) -> None:
        """One by one, in any order, a month's messages cost what their number costs at once."""
        found = price_many(rows, small, ISTANBUL)
        closed = 0
        for (month, market, category), count in found.counts.charged.items():
            card = small.cards.in_force(month)
            regime = small.regimes.in_force(month)
            ladder = small.ladder(card, market, category, regime)
            rate = small.rate_of(card, market, category)
            closed += count * rate if ladder is None else ladder.cost(0, count)
        assert found.units == closed
        assert price_many(rows[::-1], small, ISTANBUL).units == closed

    @given(records(), st.integers(0, 40))
    def test_batches_thread_their_counts(self, rows: list[UsageRecord], cut: int) -> None:
        """However messages are cut into batches, each has the same line."""
        first = price_many(rows[:cut], small, ISTANBUL)
        second = price_many(rows[cut:], small, ISTANBUL, first.counts)
        whole = price_many(rows, small, ISTANBUL)
        assert first.lines + second.lines == whole.lines
        assert second.counts == whole.counts

    @given(records())
    def test_without_tiers_it_is_the_base_rate(self, rows: list[UsageRecord]) -> None:
        """Within a tier rating is additive: it is `rating.rate_many`."""
        plain = MessageRates(cards=RATES.cards)
        lines = rate_many(rows, RATES.cards, ISTANBUL)
        found = price_many(rows, plain, ISTANBUL).lines
        assert [line.units for line in found] == [line.units for line in lines]

    @given(
        st.lists(st.integers(1, 1000), min_size=1, max_size=6, unique=True),
        st.lists(st.integers(1, 10**6), min_size=7, max_size=7),
        st.integers(0, 1500),
        st.integers(0, 1500),
        st.integers(0, 1500),
    )
    def test_a_ladder_adds_up(
        self, tops: list[int], rates: list[int], before: int, one: int, other: int
    ) -> None:
        """Steps are additive, and each message has the rate of the tier that it lies in."""
        ladder = TierLadder((*sorted(tops), None), tuple(rates[: len(tops) + 1]))
        whole = ladder.cost(before, one + other)
        assert whole == ladder.cost(before, one) + ladder.cost(before + one, other)
        numbers = range(before + 1, before + one + 1)
        assert ladder.cost(before, one) == sum(ladder.rates[ladder.tier_at(n) - 1] for n in numbers)
        assert whole <= (one + other) * ladder.highest

    @given(hours=st.integers(0, 200), after=st.integers(0, 200), entry=st.booleans())
    def test_windows_are_half_open(self, *, hours: int, after: int, entry: bool) -> None:
        """The state says at every hour what the two rules say."""
        start = datetime(2026, 10, 5, tzinfo=UTC)
        answer = start + timedelta(hours=hours)
        state = MessageWindows().received(start, entry_point=entry).answered(answer)
        at = start + timedelta(hours=after)
        assert state.in_window(at) == (after < 24)
        opened = entry and hours < 24
        assert state.in_entry_point(at) == (opened and hours <= after < hours + 72)
        assert (state.entry_point_until is not None) == opened


class TestWindows:
    start = datetime(2026, 10, 5, 9, tzinfo=UTC)

    def test_a_further_message_opens_the_window_anew(self) -> None:
        """24 hours from the last message; the entry point's 72 hours are not prolonged."""
        state = MessageWindows().received(self.start, entry_point=True)
        state = state.answered(self.start + timedelta(hours=1))
        state = state.received(self.start + timedelta(hours=20), entry_point=True)
        state = state.answered(self.start + timedelta(hours=21))
        assert state.window_until == self.start + timedelta(hours=44)
        assert state.entry_point_until == self.start + timedelta(hours=73)

    def test_an_entry_after_the_window_opens_another(self) -> None:
        """Once a window has ended, a new entry and its answer open a new one."""
        state = MessageWindows().received(self.start, entry_point=True).answered(self.start)
        again = self.start + timedelta(hours=72)
        state = state.received(again, entry_point=True).answered(again + timedelta(hours=1))
        assert state.entry_point_until == again + timedelta(hours=73)

    def test_an_answer_without_an_entry_changes_nothing(self) -> None:
        """An ordinary conversation has no free entry point."""
        state = MessageWindows().received(self.start)
        assert state.answered(self.start) == state

    def test_refuses_an_answer_before_its_entry(self) -> None:
        """Messages of an entry are told in their order; instants have a zone."""
        state = MessageWindows().received(self.start, entry_point=True)
        with pytest.raises(InvalidInput, match="before the entry"):
            state.answered(self.start - timedelta(seconds=1))
        with pytest.raises(InvalidInput, match="no time zone"):
            state.received(datetime(2026, 10, 5))  # noqa: DTZ001 - the subject
        with pytest.raises(InvalidInput, match="no time zone"):
            MessageWindows(received_at=datetime(2026, 10, 5))  # noqa: DTZ001 - the subject


NAIVE = datetime(2026, 1, 1)  # noqa: DTZ001 - the subject
REFUSED: list[tuple[Callable[[], object], str]] = [
    (lambda: MessageRegime(name=" ", effective_on=OCTOBER), "name"),
    (lambda: MessageRegime(name="x", effective_on=local(DAY)), "effective_on"),
    (lambda: MessageRegime(name="x", effective_on=OCTOBER, free_service_messages=-1), "free_"),
    (lambda: MessageRegimes(regimes=()), "regimes"),
    (lambda: MessageRegimes(regimes=(*META_REGIMES.regimes, META_REGIMES.regimes[0])), "regimes"),
    (lambda: META_REGIMES.in_force(date(2025, 6, 30)), "on"),
    (lambda: InternationalSender(home_market="Turkey", effective_on=local(DAY)), "effective_on"),
    (lambda: free_words(FreeReason.WINDOW, "de"), "locale"),
    (lambda: price(record(), RATES, ISTANBUL)[0].explain("de"), "locale"),
    (lambda: TierLadder((5,), (1,)), "tiers"),
    (lambda: TierLadder((5, None), (1,)), "tiers"),
    (lambda: TierLadder((5, 5, None), (1, 1, 1)), "tiers"),
    (lambda: TierLadder((None,), (0,)), "tiers"),
    (lambda: CardTiers(card="c", rates=[]), "rates"),
    (lambda: MessageCounts(charged={(OCTOBER, "Turkey", U): -1}), "counts"),
    (lambda: MessageRates(cards=RATES.cards, tiers=(CardTiers(card="x", rates={}),)), "tiers"),
    (lambda: MessageRates(cards=RATES.cards, tiers=RATES.tiers * 2), "tiers"),
    (lambda: attrs.evolve(planned(U, "Turkey", local(DAY), {})[0], sent_at=NAIVE), "sent_at"),
]


class TestValues:
    @pytest.mark.parametrize(("build", "field"), REFUSED, ids=map(str, range(len(REFUSED))))
    def test_names_what_cannot_be_right(self, build: Callable[[], object], field: str) -> None:
        """Each refusal names its field."""
        with pytest.raises(InvalidInput) as caught:
            build()
        assert caught.value.field.startswith(field)

    def test_survive_pickling(self) -> None:
        """Rates, counts and lines cross a process pool."""
        found = price_many([record()], RATES, ISTANBUL)
        assert pickle.loads(pickle.dumps((RATES.tiers, found))) == (RATES.tiers, found)  # noqa: S301

    def test_say_it_in_two_languages(self) -> None:
        """A line names what was counted, the tier and the card."""
        counts = MessageCounts(charged={(OCTOBER, "Germany", U): 100_000})
        line, _ = price(record(), RATES, ISTANBUL, counts)
        assert str(line) == (
            "wamid.1: utility, Germany, 2026-10-05: message 100,001 of the month, tier 2: "
            "$0.0523 (meta-usd-2026-10-01)"
        )
        assert line.explain("tr") == (
            "wamid.1: bilgilendirme, Almanya, 05.10.2026: ayın 100.001. mesajı, kademe 2: "
            "$0,0523 (meta-usd-2026-10-01)"
        )
        free, _ = price(record(billable=False), RATES, ISTANBUL)
        assert free.explain("tr") == (
            "wamid.1: bilgilendirme, Almanya, 05.10.2026: sağlayıcının işaretiyle ücretsiz "
            "(meta-usd-2026-10-01)"
        )

    def test_every_printed_tier_begins_at_the_card_s_rate(self) -> None:
        """The first tier of Meta's file is the card's own rate, and none is dearer."""
        card = RATES.cards.cards[-1]
        ladders = [
            (card.units_for(market, category), ladder)
            for market, row in RATES.tiers[0].rates.items()
            for category, ladder in row.items()
        ]
        assert len(ladders) == 12
        assert all(base == ladder.rates[0] == ladder.highest for base, ladder in ladders)

    def test_a_market_without_an_international_rate_keeps_the_plain_one(self) -> None:
        """Turkey has no international rate, so an eligible business pays the plain one there."""
        card = RATES.cards.cards[-1]
        sender = InternationalSender(home_market="India", effective_on=OCTOBER)
        assert priced_category(A, "Turkey", card, on=OCTOBER, sender=sender) is A
        assert priced_category(A, "Egypt", card, on=OCTOBER, sender=sender) is AI
