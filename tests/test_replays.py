"""The past lived again: as it was under its own rules, and explained under others."""

import pickle
from datetime import timedelta
from fractions import Fraction

import attrs
import pytest

from monochat_billing import (
    MONTH,
    BillingInterval,
    Catalog,
    UnknownName,
    money,
    sample_catalog,
)
from monochat_billing.adapters.whatsapp import meta_rate_cards
from monochat_billing.simulation import (
    Cancel,
    Credit,
    Pause,
    Resume,
    Simulation,
    Step,
    Subscribe,
    simulate,
)
from monochat_billing.simulation.actions import Action
from monochat_billing.simulation.pasts import Past
from monochat_billing.simulation.replays import Tariff, replay, replay_fleet
from monochat_billing.simulation.runs import Run
from tests.desk import Desk
from tests.test_branches import lived_in
from tests.test_repricing import dearer
from tests.test_simulation import a_year

PLENTY = money("100000", "TRY")
TODAY = Tariff(sample_catalog(), meta_rate_cards())


def past_of(opening: str = "30000") -> tuple[Run, Past]:
    """Live a year, and read back what was asked in it."""
    simulation = Simulation(a_year(opening=opening))
    return simulation.run(), Past.of(simulation.billing, "acme")


def facts(run: Run) -> list[tuple[object, ...]]:
    return [
        (one.kind, one.unit, one.amount, one.effective_at, one.balance_after)
        for one in run.ledger("acme").entries
    ]


class TestAPast:
    """What was asked, read back from what is kept."""

    @pytest.mark.parametrize("opening", ["30000", "6000", "900"], ids=["rich", "scarce", "poor"])
    def test_lived_again_is_what_it_was(self, opening: str) -> None:
        """Under its own terms every entry is posted again, at its instant, with its balance."""
        lived, past = past_of(opening)
        again = simulate(past.scenario(TODAY.catalog, TODAY.rates))
        assert facts(again) == facts(lived)
        assert again.refusals == ()
        assert past.left_out == {}

    def test_of_a_trial_a_pause_and_a_return_is_lived_again(self) -> None:
        """A trial follows by itself; a planned end, a new start, a pause and its end are asked."""
        fortnight = BillingInterval.parse("14 DAY")
        tried = attrs.evolve(
            sample_catalog(),
            products=tuple(
                attrs.evolve(one, trial=fortnight) if one.id == "growth" else one
                for one in sample_catalog().products
            ),
        )
        actions: dict[int, Action] = {
            0: Subscribe("growth", MONTH),
            40: Cancel("growth"),
            80: Subscribe("growth", MONTH),
            85: Pause("growth"),
            90: Resume("growth"),
        }
        start = a_year().start
        steps = [Step(start + timedelta(days=day), "acme", one) for day, one in actions.items()]
        opening = Step(start, "acme", Credit(money("20000", "TRY")))
        simulation = Simulation(attrs.evolve(a_year().under(tried), steps=[opening, *steps]))
        lived = simulation.run()
        past = Past.of(simulation.billing, "acme")
        assert [one.action.__class__ for one in past.steps[1:]] == [
            one.__class__ for one in actions.values()
        ]
        assert facts(simulate(past.scenario(tried))) == facts(lived)

    def test_travels_between_processes(self) -> None:
        """A past pickles, so a fleet of them can be lived anywhere."""
        _, past = past_of()
        assert pickle.loads(pickle.dumps(past)) == past  # noqa: S301 - our own bytes

    def test_is_read_from_any_storage(self, desk: Desk) -> None:
        """What was asked at a desk is asked again; a hold that is open took nothing."""
        lived_in(desk)
        found = [str(one.action) for one in Past.of(desk.billing, "acme").steps]
        assert found == [
            "top up 30000 TRY",
            "gift: 50 USD",
            "subscribe to growth, MONTH",
            "subscribe to priority, MONTH",
            "buy 1 x messages-5k",
            "plan enterprise, MONTH for the period's end",
            "use 1 records",
            "use 1 records",
        ]

    def test_names_what_cannot_be_asked_again(self, desk: Desk) -> None:
        """A reversal by hand is counted, not guessed at; who is not there has no past."""
        desk.top_up("100")
        taken = desk.billing.balances.debit("acme", money("5", "TRY"), reason="export", key="d")
        desk.billing.balances.reverse("acme", taken.number, reason="mistake", key="r")
        assert Past.of(desk.billing, "acme").left_out == {"REVERSAL": 1}
        with pytest.raises(UnknownName):
            Past.of(desk.billing, "zeta")


