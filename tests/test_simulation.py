"""Scenarios and runs: refused before anything runs, alike every time, and alike in production."""

import contextlib
import pickle
import shutil
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import attrs
import pytest
from hypothesis import given, settings, strategies as st

from monochat_billing import (
    MONTH,
    YEAR,
    Billing,
    BillingInterval,
    CancelMode,
    InvalidInput,
    MessageCategory,
    Rejected,
    UnknownName,
    UsageRecord,
    money,
    sample_catalog,
)
from monochat_billing.adapters.sql import SqlStorage
from monochat_billing.adapters.whatsapp import meta_rate_cards
from monochat_billing.charge_models import Graduated
from monochat_billing.counters import MeterRecord
from monochat_billing.repositories import Storage
from monochat_billing.simulation import (
    BuyPack,
    Cancel,
    Change,
    Charge,
    Credit,
    Pause,
    Resume,
    Scenario,
    ScheduleChange,
    SimulatedAccount,
    Simulation,
    Step,
    Subscribe,
    TopUp,
    Use,
    monthly,
    simulate,
)
from monochat_billing.simulation.actions import sandbox
from monochat_billing.simulation.runs import SimulatedClock, ledger_of
from monochat_billing.tiers import Tier
from tests.priced_meters import metered

START = datetime(2027, 1, 1, 6, tzinfo=UTC)
DAY = timedelta(days=1)


def used(name: str, at: datetime, quantity: int) -> Use:
    return Use([MeterRecord(id=name, meter="monochat.message", quantity=quantity, occurred_at=at)])


def message(name: str, at: datetime) -> UsageRecord:
    return UsageRecord(
        id=name,
        meter="whatsapp.message",
        occurred_at=at,
        market="Turkey",
        category=MessageCategory.MARKETING,
    )


def a_year(*, opening: str = "30000") -> Scenario:
    """Give a year in which nearly everything happens: some of it is refused."""

    def at(days: int, hours: int = 0) -> datetime:
        return START + timedelta(days=days, hours=hours)

    steps = [
        Step(START, "acme", Credit(money(opening, "TRY"))),
        Step(START, "acme", Credit(money("50", "USD"), "promotion")),
        Step(START, "acme", Subscribe("growth", MONTH)),
        Step(START, "acme", Subscribe("priority", MONTH)),
        Step(at(3), "acme", TopUp(money("1000", "TRY"))),
        *monthly(at(10), 12, lambda n, on: Step(on, "acme", used(f"m-{n}", on, 9_000 + 900 * n))),
        Step(at(40), "acme", BuyPack("messages-5k")),
        Step(at(45), "acme", Use([message("wamid.1", at(45)), message("wamid.2", at(45))])),
        Step(at(60), "acme", ScheduleChange("basic")),
        Step(at(75), "acme", Change("enterprise")),
        Step(at(90), "acme", Charge(money("1000000", "TRY"), "more than there is")),
        Step(at(120), "acme", ScheduleChange("growth", MONTH, at(200, 5))),
        Step(at(150), "acme", Pause("priority")),
        Step(at(170), "acme", Resume("priority")),
        Step(at(210), "acme", Cancel("priority")),
        Step(at(250), "acme", Change("growth", YEAR)),
        Step(at(300), "acme", Cancel("growth", CancelMode.CREDIT)),
        Step(at(301), "acme", Subscribe("basic", MONTH)),
    ]
    return Scenario(
        catalog=sample_catalog(),
        rates=meta_rate_cards(),
        start=START,
        end=START + timedelta(days=365),
        accounts=[SimulatedAccount(id="acme", currencies=["TRY", "USD"])],
        steps=sorted(steps, key=lambda one: one.at),
    )


def in_production(scenario: Scenario, storage: Storage) -> None:
    """Live through a scenario day by day, as a host with a nightly job does."""
    clock = SimulatedClock(scenario.start)
    given_ids = iter(range(1, 10_000))
    billing = Billing(
        catalog=scenario.catalog,
        storage=storage,
        gateways=[sandbox()],
        rates=scenario.rates,
        clock=clock,
        ids=lambda: f"sim-{next(given_ids):06d}",
    )
    for one in scenario.accounts:
        billing.accounts.open(one.id, zone=one.zone, currencies=one.currencies, profile=one.profile)
    day, waiting = scenario.start, list(enumerate(scenario.steps, start=1))
    while day < scenario.end:
        day += DAY
        while waiting and waiting[0][1].at < day:
            number, step = waiting.pop(0)
            clock.move(step.at)
            with contextlib.suppress(InvalidInput, Rejected):  # compared by what it leaves behind
                step.action.perform(billing, step.account, f"sim-step-{number}")
        clock.move(day)
        billing.run_due()
    assert not waiting


