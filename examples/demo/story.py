"""The story of the demo: one business, from its first top-up to its Billing page.

Each step is safe to repeat. What is asked of the library carries a key, and what is only shown is
shown while it lies ahead.
"""

import sys
import textwrap
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from speech import Speech
from webhooks import Manifest, write_webhooks

from monochat_billing import (
    MONTH,
    YEAR,
    Address,
    Billing,
    BillingProfile,
    Family,
    InsufficientFunds,
    Money,
    PaymentReceipt,
    TaxId,
    TaxIdKind,
    explain_refusal,
    money,
)
from monochat_billing.adapters.whatsapp import collect_usage, meta_rate_cards, parse_statuses
from monochat_billing.intervals import QUARTER
from monochat_billing.money import from_units
from monochat_billing.payments import TopUpState
from monochat_billing.subscriptions import Subscription

__all__ = ["ACCOUNT", "BATCH", "MOST", "Demo", "DemoClock", "DemoIds", "Stopped"]

ACCOUNT: Final = "acme"
ZONE: Final = "Europe/Istanbul"
MOST: Final = 10_000  # what 200 USD pay for
BATCH: Final = 500
WIDTH: Final = 100

PROFILE: Final = BillingProfile(
    business_name="Acme Çiçekçilik Ltd. Şti.",
    address=Address(
        line="Bağdat Caddesi 101", district="Kadıköy", city="İstanbul", post_code="34710"
    ),
    tax_id=TaxId(kind=TaxIdKind.VKN, number="6120606538", tax_office="Kadıköy"),
    email="muhasebe@acme.example",
)


class Stopped(Exception):
    """End the program with one line that says what to do."""


class DemoClock:
    """Be a clock that stands still until it is set."""

    def __init__(self) -> None:
        self.now = self._local("2026-10-05 09:00")

    def __call__(self) -> datetime:
        """Return the instant that was set last."""
        return self.now

    def set(self, text: str) -> None:
        """Move to a wall time in the account's zone."""
        self.now = self._local(text)

    @staticmethod
    def _local(text: str) -> datetime:
        return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(ZONE))


class DemoIds:
    """Give ids that are the same in every run: counted anew in each step.

    A host uses random ones. Here two runs, one of them stopped, are to end at the same books.
    """

    def __init__(self) -> None:
        self._step = "start"
        self._given = 0

    def begin(self, step: str) -> None:
        """Count anew, under the name of a step."""
        self._step, self._given = step, 0

    def __call__(self) -> str:
        """Return the next id."""
        self._given += 1
        return f"demo-{self._step}-{self._given}"


