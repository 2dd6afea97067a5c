"""What a catalog says about time and terms, as an account meets it: on memory and on SQLite."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

import attrs
import pytest

from monochat_billing import (
    MONTH,
    YEAR,
    AfterTerm,
    Billing,
    Catalog,
    CatalogVersions,
    ChangeTiming,
    Family,
    IllegalTransition,
    InvalidInput,
    NegotiatedPrice,
    Price,
    PriceReach,
    Product,
    Subscription,
    UnknownName,
    money,
    sample_catalog,
)
from monochat_billing.adapters.memory import MemoryStorage
from monochat_billing.adapters.sql import SqlStorage
from monochat_billing.limits import hard, unlimited
from monochat_billing.plans import AnyCatalog
from monochat_billing.repositories import Storage
from tests.desk import PROFILE, START, Clock
from tests.scene import lira

Open = Callable[[AnyCatalog], Billing]
JANUARY = datetime(2027, 1, 1, tzinfo=UTC)


@pytest.fixture(params=["memory", "sqlite"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Storage]:
    if request.param == "memory":
        yield MemoryStorage()
        return
    stored = SqlStorage(f"sqlite:///{tmp_path / 'billing.db'}")
    yield stored
    stored.close()


@attrs.define
class Counted:
    """Tell what an account uses, as a host would."""

    counts: Mapping[str, int]
    asked: list[tuple[str, ...]] = attrs.field(factory=list)

    def read(self, account: str, names: Iterable[str]) -> Mapping[str, int]:
        self.asked.append((account, *names))
        return self.counts


@pytest.fixture
def opened(storage: Storage, clock: Clock) -> Open:
    """Open "acme" with money, and give the service again with any catalog."""

    def service(catalog: AnyCatalog) -> Billing:
        return Billing(catalog=catalog, storage=storage, clock=clock)

    first = service(sample_catalog())
    first.accounts.open("acme", zone="Europe/Istanbul", currencies=["TRY", "USD"], profile=PROFILE)
    first.balances.credit("acme", lira("500000"), reason="opening balance", key="opening")
    return service


def dated(catalog: Catalog, *later: Price, product: str = "growth") -> Catalog:
    """Add prices to a product of a catalog."""
    products = tuple(
        attrs.evolve(one, prices=(*one.prices, *later)) if one.id == product else one
        for one in catalog.products
    )
    return attrs.evolve(catalog, products=products)


def raised(amount: str, start: datetime, **terms: object) -> Price:
    return Price(interval=MONTH, amount=lira(amount), effective_at=start, **terms)  # type: ignore[arg-type]


def plan_of(billing: Billing) -> Subscription:
    found = billing.overview("acme").subscription(Family.PLAN)
    assert found is not None
    return found


class TestANewPrice:
    """It reaches those who are there only by the rule that it states."""

    @pytest.mark.parametrize(
        ("terms", "paid"),
        [
            ({}, ["1499", "1499", "1499", "1499", "1499"]),
            ({"reach": PriceReach.NEXT_RENEWAL}, ["1499", "1499", "1499", "1799", "1799"]),
            (
                {
                    "reach": PriceReach.FROM_DATE,
                    "reaches_at": datetime(2027, 1, 20, tzinfo=UTC),
                },
                ["1499", "1499", "1499", "1499", "1799"],
            ),
        ],
        ids=["never", "next-renewal", "from-a-date"],
    )
    def test_reaches_by_its_rule(
        self, opened: Open, clock: Clock, terms: dict[str, object], paid: list[str]
    ) -> None:
        """Monthly from 5 October; the price rises on 1 January; five periods are charged."""
        catalog = dated(sample_catalog(), raised("1799", JANUARY, **terms))
        billing = opened(catalog)
        billing.subscriptions.subscribe("acme", "growth", MONTH, key="signup")
        clock.set("2027-02-06T09:00:00+03:00")
        billing.run_due()
        fees = [
            entry.money
            for entry in billing.overview("acme", last=50).last_entries
            if entry.kind.value == "PLAN_FEE"
        ]
        assert fees == [lira(f"-{amount}") for amount in paid]
        subscription = plan_of(billing)
        assert subscription.price.amount == lira(paid[-1])
        assert [line.price.amount for line in subscription.history] == [
            lira(amount) for amount in dict.fromkeys(paid)
        ]
        assert billing.verify().sound

    def test_who_buys_after_it_pays_it(self, opened: Open, clock: Clock) -> None:
        """The price in force at the instant of buying, whatever it reaches."""
        billing = opened(dated(sample_catalog(), raised("1799", JANUARY)))
        clock.set("2026-12-31T23:59:59+00:00")
        billing.subscriptions.subscribe("acme", "basic", MONTH, key="signup")
        assert billing.subscriptions.preview("acme", to="growth").to_price.amount == lira("1499")
        clock.advance(seconds=1)
        assert billing.subscriptions.preview("acme", to="growth").to_price.amount == lira("1799")

    def test_a_preview_for_later_quotes_the_price_of_then(self, opened: Open, clock: Clock) -> None:
        """A change at the period's end is priced by what is in force at that end."""
        billing = opened(dated(sample_catalog(), raised("1799", JANUARY)))
        clock.set("2026-12-15T09:00:00+03:00")
        billing.subscriptions.subscribe("acme", "enterprise", MONTH, key="signup")
        quote = billing.subscriptions.preview("acme", to="growth")
        assert quote.timing is ChangeTiming.END_OF_PERIOD
        assert quote.to_price.amount == lira("1799")
        billing.subscriptions.change(quote)
        clock.set("2027-01-15T09:00:00+03:00")
        assert plan_of(billing).price.amount == lira("1799")

    def test_a_preview_says_what_the_next_renewal_takes(self, opened: Open, clock: Clock) -> None:
        """A price that reaches everybody is told before it is charged."""
        later = raised("6999", JANUARY, reach=PriceReach.NEXT_RENEWAL)
        billing = opened(dated(sample_catalog(), later, product="enterprise"))
        clock.set("2026-12-15T09:00:00+03:00")
        billing.subscriptions.subscribe("acme", "growth", MONTH, key="signup")
        quote = billing.subscriptions.preview("acme", to="enterprise")
        assert quote.to_price.amount == lira("5999")
        assert quote.renewal_price is not None
        assert quote.renewal_price.amount == lira("6999")
        assert "next renewal 2027-01-15 09:00 Europe/Istanbul: 6,999.00 TRY" in quote.explain()

    def test_a_price_that_cannot_be_paid_is_pinned_all_the_same(
        self, opened: Open, clock: Clock
    ) -> None:
        """Failing to pay does not keep the old price for one period more."""
        later = raised("400000", JANUARY, reach=PriceReach.NEXT_RENEWAL)
        billing = opened(dated(sample_catalog(), later))
        billing.subscriptions.subscribe("acme", "growth", MONTH, key="signup")
        billing.balances.debit("acme", lira("200000"), reason="export", key="export")
        clock.set("2027-01-06T09:00:00+03:00")
        billing.run_due()
        assert plan_of(billing).state.value == "PAST_DUE"
        billing.balances.credit("acme", lira("200000"), reason="more", key="more")
        assert plan_of(billing).state.value == "ACTIVE"
        assert plan_of(billing).charge.amount == lira("400000")


