"""The Billing page as one value."""

import re
from xml.etree import ElementTree as ET

import attrs
import pytest

from monochat_billing import (
    commands,
    entry_words,
    forecast_lines,
    overview_text,
    permissions,
    runways,
)
from monochat_billing.balance import DebitMode, EntryKind, Terms
from monochat_billing.errors import InvalidInput
from monochat_billing.lots import ChargeKind, LotOrigin
from monochat_billing.money import money
from monochat_billing.overview import NoticeKind, overview
from monochat_billing.overview_text import BalanceLine
from monochat_billing.plans import Family, sample_catalog
from monochat_billing.scheduling import DueKind, ScheduleAction
from monochat_billing.subscriptions import SubscriptionState
from monochat_billing.tables import table
from monochat_billing.units import Units
from monochat_billing.wording import Words
from tests.desk import Desk
from tests.scene import CATALOG, START, Scene, instant, lira, scene

PAGE = """\
Acme Ltd. (acme), 2026-10-12 03:00 Europe/Istanbul

! above the limit of users

balance     posted  held  available
-------  ---------  ----  ---------
TRY      17,652.50  0.00  17,652.50
USD           5.00  0.00       5.00

subscription     product   state          price  paid     tax in it   what comes
---------------  --------  ------  ------------  -------  ----------  -----------------
Plan             Growth    active  1,499.00 TRY  monthly  KDV 249.83  renews 2026-11-05
Support package  Priority  active    450.00 TRY  monthly  KDV 75.00   renews 2026-11-05

scheduled         what                           asked for
----------------  -----------------------------  ----------------
2026-10-20 12:00  change to Enterprise, monthly  2026-10-11 03:00
2026-11-05 09:00  change to Basic, monthly       2026-10-10 03:00

upcoming    what                         amount  balance after  outcome
----------  --------------------  -------------  -------------  --------------------
2026-10-20  change to Enterprise  -2,322.58 TRY      15,329.92  paid, KDV 387.10 TRY
2026-11-05  change to Basic                                     free of charge
2026-11-05  renewal of Priority     -450.00 TRY      14,879.92  paid, KDV 75.00 TRY

TRY: lasts beyond 13 October 2027

limit  in use  of  room
-----  ------  --  -------
users      11  10  1 above

#  effective         entry               amount  in     balance  reason
-  ----------------  ---------------  ---------  ---  ---------  -----------------
2  2026-10-05 09:00  credit               +5.00  USD       5.00  grant
3  2026-10-05 09:00  plan             -1,499.00  TRY  18,501.00  Growth, monthly
4  2026-10-05 09:00  support package    -450.00  TRY  18,051.00  Priority, monthly
5  2026-10-12 03:00  charge             -398.50  TRY  17,652.50  export

Sample catalog: all prices are invented."""


class TestThePage:
    """It shows what there is, and prints it."""

    def test_prints_everything(self) -> None:
        """Warnings first; then what there is, what comes, and the last entries."""
        made = scene("20000")
        made.credit(START, money("5", "USD"))
        made.subscribe(START, "growth")
        made.subscribe(START, "priority")
        made.plan("2026-10-10", "basic")
        made.plan("2026-10-11", "enterprise", at="2026-10-20 09:00")
        made.debit("2026-10-12", "398.5")
        page = overview(made.state, CATALOG, made.entries[1:], usage={"users": 11})
        assert str(page) == PAGE
        assert page.subscription(Family.SUPPORT) == made.of(Family.SUPPORT)
        assert page.as_of == instant("2026-10-12")

    def test_of_an_empty_account(self) -> None:
        """It says that there is nothing yet, and nothing else."""
        page = overview(scene().state, CATALOG, ())
        assert page.subscription(Family.PLAN) is None
        assert str(page).split("\n\n")[2:] == ["subscription: none", "#: none", CATALOG.note]

    def test_has_no_note_where_the_catalog_has_none(self) -> None:
        """The page then ends with its entries."""
        page = overview(scene().state, attrs.evolve(CATALOG, note=""), ())
        assert str(page).endswith("#: none")

    def test_available_is_what_can_be_spent_on_something(self) -> None:
        """Credit for messages counts, whatever it may pay for, and is shown with its terms."""
        made = scene("10")
        made.credit(START, "5", Terms(pays_for=frozenset({ChargeKind.MESSAGE})))
        page = overview(made.state, CATALOG, ())
        assert page.balances[0] == BalanceLine(
            unit="TRY", posted=lira("15"), held=lira("0"), available=lira("15"), owed=lira("0")
        )
        (credit,) = page.credits
        assert (credit.remaining, credit.granted) == (lira("5"), lira("5"))
        assert row(page, "paid") == ["paid", "TRY", "5.00", "5.00", "without an end", "messages"]

    def test_speaks_turkish(self) -> None:
        """No word of the frame is left in English."""
        made = scene("2000")
        made.subscribe(START, "growth")
        text = overview(made.state, CATALOG, made.entries).explain("tr")
        assert max(map(len, text.splitlines())) <= 100
        assert row(text, "Plan") == [
            "Plan", "Growth", "etkin", "1.499,00 TRY", "aylık", "KDV 249,83", "yenileme 05.11.2026",
        ]  # fmt: skip
        assert row(text, "TRY")[:2] == ["TRY", "501,00"]
        assert "! 05.11.2026 09:00: Growth yenilemesi 998,00 TRY eksik, ödenemez" in text
        for word in ("balance", "subscription", "renew", "entry", "reason", "active"):
            assert word not in text

    def test_refuses_another_language(self) -> None:
        page = overview(scene().state, CATALOG, ())
        for show in (page.explain, page.html):
            with pytest.raises(InvalidInput, match="use 'en' or 'tr'"):
                show("de")


