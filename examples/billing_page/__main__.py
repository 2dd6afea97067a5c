"""Start the Billing page on loopback: ``make page``, then open the address that it prints.

Owns the command line, the account that it opens on the first start, and the two servers: the page,
and beside it the sandbox's payment page. Stop it with Ctrl-C; the books stay in the database.
"""

import argparse
import os
import secrets
import sys
from contextlib import ExitStack
from fractions import Fraction
from typing import Final

import uvicorn

from examples.billing_page.app import create_app
from examples.billing_page.refunds import send_back
from examples.billing_page.visit import Site
from examples.seller import INVOICING
from monochat_billing import MONTH, Billing, BillingError, sample_catalog
from monochat_billing.adapters.sandbox import SandboxGateway, SandboxPage
from monochat_billing.adapters.sql import SqlStorage

ACCOUNT: Final = "acme"
RATES: Final = {"USD": Fraction(42)}  # invented; a host asks its central bank


def main() -> None:
    """Serve the page until it is stopped."""
    parser = argparse.ArgumentParser(description="Serve the Billing page on loopback.")
    parser.add_argument(
        "--database",
        default="sqlite:///billing-page.db",
        help="an URL, such as postgresql:///billing (default: a SQLite file here)",
    )
    parser.add_argument("--port", type=int, default=8000, help="of the page (default: 8000)")
    parser.add_argument(
        "--payment-port", type=int, default=8001, help="of the payment page (default: 8001)"
    )
    arguments = parser.parse_args()
    try:
        serve(arguments.database, arguments.port, arguments.payment_port)
    except BillingError as error:
        print(f"The page stopped: {error}", file=sys.stderr)
        sys.exit(1)


def serve(database: str, port: int, payment_port: int) -> None:
    """Open the books and both servers."""
    # Kept over a restart, open forms and payment links stay good: set BILLING_PAGE_SECRET for that.
    secret = os.environ.get("BILLING_PAGE_SECRET") or secrets.token_hex(32)
    url = f"http://127.0.0.1:{port}"
    with ExitStack() as stack:
        storage = stack.enter_context(SqlStorage(database))
        page = stack.enter_context(
            SandboxPage(secret, callback_url=f"{url}/callbacks/sandbox", port=payment_port)
        )
        billing = Billing(
            catalog=sample_catalog(),
            storage=storage,
            gateways=[SandboxGateway(secret, page_url=page.url)],
            invoicing=INVOICING,
        )
        open_account(billing)
        site = Site(
            billing=billing,
            catalog=sample_catalog(),
            url=url,
            secret=secret,
            account_of=lambda _: ACCOUNT,  # a host answers from its own login
            payment_pages=(page.url,),
            exchange=RATES,
        )
        app = create_app(site)
        send_back(billing)  # what an earlier run did not come to
        print(f"The Billing page: {url}\nStop it with Ctrl-C.", flush=True)
        uvicorn.run(app, host="127.0.0.1", port=port, log_level="warning")


def open_account(billing: Billing) -> None:
    """Open the account on the free plan; on a database that has it, this changes nothing."""
    billing.accounts.open(ACCOUNT, zone="Europe/Istanbul", currencies=["TRY", "USD"])
    billing.subscriptions.subscribe(ACCOUNT, "basic", MONTH, key="page-plan")
    billing.subscriptions.subscribe(ACCOUNT, "community", MONTH, key="page-support")


if __name__ == "__main__":
    main()
