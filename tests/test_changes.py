"""Quotes and changes: what a change costs, when it holds, and that doing it is what was shown."""

from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import attrs
import pytest

from monochat_billing import changes
from monochat_billing.balance import EntryKind, Terms
from monochat_billing.errors import (
    IllegalTransition,
    InsufficientFunds,
    InvalidInput,
    StaleQuote,
    UnknownName,
)
from monochat_billing.events import PlanChanged, RenewalFailed
from monochat_billing.lots import LotOrigin
from monochat_billing.money import amount_text
from monochat_billing.periods import MONTH, YEAR, BillingPeriod
from monochat_billing.plans import (
    AnchorRule,
    Catalog,
    ChangeRule,
    ChangeTiming,
    Direction,
    Family,
    Price,
)
from monochat_billing.quotes import ChangeQuote, quote_change
from monochat_billing.scheduling import ScheduleState
from monochat_billing.subscriptions import SubscriptionState
from tests.scene import CATALOG, START, Scene, instant, lira, scene

NOW, LATER = ChangeTiming.IMMEDIATE, ChangeTiming.END_OF_PERIOD
MINUTE = timedelta(minutes=1)


def growing(*amounts: str, product: str = "growth", **how: Any) -> Scene:  # noqa: ANN401
    """Subscribe on 5 October, 09:00 in Istanbul: 31 days up to 5 November."""
    made = scene(*amounts or ("100000",), **how)
    made.subscribe(START, product)
    return made


def figures(quote: ChangeQuote) -> tuple[str, str, str]:
    return amount_text(quote.credit), amount_text(quote.charge), amount_text(quote.due_now)


def dearer(product: str, amount: str, *, version: str = CATALOG.version) -> Catalog:
    """Give the sample catalog with another monthly price in TRY."""
    products = tuple(
        one
        if one.id != product
        else attrs.evolve(one, prices=(Price(interval=MONTH, amount=lira(amount)), *one.prices[1:]))
        for one in CATALOG.products
    )
    return attrs.evolve(CATALOG, products=products, version=version)


def with_policy(name: str, anchor: AnchorRule = AnchorRule.KEEP) -> Catalog:
    rule = ChangeRule(name=name, timing=NOW, anchor=anchor, proration=name)
    return attrs.evolve(CATALOG, rules=(rule,))


class TestSubscribing:
    """The first period is charged in advance, or nothing begins."""

    def test_charges_the_first_period(self) -> None:
        """One entry, one charge that knows its lots, one line of history."""
        made = growing("1000", "1000")
        plan = made.of()
        assert made.amounts() == ["1000", "1000", "-1499"]
        assert made.entries[-1].kind is EntryKind.PLAN_FEE
        assert (made.entries[-1].reason, made.entries[-1].reference) == ("growth per MONTH", "plan")
        assert plan.charge.amount == lira("1499")
        assert plan.charge.entry == 3
        assert [(one.lot.number, one.units) for one in plan.charge.shares] == [
            (1, 1_000_000_000),
            (2, 499_000_000),
        ]
        october = BillingPeriod(start=START, end=instant("2026-11-05 06:00"))
        assert plan.charge.span == plan.charge.whole == plan.period == october
        assert [(one.product, one.start, one.end) for one in plan.history] == [
            ("growth", START, None)
        ]
        assert (plan.index, plan.version, plan.account) == (0, 1, "acme")
        assert made.happened()[-1] == "SubscriptionStarted"

    def test_a_free_plan_costs_no_entry(self) -> None:
        """Its charge is zero, without shares."""
        plan = scene().subscribe(START, "basic")
        assert (plan.charge.amount, plan.charge.shares, plan.charge.entry) == (lira("0"), (), None)

    def test_too_little_money_begins_nothing(self) -> None:
        """Neither a subscription nor an entry."""
        made = scene("1498.99")
        before = made.state
        with pytest.raises(InsufficientFunds) as refused:
            made.subscribe(START, "growth")
        assert refused.value.shortfall == "0.01"
        assert made.state == before

    def test_may_be_paid_in_another_currency(self) -> None:
        """The price in that currency is pinned; the balance in it has to pay."""
        made = scene("100000")
        with pytest.raises(InsufficientFunds) as refused:
            made.subscribe(START, "growth", currency="USD")
        assert (refused.value.unit, refused.value.requested) == ("USD", "39")


