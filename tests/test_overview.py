"""The Billing page as one value."""

import attrs
import pytest

from monochat_billing.balance import Terms
from monochat_billing.lots import ChargeKind
from monochat_billing.money import money
from monochat_billing.overview import BalanceLine, overview
from monochat_billing.plans import Family
from monochat_billing.tables import table
from tests.scene import CATALOG, START, instant, lira, scene

PAGE = """\
Acme Ltd. (acme), 2026-10-12 03:00 Europe/Istanbul

balance   posted  held  available
-------  -------  ----  ---------
TRY      17652.5     0    17652.5
USD            5     0          5

subscription  product   state   price               from              next renewal
------------  --------  ------  ------------------  ----------------  ----------------
plan          growth    ACTIVE  1499 TRY per MONTH  2026-10-05 09:00  2026-11-05 09:00
support       priority  ACTIVE  450 TRY per MONTH   2026-10-05 09:00  2026-11-05 09:00

scheduled      to          interval  due               asked for
-------------  ----------  --------  ----------------  ----------------
AT             enterprise  MONTH     2026-10-20 12:00  2026-10-11 03:00
END_OF_PERIOD  basic       MONTH     2026-11-05 09:00  2026-10-10 03:00

#  effective         entry            amount  balance  reason
-  ----------------  -----------  ----------  -------  ------------------
2  2026-10-05 09:00  GRANT            +5 USD        5  grant
3  2026-10-05 09:00  PLAN_FEE      -1499 TRY    18501  growth per MONTH
4  2026-10-05 09:00  SUPPORT_FEE    -450 TRY    18051  priority per MONTH
5  2026-10-12 03:00  CHARGE       -398.5 TRY  17652.5  export

Sample catalog: all prices are invented."""


class TestThePage:
    """It shows what there is, and prints it."""

    def test_prints_everything(self) -> None:
        """Balances, subscriptions, what is planned, the last entries, in the account's zone."""
        made = scene("20000")
        made.credit(START, money("5", "USD"))
        made.subscribe(START, "growth")
        made.subscribe(START, "priority")
        made.plan("2026-10-10", "basic")
        made.plan("2026-10-11", "enterprise", at="2026-10-20 09:00")
        made.debit("2026-10-12", "398.5")
        page = overview(made.state, CATALOG, made.entries[1:])
        assert str(page) == PAGE
        assert page.subscription(Family.SUPPORT) == made.of(Family.SUPPORT)
        assert page.as_of == instant("2026-10-12")

    def test_of_an_empty_account(self) -> None:
        """It says that there is nothing yet."""
        page = overview(scene().state, CATALOG, ())
        assert page.subscription(Family.PLAN) is None
        assert str(page).split("\n\n")[2:5] == ["subscription: none", "scheduled: none", "#: none"]

    def test_has_no_note_where_the_catalog_has_none(self) -> None:
        """The page then ends with its entries."""
        page = overview(scene().state, attrs.evolve(CATALOG, note=""), ())
        assert str(page).endswith("#: none")

    def test_available_is_what_can_be_spent_on_something(self) -> None:
        """A message pack counts, whatever it may pay for; nobody's name is the account's id."""
        made = scene("10")
        made.credit(START, "5", Terms(pays_for=frozenset({ChargeKind.MESSAGE})))
        page = overview(made.state, CATALOG, ())
        assert page.balances[0] == BalanceLine(
            currency="TRY", posted=lira("15"), held=lira("0"), available=lira("15")
        )


class TestTable:
    """A table fits its width."""

    def test_shortens_its_last_column(self) -> None:
        """With an ellipsis; the columns before it stay whole."""
        lines = table(("a", "reason"), [("12345", "x" * 50), ("1", "short")], width=20).splitlines()
        assert lines == [
            "a      reason",
            "-----  -------------",
            "12345  xxxxxxxxxxxx…",
            "1      short",
        ]
        assert max(map(len, lines)) == 20

    @pytest.mark.parametrize("rest", [13, 12])
    def test_leaves_what_fits(self, rest: int) -> None:
        """Exactly as wide as allowed is not too wide."""
        text = table(("a", "b"), [("12345", "x" * rest)], width=20)
        assert "…" not in text

    def test_is_never_wider_even_for_long_columns(self) -> None:
        """A column is at least one character."""
        assert table(("a", "b"), [("x" * 30, "yy")], width=20).splitlines()[-1].endswith("  …")

    def test_aligns_heads_that_say_so_to_the_right(self) -> None:
        """Amounts read better so."""
        assert table((">n", "x"), [("1", "a"), ("10", "b")]).splitlines()[2:] == [" 1  a", "10  b"]

    def test_without_rows_says_so(self) -> None:
        """In one line."""
        assert table(("scheduled", "to"), []) == "scheduled: none"
