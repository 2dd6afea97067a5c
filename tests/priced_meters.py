"""The sample catalog with its messages priced by any model, for tests of what usage costs."""

from datetime import date
from typing import Any

import attrs

from monochat_billing import sample_catalog
from monochat_billing.charge_models import ChargeModel
from monochat_billing.plans import Catalog, Meter
from monochat_billing.rate_tables import RateRow, RateTable, RateTables
from monochat_billing.rollovers import Rollover
from monochat_billing.rounding import HALF_UP
from monochat_billing.tax import Pricing

MESSAGES = "monochat.message"


def metered(
    model: ChargeModel,
    pricing: Pricing = Pricing.INCLUSIVE,
    *,
    included: bool = True,
    **fields: Any,  # noqa: ANN401 - those of a meter
) -> Catalog:
    """Give the sample with its messages priced by a model, included in the plans or not at all."""
    rounding = fields.pop("rounding", HALF_UP.at_scale(6))
    table = RateTable(
        name="own",
        meter=MESSAGES,
        currency="TRY",
        effective_on=date(2026, 1, 1),
        rows=(RateRow(model=model),),
        rounding=rounding,
    )
    meter = Meter(id=MESSAGES, rates=(RateTables(tables=(table,)),), pricing=pricing, **fields)
    rollover = Rollover(maximum=3000, minimum=0)
    return attrs.evolve(
        sample_catalog(),
        metering=(meter,),
        products=tuple(
            attrs.evolve(
                one,
                allowances=tuple(
                    attrs.evolve(each, overage=(), rollover=rollover)
                    for each in one.allowances
                    if included or each.meter != MESSAGES
                ),
            )
            for one in sample_catalog().products
        ),
    )
