"""Serve the API on loopback, with a payment page that moves no real money beside it."""

import os

import uvicorn

from examples.api.app import create_app
from monochat_billing import Billing, sample_catalog
from monochat_billing.adapters.sandbox import SandboxGateway, SandboxPage
from monochat_billing.adapters.sql import SqlStorage

SECRET = "shared by the API and the payment page"  # noqa: S105 - no real money moves
PORT = int(os.environ.get("BILLING_API_PORT", "8000"))

with (
    SqlStorage(os.environ.get("BILLING_API_URL", "sqlite:///api.db")) as storage,
    SandboxPage(SECRET, callback_url=f"http://127.0.0.1:{PORT}/gateways/sandbox/callbacks") as page,
):
    gateway = SandboxGateway(SECRET, page_url=page.url)
    billing = Billing(catalog=sample_catalog(), storage=storage, gateways=[gateway])
    uvicorn.run(create_app(billing), host="127.0.0.1", port=PORT)
