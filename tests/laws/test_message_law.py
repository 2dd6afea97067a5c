"""Laws of messages at the face: order, repetition, estimates and what is affordable."""

from collections.abc import Sequence
from datetime import date, timedelta
from fractions import Fraction
from random import Random

import attrs
import pytest
from hypothesis import assume, given, strategies as st

from monochat_billing.adapters.memory import MemoryStorage
from monochat_billing.adapters.sql import SqlStorage
from monochat_billing.adapters.whatsapp import meta_message_rates
from monochat_billing.campaigns import CampaignPart
from monochat_billing.charge_models import Dynamic, Graduated, PerUnit
from monochat_billing.errors import InsufficientFunds
from monochat_billing.fees import FeeBase, OwnFee
from monochat_billing.message_terms import MessageTax, MessageTerms, StopRule
from monochat_billing.messages import MessageState, Tally, service_tally, tier_tally
from monochat_billing.money import from_units, money
from monochat_billing.rating import MessageCategory
from monochat_billing.repositories import Changes, UnitOfWork, Wanted
from monochat_billing.tiers import Tier
from tests.desk import START, Clock
from tests.effort import one_in
from tests.message_desk import NUMBER, Json, MessageDesk, build_messages, status, webhook

RATES = meta_message_rates()
OCTOBER = date(2026, 10, 1)
MARKETS = ["Turkey", "Germany", "India", "United Kingdom"]
CATEGORIES = ["marketing", "utility", "authentication", "service"]
SEEDS = st.integers(0, 2**32)
FREE_KINDS = ["free_customer_service", "free_entry_point"]

TERMS = [
    MessageTerms(rates=RATES),
    MessageTerms(
        rates=RATES,
        own=(
            OwnFee(model=PerUnit(price="0.0007")),
            OwnFee(model=Dynamic(multiplier="0.07"), base=FeeBase.PROVIDER_FEE),
        ),
        tax=MessageTax(),
        own_on_free=True,
    ),
    MessageTerms(
        rates=RATES,
        own=(OwnFee(model=Graduated(tiers=(Tier(up_to=3, price="0.013"), Tier(price="0.0011")))),),
        tax=MessageTax(),
    ),
]
"""What is charged beside the provider's fee: nothing; fees for each; a fee with tiers."""


@attrs.frozen
class Said:
    """Hold what will be said of one message, in any order and as often as one likes."""

    name: str
    market: str
    category: str
    kind: str
    words: tuple[str, ...]
    sent: bool
    seconds: int

    def statuses(self) -> list[Json]:
        """Write its statuses; delivered and read carry the price, the others none."""
        found = []
        for place, word in enumerate(self.words):
            priced = word in {"delivered", "read"}
            found.append(
                status(
                    self.name,
                    word,
                    at=START + timedelta(seconds=self.seconds + place),
                    market=self.market,
                    category=self.category if priced else None,
                    kind=self.kind,
                )
            )
        return found

    @property
    def arrives(self) -> bool:
        return bool({"delivered", "read"} & set(self.words))


def _said(place: int) -> st.SearchStrategy[Said]:
    return st.builds(
        Said,
        name=st.just(f"m{place}"),
        market=st.sampled_from(MARKETS),
        category=st.sampled_from(CATEGORIES),
        kind=st.sampled_from(["regular", "regular", *FREE_KINDS]),
        words=st.lists(
            st.sampled_from(["sent", "delivered", "read", "failed"]),
            min_size=1,
            max_size=4,
            unique=True,
        ).map(tuple),
        sent=st.booleans(),
        seconds=st.integers(0, 3600),
    )


@st.composite
def traffic(draw: st.DrawFn) -> list[Said]:
    """Draw messages, each with what will be said of it."""
    count = draw(st.integers(1, 8))
    return [draw(_said(place)) for place in range(count)]