class TestUpgrade:
    """An upgrade is done at once and prorated; the period stays."""

    def test_in_mid_period(self) -> None:
        """On 20 October 16 of 31 days are left: 1499 x 16/31 back, 5999 x 16/31 charged."""
        made = growing()
        quote = made.preview("2026-10-20 09:00", "enterprise")
        assert figures(quote) == ("773.68", "3096.26", "2322.58")
        assert (quote.timing, quote.direction) == (NOW, Direction.UPGRADE)
        assert quote.rule == "upgrade at once, prorated"
        assert quote.period == made.of().period
        assert quote.span == BillingPeriod(start=instant("2026-10-20 09:00"), end=quote.period.end)
        assert quote.next_renewal_at == instant("2026-11-05 06:00")
        assert quote.effective_at == instant("2026-10-20 09:00")
        done = made.execute("2026-10-20 09:10", quote)
        assert made.amounts()[-2:] == ["773.68", "-3096.26"]
        back, fee = made.entries[-2:]
        assert (back.kind, back.corrects) == (EntryKind.PRORATION_CREDIT, 2)
        assert back.effective_at == fee.effective_at == instant("2026-10-20 09:00")
        assert back.recorded_at == fee.recorded_at == instant("2026-10-20 09:10")
        plan = done.subscription
        assert done.entries == (back, fee)
        assert (plan.product, plan.price.amount) == ("enterprise", lira("5999"))
        assert (plan.charge.amount, plan.charge.span) == (lira("3096.26"), quote.span)
        assert (plan.charge.whole, plan.charge.entry) == (quote.period, fee.number)
        assert (plan.version, plan.index) == (2, 0)
        assert [(one.product, one.end) for one in plan.history] == [
            ("growth", quote.effective_at),
            ("enterprise", None),
        ]
        changed = made.events[-1]
        assert isinstance(changed, PlanChanged)
        assert (changed.credit, changed.charge) == (lira("773.68"), lira("3096.26"))
        assert (changed.from_product, changed.product) == ("growth", "enterprise")
        assert changed.scheduled_change is None
        assert changed.at == quote.effective_at

    def test_two_in_one_period_telescope(self) -> None:
        """What was kept for each segment and what was given back sum to what was paid."""
        made = growing(product="priority")
        first = made.change("2026-10-15 09:00", "dedicated").quote
        assert figures(first) == ("304.84", "1625.81", "1320.97")
        second = made.change("2026-10-25 09:00", "priority", timing=NOW).quote
        assert second.credit == lira("851.61"), "1625.81 x 11/21 of what was paid, not of 2400"
        kept_first = lira("450") - first.credit
        kept_second = first.charge - second.credit
        assert kept_first + first.credit == lira("450")
        assert kept_second == lira("774.20")
        assert made.audit().sound

    def test_of_the_second_fee_in_the_same_period(self) -> None:
        """Two upgrades at one instant: the second gives all of the first's charge back."""
        made = growing()
        first = made.change("2026-10-20 09:00", "enterprise").quote
        second = made.change("2026-10-20 09:00", "growth", timing=NOW).quote
        assert second.credit == first.charge

    def test_that_cannot_be_paid_changes_nothing(self) -> None:
        """The refusal names what the credit leaves missing."""
        made = growing("1499", "2322.57")
        before = made.state
        quote = made.preview("2026-10-20 09:00", "enterprise")
        assert (quote.available, quote.shortfall) == (lira("2322.57"), lira("0.01"))
        with pytest.raises(InsufficientFunds) as refused:
            made.execute("2026-10-20 09:00", quote)
        assert refused.value.args == (
            "acme", "TRY", "2322.58", "2322.57", "0.01", "top up, then preview again"
        )  # fmt: skip
        assert amount_text(quote.due_now) == refused.value.requested
        assert "available 2,322.57 TRY, short 0.01 TRY" in quote.explain().splitlines()
        assert made.state.subscriptions == before.subscriptions
        assert made.state.books == before.books

    def test_that_can_just_be_paid(self) -> None:
        """The credit counts towards the charge, to the kuruş."""
        made = growing("1499", "2322.58")
        quote = made.preview("2026-10-20 09:00", "enterprise")
        assert quote.shortfall == lira("0")
        made.execute("2026-10-20 09:00", quote)
        assert made.posted() == "0"


