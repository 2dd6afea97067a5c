"""Messages at the face: held, charged once, released, set aside, and counted, on each storage."""

import json
import shutil
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import cast

import attrs
import pytest

from monochat_billing import (
    MONTH,
    Billing,
    ForgedCallback,
    InsufficientFunds,
    InvalidInput,
    Units,
    UnknownName,
    money,
    sample_catalog,
)
from monochat_billing.adapters.memory import MemoryStorage
from monochat_billing.adapters.sql import SqlStorage
from monochat_billing.adapters.whatsapp import MAX_BODY_BYTES, WhatsApp, meta_message_rates
from monochat_billing.balance import BalanceMove
from monochat_billing.campaigns import CampaignPart, Coverage
from monochat_billing.charge_models import Dynamic, Graduated, PerUnit
from monochat_billing.errors import IllegalTransition, LimitExceeded
from monochat_billing.events import MessageRepriced, MessagesUncounted, StatusesSetAside
from monochat_billing.fees import FeeBase, OwnFee
from monochat_billing.message_terms import MessageTax, MessageTerms, Payer, StopRule
from monochat_billing.messages import AsideReason, MessageState, Tally, tier_tally
from monochat_billing.pack_terms import PackScope
from monochat_billing.prices import OneOffPrice
from monochat_billing.products import Grant, OneOff
from monochat_billing.rating import MessageCategory
from monochat_billing.repositories import Changes, Storage, UnitOfWork, Wanted
from monochat_billing.tiers import Tier
from tests.desk import START, Clock
from tests.message_desk import NUMBER, MessageDesk, build_messages, signed, status, webhook

RATES = meta_message_rates()
MARKETING = 10_900  # Turkey, October 2026, as every number of this page: by hand from Meta's card
UTILITY = 900
METER = "monochat.message"


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def storage(request: pytest.FixtureRequest, tmp_path: Path, empty_books: Path) -> Iterator[Storage]:
    kind = cast("str", request.param)
    if kind == "memory":
        yield MemoryStorage()
        return
    path = tmp_path / "billing.db"
    shutil.copy(empty_books, path)
    url = request.getfixturevalue("postgres_url") if kind == "postgres" else f"sqlite:///{path}"
    made = SqlStorage(url)
    yield made
    made.close()


@pytest.fixture
def post(storage: Storage, clock: Clock) -> MessageDesk:
    return build_messages(storage, clock)


def part(category: str, messages: int, market: str = "Turkey") -> CampaignPart:
    return CampaignPart(market=market, category=category, messages=messages, reference=NUMBER)


