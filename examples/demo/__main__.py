"""The main job, from an empty SQLite file to the Billing page, in seven steps.

Run it with ``make demo``. It uses the library as a host would: a storage, a gateway with a hosted
payment page on loopback, a file of status webhooks, and a clock that this program moves.

It is safe to stop anywhere: every command carries a key, so running it again goes on where it
stopped and ends at the same books. Running it on a finished file changes nothing. To start over,
remove the file.
"""

import argparse
import io
import itertools
import sqlite3
import sys
import textwrap
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from host import RETURN_PATH, CallbackServer, pay
from sqlalchemy import URL
from webhooks import FEWEST, Manifest, write_webhooks

from monochat_billing import (
    MONTH,
    YEAR,
    Address,
    Billing,
    BillingError,
    BillingProfile,
    GatewayError,
    InsufficientFunds,
    Money,
    PaymentReceipt,
    TaxId,
    TaxIdKind,
    money,
    sample_catalog,
)
from monochat_billing.adapters.sandbox import SandboxGateway, SandboxPage
from monochat_billing.adapters.sql import SqlStorage
from monochat_billing.adapters.whatsapp import collect_usage, meta_rate_cards, parse_statuses
from monochat_billing.money import amount_text, from_units
from monochat_billing.payments import CallbackAnswer, TopUpState

ACCOUNT: Final = "acme"
ZONE: Final = "Europe/Istanbul"
SECRET: Final = "a secret that only the demo's two servers share"  # noqa: S105 - of the sandbox
# A part of the request that a key stands for, so it is the same in every run.
PORT: Final = 18_765
RETURN_URL: Final = f"http://127.0.0.1:{PORT}{RETURN_PATH}"
MOST: Final = 10_000  # what 200 USD pay for
BATCH: Final = 500
WIDTH: Final = 100
LABEL: Final = 10

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


