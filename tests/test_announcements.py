"""Announcements: a word of what falls due soon, each thing once, whoever runs the sweep."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import attrs
import pytest

from monochat_billing import MONTH, InvalidInput, Terms, money, sample_catalog
from monochat_billing.adapters.memory import MemoryStorage
from monochat_billing.cancellations import CancelMode
from monochat_billing.events import FallsDueSoon
from monochat_billing.lots import LotOrigin
from monochat_billing.units import plain_text
from tests.shop import TWO_WEEKS
from tests.stall import NOVEMBER, SHOP, Shop, shop_on, storage_on

DAY = timedelta(days=1)


@pytest.fixture(params=["memory", "sqlite"])
def shop(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Shop]:
    storage, close = storage_on(request.param, tmp_path)
    yield shop_on(storage)
    close()


def told(shop: Shop, account: str = "acme") -> list[FallsDueSoon]:
    events = (one.event for one in shop.billing.events(account, limit=1000))
    return [one for one in events if isinstance(one, FallsDueSoon)]


def words(shop: Shop) -> list[tuple[str, str, str, str]]:
    return [
        (one.what, one.product, one.outcome, "" if one.amount is None else plain_text(one.amount))
        for one in told(shop)
    ]


class TestAnnouncing:
    """Three days ahead unless said otherwise."""

    def test_a_renewal_once_and_from_its_day_on(self, shop: Shop) -> None:
        """Not four days before, then once however often the sweep runs, then the next one."""
        shop.fund("2500")
        shop.subscribe("growth")
        shop.clock.now = NOVEMBER - 3 * DAY - timedelta(microseconds=1)
        assert shop.billing.announce().told == 0
        shop.clock.now = NOVEMBER - 3 * DAY
        first = shop.billing.announce()
        assert (first.accounts, first.told, str(first)) == (1, 1, "1 accounts, 1 told, 0 failed")
        shop.clock.now = NOVEMBER - DAY
        assert shop.billing.announce(within=20 * DAY).told == 0
        shop.wait(NOVEMBER + 28 * DAY)
        assert shop.billing.announce().told == 1
        (one, following) = told(shop)
        assert (one.due_at, one.at, one.amount) == (
            NOVEMBER,
            NOVEMBER - 3 * DAY,
            money("1000", "TRY"),
        )
        assert (following.outcome, following.shortfall) == ("FAILS", money("500", "TRY"))
        assert following.amount == money("1000", "TRY")

    def test_the_end_of_a_trial_and_the_charge_that_follows(self) -> None:
        """Both at their instant; what a trial is about to cost is said."""
        growth = attrs.evolve(SHOP.product("growth"), trial=TWO_WEEKS)
        others = tuple(growth if one.id == "growth" else one for one in SHOP.products)
        made = shop_on(MemoryStorage(), attrs.evolve(SHOP, products=others), funds="1000")
        one = made.subscribe("growth")
        made.clock.now = one.period.end - DAY
        assert made.billing.announce().told == 2
        assert words(made) == [
            ("TRIAL_END", "growth", "DONE", ""),
            ("RENEWAL", "growth", "DONE", "1000"),
        ]

    def test_credit_that_will_be_lost(self, shop: Shop) -> None:
        """A promotion that ends; what is not lost, and what has no end, is not told."""
        terms = Terms(origin=LotOrigin.PROMOTIONAL, expires_at=NOVEMBER)
        shop.billing.balances.credit(
            "acme", money("70", "TRY"), reason="gift", key="gift", terms=terms
        )
        shop.fund("30")
        shop.clock.now = NOVEMBER - DAY
        shop.billing.announce()
        assert words(shop) == [("LOT_EXPIRY", "", "LOST", "70")]

    def test_not_an_allowance_that_ends_with_its_period(self) -> None:
        """The next period brings it anew: the renewal is what is told."""
        made = shop_on(MemoryStorage(), sample_catalog())
        made.subscribe("basic")
        made.clock.now = NOVEMBER - DAY
        made.billing.announce()
        assert words(made) == [("RENEWAL", "basic", "DONE", "")]

    def test_not_what_was_canceled_and_again_what_has_moved(self, shop: Shop) -> None:
        """A planned cancel leaves nothing to renew; another period's end is another thing."""
        shop.fund("5000")
        shop.subscribe("growth")
        planned = shop.billing.schedule.cancel("acme", "growth", key="end")
        shop.clock.now = NOVEMBER - 2 * DAY
        assert shop.billing.announce().told == 0
        shop.billing.schedule.revoke("acme", planned.id, key="stay")
        assert shop.billing.announce().told == 1
        shop.billing.subscriptions.cancel("acme", "growth", mode=CancelMode.CREDIT, key="now")
        shop.billing.subscriptions.subscribe("acme", "growth", MONTH, key="again")
        shop.clock.now += 29 * DAY
        assert shop.billing.announce().told == 1

    def test_changes_nothing_else(self, shop: Shop) -> None:
        """No entry, no due work, and the same end as without it."""
        shop.fund("1000")
        shop.subscribe("growth")
        shop.clock.now = NOVEMBER - DAY
        before = shop.billing.balances.entries("acme")
        shop.billing.announce()
        assert shop.billing.balances.entries("acme") == before
        shop.wait(NOVEMBER)
        assert shop.told()[-1] == "RenewalFailed"
        assert shop.billing.verify().sound

    def test_more_accounts_than_a_page(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Each is found once, by the index of due work; one with nothing ahead is not visited."""
        monkeypatch.setattr("monochat_billing.service.announcing._PAGE", 2)
        made = shop_on(MemoryStorage())
        names = [f"a-{number}" for number in range(7)]
        for name in names:
            made.billing.accounts.open(name, zone="UTC", currencies=["TRY"])
            made.billing.subscriptions.subscribe(name, "basic", MONTH, key="s")
        made.clock.now = NOVEMBER - DAY
        report = made.billing.announce()
        assert (report.accounts, report.told) == (7, 7)
        assert [len(told(made, name)) for name in names] == [1] * 7

    @pytest.mark.parametrize("within", [timedelta(0), -DAY, 3])
    def test_refuses_what_is_no_time_ahead(self, shop: Shop, within: object) -> None:
        """It is a length of time above zero."""
        with pytest.raises(InvalidInput, match="within"):
            shop.billing.announce(within=within)  # type: ignore[arg-type]
