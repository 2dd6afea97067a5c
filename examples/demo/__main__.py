"""The main job, from an empty SQLite file to the Billing page, in nine steps.

Run it with ``make demo``. It uses the library as a host would: a storage, a gateway with a hosted
payment page on loopback, a file of status webhooks, and a clock that this program moves. What
happens is told in ``story``; this module opens the file and the servers.

It is safe to stop anywhere: every command carries a key, so running it again goes on where it
stopped and ends at the same books. Running it on a finished file changes nothing. To start over,
remove the file.
"""

import argparse
import io
import sqlite3
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from host import RETURN_PATH, CallbackServer, pay
from speech import Speech
from sqlalchemy import URL
from story import ACCOUNT, MOST, Demo, DemoClock, DemoIds, Stopped, say
from webhooks import FEWEST

from monochat_billing import (
    Billing,
    BillingError,
    GatewayError,
    Money,
    PaymentReceipt,
    sample_catalog,
)
from monochat_billing.adapters.sandbox import SandboxGateway, SandboxPage
from monochat_billing.adapters.sql import SqlStorage
from monochat_billing.adapters.whatsapp import meta_rate_cards
from monochat_billing.money import amount_text
from monochat_billing.payments import CallbackAnswer, TopUpState
from monochat_billing.translations import LOCALES

SECRET: Final = "a secret that only the demo's two servers share"  # noqa: S105 - of the sandbox
# A part of the request that a key stands for, so it is the same in every run.
PORT: Final = 18_765
RETURN_URL: Final = f"http://127.0.0.1:{PORT}{RETURN_PATH}"


def amount_of(value: Money) -> str:
    """Write an amount with its currency."""
    return f"{amount_text(value)} {value.currency}"


def number_of_messages(text: str) -> int:
    """Read the argument, within what the file needs and the balance pays."""
    number = int(text) if text.isdecimal() and len(text) <= len(str(MOST)) else 0
    if not FEWEST <= number <= MOST:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from {FEWEST} to {MOST}")
    return number


def main() -> None:
    """Run the story on the file that the command line names."""
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
    parser.add_argument(
        "--locale", choices=LOCALES, default="en", help="the language to speak (default: en)"
    )
    arguments = parser.parse_args()
    try:
        claim(arguments.database, arguments.messages)
        run(
            arguments.database,
            arguments.messages,
            Speech(arguments.locale),
            by_hand=arguments.by_hand,
        )
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


def run(database: Path, messages: int, speech: Speech, *, by_hand: bool) -> None:
    """Open the file and the servers, and play the story."""
    clock, ids = DemoClock(), DemoIds()
    storage = SqlStorage(URL.create("sqlite", database=str(database)))
    callbacks: list[PaymentReceipt] = []

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
            ids=ids,
        )
        before = state_of(billing)
        opening = "monochat-billing demo on {database}"
        print(speech(f"{opening} (it exists)" if before else opening, database=database))
        demo = Demo(
            billing,
            clock,
            ids,
            speech,
            webhooks=database.with_name("demo-webhooks.jsonl"),
            messages=messages,
        )
        demo.return_url = RETURN_URL
        demo.callbacks = callbacks
        demo.page_url = page.url
        demo.buy = lambda url: pay(url, page.url, site_url=server.url)
        if by_hand:
            here = server.url == RETURN_URL.removesuffix(RETURN_PATH)
            demo.ask = lambda url, amount: wait_for_a_person(
                moved(url, page.url), amount, callbacks, returns=here
            )
        demo.play()
        after = state_of(billing)
    if before == after:
        ending = "Nothing has changed: every step had been done before, and once is enough."
    else:
        ending = "Done. Run it again: nothing will change."
    print(f"\n{speech(ending)}")


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
