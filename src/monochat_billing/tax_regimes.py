"""Tax regimes: which tax a catalog's prices meet, and how buyers abroad are treated.

*Owns* the choice of rate and treatment for a price, a buyer's country and a day.
*Does not own* the rates (:mod:`monochat_billing.tax`) or the split of an amount.

A regime is catalog data: without one nothing is split, and nothing is guessed.

>>> print(TURKEY.tax(Pricing.INCLUSIVE, "standard", "TR", date(2026, 11, 23)).rate.percent)
20
"""

from datetime import date
from functools import lru_cache
from typing import Final, final

import attrs

from monochat_billing.errors import InvalidInput
from monochat_billing.tax import KDV, Pricing, Tax, TaxRate, TaxTable, TaxTreatment
from monochat_billing.texts import member_of

__all__ = ["TURKEY", "TaxRegime"]

_MANY: Final = 1024


# Every charge asks for its tax by the regime, which is a dozen rates to hash.
def _abroad(value: TaxTreatment | str) -> TaxTreatment:
    return member_of(TaxTreatment, value, "abroad")


@final
@attrs.frozen(kw_only=True, cache_hash=True)
class TaxRegime:
    """Say which tax is owed on what a catalog sells, by the buyer's country.

    A buyer in ``country`` (ISO 3166-1 alpha-2), or one who has not said where, is taxed at the
    rate of ``table`` on the seller's local day. A buyer elsewhere gets the treatment ``abroad``
    with its ``reason`` code, which an invoice has to show.

    Raises:
        InvalidInput: the country is no code of two letters, or a treatment other than TAXED has
            no reason.

    >>> export = TURKEY.tax(Pricing.EXCLUSIVE, "standard", "DE", date(2026, 11, 23))
    >>> export.treatment.value, export.reason
    ('EXPORT', '302')
    """

    table: TaxTable
    country: str
    abroad: TaxTreatment = attrs.field(default=TaxTreatment.TAXED, converter=_abroad)
    reason: str = ""

    def __attrs_post_init__(self) -> None:
        code = self.country
        if not (isinstance(code, str) and len(code) == len("TR") and code.isupper()):
            raise InvalidInput(
                "tax.country", code, "is no country code", "write two letters, such as TR"
            )
        if self.abroad is not TaxTreatment.TAXED and not self.reason:
            raise InvalidInput(
                "tax.reason",
                self.reason,
                f"is missing: {self.abroad} needs one",
                "give the code that the invoice shows, such as 302",
            )

    def __str__(self) -> str:
        abroad = "" if self.abroad is TaxTreatment.TAXED else f", abroad {self.abroad}"
        reason = f" ({self.reason})" if self.reason else ""
        rates = "; ".join(
            f"{row.band} {TaxRate(name=self.table.name, band=row.band, rate=row.rate).percent}% "
            f"from {row.effective_on.isoformat()}"
            for row in self.table.rows
        )
        return f"{self.table.name} in {self.country}{abroad}{reason}: {rates}"

    @property
    def bands(self) -> tuple[str, ...]:
        """Name the bands of the table, in its order."""
        return tuple(dict.fromkeys(row.band for row in self.table.rows))

    def tax(self, pricing: Pricing, band: str, country: str, day: date) -> Tax:
        """Say how an amount is taxed; ``country`` is the buyer's, empty where it is not known.

        Raises:
            UnknownName: the table has no such band.
            InvalidInput: the day is before the band's first row.
        """
        return _tax(self, pricing, band, country, day)


@lru_cache(maxsize=_MANY)
def _tax(regime: TaxRegime, pricing: Pricing, band: str, country: str, day: date) -> Tax:
    rate = regime.table.rate_on(band, day)
    home = not country or country == regime.country
    if home or regime.abroad is TaxTreatment.TAXED:
        return Tax(rate=rate, pricing=pricing)
    return Tax(rate=rate, pricing=pricing, treatment=regime.abroad, reason=regime.reason)


TURKEY: Final = TaxRegime(table=KDV, country="TR", abroad=TaxTreatment.EXPORT, reason="302")
"""KDV for buyers in Turkey; a service used abroad is exempt, code 302 (law 3065, article 11)."""
