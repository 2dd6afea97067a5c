"""Fleets: the same answers in the same order, whoever works and however it is cut."""

import pickle
import tracemalloc
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial

import attrs
import pytest
from hypothesis import given, settings, strategies as st

from monochat_billing import InvalidInput, money, sample_catalog
from monochat_billing.simulation.choices import Choice, Cost
from monochat_billing.simulation.costs import CostTerms
from monochat_billing.simulation.draws import UsageModel
from monochat_billing.simulation.fleets import _Packed, compare_fleet, map_fleet
from monochat_billing.simulation.frames import Frame
from monochat_billing.simulation.profiles import UsageProfile

TERMS = CostTerms(sample_catalog(), "TRY", datetime(2027, 1, 1, tzinfo=UTC))
CHOICES = [Choice("basic"), Choice("growth"), Choice("enterprise")]
MODEL = UsageModel({"monochat.message": 25_000}, months=3, spread="1")


def square(number: int) -> int:
    return number * number


def _price(terms: CostTerms, profile: UsageProfile) -> Cost:
    return terms.cost(CHOICES[1], profile)


class Slow:
    """Take what is submitted, and work only when somebody asks for it."""

    def __init__(self) -> None:
        self.waiting = self.most = 0
        self.canceled = 0

    def submit(self, work: Callable[..., object], /, *arguments: object) -> "Slow.Promise":
        self.waiting += 1
        self.most = max(self.most, self.waiting)
        return self.Promise(self, work, arguments)

    class Promise:
        def __init__(
            self, slow: "Slow", work: Callable[..., object], arguments: tuple[object, ...]
        ) -> None:
            self.slow, self.work, self.arguments = slow, work, arguments

        def result(self) -> object:
            self.slow.waiting -= 1
            return self.work(*self.arguments)

        def cancel(self) -> None:
            self.slow.canceled += 1


