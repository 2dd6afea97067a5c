"""A host with FastAPI and an asynchronous session: the request's transaction takes the money too.

Needs PostgreSQL: ``uvicorn --factory`` with a function that calls :func:`create_app`.
"""

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import Depends, FastAPI, HTTPException
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine

from monochat_billing import Billing, InsufficientFunds, money
from monochat_billing.service.asynchronous import AsyncBilling

PAYMENT_REQUIRED = 402


def create_app(url: str, service: Billing) -> FastAPI:
    """Build the application on a database in which the host's table and the books are."""
    engine = create_async_engine(url)
    sessions = async_sessionmaker(engine)
    billing = AsyncBilling(service)
    app = FastAPI()
    app.state.dispose = engine.dispose

    async def session() -> AsyncIterator[AsyncSession]:
        async with sessions() as opened, opened.begin():
            yield opened

    @app.post("/exports/{account}/{name}")
    async def order(
        account: str, name: str, session: Annotated[AsyncSession, Depends(session)]
    ) -> dict[str, object]:
        """Write the host's row and take the money for it: both, or neither."""
        insert = text("INSERT INTO host_exports (name) VALUES (:name) RETURNING id")
        number = (await session.execute(insert, {"name": name})).scalar_one()
        try:
            entry = await billing.using(session).balances.debit(
                account, money("10", "TRY"), reason="export", reference=name, key=f"export-{number}"
            )
        except InsufficientFunds as refusal:
            raise HTTPException(PAYMENT_REQUIRED, str(refusal)) from refusal
        if name == "broken":
            raise RuntimeError("the host cannot write the file")
        return {"id": number, "entry": entry.number, "left": str(entry.balance_value)}

    @app.get("/accounts/{account}")
    async def overview(account: str) -> dict[str, str]:
        """Show what is there, by the service's own connections."""
        balances = await billing.balances.list(account)
        return {unit: one.text(one.posted) for unit, one in balances.items()}

    @app.post("/clicks/{account}/{number}")
    async def click(account: str, number: int) -> dict[str, int]:
        """Take a little, outside of any transaction of the host's: clicks share commits."""
        entry = await billing.balances.debit(
            account, money("0.01", "TRY"), reason="click", key=f"click-{number}"
        )
        return {"entry": entry.number}

    return app
