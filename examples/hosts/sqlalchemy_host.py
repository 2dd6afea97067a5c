"""A host with SQLAlchemy sessions: an export and its charge, in one transaction.

``python examples/hosts/sqlalchemy_host.py [URL]`` uses ``sqlite:///host.db`` or the URL.
"""

import sys

from sqlalchemy import create_engine, select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from monochat_billing import Billing, InsufficientFunds, money, sample_catalog
from monochat_billing.adapters.sql import SqlStorage
from monochat_billing.money import amount_text


class Base(DeclarativeBase):
    """Collect the host's own tables."""


class Export(Base):
    """Be a row of the host's."""

    __tablename__ = "host_exports"

    id: Mapped[int] = mapped_column(primary_key=True)
    account: Mapped[str]
    name: Mapped[str]


def order(session: Session, billing: Billing, account: str, name: str) -> Export:
    """Write the host's row and take the money for it: both, or neither."""
    export = Export(account=account, name=name)
    session.add(export)
    session.flush()
    billing.using(session).balances.debit(
        account, money("10", "TRY"), reason="export", reference=name, key=f"export-{export.id}"
    )
    return export


def main(url: str = "sqlite:///host.db") -> None:
    """Order three exports with money for two, and lose one to an error of the host's own."""
    engine = create_engine(url)
    Base.metadata.create_all(engine)
    with SqlStorage(url) as storage:
        storage.upgrade()
        billing = Billing(catalog=sample_catalog(), storage=storage)
        billing.accounts.open("acme", zone="Europe/Istanbul", currencies=["TRY"])
        billing.balances.credit("acme", money("25", "TRY"), reason="opening", key="opening")
        with Session(engine) as session, session.begin():
            order(session, billing, "acme", "january")
        try:
            with Session(engine) as session, session.begin():
                order(session, billing, "acme", "february")
                raise RuntimeError("the host cannot write the file")  # noqa: TRY301 - a story
        except RuntimeError as error:
            print(f"rolled back: {error}")
        with Session(engine) as session, session.begin():
            order(session, billing, "acme", "march")
        try:
            with Session(engine) as session, session.begin():
                order(session, billing, "acme", "april")
        except InsufficientFunds as refusal:
            print(f"refused: {refusal}")
        with Session(engine) as session:
            print("exports:", ", ".join(session.scalars(select(Export.name).order_by(Export.id))))
        print("left:", amount_text(billing.balances.entries("acme")[-1].balance_money), "TRY")
        print("sound:", billing.verify().sound)
    engine.dispose()


if __name__ == "__main__":
    main(*sys.argv[1:])
