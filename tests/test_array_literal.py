"""Arrays as PostgreSQL reads them: the server itself says whether they are right."""

import pytest
from hypothesis import given, strategies as st

from monochat_billing.adapters.sql._shapes import array_literal
from tests.postgres import Server

TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
NUMBERS = st.integers(-(2**63), 2**63 - 1)


class TestArrayLiteral:
    """What is written is what the server reads."""

    @given(values=st.lists(st.none() | TEXTS))
    def test_texts_come_back(self, postgres_server: Server, values: list[str | None]) -> None:
        with postgres_server.connect() as connection:
            cursor = connection.execute("SELECT %s::text[]", (array_literal(values),))
            assert cursor.fetchone() == (values,)

    @given(values=st.lists(st.none() | NUMBERS))
    def test_numbers_come_back(self, postgres_server: Server, values: list[int | None]) -> None:
        with postgres_server.connect() as connection:
            cursor = connection.execute("SELECT %s::bigint[]", (array_literal(values),))
            assert cursor.fetchone() == (values,)

    @pytest.mark.parametrize("values", [["a\0b", "c"], ["a\0b", None]])
    def test_a_nul_is_refused(self, values: list[str | None]) -> None:
        with pytest.raises(ValueError, match="NUL"):
            array_literal(values)
