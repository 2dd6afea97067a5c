"""A client of PayTR's API: forms out, JSON back, bounded in time and size.

Owns transport failures and the reading of JSON. Does not own what a call means, nor its hash.

Nothing is repeated here: a call that failed is in doubt until the order's status is asked.
"""

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final, final

import attrs
import httpx

from monochat_billing.errors import GatewayError

__all__ = ["PaytrClient"]

_LONGEST_ANSWER: Final = 1024 * 1024


def _http(client: "PaytrClient") -> httpx.Client:
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
class PaytrClient:
    """Post forms to PayTR and give the JSON that it answers.

    ``timeout`` is in seconds and bounds each wait: to connect, to send, to receive.
    """

    base_url: str
    timeout: int = 20
    transport: httpx.BaseTransport | None = attrs.field(default=None, repr=False)
    gateway: str = "paytr"
    _session: httpx.Client = attrs.field(
        init=False, repr=False, eq=False, default=attrs.Factory(_http, takes_self=True)
    )

    def close(self) -> None:
        """Close the connections that are kept open."""
        self._session.close()

    def post(self, path: str, form: Mapping[str, str]) -> dict[str, Any]:
        """Post one form.

        Raises:
            GatewayError: no answer in time, no 2xx, or no JSON object; in doubt.
        """
        try:
            answer = self._session.post(path, data=dict(form))
        except httpx.HTTPError as error:
            raise GatewayError(self.gateway, path, type(error).__name__) from None
        if not answer.is_success:
            raise GatewayError(self.gateway, path, f"answered with {answer.status_code}")
        if len(answer.content) > _LONGEST_ANSWER:
            raise GatewayError(self.gateway, path, "answered with too much")
        try:
            found = json.loads(answer.content, parse_float=Decimal, parse_constant=_refuse)
        except (ValueError, RecursionError):
            raise GatewayError(self.gateway, path, "answered with no JSON") from None
        if not isinstance(found, dict):
            raise GatewayError(self.gateway, path, "answered with no JSON object")
        return found


def _refuse(text: str) -> None:
    raise ValueError(text)
