"""Certify a storage from the command line: ``python -m monochat_billing.testing package:Bench``.

Prints a line for each case and a sum, and ends with status 0 only if the storage is certified.
"""

import argparse
import json
import random
import sys
from collections.abc import Sequence
from pathlib import Path

from monochat_billing.errors import BillingError
from monochat_billing.testing.storage_kit import Tier, certify
from monochat_billing.testing.storage_kit.bench import bench_at

__all__ = ["main"]


def _arguments(given: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m monochat_billing.testing",
        description="Run the conformance kit on a storage.",
    )
    parser.add_argument("bench", help="dotted path of a StorageBench: package.module:Bench")
    parser.add_argument(
        "--tier",
        action="append",
        choices=[str(tier) for tier in Tier],
        help="run this tier only; may be repeated. A report on some tiers certifies nothing",
    )
    parser.add_argument("--seed", type=int, help="draw the same again; printed by every run")
    parser.add_argument("--effort", type=int, default=1, help="try so many times as often")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the report there")
    return parser.parse_args(given)


def main(given: Sequence[str] | None = None) -> int:
    """Run the kit and print its report; give the status to end with."""
    asked = _arguments(sys.argv[1:] if given is None else given)
    if str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    seed = random.SystemRandom().randrange(2**32) if asked.seed is None else asked.seed
    tiers = [Tier(one) for one in asked.tier] if asked.tier else list(Tier)
    try:
        report = certify(bench_at(asked.bench), seed=seed, effort=max(asked.effort, 1), tiers=tiers)
    except (AssertionError, BillingError) as error:
        print(error, file=sys.stderr)  # noqa: T201 - a command line speaks
        return 2
    print(report)  # noqa: T201 - as above
    if asked.json:
        text = json.dumps(report.as_json(), indent=2, ensure_ascii=False)
        asked.json.write_text(text + "\n", encoding="utf-8")
    return 0 if report.certified else 1


if __name__ == "__main__":
    raise SystemExit(main())
