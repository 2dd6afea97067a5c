"""Documents and columns: whatever can be stored comes back exactly, and nothing else is read."""

import inspect
import json
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Any, get_args, get_type_hints
from zoneinfo import ZoneInfo

import attrs
import pytest
from hypothesis import given, strategies as st

from monochat_billing import service
from monochat_billing.accounts import Account, ChargedUsage
from monochat_billing.adapters.sql import _account_rows, _rows, documents
from monochat_billing.adapters.sql.documents import Malformed
from monochat_billing.balance import Entry
from monochat_billing.balance_commands import BatchReport
from monochat_billing.lots import Lot
from monochat_billing.money import amount_text, money
from monochat_billing.repositories import KeyRecord
from monochat_billing.subscriptions import Subscription
from tests.effort import one_in
from tests.factories import START, crediting, lira, new_account, subscription, top_up
from tests.values import INSTANTS, MONIES, TEXTS, UNITS, same, values_of

A_FIFTH = one_in(5)
"""Values of values of values take long to draw, and there are many types of them."""


class TestEveryValue:
    """What is written is what is read, to the last digit and in the same type."""

    @pytest.mark.parametrize("name", sorted(documents.TYPES))
    def test_comes_back_exactly(self, name: str) -> None:
        @A_FIFTH
        @given(values_of(documents.TYPES[name]))
        def check(value: Any) -> None:  # noqa: ANN401 - of any type
            text = documents.write_any(value)
            assert text.isascii()
            assert same(documents.read_any(text), value)
            assert documents.write_any(documents.read_any(text)) == text

        check()

    @given(
        st.recursive(
            TEXTS | UNITS | st.none() | st.booleans() | MONIES,
            lambda one: st.lists(one, max_size=3).map(tuple),
            max_leaves=6,
        )
    )
    def test_comes_back_from_within_tuples(self, value: object) -> None:
        assert same(documents.read_any(documents.write_any(value)), value)

    def test_an_instant_is_kept_in_utc(self) -> None:
        istanbul = datetime(2026, 10, 5, 9, tzinfo=timezone(timedelta(hours=3)))
        text = documents.write_any(istanbul)
        assert text == '{"type":"datetime","value":"2026-10-05T06:00:00+00:00"}'
        assert documents.read_any(text) == istanbul

    def test_both_hours_of_a_clock_that_is_set_back_are_kept(self) -> None:
        once = datetime(2026, 10, 25, 2, 30, tzinfo=ZoneInfo("Europe/Berlin"))
        again = once.replace(fold=1)
        assert once == again
        assert documents.read_any(documents.write_any(again)).hour == 1
        assert documents.read_any(documents.write_any(once)).hour == 0
        assert _rows.ticks(again) - _rows.ticks(once) == 3_600_000_000

    def test_a_set_is_written_in_order(self) -> None:
        text = documents.write(frozenset("cba"))
        assert text == '["a","b","c"]'

    def test_what_a_document_looks_like_is_fixed(self) -> None:
        """Documents are read by later releases: this form may gain members, never lose one."""
        posted = crediting(new_account(), lira("12.50")).entries[0]
        written = json.loads(documents.write_any(posted))
        assert written["type"] == "Entry"
        assert (
            written["value"].items()
            >= {
                "account": "acme",
                "number": 1,
                "unit": "TRY",
                "scale": 6,
                "amount": 12_500_000,
                "balance_after": 12_500_000,
                "kind": "TOP_UP",
                "reason": "",
                "reference": "",
                "actor": "",
                "effective_at": "2026-10-05T06:00:00.123456+00:00",
                "recorded_at": "2026-10-05T06:00:00.123456+00:00",
                "parts": [[1, 12_500_000]],
                "corrects": None,
            }.items()
        )


class TestColumns:
    """A value that has columns of its own loses none of its fields."""

    @given(values_of(Entry))
    def test_an_entry_comes_back(self, value: Entry) -> None:
        assert same(_rows.entry(_rows.entry_row(value)), value)

    @given(values_of(Lot))
    def test_a_lot_comes_back(self, value: Lot) -> None:
        assert same(_account_rows.lot(_account_rows.lot_row("acme", value)), value)

    @given(values_of(ChargedUsage))
    def test_usage_comes_back(self, value: ChargedUsage) -> None:
        assert same(_rows.usage(_rows.usage_row("acme", 1, value)), value)

    @A_FIFTH
    @given(values_of(Account))
    def test_an_account_comes_back(self, value: Account) -> None:
        assert same(_account_rows.account(_account_rows.account_row(value, 7, 8, 9)), value)

    @A_FIFTH
    @given(values_of(Subscription))
    def test_a_subscription_comes_back(self, value: Subscription) -> None:
        assert same(_rows.subscription(_rows.subscription_row("acme", 1, value)), value)

    @given(st.builds(KeyRecord, TEXTS, TEXTS, st.dictionaries(TEXTS, TEXTS), TEXTS, INSTANTS))
    def test_a_key_comes_back(self, value: KeyRecord) -> None:
        again = _rows.key(_rows.key_row(value))
        assert again == value
        assert list(again.content) == list(value.content)

    @given(INSTANTS)
    def test_an_instant_comes_back(self, value: datetime) -> None:
        assert _rows.instant(_rows.ticks(value)) == value
        assert _rows.ticks(value + timedelta(microseconds=1)) == _rows.ticks(value) + 1


