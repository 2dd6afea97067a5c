"""Whole stories of another billing engine: what it bills over months, and what is paid here.

Each story is played with the plain decisions, in USD and UTC. Kill Bill writes invoices when it is
asked to, this library debits when something begins; so what is compared is what every subscription
was charged, less what came back, for all that begins up to the last run.
"""

import json
from collections import defaultdict
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import attrs
import pytest

from monochat_billing import MONTH, YEAR, BillingAnchor, Catalog, Family, Price, Product, money
from monochat_billing.balance import Books, Entry, EntryKind, Memo, credit, debit, open_balance
from monochat_billing.cancellations import CancelMode, cancel
from monochat_billing.change_rules import AnchorRule, ChangeRule, ChangeTiming
from monochat_billing.changes import execute_change
from monochat_billing.charges import Decision, give_back_of
from monochat_billing.intervals import WEEK, BillingInterval
from monochat_billing.proration_policies import policy_named
from monochat_billing.quotes import quote_change
from monochat_billing.renewals import renew
from monochat_billing.starts import subscribe
from monochat_billing.subscriptions import Subscription

Case = dict[str, Any]
CASES: Final[list[Case]] = json.loads(
    (Path(__file__).parent / "vectors" / "killbill-invoices.json").read_text(encoding="utf-8")
)["cases"]
INTERVALS: Final = {
    "MONTHLY": MONTH,
    "ANNUAL": YEAR,
    "WEEKLY": WEEK,
    "BIENNIAL": BillingInterval(count=2, unit="YEAR"),
    "THIRTY_DAYS": BillingInterval(count=30, unit="DAY"),
}
STARTS: Final = frozenset({"create", "resume"})
MOVES: Final = frozenset({"change", "phase", "quantity_change", "bcd_change"})
ENDS: Final = frozenset({"cancel", "expire", "pause"})


def instant(day: str) -> datetime:
    return datetime.fromisoformat(day).replace(tzinfo=UTC)


def grid(event: Case) -> BillingAnchor | None:
    """Give the grid of a billing cycle day; only months have one."""
    interval = INTERVALS[event["billing_period"]]
    at = instant(event["effective"])
    if not interval.months:
        return None  # the others begin on the day of their own start
    return BillingAnchor(year=at.year, month=at.month, day=event["bcd"], zone="UTC")


def events_of(case: Case) -> list[Case]:
    """List what happens, in the order in which it takes effect."""
    found: list[Case] = []
    known: dict[tuple[str, str], Case] = {}
    day = ""
    for step in case["inputs"]["steps"]:
        if "event" in step:
            event = step["event"]
            found.append(event)
            known[event["effective"], event["subscription"]] = event
        elif "item_adjustment" in step:
            asked = step["item_adjustment"]
            item = case["derived"]["invoices"][asked["run"]][asked["item"]]
            said = {"subscription": item["subscription"], "amount": asked["amount"]}
            found.append({"type": "adjust", "effective": asked["date"], **said})
        elif "replace_all_events" in step:
            found += rewritten(known, step["replace_all_events"], day)
        else:
            day = step["invoice_run"]["target"]
    return sorted(found, key=lambda one: str(one["effective"]))


def rewritten(known: dict[tuple[str, str], Case], now: list[Case], day: str) -> list[Case]:
    """Say what has to happen on a day so that another history had been: nothing is edited."""
    stays = {(one["effective"], one["subscription"]): one for one in now}
    gone = [key for key, one in known.items() if stays.get(key) != one]
    withdrawn = [{"type": "withdraw", "effective": day, "subscription": one} for _, one in gone]
    anew = [{**stays[key], "effective": day, "since": key[0]} for key in gone if key in stays]
    return [*withdrawn, *anew]


def products(events: list[Case]) -> tuple[Product, ...]:
    """Sell every plan of a story."""
    plans: dict[str, Case] = {}
    for one in events:
        if one.get("recurring_price") is not None:
            plans.setdefault(one["plan"], one)
    return tuple(
        Product(
            id=name,
            family=Family.ADD_ON,
            rank=rank,
            names={},
            prices=(
                Price(
                    interval=INTERVALS[one["billing_period"]],
                    amount=money(one["recurring_price"], "USD"),
                ),
            ),
            most_quantity=None,
        )
        for rank, (name, one) in enumerate(plans.items())
    )