class TestLongerInterval:
    """Monthly to yearly is done at once, with a new anchor."""

    def test_ten_days_before_the_end(self) -> None:
        """10 of 31 days of 1499 come back, and a whole year is charged from now."""
        made = growing()
        quote = made.preview("2026-10-26 09:00", "growth", YEAR)
        assert figures(quote) == ("483.55", "14990", "14506.45")
        assert quote.period.start == instant("2026-10-26 09:00")
        assert quote.period.end == instant("2027-10-26 09:00")
        assert quote.span == quote.period
        assert (quote.index, quote.anchor.day) == (0, 26)
        made.execute("2026-10-26 09:00", quote)
        assert made.of().next_period.end == instant("2028-10-26 09:00")
        assert made.of().index == 0

    def test_starts_anew_even_where_the_rule_keeps_the_anchor(self) -> None:
        """A year does not fit into the month that is running."""
        made = growing()
        made.catalog = with_policy("standard", AnchorRule.KEEP)
        quote = made.preview("2026-10-26 09:00", "growth", YEAR)
        assert quote.period.start == instant("2026-10-26 09:00")
        assert quote.period.end == instant("2027-10-26 09:00")

    def test_is_explained_line_by_line(self) -> None:
        """Units, ratio, amount and rule of each line; then the sums; then the next renewal."""
        quote = growing().preview("2026-10-26 09:00", "growth", YEAR)
        text = str(quote).splitlines()
        assert text[0] == (
            "Growth (1,499.00 TRY monthly) → Growth (14,990.00 TRY yearly), other interval, "
            "2026-10-26 12:00 Europe/Istanbul"
        )
        assert "10 of 31 days, 2026-10-26 to 2026-11-04:" in text[1]
        assert "26.10.2026 - 04.11.2026 arası 31 günün 10 günü" in quote.explain("tr")
        assert "10/31" in text[1]
        assert text[1].startswith("Growth: Credit")
        assert text[2].startswith("Growth: Charge")
        assert text[3:] == [
            f"credit 483.55 TRY, charge 14,990.00 TRY, due 14,506.45 TRY; rule: {quote.rule}",
            "of the credit 80.59 TRY is KDV at 20%",
            "of the charge 2,498.33 TRY is KDV at 20%",
            "next renewal 2027-10-26 12:00 Europe/Istanbul: 14,990.00 TRY",
        ]

    def test_is_explained_in_turkish(self) -> None:
        """The same lines, as a Turkish customer reads them."""
        quote = growing().preview("2026-10-26 09:00", "growth", YEAR)
        head, credit, charge, *rest = quote.explain("tr").splitlines()
        assert head == (
            "Growth (1.499,00 TRY aylık) → Growth (14.990,00 TRY yıllık), dönem değişikliği, "
            "26.10.2026 12:00 Europe/Istanbul"
        )
        assert "26.10.2026 - 04.11.2026 arası 31 günün 10 günü için iade" in credit
        assert "365 günün 365 günü için ücret" in charge
        assert rest == [
            (
                "iade 483,55 TRY, ücret 14.990,00 TRY, ödenecek 14.506,45 TRY; "
                "kural: daha uzun dönem: hemen, yeni yenileme günüyle"
            ),
            "iadenin 80,59 TRY tutarı %20 KDV",
            "ücretin 2.498,33 TRY tutarı %20 KDV",
            "sonraki yenileme 26.10.2027 12:00 Europe/Istanbul: 14.990,00 TRY",
        ]


class TestDowngrade:
    """A downgrade waits for the period's end, where nothing comes back."""

    def test_is_scheduled(self) -> None:
        """It is priced at the end and done there."""
        made = growing(product="enterprise")
        quote = made.preview("2026-10-20 09:00", "growth")
        assert figures(quote) == ("0", "1499", "1499")
        assert quote.effective_at == quote.period.start == instant("2026-11-05 06:00")
        assert quote.timing is LATER
        done = made.execute("2026-10-20 09:00", quote)
        assert done.scheduled is not None
        assert done.scheduled.shown == lira("1499")
        assert done.entries == ()
        assert made.of().product == "enterprise"
        made.run("2026-11-05 06:00")
        assert made.of().product == "growth"
        assert made.amounts()[-1] == "-1499"
        assert made.of().period == quote.period
        assert made.of().index == 1
        assert made.schedule[done.scheduled.id].state is ScheduleState.APPLIED

    def test_may_be_asked_for_at_once(self) -> None:
        """Then the rule resets the anchor: unused time back, a whole new period charged."""
        made = growing(product="enterprise")
        quote = made.preview("2026-10-20 09:00", "growth", timing=NOW)
        assert figures(quote) == ("3096.26", "1499", "-1597.26")
        assert quote.period.end == instant("2026-11-20 09:00")
        made.execute("2026-10-20 09:00", quote)
        assert made.posted() == "95598.26"

    def test_to_a_free_plan(self) -> None:
        """Nothing is charged from then on, and nothing is posted."""
        made = growing()
        made.change("2026-10-20 09:00", "basic")
        entries = len(made.entries)
        made.run("2027-10-20 09:00")
        assert made.of().product == "basic"
        assert len(made.entries) == entries
        assert made.of().charge.amount == lira("0")


