"""Time durable debits of two published packages; bench_storage.py runs it under its interpreter.

``flexibilling FILE`` debits in an SQLite file as its own service does, ``hordak FOLDER DATABASE`` a
balance on the PostgreSQL server whose socket is in the folder, by django-hordak's ``transfer_to``.
It prints the name, the calls a second, and what a call does.
"""

# ruff: noqa: PLC0415 - each package is imported where only its own environment runs

import asyncio
import sys
import time
from collections.abc import Callable
from decimal import Decimal
from importlib.metadata import version
from typing import Any

SECONDS = 2


def flexibilling(path: str) -> tuple[float, str]:
    """Charge one balance, each charge committed: balance and ledger row."""
    from flexibilling.adapters.sqlalchemy import (  # type: ignore[import-not-found]
        Base,
        CustomerBalanceModel,
        SQLAlchemyBillingRepository,
    )
    from flexibilling.cache import NullBillingCache  # type: ignore[import-not-found]
    from flexibilling.service import BillingService  # type: ignore[import-not-found]
    from sqlalchemy import event
    from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine

    engine = create_async_engine(f"sqlite+aiosqlite:///{path}")

    @event.listens_for(engine.sync_engine, "connect")
    def prepare(connection: Any, _: object) -> None:  # noqa: ANN401 - a driver's
        for pragma in ("journal_mode = WAL", "synchronous = FULL"):
            connection.execute(f"PRAGMA {pragma}")

    sessions = async_sessionmaker(engine, expire_on_commit=False)
    service = BillingService(SQLAlchemyBillingRepository(sessions), NullBillingCache())

    async def charge() -> None:
        async with sessions() as session, session.begin():
            await service.charge("acme", "TRY", Decimal("0.01"), session=session)

    async def measure() -> float:
        async with engine.begin() as connection:
            await connection.run_sync(Base.metadata.create_all)
        async with sessions() as session, session.begin():
            balance = {"customer_id": "acme", "asset_type": "TRY", "amount": Decimal(1_000_000)}
            session.add(CustomerBalanceModel(**balance))
        calls, began = 0, time.perf_counter()
        while time.perf_counter() < began + SECONDS:
            await charge()
            calls += 1
        return calls / (time.perf_counter() - began)

    return asyncio.run(measure()), "2 rows, no key, 1 caller"


def hordak(folder: str, database: str) -> tuple[float, str]:
    """Transfer from one account to another, each transfer committed: a transaction and two legs."""
    import django
    from django.conf import settings

    postgres = {
        "ENGINE": "django.db.backends.postgresql",
        "HOST": folder,
        "NAME": database,
        "USER": "billing",
    }
    apps = ["django.contrib.contenttypes", "django.contrib.auth", "mptt", "hordak"]
    settings.configure(
        DATABASES={"default": postgres},
        INSTALLED_APPS=apps,
        DEFAULT_AUTO_FIELD="django.db.models.AutoField",
        USE_TZ=True,
        DEFAULT_CURRENCY="EUR",
        CURRENCIES=["EUR"],
    )
    django.setup()
    from django.core.management import call_command
    from django.db import transaction
    from djmoney.money import Money  # type: ignore[import-not-found]
    from hordak.models import Account, AccountType  # type: ignore[import-not-found]

    call_command("migrate", verbosity=0)
    names = (("house", "1", AccountType.income), ("acme", "2", AccountType.liability))
    house, acme = (
        Account.objects.create(name=name, code=code, type=kind, currencies=["EUR"])
        for name, code, kind in names
    )

    def debit() -> None:
        with transaction.atomic():
            acme.transfer_to(house, Money("0.01", "EUR"))

    calls, began = 0, time.perf_counter()
    while time.perf_counter() < began + SECONDS:
        debit()
        calls += 1
    rate = calls / (time.perf_counter() - began)
    return rate, "3 rows, no check of funds, no key, 1 caller"


PEERS: dict[str, tuple[str, Callable[..., tuple[float, str]]]] = {
    "flexibilling": ("flexibilling", flexibilling),
    "hordak": ("django-hordak", hordak),
}

if __name__ == "__main__":
    package, run = PEERS[sys.argv[1]]
    rate, told = run(*sys.argv[2:])
    print(f"{package} {version(package)}\t{rate:.1f}\t{told}")