class TestAHeldMessage:
    """A send is held for, and every message of it captured, freed or released once."""

    def test_is_captured_from_its_share_when_it_is_delivered(self, post: MessageDesk) -> None:
        held = post.hold(["a", "b"])
        assert post.held == 2 * MARKETING
        report = post.arrived("a")
        assert (report.charged, report.forced, post.held) == (1, 0, MARKETING)
        message = post.get("a")
        assert message.state is MessageState.CHARGED
        assert message.entry is not None
        assert message.excess is None
        entry = post.billing.balances.entries("acme")[-1]
        assert (entry.hold, entry.reference) == (held.id, post.id("a"))
        assert entry.amount == -MARKETING

    def test_is_captured_by_read_where_delivered_never_came(self, post: MessageDesk) -> None:
        post.hold(["a"])
        said = status("a", "read", at=START, category="marketing")
        assert post.tell(said).charged == 1
        assert post.tell(status("a", "delivered", at=START)).repeated == 1
        assert post.posted == 100_000_000 - MARKETING

    def test_is_freed_when_it_failed(self, post: MessageDesk) -> None:
        post.hold(["a", "b"])
        assert post.tell(status("a", "failed", at=START)).failed == 1
        assert (post.held, post.posted) == (MARKETING, 100_000_000)
        assert post.get("a").state is MessageState.FAILED

    def test_stays_charged_when_failed_comes_after_delivered(self, post: MessageDesk) -> None:
        post.hold(["a"])
        post.arrived("a")
        assert post.tell(status("a", "failed", at=START)).repeated == 1
        assert post.get("a").state is MessageState.CHARGED

    def test_is_forced_once_when_it_was_delivered_after_it_had_failed(
        self, post: MessageDesk
    ) -> None:
        post.hold(["a"])
        post.tell(status("a", "failed", at=START))
        report = post.arrived("a")
        assert (report.charged, report.forced) == (1, 1)
        assert post.arrived("a").charged == 0
        message = post.get("a")
        assert message.entry is None
        assert message.excess == 2
        assert post.posted == 100_000_000 - MARKETING

    def test_is_forced_once_when_age_has_released_it(self, post: MessageDesk) -> None:
        post.hold(["a", "b"])
        post.tell(status("b", "read", at=START))
        post.clock.advance(days=7)
        assert post.held == 0
        assert post.get("a").state is MessageState.RELEASED
        assert [one.share for one in post.billing.messages.list("acme")] == [0, 0]
        assert post.get("b").state is MessageState.ARRIVED
        assert post.arrived("a").forced == 1
        assert post.tell(status("b", "failed", at=START)).repeated == 1
        assert post.posted == 100_000_000 - MARKETING
        assert post.billing.verify("acme").sound

    def test_goes_below_zero_by_force_and_then_nothing_may_be_sent(
        self, storage: Storage, clock: Clock
    ) -> None:
        post = build_messages(storage, clock, credit="0.01")
        assert post.arrived("a").forced == 1
        assert post.posted == -900
        assert "BalanceOverdrawn" in post.events()
        answer = post.billing.messages.may_send("acme", [part("utility", 1)])
        assert not answer
        assert answer.reason == (
            "at worst 0.0009 USD, -0.0009 USD available down to the credit limit, 0.0009 USD short"
        )

    def test_frees_what_the_provider_charges_less_for(self, post: MessageDesk) -> None:
        post.hold(["a", "b"])
        post.arrived("a", "utility")
        assert post.held == MARKETING
        assert post.posted == 100_000_000 - UTILITY

    def test_takes_what_costs_more_than_its_share_by_force(self, post: MessageDesk) -> None:
        post.hold(["a", "b"], "utility")
        report = post.arrived("a", "marketing")
        assert (report.charged, report.forced) == (1, 1)
        message = post.get("a")
        first, second = post.billing.balances.entries("acme")[-2:]
        assert (first.amount, second.amount) == (-UTILITY, UTILITY - MARKETING)
        assert (message.entry, message.excess) == (first.number, second.number)
        assert post.held == UTILITY

    def test_costs_nothing_where_the_provider_says_free(self, post: MessageDesk) -> None:
        post.hold(["a"], "service")
        report = post.arrived("a", "service", kind="free_customer_service")
        assert (report.charged, report.free, post.held, post.posted) == (0, 1, 0, 100_000_000)
        assert post.get("a").free

    def test_stays_held_while_nobody_has_said_its_price(self, post: MessageDesk) -> None:
        post.hold(["a"])
        assert post.tell(status("a", "read", at=START)).waiting == 1
        assert post.get("a").state is MessageState.ARRIVED
        assert post.tell(status("a", "failed", at=START)).repeated == 1
        assert post.held == MARKETING
        assert post.arrived("a").charged == 1
        assert post.held == 0

    def test_joins_its_hold_when_its_statuses_came_first(self, post: MessageDesk) -> None:
        post.arrived("a")
        post.tell(status("b", "failed", at=START))
        post.tell(status("c", "read", at=START))
        post.hold(["a", "b", "c", "d"])
        assert post.held == 2 * MARKETING
        assert post.posted == 100_000_000 - MARKETING
        assert post.arrived("c").forced == 0
        assert post.get("a").hold

    def test_is_noted_once_however_often_it_is_told(self, post: MessageDesk) -> None:
        held = post.hold(["a"])
        again = post.billing.messages.sent(
            "acme", [post.message("a", "marketing", "Turkey")] * 2, hold=held.id
        )
        assert (again.noted, again.repeated) == (0, 2)

    def test_that_was_not_sent_gives_back_its_part_of_the_hold(self, post: MessageDesk) -> None:
        held = post.billing.messages.hold("acme", [part("marketing", 3)], key="k")
        left = post.billing.messages.unsent("acme", held.id, [part("marketing", 2)], key="u")
        again = post.billing.messages.unsent("acme", held.id, [part("marketing", 2)], key="u")
        assert left == again
        assert post.held == MARKETING

    def test_needs_an_open_hold_to_be_noted_in(self, post: MessageDesk) -> None:
        with pytest.raises(UnknownName, match="is no open hold"):
            post.billing.messages.sent(
                "acme", [post.message("a", "marketing", "Turkey")], hold="h-0"
            )

    def test_is_refused_in_full_where_the_balance_does_not_hold_it(
        self, storage: Storage, clock: Clock
    ) -> None:
        post = build_messages(storage, clock, credit="0.0217")
        with pytest.raises(InsufficientFunds):
            post.billing.messages.hold("acme", [part("marketing", 2)], key="k")
        assert post.held == 0
        assert post.billing.messages.hold("acme", [part("marketing", 1)], key="k2").messages == 1


class TestTheProvidersWord:
    """The charge follows the provider, and where it differs from what was sent that is kept."""

    def test_is_charged_and_the_difference_told(self, post: MessageDesk) -> None:
        post.hold(["a", "b"], "utility", expects_free=False)
        post.arrived("a", "utility")
        assert not post.get("a").differs
        post.arrived("b", "utility", kind="free_entry_point")
        assert post.get("b").differs
        (event,) = [
            one.event
            for one in post.billing.events("acme", limit=100)
            if isinstance(one.event, MessageRepriced)
        ]
        assert (event.expected, event.category, event.free) == ("utility", "utility", True)
        assert event.message == post.id("b")

    def test_stands_when_a_later_status_says_something_else(self, post: MessageDesk) -> None:
        post.arrived("a")
        report = post.tell(status("a", "read", at=START, category="utility"))
        assert (report.charged, report.aside, report.repeated) == (0, 1, 0)
        (aside,) = post.billing.messages.set_aside()
        assert aside.reason is AsideReason.CONTRADICTORY
        assert aside.detail == "utility after marketing"
        report = post.tell(
            status("a", "read", at=START, category="marketing", kind="free_entry_point")
        )
        assert report.aside == 1
        assert post.posted == 100_000_000 - MARKETING

    def test_is_one_of_two_in_one_webhook_and_the_other_is_set_aside(
        self, post: MessageDesk
    ) -> None:
        report = post.tell(
            status("a", "read", at=START, category="utility"),
            status("a", "delivered", at=START, category="marketing"),
        )
        assert (report.charged, report.aside) == (1, 1)
        assert post.get("a").category is MessageCategory.MARKETING

    def test_of_another_number_is_a_contradiction(self, post: MessageDesk) -> None:
        post.billing.messages.register_number("acme", "107")
        post.arrived("a")
        said = status("a", "read", at=START, category="marketing")
        report = post.tell(said, number="107")
        assert (report.aside, report.charged) == (1, 0)


