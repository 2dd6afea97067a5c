"""The storage kit bites: what is broken on purpose is caught by the case that is named."""

import json
from pathlib import Path
from typing import ClassVar
from unittest import SkipTest

import pytest

from monochat_billing.errors import InvalidInput
from monochat_billing.repositories import Storage
from monochat_billing.testing.__main__ import main
from monochat_billing.testing.storage_kit import (
    STORAGE_CASES,
    Capability,
    StorageBench,
    StorageCase,
    StorageConformance,
    Tier,
    certify,
    run_case,
)
from monochat_billing.testing.storage_kit.bench import bench_at
from tests import broken_storages as broken
from tests.broken_storages import AroundMemory, bench, spoiled
from tests.storage_benches import Memory

CASES = {case.name: case for case in STORAGE_CASES}

BITES: list[tuple[type[StorageBench], str]] = [
    (spoiled(broken.EventsOutOfOrder), "pages_of_events_have_no_gaps"),
    (spoiled(broken.LosesSpentLots), "keeps_spent_lots_out_of_a_load"),
    (spoiled(broken.WrongDueOrder), "due_the_longest_due_comes_first"),
    (spoiled(broken.RepeatsAtPages), "pages_of_entries_join_to_the_whole"),
    (spoiled(broken.CountsFromTheEnd), "pages_below_zero_are_empty_or_the_first"),
    (spoiled(broken.RoundsToCents), "keeps_a_millionth_and_the_largest_amount"),
    (spoiled(broken.FloatMoney), "keeps_a_millionth_and_the_largest_amount"),
    (spoiled(broken.LosesACurrency), "keeps_balances_in_the_order_of_the_currencies"),
    (spoiled(broken.ResurrectsClosed), "keeps_a_closed_balance_closed"),
    (spoiled(broken.ReopensHolds), "l08_a_hold_is_resolved_once"),
    (spoiled(broken.WholeSeconds), "keeps_an_account_as_it_was_saved"),
    (
        spoiled(broken.ReplaysTodaysBalance),
        "l04_a_replay_gives_the_first_result_whatever_came_after",
    ),
    (
        spoiled(broken.SkipsAtOneInstant),
        "pages_of_an_accounts_top_ups_are_the_newest_first",
    ),
    (spoiled(broken.SettledTopUpsToo), "pages_of_unsettled_top_ups_join_to_the_whole"),
    (spoiled(broken.GlobalKeys), "l07_one_key_on_two_accounts_is_two_keys"),
    (spoiled(broken.FoldsCase), "keeps_ids_as_they_are"),
    (spoiled(broken.ForgetsRefusals), "l05_a_refusal_stays_a_refusal_after_a_top_up"),
    (spoiled(broken.IgnoresKnownKeys), "once_a_key_is_remembered_once"),
    (spoiled(broken.OverwritesIds), "once_new_ids_are_new"),
    (spoiled(broken.StaleSecondLoad), "within_a_second_load_sees_what_was_saved"),
    (bench(broken.SwallowsErrors), "atomic_an_exception_leaves_nothing_and_propagates"),
    (bench(broken.WrapsErrors), "atomic_an_exception_leaves_nothing_and_propagates"),
    (bench(broken.ForgivesAFailedSave), "atomic_a_save_that_failed_cannot_be_overlooked"),
    (bench(broken.SavesAtOnce), "atomic_an_exception_leaves_nothing_and_propagates"),
    (bench(broken.SavesAtOnce), "l12_an_error_at_every_step_leaves_everything_as_it_was"),
    (bench(broken.ShowsUncommitted), "moment_what_is_not_committed_is_not_seen"),
    (bench(broken.LosesUpdates), "l02_exactly_as_many_debits_succeed_as_are_funded"),
    (bench(broken.KeysOutside), "atomic_every_part_of_a_save_is_kept"),
    (bench(broken.SkipsWhatItCannot), "once_a_stale_state_is_refused"),
    (broken.BenchForgetsAtClosing, "durable_everything_is_there_again"),
    (broken.BenchWritesLater, "l14_a_killed_writer_loses_nothing_that_was_acknowledged"),
    (broken.BenchACopyForEach, "l02_processes_take_exactly_what_is_funded"),
    (broken.BenchFavorsTheFirst, "l19_no_process_starves"),
    (broken.BenchImpatient, "l02_processes_take_exactly_what_is_funded"),
]


class TestEachBrokenStorage:
    """Each is caught by a case that names what is broken; unbroken, it passes that case."""

    @pytest.mark.parametrize(
        ("kind", "name"), BITES, ids=[f"{kind.__name__}-{name}" for kind, name in BITES]
    )
    def test_is_caught(self, kind: type[StorageBench], name: str) -> None:
        with pytest.raises(Exception) as caught:  # noqa: PT011 - whatever it is, it failed
            run_case(CASES[name], kind())
        assert not isinstance(caught.value, (SkipTest, NotImplementedError, TypeError))

    @pytest.mark.parametrize(
        "name", sorted({name for _, name in BITES if CASES[name].needs <= AroundMemory.has})
    )
    def test_passes_when_nothing_is_spoiled(self, name: str) -> None:
        """What the broken ones stand on is right, so that it is the spoiling that is caught."""
        run_case(CASES[name], AroundMemory())

    def test_there_are_more_than_a_dozen(self) -> None:
        assert len({kind.__name__ for kind, _ in BITES}) > 25