def hold_all(post: MessageDesk, messages: Sequence[Said], random: Random) -> None:
    """Hold for those that were sent through us, all together."""
    sent = [one for one in messages if one.sent]
    parts = [
        CampaignPart(
            market=one.market, category=MessageCategory(one.category), messages=1, reference=NUMBER
        )
        for one in sent
    ]
    held = post.billing.messages.hold("acme", parts, key="campaign")
    noted = [post.message(one.name, one.category, one.market) for one in sent]
    random.shuffle(noted)
    post.billing.messages.sent("acme", noted, hold=held.id)


def outcome(post: MessageDesk) -> dict[str, tuple[object, ...]]:
    """Give what every message that arrived cost, part by part."""
    return {
        one.id: (one.category, one.market, one.free, one.provider, one.own, one.tax)
        for one in post.billing.messages.list("acme", limit=1000)
        if one.state is MessageState.CHARGED
    }


def storm(post: MessageDesk, statuses: list[Json], random: Random, *, repeats: int) -> None:
    """Send statuses in any order, some of them again, in webhooks and batches of any size."""
    said = [one for one in statuses for _ in range(random.randint(1, repeats))]
    random.shuffle(said)
    while said:
        webhooks = []
        for _ in range(random.randint(1, 3)):
            cut = random.randint(0, 4)
            webhooks.append(webhook(said[:cut]))
            said = said[cut:]
        post.billing.messages.receive_many(webhooks)


class TestOrderAndRepetition:
    """Webhooks that carry a price charge the same messages the same amounts, in any order."""

    @one_in(3)
    @given(traffic(), st.sampled_from(TERMS[:2]), SEEDS)
    def test_change_nothing(self, messages: list[Said], terms: MessageTerms, seed: int) -> None:
        random = Random(seed)
        statuses = [one for said in messages for one in said.statuses()]
        calm = build_messages(MemoryStorage(), Clock(), terms)
        hold_all(calm, messages, random)
        calm.tell(*statuses)
        wild = build_messages(MemoryStorage(), Clock(), terms)
        early = random.random() < 0.5
        if early:
            hold_all(wild, messages, random)
        storm(wild, statuses, random, repeats=3)
        if not early:
            hold_all(wild, messages, random)
        assert outcome(wild) == outcome(calm)
        assert set(outcome(calm)) == {calm.id(one.name) for one in messages if one.arrives}
        assert wild.posted == calm.posted
        assert wild.held == calm.held
        assert wild.billing.verify("acme").sound
        assert wild.billing.messages.set_aside() == ()

    @one_in(3)
    @given(traffic(), SEEDS)
    def test_change_no_sum_across_the_edge_of_a_tier(self, messages: list[Said], seed: int) -> None:
        random = Random(seed)
        statuses = [one for said in messages for one in said.statuses()]
        sums = []
        for _ in range(2):
            post = build_messages(MemoryStorage(), Clock(), TERMS[2])
            count(post, {tier_tally(OCTOBER, "Germany", MessageCategory.UTILITY): 99_998})
            storm(post, statuses, random, repeats=2)
            found = post.billing.messages.breakdown("acme", OCTOBER)
            sums.append((found.total.messages, found.total.provider, found.total.own))
        assert sums[0] == sums[1]

    @given(traffic(), SEEDS)
    @one_in(8)
    def test_leave_the_same_in_memory_and_in_tables(self, messages: list[Said], seed: int) -> None:
        statuses = [one for said in messages for one in said.statuses()]
        kept = []
        for storage in (MemoryStorage(), SqlStorage("sqlite:///:memory:")):
            again = Random(seed)
            post = build_messages(storage, Clock(), TERMS[1])
            hold_all(post, messages, again)
            storm(post, statuses, again, repeats=2)
            reading = post.billing.messages
            kept.append(
                (
                    [attrs.evolve(one, hold="") for one in reading.list("acme", limit=1000)],
                    reading.breakdown("acme", OCTOBER),
                    post.posted,
                    post.held,
                )
            )
            if isinstance(storage, SqlStorage):
                storage.close()
        assert kept[0] == kept[1]


