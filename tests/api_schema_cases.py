"""What ``tests/test_api_schema.py`` runs: each operation of ``examples/api``, whatever it is sent.

In a process of its own, because schemathesis gives all of its tests one id, of which a run that is
distributed keeps one.
"""

from typing import Any, Final

import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.config import SchemathesisConfig

from examples.api.app import create_app
from examples.seller import INVOICING
from monochat_billing import MONTH, Billing, sample_catalog
from monochat_billing.adapters.memory import MemoryStorage
from monochat_billing.adapters.sandbox import SandboxGateway
from tests.desk import PROFILE, SECRET, Clock
from tests.factories import lira

REFUSED: Final = [402, 403, 404, 409, 422]
"""What a well-formed request may be answered: a schema knows no scale, zone, state or balance."""


def service() -> Billing:
    """Give a service in whose books there is something to find."""
    gateway = SandboxGateway(SECRET, page_url="http://127.0.0.1:9")
    billing = Billing(
        catalog=sample_catalog(),
        storage=MemoryStorage(),
        clock=Clock(),
        gateways=[gateway],
        invoicing=INVOICING,
    )
    for account in ("acme", "0"):
        billing.accounts.open(account, zone="Europe/Istanbul", currencies=["TRY"], profile=PROFILE)
        billing.balances.credit(account, lira("250000"), reason="opening", key="opening")
        billing.subscriptions.subscribe(account, "growth", MONTH, key="signup")
    return billing


EXAMPLES: Final = 200 if settings.get_current_profile_name() == "deep" else 1
SETTINGS: Final = SchemathesisConfig.from_dict(
    {
        "checks": {"positive_data_acceptance": {"expected-statuses": ["2xx", *map(str, REFUSED)]}},
        "generation": {"database": "none"},
    }
)
SCHEMA: Final = schemathesis.openapi.from_asgi(
    "/openapi.json", create_app(service()), config=SETTINGS
)


@SCHEMA.hook
def map_path_parameters(_: object, parameters: dict[str, Any] | None) -> dict[str, Any] | None:
    """Ask for an account that there is, more often than not."""
    if parameters and len(parameters.get("account", "")) % 3:
        return {**parameters, "account": "acme"}
    return parameters


@SCHEMA.parametrize()
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
def test_each_operation_keeps_to_its_schema(case: schemathesis.Case[Any]) -> None:
    """No server error, no undocumented status, no answer of another shape, no bad data taken."""
    case.call_and_validate()