class TestSetAside:
    """What cannot be applied is kept with its reason, charges nothing, and can be tried again."""

    @pytest.mark.parametrize(
        ("said", "reason"),
        [
            (
                status("a", "delivered", at=START, category="utility", kind="max_price"),
                "unknown pricing type",
            ),
            (status("a", "delivered", at=START, category="hologram"), "unknown category"),
            (status("a", "delivered", at=START, category="utility", market=None), "unknown market"),
            (status("a", "warped", at=START), "unknown status"),
            (
                status("a", "delivered", at=datetime(2020, 1, 1, tzinfo=UTC), category="utility"),
                "no card",
            ),
            (
                status("a", "delivered", at=START, category="authentication-international"),
                "not offered",
            ),
            ({"id": "wamid.a", "status": "delivered"}, "malformed"),
        ],
        ids=["type", "category", "market", "status", "card", "offer", "shape"],
    )
    def test_keeps_what_was_not_understood(
        self, post: MessageDesk, said: dict[str, object], reason: str
    ) -> None:
        report = post.tell(said, status("b", "delivered", at=START, category="utility"))
        assert (report.charged, report.aside) == (1, 1)
        (aside,) = post.billing.messages.set_aside()
        assert (aside.reason.value, aside.account) == (reason, "acme")
        assert post.posted == 100_000_000 - UTILITY
        post.tell(said)
        assert len(post.billing.messages.set_aside()) == 1
        events = post.billing.events("acme", limit=100)
        assert any(isinstance(one.event, StatusesSetAside) for one in events)

    def test_never_holds_a_recipients_number(self, post: MessageDesk) -> None:
        post.tell(
            status("a", "delivered", at=START, category="hologram"),
            {"id": "wamid.b", "status": "read", "recipient_id": "900000000001", "timestamp": "x"},
        )
        post.receive(status("c", "read", at=START, category="utility"), number="999")
        post.arrived("d")
        kept = [
            *post.billing.messages.set_aside(),
            *post.billing.messages.list("acme"),
            *post.billing.events("acme", limit=100),
            *post.billing.balances.entries("acme"),
        ]
        assert "000000001" not in repr(kept)
        assert "wamid" not in repr(kept)

    def test_waits_for_an_unknown_number_to_be_registered(self, post: MessageDesk) -> None:
        said = [status(name, "delivered", at=START, category="utility") for name in "abc"]
        received = post.receive(*said, number="200")
        assert (received.unknown, received.aside, dict(received.reports)) == (3, 3, {})
        assert post.receive(*said, number="200").unknown == 3
        kept = post.billing.messages.set_aside(number="200")
        assert [one.reason for one in kept] == [AsideReason.UNKNOWN_NUMBER] * 3
        assert post.billing.messages.set_aside(number=NUMBER) == ()
        assert post.billing.messages.retry().unknown == 3
        post.billing.messages.register_number("acme", "200")
        again = post.billing.messages.retry(number="200")
        assert again.reports["acme"].charged == 3
        assert post.billing.messages.set_aside() == ()
        assert post.posted == 100_000_000 - 3 * UTILITY

    def test_is_tried_again_when_the_account_can_pay_in_that_currency(
        self, storage: Storage, clock: Clock
    ) -> None:
        post = build_messages(storage, clock, credit="", currencies=["TRY"])
        report = post.tell(
            status("a", "delivered", at=START, category="utility"),
            status("b", "delivered", at=START, category="service", kind="free_customer_service"),
        )
        assert (report.charged, report.free, report.aside, report.waiting) == (0, 1, 1, 1)
        (aside,) = post.billing.messages.set_aside()
        assert (aside.reason, aside.detail) == (AsideReason.NO_BALANCE, "no balance in USD")
        assert post.billing.messages.retry().aside == 1

    def test_is_settled_by_a_person_once(self, post: MessageDesk) -> None:
        post.hold(["a"], "utility")
        post.tell(status("a", "delivered", at=START, category="utility", kind="max_price"))
        assert post.held == UTILITY
        (aside,) = post.billing.messages.set_aside()
        assert post.billing.messages.retry().aside == 0
        received = post.billing.messages.settle(
            aside, category=MessageCategory.UTILITY, billable=True
        )
        assert received.reports["acme"].charged == 1
        assert post.billing.messages.set_aside() == ()
        again = post.billing.messages.settle(aside, category=MessageCategory.UTILITY, billable=True)
        assert again.reports["acme"].charged == 0
        assert post.posted == 100_000_000 - UTILITY

    def test_is_read_again_by_a_version_that_knows_more(self, post: MessageDesk) -> None:
        """A pricing type that is not known today is kept in Meta's own words."""
        post.tell(status("a", "delivered", at=START, category="utility", kind="max_price"))
        (aside,) = post.billing.messages.set_aside()
        assert aside.status.words == ("max_price", "", "utility", "")
        known = attrs.evolve(aside.status, words=("regular", "", "utility", "true"))
        read = post.channel.reread(known)
        assert (read.problem, read.category, read.billable) == (None, "utility", True)
        assert post.channel.reread(aside.status) == aside.status

    def test_is_what_a_closed_or_coarse_balance_cannot_pay(
        self, storage: Storage, clock: Clock
    ) -> None:
        post = build_messages(storage, clock, credit="")
        post.billing.balances.close("acme", "USD", reason="end", key="close")
        assert post.arrived("a").aside == 1
        (aside,) = post.billing.messages.set_aside()
        assert aside.detail == "the balance in USD is closed"
        post.billing.balances.move("acme", "USD", BalanceMove.REOPEN, key="reopen")
        assert post.billing.messages.retry().reports["acme"].charged == 1

    def test_is_dropped_by_a_person(self, post: MessageDesk) -> None:
        post.tell(status("a", "warped", at=START))
        (aside,) = post.billing.messages.set_aside()
        with pytest.raises(InvalidInput, match="says not that a message arrived"):
            post.billing.messages.settle(aside, category=MessageCategory.UTILITY, billable=True)
        post.billing.messages.drop([aside])
        assert post.billing.messages.set_aside() == ()