class Story:
    """Play the events of one case, and keep what every subscription paid."""

    def __init__(self, case: Case) -> None:
        days = case["inputs"].get("proration_fixed_days")
        self.policy = policy_named("killbill-thirty-days" if days else "killbill")
        rule = ChangeRule(
            name="at once",
            timing=ChangeTiming.IMMEDIATE,
            proration=self.policy.name,
            anchor=AnchorRule.KEEP,
        )
        self.events = events_of(case)
        self.catalog = Catalog(
            id="story",
            version="1",
            products=products(self.events),
            rules=(rule,),
        )
        self.books = open_balance(Books("acme"), "USD")
        paid_in = Memo(EntryKind.TOP_UP, instant("2000-01-01"), instant("2000-01-01"))
        self.books = credit(self.books, money("100000", "USD"), paid_in).books
        self.held: dict[str, Subscription] = {}
        self.entries: list[Entry] = []
        self.once: set[tuple[str, ...]] = set()
        self.dearer: dict[str, Price] = {}
        self.version = 0

    def take(self, done: Decision) -> None:
        self.books = done.books
        self.entries += done.entries
        self.held[done.subscription.id] = done.subscription

    def renew_before(self, at: datetime, *, inclusive: bool) -> None:
        """Let every period that is over renew; what happens at its end comes before."""
        for name in list(self.held):
            while (one := self.held[name]).live and (
                one.period.end < at or (inclusive and one.period.end == at)
            ):
                self.take(renew(self.books, one, recorded_at=at, price=self.dearer.pop(name, None)))

    def play(self, until: datetime) -> None:
        for event in self.events:
            at = instant(event["effective"])
            self.renew_before(at, inclusive=False)
            self.do(event, at)
        self.renew_before(until, inclusive=True)

    def do(self, event: Case, at: datetime) -> None:
        kind, name = event["type"], event["subscription"]
        one = self.held.get(name)
        if event.get("fixed_price") is not None:
            self.fixed(event, at)
        if kind == "adjust":
            self.adjust(name, event["amount"], at)
        elif kind == "withdraw":
            self.end(name, CancelMode.WITHDRAWAL, at)
        elif kind == "catalog_change":
            price = Price(interval=MONTH, amount=money(event["recurring_price"], "USD"))
            self.dearer[name] = price
        elif kind in ENDS or (kind == "phase" and event["plan"] is None):
            self.end(name, CancelMode.CREDIT, at)
        elif event.get("recurring_price") is None:
            return
        elif one is None or not one.live or kind in STARTS:
            self.start(event, at)
        else:
            self.change(one, event, at)

    def fixed(self, event: Case, at: datetime) -> None:
        """Charge a plan's one-off price, once however often the same is said."""
        said = (event["subscription"], event["plan"], event["effective"])
        if said in self.once or event["fixed_price"] == "0":
            return
        self.once.add(said)
        memo = Memo(EntryKind.CHARGE, at, at, "set up", event["subscription"])
        done = debit(self.books, money(event["fixed_price"], "USD"), memo)
        self.books = done.books
        self.entries.append(done.entry)

    def start(self, event: Case, at: datetime) -> None:
        since = instant(str(event.get("since", event["effective"])))
        quantity = event.get("quantity", 1)
        product = self.catalog.product(event["plan"])
        wanted = grid(event)
        by_day = self.policy.name == "killbill"
        self.take(
            subscribe(
                self.books,
                subscription_id=event["subscription"],
                product=product,
                price=product.prices[0],
                zone="UTC",
                at=since,
                recorded_at=at,
                quantity=quantity,
                anchor=wanted if by_day else None,
            )
        )
        if not by_day and wanted is not None:  # a start is measured in days, a moved anchor is not
            self.change(self.held[event["subscription"]], event, at)

    def change(self, one: Subscription, event: Case, at: datetime) -> None:
        wanted = grid(event)
        moved = None
        if wanted is not None and (
            event["bcd"] != one.anchor.day
            or (wanted.instant == at < one.period.end and one.price.interval.months > 1)
        ):
            moved = wanted
        self.version += 1
        quote = quote_change(
            self.books,
            one,
            self.catalog,
            quote_id=f"q-{self.version}",
            to=event["plan"],
            interval=INTERVALS[event["billing_period"]],
            zone="UTC",
            at=at,
            quantity=event.get("quantity"),
            anchor=moved,
        )
        if quote.changes_anything:
            self.take(
                execute_change(self.books, one, self.catalog, quote, zone="UTC", recorded_at=at)
            )

    def end(self, name: str, mode: CancelMode, at: datetime) -> None:
        one = self.held.get(name)
        if one is None or not one.live:
            return
        self.take(
            cancel(
                self.books,
                one,
                mode=mode,
                zone="UTC",
                at=at,
                recorded_at=at,
                withdrawal_days=31,
                policy=self.policy,
            )
        )

    def adjust(self, name: str, amount: str, at: datetime) -> None:
        """Give back what was charged, by hand."""
        one = self.held[name]
        memo = Memo(EntryKind.PRORATION_CREDIT, at, at, "adjusted", name)
        given = give_back_of(self.books, one.charge, money(amount, "USD"), memo)
        self.take(
            Decision(
                books=given.books,
                subscription=attrs.evolve(one, charge=given.charge),
                entries=given.entries,
            )
        )

    def paid(self, until: datetime, *, inclusive: bool) -> dict[str, Decimal]:
        """Sum what began up to then, less what came back of that."""
        counted = {
            one.number
            for one in self.entries
            if one.amount < 0
            and (one.effective_at < until or (inclusive and one.effective_at == until))
        }
        found: dict[str, Decimal] = defaultdict(Decimal)
        for one in self.entries:
            if one.number in counted or one.corrects in counted:
                found[one.reference] -= one.money.amount
        return dict(found)