class TestARun:
    """The production service, on a clock that moves."""

    @pytest.mark.parametrize("opening", ["30000", "6000", "900"], ids=["rich", "scarce", "poor"])
    def test_equals_production_day_by_day_on_sqlite(
        self, tmp_path: Path, empty_books: Path, opening: str
    ) -> None:
        """A simulated year and the service run day by day leave the same entries and events."""
        scenario = attrs.evolve(a_year(opening=opening), tick=DAY)
        simulated = simulate(scenario).ledger("acme")
        shutil.copy(empty_books, tmp_path / "billing.db")
        with SqlStorage(f"sqlite:///{tmp_path / 'billing.db'}") as storage:
            in_production(scenario, storage)
            lived = storage.read(lambda reader: ledger_of(reader, "acme", scenario.end))
        assert len(simulated.entries) >= 14
        assert simulated.entries == lived.entries
        assert simulated.events == lived.events
        assert simulated.state == lived.state

    def test_does_not_depend_on_when_the_host_works(self) -> None:
        """An ideal host and a lazy one record at other instants; every fact is the same."""
        ideal = simulate(a_year()).ledger("acme")
        lazy = simulate(attrs.evolve(a_year(), tick=73 * DAY)).ledger("acme")
        at_once = [attrs.evolve(one, recorded_at=one.effective_at) for one in ideal.entries]
        assert at_once == [attrs.evolve(one, recorded_at=one.effective_at) for one in lazy.entries]
        assert ideal.events == lazy.events

    def test_is_the_same_every_time(self) -> None:
        """Equal scenarios leave equal runs, to the last id."""
        once, again = simulate(a_year()), simulate(a_year())
        assert once.ledgers == again.ledgers
        assert once.digest() == again.digest()
        assert once.digest() != simulate(a_year(opening="29999")).digest()

    def test_tells_what_was_refused(self) -> None:
        """A refusal is an outcome and stops nothing."""
        run = simulate(a_year())
        refused = [type(one.step.action).__name__ for one in run.refusals]
        assert "Charge" in refused
        assert any("1000000 TRY asked" in str(one) for one in run.refusals)
        assert len(run.outcomes) == len(run.scenario.steps)

    def test_can_be_looked_at_at_any_instant(self) -> None:
        """What the service says in the middle is what the ledger says afterwards."""
        run = simulate(a_year())
        middle = START + timedelta(days=100)
        stopped = run.at(middle)
        posted = stopped.billing.balances.list("acme")["TRY"].posted
        last = [one for one in run.ledger("acme").entries if one.unit == "TRY"]
        assert posted == [one for one in last if one.effective_at <= middle][-1].balance_after
        plan = stopped.billing.subscriptions.list("acme")[0]
        assert plan.product == "enterprise"
        assert stopped.billing.verify().differences == ()

    def test_goes_on_from_where_it_was_stopped(self) -> None:
        """Stopping on the way changes nothing."""
        stopped = Simulation(a_year())
        for days in (0, 1, 59, 60, 200, 365):
            stopped.advance(START + timedelta(days=days))
        assert stopped.run().digest() == simulate(a_year()).digest()

    def test_travels_between_processes(self) -> None:
        """A scenario and its run pickle, and stay what they were."""
        scenario = pickle.loads(pickle.dumps(a_year()))  # noqa: S301 - our own bytes
        assert simulate(scenario).digest() == simulate(a_year()).digest()
        run = simulate(a_year())
        assert pickle.loads(pickle.dumps(run)).digest() == run.digest()  # noqa: S301 - as above

    def test_keeps_accounts_apart(self) -> None:
        """An account that runs among others costs what it costs alone."""
        other = [attrs.evolve(one, account="zeta") for one in a_year(opening="900").steps]
        both = attrs.evolve(
            a_year(),
            accounts=[*a_year().accounts, SimulatedAccount(id="zeta", currencies=["TRY", "USD"])],
            steps=sorted((*a_year().steps, *other), key=lambda one: one.at),
        )
        together, alone = simulate(both), simulate(both.of("zeta"))
        assert together.ledger("zeta").cost("TRY") == alone.ledger("zeta").cost("TRY")
        assert together.ledger("acme").cost("TRY") == simulate(a_year()).ledger("acme").cost("TRY")

    def test_does_not_go_back(self) -> None:
        """Time runs forwards only, and ends where the scenario does."""
        simulation = Simulation(a_year()).advance(START + DAY)
        with pytest.raises(InvalidInput, match="move time forwards"):
            simulation.advance(START)
        with pytest.raises(InvalidInput, match="let the scenario end later"):
            simulation.advance(START + timedelta(days=999))