class TestWords:
    """Every kind and state has a word; an enum's own name is for programs."""

    def test_nothing_is_left_without(self) -> None:
        for words, names in (
            (overview_text._FAMILIES, Family),
            (overview_text._STATES, SubscriptionState),
            (overview_text._NEXT, SubscriptionState),
            (overview_text._ORIGINS, LotOrigin),
            (overview_text._PAYS_FOR, ChargeKind),
            (entry_words._KINDS, EntryKind),
            (overview_text._ACTIONS, ScheduleAction),
            (forecast_lines._STATES, SubscriptionState),
            (forecast_lines._WHAT, DueKind),
            (permissions._SENTENCES, permissions.Reason),
            (runways._KINDS, ChargeKind),
        ):
            assert set(words) == set(names)


class TestReasons:
    """What the library wrote is said in the language; what a person wrote is left alone."""

    @pytest.mark.parametrize(
        ("kind", "reason", "english", "turkish"),
        [
            (EntryKind.PLAN_FEE, "growth per MONTH", "Growth, monthly", "Growth, aylık"),
            (
                EntryKind.ADD_ON_FEE,
                "3 x basic per YEAR",
                "3 × Basic, yearly",
                "3 × Ücretsiz, yıllık",
            ),
            (EntryKind.PLAN_FEE, "gone per 2 MONTH", "gone, every 2 months", "gone, 2 ayda bir"),
            (EntryKind.PLAN_FEE, "growth per HOUR", "growth per HOUR", "growth per HOUR"),
            (EntryKind.PLAN_FEE, "by hand", "by hand", "by hand"),
            (EntryKind.CHARGE, "coffee per MONTH", "coffee per MONTH", "coffee per MONTH"),
            (EntryKind.PRORATION_CREDIT, "unused time of basic", "Basic", "Ücretsiz"),
            (EntryKind.GRANT, "basic includes", "included in Basic", "Ücretsiz kapsamında"),
            (EntryKind.GRANT, "welcome", "welcome", "welcome"),
            (EntryKind.BREAKAGE, "lot expired", "was not used in time", "süresinde kullanılmadı"),
        ],
        ids=lambda one: str(one).replace(" ", "-"),
    )
    def test_reads(self, kind: EntryKind, reason: str, english: str, turkish: str) -> None:
        made = scene("10")
        entry = attrs.evolve(made.entries[0], kind=kind, reason=reason)
        names = {one.id: one.names for one in CATALOG.products}
        for locale, expected in (("en", english), ("tr", turkish)):
            text = overview_text.PageText(Words(locale), "UTC", names)
            assert text.entries([entry]).rows[0][-1] == expected


class TestUnits:
    """Packs and allowances are credit like any other."""

    def test_a_pack_with_its_end(self) -> None:
        made = scene()
        terms = Terms(origin=LotOrigin.PACK, expires_at=instant("2027-10-05 06:00"))
        made.do(
            START,
            lambda state, now: commands.grant(
                state, Units(5000, "monochat.message"), terms=terms, reason="pack", now=now
            ),
        )
        text = str(overview(made.state, CATALOG, ()))
        assert row(text, "extra package") == [
            "extra package", "monochat.message", "5,000", "5,000", "until 2027-10-05 09:00",
            "everything",
        ]  # fmt: skip
        assert row(text, "monochat.message")[1:] == ["5,000", "0", "5,000"]

    def test_decimal_marks_stand_below_each_other(self) -> None:
        """A fee of 0.0009 does not push the kuruş aside."""
        made = scene("20000")
        made.credit(START, money("0.0009", "USD"))
        lines = str(overview(made.state, CATALOG, ())).splitlines()
        lira_line, usd_line = (
            next(line for line in lines if line.startswith(code)) for code in ("TRY", "USD")
        )
        assert lira_line.index("20,000.") + 6 == usd_line.index("0.0009") + 1
        assert usd_line.split() == ["USD", "0.0009", "0.00", "0.0009"]


