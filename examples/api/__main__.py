"""Serve the API on loopback, with a payment page that moves no real money beside it."""

import os

import uvicorn

from examples.api.app import create_app
from examples.seller import INVOICING
from monochat_billing import Billing, sample_catalog
from monochat_billing.adapters.sandbox import SandboxGateway, SandboxPage
from monochat_billing.adapters.sql import SqlStorage

SECRET = "shared by the API and the payment page"  # noqa: S105 - no real money moves
PORT = int(os.environ.get("BILLING_API_PORT", "8000"))

URL = os.environ.get("BILLING_API_URL", "sqlite:///api.db")
BACK = f"http://127.0.0.1:{PORT}/gateways/sandbox/callbacks"

with SqlStorage(URL) as storage, SandboxPage(SECRET, callback_url=BACK) as page:
    gateway = SandboxGateway(SECRET, page_url=page.url)
    billing = Billing(
        catalog=sample_catalog(), storage=storage, gateways=[gateway], invoicing=INVOICING
    )
    uvicorn.run(create_app(billing), host="127.0.0.1", port=PORT)
