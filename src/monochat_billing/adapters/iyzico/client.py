"""A client of iyzico's API: one method, every call signed, bounded in time and size.

Owns authorization, transport failures and the reading of JSON. Does not own what a call means.

Nothing is repeated here: most of iyzico's services would do it twice. A call that failed is in
doubt until a later one asks what became of it.
"""

import json
import secrets
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, Final, final

import attrs
import httpx

from monochat_billing.adapters.iyzico.signing import authorization
from monochat_billing.errors import GatewayError

__all__ = ["IyzicoClient", "random_key"]

_LONGEST_ANSWER: Final = 1024 * 1024


def random_key() -> str:
    """Return a fresh random key for one request."""
    return secrets.token_hex(16)


def _http(client: "IyzicoClient") -> httpx.Client:
    # No proxy is taken from the environment and no redirect is followed: a transport may do both.
    return httpx.Client(
        base_url=client.base_url,
        timeout=client.timeout,
        transport=client.transport,
        trust_env=False,
        follow_redirects=False,
    )


@final
@attrs.frozen(kw_only=True)
class IyzicoClient:
    """Send signed requests to iyzico and give the JSON that it answers.

    ``timeout`` is in seconds and bounds each wait: to connect, to send, to receive.
    """

    api_key: str = attrs.field(repr=False)
    secret: str = attrs.field(repr=False)
    base_url: str
    timeout: int = 20
    transport: httpx.BaseTransport | None = attrs.field(default=None, repr=False)
    new_random_key: Callable[[], str] = attrs.field(default=random_key, repr=False)
    gateway: str = "iyzico"
    _session: httpx.Client = attrs.field(
        init=False, repr=False, eq=False, default=attrs.Factory(_http, takes_self=True)
    )

    def close(self) -> None:
        """Close the connections that are kept open."""
        self._session.close()

    def post(self, path: str, fields: Mapping[str, Any]) -> dict[str, Any]:
        """Post one request.

        Numbers in the answer are ``int`` or ``Decimal``.

        Raises:
            GatewayError: no answer in time, no 2xx, or no JSON object; in doubt.
        """
        body = json.dumps(fields, ensure_ascii=False, separators=(",", ":")).encode()
        return self._ask("POST", path, body, {})

    def get(self, path: str, asked: Mapping[str, str]) -> dict[str, Any]:
        """Get one report; what is asked for stands in the query, which is not signed.

        Raises:
            GatewayError: no answer in time, no 2xx, or no JSON object.
        """
        return self._ask("GET", path, b"", asked)

    def _ask(self, method: str, path: str, body: bytes, asked: Mapping[str, str]) -> dict[str, Any]:
        key = self.new_random_key()
        headers = {
            "Authorization": authorization(self.api_key, self.secret, path, key, body),
            "Content-Type": "application/json",
            "Accept": "application/json",
            "x-iyzi-rnd": key,
        }
        try:
            answer = self._session.request(
                method, path, content=body, params=dict(asked), headers=headers
            )
        except httpx.HTTPError as error:
            raise GatewayError(self.gateway, path, type(error).__name__) from None
        if not answer.is_success:
            raise GatewayError(self.gateway, path, f"answered with {answer.status_code}")
        return self._read(path, answer.content)

    def _read(self, path: str, content: bytes) -> dict[str, Any]:
        if len(content) > _LONGEST_ANSWER:
            raise GatewayError(self.gateway, path, "answered with too much")
        try:
            found = json.loads(content, parse_float=Decimal, parse_constant=_refuse)
        except (ValueError, RecursionError):
            raise GatewayError(self.gateway, path, "answered with no JSON") from None
        if not isinstance(found, dict):
            raise GatewayError(self.gateway, path, "answered with no JSON object")
        return found


def _refuse(text: str) -> None:
    raise ValueError(text)