class TestConservation:
    """What a message did not take is free again, and nothing is held for what was decided."""

    @one_in(3)
    @given(traffic(), st.sampled_from(TERMS), SEEDS)
    def test_holds_for_every_storm(
        self, messages: list[Said], terms: MessageTerms, seed: int
    ) -> None:
        random = Random(seed)
        statuses = [one for said in messages for one in said.statuses()]
        post = build_messages(MemoryStorage(), Clock(), terms)
        hold_all(post, messages, random)
        storm(post, statuses, random, repeats=2)
        charged = post.billing.messages.list("acme", limit=1000)
        assert post.posted == 100_000_000 - sum(one.cost for one in charged)
        decided = {MessageState.CHARGED, MessageState.FAILED}
        assert post.held == sum(one.share for one in charged if one.state not in decided)
        assert all(one.share == 0 for one in charged if one.state in decided)
        tallies = post.billing.messages.breakdown("acme", OCTOBER).total
        assert tallies.cost == sum(one.cost for one in charged)
        assert tallies.messages == sum(one.state is MessageState.CHARGED for one in charged)
        post.clock.advance(days=7)
        assert post.held == 0
        assert post.billing.verify("acme").sound

    @one_in(3)
    @given(traffic(), SEEDS)
    def test_forces_what_comes_after_its_release_once(
        self, messages: list[Said], seed: int
    ) -> None:
        random = Random(seed)
        statuses = [one for said in messages for one in said.statuses()]
        post = build_messages(MemoryStorage(), Clock(), TERMS[1], credit="1")
        hold_all(post, messages, random)
        post.clock.advance(days=7)
        storm(post, statuses, random, repeats=3)
        entries = post.billing.balances.entries("acme")[1:]
        paid = [entry.reference for entry in entries if entry.amount]
        assert len(paid) == len(set(paid))
        assert post.posted == 1_000_000 + sum(entry.amount for entry in entries)
        for one in post.billing.messages.list("acme", limit=1000):
            assert one.entry is None
            assert (one.excess is not None) is (one.cost > 0)
        assert post.billing.verify("acme").sound


def count(post: MessageDesk, counts: dict[str, int]) -> None:
    """Let a month have counted what it takes too long to send."""

    def work(unit: UnitOfWork) -> None:
        found = unit.load([Wanted("acme", tallies=frozenset(counts))])["acme"].state
        assert found is not None
        tallies = {name: Tally(number) for name, number in counts.items()}
        after = attrs.evolve(found, traffic=attrs.evolve(found.traffic, tallies=tallies))
        unit.save([Changes(found, after)])

    post.storage.write(work)


@st.composite
def mixes(draw: st.DrawFn) -> list[CampaignPart]:
    """Draw a mix of messages, of which some have a window."""
    found = []
    for _ in range(draw(st.integers(1, 3))):
        messages = draw(st.integers(1, 3))
        found.append(
            CampaignPart(
                market=draw(st.sampled_from(MARKETS)),
                category=MessageCategory(draw(st.sampled_from(CATEGORIES))),
                messages=messages,
                in_entry_point=draw(st.integers(0, messages)),
                reference=NUMBER,
            )
        )
    return found


near_the_edges = st.fixed_dictionaries(
    {
        tier_tally(OCTOBER, "Germany", MessageCategory.UTILITY): st.integers(99_990, 100_001),
        service_tally(OCTOBER, NUMBER): st.integers(990, 1000),
    }
)


def deliver(post: MessageDesk, mix: Sequence[CampaignPart], turn: int, used: list[int]) -> None:
    """Let Meta deliver a mix as the rules of October say: what a window frees, then the 1,000."""
    for place, part in enumerate(mix):
        for each in range(part.messages):
            kind = "regular"
            if each < part.in_entry_point:
                kind = "free_entry_point"
            elif part.category is MessageCategory.SERVICE and used[0] < 1000:
                used[0] += 1
                kind = "free_customer_service"
            post.arrived(
                f"{turn}-{place}-{each}", part.category.value, market=part.market, kind=kind
            )


