"""The storage conformance kit: what every storage must keep, as cases that anybody can run.

Owns the cases, each named after its row in the matrix of faults (L01 to L28) or after the guarantee
that it holds, and three ways to run them: a class for pytest or unittest, a function, and
``python -m monochat_billing.testing``.
Does not own any storage: write a :class:`StorageBench` for yours. ``docs/write-a-storage.md`` leads
through it.

Needs the extra ``[testing]``.

>>> sorted({case.tier.value for case in STORAGE_CASES})
['concurrency', 'crash', 'model', 'semantics']
"""

from monochat_billing.errors import MissingExtra

try:
    import hypothesis as _hypothesis  # noqa: F401 - asked for here, so that it is missed now
except ImportError as _missing:
    raise MissingExtra("monochat_billing.testing.storage_kit", "testing") from _missing

from monochat_billing.testing.storage_kit.bench import StorageBench, StorageDesk
from monochat_billing.testing.storage_kit.cases import Capability, StorageCase, Tier
from monochat_billing.testing.storage_kit.conformance import (
    STORAGE_CASES,
    StorageConformance,
    run_case,
)
from monochat_billing.testing.storage_kit.reports import CaseResult, Report, Verdict, certify

__all__ = [
    "STORAGE_CASES",
    "Capability",
    "CaseResult",
    "Report",
    "StorageBench",
    "StorageCase",
    "StorageConformance",
    "StorageDesk",
    "Tier",
    "Verdict",
    "certify",
    "run_case",
]
