"""Measure loading a catalog of 200 products with 10 versions, and looking a price up.

Yardsticks: 100 ms for the whole, 2 µs for a lookup, in processor time. JSON holds ten versions that
say everything; TOML holds the first in full and later ones that say what changes.
"""

import json
import time
import timeit
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from monochat_billing import MONTH
from monochat_billing.adapters.catalog_files import read_versions, write_catalog

PRODUCTS, VERSIONS = 200, 10


def product(number: int, version: int) -> dict[str, Any]:
    amount = 100 + number + (version >= number % VERSIONS)  # each version changes a tenth
    rows = (("MONTH", "TRY", 1), ("YEAR", "TRY", 10), ("MONTH", "USD", 1), ("YEAR", "USD", 10))
    return {
        "id": f"plan-{number}",
        "family": "PLAN",
        "rank": number,
        "names": {"en": f"Plan {number}", "tr": f"Plan {number}"},
        "prices": [
            {"interval": interval, "currency": code, "amount": str(amount * times)}
            for interval, code, times in rows
        ],
        "limits": {"users": number + 1, "channels": "unlimited"},
    }


def history() -> dict[str, Any]:
    """Build ten versions, each in full."""
    first: dict[str, Any] = {"format": 1, "id": "large", "version": "0"}
    first |= {"currencies": ["TRY", "USD"]}
    first["products"] = [product(number, 0) for number in range(PRODUCTS)]
    first["versions"] = [
        {
            "version": str(version),
            "effective": f"20{26 + version}-01-01",
            "products": [product(number, version) for number in range(PRODUCTS)],
        }
        for version in range(1, VERSIONS)
    ]
    return first


def best(run: Callable[[], object], number: int) -> float:
    return min(timeit.repeat(run, timer=time.process_time, number=number, repeat=5)) / number


def main() -> None:
    full = json.dumps(history())
    versions = read_versions(full, "json")
    brief = write_catalog(versions, "toml")
    if read_versions(brief) != versions:
        raise SystemExit("the two files differ")
    plan = versions.versions[-1].product("plan-100")
    at = datetime(2035, 6, 1, tzinfo=UTC)
    print(f"{PRODUCTS} products, {VERSIONS} versions, 4 prices each")
    for name, text, kind in (("JSON, each in full", full, "json"), ("TOML", brief, "toml")):
        seconds = best(lambda: read_versions(text, kind), 1)  # type: ignore[arg-type]  # noqa: B023
        print(f"  load {name:<20} {len(text) // 1000:>5} kB  {seconds * 1e3:8.1f} ms")
    seconds = best(lambda: plan.price(MONTH, "TRY", at), 100_000)
    print(f"  price at an instant  {seconds * 1e6:8.2f} µs")
    seconds = best(lambda: versions.at(at).product("plan-100").price(MONTH, "TRY", at), 100_000)
    print(f"  with its version     {seconds * 1e6:8.2f} µs")


if __name__ == "__main__":
    main()