def ruled(proration: str) -> Catalog:
    """Give the sample with another policy for every change in mid-period."""
    rules = [attrs.evolve(one, proration=proration) for one in sample_catalog().rules]
    return attrs.evolve(sample_catalog(), rules=tuple(rules))


class TestAReplay:
    """The same past under two terms."""

    def test_under_the_same_terms_differs_in_nothing(self) -> None:
        """The same catalog twice, poor or rich."""
        found = replay(past_of("900")[1], TODAY, TODAY)
        assert found.difference == money("0", "TRY")
        assert found.reasons() == ()
        assert found.newly_refused == ()

    def test_follows_plan_changes(self) -> None:
        """Growth at 1,599 and not 1,499 is paid seven times, twice with a part given back.

        15 of March's 31 days go back at the first change, 23 of 31 at the cancel in October:
        725.32 and 1,112.16 of 1,499, which is 773.71 and 1,186.35 of 1,599.
        """
        found = replay(past_of()[1], TODAY, Tariff(dearer(), TODAY.rates), extra=PLENTY)
        assert found.explain().splitlines()[1:] == [
            "plan: Growth, monthly: 10,493.00 TRY → 11,193.00 TRY",
            "unused time: Growth: -1,837.48 TRY → -1,960.06 TRY",
        ]

    def test_follows_another_policy(self) -> None:
        """By the second and not by the day, the change that comes at two in the afternoon differs.

        12 of 31 days of 5,999 go back where days count, and 11 days with 19 hours, to the second.
        """
        found = replay(past_of()[1], TODAY, Tariff(ruled("by-second"), TODAY.rates), extra=PLENTY)
        assert found.reasons() == ("unused time: Enterprise: -2,322.19 TRY → -2,281.88 TRY",)
        part = Fraction(11 * 24 + 19, 31 * 24)
        assert round(5999 * part, 2) == Fraction("2281.88")

    def test_says_what_the_money_does_not_suffice_for(self) -> None:
        """At ten times the price little is left; with extra money it is the price that differs."""
        products = tuple(
            attrs.evolve(
                one,
                prices=tuple(attrs.evolve(each, amount=each.amount * 10) for each in one.prices),
            )
            for one in sample_catalog().products
        )
        tenfold = Tariff(attrs.evolve(sample_catalog(), products=products), TODAY.rates)
        past = past_of("6000")[1]
        poor = replay(past, TODAY, tenfold)
        assert poor.newly_refused
        assert "requests are refused that were not" in poor.explain()
        rich = replay(past, TODAY, tenfold, extra=money("1000000", "TRY"))
        assert rich.newly_refused == ()
        assert rich.difference > poor.difference

    def test_of_a_base_is_ranked(self) -> None:
        """Several pasts, by any executor, in one table with the reasons."""
        pasts = [past_of(opening)[1] for opening in ("30000", "6000")]
        found = replay_fleet(pasts, TODAY, Tariff(dearer(), TODAY.rates))
        assert len(found.lines) == 2
        assert found.difference.amount == sum(one.difference.amount for one in found.lines)
        assert "Growth, monthly" in str(found)
        assert "Growth, aylık" in str(found.frame("tr"))

    def test_is_refused_before_anything_runs(self) -> None:
        """A catalog that never sold what was asked for."""
        few = tuple(one for one in sample_catalog().products if one.id != "priority")
        lacking = attrs.evolve(sample_catalog(), products=few)
        with pytest.raises(UnknownName, match="priority"):
            replay(past_of()[1], TODAY, Tariff(lacking))
