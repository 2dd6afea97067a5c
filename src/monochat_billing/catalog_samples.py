"""The sample catalog: three plans, three support packages and two message packs.

*Owns* one catalog to try things with and to start one's own from; its prices, limits and terms
are invented.
*Does not own* anybody's real prices. The same catalog is shipped as a file,
``data/monochat-sample.toml``, to copy and edit.
"""

from typing import Final

from monochat_billing.catalogs import Catalog
from monochat_billing.dunning import AfterGrace, DunningPolicy
from monochat_billing.intervals import MONTH, WEEK, YEAR, BillingInterval
from monochat_billing.limits import Allowance, Limit, OverageTier, hard, soft, unlimited
from monochat_billing.money import money
from monochat_billing.prices import OneOffPrice, Price
from monochat_billing.products import Family, Feature, Grant, OneOff, Product
from monochat_billing.tax_regimes import TURKEY
from monochat_billing.translations import mark

__all__ = ["sample_catalog"]

_MESSAGE: Final = "monochat.message"
_OFFERS: Final = ((MONTH, "TRY"), (YEAR, "TRY"), (MONTH, "USD"), (YEAR, "USD"))


def _prices(*amounts: str) -> tuple[Price, ...]:
    return tuple(
        Price(interval=interval, amount=money(amount, currency))
        for (interval, currency), amount in zip(_OFFERS, amounts, strict=True)
    )


def _both(turkish: str, english: str) -> dict[str, str]:
    return {"en": english, "tr": turkish}


def _rates(lira: str, dollars: str) -> tuple[OverageTier, ...]:
    return (OverageTier(rate=money(lira, "TRY")), OverageTier(rate=money(dollars, "USD")))


def _limits(users: int | None, channels: int | None, contacts: Limit) -> tuple[Limit, ...]:
    counted = (("users", users), ("channels", channels))
    return (
        *(unlimited(name) if most is None else hard(name, most) for name, most in counted),
        contacts,
    )


def _flags(*ids: str) -> tuple[Feature, ...]:
    return tuple(Feature(id=one) for one in ids)


def _plans() -> tuple[Product, ...]:
    return (
        Product(
            id="basic",
            family=Family.PLAN,
            rank=0,
            names=_both("Ücretsiz", "Basic"),
            descriptions=_both("Denemek için", "To try it out"),
            prices=_prices("0", "0", "0", "0"),
            limits=_limits(2, 1, hard("contacts", 500)),
            allowances=(Allowance(meter=_MESSAGE, units=1_000),),
        ),
        Product(
            id="growth",
            family=Family.PLAN,
            rank=1,
            names=_both("Growth", "Growth"),
            descriptions=_both("Büyüyen ekipler için", "For teams that grow"),
            prices=_prices("1499", "14990", "39", "390"),
            limits=_limits(10, 5, soft("contacts", 10_000, *_rates("0.05", "0.0015"))),
            allowances=(Allowance(meter=_MESSAGE, units=10_000, overage=_rates("0.15", "0.004")),),
            features=_flags("broadcasts", "automations"),
        ),
        Product(
            id="enterprise",
            family=Family.PLAN,
            rank=2,
            names=_both("Enterprise", "Enterprise"),
            descriptions=_both(
                "Limitleri ve fiyatı birlikte belirlenir", "With limits and a price to agree on"
            ),
            prices=_prices("5999", "59990", "159", "1590"),
            limits=_limits(None, None, unlimited("contacts")),
            allowances=(
                Allowance(meter=_MESSAGE, units=100_000, overage=_rates("0.10", "0.0025")),
            ),
            features=_flags("broadcasts", "automations", "api", "single-sign-on"),
        ),
    )