class TestTheWebhook:
    """A webhook is genuine and readable, or refused as a whole: then nothing was charged."""

    def test_with_another_signature_is_refused(self, post: MessageDesk) -> None:
        said = status("a", "delivered", at=START, category="utility")
        headers, body = webhook([said], secret="another")  # noqa: S106 - it guards nothing
        with pytest.raises(ForgedCallback):
            post.billing.messages.receive(headers, body)
        with pytest.raises(ForgedCallback):
            post.billing.messages.receive({}, body)
        with pytest.raises(ForgedCallback):
            post.billing.messages.receive(signed(body), body + b" ")
        assert post.billing.messages.list("acme") == ()

    def test_may_be_signed_by_the_old_secret_while_a_new_one_comes(
        self, storage: Storage, clock: Clock
    ) -> None:
        post = build_messages(storage, clock)
        channel = WhatsApp(app_secrets=["new", "a secret of the tests"])
        billing = Billing(catalog=sample_catalog(), storage=storage, channel=channel, clock=clock)
        said = status("a", "delivered", at=START, category="utility")
        assert billing.messages.receive(*webhook([said])).reports["acme"].charged == 1
        assert billing.messages.receive(*webhook([said], secret="new")).reports  # noqa: S106
        assert post.posted == 100_000_000 - UTILITY

    @pytest.mark.parametrize(
        "body",
        [b"", b"not json", b"[]", b'{"object": "page"}', b'{"object": NaN}', b"\xff\xfe"],
        ids=["empty", "text", "list", "page", "nan", "bytes"],
    )
    def test_that_is_malformed_as_a_whole_is_refused(self, post: MessageDesk, body: bytes) -> None:
        with pytest.raises(InvalidInput):
            post.billing.messages.receive(signed(body), body)

    def test_that_is_too_long_is_refused_unread(self, post: MessageDesk) -> None:
        body = b" " * (MAX_BODY_BYTES + 1)
        with pytest.raises(InvalidInput, match="is too long"):
            post.billing.messages.receive(signed(body), body)

    def test_costs_others_of_a_batch_nothing_when_it_is_refused(self, post: MessageDesk) -> None:
        good = webhook([status("a", "delivered", at=START, category="utility")])
        forged = webhook([status("b", "delivered", at=START, category="utility")], secret="x")  # noqa: S106
        received = post.billing.messages.receive_many([forged, good, (signed(b"{"), b"{")])
        assert [place for place, _ in received.refused] == [0, 2]
        assert received.reports["acme"].charged == 1

    def test_may_hold_what_is_no_status(self, post: MessageDesk) -> None:
        value = {"metadata": {"phone_number_id": NUMBER}, "messages": [{"id": "wamid.x"}]}
        changes = [{"field": "messages", "value": value}, {"field": "flows", "value": {}}, 7]
        root = {"object": "whatsapp_business_account", "entry": [{"changes": changes}, {"id": "1"}]}
        body = json.dumps(root).encode()
        received = post.billing.messages.receive(signed(body), body)
        assert (dict(received.reports), received.unknown) == ({}, 2)
        assert {one.reason for one in post.billing.messages.set_aside()} == {AsideReason.MALFORMED}

    def test_needs_a_channel(self, storage: Storage) -> None:
        billing = Billing(catalog=sample_catalog(), storage=storage)
        with pytest.raises(InvalidInput, match="pass channel=WhatsApp"):
            billing.messages.receive({}, b"{}")