class TestFromAFreePlan:
    """Leaving a free price starts a new period at once."""

    def test_charges_a_whole_period_from_now(self) -> None:
        """There is nothing to give back."""
        made = growing(product="basic")
        quote = made.preview("2026-10-20 09:00", "growth")
        assert figures(quote) == ("0", "1499", "1499")
        assert len(quote.lines) == 1
        assert (quote.period.start, quote.period.end) == (
            instant("2026-10-20 09:00"),
            instant("2026-11-20 09:00"),
        )


class TestAnUnchangedTarget:
    """Asking for what is in force is a value, not an error."""

    def test_changes_nothing(self) -> None:
        """No lines, no sums, no entry, no event, no new version."""
        made = growing()
        quote = made.preview("2026-10-20 09:00", "growth")
        assert not quote.changes_anything
        assert figures(quote) == ("0", "0", "0")
        assert str(quote).splitlines() == [
            "Growth (1,499.00 TRY monthly): nothing changes, 2026-10-20 12:00 Europe/Istanbul",
            "due 0.00 TRY",
            "next renewal 2026-11-05 09:00 Europe/Istanbul: 1,499.00 TRY",
        ]
        assert quote.lines == ()
        assert quote.period == made.of().period
        before, told = made.state, len(made.events)
        done = made.execute("2026-10-20 09:00", quote)
        assert done.subscription == made.of()
        assert made.state.subscriptions == before.subscriptions
        assert len(made.events) == told

    def test_keeps_the_pinned_price(self) -> None:
        """A new list price does not reach who is there already."""
        made = growing()
        made.catalog = dearer("growth", "1999")
        quote = made.preview("2026-10-20 09:00", "growth")
        assert quote.to_price.amount == lira("1499")
        assert not quote.changes_anything

    def test_executed_directly_keeps_what_was_paid(self) -> None:
        """The charge that a later credit needs stays as it is."""
        made = growing()
        quote = made.preview("2026-10-20 09:00", "growth")
        decision = changes.execute_change(
            made.state.books, made.of(), CATALOG, quote, zone="UTC", recorded_at=START
        )
        assert decision.subscription == made.of()
        assert (decision.entries, decision.events) == ((), ())


class TestAnchors:
    """Bounds are counted from the anchor, through renewals and through scheduled changes."""

    def test_of_the_31st_survives_a_change_of_interval_at_the_bound(self) -> None:
        """31 January, 28 February; yearly from there on, next on 28 February, then 2029 on."""
        made = scene("100000", at=instant("2027-01-31 06:00"))
        made.subscribe("2027-01-31 06:00", "growth")
        made.plan("2027-02-01", "growth", YEAR)
        made.run("2027-02-28 06:00")
        plan = made.of()
        assert str(plan.price) == "14990 TRY per YEAR"
        assert (plan.period.start, plan.period.end) == (
            instant("2027-02-28 06:00"),
            instant("2028-02-29 06:00"),
        )
        assert (plan.anchor.day, plan.anchor.month) == (31, 2)
        assert made.amounts()[-1] == "-14990"

    def test_of_the_31st_survives_a_downgrade_at_the_bound(self) -> None:
        """The bound after 28 February is 31 March."""
        made = scene("100000", at=instant("2027-01-31 06:00"))
        made.subscribe("2027-01-31 06:00", "enterprise")
        made.plan("2027-02-01", "growth")
        made.run("2027-02-28 06:00")
        assert made.of().product == "growth"
        assert made.of().period.end == instant("2027-03-31 06:00")
        made.run("2027-03-31 06:00")
        assert made.of().period.end == instant("2027-04-30 06:00")

    def test_keeps_the_wall_time_over_a_clock_change(self) -> None:
        """09:00 in Rome is 07:00 UTC in summer and 08:00 UTC in winter."""
        made = growing(zone="Europe/Rome", at=instant("2026-10-05 06:00"))
        assert made.of().period.start == instant("2026-10-05 06:00")
        assert made.of().period.end == instant("2026-11-05 07:00")
        quote = made.preview("2026-10-26 08:00", "growth", YEAR)
        assert quote.credit == lira("483.55"), "10 of 31 local days, whatever the clocks did"