class TestAFleet:
    """A stream of answers."""

    @settings(max_examples=50)
    @given(
        items=st.lists(st.integers(), max_size=60),
        chunk=st.integers(1, 70),
        ahead=st.integers(1, 9),
        skip=st.integers(0, 70),
    )
    def test_chunks_change_nothing(
        self, items: list[int], chunk: int, ahead: int, skip: int
    ) -> None:
        """Any chunk, any number under way, from any place on."""
        found = list(map_fleet(square, items, executor=Slow(), chunk=chunk, ahead=ahead, skip=skip))
        assert found == [one * one for one in items[skip:]]

    def test_executors_change_nothing(self) -> None:
        """In turn, on threads, in processes: the same lines."""
        profiles = [(f"a-{number}", MODEL.draw(3, number)) for number in range(12)]
        once = list(compare_fleet(profiles, CHOICES, TERMS))
        for kind in (ThreadPoolExecutor, ProcessPoolExecutor):
            with kind(2) as executor:
                again = list(compare_fleet(profiles, CHOICES, TERMS, executor=executor, chunk=5))
            assert again == once
        assert [one.account for one in once] == [name for name, _ in profiles]
        assert all(one.cost == dict(one.costs)[one.cheapest] for one in once if one.cheapest)

    def test_asks_for_few_at_a_time(self) -> None:
        """An endless fleet is asked chunk by chunk, and stopping cancels what is under way."""
        asked = 0

        def endless() -> Iterator[int]:
            nonlocal asked
            while True:
                asked += 1
                yield asked

        slow = Slow()
        stream = map_fleet(square, endless(), executor=slow, chunk=10, ahead=3)
        assert [next(stream) for _ in range(25)] == [n * n for n in range(1, 26)]
        assert asked <= 60
        assert slow.most <= 3
        stream.close()  # type: ignore[attr-defined]
        assert slow.canceled == slow.waiting

    @pytest.mark.parametrize("executor", [None, Slow()], ids=["here", "elsewhere"])
    def test_takes_no_more_memory_for_more_accounts(self, executor: Slow | None) -> None:
        """Four times as many accounts, streamed: the most that is held at once stays what it is."""
        model = attrs.evolve(MODEL, months=1)

        def most(accounts: int) -> int:
            items = ((str(number), model.draw(1, number)) for number in range(accounts))
            tracemalloc.reset_peak()
            before, _ = tracemalloc.get_traced_memory()
            for _ in compare_fleet(
                items, CHOICES[1:2], TERMS, executor=executor, chunk=20, ahead=2
            ):
                pass
            return tracemalloc.get_traced_memory()[1] - before

        tracemalloc.start()
        try:
            most(100)  # what is found once is remembered
            few, many = most(100), most(400)
        finally:
            tracemalloc.stop()
        assert many < few * 1.25

    def test_a_question_travels_once_to_each_process(self) -> None:
        """Unpacked twice it is the same function; what was found here does not travel."""
        terms = CostTerms(sample_catalog(), "TRY", TERMS.start)
        packed = _Packed(partial(_price, terms))
        empty = pickle.dumps(packed)
        first, second = pickle.loads(empty), pickle.loads(empty)  # noqa: S301 - our own bytes
        assert first is second
        profile = MODEL.draw(1, 1)
        assert first(profile) == packed(profile)
        assert pickle.dumps(packed) == empty
        assert pickle.dumps(partial(_price, terms)) == pickle.dumps(
            partial(_price, CostTerms(sample_catalog(), "TRY", TERMS.start))
        )

    def test_what_does_not_pickle_runs_on_threads(self) -> None:
        """A closure is no matter where nothing travels."""
        more = 3
        with ThreadPoolExecutor(2) as executor:
            found = list(map_fleet(lambda one: one + more, [1, 2], executor=executor))
        assert found == [4, 5]

    def test_goes_on_where_it_was_stopped(self) -> None:
        """What was taken before, and what comes after, are the whole."""
        whole = list(map_fleet(square, range(20)))
        first = map_fleet(square, range(20))
        taken = [next(first) for _ in range(7)]
        assert taken + list(map_fleet(square, range(20), skip=len(taken))) == whole

    def test_an_error_reaches_who_asks(self) -> None:
        """One bad item stops the stream with its own error."""
        with ThreadPoolExecutor(1) as executor:
            stream = map_fleet(int, ["1", "x"], executor=executor, chunk=1)
            assert next(stream) == 1
            with pytest.raises(ValueError, match="invalid literal"):
                next(stream)

    def test_shows_a_bar(self, capsys: pytest.CaptureFixture[str]) -> None:
        """With tqdm, on the error stream, and the answers are the same."""
        pytest.importorskip("tqdm")
        assert list(map_fleet(square, [1, 2, 3], progress=True)) == [1, 4, 9]
        assert "3/3" in capsys.readouterr().err

    @pytest.mark.parametrize("field", ["chunk", "ahead", "skip"])
    def test_refuses_numbers_that_are_none(self, field: str) -> None:
        """A chunk of nothing never ends."""
        with pytest.raises(InvalidInput, match=field):
            map_fleet(square, [1], **{field: -1})  # type: ignore[arg-type]

    def test_needs_choices(self) -> None:
        """Nothing to compare is refused before anything runs."""
        with pytest.raises(InvalidInput, match="choices"):
            compare_fleet([], [], TERMS)


class TestAFrame:
    """A result as a table, on its way to polars and pandas."""

    FRAME = Frame(
        ("plan", "cost", "units"),
        [("growth", money("1499.50", "TRY"), 3), ("<basic>", None, 0)],
        title="a & b",
    )

    def test_prints_and_escapes(self) -> None:
        """As text, and as HTML."""
        assert "1,499.50 TRY" in str(self.FRAME)
        html = self.FRAME._repr_html_()
        assert "&lt;basic&gt;" in html
        assert "a &amp; b" in html

    def test_keeps_amounts_exact_in_polars(self) -> None:
        """Decimals, with the currency beside them."""
        polars = pytest.importorskip("polars")
        frame = self.FRAME.to_polars()
        assert isinstance(frame, polars.DataFrame)
        assert frame["cost"][0] == Decimal("1499.5")
        assert frame["cost currency"].to_list() == ["TRY", None]
        whole = Frame(self.FRAME.columns, [("basic", money("7", "TRY"), 1)]).to_polars()
        assert polars.concat([frame, whole])["cost"].sum() == Decimal("1506.5")

    def test_goes_to_pandas(self) -> None:
        """The same columns."""
        pytest.importorskip("pandas")
        frame = self.FRAME.to_pandas()
        assert list(frame.columns) == ["plan", "cost", "cost currency", "units"]
        assert str(frame["cost"][0]).startswith("1499.5")
