"""The past under other prices: what an account used, priced twice, and why it differs."""

from datetime import UTC, datetime, timedelta

import attrs
import pytest

from monochat_billing import MONTH, InvalidInput, UnknownName, money, sample_catalog
from monochat_billing.adapters.whatsapp import meta_rate_cards
from monochat_billing.counters import MeterRecord
from monochat_billing.plans import Catalog
from monochat_billing.rating import RateCards
from monochat_billing.simulation.choices import Choice
from monochat_billing.simulation.costs import CostTerms
from monochat_billing.simulation.profiles import UsageProfile
from monochat_billing.simulation.repricing import PastUsage, Repricing, reprice, reprice_fleet
from tests.desk import Desk
from tests.test_simulation import message

START = datetime(2027, 1, 1, 6, tzinfo=UTC)
MESSAGES = "monochat.message"


def dearer() -> Catalog:
    """Give the sample with Growth at 1,599 a month, and Basic as it was."""
    return attrs.evolve(
        sample_catalog(),
        products=tuple(
            attrs.evolve(
                one,
                prices=tuple(
                    attrs.evolve(price, amount=money("1599", "TRY"))
                    if (one.id, price.interval, price.currency) == ("growth", MONTH, "TRY")
                    else price
                    for price in one.prices
                ),
            )
            for one in sample_catalog().products
        ),
    )


def terms(catalog: Catalog | None = None, rates: RateCards | None = None) -> CostTerms:
    return CostTerms(catalog or sample_catalog(), "TRY", START, rates=rates)


def past(plan: str = "growth", units: int = 12_000, account: str = "acme") -> PastUsage:
    return PastUsage(account, Choice(plan), UsageProfile.steady({MESSAGES: units}, months=3))


class TestRepricing:
    """Who pays more, and why."""

    def test_under_the_same_terms_differs_in_nothing(self) -> None:
        """The same catalog twice."""
        found = reprice(past(), terms(), terms())
        assert found.difference == money("0", "TRY")
        assert found.reasons() == ()

    def test_says_what_costs_more(self) -> None:
        """Three months at 100 TRY more; the overage is as it was."""
        found = reprice(past(), terms(), terms(dearer()))
        assert found.difference == money("300", "TRY")
        assert found.reasons() == ("growth, monthly: 4,497.00 TRY → 4,797.00 TRY",)

    def test_ranks_a_base(self) -> None:
        """Those who pay more first; the sum is the sum."""
        base = [past("basic", 10, "one"), past("growth", 0, "two"), past("growth", 50, "three")]
        found = reprice_fleet(base, terms(), terms(dearer()))
        assert [one.account for one in found.dearer] == ["two", "three"]
        assert found.cheaper == ()
        assert found.difference == money("600", "TRY")
        assert "<table>" in found._repr_html_()
        back = reprice_fleet(base, terms(dearer()), terms())
        assert [one.account for one in back.cheaper] == ["two", "three"]
        assert "4.497,00 TRY" in str(back.frame("tr"))

    def test_reads_what_was_recorded(self, desk: Desk) -> None:
        """From any storage: meters, messages, and the plan that is held."""
        billing, clock = desk.billing, desk.clock
        since = clock.now
        desk.top_up("30000")
        billing.balances.credit("acme", money("9", "USD"), reason="gift", key="usd")
        with pytest.raises(InvalidInput, match="holds no plan"):
            PastUsage.of(billing, "acme", since=since, until=since + timedelta(days=1))
        billing.subscriptions.subscribe("acme", "growth", MONTH, key="plan")
        for place in range(3):
            clock.advance(days=31)
            used = MeterRecord(
                id=f"u-{place}", meter=MESSAGES, quantity=11_000, occurred_at=clock.now
            )
            billing.usage.record("acme", [used])
        billing.usage.record("acme", [message("wamid.1", clock.now)])
        found = PastUsage.of(billing, "acme", since=since, until=clock.now + timedelta(days=1))
        assert found.choice == Choice("growth")
        assert found.profile.total(MESSAGES) == 33_000
        assert [one.id for one in found.messages] == ["wamid.1"]
        cards = meta_rate_cards()
        double = RateCards(
            cards=tuple(
                attrs.evolve(
                    one,
                    rates={
                        market: {
                            kind: None if units is None else 2 * units
                            for kind, units in row.items()
                        }
                        for market, row in one.rates.items()
                    },
                )
                for one in cards.cards
            )
        )
        repriced = reprice(found, terms(rates=cards), terms(rates=double))
        assert repriced.fees is not None
        assert repriced.fees[1] == repriced.fees[0] * 2
        assert "provider's fees" in repriced.explain()

    def test_refuses_what_cannot_be_compared(self) -> None:
        """Two currencies, a plan that is sold no more, and nobody."""
        dollars = CostTerms(sample_catalog(), "USD", START)
        with pytest.raises(InvalidInput, match="like with like"):
            reprice(past(), terms(), dollars)
        with pytest.raises(UnknownName):
            reprice(past("grwth"), terms(), terms())
        with pytest.raises(InvalidInput, match="at least one account"):
            _ = Repricing(lines=()).difference