class TestStaleQuotes:
    """A quote holds while everything that it was computed from does."""

    def test_runs_out(self) -> None:
        """Valid for 30 minutes, the end exclusive."""
        made = growing()
        quote = made.preview("2026-10-20 09:00", "enterprise")
        assert quote.valid_until == instant("2026-10-20 09:30")
        with pytest.raises(StaleQuote, match="it was valid until"):
            made.execute("2026-10-20 09:30", quote)
        made = growing()
        quote = made.preview("2026-10-20 09:00", "enterprise")
        made.execute(quote.valid_until - timedelta(microseconds=1), quote)
        assert made.of().product == "enterprise"

    def test_is_never_valid_beyond_the_period(self) -> None:
        """Ten minutes before the end it is valid for ten minutes."""
        made = growing()
        quote = made.preview("2026-11-05 05:50", "enterprise")
        assert quote.valid_until == instant("2026-11-05 06:00")
        with pytest.raises(StaleQuote):
            made.execute("2026-11-05 06:00", quote)

    def test_does_not_survive_another_change(self) -> None:
        """Nor its own execution."""
        made = growing()
        quote = made.preview("2026-10-20 09:00", "enterprise")
        made.execute("2026-10-20 09:01", quote)
        with pytest.raises(StaleQuote, match="subscription has changed"):
            made.execute("2026-10-20 09:02", quote)

    def test_is_confirmed_only_for_the_version_it_was_made_of(self) -> None:
        """Whoever uses the functions without the commands is told the same."""
        made = growing()
        quote = made.preview("2026-10-20 09:00", "enterprise")
        books, later = made.state.books, attrs.evolve(made.of(), version=2)
        zone = "Europe/Istanbul"
        assert (
            changes.confirm_quote(books, made.of(), CATALOG, quote, zone=zone).lines == quote.lines
        )
        with pytest.raises(StaleQuote, match="subscription has changed"):
            changes.confirm_quote(books, later, CATALOG, quote, zone=zone)

    def test_does_not_survive_the_subscription_that_it_was_for(self) -> None:
        """A quote for what is not there is stale as well."""
        quote = growing().preview("2026-10-20 09:00", "enterprise")
        with pytest.raises(StaleQuote):
            scene("1").execute("2026-10-20 09:01", quote)

    @pytest.mark.parametrize("timing", [NOW, LATER])
    @pytest.mark.parametrize(
        "catalog",
        [dearer("enterprise", "6000"), dearer("enterprise", "5999", version="2")],
        ids=["price", "version"],
    )
    def test_does_not_survive_another_catalog(self, catalog: Catalog, timing: ChangeTiming) -> None:
        """A new price or a new version in between, for now and for later."""
        made = growing()
        quote = made.preview("2026-10-20 09:00", "enterprise", timing=timing)
        made.catalog = catalog
        with pytest.raises(StaleQuote, match="no longer those shown"):
            made.execute("2026-10-20 09:01", quote)
        assert made.schedule == {}

    def test_survives_other_money_moving(self) -> None:
        """Funds are advice: a debit in between matters only if it leaves too little."""
        made = growing()
        quote = made.preview("2026-10-20 09:00", "enterprise")
        made.debit("2026-10-20 09:01", "10000")
        made.execute("2026-10-20 09:02", quote)
        assert made.of().product == "enterprise"

    @pytest.mark.parametrize(
        "change",
        [
            {"charge": lira("0")},
            {"credit": lira("1499")},
            {"to_price": Price(interval=MONTH, amount=lira("0.01"))},
            {"period": BillingPeriod(start=START, end=instant("2036-01-01"))},
            {"span": BillingPeriod(start=START, end=START)},
            {"index": 77},
        ],
        ids=lambda change: next(iter(change)),
    )
    def test_does_what_the_library_computes_and_not_what_it_is_told(
        self, change: dict[str, Any]
    ) -> None:
        """A quote that came back altered is refused, or done as it was computed."""
        made, honest = growing(), growing()
        quote = made.preview("2026-10-20 09:00", "enterprise")
        honest.execute("2026-10-20 09:01", honest.preview("2026-10-20 09:00", "enterprise"))
        made.execute("2026-10-20 09:01", attrs.evolve(quote, **change))
        assert made.state == honest.state
        assert made.entries == honest.entries