class TestCatalogVersions:
    """The version in force at an instant decides, also for what is caught up with later."""

    def versions(self) -> CatalogVersions:
        now = sample_catalog()
        products = tuple(one for one in now.products if one.id != "growth")
        dearer = tuple(
            attrs.evolve(
                one,
                prices=tuple(
                    attrs.evolve(price, amount=lira("999"), reach=PriceReach.NEXT_RENEWAL)
                    if (price.interval, price.currency) == (MONTH, "TRY")
                    else price
                    for price in one.prices
                ),
            )
            if one.id == "priority"
            else one
            for one in products
        )
        later = attrs.evolve(now, version="2027", products=dearer, effective_at=JANUARY)
        return CatalogVersions(versions=(later, now))

    def test_a_withdrawn_product_goes_on_and_can_be_left(self, opened: Open, clock: Clock) -> None:
        """Growth is sold no more from January: who has it keeps it and its price, and may leave."""
        billing = opened(self.versions())
        billing.subscriptions.subscribe("acme", "growth", MONTH, key="signup")
        clock.set("2027-02-06T09:00:00+03:00")
        assert plan_of(billing).charge.amount == lira("1499")
        same = billing.subscriptions.preview("acme", to="growth", interval=MONTH)
        assert not same.changes_anything
        with pytest.raises(UnknownName, match="monochat-sample 2027"):
            billing.schedule.change("acme", to="growth-2", key="later")
        up = billing.subscriptions.change(
            billing.subscriptions.preview("acme", to="enterprise", interval=MONTH)
        )
        assert up.quote.catalog == "monochat-sample 2027"
        assert up.subscription.product == "enterprise"

    def test_an_undated_price_of_a_later_version_is_new(self, opened: Open, clock: Clock) -> None:
        """It begins with its version and reaches as it says."""
        billing = opened(self.versions())
        billing.subscriptions.subscribe("acme", "priority", MONTH, key="signup")
        clock.set("2027-02-06T09:00:00+03:00")
        (support,) = billing.subscriptions.list("acme")
        assert [str(line.price) for line in support.history] == [
            "450 TRY per MONTH",
            "999 TRY per MONTH",
        ]
        assert support.history[1].start == datetime(2027, 1, 5, 6, tzinfo=UTC)

    def test_an_add_on_is_subscribed_to_in_a_quantity(self, opened: Open) -> None:
        """One that the catalog of a later version sells, too."""
        catalog = sample_catalog()
        seat = Product(
            id="seat",
            family=Family.ADD_ON,
            names={"en": "Seat"},
            prices=tuple(
                Price(interval=MONTH, amount=money("10", code)) for code in catalog.currencies
            ),
            most_quantity=None,
        )
        billing = opened(attrs.evolve(catalog, products=(*catalog.products, seat)))
        seats = billing.subscriptions.subscribe("acme", "seat", MONTH, key="seat", quantity=3)
        assert (seats.quantity, seats.charge.amount) == (3, money("30", "TRY"))


