"""The hosts in ``examples/hosts`` do what they say."""

import asyncio
import subprocess
import sys
from pathlib import Path
from typing import Final

import httpx
import pytest
import sqlalchemy

from examples.hosts.fastapi_host import create_app
from monochat_billing import Billing, sample_catalog
from monochat_billing.adapters.sql import SqlStorage
from tests.desk import Clock
from tests.factories import lira
from tests.postgres import Server

HOSTS: Final = Path(__file__).parents[1] / "examples" / "hosts"
TOLD: Final = [
    "rolled back: the host cannot write the file",
    "refused: acme: 10 TRY asked, 5 available, 5 short",
    "exports: january, march",
    "left: 5 TRY",
    "sound: True",
]


def run(script: str, *arguments: str, cwd: Path) -> list[str]:
    done = subprocess.run(
        [sys.executable, str(HOSTS / script), *arguments],
        cwd=cwd,
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.stderr == ""
    return [line.partition("; ")[0] for line in done.stdout.splitlines()]


@pytest.fixture
def clean(postgres_url: str) -> str:
    """Give the URL of a database without tables of a host's."""
    engine = sqlalchemy.create_engine(postgres_url)
    with engine.begin() as connection:
        for table in ("host_exports", "host_export"):
            connection.exec_driver_sql(f"DROP TABLE IF EXISTS {table}")
    engine.dispose()
    return postgres_url


class TestSqlalchemy:
    """A session's rows and the debit stand or fall together."""

    def test_on_sqlite(self, tmp_path: Path) -> None:
        assert run("sqlalchemy_host.py", cwd=tmp_path) == TOLD

    @pytest.mark.deep
    def test_on_postgres(self, tmp_path: Path, clean: str) -> None:
        assert run("sqlalchemy_host.py", clean, cwd=tmp_path) == TOLD


class TestDjango:
    """Django's own connection and atomic blocks are enough."""

    OUTSIDE: Final = "outside of atomic: host: 'a {} connection' is in no transaction"

    @pytest.mark.deep
    def test_on_sqlite(self, tmp_path: Path) -> None:
        *told, outside = run("django_host.py", cwd=tmp_path)
        assert told == TOLD
        assert outside.startswith(self.OUTSIDE.format("sqlite3"))

    def test_on_postgres(self, tmp_path: Path, clean: str, postgres_server: Server) -> None:
        name = clean.partition("@/")[2].partition("?")[0]
        place = str(postgres_server.folder)
        *told, outside = run("django_host.py", clean, "postgresql", place, name, cwd=tmp_path)
        assert told == TOLD
        assert outside.startswith(self.OUTSIDE.format("psycopg"))


class TestFastapi:
    """A request's asynchronous session takes the money with it."""

    def test_on_postgres(self, clean: str) -> None:
        with SqlStorage(clean) as storage:
            service = Billing(catalog=sample_catalog(), storage=storage, clock=Clock())
            service.accounts.open("acme", zone="Europe/Istanbul", currencies=["TRY"])
            service.balances.credit("acme", lira("25"), reason="opening", key="opening")
            engine = sqlalchemy.create_engine(clean)
            with engine.begin() as connection:
                connection.exec_driver_sql("CREATE TABLE host_exports (id serial, name text)")
            told = asyncio.run(self.visit(clean, service))
            assert told == [200, 500, 200, 402]
            with engine.begin() as connection:
                names = connection.exec_driver_sql("SELECT name FROM host_exports").scalars()
                assert sorted(names) == ["january", "march"]
                connection.exec_driver_sql("DROP TABLE host_exports")
            engine.dispose()
            assert service.balances.list("acme")["TRY"].posted == 4_800_000
            assert service.verify().sound

    async def visit(self, url: str, service: Billing) -> list[int]:
        transport = httpx.ASGITransport(
            app=(app := create_app(url, service)), raise_app_exceptions=False
        )
        async with httpx.AsyncClient(transport=transport, base_url="http://host") as client:
            codes = [
                (await client.post(f"/exports/acme/{name}")).status_code
                for name in ("january", "broken", "march", "april")
            ]
            clicks = [client.post(f"/clicks/acme/{number}") for number in range(20)]
            assert {one.status_code for one in await asyncio.gather(*clicks)} == {200}
            assert (await client.get("/accounts/acme")).json() == {"TRY": "4.8"}
        await app.state.dispose()
        return codes