class TestTheDigest:
    """The digest covers what the execution must not differ in, and nothing else."""

    @staticmethod
    def quote(made: Scene, at: str = "2026-10-20 09:00", to: str = "enterprise") -> ChangeQuote:
        return made.preview(at, to)

    def test_is_the_same_for_the_same(self) -> None:
        """Not even the id counts."""
        first, second = growing(), growing()
        second.ids = 40
        assert self.quote(first).digest == self.quote(second).digest
        assert self.quote(first).id != self.quote(second).id

    def test_does_not_cover_funds(self) -> None:
        """A poor account's quote is a rich one's."""
        poor, rich = self.quote(growing("1499")), self.quote(growing())
        assert poor.digest == rich.digest
        assert poor.shortfall == lira("2322.58")
        assert rich.shortfall == lira("0")

    def test_does_not_cover_validity(self) -> None:
        """How long it holds is not what it does."""
        made = growing()
        digests = {
            quote_change(
                made.state.books,
                made.of(),
                CATALOG,
                quote_id="q",
                to="enterprise",
                interval=MONTH,
                zone="Europe/Istanbul",
                at=instant("2026-10-20 09:00"),
                valid_for=minutes * MINUTE,
            ).digest
            for minutes in (1, 2)
        }
        assert len(digests) == 1

    def test_covers_every_premise(self) -> None:
        """Version, catalog, both sides, timing, rule, instant and lines: each changes it."""
        plain = growing()
        other_version = growing()
        other_version.state = attrs.evolve(
            other_version.state,
            subscriptions={"plan": attrs.evolve(other_version.of(), version=2)},
        )
        pinned = growing(catalog=dearer("growth", "1400"))
        pinned.catalog = CATALOG
        renamed = growing()
        rules = tuple(attrs.evolve(rule, name=f"{rule.name}!") for rule in CATALOG.rules)
        renamed.catalog = attrs.evolve(CATALOG, rules=rules)
        quotes = [
            self.quote(plain),
            self.quote(other_version),
            self.quote(pinned),
            self.quote(plain, "2026-10-20 09:01"),
            self.quote(plain, "2026-10-21 09:00"),
            self.quote(renamed),
            plain.preview("2026-10-20 09:00", "enterprise", YEAR),
            plain.preview("2026-10-20 09:00", "enterprise", timing=LATER),
            plain.preview("2026-10-20 09:00", "basic", timing=NOW),
        ]
        for catalog in (dearer("enterprise", "6000"), dearer("enterprise", "5999", version="2")):
            changed = growing()
            changed.catalog = catalog
            quotes.append(self.quote(changed))
        assert len({quote.digest for quote in quotes}) == len(quotes)

    def test_names_the_products_and_not_only_their_prices(self) -> None:
        """Two products may cost the same."""
        made = growing()
        growth, enterprise = (CATALOG.product(name) for name in ("growth", "enterprise"))
        twins = (
            attrs.evolve(growth, id="growth-2", rank=-1),
            attrs.evolve(enterprise, id="enterprise-2", rank=12),
        )
        made.catalog = attrs.evolve(CATALOG, products=(*CATALOG.products, *twins))
        quotes = [made.preview("2026-10-20 09:00", name) for name in ("enterprise", "enterprise-2")]
        moved = attrs.evolve(made.of(), product="growth-2")
        made.state = attrs.evolve(made.state, subscriptions={"plan": moved})
        quotes.append(made.preview("2026-10-20 09:00", "enterprise"))
        assert len({quote.charge for quote in quotes}) == 1
        assert len({quote.digest for quote in quotes}) == 3

    def test_covers_lines_that_another_policy_would_draw(self) -> None:
        """Under a rule that kept its name and a catalog that kept its version."""
        digests = set()
        for policy in ("standard", "thirty-day-month"):
            made = growing()
            rule = attrs.evolve(with_policy(policy).rules[0], name="the rule")
            made.catalog = attrs.evolve(CATALOG, rules=(rule,))
            digests.add(self.quote(made).digest)
        assert len(digests) == 2

    def test_covers_the_new_period(self) -> None:
        """A month from 20 October ends an hour later where the clocks go back."""
        made = growing(product="basic")
        digests = {
            quote_change(
                made.state.books,
                made.of(),
                CATALOG,
                quote_id="q",
                to="growth",
                interval=MONTH,
                zone=zone,
                at=instant("2026-10-20 09:00"),
            ).digest
            for zone in ("UTC", "Europe/Rome")
        }
        assert len(digests) == 2

    def test_tells_a_change_at_an_instant_from_one_at_once(self) -> None:
        """Even where both fall on the same instant."""
        made = growing()
        digests = {
            quote_change(
                made.state.books,
                made.of(),
                CATALOG,
                quote_id="q",
                to="enterprise",
                interval=MONTH,
                zone="Europe/Istanbul",
                at=instant("2026-10-20 09:00"),
                timing=timing,
            ).digest
            for timing in (NOW, ChangeTiming.AT)
        }
        assert len(digests) == 2

    def test_reads_the_same_instant_in_any_zone_alike(self) -> None:
        """An instant given with another offset is the same instant."""
        made = growing()

        def quoted(at: datetime) -> ChangeQuote:
            return quote_change(
                made.state.books,
                made.of(),
                CATALOG,
                quote_id="q",
                to="enterprise",
                interval=MONTH,
                zone="Europe/Istanbul",
                at=at,
            )

        moment = instant("2026-10-20 09:00")
        assert quoted(moment) == quoted(moment.astimezone(ZoneInfo("Asia/Tokyo")))
        with pytest.raises(InvalidInput, match="no time zone"):
            quoted(moment.replace(tzinfo=None))


