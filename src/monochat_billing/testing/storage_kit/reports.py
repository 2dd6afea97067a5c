"""A run of the kit as a report: every case with its verdict, versions and seed, as table and JSON.

Owns what a report says and when it certifies.
Does not own the cases, nor how one of them is run (``conformance``).
"""

import enum
import platform
import sys
import traceback
from collections import Counter
from collections.abc import Callable, Collection
from importlib import metadata
from typing import Any, Final, final

import attrs

from monochat_billing.testing.storage_kit.bench import StorageBench
from monochat_billing.testing.storage_kit.cases import Capability, StorageCase, Tier
from monochat_billing.testing.storage_kit.conformance import STORAGE_CASES, missing_for, run_case

__all__ = ["CaseResult", "Report", "Verdict", "certify"]

_KIT: Final = 1
"""The version of the kit's cases: it grows when a storage that passed could fail."""


class Verdict(enum.StrEnum):
    """Name what became of a case."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_APPLICABLE = "not applicable"
    """The bench lacks a capability that the case needs, and says why."""
    NOT_SELECTED = "not selected"
    """Its tier was not asked for."""


@final
@attrs.frozen
class CaseResult:
    """Say what became of one case; ``detail`` is the failure, or why it does not apply."""

    case: StorageCase
    verdict: Verdict
    detail: str = ""


@final
@attrs.frozen(kw_only=True)
class Report:
    """Hold what became of every case of the kit on one storage."""

    bench: str
    seed: int
    effort: int
    has: tuple[Capability, ...]
    lacks: tuple[tuple[Capability, str], ...]
    results: tuple[CaseResult, ...]

    @property
    def certified(self) -> bool:
        """Tell whether every case passed, or does not apply for a stated reason."""
        good = {Verdict.PASSED, Verdict.NOT_APPLICABLE}
        told = [one.case.name for one in self.results]
        return told == [case.name for case in STORAGE_CASES] and all(
            one.verdict in good for one in self.results
        )

    @property
    def versions(self) -> dict[str, str]:
        """Give the versions of all that took part."""
        return {
            "kit": str(_KIT),
            "monochat-billing": metadata.version("monochat-billing"),
            "hypothesis": metadata.version("hypothesis"),
            "python": platform.python_version(),
            "system": f"{platform.system()} {platform.release()}",
        }

    def as_json(self) -> dict[str, Any]:
        """Give the report as what JSON can write."""
        return {
            "bench": self.bench,
            "certified": self.certified,
            "seed": self.seed,
            "effort": self.effort,
            "versions": self.versions,
            "capabilities": {
                "has": [str(one) for one in self.has],
                "lacks": {str(one): why for one, why in self.lacks},
            },
            "cases": [
                {
                    "id": one.case.name,
                    "row": one.case.row,
                    "tier": str(one.case.tier),
                    "sentence": one.case.sentence,
                    "needs": sorted(map(str, one.case.needs)),
                    "verdict": str(one.verdict),
                    "detail": one.detail,
                }
                for one in self.results
            ],
        }

    def __str__(self) -> str:
        width = max(len(one.case.name) for one in self.results)
        lines = [
            f"{one.case.tier:<12} {one.case.name:<{width}}  {one.verdict}{_told(one.detail)}"
            for one in self.results
        ]
        counts = Counter(one.verdict for one in self.results)
        sums = ", ".join(f"{counts[one]} {one}" for one in Verdict if counts[one])
        versions = ", ".join(f"{name} {version}" for name, version in self.versions.items())
        return "\n".join(
            [
                *lines,
                "",
                f"{self.bench}: {'certified' if self.certified else 'NOT certified'}: {sums}",
                f"seed {self.seed}, effort {self.effort}; {versions}",
            ]
        )


def _told(detail: str) -> str:
    return f": {detail.splitlines()[0]}" if detail else ""


def certify(
    bench: StorageBench,
    *,
    seed: int,
    effort: int = 1,
    tiers: Collection[Tier] = tuple(Tier),
    tell: Callable[[CaseResult], None] = lambda _: None,
) -> Report:
    """Run every case of some tiers and report on all; ``tell`` hears of each as it ends.

    A report certifies only if no tier was left out.

    Raises:
        AssertionError: the bench does not declare every capability, once, with a reason.
    """
    results = []
    for case in STORAGE_CASES:
        result = _judge(case, bench, seed, effort, tiers)
        tell(result)
        results.append(result)
    return Report(
        bench=bench.name,
        seed=seed,
        effort=effort,
        has=tuple(sorted(bench.has)),
        lacks=tuple(sorted(bench.lacks.items())),
        results=tuple(results),
    )


def _judge(
    case: StorageCase, bench: StorageBench, seed: int, effort: int, tiers: Collection[Tier]
) -> CaseResult:
    missing = missing_for(case, bench)
    if missing:
        return CaseResult(case, Verdict.NOT_APPLICABLE, missing)
    if case.tier not in tiers:
        return CaseResult(case, Verdict.NOT_SELECTED)
    try:
        run_case(case, bench, seed=seed, effort=effort)
    except Exception:  # noqa: BLE001 - whatever it is, the storage has failed the case
        kind, error, _ = sys.exc_info()
        first = f"{kind.__name__ if kind else ''}: {error}".splitlines()[0]
        return CaseResult(case, Verdict.FAILED, f"{first}\n{traceback.format_exc()}")
    return CaseResult(case, Verdict.PASSED)