def last_run(case: Case) -> datetime:
    return max(
        instant(step["invoice_run"]["target"])
        for step in case["inputs"]["steps"]
        if "invoice_run" in step
    )


def billed(case: Case) -> dict[str, Decimal]:
    """Sum the items of all invoices for every subscription, less what was adjusted."""
    found: dict[str, Decimal] = defaultdict(Decimal)
    for invoice in case["derived"]["invoices"]:
        for item in invoice or ():
            if item["type"] in {"RECURRING", "FIXED", "REPAIR_ADJ"} and Decimal(item["amount"]):
                found[item["subscription"]] += Decimal(item["amount"])
    for step in case["inputs"]["steps"]:
        if "item_adjustment" in step:
            asked = step["item_adjustment"]
            item = case["derived"]["invoices"][asked["run"]][asked["item"]]
            found[item["subscription"]] -= Decimal(asked["amount"])
    return dict(found)


def terms(case: Case) -> set[str]:
    """Name what this library says in another way than the engine does."""
    kinds = {event["type"] for event in events_of(case)}
    found = kinds & {"pause", "adjust", "withdraw"}
    if any(event.get("billing_mode") == "IN_ARREAR" for event in events_of(case)):
        found.add("arrears")
    return found


class TestWholeStories:
    """The same events, the same money."""

    @pytest.mark.parametrize("case", [pytest.param(one, id=one["id"]) for one in CASES])
    def test_everybody_pays_the_same(self, case: Case) -> None:
        """Every subscription, over the whole story."""
        story, until = Story(case), last_run(case)
        story.play(until)
        paid = story.paid(until, inclusive="arrears" not in terms(case))
        assert paid == billed(case)

    @pytest.mark.parametrize("case", [pytest.param(one, id=one["id"]) for one in CASES])
    def test_the_books_are_sound(self, case: Case) -> None:
        """No credit is above what it gives back, and every entry follows from the one before."""
        story = Story(case)
        story.play(last_run(case))
        left = {one.number: -one.amount for one in story.entries if one.amount < 0}
        for one in story.entries:
            if one.corrects is not None:
                left[one.corrects] -= one.amount
        assert all(rest >= 0 for rest in left.values())
        assert [one.number for one in story.entries] == list(range(2, len(story.entries) + 2))

    def test_what_is_said_in_another_way(self) -> None:
        """These cases stand in the table of the page on compatibility."""
        said = {case["id"]: terms(case) for case in CASES if terms(case)}
        assert said == {
            "KB-INV-016": {"withdraw"},
            "KB-INV-019": {"adjust"},
            "KB-INV-071": {"pause"},
            "KB-INV-072": {"pause"},
            "KB-INV-078": {"arrears"},
            "KB-INV-079": {"arrears"},
            "KB-INV-081": {"pause", "arrears"},
        }