class TestWhatIsRefused:
    """A request that can never be right is named before anything else."""

    def test_another_family_or_an_unknown_product(self) -> None:
        """A plan does not become a support package."""
        made = growing()
        with pytest.raises(InvalidInput, match="is no PLAN"):
            quote_change(
                made.state.books,
                made.of(),
                CATALOG,
                quote_id="q",
                to="priority",
                interval=MONTH,
                zone="UTC",
                at=START,
            )
        with pytest.raises(UnknownName, match="use one of"):
            made.preview(START, "grwth")
        with pytest.raises(UnknownName, match="subscribe first"):
            made.preview(START, "priority")

    def test_a_timing_that_the_rule_does_not_allow(self) -> None:
        """The rule and what it allows are named."""
        made = growing()
        rule = attrs.evolve(CATALOG.rules[0], allows=frozenset({LATER}))
        made.catalog = attrs.evolve(CATALOG, rules=(rule, *CATALOG.rules[1:]))
        with pytest.raises(InvalidInput, match="'downgrade at period end'; use one of END_OF_P"):
            made.preview(START, "basic", timing=NOW)

    def test_a_price_before_its_instant(self) -> None:
        """A change for a later instant is scheduled, not previewed."""
        with pytest.raises(InvalidInput, match="schedule it instead"):
            growing().preview(START, "enterprise", timing=ChangeTiming.AT)


class TestPolicies:
    """A rule names the proration policy, and the change follows it."""

    @pytest.mark.parametrize(
        ("policy", "expected"),
        [
            ("standard", ("773.68", "3096.26", "2322.58")),
            ("full-price", ("0", "5999", "5999")),
            ("start-over", ("1499", "5999", "4500")),
            ("credit-only", ("773.68", "0", "-773.68")),
            ("nothing", ("0", "0", "0")),
            ("thirty-day-month", ("749.5", "2999.5", "2250")),
        ],
    )
    def test_each_has_its_figures(self, policy: str, expected: tuple[str, str, str]) -> None:
        """The same upgrade on 20 October under six policies."""
        made = growing()
        made.catalog = with_policy(policy)
        quote = made.preview("2026-10-20 09:00", "enterprise")
        assert figures(quote) == expected
        made.execute("2026-10-20 09:00", quote)
        assert made.of().product == "enterprise"
        assert made.audit().sound

    def test_one_that_credits_the_price_knows_it(self) -> None:
        """After a first change in the period the second credits a share of the price in force."""
        made = growing()
        made.catalog = with_policy("lago")
        made.change("2026-10-20 09:00", "enterprise")
        second = made.change("2026-10-25 09:00", "growth").quote
        assert second.credit > lira("0")
        assert second.credit <= lira("3096.26")


class TestExpiredShares:
    """What a lot that has ended had paid does not come back."""

    def test_the_quote_says_what_is_lost(self) -> None:
        """Of 773.68, the promotion's part is lost: due now and the event tell what came back."""
        made = scene()
        terms = Terms(origin=LotOrigin.PROMOTIONAL, expires_at=instant("2026-10-10"), priority=500)
        made.credit(START, "1000")
        made.credit(START, "600", terms)
        made.subscribe(START, "growth")
        made.credit("2026-10-11", "5000")
        quote = made.preview("2026-10-20 09:00", "enterprise")
        assert figures(quote) == ("773.68", "3096.26", "2821.58")
        assert quote.warnings == ("499 TRY of the credit is lost: its lot has expired",)
        assert quote.lost == lira("499")
        assert quote.explain().endswith("499.00 TRY of the credit is lost: it has expired")
        assert quote.explain("tr").endswith("iadenin 499,00 TRY tutarı silinir: süresi dolmuş")
        made.execute("2026-10-20 09:00", quote)
        assert made.amounts()[-2:] == ["274.68", "-3096.26"]
        changed = made.events[-1]
        assert isinstance(changed, PlanChanged)
        assert changed.credit == lira("274.68")

    def test_nothing_at_all_may_come_back(self) -> None:
        """Then there is no entry for it."""
        made = scene()
        made.credit(START, "1499", Terms(expires_at=instant("2026-10-10")))
        made.subscribe(START, "growth")
        made.credit("2026-10-11", "5000")
        made.change("2026-10-20 09:00", "enterprise")
        assert made.amounts()[-1] == "-3096.26"
        assert made.entries[-2].kind is EntryKind.GRANT