class TestOlderDocuments:
    """A document outlives new optional fields."""

    def test_a_missing_optional_field_takes_its_default(self) -> None:
        value = json.loads(documents.write(top_up()))
        for field in attrs.fields(type(top_up())):
            if field.default is not attrs.NOTHING:
                del value[field.name]
        old = documents.read(type(top_up()), json.dumps(value))
        assert old == attrs.evolve(top_up(), checkout=None)

    def test_a_subscription_of_before_anchors_were_remembered(self) -> None:
        value = json.loads(documents.write(subscription()))
        del value["anchors"]
        assert documents.read(Subscription, json.dumps(value)) == subscription()

    def test_a_missing_required_field_is_refused(self) -> None:
        with pytest.raises(Malformed, match="amount"):
            documents.read_any('{"type":"Checkout","value":{"top_up":"t","gateway":"g"}}')


class TestWhatIsRefused:
    """Nothing that this library did not write is read as something else."""

    @pytest.mark.parametrize(
        ("text", "told"),
        [
            ("", "JSONDecodeError"),
            ("{", "JSONDecodeError"),
            ("1.5", "1.5 is a binary float"),
            ("NaN", "NaN is a binary float"),
            ("[1]", "no value with its type"),
            ('{"type":"Money"}', "no value with its type"),
            ('{"type":"Money","value":"1 TRY","more":1}', "no value with its type"),
            ('{"type":"Mony","value":"1 TRY"}', "the type 'Mony' is unknown"),
            ('{"type":["Money"],"value":"1 TRY"}', "TypeError"),
            ('{"type":"Money","value":"NaN TRY"}', "NaN is no amount"),
            ('{"type":"Money","value":"1 XYZ"}', "not a known currency"),
            ('{"type":"Money","value":12}', "12 is no text"),
            ('{"type":"datetime","value":"2026-10-05T06:00:00"}', "has no offset"),
            ('{"type":"datetime","value":"yesterday"}', "ValueError"),
            ('{"type":"Fraction","value":"1/0"}', "ZeroDivisionError"),
            ('{"type":"tuple","value":"abc"}', "the type 'tuple' is unknown"),
            ("[" * 100_000, "RecursionError"),
        ],
    )
    def test_a_text_that_is_no_document(self, text: str, told: str) -> None:
        with pytest.raises(Malformed, match=told):
            documents.read_any(text)

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("amount", "12"),
            ("amount", True),
            ("number", None),
            ("unit", 5),
            ("kind", "GIFT"),
            ("kind", 1),
            ("parts", "ab"),
            ("parts", [[1]]),
            ("parts", [["1", 2]]),
            ("effective_at", 0),
            ("later", "?"),
        ],
    )
    def test_a_member_of_another_type_is_refused(self, field: str, value: object) -> None:
        written = json.loads(documents.write(crediting(new_account(), lira("1")).entries[0]))
        with pytest.raises(Malformed):
            documents.read(Entry, json.dumps({**written, field: value}))

    @given(st.data())
    def test_a_text_with_a_slip_is_refused_or_still_writes_itself(
        self, data: st.DataObject
    ) -> None:
        text = documents.write_any(subscription())
        place = data.draw(st.integers(0, len(text) - 1))
        slip = text[:place] + data.draw(st.sampled_from('"{}[],:0a-')) + text[place + 1 :]
        try:
            value = documents.read_any(slip)
        except Malformed:
            return
        assert same(documents.read_any(documents.write_any(value)), value)

    @pytest.mark.parametrize(
        "value",
        [1.5, object(), {"a": 1}, datetime(2026, 1, 1), (1, {2}), new_account(), ValueError("x")],  # noqa: DTZ001 - naive on purpose
        ids=["float", "object", "dict", "naive", "set", "account", "error"],
    )
    def test_a_value_without_an_exact_form_is_not_written(self, value: object) -> None:
        with pytest.raises(Malformed):
            documents.write_any(value)

    def test_a_binary_float_deep_inside_is_not_written(self) -> None:
        wrong: Any = 1.5
        entry = attrs.evolve(crediting(new_account(), lira("1")).entries[0], amount=wrong)
        with pytest.raises(Malformed, match=r"1\.5 is a binary float"):
            documents.write_any(entry)
        parts = attrs.evolve(entry, amount=1, parts=((1, wrong),))
        with pytest.raises(Malformed, match=r"1\.5 is a binary float"):
            documents.write_any(parts)
        naive = attrs.evolve(top_up(), created_at=START.replace(tzinfo=None))
        with pytest.raises(Malformed, match="has no offset"):
            documents.write_any(naive)


def _verbs() -> list[tuple[str, Callable[..., object]]]:
    """List the verbs of the service whose result a key remembers; of an invoice it is the id."""
    hints = get_type_hints(service.Billing)
    return [
        (f"{noun}.{name}", verb)
        for noun, kind in hints.items()
        for name, verb in inspect.getmembers(kind, inspect.isfunction)
        if not name.startswith("_")
        and not noun.startswith("_")
        and noun != "invoices"
        and "key" in inspect.signature(verb).parameters
    ]