class TestALedger:
    """What people compare: cost, cash, and days without service."""

    def test_cost_and_cash_explain_the_balance(self) -> None:
        """Paid in and granted, less cost, is what is left; nothing expires in this year."""
        ledger = simulate(a_year()).ledger("acme")
        granted = money("30000", "TRY")
        left = ledger.state.books.balance("TRY").posted
        paid = ledger.paid_in("TRY") + granted - ledger.cost("TRY")
        assert paid.amount * 10**6 == left
        assert sum(one.amount for one in ledger.costs("TRY").values()) == ledger.cost("TRY").amount
        flow = ledger.cash_flow("TRY")
        assert sum(taken.amount for _, taken in flow.values()) == ledger.cost("TRY").amount
        assert flow["2027-01"][0] == money("1000", "TRY")

    def test_counts_days_without_service(self) -> None:
        """A plan that nobody pays for stands still after its week of grace, until money comes."""
        paid = START + timedelta(days=61)
        scenario = Scenario(
            catalog=sample_catalog(),
            start=START,
            end=START + timedelta(days=80),
            accounts=[SimulatedAccount(id="acme", currencies=["TRY"], zone="UTC")],
            steps=[
                Step(START, "acme", Credit(money("1499", "TRY"))),
                Step(START, "acme", Subscribe("growth", MONTH)),
                Step(paid, "acme", TopUp(money("1499", "TRY"))),
            ],
        )
        ledger = simulate(scenario).ledger("acme")
        (outage,) = ledger.outages()
        assert (outage.start, outage.end) == (START + timedelta(days=38), paid)
        assert ledger.days_without_service() == 23
        assert ledger.days_without_service(START + timedelta(days=60)) == 1


class TestAScenario:
    """It is refused before anything runs, with the step that is wrong."""

    @staticmethod
    def of(*steps: Step, **fields: object) -> Scenario:
        given = {
            "catalog": sample_catalog(),
            "start": START,
            "end": START + timedelta(days=30),
            "accounts": [SimulatedAccount(id="acme", currencies=["TRY"])],
            "steps": steps,
        }
        return Scenario(**{**given, **fields})  # type: ignore[arg-type]

    @pytest.mark.parametrize(
        ("steps", "message"),
        [
            pytest.param(
                [
                    Step(START + DAY, "acme", Subscribe("growth", MONTH)),
                    Step(START, "acme", Change("enterprise")),
                ],
                r"steps\[1\].at: .* time does not run backwards",
                id="backwards",
            ),
            pytest.param(
                [Step(START - DAY, "acme", Change("growth"))], "does not run backwards", id="early"
            ),
            pytest.param(
                [Step(START + 31 * DAY, "acme", Change("growth"))], "after the scenario", id="late"
            ),
            pytest.param(
                [Step(START, "zeta", Change("growth"))], r"steps\[0\].account", id="stranger"
            ),
            pytest.param([Step(START, "acme", TopUp(money("0", "TRY")))], "above zero", id="zero"),
            pytest.param([Step(START, "acme", Change())], "name the product", id="nothing"),
            pytest.param(
                [Step(START, "acme", BuyPack("messages-5k", 0))], "is no quantity", id="no-pack"
            ),
            pytest.param(
                [Step(START, "acme", Use([message("m", START)]))], "rates: None", id="no-rates"
            ),
            pytest.param(
                [Step(START, "acme", used("m", START + DAY, 1))], "lies ahead", id="future-usage"
            ),
            pytest.param(
                [Step(START, "acme", ScheduleChange("growth", None, START))], "plan ahead", id="now"
            ),
            pytest.param(
                [Step(START, "acme", Credit(money("5", "USD")))],
                r"steps\[0\].currency: 'USD' is no balance of 'acme'",
                id="other-money",
            ),
            pytest.param(
                [Step(START, "acme", Subscribe("growth", MONTH, "USD"))],
                "currency",
                id="other-plan",
            ),
            pytest.param(
                [Step(START, "acme", Subscribe("growth", BillingInterval.parse("2 MONTH")))],
                "2 MONTH",
                id="no-such-interval",
            ),
            pytest.param(
                [Step(START, "acme", Charge(money("5", "TRY"), " "))], "charge.reason", id="why"
            ),
            pytest.param(
                [Step(START, "acme", Cancel("growth", on=START))], "plan ahead", id="ended"
            ),
        ],
    )
    def test_refuses_steps_that_cannot_be_right(self, steps: list[Step], message: str) -> None:
        """The first of them is named."""
        with pytest.raises(InvalidInput, match=message):
            self.of(*steps)

    @pytest.mark.parametrize(
        "action",
        [
            pytest.param(Subscribe("grwth", MONTH), id="subscribe"),
            pytest.param(Change("grwth"), id="change"),
            pytest.param(ScheduleChange("grwth"), id="schedule"),
            pytest.param(Cancel("grwth"), id="cancel"),
            pytest.param(Pause("grwth"), id="pause"),
            pytest.param(Resume("grwth"), id="resume"),
            pytest.param(BuyPack("grwth"), id="pack"),
            pytest.param(
                Use([MeterRecord(id="u", meter="grwth", quantity=1, occurred_at=START)]), id="meter"
            ),
        ],
    )
    def test_refuses_what_the_catalog_does_not_know(self, action: Subscribe) -> None:
        """An unknown plan, pack or meter is said by name, with the step."""
        with pytest.raises(UnknownName, match=r"steps\[0\].*grwth"):
            self.of(Step(START, "acme", action))

    def test_refuses_empty_usage(self) -> None:
        """Usage without records, or of two kinds, is no step."""
        with pytest.raises(InvalidInput, match="is empty"):
            Use([])
        with pytest.raises(InvalidInput, match="no list"):
            Use(None)
        with pytest.raises(InvalidInput, match="is no action"):
            Step(START, "acme", "subscribe")  # type: ignore[arg-type]
        record = MeterRecord(id="u", meter="monochat.message", quantity=1, occurred_at=START)
        with pytest.raises(InvalidInput, match="not of one kind"):
            Use([record, message("m", START)])

    @pytest.mark.parametrize(
        ("fields", "message"),
        [
            pytest.param({"end": START}, "let time run forwards", id="no-span"),
            pytest.param({"accounts": []}, "accounts: .* is empty", id="nobody"),
            pytest.param({"tick": timedelta()}, "tick", id="no-tick"),
            pytest.param({"tick": 5}, "tick", id="number"),
            pytest.param({"catalog": None}, "is no catalog", id="no-catalog"),
            pytest.param({"accounts": ["acme"]}, r"accounts\[0\]: 'acme' is no", id="names"),
            pytest.param({"steps": ["x"]}, r"steps\[0\]: 'x' is no Step", id="words"),
            pytest.param(
                {"accounts": [SimulatedAccount(id="a", currencies=["TRY"])] * 2},
                "twice",
                id="twins",
            ),
        ],
    )
    def test_refuses_a_frame_that_cannot_be_right(
        self, fields: dict[str, object], message: str
    ) -> None:
        """A span, accounts and a tick are needed."""
        with pytest.raises(InvalidInput, match=message):
            self.of(**fields)

    def test_says_who_is_missing(self) -> None:
        """One account can be taken out, if it is there."""
        with pytest.raises(UnknownName):
            self.of().of("zeta")
        with pytest.raises(UnknownName):
            simulate(self.of()).ledger("zeta")

    def test_months_are_clipped(self) -> None:
        """A month's end stays a month's end."""
        last = datetime(2028, 1, 31, tzinfo=UTC)
        steps = monthly(last, 14, lambda n, at: Step(at, "acme", Credit(money("1", "TRY"))))
        assert [one.at.day for one in steps[:4]] == [31, 29, 31, 30]
        assert steps[13].at == datetime(2029, 2, 28, tzinfo=UTC)
        with pytest.raises(InvalidInput, match="months"):
            monthly(last, 0, lambda n, at: steps[0])