class TestNumbers:
    """A business number belongs to one account, and says in which zone its days begin."""

    def test_stays_with_its_account_unless_it_is_moved(self, post: MessageDesk) -> None:
        messages = post.billing.messages
        post.billing.accounts.open("other", zone="UTC", currencies=["USD"])
        with pytest.raises(InvalidInput, match="belongs to another account"):
            messages.register_number("other", NUMBER)
        assert messages.register_number("other", NUMBER, move=True).zone == "UTC"
        said = status("a", "delivered", at=START, category="utility")
        assert list(post.receive(said).reports) == ["other"]

    def test_belongs_to_an_account_that_exists(self, post: MessageDesk) -> None:
        with pytest.raises(UnknownName):
            post.billing.messages.register_number("nobody", "1")
        with pytest.raises(InvalidInput, match="slash"):
            post.billing.messages.register_number("acme", "1/2")

    def test_has_midnight_in_its_own_zone(self, post: MessageDesk) -> None:
        """At 21:30 UTC it is October in Istanbul already: the new card, and service is charged."""
        eve = datetime(2026, 9, 30, 21, 30, tzinfo=UTC)
        post.billing.messages.register_number("acme", "300", zone="UTC")
        post.tell(status("a", "delivered", at=eve, category="utility"))
        post.tell(status("b", "delivered", at=eve, category="utility"), number="300")
        assert (post.get("a").card, post.get("a").cost) == ("meta-usd-2026-10-01", 900)
        assert (post.get("b").card, post.get("b").cost) == ("meta-usd-2026-07-01", 900)


class TestCounts:
    """Months are counted once per message, and price what comes after."""

    def test_goes_on_from_the_tier_that_the_month_has_reached(
        self, storage: Storage, clock: Clock
    ) -> None:
        post = build_messages(storage, clock, credit="1000000")
        seed_tier(post, 99_999)
        post.arrived("a", "utility", market="Germany")
        post.arrived("b", "utility", market="Germany")
        assert (post.get("a").cost, post.get("a").tier, post.get("a").place) == (55_000, 1, 100_000)
        assert (post.get("b").cost, post.get("b").tier, post.get("b").place) == (52_300, 2, 100_001)

    def test_begins_anew_with_the_month(self, storage: Storage, clock: Clock) -> None:
        post = build_messages(storage, clock, credit="1000000")
        seed_tier(post, 100_000)
        clock.set("2026-10-31T21:00:00+00:00")  # midnight in Istanbul
        post.arrived("a", "utility", market="Germany")
        assert (post.get("a").cost, post.get("a").place) == (55_000, 1)

    def test_tells_what_a_number_sent(self, post: MessageDesk) -> None:
        post.billing.messages.register_number("acme", "200")
        post.arrived("a")
        post.arrived("b", "utility")
        post.tell(
            status("c", "delivered", at=START, category="utility", market="Germany"), number="200"
        )
        post.arrived("d", "service", kind="free_customer_service")
        found = post.billing.messages.breakdown("acme", date(2026, 10, 15))
        assert {name: tally.cost for name, tally in found.by_number().items()} == {
            "106": 11_800,
            "200": 55_000,
        }
        assert {name: tally.messages for name, tally in found.by_category().items()} == {
            "marketing": 1,
            "utility": 2,
            "service": 1,
        }
        assert found.by_market()["Germany"].provider == 55_000
        assert found.total.free == 1
        assert found.amount == money("0.0668", "USD")
        assert "marketing" in str(found)
        assert post.billing.messages.breakdown("acme", date(2026, 9, 1)).lines == ()

    def test_uses_up_the_free_service_messages_of_a_number(self, post: MessageDesk) -> None:
        free = [
            status(str(n), "delivered", at=START, category="service", kind="free_customer_service")
            for n in range(998)
        ]
        post.tell(*free)
        found = post.billing.messages.estimate("acme", [part("service", 5)])
        assert (found.free_messages, found.expected) == (2, money("0.0027", "USD"))
        post.arrived("charged", "service")
        found = post.billing.messages.estimate("acme", [part("service", 5)])
        assert found.free_messages == 0


def seed_tier(post: MessageDesk, count: int) -> None:
    """Let a month have counted many charged messages to Germany."""
    name = tier_tally(date(2026, 10, 1), "Germany", MessageCategory.UTILITY)

    def work(unit: UnitOfWork) -> None:
        found = unit.load([Wanted("acme", tallies=frozenset({name}))])["acme"].state
        assert found is not None
        traffic = attrs.evolve(found.traffic, tallies={name: Tally(count)})
        unit.save([Changes(found, attrs.evolve(found, traffic=traffic))])

    post.billing._context.storage.write(work)