class TestResults:
    """Whatever a key can remember has a written form."""

    @pytest.mark.parametrize(("name", "verb"), [pytest.param(*one, id=one[0]) for one in _verbs()])
    def test_of_every_verb_has_a_form(self, name: str, verb: Callable[..., object]) -> None:
        result = get_type_hints(verb)["return"]
        parts = get_args(result) or [result]
        kinds = [one for one in parts if one is not type(None) and one is not Ellipsis]
        assert kinds
        assert [kind for kind in kinds if kind not in documents.TYPES.values()] == [], name

    def test_there_are_verbs_to_look_at(self) -> None:
        assert len(_verbs()) >= 6

    def test_an_amount_is_written_without_loss(self) -> None:
        huge = money(str(2**63 - 1), "TRY", scale=0)
        assert amount_text(documents.read_any(documents.write_any(huge))) == str(2**63 - 1)


def _batch(first: Entry, items: list[tuple[int, str]], kind: str) -> BatchReport:
    """Post items behind an entry as a batch of debits does, or with one thing that differs."""
    entries = []
    for number, (units, reference) in enumerate(items, first.number):
        after = first.balance_after - sum(one for one, _ in items[: number - first.number + 1])
        parts = ((1, -units),) if kind != "parts" else ((1, 1 - units), (2, -1))
        entries.append(
            attrs.evolve(
                first,
                number=number,
                amount=-units,
                balance_after=after,
                reference=reference,
                parts=parts,
                exchange=None,
            )
        )
    if kind == "gap":
        entries[-1] = attrs.evolve(entries[-1], number=entries[-1].number + 7)
    if kind == "reason":
        entries[-1] = attrs.evolve(entries[-1], reason="another")
    return BatchReport(results=tuple(entries))


class TestShortForms:
    """What the most frequent commands return is remembered shortly, and comes back exactly."""

    @given(values_of(Entry))
    def test_an_entry(self, value: Entry) -> None:
        text = documents.write_outcome(value)
        assert text.isascii()
        assert same(documents.read_any(text), value)

    @given(values_of(BatchReport))
    def test_any_batch(self, value: BatchReport) -> None:
        assert same(documents.read_any(documents.write_outcome(value)), value)

    @given(
        values_of(Entry),
        st.lists(st.tuples(UNITS, TEXTS), min_size=1, max_size=5),
        st.sampled_from(["usual", "parts", "gap", "reason"]),
    )
    def test_a_batch_of_one_balance(
        self, first: Entry, items: list[tuple[int, str]], kind: str
    ) -> None:
        value = _batch(first, items, kind)
        text = documents.write_outcome(value)
        assert same(documents.read_any(text), value)
        assert text.startswith('{"type":"entries"') or kind in {"gap", "reason"}

    def test_a_thousand_debits_take_few_bytes(self) -> None:
        entry = crediting(new_account(), lira("1")).entries[0]
        value = _batch(entry, [(10_000, f"message-{one}") for one in range(1000)], "usual")
        assert len(documents.write_outcome(value)) < 17_000 < len(documents.write_any(value)) / 18

    def test_what_was_written_the_long_way_is_read(self) -> None:
        entry = crediting(new_account(), lira("1")).entries[0]
        for value in (entry, BatchReport(results=(entry,))):
            assert documents.write_any(value) != documents.write_outcome(value)
            assert documents.read_any(documents.write_any(value)) == value

    @pytest.mark.parametrize("wrong", [1.5, "1", True, None, [1]], ids=repr)
    @pytest.mark.parametrize("place", [1, 4, 11, 12])
    def test_a_short_form_with_a_field_of_another_type_is_refused(
        self, place: int, wrong: object
    ) -> None:
        entry = crediting(new_account(), lira("1")).entries[0]
        batch = _batch(entry, [(1, "one"), (2, "two")], "usual")
        for value, at in ((entry, place), (batch, 8 if place == 11 else place)):
            written = json.loads(documents.write_outcome(value))
            assert written["type"] == written["type"].lower()
            written["value"][at] = wrong
            with pytest.raises(Malformed):
                documents.read_any(json.dumps(written))

    def test_a_binary_float_is_not_written(self) -> None:
        wrong: Any = 1.5
        entry = crediting(new_account(), lira("1")).entries[0]
        for one in (
            attrs.evolve(entry, amount=wrong),
            attrs.evolve(entry, parts=((1, wrong),)),
            attrs.evolve(entry, scale=wrong),
        ):
            for value in (one, BatchReport(results=(one,))):
                with pytest.raises(Malformed, match=r"1\.5 is a binary float"):
                    documents.write_outcome(value)


class TestTexts:
    """Texts by name are written by hand, as the converter writes them."""

    @given(st.dictionaries(st.text(), st.text()))
    def test_texts(self, value: dict[str, str]) -> None:
        assert documents.read(dict[str, str], documents.write_texts(value)) == value
        assert documents.write_texts(value) == documents.write(value)
