"""Fixtures for a host's tests; pytest finds them where the library is installed.

Owns the fixtures ``billing_catalog``, ``billing_storage``, ``billing_clock``, ``billing_bench`` and
``billing``, each of which a host may override in its ``conftest.py``.
Does not own what they give (:mod:`monochat_billing.testing.workbench`). Nothing of the library is
imported before a test asks for it, so a run that does not is not slowed down.
"""

from typing import TYPE_CHECKING

from monochat_billing.errors import MissingExtra

try:
    import pytest
except ModuleNotFoundError as _missing:
    raise MissingExtra("monochat_billing.testing.pytest_plugin", "pytest") from _missing

if TYPE_CHECKING:
    from monochat_billing.plans import AnyCatalog
    from monochat_billing.repositories import Storage
    from monochat_billing.service import Billing
    from monochat_billing.testing.workbench import MovingClock, Workbench

__all__ = ["billing", "billing_bench", "billing_catalog", "billing_clock", "billing_storage"]


@pytest.fixture
def billing_catalog() -> "AnyCatalog":
    """Give what is sold: the sample catalog, unless overridden."""
    from monochat_billing.plans import sample_catalog  # noqa: PLC0415 - see the module

    return sample_catalog()


@pytest.fixture
def billing_storage() -> "Storage":
    """Give a storage with nothing in it: memory, unless overridden."""
    from monochat_billing.adapters.memory import MemoryStorage  # noqa: PLC0415 - see the module

    return MemoryStorage()


@pytest.fixture
def billing_clock() -> "MovingClock":
    """Give a clock that stands still until it is moved."""
    from monochat_billing.testing.workbench import MovingClock  # noqa: PLC0415 - see the module

    return MovingClock()


@pytest.fixture
def billing_bench(
    billing_catalog: "AnyCatalog", billing_storage: "Storage", billing_clock: "MovingClock"
) -> "Workbench":
    """Give a service with short ways to an account, a paid top-up and a subscription."""
    from monochat_billing.testing.workbench import Workbench  # noqa: PLC0415 - see the module

    return Workbench(catalog=billing_catalog, storage=billing_storage, clock=billing_clock)


@pytest.fixture
def billing(billing_bench: "Workbench") -> "Billing":
    """Give the service itself, as a host has it."""
    return billing_bench.billing
