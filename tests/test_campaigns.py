"""Campaigns: estimates by hand, never below what is then charged, and the affordable edge."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given, strategies as st

from monochat_billing.adapters.whatsapp import METER, meta_message_rates
from monochat_billing.campaigns import (
    Affordable,
    CampaignPart,
    Coverage,
    affordable,
    estimate,
)
from monochat_billing.errors import InvalidInput, UnknownName
from monochat_billing.message_pricing import (
    MessageRates,
    PlannedMessage,
    predict_many,
    price_many,
)
from monochat_billing.message_regimes import FreeReason, InternationalSender
from monochat_billing.message_tiers import CardTiers, MessageCounts
from monochat_billing.money import from_units, money
from monochat_billing.rating import MessageCategory, UsageRecord

ISTANBUL = "Europe/Istanbul"
RATES = meta_message_rates()
OCTOBER, DAY, SEPTEMBER = date(2026, 10, 1), date(2026, 10, 5), date(2026, 9, 20)
M, U, A, AI, S = (
    MessageCategory.MARKETING,
    MessageCategory.UTILITY,
    MessageCategory.AUTHENTICATION,
    MessageCategory.AUTHENTICATION_INTERNATIONAL,
    MessageCategory.SERVICE,
)
SMALL = MessageRates(
    cards=RATES.cards,
    tiers=(
        CardTiers(
            card="meta-usd-2026-10-01",
            rates={
                "Turkey": {U: [(5, 900), (20, 800), (None, 700)]},
                "Germany": {U: [(3, 55_000), (None, 40_000)], A: [(2, 60_000), (None, 1)]},
            },
        ),
    ),
)


def part(category: MessageCategory, messages: int, **change: object) -> CampaignPart:
    fields: dict[str, object] = {"market": "Turkey", "reference": "106"} | change
    return CampaignPart(category=category, messages=messages, **fields)  # type: ignore[arg-type]


@st.composite
def parts(draw: st.DrawFn) -> list[CampaignPart]:
    found = []
    for _ in range(draw(st.integers(0, 4))):
        messages = draw(st.integers(0, 12))
        inside = draw(st.integers(0, messages))
        found.append(
            CampaignPart(
                market=draw(st.sampled_from(["Turkey", "Germany", "India"])),
                category=draw(st.sampled_from([M, U, A, S])),
                messages=messages,
                in_window=inside,
                in_entry_point=draw(st.integers(0, messages - inside)),
                reference=draw(st.sampled_from(["106", "107"])),
            )
        )
    return found


positions = st.builds(
    lambda utility, auth, service: MessageCounts(
        charged={(OCTOBER, "Turkey", U): utility, (OCTOBER, "Germany", A): auth},
        free_service={(OCTOBER, "106"): service},
    ),
    st.integers(0, 30),
    st.integers(0, 5),
    st.sampled_from([0, 980, 995, 1000, 1200]),
)


def one_by_one(mix: list[CampaignPart], repeats: int, counts: MessageCounts, on: date = DAY) -> int:
    """Send a mix message by message, each with the windows that its part counts."""
    sent_at = datetime(on.year, on.month, on.day, 12, tzinfo=UTC)
    messages = []
    for _ in range(repeats):
        for one in mix:
            for place in range(one.messages):
                message = PlannedMessage(
                    id="m",
                    sent_at=sent_at,
                    market=one.market,
                    category=one.category,
                    reference=one.reference,
                )
                windows = message.windows
                if place < one.in_entry_point:
                    windows = windows.received(sent_at, entry_point=True).answered(sent_at)
                elif place < one.in_entry_point + one.in_window:
                    windows = windows.received(sent_at)
                messages.append(
                    PlannedMessage(
                        id="m",
                        sent_at=sent_at,
                        market=one.market,
                        category=one.category,
                        reference=one.reference,
                        windows=windows,
                    )
                )
    return predict_many(messages, SMALL, ISTANBUL, counts).units


class TestTheLaws:
    @given(parts(), positions, st.sampled_from([DAY, SEPTEMBER]))
    def test_the_expected_cost_is_the_sum_of_its_messages(
        self, mix: list[CampaignPart], counts: MessageCounts, on: date
    ) -> None:
        """The closed form is what the same messages cost one by one."""
        found = estimate(mix, SMALL, on=on, counts=counts)
        assert found.expected_units == one_by_one(mix, 1, counts, on)
        assert sum(line.messages for line in found.lines) == sum(one.messages for one in mix)
        assert sum(line.messages for line in found.worst_lines) == sum(o.messages for o in mix)

    @given(parts(), positions, st.data())
    def test_the_worst_case_is_never_below_what_they_then_cost(
        self, mix: list[CampaignPart], counts: MessageCounts, data: st.DataObject
    ) -> None:
        """Whatever arrives, is flagged free, was counted before, or falls into another month."""
        worst = estimate(mix, SMALL, on=DAY, counts=counts).worst_units
        start = datetime(2026, 10, 1, tzinfo=UTC)
        records = []
        for one in mix:
            for _ in range(one.messages):
                if not data.draw(st.booleans(), label="delivered"):
                    continue
                records.append(
                    UsageRecord(
                        id="m",
                        meter=METER,
                        occurred_at=start + timedelta(days=data.draw(st.integers(0, 80))),
                        market=one.market,
                        category=one.category,
                        billable=data.draw(st.booleans(), label="billable"),
                        reference=one.reference,
                    )
                )
        order = data.draw(st.permutations(records))
        later = data.draw(positions)
        assert price_many(order, SMALL, ISTANBUL, later).units <= worst
        assert estimate(mix, SMALL, on=DAY, counts=later).expected_units <= worst

    @given(parts(), positions, st.integers(0, 600_000))
    def test_the_affordable_fits_and_one_more_does_not(
        self, mix: list[CampaignPart], counts: MessageCounts, micro: int
    ) -> None:
        """Exact at the edge, message by message."""
        at_most = 12
        amount = from_units(micro, "USD")
        found = affordable(mix, amount, SMALL, on=DAY, counts=counts, at_most=at_most)
        assert found.units == one_by_one(mix, found.repeats, counts)
        assert found.units <= micro
        if found.repeats < at_most:
            assert found.next_units == one_by_one(mix, found.repeats + 1, counts)
            assert found.next_units > micro
        else:
            assert found.next_units is None

    @given(parts(), positions, st.integers(0, 400_000), st.integers(0, 400_000))
    def test_more_money_never_sends_less(
        self, mix: list[CampaignPart], counts: MessageCounts, one: int, other: int
    ) -> None:
        """The affordable count is monotone in the amount."""

        def repeats(micro: int) -> int:
            amount = from_units(micro, "USD")
            return affordable(mix, amount, SMALL, on=DAY, counts=counts, at_most=100).repeats

        low, high = sorted((one, other))
        assert repeats(low) <= repeats(high)


class TestByHand:
    def test_a_campaign_over_tiers_and_windows(self) -> None:
        """99,000 were charged before: 1,000 remain in the first tier."""
        counts = MessageCounts(charged={(OCTOBER, "Germany", U): 99_000})
        mix = [
            part(U, 3_000, market="Germany", in_window=500, in_entry_point=200),
            part(M, 1_000, delivered="0.95"),
        ]
        found = estimate(mix, RATES, on=DAY, counts=counts)
        # 2,800 x: 1,000 at 0.055, 1,800 at 0.0523; 950 at 0.0109
        assert found.expected == money("159.495", "USD")
        assert found.worst == money("175.9", "USD")  # 3,000 x 0.055 + 1,000 x 0.0109
        assert found.free_messages == 200
        text = found.explain("tr").replace(" (meta-usd-2026-10-01)", "")
        assert text.splitlines() == [
            "bilgilendirme, Almanya: 200 ücretsiz giriş penceresinde ücretsiz",
            "bilgilendirme, Almanya, kademe 1: 1.000 x $0,055 = $55,00",
            "bilgilendirme, Almanya, kademe 2: 1.800 x $0,0523 = $94,14",
            "pazarlama, Türkiye: 950 x $0,0109 = $10,355",
            "en kötü durumda: $175,90",
        ]

    def test_september_frees_what_october_charges(self) -> None:
        """The same campaign before and after the rules changed."""
        mix = [part(U, 100, in_window=40), part(S, 2_000, in_window=2_000)]
        before = estimate(mix, RATES, on=SEPTEMBER)
        assert before.expected == money("0.054", "USD")  # 60 x 0.0009
        assert before.worst == money("0.09", "USD")
        after = estimate(mix, RATES, on=DAY)
        assert after.expected == money("0.99", "USD")  # 100 x 0.0009 + 1,000 x 0.0009
        assert after.worst == money("1.89", "USD")
        reasons = [line.free for line in before.lines]
        assert reasons == [FreeReason.WINDOW, None, FreeReason.CATEGORY]

    def test_the_allowance_is_shared_by_a_number_s_markets(self) -> None:
        """Free service messages go to the parts in their order, each number has its own."""
        counts = MessageCounts(free_service={(OCTOBER, "106"): 990})
        mix = [
            part(S, 4),
            part(S, 8, market="Germany"),
            part(S, 1, market="Germany", reference="107"),
        ]
        found = estimate(mix, RATES, on=DAY, counts=counts)
        assert found.expected == money("0.11", "USD")  # 2 x 0.055
        assert found.free_messages == 11

    def test_what_an_amount_pays_for(self) -> None:
        """10 USD at 0.0109: 917 messages cost 9.9953, one more would cost 10.0062."""
        found = affordable([part(M, 1)], money("10", "USD"), RATES, on=DAY)
        assert found == Affordable(
            repeats=917, units=9_995_300, next_units=10_006_200, currency="USD"
        )
        assert found.cost == money("9.9953", "USD")

    def test_what_is_free_is_affordable_without_end(self) -> None:
        """A mix that costs nothing stops at the most that was asked for."""
        found = affordable([part(S, 1)], money("0", "USD"), RATES, on=SEPTEMBER, at_most=500)
        assert (found.repeats, found.units, found.next_units) == (500, 0, None)
        found = affordable([part(S, 3)], money("0", "USD"), RATES, on=DAY)
        assert (found.repeats, found.next_units) == (333, 1_800)

    def test_says_what_an_amount_covers(self) -> None:
        """The worst case, what is expected, or not even that."""
        found = estimate([part(M, 1_000, delivered="0.5")], RATES, on=DAY)
        assert found.coverage(money("10.90", "USD")) is Coverage.WORST
        assert found.coverage(money("10.899999", "USD")) is Coverage.EXPECTED
        assert found.coverage(money("5.45", "USD")) is Coverage.EXPECTED
        assert found.coverage(money("5.449999", "USD")) is Coverage.SHORT

    def test_an_eligible_sender_pays_international_rates(self) -> None:
        """Estimates ask the same rule as prices."""
        sender = InternationalSender(home_market="Turkey", effective_on=OCTOBER)
        mix = [part(A, 10, market="India"), part(A, 10)]
        found = estimate(mix, RATES, on=DAY, sender=sender)
        assert found.expected == money("0.313", "USD")
        assert found.lines[0].category is AI


REFUSED: list[tuple[Callable[[], object], str]] = [
    (lambda: part(U, -1), "messages"),
    (lambda: part(U, 5, in_window=3, in_entry_point=3), "in_window"),
    (lambda: part(U, 5, delivered="1.1"), "delivered"),
    (lambda: part(U, 5, delivered=0.5), "delivered"),
    (lambda: estimate([part(AI, 5)], RATES, on=DAY), "category"),
    (lambda: estimate([part(U, 5)], RATES, on=date(2026, 6, 1)), "on"),
    (lambda: affordable([part(U, 5)], money("1", "TRY"), RATES, on=DAY), "amount"),
    (lambda: estimate([], RATES, on=DAY).coverage(money("1", "TRY")), "amount"),
    (lambda: estimate([], RATES, on=DAY).explain("de"), "locale"),
    (lambda: estimate([part(U, 5)], RATES, on=DAY).explain("de"), "locale"),
]


class TestRefusals:
    @pytest.mark.parametrize(("build", "field"), REFUSED, ids=map(str, range(len(REFUSED))))
    def test_names_what_cannot_be_right(self, build: Callable[[], object], field: str) -> None:
        """Each refusal names its field."""
        with pytest.raises(InvalidInput) as caught:
            build()
        assert caught.value.field == field

    def test_names_an_unknown_market(self) -> None:
        """A market that is not on the card is a mistake."""
        with pytest.raises(UnknownName, match="Atlantis"):
            estimate([part(U, 1, market="Atlantis")], RATES, on=DAY)