class Demo:
    """Hold what the steps share: the billing service, its clock and what the buyer sees."""

    def __init__(self, billing: Billing, clock: DemoClock, webhooks: Path, messages: int) -> None:
        self.billing = billing
        self.clock = clock
        self.webhooks = webhooks
        self.messages = messages
        self.page_url = ""
        self.buy: Callable[[str], str] = str
        self.ask: Callable[[str, Money], str] | None = None
        self.callbacks: list[PaymentReceipt] = []

    def open_account(self) -> None:
        """Open the account with a TRY and a USD balance."""
        heading(1, "Open an account in Europe/Istanbul with a TRY and a USD balance")
        account = self.billing.accounts.open(
            ACCOUNT, zone=ZONE, currencies=["TRY", "USD"], profile=PROFILE
        )
        say("account", f"{account.id}: {account.profile}")

    def top_up(self) -> None:
        """Top both balances up through the hosted page."""
        heading(2, "Top up 25,000 TRY and 200 USD on the sandbox's hosted payment page")
        for number, amount in enumerate([money("25000", "TRY"), money("200", "USD")], 1):
            self.clock.set(f"2026-10-05 09:0{number}")
            checkout = self.billing.top_ups.start(
                ACCOUNT,
                amount,
                gateway="sandbox",
                return_url=RETURN_URL,
                key=f"topup-{number}",
            )
            url = checkout.redirect_url
            say("page", f"{urlsplit(self.page_url).netloc}, pay page for {amount_of(amount)}")
            seen = len(self.callbacks)
            top_up = self.billing.top_ups.get(ACCOUNT, checkout.top_up)
            by_hand = self.ask is not None and top_up.state is not TopUpState.CREDITED
            outcome = self.ask(url, amount) if self.ask and by_hand else self.buy(url)
            again = self.buy(url)
            heard = self.callbacks[seen:]
            first = next((one for one in heard if one.entry), heard[0])
            who = "the demo pays" if by_hand else "reloads and pays"
            say("buyer", f"{outcome}, {who} again: {again}")
            say("callback", f"{told(first)}; repeated: {told(heard[-1])}")

    def subscribe(self) -> None:
        """Subscribe to a plan and a support package, paid from TRY."""
        heading(3, "Subscribe to Growth monthly and to Priority support, paid from TRY")
        self.clock.set("2026-10-05 09:30")
        for product in ("growth", "priority"):
            subscription = self.billing.subscriptions.subscribe(
                ACCOUNT, product, MONTH, key=f"subscribe-{product}"
            )
            say("charged", str(subscription))

    def charge_messages(self) -> None:
        """Rate and debit the messages of a webhook file, each once."""
        heading(4, f"Rate and debit {self.messages:,} WhatsApp messages from status webhooks")
        manifest = write_webhooks(self.webhooks, messages=self.messages)
        self.clock.set("2026-10-25 21:00")
        lines = self.webhooks.read_bytes().splitlines()
        statuses = [status for line in lines for status in parse_statuses(line)]
        usage = collect_usage(statuses, cards=meta_rate_cards(), zone=ZONE)
        say("read", f"{len(lines)} webhooks, {len(statuses)} statuses, {usage.repeated} repeated")
        say(
            "messages",
            f"{len(usage.records)} arrived, {usage.failed} failed, {usage.only_sent} only sent, "
            f"{len(usage.set_aside)} set aside for a person",
        )
        charged = free = repeated = 0
        batches = [usage.records[at : at + BATCH] for at in range(0, len(usage.records), BATCH)]
        for batch in batches:
            report = self.billing.usage.record(ACCOUNT, batch)
            charged += report.charged
            free += report.free
            repeated += report.repeated
            progress(charged + free + repeated, len(usage.records))
        say("charged", f"{charged}; free {free}; recorded before {repeated}")
        self.compare(manifest)

    def compare(self, manifest: Manifest) -> None:
        """Hold what was debited against what the file was made to come to."""
        spent = sum(
            one.units
            for after in range(0, self.messages, 1000)
            for one in self.billing.usage.list(ACCOUNT, after=after, limit=1000)
        )
        verdict = "equals" if spent == manifest.total_units else "DIFFERS FROM"
        debited, made = (
            amount_text(from_units(units, "USD")) for units in (spent, manifest.total_units)
        )
        say("debited", f"{debited} USD, which {verdict} the file's own sum of {made} USD")
        if spent != manifest.total_units:
            raise Stopped("the two sums should be one; remove the database and start over")

    def change(self) -> None:
        """Be refused, then change to yearly at once, then plan a move to Basic."""
        heading(5, "A refusal, a change with a previewed proration, a scheduled move")
        self.clock.set("2026-10-26 10:00")
        try:
            self.billing.balances.debit(
                ACCOUNT, money("30000", "TRY"), reason="migration project", key="project-1"
            )
        except InsufficientFunds as refusal:
            unit = refusal.unit
            say(
                "refused",
                f"{refusal.account}: {refusal.requested} {unit} asked, {refusal.available} {unit} "
                f"available, {refusal.shortfall} {unit} short",
            )
        quote = self.billing.subscriptions.preview(
            ACCOUNT, to="growth", interval=YEAR, key="growth-yearly"
        )
        say("preview", quote.explain())
        result = self.billing.subscriptions.change(quote)
        say("changed", str(result.subscription))
        planned = self.billing.schedule.change(ACCOUNT, to="basic", interval=MONTH, key="to-basic")
        say("planned", f"{planned.to} at the end of the period")
        print()
        self.show_page(last=3)

    def let_time_pass(self) -> None:
        """Move the clock past renewals and the scheduled move."""
        heading(6, "Let time pass: a renewal of the support package, then the scheduled move")
        for when in ("2026-11-06 08:00", "2027-10-27 08:00"):
            self.clock.set(when)
            report = self.billing.run_due()
            say("run_due", f"at {when}: entries {report.entries}, events {report.events}")

    def show(self) -> None:
        """Print the Billing page and verify the books."""
        heading(7, "The Billing page, and the proof that the books are sound")
        self.show_page(last=14)
        print()
        say("verify", str(self.billing.verify()))

    def show_page(self, *, last: int) -> None:
        """Print the Billing page."""
        print(self.billing.overview(ACCOUNT, last=last))