class TestTerms:
    """Own fees and tax are lines of their own, and who pays the provider is a term."""

    TERMS = MessageTerms(
        rates=RATES,
        own=(
            OwnFee(model=PerUnit(price="0.001")),
            OwnFee(model=Dynamic(multiplier="0.05"), base=FeeBase.PROVIDER_FEE),
        ),
        tax=MessageTax(),
    )

    def test_add_own_fees_and_tax_to_the_providers_fee(
        self, storage: Storage, clock: Clock
    ) -> None:
        """0.0109; own 0.001 + 5 % of it, 0.000545; KDV 20 % of 0.012445 = 0.002489."""
        post = build_messages(storage, clock, self.TERMS)
        post.hold(["a"])
        assert post.held == 14_934
        post.arrived("a")
        message = post.get("a")
        assert (message.provider, message.own, message.tax) == (10_900, 1_545, 2_489)
        assert (message.cost, post.held) == (14_934, 0)
        found = post.billing.messages.breakdown("acme", date(2026, 10, 1)).total
        assert (found.provider, found.own, found.tax) == (10_900, 1_545, 2_489)

    def test_leave_out_the_providers_fee_where_the_business_pays_it(
        self, storage: Storage, clock: Clock
    ) -> None:
        terms = attrs.evolve(self.TERMS, payer=Payer.BUSINESS)
        post = build_messages(storage, clock, terms)
        post.arrived("a")
        message = post.get("a")
        assert (message.provider, message.own, message.tax) == (0, 1_545, 309)

    def test_hold_nothing_where_nothing_costs_anything(
        self, storage: Storage, clock: Clock
    ) -> None:
        terms = MessageTerms(rates=RATES, payer=Payer.BUSINESS)
        post = build_messages(storage, clock, terms, credit="")
        held = post.hold(["a"])
        assert (held.hold, held.id, held.worst) == (None, "", money("0", "USD"))
        assert post.arrived("a").free == 1
        assert post.billing.messages.may_send("acme", [part("marketing", 10)])

    def test_charge_own_fees_on_free_messages_where_they_say_so(
        self, storage: Storage, clock: Clock
    ) -> None:
        terms = attrs.evolve(self.TERMS, own_on_free=True, tax=None)
        post = build_messages(storage, clock, terms)
        post.arrived("a", "service", kind="free_customer_service")
        message = post.get("a")
        assert (message.free, message.provider, message.own) == (True, 0, 1_000)

    def test_count_the_tiers_of_own_fees_by_the_accounts_month(
        self, storage: Storage, clock: Clock
    ) -> None:
        tiers = (Tier(up_to=2, price="0.01"), Tier(price="0.005"))
        terms = MessageTerms(rates=RATES, own=(OwnFee(model=Graduated(tiers=tiers)),))
        post = build_messages(storage, clock, terms)
        found = post.billing.messages.estimate("acme", [part("utility", 3)])
        assert found.expected_fees.own == 25_000
        assert found.worst_fees.own == 30_000
        for name in "abc":
            post.arrived(name, "utility")
        assert [post.get(name).own for name in "abc"] == [10_000, 10_000, 5_000]
        clock.set("2026-11-01T00:00:00+00:00")
        post.arrived("d", "utility")
        assert post.get("d").own == 10_000

    def test_refuse_own_fees_that_no_single_message_has(self) -> None:
        tiers = (Tier(up_to=10, price="1", flat="5"), Tier(price="1"))
        with pytest.raises(InvalidInput, match="is no fee for each message"):
            MessageTerms(rates=RATES, own=(OwnFee(model=Graduated(tiers=tiers)),))
        with pytest.raises(InvalidInput, match="hold_for"):
            MessageTerms(rates=RATES, hold_for=timedelta(0))

    def test_stop_at_zero_or_at_the_credit_limit(self, storage: Storage, clock: Clock) -> None:
        terms = MessageTerms(rates=RATES, stop=StopRule.AT_ZERO)
        post = build_messages(storage, clock, terms, credit="0.0109")
        post.billing.balances.limit("acme", money("5", "USD"), key="limit")
        messages = post.billing.messages
        assert messages.may_send("acme", [part("marketing", 1)])
        assert messages.may_send("acme", [part("marketing", 2)]).reason.endswith("0.0109 USD short")
        with pytest.raises(InsufficientFunds, match="credit limit is not for messages"):
            messages.hold("acme", [part("marketing", 2)], key="k")
        assert messages.affordable("acme", [part("marketing", 1)]).repeats == 1
        other = Billing(
            catalog=sample_catalog(),
            storage=storage,
            channel=WhatsApp(app_secrets="x"),
            clock=clock,
        )
        assert other.messages.may_send("acme", [part("marketing", 2)])
        assert other.messages.affordable("acme", [part("marketing", 1)]).repeats == 459


class TestPacks:
    """A pack that names category and market pays the provider's fee message by message."""

    def test_pays_before_money_as_far_as_it_goes(self, storage: Storage, clock: Clock) -> None:
        meter = "whatsapp.marketing.turkey"
        post = build_messages(storage, clock)
        post.billing.balances.credit("acme", Units(2, meter), reason="pack", key="pack")
        post.hold(["a", "b", "c"])
        said = [status(name, "delivered", at=START, category="marketing") for name in "abc"]
        report = post.tell(*said)
        assert (report.prepaid, report.charged) == (2, 1)
        assert post.posted == 100_000_000 - MARKETING
        assert post.billing.balances.list("acme")[meter].posted == 0
        assert sorted(post.get(name).prepaid for name in "abc") == ["", meter, meter]
        assert post.held == 0
        assert post.billing.verify("acme").sound

    def test_that_was_bought_for_a_market_pays_for_that_market_alone(
        self, storage: Storage, clock: Clock
    ) -> None:
        scope = PackScope(category="marketing", market="Germany")
        pack = OneOff(
            id="germany-2",
            names={"en": "Two messages to Germany"},
            prices=tuple(OneOffPrice(amount=money("0.25", one)) for one in ("TRY", "USD")),
            grant=Grant(meter=scope.meter, units=2, scope=scope),
        )
        sample = sample_catalog()
        catalog = attrs.evolve(
            sample, meters=(*sample.meters, scope.meter), one_offs=(*sample.one_offs, pack)
        )
        post = build_messages(storage, clock, catalog=catalog)
        post.billing.packs.buy("acme", "germany-2", key="pack")
        before = post.posted
        said = [
            status(f"{market}-{n}", "delivered", at=START, category="marketing", market=market)
            for n in range(3)
            for market in ("Germany", "Turkey")
        ]
        report = post.tell(*said)
        assert (report.prepaid, report.charged) == (2, 4)
        assert before - post.posted == 136_500 + 3 * MARKETING

    def test_of_the_plans_meter_is_used_up_after_what_ends_sooner(
        self, storage: Storage, clock: Clock
    ) -> None:
        """The allowance ends with the month, the pack with the year: the allowance goes first."""
        post = build_messages(storage, clock, credit="1000")
        post.billing.subscriptions.subscribe("acme", "basic", MONTH, key="plan")
        post.billing.packs.buy("acme", sample_catalog().packs[0].id, key="pack")
        post.billing.balances.debit("acme", Units(999, METER), reason="elsewhere", key="used")
        post.tell(
            *[status(name, "delivered", at=START, category="utility") for name in ("a", "b", "c")]
        )
        (holding,) = post.billing.packs.list("acme")
        assert holding.remaining == holding.units - 2