class Undeclared(StorageBench):
    """Say nothing of what it can do."""

    has = frozenset({Capability.THREADS})

    def open(self, place: Path) -> Storage:
        raise NotImplementedError


class TestTheKitItself:
    """No case goes missing silently."""

    def test_a_subclass_cannot_override_a_case(self) -> None:
        with pytest.raises(TypeError, match="overrides test_l05_a_refusal"):
            type(
                "Quiet",
                (StorageConformance,),
                {"test_l05_a_refusal_stays_a_refusal_after_a_top_up": lambda _: None},
            )

    def test_a_mixin_cannot_override_a_case(self) -> None:
        quiet = type("Quiet", (), {"test_l05_a_refusal_stays_a_refusal_after_a_top_up": None})
        with pytest.raises(TypeError, match="overrides"):
            type("Mixed", (quiet, StorageConformance), {})

    @pytest.mark.parametrize("name", ["__test__", "test_every_case_is_run_as_it_is"])
    def test_a_subclass_cannot_switch_off_the_watch(self, name: str) -> None:
        with pytest.raises(TypeError, match=name):
            type("Quiet", (StorageConformance,), {name: False})

    def test_what_is_replaced_later_is_noticed(self) -> None:
        """A case that is replaced or marked after the class was made fails the watch."""
        late: type[StorageConformance] = type("Late", (StorageConformance,), {"bench": Memory})
        late().test_every_case_is_run_as_it_is()
        name = "test_l07_one_key_on_two_accounts_is_two_keys"
        setattr(late, name, lambda _: None)
        with pytest.raises(AssertionError, match=r"l07_one_key.* is not the kit's"):
            late().test_every_case_is_run_as_it_is()

    def test_every_capability_is_declared(self) -> None:
        """Neither in has nor in lacks, in both, or without a reason: no case runs."""

        class Both(Undeclared):
            has = frozenset(Capability)
            lacks: ClassVar = {Capability.CRASH: "why not"}

        class WithoutReason(Undeclared):
            has = frozenset(Capability) - {Capability.CRASH}
            lacks: ClassVar = {Capability.CRASH: " "}

        for kind, wrong in (
            (Undeclared, "CRASH is neither"),
            (Both, "CRASH is in has and in lacks"),
            (WithoutReason, "CRASH lacks a reason"),
        ):
            with pytest.raises(AssertionError, match=wrong):
                run_case(STORAGE_CASES[0], kind())

    def test_what_does_not_apply_says_why(self) -> None:
        with pytest.raises(SkipTest, match="CRASH: what it holds is gone with the process"):
            run_case(CASES["l14_a_killed_writer_loses_nothing_that_was_acknowledged"], Memory())

    def test_names_and_sentences_are_whole(self) -> None:
        assert len(CASES) == len(STORAGE_CASES) > 80
        for case in STORAGE_CASES:
            assert isinstance(case, StorageCase)
            assert case.sentence.endswith("."), case.name
            assert case.row.isalnum()
        assert {case.tier for case in STORAGE_CASES} == set(Tier)


class TestTheReport:
    """A report tells of every case, and certifies only if none failed and none was left out."""

    def test_some_tiers_certify_nothing(self) -> None:
        report = certify(Memory(), seed=7, tiers=[])
        assert not report.certified
        assert {str(one.verdict) for one in report.results} == {"not selected", "not applicable"}

    def test_a_failure_is_named(self, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
        file = tmp_path / "report.json"
        path = "tests.broken_storages:AroundMemory"
        status = main([path, "--tier", "semantics", "--seed", "7", "--json", str(file)])
        told = json.loads(file.read_text(encoding="utf-8"))
        assert status == 1
        assert told["certified"] is False
        assert told["seed"] == 7
        assert set(told["versions"]) >= {"kit", "monochat-billing", "python"}
        assert [one["id"] for one in told["cases"]] == [case.name for case in STORAGE_CASES]
        verdicts = {one["verdict"] for one in told["cases"]}
        assert verdicts == {"passed", "not selected", "not applicable"}
        assert "NOT certified" in capsys.readouterr().out

    def test_a_broken_storage_fails_its_case(self) -> None:
        report = certify(spoiled(broken.ForgetsRefusals)(), seed=7, tiers=[Tier.SEMANTICS])
        failed = {one.case.name for one in report.results if one.verdict == "failed"}
        assert "l05_a_refusal_stays_a_refusal_after_a_top_up" in failed
        assert "pages_of_accounts_are_sorted" not in failed

    @pytest.mark.parametrize(
        "path",
        [
            "no.such:Bench",
            "monochat_billing.testing.storage_kit:StorageBench",
            "tests.broken_storages:Nothing",
            "tests.broken_storages:Around",
            "x",
            "tests.broken_storages",
            "",
        ],
    )
    def test_a_path_without_a_bench_is_refused(
        self, path: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        with pytest.raises(InvalidInput, match="bench"):
            bench_at(path)
        assert main([path]) == 2
        assert "name a subclass of StorageBench" in capsys.readouterr().err