class TestHolds:
    """What is set aside is shown with its end."""

    def test_is_listed(self, desk: Desk) -> None:
        desk.billing.balances.credit("acme", lira("100"), reason="opening", key="o")
        desk.billing.holds.place(
            "acme", lira("30"), reason="campaign", key="h",
            expires_at=instant("2026-10-07 06:00"),
        )  # fmt: skip
        page = desk.billing.overview("acme")
        assert len(page.holds) == 1
        assert row(page, "TRY") == ["TRY", "100.00", "30.00", "70.00"]
        assert "30.00  2026-10-07 09:00  campaign" in str(page)
        assert "hold" in str(page.forecast)


class TestWarnings:
    """What is wrong stands first."""

    def kinds(self, made: Scene) -> list[NoticeKind]:
        return [one.kind for one in overview(made.state, made.catalog, ()).notices]

    def test_none(self) -> None:
        made = scene("20000")
        made.subscribe(START, "growth")
        assert self.kinds(made) == []

    def test_a_renewal_that_will_fail(self) -> None:
        made = scene("1499")
        made.subscribe(START, "growth")
        assert self.kinds(made) == [NoticeKind.WILL_FAIL]

    def test_past_due_then_suspended(self) -> None:
        made = scene("1499", catalog=sample_catalog())
        made.subscribe(START, "growth")
        made.run("2026-11-06")
        assert self.kinds(made) == [NoticeKind.UNPAID]
        assert "! Growth is not paid: top up" in str(overview(made.state, made.catalog, ()))
        made.run("2026-11-13")
        assert self.kinds(made) == [NoticeKind.SUSPENDED]

    def test_credit_that_is_about_to_be_lost(self) -> None:
        made = scene()
        made.credit(START, "50", Terms(expires_at=instant("2026-10-20")))
        assert self.kinds(made) == [NoticeKind.EXPIRES]
        assert "! 50.00 TRY of credit will be lost on 2026-10-20 03:00" in str(
            overview(made.state, made.catalog, ())
        )

    def test_below_zero(self) -> None:
        made = scene("10")
        made.do(
            START,
            lambda state, now: commands.charge(
                state, lira("11"), reason="late", mode=DebitMode.FORCED, now=now
            ),
        )
        assert self.kinds(made) == [NoticeKind.OVERDRAWN]

    def test_usage_that_runs_it_dry_soon(self, desk: Desk) -> None:
        """At what usage took on average, less than two weeks are left."""
        desk.billing.balances.credit("acme", lira("100"), reason="opening", key="o")
        desk.clock.advance(days=1)
        desk.billing.balances.debit("acme", lira("20"), reason="export", key="d")
        desk.clock.advance(days=1)
        page = desk.billing.overview("acme")
        assert [one.kind for one in page.notices] == [NoticeKind.RUNS_DRY]
        assert "! TRY: lasts until 15 October 2026, then usage cannot be paid" in str(page)


class TestANotebook:
    """It shows the page as HTML."""

    def test_is_escaped(self) -> None:
        """A reason that a person wrote cannot become markup."""
        made = scene("10")
        made.do(
            START,
            lambda state, now: commands.charge(
                state, lira("1"), reason="<script>alert('x')</script> & more", now=now
            ),
        )
        page = overview(made.state, CATALOG, made.entries)
        html = page._repr_html_()
        assert "<script>" not in html
        assert "&lt;script&gt;alert(&#x27;x&#x27;)&lt;/script&gt; &amp; more" in html
        assert html == page.html("en") != page.html("tr")

    def test_is_well_formed(self) -> None:
        """Every tag that opens closes; the same rows as in text."""
        made = scene("2000")
        made.subscribe(START, "growth")
        page = overview(made.state, CATALOG, made.entries)
        root = ET.fromstring(page.html("tr"))  # noqa: S314 - its own text
        assert len(root.findall("table")) == len(re.findall(r"\n-[- ]*\n", str(page)))
        assert root.findtext("h3") == "Acme Ltd. (acme), 05.10.2026 09:00 Europe/Istanbul"


def row(page: object, first: str) -> list[str]:
    """Give the cells of the first row that begins with a text."""
    line = next(line for line in str(page).splitlines() if re.match(rf"{first}  ", line))
    return re.split(r" {2,}", line.strip())


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
        assert (
            table(("a", ">b"), [("x" * 30, "1,234")], width=20).splitlines()[-1].endswith("1,234")
        )

    def test_aligns_heads_that_say_so_to_the_right(self) -> None:
        """Amounts read better so."""
        assert table((">n", "x"), [("1", "a"), ("10", "b")]).splitlines()[2:] == [" 1  a", "10  b"]

    def test_without_rows_says_so(self) -> None:
        """In one line."""
        assert table(("scheduled", "to"), []) == "scheduled: none"
