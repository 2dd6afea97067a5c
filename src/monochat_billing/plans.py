"""Plans: the door to the catalog.

*Owns* the names under which everything else asks for what is sold: catalogs and their versions,
products, prices, limits, change rules, dunning and negotiated prices, each a room of its own.
*Does not own* proration (the arithmetic), subscriptions (who has what) or balances.

A catalog is configuration: build it in Python, or read it from a file with
:mod:`monochat_billing.adapters.catalog_files`, and pass it to
:class:`~monochat_billing.service.Billing`. It is checked as a whole when it is built.

>>> catalog = sample_catalog()
>>> [product.id for product in catalog.ladder(Family.PLAN)]
['basic', 'growth', 'enterprise']
"""

from monochat_billing.breaches import Breach, breaches
from monochat_billing.catalog_samples import sample_catalog
from monochat_billing.catalog_versions import (
    AnyCatalog,
    CatalogDifference,
    CatalogVersions,
    differences,
    known_product,
    renewal_price,
)
from monochat_billing.catalogs import Catalog, DirectionBasis
from monochat_billing.change_rules import (
    DEFAULT_RULES,
    AnchorRule,
    ChangeFacts,
    ChangeRule,
    ChangeTiming,
    IntervalChange,
    as_timing,
    rule_table,
)
from monochat_billing.dunning import AfterGrace, Dunning, DunningPolicy
from monochat_billing.limits import (
    Allowance,
    Limit,
    LimitCheck,
    LimitKind,
    OverageTier,
    UsageReader,
    check,
    hard,
    require_within,
    soft,
    unlimited,
)
from monochat_billing.meters import Aggregation, Meter
from monochat_billing.negotiated import AfterTerm, Agreement, NegotiatedPrice
from monochat_billing.pack_terms import NO_REFUND, PackScope, RefundBasis, RefundPolicy
from monochat_billing.prices import OneOffPrice, Price, PriceReach
from monochat_billing.products import Direction, Family, Feature, Grant, OneOff, Product
from monochat_billing.rollovers import NO_ROLLOVER, AllowanceChange, Rollover
from monochat_billing.tax_regimes import TURKEY, TaxRegime

__all__ = [
    "DEFAULT_RULES",
    "NO_REFUND",
    "NO_ROLLOVER",
    "TURKEY",
    "AfterGrace",
    "AfterTerm",
    "Aggregation",
    "Agreement",
    "Allowance",
    "AllowanceChange",
    "AnchorRule",
    "AnyCatalog",
    "Breach",
    "Catalog",
    "CatalogDifference",
    "CatalogVersions",
    "ChangeFacts",
    "ChangeRule",
    "ChangeTiming",
    "Direction",
    "DirectionBasis",
    "Dunning",
    "DunningPolicy",
    "Family",
    "Feature",
    "Grant",
    "IntervalChange",
    "Limit",
    "LimitCheck",
    "LimitKind",
    "Meter",
    "NegotiatedPrice",
    "OneOff",
    "OneOffPrice",
    "OverageTier",
    "PackScope",
    "Price",
    "PriceReach",
    "Product",
    "RefundBasis",
    "RefundPolicy",
    "Rollover",
    "TaxRegime",
    "UsageReader",
    "as_timing",
    "breaches",
    "check",
    "differences",
    "hard",
    "known_product",
    "renewal_price",
    "require_within",
    "rule_table",
    "sample_catalog",
    "soft",
    "unlimited",
]