class TestTheLawOfUsage:
    """More usage never costs less under per-unit and graduated prices."""

    @settings(max_examples=settings().max_examples // 8)
    @given(
        few=st.integers(0, 120_000),
        more=st.integers(0, 120_000),
        plan=st.sampled_from(["growth", "enterprise"]),
        prices=st.lists(st.sampled_from(["0", "0.1", "0.15", "2"]), min_size=1, max_size=4),
        flats=st.lists(st.integers(0, 50), min_size=4, max_size=4),
    )
    def test_more_never_costs_less(
        self, few: int, more: int, plan: str, prices: list[str], flats: list[int]
    ) -> None:
        """Tiers that grow dearer or cheaper, with fees for entering them; one tier is per unit."""
        tiers = [
            Tier(up_to=None if place == len(prices) else 500 * place, price=price, flat=flat)
            for place, (price, flat) in enumerate(zip(prices, flats, strict=False), start=1)
        ]

        def cost(quantity: int) -> Decimal:
            scenario = Scenario(
                catalog=metered(Graduated(tiers=tiers)),
                start=START,
                end=START + timedelta(days=20),
                accounts=[SimulatedAccount(id="acme", currencies=["TRY"])],
                steps=[
                    Step(START, "acme", Credit(money("1000000", "TRY"))),
                    Step(START, "acme", Subscribe(plan, MONTH)),
                    Step(START + DAY, "acme", used("u", START + DAY, quantity)),
                ],
            )
            run = simulate(scenario)
            assert run.refusals == ()
            return run.ledger("acme").cost("TRY").amount

        assert cost(few) <= cost(few + more)
