"""What the tests share: a service with an account in it, on each storage."""

from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest

from monochat_billing.adapters.memory import MemoryStorage
from monochat_billing.adapters.sql import SqlStorage
from tests.desk import PROFILE, Clock, Desk, build
from tests.postgres import (
    postgres_database,
    postgres_server,
    postgres_url,
    pytest_configure,
    pytest_unconfigure,
)

__all__ = [
    "clock",
    "desk",
    "postgres_database",
    "postgres_server",
    "postgres_url",
    "pytest_configure",
    "pytest_unconfigure",
]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=["memory", "sqlite"])
def desk(request: pytest.FixtureRequest, tmp_path: Path, clock: Clock) -> Iterator[Desk]:
    """Give a service with the account "acme", once on memory and once on a SQLite file."""
    opened: list[SqlStorage] = []
    memory = MemoryStorage()

    def build_again() -> Desk:
        if cast("str", request.param) == "memory":
            return build(memory, clock, build_again)
        opened.append(SqlStorage(f"sqlite:///{tmp_path / 'billing.db'}"))
        return build(opened[-1], clock, build_again)

    made = build_again()
    made.billing.accounts.open(
        "acme", zone="Europe/Istanbul", currencies=["TRY", "USD"], profile=PROFILE
    )
    yield made
    for storage in opened:
        storage.close()