def _support(
    identity: str, rank: int, names: dict[str, str], prices: tuple[Price, ...], *texts: str
) -> Product:
    """Describe a support package: its own description, then one for each of its features."""
    ids = ("response-time", "hours", "channels", "guidance")
    pairs = zip(ids, texts[2::2], texts[3::2], strict=True)
    return Product(
        id=identity,
        family=Family.SUPPORT,
        rank=rank,
        names=names,
        descriptions=_both(texts[0], texts[1]),
        prices=prices,
        features=tuple(
            Feature(id=one, texts=_both(turkish, english)) for one, turkish, english in pairs
        ),
    )


def _support_packages() -> tuple[Product, ...]:
    return (
        _support(
            "community",
            0,
            _both("Topluluk", "Community"),
            _prices("0", "0", "0", "0"),
            *("Belgelerle ilerleyenler için", "For those who read on"),
            *("2 iş günü içinde", "within 2 working days"),
            *("hafta içi 09.00-18.00", "weekdays 09:00-18:00"),
            *("yardım merkezi", "help center"),
            *("belgeler", "documents"),
        ),
        _support(
            "priority",
            1,
            _both("Öncelikli", "Priority"),
            _prices("450", "4500", "12", "120"),
            *("Her gün bir yanıt", "An answer every day"),
            *("8 saat içinde", "within 8 hours"),
            *("her gün 09.00-21.00", "every day 09:00-21:00"),
            *("e-posta ve sohbet", "e-mail and chat"),
            *("kurulum görüşmesi", "an onboarding call"),
        ),
        _support(
            "dedicated",
            2,
            _both("Özel", "Dedicated"),
            _prices("2400", "24000", "65", "650"),
            *("Sizi tanıyan biri", "Somebody who knows you"),
            *("1 saat içinde", "within 1 hour"),
            *("7/24", "24/7"),
            *("e-posta, sohbet ve telefon", "e-mail, chat and phone"),
            *("size özel danışman", "an advisor of your own"),
        ),
    )


def _pack(identity: str, units: int, turkish: str, english: str, *amounts: str) -> OneOff:
    currencies = ("TRY", "USD")
    return OneOff(
        id=identity,
        names=_both(turkish, english),
        descriptions=_both("Bir yıl geçerli", "Valid for a year"),
        prices=tuple(
            OneOffPrice(amount=money(amount, currency))
            for amount, currency in zip(amounts, currencies, strict=True)
        ),
        grant=Grant(meter=_MESSAGE, units=units, valid_for=YEAR),
    )


def _days(*counts: int) -> tuple[BillingInterval, ...]:
    return tuple(BillingInterval(count=count, unit="DAY") for count in counts)


def _dunning() -> tuple[DunningPolicy, ...]:
    return (
        DunningPolicy(
            name="support falls back to community",
            family=Family.SUPPORT,
            grace=WEEK,
            retries=_days(1, 3, 5),
            then=AfterGrace.MOVE,
            to="community",
        ),
        DunningPolicy(
            name="a week, then suspended",
            grace=WEEK,
            retries=_days(1, 3, 5),
            then=AfterGrace.SUSPEND,
        ),
    )


def sample_catalog() -> Catalog:
    """Build the catalog that ships with the library; its prices are invented.

    Three plans and three support packages, monthly and yearly, and two message packs, in TRY and
    USD, with names and descriptions in English and Turkish.

    >>> catalog = sample_catalog()
    >>> print(catalog.product("growth").price(YEAR, "TRY"))
    14990 TRY per YEAR
    >>> catalog.note
    'Sample catalog: all prices are invented.'
    """
    return Catalog(
        id="monochat-sample",
        version="2026-10-01",
        products=(*_plans(), *_support_packages()),
        note=mark("Sample catalog: all prices are invented."),
        one_offs=(
            _pack("messages-5k", 5_000, "5.000 mesaj", "5,000 messages", "600", "16"),
            _pack("messages-25k", 25_000, "25.000 mesaj", "25,000 messages", "2500", "66"),
        ),
        meters=(_MESSAGE,),
        currencies=("TRY", "USD"),
        zone="Europe/Istanbul",
        tax=TURKEY,
        withdrawal_days=14,
        dunning=_dunning(),
    )
