"""A small catalog for the life of subscriptions: a trial, add-ons, tax inside and on top."""

from pathlib import Path

from monochat_billing import Catalog, Family, Price, Product, money
from monochat_billing.adapters.memory import MemoryStorage
from monochat_billing.adapters.sql import SqlStorage
from monochat_billing.intervals import BillingInterval
from monochat_billing.periods import MONTH, YEAR
from monochat_billing.plans import DunningPolicy
from monochat_billing.tax import Pricing
from monochat_billing.tax_regimes import TURKEY, TaxRegime
from tests.desk import PROFILE, Clock, Desk, build

__all__ = ["TWO_WEEKS", "catalog", "desk_with", "product"]

TWO_WEEKS = BillingInterval(count=14, unit="DAY")


def product(
    identity: str,
    month: str,
    year: str | None = None,
    *,
    family: Family = Family.PLAN,
    rank: int = 0,
    pricing: Pricing = Pricing.INCLUSIVE,
    trial: BillingInterval | None = None,
    most: int | None = 1,
) -> Product:
    """Give a product in TRY, per month and perhaps per year."""
    offers = [(MONTH, month)] if year is None else [(MONTH, month), (YEAR, year)]
    return Product(
        id=identity,
        family=family,
        rank=rank,
        names={"en": identity.title()},
        prices=tuple(
            Price(interval=interval, amount=money(amount, "TRY"), pricing=pricing)
            for interval, amount in offers
        ),
        trial=trial,
        most_quantity=most,
    )


def catalog(
    *dunning: DunningPolicy,
    tax: TaxRegime | None = TURKEY,
    pricing: Pricing = Pricing.EXCLUSIVE,
    withdrawal_days: int = 14,
) -> Catalog:
    """Give the shop: three plans, a support package and two add-ons."""
    return Catalog(
        id="shop",
        version="1",
        products=(
            product("free", "0", "0"),
            product("team", "1200", "12000", rank=1),
            product("firm", "3000", "30000", rank=2, pricing=pricing),
            product("pro", "900", rank=3, trial=TWO_WEEKS),
            product("care", "240", family=Family.SUPPORT),
            product("seat", "60", family=Family.ADD_ON, most=50),
            product("desk", "310", family=Family.ADD_ON, most=None, trial=TWO_WEEKS),
        ),
        zone="Europe/Istanbul",
        tax=tax,
        withdrawal_days=withdrawal_days,
        dunning=dunning,
    )


def desk_with(kind: str, sold: Catalog, folder: Path, clock: Clock) -> Desk:
    """Give a service that sells ``sold``, with an account on a storage of that kind."""
    storage = MemoryStorage() if kind == "memory" else SqlStorage(f"sqlite:///{folder / 'shop.db'}")

    def again() -> Desk:
        return build(storage, clock, again, sold)

    made = again()
    made.billing.accounts.open("acme", zone="Europe/Istanbul", currencies=["TRY"], profile=PROFILE)
    return made
