"""What the tests share: a service with an account in it, on each storage."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest

from monochat_billing.adapters.memory import MemoryStorage
from monochat_billing.adapters.sql import SqlStorage
from tests.desk import PROFILE, Clock, Desk, build
from tests.postgres import (
    newer_server,
    postgres_database,
    postgres_server,
    postgres_url,
    pytest_configure,
    pytest_unconfigure,
)

__all__ = [
    "clock",
    "desk",
    "empty_books",
    "newer_server",
    "postgres_database",
    "postgres_server",
    "postgres_url",
    "pytest_configure",
    "pytest_unconfigure",
]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(scope="session")
def empty_books(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a SQLite file with the schema and nothing in it, to copy: migrating takes longer."""
    path = tmp_path_factory.mktemp("books") / "empty.db"
    with SqlStorage(f"sqlite:///{path}") as storage:
        storage.upgrade()
    return path


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def desk(
    request: pytest.FixtureRequest, tmp_path: Path, clock: Clock, empty_books: Path
) -> Iterator[Desk]:
    """Give a service with the account "acme" on each storage."""
    opened: list[SqlStorage] = []
    memory = MemoryStorage()
    path = tmp_path / "billing.db"
    shutil.copy(empty_books, path)

    def build_again() -> Desk:
        kind = cast("str", request.param)
        if kind == "memory":
            return build(memory, clock, build_again)
        url = f"sqlite:///{path}"
        opened.append(
            SqlStorage(request.getfixturevalue("postgres_url") if kind == "postgres" else url)
        )
        return build(opened[-1], clock, build_again)

    made = build_again()
    made.billing.accounts.open(
        "acme", zone="Europe/Istanbul", currencies=["TRY", "USD"], profile=PROFILE
    )
    yield made
    for storage in opened:
        storage.close()