def deal(**terms: object) -> NegotiatedPrice:
    fields: dict[str, object] = {
        "id": "deal-7",
        "account": "acme",
        "product": "enterprise",
        "price": Price(interval=MONTH, amount=lira("4000")),
        "valid_from": START,
        "valid_until": datetime(2026, 11, 1, tzinfo=UTC),
        "term": YEAR,
        "limits": (hard("users", 50),),
    }
    return NegotiatedPrice(**(fields | terms))  # type: ignore[arg-type]


class TestANegotiatedPrice:
    """One account's own price: accepted once, kept for its term."""

    def test_is_pinned_for_its_term_and_then_follows_the_list(
        self, opened: Open, clock: Clock
    ) -> None:
        """No rise of the list price reaches it before the term ends; then the list price counts."""
        later = raised("6999", JANUARY, reach=PriceReach.NEXT_RENEWAL)
        billing = opened(dated(sample_catalog(), later, product="enterprise"))
        started = billing.subscriptions.subscribe(
            "acme", "enterprise", MONTH, key="signup", offer=deal()
        )
        assert started.charge.amount == lira("4000")
        assert started.agreement is not None
        assert started.agreement.ends_at == datetime(2027, 10, 5, 6, tzinfo=UTC)
        clock.set("2027-10-05T08:59:59+03:00")
        assert plan_of(billing).charge.amount == lira("4000")
        clock.set("2027-10-05T09:00:00+03:00")
        after = plan_of(billing)
        assert (after.charge.amount, after.agreement) == (lira("6999"), None)
        assert [line.price.agreement for line in after.history] == ["deal-7", ""]

    def test_can_stay_after_its_term(self, opened: Open, clock: Clock) -> None:
        """KEEP goes on, as it was agreed."""
        billing = opened(sample_catalog())
        billing.subscriptions.subscribe(
            "acme", "enterprise", MONTH, key="signup", offer=deal(then=AfterTerm.KEEP)
        )
        clock.set("2028-01-06T09:00:00+03:00")
        assert plan_of(billing).charge.amount == lira("4000")
        assert plan_of(billing).agreement is not None

    def test_is_accepted_by_executing_a_quote_once(self, opened: Open, clock: Clock) -> None:
        """Preview shows it, change takes it, and a second time is refused."""
        billing = opened(sample_catalog())
        billing.subscriptions.subscribe("acme", "growth", MONTH, key="signup")
        clock.advance(days=3)
        quote = billing.subscriptions.preview("acme", to="enterprise", offer=deal())
        again = billing.subscriptions.preview("acme", to="enterprise", offer=deal())
        assert quote.to_price.amount == lira("4000")
        done = billing.subscriptions.change(quote)
        assert done.subscription.price.agreement == "deal-7"
        assert billing.subscriptions.change(quote).subscription == done.subscription
        with pytest.raises(IllegalTransition, match="'deal-7' is ACCEPTED"):
            billing.subscriptions.preview("acme", to="enterprise", offer=deal())
        with pytest.raises(Exception, match="stale"):
            billing.subscriptions.change(again)

    def test_holds_one_place_when_it_waits(self, opened: Open, clock: Clock) -> None:
        """Scheduled for the period's end it counts as accepted; its term begins with its price."""
        billing = opened(sample_catalog())
        billing.subscriptions.subscribe("acme", "growth", MONTH, key="signup")
        quote = billing.subscriptions.preview(
            "acme", to="enterprise", offer=deal(), timing=ChangeTiming.END_OF_PERIOD
        )
        result = billing.subscriptions.change(quote)
        assert result.scheduled is not None
        with pytest.raises(IllegalTransition, match="ACCEPTED"):
            billing.subscriptions.preview("acme", to="enterprise", offer=deal())
        clock.set("2026-11-06T09:00:00+03:00")
        agreed = plan_of(billing).agreement
        assert agreed is not None
        assert agreed.ends_at == datetime(2027, 11, 5, 6, tzinfo=UTC)
        assert plan_of(billing).charge.amount == lira("4000")

    def test_is_lost_on_leaving(self, opened: Open, clock: Clock) -> None:
        """Who changes to another product gives it up, and pays the list price when coming back."""
        billing = opened(sample_catalog())
        billing.subscriptions.subscribe("acme", "enterprise", MONTH, key="signup", offer=deal())
        clock.advance(days=1)
        down = billing.subscriptions.preview("acme", to="growth", timing=ChangeTiming.IMMEDIATE)
        assert billing.subscriptions.change(down).subscription.agreement is None
        back = billing.subscriptions.preview("acme", to="enterprise")
        assert back.to_price.amount == lira("5999")

    @pytest.mark.parametrize(
        ("terms", "problem"),
        [
            ({"account": "other"}, "is for other"),
            ({"product": "growth"}, "growth per MONTH"),
            ({"price": Price(interval=YEAR, amount=lira("4000"))}, "enterprise per YEAR"),
            ({"valid_until": datetime(2026, 10, 5, 6, 0, 1, tzinfo=UTC)}, "can be accepted from"),
            ({"valid_from": datetime(2026, 10, 7, tzinfo=UTC)}, "can be accepted from"),
        ],
    )
    def test_is_only_for_what_was_offered(
        self, opened: Open, clock: Clock, terms: dict[str, object], problem: str
    ) -> None:
        """Account, product, interval and the days of its validity."""
        billing = opened(sample_catalog())
        clock.advance(hours=1)
        with pytest.raises(InvalidInput, match=problem):
            billing.subscriptions.subscribe(
                "acme", "enterprise", MONTH, key="signup", offer=deal(**terms)
            )
        assert billing.subscriptions.list("acme") == ()

    def test_is_in_the_currency_that_pays(self, opened: Open) -> None:
        """A subscription's currency is fixed."""
        billing = opened(sample_catalog())
        dollars = deal(price=Price(interval=MONTH, amount=money("100", "USD")))
        with pytest.raises(InvalidInput, match="is not in TRY"):
            billing.subscriptions.subscribe(
                "acme", "enterprise", MONTH, key="signup", offer=dollars
            )
        billing.subscriptions.subscribe("acme", "growth", MONTH, key="signup")
        with pytest.raises(InvalidInput, match="in which the subscription is paid"):
            billing.subscriptions.preview("acme", to="enterprise", offer=dollars)

    def test_a_quote_for_it_ends_with_its_validity(self, opened: Open, clock: Clock) -> None:
        """What can be accepted until eleven cannot be executed at eleven."""
        billing = opened(sample_catalog())
        billing.subscriptions.subscribe("acme", "growth", MONTH, key="signup")
        ends = datetime(2026, 10, 5, 6, 10, tzinfo=UTC)
        quote = billing.subscriptions.preview("acme", to="enterprise", offer=deal(valid_until=ends))
        assert quote.valid_until == ends