class Demo:
    """Hold what the steps share: the billing service, its clock and what the buyer sees."""

    def __init__(
        self,
        billing: Billing,
        clock: DemoClock,
        ids: DemoIds,
        speech: Speech,
        *,
        webhooks: Path,
        messages: int,
    ) -> None:
        self.billing = billing
        self.clock = clock
        self.ids = ids
        self.speech = speech
        self.webhooks = webhooks
        self.messages = messages
        self.page_url = ""
        self.return_url = ""
        self.buy: Callable[[str], str] = str
        self.ask: Callable[[str, Money], str] | None = None
        self.callbacks: list[PaymentReceipt] = []
        self._steps = 0

    def play(self) -> None:
        """Run every step."""
        self.open_account()
        self.top_up_both()
        self.subscribe()
        self.charge_messages()
        self.upgrade()
        self.plan_phases()
        self.let_time_pass()
        self.revive()
        self.show()

    def open_account(self) -> None:
        """Open the account with a TRY and a USD balance."""
        self.heading("Open an account in Europe/Istanbul with a TRY and a USD balance")
        account = self.billing.accounts.open(
            ACCOUNT, zone=ZONE, currencies=["TRY", "USD"], profile=PROFILE
        )
        self.say("account", f"{account.id}: {account.profile}")

    def top_up_both(self) -> None:
        """Top both balances up through the hosted page."""
        self.heading("Top up 12,000 TRY and 200 USD on the sandbox's hosted payment page")
        self.top_up("2026-10-05 09:01", money("12000", "TRY"), "topup-1")
        self.top_up("2026-10-05 09:02", money("200", "USD"), "topup-2")

    def top_up(self, at: str, amount: Money, key: str) -> PaymentReceipt:
        """Start a top-up, let the buyer pay it twice, and say what the callbacks led to."""
        self.ids.begin(key)
        self.clock.set(at)
        checkout = self.billing.top_ups.start(
            ACCOUNT, amount, gateway="sandbox", return_url=self.return_url, key=key
        )
        shown = self.speech.words.money(amount)
        where = urlsplit(self.page_url).netloc
        self.say("page", self.speech("{where}, pay page for {amount}", where=where, amount=shown))
        seen = len(self.callbacks)
        top_up = self.billing.top_ups.get(ACCOUNT, checkout.top_up)
        by_hand = self.ask is not None and top_up.state is not TopUpState.CREDITED
        url = checkout.redirect_url
        outcome = self.ask(url, amount) if self.ask and by_hand else self.buy(url)
        again = self.buy(url)
        heard = self.callbacks[seen:]
        first = next((one for one in heard if one.entry), heard[0])
        who = (
            "{outcome}, the demo pays again: {again}"
            if by_hand
            else ("{outcome}, reloads and pays again: {again}")
        )
        self.say("buyer", self.speech(who, outcome=self.speech(outcome), again=self.speech(again)))
        self.say(
            "callback",
            self.speech(
                "{first}; repeated: {again}", first=self.told(first), again=self.told(heard[-1])
            ),
        )
        return first

    def told(self, receipt: PaymentReceipt) -> str:
        """Say in a few words what a callback led to."""
        if receipt.repeated:
            return self.speech("nothing to do")
        if receipt.entry is None:
            return receipt.top_up.state.value
        return self.speech(
            "credited once (entry {number}: +{amount})",
            number=receipt.entry.number,
            amount=self.speech.words.money(receipt.top_up.amount),
        )

    def subscribe(self) -> None:
        """Subscribe to a plan and a support package, paid from TRY."""
        self.heading(
            "Subscribe to Growth and to Priority support monthly, paid from TRY, KDV in it"
        )
        self.ids.begin("subscribe")
        self.clock.set("2026-10-05 09:30")
        for product in ("growth", "priority"):
            subscription = self.billing.subscriptions.subscribe(
                ACCOUNT, product, MONTH, key=f"subscribe-{product}"
            )
            self.say("charged", self.described(subscription))

    def described(self, one: Subscription) -> str:
        """Say what is held at which price, and how much of it is tax."""
        words = self.speech.words
        price = f"{words.money(one.price.amount)} {words.interval(one.price.interval)}"
        tax = one.charge.tax
        if tax is None:
            return f"{one.product}: {price}"
        return self.speech(
            "{product}: {price}, of which {tax} {amount} at {percent}%",
            product=one.product,
            price=price,
            tax=tax.rate.name,
            amount=words.money(tax.tax),
            percent=tax.rate.percent,
        )

    def charge_messages(self) -> None:
        """Rate and debit the messages of a webhook file, each once."""
        count = self.speech.words.number(self.messages)
        self.heading("Rate and debit {count} WhatsApp messages from status webhooks", count=count)
        manifest = write_webhooks(self.webhooks, messages=self.messages)
        self.ids.begin("messages")
        self.clock.set("2026-10-25 21:00")
        lines = self.webhooks.read_bytes().splitlines()
        statuses = [status for line in lines for status in parse_statuses(line)]
        usage = collect_usage(statuses, cards=meta_rate_cards(), zone=ZONE)
        self.say(
            "read",
            self.speech(
                "{webhooks} webhooks, {statuses} statuses, {repeated} repeated",
                webhooks=len(lines),
                statuses=len(statuses),
                repeated=usage.repeated,
            ),
        )
        self.say(
            "messages",
            self.speech(
                "{arrived} arrived, {failed} failed, {sent} only sent, {aside} set aside",
                arrived=len(usage.records),
                failed=usage.failed,
                sent=usage.only_sent,
                aside=len(usage.set_aside),
            ),
        )
        charged = free = repeated = 0
        batches = [usage.records[at : at + BATCH] for at in range(0, len(usage.records), BATCH)]
        for batch in batches:
            report = self.billing.usage.record(ACCOUNT, batch)
            charged += report.charged
            free += report.free
            repeated += report.repeated
            progress(charged + free + repeated, len(usage.records))
        self.say(
            "charged",
            self.speech(
                "{charged}; free {free}; recorded before {repeated}",
                charged=charged,
                free=free,
                repeated=repeated,
            ),
        )
        self.compare(manifest)

    def compare(self, manifest: Manifest) -> None:
        """Hold what was debited against what the file was made to come to."""
        spent = sum(
            one.units
            for after in range(0, self.messages, 1000)
            for one in self.billing.usage.list(ACCOUNT, after=after, limit=1000)
        )
        if spent != manifest.total_units:
            raise Stopped("the two sums should be one; remove the database and start over")
        amount = self.speech.words.money(from_units(spent, "USD"))
        self.say("debited", self.speech("{amount}, which equals the file's own sum", amount=amount))

    def upgrade(self) -> None:
        """Be refused an upgrade for lack of money, top up, and do it."""
        self.heading("An upgrade: previewed, refused for lack of money, paid after a top-up")
        self.ids.begin("upgrade-1")
        self.clock.set("2026-10-26 10:00")
        support = self.subscription(Family.SUPPORT)
        if support.product == "priority":
            quote = self.billing.subscriptions.preview(
                ACCOUNT, to="dedicated", interval=YEAR, key="dedicated-1"
            )
            self.say("preview", quote.explain(self.speech.locale))
            try:
                self.billing.subscriptions.change(quote)
            except InsufficientFunds as refusal:
                self.say("refused", explain_refusal(refusal, self.speech.locale))
        self.top_up("2026-10-26 10:00", money("25000", "TRY"), "topup-3")
        self.ids.begin("upgrade-2")
        quote = self.billing.subscriptions.preview(
            ACCOUNT, to="dedicated", interval=YEAR, key="dedicated-2"
        )
        result = self.billing.subscriptions.change(quote)
        self.say("changed", self.described(result.subscription))

    def plan_phases(self) -> None:
        """Plan three months of Growth and Enterprise after them, and see where that leads."""
        self.heading("A chain of phases, and a forecast that shows where the money ends")
        self.ids.begin("phases")
        self.clock.set("2026-10-26 11:00")
        chain = self.billing.schedule.phases(
            ACCOUNT, [("growth", MONTH, QUARTER), ("enterprise", MONTH, None)], key="phases"
        )
        for change in chain:
            when = change.due_at(self.subscription(Family.PLAN))
            self.say(
                "planned",
                self.speech(
                    "from {day}: {product}",
                    day=self.speech.words.local_day(when, ZONE),
                    product=change.to,
                ),
            )
        until = datetime(2027, 3, 13, tzinfo=ZoneInfo(ZONE))
        as_of = self.billing.accounts.get(ACCOUNT).as_of
        if as_of < until:
            found = self.billing.upcoming(ACCOUNT, until=until)
            print(indented(found.explain(self.speech.locale).split("\n\n")[0]))
        else:
            self.say("ahead", self.speech("all that this step forecasts has come to pass"))

    def let_time_pass(self) -> None:
        """Move the clock past the phases to a renewal that the money does not cover."""
        self.heading("Time passes: renewals, the phases, then past due and suspended")
        for when in (
            "2026-11-06 08:00",
            "2027-02-06 08:00",
            "2027-03-06 08:00",
            "2027-03-13 08:00",
        ):
            self.clock.set(when)
            report = self.billing.run_due()
            plan = self.subscription(Family.PLAN)
            self.say(
                "run_due",
                self.speech(
                    "at {when}: entries {entries}, events {events}; {product} is {state}",
                    when=when,
                    entries=report.entries,
                    events=report.events,
                    product=plan.product,
                    state=self.speech.state(plan.state),
                ),
            )
            if when >= "2027-03":
                answer = self.billing.may_use(ACCOUNT, "api")
                self.say("may use", f"api: {answer.explain(self.speech.locale)}")

    def revive(self) -> None:
        """Top up, and see the suspended plan come back at once."""
        self.heading("A top-up revives what was suspended: a new period, nothing for dead time")
        receipt = self.top_up("2027-03-20 10:00", money("20000", "TRY"), "topup-4")
        plan = self.subscription(Family.PLAN)
        revived = self.speech("revived" if receipt.revived else "in force")
        self.say("plan", f"{self.described(plan)}; {revived}")
        answer = self.billing.may_use(ACCOUNT, "api")
        self.say("may use", f"api: {answer.explain(self.speech.locale)}")

    def show(self) -> None:
        """Print what comes, the Billing page, and verify the books."""
        self.heading("What comes, how long it lasts, the Billing page, and the proof of the books")
        locale = self.speech.locale
        self.clock.set("2027-03-21 09:00")
        until = self.clock.now + timedelta(days=92)
        print(self.billing.upcoming(ACCOUNT, until=until).explain(locale).split("\n\n")[0])
        print()
        print(self.billing.overview(ACCOUNT, last=12).explain(locale))
        print()
        self.say("verify", str(self.billing.verify()))

    def subscription(self, family: Family) -> Subscription:
        """Give the account's subscription of a family, as it is now."""
        return next(one for one in self.billing.subscriptions.list(ACCOUNT) if one.family is family)

    def heading(self, text: str, **values: object) -> None:
        """Print the title of the next step."""
        self._steps += 1
        print(f"\n{self._steps}. {self.speech(text, **values)}")

    def say(self, label: str, text: str) -> None:
        """Print what happened behind its label."""
        say(self.speech(label), text)


def say(label: str, text: str) -> None:
    """Print a text, wrapped to a terminal's width behind its label."""
    hanging = " " * (2 + Speech.LABEL)
    lines = text.splitlines() or [""]
    first = textwrap.fill(
        lines[0], WIDTH, initial_indent=f"  {label:<{Speech.LABEL}}", subsequent_indent=hanging
    )
    rest = [
        textwrap.fill(line, WIDTH, initial_indent=hanging, subsequent_indent=hanging + "  ")
        for line in lines[1:]
    ]
    print("\n".join([first, *rest]))


def indented(text: str) -> str:
    """Move a table two columns to the right where it then still fits."""
    lines = text.splitlines()
    indent = "  " if max(map(len, lines)) <= WIDTH - 2 else ""
    return "\n".join(indent + line for line in lines)


def progress(done: int, total: int) -> None:
    """Show how far the messages are: on a terminal in place, elsewhere every few batches."""
    if sys.stdout.isatty():
        bar = "█" * (done * 40 // total)
        print(
            f"\r  {bar:<40} {done:>6,} of {total:,}", end="\n" if done == total else "", flush=True
        )
    elif done == total or done % (4 * BATCH) == 0:
        print(f"  {done:>6,} of {total:,}", flush=True)