def told(receipt: PaymentReceipt) -> str:
    """Say in a few words what a callback led to."""
    if receipt.repeated:
        return "nothing to do"
    if receipt.entry is None:
        return receipt.top_up.state.value
    return f"credited once (entry {receipt.entry.number}: +{amount_of(receipt.top_up.amount)})"


def amount_of(value: Money) -> str:
    """Write an amount with its currency."""
    return f"{amount_text(value)} {value.currency}"


def progress(done: int, total: int) -> None:
    """Show how far the messages are: on a terminal in place, elsewhere every few batches."""
    if sys.stdout.isatty():
        bar = "█" * (done * 40 // total)
        print(
            f"\r  {bar:<40} {done:>6,} of {total:,}", end="\n" if done == total else "", flush=True
        )
    elif done == total or done % (4 * BATCH) == 0:
        print(f"  {done:>6,} of {total:,}", flush=True)


def say(label: str, text: str) -> None:
    """Print what happened, wrapped to a terminal's width behind its label."""
    hanging = " " * (2 + LABEL)
    lines = text.splitlines() or [""]
    first = textwrap.fill(
        lines[0], WIDTH, initial_indent=f"  {label:<{LABEL}}", subsequent_indent=hanging
    )
    rest = [
        textwrap.fill(line, WIDTH, initial_indent=hanging, subsequent_indent=hanging + "  ")
        for line in lines[1:]
    ]
    print("\n".join([first, *rest]))


def heading(number: int, text: str) -> None:
    """Print the title of a step."""
    print(f"\n{number}. {text}")


def number_of_messages(text: str) -> int:
    """Read the argument, within what the file needs and the balance pays."""
    number = int(text) if text.isdecimal() and len(text) <= len(str(MOST)) else 0
    if not FEWEST <= number <= MOST:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from {FEWEST} to {MOST}")
    return number


def main() -> None:
    """Run the seven steps on the file that the command line names."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    parser = argparse.ArgumentParser(description="Run the main job on a SQLite file.")
    parser.add_argument(
        "--database", type=Path, default=Path("demo.db"), help="the file (default: demo.db)"
    )
    parser.add_argument(
        "--messages",
        type=number_of_messages,
        default=MOST,
        metavar="N",
        help=f"how many messages to rate, from {FEWEST} to {MOST} (the default)",
    )
    parser.add_argument(
        "--by-hand", action="store_true", help="wait for a person to pay in a browser"
    )
    arguments = parser.parse_args()
    try:
        claim(arguments.database, arguments.messages)
        run(arguments.database, arguments.messages, by_hand=arguments.by_hand)
    except KeyboardInterrupt:
        print("\nStopped. Run it again: it goes on from here.", file=sys.stderr)
        sys.exit(130)
    except (Stopped, BillingError, OSError) as error:
        print(f"The demo stopped: {error}", file=sys.stderr)
        sys.exit(1)


def claim(database: Path, messages: int) -> None:
    """Make sure that the file is new or this demo's, made with as many messages; note the number.

    A file's ``user_version`` is its program's to use, and here it is the number of messages.

    Raises:
        Stopped: the file is something else. Nothing in it was changed.
    """
    if not database.parent.is_dir():
        raise Stopped(f"there is no folder {database.parent}; make it, or name another --database")
    if database.exists() and not database.is_file():
        raise Stopped(f"{database} is not a file; name another --database")
    try:
        with closing(sqlite3.connect(database, timeout=10)) as connection:
            ((tables,),) = connection.execute("SELECT count(*) FROM sqlite_master")
            ((made_with,),) = connection.execute("PRAGMA user_version")
            if not tables:
                connection.execute(f"PRAGMA user_version = {messages:d}")
                return
    except sqlite3.Error as error:
        raise Stopped(f"{database} cannot be used: {error}; name another --database") from error
    if not made_with:
        raise Stopped(f"{database} is not of this demo's making; name another --database")
    if made_with != messages:
        raise Stopped(
            f"{database} was made with --messages {made_with}, not {messages}, and stays as it is; "
            f"ask for {made_with}, remove the file to start over, or name another --database"
        )


def run(database: Path, messages: int, *, by_hand: bool) -> None:
    """Run the seven steps."""
    clock = DemoClock()
    storage = SqlStorage(URL.create("sqlite", database=str(database)))
    callbacks: list[PaymentReceipt] = []
    numbers = itertools.count(1)

    def receive(headers: Mapping[str, str], body: bytes) -> CallbackAnswer:
        receipt = billing.top_ups.receive("sandbox", headers, body)
        callbacks.append(receipt)
        return receipt.answer

    with (
        closing(storage),
        host_for(receive, by_hand=by_hand) as server,
        SandboxPage(SECRET, callback_url=server.callback_url) as page,
    ):
        billing = Billing(
            catalog=sample_catalog(),
            storage=storage,
            gateways=[SandboxGateway(SECRET, page_url=page.url)],
            rates=meta_rate_cards(),
            clock=clock,
            ids=lambda: f"demo-{next(numbers)}",
        )
        before = state_of(billing)
        print(f"monochat-billing demo on {database}" + (" (it exists)" if before else ""))
        demo = Demo(billing, clock, database.with_name("demo-webhooks.jsonl"), messages)
        demo.callbacks = callbacks
        demo.page_url = page.url
        demo.buy = lambda url: pay(url, page.url, site_url=server.url)
        if by_hand:
            here = server.url == RETURN_URL.removesuffix(RETURN_PATH)
            demo.ask = lambda url, amount: wait_for_a_person(
                moved(url, page.url), amount, callbacks, returns=here
            )
        demo.open_account()
        demo.top_up()
        demo.subscribe()
        demo.charge_messages()
        demo.change()
        demo.let_time_pass()
        demo.show()
        after = state_of(billing)
    if before == after:
        print("\nNothing has changed: every step had been done before, and once is enough.")
    else:
        print("\nDone. Run it again: nothing will change.")


def host_for(
    receive: Callable[[Mapping[str, str], bytes], CallbackAnswer], *, by_hand: bool
) -> CallbackServer:
    """Make the demo's host, for a person where the links send a browser back to."""
    if by_hand:
        server = CallbackServer(receive, port=PORT)
        try:
            with server:  # only to see whether the port is free
                pass
        except GatewayError:
            return CallbackServer(receive)
        return CallbackServer(receive, port=PORT)
    return CallbackServer(receive)


def wait_for_a_person(
    url: str, amount: Money, callbacks: list[PaymentReceipt], *, returns: bool
) -> str:
    """Show where to pay, and wait until somebody has."""
    seen = len(callbacks)
    say("open", "this link in a browser on this machine, and pay once:")
    print(f"\n{url}\n")
    if not returns:
        say(
            "",
            f"Another program listens on port {PORT}, where the page sends the browser after the "
            "payment. What is shown there is not the demo's; the payment counts all the same.",
        )
    say(
        "waiting",
        f"for the payment of {amount_of(amount)} … Ctrl-C stops, running again goes on",
    )
    sys.stdout.flush()
    while True:
        while len(callbacks) == seen:
            time.sleep(0.1)
        state = callbacks[seen].top_up.state
        seen += 1
        if state is TopUpState.CREDITED:
            return "paid"
        say("declined", "nothing was credited; the same link still takes the payment")
        sys.stdout.flush()


def moved(url: str, page_url: str) -> str:
    """Open a link that was made in an earlier run where the page listens now."""
    return urlsplit(url)._replace(netloc=urlsplit(page_url).netloc).geturl()


def state_of(billing: Billing) -> tuple[int, int] | None:
    """Give the numbers of the last entry and the last event, None without an account."""
    audit = billing.verify()
    if not audit.accounts:
        return None
    return audit.entries, billing.accounts.get(ACCOUNT).events


if __name__ == "__main__":
    main()