class TestThePlansMeter:
    """What arrived counts on the plan's own meter, beside the provider's fee, once."""

    @pytest.fixture
    def planned(self, storage: Storage, clock: Clock) -> MessageDesk:
        """Give an account on the growth plan, with 3 of its 10,000 messages left."""
        post = build_messages(storage, clock, currencies=["USD"], credit="1000")
        post.billing.subscriptions.subscribe("acme", "growth", MONTH, key="plan")
        self.use_up(post, 9_997)
        return post

    @staticmethod
    def use_up(post: MessageDesk, units: int) -> None:
        post.billing.balances.debit(
            "acme", Units(units, METER), reason="used elsewhere", key=f"used-{units}"
        )

    @staticmethod
    def left(post: MessageDesk) -> int:
        return post.billing.balances.list("acme")[METER].posted

    def test_takes_a_unit_for_each_message_that_arrived(self, planned: MessageDesk) -> None:
        before = planned.posted
        said = [status(name, "delivered", at=START, category="utility") for name in "ab"]
        planned.tell(*said)
        planned.tell(*said, status("c", "failed", at=START))
        assert self.left(planned) == 1
        assert before - planned.posted == 2 * UTILITY

    def test_charges_the_overage_as_it_happens(self, planned: MessageDesk) -> None:
        """Three are included; two more cost the plan's 0.004 each, beside Meta's 0.0009."""
        before = planned.posted
        said = [status(name, "delivered", at=START, category="utility") for name in "abcde"]
        planned.tell(*said)
        assert self.left(planned) == 0
        assert before - planned.posted == 5 * UTILITY + 2 * 4_000
        planned.tell(status("f", "read", at=START, category="utility"))
        assert before - planned.posted == 6 * UTILITY + 3 * 4_000
        assert planned.billing.verify("acme").sound

    def test_is_in_the_estimate_and_in_what_is_affordable(self, planned: MessageDesk) -> None:
        found = planned.billing.messages.estimate("acme", [part("utility", 5)])
        assert found.units is not None
        assert (found.units.prepaid, found.units.overage) == (3, money("0.008", "USD"))
        assert found.explain().endswith("5 units, 3 prepaid, overage $0.008")
        assert found.explain("tr").endswith("aşım $0,008")
        free = planned.posted
        spare = 5 * UTILITY + 2 * 4_000
        planned.billing.balances.debit(
            "acme",
            money(str(Decimal(free - spare) / 10**6), "USD"),
            reason="elsewhere",
            key="spare",
        )
        answer = planned.billing.messages.affordable("acme", [part("utility", 1)])
        assert (answer.repeats, answer.units) == (5, spare)
        assert answer.next_units == spare + UTILITY + 4_000
        assert planned.billing.messages.may_send("acme", [part("utility", 5)])
        assert not planned.billing.messages.may_send("acme", [part("utility", 6)])
        with pytest.raises(InsufficientFunds):
            planned.billing.messages.hold("acme", [part("utility", 6)], key="six")
        planned.billing.messages.hold("acme", [part("utility", 5)], key="five")

    def test_stops_where_a_plan_has_no_overage(self, storage: Storage, clock: Clock) -> None:
        post = build_messages(storage, clock)
        post.billing.subscriptions.subscribe("acme", "basic", MONTH, key="plan")
        self.use_up(post, 998)
        answer = post.billing.messages.may_send("acme", [part("utility", 3)])
        assert answer.reason == "3 of monochat.message needed, 2 left, and no overage is priced"
        assert answer.estimate.coverage is Coverage.SHORT
        assert answer.estimate.explain().endswith("1 may not be sent")
        assert post.billing.messages.affordable("acme", [part("utility", 1)]).repeats == 2
        with pytest.raises(LimitExceeded):
            post.billing.messages.hold("acme", [part("utility", 3)], key="k")
        said = [status(name, "delivered", at=START, category="utility") for name in "abc"]
        assert post.tell(*said).charged == 3
        assert self.left(post) == 0
        assert post.posted == 100_000_000 - 3 * UTILITY
        (event,) = [
            one.event
            for one in post.billing.events("acme", limit=100)
            if isinstance(one.event, MessagesUncounted)
        ]
        assert (event.messages, event.meter) == (1, METER)

    def test_never_keeps_a_message_from_being_charged(self, storage: Storage, clock: Clock) -> None:
        """The plan's overage is in a balance that is closed: that is told, and Meta's fee taken."""
        post = build_messages(storage, clock, currencies=["TRY", "USD"])
        post.billing.balances.credit("acme", money("5000", "TRY"), reason="plan", key="try")
        post.billing.subscriptions.subscribe("acme", "growth", MONTH, currency="TRY", key="plan")
        self.use_up(post, 10_000)
        found = post.billing.messages.estimate("acme", [part("utility", 2)])
        assert found.units is not None
        assert (found.units.overage, found.overage_units) == (money("0.3", "TRY"), 0)
        left = post.billing.balances.list("acme")["TRY"]
        post.billing.balances.debit("acme", left.money(left.posted), reason="gone", key="gone")
        answer = post.billing.messages.may_send("acme", [part("utility", 2)])
        assert answer.reason == "the balance does not pay the overage of monochat.message"
        assert post.billing.messages.affordable("acme", [part("utility", 1)]).repeats == 0
        with pytest.raises(InsufficientFunds, match="top up to pay the overage"):
            post.billing.messages.hold("acme", [part("utility", 2)], key="k")
        post.billing.balances.close("acme", "TRY", reason="end", key="close")
        assert post.arrived("a", "utility").charged == 1
        assert post.posted == 100_000_000 - UTILITY
        assert "MessagesUncounted" in post.events()

    def test_stops_sending_while_the_plan_is_suspended(
        self, storage: Storage, clock: Clock
    ) -> None:
        """The second month is not paid, and the week of grace ends."""
        post = build_messages(storage, clock, credit="1000")
        post.billing.subscriptions.subscribe("acme", "growth", MONTH, key="plan")
        left = post.billing.balances.list("acme")["USD"]
        spent = money(str(Decimal(left.posted - 1_000_000) / 10**6), "USD")
        post.billing.balances.debit("acme", spent, reason="elsewhere", key="spent")
        clock.set("2026-12-01T00:00:00+00:00")
        assert [one.state.value for one in post.billing.subscriptions.list("acme")] == ["SUSPENDED"]
        answer = post.billing.messages.may_send("acme", [part("utility", 1)])
        assert answer.reason == "Growth is suspended until it is paid: top up"
        assert answer.explain("tr") == "hayır: Growth ödenene kadar askıda: bakiye yükleyin"
        with pytest.raises(IllegalTransition, match="SUSPENDED and cannot send messages"):
            post.billing.messages.hold("acme", [part("utility", 1)], key="k")
        assert post.arrived("a", "utility").charged == 1

    def test_is_asked_of_a_catalog_that_has_it(self, storage: Storage, clock: Clock) -> None:
        terms = MessageTerms(rates=RATES, meter="other.message")
        post = build_messages(storage, clock, terms)
        post.billing.subscriptions.subscribe("acme", "basic", MONTH, key="plan")
        assert post.arrived("a", "utility").charged == 1
        assert self.left(post) == 1000
        assert post.billing.messages.estimate("acme", [part("utility", 1)]).units is None

    def test_counts_nothing_where_there_is_no_plan(self, post: MessageDesk) -> None:
        post.arrived("a")
        assert METER not in post.billing.balances.list("acme")
        assert post.billing.messages.estimate("acme", [part("utility", 1)]).units is None


