"""Rate tables: the most specific row, dated and versioned."""

import pickle
from datetime import UTC, date, datetime
from fractions import Fraction
from itertools import product
from typing import Any

import attrs
import pytest
from hypothesis import given, strategies as st

from monochat_billing.charge_models import Graduated, PerUnit
from monochat_billing.errors import InvalidInput, UnknownName
from monochat_billing.rate_tables import RateRow, RateTable, RateTables, rate_usage
from monochat_billing.tiers import Tier

VALUES = ("a", "b")
DIMENSIONS = ("region", "class", "channel")


def table(rows: Any = None, **change: Any) -> RateTable:  # noqa: ANN401
    fields: dict[str, Any] = {
        "name": "t",
        "meter": "m",
        "currency": "TRY",
        "effective_on": date(2026, 1, 1),
        "rows": rows or (RateRow(model=PerUnit(price=1)),),
        "dimensions": DIMENSIONS,
    }
    return RateTable(**(fields | change))


@st.composite
def row_sets(draw: st.DrawFn) -> tuple[RateRow, ...]:
    choices = [None, *VALUES]
    keys = draw(st.sets(st.sampled_from(list(product(choices, repeat=3))), min_size=1))
    return tuple(
        RateRow(
            where={n: v for n, v in zip(DIMENSIONS, key, strict=True) if v is not None},
            model=PerUnit(price=place),
        )
        for place, key in enumerate(draw(st.permutations(sorted(keys, key=str))))
    )


class TestTheMostSpecificRow:
    @given(row_sets(), st.tuples(*[st.sampled_from(VALUES)] * 3), st.randoms(use_true_random=False))
    def test_is_found_whatever_the_order(
        self,
        rows: tuple[RateRow, ...],
        values: tuple[str, ...],
        order: Any,  # noqa: ANN401
    ) -> None:
        """More dimensions win, then the earlier ones; the order of the rows says nothing."""
        usage = dict(zip(DIMENSIONS, values, strict=True))
        fitting = [row for row in rows if row.where.items() <= usage.items()]
        shuffled = list(rows)
        order.shuffle(shuffled)
        made = table(tuple(shuffled))
        if not fitting:
            with pytest.raises(UnknownName, match="has no row"):
                made.row_for(usage)
            return
        best = max(fitting, key=lambda row: (len(row.where), [n in row.where for n in DIMENSIONS]))
        assert made.row_for(usage) == best

    def test_a_dimension_left_out_fits_rows_that_do_not_name_it(self) -> None:
        """What is not known about a usage does not choose a row."""
        rows = (RateRow(where={"class": "a"}, model=None), RateRow(model=PerUnit(price=2)))
        assert table(rows).row_for({"region": "b"}) == rows[1]

    def test_none_is_not_offered(self) -> None:
        """A row without a model refuses; a more general row does not step in."""
        rows = (RateRow(where={"region": "a"}, model=None), RateRow(model=PerUnit(price=2)))
        with pytest.raises(InvalidInput, match="is not offered by t v1: region=a"):
            rate_usage(
                RateTables(tables=(table(rows),)), 1, on=date(2026, 5, 1), values={"region": "a"}
            )

    def test_an_unknown_dimension_is_a_mistake(self) -> None:
        """A misspelled dimension must not fall through to the general row."""
        with pytest.raises(InvalidInput, match="is no dimension of t"):
            table().row_for({"regoin": "a"})


class TestTheHistory:
    def test_the_latest_table_not_after_the_day_rules(self) -> None:
        """A table rules from its own day on, a later one ends it."""
        later = table(effective_on=date(2026, 7, 1), rows=(RateRow(model=PerUnit(price=2)),))
        history = RateTables(tables=(later, table()))
        assert history.in_force(date(2026, 6, 30)).rows[0].model == PerUnit(price=1)
        assert history.in_force(date(2026, 7, 1)) == later
        with pytest.raises(InvalidInput, match="before the first"):
            history.in_force(date(2025, 12, 31))

    def test_what_was_charged_can_be_computed_again(self) -> None:
        """A correction takes the place of the table; its first version is still there."""
        mended = table(version=2, rows=(RateRow(model=PerUnit(price=3)),))
        history = RateTables(tables=(table(), mended))
        on = date(2026, 5, 1)
        assert rate_usage(history, 2, on=on).raw == 6
        first = rate_usage(history, 2, on=on, version=1)
        assert first.raw == 2
        assert first.lines[0].source == "t v1"

    def test_a_later_table_of_a_lower_version_still_rules(self) -> None:
        """Versions count within a day; the day comes first."""
        mended = table(version=2)
        later = table(effective_on=date(2026, 7, 1))
        assert RateTables(tables=(mended, later)).in_force(date(2026, 8, 1)) == later

    @given(st.lists(st.integers(0, 500), min_size=1, max_size=6))
    def test_steps_of_a_table_sum_to_its_whole(self, parts: list[int]) -> None:
        """Charging as usage happens is charging it at once."""
        tiers = (Tier(up_to=100, price=1), Tier(price="0.5"))
        rows = (RateRow(model=Graduated(tiers=tiers)),)
        history, on = RateTables(tables=(table(rows),)), date(2026, 5, 1)
        raw, used = Fraction(0), 0
        for more in parts:
            raw += rate_usage(history, used + more, before=used, on=on).raw
            used += more
        assert raw == rate_usage(history, used, on=on).raw


class TestRefusals:
    @pytest.mark.parametrize(
        ("change", "field"),
        [
            ({"name": " "}, "name"),
            ({"meter": ""}, "meter"),
            ({"currency": "try"}, "currency"),
            ({"effective_on": datetime(2026, 1, 1, tzinfo=UTC)}, "effective_on"),
            ({"version": 0}, "version"),
            ({"dimensions": ("a", "a")}, "dimensions"),
            ({"dimensions": tuple(map(str, range(17)))}, "dimensions"),
            ({"rows": ()}, "rows"),
            ({"rows": (RateRow(where={"x": "1"}, model=None),)}, "rows"),
            ({"rows": (RateRow(model=None), RateRow(model=PerUnit(price=1)))}, "rows"),
        ],
        ids=str,
    )
    def test_names_what_cannot_be_right(self, change: dict[str, Any], field: str) -> None:
        """A table that could misprice is refused when it is made."""
        with pytest.raises(InvalidInput) as caught:
            attrs.evolve(table(), **change)
        assert caught.value.field == field

    @pytest.mark.parametrize("where", [{"a": 1}, {"": "b"}, {"a": ""}, [("a", "b")]], ids=str)
    def test_a_row_names_text(self, where: Any) -> None:  # noqa: ANN401 - the subject
        """Dimension values are text that is not empty."""
        with pytest.raises(InvalidInput, match="where"):
            RateRow(where=where, model=None)

    def test_a_history_is_of_one_meter_and_currency(self) -> None:
        """Which table rules a day must have one answer."""
        for other in (
            table(),
            table(currency="USD", effective_on=date(2026, 2, 1)),
            table(meter="x", effective_on=date(2026, 2, 1)),
        ):
            with pytest.raises(InvalidInput, match="tables"):
                RateTables(tables=(table(), other))
        with pytest.raises(InvalidInput, match="empty"):
            RateTables(tables=())

    def test_survives_pickling(self) -> None:
        """A table crosses a process pool."""
        made = RateTables(tables=(table((RateRow(where={"region": "a"}, model=None),)),))
        assert pickle.loads(pickle.dumps(made)) == made  # noqa: S301 - our own bytes
