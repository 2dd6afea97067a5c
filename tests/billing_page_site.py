"""The Billing page of ``examples`` as its tests run it: a clock that is moved, a real server."""

import asyncio
import re
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from fractions import Fraction
from html import unescape
from typing import Any

import attrs
import httpx
import uvicorn
from fastapi import FastAPI

from examples.billing_page.__main__ import open_account
from examples.billing_page.app import create_app
from examples.billing_page.visit import Site
from examples.seller import INVOICING
from monochat_billing import Billing, sample_catalog
from monochat_billing.adapters.memory import MemoryStorage
from monochat_billing.adapters.sandbox import SandboxGateway, SandboxPage
from monochat_billing.repositories import Storage
from tests.desk import SECRET, Clock

PROFILE = {
    "business_name": "Acme Çiçekçilik Ltd. Şti.",
    "address.line": "Bağdat Cad. 101",
    "address.district": "Kadıköy",
    "address.city": "İstanbul",
    "address.post_code": "34710",
    "address.country": "TR",
    "tax_id.kind": "VKN",
    "tax_id.number": "6120606538",
    "tax_id.tax_office": "Kadıköy",
    "email": "",
}


@attrs.frozen
class Running:
    """Hold a page, its service and the clock that both go by."""

    url: str
    app: FastAPI
    billing: Billing
    clock: Clock


def build(storage: Storage, url: str, payment_url: str) -> Running:
    """Build the page as its own main does, with a clock that stands still."""
    clock = Clock()
    billing = Billing(
        catalog=sample_catalog(),
        storage=storage,
        gateways=[SandboxGateway(SECRET, page_url=payment_url)],
        invoicing=INVOICING,
        clock=clock,
    )
    open_account(billing)
    site = Site(
        billing=billing,
        catalog=sample_catalog(),
        url=url,
        secret=SECRET,
        account_of=lambda _: "acme",
        payment_pages=(payment_url,),
        exchange={"USD": Fraction(42)},
    )
    return Running(url, create_app(site), billing, clock)


@contextmanager
def serving() -> Iterator[Running]:
    """Serve the page and the sandbox's payment page on free ports of loopback."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        with SandboxPage(SECRET, callback_url=f"{url}/callbacks/sandbox") as page:
            running = build(MemoryStorage(), url, page.url)
            config = uvicorn.Config(running.app, log_level="error", lifespan="off")
            server = uvicorn.Server(config)
            thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
            thread.start()
            try:
                yield running
            finally:
                server.should_exit = True
                thread.join()


class Client:
    """Ask the application within the process; cookies are kept, redirects are not followed."""

    def __init__(self, app: FastAPI, url: str, language: str) -> None:
        self._transport = httpx.ASGITransport(app=app)
        self._url = url
        self._headers = {"Accept-Language": language}
        self._cookies = httpx.Cookies()

    def get(self, path: str, params: Mapping[str, str] | None = None) -> httpx.Response:
        """Open a page."""
        return asyncio.run(self._ask("GET", path, params=params))

    def post(
        self,
        path: str,
        *,
        data: Mapping[str, str] | None = None,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        """Send a form, or a body as it is."""
        return asyncio.run(self._ask("POST", path, data=data, content=content, headers=headers))

    async def _ask(
        self,
        method: str,
        path: str,
        **more: Any,  # noqa: ANN401 - as httpx takes it
    ) -> httpx.Response:
        async with httpx.AsyncClient(
            transport=self._transport,
            base_url=self._url,
            headers=self._headers,
            cookies=self._cookies,
        ) as client:
            answer = await client.request(method, path, **more)
            self._cookies = client.cookies
            return answer


class Forms:
    """Read forms off a page and send them as a browser does, without one."""

    def __init__(self, get: Callable[[str], str]) -> None:
        self._get = get

    def fields(self, path: str, action: str) -> dict[str, str]:
        """Give the fields of the first form with that address, as they stand."""
        page = self._get(path)
        form = re.search(rf'<form[^>]*action="{re.escape(action)}".*?</form>', page, re.DOTALL)
        assert form is not None, f"{path} has no form {action}"
        found: dict[str, str] = {}
        for tag in re.findall(r"<input[^>]*>", form[0]):
            given: Mapping[str, str] = dict(re.findall(r'([a-z-]+)="([^"]*)"', tag))
            if given.get("type") != "radio" or " checked" in tag:
                found[given["name"]] = unescape(given.get("value", ""))
        return found