class TestLookingAhead:
    """An estimate, what is affordable, and whether to send are asked of the account as it is."""

    def test_says_what_is_free_what_it_costs_and_what_pays(self, post: MessageDesk) -> None:
        found = post.billing.messages.estimate(
            "acme",
            [part("marketing", 100), attrs.evolve(part("utility", 50), in_entry_point=10)],
        )
        assert str(found) == (
            "marketing, Turkey: 100 x $0.0109 = $1.09 (meta-usd-2026-10-01)\n"
            "utility, Turkey: 10 free in an entry point window (meta-usd-2026-10-01)\n"
            "utility, Turkey, tier 1: 40 x $0.0009 = $0.036 (meta-usd-2026-10-01)\n"
            "in all: $1.126\n"
            "at worst: $1.135\n"
            "available: $100.00"
        )
        assert found.coverage is Coverage.WORST
        assert found.short == money("0", "USD")
        assert "toplam" in found.explain("tr")

    def test_counts_what_is_held_as_gone(self, storage: Storage, clock: Clock) -> None:
        post = build_messages(storage, clock, credit="0.0218")
        assert post.billing.messages.affordable("acme", [part("marketing", 1)]).repeats == 2
        post.hold(["a"])
        assert post.billing.messages.affordable("acme", [part("marketing", 1)]).repeats == 1
        found = post.billing.messages.estimate("acme", [part("marketing", 2)])
        assert found.coverage is Coverage.SHORT
        assert found.short == money("0.0109", "USD")
        half = attrs.evolve(part("marketing", 2), delivered="0.5")
        assert post.billing.messages.estimate("acme", [half]).coverage is Coverage.EXPECTED

    def test_prices_another_day_by_its_own_card(self, post: MessageDesk) -> None:
        ask = post.billing.messages.estimate
        september = ask("acme", [part("service", 1)], on=date(2026, 9, 30))
        october = ask("acme", [part("service", 1)], on=date(2026, 10, 1))
        assert (september.worst, october.worst) == (money("0", "USD"), money("0.0009", "USD"))

    def test_refuses_what_no_card_offers(self, post: MessageDesk) -> None:
        with pytest.raises(UnknownName):
            post.billing.messages.estimate("acme", [part("utility", 1, "Atlantis")])
        with pytest.raises(InvalidInput, match="not offered"):
            post.billing.messages.hold("acme", [part("authentication_international", 1)], key="k")