class TestRenewing:
    """A renewal takes the pinned price at the period's start, or says that it could not."""

    def test_takes_the_next_period(self) -> None:
        """Effective when it was due, recorded when it was done."""
        made = growing()
        late = instant("2026-11-07")
        done = changes.renew(made.state.books, made.of(), recorded_at=late)
        (entry,) = done.entries
        assert (entry.effective_at, entry.recorded_at) == (instant("2026-11-05 06:00"), late)
        assert entry.money == lira("-1499")
        assert done.subscription.period == made.of().next_period
        assert (done.subscription.index, done.subscription.version) == (1, 2)
        assert done.subscription.charge.entry == entry.number
        assert done.subscription.charge.span == done.subscription.period
        assert done.subscription.history == made.of().history

    def test_without_money_is_past_due(self) -> None:
        """Nothing is taken, the bounds stay, and the event names the shortfall."""
        made = growing("1499", "1000")
        done = changes.renew(made.state.books, made.of(), recorded_at=START)
        assert done.books == made.state.books
        assert done.entries == ()
        assert done.subscription == attrs.evolve(
            made.of(), state=SubscriptionState.PAST_DUE, version=2
        )
        (event,) = done.events
        assert isinstance(event, RenewalFailed)
        assert (event.amount, event.shortfall) == (lira("1499"), lira("499"))
        assert event.at == made.of().period.end

    def test_of_what_is_past_due_is_no_move(self) -> None:
        """It waits to be revived."""
        late = attrs.evolve(growing().of(), state=SubscriptionState.PAST_DUE)
        books = growing().state.books
        with pytest.raises(IllegalTransition):
            changes.renew(books, late, recorded_at=START)
        with pytest.raises(IllegalTransition):
            changes.revive(books, growing().of(), zone="UTC", at=START, recorded_at=START)


class TestPastDue:
    """A past-due subscription can be revived or changed; its dead time costs nothing."""

    @pytest.fixture
    def late(self) -> Scene:
        made = growing("1499")
        made.run("2026-11-20")
        assert made.of().state is SubscriptionState.PAST_DUE
        return made

    def test_is_revived_from_the_payment_on(self, late: Scene) -> None:
        """A new period and a new anchor."""
        late.credit("2026-11-20 10:00", "2000")
        plan = late.of()
        assert plan.state is SubscriptionState.ACTIVE
        assert (plan.period.start, plan.period.end) == (
            instant("2026-11-20 10:00"),
            instant("2026-12-20 10:00"),
        )
        assert (plan.anchor.day, plan.index, plan.version) == (20, 0, 3)
        assert late.posted() == "501"
        assert late.happened()[-1] == "SubscriptionRevived"

    def test_changes_at_once_whatever_the_rule_says(self, late: Scene) -> None:
        """Its period has no end ahead, so a downgrade need not be asked for specially."""
        quote = late.preview("2026-11-20 10:00", "basic")
        assert (quote.timing, quote.effective_at) == (NOW, instant("2026-11-20 10:00"))
        assert figures(quote) == ("0", "0", "0")
        assert quote.valid_until == instant("2026-11-20 10:30")
        late.execute("2026-11-20 10:00", quote)
        assert (late.of().product, late.of().state) == ("basic", SubscriptionState.ACTIVE)
        assert late.of().period.start == instant("2026-11-20 10:00")

    def test_gets_nothing_back_for_time_that_is_over(self, late: Scene) -> None:
        """What was paid was used."""
        quote = late.preview("2026-11-20 10:00", "enterprise")
        assert figures(quote) == ("0", "5999", "5999")
        assert quote.period.end == instant("2026-12-20 10:00")
        with pytest.raises(InsufficientFunds):
            late.execute("2026-11-20 10:00", quote)
        assert late.of().product == "growth"

    def test_cannot_wait_for_its_period_s_end(self, late: Scene) -> None:
        """There is none."""
        with pytest.raises(IllegalTransition, match="PAST_DUE and cannot change at its period"):
            late.preview("2026-11-20 10:00", "basic", timing=LATER)
        with pytest.raises(IllegalTransition, match="PAST_DUE and cannot schedule"):
            late.plan("2026-11-20 10:00", "basic")

    def test_a_downgrade_asked_for_at_the_bound_itself_is_refused_without_money(self) -> None:
        """Only a scheduled one is done unpaid; who asks now gets an answer now."""
        made = growing("5999", product="enterprise")
        made.run("2026-11-05 06:00")
        with pytest.raises(InsufficientFunds):
            made.change("2026-11-05 06:00", "growth")
        assert (made.of().product, made.of().state) == ("enterprise", SubscriptionState.PAST_DUE)


class TestDecision:
    """A decision on one subscription leaves the others alone."""

    def test_families_are_apart(self) -> None:
        """A change of the plan does not touch the support package."""
        made = growing()
        support = made.subscribe(START, "priority")
        made.change("2026-10-20 09:00", "enterprise")
        assert made.of(Family.SUPPORT) == support