class TestLimits:
    """What the account subscribes to limits it; a preview warns of what a change would break."""

    def test_the_plan_s_limits_answer(self, opened: Open) -> None:
        """By the name of the limit; one that nothing has is an unknown name."""
        billing = opened(sample_catalog())
        with pytest.raises(UnknownName, match="nothing is limited"):
            billing.subscriptions.check("acme", "users", 1)
        billing.subscriptions.subscribe("acme", "growth", MONTH, key="signup")
        assert str(billing.subscriptions.check("acme", "users", 9)) == "users: 9 of 10 used, 1 left"
        assert not billing.subscriptions.check("acme", "users", 11).allowed
        soft = billing.subscriptions.check("acme", "contacts", 10_500)
        assert (soft.allowed, soft.charged) == (True, 500)
        with pytest.raises(UnknownName, match="use one of users, channels, contacts"):
            billing.subscriptions.check("acme", "rooms", 1)

    def test_negotiated_limits_count(self, opened: Open) -> None:
        """Enterprise has no limit of users; the deal has."""
        billing = opened(sample_catalog())
        billing.subscriptions.subscribe("acme", "enterprise", MONTH, key="signup", offer=deal())
        assert billing.subscriptions.check("acme", "users", 51).over == 1
        assert billing.subscriptions.check("acme", "channels", 51).left is None

    def test_a_preview_warns_of_what_would_break(self, storage: Storage, opened: Open) -> None:
        """The host tells the counts; the quote lists limits first, then features that are lost."""
        opened(sample_catalog()).subscriptions.subscribe("acme", "growth", MONTH, key="signup")
        reader = Counted({"users": 7, "channels": 1, "contacts": 600})
        billing = Billing(
            catalog=sample_catalog(), storage=storage, clock=lambda: START, usage_reader=reader
        )
        quote = billing.subscriptions.preview("acme", to="basic")
        assert quote.warnings == (
            "basic limits users: 7 used, 5 above the limit of 2",
            "basic limits contacts: 600 used, 100 above the limit of 500",
            "broadcasts is not part of basic",
            "automations is not part of basic",
        )
        assert quote.explain().splitlines()[-4:] == [
            "Basic limits users: 7 used, 5 above the limit of 2",
            "Basic limits contacts: 600 used, 100 above the limit of 500",
            "broadcasts is not part of Basic",
            "automations is not part of Basic",
        ], "the explanation names the plan, the warning its id"
        assert quote.explain("tr").splitlines()[-4:] == [
            "Ücretsiz, kullanıcı limiti 2: 7 kullanılıyor, 5 fazla",
            "Ücretsiz, kişi limiti 500: 600 kullanılıyor, 100 fazla",
            "toplu gönderim, Ücretsiz kapsamında değil",
            "otomasyon, Ücretsiz kapsamında değil",
        ]
        assert reader.asked == [("acme", "users", "channels", "contacts")]
        assert billing.subscriptions.change(quote).scheduled is not None

    def test_nothing_changed_breaks_nothing(self, storage: Storage, opened: Open) -> None:
        """Usage above a limit of the plan one already has is no news of a change."""
        opened(sample_catalog()).subscriptions.subscribe("acme", "basic", MONTH, key="signup")
        billing = Billing(
            catalog=sample_catalog(),
            storage=storage,
            clock=lambda: START,
            usage_reader=Counted({"users": 7}),
        )
        assert billing.subscriptions.preview("acme", to="basic").warnings == ()

    def test_the_deal_s_limits_count_in_a_preview(self, storage: Storage, opened: Open) -> None:
        """What was negotiated is what would be exceeded."""
        opened(sample_catalog()).subscriptions.subscribe("acme", "growth", MONTH, key="signup")
        billing = Billing(
            catalog=sample_catalog(),
            storage=storage,
            clock=lambda: START,
            usage_reader=Counted({"users": 60}),
        )
        offer = deal(limits=(hard("users", 50), unlimited("rooms")))
        quote = billing.subscriptions.preview("acme", to="enterprise", offer=offer)
        assert quote.warnings == ("enterprise limits users: 60 used, 10 above the limit of 50",)
