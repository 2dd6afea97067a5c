"""The shape of a catalog file: which keys each table has, and which of them have to be there.

Both the reader and the published JSON Schema are held against these tables.
"""

from collections.abc import Mapping
from typing import Final

from monochat_billing.change_rules import CONDITIONS

__all__ = ["FORMAT", "MAX_BYTES", "SHAPES"]

FORMAT: Final = 1
"""The number of this file format; a change that old readers would misread raises it."""

MAX_BYTES: Final = 16 * 1024 * 1024
"""Larger files are refused unread."""

_TAX: Final = {"pricing": False, "tax_class": False}
_TERMS: Final = {
    "effective": False,
    "note": False,
    "currencies": False,
    "meters": False,
    "direction_by": False,
    **_TAX,
    "tax": False,
    "withdrawal_days": False,
    "products": False,
    "one_offs": False,
    "rules": False,
    "dunning": False,
    "metering": False,
}
_SOLD: Final = {"id": True, "names": True, "descriptions": False, "prices": True}
_DATED: Final = {"currency": True, "amount": True, "from": False, "until": False, **_TAX}

SHAPES: Final[Mapping[str, Mapping[str, bool]]] = {
    "catalog": {
        "format": True,
        "id": True,
        "version": True,
        "zone": False,
        **_TERMS,
        "versions": False,
    },
    "version": {"version": True, **_TERMS, "effective": True, "withdrawn": False},
    "product": {
        **_SOLD,
        "family": True,
        "rank": False,
        "trial": False,
        "least_quantity": False,
        "most_quantity": False,
        "limits": False,
        "allowances": False,
        "features": False,
    },
    "price": {"interval": True, **_DATED, "reach": False, "reaches": False},
    "one_off": {**_SOLD, "grant": False, "refund": False, "most_quantity": False},
    "one_off_price": _DATED,
    "grant": {"meter": True, "units": True, "valid_for": False, "scope": False},
    "scope": {"category": True, "market": True},
    "refund": {"basis": True, "within": False},
    "limit": {"most": True, "overage": True},
    "tier": {"from": False, "to": False, "rate": True},
    "allowance": {
        "meter": True,
        "units": True,
        "per": False,
        "overage": False,
        "rollover": False,
        "on_change": False,
    },
    "rollover": {"minimum": False, "maximum": False},
    "meter": {
        "id": True,
        "aggregation": False,
        "per": False,
        "minimum": False,
        **_TAX,
        "rates": False,
    },
    "rate": {
        "name": False,
        "currency": True,
        "from": True,
        "version": False,
        "dimensions": False,
        "source": False,
        "rows": True,
    },
    "rate_row": {"where": False, "charge": False},
    "charge": {
        "model": True,
        "price": False,
        "size": False,
        "free": False,
        "rate": False,
        "fixed": False,
        "free_amount": False,
        "least": False,
        "most": False,
        "multiplier": False,
        "included": False,
        "discount": False,
        "maximum": False,
        "free_events": False,
        "tiers": False,
        "of": False,
    },
    "charge_tier": {"to": False, "price": False, "flat": False, "size": False},
    "rule": {
        "name": True,
        "timing": True,
        "anchor": True,
        "proration": False,
        "allows": False,
        **dict.fromkeys(CONDITIONS, False),
    },
    "dunning": {
        "name": True,
        "family": False,
        "product": False,
        "grace": False,
        "retries": False,
        "anchor": False,
        "then": False,
        "to": False,
        "gives_up": False,
    },
    "tax": {"table": True, "country": True, "abroad": False, "reason": False, "rates": False},
    "tax_rate": {"band": True, "percent": True, "from": True},
}
"""Every kind of table, its keys in the order in which they are written, and which are required."""