class TestAffordable:
    """So many times the balance pays for a mix, and not once more."""

    @given(mixes(), st.sampled_from(TERMS), near_the_edges, st.integers(0, 400_000))
    @one_in(4)
    def test_is_exact_at_the_edge(
        self, mix: list[CampaignPart], terms: MessageTerms, counts: dict[str, int], units: int
    ) -> None:
        post = build_messages(MemoryStorage(), Clock(), terms, credit="")
        post.billing.balances.credit("acme", from_units(units + 1, "USD"), reason="x", key="x")
        count(post, counts)
        found = post.billing.messages.affordable("acme", mix, at_most=12)
        used = [counts[service_tally(OCTOBER, NUMBER)]]
        for turn in range(found.repeats):
            deliver(post, mix, turn, used)
        assert post.posted == units + 1 - found.units
        assert post.posted >= 0
        assume(found.repeats < 12)
        deliver(post, mix, found.repeats, used)
        assert post.posted < 0
        assert found.next_units is not None
        assert post.posted == units + 1 - found.next_units


class TestTheWorstCase:
    """No estimate's worst case is below what the same messages then cost by the same card."""

    @one_in(3)
    @given(
        mixes(),
        st.sampled_from(TERMS),
        near_the_edges,
        SEEDS,
    )
    def test_covers_whatever_happens_to_the_same_messages(
        self, mix: list[CampaignPart], terms: MessageTerms, counts: dict[str, int], seed: int
    ) -> None:
        random = Random(seed)
        post = build_messages(MemoryStorage(), Clock(), terms)
        found = post.billing.messages.estimate("acme", mix)
        held = post.billing.messages.hold("acme", mix, key="k")
        assert held.worst == found.worst
        count(post, counts)
        for place, part in enumerate(mix):
            for each in range(part.messages):
                kind = random.choice(["regular", "regular", "free_entry_point"])
                name = f"{place}-{each}"
                post.billing.messages.sent(
                    "acme", [post.message(name, part.category.value, part.market)], hold=held.id
                )
                if random.random() < 0.9:
                    post.arrived(name, part.category.value, market=part.market, kind=kind)
        spent = from_units(100_000_000 - post.posted, "USD")
        assert spent.amount <= found.worst.amount
        assert all(one.excess is None for one in post.billing.messages.list("acme", limit=1000))

    @one_in(3)
    @given(mixes(), st.sampled_from(TERMS), st.integers(0, 300_000), st.sampled_from(StopRule))
    def test_may_be_sent_exactly_where_it_can_be_held(
        self, mix: list[CampaignPart], terms: MessageTerms, units: int, stop: StopRule
    ) -> None:
        post = build_messages(MemoryStorage(), Clock(), attrs.evolve(terms, stop=stop), credit="")
        post.billing.balances.credit("acme", from_units(units + 1, "USD"), reason="x", key="x")
        post.billing.balances.limit("acme", money("0.05", "USD"), key="limit")
        answer = post.billing.messages.may_send("acme", mix)
        if answer:
            post.billing.messages.hold("acme", mix, key="k")
        else:
            assert answer.reason
            with pytest.raises(InsufficientFunds):
                post.billing.messages.hold("acme", mix, key="k")


class TestTheBreakdownOfPrices:
    """Every message is taxed by itself, so a sum never depends on what else is in a batch."""

    @one_in(3)
    @given(traffic(), st.sampled_from(TERMS[:2]))
    def test_taxes_each_message_alone(self, messages: list[Said], terms: MessageTerms) -> None:
        post = build_messages(MemoryStorage(), Clock(), terms)
        post.tell(*[one for said in messages for one in said.statuses()])
        for one in post.billing.messages.list("acme", limit=1000):
            net = one.provider + one.own
            exact = Fraction(net, 5) if terms.tax else Fraction(0)
            assert abs(one.tax - exact) <= Fraction(1, 2)
