"""All cases together, one way to run one of them, and the class for pytest and unittest.

Owns that no case goes missing: a case runs, or the bench says which capability it lacks and why.
Does not own the cases (the private modules beside this one) or the report (``reports``).
"""

from collections.abc import Callable
from typing import Any, ClassVar, Final
from unittest import SkipTest

from monochat_billing.testing.storage_kit import (
    _histories,
    _keeping,
    _model,
    _pages,
    _processes,
    _races,
    _service,
    _traffic,
    _units,
)
from monochat_billing.testing.storage_kit.bench import StorageBench, StorageDesk
from monochat_billing.testing.storage_kit.cases import StorageCase

__all__ = ["STORAGE_CASES", "StorageConformance", "missing_for", "run_case"]

STORAGE_CASES: Final[tuple[StorageCase, ...]] = (
    *_units.CASES,
    *_keeping.CASES,
    *_pages.CASES,
    *_traffic.CASES,
    *_service.CASES,
    *_histories.CASES,
    *_model.CASES,
    *_races.CASES,
    *_processes.SHARED,
    *_processes.CRASHES,
)
"""Every case; names begin with the row of the matrix, or with the guarantee."""


def missing_for(case: StorageCase, bench: StorageBench) -> str:
    """Say why a case does not apply to a bench: what it lacks, and its reason; nothing if it does.

    Raises:
        AssertionError: the bench does not declare every capability, once, with a reason.
    """
    wrong = bench.undeclared()
    if wrong:
        raise AssertionError(f"{bench.name}: {'; '.join(wrong)}")
    return "; ".join(f"{one}: {bench.lacks[one]}" for one in sorted(case.needs - bench.has))


def run_case(
    case: StorageCase, bench: StorageBench, *, seed: int | None = None, effort: int = 1
) -> None:
    """Run one case on an empty storage.

    Raises:
        AssertionError: the storage does not keep what the case wants, or tries to skip it.
        SkipTest: the bench lacks a capability that the case needs; says which, and why.
    """
    missing = missing_for(case, bench)
    if missing:
        raise SkipTest(missing)
    with StorageDesk.at(bench, seed=seed, effort=effort) as desk:
        try:
            case.run(desk)
        except SkipTest as reason:
            raise AssertionError(f"a storage cannot skip a case: {reason}") from reason


class StorageConformance:
    """Run every case on one storage: subclass it in a test module and name the bench.

    A case is a test method with the case's name behind ``test_``. A subclass that defines one of
    them, or anything else that decides what is run, is refused when it is defined. ``effort``
    multiplies how often and how long is tried.
    """

    bench: ClassVar[type[StorageBench]]
    effort: ClassVar[int] = 1

    def __init_subclass__(cls, **options: Any) -> None:  # noqa: ANN401 - whatever a base takes
        """Refuse a subclass that would decide what is run."""
        super().__init_subclass__(**options)
        fixed = {_name(case) for case in STORAGE_CASES} | {_WATCH, "__test__", "__getattribute__"}
        for kind in cls.__mro__[: cls.__mro__.index(StorageConformance)]:
            taken = sorted(fixed & vars(kind).keys())
            if taken:
                raise TypeError(
                    f"{kind.__qualname__} overrides {', '.join(taken)}: "
                    "let the bench say what the storage lacks"
                )

    def test_every_case_is_run_as_it_is(self) -> None:
        """Every case of the kit is there, and the bench declares every capability.

        Raises:
            AssertionError: one is not, or is another than the kit's.
        """
        wrong = self.bench().undeclared()
        for case in STORAGE_CASES:
            found = getattr(type(self), _name(case), None)
            if found is not vars(StorageConformance).get(_name(case)) or found is None:
                wrong.append(f"{_name(case)} is not the kit's")
            elif getattr(found, "__test__", True) is not True or hasattr(found, "pytestmark"):
                wrong.append(f"{_name(case)} is marked")
        if wrong:
            raise AssertionError("; ".join(wrong))


_WATCH: Final = "test_every_case_is_run_as_it_is"


def _name(case: StorageCase) -> str:
    return f"test_{case.name}"


def _method(case: StorageCase) -> Callable[[StorageConformance], None]:
    def test(self: StorageConformance) -> None:
        run_case(case, self.bench(), effort=self.effort)

    test.__name__ = _name(case)
    test.__qualname__ = f"StorageConformance.{_name(case)}"
    test.__doc__ = case.sentence
    return test


for _case in STORAGE_CASES:
    if hasattr(StorageConformance, _name(_case)):
        raise TypeError(f"two cases are called {_case.name}")
    setattr(StorageConformance, _name(_case), _method(_case))
